/*-------------------------------------------------------------------------
 *
 * facts_query.h
 *		What queries, views, sequences and publications amount to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FACTS_QUERY_H
#define ZDM_FACTS_QUERY_H

#include "facts/facts.h"
#include "executor/execdesc.h"

/*
 * Blocks that running the started query would read and write, as the planner
 * sees it: whole tables for sequential scans, the estimated share otherwise.
 */
extern double facts_plan_work(QueryDesc *query_desc);

/*
 * The same for a statement (SELECT, INSERT, UPDATE, DELETE, raw, or a SELECT
 * that the hook finds analyzed, as that of CREATE TABLE AS) that is only
 * planned, with ACCESS SHARE; where it depends on what the text would have
 * made, the size of the tables it names.
 */
extern double facts_statement_work(Facts *facts, Node *raw);

/*
 * The same for the query of a materialized view, planned as its owner in a
 * security-restricted operation, as REFRESH would.
 */
extern double facts_matview_work(Facts *facts, FactRelation *view);

/* Names of the columns of a query, raw or analyzed; NIL if they cannot be known. */
extern List *facts_query_columns(Facts *facts, Node *query);

/* Mark the columns of a view that cannot be written, being expressions. */
extern void facts_view_columns(FactRelation *view);

/* Relations that a view reads, directly or through other views. */
extern List *facts_view_relations(Facts *facts, FactRelation *view);

/* Which of the client privileges a view passes on to "role", grants aside. */
extern AclMode facts_view_permits(Facts *facts, FactRelation *view, Oid role);

/* Views that depend on the relation (or on its column, if not 0), transitively. */
extern List *facts_dependent_views(Facts *facts, FactRelation *rel, AttrNumber attnum);

/* Does any publication carry UPDATE or DELETE of the table? */
extern bool facts_publishes_changes(Facts *facts, FactRelation *rel);

/* The sequence that a raw expression draws from, by a name in it; NULL if none. */
extern FactRelation *facts_drawn_sequence(Facts *facts, Node *raw);

/* How far the sequences are that the table owns; -1 if there is none. */
extern int64 facts_sequence_value(Facts *facts, FactRelation *rel);

#endif							/* ZDM_FACTS_QUERY_H */
