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
SELECT tgrelid::regclass FROM pg_trigger WHERE tgfoid = 'zdm.sync_table'::regproc ORDER BY 1;
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
-- nor does it keep a trigger of ours, at whatever depth; rolled back, it does
CREATE TABLE r (id int PRIMARY KEY, a text) PARTITION BY RANGE (id);
CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (100) PARTITION BY LIST (id);
CREATE TABLE r1a PARTITION OF r1 FOR VALUES IN (1, 10);
CREATE TABLE r1b PARTITION OF r1 DEFAULT;
CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (100) TO (200);
INSERT INTO r VALUES (1, 'one'), (2, 'two'), (150, 'many');
SELECT zdm.unpartition_table('r', label => 'deep') > 0;
CALL zdm.wait('deep', 'ready', '1 min');
BEGIN;
ALTER TABLE r DETACH PARTITION r2;
UPDATE r2 SET a = 'undone';
ROLLBACK;
SELECT string_agg(tgrelid::regclass::text, ' ' ORDER BY tgrelid) FROM pg_trigger WHERE tgfoid = 'zdm.sync_table'::regproc;
UPDATE r SET a = 'more' WHERE id = 150;
SELECT count(*) FROM zdm.verify('deep');
ALTER TABLE r DETACH PARTITION r2 CONCURRENTLY;
SELECT string_agg(tgrelid::regclass::text, ' ' ORDER BY tgrelid) FROM pg_trigger WHERE tgfoid = 'zdm.sync_table'::regproc;
ALTER TABLE r DETACH PARTITION r1;
SELECT string_agg(tgrelid::regclass::text, ' ' ORDER BY tgrelid) FROM pg_trigger WHERE tgfoid = 'zdm.sync_table'::regproc;
UPDATE r1 SET a = 'alone';
UPDATE r2 SET a = 'alone';
ALTER TABLE r ATTACH PARTITION r1 FOR VALUES FROM (0) TO (100);
SELECT string_agg(tgrelid::regclass::text, ' ' ORDER BY tgrelid) FROM pg_trigger WHERE tgfoid = 'zdm.sync_table'::regproc;
UPDATE r SET a = 'again' WHERE id = 1;
SELECT zdm.cutover('deep');
CALL zdm.wait('deep', 'switched', '1 min');
SELECT * FROM r ORDER BY id;
