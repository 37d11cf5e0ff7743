/*-------------------------------------------------------------------------
 *
 * outcome.c
 *		Notes of rows that could not be kept in step.
 *
 * The row of zdm.misfit is a part of the write: both are there, or neither is.
 * It is what counts when the columns are exchanged, so a write whose note is
 * cancelled, runs out of time or finds no room must not go through without it.
 * Writers only ever insert there: they wait for nobody, and nobody who steers the
 * migration waits for one of them to commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/misfit.h"
#include "catalog/query.h"
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

void
outcome_note(SyncPair *pair, PairDirection direction, Relation rel,
			 TupleTableSlot *slot, const ErrorData *error)
{
	char	   *key;

	if (pair->noted[direction] == pairs_transaction())
		return;
	key = row_key(rel, slot);
	misfit_insert(&(Misfit) {
		.migration = pair->migration,
		.direction = direction == PAIR_DOWN ? MISFIT_DOWN : MISFIT_UP,
		.relation = names_relation(RelationGetRelid(rel)),
		.key = key ? psprintf("row %s", key) : "a row (the table has no primary key)",
		.sqlstate = unpack_sql_state(error->sqlerrcode),
		.message = error->message,
	});
	pair->noted[direction] = pairs_transaction();
}

void
outcome_note_null(SyncPair *pair, Relation rel, TupleTableSlot *slot)
{
	ErrorData	error = {.sqlerrcode = ERRCODE_NOT_NULL_VIOLATION};

	/* as long as it has NOT NULL, the writer has PostgreSQL's own error */
	if (!pair->new_decides || !pair->old_not_null || pair->old_side.notnull)
		return;
	error.message = pstrdup("NULL for a column that is NOT NULL");
	outcome_note(pair, PAIR_DOWN, rel, slot, &error);
}
