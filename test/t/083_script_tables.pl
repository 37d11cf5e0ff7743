# The files of zdm.script() on tables of all sorts and in sessions of all sorts: what is
# no heap, what has policies for its owner, and settings that others have made for the role.
#
# long

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";

use Test::More;
use ZdmScript;
use ZdmTest;

my ($maker, $bare) = script_servers();

# files(name, call): their paths by number.
sub files
{
	my ($place, @files) = script_write(@_);

	return { map { /^(\d+)_/ ? ($1 => "$place/$_") : () } @files };
}

# run(name, files, numbers): each twice.
sub run
{
	my ($name, $files, @numbers) = @_;

	for my $number (@numbers)
	{
		for my $time (1, 2)
		{
			my ($code, $err) = script_psql($name, '-f', $files->{$number});
			is($code, 0, "$name: $number, time $time") or diag($err);
		}
	}
	return;
}

# fails(name, file, error)
sub fails
{
	my ($name, $file, $error, $what) = @_;
	my ($code, $err) = script_psql($name, '-f', $file);

	isnt($code, 0, "$what: it fails");
	like($err, $error, $what);
	return;
}

# as_plain(name, ddl): the same outcome, and the same rows.
sub as_plain
{
	my ($name, $ddl, $rows) = @_;
	my $sum = "SELECT md5(string_agg(r::text, ',' ORDER BY r::text)) FROM ($rows) r";

	script_nothing_left($name);
	$bare->safe_psql("plain_$name", "SET ROLE own; $ddl");
	is(script_shape($name), script_shape("plain_$name"), "$ddl: the outcome of plain DDL");
	is($bare->safe_psql($name, $sum), $bare->safe_psql("plain_$name", $sum), "$ddl: all rows are the same");
	return;
}

# What is no heap is walked through by its key, each partition as it is kept: a range of
# ctid would be looked for in all of it, each time.
{
	my $tables = <<'EOS';
CREATE TABLE s.p (id int, "k'e}y" text, v text, PRIMARY KEY ("k'e}y", id)) PARTITION BY RANGE (id);
CREATE TABLE s.p2 PARTITION OF s.p FOR VALUES FROM (1000) TO (100000);
SET default_table_access_method = KEPT;
CREATE TABLE s.p1 PARTITION OF s.p FOR VALUES FROM (0) TO (1000);
CREATE TABLE s.nokey (id int, v text);
RESET default_table_access_method;
CREATE TABLE s.far (id int, v text) PARTITION BY LIST (id);
INSERT INTO s.p SELECT i, E'a''\\b' || i % 7, i FROM generate_series(1, 2000) i;
INSERT INTO s.nokey SELECT i, i FROM generate_series(1, 100) i
EOS
	script_prepare('noheap', $tables =~ s/KEPT/heap/r);
	for my $name ('noheap', 'plain_noheap')
	{
		$bare->safe_psql($name, 'DROP SCHEMA s CASCADE; CREATE SCHEMA s AUTHORIZATION own;
			CREATE FUNCTION public.noheap(internal) RETURNS table_am_handler LANGUAGE c AS $$zdm_test$$, $$zdm_test_tableam_without_ranges$$;
			CREATE ACCESS METHOD noheap TYPE TABLE HANDLER public.noheap; SET ROLE own; ' . ($tables =~ s/KEPT/noheap/r));
	}
	# whoever need not read all of a table does not
	$bare->safe_psql('noheap', 'ALTER ROLE own IN DATABASE noheap SET enable_seqscan = off; ANALYZE');

	my $files = files('noheap', q{'ALTER TABLE s.p ALTER COLUMN v TYPE int', up => 'v::int', down => 'v::text'});
	run('noheap', $files, 10, 20, 30, 40, 90, 10, 20, 30, 40, 50);
	as_plain('noheap', 'ALTER TABLE s.p ALTER COLUMN v TYPE int USING v::int', q[SELECT id, "k'e}y", v FROM s.p]);
	$maker->safe_psql('noheap', 'SET zdm.guard = off; SET ROLE own; ALTER TABLE s.p ALTER COLUMN v TYPE int USING v::int');

	# a column of the key itself
	for my $ddl (q[ALTER TABLE s.p RENAME COLUMN "k'e}y" TO key], 'ALTER TABLE s.p ALTER COLUMN key TYPE varchar(20)')
	{
		$files = files('noheap', "\$ddl\$$ddl\$ddl\$");
		run('noheap', $files, 10, 20, 30, 40, 90) if $files->{90};
		run("noheap", $files, grep { $_ != 90 } sort keys %$files);
		as_plain('noheap', $ddl, 'SELECT id, key, v FROM s.p');
		$maker->safe_psql('noheap', "SET zdm.guard = off; SET ROLE own; $ddl");
	}
	my $scans = $bare->safe_psql('noheap', q{SELECT seq_scan FROM pg_stat_user_tables WHERE relid = 's.p1'::regclass});
	my $batches = $bare->safe_psql('noheap', q{SELECT idx_scan FROM pg_stat_user_tables WHERE relid = 's.p1'::regclass});
	cmp_ok($scans, '<', 40, "all of it is read a few times, and not once a batch ($batches reads of the index)");

	$files = files('noheap', q{'ALTER TABLE s.nokey ALTER COLUMN v TYPE int', up => 'v::int', down => 'v::text'});
	run('noheap', $files, 10);
	fails('noheap', $files->{20}, qr/s\.nokey is no heap, and has no key/, 'without a key it is said');
	run('noheap', $files, 90);
	script_nothing_left('noheap');

	# a partition that is elsewhere has come since the files were made
	$files = files('noheap', q{'ALTER TABLE s.far RENAME COLUMN v TO w'});
	run('noheap', $files, 10);
	$bare->safe_psql('noheap', 'CREATE FOREIGN DATA WRAPPER none; CREATE SERVER none FOREIGN DATA WRAPPER none; GRANT USAGE ON FOREIGN SERVER none TO own;
		SET ROLE own; CREATE FOREIGN TABLE s.away PARTITION OF s.far FOR VALUES IN (1) SERVER none');
	fails('noheap', $files->{20}, qr/partition s\.away is a foreign table/, 'rows that are elsewhere are not left out in silence');
	$bare->safe_psql('noheap', 'DROP FOREIGN TABLE s.away');
	run('noheap', $files, 20, 30, 40, 50);
	script_nothing_left('noheap');
}

# What others have set for the role does not change what is done.
{
	script_prepare('set', <<'EOS');
CREATE TABLE s.t (id int PRIMARY KEY, d text CHECK (d ~ '^\d\d/\d' AND d <> 'a\b'), n text NOT NULL DEFAULT '1.5');
CREATE INDEX ON s.t (n) WHERE d ~ '^\d';
INSERT INTO s.t SELECT i, '03/04/20' || 10 + i % 10, i / 2.0 FROM generate_series(1, 300) i
EOS
	$bare->safe_psql('postgres', <<'EOS');
ALTER ROLE own IN DATABASE set SET default_transaction_read_only = on;
ALTER ROLE own IN DATABASE set SET default_transaction_isolation = 'serializable';
ALTER ROLE own IN DATABASE set SET standard_conforming_strings = off;
ALTER ROLE own IN DATABASE set SET "DateStyle" = 'German';
ALTER ROLE own IN DATABASE set SET lock_timeout = '1ms';
EOS
	$maker->safe_psql('postgres', 'ALTER ROLE own IN DATABASE set SET standard_conforming_strings = off');
	for my $case (
		[ q{'ALTER TABLE s.t ALTER COLUMN n TYPE numeric', up => 'n::numeric', down => 'n::text'}, 'ALTER TABLE s.t ALTER COLUMN n DROP DEFAULT, ALTER COLUMN n TYPE numeric USING n::numeric, ALTER COLUMN n SET DEFAULT 1.5' ],
		[ q{'ALTER TABLE s.t ALTER COLUMN d TYPE varchar(12)'}, 'ALTER TABLE s.t ALTER COLUMN d TYPE varchar(12)' ],
		[ q{'ALTER TABLE s.t RENAME COLUMN d TO e'}, 'ALTER TABLE s.t RENAME COLUMN d TO e' ])
	{
		my ($call, $ddl) = @$case;
		my $files = files('set', $call);

		run('set', $files, grep { $_ != 90 } sort keys %$files);
		$bare->safe_psql('plain_set', "SET ROLE own; $ddl");
		$maker->safe_psql('set', "SET zdm.guard = off; SET standard_conforming_strings = on; SET ROLE own; $ddl");
		script_nothing_left('set');
		is($bare->safe_psql('set', 'SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $$t_d_check$$') =~ s/::character varying|\(|\)|::text//gr,
			$bare->safe_psql('plain_set', 'SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $$t_d_check$$') =~ s/::character varying|\(|\)|::text//gr, "$ddl: the same CHECK");
	}
}

# A table whose owner has policies too: rows that he does not see are not left out in silence.
{
	script_prepare('forced', 'CREATE TABLE s.t (id int PRIMARY KEY, v int); INSERT INTO s.t SELECT i, i FROM generate_series(1, 100) i;
		CREATE POLICY late ON s.t USING (id > 50); ALTER TABLE s.t ENABLE ROW LEVEL SECURITY');
	my $files = files('forced', q{'ALTER TABLE s.t RENAME COLUMN v TO w'});

	run('forced', $files, 10);
	$bare->safe_psql('forced', 'ALTER TABLE s.t FORCE ROW LEVEL SECURITY');
	fails('forced', $files->{20}, qr/row-level security/, 'a policy would keep rows from the batches');
	$bare->safe_psql('forced', 'ALTER TABLE s.t NO FORCE ROW LEVEL SECURITY');
	run('forced', $files, 20, 30, 40, 50);
	script_nothing_left('forced');
	is($bare->safe_psql('forced', 'SELECT count(*) FROM s.t WHERE w = id'), 100, 'all rows are there');
}

# What writes the table anew, or gives it another shape, says why there is no script.
{
	script_prepare('anew', 'CREATE TABLE s.t (id int PRIMARY KEY, v text, at date NOT NULL)');
	for my $case (
		[ q{'VACUUM FULL s.t'}, qr/written anew.*pg_repack --no-order.*keeps readers and writers of s\.t out, for about/s ],
		[ q{zdm.rewrite('s.t', 'at DESC')}, qr/written anew.*pg_repack --order-by/s ],
		[ q{'ALTER TABLE s.t SET UNLOGGED'}, qr/written anew.*No tool/s ],
		[ q{zdm.rewrite('s.t', columns => ARRAY['at', 'id', 'v'])}, qr/gets another shape.*By hand: a second table/s ],
		[ q{zdm.partition_table('s.t', 'RANGE (id)', ARRAY['t1 FOR VALUES FROM (MINVALUE) TO (1000)', 't2 DEFAULT'])}, qr/gets another shape/ ])
	{
		my ($call, $reason) = @$case;
		my %files = script_files('anew', $call);

		is_deeply([ sort keys %files ], ['10_expand.sql'], "$call: one file");
		like($files{'10_expand.sql'}, $reason, 'with the reason');
		like($files{'10_expand.sql'}, qr/RAISE feature_not_supported/, 'which it raises');
	}
}

# What up calls is not there: said before anything is done.
{
	script_prepare('missing', 'CREATE TABLE s.t (id int PRIMARY KEY, v text); INSERT INTO s.t VALUES (1, $$1$$);
		CREATE FUNCTION s.up(text) RETURNS int IMMUTABLE LANGUAGE sql AS $$SELECT $1::int$$');
	my $files = files('missing', q{'ALTER TABLE s.t ALTER COLUMN v TYPE int', up => 's.up(v)', down => 'v::text'});

	$bare->safe_psql('missing', 'ALTER FUNCTION s.up RENAME TO other');
	fails('missing', $files->{10}, qr/function s\.up\(text\) does not exist/, 'a function that is missing there');
	is($bare->safe_psql('missing', q{INSERT INTO s.t VALUES (2, '2') RETURNING id}), 2, 'and writers go on');
	$bare->safe_psql('missing', 'ALTER FUNCTION s.other RENAME TO up');
	run('missing', $files, 10, 20, 30, 40, 50);
	script_nothing_left('missing');
}

done_testing();
