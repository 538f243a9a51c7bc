/*
 * journal_book - see journal_book.h. A table by uid finds the latest attempt of a call; earlier
 * ones stay in the list as they were.
 */
#include "proto/journal/journal_book.h"

#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"

enum { FIRST_SIZE = 256 };

struct od_journal_book *od_journal_book_create(void)
{
    return calloc(1, sizeof(struct od_journal_book));
}

void od_journal_book_destroy(struct od_journal_book *book)
{
    if (book == NULL)
        return;
    for (size_t i = 0; i < book->piece_count; i++)
        free(book->pieces[i]);
    free(book->pieces);
    free(book->attempts);
    free(book->buckets);
    free(book);
}

/* The second half of a UUIDv7 is random; a journal that was tampered with costs time, no more. */
static uint32_t *bucket_of(struct od_journal_book *book, const struct od_uid *uid)
{
    uint32_t hash;
    memcpy(&hash, uid->b + 12, sizeof hash);
    hash *= UINT32_C(0x9e3779b1);
    size_t at = (hash ^ hash >> 16) & book->mask;
    while (book->buckets[at] != 0 &&
           memcmp(book->attempts[book->buckets[at] - 1].uid.b, uid->b, sizeof uid->b) != 0)
        at = (at + 1) & book->mask;
    return &book->buckets[at];
}

/* At most half of the buckets are used, so every look ends. */
static int make_room(struct od_journal_book *book)
{
    if (book->count < book->size)
        return 0;
    size_t size = book->size == 0 ? FIRST_SIZE : book->size * 2;
    struct od_journal_attempt *attempts = realloc(book->attempts, size * sizeof *attempts);
    if (attempts == NULL)
        return OD_ENOMEM;
    book->attempts = attempts;
    uint32_t *buckets = calloc(2 * size, sizeof *buckets);
    if (buckets == NULL)
        return OD_ENOMEM;
    free(book->buckets);
    book->buckets = buckets;
    book->mask = 2 * size - 1;
    book->size = size;
    for (size_t i = 0; i < book->count; i++) /* in order: the latest of a call stays */
        *bucket_of(book, &attempts[i].uid) = (uint32_t)i + 1;
    return 0;
}

static int read_dial(struct od_journal_book *book, const struct od_journal_record *record)
{
    if (make_room(book) != 0)
        return OD_ENOMEM;
    uint32_t *bucket = bucket_of(book, &record->uid);
    struct od_journal_attempt *before = *bucket == 0 ? NULL : &book->attempts[*bucket - 1];
    struct od_journal_attempt now = {.uid = record->uid,
                                     .org = record->org,
                                     .dial = record->order,
                                     .dialed_ms = record->at_ms,
                                     .fence = record->fence,
                                     .number = record->number};
    if (before != NULL && before->number > now.number)
        return 0;
    if (before != NULL && before->number == now.number && before->state != OD_JOURNAL_VOID) {
        before->dial = now.dial; /* written again, because its file was to be removed */
        before->fence = now.fence;
        return 0;
    }
    if (before != NULL && before->state == OD_JOURNAL_OPEN)
        before->state = OD_JOURNAL_VOID; /* its trunk refused it, and the next one's turn came */
    book->attempts[book->count++] = now;
    *bucket = (uint32_t)book->count;
    return 0;
}

static void read_more(struct od_journal_book *book, const struct od_journal_record *record)
{
    if (book->count == 0)
        return;
    uint32_t at = *bucket_of(book, &record->uid);
    if (at == 0)
        return; /* its beginning was removed: it has ended long ago */
    struct od_journal_attempt *attempt = &book->attempts[at - 1];
    switch (record->kind) {
    case 'P':
        if (attempt->state == OD_JOURNAL_OPEN)
            attempt->note = record->order;
        break;
    case 'B':
        if (attempt->state == OD_JOURNAL_OPEN)
            attempt->second = record->order;
        break;
    case 'F':
        if (attempt->state <= OD_JOURNAL_ENDED) {
            attempt->end = record->order;
            attempt->state = OD_JOURNAL_ENDED;
        }
        break;
    case 'S':
        if (attempt->number == record->number && attempt->state <= OD_JOURNAL_ENDED) {
            attempt->stored_ms = record->at_ms;
            attempt->state = OD_JOURNAL_STORED;
        }
        break;
    default:
        if (attempt->number == record->number && attempt->state == OD_JOURNAL_OPEN)
            attempt->state = OD_JOURNAL_VOID;
        break;
    }
}

int od_journal_book_read(struct od_journal_book *book, void *bytes, size_t count)
{
    void **pieces = realloc(book->pieces, (book->piece_count + 1) * sizeof *pieces);
    if (pieces == NULL) {
        free(bytes);
        return OD_ENOMEM;
    }
    book->pieces = pieces;
    book->pieces[book->piece_count++] = bytes;
    for (size_t at = 0; at < count;) {
        struct od_journal_record record;
        size_t took = od_journal_record_get((const uint8_t *)bytes + at, count - at, &record);
        if (took == 0) {
            book->torn_bytes += count - at;
            break;
        }
        at += took;
        book->records++;
        if (record.kind == 'R') {
            size_t length = record.order.bytes - 1;
            memcpy(book->run_id, record.order.at + 1, length);
            book->run_id[length] = '\0';
        } else if (record.kind != 'D') {
            read_more(book, &record);
        } else if (read_dial(book, &record) != 0) {
            return OD_ENOMEM;
        }
    }
    return 0;
}
