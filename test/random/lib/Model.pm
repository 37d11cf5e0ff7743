# Model.pm: what is promised, and nothing else.
#
# The model is a plain database in which the column exists once.  A rename is
# nothing but a way to spell its name until contract; a change of type is plain
# ALTER TABLE ... TYPE at the moment of the cutover.  What the contract says of
# both names in one statement is said here as an expression over the one column.
# So the model gives what each statement must give, the values of each row, and
# in the end the catalog.

package Model;

use strict;
use warnings;

use Change;

# new(class, case): before the migration is stated.
sub new
{
	my ($class, $case) = @_;
	my $change = $case->{change};

	return bless {
		change => $change, schema => $case->{schema},
		family => $Change::family{ $change->{family} },
		state => 'none',	# as far as the zdm side has been taken
		name => $change->{old_name}, type => 'old', switches => 0
	}, $class;
}

sub is_plain { return $_[0]{change}{kind} eq 'ddl' }
sub is_shape { return $_[0]{change}{kind} eq 'shape' }
sub keeps_place { return $_[0]{change}{keep} }
# has_second(): is it done by a second table, beside which there is no second column?
sub has_second { return $_[0]->is_shape || $_[0]->keeps_place }
sub is_rename { return $_[0]{change}{kind} eq 'rename' }

# column(side, version): the name by which that version of the application
# writes the column now.
sub column
{
	my ($self, $side, $as) = @_;
	my $change = $self->{change};

	return $self->{name} if !$self->is_rename || $side eq 'model';
	return $change->{new_name} if $self->{state} =~ /^(contracting|completed)$/;
	return $change->{ $as eq 'new' ? 'new_name' : 'old_name' } if $self->{state} =~ /^(ready|switching|switched)$/;
	return $change->{old_name};
}

# other(): the name of the other side of the pair, as the zdm side has it.
sub other
{
	my ($self, $as) = @_;

	return $self->{hidden} if !$self->is_rename;
	return $self->{change}{ $as eq 'new' ? 'old_name' : 'new_name' };
}

# in_step(): are there two columns of it?
sub in_step { return !$_[0]->has_second && $_[0]{state} =~ /^(ready|switched)$/ }

# moving(): nobody can say which of the two states it is in.
sub moving
{
	my ($self) = @_;

	return 0 if $self->{change}{same};
	return 1 if $self->{state} eq 'running' && !$self->is_shape && ($self->is_plain || ($self->{family}{may_be_at_once} && !$self->is_rename));
	return $self->{state} =~ /^(switching|reverting)$/;
}

# applies(event): does it make sense in this state?
sub applies
{
	my ($self, $event) = @_;

	return 0 if $event->{both} && !$self->in_step;
	return $self->{state} eq 'ready' if $event->{misfit};
	return 1 if $self->is_rename || $self->is_shape || !$self->moving;
	if ($self->is_plain)
	{
		return $event->{sql} && $event->{sql} !~ /\{[CV]|INSERT|COPY/;
	}
	# which side follows an input is for the one in charge to say, which is about to change
	return 0 if grep { ($event->{sql} // '') =~ /\bSET\b.*\b$_ = /s } @{ $self->{family}{inputs} // [] };
	return 1 if $event->{sql} && $event->{sql} !~ /\{[CV]|app\.v\b/;
	return $self->{family}{neutral} && !$event->{grows} && !$event->{copy};
}

# value(event, n): the literal in the shape that the column has now.
sub value
{
	my ($self, $event, $n) = @_;
	my $pair = $event->{vals}[$n];

	return $pair->[0] if $self->is_rename || $self->is_plain || $self->{type} eq 'old' || $self->moving;
	return $pair->[0] if $event->{as} && $event->{as} eq 'old' && $self->{family}{neutral};
	return $pair->[1];
}

# render(side, event): the statement.
sub render
{
	my ($self, $side, $event, $sql) = @_;

	return $self->both($side, $event) if $event->{both} && !defined $sql;
	$sql //= $event->{sql};
	return $self->fill($side, $event, $sql);
}

sub fill
{
	my ($self, $side, $event, $sql) = @_;
	my $column = $self->column($side, $event->{as} // 'old');

	$sql =~ s/\{V(\d)\}/$self->value($event, $1)/ge;
	$sql =~ s/\{KEY\}/$self->{schema}{key}/g;
	$sql =~ s/\{C\}/$column/g;
	$sql =~ s/\{OTHER\}/$self->other($event->{as})/ge;
	$sql =~ s/\{T\}/$self->{schema}{table}/g;
	$sql =~ s/\{T0\}/tgt/g;
	return $sql;
}

# copy(event): the lines of a COPY, by way of the server's own text form.
sub copy
{
	my ($self, $event) = @_;
	my $text = '';

	for my $row (@{ $event->{copy} })
	{
		$text .= join("\t", map { ref $_ ? copy_literal($self->value({ vals => [$_], as => $event->{as} }, 0)) : $_ } @$row) . "\n";
	}
	return $text;
}

sub copy_literal
{
	my ($literal) = @_;

	return '\\N' if $literal eq 'NULL';
	return "\\N" if $literal !~ /^-?[\d.]+$|^'/ && $literal !~ /^(true|false)$/;
	$literal =~ s/^'(.*)'(::\w+)?$/$1/s;
	$literal =~ s/''/'/g;
	$literal =~ s/\\/\\\\/g;
	return $literal;
}

# both(side, event): a statement that names both sides, or what comes of it.
sub both
{
	my ($self, $side, $event) = @_;
	my $make = $self->can("both_$event->{both}");

	return $make->($self, $side, $event);
}

# given(event, n): what is given to that side: a literal, or a word.
sub given
{
	my ($self, $event, $n) = @_;
	my $given = $event->{given}[$n];

	return $given =~ /^V(\d)$/ ? $self->value($event, $1) : $given;
}

sub both_insert
{
	my ($self, $side, $event) = @_;
	my @given = map { $self->given($event, $_) } 0, 1;
	my ($first, $second) = $self->both_names;
	my $table = $self->{schema}{table};

	if (!$self->is_rename)
	{
		$given[0] = $self->value($event, 0);
		$given[1] = 'DEFAULT' if $given[1] ne 'NULL';
	}
	return "INSERT INTO $table (id, $first, $second, b) VALUES ($event->{id}, $given[0], $given[1], 'both') RETURNING $first, a"
	  if $side eq 'zdm';
	my $default = $self->{schema}{default_value};
	# the default is one, however it is spelled
	@given = map { defined $default && $_ eq $default ? 'DEFAULT' : $_ } @given;
	my $value = $self->is_rename ? agreed(@given) : $given[0];
	my $name = $self->{name};
	return "INSERT INTO $table (id, $name, b) VALUES ($event->{id}, $value, 'both') RETURNING $name, a";
}

# A value wins over NULL and DEFAULT; of two values, the new side's.
sub agreed
{
	my ($old, $new) = @_;

	return $old if $new eq 'DEFAULT' || $new eq 'NULL';
	return $new;
}

# both_names(): old and new side of a rename; visible and hidden of a type.
sub both_names
{
	my ($self) = @_;

	return ($self->{change}{old_name}, $self->{change}{new_name}) if $self->is_rename;
	return ($self->{name}, $self->{hidden});
}

sub both_update
{
	my ($self, $side, $event) = @_;
	my ($first, $second) = $self->both_names;
	my @given = map { $self->given($event, $_) } 0, 1;
	my $table = $self->{schema}{table};
	my $name = $self->{name};

	if (!$self->is_rename)
	{
		my $value = $self->value($event, 0);

		return "UPDATE $table SET $first = $value, $second = $second WHERE id = $event->{id} RETURNING $first" if $side eq 'zdm';
		return "UPDATE $table SET $name = $value WHERE id = $event->{id} RETURNING $name";
	}
	return sprintf 'UPDATE %s SET %s = %s, %s = %s WHERE id = %d RETURNING %s', $table, $first,
	  ($given[0] eq 'SAME' ? $first : $given[0]), $second, ($given[1] eq 'SAME' ? $second : $given[1]), $event->{id}, $first
	  if $side eq 'zdm';
	my ($x, $y) = map { $_ eq 'SAME' ? $name : "CAST($_ AS $self->{family}{from})" } @given;
	return "UPDATE $table SET $name = CASE WHEN $y IS DISTINCT FROM $name THEN $y ELSE $x END WHERE id = $event->{id} RETURNING $name";
}

sub both_upsert
{
	my ($self, $side, $event) = @_;
	my ($first, $second) = $self->both_names;
	my $table = $self->{schema}{table};
	my $value = $self->value($event, 0);
	my $also = $event->{given}[1] eq 'NULL' ? 'NULL' : $self->is_rename ? $value : 'DEFAULT';

	return "INSERT INTO $table (id, $first, $second, b) VALUES ($event->{id}, $value, $also, 'bup') ON CONFLICT (id) DO UPDATE SET $first = excluded.$first, $second = excluded.$second, b = 'bup' RETURNING $first"
	  if $side eq 'zdm';
	my $name = $self->{name};
	return "INSERT INTO $table (id, $name, b) VALUES ($event->{id}, $value, 'bup') ON CONFLICT (id) DO UPDATE SET $name = excluded.$name, b = 'bup' RETURNING $name";
}

# --- what the model does when the zdm side has got somewhere

# pieces_over(schema): those that plain ALTER ... TYPE refuses to carry.
sub pieces_over
{
	my ($self) = @_;

	return grep { $_->{drop} } @{ $self->{schema}{pieces} }, values %{ $self->{late} // {} };
}

# sequence_type(column, type): the column's own sequence follows.
sub sequence_type
{
	my ($name, $type) = @_;
	my $column = Change::bare($name);

	return "DO \$do\$ BEGIN EXECUTE format('ALTER SEQUENCE %s AS $type', pg_get_serial_sequence('{T}', $column)); END \$do\$";
}

# retype(way): the statements by which plain DDL changes the type, up or down.
sub retype
{
	my ($self, $way) = @_;
	my $family = $self->{family};
	my $name = $self->{name};
	my $type = $way eq 'up' ? $family->{to} : $family->{from};
	my $using = Change::expression($self->{change}, $way, $name);
	my $default = $self->{schema}{default};
	my @sql = map { @{ $_->{drop} } } reverse $self->pieces_over;
	my $alter = $using =~ /\bb\b|\ba\b/ || $family->{up} ? "USING ($using)" : $family->{model_up} ? "USING ($using)" : '';

	$alter = "USING ($using)" if $way eq 'down';
	# without an up of its own, the default goes along as PostgreSQL does it
	my $as_plain = $default && $way eq 'up' && !$family->{up};
	push @sql, "ALTER TABLE {T} ALTER $name DROP DEFAULT" if $default && !$as_plain;
	push @sql, "ALTER TABLE {T} ALTER $name TYPE $type $alter";
	push @sql, "ALTER TABLE {T} ALTER $name SET DEFAULT \{DEFAULT $way\}" if $default && !$as_plain;
	push @sql, sequence_type($name, $type)
	  if $self->{schema}{made};
	for my $piece ($self->pieces_over)
	{
		push @sql, map { $piece->{sql}[$_] } @{ $piece->{again} };
	}
	return map { $self->fill('model', { as => 'new' }, $_) } @sql;
}

1;
