/*-------------------------------------------------------------------------
 *
 * change.c
 *		The functions that state a change.
 *
 * Everything that can be found wrong is found here, in the caller's
 * transaction; the plan is written in it too, so that a rollback leaves
 * nothing, and a migration tool's transaction is as good as any.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/access.h"
#include "api/at_once.h"
#include "api/change.h"
#include "catalog/migration.h"
#include "catalog/heap.h"
#include "catalog/hold_author.h"
#include "catalog/holder.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/step_progress.h"
#include "common/hashfn.h"
#include "core/citus.h"
#include "core/claim.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/names.h"
#include "rules/change.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "parser/parser.h"
#include "plan/meaning.h"
#include "plan/outcome.h"
#include "plan/plan.h"
#include "plan/retype_plan.h"
#include "plan/uses.h"
#include "run/new_shape.h"
#include "run/partitioned_like.h"
#include "run/start.h"
#include "sync/expr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

/* A claim of a transaction that is ending is released after one of these pauses. */
#define CLAIM_TRIES 5
#define CLAIM_PAUSE_US 2000

PG_FUNCTION_INFO_V1(zdm_rename_column);
PG_FUNCTION_INFO_V1(zdm_rewrite);
PG_FUNCTION_INFO_V1(zdm_unpartition_table);
PG_FUNCTION_INFO_V1(zdm_change_column_type);

/* The settings that will govern the migration, as they are in this session. */
static char *
capture_settings(void)
{
	QuerySession session;
	List	   *names = NIL;
	List	   *values = NIL;
	char	   *result;

	hold_author_check();
	for (int i = 0; guc_migration_settings[i] != NULL; i++)
	{
		names = lappend(names, pstrdup(guc_migration_settings[i]));
		values = lappend(values, unconstify(char *, guc_settle(guc_migration_settings[i],
															   GetConfigOptionByName(guc_migration_settings[i], NULL, false))));
	}
	query_begin(&session);
	QUERY("SELECT jsonb_object($1, $2)", arg_texts(names), arg_texts(values));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

/*
 * Closes the race with a session that has stated the label and not yet committed.
 * It is the role's: whoever has another role's open, in a dry run, say, keeps
 * nobody waiting.
 */
static void
claim_label(const char *label, Oid role)
{
	int64		number = (int64) DatumGetUInt64(hash_any_extended((const unsigned char *) label, strlen(label), role));
	Holder		holder;
	ErrorContextCallback callback = {.callback = holder_say, .arg = &holder, .previous = error_context_stack};

	if (claim_try(CLAIM_LABEL, number))
		return;
	holder = holder_of_claim(CLAIM_LABEL, number);
	error_context_stack = &callback;
	claim_wait(CLAIM_LABEL, number);
	error_context_stack = callback.previous;
}

static bool
is_same(const Migration *known, const char *definition)
{
	QuerySession session;
	bool		same;

	query_begin(&session);
	QUERY("SELECT $1 = $2", arg_jsonb(known->definition), arg_jsonb(definition));
	same = query_bool(0, 1);
	query_end(&session);
	return same;
}

/* What was done under the label has been undone: it means something new from here on. */
static void
say_anew(const char *label, const Migration *known)
{
	if (known->state == STATE_REVERTED)
		ereport(NOTICE,
				(errmsg("migration \"%s\" has been reverted, as " INT64_FORMAT ": it is begun anew",
						label, known->id)));
	else
		ereport(NOTICE,
				(errmsg("what migration \"%s\" did, as " INT64_FORMAT ", is no longer there: it is begun anew",
						label, known->id)));
}

/* The same change is wanted again while it is on its way back: it is begun anew behind that. */
static bool
begin_behind(const char *label, int64 id)
{
	/* closes the race with the worker that comes to the end of the way back */
	Migration  *known = migration_load(id, MIGRATION_LOCK);

	if (known == NULL || known->state != STATE_REVERTING)
		return false;
	migration_set_again(known, capture_settings(), meaning_now(known->id));
	expr_resolve_again(known->id);
	ereport(NOTICE,
			(errmsg("migration \"%s\" is being reverted, as " INT64_FORMAT ": it is begun anew once that is done",
					label, known->id)));
	return true;
}

/*
 * Labels that are known already, a list of Migration *, the last one first: the
 * same change again is harmless, as when a deployment is run twice; another one is
 * an error, if the role is known to which the label would belong.  What has been
 * reverted, or is completed but has been undone since, is wanted again: false, so
 * that it is stated anew.
 */
static bool
known_label(List *labelled, const char *label, const char *definition, Oid role, int64 *id)
{
	Migration  *anew = NULL;
	ListCell   *lc;

	foreach(lc, labelled)
	{
		Migration  *known = lfirst(lc);

		if (OidIsValid(role) && known->owner != role)
			continue;
		if (outcome_table_gone(known))
		{
			anew = anew ? anew : known;
			continue;
		}
		if (!is_same(known, definition))
		{
			if (!OidIsValid(role))
				continue;
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("label \"%s\" is taken by migration " INT64_FORMAT ", which is another change",
							label, known->id),
					 migration_is_visible(known) ?
					 errdetail("It is %s on %s.", known->kind, known->relation) : 0,
					 errhint("Choose another label.")));
		}
		if (known->state == STATE_REVERTED ||
			(known->state == STATE_COMPLETED && !outcome_stands(known)))
		{
			anew = anew ? anew : known;
			continue;
		}
		*id = known->id;
		if (known->state == STATE_REVERTING && begin_behind(label, known->id))
			return true;
		ereport(NOTICE,
				(errmsg("migration \"%s\" exists already, as " INT64_FORMAT " (%s)",
						label, known->id, state_name(known->state))));
		return true;
	}
	if (anew != NULL && OidIsValid(role))
		say_anew(label, anew);
	return false;
}

/* Two migrations may not touch the same column or constraint. */
static void
check_conflicts(Oid relid, List *claims)
{
	ListCell   *lc;
	const char *mine;

	foreach(lc, migration_live_on(relid))
	{
		Migration  *other = lfirst(lc);

		mine = uses_find_conflict(claims, other->columns);
		if (mine != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("migration " INT64_FORMAT " is at work on \"%s\" of %s",
							other->id, mine, names_relation(relid)),
					 errdetail("It is %s and its state is %s.", other->kind,
							   state_name(other->state)),
					 errhint("Let it come to its end, or go back with SELECT zdm.revert(" INT64_FORMAT ").",
							 other->id)));
	}
}

pg_noreturn static void refuse_beside(const Migration *other, Oid relid);

static void
refuse_beside(const Migration *other, Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("migration " INT64_FORMAT " is at work on %s", other->id, names_relation(relid)),
			 errdetail("It is %s and its state is %s; a table that is written anew can have no other migration meanwhile.",
					   other->kind, state_name(other->state)),
			 errhint("Let it come to its end, or go back with SELECT zdm.revert(" INT64_FORMAT ").", other->id)));
}

/*
 * A migration that writes rows fires no trigger, so what it writes would not come to
 * the hidden table of another that writes the table anew.  Of partitions it may be
 * the whole that the one is of, and the part that the other is of.
 */
static void
check_whole_tables(const PlanKind *kind, Oid relid)
{
	List	   *relids = list_make1_oid(relid);
	ListCell   *lc;
	ListCell   *m;

	if (get_rel_relispartition(relid))
		relids = list_concat(relids, get_partition_ancestors(relid));
	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		relids = list_concat_unique_oid(relids, find_all_inheritors(relid, NoLock, NULL));
	foreach(lc, relids)
	{
		foreach(m, migration_live_on(lfirst_oid(lc)))
		{
			const Migration *other = lfirst(m);

			if (kind->whole_table || plan_kind(other->kind)->whole_table)
				refuse_beside(other, lfirst_oid(lc));
		}
	}
}

/* One transaction at a time states a migration on a table. */
static void
claim_table(Oid relid)
{
	bool		claimed;
	Holder		holder;

	/*
	 * Closes the race between two sessions neither of which sees the other's
	 * uncommitted migration.  Who ends its transaction lets its claims go one by
	 * one: whoever has waited for that on the label is here before the last.
	 */
	for (int tries = 0; !(claimed = claim_try(CLAIM_STATEMENT, relid)) && tries < CLAIM_TRIES; tries++)
		pg_usleep(CLAIM_PAUSE_US);
	if (claimed)
		return;
	holder = holder_of_claim(CLAIM_STATEMENT, relid);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("another transaction is stating a migration on %s", names_relation(relid)),
			 holder.detail != NULL ? errdetail_internal("%s", holder.detail) : 0,
			 errhint("%s", holder.hint != NULL ? holder.hint : "Try again when it has ended.")));
}

static Oid
relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;

	ReleaseSysCache(tuple);
	return owner;
}

/* How the statement begins, for a change that is about no table. */
static char *
statement_beginning(const char *statement)
{
	char	   *beginning = pnstrdup(statement, pg_mbcliplen(statement, strlen(statement), 60));

	beginning[strcspn(beginning, "\n")] = '\0';
	return beginning;
}

/*
 * DDL is compared as text: once it has been carried out, its names may mean
 * something else or nothing.
 */
char *
change_ddl_definition(const char *ddl, const char *up, const char *down)
{
	QuerySession session;
	char	   *result;

	query_begin(&session);
	QUERY("SELECT jsonb_build_object('ddl', $1, 'up', $2, 'down', $3)",
		  arg_text(ddl), arg_text(up), arg_text(down));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

bool
change_known_ddl(const char *ddl, const char *up, const char *down, const char *label, int64 *id)
{
	if (label == NULL)
		return false;
	claim_label(label, GetUserId());
	return known_label(access_labelled(label), label, change_ddl_definition(ddl, up, down), InvalidOid, id);
}

/* What no other migration may touch meanwhile. */
static List *
all_claims(const PlanKind *kind, const Change *change)
{
	return list_concat(plan_claims(kind, change), uses_columns(change));
}

/* Is another migration in the way, or the change wrong? */
static void
check(Change *change)
{
	const PlanKind *kind = plan_kind(change->kind);

	if (OidIsValid(change->relid))
	{
		/* what all hangs on the column is looked at later: another one can have half made it */
		if (change->column != NULL && kind->claims != NULL)
			check_conflicts(change->relid, list_make1(change->column));
		check_conflicts(change->relid, all_claims(kind, change));
		check_whole_tables(kind, change->relid);
	}

	/*
	 * A migration that was seen to be over has left something, a name say, that
	 * the catalog caches of this session need not know of yet: it takes no lock
	 * in this call that would tell them.
	 */
	AcceptInvalidationMessages();
	plan_validate(kind, change);
}

/*
 * The change of a table that this transaction has made: it is done here and now,
 * and the migration is completed.
 */
static int64
store_done(const Change *change, const char *label, char *definition)
{
	List	   *outcome = outcome_of(change);
	Migration	migration = {
		.label = label ? pstrdup(label) : NULL,
		.kind = pstrdup(change->kind),
		.relid = change->relid,
		.relation = OidIsValid(change->relid) ? names_relation(change->relid) :
			statement_beginning(change->statement),
		.owner = OidIsValid(change->relid) ? relation_owner(change->relid) : GetUserId(),
		.definition = definition,
		.settings = capture_settings(),
		.result_settings = change->result_settings,
	};
	MigrationPlan plan = {.relid = change->relid};
	char	   *sql = at_once_run(change);

	migration_insert(&migration);
	plan.migration = migration.id;
	at_once_plan(&plan, change, outcome, sql);
	plan_store(&plan);
	step_mark_done(linitial(plan.steps), sql);
	migration_set_outcome(&migration, outcome);
	migration_set_completed(&migration);
	return migration.id;
}

/* The expression between two types that depends on the session's time zone. */
static char *
time_zone_cast(AttrNumber number, Oid from, Oid to)
{
	if (!(from == TIMESTAMPOID && to == TIMESTAMPTZOID) &&
		!(from == TIMESTAMPTZOID && to == TIMESTAMPOID))
		return NULL;

	/* the cast would give each writer what its own TimeZone makes of the value */
	return psprintf("pg_catalog.timezone(%s::pg_catalog.text, $%d)",
					quote_literal_cstr(GetConfigOption("TimeZone", false, false)), number);
}

static char *
default_cast(AttrNumber number, const ExprColumn *from, const ExprColumn *to, bool allow_explicit)
{
	char	   *cast = time_zone_cast(number, from->type, to->type);

	return cast != NULL ? cast : expr_cast(number, from, to, allow_explicit);
}

/*
 * Is the change one that no value is too large for?  Implicit casts are those
 * that lose nothing.
 */
static bool
always_fits(const Change *change, const ExprColumn *old)
{
	Oid			source = old->type;
	Oid			target = change->type;

	return change->up_source == NULL && change->typmod < 0 &&
		can_coerce_type(1, &source, &target, COERCION_IMPLICIT);
}

/* up and down of a change of type, resolved with the names of the caller. */
static void
resolve_expressions(Change *change)
{
	HeapTuple	tuple = SearchSysCacheAttName(change->relid, change->column);
	Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);
	ExprColumn	old = {change->column, att->atttypid, att->atttypmod, att->attcollation};
	ExprColumn	new = {change->column, change->type, change->typmod, get_typcollation(change->type)};
	AttrNumber	number = att->attnum;

	ReleaseSysCache(tuple);
	change->up = change->up_source == NULL ? default_cast(number, &old, &new, false) :
		expr_resolve(change->relid, change->up_source, "up", NULL, &new);
	change->down = change->down_source == NULL ? default_cast(EXPR_NEW_COLUMN, &new, &old, true) :
		expr_resolve(change->relid, change->down_source, "down", &new, &old);
	change->up_resolution = expr_resolution(change->relid, change->up, NULL, &new);
	change->down_resolution = expr_resolution(change->relid, change->down, &new, &old);
	if (change->up != NULL && !always_fits(change, &old))
		change->up_readable = expr_readable(change->relid, change->up, InvalidAttrNumber);
}

/*
 * The default goes through `up` as the values do.  Where that reads other columns
 * there is nothing to compute it from: PostgreSQL's cast has to do then.
 */
static void
resolve_default(Change *change)
{
	AttrNumber	attnum = get_attnum(change->relid, change->column);
	bool		reads_others;
	Oid			source = get_atttype(change->relid, attnum);
	Oid			target = change->type;
	QuerySession session;
	bool		has_default;

	if (change->up_source == NULL)
		return;
	change->new_default = expr_of_default(change->relid, change->relid, change->up, attnum, &reads_others);
	if (!reads_others || can_coerce_type(1, &source, &target, COERCION_ASSIGNMENT))
		return;
	query_begin(&session);
	has_default = QUERY("SELECT FROM pg_attrdef WHERE adrelid = $1 AND adnum = $2",
						arg_oid(change->relid), arg_int2(attnum)) > 0;
	query_end(&session);
	if (has_default)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("default for column \"%s\" cannot be cast automatically to type %s",
						change->column, format_type_be(target)),
				 errdetail("It cannot be computed by \"up\" either, which reads other columns."),
				 errhint("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT; before, and set the new default afterwards; or give an \"up\" over the column alone.",
						 names_relation(change->relid), quote_identifier(change->column))));
}

/* The column as a second table is to have it. */
static Form_pg_attribute
changed_attribute(const Change *change)
{
	HeapTuple	tuple = SearchSysCacheAttName(change->relid, change->column);
	Form_pg_attribute att = palloc(sizeof(FormData_pg_attribute));

	memcpy(att, GETSTRUCT(tuple), sizeof(FormData_pg_attribute));
	ReleaseSysCache(tuple);
	att->atttypid = change->type;
	att->atttypmod = change->typmod;
	att->attcollation = get_typcollation(change->type);
	get_typlenbyvalalign(change->type, &att->attlen, &att->attbyval, &att->attalign);
	return att;
}

/* Where the partition key changes, so do the bounds. */
static void
resolve_partitions(Change *change)
{
	LikeColumn	column;

	if (strcmp(change->kind, plan_keep_place.name) != 0 || get_rel_relkind(change->relid) != RELKIND_PARTITIONED_TABLE)
		return;
	column = (LikeColumn) {.target = changed_attribute(change), .settings = change->result_settings};
	column.up.text = change->up != NULL ? change->up : psprintf("$%d", get_attnum(change->relid, change->column));
	column.up.resolution = change->up_resolution;
	change->layout = partitioned_like_layout(change->relid, &column);
}

static void
resolve(Change *change)
{
	if (!OidIsValid(change->type))
		return;
	resolve_expressions(change);
	resolve_default(change);
	resolve_partitions(change);
}

/* What comes of the bounds PostgreSQL says when it has them.  Who only looks finds it when it is done. */
static void
try_partitions(const Change *change, const MigrationPlan *plan)
{
	const SecondArgs *second;

	if (!OidIsValid(change->type) || change->layout == NULL || XactReadOnly)
		return;
	second = second_args(linitial(plan->steps));
	/* what needs no rewrite is done in place */
	if (second != NULL)
		new_shape_try(second, change->result_settings);
}

void
change_make(Change *change, MigrationPlan *plan, Migration *migration)
{
	const PlanKind *kind = plan_kind(change->kind);
	bool		on_table = OidIsValid(change->relid);
	int			nestlevel;

	/*
	 * A date in a default or an expression is read back by others, not by this
	 * session.  What has only the DDL to go by must read it as the session would,
	 * and pins the formats when it writes.
	 */
	change->result_settings = identity_settings();
	nestlevel = NewGUCNestLevel();
	if (!kind->one_shape || OidIsValid(change->type))
		identity_pin_formats();
	resolve(change);
	if (migration != NULL)
	{
		migration->columns = all_claims(kind, change);
		migration->result_settings = change->result_settings;
		migration_insert(migration);
		plan->migration = migration->id;
	}
	plan->relid = change->relid;
	kind->make(plan, change);
	try_partitions(change, plan);
	if (on_table && plan_has_backfill(plan))
		citus_check(change->relid, NULL);
	if (kind->one_shape && on_table && plan_has_backfill(plan))
		access_check_rows(change->relid, false);
	preflight(plan, change);
	AtEOXact_GUC(false, nestlevel);
}

void
change_plan(Change *change, MigrationPlan *plan, Migration *migration)
{
	check(change);
	change_make(change, plan, migration);
}

/* Write the migration and its plan, and have it started at commit. */
static int64
store_migration(Change *change, const char *label, char *definition)
{
	bool		on_table = OidIsValid(change->relid);
	MigrationPlan plan = {0};
	Migration	migration = {
		.label = label ? pstrdup(label) : NULL,
		.kind = pstrdup(change->kind),
		.relid = change->relid,
		.relation = on_table ? names_relation(change->relid) : statement_beginning(change->statement),
		.owner = on_table ? relation_owner(change->relid) : GetUserId(),
		.definition = definition,
		.settings = capture_settings(),
	};

	change_plan(change, &plan, &migration);
	preflight_warn();
	plan_store(&plan);
	migration_set_outcome(&migration, outcome_of(change));
	start_at_commit(migration.id);
	return migration.id;
}

void
change_check_table(const Change *change)
{
	const PlanKind *kind = plan_kind(change->kind);

	access_check_table(change->relid, kind->partition_ok);
	if (kind->one_shape)
		return;
	access_check_room(change->relid);
	access_check_rows(change->relid, true);
}

int64
change_state(Change *change, const char *label)
{
	const PlanKind *kind = plan_kind(change->kind);
	bool		on_table = OidIsValid(change->relid);
	char	   *definition;
	int64		id;

	access_check_writable(psprintf("zdm.%s()", change->ddl ? "migrate" : change->kind));

	/* of DDL it was asked when it was read */
	if (change->ddl == NULL)
	{
		change_check_table(change);
		citus_check(change->relid, change->kind);
	}
	start_orphans_at_commit(true);
	if (label != NULL && label[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a label cannot be empty")));
	definition = change->definition ? change->definition : kind->definition(change);
	if (label != NULL)
	{
		Oid			role = on_table ? relation_owner(change->relid) : GetUserId();

		claim_label(label, role);
		if (known_label(migration_labelled(label), label, definition, role, &id))
			return id;
	}
	if (on_table)
		claim_table(change->relid);
	if (at_once_possible(change))
		return store_done(change, label, definition);
	return store_migration(change, label, definition);
}

char *
change_name_argument(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be null", what)));
	return pstrdup(NameStr(*PG_GETARG_NAME(n)));
}

Oid
change_relation_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? InvalidOid : PG_GETARG_OID(n);
}

char *
change_text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/*
 * What is made of the text is read again elsewhere, where a backslash in a plain
 * string constant is just that.
 */
char *
change_sql_argument(FunctionCallInfo fcinfo, int n)
{
	char	   *sql = change_text_argument(fcinfo, n);

	change_check_text(sql);
	return sql;
}

void
change_check_text(const char *sql)
{
	if (sql != NULL && !standard_conforming_strings && strchr(sql, '\\') != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("backslashes in SQL need standard_conforming_strings to be on"),
				 errdetail("It reads: %s", sql),
				 errhint("SET standard_conforming_strings = on; and write E'...' where a backslash is to escape something.")));
}

char *
change_required_sql(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be null", what)));
	return change_sql_argument(fcinfo, n);
}

Datum
zdm_rename_column(PG_FUNCTION_ARGS)
{
	Change		change = {
		.kind = "rename_column",
		.relid = change_relation_argument(fcinfo, 0),
		.column = change_name_argument(fcinfo, 1, "old_name"),
		.new_name = change_name_argument(fcinfo, 2, "new_name"),
	};

	PG_RETURN_INT64(change_state(&change, change_text_argument(fcinfo, 3)));
}

/* The names in an array of them (char *). */
static List *
names_of(ArrayType *array)
{
	List	   *names = NIL;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("columns must not have null in it")));
		names = lappend(names, pstrdup(NameStr(*DatumGetName(values[i]))));
	}
	if (names == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("columns names no column"),
				 errhint("Leave it out to have the columns as they are.")));
	return names;
}

Datum
zdm_rewrite(PG_FUNCTION_ARGS)
{
	Change		change = {
		.kind = "rewrite",
		.relid = change_relation_argument(fcinfo, 0),
		.order_by = change_sql_argument(fcinfo, 1),
	};

	if (!PG_ARGISNULL(2))
	{
		change.kind = "reorder_columns";
		change.columns = names_of(PG_GETARG_ARRAYTYPE_P(2));
	}
	PG_RETURN_INT64(change_state(&change, change_text_argument(fcinfo, 3)));
}

Datum
zdm_unpartition_table(PG_FUNCTION_ARGS)
{
	Change		change = {.kind = "unpartition_table", .relid = change_relation_argument(fcinfo, 0)};

	PG_RETURN_INT64(change_state(&change, change_text_argument(fcinfo, 1)));
}

/* The type that a string names, as ALTER TABLE would read it. */
static void
parse_type_argument(FunctionCallInfo fcinfo, int n, Change *change)
{
	char	   *text = change_text_argument(fcinfo, n);

	if (text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("new_type must not be null")));
	if (strcasestr(text, " collate ") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("new_type must be the name of a type, without COLLATE"),
				 errdetail("It reads: %s", text),
				 errhint("A domain can have the collation: CREATE DOMAIN %s AS %s; and change the column to that.",
						 quote_identifier(psprintf("%s_type", change->column)), text)));
	zdm_parse_type(text, &change->type, &change->typmod);
	CheckAttributeType(change->column, change->type, get_typcollation(change->type), NIL, 0);
}

Datum
zdm_change_column_type(PG_FUNCTION_ARGS)
{
	Change		change = {
		.kind = "change_column_type",
		.relid = change_relation_argument(fcinfo, 0),
		.column = change_name_argument(fcinfo, 1, "column_name"),
		.up_source = change_sql_argument(fcinfo, 3),
		.down_source = change_sql_argument(fcinfo, 4),
	};

	if (PG_ARGISNULL(6))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep_place must not be null")));
	if (get_rel_relkind(change.relid) == RELKIND_PARTITIONED_TABLE)
		access_check_owner(change.relid);
	if (OidIsValid(change.relid))
		change.kind = retype_plan_kind(change.relid, change.column, PG_GETARG_BOOL(6));
	parse_type_argument(fcinfo, 2, &change);
	PG_RETURN_INT64(change_state(&change, change_text_argument(fcinfo, 5)));
}
