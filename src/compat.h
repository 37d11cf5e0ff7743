/*-------------------------------------------------------------------------
 *
 * compat.h
 *		The only file that names PG_VERSION_NUM.
 *
 * Code is written to the newest server's interface; what older servers lack
 * or spell otherwise is filled in here, so that no other file needs to know
 * which server it is compiled for.  Each entry names what changed and when.
 * Entries are in alphabetical order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_COMPAT_H
#define ZDM_COMPAT_H

#if PG_VERSION_NUM < 140000 || PG_VERSION_NUM >= 190000
#error "pg_zdm builds on PostgreSQL 14 to 18"
#endif

#include "access/genam.h"
#include "access/gist_private.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_index.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_tablespace.h"
#include "commands/cluster.h"
#include "commands/defrem.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "parser/analyze.h"
#include "parser/parse_type.h"
#include "storage/buffile.h"
#include "storage/ipc.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* ALTER TABLE ... SET ACCESS METHOD: 15.  ALTER COLUMN ... SET EXPRESSION: 17.  Before, numbers that no command has. */
#if PG_VERSION_NUM < 150000
#define AT_SetAccessMethod ((AlterTableType) 100)
#endif
#if PG_VERSION_NUM < 170000
#define AT_SetExpression ((AlterTableType) 101)
#endif

/* ALTER DATABASE ... REFRESH COLLATION VERSION: 15. */
#if PG_VERSION_NUM >= 150000
#define ZDM_HAS_REFRESH_COLLATION 1
#endif

/* AmBackgroundWorkerProcess: 17.  A variable before. */
#if PG_VERSION_NUM < 170000
#define AmBackgroundWorkerProcess() IsBackgroundWorker
#endif

/* BufFileReadExact: 16.  Before, it is for the caller to see that it was all. */
static inline void
zdm_buffile_read(BufFile *file, void *to, size_t size)
{
#if PG_VERSION_NUM >= 160000
	BufFileReadExact(file, to, size);
#else
	if (BufFileRead(file, to, size) != size)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from temporary file")));
#endif
}

/* check_can_set_role: 16.  Before, who is a member of a role can give to it. */
#if PG_VERSION_NUM < 160000
#define check_can_set_role(member, role) check_is_member_of_role(member, role)
#endif

/* Values added to an enum that is new itself can be used at once: 17. */
#if PG_VERSION_NUM >= 170000
#define ZDM_NEW_ENUM_IS_USABLE	true
#else
#define ZDM_NEW_ENUM_IS_USABLE	false
#endif

/* ExecInsertIndexTuples: 14 and 15 have no onlySummarizing argument. */
static inline List *
zdm_exec_insert_index_tuples(ResultRelInfo *rri, TupleTableSlot *slot,
							 EState *estate, bool update, bool only_summarizing)
{
#if PG_VERSION_NUM >= 160000
	return ExecInsertIndexTuples(rri, slot, estate, update, false, NULL, NIL,
								 only_summarizing);
#else
	return ExecInsertIndexTuples(rri, slot, estate, update, false, NULL, NIL);
#endif
}

/* ExecutorRun and its hook: 18 dropped execute_once. */
#if PG_VERSION_NUM >= 180000
#define ZDM_EXECUTOR_RUN_PARAMS \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define ZDM_EXECUTOR_RUN_ARGS	queryDesc, direction, count
#else
#define ZDM_EXECUTOR_RUN_PARAMS \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define ZDM_EXECUTOR_RUN_ARGS	queryDesc, direction, count, execute_once
#endif

/* Foreign keys: SET NULL of some columns: 15.  PERIOD, and keys WITHOUT OVERLAPS: 18. */
#if PG_VERSION_NUM >= 150000
#define zdm_fk_del_set_columns(con)	((con)->fk_del_set_cols)
#else
#define zdm_fk_del_set_columns(con)	(NIL)
#endif
#if PG_VERSION_NUM >= 180000
#define zdm_fk_with_period(con)		((con)->fk_with_period)
#define zdm_pk_with_period(con)		((con)->pk_with_period)
#define zdm_without_overlaps(con)	((con)->without_overlaps)
#define zdm_without_overlaps_constraint(form)	((form)->conperiod)
#define ZDM_INDEX_WITHOUT_OVERLAPS	INDEX_CONSTR_CREATE_WITHOUT_OVERLAPS
#define zdm_type_may_overlap(type)	(type_is_range(type) || type_is_multirange(type))
#else
#define zdm_fk_with_period(con)		(false)
#define zdm_pk_with_period(con)		(false)
#define zdm_without_overlaps(con)	(false)
#define zdm_without_overlaps_constraint(form)	(false)
#define ZDM_INDEX_WITHOUT_OVERLAPS	0
#define zdm_type_may_overlap(type)	(false)
#endif

/* The operator by which a key WITHOUT OVERLAPS compares a column, the last one or another. */
static inline Oid
zdm_without_overlaps_operator(Oid opclass, bool last)
{
#if PG_VERSION_NUM >= 180000
	Oid			operator;
	StrategyNumber strategy;

	GetOperatorFromCompareType(opclass, InvalidOid, last ? COMPARE_OVERLAP : COMPARE_EQ, &operator, &strategy);
	return operator;
#else
	return InvalidOid;
#endif
}

/* getIdentitySequence: 17 wants the relation.  InvalidOid if there is none. */
static inline Oid
zdm_identity_sequence(Oid relid, AttrNumber attnum)
{
#if PG_VERSION_NUM >= 170000
	Relation	rel = RelationIdGetRelation(relid);
	Oid			sequence = getIdentitySequence(rel, attnum, true);

	RelationClose(rel);
	return sequence;
#else
	return getIdentitySequence(relid, attnum, true);
#endif
}

/* index_beginscan: 18 counts what it does. */
#if PG_VERSION_NUM >= 180000
#define zdm_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define zdm_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#endif

/* index_create: 17 takes the options of operator classes, which were in IndexInfo. */
static inline Oid
zdm_index_create(Relation heap, const char *name, Oid parent, IndexInfo *info, List *columns,
				 Oid access_method, Oid tablespace, Oid *collations, Oid *classes,
				 Datum *class_options, int16 *options, Datum reloptions, bits16 flags)
{
#if PG_VERSION_NUM >= 170000
	return index_create(heap, name, InvalidOid, parent, InvalidOid, InvalidOid, info, columns,
						access_method, tablespace, collations, classes, class_options, options, NULL,
						reloptions, flags, 0, true, true, NULL);
#else
	info->ii_OpclassOptions = class_options;
	return index_create(heap, name, InvalidOid, parent, InvalidOid, InvalidOid, info, columns,
						access_method, tablespace, collations, classes, options,
						reloptions, flags, 0, true, true, NULL);
#endif
}

/* index_insert_cleanup: 17. */
static inline void
zdm_index_insert_cleanup(Relation index, IndexInfo *info)
{
#if PG_VERSION_NUM >= 170000
	index_insert_cleanup(index, info);
#endif
}

/* IndexInfo: 16 tells the indexes that keep a summary of each range of blocks. */
#if PG_VERSION_NUM >= 160000
#define zdm_index_is_summarizing(info)	((info)->ii_Summarizing)
#else
#define zdm_index_is_summarizing(info)	(false)
#endif

/* InitMaterializedSRF: 15.  Back-filled for the flags that we use, none. */
#if PG_VERSION_NUM < 150000
static inline void
InitMaterializedSRF(FunctionCallInfo fcinfo, bits32 flags)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (result == NULL || !IsA(result, ReturnSetInfo) ||
		!(result->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	old = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, &result->setDesc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("return type must be a row type")));
	result->returnMode = SFRM_Materialize;
	result->setResult = tuplestore_begin_heap(true, false, work_mem);
	MemoryContextSwitchTo(old);
}
#endif

/* make_new_heap: 14 has no choice of the access method. */
#if PG_VERSION_NUM < 150000
#define zdm_make_new_heap(relid, tablespace, access_method, persistence, lockmode) \
	make_new_heap(relid, tablespace, persistence, lockmode)
#else
#define zdm_make_new_heap(relid, tablespace, access_method, persistence, lockmode) \
	make_new_heap(relid, tablespace, access_method, persistence, lockmode)
#endif

/* check_index_is_clusterable: with a flag, recheck, up to 14. */
#if PG_VERSION_NUM < 150000
#define zdm_check_index_is_clusterable(rel, index, lockmode) \
	check_index_is_clusterable(rel, index, false, lockmode)
#else
#define zdm_check_index_is_clusterable(rel, index, lockmode) \
	check_index_is_clusterable(rel, index, lockmode)
#endif

/* MarkGUCPrefixReserved: named EmitWarningsOnPlaceholders up to 14. */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* MERGE: 15.  How many of a MERGE's actions are of the given kind. */
#if PG_VERSION_NUM >= 150000
#define zdm_is_merge(operation)		((operation) == CMD_MERGE)
static inline int
zdm_merge_actions(ModifyTable *mt, CmdType kind)
{
	int			n = 0;
	ListCell   *lc;

	if (mt->mergeActionLists == NIL)
		return 0;
	foreach(lc, (List *) linitial(mt->mergeActionLists))
	{
		if (((MergeAction *) lfirst(lc))->commandType == kind)
			n++;
	}
	return n;
}
#else
#define zdm_is_merge(operation)		false
#define zdm_merge_actions(mt, kind)	0
#endif

/* transformRelOptions: the names of namespaces are constant in 18. */
#if PG_VERSION_NUM >= 180000
typedef const char *const zdm_reloption_namespace;
#else
typedef char *zdm_reloption_namespace;
#endif

/* MERGE into views: 17. */
#define ZDM_HAS_MERGE_INTO_VIEW (PG_VERSION_NUM >= 170000)

/* A foreign key of a partitioned table that is NOT VALID: 18. */
#define ZDM_HAS_PARTITIONED_FK_NOT_VALID (PG_VERSION_NUM >= 180000)

/* The major version of this server; core/target.h has what others can do. */
#define ZDM_MAJOR (PG_VERSION_NUM / 10000)

/* Memberships: each tells whether it inherits, and has more options than ADMIN that are taken back alone: 16. */
#if PG_VERSION_NUM >= 160000
#define ZDM_INHERITS_BY_ROLE			false
#define zdm_membership_inherits(form)	((form)->inherit_option)
#define zdm_of_option(stmt)				((stmt)->opt != NIL)
#define zdm_revokes_membership(stmt) \
	((stmt)->opt == NIL || strcmp(linitial_node(DefElem, (stmt)->opt)->defname, "inherit") == 0)
#else
#define ZDM_INHERITS_BY_ROLE			true
#define zdm_of_option(stmt)				((stmt)->admin_opt)
#define zdm_revokes_membership(stmt)	(!(stmt)->admin_opt)
static inline bool
zdm_membership_inherits(Form_pg_auth_members form)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(form->member));
	bool		inherits;

	if (!HeapTupleIsValid(tuple))
		return false;
	inherits = ((Form_pg_authid) GETSTRUCT(tuple))->rolinherit;
	ReleaseSysCache(tuple);
	return inherits;
}
#endif

/* NULLS NOT DISTINCT of unique indexes: 15. */
#if PG_VERSION_NUM >= 150000
#define zdm_statement_nulls_not_distinct(stmt)	((stmt)->nulls_not_distinct)
#else
#define zdm_statement_nulls_not_distinct(stmt)	(false)
#endif
static inline bool
zdm_nulls_not_distinct(Form_pg_index index)
{
#if PG_VERSION_NUM >= 150000
	return index->indnullsnotdistinct;
#else
	return false;
#endif
}

#if PG_VERSION_NUM >= 150000
#define zdm_constraint_nulls_not_distinct(con)	((con)->nulls_not_distinct)
#else
#define zdm_constraint_nulls_not_distinct(con)	(false)
#endif

/* get_qual_from_partbound: 14 wants the new partition, which it does not look at. */
#if PG_VERSION_NUM < 150000
#define zdm_partition_qual(parent, spec) get_qual_from_partbound(NULL, parent, spec)
#else
#define zdm_partition_qual(parent, spec) get_qual_from_partbound(parent, spec)
#endif

/* PartitionSpec has what the user wrote, up to 15: 0 if that is no strategy. */
static inline char
zdm_partition_strategy(const PartitionSpec *spec)
{
#if PG_VERSION_NUM >= 160000
	return (char) spec->strategy;
#else
	return pg_strcasecmp(spec->strategy, "range") == 0 ? PARTITION_STRATEGY_RANGE :
		pg_strcasecmp(spec->strategy, "list") == 0 ? PARTITION_STRATEGY_LIST :
		pg_strcasecmp(spec->strategy, "hash") == 0 ? PARTITION_STRATEGY_HASH : '\0';
#endif
}

/* Exclusion constraints of partitioned tables: 17. */
#if PG_VERSION_NUM >= 170000
#define ZDM_HAS_PARTITIONED_EXCLUSION	true
#else
#define ZDM_HAS_PARTITIONED_EXCLUSION	false
#endif

#if PG_VERSION_NUM >= 150000
#define zdm_copy_nulls_not_distinct(stmt, con) \
	((stmt)->nulls_not_distinct = (con)->nulls_not_distinct)
#else
#define zdm_copy_nulls_not_distinct(stmt, con)	((void) 0)
#endif

/* object_aclcheck, object_ownercheck: one function per catalog up to 15. */
#if PG_VERSION_NUM < 160000
static inline AclResult
object_aclcheck(Oid classid, Oid objectid, Oid roleid, AclMode mode)
{
	if (classid == NamespaceRelationId)
		return pg_namespace_aclcheck(objectid, roleid, mode);
	if (classid == ProcedureRelationId)
		return pg_proc_aclcheck(objectid, roleid, mode);
	if (classid == TableSpaceRelationId)
		return pg_tablespace_aclcheck(objectid, roleid, mode);
	Assert(classid == DatabaseRelationId);
	return pg_database_aclcheck(objectid, roleid, mode);
}

static inline bool
object_ownercheck(Oid classid, Oid objectid, Oid roleid)
{
	if (classid == NamespaceRelationId)
		return pg_namespace_ownercheck(objectid, roleid);
	Assert(classid == RelationRelationId);
	return pg_class_ownercheck(objectid, roleid);
}
#endif

/* parseTypeString: 16 replaced missing_ok by an error context. */
static inline void
zdm_parse_type(const char *text, Oid *type, int32 *typmod)
{
#if PG_VERSION_NUM >= 160000
	(void) parseTypeString(text, type, typmod, NULL);
#else
	parseTypeString(text, type, typmod, false);
#endif
}

/* parse_analyze_fixedparams, pg_analyze_and_rewrite_fixedparams: the suffix came in 15. */
#if PG_VERSION_NUM < 150000
#define parse_analyze_fixedparams(parsetree, query, types, n, env) parse_analyze(parsetree, query, types, n, env)
#define pg_analyze_and_rewrite_fixedparams(parsetree, query, types, n, env) \
	pg_analyze_and_rewrite(parsetree, query, types, n, env)
#endif

/* RETURNING of a raw statement is a node since 18. */
#if PG_VERSION_NUM >= 180000
#define zdm_has_returning(stmt)		((stmt)->returningClause != NULL)
#else
#define zdm_has_returning(stmt)		((stmt)->returningList != NIL)
#endif

/* pg_parameter_aclcheck, GRANT SET ON PARAMETER: 15.  Before, superusers alone. */
static inline bool
zdm_may_set_parameter(const char *name)
{
#if PG_VERSION_NUM >= 150000
	return pg_parameter_aclcheck(name, GetUserId(), ACL_SET) == ACLCHECK_OK;
#else
	return superuser();
#endif
}

/* pg_noreturn: 18; before, an attribute of another name that may stand first too. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* PortalRun: 18 dropped run_once. */
static inline bool
zdm_portal_run(Portal portal, DestReceiver *dest, QueryCompletion *qc)
{
#if PG_VERSION_NUM >= 180000
	return PortalRun(portal, FETCH_ALL, true, dest, dest, qc);
#else
	return PortalRun(portal, FETCH_ALL, true, true, dest, dest, qc);
#endif
}

/* pgstat_get_local_beentry_by_index: 16.  The application_name of a process, NULL if it has ended. */
static inline const char *
zdm_application_of(int pid)
{
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
#if PG_VERSION_NUM >= 160000
		LocalPgBackendStatus *local = pgstat_get_local_beentry_by_index(i);
#else
		LocalPgBackendStatus *local = pgstat_fetch_stat_local_beentry(i);
#endif

		if (local != NULL && local->backendStatus.st_procpid == pid)
			return local->backendStatus.st_appname;
	}
	return NULL;
}

/* The same.  How many processes of max_worker_processes run, whosoever. */
static inline int
zdm_count_workers(void)
{
	int			count = 0;

	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
#if PG_VERSION_NUM >= 160000
		LocalPgBackendStatus *local = pgstat_get_local_beentry_by_index(i);
#else
		LocalPgBackendStatus *local = pgstat_fetch_stat_local_beentry(i);
#endif

		if (local != NULL && local->backendStatus.st_procpid > 0 &&
			local->backendStatus.st_backendType == B_BG_WORKER)
			count++;
	}
	return count;
}

/* ProcessCompletedNotifies: 14 alone needs it at the end of a worker's transaction. */
#if PG_VERSION_NUM < 150000
#include "commands/async.h"
#define zdm_process_completed_notifies() ProcessCompletedNotifies()
#else
#define zdm_process_completed_notifies() ((void) 0)
#endif

/* The storage of a relation: called rd_node up to 15. */
static inline Oid
zdm_relfilenode(Relation rel)
{
#if PG_VERSION_NUM >= 160000
	return rel->rd_locator.relNumber;
#else
	return rel->rd_node.relNode;
#endif
}

/*
 * A relation's file, and its storage where no relation is open: 16 renamed all of it, and
 * 17 the number of no backend.
 */
#if PG_VERSION_NUM >= 160000
typedef RelFileLocator ZdmFileLocator;
#define zdm_file_locator(rel)		((rel)->rd_locator)
#define zdm_file_locator_equals(a, b)	RelFileLocatorEquals(a, b)
#else
typedef RelFileNode ZdmFileLocator;
#define zdm_file_locator(rel)		((rel)->rd_node)
#define zdm_file_locator_equals(a, b)	RelFileNodeEquals(a, b)
#endif
#if PG_VERSION_NUM >= 170000
#define zdm_open_storage(locator)	smgropen(locator, INVALID_PROC_NUMBER)
#else
#define zdm_open_storage(locator)	smgropen(locator, InvalidBackendId)
#endif

/* RestrictSearchPath: 17; before, the same by set_config_option. */
#if PG_VERSION_NUM < 170000
static inline void
RestrictSearchPath(void)
{
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}
#endif

/* pg_constraint.conenforced and Constraint.is_enforced: 18. */
#if PG_VERSION_NUM >= 180000
#define zdm_constraint_enforced(form)	((form)->conenforced)
#define zdm_statement_enforced(con)		((con)->is_enforced)
#else
#define zdm_constraint_enforced(form)	(true)
#define zdm_statement_enforced(con)		(true)
#endif

/*
 * ENFORCED and NOT ENFORCED behind a column's constraint: 18.  *enforced tells
 * which; false for anything else.
 */
static inline bool
zdm_is_enforcement(const Constraint *con, bool *enforced)
{
#if PG_VERSION_NUM >= 180000
	*enforced = con->contype == CONSTR_ATTR_ENFORCED;
	return *enforced || con->contype == CONSTR_ATTR_NOT_ENFORCED;
#else
	return false;
#endif
}

static inline void
zdm_set_enforced(Constraint *con, bool enforced)
{
#if PG_VERSION_NUM >= 180000
	con->is_enforced = enforced;
#endif
}

/* A relation's CHECK: one that is not enforced, and one over virtual columns, whose values are in no row: 18. */
#if PG_VERSION_NUM >= 180000
#define zdm_check_is_enforced(check)	((check)->ccenforced)
#define zdm_expand_virtual(tree, rel)	expand_generated_columns_in_expr(tree, rel, 1)
#else
#define zdm_check_is_enforced(check)	(true)
#define zdm_expand_virtual(tree, rel)	(tree)
#endif

/* pg_attribute.attgenerated of a virtual column: 18. */
#define ZDM_GENERATED_VIRTUAL		'v'

/* Of a column definition: STORAGE came with 16. */
#if PG_VERSION_NUM >= 160000
#define zdm_storage_name(def)		((def)->storage_name)
#else
#define zdm_storage_name(def)		NULL
#endif

/* Generated columns: the statement says of which kind since 18; before, stored. */
#if PG_VERSION_NUM >= 180000
#define zdm_generated_kind(con)		((con)->generated_kind)
#else
#define zdm_generated_kind(con)		ATTRIBUTE_GENERATED_STORED
#endif

/* What an entry of a query that is no relation gives other names to: of joins; since 18, what is grouped by. */
#if PG_VERSION_NUM >= 180000
#define zdm_rte_aliases(rte) \
	((rte)->rtekind == RTE_JOIN ? (rte)->joinaliasvars : (rte)->rtekind == RTE_GROUP ? (rte)->groupexprs : NIL)
#else
#define zdm_rte_aliases(rte)	((rte)->rtekind == RTE_JOIN ? (rte)->joinaliasvars : NIL)
#endif

/* SQL/JSON: predicates and constructors: 16; query functions: 17.  MERGE: 15.  0: of no such version. */
static inline int
zdm_expression_since(Node *node, const char **what)
{
	switch (nodeTag(node))
	{
#if PG_VERSION_NUM >= 150000
		case T_MergeStmt:
			*what = "MERGE";
			return 15;
#endif
#if PG_VERSION_NUM >= 160000
		case T_JsonIsPredicate:
		case T_JsonObjectConstructor:
		case T_JsonArrayConstructor:
		case T_JsonArrayQueryConstructor:
		case T_JsonObjectAgg:
		case T_JsonArrayAgg:
			*what = "IS JSON and the constructors of SQL/JSON";
			return 16;
#endif
#if PG_VERSION_NUM >= 170000
		case T_JsonFuncExpr:
		case T_JsonTable:
		case T_JsonParseExpr:
		case T_JsonScalarExpr:
		case T_JsonSerializeExpr:
			*what = "the functions of SQL/JSON";
			return 17;
#endif
		default:
			return 0;
	}
}

/* Publications of schemas, columns and rows: 15. */
#if PG_VERSION_NUM >= 150000
#define ZDM_HAS_PUBLICATION_OBJECTS 1
#endif

/* security_invoker views: 15. */
#if PG_VERSION_NUM >= 150000
#define zdm_security_invoker(view)	RelationHasSecurityInvoker(view)
#else
#define zdm_security_invoker(view)	(false)
#endif

/*
 * shmem_request_hook: 15.  Before, space is requested in _PG_init itself.
 * ZDM_HAS_SHMEM_REQUEST_HOOK tells core/shmem.c which.
 */
#if PG_VERSION_NUM >= 150000
#define ZDM_HAS_SHMEM_REQUEST_HOOK 1
#endif

/* SequenceChangePersistence: 15.  Before, every sequence is logged. */
#if PG_VERSION_NUM < 150000
#define ZDM_HAS_UNLOGGED_SEQUENCES false
#define SequenceChangePersistence(relid, persistence) ((void) (relid), (void) (persistence))
#else
#define ZDM_HAS_UNLOGGED_SEQUENCES true
#endif

/* SysCacheGetAttrNotNull: 16. */
#if PG_VERSION_NUM < 160000
static inline Datum
SysCacheGetAttrNotNull(int cache, HeapTuple tuple, AttrNumber attnum)
{
	bool		isnull;
	Datum		datum = SysCacheGetAttr(cache, tuple, attnum, &isnull);

	if (isnull)
		elog(ERROR, "unexpected null value in cached column %d", attnum);
	return datum;
}
#endif

/* MERGE: 15. */
#if PG_VERSION_NUM >= 150000
#define ZDM_HAS_MERGE 1
#endif

/* A_Const holds its value in place since 15. */
#if PG_VERSION_NUM >= 150000
#define zdm_set_const_integer(con, i) \
	((con)->val.ival.type = T_Integer, (con)->val.ival.ival = (i))
#else
#define zdm_set_const_integer(con, i) \
	((con)->val.type = T_Integer, (con)->val.val.ival = (i))
#endif

#if PG_VERSION_NUM >= 150000
#define zdm_const_string(con) \
	(!(con)->isnull && IsA(&(con)->val, String) ? strVal(&(con)->val) : NULL)
#else
#define zdm_const_string(con) \
	((con)->val.type == T_String ? strVal(&(con)->val) : NULL)
#endif

/* ALTER CONSTRAINT ... ENFORCED: 18. */
#if PG_VERSION_NUM >= 180000
#define zdm_enforced_constraint(cmd) \
	((cmd)->subtype == AT_AlterConstraint && \
	 ((ATAlterConstraint *) (cmd)->def)->alterEnforceability && \
	 ((ATAlterConstraint *) (cmd)->def)->is_enforced ? \
	 ((ATAlterConstraint *) (cmd)->def)->conname : NULL)
#else
#define zdm_enforced_constraint(cmd)	((const char *) NULL)
#endif

/* ALTER CONSTRAINT of what is enforced, or inherited: 18. */
#if PG_VERSION_NUM >= 180000
#define zdm_alters_more_than_deferral(cmd) \
	(((ATAlterConstraint *) (cmd)->def)->alterEnforceability || \
	 ((ATAlterConstraint *) (cmd)->def)->alterInheritability)
#else
#define zdm_alters_more_than_deferral(cmd)	(false)
#endif

/* ALTER CONSTRAINT: its name stands in a node of its own since 18. */
#if PG_VERSION_NUM >= 180000
#define zdm_altered_constraint(cmd)	(((ATAlterConstraint *) (cmd)->def)->conname)
#else
#define zdm_altered_constraint(cmd)	(((Constraint *) (cmd)->def)->conname)
#endif

/* stringToQualifiedNameList: 16 added an error context. */
static inline List *
zdm_name_list(const char *name)
{
#if PG_VERSION_NUM >= 160000
	return stringToQualifiedNameList(name, NULL);
#else
	return stringToQualifiedNameList(name);
#endif
}

/*
 * Have standbys end what still reads by a snapshot from before the transaction: the
 * record that GiST writes when it reuses a page says so, and does nothing else.
 * gistXLogPageReuse: 16 wants the table beside the index.
 */
static inline void
zdm_log_snapshot_conflict(Relation rel, FullTransactionId xid)
{
#if PG_VERSION_NUM >= 160000
	gistXLogPageReuse(rel, rel, 0, xid);
#else
	gistXLogPageReuse(rel, 0, xid);
#endif
}

/* pg_class.relallfrozen: 18. */
static inline void
zdm_swap_all_frozen(Form_pg_class a, Form_pg_class b)
{
#if PG_VERSION_NUM >= 180000
	int32		pages = a->relallfrozen;

	a->relallfrozen = b->relallfrozen;
	b->relallfrozen = pages;
#endif
}

/* table_tuple_update: 16 tells which indexes need new entries. */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes zdm_update_indexes;
#define ZDM_NEED_INDEXES(u)			((u) != TU_None)
#define ZDM_ONLY_SUMMARIZING(u)		((u) == TU_Summarizing)
#else
typedef bool zdm_update_indexes;
#define ZDM_NEED_INDEXES(u)			(u)
#define ZDM_ONLY_SUMMARIZING(u)		(false)
#endif

#endif							/* ZDM_COMPAT_H */
