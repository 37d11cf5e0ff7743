# 050_plan_locks.pl: the plan tells the truth about its locks.
#
# Each step of each kind of migration is held just before it commits, or, if
# it commits in its middle, while it waits for a writer; and what the worker
# then holds in pg_locks is compared with what the step says.  No step that
# keeps readers or writers out reads the table, or gives it another file.
#
# long

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;
use Test::More;

my $node = zdm_node('main', conf => "zdm.batch_rest = 0");
my $rank = q{array_position('{AccessShareLock,RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::text[], %s)};
my $major = $node->pg_version->major;

# The locks of the worker, one row for each relation that was there before the
# migration began, with the strongest mode; beside it what the step says.  Only
# catalogs are asked: the tables are locked.
my $locks_sql = sprintf(<<'EOS', sprintf($rank, 'l.mode'), sprintf($rank, q{replace(initcap(CASE WHEN l.relation = ANY (s.beside) THEN 'share update exclusive' ELSE s.lock END), ' ', '') || 'Lock'}));
SELECT l.relation::regclass || ' ' || CASE WHEN c.relkind IN ('r', 'p') THEN 'table' ELSE 'other' END,
	max(%s), coalesce(max(%s), 0), bool_or(l.relation = ANY (s.relations || s.beside)
	OR (SELECT inhparent FROM pg_inherits WHERE inhrelid = l.relation) = ANY (s.relations))
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN seen ON seen.oid = l.relation,
	(SELECT * FROM zdm.step WHERE migration = :id AND state IN ('running', 'pending', 'failed') ORDER BY array_position('{expand,migrate,cutover,contract}', phase), step LIMIT 1) s
WHERE l.pid = :pid AND l.locktype = 'relation' AND l.granted GROUP BY 1 ORDER BY 1;
EOS

# The step that is held now; empty if none is.
my $held_sql = <<'EOS';
SELECT s.step, w.worker, s.action, s.lock, s.work FROM zdm.step s JOIN zdm.progress w ON w.id = s.migration
WHERE s.migration = :id AND w.step = s.step AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = w.worker AND NOT l.granted)
EOS

sub ask
{
	my ($sql, %value) = @_;
	$sql =~ s/:(id|pid)\b/$value{$1}/g;
	return $node->safe_psql('postgres', $sql);
}

# How much was read of the tables, and the files that they are in.
sub reads
{
	return ask(q{SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname IN ('t', 'r', 'p1', 'p2', 'anew', 'arest')});
}

sub files
{
	return ask(q{SELECT string_agg(oid || ':' || pg_relation_filenode(oid), ' ' ORDER BY oid) FROM pg_class
		WHERE relkind = 'r' AND oid IN (SELECT oid FROM seen) });
}

# Two sessions hold every step, at one of these points: when a step may go on,
# the one that has the point lets go, and the other, which stands in the queue
# behind the worker by then, has it before the worker can come to it again.
my %point = map { $_ => debug_point("$_-before-commit") } qw(step backfill);

sub take_hold
{
	my @sessions = (start_psql($node), start_psql($node));
	my %hold = (sessions => \@sessions);

	foreach my $name (keys %point)
	{
		$sessions[0]->query_safe("SELECT pg_advisory_lock($point{$name});");
		$hold{$name} = 0;
	}
	return \%hold;
}

sub let_go_once
{
	my ($hold, $name) = @_;
	my $owner = $hold->{$name};
	my ($has, $waits) = @{ $hold->{sessions} }[ $owner, 1 - $owner ];

	$waits->query_until(qr/queued/, "\\echo queued\nSELECT pg_advisory_lock($point{$name});\n");
	wait_for('the other holder to stand in the queue', sub {
		return ask(q{SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
			WHERE locktype = 'advisory' AND NOT granted AND backend_type = 'client backend'}) > 0;
	});
	$has->query_safe("SELECT pg_advisory_unlock($point{$name});");
	$hold->{$name} = 1 - $owner;
	return;
}

sub check_locks
{
	my ($what, $id, $step, $pid, $said, $work) = @_;
	my $strong = $said =~ /^(SHARE|SHARE ROW EXCLUSIVE|EXCLUSIVE|ACCESS EXCLUSIVE)$/;

	like($work, qr/catalog only|^none$/, "$what, step $step: no work under $said") if $strong;
	foreach my $line (split /\n/, ask($locks_sql, id => $id, pid => $pid))
	{
		my ($relation, $held, $planned, $named) = split /\|/, $line;
		if ($named eq 't' && $relation =~ /table/)
		{
			is($held, $planned, "$what, step $step: $said on $relation is what is held");
		}
		elsif ($named eq 't')
		{
			cmp_ok($held, '<=', $planned, "$what, step $step: no more than $said on $relation");
		}
		else
		{
			# a table that is only looked at, or an index of a table that is locked
			cmp_ok($held, '<=', $relation =~ /table/ ? 3 : ($planned > 3 ? $planned : 3),
				"$what, step $step: nothing that stands in anyone's way on $relation");
		}
	}
	return;
}

# migration(what, ddl, writer): run it step by step.  "writer" is a table that
# somebody writes while the first step, which is a top-level one, is looked at.
sub migration
{
	my ($what, $ddl, %option) = @_;
	my $writer = start_psql($node);
	my ($before, $strong, $last) = (undef, 0, 0);

	$node->safe_psql('postgres', 'DROP TABLE IF EXISTS seen; CREATE TABLE seen AS SELECT oid FROM pg_class WHERE relnamespace = 2200;');
	my $files = files();
	my $hold = take_hold();
	$writer->query_safe("BEGIN; UPDATE $option{writer} SET n = n WHERE id = 1;") if $option{writer};
	my $id = $node->safe_psql('postgres', $option{call} // "SELECT zdm.migrate(\$ddl\$$ddl\$ddl\$)");
	my $steered = 0;
	for (;;)
	{
		my $found;
		wait_for("$what: a step or a rest", sub {
			$found = ask($held_sql, id => $id);
			return 1 if $found ne '';
			$found = ask('SELECT state FROM zdm.migrations WHERE id = :id', id => $id);
			return $found =~ /^(completed|ready|switched|failed)$/;
		});
		my $now = reads();
		# what was read is known by the next step, if that is one that was held
		is($now, $before, "$what, step $last: nothing was read under the strong lock")
		  if $strong && $major >= 15 && $found =~ /^(\d+)\|/ && $1 == $last + 1;
		if ($found =~ /^(ready|switched)$/ && $steered++ < 2)
		{
			my $cutover = $found eq 'ready' && ask(q{SELECT count(*) FROM zdm.step WHERE migration = :id AND phase = 'cutover'}, id => $id);
			ask($cutover ? 'SELECT zdm.cutover(:id)' : 'SELECT zdm.contract(:id)', id => $id);
			$strong = 0;
			next;
		}
		if ($found =~ /^[a-z]/)
		{
			is($found, 'completed', "$what: completed");
			last;
		}
		my ($step, $pid, $action, $said, $work) = split /\|/, $found;
		check_locks($what, $id, $step, $pid, $said, $work);
		$last = $step;
		($before, $strong) = ($now, $said =~ /^(SHARE|SHARE ROW EXCLUSIVE|EXCLUSIVE|ACCESS EXCLUSIVE)$/);
		if ($action eq 'toplevel')
		{
			# without a writer it waits for something of its own, for a moment
			$writer->query_safe('COMMIT;') if $option{writer};
			delete $option{writer};
			$strong = 0;
		}
		else
		{
			let_go_once($hold, $action eq 'backfill' ? 'backfill' : 'step');
		}
		# the next look must be at another wait
		wait_for("$what: step $step goes on", sub {
			my $again = ask($held_sql, id => $id);
			return $again eq '' || $again !~ /^$step\|/ || $action eq 'backfill' ||
				ask("SELECT state FROM zdm.step WHERE migration = :id AND step = $step", id => $id) eq 'done';
		});
	}
	is(files(), $files, "$what: no table was written anew") unless $option{drops};
	$_->quit for @{ $hold->{sessions} }, $writer;
	return;
}

$node->safe_psql('postgres', <<'EOS');
CREATE TABLE r (id int PRIMARY KEY, n int);
INSERT INTO r SELECT i, i FROM generate_series(1, 100) i;
CREATE TABLE t (id int PRIMARY KEY, n int, phone text, rid int);
INSERT INTO t SELECT i, i, CASE WHEN i % 7 > 0 THEN 'p' || i END, i % 100 + 1 FROM generate_series(1, 300) i;
CREATE SCHEMA other;
CREATE INDEX t_phone ON t (phone);
CREATE TABLE p (id int, n int, rid int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (150);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (150) TO (300);
INSERT INTO p SELECT i, i, i % 100 + 1 FROM generate_series(1, 299) i;
CREATE TABLE a (id int PRIMARY KEY, n int, rid int REFERENCES r) PARTITION BY RANGE (id);
CREATE INDEX a_n ON a (n);
CREATE TABLE a1 PARTITION OF a FOR VALUES FROM (1) TO (150);
CREATE TABLE arest PARTITION OF a DEFAULT;
INSERT INTO a SELECT i, i, i % 100 + 1 FROM generate_series(1, 149) i;
INSERT INTO a SELECT i, i, i % 100 + 1 FROM generate_series(1000, 1100) i;
CREATE TABLE anew (id int NOT NULL, n int, rid int);
INSERT INTO anew SELECT i, i, i % 100 + 1 FROM generate_series(150, 299) i;
CREATE TABLE d (id int, n int, rid int REFERENCES r) PARTITION BY RANGE (id);
CREATE TABLE d1 PARTITION OF d FOR VALUES FROM (1) TO (150);
INSERT INTO d SELECT i, i, i % 100 + 1 FROM generate_series(1, 149) i;
VACUUM ANALYZE;
EOS

migration('create table', 'CREATE TABLE made (a int)');
migration('comment', q{COMMENT ON TABLE t IS 'a table'});
migration('grant', 'GRANT SELECT ON t TO PUBLIC');
migration('add column', 'ALTER TABLE t ADD COLUMN a int, ADD COLUMN b int DEFAULT 3');
migration('set default', 'ALTER TABLE t ALTER n SET DEFAULT 3');
migration('drop constraint', 'ALTER TABLE t ALTER n DROP NOT NULL');
migration('add column with a volatile default', 'ALTER TABLE t ADD COLUMN u uuid NOT NULL DEFAULT gen_random_uuid()');
migration('add serial column', 'ALTER TABLE t ADD COLUMN s serial');
migration('add identity column', 'ALTER TABLE t ADD COLUMN i int GENERATED BY DEFAULT AS IDENTITY');
migration('set not null', '', call => q{SELECT zdm.set_not_null('t', 'phone', '''none''')});
migration('set not null on partitions', 'ALTER TABLE p ALTER n SET NOT NULL');
migration('check', 'ALTER TABLE t ADD CHECK (n > 0)');
migration('foreign key', 'ALTER TABLE t ADD FOREIGN KEY (rid) REFERENCES r');
migration('foreign key of partitions', 'ALTER TABLE p ADD FOREIGN KEY (rid) REFERENCES r');
migration('unique', 'ALTER TABLE t ADD UNIQUE (n)', writer => 't');
migration('index', 'CREATE INDEX t_rid ON t (rid)', writer => 't');
migration('reindex', 'REINDEX TABLE t', writer => 't', drops => 1);
migration('drop index', 'DROP INDEX t_rid', writer => 't', drops => 1);
migration('index on partitions', 'CREATE INDEX p_n ON p (n)');
migration('unique of partitions', 'ALTER TABLE p ADD UNIQUE (id, n)');
migration('primary key of partitions', 'ALTER TABLE p ADD PRIMARY KEY (id)');
migration('attach partition', 'ALTER TABLE a ATTACH PARTITION anew FOR VALUES FROM (150) TO (300)');
migration('detach partition beside a default one', 'ALTER TABLE a DETACH PARTITION anew');
migration('detach partition', 'ALTER TABLE d DETACH PARTITION d1', writer => 'd');
migration('backfill', '', call => q{SELECT zdm.backfill('t', 'phone = upper(phone)')});
migration('drop column', 'ALTER TABLE t DROP COLUMN phone');
migration('rename table', 'ALTER TABLE t RENAME TO u');
migration('rename partitioned table', 'ALTER TABLE p RENAME TO q');
migration('set schema', 'ALTER TABLE u SET SCHEMA other');
migration('drop table', 'DROP TABLE other.u', drops => 1);


# a column that changes its type, foreign keys of partitions with it: one that
# can be made beside the old one, and one that is made in the exchange
$node->safe_psql('postgres', <<'EOS');
CREATE TABLE t (id int, n int) PARTITION BY RANGE (n);
CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (1000);
ALTER TABLE t ADD PRIMARY KEY (id, n);
INSERT INTO t SELECT i, i FROM generate_series(1, 300) i;
ALTER TABLE q ADD FOREIGN KEY (id, n) REFERENCES t DEFERRABLE;
VACUUM ANALYZE;
EOS
migration('foreign key of partitions, with its column', '',
	call => q{SELECT zdm.change_column_type('q', 'rid', 'bigint')});
migration('foreign key to partitions, with its column', '',
	call => q{SELECT zdm.change_column_type('q', 'n', 'bigint')});

$node->stop;
done_testing();
