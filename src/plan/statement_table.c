/*-------------------------------------------------------------------------
 *
 * statement_table.c
 *		One line for each kind of statement.
 *
 * What the columns say is in ddl/statement.h.  A statement of the next version of
 * PostgreSQL is one more line here; test/statement_lines finds what has none.
 * Stands in this room because a line names also what reads the statement for a
 * plan; whoever judges or follows asks by ddl/statement.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ddl/concurrently.h"
#include "ddl/follow.h"
#include "rules/rules.h"
#include "rules/statement.h"
#include "ddl/to_change.h"
#include "plan/meaning.h"
#include "compat.h"

#define RUN_IT_YOURSELF "Run it as it is."
#define NEEDS_NO_TRANSACTION {"PostgreSQL runs it only outside a transaction, and it blocks nobody.", RUN_IT_YOURSELF}
#define NOT_DDL {"It is no change of a schema.", RUN_IT_YOURSELF}

/* Those that no session needs to be kept from: no line says less. */
#define HARMLESS(statement) {.name = statement}
#define NO_CHANGE(statement) {.name = statement, .refusal = NOT_DDL}
#define MAKES(statement) {.name = statement, .makes = MAKES_UNKNOWN}

const StatementKind statement_table[] = {
	/* tables, and what is on them */
	[T_AlterTableStmt] = {
		.name = "ALTER TABLE", .guarded = true,
		.relation = offsetof(AlterTableStmt, relation), .owners = true,
		.judge = rules_alter_table, .claims = rules_claims_alter_table, .uses_label = rules_label_in_alter_table,
		.waits = concurrently_alter_table, .alone = alone_alter_table,
		.read = change_read_alter_table, .meaning = meaning_read_alter_table,
	},
	[T_AlterTableMoveAllStmt] = {
		.name = "ALTER TABLE ALL IN TABLESPACE", .guarded = true, .judge = rules_alter_table_move,
		.refusal = {"Which tables it is about is known only when it runs.",
		"State ALTER TABLE ... SET TABLESPACE for each table by itself."},
	},
	[T_IndexStmt] = {
		.name = "CREATE INDEX", .guarded = true,
		.relation = offsetof(IndexStmt, relation), .owners = true,
		.judge = rules_index, .uses_label = rules_label_in_index,
		.waits = concurrently_index, .alone = alone_index,
		.read = change_read_index, .meaning = meaning_read_index,
	},
	[T_ReindexStmt] = {
		.name = "REINDEX", .guarded = true, .relation = offsetof(ReindexStmt, relation),
		.judge = rules_reindex, .outside_block = rules_trees_outside,
		.waits = concurrently_reindex, .alone = alone_reindex,
		.kind = "reindex",
	},
	[T_VacuumStmt] = {
		.name = "VACUUM", .guarded = true,
		.judge = rules_vacuum, .outside_block = rules_vacuum_outside, .waits = concurrently_always,
		.read = change_read_vacuum,
		.refusal = {"Plain VACUUM and ANALYZE block nobody; VACUUM FULL is done for one table, with no option but VERBOSE.",
		"Run plain VACUUM or ANALYZE as it is, and state VACUUM FULL for each table by itself."},
	},
	[T_ClusterStmt] = {
		.name = "CLUSTER", .guarded = true, .relation = offsetof(ClusterStmt, relation),
		.judge = rules_cluster, .outside_block = rules_trees_outside, .waits = concurrently_always,
		.read = change_read_cluster,
		.refusal = {"Without a table it is of every table that has been clustered before.",
		"State it for each table by itself."},
	},
	[T_RefreshMatViewStmt] = {
		.name = "REFRESH MATERIALIZED VIEW", .guarded = true, .relation = offsetof(RefreshMatViewStmt, relation),
		.judge = rules_refresh, .waits = concurrently_refresh, .alone = alone_refresh,
		.kind = "refresh",
	},
	[T_TruncateStmt] = {
		.name = "TRUNCATE", .guarded = true,
		.judge = rules_truncate, .claims = rules_claims_truncate,
		.refusal = {"It removes data, not a shape, and cannot be reverted.",
		"Run it yourself, with SET lock_timeout = '2s'."},
	},
	[T_LockStmt] = {
		.name = "LOCK", .guarded = true, .judge = rules_lock_table, .refusal = NOT_DDL,
	},
	[T_CopyStmt] = {
		.name = "COPY", .guarded = true, .judge = rules_copy, .refusal = NOT_DDL,
	},
	[T_CreateTrigStmt] = {
		.name = "CREATE TRIGGER", .guarded = true, .relation = offsetof(CreateTrigStmt, relation),
		.judge = rules_trigger, .meaning = meaning_read_trigger,
	},
	[T_RuleStmt] = {
		.name = "CREATE RULE", .guarded = true, .relation = offsetof(RuleStmt, relation), .owners = true,
		.judge = rules_rule, .meaning = meaning_read_rule,
	},
	[T_CreatePolicyStmt] = {
		.name = "CREATE POLICY", .guarded = true, .relation = offsetof(CreatePolicyStmt, table), .owners = true,
		.judge = rules_create_policy, .meaning = meaning_read_create_policy,
	},
	[T_AlterPolicyStmt] = {
		.name = "ALTER POLICY", .guarded = true, .relation = offsetof(AlterPolicyStmt, table), .owners = true,
		.judge = rules_alter_policy, .meaning = meaning_read_alter_policy,
	},
	[T_CreateStatsStmt] = {.name = "CREATE STATISTICS", .meaning = meaning_read_statistics},
	[T_AlterStatsStmt] = HARMLESS("ALTER STATISTICS"),

	/* objects of many kinds */
	[T_DropStmt] = {
		.name = "DROP", .guarded = true,
		.judge = rules_drop, .claims = rules_claims_drop,
		.waits = concurrently_drop, .alone = alone_drop,
		.read = change_read_drop,
	},
	[T_RenameStmt] = {
		.name = "ALTER ... RENAME", .guarded = true, .relation = offsetof(RenameStmt, relation), .owners = true,
		.judge = rules_rename, .claims = rules_claims_rename,
		.read = change_read_rename,
	},
	[T_AlterObjectSchemaStmt] = {
		.name = "ALTER ... SET SCHEMA", .guarded = true,
		.relation = offsetof(AlterObjectSchemaStmt, relation), .owners = true,
		.judge = rules_set_schema, .claims = rules_claims_set_schema,
		.read = change_read_set_schema,
	},
	[T_DropOwnedStmt] = {
		.name = "DROP OWNED", .guarded = true, .judge = rules_drop_owned,
		.refusal = {"What it drops is known only when it runs.", "Drop the objects by name, one by one."},
	},
	[T_ReassignOwnedStmt] = {.name = "REASSIGN OWNED", .guarded = true, .judge = rules_reassign_owned},
	[T_GrantStmt] = {.name = "GRANT", .guarded = true, .judge = rules_grant},
	[T_AlterOwnerStmt] = HARMLESS("ALTER ... OWNER TO"),
	[T_AlterObjectDependsStmt] = HARMLESS("ALTER ... DEPENDS ON EXTENSION"),
	[T_CommentStmt] = HARMLESS("COMMENT"),
	[T_SecLabelStmt] = HARMLESS("SECURITY LABEL"),
	[T_AlterDefaultPrivilegesStmt] = HARMLESS("ALTER DEFAULT PRIVILEGES"),

	/* relations */
	[T_CreateSchemaStmt] = {.name = "CREATE SCHEMA", .guarded = true, .judge = rules_create_schema},
	[T_CreateStmt] = {
		.name = "CREATE TABLE", .guarded = true, .makes = MAKES_RELATION, .relation = offsetof(CreateStmt, relation),
		.judge = rules_create_table, .claims = rules_claims_create_table, .uses_label = rules_label_in_create_table,
	},
	[T_CreateTableAsStmt] = {
		.name = "CREATE TABLE AS", .guarded = true, .judge = rules_create_table_as,
		.read = change_read_create_table_as, .meaning = meaning_read_create_table_as,
	},
	[T_ViewStmt] = {
		.name = "CREATE VIEW", .guarded = true, .makes = MAKES_RELATION, .relation = offsetof(ViewStmt, view),
		.judge = rules_create_view, .meaning = meaning_read_view,
	},
	[T_CreateSeqStmt] = {
		.name = "CREATE SEQUENCE", .guarded = true, .makes = MAKES_RELATION,
		.relation = offsetof(CreateSeqStmt, sequence), .judge = rules_create_sequence,
	},
	[T_AlterSeqStmt] = {
		.name = "ALTER SEQUENCE", .guarded = true, .relation = offsetof(AlterSeqStmt, sequence), .owners = true,
		.judge = rules_alter_sequence,
	},
	[T_CreateForeignTableStmt] = {
		.name = "CREATE FOREIGN TABLE", .guarded = true, .claims = rules_claims_create_table,
	},
	[T_ImportForeignSchemaStmt] = HARMLESS("IMPORT FOREIGN SCHEMA"),

	/* functions and types */
	[T_CreateFunctionStmt] = {
		.name = "CREATE FUNCTION", .guarded = true, .makes = MAKES_UNKNOWN, .judge = rules_create_function,
	},
	[T_AlterFunctionStmt] = {.name = "ALTER FUNCTION", .guarded = true, .claims = rules_claims_alter_function},
	[T_CreateDomainStmt] = {
		.name = "CREATE DOMAIN", .guarded = true, .makes = MAKES_UNKNOWN, .judge = rules_create_domain,
	},
	[T_AlterDomainStmt] = {.name = "ALTER DOMAIN", .guarded = true, .judge = rules_alter_domain},
	[T_AlterEnumStmt] = {
		.name = "ALTER TYPE ... VALUE", .guarded = true,
		.judge = rules_alter_enum, .claims = rules_claims_alter_enum,
		.read = change_read_alter_enum,
	},
	[T_AlterTypeStmt] = HARMLESS("ALTER TYPE"),
	[T_CreateEnumStmt] = {.name = "CREATE TYPE ... AS ENUM", .makes = MAKES_UNKNOWN, .judge = rules_create_enum},
	[T_CreateRangeStmt] = {.name = "CREATE TYPE ... AS RANGE", .makes = MAKES_UNKNOWN, .judge = rules_create_range},
	[T_CompositeTypeStmt] = {.name = "CREATE TYPE ... AS", .makes = MAKES_UNKNOWN, .judge = rules_create_composite},
	[T_DefineStmt] = MAKES("CREATE AGGREGATE, OPERATOR, TYPE, COLLATION or TEXT SEARCH"),
	[T_CreateExtensionStmt] = MAKES("CREATE EXTENSION"),
	[T_CreateOpClassStmt] = MAKES("CREATE OPERATOR CLASS"),
	[T_CreateOpFamilyStmt] = HARMLESS("CREATE OPERATOR FAMILY"),
	[T_AlterOpFamilyStmt] = HARMLESS("ALTER OPERATOR FAMILY"),
	[T_AlterOperatorStmt] = HARMLESS("ALTER OPERATOR"),
	[T_AlterCollationStmt] = HARMLESS("ALTER COLLATION"),
	[T_AlterTSConfigurationStmt] = HARMLESS("ALTER TEXT SEARCH CONFIGURATION"),
	[T_AlterTSDictionaryStmt] = HARMLESS("ALTER TEXT SEARCH DICTIONARY"),
	[T_CreateAmStmt] = HARMLESS("CREATE ACCESS METHOD"),
	[T_CreateCastStmt] = HARMLESS("CREATE CAST"),
	[T_CreateConversionStmt] = HARMLESS("CREATE CONVERSION"),
	[T_CreatePLangStmt] = HARMLESS("CREATE LANGUAGE"),
	[T_CreateTransformStmt] = HARMLESS("CREATE TRANSFORM"),
	[T_AlterExtensionStmt] = HARMLESS("ALTER EXTENSION"),
	[T_AlterExtensionContentsStmt] = HARMLESS("ALTER EXTENSION ADD"),
	[T_CreateEventTrigStmt] = HARMLESS("CREATE EVENT TRIGGER"),
	[T_AlterEventTrigStmt] = HARMLESS("ALTER EVENT TRIGGER"),

	/* other servers */
	[T_CreateFdwStmt] = HARMLESS("CREATE FOREIGN DATA WRAPPER"),
	[T_AlterFdwStmt] = HARMLESS("ALTER FOREIGN DATA WRAPPER"),
	[T_CreateForeignServerStmt] = HARMLESS("CREATE SERVER"),
	[T_AlterForeignServerStmt] = HARMLESS("ALTER SERVER"),
	[T_CreateUserMappingStmt] = HARMLESS("CREATE USER MAPPING"),
	[T_AlterUserMappingStmt] = HARMLESS("ALTER USER MAPPING"),
	[T_DropUserMappingStmt] = HARMLESS("DROP USER MAPPING"),
	[T_CreatePublicationStmt] = {
		.name = "CREATE PUBLICATION", .guarded = true, .judge = rules_create_publication,
	},
	[T_AlterPublicationStmt] = {
		.name = "ALTER PUBLICATION", .guarded = true, .judge = rules_alter_publication,
	},
	[T_CreateSubscriptionStmt] = {.name = "CREATE SUBSCRIPTION", .refusal = NEEDS_NO_TRANSACTION},
	[T_AlterSubscriptionStmt] = {.name = "ALTER SUBSCRIPTION", .refusal = NEEDS_NO_TRANSACTION},
	[T_DropSubscriptionStmt] = {.name = "DROP SUBSCRIPTION", .refusal = NEEDS_NO_TRANSACTION},

	/* the server */
	[T_AlterRoleStmt] = {.name = "ALTER ROLE", .guarded = true, .judge = rules_alter_role},
	[T_CreateRoleStmt] = HARMLESS("CREATE ROLE"),
	[T_AlterRoleSetStmt] = {.name = "ALTER ROLE SET", .guarded = true, .judge = rules_alter_role_set},
	[T_DropRoleStmt] = {.name = "DROP ROLE", .guarded = true, .judge = rules_drop_role},
	[T_GrantRoleStmt] = {.name = "GRANT ROLE", .guarded = true, .judge = rules_grant_role},
	[T_CreatedbStmt] = {
		.name = "CREATE DATABASE", .guarded = true, .outside_block = rules_always_outside, .refusal = NEEDS_NO_TRANSACTION,
	},
	[T_DropdbStmt] = {
		.name = "DROP DATABASE", .guarded = true, .outside_block = rules_always_outside, .refusal = NEEDS_NO_TRANSACTION,
	},
	[T_AlterDatabaseStmt] = HARMLESS("ALTER DATABASE"),
	[T_AlterDatabaseSetStmt] = {.name = "ALTER DATABASE SET", .guarded = true, .judge = rules_alter_database_set},
#ifdef ZDM_HAS_REFRESH_COLLATION
	[T_AlterDatabaseRefreshCollStmt] = HARMLESS("ALTER DATABASE REFRESH COLLATION VERSION"),
#endif
	[T_CreateTableSpaceStmt] = {
		.name = "CREATE TABLESPACE", .guarded = true, .outside_block = rules_always_outside, .refusal = NEEDS_NO_TRANSACTION,
	},
	[T_DropTableSpaceStmt] = {
		.name = "DROP TABLESPACE", .guarded = true, .outside_block = rules_always_outside, .refusal = NEEDS_NO_TRANSACTION,
	},
	[T_AlterTableSpaceOptionsStmt] = HARMLESS("ALTER TABLESPACE"),
	[T_AlterSystemStmt] = {
		.name = "ALTER SYSTEM", .guarded = true, .outside_block = rules_always_outside, .refusal = NEEDS_NO_TRANSACTION,
	},

	/* queries, and what runs them */
	[T_SelectStmt] = {
		.name = "SELECT", .query = true, .judge = rules_query, .uses_label = rules_label_in_query,
		.is_code = follow_is_code, .refusal = NOT_DDL, .meaning = meaning_read_query,
	},
	[T_InsertStmt] = {
		.name = "INSERT", .query = true, .judge = rules_query, .uses_label = rules_label_in_query,
		.refusal = NOT_DDL, .meaning = meaning_read_query,
	},
	[T_UpdateStmt] = {
		.name = "UPDATE", .query = true, .judge = rules_query, .uses_label = rules_label_in_query,
		.refusal = {"It is no change of a schema.", "SELECT zdm.backfill() updates a whole table in batches."},
		.meaning = meaning_read_query,
	},
	[T_DeleteStmt] = {
		.name = "DELETE", .query = true, .judge = rules_query, .uses_label = rules_label_in_query,
		.refusal = NOT_DDL, .meaning = meaning_read_query,
	},
#ifdef ZDM_HAS_MERGE
	[T_MergeStmt] = {.name = "MERGE", .query = true, .judge = rules_query, .refusal = NOT_DDL},
#endif
	[T_ExplainStmt] = {.name = "EXPLAIN", .judge = rules_explain, .refusal = NOT_DDL},
	[T_DoStmt] = {
		.name = "DO", .is_code = follow_is_always_code, .followed = follow_runs_do,
		.refusal = {"What it runs is known only when it runs.", "State each of its statements by itself."},
	},
	[T_CallStmt] = {
		.name = "CALL", .is_code = follow_is_always_code, .followed = follow_runs_always, .refusal = NOT_DDL,
	},
	[T_PrepareStmt] = NO_CHANGE("PREPARE"),
	[T_ExecuteStmt] = NO_CHANGE("EXECUTE"),
	[T_DeallocateStmt] = NO_CHANGE("DEALLOCATE"),
	[T_DeclareCursorStmt] = NO_CHANGE("DECLARE"),
	[T_FetchStmt] = NO_CHANGE("FETCH"),
	[T_ClosePortalStmt] = NO_CHANGE("CLOSE"),

	/* the session */
	[T_TransactionStmt] = {
		.name = "transaction control",
		.refusal = {"It is no change of a schema.", "A migration is stated in the transaction that the call is in."},
	},
	[T_VariableSetStmt] = {.name = "SET", .followed = follow_runs_setting, .refusal = NOT_DDL},
	[T_VariableShowStmt] = {.name = "SHOW", .followed = follow_runs_always, .refusal = NOT_DDL},
	[T_ConstraintsSetStmt] = NO_CHANGE("SET CONSTRAINTS"),
	[T_NotifyStmt] = NO_CHANGE("NOTIFY"),
	[T_ListenStmt] = NO_CHANGE("LISTEN"),
	[T_UnlistenStmt] = NO_CHANGE("UNLISTEN"),
	[T_DiscardStmt] = NO_CHANGE("DISCARD"),
	[T_LoadStmt] = NO_CHANGE("LOAD"),
	[T_CheckPointStmt] = NO_CHANGE("CHECKPOINT"),
};

const int	statement_table_length = lengthof(statement_table);
