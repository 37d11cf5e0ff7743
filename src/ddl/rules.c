/*-------------------------------------------------------------------------
 *
 * rules.c
 *		From a DDL statement and the facts to findings.
 *
 * The measure: O(n) work on at least zdm.guard_min_size is unsafe while a lock
 * is held that blocks the writers of an existing table, by this statement or
 * by an earlier one of its transaction.  A strong lock without such work is a
 * caution, and so is whatever else a careful DBA would want to know.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "commands/defrem.h"
#include "core/guc.h"
#include "ddl/facts_catalog.h"
#include "ddl/facts_query.h"
#include "ddl/rules.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "compat.h"

/* What a plain disk reads and PostgreSQL rewrites in a second, for an idea of the time. */
#define SCAN_MB_PER_SECOND		400
#define REWRITE_MB_PER_SECOND	60

const char *
rules_lock_name(LOCKMODE mode)
{
	static const char *const names[] = {
		"", "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE",
		"SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"
	};

	return names[mode];
}

bool
rules_is_strong(const FactRelation *rel, LOCKMODE mode)
{
	if (rel->fresh)
		return false;
	if (rel->kind == RELKIND_VIEW || rel->kind == RELKIND_MATVIEW)
		return mode == AccessExclusiveLock;
	return mode >= ShareLock;
}

void
rules_lock(Judgement *j, FactRelation *rel, LOCKMODE mode)
{
	TakenLock   *lock = palloc(sizeof(TakenLock));

	lock->rel = rel;
	lock->mode = mode;
	j->locks = lappend(j->locks, lock);
	rel->held = Max(rel->held, mode);
}

void
rules_work(Judgement *j, WorkKind kind, FactRelation *rel, double blocks, char *what, char *hint)
{
	RuleWork   *work = palloc(sizeof(RuleWork));

	work->kind = kind;
	work->rel = rel;
	work->blocks = blocks;
	work->what = what;
	work->hint = hint;
	j->works = lappend(j->works, work);
}

static void
remember_contract(Judgement *j, Contract *contract, const char *hint)
{
	RuleContract *touched = palloc(sizeof(RuleContract));

	touched->contract = contract;
	touched->hint = hint;
	j->contracts = lappend(j->contracts, touched);
}

void
rules_touch(Judgement *j, FactRelation *rel, const char *hint)
{
	Contract   *contract = contract_take(j->facts, rel);

	if (contract != NULL)
		remember_contract(j, contract, hint);
}

void
rules_detached(Judgement *j, FactRelation *partition)
{
	remember_contract(j, contract_take_nobodys(partition), NULL);
	partition->is_partition = partition->is_child = false;
	partition->detached = true;
}

void
rules_touch_function(Judgement *j, Oid funcid, const char *hint)
{
	Oid		   *types;
	int			count;

	(void) get_func_signature(funcid, &types, &count);
	remember_contract(j, contract_take_function(facts_function_identity(get_func_namespace(funcid),
																		 get_func_name(funcid),
																		 types, count)), hint);
}

static void
add_finding(Judgement *j, const char *rule, bool unsafe, const char *object, LOCKMODE lock,
			char *detail, char *hint)
{
	Finding    *finding = palloc(sizeof(Finding));

	finding->rule = rule;
	finding->unsafe = unsafe;
	finding->object = pstrdup(object);
	finding->lock = lock;
	finding->detail = detail;
	finding->hint = hint;
	j->findings = lappend(j->findings, finding);
}

void
rules_find(Judgement *j, const char *rule, const char *object, LOCKMODE lock,
		   char *detail, char *hint)
{
	add_finding(j, rule, true, object, lock, detail, hint);
}

void
rules_caution(Judgement *j, const char *rule, const char *object, char *detail, char *hint)
{
	add_finding(j, rule, false, object, NoLock, detail, hint);
}

LOCKMODE
rules_strong_lock(const Judgement *judgement, FactRelation **rel)
{
	LOCKMODE	strongest = NoLock;
	ListCell   *lc;

	foreach(lc, judgement->locks)
	{
		TakenLock   *lock = (TakenLock *) lfirst(lc);

		if (lock->mode > strongest && rules_is_strong(lock->rel, lock->mode))
		{
			strongest = lock->mode;
			*rel = lock->rel;
		}
	}
	return strongest;
}

bool
rules_strong_held(Judgement *j)
{
	if (!j->held_known)
	{
		FactRelation *rel = j->find_held(j->facts, &j->strong_held);

		j->held_known = true;
		if (rel == NULL)
			j->strong_held = NoLock;
		else
			j->strong_on = facts_name(rel);
	}
	return j->strong_held != NoLock;
}

static char *
size_text(double blocks)
{
	double		mb = blocks * BLCKSZ / (1024 * 1024);

	if (mb >= 10240)
		return psprintf("%.0f GB", mb / 1024);
	if (mb >= 10)
		return psprintf("%.0f MB", mb);
	return psprintf("%.1f MB", mb);
}

static char *
time_text(WorkKind kind, double blocks)
{
	int			rate = kind == WORK_REWRITE ? REWRITE_MB_PER_SECOND : SCAN_MB_PER_SECOND;
	double		seconds = blocks * BLCKSZ / (1024 * 1024) / rate;

	if (seconds < 1)
		return psprintf("less than a second at %d MB/s", rate);
	if (seconds < 120)
		return psprintf("about %.0f s at %d MB/s", seconds, rate);
	return psprintf("about %.0f min at %d MB/s", seconds / 60, rate);
}

static const char *
blocks_whom(const FactRelation *rel, LOCKMODE mode)
{
	return mode == AccessExclusiveLock ? "readers and writers" : "writers";
}

static const char *
rule_of_work(WorkKind kind)
{
	switch (kind)
	{
		case WORK_REWRITE:
			return RULE_TABLE_REWRITE;
		case WORK_INDEX:
			return RULE_INDEX_NOT_CONCURRENT;
		default:
			return RULE_SCAN_UNDER_LOCK;
	}
}

static void
decide_work(Judgement *j, RuleWork *work)
{
	FactRelation *locked = NULL;
	LOCKMODE	mode = rules_strong_lock(j, &locked);

	if (work->blocks < guc_guard_min_size || work->blocks == 0)
		return;
	work->what[0] = pg_toupper((unsigned char) work->what[0]);
	if (mode != NoLock)
		add_finding(j, rule_of_work(work->kind), true, facts_name(locked), mode,
					psprintf("%s (%s) while %s on %s blocks its %s: %s.",
							 work->what, size_text(work->blocks), rules_lock_name(mode),
							 facts_name(locked), blocks_whom(locked, mode),
							 time_text(work->kind, work->blocks)),
					work->hint);
	else if (rules_strong_held(j))
		add_finding(j, RULE_LOCKS_HELD, true, j->strong_on, j->strong_held,
					psprintf("%s (%s) while %s, which this transaction took earlier, blocks others on %s: %s.",
							 work->what, size_text(work->blocks), rules_lock_name(j->strong_held),
							 j->strong_on, time_text(work->kind, work->blocks)),
					"COMMIT; first, then run this statement in a transaction of its own.");
}

static void
decide(Judgement *j)
{
	FactRelation *locked = NULL;
	LOCKMODE	mode;
	ListCell   *lc;

	foreach(lc, j->works)
		decide_work(j, (RuleWork *) lfirst(lc));
	mode = rules_strong_lock(j, &locked);
	if (mode != NoLock)
		add_finding(j, RULE_STRONG_LOCK, false, facts_name(locked), mode,
					psprintf("%s on %s blocks its %s, and while it waits for its turn everyone behind it.",
							 rules_lock_name(mode), facts_name(locked), blocks_whom(locked, mode)),
					"SET lock_timeout = '2s'; and try again when it fails.");
}

/*
 * In a swap a relation takes the name that another one gave up: it was made
 * for that name, and nobody counts on the one that it had before.
 */
static bool
took_a_name(Facts *facts, List *contracts, const Contract *contract)
{
	FactRelation *rel = OidIsValid(contract->oid) ? facts_by_oid(facts, contract->oid) : NULL;
	ListCell   *lc;

	if (rel == NULL || rel->gone ||
		facts_find_name(facts, contract->schema, contract->name) != NULL)
		return false;
	foreach(lc, contracts)
	{
		Contract   *other = ((RuleContract *) lfirst(lc))->contract;

		if (other->function == NULL && other->oid != contract->oid &&
			strcmp(other->schema, rel->schema) == 0 && strcmp(other->name, rel->name) == 0)
			return true;
	}
	return false;
}

List *
rules_breaches(Facts *facts, List *contracts, List *findings)
{
	Judgement	j = {.facts = facts};
	List	   *seen = NIL;
	ListCell   *lc;

	foreach(lc, contracts)
	{
		RuleContract *touched = (RuleContract *) lfirst(lc);
		Contract   *contract = touched->contract;
		char	   *name = contract_object(contract);
		char	   *breach;
		ListCell   *ls;
		bool		again = false;

		/* Names that came up within the transaction are counted on by nobody. */
		foreach(ls, seen)
		{
			Contract   *earlier = (Contract *) lfirst(ls);

			again |= strcmp(contract_object(earlier), name) == 0 ||
				(OidIsValid(contract->oid) && earlier->oid == contract->oid);
		}
		foreach(ls, findings)
		{
			Finding    *finding = (Finding *) lfirst(ls);

			again |= finding->unsafe && strcmp(finding->rule, RULE_BREAKS_CLIENTS) == 0 &&
				strcmp(finding->object, name) == 0;
		}
		if (again || took_a_name(facts, contracts, contract))
			continue;
		seen = lappend(seen, contract);
		breach = contract_breach(facts, contract);
		if (breach != NULL)
			add_finding(&j, RULE_BREAKS_CLIENTS, true, name, NoLock,
						psprintf("Afterwards %s.", breach),
						touched->hint ? pstrdup(touched->hint) : NULL);
	}
	return j.findings;
}

static bool
names_label_walker(Node *node, List *labels)
{
	ListCell   *lc;

	if (node == NULL)
		return false;
	if (IsA(node, A_Const))
	{
		const char *text = zdm_const_string((A_Const *) node);

		foreach(lc, labels)
		{
			if (text != NULL && strcmp(text, (char *) lfirst(lc)) == 0)
				return true;
		}
		return false;
	}
	return raw_expression_tree_walker(node, names_label_walker, labels);
}

static bool
column_names_label(ColumnDef *def, List *labels)
{
	ListCell   *lc;

	foreach(lc, def->constraints)
	{
		if (names_label_walker(((Constraint *) lfirst(lc))->raw_expr, labels))
			return true;
	}
	return false;
}

/* raw_expression_tree_walker knows no DDL: look into the parts that hold expressions. */
static bool
names_new_label(Node *stmt, List *labels)
{
	ListCell   *lc;

	if (labels == NIL)
		return false;
	if (IsA(stmt, AlterTableStmt))
	{
		foreach(lc, ((AlterTableStmt *) stmt)->cmds)
		{
			AlterTableCmd *cmd = (AlterTableCmd *) lfirst(lc);

			if (cmd->def == NULL)
				continue;
			if (cmd->subtype == AT_ColumnDefault && names_label_walker(cmd->def, labels))
				return true;
			if (IsA(cmd->def, Constraint) &&
				names_label_walker(((Constraint *) cmd->def)->raw_expr, labels))
				return true;
			if (IsA(cmd->def, ColumnDef) && column_names_label((ColumnDef *) cmd->def, labels))
				return true;
		}
		return false;
	}
	if (IsA(stmt, CreateStmt))
	{
		foreach(lc, ((CreateStmt *) stmt)->tableElts)
		{
			if (IsA(lfirst(lc), ColumnDef) && column_names_label((ColumnDef *) lfirst(lc), labels))
				return true;
		}
		return false;
	}
	if (IsA(stmt, IndexStmt))
		return names_label_walker(((IndexStmt *) stmt)->whereClause, labels);
	if (IsA(stmt, SelectStmt) || IsA(stmt, InsertStmt) || IsA(stmt, UpdateStmt) || IsA(stmt, DeleteStmt))
		return names_label_walker(stmt, labels);
	return false;
}

static void
judge_query(Judgement *j, Node *stmt)
{
	FactRelation *into = NULL;
	double		blocks;

	if (IsA(stmt, SelectStmt) && ((SelectStmt *) stmt)->intoClause != NULL)
		into = facts_add(j->facts, ((SelectStmt *) stmt)->intoClause->rel, RELKIND_RELATION);
	if (IsA(stmt, InsertStmt))
		into = facts_find(j->facts, ((InsertStmt *) stmt)->relation);
	if (!rules_strong_held(j) && (into == NULL || !into->fresh))
		return;
	blocks = facts_statement_work(j->facts, stmt);
	if (into != NULL && into->fresh)
		into->heap_blocks = into->total_blocks = into->heap_blocks + blocks;
	rules_work(j, WORK_QUERY, into, blocks, pstrdup("reading and writing of tables"), NULL);
}

/* EXPLAIN (ANALYZE) runs the query. */
static void
judge_explain(Judgement *j, ExplainStmt *stmt)
{
	bool		analyze = false;
	ListCell   *lc;

	foreach(lc, stmt->options)
	{
		DefElem    *option = (DefElem *) lfirst(lc);

		if (strcmp(option->defname, "analyze") == 0)
			analyze = defGetBoolean(option);
	}
	if (analyze && facts_is_query(stmt->query))
		judge_query(j, stmt->query);
}

bool
rules_cover(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_AlterTableStmt:
		case T_AlterTableMoveAllStmt:
		case T_IndexStmt:
		case T_ReindexStmt:
		case T_VacuumStmt:
		case T_ClusterStmt:
		case T_RefreshMatViewStmt:
		case T_DropStmt:
		case T_TruncateStmt:
		case T_RenameStmt:
		case T_AlterObjectSchemaStmt:
		case T_DropOwnedStmt:
		case T_ReassignOwnedStmt:
		case T_CreateSchemaStmt:
		case T_CreateStmt:
		case T_CreateTableAsStmt:
		case T_ViewStmt:
		case T_CreateSeqStmt:
		case T_AlterSeqStmt:
		case T_CreateFunctionStmt:
		case T_AlterFunctionStmt:
		case T_CreateDomainStmt:
		case T_AlterDomainStmt:
		case T_AlterEnumStmt:
		case T_CreateTrigStmt:
		case T_RuleStmt:
		case T_LockStmt:
		case T_CopyStmt:
		case T_GrantStmt:
		case T_CreatePolicyStmt:
		case T_AlterPolicyStmt:
		case T_CreatePublicationStmt:
		case T_AlterPublicationStmt:
		case T_CreatedbStmt:
		case T_DropdbStmt:
		case T_CreateTableSpaceStmt:
		case T_DropTableSpaceStmt:
		case T_AlterSystemStmt:
			return true;
		default:
			return false;
	}
}

static void
judge_relation_statement(Judgement *j, Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_AlterTableStmt:
			rules_alter_table(j, (AlterTableStmt *) stmt);
			break;
		case T_AlterTableMoveAllStmt:
			rules_alter_table_move(j, (AlterTableMoveAllStmt *) stmt);
			break;
		case T_IndexStmt:
			rules_index(j, (IndexStmt *) stmt);
			break;
		case T_ReindexStmt:
			rules_reindex(j, (ReindexStmt *) stmt);
			break;
		case T_VacuumStmt:
			rules_vacuum(j, (VacuumStmt *) stmt);
			break;
		case T_ClusterStmt:
			rules_cluster(j, (ClusterStmt *) stmt);
			break;
		case T_RefreshMatViewStmt:
			rules_refresh(j, (RefreshMatViewStmt *) stmt);
			break;
		case T_TruncateStmt:
			rules_truncate(j, (TruncateStmt *) stmt);
			break;
		case T_CreateStmt:
			rules_create_table(j, (CreateStmt *) stmt);
			break;
		case T_CreateTableAsStmt:
			rules_create_table_as(j, (CreateTableAsStmt *) stmt);
			break;
		case T_ViewStmt:
			rules_create_view(j, (ViewStmt *) stmt);
			break;
		case T_CreateTrigStmt:
			rules_trigger(j, (CreateTrigStmt *) stmt);
			break;
		case T_RuleStmt:
			rules_rule(j, (RuleStmt *) stmt);
			break;
		case T_LockStmt:
			rules_lock_table(j, (LockStmt *) stmt);
			break;
		case T_CopyStmt:
			rules_copy(j, (CopyStmt *) stmt);
			break;
		default:
			break;
	}
}

static void
judge_other_statement(Judgement *j, Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_DropStmt:
			rules_drop(j, (DropStmt *) stmt);
			break;
		case T_RenameStmt:
			rules_rename(j, (RenameStmt *) stmt);
			break;
		case T_AlterObjectSchemaStmt:
			rules_set_schema(j, (AlterObjectSchemaStmt *) stmt);
			break;
		case T_DropOwnedStmt:
			rules_drop_owned(j, (DropOwnedStmt *) stmt);
			break;
		case T_ReassignOwnedStmt:
			rules_reassign_owned(j, (ReassignOwnedStmt *) stmt);
			break;
		case T_CreateSeqStmt:
			rules_create_sequence(j, (CreateSeqStmt *) stmt);
			break;
		case T_AlterSeqStmt:
			rules_alter_sequence(j, (AlterSeqStmt *) stmt);
			break;
		case T_CreateFunctionStmt:
			rules_create_function(j, (CreateFunctionStmt *) stmt);
			break;
		case T_CreateDomainStmt:
			rules_create_domain(j, (CreateDomainStmt *) stmt);
			break;
		case T_AlterDomainStmt:
			rules_alter_domain(j, (AlterDomainStmt *) stmt);
			break;
		case T_AlterEnumStmt:
			rules_alter_enum(j, (AlterEnumStmt *) stmt);
			break;
		case T_GrantStmt:
			rules_grant(j, (GrantStmt *) stmt);
			break;
		case T_CreatePolicyStmt:
			rules_create_policy(j, (CreatePolicyStmt *) stmt);
			break;
		case T_AlterPolicyStmt:
			rules_alter_policy(j, (AlterPolicyStmt *) stmt);
			break;
		case T_CreatePublicationStmt:
			rules_create_publication(j, (CreatePublicationStmt *) stmt);
			break;
		case T_AlterPublicationStmt:
			rules_alter_publication(j, (AlterPublicationStmt *) stmt);
			break;
		default:
			break;
	}
}

/* The name of what an element of CREATE SCHEMA makes or alters; NULL if it has none of that kind. */
static RangeVar *
element_name(Node *element)
{
	switch (nodeTag(element))
	{
		case T_CreateStmt:
			return ((CreateStmt *) element)->relation;
		case T_ViewStmt:
			return ((ViewStmt *) element)->view;
		case T_IndexStmt:
			return ((IndexStmt *) element)->relation;
		case T_CreateSeqStmt:
			return ((CreateSeqStmt *) element)->sequence;
		case T_CreateTrigStmt:
			return ((CreateTrigStmt *) element)->relation;
		default:
			return NULL;
	}
}

/* PostgreSQL runs each element by itself, with the new schema where none is named. */
static void
judge_schema_elements(Judgement *j, CreateSchemaStmt *stmt)
{
	char	   *schema = stmt->schemaname ? stmt->schemaname :
		stmt->authrole ? get_rolespec_name(stmt->authrole) : NULL;
	ListCell   *lc;

	foreach(lc, stmt->schemaElts)
	{
		Node	   *element = copyObject((Node *) lfirst(lc));
		RangeVar   *name = element_name(element);

		if (name != NULL && name->schemaname == NULL && schema != NULL)
			name->schemaname = schema;
		rules_migration(j, element);
		judge_relation_statement(j, element);
		judge_other_statement(j, element);
	}
}

/* Partitions are gone through one transaction each, as are all tables of a schema or database. */
static bool
takes_several_transactions(Facts *facts, const RangeVar *relation)
{
	FactRelation *rel = relation ? facts_find(facts, relation) : NULL;

	return relation == NULL || (rel != NULL && (rel->kind == RELKIND_PARTITIONED_TABLE ||
												rel->kind == RELKIND_PARTITIONED_INDEX));
}

/* What the statement is called if PostgreSQL never runs it inside a transaction block; else NULL. */
static const char *
outside_blocks_only(Facts *facts, Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_VacuumStmt:
			return ((VacuumStmt *) stmt)->is_vacuumcmd ? "VACUUM" : NULL;
		case T_ClusterStmt:
			return takes_several_transactions(facts, ((ClusterStmt *) stmt)->relation) ? "CLUSTER" : NULL;
		case T_ReindexStmt:
			return takes_several_transactions(facts, ((ReindexStmt *) stmt)->relation) ? "REINDEX" : NULL;
		case T_CreatedbStmt:
			return "CREATE DATABASE";
		case T_DropdbStmt:
			return "DROP DATABASE";
		case T_CreateTableSpaceStmt:
			return "CREATE TABLESPACE";
		case T_DropTableSpaceStmt:
			return "DROP TABLESPACE";
		case T_AlterSystemStmt:
			return "ALTER SYSTEM";
		default:
			return NULL;
	}
}

static void
fails_in_block(Judgement *j, Node *stmt)
{
	const char *command = j->facts->in_block ? outside_blocks_only(j->facts, stmt) : NULL;

	if (command != NULL)
		rules_find(j, RULE_WOULD_FAIL, command, NoLock,
				   psprintf("%s cannot run inside a transaction block or a function.", command),
				   pstrdup("Run it by itself, outside a transaction block."));
}

/* The relation that PostgreSQL lets its owner alone alter by the statement; NULL if it is none of these. */
static RangeVar *
owners_relation(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_AlterTableStmt:
			return ((AlterTableStmt *) stmt)->relation;
		case T_IndexStmt:
			return ((IndexStmt *) stmt)->relation;
		case T_RenameStmt:
			return ((RenameStmt *) stmt)->relation;
		case T_AlterObjectSchemaStmt:
			return ((AlterObjectSchemaStmt *) stmt)->relation;
		case T_AlterSeqStmt:
			return ((AlterSeqStmt *) stmt)->sequence;
		case T_RuleStmt:
			return ((RuleStmt *) stmt)->relation;
		case T_CreatePolicyStmt:
			return ((CreatePolicyStmt *) stmt)->table;
		case T_AlterPolicyStmt:
			return ((AlterPolicyStmt *) stmt)->table;
		default:
			return NULL;
	}
}

/* Who owns the schema may drop what is in it. */
static FactRelation *
forbidden_drop(Facts *facts, DropStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		FactRelation *rel = facts_find(facts, makeRangeVarFromNameList((List *) lfirst(lc)));
		Oid			nspid = rel != NULL ? get_namespace_oid(rel->schema, true) : InvalidOid;

		if (rel != NULL && !has_privs_of_role(GetUserId(), rel->owner) &&
			!(OidIsValid(nspid) && object_ownercheck(NamespaceRelationId, nspid, GetUserId())))
			return rel;
	}
	return NULL;
}

static bool
drops_relations(Node *stmt)
{
	if (!IsA(stmt, DropStmt))
		return false;
	switch (((DropStmt *) stmt)->removeType)
	{
		case OBJECT_TABLE:
		case OBJECT_FOREIGN_TABLE:
		case OBJECT_VIEW:
		case OBJECT_MATVIEW:
		case OBJECT_SEQUENCE:
		case OBJECT_INDEX:
			return true;
		default:
			return false;
	}
}

FactRelation *
rules_forbidden(Facts *facts, Node *stmt)
{
	RangeVar   *name = owners_relation(stmt);
	FactRelation *rel = name != NULL && !facts->other_role ? facts_find(facts, name) : NULL;

	if (!facts->other_role && drops_relations(stmt))
		return forbidden_drop(facts, (DropStmt *) stmt);
	return rel == NULL || has_privs_of_role(GetUserId(), rel->owner) ? NULL : rel;
}

/*
 * Whoever may not alter a relation is told just that, as by PostgreSQL itself,
 * and nothing of what the statement would find there.
 */
static bool
is_forbidden(Judgement *j, Node *stmt)
{
	FactRelation *rel = rules_forbidden(j->facts, stmt);

	if (rel != NULL && j->facts->simulated)
		rules_find(j, RULE_WOULD_FAIL, facts_name(rel), NoLock,
				   psprintf("PostgreSQL refuses it: must be owner of %s.", facts_name(rel)),
				   psprintf("SET ROLE %s;", quote_identifier(GetUserNameFromId(rel->owner, false))));
	return rel != NULL;
}

Judgement *
rules_judge(Facts *facts, Node *stmt, const char *sql, HeldFinder find_held)
{
	Judgement  *j = palloc0(sizeof(Judgement));

	j->facts = facts;
	j->sql = sql;
	j->find_held = find_held;
	if (names_new_label(stmt, facts->enum_labels))
	{
		rules_find(j, RULE_WOULD_FAIL, "enum", NoLock,
				   "The statement uses an enum value that this transaction added, which PostgreSQL refuses.",
				   "COMMIT; after ALTER TYPE ... ADD VALUE, then use the value.");
		return j;
	}
	if (is_forbidden(j, stmt))
		return j;
	if (facts_is_query(stmt))
		judge_query(j, stmt);
	else if (IsA(stmt, ExplainStmt))
		judge_explain(j, (ExplainStmt *) stmt);
	else
	{
		rules_migration(j, stmt);
		fails_in_block(j, stmt);
		if (IsA(stmt, CreateSchemaStmt))
			judge_schema_elements(j, (CreateSchemaStmt *) stmt);
		judge_relation_statement(j, stmt);
		judge_other_statement(j, stmt);
	}
	decide(j);
	return j;
}
