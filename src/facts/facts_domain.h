/*-------------------------------------------------------------------------
 *
 * facts_domain.h
 *		What a domain demands, said of a column.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FACTS_DOMAIN_H
#define ZDM_FACTS_DOMAIN_H

#include "nodes/pg_list.h"

/* The conditions of its CHECKs, and of those of domains that it is over, for that column (char *). */
extern List *facts_domain_conditions(Oid type, const char *column);

#endif							/* ZDM_FACTS_DOMAIN_H */
