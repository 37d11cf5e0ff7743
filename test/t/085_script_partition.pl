# The files of zdm.script() of a table that becomes the first partition of the one that takes
# its name, run by a plain owner without the library, under load, broken off and killed; and
# what they refuse, for what has no statement that moves it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";

use Test::More;
use ZdmScript;
use ZdmTest;

my ($maker, $bare) = script_servers();

seed_random();

# fails(name, file, error, what): and nothing is changed.
sub fails
{
	my ($name, $file, $error, $what) = @_;
	my $before = script_shape($name);
	my ($code, $err) = script_psql($name, '-f', $file);

	isnt($code, 0, "$what: it fails");
	like($err, $error, $what);
	is(script_shape($name), $before, "$what: nothing is changed");
	return;
}

# There, back, and there again, as the extension does it.
{
	my $call = q{zdm.partition_table('s."Ev""e{n}t''s"', 'RANGE (at)', every => '1 month', ahead => 2, primary_key => 'id, at', way => 'attach')};
	script_prepare('attach', <<'EOS');
CREATE TABLE s.kind (id int PRIMARY KEY);
INSERT INTO s.kind VALUES (1), (2);
CREATE TABLE s."Ev""e{n}t's" (gone int, id bigserial, at timestamptz NOT NULL, kind int DEFAULT 1 REFERENCES s.kind ON DELETE CASCADE,
	v text COLLATE "C", n int CHECK (n > 0), twice int GENERATED ALWAYS AS (n * 2) STORED, CONSTRAINT "P'k" PRIMARY KEY (id)) WITH (fillfactor = 80);
ALTER TABLE s."Ev""e{n}t's" DROP COLUMN gone, ALTER COLUMN v SET STORAGE EXTERNAL, ALTER COLUMN n SET STATISTICS 300;
CREATE INDEX "Ev""e{n}t's_at" ON s."Ev""e{n}t's" (at DESC) INCLUDE (n);
CREATE INDEX other ON s."Ev""e{n}t's" (lower(v)) WHERE n > 5;
ALTER TABLE s."Ev""e{n}t's" ADD CONSTRAINT b2 UNIQUE (n, at, id);
COMMENT ON TABLE s."Ev""e{n}t's" IS 'it''s';
COMMENT ON COLUMN s."Ev""e{n}t's".at IS 'when';
COMMENT ON INDEX s.other IS 'oth%er';
COMMENT ON CONSTRAINT b2 ON s."Ev""e{n}t's" IS 'con';
INSERT INTO s."Ev""e{n}t's" (at, v, n) SELECT timestamptz '2024-01-01 UTC' + g * interval '2 hours', g, 1 + g % 10 FROM generate_series(1, 2000) g
EOS
	my $files = script_paths('attach', undef, $call);
	my $load = script_load('attach', <<'EOS');
\set i random(1, 2000)
UPDATE s."Ev""e{n}t's" SET n = n + 1 WHERE id = :i;
INSERT INTO s."Ev""e{n}t's" (at, n, v) VALUES ('2024-02-02'::timestamptz + :i * interval '1 hour', 5, 'new') ON CONFLICT DO NOTHING;
SELECT count(*), max(n) FROM s."Ev""e{n}t's" WHERE at BETWEEN '2024-01-10' AND '2024-01-11';
DELETE FROM s."Ev""e{n}t's" WHERE id > 2000 AND id % 2000 = :i;
EOS

	is(join(' ', sort keys %$files), '10 40 50 90', 'the files');
	script_run('attach', $files->{$_}) for 10, 40;
	is($bare->safe_psql('attach', q{SELECT relkind FROM pg_class WHERE oid = 's."Ev""e{n}t''s"'::regclass}), 'p', 'it is partitioned');
	script_run('attach', $files->{90});
	script_nothing_left('attach');
	is(script_shape('attach'), script_shape('plain_attach'), 'back to where it was');
	script_run('attach', $files->{$_}) for 10, 40;

	# a row that no partition would take
	$bare->safe_psql('attach', q{INSERT INTO s."Ev""e{n}t's" (id, at, v) VALUES (-1, '2031-01-01', 'far')});
	fails('attach', $files->{50}, qr/a row is beyond the bound.*far/s, 'a row beyond the bound');
	$bare->safe_psql('attach', q{DELETE FROM s."Ev""e{n}t's" WHERE v = 'far'});
	script_run('attach', $files->{50});
	script_stop_load($load, 'attach');
	script_nothing_left('attach');
	is($bare->safe_psql('attach', q{SELECT count(*), sum(twice - 2 * n) FROM s."Ev""e{n}t's" WHERE id <= 2000}), '2000|0', 'all rows are there');

	my $id = $maker->safe_psql('attach', "SET ROLE own; SELECT $call");
	wait_for_state($maker, $id, 'ready', 'attach');
	$maker->safe_psql('attach', "SELECT zdm.cutover($id)");
	wait_for_state($maker, $id, 'switched', 'attach');
	$maker->safe_psql('attach', "SELECT zdm.contract($id)");
	wait_for_state($maker, $id, 'completed', 'attach');
	is(script_shape('attach'), script_shape('attach', $maker), 'the outcome of the extension');
}

# A list of bounds, a key that stays, and a default partition.
{
	my $call = q{zdm.partition_table('s.t', 'RANGE (at)', ARRAY['s.old FOR VALUES FROM (MINVALUE) TO (''2024-02-01'')', 's.rest DEFAULT'], way => 'attach')};
	script_prepare('list', 'CREATE TABLE s.t (id int, at date, PRIMARY KEY (id, at)); INSERT INTO s.t SELECT i, \'2024-01-01\' FROM generate_series(1, 100) i');
	my $files = script_paths('list', undef, $call);
	my ($code, $err);

	# what came since the files were made stops the exchange by name, and contract proves without a read under a strong lock
	script_run('list', $files->{10}) if $files->{10};
	$bare->safe_psql('list', 'SET ROLE own; CREATE VIEW s.w AS SELECT id FROM s.t');
	fails('list', $files->{40}, qr/cannot move to the partitioned table: view s\.w/, 'a view that has come since');
	$bare->safe_psql('list', 'DROP VIEW s.w');
	script_run('list', $files->{40});

	# the way back does not know other partitions
	$bare->safe_psql('list', q{SET ROLE own; CREATE TABLE s.more PARTITION OF s.t FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')});
	fails('list', $files->{90}, qr/other partitions have come since: s\.more/, 'another partition');
	$bare->safe_psql('list', 'DROP TABLE s.more');

	# DETACH would read what refers to the partition, with everybody waiting
	$bare->safe_psql('list', 'SET ROLE own; CREATE TABLE s.refers (id int, at date, CONSTRAINT "to T" FOREIGN KEY (id, at) REFERENCES s.t)');
	fails('list', $files->{90}, qr/foreign keys to the table have come since: "to T" of s\.refers/, 'a foreign key, on the way back');
	($code, $err) = script_psql('list', '-f', $files->{50});
	isnt($code, 0, 'a foreign key, at contract');
	like($err, qr/foreign keys to the table have come since: "to T" of s\.refers/, 'is named');
	$bare->safe_psql('list', 'DROP TABLE s.refers');
	script_run('list', $files->{50});
	script_nothing_left('list');
	is($bare->safe_psql('list', 'SELECT tableoid::regclass, count(*) FROM s.t GROUP BY 1'), 's.old|100', 'the rows are where they were');
	is($bare->safe_psql('list', q{SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname IN ('old', 'rest') ORDER BY relname}),
		"FOR VALUES FROM (MINVALUE) TO ('2024-02-01')\nDEFAULT", 'the bounds');
}

# What has no statement that moves it is said in the script's place.
{
	script_prepare('hangs', <<'EOS');
CREATE TABLE s.t (id int PRIMARY KEY, at date NOT NULL, i int GENERATED ALWAYS AS IDENTITY);
CREATE VIEW s.w AS SELECT id FROM s.t;
CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER tr BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.f();
CREATE POLICY p ON s.t;
CREATE STATISTICS s.st ON id, at FROM s.t;
EOS
	my %files = script_files('hangs', q{zdm.partition_table('s.t', 'RANGE (at)', every => '1 month', primary_key => 'id, at', way => 'attach')});

	is_deeply([ sort keys %files ], ['10_expand.sql'], 'one file');
	like($files{'10_expand.sql'}, qr/what hangs on s\.t: \Q$_\E|, \Q$_\E/, "it names $_")
	  for 'view s.w', 'trigger tr', 'policy p', 'statistics object st', 'identity column i';
	like($files{'10_expand.sql'}, qr/RAISE feature_not_supported/, 'which it raises');
}

done_testing();
