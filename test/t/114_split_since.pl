# 114_split_since.pl: what comes between the call that splits a partition and the exchange,
# or is there at the call: a DETACH that has not been finished, other partitions, a default
# one, rows that no new one takes, a column that is computed otherwise; and writers at
# SERIALIZABLE, for whom the exchange waits.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "zdm.batch_rest = 0\n");
my $halves = "ARRAY['low FOR VALUES FROM (0) TO (500)', 'high FOR VALUES FROM (500) TO (1000)']";

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub error_of
{
	my ($statement) = @_;
	my (undef, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statement");

	$error =~ s/^psql:<stdin>:\d+: //mg;
	return $error =~ s/\nLOCATION:.*//sr;
}

# A partitioned table whose first partition has 1000 rows.
sub make
{
	sql("DROP TABLE IF EXISTS t, t_1, t_2, low, high, other, seen; CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0, twice int GENERATED ALWAYS AS (n * 2) STORED) PARTITION BY RANGE (id); "
		  . 'CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (1000); CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (1000) TO (2000); '
		  . 'INSERT INTO t (id) SELECT generate_series(0, 1999); CREATE INDEX ON t (n)');
	return;
}

sub partitions
{
	return sql("SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 't'::regclass");
}

# Held before the indexes are built, until the code is through.
sub since
{
	my ($call, $code) = @_;
	my $held = hold($node, 'second-before-index');
	my $id = sql($call);

	arrive($node, 'second-before-index');
	$code->($id);
	$held->quit;
	return $id;
}

sub fails
{
	my ($id, $pattern, $name) = @_;

	wait_for("$name to fail", sub { migration_state($node, $id) =~ /failed|completed/ });
	like(sql("SELECT concat_ws(' ', state, error_state, error, error_hint) FROM zdm.migrations WHERE id = $id"),
		$pattern, $name);
	return;
}

# A DETACH CONCURRENTLY that is broken off while it waits for somebody who reads the table.
sub detach_half
{
	my ($partition) = @_;
	my $reader = start_psql($node);

	$reader->query_safe('BEGIN; SELECT count(*) FROM t WHERE id = 1500');
	my (undef, undef, $error) = $node->psql('postgres', "SET statement_timeout = '500ms'; ALTER TABLE t DETACH PARTITION $partition CONCURRENTLY");
	like($error, qr/canceling statement due to statement timeout/, 'it is not finished');
	$reader->quit;
	return;
}

# --- it is being detached at the call, or a sibling is
make();
detach_half('t_1');
like(error_of("SELECT zdm.split_partition('t_1', $halves)"),
	qr/^ERROR:  55000: partition public.t_1 is being detached\nHINT:  ALTER TABLE public.t DETACH PARTITION public.t_1 FINALIZE; ends that.$/, 'the partition is being detached');
sql('ALTER TABLE t DETACH PARTITION t_1 FINALIZE; ALTER TABLE t ATTACH PARTITION t_1 FOR VALUES FROM (0) TO (1000)');
detach_half('t_2');
my $id = sql("SELECT zdm.split_partition('t_1', $halves)");
wait_for_state($node, $id, 'completed');
sql('ALTER TABLE t DETACH PARTITION t_2 FINALIZE');
is(partitions(), 'high low', 'a sibling that is being detached is left alone');

# --- it is detached meanwhile, though not to the end: nothing is done to it
make();
$id = since("SELECT zdm.split_partition('t_1', $halves)", sub { detach_half('t_1') });
wait_for_state($node, $id, 'completed');
sql('ALTER TABLE t DETACH PARTITION t_1 FINALIZE');
is(sql('SELECT count(*) FROM t_1'), 1000, 'a partition that is detached meanwhile keeps its rows');
is(partitions(), 't_2', 'and none takes its place');
is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_%' AND relnamespace = 'public'::regnamespace"), 0, 'nothing is left');
sql('DROP TABLE t_1');

# --- a default partition comes: it can have no row of the new ones, if these are within the old one's bound
for my $default ('other PARTITION OF t DEFAULT', 'other PARTITION OF t DEFAULT PARTITION BY RANGE (id)')
{
	make();
	$id = since("SELECT zdm.split_partition('t_1', $halves)",
		sub { sql("CREATE TABLE $default" . ($default =~ /BY/ ? '; CREATE TABLE other_1 PARTITION OF other FOR VALUES FROM (2000) TO (9000)' : '') . '; INSERT INTO t (id) VALUES (5000)') });
	wait_for_state($node, $id, 'completed');
	is(partitions(), 'high low other t_2', "it is split beside $default");
	is(sql('DELETE FROM t WHERE id = 600; INSERT INTO t (id) VALUES (6000), (600) RETURNING tableoid::regclass'), $default =~ /BY/ ? "other_1\nhigh" : "other\nhigh", 'and rows go where they belong');
}

# --- where they are not, or where another comes to be in the way: it stops by name, before anything has changed
my $wider = "SELECT zdm.split_partition('t_1', ARRAY['low FOR VALUES FROM (0) TO (500)', 'high FOR VALUES FROM (500) TO (1500)'])";
for my $case (
	[ 'CREATE TABLE other PARTITION OF t DEFAULT', qr/^failed 55000 public\.t has got a default partition, public\.other.*Detach it, then SELECT zdm\.resume/s, 'ALTER TABLE t DETACH PARTITION other' ],
	[ 'CREATE TABLE other PARTITION OF t FOR VALUES FROM (1000) TO (1100)', qr/^failed 42P17 partition "high" would overlap partition "other" Drop or detach the partition that is in the way, then SELECT zdm\.resume\(\d+\), or go back with SELECT zdm\.revert\(\d+\)\.$/, 'DROP TABLE other' ],
	[ 'CREATE TABLE high ()', qr/^failed 42P07 relation "high" already exists Rename or drop what has that name, then SELECT zdm\.resume\(\d+\), or go back with/, 'DROP TABLE high' ])
{
	my ($what, $error, $mended) = @$case;

	make();
	sql('DROP TABLE t_2');
	$id = since($wider, sub { sql($what) });
	fails($id, $error, $what);
	is(sql('SELECT count(*), count(DISTINCT tableoid) FROM t'), '1000|1', 'nothing has changed');
	is(sql('UPDATE t SET n = 7 WHERE id = 700; SELECT n FROM t_1 WHERE id = 700'), 7, 'and it is written');
	sql("$mended; SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'completed');
	is(partitions(), 'high low', 'it goes on');
	is(sql('SELECT twice FROM high WHERE id = 700'), 14, 'with what was written');
}

# --- a row comes that no new one takes: the write goes through, and the exchange stops at it
make();
sql('DELETE FROM t WHERE id BETWEEN 400 AND 499');
$id = since("SELECT zdm.split_partition('t_1', ARRAY['low FOR VALUES FROM (0) TO (400)', 'high FOR VALUES FROM (500) TO (1000)'])",
	sub { sql('INSERT INTO t (id) VALUES (450)') });
fails($id, qr/^failed 23514 .*450/s, 'a row that no partition takes');
is(sql('SELECT tableoid::regclass FROM t WHERE id = 450'), 't_1', 'it is where it was');
sql("DELETE FROM t WHERE id = 450; SELECT zdm.resume($id)");
wait_for_state($node, $id, 'completed');
is(sql('SELECT count(*) FROM t'), 1900, 'and no other is lost');
like(error_of('INSERT INTO t (id) VALUES (450)'), qr/^ERROR:  23514/, 'as no partition takes it now');

# --- a column that is computed otherwise, which a partition can have since 16
if ($node->pg_version >= 16)
{
	make();
	sql('ALTER TABLE t DETACH PARTITION t_1; ALTER TABLE t_1 DROP COLUMN twice; ALTER TABLE t_1 ADD COLUMN twice int GENERATED ALWAYS AS (n * 3) STORED; ALTER TABLE t ATTACH PARTITION t_1 FOR VALUES FROM (0) TO (1000)');
	like(error_of("SELECT zdm.split_partition('t_1', $halves)"),
		qr/^ERROR:  0A000: .*\nDETAIL:  generated column twice of table public\.t_1 is computed otherwise than that of the partitioned table/, 'a column that is computed otherwise');
}

# --- writers at SERIALIZABLE that read two rows and write one, which are to be in different
# partitions: together they never go below 0
make();
sql('CREATE TABLE seen (s int); UPDATE t SET n = 1');
my $run = start_pgbench($node, <<'EOS', '-c', '4', $node->pg_version >= 15 ? ('--max-tries', '1000') : ());
\set k random(0, 9)
\set which random(0, 1)
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT sum(n) AS s FROM t WHERE id IN (:k, :k + 900) \gset
\if :s >= 1
UPDATE t SET n = n - 1 WHERE id = :k + 900 * :which;
\else
UPDATE t SET n = n + 1 WHERE id = :k;
\endif
INSERT INTO seen VALUES (:s);
COMMIT;
EOS
$id = sql("SELECT zdm.split_partition('t_1', $halves)");
wait_for_state($node, $id, 'completed');
my $seen = sql('SELECT count(*) FROM seen');
wait_for('writes after that', sub { sql('SELECT count(*) FROM seen') > $seen + 200 });
my @errors = grep { /ERROR|FATAL|PANIC/ && !/could not serialize|serialization failure/ } split /\n/, stop_pgbench($run)->{out};
is(join("\n", @errors), '', 'no statement failed but for others that were before it');
is(sql('SELECT min(s), max(s) <= 2 FROM seen'), '0|t', 'and none has seen what no order of them gives');
is(sql('SELECT count(*) FROM (SELECT id % 900 AS k, sum(n) FROM t WHERE id < 10 OR id BETWEEN 900 AND 909 GROUP BY 1 HAVING sum(n) < 0) x'), 0, 'nor written it');

$node->stop;
done_testing();
