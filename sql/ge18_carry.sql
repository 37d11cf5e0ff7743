--
-- A partition that comes while a NOT NULL column changes its type, and calls its
-- own NOT NULL otherwise: PostgreSQL renames none then, and contract goes on.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time

CREATE TABLE t (n int NOT NULL, r int) PARTITION BY LIST (r);
CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
INSERT INTO t SELECT i, 1 FROM generate_series(1, 10) i;
SELECT zdm.change_column_type('t', 'n', 'bigint', label => 't') AS m \gset
CALL zdm.wait('t', 'ready', '1 minute');
SELECT format('n_zdm%s', :m) AS n \gset
CREATE TABLE t2 (n int CONSTRAINT t_n_not_null NOT NULL, r int, :"n" bigint CONSTRAINT "its % own" NOT NULL);
INSERT INTO t2 VALUES (2, 2, 2);
ALTER TABLE t ATTACH PARTITION t2 FOR VALUES IN (2);
SELECT zdm.cutover('t');
CALL zdm.wait('t', 'switched', '1 minute');
SELECT zdm.contract('t');
CALL zdm.wait('t', 'completed', '1 minute');
SELECT conrelid::regclass, replace(conname, '_zdm' || :m, '_temporary'), convalidated FROM pg_constraint WHERE contype = 'n' AND conrelid::regclass::text ~ '^t' ORDER BY 1, 2;
SELECT * FROM t ORDER BY n DESC LIMIT 2;

-- with the table's own name for it, all get the right one
CREATE TABLE u (n int NOT NULL, r int) PARTITION BY LIST (r);
CREATE TABLE u1 PARTITION OF u FOR VALUES IN (1);
SELECT zdm.change_column_type('u', 'n', 'bigint', label => 'u');
CALL zdm.wait('u', 'ready', '1 minute');
CREATE TABLE u2 (LIKE u);
ALTER TABLE u ATTACH PARTITION u2 FOR VALUES IN (2);
SELECT zdm.cutover('u');
CALL zdm.wait('u', 'switched', '1 minute');
SELECT zdm.contract('u');
CALL zdm.wait('u', 'completed', '1 minute');
SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'n' AND conrelid::regclass::text ~ '^u' ORDER BY 1, 2;
