/*-------------------------------------------------------------------------
 *
 * reference.h
 *		A foreign key as the catalog has it, and as the arguments of what makes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_REFERENCE_H
#define ZDM_REFERENCE_H

#include "column/column.h"
#include "verbs/verbs.h"

/* The column that is to take the place of "from". */
typedef struct Substitute
{
	Oid			relid;
	AttrNumber	from;			/* InvalidAttrNumber: none is replaced */
	List	   *to;				/* an expression */
} Substitute;

/* As it is now; NULL if it is gone.  "period" is set if it has one.  Needs a transaction. */
extern ColumnForeignKey *reference_read(Oid constraint, bool *period);

/* Expressions: the columns, with the substitute in its place. */
extern List *reference_columns(Oid relid, List *attnums, const Substitute *substitute);

/* The table itself, which comes after all its partitions. */
extern ForeignKeyMember *reference_root(const ColumnForeignKey *fk);

/* The table that the member must be a partition of, if it is not that itself. */
extern Oid	reference_member_root(const ColumnForeignKey *fk, const ForeignKeyMember *member);

/* The constraint of a member, under a name. */
extern ForeignKeyArgs reference_member_args(const ColumnForeignKey *fk, const ForeignKeyMember *member,
											const char *name, const Substitute *substitute);

/* The same of the table itself, if it is not partitioned. */
extern ForeignKeyArgs reference_args(const ColumnForeignKey *fk, const char *name,
									 const Substitute *substitute);

/* Have it name attribute "to" of relid where it names "from"; false if it does not. */
extern bool reference_follow(ColumnForeignKey *fk, Oid relid, AttrNumber from, AttrNumber to);

#endif							/* ZDM_REFERENCE_H */
