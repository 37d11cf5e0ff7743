--
-- What an index calls its columns, which key a foreign key is of, and what is
-- said of a view's rules and triggers: the same after a change of type, and after
-- its way back.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;	-- the lines of zdm.wait depend on time
\pset format unaligned
\pset tuples_only on

CREATE FUNCTION names() RETURNS SETOF text LANGUAGE sql AS $$
SELECT concat_ws(' ', attrelid::regclass, attnum, attname) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relkind IN ('i', 'I') AND c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT concat_ws(' ', conname, conindid::regclass) FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND connamespace = 'public'::regnamespace
UNION ALL
SELECT concat_ws(' ', 'comment', obj_description(oid, 'pg_rewrite')) FROM pg_rewrite WHERE ev_class = to_regclass('v') AND rulename <> '_RETURN'
UNION ALL
SELECT concat_ws(' ', 'comment', obj_description(oid, 'pg_trigger')) FROM pg_trigger WHERE tgrelid = to_regclass('v')
$$;
CREATE TABLE before (line text);
CREATE FUNCTION changes() RETURNS TABLE (change text, line text) LANGUAGE sql AS $$
(SELECT 'lost', * FROM before EXCEPT ALL SELECT 'lost', * FROM names())
UNION ALL
(SELECT 'found', * FROM names() EXCEPT ALL SELECT 'found', * FROM before)
ORDER BY 2, 1 DESC
$$;
CREATE PROCEDURE go(m bigint, verb text, state text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT zdm.%I($1)', verb) USING m;
	COMMIT;
	CALL zdm.wait(m, state, '1 minute');
END
$$;

--
-- forth, back, and to the end
--
CREATE TABLE t (id int, n int, PRIMARY KEY (id, n), UNIQUE (n, id) DEFERRABLE, UNIQUE (id));
CREATE UNIQUE INDEX a_second_one ON t (id);
CREATE INDEX twice ON t (id, id DESC) INCLUDE (id);
CREATE INDEX cast_of ON t ((id::text), (id + 1), n);
CREATE TABLE child (t int REFERENCES t (id), n int, FOREIGN KEY (t, n) REFERENCES t (id, n));
CREATE VIEW v AS SELECT id FROM t;
CREATE RULE r AS ON INSERT TO v DO INSTEAD NOTHING;
COMMENT ON RULE r ON v IS 'a rule';
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER i INSTEAD OF UPDATE ON v FOR EACH ROW EXECUTE FUNCTION f();
COMMENT ON TRIGGER i ON v IS 'a trigger';
CREATE TABLE p (id int, n int, PRIMARY KEY (n, id)) PARTITION BY LIST (n);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1) PARTITION BY LIST (n);
CREATE TABLE p11 PARTITION OF p1 FOR VALUES IN (1);
CREATE INDEX p_id ON p (id);
INSERT INTO before SELECT * FROM names();
TABLE before ORDER BY line;

SELECT zdm.change_column_type('t', 'id', 'bigint') AS t \gset
SELECT zdm.change_column_type('p', 'id', 'bigint') AS p \gset
CALL zdm.wait(:t, 'ready', '1 minute');
CALL zdm.wait(:p, 'ready', '1 minute');
CALL go(:t, 'cutover', 'switched');
CALL go(:p, 'cutover', 'switched');
CALL go(:t, 'revert', 'reverted');
CALL go(:p, 'revert', 'reverted');
-- the index that was left alone is the first that can be had
SELECT * FROM changes();

DROP INDEX a_second_one CASCADE;
ALTER TABLE child ADD FOREIGN KEY (t) REFERENCES t (id);
CREATE UNIQUE INDEX a_second_one ON t (id);
TRUNCATE before;
INSERT INTO before SELECT * FROM names();
SELECT zdm.change_column_type('t', 'id', 'bigint') AS t \gset
SELECT zdm.change_column_type('p', 'id', 'bigint') AS p \gset
CALL zdm.wait(:t, 'ready', '1 minute');
CALL zdm.wait(:p, 'ready', '1 minute');
CALL go(:t, 'cutover', 'switched');
CALL go(:p, 'cutover', 'switched');
-- a partition of another's making has other names, and keeps them
CREATE TABLE p2 (LIKE p);
CREATE TABLE p3 (LIKE p);
ALTER TABLE p3 RENAME id TO other;
CREATE INDEX p3_other ON p3 (other);
ALTER TABLE p3 RENAME other TO id;
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES IN (2);
ALTER TABLE p ATTACH PARTITION p3 FOR VALUES IN (3);
CALL go(:t, 'contract', 'completed');
CALL go(:p, 'contract', 'completed');
SELECT * FROM changes();

--
-- values of the table's row type elsewhere would not follow
--
CREATE TABLE has_row (rows t[]);
SELECT zdm.change_column_type('t', 'n', 'bigint');
SELECT zdm.rename_column('t', 'n', 'm');
DROP TABLE has_row;
CREATE TABLE has_row (r p11);
SELECT zdm.rename_column('p', 'id', 'm');
