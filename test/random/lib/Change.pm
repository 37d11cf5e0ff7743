# Change.pm: the changes that the test knows, as data.
#
# Each says what the column is before and after, how values look to either
# application, and what up and down are ({c} stands for the column).  "neutral":
# a value of the old application means the same, and is shown alike, before and
# after; only such columns are written while a cutover is under way.

package Change;

use strict;
use warnings;

sub quote { return defined $_[0] ? "'" . $_[0] =~ s/'/''/gr . "'" : 'NULL' }

sub small_int { return $_[0]->chance(10) ? $_[0]->between(2147483600, 2147483640) : $_[0]->between(-3, 40) }
sub word { return quote($_[0]->pick('', 'x', 'Abc', "it's", 'zwölf', 'a,b', '\\n', ' x ', 'none', 'x' x 40)) }
sub moment
{
	my ($dice) = @_;

	return sprintf "'2024-%02d-%02d %02d:30:00'", $dice->between(1, 12), $dice->between(1, 28), $dice->between(0, 23);
}

# Families of type changes.  old and new make a literal for either shape, and
# never NULL: that is the stream's to decide.
our %family = (
	int_bigint => {
		from => 'integer', to => 'bigint', neutral => 1, number => 1,
		old => \&small_int,
		new => sub { $_[0]->chance(15) ? $_[0]->between(3000000000, 3000000040) : small_int($_[0]) },
	},
	smallint_int => {
		from => 'smallint', to => 'integer', neutral => 1, number => 1,
		old => sub { $_[0]->between(-3, 40) },
		new => sub { $_[0]->chance(15) ? $_[0]->between(70000, 70040) : $_[0]->between(-3, 40) },
	},
	cents => {
		from => 'numeric(8,2)', to => 'bigint', number => 1,
		up => 'round({c} * 100)', down => '{c} / 100.0',
		old => sub { sprintf '%d.%02d', $_[0]->between(0, 40), $_[0]->below(100) },
		new => sub { $_[0]->between(0, 4000) },
	},
	bool_text => {
		from => 'boolean', to => 'text', lossy => 1,
		up => q{CASE WHEN {c} THEN 'active' ELSE 'inactive' END}, down => q{coalesce({c} = 'active', false)},
		old => sub { $_[0]->pick('true', 'false') },
		new => sub { quote($_[0]->pick('active', 'inactive', 'blocked')) },
	},
	int_text_none => {
		from => 'integer', to => 'text', lossy => 1,
		up => q{coalesce({c}::text, 'none')}, down => q{nullif({c}, 'none')::integer},
		old => \&small_int,
		new => sub { quote($_[0]->chance(20) ? 'none' : $_[0]->chance(5) ? 'many' : small_int($_[0])) },
	},
	text_coalesce => {
		from => 'text', to => 'varchar(60)', lossy => 1,
		up => q{coalesce({c}, b || ' is good')}, down => '{c}',
		old => \&word, new => \&word, inputs => ['b'],
	},
	timestamp_tz => {
		from => 'timestamp', to => 'timestamptz', may_be_at_once => 1, old => \&moment, new => \&moment,
		model_up => q{{c} AT TIME ZONE 'UTC'}, model_down => q{{c} AT TIME ZONE 'UTC'},
	},
	float_text => {
		from => 'double precision', to => 'text',
		old => sub { $_[0]->pick('0.1::float8 + 0.2', '1e300', '0', "'NaN'", '1.0/3', '42') },
		new => sub { quote($_[0]->pick('0.30000000000000004', '1', '1e10', '-0.5')) },
	},
	date_text => {
		from => 'date', to => 'text', up => q{to_char({c}, 'YYYY-MM-DD')}, down => q{to_date({c}, 'YYYY-MM-DD')}, old => sub { moment($_[0]) . '::date' },
		new => sub { quote(sprintf '2024-%02d-11', $_[0]->between(1, 12)) },
	},
	text_jsonb => {
		from => 'text', to => 'jsonb',
		up => 'to_jsonb({c})', down => q({c} #>> '{}'),
		old => \&word,
		new => sub { quote($_[0]->pick('"a"', '{"k": [1, 2]}', '1', 'true', '"it\'s"')) }, lossy => 1,
	},
	text_bytea => {
		from => 'text', to => 'bytea',
		up => q{convert_to({c}, 'UTF8')}, down => q{convert_from({c}, 'UTF8')},
		old => \&word,
		new => sub { q{convert_to(} . word($_[0]) . q{, 'UTF8')} },
	},
	int_array => {
		from => 'integer', to => 'integer[]', lossy => 1,
		up => 'ARRAY[{c}]', down => '({c})[1]',
		old => \&small_int,
		new => sub { 'ARRAY[' . join(',', map { small_int($_[0]) } 1 .. $_[0]->between(1, 3)) . ']' },
	},
	text_int => {
		from => 'text', to => 'integer', neutral => 1,
		up => '{c}::integer', down => '{c}::text',
		# what up fails for, and what is computed where it does not
		misfit => "'n/a'", fits => q({c} IS NULL OR {c} ~ '^-?[0-9]+$'),
		old => sub { quote($_[0]->between(-3, 40)) },
		new => sub { quote($_[0]->between(-3, 40)) },
	},
	text_enum => {
		from => 'text', to => 'app.mood', neutral => 1, enum => 1,
		up => '{c}::app.mood', down => '{c}::text',
		old => sub { quote($_[0]->pick('new', 'open', 'done')) },
		new => sub { quote($_[0]->pick('new', 'open', 'done')) },
	},
	sum => {
		from => 'integer', to => 'bigint', number => 1, inputs => ['a'],
		up => '{c}::bigint + coalesce(a, 0)', down => '({c} - coalesce(a, 0))::integer',
		old => sub { $_[0]->between(-3, 40) },
		new => sub { $_[0]->between(-3, 40) },
	},
	int_text_function => {
		from => 'integer', to => 'text', may_refuse => 1, number => 1,
		up => 'app.fwd({c})', down => 'app.back({c})',
		needs => [
			q{CREATE FUNCTION app.helper(t text) RETURNS text LANGUAGE sql STABLE AS $$SELECT t || ''::text$$},
			q{CREATE FUNCTION app.fwd(v integer) RETURNS text LANGUAGE sql STABLE AS $$SELECT helper(v::text)$$},
			q{CREATE FUNCTION app.back(v text) RETURNS integer LANGUAGE sql STABLE AS $$SELECT helper(v)::integer$$} ],
		old => \&small_int,
		new => sub { quote(small_int($_[0])) },
	},
	varchar_text => {
		from => 'varchar(60)', to => 'text', neutral => 1, at_once => 1,
		old => \&word, new => \&word,
	},
);

# Tables that get another shape.  "by" is the column of the partition key that the call
# brings, "leaves" says that there are partitions before it, "adds" and "drops" what the
# model does at the cutover and on the way back; "split" is the partition that is split, which
# completes by itself, and the model then has the partitions of "into".
our @shapes = (
	{ name => 'columns', sql => 'zdm.rewrite({T}, columns => (SELECT array_agg(attname ORDER BY md5(attname)) FROM pg_attribute WHERE attrelid = {T}::regclass AND attnum > 0 AND NOT attisdropped)' },
	{ name => 'by_hash', by => 'id', sql => q{zdm.partition_table({T}, 'HASH (id)', ARRAY['part_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)', 'part_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)']} },
	{ name => 'by_width', by => 'id', sql => q{zdm.partition_table({T}, 'RANGE (id)', every => '500', with_default => true} },
	{ name => 'by_list', by => 'k', sql => q{zdm.partition_table({T}, 'LIST (k)', ARRAY['part_1 FOR VALUES IN (1, 4)', 'part_3 FOR VALUES IN (3)', 'part_rest DEFAULT']} },
	{ name => 'by_range', by => 'k', with => 'k, id, ', sql => q{zdm.partition_table({T}, 'RANGE (k, id)', ARRAY['part_1 FOR VALUES FROM (MINVALUE, MINVALUE) TO (2, 20)', 'part_2 FOR VALUES FROM (2, 20) TO (MAXVALUE, MAXVALUE)']} },
	{ name => 'attach_width', by => 'id', attach => 1, sql => q{zdm.partition_table({T}, 'RANGE (id)', every => '500', with_default => true, way => 'attach'} },
	{ name => 'attach_list', by => 'k', attach => 1, sql => q{zdm.partition_table({T}, 'LIST (k)', ARRAY['part_1 FOR VALUES IN (1, 2, 3, 4, 5)', 'part_rest DEFAULT'], way => 'attach'} },
	{ name => 'one_table', leaves => 1, sql => 'zdm.unpartition_table({T}' },
	(map { { name => 'generated', adds => "ALTER TABLE {T} ADD COLUMN gen $_ STORED", drops => 'ALTER TABLE {T} DROP COLUMN gen',
			sql => "zdm.migrate(format('ALTER TABLE %s ADD COLUMN gen " . s/'/''/gr =~ s/\{C\}/%I/r . " STORED', {T}::regclass, {CN})" } }
		q{integer GENERATED ALWAYS AS (CASE WHEN {C} IS NULL THEN -1 ELSE coalesce(a, 0) * 2 + k END)},
		q{text GENERATED ALWAYS AS (coalesce(b, 'none') || CASE WHEN {C} IS NULL THEN a ELSE k END)}),
	(map { { name => 'split', leaves => 1, split => $_->[0], into => $_->[1],
			sql => "zdm.split_partition('app.$_->[0]', ARRAY[" . join(', ', map { quote("app.$_") } @{ $_->[1] }) . ']' } }
		[ 'p1', [ 'p1 FOR VALUES IN (1)', 'p2 FOR VALUES IN (2)' ] ], [ 'p1', [ 'p5 FOR VALUES IN (2)', 'p4 FOR VALUES IN (1)' ] ],
		[ 'rest', [ 'p4 FOR VALUES IN (4)', 'rest DEFAULT' ] ]),
);

# What a renamed column may be.
our @renamed = qw(int_bigint cents bool_text text_coalesce timestamp_tz float_text text_bytea);

# invent(dice): a change.
sub invent
{
	my ($dice) = @_;
	my $kind = $dice->weighted(rename => 4, type => 7, ddl => 3);
	# those that most can go wrong with come more often
	# (and convert_to() is refused)
	my $name = $kind eq 'type' ? $dice->weighted(map { $_ => $_ eq 'text_bytea' ? 0 : /^(text_int|sum|int_text_function)$/ ? 2 : 1 } sort keys %family) : $dice->pick(@renamed);

	# without hidden values, only those that are shown alike before and after can be followed
	my $keep = $kind eq 'type' && $family{$name}{neutral} && !$family{$name}{at_once} && $dice->chance(50);

	return {
		kind => $kind,
		family => $name,
		$keep ? (keep => 1) : (),
		$kind eq 'ddl' ? plain($dice, $family{$name}) : (),
		old_name => $dice->pick('amount', '"Amount"', '"select"', 'c', '"it""s"'),
		new_name => $dice->pick('total', '"To tal"', '"user"', 'c2'),
	};
}

# invent_shape(dice): the table is written anew: as it is, or in another shape.
sub invent_shape
{
	my ($dice) = @_;
	my %change = (kind => 'shape', family => $dice->pick(sort keys %family), old_name => $dice->pick('amount', '"Amount"', '"it""s"'), new_name => 'unused');
	my $shape = $dice->pick(@shapes, @shapes, 'same');

	return { %change, $shape->{split} ? (kind => 'ddl', same => 1, opposite => undef) : (), shape => $shape->{name},
		map { $_ => $shape->{$_} } grep { exists $shape->{$_} } qw(sql by with attach leaves adds drops split into) } if ref $shape;
	my ($plain, $sql) = @{ $dice->pick(
		[ 'VACUUM (FULL) {T}' ],
		[ 'VACUUM (FULL) {T}', 'zdm.rewrite({T}' ],
		[ 'VACUUM (FULL) {T}', q{zdm.rewrite({T}, 'b DESC NULLS FIRST, a'} ],
		[ 'CLUSTER {T} USING {PKEY}' ]) };
	return { %change, kind => 'ddl', same => 1, ddl => $plain, sql => $sql, opposite => undef };
}

# plain(dice, family): DDL that is done the safe way and then complete, its
# opposite, and what the rows are given first.
sub plain
{
	my ($dice, $family) = @_;
	my $fill = $dice->chance(70) ? $family->{old}->($dice) : undef;
	my @plain = (
		[ 'CREATE INDEX plain_i ON {T} ({C})', 'DROP INDEX app.plain_i' ],
		[ 'CREATE UNIQUE INDEX plain_u ON {T} (k, {C}, {KEY})', 'DROP INDEX app.plain_u' ],
		[ 'CREATE INDEX plain_e ON {T} ((b || b)) WHERE {C} IS NOT NULL', 'DROP INDEX app.plain_e' ],
		[ 'ALTER TABLE {T} ADD CONSTRAINT plain_c CHECK ({C} IS NOT NULL OR a < 8)', 'ALTER TABLE {T} DROP CONSTRAINT plain_c' ],
		[ 'ALTER TABLE {T} ADD CONSTRAINT plain_n CHECK (a < 1000)', 'ALTER TABLE {T} DROP CONSTRAINT plain_n' ],
		[ 'ALTER TABLE {T} ADD CONSTRAINT plain_q UNIQUE ({KEY}, k, a)', 'ALTER TABLE {T} DROP CONSTRAINT plain_q' ],
		(map { [ "ALTER TABLE {T} ADD CONSTRAINT plain_x EXCLUDE $_", 'ALTER TABLE {T} DROP CONSTRAINT plain_x' ] }
			'(k WITH =, {KEY} WITH =, {C} WITH =)', q{USING gist (int8range({KEY}, {KEY}, '[]') WITH &&, circle(point(k, 0), 1) WITH &&) WHERE ({C} IS NOT NULL) DEFERRABLE}),
		[ "ALTER TABLE {T} ADD COLUMN extra integer DEFAULT 5", 'ALTER TABLE {T} DROP COLUMN extra' ],
		[ "ALTER TABLE {T} ADD COLUMN extra text CHECK (extra <> 'x')", 'ALTER TABLE {T} DROP COLUMN extra' ],
		[ "ALTER TABLE {T} ALTER b SET DEFAULT 'none'", undef ],
		(map { [ 'ALTER TABLE {T} ALTER {C} SET NOT NULL', 'ALTER TABLE {T} ALTER {C} DROP NOT NULL', $fill ] } 1 .. 3));
	my ($ddl, $opposite, $value) = @{ $dice->pick(@plain) };

	return (ddl => $ddl, opposite => $opposite, fill => $value);
}

# expression(change, up or down, column): the text, for the column; the model's
# where the call leaves it to the cast.
sub expression
{
	my ($change, $way, $column) = @_;
	my $family = $family{ $change->{family} };
	my $text = $family->{$way} // $family->{"model_$way"}
	  // '{c}::' . ($way eq 'up' ? $family->{to} : $family->{from});

	return $text =~ s/\{c\}/$column/gr;
}

# call(change, schema, label): the statement that states it.
sub call
{
	my ($change, $schema, $label) = @_;
	my $table = $schema->{table};
	my $family = $family{ $change->{family} };

	return 'SELECT ' . ($change->{sql} =~ s/\{T\}/quote($table)/ger =~ s/\{CN\}/bare($change->{old_name})/er) . ', label => ' . quote($label) . ')' if $change->{sql};
	return 'SELECT zdm.migrate(' . join(', ', quote($change->{ddl} =~ s/\{T\}/$table/gr =~ s/\{PKEY\}/$schema->{pkey}/gr =~ s/\{KEY\}/$schema->{key}/gr =~ s/\{C\}/$change->{old_name}/gr),
		(defined $change->{fill} ? 'up => ' . quote($change->{fill}) : ()), 'label => ' . quote($label)) . ')'
	  if $change->{kind} eq 'ddl';
	return 'SELECT zdm.rename_column('
	  . join(', ', quote($table), bare($change->{old_name}), bare($change->{new_name}), quote($label)) . ')'
	  if $change->{kind} eq 'rename';
	return 'SELECT zdm.change_column_type('
	  . join(', ', quote($table), bare($change->{old_name}), quote($family->{to}),
		(map { "$_ => " . quote($family->{$_} =~ s/\{c\}/$change->{old_name}/gr) } grep { $family->{$_} } qw(up down)),
		($change->{keep} ? 'keep_place => true' : ()), 'label => ' . quote($label)) . ')';
}

# bare(name): a quoted identifier as a literal of the name itself.
sub bare
{
	my ($name) = @_;

	$name = $1 =~ s/""/"/gr if $name =~ /^"(.*)"$/s;
	return quote($name);
}

1;
