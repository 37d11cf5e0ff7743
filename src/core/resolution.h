/*-------------------------------------------------------------------------
 *
 * resolution.h
 *		What an expression was found to mean, kept beside its text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_RESOLUTION_H
#define ZDM_RESOLUTION_H

#include "nodes/nodes.h"
#include "nodes/pg_list.h"

/*
 * The stored form of a tree, with what it calls.  What is temporary in it is
 * ERRCODE_FEATURE_NOT_SUPPORTED: no other session has it.
 */
extern char *resolution_write(Node *tree);

/*
 * The tree back.  NULL if it was stored by another server, of which this one is the
 * upgrade: then its text, analysed, is to be given to resolution_check().
 * ERRCODE_UNDEFINED_OBJECT if something that it calls is gone;
 * ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, from the check, if the text ("what", in
 * the message) calls something now that it did not call when it was stated.
 */
extern Node *resolution_read(const char *stored);
extern void resolution_check(const char *stored, Node *now, const char *what);

/* One thing that a tree can call. */
#define CALL_FUNCTION 'f'
#define CALL_OPERATOR 'o'
#define CALL_CAST 'c'
#define CALL_TYPE 't'

/* How a function or an operator is written down; NULL if it is gone, or of this session alone. */
extern char *resolution_call(char kind, Oid oid);
extern char *resolution_cast(Oid cast, Oid source, Oid target);

/* The server that such names are of: what a list of them begins with. */
extern char *resolution_stamp(void);

/*
 * What the tree calls of what users have made: functions, operators and casts (char *).
 * ERRCODE_FEATURE_NOT_SUPPORTED as above.
 */
extern List *resolution_calls(Node *tree);

/*
 * Raise ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE if something is called that is not
 * in "known", a stamp and all that there was of the names in the text when the
 * migration was stated; or if of those that have the name of what is called one has
 * gone since, as that one may have been meant.  "statement" is for the message.
 */
extern void resolution_compare(List *known, List *calls, const char *statement, int64 migration);

#endif							/* ZDM_RESOLUTION_H */
