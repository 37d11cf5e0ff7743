/*-------------------------------------------------------------------------
 *
 * statement.c
 *		What a step of a plan runs, as plain SQL.
 *
 * The one file here that knows how a step keeps its statement: as a template.  It
 * writes it out with the names of today, which are those of the server that the
 * script is for, and puts plain SQL in the place of what is a function of ours.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "plan/definition.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define MOVE_IDENTITY "SELECT zdm.move_identity("
#define OURS "zdm."

/*
 * An identity column's sequence goes with it, and can be given to no other: it is
 * dropped and made again, under its name, where it stands.
 */
static char *
move_identity(Oid relid, const char *from, const char *to)
{
	QuerySession session;
	char	   *sql;

	query_begin(&session);
	if (QUERY("SELECT format("
			  "'DECLARE zdm_last bigint; zdm_called bool;' || E'\\n' || "
			  "'BEGIN' || E'\\n' || "
			  "'SELECT last_value, is_called INTO zdm_last, zdm_called FROM %1$s;' || E'\\n' || "
			  "'ALTER TABLE %2$s ALTER COLUMN %3$s DROP IDENTITY;' || E'\\n' || "
			  "'ALTER TABLE %2$s ALTER COLUMN %4$s ADD GENERATED %5$s AS IDENTITY ' || "
			  "'(SEQUENCE NAME %1$s INCREMENT BY %6$s %7$s %8$s START WITH %9$s CACHE %10$s %11$s);' || E'\\n' || "
			  "'PERFORM setval(%12$L, zdm_last, zdm_called);' || E'\\n' || '%13$s' || 'END', "
			  "quote_ident(sn.nspname) || '.' || quote_ident(s.relname), $2, $4, $5, "
			  "CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, "
			  /* the widest of its type becomes the widest of the other one's */
			  "q.seqincrement, CASE WHEN q.seqmin IN (1, -32768, -2147483648, -9223372036854775808) THEN 'NO MINVALUE' ELSE 'MINVALUE ' || q.seqmin END, "
			  "CASE WHEN q.seqmax IN (-1, 32767, 2147483647, 9223372036854775807) THEN 'NO MAXVALUE' ELSE 'MAXVALUE ' || q.seqmax END, "
			  "q.seqstart, q.seqcache, CASE WHEN q.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END, "
			  "quote_ident(sn.nspname) || '.' || quote_ident(s.relname), "
			  "coalesce((SELECT string_agg(format(E'GRANT %s ON SEQUENCE %I.%I TO %s%s;\\n', x.privilege_type, sn.nspname, s.relname, "
			  "   CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END, "
			  "   CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '') "
			  "  FROM aclexplode(s.relacl) x WHERE x.grantee <> s.relowner), '')) "
			  "FROM pg_attribute a JOIN pg_depend d ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum "
			  "AND d.deptype = 'i' AND d.classid = 'pg_class'::regclass "
			  "JOIN pg_class s ON s.oid = d.objid JOIN pg_namespace sn ON sn.oid = s.relnamespace "
			  "JOIN pg_sequence q ON q.seqrelid = s.oid "
			  "WHERE a.attrelid = $1 AND a.attidentity <> '' AND $3 <> ''",
			  arg_oid(relid), arg_text(names_relation(relid)), arg_text(from),
			  arg_text(quote_identifier(from)), arg_text(quote_identifier(to))) == 0)
		elog(ERROR, "no identity column in relation %u", relid);
	sql = query_text(0, 1);
	query_end(&session);
	return psprintf("DO %s", script_quote(sql));
}

/* One literal of a call of ours, and what stands behind it. */
static const char *
read_literal(const char *p, char **value)
{
	StringInfoData buf;

	initStringInfo(&buf);
	p = strchr(p, '\'') + 1;
	for (; *p != '\'' || p[1] == '\''; p++)
	{
		if (*p == '\'')
			p++;
		appendStringInfoChar(&buf, *p);
	}
	*value = buf.data;
	return p + 1;
}

/* Plain SQL in the place of each call of ours that has such a form. */
static char *
without_ours(const char *sql)
{
	StringInfoData buf;
	const char *call;

	initStringInfo(&buf);
	while ((call = strstr(sql, MOVE_IDENTITY)) != NULL)
	{
		char	   *from;
		char	   *to;
		Oid			relid = (Oid) strtoul(call + strlen(MOVE_IDENTITY), NULL, 10);

		appendBinaryStringInfo(&buf, sql, call - sql);
		sql = read_literal(read_literal(call, &from), &to) + 1;
		appendStringInfoString(&buf, move_identity(relid, from, to));
	}
	appendStringInfoString(&buf, sql);
	return buf.data;
}

/* Is there something of ours left in it, but in a text for readers? */
static void
refuse_ours(const char *sql)
{
	if (strstr(sql, "SELECT zdm.move_generated(") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.script() has no plain form for a stored generated column over a renamed one"),
				 errdetail("SQL can give a stored generated column another expression only by writing every row anew under ACCESS EXCLUSIVE.")));
}

static char *
plain(const char *rendered)
{
	char	   *sql = without_ours(rendered);

	refuse_ours(sql);
	return sql;
}

/*
 * What stands in a template under a condition is about what will be: that a
 * constraint has been made by then, say.  It is written out, but for what mends a
 * detaching that was broken off.
 */
static char *
render(const char *template)
{
	char	   *strict = names_render(template, false);

	return strstr(template, "%!{") != NULL ? strict : names_render(template, true);
}

#define SESSION_PATH "SET search_path TO "

/* Has the index come to be valid, with those of all partitions? */
static char *
check_index(const Script *script, const char *query)
{
	StringInfoData buf;

	initStringInfo(&buf);
	PUT(&buf,
		"BEGIN\n"
		"	IF ({query}) IS NOT TRUE THEN\n"
		"		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the index is not valid: partitions have come since the script was made',\n"
		"			HINT = 'Go back with 90_revert.sql, and make the script anew.';\n"
		"	END IF;\n"
		"END", "query", query);
	return psprintf("DO %s", script_quote(buf.data));
}

char *
script_statement(const Script *script, const Step *step)
{
	char	   *sql = plain(render(step->statement));

	if (step->effect == EFFECT_INDEX_TREE && sql[0] != '\0')
		return check_index(script, sql);
	/* for this transaction alone */
	if (strncmp(sql, SESSION_PATH, strlen(SESSION_PATH)) == 0)
		return psprintf("SET LOCAL %s", sql + strlen("SET "));
	return sql;
}

/* The column's name means the old one again when what hangs on it is made from its own text. */
char *
script_undo(const Script *script, const Step *step)
{
	char	   *rename = NULL;
	char	   *back = NULL;

	if (script->pair != NULL && !script->exchanges)
	{
		rename = psprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", script->table, script->new_name, script->old_name);
		back = psprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", script->table, script->old_name, script->new_name);
	}
	return plain(render(definition_as_now(step->undo, rename, back)));
}
