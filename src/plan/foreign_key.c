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
 * constraint, which can only be had in the exchange.  So it is made there, NOT
 * VALID, and validated afterwards; whether it will be valid is looked at before.
 *
 * The column at the other end may be replaced at the same time; what that means
 * is plan/other_end.c's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/query.h"
#include "core/guc.h"
#include "core/names.h"
#include "nodes/parsenodes.h"
#include "plan/carry.h"
#include "plan/deparse.h"
#include "plan/other_end.h"
#include "plan/retype.h"
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

static List *
attribute_list(uint64 row, int column)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, query_oids(row, column))
		result = lappend_int(result, (int) lfirst_oid(lc));
	return result;
}

static ColumnForeignKey *
read_row(void)
{
	ColumnForeignKey *fk = palloc0(sizeof(ColumnForeignKey));

	fk->name = query_text(0, 1);
	fk->relid = query_oid(0, 2);
	fk->refrelid = query_oid(0, 3);
	fk->columns = attribute_list(0, 4);
	fk->refcolumns = attribute_list(0, 5);
	fk->delete_columns = attribute_list(0, 6);
	fk->match = query_text(0, 7)[0];
	fk->on_update = query_text(0, 8)[0];
	fk->on_delete = query_text(0, 9)[0];
	fk->deferrable = query_bool(0, 10);
	fk->deferred = query_bool(0, 11);
	fk->validated = query_bool(0, 12);
	fk->not_enforced = query_bool(0, 13);
	return fk;
}

/* The constraint of the table itself and of its partitions. */
static void
load_members(ColumnForeignKey *fk, Oid constraint)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY("WITH RECURSIVE m(oid, level) AS (SELECT $1, 0 UNION ALL "
			  "SELECT o.oid, m.level + 1 FROM m JOIN pg_constraint o ON o.conparentid = m.oid AND o.confrelid = $2) "
			  "SELECT o.conrelid, o.conname, c.relkind = 'p', c.relowner, obj_description(o.oid, 'pg_constraint') "
			  "FROM m JOIN pg_constraint o ON o.oid = m.oid JOIN pg_class c ON c.oid = o.conrelid "
			  "ORDER BY m.level DESC, o.conrelid", arg_oid(constraint), arg_oid(fk->refrelid));
	for (uint64 row = 0; row < n; row++)
	{
		ForeignKeyMember *member = palloc0(sizeof(ForeignKeyMember));

		member->relid = query_oid(row, 1);
		member->name = query_text(row, 2);
		member->partitioned = query_bool(row, 3);
		member->owner = query_oid(row, 4);
		member->comment = query_text(row, 5);
		fk->members = lappend(fk->members, member);
	}
	query_end(&session);
}

ColumnForeignKey *
foreign_key_read(Oid constraint, bool *period)
{
	QuerySession session;
	ColumnForeignKey *fk = NULL;

	query_begin(&session);
	if (QUERY("SELECT conname, conrelid, confrelid, "
			  "(SELECT array_agg(a::int4::oid ORDER BY n) FROM unnest(conkey) WITH ORDINALITY u(a, n)), "
			  "(SELECT array_agg(a::int4::oid ORDER BY n) FROM unnest(confkey) WITH ORDINALITY u(a, n)), "
			  "coalesce((SELECT array_agg(a::int4::oid ORDER BY n) FROM jsonb_array_elements_text(nullif(to_jsonb(o) -> 'confdelsetcols', 'null')) WITH ORDINALITY u(a, n)), '{}'), "
			  "confmatchtype::text, confupdtype::text, confdeltype::text, condeferrable, condeferred, convalidated, "
			  "coalesce(to_jsonb(o) ->> 'conenforced', 'true') = 'false', "
			  "coalesce(to_jsonb(o) ->> 'conperiod', 'false') = 'true' "
			  "FROM pg_constraint o WHERE oid = $1", arg_oid(constraint)) > 0)
	{
		fk = read_row();
		*period = query_bool(0, 14);
	}
	query_end(&session);
	if (fk != NULL)
		load_members(fk, constraint);
	return fk;
}

void
foreign_key_load(Column *column, Oid constraint)
{
	ColumnForeignKey *fk;
	bool		period = false;

	if (other_end_holds_it(column->relid, constraint))
		return;
	fk = foreign_key_read(constraint, &period);
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

static char *
column_list(Oid relid, List *attnums, const Substitute *substitute)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, attnums)
	{
		AttrNumber	attnum = (AttrNumber) lfirst_int(lc);

		if (buf.len > 0)
			appendStringInfoString(&buf, ", ");
		if (relid == substitute->relid && attnum == substitute->from)
			appendStringInfoString(&buf, substitute->to);
		else
			appendStringInfoString(&buf, names_template_attribute(relid, attnum));
	}
	return buf.data;
}

/*
 * A foreign key is gone when either of its tables is, or when a partition is
 * none any more, and so is all that there was to do about it: the migration of
 * the one must not end there.
 */
static char *
while_both(const ColumnForeignKey *fk, const ForeignKeyMember *member, const char *statement)
{
	char	   *if_referenced = names_template_if(fk->refrelid, statement);

	return member->relid == fk->relid ? names_template_if(fk->relid, if_referenced) :
		names_template_if_partition(member->relid, fk->relid, if_referenced);
}

/* The table itself comes after all its partitions. */
static ForeignKeyMember *
root_of(const ColumnForeignKey *fk)
{
	return llast(fk->members);
}

static bool
needs_validation(const ColumnForeignKey *fk)
{
	return fk->validated && !fk->not_enforced;
}

/* The columns of partitions have the same names: those of the table stand for them. */
static char *
add_sql(const ColumnForeignKey *fk, const ForeignKeyMember *member, const char *name,
		const Substitute *substitute)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "ALTER TABLE %s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (%s)",
					 names_template_relation(member->relid), carry_quoted(name),
					 column_list(fk->relid, fk->columns, substitute),
					 names_template_relation(fk->refrelid),
					 column_list(fk->refrelid, fk->refcolumns, substitute));
	if (fk->match == FKCONSTR_MATCH_FULL)
		appendStringInfoString(&buf, " MATCH FULL");
	appendStringInfo(&buf, " ON UPDATE %s ON DELETE %s", deparse_action(fk->on_update),
					 deparse_action(fk->on_delete));
	if (fk->delete_columns != NIL)
		appendStringInfo(&buf, " (%s)", column_list(fk->relid, fk->delete_columns, substitute));
	if (fk->deferrable)
		appendStringInfoString(&buf, fk->deferred ? " DEFERRABLE INITIALLY DEFERRED" : " DEFERRABLE");
	if (fk->not_enforced)
		appendStringInfoString(&buf, " NOT ENFORCED");
	else if (!fk->validated || !member->partitioned)
		appendStringInfoString(&buf, " NOT VALID");
	return while_both(fk, member, buf.data);
}

static char *
drop_sql(const ColumnForeignKey *fk, const ForeignKeyMember *member, const char *name)
{
	return while_both(fk, member, psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s",
										   names_template_relation(member->relid), carry_quoted(name)));
}

static char *
validate_sql(const ColumnForeignKey *fk, const ForeignKeyMember *member, const char *name)
{
	return while_both(fk, member, psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s",
										   names_template_relation(member->relid), carry_quoted(name)));
}

char *
foreign_key_add_sql(const ColumnForeignKey *fk, const char *name, const Substitute *substitute)
{
	return add_sql(fk, root_of(fk), name, substitute);
}

char *
foreign_key_validate_sql(const ColumnForeignKey *fk, const char *name)
{
	return validate_sql(fk, root_of(fk), name);
}

char *
foreign_key_drop_sql(const ColumnForeignKey *fk, const char *name)
{
	return drop_sql(fk, root_of(fk), name);
}

/* The name that a member has until the exchange: the same for all, or its own. */
static const char *
member_name(const ForeignKeyMember *member, const char *common)
{
	return common != NULL ? common : member->name;
}

static Step *
make_step(char *statement, List *relations, LOCKMODE lock, char *work)
{
	Step	   *step = palloc0(sizeof(Step));

	step->action = ACTION_SQL;
	step->statement = statement;
	step->relations = relations;
	step->lock = lock;
	step->work = work;
	return step;
}

static Step *
add_step(const ColumnForeignKey *fk, const ForeignKeyMember *member, const char *name,
		 const Substitute *substitute)
{
	Step	   *step = make_step(add_sql(fk, member, name, substitute),
								 list_append_unique_oid(list_make1_oid(member->relid), fk->refrelid),
								 ShareRowExclusiveLock, "changes the catalog only");

	/* it is validated by a query of the owner */
	step->queries = needs_validation(fk);
	step->undo = drop_sql(fk, member, name);
	step->undo_lock = AccessExclusiveLock;
	return step;
}

static void
append_comment(StringInfo sql, const ColumnForeignKey *fk, const ForeignKeyMember *member)
{
	if (member->comment != NULL)
		carry_statement(sql, "%s",
						while_both(fk, member, psprintf("COMMENT ON CONSTRAINT %s ON %s IS %s",
														carry_quoted(member->name),
														names_template_relation(member->relid),
														carry_literal(member->comment))));
}

/*
 * The constraint of a partitioned table, when its partitions have theirs.  Rows
 * of one attached since the plan was made would be read here, under the
 * strongest lock: unless they are few, that is an error instead.
 */
static Step *
adopt_step(const ColumnForeignKey *fk, const ForeignKeyMember *member, const char *common,
		   const Substitute *substitute)
{
	Step	   *step = add_step(fk, member, member_name(member, common), substitute);
	StringInfoData known;
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	initStringInfo(&known);
	foreach(lc, fk->members)
		appendStringInfo(&known, "%s%u", known.len > 0 ? ", " : "",
						 ((ForeignKeyMember *) lfirst(lc))->relid);
	carry_statement(&sql, "%s", carry_refuse_late(member->relid, known.data));
	carry_statement(&sql, "%s", step->statement);
	if (common == NULL)
		append_comment(&sql, fk, member);
	step->statement = sql.data;

	/* triggers that a partition had for itself are dropped */
	step->lock = AccessExclusiveLock;
	return step;
}

/*
 * The steps (Step *) that make the constraint, or, if it has been "begun", that
 * come after the statements which begin it.  "common" is the name of all
 * members, NULL: each has its own.
 */
static List *
build_steps(const ColumnForeignKey *fk, const char *common, const Substitute *substitute, bool begun)
{
	List	   *steps = NIL;
	ListCell   *lc;

	foreach(lc, fk->members)
	{
		ForeignKeyMember *member = lfirst(lc);
		const char *name = member_name(member, common);

		if (!needs_validation(fk))
		{
			if (member == root_of(fk) && !begun)
				steps = lappend(steps, add_step(fk, member, name, substitute));
			continue;
		}
		if (member->partitioned)
		{
			steps = lappend(steps, adopt_step(fk, member, common, substitute));
			continue;
		}
		if (!begun)
			steps = lappend(steps, add_step(fk, member, name, substitute));
		steps = lappend(steps,
						make_step(validate_sql(fk, member, name),
								  list_make1_oid(member->relid), ShareUpdateExclusiveLock,
								  "reads both tables; writers go on"));
	}
	return steps;
}

static List *
both_tables(const ColumnForeignKey *fk)
{
	return list_append_unique_oid(list_make1_oid(fk->relid), fk->refrelid);
}

/*
 * Look for rows that the constraint will not let be.  EXCEPT compares by the
 * types' own equality, whichever schema that is in.
 */
static void
plan_look(MigrationPlan *plan, const ColumnForeignKey *fk, const Substitute *substitute)
{
	char	   *columns = column_list(fk->relid, fk->columns, substitute);
	StringInfoData given;
	ListCell   *lc;

	initStringInfo(&given);
	foreach(lc, fk->columns)
		appendStringInfo(&given, "%s%s IS NOT NULL", given.len > 0 ? " AND " : "",
						 column_list(fk->relid, list_make1_int(lfirst_int(lc)), substitute));
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_LOOK,
		.statement = while_both(fk, root_of(fk),
								psprintf("SELECT '23503', %s, x::text "
										 "FROM (SELECT %s FROM %s WHERE %s EXCEPT SELECT %s FROM %s) x LIMIT 10",
										 carry_literal(psprintf("keys would be left without their row by foreign key \"%s\"", fk->name)),
										 columns, names_template_relation(fk->relid), given.data,
										 column_list(fk->refrelid, fk->refcolumns, substitute),
										 names_template_relation(fk->refrelid))),
		.relations = both_tables(fk), .lock = AccessShareLock,
		.work = "reads both tables",
		.note = "the constraint itself can only be made at cutover",
	});
}

void
foreign_key_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	Substitute	substitute = {old->relid, old->attnum, carry_quoted(new->name)};
	ListCell   *lc;
	ListCell   *s;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		if (fk->in_exchange)
		{
			if (needs_validation(fk))
				plan_look(plan, fk, &substitute);
			continue;
		}
		foreach(s, build_steps(fk, carry_own_name(plan, fk->name), &substitute, false))
		{
			Step	   *step = lfirst(s);

			step->phase = "migrate";
			plan_add(plan, step);
		}
	}
}

void
foreign_key_append_drop(StringInfo sql, const Column *old)
{
	ListCell   *lc;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		carry_statement(sql, "%s",
						while_both(fk, root_of(fk),
								   psprintf("ALTER TABLE %s DROP CONSTRAINT %s",
											names_template_relation(fk->relid),
											carry_quoted(fk->name))));
	}
}

static void
append_rename(StringInfo sql, const ColumnForeignKey *fk, const ForeignKeyMember *member,
			  const char *from)
{
	if (strcmp(from, member->name) == 0)
		return;
	carry_statement(sql, "%s",
					while_both(fk, member, psprintf("ALTER TABLE %s RENAME CONSTRAINT %s TO %s",
													names_template_relation(member->relid),
													carry_quoted(from), carry_quoted(member->name))));
}

/* What of a foreign key to a partitioned table is made in the exchange itself. */
static void
append_begin(StringInfo sql, const ColumnForeignKey *fk, const Substitute *substitute)
{
	ListCell   *lc;

	if (!needs_validation(fk))
		carry_statement(sql, "%s", add_sql(fk, root_of(fk), fk->name, substitute));
	foreach(lc, fk->members)
	{
		ForeignKeyMember *member = lfirst(lc);

		if (!needs_validation(fk))
			append_rename(sql, fk, member, fk->name);
		else if (!member->partitioned)
			carry_statement(sql, "%s", add_sql(fk, member, member->name, substitute));
	}
}

void
foreign_key_append_attach(StringInfo sql, const MigrationPlan *plan, const Column *old,
						  const NewColumn *new, bool forward)
{
	Substitute	substitute = {old->relid, old->attnum, carry_quoted(forward ? new->final_name : old->name)};
	ListCell   *lc;
	ListCell   *m;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		if (fk->in_exchange)
			append_begin(sql, fk, &substitute);
		foreach(m, fk->members)
		{
			ForeignKeyMember *member = lfirst(m);

			if (!fk->in_exchange)
				append_rename(sql, fk, member, carry_own_name(plan, fk->name));
			if (!fk->in_exchange || !needs_validation(fk) || !member->partitioned)
				append_comment(sql, fk, member);
		}
	}
}

/* The step does its work on the way back, and nothing until then. */
static Step *
only_back(Step *step)
{
	step->phase = "cutover";
	step->undo = step->statement;
	step->undo_lock = step->lock;
	step->statement = "";
	step->lock = NoLock;
	step->note = "on the way back only";
	return step;
}

void
foreign_key_plan_way_back(List **steps, const MigrationPlan *plan, const Column *old,
						  const NewColumn *new)
{
	Substitute	substitute = {old->relid, old->attnum, carry_old_later(old, new)};
	ListCell   *lc;
	ListCell   *s;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		if (fk->in_exchange)
			continue;
		foreach(s, build_steps(fk, carry_own_name(plan, fk->name), &substitute, false))
			*steps = lappend(*steps, only_back(lfirst(s)));
	}
}

void
foreign_key_plan_afterwards(List **steps, const Column *old, const NewColumn *new, bool forward)
{
	Substitute	substitute = {old->relid, old->attnum, carry_quoted(forward ? new->final_name : old->name)};
	ListCell   *lc;
	ListCell   *s;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		if (!fk->in_exchange)
			continue;
		foreach(s, build_steps(fk, NULL, &substitute, true))
		{
			Step	   *step = lfirst(s);

			step->phase = "cutover";
			step->undo = NULL;
			*steps = lappend(*steps, forward ? step : only_back(step));
		}
	}
}

List *
foreign_key_relations(const Column *old, List *relations)
{
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
	return names_render(column_list(relid, attnums, &(Substitute) {0}), false);
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
