# 051_kinds_under_load.pl: every kind of migration on tables that are read and
# written all the time.
#
# No query of the applications fails, and none waits for a lock on a table or a
# row for longer than the bound: the server itself notes each that does, since
# its deadlock_timeout is the bound.  Rows that applications lock for each other
# do not count.
#
# ZDM_ROWS=1000000    rows of the table; else 100000
# ZDM_BOUND_MS=100    the bound; else 1000, for machines with other things to do
#
# long

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes;
use ZdmTest;
use Test::More;

my $rows = $ENV{ZDM_ROWS} // 100_000;
my $bound = $ENV{ZDM_BOUND_MS} // 1000;
my $node = zdm_node('main', conf => <<EOC);
zdm.batch_rest = 0
deadlock_timeout = ${bound}ms
log_lock_waits = on
EOC

$node->safe_psql('postgres', <<EOS);
CREATE TABLE r (id int PRIMARY KEY, x int);
INSERT INTO r SELECT i, i FROM generate_series(1, 100) i;
CREATE TABLE t (id bigint PRIMARY KEY, n int, qty int NOT NULL DEFAULT 0, phone text, code text, rid int, extra text, unused int NOT NULL DEFAULT 1);
INSERT INTO t SELECT i, i, i, CASE WHEN i % 7 > 0 THEN 'p' || i END, 'c' || i, i % 100 + 1, 'e' || i FROM generate_series(1, $rows) i;
CREATE SEQUENCE fresh START 100000000;
CREATE TABLE p (id bigint, n int, rid int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO ($rows / 2);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ($rows / 2) TO (1000000000);
CREATE INDEX p_id ON p (id);
INSERT INTO p SELECT i, i, i % 100 + 1 FROM generate_series(1, $rows) i;
CREATE TABLE old (a int);
CREATE TYPE mood AS ENUM ('glad');
VACUUM ANALYZE;
EOS

my %scripts = (
	reader => <<EOS,
\\set id random(1, $rows)
SELECT n, phone, qty::text, extra FROM t WHERE id = :id;
SELECT count(*), sum(n) FROM t WHERE id BETWEEN :id AND :id + 20;
SELECT t.n, p.n, r.x FROM t JOIN p ON p.id = t.id JOIN r ON r.id = t.rid WHERE t.id = :id;
EOS
	writer => <<EOS,
\\set id random(1, $rows)
\\set rid random(1, 100)
BEGIN;
UPDATE t SET n = n + 1, qty = qty + 1 WHERE id = :id;
UPDATE p SET n = n + 1 WHERE id = :id;
COMMIT;
INSERT INTO t (id, n, phone, code, rid, extra) SELECT f, 1, 'p', 'n' || f, :rid, 'e' FROM nextval('fresh') f;
INSERT INTO t (id, n, phone, code, rid) VALUES (:id, 1, 'p', 'c' || :id, :rid) ON CONFLICT (id) DO UPDATE SET phone = excluded.phone;
INSERT INTO p (id, n, rid) SELECT f, 1, :rid FROM nextval('fresh') f;
DELETE FROM t WHERE id = (SELECT max(id) FROM t WHERE id > 100000000);
EOS
	slow => <<EOS);
\\set id random(1, $rows)
BEGIN;
SELECT n FROM t WHERE id = :id;
\\sleep 30 ms
UPDATE t SET n = n + 1 WHERE id = :id;
\\sleep 20 ms
COMMIT;
EOS

my %running = map {
	$_ => start_pgbench($node, $scripts{$_}, '-M', 'prepared', '-c', 2, '-R', $_ eq 'slow' ? 10 : 40)
} sort keys %scripts;

# What the log says of applications that waited for too long: for a table, or for
# a row of somebody who is none of them, whom the line after it names.
sub stalls
{
	my ($from) = @_;
	my @lines = split /\n/, slurp_file($node->logfile, $from);
	my %application = map { $_ => 1 }
	  split /\n/, $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench'});
	my @stalls;

	foreach my $i (0 .. $#lines)
	{
		next unless $lines[$i] =~ /client backend pgbench LOG:.*still waiting for \w+ on (\w+)/;
		next if $1 =~ /transaction|tuple/
		  && ($lines[ $i + 1 ] // '') =~ /Process(?:es)? holding the lock: (\d+)/
		  && $application{$1};
		push @stalls, $lines[$i];
	}
	return @stalls;
}

# Somebody who holds the table for too long is noticed: else nothing below is proved.
sub control
{
	my $from = -s $node->logfile;
	my $holder = start_psql($node);

	$holder->query_safe('BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE;');
	ok(wait_for('a stall in the log', sub { stalls($from) }), 'a lock that is held for too long is noticed');
	$holder->query_safe('ROLLBACK;');
	$holder->quit;
	return;
}

# One migration to its end: steered wherever it rests, unless told otherwise.
sub migration
{
	my ($what, $call, @steer) = @_;
	my $from = -s $node->logfile;
	my $start = Time::HiRes::time();
	my $id = $node->safe_psql('postgres', "SELECT $call");

	foreach my $next (@steer)
	{
		my ($rest, $verb) = split /:/, $next;

		wait_for_state($node, $id, $rest);
		$node->safe_psql('postgres', "SELECT zdm.$verb($id)");
	}
	wait_for_state($node, $id, @steer && $steer[-1] =~ /revert/ ? 'reverted' : 'completed');
	is(join("\n", stalls($from)), '', sprintf('%s: no stall beyond %d ms, in %.1f s', $what, $bound, Time::HiRes::time() - $start));
	return;
}

sub ddl
{
	my ($what, $ddl, @steer) = @_;
	return migration($what, "zdm.migrate(\$ddl\$$ddl\$ddl\$)", @steer);
}

control();
my @full = ('ready:cutover', 'switched:contract');

ddl('create table', 'CREATE TABLE made (a int)');
ddl('comment', q{COMMENT ON TABLE t IS 'a table'});
ddl('grant', 'GRANT SELECT ON t TO PUBLIC');
ddl('enum value', q{ALTER TYPE mood ADD VALUE 'sad'});
ddl('add columns', 'ALTER TABLE t ADD COLUMN a int, ADD COLUMN b int NOT NULL DEFAULT 3, ADD COLUMN c timestamptz DEFAULT now()');
ddl('add columns with values of their own', 'ALTER TABLE t ADD COLUMN u uuid NOT NULL DEFAULT gen_random_uuid(), ADD COLUMN s bigserial');
ddl('add an identity column', 'ALTER TABLE t ADD COLUMN i bigint GENERATED BY DEFAULT AS IDENTITY');
ddl('add a column with constraints', 'ALTER TABLE t ADD COLUMN f int REFERENCES r CHECK (f > 0) UNIQUE');
ddl('set default', 'ALTER TABLE t ALTER a SET DEFAULT 3');
# new rows have the default: it comes to rest
migration('backfill', q{zdm.backfill('t', 'a = n', 'a IS NULL')});
ddl('drop default', 'ALTER TABLE t ALTER a DROP DEFAULT');
migration('set not null, with a fill', q{zdm.set_not_null('t', 'phone', '''none''')});
ddl('drop not null', 'ALTER TABLE t ALTER phone DROP NOT NULL');
ddl('check', 'ALTER TABLE t ADD CONSTRAINT positive CHECK (n > 0)');
ddl('drop constraint', 'ALTER TABLE t DROP CONSTRAINT positive');
ddl('check, not valid', 'ALTER TABLE t ADD CONSTRAINT later CHECK (n > 0) NOT VALID');
ddl('validate constraint', 'ALTER TABLE t VALIDATE CONSTRAINT later');
ddl('foreign key', 'ALTER TABLE t ADD FOREIGN KEY (rid) REFERENCES r');
ddl('unique', 'ALTER TABLE t ADD UNIQUE (code)');
ddl('index', 'CREATE INDEX t_phone ON t (lower(phone))');
ddl('reindex', 'REINDEX TABLE t');
ddl('drop index', 'DROP INDEX t_phone');
ddl('index on partitions', 'CREATE INDEX p_n ON p (n)');
ddl('foreign key of partitions', 'ALTER TABLE p ADD FOREIGN KEY (rid) REFERENCES r');
ddl('key of partitions', 'ALTER TABLE p ADD PRIMARY KEY (id)');
ddl('set not null on partitions', 'ALTER TABLE p ALTER n SET NOT NULL');
ddl('rename column', 'ALTER TABLE t RENAME COLUMN unused TO not_used', @full);
ddl('change type', 'ALTER TABLE t ALTER COLUMN qty TYPE bigint', @full);
ddl('rename column, and back', 'ALTER TABLE t RENAME COLUMN extra TO more', 'ready:cutover', 'switched:revert');
ddl('rename table, and back', 'ALTER TABLE t RENAME TO q', 'ready:cutover', 'switched:revert');
ddl('drop column', 'ALTER TABLE t DROP COLUMN not_used', 'ready:contract');
ddl('drop table', 'DROP TABLE old', 'ready:contract');

foreach my $name (sort keys %running)
{
	# on a fast machine all that was above takes but seconds
	wait_for("$name to have done its share", sub { pgbench_count($running{$name}) > 100 });
	my $result = stop_pgbench($running{$name});

	unlike($result->{out}, qr/error|aborted|terminated/i, "$name: no query failed");
	cmp_ok($result->{transactions}, '>', 100, "$name: $result->{transactions} transactions");
	diag(sprintf '%s: %d transactions, the longest took %.0f ms', $name, $result->{transactions}, $result->{longest_ms});
}

$node->stop;
done_testing();
