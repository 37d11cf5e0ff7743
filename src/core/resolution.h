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
 * What a tree (an analysed expression, or a Query) calls: functions, operators and
 * the types that it makes values of, each once, as strings.  Temporary ones are
 * ERRCODE_FEATURE_NOT_SUPPORTED: no other session has them.
 */
extern List *resolution_calls(Node *tree);

/*
 * Is all of what a text calls now among what it called when it was stated?
 * ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE names both otherwise; "what" is how
 * the message calls the text.
 */
extern void resolution_compare(List *stated, List *now, const char *what);

/* The stored form of a tree, with what it calls. */
extern char *resolution_write(Node *tree);

/*
 * The tree back.  NULL if it was stored by another server, of which this one is the
 * upgrade: then its text, analysed, is to be given to resolution_check().
 * ERRCODE_UNDEFINED_OBJECT if something that it calls is gone.
 */
extern Node *resolution_read(const char *stored);
extern void resolution_check(const char *stored, Node *now, const char *what);

#endif							/* ZDM_RESOLUTION_H */
