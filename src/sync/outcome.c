/*-------------------------------------------------------------------------
 *
 * outcome.c
 *		Notes of rows that could not be kept in step.
 *
 * An application's write must not fail or wait because a note of it cannot be
 * made.  So it is attempted; of zdm.migration only a row that nobody has locked
 * is taken (SKIP LOCKED), and zdm.misfit, which is what counts when the columns
 * are exchanged, is only ever inserted into.  A cancellation or a timeout while
 * it is written is the writer's own and ends the write.  The note stays with the
 * write: rolled back, both are gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
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

static void
write_note(SyncPair *pair, PairDirection direction, Relation rel,
		   TupleTableSlot *slot, const ErrorData *error)
{
	QuerySession session;
	char	   *table = names_relation(RelationGetRelid(rel));
	char	   *key = row_key(rel, slot);

	key = key ? psprintf("row %s", key) : pstrdup("a row (the table has no primary key)");
	query_begin(&session);
	if (direction == PAIR_DOWN)
		note_one_way(pair, table, key, error->message);
	query_end(&session);
	misfit_insert(pair->migration, direction == PAIR_DOWN ? MISFIT_DOWN : MISFIT_UP, table, key,
				  unpack_sql_state(error->sqlerrcode), error->message);
}

typedef struct NoteAttempt
{
	SyncPair   *pair;
	PairDirection direction;
	Relation	rel;
	TupleTableSlot *slot;
	const ErrorData *error;
} NoteAttempt;

static void
try_note(void *arg)
{
	NoteAttempt *note = arg;

	write_note(note->pair, note->direction, note->rel, note->slot, note->error);
}

void
outcome_note(SyncPair *pair, PairDirection direction, Relation rel,
			 TupleTableSlot *slot, const ErrorData *error)
{
	NoteAttempt note = {pair, direction, rel, slot, error};
	ErrorData  *failure;

	if (pair->noted[direction] == pairs_transaction())
		return;
	pair->noted[direction] = pairs_transaction();
	if (attempt_run(try_note, &note, ATTEMPT_KEEP, &failure))
		return;
	/* the writer must not fail for it; the server's log has it */
	failure->elevel = LOG;
	ThrowErrorData(failure);
}
