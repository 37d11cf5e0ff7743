-- An exclusion constraint that reads a column in its condition or in an expression alone
-- does not go with the column: each way takes it away by itself.
CREATE EXTENSION pg_zdm;
\set VERBOSITY terse
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
CREATE SCHEMA conditions;
SET search_path = conditions, public;
CREATE TABLE "Room" (id int PRIMARY KEY, during int4range, open boolean, low int, high int,
	CONSTRAINT "it's" EXCLUDE USING gist (during WITH &&) WHERE (open),
	CONSTRAINT ranges EXCLUDE USING gist (int4range(low, high) WITH &&));
INSERT INTO "Room" SELECT g, int4range(g, g + 1), true, g, g + 1 FROM generate_series(1, 100) g;
CREATE VIEW made AS SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE conrelid = '"Room"'::regclass AND contype = 'x' ORDER BY 1;

SELECT zdm.rename_column('"Room"', 'open', 'Free', 'condition') > 0 AS stated;
CALL zdm.wait('condition', 'ready', '1 minute');
SELECT zdm.revert('condition');
CALL zdm.wait('condition', 'reverted', '1 minute');
TABLE made;
SELECT zdm.rename_column('"Room"', 'open', 'Free', 'again') > 0 AS stated;
CALL zdm.wait('again', 'ready', '1 minute');
SELECT zdm.cutover('again');
CALL zdm.wait('again', 'switched', '1 minute');
TABLE made;
INSERT INTO "Room" VALUES (200, '[3,4)', true, 300, 301);
SELECT zdm.revert('again');
CALL zdm.wait('again', 'reverted', '1 minute');
TABLE made;
INSERT INTO "Room" VALUES (200, '[3,4)', true, 300, 301);
SELECT zdm.rename_column('"Room"', 'open', 'Free', 'to the end') > 0 AS stated;
CALL zdm.wait('to the end', 'ready', '1 minute');
SELECT zdm.cutover('to the end');
CALL zdm.wait('to the end', 'switched', '1 minute');
SELECT zdm.contract('to the end');
CALL zdm.wait('to the end', 'completed', '1 minute');
TABLE made;

-- a column in an expression
SELECT zdm.rename_column('"Room"', 'low', 'lowest', 'expression') > 0 AS stated;
CALL zdm.wait('expression', 'ready', '1 minute');
SELECT zdm.revert('expression');
CALL zdm.wait('expression', 'reverted', '1 minute');
TABLE made;
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = '"Room"'::regclass ORDER BY indexrelid::regclass::text COLLATE "C";
DROP SCHEMA conditions CASCADE;
