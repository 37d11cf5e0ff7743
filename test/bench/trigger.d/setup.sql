-- The tables, one for each variant, and one round of the benchmark.  They are
-- unlogged, since what writing WAL costs varies more than what is measured.

CREATE EXTENSION pg_zdm;
CREATE SCHEMA bench;
CREATE FUNCTION bench.cpu() RETURNS bigint LANGUAGE c VOLATILE AS :'library', 'bench_cpu';
CREATE FUNCTION bench.noop() RETURNS trigger LANGUAGE c AS :'library', 'bench_noop';

-- The smallest that keeps both columns in step, in both directions.
CREATE FUNCTION bench.on_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.b IS NULL THEN NEW.b := NEW.a; ELSE NEW.a := NEW.b; END IF;
	RETURN NEW;
END $$;
CREATE FUNCTION bench.on_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.a IS DISTINCT FROM OLD.a THEN NEW.b := NEW.a;
	ELSIF NEW.b IS DISTINCT FROM OLD.b THEN NEW.a := NEW.b;
	END IF;
	RETURN NEW;
END $$;
-- Smaller still: only from the old column to the new one.
CREATE FUNCTION bench.on_insert_up() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN NEW.b := NEW.a; RETURN NEW; END';
CREATE FUNCTION bench.on_update_up() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN IF NEW.a IS DISTINCT FROM OLD.a THEN NEW.b := NEW.a; END IF; RETURN NEW; END';

CREATE TABLE bench.source AS
	SELECT g AS id, 'customer number ' || g AS a, now() AS made, repeat('x', 40) AS filler
	FROM generate_series(1, 1000000) g;
CREATE INDEX ON bench.source (id);
VACUUM ANALYZE bench.source;

CREATE UNLOGGED TABLE bench.model (id int PRIMARY KEY, a text, b text, made timestamptz, x int, filler text) WITH (fillfactor = 50);
CREATE UNLOGGED TABLE bench.none (LIKE bench.model INCLUDING ALL);
CREATE UNLOGGED TABLE bench.c_noop (LIKE bench.model INCLUDING ALL);
CREATE UNLOGGED TABLE bench.ours (LIKE bench.model INCLUDING ALL);
CREATE UNLOGGED TABLE bench.plpgsql (LIKE bench.model INCLUDING ALL);
CREATE UNLOGGED TABLE bench.plpgsql_up (LIKE bench.model INCLUDING ALL);

CREATE TRIGGER t BEFORE INSERT OR UPDATE ON bench.c_noop FOR EACH ROW EXECUTE FUNCTION bench.noop();
CREATE TRIGGER i BEFORE INSERT ON bench.plpgsql FOR EACH ROW EXECUTE FUNCTION bench.on_insert();
CREATE TRIGGER u BEFORE UPDATE ON bench.plpgsql FOR EACH ROW EXECUTE FUNCTION bench.on_update();
CREATE TRIGGER i BEFORE INSERT ON bench.plpgsql_up FOR EACH ROW EXECUTE FUNCTION bench.on_insert_up();
CREATE TRIGGER u BEFORE UPDATE ON bench.plpgsql_up FOR EACH ROW EXECUTE FUNCTION bench.on_update_up();
WITH m AS (INSERT INTO zdm.migration (kind, relid, relation, owner, definition, settings)
	VALUES ('bench', 'bench.ours'::regclass, 'bench.ours', 10, '{}', '{}') RETURNING id, relid)
	INSERT INTO zdm.pair (migration, relid, old_attnum, new_name, new_attnum) SELECT id, relid, 2, 'b', 3 FROM m;
CREATE TRIGGER "~zdm_sync" BEFORE INSERT OR UPDATE ON bench.ours FOR EACH ROW EXECUTE FUNCTION zdm.sync();

CREATE TABLE bench.result (round int, portion int, variant text, task text, ns float8);

-- CPU time per row of a statement that is run for the numbers from..upto,
-- either once, or once for each number n.
CREATE PROCEDURE bench.measure(round int, portion int, variant text, task text, statement text, first int, last int) LANGUAGE plpgsql AS $$
DECLARE
	single boolean := task LIKE '%single';
	block text;
	start bigint;
BEGIN
	block := format('DO %L',
		CASE WHEN single THEN format('BEGIN FOR n IN %s .. %s LOOP %s; END LOOP; END', first, last, format(statement, variant))
		ELSE format('BEGIN %s; END', format(statement, variant, first, last)) END);
	start := bench.cpu();
	EXECUTE block;
	INSERT INTO bench.result VALUES (round, portion, variant, task, (bench.cpu() - start)::float8 / (last - first + 1));
	COMMIT;
END $$;

-- The variants take turns with small portions: whatever slows the machine down
-- for a while slows all of them.
CREATE PROCEDURE bench.round(round int, rows int) LANGUAGE plpgsql AS $$
DECLARE
	variant text;
	variants text[] := '{none, c_noop, ours, plpgsql, plpgsql_up}';
	portions int := 20;
	n int := rows / portions;
	m int := n / 5;
	f int;
	columns text;
	bulk text;
	single text;
BEGIN
	FOR portion IN 0 .. portions - 1 LOOP
		FOR i IN 1 .. cardinality(variants) LOOP
			variant := variants[(i + portion) % cardinality(variants) + 1];
			f := portion * n + 1;
			-- where no trigger fills the other column the statement does, so that
			-- every table holds the same rows
			columns := CASE WHEN variant IN ('none', 'c_noop') THEN 'a, b' ELSE 'a' END;
			bulk := replace(columns, 'b', 'a');
			single := regexp_replace(columns, '[ab]', '''customer number 17''', 'g');
			CALL bench.measure(round, portion, variant, 'insert, bulk', 'INSERT INTO bench.%I (id, ' || columns || ', made, filler) SELECT id, ' || bulk || ', made, filler FROM bench.source WHERE id BETWEEN %s AND %s', f, f + n - 1);
			CALL bench.measure(round, portion, variant, 'update elsewhere, bulk', 'UPDATE bench.%I SET x = 1 WHERE id BETWEEN %s AND %s', f, f + n - 1);
			CALL bench.measure(round, portion, variant, 'update of the old, bulk', 'UPDATE bench.%I SET a = a || ''!''' || CASE WHEN columns = 'a' THEN '' ELSE ', b = b || ''!''' END || ' WHERE id BETWEEN %s AND %s', f, f + n - 1);
			f := rows + portion * m + 1;
			CALL bench.measure(round, portion, variant, 'insert, single', 'INSERT INTO bench.%I (id, ' || columns || ', made, filler) VALUES (n, ' || single || ', now(), ''some filler'')', f, f + m - 1);
			CALL bench.measure(round, portion, variant, 'update elsewhere, single', 'UPDATE bench.%I SET x = 1 WHERE id = n', f, f + m - 1);
		END LOOP;
	END LOOP;
	FOREACH variant IN ARRAY variants LOOP
		EXECUTE format('TRUNCATE bench.%I', variant);
	END LOOP;
END $$;
