# 031_guard_fuzz.pl: random DDL and random bytes through zdm.check() and the
# guard.  Nothing may crash, no internal error may come out, and a session's
# memory may not grow.  ZDM_FUZZ=n sets the number of statements.
#
# long

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $count = $ENV{ZDM_FUZZ} // 3000;
my $node = zdm_node('fuzz', conf => "log_min_messages = panic\nlog_min_error_statement = panic");

seed_random();
$node->safe_psql('postgres', q{
	CREATE SCHEMA s;
	CREATE DOMAIN d AS int CHECK (VALUE > 0);
	CREATE TYPE e AS ENUM ('a', 'b');
	CREATE TYPE c AS (x int, y text);
	CREATE TABLE big (a int PRIMARY KEY, b text, c varchar(10), d d, e e, f timestamp);
	INSERT INTO big SELECT g, 'x', 'y', 1, 'a', now() FROM generate_series(1, 20000) g;
	CREATE TABLE s.t (a int PRIMARY KEY, b int REFERENCES big, c text UNIQUE);
	CREATE TABLE p (a int, b text) PARTITION BY RANGE (a);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
	CREATE TABLE pd PARTITION OF p DEFAULT;
	CREATE TABLE kid () INHERITS (s.t);
	CREATE VIEW v AS SELECT a, b FROM big;
	CREATE MATERIALIZED VIEW m AS SELECT a FROM big;
	CREATE SEQUENCE q;
	CREATE INDEX i ON big (lower(b)) WHERE a > 0;
	CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
	CREATE PUBLICATION pub FOR TABLE big;
	ANALYZE;
});

# A grammar: a word with an entry is replaced by one of its texts.
my %grammar = (
	START => [
		'ALTER TABLE TABLE ACTION', 'ALTER TABLE TABLE ACTION, ACTION', 'ALTER TABLE TABLE ACTION, ACTION, ACTION',
		'CREATE UNIQUE INDEX MAYBE ON TABLE (COLUMN)', 'CREATE INDEX MAYBE ON TABLE (COLUMN, (EXPR))',
		'CREATE INDEX ON ONLY TABLE (COLUMN) WHERE EXPR', 'DROP KIND TABLE BEHAVIOR', 'DROP INDEX MAYBE i',
		'TRUNCATE TABLE, TABLE BEHAVIOR', 'VACUUM FULL TABLE', 'CLUSTER TABLE', 'CLUSTER', 'REINDEX TABLE MAYBE TABLE',
		'REINDEX SCHEMA s', 'REFRESH MATERIALIZED VIEW MAYBE m', 'CREATE TABLE n (COLUMN TYPE CONSTRAINT, LIKE TABLE INCLUDING ALL)',
		'CREATE TABLE n PARTITION OF TABLE FOR VALUES FROM (20) TO (30)', 'CREATE TABLE n PARTITION OF TABLE DEFAULT', 'CREATE TABLE n AS SELECT * FROM TABLE', 'CREATE TABLE n AS EXECUTE prepared', 'EXPLAIN ANALYZE CREATE TABLE n AS SELECT 1',
		'CREATE MATERIALIZED VIEW n AS SELECT * FROM TABLE WITH NO DATA', 'COPY (DELETE FROM TABLE RETURNING *) TO STDOUT',
		'CREATE OR REPLACE VIEW v AS SELECT a, b, c FROM TABLE', 'GRANT ALL ON TABLE TO PUBLIC', 'REVOKE ALL ON ALL TABLES IN SCHEMA s FROM PUBLIC',
		'ALTER DOMAIN d ADD CHECK (VALUE < 10)', 'ALTER DOMAIN d SET NOT NULL', 'ALTER TYPE e ADD VALUE TEXT', 'ALTER TYPE c DROP ATTRIBUTE x',
		'ALTER TYPE e RENAME VALUE TEXT TO TEXT', 'DROP FUNCTION f(int) BEHAVIOR', 'DROP TYPE e BEHAVIOR', 'DROP SCHEMA s BEHAVIOR',
		'CREATE POLICY x ON TABLE USING (EXPR)', 'CREATE PUBLICATION x FOR TABLE TABLE', 'CREATE PUBLICATION x FOR ALL TABLES', 'LOCK TABLE TABLE',
		'ALTER SEQUENCE q RESTART WITH 1', 'CREATE FUNCTION f(int, int DEFAULT 1) RETURNS int LANGUAGE sql AS TEXT', 'SELECT f(1)',
		'UPDATE TABLE SET COLUMN = EXPR', 'DELETE FROM TABLE WHERE EXPR', 'INSERT INTO TABLE SELECT * FROM TABLE', 'COPY TABLE TO STDOUT',
		'DO TEXT', 'BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT x', 'ROLLBACK TO x', 'SET search_path = s, public', 'RESET search_path',
		'ALTER TABLE TABLE RENAME TO n', 'ALTER TABLE TABLE RENAME COLUMN TO z', 'ALTER TABLE TABLE RENAME CONSTRAINT x TO y',
		'ALTER TABLE TABLE SET SCHEMA s', 'ALTER INDEX i SET TABLESPACE pg_default', 'ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE pg_global',
		'CREATE RULE r AS ON INSERT TO TABLE DO NOTHING', 'DROP OWNED BY CURRENT_USER', 'CREATE TRIGGER t BEFORE INSERT ON TABLE EXECUTE FUNCTION f()'
	],
	TABLE => [qw(big s.t p p1 pd kid v m n q i c nowhere pg_class zdm.migration)],
	COLUMN => [qw(a b c d e f x z)],
	TYPE => [ qw(int bigint text varchar(20) varchar d e c numeric timestamptz int[] serial nothing), 'text COLLATE "C"' ],
	EXPR => [qw(a b a>0 lower(b) now() random() f(a) NULL 1 a/0 (SELECT(1)) big q::text), 'a IS NOT NULL', 'b = TEXT'],
	TEXT => [q('a'), q('z'), q(''), q('SELECT 1'), q('BEGIN DROP TABLE big; END'), q('BEGIN PERFORM nextval(''q''); END')],
	MAYBE => [ '', 'CONCURRENTLY' ],
	KIND => [qw(TABLE VIEW SEQUENCE INDEX), 'MATERIALIZED VIEW'],
	BEHAVIOR => [ '', 'CASCADE', 'RESTRICT' ],
	CONSTRAINT => [
		'', 'NOT NULL', 'DEFAULT EXPR', 'UNIQUE', 'PRIMARY KEY', 'CHECK (EXPR)', 'REFERENCES big', 'NOT NULL DEFAULT EXPR',
		'GENERATED ALWAYS AS (EXPR) STORED', 'GENERATED ALWAYS AS IDENTITY'
	],
	ACTION => [
		'ADD COLUMN COLUMN TYPE CONSTRAINT', 'DROP COLUMN COLUMN BEHAVIOR', 'ALTER COLUMN TYPE TYPE', 'ALTER COLUMN COLUMN TYPE TYPE',
		'ALTER COLUMN COLUMN TYPE TYPE USING EXPR', 'ALTER COLUMN COLUMN SET NOT NULL', 'ALTER COLUMN COLUMN DROP NOT NULL',
		'ALTER COLUMN COLUMN SET DEFAULT EXPR', 'ALTER COLUMN COLUMN DROP DEFAULT', 'ADD CONSTRAINT x CHECK (EXPR)',
		'ADD CONSTRAINT x CHECK (EXPR) NOT VALID', 'VALIDATE CONSTRAINT x', 'DROP CONSTRAINT x BEHAVIOR', 'ADD PRIMARY KEY (COLUMN)',
		'ADD UNIQUE (COLUMN)', 'ADD UNIQUE USING INDEX i', 'ADD FOREIGN KEY (COLUMN) REFERENCES TABLE', 'SET LOGGED', 'SET UNLOGGED',
		'SET TABLESPACE pg_default', 'ENABLE ROW LEVEL SECURITY', 'REPLICA IDENTITY NOTHING', 'OWNER TO CURRENT_USER', 'SET (fillfactor = 50)',
		'ATTACH PARTITION TABLE FOR VALUES FROM (20) TO (30)', 'ATTACH PARTITION TABLE DEFAULT', 'DETACH PARTITION TABLE', 'DETACH PARTITION TABLE CONCURRENTLY',
		'INHERIT TABLE', 'NO INHERIT TABLE', 'DISABLE TRIGGER ALL', 'ADD EXCLUDE USING btree (COLUMN WITH =)', 'ALTER COLUMN COLUMN ADD GENERATED ALWAYS AS IDENTITY'
	],
);

# The words of a rule are replaced from left to right; SQL's own words that are
# rules too (TABLE, COLUMN, TYPE) are kept where the grammar says them first.
sub expand
{
	my ($text, $depth) = @_;
	my @out;

	for my $word (split /(\W+)/, $text)
	{
		my $keep = !exists $grammar{$word} || $depth > 8
		  || ($word =~ /^(TABLE|COLUMN|TYPE)$/ && is_keyword($word, \@out));
		push @out, $keep ? $word : expand(pick(@{ $grammar{$word} }), $depth + 1);
	}
	return join '', @out;
}

sub is_keyword
{
	my ($word, $out) = @_;
	my $before = join '', @$out;

	return 0 if $before =~ /\bTABLE\s+$/;
	return $before =~ /(^|\b(ALTER|CREATE|DROP|FOR|LOCK|REINDEX|MAYBE|ADD|RENAME|COLUMN \w+)\s+)$/;
}

sub random_bytes
{
	return join '', map { chr(1 + int rand 126) } 1 .. 1 + int rand 60;
}

sub quote
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	$text =~ s/\\/\\\\/g;
	return "E'$text'";
}

my $half = int($count / 2);
my $script = "\\set ON_ERROR_STOP off\nSET zdm.guard = refuse; SET zdm.guard_min_size = '512kB'; SET statement_timeout = '10s';\n";
my $memory = "SELECT 'memory', sum(total_bytes) FROM pg_backend_memory_contexts;\n";

# zdm.check: several statements at a time, all in one session
for my $n (1 .. $half)
{
	my $text = rand() < 0.1 ? random_bytes() : join ';', map { expand('START', 0) } 1 .. 1 + int rand 4;

	$script .= 'SELECT 1 FROM zdm.check(' . quote($text) . ") WHERE false;\n";
	$script .= $memory if $n == int($half / 2) || $n == $half;
}
my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$script", on_error_stop => 0);
my @memory = $out =~ /memory\|(\d+)/g;
is($code, 0, 'zdm.check: the session survives');
unlike($err, qr/XX\d{3}/, 'zdm.check: no internal error');
is(scalar @memory, 2, 'zdm.check: memory was read twice');
cmp_ok($memory[1] - $memory[0], '<', 4 * 1024 * 1024, "zdm.check: memory stays: @memory");

# the guard: each statement really comes in, in a transaction that is rolled back
$script = "SET client_min_messages = error; SET zdm.guard = refuse; SET zdm.guard_min_size = '512kB'; SET statement_timeout = '10s';\nPREPARE prepared AS SELECT 1;\n";
for my $n (1 .. $half)
{
	my $text = expand('START', 0);

	next if $text =~ /^(BEGIN|COMMIT|ROLLBACK|COPY|RESET|SET)/ || $text =~ /CONCURRENTLY/;
	$script .= "BEGIN;\n$text;\nROLLBACK;\n";
	$script .= $memory if $n == int($half / 2);
}
($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$script$memory", on_error_stop => 0);
@memory = $out =~ /memory\|(\d+)/g;
is($code, 0, 'the guard: the session survives');
unlike($err, qr/XX\d{3}/, 'the guard: no internal error');
my ($errors, $syntax) = (scalar(() = $err =~ /ERROR:/g), scalar(() = $err =~ /42601/g));
cmp_ok($syntax, '<', $half / 2, "the guard: $syntax syntax errors among $errors errors of $half statements");
like($err, qr/ZD001/, 'the guard: it refused something');
cmp_ok($memory[-1] - $memory[0], '<', 4 * 1024 * 1024, "the guard: memory stays: @memory");
is($node->safe_psql('postgres', 'SELECT count(*) FROM big'), '20000', 'the data is there');
$node->stop;
done_testing();
