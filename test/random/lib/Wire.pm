# Wire.pm: a connection to the server that never waits unless it is told to.
#
# The random test steps many sessions by turns, and a statement of one may have
# to wait for another's lock; so a query is sent, and its answer looked for
# later.  This speaks as much of the frontend protocol as that takes (simple
# query, COPY from the client, prepared statements), which keeps the test free
# of client libraries that not every machine has.

package Wire;

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use Time::HiRes qw(time);

# connect(class, socket, user, database, application): a connected session.
# Dies with the server's message if it is refused.
sub connect
{
	my ($class, %to) = @_;
	my $self = bless { buffer => '', status => '', to => {%to} }, $class;
	my $body = pack('N', 196608);

	$self->{socket} = IO::Socket::UNIX->new(Peer => $to{socket})
	  or die "cannot connect to $to{socket}: $!\n";
	binmode $self->{socket};
	$self->{select} = IO::Select->new($self->{socket});
	for my $pair (
		[ user => $to{user} ],
		[ database => $to{database} ],
		[ application_name => $to{application} // 'random' ],
		[ client_encoding => 'UTF8' ])
	{
		$body .= "$pair->[0]\0$pair->[1]\0";
	}
	$body .= "\0";
	$self->put(pack('N', length($body) + 4) . $body);
	$self->begin;
	$self->wait(20) or die "no answer from the server\n";
	die "connection refused: $self->{result}{error}{message}\n" if $self->{result}{error};
	return $self;
}

sub put
{
	my ($self, $bytes) = @_;

	local $SIG{PIPE} = 'IGNORE';
	while (length $bytes)
	{
		my $sent = syswrite $self->{socket}, $bytes;
		return $self->lost if !defined $sent;
		substr($bytes, 0, $sent, '');
	}
	return;
}

sub message
{
	my ($self, $type, $body) = @_;

	return $self->put($type . pack('N', length($body) + 4) . $body);
}

# begin(): forget the last answer, and be busy.
sub begin
{
	my ($self) = @_;

	$self->{result} = { rows => [], tags => [], notices => [] };
	$self->{busy} = 1;
	return;
}

# send(sql, copy): start a query and return at once.  What "copy" holds is sent
# when the server asks for it.
sub send
{
	my ($self, $sql, $copy) = @_;

	$self->begin;
	$self->{copy} = $copy;
	return $self->lost if $self->{gone};
	return $self->message('Q', "$sql\0");
}

# parse(name, sql): a prepared statement, as a driver makes it.
sub parse
{
	my ($self, $name, $sql) = @_;

	$self->begin;
	return $self->lost if $self->{gone};
	$self->message('P', "$name\0$sql\0" . pack('n', 0));
	return $self->message('S', '');
}

# execute(name, values): run a prepared statement with values as text.
sub execute
{
	my ($self, $name, @values) = @_;
	my $body = "\0$name\0" . pack('nn', 0, scalar @values);

	$self->begin;
	return $self->lost if $self->{gone};
	$body .= defined $_ ? pack('N', length $_) . $_ : pack('N', 0xffffffff) for @values;
	$self->message('B', $body . pack('n', 0));
	$self->message('E', "\0" . pack('N', 0));
	return $self->message('S', '');
}

# lost(): the connection is gone.  That is an answer too.
sub lost
{
	my ($self) = @_;

	$self->{gone} = 1;
	$self->{busy} = 0;
	$self->{status} = 'I';
	$self->{result}{error} //= { code => '08006', message => 'connection lost' };
	return;
}

# poll(seconds): read what has come; true when the server is ready again.
sub poll
{
	my ($self, $seconds) = @_;
	my $until = time + ($seconds // 0);

	while ($self->{busy})
	{
		my $left = $until - time;

		return 0 if !$self->{select}->can_read($left > 0 ? $left : 0);
		my $got = sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer};
		if (!$got)
		{
			$self->lost;
			last;
		}
		$self->take while $self->{busy} && $self->whole;
	}
	return 1;
}

sub wait
{
	my ($self, $seconds) = @_;

	return $self->poll($seconds // 60);
}

sub whole
{
	my ($self) = @_;

	return 0 if length $self->{buffer} < 5;
	return length($self->{buffer}) >= 1 + unpack('N', substr($self->{buffer}, 1, 4));
}

# take(): one message off the buffer.
sub take
{
	my ($self) = @_;
	my ($type, $length) = unpack 'aN', $self->{buffer};
	my $body = substr $self->{buffer}, 5, $length - 4;
	my $result = $self->{result};

	substr($self->{buffer}, 0, $length + 1, '');
	if ($type eq 'D') { push @{ $result->{rows} }, row($body) }
	elsif ($type eq 'C') { push @{ $result->{tags} }, $body =~ s/\0.*//sr }
	elsif ($type eq 'E') { $result->{error} //= fields($body) }
	elsif ($type eq 'N') { push @{ $result->{notices} }, fields($body) }
	elsif ($type eq 'K') { $self->{pid} = unpack 'N', $body }
	elsif ($type eq 'G') { $self->feed }
	elsif ($type eq 'Z')
	{
		$self->{status} = $body;
		$self->{busy} = 0;
	}
	return;
}

sub feed
{
	my ($self) = @_;

	$self->message('d', $self->{copy}) if length($self->{copy} // '');
	return $self->message('c', '');
}

sub row
{
	my ($body) = @_;
	my $columns = unpack 'n', $body;
	my $at = 2;
	my @row;

	for (1 .. $columns)
	{
		my $length = unpack 'N', substr($body, $at, 4);

		$at += 4;
		if ($length == 0xffffffff)
		{
			push @row, undef;
			next;
		}
		push @row, substr($body, $at, $length);
		$at += $length;
	}
	return \@row;
}

sub fields
{
	my ($body) = @_;
	my %field = map { substr($_, 0, 1) => substr($_, 1) } grep { length } split /\0/, $body;

	return {
		code => $field{C},
		message => $field{M},
		detail => $field{D} // '',
		hint => $field{H} // '',
		context => $field{W} // ''
	};
}

# query(sql): run it to its end and return the result; an error is in it.
sub query
{
	my ($self, $sql, $copy) = @_;

	$self->send($sql, $copy);
	$self->wait(60) or die "no answer within a minute: $sql\n";
	return $self->{result};
}

# must(sql): the rows; dies of an error.
sub must
{
	my ($self, $sql) = @_;
	my $result = $self->query($sql);
	my $error = $result->{error};

	die "$error->{code} $error->{message} $error->{detail}\n  in: $sql\n" if $error;
	return $result->{rows};
}

sub close
{
	my ($self) = @_;

	return if $self->{gone};
	$self->message('X', '');
	close $self->{socket};
	$self->{gone} = 1;
	return;
}

1;
