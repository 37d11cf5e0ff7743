/* pg_zdm 1.0: tables, functions and views */

\echo Use "CREATE EXTENSION pg_zdm" to load this file. \quit

-- Every name and operator in this file is PostgreSQL's own: nobody can make one
-- before us that would be taken in its place.
SET LOCAL search_path TO pg_catalog, pg_temp;

-- Ours alone: a schema of that name, and what somebody put into it, is refused.
CREATE SCHEMA zdm;

GRANT USAGE ON SCHEMA zdm TO PUBLIC;

------------------------------------------------------------------------------
-- Tables.  Reached only by the extension's own functions, as its owner.

CREATE TABLE zdm.migration (
	id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	label         text,
	kind          text NOT NULL,
	relid         oid NOT NULL,
	relation      text NOT NULL,                 -- its name when stated, for when it is gone
	owner         oid NOT NULL,                  -- whose rights the work is done with
	definition    jsonb NOT NULL,                -- what was asked; compared when a label comes again
	columns       text[] NOT NULL DEFAULT '{}',  -- names it claims: no other migration may touch them
	state         text NOT NULL DEFAULT 'queued',
	failed_from   text,                          -- the state zdm.resume goes back to
	paused        boolean NOT NULL DEFAULT false,
	again         boolean NOT NULL DEFAULT false, -- stated again while it was reverted: begun anew behind that
	outcome       text[] NOT NULL DEFAULT '{}',  -- what is there when it is completed: see plan/outcome.c
	known         text[] NOT NULL DEFAULT '{}',  -- what there was of the names in its texts when it was stated: see plan/meaning.c
	known_again   text[] NOT NULL DEFAULT '{}',  -- the same when it was stated again: takes its place then
	settings      jsonb NOT NULL,
	result_settings text[] NOT NULL DEFAULT '{}', -- what expressions are evaluated under: names and values in turn
	notes         text[] NOT NULL DEFAULT '{}',  -- what the preflight found
	created       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	changed       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	error_state   text,
	error_message text,
	error_detail  text,
	error_hint    text,
	error_context text
);

-- looked up by all DDL: see catalog/live.c
CREATE INDEX ON zdm.migration (relid) WHERE state NOT IN ('completed', 'reverted');

-- not unique: a label belongs to a role, and can be used again once what was done
-- under it has been undone
CREATE INDEX ON zdm.migration (label);

CREATE TABLE zdm.step (
	migration     bigint NOT NULL REFERENCES zdm.migration ON DELETE CASCADE,
	step          int NOT NULL,
	phase         text NOT NULL,                 -- expand, migrate, cutover, contract
	action        text NOT NULL,                 -- sql, toplevel, backfill, verify, look; second, copy, index, compare, exchange, analyze, leave; first
	verb          text NOT NULL,                 -- what it does, of the table in verbs/verb.c
	args          jsonb NOT NULL,                -- to what; the SQL is made of both when it is shown, and again when it is run
	undoable      boolean NOT NULL,              -- there is something to do on the way back
	only_back     boolean NOT NULL,              -- and nothing until then
	lock          text NOT NULL DEFAULT '',      -- the strongest lock it takes
	undo_lock     text NOT NULL DEFAULT '',      -- the same of undo
	relations     oid[] NOT NULL DEFAULT '{}',   -- locked, each with its partitions, before it runs
	work          text NOT NULL DEFAULT '',
	note          text NOT NULL DEFAULT '',
	beside        oid[] NOT NULL DEFAULT '{}',   -- locked SHARE UPDATE EXCLUSIVE, without their partitions
	undo_relations oid[] NOT NULL DEFAULT '{}',  -- locked for undo; empty: as relations
	needs         oid[] NOT NULL DEFAULT '{}',   -- what must be there for it
	state         text NOT NULL DEFAULT 'pending',
	executed      text,                          -- what was run
	started       timestamptz,
	finished      timestamptz,
	PRIMARY KEY (migration, step)
);

-- What is written while a step runs: one row for each.
CREATE TABLE zdm.step_progress (
	migration     bigint NOT NULL,
	step          int NOT NULL,
	attempts      int NOT NULL DEFAULT 0,
	failures      int NOT NULL DEFAULT 0,        -- in a row, that may pass by themselves
	error         text,
	cursor        jsonb,                         -- where a long step stands
	blocks_total  bigint NOT NULL DEFAULT 0,
	blocks_done   bigint NOT NULL DEFAULT 0,
	rows_done     bigint NOT NULL DEFAULT 0,
	rows_per_second double precision,
	worked_ms     bigint NOT NULL DEFAULT 0,     -- for blocks_done, rests between batches included
	waiting_for   text,
	waiting_since timestamptz,
	holds         jsonb NOT NULL DEFAULT '{}',   -- how often each stop has begun to hold it
	held          text[] NOT NULL DEFAULT '{}',  -- the stops that do so now
	holder        text,                          -- of the xmin horizon, when the growth began to
	holder_size   bigint,                        -- of the table when that one was first seen
	begun         timestamptz,                   -- a worker is at it since then, or was: see catalog/crash.c
	timeline      text,                          -- on which it was begun
	crashed       timestamptz[] NOT NULL DEFAULT '{}', -- when the server was found to have, with nothing achieved since
	PRIMARY KEY (migration, step),
	FOREIGN KEY (migration, step) REFERENCES zdm.step ON UPDATE CASCADE ON DELETE CASCADE
) WITH (fillfactor = 50);                    -- written after each batch: its versions find room on the page

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
	up_resolution text,                          -- what they were found to mean: that is run
	down_resolution text,
	up_again      text,                          -- the same of a change that was stated again
	down_again    text,
	authoritative text NOT NULL DEFAULT 'old',
	on_conflict   text NOT NULL DEFAULT 'new',
	reversible    boolean NOT NULL DEFAULT true,
	old_not_null  boolean NOT NULL DEFAULT false, -- when the new column came: NULL closes the way back
	past          pg_snapshot,                   -- row versions that it sees were written before the new column came
	dependents    text[] NOT NULL DEFAULT '{}',  -- what hung on the old column when it was stated
	new_dependents text[] NOT NULL DEFAULT '{}', -- and on the new one when it came into charge
	privileges    text[] NOT NULL DEFAULT '{}'   -- that both columns had when they last were the same
);

CREATE INDEX ON zdm.pair (relid);

-- Partitions, leaves of the tree, that have come to a migration's table since it
-- began: their rows up to then were written without the trigger.
CREATE TABLE zdm.arrival (
	id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	migration     bigint NOT NULL,
	relid         oid NOT NULL,
	past          pg_snapshot NOT NULL,          -- row versions that it sees, ...
	own           oid[] NOT NULL                 -- ... and those of these transactions
);

CREATE INDEX ON zdm.arrival (migration, relid);

-- Transactions that have written such a row anew and changed nothing in it: it is
-- still to be filled.  Writers only ever insert here.
CREATE TABLE zdm.unfilled (
	migration     bigint NOT NULL,
	relid         oid NOT NULL,
	xid           oid NOT NULL
);

CREATE INDEX ON zdm.unfilled (migration, relid);

-- where all tables are published, rows of one without a key could not be deleted
ALTER TABLE zdm.unfilled REPLICA IDENTITY FULL;

-- Parts of a step that its helpers work on (zdm.backfill_workers): each row is
-- written by one of them, with each of its batches, and taken away by the
-- migration's worker.
CREATE TABLE zdm.stretch (
	id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	migration     bigint NOT NULL,
	step          int NOT NULL,
	helper        int,                           -- who has it; NULL: nobody yet
	state         text NOT NULL DEFAULT 'open',  -- done; void: its table has been rewritten; failed
	cursor        jsonb NOT NULL,                -- where it stands
	error_state   text,                          -- what it failed with
	error_message text,
	error_detail  text,
	error_hint    text,
	error_context text
) WITH (fillfactor = 50);

CREATE INDEX ON zdm.stretch (migration, step);

-- Tables that a hidden one is kept in step beside, by zdm.sync_table.
CREATE TABLE zdm.second (
	migration     bigint PRIMARY KEY REFERENCES zdm.migration ON DELETE CASCADE,
	relid         oid NOT NULL,
	hidden        oid NOT NULL,
	key           oid NOT NULL,                  -- the index of the table by whose columns rows are found
	hidden_key    oid NOT NULL,                  -- and the hidden one's
	new_shape     boolean NOT NULL,              -- columns go by their names, and the two exchange theirs
	turned        boolean NOT NULL,              -- they have done so: the hidden one was there first
	refilled      boolean NOT NULL,              -- and has been filled anew since
	own           text[] NOT NULL DEFAULT '{}',  -- columns that one of them alone has, computes otherwise or has of another type
	converted     text[] NOT NULL DEFAULT '{}',  -- the one that is of another type: name, up, what it means, down, what it means, lossy or exact
	settings      text[] NOT NULL DEFAULT '{}',  -- that up and down are computed under
	layout        text,                          -- of a new shape: what columns and constraints the table had then
	indexes       oid[] NOT NULL DEFAULT '{}',   -- once they have: those of the table ...
	likes         oid[] NOT NULL DEFAULT '{}',   -- ... and in the same order those of the hidden one
	secured       oid[] NOT NULL DEFAULT '{}',   -- what of the hidden one has row-level security only as the table has it
	parts         oid[] NOT NULL DEFAULT '{}',   -- where the hidden one is partitioned like the table: partitions of this, ...
	hidden_parts  oid[] NOT NULL DEFAULT '{}',   -- ... and in the same order those of the hidden one
	hidden_leaves oid[] NOT NULL DEFAULT '{}',   -- of a hidden one that is partitioned, as they are known
	filenode      oid NOT NULL,                  -- the storage of the table then: with another, all of it is begun anew
	stamp         text NOT NULL                  -- and with another version of the key and the trigger in the catalog
);

-- Of each of these a row, which goes with those of all unlogged tables: in a crash, on
-- a standby that is promoted, in what is restored from a base backup.
CREATE UNLOGGED TABLE zdm.witness (
	migration     bigint PRIMARY KEY
);

-- Migrations with a worker at a step, or one that was and ended in good order: a row
-- goes in a crash.
CREATE UNLOGGED TABLE zdm.at_work (
	migration     bigint PRIMARY KEY
);

------------------------------------------------------------------------------
-- sync

-- Rows whose new value could not be computed from what an old application
-- wrote, or the old one from what a new application did: the latter closes the
-- way back.  Writers only ever insert here, so none waits for another: that is why
-- it has no foreign key.
CREATE TABLE zdm.misfit (
	id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	migration     bigint NOT NULL,
	direction     text NOT NULL,                 -- up or down: what could not be computed
	dealt_with    boolean NOT NULL DEFAULT false,
	relation      text NOT NULL,
	key           text NOT NULL,
	sqlstate      text NOT NULL,
	message       text NOT NULL,
	noted         timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

CREATE INDEX ON zdm.misfit (migration);

-- Rows for which a statement gave both columns of a pair values that do not agree:
-- one of them was lost.
CREATE TABLE zdm.conflict (
	migration     bigint NOT NULL,
	rows          bigint NOT NULL,
	last          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	role          text,
	application   text
);

CREATE INDEX ON zdm.conflict (migration);

ALTER TABLE zdm.conflict REPLICA IDENTITY FULL;

CREATE FUNCTION zdm.sync() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_sync';

COMMENT ON FUNCTION zdm.sync() IS 'keeps the pairs of a table in step';

CREATE FUNCTION zdm.sync_table() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_sync_table';

COMMENT ON FUNCTION zdm.sync_table() IS 'keeps a hidden table in step with its table';

CREATE FUNCTION zdm.refuse_hidden() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_refuse_hidden';

COMMENT ON FUNCTION zdm.refuse_hidden() IS 'refuses writes to a hidden table';

CREATE FUNCTION zdm.keep_sync_last() RETURNS event_trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_keep_sync_last';

COMMENT ON FUNCTION zdm.keep_sync_last() IS 'renames the sync trigger when another would fire after it';

CREATE EVENT TRIGGER zdm_keep_sync_last ON ddl_command_end
	WHEN TAG IN ('CREATE TRIGGER', 'ALTER TRIGGER', 'ALTER TABLE')
	EXECUTE FUNCTION zdm.keep_sync_last();

ALTER EVENT TRIGGER zdm_keep_sync_last ENABLE ALWAYS;

------------------------------------------------------------------------------
-- Stating a change

CREATE FUNCTION zdm.rename_column(relation regclass, old_name name, new_name name, label text DEFAULT NULL)
	RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_rename_column';

COMMENT ON FUNCTION zdm.rename_column(regclass, name, name, text) IS
	'rename a column of a live table: both names work until contract; returns the id of the migration';

CREATE FUNCTION zdm.migrate(ddl text, up text DEFAULT NULL, down text DEFAULT NULL, label text DEFAULT NULL)
	RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_migrate';

COMMENT ON FUNCTION zdm.migrate(text, text, text, text) IS
	'carry out one DDL statement without keeping readers or writers out; returns the id of the migration';

CREATE FUNCTION zdm.plan(ddl text, up text DEFAULT NULL, down text DEFAULT NULL,
						 OUT step int, OUT phase text, OUT statement text, OUT lock text, OUT work text, OUT note text)
	RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_plan';

COMMENT ON FUNCTION zdm.plan(text, text, text) IS
	'the steps by which zdm.migrate() would carry out a DDL statement; changes nothing';

CREATE FUNCTION zdm.script(ddl text, up text DEFAULT NULL, down text DEFAULT NULL, target int DEFAULT NULL,
						   style text DEFAULT 'psql', size text DEFAULT NULL, rows bigint DEFAULT NULL,
						   writes_per_second bigint DEFAULT NULL, OUT file text, OUT body text)
	RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_script';

COMMENT ON FUNCTION zdm.script(text, text, text, int, text, text, bigint, bigint) IS
	'the plan of a DDL statement as files of plain SQL, for servers without the extension; changes nothing';

CREATE FUNCTION zdm.script(m bigint, target int DEFAULT NULL, style text DEFAULT 'psql', size text DEFAULT NULL,
						   rows bigint DEFAULT NULL, writes_per_second bigint DEFAULT NULL,
						   OUT file text, OUT body text)
	RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_script_migration';

COMMENT ON FUNCTION zdm.script(bigint, int, text, text, bigint, bigint) IS
	'the same of a migration that this transaction has stated';

CREATE FUNCTION zdm.set_not_null(relation regclass, column_name name, fill text DEFAULT NULL, label text DEFAULT NULL)
	RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_set_not_null';

COMMENT ON FUNCTION zdm.set_not_null(regclass, name, text, text) IS
	'make a column NOT NULL, its NULLs filled in first; returns the id of the migration';

CREATE FUNCTION zdm.backfill(relation regclass, assignments text, condition text DEFAULT NULL,
							 fire_triggers boolean DEFAULT false, label text DEFAULT NULL)
	RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_backfill';

COMMENT ON FUNCTION zdm.backfill(regclass, text, text, boolean, text) IS
	'update a whole table in short batches; returns the id of the migration';

CREATE FUNCTION zdm.change_column_type(relation regclass, column_name name, new_type text,
									   up text DEFAULT NULL, down text DEFAULT NULL, label text DEFAULT NULL,
									   keep_place boolean DEFAULT false)
	RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_change_column_type';

COMMENT ON FUNCTION zdm.change_column_type(regclass, name, text, text, text, text, boolean) IS
	'change the type of a column of a live table, keys included, with keep_place where it stands in the row; returns the id of the migration';

CREATE FUNCTION zdm.rewrite(relation regclass, order_by text DEFAULT NULL, columns name[] DEFAULT NULL, label text DEFAULT NULL)
	RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_rewrite';

COMMENT ON FUNCTION zdm.rewrite(regclass, text, name[], text) IS
	'write a live table anew, without what dead rows have left, in an order where one is given; returns the id of the migration';

CREATE FUNCTION zdm.partition_table(relation regclass, partition_by text, partitions text[] DEFAULT NULL,
									every text DEFAULT NULL, ahead int DEFAULT 3, with_default boolean DEFAULT false,
									primary_key text DEFAULT NULL, way text DEFAULT 'copy', label text DEFAULT NULL)
	RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_partition_table';

COMMENT ON FUNCTION zdm.partition_table(regclass, text, text[], text, int, boolean, text, text, text) IS
	'partition a live table; returns the id of the migration';

CREATE FUNCTION zdm.split_partition(partition regclass, partitions text[] DEFAULT NULL, every text DEFAULT NULL,
									label text DEFAULT NULL)
	RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_split_partition';

COMMENT ON FUNCTION zdm.split_partition(regclass, text[], text, text) IS
	'have smaller partitions take the place of one, with its rows; returns the id of the migration';

CREATE FUNCTION zdm.unpartition_table(relation regclass, label text DEFAULT NULL)
	RETURNS bigint LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_unpartition_table';

COMMENT ON FUNCTION zdm.unpartition_table(regclass, text) IS
	'have all rows of a partitioned table in one, without partitions';

-- Used by the steps of a plan: ALTER TABLE ... DROP IDENTITY would lose the
-- sequence, with its position, its privileges and what sessions know of it.
CREATE FUNCTION zdm.move_identity(relation regclass, from_column name, to_column name)
	RETURNS void STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_move_identity';

COMMENT ON FUNCTION zdm.move_identity(regclass, name, name) IS
	'make another column of the table the identity column, with the same sequence';

-- Used by the steps of a rename: SQL gives a stored generated column another
-- expression only by writing every row anew.
CREATE FUNCTION zdm.move_generated(relation regclass, generated_column name, from_column name, to_column name)
	RETURNS void STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_move_generated';

COMMENT ON FUNCTION zdm.move_generated(regclass, name, name, name) IS
	'let a stored generated column be computed from the other column of a rename, whose values are the same';

-- Used by the steps that give a partitioned table a primary key, from 18 on: the key
-- of a partition makes NOT NULLs the partition's own.
CREATE FUNCTION zdm.inherit_not_null(relation regclass, constraints oid[])
	RETURNS void STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_inherit_not_null';

COMMENT ON FUNCTION zdm.inherit_not_null(regclass, oid[]) IS
	'let NOT NULL constraints of a partition be inherited ones alone';

-- Used by the way back of steps that gave a table what partitions or children of it had
-- before: it would be taken from them together with the table's.
CREATE FUNCTION zdm.own_checks(relation regclass, name name, parts oid[])
	RETURNS void STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_own_checks';

COMMENT ON FUNCTION zdm.own_checks(regclass, name, oid[]) IS
	'let the CHECK constraint of that name of partitions of the table be their own, which stays when the table''s is dropped';

CREATE FUNCTION zdm.drop_not_null(relation regclass, "column" text, parts oid[])
	RETURNS void STRICT LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_drop_not_null';

COMMENT ON FUNCTION zdm.drop_not_null(regclass, text, oid[]) IS
	'drop the NOT NULL of the table''s column, and not that of these partitions and children';

------------------------------------------------------------------------------
-- Steering it

CREATE FUNCTION zdm.cutover(migration bigint) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_cutover';
CREATE FUNCTION zdm.cutover(label text) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_cutover_label';
COMMENT ON FUNCTION zdm.cutover(bigint) IS 'make the new shape the authoritative one; the old one is kept in step';
COMMENT ON FUNCTION zdm.cutover(text) IS 'make the new shape the authoritative one; the old one is kept in step';

CREATE FUNCTION zdm.contract(migration bigint) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_contract';
CREATE FUNCTION zdm.contract(label text) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_contract_label';
COMMENT ON FUNCTION zdm.contract(bigint) IS 'verify, then remove the old shape: cannot be undone';
COMMENT ON FUNCTION zdm.contract(text) IS 'verify, then remove the old shape: cannot be undone';

CREATE FUNCTION zdm.revert(migration bigint) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_revert';
CREATE FUNCTION zdm.revert(label text) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_revert_label';
COMMENT ON FUNCTION zdm.revert(bigint) IS 'go back to the old shape, with all that was written since';
COMMENT ON FUNCTION zdm.revert(text) IS 'go back to the old shape, with all that was written since';

CREATE FUNCTION zdm.pause(migration bigint) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_pause';
CREATE FUNCTION zdm.pause(label text) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_pause_label';
COMMENT ON FUNCTION zdm.pause(bigint) IS 'stop at the next safe point; both shapes are kept in step';
COMMENT ON FUNCTION zdm.pause(text) IS 'stop at the next safe point; both shapes are kept in step';

CREATE FUNCTION zdm.resume(migration bigint) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_resume';
CREATE FUNCTION zdm.resume(label text) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_resume_label';
COMMENT ON FUNCTION zdm.resume(bigint) IS 'go on with a paused migration, or try a failed step again';
COMMENT ON FUNCTION zdm.resume(text) IS 'go on with a paused migration, or try a failed step again';

CREATE FUNCTION zdm.configure(migration bigint, name text, value text) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_configure';
CREATE FUNCTION zdm.configure(label text, name text, value text) RETURNS void
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_configure_label';
COMMENT ON FUNCTION zdm.configure(bigint, text, text) IS 'change a setting of a migration while it runs';
COMMENT ON FUNCTION zdm.configure(text, text, text) IS 'change a setting of a migration while it runs';

CREATE FUNCTION zdm.verify(migration bigint,
						   OUT relation regclass, OUT key text, OUT old_value text, OUT new_value text)
	RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_verify';
CREATE FUNCTION zdm.verify(label text,
						   OUT relation regclass, OUT key text, OUT old_value text, OUT new_value text)
	RETURNS SETOF record LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_verify_label';
COMMENT ON FUNCTION zdm.verify(bigint) IS 'the rows in which old and new disagree; reads every row';
COMMENT ON FUNCTION zdm.verify(text) IS 'the rows in which old and new disagree; reads every row';

CREATE PROCEDURE zdm.wait(migration bigint, until text DEFAULT NULL, timeout interval DEFAULT NULL)
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_wait';
CREATE PROCEDURE zdm.wait(label text, until text DEFAULT NULL, timeout interval DEFAULT NULL)
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_wait_label';
COMMENT ON PROCEDURE zdm.wait(bigint, text, interval) IS 'wait for a state, by default the next in which the migration rests, and show progress';
COMMENT ON PROCEDURE zdm.wait(text, text, interval) IS 'wait for a state, by default the next in which the migration rests, and show progress';

------------------------------------------------------------------------------
-- Looking

CREATE FUNCTION zdm.step_sql(migration bigint, step int, undo boolean) RETURNS text STRICT STABLE
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_step_sql';
COMMENT ON FUNCTION zdm.step_sql(bigint, int, boolean) IS 'a stored statement with the names of today; used by the views';

-- A session, for people: what somebody is waited for with.  What the reader may
-- not see in pg_stat_activity is left out.
CREATE FUNCTION zdm.session_text(pid int) RETURNS text STRICT STABLE LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
SELECT 'pid ' || pid || coalesce((
	SELECT ' (' || nullif(concat_ws(', ', nullif(a.application_name, ''), 'client ' || host(a.client_addr),
		CASE WHEN a.backend_type = 'autovacuum worker'
		     THEN CASE WHEN a.query LIKE '%(to prevent wraparound)' THEN 'autovacuum to prevent wraparound' ELSE 'autovacuum' END
		       || coalesce((SELECT ', ' || round(100.0 * v.heap_blks_scanned / nullif(v.heap_blks_total, 0)) || ' %'
		                      FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid), '')
		     ELSE coalesce(a.state, a.backend_type) END
		|| coalesce(' since ' || to_char(coalesce(a.xact_start, a.state_change), 'YYYY-MM-DD HH24:MI:SS'), ''),
		'which itself waits for ' || (SELECT string_agg(CASE p WHEN 0 THEN 'a prepared transaction' ELSE 'pid ' || p END, ' and ')
		                                FROM unnest(pg_blocking_pids(a.pid)) p)), '') || ')'
	  FROM pg_stat_activity a WHERE a.pid = session_text.pid), '')
$$;
COMMENT ON FUNCTION zdm.session_text(int) IS
	'a session: pid, application, client, state, since when, and whom it waits for itself; used by the views';

-- The migrations that the reader may know of: of relations on which they hold
-- some privilege, or, when the relation is gone, of a role that they have.
-- Errors quote rows, and what a step waits for tells of other people's
-- sessions: "trusted" with these are owners, and who may read every row anyway.
CREATE VIEW zdm.visible WITH (security_barrier) AS
SELECT m.id, CASE WHEN c.oid IS NULL THEN true
                  ELSE pg_catalog.pg_has_role(c.relowner, 'USAGE')
                    OR pg_catalog.has_table_privilege(c.oid, 'SELECT') AND NOT pg_catalog.row_security_active(c.oid) END AS trusted
  FROM zdm.migration m
  LEFT JOIN pg_catalog.pg_class c ON c.oid = m.relid
 WHERE CASE WHEN c.oid IS NULL THEN pg_catalog.pg_has_role(m.owner, 'USAGE')
       ELSE pg_catalog.pg_has_role(c.relowner, 'USAGE')
         OR pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
         OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES') END;
COMMENT ON VIEW zdm.visible IS 'which migrations the reader may know of, and how much; used by the other views';

CREATE VIEW zdm.migrations WITH (security_barrier) AS
SELECT m.id, m.label, m.kind,
       coalesce(c.oid::regclass::text, m.relation) AS relation,
       m.state, m.paused, coalesce(r.rolname, m.owner::text::name) AS owner, m.created, m.changed,
       CASE WHEN v.trusted THEN concat_ws(E'\n', m.error_message, m.error_detail) END AS error,
       m.error_state,
       CASE WHEN v.trusted THEN m.error_hint END AS error_hint,
       CASE WHEN v.trusted THEN m.error_context END AS error_context,
       w.noted AS one_way_since,
       CASE WHEN v.trusted THEN w.key || ' of table ' || w.relation || ': ' || w.message END AS one_way_why,
       CASE WHEN v.trusted THEN m.settings ELSE m.settings - 'zdm.hold_when' END AS settings,
       CASE WHEN v.trusted THEN m.notes END AS notes,
       coalesce(x.rows, 0)::bigint AS conflicts, x.last AS last_conflict,
       CASE WHEN v.trusted THEN x.role END AS conflict_role,
       CASE WHEN v.trusted THEN x.application END AS conflict_application,
       (SELECT pg_catalog.jsonb_object_agg(h.name, h.times)
          FROM (SELECT e.key AS name, pg_catalog.sum(e.value::int) AS times
                  FROM zdm.step_progress s, pg_catalog.jsonb_each_text(s.holds) e
                 WHERE s.migration = m.id GROUP BY e.key) h) AS holds
  FROM zdm.migration m
  JOIN zdm.visible v USING (id)
  LEFT JOIN LATERAL (SELECT pg_catalog.sum(k.rows) OVER () AS rows, k.last, k.role, k.application
                       FROM zdm.conflict k WHERE k.migration = m.id ORDER BY k.last DESC LIMIT 1) x ON true
  LEFT JOIN LATERAL (SELECT f.noted, f.key, f.relation, f.message FROM zdm.misfit f
                      WHERE f.migration = m.id AND f.direction = 'down' ORDER BY f.id LIMIT 1) w ON true
  LEFT JOIN pg_catalog.pg_class c ON c.oid = m.relid
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = m.owner
 ORDER BY m.id;
COMMENT ON VIEW zdm.migrations IS 'all migrations, one row each';

CREATE VIEW zdm.steps WITH (security_barrier) AS
SELECT s.migration, s.step, s.phase, s.action,
       -- a fill or a condition says what is in rows, and stands in no catalog
       CASE WHEN v.trusted OR s.action NOT IN ('backfill', 'look')
            THEN coalesce(s.executed, zdm.step_sql(s.migration, s.step, false)) END AS statement,
       s.lock, s.work, s.note, s.state, p.attempts, s.started, s.finished,
       CASE WHEN v.trusted THEN p.error END AS error,
       zdm.step_sql(s.migration, s.step, true) AS undo, m.label
  FROM zdm.step s JOIN zdm.step_progress p USING (migration, step) JOIN zdm.migrations m ON m.id = s.migration JOIN zdm.visible v ON v.id = m.id
 ORDER BY s.migration, s.step;
COMMENT ON VIEW zdm.steps IS 'the steps of all migrations, as the SQL that is or was run';

CREATE VIEW zdm.progress WITH (security_barrier) AS
SELECT m.id, m.label, m.relation, m.state, m.paused, s.step, s.action,
       CASE WHEN m.state IN ('queued', 'reverting', 'failed') THEN 0.0
            WHEN s.step IS NULL THEN 100.0
            WHEN s.blocks_total > 0 THEN round(100.0 * s.blocks_done / s.blocks_total, 1)
            WHEN i.blocks_total > 0 THEN round(100.0 * i.blocks_done / i.blocks_total, 1)
            ELSE 0.0 END AS percent,
       coalesce(nullif(s.blocks_done, 0), i.blocks_done, 0) AS blocks_done,
       coalesce(nullif(s.blocks_total, 0), i.blocks_total, 0) AS blocks_total,
       coalesce(s.rows_done, 0) AS rows_done,
       s.rows_per_second,
       CASE WHEN s.blocks_done > 0 AND s.blocks_total > s.blocks_done AND s.worked_ms > 0
            THEN interval '1 ms' * (1.0 * s.worked_ms * (s.blocks_total - s.blocks_done) / s.blocks_done)
       END AS eta,
       CASE WHEN m.paused THEN 'zdm.resume: it is paused'
            WHEN m.state = 'failed' THEN 'zdm.resume or zdm.revert: it has failed'
            WHEN m.state = 'ready' AND EXISTS (SELECT FROM zdm.step c WHERE c.migration = m.id AND c.phase = 'cutover')
            THEN 'zdm.cutover or zdm.revert'
            WHEN m.state = 'ready' THEN 'zdm.contract or zdm.revert'
            WHEN m.state = 'switched' THEN 'zdm.contract or zdm.revert'
            WHEN m.state IN ('completed', 'reverted') THEN NULL
            WHEN pg_catalog.current_setting('zdm.enabled', true) = 'off' THEN 'zdm.enabled: it is off'
            WHEN w.pid IS NULL AND m.changed < pg_catalog.clock_timestamp() - interval '2 seconds'
            THEN 'a free worker (zdm.max_workers, max_worker_processes)'
            ELSE coalesce((SELECT string_agg(CASE p WHEN 0 THEN 'a prepared transaction' ELSE zdm.session_text(p) END, ', ')
                             FROM unnest(pg_catalog.pg_blocking_pids(w.pid)) p)
                          || ', which holds a lock or an old snapshot'
                          || CASE WHEN i.lockers_total > 0 THEN format(' (%s: %s of %s are gone)', i.phase, i.lockers_done, i.lockers_total) ELSE '' END,
                          CASE WHEN v.trusted THEN s.waiting_for
                               WHEN s.waiting_for IS NOT NULL THEN 'what only the owner of the table may see' END)
       END AS waiting_for,
       s.waiting_since, w.pid AS worker,
       CASE WHEN s.action IN ('backfill', 'verify', 'copy', 'compare') THEN
            (SELECT array_agg(l.pid ORDER BY l.pid) FROM pg_catalog.pg_locks l
              WHERE l.locktype = 'advisory' AND l.objsubid = 23046 AND l.granted
                AND (l.classid::bigint << 32 | l.objid::bigint) >> 8 = m.id
                AND l.database = (SELECT oid FROM pg_catalog.pg_database
                                   WHERE datname = pg_catalog.current_database()))
       END AS helpers, i.phase
  FROM zdm.migrations m
  JOIN zdm.visible v ON v.id = m.id
  LEFT JOIN LATERAL (SELECT * FROM zdm.step s JOIN zdm.step_progress p USING (migration, step)
                      WHERE s.migration = m.id
                        AND CASE m.state WHEN 'expanding' THEN s.phase = 'expand' WHEN 'migrating' THEN s.phase = 'migrate'
                            WHEN 'cutting_over' THEN s.phase IN ('migrate', 'cutover') WHEN 'contracting' THEN s.phase = 'contract'
                            WHEN 'reverting' THEN s.state = 'done' END
                        AND (m.state = 'reverting' OR s.state NOT IN ('done', 'undone'))
                      ORDER BY CASE m.state WHEN 'reverting' THEN -s.step ELSE s.step END LIMIT 1) s ON true
  LEFT JOIN LATERAL (SELECT l.pid FROM pg_catalog.pg_locks l
                      WHERE l.locktype = 'advisory' AND l.objsubid = 23040 AND l.granted
                        AND l.classid = (m.id >> 32)::oid AND l.objid = (m.id & 4294967295)::oid
                        AND l.database = (SELECT oid FROM pg_catalog.pg_database
                                           WHERE datname = pg_catalog.current_database())
                      LIMIT 1) w ON true
  LEFT JOIN pg_catalog.pg_stat_progress_create_index i ON i.pid = w.pid
 ORDER BY m.id;
COMMENT ON VIEW zdm.progress IS 'how far each migration is, how fast it goes, and what it waits for';

GRANT SELECT ON zdm.migrations, zdm.steps, zdm.progress TO PUBLIC;

------------------------------------------------------------------------------
-- Partitions attached while a migration runs

CREATE FUNCTION zdm.partition_attached() RETURNS event_trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_partition_attached';
COMMENT ON FUNCTION zdm.partition_attached() IS 'has the rows filled in that a partition brings';

CREATE EVENT TRIGGER zdm_partition_attached ON ddl_command_end
	WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE')
	EXECUTE FUNCTION zdm.partition_attached();

ALTER EVENT TRIGGER zdm_partition_attached ENABLE ALWAYS;

CREATE FUNCTION zdm.table_rewritten() RETURNS event_trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_table_rewritten';
COMMENT ON FUNCTION zdm.table_rewritten() IS 'notes that it can no longer be seen which rows have been filled in';

CREATE EVENT TRIGGER zdm_table_rewritten ON table_rewrite
	EXECUTE FUNCTION zdm.table_rewritten();

ALTER EVENT TRIGGER zdm_table_rewritten ENABLE ALWAYS;


CREATE FUNCTION zdm.privileges_changed() RETURNS event_trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'zdm_privileges_changed';
COMMENT ON FUNCTION zdm.privileges_changed() IS 'gives both columns, or both names, of a migration the same privileges, and a hidden table row-level security as its table has it';

CREATE EVENT TRIGGER zdm_privileges_changed ON ddl_command_end
	WHEN TAG IN ('GRANT', 'REVOKE', 'DROP OWNED', 'CREATE SCHEMA', 'ALTER TABLE')
	EXECUTE FUNCTION zdm.privileges_changed();

ALTER EVENT TRIGGER zdm_privileges_changed ENABLE ALWAYS;
-- The guard.

CREATE FUNCTION zdm.check(ddl text)
RETURNS TABLE (statement int, rule text, severity text, object text, lock text, detail text, hint text)
LANGUAGE c STRICT VOLATILE
AS 'MODULE_PATHNAME', 'zdm_check';
COMMENT ON FUNCTION zdm.check(text) IS 'judge DDL without running it: what of it would hurt, and what to run instead';
