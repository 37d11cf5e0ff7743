# 001_load.pl: the library loads preloaded, by a session and on demand, and
# survives the ways in which a server stops.

use strict;
use warnings;

use ZdmTest;
use Test::More;

my $node = zdm_node('main');
my $version = "SELECT extversion FROM pg_extension WHERE extname = 'pg_zdm'";

is($node->safe_psql('postgres', $version), '1.0', 'the extension is created in a preloaded server');

for my $mode (qw(fast immediate))
{
	$node->stop($mode);
	$node->start;
	is($node->safe_psql('postgres', $version), '1.0', "the server is back after a stop that is $mode");
}
$node->stop;

my $bare = zdm_node('bare', preload => 0);
is($bare->safe_psql('postgres', $version), '1.0', 'the extension is created in a server that does not preload');
is( $bare->safe_psql('postgres', "LOAD 'pg_zdm'; SHOW zdm.lock_wait"),
	'50ms', 'a session can load the library');
$bare->stop;

done_testing();
