# 062_cancelled.pl: pg_cancel_backend() and pg_terminate_backend() at a worker,
# wherever it is.
#
# A worker is stopped at each of its debug points, in the midst of what it does there,
# and is sent the signal: what was under way is rolled back, and it, or the next one,
# goes on.  One that is cancelled again and again fails by name, and can be resumed.
# Once all rests there is no worker, no claim, no lock, and nothing that was half made.
#
# long

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use ZdmTest;
use Test::More;

my $node;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub key { return "hashtextextended('zdm:$_[0]', 0)" }

# Who waits at one of these points: its pid, the point and what it is.
sub met
{
	my (@points) = @_;
	return if !@points;
	my $values = join ', ', map { "('$_', " . key($_) . ')' } @points;

	return split /\|/, sql("SELECT l.pid, p.name, a.backend_type FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
		  . "JOIN (VALUES $values) p(name, key) ON l.locktype = 'advisory' AND NOT l.granted AND (l.classid::bigint << 32 | l.objid::bigint) = p.key LIMIT 1");
}

sub tries_again { return scalar(() = slurp_file($node->logfile) =~ /(?:will try again|leaves its stretch): canceling statement due to user request/g) }

# shot(signal, id, pid, point, holder): it is hit there, and may go on.
sub shot
{
	my ($signal, $id, $pid, $point, $holder) = @_;
	my $before = tries_again();
	my $what = "$signal at $point";

	if ($signal eq 'terminate')
	{
		sql("SELECT pg_terminate_backend($pid)");
		wait_for("$what: its end", sub { sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") == 0 });
	}
	else
	{
		# again: where its locks have a timeout, it may have been on its way
		wait_for("$what: its error",
			sub {
				return 1 if tries_again() > $before;
				sql("SELECT pg_cancel_backend($pid)") if met($point);
				return 0;
			});
	}
	$holder->query_safe('SELECT pg_advisory_unlock(' . key($point) . ')');
	# where there is no launcher, another is started by the next call of ours
	sql("SELECT zdm.resume($id)") if $signal eq 'terminate' && sql('SHOW shared_preload_libraries') !~ /pg_zdm/;
	return;
}

# road(signal, id, points, steps): from its statement through what it is told; hit
# at the first visit of each point.
sub road
{
	my ($signal, $id, $points, @steps) = @_;
	my $holder = start_psql($node, 'postgres');
	my %left = map { $_ => 1 } @$points;
	my $state = '';

	$holder->query_safe('SELECT pg_advisory_lock(' . key($_) . ')') for @$points;
	sql("SELECT zdm.resume($id)");
	for my $step (@steps)
	{
		my ($verb, $until) = @$step;

		sql("SELECT zdm.$verb($id)") if $verb;
		eval {
			wait_for("$signal: migration $id to be $until", sub {
				my ($pid, $point) = met(keys %left);

				if ($pid)
				{
					shot($signal, $id, $pid, $point, $holder);
					delete $left{$point};
				}
				$state = migration_state($node, $id);
				return $state eq $until || $state eq 'failed';
			});
			1;
		} or die "$@: " . sql("SELECT p FROM zdm.progress p WHERE id = $id");
		last if $state ne $until;
	}
	$holder->quit;
	is($state, $steps[-1][1], "$signal: it came to its end") or diag(sql("SELECT m FROM zdm.migrations m WHERE id = $id"));
	is(join(' ', sort keys %left), '', "$signal: every point was met");
	return;
}

# nothing_left(what): of workers, of claims and locks, and of what they make.
sub nothing_left
{
	my ($what) = @_;
	my $left;

	eval {
		wait_for("$what: nothing to be left", sub { ($left = sql(<<'EOC')) eq '' });
SELECT 'process ' || pid || ' ' || backend_type || ' ' || query FROM pg_stat_activity WHERE backend_type ~ 'zdm (worker|helper)'
UNION ALL SELECT 'lock ' || l::text FROM pg_locks l WHERE pid <> pg_backend_pid() AND ((locktype = 'advisory' AND objsubid > 2)
	OR relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace))
UNION ALL SELECT 'prepared ' || gid FROM pg_prepared_xacts
UNION ALL SELECT 'relation ' || oid::regclass FROM pg_class WHERE relname ~ '_zdm\d' AND relnamespace <> 'zdm'::regnamespace
UNION ALL SELECT 'column ' || attrelid::regclass || '.' || attname FROM pg_attribute WHERE attname ~ '_zdm\d' AND NOT attisdropped AND attrelid > 16383
UNION ALL SELECT 'constraint ' || conname FROM pg_constraint WHERE conname ~ 'zdm\d' OR (NOT convalidated AND connamespace = 'public'::regnamespace)
UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgname ~ 'zdm'
UNION ALL SELECT 'index ' || indexrelid::regclass FROM pg_index WHERE NOT indisvalid
EOC
	};
	is($left, '', "$what: no process, claim, lock or half made thing is left");
	return;
}

# table(name): with what takes statements in transactions of their own, and locks on two.
sub table
{
	my ($name) = @_;

	sql("CREATE TABLE $name (id int PRIMARY KEY, a text NOT NULL, n int); CREATE INDEX ${name}_n ON $name (n);"
		  . "INSERT INTO $name SELECT i, 'v' || i, i % 10 FROM generate_series(1, 3000) i;"
		  . "CREATE TABLE ${name}_child (id int PRIMARY KEY, ref int REFERENCES $name);"
		  . "INSERT INTO ${name}_child SELECT i, i FROM generate_series(1, 100) i");
	return;
}

# state(call): the id of what waits to be begun.
sub state
{
	my ($call) = @_;

	return (split /\n/, sql("SET zdm.batch_rest = 0; SET zdm.batch_time = '2ms'; BEGIN; SELECT $call AS id \\gset\nSELECT zdm.pause(:id); COMMIT; SELECT :id"))[-1];
}

# the fingerprint of its rows
sub rows { return sql("SELECT count(*) || ' ' || sum(hashtextextended(id || a || n, 0)) FROM $_[0]") }

my @forward = qw(state-queued state-expanding state-migrating state-cutting_over state-contracting step-before-commit functions-read
  backfill-with-snapshot backfill-before-commit backfill-after-batch toplevel-before-run toplevel-before-mark);
my @back = qw(state-reverting undo-before-commit);
my @second = qw(second-before-commit copy-with-snapshot copy-before-commit copy-after-batch second-before-index exchange-before-commit);

sub all_roads
{
	my ($signal, $name) = @_;

	table($name);
	my $was = rows($name);
	my $id = state("zdm.change_column_type('$name', 'id', 'bigint')");
	road($signal, $id, \@back, [ '', 'ready' ], [ 'cutover', 'switched' ], [ 'revert', 'reverted' ]);
	nothing_left("$name, $signal, there and back");
	is(rows($name), $was, "$name, $signal: with the rows that it had");
	is(sql("SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = '$name'::regclass AND attname = 'id'"), 'integer', 'of the type that it had');

	$id = state("zdm.change_column_type('$name', 'id', 'bigint')");
	road($signal, $id, \@forward, [ '', 'ready' ], [ 'cutover', 'switched' ], [ 'contract', 'completed' ]);
	nothing_left("$name, $signal, to the end");
	is(rows($name), $was, "$name, $signal: every row is there");
	is(sql("SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = '$name'::regclass AND attname = 'id'"), 'bigint', 'of its new type');

	sql("DELETE FROM ${name}_child; DELETE FROM $name WHERE id % 3 > 0");
	$was = rows($name);
	$id = state("zdm.rewrite('$name')");
	road($signal, $id, \@second, [ '', 'completed' ]);
	nothing_left("$name, $signal, written anew");
	is(rows($name), $was, "$name, $signal: every row of what was written anew is there");
	return;
}

$node = zdm_node('preloaded');
all_roads($_, "t_$_") for qw(cancel terminate);

# --- cancelled until it gives up: by name, with the way on, and nothing held
{
	table('stubborn');
	my $was = rows('stubborn');
	my $id = state("zdm.change_column_type('stubborn', 'id', 'bigint')");
	my $holder = start_psql($node, 'postgres');

	$holder->query_safe('SELECT pg_advisory_lock(' . key('backfill-before-commit') . ')');
	sql("SELECT zdm.resume($id)");
	wait_for('it to give up',
		sub {
			my ($pid) = met('backfill-before-commit');

			sql("SELECT pg_cancel_backend($pid)") if $pid;
			return migration_state($node, $id) eq 'failed';
		});
	like(sql("SELECT error || ' ' || error_hint FROM zdm.migrations WHERE id = $id"),
		qr/^canceling statement due to user request It was tried 12 times in a row.*SELECT zdm.resume\($id\)/, 'it says why, and how to go on');
	wait_for('the worker to be gone', sub { sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'zdm worker'") == 0 });
	is(sql("SELECT count(*) FROM pg_locks WHERE objsubid > 2 OR relation = 'stubborn'::regclass"), 0, 'nothing is held');
	sql("UPDATE stubborn SET a = a WHERE id = 1");
	$holder->quit;
	sql("SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, 'stubborn', 'id', "id_zdm$id"), 0, 'resumed: every row is filled in');
	sql("SELECT zdm.revert($id)");
	wait_for_state($node, $id, 'reverted');
	nothing_left('given up, resumed and reverted');
	is(rows('stubborn'), $was, 'with all its rows');
}
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP|leak/, 'nothing bad in the log');
$node->stop;

# --- without a launcher
$node = zdm_node('bare', preload => 0);
all_roads($_, "t_$_") for qw(cancel terminate);
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP|leak/, 'nothing bad in the log');
$node->stop;

done_testing();
