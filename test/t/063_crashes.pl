# 063_crashes.pl: a step that crashes the server again and again is given up, by name; one
# that achieves something in between, or is ended by somebody, is not.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "zdm.batch_rest = 0\nrestart_after_crash = on\n");

# the server may be down
sub ask
{
	my ($rc, $out) = $node->psql('postgres', $_[0]);

	return $rc == 0 ? $out : '';
}

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub crashes { return scalar(() = slurp_file($node->logfile) =~ /all server processes terminated; reinitializing/g) }

sub failed
{
	my ($id, $what) = @_;

	wait_for("$what: it to fail", sub { ask("SELECT state FROM zdm.migrations WHERE id = $id") eq 'failed' });
	like(sql("SELECT error_state || ' ' || error FROM zdm.migrations WHERE id = $id"),
		qr/^57P02 the worker has ended 3 times without a word at step \d+: the server crashed\nThat was found at /, "$what: the error");
	like(sql("SELECT error_hint FROM zdm.migrations WHERE id = $id"),
		qr/the server's log .* SELECT zdm\.resume\($id\), .* SELECT zdm\.revert\($id\)\./, "$what: what to do");
	return;
}

# its process ends as one does that meets a fault: the shell's parent is the server's process
sql(<<'EOS');
CREATE FUNCTION deadly(id int, a text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF id = 1500 THEN
		COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID; sleep 60';
	END IF;
	RETURN a || '!';
END $$;
CREATE FUNCTION is_well(id int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$;
CREATE TABLE t (id int PRIMARY KEY, a text);
CREATE TABLE other (LIKE t INCLUDING ALL);
CREATE TABLE c (LIKE t INCLUDING ALL);
INSERT INTO t SELECT i, repeat('v', 100) || i FROM generate_series(1, 3000) i;
INSERT INTO other SELECT i, repeat('v', 100) || i FROM generate_series(1, 10000) i;
INSERT INTO c TABLE t;
EOS

# --- a batch, beside another migration that has nothing to do with it
{
	my $held = hold($node, 'toplevel-before-mark');
	my $beside = sql("SELECT zdm.migrate('CREATE INDEX other_a ON other (a)')");

	arrive($node, 'toplevel-before-mark');
	my $before = crashes();
	my $id = sql("SELECT zdm.backfill('t', 'a = public.deadly(id, a)', 'a NOT LIKE ''%!''')");
	failed($id, 'a batch');
	cmp_ok(crashes() - $before, '<=', 12, 'a batch: no more crashes than batches that came through, and three');
	$held->{run}->finish if $held->{run};
	wait_for_state($node, $beside, 'completed');
	is(sql("SELECT count(*) FROM zdm.at_work WHERE migration = $beside"), 0, 'nothing is left of the one beside it');

	# once more, and mended
	$before = crashes();
	sql("SELECT zdm.resume($id)");
	wait_for('crashes', sub { crashes() > $before });
	failed($id, 'resumed');
	cmp_ok(crashes() - $before, '>=', 3, 'resumed: its crashes are counted anew');
	sql("CREATE OR REPLACE FUNCTION deadly(id int, a text) RETURNS text LANGUAGE sql AS 'SELECT a || ''!'''");
	sql("SELECT zdm.revert($id)");
	wait_for_state($node, $id, 'reverted');
}

# --- a step that is done as a whole, there and back
{
	sql(<<'EOS');
CREATE OR REPLACE FUNCTION is_well(id int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID; sleep 60';
	RETURN true;
END $$;
EOS
	my $before = crashes();
	my $id = sql("SELECT zdm.migrate('ALTER TABLE c ADD CONSTRAINT well CHECK (public.is_well(id))')");

	failed($id, 'a scan');
	is(crashes() - $before, 3, 'a scan: three crashes');
	is(sql('SELECT count(*) FROM c'), 3000, 'and the server is there');
	sql('CREATE OR REPLACE FUNCTION is_well(id int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$');
	sql("SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'completed');
}

# --- helpers: the worker finds out by itself whose row it is
{
	sql(<<'EOS');
CREATE OR REPLACE FUNCTION deadly(id int, a text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF id = 2900 THEN
		COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID; sleep 60';
	END IF;
	RETURN a || '!';
END $$;
EOS
	my $before = crashes();
	my $id = sql("SET zdm.backfill_workers = 3; SELECT zdm.backfill('t', 'a = public.deadly(id, a)', 'a NOT LIKE ''%!''')");

	failed($id, 'helpers');
	cmp_ok(crashes() - $before, '<=', 16, 'helpers: no more crashes than one alone would meet');
	sql("SELECT zdm.revert($id)");
	wait_for_state($node, $id, 'reverted');
}

# --- ended by somebody, with nothing achieved in between
{
	my $point = 'backfill-before-commit';
	my $held = hold($node, $point);
	my $id = sql("SELECT zdm.change_column_type('other', 'a', 'varchar', up => 'a', down => 'a')");

	for (1 .. 4)
	{
		my $worker = arrive($node, $point);

		sql("SELECT pg_terminate_backend($worker)");
		wait_for('the worker to be gone', sub { sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $worker") == 0 });
	}
	for (1 .. 4)
	{
		arrive($node, $point);
		sql("SELECT zdm.pause($id)");
		wait_for('the worker to be gone', sub { sql("SELECT worker IS NULL FROM zdm.progress WHERE id = $id") eq 't' });
		sql("SELECT zdm.resume($id)");
	}
	for (1 .. 4)
	{
		arrive($node, $point);
		$node->append_conf('postgresql.conf', 'zdm.enabled = off');
		$node->stop('fast');
		$held->{run}->finish if $held->{run};
		$node->start;
		$held = hold($node, $point);
		$node->append_conf('postgresql.conf', 'zdm.enabled = on');
		$node->reload;
	}
	arrive($node, $point);
	is(sql("SELECT max(cardinality(crashed)) FROM zdm.step_progress WHERE migration = $id"), 0, 'terminated, paused, restarted: none of that is a crash');
	$held->quit;
	wait_for_state($node, $id, 'ready');
	is(sql("SELECT count(*) FROM other WHERE a IS DISTINCT FROM a_zdm$id"), 0, 'every row is right');
	steer($node, $id, 'revert', 'reverted');
}

# --- crashes, with something achieved in between
{
	my $id = sql("SET zdm.batch_time = '1ms'; SET zdm.batch_rest = 200; SELECT zdm.change_column_type('other', 'a', 'varchar', up => 'a', down => 'a')");
	my $last = 0;

	for (1 .. 5)
	{
		my ($done, $worker);
		my $before = crashes();

		wait_for(
			'a batch',
			sub {
				($done, $worker) = split /\|/, ask("SELECT blocks_done, worker FROM zdm.progress WHERE id = $id AND action = 'backfill' AND worker IS NOT NULL");
				return ($done // 0) > $last;
			});
		$last = $done;
		kill 'KILL', $worker;
		wait_for('the crash', sub { crashes() > $before });
		wait_for('the server', sub { ask('SELECT 1') eq '1' });
	}
	sql("SELECT zdm.configure($id, 'batch_rest', '0')");
	wait_for_state($node, $id, 'ready');
	is(sql("SELECT count(*) FROM other WHERE a IS DISTINCT FROM a_zdm$id"), 0, 'every row is right');
}

$node->stop;
done_testing();
