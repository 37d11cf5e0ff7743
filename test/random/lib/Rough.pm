# Rough.pm: what happens to sessions and workers, and must leave no trace: cancelled
# and timed out statements, DDL that the guard refuses or that waits for a lock in
# vain, functions of ours that anybody calls with anything, and workers that are
# cancelled or terminated.
#
# It is played on the zdm side alone.  A statement that was cancelled has not been,
# for the model; all else is rolled back, and the session is looked at afterwards.

package Rough;

use strict;
use warnings;

use Runner;

my @garbage = (
	'NULL', "''", "'x'", '0', '-1', '1', '2147483647', '9223372036854775807', "'%'", "'%R{1}'", "'%D{12,3}'", "'%A{1.1}'", "'%%'",
	"'{}'", "'{NULL}'", "'[]'", "'1 day'", "'pg_class'", "'app'", "'m1'", "'public'", "'DROP TABLE app.parent'", "'1; 2'", "'\"'", 'true', "repeat('x', 100000)");
my @ddl = (
	'ALTER TABLE {T} ADD COLUMN xx integer', 'CREATE INDEX ON {T} (a)', 'ALTER TABLE {T} ADD CHECK (a < 1000000)',
	'ALTER TABLE {T} ALTER b TYPE varchar(500)', 'ALTER TABLE {T} ALTER a TYPE bigint', 'ALTER TABLE {T} DROP COLUMN d', 'DROP TABLE {T}',
	'ALTER TABLE {T} DISABLE TRIGGER ALL', 'CREATE TABLE app.xx (r integer) PARTITION BY LIST (r)', 'ALTER TABLE {T} RENAME TO xx', 'REINDEX TABLE {T}',
	'ALTER TABLE {T} ALTER d SET NOT NULL', 'TRUNCATE {T}', 'COMMENT ON TABLE {T} IS NULL', q{SELECT * FROM zdm.check('ALTER TABLE {T} ADD COLUMN xx integer')});

# template(dice): something like what the steps of a migration are stored as.
sub template
{
	my ($dice) = @_;
	my $number = sub { $dice->pick(0, 0, 0, 1, 2, 7, -1, 20, 1259, 5000, 100000000, 1000000000, '') };
	my $letter = $dice->pick(qw(D D D R A N T V ? ! = < >));
	my $count = $letter eq 'D' ? $dice->pick(7, 7, 7, 6, 8) : $dice->between(0, 3);

	return "'%$letter\{" . join($letter eq 'A' ? '.' : ',', map { $number->() } 1 .. $count) . ($letter eq 'D' ? $dice->pick(':', ':x', ':x,1:y', '') : '') . $dice->pick('}', '}', '}', '') . "'";
}

# invent(dice, change): an event.
sub invent
{
	my ($dice) = @_;
	my $what = $dice->weighted(hasty => 5, guarded => 4, called => 3);

	return { op => $what, milliseconds => $dice->pick(1, 1, 2, 3, 5, 100), notes_locked => $dice->chance(40), cancelled => $dice->chance(30) } if $what eq 'hasty';
	return { op => $what, calls => [ map { { values => [ map { $dice->chance(25) ? template($dice) : $dice->pick(@garbage) } 1 .. 12 ], at => $dice->next } } 1 .. 6 ] } if $what eq 'called';
	return { op => $what, guard => $dice->pick(qw(refuse warn refuse)), ddl => $dice->pick(@ddl), held => $dice->pick('ACCESS EXCLUSIVE', 'ROW EXCLUSIVE', ''),
		block => $dice->pick('', 'caught', 'transaction'), time => $dice->pick('lock_timeout', 'lock_timeout', 'statement_timeout', 'zdm.ddl_lock_timeout') };
}

# signal(dice): workers are cancelled or terminated, whatever they are at: once, or
# again as many milliseconds later.
sub signal
{
	my ($dice) = @_;

	return { op => 'signal', what => $dice->pick(qw(cancel cancel terminate)), moments => [ map { $dice->pick(0, 1, 2, 5, 10, 20, 50, 100) } 1 .. $dice->pick(1, 1, 2, 4) ] };
}

# usable(run, session, who): it is in no transaction, and answers.
sub usable
{
	my ($run, $session, $who, $what) = @_;
	my $seen = $session->query('SELECT pg_current_xact_id_if_assigned() IS NULL');

	return if !$seen->{error} && $seen->{rows}[0][0] eq 't' && $session->{status} eq 'I';
	$run->differ('session', "the session of $who is left in a bad state by: $what\n  " . ($seen->{error} ? Runner::show_error($seen->{error}) : "$seen->{rows}[0][0] $session->{status}"));
	return;
}

# hasty(run, event, sql): a statement under a timeout, or that is cancelled after so
# long; its result, if it was done.  Where a value is to be noted and nobody may, it
# cannot be.
sub hasty
{
	my ($run, $event, $sql) = @_;
	my $who = $event->{statement}{who};
	my $session = $run->{writer}{zdm}[$who];
	my $monitor = $run->{monitor}{zdm};

	$session->must("SET statement_timeout = '$event->{milliseconds}ms'") if !$event->{cancelled};
	if ($event->{notes_locked})
	{
		$monitor->must('BEGIN');
		$monitor->must('LOCK TABLE zdm.misfit IN EXCLUSIVE MODE');
	}
	$session->send($sql);
	if ($event->{cancelled} && !$session->poll($event->{milliseconds} / 1000))
	{
		$run->{monitor}{model}->must("SELECT pg_cancel_backend($session->{pid})");
	}
	$session->wait(20) or $run->differ('blocked', "no answer, cancelled or not: $sql");
	my $result = $session->{result};
	$monitor->must('ROLLBACK') if $event->{notes_locked};
	# which may itself take longer than that
	for (1 .. 50)
	{
		last if !$session->query('RESET statement_timeout')->{error};
	}
	my $done = !$result->{error} || $result->{error}{code} ne '57014';
	$run->note("writer $who", "$sql -- " . ($event->{cancelled} ? 'cancelled after' : 'in at most') . " $event->{milliseconds} ms" . ($event->{notes_locked} ? ', with a lock on zdm.misfit' : '') . ($done ? '' : ': cancelled'));
	usable($run, $session, "writer $who", $sql);
	return $done ? $result : undef;
}

# guarded(run, event): DDL under the guard, and perhaps a lock in its way.
sub guarded
{
	my ($run, $event) = @_;
	my $ddl = $event->{ddl} =~ s/\{T\}/$run->{case}{schema}{table}/gr;
	my $session = $run->{server}->connect($run->{zdm_db}, 'postgres', 'dba');
	my $other = $run->{server}->connect($run->{zdm_db}, 'zr_owner', 'other');

	my $held = $event->{held};
	# no limit for DDL is put on a query, nor on what stops nobody while it waits
	my $time = $ddl =~ /zdm\.check|^COMMENT/ ? 'lock_timeout' : $event->{time};

	if ($held)
	{
		$other->must("SET lock_timeout = '1s'");
		$other->must('BEGIN');
		my $error = $other->query("LOCK TABLE $run->{case}{schema}{table} IN $held MODE")->{error};
		$other->must('ROLLBACK') if $error;
		$held = '' if $error;
	}
	$session->must("SET $time = '50ms'");
	$session->must("SET zdm.guard = $event->{guard}");
	$session->must('SET zdm.guard_min_size = 0');
	$session->must('SET SESSION AUTHORIZATION zr_owner');
	my $sql = $event->{block} eq 'caught'
	  ? "DO \$do\$ BEGIN FOR i IN 1 .. 3 LOOP BEGIN EXECUTE \$ddl\$$ddl\$ddl\$; RAISE division_by_zero; EXCEPTION WHEN others THEN NULL; END; END LOOP; RAISE division_by_zero; END \$do\$"
	  : $ddl;
	$run->note('dba', ($held ? "-- while another session has a lock, $held: " : '') . "SET zdm.guard = $event->{guard}; SET $time = '50ms'; $sql");
	$session->must('BEGIN') if $event->{block} ne 'caught' && ($event->{block} eq 'transaction' || $held ne 'ACCESS EXCLUSIVE');
	my $error = $session->query($sql)->{error};
	my $failed = $error && $session->{status} eq 'I';
	$run->differ('server', "the server is gone after: $sql") if $session->{gone};
	if (!$failed && $session->{status} eq 'I' && $event->{block} ne 'caught' && $ddl !~ /zdm\.check/)
	{
		# a lock that came too late to be in the way
		$run->enough('DDL went through');
	}
	$session->query('ROLLBACK') if $session->{status} ne 'I';
	usable($run, $session, 'dba', $sql);
	$_->close for $session, $other;
	usleep_until_gone($run);
	return;
}

# usleep_until_gone(run): the two sessions have let go of their locks.
sub usleep_until_gone
{
	my ($run) = @_;

	for (1 .. 100)
	{
		last if !$run->{monitor}{zdm}->must("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name IN ('dba', 'other')")->@*;
		select undef, undef, undef, 0.01;
	}
	return;
}

# called(run, event): functions of ours, of those that everybody may call.
sub called
{
	my ($run, $event) = @_;
	my $session = $run->{server}->connect($run->{zdm_db}, 'zr_new', 'stranger');
	my $functions = $session->must(
		"SELECT p.oid::regproc::text, p.pronargs, p.prokind, ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY u(t, n) ORDER BY n)::text FROM pg_proc p WHERE pronamespace = 'zdm'::regnamespace AND has_function_privilege(p.oid, 'EXECUTE')"
		  . " AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) AND proname <> 'wait' ORDER BY 1, 2, 4");
	for my $call (@{ $event->{calls} })
	{
		my ($name, $count, $kind, $types) = $functions->[ $call->{at} % @$functions ]->@*;
		my @types = $types =~ /"[^"]*"|[^{},]+/g;
		my @values = map { my $type = $types[$_] =~ s/"//gr; my $value = $call->{values}[$_] // 'NULL'; $value =~ /^-?\d+$/ && $type !~ /int|numeric/ ? "'$value'::$type" : "$value\::text::$type" } 0 .. $count - 1;
		my $sql = ($kind eq 'p' ? 'CALL' : 'SELECT') . " $name(" . join(', ', @values) . ')';

		$session->must('BEGIN');
		$session->must("SET LOCAL statement_timeout = '300ms'");
		$run->note('a stranger', "BEGIN; $sql; ROLLBACK");
		$session->query($sql);
		$session->query('ROLLBACK') if !$session->{gone};
		$run->differ('server', "the server is gone after: $sql") if $session->{gone};
		usable($run, $session, 'a stranger', $sql);
	}
	$session->close;
	return;
}

1;
