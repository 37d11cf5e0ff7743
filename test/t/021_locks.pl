# 021_locks.pl: a step that cannot have its lock lets all traffic pass.
#
# A session holds a conflicting lock, idle in a transaction, for longer than
# any application would put up with.  Meanwhile others read and write the
# table.  None of them waits for longer than zdm.lock_wait and the noise of a
# busy machine; the worker never stands in the queue for longer than that; it
# says whom it waits for; and the step is done soon after the holder is gone.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;
use Test::More;
use Time::HiRes qw(time);

my $hold_seconds = 8;
my $lock_wait_ms = 50;
my $noise_ms = 1000;

my $node = zdm_node('main', conf => "zdm.lock_wait = '${lock_wait_ms}ms'");

# Row 0 is the holder's, so that nobody waits for a row.
$node->safe_psql('postgres', <<'EOS');
CREATE TABLE account (id bigint PRIMARY KEY, phone text NOT NULL);
INSERT INTO account SELECT i, '+' || i FROM generate_series(0, 5000) i;
EOS

# What the worker did while the lock was held: the longest that a request of
# its stood in the queue, in ms, and whether zdm.progress ever named the pid.
sub watch_worker
{
	my ($seconds, $holder) = @_;
	my $session = start_psql($node);
	my $until = time + $seconds;
	my ($longest, $named) = (0, 0);

	while (time < $until)
	{
		my $waited = $session->query(<<'EOS');
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart) * 1000), 0)::int
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE NOT granted AND backend_type LIKE 'pg\_zdm%';
EOS
		$longest = $waited if $waited > $longest;
		$named ||= $session->query("SELECT string_agg(waiting_for, ' ') FROM zdm.progress;") =~ /\b$holder\b/;
	}
	$session->quit;
	return ($longest, $named);
}

# hold(what, column, call, state): with the lock of a reader held, make the
# call and see that nobody suffers who uses that name of the column; then let
# go and see that the state is reached.
sub hold
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
	my ($queued, $named) = watch_worker($hold_seconds, $pid);
	isnt(migration_state($node, 'locks'), $state, "$what: not done while the lock was held");
	ok($named, "$what: zdm.progress names the process that is in the way");

	$holder->query_safe('COMMIT;');
	$holder->quit;
	my $since = time;
	wait_for_state($node, 'locks', $state);
	cmp_ok(time - $since, '<', 15, "$what: done soon after the holder was gone");

	my $seen = stop_pgbench($application);
	note(sprintf '%s: %d transactions, longest %.0f ms; worker queued for at most %d ms',
		$what, $seen->{transactions}, $seen->{longest_ms}, $queued);
	unlike($seen->{out}, qr/ERROR|aborted/, "$what: no statement failed");
	cmp_ok($seen->{transactions}, '>', 1000, "$what: the others went on working");
	cmp_ok($seen->{longest_ms}, '<', $lock_wait_ms + $noise_ms, "$what: none of them had to wait");
	cmp_ok($queued, '<', $lock_wait_ms + $noise_ms, "$what: the worker did not stand in the queue");
	return;
}

hold(
	'expand', 'phone',
	"SELECT zdm.rename_column('account', 'phone', 'phone_number', 'locks')",
	'ready');

$node->safe_psql('postgres', "SELECT zdm.cutover('locks')");
wait_for_state($node, 'locks', 'switched');

hold('contract', 'phone_number', "SELECT zdm.contract('locks')", 'completed');

$node->stop;
done_testing();
