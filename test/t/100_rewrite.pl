# 100_rewrite.pl: a table is written anew while others write it, truncate it, change
# it, read it by old snapshots and subscribe to it, and while the server is killed.
# What it is to hold in the end a second table tells, which nothing is done to but the
# same statements.
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

sub differ
{
	my ($one, $other) = @_;

	return sql("SELECT count(*) FROM ((TABLE $one EXCEPT ALL TABLE $other) UNION ALL (TABLE $other EXCEPT ALL TABLE $one)) x");
}

sub storage { return sql("SELECT pg_relation_filenode('$_[0]')") }

# --- every way of writing rows, some of which have been copied and some not
for my $name ('t', 'model')
{
	sql(<<"EOS");
CREATE TABLE ${name}_parent (id int PRIMARY KEY);
INSERT INTO ${name}_parent SELECT generate_series(1, 20);
CREATE TABLE $name (id int PRIMARY KEY, parent int REFERENCES ${name}_parent ON DELETE CASCADE ON UPDATE CASCADE,
	u int UNIQUE DEFERRABLE INITIALLY DEFERRED, s int UNIQUE, n int NOT NULL DEFAULT 0, v text);
INSERT INTO $name SELECT i, i % 20 + 1, i, i, 0, 'v' || i || repeat('x', 400) FROM generate_series(1, 4000) i;
UPDATE $name SET v = (SELECT string_agg(md5(i::text), '') FROM generate_series(id, id + 200) i) WHERE id % 400 = 1;
DELETE FROM $name WHERE id % 10 = 0;
CREATE FUNCTION ${name}_again() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
	IF NEW.n = 41 THEN UPDATE $name SET n = 42, v = v || ''!'' WHERE id = NEW.id; END IF;
	IF NEW.n = 51 THEN DELETE FROM $name WHERE id = NEW.id; END IF;
	IF NEW.n = 61 THEN UPDATE $name SET n = 62, id = -NEW.id WHERE id = NEW.id;
		INSERT INTO $name (id, n) VALUES (NEW.id, 63); END IF;
	RETURN NULL;
END';
CREATE TRIGGER aaa_again AFTER INSERT OR UPDATE ON $name FOR EACH ROW EXECUTE FUNCTION ${name}_again();
EOS
}
my @statements = (
	'UPDATE % SET n = n + 1',
	'UPDATE % SET n = 41 WHERE id % 100 = 3',
	'UPDATE % SET n = 51 WHERE id % 100 = 4',
	'UPDATE % SET n = 61 WHERE id % 100 = 5',
	'UPDATE % SET id = id + 1000000 WHERE id % 7 = 1 AND id > 0',
	'UPDATE % SET u = u + 1, s = s + 10000',
	'DELETE FROM % WHERE id % 13 = 2',
	'WITH gone AS (DELETE FROM % WHERE id % 100 = 7 RETURNING *) INSERT INTO % SELECT -id - 5000000, parent, u, s, n, v FROM gone',
	'BEGIN; DELETE FROM % WHERE id % 100 = 8; INSERT INTO % SELECT i, 1, -i, -i, 8, $$back$$ FROM generate_series(8, 4000, 100) i; COMMIT',
	'BEGIN; SAVEPOINT a; UPDATE % SET n = 1000, id = id + 7000000 WHERE id % 100 = 11; ROLLBACK TO a; UPDATE % SET n = 1001 WHERE id % 100 = 12; SAVEPOINT b; DELETE FROM % WHERE id % 100 = 13; RELEASE b; COMMIT',
	'BEGIN; DELETE FROM % WHERE id % 100 = 14; ROLLBACK',
	'INSERT INTO % (id, n) SELECT i, 7 FROM generate_series(3900, 4100) i ON CONFLICT (id) DO UPDATE SET n = EXCLUDED.n + %.n',
	'INSERT INTO % (id, n) SELECT i, 7 FROM generate_series(4000, 4200) i ON CONFLICT (id) DO NOTHING',
	'UPDATE %_parent SET id = id + 100 WHERE id < 4',
	'DELETE FROM %_parent WHERE id = 5',
	'BEGIN; UPDATE % SET u = -u; UPDATE % SET u = u + 1 WHERE u < -100; COMMIT',
	"COPY % (id, n, v) FROM PROGRAM 'seq 9000 9100 | sed s/\$/,9,copied/' WITH (FORMAT csv)",
	'BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE % SET n = 77 WHERE id % 100 = 21; COMMIT',
	"BEGIN; UPDATE % SET n = 78 WHERE id % 100 = 22; DELETE FROM % WHERE id % 100 = 23; PREPARE TRANSACTION '%'; COMMIT PREPARED '%'",
	"SET session_replication_role = replica; UPDATE % SET n = 79 WHERE id % 100 = 24",
	'UPDATE % SET v = v || repeat(md5(id::text), 150) WHERE id % 200 = 25',
	'UPDATE % SET id = id - 1 WHERE id IN (SELECT id FROM % a WHERE NOT EXISTS (SELECT FROM % b WHERE b.id = a.id - 1))',
);
push @statements,
  'MERGE INTO % USING generate_series(3000, 5000, 7) g ON id = g WHEN MATCHED AND mod(g, 2) = 0 THEN DELETE '
  . 'WHEN MATCHED THEN UPDATE SET n = 99, id = g + 20000000 WHEN NOT MATCHED THEN INSERT (id, n) VALUES (g, 98)'
  if $merge;

sub write_all
{
	my ($table) = @_;

	for my $statement (@statements)
	{
		(my $text = $statement) =~ s/(?<!id )(?<!g )%/$table/g;

		my ($rc, $out, $error) = $node->psql('postgres', $text);

		is($error, '', "goes through: $statement");
	}
}

{
	my $held = hold($node, 'copy-after-batch');
	my $before = storage('t');
	my $id = sql("SELECT zdm.rewrite('t')");

	arrive($node, 'copy-after-batch');
	my $copied = sql("SELECT count(*) FROM zdm_${id}_t");
	cmp_ok($copied, '>', 0, 'some rows have been copied');
	cmp_ok($copied, '<', 3600, 'and some not');
	write_all($_) for 't', 'model';
	is(differ('t', 'model'), 0, 'both have been written alike');
	$held->quit;
	wait_for_state($node, $id, 'completed');
	isnt(storage('t'), $before, 'the storage is another');
	is(differ('t', 'model'), 0, 'every row is as it should be');
	is(sql("SET enable_seqscan = off; SELECT count(*) FROM t WHERE u IS NOT NULL"),
		sql("SELECT count(*) FROM model WHERE u IS NOT NULL"), 'and in the indexes');
}

# --- truncated, rewritten or changed by others: begun anew
for my $how ('TRUNCATE %; INSERT INTO % (id, n) VALUES (1, 1)', 'VACUUM FULL %', 'ALTER TABLE % ALTER n TYPE bigint',
	'ALTER TABLE % ADD later int DEFAULT 3', 'ALTER TABLE % DROP v', 'ALTER TABLE % DROP CONSTRAINT %_pkey; UPDATE % SET n = 5; ALTER TABLE % ADD PRIMARY KEY (id)',
	'CREATE INDEX ON % (n); CREATE INDEX ON % (n, id)', 'REINDEX INDEX CONCURRENTLY %_pkey',
	'ALTER TABLE % ALTER id DROP NOT NULL; DELETE FROM % WHERE id % 7 = 0; ALTER TABLE % ALTER id SET NOT NULL')
{
	my $key = $how =~ /DROP NOT NULL/ ? 'NOT NULL UNIQUE' : 'PRIMARY KEY';

	for my $point ($how =~ /^TRUNCATE|CREATE INDEX|ADD later|DROP NOT NULL/ ? ('copy-after-batch', 'second-before-index') : 'copy-after-batch')
	{
		sql("DROP TABLE IF EXISTS w, w_was; CREATE TABLE w (id int $key, n int, v text); INSERT INTO w SELECT i, i, repeat('y', 200) FROM generate_series(1, 3000) i; DELETE FROM w WHERE id % 3 = 0");
		my $held = hold($node, $point);
		my $id = sql("CREATE INDEX ON w (v); SELECT zdm.rewrite('w')");

		arrive($node, $point);
		(my $statement = $how) =~ s/(?<!id )(?<!g )%/w/g;
		sql($_) for split /; /, $statement;
		sql("UPDATE w SET n = n + 1; DELETE FROM w WHERE id % 5 = 0; CREATE TABLE w_was AS TABLE w");
		$held->quit;
		wait_for_state($node, $id, 'completed');
		is(differ('w', 'w_was'), 0, "$how at $point: no row is lost");
		is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_%'"), 0, 'nothing is left');
	}
}

# --- a snapshot from before the copy sees every row; the exchange waits for it
{
	sql("CREATE TABLE old (id int PRIMARY KEY, n int); INSERT INTO old SELECT i, i FROM generate_series(1, 1000) i");
	my $reader = start_psql($node);
	$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	my $before = storage('old');
	my $id = sql("SELECT zdm.rewrite('old')");
	wait_for('the exchange to wait', sub { sql("SELECT waiting_for FROM zdm.progress WHERE id = $id") =~ /before the rows were copied/ });
	is(storage('old'), $before, 'it has not been exchanged');
	is($reader->query_safe('SELECT count(*) FROM old'), 1000, 'the old snapshot sees all');
	my $writer = start_psql($node);
	$writer->query_safe('UPDATE old SET n = 0 WHERE id = 1');
	$reader->query_safe('UPDATE old SET n = 0 WHERE id = 2; COMMIT');
	$_->quit for $reader, $writer;
	wait_for_state($node, $id, 'completed');
	is(sql('SELECT count(*), count(*) FILTER (WHERE n = 0) FROM old'), '1000|2', 'all is there');
}

# --- back: nothing is left
{
	my $held = hold($node, 'copy-after-batch');
	my $before = storage('model');
	my $id = sql("SELECT zdm.rewrite('model')");
	arrive($node, 'copy-after-batch');
	sql("SELECT zdm.revert($id)");
	$held->quit;
	wait_for_state($node, $id, 'reverted');
	is(storage('model'), $before, 'reverted: the storage is the same');
	is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_%'"), 0, 'nothing is left');
	is(sql("SELECT count(*) FROM pg_trigger WHERE tgfoid = 'zdm.sync_table'::regproc"), 0, 'no trigger either');
	is(differ('t', 'model'), 0, 'no row has changed');
}

# --- killed wherever it stands, with writers and a subscriber
{
	my $subscriber = zdm_node('subscriber', extension => 0);
	my $ddl = "CREATE TABLE account (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, v text); "
	  . "CREATE TABLE log (account int, n int)";

	sql("DROP TABLE t, t_parent, model, model_parent, old, w, w_was; $ddl; CREATE PUBLICATION pub FOR TABLE account, log; CREATE PUBLICATION everything FOR ALL TABLES");
	sql("INSERT INTO account SELECT i, 0, repeat('z', 300) FROM generate_series(1, 6000) i; CREATE INDEX account_n ON account (n)");
	$subscriber->safe_psql('postgres', $ddl);
	sql("SELECT pg_create_logical_replication_slot('text', 'test_decoding')");
	sql("SELECT pg_replication_slot_advance('text', pg_current_wal_lsn())");
	sql("SELECT pg_create_logical_replication_slot('binary', 'pgoutput')");
	$subscriber->safe_psql('postgres',
		"CREATE SUBSCRIPTION sub CONNECTION '" . $node->connstr . " dbname=postgres' PUBLICATION pub");
	$subscriber->wait_for_subscription_sync($node, 'sub');

	my $run = start_pgbench($node, <<'EOS', '-c', '2', '-R', '200');
\set id random(1, 6000)
\set gone random(1, 6000)
BEGIN;
UPDATE account SET n = n + 1, v = repeat(md5(:id::text), 10 + :id % 100) WHERE id = :id;
INSERT INTO log SELECT id, n FROM account WHERE id = :id;
DELETE FROM account WHERE id = :gone AND id > 5900;
COMMIT;
EOS
	for my $point ('copy-before-commit', 'second-before-index', 'exchange-before-commit')
	{
		my $held = hold($node, $point);
		my $before = storage('account');
		my $id = sql("SELECT zdm.rewrite('account')");

		kill_postmaster($node, split /\n/, arrive($node, $point));
		$held->{run}->finish if $held->{run};
		start_again($node);
		wait_for_state($node, $id, 'completed');
		isnt(storage('account'), $before, "killed at $point: it came to its end");
		is(sql("SELECT count(*) FROM account a WHERE n <> coalesce((SELECT max(n) FROM log WHERE account = a.id), 0)"),
			0, "killed at $point: the last write of each row is there");
	}
	my $out = stop_pgbench($run)->{out};
	my @errors = grep { /ERROR|FATAL|PANIC/ && !/terminating connection|the database system is|shutting down/ } split /\n/, $out;
	is(join("\n", @errors), '', 'no statement failed but for lost connections');
	$node->wait_for_catchup('sub');
	my $sum = "SELECT count(*), sum(n), md5(string_agg(v, '' ORDER BY id)) FROM account";
	is($subscriber->safe_psql('postgres', $sum), sql($sum), 'the subscriber has the same');
	my $decoded = sql("SELECT string_agg(DISTINCT split_part(data, ' ', 2), ' ') FROM pg_logical_slot_get_changes('text', NULL, NULL) WHERE data LIKE 'table %' AND data NOT LIKE 'table zdm.%'");
	unlike($decoded, qr/zdm_[0-9]|pg_temp/, 'no change of the hidden table is decoded');
	like($decoded, qr/public\.account/, 'those of the table are');
	my $published = sql("SELECT count(*) FILTER (WHERE encode(data, 'escape') ~ 'zdm_[0-9]|pg_temp'), "
		  . "count(*) FILTER (WHERE encode(data, 'escape') ~ 'account') > 0 FROM pg_logical_slot_get_binary_changes('binary', NULL, NULL, "
		  . "'proto_version', '1', 'publication_names', 'everything') WHERE get_byte(data, 0) = ascii('R')");
	is($published, '0|t', 'nor published for all tables');
	$subscriber->stop;
}

$node->stop;
done_testing();
