/*
 * journal_record - what the local journal is made of, as bytes and as structs. Pure: no I/O, no
 * allocation, never trusts what it reads.
 *
 *   record   length (4 bytes, little endian), CRC-32 of the payload (4, the same), payload
 *   payload  version byte, length of the org's name (1 byte), the name, an order
 *   order    kind byte, the call's uid (16), the claim's fence (4, big endian), more by kind
 *
 * Orders of kind D, P, B and F are those of proto/wire/wire.h, byte for byte: what is told to Redis
 * is what was written here. S and V are the journal's own, R stands alone.
 *
 *   D  an attempt that is about to be dialled (od_wire_reconcile)
 *
 *   P  it rings, or was answered: what it takes to end its leg from here on
 *      (od_wire_order_progress)
 *
 *   B  a second leg of it is about to be dialled, rings or was answered: the same of that
 *      (od_wire_order_second)
 *
 *   F  its outcome (od_wire_order_finish)
 *
 *   S  the outcome is in Redis: number of the attempt (2 bytes), wall ms (6)
 *
 *   V  it was not dialled after all: number of the attempt (2 bytes)
 *
 *   R  which Redis it is (its run_id, text) that what follows is kept in
 *
 * A record that is cut short, or whose CRC is wrong, ends what can be read of a file: it is what a
 * crash leaves of the last write.
 */
#ifndef PROTO_JOURNAL_JOURNAL_RECORD_H
#define PROTO_JOURNAL_JOURNAL_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "outdial/repo.h"

enum {
    OD_JOURNAL_VERSION = 1,
    OD_JOURNAL_HEAD_BYTES = 8,
    OD_JOURNAL_ORDER_MAX = 256 * 1024, /* the longest finish has some 125 KB */
    OD_JOURNAL_RECORD_MAX = OD_JOURNAL_HEAD_BYTES + 2 + OD_NAME_MAX + OD_JOURNAL_ORDER_MAX,
    OD_JOURNAL_MARK_MAX = 1 + 16 + 4 + 2 + 6, /* S and V */
};

struct od_journal_record {
    char kind;            /* as above */
    struct od_text org;   /* "" for R */
    struct od_text order; /* all of it, its kind included; borrowed from what was read */
    struct od_uid uid;    /* of all but R */
    uint32_t fence;       /* the same */
    uint16_t number;      /* of D, S, V */
    int64_t at_ms;        /* of D and S; wall */
};

/* Writes a record. Bytes written; OD_ETOOBIG: it does not fit, or order or org are too long. */
int od_journal_record_put(void *out, size_t size, struct od_text org, struct od_text order);

/* An S or V order. Bytes written, at most OD_JOURNAL_MARK_MAX. */
size_t od_journal_mark_put(uint8_t out[OD_JOURNAL_MARK_MAX], char kind, const struct od_uid *uid,
                           uint32_t fence, uint16_t number, int64_t at_ms);

/*
 * Reads the record at `at`. Bytes it takes; 0: here ends what can be read (the end itself, a torn
 * record, anything that is none of ours).
 */
size_t od_journal_record_get(const void *at, size_t bytes, struct od_journal_record *out);

#endif
