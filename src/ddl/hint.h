/*-------------------------------------------------------------------------
 *
 * hint.h
 *		Hints that name the zdm.migrate() call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_HINT_H
#define ZDM_HINT_H

#include "nodes/pg_list.h"

/*
 * Where zdm.migrate() can carry out the statement "sql", which the findings (a
 * list of Finding) are about, its call becomes the hint of each that is unsafe
 * for what the statement does, unless all of them name the same call of another
 * zdm function.  Asks for a plan only if there is such a finding.  Needs a
 * transaction; leaves no lock.
 */
extern void hint_migrate(List *findings, const char *sql);

#endif							/* ZDM_HINT_H */
