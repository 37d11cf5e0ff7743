/*-------------------------------------------------------------------------
 *
 * query.h
 *		Parameterised statements on the extension's own tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_QUERY_H
#define ZDM_QUERY_H

#include "core/identity.h"
#include "nodes/parsenodes.h"
#include "utils/palloc.h"

/* One parameter; made by the functions below. */
typedef struct QueryArg
{
	Oid			type;
	Datum		value;
	bool		isnull;
} QueryArg;

typedef struct QuerySession
{
	Identity identity;
} QuerySession;

/*
 * Begin and end a series of statements, as the extension's owner with a pinned
 * search_path.  Both need a transaction; on error its abort undoes the first.
 * Errors: ERRCODE_UNDEFINED_OBJECT without the extension.
 */
extern void query_begin(QuerySession *session);

/*
 * The same on the server's catalogs alone, for what prints expressions and types of
 * a user's: printing runs their types' functions.  So as the relation's owner,
 * restricted, with no right to a table of the extension, nor to look up a name in
 * another's schema.
 */
extern void query_begin_printing(QuerySession *session, Oid relid);
extern void query_end(QuerySession *session);

/*
 * Run one statement.  "args" is an array of nargs parameters $1, $2, ....
 * Returns the number of rows; they are read with the functions below until the
 * next query_run() or query_end().  Each statement sees what is committed when
 * it begins (READ COMMITTED) and what this transaction did.
 */
extern uint64 query_run(const char *sql, const QueryArg *args, int nargs);

/*
 * The same in a session of its own, of which only the number of rows stays, or what
 * the first column of the first row has: NULL without a row, or if it is.
 */
extern uint64 query_once(const char *sql, const QueryArg *args, int nargs);
extern char *query_once_text(const char *sql, const QueryArg *args, int nargs);

/*
 * What the first column of each row has (char *), in a session of its own that prints, with
 * formats that are nobody's settings.
 */
extern List *query_printed_texts(Oid relid, const char *sql, const QueryArg *args, int nargs);

/* Shorthand: the parameters, none perhaps, as a list.  It begins with one that does not count. */
#define QUERY_ARGS(...) \
	&((const QueryArg[]) {{InvalidOid}, ##__VA_ARGS__})[1], \
	lengthof(((const QueryArg[]) {{InvalidOid}, ##__VA_ARGS__})) - 1

#define QUERY(sql, ...) query_run(sql, QUERY_ARGS(__VA_ARGS__))
#define QUERY_ONCE(sql, ...) query_once(sql, QUERY_ARGS(__VA_ARGS__))
#define QUERY_ONCE_TEXT(sql, ...) query_once_text(sql, QUERY_ARGS(__VA_ARGS__))

extern QueryArg arg_bool(bool value);
extern QueryArg arg_float8(double value);
extern QueryArg arg_int2(int16 value);
extern QueryArg arg_int4(int32 value);
extern QueryArg arg_int8(int64 value);
extern QueryArg arg_jsonb(const char *json);	/* NULL pointer: SQL NULL */
extern QueryArg arg_oid(Oid value);
extern QueryArg arg_oids(List *oids);
extern QueryArg arg_text(const char *value);	/* NULL pointer: SQL NULL */
extern QueryArg arg_texts(List *strings);	/* list of char * */

/*
 * Column "column" (from 1) of row "row" (from 0) of the last result.  NULL
 * gives NULL, 0, false or NIL.  Allocated in the current memory context, which
 * query_begin() leaves as it is.
 */
extern char *query_text(uint64 row, int column);
extern double query_float8(uint64 row, int column);
extern int64 query_int8(uint64 row, int column);
extern int32 query_int4(uint64 row, int column);
extern int16 query_int2(uint64 row, int column);
extern Oid	query_oid(uint64 row, int column);
extern bool query_bool(uint64 row, int column);
extern bool query_null(uint64 row, int column);
extern List *query_oids(uint64 row, int column);
extern List *query_texts(uint64 row, int column);

#endif							/* ZDM_QUERY_H */
