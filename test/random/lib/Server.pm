# Server.pm: one throw-away server for all seeds of a run, with a fresh database
# with the extension for each, and an emptied one without for the model.
#
# Databases are made ahead and dropped behind, by a session that nobody waits
# for: they would take longer than the test itself.

package Server;

use strict;
use warnings;

use Cwd qw(abs_path);
use Wire;
use Time::HiRes qw(time usleep);

our @roles = qw(zr_owner zr_old zr_new zr_second);

# start(class, directory, conf file): a running server in the directory.
sub start
{
	my ($class, $dir, $conf) = @_;
	my $self = bless { dir => $dir, made => {}, queue => [] }, $class;

	mkdir $dir if !-d $dir;
	mkdir "$dir/s" if !-d "$dir/s";
	if (!-d "$dir/data")
	{
		run_quietly("$dir/initdb.log", 'initdb', '-D', "$dir/data", '-A', 'trust', '-N',
			'--no-locale', '-E', 'UTF8', '-U', 'postgres');
		append("$dir/data/postgresql.conf", slurp($conf), <<"EOC");
shared_preload_libraries = 'pg_zdm'
listen_addresses = ''
unix_socket_directories = '$dir/s'
autovacuum_naptime = 1s
deadlock_timeout = 200ms
max_connections = 80
EOC
	}
	$self->boot;
	$self->prepare_template;
	return $self;
}

sub boot
{
	my ($self) = @_;

	# without these files, PostgreSQL does not look for processes that go on working;
	# with them, it takes the dead whom process 1 has not reaped for living ones
	die "a process of the server is still there\n" if $self->processes;
	unlink "$self->{dir}/data/postmaster.pid", $self->socket_path . '.lock';
	run_quietly("$self->{dir}/start.log", 'pg_ctl', 'start', '-s', '-w', '-t', '180', '-D', "$self->{dir}/data",
		'-l', "$self->{dir}/server.log");
	delete $self->{admin};
	return;
}

# Every process of a server has its data directory as its own; the dead have none.
sub processes
{
	my ($self) = @_;
	my $data = abs_path("$self->{dir}/data");

	return map { m{(\d+)} } grep { (readlink($_) // '') eq $data } glob '/proc/[0-9]*/cwd';
}

# crash(): SIGKILL to all that it has, as a machine that goes down, and a start.  First
# the postmaster, which would make new ones.  Nobody is asked to stop: whoever asks a
# postmaster that is dead and not reaped waits for an answer.
sub crash
{
	my ($self) = @_;
	my ($pid) = split /\n/, slurp("$self->{dir}/data/postmaster.pid");
	my $until = time + 60;

	kill 'KILL', $pid;
	while (my @left = $self->processes)
	{
		die "the server cannot be killed\n" if time > $until;
		kill 'KILL', @left;
		usleep(10_000);
	}
	$self->boot;
	$self->{queue} = [];
	$self->{made} = {};
	return;
}

sub stop
{
	my ($self) = @_;

	run_quietly("$self->{dir}/stop.log", 'pg_ctl', 'stop', '-s', '-w', '-m', 'immediate', '-D',
		"$self->{dir}/data");
	return;
}

sub socket_path { return "$_[0]{dir}/s/.s.PGSQL.5432" }

sub connect
{
	my ($self, $database, $user, $application) = @_;

	return Wire->connect(
		socket => $self->socket_path,
		database => $database,
		user => $user,
		application => $application);
}

sub version
{
	my ($self) = @_;

	return int($self->{version} / 10000);
}

sub prepare_template
{
	my ($self) = @_;
	my $session = $self->connect('postgres', 'postgres', 'set-up');

	$self->{version} = $session->must('SHOW server_version_num')->[0][0];
	if (!@{ $session->must(q{SELECT 1 FROM pg_database WHERE datname = 'zr_zdm'}) })
	{
		$session->must("CREATE ROLE $_ LOGIN") for @roles;
		$session->must("CREATE DATABASE $_") for qw(zr_zdm zr_model);
		for my $kind (qw(zdm model))
		{
			my $template = $self->connect("zr_$kind", 'postgres', 'set-up');

			$template->must('CREATE EXTENSION pg_zdm') if $kind eq 'zdm';
			$self->{amcheck} = !$template->query('CREATE EXTENSION amcheck')->{error};
			$template->must('CREATE SCHEMA app AUTHORIZATION zr_owner');
			$template->must("GRANT USAGE ON SCHEMA app TO @{[ join ', ', @roles ]}");
			$template->must('GRANT CREATE ON SCHEMA app TO zr_second');
			$template->close;
		}
		$session->must("ALTER ROLE $_ SET search_path = app, public") for @roles;
		$session->must('ALTER ROLE zr_owner SET zdm.batch_rest = 0');
		$session->must('GRANT zr_second TO zr_owner');
	}
	$session->close;
	return;
}

# databases(number): the names of a fresh pair.  The next pair is begun.
sub databases
{
	my ($self, $number) = @_;

	$self->want($number) if !$self->{made}{$number};
	$self->work while @{ $self->{queue} } || $self->admin->{busy};
	$self->want($number + 1);
	$self->empty_model;
	return ("zdm_$number", 'zr_model');
}

# empty_model(): the plain side has no state that could stay behind, and a
# database takes longer to make than all that is done in it.
sub empty_model
{
	my ($self) = @_;
	my $session = $self->connect('zr_model', 'postgres', 'set-up');

	$session->must('DROP SCHEMA IF EXISTS app CASCADE');
	$session->must('DROP PUBLICATION IF EXISTS zr_pub');
	$session->must('CREATE SCHEMA app AUTHORIZATION zr_owner');
	$session->must("GRANT USAGE ON SCHEMA app TO @{[ join ', ', @roles ]}");
	$session->must('GRANT CREATE ON SCHEMA app TO zr_second');
	$session->close;
	return;
}

sub want
{
	my ($self, $number) = @_;

	return if $self->{made}{$number}++;
	push @{ $self->{queue} }, "DROP DATABASE IF EXISTS zdm_$number", "CREATE DATABASE zdm_$number TEMPLATE zr_zdm";
	$self->work(0);
	return;
}

sub forget
{
	my ($self, $number) = @_;

	delete $self->{made}{$number};
	push @{ $self->{queue} }, "DROP DATABASE IF EXISTS zdm_$number WITH (FORCE)";
	$self->work(0);
	return;
}

sub admin
{
	my ($self) = @_;

	return $self->{admin} //= $self->connect('postgres', 'postgres', 'databases');
}

# work(seconds): let the session that makes databases go on.
sub work
{
	my ($self, $seconds) = @_;
	my $admin = $self->admin;

	if ($admin->{busy})
	{
		$admin->poll($seconds // 0.05) or return;
		my $error = $admin->{result}{error};
		warn "# making databases: $error->{message}\n" if $error;
	}
	$admin->send(shift @{ $self->{queue} }) if @{ $self->{queue} };
	return;
}

sub run_quietly
{
	my ($log, @command) = @_;
	my $pid = fork // die "fork: $!\n";

	if (!$pid)
	{
		open STDOUT, '>>', $log or die "$log: $!\n";
		open STDERR, '>&', \*STDOUT;
		open STDIN, '<', '/dev/null';
		exec @command or exit 127;
	}
	waitpid $pid, 0;
	die "@command failed:\n" . slurp($log) if $?;
	return;
}

sub slurp
{
	my ($file) = @_;

	open my $in, '<', $file or die "$file: $!\n";
	local $/;
	return scalar <$in>;
}

sub append
{
	my ($file, @text) = @_;

	open my $out, '>>', $file or die "$file: $!\n";
	print $out @text;
	close $out;
	return;
}

1;
