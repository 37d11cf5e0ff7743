/*-------------------------------------------------------------------------
 *
 * cursor.h
 *		Where a pass over a table's blocks stands.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CURSOR_H
#define ZDM_CURSOR_H

#include "catalog/arrival.h"
#include "catalog/step.h"
#include "storage/block.h"
#include "utils/relcache.h"

/* Blocks that are to be revisited; "end" is not among them. */
typedef struct BlockRange
{
	Oid			leaf;
	Oid			filenode;		/* its storage when they were */
	int64		begin;
	int64		end;
	bool		fresh;			/* nobody has gone over them yet: in phases, and counted */
} BlockRange;

/* When a cursor was last saved, for the speed that zdm.progress shows. */
typedef struct WorkClock
{
	int32		step;
	TimestampTz at;				/* 0: not yet, or something held since */
	double		rows_per_second;
} WorkClock;

typedef struct Cursor
{
	int64		migration;
	Oid			leaf;			/* worked on now; InvalidOid: choose the next */
	Oid			filenode;		/* its storage, to notice a rewrite */
	Arrival		arrival;		/* of it, to notice that it went and came back */
	int64		block;			/* the next to do */
	int64		end;			/* the first not to do */
	int64		window_end;		/* blocks up to here are gone through in phases ... */
	int			phase;			/* ... of which this is the next; or PACE_ALL_PHASES */
	int64		phase_block;	/* the next to do in this phase */
	List	   *done;			/* Arrival *: leaves passed over, as they were attached then */
	List	   *deferred;		/* BlockRange *: had rows that others had locked */
	bool		revisiting;		/* the present range is a deferred one */
	bool		fresh;			/* of which nobody has gone over the blocks yet */
	int			stretches;		/* handed out to helpers, and not yet come back (zdm.stretch) */
	int64		blocks_total;	/* of all leaves, for the percentage */
	int64		blocks_done;
	int64		rows_done;
	int64		pass_rows;		/* of these, in the present pass */
	int64		rows_before;	/* of these, when the cursor was loaded */
	WorkClock  *clock;			/* the worker's; NULL for a stretch, which is not saved with the step */
} Cursor;

/*
 * The stored cursor of a step; a fresh one if there is none.  With
 * "only_new", a fresh one counts the leaves as done that the migration's first
 * backfill did.
 */
extern Cursor *cursor_load(const Step *step, bool only_new, WorkClock *clock);

/*
 * Store it, in the caller's transaction, after a batch that took so long, with
 * the speed for zdm.progress: that of the work and of the rests between batches.
 */
extern void cursor_save(const Step *step, Cursor *cursor, double work_ms, const char *waiting);

/* What a helper has done of a stretch, or what is left of it, as text for zdm.stretch. */
extern char *cursor_format(const Cursor *cursor);
extern Cursor *cursor_parse(int64 migration, const char *json);

/*
 * From which end of the present leaf blocks are handed out.  From the near one, between two
 * windows: what is done by several is done in about the order of the blocks.
 */
typedef enum CursorEnd
{
	CURSOR_NEAR_END,
	CURSOR_FAR_END
} CursorEnd;

/*
 * Take something off what is to be done, for somebody else: blocks from that end of
 * the present leaf, or a whole leaf that is small.  The cursor of that stretch, or NULL
 * if what is left is not worth it.  "workers" share the rest.  Needs locks as
 * cursor_settle() does.
 */
extern Cursor *cursor_hand_out(Cursor *cursor, List *roots, int workers, CursorEnd from);

/* It was returned: done, or from where it stands to be gone over by us. */
extern void cursor_take_back(Cursor *cursor, const Cursor *stretch);

/* Its leaf has been rewritten or has gone: what is there now is to be done anew. */
extern void cursor_take_back_void(Cursor *cursor, const Cursor *stretch);

/* The time since the last batch was spent neither working nor resting. */
extern void cursor_break(WorkClock *clock);

/*
 * Make sure that the cursor stands on a leaf: the next one in Oid order, of
 * relid and its partitions, that is not done; then the deferred ranges.  False
 * when nothing is left.  A leaf that was attached again since is not done, nor one in
 * which rows have been left unfilled since it was begun: an UPDATE may have moved
 * them behind the cursor, or beyond the last block.  Needs a
 * lock on relid that keeps its partitions.
 */
extern bool cursor_settle(Cursor *cursor, List *roots);

/* Of which of these tables (Oid) is the leaf, now?  InvalidOid: of none. */
extern Oid	cursor_root_of(Oid leaf, List *roots);

/*
 * Has the leaf been rewritten since the cursor was set?  Then its rows are
 * elsewhere, and it is begun again from the first block.
 */
extern void cursor_check_storage(Cursor *cursor, Relation leaf);

/*
 * What is worked on next: at most so many blocks, all rows at once or in phases.
 * To be called when the last window is done: block and window_end are the same.
 */
extern void cursor_open_window(Cursor *cursor, int64 blocks, bool in_phases);

/* Open another from the first block of this one: what is done there is seen to be. */
extern void cursor_close_window(Cursor *cursor);

/*
 * The window is done, or its present phase, up to the block "reached", but for the
 * rows in "deferred" (BlockRange *).  "done": no other phase is needed.
 */
extern void cursor_advance(Cursor *cursor, int64 reached, bool done, List *deferred);

/* Begin the next pass, over the table as it is then. */
extern void cursor_next_pass(Cursor *cursor);

#endif							/* ZDM_CURSOR_H */
