# ZdmTest.pm: what the TAP tests share.
#
# Over PostgreSQL::Test::Cluster it knows three things: how a server of ours is
# configured (test/zdm.conf, the file that test/check uses too), how to wait
# for a state of a migration (by polling, never by sleeping for a while and
# hoping), and how to keep applications running in the background while
# something is done to the server under them.

package ZdmTest;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(
  $zdm_conf
  zdm_node
  seed_random
  pick
  wait_for
  migration_state
  wait_for_state
  steer
  debug_point
  hold
  arrive
  let_pass
  kill_postmaster
  killed_at_each
  start_again
  stop_fast
  rows_that_differ
  start_pgbench
  start_pgbench_in
  pgbench_count
  stop_pgbench
  start_psql
);

# What every test server runs with.
our $zdm_conf = dirname(dirname(abs_path(__FILE__))) . '/zdm.conf';

# zdm_node(name, preload => 1, extension => 1, conf => text): a started server
# with the extension in its database postgres.  Without preload, what tests need
# inside the server (test/module) is there all the same.
sub zdm_node
{
	my ($name, %option) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', slurp_file($zdm_conf));
	$node->append_conf('postgresql.conf', 'log_statement = none');
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm_test'")
	  unless $option{preload} // 1;
	$node->append_conf('postgresql.conf', $option{conf}) if defined $option{conf};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_zdm') if $option{extension} // 1;
	return $node;
}

# seed_random(): seed perl's random numbers from ZDM_SEED or the clock, and
# print the seed, so that a run can be had again.
sub seed_random
{
	my $seed = $ENV{ZDM_SEED} // (time * 1000) % 1_000_000_007;

	srand($seed);
	diag("ZDM_SEED=$seed");
	return $seed;
}

# pick(things): one of them, at random.
sub pick
{
	return $_[ rand @_ ];
}

# wait_for(what, code, seconds): call the code until it returns true; die when
# the time is up.  An exception counts as false: the server may be down.
sub wait_for
{
	my ($what, $code, $seconds) = @_;
	my $deadline = time + ($seconds // $PostgreSQL::Test::Utils::timeout_default);

	while (time < $deadline)
	{
		my $answer = eval { $code->() };
		return $answer if $answer;
		usleep(100_000);
	}
	die "timed out waiting for $what";
}

# migration_state(node, migration, dbname): its state; the migration is given
# by its id or its label.
sub migration_state
{
	my ($node, $migration, $dbname) = @_;

	return $node->safe_psql($dbname // 'postgres', "SELECT state FROM zdm.migrations WHERE "
		  . migration_is($migration));
}

# The condition that finds a migration by id or label.
sub migration_is
{
	my ($migration) = @_;

	return $migration =~ /^\d+$/ ? "id = $migration" : "label = '$migration'";
}

# wait_for_state(node, migration, state, dbname): until the migration rests in
# the state.  Dies at once if it fails, with its error.
sub wait_for_state
{
	my ($node, $migration, $state, $dbname) = @_;
	my $now = '';

	wait_for(
		"migration $migration to be $state",
		sub {
			$now = migration_state($node, $migration, $dbname);
			return $now eq $state || $now eq 'failed';
		});
	die "migration $migration is $now, not $state: "
	  . $node->safe_psql($dbname // 'postgres', 'SELECT * FROM zdm.migrations WHERE '
		  . migration_is($migration))
	  if $now ne $state;
	return 1;
}

# steer(node, migration, verb, state): call zdm.<verb>(), and wait for the state.
sub steer
{
	my ($node, $migration, $verb, $state) = @_;

	$node->safe_psql('postgres', "SELECT zdm.$verb($migration)");
	return wait_for_state($node, $migration, $state);
}

# debug_point(name): in SQL, the advisory lock that holds processes there, or makes
# them fail, with ":error" or a SQLSTATE behind it.
sub debug_point
{
	my ($name) = @_;

	return "hashtextextended('zdm:$name', 0)";
}

# hold(node, point, dbname): a session that holds workers there, until it quits.
sub hold
{
	my ($node, $point, $dbname) = @_;
	my $session = start_psql($node, $dbname);

	$session->query_safe('SELECT pg_advisory_lock(' . debug_point($point) . ')');
	return $session;
}

# arrive(node, point, dbname, count): wait until a worker is there, or so many, and
# return its process id.
sub arrive
{
	my ($node, $point, $dbname, $count) = @_;
	my $pids;

	wait_for(
		"a worker at $point",
		sub {
			$pids = $node->safe_psql($dbname // 'postgres',
				"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
				  . 'AND (classid::bigint << 32) | objid::bigint = ' . debug_point($point));
			return ($pids =~ tr/\n//) + ($pids ne '') >= ($count // 1);
		});
	return $pids;
}

# let_pass(node, session, point, dbname): let the worker that is held there by the session
# go on, once: the next time a session holds it that this returns.  That one queues behind
# the worker, and has the lock as soon as the worker is past the point; who unlocks and
# locks again may find that the worker has come by more than once in between.
sub let_pass
{
	my ($node, $session, $point, $dbname) = @_;
	my $next = start_psql($node, $dbname);

	$next->query_until(qr/queues/, "\\echo queues\nSELECT pg_advisory_lock(" . debug_point($point) . ");\n\\echo has it\n");
	arrive($node, $point, $dbname, 2);
	$session->quit;
	$next->query_until(qr/has it/, "\n");
	return $next;
}

# kill_postmaster(node, pids): SIGKILL, and wait until the process and its children are
# gone; a server does not start as long as the one in its lock file is there.
# Where process 1 reaps nobody, the dead stay there for ever: then the lock files have
# to go, and with them PostgreSQL's own look for children that go on working.
# Workers that are held at a point go with it, if they are named: what holds them could
# notice it before they do, and let them go on.  They are stopped first: who is killed on
# his way may have a lock of the shared memory, for which the others would wait for ever.
sub kill_postmaster
{
	my ($node, @workers) = @_;
	my $pid_file = $node->data_dir . '/postmaster.pid';
	my ($pid) = split /\n/, slurp_file($pid_file);

	kill 'STOP', @workers;
	$node->kill9;
	kill 'KILL', @workers;
	wait_for('the postmaster to be gone', sub { !kill(0, $pid) || is_zombie($pid) });
	wait_for('its children to be gone', sub { !works_in($node->data_dir) });
	eval { wait_for('the dead to be reaped', sub { !kill(0, $pid) }, 2) }
	  or unlink $pid_file, $node->host . '/.s.PGSQL.' . $node->port . '.lock';
	return;
}

# killed_at_each(node, code, call, points): the call, a statement, is made when the first of
# the points is held; the server is killed when a worker has come there, and the code, which
# is given the point, looks at it when it has come back.  Its workers rest until the next point
# is held.  Returns what the call says.
sub killed_at_each
{
	my ($node, $look, $call, @points) = @_;
	my $said;

	for my $point (@points)
	{
		my $held = hold($node, $point);

		$node->append_conf('postgresql.conf', 'zdm.enabled = on');
		$node->reload;
		$said //= $node->safe_psql('postgres', $call);
		my $worker = arrive($node, $point);
		$node->append_conf('postgresql.conf', 'zdm.enabled = off');
		kill_postmaster($node, $worker);
		$held->{run}->finish if $held->{run};
		start_again($node);
		$look->($point);
	}
	$node->append_conf('postgresql.conf', 'zdm.enabled = on');
	$node->reload;
	return $said;
}

# Every process of a server has its data directory as its own; the dead have none.
sub works_in
{
	my ($directory) = @_;

	return scalar grep { (readlink($_) // '') eq abs_path($directory) } glob '/proc/[0-9]*/cwd';
}

sub is_zombie
{
	my ($pid) = @_;

	open my $stat, '<', "/proc/$pid/stat" or return 1;
	return <$stat> =~ /\) Z /;
}

# stop_fast(node): and at once where that is not heard; a request that comes while the
# server begins anew after a crash, before its startup process is there, is lost.
sub stop_fast
{
	my ($node) = @_;

	return $node->stop('fast', fail_ok => 1) || $node->stop('immediate', fail_ok => 1);
}

# start_again(node): after a crash, its children need a moment to notice that
# the postmaster is gone; as long as one lives, the server cannot start.
sub start_again
{
	my ($node) = @_;

	wait_for(
		'the server to start',
		sub {
			return 1 if $node->start(fail_ok => 1);
			stop_fast($node);
			return 0;
		});
	return;
}

# rows_that_differ(node, table, old, new): how many rows hold different values
# in the two columns.  Names are SQL, quoted if need be.
sub rows_that_differ
{
	my ($node, $table, $old, $new) = @_;

	return $node->safe_psql('postgres',
		"SELECT count(*) FROM $table WHERE $old IS DISTINCT FROM $new");
}

# Applications that have been started.  Those of a test that died are told to
# end, without waiting for it: they may wait for a lock that only the end of the
# server, which comes next, gives back.
my %started;

END
{
	local $?;
	tell_to_end($_) for values %started;
}

# No server of the test may have heard code of one role that was run as another by
# us (test/module).
END
{
	for my $log (glob "$PostgreSQL::Test::Utils::log_path/*.log")
	{
		my @heard = slurp_file($log) =~ /^(.*zdm_watch: .*(?:\n.*DETAIL.*)?)/mg or next;

		diag("$log:", @heard);
		$? ||= 1;
	}
}

sub tell_to_end
{
	my ($run) = @_;

	append_to_file($run->{stop_file}, '');
	$run->{handle}->signal('TERM');
	return;
}

# start_pgbench(node, script, option...): run the script, given as text, until
# stop_pgbench.  An application that loses its connection comes back, as a
# real one would: pgbench is started again as long as it is wanted.  SIGALRM
# is how pgbench learns that its time is up: it then ends in good order.  Each
# client has a thread (pgbench makes no more than there are clients): while one
# prepares a statement and waits for a lock, the others of its thread stand
# still, perhaps with that very lock, which no server can see.
sub start_pgbench
{
	my ($node, $script, @options) = @_;

	return start_pgbench_in($node, 'postgres', $script, @options);
}

# start_pgbench_in(node, dbname, script, option...)
sub start_pgbench_in
{
	my ($node, $dbname, $script, @options) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my $run = {
		stop_file => "$dir/stop",
		out => "$dir/out",
		dir => $dir
	};

	append_to_file("$dir/script.sql", $script);
	append_to_file("$dir/loop.sh", <<'EOL');
cd "$1"; shift
PGAPPNAME=pgbench; export PGAPPNAME
trap 'kill -ALRM $child 2>/dev/null' TERM
while [ ! -e stop ]; do
	"$@" >>out 2>&1 &
	child=$!
	wait $child
	[ -e stop ] && wait $child
	[ -e stop ] || sleep 0.1
done
EOL
	$run->{handle} = IPC::Run::start(
		[
			'sh', "$dir/loop.sh", $dir, 'pgbench', '-n', '-T', '3600', '-j', '100', '-l',
			'--log-prefix', "$dir/log", '-f', "$dir/script.sql", @options,
			$node->connstr($dbname)
		],
		'<', '/dev/null', '>', "$dir/loop.out", '2>&1');
	$started{$dir} = $run;
	return $run;
}

# pgbench_count(run): how many transactions it has done so far.
sub pgbench_count
{
	my ($run) = @_;

	return scalar map { split /\n/, slurp_file($_) } glob "$run->{dir}/log.*";
}

# stop_pgbench(run): end it and return { transactions, longest_ms, out }: what
# it did, the longest transaction, and all that pgbench said.  Deadlocks and
# serialization failures are only in its log: they become an ERROR here.
sub stop_pgbench
{
	my ($run) = @_;
	my ($transactions, $failed, $longest) = (0, 0, 0);

	delete $started{ $run->{dir} };
	tell_to_end($run);
	$run->{handle}->finish;
	for my $log (glob "$run->{dir}/log.*")
	{
		for my $line (split /\n/, slurp_file($log))
		{
			# client, transaction, microseconds or "failed", script, second, microsecond
			my (undef, undef, $us) = split / /, $line;
			$failed++ if defined $us && $us eq 'failed';
			next unless defined $us && $us =~ /^\d+$/;
			$transactions++;
			$longest = $us if $us > $longest;
		}
	}
	return {
		transactions => $transactions,
		longest_ms => $longest / 1000,
		out => (-e $run->{out} ? slurp_file($run->{out}) : '')
		  . ($failed ? "ERROR: $failed transactions failed by a deadlock or a serialization failure\n" : '')
	};
}

# start_psql(node, dbname): a session that stays: see BackgroundPsql for its
# methods query, query_safe, query_until and quit.
sub start_psql
{
	my ($node, $dbname) = @_;

	return $node->background_psql($dbname // 'postgres', on_error_stop => 0);
}

1;
