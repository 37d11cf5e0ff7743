/*-------------------------------------------------------------------------
 *
 * table_key.c
 *		The index by which the rows of a table are told from each other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/folded.h"
#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/table_key.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

bool
table_key_is_one(Relation source, Oid indexid)
{
	Relation	index = RelationIdGetRelation(indexid);
	Form_pg_index form;
	bool		usable;

	if (!RelationIsValid(index))
		return false;
	form = index->rd_index;
	usable = form != NULL && form->indrelid == RelationGetRelid(source) && form->indisunique &&
		form->indimmediate && form->indisvalid && form->indisready && form->indislive &&
		index->rd_rel->relam == BTREE_AM_OID && folded_index_is_plain(index);
	for (int i = 0; usable && i < form->indnkeyatts; i++)
	{
		AttrNumber	attnum = form->indkey.values[i];

		usable = attnum > 0 && TupleDescAttr(RelationGetDescr(source), attnum - 1)->attnotnull;
	}
	RelationClose(index);
	return usable;
}

Oid
table_key_find(Relation source)
{
	List	   *indexes = RelationGetIndexList(source);
	Oid			identity = RelationGetReplicaIndex(source);
	ListCell   *lc;

	/* since RelationGetIndexList() has been called */
	if (OidIsValid(source->rd_pkindex) && table_key_is_one(source, source->rd_pkindex))
		return source->rd_pkindex;
	if (OidIsValid(identity) && table_key_is_one(source, identity))
		return identity;
	foreach(lc, indexes)
	{
		if (table_key_is_one(source, lfirst_oid(lc)))
			return lfirst_oid(lc);
	}
	return InvalidOid;
}

Oid
table_key_part(Relation rel, Oid indexid)
{
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		if (lfirst_oid(lc) == indexid ||
			(get_rel_relispartition(lfirst_oid(lc)) && list_member_oid(get_partition_ancestors(lfirst_oid(lc)), indexid)))
			return lfirst_oid(lc);
	}
	return InvalidOid;
}
