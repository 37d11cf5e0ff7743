# 046_privileges.pl: of two columns, and of a table and the view that has its other
# name, neither gives more than the other, whenever a REVOKE or a GRANT comes: before
# the second one is made, while it is made, and in a transaction that was open then.

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('privileges');

sub sql { return $node->safe_psql('postgres', $_[0]) }

# who may read what of the table or view: its table-wide privileges, then each column's
sub grants
{
	my ($relation) = @_;
	return sql("SELECT coalesce(string_agg(line, ', ' ORDER BY line), '') FROM ("
		  . "SELECT concat_ws(' ', x.grantee::regrole, x.privilege_type, CASE WHEN x.is_grantable THEN '*' END) AS line "
		  . "FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = '$relation'::regclass AND x.grantee <> c.relowner "
		  . "UNION ALL SELECT concat_ws(' ', x.grantee::regrole, x.privilege_type, a.attname, CASE WHEN x.is_grantable THEN '*' END) "
		  . "FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = '$relation'::regclass) l");
}

sql('CREATE ROLE own; CREATE ROLE app; CREATE ROLE rep; CREATE SCHEMA s AUTHORIZATION own; GRANT USAGE ON SCHEMA s TO PUBLIC');

my $tables = 0;

sub make
{
	my $table = 's.t' . ++$tables;
	sql("SET ROLE own; CREATE TABLE $table (id int PRIMARY KEY, a text); INSERT INTO $table VALUES (1, 'secret');"
		  . "GRANT SELECT (a) ON $table TO app WITH GRANT OPTION; GRANT UPDATE (a) ON $table TO rep");
	return $table;
}

# what a step waits for beside who grants or revokes; from 18 on he has a lock on the table, too
sub changing
{
	my ($table) = @_;
	return qr/privileges of $table are being changed by process \d+|lock on $table, held by pid \d+/;
}

my $both = 'rep UPDATE a, rep UPDATE b';
my $rename = sub { "zdm.rename_column('$_[0]', 'a', 'b')" };

# stated, and not begun before it is resumed
sub paused
{
	my ($call) = @_;
	sql("BEGIN; SELECT $call AS id \\gset\nSELECT zdm.pause(:id); COMMIT; SELECT :id") =~ /(\d+)/ or die;
	return $1;
}

{
	my $table = make();
	my $id = paused($rename->($table));
	sql("REVOKE SELECT (a) ON $table FROM app; GRANT INSERT (a) ON $table TO rep; SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'ready');
	is(grants($table), "rep INSERT a, rep INSERT b, $both", 'as it is when the column comes, not as it was at the call');
}

# while the column is made
{
	my $table = make();
	my $holder = start_psql($node);
	$holder->query_safe("SELECT pg_advisory_lock(hashtextextended('zdm:privileges-held', 0))");
	my $id = sql('SELECT ' . $rename->($table));
	wait_for('the worker', sub { sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") });
	my $revoker = start_psql($node);
	my $pid = $revoker->query_safe('SELECT pg_backend_pid()');
	$revoker->query_until(qr/begun/, "\\echo begun\nREVOKE SELECT (a) ON $table FROM app;\n");
	wait_for('the REVOKE to wait', sub { sql("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid") eq 't' });
	$holder->query_safe('SELECT pg_advisory_unlock_all()');
	wait_for_state($node, $id, 'ready');
	$revoker->query_safe('SELECT 1');
	is(grants($table), $both, 'revoked while the column is made');
	$_->quit for $holder, $revoker;
}

# open since before
{
	my $table = make();
	my $revoker = start_psql($node);
	$revoker->query_safe("BEGIN; REVOKE SELECT (a) ON $table FROM app");
	my $id = sql('SELECT ' . $rename->($table));
	wait_for('the step to wait', sub { sql("SELECT waiting_for FROM zdm.progress WHERE id = $id") =~ changing($table) });
	$revoker->query_safe('COMMIT');
	wait_for_state($node, $id, 'ready');
	is(grants($table), $both, 'revoked in a transaction that was open when the column was to come');
	$revoker->quit;
}

# with a snapshot from before
{
	my $table = make();
	my $revoker = start_psql($node);
	$revoker->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM zdm.migrations');
	my $id = sql('SELECT ' . $rename->($table));
	wait_for_state($node, $id, 'ready');
	$revoker->query_safe("REVOKE SELECT (a) ON $table FROM app; COMMIT");
	is(grants($table), $both, 'revoked by who does not see the migration');
	$revoker->quit;

	# of all that a role has, and given again
	sql("DROP OWNED BY rep; GRANT UPDATE (a) ON $table TO rep; GRANT SELECT (b) ON $table TO app");
	is(grants($table), "app SELECT a, app SELECT b, $both", 'DROP OWNED takes what can be given again');
}

# a table and the view that reads with its owner's rights
sub rename_table
{
	my ($table) = @_;
	return "zdm.migrate('ALTER TABLE $table RENAME TO " . substr($table, 2) . "_new')";
}

{
	my $table = make();
	my $id = paused(rename_table($table));
	sql("REVOKE UPDATE (a) ON $table FROM rep; ALTER DEFAULT PRIVILEGES FOR ROLE own GRANT SELECT ON TABLES TO rep; SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'ready');
	sql('ALTER DEFAULT PRIVILEGES FOR ROLE own REVOKE SELECT ON TABLES FROM rep');
	is(grants("${table}_new"), 'app SELECT a *', 'the view gives what the table gives when it is made');
	sql("GRANT INSERT, DELETE ON $table TO rep; GRANT SELECT (id) ON ${table}_new TO rep");
	is(grants($_), 'app SELECT a *, rep DELETE, rep INSERT, rep SELECT id', 'granted on either name') for $table, "${table}_new";
	sql("REVOKE GRANT OPTION FOR SELECT (a) ON $table FROM app; REVOKE DELETE ON ${table}_new FROM rep");
	is(grants($_), 'app SELECT a, rep INSERT, rep SELECT id', 'revoked from either name') for $table, "${table}_new";
	sql("SELECT zdm.cutover($id)");
	wait_for_state($node, $id, 'switched');
	sql("REVOKE ALL ON ${table}_new FROM app");
	is(grants($_), 'rep INSERT, rep SELECT id', 'revoked after the cutover') for $table, "${table}_new";
	my $err;
	isnt($node->psql('postgres', "SET ROLE app; SELECT a FROM $table", stderr => \$err), 0, 'and then the view shows nothing');
	like($err, qr/permission denied for view/, 'as there is no privilege');

	# by who may grant, and by whom he has given it to
	sql("GRANT SELECT (a) ON ${table}_new TO rep WITH GRANT OPTION; SET ROLE rep; GRANT SELECT (a) ON $table TO app");
	is(grants($_), 'app SELECT a, rep INSERT, rep SELECT a *, rep SELECT id', 'granted by another') for $table, "${table}_new";
	sql("SET ROLE own; REVOKE SELECT (a) ON ${table}_new FROM app");
	sql("SET ROLE rep; REVOKE SELECT (a) ON $table FROM app");
	is(grants($_), 'rep INSERT, rep SELECT a *, rep SELECT id', 'and revoked') for $table, "${table}_new";
	sql('DROP OWNED BY rep');
	is(grants($_), '', 'DROP OWNED') for $table, "${table}_new";

	# the view would show what policies hide
	isnt($node->psql('postgres', "SET zdm.guard = off; ALTER TABLE ${table}_new ENABLE ROW LEVEL SECURITY", stderr => \$err), 0, 'no row-level security');
	like($err, qr/cannot have row-level security while $table shows its rows/, 'which says why');
	sql("SELECT zdm.contract($id)");
	wait_for_state($node, $id, 'completed');
	is(sql("ALTER TABLE ${table}_new ENABLE ROW LEVEL SECURITY; SELECT 'done'"), 'done', 'but afterwards');
}

# while the view is made, and open since before
{
	my $table = make();
	my $revoker = start_psql($node);
	$revoker->query_safe("BEGIN; REVOKE SELECT (a) ON $table FROM app");
	my $id = sql('SELECT ' . rename_table($table));
	wait_for('the step to wait', sub { sql("SELECT waiting_for FROM zdm.progress WHERE id = $id") =~ changing($table) });
	$revoker->query_safe('COMMIT');
	wait_for_state($node, $id, 'ready');
	is(grants($_), 'rep UPDATE a', 'revoked in a transaction that was open when the view was to come') for $table, "${table}_new";
	$revoker->quit;
}

# a materialized view, and the one that takes its place
{
	my $table = make();
	my ($view, $second) = ("${table}_m", "s.\"" . substr($table, 2) . '_m');
	sql("SET ROLE own; CREATE MATERIALIZED VIEW $view AS SELECT a FROM $table; GRANT SELECT ON $view TO app, rep WITH GRANT OPTION");
	my $id = paused("zdm.change_column_type('$table', 'a', 'varchar(9)')");
	sql("REVOKE SELECT ON $view FROM rep; SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'ready');
	is(grants("${second}_zdm$id\""), 'app SELECT *', 'the second one gives what the first gives when it is made');
	sql("REVOKE SELECT ON $view FROM app; GRANT SELECT ON $view TO rep");
	is(grants("${second}_zdm$id\""), 'rep SELECT', 'and what it gives later');
	sql("SELECT zdm.cutover($id)");
	wait_for_state($node, $id, 'switched');
	is(grants($view), 'rep SELECT', 'with its name');
	sql("REVOKE SELECT ON $view FROM rep");
	is(grants("${second}_old_zdm$id\""), '', 'and neither does the first');
}

# policies that come between the call and the view
{
	my $table = make();
	my $id = paused(rename_table($table));
	sql("SET zdm.guard = off; ALTER TABLE $table ENABLE ROW LEVEL SECURITY; SELECT zdm.resume($id)");
	wait_for_state($node, $id, 'failed');
	like(sql("SELECT error FROM zdm.migrations WHERE id = $id"), qr/cannot have row-level security/, 'then no view is made');
	sql("SELECT zdm.revert($id)");
	wait_for_state($node, $id, 'reverted');
}

$node->stop;

done_testing();
