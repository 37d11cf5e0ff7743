/*-------------------------------------------------------------------------
 *
 * facts_partition.c
 *		What a partition's bound demands, and what is proved of it.
 *
 * What a bound means for a table is asked of PostgreSQL's partitioning code;
 * whether the table's constraints prove it, of the planner.  Both the rules and
 * the plan of ATTACH PARTITION ask here, so that they cannot disagree.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "core/identity.h"
#include "facts/facts_catalog.h"
#include "facts/facts_expr.h"
#include "facts/facts_partition.h"
#include "parser/parse_utilcmd.h"
#include "partitioning/partbounds.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "compat.h"

typedef struct BoundLook
{
	Relation	relation;
	Oid			owner;
	FactBound  *bound;			/* NULL: the key alone is opened */
} BoundLook;

/*
 * The key's expressions, and what is made of them, are folded by PostgreSQL:
 * that is done as the parent's owner, who wrote them.
 */
static void
look_as_owner(BoundLook *look)
{
	FactBound  *bound = look->bound;
	Identity	identity;

	identity_enter(look->owner, NIL, &identity);
	(void) RelationGetPartitionKey(look->relation);
	if (bound != NULL)
	{
		bound->bound = zdm_partition_qual(look->relation, bound->spec);
		bound->inherited = copyObject(RelationGetPartitionQual(look->relation));
		bound->default_oid = get_default_partition_oid(RelationGetRelid(look->relation));
		if (OidIsValid(bound->default_oid) && !bound->spec->is_default)
			bound->others = get_proposed_default_constraint(bound->bound);
	}
	identity_leave(&identity);
}

void
facts_bound(Facts *facts, FactRelation *parent, PartitionBoundSpec *spec, FactBound *bound)
{
	Relation	relation = try_relation_open(parent->oid, AccessShareLock);
	BoundLook	look = {relation, parent->author, NULL};

	memset(bound, 0, sizeof(*bound));
	if (relation == NULL)
		return;
	if (relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		/* the key comes first and stays: the bound itself is the caller's, and read as such */
		look_as_owner(&look);
		bound->spec = transformPartitionBound(make_parsestate(NULL), relation, copyObject(spec));
		look.bound = bound;
		look_as_owner(&look);
		if (bound->others != NIL)
			bound->default_partition = facts_by_oid(facts, bound->default_oid);
	}
	relation_close(relation, AccessShareLock);
}

void
facts_check_overlap(FactRelation *parent, const char *partition, PartitionBoundSpec *spec, const char *source)
{
	Relation	relation = table_open(parent->oid, AccessShareLock);
	ParseState *pstate = make_parsestate(NULL);

	pstate->p_sourcetext = source;
	check_new_partition_bound(unconstify(char *, partition), relation, spec, pstate);
	table_close(relation, AccessShareLock);
}

static bool
proves_all(FactRelation *rel, List *clauses, FactRelation *parent)
{
	ListCell   *lc;

	foreach(lc, clauses)
	{
		Node	   *mapped = facts_map((Node *) lfirst(lc), parent, rel);

		if (mapped == NULL || !facts_proves(rel, list_make1(mapped)))
			return false;
	}
	return true;
}

List *
facts_unproven_members(Facts *facts, FactRelation *rel, List *clauses, FactRelation *parent)
{
	List	   *unproven = NIL;
	ListCell   *lc;

	if (clauses == NIL)
		return NIL;
	facts_detail(facts, rel);
	if (proves_all(rel, clauses, parent))
		return NIL;
	if (facts_has_storage(rel))
		return list_make1(rel);
	foreach(lc, facts_children(facts, rel))
		unproven = list_concat(unproven,
							   facts_unproven_members(facts, (FactRelation *) lfirst(lc), clauses, parent));
	return unproven;
}

/* A foreign key of the text is taken as it looks. */
static bool
same_actions(Oid a, Oid b)
{
	HeapTuple	a_tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(a));
	HeapTuple	b_tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(b));
	bool		same = true;

	if (HeapTupleIsValid(a_tuple) && HeapTupleIsValid(b_tuple))
	{
		Form_pg_constraint a_form = (Form_pg_constraint) GETSTRUCT(a_tuple);
		Form_pg_constraint b_form = (Form_pg_constraint) GETSTRUCT(b_tuple);

		same = a_form->confupdtype == b_form->confupdtype &&
			a_form->confdeltype == b_form->confdeltype &&
			a_form->confmatchtype == b_form->confmatchtype &&
			a_form->condeferrable == b_form->condeferrable &&
			a_form->condeferred == b_form->condeferred;
	}
	if (HeapTupleIsValid(a_tuple))
		ReleaseSysCache(a_tuple);
	if (HeapTupleIsValid(b_tuple))
		ReleaseSysCache(b_tuple);
	return same;
}

bool
facts_same_foreign_key(FactRelation *a_rel, FactConstraint *a, FactRelation *b_rel, FactConstraint *b)
{
	ListCell   *la;
	ListCell   *lb;

	if (b->dropped || b->type != 'f' || a->referenced != b->referenced ||
		(a->valid && !b->valid) || !same_actions(a->oid, b->oid) ||
		list_length(a->columns) != list_length(b->columns))
		return false;
	forboth(la, a->columns, lb, b->columns)
	{
		if (strcmp(facts_attribute(a_rel, lfirst_int(la))->name,
				   facts_attribute(b_rel, lfirst_int(lb))->name) != 0)
			return false;
	}
	return true;
}
