/*-------------------------------------------------------------------------
 *
 * publications.c
 *		Publications that name a table, and subscriptions that fill it.
 *
 * A publication can be its owner's who does not own the table, and the other way
 * round: so what it says is given again as the extension's owner.  There is no code of
 * a user's in that, as a publication's condition may call none.  Those of all tables, or
 * of a schema, need nothing.
 *
 * A subscription finds its table by name, but how far it has come is kept by Oid: it
 * goes over with the name, and what has been applied to the one is in the other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_subscription_rel.h"
#include "core/extension.h"
#include "move/act.h"
#include "storage/lockdefs.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "compat.h"

static const char drop[] =
	"SELECT format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname, $2::text) "
	"FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = $1 ORDER BY p.pubname";

static const char add[] =
	"SELECT format('ALTER PUBLICATION %I ADD TABLE %s', p.pubname, $2::text) "
#ifdef ZDM_HAS_PUBLICATION_OBJECTS
	"|| coalesce(' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM unnest(r.prattrs::int2[]) k(n) "
	"  JOIN pg_attribute a ON a.attrelid = r.prrelid AND a.attnum = k.n) || ')', '') "
	"|| coalesce(' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')', '') "
#endif
	"FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = $1 ORDER BY p.pubname";

static void
run_subscription(const MoveAct *act)
{
	Relation	catalog = table_open(SubscriptionRelRelationId, RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	found;

	ScanKeyInit(&key, Anum_pg_subscription_rel_srrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(act->object));
	scan = systable_beginscan(catalog, SubscriptionRelSrrelidSrsubidIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(found = systable_getnext(scan)))
	{
		HeapTuple	tuple = heap_copytuple(found);

		((Form_pg_subscription_rel) GETSTRUCT(tuple))->srrelid = act->other;
		CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	}
	systable_endscan(scan);
	table_close(catalog, RowExclusiveLock);
}

static void
add_pair(Moving *moving, const MovePair *pair)
{
	Oid			role = extension_owner();

	ACT_ROWS(&moving->leave, role, pair->from, drop, arg_oid(pair->from), arg_text(pair->name));
	/* a column list may name the replica identity's columns: that is there by then */
	ACT_ROWS(&moving->others, role, pair->from, add, arg_oid(pair->from), arg_text(pair->name));
	if (QUERY_ONCE("SELECT FROM pg_subscription_rel WHERE srrelid = $1", arg_oid(pair->from)) > 0)
		act_add(&moving->others, &(MoveAct) {
			.sql = psprintf("-- subscriptions of %s go on from where they are", pair->name),
			.run = run_subscription, .object = pair->from, .other = pair->to,
		});
}

const MovePart move_publications = {.pair = add_pair};
