/*-------------------------------------------------------------------------
 *
 * facts.h
 *		The catalog as one DDL statement finds it.
 *
 * Rules must be able to judge a statement that stands behind others that have
 * not run (zdm.check) exactly as they judge one that is about to run (the
 * guard).  So they never look at a Relation: they look at these structures,
 * which are filled from the live catalog at first use, and which the rules
 * change as the statement would.  The guard throws them away after one
 * statement; zdm.check keeps them to the end of the text.
 *
 * Sizes come from the storage manager, not from statistics.  Nothing here
 * takes more than ACCESS SHARE on a user's relation.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FACTS_H
#define ZDM_FACTS_H

#include "access/attnum.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "storage/block.h"
#include "storage/lockdefs.h"

/* A column, in attribute order; one dropped by the text keeps its place. */
typedef struct FactColumn
{
	char	   *name;
	AttrNumber	attnum;
	Oid			type;
	int32		typmod;
	Oid			collation;
	bool		notnull;
	bool		has_default;
	bool		serial;			/* the default draws from a sequence */
	Oid			sequence;		/* that sequence; InvalidOid when the text made it */
	char	   *sequence_schema;	/* its schema then */
	char	   *sequence_name;	/* and its name */
	List	   *functions;		/* user functions that the default calls, an Oid list */
	char		identity;		/* attidentity */
	char		generated;		/* attgenerated */
	bool		fresh;			/* added by this text or transaction */
	bool		read_only;		/* of a view: an expression, which cannot be written */
	bool		dropped;
} FactColumn;

typedef struct FactConstraint
{
	char	   *name;
	Oid			oid;			/* InvalidOid when the text added it */
	char		type;			/* contype */
	bool		valid;
	bool		enforced;
	bool		no_inherit;
	Node	   *expr;			/* CHECK: over Vars of varno 1 */
	List	   *columns;		/* attribute numbers, an integer list */
	char	   *index;			/* name of its index, or NULL */
	Oid			referenced;		/* FOREIGN KEY: the other table */
	bool		dropped;
} FactConstraint;

typedef struct FactIndex
{
	char	   *name;
	Oid			oid;			/* InvalidOid when the text made it */
	Oid			am;
	bool		unique;
	bool		primary;
	bool		exclusion;
	bool		valid;
	bool		immediate;
	bool		replica_identity;
	bool		partitioned;	/* it is, or is a part of one that is */
	int			nkeys;
	int			ncolumns;
	AttrNumber *columns;		/* 0 for an expression */
	Oid		   *opclasses;		/* of the key columns */
	Oid		   *operators;		/* by which they exclude each other, or NULL */
	Oid		   *collations;
	List	   *exprs;
	List	   *predicate;
	Oid			tablespace;
	BlockNumber blocks;
	bool		fresh;
	bool		dropped;
} FactIndex;

typedef struct FactGrant
{
	Oid			role;			/* ACL_ID_PUBLIC for everyone */
	AclMode		privileges;
	char	   *column;			/* on that column alone; NULL: on the relation */
} FactGrant;

/* A membership that the text gives or takes away. */
typedef struct FactMembership
{
	Oid			role;
	Oid			member;
	bool		taken;
} FactMembership;

typedef struct FactPolicy
{
	char	   *name;
	char		command;		/* '*' or an ACL letter, as in pg_policy */
	bool		permissive;
	bool		hides;			/* USING is a constant that no row passes */
	bool		rejects;		/* so is what new rows are checked by */
	List	   *roles;			/* an Oid list; ACL_ID_PUBLIC for everyone */
} FactPolicy;

typedef struct FactRelation
{
	Oid			oid;			/* InvalidOid when the text made it */
	char	   *schema;
	char	   *name;
	char		kind;			/* relkind */
	char		persistence;
	bool		fresh;			/* made by this text or transaction, or temporary */
	bool		gone;			/* dropped by the text */
	bool		is_partition;
	bool		is_child;		/* of inheritance or partitioning */
	bool		detached;		/* the text made it no partition any more */
	bool		default_gone;	/* the text took its default partition away */
	bool		of_serial;		/* the sequence of a serial column that the text adds */
	Oid			owner;
	Oid			author;			/* as whom its expressions are simplified: who owns it in the catalog */
	Oid			am;
	Oid			tablespace;		/* 0: the database's */
	Oid			heap;			/* an index's table */
	BlockNumber heap_blocks;	/* its own main fork */
	uint64		total_blocks;	/* with TOAST */
	bool		filled;			/* the text has put something into it */
	char		replica_identity;
	bool		row_security;
	bool		row_security_forced;	/* for its owner, too */
	bool		populated;
	bool		published;		/* the text publishes its UPDATEs or DELETEs */
	bool		invoker;		/* a view that is checked as its reader */
	SelectStmt *query;			/* a view that the text made */
	int			writers_lost;	/* triggers and rules of a view that the text dropped */
	bool		changed;		/* the text changed its columns or its name */
	LOCKMODE	held;			/* taken by this and earlier statements of the transaction */
	LOCKMODE	held_before;	/* by the earlier ones alone */
	bool		detailed;		/* the lists below are filled */
	List	   *columns;
	List	   *constraints;
	List	   *indexes;
	bool		children_known;
	List	   *children;		/* FactRelation, one level */
	bool		access_known;
	List	   *grants;			/* FactGrant, on the relation ... */
	List	   *column_grants;	/* ... and on columns of it */
	List	   *policies;
} FactRelation;

typedef struct Facts
{
	MemoryContext mcxt;			/* everything lives here */
	bool		simulated;		/* zdm.check: statements are not run */
	bool		in_block;		/* inside a transaction block or a function */
	bool		other_role;		/* the text has changed the role, to one that is not looked into */
	List	   *relations;		/* FactRelation */
	List	   *memberships;	/* FactMembership */
	List	   *connecting;		/* roles that the text lets connect, an Oid list */
	bool		sequences_set;	/* the text moves sequences itself */
	List	   *functions;		/* identities of functions that the text made */
	List	   *types;			/* and of types, or gave a type */
	List	   *volatile_names; /* names of the volatile ones */
	List	   *checked_domains;	/* names of domains with constraints that it made */
	List	   *new_columns;	/* columns that the transaction added: see facts_note_column() */
	List	   *session_columns;	/* those that this session's earlier transactions added */
	bool		of_text;		/* zdm.check judges a text: nobody else says what is missing */
	List	   *enum_labels;	/* strings added to enums by this transaction */
} Facts;

/* An empty set of facts in a memory context of its own under the current one. */
extern Facts *facts_create(bool simulated);

/*
 * The relation of that name, resolved as PostgreSQL would after the text's
 * earlier statements; NULL if there is none.
 */
extern FactRelation *facts_find(Facts *facts, const RangeVar *rv);
extern FactRelation *facts_find_name(Facts *facts, const char *schema, const char *name);

/* The relation with that OID; NULL if there is none (any more). */
extern FactRelation *facts_by_oid(Facts *facts, Oid relid);

/* A relation that a statement would create; its schema as PostgreSQL would choose it. */
extern FactRelation *facts_add(Facts *facts, const RangeVar *rv, char kind);

/* The schema in which "rv" would be created or "pg_temp"; never NULL. */
extern char *facts_target_schema(const RangeVar *rv);

/* Fill columns, constraints and indexes; children. */
extern void facts_detail(Facts *facts, FactRelation *rel);
extern List *facts_children(Facts *facts, FactRelation *rel);

/* The relation and all below it, or it alone when "recurse" is false. */
extern List *facts_tree(Facts *facts, FactRelation *rel, bool recurse);

/* Look something up by name among what is not dropped; NULL if absent. */
extern FactColumn *facts_column(FactRelation *rel, const char *name);

/* Take a column out of the facts, with the constraints and indexes on it. */
extern void facts_forget_column(FactRelation *rel, FactColumn *col);
extern FactColumn *facts_attribute(FactRelation *rel, AttrNumber attnum);
extern FactConstraint *facts_constraint(FactRelation *rel, const char *name);
extern FactIndex *facts_index(FactRelation *rel, const char *name);

/*
 * Note that the transaction adds a column; and ask whether it did, of a column
 * that the catalog has.
 */
extern void facts_note_column(Facts *facts, FactRelation *rel, const char *name);
extern bool facts_added_column(Facts *facts, FactRelation *rel, FactColumn *col);

/* Is one of these strings the name? */
extern bool facts_name_in(List *names, const char *name);

/* Note what a column's analyzed default calls: sequences and functions. */
extern void facts_note_default(FactColumn *col, Node *expr);

/* Note that a column's default draws from this sequence. */
extern void facts_note_sequence(FactColumn *col, FactRelation *seq);

/* New members, which the caller fills. */
extern FactColumn *facts_new_column(FactRelation *rel, const char *name);
extern FactConstraint *facts_new_constraint(FactRelation *rel, char type, const char *name);

/* Do any of the partitions or children hold rows' storage at all? */
extern bool facts_has_storage(const FactRelation *rel);

/* Its own storage, or that of the whole tree, in blocks. */
extern uint64 facts_tree_blocks(Facts *facts, FactRelation *rel);

/* Are the types of all columns known?  Not always those of a new table. */
extern bool facts_types_known(const FactRelation *rel);

/* The name as a user writes it: quoted, with its schema. */
extern char *facts_name(const FactRelation *rel);

/* Has UPDATE and DELETE a row identity to publish? */
extern bool facts_replica_identity_ok(Facts *facts, FactRelation *rel);

#endif							/* ZDM_FACTS_H */
