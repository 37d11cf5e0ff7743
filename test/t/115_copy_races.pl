# 115_copy_races.pl: rows are written at every moment of their being copied.  The copy
# locks none of them: who asks for rows with NOWAIT or SKIP LOCKED does not notice it, and
# whoever writes one waits at most for the batch in which it has just been copied.  What
# the table is to hold in the end a second one tells, which nothing is done to but the same
# statements.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Rows go there a page at a time where they are not decoded.
# Who is held at a point waits for a lock there, and is to do so for as long as it takes
my $node = zdm_node('main', conf => "wal_level = replica\nzdm.lock_wait = 60s\nzdm.batch_rest = 0\nzdm.guard = off\nmax_prepared_transactions = 5\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub differ
{
	return sql("SELECT count(*) FROM ((TABLE t EXCEPT ALL TABLE model) UNION ALL (TABLE model EXCEPT ALL TABLE t)) x");
}

# Each writes rows of its own: what it does, and what ends it once the copy has seen it.
my @writers = (
	[ "UPDATE % SET v = 'written' WHERE id = 1" ],
	[ "UPDATE % SET id = 1002 WHERE id = 2" ],
	[ "DELETE FROM % WHERE id = 3" ],
	[ "BEGIN; DELETE FROM % WHERE id = 4; INSERT INTO % VALUES (4, 4, 'again'); COMMIT" ],
	[ "BEGIN; SAVEPOINT a; UPDATE % SET v = 'undone' WHERE id = 5; ROLLBACK TO a; COMMIT" ],
	[ "BEGIN; UPDATE % SET id = 1006 WHERE id = 6; ROLLBACK" ],
	[ "BEGIN; DELETE FROM % WHERE id = 7", 'COMMIT' ],
	[ "BEGIN; DELETE FROM % WHERE id = 8", 'ROLLBACK' ],
	[ "BEGIN; UPDATE % SET v = 'later' WHERE id = 9", 'COMMIT' ],
	[ "BEGIN; UPDATE % SET id = 1010, v = 'undone' WHERE id = 10", 'ROLLBACK' ],
	[ "BEGIN; SAVEPOINT a; DELETE FROM % WHERE id = 11; ROLLBACK TO a; UPDATE % SET a = 0 WHERE id = 11", 'COMMIT' ],
	[ "BEGIN; UPDATE % SET v = 'prepared' WHERE id = 12; PREPARE TRANSACTION '%12'", "COMMIT PREPARED '%12'" ],
	[ "BEGIN; DELETE FROM % WHERE id = 13; PREPARE TRANSACTION '%13'", "ROLLBACK PREPARED '%13'" ],
	[ "BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE % SET v = 'serial' WHERE id = 14; COMMIT" ],
	[ "INSERT INTO % VALUES (15, 0, 'x'), (2015, 0, 'new') ON CONFLICT (id) DO UPDATE SET v = 'conflict'" ],
	[ "BEGIN; UPDATE % SET id = -1 WHERE id = 16; UPDATE % SET id = 16 WHERE id = 17; UPDATE % SET id = 17 WHERE id = -1; COMMIT" ],
	[ "BEGIN; INSERT INTO % VALUES (2018, 0, 'gone'); DELETE FROM % WHERE id IN (18, 2018); COMMIT" ],
	[ "BEGIN; UPDATE % SET v = 'one' WHERE id = 19; UPDATE % SET v = 'two', id = 1019 WHERE id = 19; DELETE FROM % WHERE id = 1019; INSERT INTO % VALUES (19, 1, 'three')", 'COMMIT' ],
	[ "BEGIN; SELECT FROM % WHERE id = 20 FOR UPDATE; UPDATE % SET v = 'locked first' WHERE id = 20", 'COMMIT' ],
	[ "BEGIN; SELECT FROM % WHERE id = 21 FOR UPDATE", "UPDATE % SET v = 'locked long before' WHERE id = 21; COMMIT" ]);

sub of
{
	my ($text, $table) = @_;

	$text =~ s/%/$table/g;
	return $text;
}

# A session that has sent its statements, and may have to wait.
sub begin_to_write
{
	my ($statements) = @_;
	my $session = start_psql($node);
	my $pid = $session->query_safe("SET application_name = 'writer'; SELECT pg_backend_pid()");

	$session->query_until(qr/sent/, "\\echo sent\n" . of($statements, 't') . ";\n");
	wait_for('it to be heard', sub { sql("SELECT query ~ 'pg_backend_pid' FROM pg_stat_activity WHERE pid = $pid") eq 'f' });
	return $session;
}

# Until every writer is through with its statements, or waits for the worker's transaction.
sub wait_for_writers
{
	my ($worker) = @_;

	wait_for('the writers', sub {
		sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'writer' AND NOT (state <> 'active' OR wait_event = 'transactionid' AND pg_blocking_pids(pid) = ARRAY[$worker])") eq '0';
	});
	return sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'writer' AND state = 'active'");
}

sub fresh
{
	sql("DROP TABLE IF EXISTS t, model; CREATE TABLE t (id int PRIMARY KEY, a int, v text); CREATE INDEX t_a ON t (a); "
		  . "INSERT INTO t SELECT i, i * 7919 % 101, 'v' || i FROM generate_series(1, 60) i; CREATE TABLE model (LIKE t INCLUDING ALL); INSERT INTO model TABLE t");
	return;
}

my @kinds = (
	[ "zdm.rewrite('t')", 'completed' ],
	[ "zdm.rewrite('t', 'a')", 'completed' ],
	[ "zdm.rewrite('t', columns => '{v,id,a}')", 'ready' ],
	[ "zdm.partition_table('t', 'HASH (id)', ARRAY['t_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)', 't_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)'])", 'ready' ]);

for my $kind (@kinds)
{
	my ($call, $state) = @$kind;

	for my $point ('copy-with-snapshot', 'copy-rows-added', 'copy-before-commit')
	{
		fresh();
		my $held = hold($node, $point);
		my $id = sql("SELECT $call");
		my $worker = arrive($node, $point);
		my @sessions;

		for my $writer (@writers)
		{
			push @sessions, begin_to_write($writer->[0]);
			sql(of($writer->[0] . ($writer->[1] ? '; ' . $writer->[1] : ''), 'model'));
		}
		my $waiting = wait_for_writers($worker);
		if ($point eq 'copy-with-snapshot') { is($waiting, 0, "$call, $point: nobody waits") }
		elsif ($call !~ /'a'/) { cmp_ok($waiting, '>', 5, "$call, $point: who writes what has just been copied waits for the batch") }
		is(sql("SELECT count(*) FROM (SELECT FROM t WHERE id BETWEEN 30 AND 60 FOR UPDATE NOWAIT) x"), 31, 'no row is locked');
		is(sql("SELECT count(*) FROM (SELECT FROM t WHERE id BETWEEN 30 AND 60 FOR UPDATE SKIP LOCKED) x"), 31, 'and none is skipped');

		$held->quit;
		# whose rows were all there before they wrote them need not be come back for
		wait_for('those that have not committed to be told of', sub { sql("SELECT waiting_for FROM zdm.progress WHERE id = $id") =~ /rows locked by other transactions: .*pid/ })
		  if $point ne 'copy-before-commit';
		is(wait_for_writers($worker), 0, 'then nobody waits');
		for my $i (0 .. $#writers)
		{
			$sessions[$i]->query($writers[$i][1] ? of($writers[$i][1], 't') : 'SELECT');
			is($sessions[$i]->{stderr}, '', "goes through: $writers[$i][0]");
			$sessions[$i]->quit;
		}
		wait_for_state($node, $id, $state);
		is(differ(), 0, "every row is as it should be: $call, written at $point");
		next if $state eq 'completed';
		steer($node, $id, 'cutover', 'switched');
		is(sql("SELECT count(*) FROM (SELECT id, a, v FROM t EXCEPT ALL TABLE model) x") + sql("SELECT count(*) FROM (TABLE model EXCEPT ALL SELECT id, a, v FROM t) x"),
			0, 'and after the exchange');
		is(sql("SELECT count(*) FROM zdm.verify($id)"), 0, 'and in the table that was there first');
		steer($node, $id, 'contract', 'completed');
	}
}

# --- the batch fails, or its worker is ended, while others wait for it
for my $end ('an error', 'the end of the worker')
{
	fresh();
	my $held = hold($node, 'copy-before-commit');
	my $id = sql("SELECT zdm.rewrite('t')");
	my $worker = arrive($node, 'copy-before-commit');
	my @sessions;

	for my $statement ("UPDATE % SET v = 'written' WHERE id = 1", "DELETE FROM % WHERE id = 2", "UPDATE % SET id = 1003 WHERE id = 3")
	{
		push @sessions, begin_to_write($statement);
		sql(of($statement, 'model'));
	}
	is(wait_for_writers($worker), 3, 'three wait');
	sql($end eq 'an error' ? "SELECT pg_cancel_backend($worker)" : "SELECT pg_terminate_backend($worker)");
	wait_for('the writers to go on', sub { sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'writer' AND state = 'active'") eq '0' });
	$held->quit;
	for my $session (@sessions)
	{
		$session->query('SELECT');
		is($session->{stderr}, '', "goes through: $end");
		$session->quit;
	}
	wait_for_state($node, $id, 'completed');
	is(differ(), 0, "every row is as it should be: $end");
}

# --- who waits for the batch gives up: the row is as it was, and the session goes on
{
	fresh();
	my $held = hold($node, 'copy-before-commit');
	my $id = sql("SELECT zdm.rewrite('t', columns => '{v,id,a}')");

	arrive($node, 'copy-before-commit');
	my ($rc, $out, $error) = $node->psql('postgres', "BEGIN; SAVEPOINT a; SET LOCAL lock_timeout = '10ms'; UPDATE t SET v = 'x' WHERE id = 1;\nROLLBACK TO a; SET LOCAL lock_timeout = 0; UPDATE t SET v = 'y' WHERE id = 2000; INSERT INTO t VALUES (3000, 0, 'z'); COMMIT", on_error_stop => 0);
	like($error, qr/lock timeout/, 'a timeout is heard');
	sql("INSERT INTO model VALUES (3000, 0, 'z')");
	$held->quit;
	wait_for_state($node, $id, 'ready');
	is(differ(), 0, 'and what follows in its transaction is right');
	is(sql("SELECT count(*) FROM zdm.verify($id)"), 0, 'on both sides');
	steer($node, $id, 'revert', 'reverted');
}

# --- a row is put behind the place that the copy has come to, and looks as if it had always been there
for my $call ("zdm.rewrite('t')", "zdm.partition_table('t', 'HASH (id)', ARRAY['t_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)', 't_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)'])")
{
	sql("DROP TABLE t, model; CREATE TABLE t (id int PRIMARY KEY, a int, v text); INSERT INTO t SELECT i, i, repeat('x', 400) FROM generate_series(1, 8000) i; DELETE FROM t WHERE id > 6000 AND id % 2 = 0");
	sql('VACUUM t');
	my $held = hold($node, 'copy-after-batch');
	my $id = sql("SELECT $call");

	arrive($node, 'copy-after-batch');
	my $before = sql('SELECT max(ctid) FROM t');
	sql("UPDATE t SET a = -1 WHERE id < 800");
	cmp_ok(sql("SELECT count(*) FROM t WHERE a = -1 AND ctid < '$before'"), '>', 100, 'rows have moved to places that are still to be copied');
	sql('VACUUM FREEZE t');
	sql("VACUUM FREEZE $_") for split /\n/, sql("SELECT relid FROM pg_partition_tree('zdm_${id}_t') WHERE isleaf");
	sql('CREATE TABLE model AS TABLE t');
	$held->quit;
	wait_for_state($node, $id, $call =~ /partition/ ? 'ready' : 'completed');
	if ($call =~ /partition/)
	{
		steer($node, $id, 'cutover', 'switched');
		is(differ(), 0, 'each is there once, partitioned');
		steer($node, $id, 'contract', 'completed');
	}
	else { is(differ(), 0, 'each is there once') }
}

# --- one that was written since the copy began costs no dead row
{
	fresh();
	my $held = hold($node, 'copy-with-snapshot');
	my $id = sql("SELECT zdm.rewrite('t', columns => '{v,id,a}')");

	arrive($node, 'copy-with-snapshot');
	sql("UPDATE t SET v = 'new' WHERE id % 2 = 0");
	$held->quit;
	wait_for_state($node, $id, 'ready');
	is(sql("SELECT count(*) FROM heap_page_items(get_raw_page('zdm_${id}_t', 0)) WHERE lp_flags <> 0"), 60, 'each row has been put there once')
	  if $node->psql('postgres', 'CREATE EXTENSION pageinspect') == 0;
	steer($node, $id, 'revert', 'reverted');
}

# --- a TOAST table that somebody works on by itself, as an autovacuum does, is waited for
# before anything is locked for longer
{
	sql("DROP TABLE t, model; CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, repeat('x', 100000))");
	for my $whose ('t', 'hidden')
	{
		my $id = sql("SELECT zdm.rewrite('t', columns => '{v,id}')");
		my $table = $whose eq 't' ? 't' : "zdm_${id}_t";

		sql("SELECT zdm.configure($id, 'lock_wait', '50ms')");
		wait_for_state($node, $id, 'ready');
		my $toast = sql("SELECT reltoastrelid::regclass FROM pg_class WHERE oid = '$table'::regclass");
		my $session = start_psql($node);

		$session->query_safe("BEGIN; REINDEX TABLE $toast");
		sql("SELECT zdm.cutover($id)");
		wait_for('it to be waited for', sub { sql("SELECT waiting_for FROM zdm.progress WHERE id = $id") =~ /pid/ });
		is(sql("SET statement_timeout = '5s'; SELECT length(v) FROM t"), 100000, "$whose: the table is read meanwhile");
		isnt(migration_state($node, $id), 'switched', 'and not exchanged');
		$session->query_safe('COMMIT');
		$session->quit;
		wait_for_state($node, $id, 'switched');
		steer($node, $id, 'revert', 'reverted');
	}
}

$node->stop;
done_testing();
