# 116_copy_helpers.pl: several workers copy one table and compare it with its copy
# (zdm.backfill_workers).  Whichever of them dies, waits, fails or is told to stop, and
# whatever is written meanwhile, the copy has each row as it is.
#
# long

use strict;
use warnings;

use ZdmTest;
use Test::More;

my $node = zdm_node('main', conf => <<'EOC');
zdm.guard = off
autovacuum = off
restart_after_crash = on
zdm.batch_time = '3ms'
zdm.batch_rest = 0
zdm.backfill_workers = 2
EOC

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Four rows on a page: the smallest stretch is of 64 pages.
sub fresh_table
{
	sql('DROP TABLE IF EXISTS t, model');
	sql("CREATE TABLE t (id int PRIMARY KEY, a int, pad text); CREATE INDEX t_a ON t (a);"
		  . "INSERT INTO t SELECT i, i, repeat('x', 1800) FROM generate_series(1, $_[0]) i; CREATE TABLE model (LIKE t INCLUDING ALL); INSERT INTO model TABLE t");
	return;
}

sub outstanding { return sql("SELECT count(*) FROM zdm.stretch WHERE $_[0]") }

sub processes
{
	return sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('pg_zdm helper', 'pg_zdm worker')");
}

my $holder = start_psql($node);

sub hold_at { $holder->query_safe('SELECT pg_advisory_lock(' . debug_point($_[0]) . ')'); return }

sub let_go { $holder->query_safe('SELECT pg_advisory_unlock(' . debug_point($_[0]) . ')'); return }

# Write the table anew, with a helper that is held with its first stretch of the copy.
sub rewrite_beside_helper
{
	hold_at('helper-before-store');
	hold_at('copy-after-batch');
	my $id = sql("SELECT zdm.rewrite('t')");
	my $helper = arrive($node, 'helper-before-store');
	let_go('copy-after-batch');
	return ($id, $helper);
}

# done(id, name, rows): the migration is over, has copied so many rows, and none differs.
sub done
{
	my ($id, $name, $rows) = @_;

	wait_for_state($node, $id, 'completed');
	is(sql('SELECT count(*) FROM ((TABLE t EXCEPT ALL TABLE model) UNION ALL (TABLE model EXCEPT ALL TABLE t)) x'), 0, "$name: every row is as it was");
	is(sql("SELECT rows_done FROM zdm.step JOIN zdm.step_progress USING (migration, step) WHERE migration = $id AND action = 'copy'"), $rows, "$name: each is copied once")
	  if defined $rows;
	is(sql("SELECT rows_done FROM zdm.step JOIN zdm.step_progress USING (migration, step) WHERE migration = $id AND action = 'compare'"),
		sql('SELECT 2 * count(*) FROM t'), "$name: each is compared, on both sides");
	is(outstanding("migration = $id"), 0, "$name: nothing is left out");
	return;
}

# --- the helper is held with its first stretch: the worker does the rest, and waits
fresh_table(2000);
my ($id, $helper) = rewrite_beside_helper();
is(sql("SELECT helpers FROM zdm.progress WHERE id = $id"), "{$helper}", 'zdm.progress names the helper');
wait_for('the worker to have done what nobody has', sub {
	outstanding("migration = $id") == 1 && sql("SELECT cursor->>'stretches' FROM zdm.step_progress WHERE cursor IS NOT NULL AND migration = $id") == 1 });
is(sql("SELECT count(*) FROM zdm.steps WHERE migration = $id AND action = 'copy' AND state = 'running'"), 1, 'what a helper has is waited for');
let_go('helper-before-store');
done($id, 'a slow helper', 2000);

# --- a row of a batch that is not committed is written: who does so waits for that helper alone
($id, $helper) = rewrite_beside_helper();
my $block = sql("SELECT cursor->>'block' FROM zdm.stretch WHERE migration = $id ORDER BY id LIMIT 1");
my $key = sql("SELECT id FROM t WHERE ctid = '($block,1)'");
my $writer = start_psql($node);
my $pid = $writer->query_safe('SELECT pg_backend_pid()');
$writer->query_until(qr/sent/, "\\echo sent\nUPDATE t SET pad = repeat('y', 1900), id = -id WHERE id = $key; INSERT INTO t VALUES ($key, 0, 'another');\n");
sql("UPDATE model SET pad = repeat('y', 1900), id = -id WHERE id = $key; INSERT INTO model VALUES ($key, 0, 'another')");
wait_for('the writer to wait', sub { sql("SELECT pg_blocking_pids($pid) = ARRAY[$helper]") eq 't' });
let_go('helper-before-store');
$writer->query_safe('SELECT 1');
$writer->quit;
done($id, 'a row of the batch is written');

# --- the helper is terminated in the midst of a batch
fresh_table(2000);
($id, $helper) = rewrite_beside_helper();
sql("SELECT pg_terminate_backend($helper)");
wait_for('it to end', sub { sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $helper") == 0 });
let_go('helper-before-store');
done($id, 'a helper terminated', 2000);

# --- the worker is terminated while the helper has a stretch
($id) = rewrite_beside_helper();
my $worker = sql("SELECT worker FROM zdm.progress WHERE id = $id");
sql("SELECT pg_terminate_backend($worker)");
wait_for('another worker', sub { (sql("SELECT worker FROM zdm.progress WHERE id = $id") || $worker) != $worker });
let_go('helper-before-store');
done($id, 'the worker terminated', 2000);

# --- paused: nobody goes on; with one worker from then on, it does the rest
($id) = rewrite_beside_helper();
sql("SELECT zdm.pause($id)");
let_go('helper-before-store');
wait_for('all to end', sub { processes() == 0 });
cmp_ok(outstanding("migration = $id"), '>', 0, 'stretches are out while it is paused');
sql("SELECT zdm.configure($id, 'backfill_workers', '1'); SELECT zdm.resume($id)");
done($id, 'one worker for the rest', 2000);

# --- reverted in the midst: nothing of it is left, and nobody stands in the way
($id) = rewrite_beside_helper();
sql("SELECT zdm.revert($id)");
let_go('helper-before-store');
wait_for_state($node, $id, 'reverted');
is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_${id}\\_%'"), 0, 'reverted');

# --- the table is rewritten by others, or truncated, while the helper has a part of it: all begins anew
for my $act ('VACUUM FULL t', "BEGIN; TRUNCATE t; INSERT INTO t SELECT * FROM model WHERE id % 2 = 0; DELETE FROM model WHERE id % 2 = 1; COMMIT")
{
	hold_at('copy-after-batch');
	$id = sql("SELECT zdm.rewrite('t')");
	arrive($node, 'copy-after-batch');
	wait_for('a stretch in work', sub { outstanding("migration = $id AND helper = 1") > 0 });
	sql($act);
	let_go('copy-after-batch');
	done($id, $act);
}

# --- the server crashes
fresh_table(2000);
($id, $helper) = rewrite_beside_helper();
cmp_ok(outstanding("migration = $id"), '>', 0, 'stretches are out');
kill_postmaster($node);
start_again($node);
done($id, 'after a crash', 2000);
$holder = start_psql($node);

# --- what the helper fails with is the migration's failure, with the row: that which is copied,
# and turns bad when the rows have been looked at ...
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
hold_at('copy-after-batch');
hold_at('helper-before-store');
$id = sql("SELECT zdm.change_column_type('t', 'a', 'bigint', up => 'public.good(a)', down => 'a::int', keep_place => true)");
arrive($node, 'copy-after-batch');
arrive($node, 'helper-before-store');
sql('INSERT INTO bad SELECT generate_series(1, 1000)');
let_go('helper-before-store');
wait_for('a helper to come across', sub { outstanding("migration = $id AND state = 'failed'") == 1 });
let_go('copy-after-batch');
wait_for('it to fail', sub { migration_state($node, $id) eq 'failed' });
like(sql("SELECT error FROM zdm.migrations WHERE id = $id"), qr/\d+ is bad/, 'a row that a helper cannot copy');
sql("TRUNCATE bad; SELECT zdm.resume($id)");
wait_for_state($node, $id, 'ready');
is(sql("SELECT count(*) FROM zdm.verify($id)"), 0, 'mended');
sql("SELECT zdm.revert($id)");
wait_for_state($node, $id, 'reverted');

# ... and that which is compared
fresh_table(2000);
sql('CREATE EXTENSION pg_surgery');
hold_at('compare-after-batch');
hold_at('second-before-index');
$id = sql("SELECT zdm.rewrite('t')");
arrive($node, 'second-before-index');
hold_at('helper-before-store');
let_go('second-before-index');
arrive($node, 'compare-after-batch');
arrive($node, 'helper-before-store');
my $places = sql("SELECT array_agg(ctid) FROM zdm_${id}_t WHERE id % 4 = 0");
sql("SELECT heap_force_kill('zdm_${id}_t', '$places')");
let_go('helper-before-store');
wait_for('a helper to come across', sub { outstanding("migration = $id AND state = 'failed'") == 1 });
let_go('compare-after-batch');
wait_for('it to fail', sub { migration_state($node, $id) eq 'failed' });
like(sql("SELECT error FROM zdm.migrations WHERE id = $id"),
	qr/the table and its copy disagree in \d+ rows of public.t, in blocks \d+ to \d+.*: \(id\)=\(\d+\)/s, 'rows that differ');
sql("SELECT zdm.revert($id)");
wait_for_state($node, $id, 'reverted');

# --- under load: rows move from the blocks of one to those of another, and change their keys
my $write = <<'EOC';
\set k random(1, 4000)
\set n random(1, 1800)
SELECT pg_advisory_xact_lock(:k);
EOC
my %does = (
	update => "UPDATE % SET a = :n, pad = repeat('y', :n) WHERE id IN (:k, -:k);",
	flip => "UPDATE % SET id = -id, a = :n WHERE id IN (:k, -:k);",
	replace => "DELETE FROM % WHERE id IN (:k, -:k); INSERT INTO % VALUES (:k, :n, repeat('z', :n));");

sub twice { return join '', map { $does{$_[0]} =~ s/%/$_/gr } 't', 'model' }

for my $call ("zdm.rewrite('t')",
	"zdm.partition_table('t', 'HASH (id)', ARRAY['t_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)', 't_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)'])",
	"zdm.unpartition_table('t')")
{
	my $three = "SET zdm.backfill_workers = 3; SET zdm.batch_rest = 0.2;";

	fresh_table(4000) if $call !~ /unpart/;
	my @applications = map { start_pgbench($node, "BEGIN;\n$write" . twice($_) . "COMMIT;\n", '-c', 2) } sort keys %does;

	wait_for('them to write', sub { sql('SELECT count(*) FROM t WHERE id < 0') > 20 });
	$id = sql("$three SELECT $call");
	wait_for_state($node, $id, $call =~ /rewrite/ ? 'completed' : 'ready');
	if ($call !~ /rewrite/)
	{
		is(sql("SELECT count(*) FROM zdm.verify($id)"), 0, "$call: both are the same");
		steer($node, $id, 'cutover', 'switched');
		steer($node, $id, 'contract', 'completed');
	}
	for my $application (@applications)
	{
		my $result = stop_pgbench($application);

		cmp_ok($result->{transactions}, '>', 20, "$call: many were written");
		unlike($result->{out}, qr/ERROR/, "$call: no statement failed");
	}
	is(sql('SELECT count(*) FROM ((TABLE t EXCEPT ALL TABLE model) UNION ALL (TABLE model EXCEPT ALL TABLE t)) x'), 0, "$call: every row is as it is to be");
}

# --- in order: by one alone
fresh_table(2000);
hold_at('copy-before-commit');
$id = sql("SELECT zdm.rewrite('t', 'a DESC')");
arrive($node, 'copy-before-commit');
is(outstanding("migration = $id"), 0, 'a copy in order is one worker\'s');
let_go('copy-before-commit');
wait_for_state($node, $id, 'completed');
is(sql('SELECT count(*) FROM (SELECT a, lag(a) OVER (ORDER BY ctid) FROM t) x WHERE a > lag'), 0, 'and the rows are in it');

done_testing();
