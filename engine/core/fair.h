/*
 * fair - who is next among lanes that want the same trunk: higher priority first, then rotors in
 * turn, then the lanes of one rotor in turn. Every operation costs O(log n) amortised in lanes and
 * rotors. Nothing is saved up: one who had nothing to do gets one turn, not the turns it missed.
 *
 * Priority alone would let those below starve for as long as those above have work. So each
 * OD_FAIR_AGED-th turn goes by age instead: to the lane that was served longest ago. Whoever wishes
 * gets a turn in the end, however low its priority; those above keep fifteen sixteenths.
 *
 * Glossary
 *   item    a lane's wish, while it has one
 *   group   the items of one rotor on one queue; made by the owner, at most once per pair
 *   turn    when something was served last, on the queue's own count
 *
 * Lifetime: all memory is the owner's; an item leaves the queue before it, or its priority,
 * changes.
 */
#ifndef ENGINE_CORE_FAIR_H
#define ENGINE_CORE_FAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/heap.h"

enum { OD_FAIR_AGED = 16 };

struct od_fair {
    uint32_t count;  /* read by caller: items wishing */
    uint32_t groups; /* read by caller: rotors with an item wishing */

    /* private */
    struct od_heap heap, ages; /* of groups: by priority, by age */
    uint64_t turns;
};

struct od_fair_group {
    struct od_fair *fair; /* set by init */

    /* private */
    struct od_heap_node node, age;
    struct od_heap heap, ages; /* of items, likewise */
    uint64_t turn;
    uint32_t order;
};

struct od_fair_item {
    struct od_fair_group *group; /* set by caller, while not wishing */
    int32_t priority;            /* set by caller, while not wishing; higher first */
    uint32_t order;              /* set by caller: settles what turns don't */

    /* private */
    struct od_heap_node node, age;
    uint64_t turn;
};

void od_fair_init(struct od_fair *fair);

/* order: settles which of two rotors that never had a turn comes first. */
void od_fair_group_init(struct od_fair_group *group, struct od_fair *fair, uint32_t order);

/* Makes the item wish, or not. Either may be so already. */
void od_fair_set(struct od_fair_item *item, bool wishing);

static inline bool od_fair_wishing(const struct od_fair_item *item)
{
    return item->node.in;
}

/* The next item, NULL when none wishes. */
struct od_fair_item *od_fair_first(const struct od_fair *fair);

/* The item had its turn: others of its priority come first now. Wishing or not. */
void od_fair_served(struct od_fair_item *item);

/* The turn that first() goes by among equals: for a choice between two queues. */
uint64_t od_fair_turn(const struct od_fair_item *item);

#endif
