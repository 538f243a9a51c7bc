/*
 * journal_fuzz - a journal's file is input: a crash, a bad disk or a stranger may have made it.
 * Whatever the bytes are: no crash, every text of an attempt lies inside them, and a record that
 * was accepted is the same when it is written anew. Bytes are tried as they are, and with the CRCs
 * put right, so that what lies behind them is reached too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "proto/journal/journal_book.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const uint8_t *data, size_t size, struct od_text span)
{
    const uint8_t *at = (const uint8_t *)span.at;
    if (span.bytes > 0 &&
        (at < data || span.bytes > size || (size_t)(at - data) > size - span.bytes))
        abort();
}

static void read_as_book(const uint8_t *data, size_t size)
{
    struct od_journal_book *book = od_journal_book_create();
    uint8_t *copy = malloc(size + 1);
    if (book == NULL || copy == NULL)
        abort();
    memcpy(copy, data, size);
    if (od_journal_book_read(book, copy, size) != 0)
        abort();
    for (size_t i = 0; i < book->count; i++) {
        const struct od_journal_attempt *attempt = &book->attempts[i];
        inside(copy, size, attempt->org);
        inside(copy, size, attempt->dial);
        inside(copy, size, attempt->note);
        inside(copy, size, attempt->end);
        if (attempt->number == 0 || attempt->dial.bytes == 0 ||
            (attempt->state == OD_JOURNAL_ENDED && attempt->end.bytes == 0))
            abort();
    }
    od_journal_book_destroy(book);
}

/* Records as they stand, each with the CRC that belongs to it. */
static size_t put_right(uint8_t *data, size_t size)
{
    size_t at = 0;
    while (size - at >= OD_JOURNAL_HEAD_BYTES + 3) {
        size_t room = size - at - OD_JOURNAL_HEAD_BYTES;
        size_t length = 3 + (data[at] | (size_t)data[at + 1] << 8) % (room - 2);
        uint32_t sum = (uint32_t)crc32(0, data + at + OD_JOURNAL_HEAD_BYTES, (uInt)length);
        for (int i = 0; i < 4; i++) {
            data[at + (size_t)i] = (uint8_t)(length >> 8 * i);
            data[at + 4 + (size_t)i] = (uint8_t)(sum >> 8 * i);
        }
        at += OD_JOURNAL_HEAD_BYTES + length;
    }
    return at;
}

static void write_anew(const uint8_t *data, size_t size)
{
    struct od_journal_record record;
    size_t took = od_journal_record_get(data, size, &record);
    if (took == 0)
        return;
    uint8_t *again = malloc(took);
    if (again == NULL ||
        od_journal_record_put(again, took, record.org, record.order) != (int)took ||
        memcmp(again, data, took) != 0)
        abort();
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as_book(data, size);
    write_anew(data, size);
    uint8_t *copy = malloc(size + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    size_t whole = put_right(copy, size);
    read_as_book(copy, whole);
    write_anew(copy, whole);
    free(copy);
    return 0;
}
