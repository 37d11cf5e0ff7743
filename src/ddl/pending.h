/*-------------------------------------------------------------------------
 *
 * pending.h
 *		What the guard looks at again at the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PENDING_H
#define ZDM_PENDING_H

#include "access/xact.h"
#include "rules/rules.h"

/* What earlier statements of the transaction left to be looked at. */
typedef struct Pending
{
	List	   *reliances;		/* RuleReliance */
	List	   *labels;			/* strings added to enums */
	List	   *columns;		/* as facts_note_column() notes them */
} Pending;

extern const Pending *pending_get(void);

/* Has the judgement of a statement more to look at than is known already? */
extern bool pending_is_more(const Judgement *judgement);

/* Take it over.  What it points to must live as long as the transaction. */
extern void pending_add(const Judgement *judgement);

/* Forget all of it: at the end of the transaction. */
extern void pending_clear(void);

/* To be called at each event of a subtransaction: one that is rolled back leaves nothing to look at. */
extern void pending_subtransaction(SubXactEvent event);

#endif							/* ZDM_PENDING_H */
