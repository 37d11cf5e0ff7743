/*-------------------------------------------------------------------------
 *
 * expr.h
 *		Expressions over the columns of a row: up, down, defaults.
 *
 * An expression is stored as SQL over $n, where n is the attribute's number in
 * the table that the migration is about, and $0 is the new column, which does
 * not exist when the change is stated.  It is written out with pg_catalog,
 * pg_temp as the search path, and always read back so: neither a later
 * search_path nor the renaming of a column can change what it means.
 *
 * A stored expression is cast to its target's type by assignment; so "$3" alone is
 * the assignment cast of column 3.  What it was found to call is stored beside it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_EXPR_H
#define ZDM_EXPR_H

#include "access/attnum.h"
#include "catalog/objectaddress.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "nodes/nodes.h"
#include "nodes/pg_list.h"
#include "utils/elog.h"
#include "utils/palloc.h"
#include "utils/relcache.h"

/* The number by which a stored expression calls the pair's new column. */
#define EXPR_NEW_COLUMN 0

/* A column that may not exist yet. */
typedef struct ExprColumn
{
	const char *name;
	Oid			type;
	int32		typmod;
	Oid			collation;
} ExprColumn;

/* Whose rights an expression runs with, and under which settings. */
typedef struct ExprActor
{
	Oid			owner;
	List	   *settings;		/* of identity_settings() */
} ExprActor;

/* What was stated: the stored expression, and the form of what it meant then, or NULL. */
typedef struct ExprStated
{
	const char *text;
	const char *resolution;
} ExprStated;

typedef struct SyncExpr SyncExpr;

/*
 * The stored form of "source", an expression as the user typed it, over the
 * columns of relid by their bare names, resolved with the caller's search_path
 * and found to be assignable to "target".  If new_column is given, its name
 * means $0, even if the table has a column so called.  "role" (up, down, fill)
 * is for error messages.  Errors are PostgreSQL's own for what it would refuse
 * in ALTER COLUMN TYPE ... USING (unknown names, subqueries, aggregates, window
 * and set-returning functions), and ERRCODE_FEATURE_NOT_SUPPORTED for volatile
 * functions, system and generated columns and whole rows.  Takes and keeps
 * ACCESS SHARE on relid.
 */
extern char *expr_resolve(Oid relid, const char *source, const char *role,
						  const ExprColumn *new_column, const ExprColumn *target);

/*
 * What a stored expression means today, for core/resolution.h: read as relid's
 * owner, and cast to the target by assignment.  $0 is "new_column".  NULL for NULL.
 */
extern char *expr_resolution(Oid relid, const char *stored, const ExprColumn *new_column,
							 const ExprColumn *target);

/*
 * What the expressions of a migration's pairs mean today, for it to be begun anew with
 * (zdm.pair.up_again, down_again): as it is stated again now.
 */
extern void expr_resolve_again(int64 migration);

/*
 * The stored form of the cast of column "number" from one type to another:
 * NULL if the value can be copied as it is.  An assignment cast is used if
 * there is one; otherwise, if allowed, as on the way back, an explicit one.
 * Without one: ERRCODE_DATATYPE_MISMATCH; on the way back, ERRCODE_CANNOT_COERCE.
 */
extern char *expr_cast(AttrNumber number, const ExprColumn *from,
					   const ExprColumn *to, bool allow_explicit);

/*
 * What a stored expression gives for the default of column "attnum", as SQL that
 * the pinned search path reads back; its numbers are those of "numbered", and $0 is that
 * column; NULL if the column has none, or if the
 * expression reads other columns too, which *reads_others tells.  Errors: those
 * of the expression, where it can be computed now.
 */
extern char *expr_of_default(Oid relid, Oid numbered, const char *stored, AttrNumber attnum, bool *reads_others);

/*
 * A stored expression with the column names of today, qualified as the pinned
 * search path needs it.  new_attnum is what $0 stands for.
 */
extern char *expr_readable(Oid relid, const char *stored, AttrNumber new_attnum);

/*
 * Make a stored expression ready to compute values for "target", a column of rel or of
 * another table, from rows of rel, as "actor", whose settings have to last as long as the result.
 * The numbers in it are those of the relation "numbered": rel itself, or a
 * partitioned table above it, whose columns are found in rel by name.  Everything
 * is allocated in "context".  Errors: what the parser and the planner have to say;
 * ERRCODE_UNDEFINED_COLUMN if a column is gone.
 */
extern SyncExpr *expr_compile(const ExprStated *stated, Oid numbered, Relation rel,
							  AttrNumber new_attnum, Form_pg_attribute target,
							  const ExprActor *actor, MemoryContext context);

/*
 * What stands for an expression that could not be compiled: evaluating it raises
 * "failure", which lasts as long as "context".
 */
extern SyncExpr *expr_compile_failure(ErrorData *failure, MemoryContext context);

/*
 * The same of a column's default, as rel's owner; NULL if it has none, or one that
 * has another value each time.  Errors: what the planner has to say.
 */
extern SyncExpr *expr_compile_default(Relation rel, AttrNumber attnum,
									  bool *is_volatile, MemoryContext context);

/* The condition of a CHECK of rel's, as pg_constraint has it, as rel's owner.  Errors: the same. */
extern SyncExpr *expr_compile_check(Relation rel, const char *tree, MemoryContext context);

/*
 * Record that "depender" depends on what a stored expression over rel's columns
 * calls and converts; not on the columns.
 */
extern void expr_depend(const ExprStated *stated, Relation rel, AttrNumber new_attnum,
						const ObjectAddress *depender);

/* The same of the form of it, whichever table's rows it is over. */
extern void expr_depend_on_calls(const ExprStated *stated, const ObjectAddress *depender);

/* The copy of a column's value. */
extern SyncExpr *expr_compile_copy(AttrNumber attnum, MemoryContext context);

/*
 * The value for the row in "slot".  Runs as its actor, in a restricted operation.
 * By-reference results are copies in the current memory context, but for those of
 * expr_copies(), which last as long as the slot's.  Needs a transaction and an
 * active snapshot.
 */
extern Datum expr_eval(SyncExpr *expr, TupleTableSlot *slot, bool *isnull);

/* Can evaluating it raise an error?  False only where that is certain. */
extern bool expr_can_fail(const SyncExpr *expr);

/* The column that it is nothing but a copy of, or InvalidAttrNumber. */
extern AttrNumber expr_copies(const SyncExpr *expr);

/* The columns it reads, offset by FirstLowInvalidHeapAttributeNumber. */
extern Bitmapset *expr_inputs(const SyncExpr *expr);

/* To be called at the end of each transaction: compiled states are gone. */
extern void expr_end_transaction(void);

/* To be called when a subtransaction is rolled back: so are its evaluations. */
extern void expr_abort_subtransaction(void);

#endif							/* ZDM_EXPR_H */
