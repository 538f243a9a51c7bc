/*
 * json_items - takes a long JSON array apart while it comes in: [ item, ... ] or an object that has
 * one under a given name, in bounded memory. It finds where items begin and end and nothing more;
 * whoever gets an item's text reads it with a real parser. Pure; how the bytes are cut into pieces
 * makes no difference.
 *
 * Lifetime: a struct od_json_items belongs to one document; texts die at the next call.
 */
#ifndef ENGINE_API_JSON_ITEMS_H
#define ENGINE_API_JSON_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

enum { OD_ITEM_BYTES_MAX = 128 * 1024 };

enum od_items_step {
    OD_ITEMS_MORE,   /* all bytes are used up */
    OD_ITEMS_ITEM,   /* the next item of the array */
    OD_ITEMS_MEMBER, /* another member of the object around the array */
    OD_ITEMS_BAD,    /* not JSON of that kind: `why`; nothing follows */
    OD_ITEMS_END,    /* the document is complete and `last` was said */
};

struct od_items_text {
    const char *at; /* of an item or a member's value, NUL behind it */
    size_t bytes;
    bool too_long;    /* above OD_ITEM_BYTES_MAX: it was passed over, at is empty */
    const char *name; /* MEMBER: its name as written, without quotes */
    const char *why;  /* BAD: static storage */
};

struct od_json_items;

/* name: of the array in an object. OD_ENOMEM. */
int od_json_items_create(struct od_json_items **out, const char *name);
void od_json_items_destroy(struct od_json_items *items); /* NULL is fine */

/* Reads on from *data, which it advances. last: nothing follows these bytes. */
enum od_items_step od_json_items_next(struct od_json_items *items, const char **data, size_t *bytes,
                                      bool last, struct od_items_text *out);

/* After an item: the document was an array, not an object with one. */
bool od_json_items_bare(const struct od_json_items *items);

#endif
