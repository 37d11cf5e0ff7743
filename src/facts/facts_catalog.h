/*-------------------------------------------------------------------------
 *
 * facts_catalog.h
 *		Rarer questions to the live catalog.
 *
 * Each is asked by one or two rules.  None takes a lock on a user's relation
 * beyond ACCESS SHARE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FACTS_CATALOG_H
#define ZDM_FACTS_CATALOG_H

#include "facts/facts.h"

/* A foreign key that references a relation. */
typedef struct FactForeignKey
{
	FactRelation *rel;			/* the referencing table */
	FactConstraint *con;
	List	   *keys;			/* attribute numbers of the referenced side */
} FactForeignKey;

/* Foreign keys of tables (not of their partitions) that reference "rel". */
extern List *facts_foreign_keys_to(Facts *facts, FactRelation *rel);

/*
 * Has a foreign key of the catalog the same referenced columns, actions and
 * timing as one that is to be added?
 */
extern bool facts_like_foreign_key(FactConstraint *own, const Constraint *added);

/* The parent of a partition or child; InvalidOid if none. */
extern Oid	facts_parent(FactRelation *rel);

/* Fraction of nulls when the column was last analyzed; 0 if unknown. */
extern double facts_null_fraction(FactRelation *rel, FactColumn *col);

/*
 * Does a look at the first and the last pages of a large table find a null, as
 * the current user?  Statistics may be older than the nulls.
 */
extern bool facts_holds_nulls(FactRelation *rel, FactColumn *col);

/* The column's own default as SQL; NULL if it has none in the catalog. */
extern char *facts_default_text(FactRelation *rel, const char *column);

/* Did the columns hold the same values twice when the table was last analyzed? */
extern bool facts_has_duplicates(FactRelation *rel, List *columns, bool nulls_equal);

/* Relations with a column of this type, or of one over it or with it inside. */
extern List *facts_type_users(Facts *facts, Oid type);

/* Does a column, a function, a view or anything else depend on the type or its array? */
extern bool facts_type_is_used(Facts *facts, Oid type);

/* Was the object, of that system cache, made by this transaction?  An update of its row does not count. */
extern bool facts_is_fresh(int cache, Oid oid);

/* Is it a domain that admits no NULL? */
extern bool facts_type_is_not_null(Oid type);

/* in facts_classes.c: relations of a kind in a tablespace, those of a role, those in a schema (InvalidOid: any) */
extern List *facts_in_tablespace(Facts *facts, Oid tablespace, char kind);
extern List *facts_owned_by(Facts *facts, Oid role);
extern List *facts_in_schema(Facts *facts, Oid nspid);

/* Relations with row security. */
extern List *facts_with_row_security(Facts *facts);

/* Tables made OF this composite type. */
extern List *facts_typed_tables(Facts *facts, Oid type);

/* Tables with a column of the domain, of one over it, or holding it inside. */
extern List *facts_domain_users(Facts *facts, Oid domain);

/* The role that owns a type. */
extern Oid	facts_type_owner(Oid type);

/* Has the domain a CHECK of its own? */
extern bool facts_type_has_constraint(Oid type);

/* Does the schema hold a relation, function or type? */
extern bool facts_schema_is_used(Oid nspid);

/* Does the role own a relation here, or is it named in a relation's privileges? */
extern bool facts_role_matters(Oid role);

/* The relations here that it owns, or that name it in their privileges, and all of a schema of which that is so. */
extern List *facts_relations_of(Facts *facts, Oid role);

/* Does an index of the table carry the CLUSTER mark? */
extern bool facts_has_clustered_index(FactRelation *rel);

/* The sequence behind an identity column; InvalidOid if none. */
extern Oid	facts_identity_sequence(Oid relid, AttrNumber attnum);

/* A sequence's last value given; 0 if it gave none. */
extern int64 facts_last_value(Oid seqid);

/* A sequence, and how far it is; false if that is not for the current user to know. */
typedef struct FactSequence
{
	Oid			type;
	int64		start;
	int64		increment;
	int64		max;
	int64		min;
	bool		cycle;
	bool		called;			/* it has given its last value, or gives it next */
	int64		last;
} FactSequence;

extern bool facts_sequence(Oid seqid, FactSequence *seq);

/* Tables with a column that the sequence fills in. */
extern List *facts_filled_by(Facts *facts, Oid seqid);

/* Does "client" use the schema by nothing but what is granted to "role"? */
extern bool facts_schema_usage_only_by(Oid nspid, Oid client, Oid role);

/* Does "client" connect to this database by nothing but what is granted to "role" (or everyone)? */
extern bool facts_connects_only_by(Oid client, Oid role);

/* May "role" (or everyone) call the function today by a grant to it? */
extern bool facts_function_granted(Oid funcid, Oid role);

/* May "role" (or everyone) call the function today, by any way? */
extern bool facts_function_callable(Oid funcid, Oid role);

/* Tables of a publication. */
extern List *facts_publication_tables(Facts *facts, const char *name);

/* "schema.name(types)", as to_regprocedure() reads it. */
extern char *facts_function_identity(Oid nspid, const char *name, const Oid *types, int count);

/* Is any function of that name volatile? */
extern bool facts_volatile_function(const char *name);

/* The type's qualified name. */
extern char *facts_type_identity(Oid type);

/* Is there a type of that name after the text's statements? */
extern bool facts_type_exists(Facts *facts, const char *identity);

/* Is it another one than "was", which columns have still?  Not known of a text. */
extern bool facts_type_was_replaced(Facts *facts, const char *identity, Oid was);

/* Is there such a function after the text's statements? */
extern bool facts_function_exists(Facts *facts, const char *identity);

#endif							/* ZDM_FACTS_CATALOG_H */
