-- zdm_watch: see zdm_watch.c
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
