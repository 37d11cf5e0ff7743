/*-------------------------------------------------------------------------
 *
 * identity.c
 *		As whom, and under which settings, code of a user's is worked on.
 *
 * The rule: nothing that a user wrote is opened, parsed, planned, folded,
 * printed or run by us but as the role that wrote it or owns what it hangs on,
 * in a security-restricted operation, with our search_path.  Each of those runs
 * code: a literal is read by its type's input function, a domain by its CHECKs,
 * a constant call is folded by the planner.  So this is the only file that sets
 * a user id or a security context.
 *
 * That the extension's own tables are worked on is a bit of the security context,
 * since PostgreSQL restores that by itself at each abort.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "core/errors.h"
#include "core/identity.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "parser/parser.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"
#include "utils/xml.h"
#include "compat.h"

/* In the security context, beside PostgreSQL's own bits, which begin at the other end. */
#define SECURITY_ZDM_OWN 0x01000000

/*
 * What casts, formatting and parsing functions go by.  Not search_path and not
 * the role, which identity_enter() sets; nor what has no part in a value.
 */
static const char *const result_settings[] = {
	"DateStyle",
	"IntervalStyle",
	"TimeZone",
	"timezone_abbreviations",
	"extra_float_digits",
	"bytea_output",
	"default_text_search_config",
	"lc_monetary",
	"lc_numeric",
	"lc_time",
	"xmlbinary",
	"xmloption",
};

/* Does the restriction end with this transaction? */
static bool restricted_transaction = false;

static void
set_for_now(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Nothing is done for a setting that is right already: this is called often. */
static void
put_on(List *settings)
{
	for (int i = 0; i + 1 < list_length(settings); i += 2)
	{
		const char *name = list_nth(settings, i);
		const char *value = list_nth(settings, i + 1);

		if (strcmp(GetConfigOption(name, false, false), value) != 0)
			set_for_now(name, value);
	}
}

static void
become(Oid role, int sec_context, Identity *saved)
{
	GetUserIdAndSecContext(&saved->userid, &saved->sec_context);
	saved->guc_nestlevel = NewGUCNestLevel();
	SetUserIdAndSecContext(role, sec_context);
	identity_pin_reading();
}

bool
identity_is_own(void)
{
	Oid			userid;
	int			sec_context;

	GetUserIdAndSecContext(&userid, &sec_context);
	return (sec_context & SECURITY_ZDM_OWN) != 0;
}

void
identity_enter(Oid role, List *settings, Identity *saved)
{
	Oid			userid;
	int			sec_context;

	GetUserIdAndSecContext(&userid, &sec_context);
	if (sec_context & SECURITY_ZDM_OWN)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("code of a user's was to be worked on beside the extension's own tables")));
	become(role, sec_context | SECURITY_RESTRICTED_OPERATION, saved);
	put_on(settings);
}

void
identity_enter_to_read(Identity *saved)
{
	GetUserIdAndSecContext(&saved->userid, &saved->sec_context);
	if (saved->sec_context & SECURITY_ZDM_OWN)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("code of a user's was to be worked on beside the extension's own tables")));
	saved->guc_nestlevel = NewGUCNestLevel();
	SetUserIdAndSecContext(saved->userid, saved->sec_context | SECURITY_RESTRICTED_OPERATION);
}

void
identity_enter_own(Oid role, Identity *saved)
{
	Oid			userid;
	int			sec_context;

	GetUserIdAndSecContext(&userid, &sec_context);
	become(role, sec_context | SECURITY_RESTRICTED_OPERATION | SECURITY_ZDM_OWN, saved);
}

void
identity_enter_to_create(Oid role, Identity *saved)
{
	Oid			userid;
	int			sec_context;

	GetUserIdAndSecContext(&userid, &sec_context);
	become(role, sec_context | SECURITY_LOCAL_USERID_CHANGE, saved);
}

void
identity_enter_session(Oid role, Identity *saved)
{
	Assert(!IsTransactionState());
	GetUserIdAndSecContext(&saved->userid, &saved->sec_context);
	/* a transaction begins without restriction */
	SetUserIdAndSecContext(role, 0);
}

static void
end_restriction(XactEvent event, void *arg)
{
	Oid			userid;
	int			sec_context;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	/* an abort gives back by itself what there was */
	if (restricted_transaction && event == XACT_EVENT_COMMIT)
	{
		GetUserIdAndSecContext(&userid, &sec_context);
		SetUserIdAndSecContext(userid, sec_context & ~SECURITY_RESTRICTED_OPERATION);
	}
	restricted_transaction = false;
}

void
identity_init(void)
{
	RegisterXactCallback(end_restriction, NULL);
}

void
identity_restrict_transaction(void)
{
	Oid			userid;
	int			sec_context;

	GetUserIdAndSecContext(&userid, &sec_context);
	SetUserIdAndSecContext(userid, sec_context | SECURITY_RESTRICTED_OPERATION);
	restricted_transaction = true;
}

void
identity_leave_session(Identity *saved)
{
	SetUserIdAndSecContext(saved->userid, saved->sec_context);
}

void
identity_leave(Identity *saved)
{
	AtEOXact_GUC(false, saved->guc_nestlevel);
	SetUserIdAndSecContext(saved->userid, saved->sec_context);
}

Oid
identity_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Nothing is done for a setting that is right already: this is called often. */
void
identity_pin_reading(void)
{
	const struct
	{
		const char *name;
		const char *value;
		bool		right;
	}			settings[] = {
		{"standard_conforming_strings", "on", standard_conforming_strings},
		{"array_nulls", "on", Array_nulls},
		{"quote_all_identifiers", "off", !quote_all_identifiers},
		{"xmloption", "content", xmloption == XMLOPTION_CONTENT},
	};

	RestrictSearchPath();
	for (int i = 0; i < lengthof(settings); i++)
		if (!settings[i].right)
			set_for_now(settings[i].name, settings[i].value);
}

void
identity_pin_formats(void)
{
	/* not the second half of DateStyle, by which dates are read: what users say is in theirs */
	set_for_now("DateStyle", "ISO");
	set_for_now("IntervalStyle", "postgres");
	set_for_now("extra_float_digits", "3");
}

List *
identity_settings(void)
{
	List	   *settings = NIL;

	for (int i = 0; i < lengthof(result_settings); i++)
	{
		settings = lappend(settings, pstrdup(result_settings[i]));
		settings = lappend(settings, pstrdup(GetConfigOption(result_settings[i], false, false)));
	}
	return settings;
}
