# 012_applied.pl: a row that a subscription applies is written by the publisher's
# columns, whatever the subscriber's defaults, before cutover and after it.

use strict;
use warnings;

use ZdmTest;
use Test::More;

my $publisher = zdm_node('publisher', extension => 0, conf => 'max_wal_senders = 5');
my $subscriber = zdm_node('subscriber', extension => 0);

$publisher->safe_psql('postgres', q{
	CREATE TABLE o (id int PRIMARY KEY, a text);
	CREATE TABLE n (id int PRIMARY KEY, b text);
	CREATE TABLE ab (id int PRIMARY KEY, a text, b text);
	CREATE PUBLICATION pub FOR TABLE o, n, ab;
});
$subscriber->safe_psql('postgres', q{
	CREATE EXTENSION pg_zdm;
	CREATE EXTENSION zdm_test;
	CREATE TABLE o (id int PRIMARY KEY, a text DEFAULT 'unset', b text DEFAULT 'unset');
	CREATE TABLE n (id int PRIMARY KEY, a text DEFAULT 'unset', b text DEFAULT 'unset');
	CREATE TABLE ab (id int PRIMARY KEY, a text DEFAULT 'unset', b text DEFAULT 'unset');
	SELECT test.pair(t::regclass, 'a', 'b') FROM unnest('{o,n,ab}'::text[]) t;
});
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION sub CONNECTION '" . $publisher->connstr . " dbname=postgres' PUBLICATION pub");
$subscriber->wait_for_subscription_sync($publisher, 'sub');

my $rows = q{SELECT 'o', * FROM o UNION ALL SELECT 'n', * FROM n UNION ALL SELECT 'b', * FROM ab ORDER BY 2, 1 DESC};
my $id = 0;
foreach my $side ('old', 'new')
{
	$subscriber->safe_psql('postgres',
		"SELECT test.set_pair(t::regclass, 'authoritative = ''$side''') FROM unnest('{o,n,ab}'::text[]) t");
	$publisher->safe_psql('postgres', qq{
		INSERT INTO o VALUES ($id + 1, NULL), ($id + 2, 'v'), ($id + 3, 'unset');
		INSERT INTO n VALUES ($id + 1, NULL), ($id + 2, 'v'), ($id + 3, 'unset');
		INSERT INTO ab VALUES ($id + 1, NULL, NULL), ($id + 2, 'v', 'v'), ($id + 3, 'v', 'v');
		UPDATE ab SET a = 'z', b = 'v' WHERE id = $id + 2;
		UPDATE ab SET a = 'v', b = 'y' WHERE id = $id + 3;
	});
	$publisher->wait_for_catchup('sub');
	is($subscriber->safe_psql('postgres', $rows), join("\n",
		'o|' . ($id + 1) . '||', 'n|' . ($id + 1) . '||', 'b|' . ($id + 1) . '||',
		'o|' . ($id + 2) . '|v|v', 'n|' . ($id + 2) . '|v|v', 'b|' . ($id + 2) . '|z|z',
		'o|' . ($id + 3) . '|unset|unset', 'n|' . ($id + 3) . '|unset|unset', 'b|' . ($id + 3) . '|y|y'),
		"written by the publisher's columns, while the $side side decides");
	$publisher->safe_psql('postgres', 'TRUNCATE o, n, ab');
	$publisher->wait_for_catchup('sub');
}

$subscriber->stop;
$publisher->stop;
done_testing();
