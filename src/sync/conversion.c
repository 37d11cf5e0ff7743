/*-------------------------------------------------------------------------
 *
 * conversion.c
 *		What is computed for a hidden table of the rows that are carried over to it.
 *
 * A statement that writes one row would compile it all for that row: so the session
 * keeps it (kept.c).  What cannot be compiled fails for each row, and the writers go on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "optimizer/optimizer.h"
#include "sync/conversion.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "compat.h"

static KeptCache conversions;

/* What load() is told. */
typedef struct Loading
{
	Relation	source;
	const Second *second;
} Loading;

/* One of: the column's own expression, a stated one, a CHECK's. */
typedef struct Compilation
{
	Relation	rel;
	AttrNumber	attnum;
	ExprStated	stated;
	Oid			numbered;
	Form_pg_attribute target;
	ExprActor	actor;
	const char *check;
} Compilation;

static SyncExpr *
compile(void *arg, MemoryContext context)
{
	const Compilation *what = arg;
	bool		is_volatile;

	if (what->check != NULL)
		return expr_compile_check(what->rel, what->check, context);
	if (what->stated.text != NULL)
		return expr_compile(&what->stated, what->numbered, what->rel, what->attnum, what->target, &what->actor, context);
	return expr_compile_default(what->rel, what->attnum, &is_volatile, context);
}

/* In the memory of what is kept. */
static List *
append(List *list, void *item, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);

	list = lappend(list, item);
	MemoryContextSwitchTo(caller);
	return list;
}

static List *
copy_texts(const List *texts, MemoryContext context)
{
	List	   *copies = NIL;
	const ListCell *lc;

	foreach(lc, texts)
		copies = append(copies, MemoryContextStrdup(context, lfirst(lc)), context);
	return copies;
}

static bool
is_converted(const Second *second, const char *name)
{
	return second->converted != NIL && strcmp(linitial(second->converted), name) == 0;
}

/* The hidden table's own columns. */
static void
load_computed(Conversion *conversion, Relation hidden, const Second *second)
{
	MemoryContext context = conversion->kept.context;
	ListCell   *lc;

	foreach(lc, second->own)
	{
		AttrNumber	attnum = get_attnum(RelationGetRelid(hidden), lfirst(lc));
		Form_pg_attribute att;
		ComputedValue *computed;

		if (attnum == InvalidAttrNumber || is_converted(second, lfirst(lc)))
			continue;
		att = TupleDescAttr(RelationGetDescr(hidden), attnum - 1);
		computed = MemoryContextAlloc(context, sizeof(ComputedValue));
		*computed = (ComputedValue) {
			.name = MemoryContextStrdup(context, lfirst(lc)), .attnum = attnum, .attlen = att->attlen, .attbyval = att->attbyval,
			.expr = kept_compile(compile, &(Compilation) {.rel = hidden, .attnum = attnum}, context),
		};
		conversion->computed = append(conversion->computed, computed, context);
		conversion->may_fail |= expr_can_fail(computed->expr);
	}
}

/* CHECKs that are asked again, as the values are others. */
static void
load_checks(Conversion *conversion, Relation hidden, AttrNumber attnum)
{
	const TupleConstr *constr = RelationGetDescr(hidden)->constr;
	MemoryContext context = conversion->kept.context;

	for (int i = 0; constr != NULL && i < constr->num_check; i++)
	{
		Bitmapset  *columns = NULL;

		pull_varattnos(stringToNode(constr->check[i].ccbin), 1, &columns);
		if (zdm_check_is_enforced(&constr->check[i]) && bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, columns))
			conversion->checks = append(conversion->checks,
										kept_compile(compile, &(Compilation) {.rel = hidden, .check = constr->check[i].ccbin}, context),
										context);
	}
}

/* As whom it was stated: the hidden table is his, whoever has got the other one since. */
static SyncExpr *
compile_stated(const Conversion *conversion, const Second *second, bool down, Relation rel, AttrNumber attnum, Form_pg_attribute target,
			   const ExprActor *actor)
{
	const char *resolution = list_nth(second->converted, down ? 4 : 2);

	return kept_compile(compile, &(Compilation) {
		.rel = rel, .attnum = attnum, .target = target,
		.stated = {list_nth(second->converted, down ? 3 : 1), resolution[0] != '\0' ? resolution : NULL},
		/* the numbers are those of the table that was there first */
		.numbered = second->turned ? second->hidden : second->relid,
		.actor = *actor,
	}, conversion->kept.context);
}

static void
load_converted(Conversion *conversion, Relation hidden, const Loading *loading)
{
	const Second *second = loading->second;
	ExprActor	actor = {.owner = hidden->rd_rel->relowner};
	AttrNumber	from;
	AttrNumber	to;
	Form_pg_attribute source;
	Form_pg_attribute target;

	if (second->converted == NIL)
		return;
	actor.settings = copy_texts(second->settings, conversion->kept.context);
	from = get_attnum(RelationGetRelid(loading->source), linitial(second->converted));
	to = get_attnum(RelationGetRelid(hidden), linitial(second->converted));
	source = TupleDescAttr(RelationGetDescr(loading->source), from - 1);
	target = TupleDescAttr(RelationGetDescr(hidden), to - 1);
	conversion->value = compile_stated(conversion, second, second->turned, loading->source, from, target, &actor);
	if (second->turned && strcmp(list_nth(second->converted, 5), CONVERTED_LOSSY) == 0)
		conversion->origin = compile_stated(conversion, second, false, hidden, from, source, &actor);
	if (strcmp(list_nth(second->converted, 6), CONVERTED_ROUTES) == 0)
		conversion->back = compile_stated(conversion, second, !second->turned, hidden, to, source, &actor);
	load_checks(conversion, hidden, to);
	/* a row is sought by its value before it is made */
	conversion->may_fail |= (conversion->back == NULL && expr_can_fail(conversion->value)) || conversion->checks != NIL;
}

static void
load(Kept *kept, Relation hidden, void *arg)
{
	const Loading *loading = arg;
	Conversion *conversion = (Conversion *) kept;
	MemoryContext caller = MemoryContextSwitchTo(kept->context);

	kept->others = list_make1_oid(RelationGetRelid(loading->source));
	MemoryContextSwitchTo(caller);
	load_converted(conversion, hidden, loading);
	load_computed(conversion, hidden, loading->second);
}

const Conversion *
conversion_get(Relation source, Relation hidden, const Second *second)
{
	static const Conversion nothing;

	if (second->own == NIL)
		return &nothing;
	return (const Conversion *) kept_get(&conversions, hidden, sizeof(Conversion), load,
										 &(Loading) {.source = source, .second = second});
}
