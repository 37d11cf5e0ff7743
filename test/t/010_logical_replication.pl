# 010_logical_replication.pl: rows that a subscription applies are kept in step,
# though no statement names a column there.  The publisher knows only the old
# column; the subscriber has the pair.

use strict;
use warnings;

use ZdmTest;
use Test::More;

my $publisher = zdm_node('publisher', extension => 0, conf => 'max_wal_senders = 5');
my $subscriber = zdm_node('subscriber', extension => 0);
my $differ = 'SELECT count(*), count(*) FILTER (WHERE a IS DISTINCT FROM b) FROM t';

$publisher->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, a text, x int);
	INSERT INTO t SELECT g, 'copied ' || g FROM generate_series(1, 100) g;
	CREATE TABLE p (id int PRIMARY KEY, a text);
	CREATE PUBLICATION pub FOR TABLE t, p;
});
$subscriber->safe_psql('postgres', q{
	CREATE EXTENSION pg_zdm;
	CREATE EXTENSION zdm_test;
	CREATE TABLE t (b text, id int PRIMARY KEY, x int, a text);
	SELECT test.pair('t', 'a', 'b');
	CREATE TABLE p (id int PRIMARY KEY, a text, b text DEFAULT 'unset') PARTITION BY RANGE (id);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
	CREATE TABLE p2 (b text, a text, id int NOT NULL);
	ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (100) TO (200);
	SELECT test.pair('p', 'a', 'b');
});
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION sub CONNECTION '" . $publisher->connstr . " dbname=postgres' PUBLICATION pub");
$subscriber->wait_for_subscription_sync($publisher, 'sub');
is($subscriber->safe_psql('postgres', $differ), '100|0', 'the first copy is in step');

$publisher->safe_psql('postgres', q{
	INSERT INTO t SELECT g, 'applied ' || g FROM generate_series(101, 150) g;
	UPDATE t SET a = 'updated' WHERE id <= 10;
	UPDATE t SET x = 1 WHERE id BETWEEN 11 AND 20;
	UPDATE t SET a = NULL WHERE id = 21;
	UPDATE t SET id = 1000 WHERE id = 22;
	DELETE FROM t WHERE id = 23;
	INSERT INTO p VALUES (1, 'one'), (101, 'two');
	UPDATE p SET a = 'moved' , id = 102 WHERE id = 1;
});
$publisher->wait_for_catchup('sub');
is($subscriber->safe_psql('postgres', $differ), '149|0', 'what is applied is in step');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM t WHERE b = $$updated$$'),
	'10', 'an update reaches the new column');
is( $subscriber->safe_psql('postgres', 'SELECT tableoid::regclass, id, a, b FROM p ORDER BY id'),
	"p2|101|two|two\np2|102|moved|moved",
	'partitions are in step, after a move too');

# The publisher gets the new column as well, with no pair: it sends both.
$publisher->safe_psql('postgres', 'ALTER TABLE t ADD b text');
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION sub REFRESH PUBLICATION');
$publisher->safe_psql('postgres', q{
	INSERT INTO t (id, b) VALUES (200, 'new only');
	INSERT INTO t (id, a) VALUES (201, 'old only');
	INSERT INTO t (id, a, b) VALUES (202, 'both', 'both');
	UPDATE t SET a = 'old changed' WHERE id = 202;
});
$publisher->wait_for_catchup('sub');
is( $subscriber->safe_psql('postgres', 'SELECT id, a, b FROM t WHERE id >= 200 AND id < 300 ORDER BY id'),
	"200|new only|new only\n201|old only|old only\n202|old changed|old changed",
	'values decide when both columns are sent');

# What is applied is no DDL, but a trigger of the table's owner may run some.
$subscriber->safe_psql('postgres', q{
	CREATE TABLE public.judged (id int);
	INSERT INTO judged VALUES (1);
	CREATE FUNCTION rewrite() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
		SET LOCAL zdm.guard = refuse;
		SET LOCAL zdm.guard_min_size = 0;
		BEGIN
			ALTER TABLE public.judged ALTER id TYPE bigint;
			NEW.a := 'rewritten';
		EXCEPTION WHEN OTHERS THEN
			NEW.a := SQLERRM;
		END;
		RETURN NEW;
	END$$;
	CREATE TRIGGER rewrite BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION rewrite();
	ALTER TABLE t ENABLE ALWAYS TRIGGER rewrite;
});
$publisher->safe_psql('postgres', 'INSERT INTO t (id) VALUES (300)');
$publisher->wait_for_catchup('sub');
like($subscriber->safe_psql('postgres', 'SELECT a FROM t WHERE id = 300'),
	qr/^DDL refused by rule table-rewrite/, 'the guard judges what a trigger runs where rows are applied');

$subscriber->stop;
$publisher->stop;
done_testing();
