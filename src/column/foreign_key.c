/*-------------------------------------------------------------------------
 *
 * foreign_key.c
 *		Foreign keys from and to a column that is replaced.
 *
 * The counterpart is made NOT VALID, which locks both tables for an instant,
 * and validated while both are in use.  Until cutover both constraints hold, so
 * a row that passes one passes the other.  The cutover drops the old one and
 * gives its name to the new one; the old column, which nobody reads by then,
 * needs none until the way back makes it again in the same manner.
 *
 * Of a partitioned table each partition has its constraint made and validated
 * by itself; the partitioned table's own, added last, finds them and reads
 * nothing.
 *
 * A foreign key to a partitioned table needs that table's own unique
 * constraint, which can only be made in the exchange.  So it is made there, NOT
 * VALID, and validated afterwards; whether it will be valid is looked at before.
 *
 * The column at the other end may be replaced at the same time; what that means
 * is column/other_end.c's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "column/carry.h"
#include "column/other_end.h"
#include "column/part.h"
#include "column/reference.h"
#include "core/expression.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "draft/retype.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* The work is done as the table's owner, who may have no right to the others. */
static void
check_rights(const Column *column, const ColumnForeignKey *fk)
{
	Oid			owner = column->owner;
	ListCell   *lc;

	foreach(lc, fk->members)
	{
		ForeignKeyMember *member = lfirst(lc);

		if (!carry_acts_for(owner, member->owner))
			column_refuse(psprintf("foreign key %s of %s, which has another owner,", member->name,
								   names_relation(member->relid)),
						  column, "Give both tables the same owner, or make one a member of the other.");
	}
	if (pg_class_aclcheck(fk->refrelid, owner, ACL_REFERENCES) != ACLCHECK_OK)
		column_refuse(psprintf("foreign key %s to %s, to which the owner has no REFERENCES privilege,",
							   fk->name, names_relation(fk->refrelid)),
					  column, "Grant it first.");
}

static void
load_foreign_key(Column *column, Oid constraint)
{
	ColumnForeignKey *fk;
	bool		period = false;

	if (other_end_holds_it(column->relid, constraint))
		return;
	fk = reference_read(constraint, &period);
	if (fk == NULL)
		other_end_has_changed(column);
	if (period)
		column_refuse(psprintf("foreign key %s, with PERIOD,", fk->name), column,
					  "Drop it first, and add it again afterwards.");
	fk->in_exchange = get_rel_relkind(fk->refrelid) == RELKIND_PARTITIONED_TABLE;
	check_rights(column, fk);
	other_end_check(column, fk);
	column->foreign_keys = lappend(column->foreign_keys, fk);
}

static bool
load(Column *column, const Dependent *dependent)
{
	if (dependent->contype != CONSTRAINT_FOREIGN)
		return false;
	load_foreign_key(column, dependent->object);
	return true;
}

static List *
claims(const Column *column)
{
	List	   *claims = NIL;
	ListCell   *lc;

	foreach(lc, column->foreign_keys)
		claims = lappend(claims, psprintf("constraint %s", ((ColumnForeignKey *) lfirst(lc))->name));
	return claims;
}

static bool
needs_validation(const ColumnForeignKey *fk)
{
	return fk->validated && !fk->not_enforced;
}

/* The name that a member has until the exchange: the same for all, or its own. */
static const char *
member_name(const ForeignKeyMember *member, const char *common)
{
	return common != NULL ? common : member->name;
}

/* Adds a step to a plan, in the manner of plan_step(). */
typedef struct Building
{
	MigrationPlan *plan;
	const char *phase;
	bool		only_back;		/* nothing until the way back */
	bool		undoable;
} Building;

static Step
step_of(const Building *building, List *relations, LOCKMODE lock, char *work)
{
	if (building->only_back)
		return (Step) {
			.phase = pstrdup(building->phase), .only_back = true, .relations = relations, .undo_lock = lock,
			.work = work, .note = "on the way back only",
		};
	return (Step) {.phase = pstrdup(building->phase), .relations = relations, .lock = lock, .work = work};
}

/* Not needed by a table at the other end: without that there is nothing to do. */
static void
add_step(const Building *building, const ColumnForeignKey *fk, const ForeignKeyMember *member,
		 const ForeignKeyArgs *args)
{
	Step		step = step_of(building, list_append_unique_oid(list_make1_oid(member->relid), fk->refrelid),
							   /* triggers that a partition had for itself are dropped */
							   args->known != NIL ? AccessExclusiveLock : ShareRowExclusiveLock,
							   "changes the catalog only");

	/* it is validated by a query of the owner */
	step.queries = needs_validation(fk);
	step.needs = list_make1_oid(member->relid);
	if (building->undoable && !building->only_back)
	{
		step.undoable = true;
		step.undo_lock = AccessExclusiveLock;
	}
	plan_step(building->plan, &verb_add_foreign_key, args, &step);
}

/*
 * The constraint of a partitioned table, when its partitions have theirs.  Rows
 * of one attached since the plan was made would be read here, under the
 * strongest lock: unless they are few, that is an error instead.
 */
static void
adopt_step(const Building *building, const ColumnForeignKey *fk, const ForeignKeyMember *member,
		   const char *common, const Substitute *substitute)
{
	ForeignKeyArgs args = reference_member_args(fk, member, member_name(member, common), substitute);
	ListCell   *lc;

	foreach(lc, fk->members)
		args.known = lappend_oid(args.known, ((ForeignKeyMember *) lfirst(lc))->relid);
	if (common == NULL)
		args.comment = member->comment;
	add_step(building, fk, member, &args);
}

static void
validate_step(const Building *building, const ColumnForeignKey *fk, const ForeignKeyMember *member, const char *name)
{
	Step		step = step_of(building, list_make1_oid(member->relid), ShareUpdateExclusiveLock,
							   "reads both tables; writers go on");

	step.needs = list_make1_oid(member->relid);
	plan_step(building->plan, &verb_validate_constraint, &(ValidateArgs) {
		.relation = member->relid, .root = reference_member_root(fk, member), .name = pstrdup(name),
		.references = fk->refrelid,
	}, &step);
}

/*
 * The steps that make the constraint, or, if it has been "begun", that come after
 * the statements which begin it.  "common" is the name of all members, NULL: each
 * has its own.
 */
static void
build_steps(const Building *building, const ColumnForeignKey *fk, const char *common,
			const Substitute *substitute, bool begun)
{
	ListCell   *lc;

	foreach(lc, fk->members)
	{
		ForeignKeyMember *member = lfirst(lc);
		const char *name = member_name(member, common);
		ForeignKeyArgs args = reference_member_args(fk, member, name, substitute);

		if (!needs_validation(fk))
		{
			if (member == reference_root(fk) && !begun)
				add_step(building, fk, member, &args);
			continue;
		}
		if (member->partitioned)
		{
			adopt_step(building, fk, member, common, substitute);
			continue;
		}
		if (!begun)
			add_step(building, fk, member, &args);
		validate_step(building, fk, member, name);
	}
}

static List *
both_tables(const ColumnForeignKey *fk)
{
	return list_append_unique_oid(list_make1_oid(fk->relid), fk->refrelid);
}

/* Look for rows that the constraint will not let be. */
static void
plan_look(MigrationPlan *plan, const ColumnForeignKey *fk, const Substitute *substitute)
{
	plan_step(plan, &verb_assert_referenced, &(AssertReferencedArgs) {
		.relation = fk->relid, .plain = true,
		.message = psprintf("keys would be left without their row by foreign key \"%s\"", fk->name),
		.columns = reference_columns(fk->relid, fk->columns, substitute),
		.references = fk->refrelid, .refcolumns = reference_columns(fk->refrelid, fk->refcolumns, substitute),
	}, &(Step) {
		.phase = "migrate", .relations = both_tables(fk), .needs = list_make1_oid(plan->relid),
		.lock = AccessShareLock, .work = "reads both tables",
		.note = "the constraint itself can only be made at cutover",
	});
}

static void
migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	Building	building = {.plan = plan, .phase = "migrate", .undoable = true};
	Substitute	substitute = {old->relid, old->attnum, carry_column(new->name)};
	ListCell   *lc;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		if (!fk->in_exchange)
			build_steps(&building, fk, sql_own_name(plan->migration, fk->name), &substitute, false);
		else if (needs_validation(fk))
			plan_look(plan, fk, &substitute);
	}
}

static bool
is_moot(const Making *making, const ColumnForeignKey *fk, const ForeignKeyMember *member)
{
	return !sql_exists(making, fk->refrelid) || !sql_exists(making, fk->relid) ||
		!sql_is_member(making, member->relid, reference_member_root(fk, member));
}

static void
leave(StringInfo sql, const Exchange *exchange)
{
	const Making *making = exchange->making;
	ListCell   *lc;

	foreach(lc, exchange->twin->old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		if (!is_moot(making, fk, reference_root(fk)))
			sql_statement(sql, "ALTER TABLE %s DROP CONSTRAINT %s", sql_table(making, fk->relid),
						  sql_name(fk->name));
	}
}

static void
append_rename(StringInfo sql, const Making *making, const ColumnForeignKey *fk,
			  const ForeignKeyMember *member, const char *from)
{
	if (strcmp(from, member->name) != 0 && !is_moot(making, fk, member))
		sql_statement(sql, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s", sql_table(making, member->relid),
					  sql_name(from), sql_name(member->name));
}

static void
append_comment(StringInfo sql, const Making *making, const ColumnForeignKey *fk, const ForeignKeyMember *member)
{
	if (member->comment != NULL && !is_moot(making, fk, member))
		sql_statement(sql, "COMMENT ON CONSTRAINT %s ON %s IS %s", sql_name(member->name),
					  sql_table(making, member->relid), sql_literal(member->comment));
}

static void
append_add(StringInfo sql, const Making *making, const ColumnForeignKey *fk, const ForeignKeyMember *member,
		   const char *name, const Substitute *substitute)
{
	ForeignKeyArgs args = reference_member_args(fk, member, name, substitute);

	sql_statement(sql, "%s", foreign_key_sql(making, &args));
}

/* What of a foreign key to a partitioned table is made in the exchange itself. */
static void
append_begin(StringInfo sql, const Making *making, const ColumnForeignKey *fk, const Substitute *substitute)
{
	ListCell   *lc;

	if (!needs_validation(fk))
		append_add(sql, making, fk, reference_root(fk), fk->name, substitute);
	foreach(lc, fk->members)
	{
		ForeignKeyMember *member = lfirst(lc);

		if (!needs_validation(fk))
			append_rename(sql, making, fk, member, fk->name);
		else if (!member->partitioned)
			append_add(sql, making, fk, member, member->name, substitute);
	}
}

static void
enter(StringInfo sql, const Exchange *exchange)
{
	const Making *making = exchange->making;
	const Column *old = exchange->twin->old;
	Substitute	substitute = {
		old->relid, old->attnum, carry_column(exchange->forward ? exchange->twin->new->final_name : old->name)
	};
	ListCell   *lc;
	ListCell   *m;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		if (fk->in_exchange)
			append_begin(sql, making, fk, &substitute);
		foreach(m, fk->members)
		{
			ForeignKeyMember *member = lfirst(m);

			if (!fk->in_exchange)
				append_rename(sql, making, fk, member, sql_own_name(making->migration, fk->name));
			if (!fk->in_exchange || !needs_validation(fk) || !member->partitioned)
				append_comment(sql, making, fk, member);
		}
	}
}

static void
way_back(MigrationPlan *back, const Column *old, const NewColumn *new)
{
	Building	building = {.plan = back, .phase = "cutover", .only_back = true};
	Substitute	substitute = {old->relid, old->attnum, carry_old_later(old, new)};
	ListCell   *lc;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		if (!fk->in_exchange)
			build_steps(&building, fk, sql_own_name(back->migration, fk->name), &substitute, false);
	}
}

static void
afterwards(MigrationPlan *plan, const Column *old, const NewColumn *new, bool forward)
{
	Building	building = {.plan = plan, .phase = "cutover", .only_back = !forward};
	Substitute	substitute = {old->relid, old->attnum, carry_column(forward ? new->final_name : old->name)};
	ListCell   *lc;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		if (fk->in_exchange)
			build_steps(&building, fk, NULL, &substitute, true);
	}
}

static List *
relations_of(const Column *old)
{
	List	   *relations = NIL;
	ListCell   *lc;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		relations = list_append_unique_oid(relations, fk->relid);
		relations = list_append_unique_oid(relations, fk->refrelid);
	}
	return relations;
}

/* "id" integer, ...: the columns of a table at the other end, as a definition. */
static char *
column_definitions(Oid relid, List *attnums)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, attnums)
	{
		Oid			type;
		int32		typmod;
		Oid			collation;

		get_atttypetypmodcoll(relid, (AttrNumber) lfirst_int(lc), &type, &typmod, &collation);
		appendStringInfo(&buf, "%s %s, ", names_attribute(relid, (AttrNumber) lfirst_int(lc)),
						 format_type_extended(type, typmod,
											  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	}
	return buf.data;
}

static char *
present_names(Oid relid, List *attnums)
{
	return expression_sql(expression_join(reference_columns(relid, attnums, &(Substitute) {0}), ", "), relid, false);
}

List *
foreign_key_probes(const Column *column)
{
	List	   *probes = NIL;
	int			n = 0;
	ListCell   *lc;

	foreach(lc, column->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);
		char	   *columns = present_names(fk->relid, fk->columns);
		char	   *refcolumns = present_names(fk->refrelid, fk->refcolumns);
		char	   *other = psprintf("pg_temp.zdm_probe%d", ++n);
		bool		self = fk->relid == fk->refrelid;
		bool		inbound = fk->refrelid == column->relid;

		if (!self)
			probes = lappend(probes,
							 psprintf("CREATE TEMPORARY TABLE zdm_probe%d (%sUNIQUE (%s))", n,
									  inbound ? column_definitions(fk->relid, fk->columns) :
									  column_definitions(fk->refrelid, fk->refcolumns),
									  inbound ? columns : refcolumns));
		probes = lappend(probes,
						 psprintf("ALTER TABLE %s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (%s)",
								  self || !inbound ? RETYPE_PROBE : other,
								  quote_identifier(fk->name), columns,
								  self || inbound ? RETYPE_PROBE : other, refcolumns));
	}
	return probes;
}

const ColumnPart column_foreign_key = {
	.load = load,
	.claims = claims,
	.migrate = migrate,
	.relations = relations_of,
	.leave = leave,
	.enter = enter,
	.afterwards = afterwards,
	.way_back = way_back,
};
