# 090_stops.pl: what holds a backfill, each with the real thing: a standby that is
# stopped, a slot that nobody reads, an archiver that fails, a prepared
# transaction, a small disk, a query, a window.  Each hold is shown
# with its reading and limit, is counted, and ends when its cause does.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('primary', extension => 0, conf => <<'EOC');
wal_level = logical
max_wal_senders = 5
max_replication_slots = 5
max_prepared_transactions = 5
autovacuum = off
zdm.guard = off
zdm.batch_rest = 0
EOC
my $label = 0;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sql('CREATE EXTENSION pg_zdm');

# What the migration waits for, once it says something that matches.
sub holds_for
{
	my ($id, $pattern) = @_;
	my $said;

	eval {
		wait_for("migration $id to hold for $pattern",
			sub { ($said = sql("SELECT waiting_for FROM zdm.progress WHERE id = $id")) =~ $pattern });
	};
	die "$@ it is " . sql("SELECT p FROM zdm.progress p WHERE id = $id") . sql("SELECT m.error FROM zdm.migrations m WHERE id = $id") if $@;
	return $said;
}

sub counted { return sql("SELECT coalesce((holds ->> '$_[1]')::int, 0) FROM zdm.migrations WHERE id = $_[0]") }

# A table of 40,000 rows, and a migration that fills in a column of it.
sub begin
{
	my ($settings) = @_;
	my $table = 't' . ++$label;

	sql("CREATE TABLE $table (id int PRIMARY KEY, a text NOT NULL, pad text); "
		  . "INSERT INTO $table SELECT i, 'v' || i, repeat('x', 100) FROM generate_series(1, 40000) i");
	return ($table, sql("$settings SELECT zdm.rename_column('$table', 'a', 'b')"));
}

sub ends_well
{
	my ($table, $id, $stop) = @_;

	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, $table, 'a', 'b'), 0, "$stop: it went on when its cause was gone");
	is(sql("SELECT holds::text FROM zdm.migrations WHERE id = $id"), "{\"$stop\": 1}", "$stop: and was counted");
}

# --- a window, and settings that are settled when the migration is stated
{
	# an hour or two away, whatever time it is
	my $hour = sql("SELECT to_char(now() AT TIME ZONE 'Asia/Tokyo' + interval '2 hours', 'HH24')");
	my ($table, $id) = begin(
		"SET TimeZone = 'Asia/Tokyo'; SET zdm.batch_window = '$hour:00-$hour:01, $hour:01-$hour:02';"
		  . "SET zdm.not_before = '2199-01-01 00:00';");

	like(sql("SELECT settings ->> 'zdm.batch_window' FROM zdm.migrations WHERE id = $id"),
		qr{^$hour:00-$hour:01 Asia/Tokyo, $hour:01-$hour:02 Asia/Tokyo$}, 'a window is by the clock of who stated it');
	my ($opens) = holds_for($id, qr/window/) =~ /^the next batch window, at (.+) \(zdm.batch_window is "$hour:00-$hour:01 Asia/;

	ok($opens, 'it waits for its window');
	is(sql("SELECT ('$opens'::timestamptz AT TIME ZONE 'Asia/Tokyo')::time"), "$hour:00:00", 'and says when that opens');
	sql("SELECT zdm.configure($id, 'batch_window', '')");
	ends_well($table, $id, 'batch_window');

	sql("SELECT zdm.cutover($id)");
	like(holds_for($id, qr/its time/), qr/zdm.not_before is 2199-01-01 00:00:00/, 'a cutover waits for its time');
	is(migration_state($node, $id), 'cutting_over', 'and has not been done');
	sql("SELECT zdm.configure($id, 'not_before', 'yesterday')");
	wait_for_state($node, $id, 'switched');
	my ($code, undef, $error) = $node->psql('postgres', "SET zdm.not_before = 'some day'; SELECT zdm.rename_column('$table', 'pad', 'p')");
	like($error, qr/ERROR:  invalid input syntax for type timestamp with time zone: "some day"/, 'a time that is none is an error at the call');
}

# --- in a window, traffic may be kept waiting for longer: behind a transaction that is
# older than zdm.lock_wait, the request stands in the queue
{
	my $reader = start_psql($node, 'postgres');

	sql('CREATE TABLE read (id int PRIMARY KEY, a text)');
	$reader->query_safe('BEGIN; SELECT count(*) FROM read');
	my $id = sql("SET zdm.batch_window = '00:00-24:00'; SET zdm.window_lock_wait = '1h'; SELECT zdm.rename_column('read', 'a', 'b')");

	wait_for('the worker to queue', sub { sql(<<'EOC') });
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE backend_type = 'pg_zdm worker' AND relation = 'read'::regclass
AND mode = 'AccessExclusiveLock' AND NOT granted AND waitstart < clock_timestamp() - interval '200 ms'
EOC
	pass('a window has a zdm.lock_wait of its own');
	$reader->query_safe('COMMIT');
	$reader->quit;
	wait_for_state($node, $id, 'ready');
}

# --- a small disk: it is never as large as that
{
	my ($table, $id) = begin("SET zdm.min_free_disk = '1000TB';");

	like(holds_for($id, qr/file system/),
		qr/^the file system of "base", which has \d+ MB free; \d+ MB are still to be written \(zdm.min_free_disk is 1048576000 MB; it goes on with 1497965714 beside them\)$/,
		'it says which file system, what it has and what is needed');
	sql("SELECT zdm.configure($id, 'min_free_disk', '1MB')");
	ends_well($table, $id, 'min_free_disk');
}

# --- a query of one's own: whatever is not a clear no, holds; it may not write, and
# has a second, and the owner's rights
{
	sql('CREATE ROLE tenant LOGIN; CREATE SCHEMA own AUTHORIZATION tenant; CREATE TABLE busy (b boolean); CREATE TABLE own.busy (b boolean);'
		  . 'ALTER TABLE own.busy OWNER TO tenant; GRANT USAGE ON SCHEMA public TO tenant');
	sql("SET ROLE tenant; CREATE TABLE own.t (id int PRIMARY KEY, a text); INSERT INTO own.t SELECT i, i FROM generate_series(1, 10) i; INSERT INTO own.busy VALUES (true)");
	my $id = sql("SET ROLE tenant; SET zdm.hold_when = 'SELECT b FROM own.busy'; SELECT zdm.rename_column('own.t', 'a', 'b')");

	holds_for($id, qr/^the query of zdm.hold_when, which says so$/);
	for (
		[ 'SELECT NULL::bool', qr/gives no answer/ ],
		[ 'SELECT b FROM own.busy WHERE false', qr/gives no answer/ ],
		[ 'SELECT 1', qr/fails: it does not give one boolean/ ],
		[ 'SELECT b FROM nowhere', qr/fails: relation "nowhere" does not exist/ ],
		[ 'SELECT b FROM public.busy', qr/fails: permission denied for table busy/ ],
		[ 'SELECT false FROM pg_sleep(5)', qr/fails: canceling statement due to/ ],
		[ 'DELETE FROM own.busy RETURNING b', qr/fails: .*DELETE/ ],
		[ q{SELECT setval('x', 1) > 0}, qr/fails: relation "x" does not exist/ ])
	{
		my ($query, $said) = @$_;

		$query =~ s/'/''/g;
		sql("SELECT zdm.configure($id, 'hold_when', '$query')");
		like(holds_for($id, $said), $said, "it holds for: $_->[0]");
	}
	is(sql('SELECT count(*) FROM own.busy'), 1, 'nothing was written');
	sql("UPDATE own.busy SET b = false; SELECT zdm.configure($id, 'hold_when', 'SELECT b FROM own.busy')");
	wait_for_state($node, $id, 'ready');
	is(sql('SELECT count(*) FROM own.t WHERE b IS DISTINCT FROM a'), 0, 'and goes on when it says no');
}

# --- a slot that nobody reads
{
	sql("SELECT pg_create_physical_replication_slot('forgotten', true)");
	sql('CREATE TABLE wal AS SELECT i, repeat(md5(i::text), 20) AS t FROM generate_series(1, 20000) i');
	my ($table, $id) = begin("SET zdm.max_slot_wal = '8MB';");

	like(holds_for($id, qr/slot/), qr/^replication slot "forgotten", which keeps back \d+ MB of WAL \(zdm.max_slot_wal is 8 MB; it goes on at 5.6\)$/, 'it names the slot');
	is(sql("SELECT rows_done FROM zdm.progress WHERE id = $id"), 0, 'and has written nothing');
	sql("SELECT pg_drop_replication_slot('forgotten')");
	ends_well($table, $id, 'max_slot_wal');
}

# --- a slot that the server will not keep for ever is not run over; a lost one is named
{
	sql("ALTER SYSTEM SET max_slot_wal_keep_size = '48MB'");
	sql('SELECT pg_reload_conf()');
	sql("SELECT pg_create_physical_replication_slot('bounded', true)");
	my ($table, $id) = begin('');

	sql("INSERT INTO wal SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 40000) i");
	($table, $id) = begin('');
	like(holds_for($id, qr/slot/), qr/^replication slot "bounded", which keeps back \d+ MB of WAL \(half of what max_slot_wal_keep_size leaves it is \d+ MB; it goes on at [\d.]+\)$/, 'half of what it is given is left to it');
	isnt(sql("SELECT wal_status FROM pg_replication_slots"), 'lost', 'it is not lost');
	sql("INSERT INTO wal SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 150000) i");
	sql('CHECKPOINT');
	is(sql("SELECT wal_status FROM pg_replication_slots"), 'lost', 'until others have written as much');
	like(holds_for($id, qr/lost/), qr/^replication slot "bounded", which is lost: SELECT pg_drop_replication_slot\('bounded'\)$/, 'a lost one is no slot without WAL');
	sql("SELECT pg_drop_replication_slot('bounded')");
	wait_for_state($node, $id, 'ready');
	sql('ALTER SYSTEM RESET max_slot_wal_keep_size');
	sql('SELECT pg_reload_conf()');
}

# --- a prepared transaction holds the xmin horizon: the table may grow by so much;
# slowly, since it is not looked at for each batch
{
	sql("BEGIN; CREATE TABLE other (); PREPARE TRANSACTION 'old'");
	my ($table, $id) = begin("SET zdm.max_growth = 5; SET zdm.batch_rest = 10;");

	like(holds_for($id, qr/horizon/),
		qr/^prepared transaction 'old', which holds the xmin horizon back: the table has grown by \d+ % since \(zdm.max_growth is 5; it goes on at 3.5\)$/,
		'it names who holds the horizon');

	# within the limit, but not by much, and for another worker too
	my ($grown) = holds_for($id, qr/grown/) =~ /grown by (\d+) %/;
	my $worker = sql("SELECT worker FROM zdm.progress WHERE id = $id");

	sql("SELECT zdm.configure($id, 'max_growth', '" . ($grown + 1) . "')");
	like(holds_for($id, qr/horizon.*zdm.max_growth is @{[$grown + 1]};/), qr/grown by $grown %/, 'a hold lasts until it is clearly over');
	sql("SELECT pg_terminate_backend($worker)");
	wait_for('another worker', sub { (sql("SELECT worker FROM zdm.progress WHERE id = $id") || $worker) != $worker });
	sql("SELECT zdm.configure($id, 'max_growth', '" . ($grown + 2) . "')");
	like(holds_for($id, qr/zdm.max_growth is @{[$grown + 2]};/), qr/grown by $grown %/, 'which another worker goes on with');
	sql("COMMIT PREPARED 'old'");
	ends_well($table, $id, 'max_growth');
}

# --- an archiver that fails, then succeeds once: it waits for a file of each segment's
# name, and fails if that is not empty
{
	my $told = PostgreSQL::Test::Utils::tempdir;
	my $tell = sub { append_to_file("$told/$_[0]", $_[1]) };
	my $switch = sub { return sql('CREATE TABLE s' . ++$label . ' (); SELECT pg_walfile_name(pg_switch_wal())') };

	sql("ALTER SYSTEM SET archive_mode = on");
	sql("ALTER SYSTEM SET archive_command = 'until test -e $told/%f; do sleep 0.1; done; ! test -s $told/%f'");
	$node->restart;
	my $first = $switch->();
	$tell->($first, 'fail');
	wait_for('the archiver to fail', sub { sql('SELECT failed_count > 0 FROM pg_stat_archiver') eq 't' });
	my ($table, $id) = begin('');

	like(holds_for($id, qr/archiver/),
		qr/^the archiver, which fails; \d+ MB of WAL wait for it \(it goes on when none does, or 60 s after a failure\)$/, 'it waits for the archiver');
	truncate("$told/$first", 0) or die "cannot empty $told/$first: $!";
	my $second = $switch->();
	like(holds_for($id, qr/has failed/), qr/^the archiver, which has failed; \d+ MB of WAL wait for it/, 'one segment is not enough');
	sql("ALTER SYSTEM SET archive_command = 'true'");
	sql('SELECT pg_reload_conf()');
	$tell->($second, '');
	ends_well($table, $id, 'max_archive_backlog');
}

# --- a reading that cannot be had
SKIP:
{
	my $status = $node->data_dir . '/pg_wal/archive_status';

	skip 'the superuser reads everything', 3 if $> == 0;
	chmod 0, $status or die "cannot close $status: $!";
	my ($table, $id) = begin('');

	like(holds_for($id, qr/reading/), qr/^a reading that cannot be had: could not open directory "pg_wal\/archive_status": Permission denied$/, 'what cannot be read is a stop');
	chmod 0700, $status or die "cannot open $status: $!";
	ends_well($table, $id, 'max_archive_backlog');
}

# --- transaction ids come to an end: as near as the server is told to count
{
	sql('ALTER SYSTEM SET vacuum_failsafe_age = 100');
	sql('SELECT pg_reload_conf()');
	sql('DO $$ BEGIN FOR i IN 1 .. 200 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$');
	my ($table, $id) = begin('');

	like(holds_for($id, qr/wraparound/),
		qr/^the wraparound of transaction ids in database "\w+", which is near: their age is \d+ \(the limit is 100; it goes on at 70\)$/, 'it says whose, how near and the limit');
	my $limit = sql('SELECT max(age(datfrozenxid)) * 6 / 5 FROM pg_database');
	sql("ALTER SYSTEM SET vacuum_failsafe_age = $limit");
	sql('SELECT pg_reload_conf()');
	like(holds_for($id, qr/the limit is $limit;/), qr/^the wraparound of transaction ids/, 'and holds until it is clearly over');
	sql('ALTER SYSTEM RESET vacuum_failsafe_age');
	sql('SELECT pg_reload_conf()');
	ends_well($table, $id, 'wraparound');
}

# --- multixacts too: a lock of a subtransaction beside that of its parent makes one
{
	sql('ALTER SYSTEM SET vacuum_multixact_failsafe_age = 100');
	sql('SELECT pg_reload_conf()');
	sql(<<'EOC');
CREATE TABLE locked (i int PRIMARY KEY);
INSERT INTO locked SELECT generate_series(1, 200);
DO $$ BEGIN FOR n IN 1 .. 200 LOOP
	PERFORM FROM locked WHERE i = n FOR SHARE;
	BEGIN PERFORM FROM locked WHERE i = n FOR UPDATE; EXCEPTION WHEN division_by_zero THEN NULL; END;
END LOOP; END $$;
EOC
	my ($table, $id) = begin('');

	like(holds_for($id, qr/wraparound/),
		qr/^the wraparound of multixacts in database "\w+", which is near: their age is \d+ \(the limit is 100; it goes on at 70\)$/, 'multixacts come to an end as well');
	my $limit = sql('SELECT max(mxid_age(datminmxid)) * 6 / 5 FROM pg_database');
	sql("ALTER SYSTEM SET vacuum_multixact_failsafe_age = $limit");
	sql('SELECT pg_reload_conf()');
	like(holds_for($id, qr/the limit is $limit;/), qr/^the wraparound of multixacts/, 'and it holds until it is clearly over');
	sql('ALTER SYSTEM RESET vacuum_multixact_failsafe_age');
	sql('SELECT pg_reload_conf()');
	ends_well($table, $id, 'wraparound');
}

# --- a database that is read-only
{
	my ($table, $id) = begin("SET zdm.batch_window = '00:00-00:01';");

	holds_for($id, qr/window/);
	sql('ALTER DATABASE postgres SET default_transaction_read_only = on');
	like(holds_for($id, qr/read_only/), qr/^default_transaction_read_only: it is on$/, 'what is read-only is not written to');
	sql('SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only');
	holds_for($id, qr/window/);
	is(counted($id, 'read_only'), 1, 'and is counted');
	sql("SELECT zdm.configure($id, 'batch_window', '')");
	wait_for_state($node, $id, 'ready');
}

# --- the vacuum that prevents it is at the table: slow, so as to be met
{
	my ($table, $id) = begin("SET zdm.batch_window = '00:00-00:01';");

	sql("ALTER TABLE $table SET (autovacuum_freeze_max_age = 100000, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)");
	sql(<<'EOC');
CREATE TABLE burnt (i int);
DO $$ BEGIN FOR i IN 1 .. 101000 LOOP
	BEGIN INSERT INTO burnt VALUES (i); EXCEPTION WHEN division_by_zero THEN NULL; END;
END LOOP; END $$;
ALTER SYSTEM SET autovacuum_naptime = '1s';
ALTER SYSTEM SET autovacuum = on;
EOC
	sql('SELECT pg_reload_conf()');
	wait_for('the vacuum', sub { sql("SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = '$table'::regclass") });
	sql("SELECT zdm.configure($id, 'batch_window', '')");
	like(holds_for($id, qr/autovacuum/), qr/^the autovacuum of (public\.)?$table \(pid \d+\), to prevent wraparound$/, 'it is not disturbed');
	sql("ALTER SYSTEM SET autovacuum = off");
	sql('SELECT pg_reload_conf()');
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_progress_vacuum");
	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, $table, 'a', 'b'), 0, 'wraparound_vacuum: it went on when its cause was gone');
	is(counted($id, 'wraparound_vacuum'), 1, 'wraparound_vacuum: and was counted');
}

# --- a standby that has stopped answering
{
	$node->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new('standby');

	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->append_conf('postgresql.conf', "shared_preload_libraries = ''\nwal_receiver_status_interval = 1s");
	$standby->start;
	$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
	my $receiver = $standby->safe_psql('postgres', 'SELECT pid FROM pg_stat_wal_receiver');

	kill 'STOP', $receiver or die "cannot stop $receiver: $!";
	my ($table, $id) = begin("SET zdm.max_replica_lag = '1s'; SET zdm.max_wal_rate = 300000;");

	like(holds_for($id, qr/standby/),
		qr/^standby "standby", which has not confirmed WAL that is \d{4,} ms old, \d+ MB of it \(zdm.max_replica_lag is 1000 ms; it goes on at 700\)$/,
		'one that says nothing is late, by the age of what it has not confirmed');
	kill 'CONT', $receiver;
	sql("SELECT zdm.configure($id, 'max_wal_rate', '0')");
	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, $table, 'a', 'b'), 0, 'max_replica_lag: it went on when its cause was gone');
	cmp_ok(counted($id, 'max_replica_lag'), '>=', 1, 'and was counted');

	kill 'STOP', $receiver;
	# not transactional: nothing is decoded, and the WAL is there at once
	sql("SELECT pg_logical_emit_message(false, 'zdm', repeat('x', 3000000)); SELECT pg_switch_wal()");
	($table, $id) = begin("SET zdm.max_replica_lag = '1h'; SET zdm.max_replica_lag_size = '2MB';");
	like(holds_for($id, qr/standby/),
		qr/^standby "standby", which has not confirmed \d+ MB of WAL \(zdm.max_replica_lag_size is 2 MB; it goes on at 1.4\)$/,
		'it is late by the amount, too');
	kill 'CONT', $receiver;
	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, $table, 'a', 'b'), 0, 'max_replica_lag_size: it went on when its cause was gone');
	cmp_ok(counted($id, 'max_replica_lag_size'), '>=', 1, 'and was counted');
	$standby->stop;
}

done_testing();
