/*-------------------------------------------------------------------------
 *
 * remarks.c
 *		Comments and security labels.
 *
 * They are moved as rows of the catalog: a provider of labels need not be loaded, as
 * nothing is labelled that was not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/seclabel.h"
#include "core/names.h"
#include "move/act.h"
#include "utils/lsyscache.h"
#include "verbs/sql.h"

static void
run_comment(const MoveAct *act)
{
	if (act->type != 'c')
		CreateComments(act->object, act->class, act->sub, NULL);
	CreateComments(act->other, act->class, act->other_sub, act->text);
}

static void
run_label(const MoveAct *act)
{
	ObjectAddress object;

	ObjectAddressSubSet(object, act->class, act->object, act->sub);
	if (act->type != 'c')
		SetSecurityLabel(&object, linitial(act->list), NULL);
	ObjectAddressSubSet(object, act->class, act->other, act->other_sub);
	SetSecurityLabel(&object, linitial(act->list), act->text);
}

/* What COMMENT ON and SECURITY LABEL ON call it. */
static char *
object_text(const MovePair *pair, Oid class, Oid object, int sub)
{
	if (class == TypeRelationId)
		return psprintf("TYPE %s", pair->name);
	return sub == 0 ? psprintf("TABLE %s", pair->name) :
		psprintf("COLUMN %s.%s", pair->name, names_of_attribute(object, (AttrNumber) sub, false));
}

static void
add_remarks(Moving *moving, const MovePair *pair, Oid class, Oid from, Oid to)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT objsubid, NULL, description FROM pg_description WHERE classoid = $1 AND objoid = $2 "
			  "UNION ALL SELECT objsubid, provider, label FROM pg_seclabel WHERE classoid = $1 AND objoid = $2 ORDER BY 1, 2 NULLS FIRST",
			  arg_oid(class), arg_oid(from));
	for (uint64 row = 0; row < n; row++)
	{
		int			sub = query_int4(row, 1);
		char	   *provider = query_text(row, 2);
		char	   *text = query_text(row, 3);
		char	   *on = object_text(pair, class, from, sub);

		if (sub != 0 && act_column_goes(moving, from, (AttrNumber) sub, to))
			continue;
		act_add(&moving->enter, &(MoveAct) {
			.sql = provider == NULL ? psprintf("COMMENT ON %s IS %s", on, sql_literal(text)) :
			psprintf("SECURITY LABEL FOR %s ON %s IS %s", sql_name(provider), on, sql_literal(text)),
			.run = provider == NULL ? run_comment : run_label,
			.type = moving->move->copies ? 'c' : '\0', .class = class, .object = from, .sub = sub, .other = to,
			.other_sub = sub == 0 ? 0 : act_column(from, (AttrNumber) sub, to), .text = text,
			.list = provider == NULL ? NIL : list_make1(provider),
		});
	}
	query_end(&session);
}

/* A constraint, or an index, in whose place another one of that name is. */
static void
add_comment(Moving *moving, const char *on, Oid class, Oid from, Oid to)
{
	char	   *text = GetComment(from, class, 0);

	if (text != NULL && OidIsValid(to))
		act_add(&moving->enter, &(MoveAct) {
			.sql = psprintf("COMMENT ON %s IS %s", on, sql_literal(text)),
			.run = run_comment, .type = moving->move->copies ? 'c' : '\0', .class = class, .object = from, .other = to, .text = text,
		});
}

static void
add_constraints(Moving *moving, const MovePair *pair)
{
	QuerySession session;
	uint64		n;

	/* those of indexes have their names only later, and foreign keys are made only later */
	query_begin(&session);
	n = QUERY("SELECT c.oid, d.oid, quote_ident(c.conname) FROM pg_constraint c JOIN pg_constraint d "
			  "ON CASE WHEN c.contype = 'n' THEN (SELECT attname FROM pg_attribute WHERE attrelid = c.conrelid AND attnum = c.conkey[1]) = "
			  "  (SELECT attname FROM pg_attribute WHERE attrelid = d.conrelid AND attnum = d.conkey[1]) ELSE d.conname = c.conname END "
			  "WHERE c.conrelid = $1 AND d.conrelid = $2 AND c.contype = d.contype AND c.contype NOT IN ('f', 'p', 'u', 'x', 't') ORDER BY c.oid",
			  arg_oid(pair->from), arg_oid(pair->to));
	for (uint64 row = 0; row < n; row++)
		add_comment(moving, psprintf("CONSTRAINT %s ON %s", query_text(row, 3), pair->name), ConstraintRelationId,
					query_oid(row, 1), query_oid(row, 2));
	query_end(&session);
}

static void
add_pair(Moving *moving, const MovePair *pair)
{
	add_remarks(moving, pair, RelationRelationId, pair->from, pair->to);
	add_remarks(moving, pair, TypeRelationId, get_rel_type_id(pair->from), get_rel_type_id(pair->to));
	add_constraints(moving, pair);
}

static void
add_all(Moving *moving)
{
	ListCell   *lc;
	ListCell   *like;

	forboth(lc, moving->move->indexes, like, moving->move->likes)
	{
		Oid			constraint = get_index_constraint(lfirst_oid(lc));
		char	   *name = act_index_name(moving, lfirst_oid(lc), lfirst_oid(like));

		add_comment(moving, psprintf("INDEX %s", name), RelationRelationId, lfirst_oid(lc), lfirst_oid(like));
		if (OidIsValid(constraint))
			add_comment(moving, psprintf("CONSTRAINT %s ON %s", sql_name(get_rel_name(lfirst_oid(lc))),
										 names_of_relation(IndexGetRelation(lfirst_oid(lc), false), false)),
						ConstraintRelationId, constraint, get_index_constraint(lfirst_oid(like)));
	}
}

const MovePart move_remarks = {.pair = add_pair, .all = add_all};
