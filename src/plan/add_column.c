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

#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "ddl/facts_expr.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "parser/parser.h"
#include "plan/alter.h"
#include "plan/by_path.h"
#include "plan/column.h"
#include "plan/deparse.h"
#include "plan/plain.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* A column to be: what its definition says, resolved. */
typedef struct AddedColumn
{
	const char *name;
	char	   *quoted;			/* template */
	char	   *table;			/* template */
	Oid			type;
	int32		typmod;
	char	   *default_text;	/* template, or NULL */
	bool		default_volatile;
	bool		not_null;
	bool		serial;
	char		identity;		/* as in pg_attribute */
	char	   *sequence;		/* its qualified name, for a template, or NULL */
	char	   *sequence_oid;	/* an expression that gives its number, likewise */
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
			column->default_text = ddl_expression(relid, con->raw_expr, source, EXPR_KIND_COLUMN_DEFAULT,
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
			refuse("a stored generated column to a table that has rows",
				   "PostgreSQL would compute it for every row while nobody can read the table, and cannot turn an ordinary column into a generated one.",
				   "Add an ordinary column, keep it with a trigger, and fill it in with zdm.backfill().");
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

static AddedColumn *
read_column(const MigrationPlan *plan, const Change *change, const ColumnDef *def)
{
	AddedColumn  *column = palloc0(sizeof(AddedColumn));
	ListCell   *lc;

	column->name = def->colname;
	column->quoted = ddl_quoted(def->colname);
	column->table = names_template_relation(plan->relid);
	read_type(column, def, change->ddl);
	foreach(lc, def->constraints)
		read_constraint(column, lfirst_node(Constraint, lc), change->ddl, plan->relid);
	if (column->serial || column->identity != '\0')
	{
		char	   *name = column->serial ?
			ChooseRelationName(get_rel_name(plan->relid), def->colname, "seq",
							   get_rel_namespace(plan->relid), false) :
			ddl_own_name(plan, psprintf("%s_seq", def->colname));

		column->sequence = ddl_qualified(get_rel_namespace(plan->relid), name);
		column->sequence_oid = psprintf("%s::pg_catalog.regclass",
										names_escape(quote_literal_cstr(quote_qualified_identifier(get_namespace_name(get_rel_namespace(plan->relid)),
																								   name))));
		column->default_text = psprintf("pg_catalog.nextval(%s)", column->sequence_oid);
		column->default_volatile = true;
	}
	return column;
}

/* The column itself, with what costs nothing. */
static void
plan_bare_column(MigrationPlan *plan, const AddedColumn *column)
{
	StringInfoData sql;
	char	   *type = ddl_type(column->type, column->typmod);

	initStringInfo(&sql);
	if (column->sequence != NULL)
		appendStringInfo(&sql, "CREATE SEQUENCE %s AS %s;\n", column->sequence, type);
	appendStringInfo(&sql, "ALTER TABLE %s ADD COLUMN %s %s", column->table, column->quoted, type);
	if (column->default_text != NULL && !column->default_volatile)
		appendStringInfo(&sql, " DEFAULT %s%s", column->default_text,
						 column->not_null ? " NOT NULL" : "");
	else if (column->default_text != NULL)
		appendStringInfo(&sql, ";\nALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s",
						 column->table, column->quoted, column->default_text);
	if (column->sequence != NULL)
		appendStringInfo(&sql, ";\nALTER SEQUENCE %s OWNED BY %s.%s", column->sequence,
						 column->table, column->quoted);
	plain_catalog_step(plan, "expand", sql.data,
					   psprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", column->table, column->quoted));
}

/* From a default that draws from a sequence to an identity that goes on from there. */
static void
plan_identity(MigrationPlan *plan, const AddedColumn *column)
{
	plain_catalog_step(plan, "migrate",
					   psprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;\n"
								"ALTER TABLE %s ALTER COLUMN %s ADD GENERATED %s AS IDENTITY;\n"
								"SELECT pg_catalog.setval((SELECT i.objid::pg_catalog.regclass FROM pg_catalog.pg_depend o\n"
								"  JOIN pg_catalog.pg_depend i USING (classid, refclassid, refobjid, refobjsubid)\n"
								"  WHERE o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.objid = %s\n"
								"  AND o.deptype = 'a' AND i.deptype = 'i'), %s, false);\n"
								"DROP SEQUENCE %s",
								column->table, column->quoted, column->table, column->quoted,
								column->identity == ATTRIBUTE_IDENTITY_ALWAYS ? "ALWAYS" : "BY DEFAULT",
								column->sequence_oid, column->default_text, column->sequence),
					   psprintf("ALTER TABLE %s ALTER COLUMN %s DROP IDENTITY IF EXISTS", column->table, column->quoted));
}

/* A CHECK over the column that is not there yet: the rules know it already. */
static void
plan_check(MigrationPlan *plan, const Change *change, const AddedColumn *column, const Constraint *con)
{
	Facts	   *facts = facts_create(true);
	FactRelation *rel;
	Node	   *expr;
	char	   *text;
	char	   *name;

	(void) ddl_judge_alone(facts, change);
	rel = facts_by_oid(facts, plan->relid);
	expr = facts_analyze(rel, con->raw_expr, EXPR_KIND_CHECK_CONSTRAINT);
	by_path_check(expr, identity_of(plan->relid));
	text = deparse_expression_template(expr, plan->relid, facts_column(rel, column->name)->attnum,
									   column->quoted);
	name = ddl_quoted(constraint_name(plan->relid, con->conname, column->name, "check"));
	plain_catalog_step(plan, "migrate",
					   psprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s)%s%s", column->table, name, text,
								con->is_no_inherit ? " NO INHERIT" : "",
								zdm_statement_enforced(con) ? " NOT VALID" : " NOT ENFORCED"),
					   psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", column->table, name));
	if (!zdm_statement_enforced(con))
		return;
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", column->table, name),
		.lock = ShareUpdateExclusiveLock, .work = READS_TABLE,
	});
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
stands_on_empty_table(const Change *change, const ColumnDef *def)
{
	return list_length(castNode(AlterTableStmt, change->stmt)->cmds) == 1 &&
		needs_empty_table(def, change->ddl) && ddl_is_empty(change->relid) &&
		ddl_objection(ddl_judge(change)) == NULL;
}

void
add_column_plan(MigrationPlan *plan, const Change *change, const ColumnDef *def)
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
	filled = column->default_text != NULL && column->default_volatile;
	foreach(lc, column->constraints)
	{
		if (lfirst_node(Constraint, lc)->contype == CONSTR_PRIMARY)
			column->not_null = true;
	}
	bare = column->default_text == NULL;
	if (column->not_null && bare && !ddl_is_empty(plan->relid))
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("column \"%s\" of relation \"%s\" contains null values",
						def->colname, get_rel_name(plan->relid)),
				 errhint("Give it a DEFAULT; ALTER COLUMN ... DROP DEFAULT can follow.")));

	plan_bare_column(plan, column);
	if (filled)
		update_fill_step(plan, column->quoted, column->default_text);
	if ((filled || bare) && column->not_null)
	{
		not_null_add(plan, def->colname);
		not_null_validate(plan, def->colname);
	}
	if (column->identity != '\0')
		plan_identity(plan, column);
	plan_constraints(plan, change, column);
}
