# 045_rename_table.pl: both names of a table in use while it is renamed.
#
# An application that knows only the old name runs from before the call until
# contract, one that knows only the new name from ready to the end, each with
# prepared statements and without, some in transactions of several statements.
# None of their queries fails, and no row is lost.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;
use Test::More;

my $node = zdm_node('main');

$node->safe_psql('postgres', <<'EOS');
CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL DEFAULT 0, note text);
CREATE TABLE journal (id bigserial PRIMARY KEY, account int NOT NULL REFERENCES account, amount int NOT NULL);
INSERT INTO account SELECT i FROM generate_series(1, 1000) i;
EOS

# What an application does with the table under the one name that it knows.
sub application
{
	my ($name) = @_;
	my $script = <<'EOS';
\set id random(1, 1000)
\set amount random(1, 100)
BEGIN;
SELECT balance FROM NAME WHERE id = :id FOR UPDATE;
UPDATE NAME SET balance = balance + :amount WHERE id = :id;
INSERT INTO journal (account, amount) VALUES (:id, :amount);
COMMIT;
SELECT * FROM NAME WHERE id = :id;
INSERT INTO NAME (id, note) VALUES (:id, 'again') ON CONFLICT (id) DO UPDATE SET note = excluded.note RETURNING *;
EOS
	$script =~ s/NAME/$name/g;
	return map { start_pgbench($node, $script, '-M', $_, '-c', 2, '-R', 60) } qw(prepared simple);
}

# Nothing that they asked for failed, and they did ask.
sub ended_well
{
	my ($what, @applications) = @_;

	foreach my $run (map { stop_pgbench($_) } @applications)
	{
		cmp_ok($run->{transactions}, '>', 0, "$what: $run->{transactions} transactions, the longest took $run->{longest_ms} ms");
		unlike($run->{out}, qr/error|aborted|terminated/i, "$what: none failed");
	}
	return;
}

# Have the migration go to a state, and the applications work in it.
sub go_to
{
	my ($label, $call, $state, @applications) = @_;

	$node->safe_psql('postgres', $call);
	wait_for_state($node, $label, $state);
	my %before = map { $_ => pgbench_count($_) } @applications;
	wait_for("work in state $state", sub { !grep { pgbench_count($_) < $before{$_} + 20 } @applications });
	return;
}

my @old = application('account');
go_to('first', q{SELECT zdm.migrate('ALTER TABLE account RENAME TO client', label => 'first')}, 'ready', @old);
my @new = application('client');
go_to('first', q{SELECT zdm.cutover('first')}, 'switched', @old, @new);
is($node->safe_psql('postgres', q{SELECT string_agg(relname || ' ' || relkind::text, ', ' ORDER BY relname) FROM pg_class WHERE relname IN ('account', 'client')}),
	'account v, client r', 'the table and the view have changed places');

# there and back again, the old application not noticing
ended_well('the new name until revert', @new);
go_to('first', q{SELECT zdm.revert('first')}, 'reverted', @old);
go_to('second', q{SELECT zdm.migrate('ALTER TABLE account RENAME TO client', label => 'second')}, 'ready', @old);
@new = application('client');
go_to('second', q{SELECT zdm.cutover('second')}, 'switched', @old, @new);
ended_well('the old name', @old);
go_to('second', q{SELECT zdm.contract('second')}, 'completed', @new);
ended_well('the new name', @new);

is($node->safe_psql('postgres', 'SELECT (SELECT sum(balance) FROM client) = (SELECT sum(amount) FROM journal)'),
	't', 'every change of either is there');
is($node->safe_psql('postgres', q{SELECT relkind FROM pg_class WHERE relname = 'client'}), 'r', 'the table has the new name');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname = 'account'}), '0', 'the old name is gone');

$node->stop;
done_testing();
