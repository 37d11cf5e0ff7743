# 106_split_partition.pl: smaller partitions take the place of one, there, back and there
# again, while others read and write the partitioned table in every way, and while the
# server is killed: no statement fails, no write is lost, no row is read at the exchange.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "zdm.guard = off\nrestart_after_crash = on\nTimeZone = 'UTC'\nzdm.batch_rest = 0\n");
my $call = "SELECT zdm.split_partition('event_h1', every => '1 month')";

# All steps but the exchange.
my $before_exchange = 5;

sub sql { return $node->safe_psql('postgres', $_[0]) }

my $merge = $node->pg_version >= 15 ?
  'MERGE INTO event e USING (SELECT :id::bigint AS id) s ON e.id = s.id WHEN MATCHED THEN UPDATE SET n = e.n + 1 WHEN NOT MATCHED THEN INSERT (id, at, n) VALUES (s.id, \'2024-02-02\', 1);' :
  'UPDATE event SET n = n + 1 WHERE id = :id;';

# Rows 1 to 8000 over the year, and some that are moved; half of all is in the partition that is split.
sub fill
{
	sql("DROP TABLE IF EXISTS log, mention, event, kind; CREATE TABLE kind (id int PRIMARY KEY); INSERT INTO kind VALUES (1), (2); "
		  . "CREATE TABLE event (id bigint, at timestamptz NOT NULL, kind int NOT NULL DEFAULT 1 REFERENCES kind, n int NOT NULL DEFAULT 0, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); "
		  . "CREATE TABLE event_h1 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2024-07-01'); "
		  . "CREATE TABLE event_h2 PARTITION OF event FOR VALUES FROM ('2024-07-01') TO ('2025-01-01'); "
		  . 'CREATE TABLE event_rest PARTITION OF event DEFAULT; '
		  . 'CREATE INDEX event_at ON event (at); CREATE INDEX event_h1_v ON event_h1 (lower(v)); CREATE TABLE log (id bigint, n int); '
		  . 'CREATE TABLE mention (event bigint, at timestamptz, FOREIGN KEY (event, at) REFERENCES event ON DELETE CASCADE); '
		  . "INSERT INTO event (id, at, v) SELECT g, timestamptz '2024-01-01' + g * interval '1 hour', repeat('x', 50) FROM generate_series(1, 8000) g; "
		  . "INSERT INTO event (id, at, v) SELECT g, '2024-03-10', repeat('y', 3000) FROM generate_series(30000, 30999) g; "
		  . "INSERT INTO event (id, at) VALUES (50000, '2030-01-01'); "
		  . 'INSERT INTO mention SELECT id, at FROM event WHERE id <= 8000 AND id % 20 = 0; '
		  . 'CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.v := coalesce(NEW.v, TG_NAME); RETURN NEW; END$$; '
		  . 'CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON event FOR EACH ROW EXECUTE FUNCTION touch()');
	return;
}

# Each transaction notes what it has made of a row; each of the second ones' clients moves rows that are its own.
sub applications
{
	return (
		start_pgbench($node, <<"EOS", '-c', '3', '-M', 'prepared'),
\\set id random(1, 3000)
BEGIN;
UPDATE event SET n = n + 1 WHERE id = :id;
INSERT INTO log SELECT id, n FROM event WHERE id = :id;
COMMIT;
INSERT INTO event (id, at, n) VALUES (1000000 + :id, '2024-02-02', 1) ON CONFLICT (id, at) DO UPDATE SET n = event.n + 1;
DELETE FROM event WHERE id = 1000000 + :id AND n > 2;
INSERT INTO mention SELECT id, at FROM event WHERE id = :id;
SELECT count(*) FROM mention JOIN event USING (at) WHERE mention.event = :id;
EOS
		start_pgbench($node, <<"EOS", '-c', '2'),
\\set id random(3001, 4000)
\\set moved 30000 + :client_id * 500 + random(0, 499)
$merge
BEGIN;
UPDATE event SET n = n + 1, at = CASE WHEN at > '2024-11-15' THEN timestamptz '2024-01-10' ELSE at + interval '1 month' END WHERE id = :moved;
INSERT INTO log SELECT id, n FROM event WHERE id = :moved;
COMMIT;
SELECT count(*), max(n) FROM event WHERE at BETWEEN '2024-01-10' AND '2024-02-11';
EOS
	);
}

sub go_on
{
	my ($run, $what) = @_;
	my $before = pgbench_count($run);

	wait_for($what, sub { pgbench_count($run) > $before + 50 });
	return;
}

# Everything is done but the exchange.
sub wait_for_exchange
{
	my ($id) = @_;

	wait_for('all but the exchange', sub { sql("SELECT count(*) FROM zdm.steps WHERE migration = $id AND state = 'done'") == $before_exchange });
	return;
}

# A transaction that keeps its lock on the partitioned table: the exchange alone waits for that.
sub long_transaction
{
	my $session = start_psql($node);

	$session->query_safe('BEGIN; LOCK TABLE ONLY event IN ACCESS SHARE MODE');
	return $session;
}

sub is_right
{
	my ($when) = @_;

	is(sql('SELECT count(*) FROM (SELECT id, max(n) AS n FROM log GROUP BY id) l LEFT JOIN event e USING (id) WHERE e.n IS DISTINCT FROM l.n'), 0,
		"$when: the last write of each row is there");
	is(sql('SELECT count(*), count(DISTINCT id) FROM event WHERE id <= 30999'), '9000|9000', 'and every row, once');
	is(sql('SELECT count(*) FROM mention m LEFT JOIN event e ON (e.id, e.at) = (m.event, m.at) WHERE e.id IS NULL'), 0, 'and what is referenced');
	is(sql("SELECT count(*) FROM event WHERE tableoid::regclass::text LIKE 'event_p%' AND tableoid::regclass::text <> to_char(at, '\"event_p\"YYYYMM\"01\"')"), 0,
		'each in its partition');
	is(sql('SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT (SELECT count(*) FROM event WHERE at > \'2000-01-01\') - '
			  . '(SELECT count(*) FROM (SELECT FROM event ORDER BY id, at) x)'), 0, 'and in its indexes');
	is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE '%zdm%' AND relnamespace = 'public'::regnamespace"), 0, 'and nothing else is left');
	return;
}

sub partitions
{
	return sql("SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'event'::regclass");
}

my $as_they_were = 'event_h1 event_h2 event_rest';
my $split = 'event_h2 event_p20240101 event_p20240201 event_p20240301 event_p20240401 event_p20240501 event_p20240601 event_rest';

sub stop_all
{
	my ($when, $but, @runs) = @_;

	for my $run (map { stop_pgbench($_) } @runs)
	{
		is(join("\n", grep { /ERROR|FATAL|PANIC/ && !($but && /$but/) } split /\n/, $run->{out}), '', "$when: no statement failed");
		diag("longest: $run->{longest_ms} ms of $run->{transactions}");
	}
	return;
}

# --- under load: there and back
fill();
my @runs = applications();
my $long = long_transaction();
my $id = sql($call);

wait_for_exchange($id);
go_on($runs[0], 'writes that are carried over');
steer($node, $id, 'revert', 'reverted');
is(partitions(), $as_they_were, 'back, the partition is as it was');
go_on($runs[0], 'writes after that');

# --- and there again, behind a long transaction
$id = sql($call);
wait_for_exchange($id);
go_on($_, 'the others to go on behind a long transaction') for @runs;
is(migration_state($node, $id), 'migrating', 'a long transaction is waited for');
$long->query_safe('COMMIT');
wait_for_state($node, $id, 'completed');
is(partitions(), $split, 'it is split');
go_on($_, 'writes to the new partitions') for @runs;
stop_all('under load', undef, @runs);
$long->quit;
is_right('under load');

# --- no row is read when everybody waits
fill();
$long = long_transaction();
$id = sql($call);
wait_for_exchange($id);
sql("SELECT zdm.pause($id)");
$long->quit;

# what was read before is in the statistics when the server stops
$node->restart;
my $read = "SELECT string_agg(format('%s %s %s', relname, seq_tup_read, idx_tup_fetch), ', ' ORDER BY relname) FROM pg_stat_user_tables "
  . "WHERE relname IN ('mention', 'kind', 'event_h2', 'event_rest')";
my $was = sql($read);
like($was, qr/mention/, 'there are statistics');
steer($node, $id, 'resume', 'completed');
diag('exchange: ' . sql("SELECT finished - started FROM zdm.steps WHERE migration = $id ORDER BY step DESC LIMIT 1"));
$node->restart;
is(sql($read), $was, 'no row of a referencing, a referenced or another partition has been read');
is(sql("SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables WHERE relname LIKE 'event\\_p%'"), 0, 'nor of the new ones');
is_right('without others');

# --- killed wherever it stands
for my $case ([ 'second-before-index', 'completed' ], [ 'exchange-before-commit', 'completed' ], [ 'undo-before-commit', 'reverted' ])
{
	my ($point, $state) = @$case;

	fill();
	@runs = applications();
	$long = long_transaction();
	my $held = hold($node, $point);
	$id = sql($call);
	wait_for_exchange($id) if $state eq 'reverted';
	sql("SELECT zdm.revert($id)") if $state eq 'reverted';
	$long->query_safe('COMMIT') if $state ne 'reverted';
	kill_postmaster($node, split /\n/, arrive($node, $point));
	for my $session ($held, $long)
	{
		$session->{run}->finish if $session->{run};
	}
	start_again($node);
	wait_for_state($node, $id, $state);
	is(partitions(), $state eq 'completed' ? $split : $as_they_were, "killed at $point: it is $state");
	go_on($_, 'writes after it') for @runs;
	stop_all("killed at $point", qr/terminating connection|the database system is|shutting down/, @runs);
	is_right("killed at $point");
}

done_testing();
