# 036_citus.pl: refuse and survive on Citus itself, where it is installed beside
# the server: a coordinator and two workers.  sql/trust_citus has the same with
# a stand-in for its catalogs.

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($library, undef) = run_command(['pg_config', '--pkglibdir']);
plan skip_all => 'Citus is not installed beside this server'
  unless -e "$library/citus.so";

# Citus' workers are reached by TCP.
$PostgreSQL::Test::Utils::use_unix_sockets = 0;
$PostgreSQL::Test::Cluster::use_tcp = 1;
$PostgreSQL::Test::Cluster::test_pghost = '127.0.0.1';

my @nodes = map {
	my $node = zdm_node($_, extension => 0, conf => "
shared_preload_libraries = 'citus, pg_zdm'
max_prepared_transactions = 100
citus.shard_count = 4
citus.enable_ddl_propagation = on
zdm.guard_min_size = '64kB'
");
	$node->safe_psql('postgres', 'CREATE EXTENSION citus');
	$node;
} qw(coordinator worker1 worker2);
my ($coordinator, @workers) = @nodes;

sub sql
{
	my ($node, $statement) = @_;
	my ($code, $out, $error) = $node->psql('postgres', $statement);

	return ($code == 0 ? $out : '') . $error;
}

# every_shard(table, expression): its value on each shard of the table.
sub every_shard
{
	my ($table, $expression) = @_;

	return $coordinator->safe_psql('postgres',
		"SELECT string_agg(DISTINCT result, ',') FROM run_command_on_shards('$table', \$\$SELECT $expression FROM %s\$\$)");
}

$coordinator->safe_psql('postgres', "SELECT citus_set_coordinator_host('127.0.0.1', " . $coordinator->port . ')');
$coordinator->safe_psql('postgres', "SELECT citus_add_node('127.0.0.1', " . $_->port . ')') for @workers;
$coordinator->safe_psql('postgres', 'CREATE EXTENSION pg_zdm');
$coordinator->safe_psql('postgres', q{
SET citus.shard_replication_factor = 1;
CREATE TABLE dist (id int PRIMARY KEY, b text, n int);
CREATE TABLE ref (id int PRIMARY KEY, b text);
CREATE TABLE plain (id int PRIMARY KEY, b text);
SELECT create_distributed_table('dist', 'id');
SELECT create_reference_table('ref');
INSERT INTO dist SELECT g, 'x', g FROM generate_series(1, 20000) g;
INSERT INTO ref SELECT g, 'x' FROM generate_series(1, 1000) g;
INSERT INTO plain SELECT g, 'x' FROM generate_series(1, 1000) g;
});

# What needs rows where there are none is refused at the call, by name.
my $name = qr/public\.(dist|ref)/;
for my $call ("zdm.backfill('dist', 'b = ''y''')", "zdm.backfill('ref', 'b = ''y''')",
	"zdm.rename_column('dist', 'b', 'c')", "zdm.change_column_type('dist', 'n', 'bigint')",
	"zdm.change_column_type('ref', 'id', 'bigint')", "zdm.set_not_null('dist', 'b')",
	"zdm.migrate('ALTER TABLE dist DROP COLUMN b')", "zdm.migrate('ALTER TABLE ref RENAME TO ref2')")
{
	like(sql($coordinator, "SELECT $call"), qr/ERROR: .*$name/, "refused: $call");
}
is($coordinator->safe_psql('postgres', 'SELECT count(*) FROM zdm.migrations'), 0, 'nothing was begun');

# What Citus carries by itself is done, everywhere.
my %carried = (
	'CREATE INDEX dist_n ON dist (n)' => "(SELECT bool_and(indisvalid) AND count(*) = 2 FROM pg_index)",
	'ALTER TABLE dist ADD CONSTRAINT dist_check CHECK (n > 0)' => undef,
	'ALTER TABLE dist ADD COLUMN d int DEFAULT 7' => undef,
	'ALTER TABLE dist ADD CONSTRAINT dist_u UNIQUE (id, n)' => undef,
	'ALTER TABLE dist ADD CONSTRAINT dist_ref FOREIGN KEY (n) REFERENCES ref NOT VALID' => undef,
	'REINDEX INDEX dist_pkey' => undef);
$coordinator->safe_psql('postgres', 'INSERT INTO ref SELECT g, NULL FROM generate_series(1001, 20000) g');
for my $ddl (sort keys %carried)
{
	my $id = sql($coordinator, "SELECT zdm.migrate('$ddl')");

	like($id, qr/^\d+$/, "taken: $ddl") or next;
	ok(eval { wait_for_state($coordinator, $id, 'completed'); 1 }, "completed: $ddl") or diag $@;
}
is(every_shard('dist', 'min(d) || max(d)::text'), '77', 'the default is on every shard');
for my $worker (@workers)
{
	is($worker->safe_psql('postgres', q{SELECT bool_and(indisvalid), count(*) FROM pg_index WHERE indrelid::regclass::text ~ '^dist_\d+$' AND indexrelid::regclass::text ~ '^dist_n'}),
		't|2', 'the index is on the shards of ' . $worker->name);
}

# A table that becomes distributed, or a reference table, in the middle.
my $id = $coordinator->safe_psql('postgres', "SELECT zdm.rename_column('plain', 'b', 'c')");
wait_for_state($coordinator, $id, 'ready');
my $distributed = sql($coordinator,
	"SET citus.enable_unsafe_triggers = on; SELECT create_distributed_table('plain', 'id')");
if ($distributed =~ /ERROR/)
{
	pass("Citus or the guard refuses it: $distributed");
}
else
{
	# the old application goes on, and nothing that it writes gets lost
	$coordinator->safe_psql('postgres', "UPDATE plain SET b = 'later' WHERE id <= 100");
	sql($coordinator, "SELECT zdm.cutover($id)");
	wait_for('an end', sub { migration_state($coordinator, $id) =~ /failed|waiting/
		|| $coordinator->safe_psql('postgres', "SELECT error IS NOT NULL FROM zdm.migrations WHERE id = $id") eq 't' });
	like($coordinator->safe_psql('postgres', "SELECT error FROM zdm.migrations WHERE id = $id"), qr/plain/,
		'stopped by name');
	is($coordinator->safe_psql('postgres', "SELECT count(*) FROM plain WHERE b = 'later'"), 100, 'nothing is lost');
	sql($coordinator, "SELECT zdm.revert($id)");
	ok(eval { wait_for_state($coordinator, $id, 'reverted'); 1 }, 'and undone') or diag $@;
}

# On a worker: shells and shards are refused by the coordinator's table.
my ($worker) = @workers;
my $shard = $worker->safe_psql('postgres',
	q{SET citus.show_shards_for_app_name_prefixes = '*'; SELECT relname FROM pg_class WHERE relname ~ '^dist_\d+$' LIMIT 1});
ok($shard, "$shard is a shard");
for my $call ("zdm.backfill('$shard', 'b = ''1''')", "zdm.change_column_type('$shard', 'n', 'bigint')",
	"zdm.backfill('dist', 'b = ''1''')", "zdm.migrate('CREATE INDEX ON dist (b)')")
{
	like(sql($worker, "SELECT $call"), qr/ERROR: .*dist/, "refused on a worker: $call");
}
like(sql($worker, "SELECT * FROM zdm.plan('ALTER TABLE $shard RENAME TO x')"), qr/ERROR/, 'no plan of a shard');
my $guarded = sql($worker, "SET zdm.guard = refuse; ALTER TABLE $shard ALTER n TYPE bigint");
like($guarded, qr/ERROR/, 'the guard refuses the change of a shard');
unlike($guarded, qr/HINT:.*$shard/, 'and names no shard in its hint');

# The guard stands in nobody's way who is Citus.
$_->safe_psql('postgres', 'ALTER SYSTEM SET zdm.guard = refuse'), $_->reload for @nodes;
wait_for('the setting', sub { $workers[1]->safe_psql('postgres', 'SHOW zdm.guard') eq 'refuse' });
my $move = $coordinator->safe_psql('postgres', q{
SELECT format('SELECT citus_move_shard_placement(%s, %L, %s, %L, %s, ''block_writes'')', shardid, nodename, nodeport,
	'127.0.0.1', (SELECT port FROM unnest(ARRAY[} . join(', ', map { $_->port } @workers) . q{]) port WHERE port <> nodeport))
FROM citus_shards WHERE table_name = 'dist'::regclass AND nodeport <> } . $coordinator->port . q{ ORDER BY shardid LIMIT 1});
unlike(sql($coordinator, $move), qr/ERROR/, 'a shard is moved');
unlike(sql($coordinator, 'CALL citus_cleanup_orphaned_resources()'), qr/ERROR|failed/, 'the old copy is cleaned up');
unlike(sql($coordinator, "SET zdm.guard = off; SELECT undistribute_table('ref')"), qr/refused/,
	'undistributed, as far as the guard is concerned');
is($coordinator->safe_psql('postgres', 'SELECT count(*) FROM dist'), 20000, 'all rows are there');

$_->stop for reverse @nodes;
done_testing();
