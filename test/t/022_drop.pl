# 022_drop.pl: what a migration works on, or with, is dropped under it.  The
# server stays healthy, what is left says what happened, and can be closed.

use strict;
use warnings;

use ZdmTest;
use Test::More;

my $node = zdm_node('main', conf => "zdm.batch_rest = 0\nzdm.guard = off\n");
my $psql = sub { $node->safe_psql($_[1] // 'postgres', $_[0]) };

# state_it(table, dbname): a table with a migration whose backfill has begun.
sub state_it
{
	my ($table, $dbname) = @_;

	$psql->("CREATE TABLE $table (id int PRIMARY KEY, a text NOT NULL DEFAULT 'x');"
		  . "INSERT INTO $table SELECT i, 'v' || i FROM generate_series(1, 2000) i;"
		  . "CREATE INDEX ON $table (a)", $dbname);
	return $psql->("SELECT zdm.rename_column('$table', 'a', 'b')", $dbname);
}

sub state_of
{
	my ($id, $dbname) = @_;

	return $psql->("SELECT state FROM zdm.migrations WHERE id = $id", $dbname);
}

sub close_it
{
	my ($id, $why, $dbname) = @_;

	$psql->("SELECT zdm.revert($id)", $dbname);
	wait_for("$why: reverted", sub { state_of($id, $dbname) eq 'reverted' });
	pass("$why: it can be closed");
	is($psql->("SELECT count(*) FROM zdm.pair WHERE migration = $id AND new_attnum IS NOT NULL", $dbname),
		0, "$why: no pair is in force");
}

sub no_workers
{
	my ($dbname) = @_;

	wait_for('all workers to be gone',
		sub {
			$node->safe_psql('postgres',
				"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_zdm worker' AND datname = '$dbname'")
			  == 0;
		});
}

# --- the table, between two batches and while a batch has it locked
for my $point (qw(backfill-after-batch state-migrating))
{
	my $held = hold($node, $point);
	my $id = state_it('dropped');

	arrive($node, $point);
	$psql->('DROP TABLE dropped');
	$held->quit;
	wait_for('it to fail', sub { state_of($id) eq 'failed' });
	like($psql->("SELECT error_state || ' ' || error FROM zdm.migrations WHERE id = $id"),
		qr/^42P01 .*public\.dropped/, "table dropped at $point: says so");
	is($psql->("SELECT relation FROM zdm.migrations WHERE id = $id"), 'public.dropped', 'and by its name');
	$psql->("SELECT count(*) FROM zdm.steps; SELECT count(*) FROM zdm.progress");
	close_it($id, "table dropped at $point");
}

# --- the table, when it is ready, and another of the name is made
{
	my $id = state_it('dropped');

	wait_for_state($node, $id, 'ready');
	$psql->('DROP TABLE dropped; CREATE TABLE dropped (id int, a int)');
	my ($rc, undef, $error) = $node->psql('postgres', "SELECT * FROM zdm.verify($id)");
	isnt($rc, 0, 'table dropped when ready: nothing to verify');
	unlike($error, qr/cache lookup|could not open relation/, 'and says so in words');
	close_it($id, 'table dropped when ready');
	is($psql->("SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'dropped'::regclass AND attnum > 0"),
		'id,a', 'the other table is left alone');
	$id = $psql->("SELECT zdm.rename_column('dropped', 'a', 'b')");
	wait_for_state($node, $id, 'ready');
	close_it($id, 'the other table');
	$psql->('DROP TABLE dropped');
}

# --- the schema, the column of either side
{
	$psql->('CREATE SCHEMA gone');
	my $id = state_it('gone.t');
	wait_for_state($node, $id, 'ready');
	$psql->('DROP SCHEMA gone CASCADE');
	close_it($id, 'schema dropped');

	$id = state_it('columns');
	wait_for_state($node, $id, 'ready');
	$psql->('ALTER TABLE columns DROP COLUMN b');
	$psql->("INSERT INTO columns VALUES (5001, 'still works'); UPDATE columns SET a = 'u' WHERE id = 1");
	close_it($id, 'new column dropped');

	$id = $psql->("SELECT zdm.rename_column('columns', 'a', 'b')");
	wait_for_state($node, $id, 'ready');
	$psql->('ALTER TABLE columns DROP COLUMN a');
	$psql->("INSERT INTO columns (id, b) VALUES (5002, 'still works'); UPDATE columns SET b = 'u' WHERE id = 1");
	close_it($id, 'old column dropped');
	ok($psql->("SELECT count(*) FROM columns WHERE b IS NOT NULL") == 2002, 'old column dropped: the only column left is kept');
}

# --- the owner
{
	$psql->('CREATE ROLE keeper; CREATE ROLE heir; GRANT CREATE ON SCHEMA public TO keeper, heir');
	my $held = hold($node, 'backfill-after-batch');
	$psql->("CREATE TABLE owned (id int, a text); INSERT INTO owned SELECT i, 'v' || i FROM generate_series(1, 2000) i;"
		  . "ALTER TABLE owned OWNER TO keeper");
	my $id = $psql->("SELECT zdm.rename_column('owned', 'a', 'b')");
	arrive($node, 'backfill-after-batch');
	my ($rc, undef, $error) = $node->psql('postgres', 'DROP ROLE keeper');
	isnt($rc, 0, 'a role that owns a table cannot be dropped');
	$psql->('REASSIGN OWNED BY keeper TO heir; DROP OWNED BY keeper; DROP ROLE keeper');
	is($psql->("SELECT count(*) FROM zdm.migrations WHERE id = $id AND owner ~ '^[0-9]+\$'"), 1, 'the view shows a role that is gone by its number');
	$held->quit;
	wait_for('it to fail', sub { state_of($id) eq 'failed' });
	like($psql->("SELECT error_state || ' ' || error FROM zdm.migrations WHERE id = $id"),
		qr/^42501 the owner of public\.owned has changed/, 'role dropped: the migration stops');
	$psql->("SET ROLE heir; SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, 'owned', 'a', 'b'), 0, 'and goes on with the rights of the heir');
	is($psql->("SELECT owner FROM zdm.migrations WHERE id = $id"), 'heir', 'whose it is now');
	$psql->("SET ROLE heir; INSERT INTO owned (id, b) VALUES (5001, 'x')");
	close_it($id, 'owner changed');
}

# --- the extension
{
	my $held = hold($node, 'backfill-after-batch');
	my $id = state_it('orphan');

	arrive($node, 'backfill-after-batch');
	my ($rc, undef, $error) = $node->psql('postgres', 'DROP EXTENSION pg_zdm');
	isnt($rc, 0, 'the extension cannot be dropped while a sync trigger needs it');
	$psql->('DROP EXTENSION pg_zdm CASCADE');
	$held->quit;
	no_workers('postgres');
	$psql->("INSERT INTO orphan (id, a) VALUES (5001, 'works'); UPDATE orphan SET a = 'y' WHERE id < 10");
	is($psql->("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'orphan'::regclass AND NOT tgisinternal"),
		0, 'extension dropped: no trigger is left');
	$psql->('CREATE EXTENSION pg_zdm; ALTER TABLE orphan DROP COLUMN IF EXISTS b');
	$id = $psql->("SELECT zdm.rename_column('orphan', 'a', 'b')");
	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, 'orphan', 'a', 'b'), 0, 'extension made again: it works');
}

# --- the database
{
	for my $name (qw(held ready))
	{
		$node->safe_psql('postgres', 'CREATE DATABASE doomed');
		$psql->('CREATE EXTENSION pg_zdm', 'doomed');
		my $held = $name eq 'held' ? hold($node, 'backfill-after-batch', 'doomed') : undef;
		my $id = state_it('t', 'doomed');
		if ($held) { arrive($node, 'backfill-after-batch', 'doomed') }
		else { wait_for_state($node, $id, 'ready', 'doomed'); no_workers('doomed') }
		if ($held)
		{
			my ($rc, undef, $error) = $node->psql('postgres', 'DROP DATABASE doomed');
			isnt($rc, 0, 'a database in use is not dropped');
		}
		is( ($node->psql('postgres', 'DROP DATABASE doomed' . ($held ? ' WITH (FORCE)' : '')))[0],
			0, "database dropped ($name)");
		eval { $held->quit } if $held;
		no_workers('doomed');
	}
	# as a template, and renamed
	my $id = state_it('template_source');
	wait_for_state($node, $id, 'ready');
	no_workers('postgres');
}

ok($node->safe_psql('postgres', 'SELECT 1') == 1, 'the server answers');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_zdm launcher'"),
	1, 'the launcher is there');
$node->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile),
	qr/PANIC|terminated by signal|TRAP|cache lookup failed|could not open relation/, 'nothing bad in the log');

done_testing();
