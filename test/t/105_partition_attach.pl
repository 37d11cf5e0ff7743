# 105_partition_attach.pl: a table becomes the first partition of the one that takes its
# name, there, back and there again, while others read and write it in every way, and
# while the server is killed: no statement fails, and no write is lost.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "zdm.guard = off\nrestart_after_crash = on\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

my $merge = $node->pg_version >= 15 ?
  'MERGE INTO event e USING (SELECT :id::bigint AS id) s ON e.id = s.id WHEN MATCHED THEN UPDATE SET n = e.n + 1 WHEN NOT MATCHED THEN INSERT (id, at, n) VALUES (s.id, \'2024-02-02\', 1);' :
  'UPDATE event SET n = n + 1 WHERE id = :id;';

sub fill
{
	sql("DROP VIEW IF EXISTS recent; DROP TABLE IF EXISTS log, event, kind; CREATE TABLE kind (id int PRIMARY KEY); INSERT INTO kind VALUES (1), (2); "
		  . "CREATE TABLE event (id bigserial PRIMARY KEY, at timestamptz NOT NULL, kind int NOT NULL DEFAULT 1 REFERENCES kind, n int NOT NULL DEFAULT 0, v text); "
		  . "CREATE INDEX event_at ON event (at); CREATE TABLE log (id bigint, n int); "
		  . "INSERT INTO event (at, v) SELECT timestamptz '2024-01-01 UTC' + g * interval '2 minutes', repeat('x', 50) FROM generate_series(1, 20000) g; "
		  . "INSERT INTO event (id, at) VALUES (3000000, '2025-01-01'); "		# so that it has a partition, whatever the load has there just then
		  . 'CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.v := coalesce(NEW.v, TG_NAME); RETURN NEW; END$$; '
		  . 'CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON event FOR EACH ROW EXECUTE FUNCTION touch(); '
		  . 'CREATE VIEW recent AS SELECT id, at, n FROM event WHERE at > \'2024-01-20\'');
	return;
}

# Each transaction notes what it has made of a row that it alone writes meanwhile.
sub applications
{
	return (
		start_pgbench($node, <<"EOS", '-c', '3', '-M', 'prepared'),
\\set id random(1, 19000)
BEGIN;
UPDATE event SET n = n + 1 WHERE id = :id;
INSERT INTO log SELECT id, n FROM event WHERE id = :id;
COMMIT;
INSERT INTO event (at, n) SELECT '2024-01-01 UTC'::timestamptz + :id * interval '10 minutes', -1;
INSERT INTO event (id, at) VALUES (1000000 + :id, '2025-01-01') ON CONFLICT DO NOTHING;
DELETE FROM event WHERE id = 1000000 + :id AND n = 0;
EOS
		start_pgbench($node, <<"EOS", '-c', '2'),
\\set id random(19001, 20000)
$merge
SELECT count(*), max(n) FROM recent WHERE id BETWEEN :id AND :id + 10;
UPDATE recent SET n = n + 1 WHERE id = :id;
SELECT count(*) FROM event WHERE at BETWEEN '2024-01-10' AND '2024-01-11';
EOS
	);
}

sub is_right
{
	my ($when) = @_;

	is(sql('SELECT count(*) FROM (SELECT id, max(n) AS n FROM log GROUP BY id) l LEFT JOIN event e USING (id) WHERE e.n IS DISTINCT FROM l.n'), 0,
		"$when: the last write of each row is there");
	is(sql('SELECT count(*) FROM event WHERE id <= 20000'), 20000, 'and every row, once');
	return;
}

# --- under load
fill();
my @runs = applications();
my $long = start_psql($node);
my $call = "SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', primary_key => 'id, at', way => 'attach', label => 'attach')";

# ON CONFLICT DO NOTHING without a target is the one that goes with either key
for my $round (1, 2)
{
	my $id = sql($call);

	wait_for_state($node, $id, 'ready');
	$long->query_safe('BEGIN; SELECT count(*) FROM event');
	sql("SELECT zdm.cutover($id)");
	my $before = pgbench_count($runs[0]);
	wait_for('the others to go on behind a long transaction', sub { pgbench_count($runs[0]) > $before + 50 });
	is(migration_state($node, $id), 'cutting_over', 'a long transaction is waited for');
	$long->query_safe('COMMIT');
	wait_for_state($node, $id, 'switched');
	$before = pgbench_count($runs[0]);
	wait_for('writes to the partitioned table', sub { pgbench_count($runs[0]) > $before + 50 });
	is(sql("SELECT relkind FROM pg_class WHERE oid = 'event'::regclass"), 'p', 'it is partitioned');
	if ($round == 1)
	{
		steer($node, $id, 'revert', 'reverted');
		is(sql("SELECT relkind FROM pg_class WHERE oid = 'event'::regclass"), 'r', 'and back');
		$before = pgbench_count($runs[0]);
		wait_for('writes to the table', sub { pgbench_count($runs[0]) > $before + 50 });
	}
	else
	{
		steer($node, $id, 'contract', 'completed');
		$before = pgbench_count($runs[0]);
		wait_for('writes to the partitions', sub { pgbench_count($runs[0]) > $before + 50 });
	}
}
$long->quit;
for my $run (map { stop_pgbench($_) } @runs)
{
	is(join("\n", grep { /ERROR|FATAL|PANIC/ } split /\n/, $run->{out}), '', 'no statement failed');
	diag("longest: $run->{longest_ms} ms of $run->{transactions}");
}
is_right('under load');
is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE '%zdm%' AND relnamespace = 'public'::regnamespace"), 0, 'nothing is left');

# --- killed wherever it stands
for my $case ([ 'cutover', 'first-before-commit', 'switched' ], [ 'revert', 'undo-before-commit', 'reverted' ], [ 'contract', 'first-before-commit', 'completed' ])
{
	my ($verb, $point, $state) = @$case;

	fill();
	my $id = sql("SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', primary_key => 'id, at', way => 'attach')");
	wait_for_state($node, $id, 'ready');
	steer($node, $id, 'cutover', 'switched') if $verb ne 'cutover';
	@runs = applications();
	my $held = hold($node, $point);
	sql("SELECT zdm.$verb($id)");
	kill_postmaster($node, split /\n/, arrive($node, $point));
	$held->{run}->finish if $held->{run};
	start_again($node);
	wait_for_state($node, $id, $state);
	my $before = pgbench_count($runs[0]);
	wait_for('writes after it', sub { pgbench_count($runs[0]) > $before + 50 });
	for my $run (map { stop_pgbench($_) } @runs)
	{
		is(join("\n", grep { /ERROR|FATAL|PANIC/ && !/terminating connection|the database system is|shutting down/ } split /\n/, $run->{out}),
			'', "$verb, killed at $point: no statement failed but for lost connections");
	}
	is_right("$verb, killed at $point");
}

done_testing();
