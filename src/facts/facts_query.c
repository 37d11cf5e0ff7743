/*-------------------------------------------------------------------------
 *
 * facts_query.c
 *		What queries, views, sequences and publications amount to.
 *
 * How much a query reads is asked of the planner, because "UPDATE ... WHERE id
 * BETWEEN 1 AND 500" and the same without WHERE differ in nothing else.  A
 * statement that writes is planned as the SELECT of the rows it would touch:
 * analyzing it as it stands would take ROW EXCLUSIVE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_rewrite.h"
#include "commands/sequence.h"
#include "core/attempt.h"
#include "core/identity.h"
#include "facts/authors.h"
#include "facts/facts_access.h"
#include "facts/facts_catalog.h"
#include "facts/facts_query.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_target.h"
#include "rewrite/rewriteHandler.h"
#include "storage/bufmgr.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "compat.h"

/* A tuple's header and line pointer. */
#define TUPLE_OVERHEAD 28

typedef struct PlanWork
{
	double		blocks;
	double		fraction;		/* what a LIMIT above lets through */
} PlanWork;

static double
relation_share(Relation rel, double rows)
{
	double		blocks = RelationGetNumberOfBlocks(rel);
	double		tuples = rel->rd_rel->reltuples;
	double		density = rel->rd_rel->relpages > 0 && tuples > 0 ?
		tuples / rel->rd_rel->relpages : 50;

	return Min(blocks, rows / density);
}

static void
scan_work(PlanState *ps, PlanWork *work)
{
	Relation	rel = ((ScanState *) ps)->ss_currentRelation;

	if (rel == NULL || !RELKIND_HAS_STORAGE(rel->rd_rel->relkind))
		return;
	if (IsA(ps, SeqScanState) || IsA(ps, SampleScanState))
		work->blocks += work->fraction * RelationGetNumberOfBlocks(rel);
	else
		work->blocks += work->fraction * relation_share(rel, ps->plan->plan_rows);
}

static bool plan_work_walker(PlanState *ps, PlanWork *work);

/* What the walk counts too much: EXISTS reads no further than the first row. */
static double
left_by_exists(PlanState *ps, double fraction)
{
	double		blocks = 0;
	ListCell   *lc;

	foreach(lc, ps->initPlan)
	{
		SubPlanState *sub = (SubPlanState *) lfirst(lc);
		PlanWork	all = {0, fraction};

		if (sub->subplan->subLinkType != EXISTS_SUBLINK)
			continue;
		plan_work_walker(sub->planstate, &all);
		blocks += all.blocks * (1.0 - 1.0 / Max(sub->planstate->plan->plan_rows, 1.0));
	}
	return blocks;
}

static bool
plan_work_walker(PlanState *ps, PlanWork *work)
{
	PlanWork	below;

	if (ps == NULL)
		return false;
	below = *work;
	below.blocks = 0;
	switch (nodeTag(ps))
	{
		case T_SeqScanState:
		case T_SampleScanState:
		case T_IndexScanState:
		case T_IndexOnlyScanState:
		case T_BitmapHeapScanState:
			scan_work(ps, &below);
			break;
		case T_LimitState:
			if (outerPlan(ps->plan) != NULL && outerPlan(ps->plan)->plan_rows > 0)
				below.fraction *= Min(1.0, ps->plan->plan_rows / outerPlan(ps->plan)->plan_rows);
			break;
		case T_SortState:
		case T_AggState:
			/* These read all of their input before the first row comes out. */
			below.fraction = 1.0;
			break;
		default:
			break;
	}
	planstate_tree_walker(ps, plan_work_walker, &below);
	below.blocks -= left_by_exists(ps, below.fraction);
	if (IsA(ps, ModifyTableState) && outerPlan(ps->plan) != NULL)
	{
		Plan	   *source = outerPlan(ps->plan);

		below.blocks += source->plan_rows * (source->plan_width + TUPLE_OVERHEAD) / BLCKSZ;
	}
	work->blocks += below.blocks;
	return false;
}

double
facts_plan_work(QueryDesc *query_desc)
{
	PlanWork	work = {0, 1.0};

	plan_work_walker(query_desc->planstate, &work);
	return work.blocks;
}

/* The rows that a statement touches, as a SELECT; NULL if it has none to plan. */
static SelectStmt *
touched_rows(Node *raw)
{
	SelectStmt *select = makeNode(SelectStmt);
	ResTarget  *target = makeNode(ResTarget);
	A_Const    *one = makeNode(A_Const);

	if (IsA(raw, SelectStmt))
	{
		select = copyObject((SelectStmt *) raw);
		select->intoClause = NULL;
		select->lockingClause = NIL;
		return select;
	}
	if (IsA(raw, InsertStmt))
		return (SelectStmt *) copyObject(((InsertStmt *) raw)->selectStmt);
	zdm_set_const_integer(one, 1);
	one->location = -1;
	target->val = (Node *) one;
	target->location = -1;
	select->targetList = list_make1(target);
	if (IsA(raw, UpdateStmt))
	{
		UpdateStmt *update = (UpdateStmt *) raw;

		select->fromClause = lcons(update->relation, list_copy(update->fromClause));
		select->whereClause = update->whereClause;
		select->withClause = update->withClause;
	}
	else if (IsA(raw, DeleteStmt))
	{
		DeleteStmt *delete = (DeleteStmt *) raw;

		select->fromClause = lcons(delete->relation, list_copy(delete->usingClause));
		select->whereClause = delete->whereClause;
		select->withClause = delete->withClause;
	}
#ifdef ZDM_HAS_MERGE
	else if (IsA(raw, MergeStmt))
	{
		MergeStmt  *merge = (MergeStmt *) raw;

		select->fromClause = list_make2(merge->relation, merge->sourceRelation);
		select->whereClause = merge->joinCondition;
		select->withClause = merge->withClause;
	}
#endif
	else
		return NULL;
	return copyObject(select);
}

typedef struct PlanAttempt
{
	SelectStmt *select;
	Query	   *query;			/* in its place, when it was analyzed already */
	bool		written;		/* the rows are written somewhere, too */
	double		blocks;
} PlanAttempt;

/*
 * The planner runs what it folds.  So it is asked as the current user only if
 * nobody else wrote any of that; as that one author if the current user has his
 * rights anyway; and otherwise not at all.
 */
static Oid
planning_role(Query *query)
{
	List	   *authors = authors_of_query(query);

	if (authors == NIL)
		return GetUserId();
	if (list_length(authors) > 1 || !has_privs_of_role(GetUserId(), linitial_oid(authors)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the query is not planned, as that would run functions of other roles")));
	return linitial_oid(authors);
}

/* Within a subtransaction that is rolled back, which gives user and settings back. */
static void
become_planner(Query *query)
{
	Oid			role = planning_role(query);
	Identity	identity;

	if (role != GetUserId())
		identity_enter(role, NIL, &identity);
}

static void
plan_select(void *arg)
{
	PlanAttempt *attempt = (PlanAttempt *) arg;
	RawStmt    *raw = makeNode(RawStmt);
	Query	   *query;
	PlannedStmt *plan;
	QueryDesc  *desc;

	if (attempt->query != NULL)
		query = linitial_node(Query, QueryRewrite(copyObject(attempt->query)));
	else
	{
		raw->stmt = (Node *) copyObject(attempt->select);
		query = linitial_node(Query, pg_analyze_and_rewrite_fixedparams(raw, "", NULL, 0, NULL));
	}
	become_planner(query);
	PushActiveSnapshot(GetTransactionSnapshot());
	plan = pg_plan_query(query, "", 0, NULL);
	desc = CreateQueryDesc(plan, "", GetActiveSnapshot(), InvalidSnapshot, None_Receiver, NULL, NULL, 0);
	standard_ExecutorStart(desc, EXEC_FLAG_EXPLAIN_ONLY);
	attempt->blocks = facts_plan_work(desc);
	if (attempt->written)
		attempt->blocks += plan->planTree->plan_rows *
			(plan->planTree->plan_width + TUPLE_OVERHEAD) / BLCKSZ;
	standard_ExecutorEnd(desc);
	PopActiveSnapshot();
}

typedef struct MatviewAttempt
{
	FactRelation *view;
	PlanAttempt plan;
} MatviewAttempt;

/* The subtransaction that this runs in gives user, locks and relation back. */
static void
plan_matview(void *arg)
{
	MatviewAttempt *attempt = (MatviewAttempt *) arg;
	Relation	relation = relation_open(attempt->view->oid, AccessShareLock);
	RewriteRule *rule = relation->rd_rules->rules[0];
	Query	   *query = copyObject(linitial_node(Query, rule->actions));
	Identity	identity;

	identity_enter(attempt->view->author, NIL, &identity);
	AcquireRewriteLocks(query, true, false);
	attempt->plan.query = query;
	plan_select(&attempt->plan);
}

double
facts_matview_work(Facts *facts, FactRelation *view)
{
	MatviewAttempt attempt = {view, {0}};
	ErrorData  *error;
	double		blocks = 0;
	ListCell   *lc;

	if (OidIsValid(view->oid) && attempt_run(plan_matview, &attempt, ATTEMPT_UNDO, &error))
		return attempt.plan.blocks;
	foreach(lc, facts_view_relations(facts, view))
		blocks += facts_tree_blocks(facts, (FactRelation *) lfirst(lc));
	return blocks;
}

typedef struct NamedWork
{
	Facts	   *facts;
	double		blocks;
} NamedWork;

/* Sums up the tables that a raw tree names. */
static bool
named_work_walker(Node *node, NamedWork *work)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeVar))
	{
		FactRelation *rel = facts_find(work->facts, (RangeVar *) node);

		if (rel != NULL && rel->query != NULL)
			return named_work_walker((Node *) rel->query, work);
		if (rel != NULL)
			work->blocks += facts_tree_blocks(work->facts, rel);
		return false;
	}
	return raw_expression_tree_walker(node, named_work_walker, work);
}

/* Plans with each conjunct of WHERE by itself, as far as it can be understood. */
static bool
plan_by_conjunct(PlanAttempt *attempt)
{
	BoolExpr   *where = (BoolExpr *) attempt->select->whereClause;
	ErrorData  *error;
	double		least = -1;
	ListCell   *lc;

	if (where == NULL || !IsA(where, BoolExpr) || where->boolop != AND_EXPR)
		return false;
	foreach(lc, where->args)
	{
		attempt->select->whereClause = (Node *) lfirst(lc);
		if (attempt_run(plan_select, attempt, ATTEMPT_UNDO, &error) &&
			(least < 0 || attempt->blocks < least))
			least = attempt->blocks;
	}
	attempt->blocks = least;
	return least >= 0;
}

double
facts_statement_work(Facts *facts, Node *raw)
{
	PlanAttempt attempt = {0};
	NamedWork	named = {facts, 0};
	ErrorData  *error;

	if (IsA(raw, Query))
	{
		/* CREATE TABLE AS EXECUTE: what was prepared is not looked at. */
		if (((Query *) raw)->commandType != CMD_SELECT)
			return 0;
		attempt.query = (Query *) raw;
		return attempt_run(plan_select, &attempt, ATTEMPT_UNDO, &error) ? attempt.blocks : 0;
	}
	attempt.select = touched_rows(raw);
	if (attempt.select == NULL)
		return 0;
	attempt.written = !IsA(raw, SelectStmt);
	named_work_walker((Node *) attempt.select, &named);
	if (!attempt_run(plan_select, &attempt, ATTEMPT_UNDO, &error) && !plan_by_conjunct(&attempt))
		return named.blocks;
	return attempt.blocks;
}

static List *
star_columns(Facts *facts, SelectStmt *query, const char *qualifier)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, query->fromClause)
	{
		RangeVar   *rv = (RangeVar *) lfirst(lc);
		FactRelation *rel = IsA(rv, RangeVar) ? facts_find(facts, rv) : NULL;
		ListCell   *lcol;

		if (rel == NULL)
			return NIL;
		if (qualifier != NULL &&
			strcmp(qualifier, rv->alias ? rv->alias->aliasname : rv->relname) != 0)
			continue;
		facts_detail(facts, rel);
		foreach(lcol, rel->columns)
		{
			FactColumn *col = (FactColumn *) lfirst(lcol);

			if (!col->dropped)
				names = lappend(names, pstrdup(col->name));
		}
	}
	return names;
}

/* The names that one entry of a target list gives; NIL if unknown. */
static List *
target_names(Facts *facts, SelectStmt *query, ResTarget *target)
{
	ColumnRef  *ref = (ColumnRef *) target->val;

	if (target->name != NULL)
		return list_make1(pstrdup(target->name));
	if (IsA(ref, ColumnRef) && IsA(llast(ref->fields), A_Star))
		return star_columns(facts, query, list_length(ref->fields) > 1 ?
							strVal(list_nth(ref->fields, list_length(ref->fields) - 2)) : NULL);
	if (IsA(ref, ColumnRef))
		return list_make1(pstrdup(strVal(llast(ref->fields))));
	return list_make1(pstrdup(FigureColname(target->val)));
}

/* The same for a query that was analyzed already. */
static List *
analyzed_query_columns(Query *query)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *entry = (TargetEntry *) lfirst(lc);

		if (!entry->resjunk)
			names = lappend(names, pstrdup(entry->resname ? entry->resname : "?column?"));
	}
	return names;
}

List *
facts_query_columns(Facts *facts, Node *node)
{
	SelectStmt *query = (SelectStmt *) node;
	List	   *names = NIL;
	ListCell   *lc;

	if (IsA(node, Query))
		return analyzed_query_columns((Query *) node);
	if (!IsA(node, SelectStmt))
		return NIL;
	while (query->op != SETOP_NONE)
		query = query->larg;
	foreach(lc, query->targetList)
	{
		List	   *more = target_names(facts, query, (ResTarget *) lfirst(lc));

		if (more == NIL)
			return NIL;
		names = list_concat(names, more);
	}
	return names;
}

static bool
query_relations_walker(Node *node, List **relids)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_RELATION)
			*relids = list_append_unique_oid(*relids, rte->relid);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, query_relations_walker, relids,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, query_relations_walker, relids);
}

/* The query of a view or materialized view; NULL if it cannot be opened. */
static Query *
view_query(FactRelation *view)
{
	Relation	relation;
	Query	   *query = NULL;

	if (!OidIsValid(view->oid))
		return NULL;
	relation = try_relation_open(view->oid, AccessShareLock);
	if (relation == NULL)
		return NULL;
	if (relation->rd_rules != NULL && relation->rd_rules->numLocks > 0)
		query = copyObject(linitial_node(Query, relation->rd_rules->rules[0]->actions));
	if (view->kind == RELKIND_VIEW)
		query = copyObject(get_view_query(relation));
	relation_close(relation, AccessShareLock);
	return query;
}

void
facts_view_columns(FactRelation *view)
{
	Query	   *query;
	ListCell   *lc;

	if (view->query != NULL)
	{
		foreach(lc, view->query->targetList)
		{
			ResTarget  *target = (ResTarget *) lfirst(lc);
			FactColumn *col = target->name ? facts_column(view, target->name) : NULL;

			if (col != NULL)
				col->read_only = !IsA(target->val, ColumnRef);
		}
		return;
	}
	query = view_query(view);
	if (query == NULL)
		return;
	foreach(lc, query->targetList)
	{
		TargetEntry *entry = (TargetEntry *) lfirst(lc);
		FactColumn *col = facts_attribute(view, entry->resno);

		if (col != NULL)
			col->read_only = !IsA(entry->expr, Var);
	}
}

static List *
direct_view_relations(Facts *facts, FactRelation *view)
{
	Query	   *query = view_query(view);
	List	   *relids = NIL;
	List	   *relations = NIL;
	ListCell   *lc;

	query_relations_walker((Node *) query, &relids);
	foreach(lc, relids)
	{
		FactRelation *rel = facts_by_oid(facts, lfirst_oid(lc));

		if (rel != NULL && rel != view)
			relations = lappend(relations, rel);
	}
	return relations;
}

List *
facts_view_relations(Facts *facts, FactRelation *view)
{
	List	   *all = direct_view_relations(facts, view);

	/* The list grows while it is walked. */
	for (int i = 0; i < list_length(all); i++)
	{
		FactRelation *rel = (FactRelation *) list_nth(all, i);

		if (rel->kind == RELKIND_VIEW)
			all = list_concat_unique_ptr(all, direct_view_relations(facts, rel));
	}
	return all;
}

/* Can rows be written through the view? */
static bool
view_is_updatable(FactRelation *view)
{
	Relation	relation = try_relation_open(view->oid, AccessShareLock);
	int			writers;
	bool		updatable;

	if (relation == NULL)
		return false;
	writers = (relation->trigdesc != NULL ? relation->trigdesc->numtriggers : 0) +
		relation->rd_rules->numLocks - 1;
	updatable = writers > view->writers_lost ||
		view_query_is_auto_updatable(get_view_query(relation), true) == NULL;
	relation_close(relation, AccessShareLock);
	return updatable;
}

static bool
new_view_is_updatable(SelectStmt *query)
{
	return query->op == SETOP_NONE && query->distinctClause == NIL &&
		query->groupClause == NIL && query->havingClause == NULL &&
		query->limitCount == NULL && query->limitOffset == NULL &&
		query->withClause == NULL && list_length(query->fromClause) == 1 &&
		IsA(linitial(query->fromClause), RangeVar);
}

typedef struct NamedRelations
{
	Facts	   *facts;
	List	   *found;			/* FactRelation */
} NamedRelations;

static bool
named_relations_walker(Node *node, NamedRelations *named)
{
	FactRelation *rel;

	if (node == NULL)
		return false;
	if (!IsA(node, RangeVar))
		return raw_expression_tree_walker(node, named_relations_walker, named);
	rel = facts_find(named->facts, (RangeVar *) node);
	if (rel != NULL)
		named->found = list_append_unique_ptr(named->found, rel);
	return false;
}

/* Relations that a view which the text makes reads; NIL when a WITH may hide some behind its names. */
static List *
new_view_relations(Facts *facts, SelectStmt *query)
{
	NamedRelations named = {facts, NIL};

	if (query->withClause == NULL)
		named_relations_walker((Node *) query, &named);
	return named.found;
}

AclMode
facts_view_permits(Facts *facts, FactRelation *view, Oid role)
{
	AclMode		permitted = ACL_SELECT | ACL_INSERT | ACL_UPDATE | ACL_DELETE;
	Oid			reader = view->invoker ? role : view->owner;
	bool		made = view->query != NULL;
	ListCell   *lc;

	if (made ? !new_view_is_updatable(view->query) : !view_is_updatable(view))
		permitted = ACL_SELECT;
	foreach(lc, made ? new_view_relations(facts, view->query) : direct_view_relations(facts, view))
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		if (!facts_has_privileges(facts, rel, reader, ACL_SELECT))
			return 0;
		for (AclMode bit = ACL_INSERT; bit <= ACL_DELETE; bit <<= 1)
		{
			if (!facts_has_privileges(facts, rel, reader, bit))
				permitted &= ~bit;
		}
	}
	return permitted;
}

/* The relation that a rewrite rule belongs to. */
static Oid
rule_relation(Oid ruleid)
{
	Relation	catalog = table_open(RewriteRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			relid = InvalidOid;

	ScanKeyInit(&key, Anum_pg_rewrite_oid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(ruleid));
	scan = systable_beginscan(catalog, RewriteOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		relid = ((Form_pg_rewrite) GETSTRUCT(tuple))->ev_class;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return relid;
}

/* The views whose rules depend directly on the relation or its column. */
static List *
directly_dependent_views(Facts *facts, FactRelation *rel, AttrNumber attnum)
{
	Relation	catalog = table_open(DependRelationId, AccessShareLock);
	List	   *views = NIL;
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(rel->oid));
	scan = systable_beginscan(catalog, DependReferenceIndexId, true, NULL, 2, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend dep = (Form_pg_depend) GETSTRUCT(tuple);
		Oid			viewid;
		FactRelation *view;

		if (dep->classid != RewriteRelationId || (attnum != 0 && dep->refobjsubid != attnum))
			continue;
		viewid = rule_relation(dep->objid);
		view = OidIsValid(viewid) ? facts_by_oid(facts, viewid) : NULL;
		if (view != NULL && view != rel)
			views = list_append_unique_ptr(views, view);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return views;
}

List *
facts_dependent_views(Facts *facts, FactRelation *rel, AttrNumber attnum)
{
	List	   *all;

	if (!OidIsValid(rel->oid))
		return NIL;
	all = directly_dependent_views(facts, rel, attnum);
	for (int i = 0; i < list_length(all); i++)
		all = list_concat_unique_ptr(all,
									 directly_dependent_views(facts, (FactRelation *) list_nth(all, i), 0));
	return all;
}

/* Is there a publication that carries UPDATE or DELETE at all?  Mostly not. */
static bool
any_publication_of_changes(void)
{
	Relation	catalog = table_open(PublicationRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	bool		found = false;

	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_publication form = (Form_pg_publication) GETSTRUCT(tuple);

		found = form->pubupdate || form->pubdelete;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

bool
facts_publishes_changes(Facts *facts, FactRelation *rel)
{
	Oid			argtypes[1] = {OIDOID};
	Datum		args[1];
	bool		published;

	if (rel->published)
		return true;
	if (!OidIsValid(rel->oid) || rel->persistence != RELPERSISTENCE_PERMANENT ||
		!any_publication_of_changes())
		return false;
	args[0] = ObjectIdGetDatum(rel->oid);
	SPI_connect();
	if (SPI_execute_with_args("SELECT 1 FROM pg_catalog.pg_publication p,"
							  " LATERAL pg_catalog.pg_get_publication_tables(p.pubname) t"
							  " WHERE (p.pubupdate OR p.pubdelete) AND t.relid OPERATOR(pg_catalog.=) $1",
							  1, argtypes, args, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the publications");
	published = SPI_processed > 0;
	SPI_finish();
	return published;
}

typedef struct DrawnSequence
{
	Facts	   *facts;
	FactRelation *found;
} DrawnSequence;

static bool
draws_by_name(Node *node, DrawnSequence *drawn)
{
	FuncCall   *call = (FuncCall *) node;
	Node	   *arg;
	const char *name;

	if (node == NULL)
		return false;
	if (!IsA(node, FuncCall) || strcmp(strVal(llast(call->funcname)), "nextval") != 0 ||
		list_length(call->args) != 1)
		return raw_expression_tree_walker(node, draws_by_name, drawn);
	arg = linitial(call->args);
	if (IsA(arg, TypeCast))
		arg = ((TypeCast *) arg)->arg;
	name = IsA(arg, A_Const) ? zdm_const_string((A_Const *) arg) : NULL;
	if (name != NULL)
		drawn->found = facts_find(drawn->facts, makeRangeVarFromNameList(zdm_name_list(name)));
	return drawn->found != NULL;
}

FactRelation *
facts_drawn_sequence(Facts *facts, Node *raw)
{
	DrawnSequence drawn = {facts, NULL};

	draws_by_name(raw, &drawn);
	return drawn.found != NULL && drawn.found->kind == RELKIND_SEQUENCE ? drawn.found : NULL;
}

int64
facts_sequence_value(Facts *facts, FactRelation *rel)
{
	int64		value = -1;
	ListCell   *lc;

	if (!OidIsValid(rel->oid))
	{
		if (facts->sequences_set)
			return PG_INT64_MAX;
		foreach(lc, rel->columns)
		{
			FactColumn *col = (FactColumn *) lfirst(lc);

			if (col->identity != '\0' || (col->serial && !OidIsValid(col->sequence)))
				return 0;
		}
		return PG_INT64_MAX;
	}
	foreach(lc, getOwnedSequences(rel->oid))
		value = Max(value, facts_last_value(lfirst_oid(lc)));
	return value;
}
