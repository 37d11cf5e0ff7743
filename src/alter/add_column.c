/*-------------------------------------------------------------------------
 *
 * add_column.c
 *		The plan of an ADD COLUMN that cannot run as it stands.
 *
 * The column comes bare, or with a default that costs nothing, in an instant.
 * A default that has a value of its own for each row is set for new rows, and
 * the old ones are filled in by batches; whatever the statement says beyond
 * that (NOT NULL, CHECK, UNIQUE, REFERENCES) is then added as it would be to a
 * column that has always been there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "alter/alter.h"
#include "alter/plain.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "column/column.h"
#include "commands/defrem.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/identity.h"
#include "draft/by_path.h"
#include "draft/deparse.h"
#include "executor/spi.h"
#include "facts/facts_catalog.h"
#include "facts/facts_expr.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "verbs/sql.h"
#include "compat.h"

/* A column to be: what its definition says, resolved. */
typedef struct AddedColumn
{
	const char *name;
	List	   *kept;			/* the column in an expression */
	Oid			type;
	int32		typmod;
	List	   *value;			/* its default, or NIL */
	bool		default_volatile;
	bool		type_default;	/* it is the type's own */
	bool		not_null;
	bool		serial;
	char		identity;		/* as in pg_attribute */
	char	   *sequence;		/* its qualified name, or NULL */
	List	   *constraints;	/* Constraint *: to be added afterwards */
} AddedColumn;

pg_noreturn static void refuse(const char *what, const char *detail, const char *hint);

static void
refuse(const char *what, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("zdm.migrate() does not add %s", what),
			 errdetail("%s", detail),
			 errhint("%s", hint)));
}

/* The type that serial stands for, or NULL. */
static const char *
serial_type(const TypeName *type)
{
	static const char *const names[][2] = {
		{"smallserial", "int2"}, {"serial2", "int2"},
		{"serial", "int4"}, {"serial4", "int4"},
		{"bigserial", "int8"}, {"serial8", "int8"},
	};

	if (list_length(type->names) != 1 || type->pct_type)
		return NULL;
	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(strVal(linitial(type->names)), names[i][0]) == 0)
			return names[i][1];
	}
	return NULL;
}

bool
add_column_type(const ColumnDef *def, const char *source, Oid *type, int32 *typmod)
{
	ParseState *pstate = make_parsestate(NULL);

	if (serial_type(def->typeName) != NULL)
		return false;
	pstate->p_sourcetext = source;
	typenameTypeIdAndMod(pstate, def->typeName, type, typmod);
	return true;
}

static void
read_type(AddedColumn *column, const ColumnDef *def, const char *source)
{
	const char *serial = serial_type(def->typeName);
	Oid			collation = InvalidOid;

	if (!add_column_type(def, source, &column->type, &column->typmod))
		typenameTypeIdAndMod(NULL, SystemTypeName(pstrdup(serial)), &column->type, &column->typmod);
	if (def->collClause != NULL)
		collation = get_collation_oid(def->collClause->collname, false);
	if (OidIsValid(collation) || def->compression != NULL)
		refuse("a column with COLLATE or COMPRESSION together with what needs steps of its own",
			   "Only a bare column is added first.",
			   "Add the column by itself, then what hangs on it.");
	if (facts_domain_checked(column->type))
		refuse("a column of a domain that has constraints",
			   "PostgreSQL would write the whole table anew to check them.",
			   "Use the domain's base type, and a CHECK constraint.");
	column->serial = serial != NULL;
	column->not_null = column->serial;
}

static void
read_constraint(AddedColumn *column, const Constraint *con, const char *source, Oid relid)
{
	Node	   *tree;
	bool		enforced;

	if (zdm_is_enforcement(con, &enforced))
	{
		zdm_set_enforced(llast_node(Constraint, column->constraints), enforced);
		return;
	}
	switch (con->contype)
	{
		case CONSTR_NULL:
			break;
		case CONSTR_NOTNULL:
			column->not_null = true;
			break;
		case CONSTR_DEFAULT:
			column->value = ddl_expression(relid, con->raw_expr, source, EXPR_KIND_COLUMN_DEFAULT,
												  column->type, column->typmod, &tree);
			by_path_check(tree, identity_of(relid));
			column->default_volatile = facts_is_volatile(identity_of(relid), tree);
			break;
		case CONSTR_IDENTITY:
			if (con->options != NIL)
				refuse("an identity column with sequence options to a table that has rows",
					   "Its sequence exists before the identity does.",
					   "Leave the options out, and ALTER COLUMN ... SET them afterwards.");
			column->identity = con->generated_when;
			column->not_null = true;
			break;
		case CONSTR_GENERATED:
			if (zdm_generated_kind(con) == ZDM_GENERATED_VIRTUAL)
				refuse("a virtual generated column together with what needs steps of its own",
					   "The column itself only changes the catalog; a constraint over it reads the table.",
					   "Add the column by itself, and then its constraints one by one.");
			refuse("a stored generated column together with anything else",
				   "It is done through a second table, which has it in every row.",
				   "State it in an ALTER TABLE of its own, without other subcommands.");
		case CONSTR_CHECK:
		case CONSTR_UNIQUE:
		case CONSTR_PRIMARY:
		case CONSTR_FOREIGN:
			column->constraints = lappend(column->constraints, copyObject((Constraint *) con));
			break;
		case CONSTR_ATTR_DEFERRABLE:
			((Constraint *) llast(column->constraints))->deferrable = true;
			break;
		case CONSTR_ATTR_DEFERRED:
			((Constraint *) llast(column->constraints))->deferrable = true;
			((Constraint *) llast(column->constraints))->initdeferred = true;
			break;
		case CONSTR_ATTR_NOT_DEFERRABLE:
		case CONSTR_ATTR_IMMEDIATE:
			break;
		default:
			refuse("this constraint with a column", "It is of a kind that is not known.",
				   "Add the column by itself, then its constraints.");
	}
}

/* A domain's default is the column's where the statement has none. */
static void
read_type_default(AddedColumn *column, Oid relid)
{
	Node	   *tree = get_typdefault(column->type);

	if (tree == NULL)
		return;
	by_path_check(tree, identity_of(relid));
	column->value = deparse_kept(tree, relid, InvalidAttrNumber, NIL);
	column->default_volatile = facts_is_volatile(facts_type_owner(column->type), tree);
	column->type_default = true;
}

static AddedColumn *
read_column(const MigrationPlan *plan, const Change *change, const ColumnDef *def)
{
	AddedColumn  *column = palloc0(sizeof(AddedColumn));
	ListCell   *lc;

	column->name = def->colname;
	column->kept = expression_text(quote_identifier(def->colname));
	read_type(column, def, change->ddl);
	foreach(lc, def->constraints)
		read_constraint(column, lfirst_node(Constraint, lc), change->ddl, plan->relid);
	if (column->serial || column->identity != '\0')
	{
		char	   *name = column->serial ?
			ChooseRelationName(get_rel_name(plan->relid), def->colname, "seq",
							   get_rel_namespace(plan->relid), false) :
			ddl_own_name(plan, psprintf("%s_seq", def->colname));

		column->sequence = sql_qualified(get_rel_namespace(plan->relid), name);
		column->value = expression_format("pg_catalog.nextval(%s)", column_sequence_number(column->sequence));
		column->default_volatile = true;
	}
	else if (column->value == NIL)
		read_type_default(column, plan->relid);
	return column;
}

typedef struct DefaultTrial
{
	Oid			relid;
	const char *query;
} DefaultTrial;

static void
compute_default(void *arg)
{
	DefaultTrial *trial = arg;
	Identity	saved;

	identity_enter(identity_of(trial->relid), NIL, &saved);
	SPI_connect();
	if (SPI_execute(trial->query, false, 1) != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not run \"%s\"", trial->query)));
	SPI_finish();
	identity_leave(&saved);
}

/*
 * ADD COLUMN computes a volatile default for the rows that there are, and fails if that
 * fails.  Here the column comes first, and every INSERT would fail from then on.  Only when
 * the migration is stated: a plan, or a hint of the guard, runs nothing of a user's.
 */
static void
try_default(const MigrationPlan *plan, const AddedColumn *column)
{
	DefaultTrial trial = {plan->relid, psprintf("SELECT %s", expression_sql(column->value, plan->relid, false))};
	ErrorData  *error;

	if (XactReadOnly || attempt_run(compute_default, &trial, ATTEMPT_UNDO, &error))
		return;
	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg("default of column \"%s\" cannot be computed: %s", column->name, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 errhint("Every INSERT that leaves the column out would fail.  Try the expression as the table's owner: %s", trial.query)));
}

/* The column itself, with what costs nothing. */
static void
plan_bare_column(MigrationPlan *plan, const AddedColumn *column)
{
	plain_catalog_step(plan, "expand", &verb_add_column, &(AddColumnArgs) {
		.relation = plan->relid, .name = pstrdup(column->name), .type = ddl_type(column->type, column->typmod),
		.sequence = column->sequence, .value = column->value,
		.set_default = column->default_volatile, .not_null = column->not_null,
		.type_default = column->type_default,
		.null_first = column->default_volatile && get_typdefault(column->type) != NULL,
	});
}

/* A CHECK over the column that is not there yet: the rules know it already. */
static void
plan_check(MigrationPlan *plan, const Change *change, const AddedColumn *column, const Constraint *con)
{
	Facts	   *facts = facts_create(true);
	FactRelation *rel;
	Node	   *expr;

	(void) ddl_judge_alone(facts, change);
	rel = facts_by_oid(facts, plan->relid);
	expr = facts_analyze(rel, con->raw_expr, EXPR_KIND_CHECK_CONSTRAINT);
	by_path_check(expr, identity_of(plan->relid));
	constraint_plan_check(plan, con,
						  deparse_kept(expr, plan->relid, facts_column(rel, column->name)->attnum, column->kept),
						  constraint_name(plan->relid, con->conname, column->name, "check"));
}

static void
plan_constraints(MigrationPlan *plan, const Change *change, const AddedColumn *column)
{
	ListCell   *lc;

	foreach(lc, column->constraints)
	{
		Constraint *con = lfirst_node(Constraint, lc);

		if (con->contype == CONSTR_CHECK)
		{
			plan_check(plan, change, column, con);
			continue;
		}
		if (con->contype == CONSTR_FOREIGN)
		{
			con->fk_attrs = list_make1(makeString(pstrdup(column->name)));
			constraint_check_foreign_key(plan->relid, con, list_make1_oid(column->type));
		}
		else
		{
			con->keys = list_make1(makeString(pstrdup(column->name)));
			(void) ResolveOpClass(NIL, column->type, "btree", BTREE_AM_OID);
		}
		constraint_plan_new_column(plan, con);
	}
}

/*
 * Can PostgreSQL alone add the column, by writing or reading every row?  On a
 * table that has none, that is no work.
 */
static bool
needs_empty_table(const ColumnDef *def, const char *source)
{
	Oid			type;
	int32		typmod;
	ListCell   *lc;

	foreach(lc, def->constraints)
	{
		Constraint *con = lfirst_node(Constraint, lc);

		if (con->contype == CONSTR_GENERATED || (con->contype == CONSTR_IDENTITY && con->options != NIL))
			return true;
	}
	return add_column_type(def, source, &type, &typmod) && facts_domain_checked(type);
}

static bool
stands_on_empty_table(Change *change, const ColumnDef *def)
{
	return list_length(castNode(AlterTableStmt, change->stmt)->cmds) == 1 &&
		needs_empty_table(def, change->ddl) && ddl_is_empty(change->relid) &&
		ddl_objection(ddl_judge(change)) == NULL;
}

void
add_column_plan(MigrationPlan *plan, Change *change, const ColumnDef *def)
{
	AddedColumn  *column;
	bool		filled;
	bool		bare;
	ListCell   *lc;

	column_check_new_name(plan->relid, def->colname);
	if (stands_on_empty_table(change, def))
	{
		plain_step(plan, change, ddl_judge(change));
		return;
	}
	column = read_column(plan, change, def);
	if (column->value != NIL)
		ddl_refuse_breach(change);
	filled = column->value != NIL && column->default_volatile;
	foreach(lc, column->constraints)
	{
		if (lfirst_node(Constraint, lc)->contype == CONSTR_PRIMARY)
			column->not_null = true;
	}
	bare = column->value == NIL;
	if (column->not_null && bare && !ddl_is_empty(plan->relid))
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("column \"%s\" of relation \"%s\" contains null values",
						def->colname, get_rel_name(plan->relid)),
				 errhint("Give it a DEFAULT; ALTER COLUMN ... DROP DEFAULT can follow.")));

	if (filled && column->sequence == NULL && plan->migration != 0 && !ddl_is_empty(plan->relid))
		try_default(plan, column);
	plan_bare_column(plan, column);
	if (filled)
		update_fill_step(plan, column->kept, column->value);
	if ((filled || bare) && column->not_null)
	{
		not_null_add(plan, def->colname);
		not_null_validate(plan, def->colname);
	}
	if (column->identity != '\0')
		plain_catalog_step(plan, "migrate", &verb_add_identity, &(AddIdentityArgs) {
			.relation = plan->relid, .column = pstrdup(column->name), .sequence = column->sequence,
			.always = column->identity == ATTRIBUTE_IDENTITY_ALWAYS,
		});
	plan_constraints(plan, change, column);
}
