# 027_processes.pl: on a server with as many processes as it comes with
# (max_worker_processes), helpers of one role's backfill leave those that others need:
# another role's migrations are begun, and what is told to cut over or to go back is
# done.

use strict;
use warnings;

use ZdmTest;
use Test::More;

my $node = zdm_node('processes', conf => <<'EOC');
max_worker_processes = 8
zdm.guard = off
autovacuum = off
zdm.batch_time = '1ms'
zdm.batch_rest = 20
zdm.max_growth = -1
EOC

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub count_of
{
	return sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_zdm $_[0]'");
}

sql("CREATE ROLE $_; CREATE SCHEMA $_ AUTHORIZATION $_") for qw(busy other);
sql("CREATE TABLE other.t$_ (id int PRIMARY KEY, a text); ALTER TABLE other.t$_ OWNER TO other") for 1 .. 4;
my @ready = map { sql("SET ROLE other; SELECT zdm.rename_column('other.t$_', 'a', 'b')") } 1 .. 2;
wait_for_state($node, $_, 'ready') for @ready;

# it takes long, on however fast a machine, and wants all the helpers that it can get
sql("CREATE TABLE busy.t (id int PRIMARY KEY, a int, pad text);"
	  . "INSERT INTO busy.t SELECT i, i, repeat('x', 1800) FROM generate_series(1, 40000) i;"
	  . 'ALTER TABLE busy.t OWNER TO busy');
my $busy = sql("SET ROLE busy; SET zdm.backfill_workers = 8; SET zdm.max_wal_rate = 2000000; SELECT zdm.change_column_type('busy.t', 'a', 'bigint')");
wait_for('helpers', sub { count_of('helper') > 0 });
sub still_busy { return migration_state($node, $busy) eq 'migrating' }

# for as long as others are asked for
my $seen = 0;
eval {
	wait_for('more helpers than there is room for', sub { $seen = count_of('helper'); $seen > 3 }, 5);
};
cmp_ok($seen, '<=', 3, 'two processes are left to others');

# two that keep their processes, since they wait
my $reader = start_psql($node);
$reader->query_safe('BEGIN; SELECT FROM other.t3, other.t4');
my @waiting = map { sql("SET ROLE other; SELECT zdm.rename_column('other.t$_', 'a', 'b')") } 3 .. 4;
for my $id (@waiting)
{
	wait_for("migration $id to be begun", sub { sql("SELECT waiting_for FROM zdm.progress WHERE id = $id") =~ /held by/ });
}
ok(still_busy(), "another role's migrations are begun while the backfill goes on");
sql("SET ROLE other; SELECT zdm.cutover($ready[0])");
wait_for_state($node, $ready[0], 'switched');
sql("SET ROLE other; SELECT zdm.revert($ready[1])");
wait_for_state($node, $ready[1], 'reverted');
ok(still_busy(), 'and so are a cutover and a way back');
$reader->query_safe('COMMIT');
wait_for_state($node, $_, 'ready') for @waiting;
wait_for('helpers again', sub { count_of('helper') > 0 || !still_busy() });
ok(still_busy(), 'helpers come back when there is room');
$reader->quit;
sql("SELECT zdm.revert($busy)");
wait_for_state($node, $busy, 'reverted');

done_testing();
