/*-------------------------------------------------------------------------
 *
 * definition.h
 *		What hangs on a column as it is defined when it is moved.
 *
 * All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DEFINITION_H
#define ZDM_DEFINITION_H

#include "column/column.h"

typedef enum DefinitionKind
{
	DEFINITION_TRIGGER_DROP,	/* oid: of its table; name */
	DEFINITION_TRIGGER_CREATE,
	DEFINITION_RULE_DROP,		/* the same */
	DEFINITION_RULE_CREATE,
	DEFINITION_POLICY,			/* the same */
	DEFINITION_GENERATED,		/* the same, of a virtual generated column */
	DEFINITION_PUBLICATION_DROP,	/* oid: of the publication */
	DEFINITION_PUBLICATION_ADD,
	DEFINITION_FUNCTION,		/* oid: its own */
	DEFINITION_VIEW_CREATE,		/* name: qualified and quoted */
	DEFINITION_VIEW_REPLACE,	/* the same */
	DEFINITION_VIEW_OPTIONS,	/* the same */
	DEFINITION_VIEW_PROPERTIES	/* the same; all else that it has */
#define DEFINITION_LAST DEFINITION_VIEW_PROPERTIES
} DefinitionKind;

/* An object of the catalog, by its own or its table's Oid, or by a name. */
typedef struct Definition
{
	DefinitionKind kind;
	Oid			oid;
	char	   *name;
} Definition;

/* What such an object was before an exchange; used while it still is what that made of it. */
typedef struct DefinitionNote
{
	int			kind;
	Oid			oid;
	char	   *name;
	int64		hash;			/* of what the exchange made of it */
	char	   *sql;			/* before */
} DefinitionNote;

/*
 * Append the statements that drop an object of the old column, make it again or
 * alter it in place, on the way "forward" or back.  Nothing if it is no longer
 * there, or if it is about the column that is to be in charge already and not
 * about the one that was.
 */
extern void definition_append(StringInfo sql, const Making *making, const TwinArgs *twin, bool forward,
							  const Definition *definition);

/* In dependent.c: what is made again by its definition hangs on the column. */
extern ColumnDependent *dependent_add(Column *column, const char *description, DefinitionKind definition,
									  Oid oid, const char *name);

/*
 * The query of the view of that qualified, quoted name, without a semicolon.  If
 * there is none, ERRCODE_WRONG_OBJECT_TYPE, or "<dropped>" for who only reads.
 */
extern char *definition_of_view(const Making *making, const char *name);

/* Statements that a step makes an object of the catalog again with. */
typedef struct DefinitionTrees
{
	char	   *sql;			/* them */
	List	   *trees;			/* what is in them, as it is resolved there now (char *) */
} DefinitionTrees;

/*
 * Before an exchange that changes the type: what the objects that its way back moves
 * are now (list of DefinitionNote *).  After it: note them with the step's arguments,
 * to go back to exactly that, with each object that nobody has changed in between.
 */
extern List *definition_before(const Step *step);
extern void definition_remember(const Step *step, List *before);

#endif							/* ZDM_DEFINITION_H */
