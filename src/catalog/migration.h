/*-------------------------------------------------------------------------
 *
 * migration.h
 *		Rows of zdm.migration.
 *
 * All functions need a transaction and act as the extension's owner; who may
 * call them for whom is for the caller to check.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_MIGRATION_H
#define ZDM_MIGRATION_H

#include "catalog/row.h"
#include "catalog/state.h"
#include "nodes/pg_list.h"

#define MIGRATION_USES "uses "

#define MIGRATION_COLUMNS(COLUMN) \
	COLUMN(INT8, id, MADE) \
	COLUMN(TEXT, label, GIVEN)			/* or NULL */ \
	COLUMN(TEXT, kind, GIVEN) \
	COLUMN(OID, relid, GIVEN) \
	COLUMN(TEXT, relation, GIVEN)		/* qualified name when it was stated */ \
	COLUMN(OID, owner, GIVEN)			/* whose rights the work is done with */ \
	COLUMN(JSONB, definition, GIVEN) \
	COLUMN(TEXTS, columns, GIVEN)		/* names no other migration may touch; behind \
										 * MIGRATION_USES, columns none may take away */ \
	COLUMN(WORD(MigrationState, state_words), state, MADE) \
	COLUMN(WORD(MigrationState, state_words), failed_from, MADE)	/* meaningful in STATE_FAILED only */ \
	COLUMN(BOOL, paused, MADE) \
	COLUMN(BOOL, again, MADE)			/* to be begun anew once it is reverted */ \
	COLUMN(TEXTS, outcome, MADE)		/* as plan/outcome.h has it */ \
	COLUMN(JSONB, settings, GIVEN)		/* {"zdm.batch_time": "100ms", ...} */ \
	COLUMN(TEXTS, result_settings, GIVEN)	/* of identity_settings(): what expressions are evaluated under */

typedef struct Migration
{
	MIGRATION_COLUMNS(ROW_FIELD)
} Migration;

/* What went wrong, as zdm.migrations shows it; any but message may be NULL. */
typedef struct MigrationError
{
	const char *sqlstate;
	const char *message;
	const char *detail;
	const char *hint;
	const char *context;
} MigrationError;

typedef enum MigrationLock
{
	MIGRATION_READ,				/* no row lock */
	MIGRATION_LOCK,				/* FOR UPDATE, waiting */
	MIGRATION_LOCK_NOWAIT		/* FOR UPDATE, ERRCODE_LOCK_NOT_AVAILABLE if taken */
} MigrationLock;

/*
 * Insert a row; id, state and the rest that a new migration has not are filled
 * in.  Errors: unique violation on the label if another session inserted it.
 */
extern void migration_insert(Migration *migration);

/* Store what the preflight found.  "notes" is a list of char *. */
extern void migration_set_notes(int64 id, List *notes);

/* What there was of the names in its texts when it was stated: char *, as plan/meaning.c has it. */
extern void migration_add_known(int64 id, List *known);
extern List *migration_known(int64 id);

/* The row, in the current memory context; NULL if there is none. */
extern Migration *migration_load(int64 id, MigrationLock lock);

/*
 * All with this label, whoever gave it: those that have been reverted last, and
 * before that the last one stated first.
 */
extern List *migration_labelled(const char *label); /* list of Migration * */

/* Another table has taken the name of the one that it is about: it is about that from here on. */
extern void migration_set_relation(int64 id, Oid relid);

/* What of it is there once it is completed. */
extern void migration_set_outcome(Migration *migration, List *outcome);

/* It is done, in this transaction: completed, as it never was before. */
extern void migration_set_completed(Migration *migration);

/*
 * Of one that is being reverted: have it begun anew behind that, with these
 * settings and what is known of its names now, or, for NULL, not.
 */
extern void migration_set_again(Migration *migration, const char *settings, List *known);

/* It has been reverted and is wanted again: queued, with all of its plan before it. */
extern void migration_begin_anew(Migration *migration);

/*
 * May the current role know of it?  The rule of the view zdm.migrations: some
 * privilege on the relation, or, when that is gone, the role that stated it.
 * What an error says of another's migration depends on it.
 */
extern bool migration_is_visible(const Migration *migration);

/* May it also know what a migration that it knows of says of values?  "trusted" in the view zdm.visible. */
extern bool migration_is_trusted(const Migration *migration);

/* Migrations on "relid" that are not completed or reverted. */
extern List *migration_live_on(Oid relid);	/* list of Migration * */

/* Those on partitioned tables. */
extern List *migration_live_on_partitioned(void);

/* The same of other relations, if a step to come or to undo names "relid". */
extern List *migration_needing(Oid relid);	/* list of Migration * */

/*
 * Migrations, not completed or reverted, that are on "relid" or name it, and have
 * a step to come or to undo in which "name" (unquoted) stands.
 */
extern List *migration_naming(Oid relid, const char *name);	/* list of Migration * */

/* zdm.reversible, as stored with it. */
extern bool migration_is_reversible(const Migration *migration);

/* Has the migration a step that exchanges the old and the new shape? */
extern bool migration_has_cutover(int64 id);

/* A migration that a worker has to work on; "urgent": somebody has told it to cut over, to contract or to go back. */
#define RUNNABLE_COLUMNS(COLUMN) \
	COLUMN(INT8, id, MADE) \
	COLUMN(OID, owner, MADE) \
	COLUMN(BOOL, urgent, MADE)

typedef struct RunnableMigration
{
	RUNNABLE_COLUMNS(ROW_FIELD)
} RunnableMigration;

/*
 * All of them, as RunnableMigration *, in the order in which they should have a
 * place: the urgent ones, then one of each owner in turn, and last those that
 * were found to wait.
 */
extern List *migration_runnable(void);

extern bool migration_is_urgent(const Migration *migration);

/*
 * Has a prepared transaction stated or steered a migration?  Whoever commits it
 * tells nobody.
 */
extern bool migration_in_prepared_transaction(void);

/*
 * Apply an event to a migration loaded with a lock.  False, with nothing done,
 * if the event leads nowhere from its state.
 */
extern bool migration_transition(Migration *migration, MigrationEvent event);

/* EVENT_FAIL, with the reason. */
extern void migration_fail(Migration *migration, const MigrationError *error);

extern void migration_set_paused(Migration *migration, bool paused);
extern void migration_set_owner(Migration *migration, Oid owner);

/*
 * Another table has the place of the one that the migration is about: it is about that
 * from here on, and so are those that are over.
 */
extern void migration_follow(Migration *migration, Oid relid);
extern void migration_set_setting(Migration *migration, const char *name,
								  const char *value);

#endif							/* ZDM_MIGRATION_H */
