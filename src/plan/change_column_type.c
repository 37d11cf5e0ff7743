/*-------------------------------------------------------------------------
 *
 * change_column_type.c
 *		The plan of change_column_type: a second column of the new type.
 *
 * Applications know one name throughout, so the second column has a temporary
 * one until cutover, when the two exchange their names.  A change that
 * PostgreSQL makes in the catalog alone needs none of this and is one plain
 * ALTER TABLE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/column_steps.h"
#include "column/load.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/guc.h"
#include "core/names.h"
#include "draft/by_path.h"
#include "draft/deparse.h"
#include "draft/retype.h"
#include "optimizer/optimizer.h"
#include "plan/plan.h"
#include "plan/retype_plan.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

static char *
type_name(const Change *change)
{
	return format_type_extended(change->type, change->typmod,
								FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

static List *
claims(const Change *change)
{
	return lcons(change->column, column_claims(change->relid, change->column));
}

static void
check(Change *change)
{
	Column	   *column = column_load(change->relid, change->column);

	by_path_check_table(change->relid, column->attnum);
	column_check_new_type(column, change->type);
	view_check_recreation(column);
	dependent_check_retyped(column);
	dependent_check_bodies(column);
}

/* The collation that is stated beside the type: the one that the column was given.  A domain brings its own. */
static char *
stated_collation(const Column *column, const Change *change)
{
	if (!OidIsValid(get_typcollation(change->type)) || get_typtype(change->type) == TYPTYPE_DOMAIN)
		return NULL;
	return column->collation;
}

char *
retype_plan_type(const Column *column, const Change *change)
{
	char	   *collation = stated_collation(column, change);

	return collation ? psprintf("%s COLLATE %s", type_name(change), collation) : type_name(change);
}

RetypeWork
retype_plan_ask(const Column *column, const Change *change)
{
	return retype_ask(change->relid, column->name, retype_plan_type(column, change),
					  change->up_source ? change->up_readable : NULL, foreign_key_probes(column));
}

/*
 * Constraints are checked anew by ALTER TABLE even where nothing is rewritten,
 * under its lock, and of a partitioned index all parts are built anew.
 */
static bool
is_catalog_only(const Column *column, const Change *change)
{
	bool		indexed = column->indexes != NIL || column->keys != NIL || column->exclusions != NIL;

	return retype_plan_ask(column, change) == RETYPE_CATALOG_ONLY && change->up_source == NULL &&
		!(indexed && get_rel_relkind(column->relid) == RELKIND_PARTITIONED_TABLE) && column->checks == NIL && column->foreign_keys == NIL &&
		column->matviews == NIL && column->views == NIL && column->dependents == NIL;
}

static void
plan_plain_alter(MigrationPlan *plan, const Column *column, const Change *change)
{
	bool		by_time_zone = change->type == TIMESTAMPOID || change->type == TIMESTAMPTZOID;

	plan_step(plan, &verb_set_type, &(SetTypeArgs) {
		.relation = column->relid, .column = column->attnum, .type = retype_plan_type(column, change),
		/* whether it needs a rewrite may depend on it */
		.time_zone = by_time_zone ? pstrdup(GetConfigOption("TimeZone", false, false)) : NULL,
	}, &(Step) {
		.phase = "migrate", .lock = AccessExclusiveLock, .work = "changes the catalog only",
		.note = "this server makes the change without a rewrite: done at once, without a cutover",
	});
	plan_note(plan, "PostgreSQL makes this change without rewriting the table or an index");
}

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/*
 * A value of the user's own making may be no key of the table that a foreign key
 * is to: like other constraints, it is then made when the new column decides.
 */
static void
postpone_foreign_keys(const Column *column)
{
	ListCell   *lc;

	foreach(lc, column->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		if (fk->relid == column->relid && fk->refrelid != fk->relid)
			fk->in_exchange = true;
	}
}

/* One of a domain's that is volatile would be evaluated for each of the two columns. */
static bool
carries_default(const Column *column, const Change *change)
{
	return change->new_default != NULL &&
		(column->default_text != NULL || !contain_volatile_functions(get_typdefault(column->type_oid)));
}

/* What the constraints said of the old values, they will say of what up gives. */
static void
note_mapped(MigrationPlan *plan, const Column *column, const Change *change)
{
	ListCell   *lc;

	if (carries_default(column, change))
		plan_note(plan, "the default, %s, becomes what up makes of it: %s",
				  column->default_text != NULL ? column->default_text : "of its domain", change->new_default);
	foreach(lc, column->checks)
	{
		ColumnCheck *check = lfirst(lc);

		plan_note(plan, "check constraint \"%s\" is carried as it reads, %s, and from cutover on is about what up gives, %s: see that it means the same",
				  check->name,
				  expression_sql(check->expression, column->relid, true),
				  change->up_source);
	}
	if (column->keys != NIL || column->exclusions != NIL)
		plan_note(plan, "unique keys and exclusion constraints hold for what up gives as soon as their index is built: two rows whose values up makes equal cannot both be written then");
}

/* A domain's default is a column's that has none of its own: it comes and goes with the type. */
static void
note_domain_default(MigrationPlan *plan, const Column *column, const Change *change)
{
	QuerySession session;
	char	   *old;
	char	   *new;

	/* that of the old one is carried as any default, if it can be */
	if (column->default_text != NULL || carries_default(column, change))
		return;
	query_begin(&session);
	QUERY("SELECT (SELECT typdefault FROM pg_type WHERE oid = $1 AND typtype = 'd'), (SELECT typdefault FROM pg_type WHERE oid = $2 AND typtype = 'd')",
		  arg_oid(column->type_oid), arg_oid(change->type));
	old = query_text(0, 1);
	new = query_text(0, 2);
	query_end(&session);
	if (old != NULL && (new == NULL || strcmp(old, new) != 0))
		plan_note(plan, "the column has its default, %s, from the domain %s, and from cutover on no longer: ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s; before this call has it go along",
				  old, column->type, names_relation(column->relid), quote_identifier(column->name), old);
	else if (new != NULL && old == NULL)
		plan_note(plan, "from cutover on the column has a default, %s, from the domain %s", new, type_name(change));
}

static void
plan_pair(MigrationPlan *plan, const Column *column, const Change *change)
{
	bool		toastable = get_typstorage(change->type) != TYPSTORAGE_PLAIN;
	NewColumn	new = {
		.name = sql_own_name(plan->migration, column->name),
		.final_name = column->name,
		.type = type_name(change),
		.collation = stated_collation(column, change),
		.default_text = carries_default(column, change) ? change->new_default : NULL,
		.storage = toastable ? column->storage : NULL,
		.compression = toastable ? column->compression : NULL,
		.sequence_type = is_integer(change->type) ? type_name(change) : NULL,
		.old_sequence_type = column->type,
		.retyped = true,
		.may_misfit = change->up_readable != NULL,
		.mapped = change->up_source != NULL,
		.null_first = get_typdefault(change->type) != NULL,
	};
	Pair		pair = {
		.migration = plan->migration,
		.relid = change->relid,
		.old_attnum = column->attnum,
		.new_name = unconstify(char *, new.name),
		.up = change->up,
		.down = change->down,
		.up_resolution = change->up_resolution,
		.down_resolution = change->down_resolution,
		.on_conflict = unconstify(char *, GetConfigOption("zdm.on_conflict", false, false)),
		.reversible = guc_reversible,
	};

	column_check_new_name(change->relid, new.name);
	if (new.mapped)
	{
		postpone_foreign_keys(column);
		note_mapped(plan, column, change);
	}
	if (new.may_misfit)
		fit_plan_expand(plan, column, &new, expression_text(retype_value(change->type, change->typmod, change->up_readable)));
	column_plan_expand(plan, column, &new, &pair);
	column_plan_migrate(plan, column, &new);
	column_plan_cutover(plan, column, &new);
	column_plan_contract(plan, column, &new);
	sequence_note_smaller(plan, column, change->type);
	note_domain_default(plan, column, change);
	plan_note(plan, "from cutover on a prepared statement that returns the column fails (0A000), as its type has changed, until it is prepared again (DEALLOCATE or DISCARD ALL, a new connection); one that only compares with it goes on");
}

bool
retype_plan_in_place(MigrationPlan *plan, const Column *column, const Change *change)
{
	if (!is_catalog_only(column, change))
		return false;
	plan_plain_alter(plan, column, change);
	sequence_note_smaller(plan, column, change->type);
	return true;
}

static void
make(MigrationPlan *plan, Change *change)
{
	Column	   *column = column_load(change->relid, change->column);

	if (!retype_plan_in_place(plan, column, change))
		plan_pair(plan, column, change);
}

char *
retype_plan_definition(const Change *change)
{
	QuerySession session;
	char	   *result;

	query_begin(&session);
	QUERY("SELECT jsonb_build_object('kind', $6, 'relation', $1, 'column', $2, "
		  "'type', $3, 'up', $4, 'down', $5)",
		  arg_oid(change->relid), arg_text(change->column), arg_text(type_name(change)),
		  arg_text(change->up_source), arg_text(change->down_source), arg_text(change->kind));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

const char *
retype_plan_kind(Oid relid, const char *column, bool keep_place)
{
	bool		in_expression;

	return keep_place || (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE && column_in_partition_key(relid, column, &in_expression)) ? plan_keep_place.name : plan_change_column_type.name;
}

const PlanKind plan_change_column_type = {
	.name = "change_column_type",
	.claims = claims,
	.check = check,
	.make = make,
	.definition = retype_plan_definition,
};
