# 035_read_only.pl: zdm.check and zdm.plan where nothing can be written: in a
# read-only transaction, under default_transaction_read_only, and on a standby,
# they answer, or say what to do.

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('primary', conf => "wal_level = replica\nmax_wal_senders = 3\nzdm.guard = refuse");

$node->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, a int, b text NOT NULL);
	CREATE TABLE other (id int PRIMARY KEY);
	CREATE TABLE p (k int) PARTITION BY LIST (k);
	CREATE TABLE p1 (k int);
	CREATE TYPE mood AS ENUM ('sad', 'ok');
	INSERT INTO t SELECT g, g, g FROM generate_series(1, 1000) g;
});
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;

my @statements = (
	'ALTER TABLE t ALTER b DROP NOT NULL',
	'ALTER TABLE t ALTER a SET NOT NULL',
	'ALTER TABLE t ADD CHECK (a > 0)',
	'ALTER TABLE t ADD COLUMN n int NOT NULL DEFAULT 1',
	'ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES other',
	'ALTER TABLE t DROP COLUMN a',
	'ALTER TABLE t RENAME COLUMN a TO c',
	'ALTER TABLE t RENAME TO u',
	'ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1)',
	'CREATE INDEX ON t (a)',
	'CREATE TABLE v (id int REFERENCES t)',
	'REINDEX TABLE t',
	'DROP TABLE other',
	"ALTER TYPE mood ADD VALUE 'glad'",
);
my %places = (
	'a read-only transaction' => [ $node, 'BEGIN READ ONLY;' ],
	'default_transaction_read_only' => [ $node, 'SET default_transaction_read_only = on;' ],
	'a standby' => [ $standby, '' ],
);

# The answer, or the error with its hint.
sub ask
{
	my ($place, $sql) = @_;
	my ($where, $before) = @{ $places{$place} };
	my ($code, $out, $err) = $where->psql('postgres', "\\set VERBOSITY verbose\n$before $sql");

	return ($out, $err);
}

for my $place (sort keys %places)
{
	for my $sql (@statements)
	{
		my $expected = $node->safe_psql('postgres', "SELECT step, phase, statement FROM zdm.plan(\$\$$sql\$\$)");
		my ($out, $err) = ask($place, "SELECT step, phase, statement FROM zdm.plan(\$\$$sql\$\$)");

		is($err, '', "zdm.plan in $place: $sql");
		is($out, $expected, "zdm.plan in $place: $sql: the same steps");
		($out, $err) = ask($place, "SELECT count(*) FROM zdm.check(\$\$$sql\$\$)");
		is($err, '', "zdm.check in $place: $sql");
	}
	# what the server would do cannot be tried: the plan is the one that holds in any case
	my ($out, $err) = ask($place, "SELECT count(*) > 1 FROM zdm.plan('ALTER TABLE t ALTER a TYPE bigint')");
	is("$out$err", 't', "zdm.plan in $place: a change of type");
	($out, $err) = ask($place, "SELECT rule FROM zdm.check('ALTER TABLE t ALTER a TYPE bigint') WHERE severity = 'unsafe'");
	is($err, '', "zdm.check in $place: a change of type");
	($out, $err) = ask($place, "SELECT detail FROM zdm.check(\$\$DO 'BEGIN EXECUTE ''ALTER TABLE t ADD COLUMN z int''; END'\$\$)");
	is($err, '', "zdm.check in $place: code");
}
$standby->stop;
$node->stop;
done_testing();
