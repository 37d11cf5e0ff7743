--
-- What a migration needs is dropped neither by plain DDL nor by another migration.
--
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = warning;
SET zdm.batch_rest = 0;
SET zdm.guard = refuse;
SET zdm.guard_min_size = 0;

-- another column of a composite key or CHECK, or in a predicate: those would go with it
CREATE TABLE ck (id int PRIMARY KEY, a int, b int, c int, d int, UNIQUE (a, b), CHECK (a > c));
CREATE INDEX ck_part ON ck (a) WHERE d > 0;
CREATE STATISTICS ck_stat ON a, b FROM ck;
SELECT zdm.rename_column('ck', 'a', 'aa', label => 'ck') > 0 AS stated;
CALL zdm.wait('ck', 'ready');
SELECT zdm.cutover('ck');
CALL zdm.wait('ck', 'switched');
SELECT zdm.migrate('ALTER TABLE ck DROP COLUMN b');
SELECT zdm.migrate('ALTER TABLE ck DROP COLUMN c');
SELECT zdm.migrate('ALTER TABLE ck DROP COLUMN d');
ALTER TABLE ck DROP COLUMN b;
ALTER TABLE ck ALTER b TYPE bigint;
SELECT zdm.revert('ck');
CALL zdm.wait('ck', 'reverted');
SELECT zdm.migrate('ALTER TABLE ck DROP COLUMN b', label => 'b') > 0 AS stated;
CALL zdm.wait('b', 'ready');
SELECT zdm.rename_column('ck', 'a', 'aa', label => 'late');
SELECT zdm.revert('b');
CALL zdm.wait('b', 'reverted');

-- indexes and constraints: the user's, which were copied, and the copies
CREATE TABLE ix (id int PRIMARY KEY, a int UNIQUE CHECK (a > 0));
CREATE INDEX ix_a ON ix (a);
CREATE VIEW ix_view AS SELECT a FROM ix;
SELECT zdm.change_column_type('ix', 'a', 'bigint', label => 'ix') AS id \gset
CALL zdm.wait('ix', 'ready');
SELECT zdm.migrate('DROP INDEX ix_a');
SELECT zdm.migrate('DROP INDEX ix_a_zdm' || :id);
SELECT zdm.migrate('ALTER TABLE ix DROP CONSTRAINT ix_a_key');
SELECT zdm.migrate('ALTER TABLE ix DROP CONSTRAINT ix_a_check');
SELECT zdm.migrate('DROP VIEW ix_view');
SELECT zdm.cutover('ix');
CALL zdm.wait('ix', 'switched');
SELECT zdm.migrate('DROP INDEX ix_a');
SELECT zdm.migrate('ALTER TABLE ix DROP CONSTRAINT ix_a_key');
SELECT zdm.contract('ix');
CALL zdm.wait('ix', 'completed');
SELECT zdm.migrate('DROP INDEX ix_a', label => 'after') > 0 AS stated;
CALL zdm.wait('after', 'completed');

-- the other name of a table
CREATE TABLE rt (id int PRIMARY KEY);
SELECT zdm.migrate('ALTER TABLE rt RENAME TO rt2', label => 'rt') > 0 AS stated;
CALL zdm.wait('rt', 'ready');
DROP VIEW rt2;
SELECT zdm.migrate('DROP VIEW rt2');
SELECT zdm.cutover('rt');
CALL zdm.wait('rt', 'switched');
DROP VIEW rt;
SELECT zdm.migrate('DROP VIEW rt');
SELECT zdm.contract('rt');
CALL zdm.wait('rt', 'completed');
SELECT count(*) FROM rt2;
