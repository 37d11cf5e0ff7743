--
-- Whoever does not own a relation is told so, and nothing of what it holds.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SET zdm.guard = refuse;
CREATE ROLE regress_val_owner;
CREATE ROLE regress_val_mallory;
CREATE ROLE regress_val_member IN ROLE regress_val_owner;
CREATE SCHEMA vic AUTHORIZATION regress_val_owner;
GRANT USAGE ON SCHEMA vic TO PUBLIC;
SET SESSION AUTHORIZATION regress_val_owner;
CREATE TABLE vic.pay (id serial, ssn text, note text);
INSERT INTO vic.pay (ssn, note) SELECT g % 10, CASE WHEN g % 2 = 0 THEN 'x' END FROM generate_series(1, 1000) g;
ANALYZE vic.pay;
SELECT setval('vic.pay_id_seq', 100000);
CREATE VIEW vic.v AS SELECT * FROM vic.pay;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION told(sql text) RETURNS SETOF text LANGUAGE sql AS
	$$ SELECT concat_ws('|', severity, rule, object, detail) FROM zdm.check(sql) WHERE severity = 'unsafe' OR rule <> 'strong-lock' $$;

\set statements 'SELECT s.q, t FROM (VALUES (\'ALTER SEQUENCE vic.pay_id_seq RESTART 1\'), (\'CREATE UNIQUE INDEX ON vic.pay (ssn)\'), (\'ALTER TABLE vic.pay ALTER note SET NOT NULL\'), (\'ALTER TABLE vic.pay ADD UNIQUE (ssn)\'), (\'ALTER TABLE vic.pay ALTER id ADD GENERATED ALWAYS AS IDENTITY\'), (\'DROP TABLE vic.pay\'), (\'DROP VIEW vic.v\'), (\'ALTER TABLE vic.pay RENAME TO x\'), (\'ALTER TABLE vic.pay SET SCHEMA public\'), (\'CREATE POLICY p ON vic.pay\')) s(q) LEFT JOIN LATERAL told(s.q) t ON true;'

SET SESSION AUTHORIZATION regress_val_mallory;
:statements
SELECT count(*) FROM zdm.plan('CREATE UNIQUE INDEX ON vic.pay (ssn)');
SELECT count(*) FROM zdm.plan('CREATE POLICY p ON vic.pay');
CREATE UNIQUE INDEX ON vic.pay (ssn);
ALTER SEQUENCE vic.pay_id_seq RESTART 1;
DROP TABLE vic.pay;
RESET SESSION AUTHORIZATION;

-- the owner, and who has his rights, are told as ever
SET SESSION AUTHORIZATION regress_val_member;
:statements
RESET SESSION AUTHORIZATION;
-- a text that takes on another role is not judged by the one that reads it
SET SESSION AUTHORIZATION regress_val_mallory;
SELECT * FROM told('SET ROLE regress_val_owner; CREATE UNIQUE INDEX ON vic.pay (ssn); ALTER SEQUENCE vic.pay_id_seq RESTART 1');
