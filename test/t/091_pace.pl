# 091_pace.pl: a batch ends as soon as somebody waits for a row that it has
# written, however much time it has; who goes on where another has stopped in the
# midst of a page's rows leaves none of them out; a batch lets others have the
# processor again and again; and what it has written is on disk when it has rested.
#
# long

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use ZdmTest;
use Test::More;

my $node = zdm_node('pace', conf => "zdm.guard = off\nautovacuum = off\nwal_writer_delay = 10s\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

# a row takes 4 ms, while that is wanted, and the first batch is of a tenth of the rows in
# 16 blocks, over 200
sql(<<'EOC');
CREATE TABLE pace (seconds float8);
INSERT INTO pace VALUES (0.004);
CREATE TABLE t (id int PRIMARY KEY, a int, pad text);
INSERT INTO t SELECT i, i, '' FROM generate_series(1, 2200) i;
CREATE FUNCTION slow(int) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_catalog.pg_sleep(seconds) FROM public.pace WHERE seconds > 0; RETURN $1; END $$;
EOC
my $id = sql("SET zdm.batch_time = '60s'; SET zdm.batch_rest = 0;"
	  . "SELECT zdm.change_column_type('t', 'a', 'bigint', up => 'slow(a)', down => 'a::int')");

# written: it has a transaction id
wait_for('a batch to write', sub {
	sql("SELECT count(*) FROM zdm.progress p JOIN pg_stat_activity a ON a.pid = p.worker "
		  . "WHERE p.id = $id AND p.action = 'backfill' AND a.backend_xid IS NOT NULL") });
my $pad = sql("UPDATE t SET pad = 'mine' WHERE id = 1; SELECT rows_done < 200 AND state = 'migrating' FROM zdm.progress WHERE id = $id");

sql('UPDATE pace SET seconds = 0');
is($pad, 't', 'who waited for the row went on before the batch was through');
wait_for_state($node, $id, 'ready');
is(sql('SELECT count(*) FROM t WHERE a_zdm1 IS DISTINCT FROM a'), 0, 'and every row is filled in');
is(sql('SELECT pad FROM t WHERE id = 1'), 'mine', 'theirs too');

# one full page, others with room for all of their rows; the worker ends behind the first
sql(<<'EOC');
CREATE TABLE u (id int PRIMARY KEY, a int, pad text);
INSERT INTO u SELECT i, i, '' FROM generate_series(1, 2200) i;
DELETE FROM u WHERE id > 150 AND id % 100 <> 0;
VACUUM u;
UPDATE pace SET seconds = 0.004;
EOC
my $held = hold($node, 'backfill-after-batch');
$id = sql("SET zdm.batch_time = '1ms'; SET zdm.batch_rest = 0;"
	  . "SELECT zdm.change_column_type('u', 'a', 'bigint', up => 'slow(a)', down => 'a::int')");
my $worker = arrive($node, 'backfill-after-batch');

is(sql("SELECT cursor->>'phase_block' FROM zdm.step_progress WHERE migration = $id AND cursor IS NOT NULL"), 1, 'a batch has done one page');
sql('UPDATE pace SET seconds = 0');
sql("SELECT pg_terminate_backend($worker)");
wait_for('it to end', sub { sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $worker") == 0 });
$held->quit;
wait_for_state($node, $id, 'ready');
is(sql("SELECT count(*) FROM u WHERE a_zdm$id IS DISTINCT FROM a"), 0, 'the next worker leaves no row of it out');

# a batch of some 200 rows of a millisecond each, as the kernel has seen it: whoever
# wants the processor for half a millisecond at most gives it up 200 times
SKIP: {
	skip 'no /proc', 3 unless -r "/proc/$$/status";
	sql(<<'EOC');
CREATE FUNCTION busy(int) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE until timestamptz := clock_timestamp() + (SELECT seconds * interval '1 s' FROM public.pace);
BEGIN WHILE clock_timestamp() < until LOOP END LOOP; RETURN $1; END $$;
EOC
	my %naps;

	for my $rest (0, 1)
	{
		sql("CREATE TABLE n$rest (id int PRIMARY KEY, a int); INSERT INTO n$rest SELECT i, i FROM generate_series(1, 2200) i");
		sql('UPDATE pace SET seconds = 0.001');
		$held = hold($node, 'backfill-after-batch');
		$id = sql("SET zdm.batch_time = '60s'; SET zdm.batch_rest = $rest;"
			  . "SELECT zdm.change_column_type('n$rest', 'a', 'bigint', up => 'busy(a)', down => 'a::int')");
		$worker = arrive($node, 'backfill-after-batch');
		($naps{$rest}) = slurp_file("/proc/$worker/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m;
		sql('UPDATE pace SET seconds = 0');
		$held->quit;
		wait_for_state($node, $id, 'ready');
		is(sql("SELECT count(*) FROM n$rest WHERE a_zdm$id IS DISTINCT FROM a"), 0, 'every row is filled in');
	}
	note("gave the processor up: $naps{1} times, $naps{0} without rest");
	cmp_ok($naps{1}, '>', $naps{0} + 100, 'a batch naps, unless it is to have no rest');
}

# nobody but the worker flushes, with the WAL writer stopped and no commit of others
{
	my $writer = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");

	sql("CREATE TABLE f (id int PRIMARY KEY, a int); INSERT INTO f SELECT i, i FROM generate_series(1, 5000) i");
	$held = hold($node, 'backfill-after-batch');
	$id = sql("SET zdm.batch_time = '1ms'; SET zdm.batch_rest = 10; SELECT zdm.change_column_type('f', 'a', 'bigint')");
	arrive($node, 'backfill-after-batch');
	kill 'STOP', $writer;
	sql('CHECKPOINT');
	# one batch further, whose commit nobody but itself can have flushed, and once more
	$held = let_pass($node, $held, 'backfill-after-batch');
	arrive($node, 'backfill-after-batch');
	my $written = sql('SELECT pg_current_wal_insert_lsn()');
	is(sql("SELECT pg_current_wal_flush_lsn() < '$written'"), 't', 'a batch commits before it is on disk');
	$held = let_pass($node, $held, 'backfill-after-batch');
	arrive($node, 'backfill-after-batch');
	is(sql("SELECT pg_current_wal_flush_lsn() >= '$written'"), 't', 'and is there when the next one has written');
	kill 'CONT', $writer;
	$held->quit;
	wait_for_state($node, $id, 'ready');
}

done_testing();
