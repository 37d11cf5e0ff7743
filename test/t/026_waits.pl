# 026_waits.pl: whom a worker waits for, how, and what is said of it.
#
# Nobody stands in a queue behind a statement CONCURRENTLY of ours; an ordinary
# autovacuum is not waited for for ever; two workers on one table do not deadlock;
# and zdm.progress names the sessions that are waited for, with what they do.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;
use Test::More;
use Time::HiRes qw(time);

my $node = zdm_node('main', conf => <<'EOS');
zdm.batch_rest = 0
zdm.max_growth = -1
autovacuum_naptime = 1s
log_autovacuum_min_duration = -1
EOS

sub sql
{
	return $node->safe_psql('postgres', @_);
}

sub waiting_for
{
	my ($label, $what) = @_;

	return wait_for("$label to wait for $what",
		sub { sql("SELECT waiting_for FROM zdm.progress WHERE label = '$label'") =~ $what && $& });
}

# quick(statement): it is done while a worker waits, and stands in no queue for long.
sub quick
{
	my ($statement, $name) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "SET lock_timeout = '2s'; $statement");

	is($code, 0, $name) or diag($err);
	return;
}

# ---------------------------------------------------------------------------
# DETACH PARTITION: someone reads the partition, then someone has an old snapshot

sql(<<'EOS');
CREATE TABLE p (id int, v int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
INSERT INTO p SELECT i, i FROM generate_series(0, 19) i;
EOS

my $reader = start_psql($node);
my $pid = $reader->query_safe('SELECT pg_backend_pid();');
$reader->query_safe("SET application_name = 'report'; BEGIN; SELECT count(*) FROM p1;");
sql("SELECT zdm.migrate('ALTER TABLE p DETACH PARTITION p1', label => 'detach')");
like(
	waiting_for('detach', qr/ACCESS EXCLUSIVE lock on .*p1, held by pid $pid \([^)]*\)/),
	qr/report, idle in transaction since \d{4}-/,
	'detach: what waits for a reader of the partition names it');
quick('SELECT count(*) FROM p1', 'detach: others read the partition');
quick('INSERT INTO p1 VALUES (5, 5)', 'detach: others write it');
is(sql('SELECT count(*) FROM p WHERE id < 10'), 0, 'detach: the table has it no longer');
my ($code, undef, $err) = $node->psql('postgres', "SELECT zdm.revert('detach')");
like($err, qr/is being detached, which PostgreSQL can only finish/, 'detach: what cannot be taken back says so');
$reader->query_safe('COMMIT');
wait_for_state($node, 'detach', 'completed');
is(sql('SELECT count(*) FROM p1'), 11, 'detach: done, with all rows');

# snapshots from before are waited for with no lock in hand, new ones are not
$reader->query_safe('BEGIN; SELECT count(*) FROM p;');
sql("SELECT zdm.migrate('ALTER TABLE p DETACH PARTITION p2', label => 'pending')");
wait_for('the detaching to be committed',
	sub { sql("SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'p2'::regclass") eq 't' });
like(waiting_for('pending', qr/pid $pid .*, which holds a lock/), qr/report/, 'pending: a user of the table is named');
my $writer = start_psql($node);
$writer->query_safe('CREATE TABLE other (x int); BEGIN; INSERT INTO other VALUES (1);');
my $old = start_psql($node);
$pid = $old->query_safe('SELECT pg_backend_pid();');
$old->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;");
# the worker is started again in the midst of it
sql("SELECT zdm.pause('pending')");
wait_for('the worker to leave', sub { sql("SELECT worker IS NULL FROM zdm.progress WHERE label = 'pending'") eq 't' });
$reader->query_safe('COMMIT');
sql("SELECT zdm.resume('pending')");
waiting_for('pending', qr/snapshots from before the partition was being detached, of pid $pid /);
quick('SELECT count(*) FROM p2', 'pending: others read the partition');
my $new = start_psql($node);
$new->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;");
$old->query_safe('COMMIT');
wait_for_state($node, 'pending', 'completed');
is(sql('SELECT count(*) FROM pg_inherits'), 0, 'pending: done, beside a snapshot that came later');
$_->quit for $old, $new, $writer, $reader;

# ---------------------------------------------------------------------------
# autovacuum

sql(<<'EOS');
CREATE TABLE big (id int PRIMARY KEY, a text, b int, c int, d int DEFAULT 1) WITH (autovacuum_enabled = off,
	autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,
	autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
INSERT INTO big SELECT i, i, i, i FROM generate_series(1, 20000) i;
UPDATE big SET b = 1;
EOS

sub vacuumed
{
	my ($for) = @_;

	sql('ALTER TABLE big SET (autovacuum_enabled = on)');
	return wait_for("autovacuum $for",
		sub { sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE '%big%'") });
}

# A SHARE UPDATE EXCLUSIVE lock of ours, and stronger ones
my $vacuum = vacuumed('of the table');
sql("SELECT zdm.migrate('ALTER TABLE big ADD CHECK (b > 0)', label => 'check')");
wait_for_state($node, 'check', 'completed');
pass('autovacuum: a strong lock is had');
like(slurp_file($node->logfile), qr/cancelled autovacuum of public\.big, pid $vacuum|canceling autovacuum task/, 'autovacuum: that is in the log');
vacuumed('again');
sql("SELECT zdm.migrate('ALTER TABLE big ALTER b SET STATISTICS 50', label => 'weak')");
wait_for_state($node, 'weak', 'completed');
pass('autovacuum: a weak lock is had');

# ---------------------------------------------------------------------------
# two workers on one table

sql('ALTER TABLE big SET (autovacuum_enabled = off)');
$node->psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'");
sql(<<'EOS');
SELECT zdm.migrate('CREATE INDEX big_a ON big (a)', label => 'w1');
SELECT zdm.migrate('ALTER TABLE big ADD CHECK (c > 0)', label => 'w2');
SELECT zdm.migrate('CREATE INDEX big_b ON big (b)', label => 'w3');
SELECT zdm.set_not_null('big', 'd', label => 'w4');
EOS
wait_for_state($node, $_, 'completed') for qw(w1 w2 w3 w4);
sql(<<'EOS');
SELECT zdm.revert('w1');
SELECT zdm.revert('w3');
SELECT zdm.migrate('REINDEX TABLE big', label => 'w5');
SELECT zdm.migrate('CREATE INDEX big_cd ON big (c, d)', label => 'w6');
EOS
wait_for_state($node, $_, 'reverted') for qw(w1 w3);
wait_for_state($node, $_, 'completed') for qw(w5 w6);
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'two workers on one table: no deadlock');

# ---------------------------------------------------------------------------
# rows that others have locked, by one lock or by several

my @holder = map { start_psql($node) } 1 .. 3;
my @pid = map { $_->query_safe('SELECT pg_backend_pid();') } @holder;
$holder[0]->query_safe('BEGIN; SELECT id FROM big WHERE id = 100 FOR UPDATE;');
$holder[1]->query_safe("SET application_name = 'queue'; BEGIN; SELECT id FROM big WHERE id = 200 FOR SHARE;");
$holder[2]->query_safe('BEGIN; SAVEPOINT a; SELECT id FROM big WHERE id = 200 FOR SHARE;');
sql("SELECT zdm.backfill('big', 'b = 2', 'b = 1', label => 'rows')");
waiting_for('rows', qr/rows locked by other transactions: .*pid $pid[0] /);
my $who = waiting_for('rows', qr/rows locked by other transactions: .*pid $pid[1] .*/);
like($who, qr/pid $_ \(/, "locked rows: pid $_ is named") for @pid;
like($who, qr/queue, idle in transaction since/, 'locked rows: with what it is and does');
wait_for('locked rows: since when', sub { sql("SELECT waiting_since FROM zdm.progress WHERE label = 'rows'") });
wait_for('a log line', sub { slurp_file($node->logfile) =~ /migration \d+ on public\.big has waited \d+ s for .*rows locked/ });
pass('locked rows: after a while the log says so');
$_->query_safe('COMMIT;') for @holder;
wait_for_state($node, 'rows', 'completed');
$_->quit for @holder;

# ---------------------------------------------------------------------------
# a statement CONCURRENTLY that waits says so, but not without end

sql('CREATE TABLE told (id int PRIMARY KEY, v int); INSERT INTO told VALUES (1, 1)');
my $writer = start_psql($node);
$writer->query_safe('BEGIN; UPDATE told SET v = 2;');
my $offset = -s $node->logfile;
sql("SELECT zdm.migrate('CREATE INDEX told_v ON told (v)', label => 'told')");
wait_for('a wait of three seconds',
	sub { sql("SELECT count(*) FROM pg_locks WHERE locktype = 'virtualxid' AND NOT granted AND waitstart < clock_timestamp() - interval '3 s'") == 1 });
my $told = () = slurp_file($node->logfile, $offset) =~ /pg_zdm worker .*LOG:  process \d+ still waiting for ShareLock on virtual transaction/g;
cmp_ok($told, '>', 0, 'a wait that lasts is told to the log');
cmp_ok($told, '<', 10, 'and not each time that the worker looks');
$writer->query_safe('COMMIT;');
wait_for_state($node, 'told', 'completed');
$writer->quit;

# ---------------------------------------------------------------------------
# more partitions than can be locked

$node->append_conf('postgresql.conf', <<'EOS');
max_connections = 10
max_prepared_transactions = 0
max_worker_processes = 8
max_wal_senders = 0
wal_level = replica
max_locks_per_transaction = 10
EOS
$node->restart;
$node->safe_psql('postgres', "CREATE TABLE many (id int, v int) PARTITION BY RANGE (id);\n" . join('',
	map { "CREATE TABLE many_$_ PARTITION OF many FOR VALUES FROM ($_) TO ($_ + 1); CREATE INDEX ON many_$_ (v);\n" } 1 .. 220));
for my $call ("zdm.migrate('ALTER TABLE many ADD CHECK (v > 0)')", "zdm.change_column_type('many', 'v', 'bigint')")
{
	($code, undef, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT $call");
	like($err, qr/53200: public\.many, its partitions and their indexes are too many to be locked at once/, "many partitions: $call");
	like($err, qr/They are 441, .*Set max_locks_per_transaction, which is 10, to at least \d\d /s, 'many partitions: what to set, to what');
}
($code, undef, $err) = $node->psql('postgres', "SELECT zdm.migrate('ALTER TABLE many_1 ADD CHECK (v > 0)')");
unlike($err, qr/53200|too many/, 'many partitions: a small part of them is none');

$node->stop;
done_testing();
