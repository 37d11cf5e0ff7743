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
 * The column at the other end may be replaced at the same time; what that means
 * is plan/other_end.c's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/query.h"
#include "core/names.h"
#include "nodes/parsenodes.h"
#include "plan/carry.h"
#include "plan/other_end.h"
#include "plan/retype.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static Oid
table_owner(Oid relid)
{
	QuerySession session;
	Oid			owner;

	query_begin(&session);
	QUERY("SELECT relowner FROM pg_class WHERE oid = $1", arg_oid(relid));
	owner = query_oid(0, 1);
	query_end(&session);
	return owner;
}

/* The work is done as the table's owner, who may have no right to the other. */
static void
check_rights(const Column *column, const ColumnForeignKey *fk)
{
	Oid			owner = column->owner;

	if (!carry_acts_for(owner, table_owner(fk->relid)))
		column_refuse(psprintf("foreign key %s of %s, which has another owner,", fk->name,
							   names_relation(fk->relid)),
					  column, "Give both tables the same owner, or make one a member of the other.");
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
	fk->comment = query_text(0, 14);
	return fk;
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
			  "coalesce(to_jsonb(o) ->> 'conenforced', 'true') = 'false', obj_description(oid, 'pg_constraint'), "
			  "coalesce(to_jsonb(o) ->> 'conperiod', 'false') = 'true' "
			  "FROM pg_constraint o WHERE oid = $1", arg_oid(constraint)) > 0)
	{
		fk = read_row();
		*period = query_bool(0, 15);
	}
	query_end(&session);
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
	if (get_rel_relkind(fk->relid) == RELKIND_PARTITIONED_TABLE || get_rel_relispartition(fk->relid) ||
		get_rel_relkind(fk->refrelid) == RELKIND_PARTITIONED_TABLE || get_rel_relispartition(fk->refrelid))
		column_refuse(psprintf("foreign key %s, at one end of which is a partitioned table,", fk->name),
					  column, "Drop it first, and add it again afterwards.");
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

static const char *
action_sql(char action)
{
	switch (action)
	{
		case FKCONSTR_ACTION_RESTRICT:
			return "RESTRICT";
		case FKCONSTR_ACTION_CASCADE:
			return "CASCADE";
		case FKCONSTR_ACTION_SETNULL:
			return "SET NULL";
		case FKCONSTR_ACTION_SETDEFAULT:
			return "SET DEFAULT";
		default:
			return "NO ACTION";
	}
}

/*
 * A foreign key is gone when either of its tables is, and so is all that there
 * was to do about it: the migration of the one must not end there.
 */
static char *
while_both(const ColumnForeignKey *fk, const char *statement)
{
	return names_template_if(fk->relid, names_template_if(fk->refrelid, statement));
}

char *
foreign_key_add_sql(const ColumnForeignKey *fk, const char *name, const Substitute *substitute)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "ALTER TABLE %s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (%s)",
					 names_template_relation(fk->relid), name,
					 column_list(fk->relid, fk->columns, substitute),
					 names_template_relation(fk->refrelid),
					 column_list(fk->refrelid, fk->refcolumns, substitute));
	if (fk->match == FKCONSTR_MATCH_FULL)
		appendStringInfoString(&buf, " MATCH FULL");
	appendStringInfo(&buf, " ON UPDATE %s ON DELETE %s", action_sql(fk->on_update),
					 action_sql(fk->on_delete));
	if (fk->delete_columns != NIL)
		appendStringInfo(&buf, " (%s)", column_list(fk->relid, fk->delete_columns, substitute));
	if (fk->deferrable)
		appendStringInfoString(&buf, fk->deferred ? " DEFERRABLE INITIALLY DEFERRED" : " DEFERRABLE");
	appendStringInfoString(&buf, fk->not_enforced ? " NOT ENFORCED" : " NOT VALID");
	return while_both(fk, buf.data);
}

static List *
both_tables(const ColumnForeignKey *fk)
{
	return list_append_unique_oid(list_make1_oid(fk->relid), fk->refrelid);
}

char *
foreign_key_drop_sql(const ColumnForeignKey *fk, const char *name)
{
	return while_both(fk, psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s",
								   names_template_relation(fk->relid), carry_quoted(name)));
}

char *
foreign_key_validate_sql(const ColumnForeignKey *fk, const char *name)
{
	return while_both(fk, psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s",
								   names_template_relation(fk->relid), carry_quoted(name)));
}

static bool
needs_validation(const ColumnForeignKey *fk)
{
	return fk->validated && !fk->not_enforced;
}

void
foreign_key_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	Substitute	substitute = {old->relid, old->attnum, carry_quoted(new->name)};
	ListCell   *lc;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);
		char	   *name = carry_own_name(plan, fk->name);

		plan_add(plan, &(Step) {
			.phase = "migrate", .action = ACTION_SQL,
			.statement = foreign_key_add_sql(fk, carry_quoted(name), &substitute),
			.undo = foreign_key_drop_sql(fk, name), .undo_lock = AccessExclusiveLock,
			.relations = both_tables(fk), .lock = ShareRowExclusiveLock,
			.work = "changes the catalog only",
		});
		if (needs_validation(fk))
			plan_add(plan, &(Step) {
				.phase = "migrate", .action = ACTION_SQL,
				.statement = foreign_key_validate_sql(fk, name),
				.relations = list_make1_oid(fk->relid), .lock = ShareUpdateExclusiveLock,
				.work = "reads both tables; writers go on",
			});
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
						while_both(fk, psprintf("ALTER TABLE %s DROP CONSTRAINT %s",
												names_template_relation(fk->relid),
												carry_quoted(fk->name))));
	}
}

void
foreign_key_append_attach(StringInfo sql, const MigrationPlan *plan, const Column *old)
{
	ListCell   *lc;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);
		char	   *table = names_template_relation(fk->relid);

		carry_statement(sql, "%s",
						while_both(fk, psprintf("ALTER TABLE %s RENAME CONSTRAINT %s TO %s", table,
												carry_quoted(carry_own_name(plan, fk->name)),
												carry_quoted(fk->name))));
		if (fk->comment != NULL)
			carry_statement(sql, "%s",
							while_both(fk, psprintf("COMMENT ON CONSTRAINT %s ON %s IS %s",
													carry_quoted(fk->name), table,
													carry_literal(fk->comment))));
	}
}

/* One step of the way back: it does nothing until then. */
static Step *
back_step(const ColumnForeignKey *fk, char *undo, List *relations, LOCKMODE lock, char *work)
{
	Step	   *step = palloc0(sizeof(Step));

	*step = (Step) {
		.phase = "cutover", .action = ACTION_SQL, .statement = "", .undo = undo,
		.relations = relations, .undo_lock = lock, .work = work,
		.note = "on the way back only",
	};
	return step;
}

void
foreign_key_plan_way_back(List **steps, const MigrationPlan *plan, const Column *old,
						  const NewColumn *new)
{
	Substitute	substitute = {old->relid, old->attnum, carry_old_later(plan, old, new)};
	ListCell   *lc;

	foreach(lc, old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);
		char	   *name = carry_own_name(plan, fk->name);

		*steps = lappend(*steps,
						 back_step(fk, foreign_key_add_sql(fk, carry_quoted(name), &substitute), both_tables(fk),
								   ShareRowExclusiveLock, "changes the catalog only"));
		if (needs_validation(fk))
			*steps = lappend(*steps,
							 back_step(fk, foreign_key_validate_sql(fk, name), list_make1_oid(fk->relid),
									   ShareUpdateExclusiveLock, "reads both tables; writers go on"));
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
