# 032_guard_timeouts.pl: how long DDL waits for its lock, and how long it may
# hold it; and what the server's log says of the guard.

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('timeouts');

$node->safe_psql('postgres', q{
	CREATE TABLE big (id int PRIMARY KEY, n int);
	INSERT INTO big SELECT g, g FROM generate_series(1, 50000) g;
	CREATE TABLE small (id int PRIMARY KEY);
});

my $settings = "SET zdm.guard = refuse; SET zdm.guard_min_size = '512kB';";

# Runs a script; returns the SQLSTATE of its error, or an empty string.
sub state_of
{
	my ($script, $setup) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n" . ($setup // $settings) . $script);

	return $err =~ /(?:ERROR|FATAL):\s+(\w{5})/ ? $1 : '';
}

sub waits_for_lock
{
	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '$_[0]%'");
}

# the wait: ended by zdm.ddl_lock_timeout unless the session has its own
my $holder = start_psql($node);
$holder->query_safe('BEGIN; LOCK TABLE big IN ROW EXCLUSIVE MODE');
is(state_of("SET zdm.ddl_lock_timeout = '100ms'; ALTER TABLE big ADD COLUMN a int;"),
	'55P03', 'DDL does not queue for longer than zdm.ddl_lock_timeout');
is(state_of("SET zdm.guard_min_size = '1GB'; SET zdm.ddl_lock_timeout = '100ms'; SET statement_timeout = '20s'; REINDEX TABLE big;"),
	'55P03', 'nor does REINDEX of one table');
is(state_of("SET zdm.ddl_lock_timeout = '1h'; SET lock_timeout = '100ms'; ALTER TABLE big ADD COLUMN a int;"),
	'55P03', "the session's own lock_timeout stands");
is(state_of("SET zdm.ddl_lock_timeout = 0; SET statement_timeout = '300ms'; ALTER TABLE big ADD COLUMN a int;"),
	'57014', '0 leaves lock_timeout alone');
is($node->safe_psql('postgres', "$settings SET zdm.ddl_lock_timeout = '5s'; ALTER TABLE small ADD COLUMN a int; SHOW lock_timeout"),
	'0', 'the setting is there only for the statement');

# CONCURRENTLY is exempt: it waits for the holder to end, however long
my $concurrent = start_psql($node);
$concurrent->query_until(qr/go/, "$settings SET zdm.ddl_lock_timeout = '50ms';\n\\echo go\nCREATE INDEX CONCURRENTLY big_n ON big (n);\n");
wait_for('CREATE INDEX CONCURRENTLY to wait', sub { waits_for_lock('CREATE INDEX CONCURRENTLY') });
$holder->query_safe('COMMIT');
wait_for('the index to be valid', sub {
	$node->safe_psql('postgres', "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('big_n')") eq 't';
});
$concurrent->quit;
pass('CREATE INDEX CONCURRENTLY waits for writers');

# the hold: a statement after the DDL, the DDL's own work, an idle session
$settings .= "SET zdm.ddl_hold_timeout = '300ms';";
is(state_of('BEGIN; ALTER TABLE big ADD COLUMN b int; SELECT pg_sleep(60);'),
	'ZD002', 'a transaction that blocks a table is cancelled');
is(state_of('BEGIN; ALTER TABLE big ADD COLUMN b int; SAVEPOINT a; SELECT 1/0; ROLLBACK TO a; SELECT pg_sleep(60);'),
	'22012', 'an error comes first');
is(state_of("DO 'BEGIN ALTER TABLE big ADD COLUMN b int; BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN OTHERS THEN NULL; END; END';"),
	'ZD002', 'code cannot catch it');
$node->safe_psql('postgres', q{
	CREATE FUNCTION alter_and_sleep() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		ALTER TABLE big ADD COLUMN b int;
		PERFORM pg_sleep(60);
	EXCEPTION WHEN OTHERS THEN NULL;
	END $$;
	CREATE FUNCTION alter_and_stay() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		ALTER TABLE big ADD COLUMN b int;
		FOR try IN 1 .. 1000 LOOP
			BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END;
			EXIT WHEN try = 3;
		END LOOP;
		PERFORM pg_sleep(60);
	END $$;
});
is(state_of('SELECT alter_and_sleep();'), 'ZD002', 'nor in a function that a query calls');
is(state_of('SELECT alter_and_stay();'), 'ZD002', 'and who catches cancellations is cancelled again');
is(state_of('SET log_min_messages = panic; SELECT alter_and_sleep();'), 'ZD002', 'also where the server logs no errors');
is(state_of('BEGIN; ALTER TABLE small ADD COLUMN b int; SELECT pg_sleep(0.6); ROLLBACK;'),
	'', 'a small table may be held');
is(state_of("SET zdm.ddl_hold_timeout = 0; BEGIN; ALTER TABLE big ADD COLUMN b int; SELECT pg_sleep(0.6); ROLLBACK;"),
	'', '0 turns it off');
is(state_of("BEGIN; SET LOCAL zdm.guard = off; ALTER TABLE big ADD COLUMN b int; SELECT pg_sleep(0.6); ROLLBACK;"),
	'', 'and so does zdm.guard = off');
is(state_of('BEGIN; ALTER TABLE big ADD COLUMN b int; ROLLBACK; SELECT pg_sleep(0.6);'),
	'', 'the clock stops with the transaction');
is(state_of('BEGIN; SELECT count(*) FROM big; SELECT pg_sleep(0.6); COMMIT;'),
	'', 'without DDL there is no clock');

my $idle = start_psql($node);
$idle->query_safe("$settings BEGIN; ALTER TABLE big ADD COLUMN b int");
my $offset = -s $node->logfile;
wait_for('the idle session to be ended', sub {
	slurp_file($node->logfile, $offset) =~ /FATAL: .*transaction held ACCESS EXCLUSIVE on public\.big/;
});
pass('a session that is idle in its transaction is ended');
eval { $idle->quit };
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_attribute WHERE attrelid = 'big'::regclass AND attname = 'b'"),
	'0', 'nothing of it is left');

# the clock does not count the wait for the lock
$holder->query_safe('BEGIN; LOCK TABLE big IN ROW EXCLUSIVE MODE');
my $waiter = start_psql($node);
$waiter->query_until(qr/go/, "$settings SET zdm.ddl_lock_timeout = 0;\n\\echo go\nALTER TABLE big ADD COLUMN w int;\n");
wait_for('ALTER TABLE to wait', sub { waits_for_lock('ALTER TABLE big ADD COLUMN w') });
$node->safe_psql('postgres', 'SELECT pg_sleep(0.8)');
is(waits_for_lock('ALTER TABLE big ADD COLUMN w'), '1', 'waiting is not holding');
$holder->query_safe('COMMIT');
$holder->quit;
$waiter->quit;
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_attribute WHERE attrelid = 'big'::regclass AND attname = 'w'"),
	'1', 'and the statement was run');

# the log, when the guard is off though it is on by default
$node->append_conf('postgresql.conf', "zdm.guard = refuse\nzdm.guard_min_size = '512kB'");
$node->reload;
wait_for('the setting to arrive', sub { $node->safe_psql('postgres', 'SHOW zdm.guard') eq 'refuse' });
$offset = -s $node->logfile;
is(state_of('CREATE INDEX ON big (n);', ''), 'ZD001', 'refused by default');
is(state_of('BEGIN; SET LOCAL zdm.guard = off; CREATE INDEX ON big (n); COMMIT;', ''), '', 'let through by SET LOCAL');
like(slurp_file($node->logfile, $offset), qr/LOG: .*zdm\.guard is off, which lets through what is refused by rule index-not-concurrent/, 'which the log tells');
$node->safe_psql('postgres', 'CREATE ROLE deployer SUPERUSER LOGIN; ALTER ROLE deployer SET zdm.guard = off');
my ($code, $out, $err) = $node->psql('postgres', 'CREATE INDEX ON big (id, n)', extra_params => [ '-U', 'deployer' ]);
is($code, 0, 'a role can be given another default');
$node->stop;
done_testing();
