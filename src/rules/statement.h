/*-------------------------------------------------------------------------
 *
 * statement.h
 *		What is known of each kind of statement, and of each subcommand of
 *		ALTER TABLE.
 *
 * One line for each, in two tables (plan/statement_table.c and
 * plan/subcommand_table.c, since a line names also what plans it): the guard,
 * zdm.check(), zdm.migrate() and the migrations in progress all ask it, and no
 * other file tells many kinds apart.  What has no line is not known: it is not
 * judged, and that is said; nor is it migrated.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STATEMENT_H
#define ZDM_STATEMENT_H

#include "rules/change.h"
#include "rules/judgement.h"
#include "parser/parse_node.h"

struct MigrationPlan;
struct Reading;					/* of plan/meaning.h */

/* Why zdm.migrate() does not take it, and what to do instead; no detail: it takes it. */
typedef struct Refusal
{
	const char *detail;
	const char *hint;
	const char *what;			/* if its own name does not say it */
} Refusal;

typedef enum StatementMakes
{
	MAKES_NOTHING,
	MAKES_RELATION,				/* of the name at .relation */
	MAKES_UNKNOWN				/* something that later statements may name, and that facts know nothing of */
} StatementMakes;

typedef struct StatementKind
{
	const char *name;			/* as it is written; NULL: there is no line */
	bool		guarded;		/* the guard judges it before it runs */
	bool		query;			/* a query, which is no utility statement */
	StatementMakes makes;

	/* The offset of the RangeVar * that it names; 0: none, or not in one place. */
	size_t		relation;
	bool		owners;			/* by it, its owner alone may alter the relation */

	/* What it does, in terms of the facts (ddl/rules.h); NULL: no harm. */
	void		(*judge) (Judgement *j, Node *stmt);

	/* What a migration in progress needs of what it alters; asked first.  NULL: nothing. */
	void		(*claims) (Judgement *j, Node *stmt);

	/* Has it an expression with one of these labels of an enum, which are too new?  NULL: no expression. */
	bool		(*uses_label) (Node *stmt, List *labels);

	/* Does PostgreSQL run it outside of transaction blocks only?  NULL: no. */
	bool		(*outside_block) (Facts *facts, Node *stmt);

	/* Does it end its transaction inside, or wait for others by design?  NULL: no. */
	bool		(*waits) (Node *stmt);

	/* Take from it what it does for the sake of others, as nobody else is there. */
	void		(*alone) (Node *stmt);

	/* Is it code, which may hold DDL of its own?  NULL: no. */
	bool		(*is_code) (Node *stmt);

	/* Is it run while code is followed (ddl/follow.h)?  NULL: it is handed to the collector. */
	bool		(*followed) (Node *stmt);

	/* The kind of migration that it states, if that is not "plain"; or what reads it into a change. */
	const char *kind;
	void		(*read) (Change *change, Node *stmt);
	Refusal		refusal;		/* what no kind has taken is refused */

	/* The expressions in it, read as PostgreSQL will (plan/meaning.h).  NULL: none. */
	void		(*meaning) (struct Reading *reading, Node *stmt);
} StatementKind;

/* The passes of ALTER TABLE in PostgreSQL, as far as their order matters. */
typedef enum SubcommandPass
{
	PASS_LAST,					/* whatever has no other */
	PASS_DROP,
	PASS_TYPE,
	PASS_ADD_COLUMN,
	PASS_COLUMN,
	PASS_CONSTRAINT
} SubcommandPass;

/* What a subcommand does to what a migration in progress may need. */
#define TOUCHES_COLUMN		0x01	/* changes the column that it names beyond what a migration can bear */
#define TOUCHES_READERS		0x02	/* takes the column away from what reads it */
#define TOUCHES_TRIGGER		0x04	/* has the trigger that it names fire less */
#define TOUCHES_TRIGGERS	0x08	/* has all triggers fire less */

typedef struct SubcommandKind
{
	const char *name;			/* as it is written; NULL: there is no line */
	SubcommandPass pass;
	bool		recurses;		/* to partitions and children */
	bool		old_column;		/* the column that it names has to be there */

	/* What it does, in terms of the facts; NULL: no harm. */
	void		(*judge) (Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
	const char *worst;			/* the rule for what it does to rows at the worst, or NULL */

	int			touches;
	const char *object;			/* what it takes away or alters by a name that a migration may count on */

	/* The kind of migration if it is alone, and not "alter_table". */
	const char *kind;
	Refusal		refusal;

	/* Has it the table written anew, and is planned with its like and no others (plan/rewrite.c)? */
	bool		anew;

	/* Is what it says of a column computed in every row, if that is generated and stored (plan/generate_column.c)? */
	bool		computes;

	/*
	 * Raise what PostgreSQL would find wrong with it when it runs.  With new
	 * columns in the statement, what names columns is left to those who know them.
	 */
	void		(*check) (const Change *change, const AlterTableCmd *cmd, bool new_columns);

	/* Add its steps to a plan; NULL: it cannot be planned by itself. */
	void		(*plan) (struct MigrationPlan *plan, Change *change, const AlterTableCmd *cmd);

	/* The word for what there is when it is done (plan/outcome.h), or NULL. */
	const char *outcome;

	/* The expression in it, for a column of that type if it names one. */
	void		(*meaning) (struct Reading *reading, ParseState *pstate, const AlterTableCmd *cmd,
							Oid type, int32 typmod);
} SubcommandKind;

/* By node tag and by subtype; what has no line is zero. */
extern const StatementKind statement_table[];
extern const int statement_table_length;
extern const SubcommandKind subcommand_table[];
extern const int subcommand_table_length;

/* The line of a statement, of a subcommand: never NULL. */
extern const StatementKind *statement_kind(const Node *stmt);
extern const SubcommandKind *subcommand_kind(const AlterTableCmd *cmd);

/* The relation that the statement names in the one place for it; NULL if none. */
extern RangeVar *statement_relation(Node *stmt);

/* The name of the column, constraint or other object that a subcommand is about; NULL if it has none. */
extern const char *subcommand_object(const AlterTableCmd *cmd);

#endif							/* ZDM_STATEMENT_H */
