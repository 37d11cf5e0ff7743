# 109_pairs_killed.pl: the server is killed while a table loses its partitions, another gets
# a generated column, the partition key of a third another type, and a partition of a fourth
# is split: all four at the same point, at each point of the copy, of the builds, of the
# comparison, of the exchange, of the way back with a table that is filled anew, and of
# contract, while others write.  They go on from there, and what was written last is there.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "zdm.batch_rest = 0\nzdm.max_growth = -1\nrestart_after_crash = on\n");
my @tables = qw(whole computed keyed split);
my @switched = qw(whole computed keyed);

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Rows 1 to 3000 stay; what they held last is in the log.  Those above come and go.
my %made = (
	whole => 'PARTITION BY HASH (id); CREATE TABLE whole_0 PARTITION OF whole FOR VALUES WITH (MODULUS 2, REMAINDER 0); '
	  . 'CREATE TABLE whole_1 PARTITION OF whole FOR VALUES WITH (MODULUS 2, REMAINDER 1)',
	computed => '',
	keyed => 'PARTITION BY RANGE (id); CREATE TABLE keyed_low PARTITION OF keyed FOR VALUES FROM (0) TO (2000); '
	  . 'CREATE TABLE keyed_rest PARTITION OF keyed DEFAULT',
	split => 'PARTITION BY RANGE (id); CREATE TABLE split_low PARTITION OF split FOR VALUES FROM (0) TO (2500); '
	  . 'CREATE TABLE split_rest PARTITION OF split DEFAULT',
);

for my $table (@tables)
{
	sql("CREATE TABLE $table (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, v text) $made{$table}; "
		  . "INSERT INTO $table SELECT i, 0, repeat('z', 300) FROM generate_series(1, 3000) i; "
		  . "CREATE INDEX ${table}_n ON $table (n); CREATE VIEW ${table}_rich AS SELECT n FROM $table WHERE n > 0; "
		  . "CREATE TABLE ${table}_log (id int, n int); CREATE INDEX ON ${table}_log (id, n)");
}

# these show the column, and are made anew with each exchange
sql('CREATE VIEW keyed_id AS SELECT id, n FROM keyed; CREATE VIEW keyed_over AS SELECT id + 1 AS next FROM keyed_id; GRANT SELECT ON keyed_over TO PUBLIC');

my $run = start_pgbench($node, join("\n", '\set id random(1, 3000)', '\set other 3001 + :client_id', map { <<"EOS" } @tables), '-c', '2', '-R', '40');
BEGIN;
UPDATE $_ SET n = n + 1, v = repeat(md5(:id::text), 1 + :id % 20) WHERE id = :id;
INSERT INTO ${_}_log SELECT id, n FROM $_ WHERE id = :id;
DELETE FROM $_ WHERE id = :other AND n > 2;
INSERT INTO $_ (id, n) VALUES (:other, 1) ON CONFLICT (id) DO UPDATE SET n = $_.n + 1;
COMMIT;
EOS

my %call = (
	whole => "SELECT zdm.unpartition_table('whole')",
	computed => "SELECT zdm.migrate('ALTER TABLE computed ADD COLUMN twice int GENERATED ALWAYS AS (n * 2) STORED')",
	keyed => "SELECT zdm.change_column_type('keyed', 'id', 'bigint')",
	split => "SELECT zdm.split_partition('split_low', ARRAY['split_low FOR VALUES FROM (0) TO (1000)', 'split_mid FOR VALUES FROM (1000) TO (2500)'])",
);

sub call { return [ split /\n/, sql(join '; ', map { $call{$_} } @_) ] }

sub steer_all
{
	my ($verb, @ids) = @_;

	sql(join '; ', map { "SELECT zdm.$verb($_)" } @ids);
	return;
}

# What is wrong with the rows of any of the tables, read in both ways.
sub wrong
{
	my @looks = ("SELECT 'the views over keyed are not what they were' WHERE (SELECT sum(next) FROM keyed_over WHERE next <= 3001) IS DISTINCT FROM 4504500 "
		  . "OR (SELECT relacl::text FROM pg_class WHERE oid = 'keyed_over'::regclass) NOT LIKE '%=r/%'");

	for my $table (@tables)
	{
		push @looks, "SELECT 'a write of $table is lost' WHERE EXISTS (SELECT FROM $table t WHERE id <= 3000 AND n <> coalesce((SELECT max(n) FROM ${table}_log WHERE id = t.id), 0))",
		  "SELECT 'not every row of $table once' WHERE (SELECT concat_ws(' ', count(*), count(DISTINCT id), sum(id)) FROM $table WHERE id <= 3000) <> '3000 3000 4501500'";
	}
	return sql(join ' UNION ALL ', @looks) . sql('SET enable_seqscan = off; ' . join ' UNION ALL ', @looks);
}

sub let_work
{
	my ($how) = @_;

	$node->append_conf('postgresql.conf', "zdm.enabled = $how");
	$node->reload;
	return;
}

# The sessions that hold points, and others of a test, go down with the server.
sub kill_it
{
	my ($where, $workers, @sessions) = @_;

	$node->append_conf('postgresql.conf', 'zdm.enabled = off');
	kill_postmaster($node, split /\n/, $workers);
	for my $session (@sessions)
	{
		$session->{run}->finish if $session->{run};
	}
	start_again($node);
	is(wrong(), '', "killed at $where: every row is there, as it was written last");
	return;
}

# killed_at(count, begin, points): so many workers have arrived at each of the points; "begin"
# is done when the first one is held.  The workers rest from one kill to the next.
sub killed_at
{
	my ($count, $begin, @points) = @_;

	for my $point (@points)
	{
		my $held = hold($node, $point);

		let_work('on');
		$begin->() if $begin;
		$begin = undef;
		kill_it($point, arrive($node, $point, undef, $count), $held);
	}
	return;
}

# As above, but one step on: what they do at the point is committed, and they have come to the next one.
sub killed_after
{
	my ($count, $point, $next) = @_;
	my $held = hold($node, $point);

	let_work('on');
	arrive($node, $point, undef, $count);
	my $then = hold($node, $next);

	$held->quit;
	kill_it("$next, after $point", arrive($node, $next, undef, $count), $then);
	return;
}

sub are_settled
{
	my ($state, %kind) = @_;

	is(wrong(), '', "$state: every row is there, as it was written last");
	is(sql("SELECT relkind FROM pg_class WHERE oid = '$_'::regclass"), $kind{$_}, "$_ is what it is to be") for sort keys %kind;
	is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_%' AND relnamespace = 'public'::regnamespace"), 0, 'nothing is left')
	  if $state =~ /reverted|completed/;
	is(sql("SELECT count(*) FROM ${_}_rich") > 0, 1, "the view of $_ reads it") for @tables;
	return;
}

sub is_computed
{
	return sql('SELECT count(*) FILTER (WHERE twice IS DISTINCT FROM n * 2) FROM computed');
}

sub type_of_key
{
	return sql("SELECT string_agg(DISTINCT format_type(atttypid, atttypmod), ', ') FROM pg_attribute WHERE attname = 'id' AND attrelid IN ('keyed'::regclass, 'keyed_low'::regclass, 'keyed_rest'::regclass)");
}

# --- all four: the copy, the builds, the comparison
my $ids;

killed_at(4, sub { $ids = call(@tables) }, qw(second-before-commit copy-with-snapshot copy-before-commit copy-after-batch second-before-index));

# while the builds wait for who has written
{
	my $held = hold($node, 'second-before-index');

	let_work('on');
	arrive($node, 'second-before-index', undef, 4);
	my $writer = start_psql($node);
	$writer->query_safe(join '; ', 'BEGIN', map { "UPDATE $_ SET n = n WHERE id = 1" } @tables);
	$held->quit;
	wait_for('four builds to wait',
		sub { sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_zdm worker' AND wait_event = 'virtualxid'") == 4 });
	kill_it('builds', '', $writer);
}
killed_at(4, undef, 'compare-after-batch');

# --- the partition is split by itself; the others wait to be switched
killed_at(1, undef, 'exchange-before-commit');
killed_after(1, 'exchange-before-commit', 'state-migrating');
let_work('on');
wait_for_state($node, $ids->[3], 'completed');
wait_for_state($node, $_, 'ready') for @$ids[ 0 .. 2 ];
is(sql("SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'split'::regclass"),
	'split_low split_mid split_rest', 'it is split');
is(sql('SELECT count(*) FROM split WHERE tableoid <> CASE WHEN id < 1000 THEN \'split_low\'::regclass WHEN id < 2500 THEN \'split_mid\'::regclass ELSE \'split_rest\'::regclass END'),
	0, 'and each row is in its partition');
is(sql("SELECT count(*) FROM zdm.verify($_)"), 0, 'both have the same rows') for @$ids[ 0 .. 2 ];
are_settled('ready', whole => 'p', computed => 'r', keyed => 'p');
is(type_of_key(), 'integer', 'the key has the type that it had');

# --- the cutover, of one after the other: each waits for the others' snapshots
killed_at(1, sub { steer_all('cutover', $ids->[0]) }, qw(functions-read privileges-held exchange-before-commit));
killed_after(1, 'exchange-before-commit', 'state-cutting_over');
let_work('on');
wait_for_state($node, $ids->[0], 'switched');
killed_at(1, sub { steer_all('cutover', $ids->[1]) }, 'exchange-before-commit');
killed_after(1, 'exchange-before-commit', 'state-cutting_over');
let_work('on');
wait_for_state($node, $ids->[1], 'switched');
killed_at(1, sub { steer_all('cutover', $ids->[2]) }, qw(functions-read privileges-held exchange-before-commit));
killed_after(1, 'exchange-before-commit', 'state-cutting_over');
let_work('on');
wait_for_state($node, $ids->[2], 'switched');
are_settled('switched', whole => 'r', computed => 'r', keyed => 'p');
is(type_of_key(), 'bigint', 'the key has its new type');
is(is_computed(), 0, 'each value is computed');
is(sql("SELECT count(*) FROM zdm.verify($_)"), 0, 'both have the same rows') for @$ids[ 0 .. 2 ];

# --- the way back, with tables that have to be filled anew
for my $table (@switched)
{
	sql("BEGIN; LOCK TABLE $table; CREATE TEMP TABLE kept AS SELECT id, n, v FROM $table; TRUNCATE $table; INSERT INTO $table (id, n, v) TABLE kept; COMMIT");
}
killed_at(3, sub { steer_all('revert', @$ids[ 0 .. 2 ]) },
	qw(refill-before-commit copy-with-snapshot copy-before-commit copy-after-batch compare-after-batch));
killed_at(1, undef, qw(functions-read privileges-held undo-before-commit));
killed_after(1, 'undo-before-commit', 'state-reverting');
let_work('on');
wait_for_state($node, $_, 'reverted') for @$ids[ 0 .. 2 ];
are_settled('reverted', whole => 'p', computed => 'r', keyed => 'p');
is(type_of_key(), 'integer', 'the key has the type that it had');
is(sql("SELECT count(*) FROM pg_attribute WHERE attrelid = 'computed'::regclass AND attname = 'twice'"), 0, 'the column is gone');

# --- there again, and on
$ids = call(@switched);
wait_for_state($node, $_, 'ready') for @$ids;
steer_all('cutover', @$ids);
wait_for_state($node, $_, 'switched') for @$ids;
killed_at(3, sub { steer_all('contract', @$ids) }, qw(state-contracting compare-after-batch functions-read leave-before-commit));
killed_after(3, 'leave-before-commit', 'state-contracting');
let_work('on');
wait_for_state($node, $_, 'completed') for @$ids;
are_settled('completed', whole => 'r', computed => 'r', keyed => 'p');
is(type_of_key(), 'bigint', 'the key has its new type');
is(is_computed(), 0, 'each value is computed');

my @errors = grep { /ERROR|FATAL|PANIC/ && !/terminating connection|the database system is|shutting down/ } split /\n/, stop_pgbench($run)->{out};
is(join("\n", @errors), '', 'no statement failed but for lost connections');

$node->stop;
done_testing();
