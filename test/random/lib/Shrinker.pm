# Shrinker.pm: the smallest case that still shows the same kind of difference.

package Shrinker;

use strict;
use warnings;

use Time::HiRes qw(time);

# shrink(case, kind, try, seconds): try is given a case and returns the
# difference it shows, if any.  Events and pieces are left out in ever smaller
# lots; then rows.
sub shrink
{
	my ($case, $kind, $try, $seconds) = @_;
	my $until = time + $seconds;
	my $fails = sub {
		my ($candidate) = @_;
		my $found = time < $until ? $try->($candidate) : undef;
		return $found && $found->{kind} eq $kind;
	};

	for my $what (qw(events pieces events))
	{
		$case = fewer($case, $what, $fails);
	}
	return fewer_rows($case, $fails);
}

sub list_of { return $_[1] eq 'events' ? $_[0]{events} : $_[0]{schema}{pieces} }

sub with
{
	my ($case, $what, @list) = @_;

	return { %$case, events => \@list } if $what eq 'events';
	return { %$case, schema => { %{ $case->{schema} }, pieces => \@list } };
}

sub fewer
{
	my ($case, $what, $fails) = @_;
	my $size = int(@{ list_of($case, $what) } / 2);

	while ($size >= 1)
	{
		my $at = 0;

		while ($at < @{ list_of($case, $what) })
		{
			my @list = @{ list_of($case, $what) };
			my @out = splice @list, $at, $size;
			my $candidate = with($case, $what, @list);

			if (!(grep { $_->{fixed} } @out) && $fails->($candidate)) { $case = $candidate }
			else { $at += $size }
		}
		$size = int($size / 2);
	}
	return $case;
}

sub fewer_rows
{
	my ($case, $fails) = @_;

	for my $count (1, 3, 8)
	{
		my @events = @{ $case->{events} };
		my ($rows) = grep { ($_->{what} // '') eq 'rows' } @events;
		last if !$rows;
		my ($head, @tuples) = split /(?<=\))(?:, | VALUES )(?=\()/, $rows->{sql};
		next if @tuples <= $count;
		my $less = { %$rows, sql => "$head VALUES " . join ', ', @tuples[ 0 .. $count - 1 ] };
		my $candidate = { %$case, events => [ map { $_ == $rows ? $less : $_ } @events ] };
		return $candidate if $fails->($candidate);
	}
	return $case;
}

1;
