# 113_partman.pl: pg_partman takes over a table that was partitioned while it was used, and
# does its maintenance beside migrations of it: partitions come and go while rows are copied,
# while a migration waits to be cut over, and afterwards, and no statement fails.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "TimeZone = 'UTC'\nzdm.batch_rest = 0\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

plan skip_all => 'pg_partman is not installed beside this server'
  unless sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'");

# Rows of ten months that are over, and of the present one; those of the last two are written.
sql('CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman; CREATE TABLE log (id bigint, n int); '
	  . 'CREATE TABLE event (id bigint PRIMARY KEY, at timestamptz NOT NULL, n int NOT NULL DEFAULT 0, v text, note text); CREATE INDEX event_v ON event (v); '
	  . "INSERT INTO event SELECT m * 1000 + i, date_trunc('month', now()) - m * interval '1 month' + i * interval '30 minutes', 0, 'v' || i, 'note ' || i "
	  . 'FROM generate_series(0, 10) m, generate_series(1, 999) i');
my $version = sql("SELECT split_part(extversion, '.', 1) FROM pg_extension WHERE extname = 'pg_partman'");
my $partitions = q{SELECT relid::regclass::text AS name, pg_get_expr(relpartbound, relid) = 'DEFAULT' AS rest, substring(pg_get_expr(relpartbound, relid), $$TO \('([^']*)$$)::timestamptz AS upper }
  . q{FROM pg_partition_tree('event') JOIN pg_class c ON c.oid = relid WHERE isleaf};

sub partitions { return join ' ', split /\n/, sql("SELECT name FROM ($partitions) p ORDER BY name") }

sub applications
{
	return (
		start_pgbench($node, <<"EOS", '-c', '2', '-M', 'prepared'),
\\set id random(1, 1499)
BEGIN;
UPDATE event SET n = n + 1 WHERE id = :id;
INSERT INTO log SELECT id, n FROM event WHERE id = :id;
COMMIT;
SELECT count(*), max(v) FROM event WHERE at > now() - interval '1 month';
EOS
		start_pgbench($node, <<"EOS", '-c', '1'),
\\set id random(1500, 1999)
BEGIN;
UPDATE event SET n = n + 1, at = CASE WHEN n % 2 = 0 THEN at + interval '1 month' ELSE at - interval '1 month' END WHERE id = :id;
INSERT INTO log SELECT id, n FROM event WHERE id = :id;
COMMIT;
INSERT INTO event (id, at) SELECT 100000 + :id, at FROM event WHERE id = :id;
DELETE FROM event WHERE id = 100000 + :id;
EOS
	);
}

# pg_partman makes one partition more ahead, and, if it is to, drops the oldest.
sub maintain
{
	my ($drop, $when) = @_;
	my %before = map { $_ => 1 } split / /, partitions();
	my ($oldest) = grep { $_ ne 'event_default' } sort keys %before;

	sql('UPDATE partman.part_config SET premake = premake + 1, infinite_time_partitions = true, retention_keep_table = false');
	sql("SELECT partman.run_maintenance('public.event')");
	if ($drop)
	{
		# by itself: with the default partition locked before the oldest, it has deadlocks of its own
		sql("UPDATE partman.part_config SET retention = now() - interval '1 day' - upper FROM ($partitions) p WHERE name = '$oldest'");
		sql("SELECT partman.run_maintenance('public.event'); UPDATE partman.part_config SET retention = NULL");
	}
	my %after = map { $_ => 1 } split / /, partitions();
	is(scalar(grep { !$before{$_} } keys %after), 1, "$when: a partition has come");
	is(join(' ', grep { !$after{$_} } keys %before), $drop ? $oldest : '', 'and the oldest has gone, if it was to');
	return;
}

sub go_on
{
	my ($what, @runs) = @_;

	for my $run (@runs)
	{
		my $before = pgbench_count($run);

		wait_for("writes $what", sub { pgbench_count($run) > $before + 50 });
	}
	return;
}

# --- it is partitioned, and taken over
my @runs = applications();
my $id = sql("SELECT zdm.partition_table('event', 'RANGE (at)', every => '1 month', ahead => 1, primary_key => 'id, at', way => 'attach')");
wait_for_state($node, $id, 'ready');
steer($node, $id, 'cutover', 'switched');
steer($node, $id, 'contract', 'completed');
my $first = sql("SELECT name FROM ($partitions) p ORDER BY name LIMIT 1");
my $start = sql("SELECT upper FROM ($partitions) p WHERE name = '$first'");
sql("SELECT partman.create_parent('public.event', 'at', "
	  . ($version >= 5 ? "'1 month'" : "'native', 'monthly'")
	  . ", p_premake := 2, p_start_partition := '$start')");
is(sql("SELECT count(*) FROM ($partitions) p WHERE rest"), 1, 'pg_partman has taken it over, and given it a default partition');
wait_for_state($node, sql("SELECT zdm.split_partition('$first', every => '1 month')"), 'completed');
is(sql("SELECT count(*) FROM ($partitions) p, partman.show_partitions('public.event') s WHERE p.name = s.partition_tablename"),
	sql("SELECT count(*) FROM ($partitions) p WHERE NOT rest"), 'and knows what its first partition was split into');
is(sql("SELECT string_agg(name, ' ' ORDER BY name) FROM (SELECT DISTINCT 'event_p' || to_char(at, '" . ($version >= 5 ? 'YYYYMM"01"' : 'YYYY_MM') . "') AS name FROM event) n"),
	sql("SELECT string_agg(DISTINCT tableoid::regclass::text, ' ' ORDER BY tableoid::regclass::text) FROM event"), 'by the names that it would have given them');
maintain(1, 'partitioned');

# --- beside migrations
sub is_right
{
	my ($when) = @_;

	is(sql('SELECT count(*) FROM (SELECT id, max(n) AS n FROM log GROUP BY id) l LEFT JOIN event e USING (id) WHERE e.n IS DISTINCT FROM l.n'), 0,
		"$when: the last write of each row is there");
	is(sql('SELECT count(*), count(DISTINCT id) FROM event WHERE id < 2000'), '1998|1998', 'and every row, once');
	is(sql("SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE '%zdm%' AND relnamespace = 'public'::regnamespace) + (SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%zdm%' AND tgrelid IN (SELECT relid FROM pg_partition_tree('event')))"),
		0, 'and nothing is left');
	return;
}

sub types
{
	my ($column) = @_;

	return sql("SELECT string_agg(DISTINCT format_type(atttypid, atttypmod), ' ') FROM pg_attribute WHERE attname = '$column' AND attrelid IN (SELECT relid FROM pg_partition_tree('event'))");
}

for my $case ([ "zdm.change_column_type('event', 'n', 'bigint')", 'backfill-after-batch', sub { types('n') }, 'bigint' ],
	[ "zdm.change_column_type('event', 'v', 'varchar(40)', keep_place => true)", 'copy-after-batch', sub { types('v') }, 'character varying(40)' ],
	[ "zdm.rename_column('event', 'note', 'remark')", 'backfill-after-batch', sub { types('remark') }, 'text' ])
{
	my ($call, $point, $what, $comes) = @$case;
	my $held = hold($node, $point);

	$id = sql("SELECT $call");
	arrive($node, $point);
	maintain(1, "$call, while rows are copied");
	$held->quit;
	wait_for_state($node, $id, 'ready');
	maintain(0, 'in ready');
	go_on('in ready', @runs);
	wait_for_state($node, $id, 'ready');
	steer($node, $id, 'cutover', 'switched');
	maintain(1, 'in switched');
	go_on('in switched', @runs);
	steer($node, $id, 'contract', 'completed');
	is($what->(), $comes, 'all partitions have it');
	maintain(0, 'after it');
	is_right($call);
}

# --- and what keeps its storage only, or is to be one table again and is not
for my $case ([ "zdm.rewrite('event')", 'completed' ], [ "zdm.unpartition_table('event')", 'reverted' ])
{
	my ($call, $end) = @$case;
	my $held = hold($node, 'copy-after-batch');

	$id = sql("SELECT $call");
	arrive($node, 'copy-after-batch');
	maintain($end eq 'completed', "$call, while rows are copied");
	$held->quit;
	wait_for_state($node, $id, $end eq 'reverted' ? 'ready' : $end);
	if ($end eq 'reverted')
	{
		maintain(0, 'in ready');
		steer($node, $id, 'revert', $end);
	}
	go_on('after it', @runs);
	is_right($call);
}

for my $run (map { stop_pgbench($_) } @runs)
{
	is(join("\n", grep { /ERROR|FATAL|PANIC/ } split /\n/, $run->{out}), '', 'no statement failed');
	diag("longest: $run->{longest_ms} ms of $run->{transactions}");
}

done_testing();
