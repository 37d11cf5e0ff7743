/*-------------------------------------------------------------------------
 *
 * rules_column.c
 *		ADD COLUMN, ALTER COLUMN TYPE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "core/attempt.h"
#include "facts/facts_catalog.h"
#include "facts/facts_domain.h"
#include "facts/facts_expr.h"
#include "facts/facts_query.h"
#include "rules/rules.h"
#include "rules/rules_work.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "compat.h"

/* What the constraints of a column definition say, gathered. */
typedef struct NewColumn
{
	Node	   *raw_default;
	bool		volatile_default;	/* as far as an expression tells that cannot be analyzed */
	bool		checked;		/* of a domain with constraints that the text made */
	Node	   *default_expr;	/* analyzed, with the type's own default */
	Oid			author;			/* as whom that is simplified */
	bool		notnull;
	bool		serial;
	FactRelation *sequence;		/* which a default draws from that cannot be analyzed */
	char		identity;
	char		generated;
	bool		primary;
	Oid			type;
	int32		typmod;
} NewColumn;

static bool
is_serial(TypeName *type)
{
	static const char *const names[] = {
		"smallserial", "serial2", "serial", "serial4", "bigserial", "serial8"
	};

	if (list_length(type->names) != 1 || type->pct_type)
		return false;
	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(strVal(linitial(type->names)), names[i]) == 0)
			return true;
	}
	return false;
}

static void
gather_constraints(ColumnDef *def, NewColumn *new)
{
	ListCell   *lc;

	foreach(lc, def->constraints)
	{
		Constraint *con = (Constraint *) lfirst(lc);

		switch (con->contype)
		{
			case CONSTR_NOTNULL:
				new->notnull = true;
				break;
			case CONSTR_PRIMARY:
				new->notnull = new->primary = true;
				break;
			case CONSTR_DEFAULT:
				new->raw_default = con->raw_expr;
				break;
			case CONSTR_IDENTITY:
				new->identity = con->generated_when;
				new->notnull = true;
				break;
			case CONSTR_GENERATED:
				new->generated = zdm_generated_kind(con);
				break;
			default:
				break;
		}
	}
}

typedef struct DefaultAttempt
{
	FactRelation *rel;
	NewColumn  *new;
} DefaultAttempt;

static void
analyze_default(void *arg)
{
	DefaultAttempt *attempt = (DefaultAttempt *) arg;

	attempt->new->default_expr = facts_analyze_as(attempt->rel, attempt->new->raw_default,
												  EXPR_KIND_COLUMN_DEFAULT,
												  attempt->new->type, attempt->new->typmod);
}

static bool
calls_volatile_name(Node *node, Facts *facts)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncCall))
	{
		const char *name = strVal(llast(((FuncCall *) node)->funcname));

		if (facts_name_in(facts->volatile_names, name) || facts_volatile_function(name))
			return true;
	}
	return raw_expression_tree_walker(node, calls_volatile_name, facts);
}

/*
 * In zdm.check, what cannot be analyzed may use what earlier statements would
 * have made; then names have to do.
 */
static void
read_default(Facts *facts, FactRelation *rel, NewColumn *new)
{
	DefaultAttempt attempt = {rel, new};
	ErrorData  *error;

	if (!facts->simulated)
		analyze_default(&attempt);
	else if (!attempt_run(analyze_default, &attempt, ATTEMPT_UNDO, &error))
	{
		new->volatile_default = calls_volatile_name(new->raw_default, facts);
		new->sequence = facts_drawn_sequence(facts, new->raw_default);
	}
}

static void
read_column(Facts *facts, FactRelation *rel, ColumnDef *def, NewColumn *new)
{
	Type		type;

	memset(new, 0, sizeof(*new));
	new->typmod = -1;
	new->author = rel->author;
	gather_constraints(def, new);
	if (is_serial(def->typeName))
	{
		new->serial = new->notnull = true;
		new->type = INT8OID;
		return;
	}
	type = LookupTypeName(NULL, def->typeName, &new->typmod, true);
	if (type == NULL)
	{
		new->checked = facts_name_in(facts->checked_domains, strVal(llast(def->typeName->names)));
		new->volatile_default = new->raw_default != NULL && calls_volatile_name(new->raw_default, facts);
		return;
	}
	new->type = typeTypeId(type);
	ReleaseSysCache(type);
	if (new->raw_default != NULL && facts_types_known(rel))
		read_default(facts, rel, new);
	else if (new->identity == '\0' && new->generated == '\0')
	{
		/* the type's own default is its owner's */
		new->default_expr = get_typdefault(new->type);
		new->author = facts_type_owner(new->type);
	}
}

static bool
is_checked_domain(const NewColumn *new)
{
	return new->checked || (OidIsValid(new->type) && facts_domain_checked(new->type));
}

/* Why every row has to be rewritten; NULL if not. */
static const char *
rewrite_reason(const NewColumn *new)
{
	if (new->serial || new->identity != '\0')
		return "each row gets a number of its own";
	if (new->generated == ATTRIBUTE_GENERATED_STORED)
		return "each row gets the computed value";
	if (new->generated != '\0')
		return NULL;
	if (is_checked_domain(new))
		return "each row is checked against the domain's constraints";
	if (new->volatile_default ||
		(new->default_expr != NULL && facts_is_volatile(new->author, new->default_expr)))
		return "the default is volatile, so each row gets a value of its own";
	return NULL;
}

/* The type as it is to stand in a hint; one that the text itself makes has no more than its name. */
static char *
type_as_stated(const ColumnDef *def, Oid type, int32 typmod)
{
	char	   *name = OidIsValid(type) ? format_type_with_typemod(type, typmod) : TypeNameToString(def->typeName);

	return def->collClause == NULL ? name :
		psprintf("%s COLLATE %s", name, NameListToQuotedString(def->collClause->collname));
}

/* What a domain is over, with its collation where that is another's. */
static char *
base_type(const ColumnDef *def, const NewColumn *new)
{
	int32		typmod = new->typmod;
	Oid			base = getBaseTypeAndTypmod(new->type, &typmod);
	Oid			collation = get_typcollation(new->type);

	if (def->collClause != NULL || collation == get_typcollation(base))
		return type_as_stated(def, base, typmod);
	return psprintf("%s COLLATE %s", format_type_with_typemod(base, typmod), generate_collation_name(collation));
}

/* " DEFAULT ...", as it reads for the base type; a column that may not be null needs one. */
static char *
base_default(const NewColumn *new, bool notnull)
{
	Node	   *expr = new->default_expr;

	if (expr != NULL && IsA(expr, CoerceToDomain))
		expr = (Node *) ((CoerceToDomain *) expr)->arg;
	if (expr != NULL && !facts_is_null(new->author, expr))
		return psprintf(" DEFAULT %s", deparse_expression(expr, NIL, false, false));
	return pstrdup(notnull || new->raw_default != NULL ? " DEFAULT ..." : "");
}

/* By the domain's base type and what the domain demands, in statements that each pass. */
static char *
without_domain(FactRelation *rel, const ColumnDef *def, const NewColumn *new)
{
	bool		notnull = new->notnull || facts_type_is_not_null(new->type);
	char	   *add = psprintf("ALTER TABLE %s ADD COLUMN %s %s%s%s", facts_name(rel), quote_identifier(def->colname),
							   base_type(def, new), base_default(new, notnull), notnull ? " NOT NULL" : "");
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	if (new->default_expr != NULL && facts_is_volatile(new->author, new->default_expr))
		appendStringInfo(&buf, "SELECT zdm.migrate(%s);", quote_literal_cstr(add));
	else
		appendStringInfo(&buf, "%s;", add);
	foreach(lc, facts_domain_conditions(new->type, def->colname))
	{
		int			number = foreach_current_index(lc);
		const char *name = quote_identifier(rules_constraint_name(rel, def->colname,
																  number == 0 ? "check" : psprintf("check%d", number)));

		appendStringInfo(&buf, "\nALTER TABLE %s ADD CONSTRAINT %s CHECK (%s) NOT VALID;\nALTER TABLE %s VALIDATE CONSTRAINT %s;",
						 facts_name(rel), name, (char *) lfirst(lc), facts_name(rel), name);
	}
	appendStringInfo(&buf, "\n-- one after the other, each in a transaction of its own; the column is then of the type that domain %s is over",
					 format_type_be(new->type));
	return buf.data;
}

/* A default cannot read columns: what is computed from them is kept by a trigger. */
static char *
in_steps(FactRelation *rel, ColumnDef *def, const NewColumn *new)
{
	char	   *add;

	if (is_checked_domain(new) && OidIsValid(new->type))
		return without_domain(rel, def, new);
	if (is_checked_domain(new))
		return pstrdup("Give the column the domain's base type, and the table the domain's rules as constraints: ADD CONSTRAINT ... CHECK (...) NOT VALID, then VALIDATE CONSTRAINT.");
	add = psprintf("ALTER TABLE %s ADD COLUMN %s %s;", facts_name(rel), quote_identifier(def->colname),
				   type_as_stated(def, new->type, new->typmod));
	if (new->generated == ATTRIBUTE_GENERATED_STORED)
		return psprintf("%s keep it by a trigger, and fill the rows that are there with zdm.backfill().", add);
	return psprintf("%s then ALTER COLUMN %s SET DEFAULT ..., and fill the rows that are there in batches.",
					add, quote_identifier(def->colname));
}

static bool
gives_value(const NewColumn *new)
{
	/* A default that could not be analyzed is taken to give one. */
	if (new->raw_default != NULL && new->default_expr == NULL)
		return true;
	return new->serial || new->identity != '\0' || new->generated != '\0' ||
		(new->default_expr != NULL && !facts_is_null(new->author, new->default_expr));
}

static FactColumn *
remember_column(Judgement *j, FactRelation *rel, const char *name, const NewColumn *new)
{
	FactColumn *col = facts_new_column(rel, name);

	col->type = new->type;
	col->typmod = new->typmod;
	col->collation = OidIsValid(new->type) ? get_typcollation(new->type) : InvalidOid;
	col->notnull = new->notnull;
	col->has_default = new->default_expr != NULL || new->raw_default != NULL;
	if (new->default_expr != NULL)
		facts_note_default(col, new->default_expr);
	else if (new->sequence != NULL)
		facts_note_sequence(col, new->sequence);
	col->serial |= new->serial;
	col->identity = new->identity;
	col->generated = new->generated;
	col->fresh = true;
	return col;
}

static void
remember_sequence(Judgement *j, FactRelation *rel, FactColumn *col)
{
	RangeVar   *rv = makeRangeVar(rel->schema, makeObjectName(rel->name, col->name, "seq"), -1);
	FactRelation *seq;

	rv->relpersistence = rel->persistence;
	seq = facts_add(j->facts, rv, RELKIND_SEQUENCE);
	seq->owner = rel->owner;
	seq->of_serial = true;
	facts_note_sequence(col, seq);
}

/* What stands behind a column's constraint is only read into it when the statement runs. */
static void
read_enforcement(Constraint *con, const List *all, ListCell *after)
{
	bool		enforced;

	for (ListCell *lc = after; lc != NULL && ((Constraint *) lfirst(lc))->contype >= CONSTR_ATTR_DEFERRABLE; lc = lnext(all, lc))
	{
		if (zdm_is_enforcement((Constraint *) lfirst(lc), &enforced))
			zdm_set_enforced(con, enforced);
	}
}

/* The constraints that a column definition carries along. */
static void
add_column_constraints(Judgement *j, FactRelation *rel, List *tree, ColumnDef *def,
					   const NewColumn *new)
{
	ListCell   *lc;

	foreach(lc, def->constraints)
	{
		Constraint *con = copyObject((Constraint *) lfirst(lc));

		read_enforcement(con, def->constraints, lnext(def->constraints, lc));
		switch (con->contype)
		{
			case CONSTR_PRIMARY:
			case CONSTR_UNIQUE:
				con->keys = list_make1(makeString(def->colname));
				rules_add_constraint(j, rel, tree, con, true);
				break;
			case CONSTR_CHECK:
				rules_add_constraint(j, rel, tree, con, true);
				break;
			case CONSTR_FOREIGN:
				/* PostgreSQL skips the check when the new column is null in every row. */
				con->fk_attrs = list_make1(makeString(def->colname));
				con->skip_validation |= new->raw_default == NULL && !new->serial;
				rules_add_constraint(j, rel, tree, con, true);
				break;
			default:
				break;
		}
	}
}

/* A child that has the column already is left as it is: the two are merged. */
static List *
without_column(Facts *facts, List *tree, const char *name)
{
	List	   *receiving = NIL;
	ListCell   *lc;

	foreach(lc, tree)
	{
		FactRelation *member = (FactRelation *) lfirst(lc);

		facts_detail(facts, member);
		if (facts_column(member, name) == NULL)
			receiving = lappend(receiving, member);
	}
	return receiving;
}

void
rules_virtual_checks(Judgement *j, List *tree, const char *column, bool notnull)
{
	FactRelation *rel = (FactRelation *) linitial(tree);
	FactColumn *col = facts_column(rel, column);
	bool		checked = false;
	ListCell   *lc;

	foreach(lc, col != NULL ? rel->constraints : NIL)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);

		checked |= con->type == 'c' && !con->dropped && con->valid && con->enforced && con->expr != NULL &&
			facts_uses_column(con->expr, col->attnum);
	}
	if (!notnull && !checked)
		return;
	rules_tree_work(j, WORK_SCAN, tree, false,
					psprintf("scan of %s to check what virtual column %s gives",
							 facts_name(rel), quote_identifier(column)),
					psprintf("Leave %s nullable and without a CHECK at first; then add a CHECK NOT VALID, VALIDATE it, and SET NOT NULL.",
							 quote_identifier(column)));
}

void
rules_add_column(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	ColumnDef  *def = (ColumnDef *) cmd->def;
	NewColumn	new;
	const char *reason;
	ListCell   *lc;

	if (facts_column(rel, def->colname) != NULL)
		return;
	read_column(j->facts, rel, def, &new);
	tree = without_column(j->facts, tree, def->colname);
	reason = rewrite_reason(&new);
	if (reason != NULL)
		rules_tree_work(j, WORK_REWRITE, tree, true,
						psprintf("rewrite of %s: %s", facts_name(rel), reason),
						in_steps(rel, def, &new));
	else if (new.notnull && !gives_value(&new) && rules_has_rows(j, tree) && !rel->fresh)
		rules_find(j, RULE_WOULD_FAIL, facts_name(rel), AccessExclusiveLock,
				   psprintf("Column %s would be null in the rows that %s has.",
							quote_identifier(def->colname), facts_name(rel)),
				   psprintf("ALTER TABLE %s ADD COLUMN %s %s NOT NULL DEFAULT ...;",
							facts_name(rel), quote_identifier(def->colname),
							type_as_stated(def, new.type, new.typmod)));
	foreach(lc, tree)
	{
		FactRelation *member = (FactRelation *) lfirst(lc);
		FactColumn *col = remember_column(j, member, def->colname, &new);

		facts_note_column(j->facts, member, def->colname);
		if (new.serial && member == rel)
			remember_sequence(j, rel, col);
	}
	add_column_constraints(j, rel, tree, def, &new);
	if (new.generated != '\0' && new.generated != ATTRIBUTE_GENERATED_STORED && tree != NIL)
		rules_virtual_checks(j, tree, def->colname, new.notnull);
	if (!rel->fresh)
		rules_caution(j, RULE_PREPARED, facts_name(rel),
					  psprintf("A prepared SELECT * on %s that is held fails with \"cached plan must not change result type\" until it is prepared again.",
							   facts_name(rel)),
					  pstrdup("Name the columns, or prepare again after the change."));
}

/* The operator class that the index would be made again with for another type. */
static Oid
next_opclass(const FactIndex *idx, int i, Oid old_type, Oid new_type)
{
	if (idx->opclasses[i] == GetDefaultOpClass(old_type, idx->am))
		return GetDefaultOpClass(new_type, idx->am);
	return idx->opclasses[i];
}

/*
 * Would the index, made again after the change of type, have the same content, and be
 * given the file that there is?  A partitioned one is made anew with all its parts.
 */
static bool
index_survives(const FactIndex *idx, const FactColumn *col, Oid type, Oid collation)
{
	if (idx->exprs != NIL || idx->predicate != NIL || idx->partitioned)
		return false;
	for (int i = 0; i < idx->nkeys; i++)
	{
		Oid			opclass;

		if (idx->columns[i] != col->attnum)
			continue;
		opclass = next_opclass(idx, i, col->type, type);
		if (opclass != idx->opclasses[i])
			return false;
		if (IsPolymorphicType(get_opclass_input_type(opclass)) && type != col->type)
			return false;
		if (idx->collations[i] == col->collation && collation != col->collation)
			return false;
	}
	return true;
}

static bool
index_uses(const FactIndex *idx, AttrNumber attnum)
{
	for (int i = 0; i < idx->ncolumns; i++)
	{
		if (idx->columns[i] == attnum)
			return true;
	}
	return (idx->exprs != NIL && facts_uses_column((Node *) idx->exprs, attnum)) ||
		(idx->predicate != NIL && facts_uses_column((Node *) idx->predicate, attnum));
}

/* Indexes and CHECKs of one member that have to be gone through again; "by_hand" is the way without. */
static void
type_change_work(Judgement *j, FactRelation *rel, FactColumn *col, Oid type, Oid collation, char *by_hand)
{
	ListCell   *lc;

	foreach(lc, rel->indexes)
	{
		FactIndex  *idx = (FactIndex *) lfirst(lc);

		if (idx->dropped || !index_uses(idx, col->attnum) ||
			index_survives(idx, col, type, collation))
			continue;
		rules_work(j, WORK_INDEX, rel, rel->heap_blocks,
				   psprintf("rebuild of index %s", quote_identifier(idx->name)),
				   idx->partitioned ? by_hand :
				   psprintf("DROP INDEX CONCURRENTLY %s; change the type, then CREATE INDEX CONCURRENTLY.",
							quote_qualified_identifier(rel->schema, idx->name)));
	}
	foreach(lc, rel->constraints)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);

		if (con->dropped || con->type != 'c' || !con->valid || !con->enforced ||
			con->expr == NULL || !facts_uses_column(con->expr, col->attnum))
			continue;
		rules_work(j, WORK_SCAN, rel, rel->heap_blocks,
				   psprintf("scan of %s to check constraint %s again",
							facts_name(rel), quote_identifier(con->name)),
				   psprintf("Drop constraint %s, change the type, then add it NOT VALID and VALIDATE it.",
							quote_identifier(con->name)));
	}
}

/* A foreign key is checked again after a rewrite, or when the change brings in another equality. */
static void
foreign_key_work(Judgement *j, FactRelation *referencing, FactConstraint *con,
				 Oid old_type, Oid new_type, bool rewrite)
{
	Oid			before = GetDefaultOpClass(old_type, BTREE_AM_OID);
	Oid			after = GetDefaultOpClass(new_type, BTREE_AM_OID);

	if (con->dropped || !con->valid || !con->enforced)
		return;
	rules_lock(j, referencing, AccessExclusiveLock);
	if (!rewrite && before == after && (!IsPolymorphicType(get_opclass_input_type(after)) || old_type == new_type))
		return;
	rules_tree_work(j, WORK_SCAN, facts_tree(j->facts, referencing, true), false,
					psprintf("scan of %s to check foreign key %s again",
							 facts_name(referencing), quote_identifier(con->name)),
					psprintf("Drop foreign key %s first, then add it NOT VALID and VALIDATE it.",
							 quote_identifier(con->name)));
}

static void
foreign_keys_work(Judgement *j, FactRelation *rel, FactColumn *col, Oid new_type, bool rewrite)
{
	ListCell   *lc;

	foreach(lc, rel->constraints)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);
		FactRelation *other;

		if (con->type != 'f' || con->dropped || !list_member_int(con->columns, col->attnum))
			continue;
		foreign_key_work(j, rel, con, col->type, new_type, rewrite);
		other = facts_by_oid(j->facts, con->referenced);
		if (other != NULL)
			rules_lock(j, other, AccessExclusiveLock);
	}
	foreach(lc, facts_foreign_keys_to(j->facts, rel))
	{
		FactForeignKey *fk = (FactForeignKey *) lfirst(lc);

		if (list_member_int(fk->keys, col->attnum))
			foreign_key_work(j, fk->rel, fk->con, col->type, new_type, rewrite);
	}
}

static char *
type_change_call(FactRelation *rel, FactColumn *col, Oid type, int32 typmod)
{
	return psprintf("SELECT zdm.change_column_type(%s, %s, %s);",
					quote_literal_cstr(facts_name(rel)), quote_literal_cstr(col->name),
					quote_literal_cstr(format_type_with_typemod(type, typmod)));
}

/* The same is due for the columns that reference this one. */
static void
call_for_references(Judgement *j, FactRelation *rel, FactColumn *col, Oid type, int32 typmod)
{
	ListCell   *lc;

	foreach(lc, facts_foreign_keys_to(j->facts, rel))
	{
		FactForeignKey *fk = (FactForeignKey *) lfirst(lc);
		ListCell   *lk;
		ListCell   *lr;

		if (fk->con->dropped)
			continue;
		forboth(lk, fk->keys, lr, fk->con->columns)
		{
			FactColumn *theirs = facts_attribute(fk->rel, lfirst_int(lr));

			if (lfirst_int(lk) == col->attnum && theirs != NULL && theirs->type == col->type &&
				fk->rel != rel)
				j->more_calls = list_append_unique(j->more_calls,
												   makeString(type_change_call(fk->rel, theirs, type, typmod)));
		}
	}
}

static char *
type_change_by_hand(FactRelation *rel, FactColumn *col, const char *type)
{
	return psprintf("ALTER TABLE %s ADD COLUMN %s %s; keep it in step by a trigger, fill it in batches, then swap the names.",
					facts_name(rel), quote_identifier(psprintf("%s_new", col->name)), type);
}

static void
type_cautions(Judgement *j, FactRelation *rel, FactColumn *col)
{
	if (rel->fresh || col->fresh)
		return;
	rules_caution(j, RULE_PREPARED, facts_name(rel),
				  psprintf("Prepared statements that return %s.%s fail once with \"cached plan must not change result type\".",
						   facts_name(rel), quote_identifier(col->name)),
				  pstrdup("Prepare them again after the change."));
	rules_caution(j, RULE_STATISTICS, facts_name(rel),
				  psprintf("The planner's statistics of %s.%s are thrown away.",
						   facts_name(rel), quote_identifier(col->name)),
				  psprintf("ANALYZE %s (%s); at once after the change.",
						   facts_name(rel), quote_identifier(col->name)));
}

static bool
is_of_this_transaction(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	bool		ours;

	if (!HeapTupleIsValid(tuple))
		return false;
	ours = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	ReleaseSysCache(tuple);
	return ours;
}

void
rules_column_type(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	ColumnDef  *def = (ColumnDef *) cmd->def;
	FactColumn *col = facts_column(rel, cmd->name);
	Oid			type;
	int32		typmod;
	Oid			collation;
	Node	   *using;
	Node	   *expr;
	bool		rewrite;
	char	   *by_hand;
	ListCell   *lc;

	if (col == NULL)
		return;
	typenameTypeIdAndMod(NULL, def->typeName, &type, &typmod);
	collation = def->collClause ? get_collation_oid(def->collClause->collname, false) :
		get_typcollation(type);
	if (!facts_types_known(rel))
	{
		col->type = type;
		col->typmod = typmod;
		col->collation = collation;
		return;
	}
	using = def->raw_default;
	if (using == NULL)
	{
		ColumnRef  *ref = makeNode(ColumnRef);

		ref->fields = list_make1(makeString(pstrdup(cmd->name)));
		ref->location = -1;
		using = (Node *) ref;
	}
	expr = facts_analyze_as(rel, using, EXPR_KIND_ALTER_COL_TRANSFORM, type, typmod);
	if (expr == NULL)
		return;
	/* A virtual column is stored nowhere. */
	rewrite = (col->generated == '\0' || col->generated == ATTRIBUTE_GENERATED_STORED) &&
		facts_needs_rewrite(rel->author, expr, col->attnum);
	by_hand = type_change_by_hand(rel, col, type_as_stated(def, type, typmod));
	if (rewrite)
		rules_tree_work(j, WORK_REWRITE, tree, true,
						psprintf("rewrite of %s to change %s from %s to %s", facts_name(rel),
								 quote_identifier(col->name),
								 format_type_with_typemod(col->type, col->typmod),
								 format_type_with_typemod(type, typmod)),
						by_hand);
	if (is_of_this_transaction(type))
		/* A refusal takes the type away again: no call could name it. */
		j->no_call = true;
	else if (def->raw_default == NULL)
	{
		/* With USING, the statement says how values are converted: it is handed on whole. */
		rules_call(j, type_change_call(rel, col, type, typmod));
		call_for_references(j, rel, col, type, typmod);
	}
	type_cautions(j, rel, col);
	foreach(lc, tree)
	{
		FactRelation *member = (FactRelation *) lfirst(lc);
		FactColumn *theirs;

		facts_detail(j->facts, member);
		theirs = facts_column(member, cmd->name);
		if (theirs == NULL)
			continue;
		if (!rewrite)
			type_change_work(j, member, theirs, type, collation, by_hand);
		foreign_keys_work(j, member, theirs, type, rewrite);
		theirs->type = type;
		theirs->typmod = typmod;
		theirs->collation = collation;
	}
}
