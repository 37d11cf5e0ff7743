/*-------------------------------------------------------------------------
 *
 * reliance.h
 *		What running applications count on of a relation.
 *
 * A reliance is taken before a statement touches a relation and looked at
 * again afterwards: at once for a statement on its own, at the end of the
 * transaction otherwise, since a view that is dropped and made again, with its
 * grants, in one transaction harms nobody.  One comparison thus covers renames,
 * drops, revokes, row security, publications and columns that an INSERT can no
 * longer do without.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_RELIANCE_H
#define ZDM_RELIANCE_H

#include "facts/facts.h"

typedef struct Reliance
{
	Oid			oid;			/* the relation that it was taken from */
	char	   *schema;
	char	   *name;
	char	   *identity;		/* of a function or a type; then nothing else is set but */
	Oid			type;			/* the type that had the name; InvalidOid for a function */
	bool		nobodys;		/* no application counts on it: a partition until now */
	bool		of_clients;		/* nothing counts but what its clients can do */
	List	   *columns;		/* RelianceColumn */
	List	   *clients;		/* FactGrant: role and what it can really do */
	List	   *column_clients; /* FactGrant: what a role can do with one column */
	bool		identifies_rows;	/* published UPDATE and DELETE work */
	bool		takes_any_row;	/* it has a default partition */
	bool		has_rows;		/* it is a table, and not an empty one */
	int64		sequence_value; /* the largest value its own sequences gave, or -1 */
} Reliance;

/*
 * The reliance of a relation, in the current memory context; NULL when no
 * application can depend on it: a temporary relation, one made by this text or
 * transaction, a partition, an index.
 */
extern Reliance *reliance_take(Facts *facts, FactRelation *rel);

/* What these roles (Oids) can do with the relation, by the privileges of others, too. */
extern Reliance *reliance_take_clients(Facts *facts, FactRelation *rel, List *roles);

/* That of a partition which is detached: what becomes of it breaks nothing. */
extern Reliance *reliance_take_nobodys(FactRelation *rel);

/* The reliance of a function: that it is there. */
extern Reliance *reliance_take_function(const char *identity);

/* That of a type: that there is one of its name, and of its kind where columns have it. */
extern Reliance *reliance_take_type(Oid type);

/* Would row security hide every row of the relation from the role, did it not bypass it? */
extern bool reliance_hides_rows(Facts *facts, FactRelation *rel, Oid role);

/* What the reliance is about, as a user writes it. */
extern char *reliance_object(const Reliance *reliance);

/* What mends just one breach, where something does; and does zdm.migrate() see to it by itself? */
typedef struct Remedy
{
	char	   *text;
	bool		migrated;
} Remedy;

/*
 * Why the reliance no longer holds, as a sentence in the current memory
 * context; NULL when it does.
 */
extern char *reliance_breach(Facts *facts, const Reliance *reliance, Remedy *remedy);

#endif							/* ZDM_RELIANCE_H */
