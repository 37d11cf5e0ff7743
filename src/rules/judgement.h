/*-------------------------------------------------------------------------
 *
 * judgement.h
 *		What is found of one statement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_JUDGEMENT_H
#define ZDM_JUDGEMENT_H

#include "facts/facts.h"
#include "facts/reliance.h"

#define RULE_TABLE_REWRITE			"table-rewrite"
#define RULE_SCAN_UNDER_LOCK		"scan-under-lock"
#define RULE_INDEX_NOT_CONCURRENT	"index-not-concurrent"
#define RULE_BREAKS_CLIENTS			"breaks-clients"
#define RULE_LOCKS_HELD				"locks-held-in-transaction"
#define RULE_MIGRATION				"migration-in-progress"
#define RULE_WOULD_FAIL				"would-fail"
#define RULE_STRONG_LOCK			"strong-lock"
#define RULE_PREPARED				"prepared-statements"
#define RULE_STATISTICS				"statistics-lost"
#define RULE_NOT_JUDGED				"not-judged"

typedef struct Finding
{
	const char *rule;
	bool		unsafe;			/* else a caution */
	bool		mended;			/* a call in place of the statement would mend it */
	char	   *object;			/* the relation or other object, quoted */
	LOCKMODE	lock;			/* NoLock when no lock matters */
	char	   *detail;
	char	   *hint;			/* by hand; of a call, only what hint.c has tried */
	char	   *apart;			/* what the statement does to this table alone, or NULL */
	char	   *needed_by;		/* "migration 7", or NULL */
	struct RuleReliance *breach;	/* the reliance that does not hold, or NULL */
} Finding;

typedef enum WorkKind
{
	WORK_REWRITE,
	WORK_SCAN,
	WORK_INDEX,
	WORK_QUERY					/* a query inside the statement */
} WorkKind;

typedef struct TakenLock
{
	FactRelation *rel;
	LOCKMODE	mode;
} TakenLock;

typedef struct RuleWork
{
	WorkKind	kind;
	FactRelation *rel;
	double		blocks;
	char	   *what;			/* the work in words: "rewrite of ..." */
	char	   *hint;
	char	   *apart;			/* the statement that says this of the one table alone, or NULL */
} RuleWork;

typedef struct RuleReliance
{
	Reliance   *reliance;
	const char *hint;
	const char *call;			/* the zdm call that was tried in the statement's place, or NULL */
	const char *statement;		/* which was found to break it at once, or NULL */
} RuleReliance;

/*
 * Finds an existing relation that the transaction's earlier statements keep
 * others from; NULL if there is none.  Asked only when the answer matters: a
 * transaction that restores a database holds thousands of locks.
 */
typedef FactRelation *(*HeldFinder) (Facts *facts, LOCKMODE *mode);

/* One statement under judgement. */
typedef struct Judgement
{
	Facts	   *facts;
	const char *sql;			/* the statement's text, for hints */
	HeldFinder	find_held;
	bool		held_known;		/* the finder was asked: */
	LOCKMODE	strong_held;	/* a strong lock that is held already, or NoLock */
	char	   *strong_on;		/* on which existing table */
	List	   *subcommands;	/* AlterTableCmd: of the ALTER TABLE */
	List	   *locks;			/* TakenLock */
	List	   *works;			/* RuleWork */
	bool		one_by_one;		/* the works' locks are given back before the next one's are taken */
	List	   *reliances;		/* RuleReliance */
	List	   *findings;		/* Finding */
	List	   *calls;			/* char *: see rules_call() */
	List	   *more_calls;		/* char *: what has to be stated along with it */
	bool		calls_first;	/* they come before the statement, and not in its place */
	bool		then_passes;	/* and once they are done, the statement passes itself */
	bool		no_call;		/* whatever a call would name goes with the refusal */
	char	   *aside;			/* a comment in SQL that follows the hint, or NULL */
} Judgement;

#endif							/* ZDM_JUDGEMENT_H */
