# 021_locks.pl: a step that cannot have its lock lets all traffic pass.
#
# A session holds a conflicting lock, idle in a transaction, for longer than
# any application would put up with.  Meanwhile others read and write the
# table, and get on with it; neither they nor the worker stand in the queue
# while they are looked at again and again; the worker says whom it waits for;
# and the step is done when the holder is gone.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;
use Test::More;
use Time::HiRes qw(time);

my $lock_wait_ms = 50;

# Who waits for longer than this, and is seen to in so many looks: a machine that
# stands still for a moment lets nobody look meanwhile.
my ($long_seconds, $long_looks) = (1, 20);

my $node = zdm_node('main', conf => "zdm.lock_wait = '${lock_wait_ms}ms'");

# Row 0 is the holder's, so that nobody waits for a row.
$node->safe_psql('postgres', <<'EOS');
CREATE TABLE account (id bigint PRIMARY KEY, phone text NOT NULL);
INSERT INTO account SELECT i, '+' || i FROM generate_series(0, 5000) i;
EOS

# Look at the queue for the table, some hundred times and until the worker has
# named the holder and the application has done so much.  Returns whether they
# did, and who stood in the queue for long.
sub watch
{
	my ($holder, $application) = @_;
	my $session = start_psql($node);
	my $wanted = pgbench_count($application) + 1000;
	my ($named, $done, $looks, %seen, %long) = (0, 0, 0);

	eval {
		wait_for(
			'the worker and the application to get on',
			sub {
				for (1 .. 50)
				{
					$looks++;
					my %now = map { $_ => 1 } split /\n/, $session->query(<<'EOS');
SELECT CASE WHEN backend_type LIKE 'pg\_zdm%' THEN 'worker' ELSE 'application' END || ' ' || pid || ' since ' || waitstart
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND relation = 'account'::regclass AND waitstart IS NOT NULL;
EOS
					delete $seen{$_} for grep { !$now{$_} } keys %seen;
					for my $who (keys %now)
					{
						my $look = $seen{$who} //= { since => time, looks => 0 };

						$long{$who} = 1 if ++$look->{looks} > $long_looks && time - $look->{since} > $long_seconds;
					}
				}
				$named ||= $session->query("SELECT string_agg(waiting_for, ' ') FROM zdm.progress;") =~ /\b$holder\b/;
				$done = pgbench_count($application) >= $wanted;
				return $named && $done && $looks >= 500;
			});
	};
	$session->quit;
	return ($named, $done, join ', ', sort keys %long);
}

# hold_table(what, column, call, state): with the lock of a reader held, make the
# call and see that nobody suffers who uses that name of the column; then let
# go and see that the state is reached.
sub hold_table
{
	my ($what, $column, $call, $state) = @_;
	my $holder = start_psql($node);
	my $pid = $holder->query_safe('SELECT pg_backend_pid();');

	$holder->query_safe('BEGIN; SELECT FROM account WHERE id = 0;');
	my $application = start_pgbench($node, <<EOS, '-c', '4');
\\set id random(1, 5000)
UPDATE account SET $column = '+' || :id WHERE id = :id;
SELECT $column FROM account WHERE id = :id;
\\sleep 5 ms
EOS
	$node->safe_psql('postgres', $call);
	my ($named, $done, $long) = watch($pid, $application);
	isnt(migration_state($node, 'locks'), $state, "$what: not done while the lock was held");
	ok($named, "$what: zdm.progress names the process that is in the way");
	ok($done, "$what: the others went on working");
	is($long, '', "$what: nobody stood in the queue for long");

	$holder->query_safe('COMMIT;');
	$holder->quit;
	wait_for_state($node, 'locks', $state);

	my $seen = stop_pgbench($application);
	note(sprintf '%s: %d transactions, longest %.0f ms', $what, $seen->{transactions}, $seen->{longest_ms});
	unlike($seen->{out}, qr/ERROR|aborted/, "$what: no statement failed");
	return;
}

hold_table(
	'expand', 'phone',
	"SELECT zdm.rename_column('account', 'phone', 'phone_number', 'locks')",
	'ready');

$node->safe_psql('postgres', "SELECT zdm.cutover('locks')");
wait_for_state($node, 'locks', 'switched');

hold_table('contract', 'phone_number', "SELECT zdm.contract('locks')", 'completed');

$node->stop;
done_testing();
