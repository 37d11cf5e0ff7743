/*-------------------------------------------------------------------------
 *
 * extension.h
 *		Whether the extension is there, and whose it is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_EXTENSION_H
#define ZDM_EXTENSION_H

/*
 * Is the extension created in this database and usable: not while an extension
 * script runs, not in binary upgrade?  Needs a transaction; takes only catalog
 * locks.
 */
extern bool extension_ready(void);

/* The role that owns the extension.  ERRCODE_UNDEFINED_OBJECT without it. */
extern Oid	extension_owner(void);

#endif							/* ZDM_EXTENSION_H */
