/*
 * journal_book - what a journal says, once all of it is read: each attempt that was about to be
 * dialled, and how far it got. Pure but for its memory; the caller reads the files.
 *
 * Lifetime: owned by whoever created it; the pieces it was fed belong to it from then on, and the
 * texts of its attempts point into them.
 */
#ifndef PROTO_JOURNAL_JOURNAL_BOOK_H
#define PROTO_JOURNAL_JOURNAL_BOOK_H

#include <stdbool.h>

#include "proto/journal/journal_record.h"

enum od_journal_state {
    OD_JOURNAL_OPEN,   /* may have been dialled; nothing is known of its end */
    OD_JOURNAL_ENDED,  /* its outcome is known, and not known to be in Redis */
    OD_JOURNAL_STORED, /* the same, and Redis has said it has it */
    OD_JOURNAL_VOID,   /* not dialled, or given up for the next one of the same claim */
};

struct od_journal_attempt {
    struct od_uid uid;
    struct od_text org, dial;         /* order D */
    struct od_text note, second, end; /* orders P, B, F, the latest of each; may be empty */
    int64_t dialed_ms, stored_ms;     /* wall; stored_ms: 0 when it is not */
    uint32_t fence;
    uint16_t number;
    uint8_t state; /* enum od_journal_state */
};

struct od_journal_book {
    /* read by the owner, in the order in which they were dialled */
    struct od_journal_attempt *attempts;
    size_t count;
    char run_id[65]; /* of the Redis that was served last; "": none is known */
    uint64_t records, torn_bytes;
    /* private */
    size_t size;
    uint32_t *buckets; /* attempt + 1 */
    size_t mask;
    void **pieces;
    size_t piece_count;
};

/* NULL: no memory. */
struct od_journal_book *od_journal_book_create(void);
void od_journal_book_destroy(struct od_journal_book *book);

/* Reads on in the next file's bytes (malloc'd; the book's from now on, also on failure). What comes
 * after a record that can't be read is counted as torn. OD_ENOMEM. */
int od_journal_book_read(struct od_journal_book *book, void *bytes, size_t count);

#endif
