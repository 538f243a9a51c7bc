/* number_book: see number_book.h. Open addressing with linear probing, at most half full. */
#include "bench/carrier/number_book.h"

#include <stdlib.h>

enum { ROOM_FIRST = 1024 };

int od_number_book_init(struct od_number_book *book, size_t numbers_max)
{
    *book = (struct od_number_book){.room = ROOM_FIRST, .used_max = numbers_max};
    book->entries = calloc(book->room, sizeof *book->entries);
    return book->entries ? 0 : -1;
}

void od_number_book_deinit(struct od_number_book *book)
{
    free(book->entries);
    book->entries = NULL;
}

static struct od_number_entry *probe(struct od_number_entry *entries, size_t room, uint64_t hash)
{
    size_t at = (size_t)hash & (room - 1);
    while (entries[at].number_hash && entries[at].number_hash != hash)
        at = (at + 1) & (room - 1);
    return &entries[at];
}

static bool grow(struct od_number_book *book)
{
    size_t room = book->room * 2;
    struct od_number_entry *entries = calloc(room, sizeof *entries);
    if (!entries)
        return false;
    for (size_t i = 0; i < book->room; i++) {
        if (book->entries[i].number_hash)
            *probe(entries, room, book->entries[i].number_hash) = book->entries[i];
    }
    free(book->entries);
    book->entries = entries;
    book->room = room;
    return true;
}

struct od_number_entry *od_number_book_get(struct od_number_book *book, uint64_t number_hash)
{
    uint64_t hash = number_hash ? number_hash : 1; /* 0 marks a free entry */
    struct od_number_entry *entry = probe(book->entries, book->room, hash);
    if (entry->number_hash)
        return entry;
    if (book->used >= book->used_max || ((book->used + 1) * 2 > book->room && !grow(book))) {
        book->forgotten++;
        return NULL;
    }
    entry = probe(book->entries, book->room, hash);
    entry->number_hash = hash;
    book->used++;
    return entry;
}
