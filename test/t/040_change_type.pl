# 040_change_type.pl: an int key becomes bigint under applications that do not
# stop: a parent with two referencing tables, a serial, a view, prepared
# statements.  Forth, back, forth again and to the end, and no query fails.
#
# long

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $rows = $ENV{ZDM_ROWS} // 200_000;
my $node = zdm_node('change_type');

$node->safe_psql('postgres', <<EOL);
CREATE TABLE parent (
	id serial PRIMARY KEY,
	name text NOT NULL DEFAULT 'new',
	seen int NOT NULL DEFAULT 0,
	CHECK (id > 0)
);
CREATE TABLE child (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	parent int NOT NULL REFERENCES parent ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE TABLE other (
	id int PRIMARY KEY,
	parent int REFERENCES parent ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ON parent (name, id);
CREATE INDEX ON child (parent);
CREATE INDEX ON other (parent);
CREATE VIEW named AS SELECT id, name FROM parent WHERE id > 0;
INSERT INTO parent (name) SELECT 'p' || i FROM generate_series(1, $rows) i;
INSERT INTO child (parent) SELECT i FROM generate_series(1, $rows) i;
INSERT INTO other SELECT i, i FROM generate_series(1, $rows) i;
VACUUM ANALYZE;
ALTER DATABASE postgres SET zdm.batch_rest = 0;
EOL

# What the applications do: each pgbench has prepared statements that live
# through the whole of it.
my %scripts = (
	insert => "INSERT INTO parent (name) VALUES ('by default');\n",
	read => "\\set k random(1, $rows)\nSELECT name, seen FROM parent WHERE id = :k;\n",
	view => "\\set k random(1, $rows)\nSELECT name FROM named WHERE id = :k;\n",
	update => "\\set k random(1, $rows)\nUPDATE parent SET seen = seen + 1 WHERE id = :k;\n",
	referencing => "\\set k random(1, $rows)\nINSERT INTO child (parent) VALUES (:k);\n"
	  . "UPDATE other SET parent = :k WHERE id = :k;\n",
	transaction => "\\set k random(1, $rows)\nBEGIN;\nSELECT name FROM parent WHERE id = :k;\n"
	  . "UPDATE parent SET seen = seen + 1 WHERE id = :k;\nINSERT INTO parent (name) VALUES ('t');\n"
	  . "INSERT INTO child (parent) VALUES (currval('parent_id_seq'));\nEND;\n");
my %running = map {
	$_ => start_pgbench($node, $scripts{$_}, '-M', 'prepared', '-c', 2, '-R', 40, '--max-tries', 1)
} keys %scripts;

my $serial = "SELECT pg_get_serial_sequence('parent', 'id')";
my $type = "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'parent'::regclass AND attname = 'id'";
my $keys = "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint "
  . "WHERE contype <> 'n' AND (conrelid = 'parent'::regclass OR confrelid = 'parent'::regclass) ORDER BY 1, 2";
my $before = $node->safe_psql('postgres', $keys);
my $sequence = $node->safe_psql('postgres', $serial);

my $state = "SELECT zdm.change_column_type('parent', 'id', 'bigint', label => 'parent id')";
my $first = $node->safe_psql('postgres', $state);
ok(wait_for_state($node, $first, 'ready'), 'ready');
is($node->safe_psql('postgres', $type), 'integer', 'the old type counts up to cutover');
ok(steer($node, $first, 'cutover', 'switched'), 'switched');
is($node->safe_psql('postgres', $type), 'bigint', 'the new type counts after cutover');
is($node->safe_psql('postgres', $serial), $sequence, 'the sequence belongs to the column');
ok(steer($node, $first, 'revert', 'reverted'), 'reverted');
is($node->safe_psql('postgres', $type), 'integer', 'the old type is back');
is($node->safe_psql('postgres', $keys), $before, 'and so are the keys');

# the same again, under the same label
my $second = $node->safe_psql('postgres', $state);
cmp_ok($second, '>', $first, 'what was reverted is begun anew');
ok(wait_for_state($node, $second, 'ready'), 'ready again');
ok(steer($node, $second, 'cutover', 'switched'), 'switched again');
is($node->safe_psql('postgres', "SELECT count(*) FROM zdm.verify($second)"), 0, 'no row differs');
ok(steer($node, $second, 'contract', 'completed'), 'completed');

for my $name (sort keys %running)
{
	my $result = stop_pgbench($running{$name});
	unlike($result->{out}, qr/ERROR|error|aborted|exit [1-9]/, "$name: no query failed")
	  or diag($result->{out});
	cmp_ok($result->{transactions}, '>', 0, "$name: $result->{transactions} transactions");
	diag("$name: $result->{transactions} transactions, the longest took $result->{longest_ms} ms");
}

is($node->safe_psql('postgres', $type), 'bigint', 'the type has changed');
is($node->safe_psql('postgres', $keys), $before, 'keys and their names are as before');
is($node->safe_psql('postgres', $serial), $sequence, 'the sequence is as before');
is($node->safe_psql('postgres', "SELECT seqtypid::regtype FROM pg_sequence WHERE seqrelid = '$sequence'::regclass"),
	'bigint', 'and of the new type');
is($node->safe_psql('postgres', "SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute "
		  . "WHERE attrelid = 'parent'::regclass AND attnum > 0 AND NOT attisdropped"),
	'id name seen', 'nothing is left behind');
is($node->safe_psql('postgres', "SELECT count(*) FROM child c LEFT JOIN parent p ON p.id = c.parent WHERE p.id IS NULL"),
	0, 'no row of the referencing table is without its parent');
is($node->safe_psql('postgres', "INSERT INTO parent (id) VALUES (3000000000) RETURNING id"),
	'3000000000', 'a bigint fits');

$node->stop;
done_testing();
