/*-------------------------------------------------------------------------
 *
 * in_place.h
 *		A column's type that is changed where it stands: what hangs on it keeps its
 *		meaning.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_IN_PLACE_H
#define ZDM_IN_PLACE_H

#include "catalog/step.h"

/*
 * The texts that PostgreSQL will read again when it runs the step; "" if it is no such
 * one.  Needs a transaction.
 */
extern char *in_place_texts(const Step *step);

/*
 * Directly before the step is run, and after: raise
 * ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE if one of these texts could mean, or means,
 * something that was not there when the migration was stated.
 */
extern void in_place_check_before(const Step *step);
extern void in_place_check_after(const Step *step);

#endif							/* ZDM_IN_PLACE_H */
