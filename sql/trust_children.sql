--
-- A child that inherits from a table under migration has both columns and no trigger:
-- cutover, contract and the way back name it, and lose none of its values.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;
\set SHOW_CONTEXT never
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t VALUES (1, 1);
SELECT zdm.change_column_type('t', 'v', 'bigint', label => 't') > 0;
CALL zdm.wait('t', 'ready', '15 seconds');
CREATE TABLE child () INHERITS (t);
INSERT INTO child (id, v) VALUES (2, 2);
SELECT zdm.cutover('t');
ALTER TABLE public.child NO INHERIT public.t;
SELECT zdm.cutover('t');
CALL zdm.wait('t', 'switched', '15 seconds');
CREATE TABLE later () INHERITS (t);
INSERT INTO later (id, v) VALUES (3, 3);
SELECT zdm.contract('t');
SELECT zdm.revert('t');
SELECT id, v FROM t ORDER BY id;
ALTER TABLE later NO INHERIT t;
SELECT zdm.contract('t');
CALL zdm.wait('t', 'completed', '15 seconds');
SELECT id, v FROM child;
SELECT id, v FROM later;

-- a foreign partition
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE TABLE p (id int, v text) PARTITION BY LIST (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
SELECT zdm.rename_column('p', 'v', 'w', 'p') > 0;
CALL zdm.wait('p', 'ready', '15 seconds');
CREATE FOREIGN TABLE p2 PARTITION OF p FOR VALUES IN (2) SERVER nowhere;
SELECT zdm.cutover('p');
ALTER TABLE p DETACH PARTITION p2;
SELECT zdm.cutover('p');
CALL zdm.wait('p', 'switched', '15 seconds');

-- the guard does not let them come at all
SET zdm.guard = refuse;
CREATE TABLE g (id int, v text);
SELECT zdm.rename_column('g', 'v', 'w', 'g') > 0;
CALL zdm.wait('g', 'ready', '15 seconds');
CREATE TABLE g_child () INHERITS (g);
\set VERBOSITY terse
CREATE FOREIGN TABLE g_child () INHERITS (g) SERVER nowhere;
CREATE TABLE g_child (LIKE g);
ALTER TABLE g_child INHERIT g;
CREATE TABLE g_root (id int, v text) PARTITION BY LIST (id);
SELECT zdm.rename_column('g_root', 'v', 'w', 'g_root') > 0;
CALL zdm.wait('g_root', 'ready', '15 seconds');
CREATE TABLE g_1 PARTITION OF g_root FOR VALUES IN (1) PARTITION BY LIST (v);
CREATE FOREIGN TABLE g_2 PARTITION OF g_root FOR VALUES IN (2) SERVER nowhere;
CREATE FOREIGN TABLE g_11 PARTITION OF g_1 FOR VALUES IN ('x') SERVER nowhere;
CREATE FOREIGN TABLE g_3 (id int, v text, w text) SERVER nowhere;
ALTER TABLE g_root ATTACH PARTITION g_3 FOR VALUES IN (3);
\set VERBOSITY default
SELECT count(*) FROM zdm.check('CREATE FOREIGN TABLE g_2 PARTITION OF g_root FOR VALUES IN (2) SERVER nowhere');
-- what has no two columns is in nobody's way
SELECT zdm.pause(zdm.migrate('ALTER TABLE t ADD CHECK (v > 0)', label => 'c'));
CREATE TABLE t_child () INHERITS (t);
