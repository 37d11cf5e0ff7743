# 020_kill_at_random.pl: a rename survives whatever dies under it.
#
# Two applications write all the while, one by the old name and, from ready on,
# one by the new.  At random moments something is killed: a worker, a client's
# backend, the postmaster; politely or not.  Each write moves a counter and
# puts its value into the phone number too, so that every row says by itself
# whether the last write to it came through under both names.  One rename
# follows the other until the time is up; each has to complete.
#
# ZDM_SEED has the same turns taken again, as far as timing allows, and
# ZDM_KILL_SECONDS sets the time.
#
# long

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $rows = 60_000;
my $seconds = $ENV{ZDM_KILL_SECONDS} // 80;
my $kills_per_rename = 25;
my (%killed, %killed_while);
my $given_up = 0;

seed_random();

my $node = zdm_node('main', conf => <<'EOC');
restart_after_crash = on
zdm.batch_time = '10ms'
zdm.batch_rest = 8
EOC

$node->safe_psql('postgres', <<EOS);
CREATE TABLE account (
	id bigint PRIMARY KEY,
	phone0 text NOT NULL,
	writes int NOT NULL DEFAULT 0
);
INSERT INTO account SELECT i, '+' || i || '-0' FROM generate_series(1, $rows) i;
EOS

# What an application writes, knowing one name of the column.
sub application
{
	my ($column) = @_;

	return start_pgbench($node, <<EOS, '-c', '2', '-R', '100');
\\set id random(1, $rows)
UPDATE account SET $column = '+' || id || '-' || writes + 1, writes = writes + 1 WHERE id = :id;
SELECT $column FROM account WHERE id = :id;
EOS
}

# Stop it and look through what it said: connections may have been lost, but
# no statement may have been refused for any other reason.
sub stop_application
{
	my ($run, $name) = @_;
	my $out = stop_pgbench($run)->{out};
	my @errors = grep { /ERROR|FATAL|PANIC/ } split /\n/, $out;

	@errors = grep { !/terminating connection|the database system is|shutting down/ } @errors;
	is(join("\n", @errors), '', "$name: no statement failed but for lost connections");
	return;
}

# One value from the server, or the empty string if it could not be had.
sub ask
{
	my ($query) = @_;
	my $answer = eval {
		my ($rc, $out) = $node->psql('postgres', $query, timeout => 30);
		$rc == 0 ? $out : '';
	};
	return $answer // '';
}

my %victims = (
	worker => "backend_type LIKE 'pg\\_zdm%'",
	client => "backend_type = 'client backend' AND application_name = 'pgbench'");

# A random process of the kind; 0 if there is none.
sub victim
{
	my ($kind) = @_;
	return ask("SELECT pid FROM pg_stat_activity WHERE $victims{$kind} ORDER BY random() LIMIT 1")
	  || 0;
}

sub terminate
{
	my ($pid) = @_;

	ask("SELECT pg_terminate_backend($pid)") if $pid;
	return;
}

# The server takes that for a crash, and all its processes start anew.
sub kill_at_once
{
	my ($pid) = @_;

	kill 'KILL', $pid if $pid;
	return;
}

my %kill = (
	'worker terminated' => sub { terminate(victim('worker')) },
	'client terminated' => sub { terminate(victim('client')) },
	'worker killed' => sub { kill_at_once(victim('worker')) },
	'client killed' => sub { kill_at_once(victim('client')) },
	'postmaster stopped at once' => sub {
		$node->stop('immediate', fail_ok => 1);
		start_again($node);
	},
	'postmaster stopped' => sub {
		stop_fast($node);
		start_again($node);
	},
	'postmaster killed' => sub {
		kill_postmaster($node);
		start_again($node);
	});

# A worker is the victim three times as often as anything else.
my @turns = (('worker terminated', 'worker killed') x 2, sort keys %kill);

sub kill_something
{
	my ($state) = @_;
	my $turn = pick(@turns);

	note("while $state: $turn");
	$kill{$turn}->();
	$killed{$turn}++;
	$killed_while{$state}++;
	return;
}

# One rename from beginning to end, under fire for its first kills_per_rename
# pauses.  The steering calls are repeated, since they can be hit too.
sub rename_under_fire
{
	my ($old, $new) = @_;
	my $label = "$old to $new";
	my $old_application = application($old);
	my ($new_application, $kills, $state, $differ) = (undef, 0, '', '');

	wait_for(
		"$label to complete",
		sub {
			$state = ask("SELECT state FROM zdm.migrations WHERE label = '$label'");
			if ($state eq '')
			{
				ask("SELECT zdm.rename_column('account', '$old', '$new', '$label')");
			}
			elsif ($state eq 'ready')
			{
				$new_application //= application($new);
				ask("SELECT zdm.cutover('$label')");
			}
			elsif ($state eq 'switched' && defined $old_application)
			{
				$differ = ask("SELECT count(*) FROM account WHERE $old IS DISTINCT FROM $new");
				return 0 if $differ eq '';
				stop_application($old_application, "$label, old application");
				$old_application = undef;
			}
			elsif ($state eq 'switched')
			{
				ask("SELECT zdm.contract('$label')");
			}
			elsif ($state eq 'failed' && ask("SELECT error_state FROM zdm.migrations WHERE label = '$label'") eq '57P02')
			{
				# three crashes came one upon the other, before a batch could be done
				$given_up++;
				ask("SELECT zdm.resume('$label')");
				return 0;
			}
			return 1 if $state eq 'completed' || $state eq 'failed';
			usleep(int rand 400_000);
			kill_something($state || 'starting') if $kills++ < $kills_per_rename;
			return 0;
		},
		240);

	stop_application($old_application, "$label, old application") if $old_application;
	stop_application($new_application, "$label, new application") if $new_application;
	is($state, 'completed', "$label: completed")
	  or diag(ask("SELECT * FROM zdm.migrations WHERE label = '$label'"));
	is($differ, '0', "$label: old and new agreed before the old one went");
	is( ask("SELECT count(*) FROM account WHERE $new IS DISTINCT FROM '+' || id || '-' || writes"),
		'0',
		"$label: every row has the last value written");
	is(ask("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'account'::regclass"),
		'0', "$label: nothing of ours is left on the table");
	return $state eq 'completed';
}

my $deadline = time + $seconds;
my $renames = 0;

while ($renames == 0 || time < $deadline)
{
	last unless rename_under_fire("phone$renames", 'phone' . ($renames + 1));
	$renames++;
}

for my $count (\%killed, \%killed_while)
{
	diag("$renames renames, killed: " . join(', ', map { "$_ $count->{$_}" } sort keys %$count));
}
diag("$given_up times it was given up for crashes, and resumed");
is($node->safe_psql('postgres', 'SELECT count(*) FROM account'),
	$rows, 'every row is there');
$node->stop;

done_testing();
