/*-------------------------------------------------------------------------
 *
 * verb.h
 *		What a step can do.
 *
 * A step is a verb and its arguments.  The arguments are a struct of the verb's
 * own, kept as jsonb; the SQL is made of them when it is shown and again when it
 * is run, by the catalog of that moment.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_VERB_H
#define ZDM_VERB_H

#include "access/attnum.h"
#include "catalog/step.h"
#include "core/fields.h"

/* Whom the SQL is made for. */
typedef enum Flavour
{
	FLAVOUR_RUN,				/* the worker: what is gone is an error, or left out */
	FLAVOUR_SHOWN,				/* a reader: what is gone is "<dropped>", nothing is left out */
	FLAVOUR_SCRIPT				/* a server without the extension, on which all is there */
} Flavour;

/* What the SQL of a step is made with. */
typedef struct Making
{
	int64		migration;
	bool		back;			/* what undoes it */
	Flavour		flavour;
	List	  **definitions;	/* takes what is defined anew (DefinitionTrees *), or NULL */
	List	  **asked;			/* takes what it would define (Definition *) instead of SQL, or NULL */
} Making;

/* What must hold in a step's transaction, under its locks: else it is an error. */
typedef struct Assertion
{
	char	   *query;			/* a text that says what is in the way; NULL, or no row: nothing */
	const char *sqlstate;
	const char *message;		/* the text comes behind it */
	const char *hint;
} Assertion;

typedef struct Verb
{
	const char *name;			/* in zdm.step */
	StepAction	action;
	const Fields *args;

	/*
	 * The statements, or "" if there is nothing to do (any more); undo's when
	 * making->back.  Runs as whoever calls; what prints a user's expressions takes on
	 * the owner's identity itself.  ERRCODE_UNDEFINED_TABLE and _COLUMN if what they
	 * are about is gone.
	 */
	char	   *(*sql) (const Making *making, const void *args);

	/* What must hold before them (Assertion *).  NULL: nothing. */
	List	   *(*asserts) (const Making *making, const void *args);

	/*
	 * Have the arguments name attribute "to" of relid where they name "from";
	 * false if they do not.  NULL: never.
	 */
	bool		(*follow) (void *args, Oid relid, AttrNumber from, AttrNumber to);
} Verb;

/* The verb of that name.  ERRCODE_DATA_CORRUPTED if there is none. */
extern const Verb *verb_find(const char *name);

/* Is the verb what the step does? */
extern bool verb_is(const Step *step, const Verb *verb);

/* The step's verb, and its arguments, read when they are first asked for. */
extern const Verb *verb_of(const Step *step);
extern void *verb_args(const Step *step);

/* A step of that verb: its verb, action and arguments set in "step". */
extern void verb_set(Step *step, const Verb *verb, const void *args);

/* The jsonb of a step's arguments. */
extern char *verb_args_json(const Step *step);

/*
 * The SQL of a step on the way there, or, with "back", on the way back.  "" if
 * there is nothing to do.
 */
extern char *verb_sql(const Step *step, bool back, Flavour flavour);

/* What must hold before it is run (Assertion *). */
extern List *verb_asserts(const Step *step, bool back, Flavour flavour);

/* The SQL, and what it defines anew (list of DefinitionTrees *). */
extern char *verb_sql_to_run(const Step *step, bool back, List **definitions);

#endif							/* ZDM_VERB_H */
