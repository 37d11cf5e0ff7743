/*-------------------------------------------------------------------------
 *
 * persistence.c
 *		Whether a table may become logged or unlogged.
 *
 * What is logged must not reference what is not: the one is there after a crash,
 * and the other empty.  These are the rules of ALTER TABLE, which asks them of itself
 * alone; so they are asked when the change is stated, and again when it counts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/persistence.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* A table at the other end of a foreign key that is of the other kind; NULL: none. */
static char *
find_other_end(Oid relid, bool to_logged)
{
	QuerySession session;
	char	   *other = NULL;

	query_begin(&session);
	if (QUERY("SELECT c.relname FROM pg_constraint k "
			  "JOIN pg_class c ON c.oid = CASE WHEN $2 THEN k.confrelid ELSE k.conrelid END "
			  "WHERE k.contype = 'f' AND CASE WHEN $2 THEN k.conrelid ELSE k.confrelid END = $1 AND c.oid <> $1 "
			  "AND (c.relpersistence = 'p') <> $2 ORDER BY k.conname LIMIT 1",
			  arg_oid(relid), arg_bool(to_logged)) > 0)
		other = query_text(0, 1);
	query_end(&session);
	return other;
}

static bool
is_published(Oid relid)
{
	QuerySession session;
	bool		published;

	query_begin(&session);
	published = QUERY("SELECT FROM pg_publication_rel WHERE prrelid = $1 LIMIT 1", arg_oid(relid)) > 0;
	query_end(&session);
	return published;
}

void
persistence_check(Oid relid, char persistence)
{
	bool		to_logged = persistence == RELPERSISTENCE_PERMANENT;
	char	   *other;

	if (get_rel_persistence(relid) == persistence)
		return;
	if (!to_logged && is_published(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot change table \"%s\" to unlogged because it is part of a publication", get_rel_name(relid)),
				 errdetail("Unlogged relations cannot be replicated.")));
	other = find_other_end(relid, to_logged);
	if (other != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg(to_logged ? "could not change table \"%s\" to logged because it references unlogged table \"%s\"" :
						"could not change table \"%s\" to unlogged because it references logged table \"%s\"",
						get_rel_name(relid), other)));
}

List *
persistence_sequences(Oid relid)
{
	return ZDM_HAS_UNLOGGED_SEQUENCES ? getOwnedSequences(relid) : NIL;
}
