/*-------------------------------------------------------------------------
 *
 * privileges.c
 *		Who may do what with a table, and who gave it to him.
 *
 * GRANT knows no other grantor than whoever runs it, and default privileges add what
 * nobody asked for: so the lists themselves change places in the catalog.  The table
 * that applications do not know is left to its owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "core/names.h"
#include "miscadmin.h"
#include "move/act.h"
#include "storage/lockdefs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "compat.h"

static Acl *
get_acl(int cache, HeapTuple tuple, AttrNumber column)
{
	bool		isnull;
	Datum		acl = SysCacheGetAttr(cache, tuple, column, &isnull);

	return isnull ? NULL : DatumGetAclPCopy(acl);
}

static void
note_members(Oid class, Oid object, AttrNumber attnum, Oid owner, const Acl *before, const Acl *after)
{
	Oid		   *old_members = NULL;
	Oid		   *new_members = NULL;
	int			n_old = before != NULL ? aclmembers(before, &old_members) : 0;
	int			n_new = after != NULL ? aclmembers(after, &new_members) : 0;

	updateAclDependencies(class, object, attnum, owner, n_old, old_members, n_new, new_members);
}

/* Give a row of a catalog the list, or none; returns what it had. */
static Acl *
put_acl(Oid catalog, int cache, AttrNumber column, HeapTuple tuple, Acl *acl)
{
	Relation	rel = table_open(catalog, RowExclusiveLock);
	int			natts = RelationGetNumberOfAttributes(rel);
	Datum	   *values = palloc0(natts * sizeof(Datum));
	bool	   *nulls = palloc0(natts * sizeof(bool));
	bool	   *replaces = palloc0(natts * sizeof(bool));
	Acl		   *before = get_acl(cache, tuple, column);
	HeapTuple	changed;

	values[column - 1] = PointerGetDatum(acl);
	nulls[column - 1] = acl == NULL;
	replaces[column - 1] = true;
	changed = heap_modify_tuple(tuple, RelationGetDescr(rel), values, nulls, replaces);
	CatalogTupleUpdate(rel, &tuple->t_self, changed);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
	return before;
}

static void
put_table(Oid relid, Acl *acl, Acl **before)
{
	HeapTuple	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));

	*before = put_acl(RelationRelationId, RELOID, Anum_pg_class_relacl, tuple, acl);
	note_members(RelationRelationId, relid, 0, identity_of(relid), *before, acl);
}

static void
put_column(Oid relid, AttrNumber attnum, Acl *acl, Acl **before)
{
	HeapTuple	tuple = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));

	*before = put_acl(AttributeRelationId, ATTNUM, Anum_pg_attribute_attacl, tuple, acl);
	note_members(RelationRelationId, relid, attnum, identity_of(relid), *before, acl);
}

/* Of the row type: who may use it in a table of his own. */
static void
put_type(Oid relid, Acl *acl, Acl **before)
{
	HeapTuple	tuple = SearchSysCacheCopy1(TYPEOID, ObjectIdGetDatum(get_rel_type_id(relid)));

	*before = put_acl(TypeRelationId, TYPEOID, Anum_pg_type_typacl, tuple, acl);
	note_members(TypeRelationId, ((Form_pg_type) GETSTRUCT(tuple))->oid, 0, identity_of(relid), *before, acl);
}

void
move_keep_private(Oid relid)
{
	Acl		   *before;

	put_table(relid, NULL, &before);
}

static void
run_table(const MoveAct *act)
{
	Acl		   *acl;
	Acl		   *before;

	put_table(act->object, NULL, &acl);
	put_table(act->other, acl, &before);
	if (act->type == 'c')
		put_table(act->object, acl, &before);
	put_type(act->object, NULL, &acl);
	put_type(act->other, acl, &before);
	if (act->type == 'c')
		put_type(act->object, acl, &before);
}

static void
run_column(const MoveAct *act)
{
	Acl		   *acl;
	Acl		   *before;

	put_column(act->object, (AttrNumber) act->sub, NULL, &acl);
	put_column(act->other, (AttrNumber) act->other_sub, acl, &before);
	if (act->type == 'c')
		put_column(act->object, (AttrNumber) act->sub, acl, &before);
}

/* As SQL, of which each part is given by who gave it. */
static char *
grants(Oid relid, const char *name, AttrNumber attnum)
{
	QuerySession session;
	char	   *sql;

	query_begin(&session);
	QUERY("SELECT string_agg(format('GRANT %s%s ON %s TO %s%s GRANTED BY %s', x.privileges, "
		  "  (SELECT format(' (%I)', attname) FROM pg_attribute WHERE attrelid = $1 AND attnum = $3), $2::text, "
		  "  CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END, "
		  "  CASE WHEN x.is_grantable AND x.grantee <> x.relowner THEN ' WITH GRANT OPTION' END, x.grantor::regrole), E';\\n' ORDER BY x.grantee, x.grantor) "
		  "FROM (SELECT a.grantee, a.grantor, a.is_grantable, c.relowner, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges "
		  "  FROM pg_class c, aclexplode(CASE $3 WHEN 0 THEN c.relacl "
		  "    ELSE (SELECT attacl FROM pg_attribute WHERE attrelid = $1 AND attnum = $3) END) a WHERE c.oid = $1 GROUP BY 1, 2, 3, 4) x",
		  arg_oid(relid), arg_text(name), arg_int2(attnum));
	sql = query_null(0, 1) ? psprintf("-- privileges of %s: none", name) : query_text(0, 1);
	query_end(&session);
	return sql;
}

static void
run_owner(const MoveAct *act)
{
	ATExecChangeOwner(act->other, identity_of(act->object), true, AccessExclusiveLock);
}

static void
add_owner(Moving *moving, const MovePair *pair)
{
	if (identity_of(pair->to) == pair->owner)
		return;
	act_add(&moving->names, &(MoveAct) {
		.sql = psprintf("ALTER TABLE %s OWNER TO %s", pair->name, quote_identifier(GetUserNameFromId(pair->owner, false))),
		.run = run_owner, .object = pair->from, .other = pair->to,
	});
}

static void
add_pair(Moving *moving, const MovePair *pair)
{
	QuerySession session;
	List	   *columns;
	ListCell   *lc;
	char		type = moving->move->copies ? 'c' : '\0';

	add_owner(moving, pair);
	query_begin(&session);
	QUERY("SELECT array_agg(attnum::oid ORDER BY attnum) FROM pg_attribute "
		  "WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attacl IS NOT NULL", arg_oid(pair->from));
	columns = query_oids(0, 1);
	query_end(&session);
	act_add(&moving->last, &(MoveAct) {
		.sql = grants(pair->from, pair->name, 0), .run = run_table, .object = pair->from, .other = pair->to,
		.type = type,
	});
	foreach(lc, columns)
	{
		AttrNumber	attnum = (AttrNumber) lfirst_oid(lc);

		if (act_column_goes(moving, pair->from, attnum, pair->to))
			continue;
		act_add(&moving->last, &(MoveAct) {
			.sql = grants(pair->from, pair->name, attnum), .run = run_column,
			.type = type, .object = pair->from, .sub = attnum, .other = pair->to, .other_sub = act_column(pair->from, attnum, pair->to),
		});
	}
}

const MovePart move_privileges = {.pair = add_pair};
