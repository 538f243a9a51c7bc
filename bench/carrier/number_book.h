/*
 * number_book: what is remembered of every called number: how often it was called and by how many
 * calls it is being called right now. It is what makes a second dial visible. Bounded: numbers
 * beyond the limit are not remembered, and that is counted. Numbers and Call-IDs are kept as keyed
 * 64-bit hashes: a chance collision among a million numbers has odds of 1 in 30 million.
 *
 * Lifetime: owned by the node; entries live as long as the book.
 */
#ifndef OD_BENCH_CARRIER_NUMBER_BOOK_H
#define OD_BENCH_CARRIER_NUMBER_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct od_number_entry {
    uint64_t number_hash;  /* 0: free */
    uint64_t call_id_hash; /* of the latest call */
    uint32_t attempts;     /* calls let through to it so far */
    uint32_t live;         /* of them, not over yet */
};

struct od_number_book {
    struct od_number_entry *entries;
    size_t room, used, used_max; /* room is a power of two */
    uint64_t forgotten;          /* calls whose number didn't fit; read by the summary */
};

/* 0 or -1: out of memory. numbers_max >= 1. */
int od_number_book_init(struct od_number_book *, size_t numbers_max);
void od_number_book_deinit(struct od_number_book *);

/* The entry of a number, made when it is new; NULL: the book is full. Borrowed until the next call.
 */
struct od_number_entry *od_number_book_get(struct od_number_book *, uint64_t number_hash);

#endif
