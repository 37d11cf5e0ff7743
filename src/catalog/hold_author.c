/*-------------------------------------------------------------------------
 *
 * hold_author.c
 *		Whose query zdm.hold_when is.
 *
 * A setting holds code here, and not all who can set it for a session have the rights
 * of who states a migration there: the owner of a database sets it for everybody, and
 * who calls a function SECURITY DEFINER for the function.  What a role has
 * for itself, the session and the server's own files is the caller's, or that of somebody
 * who may do anything as the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/hold_author.h"
#include "catalog/query.h"
#include "core/guc.h"
#include "miscadmin.h"
#include "utils/acl.h"

/* Where the value comes from, as pg_settings has it, and who owns the database. */
static char *
source_of_value(Oid *owner)
{
	QuerySession session;
	char	   *source;

	query_begin(&session);
	QUERY("SELECT source, datdba FROM pg_database, pg_settings WHERE datname = current_database() AND name = 'zdm.hold_when'");
	source = query_text(0, 1);
	*owner = query_oid(0, 2);
	query_end(&session);
	return source;
}

/* Only a superuser sets it there. */
static bool
is_of_server(const char *source)
{
	static const char *const sources[] = {"default", "environment variable", "configuration file", "command line", "global"};

	for (int i = 0; i < lengthof(sources); i++)
	{
		if (strcmp(source, sources[i]) == 0)
			return true;
	}
	return false;
}

void
hold_author_check(void)
{
	char	   *source;
	Oid			owner;

	if (guc_hold_when[0] == '\0')
		return;
	source = source_of_value(&owner);
	if (is_of_server(source))
		return;
	if (InLocalUserIdChange())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("zdm.hold_when is set where a function runs as its owner"),
				 errdetail("Its query would run with the owner's rights, whoever has set it."),
				 errhint("Have the function empty it, SET zdm.hold_when = '', and give the migration its query afterwards: SELECT zdm.configure(id, 'hold_when', '...').")));
	if (strcmp(source, "database") == 0 && !superuser_arg(owner) && !has_privs_of_role(owner, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("zdm.hold_when has been set for the database by role \"%s\"", GetUserNameFromId(owner, false)),
				 errdetail("Its query would run with the rights of the table's owner."),
				 errhint("Set it yourself, or empty it: SET zdm.hold_when = ''.")));
}
