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

#endif							/* ZDM_RESOLUTION_H */
