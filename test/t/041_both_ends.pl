# 041_both_ends.pl: both ends of a foreign key are replaced at the same time.
#
# Whoever switches exchanges the constraint for both: every order in which two
# migrations can be stated, cut over, gone back from and contracted must lead to
# the constraint that was there before, validated, and to nothing else.  Then the
# races that are written down in src/column/other_end.c, with the worker held where
# they are; and a parent with two children under the load of applications.
#
# long

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";

use List::Util qw(shuffle);
use PostgreSQL::Test::Utils;
use Test::More;
use ZdmTest;

my $orders = $ENV{ZDM_ORDERS} // 14;    # of the 76 there are
my $rows = $ENV{ZDM_ROWS} // 20_000;
my $node = zdm_node('both_ends');
my $keys = q{SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
	FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY 1};

seed_random();
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET zdm.batch_rest = 0');

sub ask
{
	return $node->safe_psql('postgres', $_[0]);
}

sub make_tables
{
	my ($count) = @_;

	ask(<<EOL);
DROP TABLE IF EXISTS child, other, parent;
CREATE TABLE parent (id serial PRIMARY KEY, name text NOT NULL DEFAULT 'new');
CREATE TABLE child (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	parent int NOT NULL REFERENCES parent ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE other (
	id int PRIMARY KEY,
	parent int REFERENCES parent ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED);
COMMENT ON CONSTRAINT child_parent_fkey ON child IS 'whose it is';
CREATE INDEX ON child (parent);
INSERT INTO parent (name) SELECT 'p' || i FROM generate_series(1, $count) i;
INSERT INTO child (parent) SELECT i FROM generate_series(1, $count) i;
INSERT INTO other SELECT i, i FROM generate_series(1, $count) i;
ANALYZE;
EOL
	return;
}

# Nothing but what was there before is there, or comes to be there soon.
sub keys_become
{
	my ($expected, $what) = @_;
	my $now = '';

	eval { wait_for($what, sub { $now = ask($keys); return $now eq $expected; }) };
	is($now, $expected, $what);
	return;
}

sub type_of
{
	my ($table, $column) = @_;

	return ask("SELECT format_type(atttypid, NULL) FROM pg_attribute "
		  . "WHERE attrelid = '$table'::regclass AND attname = '$column'");
}

# What the keys do: refuse an orphan, and carry a change and a deletion along.
sub keys_work
{
	my ($what) = @_;
	my (undef, undef, $err) = $node->psql('postgres', 'INSERT INTO child (parent) VALUES (-1)');

	like($err, qr/violates foreign key constraint "child_parent_fkey"/, "$what: no orphan");
	# writers may have given the parent more than the one child that it began with
	my $children = ask('SELECT count(*) FROM child WHERE parent = 1');
	is(ask("UPDATE other SET parent = NULL WHERE id = 1; UPDATE parent SET id = 1000000 WHERE id = 1; "
			. "SELECT count(*) FILTER (WHERE parent = 1000000), count(*) FILTER (WHERE parent = 1) FROM child"),
		"$children|0", "$what: a change is carried along");
	is(ask("DELETE FROM parent WHERE id = 1000000; SELECT count(*) FROM child WHERE parent IN (1, 1000000)"),
		0, "$what: a deletion is carried along");
	return;
}

my %state = (cutover => 'switched', contract => 'completed', revert => 'reverted');

# One order: who is stated first, and what happens then to whom.
sub run_order
{
	my ($first, @events) = @_;
	my $what = join ' ', $first, map { "$_->[0]:$_->[1]" } @events;
	my %call = (
		parent => "SELECT zdm.change_column_type('parent', 'id', 'bigint', label => 'parent $what')",
		child => "SELECT zdm.change_column_type('child', 'parent', 'bigint', label => 'child $what')");
	my $second = $first eq 'parent' ? 'child' : 'parent';
	my %last;

	make_tables(100);
	my $before = ask($keys);
	ask($call{$first});
	ask($call{$second});
	wait_for_state($node, "$_ $what", 'ready') for qw(parent child);
	foreach my $event (@events)
	{
		my ($who, $verb) = @$event;

		ask("SELECT zdm.$verb('$who $what')");
		# not waited for, as often as not: the two then overlap
		wait_for_state($node, "$who $what", $state{$verb}) if $verb eq 'cutover' || rand() < 0.5;
		$last{$who} = $verb;
	}
	wait_for_state($node, "$_ $what", $state{ $last{$_} }) for keys %last;
	keys_become($before, "$what: the keys are as before");
	is(type_of('parent', 'id'), $last{parent} eq 'revert' ? 'integer' : 'bigint', "$what: parent.id");
	is(type_of('child', 'parent'), $last{child} eq 'revert' ? 'integer' : 'bigint', "$what: child.parent");
	is(ask("SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'child_parent_fkey'"),
		'whose it is', "$what: the comment too");
	keys_work($what);
	return;
}

# All interleavings of two lists.
sub interleave
{
	my ($one, $two) = @_;

	return ([@$two]) if !@$one;
	return ([@$one]) if !@$two;
	my ($a, @one) = @$one;
	my ($b, @two) = @$two;
	return ((map { [ $a, @$_ ] } interleave(\@one, $two)), (map { [ $b, @$_ ] } interleave($one, \@two)));
}

my @fates = (['revert'], [ 'cutover', 'revert' ], [ 'cutover', 'contract' ]);
my @all;
foreach my $parent (@fates)
{
	foreach my $child (@fates)
	{
		my @lists = interleave([ map { [ 'parent', $_ ] } @$parent ], [ map { [ 'child', $_ ] } @$child ]);
		push @all, map { ([ 'parent', @$_ ], [ 'child', @$_ ]) } @lists;
	}
}
is(scalar @all, 76, 'all orders');
run_order(@$_) for (shuffle @all)[ 0 .. ($orders < @all ? $orders : @all) - 1 ];

# Hold the worker of a migration between choosing a step and taking its locks,
# while the other migration is switched; it must look again.
sub hold_worker
{
	my ($who, $state, $lock, $until, $meanwhile) = @_;    # lock: "table IN ... MODE"
	my $reader = start_psql($node);
	my $holder = start_psql($node);

	# it comes back again and again for this lock, and so to the debug point
	$reader->query_safe("BEGIN; LOCK TABLE $lock;");
	$until->();
	$holder->query_safe('SELECT pg_advisory_lock(' . debug_point("state-$state") . ')');
	wait_for("$who to be held", sub {
		return ask(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) > 0;
	});
	$reader->query_safe('COMMIT;');
	$meanwhile->();
	$holder->query_safe("SELECT pg_advisory_unlock_all();");
	$_->quit for $reader, $holder;
	return;
}

sub waits_for_child
{
	my ($label) = @_;

	return sub {
		wait_for("$label to wait for a lock on child", sub {
			return ask("SELECT waiting_for FROM zdm.progress WHERE label = '$label'") =~ /on public\.child/;
		});
	};
}

make_tables(100);
my $before = ask($keys);
ask("SELECT zdm.change_column_type('parent', 'id', 'bigint', label => 'p1')");
wait_for_state($node, 'p1', 'ready');
# the only step of the child's that wants a lock on the parent makes the key
hold_worker('the child', 'migrating', 'parent IN ROW EXCLUSIVE MODE', sub {
	ask("SELECT zdm.change_column_type('child', 'parent', 'bigint', label => 'c1')");
	wait_for('the key to be made next', sub {
		return ask("SELECT count(*) FROM zdm.steps s JOIN zdm.progress p ON p.label = s.label AND p.step = s.step "
			  . "WHERE s.label = 'c1' AND s.statement LIKE '%FOREIGN KEY%' AND p.waiting_for IS NOT NULL") > 0;
	});
}, sub {
	ask("SELECT zdm.cutover('p1')");
	wait_for_state($node, 'p1', 'switched');
});
wait_for_state($node, 'c1', 'ready');
is(ask("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname LIKE 'child\\_parent\\_fkey\\_zdm%'"),
	'FOREIGN KEY (parent_zdm' . ask("SELECT id FROM zdm.migrations WHERE label = 'c1'")
	  . ') REFERENCES parent(id) ON UPDATE CASCADE ON DELETE CASCADE',
	'a step chosen before the parent was switched names the new column');
is(ask("SELECT a.attnum = p.confkey[1] FROM pg_constraint p JOIN pg_attribute a ON a.attrelid = p.confrelid AND a.attname = 'id' "
	  . "WHERE p.conname LIKE 'child\\_parent\\_fkey\\_zdm%'"), 't', 'the one that is in charge');

hold_worker('the child', 'cutting_over', 'child IN ACCESS SHARE MODE', sub {
	ask("SELECT zdm.cutover('c1')");
	waits_for_child('c1')->();
}, sub {
	# its own way back does not need what the reader held
	ask("SELECT zdm.revert('p1')");
	wait_for_state($node, 'p1', 'reverted');
});
wait_for_state($node, 'c1', 'switched');
keys_become($before, 'a cutover chosen before the parent went back validates the key that it switches to');
ask("SELECT zdm.contract('c1')");
wait_for_state($node, 'c1', 'completed');
keys_work('after the races');

# The exchange waits for who is stating a migration at the other end, and says so.
make_tables(100);
ask("SELECT zdm.change_column_type('parent', 'id', 'bigint', label => 'p2')");
wait_for_state($node, 'p2', 'ready');
my $stating = start_psql($node);
$stating->query_safe("BEGIN; SELECT zdm.change_column_type('child', 'parent', 'bigint', label => 'c2');");
ask("SELECT zdm.cutover('p2')");
wait_for('the parent to wait', sub {
	return ask("SELECT waiting_for FROM zdm.progress WHERE label = 'p2'") =~ /held by pid|stating a migration/;
});
$stating->query_safe('COMMIT;');
$stating->quit;
wait_for_state($node, 'p2', 'switched');
wait_for_state($node, 'c2', 'ready');
ask("SELECT zdm.cutover('c2')");
wait_for_state($node, 'c2', 'switched');
keys_become($before, 'stated while the parent was about to switch');
ask("SELECT zdm.contract('p2'), zdm.contract('c2')");
wait_for_state($node, $_, 'completed') for qw(p2 c2);

# A rename at one end, another type at the other.
make_tables(100);
ask("SELECT zdm.change_column_type('child', 'parent', 'bigint', label => 'c3')");
ask("SELECT zdm.rename_column('parent', 'id', 'key', label => 'p3')");
wait_for_state($node, $_, 'ready') for qw(p3 c3);
ask("SELECT zdm.cutover('p3')");
wait_for_state($node, 'p3', 'switched');
ask("SELECT zdm.cutover('c3')");
wait_for_state($node, 'c3', 'switched');
ask("SELECT zdm.contract('p3'), zdm.contract('c3')");
wait_for_state($node, $_, 'completed') for qw(p3 c3);
keys_become($before =~ s/parent\(id\)/parent(key)/gr, 'a rename and a change of type');

# The whole job for a parent with two children, all at once, under load: forth,
# one of them back and forth again, and to the end.
make_tables($rows);
$before = ask($keys);
my %scripts = (
	parent => "\\set k random(1, $rows)\nBEGIN;\nSELECT name FROM parent WHERE id = :k;\n"
	  . "UPDATE parent SET name = 'seen' WHERE id = :k;\nINSERT INTO parent (name) VALUES ('t');\n"
	  . "INSERT INTO child (parent) VALUES (currval('parent_id_seq'));\nEND;\n",
	child => "\\set k random(1, $rows)\nINSERT INTO child (parent) VALUES (:k);\n"
	  . "UPDATE other SET parent = :k WHERE id = :k;\n",
	join => "\\set k random(1, $rows)\nSELECT count(*) FROM child c JOIN parent p ON p.id = c.parent "
	  . "JOIN other o ON o.parent = p.id WHERE p.id = :k;\n");
my %running = map { $_ => start_pgbench($node, $scripts{$_}, '-M', 'prepared', '-c', 2, '-R', 40) } keys %scripts;

sub all_of
{
	my ($verb, @labels) = @_;

	ask('SELECT ' . join ', ', map { "zdm.$verb('$_')" } @labels);
	wait_for_state($node, $_, $state{$verb}) for @labels;
	return;
}

ask("SELECT zdm.change_column_type('other', 'parent', 'bigint', label => 'o'), "
	  . "zdm.change_column_type('parent', 'id', 'bigint', label => 'p'), "
	  . "zdm.change_column_type('child', 'parent', 'bigint', label => 'c')");
wait_for_state($node, $_, 'ready') for qw(p c o);
all_of('cutover', qw(p c o));
keys_become($before, 'all three are switched at once');
all_of('revert', qw(p c));
keys_become($before, 'the parent and a child have gone back');
ask("SELECT zdm.change_column_type('parent', 'id', 'bigint', label => 'p again'), "
	  . "zdm.change_column_type('child', 'parent', 'bigint', label => 'c again')");
wait_for_state($node, $_, 'ready') for 'p again', 'c again';
all_of('cutover', 'c again', 'p again');
all_of('contract', 'p again', 'o', 'c again');
keys_become($before, 'all three have come to their end');
foreach my $name (sort keys %running)
{
	my $result = stop_pgbench($running{$name});

	unlike($result->{out}, qr/ERROR|error|aborted/, "$name: no query failed") or diag($result->{out});
	cmp_ok($result->{transactions}, '>', 0, "$name: something was done");
	note("$name: $result->{transactions} transactions, the longest took $result->{longest_ms} ms");
}
is(type_of($_->[0], $_->[1]), 'bigint', "$_->[0].$_->[1]") for [qw(parent id)], [qw(child parent)], [qw(other parent)];
is(ask('SELECT count(*) FROM child c LEFT JOIN parent p ON p.id = c.parent WHERE p.id IS NULL'), 0, 'no orphan');
is(ask("SELECT count(*) FROM pg_attribute WHERE attname LIKE '%zdm%' AND attrelid IN ('parent'::regclass, 'child'::regclass, 'other'::regclass)"),
	0, 'nothing is left behind');
is(ask("INSERT INTO parent (id) VALUES (3000000000); INSERT INTO child (parent) VALUES (3000000000); "
		. "UPDATE other SET parent = 3000000000 WHERE id = 1 RETURNING parent"), '3000000000', 'a bigint fits everywhere');
keys_work('at the end');

$node->stop;
done_testing();
