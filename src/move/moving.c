/*-------------------------------------------------------------------------
 *
 * moving.c
 *		What hangs on a table moves to the one that takes its name.
 *
 * Two tables exchange their names, and what applications know by the name is to be
 * about the other one from then on.  Nothing is kept from the day of the call: all is
 * read when the exchange is made, under its locks, while the names still mean what they
 * did; so what came, changed or went since is moved as it is, or stops the exchange by
 * name.  The way back is the same with the tables the other way round.
 *
 * What hangs on the table itself (triggers, rules, policies, foreign keys, ...) goes
 * before the names are exchanged and comes after it: on the table that applications do
 * not know, nothing of it may fire, and no privilege is left.  What only refers to the
 * table keeps itself and all that hangs on it in turn: a view gets its query anew, from
 * the text that it had, and is otherwise not touched, nor is a materialized view filled
 * again; so what is built over them need not be looked at, however deep it goes.  Only
 * views that show a column which gets another type are made anew (retyped_views.c).
 *
 * Each act has the role that it is done as: the owner of what is changed, for what
 * analyzes a user's text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/acl_hold.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/extension.h"
#include "core/identity.h"
#include "core/names.h"
#include "move/act.h"
#include "move/refuse.h"
#include "move/retyped_views.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

/*
 * In this order: owner and identity before what is made for them; foreign keys when the
 * indexes have their names; privileges late, as an owner may have none left; and last
 * it is looked whether the texts still mean what they did.
 */
static const MovePart *const parts[] = {
	&move_names,
	&move_sequences,
	&move_settings,
	&move_foreign_keys,
	&move_triggers,
	&move_policies,
	&move_statistics,
	&move_publications,
	&move_retyped_views,
	&move_others,
	&move_remarks,
	&move_privileges,
	&move_calls,
};

static MovePair *
make_pair(Oid from, Oid to)
{
	MovePair   *pair = palloc0(sizeof(MovePair));

	pair->from = from;
	pair->to = to;
	pair->owner = identity_of(from);
	pair->name = names_of_relation(from, false);
	pair->partitioned = get_rel_relkind(to) == RELKIND_PARTITIONED_TABLE;
	return pair;
}

static Moving *
begin(const Move *move)
{
	Moving	   *moving = palloc0(sizeof(Moving));
	ListCell   *lc;
	ListCell   *other;

	moving->move = move;
	moving->schemas = QUERY_ONCE_TEXT("SELECT jsonb_object_agg(oid, nspname)::text FROM pg_namespace WHERE nspname !~ '^pg_'");
	moving->pairs = list_make1(make_pair(move->from, move->to));
	forboth(lc, move->leaves_from, other, move->leaves_to)
		moving->pairs = lappend(moving->pairs, make_pair(lfirst_oid(lc), lfirst_oid(other)));
	foreach(lc, moving->pairs)
		moving->tables = lappend_oid(moving->tables, ((MovePair *) lfirst(lc))->from);
	if (move->converted != NULL)
		moving->retyped = retyped_views_find(moving->tables, move->converted);
	return moving;
}

/*
 * With the two locked, nothing more can come to refer to them; what came before that,
 * since the others were listed, is not to be waited for with all these locks in hand.
 */
static void
check_locks(const Move *move)
{
	ListCell   *lc;

	foreach(lc, move_relations(move->from, move->to, move->converted != NULL))
	{
		if (!CheckRelationOidLockedByMe(lfirst_oid(lc), AccessExclusiveLock, false))
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("%s has come to refer to %s just now", names_relation(lfirst_oid(lc)), names_relation(move->from)),
					 errhint("It is locked with the others next time.")));
	}
}

List *
move_acts(const Move *move)
{
	Moving	   *moving = begin(move);
	List	   *acts;
	ListCell   *lc;

	check_locks(move);
	refuse_late(move, moving->tables, ((MovePair *) linitial(moving->pairs))->partitioned);
	foreach(lc, list_concat_copy(moving->tables, moving->retyped))
		acl_hold(lfirst_oid(lc), 0);
	for (int i = 0; i < lengthof(parts); i++)
	{
		foreach(lc, parts[i]->pair != NULL ? moving->pairs : NIL)
			parts[i]->pair(moving, lfirst(lc));
		if (parts[i]->all != NULL)
			parts[i]->all(moving);
	}
	if (move->middle != NULL)
		act_add(&moving->leave, &(MoveAct) {.sql = move->middle, .role = identity_of(move->from)});
	foreach(lc, moving->others)
	{
		MoveAct    *act = lfirst(lc);

		/* without a role it is nothing that somebody has written */
		act->reads = OidIsValid(act->role);
	}
	acts = list_concat(list_concat(list_concat(moving->leave, moving->names),
								   list_concat(moving->enter, moving->others)), moving->last);
	foreach(lc, acts)
	{
		MoveAct    *act = lfirst(lc);

		if (act->role == extension_owner())
			act->schemas = moving->schemas;
	}
	return acts;
}

List *
move_gifts(Oid from, Oid to, List *indexes, List *likes)
{
	static const MovePart *const given[] = {
		&move_settings, &move_policies, &move_remarks, &move_privileges,
	};
	Move		move = {.from = from, .to = to, .indexes = indexes, .likes = likes, .copies = true};
	Moving		moving = {.move = &move};
	MovePair   *pair = make_pair(from, to);

	pair->name = names_of_relation(to, false);
	moving.pairs = list_make1(pair);
	moving.tables = list_make1_oid(from);
	acl_hold(from, 0);
	for (int i = 0; i < lengthof(given); i++)
	{
		if (given[i]->pair != NULL)
			given[i]->pair(&moving, pair);
		if (given[i]->all != NULL)
			given[i]->all(&moving);
	}
	return list_concat(moving.enter, moving.last);
}

List *
move_gifts_calls(int64 migration, Oid from, List *to)
{
	Move		move = {.migration = migration, .from = from, .copies = true};
	Moving		moving = {.move = &move, .tables = list_make1_oid(from)};
	ListCell   *lc;

	foreach(lc, to)
		moving.pairs = lappend(moving.pairs, make_pair(from, lfirst_oid(lc)));
	move_calls.all(&moving);
	return moving.last;
}

/*
 * The partitions of the tables ($1); who refers to one of all these, or is referred to by it, with his partitions.
 * $2: views over views, too.
 */
#define RELATIONS_SQL \
	"WITH RECURSIVE own(oid) AS (SELECT unnest($1) UNION SELECT i.inhrelid FROM pg_inherits i JOIN own o ON o.oid = i.inhparent), " \
	"near(oid) AS (SELECT oid FROM own " \
	"  UNION SELECT c.oid FROM pg_depend d JOIN pg_class c ON c.oid = d.objid JOIN own o ON o.oid = d.refobjid " \
	"  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND c.relkind = 'S' " \
	"  UNION SELECT unnest(ARRAY[c.conrelid, c.confrelid]) FROM pg_constraint c JOIN own o ON o.oid IN (c.conrelid, c.confrelid) WHERE c.contype = 'f' " \
	"  UNION SELECT r.ev_class FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN own o ON o.oid = d.refobjid " \
	"  WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass " \
	"  UNION SELECT p.polrelid FROM pg_depend d JOIN pg_policy p ON p.oid = d.objid JOIN own o ON o.oid = d.refobjid " \
	"  WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_class'::regclass " \
	"  UNION SELECT t.tgrelid FROM pg_trigger t JOIN own o ON o.oid = t.tgconstrrelid), " \
	"above(oid) AS (SELECT c.oid FROM near n JOIN pg_class c ON c.oid = n.oid AND c.relkind = 'v' WHERE $2 " \
	"  UNION SELECT r.ev_class FROM above v JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid AND d.classid = 'pg_rewrite'::regclass " \
	"  JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v'), " \
	"tree(oid) AS (SELECT oid FROM near UNION SELECT oid FROM above UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent) " \
	"SELECT array_agg(t.oid ORDER BY t.oid) FROM tree t JOIN pg_class c ON c.oid = t.oid WHERE NOT t.oid = ANY ($1)"

List *
move_relations(Oid from, Oid to, bool views_over)
{
	QuerySession session;
	List	   *relations;

	query_begin(&session);
	QUERY(RELATIONS_SQL, arg_oids(list_make2_oid(from, to)), arg_bool(views_over));
	relations = query_oids(0, 1);
	query_end(&session);
	return relations;
}
