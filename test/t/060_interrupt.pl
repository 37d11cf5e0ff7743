# 060_interrupt.pl: what is steered is obeyed while a step works for long.
#
# The long step is an index build, or a validation, over a function that takes
# its time with every row, for as long as a table says so: left alone each would
# take minutes, so whatever comes to its end within seconds was broken off.

use strict;
use warnings;

use ZdmTest;
use Test::More;

# seconds: far less than the step would take, far more than a signal does
my $promptly = 30;

my $node = zdm_node('preloaded', conf => "zdm.batch_rest = 0\nzdm.guard = off\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub prepare
{
	sql(<<'EOS');
CREATE TABLE pace (seconds float8);
INSERT INTO pace VALUES (0.5);
CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN PERFORM pg_sleep(seconds) FROM public.pace WHERE seconds > 0; RETURN n; END $$;
EOS
}

sub slow { sql("UPDATE pace SET seconds = 0.5") }
sub fast { sql("UPDATE pace SET seconds = 0") }

sub make
{
	sql("CREATE TABLE $_[0] (id int PRIMARY KEY, a text NOT NULL DEFAULT 'x');"
		  . "INSERT INTO $_[0] SELECT i, 'v' || i FROM generate_series(1, 1000) i");
}

sub migrate { return sql("SELECT zdm.migrate('$_[0]')") }

sub begun
{
	my ($id, $what) = @_;

	wait_for("the worker of $id to be at it",
		sub {
			sql("SELECT count(*) FROM pg_stat_activity a JOIN zdm.progress p ON p.worker = a.pid "
				  . "WHERE p.id = $id AND a.wait_event = 'PgSleep'") == 1;
		});
}

sub soon
{
	my ($why, $query) = @_;

	ok(eval { wait_for($why, sub { sql($query) eq 't' }, $promptly) }, $why) or diag($@);
}

sub gone { return "SELECT worker IS NULL FROM zdm.progress WHERE id = $_[0]" }
sub state_is { return "SELECT state = '$_[1]' FROM zdm.migrations WHERE id = $_[0]" }

sub indexes
{
	return sql("SELECT coalesce(string_agg(indexrelid::regclass || CASE WHEN indisvalid THEN '' ELSE ' invalid' END, ' ' "
		  . "ORDER BY indexrelid), '') FROM pg_index WHERE indrelid = '$_[0]'::regclass AND NOT indisprimary");
}

prepare();

# --- an index build: paused, resumed
{
	make('paused');
	my $id = migrate('CREATE INDEX paused_slow ON paused (slow(id))');
	begun($id);
	like(indexes('paused'), qr/paused_slow_zdm$id invalid/, 'an index is being built');
	sql("SELECT zdm.pause($id)");
	soon('pause: the worker leaves', gone($id));
	is(indexes('paused'), '', 'and nothing half built is left');
	is(sql("SELECT state || ' ' || paused FROM zdm.migrations WHERE id = $id"), 'migrating true',
		'that is no failure');
	is(sql("SELECT count(*) FROM zdm.steps WHERE migration = $id AND error IS NOT NULL"), 0, 'and no error');
	sql('INSERT INTO paused SELECT i FROM generate_series(2001, 2010) i');
	fast();
	sql("SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'completed');
	is(indexes('paused'), 'paused_slow', 'resume: it is built');
	is(sql('SET enable_seqscan = off; SELECT count(*) FROM paused WHERE slow(id) > 2000'), 10, 'with all rows');
	slow();
}

# --- paused and reverted in a savepoint that is rolled back
{
	make('savepoint');
	my $id = migrate('CREATE INDEX savepoint_slow ON savepoint (slow(id))');
	begun($id);
	my $oid = sql("SELECT 'savepoint_slow_zdm$id'::regclass::oid");
	sql("BEGIN; SAVEPOINT s; SELECT zdm.pause($id); ROLLBACK TO s; COMMIT");
	sql("BEGIN; SELECT zdm.revert($id); ROLLBACK");
	sql("SELECT zdm.configure($id, 'batch_rest', '0')");
	is(sql("SELECT 'savepoint_slow_zdm$id'::regclass::oid"), $oid, 'what is rolled back breaks nothing off');
	begun($id);
	sql("BEGIN; SELECT zdm.pause($id); SELECT zdm.resume($id); COMMIT");
	begun($id);
	is(sql("SELECT 'savepoint_slow_zdm$id'::regclass::oid"), $oid, 'nor what is taken back');

	# --- reverted
	sql("SELECT zdm.revert($id)");
	soon('revert: it is gone', state_is($id, 'reverted'));
	is(indexes('savepoint'), '', 'with the index');
	soon('and the worker', gone($id));
}

# --- the unique index of a constraint, and one for each partition
{
	sql(<<'EOS');
CREATE TABLE parts (id int NOT NULL, n int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (500);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (500) TO (2000);
INSERT INTO parts SELECT i, i FROM generate_series(1, 1000) i;
EOS
	fast();
	my $id = migrate('CREATE INDEX parts_slow ON parts (slow(id))');
	wait_for_state($node, $id, 'completed');
	sql('DROP INDEX parts_slow');
	slow();
	$id = migrate('CREATE INDEX parts_slow ON parts (slow(id))');
	begun($id);
	sql("SELECT zdm.revert($id)");
	soon('partitions: reverted', state_is($id, 'reverted'));
	is(sql("SELECT count(*) FROM pg_class WHERE relkind IN ('i', 'I') AND relname LIKE 'parts%'"), 0,
		'partitions: nothing is left');
}

# --- a validation
{
	make('validated');
	my $id = migrate('ALTER TABLE validated ADD CONSTRAINT sure CHECK (slow(id) > 0)');
	begun($id);
	sql("SELECT zdm.pause($id)");
	soon('a validation: the worker leaves', gone($id));
	is(sql("SELECT convalidated FROM pg_constraint WHERE conname = 'sure'"), 'f', 'it is not validated');
	fast();
	sql("SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'completed');
	is(sql("SELECT convalidated FROM pg_constraint WHERE conname = 'sure'"), 't', 'resumed: it is');
	slow();
	make('unvalidated');
	$id = migrate('ALTER TABLE unvalidated ADD CONSTRAINT unsure CHECK (slow(id) > 0)');
	begun($id);
	sql("SELECT zdm.revert($id)");
	soon('a validation: reverted', state_is($id, 'reverted'));
	is(sql("SELECT count(*) FROM pg_constraint WHERE conname = 'unsure'"), 0, 'and gone');
}

# --- a batch of a backfill
{
	make('filled');
	my $id = sql(q{SELECT zdm.backfill('filled', 'a = public.slow(id)::text', 'a <> id::text')});
	begun($id);
	sql("SELECT zdm.pause($id)");
	soon('a batch: the worker leaves', gone($id));
	sql("SELECT zdm.resume($id)");
	begun($id);
	sql("SELECT zdm.revert($id)");
	soon('a batch: reverted', state_is($id, 'reverted'));
	is(sql("SELECT count(*) FROM filled WHERE a = id::text"), 0, 'the batch was rolled back');
}

# --- zdm.enabled
{
	make('switched_off');
	my $id = migrate('CREATE INDEX switched_off_slow ON switched_off (slow(id))');
	begun($id);
	$node->append_conf('postgresql.conf', 'zdm.enabled = off');
	$node->reload;
	soon('zdm.enabled = off: the worker leaves', gone($id));
	fast();
	$node->append_conf('postgresql.conf', 'zdm.enabled = on');
	$node->reload;
	wait_for_state($node, $id, 'completed');
	is(indexes('switched_off'), 'switched_off_slow', 'on: the index is built');
	slow();
}

# --- pg_cancel_backend: tried again, and said so
{
	make('cancelled');
	my $id = migrate('CREATE INDEX cancelled_slow ON cancelled (slow(id))');
	begun($id);
	my $oid = sql("SELECT 'cancelled_slow_zdm$id'::regclass::oid");
	sql("SELECT pg_cancel_backend(worker) FROM zdm.progress WHERE id = $id");
	wait_for('another try', sub { sql("SELECT to_regclass('cancelled_slow_zdm$id')::oid IS DISTINCT FROM $oid") eq 't' });
	is(sql("SELECT attempts || ' ' || error FROM zdm.steps WHERE migration = $id AND state = 'running'"),
		'2 canceling statement due to user request', 'a cancelled step: the error and the number of tries are shown');
	begun($id);
	fast();
	# while it rests, a worker has nothing to cancel, and survives it
	sql("SELECT zdm.pause($id)");
	soon('paused', gone($id));
	sql("SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'completed');
	is(indexes('cancelled'), 'cancelled_slow', 'and it is built');
	is(sql("SELECT count(*) FROM zdm.steps WHERE migration = $id AND error IS NOT NULL"), 0, 'with no error left');
}
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP/, 'nothing bad in the log');
$node->stop;

# --- not preloaded: nobody would replace a worker that dies of a signal
$node = zdm_node('bare', preload => 0, conf => "zdm.batch_rest = 0\n");
prepare();
{
	make('bare');
	my $id = migrate('CREATE INDEX bare_slow ON bare (slow(id))');
	begun($id);
	sql("SELECT zdm.revert($id)");
	soon('not preloaded: reverted', state_is($id, 'reverted'));
	is(indexes('bare'), '', 'not preloaded: the index is gone');

	# as the worker starts, and over and over
	fast();
	for my $round (1 .. 10)
	{
		$id = sql("SELECT zdm.rename_column('bare', 'a', 'b')");
		sql("SELECT zdm.pause($id)");
		sql("SELECT zdm.resume($id)");
		sql("SELECT zdm.revert($id)");
		soon("not preloaded: reverted at once, $round", state_is($id, 'reverted'));
	}
}
$node->stop;

done_testing();
