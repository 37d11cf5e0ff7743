# 011_sync_not_preloaded.pl: the sync trigger in a server that does not preload
# the library, where the columns that a session's first INSERT named are not
# known and values decide; and in a session that preloads it by itself.

use strict;
use warnings;

use ZdmTest;
use Test::More;

my $node = zdm_node('bare', preload => 0, extension => 0);

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_zdm;
	CREATE EXTENSION zdm_test;
	CREATE TABLE t (id serial PRIMARY KEY, a text, b text, x int);
	SELECT test.pair('t', 'a', 'b');
	CREATE TABLE d (id serial, a text DEFAULT 'old default', b text DEFAULT 'new default');
	SELECT test.pair('d', 'a', 'b');
	CREATE TABLE v (id serial, a text DEFAULT clock_timestamp()::text, b text DEFAULT clock_timestamp()::text);
	SELECT test.pair('v', 'a', 'b');
});

# first(statement): its result as the first of a session, and as the second
# when the library has been loaded.
sub first_and_second
{
	my ($statement, $expected, $name) = @_;

	is($node->safe_psql('postgres', $statement), $expected, "$name, first of the session");
	is($node->safe_psql('postgres', "LOAD 'pg_zdm'; $statement"), $expected, "$name, library loaded");
	return;
}

first_and_second("INSERT INTO t (a) VALUES ('old') RETURNING a, b", 'old|old', 'old only');
first_and_second("INSERT INTO t (b) VALUES ('new') RETURNING a, b", 'new|new', 'new only');
first_and_second("INSERT INTO t (x) VALUES (1) RETURNING a, b", '|', 'neither');
first_and_second("INSERT INTO t (a, b) VALUES ('s', 's') RETURNING a, b", 's|s', 'both, in agreement');
first_and_second("INSERT INTO t (a, b) VALUES ('o', 'n') RETURNING a, b", 'n|n', 'both, not in agreement');
first_and_second("UPDATE t SET a = 'upd' WHERE id = 1 RETURNING a, b", 'upd|upd', 'update of the old one');
first_and_second("UPDATE t SET b = 'upd2' WHERE id = 1 RETURNING a, b", 'upd2|upd2', 'update of the new one');
first_and_second("INSERT INTO d (a) VALUES ('old') RETURNING a, b", 'old|old', 'old only beside a default');
first_and_second("INSERT INTO d (b) VALUES ('new') RETURNING a, b", 'new|new', 'new only beside a default');
first_and_second("INSERT INTO d DEFAULT VALUES RETURNING a, b", 'old default|old default', 'neither, with defaults');
first_and_second("INSERT INTO v DEFAULT VALUES RETURNING a = b", 't', 'neither, with volatile defaults');
first_and_second("WITH w AS (INSERT INTO t (b) VALUES ('cte')) SELECT 1", '1', 'an unread CTE');

my $copy = $node->safe_psql('postgres', "COPY t (b) FROM stdin;\ncopied\n\\.\nSELECT a, b FROM t WHERE b = 'copied'");
is($copy, 'copied|copied', 'COPY, first of the session');

is( $node->safe_psql('postgres', q{
	SELECT count(*) FILTER (WHERE a IS DISTINCT FROM b) FROM (SELECT a, b FROM t UNION ALL SELECT a, b FROM d UNION ALL SELECT a, b FROM v) u}),
	'0', 'every row is in step');

# session_preload_libraries does without a restart
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET session_preload_libraries = pg_zdm');
is($node->safe_psql('postgres', "INSERT INTO d (b) VALUES ('new default') RETURNING a, b"),
	'new default|new default', 'what was named is known in a session that preloads');

$node->stop;
done_testing();
