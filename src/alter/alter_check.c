/*-------------------------------------------------------------------------
 *
 * alter_check.c
 *		Mistakes in an ALTER TABLE, found when it is stated.
 *
 * PostgreSQL finds them when the statement runs, which is in a worker, after
 * the caller has gone.  It cannot be tried beforehand, as it would take its
 * locks; so what PostgreSQL looks at is looked at here, and the error is the
 * one that it would give, with the position in the statement that the guard's
 * rules do not tell.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/sysattr.h"
#include "alter/alter.h"
#include "alter/drop.h"
#include "alter/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "column/column.h"
#include "commands/trigger.h"
#include "core/errors.h"
#include "draft/by_path.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteSupport.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

/* A new column that others may be generated from. */
static bool
adds_plain_column(const AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);
		bool		generated = false;
		ListCell   *c;

		if (cmd->subtype != AT_AddColumn)
			continue;
		foreach(c, ((ColumnDef *) cmd->def)->constraints)
			generated |= lfirst_node(Constraint, c)->contype == CONSTR_GENERATED;
		if (!generated)
			return true;
	}
	return false;
}

/* What a column is generated from; of other new columns it is not known yet. */
static void
check_generation(const Change *change, Node *raw, Oid type, int32 typmod)
{
	Bitmapset  *inputs = NULL;
	Node	   *tree;
	int			i = -1;

	if (adds_plain_column(castNode(AlterTableStmt, change->stmt)))
		return;
	(void) ddl_expression(change->relid, raw, change->ddl, EXPR_KIND_GENERATED_COLUMN, type, typmod, &tree);
	pull_varattnos(tree, 1, &inputs);
	while ((i = bms_next_member(inputs, i)) >= 0)
	{
		AttrNumber	attnum = i + FirstLowInvalidHeapAttributeNumber;

		if (attnum == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("cannot use whole-row variable in column generation expression")));
		if (attnum > 0 && get_attgenerated(change->relid, attnum) != '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("cannot use generated column \"%s\" in column generation expression",
							get_attname(change->relid, attnum, false)),
					 errdetail("A generated column cannot reference another generated column.")));
	}
	if (contain_mutable_functions((Node *) expression_planner((Expr *) tree)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("generation expression is not immutable")));
}

/* SET EXPRESSION and DROP EXPRESSION. */
static void
check_expression(const Change *change, const AlterTableCmd *cmd)
{
	AttrNumber	attnum = ddl_attribute(change->relid, cmd->name);
	const char *table = get_rel_name(change->relid);
	bool		drop = cmd->subtype == AT_DropExpression;
	QuerySession session;
	char		generated;
	bool		checks;
	Oid			type;
	int32		typmod;
	Oid			collation;

	query_begin(&session);
	QUERY("SELECT attgenerated::text, EXISTS (SELECT FROM pg_constraint WHERE conrelid = $1 AND contype = 'c') "
		  "FROM pg_attribute WHERE attrelid = $1 AND attnum = $2", arg_oid(change->relid), arg_int2(attnum));
	generated = query_text(0, 1)[0];
	checks = query_bool(0, 2);
	query_end(&session);
	if (generated == '\0' && !cmd->missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of relation \"%s\" is not a generated column", cmd->name, table)));
	if (generated == ZDM_GENERATED_VIRTUAL && (drop || checks))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg(drop ? "ALTER TABLE / DROP EXPRESSION is not supported for virtual generated columns" :
						"ALTER TABLE / SET EXPRESSION is not supported for virtual generated columns in tables with check constraints"),
				 errdetail("Column \"%s\" of relation \"%s\" is a virtual generated column.", cmd->name, table)));
	if (drop)
		return;
	get_atttypetypmodcoll(change->relid, attnum, &type, &typmod, &collation);
	check_generation(change, cmd->def, type, typmod);
}

/* Of a constraint that is NOT ENFORCED (18) there is nothing to validate. */
static void
check_validation(const Change *change, const AlterTableCmd *cmd, Oid constraint)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	bool		enforced;

	if (!HeapTupleIsValid(tuple))
		return;
	enforced = zdm_constraint_enforced((Form_pg_constraint) GETSTRUCT(tuple));
	ReleaseSysCache(tuple);
	if (!enforced)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot validate NOT ENFORCED constraint"),
				 errhint("Drop \"%s\" and add it again as it is to be, by zdm.migrate().", cmd->name)));
}

/* The type and the default of a column to be. */
static void
check_new_column(const Change *change, const ColumnDef *def)
{
	Oid			type;
	int32		typmod;
	Node	   *tree;
	ListCell   *lc;

	if (!add_column_type(def, change->ddl, &type, &typmod))
		return;
	foreach(lc, def->constraints)
	{
		Constraint *con = lfirst_node(Constraint, lc);

		if (con->contype == CONSTR_DEFAULT)
		{
			(void) ddl_expression(change->relid, con->raw_expr, change->ddl, EXPR_KIND_COLUMN_DEFAULT,
								  type, typmod, &tree);
			/* the rows that there are get it from a worker */
			by_path_check(tree, identity_of(change->relid));
		}
		if (con->contype == CONSTR_GENERATED)
			check_generation(change, con->raw_expr, type, typmod);
		if (con->contype == CONSTR_FOREIGN)
		{
			con = copyObject(con);
			con->fk_attrs = list_make1(makeString(pstrdup(def->colname)));
			constraint_check_foreign_key(change->relid, con, list_make1_oid(type));
		}
	}
}

/* Partitions, children and typed tables have the columns of what they are made of. */
static void
check_may_have_column(const Change *change, const AlterTableStmt *stmt)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(change->relid));
	bool		typed = OidIsValid(((Form_pg_class) GETSTRUCT(tuple))->reloftype);
	bool		partition = ((Form_pg_class) GETSTRUCT(tuple))->relispartition;

	ReleaseSysCache(tuple);
	if (typed || partition)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot add column to %s", typed ? "typed table" : "a partition")));
	if (!stmt->relation->inh && find_inheritance_children(change->relid, NoLock) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("column must be added to child tables too")));
}

/* A virtual generated column (18) has no value that could be indexed. */
static void
refuse_virtual(Oid relid, List *columns, const char *what)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		AttrNumber	attnum = get_attnum(relid, strVal(lfirst(lc)));

		if (attnum > 0 && get_attgenerated(relid, attnum) == ZDM_GENERATED_VIRTUAL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s on virtual generated columns are not supported", what)));
	}
}

static void
check_key_columns(const Change *change, const Constraint *con)
{
	ParseState *pstate = make_parsestate(NULL);
	ListCell   *lc;

	pstate->p_sourcetext = change->ddl;
	refuse_virtual(change->relid, con->keys, con->contype == CONSTR_PRIMARY ? "primary keys" : "unique constraints");
	refuse_virtual(change->relid, con->fk_attrs, "foreign key constraints");
	foreach(lc, con->contype == CONSTR_PRIMARY ? con->keys : NIL)
		(void) ddl_attribute(change->relid, strVal(lfirst(lc)));
	foreach(lc, list_concat_copy(con->keys, con->including))
	{
		if (get_attnum(change->relid, strVal(lfirst(lc))) == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" named in key does not exist", strVal(lfirst(lc))),
					 parser_errposition(pstate, con->location)));
	}
	foreach(lc, con->fk_attrs)
	{
		if (get_attnum(change->relid, strVal(lfirst(lc))) == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" referenced in foreign key constraint does not exist",
							strVal(lfirst(lc)))));
	}
	free_parsestate(pstate);
}

static void
check_key_index(const Change *change, const Constraint *con)
{
	ParseState *pstate = make_parsestate(NULL);

	pstate->p_sourcetext = change->ddl;
	if (!OidIsValid(get_relname_relid(con->indexname, get_rel_namespace(change->relid))))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index \"%s\" does not exist", con->indexname),
				 parser_errposition(pstate, con->location)));
	free_parsestate(pstate);
}

static void
check_foreign_key(const Change *change, const Constraint *con)
{
	Oid			referenced = RangeVarGetRelid(con->pktable, AccessShareLock, false);

	if (con->skip_validation && !ZDM_HAS_PARTITIONED_FK_NOT_VALID &&
		get_rel_relkind(change->relid) == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot add NOT VALID foreign key on partitioned table \"%s\" referencing relation \"%s\"",
						get_rel_name(change->relid), get_rel_name(referenced)),
				 errdetail("This feature is not yet supported on partitioned tables.")));
}

/*
 * Is the constraint one that PostgreSQL makes the table's own, where it is a
 * CHECK of that name?  One that has only been inherited, but for a partition's.
 */
static bool
may_become_own(Oid constraint, const Constraint *con)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);
	bool		inherited = form->contype == CONSTRAINT_CHECK && !form->conislocal;
	Oid			relid = form->conrelid;

	ReleaseSysCache(tuple);
	return inherited && con->contype == CONSTR_CHECK && !get_rel_relispartition(relid);
}

/* Every kind of constraint, also one that comes without work: its name must be free. */
static void
check_constraint_name(const Change *change, const Constraint *con)
{
	Oid			taken;

	if (con->conname == NULL || alter_replaces(change, con->conname))
		return;
	if (con->indexname != NULL && strcmp(con->indexname, con->conname) != 0)
		index_check_name(get_rel_namespace(change->relid), con->conname);
	taken = get_relation_constraint_oid(change->relid, con->conname, true);
	if (OidIsValid(taken) && !may_become_own(taken, con))
		(void) constraint_name(change->relid, con->conname, NULL, NULL);
}

static void
check_new_constraint(const Change *change, const Constraint *con, bool new_columns)
{
	check_constraint_name(change, con);
	if (con->contype == CONSTR_FOREIGN)
		check_foreign_key(change, con);
	if (con->indexname != NULL)
		check_key_index(change, con);
	if (new_columns)
		return;
	if (con->contype == CONSTR_CHECK)
		(void) ddl_expression(change->relid, con->raw_expr, change->ddl, EXPR_KIND_CHECK_CONSTRAINT,
							  InvalidOid, -1, NULL);
	if (con->contype != CONSTR_NOTNULL)
		check_key_columns(change, con);
	if (con->contype == CONSTR_FOREIGN)
		constraint_check_foreign_key(change->relid, con, NIL);
}

/* Identity and generated columns have their values from elsewhere. */
static void
check_default(const Change *change, const AlterTableCmd *cmd)
{
	HeapTuple	tuple = SearchSysCacheAttName(change->relid, cmd->name);
	Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);

	if (att->attidentity != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("column \"%s\" of relation \"%s\" is an identity column",
						cmd->name, get_rel_name(change->relid)),
				 cmd->def == NULL ? errhint("Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.") : 0));
	if (att->attgenerated != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("column \"%s\" of relation \"%s\" is a generated column",
						cmd->name, get_rel_name(change->relid)),
				 cmd->def == NULL ? errhint("Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.") : 0));
	ReleaseSysCache(tuple);
}

/* Identity columns and those of certain indexes must be NOT NULL. */
static void
check_drop_not_null(const Change *change, const AlterTableCmd *cmd)
{
	QuerySession session;
	bool		identity;
	bool		primary;
	bool		replica;

	query_begin(&session);
	QUERY("SELECT attidentity <> '', coalesce(bool_or(indisprimary), false), coalesce(bool_or(indisreplident), false) "
		  "FROM pg_attribute LEFT JOIN pg_index ON indrelid = attrelid AND attnum = ANY (indkey::int2[]) "
		  "AND array_position(indkey::int2[], attnum) < indnkeyatts "
		  "WHERE attrelid = $1 AND attname = $2 GROUP BY attidentity",
		  arg_oid(change->relid), arg_text(cmd->name));
	identity = query_bool(0, 1);
	primary = query_bool(0, 2);
	replica = query_bool(0, 3);
	query_end(&session);
	if (identity)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("column \"%s\" of relation \"%s\" is an identity column",
						cmd->name, get_rel_name(change->relid))));
	if (primary)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("column \"%s\" is in a primary key", cmd->name)));
	if (replica)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("column \"%s\" is in index used as replica identity", cmd->name)));
}

/* InvalidOid if it does not exist and may. */
static Oid
constraint_oid(const Change *change, const AlterTableCmd *cmd)
{
	Oid			oid = get_relation_constraint_oid(change->relid, cmd->name, true);

	if (!OidIsValid(oid) && !cmd->missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("constraint \"%s\" of relation \"%s\" does not exist",
						cmd->name, get_rel_name(change->relid))));
	return oid;
}

static void
check_not_inherited(const Change *change, const AlterTableCmd *cmd, Oid constraint)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	bool		inherited = HeapTupleIsValid(tuple) && ((Form_pg_constraint) GETSTRUCT(tuple))->coninhcount > 0;

	if (inherited)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("cannot drop inherited constraint \"%s\" of relation \"%s\"",
						cmd->name, get_rel_name(change->relid))));
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
}

/* What depends on one constraint may go with another that the statement drops. */
static void
check_drop_constraint(const Change *change, const AlterTableCmd *cmd)
{
	List	   *addresses = NIL;
	ListCell   *lc;

	check_not_inherited(change, cmd, constraint_oid(change, cmd));
	foreach(lc, castNode(AlterTableStmt, change->stmt)->cmds)
	{
		AlterTableCmd *other = lfirst_node(AlterTableCmd, lc);
		ObjectAddress *address = palloc0(sizeof(ObjectAddress));

		if (other->subtype != AT_DropConstraint)
			continue;
		*address = (ObjectAddress) {ConstraintRelationId, constraint_oid(change, other), 0};
		if (OidIsValid(address->objectId))
			addresses = lappend(addresses, address);
	}
	drop_check_dependents(addresses, cmd->behavior,
						  psprintf("constraint %s on table %s", cmd->name, get_rel_name(change->relid)));
}

void
alter_check_options(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	zdm_reloption_namespace namespaces[] = HEAP_RELOPT_NAMESPACES;
	static const char *const parts[] = {NULL, "toast"};
	static const char kinds[] = {RELKIND_RELATION, RELKIND_TOASTVALUE};

	if (get_rel_relkind(change->relid) != RELKIND_RELATION)
		return;
	for (int i = 0; i < lengthof(kinds); i++)
		(void) heap_reloptions(kinds[i],
							   transformRelOptions((Datum) 0, (List *) cmd->def, parts[i],
												   namespaces, false, false), true);
}

/* It is changed with the rights of the owner, who must be able to give it away. */
void
alter_check_owner(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	Oid			owner = get_rolespec_oid(cmd->newowner, false);
	Oid			namespace = get_rel_namespace(change->relid);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(change->relid));
	Oid			old_owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;

	ReleaseSysCache(tuple);
	if (owner == old_owner || superuser_arg(old_owner))
		return;
	check_can_set_role(old_owner, owner);
	if (object_aclcheck(NamespaceRelationId, namespace, owner, ACL_CREATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA, get_namespace_name(namespace));
}

/* What one subcommand may not do, it may after another of the statement. */
static bool
is_alone(const Change *change)
{
	return list_length(castNode(AlterTableStmt, change->stmt)->cmds) == 1;
}

void
alter_check_add_column(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	check_may_have_column(change, castNode(AlterTableStmt, change->stmt));
	if (!cmd->missing_ok)
		column_check_new_name(change->relid, castNode(ColumnDef, cmd->def)->colname);
	check_new_column(change, castNode(ColumnDef, cmd->def));
}

void
alter_check_add_constraint(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	check_new_constraint(change, castNode(Constraint, cmd->def), new_columns);
}

void
alter_check_old_column(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	if (!new_columns)
		(void) ddl_attribute(change->relid, cmd->name);
}

void
alter_check_default(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	alter_check_old_column(change, cmd, new_columns);
	if (!new_columns && is_alone(change))
		check_default(change, cmd);
}

void
alter_check_drop_not_null(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	alter_check_old_column(change, cmd, new_columns);
	if (!new_columns && is_alone(change))
		check_drop_not_null(change, cmd);
}

void
alter_check_drop_constraint(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	check_drop_constraint(change, cmd);
}

void
alter_check_validation(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	check_validation(change, cmd, constraint_oid(change, cmd));
}

void
alter_check_expression(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	if (is_alone(change))
		check_expression(change, cmd);
}

void
alter_check_trigger(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	(void) get_trigger_oid(change->relid, cmd->name, false);
}

void
alter_check_rule(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	(void) get_rewrite_oid(change->relid, cmd->name, false);
}

void
alter_check_parent(const Change *change, const AlterTableCmd *cmd, bool new_columns)
{
	(void) RangeVarGetRelid(castNode(RangeVar, cmd->def), AccessShareLock, false);
}
