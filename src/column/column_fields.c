/*-------------------------------------------------------------------------
 *
 * column_fields.c
 *		A column with all that hangs on it, as the arguments of steps.
 *
 * What a step needs on the day of cutover is what was there when the change was
 * stated, by the names of that day: so it is kept whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "column/carry.h"
#include "column/definition.h"

static const Field grant_fields[] = {
	FIELD(ColumnGrant, privilege, TEXT),
	FIELD(ColumnGrant, grantee, TEXT),
	FIELD(ColumnGrant, grantable, BOOL),
};

static const Fields grant = FIELDS(ColumnGrant, grant_fields);

static const Fields index_tree;

static const Field index_fields[] = {
	FIELD(ColumnIndex, indexid, OID),
	FIELD(ColumnIndex, relid, OID),
	FIELD(ColumnIndex, name, TEXT),
	FIELD(ColumnIndex, comment, TEXT),
	FIELD(ColumnIndex, partitioned, BOOL),
	FIELD_OF(ColumnIndex, children, STRUCTS, &index_tree),
};

static const Fields index_tree = FIELDS(ColumnIndex, index_fields);

static const Field check_fields[] = {
	FIELD(ColumnCheck, name, TEXT),
	FIELD(ColumnCheck, expression, EXPRESSION),
	FIELD(ColumnCheck, validated, BOOL),
	FIELD(ColumnCheck, no_inherit, BOOL),
	FIELD(ColumnCheck, not_enforced, BOOL),
	FIELD(ColumnCheck, comment, TEXT),
};

static const Fields check = FIELDS(ColumnCheck, check_fields);

static const Field key_member_fields[] = {
	FIELD(KeyMember, relid, OID),
	FIELD(KeyMember, name, TEXT),
	FIELD(KeyMember, indexid, OID),
	FIELD(KeyMember, comment, TEXT),
	FIELD(KeyMember, index_comment, TEXT),
};

static const Fields key_member = FIELDS(KeyMember, key_member_fields);

static const Field key_fields[] = {
	FIELD(ColumnKey, name, TEXT),
	FIELD(ColumnKey, indexid, OID),
	FIELD_OF(ColumnKey, leaves, STRUCTS, &key_member),
	FIELD_OF(ColumnKey, parents, STRUCTS, &key_member),
	FIELD(ColumnKey, primary, BOOL),
	FIELD(ColumnKey, deferrable, BOOL),
	FIELD(ColumnKey, deferred, BOOL),
	FIELD(ColumnKey, nulls_not_distinct, BOOL),
	FIELD(ColumnKey, columns, INTS),
	FIELD(ColumnKey, included, INTS),
};

static const Fields key = FIELDS(ColumnKey, key_fields);

static const Field exclusion_fields[] = {
	FIELD(ColumnExclusion, relid, OID),
	FIELD(ColumnExclusion, attnum, ATTNUM),
	FIELD(ColumnExclusion, name, TEXT),
	FIELD(ColumnExclusion, indexid, OID),
	FIELD_OF(ColumnExclusion, leaves, STRUCTS, &key_member),
	FIELD_OF(ColumnExclusion, parents, STRUCTS, &key_member),
	FIELD(ColumnExclusion, deferrable, BOOL),
	FIELD(ColumnExclusion, deferred, BOOL),
	FIELD(ColumnExclusion, operators, TEXTS),
	FIELD_OF(ColumnExclusion, spec, STRUCT, &index_spec_fields),
};

static const Fields exclusion = FIELDS(ColumnExclusion, exclusion_fields);

static const Field foreign_member_fields[] = {
	FIELD(ForeignKeyMember, relid, OID),
	FIELD(ForeignKeyMember, owner, OID),
	FIELD(ForeignKeyMember, name, TEXT),
	FIELD(ForeignKeyMember, comment, TEXT),
	FIELD(ForeignKeyMember, partitioned, BOOL),
};

static const Fields foreign_member = FIELDS(ForeignKeyMember, foreign_member_fields);

static const Field foreign_fields[] = {
	FIELD(ColumnForeignKey, name, TEXT),
	FIELD(ColumnForeignKey, relid, OID),
	FIELD(ColumnForeignKey, refrelid, OID),
	FIELD_OF(ColumnForeignKey, members, STRUCTS, &foreign_member),
	FIELD(ColumnForeignKey, in_exchange, BOOL),
	FIELD(ColumnForeignKey, columns, INTS),
	FIELD(ColumnForeignKey, refcolumns, INTS),
	FIELD(ColumnForeignKey, delete_columns, INTS),
	FIELD(ColumnForeignKey, match, CHAR),
	FIELD(ColumnForeignKey, on_update, CHAR),
	FIELD(ColumnForeignKey, on_delete, CHAR),
	FIELD(ColumnForeignKey, deferrable, BOOL),
	FIELD(ColumnForeignKey, deferred, BOOL),
	FIELD(ColumnForeignKey, validated, BOOL),
	FIELD(ColumnForeignKey, not_enforced, BOOL),
};

static const Fields foreign = FIELDS(ColumnForeignKey, foreign_fields);

static const Field sequence_fields[] = {
	FIELD(ColumnSequence, relid, OID),
	FIELD(ColumnSequence, identity, BOOL),
	FIELD(ColumnSequence, typed_as_column, BOOL),
};

static const Fields sequence = FIELDS(ColumnSequence, sequence_fields);

static const Field statistics_list[] = {
	FIELD(ColumnStatistics, name, TEXT),
	FIELD(ColumnStatistics, namespace, OID),
	FIELD(ColumnStatistics, columns, INTS),
	FIELD(ColumnStatistics, expressions, EXPRESSIONS),
	FIELD(ColumnStatistics, kinds, TEXT),
	FIELD(ColumnStatistics, target, INT),
	FIELD(ColumnStatistics, comment, TEXT),
	FIELD(ColumnStatistics, owner, TEXT),
};

const Fields column_statistics_fields = FIELDS(ColumnStatistics, statistics_list);

static const Field dependent_fields[] = {
	FIELD(ColumnDependent, view, OID),
	FIELD(ColumnDependent, dropped, BOOL),
	FIELD(ColumnDependent, definition, INT),
	FIELD(ColumnDependent, oid, OID),
	FIELD(ColumnDependent, name, TEXT),
};

static const Fields dependent = FIELDS(ColumnDependent, dependent_fields);

static const Field matview_list[] = {
	FIELD(ColumnMatview, oid, OID),
	FIELD(ColumnMatview, namespace, OID),
	FIELD(ColumnMatview, name, TEXT),
	FIELD(ColumnMatview, owner, TEXT),
	FIELD(ColumnMatview, options, TEXT),
	FIELD(ColumnMatview, access_method, TEXT),
	FIELD(ColumnMatview, tablespace, TEXT),
	FIELD(ColumnMatview, populated, BOOL),
	FIELD_OF(ColumnMatview, indexes, STRUCTS, &index_tree),
	FIELD(ColumnMatview, cluster_index, OID),
};

const Fields column_matview_fields = FIELDS(ColumnMatview, matview_list);

static const Field view_fields[] = {
	FIELD(ColumnView, oid, OID),
	FIELD(ColumnView, name, TEXT),
	FIELD(ColumnView, direct, BOOL),
};

static const Fields view = FIELDS(ColumnView, view_fields);

static const Field old_fields[] = {
	FIELD(Column, relid, OID),
	FIELD(Column, attnum, ATTNUM),
	FIELD(Column, name, TEXT),
	FIELD(Column, type, TEXT),
	FIELD(Column, collation, TEXT),
	FIELD(Column, not_null, BOOL),
	FIELD(Column, default_text, TEXT),
	FIELD(Column, default_volatile, BOOL),
	FIELD(Column, storage, TEXT),
	FIELD(Column, compression, TEXT),
	FIELD(Column, statistics, INT),
	FIELD(Column, options, TEXTS),
	FIELD(Column, comment, TEXT),
	FIELD_OF(Column, grants, STRUCTS, &grant),
	FIELD_OF(Column, index_trees, STRUCTS, &index_tree),
	FIELD_OF(Column, checks, STRUCTS, &check),
	FIELD_OF(Column, keys, STRUCTS, &key),
	FIELD_OF(Column, exclusions, STRUCTS, &exclusion),
	FIELD_OF(Column, foreign_keys, STRUCTS, &foreign),
	FIELD_OF(Column, sequences, STRUCTS, &sequence),
	FIELD_OF(Column, matviews, STRUCTS, &column_matview_fields),
	FIELD_OF(Column, views, STRUCTS, &view),
	FIELD_OF(Column, extended, STRUCTS, &column_statistics_fields),
	FIELD_OF(Column, dependents, STRUCTS, &dependent),
	FIELD(Column, generated, TEXTS),
	FIELD(Column, owner, OID),
	FIELD(Column, not_null_name, TEXT),
	FIELD(Column, not_null_pending, BOOL),
	FIELD(Column, identity_index, OID),
	FIELD(Column, cluster_index, OID),
};

static const Fields old = FIELDS(Column, old_fields);

static const Field new_fields[] = {
	FIELD(NewColumn, name, TEXT),
	FIELD(NewColumn, final_name, TEXT),
	FIELD(NewColumn, type, TEXT),
	FIELD(NewColumn, collation, TEXT),
	FIELD(NewColumn, default_text, TEXT),
	FIELD(NewColumn, storage, TEXT),
	FIELD(NewColumn, compression, TEXT),
	FIELD(NewColumn, sequence_type, TEXT),
	FIELD(NewColumn, old_sequence_type, TEXT),
	FIELD(NewColumn, retyped, BOOL),
	FIELD(NewColumn, may_misfit, BOOL),
	FIELD(NewColumn, mapped, BOOL),
	FIELD(NewColumn, null_first, BOOL),
};

static const Fields new = FIELDS(NewColumn, new_fields);

static const Field note_fields[] = {
	FIELD(DefinitionNote, kind, INT),
	FIELD(DefinitionNote, oid, OID),
	FIELD(DefinitionNote, name, TEXT),
	FIELD(DefinitionNote, hash, INT8),
	FIELD(DefinitionNote, sql, TEXT),
};

static const Fields note = FIELDS(DefinitionNote, note_fields);

static const Field twin_list[] = {
	FIELD_OF(TwinArgs, old, STRUCT, &old),
	FIELD_OF(TwinArgs, new, STRUCT, &new),
	FIELD_OF(TwinArgs, noted, STRUCTS, &note),
	FIELD(TwinArgs, new_default, TEXT),
	FIELD(TwinArgs, default_noted, BOOL),
};

const Fields twin_fields = FIELDS(TwinArgs, twin_list);
