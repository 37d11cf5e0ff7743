/*-------------------------------------------------------------------------
 *
 * trigger_name.c
 *		The name of a table's sync trigger.
 *
 * BEFORE triggers fire in the byte order of their names, and the sync trigger
 * has to see what all others left: so its name has to be the last one.  It is
 * ~zdm_sync, or, behind a trigger that sorts after that, the other one's name
 * and ~zdm_sync, since a longer name follows its own beginning.  The name is
 * therefore not known before the moment of creation, and can change when a
 * trigger is added.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "core/errors.h"
#include "core/trigger_name.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "compat.h"

#define TRIGGER_NAME "~zdm_sync"

Oid
trigger_name_function(void)
{
	return LookupFuncName(list_make2(makeString("zdm"), makeString("sync")),
						  0, NULL, true);
}

/*
 * Is it made as we make ours: for each row, before INSERT and UPDATE of any column,
 * without a condition?  Another one that runs zdm.sync() is none of ours: it does
 * not keep all rows in step.
 */
static bool
is_made_by_us(HeapTuple tuple, Relation catalog)
{
	Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);

	return form->tgtype == (TRIGGER_TYPE_ROW | TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE) &&
		form->tgattr.dim1 == 0 && heap_attisnull(tuple, Anum_pg_trigger_tgqual, RelationGetDescr(catalog));
}

/* Does it fire before a row is inserted or updated? */
static bool
fires_before_row(int16 type)
{
	return TRIGGER_FOR_ROW(type) && TRIGGER_FOR_BEFORE(type) &&
		(TRIGGER_FOR_INSERT(type) || TRIGGER_FOR_UPDATE(type));
}

typedef enum Whose
{
	OURS,
	IMPOSTORS,					/* run zdm.sync(), and are not made by us */
	OTHERS						/* that fire before a row is inserted or updated */
} Whose;

static Whose
whose(HeapTuple tuple, Relation catalog, Oid function)
{
	if (((Form_pg_trigger) GETSTRUCT(tuple))->tgfoid != function)
		return OTHERS;
	return is_made_by_us(tuple, catalog) ? OURS : IMPOSTORS;
}

/* The greatest name among relid's triggers of a kind. */
static char *
greatest_of(Oid relid, Oid function, Whose wanted)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *greatest = NULL;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);
		char	   *name = NameStr(form->tgname);

		if (whose(tuple, catalog, function) != wanted ||
			(wanted == OTHERS && !fires_before_row(form->tgtype)))
			continue;
		if (greatest == NULL || strcmp(name, greatest) > 0)
			greatest = pstrdup(name);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return greatest;
}

char *
trigger_name_find(Oid relid)
{
	Oid			function = trigger_name_function();

	if (!OidIsValid(function))
		return NULL;
	return greatest_of(relid, function, OURS);
}

/* The same, of relid and its partitions. */
static char *
greatest_of_tree(Oid relid, Whose wanted)
{
	Oid			function = trigger_name_function();
	List	   *relids = list_make1_oid(relid);
	char	   *greatest = NULL;
	ListCell   *lc;

	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		relids = find_all_inheritors(relid, NoLock, NULL);
	foreach(lc, relids)
	{
		char	   *name = greatest_of(lfirst_oid(lc), function, wanted);

		if (name && (greatest == NULL || strcmp(name, greatest) > 0))
			greatest = name;
	}
	return greatest;
}

char *
trigger_name_greatest(Oid relid)
{
	return greatest_of_tree(relid, OTHERS);
}

char *
trigger_name_later(Oid relid, const char *name)
{
	char	   *greatest = greatest_of(relid, trigger_name_function(), OTHERS);

	return greatest != NULL && strcmp(greatest, name) >= 0 ? greatest : NULL;
}

char *
trigger_name_impostor(Oid relid)
{
	return greatest_of_tree(relid, IMPOSTORS);
}

char *
trigger_name_choose(Oid relid, bool missing_ok)
{
	char	   *greatest = trigger_name_greatest(relid);
	char	   *name;

	if (greatest == NULL || strcmp(greatest, TRIGGER_NAME) < 0)
		return pstrdup(TRIGGER_NAME);
	name = psprintf("%s%s", greatest, TRIGGER_NAME);
	if (strlen(name) >= NAMEDATALEN)
		name = psprintf("%s~", greatest);
	if (strlen(name) >= NAMEDATALEN && missing_ok)
		return NULL;
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("no trigger can fire after trigger \"%s\" of table \"%s\"",
						greatest, get_rel_name(relid)),
				 errdetail("Triggers fire in the order of their names, and this one leaves no room for a later one."),
				 errhint("Rename it with ALTER TRIGGER to a name that begins with a letter.")));
	return name;
}
