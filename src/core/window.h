/*-------------------------------------------------------------------------
 *
 * window.h
 *		The times of day at which batches may run (zdm.batch_window).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_WINDOW_H
#define ZDM_WINDOW_H

#include "datatype/timestamp.h"

/*
 * What is wrong with the text of a setting, in a sentence, or NULL.  Windows
 * stand between commas, each as [day[-day]] hh:mm-hh:mm [time zone]; an empty
 * text is always.  The days are those on which it opens.  Pure, but that it
 * reads time zone files.
 */
extern char *window_complaint(const char *text);

/* The same windows, each that names no time zone with that of the session. */
extern char *window_with_zone(const char *text);

/* Is one of the windows open at that time?  An empty text always is. */
extern bool window_is_open(const char *text, TimestampTz at);

/* When the next one opens; 0 if one is open now. */
extern TimestampTz window_opens(const char *text, TimestampTz at);

#endif							/* ZDM_WINDOW_H */
