# Free.pm: writers that run freely, each in a process of its own, while a migration
# takes its road.
#
# Each has rows of its own, told by their number, and knows what it has written to
# them; so what they hold needs no model, at any moment and at the end.  No statement
# of theirs fails.  What it was that met is a matter of chance: the same seed may
# show a fault once and not again.

package Free;

use strict;
use warnings;

use Change;
use Dice;
use IO::Select;
use Properties;
use Rough;
use Runner;
use Schema;
use Time::HiRes qw(time usleep);
use Wire;

my $writers = 3;
my %fit = map { $_ => 1 } qw(int_bigint smallint_int varchar_text text_coalesce);

# invent(seed): a change of whose column every value looks alike in either shape.
sub invent
{
	my ($seed) = @_;
	my $case;

	for (my $try = 0; !$case; $try++)
	{
		my $make = $seed % 16 ? \&Change::invent : \&Change::invent_shape;
		my $change = $make->(Dice->new($seed * 4 + 1 + $try * 1000003));
		my $schema = Schema::invent(Dice->new($seed * 4 + 2 + $try * 1000003), $change);

		next if $change->{kind} eq 'ddl' || $change->{keep} || !$fit{ $change->{family} } || ($change->{kind} eq 'type' && $change->{family} eq 'text_coalesce');
		next if $schema->{role} ne 'data' || $schema->{may_refuse};
		$schema->{pieces} = [ grep { $_->{name} !~ /^(clip|update_of|policy)$/ } @{ $schema->{pieces} } ];
		$case = { seed => $seed, change => $change, schema => $schema, events => [], free => 1 };
	}
	return $case;
}

# play(server, number, case): as Runner::play.
sub play
{
	my ($server, $number, $case) = @_;

	return Runner::play($server, $number, $case, \&road);
}

# road(run): what the owner does meanwhile.
sub road
{
	my ($run) = @_;
	my $dice = Dice->new($run->{case}{seed} * 4 + 3);
	my @road = $dice->weighted([qw(cutover contract)] => 4, [qw(cutover revert)] => 3, [qw(revert)] => 1, [qw(cutover revert call cutover contract)] => 3)->@*;

	$run->{team} = [];
	start($run, $_) for 0 .. $writers - 1;
	$run->{case}{events} = [];
	step($run, $dice, 'call');
	step($run, $dice, $_) for @road;
	usleep(100_000);
	stop($run);
	return;
}

sub step
{
	my ($run, $dice, $verb) = @_;

	# who knows one name only must go before it does
	names($run, 'old') if $verb eq 'revert';
	names($run, 'new') if $verb eq 'contract';
	usleep(1000 * $dice->between(0, 60));
	$run->{server}->work(0);
	my $do = $run->can("do_$verb");
	$do->($run, {}) or return;
	if ($dice->chance(50))
	{
		usleep(1000 * $dice->between(0, 30));
		my $rough = $dice->pick(qw(do_pause do_signal do_signal vacuum vacuum_full analyze lock));
		$run->can($rough) ? $run->$rough(Rough::signal($dice)) : quick($run, $rough);
	}
	$run->do_wait;
	names($run, 'both') if $run->{model}->in_step;
	check($run);
	return;
}

# quick(run, what): by the owner, beside it all.
sub quick
{
	my ($run, $what) = @_;
	my $table = $run->{case}{schema}{table};
	my $sql = { vacuum => "VACUUM $table", analyze => "ANALYZE $table", lock => "BEGIN; LOCK TABLE $table IN SHARE MODE; COMMIT",
		vacuum_full => $run->{case}{schema}{partitioned} ? "VACUUM $table" : "VACUUM (FULL) $table" }->{$what};

	$run->note('owner', $sql);
	my $error = $run->{owner}{zdm}->query($sql)->{error};
	$run->{owner}{zdm}->query('ROLLBACK') if $run->{owner}{zdm}{status} ne 'I';
	$run->differ("free $error->{code}", "$sql: " . Runner::show_error($error)) if $error && $error->{code} ne '40P01';
	return;
}

# start(run, which): a process that writes until it is told to end.  It is told by
# a line, and answers with one when it has understood.
sub start
{
	my ($run, $which) = @_;

	pipe my $hear, my $tell or die "pipe: $!\n";
	pipe my $answer, my $say or die "pipe: $!\n";
	my $pid = fork // die "fork: $!\n";
	if (!$pid)
	{
		close $tell;
		close $answer;
		select((select($say), $| = 1)[0]);
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
		eval { writer($run, $which, $hear, $say); 1 } or print {$say} "broken ", $@ =~ s/\n/ /gr, "\n";
		require POSIX;
		POSIX::_exit(0);
	}
	close $hear;
	close $say;
	select((select($tell), $| = 1)[0]);
	push @{ $run->{team} }, { pid => $pid, tell => $tell, answer => $answer };
	return;
}

# ask(run, word): of each writer; its answer, one line.
sub ask
{
	my ($run, $word) = @_;
	my @answers;

	local $SIG{PIPE} = 'IGNORE';
	print { $_->{tell} } "$word\n" for @{ $run->{team} };
	for my $one (@{ $run->{team} })
	{
		my $line = readline $one->{answer};

		chomp($line //= 'broken: it has ended');
		push @answers, $line;
	}
	my @broken = grep { /^broken/ } @answers;
	$run->differ($broken[0] =~ /^broken (\w+)/ ? "free $1" : 'free', join "\n", @broken) if @broken;
	return @answers;
}

sub names { ask($_[0], $_[1]); return }
sub check { ask($_[0], 'check'); return }

# stop(run): all of them; their rows are what they wrote.
sub stop
{
	my ($run) = @_;
	my @rows = map { split /\t/, $_ } map { s/^rows\t?//r } ask($run, 'end');

	$run->note('writers', 'they end');
	my $column = $run->{model}->column('zdm', $run->{model}{state} =~ /^(completed)$/ ? 'new' : 'old');
	my $seen = $run->{monitor}{zdm}->must("SELECT id || '=' || $column FROM $run->{case}{schema}{table} WHERE id >= 100000 ORDER BY id");
	my $is = join "\n", sort map { $_->[0] // '<null>' } @$seen;
	my $was = join "\n", sort @rows;
	my %count;
	$count{$_}++ for split /\n/, $is;
	$count{$_}-- for split /\n/, $was;
	my @only = grep { $count{$_} } sort keys %count;
	$run->differ('free rows', "rows differ in state $run->{model}{state}:\n" . join "\n", map { ($count{$_} > 0 ? '  there: ' : '  written: ') . $_ } @only) if @only;
	return;
}

# end_team(run): whatever has become of them.
sub end_team
{
	my ($run) = @_;

	for my $one (@{ $run->{team} // [] })
	{
		close $one->{tell};
		kill 'KILL', $one->{pid};
		waitpid $one->{pid}, 0;
	}
	$run->{team} = [];
	return;
}

# --- in the writer's process

sub writer
{
	my ($run, $which, $hear, $say) = @_;
	my $change = $run->{case}{change};
	my $self = {
		table => $run->{case}{schema}{table}, which => $which, rows => {}, count => 0, names => 'old', change => $change,
		rename => $change->{kind} eq 'rename' ? 1 : 0, number => $change->{family} =~ /int/ ? 1 : 0, dice => Dice->new($run->{case}{seed} * 64 + $which),
		on => $run->{case}{schema}{primary},
		session => $run->{server}->connect($run->{zdm_db}, 'zr_old', "free $which"),
	};
	my $told = IO::Select->new($hear);

	while (1)
	{
		if ($told->can_read(0))
		{
			my $word = readline $hear // return;

			chomp $word;
			return print {$say} join("\t", 'rows', map { "$_=$self->{rows}{$_}" } sort keys %{ $self->{rows} }), "\n" if $word eq 'end';
			$self->{names} = $word if $word ne 'check';
			look($self);
			print {$say} "ok\n";
		}
		transaction($self);
	}
	return;
}

# name(self): of those that it may use.
sub name
{
	my ($self) = @_;

	return $self->{change}{old_name} if !$self->{rename} || $self->{names} eq 'old';
	return $self->{change}{new_name} if $self->{names} eq 'new';
	return $self->{change}{ $self->{dice}->pick('old_name', 'new_name') };
}

# transaction(self): some statements, and what they leave.
sub transaction
{
	my ($self) = @_;
	my $dice = $self->{dice};
	my $block = $dice->chance(40);
	my %before = %{ $self->{rows} };
	my $done = !$block || run($self, 'BEGIN');

	for (1 .. ($block ? $dice->between(1, 4) : 1))
	{
		$done &&= statement($self);
	}
	my $kept = $done && (!$block || ($dice->chance(75) ? run($self, 'COMMIT') : !run($self, 'ROLLBACK')));
	if (!$kept)
	{
		$self->{rows} = \%before;
		$self->{session}->query('ROLLBACK') if $self->{session}{status} ne 'I';
	}
	look($self) if $dice->chance(20);
	return;
}

# run(self, sql): false if it was the victim of a deadlock.
sub run
{
	my ($self, $sql) = @_;
	my $error = $self->{session}->query($sql)->{error};

	return 1 if !$error;
	return 0 if $error->{code} eq '40P01';
	die "$error->{code} $sql: ", Runner::show_error($error), "\n";
}

sub fresh_value
{
	my ($self) = @_;

	$self->{count}++;
	return $self->{number} ? $self->{count} % 30000 : "w$self->{which}_$self->{count}";
}

sub literal { return $_[0]{number} ? $_[1] : "'$_[1]'" }

sub statement
{
	my ($self) = @_;
	my $dice = $self->{dice};
	my @ids = sort keys %{ $self->{rows} };
	my $id = @ids && $dice->chance(70) ? $dice->pick(@ids) : 100000 + $self->{which} + 3 * (@ids ? $dice->below(60) : 0);
	my $there = exists $self->{rows}{$id};
	my $value = fresh_value($self);
	my ($table, $name, $v) = ($self->{table}, name($self), literal($self, $value));
	my $what = $dice->weighted(set => 5, upsert => 3, other => 2, delete => 1, many => 1);

	if ($what eq 'other' || $what eq 'many')
	{
		return run($self, "UPDATE $table SET b = b || '.' WHERE " . ($what eq 'other' ? "id = $id" : "id >= 100000 AND id % 3 = (100000 + $self->{which}) % 3"));
	}
	if ($what eq 'delete')
	{
		run($self, "DELETE FROM $table WHERE id = $id") or return 0;
		delete $self->{rows}{$id};
		return 1;
	}
	my $sql = $what eq 'set' && $there ? "UPDATE $table SET $name = $v WHERE id = $id"
	  : "INSERT INTO $table AS t (id, $name, b) VALUES ($id, $v, 'free') ON CONFLICT ($self->{on}) DO UPDATE SET $name = excluded.$name";
	run($self, $sql) or return 0;
	$self->{rows}{$id} = $value;
	return 1;
}

# look(self): what it has written is there, by each name that it may use.
sub look
{
	my ($self) = @_;
	my $name = name($self);
	my $result = $self->{session}->query("SELECT id, $name FROM $self->{table} WHERE id >= 100000 AND id % 3 = (100000 + $self->{which}) % 3");

	die "$result->{error}{code} reading $name: ", Runner::show_error($result->{error}), "\n" if $result->{error};
	my %seen = map { $_->[0] => $_->[1] } @{ $result->{rows} };
	for my $id (keys %{ $self->{rows} })
	{
		die "lost row $id: $name is " . ($seen{$id} // '<null>') . ", written was $self->{rows}{$id}\n" if ($seen{$id} // '') ne $self->{rows}{$id};
	}
	return;
}

1;
