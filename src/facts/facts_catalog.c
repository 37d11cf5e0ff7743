/*-------------------------------------------------------------------------
 *
 * facts_catalog.c
 *		Rarer questions to the live catalog.
 *
 * Where a catalog has no index for the question, it is read from end to end:
 * these are asked before statements that are rare themselves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_database.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_sequence.h"
#include "catalog/pg_shdepend.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "core/guc.h"
#include "facts/facts_catalog.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "compat.h"

/* The rows of a catalog whose column equals a value; by an index if there is one. */
static List *
find_rows(Oid catalogid, Oid indexid, AttrNumber attnum, Oid value, AttrNumber attnum2, Oid value2)
{
	Relation	catalog = table_open(catalogid, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *rows = NIL;
	int			nkeys = 1;

	ScanKeyInit(&key[0], attnum, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(value));
	if (attnum2 != 0)
		ScanKeyInit(&key[nkeys++], attnum2, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(value2));
	scan = systable_beginscan(catalog, indexid, OidIsValid(indexid), NULL, nkeys, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		rows = lappend(rows, heap_copytuple(tuple));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return rows;
}

static List *
referenced_columns(HeapTuple tuple)
{
	Datum		datum = SysCacheGetAttrNotNull(CONSTROID, tuple, Anum_pg_constraint_confkey);
	ArrayType  *array = DatumGetArrayTypeP(datum);
	List	   *columns = NIL;

	for (int i = 0; i < ARR_DIMS(array)[0]; i++)
		columns = lappend_int(columns, ((int16 *) ARR_DATA_PTR(array))[i]);
	return columns;
}

List *
facts_foreign_keys_to(Facts *facts, FactRelation *rel)
{
	List	   *keys = NIL;
	ListCell   *lc;

	if (!OidIsValid(rel->oid))
		return NIL;
	foreach(lc, find_rows(ConstraintRelationId, InvalidOid, Anum_pg_constraint_confrelid,
						  rel->oid, 0, InvalidOid))
	{
		HeapTuple	tuple = (HeapTuple) lfirst(lc);
		Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);
		FactRelation *referencing = facts_by_oid(facts, form->conrelid);
		FactForeignKey *fk;
		FactConstraint *con;

		if (form->contype != CONSTRAINT_FOREIGN || referencing == NULL ||
			OidIsValid(form->conparentid))
			continue;
		facts_detail(facts, referencing);
		con = facts_constraint(referencing, NameStr(form->conname));
		if (con == NULL)
			continue;
		fk = palloc(sizeof(FactForeignKey));
		fk->rel = referencing;
		fk->con = con;
		fk->keys = referenced_columns(tuple);
		keys = lappend(keys, fk);
	}
	return keys;
}

/* Without a list it is the primary key, and any foreign key of the same columns will do. */
static bool
references_columns(HeapTuple tuple, Oid relid, List *names)
{
	List	   *attnums = referenced_columns(tuple);
	ListCell   *la;
	ListCell   *ln;

	if (names == NIL)
		return true;
	if (list_length(attnums) != list_length(names))
		return false;
	forboth(la, attnums, ln, names)
	{
		if (get_attnum(relid, strVal(lfirst(ln))) != lfirst_int(la))
			return false;
	}
	return true;
}

bool
facts_like_foreign_key(FactConstraint *own, const Constraint *added)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(own->oid));
	Form_pg_constraint form;
	bool		same;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_constraint) GETSTRUCT(tuple);
	same = form->confupdtype == added->fk_upd_action &&
		form->confdeltype == added->fk_del_action &&
		form->confmatchtype == added->fk_matchtype &&
		form->condeferrable == added->deferrable &&
		form->condeferred == added->initdeferred &&
		!OidIsValid(form->conparentid) &&
		references_columns(tuple, form->confrelid, added->pk_attrs);
	ReleaseSysCache(tuple);
	return same;
}

Oid
facts_parent(FactRelation *rel)
{
	List	   *rows;

	if (!OidIsValid(rel->oid))
		return InvalidOid;
	rows = find_rows(InheritsRelationId, InheritsRelidSeqnoIndexId,
					 Anum_pg_inherits_inhrelid, rel->oid, 0, InvalidOid);
	if (rows == NIL)
		return InvalidOid;
	return ((Form_pg_inherits) GETSTRUCT((HeapTuple) linitial(rows)))->inhparent;
}

static bool
column_statistics(FactRelation *rel, FactColumn *col, double *distinct, double *nulls)
{
	HeapTuple	tuple;
	Form_pg_statistic form;

	/* Statistics tell what a column holds: to whoever owns it, as ALTER TABLE is for him alone. */
	if (!OidIsValid(rel->oid) || col->fresh || !has_privs_of_role(GetUserId(), rel->author))
		return false;
	tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(rel->oid),
							Int16GetDatum(col->attnum), BoolGetDatum(false));
	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_statistic) GETSTRUCT(tuple);
	*distinct = form->stadistinct;
	*nulls = form->stanullfrac;
	ReleaseSysCache(tuple);
	return true;
}

double
facts_null_fraction(FactRelation *rel, FactColumn *col)
{
	double		distinct;
	double		nulls;

	return column_statistics(rel, col, &distinct, &nulls) && rel->heap_blocks > 0 ? nulls : 0;
}

/* Pages that a look reads at each end of a table. */
#define LOOK_BLOCKS	64

static bool
range_holds_nulls(Relation relation, AttrNumber attnum, BlockNumber start)
{
	TableScanDesc scan = table_beginscan_strat(relation, GetActiveSnapshot(), 0, NULL, true, false);
	HeapTuple	tuple;
	bool		found = false;

	heap_setscanlimits(scan, start, LOOK_BLOCKS);
	while (!found && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
		found = heap_attisnull(tuple, attnum, RelationGetDescr(relation));
	table_endscan(scan);
	return found;
}

/* By heap pages and not by a query, which would run the policies of the table. */
bool
facts_holds_nulls(FactRelation *rel, FactColumn *col)
{
	Relation	relation;
	bool		found;

	if (rel->kind != RELKIND_RELATION || !OidIsValid(rel->oid) || col->fresh ||
		rel->heap_blocks < Max(guc_guard_min_size, 2 * LOOK_BLOCKS) ||
		!object_ownercheck(RelationRelationId, rel->oid, GetUserId()))
		return false;
	relation = try_relation_open(rel->oid, AccessShareLock);
	if (relation == NULL)
		return false;
	found = relation->rd_tableam == GetHeapamTableAmRoutine() &&
		col->attnum <= RelationGetNumberOfAttributes(relation) &&
		(range_holds_nulls(relation, col->attnum, 0) ||
		 range_holds_nulls(relation, col->attnum, rel->heap_blocks - LOOK_BLOCKS));
	relation_close(relation, AccessShareLock);
	return found;
}

char *
facts_default_text(FactRelation *rel, const char *column)
{
	Relation	relation = OidIsValid(rel->oid) ? try_relation_open(rel->oid, AccessShareLock) : NULL;
	AttrNumber	attnum = OidIsValid(rel->oid) ? get_attnum(rel->oid, column) : InvalidAttrNumber;
	char	   *text = NULL;
	TupleConstr *constr;

	if (relation == NULL)
		return NULL;
	constr = RelationGetDescr(relation)->constr;
	for (int i = 0; constr != NULL && i < constr->num_defval; i++)
	{
		if (constr->defval[i].adnum == attnum &&
			TupleDescAttr(RelationGetDescr(relation), attnum - 1)->attgenerated == '\0')
			text = deparse_expression(stringToNode(constr->defval[i].adbin), NIL, false, false);
	}
	relation_close(relation, AccessShareLock);
	return text;
}

static double
row_estimate(FactRelation *rel)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(rel->oid));
	double		rows = 0;

	if (HeapTupleIsValid(tuple))
	{
		rows = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
		ReleaseSysCache(tuple);
	}
	return rows;
}

/*
 * More rows than there can be combinations of values hold one of them twice.
 * ANALYZE stores a negative fraction of the rows when it takes the number of
 * values to grow with them; -1 less the nulls means that it saw no value twice.
 * A tenth is room for what was sampled and what changed.
 */
bool
facts_has_duplicates(FactRelation *rel, List *columns, bool nulls_equal)
{
	double		rows = rel->heap_blocks > 0 && columns != NIL ? row_estimate(rel) : 0;
	double		combinations = 1;
	double		with_null = 0;
	ListCell   *lc;

	if (rows <= 0)
		return false;
	foreach(lc, columns)
	{
		double		distinct;
		double		nulls;

		if (!column_statistics(rel, (FactColumn *) lfirst(lc), &distinct, &nulls))
			return false;
		/* A column of nulls alone has no values, and any number of rows. */
		if (distinct == 0 && !nulls_equal)
			return false;
		combinations *= (distinct < 0 ? -distinct * rows : distinct) + (nulls_equal && nulls > 0 ? 1 : 0);
		with_null += nulls;
	}
	return combinations < 0.9 * (nulls_equal ? 1 : 1 - Min(with_null, 1)) * rows;
}

static void
add_type_users(Facts *facts, Oid type, List **relations, int depth)
{
	ListCell   *lc;

	if (depth > 10)
		return;
	foreach(lc, find_rows(DependRelationId, DependReferenceIndexId, Anum_pg_depend_refclassid,
						  TypeRelationId, Anum_pg_depend_refobjid, type))
	{
		Form_pg_depend dep = (Form_pg_depend) GETSTRUCT((HeapTuple) lfirst(lc));
		FactRelation *rel;

		if (dep->classid == TypeRelationId)
			add_type_users(facts, dep->objid, relations, depth + 1);
		if (dep->classid != RelationRelationId || dep->objsubid <= 0)
			continue;
		add_type_users(facts, get_rel_type_id(dep->objid), relations, depth + 1);
		rel = facts_by_oid(facts, dep->objid);
		if (rel != NULL && rel->kind != RELKIND_COMPOSITE_TYPE)
			*relations = list_append_unique_ptr(*relations, rel);
	}
}

List *
facts_type_users(Facts *facts, Oid type)
{
	List	   *relations = NIL;

	add_type_users(facts, type, &relations, 0);
	return relations;
}

static bool
has_dependents(Oid type, Oid but)
{
	ListCell   *lc;

	foreach(lc, find_rows(DependRelationId, DependReferenceIndexId,
						  Anum_pg_depend_refclassid, TypeRelationId,
						  Anum_pg_depend_refobjid, type))
	{
		Form_pg_depend dep = (Form_pg_depend) GETSTRUCT((HeapTuple) lfirst(lc));

		if (dep->classid != TypeRelationId || dep->objid != but)
			return true;
	}
	return false;
}

bool
facts_type_is_used(Facts *facts, Oid type)
{
	Oid			array = get_array_type(type);

	return has_dependents(type, array) || (OidIsValid(array) && has_dependents(array, type));
}

bool
facts_is_fresh(int cache, Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(cache, ObjectIdGetDatum(oid));
	bool		fresh;

	if (!HeapTupleIsValid(tuple))
		return true;
	fresh = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)) &&
		!(tuple->t_data->t_infomask & HEAP_UPDATED);
	ReleaseSysCache(tuple);
	return fresh;
}

bool
facts_type_is_not_null(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	bool		notnull;

	if (!HeapTupleIsValid(tuple))
		return false;
	notnull = ((Form_pg_type) GETSTRUCT(tuple))->typnotnull;
	ReleaseSysCache(tuple);
	return notnull;
}

List *
facts_typed_tables(Facts *facts, Oid type)
{
	List	   *relations = NIL;
	ListCell   *lc;

	foreach(lc, find_rows(RelationRelationId, InvalidOid, Anum_pg_class_reloftype, type, 0, InvalidOid))
	{
		FactRelation *rel = facts_by_oid(facts, ((Form_pg_class) GETSTRUCT((HeapTuple) lfirst(lc)))->oid);

		if (rel != NULL)
			relations = lappend(relations, rel);
	}
	return relations;
}

static void
add_domain_users(Facts *facts, Oid type, List **relations, int depth)
{
	ListCell   *lc;

	if (depth > 10)
		return;
	foreach(lc, find_rows(DependRelationId, DependReferenceIndexId, Anum_pg_depend_refclassid,
						  TypeRelationId, Anum_pg_depend_refobjid, type))
	{
		Form_pg_depend dep = (Form_pg_depend) GETSTRUCT((HeapTuple) lfirst(lc));
		FactRelation *rel;

		/* PostgreSQL follows domains over the domain, but neither arrays nor row types. */
		if (dep->classid == TypeRelationId && get_typtype(dep->objid) == TYPTYPE_DOMAIN)
			add_domain_users(facts, dep->objid, relations, depth + 1);
		if (dep->classid != RelationRelationId || dep->objsubid <= 0)
			continue;
		rel = facts_by_oid(facts, dep->objid);
		if (rel != NULL && (rel->kind == RELKIND_RELATION || rel->kind == RELKIND_MATVIEW))
			*relations = list_append_unique_ptr(*relations, rel);
	}
}

List *
facts_domain_users(Facts *facts, Oid domain)
{
	List	   *relations = NIL;

	add_domain_users(facts, domain, &relations, 0);
	return relations;
}

Oid
facts_type_owner(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			owner = GetUserId();

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_type) GETSTRUCT(tuple))->typowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

bool
facts_type_has_constraint(Oid type)
{
	return find_rows(ConstraintRelationId, ConstraintTypidIndexId, Anum_pg_constraint_contypid,
					 type, 0, InvalidOid) != NIL;
}

bool
facts_schema_is_used(Oid nspid)
{
	return find_rows(RelationRelationId, InvalidOid, Anum_pg_class_relnamespace, nspid, 0, InvalidOid) != NIL ||
		find_rows(ProcedureRelationId, InvalidOid, Anum_pg_proc_pronamespace, nspid, 0, InvalidOid) != NIL ||
		find_rows(TypeRelationId, InvalidOid, Anum_pg_type_typnamespace, nspid, 0, InvalidOid) != NIL;
}

bool
facts_role_matters(Oid role)
{
	ListCell   *lc;

	foreach(lc, find_rows(SharedDependRelationId, SharedDependReferenceIndexId,
						  Anum_pg_shdepend_refclassid, AuthIdRelationId,
						  Anum_pg_shdepend_refobjid, role))
	{
		Form_pg_shdepend dep = (Form_pg_shdepend) GETSTRUCT((HeapTuple) lfirst(lc));

		if (dep->dbid == MyDatabaseId)
			return true;
	}
	return false;
}

List *
facts_relations_of(Facts *facts, Oid role)
{
	List	   *relations = NIL;
	ListCell   *lc;

	foreach(lc, find_rows(SharedDependRelationId, SharedDependReferenceIndexId,
						  Anum_pg_shdepend_refclassid, AuthIdRelationId,
						  Anum_pg_shdepend_refobjid, role))
	{
		Form_pg_shdepend dep = (Form_pg_shdepend) GETSTRUCT((HeapTuple) lfirst(lc));
		FactRelation *rel = NULL;

		if (dep->dbid != MyDatabaseId)
			continue;
		if (dep->classid == NamespaceRelationId)
			relations = list_concat_unique_ptr(relations, facts_in_schema(facts, dep->objid));
		else if (dep->classid == RelationRelationId)
			rel = facts_by_oid(facts, dep->objid);
		if (rel != NULL)
			relations = list_append_unique_ptr(relations, rel);
	}
	return relations;
}

bool
facts_has_clustered_index(FactRelation *rel)
{
	ListCell   *lc;

	foreach(lc, find_rows(IndexRelationId, IndexIndrelidIndexId, Anum_pg_index_indrelid,
						  rel->oid, 0, InvalidOid))
	{
		if (((Form_pg_index) GETSTRUCT((HeapTuple) lfirst(lc)))->indisclustered)
			return true;
	}
	return false;
}

Oid
facts_identity_sequence(Oid relid, AttrNumber attnum)
{
	ListCell   *lc;

	foreach(lc, getOwnedSequences(relid))
	{
		Oid			owner;
		int32		column;

		if (sequenceIsOwned(lfirst_oid(lc), DEPENDENCY_INTERNAL, &owner, &column) && column == attnum)
			return lfirst_oid(lc);
	}
	return InvalidOid;
}

/* How far it is, from its one row. */
static bool
read_sequence(Oid seqid, FactSequence *seq)
{
	Relation	relation = try_relation_open(seqid, AccessShareLock);
	Buffer		buf;
	HeapTupleData tuple;
	Form_pg_sequence_data data;
	ItemId		item;

	if (relation == NULL)
		return false;
	/* as for pg_sequences: how far it is tells how much there is */
	if (pg_class_aclcheck(seqid, GetUserId(), ACL_SELECT | ACL_USAGE) != ACLCHECK_OK)
	{
		relation_close(relation, AccessShareLock);
		return false;
	}
	buf = ReadBuffer(relation, 0);
	LockBuffer(buf, BUFFER_LOCK_SHARE);
	item = PageGetItemId(BufferGetPage(buf), FirstOffsetNumber);
	tuple.t_data = (HeapTupleHeader) PageGetItem(BufferGetPage(buf), item);
	data = (Form_pg_sequence_data) GETSTRUCT(&tuple);
	seq->called = data->is_called;
	seq->last = data->last_value;
	UnlockReleaseBuffer(buf);
	relation_close(relation, AccessShareLock);
	return true;
}

int64
facts_last_value(Oid seqid)
{
	FactSequence seq;

	return read_sequence(seqid, &seq) && seq.called ? seq.last : 0;
}

bool
facts_sequence(Oid seqid, FactSequence *seq)
{
	HeapTuple	tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(seqid));
	Form_pg_sequence form;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_sequence) GETSTRUCT(tuple);
	seq->type = form->seqtypid;
	seq->start = form->seqstart;
	seq->increment = form->seqincrement;
	seq->max = form->seqmax;
	seq->min = form->seqmin;
	seq->cycle = form->seqcycle;
	ReleaseSysCache(tuple);
	return read_sequence(seqid, seq);
}

/* The table of a column's default. */
static Oid
table_of_default(Oid attrdef)
{
	List	   *rows = find_rows(AttrDefaultRelationId, AttrDefaultOidIndexId, Anum_pg_attrdef_oid,
								 attrdef, 0, InvalidOid);

	return rows == NIL ? InvalidOid : ((Form_pg_attrdef) GETSTRUCT((HeapTuple) linitial(rows)))->adrelid;
}

List *
facts_filled_by(Facts *facts, Oid seqid)
{
	List	   *relations = NIL;
	Oid			owner;
	int32		column;
	ListCell   *lc;

	if (sequenceIsOwned(seqid, DEPENDENCY_INTERNAL, &owner, &column) ||
		sequenceIsOwned(seqid, DEPENDENCY_AUTO, &owner, &column))
		relations = lappend(relations, facts_by_oid(facts, owner));
	foreach(lc, find_rows(DependRelationId, DependReferenceIndexId, Anum_pg_depend_refclassid,
						  RelationRelationId, Anum_pg_depend_refobjid, seqid))
	{
		Form_pg_depend dep = (Form_pg_depend) GETSTRUCT((HeapTuple) lfirst(lc));
		Oid			relid = dep->classid == AttrDefaultRelationId ? table_of_default(dep->objid) : InvalidOid;

		if (OidIsValid(relid))
			relations = list_append_unique_ptr(relations, facts_by_oid(facts, relid));
	}
	return list_delete_ptr(relations, NULL);
}

/* Who is granted a privilege by an access list: "client" by others than "role", or not. */
static bool
granted_otherwise(Acl *acl, Oid client, Oid role, AclMode privilege, bool *granted)
{
	bool		otherwise = false;

	*granted = false;
	for (int i = 0; i < ACL_NUM(acl); i++)
	{
		AclItem    *item = &ACL_DAT(acl)[i];

		if (!(ACLITEM_GET_PRIVS(*item) & privilege))
			continue;
		if (item->ai_grantee == role)
			*granted = true;
		else if (item->ai_grantee == ACL_ID_PUBLIC ||
				 (client != ACL_ID_PUBLIC && has_privs_of_role(client, item->ai_grantee)))
			otherwise = true;
	}
	return otherwise;
}

static Acl *
object_acl(int cache, Oid oid, AttrNumber attnum, ObjectType type, Oid owner)
{
	HeapTuple	tuple = SearchSysCache1(cache, ObjectIdGetDatum(oid));
	bool		isnull;
	Datum		datum;
	Acl		   *acl;

	if (!HeapTupleIsValid(tuple))
		return acldefault(type, owner);
	datum = SysCacheGetAttr(cache, tuple, attnum, &isnull);
	acl = isnull ? acldefault(type, owner) : DatumGetAclPCopy(datum);
	ReleaseSysCache(tuple);
	return acl;
}

bool
facts_schema_usage_only_by(Oid nspid, Oid client, Oid role)
{
	Acl		   *acl = object_acl(NAMESPACEOID, nspid, Anum_pg_namespace_nspacl, OBJECT_SCHEMA, InvalidOid);
	bool		granted;
	bool		otherwise = granted_otherwise(acl, client, role, ACL_USAGE, &granted);

	return granted && !otherwise;
}

bool
facts_connects_only_by(Oid client, Oid role)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	Oid			owner = HeapTupleIsValid(tuple) ? ((Form_pg_database) GETSTRUCT(tuple))->datdba : InvalidOid;
	bool		granted;
	bool		otherwise;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	otherwise = granted_otherwise(object_acl(DATABASEOID, MyDatabaseId, Anum_pg_database_datacl, OBJECT_DATABASE, owner),
								  client, role, ACL_CONNECT, &granted);
	return granted && !otherwise;
}

bool
facts_function_granted(Oid funcid, Oid role)
{
	Acl		   *acl = object_acl(PROCOID, funcid, Anum_pg_proc_proacl, OBJECT_FUNCTION, InvalidOid);
	bool		granted;
	bool		otherwise = granted_otherwise(acl, role, role, ACL_EXECUTE, &granted);

	return granted && (role == ACL_ID_PUBLIC || !otherwise);
}

bool
facts_function_callable(Oid funcid, Oid role)
{
	if (role == ACL_ID_PUBLIC)
		return facts_function_granted(funcid, role);
	return object_aclcheck(ProcedureRelationId, funcid, role, ACL_EXECUTE) == ACLCHECK_OK;
}

List *
facts_publication_tables(Facts *facts, const char *name)
{
	Oid			argtypes[1] = {TEXTOID};
	Datum		args[1];
	List	   *relids = NIL;
	List	   *relations = NIL;
	ListCell   *lc;
	MemoryContext context = CurrentMemoryContext;

	args[0] = CStringGetTextDatum(name);
	SPI_connect();
	if (SPI_execute_with_args("SELECT t.relid FROM pg_catalog.pg_get_publication_tables($1) t",
							  1, argtypes, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read publication \"%s\"", name);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		datum = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
		MemoryContext old = MemoryContextSwitchTo(context);

		relids = lappend_oid(relids, DatumGetObjectId(datum));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	foreach(lc, relids)
	{
		FactRelation *rel = facts_by_oid(facts, lfirst_oid(lc));

		if (rel != NULL)
			relations = lappend(relations, rel);
	}
	return relations;
}

char *
facts_function_identity(Oid nspid, const char *name, const Oid *types, int count)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s(", quote_qualified_identifier(get_namespace_name(nspid), name));
	for (int i = 0; i < count; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? "," : "", format_type_be_qualified(types[i]));
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

bool
facts_volatile_function(const char *name)
{
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	bool		found = false;

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		found |= proc->provolatile == PROVOLATILE_VOLATILE;
	}
	ReleaseSysCacheList(list);
	return found;
}

static bool
is_listed(List *identities, const char *identity)
{
	ListCell   *lc;

	foreach(lc, identities)
	{
		if (strcmp((char *) lfirst(lc), identity) == 0)
			return true;
	}
	return false;
}

/* By one of PostgreSQL's functions that take a name and give NULL if there is no such thing. */
static Oid
find_by_name(PGFunction find, const char *name)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		found;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = CStringGetTextDatum(name);
	fcinfo->args[0].isnull = false;
	found = find(fcinfo);
	return fcinfo->isnull ? InvalidOid : DatumGetObjectId(found);
}

bool
facts_function_exists(Facts *facts, const char *identity)
{
	return is_listed(facts->functions, identity) ||
		(!facts->simulated && OidIsValid(find_by_name(to_regprocedure, identity)));
}

char *
facts_type_identity(Oid type)
{
	return format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY);
}

bool
facts_type_exists(Facts *facts, const char *identity)
{
	return is_listed(facts->types, identity) ||
		(!facts->simulated && OidIsValid(find_by_name(to_regtype, identity)));
}

bool
facts_type_was_replaced(Facts *facts, const char *identity, Oid was)
{
	return !facts->simulated && find_by_name(to_regtype, identity) != was &&
		SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(was)) && facts_type_users(facts, was) != NIL;
}
