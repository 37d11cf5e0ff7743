/*-------------------------------------------------------------------------
 *
 * facts_migration.h
 *		Which migrations are at work on a table, and what they use.
 *
 * What is not over; who may not know of a migration gets what PostgreSQL says of
 * the table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FACTS_MIGRATION_H
#define ZDM_FACTS_MIGRATION_H

#include "catalog/migration.h"

/* Is there any, of whomever? */
extern bool facts_any_migration(void);

/* Migrations (Migration *) on the table. */
extern List *facts_migrations(Oid relid);

/* The same on the table and on those that it is a partition of: they work on its rows, too. */
extern List *facts_migrations_above(Oid relid);

/* The same whose steps to come name the object. */
extern List *facts_migrations_naming(Oid relid, const char *name);

/* Those of facts_migrations_above() that keep two columns in step. */
extern List *facts_migrations_of_columns(Oid relid);

/* Tables (Oid) with a sync trigger that depends on the function or type. */
extern List *facts_synced_with(Oid classid, Oid objid);

#endif							/* ZDM_FACTS_MIGRATION_H */
