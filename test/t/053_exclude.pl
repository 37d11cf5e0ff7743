# 053_exclude.pl: an exclusion constraint comes to a table while applications write rows
# that exclude each other: once it is there and completed, no two do, and each row was
# looked for by the index.  The server is killed at each of its points.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = $ENV{ZDM_ROWS} // 20_000;
my $node = zdm_node('main', conf => "restart_after_crash = on\nautovacuum = off\ndeadlock_timeout = 1s\nlog_lock_waits = on\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Few values of the one key, and no statistics: a join by it alone would be quadratic.
sql(<<EOS);
CREATE TABLE booking (id bigint PRIMARY KEY, house int4range NOT NULL, during int4range NOT NULL, n int NOT NULL DEFAULT 0);
INSERT INTO booking SELECT i, '[1,2)', int4range(i * 10, i * 10 + 5) FROM generate_series(1, $rows) i;
CREATE SEQUENCE fresh START 1000000;
CREATE INDEX ON booking (house);
CREATE INDEX ON booking (lower(during));
EOS

my $constraint = 'EXCLUDE USING gist (house WITH =, during WITH &&)';
my $late = 'SELECT id FROM (SELECT id, during, max(upper(during)) OVER (ORDER BY lower(during), id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken FROM booking) b WHERE lower(during) < taken';
my $pairs = "SELECT count(*) FROM ($late) l";

# An application that looks before it writes, as those do that need the constraint: two
# of them may write what neither sees.
my %scripts = (
	taker => <<'EOS',
\set at random(1, 20)
SELECT count(*) AS taken FROM booking WHERE lower(during) = -10 * :at \gset
\sleep 20 ms
\if :taken = 0
INSERT INTO booking SELECT nextval('fresh'), '[1,2)', int4range(-10 * :at, -10 * :at + 5) ON CONFLICT DO NOTHING;
\endif
DELETE FROM booking WHERE id = (SELECT min(id) FROM booking WHERE lower(during) = -10 * :at AND random() < 0.5);
EOS
	writer => <<EOS);
\\set id random(1, $rows)
UPDATE booking SET n = n + 1 WHERE id = :id;
UPDATE booking SET during = int4range(lower(during), lower(during) + 1 + (upper(during) - lower(during)) % 5) WHERE id = :id;
EOS
my %running = map { $_ => start_pgbench($node, $scripts{$_}, '-M', 'prepared', '-c', $_ eq 'taker' ? 6 : 2, '-R', 100) } sort keys %scripts;

# a pair that nobody takes back, so that there is one in any case
sql("INSERT INTO booking VALUES (-1, '[1,2)', '[-1000,-995)'), (-2, '[1,2)', '[-998,-990)')");
wait_for('some writes', sub { pgbench_count($running{taker}) > 100 });
my $id = sql("SELECT zdm.migrate('ALTER TABLE booking ADD CONSTRAINT once $constraint')");
my $failures = 0;
wait_for(
	'the constraint to come',
	sub {
		my $state = migration_state($node, $id);

		if ($state eq 'failed')
		{
			my $error = sql("SELECT error_state || ' ' || error FROM zdm.migrations WHERE id = $id");

			like($error, qr/^23P01 rows of public.booking conflict by exclusion constraint once.*\(id\)=\(-?\d+\) and \(id\)=\(-?\d+\)/s, 'the rows are named') if $failures++ == 0;
			die "not a conflict: $error" if $error !~ /^23P01/;
			sql("DELETE FROM booking WHERE id IN ($late); SELECT zdm.resume($id)");
		}
		return $state eq 'completed';
	});
cmp_ok($failures, '>', 0, 'rows had to be mended');
is(sql($pairs), 0, 'no two rows exclude each other');
my $done = pgbench_count($running{taker});
wait_for('some more writes', sub { pgbench_count($running{taker}) > $done + 300 });
is(sql($pairs), 0, 'nor later on');
like(join('', map { stop_pgbench($running{$_})->{out} } sort keys %running), qr/\A(?!.*(?:ERROR|FATAL|PANIC))/s, 'no statement failed');
unlike(slurp_file($node->logfile), qr/still waiting for \w+Lock on relation \d+.*\n.*\n.*booking/, 'no writer waited for long');

# each look asks the constraint's index once for each row
sql("SELECT zdm.revert($id)");
wait_for_state($node, $id, 'reverted');
$id = sql("SELECT zdm.migrate('ALTER TABLE booking ADD CONSTRAINT once $constraint')");
wait_for_state($node, $id, 'completed');
wait_for('the looks to be counted', sub { sql("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'once'") >= 2 * sql('SELECT count(*) FROM booking') });
is(sql($pairs), 0, 'again');
sql("SELECT zdm.revert($id)");
wait_for_state($node, $id, 'reverted');

sub is_whole
{
	my ($point) = @_;

	cmp_ok(sql("SELECT count(*) FROM pg_index WHERE indrelid = 'booking'::regclass AND indisexclusion <> EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype = 'x')"), '==', 0, "killed at $point: an index is the constraint's, or is not");
	cmp_ok(sql("SELECT count(*) FROM pg_index WHERE indrelid = 'booking'::regclass"), '<=', 4, 'and there is one at most');
	return;
}

$id = killed_at_each($node, \&is_whole, "SELECT zdm.migrate('ALTER TABLE booking ADD CONSTRAINT once $constraint DEFERRABLE')",
	qw(toplevel-before-run toplevel-before-mark step-before-commit exclusion-made));
wait_for_state($node, $id, 'completed');
is(sql("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'once'"), "$constraint DEFERRABLE", 'it is there');
my ($rc, $out, $err) = $node->psql('postgres', "INSERT INTO booking VALUES (0, '[1,2)', '[10,12)')");
like($err, qr/conflicting key value violates exclusion constraint "once"/, 'and is kept');
killed_at_each($node, \&is_whole, "SELECT zdm.revert($id)", 'undo-before-commit');
wait_for_state($node, $id, 'reverted');
is(sql("SELECT count(*) FROM pg_index WHERE indrelid = 'booking'::regclass"), 3, 'nothing is left');

$node->stop;
done_testing();
