--
-- Keys WITHOUT OVERLAPS by zdm.migrate(): the catalog is as plain DDL leaves it.  Foreign
-- keys with PERIOD.
--
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
\set SHOW_CONTEXT never
SELECT test.finds_exclusions() AS finds \gset
\if :finds
\else
CREATE TABLE refused (k int4range, during int4range) PARTITION BY LIST (k);
SELECT zdm.migrate('ALTER TABLE refused ADD UNIQUE (k, during WITHOUT OVERLAPS)');
\quit
\endif
CREATE SCHEMA plain;
CREATE SCHEMA online;
DO $$
DECLARE s text;
BEGIN
	FOREACH s IN ARRAY '{plain,online}'::text[] LOOP
		PERFORM set_config('search_path', s, true);
		CREATE TABLE stay (note text, dropped int, house int4range, during int4range NOT NULL, nights int4multirange);
		ALTER TABLE stay DROP dropped;
		INSERT INTO stay SELECT 'note ' || i, int4range(h, h + 1), int4range(i * 10, i * 10 + 5), int4multirange(int4range(i * 10, i * 10 + 5)) FROM generate_series(1, 100) i, generate_series(1, 3) h;
		CREATE TABLE parted (LIKE stay) PARTITION BY LIST (house);
		CREATE TABLE one PARTITION OF parted FOR VALUES IN ('[1,2)');
		CREATE TABLE two (nights int4multirange, during int4range NOT NULL, house int4range, gone int, note text) PARTITION BY LIST (house);
		ALTER TABLE two DROP gone;
		ALTER TABLE parted ATTACH PARTITION two FOR VALUES IN ('[2,3)');
		CREATE TABLE rest PARTITION OF two DEFAULT;
		CREATE TABLE others PARTITION OF parted DEFAULT;
		INSERT INTO parted SELECT * FROM stay;
	END LOOP;
END $$;

CREATE PROCEDURE each_way(relation text, what text) LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
	EXECUTE format('ALTER TABLE plain.%I ADD %s', relation, what);
	PERFORM zdm.migrate(format('ALTER TABLE online.%I ADD %s', relation, what), label => what || relation);
	CALL test.rests(what || relation);
	RAISE WARNING '% %', coalesce(test.differences('plain', 'online'), 'the same:'),
		(SELECT string_agg(conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid), '; ' ORDER BY conrelid) FROM pg_constraint WHERE connamespace = 'online'::regnamespace AND contype <> 'n');
	PERFORM zdm.revert(what || relation);
	COMMIT;
	CALL test.rests(what || relation);
	FOR name IN SELECT conname FROM pg_constraint WHERE conrelid = format('plain.%I', relation)::regclass AND contype <> 'n' LOOP
		EXECUTE format('ALTER TABLE plain.%I DROP CONSTRAINT %I, ALTER house DROP NOT NULL, ALTER nights DROP NOT NULL', relation, name);
	END LOOP;
	RAISE WARNING 'taken back: %', coalesce(test.differences('plain', 'online'), 'the same');
END $$;
CALL each_way('stay', 'CONSTRAINT once PRIMARY KEY (house, during WITHOUT OVERLAPS)');
CALL each_way('stay', 'PRIMARY KEY (house, nights WITHOUT OVERLAPS) INCLUDE (note) WITH (fillfactor = 70) USING INDEX TABLESPACE pg_default DEFERRABLE');
CALL each_way('stay', 'UNIQUE (house, during WITHOUT OVERLAPS) DEFERRABLE INITIALLY DEFERRED');
CALL each_way('stay', 'UNIQUE (during, house, nights WITHOUT OVERLAPS)');
CALL each_way('parted', 'PRIMARY KEY (house, during WITHOUT OVERLAPS)');
CALL each_way('parted', 'UNIQUE (house, nights WITHOUT OVERLAPS)');

-- the plan
\pset format unaligned
SELECT statement, lock, work FROM zdm.plan('ALTER TABLE online.stay ADD PRIMARY KEY (house, during WITHOUT OVERLAPS)');
\pset format aligned

-- rows that overlap, and empty ranges, also beside a NULL, are named before anything binds a writer
CREATE TABLE busy (id int PRIMARY KEY, house int4range, during daterange);
INSERT INTO busy VALUES (1, '[1,2)', '[2020-01-01,2020-01-05)'), (2, '[1,2)', '[2020-01-04,2020-02-01)'), (3, '[2,3)', '[2020-01-04,2020-02-01)'),
	(4, '[1,2)', 'empty'), (5, NULL, 'empty'), (6, NULL, '[2020-01-04,2020-02-01)'), (7, NULL, '[2020-01-04,2020-02-01)'), (8, '[1,2)', NULL);
SELECT zdm.migrate('ALTER TABLE busy ADD CONSTRAINT once UNIQUE (house, during WITHOUT OVERLAPS)', label => 'once') > 0 AS stated;
CALL test.rests('once');
SELECT conname FROM pg_constraint WHERE conrelid = 'busy'::regclass AND contype <> 'n';
DELETE FROM busy WHERE id IN (4, 5);
SELECT zdm.resume('once');
CALL test.rests('once');
DELETE FROM busy WHERE id = 2;
SELECT zdm.resume('once');
CALL test.rests('once');
INSERT INTO busy VALUES (9, '[1,2)', '[2020-01-04,2020-02-01)');
INSERT INTO busy VALUES (9, NULL, 'empty');
INSERT INTO busy VALUES (9, '[1,2)', '[2020-01-05,2020-02-01)');

-- another primary key has come meanwhile
ALTER TABLE busy DROP CONSTRAINT busy_pkey;
DELETE FROM busy WHERE house IS NULL OR during IS NULL;
INSERT INTO busy VALUES (3, '[5,6)', 'empty');
ALTER TABLE busy DROP CONSTRAINT once;
INSERT INTO busy VALUES (2, '[1,2)', '[2020-01-04,2020-02-01)');
SELECT zdm.migrate('ALTER TABLE busy ADD PRIMARY KEY (house, during WITHOUT OVERLAPS)', label => 'second') > 0 AS stated;
CALL test.rests('second');
DELETE FROM busy WHERE id IN (2, 3);
ALTER TABLE busy ADD CONSTRAINT first PRIMARY KEY (id);
SELECT zdm.resume('second');
CALL test.rests('second');
ALTER TABLE busy DROP CONSTRAINT first;
SELECT zdm.resume('second');
CALL test.rests('second');
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'busy'::regclass AND contype = 'p';

-- mistakes are PostgreSQL's own, at the call
SELECT zdm.plan('ALTER TABLE busy ADD PRIMARY KEY (house, during WITHOUT OVERLAPS)');
SELECT zdm.plan('ALTER TABLE busy ADD UNIQUE (during WITHOUT OVERLAPS)');
SELECT zdm.plan('ALTER TABLE busy ADD UNIQUE (house, id WITHOUT OVERLAPS)');
SELECT zdm.plan('ALTER TABLE busy ADD UNIQUE (house, gone WITHOUT OVERLAPS)');
SELECT zdm.plan('ALTER TABLE busy ADD UNIQUE (id, during WITHOUT OVERLAPS)');
SELECT zdm.plan('ALTER TABLE busy ADD UNIQUE NULLS NOT DISTINCT (house, during WITHOUT OVERLAPS)');
SELECT zdm.plan('ALTER TABLE online.parted ADD UNIQUE (during, nights WITHOUT OVERLAPS)');
SELECT zdm.plan('ALTER TABLE online.parted ADD UNIQUE (during, house WITHOUT OVERLAPS)');
SELECT body ~ 'zdm.script\(\) has no plain form for a key WITHOUT OVERLAPS' AS said FROM zdm.script('ALTER TABLE online.stay ADD UNIQUE (house, during WITHOUT OVERLAPS)', target => 18);
SET zdm.guard_min_size = 0;
SELECT rule, hint FROM zdm.check('ALTER TABLE online.stay ADD UNIQUE (house, during WITHOUT OVERLAPS)');

-- a foreign key with PERIOD is not validated by us: it would lock what is referred to
CREATE TABLE plain.visit (id int, house int4range, during daterange);
CREATE TABLE plain.busy (id int, house int4range, during daterange, PRIMARY KEY (house, during WITHOUT OVERLAPS));
CREATE TABLE online.visit (id int, house int4range, during daterange);
CREATE TABLE online.busy (id int, house int4range, during daterange, PRIMARY KEY (house, during WITHOUT OVERLAPS));
INSERT INTO online.busy SELECT * FROM busy;
INSERT INTO online.visit SELECT * FROM busy;
SELECT zdm.plan('ALTER TABLE online.visit ADD FOREIGN KEY (house, PERIOD during) REFERENCES online.busy');
SELECT zdm.plan('ALTER TABLE online.visit ADD FOREIGN KEY (house, PERIOD during) REFERENCES online.busy ON DELETE CASCADE NOT VALID');
SELECT zdm.plan('ALTER TABLE online.visit ADD FOREIGN KEY (house, during) REFERENCES online.busy NOT VALID');
SELECT zdm.plan('ALTER TABLE online.visit ADD FOREIGN KEY (house, PERIOD during) REFERENCES online.busy (house, during) NOT VALID');
ALTER TABLE plain.visit ADD FOREIGN KEY (house, PERIOD during) REFERENCES plain.busy (house, PERIOD during) NOT VALID;
SELECT zdm.migrate('ALTER TABLE online.visit ADD FOREIGN KEY (house, PERIOD during) REFERENCES online.busy (house, PERIOD during) NOT VALID', label => 'period') > 0 AS stated;
CALL test.rests('period');
ALTER TABLE plain.visit ADD x int, ADD CONSTRAINT again FOREIGN KEY (house, PERIOD during) REFERENCES plain.busy NOT VALID, ADD CHECK (id > 0);
SELECT zdm.migrate('ALTER TABLE online.visit ADD x int, ADD CONSTRAINT again FOREIGN KEY (house, PERIOD during) REFERENCES online.busy NOT VALID, ADD CHECK (id > 0)', label => 'among others') > 0 AS stated;
CALL test.rests('among others');
SELECT test.differences('plain', 'online');
INSERT INTO online.visit VALUES (10, '[7,8)', '[2020-01-01,2020-01-02)');

-- a column of either is neither given another type or name, nor lost
SELECT zdm.change_column_type('online.busy', 'during', 'tsrange', up => 'tsrange(lower(during), upper(during))', down => 'daterange(lower(during)::date, upper(during)::date)');
SELECT zdm.rename_column('online.busy', 'house', 'building');
SELECT zdm.rename_column('online.visit', 'during', 'span');
