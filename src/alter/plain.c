/*-------------------------------------------------------------------------
 *
 * plain.c
 *		The plan of a statement that is harmless as it stands.
 *
 * Harmless is what the guard's rules find no harm in: one measure for both, so
 * that nothing is run here that the guard would have refused.  The statement
 * is run with the search_path of whoever stated it, by a worker, which waits
 * for its locks without standing in anyone's way.
 *
 * It is tried when it is stated, and rolled back, where its locks are available
 * without waiting: its mistakes are then the caller's to see at once.  It does no
 * work, so that the locks are held for an instant.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "alter/alter.h"
#include "alter/plain.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/query.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "draft/probe.h"
#include "facts/authors.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "compat.h"

/* The relation that a comment or a label is on, which it locks; or none. */
static Oid
described_relation(const Change *change)
{
	ObjectType	type;
	Node	   *object;
	Relation	rel = NULL;
	ObjectAddress address;

	if (IsA(change->stmt, CommentStmt))
	{
		type = ((CommentStmt *) change->stmt)->objtype;
		object = ((CommentStmt *) change->stmt)->object;
	}
	else if (IsA(change->stmt, SecLabelStmt))
	{
		type = ((SecLabelStmt *) change->stmt)->objtype;
		object = ((SecLabelStmt *) change->stmt)->object;
	}
	else
		return InvalidOid;

	/* raises what PostgreSQL would; and closes the race with a drop */
	address = get_object_address(type, object, &rel, AccessShareLock, false);
	check_object_ownership(GetUserId(), type, address, object, rel);
	if (rel != NULL)
		relation_close(rel, NoLock);
	return address.classId == RelationRelationId ? address.objectId : InvalidOid;
}

/* The table of extended statistics to be. */
static Oid
statistics_relation(const Change *change)
{
	CreateStatsStmt *stmt = (CreateStatsStmt *) change->stmt;

	if (!IsA(stmt, CreateStatsStmt) || stmt->relations == NIL ||
		!IsA(linitial(stmt->relations), RangeVar))
		return InvalidOid;
	return RangeVarGetRelid(linitial_node(RangeVar, stmt->relations), AccessShareLock, false);
}

/* The strongest lock on relations that exist, and these relations. */
static LOCKMODE
find_locks(const Change *change, const Judgement *judgement, List **relations)
{
	LOCKMODE	strongest = NoLock;
	Oid			described = described_relation(change);
	ListCell   *lc;

	*relations = NIL;
	if (!OidIsValid(described))
		described = statistics_relation(change);
	if (OidIsValid(described))
	{
		*relations = list_make1_oid(described);
		return ShareUpdateExclusiveLock;
	}
	foreach(lc, judgement->locks)
	{
		TakenLock  *lock = lfirst(lc);

		/* a weak lock stands in nobody's way, nor waits long */
		if (!OidIsValid(lock->rel->oid) || lock->mode <= RowExclusiveLock)
			continue;
		strongest = Max(strongest, lock->mode);
		*relations = list_append_unique_oid(*relations, lock->rel->oid);
	}
	return strongest;
}

/* Does it run a query of its own, which may take long? */
static bool
runs_long(const Change *change)
{
	return IsA(change->stmt, CreateTableAsStmt);
}

/* A statement to be tried, and the locks that it will take. */
typedef struct Trial
{
	const char *statement;
	List	   *relations;
	LOCKMODE	lock;
} Trial;

/* Of more relations than this, locks would be held while others are taken. */
#define MOST_RELATIONS 8

/* A worker has its locks in the same order, but waits for them. */
static bool
lock_all(const Trial *trial)
{
	ListCell   *lc;

	foreach(lc, trial->relations)
	{
		if (!ConditionalLockRelationOid(lfirst_oid(lc), trial->lock))
			return false;
	}
	return true;
}

static void
run_statement(void *arg)
{
	Trial	   *trial = arg;

	if (!lock_all(trial))
		return;

	/* the statement is not carried out; ends with the subtransaction */
	(void) set_config_option("zdm.guard", "off", PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	probe_run(trial->statement);
}

/* Would PostgreSQL, to run the statement, open what other roles wrote on a table that it names? */
static bool
opens_others(Facts *facts)
{
	ListCell   *lc;

	foreach(lc, facts->relations)
	{
		FactRelation *rel = lfirst(lc);

		if (OidIsValid(rel->oid) && authors_of_relation(rel->oid) != NIL)
			return true;
	}
	return false;
}

/*
 * Is it in the way of this transaction itself, by a cursor or pending triggers?
 * It will not be in a worker's.
 */
static bool
is_own_obstacle(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_OBJECT_IN_USE;
}

void
plain_try(Change *change)
{
	Judgement  *judgement = ddl_judge(change);
	Trial		trial = {.statement = change->statement};
	ErrorData  *error;

	trial.lock = find_locks(change, judgement, &trial.relations);
	if (XactReadOnly || runs_long(change) || opens_others(judgement->facts) ||
		list_length(trial.relations) > MOST_RELATIONS)
		return;
	if (!attempt_run(run_statement, &trial, ATTEMPT_UNDO, &error) && !is_own_obstacle(error))
		ReThrowError(error);
}

void
plain_step(MigrationPlan *plan, const Change *change, const Judgement *judgement)
{
	List	   *relations;
	LOCKMODE	lock = find_locks(change, judgement, &relations);

	plan_step(plan, &verb_statement, &(StatementArgs) {
		.has_path = true, .path = ddl_search_path(), .formats = ddl_session_formats(change->statement),
		.text = pstrdup(change->statement),
	}, &(Step) {
		.phase = "migrate",
		.relations = relations, .lock = lock,
		.work = runs_long(change) ? "runs its query; readers and writers go on" : CATALOG_ONLY,
		.note = "as it stands",
	});
}

void
plain_catalog_step(MigrationPlan *plan, const char *phase, const Verb *verb, const void *args)
{
	plan_step(plan, verb, args, &(Step) {
		.phase = pstrdup(phase), .undoable = true, .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
}

static void
check(Change *change)
{
	Judgement  *judgement = ddl_judge(change);
	const Finding *objection = ddl_objection(judgement);

	if (objection != NULL)
		ddl_refuse(objection);
	plain_try(change);
}

static void
make(MigrationPlan *plan, Change *change)
{
	plain_step(plan, change, ddl_judge(change));
}

const PlanKind plan_plain = {
	.name = "plain",
	.check = check,
	.make = make,
	.one_shape = true,
};
