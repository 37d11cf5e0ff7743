-- zdm_test: what tests need inside the server; see zdm_test.c

--
-- Who runs what, as whom: see watch.c.
--
CREATE SCHEMA zdm_watch;
GRANT USAGE ON SCHEMA zdm_watch TO PUBLIC;

-- from here on, what sessions run belongs to this moment
CREATE FUNCTION zdm_watch.moment(name text) RETURNS void
	STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_watch_moment';

-- what functions of schemas called canary* were opened (before they are run by the
-- executor) or run since, as whom; in this database
CREATE FUNCTION zdm_watch.heard(OUT moment text, OUT worker bool, OUT func oid, OUT who oid,
		OUT session oid, OUT restricted bool, OUT own bool, OUT ours bool, OUT pinned bool, OUT n bigint)
	RETURNS SETOF record
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_watch_heard';

-- forget it
CREATE FUNCTION zdm_watch.forget() RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_watch_forget';

-- a type modifier, and a value, of types that only C can make
CREATE FUNCTION zdm_watch.typmod_in(cstring[]) RETURNS int
	IMMUTABLE STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_watch_typmod_in';
CREATE FUNCTION zdm_watch.typmod_out(int) RETURNS cstring
	IMMUTABLE STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_watch_typmod_out';

CREATE SCHEMA test;
GRANT USAGE ON SCHEMA test TO PUBLIC;

--
-- The pure decisions.
--
CREATE FUNCTION test.state_next(state text, failed_from text, event int) RETURNS text STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_state_next';
CREATE FUNCTION test.pace_next_blocks(blocks bigint, elapsed float8, target float8) RETURNS bigint STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_pace_next_blocks';
CREATE FUNCTION test.pace_rows_due(rows int, phase int) RETURNS int STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_pace_rows_due';
CREATE FUNCTION test.pace_phases_serve(phase int, rows bigint, kept bigint) RETURNS boolean STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_pace_phases_serve';
CREATE FUNCTION test.pace_rest(elapsed float8, rested float8, ratio float8, wal bigint, rate bigint) RETURNS int STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_pace_rest';
CREATE FUNCTION test.pace_stretch(best float8, elapsed float8, rows bigint) RETURNS float8 STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_pace_stretch';
CREATE FUNCTION test.pace_at_once(workers int, ratio float8) RETURNS int STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_pace_at_once';
CREATE FUNCTION test.stops_beyond(reading float8, "limit" float8, floor boolean, held boolean) RETURNS boolean STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_stops_beyond';
CREATE FUNCTION test.window_is_open(windows text, at timestamptz) RETURNS boolean STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_window_is_open';
CREATE FUNCTION test.window_opens(windows text, at timestamptz) RETURNS timestamptz STRICT
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_window_opens';

--
-- The sync trigger: pairs and triggers set up by hand, without a migration that does
-- anything.
--
CREATE FUNCTION test.expr_resolve(rel regclass, source text, target regtype, typmod int DEFAULT -1, new_name text DEFAULT NULL, new_type regtype DEFAULT 0)
	RETURNS text LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_test_expr_resolve';
CREATE FUNCTION test.expr_readable(regclass, text, int2)
	RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_expr_readable';
CREATE FUNCTION test.expr_cast(regtype, int, regtype, int, boolean)
	RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_expr_cast';
CREATE FUNCTION test.pair_invalidate(regclass)
	RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_pair_invalidate';
CREATE FUNCTION test.pairs_disagree(regclass, record)
	RETURNS int LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_pairs_disagree';
CREATE FUNCTION test.trigger_sql(regclass, boolean)
	RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_trigger_sql';

-- A pair in force, of a migration of its own, and the trigger if there is none.
CREATE FUNCTION test.pair(rel regclass, old_name name, new_name name, up text DEFAULT NULL, down text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	m bigint;
BEGIN
	INSERT INTO zdm.migration (kind, relid, relation, owner, definition, settings)
		VALUES ('test', rel, rel::text, (SELECT relowner FROM pg_class WHERE oid = rel), '{}', '{}')
		RETURNING id INTO m;
	INSERT INTO zdm.pair (migration, relid, old_attnum, new_name, new_attnum, up, down, past)
		SELECT m, rel, o.attnum, $3, n.attnum, $4, $5, pg_current_snapshot() FROM pg_attribute o, pg_attribute n
		WHERE o.attrelid = rel AND o.attname = $2 AND n.attrelid = rel AND n.attname = $3;
	PERFORM test.pair_invalidate(rel);
	IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = rel AND tgfoid = 'zdm.sync'::regproc) THEN
		EXECUTE test.trigger_sql(rel, false);
	END IF;
END $$;

-- Change the pairs of a table: test.set_pair('t', 'authoritative = ''new''')
CREATE FUNCTION test.set_pair(rel regclass, assignments text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('UPDATE zdm.pair SET %s WHERE relid = %s', assignments, rel::oid);
	PERFORM test.pair_invalidate(rel);
END $$;

-- Run a statement and show its error as one line.
CREATE FUNCTION test.try(statement text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	message text;
	detail text;
	context text;
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
	RETURN state || ' ' || message || coalesce(' | ' || nullif(detail, ''), '')
		|| coalesce(' | ' || substring(context from 'computing [^\n]*'), '');
END $$;

--
-- Debug points: hold workers at one, let them go, wait until one is there; the
-- point's name with ":error", or a SQLSTATE, behind it makes them fail.  No snapshot
-- is held meanwhile: an index build would wait for it.
--
CREATE FUNCTION test.hold(point text) RETURNS void LANGUAGE sql AS
	$$ SELECT pg_advisory_lock(hashtextextended('zdm:' || point, 0)) $$;
CREATE FUNCTION test.release(point text) RETURNS void LANGUAGE sql AS
	$$ SELECT 1 / pg_advisory_unlock(hashtextextended('zdm:' || point, 0))::int $$;
CREATE PROCEDURE test.arrive(point text) LANGUAGE plpgsql AS $$
DECLARE
	key bigint := hashtextextended('zdm:' || point, 0);
BEGIN
	WHILE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
	                  AND (classid::bigint << 32) | objid::bigint = key) LOOP
		PERFORM pg_sleep(0.01);
		COMMIT;
	END LOOP;
END $$;

--
-- Waiting for a state: of the latest migration, or of the one with this label,
-- without the lines of zdm.wait, which depend on time; and for what it waits for.
--
CREATE PROCEDURE test.await(state text) LANGUAGE plpgsql AS $$
DECLARE
	m bigint := (SELECT max(id) FROM zdm.migration);
BEGIN
	CALL zdm.wait(m, state, '60s');
END $$;
CREATE PROCEDURE test.await(label text, until text) LANGUAGE plpgsql AS $$
DECLARE
	before text := current_setting('client_min_messages');
BEGIN
	PERFORM set_config('client_min_messages', 'warning', false);
	CALL zdm.wait(label, until, '60s');
	PERFORM set_config('client_min_messages', before, false);
END $$;
-- until the migration rests in a state that it does not leave by itself; rows without a key have no names
CREATE PROCEDURE test.rests(what text) LANGUAGE plpgsql AS $$
DECLARE
	m record;
BEGIN
	COMMIT;
	WHILE EXISTS (SELECT FROM zdm.migrations WHERE label = what AND state NOT IN ('completed', 'failed', 'reverted')) LOOP
		PERFORM pg_sleep(0.02);
		COMMIT;
	END LOOP;
	SELECT state, error_state, regexp_replace(error, 'ctid=\S*', 'ctid', 'g') AS error INTO m FROM zdm.migrations WHERE label = what;
	RAISE WARNING '% % %', m.state, m.error_state, m.error;
END $$;
CREATE FUNCTION test.waits_for(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT EXISTS (SELECT FROM zdm.progress WHERE waiting_for LIKE what) LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;

--
-- All that the catalog has of the constraints, indexes and columns of a schema; and by what
-- two schemas differ.  What PostgreSQL finds on a partition may say that it is not inherited.
--
CREATE FUNCTION test.shape(schema text, OUT line text) RETURNS SETOF text LANGUAGE sql AS $$
	WITH r AS (SELECT c.oid, c.relkind FROM pg_class c WHERE relnamespace = schema::regnamespace),
		i AS (SELECT oid FROM r WHERE relkind IN ('i', 'I')),
		o AS (SELECT c.oid, conname AS name FROM pg_constraint c WHERE connamespace = schema::regnamespace)
	SELECT replace(l, schema || '.', '') FROM (
		SELECT concat_ws(' ', 'constraint', conrelid::regclass, to_jsonb(c) - '{oid,conrelid,conindid,connamespace,conparentid,confrelid,conbin}'::text[] - CASE WHEN conparentid <> 0 THEN 'connoinherit' ELSE '' END,
			pg_get_constraintdef(c.oid), conindid::regclass, (SELECT name FROM o p WHERE p.oid = conparentid)) FROM pg_constraint c JOIN o USING (oid)
		UNION ALL
		SELECT concat_ws(' ', 'index', pg_get_indexdef(indexrelid), to_jsonb(x) - '{indexrelid,indrelid,indexprs,indpred}'::text[]) FROM pg_index x JOIN i ON oid = indexrelid
		UNION ALL
		SELECT concat_ws(' ', 'class', to_jsonb(c) - '{oid,relnamespace,relfilenode,reltype,relpages,reltuples,relfrozenxid,relminmxid,relallvisible,relallfrozen}'::text[]) FROM pg_class c JOIN i USING (oid)
		UNION ALL
		SELECT concat_ws(' ', 'column', attrelid::regclass, attnum, attname, atttypid, attnotnull, attislocal, attinhcount) FROM pg_attribute a JOIN r ON attrelid = r.oid WHERE attnum > 0
		UNION ALL
		SELECT concat_ws(' ', 'trigger', name, tgfoid::regproc, tgtype, tgenabled, tgisinternal, tgdeferrable, tginitdeferred) FROM pg_trigger JOIN o ON o.oid = tgconstraint
		UNION ALL
		SELECT concat_ws(' ', 'depend', pg_describe_object(classid, objid, objsubid), pg_describe_object(refclassid, refobjid, refobjsubid), deptype, count(*))
			FROM pg_depend WHERE (classid = 'pg_class'::regclass AND objid IN (SELECT oid FROM i)) OR (classid = 'pg_constraint'::regclass AND objid IN (SELECT oid FROM o)) GROUP BY classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype
	) x(l) $$;
CREATE FUNCTION test.differences(one text, other text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(line, E'\n') FROM ((SELECT test.shape(one) AS line EXCEPT ALL SELECT test.shape(other))
		UNION ALL (SELECT test.shape(other) EXCEPT ALL SELECT test.shape(one))) d $$;

--
-- What hangs on a table, moved to another one without a migration.
--
CREATE FUNCTION test.move_pair("from" regclass, "to" regclass, indexes oid[], likes oid[], leaves_from oid[], leaves_to oid[], attach boolean, middle text)
	RETURNS text LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_move';
CREATE FUNCTION test.move_check(regclass, partitioned boolean)
	RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_move_check';

CREATE FUNCTION test.label(regclass, "column" int, label text)
	RETURNS void LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'zdm_test_label';

-- Indexes are each other's likes if one has the other's name behind "h_", as far as that goes.
CREATE FUNCTION test.move("from" regclass, "to" regclass, leaves_from regclass[] DEFAULT '{}', leaves_to regclass[] DEFAULT '{}', attach boolean DEFAULT false, middle text DEFAULT '')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	indexes oid[];
	likes oid[];
BEGIN
	SELECT coalesce(array_agg(f.oid ORDER BY f.relname), '{}'), coalesce(array_agg(t.oid ORDER BY f.relname), '{}') INTO indexes, likes
	FROM pg_index i JOIN pg_class f ON f.oid = i.indexrelid, pg_index j JOIN pg_class t ON t.oid = j.indexrelid
	WHERE i.indrelid = ANY ("from" || leaves_from) AND j.indrelid = ANY ("to" || leaves_to)
	AND (t.relname = left('h_' || f.relname, 63) OR f.relname = left('h_' || t.relname, 63));
	RETURN test.move_pair("from", "to", indexes, likes, leaves_from::oid[], leaves_to::oid[], attach, middle);
END $$;

-- All that is known of a table by its name, and of what refers to it, in lines that name no OID.
-- No alias is called as a column of a test is: a function that seems to name one is warned of.
CREATE FUNCTION test.known_of(rel regclass) RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
	SELECT format('table: %s owner %s options %s rls %s %s identity %s acl %s type acl %s label %s comment %s', c.oid::regclass, c.relowner::regrole,
		c.reloptions, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relacl, t.typacl,
		(SELECT string_agg(provider || '=' || label, ',') FROM pg_seclabel l WHERE l.classoid = 'pg_class'::regclass AND l.objoid = c.oid AND objsubid = 0),
		obj_description(c.oid, 'pg_class')) || coalesce(' / ' || obj_description(t.oid, 'pg_type'), '')
	FROM pg_class c JOIN pg_type t ON t.oid = c.reltype WHERE c.oid = rel
	UNION ALL
	SELECT format('column %s: %s %s %s default %s identity "%s" storage %s compression "%s" target %s options %s acl %s label %s comment %s', attname, format_type(atttypid, atttypmod),
		CASE WHEN attnotnull THEN 'NOT NULL' END, attgenerated, pg_get_expr(adbin, adrelid), attidentity, attstorage, attcompression, coalesce(attstattarget, -1),
		(SELECT string_agg(o, ',') FROM unnest(attoptions) o WHERE o NOT LIKE 'pg\_%'), attacl,
		(SELECT string_agg(provider || '=' || label, ',') FROM pg_seclabel l WHERE l.classoid = 'pg_class'::regclass AND l.objoid = attrelid AND objsubid = attnum),
		col_description(attrelid, attnum))
	FROM (SELECT * FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
		WHERE attrelid = rel AND attnum > 0 AND NOT attisdropped ORDER BY attname) att
	UNION ALL
	SELECT * FROM (SELECT format('constraint %s of %s: %s %s comment %s', conname, conrelid::regclass, pg_get_constraintdef(oid), convalidated, obj_description(oid, 'pg_constraint'))
		FROM pg_constraint WHERE (conrelid = rel OR confrelid = rel) AND (contype = 'f' AND conparentid = 0 OR contype NOT IN ('f', 't')) ORDER BY conrelid::regclass::text, conname) x
	UNION ALL
	SELECT * FROM (SELECT format('index: %s%s%s comment %s targets %s', pg_get_indexdef(indexrelid), CASE WHEN indisclustered THEN ' clustered' END,
		CASE WHEN indisreplident THEN ' identity' END, obj_description(indexrelid, 'pg_class'),
		(SELECT string_agg(coalesce(attstattarget, -1)::text, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = indexrelid))
		FROM pg_index WHERE indrelid = rel ORDER BY indexrelid::regclass::text) x
	UNION ALL
	SELECT * FROM (SELECT format('trigger: %s %s comment %s', pg_get_triggerdef(oid), tgenabled, obj_description(oid, 'pg_trigger'))
		FROM pg_trigger WHERE (tgrelid = rel OR tgconstrrelid = rel) AND NOT tgisinternal ORDER BY tgname) x
	UNION ALL
	SELECT * FROM (SELECT format('rule: %s %s comment %s', pg_get_ruledef(oid), ev_enabled, obj_description(oid, 'pg_rewrite'))
		FROM pg_rewrite r WHERE ev_class = rel OR oid IN (SELECT objid FROM pg_depend WHERE classid = 'pg_rewrite'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = rel)
		ORDER BY ev_class::regclass::text, rulename) x
	UNION ALL
	SELECT * FROM (SELECT format('policy %s of %s: %s %s %s using %s check %s comment %s', polname, polrelid::regclass, polpermissive, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid),
		pg_get_expr(polwithcheck, polrelid), obj_description(oid, 'pg_policy')) FROM pg_policy p
		WHERE polrelid = rel OR oid IN (SELECT objid FROM pg_depend WHERE classid = 'pg_policy'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = rel) ORDER BY polname) x
	UNION ALL
	SELECT * FROM (SELECT format('statistics %s: %s %s %s owner %s target %s comment %s', stxname, stxkind,
		(SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_attribute WHERE attrelid = stxrelid AND attnum = ANY (stxkeys)), pg_get_statisticsobjdef_expressions(oid), stxowner::regrole, coalesce(stxstattarget, -1), obj_description(oid, 'pg_statistic_ext'))
		FROM pg_statistic_ext WHERE stxrelid = rel ORDER BY stxname) x
	UNION ALL
	SELECT * FROM (SELECT format('sequence %s: %s of %s', s.oid::regclass, d.deptype, att.attname) FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
		JOIN pg_attribute att ON att.attrelid = d.refobjid AND att.attnum = d.refobjsubid WHERE d.refobjid = rel AND d.classid = 'pg_class'::regclass ORDER BY s.relname) x
	UNION ALL
	SELECT * FROM (SELECT format('published by %s: %s', p.pubname, (to_jsonb(t) || jsonb_build_object('attnames', (SELECT jsonb_agg(att ORDER BY att) FROM jsonb_array_elements_text(to_jsonb(t)->'attnames') att)) - 'schemaname' - 'tablename' - 'pubname')::text) FROM pg_publication p JOIN pg_publication_tables t ON t.pubname = p.pubname
		JOIN pg_class c ON c.relname = t.tablename JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = t.schemaname WHERE c.oid = rel ORDER BY p.pubname) x
	UNION ALL
	SELECT * FROM (SELECT format('function: %s', pg_get_functiondef(f.oid)) FROM pg_proc f WHERE oid IN
		(SELECT objid FROM pg_depend WHERE classid = 'pg_proc'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = rel) ORDER BY proname) x
$$;

-- Does an exclusion constraint of a partitioned table find those of its partitions?  Not in
-- all minor releases of 17 and 18.
CREATE FUNCTION test.finds_exclusions() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	found boolean;
BEGIN
	CREATE TEMPORARY TABLE finds (k int4range) PARTITION BY LIST (k);
	CREATE TEMPORARY TABLE finds_1 PARTITION OF finds DEFAULT;
	ALTER TABLE finds_1 ADD EXCLUDE USING gist (k WITH =);
	ALTER TABLE finds ADD EXCLUDE USING gist (k WITH =);
	SELECT count(*) = 1 INTO found FROM pg_constraint WHERE conrelid = 'finds_1'::regclass AND contype = 'x';
	DROP TABLE finds;
	RETURN found;
END $$;
