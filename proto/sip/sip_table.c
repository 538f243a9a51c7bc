/*
 * sip_table - where legs are found: by the engine's call id (an index and a generation), and by
 * Call-ID and local tag for what comes from the network. Call-IDs are ours and can't be guessed, so
 * a plain hash of them needs no key.
 */
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/sip/sip_internal.h"

enum { INDEX_SIZE_MIN = 64, HASH_SIZE_MIN = 256 };

uint64_t od_sip_tag_hash(const char *tag)
{
    /* FNV-1a, folded to lower case as tags are compared so by the library too; 64 bits of it name a
     * tag well enough among the few of one INVITE */
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = tag ? tag : ""; *c; c++) {
        unsigned char byte = (unsigned char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        hash = (hash ^ byte) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static int index_reserve(struct od_sip *sip, uint32_t index)
{
    if (index < sip->index_size)
        return 0;
    uint32_t size = sip->index_size ? sip->index_size : INDEX_SIZE_MIN;
    while (size <= index) {
        if (size > UINT32_MAX / 4)
            return OD_EINVAL;
        size *= 2;
    }
    struct od_sip_leg **grown = realloc(sip->by_index, size * sizeof *grown);
    if (!grown)
        return OD_ENOMEM;
    memset(grown + sip->index_size, 0, (size - sip->index_size) * sizeof *grown);
    sip->by_index = grown;
    sip->index_size = size;
    return 0;
}

struct od_sip_leg *od_sip_leg_get(const struct od_sip *sip, struct od_call_id call)
{
    if (call.index >= sip->index_size)
        return NULL;
    struct od_sip_leg *leg = sip->by_index[call.index];
    return leg && leg->call.gen == call.gen ? leg : NULL;
}

static int hash_reserve(struct od_sip *sip)
{
    if (sip->hash_used < sip->hash_size)
        return 0;
    uint32_t size = sip->hash_size ? sip->hash_size * 2 : HASH_SIZE_MIN;
    struct od_sip_leg **heads = calloc(size, sizeof *heads);
    if (!heads)
        return OD_ENOMEM;
    for (uint32_t i = 0; i < sip->hash_size; i++) {
        for (struct od_sip_leg *leg = sip->by_call_id[i], *next; leg; leg = next) {
            next = leg->chain;
            leg->chain = heads[leg->hash & (size - 1)];
            heads[leg->hash & (size - 1)] = leg;
        }
    }
    free(sip->by_call_id);
    sip->by_call_id = heads;
    sip->hash_size = size;
    return 0;
}

int od_sip_table_reserve(struct od_sip *sip, uint32_t index)
{
    int err = index_reserve(sip, index);
    return err ? err : hash_reserve(sip);
}

void od_sip_table_insert(struct od_sip *sip, struct od_sip_leg *leg)
{
    struct od_sip_leg **head = &sip->by_call_id[leg->hash & (sip->hash_size - 1)];
    leg->chain = *head;
    *head = leg;
    sip->hash_used++;
}

void od_sip_table_remove(struct od_sip *sip, struct od_sip_leg *leg)
{
    struct od_sip_leg **link = &sip->by_call_id[leg->hash & (sip->hash_size - 1)];
    while (*link != leg)
        link = &(*link)->chain;
    *link = leg->chain;
    sip->hash_used--;
}

struct od_sip_leg *od_sip_leg_find(struct od_sip *sip, const sip_call_id_t *call_id,
                                   const char *local_tag)
{
    if (!sip->hash_size || !call_id || !call_id->i_id || !local_tag)
        return NULL;
    struct od_sip_leg *leg = sip->by_call_id[call_id->i_hash & (sip->hash_size - 1)];
    while (leg && (leg->hash != call_id->i_hash || strcmp(leg->names.call_id, call_id->i_id) != 0 ||
                   strcmp(leg->names.from_tag, local_tag) != 0))
        leg = leg->chain;
    return leg;
}
