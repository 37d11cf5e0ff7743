# 042_partitioned_keys.pl: an int column becomes bigint under applications that
# do not stop, where both ends of its foreign key are partitioned, a
# materialized view shows it.  Forth, back, forth again and to the end, and no
# query fails.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $rows = $ENV{ZDM_ROWS} // 20_000;
my $node = zdm_node('partitioned_keys');

$node->safe_psql('postgres', <<EOL);
CREATE TABLE parent (region int NOT NULL, id int NOT NULL, seen int NOT NULL DEFAULT 0, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE parent_0 PARTITION OF parent FOR VALUES IN (0);
CREATE TABLE parent_1 PARTITION OF parent FOR VALUES IN (1, 2) PARTITION BY LIST (region);
CREATE TABLE parent_11 PARTITION OF parent_1 FOR VALUES IN (1);
CREATE TABLE parent_2 PARTITION OF parent_1 FOR VALUES IN (2);
CREATE TABLE child (day int NOT NULL, region int, parent int,
	FOREIGN KEY (parent, region) REFERENCES parent ON UPDATE CASCADE ON DELETE CASCADE) PARTITION BY RANGE (day);
CREATE TABLE child_0 PARTITION OF child FOR VALUES FROM (0) TO (10);
CREATE TABLE child_1 PARTITION OF child FOR VALUES FROM (10) TO (20);
CREATE TABLE child_2 PARTITION OF child FOR VALUES FROM (20) TO (30);
CREATE INDEX ON child (parent, region);
INSERT INTO parent SELECT i % 2, i FROM generate_series(1, $rows) i;
INSERT INTO child SELECT i % 20, i % 2, i FROM generate_series(1, $rows) i;
CREATE MATERIALIZED VIEW shown AS SELECT id, region FROM parent WHERE id % 10 = 0;
CREATE UNIQUE INDEX ON shown (id, region);
CREATE VIEW over AS SELECT count(*), max(id) FROM shown;
VACUUM ANALYZE;
ALTER DATABASE postgres SET zdm.batch_rest = 0;
EOL

my %scripts = (
	read => "\\set k random(1, $rows)\nSELECT seen FROM parent WHERE id = :k AND region = :k % 2;\n",
	update => "\\set k random(1, $rows)\nUPDATE parent SET seen = seen + 1 WHERE id = :k AND region = :k % 2;\n",
	referencing => "\\set k random(1, $rows)\nINSERT INTO child (day, region, parent) VALUES (:k % 20, :k % 2, :k);\n",
	transaction => "\\set k random(1, 1000000000)\nBEGIN;\nINSERT INTO parent (region, id) VALUES (:k % 2, $rows + :k) ON CONFLICT (id, region) DO NOTHING;\n"
	  . "INSERT INTO child (day, region, parent) VALUES (:k % 20, :k % 2, $rows + :k);\nEND;\n",
	shown => "SELECT count FROM over;\nSELECT id FROM shown WHERE id = 10 AND region = 0;\n",
	refresh => "REFRESH MATERIALIZED VIEW CONCURRENTLY shown;\n");
my %running = map {
	$_ => start_pgbench($node, $scripts{$_}, '-M', 'simple', '-c', $_ eq 'refresh' ? 1 : 2, '-R', $_ eq 'refresh' ? 2 : 40, '--max-tries', 1)
} keys %scripts;

my $type = "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'parent'::regclass AND attname = 'id'";
my $keys = "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint o "
  . "WHERE contype IN ('p', 'f') AND conrelid::regclass::text ~ '^(parent|child)(_0|_1|_11)?\$' "
  . "AND confrelid IS NOT DISTINCT FROM coalesce((SELECT confrelid FROM pg_constraint p WHERE p.oid = o.conparentid), confrelid) ORDER BY 1, 2";
my $before = $node->safe_psql('postgres', $keys);

my $first = $node->safe_psql('postgres', "SELECT zdm.change_column_type('parent', 'id', 'bigint')");
ok(wait_for_state($node, $first, 'ready'), 'ready');
ok(steer($node, $first, 'cutover', 'switched'), 'switched');
is($node->safe_psql('postgres', $type), 'bigint', 'the new type counts after cutover');
is($node->safe_psql('postgres', $keys), $before, 'the keys are as before, and valid');
ok(steer($node, $first, 'revert', 'reverted'), 'reverted');
is($node->safe_psql('postgres', $type), 'integer', 'the old type is back');
is($node->safe_psql('postgres', $keys), $before, 'and so are the keys');

my $second = $node->safe_psql('postgres', "SELECT zdm.change_column_type('parent', 'id', 'bigint')");
ok(wait_for_state($node, $second, 'ready'), 'ready again');
ok(steer($node, $second, 'cutover', 'switched'), 'switched again');
is($node->safe_psql('postgres', "SELECT count(*) FROM zdm.verify($second)"), 0, 'no row differs');
ok(steer($node, $second, 'contract', 'completed'), 'completed');

# pgbench counts a deadlock among its tries, and says nothing of it
unlike(slurp_file($node->logfile), qr/client backend pgbench ERROR/, 'the server knows of no failed query');
for my $name (sort keys %running)
{
	my $result = stop_pgbench($running{$name});
	unlike($result->{out}, qr/ERROR|error|aborted|exit [1-9]/, "$name: no query failed")
	  or diag($result->{out});
	cmp_ok($result->{transactions}, '>', 0, "$name: $result->{transactions} transactions");
	diag("$name: $result->{transactions} transactions, the longest took $result->{longest_ms} ms");
}

is($node->safe_psql('postgres', $keys), $before, 'the keys are as before');
is($node->safe_psql('postgres', "SELECT count(*) FROM child c LEFT JOIN parent p ON p.id = c.parent AND p.region = c.region WHERE p.id IS NULL"),
	0, 'no row of the referencing table is without its parent');
is($node->safe_psql('postgres', "INSERT INTO parent (region, id) VALUES (2, 3000000000) RETURNING id"), '3000000000', 'a bigint fits');
isnt($node->psql('postgres', "INSERT INTO child (day, region, parent) VALUES (25, 2, 77)"), 0, 'the foreign key holds');
is($node->safe_psql('postgres', "REFRESH MATERIALIZED VIEW CONCURRENTLY shown; SELECT max FROM over"), '3000000000', 'the materialized view shows it');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname ~ 'zdm' AND relnamespace = 'public'::regnamespace"), 0, 'nothing is left behind');

$node->stop;
done_testing();
