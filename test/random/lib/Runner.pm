# Runner.pm: plays one case on both sides, step by step, and says where they
# differ first.
#
# A difference is { kind, text }: the kind (with the SQLSTATE, where there is
# one) is what the shrinker compares, the text is for a reader.

package Runner;

use strict;
use warnings;

use Beside;
use Change;
use Model;
use Properties;
use Rough;
use Schema;
use Time::HiRes qw(time usleep);

my @users = qw(zr_old zr_new zr_old);

# seconds: on a machine with much else to do, autovacuum alone may hold a lock, or a
# snapshot that is waited for, for half a minute
our $patience = 60;

# play(server, number, case, free): run it; returns { difference, log, refused }.
# "free" is a road on which the writers are not led.
sub play
{
	my ($server, $number, $case, $free) = @_;
	my $self = bless {
		server => $server, number => $number, case => $case, log => [], calls => 0,
		model => Model->new($case), settings => [ [], [], [] ], waiting => {}, blocked => 0
	}, 'Runner';

	@$self{qw(zdm_db model_db)} = $server->databases($number);
	my $done = eval {
		$self->open_sessions;
		$self->set_up;
		$free ? $free->($self) : $self->events;
		$free ? Properties::at_end($self) : $self->finish;
		1;
	};
	if (!$done)
	{
		my $error = $@;

		$error = { kind => 'broken ' . substr($error, 0, 5), text => $error } if !ref $error;
		$self->{difference} = $error if $error->{kind} ne 'enough';
		$self->{enough} = $error->{text} if $error->{kind} eq 'enough';
	}
	Free::end_team($self) if $free;
	$self->close_sessions;
	$server->forget($number);
	return $self;
}

# differ(kind, text): the end of this case.
sub differ
{
	my ($self, $kind, $text) = @_;

	die { kind => $kind, text => $text };
}

# enough(why): the case can say no more.
sub enough
{
	my ($self, $why) = @_;

	die { kind => 'enough', text => $why };
}

sub note
{
	my ($self, $who, $sql) = @_;

	push @{ $self->{log} }, [ $who, $sql ];
	return;
}

sub open_sessions
{
	my ($self) = @_;
	my $server = $self->{server};

	for my $side (qw(zdm model))
	{
		$self->{monitor}{$side} = $server->connect($self->{"${side}_db"}, 'postgres', 'monitor');
		$self->{monitor}{$side}->must('SET search_path = app, public') if $side eq 'model';
		$self->{owner}{$side} = $server->connect($self->{"${side}_db"}, 'zr_owner', 'owner');
		$self->{writer}{$side}[$_] = $server->connect($self->{"${side}_db"}, $users[$_], "writer $_") for 0 .. 2;
	}
	return;
}

sub close_sessions
{
	my ($self) = @_;

	for my $side (qw(zdm model))
	{
		$_->close for grep { $_ } $self->{monitor}{$side}, $self->{owner}{$side}, @{ $self->{writer}{$side} // [] };
	}
	return;
}

# set_up(): the same tables on both sides.
sub set_up
{
	my ($self) = @_;
	my $model = $self->{model};

	for my $piece (@{ $self->{case}{schema}{pieces} })
	{
		for my $sql (@{ $piece->{sql} })
		{
			$self->note('owner', $model->fill('zdm', { as => 'old' }, $sql));
			for my $side (qw(zdm model))
			{
				my $text = $model->fill($side, { as => 'old' }, $sql);
				my $session = $text =~ /^CREATE PUBLICATION/ ? $self->{monitor}{$side} : $self->{owner}{$side};
				$session->must($text);
			}
		}
	}
	return;
}

sub events
{
	my ($self) = @_;

	for my $event (@{ $self->{case}{events} })
	{
		$self->{server}->work(0);
		my $do = $self->can("do_$event->{op}") or die "no event $event->{op}\n";
		my $done = $do->($self, $event);

		next if !$done;
		$self->settle;
		$self->compare_rows;
		Properties::verified($self) if ++$self->{steps} % 8 == 0;
	}
	return;
}

# --- statements of applications

sub do_sql
{
	my ($self, $event) = @_;
	my $who = $event->{who};
	my $model = $self->{model};

	return 0 if $self->{waiting}{$who} || !$model->applies($event);
	return 0 if ($event->{moves} && !$self->may_move) || ($event->{current} && !$self->may_point);
	return 0 if $event->{needs} && !Schema::piece($self->{case}{schema}, $event->{needs});
	return 0 if $event->{inside} && $self->{writer}{model}[$who]{status} eq 'I';
	return 0 if $event->{alone} && $self->{writer}{model}[$who]{status} ne 'I';
	return 0 if $event->{sql} && $event->{sql} eq 'BEGIN' && $self->{writer}{model}[$who]{status} ne 'I';
	my %sql = map { $_ => $model->render($_, $event) } qw(zdm model);
	return 0 if $event->{both} && $self->is_ambiguous($event, $sql{zdm});
	$self->same_sequence($event->{made}) if $event->{made};

	push @{ $self->{settings}[$who] }, $sql{zdm} if $event->{setting};
	if ($event->{prepared})
	{
		my $name = "$event->{prepared}{name} $sql{zdm}";

		$self->prepare($who, $name, \%sql) or return 1;
		$self->note("writer $who", "EXECUTE \"$sql{zdm}\" (" . join(', ', @{ $event->{prepared}{values} }) . ')');
		$self->{writer}{$_}[$who]->execute($name, @{ $event->{prepared}{values} }) for qw(zdm model);
	}
	else
	{
		my $copy = $event->{copy} ? $model->copy($event) : undef;

		$self->note("writer $who", $sql{zdm} . (defined $copy ? "\n$copy\\." : ''));
		$self->{writer}{$_}[$who]->send($sql{$_}, $copy) for qw(zdm model);
	}
	$self->{waiting}{$who} = { since => time, sql => \%sql };
	return 1;
}

# may_move(): may the key of partitions change?  Where only one of the two is partitioned by
# it, a row that moves is an UPDATE to the triggers of the one, a DELETE and an INSERT to
# those of the other, and who waits for it fails (40001); nobody can see to either.
sub may_move
{
	my ($self) = @_;
	my $change = $self->{case}{change};
	my $model = $self->{model};

	# nor of one that is being split
	return 0 if $change->{split} && $model->{state} eq 'running';
	return 1 if !$model->is_shape || (!$change->{leaves} && ($change->{by} // '') ne 'k') || $model->{state} =~ /^(none|running|ready|reverted)$/;
	return 0 if $model->moving || grep { Schema::piece($self->{case}{schema}, $_) } qw(audit audit_changes before);
	return !grep { $self->{waiting}{$_} || $self->{writer}{model}[$_]{status} ne 'I' } 0 .. 2;
}

# may_point(): may a cursor say which row?  PostgreSQL cannot tell the row of one that has
# left partitions out, as one by the partition key does (24000).
sub may_point
{
	my ($self) = @_;

	return ($self->{case}{change}{by} // '') ne 'id' || $self->{model}{state} =~ /^(none|running|ready|reverted)$/;
}

# A statement under a timeout: done on the model if it was done.
sub do_hasty
{
	my ($self, $event) = @_;
	my $statement = $event->{statement};
	my $who = $statement->{who};
	my $model = $self->{model};

	return 0 if $self->{waiting}{$who} || $self->{writer}{model}[$who]{status} ne 'I' || !$model->applies($statement);
	return 0 if ($statement->{moves} && !$self->may_move) || ($statement->{current} && !$self->may_point);
	return 0 if $statement->{needs} && !Schema::piece($self->{case}{schema}, $statement->{needs});
	my %sql = map { $_ => $model->render($_, $statement) } qw(zdm model);
	return 0 if $statement->{both} && $self->is_ambiguous($statement, $sql{zdm});
	$self->same_sequence($statement->{made}) if $statement->{made};
	my $result = Rough::hasty($self, $event, $sql{zdm}) or return 1;
	$self->differ('unnoted', "went through, though nobody could note it: $sql{zdm}")
	  if $statement->{misfit} && $event->{notes_locked} && !$result->{error} && "@{$result->{tags}}" !~ / 0$/ && !Schema::piece($self->{case}{schema}, 'clip');
	$self->{writer}{model}[$who]->query($sql{model});
	$self->same_answer("writer $who", \%sql, { result => $result }, $self->{writer}{model}[$who]);
	return 1;
}

# Another migration, while the first is at rest or at work.
sub do_beside
{
	my ($self, $event) = @_;
	my $model = $self->{model};

	return 0 if $model->moving || $model->{state} eq 'contracting';
	$self->end_transactions;
	return Beside::play($self, $event);
}

# retype_other(column, type): plain ALTER TABLE ... TYPE of another column.
sub retype_other
{
	my ($self, $column, $type) = @_;
	my $model = $self->{model};
	my @over = $model->pieces_over;
	my @sql = map { @{ $_->{drop} } } reverse @over;

	push @sql, "ALTER TABLE {T} ALTER $column TYPE $type";
	for my $piece (@over)
	{
		push @sql, map { $piece->{sql}[$_] } @{ $piece->{again} };
	}
	$self->{owner}{model}->must($model->fill('model', { as => $model->{type} }, $_)) for @sql;
	$self->fresh_model;
	return;
}

sub do_guarded
{
	my ($self, $event) = @_;

	return 0 if $self->{model}->moving || $self->{model}{state} =~ /^(running|contracting)$/;
	$self->end_transactions;
	Rough::guarded($self, $event);
	return 1;
}

sub do_called
{
	my ($self, $event) = @_;

	Rough::called($self, $event);
	return 1;
}

# is_ambiguous(event, sql): of NULL and the default, also where it is spelled out,
# or cannot be computed by others than the writer, nobody can say which was meant.
sub is_ambiguous
{
	my ($self, $event, $sql) = @_;
	my $schema = $self->{case}{schema};

	return 0 if $event->{both} eq 'update';
	return 1 if $schema->{may_refuse} && $sql =~ /DEFAULT/;
	return $sql =~ /NULL, DEFAULT|DEFAULT, NULL/
	  || (defined $schema->{default_value} && $sql =~ /\bNULL\b/ && $sql =~ /\Q$schema->{default_value}\E/);
}

# same_sequence(value): the next value of the table's own sequence; who inserts by
# one of two names may have used one up for the other.
sub same_sequence
{
	my ($self, $value) = @_;

	for my $side (qw(zdm model))
	{
		$self->{monitor}{$side}->must("SELECT setval(objid, $value, false) FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype IN ('a', 'i')"
			  . " AND refobjid = " . Change::quote($self->{case}{schema}{table}) . "::regclass AND objid IN (SELECT oid FROM pg_class WHERE relkind = 'S')");
	}
	return;
}

# prepare(who, name, sql): once for each session.
sub prepare
{
	my ($self, $who, $name, $sql) = @_;

	for my $side (qw(zdm model))
	{
		my $session = $self->{writer}{$side}[$who];

		next if $session->{prepared}{$name};
		$session->parse($name, $sql->{$side});
		$session->wait($patience) or $self->differ('blocked', "PREPARE of writer $who does not return: $sql->{$side}");
		$session->{prepared}{$name} = 1 if !$session->{result}{error};
	}
	my @errors = map { $self->{writer}{$_}[$who]{result}{error} } qw(zdm model);
	return 1 if !grep { !$self->{writer}{$_}[$who]{prepared}{$name} } qw(zdm model);
	$self->same_error("writer $who", $sql, @errors);
	return 0;
}

# settle(): until each writer has its answer, or waits for another writer on
# the model's side too.
sub settle
{
	my ($self) = @_;

	for my $who (sort keys %{ $self->{waiting} })
	{
		$self->settle_one($who);
	}
	return;
}

sub settle_one
{
	my ($self, $who) = @_;
	my $model = $self->{writer}{model}[$who];
	my $zdm = $self->{writer}{zdm}[$who];
	my $until = time + $patience;

	while (!$model->poll(0.05))
	{
		return if $self->is_blocked('model', $model);
		$self->enough('the model does not answer') if time > $until;
	}
	if (!$zdm->poll($patience))
	{
		$self->differ('blocked', "writer $who waits, the model does not: $self->{waiting}{$who}{sql}{zdm}\n"
			  . $self->who_blocks($zdm));
	}
	my $waited = delete $self->{waiting}{$who};
	$self->same_answer("writer $who", $waited->{sql}, $zdm, $model);
	return;
}

sub is_blocked
{
	my ($self, $side, $session) = @_;

	return $self->{monitor}{$side}->must("SELECT cardinality(pg_blocking_pids($session->{pid}))")->[0][0] > 0;
}

sub who_blocks
{
	my ($self, $session) = @_;

	return join "\n", map { join ' | ', map { $_ // '' } @$_ } @{ $self->{monitor}{zdm}->must(
			"SELECT pid, backend_type, application_name, state, wait_event, left(query, 200) FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($session->{pid})) OR pid = $session->{pid}") };
}

sub same_answer
{
	my ($self, $who, $sql, $zdm, $model) = @_;
	my ($z, $m) = ($zdm->{result}, $model->{result});

	$self->enough('a deadlock') if grep { $_->{error} && $_->{error}{code} eq '40P01' } $z, $m;
	return if !$self->same_error($who, $sql, $z->{error}, $m->{error});
	my ($zt, $mt) = ("@{$z->{tags}}", "@{$m->{tags}}");
	$self->differ('count', "$who: $sql->{zdm}\n  pg_zdm: $zt\n  model:  $mt\n  ($sql->{model})") if $zt ne $mt;
	my ($zr, $mr) = map { join "\n    ", sort map { show_row($_) } @{ $_->{rows} } } $z, $m;
	$self->differ('answer', "$who: $sql->{zdm}\n  pg_zdm:\n    $zr\n  model:\n    $mr\n  ($sql->{model})") if $zr ne $mr;
	return;
}

# same_error(who, sql, zdm's, model's): false if both failed alike, true if
# none did.
sub same_error
{
	my ($self, $who, $sql, $z, $m) = @_;

	return 1 if !$z && !$m;
	my ($zc, $mc) = map { $_ ? $_->{code} : 'no error' } $z, $m;
	return 0 if $zc eq $mc;
	$self->differ("error $zc for $mc", "$who: $sql->{zdm}\n  pg_zdm: " . show_error($z) . "\n  model:  " . show_error($m) . "\n  ($sql->{model})");
	return;
}

sub show_error
{
	my ($error) = @_;

	return 'no error' if !$error;
	return join ' / ', grep { length } @$error{qw(code message detail hint context)};
}

sub show_row { return join ' | ', map { $_ // '<null>' } @{ $_[0] } }

# --- the owner, and the DBA

sub do_owner
{
	my ($self, $event) = @_;

	return $self->both_sides('owner', $event, $event->{sql});
}

sub do_dba
{
	my ($self, $event) = @_;

	$self->end_transactions;
	$self->quiet if $event->{sql} =~ /^GRANT/;
	$self->both_sides($event->{super} ? 'monitor' : 'owner', $event, $event->{sql});
	if ($event->{late} && $self->{model}->has_second && !$self->{owner}{zdm}{result}{error})
	{
		# after the cutover it stops the way back, by name
		my ($name) = $event->{sql} =~ /INDEX (\w+)/;

		$self->{model}{late}{$name} = { text => $event->{sql}, own_name => 1, map { ("${_}_drop" => "DROP INDEX app.$name") } qw(zdm model) };
	}
	return 1;
}

# quiet(): until no worker is at it.  GRANT takes no lock on the table, so that
# it and any other change of its catalog row meet as "tuple concurrently
# updated", in plain PostgreSQL too.
sub quiet
{
	my ($self) = @_;
	my $until = time + 5;

	while (time < $until && @{ $self->{monitor}{zdm}->must("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type LIKE '%zdm%'") })
	{
		usleep(20_000);
	}
	return;
}

sub both_sides
{
	my ($self, $role, $event, $sql, $model_sql) = @_;
	my %sql = (
		zdm => $self->{model}->render('zdm', $event, $sql),
		model => $self->{model}->render('model', $event, $model_sql // $sql));

	$self->note($role, $sql{zdm});
	$self->{$role}{$_}->send($sql{$_}) for qw(zdm model);
	for my $side (qw(zdm model))
	{
		$self->{$role}{$side}->wait(60) or $self->differ('blocked', "$role waits on $side: $sql{$side}\n" . $self->who_blocks($self->{$role}{zdm}));
	}
	$self->same_answer($role, \%sql, $self->{$role}{zdm}, $self->{$role}{model});
	return 1;
}

sub end_transactions
{
	my ($self) = @_;

	for (1 .. 4)
	{
		for my $who (0 .. 2)
		{
			next if $self->{waiting}{$who} || $self->{writer}{model}[$who]{status} eq 'I';
			$self->note("writer $who", 'COMMIT');
			$self->{writer}{$_}[$who]->send('COMMIT') for qw(zdm model);
			$self->{waiting}{$who} = { since => time, sql => { zdm => 'COMMIT', model => 'COMMIT' } };
			$self->settle;
		}
	}
	return;
}

sub do_attach
{
	my ($self, $event) = @_;
	my $model = $self->{model};

	return 0 if $model->moving || $model->{state} =~ /^(running|contracting)$/ || !$model->applies({ sql => '{C}' });
	return 0 if $model->has_second && $model->{state} =~ /^(switched|completed)$/;
	$self->{stale} = 1 if $model->has_second;
	return 0 if $event->{as} ne $self->decides && $self->is_blank($event);
	$self->{was_away} = 1;
	$self->end_transactions;
	my $k = $event->{bound};
	my @load = ("INSERT INTO $event->{part} (id, {C}, b, k) VALUES ($event->{ids}[0], {V0}, 'att', $k), ($event->{ids}[1], {V1}, 'att', $k)") x 2;

	# what is NOT NULL is by both names, and no trigger is there yet
	$load[0] = "INSERT INTO $event->{part} (id, {C}, {OTHER}, b, k) VALUES ($event->{ids}[0], {V0}, {V0}, 'att', $k), ($event->{ids}[1], {V1}, {V1}, 'att', $k)"
	  if $model->is_rename && $model->in_step && $self->{case}{schema}{not_null} && !$self->{case}{schema}{default};
	$self->both_sides('owner', $event, "CREATE TABLE $event->{part} (LIKE {T} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)");
	$self->both_sides('owner', $event, @load);
	$self->both_sides('owner', $event, "ALTER TABLE {T} ATTACH PARTITION $event->{part} FOR VALUES IN ($k)");
	# what is not attached has columns that nobody takes away
	$self->both_sides('owner', $event, "DROP TABLE $event->{part}") if $self->{owner}{zdm}{result}{error};
	$self->filled_soon;
	return 1;
}

sub do_detach
{
	my ($self, $event) = @_;
	my $model = $self->{model};

	return 0 if $model->moving || $model->{state} =~ /^(running|contracting)$/;
	return 0 if $model->has_second && $model->{state} =~ /^(switched|completed)$/;
	$self->{stale} = 1 if $model->has_second;
	return 0 if $self->{gone}{ $event->{part} } || $self->is_blank($event);
	return 0 if $model->{state} eq 'completed' && $event->{part} eq 'app.' . ($self->{case}{change}{split} // '');
	$self->end_transactions;
	$event->{as} = $self->decides;
	$self->{was_away} = 1;
	my $bound = $event->{part} eq 'app.p1' ? '1, 2' : '3';
	$self->both_sides('owner', $event, $_) for "ALTER TABLE {T} DETACH PARTITION $event->{part}",
	  "UPDATE $event->{part} SET {C} = {V0} WHERE id % 2 = 0",
	  "ALTER TABLE {T} ATTACH PARTITION $event->{part} FOR VALUES IN ($bound)";
	$self->filled_soon;
	return 1;
}

# decides(): the version of the application whose column is in charge.
sub decides { return $_[0]{model}{state} eq 'switched' ? 'new' : 'old' }

# is_blank(event): written past the trigger, NULL and the default of a column that
# has two names say nothing against what the other one holds.
sub is_blank
{
	my ($self, $event) = @_;
	my $model = $self->{model};
	my $default = $self->{case}{schema}{default_value};

	return 0 if !$model->is_rename || !$model->in_step;
	return scalar grep { $_ eq 'NULL' || (defined $default && $_ eq $default) } map { $model->value($event, $_) } 0 .. $#{ $event->{vals} };
}

# filled_soon(): rows that a partition brought are put in step by the worker.
sub filled_soon
{
	my ($self) = @_;
	my $until = time + 10;

	return if !$self->{model}->in_step;
	while (time < $until)
	{
		last if eval { $self->compare_rows; 1 };
		die $@ if !ref $@;
		usleep(50_000);
	}
	return;
}

# --- steering

sub label { return "m$_[0]{calls}" }

sub do_call
{
	my ($self) = @_;
	my $model = $self->{model};
	my $owner = $self->{owner}{zdm};

	return 0 if $model->{state} !~ /^(none|reverted)$/;
	$self->{calls}++;
	my $sql = Change::call($self->{case}{change}, $self->{case}{schema}, $self->label);
	$self->note('owner', $sql);
	$owner->send($sql);
	$owner->wait(60) or $self->differ('blocked', "the call does not return\n" . $self->who_blocks($owner));
	my $error = $owner->{result}{error};
	if ($error)
	{
		$self->{refused} = show_error($error);
		return $self->do_call if $self->made_way($error);
		$self->enough("refused: $self->{refused}") if $error->{code} eq '55006' && $self->{beside};
		$self->differ("refused $error->{code}", $self->{refused})
		  if $error->{code} ne '0A000' && !$model->{family}{may_refuse} && !$self->{case}{schema}{may_refuse} && (!$model->is_plain || $self->{case}{change}{split}) && $self->{refused} !~ /^42804 . default for column/;
		$self->enough("refused: $self->{refused}");
	}
	$self->{id} = $owner->{result}{rows}[0][0];
	$model->{state} = 'running';
	return 1;
}

# made_way(error): what stood in the way of the call, by the word of its error, no
# longer does.
sub made_way
{
	my ($self, $error) = @_;

	return 0 if ($self->{ways}++ // 0) > 4;
	if ($error->{code} eq '42883' && $error->{hint} =~ /^(ALTER FUNCTION app\.\S+ SET search_path = .*);$/)
	{
		$self->both_sides('owner', {}, $1);
		return 1;
	}
	return 0 if $error->{code} ne '55006' || !$self->{beside} || $self->{beside}{state} !~ /^(ready|switched)$/;
	$self->end_transactions;
	Beside::finish($self);
	return 1;
}

# steer(verb, state): ask for it.  Steering in a state that has no such road is
# left out.
sub steer
{
	my ($self, $verb, $state) = @_;
	my $owner = $self->{owner}{zdm};

	$self->note('owner', "SELECT zdm.$verb('" . $self->label . "')");
	$owner->send("SELECT zdm.$verb('" . $self->label . "')");
	$owner->wait($patience) or $self->differ("blocked $verb", "zdm.$verb does not return\n" . $self->who_blocks($owner));
	my $error = $owner->{result}{error};
	if ($error)
	{
		return 0 if $verb eq 'revert' && $self->one_way;
		my @named = grep { $error->{message} =~ /\b$_\b/ } keys %{ $self->{model}{late} // {} };
		if ($error->{code} eq '2BP01' && @named)
		{
			$self->take_away($_) for @named;
			return $self->steer($verb, $state);
		}
		return $self->steer($verb, $state) if $self->is_owners_affair($error->{message});
		$self->differ("$verb $error->{code}", "zdm.$verb: " . show_error($error));
	}
	$self->{model}{state} = $state;
	return 1;
}

sub one_way
{
	my ($self) = @_;

	return $self->{monitor}{zdm}->must("SELECT 1 FROM zdm.migrations WHERE id = $self->{id} AND one_way_since IS NOT NULL")->@*;
}

sub do_cutover
{
	my ($self) = @_;

	return 0 if $self->{model}{state} ne 'ready';
	return $self->steer('cutover', 'switching');
}

sub do_contract
{
	my ($self) = @_;

	return 0 if $self->{model}{state} ne 'switched';
	return $self->steer('contract', 'contracting');
}

sub do_revert
{
	my ($self) = @_;

	return 0 if $self->{model}{state} !~ /^(running|ready|switched)$/;
	$self->{back_from} = $self->{model}{state};
	return $self->steer('revert', 'reverting');
}

sub do_pause
{
	my ($self) = @_;

	return 0 if $self->{model}{state} !~ /^(running|ready|switching|switched)$/;
	for my $verb (qw(pause resume))
	{
		my $sql = "SELECT zdm.$verb('" . $self->label . "')";
		my $error = $self->{owner}{zdm}->query($sql)->{error};

		$self->note('owner', $sql);
		$self->differ("$verb $error->{code}", "zdm.$verb: " . show_error($error)) if $error && $error->{code} ne '55000';
		usleep(20_000);
	}
	return 1;
}

# do_signal(event): at moments that nothing else is bound to.
sub do_signal
{
	my ($self, $event) = @_;
	my $function = "pg_$event->{what}_backend";

	return 0 if !$self->{id} && !$self->{beside};
	for my $moment (@{ $event->{moments} })
	{
		usleep(1000 * $moment);
		my $rows = $self->{monitor}{zdm}->must("SELECT $function(pid) FROM pg_stat_activity WHERE datname = current_database() AND backend_type ~ 'zdm (worker|helper)'");
		$self->note('dba', "$function() of the worker, $moment ms later") if @$rows;
	}
	return 1;
}

my %rests = map { $_ => 1 } qw(ready switched completed reverted failed);
my %expected = (running => qr/^(ready|completed)$/, switching => qr/^switched$/, contracting => qr/^completed$/, reverting => qr/^reverted$/);

sub do_wait
{
	my ($self) = @_;
	my $model = $self->{model};
	my $expected = $expected{ $model->{state} } or return 0;
	my $until = time + 2 * $patience;
	my $state;

	$self->end_transactions;
	$self->note('owner', "CALL zdm.wait('" . $self->label . "')");
	while (1)
	{
		($state, my $error) = $self->{monitor}{zdm}->must("SELECT state, error FROM zdm.migrations WHERE id = $self->{id}")->[0]->@*;
		last if $state =~ $expected;
		if ($state eq 'failed')
		{
			$self->failed($error);
			next;
		}
		$self->differ("stuck $state", "still $state:\n" . $self->progress) if time > $until;
		usleep(10_000);
	}
	$self->arrive($state);
	Properties::at_rest($self);
	return 1;
}

# failed(error): it may, where something was put on the column meanwhile, which
# is then named, and where plain DDL would fail too.
sub failed
{
	my ($self, $error) = @_;
	my $model = $self->{model};
	my $late = $model->{late} // {};

	return $self->steer('resume', $model->{state}) if $self->is_owners_affair($error) || $self->was_cancelled($error);
	if ($model->is_plain)
	{
		my $plain = $self->plain_ddl;
		$self->enough("fails as plain DDL does: $error") if $plain;
		$self->differ('failed', "failed where plain DDL does not: $error");
	}
	$self->enough('a value that the old side cannot hold, committed on the way back')
	  if $model->{state} eq 'reverting' && $error =~ /cannot go back: rows were written.*Among them: row \(/s;
	return $self->fit($model->{state}) if $error =~ /invalid input syntax|is NOT NULL, and the new value would be NULL/ && $self->misfits;
	if (Schema::piece($self->{case}{schema}, 'check_tight') && !$model->is_rename && $error =~ /orders_tight/)
	{
		$self->old_writers_go_on;
		$self->enough('a CHECK that does not hold for what up gives');
	}
	$self->differ('failed', "failed while $model->{state}: $error") if !%$late || $self->{mended}++ > 3;
	my @named = grep { $error =~ /\b$_\b/ } keys %$late;
	$self->differ('failed unnamed', "failed while $model->{state}: $error\nbut what came late is " . join(', ', map { $_->{text} } values %$late))
	  if !@named && !grep { !$_->{own_name} } values %$late;
	$self->take_away($_) for @named ? @named : keys %$late;
	$self->steer('resume', $model->{state});
	return;
}

# misfits(): how many rows hold what up cannot convert.
sub misfits
{
	my ($self) = @_;
	my $model = $self->{model};

	return 0 if !$model->{family}{fits} || $model->is_rename || $model->is_plain || $model->{type} ne 'old';
	my $fits = $model->{family}{fits} =~ s/\{c\}/$model->{name}/gr;
	return $self->{monitor}{model}->must("SELECT count(*) FROM $self->{case}{schema}{table} WHERE NOT ($fits)")->[0][0];
}

# fit(state): the owner mends them, and says that it is to go on.
sub fit
{
	my ($self, $state) = @_;
	my $fits = $self->{model}{family}{fits} =~ s/\{c\}/{C}/gr;

	$self->both_sides('owner', { as => 'old' }, "UPDATE {T} SET {C} = '0' WHERE NOT ($fits)");
	return $self->steer('resume', $state);
}

# is_owners_affair(error): the new owner says that it is to go on with their rights,
# or, where those do not reach, the table is given back.
sub is_owners_affair
{
	my ($self, $error) = @_;

	return 0 if $self->{adopted}++ > 6;
	return 1 if $error =~ /^the owner of .* has changed/;
	return 0 if $error !~ /^view \S+ has another owner than / && ($error !~ /^must be owner of / || $self->{adopted} < 2);
	$self->both_sides('monitor', {}, 'ALTER TABLE {T} OWNER TO zr_owner');
	return 1;
}

# was_cancelled(error): too often in a row to be tried again; it says so, and can go on.
sub was_cancelled
{
	my ($self, $error) = @_;

	return $error =~ /^canceling statement due to user request/ && ($self->{cancelled}++ // 0) < 4;
}

# old_writers_go_on(): whatever stopped the migration, what the old application
# has always written it can write.
sub old_writers_go_on
{
	my ($self) = @_;
	my $table = $self->{case}{schema}{table};
	my $key = $self->{case}{schema}{role} eq 'key' ? $self->{model}{name} : 'id';

	for my $sql ("INSERT INTO $table ($key, b, $self->{model}{name}) VALUES (900001, 'old', 99.5)", "UPDATE $table SET b = b || '!'")
	{
		my %error;

		for my $side (qw(zdm model))
		{
			$self->{owner}{$side}->must('BEGIN');
			$error{$side} = $self->{owner}{$side}->query($sql)->{error};
			$self->{owner}{$side}->must('ROLLBACK');
		}
		$self->same_error('the old application, after the failure', { zdm => $sql, model => $sql }, $error{zdm}, $error{model});
	}
	return;
}

sub take_away
{
	my ($self, $name) = @_;
	my $late = delete $self->{model}{late}{$name};

	$self->end_transactions;
	$self->note('owner', $late->{zdm_drop});
	for my $side (qw(zdm model))
	{
		my $error = $self->{owner}{$side}->query($late->{"${side}_drop"})->{error};
		$self->differ("late $error->{code}", "$side: $late->{zdm_drop}: " . show_error($error)) if $error;
	}
	return;
}

sub do_late
{
	my ($self, $event) = @_;
	my $model = $self->{model};

	return 0 if $model->{state} !~ /^(running|ready|switched)$/ || ($model->{state} eq 'running' && $model->moving);
	return 0 if $event->{needs} && !Schema::piece($self->{case}{schema}, $event->{needs});
	# a write by the one name is none OF the other
	return 0 if $event->{what} eq 'late_trigger' && $model->is_rename;
	my ($said) = $event->{what} =~ /^late_(comment|statistics)$/;
	# of two names each keeps what was said of it
	return 0 if $said && $model->is_rename && ($self->{said}{$said}++ || Schema::piece($self->{case}{schema}, $said eq 'comment' ? $said : 'target'));
	$self->end_transactions;
	$self->quiet;
	$event->{as} = $self->decides;
	my %sql = map { $_ => $model->render($_, $event) } qw(zdm model);
	my %drop = map { ("${_}_drop" => $model->render($_, $event, $event->{drop})) } qw(zdm model);
	$self->note('owner', $sql{zdm});
	my $error = $self->{owner}{zdm}->query($sql{zdm})->{error};
	if ($error)
	{
		$self->differ("late $error->{code}", "$sql{zdm}: " . show_error($error)) if $error->{code} !~ /^(55006|0A000|ZD001|2BP01|55P03)$/;
		return 1;
	}
	$self->{owner}{model}->must($sql{model});
	my $own = $event->{sql} =~ /\b$event->{name}\b/;
	$model->{late}{ $event->{name} } = {
		text => $sql{zdm}, own_name => $own, %drop,
		$event->{what} =~ /view|trigger/ ? (drop => [ $event->{drop} ], sql => [ $event->{sql} ], again => [0]) : ()
	};
	return 1;
}

# plain_ddl(): the model does what was asked for; its error, if it fails.
sub plain_ddl
{
	my ($self) = @_;
	my $change = $self->{case}{change};
	my $model = $self->{model};
	my $table = $self->{case}{schema}{table};
	my $name = $model->{name};
	return $self->split_model if $change->{split};
	my @sql = ($model->fill('model', {}, $change->{ddl} =~ s/\{PKEY\}/$self->{case}{schema}{pkey}/r));

	unshift @sql, "ALTER TABLE $table DISABLE TRIGGER USER", "UPDATE $table SET $name = $change->{fill} WHERE $name IS NULL", "ALTER TABLE $table ENABLE TRIGGER USER"
	  if defined $change->{fill};
	for my $sql (@sql)
	{
		my $error = $self->{owner}{model}->query($sql)->{error};

		return show_error($error) if $error;
	}
	return undef;
}

# split_model(): the rows of the partition, in those that take its place.
sub split_model
{
	my ($self) = @_;
	my $change = $self->{case}{change};
	my $table = $self->{case}{schema}{table};

	$self->{owner}{model}->must($_) for "CREATE TABLE app.was AS TABLE app.$change->{split}", "DROP TABLE app.$change->{split}",
	  map { my ($name, $bound) = split / /, $_, 2; "CREATE TABLE app.$name PARTITION OF $table $bound" } @{ $change->{into} };
	$self->{monitor}{model}->must($_) for 'SET session_replication_role = replica', "INSERT INTO $table TABLE app.was", 'RESET session_replication_role', 'DROP TABLE app.was';
	# what the partition has of its own, each of them has
	my ($target) = map { $_->{sql}[0] } grep { $_->{name} eq 'target' } @{ $self->{case}{schema}{pieces} };
	$self->{owner}{model}->must($self->{model}->fill('model', {}, $target =~ s/\{T\}/app.$_/r)) for $target ? map { /^(\w+)/ } @{ $change->{into} } : ();
	return undef;
}

sub do_undo
{
	my ($self) = @_;
	my $model = $self->{model};

	return 0 if !$model->is_plain || $model->{state} ne 'completed' || $self->{case}{change}{ddl} =~ /ADD COLUMN/;
	# nothing was done, so that there is nothing to be undone
	return 0 if $self->{case}{change}{ddl} =~ /SET NOT NULL/ && $self->{case}{schema}{not_null};
	$model->{undoing} = 1;
	return $self->steer('revert', 'reverting');
}

# do_crash(): the machine goes down and comes back; the sessions are gone.
sub do_crash
{
	my ($self) = @_;

	$self->note('dba', 'the server is killed, and starts again');
	$self->close_sessions;
	$self->{server}->crash;
	$self->{waiting} = {};
	$self->open_sessions;
	for my $side (qw(zdm model))
	{
		for my $who (0 .. 2)
		{
			$self->{writer}{$side}[$who]->query($_) for @{ $self->{settings}[$who] };
		}
	}
	return 1;
}

sub progress
{
	my ($self) = @_;

	return join "\n", map { show_row($_) } @{ $self->{monitor}{zdm}->must(
			'SELECT p::text FROM zdm.progress p UNION ALL SELECT s::text FROM zdm.steps s WHERE state <> \'done\'') };
}

# arrive(state): the model goes there too.
sub arrive
{
	my ($self, $state) = @_;
	my $model = $self->{model};
	my $from = $model->{state};

	if ($model->is_plain)
	{
		if ($model->{undoing})
		{
			$self->{owner}{model}->must($model->fill('model', {}, $self->{case}{change}{opposite}));
		}
		else
		{
			my $error = $self->plain_ddl;
			$self->differ('completed', "completed where plain DDL fails: $error") if $error;
		}
		$self->fresh_model;
	}
	elsif ($model->is_shape)
	{
		# a table is the same to who reads and writes it, but for a column that is added
		delete $self->{stale};
		$self->add_or_drop($state);
	}
	elsif (!$model->is_rename)
	{
		delete $self->{stale};
		$self->differ('misfit', "$state, over " . $self->misfits . ' rows that up cannot convert') if $state eq 'switched' && $self->misfits;
		$self->retype('up') if $state eq 'switched' || ($state eq 'completed' && $from eq 'running');
		$self->retype('down') if $state eq 'reverted' && $model->{type} eq 'new';
	}
	elsif ($state eq 'completed')
	{
		my $change = $self->{case}{change};

		$self->{owner}{model}->must("ALTER TABLE $self->{case}{schema}{table} RENAME COLUMN $change->{old_name} TO $change->{new_name}");
		$model->{name} = $change->{new_name};
		$self->fresh_model;
	}
	$model->{state} = $state;
	$model->{hidden} = $self->hidden_name if !$model->is_rename && $model->in_step;
	$self->{second} = $model->has_second && $state =~ /^(ready|switched)$/ ? $self->hidden_table : undef;
	return;
}

# add_or_drop(state): plain DDL on the model, for what the shape adds.
sub add_or_drop
{
	my ($self, $state) = @_;
	my $model = $self->{model};
	my $change = $self->{case}{change};
	my $there = $state =~ /^(switched|completed)$/ ? 1 : 0;

	return if !$change->{adds} || ($model->{added} // 0) == $there;
	$self->{owner}{model}->must($model->fill('model', {}, $change->{ $there ? 'adds' : 'drops' }));
	$model->{added} = $there;
	$self->fresh_model;
	return;
}

sub hidden_name
{
	my ($self) = @_;
	my $rows = $self->{monitor}{zdm}->must("SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = "
		  . Change::quote($self->{case}{schema}{table}) . "::regclass AND NOT attisdropped AND attname ~ '_zdm$self->{id}\$'");

	return $rows->[0][0] // $self->differ('no hidden column', 'there is no second column');
}

# hidden_table(): the other one of two, if there are.
sub hidden_table
{
	my ($self) = @_;
	my $rows = $self->{monitor}{zdm}->must("SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relname LIKE 'zdm\\_$self->{id}\\_%'");

	$self->differ('no hidden table', "there is no second table in $self->{model}{state}") if !@$rows && !$self->{case}{change}{attach};
	return $rows->[0][0];
}

# retype(way): plain ALTER TABLE ... TYPE on the model.
sub retype
{
	my ($self, $way) = @_;
	my $model = $self->{model};
	my $owner = $self->{owner}{model};
	my $table = $self->{case}{schema}{table};
	my $name = $model->{name};
	my $family = $model->{family};

	if ($way eq 'up')
	{
		$self->{was} = $self->{monitor}{model}->must("SELECT " . $self->key_text . ", $name\::text, ("
			  . Change::expression($self->{case}{change}, 'up', $name) . ")::text FROM $table");
	}
	$self->still_unchanged if $way eq 'down';
	for my $sql ($model->retype($way))
	{
		$sql =~ s/\{DEFAULT (\w+)\}/$self->default($1)/ge;
		$owner->must($sql);
	}
	# others are not written while it goes back; these lose nothing by down
	$self->restore if $way eq 'down' && !$family->{neutral};
	$model->{type} = $way eq 'up' ? 'new' : 'old';
	$self->fresh_model;
	return;
}

sub key_text
{
	my ($self) = @_;
	my $schema = $self->{case}{schema};

	return $schema->{role} eq 'key' ? "$self->{model}{name}::text" : 'id::text';
}

# default(way): the default in the other shape, as a literal.
sub default
{
	my ($self, $way) = @_;
	my $family = $self->{model}{family};
	my ($default) = map { /\{C\} .* DEFAULT (.*?)(?: NOT NULL)?, a integer/s ? $1 : () } $self->{case}{schema}{pieces}[0]{sql}->@*;

	return $default if $way eq 'down';
	my $old = "($default)::$family->{from}";
	my $sql = 'SELECT (' . Change::expression($self->{case}{change}, 'up', 'v') . ")::text FROM (SELECT $old AS v, 7 AS a, NULL::text AS b) q";
	my $value = $self->{monitor}{model}->must($sql)->[0][0];
	return Change::quote($value) . "::$family->{to}";
}

# still_unchanged(): nor since the rows were last compared.
sub still_unchanged
{
	my ($self) = @_;
	my $rows = $self->{monitor}{model}->must('SELECT ' . $self->key_text . ", k, $self->{model}{name}::text FROM $self->{case}{schema}{table}");
	my %now;

	push @{ $now{"$_->[0] $_->[1]"} }, $_->[2] for @$rows;
	$self->{unchanged} = [ grep { my $row = $_; grep { same($_, $row->[3]) } @{ $now{"$row->[0] $row->[2]"} // [] } } @{ $self->{unchanged} // [] } ];
	return;
}

# restore(): what nobody has written since the cutover is what it was, to the
# last digit.
sub restore
{
	my ($self) = @_;
	my $schema = $self->{case}{schema};
	my $session = $self->{monitor}{model};
	my $name = $self->{model}{name};
	my $from = $self->{model}{family}{from};
	my $id = $schema->{role} eq 'key' ? $name : 'id';

	$session->must('SET session_replication_role = replica');
	for my $row (@{ $self->{unchanged} // [] })
	{
		my ($key, $was, $k) = @$row;

		$session->must("UPDATE $schema->{table} SET $name = " . Change::quote($was) . "::$from WHERE $id = $key AND k = $k AND $name IS DISTINCT FROM " . Change::quote($was) . "::$from");
	}
	$session->must('RESET session_replication_role');
	return;
}

# fresh_model(): plain DDL breaks what sessions hold; ours must not.  So the
# model's sessions are made anew, and the others stay.
sub fresh_model
{
	my ($self) = @_;

	for my $who (0 .. 2)
	{
		$self->{writer}{model}[$who]->close;
		my $session = $self->{writer}{model}[$who] = $self->{server}->connect($self->{model_db}, $users[$who], "writer $who");
		$session->query($_) for @{ $self->{settings}[$who] };
	}
	$self->{owner}{model}->close;
	$self->{owner}{model} = $self->{server}->connect($self->{model_db}, 'zr_owner', 'owner');
	return;
}

# --- comparing

sub compare_rows
{
	my ($self) = @_;
	my $model = $self->{model};
	my $schema = $self->{case}{schema};
	my $column = $model->column('zdm', $model->{state} eq 'contracting' ? 'new' : 'old');
	my $key = $schema->{role} eq 'key' ? '' : 'id, ';
	my $list = "${key}%s::text, a, b, k, d";
	my $added = $model->{added} && !$model->moving ? ', gen' : '';

	return if $model->moving && !$model->is_shape && ($model->is_plain || (!$model->is_rename && !$model->{family}{neutral}));
	my $hidden = $model->in_step ? $model->other('old') : "''";
	my $zdm = sprintf "SELECT $list$added, $hidden\::text FROM $schema->{table}", $column;
	my $mod = sprintf "SELECT $list$added, " . $self->hidden_expected . " FROM $schema->{table}", $model->{name};
	$self->compare_query('rows', $zdm, $mod, 1);
	$self->compare_query('hidden rows', (sprintf "SELECT $list FROM $self->{second}", $column), sprintf "SELECT $list FROM $schema->{table}", $model->{name})
	  if $self->{second} && !$self->{stale} && $model->{state} =~ /^(ready|switched)$/ && !($model->keeps_place && $self->one_way);
	for my $table (qw(log changes touched parent child))
	{
		my $piece = { log => 'audit', changes => 'audit_changes', touched => 'update_of' }->{$table} // $table;
		next if !Schema::piece($schema, $piece);
		$self->compare_query($table, ("SELECT * FROM app.$table") x 2);
	}
	return;
}

sub hidden_expected
{
	my ($self) = @_;
	my $model = $self->{model};

	return "''" if !$model->in_step;
	return "$model->{name}::text" if $model->is_rename;
	return "''" if $model->{state} eq 'switched';
	my $fits = $model->{family}{fits} ? "CASE WHEN $model->{family}{fits} THEN " : '';
	return ($fits =~ s/\{c\}/$model->{name}/gr) . '(' . Change::expression($self->{case}{change}, 'up', $model->{name}) . ')::text' . ($fits ? ' END' : '');
}

sub compare_query
{
	my ($self, $what, $zdm_sql, $model_sql, $hidden) = @_;
	my %sql = (zdm => $zdm_sql, model => $model_sql);
	my %rows;

	$self->{monitor}{$_}->send($sql{$_}) for qw(zdm model);
	for my $side (qw(zdm model))
	{
		$self->{monitor}{$side}->wait(60);
		my $error = $self->{monitor}{$side}{result}{error};
		$self->differ("reading $error->{code}", "$side: $sql{$side}: " . show_error($error)) if $error;
		$rows{$side} = $self->{monitor}{$side}{result}{rows};
	}
	if ($hidden && $self->{model}{state} eq 'switched' && !$self->{model}->is_rename && !$self->{model}->has_second)
	{
		$self->check_old_side($rows{zdm});
		$_->[-1] = '' for @{ $rows{zdm} };
	}
	my %seen;
	$seen{ show_row($_) }++ for @{ $rows{zdm} };
	$seen{ show_row($_) }-- for @{ $rows{model} };
	my @only = grep { $seen{$_} } sort keys %seen;
	return if !@only;
	$self->differ($what, "$what differ in state $self->{model}{state}:\n" . join "\n", map { ($seen{$_} > 0 ? '  pg_zdm: ' : '  model:  ') . $_ } @only[ 0 .. ($#only < 11 ? $#only : 11) ]);
	return;
}

# check_old_side(rows): after the cutover of a type: what down gives, or what
# the row held before if nobody has written it since.
sub check_old_side
{
	my ($self, $rows) = @_;
	my $family = $self->{model}{family};
	my %was;
	my @unchanged;
	my @ask;

	push @{ $was{ $_->[0] } }, $_ for @{ $self->{was} };
	for my $row (@$rows)
	{
		my ($key, $value, $old) = $self->{case}{schema}{role} eq 'key' ? ($row->[0], $row->[0], $row->[-1]) : ($row->[0], $row->[1], $row->[-1]);

		if (grep { same($_->[1], $old) && same($_->[2], $value) } @{ $was{$key} // [] })
		{
			push @unchanged, [ $key, $old, $self->{case}{schema}{role} eq 'key' ? $row->[3] : $row->[4], $value ];
			next;
		}
		push @ask, [ $key, $value, $old, $self->{case}{schema}{role} eq 'key' ? ($row->[1], $row->[2]) : ($row->[2], $row->[3]) ];
	}
	$self->{unchanged} = \@unchanged;
	for my $row (@ask)
	{
		my ($key, $value, $old, $a, $b) = @$row;
		my $expected = $self->down($value, $a, $b);
		next if same($expected, $old);
		# what a partition brings, or was given up, may stay as long as the two agree
		next if $self->{was_away} && (!defined $expected ? $self->one_way : same($self->up($old, $a, $b), $value));
		$self->differ('old side', sprintf "row %s: new %s, old side %s, down gives %s", map { $_ // '<null>' } $key, $value, $old, $expected);
	}
	return;
}

sub same
{
	my ($x, $y) = @_;

	return defined $x ? defined $y && $x eq $y : !defined $y;
}

sub down { my $self = shift; return $self->computed('down', @_) }
sub up { my $self = shift; return $self->computed('up', @_) }

# computed(way, value, a, b): what up or down gives; undefined if it fails.
sub computed
{
	my ($self, $way, $value, $a, $b) = @_;
	my $family = $self->{model}{family};
	my ($from, $to) = @$family{ $way eq 'up' ? qw(from to) : qw(to from) };
	my $key = join '|', map { $_ // '<null>' } $way, $value, $a, $b;

	return $self->{computed}{$key} if exists $self->{computed}{$key};
	my $result = $self->{monitor}{model}->query('SELECT ((' . Change::expression($self->{case}{change}, $way, 'v') . ")::$to)::text FROM (SELECT "
		  . Change::quote($value) . "::$from AS v, " . Change::quote($a) . '::integer AS a, ' . Change::quote($b) . '::text AS b) q');
	return $self->{computed}{$key} = $result->{error} ? undef : $result->{rows}[0][0];
}

# finish(): the end of the stream: transactions end, and the catalogs are alike.
sub finish
{
	my ($self) = @_;

	$self->end_transactions;
	$self->settle;
	$self->compare_rows;
	Beside::finish($self);
	$self->compare_rows;
	Properties::at_end($self);
	return;
}

1;
