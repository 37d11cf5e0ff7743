# 108_new_shape_killed.pl: the server is killed at each point of a copy into partitions, of
# the exchange, of the way back and of contract, while others write: it goes on from there,
# and what was written last is there.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "zdm.batch_rest = 0\nrestart_after_crash = on\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

sql(<<'EOS');
CREATE TABLE account (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, v text);
CREATE TABLE log (account int, n int);
CREATE INDEX ON log (account, n);
INSERT INTO account SELECT i, 0, repeat('z', 300) FROM generate_series(1, 3000) i;
CREATE INDEX account_n ON account (n);
CREATE VIEW rich AS SELECT id FROM account WHERE n > 1;
EOS

my $run = start_pgbench($node, <<'EOS', '-c', '2', '-R', '40');
\set id random(1, 3000)
\set gone random(1, 3000)
BEGIN;
UPDATE account SET n = n + 1, v = repeat(md5(:id::text), 1 + :id % 20) WHERE id = :id;
INSERT INTO log SELECT id, n FROM account WHERE id = :id;
DELETE FROM account WHERE id = :gone AND id > 2950;
COMMIT;
EOS

sub is_kept
{
	my ($point) = @_;

	is(sql('SELECT count(*) FROM account a WHERE n <> coalesce((SELECT max(n) FROM log WHERE account = a.id), 0)'), 0, "killed at $point: the last write of each row is there");
	is(sql('SELECT count(DISTINCT id) - count(*) FROM account'), 0, 'no row is there twice');
	return;
}

sub is_settled
{
	my ($id, $state, $kind) = @_;

	wait_for_state($node, $id, $state);
	is(sql("SELECT relkind FROM pg_class WHERE oid = 'account'::regclass"), $kind, "$state: it is what it is to be");
	is(sql("SELECT count(*) FROM zdm.verify($id)"), 0, 'both have the same rows') if $state =~ /ready|switched/;
	is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_%'"), 0, 'nothing is left') if $state =~ /reverted|completed/;
	is(sql('SELECT count(*) FROM account a WHERE n <> coalesce((SELECT max(n) FROM log WHERE account = a.id), 0)'), 0, 'the last write of each row is there');
	is(sql("SET enable_seqscan = off; SELECT count(*) FROM account WHERE id > 0 AND id <= 2950"), 2950, 'all rows are there, by the index too');
	return;
}

my $call = "SELECT zdm.partition_table('account', 'HASH (id)', ARRAY['account_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)', 'account_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)'])";

my $id = killed_at_each($node, \&is_kept, $call, qw(second-before-commit copy-with-snapshot copy-before-commit copy-after-batch second-before-index));
is_settled($id, 'ready', 'r');
killed_at_each($node, \&is_kept, "SELECT zdm.cutover($id)", qw(functions-read privileges-held exchange-before-commit));
is_settled($id, 'switched', 'p');
killed_at_each($node, \&is_kept, "SELECT zdm.revert($id)", qw(functions-read privileges-held undo-before-commit));
is_settled($id, 'reverted', 'r');
# from where there is nothing to exchange back
$id = sql($call);
wait_for_state($node, $id, 'ready');
killed_at_each($node, \&is_kept, "SELECT zdm.revert($id)", 'undo-before-commit');
is_settled($id, 'reverted', 'r');
$id = sql($call);
wait_for_state($node, $id, 'ready');
steer($node, $id, 'cutover', 'switched');
killed_at_each($node, \&is_kept, "SELECT zdm.contract($id)", qw(state-contracting functions-read leave-before-commit));
is_settled($id, 'completed', 'p');

my @errors = grep { /ERROR|FATAL|PANIC/ && !/terminating connection|the database system is|shutting down/ } split /\n/, stop_pgbench($run)->{out};
is(join("\n", @errors), '', 'no statement failed but for lost connections');

$node->stop;
done_testing();
