--
-- What comes to hang on a column while it is being migrated: by another
-- migration, which is refused, or by plain DDL, which is noticed before contract
-- drops it in silence.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on

CREATE TABLE t (id int PRIMARY KEY, a text, n int, other int, CONSTRAINT n_positive CHECK (n > 0));
INSERT INTO t SELECT i, 'v' || i, i, i FROM generate_series(1, 100) i;
CREATE INDEX t_n ON t (n);
CREATE INDEX t_n_desc ON t (n DESC);
CREATE STATISTICS t_stat ON n, other FROM t;

--
-- other migrations
--
SELECT zdm.change_column_type('t', 'n', 'bigint', label => 'type') > 0;
CALL zdm.wait('type', timeout => '60s');
SELECT zdm.migrate('CREATE INDEX new_one ON t (n)');
SELECT zdm.migrate('CREATE INDEX new_one ON t (other) INCLUDE (n)');
SELECT zdm.migrate('CREATE INDEX new_one ON t (abs(t.n))');
SELECT zdm.migrate('CREATE INDEX new_one ON t (other) WHERE n > 5');
SELECT zdm.migrate('ALTER TABLE t ADD UNIQUE (other, n)');
SELECT zdm.migrate('ALTER TABLE t ADD CHECK (n > other)');
SELECT zdm.migrate('ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES t (id)');
-- on others, at the same time
SELECT zdm.migrate('CREATE INDEX other_one ON t (other)', label => 'one') > 0;
SELECT zdm.migrate('CREATE INDEX other_two ON t (other, id)', label => 'two') > 0;
CALL zdm.wait('one', timeout => '60s');
CALL zdm.wait('two', timeout => '60s');
-- and the other way round; what a copied statistics object is about, too, is kept
SELECT zdm.migrate('ALTER TABLE t DROP COLUMN other');
SELECT zdm.migrate('ALTER TABLE t DROP COLUMN a', label => 'drop') > 0;
CALL zdm.wait('drop', timeout => '60s');
SELECT zdm.migrate('CREATE INDEX late ON t (a)');
SELECT zdm.revert('drop');
CALL zdm.wait('drop', timeout => '60s');

--
-- plain DDL
--
CREATE INDEX plain ON t (n, other);
ALTER TABLE t ADD CONSTRAINT plain_check CHECK (n < other + 1000);
CREATE STATISTICS plain_stat ON n, id FROM t;
-- the same under another name, or under its name again, is what it was
ALTER INDEX t_n RENAME TO t_renamed;
REINDEX INDEX CONCURRENTLY t_n_desc;
SELECT zdm.cutover('type');
SELECT state FROM zdm.migrations WHERE label = 'type';
DROP INDEX plain;
DROP STATISTICS plain_stat;
ALTER TABLE t DROP CONSTRAINT plain_check;
SELECT zdm.cutover('type');
CALL zdm.wait('type', timeout => '60s');
-- and on the column that is left
CREATE INDEX plain ON t (n_zdm1, other);
ALTER TABLE t ADD CONSTRAINT plain_check CHECK (n_zdm1 < other + 1000);
CREATE STATISTICS plain_stat ON n_zdm1, id FROM t;
SELECT zdm.contract('type');
SELECT state FROM zdm.migrations WHERE label = 'type';
DROP STATISTICS plain_stat;
ALTER TABLE t DROP CONSTRAINT plain_check;
SELECT zdm.contract('type');
DROP INDEX plain;
-- made between the call and the step
SELECT pg_advisory_lock(hashtextextended('zdm:state-contracting', 0));
SELECT zdm.contract('type');
CREATE INDEX between_the_two ON t (n_zdm1);
SELECT pg_advisory_unlock(hashtextextended('zdm:state-contracting', 0));
CALL zdm.wait('type', 'failed', '60s');
SELECT error_state, error, error_hint FROM zdm.migrations WHERE label = 'type';
DROP INDEX between_the_two;
CREATE INDEX between_the_two ON t (n);
SELECT zdm.resume('type');
CALL zdm.wait('type', timeout => '60s');
SELECT state FROM zdm.migrations WHERE label = 'type';
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 't'::regclass ORDER BY indexrelid::regclass::text;
SELECT conname FROM pg_constraint WHERE conrelid = 't'::regclass AND contype <> 'n' ORDER BY 1;
SELECT stxname FROM pg_statistic_ext WHERE stxrelid = 't'::regclass;

--
-- of a partitioned table, and of one of its partitions
--
CREATE TABLE p (id int, a text) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
INSERT INTO p SELECT i, 'v' || i FROM generate_series(1, 19) i;
CREATE INDEX p_a ON p (a);
SELECT zdm.rename_column('p', 'a', 'b', 'p') AS m \gset
CALL zdm.wait('p', timeout => '60s');
CREATE INDEX p_late ON p (a, id);
CREATE INDEX p2_own ON p2 (upper(a));
SELECT zdm.cutover('p');
DROP INDEX p_late;
DROP INDEX p2_own;
SELECT zdm.cutover('p');
CALL zdm.wait('p', timeout => '60s');
SELECT zdm.contract('p');
CALL zdm.wait('p', timeout => '60s');
SELECT state FROM zdm.migrations WHERE label = 'p';
SELECT indexrelid::regclass FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('p')) ORDER BY indexrelid::regclass::text;
DROP TABLE t, p;
