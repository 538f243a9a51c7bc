/*
 * callee_table: see callee_table.h. A binary heap by deadline, slots with generations, and two
 * chained hash tables by keyed hashes. The tables only find; no order is ever taken from them.
 */
#include "bench/carrier/callee_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the timer heap ---- */

static void place(struct od_carrier_node *n, size_t at, struct od_callee *c)
{
    n->heap[at] = c;
    c->heap_at = at;
}

static bool earlier(const struct od_callee *a, const struct od_callee *b)
{
    return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->serial < b->serial);
}

static void sift_up(struct od_carrier_node *n, size_t at, struct od_callee *c)
{
    while (at > 0 && earlier(c, n->heap[(at - 1) / 2])) {
        place(n, at, n->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(n, at, c);
}

static void sift_down(struct od_carrier_node *n, size_t at, struct od_callee *c)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < n->heap_n && earlier(n->heap[child + 1], n->heap[child]))
            child++;
        if (child >= n->heap_n || !earlier(n->heap[child], c))
            break;
        place(n, at, n->heap[child]);
        at = child;
    }
    place(n, at, c);
}

void od_carrier_arm(struct od_carrier_node *n, struct od_callee *c)
{
    sift_up(n, c->heap_at, c);
    sift_down(n, c->heap_at, c);
}

static void heap_remove(struct od_carrier_node *n, struct od_callee *c)
{
    struct od_callee *last = n->heap[--n->heap_n];
    if (last == c)
        return;
    place(n, c->heap_at, last);
    od_carrier_arm(n, last);
}

/* ---- finding callees ---- */

uint64_t od_carrier_hash(const struct od_carrier_node *n, struct od_text text)
{
    return od_keyed_hash(n->secret, text.at, text.bytes);
}

static uint64_t hash_parts(const struct od_carrier_node *n, const struct od_text *parts,
                           size_t count, uint64_t number)
{
    uint64_t words[8] = {number};
    for (size_t i = 0; i < count; i++)
        words[i + 1] = od_carrier_hash(n, parts[i]);
    return od_keyed_hash(n->secret, words, (count + 1) * sizeof *words);
}

uint64_t od_carrier_transaction_key(const struct od_carrier_node *n, const struct od_sip_text *m)
{
    if (m->branch.bytes > 7 && memcmp(m->branch.at, "z9hG4bK", 7) == 0) {
        const struct od_text parts[] = {m->branch, m->via_host};
        return hash_parts(n, parts, 2, m->via_port);
    }
    /* RFC 2543 matching: the same request but for its method */
    const struct od_text parts[] = {m->via, m->call_id, m->from_tag, m->uri};
    return hash_parts(n, parts, 4, m->cseq);
}

/* 8.2.2.2: the same request that came another way has this in common with the first. */
uint64_t od_callee_table_merge_key(const struct od_carrier_node *n, const struct od_sip_text *m)
{
    const struct od_text parts[] = {m->call_id, m->from_tag};
    return hash_parts(n, parts, 2, m->cseq);
}

struct od_callee *od_callee_table_find_invite(struct od_carrier_node *n, uint64_t key)
{
    struct od_callee *c = n->by_invite[key & (n->chains - 1)];
    while (c && c->invite.key != key)
        c = c->invite_next;
    return c;
}

struct od_callee *od_callee_table_find_merge(struct od_carrier_node *n, uint64_t key)
{
    struct od_callee *c = n->by_merge[key & (n->chains - 1)];
    while (c && c->merge_key != key)
        c = c->merge_next;
    return c;
}

static void unlink_invite(struct od_carrier_node *n, struct od_callee *c, uint64_t key)
{
    struct od_callee **at = &n->by_invite[key & (n->chains - 1)];
    while (*at && *at != c)
        at = &(*at)->invite_next;
    if (*at)
        *at = c->invite_next;
}

static void unlink_merge(struct od_carrier_node *n, struct od_callee *c)
{
    struct od_callee **at = &n->by_merge[c->merge_key & (n->chains - 1)];
    while (*at && *at != c)
        at = &(*at)->merge_next;
    if (*at)
        *at = c->merge_next;
}

static void link_invite(struct od_carrier_node *n, struct od_callee *c)
{
    struct od_callee **head = &n->by_invite[c->invite.key & (n->chains - 1)];
    c->invite_next = *head;
    *head = c;
}

void od_carrier_rekey(struct od_carrier_node *n, struct od_callee *c, uint64_t key)
{
    uint64_t chain = c->linked_key;
    unlink_invite(n, c, chain);
    c->linked_key = key;
    link_invite(n, c);
}

/* Our tags and branches begin with the callee's slot and generation in hexadecimal. */
struct od_callee *od_callee_table_find_tag(struct od_carrier_node *n, struct od_text tag)
{
    char text[40];
    unsigned index, generation;
    if (tag.bytes == 0 || tag.bytes >= sizeof text)
        return NULL;
    memcpy(text, tag.at, tag.bytes);
    text[tag.bytes] = 0;
    if (sscanf(text, "%8x.%8x.", &index, &generation) != 2 || index >= n->setup.calls_max)
        return NULL;
    struct od_callee *c = n->slots[index].callee;
    return c && c->generation == generation && strcmp(c->tag, text) == 0 ? c : NULL;
}

/* The callee of an in-dialog request: Call-ID and both tags must match (12.2.2). */
struct od_callee *od_callee_table_find_dialog(struct od_carrier_node *n,
                                              const struct od_sip_text *m)
{
    struct od_callee *c = od_callee_table_find_tag(n, m->to_tag);
    if (!c || c->call_id_hash != od_carrier_hash(n, m->call_id) ||
        c->from_tag_hash != od_carrier_hash(n, m->from_tag))
        return NULL;
    return c;
}

/* ---- callees come and go ---- */

struct od_callee *od_callee_table_add(struct od_carrier_node *n)
{
    if (n->free_n == 0)
        return NULL;
    struct od_callee *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->index = n->free_slots[--n->free_n];
    c->generation = ++n->slots[c->index].generation;
    n->slots[c->index].callee = c;
    c->due_ns = UINT64_MAX;
    place(n, n->heap_n++, c);
    return c;
}

void od_callee_table_remove(struct od_carrier_node *n, struct od_callee *c)
{
    if (c->linked) {
        unlink_invite(n, c, c->linked_key);
        unlink_merge(n, c);
    }
    heap_remove(n, c);
    od_callee_deinit(c);
    n->slots[c->index].callee = NULL;
    n->free_slots[n->free_n++] = c->index;
    free(c);
}

void od_callee_table_link(struct od_carrier_node *n, struct od_callee *c, uint64_t merge)
{
    struct od_callee **head = &n->by_merge[merge & (n->chains - 1)];
    c->linked = true;
    c->linked_key = c->invite.key;
    c->merge_key = merge;
    link_invite(n, c);
    c->merge_next = *head;
    *head = c;
}
