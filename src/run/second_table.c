/*-------------------------------------------------------------------------
 *
 * second_table.c
 *		Making the hidden table, building its indexes, exchanging the storages.
 *
 * All of it is done in the catalog, not by DDL: there is none for a table whose
 * writes logical decoding leaves out (pg_class.relrewrite), for one with dropped
 * columns, nor for an exchange of storages; and no event trigger fires for what
 * nobody has stated.
 *
 * Indexes are built after the copy, CONCURRENTLY: a plain build would keep the trigger
 * out of the hidden table, and with it the writers.  An empty, invalid one is entered
 * into the catalog, from the parse trees that the table's own has, and REINDEX INDEX
 * CONCURRENTLY does the rest.  It waits for the transactions of writers and holds
 * nothing that they want, so no deadlock can come of it.  The key alone is there from
 * the beginning, for the trigger to find rows by.
 *
 * The exchange is of rows of pg_class: heap, TOAST table and each index trade their
 * files, tablespaces and what is known of these.  All else of the table, its OID
 * first, is as it was.  The TOAST tables trade their owners, not their files, as
 * values hold the OID of the TOAST table they are in.
 *
 * The hidden table is from the beginning what the table is to be: in another tablespace,
 * of another access method, logged or not.  A crash empties what is not logged, be it
 * the one or the other of the two, and all is begun anew then.
 *
 * Rows that were copied are newer than those they are copies of.  A snapshot from
 * before would not see them: so the exchange comes only after the last of these, and
 * the horizon that VACUUM goes by tells when that is, standbys' included; a standby
 * that sends no feedback is told by a record of its own to end what is older.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/attmap.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/toast_internals.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/folded.h"
#include "catalog/heap.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/persistence.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "catalog/second_security.h"
#include "catalog/table_key.h"
#include "commands/cluster.h"
#include "commands/defrem.h"
#include "commands/sequence.h"
#include "commands/tablecmds.h"
#include "commands/tablespace.h"
#include "commands/trigger.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "rewrite/rewriteManip.h"
#include "run/index_like.h"
#include "run/partitioned_like.h"
#include "run/second_table.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "sync/apply.h"
#include "sync/table_trigger.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "compat.h"

/* The like of the table's index in the hidden one; the migration is in it, so it is nobody else's. */
static char *
index_name(const Second *second, Oid indexid)
{
	return psprintf("zdm_" INT64_FORMAT "_%u", second->migration, indexid);
}

/* The index's operator classes, as far as index_create() wants them. */
static void
index_details(Relation index, List **columns, Oid **classes, Datum **class_options)
{
	TupleDesc	desc = RelationGetDescr(index);
	HeapTuple	tuple = index->rd_indextuple;
	oidvector  *indclass;

	indclass = (oidvector *) DatumGetPointer(SysCacheGetAttrNotNull(INDEXRELID, tuple, Anum_pg_index_indclass));
	*columns = NIL;
	*classes = palloc0(desc->natts * sizeof(Oid));
	*class_options = palloc0(desc->natts * sizeof(Datum));
	for (int i = 0; i < desc->natts; i++)
	{
		*columns = lappend(*columns, pstrdup(NameStr(TupleDescAttr(desc, i)->attname)));
		(*class_options)[i] = get_attoptions(RelationGetRelid(index), i + 1);
		if (i < IndexRelationGetNumberOfKeyAttributes(index))
			(*classes)[i] = indclass->values[i];
	}
}

static Datum
relation_options(HeapTuple tuple)
{
	bool		isnull;
	Datum		options = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_reloptions, &isnull);

	return isnull ? (Datum) 0 : options;
}

/* By name, as a column may be of another type. */
static AttrMap *
map_by_name(Relation source, Relation hidden)
{
	TupleDesc	desc = RelationGetDescr(source);
	AttrMap    *map = make_attrmap(desc->natts);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		map->attnums[i] = att->attisdropped ? InvalidAttrNumber : get_attnum(RelationGetRelid(hidden), NameStr(att->attname));
	}
	return map;
}

/* Expressions and columns of an index of relid, as the hidden table has the columns. */
static void
map_columns(Oid relid, Relation hidden, IndexInfo *info)
{
	Relation	source = table_open(relid, NoLock);
	AttrMap    *map = map_by_name(source, hidden);
	bool		whole_row[2];

	for (int i = 0; i < info->ii_NumIndexAttrs; i++)
	{
		if (info->ii_IndexAttrNumbers[i] > 0)
			info->ii_IndexAttrNumbers[i] = map->attnums[info->ii_IndexAttrNumbers[i] - 1];
	}
	info->ii_Expressions = (List *) map_variable_attnos((Node *) info->ii_Expressions, 1, 0, map, InvalidOid, &whole_row[0]);
	info->ii_Predicate = (List *) map_variable_attnos((Node *) info->ii_Predicate, 1, 0, map, InvalidOid, &whole_row[1]);
	if (whole_row[0] || whole_row[1])
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("an index of %s is about whole rows, and those will be of another type", names_relation(relid)),
				 errhint("Drop the index, and make it again of the columns.")));
	table_close(source, NoLock);
}

/* BuildIndexInfo() has them as the planner simplifies them, which would show in a dump. */
static void
read_as_stated(Relation index, IndexInfo *info)
{
	HeapTuple	tuple = index->rd_indextuple;
	bool		isnull;
	Datum		tree = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indexprs, &isnull);

	info->ii_Expressions = isnull ? NIL : castNode(List, stringToNode(TextDatumGetCString(tree)));
	tree = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indpred, &isnull);
	info->ii_Predicate = isnull ? NIL : make_ands_implicit(stringToNode(TextDatumGetCString(tree)));
}

/* How the like of an index is entered into the catalog. */
static bits16
creation_flags(Relation hidden, bool key)
{
	if (hidden->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		return INDEX_CREATE_PARTITIONED | INDEX_CREATE_SKIP_BUILD | (key ? 0 : INDEX_CREATE_INVALID);
	return key ? 0 : INDEX_CREATE_CONCURRENT | INDEX_CREATE_SKIP_BUILD;
}

static bool
is_primary(Oid indexid)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	bool		primary = ((Form_pg_index) GETSTRUCT(tuple))->indisprimary;

	ReleaseSysCache(tuple);
	return primary;
}

/* An index on a partition is called as PostgreSQL would call it, the other one after the index that it is like. */
static char *
choose_name(const Second *second, Relation hidden, Oid indexid, Oid parent, List *columns)
{
	Oid			constraint = get_index_constraint(indexid);
	bool		primary = is_primary(indexid);
	StringInfoData names;
	ListCell   *lc;

	if (!OidIsValid(parent))
		return index_name(second, indexid);
	initStringInfo(&names);
	foreach(lc, columns)
		appendStringInfo(&names, "%s%s", names.len > 0 ? "_" : "", (char *) lfirst(lc));
	return ChooseRelationName(RelationGetRelationName(hidden), primary ? NULL : names.data,
							  primary ? "pkey" : OidIsValid(constraint) ? "key" : "idx", RelationGetNamespace(hidden), false);
}

/* The columns of a new key. */
static void
set_columns(Relation hidden, IndexInfo *info, List *names, List **columns, Oid **classes, Oid **collations)
{
	ListCell   *lc;
	int			n = 0;

	*columns = NIL;
	*classes = palloc(list_length(names) * sizeof(Oid));
	*collations = palloc(list_length(names) * sizeof(Oid));
	foreach(lc, names)
	{
		AttrNumber	attnum = get_attnum(RelationGetRelid(hidden), lfirst(lc));
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(hidden), attnum - 1);

		info->ii_IndexAttrNumbers[n] = attnum;
		(*classes)[n] = GetDefaultOpClass(att->atttypid, BTREE_AM_OID);
		(*collations)[n++] = att->attcollation;
		*columns = lappend(*columns, pstrdup(lfirst(lc)));
	}
	info->ii_NumIndexAttrs = info->ii_NumIndexKeyAttrs = n;
}

Oid
second_table_create_index(const Second *second, Relation hidden, Oid indexid, Oid parent, SecondKey *key)
{
	Relation	index = index_open(indexid, AccessShareLock);
	IndexInfo  *info = folded_index_info(index);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(indexid));
	Oid		   *collations = index->rd_indcollation;
	int16		no_options[INDEX_MAX_KEYS] = {0};
	int16	   *options = index->rd_indoption;
	List	   *columns;
	Oid		   *classes;
	Datum	   *class_options;
	Identity	identity;
	Oid			like;

	info->ii_Unique = key != NULL && key->unique;
	info->ii_ExclusionOps = NULL;
	info->ii_ExclusionProcs = NULL;
	info->ii_ExclusionStrats = NULL;
	info->ii_Concurrent = key == NULL;
	info->ii_ReadyForInserts = key != NULL;
	read_as_stated(index, info);
	if (second->new_shape)
		map_columns(index->rd_index->indrelid, hidden, info);
	index_details(index, &columns, &classes, &class_options);
	if (key != NULL && key->columns != NIL)
	{
		set_columns(hidden, info, key->columns, &columns, &classes, &collations);
		class_options = palloc0(list_length(columns) * sizeof(Datum));
		options = no_options;
	}
	else if (second->converted != NIL)
		collations = index_like_convert(linitial(second->converted), index, hidden, info, classes);
	/* one that is built at once has its expressions simplified */
	identity_enter(hidden->rd_rel->relowner, NIL, &identity);
	PushActiveSnapshot(GetTransactionSnapshot());
	like = zdm_index_create(hidden, choose_name(second, hidden, indexid, parent, columns), parent, info, columns, index->rd_rel->relam,
							index->rd_rel->reltablespace, collations, classes, class_options, options,
							relation_options(tuple), creation_flags(hidden, key != NULL));
	PopActiveSnapshot();
	identity_leave(&identity);
	ReleaseSysCache(tuple);
	index_close(index, AccessShareLock);
	CommandCounterIncrement();
	return like;
}

void
second_table_depend(Oid hidden, Oid relid)
{
	ObjectAddress one;
	ObjectAddress other;

	ObjectAddressSet(one, RelationRelationId, hidden);
	ObjectAddressSet(other, RelationRelationId, relid);
	recordDependencyOn(&one, &other, DEPENDENCY_AUTO);
}

/* What the table is to have in the end; the tablespace as pg_class has it. */
static Oid
wanted_tablespace(const SecondArgs *args, Relation source)
{
	if (!OidIsValid(args->tablespace))
		return source->rd_rel->reltablespace;
	return args->tablespace == MyDatabaseTableSpace ? InvalidOid : args->tablespace;
}

static Oid
wanted_access_method(const SecondArgs *args, Relation source)
{
	return OidIsValid(args->access_method) ? args->access_method : source->rd_rel->relam;
}

static char
wanted_persistence(const SecondArgs *args, Relation source)
{
	return args->persistence != '\0' ? args->persistence : source->rd_rel->relpersistence;
}

/* Is all there that the change needs beside the table? */
static void
check_wishes(const Migration *migration, const SecondArgs *args)
{
	const char *gone = NULL;

	if (OidIsValid(args->tablespace) && get_tablespace_name(args->tablespace) == NULL)
		gone = "tablespace";
	else if (OidIsValid(args->access_method) && get_am_name(args->access_method) == NULL)
		gone = "access method";
	else if (OidIsValid(args->index) && !OidIsValid(second_index(args)))
		gone = psprintf("index \"%s\"", args->index_name);
	if (gone != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the %s that table %s was to have no longer exists", gone, names_relation(args->relation)),
				 errhint("Close the migration with SELECT zdm.revert(" INT64_FORMAT ").", migration->id)));
	if (args->persistence != '\0')
		persistence_check(args->relation, args->persistence);
}

/* Of a partition it may be another's than the partitioned table. */
static void
check_owner(const Migration *migration, Relation source)
{
	if (!has_privs_of_role(migration->owner, source->rd_rel->relowner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the owner of partition %s has changed since the migration was stated",
						names_relation(RelationGetRelid(source))),
				 errhint("Give it back with ALTER TABLE %s OWNER TO %s, then SELECT zdm.resume(" INT64_FORMAT ").",
						 names_relation(RelationGetRelid(source)),
						 quote_identifier(GetUserNameFromId(migration->owner, false)), migration->id)));
}

void
second_table_check(const Migration *migration, const SecondArgs *args, Relation source)
{
	check_owner(migration, source);
	check_wishes(migration, args);
}

void
second_table_make(const Migration *migration, const SecondArgs *args)
{
	Relation	source = table_open(args->relation, ShareRowExclusiveLock);
	Relation	hidden;
	Second		second = {
		.migration = migration->id,
		.relid = args->relation,
		.key = table_key_find(source),
		.filenode = zdm_relfilenode(source),
	};

	second_table_check(migration, args, source);
	if (!OidIsValid(second.key))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table %s has no key any more", names_relation(second.relid)),
				 errhint("Add a primary key, then SELECT zdm.resume(" INT64_FORMAT ").", migration->id)));
	second.hidden = zdm_make_new_heap(second.relid, wanted_tablespace(args, source), wanted_access_method(args, source),
									  wanted_persistence(args, source), ShareRowExclusiveLock);
	CommandCounterIncrement();
	RenameRelationInternal(second.hidden,
						   second_name(migration->id, args->relation), true, false);
	CommandCounterIncrement();
	second_table_depend(second.hidden, second.relid);
	hidden = table_open(second.hidden, AccessExclusiveLock);
	second.hidden_key = second_table_create_index(&second, hidden, second.key, InvalidOid, &(SecondKey) {.unique = true});
	table_close(hidden, NoLock);
	table_trigger_create(source, &second);
	hidden = table_open(second.hidden, NoLock);
	table_trigger_close(hidden);
	table_close(hidden, NoLock);
	(void) second_secure(&second);
	second_insert(&second);
	table_close(source, NoLock);
}

/* Has a crash emptied one of the two, and not the other, or not what tells how far the copy is? */
static bool
is_emptied(const Second *second, Relation source, Relation hidden)
{
	return (!RelationIsPermanent(source) || !RelationIsPermanent(hidden)) && !second_has_witness(second->migration);
}

/* Has each relation with rows of the table the trigger, as it was made? */
static bool
has_triggers(const Second *second)
{
	ListCell   *lc;
	bool		all = true;

	foreach(lc, find_all_inheritors(second->relid, NoLock, NULL))
	{
		Relation	source = get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION ? relation_open(lfirst_oid(lc), AccessShareLock) : NULL;
		const Trigger *trigger = source != NULL ? table_trigger_find(source, second->hidden) : NULL;

		all &= source == NULL || (trigger != NULL && trigger->tgenabled == TRIGGER_FIRES_ALWAYS);
		if (source != NULL)
			relation_close(source, NoLock);
	}
	return all;
}

/* Has the hidden table the storage that is wanted?  Of a new shape, once it has been exchanged, none is. */
static bool
is_stored_otherwise(const SecondArgs *args, const Second *second, Relation source, Relation hidden)
{
	if (second->turned || hidden->rd_rel->relkind == RELKIND_PARTITIONED_TABLE || source->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		return false;
	return hidden->rd_rel->relpersistence != wanted_persistence(args, source) ||
		hidden->rd_rel->reltablespace != wanted_tablespace(args, source) ||
		hidden->rd_rel->relam != wanted_access_method(args, source);
}

/* Was the hidden table of a new shape made for another table than there is now? */
static bool
is_laid_out_otherwise(const Second *second)
{
	return second->new_shape && !second->turned &&
		(strcmp(second->layout, second_layout(second->relid, partitioned_like_is(second))) != 0 || partitioned_like_lacks(second));
}

static bool
is_void(const SecondArgs *args, const Second *second, Relation source, Relation hidden)
{
	return second->filenode != zdm_relfilenode(source) ||
		strcmp(second->stamp, second_stamp(second, NIL)) != 0 ||
		second_lacks_leaves(second) ||
		hidden->rd_rel->relowner != source->rd_rel->relowner ||
		is_stored_otherwise(args, second, source, hidden) ||
		is_laid_out_otherwise(second) ||
		is_emptied(second, source, hidden) ||
		!has_triggers(second) ||
		!apply_is_possible(source, hidden, second);
}

bool
second_table_is_void(const SecondArgs *args, const Second *second)
{
	Relation	source = try_relation_open(second->relid, AccessShareLock);
	Relation	hidden = try_relation_open(second->hidden, AccessShareLock);
	bool		result = source == NULL || hidden == NULL || is_void(args, second, source, hidden);

	if (hidden != NULL)
		relation_close(hidden, NoLock);
	if (source != NULL)
		relation_close(source, NoLock);
	return result;
}

/* InvalidOid if it has none, or is gone. */
static Oid
toast_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			toast;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	toast = ((Form_pg_class) GETSTRUCT(tuple))->reltoastrelid;
	ReleaseSysCache(tuple);
	return toast;
}

List *
second_table_toasts(List *relations)
{
	QuerySession session;
	List	   *toasts;

	query_begin(&session);
	QUERY("SELECT array_agg(reltoastrelid ORDER BY oid) FROM pg_class WHERE oid = ANY ($1) AND reltoastrelid <> 0",
		  arg_oids(relations));
	toasts = query_oids(0, 1);
	query_end(&session);
	return toasts;
}

List *
second_table_relations(const SecondArgs *args, const Second *second)
{
	Oid			wanted[] = {
		second->relid, second->hidden, toast_of(second->relid), toast_of(second->hidden),
	};
	List	   *relations = NIL;

	for (int i = 0; i < lengthof(wanted); i++)
	{
		if (OidIsValid(wanted[i]) && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(wanted[i])))
			relations = list_append_unique_oid(relations, wanted[i]);
	}
	/* no position that others have drawn is to be lost in between */
	if (args->persistence != '\0' && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(second->relid)))
		relations = list_concat_unique_oid(relations, persistence_sequences(second->relid));
	return relations;
}

static void
drop(Oid class, Oid object)
{
	ObjectAddress address;

	ObjectAddressSet(address, class, object);
	performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
}

static void
drop_trigger(const Second *second)
{
	ListCell   *lc;

	/* the table can be gone: of that one find_all_inheritors() knows nothing */
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(second->relid)))
		return;
	foreach(lc, find_all_inheritors(second->relid, NoLock, NULL))
	{
		Relation	source = try_relation_open(lfirst_oid(lc), NoLock);

		if (source == NULL)
			continue;
		(void) table_trigger_drop(source, second->hidden);
		relation_close(source, NoLock);
	}
}

void
second_table_drop(const Second *second)
{
	drop_trigger(second);
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(second->hidden)))
		drop(RelationRelationId, second->hidden);
	second_delete(second->migration);
}

Oid
second_table_like(const Second *second, Oid indexid)
{
	Oid			like = get_relname_relid(index_name(second, indexid), get_rel_namespace(second->hidden));

	if (!OidIsValid(like) || IndexGetRelation(like, true) != second->hidden || !get_index_isvalid(like))
		return InvalidOid;
	return like;
}

static char *
qualified(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

/* What a broken try has left in the hidden table, or a partition of it; NULL: nothing. */
static char *
next_leftover(const Second *second, List *indexes, Relation hidden)
{
	List	   *known = NIL;
	ListCell   *lc;

	foreach(lc, indexes)
		known = lappend(known, makeString(index_name(second, lfirst_oid(lc))));
	foreach(lc, RelationGetIndexList(hidden))
	{
		bool		ours = hidden->rd_rel->relispartition ? get_rel_relispartition(lfirst_oid(lc)) :
			list_member(known, makeString(get_rel_name(lfirst_oid(lc))));

		if (!ours)
			return psprintf("DROP INDEX CONCURRENTLY IF EXISTS %s", qualified(lfirst_oid(lc)));
	}
	return NULL;
}

/* What builds it; NULL: it is built. */
static char *
build(Oid like)
{
	return get_index_isvalid(like) ? NULL : psprintf("REINDEX INDEX CONCURRENTLY %s", qualified(like));
}

/* The like of a table's index: entered if need be, and what builds it. */
static char *
build_like(const Second *second, Oid indexid, Relation hidden)
{
	Oid			like = get_relname_relid(index_name(second, indexid), RelationGetNamespace(hidden));

	return build(OidIsValid(like) ? like : second_table_create_index(second, hidden, indexid, InvalidOid, NULL));
}

/* The relation above has the part of the index that this one's is one of. */
static Oid
part_above(Relation rel, Oid indexid)
{
	Relation	above = relation_open(get_partition_parent(RelationGetRelid(rel), false), NoLock);
	Oid			part = table_key_part(above, indexid);

	relation_close(above, NoLock);
	return part;
}

Oid
second_table_create_part(const Second *second, Relation part, Oid indexid, Oid like, SecondKey *key)
{
	return second_table_create_index(second, part, partitioned_like_index(second, RelationGetRelid(part), indexid),
									 part_above(part, like), key);
}

/* The same of its part on a partition of the hidden table. */
static char *
build_part(const Second *second, Oid indexid, Oid like, Oid relid)
{
	Relation	part = relation_open(relid, NoLock);
	Oid			own = table_key_part(part, like);
	bool		rows = part->rd_rel->relkind == RELKIND_RELATION;

	if (!OidIsValid(own))
		own = second_table_create_part(second, part, indexid, like, NULL);
	relation_close(part, NoLock);
	return rows ? build(own) : NULL;
}

/* The parts of all partitions are there, and are valid. */
static void
set_valid(Oid indexid)
{
	Relation	catalog = table_open(IndexRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(INDEXRELID, ObjectIdGetDatum(indexid));

	((Form_pg_index) GETSTRUCT(tuple))->indisvalid = true;
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	heap_freetuple(tuple);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Of each partitioned table of the hidden one's tree. */
static void
set_tree_valid(const Second *second, Oid like)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(second->hidden, NoLock, NULL))
	{
		Relation	rel = relation_open(lfirst_oid(lc), NoLock);

		if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
			set_valid(table_key_part(rel, like));
		relation_close(rel, NoLock);
	}
}

/* The same of a partitioned one, which has nothing to build of its own. */
static char *
build_parts(const Second *second, Oid indexid, Relation hidden)
{
	Oid			like = get_relname_relid(index_name(second, indexid), RelationGetNamespace(hidden));
	char	   *sql = NULL;
	ListCell   *lc;

	if (OidIsValid(like) && get_index_isvalid(like))
		return NULL;
	if (!OidIsValid(like))
		like = second_table_create_index(second, hidden, indexid, InvalidOid, NULL);
	/* what is above others comes before them */
	foreach(lc, find_all_inheritors(second->hidden, NoLock, NULL))
	{
		if (sql == NULL && lfirst_oid(lc) != second->hidden)
			sql = build_part(second, indexid, like, lfirst_oid(lc));
	}
	if (sql == NULL)
		set_tree_valid(second, like);
	return sql;
}

char *
second_table_next_index(const Second *second)
{
	Relation	source = table_open(second->relid, NoLock);
	Relation	hidden = table_open(second->hidden, NoLock);
	List	   *indexes = RelationGetIndexList(source);
	char	   *sql = NULL;
	ListCell   *lc;

	foreach(lc, find_all_inheritors(second->hidden, NoLock, NULL))
	{
		Relation	leaf = relation_open(lfirst_oid(lc), NoLock);

		if (sql == NULL && leaf->rd_rel->relkind == RELKIND_RELATION)
			sql = next_leftover(second, indexes, leaf);
		relation_close(leaf, NoLock);
	}
	foreach(lc, sql == NULL ? indexes : NIL)
	{
		if (sql == NULL)
			sql = hidden->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ? build_parts(second, lfirst_oid(lc), hidden) :
				build_like(second, lfirst_oid(lc), hidden);
	}
	table_close(hidden, NoLock);
	table_close(source, NoLock);
	return sql;
}

static FullTransactionId
copied_before(const Second *second, CopyEnd *end)
{
	if (end->hidden != second->hidden)
	{
		end->hidden = second->hidden;
		end->next = ReadNextFullTransactionId();
	}
	return end->next;
}

/* A relation with rows: itself, or any of its partitions; the horizon is the same for all. */
static Oid
a_leaf(Oid relid)
{
	ListCell   *lc;

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return relid;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
			return lfirst_oid(lc);
	}
	return relid;
}

bool
second_table_awaits_snapshots(const Second *second, CopyEnd *end, char **who)
{
	TransactionId next = XidFromFullTransactionId(copied_before(second, end));
	Relation	hidden;
	TransactionId oldest;
	QuerySession session;

	hidden = try_relation_open(a_leaf(second->hidden), AccessShareLock);
	/* void: whoever has the locks sees to it */
	if (hidden == NULL)
		return false;
	oldest = GetOldestNonRemovableTransactionId(hidden);
	relation_close(hidden, AccessShareLock);
	if (!TransactionIdPrecedes(oldest, next))
		return false;
	query_begin(&session);
	QUERY("SELECT string_agg(w, ', ') FROM ("
		  "SELECT zdm.session_text(pid) AS w FROM pg_stat_activity "
		  "WHERE greatest(age(backend_xmin), age(backend_xid)) > age($1::xid) AND pid <> pg_backend_pid() "
		  "UNION ALL SELECT 'prepared transaction ' || quote_literal(gid) FROM pg_prepared_xacts "
		  "WHERE age(transaction) > age($1::xid) "
		  "UNION ALL SELECT 'replication slot ' || quote_ident(slot_name) FROM pg_replication_slots "
		  "WHERE age(xmin) > age($1::xid)) x",
		  arg_text(psprintf("%u", next)));
	*who = query_null(0, 1) ? "others" : query_text(0, 1);
	query_end(&session);
	return true;
}

#define TRADE(type, field) \
	do { type was = one->field; one->field = other->field; other->field = was; } while (0)

/* Two relations trade what is of their files, in the catalog. */
static void
trade_storage(Relation catalog, Oid one_id, Oid other_id)
{
	HeapTuple	one_tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(one_id));
	HeapTuple	other_tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(other_id));
	Form_pg_class one = (Form_pg_class) GETSTRUCT(one_tuple);
	Form_pg_class other = (Form_pg_class) GETSTRUCT(other_tuple);

	TRADE(Oid, relfilenode);
	TRADE(Oid, reltablespace);
	TRADE(Oid, relam);
	TRADE(char, relpersistence);
	TRADE(Oid, reltoastrelid);
	TRADE(int32, relpages);
	TRADE(float4, reltuples);
	TRADE(int32, relallvisible);
	zdm_swap_all_frozen(one, other);
	/* of the rows in the files; indexes have none */
	TRADE(TransactionId, relfrozenxid);
	TRADE(TransactionId, relminmxid);
	/* both send an invalidation, by which other sessions come to open the new files */
	CatalogTupleUpdate(catalog, &one_tuple->t_self, one_tuple);
	CatalogTupleUpdate(catalog, &other_tuple->t_self, other_tuple);
	heap_freetuple(one_tuple);
	heap_freetuple(other_tuple);
}

/* The TOAST tables belong to the other table each, from now on. */
static void
trade_toast(const Second *second, Oid toast, Oid hidden_toast)
{
	if (OidIsValid(toast) &&
		changeDependencyFor(RelationRelationId, toast, RelationRelationId, second->relid, second->hidden) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("TOAST table %u does not depend on its table", toast)));
	if (OidIsValid(hidden_toast) &&
		changeDependencyFor(RelationRelationId, hidden_toast, RelationRelationId, second->hidden, second->relid) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("TOAST table %u does not depend on its table", hidden_toast)));
	CommandCounterIncrement();
}

/* The TOAST table is called after its table, and its writes are to be decoded. */
void
second_table_settle_toast(Oid relid)
{
	Oid			toast = toast_of(relid);
	Oid			index;

	if (!OidIsValid(toast))
		return;
	index = toast_get_valid_index(toast, AccessExclusiveLock);
	RenameRelationInternal(toast, psprintf("pg_toast_%u", relid), true, false);
	RenameRelationInternal(index, psprintf("pg_toast_%u_index", relid), true, true);
	CommandCounterIncrement();
	ResetRelRewrite(toast);
	CommandCounterIncrement();
}

void
second_table_tell_standbys(const Second *second, CopyEnd *end, Relation hidden)
{
	FullTransactionId before = copied_before(second, end);

	if (hidden->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		hidden = table_open(a_leaf(second->hidden), NoLock);
		second_table_tell_standbys(second, end, hidden);
		table_close(hidden, NoLock);
		return;
	}
	if (!XLogStandbyInfoActive() || !RelationNeedsWAL(hidden))
		return;
	FullTransactionIdRetreat(&before);
	zdm_log_snapshot_conflict(hidden, before);
}

/* Each index of the table, and its like; false if one has none. */
static bool
pair_indexes(const Second *second, Relation source, List **indexes, List **likes)
{
	ListCell   *lc;

	*indexes = RelationGetIndexList(source);
	*likes = NIL;
	foreach(lc, *indexes)
	{
		Oid			like = second_table_like(second, lfirst_oid(lc));

		if (!OidIsValid(like))
			return false;
		*likes = lappend_oid(*likes, like);
	}
	return true;
}

/* Nobody waits for these who has no lock on their tables; so this ends at once. */
static void
lock_indexes(List *indexes)
{
	ListCell   *lc;

	foreach(lc, indexes)
		LockRelationOid(lfirst_oid(lc), AccessExclusiveLock);
}

/* What hangs on the access method of the table. */
static void
trade_access_method(const Second *second, Oid from, Oid to)
{
	if (from != to &&
		changeDependencyFor(RelationRelationId, second->relid, AccessMethodRelationId, from, to) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("table %s does not depend on its access method", names_relation(second->relid))));
}

/* What goes with the table beside its storage, as ALTER TABLE and CLUSTER have it. */
static void
settle_rest(const SecondArgs *args, Relation source)
{
	ListCell   *lc;

	/* every row has all columns now, as after a VACUUM FULL */
	RelationClearMissing(source);
	foreach(lc, args->persistence != '\0' ? persistence_sequences(args->relation) : NIL)
	{
		if (get_rel_persistence(lfirst_oid(lc)) != args->persistence)
			SequenceChangePersistence(lfirst_oid(lc), args->persistence);
	}
	if (OidIsValid(args->index))
		mark_index_clustered(source, second_index(args), true);
}

void
second_table_trade(Oid relid, Oid hidden, List *indexes, List *likes)
{
	Second		pair = {.relid = relid, .hidden = hidden};
	Relation	catalog;
	ListCell   *lc;
	ListCell   *other;

	lock_indexes(indexes);
	lock_indexes(likes);
	trade_toast(&pair, toast_of(relid), toast_of(hidden));
	catalog = table_open(RelationRelationId, RowExclusiveLock);
	trade_storage(catalog, relid, hidden);
	forboth(lc, indexes, other, likes)
		trade_storage(catalog, lfirst_oid(lc), lfirst_oid(other));
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

bool
second_table_exchange(const Migration *migration, const SecondArgs *args, const Second *second, CopyEnd *end)
{
	Relation	source = table_open(second->relid, NoLock);
	Relation	hidden = table_open(second->hidden, NoLock);
	Oid			from = source->rd_rel->relam;
	Oid			to = hidden->rd_rel->relam;
	List	   *indexes;
	List	   *likes;

	if (!pair_indexes(second, source, &indexes, &likes))
	{
		table_close(hidden, NoLock);
		table_close(source, NoLock);
		return false;
	}
	check_wishes(migration, args);
	second_table_tell_standbys(second, end, hidden);
	/* locks of SERIALIZABLE readers on pages and rows, which will be elsewhere */
	TransferPredicateLocksToHeapRelation(source);
	table_close(hidden, NoLock);
	table_close(source, NoLock);

	drop_trigger(second);
	second_table_trade(second->relid, second->hidden, indexes, likes);
	trade_access_method(second, from, to);
	CommandCounterIncrement();

	drop(RelationRelationId, second->hidden);
	second_table_settle_toast(second->relid);
	source = table_open(second->relid, NoLock);
	settle_rest(args, source);
	table_close(source, NoLock);
	second_delete(second->migration);
	return true;
}
