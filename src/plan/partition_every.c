/*-------------------------------------------------------------------------
 *
 * partition_every.c
 *		Partitions of one width: where they begin and end, and what they are called.
 *
 * Bounds lie where everybody expects them: on the calendar's months and years, on
 * days and weeks counted from a Monday, on multiples of a number.  Of a key with a
 * time zone the calendar is that of the session that states the change; it is kept,
 * since a later session, or the worker, has another one.  Where summer time begins or
 * ends, a unit of that calendar is not there or is longer: bounds that would not rise
 * are left out.
 *
 * Names are those that pg_partman makes, so that it can take the table over: its
 * installed version's, and version 5's if there is none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/identity.h"
#include "mb/pg_wchar.h"
#include "plan/partition_every.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* More are hardly meant: each is a table, with its indexes, that queries have to plan with. */
#define MOST_PARTITIONS 5000

/* A bound by one column. */
#define FROM "FOR VALUES FROM ("
#define TO ") TO ("

static bool
is_time(Oid type)
{
	return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

static bool
is_number(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == NUMERICOID;
}

pg_noreturn static void refuse(const char *every, const char *detail, Oid type);

static void
refuse(const char *every, const char *detail, Oid type)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"every\" cannot be \"%s\" for a key of type %s", every, format_type_be(type)),
			 errdetail("%s", detail),
			 is_time(type) ? errhint("Give an interval: every => '1 month'.") :
			 errhint("Give a number: every => '1000000'.")));
}

/* A width to be read, and what is wrong with it (NULL: nothing). */
typedef struct Reading
{
	const char *every;
	Oid			type;
	char	   *normal;
	char	   *wrong;
} Reading;

static const char interval_query[] =
"SELECT w::text, CASE "
"  WHEN w <= '0' OR y < 0 OR mo < 0 OR d < 0 OR s < 0 THEN 'It must be more than nothing, in all its parts.' "
"  WHEN y * 12 + mo > 0 AND (d > 0 OR s > 0) THEN 'Months and days do not go together: no calendar has such a unit.' "
"  WHEN $2 AND s <> 0 THEN 'A date has no hours.' END "
"FROM (SELECT w, extract(year FROM w) y, extract(month FROM w) mo, extract(day FROM w) d, "
"  extract(hour FROM w) * 3600 + extract(minute FROM w) * 60 + extract(second FROM w) s FROM CAST($1 AS interval) w) p";

static const char number_query[] =
"SELECT trim_scale(w)::text, CASE "
"  WHEN w IN ('NaN', 'Infinity', '-Infinity') OR w <= 0 THEN 'It must be more than nothing, and finite.' "
"  WHEN $2 AND w <> trunc(w) THEN 'It must be a whole number.' END "
"FROM CAST($1 AS numeric) w";

static void
read_width(void *arg)
{
	Reading    *reading = arg;
	QuerySession session;

	query_begin(&session);
	identity_pin_formats();
	if (is_time(reading->type))
		QUERY(interval_query, arg_text(reading->every), arg_bool(reading->type == DATEOID));
	else
		QUERY(number_query, arg_text(reading->every), arg_bool(reading->type != NUMERICOID));
	reading->normal = query_text(0, 1);
	reading->wrong = query_text(0, 2);
	query_end(&session);
}

/* Of pg_partman, in this database; 5 if it is not there. */
static int
partman_version(void)
{
	char	   *version = QUERY_ONCE_TEXT("SELECT split_part(extversion, '.', 1) FROM pg_extension WHERE extname = 'pg_partman'");

	return version == NULL ? 5 : atoi(version);
}

/* What it calls a partition by the time at which that begins. */
static char *
time_names(const char *every)
{
	return query_once_text(partman_version() >= 5 ?
						   "SELECT CASE WHEN w >= '1 day' THEN 'YYYYMMDD' ELSE 'YYYYMMDD_HH24MISS' END FROM CAST($1 AS interval) w" :
						   "SELECT CASE WHEN w = '7 days' THEN 'IYYY\"w\"IW' WHEN w = '3 months' THEN 'YYYY\"q\"Q' "
						   "WHEN w >= '1 year' THEN 'YYYY' WHEN w >= '1 month' THEN 'YYYY_MM' WHEN w >= '1 day' THEN 'YYYY_MM_DD' "
						   "WHEN w >= '1 minute' THEN 'YYYY_MM_DD_HH24MI' ELSE 'YYYY_MM_DD_HH24MISS' END FROM CAST($1 AS interval) w",
						   QUERY_ARGS(arg_text(every)));
}

void
partition_every_settle(PartitionLayout *layout, Oid type)
{
	Reading		reading = {.every = layout->every, .type = getBaseType(type)};
	ErrorData  *error;

	if (!is_time(reading.type) && !is_number(reading.type))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"every\" needs a key that is a date, a timestamp, an integer or numeric"),
				 errdetail("It is of type %s.", format_type_be(type)),
				 errhint("Give the bounds one by one: partitions => ARRAY['name FOR VALUES FROM (...) TO (...)', ...].")));
	if (!attempt_run(read_width, &reading, ATTEMPT_UNDO, &error))
		refuse(layout->every, psprintf("%s.", error->message), type);
	if (reading.wrong != NULL)
		refuse(layout->every, reading.wrong, type);
	layout->every = reading.normal;
	if (is_time(reading.type))
		layout->names = time_names(layout->every);
	if (reading.type == TIMESTAMPTZOID)
		layout->time_zone = pstrdup(GetConfigOption("TimeZone", false, false));
}

/* The calendar's unit that x is in begins there; months are counted from 2000, days from a Monday. */
#define UNIT_OF(x) \
	"CASE WHEN months > 0 THEN timestamp '2000-01-01' + make_interval(months => (floor(((extract(year FROM " x ") - 2000) * 12 " \
	"+ extract(month FROM " x ") - 1) / months) * months)::int) ELSE date_bin(w, " x ", timestamp '2001-01-01') END"

/* $1 lowest, $2 highest, $3 every, $4 zone or NULL */
#define TIME_UNITS \
	"WITH width AS (SELECT w, (extract(year FROM w) * 12 + extract(month FROM w))::int AS months FROM CAST($3 AS interval) w), " \
	"span AS (SELECT CASE WHEN $4 IS NULL THEN coalesce($1::timestamp, localtimestamp) ELSE coalesce($1::timestamptz, now()) AT TIME ZONE $4 END AS lo, " \
	"  CASE WHEN $4 IS NULL THEN coalesce($2::timestamp, localtimestamp) ELSE coalesce($2::timestamptz, now()) AT TIME ZONE $4 END AS hi), " \
	"units AS (SELECT w, lo AS lowest, hi AS highest, " UNIT_OF("lo") " AS lo, " UNIT_OF("hi") " AS hi FROM width, span) "

static const char time_count_query[] = TIME_UNITS
"SELECT (extract(epoch FROM hi - lo) / extract(epoch FROM w))::bigint FROM units";

/* $5 ahead, $6 format of names, $7 a date is wanted */
static const char time_query[] = TIME_UNITS
", series AS (SELECT s, s AT TIME ZONE coalesce($4, 'UTC') AS o FROM units, generate_series(lo - w, hi + ($5 + 2) * w, w) s), "
"rising AS (SELECT s, o, max(o) OVER (ORDER BY s ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM series), "
"bounds AS (SELECT s, o, lead(s) OVER rise AS next_s, lead(o) OVER rise AS next_o, row_number() OVER rise AS n "
"  FROM rising WHERE before IS NULL OR o > before WINDOW rise AS (ORDER BY o)), "
"ends AS (SELECT max(n) FILTER (WHERE o <= lowest AT TIME ZONE coalesce($4, 'UTC')) AS first, "
"  max(n) FILTER (WHERE o <= highest AT TIME ZONE coalesce($4, 'UTC')) AS last FROM bounds, units) "
"SELECT CASE WHEN $4 IS NOT NULL THEN o::text WHEN $7 THEN s::date::text ELSE s::text END, "
"  CASE WHEN $4 IS NOT NULL THEN next_o::text WHEN $7 THEN next_s::date::text ELSE next_s::text END, to_char(s, $6) "
"FROM bounds, ends WHERE n BETWEEN first AND last + $5 ORDER BY n";

/* $1 lowest, $2 highest, $3 every */
#define NUMBER_UNITS \
	"WITH units AS (SELECT w, floor(coalesce($1::numeric, 0) / w) * w AS lo, floor(coalesce($2::numeric, 0) / w) * w AS hi FROM CAST($3 AS numeric) w) "

static const char number_count_query[] = NUMBER_UNITS
"SELECT least((hi - lo) / w, 1e18)::bigint FROM units";

/* $4 ahead, $5 and $6 what the type can hold, or NULL: beyond that there is no bound to write */
static const char number_query_parts[] = NUMBER_UNITS
"SELECT CASE WHEN n < $5::numeric THEN NULL ELSE trim_scale(n)::text END, "
"  CASE WHEN n + w > $6::numeric THEN NULL ELSE trim_scale(n + w)::text END, trim_scale(n)::text "
"FROM units, generate_series(lo, hi + $4 * w, w) n WHERE $6 IS NULL OR n <= $6::numeric ORDER BY n";

static void
check_count(const PartitionLayout *layout, int64 count, const EverySpan *span)
{
	if (count + layout->ahead < MOST_PARTITIONS)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("partitions of \"%s\" would be too many: " INT64_FORMAT ", and %d ahead", layout->every, count + 1, layout->ahead),
			 span->lowest != NULL ? errdetail("The rows reach from %s to %s; at most %d partitions are made.",
											  span->lowest, span->highest, MOST_PARTITIONS) : 0,
			 errhint("Give a greater width, or mend the rows that are far off.")));
}

/* The table's name, as much of it as there is room for, and the suffix. */
static char *
part_name(const char *table, const char *suffix)
{
	int			length = strlen(table);

	return psprintf("%.*s%s", pg_mbcliplen(table, length, Min(length, NAMEDATALEN - 1 - (int) strlen(suffix))), table, suffix);
}

static char *
bound_value(const char *value, const char *without)
{
	return value == NULL ? pstrdup(without) : quote_literal_cstr(value);
}

static LayoutPart *
make_part(const char *table, Oid namespace, uint64 row)
{
	LayoutPart *part = palloc0(sizeof(LayoutPart));

	part->namespace = namespace;
	part->name = part_name(table, psprintf("_p%s", query_text(row, 3)));
	part->bound = psprintf(FROM "%s" TO "%s)", bound_value(query_text(row, 1), "MINVALUE"),
						   bound_value(query_text(row, 2), "MAXVALUE"));
	return part;
}

/* The least and the greatest whole number of the type; NULL: there is none. */
static const char *
type_limit(Oid type, bool greatest)
{
	switch (type)
	{
		case INT2OID:
			return greatest ? "32767" : "-32768";
		case INT4OID:
			return greatest ? "2147483647" : "-2147483648";
		case INT8OID:
			return greatest ? "9223372036854775807" : "-9223372036854775808";
		default:
			return NULL;
	}
}

char *
partition_every_finite(const char *column, Oid type)
{
	Oid			base = getBaseType(type);

	if (base == NUMERICOID)
		return psprintf(" AND %s NOT IN ('NaN', 'Infinity', '-Infinity')", column);
	return is_time(base) ? psprintf(" AND pg_catalog.isfinite(%s)", column) : psprintf(" AND %s IS NOT NULL", column);
}

static uint64
query_parts(const PartitionLayout *layout, Oid type, const EverySpan *span)
{
	if (is_time(type))
	{
		QUERY(time_count_query, arg_text(span->lowest), arg_text(span->highest), arg_text(layout->every), arg_text(layout->time_zone));
		check_count(layout, query_int8(0, 1), span);
		return QUERY(time_query, arg_text(span->lowest), arg_text(span->highest), arg_text(layout->every),
					 arg_text(layout->time_zone), arg_int4(layout->ahead), arg_text(layout->names), arg_bool(type == DATEOID));
	}
	QUERY(number_count_query, arg_text(span->lowest), arg_text(span->highest), arg_text(layout->every));
	check_count(layout, query_int8(0, 1), span);
	return QUERY(number_query_parts, arg_text(span->lowest), arg_text(span->highest), arg_text(layout->every),
				 arg_int4(layout->ahead), arg_text(type_limit(type, false)), arg_text(type_limit(type, true)));
}

List *
partition_every_parts(const PartitionLayout *layout, Oid type, const char *table, Oid namespace, const EverySpan *span)
{
	QuerySession session;
	List	   *parts = NIL;
	uint64		n;

	query_begin(&session);
	identity_pin_formats();
	n = query_parts(layout, getBaseType(type), span);
	for (uint64 row = 0; row < n; row++)
		parts = lappend(parts, make_part(table, namespace, row));
	query_end(&session);
	return parts;
}

char *
partition_bound_from(const LayoutPart *part)
{
	return pnstrdup(part->bound + strlen(FROM), strstr(part->bound, TO) - part->bound - strlen(FROM));
}

char *
partition_bound_to(const LayoutPart *part)
{
	const char *to = strstr(part->bound, TO) + strlen(TO);

	return pnstrdup(to, strlen(to) - 1);
}

LayoutPart *
partition_bound_set(const LayoutPart *part, const char *from, const char *to)
{
	LayoutPart *result = palloc0(sizeof(LayoutPart));

	*result = *part;
	result->bound = psprintf(FROM "%s" TO "%s)", from, to);
	return result;
}
