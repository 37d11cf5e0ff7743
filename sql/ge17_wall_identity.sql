--
-- The same for expressions that came with PostgreSQL 17: what is harmless is
-- listed, so that none of them is by not being known.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_zdm_mal17;
CREATE SCHEMA mal AUTHORIZATION regress_zdm_mal17;
SET SESSION AUTHORIZATION regress_zdm_mal17;
CREATE SEQUENCE mal.sung;
CREATE FUNCTION mal.sing(text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'regress_zdm_mal17' THEN
		PERFORM nextval('mal.sung');
	END IF;
END
$$;
CREATE FUNCTION mal.evil(v text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM mal.sing(v);
	RETURN v;
END
$$;
CREATE DOMAIN mal.dom AS text CHECK (mal.evil(VALUE) IS NOT NULL);
CREATE TABLE mal.t (id int PRIMARY KEY, a jsonb);
INSERT INTO mal.t SELECT g, jsonb_build_object('k', 'v' || g) FROM generate_series(1, 3) g;
SELECT zdm.change_column_type('mal.t', 'a', 'text', up => $$JSON_VALUE(a, '$.k' RETURNING mal.dom)$$,
	down => $$jsonb_build_object('k', a)$$, label => 'json') > 0;
RESET SESSION AUTHORIZATION;
CALL zdm.wait('json', timeout => '60s');
UPDATE mal.t SET id = -id;
SELECT count(*) FROM zdm.verify('json');
SELECT zdm.cutover('json') IS NOT NULL;
CALL zdm.wait('json', timeout => '60s');
UPDATE mal.t SET id = -id;
SELECT zdm.contract('json') IS NOT NULL;
CALL zdm.wait('json', timeout => '60s');
SELECT is_called AS sung FROM mal.sung;
SELECT state FROM zdm.migrations WHERE label = 'json';
SELECT string_agg(a, ' ' ORDER BY abs(id)) FROM mal.t;
