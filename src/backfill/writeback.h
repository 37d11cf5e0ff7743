/*-------------------------------------------------------------------------
 *
 * writeback.h
 *		What a copy adds to a file begins to be written to disk as it goes along.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_WRITEBACK_H
#define ZDM_WRITEBACK_H

#include "storage/block.h"
#include "utils/relcache.h"
#include "compat.h"

/* Of so many files it is known how large they were; of others, nothing is asked for. */
#define WRITEBACK_FILES 16

typedef struct GrowingFile
{
	ZdmFileLocator file;
	BlockNumber told;			/* as many blocks have been asked for */
	BlockNumber blocks;			/* as many there are */
} GrowingFile;

/* All zero at first. */
typedef struct Writeback
{
	GrowingFile files[WRITEBACK_FILES];
	int			count;
	int			next;			/* whose place the next one takes */
} Writeback;

/* How large the table and what is TOASTed of it are now.  Needs a lock on it. */
extern void writeback_note(Writeback *writeback, Relation rel);

/*
 * Ask the operating system to begin to write what has been added since.  To be called
 * when no row is locked: it waits where the disk has more to do than it can.  Where
 * fsync is off nothing is asked for (storage/file/fd.c).
 */
extern void writeback_start(Writeback *writeback);

#endif							/* ZDM_WRITEBACK_H */
