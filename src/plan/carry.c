/*-------------------------------------------------------------------------
 *
 * carry.c
 *		What the files that carry one part each have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/guc.h"
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

char *
carry_refuse_late(Oid parent, const char *known)
{
	return psprintf("DO $zdm$ DECLARE late text; BEGIN\n"
					"  SELECT string_agg(inhrelid::regclass::text, ', ') INTO late\n"
					"  FROM pg_inherits, LATERAL (SELECT sum(pg_relation_size(relid)) AS size FROM pg_partition_tree(inhrelid)) s\n"
					"  WHERE inhparent = %u AND inhrelid NOT IN (%s) AND size > " INT64_FORMAT ";\n"
					"  IF late IS NOT NULL THEN\n"
					"    RAISE object_not_in_prerequisite_state USING\n"
					"      MESSAGE = 'partitions with rows have come since the migration was stated: ' || late,\n"
					"      HINT = 'Go back with zdm.revert(), and state the migration again.';\n"
					"  END IF;\n"
					"END $zdm$", parent, known, (int64) guc_guard_min_size * BLCKSZ);
}
