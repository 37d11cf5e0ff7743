# 107_new_shape_replicas.pl: a standby that is promoted goes on with tables that are getting
# another shape, wherever they stand; a subscriber of a table that becomes partitioned, and
# is one table again, reads across both and has every row, and no row is decoded twice or
# not at all.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('main', conf => "zdm.batch_rest = 0\nmax_wal_senders = 10\nmax_replication_slots = 10\n");

sub sql { return $node->safe_psql('postgres', $_[0]) }

my $hash = "ARRAY['%_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)', '%_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)']";

sub by_hash
{
	my ($table) = @_;

	return "zdm.partition_table('$table', 'HASH (id)', " . ($hash =~ s/%/$table/gr) . ')';
}

# --- promoted in the middle
{
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	my %case = (
		# table => call, the state in which the standby has it, the way that it goes then
		copied => [ by_hash('copied'), 'migrating', qw(cutover contract) ],
		ordered => [ "zdm.rewrite('ordered', columns => '{v,n,id}')", 'migrating', qw(cutover revert) ],
		ready => [ by_hash('ready'), 'ready', qw(cutover contract) ],
		on => [ by_hash('on'), 'switched', 'contract' ],
		back => [ by_hash('back'), 'switched', 'revert' ],
		one => [ "zdm.unpartition_table('one')", 'switched', 'revert' ],
		first => [ "zdm.partition_table('first', 'RANGE (id)', every => '10000', with_default => true, way => 'attach')", 'switched', 'revert' ],
		first_on => [ "zdm.partition_table('first_on', 'RANGE (id)', every => '10000', with_default => true, way => 'attach')", 'switched', 'contract' ]);
	my $write = sub {
		my ($server, $mark) = @_;

		for my $table (map { ($_, "${_}_model") } sort keys %case)
		{
			$server->safe_psql('postgres', "UPDATE \"$table\" SET n = n + 1, v = '$mark' WHERE id % 3 = 0; DELETE FROM \"$table\" WHERE id % 50 = $mark; "
				  . "INSERT INTO \"$table\" SELECT 10000 * ($mark + 1) + i, i, 'new' FROM generate_series(1, 40) i; UPDATE \"$table\" SET id = -id WHERE id = 1000 + $mark");
		}
	};
	my $is_right = sub {
		my ($server, $what) = @_;

		for my $table (sort keys %case)
		{
			is($server->safe_psql('postgres', "SELECT count(*) FROM ((SELECT id, n, v FROM \"$table\" EXCEPT ALL SELECT id, n, v FROM \"${table}_model\") UNION ALL (SELECT id, n, v FROM \"${table}_model\" EXCEPT ALL SELECT id, n, v FROM \"$table\")) x"),
				0, "$what: $table has every row");
		}
	};
	my %id;

	for my $table (sort keys %case)
	{
		sql("CREATE TABLE \"$_\" (id int PRIMARY KEY, n int NOT NULL, v text) " . ($table eq 'one' && $_ eq 'one' ? 'PARTITION BY HASH (id)' : '')) for $table, "${table}_model";
		sql("CREATE TABLE one_$_ PARTITION OF one FOR VALUES WITH (MODULUS 2, REMAINDER $_)") for $table eq 'one' ? (0, 1) : ();
		sql("INSERT INTO \"$_\" SELECT i, i, repeat('x', 200) FROM generate_series(1, 3000) i") for $table, "${table}_model";
	}
	$node->backup('base');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->start;
	for my $table (grep { $case{$_}[1] ne 'migrating' } sort keys %case)
	{
		$id{$table} = sql("SELECT $case{$table}[0]");
		wait_for_state($node, $id{$table}, 'ready');
		next if $case{$table}[1] eq 'ready';
		# a standby that reads is no reason to wait
		steer($node, $id{$table}, 'cutover', 'switched');
	}
	$write->($node, 1);
	my $held = hold($node, 'copy-after-batch');
	$id{$_} = sql("SELECT $case{$_}[0]") for grep { $case{$_}[1] eq 'migrating' } sort keys %case;
	arrive($node, 'copy-after-batch', undef, 2);
	$write->($node, 2);
	$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
	$is_right->($standby, 'on the standby');
	is($standby->safe_psql('postgres', "SELECT state FROM zdm.migrations WHERE id = $id{$_}"), $case{$_}[1], "which has $_ where it stands") for sort keys %case;
	$held->quit;
	$node->stop('immediate');
	my $held = hold($standby, 'state-migrating');
	$standby->promote;
	arrive($standby, 'state-migrating');
	is($standby->safe_psql('postgres', "SELECT count(*) FROM zdm.step_progress WHERE crashed <> '{}'"), 0, 'a promotion is no crash');
	$held->quit;
	$write->($standby, 3);
	$is_right->($standby, 'promoted');
	for my $table (sort keys %case)
	{
		my ($call, $state, @road) = @{ $case{$table} };

		wait_for_state($standby, $id{$table}, $state eq 'migrating' ? 'ready' : $state);
		is($standby->safe_psql('postgres', "SELECT count(*) FROM zdm.verify($id{$table})"), 0, "$table: both have the same rows") if $table !~ /^first/;
		for my $verb (@road)
		{
			$standby->safe_psql('postgres', "SELECT zdm.$verb($id{$table})");
			wait_for_state($standby, $id{$table}, { cutover => 'switched', contract => 'completed', revert => 'reverted' }->{$verb});
		}
	}
	$write->($standby, 4);
	$is_right->($standby, 'in the end');
	is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_%' OR relrewrite <> 0"), 0, 'nothing is left');
	is($standby->safe_psql('postgres', "SELECT string_agg(relname || ' ' || relkind::text, ', ' ORDER BY relname) FROM pg_class WHERE relname IN ('copied', 'ordered', 'ready', 'on', 'back', 'one', 'first', 'first_on')"),
		'back r, copied p, first r, first_on p, on p, one p, ordered r, ready p', 'each is what it was to be');
	$standby->stop;
	$node->start;
	sql("SELECT zdm.revert(id) FROM zdm.migrations WHERE state NOT IN ('completed', 'reverted')");
	wait_for('the former primary to have gone back', sub { sql("SELECT count(*) FROM zdm.migrations WHERE state NOT IN ('completed', 'reverted')") eq '0' });
}

# --- a subscriber reads across the swap
{
	my $subscriber = zdm_node('subscriber', extension => 0);

	for my $server ($node, $subscriber)
	{
		$server->safe_psql('postgres', "CREATE TABLE $_ (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, v text) " . ($server == $subscriber && /leaf/ ? 'PARTITION BY HASH (id)' : '')) for qw(root leaf);
		$server->safe_psql('postgres', 'CREATE TABLE log (source text, id int)');
	}
	# a subscriber is sent rows of partitions by their names: it has them
	$subscriber->safe_psql('postgres', "CREATE TABLE leaf_$_ PARTITION OF leaf FOR VALUES WITH (MODULUS 2, REMAINDER $_)") for 0, 1;
	sql("INSERT INTO $_ SELECT i, 0, repeat('z', 200) FROM generate_series(1, 3000) i") for qw(root leaf);
	sql('CREATE PUBLICATION pub_root FOR TABLE root, log WITH (publish_via_partition_root = true); CREATE PUBLICATION pub_leaf FOR TABLE leaf; CREATE PUBLICATION everything FOR ALL TABLES');
	sql("SELECT pg_create_logical_replication_slot('text', 'test_decoding')");
	for my $name (qw(root leaf))
	{
		$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION sub_$name CONNECTION '" . $node->connstr . " dbname=postgres' PUBLICATION pub_$name");
		$subscriber->wait_for_subscription_sync($node, "sub_$name");
	}

	my $start = sub {
		my ($table) = @_;

		return start_pgbench($node, <<"EOS", '-c', '2', '-R', '100');
\\set id random(1, 3000)
\\set new random(10000, 900000000)
BEGIN;
UPDATE $table SET n = n + 1, v = repeat(md5(:id::text), 1 + :id % 50) WHERE id = :id;
INSERT INTO log VALUES ('$table', :id);
INSERT INTO $table VALUES (:new, -1, 'new') ON CONFLICT (id) DO NOTHING;
COMMIT;
EOS
	};
	my $more = sub {
		my ($run) = @_;
		my $before = pgbench_count($run);

		wait_for('more transactions', sub { pgbench_count($run) > $before + 40 });
	};
	my $same = sub {
		my ($table, $when) = @_;
		my $sum = "SELECT count(*), sum(n), md5(string_agg(id || v, '' ORDER BY id)) FROM $table";

		$node->wait_for_catchup("sub_$table");
		is($subscriber->safe_psql('postgres', $sum), sql($sum), "$when: the subscriber of $table has the same");
	};

	# by the name of the whole: nobody has to do a thing
	my $run = $start->('root');
	for my $call (by_hash('root'), "zdm.unpartition_table('root')")
	{
		my ($what) = $call =~ /zdm\.(\w+)/;

		for my $end (qw(revert contract))
		{
			my $id = sql("SELECT $call");

			wait_for_state($node, $id, 'ready');
			$more->($run);
			steer($node, $id, 'cutover', 'switched');
			$more->($run);
			steer($node, $id, $end, $end eq 'revert' ? 'reverted' : 'completed');
			$more->($run);
		}
	}
	is(join("\n", grep { /ERROR|FATAL|PANIC/ } split /\n/, stop_pgbench($run)->{out}), '', 'no statement failed');
	$same->('root', 'there, back, there again, and one table again');

	# by the names of partitions: who reads the publication anew has them, between two writes
	my $id = sql('SELECT ' . by_hash('leaf'));
	like(sql("SELECT notes::text FROM zdm.migrations WHERE id = $id"), qr/published by everything, pub_leaf without publish_via_partition_root/, 'it is said beforehand');
	$run = $start->('leaf');
	wait_for_state($node, $id, 'ready');
	$more->($run);
	stop_pgbench($run);
	$same->('leaf', 'before the swap');
	steer($node, $id, 'cutover', 'switched');
	$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION sub_leaf REFRESH PUBLICATION WITH (copy_data = false)');
	$run = $start->('leaf');
	$more->($run);
	stop_pgbench($run);
	$same->('leaf', 'switched');
	steer($node, $id, 'contract', 'completed');
	sql("UPDATE leaf SET n = n + 1, v = 'end' WHERE id < 100; INSERT INTO log SELECT 'leaf', generate_series(1, 99)");
	$same->('leaf', 'in the end');

	# each write once, whatever the table was then
	sql("CREATE TABLE decoded AS SELECT data FROM pg_logical_slot_get_changes('text', NULL, NULL) WHERE data LIKE 'table %'");
	is(sql("SELECT count(*) FROM decoded WHERE data LIKE '%zdm\\_%' AND data NOT LIKE 'table zdm.%' OR data LIKE 'table pg_temp%'"), 0, 'nothing of a hidden table is decoded');
	for my $table (qw(root leaf))
	{
		my $writes = "SELECT (regexp_match(data, 'id\\[integer\\]:(-?\\d+)'))[1]::int AS id FROM decoded WHERE data ~ '^table public\\.$table(_\\d)?: ";

		is(sql("SELECT count(*) FROM (SELECT id, count(*) AS n FROM ($writes" . "UPDATE') w GROUP BY id) w FULL JOIN (SELECT id, count(*) AS n FROM log WHERE source = '$table' GROUP BY id) l USING (id) WHERE w.n IS DISTINCT FROM l.n"),
			0, "each update of $table is decoded once");
		is(sql("SELECT count(*) FROM (SELECT id, count(*) AS n FROM ($writes" . "INSERT') w GROUP BY id) w FULL JOIN (SELECT id, 1 AS n FROM $table WHERE id >= 10000) l USING (id) WHERE w.n IS DISTINCT FROM l.n"),
			0, 'and each insert');
		cmp_ok(sql("SELECT count(*) FROM log WHERE source = '$table'"), '>', 100, 'of which there are some');
	}
	$subscriber->stop;
}

$node->stop;
done_testing();
