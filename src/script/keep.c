/*-------------------------------------------------------------------------
 *
 * keep.c
 *		The PL/pgSQL trigger that keeps the two columns in step.
 *
 * It sees the row and not the statement: what was named is guessed by comparison
 * with OLD and with the defaults.  The C trigger knows it; what that makes a
 * difference to is said at the function's top, for whoever reads it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "core/guc.h"
#include "core/names.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/guc.h"

const char *
keep_limits(const Script *script)
{
	if (script->exchanges)
		return "	-- It sees rows, not statements. The second column is nobody's to write:\n"
			"	-- what a statement gives for it is overwritten.\n";
	return "	-- It sees rows, not statements. It cannot tell an explicit NULL or default from\n"
		"	-- a column that an INSERT does not name: such a side takes the other one's value.\n"
		"	-- Nor can it tell an UPDATE that names a column and leaves it as it was.\n";
}

/* The column's default as SQL, NULL if it has none. */
static char *
default_of(const Script *script)
{
	QuerySession session;
	char	   *result = NULL;

	query_begin_printing(&session, script->pair->relid);
	if (QUERY("SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = $1 AND adnum = $2",
			  arg_oid(script->pair->relid), arg_int2(script->pair->old_attnum)) > 0)
		result = query_text(0, 1);
	query_end(&session);
	return result;
}

/* Of a default that has another value each time, only one side has it. */
static bool
default_is_volatile(const Script *script)
{
	QuerySession session;
	bool		result;

	query_begin(&session);
	result = QUERY("SELECT FROM pg_attribute a LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum "
				   "LEFT JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid "
				   "LEFT JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid "
				   "WHERE a.attrelid = $1 AND a.attnum = $2 AND (a.attidentity <> '' OR p.provolatile = 'v' "
				   "OR pg_get_expr(f.adbin, f.adrelid) ~ '(nextval|random|gen_random_uuid|clock_timestamp|timeofday)\\(')",
				   arg_oid(script->pair->relid), arg_int2(script->pair->old_attnum)) > 0;
	query_end(&session);
	return result;
}

/* Both names are in use: whichever a statement wrote, the other follows. */
static void
put_both(StringInfo buf, const Script *script, bool switched)
{
	char	   *decides = script_column(script, switched, switched, "NEW.");
	char	   *follows = script_column(script, !switched, switched, "NEW.");
	char	   *was_decides = script_column(script, switched, switched, "OLD.");
	char	   *was_follows = script_column(script, !switched, switched, "OLD.");
	char	   *value = default_of(script);
	bool		is_volatile = default_is_volatile(script);
	char	   *is_default = value && !is_volatile ? value : pstrdup("NULL");
	const char *mode = GetConfigOption("zdm.on_conflict", false, false);
	char	   *conflict;

	if (strcmp(mode, "error") == 0)
		conflict = psprintf("RAISE integrity_constraint_violation USING MESSAGE = %s;",
							quote_literal_cstr(psprintf("columns %s and %s of %s are given values that do not agree",
														script->old_name, script->new_name, script->table)));
	else
	{
		bool		new_wins = strcmp(mode, "new") == 0;

		conflict = psprintf("%s := %s;", script_column(script, !new_wins, switched, "NEW."),
							script_column(script, new_wins, switched, "NEW."));
	}
	PUT(buf,
		"	IF TG_OP = 'INSERT' THEN\n"
		"		IF NOT ({differ}) THEN\n"
		"			RETURN NEW;\n"
		"		ELSIF {follows} IS NULL OR NOT ({follows_not_default}) THEN\n"
		"			{follows} := {decides};\n"
		"		ELSIF {decides} IS NULL OR NOT ({decides_not_default}) OR {volatile} THEN\n"
		"			{decides} := {follows};\n"
		"		ELSE\n"
		"			{conflict}\n"
		"		END IF;\n"
		"	ELSIF {decides_changed} AND {follows_changed} THEN\n"
		"		IF {differ} THEN\n"
		"			{conflict}\n"
		"		END IF;\n"
		"	ELSIF {decides_changed} THEN\n"
		"		{follows} := {decides};\n"
		"	ELSIF {follows_changed} THEN\n"
		"		{decides} := {follows};\n"
		"	ELSIF {follows} IS NULL THEN\n"
		"		{follows} := {decides};  -- not filled in yet\n"
		"	END IF;\n"
		"	RETURN NEW;\n",
		"differ", script_differ(decides, follows),
		"decides", decides, "follows", follows,
		"follows_not_default", script_differ(follows, is_default),
		"decides_not_default", script_differ(decides, is_default),
		"volatile", is_volatile ? "true" : "false",
		"decides_changed", script_differ(decides, was_decides),
		"follows_changed", script_differ(follows, was_follows),
		"conflict", conflict);
}

/* One name is in use: the hidden side follows. */
static void
put_hidden(StringInfo buf, const Script *script, KeepStage stage)
{
	bool		switched = stage != KEEP_BEFORE;
	bool		strict = stage == KEEP_STRICT || (!switched && !script->up_can_fail);
	char	   *hidden = script_column(script, !switched, switched, "NEW.");
	char	   *value = script_value(script, !switched, switched, "NEW.");

	/* back and forth a value may change: the old side is left alone unless the new one changed */
	if (switched)
		PUT(buf, "	IF TG_OP = 'UPDATE' THEN\n"
			"		IF NOT ({changed}) THEN\n"
			"			RETURN NEW;\n"
			"		END IF;\n"
			"	END IF;\n", "changed", script_inputs_differ(script, false, true));
	if (strict)
		PUT(buf, "	{hidden} := {value};\n	RETURN NEW;\n", "hidden", hidden, "value", value);
	else
		PUT(buf,
			"	BEGIN\n"
			"		{hidden} := {value};\n"
			"	EXCEPTION WHEN OTHERS THEN\n"
			"		{hidden} := NULL;  -- the write goes through; the row is named by {where}\n"
			"	END;\n"
			"	RETURN NEW;\n",
			"hidden", hidden, "value", value, "where", style_file(script, switched ? PART_REVERT : PART_VERIFY));
}

char *
keep_function(const Script *script, KeepStage stage)
{
	StringInfoData body;

	initStringInfo(&body);
	appendStringInfoString(&body, "BEGIN\n");
	appendStringInfoString(&body, keep_limits(script));
	if (script->exchanges)
		put_hidden(&body, script, stage);
	else
		put_both(&body, script, stage != KEEP_BEFORE);
	appendStringInfoString(&body, "END");
	return psprintf("CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql\n"
					"%sSET search_path = pg_catalog, pg_temp AS %s",
					script->function,
					script->change->up_source || script->change->down_source ? "SECURITY DEFINER " : "",
					sql_dollar_quoted(body.data));
}

/* Rows that a subscription applies are kept in step, too. */
char *
keep_trigger(const Script *script)
{
	return psprintf("CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION %s();\n"
					"ALTER TABLE %s ENABLE ALWAYS TRIGGER %s",
					script->trigger, script->table, script->function, script->table, script->trigger);
}

char *
keep_drop(const Script *script)
{
	return psprintf("DROP TRIGGER IF EXISTS %s ON %s;\nDROP FUNCTION IF EXISTS %s()",
					script->trigger, script->table, script->function);
}
