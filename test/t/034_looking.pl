# 034_looking.pl: looking runs nothing.  What the guard, zdm.check and zdm.plan
# read of a table they do not run, whoever looks; and the guard runs nothing that
# the statement itself would not run without it.

use strict;
use warnings;

use ZdmTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = zdm_node('looking', conf => "zdm.guard = warn\nautovacuum = off");

$node->safe_psql('postgres', q{
CREATE ROLE regress_look_mallory LOGIN;
CREATE ROLE regress_look_victim LOGIN;
CREATE ROLE regress_look_app LOGIN;
GRANT USAGE ON SCHEMA zdm TO PUBLIC;
CREATE DATABASE plain;
});

# evil() is called immutable; run by anybody else than mallory it leaves a trace
# that no rollback takes back
for my $database ('postgres', 'plain')
{
	$node->safe_psql($database, q{
CREATE SCHEMA mal AUTHORIZATION regress_look_mallory;
CREATE SCHEMA vic AUTHORIZATION regress_look_victim;
GRANT USAGE ON SCHEMA mal, vic TO PUBLIC;

SET SESSION AUTHORIZATION regress_look_victim;
CREATE TABLE vic.c (id int PRIMARY KEY, a text);
INSERT INTO vic.c VALUES (1, 'x');
GRANT SELECT, REFERENCES ON vic.c TO regress_look_mallory;

SET SESSION AUTHORIZATION regress_look_mallory;
CREATE SEQUENCE mal.trace;
CREATE FUNCTION mal.go() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'regress_look_mallory' THEN
		PERFORM nextval('mal.trace');
	END IF;
END $$;
CREATE FUNCTION mal.evil(v anyelement) RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM mal.go();
	RETURN v;
END $$;
GRANT ALL ON SEQUENCE mal.trace TO PUBLIC;
CREATE DOMAIN mal.dom AS text CHECK (mal.evil(1) > 0 AND VALUE IS NOT NULL);
CREATE TABLE mal.o (id int PRIMARY KEY, cid int REFERENCES vic.c, d mal.dom,
	CHECK (mal.evil(1) > 0 OR id > 0), def int DEFAULT mal.evil(1));
CREATE INDEX o_partial ON mal.o (id) WHERE mal.evil(1) > 0 OR id > 0;
CREATE INDEX o_expr ON mal.o ((id + mal.evil(1)));
CREATE STATISTICS mal.o_stat ON (id + mal.evil(1)) FROM mal.o;
INSERT INTO mal.o VALUES (1, 1, 'x');
CREATE MATERIALIZED VIEW mal.m AS SELECT id, a FROM vic.c;
CREATE UNIQUE INDEX m_partial ON mal.m (id) WHERE mal.evil(1) > 0 OR id > 0;
CREATE TABLE mal.p (id int, k int) PARTITION BY RANGE ((k + mal.evil(1)));
CREATE TABLE mal.p0 PARTITION OF mal.p DEFAULT;
CREATE TABLE mal.p1 (id int, k int, CHECK (mal.evil(1) > 0 AND k > 0));
RESET SESSION AUTHORIZATION;
CREATE TABLE public.mine (id int);
	});
}

# How often what mallory wrote is run by another role, each time in a session of
# its own, since what has been opened once stays so.
sub traces
{
	my ($database, $role, $script) = @_;
	my ($code, $out, $err);

	$node->safe_psql($database, "SELECT setval('mal.trace', 1, false)");
	$code = $node->psql($database, $script, stdout => \$out, stderr => \$err,
		extra_params => [ '-U', $role eq 'dba' ? 'postgres' : "regress_look_$role" ]);
	return ($node->safe_psql($database, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM mal.trace"), $code, $err);
}

my @statements = (
	[ 'victim', 'run', q{ALTER TABLE vic.c ALTER id TYPE bigint} ],
	[ 'victim', 'run', q{TRUNCATE vic.c CASCADE} ],
	[ 'victim', 'run', q{DROP TABLE vic.c CASCADE} ],
	[ 'victim', 'run', q{ALTER TABLE vic.c DROP COLUMN id CASCADE} ],
	[ 'dba', 'run', q{REVOKE ALL ON mal.o FROM regress_look_app} ],
	[ 'dba', 'run', q{GRANT SELECT ON mal.o TO regress_look_app} ],
	[ 'dba', 'run', q{REASSIGN OWNED BY regress_look_mallory TO CURRENT_USER} ],
	[ 'dba', 'run', q{ALTER TABLE mal.o OWNER TO regress_look_victim} ],
	[ 'dba', 'run', q{ALTER INDEX mal.o_partial RENAME TO other} ],
	[ 'dba', 'run', q{ALTER TABLE mal.o ADD COLUMN n int} ],
	[ 'dba', 'run', q{ALTER TABLE mal.o DROP COLUMN cid} ],
	[ 'dba', 'run', q{ALTER TABLE mal.o SET SCHEMA vic} ],
	[ 'dba', 'run', q{DROP INDEX mal.o_expr} ],
	[ 'dba', 'run', q{DROP TABLE mal.o} ],
	[ 'dba', 'run', q{ALTER TABLE mal.o DISABLE TRIGGER USER} ],
	[ 'dba', 'check', q{ALTER TABLE mal.o ALTER cid SET NOT NULL} ],
	[ 'dba', 'check', q{ALTER TABLE mal.o ALTER cid TYPE bigint} ],
	[ 'dba', 'check', q{ALTER TABLE mal.o ALTER d TYPE text} ],
	[ 'dba', 'check', q{ALTER TABLE mal.o ADD CHECK (id > 0)} ],
	[ 'dba', 'check', q{ALTER TABLE mal.o OWNER TO CURRENT_USER; ALTER TABLE mal.o ALTER cid SET NOT NULL} ],
	[ 'dba', 'check', q{ALTER TABLE mal.p ATTACH PARTITION mal.p1 FOR VALUES FROM (1) TO (2)} ],
	[ 'dba', 'check', q{CREATE TABLE mal.p2 PARTITION OF mal.p FOR VALUES FROM (1) TO (2)} ],
	[ 'dba', 'check', q{ALTER TABLE mal.p DETACH PARTITION mal.p0} ],
	[ 'dba', 'check', q{CREATE TABLE vic.l (LIKE mal.o INCLUDING ALL)} ],
	[ 'dba', 'check', q{CREATE TABLE vic.l AS SELECT * FROM mal.o WHERE id > 0} ],
	[ 'dba', 'check', q{REFRESH MATERIALIZED VIEW mal.m} ],
	[ 'dba', 'check', q{UPDATE mal.o SET cid = 2 WHERE id = 1} ],
	[ 'dba', 'check', q{DELETE FROM mal.p WHERE k = 1} ],
	[ 'dba', 'check', q{CLUSTER mal.o USING o_pkey} ],
	[ 'dba', 'check', q{VACUUM FULL mal.o} ],
	[ 'dba', 'plan', q{ALTER TABLE mal.o ALTER cid SET NOT NULL} ],
	[ 'dba', 'plan', q{ALTER TABLE mal.o ADD CHECK (id > 0)} ],
	[ 'dba', 'plan', q{ALTER TABLE mal.p ATTACH PARTITION mal.p1 FOR VALUES FROM (1) TO (2)} ],
	[ 'dba', 'plan', q{CREATE TABLE vic.l (LIKE mal.o INCLUDING ALL)} ],
	[ 'dba', 'plan', q{ALTER TABLE mal.o ADD COLUMN n mal.dom} ],
	[ 'dba', 'check', q{ALTER TABLE mal.o ADD COLUMN n mal.dom} ],
	[ 'dba', 'check', q{ALTER TABLE mal.o ALTER cid TYPE mal.dom} ],
	[ 'dba', 'check', q{SELECT FROM mal.o WHERE id > 0} ],
	[ 'dba', 'check', q{INSERT INTO mal.o SELECT id, cid FROM mal.o} ],
	[ 'dba', 'plan', q{CREATE INDEX ON mal.o ((id + 1)) WHERE cid > 0} ],
	[ 'victim', 'plan', q{ALTER TABLE vic.c ALTER id TYPE bigint} ],
);

for my $case (@statements)
{
	my ($role, $how, $sql) = @$case;

	if ($how eq 'run')
	{
		my ($plain, $plain_code) = traces('plain', $role, "BEGIN; $sql; ROLLBACK");
		my ($guarded, $code, $err) = traces('postgres', $role, "BEGIN; $sql; ROLLBACK");

		is($code, $plain_code, "$role, $sql: as without the guard") or diag($err);
		is($guarded, $plain, "$role, $sql: nothing of mallory's is run for the guard");
		next;
	}
	my ($ran, $code, $err) = traces('postgres', $role, "SELECT count(*) FROM zdm.$how(\$\$$sql\$\$)");
	is($code, 0, "zdm.$how, $role, $sql") or diag($err) unless $role eq 'victim' || $sql =~ /COLUMN n mal.dom/;	# refused, with reason
	is($ran, 0, "zdm.$how, $role, $sql: nothing of mallory's is run");
}

# Who would wait for somebody's open dry run is told whose, and gives up.
$node->safe_psql('postgres', 'CREATE TABLE dry (id int PRIMARY KEY, a text); INSERT INTO dry VALUES (1, 1)');
my $dry = start_psql($node);
$dry->query_safe("SET application_name = 'deploy'; SET client_min_messages = error");
$dry->query_safe('BEGIN');
$dry->query_safe("SELECT zdm.rename_column('dry', 'a', 'b', 'dry run')");
my $whose = qr/DETAIL:  It is a transaction of role \S+: process \d+, application "deploy"/;
my (undef, undef, $err) = $node->psql('postgres',
	"SET lock_timeout = '50ms'; SELECT zdm.rename_column('dry', 'a', 'b', 'dry run')");
like($err, qr/ERROR:  canceling statement due to lock timeout\n$whose/, 'of the same label');
(undef, undef, $err) = $node->psql('postgres', "SELECT zdm.rename_column('dry', 'a', 'c', 'another')");
like($err, qr/ERROR:  another transaction is stating a migration on public.dry\n$whose/, 'of the same table');
$dry->query_safe('ROLLBACK');
$dry->quit;

$node->stop;
done_testing();
