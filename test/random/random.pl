#!/usr/bin/perl
# random.pl: the random differential test, on a server of its own.
#
#   random.pl [--seeds N] [--from S] [--seconds T] [--no-shrink] [--all] [--verbose]
#             [--without WHAT,WHAT] [--only WHAT] [--no-known]
#
# Plays seeds S to S + N - 1, or as many as fit into T seconds.  Needs a server
# with pg_zdm installed in PATH, and a directory to work in, WORK.  test/random/run
# sees to both.  Each eighth seed is played by writers that run freely.  Without --all it ends at the first seed that differs.  --without
# leaves out events by what they are (both_insert, attach) and pieces of the
# schema and families of changes by their name: to look for something else than what is known already;
# the file "known" is such a list, and --no-known passes it over.  --only passes
# over the seeds in which there is no such thing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Getopt::Long;
use Time::HiRes qw(time);

use Change;
use Dice;
use Free;
use Runner;
use Schema;
use Server;
use Shrinker;
use Stream;

my %option = (seeds => 100, from => 1, seconds => 0, shrink => 1, known => 1, patience => 90);
GetOptions(\%option, 'seeds=i', 'from=i', 'seconds=i', 'keep', 'shrink!', 'all', 'patience=i', 'verbose', 'without=s', 'only=s', 'known!') or exit 2;
die "WORK is not set: use test/random/run\n" if !$ENV{WORK};
$| = 1;

my %without = map { $_ => 1 } split(/,/, $option{without} // ''), $option{known} ? known() : ();
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);
my $number = 0;
my $server = Server->start("$ENV{WORK}/random", "$FindBin::Bin/../zdm.conf");
my %count = (played => 0, refused => 0, short => 0, different => 0);
my %refusals;
my $began = time;

END
{
	local $?;
	$server->stop if $server;
}

# known(): what is left out as long as a fault that it shows is not mended.
sub known
{
	return map { /^(\w+)/ ? $1 : () } split /\n/, Server::slurp("$FindBin::Bin/known");
}

# invent(seed): the whole case.
sub invent
{
	my ($seed) = @_;
	return Free::invent($seed) if $seed % 8 == 0 && !$option{only};
	my $make = $seed % 4 == 1 ? \&Change::invent_shape : \&Change::invent;
	my $change = $make->(Dice->new($seed * 4 + 1));
	my $schema = Schema::invent(Dice->new($seed * 4 + 2), $change);
	return undef if $without{ $change->{family} } || $without{ $change->{shape} // '' };
	my $events = Stream::invent(Dice->new($seed * 4 + 3), $change, $schema, $server->version);

	$events = [ grep { !$without{ $_->{what} // $_->{op} } } @$events ];
	$schema->{pieces} = [ grep { !$without{ $_->{name} } } @{ $schema->{pieces} } ];
	my %has = map { $_ => 1 } $change->{kind}, $change->{family}, $change->{shape} // (), $change->{same} ? 'same' : (), $change->{keep} ? 'keep' : (), (map { $_->{name} } @{ $schema->{pieces} }), map { $_->{what} // $_->{op} } @$events;
	return undef if $option{only} && !$has{ $option{only} };
	return { seed => $seed, change => $change, schema => $schema, events => $events };
}

sub report
{
	my ($seed, $run, $title) = @_;

	print "--- seed $seed: $title: $run->{difference}{kind}\n";
	print "  $_->[0]: ", $_->[1] =~ s/\n/\n    /gr, ";\n" for @{ $run->{log} };
	print '  => ', $run->{difference}{text} =~ s/\n/\n     /gr, "\n";
	return;
}

sub one_seed
{
	my ($seed) = @_;
	my $case = invent($seed) or return;
	my $run = $case->{free} ? Free::play($server, ++$number, $case) : Runner::play($server, ++$number, $case);

	$count{played}++;
	$count{short}++ if $run->{enough};
	if ($run->{refused} && !$run->{difference})
	{
		$count{refused}++;
		$refusals{ $run->{refused} =~ s/ \/ .*//sr }++;
	}
	print "seed $seed (", join(' ', $case->{free} ? 'free' : (), @{ $case->{change} }{qw(kind family)}, $case->{change}{shape} // (), $case->{change}{keep} ? 'keep' : (), $case->{schema}{role}, map { $_->{name} } @{ $case->{schema}{pieces} }), '): ', $run->{difference} ? $run->{difference}{kind} : $run->{enough} // 'ok', "\n" if $option{verbose};
	return if !$run->{difference};
	$count{different}++;
	my $smallest = $run;
	if ($option{shrink} && !$case->{free})
	{
		my $kind = $run->{difference}{kind};
		Shrinker::shrink($case, $kind, sub {
			my $again = eval { Runner::play($server, ++$number, $_[0]) } or return undef;
			$smallest = $again if $again->{difference} && $again->{difference}{kind} eq $kind;
			return $again->{difference};
		}, $option{patience});
	}
	report($seed, $smallest, $smallest == $run ? 'not shrunk' : 'shrunk');
	print "  again: test/random/run --seeds 1 --from $seed\n";
	return;
}

for my $seed ($option{from} .. $option{from} + $option{seeds} - 1)
{
	last if $option{seconds} && time - $began > $option{seconds};
	if (!eval { one_seed($seed); 1 })
	{
		$count{different}++;
		print "--- seed $seed: broken: $@\n";
	}
	last if $count{different} && !$option{all};
}
printf "%d seeds in %d s: %d refused at the call, %d ended early, %d differ\n",
  $count{played}, time - $began, @count{qw(refused short different)};
print "  refused $refusals{$_} times: $_\n" for sort { $refusals{$b} <=> $refusals{$a} } keys %refusals;
exit($count{different} || !$count{played} ? 1 : 0);
