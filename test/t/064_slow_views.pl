# 064_slow_views.pl: whoever owns a view over a table cannot keep it locked by what is run
# while the view is read for an exchange.
#
# long

use strict;
use warnings;

use ZdmTest;
use Test::More;

my $node = zdm_node('main');

sub sql { return $node->safe_psql('postgres', $_[0]) }

# A constant of a row type is read by its fields' types: that runs the domain's CHECK.
# In "slow" is at which of the readings that takes half a minute, counted from the last setting.
sql(<<'EOS');
CREATE ROLE viewer;
CREATE SCHEMA viewer AUTHORIZATION viewer;
SET ROLE viewer;
CREATE TABLE viewer.slow (at int);
INSERT INTO viewer.slow VALUES (0);
CREATE SEQUENCE viewer.readings;
CREATE FUNCTION viewer.dawdle(x int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('viewer.readings') % (SELECT nullif(at, 0) FROM viewer.slow) = 0 THEN
		PERFORM pg_sleep(30);
	END IF;
	RETURN true;
END $$;
CREATE DOMAIN viewer.d AS int CHECK (viewer.dawdle(VALUE));
CREATE TYPE viewer.pair AS (a viewer.d, b int);
RESET ROLE;
CREATE TABLE t (id int PRIMARY KEY, a text, b text);
INSERT INTO t SELECT i, 'a' || i, 'b' || i FROM generate_series(1, 100) i;
GRANT SELECT ON t TO viewer;
SET ROLE viewer;
CREATE VIEW viewer.v AS SELECT id, a, '(1,2)'::viewer.pair AS p FROM public.t;
EOS

sub slow_at
{
	sql("UPDATE viewer.slow SET at = $_[0]");
	sql("SELECT setval('viewer.readings', " . ($_[0] || 1) . ')');
	return;
}

# given_up(id, what, message): it is said by name, and until then nobody who reads the table
# waits for long.
sub given_up
{
	my ($id, $what, $message) = @_;
	my $stalled = 0;

	wait_for(
		"$what: to be given up",
		sub {
			my ($rc) = $node->psql('postgres', "SET lock_timeout = '10s'; SELECT count(*) FROM t");

			$stalled++ if $rc != 0;
			return sql("SELECT count(*) FROM zdm.steps WHERE migration = $id AND error ~ '$message'") == 1;
		});
	is($stalled, 0, "$what: nobody waited for long");
	return;
}

# --- names are exchanged: the view is read to see whether it can be, and read again
my $id = sql("SET zdm.lock_wait = '200ms'; SELECT zdm.rewrite('t', columns => '{b,a,id}')");
wait_for_state($node, $id, 'ready');
slow_at(1);
sql("SELECT zdm.cutover($id)");
given_up($id, 'looking', '^view viewer\.v of role viewer takes longer than 200 ms to be read');
slow_at(2);
given_up($id, 'moving', '^"CREATE OR REPLACE VIEW viewer\.v AS" of role viewer takes longer than 200 ms to be read');
slow_at(0);
wait_for_state($node, $id, 'switched');
is(sql('SELECT count(*) FROM viewer.v'), 100, 'the view is there');
slow_at(1);
sql("SELECT zdm.revert($id)");
given_up($id, 'going back', '^view viewer\.v of role viewer takes longer than 200 ms to be read');
slow_at(0);
wait_for_state($node, $id, 'reverted');

# --- a column takes another's place: the table's owner has a view with somebody else's type
sql(<<'EOS');
DROP VIEW viewer.v;
CREATE ROLE keeper;
GRANT USAGE ON SCHEMA viewer TO keeper;
GRANT ALL ON ALL TABLES IN SCHEMA viewer TO keeper;
GRANT ALL ON ALL SEQUENCES IN SCHEMA viewer TO keeper;
GRANT CREATE ON SCHEMA public TO keeper;
ALTER TABLE t OWNER TO keeper;
SET ROLE keeper;
CREATE VIEW v AS SELECT id, a, '(1,2)'::viewer.pair AS p FROM t;
EOS
$id = sql("SELECT zdm.change_column_type('t', 'a', 'varchar(20)', up => 'a', down => 'a')");
wait_for_state($node, $id, 'ready');
slow_at(1);
sql("SELECT zdm.cutover($id)");
given_up($id, 'a column', '^"CREATE VIEW public\.v .*" of role keeper takes longer than 50 ms to be read');
is(sql("SELECT error_state IS NULL FROM zdm.migrations WHERE id = $id"), 't', 'it is tried again');
slow_at(0);
wait_for_state($node, $id, 'switched');

# --- what catches its cancellation and goes on is ended, and not begun anew for ever
sql(<<'EOS');
SET ROLE viewer;
CREATE OR REPLACE FUNCTION viewer.dawdle(x int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	WHILE (SELECT at FROM viewer.slow) = 1 LOOP
		BEGIN
			PERFORM pg_sleep(30);
		EXCEPTION WHEN query_canceled THEN
			NULL;
		END;
	END LOOP;
	RETURN true;
END $$;
EOS
sql('UPDATE viewer.slow SET at = 1');
sql("SELECT zdm.revert($id)");
wait_for('the migration to fail',
	sub {
		my ($rc) = $node->psql('postgres', "SET lock_timeout = '10s'; SELECT count(*) FROM t");

		fail('a reader waited') if $rc != 0;
		return migration_state($node, $id) eq 'failed';
	});
is(sql("SELECT error_state || ' ' || error FROM zdm.migrations WHERE id = $id"),
	'57014 what was run for the step went on when it was cancelled', 'the error');
sql('UPDATE viewer.slow SET at = 0');
sql("SELECT zdm.resume($id)");
wait_for_state($node, $id, 'reverted');

# --- what nobody has written has no limit, and nobody's name: a subscription goes on from where it is
sql("CREATE TABLE subscribed (id int PRIMARY KEY, v int); INSERT INTO subscribed VALUES (1, 1);"
	  . "CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere' PUBLICATION pub WITH (connect = false, slot_name = NONE);"
	  . "SET allow_system_table_mods = on; INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) SELECT oid, 'subscribed'::regclass, 'r' FROM pg_subscription");
{
	my $id = sql("SELECT zdm.rewrite('subscribed', columns => '{v,id}')");

	wait_for_state($node, $id, 'ready');
	steer($node, $id, 'cutover', 'switched');
	is(sql("SELECT srrelid::regclass FROM pg_subscription_rel"), 'subscribed', 'the subscription is to the table that has the name');
	steer($node, $id, 'contract', 'completed');
}

$node->stop;
done_testing();
