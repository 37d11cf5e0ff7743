/*-------------------------------------------------------------------------
 *
 * folded.c
 *		What PostgreSQL simplifies as it reads it from the catalog.
 *
 * The expressions of an index, its predicate and those of a partition key are folded as
 * they are put into the relation cache, which runs functions of whoever wrote them: of the
 * relation's owner, and as nobody else.  Such a function may read by the active
 * snapshot, which a worker between two statements has not.
 *
 * The rule: nothing else in the library asks PostgreSQL for them, but what is within
 * identity_enter() already, or does no more than the executor does for a writer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/folded.h"
#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "core/identity.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* What is given back when it has been folded. */
typedef struct Folding
{
	Identity	identity;
	bool		pushed;
} Folding;

static void
begin(Relation rel, Folding *folding)
{
	identity_enter(rel->rd_rel->relowner, NIL, &folding->identity);
	folding->pushed = !ActiveSnapshotSet();
	if (folding->pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end(Folding *folding)
{
	if (folding->pushed)
		PopActiveSnapshot();
	identity_leave(&folding->identity);
}

IndexInfo *
folded_index_info(Relation index)
{
	Folding		folding;
	IndexInfo  *info;

	begin(index, &folding);
	info = BuildIndexInfo(index);
	end(&folding);
	return info;
}

List *
folded_index_expressions(Relation index)
{
	Folding		folding;
	List	   *expressions;

	begin(index, &folding);
	expressions = RelationGetIndexExpressions(index);
	end(&folding);
	return expressions;
}

bool
folded_index_is_plain(Relation index)
{
	return heap_attisnull(index->rd_indextuple, Anum_pg_index_indexprs, NULL) &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
}

PartitionKey
folded_partition_key(Relation rel)
{
	Folding		folding;
	PartitionKey key;

	begin(rel, &folding);
	key = RelationGetPartitionKey(rel);
	end(&folding);
	return key;
}

bool
folded_partition_key_has(Relation rel, AttrNumber attnum, bool *in_expression)
{
	Folding		folding;
	bool		has;

	*in_expression = false;
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return false;
	begin(rel, &folding);
	has = has_partition_attrs(rel, bms_make_singleton(attnum - FirstLowInvalidHeapAttributeNumber), in_expression);
	end(&folding);
	return has;
}

List *
folded_partition_qual(Relation rel)
{
	Folding		folding;
	Expr	   *qual;

	begin(rel, &folding);
	qual = make_ands_explicit(copyObject(RelationGetPartitionQual(rel)));
	qual = canonicalize_qual((Expr *) eval_const_expressions(NULL, (Node *) qual), true);
	end(&folding);
	return make_ands_implicit(qual);
}
