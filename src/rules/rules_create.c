/*-------------------------------------------------------------------------
 *
 * rules_create.c
 *		CREATE and ALTER of what is not a change to an existing table.
 *
 * New objects harm nobody by themselves; they lock what they refer to, may
 * take a name that something else had, and must be known to the statements
 * that follow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "facts/facts_catalog.h"
#include "facts/facts_query.h"
#include "rules/rules.h"
#include "rules/rules_work.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "compat.h"

static void
copy_like(Judgement *j, FactRelation *rel, TableLikeClause *like)
{
	FactRelation *source = facts_find(j->facts, like->relation);
	ListCell   *lc;

	/* the table itself is none that PostgreSQL would find */
	if (source == NULL || source == rel)
		return;
	facts_detail(j->facts, source);
	foreach(lc, source->columns)
	{
		FactColumn *theirs = (FactColumn *) lfirst(lc);
		FactColumn *col;

		if (theirs->dropped)
			continue;
		col = facts_new_column(rel, theirs->name);
		col->type = theirs->type;
		col->typmod = theirs->typmod;
		col->collation = theirs->collation;
		col->notnull = theirs->notnull;
		col->fresh = true;
		if (like->options & CREATE_TABLE_LIKE_DEFAULTS)
		{
			col->has_default = theirs->has_default;
			col->serial = theirs->serial;
			col->sequence = theirs->sequence;
			col->sequence_schema = theirs->sequence_schema;
			col->sequence_name = theirs->sequence_name;
			col->functions = theirs->functions;
		}
		if (like->options & CREATE_TABLE_LIKE_IDENTITY)
			col->identity = theirs->identity;
		if (like->options & CREATE_TABLE_LIKE_GENERATED)
			col->generated = theirs->generated;
	}
	/* What the copy's indexes would be called is not known; their shape is. */
	if (!(like->options & CREATE_TABLE_LIKE_INDEXES))
		return;
	foreach(lc, source->indexes)
	{
		FactIndex  *idx = palloc(sizeof(FactIndex));

		*idx = *((FactIndex *) lfirst(lc));
		idx->oid = InvalidOid;
		idx->fresh = true;
		rel->indexes = lappend(rel->indexes, idx);
	}
}

static void
lock_referenced(Judgement *j, Constraint *con)
{
	FactRelation *referenced;
	ListCell   *lc;

	if (con->contype != CONSTR_FOREIGN)
		return;
	referenced = facts_find(j->facts, con->pktable);
	if (referenced == NULL)
		return;
	foreach(lc, facts_tree(j->facts, referenced, true))
		rules_lock(j, (FactRelation *) lfirst(lc), ShareRowExclusiveLock);
}

static void
create_column(Judgement *j, FactRelation *rel, ColumnDef *def)
{
	AlterTableCmd *cmd = makeNode(AlterTableCmd);
	ListCell   *lc;

	cmd->subtype = AT_AddColumn;
	cmd->def = (Node *) def;
	foreach(lc, def->constraints)
		lock_referenced(j, (Constraint *) lfirst(lc));
	rules_add_column(j, rel, list_make1(rel), cmd);
}

static void
create_elements(Judgement *j, FactRelation *rel, CreateStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->tableElts)
	{
		if (IsA(lfirst(lc), ColumnDef) && stmt->ofTypename == NULL && stmt->partbound == NULL)
			create_column(j, rel, (ColumnDef *) lfirst(lc));
		else if (IsA(lfirst(lc), TableLikeClause))
			copy_like(j, rel, (TableLikeClause *) lfirst(lc));
	}
	foreach(lc, stmt->tableElts)
	{
		Constraint *con = (Constraint *) lfirst(lc);

		if (!IsA(con, Constraint))
			continue;
		lock_referenced(j, con);
		rules_add_constraint(j, rel, list_make1(rel), con, false);
	}
}

void
rules_create_table(Judgement *j, Node *node)
{
	CreateStmt *stmt = castNode(CreateStmt, node);
	FactRelation *rel;
	ListCell   *lc;

	if (facts_find_name(j->facts, facts_target_schema(stmt->relation), stmt->relation->relname) != NULL)
		return;
	rel = facts_add(j->facts, stmt->relation, stmt->partspec ? RELKIND_PARTITIONED_TABLE : RELKIND_RELATION);
	foreach(lc, stmt->inhRelations)
	{
		FactRelation *parent = facts_find(j->facts, (RangeVar *) lfirst(lc));
		TableLikeClause *like = makeNode(TableLikeClause);

		if (parent == NULL || parent == rel)
			continue;
		like->relation = (RangeVar *) lfirst(lc);
		like->options = CREATE_TABLE_LIKE_DEFAULTS | CREATE_TABLE_LIKE_GENERATED;
		copy_like(j, rel, like);
		if (stmt->partbound != NULL)
			rules_partition_of(j, stmt, parent);
		else
			rules_lock(j, parent, ShareUpdateExclusiveLock);
		facts_children(j->facts, parent);
		parent->children = lappend(parent->children, rel);
		rel->is_child = true;
		rel->is_partition = stmt->partbound != NULL;
	}
	create_elements(j, rel, stmt);
}

static void
columns_of_query(Judgement *j, FactRelation *rel, Node *query, List *aliases)
{
	List	   *names = facts_query_columns(j->facts, query);
	ListCell   *lc;
	int			i = 0;

	foreach(lc, names)
	{
		const char *name = i < list_length(aliases) ? strVal(list_nth(aliases, i)) : lfirst(lc);

		facts_new_column(rel, name)->fresh = true;
		i++;
	}
}

void
rules_create_table_as(Judgement *j, Node *node)
{
	CreateTableAsStmt *stmt = castNode(CreateTableAsStmt, node);
	IntoClause *into = stmt->into;
	FactRelation *rel;
	double		blocks;

	if (facts_find_name(j->facts, facts_target_schema(into->rel), into->rel->relname) != NULL)
		return;
	rel = facts_add(j->facts, into->rel,
					stmt->objtype == OBJECT_MATVIEW ? RELKIND_MATVIEW : RELKIND_RELATION);
	if (!IsA(stmt->query, SelectStmt) && !IsA(stmt->query, Query))
		return;
	columns_of_query(j, rel, stmt->query, into->colNames);
	if (into->skipData)
		return;
	rel->filled = true;
	blocks = facts_statement_work(j->facts, stmt->query);
	rel->heap_blocks = rel->total_blocks = blocks;
	rules_work(j, WORK_QUERY, rel, blocks, psprintf("filling of %s", facts_name(rel)), NULL);
}

static bool
wants_invoker(List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = (DefElem *) lfirst(lc);

		if (strcmp(option->defname, "security_invoker") == 0)
			return defGetBoolean(option);
	}
	return false;
}

void
rules_create_view(Judgement *j, Node *node)
{
	ViewStmt   *stmt = castNode(ViewStmt, node);
	FactRelation *rel = facts_find_name(j->facts, facts_target_schema(stmt->view), stmt->view->relname);

	if (rel != NULL && (!stmt->replace || rel->kind != RELKIND_VIEW))
		return;
	if (rel != NULL)
	{
		List	   *names = facts_query_columns(j->facts, stmt->query);

		rules_lock(j, rel, AccessExclusiveLock);
		/* PostgreSQL refuses to take columns away from a view. */
		facts_detail(j->facts, rel);
		if (names != NIL && list_length(names) < list_length(rel->columns))
			return;
		rules_touch(j, rel, "Make a new view under another name.");
	}
	else
	{
		rel = facts_add(j->facts, stmt->view, RELKIND_VIEW);
		columns_of_query(j, rel, stmt->query, stmt->aliases);
	}
	rel->query = (SelectStmt *) stmt->query;
	rel->invoker = wants_invoker(stmt->options);
}

/* Types of the input parameters; false if one is not known yet. */
static bool
input_types(CreateFunctionStmt *stmt, Oid *types, int *count, int *defaults)
{
	ListCell   *lc;

	*count = *defaults = 0;
	foreach(lc, stmt->parameters)
	{
		FunctionParameter *param = (FunctionParameter *) lfirst(lc);

		if (param->mode == FUNC_PARAM_OUT || param->mode == FUNC_PARAM_TABLE)
			continue;
		/* Looking up a %TYPE says so to the client, who hears it from PostgreSQL anyway. */
		if (*count >= FUNC_MAX_ARGS || param->mode == FUNC_PARAM_VARIADIC || param->argType->pct_type)
			return false;
		types[*count] = LookupTypeNameOid(NULL, param->argType, true);
		if (!OidIsValid(types[*count]))
			return false;
		(*count)++;
		if (param->defexpr != NULL)
			(*defaults)++;
	}
	return true;
}

/* Can a call with the same arguments mean either function? */
static bool
calls_overlap(const Oid *types, int count, int defaults, Form_pg_proc proc)
{
	int			least = Max(count - defaults, proc->pronargs - proc->pronargdefaults);
	int			most = Min(count, proc->pronargs);

	for (int n = least; n <= most; n++)
	{
		if (memcmp(types, proc->proargtypes.values, n * sizeof(Oid)) == 0)
			return true;
	}
	return false;
}

static bool
same_signature(const Oid *types, int count, Form_pg_proc proc)
{
	return count == proc->pronargs && memcmp(types, proc->proargtypes.values, count * sizeof(Oid)) == 0;
}

static void
judge_overloads(Judgement *j, Oid nspid, const char *name, const Oid *types, int count, int defaults)
{
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (proc->pronamespace != nspid || same_signature(types, count, proc) ||
			!calls_overlap(types, count, defaults, proc))
			continue;
		rules_find(j, RULE_BREAKS_CLIENTS, quote_identifier(name), NoLock,
				   psprintf("Calls of %s can mean the new function as well, and fail as ambiguous.",
							format_procedure_qualified(proc->oid)),
				   pstrdup("Give the new function another name, or no default values."));
		break;
	}
	ReleaseSysCacheList(list);
}

static bool
is_volatile(CreateFunctionStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->options)
	{
		DefElem    *option = (DefElem *) lfirst(lc);

		if (strcmp(option->defname, "volatility") == 0)
			return strcmp(strVal(option->arg), "volatile") == 0;
	}
	return true;
}

void
rules_create_function(Judgement *j, Node *node)
{
	CreateFunctionStmt *stmt = castNode(CreateFunctionStmt, node);
	Oid			types[FUNC_MAX_ARGS];
	int			count;
	int			defaults;
	char	   *schema;
	char	   *name;
	Oid			nspid;

	DeconstructQualifiedName(stmt->funcname, &schema, &name);
	if (is_volatile(stmt))
		j->facts->volatile_names = lappend(j->facts->volatile_names, name);
	nspid = get_namespace_oid(schema ? schema : facts_target_schema(makeRangeVar(NULL, name, -1)), true);
	if (!OidIsValid(nspid) || !input_types(stmt, types, &count, &defaults))
		return;
	if (stmt->replace)
		rules_migration_function(j, LookupFuncName(stmt->funcname, count, types, true));
	j->facts->functions = lappend(j->facts->functions,
								  facts_function_identity(nspid, name, types, count));
	judge_overloads(j, nspid, name, types, count, defaults);
}

void
rules_gain_type(Judgement *j, List *names, const char *name)
{
	char	   *schema;
	char	   *own;

	if (!j->facts->simulated)
		return;
	DeconstructQualifiedName(names, &schema, &own);
	if (schema == NULL)
		schema = facts_target_schema(makeRangeVar(NULL, own, -1));
	j->facts->types = lappend(j->facts->types,
							  quote_qualified_identifier(schema, name ? name : own));
}

void
rules_create_enum(Judgement *j, Node *node)
{
	rules_gain_type(j, castNode(CreateEnumStmt, node)->typeName, NULL);
}

void
rules_create_range(Judgement *j, Node *node)
{
	rules_gain_type(j, castNode(CreateRangeStmt, node)->typeName, NULL);
}

void
rules_create_composite(Judgement *j, Node *node)
{
	RangeVar   *type = castNode(CompositeTypeStmt, node)->typevar;

	rules_gain_type(j, type->schemaname ? list_make2(makeString(type->schemaname), makeString(type->relname)) :
					list_make1(makeString(type->relname)), NULL);
}

void
rules_create_domain(Judgement *j, Node *node)
{
	CreateDomainStmt *stmt = castNode(CreateDomainStmt, node);
	ListCell   *lc;

	rules_gain_type(j, stmt->domainname, NULL);
	foreach(lc, stmt->constraints)
	{
		ConstrType	type = ((Constraint *) lfirst(lc))->contype;

		if (type == CONSTR_CHECK || type == CONSTR_NOTNULL)
			j->facts->checked_domains = lappend(j->facts->checked_domains,
												strVal(llast(stmt->domainname)));
	}
}

void
rules_alter_domain(Judgement *j, Node *node)
{
	AlterDomainStmt *stmt = castNode(AlterDomainStmt, node);
	TypeName   *name = makeTypeNameFromNameList(stmt->typeName);
	Oid			type = LookupTypeNameOid(NULL, name, true);
	bool		checks = false;
	ListCell   *lc;

	if (!OidIsValid(type) || get_typtype(type) != TYPTYPE_DOMAIN)
		return;
	if (stmt->subtype == 'C')
		checks = !((Constraint *) stmt->def)->skip_validation;
	else if (stmt->subtype == 'V')
		checks = true;
	else if (stmt->subtype == 'O')
		checks = !facts_type_is_not_null(type);
	if (!checks)
		return;
	foreach(lc, facts_domain_users(j->facts, type))
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		rules_lock(j, rel, ShareLock);
		rules_tree_work(j, WORK_SCAN, list_make1(rel), false,
						psprintf("scan of %s, which uses domain %s", facts_name(rel), format_type_be(type)),
						psprintf("Put the CHECK on %s itself, NOT VALID and then validated.", facts_name(rel)));
	}
}

void
rules_alter_enum(Judgement *j, Node *node)
{
	AlterEnumStmt *stmt = castNode(AlterEnumStmt, node);
	Oid			type = LookupTypeNameOid(NULL, makeTypeNameFromNameList(stmt->typeName), true);

	if (stmt->oldVal == NULL)
	{
		if (j->facts->in_block && OidIsValid(type) &&
			!(ZDM_NEW_ENUM_IS_USABLE && facts_is_fresh(TYPEOID, type)) &&
			!SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(type), CStringGetDatum(stmt->newVal)))
			j->facts->enum_labels = lappend(j->facts->enum_labels, pstrdup(stmt->newVal));
		return;
	}
	if (OidIsValid(type) && !facts_type_is_used(j->facts, type))
		rules_caution(j, RULE_BREAKS_CLIENTS, format_type_be(type),
					  psprintf("No column and no function uses %s; statements that name its value %s fail.",
							   format_type_be(type), quote_literal_cstr(stmt->oldVal)), NULL);
	else if (OidIsValid(type))
		rules_find(j, RULE_BREAKS_CLIENTS, format_type_be(type), NoLock,
				   psprintf("Statements that use the value %s of %s fail.",
							quote_literal_cstr(stmt->oldVal), format_type_be(type)),
				   pstrdup("Add the new value, move rows and applications to it, and leave the old one."));
}

void
rules_trigger(Judgement *j, Node *node)
{
	CreateTrigStmt *stmt = castNode(CreateTrigStmt, node);
	FactRelation *rel = facts_find(j->facts, stmt->relation);
	ListCell   *lc;

	if (rel == NULL)
		return;
	foreach(lc, facts_tree(j->facts, rel, rel->kind == RELKIND_PARTITIONED_TABLE))
		rules_lock(j, (FactRelation *) lfirst(lc), ShareRowExclusiveLock);
}

/* Is the rule there, and does it already stand for that command, for as many rows? */
static bool
is_instead_already(FactRelation *rel, RuleStmt *stmt)
{
	HeapTuple	tuple = SearchSysCache2(RULERELNAME, ObjectIdGetDatum(rel->oid), CStringGetDatum(stmt->rulename));
	Form_pg_rewrite form;
	bool		already;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_rewrite) GETSTRUCT(tuple);
	already = form->is_instead && form->ev_type == '0' + stmt->event &&
		(stmt->whereClause != NULL ||
		 strcmp(TextDatumGetCString(SysCacheGetAttrNotNull(RULERELNAME, tuple, Anum_pg_rewrite_ev_qual)), "<>") == 0);
	ReleaseSysCache(tuple);
	return already;
}

/* A view is written to by such rules; a table no longer does what it is told. */
static bool
takes_writes_away(FactRelation *rel, RuleStmt *stmt)
{
	if (!stmt->instead || stmt->event == CMD_SELECT || rel->fresh || rel->is_partition)
		return false;
	if (rel->kind != RELKIND_RELATION && rel->kind != RELKIND_PARTITIONED_TABLE)
		return false;
	return !stmt->replace || !is_instead_already(rel, stmt);
}

void
rules_rule(Judgement *j, Node *node)
{
	RuleStmt   *stmt = castNode(RuleStmt, node);
	FactRelation *rel = facts_find(j->facts, stmt->relation);

	if (rel == NULL)
		return;
	rules_lock(j, rel, AccessExclusiveLock);
	if (takes_writes_away(rel, stmt))
		rules_find(j, RULE_BREAKS_CLIENTS, facts_name(rel), NoLock,
				   psprintf("%s %s does what the rule says instead%s, and tells nobody; with RETURNING it may fail.",
							stmt->event == CMD_INSERT ? "INSERT into" : stmt->event == CMD_UPDATE ? "UPDATE of" : "DELETE from",
							facts_name(rel), stmt->whereClause != NULL ? " where its condition holds" : ""),
				   rules_escape("To forbid it, REVOKE it or raise an error in a trigger; to do more beside it, say DO ALSO. Where it is meant, deploy applications that bear it first",
								"in the transaction that makes the rule"));
}

void
rules_lock_table(Judgement *j, Node *node)
{
	LockStmt   *stmt = castNode(LockStmt, node);
	ListCell   *lc;

	foreach(lc, stmt->relations)
	{
		RangeVar   *rv = (RangeVar *) lfirst(lc);
		FactRelation *rel = facts_find(j->facts, rv);
		ListCell   *lm;

		if (rel == NULL)
			continue;
		foreach(lm, facts_tree(j->facts, rel, rv->inh))
			rules_lock(j, (FactRelation *) lfirst(lm), stmt->mode);
	}
}

void
rules_copy(Judgement *j, Node *node)
{
	CopyStmt   *stmt = castNode(CopyStmt, node);
	FactRelation *rel = stmt->relation ? facts_find(j->facts, stmt->relation) : NULL;

	if (rel != NULL && stmt->is_from)
		rel->filled = true;
	if (!rules_strong_held(j))
		return;
	if (stmt->query != NULL)
		rules_work(j, WORK_QUERY, NULL, facts_statement_work(j->facts, stmt->query),
				   pstrdup("run of the query of COPY"), NULL);
	else if (rel != NULL && !stmt->is_from)
		rules_work(j, WORK_QUERY, rel, facts_tree_blocks(j->facts, rel),
				   psprintf("reading of %s", facts_name(rel)), NULL);
	else if (rel != NULL)
		rules_caution(j, RULE_LOCKS_HELD, facts_name(rel),
					  psprintf("COPY fills %s while this transaction holds a lock that blocks %s.",
							   facts_name(rel), j->strong_on), NULL);
}
