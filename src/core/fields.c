/*-------------------------------------------------------------------------
 *
 * fields.c
 *		Structs as jsonb, and back, by a list of their fields.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/attnum.h"
#include "core/errors.h"
#include "core/fields.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "nodes/value.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "compat.h"

/* What is in the struct at the field's place. */
#define AT(data, field, type) (*(type *) ((char *) (data) + (field)->offset))

static JsonbValue *push_struct(JsonbParseState **state, const Fields *fields, const void *data);

static void
push_key(JsonbParseState **state, const char *name)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, name);
	value.val.string.len = (int) strlen(name);
	(void) pushJsonbValue(state, WJB_KEY, &value);
}

/* A value of the object, or an element of the array, that is open. */
static void
push(JsonbParseState **state, bool element, JsonbValue *value)
{
	(void) pushJsonbValue(state, element ? WJB_ELEM : WJB_VALUE, value);
}

static void
push_text(JsonbParseState **state, bool element, const char *text)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, text);
	value.val.string.len = (int) strlen(text);
	push(state, element, &value);
}

static void
push_number(JsonbParseState **state, bool element, int64 number)
{
	JsonbValue	value = {.type = jbvNumeric};

	value.val.numeric = int64_to_numeric(number);
	push(state, element, &value);
}

static void
push_true(JsonbParseState **state)
{
	JsonbValue	value = {.type = jbvBool};

	value.val.boolean = true;
	push(state, false, &value);
}

static void
push_expression(JsonbParseState **state, List *parts)
{
	ListCell   *lc;

	(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	foreach(lc, parts)
	{
		if (IsA(lfirst(lc), Integer))
			push_number(state, true, intVal(lfirst(lc)));
		else
			push_text(state, true, strVal(lfirst(lc)));
	}
	(void) pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static void
push_list(JsonbParseState **state, const Field *field, List *list)
{
	ListCell   *lc;

	(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	foreach(lc, list)
	{
		switch (field->kind)
		{
			case FIELD_OIDS:
				push_number(state, true, lfirst_oid(lc));
				break;
			case FIELD_INTS:
				push_number(state, true, lfirst_int(lc));
				break;
			case FIELD_TEXTS:
				push_text(state, true, lfirst(lc));
				break;
			case FIELD_EXPRESSIONS:
				push_expression(state, lfirst(lc));
				break;
			default:
				(void) push_struct(state, field->of, lfirst(lc));
				break;
		}
	}
	(void) pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static void
push_field(JsonbParseState **state, const Field *field, const void *data)
{
	switch (field->kind)
	{
		case FIELD_BOOL:
			push_true(state);
			break;
		case FIELD_CHAR:
			push_text(state, false, psprintf("%c", AT(data, field, char)));
			break;
		case FIELD_INT:
			push_number(state, false, AT(data, field, int));
			break;
		case FIELD_INT8:
			push_number(state, false, AT(data, field, int64));
			break;
		case FIELD_ATTNUM:
			push_number(state, false, AT(data, field, AttrNumber));
			break;
		case FIELD_OID:
			push_number(state, false, AT(data, field, Oid));
			break;
		case FIELD_TEXT:
			push_text(state, false, AT(data, field, char *));
			break;
		case FIELD_EXPRESSION:
			push_expression(state, AT(data, field, List *));
			break;
		case FIELD_STRUCT:
			(void) push_struct(state, field->of, AT(data, field, void *));
			break;
		case FIELD_OIDS:
		case FIELD_INTS:
		case FIELD_TEXTS:
		case FIELD_EXPRESSIONS:
		case FIELD_STRUCTS:
			push_list(state, field, AT(data, field, List *));
			break;
	}
}

/* Is there anything in the field? */
static bool
is_set(const Field *field, const void *data)
{
	switch (field->kind)
	{
		case FIELD_BOOL:
			return AT(data, field, bool);
		case FIELD_CHAR:
			return AT(data, field, char) != '\0';
		case FIELD_INT:
			return AT(data, field, int) != 0;
		case FIELD_INT8:
			return AT(data, field, int64) != 0;
		case FIELD_ATTNUM:
			return AT(data, field, AttrNumber) != 0;
		case FIELD_OID:
			return AT(data, field, Oid) != 0;
		default:
			return AT(data, field, void *) != NULL;
	}
}

static JsonbValue *
push_struct(JsonbParseState **state, const Fields *fields, const void *data)
{
	check_stack_depth();
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < fields->count; i++)
	{
		if (!is_set(&fields->list[i], data))
			continue;
		push_key(state, fields->list[i].name);
		push_field(state, &fields->list[i], data);
	}
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

char *
fields_to_json(const Fields *fields, const void *data)
{
	JsonbParseState *state = NULL;

	return JsonbToCString(NULL, &JsonbValueToJsonb(push_struct(&state, fields, data))->root, 0);
}

pg_noreturn static void malformed(const char *name);

static void
malformed(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("malformed argument \"%s\" of a step", name)));
}

static int64
read_number(const char *name, const JsonbValue *value)
{
	if (value->type != jbvNumeric)
		malformed(name);
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
}

static char *
read_text(const char *name, const JsonbValue *value)
{
	if (value->type != jbvString)
		malformed(name);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static void *read_struct(const Fields *fields, JsonbContainer *container);

static JsonbContainer *
container(const char *name, const JsonbValue *value)
{
	if (value->type != jbvBinary)
		malformed(name);
	return value->val.binary.data;
}

/* The elements of an array (list of JsonbValue *). */
static List *
elements(const char *name, const JsonbValue *value)
{
	JsonbContainer *array = container(name, value);
	List	   *list = NIL;

	if (!JsonContainerIsArray(array))
		malformed(name);
	for (uint32 i = 0; i < JsonContainerSize(array); i++)
		list = lappend(list, getIthJsonbValueFromContainer(array, i));
	return list;
}

static List *
read_expression(const char *name, const JsonbValue *value)
{
	List	   *parts = NIL;
	ListCell   *lc;

	foreach(lc, elements(name, value))
	{
		JsonbValue *part = lfirst(lc);

		parts = lappend(parts, part->type == jbvNumeric ? (void *) makeInteger((int) read_number(name, part)) :
						(void *) makeString(read_text(name, part)));
	}
	return parts;
}

static List *
read_list(const Field *field, const JsonbValue *value)
{
	List	   *list = NIL;
	ListCell   *lc;

	foreach(lc, elements(field->name, value))
	{
		JsonbValue *element = lfirst(lc);

		switch (field->kind)
		{
			case FIELD_OIDS:
				list = lappend_oid(list, (Oid) read_number(field->name, element));
				break;
			case FIELD_INTS:
				list = lappend_int(list, (int) read_number(field->name, element));
				break;
			case FIELD_TEXTS:
				list = lappend(list, read_text(field->name, element));
				break;
			case FIELD_EXPRESSIONS:
				list = lappend(list, read_expression(field->name, element));
				break;
			default:
				list = lappend(list, read_struct(field->of, container(field->name, element)));
				break;
		}
	}
	return list;
}

static void
read_field(const Field *field, const JsonbValue *value, void *data)
{
	switch (field->kind)
	{
		case FIELD_BOOL:
			if (value->type != jbvBool)
				malformed(field->name);
			AT(data, field, bool) = value->val.boolean;
			break;
		case FIELD_CHAR:
			AT(data, field, char) = read_text(field->name, value)[0];
			break;
		case FIELD_INT:
			AT(data, field, int) = (int) read_number(field->name, value);
			break;
		case FIELD_INT8:
			AT(data, field, int64) = read_number(field->name, value);
			break;
		case FIELD_ATTNUM:
			AT(data, field, AttrNumber) = (AttrNumber) read_number(field->name, value);
			break;
		case FIELD_OID:
			AT(data, field, Oid) = (Oid) read_number(field->name, value);
			break;
		case FIELD_TEXT:
			AT(data, field, char *) = read_text(field->name, value);
			break;
		case FIELD_EXPRESSION:
			AT(data, field, List *) = read_expression(field->name, value);
			break;
		case FIELD_STRUCT:
			AT(data, field, void *) = read_struct(field->of, container(field->name, value));
			break;
		case FIELD_OIDS:
		case FIELD_INTS:
		case FIELD_TEXTS:
		case FIELD_EXPRESSIONS:
		case FIELD_STRUCTS:
			AT(data, field, List *) = read_list(field, value);
			break;
	}
}

static void *
read_struct(const Fields *fields, JsonbContainer *object)
{
	void	   *data = palloc0(fields->size);

	check_stack_depth();
	if (!JsonContainerIsObject(object))
		malformed("object");
	for (int i = 0; i < fields->count; i++)
	{
		const Field *field = &fields->list[i];
		JsonbValue	value;

		if (getKeyJsonValueFromContainer(object, field->name, (int) strlen(field->name), &value) != NULL)
			read_field(field, &value, data);
	}
	return data;
}

void *
fields_from_json(const Fields *fields, const char *json)
{
	Datum		jsonb = DirectFunctionCall1(jsonb_in, CStringGetDatum(json));

	return read_struct(fields, &DatumGetJsonbP(jsonb)->root);
}
