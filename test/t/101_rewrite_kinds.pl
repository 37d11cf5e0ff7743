# 101_rewrite_kinds.pl: a table is put in order, moved, logged and unlogged while
# others write it and while the server is killed; what is unlogged loses its rows in a
# crash, and what is not loses none.  Partitions go while they are copied.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "wal_level = replica\nzdm.batch_rest = 0\nzdm.guard = off\nrestart_after_crash = on\nallow_in_place_tablespaces = on\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub storage { return sql("SELECT pg_relation_filenode('$_[0]')") }

sub differ
{
	my ($one, $other) = @_;

	return sql("SELECT count(*) FROM ((TABLE $one EXCEPT ALL TABLE $other) UNION ALL (TABLE $other EXCEPT ALL TABLE $one)) x");
}

# How many rows are not behind the one before them in the table.
sub out_of_order
{
	my ($table, $key, $which) = @_;

	return sql("SELECT count(*) FROM (SELECT $key < lag($key) OVER (ORDER BY ctid) AS wrong FROM $table WHERE $which) x WHERE wrong");
}

sub fill
{
	my ($kind) = @_;

	sql("DROP TABLE IF EXISTS t, model; CREATE $kind TABLE t (id int PRIMARY KEY, a int, v text); CREATE INDEX t_a ON t (a); "
		  . "INSERT INTO t SELECT i, i * 7919 % 20011, repeat('x', 100 + i % 50) FROM generate_series(1, 20000) i; VACUUM t");
	return;
}

sql("CREATE TABLESPACE other LOCATION ''");

# --- rows that change in between: none is lost, and those that do not are in order
for my $how ("zdm.rewrite('t', 'a')", "zdm.migrate('CLUSTER t USING t_a')")
{
	for my $point ('copy-order-found', 'copy-after-batch')
	{
		fill('');
		my $held = hold($node, $point);
		my $id = sql("SELECT $how");

		arrive($node, $point);
		sql("CREATE TABLE model AS TABLE t");
		for my $table ('t', 'model')
		{
			sql("UPDATE $table SET a = a + 100000 WHERE id % 10 = 1; UPDATE $table SET id = -id WHERE id % 10 = 2; "
				  . "DELETE FROM $table WHERE id % 10 = 3; INSERT INTO $table SELECT i, 500000, 'new' FROM generate_series(20001, 20100) i");
		}
		# the places of the deleted are others' now
		sql("VACUUM t");
		sql("INSERT INTO $_ SELECT i, 600000, repeat('y', 120) FROM generate_series(30001, 32000) i") for 't', 'model';
		my $locker = start_psql($node);
		$locker->query_safe('BEGIN; UPDATE t SET a = -1 WHERE id % 100 = 5');
		$held->quit;
		wait_for('rows that are being written', sub { sql("SELECT waiting_for FROM zdm.progress WHERE id = $id") =~ /rows locked/ });
		$locker->query_safe('ROLLBACK');
		$locker->quit;
		wait_for_state($node, $id, 'completed');
		is(differ('t', 'model'), 0, "$how, written at $point: every row is as it should be");
		is(out_of_order('t', 'a', 'id > 0 AND id <= 20000 AND a < 100000 AND id % 100 <> 5'), 0, 'those that nobody has written are in order');
		is(sql('SELECT sum(correlation) > 0.5 FROM (SELECT 1) x, (SELECT corr((ctid::text::point)[0], a) AS correlation FROM t WHERE a < 100000) y'), 't', 'all in all too');
	}
}

# --- what the order goes by goes before it is found
{
	fill('');
	my $held = hold($node, 'second-before-commit');
	my $id = sql("SELECT zdm.migrate('CLUSTER t USING t_a')");
	arrive($node, 'second-before-commit');
	my $drop = start_psql($node);
	$drop->query_until(qr/started/, "\\echo started\nREINDEX INDEX CONCURRENTLY t_a;\n");
	$held->quit;
	wait_for_state($node, $id, 'completed');
	$drop->quit;
	is(out_of_order('t', 'a', 'true'), 0, 'an index that is built anew has the same order');
	is(sql("SELECT indisclustered FROM pg_index WHERE indexrelid = 't_a'::regclass"), 't', 'and is marked');

	$id = sql("BEGIN; SELECT zdm.pause(m) FROM (SELECT zdm.migrate('CLUSTER t USING t_a') AS m) x; SELECT max(id) FROM zdm.migrations; DROP INDEX t_a; COMMIT");
	$id =~ s/\s//g;
	sql("SELECT zdm.resume($id)");
	wait_for('it to fail', sub { migration_state($node, $id) eq 'failed' });
	like(sql("SELECT error FROM zdm.migrations WHERE id = $id"), qr/index "t_a" that table public.t was to have no longer exists/, 'one that is gone is named');
	steer($node, $id, 'revert', 'reverted');
}

# --- killed wherever it stands, with writers

for my $case (
	[ '', "zdm.rewrite('account', 'n, id')", 'copy-order-found', '' ],
	[ '', "zdm.migrate('CLUSTER account USING account_n')", 'copy-before-commit', '' ],
	[ '', "zdm.migrate('ALTER TABLE account SET TABLESPACE other')", 'second-before-index', '' ],
	[ '', "zdm.migrate('ALTER TABLE account SET TABLESPACE other, SET UNLOGGED')", 'copy-after-batch', '' ],
	[ '', "zdm.migrate('ALTER TABLE account SET UNLOGGED')", 'second-before-index', '' ],
	[ '', "zdm.migrate('ALTER TABLE account SET UNLOGGED')", 'exchange-before-commit', '' ],
	[ 'UNLOGGED', "zdm.migrate('ALTER TABLE account SET LOGGED')", 'copy-after-batch', 'emptied' ],
	[ 'UNLOGGED', "zdm.migrate('ALTER TABLE account SET LOGGED')", 'exchange-before-commit', 'emptied' ],
	[ 'UNLOGGED', "zdm.rewrite('account')", 'copy-after-batch', 'emptied' ])
{
	my ($kind, $how, $point, $emptied) = @$case;

	sql("DROP TABLE IF EXISTS account, log; CREATE $kind TABLE account (id serial PRIMARY KEY, n int NOT NULL DEFAULT 0, v text); CREATE INDEX account_n ON account (n); "
		  . "CREATE TABLE log (account int, n int); INSERT INTO account SELECT i, 0, repeat('z', 300) FROM generate_series(1, 6000) i");
	my $run = start_pgbench($node, <<'EOS', '-c', '2', '-R', '60');
\set id random(1, 6000)
BEGIN;
UPDATE account SET n = n + 1, v = repeat(md5(:id::text), 10 + :id % 100) WHERE id = :id;
INSERT INTO log SELECT id, n FROM account WHERE id = :id;
COMMIT;
EOS
	my $held = hold($node, $point);
	my $before = storage('account');
	my $id = sql("SELECT $how");

	kill_postmaster($node, split /\n/, arrive($node, $point));
	$held->{run}->finish if $held->{run};
	start_again($node);
	# what it holds from here on was written after the crash
	if ($emptied)
	{
		sql("BEGIN; LOCK account; TRUNCATE log; UPDATE account SET n = 0; INSERT INTO account SELECT i, 0, 'again' FROM generate_series(1, 6000) i ON CONFLICT DO NOTHING; COMMIT");
	}
	wait_for_state($node, $id, 'completed');
	isnt(storage('account'), $before, "$how, killed at $point: it came to its end");
	my $out = stop_pgbench($run)->{out};
	my @errors = grep { /ERROR|FATAL|PANIC/ && !/terminating connection|the database system is|shutting down/ } split /\n/, $out;
	is(join("\n", @errors), '', 'no statement failed but for lost connections');
	is(sql("SELECT count(*) FROM account a WHERE n <> coalesce((SELECT max(n) FROM log WHERE account = a.id), 0)"),
		0, 'the last write of each row is there');
	is(sql('SELECT count(*) FROM account'), 6000, 'and every row') unless $emptied && $how =~ /rewrite/;
	is(sql('SET enable_seqscan = off; SELECT count(*) FROM account WHERE n >= 0'), sql('SET enable_indexscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM account'), 'in the index too');
	is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_%' AND relkind = 'r'"), 0, 'nothing is left');
	if ($how =~ /LOGGED'/)
	{
		my $logged = $how =~ /SET LOGGED/ ? 'p' : 'u';

		is(sql("SELECT string_agg(DISTINCT relpersistence::text, '') FROM pg_class WHERE relname LIKE 'account%' AND relkind IN ('r', 'i')"), $logged, "table and indexes are $logged");
		kill_postmaster($node);
		start_again($node);
		my $count = sql('SELECT count(*) FROM account');
		ok($logged eq 'p' ? $count == 6000 : $count == 0, "after a crash it has $count rows");
	}
}

# --- back: nothing is left, and nothing is other than it was
{
	fill('');
	my $before = storage('t');
	my $held = hold($node, 'copy-after-batch');
	my $id = sql("SELECT zdm.migrate('ALTER TABLE t SET UNLOGGED, SET TABLESPACE other')");
	arrive($node, 'copy-after-batch');
	sql("SELECT zdm.revert($id)");
	$held->quit;
	wait_for_state($node, $id, 'reverted');
	is(storage('t') . sql("SELECT relpersistence FROM pg_class WHERE relname = 't'"), "${before}p", 'reverted: it is as it was');
	is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_%' AND relkind = 'r'"), 0, 'nothing is left');
}

# --- a foreign key that comes in between is seen before it counts
{
	sql('CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 100)');
	my $held = hold($node, 'copy-after-batch');
	my $id = sql("SELECT zdm.migrate('ALTER TABLE parent SET UNLOGGED')");
	arrive($node, 'copy-after-batch');
	sql('CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent)');
	$held->quit;
	wait_for('it to fail', sub { migration_state($node, $id) eq 'failed' });
	like(sql("SELECT error FROM zdm.migrations WHERE id = $id"), qr/could not change table "parent" to unlogged because it references logged table "child"/, 'it says why');
	sql("DROP TABLE child; SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'completed');
}

# --- partitions that go, come and come back while they are copied
{
	sql("CREATE TABLE p (id int PRIMARY KEY, a int) PARTITION BY RANGE (id); CREATE INDEX ON p (a)");
	sql("CREATE TABLE p$_ PARTITION OF p FOR VALUES FROM (${_}0000) TO (" . ($_ + 1) . "0000)") for 1 .. 4;
	sql("INSERT INTO p SELECT i, -i FROM generate_series(10000, 49999) i; CREATE TABLE p_was AS TABLE p");
	my $held = hold($node, 'copy-after-batch');
	my $id = sql("SELECT zdm.rewrite('p')");
	my @before = map { storage("p$_") } 1 .. 4;

	arrive($node, 'copy-after-batch');
	sql('DROP TABLE p1; ALTER TABLE p DETACH PARTITION p3; UPDATE p SET a = 0 WHERE id % 7 = 0; UPDATE p3 SET a = 0 WHERE id % 7 = 0');
	sql('UPDATE p_was SET a = 0 WHERE id % 7 = 0; DELETE FROM p_was WHERE id < 20000');
	sql("CREATE TABLE p5 PARTITION OF p FOR VALUES FROM (50000) TO (60000)");
	$held->quit;
	wait_for_state($node, $id, 'completed');
	isnt(storage('p2'), $before[1], 'the second has been written anew');
	is(storage('p3'), $before[2], 'one that is no partition any more has not');
	isnt(storage('p4'), $before[3], 'the last has been');
	sql('ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (30000) TO (40000)');
	is(differ('p', 'p_was'), 0, 'no row is lost');
	is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_%' AND relkind = 'r'"), 0, 'nothing is left');

	# away and back again at its own turn
	$held = hold($node, 'second-before-index');
	$id = sql("SELECT zdm.rewrite('p')");
	arrive($node, 'second-before-index');
	sql('ALTER TABLE p DETACH PARTITION p2; UPDATE p2 SET a = 1; DELETE FROM p2 WHERE id % 3 = 0; UPDATE p_was SET a = 1 WHERE id < 30000; DELETE FROM p_was WHERE id < 30000 AND id % 3 = 0');
	sql('ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (20000) TO (30000)');
	$held->quit;
	wait_for_state($node, $id, 'completed');
	is(differ('p', 'p_was'), 0, 'one that went and came back is as it should be');

	# reverted in the middle: what is done stays, what is begun goes
	sql('UPDATE p SET a = a + 1; UPDATE p_was SET a = a + 1');
	$held = hold($node, 'copy-after-batch');
	$id = sql("SELECT zdm.rewrite('p', 'a DESC')");
	arrive($node, 'copy-after-batch');
	sql("SELECT zdm.revert($id)");
	$held->quit;
	wait_for_state($node, $id, 'reverted');
	is(differ('p', 'p_was'), 0, 'reverted: no row is lost');
	is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_%' AND relkind = 'r'"), 0, 'nothing is left');
	is(sql("SELECT count(*) FROM pg_trigger WHERE tgfoid = 'zdm.sync_table'::regproc"), 0, 'no trigger either');
}

$node->stop;
done_testing();
