# 092_helpers.pl: several workers fill in one table (zdm.backfill_workers), and
# whichever of them dies, waits, fails or is told to stop, each row is filled in.
#
# long

use strict;
use warnings;

use ZdmTest;
use Test::More;

my $node = zdm_node('helpers', conf => <<'EOC');
zdm.guard = off
autovacuum = off
restart_after_crash = on
zdm.batch_time = '3ms'
zdm.batch_rest = 0
zdm.backfill_workers = 2
# a helper that the test holds keeps dead rows, and is nothing to wait for
zdm.max_growth = -1
EOC

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Four rows on a page: the smallest stretch is of 64 pages.
sub fresh_table
{
	sql('DROP TABLE IF EXISTS t');
	sql("CREATE TABLE t (id int PRIMARY KEY, a int, pad text);"
		  . "INSERT INTO t SELECT i, i, repeat('x', 1800) FROM generate_series(1, $_[0]) i");
	return;
}

# change(settings): the type of t.a is changed.
sub change
{
	return sql("$_[0]SELECT zdm.change_column_type('t', 'a', 'bigint')");
}

sub helpers
{
	return sql("SELECT coalesce(cardinality(helpers), 0) FROM zdm.progress WHERE id = $_[0]");
}

sub outstanding { return sql("SELECT count(*) FROM zdm.stretch WHERE $_[0]") }

# A session that holds the debug points.
my $holder = start_psql($node, 'postgres');

sub hold_at { $holder->query_safe('SELECT pg_advisory_lock(' . debug_point($_[0]) . ')'); return }

sub let_go { $holder->query_safe('SELECT pg_advisory_unlock(' . debug_point($_[0]) . ')'); return }

# Change the type with a helper, held with its first stretch; the worker goes on when
# it is there, or on a slow machine it would have done all before.
sub change_beside_helper
{
	hold_at('helper-before-store');
	hold_at('backfill-after-batch');
	my $id = change('');
	my $helper = arrive($node, 'helper-before-store');
	let_go('backfill-after-batch');
	return ($id, $helper);
}

# filled(id, rows, name): the migration is ready, and has filled in each row once.
sub filled
{
	my ($id, $rows, $name) = @_;

	wait_for_state($node, $id, 'ready');
	is(sql("SELECT count(*) FROM t WHERE a_zdm$id IS DISTINCT FROM a"), 0, "$name: every row is filled in");
	is(sql("SELECT rows_done FROM zdm.step JOIN zdm.step_progress USING (migration, step) WHERE migration = $id AND action = 'backfill' AND state = 'done'"),
		$rows, "$name: each of them once") if defined $rows;
	is(sql("SELECT rows_done FROM zdm.step JOIN zdm.step_progress USING (migration, step) WHERE migration = $id AND action = 'verify' AND phase = 'migrate' AND state = 'done'"),
		sql('SELECT count(*) FROM t'), "$name: each is verified once");
	is(outstanding("migration = $id"), 0, "$name: nothing is left out");
	sql("SELECT zdm.revert($id); CALL zdm.wait($id)");
	return;
}

# the helper is held with its first stretch: the worker does the rest, and waits
fresh_table(2000);
my ($id, $helper) = change_beside_helper();
is(sql("SELECT helpers FROM zdm.progress WHERE id = $id"), "{$helper}", 'zdm.progress names the helper');
is(sql("SELECT backend_type FROM pg_stat_activity WHERE pid = $helper"), 'pg_zdm helper', 'which is a process of its own');
wait_for('the worker to have done what nobody has', sub {
	outstanding("migration = $id") == 1 && sql("SELECT cursor->>'stretches' FROM zdm.step_progress WHERE cursor IS NOT NULL AND migration = $id") == 1 });
is(migration_state($node, $id), 'migrating', 'what a helper has is waited for');
let_go('helper-before-store');
filled($id, 2000, 'a slow helper');

# it has a part in the verification, too: the worker goes on, batch by batch, until it has
# read that there is to be a helper
fresh_table(8000);
my $between = hold($node, 'verify-after-batch');
$id = change('SET zdm.backfill_workers = 1;');
arrive($node, 'verify-after-batch');
hold_at('helper-before-store');
sql("SELECT zdm.configure($id, 'backfill_workers', '2')");
while (outstanding("migration = $id") == 0)
{
	$between = let_pass($node, $between, 'verify-after-batch');
	arrive($node, 'verify-after-batch');
}
arrive($node, 'helper-before-store');
is(sql("SELECT action || ' ' || cardinality(helpers) FROM zdm.progress WHERE id = $id"), 'verify 1', 'and zdm.progress names it');
$between->quit;
let_go('helper-before-store');
filled($id, 8000, 'a helper that verifies');
fresh_table(2000);

# the helper is terminated in the midst of a batch
($id, $helper) = change_beside_helper();
sql("SELECT pg_terminate_backend($helper)");
wait_for('it to end', sub { sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $helper") == 0 });
let_go('helper-before-store');
filled($id, 2000, 'a helper terminated');

# the worker is terminated while the helper has a stretch
($id) = change_beside_helper();
my $worker = sql("SELECT worker FROM zdm.progress WHERE id = $id");
sql("SELECT pg_terminate_backend($worker)");
wait_for('another worker', sub { (sql("SELECT worker FROM zdm.progress WHERE id = $id") || $worker) != $worker });
let_go('helper-before-store');
filled($id, 2000, 'the worker terminated');

# one that looks whether a stretch can be taken over, and one that takes it at that moment
hold_at('backfill-before-take-over');
($id) = change_beside_helper();
arrive($node, 'backfill-before-take-over');
let_go('helper-before-store');
wait_for('the helper to have it', sub { outstanding("migration = $id AND helper IS NULL") == 0 });
let_go('backfill-before-take-over');
filled($id, 2000, 'a stretch taken from two sides');

# paused: nobody goes on; with one worker from then on, it does the rest
($id) = change_beside_helper();
sql("SELECT zdm.pause($id)");
let_go('helper-before-store');
wait_for('all to end', sub {
	sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('pg_zdm helper', 'pg_zdm worker')") == 0 });
cmp_ok(outstanding("migration = $id"), '>', 0, 'stretches are out while it is paused');
sql("SELECT zdm.configure($id, 'backfill_workers', '1'); SELECT zdm.resume($id)");
filled($id, 2000, 'one worker for the rest');

# what the helper fails with is the migration's failure, with the row, which turns bad when
# the rows have been looked at; and what another has done, of which the worker hears at the same
# time, is not lost
fresh_table(2000);
sql(<<'EOC');
CREATE TABLE bad (a int);
CREATE FUNCTION good(int) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM public.bad WHERE a = $1) THEN
		RAISE EXCEPTION '% is bad', $1;
	END IF;
	RETURN $1;
END $$
EOC
hold_at('backfill-after-batch');
hold_at('helper-before-store');
$id = sql("SET zdm.backfill_workers = 3; SET zdm.batch_time = '1ms'; SELECT zdm.change_column_type('t', 'a', 'bigint', up => 'public.good(a)', down => 'a::int')");
arrive($node, 'backfill-after-batch');
arrive($node, 'helper-before-store', undef, 2);
sql("INSERT INTO bad VALUES (2000)");
let_go('helper-before-store');
wait_for('both', sub { outstanding("migration = $id AND state = 'failed'") > 0 && outstanding("migration = $id AND state = 'done'") > 0 });
let_go('backfill-after-batch');
wait_for('it to fail', sub { migration_state($node, $id) eq 'failed' });
like(sql("SELECT error FROM zdm.migrations WHERE id = $id"), qr/2000 is bad/, 'a row that the helper cannot fill in');
sql("TRUNCATE bad; SELECT zdm.resume($id)");
filled($id, 2000, 'mended');

# the table is rewritten while the helper has a part of the old one
fresh_table(2000);
$id = change("SET zdm.batch_rest = 50; SET zdm.batch_time = '3ms';");
wait_for('a stretch in work', sub { outstanding("migration = $id AND helper = 1") > 0 });
sql('VACUUM FULL t');
sql("SELECT zdm.configure($id, 'batch_rest', '0')");
filled($id, undef, 'rewritten');

# who rests as long as he works takes turns: while one is in a batch, the other is in none
fresh_table(2000);
hold_at('backfill-before-commit');
hold_at('turn-refused');
$id = change("SET zdm.batch_rest = 1;");
arrive($node, 'backfill-before-commit');
arrive($node, 'turn-refused');
is(sql(<<'EOC'), 1, 'one batch at a time');
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 23047 AND granted
EOC
let_go('backfill-before-commit');
let_go('turn-refused');
filled($id, 2000, 'turns');

# the server crashes
fresh_table(2000);
($id, $helper) = change_beside_helper();
cmp_ok(outstanding("migration = $id"), '>', 0, 'stretches are out');
kill_postmaster($node);
start_again($node);
filled($id, 2000, 'after a crash');

# partitions, side by side
sql(<<'EOC');
DROP TABLE t;
CREATE TABLE t (id int, a int, pad text) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE t%s PARTITION OF t FOR VALUES FROM (%s) TO (%s)', i, i * 200, (i + 1) * 200) FROM generate_series(0, 19) i \gexec
INSERT INTO t SELECT i, i, repeat('x', 460) FROM generate_series(0, 3999) i;
CREATE TABLE t20 (id int, a int, pad text);
INSERT INTO t20 SELECT i, i, 'late' FROM generate_series(4000, 4199) i;
EOC
$holder = start_psql($node, 'postgres');
hold_at('helper-before-store');
# so that the worker has not done it all before both helpers are there
hold_at('backfill-after-batch');
$id = change("SET zdm.backfill_workers = 3;");
arrive($node, 'helper-before-store');
arrive($node, 'helper-before-store', undef, 2);
sql("ALTER TABLE t20 ADD COLUMN a_zdm$id bigint; ALTER TABLE t ATTACH PARTITION t20 FOR VALUES FROM (4000) TO (4200)");
let_go('backfill-after-batch');
let_go('helper-before-store');
filled($id, 4200, 'leaves');

# reverted in the midst: nothing of it is left, and nobody stands in the way
($id) = change_beside_helper();
sql("SELECT zdm.revert($id)");
let_go('helper-before-store');
wait_for_state($node, $id, 'reverted');
is(sql("SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a_zdm$id'"), 0, 'reverted');

# a backfill of the user's own: passes until one finds nothing
$id = sql("SELECT zdm.backfill('t', 'a = 7', 'a <> 7')");
wait_for_state($node, $id, 'completed');
is(sql('SELECT count(*) FROM t WHERE a <> 7'), 0, "the user's own assignments");
is(sql("SELECT rows_done FROM zdm.step_progress WHERE migration = $id"), 4199, 'each row once');

done_testing();
