/*-------------------------------------------------------------------------
 *
 * holder.c
 *		Whose transaction is waited for.
 *
 * Who states a migration, or steers one, may leave that open, in a dry run say, and
 * whoever comes next waits for it as for any lock.  A session can be asked about; of a
 * transaction that was PREPAREd no process is left, only its name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/holder.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "utils/builtins.h"

/* Its locks have the number that its session had; among them is that of its own number. */
#define PREPARED_CLAIM \
	"SELECT x.gid, x.owner, to_char(x.prepared, 'YYYY-MM-DD HH24:MI:SS') FROM pg_locks l JOIN pg_locks t ON t.virtualtransaction = l.virtualtransaction " \
	"  AND t.pid IS NULL AND t.locktype = 'transactionid' JOIN pg_prepared_xacts x ON x.transaction = t.transactionid " \
	"WHERE l.pid IS NULL AND l.locktype = 'advisory' AND l.objsubid = $1 AND (l.classid::bigint << 32 | l.objid::bigint) = $2 " \
	"AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"

/* The last to lock the row or to write it, if that is not over. */
#define PREPARED_ROW \
	"SELECT x.gid, x.owner, to_char(x.prepared, 'YYYY-MM-DD HH24:MI:SS') FROM zdm.migration m JOIN pg_prepared_xacts x ON x.transaction = m.xmax WHERE m.id = $1"
#define SESSION_OF_ROW \
	"SELECT l.pid FROM zdm.migration m JOIN pg_locks l ON l.locktype = 'transactionid' AND l.transactionid = m.xmax AND l.granted " \
	"WHERE m.id = $1 AND l.pid <> pg_backend_pid()"

static Holder
prepared(uint64 rows)
{
	Holder		holder = {NULL};
	char	   *gid;

	if (rows == 0)
		return holder;
	gid = quote_literal_cstr(query_text(0, 1));
	holder.detail = psprintf("It is the prepared transaction %s of role %s, since %s.", gid, query_text(0, 2), query_text(0, 3));
	holder.hint = psprintf("Its owner or a superuser ends it with ROLLBACK PREPARED %s; or COMMIT PREPARED %s;", gid, gid);
	return holder;
}

Holder
holder_of_claim(ClaimKind kind, int64 number)
{
	Holder		holder = {.detail = claim_describe(kind, number)};
	QuerySession session;

	if (holder.detail != NULL)
		return holder;
	query_begin(&session);
	holder = prepared(QUERY(PREPARED_CLAIM, arg_int4(CLAIM_OBJSUBID(kind)), arg_int8(number)));
	query_end(&session);
	return holder;
}

Holder
holder_of_migration(int64 migration)
{
	Holder		holder;
	QuerySession session;

	query_begin(&session);
	holder = prepared(QUERY(PREPARED_ROW, arg_int8(migration)));
	if (holder.detail == NULL && QUERY(SESSION_OF_ROW, arg_int8(migration)) > 0)
		holder.detail = claim_describe_session(query_int4(0, 1));
	query_end(&session);
	return holder;
}

void
holder_say(void *arg)
{
	const Holder *holder = arg;

	/* of a wait that was given up: a deadlock has a DETAIL of its own */
	if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE && geterrcode() != ERRCODE_QUERY_CANCELED)
		return;
	if (holder->detail != NULL)
		errdetail_internal("%s", holder->detail);
	if (holder->hint != NULL)
		errhint("%s", holder->hint);
}
