/*-------------------------------------------------------------------------
 *
 * extension.h
 *		Whether the extension is there, and acting as its owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_EXTENSION_H
#define ZDM_EXTENSION_H

/* What extension_become() must give back. */
typedef struct ExtensionIdentity
{
	Oid			userid;
	int			sec_context;
	int			guc_nestlevel;
} ExtensionIdentity;

/*
 * Is the extension created in this database and usable: not while an extension
 * script runs, not in binary upgrade?  Needs a transaction; takes only catalog
 * locks.
 */
extern bool extension_ready(void);

/* The role that owns the extension.  ERRCODE_UNDEFINED_OBJECT without it. */
extern Oid	extension_owner(void);

/*
 * Act as "role", in a security-restricted operation, and read as below.  On
 * error the transaction's abort restores all of it; otherwise call
 * extension_restore() with the same argument, in order.
 */
extern void extension_become(Oid role, ExtensionIdentity *saved);
extern void extension_restore(ExtensionIdentity *saved);

/*
 * Have stored SQL, and the extension's own, mean the same in every session:
 * with search_path pinned to pg_catalog, pg_temp, and plain string constants,
 * arrays and XML read in one way.  What PostgreSQL deparses is then written to
 * be read so.  Within a GUC nest level, until its end.
 */
extern void extension_pin_reading(void);

/*
 * Have constants written in the forms that every session reads back the same,
 * whatever its own DateStyle is.  Within a GUC nest level, until its end.
 */
extern void extension_pin_formats(void);

#endif							/* ZDM_EXTENSION_H */
