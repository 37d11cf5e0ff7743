# 093_small_disk.pl: a table, and the WAL, on file systems of a few megabytes: a
# backfill, or a copy, holds before they are full, says which it is, and goes on when
# there is room again; one that is full is no failure.  Needs a kernel that lets everybody
# mount a tmpfs in a namespace of his own.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $place = PostgreSQL::Test::Utils::tempdir;
my ($uid, $gid) = ($<, $( + 0);

# What is run sees file systems of its own at the two places, and nobody else does.
my $mounted = 'mount -t tmpfs -o size=80m,mode=700 none "$1/space" && mount -t tmpfs -o size=256m,mode=700 none "$1/wal" '
  . '&& cp -R "$1/pg_wal/." "$1/wal" && shift && exec unshare -U --map-user=' . $uid . " --map-group=$gid " . '"$@"';

mkdir "$place/$_" for qw(space wal pg_wal);
plan skip_all => 'no mounts of one\'s own here'
  if $uid == 0 || system("unshare -rm sh -c '$mounted' sh $place true >/dev/null 2>&1") != 0;

my $node = zdm_node('small', conf => <<'EOC');
zdm.guard = off
zdm.batch_rest = 0
autovacuum = off
max_wal_size = 64MB
min_wal_size = 32MB
EOC

sub sql { return $node->safe_psql('postgres', $_[0]) }

# the WAL moves, and the server starts where the places are small
$node->stop;
my $data = $node->data_dir;
system('cp', '-R', "$data/pg_wal/.", "$place/pg_wal") == 0 && system('rm', '-r', "$data/pg_wal") == 0 or die 'the WAL cannot be moved';
symlink("$place/wal", "$data/pg_wal") or die "no link to the WAL: $!";
system('unshare', '-rm', 'sh', '-c', $mounted, 'sh', $place,
	'pg_ctl', 'start', '-s', '-w', '-D', $data, '-l', $node->logfile) == 0 or die 'the server does not start';
$node->_update_pid(1);

# A file that takes room, or none.
sub fill
{
	my ($where, $megabytes) = @_;

	my ($code, undef, $error) = $node->psql('postgres',
		"COPY (SELECT repeat('x', 1048575) FROM generate_series(1, $megabytes)) TO '$place/$where/filler'");

	die "the file is not written: $error" if $code != 0 && $error !~ /No space left/;
	return;
}

sub says
{
	my ($id, $pattern) = @_;
	my $said;

	eval {
		wait_for("migration $id to wait for $pattern",
			sub { ($said = sql("SELECT waiting_for FROM zdm.progress WHERE id = $id")) =~ $pattern });
	};
	die "$@ it is " . sql("SELECT p FROM zdm.progress p WHERE id = $id") if $@;
	return $said;
}

sub ends_well
{
	my ($id, $name) = @_;

	wait_for_state($node, $id, 'ready');
	is(rows_that_differ($node, 't', 'a', 'b'), 0, "$name: it goes on when there is room");
	sql("SELECT zdm.revert($id); CALL zdm.wait($id)");
	return;
}

sql("CREATE TABLESPACE small LOCATION '$place/space'");
sql("CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, pad text) TABLESPACE small; "
	  . "INSERT INTO t SELECT i, 'v' || i, repeat('x', 100) FROM generate_series(1, 40000) i");
my $rename = "SET zdm.min_free_disk = '40MB'; SELECT zdm.rename_column('t', 'a', 'b')";

fill('space', 45);
my $id = sql($rename);
like(says($id, qr/file system/), qr{^the file system of "pg_tblspc/\d+", which has \d\d MB free; \d+ MB are still to be written \(zdm.min_free_disk is 40 MB; it goes on with 57 beside them\)$}, 'the tablespace has too little');
fill('space', 0);
ends_well($id, 'tablespace');

# a whole copy is to find room: where it is to be, not where the table is
sql("CREATE TABLE m (id int PRIMARY KEY, pad text); INSERT INTO m SELECT i, repeat('x', 1000) FROM generate_series(1, 6000) i");
fill('space', 30);
$id = sql("SET zdm.min_free_disk = '40MB'; SELECT zdm.migrate('ALTER TABLE m SET TABLESPACE small')");
like(says($id, qr/file system/), qr{^the file system of "pg_tblspc/\d+", which has \d\d MB free; [67] MB are still to be written \(zdm.min_free_disk is 40 MB; it goes on with 57 beside them\)$}, 'the tablespace has too little for a copy');
is(sql("SELECT count(*) FROM zdm_${id}_m"), 0, 'and none is begun');
fill('space', 0);
wait_for_state($node, $id, 'completed');
is(sql("SELECT spcname FROM pg_tablespace s JOIN pg_class c ON s.oid = c.reltablespace WHERE c.oid = 'm'::regclass"), 'small', 'it goes on when there is room');
sql('DROP TABLE m');

fill('wal', 190);
$id = sql($rename);
like(says($id, qr/file system/), qr{^the file system of "pg_wal", which has \d+ MB free}, 'the WAL has too little');
fill('wal', 0);
ends_well($id, 'WAL');

# likewise a second table of another shape: made, it holds before it is filled, can be given up, and goes on
sql('DROP TABLE t');
my $halves = "ARRAY['KIND_a FOR VALUES FROM (MINVALUE) TO (2000)', 'KIND_b FOR VALUES FROM (2000) TO (MAXVALUE)']";
my %call = (
	copy => "zdm.partition_table('copy', 'RANGE (id)', $halves)",
	whole => "zdm.unpartition_table('whole')",
	split => "zdm.split_partition('split_1', $halves)",
	place => "zdm.change_column_type('place', 'n', 'bigint', keep_place => true)",
	computed => "zdm.migrate('ALTER TABLE computed ADD COLUMN twice int GENERATED ALWAYS AS (n * 2) STORED')");
my @kinds = sort keys %call;
my %id;

for my $kind (@kinds)
{
	my $parts = $kind =~ /whole|split/;

	sql("CREATE TABLE $kind (id int PRIMARY KEY, n int, pad text) " . ($parts ? "PARTITION BY RANGE (id) TABLESPACE small; CREATE TABLE ${kind}_1 PARTITION OF $kind DEFAULT; " : 'TABLESPACE small; ')
		  . "INSERT INTO $kind SELECT i, i, repeat('x', 1000) FROM generate_series(1, 3500) i");
	$call{$kind} =~ s/KIND/$kind/g;
}

# So many megabytes are left beside the tables.
sub leave
{
	fill('space', 80 - $_[0] - sql("SELECT pg_tablespace_size('small') / 1024 / 1024"));
	return;
}

sub state_all
{
	$id{$_} = sql("SET zdm.min_free_disk = '20MB'; SELECT $call{$_}") for @_;
	return;
}

sub holds
{
	my ($kind, $name) = @_;

	like(says($id{$kind}, qr/file system/), qr{^the file system of "pg_tblspc/\d+", which has \d+ MB free; [45] MB are still to be written \(zdm.min_free_disk is 20 MB; it goes on with 29 beside them\)$}, $name);
	return;
}

leave(22);
state_all(@kinds);
for my $kind (@kinds)
{
	holds($kind, "$kind: the tablespace has too little");
	sql("UPDATE $kind SET n = -1 WHERE id = 7; SELECT zdm.revert($id{$kind})");
	wait_for_state($node, $id{$kind}, 'reverted');
	is(sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'zdm\\_$id{$kind}\\_%'"), 0, "$kind: it can be given up meanwhile");
}
state_all(@kinds);
holds($_, "$_: and again") for @kinds;
fill('space', 0);
for my $kind (@kinds)
{
	wait_for_state($node, $id{$kind}, $kind eq 'split' ? 'completed' : 'ready');
	is(sql("SELECT count(*) FROM $kind WHERE n = -1"), 1, "$kind: it goes on when there is room");
	sql("SELECT zdm.revert($id{$kind})") if $kind !~ /split|copy/;
}

# on the way back, too, where all rows have to be copied
sql("SELECT zdm.cutover($id{copy})");
wait_for_state($node, $id{copy}, 'switched');
sql('CREATE TEMP TABLE were AS TABLE copy; TRUNCATE copy; INSERT INTO copy TABLE were');
leave(14);
sql("SELECT zdm.revert($id{copy})");
holds('copy', 'on the way back the tablespace has too little');
fill('space', 0);
wait_for_state($node, $id{copy}, 'reverted');
is(sql("SELECT count(*), relkind FROM copy, pg_class c WHERE c.oid = 'copy'::regclass GROUP BY 2"), '3500|r', 'and it goes back when there is room');
sql("CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, pad text) TABLESPACE small; INSERT INTO t SELECT i, 'v' || i, repeat('x', 100) FROM generate_series(1, 40000) i");

# full to the last byte, and nobody told it to hold
fill('space', 100);
$id = sql("SET zdm.min_free_disk = 0; SELECT zdm.rename_column('t', 'a', 'b')");
like(says($id, qr/another try/), qr/^another try after: could not (extend|write to|write block \d+ in) file .*No space left on device/, 'a full disk is waited for');
is(migration_state($node, $id), 'migrating', 'and is no failure');
fill('space', 0);
ends_well($id, 'full');

$node->stop;
done_testing();
