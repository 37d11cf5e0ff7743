/*-------------------------------------------------------------------------
 *
 * ddl.h
 *		A change stated as DDL, for whoever does not carry it out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_API_DDL_H
#define ZDM_API_DDL_H

#include "ddl/change.h"

/*
 * The change that a statement states, with the right to make it; neither checked
 * against other migrations nor resolved.  Positions in errors are those in "ddl".
 */
extern Change *ddl_read_change(char *ddl, const char *up, const char *down);

#endif							/* ZDM_API_DDL_H */
