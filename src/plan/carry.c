/*-------------------------------------------------------------------------
 *
 * carry.c
 *		What the files that carry one part each have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/names.h"
#include "plan/carry.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

char *
carry_own_name(const MigrationPlan *plan, const char *base)
{
	return names_make(base, psprintf("_zdm" INT64_FORMAT, plan->migration));
}

char *
carry_quoted(const char *name)
{
	return names_escape(quote_identifier(name));
}

char *
carry_literal(const char *value)
{
	return names_escape(quote_literal_cstr(value));
}

char *
carry_qualified(Oid namespace, const char *name)
{
	return names_escape(quote_qualified_identifier(get_namespace_name(namespace), name));
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

char *
carry_old_later(const Column *old, const NewColumn *new)
{
	return carry_takes_name(new) ? carry_quoted(carry_old_name(old, new)) :
		names_template_attribute(old->relid, old->attnum);
}

void
carry_statement(StringInfo sql, const char *fmt,...)
{
	if (sql->len > 0)
		appendStringInfoString(sql, ";\n");
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(sql, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(sql, needed);
	}
}

bool
carry_acts_for(Oid owner, Oid role)
{
	return has_privs_of_role(owner, role);
}
