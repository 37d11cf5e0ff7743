/*-------------------------------------------------------------------------
 *
 * carry.c
 *		What the files that carry one part each have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "column/carry.h"
#include "core/expression.h"
#include "core/names.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

List *
carry_column(const char *name)
{
	return expression_text(quote_identifier(name));
}

bool
carry_takes_name(const NewColumn *new)
{
	return strcmp(new->name, new->final_name) != 0;
}

char *
carry_old_name(const Column *old, const NewColumn *new)
{
	/* the name that the other one had: who has read the catalog before goes on */
	return carry_takes_name(new) ? pstrdup(new->name) : old->name;
}

List *
carry_old_later(const Column *old, const NewColumn *new)
{
	return carry_takes_name(new) ? carry_column(carry_old_name(old, new)) : expression_column(old->attnum);
}

List *
carry_old_later_in(const Column *old, const NewColumn *new, Oid relid)
{
	return carry_takes_name(new) ? carry_old_later(old, new) : expression_column(get_attnum(relid, old->name));
}

AttrNumber
carry_new_attnum(int64 migration, const Column *old)
{
	QuerySession session;
	AttrNumber	attnum = InvalidAttrNumber;

	query_begin(&session);
	if (QUERY("SELECT new_attnum::int FROM zdm.pair WHERE migration = $1 AND relid = $2 AND old_attnum = $3 "
			  "AND new_attnum IS NOT NULL",
			  arg_int8(migration), arg_oid(old->relid), arg_int2(old->attnum)) > 0)
		attnum = (AttrNumber) query_int4(0, 1);
	query_end(&session);
	return attnum;
}

bool
carry_acts_for(Oid owner, Oid role)
{
	return has_privs_of_role(owner, role);
}

TwinArgs
carry_twin_args(const Column *old, const NewColumn *new)
{
	return (TwinArgs) {
		.old = unconstify(Column *, old), .new = memcpy(palloc(sizeof(NewColumn)), new, sizeof(NewColumn)),
	};
}

void
carry_back_step(MigrationPlan *back, const Column *old, const Verb *verb, const void *args, LOCKMODE lock, char *work)
{
	plan_step(back, verb, args, &(Step) {
		.phase = "cutover", .only_back = true, .relations = list_make1_oid(old->relid),
		.undo_lock = lock, .work = work, .note = "on the way back only",
	});
}

void
carry_back_validation(MigrationPlan *back, const Column *old, char *name)
{
	carry_back_step(back, old, &verb_validate_constraint, &(ValidateArgs) {.relation = old->relid, .name = name},
					ShareUpdateExclusiveLock, READS_TABLE);
}

void
carry_append_rename(StringInfo sql, const char *table, const char *from, const char *to,
						 const char *comment)
{
	sql_statement(sql, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s", table, sql_name(from), sql_name(to));
	if (comment != NULL)
		sql_statement(sql, "COMMENT ON CONSTRAINT %s ON %s IS %s", sql_name(to), table, sql_literal(comment));
}

void
carry_load_members(Oid constraint, List **leaves, List **parents)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY("WITH RECURSIVE m(oid, level) AS (SELECT $1, 0 UNION ALL "
			  "SELECT o.oid, m.level + 1 FROM m JOIN pg_constraint o ON o.conparentid = m.oid) "
			  "SELECT o.conrelid, o.conname, o.conindid, c.relkind = 'p', "
			  "obj_description(o.oid, 'pg_constraint'), obj_description(o.conindid, 'pg_class') "
			  "FROM m JOIN pg_constraint o ON o.oid = m.oid JOIN pg_class c ON c.oid = o.conrelid "
			  "ORDER BY m.level DESC, o.conrelid", arg_oid(constraint));
	for (uint64 row = 0; row < n; row++)
	{
		KeyMember  *member = palloc0(sizeof(KeyMember));
		List	  **members = query_bool(row, 4) ? parents : leaves;

		member->relid = query_oid(row, 1);
		member->name = query_text(row, 2);
		member->indexid = query_oid(row, 3);
		member->comment = query_text(row, 5);
		member->index_comment = query_text(row, 6);
		*members = lappend(*members, member);
	}
	query_end(&session);
}

void
carry_check_leaves(const Column *column, List *leaves)
{
	ListCell   *lc;

	foreach(lc, leaves)
	{
		KeyMember  *leaf = lfirst(lc);
		QuerySession session;
		bool		marked;

		if (leaf->relid == column->relid)
			continue;
		query_begin(&session);
		QUERY("SELECT indisreplident OR indisclustered FROM pg_index WHERE indexrelid = $1", arg_oid(leaf->indexid));
		marked = query_bool(0, 1);
		query_end(&session);
		if (marked)
			column_refuse(psprintf("constraint %s, the replica identity of partition %s, or what it is clustered on,",
								   leaf->name, names_relation(leaf->relid)), column,
						  "Set another replica identity, and run ALTER TABLE ... SET WITHOUT CLUSTER, first.");
	}
}

Oid
carry_root(const Column *old, const KeyMember *member)
{
	return member->relid == old->relid ? InvalidOid : old->relid;
}

void
carry_append_comments(StringInfo sql, const Making *making, const KeyMember *member)
{
	if (member->comment != NULL)
		sql_statement(sql, "COMMENT ON CONSTRAINT %s ON %s IS %s", sql_name(member->name),
					  sql_table(making, member->relid), sql_literal(member->comment));
	if (member->index_comment != NULL)
		sql_statement(sql, "COMMENT ON INDEX %s IS %s", sql_index(making, member->relid, member->name),
					  sql_literal(member->index_comment));
}

List *
carry_none_late(const Making *making, const Column *old, List *leaves, List *parents)
{
	List	   *known = NIL;
	List	   *all = NIL;
	ListCell   *lc;

	foreach(lc, list_concat_copy(leaves, parents))
		known = lappend_oid(known, ((KeyMember *) lfirst(lc))->relid);
	foreach(lc, parents)
	{
		KeyMember  *parent = lfirst(lc);

		if (sql_is_member(making, parent->relid, carry_root(old, parent)))
			all = lappend(all, constraint_none_late(making, parent->relid, known));
	}
	return all;
}
