--
-- A partition that is detached while a hidden table is kept beside its table: what is
-- written to it is nobody's affair from there on.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
SET zdm.guard = off;
\pset format unaligned
\pset tuples_only on
CREATE TABLE p (id int PRIMARY KEY, a text) PARTITION BY LIST (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1, 10);
CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2, 20);
INSERT INTO p VALUES (1, 'one'), (2, 'two');
SELECT zdm.unpartition_table('p', label => 'plain') > 0;
CALL zdm.wait('plain', 'ready', '1 min');
ALTER TABLE p DETACH PARTITION p2;
UPDATE p2 SET a = 'zwei';
INSERT INTO p2 VALUES (1, 'of another table'), (20, 'twenty');
DELETE FROM p2 WHERE id = 2;
INSERT INTO p VALUES (10, 'ten');
-- nor where it is a partition of another table
CREATE TABLE q (id int PRIMARY KEY, a text) PARTITION BY LIST (id);
ALTER TABLE q ATTACH PARTITION p2 DEFAULT;
UPDATE q SET a = 'zwanzig' WHERE id = 20;
SELECT zdm.cutover('plain');
CALL zdm.wait('plain', 'switched', '1 min');
SELECT relkind FROM pg_class WHERE oid = 'p'::regclass;
SELECT * FROM p ORDER BY id;
SELECT * FROM p2 ORDER BY id;
