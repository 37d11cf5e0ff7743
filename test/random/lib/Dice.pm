# Dice.pm: random numbers that are the same on every machine and perl.

package Dice;

use strict;
use warnings;

# new(seed): a stream of numbers of its own.
sub new
{
	my ($class, $seed) = @_;
	my $self = bless { state => ($seed * 2654435761 + 1013904223) & 0xffffffff }, $class;

	$self->next for 1 .. 8;
	return $self;
}

sub next
{
	my ($self) = @_;
	my $x = $self->{state} || 1;

	$x ^= ($x << 13) & 0xffffffff;
	$x ^= $x >> 17;
	$x ^= ($x << 5) & 0xffffffff;
	return $self->{state} = $x;
}

# below(n): 0 to n - 1.
sub below
{
	my ($self, $n) = @_;

	return ($self->next >> 3) % $n;
}

# between(low, high): both included.
sub between
{
	my ($self, $low, $high) = @_;

	return $low + $self->below($high - $low + 1);
}

# chance(percent): true that often.
sub chance
{
	my ($self, $percent) = @_;

	return $self->below(100) < $percent;
}

# pick(things): one of them.
sub pick
{
	my ($self, @things) = @_;

	return $things[ $self->below(scalar @things) ];
}

# weighted(thing => weight, ...): one of them, by weight.
sub weighted
{
	my ($self, @pairs) = @_;
	my $total = 0;

	$total += $pairs[ 2 * $_ + 1 ] for 0 .. $#pairs / 2;
	my $at = $self->below($total);
	while (@pairs)
	{
		my ($thing, $weight) = splice @pairs, 0, 2;
		return $thing if $at < $weight;
		$at -= $weight;
	}
	die "no such side of the die";
}

1;
