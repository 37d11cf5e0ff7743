/*-------------------------------------------------------------------------
 *
 * sql.h
 *		What the SQL of a step is made of: names as they are now, quoted.
 *
 * Where a name is gone, the worker gets an error (ERRCODE_UNDEFINED_TABLE,
 * ERRCODE_UNDEFINED_COLUMN), and who only reads gets "<dropped>".  All functions
 * need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SQL_H
#define ZDM_SQL_H

#include "lib/stringinfo.h"
#include "verbs/verb.h"

/* The relation, qualified. */
extern char *sql_table(const Making *making, Oid relid);

/* The attribute. */
extern char *sql_column(const Making *making, Oid relid, AttrNumber attnum);

/* The column of that number; that of the name, if the number is none (it is not there yet). */
extern char *sql_column_or(const Making *making, Oid relid, AttrNumber attnum, const char *name);

/* The index called "name" of a relation, wherever that is moved to. */
extern char *sql_index(const Making *making, Oid relid, const char *name);

/* The sync trigger as it is called, or is to be. */
extern char *sql_sync_trigger(const Making *making, Oid relid);

/* An expression over relid's columns. */
extern char *sql_expression(const Making *making, List *expression, Oid relid);

/* A name, a literal; a name in a schema, qualified. */
extern char *sql_name(const char *name);
extern char *sql_literal(const char *value);
extern char *sql_qualified(Oid namespace, const char *name);

/* The text on lines of its own between dollar quotes, whose tag is not in it. */
extern char *sql_dollar_quoted(const char *text);

/* The schema. */
extern char *sql_schema(const Making *making, Oid namespace);

/* A name that only the migration gives: "<base>_zdm<id>". */
extern char *sql_own_name(int64 migration, const char *base);

/* Append a statement, behind a semicolon if it is not the first; nothing if it is "". */
extern void sql_statement(StringInfo sql, const char *fmt,...) pg_attribute_printf(2, 3);

/* Is what they are about there?  To who only reads, always. */
extern bool sql_exists(const Making *making, Oid relid);
extern bool sql_is_partition(const Making *making, Oid relid, Oid root);

/* The same, if "root" is not InvalidOid. */
extern bool sql_is_member(const Making *making, Oid relid, Oid root);

#endif							/* ZDM_SQL_H */
