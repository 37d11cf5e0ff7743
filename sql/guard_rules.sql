--
-- The guard: a rule that does something else instead of what is written to a table.
--
CREATE EXTENSION pg_zdm;
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET zdm.guard = refuse;
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE log (id int);
CREATE VIEW seen AS SELECT DISTINCT id, v FROM t;
CREATE TABLE parts (id int) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);

CREATE RULE gone AS ON INSERT TO t DO INSTEAD NOTHING;
CREATE RULE kept AS ON DELETE TO t WHERE old.id < 10 DO INSTEAD NOTHING;
CREATE RULE moved AS ON UPDATE TO t DO INSTEAD INSERT INTO log VALUES (new.id);
CREATE RULE gone AS ON INSERT TO parts DO INSTEAD NOTHING;
SELECT statement, rule, severity, object, detail, hint FROM zdm.check('CREATE RULE gone AS ON INSERT TO t DO INSTEAD NOTHING')
	WHERE severity = 'unsafe';

-- what is written goes where it went: beside it, by a view, into one of the transaction's own, or below its table
CREATE RULE also AS ON DELETE TO t DO ALSO INSERT INTO log VALUES (old.id);
CREATE RULE nothing AS ON DELETE TO t DO NOTHING;
CREATE RULE takes AS ON INSERT TO seen DO INSTEAD INSERT INTO t VALUES (new.id, new.v);
CREATE RULE partition AS ON INSERT TO part_1 DO INSTEAD NOTHING;
BEGIN;
CREATE TABLE fresh (id int);
CREATE RULE gone AS ON INSERT TO fresh DO INSTEAD NOTHING;
COMMIT;
SELECT statement, rule, severity, object FROM zdm.check('CREATE TABLE fresher (id int); CREATE RULE gone AS ON INSERT TO fresher DO INSTEAD NOTHING')
	WHERE severity = 'unsafe';
-- a rule that did so before may be made again, but not for another command, nor for more rows
SET zdm.guard = off;
CREATE RULE kept AS ON DELETE TO t DO INSTEAD NOTHING;
SET zdm.guard = refuse;
CREATE OR REPLACE RULE kept AS ON DELETE TO t WHERE old.id < 10 DO INSTEAD NOTHING;
CREATE OR REPLACE RULE kept AS ON DELETE TO t DO INSTEAD NOTHING;
CREATE OR REPLACE RULE kept AS ON UPDATE TO t DO INSTEAD NOTHING;
CREATE OR REPLACE RULE also AS ON DELETE TO t DO INSTEAD NOTHING;

DROP EXTENSION pg_zdm;
DROP TABLE t, log, parts, fresh CASCADE;
