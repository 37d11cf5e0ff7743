/*-------------------------------------------------------------------------
 *
 * outcome.c
 *		Notes of rows that could not be kept in step.
 *
 * The row of zdm.misfit is a part of the write: both are there, or neither is.
 * It is what counts when the columns are exchanged, so a write whose note is
 * cancelled, runs out of time or finds no room must not go through without it.
 * Writers only ever insert there, and wait for nobody.  That the way back is
 * closed is noted in zdm.migration as well, for people to read: of that only a
 * row which nobody has locked is taken (SKIP LOCKED), and what is in its way is
 * no reason for a write to fail.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/misfit.h"
#include "catalog/query.h"
#include "core/attempt.h"
#include "core/names.h"
#include "sync/outcome.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

char *
row_key(Relation rel, TupleTableSlot *slot)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	Bitmapset  *key = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	StringInfoData names;
	StringInfoData values;
	int			i = -1;

	if (bms_is_empty(key))
		return !ItemPointerIsValid(&slot->tts_tid) ? NULL :
			psprintf("ctid=(%u,%u)", ItemPointerGetBlockNumber(&slot->tts_tid),
					 ItemPointerGetOffsetNumber(&slot->tts_tid));
	initStringInfo(&names);
	initStringInfo(&values);
	while ((i = bms_next_member(key, i)) >= 0)
	{
		AttrNumber	attnum = i + FirstLowInvalidHeapAttributeNumber;
		Form_pg_attribute att = TupleDescAttr(tupdesc, attnum - 1);
		const char *separator = names.len > 0 ? ", " : "";
		bool		isnull;
		Datum		value = slot_getattr(slot, attnum, &isnull);
		bool		varlena;
		Oid			output;

		getTypeOutputInfo(att->atttypid, &output, &varlena);
		appendStringInfo(&names, "%s%s", separator, NameStr(att->attname));
		appendStringInfo(&values, "%s%s", separator,
						 isnull ? "null" : OidOutputFunctionCall(output, value));
	}
	return psprintf("(%s)=(%s)", names.data, values.data);
}

static void
note_one_way(SyncPair *pair, const char *table, const char *key, const char *message)
{
	char	   *why = psprintf("%s of table %s: %s", key, table, message);

	QUERY("UPDATE zdm.migration m SET one_way_since = pg_catalog.clock_timestamp(), one_way_why = $2 "
		  "FROM (SELECT id FROM zdm.migration WHERE id = $1 AND one_way_since IS NULL "
		  "FOR NO KEY UPDATE SKIP LOCKED) free WHERE m.id = free.id",
		  arg_int8(pair->migration), arg_text(why));
}

typedef struct OneWayNote
{
	SyncPair   *pair;
	const char *table;
	const char *key;
	const char *message;
} OneWayNote;

static void
try_note_one_way(void *arg)
{
	OneWayNote *note = arg;
	QuerySession session;

	query_begin(&session);
	note_one_way(note->pair, note->table, note->key, note->message);
	query_end(&session);
}

void
outcome_note(SyncPair *pair, PairDirection direction, Relation rel,
			 TupleTableSlot *slot, const ErrorData *error)
{
	OneWayNote	note = {.pair = pair,.message = error->message};
	ErrorData  *failure;
	char	   *key;

	if (pair->noted[direction] == pairs_transaction())
		return;
	key = row_key(rel, slot);
	note.table = names_relation(RelationGetRelid(rel));
	note.key = key ? psprintf("row %s", key) : pstrdup("a row (the table has no primary key)");
	misfit_insert(pair->migration, direction == PAIR_DOWN ? MISFIT_DOWN : MISFIT_UP,
				  note.table, note.key, unpack_sql_state(error->sqlerrcode), error->message);
	pair->noted[direction] = pairs_transaction();
	if (direction == PAIR_UP || attempt_run(try_note_one_way, &note, ATTEMPT_KEEP, &failure))
		return;
	/* the writer must not fail for it; the server's log has it */
	failure->elevel = LOG;
	ThrowErrorData(failure);
}
