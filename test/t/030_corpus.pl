# 030_corpus.pl: the corpus of DDL statements with measured verdicts, through the
# guard and through zdm.check().  The corpus does not belong to this project; it
# lies beside the tree where there is one, or where ZDM_CORPUS says.
#
# long

use strict;
use warnings;

use ZdmTest;
use Test::More;

my $corpus = $ENV{ZDM_CORPUS} // '../shared/ddl/corpus.jsonl';

plan skip_all => "no corpus at $corpus (ZDM_CORPUS names another place)" unless -r $corpus;

my $node = zdm_node('corpus', conf => "timezone = 'UTC'\nautovacuum = off");

$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
delete $ENV{PGDATABASE};
open my $run, '-|', 'perl', 'test/corpus', $corpus or die "cannot run test/corpus: $!";
while (my $line = <$run>)
{
	chomp $line;
	if    ($line =~ /^(not )?ok \d+ - (.*)/) { ok(!$1, $2) }
	elsif ($line =~ /^# (.*)/)               { diag($1) }
}
ok(close($run), 'the runner came to its end');
$node->stop;
done_testing();
