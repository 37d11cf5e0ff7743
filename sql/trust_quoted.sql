--
-- Names that differ by a blank are two names; a type is named without a collation.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE TABLE q (id int, "A b" int, "Ab" int) PARTITION BY LIST (id);
CREATE TABLE q1 PARTITION OF q FOR VALUES IN (1);
ALTER TABLE q1 ADD UNIQUE ("Ab", id);
-- it has to be built
SELECT count(*) > 1 FROM zdm.plan('ALTER TABLE q ADD UNIQUE ("A b", id)');
-- this one is there
SELECT count(*) FROM zdm.plan('ALTER TABLE q ADD UNIQUE ("Ab", id)');
CREATE TABLE c (id int PRIMARY KEY, v text);
SELECT zdm.change_column_type('c', 'v', 'text COLLATE "C"');
