/*-------------------------------------------------------------------------
 *
 * act.h
 *		The single acts of a move, and the parts that list them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_MOVE_ACT_H
#define ZDM_MOVE_ACT_H

#include "access/attnum.h"
#include "catalog/query.h"
#include "move/move.h"

struct MoveAct
{
	const char *sql;			/* what is run, or what a person would */
	Oid			role;			/* as whom; InvalidOid: whoever does it */
	void		(*run) (const MoveAct *act);	/* NULL: it is run as it stands */
	bool		reads;			/* what the role has written is read: for no longer than zdm.lock_wait */
	const char *schemas;		/* names that all schemas had when the act was listed; NULL: not asked */

	/* what run() wants to know: objects by Oid and sub-Oid, before and after */
	Oid			class;
	Oid			object;
	int			sub;
	Oid			other;
	int			other_sub;
	char		type;
	const char *text;
	List	   *list;
};

/* Two tables of a move: the two themselves, or two partitions. */
typedef struct MovePair
{
	Oid			from;
	Oid			to;
	Oid			owner;			/* of "from" */
	char	   *name;			/* qualified and quoted: "from"'s until the names are exchanged, then "to"'s */
	bool		partitioned;	/* is "to"? */
} MovePair;

typedef struct Moving
{
	const Move *move;
	List	   *pairs;			/* MovePair *, the two tables first */
	List	   *tables;			/* Oid: every "from" */
	List	   *retyped;		/* Oid: views that are made anew */
	char	   *schemas;		/* names by Oid, when the acts were begun to be listed */

	/* MoveAct *, in the order in which they are done */
	List	   *leave;			/* what hangs on "from" goes */
	List	   *names;			/* names are exchanged */
	List	   *enter;			/* what hangs on "to" comes */
	List	   *others;			/* what only refers to the table says so of the other one */
	List	   *last;			/* what must not be in the way of all that */
} Moving;

/* A part adds its acts for one pair of tables, or for all of them. */
typedef struct MovePart
{
	void		(*pair) (Moving *moving, const MovePair *pair);
	void		(*all) (Moving *moving);
} MovePart;

/* Append a copy of the act. */
extern void act_add(List **acts, const MoveAct *act);

/*
 * One act for each row, of the statement in its first column, run as "role".  What the
 * query prints is printed as relid's owner.
 */
extern void act_add_rows(List **acts, Oid role, Oid relid, const char *query, const QueryArg *args, int nargs);
#define ACT_ROWS(acts, role, relid, query, ...) \
	act_add_rows(acts, role, relid, query, QUERY_ARGS(__VA_ARGS__))

/* Run the one statement that a text is, no event trigger being told. */
extern void act_run_statement(Node *stmt, const char *sql);
extern Node *act_parse(const char *sql);

/* Does the column go, with what is said of it, as the other table has never had it?  See Move.own. */
extern bool act_column_goes(const Moving *moving, Oid from, AttrNumber attnum, Oid to);

/* The column of the other table that has the name of this one's; it is an error if there is none. */
extern AttrNumber act_column(Oid from, AttrNumber attnum, Oid to);

/* What an index is called where it gets what the other one has, as SQL. */
extern char *act_index_name(const Moving *moving, Oid indexid, Oid like);

extern const MovePart move_calls;
extern const MovePart move_foreign_keys;
extern const MovePart move_names;
extern const MovePart move_others;
extern const MovePart move_policies;
extern const MovePart move_privileges;
extern const MovePart move_publications;
extern const MovePart move_remarks;
extern const MovePart move_sequences;
extern const MovePart move_settings;
extern const MovePart move_statistics;
extern const MovePart move_triggers;

#endif							/* ZDM_MOVE_ACT_H */
