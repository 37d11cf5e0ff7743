# 080_tools.pl: migrations stated by Sqitch and by Alembic.
#
# The same changes, each in the transaction of the tool that deploys it.  State
# and schema are looked at after each of them; then everything is deployed once
# more by a tool that has forgotten what it did, which must change nothing.  A
# change that fails after its call leaves nothing behind, and a tool's way back
# is the migration's.  In the end both tools have made the same of it.
#
# Where a tool is not installed its part is skipped, but in CI that is a failure.
#
# long

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use ZdmTest;
use Test::More;

# name, what is called, the state it comes to rest in, what is to be true then
my @changes = (
	[ 'add_note', q{zdm.migrate('ALTER TABLE orders ADD COLUMN note text', label => 'add_note')},
		'completed', q{SELECT count(note) = 0 FROM orders} ],
	[ 'add_token', q{zdm.migrate('ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid(), ADD COLUMN number bigserial', label => 'add_token')},
		'completed', q{SELECT count(DISTINCT token) = 1000 AND count(DISTINCT number) = 1000 FROM orders} ],
	[ 'state_index', q{zdm.migrate('CREATE INDEX orders_state ON orders (state)', label => 'state_index')},
		'completed', q{SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_state'::regclass} ],
	[ 'customer_key', q{zdm.migrate('ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customer', label => 'customer_key')},
		'completed', q{SELECT convalidated FROM pg_constraint WHERE conname = 'orders_customer_fkey'} ],
	[ 'state_not_null', q{zdm.set_not_null('orders', 'state', '''new''', label => 'state_not_null')},
		'completed', q{SELECT attnotnull FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'state'} ],
	[ 'rename_price', q{zdm.rename_column('orders', 'price', 'amount', 'rename_price')},
		'ready', q{SELECT count(*) = 1000 FROM orders WHERE price = amount} ],
	[ 'big_id', q{zdm.change_column_type('customer', 'code', 'bigint', label => 'big_id')},
		'ready', q{SELECT count(*) = 1 FROM pg_attribute WHERE attrelid = 'customer'::regclass AND attname LIKE 'code\_zdm%' AND atttypid = 'bigint'::regtype} ],
	[ 'rename_customer', q{zdm.migrate('ALTER TABLE customer RENAME TO client', label => 'rename_customer')},
		'refused', q{SELECT to_regclass('client') IS NULL} ],
	[ 'drop_unused', q{zdm.migrate('ALTER TABLE orders DROP COLUMN unused', label => 'drop_unused')},
		'ready', q{SELECT NOT attnotnull FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'unused'} ],
);

my $node = zdm_node('main', conf => "zdm.batch_rest = 0");
my $home = PostgreSQL::Test::Utils::tempdir();
my $major = $node->pg_version->major;

$ENV{HOME} = $home;
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGUSER} = $node->safe_psql('postgres', 'SELECT current_user');
$ENV{SQITCH_FULLNAME} = 'Tester';
$ENV{SQITCH_EMAIL} = 'tester@example.com';

# A database as the tool finds it.
sub prepare
{
	my ($db) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, <<'EOS');
CREATE EXTENSION pg_zdm;
CREATE TABLE customer (id int PRIMARY KEY, code int);
INSERT INTO customer SELECT i, i FROM generate_series(1, 10) i;
CREATE TABLE orders (id int PRIMARY KEY, customer int, state text, price int, unused int NOT NULL DEFAULT 3);
ALTER TABLE orders ALTER unused DROP DEFAULT;
INSERT INTO orders SELECT i, i % 10 + 1, CASE WHEN i % 3 = 0 THEN 'open' END, i, i FROM generate_series(1, 1000) i;
EOS
	return;
}

# Columns, constraints and indexes of the two tables, without migrations' ids.
sub schema
{
	my ($db) = @_;
	my $text = $node->safe_psql($db, <<'EOS');
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
WHERE attrelid IN ('orders'::regclass, 'customer'::regclass) AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2;
SELECT conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid IN ('orders'::regclass, 'customer'::regclass) ORDER BY 1;
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid IN ('orders'::regclass, 'customer'::regclass) ORDER BY 1;
EOS
	$text =~ s/_zdm\d+/_zdmN/g;
	return $text;
}

sub migrations
{
	my ($db) = @_;
	return $node->safe_psql($db, 'SELECT id, label, kind, state FROM zdm.migrations ORDER BY id');
}

# Deploy change by change with the functions that a tool is, then all again.
sub test_tool
{
	my ($tool, %do) = @_;
	my $db = $tool;

	prepare($db);
	$do{prepare}->($db);
	foreach my $change (@changes)
	{
		my ($name, undef, $state, $true) = @$change;

		if ($state eq 'refused')
		{
			ok(!$do{deploy}->($db, $name), "$tool: $name, which must wait for another migration, is refused");
			is(migrations($db) =~ /\|$name\|/, '', "$tool: nothing is left of it");
			$do{skip}->($db, $name);
		}
		else
		{
			ok($do{deploy}->($db, $name), "$tool: $name is deployed");
			wait_for_state($node, $name, $state, $db);
			is(migrations($db) =~ /\|$name\|\w+\|(\w+)/ && $1, $state, "$tool: $name is $state");
		}
		is($node->safe_psql($db, $true), 't', "$tool: $name has done what it says");
	}

	my ($before, $schema) = (migrations($db), schema($db));
	ok($do{deploy}->($db), "$tool: once more");
	is(migrations($db), $before, "$tool: nothing new");
	$do{forget}->($db);
	ok($do{deploy}->($db), "$tool: once more, with no memory of the first time");
	is(migrations($db), $before, "$tool: the same migrations");
	is(schema($db), $schema, "$tool: the same schema");

	ok(!$do{fails}->($db), "$tool: a change that fails after its call");
	is(migrations($db), $before, "$tool: leaves no migration");
	is(schema($db), $schema, "$tool: and no trace on the tables");
	ok($do{revert}->($db), "$tool: the way back of the last change");
	wait_for_state($node, 'drop_unused', 'reverted', $db);
	is($node->safe_psql($db, q{SELECT attnotnull FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'unused'}),
		't', "$tool: takes it back");
	return;
}

# Run a tool in its directory; true if it succeeds.
sub run_in
{
	my ($dir, @command) = @_;
	my $ok = run_log([ 'sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', $dir, @command ],
		'>', \my $out, '2>&1');

	note($out) if defined $out;
	return $ok;
}

sub write_file
{
	my ($name, $text) = @_;

	unlink $name;
	append_to_file($name, $text);
	return;
}

# Sqitch: a script for psql for each change, with its own BEGIN and COMMIT.
my $sqitch = "$home/sqitch";

sub sqitch_plan
{
	my @names = @_;
	my $minute = 10;

	write_file("$sqitch/sqitch.plan", "%syntax-version=1.0.0\n%project=shop\n\n"
		  . join('', map { $minute++; "$_ 2026-01-01T00:$minute:00Z Tester <tester\@example.com> # $_\n" } @names));
	return;
}

sub sqitch_change
{
	my ($name, $call, $more) = @_;

	write_file("$sqitch/deploy/$name.sql", "BEGIN;\nSELECT $call;\n" . ($more // '') . "COMMIT;\n");
	write_file("$sqitch/revert/$name.sql", "BEGIN;\nSELECT zdm.revert('$name');\nCOMMIT;\n");
	return;
}

my @sqitch_names = map { $_->[0] } @changes;

sub test_sqitch
{
	mkdir $_ for $sqitch, "$sqitch/deploy", "$sqitch/revert";
	write_file("$sqitch/sqitch.conf", "[core]\n\tengine = pg\n");
	sqitch_change($_->[0], $_->[1]) for @changes;
	sqitch_plan(@sqitch_names);
	test_tool(
		'sqitch',
		prepare => sub { },
		deploy => sub {
			my ($db, $name) = @_;
			return run_in($sqitch, 'sqitch', 'deploy', $name ? ('--to-change', $name) : (), "db:pg:$db");
		},
		skip => sub {
			my ($db, $name) = @_;
			@sqitch_names = grep { $_ ne $name } @sqitch_names;
			sqitch_plan(@sqitch_names);
		},
		forget => sub { $node->safe_psql($_[0], 'DROP SCHEMA sqitch CASCADE') },
		fails => sub {
			my ($db) = @_;
			sqitch_change('broken', q{zdm.migrate('ALTER TABLE orders ADD COLUMN broken int', label => 'broken')}, "SELECT 1 / 0;\n");
			sqitch_plan(@sqitch_names, 'broken');
			my $ok = run_in($sqitch, 'sqitch', 'deploy', "db:pg:$db");
			sqitch_plan(@sqitch_names);
			return $ok;
		},
		revert => sub { return run_in($sqitch, 'sqitch', 'revert', '-y', '--to-change', $sqitch_names[-2], "db:pg:$_[0]") });
	return;
}

# Alembic: a Python module for each change, and one transaction for each.
my $alembic = "$home/alembic";
my @alembic = ('python3', '-m', 'alembic.config');

sub alembic_change
{
	my ($name, $after, $call, $more) = @_;
	my $down = $after ? "'$after'" : 'None';

	write_file("$alembic/versions/$name.py", <<EOS);
from alembic import op

revision = '$name'
down_revision = $down


def upgrade():
    op.execute("""SELECT $call""")
@{[ $more // '' ]}

def downgrade():
    op.execute("SELECT zdm.revert('$name')")
EOS
	return;
}

sub alembic_changes
{
	my $after;

	foreach my $change (@_)
	{
		alembic_change($change->[0], $after, $change->[1]);
		$after = $change->[0];
	}
	return $after;
}

my @alembic_changes = @changes;

sub test_alembic
{
	mkdir $_ for $alembic, "$alembic/versions";
	$ENV{PYTHONDONTWRITEBYTECODE} = 1;
	write_file("$alembic/alembic.ini", "[alembic]\nscript_location = .\n");
	write_file("$alembic/env.py", <<'EOS');
import os
from alembic import context
from sqlalchemy import create_engine

engine = create_engine('postgresql+psycopg2:///' + os.environ['ALEMBIC_DB'])
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
EOS
	my $last = alembic_changes(@alembic_changes);
	test_tool(
		'alembic',
		prepare => sub { $ENV{ALEMBIC_DB} = $_[0] },
		deploy => sub {
			my ($db, $name) = @_;
			return run_in($alembic, @alembic, 'upgrade', $name // 'head');
		},
		skip => sub {
			my ($db, $name) = @_;
			@alembic_changes = grep { $_->[0] ne $name } @alembic_changes;
			unlink "$alembic/versions/$name.py";
			$last = alembic_changes(@alembic_changes);
		},
		forget => sub { $node->safe_psql($_[0], 'DROP TABLE alembic_version') },
		fails => sub {
			alembic_change('broken', $last, q{zdm.migrate('ALTER TABLE orders ADD COLUMN broken int', label => 'broken')},
				"    op.execute('SELECT 1 / 0')\n");
			my $ok = run_in($alembic, @alembic, 'upgrade', 'head');
			unlink "$alembic/versions/broken.py";
			return $ok;
		},
		revert => sub { return run_in($alembic, @alembic, 'downgrade', '-1') });
	return;
}

my %tools = (
	sqitch => [ \&test_sqitch, 'sqitch --version && perl -MDBD::Pg -e 1', 'sqitch and libdbd-pg-perl' ],
	alembic => [ \&test_alembic, "python3 -c 'import alembic, psycopg2'", 'python3-alembic and python3-psycopg2' ]);
my @tested;

foreach my $tool (sort keys %tools)
{
	my ($test, $probe, $packages) = @{ $tools{$tool} };

  SKIP:
	{
		my $there = run_log([ 'sh', '-c', $probe ], '>', \my $out, '2>&1');

		ok($there, "$tool is there: install $packages") if $ENV{CI};
		skip "$tool is not installed ($packages)", 1 unless $there;
		$test->();
		push @tested, $tool;
	}
}

SKIP:
{
	skip 'two tools are needed to compare them', 1 if @tested < 2;
	is(schema('alembic'), schema('sqitch'), 'both tools have made the same schema');
}

$node->stop;
done_testing();
