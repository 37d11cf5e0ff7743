/*-------------------------------------------------------------------------
 *
 * ddl_text.h
 *		What the plans of DDL statements have in common: reading expressions,
 *		writing statements, asking the guard's rules.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DDL_TEXT_H
#define ZDM_DDL_TEXT_H

#include "draft/draft.h"
#include "parser/parse_node.h"
#include "rules/change.h"
#include "rules/rules.h"
#include "compat.h"


/* What the guard's rules say of the statement, with its breaches of contract. */
extern Judgement *ddl_judge(Change *change);

/* The rules' judgement only; "facts" are afterwards as the statement leaves them. */
extern Judgement *ddl_judge_alone(Facts *facts, const Change *change);

/* The first finding that stands against running the statement, or NULL. */
extern const Finding *ddl_objection(const Judgement *judgement);

/*
 * Raise ERRCODE_OBJECT_IN_USE if the rules find that the statement takes away what a
 * migration needs: what the guard refuses, zdm.migrate() does not do either.
 */
extern void ddl_refuse_needed(Change *change);

/* Raise ERRCODE_FEATURE_NOT_SUPPORTED for a statement, with the rules' reason. */
pg_noreturn extern void ddl_refuse(const Finding *finding);

/* The same, if applications lose by the statement what no migration keeps for them. */
extern void ddl_refuse_breach(Change *change);

/* Have the table and its partitions no block, and so no row, as yet? */
extern bool ddl_is_empty(Oid relid);

/* The schemas that names are looked up in now (char *). */
extern List *ddl_search_path(void);

/*
 * The settings by which the session reads dates and times, each followed by its
 * value (char *); NIL if the statement has no literal that could be one.
 */
extern List *ddl_session_formats(const char *statement);

/* A name that only this migration gives: "<base>_zdm<id>", not quoted. */
extern char *ddl_own_name(const MigrationPlan *plan, const char *base);

/* A column of relid by its number; by its name if an earlier step is to add it. */
extern List *ddl_column(Oid relid, const char *name);

/* Several, of a list of String nodes, with commas. */
extern List *ddl_columns(Oid relid, List *names);

/* "(a, b)" of a list of String nodes. */
extern char *ddl_column_list(List *names);

/* The strings of a list of String nodes. */
extern List *ddl_strings(List *names);

/*
 * A raw expression over the columns of relid, to be kept (core/expression.h), and as
 * a tree in *tree unless that is NULL.  With a type, it is cast to it as an assignment
 * would be.  Errors are PostgreSQL's, with the position in "source".
 */
extern List *ddl_expression(Oid relid, Node *raw, const char *source, ParseExprKind kind,
							Oid type, int32 typmod, Node **tree);

/*
 * Between the two, errors that PostgreSQL finds in what the user wrote show where in
 * "text", and name the argument of the call that it came by (or NULL).
 */
typedef struct DdlReading
{
	ErrorContextCallback callback;
	const char *text;
	const char *argument;
} DdlReading;

extern void ddl_reading_begin(DdlReading *reading, const char *text, const char *argument);
extern void ddl_reading_end(DdlReading *reading);

/* ERRCODE_FEATURE_NOT_SUPPORTED, with the argument's name, if there is a subquery. */
extern void ddl_refuse_subquery(Node *raw, const char *argument);

/* By what argument the caller gives a value for rows: zdm.set_not_null() has a name of its own. */
extern const char *ddl_fill_argument(const Change *change);

/* The raw tree of an expression given as text.  ERRCODE_SYNTAX_ERROR if it is none. */
extern Node *ddl_parse_expression(const char *text, const char *argument);

/* ddl_expression() of an expression given as text, by that argument. */
extern List *ddl_expression_text(Oid relid, const char *text, const char *argument,
								 Oid type, int32 typmod, Node **tree);

/*
 * The attribute's number.  ERRCODE_UNDEFINED_COLUMN if there is none, and
 * ERRCODE_FEATURE_NOT_SUPPORTED for a system column.
 */
extern AttrNumber ddl_attribute(Oid relid, const char *name);

/* The type as it is written, qualified. */
extern char *ddl_type(Oid type, int32 typmod);

#endif							/* ZDM_DDL_TEXT_H */
