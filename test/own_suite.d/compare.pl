#!/usr/bin/perl
# compare.pl: what two runs of a regression suite have printed: the same, but for
# WARNINGs of the guard in the second.
#
#   compare.pl DIRECTORY DIRECTORY

use strict;
use warnings;

my ($plain, $ours) = @ARGV;
my ($tests, $warnings, $differ) = (0, 0, 0);

# A list of all there is has our objects in it: more lines, wider columns.
sub lists_ours
{
	my ($gone, $come) = @_;
	my ($was, $is) = map { { map { s/^[<>]//r =~ s/[ -]+/ /gr => 1 } @$_ } } $gone, $come;
	my @more = grep { !$was->{$_} && !/^ \(\d+ rows?\)/ } keys %$is;

	return @more && !(grep { !/\bzdm_/ } @more) && !grep { !$is->{$_} && !/^ \(\d+ rows?\)/ } keys %$was;
}

# A part of a diff is fine if lines came in alone, and each lot of them is the guard's.
sub is_fine
{
	my (@lines) = @_;
	my @gone = grep { /^</ } @lines;
	my @come = grep { /^>/ } @lines;

	return 1 if lists_ours(\@gone, \@come);
	return 0 if @gone || !@come || $come[0] !~ /^> WARNING:  DDL (would be )?refused by rule /;
	$warnings += grep { /^> WARNING:  DDL (would be )?refused/ } @come;
	return !grep { /^> (WARNING|ERROR|NOTICE|FATAL|INFO|LOG):/ && !/^> WARNING:  DDL (would be )?refused/ } @come;
}

for my $file (glob "$plain/*.out")
{
	my ($name) = $file =~ m{([^/]+)$};
	my @parts;

	$tests++;
	# the last line may have no end, and comes to have one
	open my $diff, '-|', 'bash', '-c', 'diff --minimal <(awk 1 "$1") <(awk 1 "$2")', 'diff', $file, "$ours/$name" or die "diff: $!\n";
	while (my $line = <$diff>)
	{
		push @parts, [] if $line =~ /^\d/ || !@parts;
		push @{ $parts[-1] }, $line;
	}
	close $diff;
	my @bad = grep { !is_fine(@$_) } @parts;
	next if !@bad;
	$differ++;
	print "--- $name\n", map { @$_ } @bad;
}
print "$tests tests, $differ differ but for the guard's $warnings warnings\n";
exit($differ || !$tests ? 1 : 0);
