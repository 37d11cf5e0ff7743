/*-------------------------------------------------------------------------
 *
 * probe.h
 *		DDL that is only tried.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PROBE_H
#define ZDM_PROBE_H

#include "nodes/nodes.h"

/*
 * Run DDL statements (not queries) in the current transaction, which the caller
 * rolls back: no event trigger is told of them.  Errors: PostgreSQL's own.
 * Locks: those of the statements.
 */
extern void probe_run(const char *sql);

/* The same of one statement's tree, raw or made; "sql" is where it came from. */
extern void probe_statement(Node *stmt, const char *sql);

#endif							/* ZDM_PROBE_H */
