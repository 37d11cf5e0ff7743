/*-------------------------------------------------------------------------
 *
 * citus.c
 *		Do the rows of this table live where we look?
 *
 * A table that Citus distributes is, on this server, an empty shell: a backfill
 * of it would find nothing and be complete, and a trigger knows nothing of the
 * rows.  A shard is a table like any other to PostgreSQL, and changed on its own
 * makes Citus read wrong values.  So neither is a table of ours.  Citus is found
 * by its catalogs alone: nothing of it is linked, included or called.
 *
 * What Citus itself carries to the shards (an index, a constraint that is
 * validated by PostgreSQL, a column that needs no filling) stays allowed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "core/citus.h"
#include "core/names.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "compat.h"

#define TABLE_CATALOG	"pg_dist_partition"
#define SHARD_CATALOG	"pg_dist_shard"
#define GROUP_CATALOG	"pg_dist_local_group"
#define NODE_CATALOG	"pg_dist_node"

/* A catalog of Citus, wherever this release of it keeps them; InvalidOid if there is none. */
static Oid
catalog_oid(const char *name)
{
	Oid			relid = get_relname_relid(name, PG_CATALOG_NAMESPACE);
	Oid			namespace;

	if (OidIsValid(relid))
		return relid;
	namespace = get_namespace_oid("citus", true);
	return OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;
}

typedef bool (*RowFound) (HeapTuple tuple, TupleDesc desc, void *arg);

/*
 * Calls "found" for the rows whose column is the value (of type oid, integer or
 * bigint), until it says true.  False if no row is, or the catalog or column is
 * not there.
 */
static bool
find_row(const char *name, const char *column, RegProcedure equal, Datum value, RowFound found, void *arg)
{
	Oid			relid = catalog_oid(name);
	AttrNumber	attnum = OidIsValid(relid) ? get_attnum(relid, column) : InvalidAttrNumber;
	Relation	relation;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	bool		done = false;

	if (attnum == InvalidAttrNumber)
		return false;
	relation = table_open(relid, AccessShareLock);
	ScanKeyInit(&key, attnum, BTEqualStrategyNumber, equal, value);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 1, &key);
	while (!done && HeapTupleIsValid(tuple = systable_getnext(scan)))
		done = found(tuple, RelationGetDescr(relation), arg);
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return done;
}

/* A column of a row by its name; the null Datum where it has none. */
static Datum
column_of(HeapTuple tuple, TupleDesc desc, const char *name, bool *isnull)
{
	*isnull = true;
	for (int i = 0; i < desc->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return heap_getattr(tuple, i + 1, desc, isnull);
	}
	return (Datum) 0;
}

static bool
read_kind(HeapTuple tuple, TupleDesc desc, void *arg)
{
	bool		isnull;
	Datum		method = column_of(tuple, desc, "partmethod", &isnull);
	bool		by_key = !isnull && DatumGetChar(method) != 'n';
	Datum		model = column_of(tuple, desc, "repmodel", &isnull);
	bool		everywhere = !isnull && DatumGetChar(model) == 't';
	Datum		colocation = column_of(tuple, desc, "colocationid", &isnull);
	bool		colocated = !isnull && DatumGetInt32(colocation) != 0;

	*(CitusKind *) arg = by_key ? CITUS_DISTRIBUTED : everywhere ? CITUS_REFERENCE :
		colocated ? CITUS_DISTRIBUTED : CITUS_LOCAL;
	return true;
}

static bool
read_table(HeapTuple tuple, TupleDesc desc, void *arg)
{
	bool		isnull;
	Datum		relid = column_of(tuple, desc, "logicalrelid", &isnull);

	*(Oid *) arg = isnull ? InvalidOid : DatumGetObjectId(relid);
	return !isnull;
}

static bool
read_node(HeapTuple tuple, TupleDesc desc, void *arg)
{
	bool		isnull;
	Datum		name = column_of(tuple, desc, "nodename", &isnull);
	Datum		port;

	if (isnull)
		return false;
	port = column_of(tuple, desc, "nodeport", &isnull);
	*(char **) arg = isnull ? TextDatumGetCString(name) :
		psprintf("%s:%d", TextDatumGetCString(name), DatumGetInt32(port));
	return true;
}

static bool
any_row(HeapTuple tuple, TupleDesc desc, void *arg)
{
	return true;
}

/* The table whose shard this is: a shard is called after it, with the shard's id behind. */
static Oid
table_of_shard(Oid relid)
{
	const char *name = get_rel_name(relid);
	const char *digits = name ? strrchr(name, '_') : NULL;
	char	   *end;
	int64		id;
	Oid			table = InvalidOid;

	if (digits == NULL || digits[1] < '1' || digits[1] > '9')
		return InvalidOid;
	id = strtoll(digits + 1, &end, 10);
	if (*end != '\0' ||
		!find_row(SHARD_CATALOG, "shardid", F_INT8EQ, Int64GetDatum(id), read_table, &table) ||
		table == relid || get_rel_namespace(table) != get_rel_namespace(relid))
		return InvalidOid;
	return table;
}

CitusKind
citus_kind(Oid relid, Oid *table)
{
	CitusKind	kind = CITUS_NONE;

	*table = relid;
	if (!OidIsValid(catalog_oid(TABLE_CATALOG)))
		return CITUS_NONE;
	if (find_row(TABLE_CATALOG, "logicalrelid", F_OIDEQ, ObjectIdGetDatum(relid), read_kind, &kind))
		return find_row(GROUP_CATALOG, "groupid", F_INT4NE, Int32GetDatum(0), any_row, NULL) ?
			CITUS_SHELL : kind;
	*table = table_of_shard(relid);
	if (OidIsValid(*table))
		return CITUS_SHARD;
	*table = relid;
	return CITUS_NONE;
}

const char *
citus_kind_name(CitusKind kind)
{
	switch (kind)
	{
		case CITUS_NONE:
			return NULL;
		case CITUS_DISTRIBUTED:
			return "a distributed table of Citus";
		case CITUS_REFERENCE:
			return "a reference table of Citus";
		case CITUS_LOCAL:
			return "a local table in the metadata of Citus";
		case CITUS_SHELL:
			return "the shell of a table of Citus on a worker";
		case CITUS_SHARD:
			return "a shard of Citus";
	}
	return NULL;
}

char *
citus_coordinator(void)
{
	char	   *node = NULL;

	if (find_row(NODE_CATALOG, "groupid", F_INT4EQ, Int32GetDatum(0), read_node, &node))
		return psprintf("on the coordinator (%s)", node);
	return pstrdup("on the coordinator");
}

bool
citus_carries(const char *kind)
{
	static const char *const carried[] = {
		"create_index", "drop_index", "reindex", "add_constraint", "add_column"
	};

	for (int i = 0; kind != NULL && i < lengthof(carried); i++)
	{
		if (strcmp(carried[i], kind) == 0)
			return true;
	}
	return false;
}

/* Citus goes by the same sign.  It can be forged, but what it lifts is no fence against malice. */
bool
citus_own_session(void)
{
	static const char *const prefixes[] = {
		"citus_internal gpid=", "citus_rebalancer gpid=", "citus_run_command gpid="
	};

	for (int i = 0; application_name != NULL && i < lengthof(prefixes); i++)
	{
		if (strncmp(application_name, prefixes[i], strlen(prefixes[i])) == 0)
			return OidIsValid(catalog_oid(TABLE_CATALOG));
	}
	return false;
}

void
citus_check(Oid relid, const char *kind)
{
	Oid			table;
	CitusKind	found = citus_kind(relid, &table);

	if (found == CITUS_NONE)
		return;
	if (found == CITUS_SHARD || found == CITUS_SHELL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is %s: its table is %s %s", names_relation(relid), citus_kind_name(found),
						names_relation(table), citus_coordinator()),
				 errdetail("Changed on this node alone, it would no longer be what Citus takes it for."),
				 errhint("Make the change %s, of %s.", citus_coordinator(), names_relation(table))));
	if (!citus_carries(kind))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is %s: its rows are not where a migration would work on them",
						names_relation(relid), citus_kind_name(found)),
				 errdetail("Of such a table zdm.migrate() does what Citus carries to the shards: indexes, UNIQUE, CHECK and FOREIGN KEY constraints, columns with a constant default."),
				 errhint("SELECT undistribute_table(%s); makes it a plain table again.",
						 quote_literal_cstr(names_relation(relid)))));
}

void
citus_let_drop_trigger(Oid relid)
{
	Oid			table;

	if (citus_kind(relid, &table) != CITUS_NONE)
		(void) set_config_option("citus.enable_unsafe_triggers", "on", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}
