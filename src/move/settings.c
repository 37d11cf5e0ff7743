/*-------------------------------------------------------------------------
 *
 * settings.c
 *		Defaults, and what is set for a table, its columns and its indexes.
 *
 * The other table was made with what there was then: what differs by now is set.  The
 * one that goes keeps its own, and is compared in its turn on the way back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "core/names.h"
#include "move/act.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Columns of both: "a" of the table that leaves ($1), "b" of the one that comes ($3), which will be called $2. */
#define COLUMNS \
	"FROM pg_attribute a JOIN pg_attribute b ON b.attname = a.attname AND b.attrelid = $3 AND b.attnum > 0 AND NOT b.attisdropped, " \
	"LATERAL (SELECT format('ALTER TABLE %s ALTER COLUMN %I ', $2::text, a.attname)) s(alter) " \
	"WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped "

/* What is set WITH (...), but for what PostgreSQL keeps there for itself. */
#define OPTIONS(o) "(SELECT option_name, option_value FROM pg_options_to_table(" o ") WHERE option_name NOT LIKE 'pg\\_%')"
#define SET_OPTIONS(o) \
	"(SELECT ' SET (' || string_agg(quote_ident(option_name) || ' = ' || quote_literal(option_value), ', ') || ')' " \
	" FROM " OPTIONS(o) " x)"
#define RESET_OPTIONS(o, but) \
	"(SELECT ' RESET (' || string_agg(quote_ident(option_name), ', ') || ')' " \
	" FROM " OPTIONS(o) " x WHERE option_name NOT IN (SELECT option_name FROM " OPTIONS(but) " y))"

/* $4: a column whose default is given otherwise. */
static const char defaults[] =
	"SELECT s.alter || coalesce('SET DEFAULT ' || pg_get_expr(d.adbin, $1), 'DROP DEFAULT') "
	"FROM pg_attribute a JOIN pg_attribute b ON b.attname = a.attname AND b.attrelid = $3 AND b.attnum > 0 AND NOT b.attisdropped "
	"LEFT JOIN pg_attrdef d ON d.adrelid = $1 AND d.adnum = a.attnum LEFT JOIN pg_attrdef e ON e.adrelid = $3 AND e.adnum = b.attnum, "
	"LATERAL (SELECT format('ALTER TABLE %s ALTER COLUMN %I ', $2::text, a.attname)) s(alter) "
	"WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND b.attgenerated = '' AND a.attname IS DISTINCT FROM $4 "
	"AND pg_get_expr(d.adbin, $1) IS DISTINCT FROM pg_get_expr(e.adbin, $3) ORDER BY a.attnum";

static const char *const columns[] = {
	"SELECT s.alter || 'SET STATISTICS ' || coalesce(a.attstattarget, -1) " COLUMNS
	"AND coalesce(a.attstattarget, -1) <> coalesce(b.attstattarget, -1) ORDER BY a.attnum",
	"SELECT s.alter || 'SET STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END "
	COLUMNS "AND a.attstorage <> b.attstorage AND a.atttypid = b.atttypid ORDER BY a.attnum",
	"SELECT s.alter || 'SET COMPRESSION ' || CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE 'default' END "
	COLUMNS "AND a.attcompression <> b.attcompression AND a.atttypid = b.atttypid ORDER BY a.attnum",
	"SELECT s.alter || " SET_OPTIONS("a.attoptions") " " COLUMNS "AND a.attoptions IS DISTINCT FROM b.attoptions ORDER BY a.attnum",
	"SELECT s.alter || " RESET_OPTIONS("b.attoptions", "a.attoptions") " " COLUMNS
	"AND a.attoptions IS DISTINCT FROM b.attoptions ORDER BY a.attnum",
};

/* Of tables with rows of their own alone. */
static const char *const options[] = {
	"SELECT format('ALTER TABLE %s', $2::text) || " SET_OPTIONS("a.reloptions") " FROM pg_class a, pg_class b "
	"WHERE a.oid = $1 AND b.oid = $3 AND a.reloptions IS DISTINCT FROM b.reloptions",
	"SELECT format('ALTER TABLE %s', $2::text) || " RESET_OPTIONS("b.reloptions", "a.reloptions") " FROM pg_class a, pg_class b "
	"WHERE a.oid = $1 AND b.oid = $3 AND a.reloptions IS DISTINCT FROM b.reloptions",
};

/*
 * Of partitions that take the place of one table, too.  $4, $5: the indexes and their
 * likes.  Where what was unique is so no longer, rows are told by all that is in them.
 */
static const char identity[] =
	"WITH likes AS (SELECT l.indexrelid, c.relname FROM unnest($4::oid[], $5::oid[]) p(i, l) JOIN pg_index i ON i.indexrelid = p.i "
	"  JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_index l ON l.indexrelid = p.l WHERE i.indrelid = $1 AND i.indisreplident AND l.indisunique) "
	"SELECT format('ALTER TABLE %s REPLICA IDENTITY ', CASE WHEN b.oid = $3 THEN $2::text ELSE b.oid::regclass::text END) "
	"|| CASE a.relreplident WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL' WHEN 'i' THEN coalesce('USING INDEX ' || quote_ident("
	"  CASE WHEN b.oid = $3 THEN (SELECT relname FROM likes) ELSE (SELECT c.relname FROM likes l, pg_partition_tree(l.indexrelid) t "
	"    JOIN pg_class c ON c.oid = t.relid JOIN pg_index i ON i.indexrelid = c.oid WHERE i.indrelid = b.oid) END), 'FULL') ELSE 'DEFAULT' END "
	"FROM pg_class a, pg_class b WHERE a.oid = $1 AND (b.oid = $3 OR a.relkind = 'r' AND b.oid IN (SELECT relid FROM pg_partition_tree($3))) "
	"AND (a.relreplident <> b.relreplident OR a.relreplident = 'i') ORDER BY b.oid";

static const char index_columns[] =
	"SELECT format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', $2::text, a.attnum, coalesce(a.attstattarget, -1)) "
	"FROM pg_attribute a JOIN pg_attribute b ON b.attrelid = $3 AND b.attnum = a.attnum "
	"WHERE a.attrelid = $1 AND coalesce(a.attstattarget, -1) <> coalesce(b.attstattarget, -1) ORDER BY a.attnum";

static const char index_options[] =
	"SELECT format('ALTER INDEX %s', $2::text) || " SET_OPTIONS("a.reloptions") " FROM pg_class a, pg_class b "
	"WHERE a.oid = $1 AND b.oid = $3 AND a.relkind = 'i' AND b.relkind = 'i' AND a.reloptions IS DISTINCT FROM b.reloptions";

/* Where partitions are compared one by one, what is set for the whole is not theirs. */
static const char *
altered(const Moving *moving, const MovePair *pair)
{
	return moving->move->leaves_from != NIL && pair->partitioned ? psprintf("ONLY %s", pair->name) : pair->name;
}

static void
add_query(Moving *moving, const MovePair *pair, const char *query)
{
	ACT_ROWS(&moving->enter, pair->owner, pair->from, query, arg_oid(pair->from), arg_text(altered(moving, pair)), arg_oid(pair->to));
}

static void
add_defaults(Moving *moving, const MovePair *pair)
{
	const MoveConverted *converted = moving->move->converted;
	bool		known = converted != NULL && converted->default_known;

	ACT_ROWS(&moving->enter, pair->owner, pair->from, defaults, arg_oid(pair->from), arg_text(altered(moving, pair)), arg_oid(pair->to),
			 arg_text(known ? converted->name : NULL));
	if (known)
		act_add(&moving->enter, &(MoveAct) {
			.sql = psprintf("ALTER TABLE %s ALTER COLUMN %s %s%s", altered(moving, pair), quote_identifier(converted->name),
							converted->default_text != NULL ? "SET DEFAULT " : "DROP DEFAULT",
							converted->default_text != NULL ? converted->default_text : ""),
			.role = pair->owner,
		});
}

static void
add_pair(Moving *moving, const MovePair *pair)
{
	bool		rows = !pair->partitioned && get_rel_relkind(pair->from) == RELKIND_RELATION;

	add_defaults(moving, pair);
	for (int i = 0; i < lengthof(columns); i++)
		add_query(moving, pair, columns[i]);
	for (int i = 0; rows && i < lengthof(options); i++)
		add_query(moving, pair, options[i]);
	ACT_ROWS(&moving->enter, pair->owner, pair->from, identity, arg_oid(pair->from), arg_text(pair->name), arg_oid(pair->to),
			 arg_oids(moving->move->indexes), arg_oids(moving->move->likes));
}

static void
add_all(Moving *moving)
{
	MovePair   *first = linitial(moving->pairs);
	ListCell   *lc;
	ListCell   *like;

	forboth(lc, moving->move->indexes, like, moving->move->likes)
	{
		const char *name = act_index_name(moving, lfirst_oid(lc), lfirst_oid(like));

		ACT_ROWS(&moving->enter, first->owner, first->from, index_columns, arg_oid(lfirst_oid(lc)), arg_text(name), arg_oid(lfirst_oid(like)));
		ACT_ROWS(&moving->enter, first->owner, first->from, index_options, arg_oid(lfirst_oid(lc)), arg_text(name), arg_oid(lfirst_oid(like)));
	}
}

const MovePart move_settings = {.pair = add_pair, .all = add_all};
