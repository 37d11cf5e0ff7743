# 094_horizon.pl: who holds the xmin horizon back is named as what it is (a session
# that is idle in its transaction, one on a standby with feedback, the slot that such
# a standby has left behind), and the table grows for none of them by more than
# zdm.max_growth; what keeps catalogs alone is not waited for.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = zdm_node('primary', conf => <<'EOC');
wal_level = logical
max_wal_senders = 5
max_replication_slots = 5
autovacuum = off
zdm.guard = off
zdm.max_growth = 5
zdm.batch_rest = 10
EOC
my $label = 0;

sub sql { return $node->safe_psql('postgres', $_[0]) }

# A table of 40,000 rows, and a migration that fills in a column of it.
sub begin
{
	my $table = 't' . ++$label;

	sql("CREATE TABLE $table (id int PRIMARY KEY, a text NOT NULL, pad text); "
		  . "INSERT INTO $table SELECT i, 'v' || i, repeat('x', 100) FROM generate_series(1, 40000) i");
	return ($table, sql("SELECT zdm.rename_column('$table', 'a', 'b')"));
}

# holds_for(id, holder): the migration says that it is this one.
sub holds_for
{
	my ($id, $holder) = @_;
	my $said;

	eval {
		wait_for("migration $id to hold", sub { ($said = sql("SELECT waiting_for FROM zdm.progress WHERE id = $id")) =~ /horizon/ });
	};
	die "$@ it is " . sql("SELECT p FROM zdm.progress p WHERE id = $id") . sql("SELECT m FROM zdm.migrations m WHERE id = $id") if $@;
	return like($said, qr/^$holder, which holds the xmin horizon back: the table has grown by \d+ % since \(zdm.max_growth is 5; it goes on at 3.5\)$/, "it names $holder");
}

sub ends_well
{
	my ($table, $id, $name) = @_;

	# fast, now that there is nothing to be met any more
	sql("SELECT zdm.configure($id, 'batch_rest', '0')");
	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, $table, 'a', 'b'), 0, "$name: it went on");
	# a standby that goes on does so from one horizon to the next, each of which counts by itself
	like(sql("SELECT holds::text FROM zdm.migrations WHERE id = $id"), qr/^{"max_growth": \d}$/, "$name: and was counted");
	return;
}

# one that is always the oldest, and keeps no table
sql("SELECT pg_create_logical_replication_slot('decoded', 'pgoutput')");

# --- a session with a snapshot, and one that has written and has none
for my $begun ('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1', 'BEGIN; CREATE TABLE mine ()')
{
	my $session = start_psql($node, 'postgres');
	my $pid = $session->query_safe('SELECT pg_backend_pid()');

	$session->query_safe($begun);
	my ($table, $id) = begin();

	holds_for($id, qr/pid $pid \(094_horizon.pl, (client [\d.:]+, )?idle in transaction since [\d: -]+\)/);
	$session->query_safe('ROLLBACK');
	$session->quit;
	ends_well($table, $id, $begun);
}

# --- a standby with feedback, without a slot and with one, which then is gone
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');

$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "shared_preload_libraries = ''\nhot_standby_feedback = on\nwal_receiver_status_interval = 1s");
$standby->start;

sub reader_on_standby
{
	my $reader = start_psql($standby, 'postgres');

	$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	return $reader;
}

{
	my $reader = reader_on_standby();

	wait_for('feedback', sub { sql('SELECT count(*) FROM pg_stat_replication WHERE backend_xmin IS NOT NULL') });
	my ($table, $id) = begin();

	holds_for($id, qr/standby "standby", by hot_standby_feedback/);
	$reader->query_safe('COMMIT');
	$reader->quit;
	ends_well($table, $id, 'a standby');
}

{
	sql("SELECT pg_create_physical_replication_slot('kept')");
	$standby->append_conf('postgresql.conf', 'primary_slot_name = kept');
	$standby->restart;
	my $reader = reader_on_standby();

	wait_for('feedback', sub { sql("SELECT xmin IS NOT NULL FROM pg_replication_slots WHERE slot_name = 'kept'") eq 't' });
	my ($table, $id) = begin();

	holds_for($id, qr/replication slot "kept" of standby "standby", by hot_standby_feedback/);
	$reader->query_safe('COMMIT');
	$reader->quit;
	ends_well($table, $id, 'a standby with a slot');

	# of what it had seen when it went
	$reader = reader_on_standby();
	sql('CREATE TABLE later ()');
	wait_for('feedback', sub { sql("SELECT age(xmin) > 0 FROM pg_replication_slots WHERE slot_name = 'kept'") eq 't' });
	$standby->stop('immediate');
	eval { $reader->quit };
	($table, $id) = begin();
	holds_for($id, qr/replication slot "kept"/);
	sql("SELECT pg_drop_replication_slot('kept')");
	ends_well($table, $id, 'a slot');
}

done_testing();
