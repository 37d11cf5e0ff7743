/*-------------------------------------------------------------------------
 *
 * hint.c
 *		Hints that name a call of ours, tried before they are shown.
 *
 * A hint that cannot work is worse than none: it is pasted.  Whether a change
 * can be made of this table is for its plan to say, with the catalog in hand: a
 * list here would go stale with every kind that is added.  So the plan is made,
 * as for zdm.plan(), as the user, in a subtransaction that is rolled back.  What it refuses
 * keeps the hint of its rule, which says how to do it by hand.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "api/ddl.h"
#include "api/hint.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "core/attempt.h"
#include "core/guc.h"
#include "core/names.h"
#include "facts/facts_query.h"
#include "ddl/follow.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "compat.h"

#define CALL_PREFIX "SELECT zdm."

/* A migration comes first: until it is over, no call of ours takes the statement. */
static bool
waits_for_migration(List *findings)
{
	ListCell   *lc;

	foreach(lc, findings)
	{
		Finding    *finding = (Finding *) lfirst(lc);

		if (finding->unsafe && strcmp(finding->rule, RULE_MIGRATION) == 0)
			return true;
	}
	return false;
}

static bool
any_mended(List *findings)
{
	ListCell   *lc;

	foreach(lc, findings)
	{
		if (((Finding *) lfirst(lc))->unsafe && ((Finding *) lfirst(lc))->mended)
			return true;
	}
	return false;
}

typedef struct PlanAttempt
{
	const char *sql;
	bool		read_only;
} PlanAttempt;

static void
make_plan(void *arg)
{
	PlanAttempt *attempt = (PlanAttempt *) arg;
	MigrationPlan plan = {0};

	if (attempt->read_only)
		(void) set_config_option("transaction_read_only", "on", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);

	if (LockTimeout == 0 && guc_ddl_lock_timeout > 0)
		(void) set_config_option("lock_timeout", psprintf("%d", guc_ddl_lock_timeout), PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) ddl_plan(pstrdup(attempt->sql), NULL, NULL, &plan);
	PopActiveSnapshot();
}

/* May the user make the call?  Nobody is kept from it but by his administrator. */
static bool
may_call(void)
{
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Oid			schema = get_namespace_oid("zdm", true);
	Oid			function;

	if (!OidIsValid(schema) || object_aclcheck(NamespaceRelationId, schema, GetUserId(), ACL_USAGE) != ACLCHECK_OK)
		return false;
	function = LookupFuncName(list_make2(makeString("zdm"), makeString("migrate")), lengthof(types), types, true);
	return OidIsValid(function) &&
		object_aclcheck(ProcedureRelationId, function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK;
}

/*
 * Would zdm.plan() take it?  What a change of type needs is tried on a temporary
 * table, which a read-only transaction cannot have: that is no refusal.  Nor may
 * that table, which is gone, forbid PREPARE TRANSACTION.
 */
static bool
is_taken(const char *sql, bool read_only)
{
	PlanAttempt attempt = {sql, read_only};
	int			flags = MyXactFlags;
	ErrorData  *refusal;
	MemoryContext context;
	MemoryContext old;
	bool		taken;

	/* while code is followed, queries of ours would be left out with those of the code */
	if (follow_active() || !may_call())
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_zdm hint", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	taken = attempt_run(make_plan, &attempt, ATTEMPT_UNDO, &refusal);
	taken |= !taken && refusal->sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	MyXactFlags = flags;
	return taken;
}

/* The statement without a CASCADE at its end; NULL if it has none. */
static char *
without_cascade(const char *sql)
{
	int			end = strlen(sql);

	while (end > 0 && (isspace((unsigned char) sql[end - 1]) || sql[end - 1] == ';'))
		end--;
	if (end < 8 || pg_strncasecmp(sql + end - 7, "cascade", 7) != 0 ||
		!isspace((unsigned char) sql[end - 8]))
		return NULL;
	end -= 7;
	while (end > 0 && isspace((unsigned char) sql[end - 1]))
		end--;
	return pnstrdup(sql, end);
}

/* Same statement, same label: what a migration tool runs again answers with the same migration. */
static char *
migrate_call(const char *sql)
{
	StringInfoData label;

	initStringInfo(&label);
	for (const char *c = sql; *c != '\0'; c++)
	{
		bool		space = isspace((unsigned char) *c);

		if (!space || (label.len > 0 && label.data[label.len - 1] != ' '))
			appendStringInfoChar(&label, space ? ' ' : *c);
	}
	return psprintf(CALL_PREFIX "migrate(%s, label => %s);", quote_literal_cstr(sql),
					quote_literal_cstr(names_make(label.data, "")));
}

static void
append_calls(StringInfo buf, List *calls)
{
	ListCell   *lc;

	foreach(lc, calls)
		appendStringInfo(buf, "%s\n", strVal(lfirst(lc)));
}

/* The call that was found to work in the statement's place; NULL if none does. */
static char *
tried_call(const char *sql, const Judgement *judgement, bool read_only)
{
	StringInfoData call;
	char	   *shorter;
	ListCell   *lc;

	if (judgement != NULL && judgement->no_call)
		return NULL;
	initStringInfo(&call);
	if (judgement != NULL && judgement->then_passes && judgement->calls != NIL)
	{
		append_calls(&call, judgement->calls);
		appendStringInfo(&call, "%s;", sql);
		return call.data;
	}
	if (!is_taken(sql, read_only))
	{
		shorter = without_cascade(sql);
		return shorter != NULL && is_taken(shorter, read_only) ? migrate_call(shorter) : NULL;
	}
	if (judgement == NULL || (list_length(judgement->calls) != 1 && !judgement->calls_first))
		return migrate_call(sql);
	if (judgement->calls_first)
	{
		append_calls(&call, judgement->calls);
		appendStringInfoString(&call, migrate_call(sql));
		return call.data;
	}
	appendStringInfoString(&call, strVal(linitial(judgement->calls)));
	foreach(lc, judgement->more_calls)
		appendStringInfo(&call, "\n%s", strVal(lfirst(lc)));
	return call.data;
}

void
hint_call(List *findings, const char *sql, const Judgement *judgement, bool read_only)
{
	const char *aside = judgement != NULL ? judgement->aside : NULL;
	char	   *call;
	ListCell   *lc;

	if (waits_for_migration(findings) || !any_mended(findings))
		return;
	call = tried_call(sql, judgement, read_only);
	foreach(lc, findings)
	{
		Finding    *finding = (Finding *) lfirst(lc);

		if (!finding->unsafe || !finding->mended)
			continue;
		if (call != NULL)
			finding->hint = call;
		else if (finding->apart != NULL && is_taken(finding->apart, read_only))
			finding->hint = psprintf(CALL_PREFIX "migrate(%s);", quote_literal_cstr(finding->apart));
		/* said once, behind the first */
		if (aside != NULL && finding->hint != NULL)
			finding->hint = psprintf("%s\n%s", finding->hint, aside);
		aside = NULL;
	}
}

void
hint_reliances(List *breaches, const char *sql, const Judgement *judgement)
{
	char	   *call;
	ListCell   *lc;

	if (breaches == NIL || waits_for_migration(judgement->findings))
		return;
	call = any_mended(breaches) ? tried_call(sql, judgement, false) : NULL;
	foreach(lc, breaches)
	{
		RuleReliance *touched = ((Finding *) lfirst(lc))->breach;

		touched->call = call;
		touched->statement = sql;
	}
}

char *
hint_function(const char *hint)
{
	const char *name;
	const char *end;

	if (hint == NULL || strncmp(hint, CALL_PREFIX, strlen(CALL_PREFIX)) != 0)
		return NULL;
	name = hint + strlen("SELECT ");
	end = strchr(name, '(');
	return end == NULL ? NULL : psprintf("%s()", pnstrdup(name, end - name));
}
