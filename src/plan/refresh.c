/*-------------------------------------------------------------------------
 *
 * refresh.c
 *		The plan of REFRESH MATERIALIZED VIEW: CONCURRENTLY.
 *
 * Plain REFRESH keeps readers out for as long as the view's query runs.
 * CONCURRENTLY keeps out nobody but another refresh, and needs a unique index by
 * which old and new rows are told from each other.
 *
 * It is a top-level step although PostgreSQL would run it in a transaction
 * block: it makes a temporary table, which the restricted context of other
 * steps forbids, and takes on the owner's rights by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "draft/ddl_text.h"
#include "miscadmin.h"
#include "plan/plan.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* The view, which the caller owns, locked so that it stays. */
static Oid
find_view(RangeVar *name)
{
	Oid			relid = RangeVarGetRelid(name, AccessShareLock, false);

	if (get_rel_relkind(relid) != RELKIND_MATVIEW)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" is not a materialized view", name->relname)));
	if (!object_ownercheck(RelationRelationId, relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_MATVIEW, name->relname);
	return relid;
}

/* Has it rows, and an index that CONCURRENTLY can go by? */
static void
look_at_view(Oid relid, bool *populated, bool *usable)
{
	QuerySession session;

	query_begin(&session);
	QUERY("SELECT relispopulated, EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisunique AND indisvalid "
		  "AND indimmediate AND indpred IS NULL AND indexprs IS NULL) FROM pg_class c WHERE oid = $1", arg_oid(relid));
	*populated = query_bool(0, 1);
	*usable = query_bool(0, 2);
	query_end(&session);
}

static void
refuse_without_data(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("zdm.migrate() does not empty %s", names_relation(relid)),
			 errdetail("It could not be read until it is refreshed."),
			 errhint("Leave WITH NO DATA out.")));
}

static void
refuse_without_index(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s cannot be refreshed CONCURRENTLY", names_relation(relid)),
			 errdetail("It has no valid unique index on columns alone, without WHERE; any other refresh keeps readers out while its query runs."),
			 errhint("CREATE UNIQUE INDEX CONCURRENTLY ON %s (...); on columns that no two rows share, first.", names_relation(relid))));
}

static void
make(MigrationPlan *plan, Change *change)
{
	RefreshMatViewStmt *stmt = castNode(RefreshMatViewStmt, change->stmt);
	Oid			relid = find_view(stmt->relation);
	bool		populated;
	bool		usable;

	look_at_view(relid, &populated, &usable);
	if (populated && stmt->skipData)
		refuse_without_data(relid);
	if (populated && !usable)
		refuse_without_index(relid);
	plan_step(plan, &verb_refresh, &(RefreshArgs) {
		.relation = relid, .concurrently = populated, .no_data = stmt->skipData,
	}, &(Step) {
		.phase = "migrate",
		.relations = list_make1_oid(relid),
		.lock = populated ? ExclusiveLock : AccessExclusiveLock,
		.work = "runs its query; readers go on",
		.note = pstrdup(populated ? "keeps out nobody but another refresh" : "it has no rows yet, and cannot be read before"),
	});
}

const PlanKind plan_refresh = {
	.name = "refresh",
	.make = make,
	.one_shape = true,
};
