/*-------------------------------------------------------------------------
 *
 * reference.c
 *		A foreign key as the catalog has it, and as the arguments of what makes it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "column/reference.h"
#include "core/expression.h"

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
reference_read(Oid constraint, bool *period)
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

List *
reference_columns(Oid relid, List *attnums, const Substitute *substitute)
{
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, attnums)
	{
		AttrNumber	attnum = (AttrNumber) lfirst_int(lc);

		columns = lappend(columns, relid == substitute->relid && attnum == substitute->from ?
						  substitute->to : expression_column(attnum));
	}
	return columns;
}

ForeignKeyMember *
reference_root(const ColumnForeignKey *fk)
{
	return llast(fk->members);
}

Oid
reference_member_root(const ColumnForeignKey *fk, const ForeignKeyMember *member)
{
	return member->relid == fk->relid ? InvalidOid : fk->relid;
}

/* The columns of partitions have the same names: those of the table stand for them. */
ForeignKeyArgs
reference_member_args(const ColumnForeignKey *fk, const ForeignKeyMember *member, const char *name,
					  const Substitute *substitute)
{
	return (ForeignKeyArgs) {
		.relation = member->relid, .root = reference_member_root(fk, member), .name = pstrdup(name), .of = fk->relid,
		.columns = expression_join(reference_columns(fk->relid, fk->columns, substitute), ", "),
		.references = fk->refrelid,
		.refcolumns = expression_join(reference_columns(fk->refrelid, fk->refcolumns, substitute), ", "),
		.delete_columns = expression_join(reference_columns(fk->relid, fk->delete_columns, substitute), ", "),
		.match = fk->match, .on_update = fk->on_update, .on_delete = fk->on_delete,
		.deferrable = fk->deferrable, .deferred = fk->deferred, .not_enforced = fk->not_enforced,
		.not_valid = !fk->validated || !member->partitioned, .while_both = true,
	};
}

ForeignKeyArgs
reference_args(const ColumnForeignKey *fk, const char *name, const Substitute *substitute)
{
	return reference_member_args(fk, reference_root(fk), name, substitute);
}

bool
reference_follow(ColumnForeignKey *fk, Oid relid, AttrNumber from, AttrNumber to)
{
	bool		found = false;

	if (fk->relid == relid)
	{
		found |= expression_follow_numbers(fk->columns, from, to);
		found |= expression_follow_numbers(fk->delete_columns, from, to);
	}
	if (fk->refrelid == relid)
		found |= expression_follow_numbers(fk->refcolumns, from, to);
	return found;
}
