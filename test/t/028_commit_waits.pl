# 028_commit_waits.pl: while a commit of a worker waits for a synchronous standby that is
# away, nobody waits for the table; and a step whose commit is lost in a crash is done again.

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "zdm.batch_rest = 0\nmax_wal_senders = 4\nwal_level = replica\nsynchronous_commit = on\nsynchronous_standby_names = ''\nwal_writer_delay = 10s\n");

# what the test itself commits waits for nobody
sub sql { return $node->safe_psql('postgres', "SET synchronous_commit = local; $_[0]") }

sub standbys
{
	my ($names) = @_;

	$node->append_conf('postgresql.conf', "synchronous_standby_names = '$names'");
	$node->reload;
	wait_for('the setting', sub { sql('SHOW synchronous_standby_names') eq $names });
	return;
}

sql(<<'EOS');
CREATE TABLE t (id int PRIMARY KEY, old text, n int NOT NULL DEFAULT 0);
INSERT INTO t SELECT i, 'value ' || i FROM generate_series(1, 2000) i;
CREATE INDEX ON t (old);
CREATE VIEW v AS SELECT id, old FROM t;
EOS

my $waiting = "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pg_zdm%' AND wait_event = 'SyncRep' ORDER BY pid LIMIT 1";

# through(id, states): each commit of the worker that waits is looked at, and let go.
sub through
{
	my ($id, @states) = @_;
	my $commits = 0;
	my $held = 0;

	wait_for(
		"migration $id to be @states",
		sub {
			return 1 if grep { migration_state($node, $id) eq $_ } @states;
			my $pid = sql($waiting);
			return 0 if $pid eq '';
			$held += sql("SELECT count(*) FROM pg_locks WHERE pid = $pid AND granted AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)");
			sql("SET lock_timeout = '1s'; UPDATE t SET n = n + 1 WHERE id = 1 + $commits; SELECT count(*) FROM v;");
			$commits++;
			sql("SELECT pg_cancel_backend($pid)");
			return 0;
		});
	is($held, 0, "@states: a worker that waits for a standby has no lock on anything of the application's");
	is(sql('SELECT sum(n) FROM t'), $commits, 'and everybody could write and read meanwhile');
	sql('UPDATE t SET n = 0 WHERE n > 0');
	return $commits;
}

standbys('away');
my $id = sql("SELECT zdm.change_column_type('t', 'old', 'varchar(40)', up => 'left(old, 40)', down => 'old')");
cmp_ok(through($id, 'ready'), '>=', 3, 'commits were seen waiting');
sql("SELECT zdm.cutover($id)");
cmp_ok(through($id, 'switched'), '>=', 1, 'the exchange waited too');
sql("SELECT zdm.revert($id)");
cmp_ok(through($id, 'reverted'), '>=', 1, 'and the way back');

# who is told waits as long as any commit would
$id = sql("SELECT zdm.rename_column('t', 'old', 'new')");
through($id, 'ready');
{
	my $told = start_psql($node);

	$told->{stdin} = '';
	$told->query_until(qr/waits/, "SET synchronous_commit = on;\n\\echo waits\nCALL zdm.wait($id, 'ready');\n\\echo told\n");
	wait_for('the call to wait for the standby', sub { sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL zdm.wait%' AND wait_event = 'SyncRep'") == 1 });
	standbys('');
	$told->query_until(qr/told/, '');
	$told->quit;
}

# what was committed and is on no disk is done again
for my $verb (qw(cutover contract))
{
	my $held = hold($node, 'committed-not-durable');

	sql("SELECT zdm.$verb($id)");
	kill_postmaster($node, split /\n/, arrive($node, 'committed-not-durable'));
	$held->{run}->finish if $held->{run};
	start_again($node);
	wait_for_state($node, $id, $verb eq 'cutover' ? 'switched' : 'completed');
}
is(sql("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped"), 'id n new', 'it ends as it was to end');
is(sql("SELECT count(*) FROM t WHERE new = 'value ' || id"), 2000, 'with every value');

$node->stop;
done_testing();
