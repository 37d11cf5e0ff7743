# 071_moving.pl: what a database with a migration in progress is moved through:
# an upgrade, a dump, a change of owners, schemas and names.
#
# long

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;
use Test::More;

my $conf = "zdm.batch_rest = 0\nzdm.guard = off\n";
my $node = zdm_node('main', conf => $conf);

sub sql { return $_[1] ? $_[1]->safe_psql('postgres', $_[0]) : $node->safe_psql('postgres', $_[0]) }

sub make
{
	sql("CREATE TABLE $_[0] (id int PRIMARY KEY, gone int, a text NOT NULL DEFAULT 'x', n int);"
		  . "ALTER TABLE $_[0] DROP COLUMN gone; CREATE INDEX ON $_[0] (lower(a));"
		  . "INSERT INTO $_[0] SELECT i, 'v' || i, i FROM generate_series(1, 5000) i");
}

# The whole way from wherever it rests.
sub finish
{
	my ($server, $label, $what) = @_;

	for my $step ([ 'ready', 'cutover' ], [ 'switched', 'contract' ])
	{
		my $state = migration_state($server, $label);

		next if $step->[0] eq 'ready' && $state eq 'switched';
		wait_for_state($server, $label, $step->[0]);
		is(sql("SELECT count(*) FROM zdm.verify('$label')", $server), 0, "$what: $label is $step->[0], and every row is right");
		sql("SELECT zdm.$step->[1]('$label')", $server);
	}
	wait_for_state($server, $label, 'completed');
	pass("$what: $label is completed");
}

# --- a table is moved when the statement for its index has been written already
{
	sql('CREATE SCHEMA aside');
	make('indexed_aside');
	my $held = hold($node, 'toplevel-before-run');
	sql("SELECT zdm.migrate('CREATE INDEX aside_n ON indexed_aside (n)', label => 'aside')");
	arrive($node, 'toplevel-before-run');
	sql('ALTER TABLE indexed_aside SET SCHEMA aside');
	$held->quit;
	wait_for_state($node, 'aside', 'completed');
	is(sql("SELECT indrelid::regclass FROM pg_index WHERE indexrelid = 'aside.aside_n'::regclass AND indisvalid"),
		'aside.indexed_aside', 'the statement is written anew');
	sql('DROP SCHEMA aside CASCADE');
}

# --- owners, names and schemas change while it is at work
{
	sql('CREATE SCHEMA elsewhere; CREATE ROLE first NOLOGIN; CREATE ROLE "Second one" NOLOGIN; '
		  . 'GRANT CREATE ON SCHEMA public TO first; GRANT CREATE, USAGE ON SCHEMA elsewhere, public TO "Second one", first');
	make('moved');
	sql('ALTER TABLE moved OWNER TO first');
	my $held = hold($node, 'backfill-after-batch');
	sql("SET ROLE first; SELECT zdm.rename_column('moved', 'a', 'b', 'moved')");
	arrive($node, 'backfill-after-batch');
	sql('ALTER TABLE moved SET SCHEMA elsewhere; ALTER TABLE elsewhere.moved RENAME TO "Moved %1"; ALTER SCHEMA elsewhere RENAME TO "Else"');
	$held->quit;
	wait_for_state($node, 'moved', 'ready');
	is(sql("SELECT relation FROM zdm.migrations WHERE label = 'moved'"), '"Else"."Moved %1"', 'moved and renamed: it goes on, under the new name');
	is(sql(q{INSERT INTO "Else"."Moved %1" (id, b) VALUES (-1, 'new') RETURNING a}), 'new', 'moved and renamed: in step');
	sql('ALTER ROLE first RENAME TO "First one"');
	sql("SELECT zdm.cutover('moved')");
	wait_for_state($node, 'moved', 'switched');

	# to others, all of it
	sql('REASSIGN OWNED BY "First one" TO "Second one"; DROP OWNED BY "First one"; DROP ROLE "First one"');
	sql(q{SET ROLE "Second one"; SELECT zdm.contract('moved')});
	wait_for('it to stop', sub { migration_state($node, 'moved') eq 'failed' });
	sql(q{SET ROLE "Second one"; SELECT zdm.resume('moved')});
	wait_for_state($node, 'moved', 'completed');
	is(sql(q{SELECT count(*) FROM "Else"."Moved %1" WHERE b LIKE 'v%'}), 5000, 'reassigned: the new owner brings it to its end');

	# and what is dropped with its owner
	make('dropped');
	sql('ALTER TABLE dropped OWNER TO "Second one"');
	$held = hold($node, 'backfill-after-batch');
	sql(q{SET ROLE "Second one"; SELECT zdm.change_column_type('dropped', 'n', 'bigint', label => 'dropped')});
	arrive($node, 'backfill-after-batch');
	sql('DROP OWNED BY "Second one" CASCADE; DROP ROLE "Second one"');
	$held->quit;
	wait_for('it to fail', sub { migration_state($node, 'dropped') eq 'failed' });
	sql("SELECT zdm.revert('dropped')");
	wait_for_state($node, 'dropped', 'reverted');
	is(sql("SELECT relation FROM zdm.migrations WHERE label = 'dropped'"), 'public.dropped', 'dropped with its owner: closed');
}

# --- an upgrade by pg_upgrade, each migration in another state
{
	make($_) for qw(queued filling ready switched indexed typed);
	my $held = hold($node, 'backfill-after-batch');
	sql("SELECT zdm.rename_column('filling', 'a', 'b', 'filling')");
	arrive($node, 'backfill-after-batch');
	sql("SELECT zdm.pause('filling')");
	$held->quit;
	sql("SELECT zdm.rename_column('$_', 'a', 'b', '$_')") for qw(ready switched);
	sql("SELECT zdm.change_column_type('typed', 'n', 'bigint', label => 'typed')");
	wait_for_state($node, $_, 'ready') for qw(ready switched typed);
	sql("SELECT zdm.cutover('$_')") for qw(switched typed);
	wait_for_state($node, $_, 'switched') for qw(switched typed);
	$node->append_conf('postgresql.conf', 'zdm.enabled = off');
	$node->reload;
	wait_for('the setting', sub { sql('SHOW zdm.enabled') eq 'off' });
	sql("SELECT zdm.rename_column('queued', 'a', 'b', 'queued')");
	sql("SELECT zdm.migrate('CREATE INDEX indexed_n ON indexed (n)', label => 'indexed')");
	$node->stop;

	my $new = PostgreSQL::Test::Cluster->new('upgraded');
	$new->init;
	$new->append_conf('postgresql.conf', slurp_file($zdm_conf) . $conf . "log_statement = none\n");
	my $bin = $node->config_data('--bindir');
	my $here = PostgreSQL::Test::Utils::tempdir();
	command_ok(
		[
			'sh', '-c', 'cd "$0" && exec "$@"', $here, 'pg_upgrade', '-d', $node->data_dir, '-D', $new->data_dir,
			'-b', $bin, '-B', $bin, '-s', $new->host, '-p', $node->port, '-P', $new->port
		],
		'pg_upgrade');
	$new->start;
	is(sql("SELECT string_agg(label || ' ' || state, ', ' ORDER BY id) FROM zdm.migrations WHERE label IN ('ready', 'switched', 'typed')", $new),
		'ready ready, switched switched, typed switched', 'upgraded: what rested rests');
	is(sql("INSERT INTO ready (id, b) VALUES (-1, 'new') RETURNING a", $new), 'new', 'upgraded: both columns are in step');
	is(sql("INSERT INTO typed (id, n) VALUES (-1, 5) RETURNING (SELECT count(*) FROM zdm.verify('typed'))", $new), 0, 'upgraded: types, too');
	sql("SELECT zdm.resume('filling')", $new);
	wait_for_state($new, 'indexed', 'completed');
	pass('upgraded: what had not begun is done');
	finish($new, $_, 'upgraded') for qw(queued filling ready switched typed);
	is(sql('SELECT count(*) FROM pg_trigger WHERE tgfoid = \'zdm.sync\'::regproc', $new), 0, 'upgraded: nothing is left');
	$new->stop;
}

done_testing();
