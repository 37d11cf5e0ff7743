--
-- Rules over a column that changes its type or its name: made again at cutover,
-- in the words that they had, and back.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time

CREATE FUNCTION rules() RETURNS TABLE (line text) LANGUAGE sql AS $$
SELECT concat_ws(' ', pg_get_ruledef(r.oid), ev_enabled, 'comment ' || obj_description(r.oid, 'pg_rewrite'))
  FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class WHERE relnamespace = 'public'::regnamespace AND rulename <> '_RETURN'
$$;
CREATE TABLE t (id int PRIMARY KEY, n int);
CREATE TABLE log (rule text, id bigint);
CREATE VIEW v AS SELECT id, n FROM t;
CREATE VIEW w AS SELECT n FROM t;
CREATE RULE "t also" AS ON UPDATE TO t WHERE new.id > 100 DO ALSO INSERT INTO log VALUES ('100% also', new.id);
CREATE RULE t_not AS ON DELETE TO t WHERE old.id = 5 DO INSTEAD NOTHING;
CREATE RULE t_off AS ON DELETE TO t DO ALSO INSERT INTO log VALUES ('off', old.id);
ALTER TABLE t DISABLE RULE t_off;
ALTER TABLE t ENABLE ALWAYS RULE t_not;
COMMENT ON RULE t_not ON t IS 'five stays';
CREATE RULE v_insert AS ON INSERT TO v DO INSTEAD INSERT INTO t (id, n) VALUES (new.id, new.n);
CREATE RULE w_insert AS ON INSERT TO w DO INSTEAD INSERT INTO t (id, n) VALUES (1000 + new.n, new.n);
COMMENT ON RULE w_insert ON w IS 'a thousand more';
INSERT INTO t SELECT i, i FROM generate_series(1, 10) i;
CREATE TABLE before AS SELECT * FROM rules();

-- both names are written to in a rename
SELECT zdm.rename_column('t', 'id', 'number');

SELECT zdm.change_column_type('t', 'id', 'bigint', label => 'forth');
CALL zdm.wait('forth', 'ready', '1 minute');
UPDATE t SET id = 101 WHERE id = 1;
SELECT zdm.cutover('forth');
CALL zdm.wait('forth', 'switched', '1 minute');
SELECT * FROM rules() EXCEPT SELECT * FROM before;
UPDATE t SET id = 102 WHERE id = 2;
DELETE FROM t WHERE id = 5;
INSERT INTO v VALUES (11, 11);
INSERT INTO w VALUES (12);
SELECT zdm.revert('forth');
CALL zdm.wait('forth', 'reverted', '1 minute');
SELECT count(*) FROM rules();
SELECT * FROM rules() EXCEPT SELECT * FROM before;
UPDATE t SET id = 103 WHERE id = 3;
SELECT zdm.change_column_type('t', 'id', 'bigint', label => 'to the end');
CALL zdm.wait('to the end', 'ready', '1 minute');
SELECT zdm.cutover('to the end');
CALL zdm.wait('to the end', 'switched', '1 minute');
SELECT zdm.contract('to the end');
CALL zdm.wait('to the end', 'completed', '1 minute');
SELECT count(*) FROM rules();
SELECT * FROM rules() EXCEPT SELECT * FROM before;
INSERT INTO v VALUES (3000000000, 13);
INSERT INTO w VALUES (14);
UPDATE t SET id = id + 1 WHERE id = 3000000000;
DELETE FROM t WHERE id = 5;
SELECT * FROM t ORDER BY 1;
SELECT * FROM log ORDER BY 1, 2;

-- rules of views only write, by one name: a rename carries them too
DROP RULE "t also" ON t;
DROP RULE t_not ON t;
DROP RULE t_off ON t;
SELECT zdm.rename_column('t', 'id', 'number', 'rename');
CALL zdm.wait('rename', 'ready', '1 minute');
SELECT zdm.cutover('rename');
CALL zdm.wait('rename', 'switched', '1 minute');
SELECT * FROM rules() ORDER BY 1;
INSERT INTO w VALUES (15);
SELECT zdm.revert('rename');
CALL zdm.wait('rename', 'reverted', '1 minute');
SELECT * FROM rules() EXCEPT SELECT * FROM before;
SELECT count(*) FROM rules();
INSERT INTO w VALUES (16);
SELECT * FROM t WHERE id > 1014 AND id < 2000 ORDER BY 1;
