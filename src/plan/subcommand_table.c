/*-------------------------------------------------------------------------
 *
 * subcommand_table.c
 *		One line for each subcommand of ALTER TABLE.
 *
 * What the columns say is in ddl/statement.h.  A subcommand of the next version of
 * PostgreSQL is one more line here; test/statement_lines finds what has none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alter/alter.h"
#include "plan/meaning.h"
#include "rules/rules_alter.h"
#include "rules/statement.h"
#include "compat.h"

/* What writes nothing but the catalog, and what PostgreSQL says of it is said by itself. */
#define HARMLESS(subcommand) {.name = subcommand}
#define ONE_TRIGGER(subcommand, touch) {.name = subcommand, .touches = touch, .check = alter_check_trigger}
#define ALL_TRIGGERS(subcommand) {.name = subcommand, .touches = TOUCHES_TRIGGERS}
#define ONE_RULE(subcommand) {.name = subcommand, .check = alter_check_rule}

const SubcommandKind subcommand_table[] = {
	/* columns */
	[AT_AddColumn] = {
		.name = "ADD COLUMN", .pass = PASS_ADD_COLUMN, .recurses = true,
		.judge = rules_add_column, .worst = RULE_TABLE_REWRITE,
		.kind = "add_column", .computes = true, .check = alter_check_add_column, .plan = alter_plan_add_column,
		.outcome = "column", .meaning = meaning_of_new_column,
	},
	[AT_DropColumn] = {
		.name = "DROP COLUMN", .pass = PASS_DROP, .recurses = true, .old_column = true,
		.judge = rules_drop_column, .touches = TOUCHES_COLUMN | TOUCHES_READERS, .object = "column",
		.kind = "drop_column", .plan = drop_column_plan, .outcome = "no-column",
	},
	[AT_AlterColumnType] = {
		.name = "ALTER COLUMN TYPE", .pass = PASS_TYPE, .recurses = true, .old_column = true,
		.judge = rules_column_type, .worst = RULE_TABLE_REWRITE, .touches = TOUCHES_COLUMN | TOUCHES_READERS,
		.kind = "change_column_type", .meaning = meaning_of_new_type,
	},
	[AT_ColumnDefault] = {
		.name = "ALTER COLUMN SET DEFAULT", .recurses = true, .old_column = true,
		.judge = rules_column_default, .touches = TOUCHES_COLUMN,
		.check = alter_check_default, .plan = alter_plan_default, .meaning = meaning_of_default,
	},
	[AT_SetNotNull] = {
		.name = "ALTER COLUMN SET NOT NULL", .pass = PASS_COLUMN, .recurses = true, .old_column = true,
		.judge = rules_set_not_null, .touches = TOUCHES_COLUMN,
		.kind = "set_not_null", .check = alter_check_old_column, .plan = alter_plan_set_not_null,
		.outcome = "not-null",
	},
	[AT_DropNotNull] = {
		.name = "ALTER COLUMN DROP NOT NULL", .pass = PASS_DROP, .recurses = true, .old_column = true,
		.judge = rules_drop_not_null, .touches = TOUCHES_COLUMN,
		.check = alter_check_drop_not_null, .plan = alter_plan_last, .outcome = "no-not-null",
	},
	[AT_AddIdentity] = {
		.name = "ALTER COLUMN ADD IDENTITY", .pass = PASS_COLUMN,
		.judge = rules_add_identity, .touches = TOUCHES_COLUMN,
	},
	[AT_SetIdentity] = {
		.name = "ALTER COLUMN SET GENERATED", .pass = PASS_COLUMN,
		.judge = rules_set_identity, .touches = TOUCHES_COLUMN,
	},
	[AT_DropIdentity] = {
		.name = "ALTER COLUMN DROP IDENTITY", .pass = PASS_DROP,
		.judge = rules_drop_identity, .touches = TOUCHES_COLUMN,
	},
	[AT_SetExpression] = {
		.name = "ALTER COLUMN SET EXPRESSION",
		.judge = rules_set_expression, .computes = true, .check = alter_check_expression, .meaning = meaning_of_generation,
	},
	[AT_DropExpression] = {
		.name = "ALTER COLUMN DROP EXPRESSION", .pass = PASS_DROP,
		.judge = rules_drop_expression, .touches = TOUCHES_COLUMN, .check = alter_check_expression,
	},
	[AT_SetStorage] = {.name = "ALTER COLUMN SET STORAGE", .check = alter_check_old_column},
	[AT_SetOptions] = {.name = "ALTER COLUMN SET", .check = alter_check_old_column},
	[AT_ResetOptions] = {.name = "ALTER COLUMN RESET", .check = alter_check_old_column},
	[AT_SetStatistics] = HARMLESS("ALTER COLUMN SET STATISTICS"),
	[AT_SetCompression] = HARMLESS("ALTER COLUMN SET COMPRESSION"),
	[AT_AlterColumnGenericOptions] = HARMLESS("ALTER COLUMN OPTIONS"),

	/* constraints */
	[AT_AddConstraint] = {
		.name = "ADD CONSTRAINT", .pass = PASS_CONSTRAINT, .recurses = true,
		.judge = rules_new_constraint, .worst = RULE_SCAN_UNDER_LOCK,
		.kind = "add_constraint", .check = alter_check_add_constraint, .plan = alter_plan_add_constraint,
		.outcome = "constraint", .meaning = meaning_of_constraint,
	},
	[AT_DropConstraint] = {
		.name = "DROP CONSTRAINT", .pass = PASS_DROP, .recurses = true,
		.judge = rules_drop_constraint, .object = "constraint",
		.check = alter_check_drop_constraint, .plan = alter_plan_last, .outcome = "no-constraint",
	},
	[AT_ValidateConstraint] = {
		.name = "VALIDATE CONSTRAINT", .recurses = true,
		.judge = rules_validate_constraint, .check = alter_check_validation, .plan = alter_plan_validation,
	},
	[AT_AlterConstraint] = {
		.name = "ALTER CONSTRAINT", .judge = rules_alter_constraint, .object = "constraint",
	},

	/* the whole of the rows */
	[AT_SetTableSpace] = {
		.name = "SET TABLESPACE", .judge = rules_set_tablespace, .anew = true, .outcome = "tablespace",
	},
	[AT_SetLogged] = {.name = "SET LOGGED", .judge = rules_set_logged, .anew = true, .outcome = "logged"},
	[AT_SetUnLogged] = {.name = "SET UNLOGGED", .judge = rules_set_unlogged, .anew = true, .outcome = "unlogged"},
	[AT_SetAccessMethod] = {
		.name = "SET ACCESS METHOD", .judge = rules_set_access_method, .anew = true, .outcome = "access-method",
	},
	[AT_SetRelOptions] = {.name = "SET", .judge = rules_relation_options, .check = alter_check_options},
	[AT_ResetRelOptions] = {.name = "RESET", .judge = rules_relation_options},
	[AT_ReplaceRelOptions] = {.name = "WITH", .judge = rules_relation_options},
	[AT_ReplicaIdentity] = {.name = "REPLICA IDENTITY", .judge = rules_replica_identity},
	[AT_ClusterOn] = HARMLESS("CLUSTER ON"),
	[AT_DropCluster] = HARMLESS("SET WITHOUT CLUSTER"),
	[AT_DropOids] = HARMLESS("SET WITHOUT OIDS"),
	[AT_GenericOptions] = HARMLESS("OPTIONS"),

	/* partitions, parents and types */
	[AT_AttachPartition] = {
		.name = "ATTACH PARTITION", .judge = rules_attach_partition,
		.kind = "attach_partition", .meaning = meaning_of_partition,
	},
	[AT_DetachPartition] = {
		.name = "DETACH PARTITION", .judge = rules_detach_partition, .kind = "detach_partition",
	},
	[AT_DetachPartitionFinalize] = HARMLESS("DETACH PARTITION FINALIZE"),
	[AT_AddInherit] = {.name = "INHERIT", .check = alter_check_parent},
	[AT_DropInherit] = {.name = "NO INHERIT", .check = alter_check_parent},
	[AT_AddOf] = HARMLESS("OF"),
	[AT_DropOf] = HARMLESS("NOT OF"),

	/* who may, and what fires */
	[AT_ChangeOwner] = {.name = "OWNER TO", .judge = rules_owner_to, .check = alter_check_owner},
	[AT_EnableRowSecurity] = {.name = "ENABLE ROW LEVEL SECURITY", .judge = rules_enable_row_security},
	[AT_DisableRowSecurity] = {.name = "DISABLE ROW LEVEL SECURITY", .judge = rules_disable_row_security},
	[AT_ForceRowSecurity] = {.name = "FORCE ROW LEVEL SECURITY", .judge = rules_force_row_security},
	[AT_NoForceRowSecurity] = {.name = "NO FORCE ROW LEVEL SECURITY", .judge = rules_no_force_row_security},
	/* enabled along with others, ours would no longer fire for what replication writes */
	[AT_EnableTrig] = ONE_TRIGGER("ENABLE TRIGGER", TOUCHES_TRIGGER),
	[AT_DisableTrig] = ONE_TRIGGER("DISABLE TRIGGER", TOUCHES_TRIGGER),
	[AT_EnableReplicaTrig] = ONE_TRIGGER("ENABLE REPLICA TRIGGER", TOUCHES_TRIGGER),
	[AT_EnableAlwaysTrig] = ONE_TRIGGER("ENABLE ALWAYS TRIGGER", 0),
	[AT_EnableTrigAll] = ALL_TRIGGERS("ENABLE TRIGGER ALL"),
	[AT_EnableTrigUser] = ALL_TRIGGERS("ENABLE TRIGGER USER"),
	[AT_DisableTrigAll] = ALL_TRIGGERS("DISABLE TRIGGER ALL"),
	[AT_DisableTrigUser] = ALL_TRIGGERS("DISABLE TRIGGER USER"),
	[AT_EnableRule] = ONE_RULE("ENABLE RULE"),
	[AT_DisableRule] = ONE_RULE("DISABLE RULE"),
	[AT_EnableReplicaRule] = ONE_RULE("ENABLE REPLICA RULE"),
	[AT_EnableAlwaysRule] = ONE_RULE("ENABLE ALWAYS RULE"),
};

const int	subcommand_table_length = lengthof(subcommand_table);
