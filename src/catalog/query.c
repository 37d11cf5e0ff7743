/*-------------------------------------------------------------------------
 *
 * query.c
 *		Parameterised statements on the extension's own tables.
 *
 * All access to zdm.* goes through here, so that it always runs as the
 * extension's owner (what is printed of the server's catalogs apart), with
 * search_path pinned, with values as parameters, and so that the typed rows in the
 * other files of this room stay readable.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "common/hashfn.h"
#include "core/errors.h"
#include "core/extension.h"
#include "executor/spi.h"
#include "jit/jit.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#define MAX_ARGS 40

/* The tables are small, whatever is estimated of them: nothing is won by compiling. */
static void
leave_jit_out(void)
{
	if (jit_enabled)
		(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void
query_begin(QuerySession *session)
{
	MemoryContext caller = CurrentMemoryContext;

	identity_enter_own(extension_owner(), &session->identity);
	leave_jit_out();
	SPI_connect();
	/* SPI's own context ends with the session; what is made meanwhile should not */
	MemoryContextSwitchTo(caller);
}

void
query_begin_printing(QuerySession *session, Oid relid)
{
	MemoryContext caller = CurrentMemoryContext;

	identity_enter(identity_of(relid), NIL, &session->identity);
	leave_jit_out();
	SPI_connect();
	MemoryContextSwitchTo(caller);
}

void
query_end(QuerySession *session)
{
	SPI_finish();
	identity_leave(&session->identity);
}

/* Statements whose plans are kept, at most; others are parsed each time. */
#define MOST_PLANS 256

/* A statement of this process, and its plan. */
typedef struct KeptPlan
{
	uint64		hash;			/* of the text and the parameters' types */
	char	   *sql;
	SPIPlanPtr	plan;
} KeptPlan;

static HTAB *kept_plans = NULL;

static SPIPlanPtr
prepare(const char *sql, Oid *types, int nargs)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(sql, nargs, types, CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("statement on the extension's tables failed: %s",
						SPI_result_code_string(SPI_result))));
	return plan;
}

static void
make_kept_plans(void)
{
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(KeptPlan)};

	kept_plans = hash_create("zdm plans", 64, &control, HASH_ELEM | HASH_BLOBS);
}

/*
 * A worker runs the same few statements for every batch, and a session for each
 * of hundreds of migrations: to parse and plan them each time would take longer
 * than to run them.  PostgreSQL plans them anew when something that they depend
 * on has changed.
 */
static SPIPlanPtr
plan_for(const char *sql, Oid *types, int nargs)
{
	uint64		hash = hash_combine64(hash_bytes_extended((const unsigned char *) sql, strlen(sql), 0),
									  hash_bytes_extended((const unsigned char *) types, nargs * sizeof(Oid), 0));
	SPIPlanPtr	plan;
	KeptPlan   *kept;
	char	   *text;

	if (kept_plans == NULL)
		make_kept_plans();
	kept = hash_search(kept_plans, &hash, HASH_FIND, NULL);
	if (kept != NULL && strcmp(kept->sql, sql) == 0)
		return kept->plan;
	plan = prepare(sql, types, nargs);
	if (kept != NULL || hash_get_num_entries(kept_plans) >= MOST_PLANS)
		return plan;

	/* whatever may fail comes before the entry */
	text = MemoryContextStrdup(TopMemoryContext, sql);
	SPI_keepplan(plan);
	kept = hash_search(kept_plans, &hash, HASH_ENTER, NULL);
	kept->sql = text;
	kept->plan = plan;
	return plan;
}

/*
 * In REPEATABLE READ and above, a statement sees what was committed when the
 * transaction began.  What is decided here, though, is decided under locks
 * taken since: an index made in between must not be overlooked, nor another
 * migration.
 */
static int
execute_as_of_now(SPIPlanPtr plan, Datum *values, const char *nulls)
{
	Snapshot	now = RegisterSnapshot(GetLatestSnapshot());
	int			rc;

	rc = SPI_execute_snapshot(plan, values, nulls, now, InvalidSnapshot, false, true, 0);
	UnregisterSnapshot(now);
	return rc;
}

uint64
query_run(const char *sql, const QueryArg *args, int nargs)
{
	Oid			types[MAX_ARGS];
	Datum		values[MAX_ARGS];
	char		nulls[MAX_ARGS] = {0};
	MemoryContext caller = CurrentMemoryContext;
	SPIPlanPtr	plan;
	int			rc;

	Assert(nargs <= MAX_ARGS);
	for (int i = 0; i < nargs; i++)
	{
		types[i] = args[i].type;
		values[i] = args[i].value;
		nulls[i] = args[i].isnull ? 'n' : ' ';
	}
	plan = plan_for(sql, types, nargs);
	rc = IsolationUsesXactSnapshot() ?
		execute_as_of_now(plan, values, nulls) :
		SPI_execute_plan(plan, values, nulls, false, 0);
	MemoryContextSwitchTo(caller);
	if (rc < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("statement on the extension's tables failed: %s",
						SPI_result_code_string(rc))));
	return SPI_processed;
}

uint64
query_once(const char *sql, const QueryArg *args, int nargs)
{
	QuerySession session;
	uint64		rows;

	query_begin(&session);
	rows = query_run(sql, args, nargs);
	query_end(&session);
	return rows;
}

char *
query_once_text(const char *sql, const QueryArg *args, int nargs)
{
	QuerySession session;
	char	   *text = NULL;

	query_begin(&session);
	if (query_run(sql, args, nargs) > 0)
		text = query_text(0, 1);
	query_end(&session);
	return text;
}

List *
query_printed_texts(Oid relid, const char *sql, const QueryArg *args, int nargs)
{
	QuerySession session;
	List	   *texts = NIL;
	uint64		n;

	query_begin_printing(&session, relid);
	identity_pin_formats();
	n = query_run(sql, args, nargs);
	for (uint64 row = 0; row < n; row++)
		texts = lappend(texts, query_text(row, 1));
	query_end(&session);
	return texts;
}

static QueryArg
make_arg(Oid type, Datum value, bool isnull)
{
	QueryArg	arg = {.type = type, .value = value, .isnull = isnull};

	return arg;
}

QueryArg
arg_bool(bool value)
{
	return make_arg(BOOLOID, BoolGetDatum(value), false);
}

QueryArg
arg_float8(double value)
{
	return make_arg(FLOAT8OID, Float8GetDatum(value), false);
}

QueryArg
arg_int2(int16 value)
{
	return make_arg(INT2OID, Int16GetDatum(value), false);
}

QueryArg
arg_int4(int32 value)
{
	return make_arg(INT4OID, Int32GetDatum(value), false);
}

QueryArg
arg_int8(int64 value)
{
	return make_arg(INT8OID, Int64GetDatum(value), false);
}

QueryArg
arg_jsonb(const char *json)
{
	if (json == NULL)
		return make_arg(JSONBOID, (Datum) 0, true);
	return make_arg(JSONBOID,
					DirectFunctionCall1(jsonb_in, CStringGetDatum(json)), false);
}

QueryArg
arg_oid(Oid value)
{
	return make_arg(OIDOID, ObjectIdGetDatum(value), false);
}

QueryArg
arg_oids(List *oids)
{
	Datum	   *elements = palloc(sizeof(Datum) * (list_length(oids) + 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, oids)
		elements[n++] = ObjectIdGetDatum(lfirst_oid(lc));
	return make_arg(OIDARRAYOID,
					PointerGetDatum(construct_array(elements, n, OIDOID,
													sizeof(Oid), true, TYPALIGN_INT)),
					false);
}

QueryArg
arg_text(const char *value)
{
	if (value == NULL)
		return make_arg(TEXTOID, (Datum) 0, true);
	return make_arg(TEXTOID, CStringGetTextDatum(value), false);
}

QueryArg
arg_texts(List *strings)
{
	Datum	   *elements = palloc(sizeof(Datum) * (list_length(strings) + 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, strings)
		elements[n++] = CStringGetTextDatum((char *) lfirst(lc));
	return make_arg(TEXTARRAYOID,
					PointerGetDatum(construct_array(elements, n, TEXTOID,
													-1, false, TYPALIGN_INT)),
					false);
}

/*
 * A query that counts on a row may find none: not every row of a catalog is shown
 * to every reader.  That is an error, and no read of what is not there.
 */
static void
require_row(uint64 row)
{
	if (SPI_tuptable == NULL || row >= SPI_processed)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("a query of pg_zdm found %s", row == 0 ? "no row" : "too few rows")));
}

static Datum
column_datum(uint64 row, int column, bool *isnull)
{
	require_row(row);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}

char *
query_text(uint64 row, int column)
{
	require_row(row);
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

double
query_float8(uint64 row, int column)
{
	bool		isnull;
	Datum		value = column_datum(row, column, &isnull);

	return isnull ? 0 : DatumGetFloat8(value);
}

int64
query_int8(uint64 row, int column)
{
	bool		isnull;
	Datum		value = column_datum(row, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

int32
query_int4(uint64 row, int column)
{
	bool		isnull;
	Datum		value = column_datum(row, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

int16
query_int2(uint64 row, int column)
{
	bool		isnull;
	Datum		value = column_datum(row, column, &isnull);

	return isnull ? 0 : DatumGetInt16(value);
}

Oid
query_oid(uint64 row, int column)
{
	bool		isnull;
	Datum		value = column_datum(row, column, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

bool
query_bool(uint64 row, int column)
{
	bool		isnull;
	Datum		value = column_datum(row, column, &isnull);

	return !isnull && DatumGetBool(value);
}

bool
query_null(uint64 row, int column)
{
	bool		isnull;

	(void) column_datum(row, column, &isnull);
	return isnull;
}

List *
query_oids(uint64 row, int column)
{
	bool		isnull;
	Datum		value = column_datum(row, column, &isnull);
	List	   *result = NIL;
	Datum	   *elements;
	int			n;

	if (isnull)
		return NIL;
	deconstruct_array(DatumGetArrayTypeP(value), OIDOID, sizeof(Oid), true,
					  TYPALIGN_INT, &elements, NULL, &n);
	for (int i = 0; i < n; i++)
		result = lappend_oid(result, DatumGetObjectId(elements[i]));
	return result;
}

List *
query_texts(uint64 row, int column)
{
	bool		isnull;
	Datum		value = column_datum(row, column, &isnull);
	List	   *result = NIL;
	Datum	   *elements;
	int			n;

	if (isnull)
		return NIL;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, NULL, &n);
	for (int i = 0; i < n; i++)
		result = lappend(result, TextDatumGetCString(elements[i]));
	return result;
}
