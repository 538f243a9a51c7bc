/*
 * tally - open addressing over twice the slots that may be used.
 */
#include "engine/api/tally.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/siphash.h"
#include "engine/base/str.h"

enum { SLOTS = 2 * OD_TALLY_MAX };

struct od_tally_word {
    uint64_t count; /* 0: the slot is free */
    char word[OD_TALLY_WORD_MAX];
};

bool od_tally_add(struct od_tally *tally, const char *word)
{
    size_t bytes = strlen(word);
    if (bytes >= OD_TALLY_WORD_MAX)
        bytes = OD_TALLY_WORD_MAX - 1;
    if (!tally->words)
        tally->words = calloc(SLOTS, sizeof *tally->words);
    if (!tally->words)
        return false;
    size_t at = (size_t)od_siphash(tally->key, word, bytes) % SLOTS;
    while (tally->words[at].count &&
           (strncmp(tally->words[at].word, word, bytes) != 0 || tally->words[at].word[bytes]))
        at = (at + 1) % SLOTS;
    struct od_tally_word *slot = &tally->words[at];
    if (!slot->count) {
        if (tally->count == OD_TALLY_MAX)
            return true;
        tally->count++;
        memcpy(slot->word, word, bytes);
    }
    slot->count++;
    return true;
}

void od_tally_free(struct od_tally *tally)
{
    free(tally->words);
    tally->words = NULL;
    tally->count = 0;
}

static int by_word(const void *a, const void *b)
{
    const struct od_tally_word *left = a, *right = b;
    return strcmp(left->word, right->word);
}

/* The used slots by word, to be freed; NULL when there are none. */
static struct od_tally_word *sorted(const struct od_tally *tally)
{
    struct od_tally_word *all = tally->count ? malloc(tally->count * sizeof *all) : NULL;
    size_t n = 0;
    for (size_t i = 0; all && i < SLOTS; i++)
        if (tally->words[i].count)
            all[n++] = tally->words[i];
    if (all)
        qsort(all, n, sizeof *all, by_word);
    return all;
}

static bool is_text(const char *word)
{
    return od_str_utf8(word, strlen(word));
}

yyjson_mut_val *od_tally_object(yyjson_mut_doc *doc, const struct od_tally *tally)
{
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    struct od_tally_word *all = sorted(tally);
    for (size_t i = 0; all && i < tally->count; i++)
        if (is_text(all[i].word))
            yyjson_mut_obj_add(object, yyjson_mut_strcpy(doc, all[i].word),
                               yyjson_mut_uint(doc, all[i].count));
    free(all);
    return object;
}

yyjson_mut_val *od_tally_list(yyjson_mut_doc *doc, const struct od_tally *tally, const char *name)
{
    yyjson_mut_val *list = yyjson_mut_arr(doc);
    struct od_tally_word *all = sorted(tally);
    for (size_t i = 0; all && i < tally->count; i++) {
        if (!is_text(all[i].word))
            continue;
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(doc, list);
        yyjson_mut_obj_add_strcpy(doc, item, name, all[i].word);
        yyjson_mut_obj_add_uint(doc, item, "count", all[i].count);
    }
    free(all);
    return list;
}
