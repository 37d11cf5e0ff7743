/*-------------------------------------------------------------------------
 *
 * constraint.c
 *		The plan of ADD CONSTRAINT.
 *
 * A CHECK or a foreign key comes NOT VALID, which binds every write from then
 * on and looks at no row, and is validated beside readers and writers.  A key
 * comes as a unique index, built CONCURRENTLY, which the constraint then takes
 * over; so does an exclusion constraint, or a key WITHOUT OVERLAPS (exclusion.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "alter/alter.h"
#include "alter/index.h"
#include "alter/plain.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "commands/defrem.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/names.h"
#include "core/target.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "compat.h"
#include "draft/deparse.h"

/* The only column of an expression, which PostgreSQL then names its constraint for. */
static char *
only_column(Oid relid, Node *expr)
{
	Bitmapset  *columns = NULL;

	pull_varattnos(expr, 1, &columns);
	if (bms_num_members(columns) != 1)
		return NULL;
	return get_attname(relid, bms_singleton_member(columns) + FirstLowInvalidHeapAttributeNumber, false);
}

/*
 * Partitions that have a CHECK of that name of their own: the table's is merged with it, and
 * would take it along on the way back.  Children by inheritance keep theirs.
 */
static List *
own_checks(Oid relid, const char *name)
{
	QuerySession session;
	List	   *own = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT conrelid FROM pg_constraint JOIN pg_class r ON r.oid = conrelid AND relispartition "
			  "WHERE conrelid = ANY ($1) AND conrelid <> $2 AND conname = $3 AND contype = 'c' AND conislocal",
			  arg_oids(find_all_inheritors(relid, AccessShareLock, NULL)), arg_oid(relid), arg_text(name));
	for (uint64 i = 0; i < n; i++)
		own = lappend_oid(own, query_oid(i, 1));
	query_end(&session);
	return own;
}

void
constraint_plan_check(MigrationPlan *plan, const Constraint *con, List *expression, char *name)
{
	plain_catalog_step(plan, "migrate", &verb_add_constraint, &(ConstraintArgs) {
		.relation = plan->relid, .name = name, .kind = CONSTRAINT_CHECK, .expression = expression,
		.no_inherit = con->is_no_inherit, .not_enforced = !zdm_statement_enforced(con),
		.own = own_checks(plan->relid, name),
	});
	if (!con->skip_validation && zdm_statement_enforced(con))
		plan_validation(plan, "migrate", plan->relid, name);
}

static void
plan_check(MigrationPlan *plan, const Change *change, const Constraint *con)
{
	Node	   *expr;
	List	   *kept = ddl_expression(plan->relid, con->raw_expr, change->ddl,
									  EXPR_KIND_CHECK_CONSTRAINT, InvalidOid, -1, &expr);

	constraint_plan_check(plan, con, kept, constraint_name(plan->relid, con->conname,
														   only_column(plan->relid, expr), "check"));
}

/* NOT NULL as a constraint with a name: 18. */
static void
plan_named_not_null(MigrationPlan *plan, const Constraint *con)
{
	char	   *column = strVal(linitial(con->keys));
	char	   *name = constraint_name(plan->relid, con->conname, column, "not_null");

	(void) ddl_attribute(plan->relid, column);
	if (!target_has_named_not_null() && !con->skip_validation && !con->is_no_inherit)
	{
		plan_note(plan, "NOT NULL of column \"%s\" has no name there: \"%s\" is left out", column, name);
		not_null_plan(plan, column, NIL);
		return;
	}
	plain_catalog_step(plan, "migrate", &verb_add_constraint, &(ConstraintArgs) {
		.relation = plan->relid, .name = name, .kind = 'n',
		.expression = ddl_column(plan->relid, column), .no_inherit = con->is_no_inherit,
	});
	if (!con->skip_validation)
		plan_validation(plan, "migrate", plan->relid, name);
}

static void
append_deferral(StringInfo buf, const Constraint *con)
{
	if (con->deferrable)
		appendStringInfo(buf, " DEFERRABLE%s", con->initdeferred ? " INITIALLY DEFERRED" : "");
}

/* The last of them with PERIOD before it, where the key has one (18). */
static List *
foreign_key_columns(Oid relid, List *names, bool period)
{
	int			last = list_length(names) - 1;

	if (!period || names == NIL)
		return ddl_columns(relid, names);
	return expression_format("%e, PERIOD %e", ddl_columns(relid, list_truncate(list_copy(names), last)),
							 ddl_column(relid, strVal(list_nth(names, last))));
}

/* What is stated, of the plan's table. */
static ForeignKeyArgs
foreign_key_args(const MigrationPlan *plan, const Constraint *con, Oid referenced, char *name)
{
	return (ForeignKeyArgs) {
		.relation = plan->relid, .name = name, .of = plan->relid,
		.columns = foreign_key_columns(plan->relid, con->fk_attrs, zdm_fk_with_period(con)), .references = referenced,
		.refcolumns = foreign_key_columns(referenced, con->pk_attrs, zdm_pk_with_period(con)),
		.delete_columns = ddl_columns(plan->relid, zdm_fk_del_set_columns(con)),
		.match = con->fk_matchtype, .on_update = con->fk_upd_action, .on_delete = con->fk_del_action,
		.deferrable = con->deferrable, .deferred = con->initdeferred,
		.not_enforced = !zdm_statement_enforced(con),
	};
}

/* The key of the referenced table that these columns are, or its primary key; WITHOUT OVERLAPS (18) or not. */
static Oid
referenced_key(Oid referenced, List *columns, bool period)
{
	QuerySession session;
	Oid			key = InvalidOid;
	bool		immediate = true;
	bool		same = true;

	query_begin(&session);
	if (QUERY("SELECT indexrelid, indimmediate, indisexclusion = $3 FROM pg_index i WHERE indrelid = $1 AND indisunique AND indisvalid "
			  "AND indpred IS NULL AND indexprs IS NULL AND CASE WHEN $2::text[] = '{}' THEN indisprimary "
			  "ELSE indisexclusion = $3 AND indnkeyatts = cardinality($2) AND NOT EXISTS (SELECT 1 FROM unnest($2) n WHERE NOT EXISTS "
			  "(SELECT 1 FROM pg_attribute a, generate_series(0, indnkeyatts - 1) k WHERE attrelid = $1 AND attname = n AND attnum = indkey[k])) END ORDER BY indimmediate DESC",
			  arg_oid(referenced), arg_texts(ddl_strings(columns)), arg_bool(period)) > 0)
	{
		key = query_oid(0, 1);
		immediate = query_bool(0, 2);
		same = query_bool(0, 3);
	}
	query_end(&session);
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FOREIGN_KEY),
				 errmsg(period ? "foreign key uses PERIOD on the referencing table but not the referenced table" :
						"foreign key must use PERIOD when referencing a primary key using WITHOUT OVERLAPS")));
	if (!immediate)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot use a deferrable %s constraint for referenced table \"%s\"",
						columns == NIL ? "primary key" : "unique", get_rel_name(referenced))));
	if (OidIsValid(key))
		return key;
	if (columns == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no primary key for referenced table \"%s\"", get_rel_name(referenced))));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_FOREIGN_KEY),
			 errmsg("there is no unique constraint matching given keys for referenced table \"%s\"",
					get_rel_name(referenced))));
}

/* Can a key column be looked up by a value of the type? */
static bool
is_comparable(Oid key, int column, Oid keytype, Oid type)
{
	Relation	index = index_open(key, AccessShareLock);
	Oid			family = index->rd_opfamily[column];
	Oid			input = index->rd_opcintype[column];
	Oid			base = getBaseType(type);
	Oid			from[2] = {keytype, type};
	Oid			to[2] = {input, input};

	index_close(index, NoLock);
	return (OidIsValid(get_opfamily_member(family, input, base, BTEqualStrategyNumber)) &&
			OidIsValid(get_opfamily_member(family, base, base, BTEqualStrategyNumber))) ||
		can_coerce_type(2, from, to, COERCION_IMPLICIT);
}

static int
place_of(List *names, const char *name)
{
	int			place = 0;

	while (strcmp(strVal(list_nth(names, place)), name) != 0)
		place++;
	return place;
}

static void
check_types(const Constraint *con, Oid referenced, Oid key, const char *name, List *types)
{
	Relation	index = index_open(key, AccessShareLock);

	if (IndexRelationGetNumberOfKeyAttributes(index) != list_length(types))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FOREIGN_KEY),
				 errmsg("number of referencing and referenced columns for foreign key disagree")));
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		AttrNumber	attnum = index->rd_index->indkey.values[i];
		char	   *column = get_attname(referenced, attnum, false);
		int			place = con->pk_attrs == NIL ? i : place_of(con->pk_attrs, column);
		Oid			type = list_nth_oid(types, place);

		if (!is_comparable(key, i, get_atttype(referenced, attnum), type))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("foreign key constraint \"%s\" cannot be implemented", name),
					 errdetail("Key columns \"%s\" and \"%s\" are of incompatible types: %s and %s.",
							   strVal(list_nth(con->fk_attrs, place)), column, format_type_be(type),
							   format_type_be(get_atttype(referenced, attnum)))));
	}
	index_close(index, NoLock);
}

static List *
column_types(Oid relid, List *names)
{
	List	   *types = NIL;
	ListCell   *lc;

	foreach(lc, names)
		types = lappend_oid(types, get_atttype(relid, get_attnum(relid, strVal(lfirst(lc)))));
	return types;
}

/* PostgreSQL has no other actions for a key with PERIOD. */
static void
check_period_action(char action, const char *event)
{
	if (action != FKCONSTR_ACTION_NOACTION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("unsupported %s action for foreign key constraint using PERIOD", event)));
}

/*
 * To validate a key with PERIOD, PostgreSQL (18) has no one query: it looks for each row by
 * itself, as when it is written, and locks what that refers to FOR KEY SHARE until all is done.
 */
static void
check_period(const Constraint *con, Oid referenced)
{
	check_period_action(con->fk_upd_action, "ON UPDATE");
	check_period_action(con->fk_del_action, "ON DELETE");
	if (con->skip_validation || !zdm_statement_enforced(con))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("zdm.migrate() does not validate a foreign key with PERIOD"),
			 errdetail("PostgreSQL would lock all rows of %s that are referred to, one by one, so that nobody can delete them, or change their keys, until it is done.",
					   names_relation(referenced)),
			 errhint("Add it NOT VALID, which checks every write from then on; and ALTER TABLE ... VALIDATE CONSTRAINT at a time when nobody does either.")));
}

static char *
foreign_key_name(Oid relid, const Constraint *con)
{
	return constraint_name(relid, con->conname, names_joined(con->fk_attrs), "fkey");
}

void
constraint_check_foreign_key(Oid relid, const Constraint *con, List *types)
{
	Oid			referenced = RangeVarGetRelid(con->pktable, AccessShareLock, false);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ListCell   *lc;

	ReleaseSysCache(tuple);
	foreach(lc, con->pk_attrs)
	{
		if (get_attnum(referenced, strVal(lfirst(lc))) == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" referenced in foreign key constraint does not exist", strVal(lfirst(lc)))));
	}
	if (con->pk_attrs != NIL && list_length(con->pk_attrs) != list_length(con->fk_attrs))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FOREIGN_KEY),
				 errmsg("number of referencing and referenced columns for foreign key disagree")));
	if (con->pk_attrs != NIL && zdm_fk_with_period(con) != zdm_pk_with_period(con))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FOREIGN_KEY),
				 errmsg(zdm_fk_with_period(con) ? "foreign key uses PERIOD on the referencing table but not the referenced table" :
						"foreign key uses PERIOD on the referenced table but not the referencing table")));
	if (zdm_fk_with_period(con))
		check_period(con, referenced);
	check_types(con, referenced, referenced_key(referenced, con->pk_attrs, zdm_fk_with_period(con)),
				con->conname ? con->conname : foreign_key_name(relid, con), types ? types : column_types(relid, con->fk_attrs));
	if (pg_class_aclcheck(referenced, owner, ACL_REFERENCES) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(referenced, owner, ACL_REFERENCES, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(referenced));
}

/* On a partition, for as long as it is one. */
static void
plan_leaf_foreign_key(MigrationPlan *plan, Oid leaf, const ForeignKeyArgs *fk)
{
	ForeignKeyArgs part = *fk;

	part.relation = leaf;
	part.root = plan->relid;
	part.not_valid = true;
	plan_step(plan, &verb_add_foreign_key, &part, &(Step) {
		.phase = "migrate", .undoable = true,
		.relations = list_make2_oid(leaf, fk->references), .queries = true,
		.lock = ShareRowExclusiveLock, .undo_lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
	plan_step(plan, &verb_validate_constraint, &(ValidateArgs) {
		.relation = leaf, .root = plan->relid, .name = fk->name,
	}, &(Step) {
		.phase = "migrate", .relations = list_make1_oid(leaf),
		.lock = ShareUpdateExclusiveLock, .work = READS_TABLE,
	});
}

/* The partitions with rows that have no foreign key of that name yet. */
static List *
leaves_without_foreign_key(Oid relid, const char *name)
{
	QuerySession session;
	List	   *leaves;

	query_begin(&session);
	QUERY("SELECT coalesce(array_agg(relid::oid ORDER BY relid::oid), '{}') FROM pg_partition_tree($1::regclass) t "
		  "WHERE isleaf AND relid <> $1 AND NOT EXISTS (SELECT FROM pg_constraint "
		  "WHERE conrelid = t.relid AND contype = 'f' AND conname = $2)",
		  arg_oid(relid), arg_text(name));
	leaves = query_oids(0, 1);
	query_end(&session);
	return leaves;
}

/*
 * On a partitioned table a foreign key cannot be NOT VALID before 18.  It is
 * made and validated on each leaf first: the parent's then finds them, and
 * reads nothing.
 */
static void
plan_partitioned_foreign_key(MigrationPlan *plan, const ForeignKeyArgs *fk)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(plan->relid, AccessShareLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("foreign key constraints are not supported on foreign tables"),
					 errdetail("Partition %s is one.", names_relation(lfirst_oid(lc)))));
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
			plan_leaf_foreign_key(plan, lfirst_oid(lc), fk);
	}

	/* with a leaf's constraint attached, triggers of the referenced table are dropped */
	plan_step(plan, &verb_complete_foreign_key, fk, &(Step) {
		.phase = "migrate", .undoable = true,
		.relations = list_make2_oid(plan->relid, fk->references),
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "finds those of the partitions; one that has come since is given its own first",
	});
}

bool
constraint_plan_missing_parts(int64 migration, const Step *step)
{
	const ForeignKeyArgs *fk = verb_args(step);
	MigrationPlan plan = {.migration = migration, .relid = fk->relation, .stored = step->number - 1};
	ListCell   *lc;

	foreach(lc, leaves_without_foreign_key(plan.relid, fk->name))
		plan_leaf_foreign_key(&plan, lfirst_oid(lc), fk);
	if (plan.steps == NIL)
		return false;
	step_make_room(migration, step->number - 1, list_length(plan.steps));
	plan_store_steps(&plan);
	return true;
}

static void
plan_foreign_key(MigrationPlan *plan, const Constraint *con)
{
	Oid			referenced = RangeVarGetRelid(con->pktable, AccessShareLock, false);
	ForeignKeyArgs fk = foreign_key_args(plan, con, referenced, foreign_key_name(plan->relid, con));

	if (get_rel_relkind(plan->relid) == RELKIND_PARTITIONED_TABLE)
	{
		if (con->skip_validation || fk.not_enforced)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("zdm.migrate() does not do a foreign key that is NOT VALID on a partitioned table")));
		plan_partitioned_foreign_key(plan, &fk);
		return;
	}
	fk.not_valid = true;
	plan_step(plan, &verb_add_foreign_key, &fk, &(Step) {
		.phase = "migrate", .undoable = true,
		.relations = list_make2_oid(plan->relid, referenced),
		.queries = !con->skip_validation && !fk.not_enforced,
		.lock = ShareRowExclusiveLock, .undo_lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
	if (!con->skip_validation && !fk.not_enforced)
		plan_validation(plan, "migrate", plan->relid, fk.name);
}

static void
check_columns(Oid relid, List *names)
{
	ListCell   *lc;

	foreach(lc, names)
		(void) ddl_attribute(relid, strVal(lfirst(lc)));
}

void
constraint_check_no_primary_key(Oid relid)
{
	QuerySession session;
	bool		has_primary_key;

	query_begin(&session);
	has_primary_key = QUERY("SELECT 1 FROM pg_index WHERE indrelid = $1 AND indisprimary",
							arg_oid(relid)) > 0;
	query_end(&session);
	if (has_primary_key)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("multiple primary keys for table \"%s\" are not allowed",
						get_rel_name(relid))));
}

/* "PRIMARY KEY (a, b) ...", as ADD CONSTRAINT takes it. */
static char *
key_text(const Constraint *con)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "%s%s %s", con->contype == CONSTR_PRIMARY ? "PRIMARY KEY" : "UNIQUE",
					 zdm_statement_nulls_not_distinct(con) ? " NULLS NOT DISTINCT" : "",
					 ddl_column_list(con->keys));
	if (con->including != NIL)
		appendStringInfo(&sql, " INCLUDE %s", ddl_column_list(con->including));
	index_append_options(&sql, " WITH (", con->options);
	if (con->indexspace != NULL)
		appendStringInfo(&sql, " USING INDEX TABLESPACE %s", quote_identifier(con->indexspace));
	append_deferral(&sql, con);
	return sql.data;
}

/* Of a partitioned table: partition by partition. */
static void
plan_partitioned_key(MigrationPlan *plan, const Constraint *con, char *name)
{
	IndexStmt  *stmt = index_key_statement(con);
	StringInfoData deferral;

	initStringInfo(&deferral);
	append_deferral(&deferral, con);
	index_tree_plan(&(IndexTree) {
		.plan = plan, .root = plan->relid, .stmt = stmt, .key = key_text(con),
		.deferral = deferral.data, .primary = stmt->primary, .unique = true,
		.columns = index_columns(stmt), .nkeys = list_length(stmt->indexParams),
	}, name);
}

static void
plan_key(MigrationPlan *plan, const Constraint *con)
{
	bool		primary = con->contype == CONSTR_PRIMARY;
	char	   *name = constraint_name(plan->relid, con->conname,
									   primary ? NULL : names_joined(list_concat_copy(con->keys, con->including)),
									   primary ? "pkey" : "key");
	char	   *index = ddl_own_name(plan, name);
	StringInfoData deferral;

	index_check_name(get_rel_namespace(plan->relid), name);
	if (primary)
		constraint_check_no_primary_key(plan->relid);
	if (get_rel_relkind(plan->relid) == RELKIND_PARTITIONED_TABLE)
	{
		plan_partitioned_key(plan, con, name);
		return;
	}
	index_build_step(plan, index_spec(index_key_statement(con), NULL, plan->relid), plan->relid, InvalidOid, index);

	initStringInfo(&deferral);
	append_deferral(&deferral, con);
	plain_catalog_step(plan, "migrate", &verb_add_constraint, &(ConstraintArgs) {
		.relation = plan->relid, .name = name, .kind = primary ? CONSTRAINT_PRIMARY : CONSTRAINT_UNIQUE,
		.index = index, .deferral = deferral.data,
	});
}

void
constraint_plan(MigrationPlan *plan, const Change *change, const Constraint *con)
{
	ListCell   *lc;

	switch (con->contype)
	{
		case CONSTR_CHECK:
			plan_check(plan, change, con);
			return;
		case CONSTR_FOREIGN:
			check_columns(plan->relid, con->fk_attrs);
			plan_foreign_key(plan, con);
			return;
		case CONSTR_PRIMARY:
		case CONSTR_UNIQUE:
			if (con->indexname != NULL)
				break;
			check_columns(plan->relid, con->keys);
			check_columns(plan->relid, con->including);

			/* or a primary key reads the whole table for NULLs */
			foreach(lc, con->contype == CONSTR_PRIMARY ? con->keys : NIL)
				not_null_plan(plan, strVal(lfirst(lc)), NIL);
			if (zdm_without_overlaps(con))
				exclusion_plan(plan, change, con);
			else
				plan_key(plan, con);
			return;
		case CONSTR_NOTNULL:
			plan_named_not_null(plan, con);
			return;
		case CONSTR_EXCLUSION:
			exclusion_plan(plan, change, con);
			return;
		default:
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("zdm.migrate() knows no safe way to add this constraint"),
			 con->indexname == NULL ? 0 :
			 errdetail("A column of index \"%s\" is not known to be NOT NULL, so the table would be read under ACCESS EXCLUSIVE.", con->indexname),
			 con->indexname == NULL ? 0 :
			 errhint("Migrate ALTER TABLE ... ALTER COLUMN ... SET NOT NULL first.")));
}

void
constraint_plan_new_column(MigrationPlan *plan, const Constraint *con)
{
	if (con->contype == CONSTR_FOREIGN)
		plan_foreign_key(plan, con);
	else
		plan_key(plan, con);
}
