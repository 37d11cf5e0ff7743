# Beside.pm: another migration of the same table, while the first is under way.
#
# Its column is "a", which changes its type to one that shows the same values, or
# others that no writer names; so it has a road of its own without another shape of
# the statements.  What it asks for is done at once, as far as it goes, and then on
# the model: where plain DDL fails it must not complete.

package Beside;

use strict;
use warnings;

use Change;
use Rough;
use Time::HiRes qw(time usleep);

my @kinds = (
	{ name => 'index', ddl => 'CREATE INDEX beside_i ON {T} (a, b)' },
	{ name => 'check', ddl => 'ALTER TABLE {T} ADD CONSTRAINT beside_c CHECK (a < 1000 OR a IS NULL)' },
	{ name => 'column', ddl => "ALTER TABLE {T} ADD COLUMN beside text DEFAULT 'x'" },
	{ name => 'volatile', ddl => "ALTER TABLE {T} ADD COLUMN beside2 boolean DEFAULT random() < 2" },
	{ name => 'not_null', ddl => 'ALTER TABLE {T} ALTER d SET NOT NULL', fill => "'2020-01-01 00:00+00'", opposite => 'ALTER TABLE {T} ALTER d DROP NOT NULL' },
	{ name => 'backfill', assign => "d = '2021-01-01 00:00+00'", where => 'd IS NULL' },
	{ name => 'backfill_all', assign => "b = coalesce(b, '') || '+'", where => q{b NOT LIKE '%+'} },
	{ name => 'orphans', assign => 'f = 999', where => 'f IS NULL', needs => 'odd' },
	{ name => 'doubles', assign => 'u = 1', where => 'u IS NULL', needs => 'odd' },
	{ name => 'no_orphans', assign => 'f = 1', where => 'f IS NULL', needs => 'odd' },
	{ name => 'fill_orphans', ddl => 'ALTER TABLE {T} ALTER f SET NOT NULL', fill => '999', needs => 'odd', opposite => 'ALTER TABLE {T} ALTER f DROP NOT NULL' },
	{ name => 'fill_doubles', ddl => 'ALTER TABLE {T} ALTER u SET NOT NULL', fill => '1', needs => 'odd', opposite => 'ALTER TABLE {T} ALTER u DROP NOT NULL' },
	{ name => 'drop', ddl => 'ALTER TABLE {T} DROP COLUMN d', only => 'revert' });

# invent(dice): an event; the type of "a" is taken a step further, or all the way, or one
# of the rest
# is done.
sub invent
{
	my ($dice) = @_;

	my $signal = $dice->chance(20) ? Rough::signal($dice) : undef;

	return { op => 'beside', what => 'beside', signal => $signal, type => 1, way => $dice->pick(qw(on on on revert through)) } if $dice->chance(50);
	return { op => 'beside', what => 'beside', signal => $signal, aside => 1 } if $dice->chance(15);
	return { op => 'beside', what => 'beside', signal => $signal, kind => $dice->pick(@kinds) };
}

sub fill { return $_[1] =~ s/\{T\}/$_[0]{case}{schema}{table}/gr }

# call(run, sql): the id, or the error of the call.
sub call
{
	my ($run, $sql) = @_;
	my $owner = $run->{owner}{zdm};

	$run->note('owner', $sql);
	my $error = $owner->query($sql)->{error};
	return $error ? (undef, $error) : ($owner->{result}{rows}[0][0]);
}

# settled(run, id, states): the state in which it comes to rest.
sub settled
{
	my ($run, $id, $expected) = @_;
	my $until = time + 2 * $Runner::patience;
	my $signal = delete $run->{signal};

	$run->do_signal($signal) if $signal;
	while (1)
	{
		my ($state, $error) = $run->{monitor}{zdm}->must("SELECT state, error FROM zdm.migrations WHERE id = $id")->[0]->@*;
		if ($state eq 'failed' && ($run->is_owners_affair($error) || $run->was_cancelled($error)))
		{
			call($run, "SELECT zdm.resume($id)");
			next;
		}
		return ($state, $error) if $state eq 'failed' || $state =~ $expected;
		if (time > $until)
		{
			$run->differ("stuck beside $state", "migration $id, beside the other, is still $state:\n" . $run->progress);
		}
		usleep(10_000);
	}
	return;
}

# play(run, event): false if there is nothing that it could be.
sub play
{
	my ($run, $event) = @_;

	$run->{signal} = $event->{signal};
	return aside($run) if $event->{aside};
	return kind($run, $event) if !$event->{type};
	return type($run, $event->{way}) if $event->{way} ne 'through';
	type($run, 'on') or return 0;
	for (1 .. 2)
	{
		last if $run->{beside}{state} !~ /^(ready|switched)$/;
		type($run, 'on');
	}
	return 1;
}

# steer(run, verb, states): of the change of type.
sub steer
{
	my ($run, $verb, $expected) = @_;
	my $beside = $run->{beside};
	my (undef, $error) = call($run, "SELECT zdm.$verb($beside->{id})");

	# a view keeps its owner when the table gets another one
	(undef, $error) = call($run, "SELECT zdm.$verb($beside->{id})") if $error && $run->is_owners_affair($error->{message});
	if ($error)
	{
		$run->differ("beside $verb $error->{code}", "zdm.$verb: " . Runner::show_error($error)) if $error->{code} !~ /^(55000|2BP01)$/;
		return 0;
	}
	my ($state, $why) = settled($run, $beside->{id}, $expected);
	$run->differ("beside $state", "migration $beside->{id}, beside the other, has failed: $why") if $state eq 'failed';
	$beside->{state} = $state;
	return 1;
}

# type(run, way): integer to bigint, or a step on or back.
sub type
{
	my ($run, $way) = @_;
	my $beside = $run->{beside} //= { state => 'none' };
	my $state = $beside->{state};

	if ($state =~ /^(none|reverted)$/)
	{
		my ($id, $error) = call($run, fill($run, "SELECT zdm.change_column_type('{T}', 'a', 'bigint')"));

		$run->differ("beside refused $error->{code}", Runner::show_error($error)) if $error && $error->{code} !~ /^(0A000|55006|2BP01)$/;
		return 0 if $error;
		$beside->{id} = $id;
		my ($rests, $why) = settled($run, $id, qr/^(ready|completed)$/);
		$run->differ("beside $rests", "migration $id, beside the other: $why") if $rests eq 'failed';
		$beside->{state} = $rests;
		return 1;
	}
	return steer($run, 'revert', qr/^reverted$/) && back($run) if $way eq 'revert' && $state =~ /^(ready|switched)$/;
	return steer($run, 'cutover', qr/^switched$/) && there($run) if $state eq 'ready';
	return steer($run, 'contract', qr/^completed$/) if $state eq 'switched';
	return 0;
}

# there(run), back(run): the model's column is of that type.
sub there { $_[0]->retype_other('a', 'bigint'); $_[0]{beside}{bigint} = 1; return 1 }
sub back { $_[0]->retype_other('a', 'integer') if delete $_[0]{beside}{bigint}; return 1 }

# aside(run): a column of another table is renamed, from the call to contract.
sub aside
{
	my ($run) = @_;
	my $n = ++$run->{asides};
	my ($old, $new) = map { "x$_" } $n, $n + 1;

	if ($n == 1)
	{
		$run->{owner}{$_}->must($run->{side_table} = 'CREATE TABLE app.aside AS SELECT g AS id, g % 7 AS x1 FROM generate_series(1, 40) g') for qw(zdm model);
		$run->note('owner', $run->{side_table});
	}
	my ($id, $error) = call($run, "SELECT zdm.rename_column('app.aside', '$old', '$new')");
	$run->differ("aside refused $error->{code}", Runner::show_error($error)) if $error;
	for my $step ([ '', qr/^ready$/ ], [ 'cutover', qr/^switched$/ ], [ 'contract', qr/^completed$/ ])
	{
		my ($verb, $expected) = @$step;

		(undef, $error) = $verb ? call($run, "SELECT zdm.$verb($id)") : ();
		$run->differ("aside $verb $error->{code}", Runner::show_error($error)) if $error;
		my ($state, $why) = settled($run, $id, $expected);
		$run->differ("aside $state", "migration $id, of another table, has failed: $why") if $state eq 'failed';
	}
	$run->{owner}{model}->must("ALTER TABLE app.aside RENAME COLUMN $old TO $new");
	$run->compare_query('aside', ("SELECT id, $new FROM app.aside") x 2);
	return 1;
}

# kind(run, event): what completes by itself.
sub kind
{
	my ($run, $event) = @_;
	my $kind = $event->{kind};
	my $table = $run->{case}{schema}{table};

	return 0 if $run->{besides}{ $kind->{name} } || ($kind->{needs} && !Schema::piece($run->{case}{schema}, $kind->{needs}));
	my $sql = $kind->{ddl}
	  ? 'SELECT zdm.migrate(' . Change::quote(fill($run, $kind->{ddl})) . (defined $kind->{fill} ? ', up => ' . Change::quote($kind->{fill}) : '') . ')'
	  : 'SELECT zdm.backfill(' . join(', ', map { Change::quote($_) } $table, $kind->{assign}, $kind->{where}) . ')';
	my ($id, $error) = call($run, $sql);
	return 1 if $error && $error->{code} =~ /^(0A000|55006|2BP01|23...|55000)$/;
	$run->differ("beside refused $error->{code}", Runner::show_error($error)) if $error;
	my ($state, $why) = settled($run, $id, $kind->{only} ? qr/^ready$/ : qr/^completed$/);
	my $plain = $kind->{only} ? undef : plain($run, $kind);

	if ($plain || $kind->{only} || $state eq 'failed')
	{
		$run->differ("beside $kind->{name}", "completed where plain DDL fails: $plain") if $plain && $state ne 'failed';
		$run->differ("beside $kind->{name} failed", "failed where plain DDL does not: $why") if !$plain && $state eq 'failed';
		(undef, $error) = call($run, "SELECT zdm.revert($id)");
		$run->differ("beside revert $error->{code}", Runner::show_error($error)) if $error;
		($state, $why) = settled($run, $id, qr/^reverted$/);
		$run->differ("beside $state", "migration $id: $why") if $state eq 'failed';
		return 1;
	}
	$run->{besides}{ $kind->{name} } = 1;
	return 1;
}

# plain(run, kind): plain SQL on the model, where what fills fires no trigger but
# those that keep constraints; its error, if it fails.
sub plain
{
	my ($run, $kind) = @_;
	my $owner = $run->{owner}{model};
	my $table = $run->{case}{schema}{table};
	my ($column) = ($kind->{ddl} // '') =~ /ALTER (\w+) SET/;
	my $update = $kind->{assign} ? "UPDATE $table SET $kind->{assign} WHERE $kind->{where}"
	  : defined $kind->{fill} ? "UPDATE $table SET $column = $kind->{fill} WHERE $column IS NULL" : undef;
	my @sql = ('BEGIN', $update ? ("ALTER TABLE $table DISABLE TRIGGER USER", $update, 'SET CONSTRAINTS ALL IMMEDIATE', "ALTER TABLE $table ENABLE TRIGGER USER") : (),
		$kind->{ddl} ? fill($run, $kind->{ddl}) : (), 'COMMIT');

	for my $sql (@sql)
	{
		my $error = $owner->query($sql)->{error};

		next if !$error;
		$owner->query('ROLLBACK');
		return Runner::show_error($error);
	}
	return undef;
}

# finish(run): so that the catalogs can be compared.
sub finish
{
	my ($run) = @_;

	for (1 .. 2)
	{
		last if !$run->{beside} || $run->{beside}{state} !~ /^(ready|switched)$/;
		type($run, $run->{beside}{state} eq 'ready' ? 'revert' : 'on') or last;
	}
	return;
}

1;
