# 025_turns.pl: who may work and who has to wait: nobody keeps a place that he
# does not use, no role keeps another from having one, and a worker that cannot go
# on says so, rests, and can be told to stop.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('turns', conf => "zdm.batch_rest = 0\nwal_writer_delay = 10s\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub make
{
	sql("CREATE TABLE $_ (id int PRIMARY KEY, a text);"
		  . "INSERT INTO $_ SELECT i, 'v' || i FROM generate_series(1, 200) i")
	  for @_;
}

sub workers { return sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_zdm worker'") }
sub state { return migration_state($node, $_[0]) }

sub stays
{
	my ($id, $what) = @_;

	wait_for("migration $id to wait for $what",
		sub { sql("SELECT waiting_for FROM zdm.progress WHERE id = $id") =~ /$what/ });
}

# four that wait for a lock
{
	make(qw(l1 l2 l3 l4 l5 l6));
	my $ready = sql("SELECT zdm.rename_column('l5', 'a', 'b')");
	wait_for_state($node, $ready, 'ready');
	my $reader = start_psql($node);
	$reader->query_safe('BEGIN; SELECT FROM l1, l2, l3, l4 LIMIT 1');
	my @waiting = map { sql("SELECT zdm.rename_column('l$_', 'a', 'b')") } 1 .. 4;
	stays($_, 'held by') for @waiting;
	my $free = sql("SELECT zdm.rename_column('l6', 'a', 'b')");
	wait_for_state($node, $free, 'ready');
	pass('a migration is begun while as many as zdm.max_workers wait for a lock');
	sql("SELECT zdm.cutover($free); SELECT zdm.revert($ready)");
	wait_for_state($node, $free, 'switched');
	wait_for_state($node, $ready, 'reverted');
	pass('and others are steered');
	is(state($_), 'expanding', 'it waits still') for @waiting;
	$reader->query_safe('COMMIT');
	wait_for_state($node, $_, 'ready') for @waiting;
	pass('and goes on in the end');
}

# four that wait for an old snapshot, within CREATE INDEX CONCURRENTLY
{
	my $old = start_psql($node);
	$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class');
	my @waiting = map { sql("SELECT zdm.migrate('CREATE INDEX l${_}_x ON l$_ (id)')") } 1 .. 4;
	stays($_, 'old snapshot') for @waiting;
	my $free = sql("SELECT zdm.rename_column('l5', 'a', 'c')");
	wait_for_state($node, $free, 'ready');
	pass('a migration is begun while as many as zdm.max_workers wait for an old snapshot');
	my $err;
	$node->psql('postgres', "CALL zdm.wait($waiting[0], 'completed', '1s')", stderr => \$err);
	like($err, qr/DETAIL:  It waits for pid \d+ \(.*idle in transaction since /, 'a time-out says whom it waits for');
	like($err, qr/it waits for itself/, 'also if that is of the same client and application');
	$old->query_safe('COMMIT');
	wait_for_state($node, $_, 'completed') for @waiting;
}

# roles that keep all places busy, and try to have more
{
	sql("CREATE ROLE $_ LOGIN; CREATE SCHEMA $_ AUTHORIZATION $_") for qw(mallory mordred victim);
	my $held = start_psql($node);
	$held->query_safe('SELECT pg_advisory_lock(4711)');
	my $busy = sub {
		sql("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.objid = 4711 AND NOT l.granted AND a.query ~ ' on $_[0]'");
	};
	for my $role (qw(mallory mordred))
	{
		sql("SET ROLE $role; CREATE FUNCTION $role.slow(int) RETURNS int LANGUAGE plpgsql AS "
			  . "\$\$BEGIN PERFORM pg_advisory_unlock_all(); PERFORM pg_advisory_xact_lock(4711); RETURN 1; END\$\$");
		for my $n (1 .. 6)
		{
			# batch after batch, of a row each
			sql("SET ROLE $role; SET zdm.batch_time = '1ms'; CREATE TABLE $role.t$n (x int); INSERT INTO $role.t$n SELECT 0 FROM generate_series(1, 5);"
				  . "SELECT zdm.backfill('$role.t$n', 'x = $role.slow(x)', 'x = 0')");
		}
		my $most = $role eq 'mallory' ? 4 : 1;
		wait_for("$role to be at work", sub { $busy->($role) >= $most });
	}
	sql("SET ROLE victim; CREATE TABLE victim.t (id int PRIMARY KEY, a text); INSERT INTO victim.t VALUES (1, 'x')");
	my $id = sql("SET ROLE victim; SELECT zdm.rename_column('victim.t', 'a', 'b')");
	wait_for_state($node, $id, 'ready');
	pass('a third role has its turn while two are busy with all that they have');
	sql("SELECT zdm.cutover($id)");
	wait_for_state($node, $id, 'switched');
	# one that waited for a lock while the places were counted may go on beside them
	cmp_ok($busy->('m'), '<=', 7, 'pg_advisory_unlock_all() gives nobody more than zdm.max_workers');
	$held->quit;
	wait_for('all of them', sub { sql("SELECT count(*) FROM zdm.migrations WHERE state = 'completed' AND kind = 'backfill'") == 12 });
}

# a worker that cannot even look at its migration
{
	make('broken');
	my $id = sql("BEGIN; SELECT zdm.rename_column('broken', 'a', 'b'); UPDATE zdm.migration SET settings = settings || '{\"zdm.batch_time\": \"nonsense\"}' WHERE state = 'queued'; COMMIT");
	wait_for('it to fail', sub { state($id) eq 'failed' });
	like(sql("SELECT error FROM zdm.migrations WHERE id = $id"), qr/zdm.batch_time/, 'it says why it cannot go on');
	wait_for('the worker to be gone', sub { workers() == 0 });
	sql("SELECT zdm.configure($id, 'batch_time', '10ms'); SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'ready');
	pass('and goes on when that is mended');
}

# an error of any size
{
	sql("CREATE TABLE loud (x int); INSERT INTO loud VALUES (0);"
		  . "CREATE FUNCTION shout() RETURNS int LANGUAGE plpgsql AS \$\$BEGIN RAISE '%', repeat('x', 20000000); END\$\$");
	my $id = sql("SELECT zdm.backfill('loud', 'x = public.shout()', 'x = 0')");
	wait_for('it to fail', sub { state($id) eq 'failed' });
	cmp_ok(sql("SELECT length(error) FROM zdm.migrations WHERE id = $id"), '<', 10000, 'a huge message is cut');
}

# a database that is made read-only by default
{
	make('quiet');
	sql('ALTER DATABASE postgres SET default_transaction_read_only = on');
	my $id = sql("BEGIN READ WRITE; SELECT zdm.rename_column('quiet', 'a', 'b'); COMMIT");
	stays($id, 'default_transaction_read_only');
	is(sql('SELECT count(*) FROM pg_attribute WHERE attrelid = \'quiet\'::regclass AND attnum > 0'), 2, 'read-only by default: nothing is done');
	sql("SELECT zdm.pause($id)");
	is(sql("SELECT paused FROM zdm.migrations WHERE id = $id"), 't', 'and it can be paused');
	sql("SELECT zdm.resume($id); SELECT zdm.revert($id)");
	like(state($id), qr{^revert}, 'and told to go back');
	sql('SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only');
	wait_for_state($node, $id, 'reverted');
}

# a role that the database's owner has set for all its sessions
{
	make('roles');
	sql('ALTER DATABASE postgres SET role = mallory');
	my $id = sql("SET ROLE none; SELECT zdm.migrate('CREATE INDEX roles_a ON roles (a)')");
	wait_for('it to be done', sub { sql("SET ROLE none; SELECT state FROM zdm.migrations WHERE id = $id") eq 'completed' });
	sql('SET ROLE none; ALTER DATABASE postgres RESET role');
	pass('ALTER DATABASE ... SET role is not for workers');
}

# what was rolled back is not started, and many at once are one message
{
	make(map { "many$_" } 1 .. 20);
	my ($out, $err);
	$node->psql('postgres',
		'DO $$BEGIN FOR i IN 1..20 LOOP BEGIN PERFORM zdm.rename_column((\'many\' || i)::regclass, \'a\', \'b\'); '
		  . 'RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END$$',
		stderr => \$err);
	is($err, '', 'nothing is said of calls that were rolled back');
	$node->psql('postgres', "SELECT zdm.rename_column('many' || i, 'a', 'b') FROM generate_series(1, 20) i",
		stdout => \$out, stderr => \$err);
	unlike($err, qr/WARNING/, 'no warning');
	is(() = $err =~ /NOTICE:  \d+ migrations wait for a free worker/g, 1, 'one notice');
	wait_for_state($node, $_, 'ready') for split /\n/, $out;
}

# who has been told that it is switched finds it so after a crash
{
	make('durable');
	my $id = sql("SELECT zdm.rename_column('durable', 'a', 'b')");
	wait_for_state($node, $id, 'ready');
	sql("SELECT zdm.cutover($id)");
	wait_for_state($node, $id, 'switched');
	$node->stop('immediate');
	$node->append_conf('postgresql.conf', 'zdm.enabled = off');
	$node->start;
	is(state($id), 'switched', 'a cutover is as durable as any commit');
}

$node->stop;

# without a launcher and without a process: said once, not at each look
{
	my $bare = zdm_node('none', preload => 0, conf => "max_worker_processes = 1\n");
	my $err;

	$bare->safe_psql('postgres', "CREATE TABLE t (id int PRIMARY KEY, a text); SELECT zdm.rename_column('t', 'a', 'b')");
	$bare->psql('postgres', "CALL zdm.wait(1, 'ready', '2s')", stderr => \$err);
	is(() = $err =~ /no background worker slot/g, 1, 'zdm.wait() warns once');
	$bare->stop;
}

done_testing();
