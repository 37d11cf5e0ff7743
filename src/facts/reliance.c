/*-------------------------------------------------------------------------
 *
 * reliance.c
 *		What running applications count on of a relation.
 *
 * The clients of a relation are the roles that its privileges name.  What a
 * client can do is computed with everything that PostgreSQL would consult:
 * privileges, row security, the sequences that an INSERT draws from and the
 * functions that defaults call, and for a view the rights of the role that its
 * query is checked as.  Only what the client could do before and cannot do
 * afterwards is a breach.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/partition.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "facts/app_path.h"
#include "facts/facts_access.h"
#include "facts/reliance.h"
#include "facts/facts_catalog.h"
#include "facts/facts_query.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

#define CLIENT_PRIVILEGES (ACL_SELECT | ACL_INSERT | ACL_UPDATE | ACL_DELETE)

typedef struct RelianceColumn
{
	char	   *name;
	bool		filled_in;		/* an INSERT leaves it out and gets a value */
	bool		given;			/* an INSERT may give a value */
	Oid			type;			/* InvalidOid if not known */
	char	   *type_name;
	bool		unknown_yet;	/* to running applications */
	bool		is_string;		/* strings are written as literals, which go anywhere */
} RelianceColumn;

static bool
is_table(const FactRelation *rel)
{
	return rel->kind == RELKIND_RELATION || rel->kind == RELKIND_PARTITIONED_TABLE;
}

/* Does an INSERT that leaves the column out get a value, by design? */
static bool
is_filled_in(const FactColumn *col)
{
	return col->identity != '\0' || col->generated != '\0' || col->serial;
}

static bool
can_be_given(const FactColumn *col)
{
	return col->identity != ATTRIBUTE_IDENTITY_ALWAYS && col->generated == '\0' && !col->read_only;
}

static bool
can_be_left_out(const FactColumn *col)
{
	return !col->notnull || col->has_default || is_filled_in(col);
}

static bool
policy_applies(Facts *facts, const FactPolicy *policy, Oid role, AclMode privilege)
{
	char		command = privilege == ACL_SELECT ? ACL_SELECT_CHR :
		privilege == ACL_INSERT ? ACL_INSERT_CHR :
		privilege == ACL_UPDATE ? ACL_UPDATE_CHR : ACL_DELETE_CHR;
	ListCell   *lc;

	if (policy->command != '*' && policy->command != command)
		return false;
	foreach(lc, policy->roles)
	{
		Oid			target = lfirst_oid(lc);

		if (target == ACL_ID_PUBLIC ||
			(role != ACL_ID_PUBLIC && facts_acts_as(facts, role, target)))
			return true;
	}
	return false;
}

/* Is there a row with which the policy lets it be done? */
static bool
policy_passes(const FactPolicy *policy, AclMode privilege)
{
	return !(privilege != ACL_INSERT && policy->hides) &&
		!((privilege == ACL_INSERT || privilege == ACL_UPDATE) && policy->rejects);
}

/* Do the policies let the role do what the privilege bit stands for? */
static bool
policies_permit(Facts *facts, FactRelation *rel, Oid role, AclMode privilege)
{
	bool		permitted = false;
	ListCell   *lc;

	foreach(lc, rel->policies)
	{
		FactPolicy *policy = (FactPolicy *) lfirst(lc);

		if (!policy_applies(facts, policy, role, privilege))
			continue;
		if (policy->permissive)
			permitted |= policy_passes(policy, privilege);
		else if (!policy_passes(policy, privilege))
			return false;
	}
	return permitted;
}

/* A sequence that fills in a column and that the role cannot use; NULL if none. */
static FactRelation *
unusable_sequence(Facts *facts, FactRelation *rel, Oid role)
{
	ListCell   *lc;

	foreach(lc, rel->columns)
	{
		FactColumn *col = (FactColumn *) lfirst(lc);
		FactRelation *seq = NULL;

		if (col->dropped || !col->serial)
			continue;
		if (OidIsValid(col->sequence))
			seq = facts_by_oid(facts, col->sequence);
		else if (col->sequence_name != NULL)
			seq = facts_find_name(facts, col->sequence_schema, col->sequence_name);
		if (seq != NULL &&
			!facts_has_privileges(facts, seq, role, ACL_USAGE) &&
			!facts_has_privileges(facts, seq, role, ACL_UPDATE))
			return seq;
	}
	return NULL;
}

/* May the role call every function that fills in a column? */
static bool
functions_callable(FactRelation *rel, Oid role)
{
	ListCell   *lc;
	ListCell   *lf;

	foreach(lc, rel->columns)
	{
		FactColumn *col = (FactColumn *) lfirst(lc);

		if (col->dropped || !col->has_default)
			continue;
		foreach(lf, col->functions)
		{
			if (!facts_function_callable(lfirst_oid(lf), role))
				return false;
		}
	}
	return true;
}

static AclMode
row_security_permits(Facts *facts, FactRelation *rel, Oid role)
{
	AclMode		permitted = 0;

	if (!rel->row_security ||
		(role != ACL_ID_PUBLIC && has_bypassrls_privilege(role)) ||
		(role != ACL_ID_PUBLIC && !rel->row_security_forced && facts_acts_as(facts, role, rel->owner)))
		return CLIENT_PRIVILEGES;
	for (AclMode bit = 1; bit <= CLIENT_PRIVILEGES; bit <<= 1)
	{
		if ((bit & CLIENT_PRIVILEGES) && policies_permit(facts, rel, role, bit))
			permitted |= bit;
	}
	return permitted;
}

bool
reliance_hides_rows(Facts *facts, FactRelation *rel, Oid role)
{
	facts_access(facts, rel);
	return rel->row_security && facts_has_privileges(facts, rel, role, ACL_SELECT) &&
		(rel->row_security_forced || !facts_acts_as(facts, role, rel->owner)) &&
		!policies_permit(facts, rel, role, ACL_SELECT);
}

/* Either privilege lets it draw values. */
static AclMode
sequence_abilities(Facts *facts, FactRelation *seq, Oid role)
{
	AclMode		can = 0;

	if (facts_has_privileges(facts, seq, role, ACL_SELECT))
		can |= ACL_SELECT;
	if (facts_has_privileges(facts, seq, role, ACL_UPDATE))
		can |= ACL_UPDATE | ACL_USAGE;
	if (facts_has_privileges(facts, seq, role, ACL_USAGE))
		can |= ACL_USAGE;
	return can;
}

/* What the role can really do with the relation. */
static AclMode
client_abilities(Facts *facts, FactRelation *rel, Oid role)
{
	AclMode		can = 0;

	/* An owner needs no grants, but his policies count when they are forced on him. */
	facts_access(facts, rel);
	if (rel->kind == RELKIND_SEQUENCE)
		return sequence_abilities(facts, rel, role);
	for (AclMode bit = 1; bit <= CLIENT_PRIVILEGES; bit <<= 1)
	{
		if ((bit & CLIENT_PRIVILEGES) && facts_has_privileges(facts, rel, role, bit))
			can |= bit;
	}
	can &= row_security_permits(facts, rel, role);
	if ((can & ACL_INSERT) &&
		(unusable_sequence(facts, rel, role) != NULL || !functions_callable(rel, role)))
		can &= ~ACL_INSERT;
	if (rel->kind == RELKIND_VIEW)
		can &= facts_view_permits(facts, rel, role);
	return can;
}

/* Would a published UPDATE or DELETE find the key it has to publish? */
static bool
identifies_rows(Facts *facts, FactRelation *rel)
{
	ListCell   *lc;

	foreach(lc, facts_tree(facts, rel, true))
	{
		FactRelation *member = (FactRelation *) lfirst(lc);

		if (member->kind == RELKIND_RELATION && facts_publishes_changes(facts, member) &&
			!facts_replica_identity_ok(facts, member))
			return false;
	}
	return true;
}

/* No running application knows of a column that this text or session has just added. */
static bool
is_unknown_yet(Facts *facts, FactRelation *rel, FactColumn *col)
{
	if (rel->fresh)
		return false;
	return col->fresh ||
		facts_name_in(facts->session_columns, psprintf("%u.%s", rel->oid, col->name));
}

static bool
has_default_partition(FactRelation *rel)
{
	return rel->kind == RELKIND_PARTITIONED_TABLE && OidIsValid(rel->oid) && !rel->default_gone &&
		OidIsValid(get_default_partition_oid(rel->oid));
}

static List *
reliance_columns(Facts *facts, FactRelation *rel)
{
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, rel->columns)
	{
		FactColumn *col = (FactColumn *) lfirst(lc);
		RelianceColumn *promised;

		if (col->dropped)
			continue;
		promised = palloc0(sizeof(RelianceColumn));
		promised->name = pstrdup(col->name);
		promised->filled_in = is_filled_in(col);
		promised->given = can_be_given(col);
		promised->unknown_yet = is_unknown_yet(facts, rel, col);
		promised->type = col->type;
		if (OidIsValid(col->type))
		{
			promised->type_name = format_type_extended(col->type, -1, FORMAT_TYPE_FORCE_QUALIFY);
			promised->is_string = TypeCategory(getBaseType(col->type)) == TYPCATEGORY_STRING;
		}
		columns = lappend(columns, promised);
	}
	return columns;
}

/* The owner is an application of its own where it granted nobody to write. */
static bool
is_only_owner(FactRelation *rel, Oid role)
{
	ListCell   *lc;

	if (role != rel->owner)
		return false;
	foreach(lc, rel->grants)
	{
		FactGrant  *grant = (FactGrant *) lfirst(lc);

		if (grant->role != role && (grant->privileges & (ACL_INSERT | ACL_UPDATE | ACL_DELETE)))
			return true;
	}
	return false;
}

static void
add_client(Facts *facts, FactRelation *rel, Oid role, List **clients)
{
	FactGrant  *client = palloc0(sizeof(FactGrant));

	client->role = role;
	client->privileges = client_abilities(facts, rel, role);
	*clients = lappend(*clients, client);
}

static List *
reliance_clients(Facts *facts, FactRelation *rel)
{
	List	   *clients = NIL;
	ListCell   *lc;

	facts_access(facts, rel);
	foreach(lc, rel->grants)
	{
		Oid			role = ((FactGrant *) lfirst(lc))->role;

		if (!is_only_owner(rel, role))
			add_client(facts, rel, role, &clients);
	}
	/* A restore gives tables to their owners while they are empty. */
	if (rel->grants == NIL && facts_tree_blocks(facts, rel) > 0 && is_table(rel))
		add_client(facts, rel, rel->owner, &clients);
	return clients;
}

/* What was granted on single columns. */
static List *
column_clients(Facts *facts, FactRelation *rel)
{
	List	   *clients = NIL;
	ListCell   *lc;

	facts_access(facts, rel);
	foreach(lc, rel->column_grants)
	{
		FactGrant  *client = palloc(sizeof(FactGrant));

		memcpy(client, lfirst(lc), sizeof(FactGrant));
		client->column = pstrdup(client->column);
		client->privileges &= CLIENT_PRIVILEGES;
		if (client->privileges != 0 && (client->role == ACL_ID_PUBLIC || !has_privs_of_role(client->role, rel->owner)))
			clients = lappend(clients, client);
	}
	return clients;
}

Reliance *
reliance_take(Facts *facts, FactRelation *rel)
{
	Reliance   *reliance;

	if (rel->fresh || rel->gone || rel->is_child || rel->detached)
		return NULL;
	if (rel->kind != RELKIND_RELATION && rel->kind != RELKIND_PARTITIONED_TABLE &&
		rel->kind != RELKIND_VIEW && rel->kind != RELKIND_MATVIEW &&
		rel->kind != RELKIND_FOREIGN_TABLE && rel->kind != RELKIND_SEQUENCE)
		return NULL;

	reliance = palloc0(sizeof(Reliance));
	reliance->oid = rel->oid;
	reliance->schema = pstrdup(rel->schema);
	reliance->name = pstrdup(rel->name);
	facts_detail(facts, rel);
	if (rel->kind == RELKIND_VIEW)
		facts_view_columns(rel);
	if (rel->kind != RELKIND_SEQUENCE)
	{
		reliance->columns = reliance_columns(facts, rel);
		reliance->takes_any_row = has_default_partition(rel);
		reliance->has_rows = is_table(rel) && facts_tree_blocks(facts, rel) > 0;
		reliance->identifies_rows = identifies_rows(facts, rel);
		reliance->sequence_value = facts_sequence_value(facts, rel);
	}
	reliance->clients = reliance_clients(facts, rel);
	reliance->column_clients = column_clients(facts, rel);
	return reliance;
}

Reliance *
reliance_take_clients(Facts *facts, FactRelation *rel, List *roles)
{
	Reliance   *reliance = palloc0(sizeof(Reliance));
	ListCell   *lc;

	reliance->oid = rel->oid;
	reliance->schema = pstrdup(rel->schema);
	reliance->name = pstrdup(rel->name);
	reliance->of_clients = true;
	facts_detail(facts, rel);
	foreach(lc, roles)
	{
		if (facts_schema_usable(facts, rel->schema, lfirst_oid(lc)))
			add_client(facts, rel, lfirst_oid(lc), &reliance->clients);
	}
	return reliance;
}

Reliance *
reliance_take_nobodys(FactRelation *rel)
{
	Reliance   *reliance = palloc0(sizeof(Reliance));

	reliance->oid = rel->oid;
	reliance->schema = pstrdup(rel->schema);
	reliance->name = pstrdup(rel->name);
	reliance->nobodys = true;
	return reliance;
}

Reliance *
reliance_take_function(const char *identity)
{
	Reliance   *reliance = palloc0(sizeof(Reliance));

	reliance->identity = pstrdup(identity);
	return reliance;
}

Reliance *
reliance_take_type(Oid type)
{
	Reliance   *reliance = palloc0(sizeof(Reliance));

	reliance->identity = facts_type_identity(type);
	reliance->type = type;
	return reliance;
}

char *
reliance_object(const Reliance *reliance)
{
	if (reliance->identity != NULL)
		return reliance->identity;
	return quote_qualified_identifier(reliance->schema, reliance->name);
}

/* Do values of the promised type still go where they went?  A type made anew has another Oid. */
static bool
takes_values(const RelianceColumn *promised, const FactColumn *col)
{
	if (!OidIsValid(promised->type) || !OidIsValid(col->type) || promised->is_string ||
		promised->type == col->type ||
		strcmp(promised->type_name, format_type_extended(col->type, -1, FORMAT_TYPE_FORCE_QUALIFY)) == 0)
		return true;
	return SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(promised->type)) &&
		can_coerce_type(1, &promised->type, unconstify(Oid *, &col->type), COERCION_ASSIGNMENT);
}

static char *
column_breach(FactRelation *rel, const Reliance *reliance)
{
	ListCell   *lc;

	foreach(lc, reliance->columns)
	{
		RelianceColumn *promised = (RelianceColumn *) lfirst(lc);
		FactColumn *col = facts_column(rel, promised->name);

		if (col == NULL)
			return psprintf("%s no longer has a column %s",
							facts_name(rel), quote_identifier(promised->name));
		if (!takes_values(promised, col))
			return psprintf("statements that write or compare %s.%s as %s fail: nothing casts it to %s by itself",
							facts_name(rel), quote_identifier(col->name),
							promised->type_name, format_type_extended(col->type, -1, FORMAT_TYPE_FORCE_QUALIFY));
		if (promised->filled_in && !can_be_left_out(col))
			return psprintf("an INSERT into %s that leaves out column %s, which is filled in today, would fail",
							facts_name(rel), quote_identifier(promised->name));
		if (promised->given && !promised->filled_in && !can_be_given(col))
			return psprintf("an INSERT into %s that gives a value for column %s would fail",
							facts_name(rel), quote_identifier(promised->name));
	}
	return NULL;
}

static bool
promised_column(const Reliance *reliance, const char *name)
{
	ListCell   *lc;

	foreach(lc, reliance->columns)
	{
		RelianceColumn *promised = (RelianceColumn *) lfirst(lc);

		if (strcmp(promised->name, name) == 0)
			return !promised->unknown_yet;
	}
	return false;
}

/* A column that clients do not know, and that must be given a value. */
static char *
required_column_breach(FactRelation *rel, const Reliance *reliance, Remedy *remedy)
{
	ListCell   *lc;

	if (reliance->columns == NIL || rel->kind == RELKIND_VIEW)
		return NULL;
	foreach(lc, rel->columns)
	{
		FactColumn *col = (FactColumn *) lfirst(lc);

		if (col->dropped || can_be_left_out(col) || promised_column(reliance, col->name))
			continue;
		remedy->text = psprintf("Leave column %s its default (in Django: db_default), and drop that in a later deployment, once every running application gives the column a value.",
						   quote_identifier(col->name));
		return psprintf("running applications do not give a value for the NOT NULL column %s of %s, which has no default",
							quote_identifier(col->name), facts_name(rel));
	}
	return NULL;
}

static const char *
privilege_words(AclMode mode)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (mode & ACL_SELECT)
		appendStringInfoString(&buf, ", SELECT");
	if (mode & ACL_INSERT)
		appendStringInfoString(&buf, ", INSERT");
	if (mode & ACL_UPDATE)
		appendStringInfoString(&buf, ", UPDATE");
	if (mode & ACL_DELETE)
		appendStringInfoString(&buf, ", DELETE");
	if (mode & ACL_USAGE)
		appendStringInfoString(&buf, ", USAGE");
	return buf.data + (buf.len > 2 ? 2 : 0);
}

static const char *
role_words(Oid role)
{
	return role == ACL_ID_PUBLIC ? "PUBLIC" : quote_identifier(GetUserNameFromId(role, false));
}

/* The statement that gives back what the role lost, as far as one does. */
static char *
privilege_remedy(Facts *facts, FactRelation *rel, Oid role, AclMode lost, bool *migrated)
{
	AclMode		missing = 0;
	FactRelation *seq;

	for (AclMode bit = 1; bit <= ACL_USAGE; bit <<= 1)
	{
		if ((lost & bit) && !facts_has_privileges(facts, rel, role, bit))
			missing |= bit;
	}
	if (missing != 0)
		return psprintf("GRANT %s ON %s%s TO %s; in the same transaction.",
						privilege_words(missing), rel->kind == RELKIND_SEQUENCE ? "SEQUENCE " : "",
						facts_name(rel), role_words(role));
	seq = (lost & ACL_INSERT) ? unusable_sequence(facts, rel, role) : NULL;
	*migrated = seq != NULL && seq->of_serial;
	if (seq != NULL)
		return psprintf("GRANT USAGE ON SEQUENCE %s TO %s; in the same transaction.",
						facts_name(seq), role_words(role));
	return NULL;
}

/* What row security keeps from a role is no matter of its privileges. */
static char *
row_security_breach(FactRelation *rel, Oid role, AclMode lost, Remedy *remedy)
{
	const char *who = role == ACL_ID_PUBLIC ? "PUBLIC" : psprintf("role %s", role_words(role));

	remedy->text = psprintf("CREATE POLICY ... ON %s TO %s USING (...); in the same transaction.",
					   facts_name(rel), role_words(role));
	if (lost & ACL_SELECT)
		return psprintf("row security of %s has no policy for %s, which sees none of its rows (%s)",
						facts_name(rel), who, privilege_words(lost));
	return psprintf("row security of %s has no policy that lets %s do this: %s",
					facts_name(rel), who, privilege_words(lost));
}

static char *
client_breach(Facts *facts, FactRelation *rel, const Reliance *reliance, Remedy *remedy)
{
	ListCell   *lc;

	foreach(lc, reliance->clients)
	{
		FactGrant  *client = (FactGrant *) lfirst(lc);
		AclMode		lost;
		AclMode		hidden;

		if (client->role != ACL_ID_PUBLIC && GetUserNameFromId(client->role, true) == NULL)
			continue;
		lost = client->privileges & ~client_abilities(facts, rel, client->role);
		if (reliance->of_clients && !facts_schema_usable(facts, rel->schema, client->role))
			lost = client->privileges;
		if (lost == 0)
			continue;
		hidden = lost & CLIENT_PRIVILEGES & ~row_security_permits(facts, rel, client->role);
		if (hidden != 0)
			return row_security_breach(rel, client->role, hidden, remedy);
		remedy->text = privilege_remedy(facts, rel, client->role, lost, &remedy->migrated);
		return psprintf("%s can no longer do this on %s: %s",
						client->role == ACL_ID_PUBLIC ? "PUBLIC" : psprintf("role %s", role_words(client->role)),
						facts_name(rel), privilege_words(lost));
	}
	return NULL;
}

static char *
column_remedy(FactRelation *rel, const FactGrant *client, AclMode lost)
{
	StringInfoData grants;

	initStringInfo(&grants);
	for (AclMode bit = 1; bit <= CLIENT_PRIVILEGES; bit <<= 1)
	{
		if (lost & bit)
			appendStringInfo(&grants, "%s%s (%s)", grants.len > 0 ? ", " : "", privilege_words(bit), quote_identifier(client->column));
	}
	return psprintf("GRANT %s ON %s TO %s; in the same transaction.", grants.data, facts_name(rel), role_words(client->role));
}

/* A column that is gone is another matter. */
static char *
column_client_breach(Facts *facts, FactRelation *rel, const Reliance *reliance, Remedy *remedy)
{
	ListCell   *lc;

	foreach(lc, reliance->column_clients)
	{
		FactGrant  *client = (FactGrant *) lfirst(lc);
		AclMode		lost = 0;

		if (client->role != ACL_ID_PUBLIC && GetUserNameFromId(client->role, true) == NULL)
			continue;
		for (AclMode bit = 1; bit <= CLIENT_PRIVILEGES; bit <<= 1)
		{
			if ((client->privileges & bit) && !facts_has_column_privilege(facts, rel, client->role, client->column, bit))
				lost |= bit;
		}
		if (lost == 0)
			continue;
		remedy->text = column_remedy(rel, client, lost);
		return psprintf("%s can no longer do this with column %s of %s: %s",
						client->role == ACL_ID_PUBLIC ? "PUBLIC" : psprintf("role %s", role_words(client->role)),
						quote_identifier(client->column), facts_name(rel), privilege_words(lost));
	}
	return NULL;
}

/*
 * Another table has taken the name, and its own sequence starts before the
 * values that the old one's gave.
 */
static bool
sequence_behind(Facts *facts, FactRelation *rel, const Reliance *reliance)
{
	int64		value = facts_sequence_value(facts, rel);

	/* A table that is empty holds no key that could come twice. */
	if (rel->oid != reliance->oid && facts_tree_blocks(facts, rel) == 0)
		return false;
	return value >= 0 && value < reliance->sequence_value;
}

/* Has a table that this transaction made, and put nothing into, taken the name of one with rows? */
static bool
rows_left_behind(Facts *facts, FactRelation *rel, const Reliance *reliance)
{
	return reliance->has_rows && rel->oid != reliance->oid && rel->fresh && is_table(rel) &&
		!rel->filled && facts_tree_blocks(facts, rel) == 0;
}

/* The relation in another schema, where all its clients find it by the same bare name; or NULL. */
static FactRelation *
moved_within_reach(Facts *facts, const Reliance *reliance)
{
	FactRelation *rel = OidIsValid(reliance->oid) ? facts_by_oid(facts, reliance->oid) : NULL;
	MovedObject object;
	List	   *clients = NIL;
	ListCell   *lc;

	if (rel == NULL || rel->gone || strcmp(rel->name, reliance->name) != 0)
		return NULL;
	object = (MovedObject) {
		.classid = RelationRelationId, .name = rel->name, .owner = rel->owner,
		.from = get_namespace_oid(reliance->schema, true), .to = get_namespace_oid(rel->schema, true),
	};
	foreach(lc, reliance->clients)
		clients = lappend_oid(clients, ((FactGrant *) lfirst(lc))->role);
	return OidIsValid(object.from) && OidIsValid(object.to) && app_path_finds(&object, clients) ? rel : NULL;
}

/* Of a function or a type.  Columns that still have a type whose name another one took no longer take its values. */
static char *
named_breach(Facts *facts, const Reliance *reliance)
{
	bool		exists = OidIsValid(reliance->type) ? facts_type_exists(facts, reliance->identity) :
		facts_function_exists(facts, reliance->identity);

	if (!exists)
		return psprintf("%s no longer exists under this name", reliance->identity);
	if (OidIsValid(reliance->type) && facts_type_was_replaced(facts, reliance->identity, reliance->type))
		return psprintf("%s is another type than that of the columns which had it", reliance->identity);
	return NULL;
}

char *
reliance_breach(Facts *facts, const Reliance *reliance, Remedy *remedy)
{
	FactRelation *rel;
	char	   *breach;

	*remedy = (Remedy) {NULL};
	if (reliance->nobodys)
		return NULL;
	if (reliance->identity != NULL)
		return named_breach(facts, reliance);
	rel = facts_find_name(facts, reliance->schema, reliance->name);
	if (rel == NULL)
		rel = moved_within_reach(facts, reliance);
	/* what went or has another name was touched by what did that */
	if (rel == NULL && reliance->of_clients)
		return NULL;
	if (rel == NULL)
		return psprintf("%s no longer exists under this name", reliance_object(reliance));
	if (reliance->of_clients)
		return client_breach(facts, rel, reliance, remedy);
	if (rows_left_behind(facts, rel, reliance))
	{
		remedy->text = psprintf("CREATE VIEW %s AS ... over the table that had the name, with the grants that it has, in the same transaction; or let a table take the name that has the rows already.",
						   facts_name(rel));
		return psprintf("%s is a new table, which has none of the rows that applications find there", facts_name(rel));
	}
	facts_detail(facts, rel);
	if (rel->kind == RELKIND_VIEW)
		facts_view_columns(rel);
	if ((breach = column_breach(rel, reliance)) != NULL)
	{
		if (rel->oid != reliance->oid)
			remedy->text = psprintf("Give the new %s every column that the old one had, in the same transaction.", facts_name(rel));
		return breach;
	}
	if ((breach = required_column_breach(rel, reliance, remedy)) != NULL)
		return breach;
	if ((breach = column_client_breach(facts, rel, reliance, remedy)) != NULL)
		return breach;
	if ((breach = client_breach(facts, rel, reliance, remedy)) != NULL)
		return breach;
	if (reliance->takes_any_row && !has_default_partition(rel) && rel->kind == RELKIND_PARTITIONED_TABLE)
	{
		remedy->text = psprintf("Make partitions for the rows that it would take first, or attach a default partition to %s in the same transaction.",
						   facts_name(rel));
		return psprintf("%s has no default partition any more: an INSERT of a row that no other partition takes would fail",
						facts_name(rel));
	}
	if (reliance->columns != NIL && reliance->identifies_rows && !identifies_rows(facts, rel))
	{
		remedy->text = psprintf("ALTER TABLE %s REPLICA IDENTITY FULL; or give it a primary key, in the same transaction.",
						   facts_name(rel));
		return psprintf("%s is published and has no replica identity: every UPDATE and DELETE would fail",
						facts_name(rel));
	}
	if (reliance->columns != NIL && reliance->sequence_value > 0 &&
		sequence_behind(facts, rel, reliance))
	{
		remedy->text = psprintf("SELECT setval(pg_get_serial_sequence(%s, '<key>'), " INT64_FORMAT "); in the same transaction.",
						   quote_literal_cstr(facts_name(rel)), reliance->sequence_value);
		return psprintf("the sequence that fills in a key of %s is behind the values in use: an INSERT would meet duplicate keys",
						facts_name(rel));
	}
	return NULL;
}
