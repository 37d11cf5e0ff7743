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
#include "core/citus.h"
#include "core/guc.h"
#include "core/names.h"
#include "facts/facts_catalog.h"
#include "facts/facts_query.h"
#include "rules/rules.h"
#include "rules/statement.h"
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

RuleWork *
rules_work(Judgement *j, WorkKind kind, FactRelation *rel, double blocks, char *what, char *hint)
{
	RuleWork   *work = palloc0(sizeof(RuleWork));

	work->kind = kind;
	work->rel = rel;
	work->blocks = blocks;
	work->what = what;
	work->hint = hint;
	j->works = lappend(j->works, work);
	return work;
}

static void
remember_reliance(Judgement *j, Reliance *reliance, const char *hint)
{
	RuleReliance *touched = palloc0(sizeof(RuleReliance));

	touched->reliance = reliance;
	touched->hint = hint;
	j->reliances = lappend(j->reliances, touched);
}

void
rules_touch(Judgement *j, FactRelation *rel, const char *hint)
{
	Reliance   *reliance = reliance_take(j->facts, rel);

	if (reliance != NULL)
		remember_reliance(j, reliance, hint);
}

/* What the roles can do with it by the privileges of others is no matter of the relation's own. */
void
rules_touch_clients(Judgement *j, FactRelation *rel, List *roles, const char *hint)
{
	if (roles != NIL && !rel->fresh && !rel->is_child)
		remember_reliance(j, reliance_take_clients(j->facts, rel, roles), hint);
}

void
rules_detached(Judgement *j, FactRelation *partition)
{
	remember_reliance(j, reliance_take_nobodys(partition), NULL);
	partition->is_partition = partition->is_child = false;
	partition->detached = true;
}

void
rules_touch_function(Judgement *j, Oid funcid, const char *hint)
{
	Oid		   *types;
	int			count;

	(void) get_func_signature(funcid, &types, &count);
	remember_reliance(j, reliance_take_function(facts_function_identity(get_func_namespace(funcid),
																		 get_func_name(funcid),
																		 types, count)), hint);
}

void
rules_touch_type(Judgement *j, Oid type, const char *hint)
{
	ListCell   *lc;

	remember_reliance(j, reliance_take_type(type), hint);
	/* by the name that the type has now, since a column may be given one made anew */
	foreach(lc, facts_type_users(j->facts, type))
		rules_touch(j, (FactRelation *) lfirst(lc), hint);
}

void
rules_call(Judgement *j, char *call)
{
	j->calls = list_append_unique(j->calls, makeString(call));
}

char *
rules_escape(const char *before, const char *after)
{
	if (zdm_may_set_parameter("zdm.guard"))
		return psprintf("%s; then SET LOCAL zdm.guard = off; %s.", before, after);
	return psprintf("%s; a superuser, or a role that was granted SET on zdm.guard, can then let it through.", before);
}

static Finding *
add_finding(Judgement *j, const char *rule, bool unsafe, const char *object, LOCKMODE lock,
			char *detail, char *hint)
{
	Finding    *finding = palloc0(sizeof(Finding));

	finding->rule = rule;
	finding->unsafe = unsafe;
	finding->object = pstrdup(object);
	finding->lock = lock;
	finding->detail = detail;
	finding->hint = hint;
	j->findings = lappend(j->findings, finding);
	return finding;
}

void
rules_find(Judgement *j, const char *rule, const char *object, LOCKMODE lock,
		   char *detail, char *hint)
{
	Finding    *finding = add_finding(j, rule, true, object, lock, detail, hint);

	/* Not a lock that is held already, and not what a migration needs. */
	finding->mended = strcmp(rule, RULE_BREAKS_CLIENTS) == 0;
}

void
rules_mended(Judgement *j, const char *rule, const char *object, LOCKMODE lock,
			 char *detail, char *hint)
{
	add_finding(j, rule, true, object, lock, detail, hint)->mended = true;
}

void
rules_missing(Judgement *j, const RangeVar *name)
{
	if (j->facts->of_text)
		(void) add_finding(j, RULE_WOULD_FAIL, true, quote_identifier(name->relname), NoLock,
						   psprintf("Relation %s does not exist.",
									name->schemaname ? quote_qualified_identifier(name->schemaname, name->relname) :
									quote_identifier(name->relname)),
						   NULL);
}

void
rules_refused(Judgement *j, FactRelation *rel, char *detail)
{
	if (j->facts->of_text)
		(void) add_finding(j, RULE_WOULD_FAIL, true, facts_name(rel), NoLock, detail, NULL);
}

void
rules_caution(Judgement *j, const char *rule, const char *object, char *detail, char *hint)
{
	(void) add_finding(j, rule, false, object, NoLock, detail, hint);
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
	if (rel->kind == RELKIND_MATVIEW || get_rel_relkind(rel->heap) == RELKIND_MATVIEW)
		return "readers";
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

/*
 * The lock under which the work is done: the strongest of the statement, but for one that
 * goes through relations one after the other.
 */
static LOCKMODE
lock_of_work(Judgement *j, RuleWork *work, FactRelation **locked)
{
	LOCKMODE	mode = NoLock;
	ListCell   *lc;

	if (!j->one_by_one)
		return rules_strong_lock(j, locked);
	foreach(lc, j->locks)
	{
		TakenLock   *lock = (TakenLock *) lfirst(lc);

		if (lock->mode > mode && rules_is_strong(lock->rel, lock->mode) &&
			(lock->rel == work->rel || lock->rel->heap == work->rel->oid))
		{
			mode = lock->mode;
			*locked = lock->rel;
		}
	}
	return mode;
}

static void
decide_work(Judgement *j, RuleWork *work)
{
	FactRelation *locked = NULL;
	LOCKMODE	mode = lock_of_work(j, work, &locked);

	if (work->blocks < guc_guard_min_size || work->blocks == 0)
		return;
	work->what[0] = pg_toupper((unsigned char) work->what[0]);
	if (mode != NoLock)
	{
		rules_mended(j, rule_of_work(work->kind), facts_name(locked), mode,
					 psprintf("%s (%s) while %s on %s blocks its %s: %s.",
							  work->what, size_text(work->blocks), rules_lock_name(mode),
							  facts_name(locked), blocks_whom(locked, mode),
							  time_text(work->kind, work->blocks)),
					 work->hint);
		((Finding *) llast(j->findings))->apart = work->apart;
	}
	else if (rules_strong_held(j))
		(void) add_finding(j, RULE_LOCKS_HELD, true, j->strong_on, j->strong_held,
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
		(void) add_finding(j, RULE_STRONG_LOCK, false, facts_name(locked), mode,
					psprintf("%s on %s blocks its %s, and while it waits for its turn everyone behind it.",
							 rules_lock_name(mode), facts_name(locked), blocks_whom(locked, mode)),
					"SET lock_timeout = '2s'; and try again when it fails.");
}

/*
 * In a swap a relation takes the name that another one gave up: it was made
 * for that name, and nobody counts on the one that it had before.
 */
static bool
took_a_name(Facts *facts, List *reliances, const Reliance *reliance)
{
	FactRelation *rel = OidIsValid(reliance->oid) ? facts_by_oid(facts, reliance->oid) : NULL;
	ListCell   *lc;

	if (rel == NULL || rel->gone ||
		facts_find_name(facts, reliance->schema, reliance->name) != NULL)
		return false;
	foreach(lc, reliances)
	{
		Reliance   *other = ((RuleReliance *) lfirst(lc))->reliance;

		if (other->identity == NULL && other->oid != reliance->oid &&
			strcmp(other->schema, rel->schema) == 0 && strcmp(other->name, rel->name) == 0)
			return true;
	}
	return false;
}

/* Names that came up within the transaction are counted on by nobody. */
static bool
is_seen(List *seen, const Reliance *reliance)
{
	ListCell   *lc;

	foreach(lc, seen)
	{
		Reliance   *earlier = (Reliance *) lfirst(lc);

		if (strcmp(reliance_object(earlier), reliance_object(reliance)) == 0 ||
			(OidIsValid(reliance->oid) && earlier->oid == reliance->oid) ||
			(OidIsValid(reliance->type) && earlier->type == reliance->type))
			return true;
	}
	return false;
}

static bool
is_found(List *findings, const char *object)
{
	ListCell   *lc;

	foreach(lc, findings)
	{
		Finding    *finding = (Finding *) lfirst(lc);

		if (finding->unsafe && strcmp(finding->rule, RULE_BREAKS_CLIENTS) == 0 &&
			strcmp(finding->object, object) == 0)
			return true;
	}
	return false;
}

/* Of the statements that touched the relation, the last one that broke the reliance at once. */
static RuleReliance *
culprit(List *reliances, RuleReliance *touched)
{
	RuleReliance *found = touched;
	ListCell   *lc;

	foreach(lc, reliances)
	{
		RuleReliance *other = (RuleReliance *) lfirst(lc);

		if (other->statement != NULL && is_seen(list_make1(other->reliance), touched->reliance))
			found = other;
	}
	return found;
}

bool
rules_is_of_kind(FactRelation *rel, ObjectType kind)
{
	switch (kind)
	{
		case OBJECT_VIEW:
			return rel->kind == RELKIND_VIEW;
		case OBJECT_MATVIEW:
			return rel->kind == RELKIND_MATVIEW;
		case OBJECT_SEQUENCE:
			return rel->kind == RELKIND_SEQUENCE;
		case OBJECT_FOREIGN_TABLE:
			return rel->kind == RELKIND_FOREIGN_TABLE;
		default:
			return true;
	}
}

/* Can rows be told by a key?  As second_plan.c asks for it. */
static bool
has_key(FactRelation *rel)
{
	ListCell   *lc;

	foreach(lc, rel->indexes)
	{
		FactIndex  *idx = (FactIndex *) lfirst(lc);
		bool		is_key = idx->unique && idx->valid && idx->immediate && !idx->dropped &&
			idx->exprs == NIL && idx->predicate == NIL;

		for (int i = 0; i < idx->nkeys && is_key; i++)
		{
			FactColumn *col = facts_attribute(rel, idx->columns[i]);

			is_key = col != NULL && col->notnull;
		}
		if (is_key)
			return true;
	}
	return false;
}

char *
rules_rewrite_hint(Judgement *j, FactRelation *rel)
{
	if (rel->kind == RELKIND_MATVIEW)
		return pstrdup("Make another materialized view of the same query, with its indexes and grants, and let it take the name in one transaction.");
	facts_detail(j->facts, rel);
	if (!has_key(rel))
		return psprintf("Give %s a primary key: zdm.migrate() then writes it anew beside its traffic; zdm.plan() says what else is in the way.", facts_name(rel));
	return pstrdup("zdm.plan() says what keeps zdm.migrate() from writing it anew beside its traffic.");
}

/* What mends just this breach comes first, then a call that was tried, then the rule's word. */
static void
add_breach(Judgement *j, List *reliances, RuleReliance *touched, char *breach, const Remedy *remedy)
{
	RuleReliance *by = culprit(reliances, touched);
	const char *hint = remedy->text != NULL ? remedy->text : by->call != NULL ? by->call : by->hint;
	Finding    *finding;

	finding = add_finding(j, RULE_BREAKS_CLIENTS, true, reliance_object(touched->reliance), NoLock,
						  by->statement == NULL ? psprintf("Afterwards %s.", breach) :
						  psprintf("Afterwards %s (by: %s).", breach, by->statement),
						  hint != NULL ? pstrdup(hint) : NULL);
	finding->mended = remedy->text == NULL || remedy->migrated;
	finding->breach = touched;
}

List *
rules_breaches(Facts *facts, List *reliances, List *findings)
{
	Judgement	j = {.facts = facts};
	List	   *seen = NIL;
	ListCell   *lc;

	foreach(lc, reliances)
	{
		RuleReliance *touched = (RuleReliance *) lfirst(lc);
		Reliance   *reliance = touched->reliance;
		Remedy		remedy;
		char	   *breach;

		if (!reliance->of_clients &&
			(is_seen(seen, reliance) || is_found(findings, reliance_object(reliance)) ||
			 took_a_name(facts, reliances, reliance)))
			continue;
		if (!reliance->of_clients)
			seen = lappend(seen, reliance);
		breach = reliance_breach(facts, reliance, &remedy);
		if (breach != NULL)
			add_breach(&j, reliances, touched, breach, &remedy);
	}
	return j.findings;
}

void
rules_query(Judgement *j, Node *stmt)
{
	FactRelation *into = NULL;
	double		blocks;

	if (IsA(stmt, SelectStmt) && ((SelectStmt *) stmt)->intoClause != NULL)
		into = facts_add(j->facts, ((SelectStmt *) stmt)->intoClause->rel, RELKIND_RELATION);
	if (IsA(stmt, InsertStmt))
		into = facts_find(j->facts, ((InsertStmt *) stmt)->relation);
	if (into != NULL)
		into->filled = true;
	if (!rules_strong_held(j) && (into == NULL || !into->fresh))
		return;
	blocks = facts_statement_work(j->facts, stmt);
	if (into != NULL && into->fresh)
		into->heap_blocks = into->total_blocks = into->heap_blocks + blocks;
	rules_work(j, WORK_QUERY, into, blocks, pstrdup("reading and writing of tables"), NULL);
}

/* EXPLAIN (ANALYZE) runs the query. */
void
rules_explain(Judgement *j, Node *node)
{
	ExplainStmt *stmt = castNode(ExplainStmt, node);
	bool		analyze = false;
	ListCell   *lc;

	foreach(lc, stmt->options)
	{
		DefElem    *option = (DefElem *) lfirst(lc);

		if (strcmp(option->defname, "analyze") == 0)
			analyze = defGetBoolean(option);
	}
	if (analyze && statement_kind(stmt->query)->query)
		rules_query(j, stmt->query);
}

bool
rules_always_outside(Facts *facts, Node *stmt)
{
	return true;
}

bool
rules_vacuum_outside(Facts *facts, Node *stmt)
{
	return castNode(VacuumStmt, stmt)->is_vacuumcmd;
}

/* Partitions are gone through one transaction each, as are all tables of a schema or database. */
bool
rules_trees_outside(Facts *facts, Node *stmt)
{
	RangeVar   *name = statement_relation(stmt);
	FactRelation *rel = name ? facts_find(facts, name) : NULL;

	return name == NULL || (rel != NULL && (rel->kind == RELKIND_PARTITIONED_TABLE ||
											rel->kind == RELKIND_PARTITIONED_INDEX));
}

static void
fails_in_block(Judgement *j, const StatementKind *kind, Node *stmt)
{
	if (j->facts->in_block && kind->outside_block != NULL && kind->outside_block(j->facts, stmt))
		rules_find(j, RULE_WOULD_FAIL, kind->name, NoLock,
				   psprintf("%s cannot run inside a transaction block or a function.", kind->name),
				   pstrdup("Run it by itself, outside a transaction block."));
}

/* What a migration needs of the statement, then what it does. */
static void
judge_statement(Judgement *j, const StatementKind *kind, Node *stmt)
{
	if (kind->claims != NULL)
		kind->claims(j, stmt);
	fails_in_block(j, kind, stmt);
	if (kind->judge != NULL)
		kind->judge(j, stmt);
}

/* PostgreSQL runs each element by itself, with the new schema where none is named. */
void
rules_create_schema(Judgement *j, Node *node)
{
	CreateSchemaStmt *stmt = castNode(CreateSchemaStmt, node);
	char	   *schema = stmt->schemaname ? stmt->schemaname :
		stmt->authrole ? get_rolespec_name(stmt->authrole) : NULL;
	ListCell   *lc;

	foreach(lc, stmt->schemaElts)
	{
		Node	   *element = copyObject((Node *) lfirst(lc));
		RangeVar   *name = statement_relation(element);

		if (name != NULL && name->schemaname == NULL && schema != NULL)
			name->schemaname = schema;
		judge_statement(j, statement_kind(element), element);
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
	RangeVar   *name = statement_kind(stmt)->owners ? statement_relation(stmt) : NULL;
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

/*
 * A shard is not to be changed on its own, and no hint may name it; of a table
 * whose rows are elsewhere, the size that is seen here says nothing.
 */
static void
judge_citus(Judgement *j)
{
	List	   *seen = NIL;
	ListCell   *lc;

	foreach(lc, j->locks)
	{
		FactRelation *rel = ((TakenLock *) lfirst(lc))->rel;
		Oid			table;
		CitusKind	kind;

		if (!OidIsValid(rel->oid) || rel->fresh || list_member_ptr(seen, rel))
			continue;
		seen = lappend(seen, rel);
		kind = citus_kind(rel->oid, &table);
		if (kind == CITUS_SHARD || kind == CITUS_SHELL)
		{
			j->findings = NIL;
			j->reliances = NIL;
			rules_find(j, RULE_BREAKS_CLIENTS, names_relation(table), NoLock,
					   psprintf("%s is %s, which Citus alone may change.", facts_name(rel), citus_kind_name(kind)),
					   psprintf("Run the statement %s, for %s.", citus_coordinator(), names_relation(table)));
			((Finding *) llast(j->findings))->mended = false;
			return;
		}
		if (kind != CITUS_NONE)
			rules_caution(j, RULE_NOT_JUDGED, facts_name(rel),
						  psprintf("%s is %s: how large it is where its rows are is not known here.",
								   facts_name(rel), citus_kind_name(kind)), NULL);
	}
}

Judgement *
rules_judge(Facts *facts, Node *stmt, const char *sql, HeldFinder find_held)
{
	Judgement  *j = palloc0(sizeof(Judgement));
	const StatementKind *kind = statement_kind(stmt);

	j->facts = facts;
	j->sql = sql;
	j->find_held = find_held;
	if (facts->enum_labels != NIL && kind->uses_label != NULL && kind->uses_label(stmt, facts->enum_labels))
	{
		rules_find(j, RULE_WOULD_FAIL, "enum", NoLock,
				   "The statement uses an enum value that this transaction added, which PostgreSQL refuses.",
				   "COMMIT; after ALTER TYPE ... ADD VALUE, then use the value.");
		return j;
	}
	if (is_forbidden(j, stmt))
		return j;
	if (kind->name == NULL)
		rules_caution(j, RULE_NOT_JUDGED, "statement", "What this kind of statement does is not known.", NULL);
	judge_statement(j, kind, stmt);
	decide(j);
	judge_citus(j);
	/* One call of a function made for one change does not say all of several. */
	if (IsA(stmt, AlterTableStmt) && list_length(((AlterTableStmt *) stmt)->cmds) > 1)
		j->calls = NIL;
	return j;
}
