--
-- A statement that names both columns of a pair: whoever writes every column that
-- he found loses nothing of what he means.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
SET zdm.guard = off;
SET zdm.batch_rest = 0;

CREATE TABLE contact (id serial PRIMARY KEY, phone text DEFAULT 'none', city text);
INSERT INTO contact (phone) VALUES ('555-1'), ('555-2'), ('555-3');
SELECT zdm.rename_column('contact', 'phone', 'phone_number', label => 'r') IS NOT NULL;
CALL zdm.wait('r', 'ready', '1 minute');

-- INSERT: a value wins over NULL and DEFAULT, from either side
INSERT INTO contact (phone, city, phone_number) VALUES ('555-7', 'y', NULL) RETURNING phone, phone_number;
INSERT INTO contact (phone, city, phone_number) VALUES (NULL, 'y', '555-8') RETURNING phone, phone_number;
INSERT INTO contact (phone, phone_number) VALUES ('555-9', DEFAULT) RETURNING phone, phone_number;
INSERT INTO contact (phone, phone_number) VALUES (DEFAULT, '555-10') RETURNING phone, phone_number;
INSERT INTO contact (phone, phone_number) VALUES (NULL, NULL) RETURNING phone, phone_number;
INSERT INTO contact (phone, phone_number) VALUES (DEFAULT, DEFAULT) RETURNING phone, phone_number;
INSERT INTO contact (phone, phone_number) VALUES ('same', 'same') RETURNING phone, phone_number;
-- alone, an explicit NULL is a value
INSERT INTO contact (phone_number) VALUES (NULL) RETURNING phone, phone_number;
INSERT INTO contact (phone) VALUES (NULL) RETURNING phone, phone_number;
COPY contact (id, phone, phone_number) FROM stdin;
101	c1	\N
102	\N	c2
\.
COPY contact FROM stdin;
103	d1	\N	\N
104	\N	\N	d2
\.
SELECT id, phone, phone_number FROM contact WHERE id > 100 ORDER BY id;
INSERT INTO contact SELECT (jsonb_populate_record(NULL::contact, '{"id": 105, "phone": "row type"}')).*;
INSERT INTO contact AS c VALUES (1, '555-0', 'x', NULL) ON CONFLICT (id) DO UPDATE SET phone = excluded.phone, phone_number = excluded.phone_number RETURNING phone, phone_number;

-- UPDATE: the side that changed wins over the one that was written back
UPDATE contact SET phone = '555-9', city = 'z', phone_number = '555-2' WHERE id = 2 RETURNING phone, phone_number;
UPDATE contact SET phone = '555-9', city = 'z', phone_number = '555-8' WHERE id = 2 RETURNING phone, phone_number;
UPDATE contact SET phone = NULL, phone_number = phone_number WHERE id = 2 RETURNING phone, phone_number;
UPDATE contact SET phone = phone, phone_number = phone_number WHERE id = 2 RETURNING phone, phone_number;
SELECT conflicts FROM zdm.migrations WHERE label = 'r';

-- what is left is decided by zdm.on_conflict, counted, and shown
SET application_name = 'orm';
UPDATE contact SET phone = 'old', phone_number = 'new' WHERE id IN (2, 3) RETURNING phone, phone_number;
BEGIN;
INSERT INTO contact (phone, phone_number) VALUES ('a', 'b') RETURNING phone, phone_number;
SAVEPOINT s;
INSERT INTO contact (phone, phone_number) VALUES ('gone', 'with it');
ROLLBACK TO s;
COMMIT;
BEGIN;
INSERT INTO contact (phone, phone_number) VALUES ('gone', 'with it');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO contact (phone, phone_number) VALUES ('c', 'd') RETURNING phone, phone_number;
COMMIT;
SELECT zdm.configure('r', 'on_conflict', 'old');
UPDATE contact SET phone = 'old', phone_number = 'newer' WHERE id = 2 RETURNING phone, phone_number;
SELECT zdm.configure('r', 'on_conflict', 'error');
UPDATE contact SET phone = 'older', phone_number = 'newest' WHERE id = 2;
UPDATE contact SET phone = 'older', phone_number = 'old' WHERE id = 2 RETURNING phone, phone_number;
RESET application_name;
SELECT conflicts, last_conflict IS NOT NULL AS at, conflict_role = current_user AS role, conflict_application FROM zdm.migrations WHERE label = 'r';
SELECT * FROM zdm.verify('r');

-- the same after cutover
SELECT zdm.cutover('r');
CALL zdm.wait('r', 'switched', '1 minute');
INSERT INTO contact (phone, phone_number) VALUES ('555-7', NULL) RETURNING phone, phone_number;
INSERT INTO contact (phone, phone_number) VALUES (NULL, '555-8') RETURNING phone, phone_number;
UPDATE contact SET phone = '555-9', phone_number = phone_number WHERE id = 2 RETURNING phone, phone_number;

-- the hidden side of a type change is nobody's to name
CREATE TABLE k (id serial PRIMARY KEY, x text);
INSERT INTO k (x) SELECT 'k' FROM generate_series(1, 3);
CREATE TABLE h (id serial PRIMARY KEY, k_id int NOT NULL REFERENCES k, n int DEFAULT 5);
INSERT INTO h (k_id) VALUES (1), (2);
SELECT zdm.change_column_type('k', 'id', 'bigint', label => 'k') IS NOT NULL;
CALL zdm.wait('k', 'ready', '1 minute');
SELECT zdm.change_column_type('h', 'k_id', 'bigint', label => 'h') IS NOT NULL;
SELECT zdm.change_column_type('h', 'n', 'text', up => 'coalesce(n::text, ''none'')', down => 'nullif(n, ''none'')::int', label => 'n') IS NOT NULL;
CALL zdm.wait('h', 'ready', '1 minute');
CALL zdm.wait('n', 'ready', '1 minute');
CREATE FUNCTION hidden(label text) RETURNS text LANGUAGE sql AS $$
	SELECT format('%I', attname) FROM zdm.migrations m JOIN zdm.pair p ON p.migration = m.id
	  JOIN pg_attribute a ON attrelid = p.relid AND attnum = CASE WHEN m.state = 'switched' THEN old_attnum ELSE new_attnum END
	 WHERE m.label = $1 $$;
CREATE PROCEDURE reflecting() LANGUAGE plpgsql AS $$
DECLARE
	k text := hidden('k'); h text := hidden('h'); n text := hidden('n');
	r record;
BEGIN
	EXECUTE format('INSERT INTO k (x, %s) VALUES (''r'', NULL), (''s'', DEFAULT)', k);
	EXECUTE format('INSERT INTO h (k_id, %s, n, %s) VALUES (1, NULL, 7, NULL), (2, DEFAULT, NULL, DEFAULT)', h, n);
	EXECUTE format('INSERT INTO h (k_id, %s, %s) VALUES (3, NULL, NULL)', h, n);
	EXECUTE format('UPDATE h SET k_id = 3, %s = 1, n = 8, %s = %2$s WHERE id = 1', h, n);
	EXECUTE format('UPDATE h SET %s = NULL, %s = NULL WHERE id = 2', h, n);
	EXECUTE format('UPDATE h SET k_id = 1, %s = NULL, %s = DEFAULT, n = NULL WHERE id = 3', h, n);
	FOR r IN EXECUTE format('SELECT x, id::text = %s::text AS same FROM k ORDER BY id', k) LOOP
		RAISE WARNING '%', r;
	END LOOP;
	FOR r IN EXECUTE format('SELECT id, k_id, k_id::text = %s::text AS same, n, %s AS hidden FROM h ORDER BY id', h, n) LOOP
		RAISE WARNING '%', r;
	END LOOP;
END $$;
CALL reflecting();
SELECT label, conflicts FROM zdm.migrations ORDER BY id;
SELECT zdm.cutover(l) FROM unnest('{k,h,n}'::text[]) l;
CALL zdm.wait('k', 'switched', '1 minute');
CALL zdm.wait('h', 'switched', '1 minute');
CALL zdm.wait('n', 'switched', '1 minute');
UPDATE h SET k_id = 1 WHERE id = 1;
CALL reflecting();
SELECT * FROM zdm.verify('k');
SELECT * FROM zdm.verify('h');
SELECT * FROM zdm.verify('n');

-- nor does what it holds count against the column that was set: an upsert gives it
-- what belongs to the row that was to be inserted
CREATE TABLE u (id int PRIMARY KEY, a int DEFAULT 7, c int);
INSERT INTO u VALUES (1, 2, 40), (2, 2, 40), (3, 2, 40);
SET zdm.on_conflict = error;
SELECT zdm.change_column_type('u', 'c', 'bigint', up => 'c::bigint + coalesce(a, 0)', down => '(c - coalesce(a, 0))::int', label => 'u') IS NOT NULL;
RESET zdm.on_conflict;
CALL zdm.wait('u', 'ready', '1 minute');
CREATE PROCEDURE upsert() LANGUAGE plpgsql AS $$
DECLARE
	u text := hidden('u');
	r record;
BEGIN
	EXECUTE format('INSERT INTO u (id, c, %s) VALUES (1, -2, DEFAULT) ON CONFLICT (id) DO UPDATE SET c = excluded.c, %1$s = excluded.%1$s', u);
	EXECUTE format('UPDATE u SET c = 11, %s = 12 WHERE id = 2', u);
	EXECUTE format('INSERT INTO u (id, a, c, %s) SELECT id + 10, a, c + 1, %1$s FROM u WHERE id = 3', u);
	FOR r IN EXECUTE format('SELECT id, a, c, %s AS hidden FROM u ORDER BY id', u) LOOP
		RAISE WARNING '%', r;
	END LOOP;
	DELETE FROM u WHERE id > 3;
END $$;
CALL upsert();
SELECT zdm.cutover('u');
CALL zdm.wait('u', 'switched', '1 minute');
CALL upsert();
SELECT conflicts FROM zdm.migrations WHERE label = 'u';

-- whatever it is, where the other one was named: a NULL that was meant, or that a
-- trigger has put back
CREATE TABLE w (id int PRIMARY KEY, a int, c text, note text DEFAULT 'n');
INSERT INTO w VALUES (1, 9, NULL), (2, 1, NULL), (3, 1, 'three');
CREATE FUNCTION clip() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.a = 9 THEN NEW.c := NULL; END IF; RETURN NEW; END$$;
CREATE TRIGGER clip BEFORE INSERT OR UPDATE ON w FOR EACH ROW EXECUTE FUNCTION clip();
SELECT zdm.change_column_type('w', 'c', 'varchar(60)', up => 'coalesce(c, note || '' is good'')', down => 'c', label => 'w') IS NOT NULL;
CALL zdm.wait('w', 'ready', '1 minute');
CREATE PROCEDURE clipped() LANGUAGE plpgsql AS $$
DECLARE
	w text := hidden('w');
	r record;
BEGIN
	EXECUTE format('INSERT INTO w (id, c, %s, note) VALUES (1, ''x'', DEFAULT, ''m'') ON CONFLICT (id) DO UPDATE SET c = excluded.c, %1$s = excluded.%1$s', w);
	EXECUTE format('INSERT INTO w (id, c, %s, note) VALUES (2, NULL, DEFAULT, ''m'') ON CONFLICT (id) DO UPDATE SET c = excluded.c, %1$s = excluded.%1$s', w);
	EXECUTE format('UPDATE w SET c = c, %s = ''stale'' WHERE id = 3', w);
	EXECUTE format('INSERT INTO w (id, a, c, %s, note) SELECT id + 10, a, c, %1$s, ''copy'' FROM w', w);
	FOR r IN EXECUTE format('SELECT id, a, c, %s AS hidden FROM w ORDER BY id', w) LOOP
		RAISE WARNING '%', r;
	END LOOP;
	DELETE FROM w WHERE id > 3;
END $$;
CALL clipped();
SELECT zdm.cutover('w');
CALL zdm.wait('w', 'switched', '1 minute');
UPDATE w SET a = 9, c = DEFAULT WHERE id = 2;
CALL clipped();
SELECT conflicts FROM zdm.migrations WHERE label = 'w';

-- a default that is another one each time cannot be compared with: what stands beside
-- it is a value, and counts
CREATE TABLE v (id int PRIMARY KEY, code text DEFAULT 'made ' || gen_random_uuid());
SELECT zdm.rename_column('v', 'code', 'kode', label => 'v') IS NOT NULL;
CALL zdm.wait('v', 'ready', '1 minute');
INSERT INTO v (id, code, kode) VALUES (1, 'a', DEFAULT), (2, DEFAULT, 'b') RETURNING code, kode;
INSERT INTO v (id, code, kode) VALUES (3, DEFAULT, NULL), (4, NULL, DEFAULT) RETURNING left(code, 4), code = kode;
SELECT zdm.cutover('v');
CALL zdm.wait('v', 'switched', '1 minute');
INSERT INTO v (id, code, kode) VALUES (5, 'a', DEFAULT), (6, DEFAULT, 'b') RETURNING code, kode;
INSERT INTO v (id, code, kode) VALUES (7, DEFAULT, NULL), (8, NULL, DEFAULT) RETURNING left(code, 4), code = kode;
SELECT conflicts FROM zdm.migrations WHERE label = 'v';

-- of the conflicts of a migration that has come to its end the sum is kept
CREATE TABLE ended (id int PRIMARY KEY, a text);
SELECT zdm.rename_column('ended', 'a', 'b', label => 'ended') > 0 AS stated;
CALL zdm.wait('ended', 'ready', '1 min');
INSERT INTO zdm.conflict (migration, rows, last, role, application)
	SELECT id, n, date '2025-01-01' + n, 'role' || n, 'app' || n FROM zdm.migrations, generate_series(2, 3) n WHERE label = 'ended';
SELECT zdm.revert('ended');
CALL zdm.wait('ended', 'reverted', '1 min');
SELECT conflicts, last_conflict::date, conflict_role, conflict_application,
	(SELECT count(*) FROM zdm.conflict WHERE migration = m.id) AS parts FROM zdm.migrations m WHERE label = 'ended';
