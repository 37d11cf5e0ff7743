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
#include "utils/acl.h"
#include "utils/builtins.h"

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
