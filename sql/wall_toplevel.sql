--
-- Statements that run in no transaction run as the table's owner, too: an event
-- trigger tells as whom.
--
CREATE EXTENSION pg_zdm;
SET zdm.guard = off;
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE ROLE regress_zdm_top NOLOGIN;
CREATE SCHEMA top AUTHORIZATION regress_zdm_top;
CREATE TABLE public.seen (n int GENERATED ALWAYS AS IDENTITY, tag text, who name);
GRANT INSERT ON public.seen TO PUBLIC;
CREATE FUNCTION public.see() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.seen (tag, who) VALUES (tg_tag, current_user);
END
$$;
SET ROLE regress_zdm_top;
CREATE TABLE top.t (id int PRIMARY KEY, a text);
INSERT INTO top.t SELECT g, 'a' || g FROM generate_series(1, 100) g;
CREATE FUNCTION top.who(v text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> 'regress_zdm_top' THEN
		RAISE EXCEPTION 'as %', current_user;
	END IF;
	RETURN v;
END
$$;
CREATE TABLE top.p (id int, a text) PARTITION BY LIST (id);
CREATE TABLE top.p1 PARTITION OF top.p FOR VALUES IN (1);
RESET ROLE;
CREATE EVENT TRIGGER see ON ddl_command_end WHEN TAG IN ('CREATE INDEX', 'DROP INDEX') EXECUTE FUNCTION public.see();
CREATE EVENT TRIGGER see_alter ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION public.see();
SELECT zdm.migrate('CREATE INDEX who ON top.t ((top.who(a)))', label => 'create') > 0;
CALL zdm.wait('create', timeout => '60s');
SELECT zdm.migrate('REINDEX INDEX top.who', label => 'reindex') > 0;
CALL zdm.wait('reindex', timeout => '60s');
SELECT zdm.migrate('DROP INDEX top.who', label => 'drop') > 0;
CALL zdm.wait('drop', timeout => '60s');
SELECT zdm.migrate('ALTER TABLE top.p DETACH PARTITION top.p1', label => 'detach') > 0;
CALL zdm.wait('detach', timeout => '60s');
SELECT label, state FROM zdm.migrations ORDER BY id;
-- the index alone is no table's: its statement is whose it was stated by
SELECT DISTINCT tag, who = current_user AS by_caller, CASE WHEN who <> current_user THEN who END FROM public.seen ORDER BY 1, 2;
-- a build that fails leaves no role behind: the next migration is worked on as ever
INSERT INTO top.t VALUES (0, 'a1');
SELECT zdm.migrate('CREATE UNIQUE INDEX twice ON top.t (a)', label => 'unique') > 0;
CALL zdm.wait('unique', timeout => '60s');
DELETE FROM top.t WHERE id = 0;
SELECT zdm.resume('unique') IS NOT NULL;
CALL zdm.wait('unique', 'completed', timeout => '60s');
SELECT label, state FROM zdm.migrations WHERE label = 'unique';
DROP EVENT TRIGGER see;
DROP EVENT TRIGGER see_alter;

-- and what is run while the statement is read, before PostgreSQL restricts anything, cannot become anybody
SET SESSION AUTHORIZATION regress_zdm_top;
CREATE FUNCTION top.climb(v text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF session_user <> 'regress_zdm_top' THEN
		PERFORM set_config('role', 'none', false);
		INSERT INTO public.seen (tag, who) VALUES ('climbed', current_user);
	END IF;
	RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
	RETURN true;
END
$$;
CREATE DOMAIN top.dom AS text CHECK (top.climb(VALUE));
SELECT zdm.migrate($$CREATE INDEX climbed ON top.t ((id + array_length('{p}'::top.dom[], 1)))$$, label => 'climb') > 0;
CALL zdm.wait('climb', timeout => '60s');
SELECT zdm.migrate('REINDEX INDEX top.climbed', label => 'climb again') > 0;
CALL zdm.wait('climb again', timeout => '60s');
RESET SESSION AUTHORIZATION;
SELECT label, state FROM zdm.migrations WHERE label LIKE 'climb%' ORDER BY id;
SELECT tag, quote_ident(who) FROM public.seen WHERE tag = 'climbed';
