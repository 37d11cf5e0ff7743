/*-------------------------------------------------------------------------
 *
 * row.h
 *		Rows of the extension's own tables as structs.
 *
 * One list of columns for each table: its struct, its SELECT list, its INSERT
 * and its reader come from it.  A list is a macro over lines of
 *
 *		COLUMN(kind, name, GIVEN | MADE)	comment
 *
 * where "name" is the column's and the field's, "kind" is one of those below, and
 * what is GIVEN is written by row_insert(), while what is MADE is left to the
 * column's default.  For zdm.thing:
 *
 *		#define THING_COLUMNS(COLUMN) \
 *			COLUMN(INT8, id, MADE) \
 *			COLUMN(WORD(Color, color_words), color, GIVEN) \
 *			COLUMN(TEXT, label, GIVEN)		/ * or NULL * /
 *
 *		typedef struct Thing
 *		{
 *			THING_COLUMNS(ROW_FIELD)
 *			bool		seen;				/ * not stored * /
 *		} Thing;
 *
 * in thing.h, and in thing.c
 *
 *		typedef Thing Row;
 *		static const RowTable things = ROW_TABLE("zdm.thing", THING_COLUMNS);
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_ROW_H
#define ZDM_ROW_H

#include "access/attnum.h"
#include "catalog/query.h"
#include "nodes/pg_list.h"

/*
 * The kinds, and the type of the field.  NULL is read as 0, false, NIL or a NULL
 * pointer.  WORD is an enum that is stored by name; AS(column, kind) is for a field
 * of another name than its column.
 */
#define ROW_TYPE_BOOL bool
#define ROW_TYPE_ATTNUM AttrNumber
#define ROW_TYPE_INT4 int32
#define ROW_TYPE_INT8 int64
#define ROW_TYPE_FLOAT8 double
#define ROW_TYPE_OID Oid
#define ROW_TYPE_TEXT char *	/* a NULL pointer is written as NULL */
#define ROW_TYPE_STRING const char *	/* and here as '' */
#define ROW_TYPE_JSONB char *	/* as text */
#define ROW_TYPE_OIDS List *	/* of Oids */
#define ROW_TYPE_TEXTS List *	/* of char * */
#define ROW_TYPE_WORD(type, words) type
#define ROW_TYPE_AS(column, kind) ROW_TYPE_##kind

typedef enum RowKind
{
	ROW_BOOL,
	ROW_ATTNUM,
	ROW_INT4,
	ROW_INT8,
	ROW_FLOAT8,
	ROW_OID,
	ROW_TEXT,
	ROW_STRING,
	ROW_JSONB,
	ROW_OIDS,
	ROW_TEXTS,
	ROW_WORD
} RowKind;

/* The names of an enum's values, in the order of the values. */
typedef struct RowWords
{
	const char *const *words;	/* the first of them */
	size_t		stride;			/* bytes from one to the next: they may stand in structs */
	int			count;
} RowWords;

/* Of an array of strings, and of one of structs by the field with the name. */
#define ROW_WORDS(array) {array, sizeof((array)[0]), lengthof(array)}
#define ROW_WORDS_OF(array, field) {&(array)[0].field, sizeof((array)[0]), lengthof(array)}

extern const char *row_word(const RowWords *words, int value);

/* ERRCODE_DATA_CORRUPTED if there is none. */
extern int	row_word_value(const RowWords *words, const char *word);

typedef struct RowColumn
{
	const char *name;			/* of the field */
	bool		given;
	size_t		offset;
	RowKind		kind;
	const RowWords *words;		/* ROW_WORD */
	const char *column;			/* if it is not the name */
} RowColumn;

typedef struct RowTable
{
	const char *name;			/* the table's, with its schema; or any item of FROM */
	size_t		size;			/* of the struct */
	int			ncolumns;
	const RowColumn *columns;
} RowTable;

#define ROW_FIELD(kind, name, given) ROW_TYPE_##kind name;

#define ROW_TABLE(name, columns) \
	{name, sizeof(Row), lengthof(((const RowColumn[]) {columns(ROW_COLUMN)})), \
	 (const RowColumn[]) {columns(ROW_COLUMN)}}

#define ROW_COLUMN(kind, name, given) \
	{#name, ROW_IS_##given, offsetof(Row, name), ROW_KIND_##kind},
#define ROW_IS_GIVEN true
#define ROW_IS_MADE false

#define ROW_KIND_BOOL ROW_BOOL
#define ROW_KIND_ATTNUM ROW_ATTNUM
#define ROW_KIND_INT4 ROW_INT4
#define ROW_KIND_INT8 ROW_INT8
#define ROW_KIND_FLOAT8 ROW_FLOAT8
#define ROW_KIND_OID ROW_OID
#define ROW_KIND_TEXT ROW_TEXT
#define ROW_KIND_STRING ROW_STRING
#define ROW_KIND_JSONB ROW_JSONB
#define ROW_KIND_OIDS ROW_OIDS
#define ROW_KIND_TEXTS ROW_TEXTS
#define ROW_KIND_WORD(type, words) ROW_WORD, &words
#define ROW_KIND_AS(column, kind) ROW_##kind, NULL, #column

/*
 * The rows of SELECT columns FROM table "rest", as a list of pointers to structs, or
 * the first of them, NULL if there is none; in the current memory context.  "rest"
 * may begin with an alias.  This and the next have a session (query_begin()) of their own.
 */
extern List *row_list(const RowTable *table, const char *rest, const QueryArg *args, int nargs);
extern void *row_first(const RowTable *table, const char *rest, const QueryArg *args, int nargs);

#define ROW_LIST(table, rest, ...) row_list(table, rest, QUERY_ARGS(__VA_ARGS__))
#define ROW_FIRST(table, rest, ...) row_first(table, rest, QUERY_ARGS(__VA_ARGS__))

/* Insert the columns that are GIVEN, and read back into the struct those that are MADE. */
extern void row_insert(const RowTable *table, void *row);

/* For statements of another form: "id, label, ...", and the reader of a row of that. */
extern char *row_columns(const RowTable *table);
extern void *row_read(const RowTable *table, uint64 row);

#endif							/* ZDM_ROW_H */
