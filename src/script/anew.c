/*-------------------------------------------------------------------------
 *
 * anew.c
 *		Functions that sessions hold are read anew when columns exchange their names.
 *
 * A session that has called a PL/pgSQL function keeps what it was compiled to, with the
 * types that the columns had.  Replaced by itself in the transaction of the exchange, it
 * is compiled again at its next call, by every session: so none fails once.  Those of
 * other owners a plain role cannot replace.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "script/script.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

char *
anew_functions(const Script *script)
{
	StringInfoData buf;

	initStringInfo(&buf);
	PUT(&buf,
		"DO $zdm_anew$\n"
		"DECLARE\n"
		"	zdm_def text;\n"
		"BEGIN\n"
		"	-- replaced by itself, a function that sessions hold is read anew by them\n"
		"	PERFORM set_config('check_function_bodies', 'off', true);\n"
		"	FOR zdm_def IN SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang\n"
		"		WHERE l.lanname = 'plpgsql' AND p.prokind IN ('f', 'p') AND p.prosupport = 0 AND p.proname !~ '^zdm_keep_'\n"
		"		AND pg_has_role(p.proowner, 'USAGE') AND has_schema_privilege(p.pronamespace, 'CREATE')\n"
		"		AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')\n"
		"		AND (strpos(lower(p.prosrc), lower({name})) > 0 OR p.oid IN (SELECT tgfoid FROM pg_trigger WHERE tgrelid = {table}::regclass))\n"
		"	LOOP\n"
		"		EXECUTE zdm_def;\n"
		"	END LOOP;\n"
		"END\n"
		"$zdm_anew$",
		"name", quote_literal_cstr(get_rel_name(script->plan->relid)), "table", quote_literal_cstr(script->table));
	return buf.data;
}
