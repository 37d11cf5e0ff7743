/* pg_zdm 1.0: tables, functions and views */

\echo Use "CREATE EXTENSION pg_zdm" to load this file. \quit

GRANT USAGE ON SCHEMA zdm TO PUBLIC;

------------------------------------------------------------------------------
-- Tables.  Reached only by the extension's own functions, as its owner.

CREATE TABLE zdm.migration (
	id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	label         text UNIQUE,
	kind          text NOT NULL,
	relid         oid NOT NULL,
	relation      text NOT NULL,                 -- its name when stated, for when it is gone
	owner         oid NOT NULL,                  -- whose rights the work is done with
	definition    jsonb NOT NULL,                -- what was asked; compared when a label comes again
	columns       text[] NOT NULL DEFAULT '{}',  -- names it claims: no other migration may touch them
	state         text NOT NULL DEFAULT 'queued',
	failed_from   text,                          -- the state zdm.resume goes back to
	paused        boolean NOT NULL DEFAULT false,
	settings      jsonb NOT NULL,
	notes         text[] NOT NULL DEFAULT '{}',  -- what the preflight found
	created       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	changed       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	error_state   text,
	error_message text,
	error_detail  text,
	error_hint    text,
	error_context text,
	one_way_since timestamptz,                   -- the way back is closed since then
	one_way_why   text
);

CREATE INDEX ON zdm.migration (relid);

CREATE TABLE zdm.step (
	migration     bigint NOT NULL REFERENCES zdm.migration ON DELETE CASCADE,
	step          int NOT NULL,
	phase         text NOT NULL,                 -- expand, migrate, cutover, contract
	action        text NOT NULL,                 -- sql, toplevel, backfill, verify
	effect        text NOT NULL DEFAULT 'none',  -- what it does to zdm.pair and the sync trigger
	statement     text NOT NULL,                 -- a template with %R{oid} and %A{oid.attnum}
	executed      text,                          -- what was run
	undo          text,                          -- a template; NULL when nothing is to be undone
	lock          text NOT NULL DEFAULT '',      -- the strongest lock it takes
	relations     oid[] NOT NULL DEFAULT '{}',   -- locked, each with its partitions, before it runs
	work          text NOT NULL DEFAULT '',
	note          text NOT NULL DEFAULT '',
	index_namespace oid,                         -- of the index that a toplevel step builds
	index_name    text,
	state         text NOT NULL DEFAULT 'pending',
	attempts      int NOT NULL DEFAULT 0,
	started       timestamptz,
	finished      timestamptz,
	error         text,
	cursor        jsonb,                         -- where a long step stands
	blocks_total  bigint NOT NULL DEFAULT 0,
	blocks_done   bigint NOT NULL DEFAULT 0,
	rows_done     bigint NOT NULL DEFAULT 0,
	rows_per_second double precision,
	waiting_for   text,
	waiting_since timestamptz,
	PRIMARY KEY (migration, step)
);

-- What zdm.sync keeps in step.  The trigger reads its table's rows once and
-- again after each relcache invalidation, which every change of a row sends.
-- A row without new_attnum is not in force.
CREATE TABLE zdm.pair (
	id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	migration     bigint NOT NULL REFERENCES zdm.migration ON DELETE CASCADE,
	relid         oid NOT NULL,
	old_attnum    int2 NOT NULL,
	new_name      text NOT NULL,
	new_attnum    int2,
	up            text,                          -- over $attnum; NULL: the same value
	down          text,
	authoritative text NOT NULL DEFAULT 'old',
	on_conflict   text NOT NULL DEFAULT 'new',
	reversible    boolean NOT NULL DEFAULT true
);

CREATE INDEX ON zdm.pair (relid);

------------------------------------------------------------------------------
-- sync

-- Rows whose new value could not be computed from what an old application
-- wrote.  Writers only ever insert here, so none waits for another: that is
-- why it has no foreign key.
CREATE TABLE zdm.misfit (
	id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	migration     bigint NOT NULL,
	relation      text NOT NULL,
	key           text NOT NULL,
	sqlstate      text NOT NULL,
	message       text NOT NULL,
	noted         timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

CREATE INDEX ON zdm.misfit (migration);

CREATE FUNCTION zdm.sync() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_sync';

COMMENT ON FUNCTION zdm.sync() IS 'keeps the pairs of a table in step';

CREATE FUNCTION zdm.keep_sync_last() RETURNS event_trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_keep_sync_last';

COMMENT ON FUNCTION zdm.keep_sync_last() IS 'renames the sync trigger when another would fire after it';

CREATE EVENT TRIGGER zdm_keep_sync_last ON ddl_command_end
	WHEN TAG IN ('CREATE TRIGGER', 'ALTER TRIGGER', 'ALTER TABLE')
	EXECUTE FUNCTION zdm.keep_sync_last();

ALTER EVENT TRIGGER zdm_keep_sync_last ENABLE ALWAYS;
