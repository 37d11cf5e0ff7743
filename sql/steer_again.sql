--
-- A deployment that broke off is run again, and two may run at once: asking for
-- what is so, under way or past is a NOTICE.  And no hint leads from a cutover to
-- contract, which cannot be undone.
--
SET client_min_messages = warning;
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = notice;
SET zdm.batch_rest = 0;
CREATE TABLE t (id int PRIMARY KEY, b text);
INSERT INTO t SELECT i, i FROM generate_series(1, 10) i;

BEGIN;
SELECT zdm.rename_column('t', 'b', 'c', label => 'r');
SELECT zdm.rename_column('t', 'b', 'c', label => 'r');
COMMIT;
CALL test.await('r', 'ready');
SELECT zdm.resume('r');
SELECT zdm.pause('r');
SELECT zdm.pause('r');
SELECT zdm.cutover('r');
SELECT zdm.resume('r');
SELECT zdm.resume('r');

-- one transaction, so that no worker has come to it between
BEGIN;
SELECT zdm.cutover('r');
SELECT zdm.cutover('r');
COMMIT;
CALL test.await('r', 'switched');
SELECT zdm.cutover('r');
BEGIN;
SELECT zdm.contract('r');
SELECT zdm.contract('r');
SELECT zdm.cutover('r');
COMMIT;
CALL test.await('r', 'completed');
SELECT zdm.cutover('r');
SELECT zdm.contract('r');
SELECT zdm.resume('r');
SELECT zdm.revert('r');
CALL zdm.wait('r', 'switched');

SELECT zdm.rename_column('t', 'c', 'd', label => 's');
CALL test.await('s', 'ready');
BEGIN;
SELECT zdm.revert('s');
SELECT zdm.revert('s');
COMMIT;
CALL test.await('s', 'reverted');
SELECT zdm.revert('s');
SELECT zdm.cutover('s');

-- nothing to cut over: the way to what cannot be undone is not pointed out
SELECT zdm.migrate('ALTER TABLE t DROP COLUMN c', label => 'gone');
CALL test.await('gone', 'ready');
SELECT zdm.cutover('gone');

-- steering is possible when a database has been made read-only by default, and
-- then no row is written any more
SET default_transaction_read_only = on;
SELECT zdm.pause('gone');
SELECT zdm.configure('gone', 'batch_rest', '1');
BEGIN READ WRITE;
SELECT zdm.resume('gone');
COMMIT;
BEGIN;
SAVEPOINT s;
SELECT zdm.cutover('gone');
ROLLBACK TO s;
CREATE TABLE x ();
COMMIT;
SELECT zdm.revert('gone');
SELECT zdm.rename_column('t', 'id', 'key');
RESET default_transaction_read_only;
BEGIN READ ONLY;
SELECT zdm.pause('gone');
COMMIT;

-- DROP EXTENSION beside any of them
CALL test.await('gone', 'reverted');
SELECT zdm.rename_column('t', 'c', 'd', label => 'last');
CALL test.await('last', 'ready');
BEGIN;
SELECT zdm.pause('last');
SET LOCAL client_min_messages = warning;
DROP EXTENSION pg_zdm CASCADE;
COMMIT;
DROP TABLE t;
