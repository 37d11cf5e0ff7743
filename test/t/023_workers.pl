# 023_workers.pl: a migration gets its worker, and gets it again, however the
# library is loaded and however few processes there are.

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub make
{
	for my $table (@_)
	{
		sql("CREATE TABLE $table (id int PRIMARY KEY, a text NOT NULL DEFAULT 'x');"
			  . "INSERT INTO $table SELECT i, 'v' || i FROM generate_series(1, 2000) i");
	}
}

sub rename_it { return sql("SELECT zdm.rename_column('$_[0]', 'a', 'b')") }
sub worker_of { return sql("SELECT worker FROM zdm.progress WHERE id = $_[0]") }

sub whole_way
{
	my ($table, $id) = @_;

	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, $table, 'a', 'b'), 0, "$table: every row is filled in");
	sql("SELECT zdm.cutover($id)");
	wait_for_state($node, $id, 'switched');
	sql("SELECT zdm.contract($id)");
	wait_for_state($node, $id, 'completed');
	is(sql("SELECT count(b) FROM $table"), 2000, "$table: renamed");
}

# --- preloaded
$node = zdm_node('preloaded', conf => "zdm.batch_rest = 0\nzdm.guard = off\n");
make(qw(killed off on1 one two three late));

# what it runs catches the request to stop: the process ends, and the migration can be steered
{
	sql("CREATE FUNCTION stubborn(text) RETURNS text STABLE LANGUAGE plpgsql AS \$\$BEGIN "
		  . "WHILE (SELECT backend_type LIKE 'pg_zdm worker%' FROM pg_stat_activity WHERE pid = pg_backend_pid()) LOOP "
		  . "BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; RETURN \$1; END\$\$");
	sql("CREATE TABLE stubborn (id int PRIMARY KEY, a text); INSERT INTO stubborn VALUES (1, 'x')");
	my $id = sql("SELECT zdm.change_column_type('stubborn', 'a', 'varchar(20)', 'stubborn(a)', 'a')");
	wait_for('a worker that is caught',
		sub { sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_zdm worker%' AND wait_event = 'PgSleep'") });
	my $caught = worker_of($id);
	sql("SELECT zdm.pause($id)");
	wait_for('the process to be gone', sub { !sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $caught") });
	is(sql("SELECT paused FROM zdm.migrations WHERE id = $id"), 't', 'paused, whatever it caught');
	sql("SELECT zdm.revert($id)");
	wait_for_state($node, $id, 'reverted');
	is(sql("SELECT a FROM stubborn"), 'x', 'and gone back');
}

# terminated: replaced within seconds, as often as it takes
{
	my $held = hold($node, 'state-migrating');
	my $id = rename_it('killed');
	my %seen;

	for (1 .. 3)
	{
		arrive($node, 'state-migrating');
		my $pid = worker_of($id);
		ok(!$seen{$pid}++, 'a worker of its own');
		like(sql("SELECT application_name || '|' || backend_type || '|' || query FROM pg_stat_activity WHERE pid = $pid"),
			qr/^pg_zdm migration $id\|pg_zdm worker\|zdm: migration $id \(rename_column\) on public\.killed, migrating/,
			'that says in pg_stat_activity what it does');
		is(sql("SELECT backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE pid = $pid"),
			't', 'and holds no snapshot between two steps');
		is(sql("SELECT pg_terminate_backend($pid)"), 't', 'terminated');
		wait_for('it to be gone', sub { sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") == 0 });
	}
	$held->quit;
	is(sql("SELECT state FROM zdm.migrations WHERE id = $id"), 'migrating', 'a termination is no failure');
	whole_way('killed', $id);
}

# the launcher, too
{
	my $pid = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_zdm launcher'");

	sql("SELECT pg_terminate_backend($pid)");
	wait_for('another launcher',
		sub { sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_zdm launcher' AND pid <> $pid") == 1 });
	pass('a terminated launcher is replaced');
}

# zdm.enabled
{
	my $held = hold($node, 'backfill-after-batch');
	my $id = rename_it('off');

	arrive($node, 'backfill-after-batch');
	$node->append_conf('postgresql.conf', 'zdm.enabled = off');
	$node->reload;
	wait_for('the setting', sub { sql('SHOW zdm.enabled') eq 'off' });
	$held->quit;
	wait_for('the worker to leave', sub { worker_of($id) eq '' });
	is(sql("SELECT state || ' ' || waiting_for FROM zdm.progress WHERE id = $id"),
		'migrating zdm.enabled: it is off', 'off: the worker stops, and the view says why');
	my $other = rename_it('on1');
	is(sql("SELECT state FROM zdm.migrations WHERE id = $other"), 'queued', 'a change can be stated meanwhile');
	is(sql("INSERT INTO off (id, b) VALUES (-1, 'x') RETURNING a"), 'x', 'and both columns are kept in step');
	sql('DELETE FROM off WHERE id < 0');
	$node->append_conf('postgresql.conf', 'zdm.enabled = on');
	$node->reload;
	whole_way('off', $id);
	whole_way('on1', $other);
}

# zdm.max_workers: one after the other
{
	$node->append_conf('postgresql.conf', 'zdm.max_workers = 1');
	$node->reload;
	wait_for('the setting', sub { sql('SHOW zdm.max_workers') eq '1' });
	my $held = hold($node, 'backfill-after-batch');
	my %id = map { $_ => rename_it($_) } qw(one two three);

	arrive($node, 'backfill-after-batch');
	wait_for('the view to say what the others wait for',
		sub { sql("SELECT count(*) FROM zdm.progress WHERE waiting_for LIKE 'a free worker%'") == 2 });
	is(sql("SELECT count(*) FROM zdm.progress WHERE worker IS NOT NULL"), 1, 'one worker for three migrations');
	is(sql("SELECT count(*) FROM zdm.migrations WHERE state = 'queued'"), 2, 'two have not begun');
	$held->quit;
	whole_way($_, $id{$_}) for qw(one two three);
	$node->append_conf('postgresql.conf', 'zdm.max_workers = 4');
	$node->reload;
}

$node->stop;

# no process is free: it is said, and it starts when one is
{
	$node->append_conf('postgresql.conf', 'max_worker_processes = 3');
	$node->start;
	wait_for('the launcher',
		sub { sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_zdm launcher'") == 1 });
	wait_for('its look at the databases',
		sub { sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_zdm dispatcher'") == 0 });
	my $held = hold($node, 'backfill-after-batch');
	make(qw(first second));
	my $first = rename_it('first');
	my ($second, $warning, $rc);

	# launcher, logical replication's launcher, and this one worker
	arrive($node, 'backfill-after-batch');
	$rc = $node->psql('postgres', "SELECT zdm.rename_column('second', 'a', 'b')", stdout => \$second, stderr => \$warning);
	is($rc, 0, 'without a free process a change can be stated');
	like($warning, qr/WARNING:  no background worker slot is free: 1 migration waits/, 'and it is said that it waits');
	like($warning, qr/HINT:  .*max_worker_processes/, 'and for what');
	wait_for('the view to say so',
		sub { sql("SELECT waiting_for FROM zdm.progress WHERE id = $second") =~ /max_worker_processes/ });
	$held->quit;
	whole_way('first', $first);
	whole_way('second', $second);
	$node->stop;
}

# --- not preloaded at all
$node = zdm_node('bare', preload => 0, conf => "zdm.batch_rest = 0\n");
make(qw(plain crashed session));
{
	my ($id, $warning);

	$node->psql('postgres', "SELECT zdm.rename_column('plain', 'a', 'b')", stdout => \$id, stderr => \$warning);
	like($warning, qr/WARNING:  pg_zdm is not in shared_preload_libraries/, 'not preloaded: a warning');
	like($warning, qr/HINT:  Add pg_zdm to shared_preload_libraries, or, without a restart, to session_preload_libraries/,
		'with the setting to add');
	whole_way('plain', $id);

	my $held = hold($node, 'backfill-after-batch');
	$id = rename_it('crashed');
	arrive($node, 'backfill-after-batch');
	my $pid = worker_of($id);
	sql("SELECT pg_terminate_backend($pid)");
	wait_for('it to be gone', sub { sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") == 0 });
	$held->quit;
	is(sql("SELECT state FROM zdm.migrations WHERE id = $id"), 'migrating', 'nobody starts another');
	# any call of ours does, about whatever migration
	is(sql("INSERT INTO crashed (id, b) VALUES (-1, 'x') RETURNING a"), 'x', 'while both columns are kept in step');
	sql('DELETE FROM crashed WHERE id < 0');
	$node->psql('postgres', "CALL zdm.wait($id, 'ready', '60s')");
	whole_way('crashed', $id);

	# a session that loads it needs no restart
	sql("ALTER SYSTEM SET session_preload_libraries = 'pg_zdm'");
	$node->reload;
	wait_for('the setting', sub { sql('SHOW session_preload_libraries') eq 'pg_zdm' });
	sql('ALTER TABLE session ALTER a DROP NOT NULL');
	$id = rename_it('session');
	wait_for_state($node, $id, 'ready');
	is(sql("INSERT INTO session (id, b) VALUES (-1, NULL) RETURNING a"), '',
		'session_preload_libraries: what a statement names is known, be it NULL');
	sql('DELETE FROM session WHERE id < 0');
	whole_way('session', $id);
	$node->restart;
	is(sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_zdm%'"), 0, 'nothing runs without need');
}
$node->stop;

done_testing();
