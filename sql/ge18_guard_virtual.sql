--
-- Virtual columns: nothing is rewritten; what they promise is checked by a scan.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
SET zdm.guard_min_size = '512kB';
CREATE TABLE big (id int PRIMARY KEY, a int NOT NULL, v int GENERATED ALWAYS AS (a * 2) VIRTUAL, n int GENERATED ALWAYS AS (a * 2) VIRTUAL NOT NULL);
INSERT INTO big (id, a) SELECT g, g FROM generate_series(1, 40000) g;
SELECT statement, rule, detail FROM zdm.check($$
	ALTER TABLE big ALTER v TYPE bigint;
	ALTER TABLE big ADD COLUMN w int GENERATED ALWAYS AS (a + 1) VIRTUAL;
	ALTER TABLE big ADD COLUMN x int GENERATED ALWAYS AS (a + 1) VIRTUAL NOT NULL;
	ALTER TABLE big ALTER v SET EXPRESSION AS (a * 3);
	ALTER TABLE big ALTER n SET EXPRESSION AS (a * 3);
$$) WHERE severity = 'unsafe' ORDER BY 1;
SET zdm.guard = refuse;
ALTER TABLE big ALTER v TYPE bigint;

-- what is NOT ENFORCED reads nothing, also where that stands behind a column's constraint
CREATE TABLE other (id int PRIMARY KEY);
SELECT statement, rule, detail FROM zdm.check($$
	ALTER TABLE big ADD COLUMN c int DEFAULT 1 CHECK (c > 0) NOT ENFORCED;
	ALTER TABLE big ADD COLUMN d int DEFAULT 1 CHECK (d > 0) NOT DEFERRABLE ENFORCED;
	ALTER TABLE big ADD COLUMN e int DEFAULT 1 REFERENCES other NOT ENFORCED;
	ALTER TABLE big ADD COLUMN f int DEFAULT 1 REFERENCES other DEFERRABLE NOT ENFORCED;
$$) WHERE severity = 'unsafe' ORDER BY 1;
