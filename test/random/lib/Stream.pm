# Stream.pm: invents what happens, in order: statements of three writers, what
# a DBA does, and the steering of the migration.
#
# Events are data.  What they say is written for any state of the migration:
# {C} is the column by the name that the writer's version of the application
# knows, {V0} the first value in the shape that the column then has.  So any
# event can be left out when a failure is shrunk, and the rest still makes
# sense.

package Stream;

use strict;
use warnings;

use Beside;
use Change;
use Rough;
use Schema;

# invent(dice, change, schema, version): the list of events.
sub invent
{
	my ($dice, $change, $schema, $version) = @_;
	my $self = {
		dice => $dice, change => $change, schema => $schema, version => $version,
		family => $Change::family{ $change->{family} }, fresh => 1000, child => 1
	};
	my @events = rows($self);
	my $work = sub { push @events, some($self, @_) };

	$work->(0, 6);
	my $signal = sub { push @events, Rough::signal($dice) if $dice->chance(25) };

	push @events, { op => 'call' };
	$signal->();
	$work->(1, 10);
	push @events, { op => 'wait' };
	$work->(4, 14);
	my @road = $change->{kind} eq 'ddl' ? ($change->{opposite} && $dice->chance(40) ? 'undo' : ()) : $dice->weighted(
		[qw(cutover contract)] => 5, [qw(revert)] => 2, [qw(cutover revert)] => 4,
		[qw(cutover revert call cutover contract)] => 2, [qw(revert call cutover contract)] => 1)->@*;
	for my $step (@road)
	{
		push @events, { op => $step };
		$signal->();
		$work->(0, 3);
		push @events, { op => 'wait' };
		$work->(2, 12);
	}
	return \@events;
}

# rows(): what the table holds to begin with.
sub rows
{
	my ($self) = @_;
	my @values;
	my $key = $self->{schema}{role} eq 'key';

	for my $id (1 .. $self->{schema}{rows})
	{
		my $value = $key ? $id : value($self, 'old');

		push @values, '(' . join(', ', $key ? $value : ($id, $value), $self->{dice}->pick('NULL', 1 .. 9), Change::quote("row $id"),
			$self->{dice}->between(1, 4), "'2024-03-0" . $self->{dice}->between(1, 9) . " 12:00+00'") . ')';
	}
	my $columns = $key ? '{C}, a, b, k, d' : 'id, {C}, a, b, k, d';
	return { op => 'owner', what => 'rows',
		sql => "INSERT INTO {T} ($columns) VALUES " . join(', ', @values) };
}

# value(shape): a literal, NULL now and then where that may be.
sub value
{
	my ($self, $shape) = @_;
	my $dice = $self->{dice};

	return 'NULL' if $dice->chance(15) && (!$self->{schema}{not_null} || ($self->{busy} && $dice->chance(10)));
	return $dice->between(-3, $self->{busy} && $dice->chance(10) ? 60 : 40) if $self->{schema}{role} eq 'reference';
	return $self->{family}{$shape}->($dice);
}

# values(): the same for both shapes of the column.
sub values_for
{
	my ($self) = @_;

	return [ value($self, 'old'), value($self, 'new') ];
}

# some(low, high): so many things that happen.
sub some
{
	my ($self, $low, $high) = @_;
	my $dice = $self->{dice};
	my @events;

	$self->{busy} = 1;
	for (1 .. $dice->between($low, $high))
	{
		push @events, (\&dba, \&rough, sub { Beside::invent($dice) }, \&statement)[ $dice->weighted(0 => 12, 1 => $self->{family}{misfit} ? 14 : 6, 2 => $self->{family}{inputs} ? 10 : 5, 3 => 77) ]->($self);
	}
	return @events;
}

sub rough
{
	my ($self) = @_;
	my $event = Rough::invent($self->{dice});

	return $event if $event->{op} ne 'hasty';
	if ($self->{family}{misfit} && $self->{change}{kind} eq 'type' && !$self->{change}{keep} && $self->{dice}->chance(60))
	{
		# what is to be noted, where it cannot be
		@$event{qw(milliseconds notes_locked)} = (200, 1);
		$event->{statement} = { op => 'sql', what => 'misfit', who => 0, as => 'old' };
		do_misfit($self, $event->{statement});
		return $event;
	}
	do { $event->{statement} = statement($self) } while grep { $event->{statement}{$_} } qw(copy prepared setting inside) or ($event->{statement}{sql} // '') =~ /^(BEGIN|COMMIT|ROLLBACK)/;
	return $event;
}

sub dba
{
	my ($self) = @_;
	my $n = $self->{fresh}++;
	my $partitioned = $self->{schema}{partitioned};
	my $what = $self->{dice}->weighted(
		vacuum_full => $partitioned ? 0 : 3, vacuum => 2, analyze => 2, late_index => 2, pause => 2, signal => 3,
		grant => 1, owner => $partitioned || (grep { Schema::piece($self->{schema}, $_) } qw(child parent odd)) ? 0 : 1, checkpoint => 1, crash => 1, late => $self->{change}{kind} eq 'ddl' || $self->{schema}{role} ne 'data' ? 0 : 6, attach => $partitioned ? 8 : 0, detach => $partitioned ? 4 : 0);
	my $key = $self->{schema}{role} eq 'key';

	return { op => 'dba', sql => 'VACUUM (FULL) {T}' } if $what eq 'vacuum_full';
	return { op => 'dba', sql => 'VACUUM {T}' } if $what eq 'vacuum';
	return { op => 'dba', sql => 'ANALYZE {T}' } if $what eq 'analyze';
	return { op => 'dba', sql => 'CHECKPOINT', super => 1 } if $what eq 'checkpoint';
	return { op => 'dba', sql => "CREATE INDEX late_$n ON {T} (b)", late => 1 } if $what eq 'late_index';
	return { op => 'dba', sql => "GRANT TRIGGER ON {T} TO zr_new" } if $what eq 'grant';
	return { op => 'dba', sql => 'ALTER TABLE {T} OWNER TO ' . $self->{dice}->pick(qw(zr_second zr_second zr_owner)), super => 1 } if $what eq 'owner';
	return { op => 'crash' } if $what eq 'crash';
	return late($self, $n) if $what eq 'late';
	return { op => 'pause' } if $what eq 'pause';
	return Rough::signal($self->{dice}) if $what eq 'signal';
	return { op => 'detach', part => $self->{dice}->weighted('app.p1' => 3, 'app.p3' => 1), vals => [ values_for($self) ] } if $what eq 'detach';
	return { op => 'attach', part => "app.late_$n", bound => $n,
		vals => [ values_for($self), values_for($self) ], as => $self->{dice}->pick('old', 'new'), ids => [ $n * 10, $n * 10 + 1 ] };
}

# late(number): something is put on the column while it is being changed.
sub late
{
	my ($self, $n) = @_;
	my @may = (
		[ index => "CREATE INDEX lt_$n ON {T} ({C})", "DROP INDEX app.lt_$n" ],
		[ check => "ALTER TABLE {T} ADD CONSTRAINT lt_$n CHECK ({C} IS NOT NULL OR a IS NULL OR a < 100000)", "ALTER TABLE {T} DROP CONSTRAINT lt_$n" ],
		[ trigger => "CREATE TRIGGER lt_$n AFTER UPDATE OF {C} ON {T} FOR EACH ROW EXECUTE FUNCTION app.audit()", "DROP TRIGGER lt_$n ON {T}" ],
		[ view => "CREATE VIEW app.lt_$n AS SELECT {C} AS shown FROM {T}", "DROP VIEW app.lt_$n" ],
		[ grant => 'GRANT SELECT ({C}), INSERT ({C}) ON {T} TO zr_new', 'REVOKE SELECT ({C}), INSERT ({C}) ON {T} FROM zr_new' ],
		[ comment => "COMMENT ON COLUMN {T}.{C} IS 'late $n'", 'COMMENT ON COLUMN {T}.{C} IS NULL' ],
		[ statistics => 'ALTER TABLE {T} ALTER {C} SET STATISTICS 77', 'ALTER TABLE {T} ALTER {C} SET STATISTICS -1' ]);
	my ($what, $sql, $drop) = @{ $self->{dice}->pick(@may) };

	return { op => 'late', what => "late_$what", name => "lt_$n", sql => $sql, drop => $drop, needs => $what eq 'trigger' ? 'audit' : undef };
}

# statement(): one of a writer's.
sub statement
{
	my ($self) = @_;
	my $dice = $self->{dice};
	my $schema = $self->{schema};
	my $who = $dice->below(3);
	my $event = { op => 'sql', who => $who, as => ('old', 'new', $dice->pick('old', 'new'))[$who] };
	my $key = $schema->{role} eq 'key';
	my $data = $schema->{role} eq 'data';
	my $what = $dice->weighted(
		insert => 14, insert_default => 5, update_key => 12, update_range => 5, update_where => 4, update_noop => 4,
		update_other => 6, update_more => 6, update_expr => $self->{family}{number} && $data ? 5 : 0, delete => 4,
		upsert => 8, upsert_nothing => 2, merge => 6, copy => 6, copy_default => 2,
		select_where => 4, select_key => 3, prepared => 8, modifying => 3, through_view => 2, cursor => 3,
		begin => 5, commit => 8, rollback => 3, savepoint => 3, rollback_to => 3, setting => 5,
		both_insert => 6, both_update => 8, both_upsert => 3,
		parent => $schema->{role} eq 'reference' ? 12 : 0, child => Schema::piece($schema, 'child') ? 8 : 0,
		new_key => $key ? 8 : 0, procedure => 9, insert_select => 3, current_of => 3,
		misfit => $self->{family}{misfit} && $self->{change}{kind} eq 'type' && !$self->{change}{keep} ? 1 : 0);
	my $make = __PACKAGE__->can("do_$what") or die "nothing does $what\n";

	$event->{what} = $what;
	$make->($self, $event);
	return $event;
}

# where(): the key of a row that may be there.
sub some_key
{
	my ($self) = @_;

	return $self->{dice}->chance(80) ? $self->{dice}->between(1, $self->{schema}{rows}) : $self->{dice}->between(1000, $self->{fresh});
}

sub fresh_key { return $_[0]{fresh}++ }

sub is_key { return $_[0]{schema}{role} eq 'key' }

# key_value(): the column is the key where that is what changes: "{K}, {V0}".
sub do_insert
{
	my ($self, $event) = @_;
	my $dice = $self->{dice};
	my @rows;
	my $columns = is_key($self) ? '{C}, b, k' : 'id, {C}, b, k';

	for my $n (0 .. $dice->pick(0, 0, 0, 1, 2))
	{
		my $id = $dice->chance(8) ? some_key($self) : fresh_key($self);

		$event->{vals}[$n] = is_key($self) ? [ $id, $id ] : values_for($self);
		push @rows, '(' . join(', ', is_key($self) ? () : $id, "{V$n}", "'ins $id'", $dice->between(1, 5)) . ')';
	}
	$event->{sql} = "INSERT INTO {T} ($columns) VALUES " . join(', ', @rows) . ($dice->chance(50) ? ' RETURNING {C}, a, b' : '');
	return;
}

sub do_insert_default
{
	my ($self, $event) = @_;
	my $id = fresh_key($self);

	if (is_key($self))
	{
		$event->{made} = $id if $self->{schema}{made};
		$event->{sql} = $self->{schema}{made} ? "INSERT INTO {T} (b) VALUES ('made $id') RETURNING {C}" : "INSERT INTO {T} ({C}, b) VALUES ($id, 'm')";
		return;
	}
	$event->{sql} = $self->{dice}->chance(50) ? "INSERT INTO {T} (id, b) VALUES ($id, 'dfl') RETURNING {C}" : "INSERT INTO {T} (id, {C}, b) VALUES ($id, DEFAULT, 'dfl') RETURNING {C}";
	return;
}

sub do_update_key
{
	my ($self, $event) = @_;
	my $id = some_key($self);

	return do_update_other($self, $event) if is_key($self);
	$event->{vals} = [ values_for($self) ];
	$event->{sql} = "UPDATE {T} SET {C} = {V0} WHERE id = $id" . ($self->{dice}->chance(50) ? ' RETURNING {C}, a' : '');
	return;
}

sub do_update_range
{
	my ($self, $event) = @_;
	my $id = some_key($self);

	return do_update_other($self, $event) if is_key($self);
	$event->{vals} = [ values_for($self) ];
	$event->{sql} = "UPDATE {T} SET {C} = {V0}, b = b || '.' WHERE id BETWEEN $id AND $id + 4";
	return;
}

sub do_update_where
{
	my ($self, $event) = @_;

	return do_update_other($self, $event) if is_key($self);
	$event->{vals} = [ values_for($self), values_for($self) ];
	$event->{sql} = 'UPDATE {T} SET {C} = {V0} WHERE {C} = {V1}';
	return;
}

sub do_update_noop
{
	my ($self, $event) = @_;
	my $id = some_key($self);

	$event->{sql} = $self->{dice}->pick("UPDATE {T} SET {C} = {C}", "UPDATE {T} SET b = b WHERE {KEY} <= $id", "UPDATE {T} SET {C} = {C}, a = a WHERE {KEY} = $id");
	return;
}

sub do_update_other
{
	my ($self, $event) = @_;
	my $id = some_key($self);

	$event->{sql} = $self->{dice}->pick("UPDATE {T} SET b = 'upd' WHERE {KEY} = $id RETURNING {C}", "UPDATE {T} SET a = a + 1 WHERE {KEY} < $id", "UPDATE {T} SET d = '2020-01-01 00:00+00', a = 9 WHERE {KEY} = $id");
	return;
}

sub do_update_more
{
	my ($self, $event) = @_;
	my $id = some_key($self);
	my $k = $self->{dice}->between(1, 5);

	return do_update_other($self, $event) if is_key($self);
	$event->{moves} = 1;
	$event->{vals} = [ values_for($self) ];
	$event->{sql} = "UPDATE {T} SET ({C}, k, b) = ({V0}, $k, 'more') WHERE id = $id RETURNING {C}, k";
	return;
}

sub do_update_expr
{
	my ($self, $event) = @_;
	my $id = some_key($self);

	$event->{grows} = 1;
	$event->{sql} = "UPDATE {T} SET {C} = {C} + 1 WHERE id BETWEEN $id AND $id + 2";
	return;
}

sub do_delete
{
	my ($self, $event) = @_;

	$event->{sql} = 'DELETE FROM {T} WHERE {KEY} = ' . some_key($self) . ' RETURNING {C}';
	return;
}

sub do_upsert
{
	my ($self, $event) = @_;
	my $dice = $self->{dice};
	my $id = $dice->chance(75) ? some_key($self) : fresh_key($self);
	my $on = $self->{schema}{primary};

	$event->{vals} = [ is_key($self) ? [ $id, $id ] : values_for($self), values_for($self) ];
	my $set = is_key($self) ? 'b = excluded.b' : $dice->pick('{C} = excluded.{C}', '{C} = {V1}, a = 3', 'b = excluded.b', '{C} = coalesce(excluded.{C}, {T}.{C})');
	$event->{sql} = 'INSERT INTO {T} AS {T0} (' . (is_key($self) ? '' : 'id, ') . '{C}, b, k) VALUES ('
	  . (is_key($self) ? '' : "$id, ") . "{V0}, 'ups', " . $dice->between(1, 2) . ") ON CONFLICT ($on) DO UPDATE SET "
	  . ($set =~ s/\{T\}/{T0}/gr) . ' RETURNING {T0}.{C}';
	return;
}

sub do_upsert_nothing
{
	my ($self, $event) = @_;

	do_upsert($self, $event);
	$event->{sql} =~ s/DO UPDATE.*/DO NOTHING/;
	return;
}

sub do_merge
{
	my ($self, $event) = @_;
	my $id = $self->{dice}->chance(70) ? some_key($self) : fresh_key($self);

	return do_upsert($self, $event) if $self->{version} < 15;
	$event->{vals} = [ is_key($self) ? [ $id, $id ] : values_for($self), values_for($self) ];
	my $update = is_key($self) ? "UPDATE SET b = 'mrg'" : $self->{dice}->pick("UPDATE SET {C} = {V1}", "UPDATE SET b = 'mrg'", 'DELETE');
	my $insert = is_key($self) ? "({C}, b) VALUES (s.n, 'mrg')" : "(id, {C}, b) VALUES (s.n, {V0}, 'mrg')";
	$event->{sql} = "MERGE INTO {T} t USING (VALUES ($id)) s(n) ON t.{KEY} = s.n WHEN MATCHED THEN $update WHEN NOT MATCHED THEN INSERT $insert";
	return;
}

sub do_copy
{
	my ($self, $event) = @_;

	$event->{copy} = [ map { [ is_key($self) ? () : fresh_key($self), is_key($self) ? [ ($self->{fresh}++) x 2 ] : values_for($self), "cp", $self->{dice}->between(1, 5) ] } 0 .. $self->{dice}->below(3) ];
	$event->{sql} = 'COPY {T} (' . (is_key($self) ? '' : 'id, ') . '{C}, b, k) FROM STDIN';
	return;
}

sub do_copy_default
{
	my ($self, $event) = @_;

	return do_copy($self, $event) if is_key($self);
	$event->{copy} = [ [ fresh_key($self), 'cpd' ] ];
	$event->{sql} = 'COPY {T} (id, b) FROM STDIN';
	return;
}

sub do_select_where
{
	my ($self, $event) = @_;

	$event->{vals} = [ is_key($self) ? [ (some_key($self)) x 2 ] : values_for($self) ];
	$event->{sql} = 'SELECT {KEY}, {C}, b FROM {T} WHERE {C} = {V0} ORDER BY {KEY}';
	return;
}

sub do_select_key
{
	my ($self, $event) = @_;

	$event->{sql} = $self->{dice}->pick('SELECT {C}, a, b FROM {T} WHERE {KEY} = ' . some_key($self) . ' FOR UPDATE', 'SELECT count(*), count({C}), count(DISTINCT {C}) FROM {T}', 'SELECT max({C}::text COLLATE "C") FROM {T}');
	return;
}

# A statement that a driver has prepared, and uses again and again.
sub do_prepared
{
	my ($self, $event) = @_;
	my $id = some_key($self);
	my ($name, $sql, @values) = @{ $self->{dice}->pick(
		[ 's1', 'UPDATE {T} SET b = $1 WHERE {KEY} = $2 RETURNING b', 'prep', $id ],
		[ 's2', 'SELECT b, k FROM {T} WHERE {KEY} = $1', $id ],
		[ 's3', 'INSERT INTO {T} ({KEY}, b) VALUES ($1, $2)', fresh_key($self), 'prep' ],
		is_key($self) ? () : ([ 's4', 'UPDATE {T} SET {C} = NULL WHERE id = $1', $id ], [ 's5', 'UPDATE {T} SET {C} = {C} WHERE id = $1', $id ])) };

	$event->{prepared} = { name => $name, values => \@values };
	$event->{sql} = $sql;
	return;
}

sub do_modifying
{
	my ($self, $event) = @_;
	my $id = some_key($self);
	my $new = fresh_key($self);

	return do_delete($self, $event) if is_key($self);
	$event->{sql} = "WITH gone AS (DELETE FROM {T} WHERE id = $id RETURNING {C}, b, k) INSERT INTO {T} (id, {C}, b, k) SELECT $new, {C}, b, k FROM gone RETURNING {C}";
	return;
}

sub do_insert_select
{
	my ($self, $event) = @_;
	my $id = some_key($self);
	my $new = fresh_key($self);

	return do_insert($self, $event) if is_key($self);
	$event->{sql} = "INSERT INTO {T} (id, {C}, b, k) SELECT $new, {C}, b, k FROM {T} WHERE id = $id";
	return;
}

sub do_through_view
{
	my ($self, $event) = @_;

	return do_select_key($self, $event) if !Schema::piece($self->{schema}, 'view');
	$event->{vals} = [ values_for($self) ];
	$event->{needs} = 'view';
	$event->{sql} = 'SELECT count(*), count(shown) FROM app.v';
	return;
}

sub do_cursor
{
	my ($self, $event) = @_;
	my $id = some_key($self);

	return do_update_other($self, $event) if is_key($self);
	$event->{vals} = [ values_for($self) ];
	$event->{sql} = "DO \$do\$ DECLARE r record; BEGIN FOR r IN SELECT id, k FROM {T} WHERE id BETWEEN $id AND $id + 2 ORDER BY id FOR UPDATE LOOP UPDATE {T} SET {C} = {V0} WHERE id = r.id AND k = r.k; END LOOP; END \$do\$";
	return;
}

# A cursor of SQL's, in a transaction that is as short as the string that is sent.
sub do_current_of
{
	my ($self, $event) = @_;
	my $id = some_key($self);

	$event->{vals} = [ is_key($self) ? [ 'NULL', 'NULL' ] : values_for($self), values_for($self) ];
	my $set = is_key($self) ? "b = 'cur'" : $self->{dice}->pick('{C} = {V0}', "{C} = {V0}, b = 'cur'", 'b = b');
	$event->{alone} = 1;
	$event->{current} = 1;
	$event->{sql} = "DECLARE cur CURSOR FOR SELECT a FROM {T} WHERE {KEY} = $id" . $self->{dice}->pick('', ' FOR UPDATE')
	  . "; FETCH cur; UPDATE {T} SET $set WHERE CURRENT OF cur; " . $self->{dice}->pick('DELETE FROM {T} WHERE CURRENT OF cur; ', '') . 'CLOSE cur';
	return;
}

# A value that the other shape of the column cannot hold.
sub do_misfit
{
	my ($self, $event) = @_;
	my $dice = $self->{dice};
	my $misfit = $self->{family}{misfit};

	$event->{misfit} = 1;
	$event->{as} = 'old';
	$event->{sql} = $dice->chance(70) ? "UPDATE {T} SET {C} = $misfit WHERE id = " . $dice->between(1, $self->{schema}{rows})
	  : 'INSERT INTO {T} (id, {C}, b) VALUES (' . fresh_key($self) . ", $misfit, 'mis')";
	return;
}

# A function with a plan and types of its own, for the life of a session.
sub do_procedure
{
	my ($self, $event) = @_;
	my $id = some_key($self);

	$event->{needs} = 'functions';
	$event->{sql} = $self->{dice}->pick("SELECT app.peek($id)", "SELECT app.rowtype($id)");
	return;
}

sub do_begin { $_[1]{sql} = 'BEGIN'; return }
sub do_commit { $_[1]{sql} = 'COMMIT'; return }
sub do_rollback { $_[1]{sql} = 'ROLLBACK'; return }
sub do_savepoint { $_[1]{sql} = 'SAVEPOINT s'; $_[1]{inside} = 1; return }
sub do_rollback_to { $_[1]{sql} = 'ROLLBACK TO s'; $_[1]{inside} = 1; return }

sub do_setting
{
	my ($self, $event) = @_;

	$event->{setting} = 1;
	$event->{sql} = $self->{dice}->pick(
		"SET DateStyle = 'German'", "SET DateStyle = 'SQL, DMY'", "SET TimeZone = 'Asia/Kolkata'", "SET TimeZone = 'UTC'",
		'SET extra_float_digits = 0', 'SET extra_float_digits = -5', "SET bytea_output = 'escape'", 'SET standard_conforming_strings = off',
		'SET search_path = pg_catalog', 'SET search_path = public, app', 'RESET ALL', "SET IntervalStyle = 'iso_8601'",
		"SET plan_cache_mode = force_generic_plan", 'SET quote_all_identifiers = on');
	return;
}

# Both columns of a pair in one statement; only the runner knows their names.
sub do_both_insert
{
	my ($self, $event) = @_;
	my $dice = $self->{dice};

	return do_insert($self, $event) if is_key($self);
	$event->{both} = 'insert';
	$event->{id} = fresh_key($self);
	$event->{vals} = [ values_for($self), values_for($self) ];
	$event->{given} = $dice->pick([qw(V0 V0)], [qw(V0 V1)], [qw(V0 NULL)], [qw(NULL V0)], [qw(V0 DEFAULT)], [qw(DEFAULT V0)], [qw(NULL NULL)]);
	return;
}

sub do_both_update
{
	my ($self, $event) = @_;
	my $dice = $self->{dice};

	return do_update_other($self, $event) if is_key($self);
	$event->{both} = 'update';
	$event->{id} = some_key($self);
	$event->{vals} = [ values_for($self), values_for($self) ];
	$event->{given} = $dice->pick([qw(V0 SAME)], [qw(SAME V0)], [qw(V0 V1)], [qw(V0 V0)], [qw(SAME SAME)]);
	return;
}

sub do_both_upsert
{
	my ($self, $event) = @_;

	return do_upsert($self, $event) if is_key($self) || $self->{schema}{partitioned};
	$event->{both} = 'upsert';
	$event->{id} = $self->{dice}->chance(70) ? some_key($self) : fresh_key($self);
	$event->{vals} = [ values_for($self), values_for($self) ];
	$event->{given} = $self->{dice}->pick([qw(V0 NULL)], [qw(V0 V0)]);
	return;
}

sub do_parent
{
	my ($self, $event) = @_;
	my $p = $self->{dice}->between(-3, 40);

	$event->{needs} = 'parent';
	$event->{sql} = $self->{dice}->pick("UPDATE app.parent SET p = p + 50 WHERE p = $p", "DELETE FROM app.parent WHERE p = $p", "INSERT INTO app.parent VALUES ($p) ON CONFLICT DO NOTHING");
	return;
}

sub do_child
{
	my ($self, $event) = @_;
	my $id = some_key($self);
	my $n = $self->{child}++;

	$event->{needs} = 'child';
	$event->{sql} = $self->{dice}->pick("INSERT INTO app.child VALUES ($n, $id)", "INSERT INTO app.child VALUES ($n, $id)", "UPDATE app.child SET ref = $id WHERE n = " . $self->{dice}->between(1, $n), "DELETE FROM app.child WHERE n = " . $self->{dice}->between(1, $n));
	return;
}

sub do_new_key
{
	my ($self, $event) = @_;

	$event->{sql} = 'UPDATE {T} SET {C} = ' . fresh_key($self) . ' WHERE {C} = ' . some_key($self);
	return;
}

1;
