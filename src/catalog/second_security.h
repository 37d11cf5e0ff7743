/*-------------------------------------------------------------------------
 *
 * second_security.h
 *		Row-level security of the table that is kept beside another.
 *
 * All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SECOND_SECURITY_H
#define ZDM_SECOND_SECURITY_H

#include "catalog/second.h"

/*
 * The hidden table, and its partitions, have row-level security if the table has it now,
 * and else as they had it by themselves.  True if second->secured is another, which is
 * to be stored.
 */
extern bool second_secure(Second *second);

/* As they had it by themselves, whatever the table has: it is to be hidden no more. */
extern bool second_expose(Second *second);

/* The same as second_secure() for all that there are, and stored. */
extern void second_secure_all(void);

#endif							/* ZDM_SECOND_SECURITY_H */
