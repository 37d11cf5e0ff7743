/*-------------------------------------------------------------------------
 *
 * writeback.c
 *		What a copy adds to a file begins to be written to disk as it goes along.
 *
 * A page that is added to a file is in the operating system's cache at once, whatever
 * becomes of it in shared buffers; the checkpointer, which spreads what it writes, does
 * not know of it.  Left alone, all that a copy has added within half a minute is written
 * in one go, and the next commit of an application waits for it: 0.5 s on the machine of
 * test/bench/stalls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "backfill/writeback.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"
#include "utils/rel.h"

/* Less than so many blocks are left for the next time. */
#define WRITEBACK_BLOCKS 32

static void
note_file(Writeback *writeback, Relation rel)
{
	ZdmFileLocator file = zdm_file_locator(rel);
	GrowingFile *growing;

	for (int i = 0; i < writeback->count; i++)
	{
		if (!zdm_file_locator_equals(writeback->files[i].file, file))
			continue;
		writeback->files[i].blocks = RelationGetNumberOfBlocks(rel);
		return;
	}
	if (writeback->count < WRITEBACK_FILES)
		growing = &writeback->files[writeback->count++];
	else
	{
		growing = &writeback->files[writeback->next];
		writeback->next = (writeback->next + 1) % WRITEBACK_FILES;
	}
	growing->file = file;
	growing->told = growing->blocks = RelationGetNumberOfBlocks(rel);
}

void
writeback_note(Writeback *writeback, Relation rel)
{
	Relation	toast;

	note_file(writeback, rel);
	if (!OidIsValid(rel->rd_rel->reltoastrelid))
		return;
	toast = table_open(rel->rd_rel->reltoastrelid, AccessShareLock);
	note_file(writeback, toast);
	table_close(toast, NoLock);
}

void
writeback_start(Writeback *writeback)
{
	for (int i = 0; i < writeback->count; i++)
	{
		GrowingFile *growing = &writeback->files[i];

		if (growing->blocks < growing->told)
			growing->told = growing->blocks;
		if (growing->blocks - growing->told < WRITEBACK_BLOCKS)
			continue;
		/* the file may be gone, or be shorter, meanwhile: that is nothing to md.c */
		smgrwriteback(zdm_open_storage(growing->file), MAIN_FORKNUM, growing->told, growing->blocks - growing->told);
		growing->told = growing->blocks;
	}
}
