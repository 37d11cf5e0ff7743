# 052_partitions.pl: partitions that come and go while something is done to all
# of them, and partitions that are attached and detached under load.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;
use Test::More;

my $node = zdm_node('main', conf => "zdm.batch_rest = 0");

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub wait_for_step
{
	my ($id, $like) = @_;

	wait_for("the worker to wait for its lock before $like",
		sub { sql("SELECT count(*) FROM zdm.steps s JOIN zdm.progress w ON w.id = s.migration AND w.step = s.step "
			. "WHERE s.migration = $id AND s.statement LIKE '$like' AND w.waiting_for LIKE '%lock on%'") > 0 });
	return;
}

# --- the last partition goes when all others are attached
sql(<<'EOS');
CREATE TABLE p (id int, k int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (100);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200);
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (200) TO (300);
INSERT INTO p SELECT i, i FROM generate_series(1, 299) i;
EOS
{
	my $reader = start_psql($node);

	$reader->query_safe('BEGIN; LOCK TABLE p3 IN ACCESS SHARE MODE;');
	my $id = sql("SELECT zdm.migrate('CREATE INDEX p_k ON p (k)')");
	wait_for_step($id, 'ALTER INDEX % ATTACH PARTITION public.p3%');
	is(sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'p_k'::regclass"), 'f', 'not valid while a part is missing');
	$reader->query_safe('ALTER TABLE p DETACH PARTITION p3; COMMIT;');
	# the newest releases look again; the others say so
	wait_for('an end', sub { sql("SELECT state IN ('completed', 'failed') FROM zdm.migrations WHERE id = $id") eq 't' });
	if (sql("SELECT state FROM zdm.migrations WHERE id = $id") eq 'failed')
	{
		like(sql("SELECT error FROM zdm.migrations WHERE id = $id"), qr/not valid, though each partition has its part/, 'an old release says why');
		sql("SELECT zdm.revert($id)");
		wait_for_state($node, $id, 'reverted');
		$id = sql("SELECT zdm.migrate('CREATE INDEX p_k ON p (k)')");
		wait_for_state($node, $id, 'completed');
	}
	is(sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'p_k'::regclass"), 't', 'valid without the part of one that went');
	is(sql("SELECT string_agg(relid::regclass::text, ' ' ORDER BY relid) FROM pg_partition_tree('p_k') WHERE isleaf"), 'p1_k_idx p2_k_idx', 'with two parts');
	$reader->quit;
}

# --- reverted when one part is attached and the other is not
{
	my $reader = start_psql($node);

	$reader->query_safe('BEGIN; LOCK TABLE p2 IN ACCESS SHARE MODE;');
	my $id = sql("SELECT zdm.migrate('CREATE UNIQUE INDEX p_id ON p (id)')");
	wait_for_step($id, 'ALTER INDEX % ATTACH PARTITION public.p2%');
	is(sql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'p_id'::regclass"), 1, 'one part is attached');
	sql("SELECT zdm.revert($id)");
	$reader->query_safe('COMMIT;');
	wait_for_state($node, $id, 'reverted');
	is(sql("SELECT count(*) FROM pg_index WHERE indrelid IN ('p'::regclass, 'p1'::regclass, 'p2'::regclass) AND indisunique"), 0, 'nothing is left of either');
	$reader->quit;
}

# --- a worker is stopped in the middle of DETACH CONCURRENTLY
{
	my $reader = start_psql($node);

	$reader->query_safe('BEGIN; SELECT count(*) FROM p;');
	my $id = sql("SELECT zdm.migrate('ALTER TABLE p DETACH PARTITION p2')");
	wait_for('the detaching to have begun', sub { sql("SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'p2'::regclass") eq 't' });
	sql("SELECT pg_terminate_backend(worker) FROM zdm.progress WHERE id = $id");
	wait_for('another worker to finish it', sub { sql("SELECT count(*) FROM zdm.steps s JOIN zdm.progress w ON w.id = s.migration AND w.step = s.step "
			. "WHERE s.migration = $id AND s.statement LIKE '%FINALIZE' AND w.worker IS NOT NULL") > 0 });
	is(sql("INSERT INTO p VALUES (5, 5) RETURNING id"), 5, 'others go on');
	$reader->query_safe('COMMIT;');
	wait_for_state($node, $id, 'completed');
	is(sql("SELECT count(*) FROM pg_inherits WHERE inhrelid = 'p2'::regclass"), 0, 'it is a table of its own');
	is(sql("SELECT string_agg(split_part(statement, ' ', 1) || ' ' || state, ', ' ORDER BY step) FROM zdm.steps WHERE migration = $id"),
		'-- done, ALTER done', 'by FINALIZE');
	$reader->quit;
}

# --- keys, new partitions and old ones while applications read and write
{
	sql(<<'EOS');
CREATE TABLE ref (id int PRIMARY KEY);
INSERT INTO ref SELECT i FROM generate_series(1, 100) i;
CREATE TABLE w (id int, k int REFERENCES ref, n int DEFAULT 0) PARTITION BY RANGE (id);
CREATE TABLE w1 PARTITION OF w FOR VALUES FROM (0) TO (30000);
CREATE TABLE w2 PARTITION OF w FOR VALUES FROM (30000) TO (60000);
CREATE TABLE wrest PARTITION OF w DEFAULT;
INSERT INTO w SELECT i, i % 100 + 1 FROM generate_series(1, 59999) i;
INSERT INTO w SELECT i, i % 100 + 1 FROM generate_series(200000, 205000) i;
CREATE TABLE wnew (id int, k int, n int DEFAULT 0);
INSERT INTO wnew SELECT i, i % 100 + 1 FROM generate_series(60000, 89999) i;
CREATE SEQUENCE ids START 300000;
EOS
	my $load = start_pgbench($node, <<'EOS', '-M', 'prepared', '-c', 3, '-R', 60, '--max-tries', 1);
\set id random(1, 59999)
\set new random(60000, 89999)
UPDATE w SET n = n + 1 WHERE id = :id;
SELECT count(*) FROM w WHERE id = :id;
INSERT INTO w (id, k) VALUES (nextval('ids'), 5);
UPDATE wnew SET n = n + 1 WHERE id = :new;
EOS
	my @ddl = ('ALTER TABLE w ADD PRIMARY KEY (id)', 'CREATE INDEX w_k ON w (k)',
		'ALTER TABLE wnew ALTER id SET NOT NULL',
		'ALTER TABLE w ATTACH PARTITION wnew FOR VALUES FROM (60000) TO (90000)');

	foreach my $ddl (@ddl)
	{
		wait_for_state($node, sql("SELECT zdm.migrate('$ddl')"), 'completed');
		pass($ddl);
	}
	wait_for('the load to have done its share', sub { pgbench_count($load) > 10 });
	my $result = stop_pgbench($load);
	unlike($result->{out}, qr{ERROR|error|aborted|exit [1-9]}, 'no query failed');
	cmp_ok($result->{transactions}, '>', 10, 'and there were some');
	is(sql("SELECT count(*) FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('w')) AND NOT indisvalid"), 0, 'every index is valid');
	is(sql("SELECT count(*) FROM pg_index WHERE indrelid = 'wnew'::regclass"), 2, 'the new partition has both');
	is(sql("SELECT count(*) FROM w WHERE id < 90000"), 89999, 'no row is lost');
	is(sql("SELECT count(*) FROM pg_constraint WHERE conname LIKE '%zdm%' AND connamespace = 'public'::regnamespace"), 0, 'no CHECK is left');
}

$node->stop;
done_testing();
