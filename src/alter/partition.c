/*-------------------------------------------------------------------------
 *
 * partition.c
 *		The plans of ATTACH PARTITION and DETACH PARTITION.
 *
 * ATTACH PARTITION locks the new partition and the default one so that nobody
 * can use them, and then reads both to see that each row is where it belongs,
 * builds the indexes that are missing and checks foreign keys.  All of that can
 * be made beforehand, and PostgreSQL finds it: indexes built CONCURRENTLY, and
 * made those of exclusion constraints where the others are (exclusion.c),
 * foreign keys and a CHECK of the bound added NOT VALID and validated.  Then
 * attaching changes the catalog only, and the CHECKs go with the same
 * transaction.
 *
 * The default partition's CHECK comes last: from then on rows within the bound
 * are refused, as they would be lost in a partition that is to have none.  A
 * look at its rows goes before, so that it does not come where it cannot stay.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "alter/alter.h"
#include "alter/index.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/identity.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "draft/probe.h"
#include "executor/spi.h"
#include "facts/authors.h"
#include "facts/facts_catalog.h"
#include "facts/facts_expr.h"
#include "facts/facts_partition.h"
#include "facts/facts_query.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "compat.h"

#define NO_PARTITION_LEFT "once it is attached, there is no way back but DETACH PARTITION"

/* All that is known of one ATTACH PARTITION. */
typedef struct Attach
{
	MigrationPlan *plan;
	FactRelation *parent;
	FactRelation *partition;
	FactBound	bound;
	char	   *bound_text;		/* FOR VALUES ..., as SQL */
	List	   *proofs;			/* NamedArgs *: CHECKs that go when it is attached */
} Attach;

static PartitionCmd *
partition_command(const Change *change)
{
	AlterTableStmt *stmt = castNode(AlterTableStmt, change->stmt);

	return castNode(PartitionCmd, linitial_node(AlterTableCmd, stmt->cmds)->def);
}

static List *
claims(const Change *change)
{
	return list_make1(partition_command(change)->name->relname);
}

/* The work is done with the rights of the partitioned table's owner. */
static void
check_owner(Oid relid, Oid parent)
{
	Oid			owner = identity_of(parent);

	if (!object_ownercheck(RelationRelationId, relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
	if (!object_ownercheck(RelationRelationId, relid, owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s has another owner than %s", names_relation(relid), names_relation(parent)),
				 errdetail("The work is done with the rights of %s alone.", GetUserNameFromId(owner, false)),
				 errhint("ALTER TABLE %s OWNER TO %s.", names_relation(relid),
						 quote_identifier(GetUserNameFromId(owner, false)))));
}

/* Things that PostgreSQL would say at the end. */
static void
check_new_partition(Oid relid, Oid parent)
{
	char		relkind = get_rel_relkind(relid);

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(relkind == RELKIND_FOREIGN_TABLE ? ERRCODE_FEATURE_NOT_SUPPORTED : ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a table with rows here", names_relation(relid)),
				 errhint("A foreign table is attached without a look at its rows: run it as it is.")));
	if (get_rel_persistence(relid) == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is a temporary table", names_relation(relid)),
				 errdetail("A background worker has no access to it.")));
	if (get_rel_relispartition(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is already a partition", get_rel_name(relid))));
	check_owner(relid, parent);
}

/* Is the bound free? */
static void
check_overlap(const Attach *attach, const Change *change)
{
	if (attach->parent->kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s\" is not partitioned", attach->parent->name)));
	facts_check_overlap(attach->parent, attach->partition->name, attach->bound.spec, change->ddl);
}

/* The same with empty temporary tables of the same names. */
static void
attach_copies(void *arg)
{
	const Attach *attach = arg;
	const char *parent = quote_identifier(attach->parent->name);
	const char *partition = quote_identifier(attach->partition->name);
	QuerySession session;
	char	   *key;
	int			nestlevel;

	PushActiveSnapshot(GetTransactionSnapshot());
	query_begin_printing(&session, attach->parent->oid);
	QUERY("SELECT pg_get_partkeydef($1)", arg_oid(attach->parent->oid));
	key = query_text(0, 1);
	query_end(&session);
	SPI_connect();
	/* the key was written to be read so: by the caller's path, a stranger's function may match better */
	nestlevel = NewGUCNestLevel();
	identity_pin_reading();
	probe_run(psprintf("CREATE TEMPORARY TABLE %s (LIKE %s INCLUDING CONSTRAINTS INCLUDING GENERATED) PARTITION BY %s",
					   parent, names_relation(attach->parent->oid), key));
	probe_run(psprintf("CREATE TEMPORARY TABLE %s (LIKE %s INCLUDING CONSTRAINTS INCLUDING GENERATED)",
					   partition, names_relation(attach->partition->oid)));
	probe_run(psprintf("ALTER TABLE pg_temp.%s ATTACH PARTITION pg_temp.%s %s", parent, partition, attach->bound_text));
	AtEOXact_GUC(false, nestlevel);
	SPI_finish();
	PopActiveSnapshot();
}

/*
 * Do the columns and the constraints go together?  PostgreSQL says so of two
 * empty copies, whose expressions it opens as the caller: so only where nobody
 * else wrote any.  Otherwise, and without the right to make temporary tables,
 * the last step finds out.
 */
static void
check_columns(Attach *attach)
{
	ErrorData  *error;

	if (XactReadOnly || authors_of_relation(attach->parent->oid) != NIL ||
		authors_of_relation(attach->partition->oid) != NIL ||
		strcmp(attach->parent->name, attach->partition->name) == 0 ||
		object_aclcheck(DatabaseRelationId, MyDatabaseId, GetUserId(), ACL_CREATE_TEMP) != ACLCHECK_OK ||
		OidIsValid(RangeVarGetRelid(makeRangeVar("pg_temp", attach->parent->name, -1), NoLock, true)) ||
		OidIsValid(RangeVarGetRelid(makeRangeVar("pg_temp", attach->partition->name, -1), NoLock, true)))
		return;
	if (attempt_run(attach_copies, attach, ATTEMPT_UNDO, &error))
		return;
	/* what was run says nothing to the caller */
	error->context = NULL;
	error->cursorpos = error->internalpos = 0;
	error->internalquery = NULL;
	ReThrowError(error);
}

/* The clauses, over the parent's columns, as an expression over those of rel. */
static List *
clauses_over(const Attach *attach, FactRelation *rel, List *clauses)
{
	List	   *mapped = NIL;
	ListCell   *lc;
	int			nestlevel = NewGUCNestLevel();
	List	   *kept;

	identity_pin_formats();
	foreach(lc, clauses)
	{
		Node	   *clause = facts_map(lfirst(lc), attach->parent, rel);

		if (clause == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("child table is missing a column of the partition key of \"%s\"", attach->parent->name)));
		mapped = lappend(mapped, clause);
	}
	kept = deparse_kept((Node *) make_ands_explicit(mapped), rel->oid, InvalidAttrNumber, NIL);
	AtEOXact_GUC(false, nestlevel);
	return kept;
}

/* A CHECK that proves the clauses of each row, until the partition is attached. */
static void
plan_proof(Attach *attach, FactRelation *rel, List *clauses, const char *note)
{
	NamedArgs  *proof = palloc0(sizeof(NamedArgs));

	proof->relation = rel->oid;
	proof->name = ddl_own_name(attach->plan, psprintf("%s_bound", rel->name));
	plan_step(attach->plan, &verb_add_constraint, &(ConstraintArgs) {
		.relation = rel->oid, .name = proof->name, .kind = CONSTRAINT_CHECK,
		.expression = clauses_over(attach, rel, clauses),
	}, &(Step) {
		.phase = "migrate", .undoable = true,
		.relations = list_make1_oid(rel->oid), .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = pstrdup(note),
	});
	plan_validation(attach->plan, "migrate", rel->oid, proof->name);
	attach->proofs = lappend(attach->proofs, proof);
}

/* The constraint that the index is of must have a counterpart that is one too. */
static bool
has_index(const Attach *attach, FactIndex *index)
{
	bool		constraint = OidIsValid(get_index_constraint(index->oid));
	ListCell   *lc;

	foreach(lc, attach->partition->indexes)
	{
		FactIndex  *other = lfirst(lc);

		if (facts_index_matches(attach->parent, index, attach->partition, other) &&
			(!constraint || OidIsValid(get_index_constraint(other->oid))))
			return true;
		if (index->primary && other->primary && !other->dropped)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("multiple primary keys for table \"%s\" are not allowed", attach->partition->name),
					 errdetail("Its primary key is not that of %s.", facts_name(attach->parent))));
	}
	return false;
}

static void
plan_indexes(Attach *attach)
{
	List	   *taken = NIL;
	ListCell   *lc;

	foreach(lc, attach->parent->indexes)
	{
		FactIndex  *index = lfirst(lc);
		IndexTree	tree = {
			.plan = attach->plan, .root = attach->partition->oid, .indexid = index->oid, .taken = taken,
		};

		if (index->exclusion && !index->dropped)
			exclusion_check_found(attach->parent->oid);
		if (index->dropped || has_index(attach, index))
			continue;
		if (index->exclusion)
			exclusion_plan_like(attach->plan, attach->partition->oid, index->oid, &taken);
		else
		{
			index_tree_plan_like(&tree);
			taken = tree.taken;
		}
	}
}

/* As ADD CONSTRAINT takes it, every name qualified. */
static char *
constraint_text(Oid relid, Oid constraint)
{
	QuerySession session;
	char	   *text;

	query_begin_printing(&session, relid);
	QUERY("SELECT pg_get_constraintdef($1)", arg_oid(constraint));
	text = query_text(0, 1);
	query_end(&session);
	return text;
}

static void
plan_foreign_key(Attach *attach, FactConstraint *con, Oid leaf)
{
	char	   *name = ConstraintNameIsUsed(CONSTRAINT_RELATION, leaf, con->name) ?
		ddl_own_name(attach->plan, con->name) : con->name;

	plan_step(attach->plan, &verb_add_constraint, &(ConstraintArgs) {
		.relation = leaf, .name = name, .kind = 'd',
		.definition = constraint_text(attach->parent->oid, con->oid), .not_valid = true,
	}, &(Step) {
		.phase = "migrate", .undoable = true,
		.relations = list_make2_oid(leaf, con->referenced),
		.lock = ShareRowExclusiveLock, .undo_lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
	plan_validation(attach->plan, "migrate", leaf, name);
}

static bool
has_foreign_key(const Attach *attach, FactConstraint *con)
{
	ListCell   *lc;

	foreach(lc, attach->partition->constraints)
	{
		FactConstraint *other = lfirst(lc);

		if (other->valid && facts_same_foreign_key(attach->parent, con, attach->partition, other))
			return true;
	}
	return false;
}

static void
plan_foreign_keys(Attach *attach)
{
	ListCell   *lc;
	ListCell   *l;

	foreach(lc, attach->parent->constraints)
	{
		FactConstraint *con = lfirst(lc);

		if (con->dropped || con->type != 'f' || !con->enforced || !con->valid || has_foreign_key(attach, con))
			continue;
		foreach(l, find_all_inheritors(attach->partition->oid, AccessShareLock, NULL))
		{
			if (get_rel_relkind(lfirst_oid(l)) == RELKIND_RELATION)
				plan_foreign_key(attach, con, lfirst_oid(l));
		}
	}
}

/* Rows in the default partition that belong to the new one: then none can be attached. */
static void
plan_default_partition(Attach *attach)
{
	FactRelation *rel = attach->bound.default_partition;
	List	   *clauses = attach->bound.others;
	Facts	   *facts = facts_create(true);

	if (rel == NULL || facts_unproven_members(facts, rel, clauses, attach->parent) == NIL)
		return;
	plan_step(attach->plan, &verb_assert, &(AssertArgs) {
		.relation = rel->oid, .sqlstate = "23514",
		.message = psprintf("updated partition constraint for default partition \"%s\" would be violated", rel->name),
		.row = fit_row_name(rel->oid),
		.violation = expression_format("NOT (%e)", clauses_over(attach, rel, clauses)),
	}, &(Step) {
		.phase = "migrate", .relations = list_make1_oid(rel->oid), .lock = AccessShareLock, .work = READS_TABLE,
		.note = "gives no row if none of the new partition is in the default one",
	});
	plan_proof(attach, rel, clauses,
			   "from here until the partition is attached, rows within its bound are refused");
}

/* Tables whose triggers for foreign keys come or go with the partition. */
static List *
foreign_key_tables(Facts *facts, FactRelation *rel)
{
	List	   *relids = NIL;
	ListCell   *lc;

	foreach(lc, rel->constraints)
	{
		FactConstraint *con = lfirst(lc);

		if (con->type == 'f' && !con->dropped)
			relids = list_append_unique_oid(relids, con->referenced);
	}
	foreach(lc, facts_foreign_keys_to(facts, rel))
		relids = list_append_unique_oid(relids, ((FactForeignKey *) lfirst(lc))->rel->oid);
	return relids;
}

static void
plan_attach(Attach *attach, Facts *facts)
{
	List	   *relids = list_make1_oid(attach->partition->oid);

	if (attach->bound.default_partition != NULL)
		relids = lappend_oid(relids, attach->bound.default_partition->oid);
	relids = list_concat_unique_oid(relids, foreign_key_tables(facts, attach->parent));
	plan_step(attach->plan, &verb_attach_partition, &(PartitionArgs) {
		.relation = attach->parent->oid, .partition = attach->partition->oid,
		.bound = attach->bound_text, .proofs = attach->proofs,
	}, &(Step) {
		.phase = "migrate",
		.relations = list_delete_oid(relids, attach->parent->oid), .lock = AccessExclusiveLock,
		.beside = list_make1_oid(attach->parent->oid), .work = CATALOG_ONLY,
		.note = "all that it demands is proved: no scan; " NO_PARTITION_LEFT,
	});
}

static void
make_attach(MigrationPlan *plan, Change *change)
{
	PartitionCmd *cmd = partition_command(change);
	Facts	   *facts = facts_create(true);
	Oid			relid = RangeVarGetRelid(cmd->name, AccessShareLock, false);
	Attach		attach = {.plan = plan};
	List	   *clauses;

	check_new_partition(relid, plan->relid);
	attach.parent = facts_by_oid(facts, plan->relid);
	attach.partition = facts_by_oid(facts, relid);
	facts_detail(facts, attach.parent);
	facts_detail(facts, attach.partition);
	facts_bound(facts, attach.parent, cmd->bound, &attach.bound);
	check_overlap(&attach, change);
	attach.bound_text = deparse_bound(attach.bound.spec);
	check_columns(&attach);

	plan_indexes(&attach);
	plan_foreign_keys(&attach);
	clauses = list_concat_copy(attach.bound.bound, attach.bound.inherited);
	if (facts_unproven_members(facts, attach.partition, clauses, attach.parent) != NIL)
		plan_proof(&attach, attach.partition, clauses, "");
	plan_default_partition(&attach);
	plan_attach(&attach, facts);
}

const PlanKind plan_attach_partition = {
	.name = "attach_partition",
	.claims = claims,
	.make = make_attach,
	.one_shape = true,
	.partition_ok = true,
};

/* Without CONCURRENTLY: the whole tree is locked for an instant. */
static void
plan_detach_at_once(MigrationPlan *plan, const PartitionArgs *partition, List *others)
{
	plan_step(plan, &verb_detach_partition, partition, &(Step) {
		.phase = "migrate", .relations = lcons_oid(plan->relid, others), .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "PostgreSQL has no CONCURRENTLY beside a default partition",
	});
}

/*
 * What is broken off after the partition's detaching has been committed has to
 * be finished by another statement: PostgreSQL keeps the first from being run
 * again.
 */
static void
plan_detach_concurrently(MigrationPlan *plan, const PartitionArgs *partition)
{
	plan_step(plan, &verb_detach_partition_concurrently, partition, &(Step) {
		.phase = "migrate",
		.relations = list_make2_oid(partition->partition, plan->relid), .lock = ShareUpdateExclusiveLock, .work = CATALOG_ONLY,
		.note = "waits for transactions that use the table; leaves the partition a CHECK of its bound",
	});
	plan_step(plan, &verb_finalize_detach, partition, &(Step) {
		.phase = "migrate", .relations = list_make1_oid(partition->partition), .lock = AccessExclusiveLock,
		.beside = list_make1_oid(plan->relid), .work = CATALOG_ONLY,
		.note = "only if the step before was broken off",
	});
}

static void
make_detach(MigrationPlan *plan, Change *change)
{
	PartitionCmd *cmd = partition_command(change);
	Oid			relid = RangeVarGetRelid(cmd->name, AccessShareLock, false);
	PartitionArgs partition = {.relation = plan->relid, .partition = relid};
	Facts	   *facts = facts_create(true);
	FactRelation *parent = facts_by_oid(facts, plan->relid);
	ListCell   *lc;

	if (!get_rel_relispartition(relid) || get_partition_parent(relid, true) != plan->relid)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" is not a partition of relation \"%s\"",
						get_rel_name(relid), get_rel_name(plan->relid))));
	facts_detail(facts, parent);
	foreach(lc, facts_foreign_keys_to(facts, parent))
	{
		FactForeignKey *fk = lfirst(lc);

		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.migrate() cannot detach a partition of %s, which foreign key \"%s\" references",
						facts_name(parent), fk->con->name),
				 errdetail("PostgreSQL would read all of %s for rows that reference the partition, and keep writers out meanwhile.",
						   facts_name(fk->rel)),
				 errhint("Drop the foreign key first, and add it again afterwards by zdm.migrate(); or delete the partition's rows in batches.")));
	}
	if (OidIsValid(get_default_partition_oid(plan->relid)))
		plan_detach_at_once(plan, &partition, foreign_key_tables(facts, parent));
	else
		plan_detach_concurrently(plan, &partition);
}

const PlanKind plan_detach_partition = {
	.name = "detach_partition",
	.claims = claims,
	.make = make_detach,
	.one_shape = true,
	.partition_ok = true,
};
