/*-------------------------------------------------------------------------
 *
 * names.c
 *		Tables and indexes exchange their names.
 *
 * In the catalog, as ALTER TABLE ... RENAME would do it for an owner who may create
 * something in the schema: he need not be allowed to any more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "core/errors.h"
#include "core/names.h"
#include "move/act.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "verbs/sql.h"

static void
rename_relation(Oid relid, const char *name)
{
	char		relkind = get_rel_relkind(relid);

	RenameRelationInternal(relid, name, true, relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX);
	CommandCounterIncrement();
}

static void
run(const MoveAct *act)
{
	char	   *one = get_rel_name(act->object);
	char	   *other = get_rel_name(act->other);

	rename_relation(act->object, act->text);
	rename_relation(act->other, one);
	rename_relation(act->object, other);
}

/* A constraint has the name of its index, and its table's row type that of the table. */
static void
exchange(Moving *moving, const char *kind, Oid from, Oid to)
{
	Oid			schema = get_rel_namespace(from);
	char	   *between = sql_own_name(moving->move->migration, get_rel_name(from));
	const char *one = sql_name(get_rel_name(from));
	const char *other = sql_name(get_rel_name(to));

	if (schema != get_rel_namespace(to))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s and %s are not in the same schema", names_relation(from), names_relation(to)),
				 errhint("ALTER %s %s SET SCHEMA %s; then SELECT zdm.resume(" INT64_FORMAT ").", kind, names_relation(from),
						 quote_identifier(get_namespace_name(get_rel_namespace(to))), moving->move->migration)));
	act_add(&moving->names, &(MoveAct) {
		.sql = psprintf("ALTER %s %s RENAME TO %s;\nALTER %s %s RENAME TO %s;\nALTER %s %s RENAME TO %s",
						kind, sql_qualified(schema, get_rel_name(from)), sql_name(between),
						kind, sql_qualified(schema, get_rel_name(to)), one,
						kind, sql_qualified(schema, between), other),
		.run = run, .object = from, .other = to, .text = between,
	});
}

/* NOT NULLs, which have names since 18: each table has its own, so nothing is exchanged. */
static const char not_nulls[] =
	"SELECT format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', $2::text, d.conname, c.conname) "
	"FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] "
	"JOIN pg_attribute b ON b.attrelid = $3 AND b.attname = a.attname "
	"JOIN pg_constraint d ON d.conrelid = $3 AND d.contype = 'n' AND d.conkey[1] = b.attnum AND d.coninhcount = 0 "
	"WHERE c.conrelid = $1 AND c.contype = 'n' AND c.conname <> d.conname ORDER BY a.attnum";

static void
add_pair(Moving *moving, const MovePair *pair)
{
	exchange(moving, "TABLE", pair->from, pair->to);
	ACT_ROWS(&moving->enter, pair->owner, pair->from, not_nulls, arg_oid(pair->from), arg_text(pair->name), arg_oid(pair->to));
}

static void
add_all(Moving *moving)
{
	ListCell   *lc;
	ListCell   *other;

	forboth(lc, moving->move->indexes, other, moving->move->likes)
		exchange(moving, "INDEX", lfirst_oid(lc), lfirst_oid(other));
}

const MovePart move_names = {.pair = add_pair, .all = add_all};
