/*-------------------------------------------------------------------------
 *
 * rules_constraint.c
 *		ADD CONSTRAINT, in a statement of its own or with a column; SET NOT NULL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "core/names.h"
#include "facts/facts_catalog.h"
#include "facts/facts_expr.h"
#include "facts/facts_query.h"
#include "rules/rules.h"
#include "rules/rules_work.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* What a CHECK is named for: the one column that it is on, if it is one. */
static char *
only_column(FactRelation *rel, Node *expr)
{
	char	   *only = NULL;
	ListCell   *lc;

	foreach(lc, expr != NULL ? rel->columns : NIL)
	{
		FactColumn *col = (FactColumn *) lfirst(lc);

		if (col->dropped || !facts_uses_column(expr, col->attnum))
			continue;
		if (only != NULL)
			return NULL;
		only = col->name;
	}
	return only;
}

/* A member that has the same CHECK already is not scanned: PostgreSQL merges the two. */
static bool
has_same_check(FactRelation *member, const char *name, Node *expr)
{
	FactConstraint *con = name ? facts_constraint(member, name) : NULL;

	return con != NULL && con->type == 'c' && expr != NULL && equal(con->expr, expr);
}

static void
add_check(Judgement *j, FactRelation *rel, List *tree, Constraint *con)
{
	Node	   *expr = facts_types_known(rel) ?
		facts_analyze(rel, con->raw_expr, EXPR_KIND_CHECK_CONSTRAINT) : NULL;
	char	   *name = con->conname ? con->conname : rules_constraint_name(rel, only_column(rel, expr), "check");
	bool		valid = !con->skip_validation && zdm_statement_enforced(con);
	List	   *unchecked = NIL;
	ListCell   *lc;

	if (con->is_no_inherit)
		tree = list_make1(rel);
	foreach(lc, tree)
	{
		FactRelation *member = (FactRelation *) lfirst(lc);
		FactConstraint *added;
		Node	   *mapped;

		facts_detail(j->facts, member);
		mapped = facts_map(expr, rel, member);
		if (has_same_check(member, con->conname, mapped))
			continue;
		unchecked = lappend(unchecked, member);
		added = facts_new_constraint(member, 'c', name);
		added->expr = mapped;
		added->valid = valid;
		added->enforced = zdm_statement_enforced(con);
		added->no_inherit = con->is_no_inherit;
	}
	if (valid && unchecked != NIL)
		rules_tree_work(j, WORK_SCAN, unchecked, false,
						psprintf("scan of %s to check constraint %s", facts_name(rel), quote_identifier(name)),
						psprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (...) NOT VALID; and, in another transaction, ALTER TABLE %s VALIDATE CONSTRAINT %s;",
								 facts_name(rel), quote_identifier(name),
								 facts_name(rel), quote_identifier(name)));
}

static char *
not_null_by_hand(FactRelation *rel, const char *column)
{
	char	   *table = facts_name(rel);
	const char *name = quote_identifier(psprintf("%s_not_null", column));

	return psprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID; ALTER TABLE %s VALIDATE CONSTRAINT %s; ALTER TABLE %s ALTER COLUMN %s SET NOT NULL; ALTER TABLE %s DROP CONSTRAINT %s;",
					table, name, quote_identifier(column), table, name,
					table, quote_identifier(column), table, name);
}

/* Where there are nulls, the call needs a value for them: the default, if there is one. */
static void
call_for_not_null(Judgement *j, FactRelation *rel, const char *column, bool nulls)
{
	char	   *fill = nulls ? facts_default_text(rel, column) : NULL;

	if (nulls && fill == NULL)
		fill = "<value for nulls>";
	rules_call(j, psprintf("SELECT zdm.set_not_null(%s, %s%s%s);", quote_literal_cstr(facts_name(rel)),
						   quote_literal_cstr(column), nulls ? ", " : "",
						   nulls ? quote_literal_cstr(fill) : ""));
}

/* Judge it, and say whether there are nulls. */
static bool
judge_not_null(Judgement *j, FactRelation *rel, List *tree, const char *column)
{
	List	   *unproven = NIL;
	bool		nulls = false;
	ListCell   *lc;

	foreach(lc, tree)
	{
		FactRelation *member = (FactRelation *) lfirst(lc);
		FactColumn *col;
		double		fraction;

		facts_detail(j->facts, member);
		col = facts_column(member, column);
		if (col == NULL)
			continue;
		if (!facts_proves_not_null(member, col))
			unproven = lappend(unproven, member);
		fraction = col->notnull || member->fresh ? 0 : facts_null_fraction(member, col);
		if (fraction > 0)
			rules_mended(j, RULE_WOULD_FAIL, facts_name(member), AccessExclusiveLock,
						 psprintf("Column %s of %s held nulls when it was last analyzed.",
								  quote_identifier(column), facts_name(member)),
						 psprintf("UPDATE the rows of %s where %s IS NULL first, in batches.",
								  facts_name(member), quote_identifier(column)));
		nulls |= fraction > 0 || (!col->notnull && !member->fresh && facts_holds_nulls(member, col));
		col->notnull = true;
	}
	if (unproven != NIL)
		rules_tree_work(j, WORK_SCAN, unproven, false,
						psprintf("scan of %s for nulls in %s", facts_name(rel), quote_identifier(column)),
						not_null_by_hand(rel, column));
	return nulls;
}

void
rules_not_null(Judgement *j, FactRelation *rel, List *tree, const char *column)
{
	call_for_not_null(j, rel, column, judge_not_null(j, rel, tree, column));
}

static void
add_not_null(Judgement *j, FactRelation *rel, List *tree, Constraint *con)
{
	FactConstraint *added;

	if (con->keys == NIL)
		return;
	if (!con->skip_validation)
	{
		rules_not_null(j, rel, tree, strVal(linitial(con->keys)));
		return;
	}
	added = facts_new_constraint(rel, 'n', con->conname);
	added->valid = false;
}

/* Are these attribute numbers those of the columns of these names, in this order? */
static bool
same_columns(FactRelation *rel, List *attnums, List *names)
{
	ListCell   *la;
	ListCell   *ln;

	if (list_length(attnums) != list_length(names))
		return false;
	forboth(la, attnums, ln, names)
	{
		FactColumn *col = facts_attribute(rel, lfirst_int(la));

		if (col == NULL || strcmp(col->name, strVal(lfirst(ln))) != 0)
			return false;
	}
	return true;
}

/* Does the member have an index that PostgreSQL would attach to the new constraint's? */
static bool
has_constraint_index(FactRelation *member, char type, List *columns)
{
	ListCell   *lc;

	foreach(lc, member->constraints)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);

		if (!con->dropped && con->type == type && same_columns(member, con->columns, columns))
			return true;
	}
	return false;
}

static char
index_constraint_type(const Constraint *con)
{
	return con->contype == CONSTR_PRIMARY ? 'p' : con->contype == CONSTR_UNIQUE ? 'u' : 'x';
}

static bool
is_exclusion(const Constraint *con)
{
	return con->contype == CONSTR_EXCLUSION || zdm_without_overlaps(con);
}

/* Remember the index that a constraint makes, well enough for what may follow. */
static void
remember_index(FactRelation *rel, Constraint *con, const char *name)
{
	FactIndex  *idx = palloc0(sizeof(FactIndex));
	FactConstraint *added = facts_new_constraint(rel, index_constraint_type(con), name);
	ListCell   *lc;

	added->index = pstrdup(name);
	idx->name = pstrdup(name);
	idx->am = BTREE_AM_OID;
	idx->unique = con->contype != CONSTR_EXCLUSION;
	idx->exclusion = is_exclusion(con);
	idx->primary = con->contype == CONSTR_PRIMARY;
	idx->valid = true;
	idx->immediate = !con->deferrable;
	idx->fresh = true;
	idx->nkeys = idx->ncolumns = list_length(con->keys);
	idx->columns = palloc0(sizeof(AttrNumber) * (idx->nkeys + 1));
	idx->opclasses = palloc0(sizeof(Oid) * (idx->nkeys + 1));
	idx->collations = palloc0(sizeof(Oid) * (idx->nkeys + 1));
	foreach(lc, con->keys)
	{
		FactColumn *col = facts_column(rel, strVal(lfirst(lc)));
		int			i = foreach_current_index(lc);

		if (col == NULL)
			continue;
		added->columns = lappend_int(added->columns, col->attnum);
		idx->columns[i] = col->attnum;
		idx->opclasses[i] = OidIsValid(col->type) ? GetDefaultOpClass(col->type, idx->am) : InvalidOid;
		idx->collations[i] = col->collation;
	}
	rel->indexes = lappend(rel->indexes, idx);
}

/*
 * A primary key makes its columns NOT NULL, after a scan where that is not proven.  So does
 * zdm.migrate() for it, but for nulls: they have to go first.
 */
static void
primary_key_columns(Judgement *j, FactRelation *rel, List *tree, List *names)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		if (!judge_not_null(j, rel, tree, strVal(lfirst(lc))))
			continue;
		call_for_not_null(j, rel, strVal(lfirst(lc)), true);
		j->calls_first = true;
	}
}

/* With an index that is there, the NOT NULLs are all that has to come first. */
static void
primary_key_by_index(Judgement *j, FactRelation *rel, List *tree, List *names)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		int			before = list_length(j->works);
		bool		nulls = judge_not_null(j, rel, tree, strVal(lfirst(lc)));

		if (!nulls && list_length(j->works) == before)
			continue;
		call_for_not_null(j, rel, strVal(lfirst(lc)), nulls);
		j->calls_first = j->then_passes = true;
	}
}

static void
add_using_index(Judgement *j, FactRelation *rel, List *tree, Constraint *con)
{
	FactIndex  *idx = facts_index(rel, con->indexname);
	FactConstraint *added;
	List	   *names = NIL;

	if (idx == NULL)
		return;
	added = facts_new_constraint(rel, index_constraint_type(con),
								 con->conname ? con->conname : con->indexname);
	for (int i = 0; i < idx->nkeys; i++)
	{
		FactColumn *col = facts_attribute(rel, idx->columns[i]);

		if (col == NULL)
			continue;
		added->columns = lappend_int(added->columns, col->attnum);
		names = lappend(names, makeString(col->name));
	}
	idx->name = added->index = pstrdup(added->name);
	if (con->contype == CONSTR_PRIMARY)
	{
		idx->primary = true;
		primary_key_by_index(j, rel, tree, names);
	}
}

static char *
unique_hint(const FactRelation *rel, const Constraint *con, const char *name)
{
	StringInfoData columns;
	ListCell   *lc;

	if (is_exclusion(con))
		return psprintf("%s cannot be built concurrently by hand: add it while nobody uses the table, or make a new table with it and move the rows in batches.",
						con->contype == CONSTR_EXCLUSION ? "An exclusion constraint" : "A key WITHOUT OVERLAPS");
	if (rel->kind == RELKIND_PARTITIONED_TABLE)
		return pstrdup("Build the unique index CONCURRENTLY on each partition and add the constraint there with USING INDEX first.");
	initStringInfo(&columns);
	foreach(lc, con->keys)
		appendStringInfo(&columns, "%s%s", columns.len > 0 ? ", " : "",
						 quote_identifier(strVal(lfirst(lc))));
	return psprintf("CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s); then ALTER TABLE %s ADD CONSTRAINT %s %s USING INDEX %s;",
					quote_identifier(name), facts_name(rel), columns.data,
					facts_name(rel), quote_identifier(name),
					con->contype == CONSTR_PRIMARY ? "PRIMARY KEY" : "UNIQUE",
					quote_identifier(name));
}

/* NIL when a key is not only a column: WITHOUT OVERLAPS. */
static List *
key_columns(FactRelation *rel, const Constraint *con)
{
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, con->keys)
	{
		FactColumn *col = facts_column(rel, strVal(lfirst(lc)));

		if (col == NULL)
			return NIL;
		columns = lappend(columns, col);
	}
	return zdm_without_overlaps(con) ? NIL : columns;
}

static List *
named(List *names)
{
	List	   *elements = NIL;
	ListCell   *lc;

	foreach(lc, names)
	{
		IndexElem  *elem = makeNode(IndexElem);

		elem->name = strVal(lfirst(lc));
		elements = lappend(elements, elem);
	}
	return elements;
}

/* What the index of a constraint is named for (String). */
static List *
index_columns(const Constraint *con)
{
	List	   *columns = named(con->keys);
	ListCell   *lc;

	foreach(lc, con->exclusions)
		columns = lappend(columns, linitial(lfirst_node(List, lc)));
	return names_of_elements(list_concat(columns, named(con->including)));
}

static bool
has_constraint(FactRelation *rel, char type)
{
	ListCell   *lc;

	foreach(lc, rel->constraints)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);

		if (con->type == type && !con->dropped)
			return true;
	}
	return false;
}

static bool
lacks_column(FactRelation *rel, List *names)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		if (facts_column(rel, strVal(lfirst(lc))) == NULL)
			return true;
	}
	return false;
}

static void
add_index_constraint(Judgement *j, FactRelation *rel, List *tree, Constraint *con)
{
	const char *label = con->contype == CONSTR_PRIMARY ? "pkey" :
		con->contype == CONSTR_UNIQUE ? "key" : "excl";
	char	   *columns = con->contype != CONSTR_PRIMARY ? names_joined(index_columns(con)) : NULL;
	char	   *name = con->conname ? con->conname : rules_index_name(rel, columns, label, true);
	List	   *build = NIL;
	ListCell   *lc;

	if (!rel->fresh && con->contype == CONSTR_PRIMARY && has_constraint(rel, 'p'))
	{
		rules_refused(j, rel, psprintf("%s has a primary key already.", facts_name(rel)));
		return;
	}
	if (!rel->fresh && lacks_column(rel, con->keys))
	{
		rules_refused(j, rel, psprintf("A column of the key is not there in %s.", facts_name(rel)));
		return;
	}
	foreach(lc, tree)
	{
		FactRelation *member = (FactRelation *) lfirst(lc);

		/* Only partitions get the constraint of their parent, and may have it already. */
		if (member != rel && rel->kind != RELKIND_PARTITIONED_TABLE)
			continue;
		facts_detail(j->facts, member);
		if (member != rel && has_constraint_index(member, index_constraint_type(con), con->keys))
			continue;
		build = lappend(build, member);
	}
	if (build != NIL)
		rules_tree_work(j, WORK_INDEX, build, false,
						psprintf("build of the index of %s on %s", quote_identifier(name), facts_name(rel)),
						unique_hint(rel, con, name));
	if (con->contype != CONSTR_EXCLUSION)
		rules_duplicates(j, rel, key_columns(rel, con), zdm_statement_nulls_not_distinct(con));
	if (con->contype == CONSTR_PRIMARY)
		primary_key_columns(j, rel, tree, con->keys);
	remember_index(rel, con, name);
}

/* Does the member have the same foreign key already, which PostgreSQL makes part of the new one? */
static bool
has_same_foreign_key(FactRelation *member, FactRelation *referenced, Constraint *con)
{
	ListCell   *lc;

	foreach(lc, member->constraints)
	{
		FactConstraint *own = (FactConstraint *) lfirst(lc);

		if (own->type == 'f' && !own->dropped && own->valid && own->enforced &&
			own->referenced == referenced->oid &&
			same_columns(member, own->columns, con->fk_attrs) &&
			facts_like_foreign_key(own, con))
			return true;
	}
	return false;
}

/* The tables whose rows a new foreign key is checked for, "rel" first. */
static List *
members_to_check(Judgement *j, FactRelation *rel, FactRelation *referenced, Constraint *con)
{
	List	   *members = list_make1(rel);
	ListCell   *lc;

	if (rel->kind != RELKIND_PARTITIONED_TABLE)
		return members;
	foreach(lc, facts_children(j->facts, rel))
	{
		FactRelation *child = (FactRelation *) lfirst(lc);

		facts_detail(j->facts, child);
		if (!has_same_foreign_key(child, referenced, con))
			members = list_concat(members, members_to_check(j, child, referenced, con));
	}
	return members;
}

/*
 * Has the referenced table a key on just these columns, in whatever order?  PostgreSQL does
 * not take one that is partial or on an expression.
 */
static bool
is_key(FactRelation *rel, const FactIndex *idx, List *names)
{
	if (!(idx->unique || idx->exclusion) || idx->dropped || idx->exprs != NIL || idx->predicate != NIL ||
		idx->nkeys != list_length(names))
		return false;
	for (int i = 0; i < idx->nkeys; i++)
	{
		FactColumn *col = facts_attribute(rel, idx->columns[i]);

		if (col != NULL && !list_member(names, makeString(col->name)))
			return false;
	}
	return true;
}

static bool
has_key(Facts *facts, FactRelation *referenced, Constraint *con)
{
	ListCell   *lc;

	facts_detail(facts, referenced);
	foreach(lc, referenced->indexes)
	{
		FactIndex  *idx = (FactIndex *) lfirst(lc);

		if (con->pk_attrs != NIL ? is_key(referenced, idx, con->pk_attrs) : idx->primary && !idx->dropped)
			return true;
	}
	return false;
}

static void
add_foreign_key(Judgement *j, FactRelation *rel, Constraint *con)
{
	FactRelation *referenced = facts_find(j->facts, con->pktable);
	char	   *name;
	FactConstraint *added;
	ListCell   *lc;

	if (referenced == NULL)
		return;
	name = con->conname ? con->conname : rules_constraint_name(rel, names_joined(con->fk_attrs), "fkey");
	foreach(lc, facts_tree(j->facts, referenced, true))
		rules_lock(j, (FactRelation *) lfirst(lc), ShareRowExclusiveLock);
	if (!rel->fresh && referenced != rel && !has_key(j->facts, referenced, con))
	{
		rules_refused(j, rel, psprintf("%s has no unique key on what the foreign key references.", facts_name(referenced)));
		return;
	}
	added = facts_new_constraint(rel, 'f', name);
	added->referenced = referenced->oid;
	added->valid = !con->skip_validation;
	added->enforced = zdm_statement_enforced(con);
	foreach(lc, con->fk_attrs)
	{
		FactColumn *col = facts_column(rel, strVal(lfirst(lc)));

		if (col != NULL)
			added->columns = lappend_int(added->columns, col->attnum);
	}
	if (con->skip_validation || !zdm_statement_enforced(con))
		return;
	rules_tree_work(j, WORK_SCAN, members_to_check(j, rel, referenced, con), false,
					psprintf("scan of %s to check foreign key %s", facts_name(rel), quote_identifier(name)),
					psprintf("ALTER TABLE %s ADD CONSTRAINT %s FOREIGN KEY ... REFERENCES %s NOT VALID; and, in another transaction, ALTER TABLE %s VALIDATE CONSTRAINT %s;",
							 facts_name(rel), quote_identifier(name), facts_name(referenced),
							 facts_name(rel), quote_identifier(name)));
}

void
rules_add_constraint(Judgement *j, FactRelation *rel, List *tree, Constraint *con, bool new_column)
{
	switch (con->contype)
	{
		case CONSTR_CHECK:
			add_check(j, rel, tree, con);
			break;
		case CONSTR_NOTNULL:
			add_not_null(j, rel, tree, con);
			break;
		case CONSTR_PRIMARY:
		case CONSTR_UNIQUE:
		case CONSTR_EXCLUSION:
			if (con->indexname != NULL)
				add_using_index(j, rel, tree, con);
			else
				add_index_constraint(j, rel, tree, con);
			break;
		case CONSTR_FOREIGN:
			add_foreign_key(j, rel, con);
			break;
		default:
			break;
	}
}
