/*-------------------------------------------------------------------------
 *
 * carry.c
 *		What the files that carry one part each have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

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

bool
carry_acts_for(Oid owner, Oid role)
{
	return has_privs_of_role(owner, role);
}
