/*-------------------------------------------------------------------------
 *
 * target.c
 *		The server that statements are made for: this one, or another's version.
 *
 * Kept as a setting, which nobody can see or set, so that it ends with the call
 * that has set it, however that ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/guc.h"
#include "core/target.h"
#include "utils/guc.h"
#include "compat.h"

int
target_major(void)
{
	return guc_target;
}

void
target_set(int major)
{
	(void) set_config_option("zdm.target", psprintf("%d", major), PGC_INTERNAL, PGC_S_OVERRIDE,
							 GUC_ACTION_SAVE, true, 0, false);
}

bool
target_has_named_not_null(void)
{
	return target_major() >= 18;
}

bool
target_has_maintain(void)
{
	return target_major() >= 17;
}

bool
target_has_transaction_timeout(void)
{
	return target_major() >= 17;
}

bool
target_has_security_invoker(void)
{
	return target_major() >= 15;
}
