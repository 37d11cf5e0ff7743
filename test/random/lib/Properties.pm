# Properties.pm: what must be so whatever the model says.

package Properties;

use strict;
use warnings;

use Change;
use IPC::Open3;
use Runner;
use Server;
use Time::HiRes qw(time usleep);

# at_rest(run): the migration has come to a state in which it rests.
sub at_rest
{
	my ($run) = @_;
	my $monitor = $run->{monitor}{zdm};

	verified($run);
	my $left = $monitor->must(q{SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database()
		AND backend_type LIKE '%zdm%' AND state LIKE 'idle in transaction%'});
	$run->differ('idle in transaction', join "\n", map { "@$_" } @$left) if @$left;
	return;
}

# verified(run): both sides agree, but in rows that up cannot convert.
sub verified
{
	my ($run) = @_;
	my $model = $run->{model};
	my $state = $model->{state};

	# what is to be begun anew is not the same until then
	return if $run->{stale};
	return if $model->is_plain || $state !~ /^(ready|switched)$/;
	my $result = $run->{monitor}{zdm}->query("SELECT v::text FROM zdm.verify($run->{id}) v");
	my $error = $result->{error};
	# it says so itself where a table's copy is void: by a late CHECK, say
	return if $error && $error->{message} =~ /table beside it cannot be compared/;
	die "$error->{code} $error->{message}\n" if $error;
	my $rows = $result->{rows};
	# in transactions of their own, writers may have more of them
	return if $run->misfits;
	$run->differ('verify', "zdm.verify in $state:\n" . join "\n", map { "  $_->[0]" } @$rows) if @$rows;
	return;
}

# at_end(run): nothing is left of us, and the catalog is that of plain DDL.
sub at_end
{
	my ($run) = @_;
	my $monitor = $run->{monitor}{zdm};
	my $state = $run->{model}{state};

	if ($run->{server}{amcheck})
	{
		my $bad = $monitor->query(q{SELECT bt_index_check(c.oid, true) FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_am m ON m.oid = c.relam
			WHERE m.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid AND c.relnamespace = 'app'::regnamespace})->{error};
		$run->differ('amcheck', Runner::show_error($bad)) if $bad;
		my $heap = $monitor->query(q{SELECT c.relname, h.* FROM pg_class c, verify_heapam(c.oid) h WHERE c.relkind = 'r' AND c.relnamespace IN ('app'::regnamespace, 'zdm'::regnamespace)});
		$run->differ('amcheck', $heap->{error} ? Runner::show_error($heap->{error}) : join "\n", map { Runner::show_row($_) } @{ $heap->{rows} }) if $heap->{error} || @{ $heap->{rows} };
	}
	idle($run) if $state =~ /^(ready|switched|completed|reverted)$/;
	nothing_left($run) if $state =~ /^(ready|switched|completed|reverted)$/;
	return if $state !~ /^(completed|reverted)$/;
	restores($run) if $run->{case}{seed} % 10 == 3;
	my %begun = map { $_ => begin_dump($run, $run->{"${_}_db"}) } qw(zdm model);
	my %dump = map { $_ => dump_of($run, $begun{$_}) } qw(zdm model);
	%dump = map { $_ => [ without_partitions($run, $_, @{ $dump{$_} }) ] } keys %dump if $run->{model}->is_shape && $state eq 'completed';
	my %seen;
	$seen{$_}++ for @{ $dump{zdm} };
	$seen{$_}-- for @{ $dump{model} };
	my @only = grep { $seen{$_} } sort keys %seen;
	$run->differ('catalog', "the catalogs differ in $state:\n" . join "\n", map { ($seen{$_} > 0 ? 'pg_zdm: ' : 'model:  ') . $_ } @only) if @only;
	return;
}

# without_partitions(run, side, statements): those of a table that has none; of partitions,
# each has all indexes of the whole.
sub without_partitions
{
	my ($run, $side, @statements) = @_;
	my $table = Change::quote($run->{case}{schema}{table}) . '::regclass';
	my @of = map { $_->[0] } $run->{monitor}{$side}->must("SELECT 'app.' || quote_ident(relname) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = $table")->@*;
	my $bad = $run->{monitor}{$side}->must("SELECT p.relname, i.relname FROM pg_index x JOIN pg_class i ON i.oid = indexrelid CROSS JOIN pg_inherits h JOIN pg_class p ON p.oid = inhrelid
		WHERE indrelid = $table AND inhparent = $table AND NOT EXISTS (SELECT 1 FROM pg_inherits hi JOIN pg_index xi ON xi.indexrelid = hi.inhrelid WHERE hi.inhparent = x.indexrelid AND xi.indrelid = p.oid AND xi.indisvalid)");

	$run->differ('index of a partition', join "\n", map { "$_->[0] has no $_->[1]" } @$bad) if @$bad;
	my $is_of = join '|', 'no partitions', map { quotemeta } @of;
	@statements = grep { !/^ALTER INDEX .* ATTACH PARTITION / && !/^(?:CREATE TABLE|ALTER TABLE(?: ONLY)?|GRANT .* ON TABLE|REVOKE .* ON TABLE|COMMENT ON COLUMN) (?:$is_of)[ .;\n]/
		  && !/^CREATE (?:UNIQUE )?INDEX .* ON (?:$is_of) / && !/ATTACH PARTITION (?:$is_of) / } @statements;
	return map { s/\)\nPARTITION BY .*;$/);/mr =~ s/ ONLY / /gr } @statements;
}

# idle(run): a worker that has nothing to do uses no processor.
sub idle
{
	my ($run) = @_;
	my @pids = map { $_->[0] } $run->{monitor}{zdm}->must(q{SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type LIKE '%zdm%'})->@*;
	my %before = map { $_ => ticks($_) } @pids;

	return if !@pids;
	usleep(600_000);
	for my $pid (@pids)
	{
		my $used = ticks($pid) - $before{$pid};

		$run->differ('spins', "worker $pid used $used ticks of a second's 100 with nothing to do:
" . $run->progress) if $used > 30;
	}
	return;
}

# nothing_left(run): where all rests, there is soon no worker, and no claim of one.
sub nothing_left
{
	my ($run) = @_;
	my $until = time + $Runner::patience;
	my $left;

	do
	{
		usleep(20_000) if $left;
		$left = $run->{monitor}{zdm}->must(q{SELECT l.pid, a.backend_type, a.query, l.locktype, l.relation::regclass, l.mode, l.objid, l.objsubid
			FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
			WHERE (a.datname = current_database() AND a.backend_type ~ 'zdm (worker|helper)') OR (l.locktype = 'advisory' AND l.objsubid > 2)
			UNION ALL SELECT pid, backend_type, query, NULL, NULL, NULL, NULL, NULL FROM pg_stat_activity WHERE datname = current_database() AND backend_type ~ 'zdm (worker|helper)'});
	} while (@$left && time < $until);
	$run->differ('left behind', join "\n", 'where all rests, there is still:', (map { '  ' . Runner::show_row($_) } @$left), $run->progress) if @$left;
	return;
}

# ticks(pid): of processor time, so far; 0 if it is gone.
sub ticks
{
	my ($pid) = @_;

	open my $stat, '<', "/proc/$pid/stat" or return 0;
	my @fields = split ' ', (readline $stat // '') =~ s/^.*\) //r;
	return ($fields[11] // 0) + ($fields[12] // 0);
}

# restores(run): a dump, rows and all, can be restored, and has the same rows.
sub restores
{
	my ($run) = @_;
	my $server = $run->{server};
	my @to = ('-h', "$server->{dir}/s", '-p', '5432', '-U', 'postgres');
	my $copy = "$run->{zdm_db}_copy";
	my $rows = "SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM $run->{case}{schema}{table} t";
	my $admin = $server->connect('postgres', 'postgres', 'set-up');

	$admin->must("CREATE DATABASE $copy TEMPLATE template0");
	my $said = eval {
		Server::run_quietly("$server->{dir}/dump.log", 'pg_dump', @to, '-f', "$server->{dir}/dump.sql", $run->{zdm_db});
		Server::run_quietly("$server->{dir}/dump.log", 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', @to, '-d', $copy, '-f', "$server->{dir}/dump.sql");
		my $session = $server->connect($copy, 'postgres', 'set-up');
		my ($is, $was) = map { Runner::show_row($_->must($rows)->[0]) } $session, $run->{monitor}{zdm};
		$session->close;
		$is eq $was ? '' : "$is, was $was";
	} // $@;
	$admin->must("DROP DATABASE $copy WITH (FORCE)");
	$admin->close;
	unlink "$server->{dir}/dump.log";
	$run->differ('restore', "a dump is not restored as it was: $said") if $said;
	return;
}

# begin_dump(run, database): pg_dump of its schema, at work.
sub begin_dump
{
	my ($run, $database) = @_;
	my $pid = open3(my $in, my $out, undef, 'pg_dump', '-h', "$run->{server}{dir}/s", '-p', '5432', '-U', 'postgres', '-s',
		'-N', 'zdm', '-N', 'zr', $database);

	close $in;
	return { pid => $pid, out => $out };
}

# dump_of(run, begun): the schema as pg_dump writes it, as a list of statements in
# which the order of columns is of no account.
sub dump_of
{
	my ($run, $begun) = @_;
	my $out = $begun->{out};
	my $text = do { local $/; <$out> };

	waitpid $begun->{pid}, 0;
	$run->differ('dump', "pg_dump fails:\n$text") if $?;
	$text =~ s/^--.*\n//gm;
	$text =~ s/^\\(un)?restrict.*\n//gm;
	my @statements = grep { length && !/^(SET|SELECT pg_catalog\.set_config|CREATE EXTENSION|COMMENT ON EXTENSION)/ } split /\n\n+/, $text;
	return [ map { even_out($run, $_) } @statements ];
}

sub even_out
{
	my ($run, $text) = @_;

	$text =~ s/^\n+|\n+$//g;
	return join "\n", sort split /\n/, $text if $text =~ /^(GRANT|REVOKE) /;
	$text =~ s/( ON )(.*)( FROM )/$1 . join(', ', sort split m{, }, $2) . $3/e if $text =~ /^CREATE STATISTICS/;
	# by which name PostgreSQL called the index of a partition
	$text =~ s/"(late_\d+|p\d|rest)_[^."]*(?:""[^."]*)*_idx\d*"/$1_idx/g;
	$text =~ s/\b(late_\d+|p\d|rest)_\w+_idx\d*\b/$1_idx/g;
	my $name = quotemeta $run->{model}{name};
	$text =~ s/^(    $name [^\n]*?) DEFAULT .*?( NOT NULL)?(,?)$/$1 . ($2 \/\/ '') . $3/em
	  if $run->{case}{change}{kind} eq 'type' && $run->{case}{schema}{default};
	if ($text =~ /^(CREATE (?:UNLOGGED )?TABLE .*?\(\n)(.*)(\n\).*)$/s)
	{
		my ($head, $body, $tail) = ($1, $2, $3);

		$text = $head . join("\n", sort map { s/,$//r } split /\n/, $body) . $tail;
	}
	if ($text =~ /CHECK/ && $run->{case}{change}{kind} eq 'type')
	{
		$text =~ s/::[a-z ]+(\[\])?//g;
		$text =~ s/[()']//g;
		$text =~ s/ *([<>=]+) */ $1 /g;
	}
	return $text;
}

1;
