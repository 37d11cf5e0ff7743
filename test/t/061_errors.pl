# 061_errors.pl: errors that pass are tried again, so often and no more; others
# are a failure at once.

use strict;
use warnings;

use ZdmTest;
use Test::More;

my $node = zdm_node('main', conf => "zdm.batch_rest = 0\nzdm.guard = off\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

# inject(point, error): a session that has workers fail there, until it quits.
sub inject
{
	my $session = start_psql($node);

	$session->query_safe('SELECT pg_advisory_lock(' . debug_point("$_[0]:$_[1]") . ')');
	return $session;
}

sub make
{
	sql("DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL DEFAULT 'x');"
		  . "CREATE INDEX ON t (a); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 1000) i");
}

sub whole
{
	my ($id, $what) = @_;

	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, 't', 'a', 'b'), 0, "$what: every row is right");
	is(sql("SELECT count(*) FROM zdm.steps WHERE migration = $id AND error IS NOT NULL"), 0,
		"$what: no error is left");
	is(sql("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0, "$what: no index is half built");
	sql("SELECT zdm.revert($id)");
	wait_for_state($node, $id, 'reverted');
}

my %message = (
	'08006' => 'connection failure',
	'40001' => 'serialization failure',
	'40P01' => 'deadlock',
	'53100' => 'disk full',
	'53200' => 'out of memory',
	'55006' => 'object in use',
	'57014' => 'cancellation',
	'race' => 'tuple concurrently updated,');

# --- each of them, in a step with and without a transaction, and in a batch
for my $error (sort keys %message)
{
	my ($point) = pick(qw(step-before-commit backfill-before-commit toplevel-before-mark));

	make();
	my $injected = inject($point, $error);
	my $id = sql("SELECT zdm.rename_column('t', 'a', 'b')");
	wait_for("$error at $point to be shown",
		sub {
			sql("SELECT count(*) FROM zdm.steps WHERE migration = $id AND attempts > 2 "
				  . "AND error LIKE '$message{$error}%at debug point \"$point\"'") == 1;
		});
	like(sql("SELECT waiting_for FROM zdm.progress WHERE id = $id"), qr/^another try after: $message{$error}/,
		"$error at $point: said in zdm.progress");
	is(sql("SELECT state <> 'failed' FROM zdm.migrations WHERE id = $id"), 't', "$error: is tried again");
	$injected->quit;
	whole($id, $error);
}

# --- a lock: for as long as it takes
{
	make();
	my $injected = inject('step-before-commit', '55P03');
	my $id = sql("SELECT zdm.rename_column('t', 'a', 'b')");
	wait_for('the wait to be shown',
		sub { sql("SELECT waiting_for FROM zdm.progress WHERE id = $id") =~ /^a lock: refused lock injected/ });
	is(sql("SELECT max(attempts) FROM zdm.steps WHERE migration = $id"), 1, '55P03: is no failed try');
	$injected->quit;
	whole($id, '55P03');
}

# --- too often
for my $point (qw(step-before-commit undo-before-commit))
{
	make();
	my $injected = inject($point, '53100');
	my $id = sql("SELECT zdm.rename_column('t', 'a', 'b')");
	if ($point =~ /^undo/)
	{
		wait_for_state($node, $id, 'ready');
		sql("SELECT zdm.revert($id)");
	}
	wait_for("it to fail at $point", sub { migration_state($node, $id) eq 'failed' });
	is(sql("SELECT error_state || ' ' || error FROM zdm.migrations WHERE id = $id"),
		"53100 disk full injected at debug point \"$point\"", "$point: too often is a failure");
	like(sql("SELECT error_hint FROM zdm.migrations WHERE id = $id"),
		qr/^It was tried 12 times in a row.*zdm\.resume\($id\)/, 'with what to type');
	my ($rc, undef, $said) = $node->psql('postgres', "CALL zdm.wait($id)");
	like($said, qr/tried 12 times/, 'which zdm.wait says, too');
	# and it is counted anew
	sql("SELECT zdm.resume($id)");
	wait_for('it to be tried again',
		sub { sql("SELECT max(attempts) FROM zdm.steps WHERE migration = $id") > 14 });
	is(sql("SELECT state <> 'failed' FROM zdm.migrations WHERE id = $id"), 't', 'resumed: it has as many tries again');
	$injected->quit;
	if ($point =~ /^undo/)
	{
		wait_for_state($node, $id, 'reverted');
		is(sql("SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped"),
			'id,a', 'reverted');
		next;
	}
	whole($id, 'resumed');
}

# --- what somebody has to mend
{
	make();
	my $injected = inject('step-before-commit', 'error');
	my $id = sql("SELECT zdm.rename_column('t', 'a', 'b')");
	wait_for('it to fail', sub { migration_state($node, $id) eq 'failed' });
	is(sql("SELECT max(attempts) FROM zdm.steps WHERE migration = $id"), 1, 'any other error: a failure at once');
	$injected->quit;
	sql("SELECT zdm.resume($id)");
	whole($id, 'mended');
}

# --- paused and reverted while it rests between two tries
{
	make();
	my $injected = inject('step-before-commit', '40P01');
	my $id = sql("SELECT zdm.rename_column('t', 'a', 'b')");
	wait_for('a failed try', sub { sql("SELECT max(attempts) FROM zdm.steps WHERE migration = $id") > 1 });
	sql("SELECT zdm.pause($id)");
	wait_for('the worker to leave', sub { sql("SELECT worker IS NULL FROM zdm.progress WHERE id = $id") eq 't' });
	is(migration_state($node, $id), 'expanding', 'paused between two tries');
	$injected->quit;
	sql("SELECT zdm.revert($id)");
	wait_for_state($node, $id, 'reverted');
}

# --- a label that two sessions state at the same time
{
	make();
	sql('CREATE TABLE u (a int); CREATE TABLE w (a int)');
	my ($one, $two) = map { start_psql($node) } 1 .. 2;
	my $waits = sub {
		wait_for('the second session to wait',
			sub { sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%zdm.%'") == 1 });
	};

	# another change: an error, not a violated index
	$one->query_safe("BEGIN; SELECT zdm.rename_column('t', 'a', 'b', 'same')");
	$two->query_until(qr/begun/, "\\echo begun\nSELECT zdm.rename_column('u', 'a', 'b', 'same');\n\\echo ended\n");
	$waits->();
	$one->query_safe('COMMIT');
	$two->query_until(qr/ended/, "\n");
	like($two->{stderr}, qr/label "same" is taken by migration \d+, which is another change/, 'the same label on two tables');
	$two->{stderr} = '';

	# the same: the same
	for my $end (qw(COMMIT ROLLBACK))
	{
		$one->query_safe("BEGIN; SELECT zdm.rename_column('w', 'a', 'b', 'twice $end')");
		$two->query_until(qr/begun/, "\\echo begun\nSELECT 'id ' || zdm.rename_column('w', 'a', 'b', 'twice $end');\n\\echo ended\n");
		$waits->();
		$one->query_safe($end);
		like($two->query_until(qr/ended/, "\n"), qr/id \d+/, "the same label for the same change: answered ($end)");
		is(sql("SELECT count(*) FROM zdm.migrations WHERE label = 'twice $end'"), 1, 'with one migration');
		sql("SELECT zdm.revert('twice $end')");
		wait_for_state($node, "twice $end", 'reverted');
	}
	is($two->{stderr} =~ /ERROR/ ? $two->{stderr} : '', '', 'and no error');
	$_->quit for $one, $two;
}

$node->stop;
done_testing();
