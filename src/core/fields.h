/*-------------------------------------------------------------------------
 *
 * fields.h
 *		Structs as jsonb, and back, by a list of their fields.
 *
 * A struct that is to be kept has one list of its fields beside it, from which
 * both ways come; so neither can forget one.  A field that is zero, NULL or NIL
 * is left out, and one that is missing is read as that.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FIELDS_H
#define ZDM_FIELDS_H

#include "nodes/pg_list.h"

typedef enum FieldKind
{
	FIELD_BOOL,
	FIELD_CHAR,
	FIELD_INT,					/* int */
	FIELD_INT8,					/* int64 */
	FIELD_ATTNUM,
	FIELD_OID,
	FIELD_TEXT,					/* char * */
	FIELD_OIDS,					/* List of Oid */
	FIELD_INTS,					/* List of int */
	FIELD_TEXTS,				/* List of char * */
	FIELD_EXPRESSION,			/* List: see core/expression.h */
	FIELD_EXPRESSIONS,			/* List of such lists */
	FIELD_STRUCT,				/* a pointer to a struct with fields of its own */
	FIELD_STRUCTS				/* List of such pointers */
} FieldKind;

typedef struct Field
{
	const char *name;
	FieldKind	kind;
	size_t		offset;
	const struct Fields *of;	/* FIELD_STRUCT, FIELD_STRUCTS */
} Field;

typedef struct Fields
{
	size_t		size;			/* of the struct */
	const Field *list;
	int			count;
} Fields;

/* The fields of "type", from a static array of Field. */
#define FIELDS(type, array) {sizeof(type), (array), lengthof(array)}

/* One field: its name in jsonb is that in the struct. */
#define FIELD(type, member, kind) {#member, FIELD_##kind, offsetof(type, member), NULL}
#define FIELD_OF(type, member, kind, fields) {#member, FIELD_##kind, offsetof(type, member), (fields)}

/* The struct as jsonb text.  Needs a transaction, like the next. */
extern char *fields_to_json(const Fields *fields, const void *data);

/*
 * A struct from jsonb text, palloc'd.  ERRCODE_DATA_CORRUPTED for a field of
 * another type; fields that the list does not have are skipped.
 */
extern void *fields_from_json(const Fields *fields, const char *json);

#endif							/* ZDM_FIELDS_H */
