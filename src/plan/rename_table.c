/*-------------------------------------------------------------------------
 *
 * rename_table.c
 *		The plan of RENAME TABLE and SET SCHEMA: a view under the other name.
 *
 * Running applications know one name only, and cannot all change in an instant.
 * So the new name exists at once, as a view that can be written to; cutover
 * lets the table and the view change places; contract drops the view, which by
 * then has the old name.
 *
 * They change places by being renamed, neither is made anew: the view keeps its
 * privileges and whatever hangs on it, and the way back is the same three
 * statements with the names exchanged.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "core/target.h"
#include "draft/ddl_text.h"
#include "plan/plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
#include "compat.h"

/* Where a name is: the table's of today, or the one that it is to have. */
typedef struct Place
{
	Oid			namespace;
	const char *name;
} Place;

/* What an application finds out if it uses the name that is the view's. */
#define NOT_THROUGH_VIEW \
	"not through the view: COPY (but for COPY (SELECT ...) TO), TRUNCATE, ON CONFLICT ON CONSTRAINT, " \
	"WHERE CURRENT OF, ctid and the other system columns, GROUP BY the primary key alone, " \
	"pg_get_serial_sequence(), REFERENCES and other DDL"

static Place
old_place(Oid relid)
{
	return (Place) {get_rel_namespace(relid), get_rel_name(relid)};
}

static Place
new_place(const Change *change)
{
	Place		place = old_place(change->relid);

	if (OidIsValid(change->new_namespace))
		place.namespace = change->new_namespace;
	if (change->new_name != NULL)
		place.name = change->new_name;
	return place;
}

/*
 * All columns: one that is dropped or changes its type would take the view
 * with it.
 */
static List *
claims(const Change *change)
{
	QuerySession session;
	List	   *names;

	query_begin(&session);
	QUERY("SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped",
		  arg_oid(change->relid));
	names = query_texts(0, 1);
	query_end(&session);
	return names;
}

/* The owner must be able to make things in a schema, as for plain DDL. */
static void
check_create(Oid relid, Oid namespace)
{
	QuerySession session;
	bool		allowed;

	query_begin(&session);
	QUERY("SELECT has_schema_privilege(relowner, $2, 'CREATE') FROM pg_class WHERE oid = $1",
		  arg_oid(relid), arg_oid(namespace));
	allowed = query_bool(0, 1);
	query_end(&session);
	if (!allowed)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schema %s", get_namespace_name(namespace)),
				 errdetail("The owner of %s needs CREATE on it.", names_relation(relid))));
}

/* The view, and the table after it, must find the name free. */
static void
check_name_free(const Place *new)
{
	Oid			type;

	if (OidIsValid(get_relname_relid(new->name, new->namespace)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", new->name)));
	/* an array type's name makes way by itself */
	type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(new->name),
						   ObjectIdGetDatum(new->namespace));
	if (OidIsValid(type) && !OidIsValid(get_element_type(type)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("type \"%s\" already exists", new->name)));
}

/* Indexes and owned sequences move along, and must find their names free. */
static void
check_followers(Oid relid, const Place *new)
{
	QuerySession session;
	char	   *taken;

	query_begin(&session);
	QUERY("SELECT string_agg(quote_ident(c.relname), ', ' ORDER BY c.relname) FROM pg_class c "
		  "WHERE c.relnamespace = $2 AND c.relname IN (SELECT f.relname FROM pg_class f WHERE f.oid IN "
		  "(SELECT indexrelid FROM pg_index WHERE indrelid = $1 UNION ALL "
		  " SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass "
		  " AND refobjid = $1 AND deptype IN ('a', 'i')))",
		  arg_oid(relid), arg_oid(new->namespace));
	taken = query_text(0, 1);
	query_end(&session);
	if (taken != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("schema \"%s\" has relations of the names of indexes or sequences of %s",
						get_namespace_name(new->namespace), names_relation(relid)),
				 errdetail("They are: %s.", taken),
				 errhint("Rename those of the table first: they move with it.")));
}

/*
 * With whose rights does the view read the table?  With those of whoever reads
 * the view, where that can be: policies then bind them, and a REVOKE from the
 * table counts.  It cannot before 15, nor for those who hold privileges on some
 * columns only: the view would have them read all.  For these the view's own
 * privileges are the table's, column by column, and it reads as their owner.
 */
static bool
reads_as_invoker(Oid relid)
{
	QuerySession session;
	bool		by_column;

	query_begin(&session);
	by_column = QUERY("SELECT 1 FROM pg_attribute WHERE attrelid = $1 AND attacl IS NOT NULL AND NOT attisdropped",
					  arg_oid(relid)) > 0;
	query_end(&session);
	return target_has_security_invoker() && !by_column;
}

/* Policies do not bind the owner, with whose rights a view may have to read. */
static void
check_row_security(Oid relid)
{
	Relation	rel = RelationIdGetRelation(relid);
	bool		row_security = rel->rd_rel->relrowsecurity;

	RelationClose(rel);
	if (!row_security || reads_as_invoker(relid))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s has row-level security, which a view could not keep", names_relation(relid)),
			 target_has_security_invoker() ?
			 errdetail("It also has privileges on single columns, for which the view would have to read with its owner's rights.") :
			 errdetail("On PostgreSQL 14, a view reads with its owner's rights."),
			 target_has_security_invoker() ?
			 errhint("Grant on the whole table instead, first.") :
			 errhint("Rename it on PostgreSQL 15 or later.")));
}

static void
check(Change *change)
{
	Place		old = old_place(change->relid);
	Place		new = new_place(change);

	if (isAnyTempNamespace(new.namespace))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot move objects into or out of temporary schemas")));
	check_name_free(&new);
	check_create(change->relid, old.namespace);
	check_create(change->relid, new.namespace);
	if (new.namespace != old.namespace)
		check_followers(change->relid, &new);
	check_row_security(change->relid);
}

/* The numbers of its columns. */
static List *
columns_of(Oid relid)
{
	Relation	rel = RelationIdGetRelation(relid);
	List	   *columns = NIL;

	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		if (!TupleDescAttr(RelationGetDescr(rel), i)->attisdropped)
			columns = lappend_int(columns, i + 1);
	}
	RelationClose(rel);
	return columns;
}

/* The sequences that the table owns, which it takes along to another schema. */
static List *
owned_sequences(Oid relid)
{
	QuerySession session;
	List	   *sequences;

	query_begin(&session);
	QUERY("SELECT array_agg(c.oid ORDER BY c.oid) FROM pg_depend d JOIN pg_class c ON c.oid = d.objid "
		  "WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 "
		  "AND d.deptype IN ('a', 'i') AND c.relkind = 'S'", arg_oid(relid));
	sequences = query_oids(0, 1);
	query_end(&session);
	return sequences;
}

/* What else goes by the table's name, or by its row type: one note each. */
static const char *const questions[] = {
	"SELECT 'it is published by ' || string_agg(DISTINCT quote_ident(t.pubname), ', ') || ': a subscriber looks for its table by name, "
	"so rename it there at cutover too' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
	"JOIN pg_publication_tables t ON t.schemaname = n.nspname AND t.tablename = c.relname WHERE c.oid = $1",
	"SELECT 'it is filled by subscription ' || string_agg(DISTINCT quote_ident(s.subname), ', ') || ', by name: "
	"rename it on the publisher at cutover too' FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid WHERE r.srrelid = $1",
	"SELECT 'these functions take its row type, which the view does not have: ' || string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid) "
	"FROM pg_proc p WHERE (SELECT reltype FROM pg_class WHERE oid = $1) = ANY (p.proargtypes::oid[])",
	"SELECT 'these trigger functions may ask for TG_TABLE_NAME, which changes at cutover: ' || string_agg(DISTINCT t.tgfoid::regproc::text, ', ') "
	"FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND p.prosrc ~* '\\mtg_(table_name|table_schema|relname)\\M'",
};

static char *
notes(Oid relid)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < lengthof(questions); i++)
	{
		QuerySession session;
		char	   *note = NULL;

		query_begin(&session);
		if (QUERY(questions[i], arg_oid(relid)) > 0)
			note = query_text(0, 1);
		query_end(&session);
		if (note != NULL)
			appendStringInfo(&text, "; %s", note);
	}
	return text.data;
}

/* The new name, at once. */
static void
plan_view(MigrationPlan *plan, const ViewArgs *view)
{
	plan_step(plan, &verb_create_view, view, &(Step) {
		.phase = "expand", .undoable = true, .undo_lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = psprintf("both names can be read and written from here on; %s%s%s%s", NOT_THROUGH_VIEW,
						 ZDM_HAS_MERGE_INTO_VIEW ? "" : ", MERGE",
						 view->invoker ? "" : "; row-level security cannot be enabled meanwhile",
						 notes(plan->relid)),
	});
}

static void
plan_exchange(MigrationPlan *plan, const ViewArgs *view)
{
	List	   *relations = list_make1_oid(plan->relid);
	const char *note = "and on the view: the table has the new name, the view the old one";

	if (view->new_namespace != view->old_namespace)
	{
		List	   *sequences = owned_sequences(plan->relid);

		relations = list_concat(relations, sequences);
		if (sequences != NIL)
			note = "and on the view: the table has the new schema, with its indexes and sequences, the view the old one";
	}
	plan_step(plan, &verb_exchange_names, view, &(Step) {
		.phase = "cutover", .undoable = true,
		.relations = relations, .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = pstrdup(note),
	});
}

static void
plan_contract(MigrationPlan *plan, const ViewArgs *view)
{
	plan_step(plan, &verb_drop_view, view, &(Step) {
		.phase = "contract", .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "of the view only; the old name is gone",
	});
	/* not of the table: the step that makes the view puts it here */
	((Step *) llast(plan->steps))->relations = NIL;
}

static void
make(MigrationPlan *plan, Change *change)
{
	Place		old = old_place(change->relid);
	Place		new = new_place(change);
	ViewArgs	view = {
		.relation = plan->relid, .old_namespace = old.namespace, .old_name = pstrdup(old.name),
		.new_namespace = new.namespace, .new_name = pstrdup(new.name),
		.columns = columns_of(plan->relid), .invoker = reads_as_invoker(plan->relid),
	};

	plan_view(plan, &view);
	plan_exchange(plan, &view);
	plan_contract(plan, &view);
}

const PlanKind plan_rename_table = {
	.name = "rename_table",
	.claims = claims,
	.check = check,
	.make = make,
	.one_shape = true,
};
