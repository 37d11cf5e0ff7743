/*-------------------------------------------------------------------------
 *
 * trigger_name.h
 *		The name of a table's sync trigger.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TRIGGER_NAME_H
#define ZDM_TRIGGER_NAME_H

/* zdm.sync(), which it runs; InvalidOid if there is none. */
extern Oid	trigger_name_function(void);

/*
 * The name of relid's trigger that runs zdm.sync and is made as we make it, enabled
 * or not; NULL if it has none.  Needs a transaction; takes catalog locks only.
 */
extern char *trigger_name_find(Oid relid);

/*
 * The greatest of those of relid alone, if it fires after one of that name; else
 * NULL.
 */
extern char *trigger_name_later(Oid relid, const char *name);

/*
 * A trigger of relid or one of its partitions that runs zdm.sync otherwise, for
 * other events, with a condition or by statement; NULL if there is none.
 */
extern char *trigger_name_impostor(Oid relid);

/*
 * The greatest name of the other BEFORE ROW triggers for INSERT or UPDATE on
 * relid and its partitions; NULL if there are none.
 */
extern char *trigger_name_greatest(Oid relid);

/*
 * A name that sorts after all of those.  ERRCODE_FEATURE_NOT_SUPPORTED if a
 * trigger's name leaves no room for one, or with missing_ok NULL.
 */
extern char *trigger_name_choose(Oid relid, bool missing_ok);

#endif							/* ZDM_TRIGGER_NAME_H */
