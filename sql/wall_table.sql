--
-- Who runs what, as whom: the table.  Canaries of each kind stand in every place
-- where a user can put code, and test/module hears each of them sing, with who is
-- the current user then, in every state that a migration goes through, and in what
-- a superuser does beside it.  README has the same in words.
--
-- A line is a place and a kind of canary:
--   fn     an IMMUTABLE function          dom   the CHECK of a domain, also of a literal
--   op     an operator                    cast  a cast
--   typ    a type's input, output and modifier functions, which only a superuser can make
--   over   a better match for a polymorphic function, made by a stranger after the call
--   trg    a trigger's function
-- A letter is who ran it, at that moment:
--   o  the table's owner, restricted, with the pinned search_path
--   s  the same with the search_path of the caller, whose plain statement is run as it stands
--   c  the caller, by what he says himself
--   p  PostgreSQL, as without us: code of ours is not on the stack, or only hands a statement on
--   .  nobody
--   x  of "over": nobody, as the migration has stopped there, naming the function; it is dropped
--      then, and the migration resumed
--      (typ of owhen: the trigger, which is printed, hangs on the owner's table)
--   !  somebody else, or with rights that are not his: for "over", the stranger's function has
--      taken the place of what was stated, whoever runs it; typ of key: PostgreSQL prints the key
--      for whoever reads a bound
--   -  there is no such thing:
--      the moments that a statement does not have (an index is not cut over);
--      trg in an expression, and all else but trg where a trigger's function stands;
--      in dcheck (a column whose type is a domain) all but the domain itself;
--      in a name all but a function, since a name has 63 bytes;
--      in a publication's row filter all: PostgreSQL takes nothing of a user's there
-- What moments are of: "steer" is verify, pause, configure, resume, cutover, revert and contract
-- in the caller's session; "look" the views; "ready" and "switched" writes and reads of an application;
-- "attach" that a partition comes to the table that is migrated.
-- Places: those of a table of which a column changes its type, by their names; of one of which that
-- goes to its end (c...), of one of which a column is renamed (r...), of a partitioned one to which a
-- partition is attached meanwhile (a...); of another role, by REFERENCES and TRIGGER (o...); in a
-- statement (new..., fill, assign, cond, hold; key, bound, leaf of ATTACH PARTITION), of a backfill with
-- fire_triggers (f...); and in code that zdm.check() follows (do).
--
CREATE EXTENSION pg_zdm;
CREATE EXTENSION zdm_test;
SET client_min_messages = error;
\set SHOW_CONTEXT never
\set ON_ERROR_STOP off
\pset format unaligned
\pset tuples_only on
\pset footer off
SET zdm.guard = off;

CREATE ROLE regress_zdm_author;
CREATE ROLE regress_zdm_stranger;
CREATE ROLE regress_zdm_app;
CREATE ROLE regress_zdm_other;
CREATE SCHEMA canary AUTHORIZATION regress_zdm_author;
GRANT USAGE ON SCHEMA canary TO PUBLIC;
GRANT CREATE ON SCHEMA canary TO regress_zdm_stranger, regress_zdm_other;

--
-- The canaries of a place, which is what their names end in
--
CREATE PROCEDURE hatch(place text, owner text DEFAULT 'regress_zdm_author') LANGUAGE plpgsql AS $$
DECLARE
	body text := $body$ LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END'$body$;
BEGIN
	EXECUTE format('CREATE FUNCTION canary.fn_%1$s(text) RETURNS text %2$s;
		CREATE FUNCTION canary.over_%1$s(anyelement) RETURNS anyelement %2$s;
		CREATE FUNCTION canary.dom_%1$s(text) RETURNS text %2$s;
		CREATE DOMAIN canary.d_%1$s AS text CHECK (VALUE IS NULL OR canary.dom_%1$s(VALUE) IS NOT NULL);
		CREATE TYPE canary.r_%1$s AS (v text);
		CREATE FUNCTION canary.cast_%1$s(canary.r_%1$s) RETURNS text LANGUAGE plpgsql IMMUTABLE AS ''BEGIN RETURN $1.v; END'';
		CREATE CAST (canary.r_%1$s AS text) WITH FUNCTION canary.cast_%1$s(canary.r_%1$s);
		CREATE FUNCTION canary.op_%1$s(text, canary.r_%1$s) RETURNS text %2$s;
		CREATE OPERATOR canary.|| (LEFTARG = text, RIGHTARG = canary.r_%1$s, FUNCTION = canary.op_%1$s);
		CREATE FUNCTION canary.trg_%1$s() RETURNS trigger LANGUAGE plpgsql AS ''BEGIN RETURN NEW; END''',
		place, body);
	-- a base type takes a superuser, who may give it away
	EXECUTE format('CREATE TYPE canary.t_%1$s;
		CREATE FUNCTION canary.typ_in_%1$s(cstring) RETURNS canary.t_%1$s STRICT IMMUTABLE LANGUAGE internal AS ''textin'';
		CREATE FUNCTION canary.typ_out_%1$s(canary.t_%1$s) RETURNS cstring STRICT IMMUTABLE LANGUAGE internal AS ''textout'';
		CREATE FUNCTION canary.typ_modin_%1$s(cstring[]) RETURNS int STRICT IMMUTABLE LANGUAGE c AS ''zdm_test'', ''zdm_watch_typmod_in'';
		CREATE FUNCTION canary.typ_modout_%1$s(int) RETURNS cstring STRICT IMMUTABLE LANGUAGE c AS ''zdm_test'', ''zdm_watch_typmod_out'';
		CREATE TYPE canary.t_%1$s (INPUT = canary.typ_in_%1$s, OUTPUT = canary.typ_out_%1$s,
			TYPMOD_IN = canary.typ_modin_%1$s, TYPMOD_OUT = canary.typ_modout_%1$s, LIKE = text)', place);
	EXECUTE (SELECT string_agg(format('ALTER ROUTINE %s OWNER TO %s', oid::regprocedure, owner), '; ')
		FROM pg_proc WHERE pronamespace = 'canary'::regnamespace AND proname LIKE '%\_' || place);
	EXECUTE (SELECT string_agg(format('ALTER TYPE %s OWNER TO %s', oid::regtype, owner), '; ')
		FROM pg_type WHERE typnamespace = 'canary'::regnamespace AND typname ~ ('^[drt]_' || place || '$'));
END
$$;
-- a stranger's better matches for these places
CREATE PROCEDURE overload(VARIADIC places text[]) LANGUAGE plpgsql AS $$
DECLARE
	place text;
BEGIN
	FOREACH place IN ARRAY places LOOP
		SET LOCAL ROLE regress_zdm_stranger;
		EXECUTE format($f$CREATE OR REPLACE FUNCTION canary.over_%s(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END'$f$, place);
		RESET ROLE;
	END LOOP;
END
$$;
-- An expression of type text with all canaries of a place, over x: what x gives is not changed by it.
CREATE FUNCTION song(place text, x text) RETURNS text LANGUAGE sql AS $$
SELECT format($f$canary.over_%1$s(canary.fn_%1$s((ROW((%2$s)::canary.d_%1$s)::canary.r_%1$s)::text)) OPERATOR(pg_catalog.||)
	pg_catalog.left((canary.fn_%1$s('k') OPERATOR(canary.||) ROW('k'::canary.d_%1$s)::canary.r_%1$s) OPERATOR(pg_catalog.||) 'k'::canary.t_%1$s(1)::text OPERATOR(pg_catalog.||) ((%2$s)::canary.t_%1$s(1))::text, 0)$f$, place, x)
$$;
SELECT format('CALL hatch(%L)', place) FROM unnest('{default,gen,up,down,check,pred,idx,using,with,stat,when,trigger,view,rule,ddefault,dcheck,name,newidx,newpred,newcheck,newdefault,fill,assign,cond,hold,key,bound,leaf,do,cdefault,ccheck,cup,cdown,rdefault,rcheck,ridx,rusing,acheck,adefault,aup,adown,ftrigger,fassign}'::text[]) place \gexec
SELECT format('CALL hatch(%L, %L)', place, 'regress_zdm_other') FROM unnest('{oindex,otrigger,owhen}'::text[]) place \gexec

-- where a migration has stopped at a stranger's better match
CREATE TABLE stopped (place text, moment text);
-- On until it rests: what it stops at is written down and dropped.
CREATE PROCEDURE go(label text, endings text[] DEFAULT '{ready,switched,completed,reverted}') LANGUAGE plpgsql AS $$
DECLARE
	m record;
	place text;
BEGIN
	FOR i IN 1 .. 2000 LOOP
		SELECT x.id, x.state, x.error, s.action, r.failed_from, p.waiting_for INTO m FROM zdm.migrations x JOIN zdm.migration r USING (id)
			LEFT JOIN zdm.progress p USING (id) LEFT JOIN zdm.step s ON s.migration = x.id AND s.state = 'failed' WHERE x.label = go.label;
		EXIT WHEN m.state = ANY (endings);
		place := substring(CASE m.state WHEN 'failed' THEN m.error ELSE m.waiting_for END FROM 'means function canary\.over_([a-z]+)\(pg_catalog\.text\) now');
		IF place IS NOT NULL AND to_regprocedure(format('canary.over_%s(text)', place)) IS NOT NULL THEN
			INSERT INTO stopped VALUES (place, CASE WHEN m.failed_from = 'cutting_over' THEN 'cutover' WHEN m.failed_from = 'reverting' THEN 'revert'
				WHEN m.failed_from = 'contracting' THEN 'contract' WHEN m.state <> 'failed' OR m.action = 'backfill' THEN 'backfill' ELSE 'expand' END);
			EXECUTE format('DROP FUNCTION canary.over_%s(text)', place);
			COMMIT;
			PERFORM zdm.resume(m.id) WHERE m.state = 'failed';
		ELSIF m.state = 'failed' OR m.id IS NULL THEN
			RAISE EXCEPTION '% failed: %', label, m.error;
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.03);
	END LOOP;
	COMMIT;
END
$$;

--
-- The places on a table of which a column changes its type
--
SET SESSION AUTHORIZATION regress_zdm_author;
SELECT format($f$CREATE TABLE canary.t (id int PRIMARY KEY, a text DEFAULT %s, g text GENERATED ALWAYS AS (%s) STORED,
	b int, dc canary.d_dcheck, dd canary.d_ddefault, CONSTRAINT checked CHECK (%s IS NOT NULL))$f$,
	public.song('default', '''d'''), public.song('gen', 'b::text'), public.song('check', 'a')) \gexec
SELECT format('ALTER DOMAIN canary.d_ddefault SET DEFAULT %s', public.song('ddefault', '''d''')) \gexec
SELECT format('CREATE INDEX indexed ON canary.t ((%s)) WHERE %s IS NOT NULL', public.song('idx', 'a'), public.song('pred', 'a')) \gexec
SELECT format('CREATE POLICY p ON canary.t USING (%s IS NOT NULL) WITH CHECK (%s IS NOT NULL)', public.song('using', 'a'), public.song('with', 'a')) \gexec
ALTER TABLE canary.t ENABLE ROW LEVEL SECURITY;
SELECT format('CREATE STATISTICS canary.s ON (%s), id FROM canary.t', public.song('stat', 'a')) \gexec
SELECT format('CREATE TRIGGER tr BEFORE INSERT OR UPDATE ON canary.t FOR EACH ROW WHEN (%s IS NOT NULL) EXECUTE FUNCTION canary.trg_trigger()',
	public.song('when', 'NEW.a')) \gexec
SELECT format('CREATE VIEW canary.v AS SELECT id, %s AS a FROM canary.t', public.song('view', 'a')) \gexec
SELECT format('CREATE RULE r AS ON DELETE TO canary.t WHERE %s IS NULL DO INSTEAD NOTHING', public.song('rule', 'OLD.a')) \gexec
INSERT INTO canary.t (id, a, b, dc) SELECT g, 'a' || g, g, 'x' FROM generate_series(1, 3) g;
GRANT ALL ON canary.t TO regress_zdm_app;
GRANT SELECT ON canary.v TO regress_zdm_app;
ANALYZE canary.t;
-- of a second role: a table that refers to it, and a trigger
GRANT REFERENCES, TRIGGER ON canary.t TO regress_zdm_other;
SET SESSION AUTHORIZATION regress_zdm_other;
CREATE TABLE canary.o (id int PRIMARY KEY, tid int REFERENCES canary.t);
SELECT format('CREATE INDEX ON canary.o (id) WHERE %s IS NOT NULL', public.song('oindex', 'id::text')) \gexec
SELECT format('CREATE TRIGGER otr AFTER UPDATE ON canary.t FOR EACH ROW WHEN (%s IS NOT NULL) EXECUTE FUNCTION canary.trg_otrigger()',
	public.song('owhen', 'NEW.a')) \gexec
SET SESSION AUTHORIZATION regress_zdm_author;

-- names that are SQL where somebody forgets to quote; more does not go into one
ALTER TABLE canary.t ADD COLUMN "'||canary.fn_name('x')||'" int;
ALTER TABLE canary.t ADD CONSTRAINT "x' || canary.fn_name('x') || '" CHECK (b > 0);
CREATE INDEX "x'::text || canary.fn_name('x') --" ON canary.t (a, b);
CREATE TRIGGER "%>{1}canary.fn_name('x');" BEFORE UPDATE ON canary.t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();

RESET SESSION AUTHORIZATION;
-- what everybody does to it who may write
CREATE PROCEDURE write(moment text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM zdm_watch.moment(moment);
	SET LOCAL SESSION AUTHORIZATION regress_zdm_app;
	INSERT INTO canary.t (id, a, b) VALUES (100, 'n', 1);
	UPDATE canary.t SET a = a || 'u' WHERE id < 3 OR id = 100;
	DELETE FROM canary.t WHERE id = 100;
	PERFORM count(*) FROM canary.t, canary.v;
	RESET SESSION AUTHORIZATION;
	PERFORM zdm_watch.moment('wait');
END
$$;
-- what a superuser does beside: all of it is undone, and errors are part of it
CREATE PROCEDURE beside(moment text, VARIADIC statements text[]) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	PERFORM zdm_watch.moment(moment);
	FOREACH statement IN ARRAY statements LOOP
		BEGIN
			EXECUTE statement;
			RAISE EXCEPTION SQLSTATE 'ZZZZZ';
		EXCEPTION WHEN OTHERS THEN
			NULL;
		END;
	END LOOP;
	PERFORM zdm_watch.moment('wait');
END
$$;
CREATE PROCEDURE look_beside(VARIADIC statements text[]) LANGUAGE plpgsql AS $$
DECLARE
	looks text[] := ARRAY(SELECT format('SELECT count(*) FROM zdm.check(%L)', s) FROM unnest(statements) s)
		|| ARRAY(SELECT format('SELECT count(*) FROM zdm.plan(%L)', s) FROM unnest(statements) s);
BEGIN
	CALL beside('dba looks', VARIADIC looks);
END
$$;

--
-- A column's type
--
SELECT public.song('up', 'a') AS up, public.song('down', 'a') AS down,
	format('ALTER TABLE canary.t ALTER a TYPE varchar(99) USING %s', public.song('up', 'a')) AS ddl \gset
SET SESSION AUTHORIZATION regress_zdm_author;
SELECT zdm_watch.moment('plan');
SELECT count(*) > 0 FROM zdm.plan(:'ddl', down => :'down');
SELECT zdm_watch.moment('check');
SELECT count(*) > 0 FROM zdm.check(:'ddl');
SELECT zdm_watch.moment('call');
BEGIN;
SELECT zdm.change_column_type('canary.t', 'a', 'varchar(99)', up => :'up', down => :'down', label => 'back') > 0;
SELECT zdm_watch.moment('wait');
RESET SESSION AUTHORIZATION;
CREATE PROCEDURE overload_all() LANGUAGE SQL AS
	$$CALL overload('default', 'gen', 'up', 'down', 'check', 'pred', 'idx', 'using', 'with', 'stat', 'when', 'view', 'rule', 'ddefault', 'dcheck', 'owhen')$$;
CALL overload_all();
COMMIT;
CALL go('back');
CALL overload_all();
CALL write('ready');
CALL look_beside('ALTER TABLE canary.t ALTER b SET NOT NULL', 'ALTER TABLE canary.t ALTER a TYPE int USING length(a)',
	'CREATE INDEX ON canary.t (b)', 'ALTER TABLE canary.t DROP b CASCADE', 'TRUNCATE canary.t', 'ALTER TABLE canary.t ADD CHECK (b > 0)',
	'ALTER TABLE canary.t RENAME a TO x', 'CREATE TABLE canary.like_t (LIKE canary.t INCLUDING ALL)', 'DROP TABLE canary.t CASCADE',
	'REVOKE ALL ON canary.t FROM regress_zdm_app', 'VACUUM FULL canary.t', 'DROP FUNCTION canary.fn_check(text)');
SET zdm.guard = refuse;
SET zdm.guard_min_size = 0;
CALL beside('dba acts', 'ALTER TABLE canary.t ALTER b SET NOT NULL', 'CREATE INDEX ON canary.t (b)', 'ALTER TABLE canary.t DROP b CASCADE',
	'TRUNCATE canary.t', 'REVOKE ALL ON canary.t FROM regress_zdm_app', 'ALTER TABLE canary.t OWNER TO CURRENT_USER', 'ALTER TABLE canary.t ADD c int',
	'REASSIGN OWNED BY regress_zdm_author TO CURRENT_USER', 'ALTER TABLE canary.t ADD CHECK (b > 0)', 'ALTER TABLE canary.t RENAME a TO x',
	'ALTER INDEX canary.indexed RENAME TO x', 'DROP TABLE canary.t CASCADE', 'ALTER TABLE canary.t ALTER a SET STATISTICS 10');
SET zdm.guard = off;
SELECT zdm_watch.moment('steer');
SELECT count(*) FROM zdm.verify('back');
SELECT zdm.pause('back'), zdm.configure('back', 'batch_rest', '0'), zdm.resume('back'), zdm.cutover('back');
SELECT zdm_watch.moment('look');
SELECT count(*) > 0, count(statement) > 0 FROM zdm.steps;
SELECT count(*) > 0 FROM zdm.migrations, zdm.progress;
SELECT zdm_watch.moment('wait');
CALL go('back', '{switched}');
CALL overload_all();
CALL write('switched');
SELECT zdm_watch.moment('steer');
SELECT zdm.revert('back');
SELECT zdm_watch.moment('wait');
CALL go('back', '{reverted}');

-- stated, and a stranger's better matches made before it is worked on
CREATE PROCEDURE state(label text, sql text, VARIADIC places text[]) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL SESSION AUTHORIZATION regress_zdm_author;
	PERFORM zdm_watch.moment('call');
	EXECUTE sql;
	PERFORM zdm_watch.moment('wait');
	RESET SESSION AUTHORIZATION;
	CALL overload(VARIADIC places);
	COMMIT;
	CALL go(label);
END
$$;
CREATE PROCEDURE ask(ddl text) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL SESSION AUTHORIZATION regress_zdm_author;
	PERFORM zdm_watch.moment('plan');
	PERFORM count(*) FROM zdm.plan(ddl);
	PERFORM zdm_watch.moment('check');
	PERFORM count(*) FROM zdm.check(ddl);
	PERFORM zdm_watch.moment('wait');
	RESET SESSION AUTHORIZATION;
END
$$;

-- to the end, with fewer places
SET SESSION AUTHORIZATION regress_zdm_author;
SELECT format('CREATE TABLE canary.c (id int PRIMARY KEY, a text DEFAULT %s, CHECK (%s IS NOT NULL))', public.song('cdefault', '''d'''), public.song('ccheck', 'a')) \gexec
INSERT INTO canary.c SELECT g, 'a' || g FROM generate_series(1, 3) g;
RESET SESSION AUTHORIZATION;
CALL state('end', format('SELECT zdm.change_column_type(%L, %L, %L, up => %L, down => %L, label => %L)', 'canary.c', 'a', 'varchar(99)',
	public.song('cup', 'a'), public.song('cdown', 'a'), 'end'), 'cdefault', 'ccheck', 'cup', 'cdown');
BEGIN;
SELECT zdm_watch.moment('steer');
SELECT zdm.cutover('end');
SELECT zdm_watch.moment('wait');
CALL overload('cdefault', 'ccheck', 'cup', 'cdown');
COMMIT;
CALL go('end', '{switched}');
CALL overload('cdefault', 'ccheck', 'cup', 'cdown');
SELECT zdm_watch.moment('steer');
SELECT zdm.contract('end');
SELECT zdm_watch.moment('wait');
CALL go('end', '{completed}');

-- a column that is renamed
SET SESSION AUTHORIZATION regress_zdm_author;
SELECT format('CREATE TABLE canary.r (id int PRIMARY KEY, a text DEFAULT %s, CHECK (%s IS NOT NULL))', public.song('rdefault', '''d'''), public.song('rcheck', 'a')) \gexec
SELECT format('CREATE INDEX ON canary.r ((%s))', public.song('ridx', 'a')) \gexec
SELECT format('CREATE POLICY p ON canary.r USING (%s IS NOT NULL)', public.song('rusing', 'a')) \gexec
INSERT INTO canary.r SELECT g, 'a' || g FROM generate_series(1, 3) g;
RESET SESSION AUTHORIZATION;
CALL state('rename', format('SELECT zdm.rename_column(%L, %L, %L, label => %L)', 'canary.r', 'a', 'b', 'rename'), 'rdefault', 'rcheck', 'ridx', 'rusing');
CALL overload('rdefault', 'rcheck', 'ridx', 'rusing');
SELECT zdm_watch.moment('steer');
SELECT zdm.cutover('rename');
SELECT zdm_watch.moment('wait');
CALL go('rename', '{switched}');
CALL overload('rdefault', 'rcheck', 'ridx', 'rusing');
SELECT zdm_watch.moment('steer');
SELECT zdm.revert('rename');
SELECT zdm_watch.moment('wait');
CALL go('rename', '{reverted}');

-- a partition that comes meanwhile
SET SESSION AUTHORIZATION regress_zdm_author;
CREATE TABLE canary.a (id int, a text) PARTITION BY RANGE (id);
CREATE TABLE canary.a1 PARTITION OF canary.a FOR VALUES FROM (0) TO (10);
SELECT format('CREATE TABLE canary.a2 (b int, a text DEFAULT %s, id int, CHECK (%s IS NOT NULL))', public.song('adefault', '''d'''), public.song('acheck', 'id::text')) \gexec
ALTER TABLE canary.a2 DROP b;
INSERT INTO canary.a2 VALUES ('n', 11);
RESET SESSION AUTHORIZATION;
CALL state('arrival', format('SELECT zdm.change_column_type(%L, %L, %L, up => %L, down => %L, label => %L)', 'canary.a', 'a', 'varchar(99)',
	public.song('aup', 'a'), public.song('adown', 'a'), 'arrival'), 'aup', 'adown');
SELECT format('ALTER TABLE canary.a2 ADD a_zdm%s varchar(99)', id) FROM zdm.migrations WHERE label = 'arrival' \gexec
CALL beside('dba acts', 'ALTER TABLE canary.a ATTACH PARTITION canary.a2 FOR VALUES FROM (10) TO (20)');
SET SESSION AUTHORIZATION regress_zdm_author;
SELECT zdm_watch.moment('attach');
ALTER TABLE canary.a ATTACH PARTITION canary.a2 FOR VALUES FROM (10) TO (20);
SELECT zdm_watch.moment('wait');
RESET SESSION AUTHORIZATION;
CALL overload('aup', 'adown', 'acheck', 'adefault');
CALL go('arrival');
-- what the partition brings is filled in before the cutover
DO $$ BEGIN
	WHILE EXISTS (SELECT FROM zdm.step s JOIN zdm.migration m ON m.id = s.migration
				   WHERE m.label = 'arrival' AND s.phase = 'migrate' AND s.state <> 'done') LOOP
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;
SELECT zdm_watch.moment('steer');
SELECT zdm.cutover('arrival');
SELECT zdm_watch.moment('wait');
CALL go('arrival', '{switched}');
CALL overload('aup', 'adown', 'acheck', 'adefault');
SELECT zdm_watch.moment('steer');
SELECT zdm.revert('arrival');
SELECT zdm_watch.moment('wait');
CALL go('arrival', '{reverted}');

--
-- The places in a statement: what it adds, what it fills, what holds it
--
SET SESSION AUTHORIZATION regress_zdm_author;
CREATE TABLE canary.w (id int PRIMARY KEY, a text, n text, x text);
INSERT INTO canary.w SELECT g, 'a' || g, NULL, 'x' FROM generate_series(1, 3) g;
RESET SESSION AUTHORIZATION;
SELECT format('CREATE INDEX new_index ON canary.w ((%s)) WHERE %s IS NOT NULL', public.song('newidx', 'a'), public.song('newpred', 'a')) AS ddl \gset
CALL ask(:'ddl');
CALL state('index', format('SELECT zdm.migrate(%L, label => %L)', :'ddl', 'index'), 'newidx', 'newpred');
SELECT format('ALTER TABLE canary.w ADD CONSTRAINT new_check CHECK (%s IS NOT NULL)', public.song('newcheck', 'a')) AS ddl \gset
CALL ask(:'ddl');
CALL state('constraint', format('SELECT zdm.migrate(%L, label => %L)', :'ddl', 'constraint'), 'newcheck');
SELECT format('ALTER TABLE canary.w ADD COLUMN new_column text DEFAULT %s', public.song('newdefault', '''d''')) AS ddl \gset
CALL ask(:'ddl');
CALL state('column', format('SELECT zdm.migrate(%L, label => %L)', :'ddl', 'column'), 'newdefault');
CALL state('fill', format('SELECT zdm.set_not_null(%L, %L, %L, %L)', 'canary.w', 'n', public.song('fill', 'a'), 'fill'), 'fill');
SELECT format('SELECT %s IS NULL', public.song('hold', '''h''')) AS hold \gset
SET zdm.hold_when = :'hold';
CALL state('backfill', format('SELECT zdm.backfill(%L, %L, %L, label => %L)', 'canary.w', 'x = ' || public.song('assign', 'a'),
	'x = ''x'' AND ' || public.song('cond', 'a') || ' IS NOT NULL', 'backfill'), 'assign', 'cond', 'hold');
RESET zdm.hold_when;
-- which leaves the table's trigger alone, unless it is told to fire it
SET SESSION AUTHORIZATION regress_zdm_author;
CREATE TRIGGER tr BEFORE UPDATE ON canary.w FOR EACH ROW EXECUTE FUNCTION canary.trg_ftrigger();
RESET SESSION AUTHORIZATION;
CALL state('quiet', format('SELECT zdm.backfill(%L, %L, label => %L)', 'canary.w', 'x = ''q''', 'quiet'), VARIADIC '{}');
SELECT count(*) = 0 FROM zdm_watch.heard() WHERE func = 'canary.trg_ftrigger'::regproc;
CALL state('firing', format('SELECT zdm.backfill(%L, %L, fire_triggers => true, label => %L)', 'canary.w', 'x = ' || public.song('fassign', 'a'), 'firing'), 'fassign');

-- partitions: of a key that is an expression, a bound that is one, and a leaf that brings a CHECK
SET SESSION AUTHORIZATION regress_zdm_author;
SELECT format('CREATE TABLE canary.p (id int, a text) PARTITION BY RANGE ((%s))', public.song('key', 'a')) \gexec
CREATE TABLE canary.p1 PARTITION OF canary.p FOR VALUES FROM ('a') TO ('m');
INSERT INTO canary.p SELECT g, 'b' || g FROM generate_series(1, 3) g;
SELECT format('CREATE TABLE canary.leaf (id int, a text, CONSTRAINT leaf CHECK (%s IS NOT NULL AND a IS NOT NULL))', public.song('leaf', 'a')) \gexec
INSERT INTO canary.leaf VALUES (1, 'n');
RESET SESSION AUTHORIZATION;
SELECT format('ALTER TABLE canary.p ATTACH PARTITION canary.leaf FOR VALUES FROM (%s) TO (''z'')', public.song('bound', '''m''')) AS ddl \gset
CALL look_beside('ALTER TABLE canary.p ATTACH PARTITION canary.leaf FOR VALUES FROM (''m'') TO (''z'')', 'TRUNCATE canary.p',
	'ALTER TABLE canary.leaf ALTER a SET NOT NULL', 'ALTER TABLE canary.p DETACH PARTITION canary.p1');
SET zdm.guard = refuse;
SET zdm.guard_min_size = 0;
CALL beside('dba acts', 'ALTER TABLE canary.leaf ALTER a SET NOT NULL', 'REVOKE ALL ON canary.p FROM PUBLIC', 'DROP TABLE canary.p CASCADE');
SET zdm.guard = off;
CALL ask(:'ddl');
CALL state('attach', format('SELECT zdm.migrate(%L, label => %L)', :'ddl', 'attach'), 'key', 'bound', 'leaf');

-- code that zdm.check() follows
SELECT format('DO $do$ DECLARE x text; BEGIN x := %s; IF x IS NOT NULL THEN DROP TABLE canary.w; END IF; END $do$', public.song('do', '''d''')) AS ddl \gset
SET SESSION AUTHORIZATION regress_zdm_author;
SELECT zdm_watch.moment('check');
SELECT count(*) FROM zdm.check(:'ddl');
SELECT zdm_watch.moment('wait');
RESET SESSION AUTHORIZATION;
SELECT label, state FROM zdm.migrations ORDER BY id;

--
-- The table
--
CREATE VIEW sung AS
SELECT substring(p.proname FROM '_([a-z]+)$') AS place, substring(p.proname FROM '^[a-z]+') AS kind,
	CASE WHEN NOT h.worker THEN h.moment
		WHEN h.moment ~ ', cutting_over' THEN 'cutover'
		WHEN h.moment ~ ', reverting' THEN 'revert'
		WHEN h.moment ~ ', contracting' THEN 'contract'
		WHEN h.moment ~ ': backfill' THEN 'backfill'
		WHEN h.moment ~ ': verify' THEN 'verify'
		ELSE 'expand' END AS moment,
	CASE WHEN pg_get_userbyid(p.proowner) = 'regress_zdm_stranger' OR own THEN '!'
		WHEN NOT ours THEN 'p'
		WHEN who <> p.proowner AND NOT (p.proname LIKE 'typ%' AND pg_get_userbyid(who) = 'regress_zdm_author') THEN '!'
		WHEN restricted AND pinned THEN 'o'
		WHEN restricted AND worker THEN 's'
		WHEN session = who THEN 'c' ELSE '!' END AS letter,
	pg_get_userbyid(p.proowner) <> 'regress_zdm_stranger' AND p.proname LIKE 'over%' AS first_choice,
	p.proname, pg_get_userbyid(who) AS who, pg_get_userbyid(session) AS session, restricted, own, ours, pinned
FROM zdm_watch.heard() h JOIN pg_proc p ON p.oid = func
UNION ALL SELECT place, 'over', moment, 'x', false, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM stopped;
CREATE TABLE moments AS SELECT * FROM unnest('{plan,check,call,expand,backfill,verify,steer,look,ready,attach,cutover,switched,revert,contract,dba looks,dba acts}'::text[]) WITH ORDINALITY m(moment, n);
-- the moments of each statement, and the places in it
CREATE TABLE scenes (moments text[], places text[]);
INSERT INTO scenes VALUES
	('{plan,check,call,expand,backfill,verify,steer,look,ready,cutover,switched,revert,dba looks,dba acts}',
	 '{default,gen,up,down,check,pred,idx,using,with,stat,when,trigger,view,rule,ddefault,dcheck,name,filter}'),
	('{plan,check,call,expand,backfill,verify,steer,look,ready,cutover,switched,revert,dba looks,dba acts}', '{oindex,otrigger,owhen}'),
	('{call,expand,backfill,verify,steer,cutover,contract}', '{cdefault,ccheck,cup,cdown}'),
	('{call,expand,backfill,verify,steer,cutover,revert}', '{rdefault,rcheck,ridx,rusing}'),
	('{call,expand,backfill,verify,attach,steer,cutover,revert,dba acts}', '{acheck,adefault,aup,adown}'),
	('{plan,check,call,expand,backfill}', '{newidx,newpred,newcheck,newdefault}'),
	('{call,expand,backfill}', '{fill,assign,cond,hold,ftrigger,fassign}'),
	('{plan,check,call,expand,dba looks,dba acts}', '{key,bound,leaf}'),
	('{check}', '{do}');
CREATE FUNCTION can_be(place text, kind text) RETURNS bool LANGUAGE sql AS $$
SELECT CASE WHEN place = 'filter' THEN false WHEN place = 'dcheck' THEN kind = 'dom' WHEN place = 'name' THEN kind = 'fn' ELSE (kind = 'trg') = (place LIKE '%trigger') END
$$;
SELECT rpad('place', 11) || rpad('canary', 7) || string_agg(moment, ' ' ORDER BY n) FROM moments;
SELECT rtrim(rpad(place, 11) || rpad(kind, 7) || string_agg(rpad(coalesce((SELECT string_agg(DISTINCT letter, '' ORDER BY letter) FROM sung s
		WHERE s.place = p.place AND s.kind = k.kind AND s.moment = m.moment AND NOT first_choice),
	CASE WHEN moment = ANY (moments) AND can_be(place, kind) THEN '.' ELSE '-' END), length(moment)), ' ' ORDER BY m.n))
FROM (SELECT place, moments, row_number() OVER () AS first FROM scenes, unnest(places) place) p,
	unnest('{fn,dom,op,cast,typ,over,trg}'::text[]) WITH ORDINALITY k(kind, n), moments m
WHERE kind <> 'trg' OR place LIKE '%trigger' GROUP BY place, first, kind, k.n ORDER BY first, k.n;
-- what is not as it should be, with whom
SELECT DISTINCT place, moment, proname, who = session AS himself, restricted, own, ours, pinned FROM sung WHERE letter = '!' AND kind <> 'over' AND moment <> '' ORDER BY 1, 2, 3;
-- what sang outside of any moment that is in the table
SELECT DISTINCT moment FROM sung WHERE moment NOT IN (SELECT moment FROM moments UNION ALL SELECT unnest('{"",wait}'::text[])) ORDER BY 1;
