/*
 * tally - counts by word, for aggregations over many records in bounded memory: when TALLY_MAX
 * different words have been seen, further new ones are not counted. Pure.
 */
#ifndef ENGINE_API_TALLY_H
#define ENGINE_API_TALLY_H

#include <yyjson.h>

#include "outdial/types.h"

enum { OD_TALLY_MAX = 4096, OD_TALLY_WORD_MAX = OD_ENDPOINT_MAX };

struct od_tally {
    struct od_tally_word *words; /* made at the first word */
    size_t count;
    uint8_t key[16]; /* set by the owner: words come from outside */
};

bool od_tally_add(struct od_tally *tally, const char *word); /* false: no memory */
void od_tally_free(struct od_tally *tally);

/* { word: count, ... } */
yyjson_mut_val *od_tally_object(yyjson_mut_doc *doc, const struct od_tally *tally);
/* [ { name: word, "count": count }, ... ] by word */
yyjson_mut_val *od_tally_list(yyjson_mut_doc *doc, const struct od_tally *tally, const char *name);

#endif
