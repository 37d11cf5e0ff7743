# 103_new_shape_load.pl: tables of another shape take the name, give it back and take it
# again while applications read, write and hold long transactions: no query fails, and
# what was written last is there.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "wal_level = replica\nzdm.batch_rest = 0\nzdm.guard = off\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

sql(<<'EOS');
CREATE TABLE account (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, v text, w text);
CREATE TABLE log (account int, n int);
CREATE TABLE entry (account int REFERENCES account, amount int);
INSERT INTO account SELECT i, 0, repeat('z', 100), '007' FROM generate_series(1, 5000) i;
CREATE INDEX ON account (n);
CREATE VIEW rich AS SELECT FROM account WHERE n > 1;
CREATE FUNCTION touch(which int) RETURNS int LANGUAGE plpgsql AS '
DECLARE
	row account%ROWTYPE;
BEGIN
	SELECT * INTO row FROM account WHERE id = which FOR UPDATE;
	UPDATE account SET n = row.n + 1 WHERE id = row.id RETURNING * INTO row;
	INSERT INTO log VALUES (which, row.n);
	RETURN row.n;
END';
EOS

my %clients = (
	writer => start_pgbench($node, <<'EOS', '-c', '2', '-R', '40', '-M', 'prepared'),
\set id random(1, 4900)
\set other random(4901, 5000)
BEGIN;
UPDATE account SET n = n + 1, v = md5(:id::text), w = n WHERE id = :id;
INSERT INTO log SELECT id, n FROM account WHERE id = :id;
INSERT INTO entry VALUES (:id, 1);
DELETE FROM account WHERE id = :other;
INSERT INTO account (id, n) VALUES (:other, -1) ON CONFLICT (id) DO UPDATE SET v = 'there';
END;
EOS
	sessions => start_pgbench($node, "\\set id random(1, 4900)\nSELECT touch(:id);\n", '-c', '1', '-R', '20'),
	reader => start_pgbench($node, <<'EOS', '-c', '2', '-R', '40', '-M', 'prepared'),
\set id random(1, 4900)
SELECT n, v FROM account WHERE id = :id;
SELECT count(*) FROM rich;
EOS
	patient => start_pgbench($node, <<'EOS', '-c', '1'),
\set id random(1, 4900)
BEGIN;
SELECT count(*) FROM account WHERE n > 3;
\sleep 200 ms
UPDATE account SET n = n + 1 WHERE id = :id;
INSERT INTO log SELECT id, n FROM account WHERE id = :id;
END;
\sleep 400 ms
EOS
);

sub last_writes
{
	my ($when) = @_;

	is(sql("SELECT count(*) FROM account a WHERE n >= 0 AND n <> coalesce((SELECT max(n) FROM log WHERE account = a.id), 0)"),
		0, "$when: the last write of each row is there");
	is(sql('SELECT count(*) FROM account WHERE id <= 4900'), 4900, "$when: no row is gone, and none twice");
}

for my $call ("zdm.rewrite('account', columns => '{w,v,n,id}')",
	"zdm.partition_table('account', 'HASH (id)', ARRAY['a0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)', 'a1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)'])",
	"zdm.change_column_type('account', 'id', 'bigint')",
	"zdm.unpartition_table('account')",
	"zdm.change_column_type('account', 'id', 'int', keep_place => true)",
	"zdm.change_column_type('account', 'w', 'int', up => 'w::int', keep_place => true)",
	"zdm.migrate('ALTER TABLE account ADD COLUMN twice bigint GENERATED ALWAYS AS (n * 2) STORED')")
{
	my ($what) = $call =~ /zdm\.(\w+)/;

	for my $end ('revert', 'contract')
	{
		my $id = sql("SELECT $call");

		wait_for_state($node, $id, 'ready');
		sql("SELECT zdm.cutover($id)");
		wait_for_state($node, $id, 'switched');
		last_writes("$what, switched");
		sql("SELECT zdm.$end($id)");
		wait_for_state($node, $id, $end eq 'revert' ? 'reverted' : 'completed');
		last_writes("$what, after $end");
	}
}

for my $who (sort keys %clients)
{
	my $out = stop_pgbench($clients{$who})->{out};

	is(join("\n", grep { /ERROR|FATAL|PANIC|aborted/ } split /\n/, $out), '', "no query of the $who failed");
}
is(sql("SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'account'::regclass AND attnum > 0"),
	'w integer, v text, n integer, id integer, twice bigint', 'each column is where it was');
is(sql('SELECT count(*) FROM account WHERE twice IS DISTINCT FROM n * 2'), 0, 'the column that came is right in every row');
is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_%'"), 0, 'nothing is left');

$node->stop;
done_testing();
