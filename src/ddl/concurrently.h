/*-------------------------------------------------------------------------
 *
 * concurrently.h
 *		Statements that wait for others by design.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CONCURRENTLY_H
#define ZDM_CONCURRENTLY_H

#include "nodes/nodes.h"

/* Does the statement end its transaction inside, or wait for others?  Then no lock timeout is put on it. */
extern bool concurrently_always(Node *stmt);
extern bool concurrently_index(Node *stmt);
extern bool concurrently_drop(Node *stmt);
extern bool concurrently_refresh(Node *stmt);
extern bool concurrently_reindex(Node *stmt);
extern bool concurrently_alter_table(Node *stmt);

/* CONCURRENTLY is for the sake of others, and cannot be in a transaction: take it from the statement. */
extern void alone_index(Node *stmt);
extern void alone_drop(Node *stmt);
extern void alone_refresh(Node *stmt);
extern void alone_reindex(Node *stmt);
extern void alone_alter_table(Node *stmt);

#endif							/* ZDM_CONCURRENTLY_H */
