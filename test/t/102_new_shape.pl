# 102_new_shape.pl: a table of another shape takes the name of the first, which follows;
# there, back, and there again, while others write, truncate, read by old snapshots and
# subscribe, and while the server is killed.  What it is to hold a second table tells,
# which nothing is done to but the same statements.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "zdm.batch_rest = 0\nzdm.guard = off\nmax_wal_senders = 5\nrestart_after_crash = on\n");
my $merge = $node->safe_psql('postgres', 'SHOW server_version_num') >= 150000;

sub sql { return $node->safe_psql('postgres', $_[0]) }

my $columns = 'id, parent, u, s, n, v';

# Rows that are in the one table and not in the other, whatever the order of their columns.
sub differ
{
	my ($one, $other, $list) = @_;

	$list //= $columns;
	return sql("SELECT count(*) FROM ((SELECT $list FROM $one EXCEPT ALL SELECT $list FROM $other) "
		  . "UNION ALL (SELECT $list FROM $other EXCEPT ALL SELECT $list FROM $one)) x");
}

sub nothing_left
{
	my ($what) = @_;

	is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_%'"), 0, "$what: no table is left");
	is(sql("SELECT count(*) FROM pg_trigger WHERE tgfoid IN ('zdm.sync_table'::regproc, 'zdm.refuse_hidden'::regproc)"), 0, "$what: no trigger is left");
	is(sql("SELECT count(*) FROM pg_class WHERE relrewrite <> 0"), 0, "$what: all is decoded");
}

# --- every way of writing rows
my @statements = (
	'UPDATE % SET n = n + 1',
	'UPDATE % SET n = 41 WHERE id % 100 = 3',
	'UPDATE % SET n = 51 WHERE id % 100 = 4',
	'UPDATE % SET n = 61 WHERE id % 100 = 5',
	'UPDATE % SET id = id + 1000000 * @ WHERE id % 7 = 1 AND id > 0 AND id < 1000000',
	'UPDATE % SET u = u + 1, s = s + 10000',
	'DELETE FROM % WHERE id % 13 = 2',
	'WITH gone AS (DELETE FROM % WHERE id % 100 = 7 RETURNING *) INSERT INTO % (id, parent, u, s, n, v) SELECT -id - 5000000 * @, parent, u, s, n, v FROM gone',
	'BEGIN; DELETE FROM % WHERE id % 100 = 8; INSERT INTO % (id, parent, u, s, n, v) SELECT i, 10, -i - 1000000 * @, -i - 1000000 * @, 8, $$back$$ FROM generate_series(8, 4000, 100) i; COMMIT',
	'BEGIN; SAVEPOINT a; UPDATE % SET n = 1000, id = id + 7000000 WHERE id % 100 = 11; ROLLBACK TO a; UPDATE % SET n = 1001 WHERE id % 100 = 12; SAVEPOINT b; DELETE FROM % WHERE id % 100 = 13; RELEASE b; COMMIT',
	'BEGIN; DELETE FROM % WHERE id % 100 = 14; ROLLBACK',
	'INSERT INTO % (id, n) SELECT i, 7 FROM generate_series(3900, 4100) i ON CONFLICT (id) DO UPDATE SET n = EXCLUDED.n + %.n',
	'INSERT INTO % (id, n) SELECT i, 7 FROM generate_series(4000, 4200) i ON CONFLICT (id) DO NOTHING',
	'UPDATE %_parent SET id = id + 100 WHERE id < 4',
	'DELETE FROM %_parent WHERE id = 5',
	'BEGIN; UPDATE % SET u = -u; UPDATE % SET u = u - 1 WHERE u < -100; COMMIT',
	"COPY % (id, n, v) FROM PROGRAM 'seq 9000 9100 | sed s/\$/,9,copied/' WITH (FORMAT csv)",
	'DELETE FROM % WHERE id BETWEEN 9000 AND 9100',
	'BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE % SET n = 77 WHERE id % 100 = 21; COMMIT',
	"BEGIN; UPDATE % SET n = 78 WHERE id % 100 = 22; DELETE FROM % WHERE id % 100 = 23; PREPARE TRANSACTION '%'; COMMIT PREPARED '%'",
	"SET session_replication_role = replica; UPDATE % SET n = 79 WHERE id % 100 = 24",
	'UPDATE % SET v = v || repeat(md5(id::text), 150) WHERE id % 200 = 25',
	'UPDATE % SET id = id - 1 WHERE id IN (SELECT id FROM % a WHERE NOT EXISTS (SELECT FROM % b WHERE b.id = a.id - 1))',
);
push @statements,
  'MERGE INTO % USING generate_series(3000, 5000, 7) g ON id = g WHEN MATCHED AND mod(g, 2) = 0 THEN DELETE '
  . 'WHEN MATCHED THEN UPDATE SET n = 99 WHEN NOT MATCHED THEN INSERT (id, n) VALUES (g, 98)'
  if $merge;

# They are run several times on the same tables: what they insert is another time by time.
my $round = 0;

sub write_all
{
	my (@tables) = @_;

	$round++;

	for my $statement (@statements)
	{
		my @errors;

		for my $table (@tables)
		{
			(my $text = $statement) =~ s/(?<!id )(?<!g )%/$table/g;
			$text =~ s/\* @/* $round/g;

			my ($rc, $out, $error) = $node->psql('postgres', $text);

			push @errors, $error;
		}
		is($errors[0], '', "goes through: $statement");
		BAIL_OUT('the tables are not written alike') if $errors[0] ne '';
	}
}

sub make_tables
{
	my ($u) = @_;

	for my $name ('t', 'model')
	{
		sql(<<"EOS");
DROP TABLE IF EXISTS $name, ${name}_parent CASCADE;
CREATE TABLE ${name}_parent (id int PRIMARY KEY);
INSERT INTO ${name}_parent SELECT generate_series(1, 20);
CREATE TABLE $name (id int PRIMARY KEY, parent int REFERENCES ${name}_parent ON DELETE CASCADE ON UPDATE CASCADE,
	u int $u->[0], s int $u->[1], n int NOT NULL DEFAULT 0, v text);
INSERT INTO $name SELECT i, i % 20 + 1, i, i, 0, 'v' || i || repeat('x', 400) FROM generate_series(1, 4000) i;
UPDATE $name SET v = (SELECT string_agg(md5(i::text), '') FROM generate_series(id, id + 200) i) WHERE id % 400 = 1;
DELETE FROM $name WHERE id % 10 = 0;
CREATE OR REPLACE FUNCTION ${name}_again() RETURNS trigger LANGUAGE plpgsql AS '
DECLARE
	seen $name%ROWTYPE;
BEGIN
	SELECT * INTO seen FROM $name WHERE id = NEW.id;
	IF seen.n = 41 THEN UPDATE $name SET n = 42, v = v || ''!'' WHERE id = NEW.id; END IF;
	IF seen.n = 51 THEN DELETE FROM $name WHERE id = NEW.id; END IF;
	IF seen.n = 61 AND NEW.id > 0 THEN UPDATE $name SET n = 62, id = -NEW.id WHERE id = NEW.id AND NOT EXISTS (SELECT FROM $name WHERE id = -NEW.id);
		INSERT INTO $name (id, n) VALUES (NEW.id, 63) ON CONFLICT (id) DO NOTHING; END IF;
	RETURN NULL;
END';
CREATE TRIGGER aaa_again AFTER INSERT OR UPDATE ON $name FOR EACH ROW EXECUTE FUNCTION ${name}_again();
CREATE VIEW ${name}_view AS SELECT n FROM $name WHERE n > 0 AND id < 10000000;
EOS
	}
}

# The whole way, with writes in each state; "call" states the migration.
sub go_there_and_back
{
	my ($what, $call) = @_;

	# so that the first batch has rows, whatever was written before
	sql('VACUUM (FULL) t');

	my $held = hold($node, 'copy-after-batch');
	my $old = sql("SELECT 't'::regclass::oid");
	my $session = start_psql($node);
	my $id = sql("SELECT $call");
	my $hidden = "zdm_${id}_t";

	arrive($node, 'copy-after-batch');
	my $copied = sql("SELECT count(*) FROM $hidden");
	cmp_ok($copied, '>', 0, "$what: some rows have been copied");
	cmp_ok($copied, '<', 3600, "$what: and some not");
	write_all('t', 'model');
	# a session that was there before, with its plans and what it has compiled
	$session->query_safe('PREPARE held AS SELECT count(*), sum(n) FROM t; EXECUTE held');
	$session->query_safe('UPDATE t SET n = n + 1 WHERE id = 1001; UPDATE model SET n = n + 1 WHERE id = 1001');
	$held->quit;
	wait_for_state($node, $id, 'ready');
	is(differ($hidden, 't'), 0, "$what: all rows are there when it is ready");
	write_all('t', 'model');
	is(differ($hidden, 't'), 0, "$what: and follow");
	like($node->psql('postgres', "DELETE FROM $hidden", extra_params => ['-v', 'VERBOSITY=terse'], on_error_stop => 0) // '', qr/./, "$what: nobody else writes it");
	sql("SELECT zdm.cutover($id)");
	wait_for_state($node, $id, 'switched');
	isnt(sql("SELECT 't'::regclass::oid"), $old, "$what: another table has the name");
	is(sql("SELECT '$hidden'::regclass::oid"), $old, "$what: and that one is hidden");
	is(differ('t', 'model'), 0, "$what: every row is there");
	is($session->query_safe('EXECUTE held'), sql('SELECT count(*), sum(n) FROM model'), "$what: a held statement goes on");
	$session->query_safe('UPDATE t SET n = n + 1 WHERE id = 1001; UPDATE model SET n = n + 1 WHERE id = 1001');
	write_all('t', 'model');
	is(differ('t', 'model'), 0, "$what: both have been written alike");
	is(differ('t', $hidden), 0, "$what: the first table follows");
	is(sql('SELECT count(*) FROM t_view'), sql('SELECT count(*) FROM model_view'), "$what: a view shows the same");
	sql("SELECT zdm.revert($id)");
	wait_for_state($node, $id, 'reverted');
	is(sql("SELECT 't'::regclass::oid"), $old, "$what: back, it is the same table");
	is(differ('t', 'model'), 0, "$what: with all that was written since");
	$session->query_safe('UPDATE t SET n = n + 1 WHERE id = 1001; UPDATE model SET n = n + 1 WHERE id = 1001');
	is($session->query_safe('EXECUTE held'), sql('SELECT count(*), sum(n) FROM model'), "$what: the held statement, too");
	nothing_left("$what, back");

	$id = sql("SELECT $call");
	wait_for_state($node, $id, 'ready');
	sql("SELECT zdm.cutover($id)");
	wait_for_state($node, $id, 'switched');
	write_all('t', 'model');
	sql("SELECT zdm.contract($id)");
	wait_for_state($node, $id, 'completed');
	$session->query_safe('UPDATE t SET n = n + 1 WHERE id = 1001; UPDATE model SET n = n + 1 WHERE id = 1001');
	is($session->query_safe('EXECUTE held'), sql('SELECT count(*), sum(n) FROM model'), "$what: and to the end");
	is(differ('t', 'model'), 0, "$what: every row is as it should be");
	is(sql('SET enable_seqscan = off; SELECT count(*) FROM t WHERE id IS NOT NULL'), sql('SELECT count(*) FROM model'), "$what: and in the index");
	nothing_left("$what, completed");
	$session->quit;
}

make_tables(['UNIQUE DEFERRABLE INITIALLY DEFERRED', 'UNIQUE']);
go_there_and_back('columns', "zdm.rewrite('t', columns => '{v,id,n,s,u,parent}')");
like(sql("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0"), qr/^v id n s u parent$/, 'the columns have their order');

# --- a column of another type, in its place: the key that rows are found by, one that is unique, another
for my $change ([ 'id', 'bigint' ], [ 'u', 'bigint' ], [ 'v', 'varchar(1000000)' ])
{
	my ($column, $type) = @$change;
	my $shape = "SELECT string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0";

	make_tables([ 'UNIQUE DEFERRABLE INITIALLY DEFERRED', 'UNIQUE' ]);
	(my $expected = sql($shape)) =~ s/\b$column \w+/$column $type/;
	go_there_and_back("$column as $type", "zdm.change_column_type('t', '$column', '$type', keep_place => true)");
	is(sql($shape), $expected =~ s/varchar/character varying/r, "$column as $type: it is where it was");
}

# --- partitions, which rows move between, and the way to one table again
make_tables(['', '']);
go_there_and_back('partitions', "zdm.partition_table('t', 'HASH (id)', ARRAY['t_0 FOR VALUES WITH (MODULUS 3, REMAINDER 0)', "
	  . "'t_1 FOR VALUES WITH (MODULUS 3, REMAINDER 1)', 't_2 FOR VALUES WITH (MODULUS 3, REMAINDER 2)'])");
is(sql("SELECT count(DISTINCT tableoid) FROM t"), 3, 'rows are in all partitions');
# the column that they go by, which rows move between them by, is another one
go_there_and_back('the partition key', "zdm.change_column_type('t', 'id', 'bigint')");
is(sql("SELECT count(DISTINCT tableoid) FROM t WHERE pg_typeof(id) = 'bigint'::regtype"), 3, 'and still are');
go_there_and_back('one table', "zdm.unpartition_table('t')");

# --- after the cutover two may write one key of the first table at a time: neither waits for the other
{
	sql("CREATE TABLE day (id int PRIMARY KEY, day int NOT NULL); INSERT INTO day SELECT i, 1 FROM generate_series(1, 100) i");
	my $id = sql("SELECT zdm.partition_table('day', 'RANGE (day)', ARRAY['day_1 FOR VALUES FROM (0) TO (10)', 'day_2 FOR VALUES FROM (10) TO (20)'], primary_key => 'id, day')");
	wait_for_state($node, $id, 'ready');
	sql("SELECT zdm.cutover($id)");
	wait_for_state($node, $id, 'switched');
	my $one = start_psql($node);
	$one->query_safe('BEGIN; INSERT INTO day VALUES (1000, 5)');
	sql("SET lock_timeout = '5s'; INSERT INTO day VALUES (1000, 15)");
	$one->query_safe('COMMIT');
	is(sql("SELECT string_agg(message, ' ') FROM zdm.misfit WHERE migration = $id"), 'the key has another row', 'the second one closes the way back');
	# a row that moves while another has its key
	$one->query_safe('BEGIN; UPDATE day SET day = 12 WHERE id = 7');
	sql("SET lock_timeout = '5s'; INSERT INTO day VALUES (7, 13)");
	$one->query_safe('ROLLBACK');
	$one->quit;
	sql("SELECT zdm.contract($id)");
	wait_for_state($node, $id, 'completed');
	is(sql('SELECT count(*) FROM day'), 103, 'all rows are there');
	sql('DROP TABLE day');
}

# --- truncated, rewritten or changed by others, before the cutover and after it
for my $how ('TRUNCATE w; INSERT INTO w (id, n) VALUES (1, 1)', 'VACUUM FULL w', 'ALTER TABLE w ALTER n SET DEFAULT 7; INSERT INTO w (id) VALUES (7001)',
	'ALTER TABLE w ADD CHECK (n > -100)', 'ALTER TABLE w DISABLE TRIGGER ALL; UPDATE w SET n = 5; ALTER TABLE w ENABLE TRIGGER ALL',
	'CREATE INDEX w_late ON w (n)')
{
	for my $when ('before', 'after')
	{
		sql("DROP TABLE IF EXISTS w, w_was; CREATE TABLE w (id int PRIMARY KEY, n int, v text); INSERT INTO w SELECT i, i, repeat('y', 200) FROM generate_series(1, 3000) i; DELETE FROM w WHERE id % 3 = 0");
		my $held = hold($node, 'copy-after-batch') if $when eq 'before';
		my $id = sql("SELECT zdm.rewrite('w', columns => '{v,id,n}')");

		if ($held)
		{
			arrive($node, 'copy-after-batch');
			sql($_) for split /; /, $how;
			sql("UPDATE w SET n = n + 1; DELETE FROM w WHERE id % 5 = 0; CREATE TABLE w_was AS TABLE w");
			$held->quit;
		}
		wait_for_state($node, $id, 'ready');
		sql("SELECT zdm.cutover($id)");
		wait_for_state($node, $id, 'switched');
		if (!$held)
		{
			next if $how =~ /CHECK|INDEX/;
			sql($_) for split /; /, $how;
			sql("UPDATE w SET n = n + 1; DELETE FROM w WHERE id % 5 = 0; CREATE TABLE w_was AS TABLE w");
		}
		is(differ('w', 'w_was', 'id, n, v'), 0, "$how $when the cutover: no row is lost");
		sql("SELECT zdm.revert($id)");
		wait_for_state($node, $id, 'reverted');
		is(differ('w', 'w_was', 'id, n, v'), 0, "$how $when the cutover: nor on the way back");
		is(sql("SELECT count(*) FROM pg_indexes WHERE indexname = 'w_late'"), $how =~ /w_late/ ? 1 : 0, 'an index stays') if $how =~ /w_late/;
		is(sql("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'w'::regclass AND attnum > 0"), 'id n v', 'the columns are as they were');
		nothing_left("$how $when the cutover");
	}
	sql("SELECT zdm.revert(id) FROM zdm.migrations WHERE state NOT IN ('completed', 'reverted', 'reverting')");
	wait_for('the rest to be reverted', sub { sql("SELECT count(*) FROM zdm.migrations WHERE state NOT IN ('completed', 'reverted')") eq '0' });
}

# --- what a TRUNCATE leaves apart is told as that, and not as rows that differ
{
	sql("CREATE TABLE void (id int PRIMARY KEY, n int); INSERT INTO void SELECT i, i FROM generate_series(1, 1000) i");
	my $id = sql("SELECT zdm.rewrite('void', columns => '{n,id}')");

	wait_for_state($node, $id, 'ready');
	is(sql("SELECT count(*) FROM zdm.verify($id)"), 0, 'nothing differs');
	sql('TRUNCATE void; INSERT INTO void VALUES (1, 1)');
	like(($node->psql('postgres', "SELECT zdm.verify($id)"))[2], qr/cannot be compared.*truncated.*begun anew/s, 'ready, and truncated: verify says so');
	sql("SELECT zdm.cutover($id)");
	wait_for_state($node, $id, 'switched');
	is(sql("SELECT count(*) FROM zdm.verify($id)"), 0, 'the cutover began anew: nothing differs');
	sql('TRUNCATE void; INSERT INTO void VALUES (2, 2)');
	like(($node->psql('postgres', "SELECT zdm.verify($id)"))[2], qr/cannot be compared.*truncated.*zdm\.revert\($id\)/s, 'switched, and truncated: verify says so');
	sql("SELECT zdm.revert($id)");
	wait_for_state($node, $id, 'reverted');
	is(sql('SELECT string_agg(void::text, \' \') FROM void'), '(2,2)', 'what was written last is there');
	sql('DROP TABLE void');
}

# --- a snapshot from before the copy sees every row; the exchange waits for it
{
	sql("CREATE TABLE old (id int PRIMARY KEY, n int); INSERT INTO old SELECT i, i FROM generate_series(1, 1000) i");
	my $reader = start_psql($node);
	$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	my $id = sql("SELECT zdm.rewrite('old', columns => '{n,id}')");
	wait_for_state($node, $id, 'ready');
	sql("SELECT zdm.cutover($id)");
	wait_for('the exchange to wait', sub { sql("SELECT waiting_for FROM zdm.progress WHERE id = $id") =~ /before the rows were copied/ });
	is($reader->query_safe('SELECT count(*) FROM old'), 1000, 'the old snapshot sees all');
	$reader->query_safe('UPDATE old SET n = 0 WHERE id = 2; COMMIT');
	wait_for_state($node, $id, 'switched');
	# but one from between does not keep it from going back
	$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	sql('UPDATE old SET n = 0 WHERE id = 3');
	sql("SELECT zdm.revert($id)");
	wait_for_state($node, $id, 'reverted');
	is($reader->query_safe('SELECT count(*), count(*) FILTER (WHERE n = 0) FROM old; COMMIT'), "1000|1", 'which shows it what it saw');
	$reader->quit;
	is(sql('SELECT count(*), count(*) FILTER (WHERE n = 0) FROM old'), '1000|2', 'all is there');
}

# --- killed wherever it stands, with writers and a subscriber
{
	my $subscriber = zdm_node('subscriber', extension => 0);
	my $ddl = "CREATE TABLE account (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, v text); "
	  . "CREATE TABLE log (account int, n int)";

	sql("DROP TABLE IF EXISTS t, t_parent, model, model_parent, old, w, w_was CASCADE; $ddl; CREATE PUBLICATION pub FOR TABLE account, log; CREATE PUBLICATION everything FOR ALL TABLES");
	sql("INSERT INTO account SELECT i, 0, repeat('z', 300) FROM generate_series(1, 6000) i; CREATE INDEX account_n ON account (n)");
	$subscriber->safe_psql('postgres', $ddl);
	sql("SELECT pg_create_logical_replication_slot('text', 'test_decoding')");
	$subscriber->safe_psql('postgres',
		"CREATE SUBSCRIPTION sub CONNECTION '" . $node->connstr . " dbname=postgres' PUBLICATION pub");
	$subscriber->wait_for_subscription_sync($node, 'sub');

	my $run = start_pgbench($node, <<'EOS', '-c', '2', '-R', '60');
\set id random(1, 6000)
\set gone random(1, 6000)
BEGIN;
UPDATE account SET n = n + 1, v = repeat(md5(:id::text), 10 + :id % 100) WHERE id = :id;
INSERT INTO log SELECT id, n FROM account WHERE id = :id;
DELETE FROM account WHERE id = :gone AND id > 5900;
COMMIT;
EOS
	my $die = sub {
		my ($point, $steer, $id, $state) = @_;
		my $held = hold($node, $point);

		$id = sql($steer) if !$id;
		sql($steer) if $steer !~ /rewrite/;
		kill_postmaster($node, split /\n/, arrive($node, $point));
		$held->{run}->finish if $held->{run};
		start_again($node);
		wait_for_state($node, $id, $state);
		is(sql("SELECT count(*) FROM account a WHERE n <> coalesce((SELECT max(n) FROM log WHERE account = a.id), 0)"),
			0, "killed at $point: the last write of each row is there");
		return $id;
	};
	my $reorder = "SELECT zdm.rewrite('account', columns => '{v,n,id}')";
	my $id = $die->('copy-before-commit', $reorder, undef, 'ready');
	$die->('exchange-before-commit', "SELECT zdm.cutover($id)", $id, 'switched');
	$die->('undo-before-commit', "SELECT zdm.revert($id)", $id, 'reverted');
	$id = $die->('second-before-index', $reorder, undef, 'ready');
	sql("SELECT zdm.cutover($id)");
	wait_for_state($node, $id, 'switched');
	$die->('leave-before-commit', "SELECT zdm.contract($id)", $id, 'completed');

	my $out = stop_pgbench($run)->{out};
	my @errors = grep { /ERROR|FATAL|PANIC/ && !/terminating connection|the database system is|shutting down/ } split /\n/, $out;
	is(join("\n", @errors), '', 'no statement failed but for lost connections');
	$node->wait_for_catchup('sub');
	my $sum = "SELECT count(*), sum(n), md5(string_agg(v, '' ORDER BY id)) FROM account";
	is($subscriber->safe_psql('postgres', $sum), sql($sum), 'the subscriber has the same');
	my $decoded = sql("SELECT string_agg(DISTINCT split_part(data, ' ', 2), ' ') FROM pg_logical_slot_get_changes('text', NULL, NULL) WHERE data LIKE 'table %' AND data NOT LIKE 'table zdm.%'");
	unlike($decoded, qr/zdm_[0-9]|pg_temp/, 'no change of the hidden table is decoded');
	like($decoded, qr/public\.account/, 'those of the table are');
	nothing_left('in the end');
	$subscriber->stop;
}

$node->stop;
done_testing();
