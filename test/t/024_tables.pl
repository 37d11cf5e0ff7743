# 024_tables.pl: what others do to a table while its column is being renamed:
# rewrite it, empty it, attach and detach partitions, hang triggers on it, hold
# locks of it in a prepared transaction, dump it.

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "zdm.batch_rest = 0\nzdm.guard = off\nmax_wal_senders = 5\n");

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

sub make
{
	my ($table, $rows) = @_;

	sql("CREATE TABLE $table (id int PRIMARY KEY, a text NOT NULL DEFAULT 'x', n int);"
		  . "INSERT INTO $table SELECT i, 'v' || i, i FROM generate_series(1, $rows) i");
}

sub rename_it { return sql("SELECT zdm.rename_column('$_[0]', 'a', 'b')") }

# --- rewritten after the first batch, of several
for my $how ('VACUUM FULL %', 'CLUSTER % USING %_pkey', 'ALTER TABLE % ALTER n TYPE bigint', 'TRUNCATE %')
{
	my ($name) = $how =~ /^(\w+)/;
	my $table = 'rewritten_' . lc $name;
	(my $statement = $how) =~ s/%/$table/g;

	make($table, 20000);
	sql("DELETE FROM $table WHERE id % 3 = 0");
	my $held = hold($node, 'backfill-after-batch');
	my $id = rename_it($table);
	arrive($node, 'backfill-after-batch');
	cmp_ok(sql("SELECT count(*) FROM $table WHERE b IS NULL"), '>', 0, "$name: in the middle");
	sql($statement);
	sql("INSERT INTO $table (id, a) VALUES (100001, 'old'); INSERT INTO $table (id, b) VALUES (100002, 'new')");
	$held->quit;
	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, $table, 'a', 'b'), 0, "$name: starts over, and every row is filled in");
	is(sql("SELECT count(*) FROM $table"), $name eq 'TRUNCATE' ? 2 : 13336, "$name: no row more or less");
}

# --- partitions come and go
{
	sql(<<'EOS');
CREATE TABLE parted (id int, a text NOT NULL DEFAULT 'x', n int) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10000);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10000) TO (20000);
INSERT INTO parted SELECT i, 'v' || i, i FROM generate_series(1, 19999) i;
CREATE TABLE late (n int, gone int, id int, a text NOT NULL DEFAULT 'x');
ALTER TABLE late DROP COLUMN gone;
INSERT INTO late SELECT i, i, 'late' || i FROM generate_series(20000, 25000) i;
EOS
	my $held = hold($node, 'backfill-after-batch');
	my $id = rename_it('parted');
	arrive($node, 'backfill-after-batch');

	# the new column has to be there: PostgreSQL wants that of a partition
	sql("ALTER TABLE late ADD COLUMN b text DEFAULT 'x'; ALTER TABLE parted ATTACH PARTITION late FOR VALUES FROM (20000) TO (30000)");
	sql("ALTER TABLE parted DETACH PARTITION parted_2");
	sql("INSERT INTO parted_2 VALUES (10000, 'on its own'); UPDATE parted_2 SET n = 0 WHERE id < 10010");
	sql("UPDATE parted SET a = 'changed' WHERE id = 24999; INSERT INTO parted (id, b) VALUES (29999, 'routed')");
	$held->quit;
	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, 'parted', 'a', 'b'), 0, 'partitions: every row is filled in');
	is(sql('SELECT count(b) FROM parted'), 9999 + 5001 + 1, 'also those of one attached meanwhile');

	# attached when it is ready
	sql(<<'EOS');
CREATE TABLE later (LIKE parted INCLUDING ALL);
INSERT INTO later (id, a, b) SELECT i, 'later' || i, 'later' || i FROM generate_series(30000, 31000) i;
ALTER TABLE parted ATTACH PARTITION later FOR VALUES FROM (30000) TO (40000);
EOS
	is(rows_that_differ($node, 'parted', 'a', 'b'), 0, 'attached when ready');
	sql("SELECT zdm.cutover($id)");
	wait_for_state($node, $id, 'switched');
	sql("SELECT zdm.contract($id)");
	wait_for_state($node, $id, 'completed');
	is(sql('SELECT count(b) FROM parted'), 9999 + 5001 + 1 + 1001, 'contracted');
	is(sql("SELECT count(*) FROM pg_attribute WHERE attname = 'a' AND NOT attisdropped AND attrelid IN ('late'::regclass, 'later'::regclass, 'parted_1'::regclass)"),
		0, 'in all partitions');
	is(sql("SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('late'::regclass, 'later'::regclass, 'parted_1'::regclass, 'parted'::regclass)"),
		0, 'no trigger is left');
	is(sql("SELECT count(*) FROM parted_2 WHERE a IS NOT NULL"), 10001, 'the detached one has kept its column');
	my $left = sql("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'parted_2'::regclass");
	is($left, 0, 'and has no trigger');
}

# --- triggers of the users
{
	make('audited', 3000);
	sql(<<'EOS');
ALTER TABLE audited ADD updated_at timestamptz, ADD by_trigger int DEFAULT 0;
CREATE TABLE audit (op text, id int);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN new.updated_at := clock_timestamp(); new.by_trigger := new.by_trigger + 1; RETURN new; END';
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO audit VALUES (tg_op || tg_level, CASE WHEN tg_level = ''ROW'' THEN new.id END); RETURN NULL; END';
CREATE TRIGGER touch BEFORE UPDATE ON audited FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER note AFTER INSERT OR UPDATE ON audited FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER note_statement AFTER UPDATE ON audited FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE CONSTRAINT TRIGGER note_deferred AFTER UPDATE ON audited DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE audited ENABLE ALWAYS TRIGGER note;
ALTER TABLE audited ENABLE REPLICA TRIGGER touch;
ALTER TABLE audited ENABLE ALWAYS TRIGGER touch;
EOS
	my $id = rename_it('audited');
	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, 'audited', 'a', 'b'), 0, 'triggers: every row is filled in');
	is(sql('SELECT count(*) FROM audit'), 0, 'and no audit trigger has fired, ENABLE ALWAYS or not');
	is(sql('SELECT count(*) FROM audited WHERE updated_at IS NOT NULL OR by_trigger <> 0'), 0, 'nor has updated_at moved');
	sql("UPDATE audited SET b = 'y' WHERE id = 1");
	is(sql('SELECT a, by_trigger FROM audited WHERE id = 1'), 'y|1', 'while a write fires them once');
	is(sql("SELECT count(*) FROM audit WHERE op = 'UPDATEROW'"), 2, 'each');
	sql("SELECT zdm.cutover($id)");
	wait_for_state($node, $id, 'switched');
	sql("SELECT zdm.contract($id)");
	wait_for_state($node, $id, 'completed');
	is(sql('SELECT count(*) FROM audit'), 3, 'and the way to the end fires none');
}

# --- a prepared transaction holds a lock: nobody to be seen in pg_stat_activity
{
	make('prepared', 100);
	sql("BEGIN; UPDATE prepared SET n = 0 WHERE id = 1; PREPARE TRANSACTION 'forgotten'");
	my $id = rename_it('prepared');
	wait_for('the view to name it',
		sub { sql("SELECT waiting_for FROM zdm.progress WHERE id = $id") =~ /prepared transaction/ });
	pass('a prepared transaction shows in zdm.progress');
	like(sql("SELECT array_to_string(notes, E'\\n') FROM zdm.migrations WHERE id = $id"),
		qr/prepared transactions hold locks and snapshots: 'forgotten'/, 'and in the notes');
	is(sql("INSERT INTO prepared VALUES (1001, 'y') RETURNING a"), 'y', 'others go on');
	sql("COMMIT PREPARED 'forgotten'");
	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, 'prepared', 'a', 'b'), 0, 'its row is filled in');

	# and one that states a change itself
	make('stated', 100);
	sql("BEGIN; SELECT zdm.rename_column('stated', 'a', 'b', 'stated'); PREPARE TRANSACTION 'stated'");
	is(sql("SELECT count(*) FROM zdm.migrations WHERE label = 'stated'"), 0, 'a change in a prepared transaction is not there');
	sql("COMMIT PREPARED 'stated'");
	$id = sql("SELECT id FROM zdm.migrations WHERE label = 'stated'");
	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, 'stated', 'a', 'b'), 0, 'until that is committed');
}

# --- dumped in the middle and restored elsewhere
{
	make('dumped', 20000);
	my $held = hold($node, 'backfill-after-batch');
	my $id = rename_it('dumped');
	arrive($node, 'backfill-after-batch');
	my $file = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';

	$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $file ], 'a dump in mid-migration');
	sql('CREATE DATABASE restored');
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $file ],
		'is restored');
	is(sql('SELECT count(*) FROM dumped', 'restored'), 20000, 'with all rows');
	is(sql("INSERT INTO dumped (id, a) VALUES (100001, 'old') RETURNING a", 'restored'), 'old', 'and can be written');
	sql("UPDATE dumped SET a = 'y' WHERE id = 1; DELETE FROM dumped WHERE id = 2; COPY dumped (id, a) FROM PROGRAM 'printf \"100002\\tz\\n\"'",
		'restored');
	is(sql('SELECT count(*) FROM zdm.migrations', 'restored'), 0, 'it knows of no migration');
	sql("ALTER TABLE dumped DROP COLUMN b", 'restored');
	my (undef, undef, $refusal) = $node->psql('restored', "SELECT zdm.rename_column('dumped', 'a', 'b')");
	like($refusal, qr/trigger "~zdm_sync" of public.dumped runs zdm.sync\(\), and no migration has made it/, 'and names the trigger that is left');
	like($refusal, qr/HINT:.*DROP TRIGGER "~zdm_sync" ON public.dumped/, 'with the statement that helps');
	sql('DROP TRIGGER "~zdm_sync" ON public.dumped', 'restored');
	my $again = sql("SELECT zdm.rename_column('dumped', 'a', 'b')", 'restored');
	wait_for_state($node, $again, 'ready', 'restored');
	is(sql('SELECT count(*) FROM dumped WHERE a IS DISTINCT FROM b', 'restored'), 0, 'and can be migrated');
	$held->quit;
	wait_for_state($node, $id, 'ready');
}

# --- a standby that is promoted goes on
{
	$node->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->start;
	make('promoted', 20000);
	my $held = hold($node, 'backfill-after-batch');
	my $id = rename_it('promoted');
	arrive($node, 'backfill-after-batch');
	$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
	is($standby->safe_psql('postgres', "SELECT state FROM zdm.migrations WHERE id = $id"), 'migrating', 'a standby shows it');
	my ($rc, undef, $error) = $standby->psql('postgres', "SELECT zdm.pause($id)");
	isnt($rc, 0, 'and steers nothing');
	$node->stop('immediate');
	$standby->promote;
	wait_for_state($standby, $id, 'ready');
	is(rows_that_differ($standby, 'promoted', 'a', 'b'), 0, 'promoted: it goes on by itself');
	is($standby->safe_psql('postgres', "INSERT INTO promoted (id, b) VALUES (100001, 'x') RETURNING a"), 'x', 'both columns are in step');
	eval { $held->quit };
	$standby->stop;
}

done_testing();
