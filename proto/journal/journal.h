/*
 * journal - a local, fsynced record of what this process has dialled, beside Redis: what was
 * promised to be on disk before an INVITE leaves is on this disk too, so that a Redis that comes
 * back without its latest writes can be told again, by this process or by the one that is started
 * after it.
 *
 * The loop appends to memory and flushes; a thread of its own writes and syncs whatever has come up
 * meanwhile in one go (group commit), and says how far it is. A slow, full or broken disk never
 * holds the loop up: it is told as trouble, and what is unsynced is kept, within bounds, and tried
 * again each second.
 *
 * Segments are numbered files; an attempt pins the one its record is in until its end is stored.
 * Segments leave from the oldest on, when nothing pins them and what they say is too old to matter,
 * or there are too many bytes of them. Where the oldest is pinned for too long, its owner is asked
 * to write what pins it again.
 *
 * Lifetime: owned by its opener until the callback of close. All functions on the loop's thread.
 */
#ifndef PROTO_JOURNAL_JOURNAL_H
#define PROTO_JOURNAL_JOURNAL_H

#include <uv.h>

#include "proto/journal/journal_book.h"

struct od_journal;

struct od_journal_config {
    const char *dir;         /* made when it isn't there; its own for each process */
    bool sync;               /* false: a crash of the machine may lose what was last written */
    uint32_t keep_ms;        /* what has ended stays at least so long, for a Redis that forgets;
                                0: 60,000 */
    uint64_t bytes_max;      /* of all segments, more or less; 0: 256 MiB */
    uint32_t segment_bytes;  /* 0: 8 MiB */
    uint32_t unsynced_bytes; /* beyond it nothing is taken; 0: 16 MiB */
    uint32_t retry_ms;       /* after a failure; 0: 1,000 */
};

struct od_journal_events {
    void *ctx;
    void (*synced)(void *ctx); /* more is durable than before */
    /* why: what the disk says, NULL: it is in order again. Once per change. */
    void (*trouble)(void *ctx, const char *why);
    /* Append again whatever pins this segment, and move the pins. */
    void (*renew)(void *ctx, uint32_t segment);
};

/* What is in the folder stays until the first od_journal_settle(). OD_EBUSY: the folder is another
 * process's; OD_EIO, OD_ENOMEM; `why` says it in words. */
int od_journal_open(struct od_journal **out, uv_loop_t *loop,
                    const struct od_journal_config *config, const struct od_journal_events *events,
                    char *why, size_t why_size);
/* Writes what was appended (what the disk refuses is lost), then closes. fn is called last, from
 * the loop; no event and no book comes any more. */
void od_journal_close(struct od_journal *journal, void (*fn)(void *ctx), void *ctx);

/* Appends a record (journal_record.h). *segment: where it is; NULL when that is of no interest.
 * Returns its place in order, 1..; 0: nothing was taken, too much is unsynced or memory is short.
 */
uint64_t od_journal_append(struct od_journal *journal, struct od_text org, struct od_text order,
                           uint32_t *segment);
/* Hands what was appended to the thread. */
void od_journal_flush(struct od_journal *journal);
/* All up to this place are durable. */
bool od_journal_synced(const struct od_journal *journal, uint64_t place);

void od_journal_pin(struct od_journal *journal, uint32_t segment);
void od_journal_unpin(struct od_journal *journal, uint32_t segment); /* 0: nothing */

/* All that is on disk, read by the thread after what was flushed. The book is the callback's to
 * destroy; NULL: it can't be read, why says it. One at a time: OD_EBUSY. */
typedef void (*od_journal_book_fn)(void *ctx, struct od_journal_book *book, const char *why);
int od_journal_recall(struct od_journal *journal, od_journal_book_fn fn, void *ctx);
/* What was there at the open has been dealt with. */
void od_journal_settle(struct od_journal *journal);

struct od_journal_stats {
    uint64_t records, bytes, syncs, failures;
    uint64_t refused;       /* records that were not taken */
    uint64_t bytes_on_disk; /* of all segments */
    uint64_t waits_ms;      /* since the oldest flush that is not durable; 0: all is */
    uint32_t segments;
};
void od_journal_stats(const struct od_journal *journal, struct od_journal_stats *out);

#endif
