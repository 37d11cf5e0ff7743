/*-------------------------------------------------------------------------
 *
 * script.h
 *		A plan as files of plain SQL, for servers without the extension.
 *
 * The plan is the one that a worker would carry out; here its steps become text.
 * Each file is a row of blocks, one a step, and each block notes that it is done
 * in the transaction that does it, in a small table of the change's own: so a file
 * can be run again from its beginning, wherever it has stopped.
 *
 * This room knows no kind of migration.  It reads a plan's steps (statement.c),
 * its pair of columns (value.c), and nothing of who made them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SCRIPT_H
#define ZDM_SCRIPT_H

#include "draft/draft.h"
#include "lib/stringinfo.h"
#include "rules/change.h"
#include "utils/elog.h"
#include "verbs/first_partition.h"
#include "verbs/sql.h"

/* The files, in the order in which they are run; the way back is last. */
typedef enum ScriptPart
{
	PART_EXPAND,
	PART_BACKFILL,
	PART_VERIFY,
	PART_CUTOVER,
	PART_CONTRACT,
	PART_REVERT
#define SCRIPT_PARTS (PART_REVERT + 1)
} ScriptPart;

typedef struct ScriptStyle ScriptStyle;

typedef struct ScriptOptions
{
	int			target;			/* major version */
	const ScriptStyle *style;
	int64		size;			/* bytes of the table there, -1: as here */
	int64		rows;			/* -1: as here */
	int64		writes;			/* a second, -1: not known */
} ScriptOptions;

/*
 * One thing that is done, and noted when it is: the body of a DO block, or a
 * statement that refuses a transaction.
 */
typedef struct ScriptPiece
{
	ScriptPart	part;
	const Step *step;			/* NULL: no step of the plan stands for it */
	char	   *title;			/* one line */
	char	   *body;			/* or NULL */
	struct ScriptBlock *alone;	/* what the statement is made of (toplevel.c), if there is no body */
	char	   *index;			/* that it makes, or NULL; not quoted */
} ScriptPiece;

typedef struct ScriptFile
{
	char	   *name;
	char	   *body;
} ScriptFile;

typedef struct Script
{
	const MigrationPlan *plan;
	const Change *change;
	ScriptOptions options;
	Oid			subject;		/* the table, or what else it is about; InvalidOid: no relation */
	char	   *table;			/* qualified and quoted, like the next two */
	char	   *state;			/* the small table */
	char	   *function;		/* of the trigger, without parentheses */
	char	   *trigger;		/* quoted */
	const Pair *pair;			/* or NULL: nothing is kept in step */
	char	   *old_name;		/* the pair's columns before the exchange */
	char	   *new_name;
	bool		exchanges;		/* they exchange their names then */
	bool		up_can_fail;
	char	   *stamp;			/* UTC, as versions of migration tools are numbered */
	char	   *word;			/* the table's name, as far as a file's name can hold it */
	const ErrorData *reason;	/* there are no such files, or NULL */
	List	   *pieces;			/* ScriptPiece *, by part, in the order in which they are done */
} Script;

/* How the pieces become files. */
struct ScriptStyle
{
	const char *name;
	const char *file;			/* of a part, with {part}, {stamp}, {word}, {number}, {name} */
	const char *back;			/* the same of the way back */
	const char *how;			/* the files are run, as the header says it */
	bool		own_lock;		/* nobody else keeps two sessions from running a change at once */
	List	   *(*write) (const Script *script);	/* ScriptFile * */
};

/* The style of that name.  ERRCODE_INVALID_PARAMETER_VALUE if there is none. */
extern const ScriptStyle *style_find(const char *name);

/* What the part is called in this style: a file's name. */
extern char *style_file(const Script *script, ScriptPart part);

/* One more file of a list. */
extern List *style_add_file(List *files, char *name, char *body);

/* Are there pieces of the part? */
extern bool style_has_part(const Script *script, ScriptPart part);

/* The piece's statements, each for a client that knows nothing but SQL (char *, without semicolons). */
extern List *style_statements(const Script *script, const ScriptPiece *piece);

/*
 * A statement that gives the session the files' settings, and keeps its own; and with "back"
 * the one that gives it its own again.
 */
extern char *style_settings(const Script *script, bool back);

extern const ScriptStyle style_psql;
extern const ScriptStyle style_flyway;
extern const ScriptStyle style_liquibase;
extern const ScriptStyle style_markdown;

/* The change as files (list of ScriptFile *). */
extern List *script_files(const MigrationPlan *plan, const Change *change,
						  const ScriptOptions *options);

/* A number of its own for a change, from what it says: names are made from it. */
extern int64 script_number(Oid relid, const char *definition);

/* In text.c: templates of SQL with {names}. */
extern void script_put(StringInfo buf, const char *text, const char *const *values);

#define PUT(buf, text, ...) \
	script_put(buf, text, (const char *const[]) {__VA_ARGS__, NULL})

/* In statement.c: what a step runs as plain SQL, "" if it runs nothing. */
extern char *script_statement(const Step *step);
extern char *script_undo(const Step *step);

/*
 * In older.c: raises ERRCODE_FEATURE_NOT_SUPPORTED if the statements hold what the target,
 * older than this server, does not know.
 */
extern void older_look(const char *sql);

/* In value.c: expressions over a row; "row" is "NEW." or "t.". */
extern char *script_column(const Script *script, bool new_side, bool switched, const char *row);
extern char *script_value(const Script *script, bool up, bool switched, const char *row);
extern char *script_inputs_differ(const Script *script, bool up, bool switched);
extern char *script_differ(const char *a, const char *b);

/* In keep.c: the trigger, and its function at each stage. */
typedef enum KeepStage
{
	KEEP_BEFORE,				/* the old side decides */
	KEEP_SWITCHED,				/* the new side does */
	KEEP_STRICT					/* so that each row can go back, too */
} KeepStage;

extern char *keep_function(const Script *script, KeepStage stage);
extern char *keep_trigger(const Script *script);
extern char *keep_drop(const Script *script);
extern const char *keep_limits(const Script *script);

/* In anew.c: has functions that sessions hold compiled again. */
extern char *anew_functions(const Script *script);

/* In patience.c: the block that does a step, or undoes it. */
typedef struct ScriptBlock
{
	int			number;			/* of the step: what it notes */
	List	   *also;			/* int: numbers that it notes as well */
	int			after;			/* the number that has to be noted before, 0: none */
	bool		undo;			/* the opposite: takes its notes away */
	bool		last;			/* drops the small table in its transaction */
	const char *only_if;		/* a condition: else there is nothing to do, and nothing noted; or NULL */
	const char *sql;			/* "": it is only noted */
	LOCKMODE	lock;
	List	   *relations;		/* char *: what it locks, qualified and quoted */
} ScriptBlock;

extern char *patience_body(const Script *script, const ScriptBlock *block);

/*
 * In first.c: the table becomes the first partition of another, and is the table again;
 * and with contract, the bound is stated, proved, and set.  first_look() raises
 * ERRCODE_FEATURE_NOT_SUPPORTED with all that hangs on the table and cannot move.
 * first_look_beyond() is a block of its own, until what has that number is done.
 */
extern void first_look(const Script *script);
extern char *first_become(const Script *script, const FirstArgs *args);
extern char *first_return(const Script *script, const FirstArgs *args);
extern char *first_look_beyond(const Script *script, const FirstArgs *args, int number);
extern char *first_state_bound(const Script *script, const FirstArgs *args);
extern char *first_prove_bound(const Script *script, const FirstArgs *args);
extern char *first_settle(const Script *script, const FirstArgs *args);

/* In toplevel.c: a step's block, if its statement refuses a transaction. */
extern char *toplevel_psql(const Script *script, const ScriptPiece *piece);
extern List *toplevel_statements(const Script *script, const ScriptPiece *piece);

/*
 * In range.c: which rows of zdm_part.part a batch is about.  In a query, RANGE_PART stands
 * for the table and RANGE_ROWS for the condition, over its alias t: a name is no parameter.
 * range_kind() finds out how it is walked through; range_next() gives zdm_range, from block
 * "from" up to "upto", or behind the key "last" (expressions of PL/pgSQL), for zdm_size blocks
 * or rows; of a walk by key, zdm_read rows, the last of which is zdm_last.
 */
#define RANGE_PART "$zdm_part"
#define RANGE_ROWS "$zdm_range"

extern const char *range_declarations(void);
extern char *range_kind(const Script *script, const char *indent);
extern char *range_next(const Script *script, const char *indent, const char *from, const char *upto,
						const char *last);

/* In batches.c: walks over all rows, as bodies of DO blocks. */
extern char *batches_fill(const Script *script, const Step *step, int after);
extern char *batches_no_new_parts(const Script *script, int step);
extern char *batches_look(const Script *script, ScriptPart part, int number, int after);
extern char *batches_query(const Script *script, const Step *step);

/* In estimate.c: how large the table is there, and what its change takes. */
typedef struct ScriptEstimate
{
	double		size;			/* bytes */
	double		rows;
	int			indexes;
	int			builds;			/* indexes that are built */
	double		writes;			/* a second, < 0: not known */
	double		fill_seconds;	/* 0: no row is filled in */
	double		fill_wal;		/* bytes */
	double		fill_disk;
	double		index_seconds;	/* of all that are built */
	double		index_bytes;
	double		read_seconds;	/* of all rows, once */
	double		rewrite_seconds;	/* of all indexes, if the table is written anew */
	double		writers_wal;	/* that applications write more a second */
	double		written_meanwhile;	/* rows that they write through the trigger */
} ScriptEstimate;

extern ScriptEstimate estimate_make(const Script *script);
extern char *estimate_bytes(double bytes);
extern char *estimate_time(double seconds);

/* In header.c: what stands at the top of a file, or of all in one (SCRIPT_PARTS). */
extern char *header_text(const Script *script, ScriptPart part);
extern List *header_settings(const Script *script);	/* char *: a name, its value, and so on */
extern char *header_check(const Script *script, ScriptPart part);
extern char *header_notes_table(const Script *script);

#endif							/* ZDM_SCRIPT_H */
