# 033_guard_attempt.pl: an error that comes while the guard or zdm.check looks
# is the statement's error and leaves nothing behind: the session goes on, tries
# again and leaves as any other does.  All of it in one session, as a pooled
# connection has it.

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('attempt', conf => 'zdm.guard = refuse');

$node->safe_psql('postgres', q{
	CREATE TABLE big (id int PRIMARY KEY, n int);
	CREATE TABLE other (id int);
});

my $holder = start_psql($node);

# Runs a script in one session while the holder keeps everybody from "big"; each
# statement by itself, whatever the earlier ones did.
sub locked_out
{
	my ($script) = @_;
	my ($code, $out, $err);

	$holder->query_safe('BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE');
	$code = $node->psql('postgres', "\\set VERBOSITY sqlstate\n\\pset tuples_only on\n$script",
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	$holder->query_safe('ROLLBACK');
	$err =~ s/^psql:<stdin>:\d+: //mg;
	return ($code, $out, $err);
}

# After the error: a query, a lone ROLLBACK, no transaction that is still open,
# a write that is there for others, and the way out.
my $goes_on = q{
	SELECT 'goes on';
	ROLLBACK;
	SELECT pg_current_xact_id_if_assigned() IS NULL, count(*) FROM pg_locks
		WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation <> 'pg_locks'::regclass;
	INSERT INTO other VALUES (1);
};

my %limits = (
	lock_timeout => [ "SET lock_timeout = '100ms';", '55P03' ],
	statement_timeout => [ "SET zdm.ddl_lock_timeout = 0; SET statement_timeout = '200ms';", '57014' ],
	'zdm.ddl_lock_timeout' => [ "SET zdm.ddl_lock_timeout = '100ms';", '55P03' ],
);
my %statements = (
	'DDL' => 'ALTER TABLE big ADD COLUMN x int;',
	'DDL that is only warned of' => 'SET zdm.guard = warn; ALTER TABLE big ADD COLUMN x int;',
	'zdm.check' => "SELECT count(*) FROM zdm.check('ALTER TABLE big ADD COLUMN x int');",
	'zdm.check of code' => "SELECT count(*) FROM zdm.check('DO \$\$ BEGIN PERFORM FROM big; END \$\$');",
	'zdm.plan' => "SELECT count(*) FROM zdm.plan('ALTER TABLE big ADD CHECK (id > 0)');",
);

for my $limit (sort keys %limits)
{
	for my $statement (sort keys %statements)
	{
		my ($set, $state) = @{ $limits{$limit} };
		next if $limit eq 'zdm.ddl_lock_timeout' && $statement =~ /^zdm/;
		my ($code, $out, $err) = locked_out("$set\n$statements{$statement}\nRESET statement_timeout;$goes_on");

		is($err, "ERROR:  $state\nWARNING:  25P01", "$statement, $limit: its error and no other");
		like($out, qr/goes on\s+t\|0\s*$/, "$statement, $limit: nothing is open");
	}
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM other'), '12', 'what came after was committed each time');

# in a block, with savepoints: what PostgreSQL itself does
my ($code, $out, $err) = locked_out(q{
	SET lock_timeout = '100ms';
	BEGIN;
	INSERT INTO other VALUES (2);
	SAVEPOINT a;
	ALTER TABLE big ADD COLUMN x int;
	SELECT 1;
	ROLLBACK TO a;
	INSERT INTO other VALUES (3);
	COMMIT;
	SELECT count(*) FROM other WHERE id > 1;
});
is($err, "ERROR:  55P03\nERROR:  25P02", 'after a savepoint: as without the guard');
like($out, qr/\b2\s*$/, 'and the rest is committed');

# the usual loop, then the way out
my $loop = start_psql($node);
$holder->query_safe('BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE');
$loop->query_until(qr/go/, q{\echo go
	SET lock_timeout = '50ms';
	DO $$ BEGIN
		FOR i IN 1 .. 1000 LOOP
			BEGIN
				ALTER TABLE big ADD COLUMN x int;
				EXIT;
			EXCEPTION WHEN lock_not_available THEN
				INSERT INTO other VALUES (100 + i);
			END;
		END LOOP;
	END $$;
});
wait_for('a few tries', sub {
	$node->safe_psql('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ADD COLUMN x%'}) eq 't';
});
# each try has a subtransaction of its own, so the sequence of tries is seen by their failures
wait_for('a failure', sub {
	$node->safe_psql('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE relation = 'other'::regclass AND mode = 'RowExclusiveLock'}) eq 't';
});
$holder->query_safe('ROLLBACK');
is($loop->query_safe('SELECT pg_current_xact_id_if_assigned() IS NULL'), 't', 'the loop ends with no transaction open');
$loop->query_safe('INSERT INTO big VALUES (1, 1, 1)');
$loop->quit;
is($node->safe_psql('postgres', 'SELECT count(*) FROM big WHERE x = 1'), '1', 'the column is there, the row is there');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM other WHERE id > 100'), '>', 0, 'so are the failures');

# a cancel
$holder->query_safe('BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE');
my $victim = start_psql($node);
$victim->query_safe('SET zdm.ddl_lock_timeout = 0');
$victim->query_until(qr/go/, "\\echo go\nALTER TABLE big ADD COLUMN y int;\n");
wait_for('the guard to wait', sub {
	$node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ADD COLUMN y%'}) eq '1';
});
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ADD COLUMN y%'});
is($victim->query('SELECT pg_current_xact_id_if_assigned() IS NULL'), 't', 'a cancel: the session goes on');
$holder->query_safe('ROLLBACK');
$holder->quit;
$victim->quit;

# very much to look at: a timeout ends it soon
my $many = join(', ', map { "ADD COLUMN c$_ int DEFAULT length('x')" } 1 .. 20000);
for my $sql ("ALTER TABLE other $many", "SELECT count(*) FROM zdm.check(\$\$ALTER TABLE other $many\$\$)")
{
	my $start = time;
	my ($out, $err);
	$node->psql('postgres', "\\set VERBOSITY sqlstate\nSET statement_timeout = '300ms';\n$sql;\nRESET statement_timeout;\nSELECT 'goes on';",
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	like($err, qr/57014/, 'statement_timeout ends ' . substr($sql, 0, 30));
	is($out, 'goes on', 'and the session goes on');
	cmp_ok(time - $start, '<', 30, 'soon');
}

unlike(slurp_file($node->logfile), qr/terminated by signal|unexpected state/, 'no server process has ended by it');
$node->stop;
done_testing();
