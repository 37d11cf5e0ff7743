/*-------------------------------------------------------------------------
 *
 * foreign_keys.c
 *		Foreign keys from and to a table.
 *
 * The table that applications do not know has none, in neither direction: all of them
 * are dropped from the one and made on the other in the exchange itself.  A second one
 * beside the first would be wrong, and dear:
 *
 * - What a statement does to the table is carried over by a trigger at its end, and the
 *	 checks of foreign keys are made there too, in the order in which their rows were
 *	 written.  WITH d AS (DELETE FROM t) DELETE FROM referenced, or a child that is
 *	 inserted before its parent in one statement, is right in the table, and would be
 *	 found wrong in the other one, which does not have it yet.
 * - CASCADE and SET NULL would write the hidden rows themselves, beside the trigger; a
 *	 default that has changed since would be refused.
 * - Whoever deletes what the table refers to would read all of the hidden one as long as
 *	 that has no index; and each writer of a table at the other end would look twice.
 *
 * No row is read for them: each of the other table is one of this one's, for which the
 * constraint holds that goes; with the locks that are held no check is pending.  So it
 * is made with the state that that one has, also of a partitioned table, for which
 * PostgreSQL has no NOT VALID before 18.
 *
 * They are made as the extension's owner, as what is needed to make one anew may have
 * been revoked since; no code of a user's is run.
 *
 * A table that becomes a partition keeps its own, which that of the partitioned table
 * takes for its partition's; one that ceases to be one has them.  Of a foreign key to
 * itself both are made anew: the partition's is then to the partitioned table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_constraint.h"
#include "commands/comment.h"
#include "core/errors.h"
#include "core/extension.h"
#include "core/names.h"
#include "move/act.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static void
run_drop(const MoveAct *act)
{
	ObjectAddress constraint;

	ObjectAddressSet(constraint, ConstraintRelationId, act->object);
	performDeletion(&constraint, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
}

/* The table that takes its place; of another one, itself. */
static Oid
table_later(const Moving *moving, Oid relid)
{
	ListCell   *lc;

	foreach(lc, moving->pairs)
	{
		const MovePair *pair = lfirst(lc);

		if (pair->from == relid)
			return pair->to;
	}
	return relid;
}

/* The constraint of a partition that a table's own has made. */
typedef struct PartKey
{
	Oid			oid;
	Oid			relid;
	char	   *name;
	char	   *comment;		/* or NULL */
} PartKey;

static List *
load_parts(Oid constraint)
{
	QuerySession session;
	List	   *parts = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY("WITH RECURSIVE part(oid, conrelid, conname) AS (SELECT oid, conrelid, conname FROM pg_constraint WHERE oid = $1 "
			  "UNION ALL SELECT c.oid, c.conrelid, c.conname FROM pg_constraint c JOIN part p ON c.conparentid = p.oid WHERE c.conrelid <> p.conrelid) "
			  "SELECT oid, conrelid, conname, obj_description(oid, 'pg_constraint') FROM part WHERE oid <> $1", arg_oid(constraint));
	for (uint64 row = 0; row < n; row++)
	{
		PartKey    *part = palloc(sizeof(PartKey));

		*part = (PartKey) {query_oid(row, 1), query_oid(row, 2), query_text(row, 3), query_text(row, 4)};
		parts = lappend(parts, part);
	}
	query_end(&session);
	return parts;
}

/* Of the table that is made: what its partitions had in the one that goes. */
static List *
parts_later(const Moving *moving, Oid constraint)
{
	List	   *parts;
	ListCell   *lc;

	/* with "attach", the only partition is one of the two themselves */
	if (moving->move->attach)
		return NIL;
	parts = load_parts(constraint);
	foreach(lc, parts)
	{
		PartKey    *part = lfirst(lc);

		part->relid = table_later(moving, part->relid);
	}
	return parts;
}

/* It is called as that was, and its comment says the same. */
static void
settle_part(const PartKey *made, const List *were)
{
	ListCell   *lc;

	foreach(lc, were)
	{
		const PartKey *was = lfirst(lc);

		if (was->relid != made->relid)
			continue;
		if (strcmp(was->name, made->name) != 0)
			RenameConstraintById(made->oid, was->name);
		if (was->comment != NULL)
			CreateComments(made->oid, ConstraintRelationId, 0, was->comment);
		CommandCounterIncrement();
	}
}

/* list: what partitions had (PartKey *). */
static void
run_create(const MoveAct *act)
{
	AlterTableStmt *stmt = castNode(AlterTableStmt, act_parse(act->sql));
	Constraint *constraint = castNode(Constraint, linitial_node(AlterTableCmd, stmt->cmds)->def);
	ListCell   *lc;

	/* the state that it says it has is what it has: see the header */
	constraint->skip_validation = true;
	act_run_statement((Node *) stmt, act->sql);
	CommandCounterIncrement();
	foreach(lc, act->list != NIL ? load_parts(get_relation_constraint_oid(act->other, act->text, false)) : NIL)
		settle_part(lfirst(lc), act->list);
}

typedef struct ForeignKey
{
	Oid			oid;
	Oid			relid;			/* the referencing table */
	char	   *name;
	char	   *definition;
	char	   *comment;		/* or NULL */
	bool		self;
	bool		there;			/* the other table has it already */
	bool		referencing;	/* it references the table */
} ForeignKey;

/* As pg_constraint has them; of partitions only those that are not their parent's. */
static List *
load(const Moving *moving)
{
	QuerySession session;
	List	   *keys = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT c.oid, c.conrelid, c.conname, pg_get_constraintdef(c.oid), obj_description(c.oid, 'pg_constraint'), "
			  "c.conrelid = ANY ($1) AND c.confrelid = ANY ($1), "
			  "c.conrelid = $2 AND EXISTS (SELECT FROM pg_constraint o WHERE o.conrelid = $3 AND o.conname = c.conname "
			  "  AND o.contype = 'f' AND o.confrelid = c.confrelid) AND NOT c.confrelid = ANY ($1), c.confrelid = $2 "
			  "FROM pg_constraint c WHERE c.contype = 'f' AND c.conparentid = 0 AND (c.conrelid = ANY ($1) OR c.confrelid = ANY ($1)) ORDER BY c.oid",
			  arg_oids(moving->tables), arg_oid(moving->move->from), arg_oid(moving->move->to));
	for (uint64 row = 0; row < n; row++)
	{
		ForeignKey *key = palloc(sizeof(ForeignKey));

		*key = (ForeignKey) {
			query_oid(row, 1), query_oid(row, 2), query_text(row, 3), query_text(row, 4), query_text(row, 5),
			query_bool(row, 6), query_bool(row, 7), query_bool(row, 8)
		};
		keys = lappend(keys, key);
	}
	query_end(&session);
	return keys;
}

static void
add_drop(Moving *moving, const ForeignKey *key)
{
	act_add(&moving->leave, &(MoveAct) {
		.sql = psprintf("ALTER TABLE %s DROP CONSTRAINT %s", names_of_relation(key->relid, false), quote_identifier(key->name)),
		.run = run_drop, .object = key->oid,
	});
}

/* "on" is what the table is called by then, "relid" which one that is. */
static void
add_create(Moving *moving, const ForeignKey *key, const char *on, Oid relid)
{
	const char *name = quote_identifier(key->name);

	act_add(&moving->enter, &(MoveAct) {
		.sql = psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", on, name, key->definition),
		.role = extension_owner(), .run = run_create, .other = relid, .text = key->name,
		.list = parts_later(moving, key->oid),
	});
	if (key->comment != NULL)
		act_add(&moving->enter, &(MoveAct) {
			.sql = psprintf("COMMENT ON CONSTRAINT %s ON %s IS %s", name, on, quote_literal_cstr(key->comment)),
			.role = extension_owner(),
		});
}

/* One that came since the migration was stated, to what was a key then, and is none of the other table. */
static void
check_key(const Moving *moving, const ForeignKey *key)
{
	if (!key->referencing ||
		QUERY_ONCE("SELECT FROM pg_constraint c, pg_index i WHERE c.oid = $1 AND i.indrelid = $2 AND i.indisunique AND i.indimmediate "
				   "AND i.indpred IS NULL AND i.indexprs IS NULL "
				   "AND (SELECT array_agg(attname ORDER BY attname) FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = ANY ((i.indkey::int2[])[0:indnkeyatts - 1])) "
				   "= (SELECT array_agg(attname ORDER BY attname) FROM pg_attribute WHERE attrelid = c.confrelid AND attnum = ANY (c.confkey))",
				   arg_oid(key->oid), arg_oid(moving->move->to)) > 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("foreign key %s of %s references what is no key of the table that takes the name of %s",
					quote_identifier(key->name), names_of_relation(key->relid, false), names_of_relation(moving->move->from, false)),
			 errhint("ALTER TABLE %s DROP CONSTRAINT %s; then SELECT zdm.resume(" INT64_FORMAT ").",
					 names_of_relation(key->relid, false), quote_identifier(key->name), moving->move->migration)));
}

static void
add_key(Moving *moving, const ForeignKey *key)
{
	bool		stays = moving->move->attach && key->relid == moving->move->from && !key->self;
	char	   *on = names_of_relation(key->relid, false);

	check_key(moving, key);
	if (!stays)
		add_drop(moving, key);
	if (!key->there)
		add_create(moving, key, on, table_later(moving, key->relid));
	if (moving->move->attach && key->self && ((MovePair *) linitial(moving->pairs))->partitioned)
		add_create(moving, key, names_of_relation(moving->move->to, false), moving->move->from);
}

static void
add_all(Moving *moving)
{
	ListCell   *lc;

	foreach(lc, load(moving))
		add_key(moving, lfirst(lc));
}

const MovePart move_foreign_keys = {.all = add_all};
