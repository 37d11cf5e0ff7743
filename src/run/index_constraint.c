/*-------------------------------------------------------------------------
 *
 * index_constraint.c
 *		A constraint made of an index that is there.
 *
 * For keys SQL has words for it, ADD CONSTRAINT ... USING INDEX; for exclusion
 * constraints, and keys WITHOUT OVERLAPS, it has none.  PostgreSQL's own functions make
 * all of them, and leave the catalog as plain ADD CONSTRAINT does.
 *
 * An exclusion constraint is kept by whoever writes: he reads which operators an index
 * excludes by when his statement opens it.  So the lock has to keep writers out, since
 * a transaction that has the table open goes on without the check; one that begins
 * after the commit finds it, prepared statements too, as the relation is invalidated.
 * Readers do not ask: they may go on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/folded.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "commands/tablecmds.h"
#include "core/debug_point.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/names.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_oper.h"
#include "parser/parser.h"
#include "plan/meaning.h"
#include "run/index_constraint.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "verbs/verbs.h"
#include "compat.h"

/* Columns in the index's expressions or its predicate, as pull_varattnos() has them. */
static Bitmapset *
columns_in(HeapTuple tuple, AttrNumber trees, Bitmapset *columns)
{
	bool		isnull;
	Datum		kept = SysCacheGetAttr(INDEXRELID, tuple, trees, &isnull);

	if (!isnull)
		pull_varattnos(stringToNode(TextDatumGetCString(kept)), 1, &columns);
	return columns;
}

/*
 * PostgreSQL knows constraints of an index that is there over plain columns only: then the
 * constraint depends on all of them, and it takes the index's own dependencies away.
 * Columns in expressions and in the predicate the index alone depends on.
 */
static void
depend_on_columns(Oid relid, Oid indexid)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	Bitmapset  *columns = columns_in(tuple, Anum_pg_index_indpred, columns_in(tuple, Anum_pg_index_indexprs, NULL));
	ObjectAddress index;
	int			i = -1;

	ReleaseSysCache(tuple);
	ObjectAddressSet(index, RelationRelationId, indexid);
	while ((i = bms_next_member(columns, i)) >= 0)
	{
		ObjectAddress column;

		ObjectAddressSubSet(column, RelationRelationId, relid, i + FirstLowInvalidHeapAttributeNumber);
		recordDependencyOn(&index, &column, DEPENDENCY_AUTO);
	}
}

Oid
index_constraint_make(Relation rel, Oid indexid, const IndexConstraint *made)
{
	Relation	index = index_open(indexid, AccessShareLock);
	IndexInfo  *info = folded_index_info(index);
	ObjectAddress address;

	index_close(index, NoLock);
	info->ii_ExclusionOps = made->operators;
	info->ii_ExclusionProcs = made->procs;
	info->ii_ExclusionStrats = made->strategies;
	address = index_constraint_create(rel, indexid, made->parent, info, made->name, made->type,
									  made->flags | INDEX_CONSTR_CREATE_UPDATE_INDEX | INDEX_CONSTR_CREATE_REMOVE_OLD_DEPS,
									  true, true);
	depend_on_columns(RelationGetRelid(rel), indexid);
	CommandCounterIncrement();
	return address.objectId;
}

/* The index that was built for it. */
static Oid
find_index(const Migration *migration, const ExclusionArgs *con)
{
	Oid			indexid = get_relname_relid(con->index, get_rel_namespace(con->relation));
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	Form_pg_index form = HeapTupleIsValid(tuple) ? (Form_pg_index) GETSTRUCT(tuple) : NULL;
	bool		usable = form != NULL && form->indrelid == con->relation && form->indisvalid;

	if (form != NULL)
		ReleaseSysCache(tuple);
	if (!usable)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index \"%s\" of %s was dropped, or is not valid", con->index, names_relation(con->relation)),
				 errhint("Go back with SELECT zdm.revert(" INT64_FORMAT "), and state it again.", migration->id)));
	return indexid;
}

/* What is called so now may be what the constraint is to be: then it has to make way. */
static void
take_name(const Migration *migration, const ExclusionArgs *con, Oid indexid)
{
	bool		renamed = strcmp(con->index, con->name) != 0;
	bool		relation = renamed && OidIsValid(get_relname_relid(con->name, get_rel_namespace(con->relation)));

	if (relation || ConstraintNameIsUsed(CONSTRAINT_RELATION, con->relation, con->name))
		ereport(ERROR,
				(errcode(relation ? ERRCODE_DUPLICATE_TABLE : ERRCODE_DUPLICATE_OBJECT),
				 errmsg("%s \"%s\" has come since the migration was stated", relation ? "relation" : "constraint", con->name),
				 errhint("Rename it or drop it, then SELECT zdm.resume(" INT64_FORMAT "), or go back with SELECT zdm.revert(" INT64_FORMAT ").",
						 migration->id, migration->id)));
	if (renamed)
		RenameRelationInternal(indexid, con->name, false, true);
	CommandCounterIncrement();
}

/* The types of what the index's keys are of: those of its own columns may be others. */
static Oid
key_type(Relation index, int i, ListCell **expression, List *expressions)
{
	AttrNumber	attnum = index->rd_index->indkey.values[i];
	Oid			type;

	if (attnum != InvalidAttrNumber)
		return get_atttype(index->rd_index->indrelid, attnum);
	type = exprType(lfirst(*expression));
	*expression = lnext(expressions, *expression);
	return type;
}

/* What stands in OPERATOR(...) as the parser has it. */
static List *
operator_names(const char *name)
{
	RawStmt    *raw = linitial_node(RawStmt, raw_parser(psprintf("SELECT 1 OPERATOR(%s) 1", name), RAW_PARSE_DEFAULT));
	ResTarget  *target = linitial_node(ResTarget, castNode(SelectStmt, raw->stmt)->targetList);

	return castNode(A_Expr, target->val)->name;
}

static void
set_operator(const Migration *migration, IndexConstraint *made, int i, const char *name, Oid type, Oid family)
{
	Oid			operator = compatible_oper_opid(operator_names(name), type, type, true);
	int			strategy = OidIsValid(operator) ? get_op_opfamily_strategy(operator, family) : 0;

	if (strategy == 0 || get_commutator(operator) != operator)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("operator %s of type %s is none that index \"%s\" can exclude by", name, format_type_be(type), made->name),
				 errdetail("It is not there any more, or none of the index's operators, or not commutative."),
				 errhint("Go back with SELECT zdm.revert(" INT64_FORMAT "), and state the constraint again.", migration->id)));
	made->operators[i] = operator;
	made->procs[i] = get_opcode(operator);
	made->strategies[i] = strategy;
}

/* The types are those of the index by now: of a column that has another one, another operator is meant. */
static void
set_operators(const Migration *migration, IndexConstraint *made, const ExclusionArgs *con, Oid indexid)
{
	Relation	index = index_open(indexid, AccessShareLock);
	List	   *expressions = folded_index_expressions(index);
	ListCell   *expression = list_head(expressions);
	int			n = IndexRelationGetNumberOfKeyAttributes(index);

	made->operators = palloc0(n * sizeof(Oid));
	made->procs = palloc0(n * sizeof(Oid));
	made->strategies = palloc0(n * sizeof(uint16));
	for (int i = 0; i < n; i++)
		set_operator(migration, made, i, list_nth(con->operators, i), key_type(index, i, &expression, expressions),
					 index->rd_opfamily[i]);
	index_close(index, NoLock);
}

/* In this transaction as in the look: by no operator that was not there when the migration was stated. */
static void
check_meaning(const Migration *migration, const ExclusionArgs *con)
{
	Making		making = {.migration = migration->id, .flavour = FLAVOUR_RUN};

	meaning_check_text(migration->id, exclusion_look_sql(&making, con));
}

/* Somebody may have given the table another one since, or taken NOT NULL from a column. */
static void
check_primary_key(Relation rel, Oid indexid)
{
	Relation	index = index_open(indexid, AccessShareLock);

	index_check_primary_key(rel, folded_index_info(index), true, NULL);
	index_close(index, NoLock);
}

/* Only now: what an index that says so excludes by is read from the constraint. */
static void
set_exclusion(Relation rel, Oid indexid, bool unique)
{
	Relation	catalog = table_open(IndexRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(INDEXRELID, ObjectIdGetDatum(indexid));

	((Form_pg_index) GETSTRUCT(tuple))->indisexclusion = true;
	((Form_pg_index) GETSTRUCT(tuple))->indisunique = unique;
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	heap_freetuple(tuple);
	table_close(catalog, RowExclusiveLock);
	CacheInvalidateRelcache(rel);
	CommandCounterIncrement();
}

void
index_constraint_exclude(const Migration *migration, const Step *step)
{
	const ExclusionArgs *con = verb_args(step);
	bool		primary = con->type == CONSTRAINT_PRIMARY;
	bool		key = con->type != CONSTRAINT_EXCLUSION;
	IndexConstraint made = {
		.name = con->name, .type = con->type,
		.flags = (con->deferrable ? INDEX_CONSTR_CREATE_DEFERRABLE : 0) |
			(con->deferred ? INDEX_CONSTR_CREATE_INIT_DEFERRED : 0) |
			(primary ? INDEX_CONSTR_CREATE_MARK_AS_PRIMARY : 0) | (key ? ZDM_INDEX_WITHOUT_OVERLAPS : 0),
	};
	Relation	rel;
	Oid			indexid;
	Identity	identity;

	guc_bound_lock_waits();
	indexid = find_index(migration, con);
	/* the index's expressions are read, and folded, which runs what they call */
	identity_enter(migration->owner, NIL, &identity);
	rel = table_open(con->relation, NoLock);
	check_meaning(migration, con);
	take_name(migration, con, indexid);
	set_operators(migration, &made, con, indexid);
	if (primary)
		check_primary_key(rel, indexid);
	(void) index_constraint_make(rel, indexid, &made);
	set_exclusion(rel, indexid, key);
	table_close(rel, NoLock);
	identity_leave(&identity);
	ZDM_DEBUG_POINT("exclusion-made");
}
