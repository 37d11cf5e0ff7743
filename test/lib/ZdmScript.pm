# ZdmScript.pm: what the tests of zdm.script() share.
#
# Two servers: one with the extension, which makes the files, and one on which not
# even the library is loaded, where a plain owner runs them; and beside each database
# there a second one, where the plain DDL is run.

package ZdmScript;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use ZdmTest;

our @EXPORT = qw(
  script_servers
  script_files
  script_write
  script_paths
  script_prepare
  script_psql
  script_run
  script_shape
  script_nothing_left
  script_load
  script_stop_load
);

my ($maker, $bare, $dir);

# script_servers(): both, with the roles own (of the tables) and app.
sub script_servers
{
	# not when the module is loaded: PostgreSQL's knows its directory from then on only
	$dir = PostgreSQL::Test::Utils::tempdir();
	$maker = zdm_node('maker');
	$bare = zdm_node('bare', preload => 0, extension => 0);
	$_->safe_psql('postgres', 'CREATE ROLE own LOGIN; CREATE ROLE app LOGIN') for $maker, $bare;
	return ($maker, $bare);
}

# script_prepare(name, schema): databases on both servers, and one for the plain DDL.
sub script_prepare
{
	my ($name, $schema) = @_;

	$_->safe_psql('postgres', "CREATE DATABASE $name") for $maker, $bare;
	$maker->safe_psql($name, 'CREATE EXTENSION pg_zdm');
	$bare->safe_psql('postgres', "CREATE DATABASE plain_$name");
	for my $place ([ $maker, $name ], [ $bare, $name ], [ $bare, "plain_$name" ])
	{
		$place->[0]->safe_psql($place->[1], "CREATE SCHEMA s AUTHORIZATION own; SET ROLE own; $schema;
			RESET ROLE; GRANT USAGE ON SCHEMA s TO app; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA s TO app;
			GRANT USAGE ON ALL SEQUENCES IN SCHEMA s TO app");
	}
	return;
}

# script_files(name, call): what zdm.script(call) gives, by file name.
sub script_files
{
	my ($name, $call) = @_;
	my $all = $maker->safe_psql($name, <<EOS);
SET ROLE own; SET search_path = s; SET zdm.batch_rest = 0; SET zdm.batch_time = '2ms'; BEGIN;
SELECT string_agg(file || chr(1) || body, chr(2)) FROM zdm.script($call);
ROLLBACK;
EOS

	return map { my ($file, $body) = split /\x01/; $file => "$body\n" } split /\x02/, $all;
}

# script_write(place, call): the same in a new directory; returns it and the files' names, in order.
sub script_write
{
	my ($name, $call) = @_;
	my %files = script_files($name, $call);
	my $place = "$dir/$name" . (1 + grep { -d } glob "$dir/$name*");

	mkdir $place or die "$place: $!";
	append_to_file("$place/$_", $files{$_}) for keys %files;
	return ($place, sort keys %files);
}

# script_psql(name, file): as the owner; returns exit code and what it said.
sub script_psql
{
	my ($name, @options) = @_;
	my ($out, $err);

	IPC::Run::run([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', @options, '-d', $bare->connstr($name) . ' user=own' ],
		'<', '/dev/null', '>', \$out, '2>', \$err);
	return ($? >> 8, $err);
}

# script_paths(name, ddl): on the server with the extension; returns their paths by number.
sub script_paths
{
	my ($name, $ddl, $call) = @_;
	my ($place, @files) = script_write($name, $call // "\$ddl\$$ddl\$ddl\$");

	return { map { /^(\d+)_/ ? ($1 => "$place/$_") : () } @files };
}

# kill_one(name, file): begins to run it, and is killed at any moment, like its server process.
sub kill_one
{
	my ($name, $file) = @_;
	my ($out, $err);
	my $psql = IPC::Run::start([ 'psql', '-X', '-q', '-f', $file, '-d', $bare->connstr($name) . ' user=own application_name=killed' ],
		'<', '/dev/null', '>', \$out, '2>', \$err);

	usleep(rand 300_000);
	$psql->kill_kill(grace => 0);
	$bare->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'killed'");
	return;
}

# script_run(name, file): broken off after a random statement, killed in a random moment, then twice to its end.
sub script_run
{
	my ($name, $file) = @_;
	my @statements = split /(?<=\n\n)(?=-- (?:Step|Reads|Fills|Looks|No|From|What))/, slurp_file($file);
	my $count = int rand @statements;
	my $cut = join '', @statements[ 0 .. $count ];

	$cut .= "\\endif\n" x (() = $cut =~ /^\\if/mg) . '' if (() = $cut =~ /^\\if/mg) > (() = $cut =~ /^\\endif/mg);
	unlink "$file.cut";
	append_to_file("$file.cut", $cut);
	script_psql($name, '-f', "$file.cut");
	kill_one($name, $file);
	for my $time (1, 2)
	{
		my ($code, $err) = script_psql($name, '-f', $file);
		is($code, 0, "$name: " . ($file =~ s/.*_(\d+_)/$1/r) . " run to its end, time $time") or diag($err);
	}
	return;
}

# script_shape(name, node): the schema as pg_dump has it, but for the order of columns.
sub script_shape
{
	my ($name, $node) = @_;
	my $dump;

	IPC::Run::run([ 'pg_dump', '-s', '-n', 's', '-d', ($node // $bare)->connstr($name) ], '>', \$dump);
	return join "\n", sort map { s/,$//r } grep { /\S/ && !/^--|^\\/ } split /\n/, $dump;
}

# script_nothing_left(name): of ours.
sub script_nothing_left
{
	my ($name) = @_;

	is($bare->safe_psql($name, <<'EOS'), '', "$name: nothing of ours is left");
SELECT relname FROM pg_class WHERE relname ~ 'zdm' UNION ALL SELECT proname FROM pg_proc WHERE proname ~ 'zdm'
UNION ALL SELECT tgname FROM pg_trigger WHERE tgname ~ 'zdm' UNION ALL SELECT conname FROM pg_constraint WHERE conname ~ 'zdm'
UNION ALL SELECT attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
WHERE attname ~ 'zdm' AND NOT attisdropped AND relkind NOT IN ('i', 'I')
EOS
	return;
}

# script_load(name, sql): an application's.
sub script_load
{
	my ($name, $sql, @options) = @_;
	my $run = start_pgbench_in($bare, $name, $sql, '-c', 2, '-U', 'app', '-R', 200, '-M', 'prepared', @options);

	wait_for('the load', sub { pgbench_count($run) > 20 });
	return $run;
}

# script_stop_load(run, what): none of its queries failed.
sub script_stop_load
{
	my ($run, $what) = @_;
	my $result = stop_pgbench($run);

	is(() = $result->{out} =~ /ERROR:.*/g, 0, "$what: no query failed") or diag($result->{out});
	cmp_ok($result->{transactions}, '>', 20, "$what: of $result->{transactions}") or diag($result->{out});
	note("$what: the longest took $result->{longest_ms} ms");
	return;
}

1;
