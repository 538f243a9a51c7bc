/* fair - see fair.h: a heap of rotors, each a heap of its lanes. */
#include "engine/core/fair.h"

#include "engine/base/list.h"

static struct od_fair_item *item_of(const struct od_heap_node *node)
{
    return OD_OWNER(node, struct od_fair_item, node);
}

static struct od_fair_group *group_of(const struct od_heap_node *node)
{
    return OD_OWNER(node, struct od_fair_group, node);
}

static bool item_before(const struct od_heap_node *node_a, const struct od_heap_node *node_b)
{
    const struct od_fair_item *a = item_of(node_a), *b = item_of(node_b);

    if (a->priority != b->priority)
        return a->priority > b->priority;
    if (a->turn != b->turn)
        return a->turn < b->turn;
    return a->order < b->order;
}

static bool group_before(const struct od_heap_node *node_a, const struct od_heap_node *node_b)
{
    const struct od_fair_group *a = group_of(node_a), *b = group_of(node_b);
    int32_t a_priority = item_of(a->heap.top)->priority;
    int32_t b_priority = item_of(b->heap.top)->priority;

    if (a_priority != b_priority)
        return a_priority > b_priority;
    if (a->turn != b->turn)
        return a->turn < b->turn;
    return a->order < b->order;
}

static bool item_older(const struct od_heap_node *node_a, const struct od_heap_node *node_b)
{
    const struct od_fair_item *a = OD_OWNER(node_a, struct od_fair_item, age);
    const struct od_fair_item *b = OD_OWNER(node_b, struct od_fair_item, age);

    return a->turn != b->turn ? a->turn < b->turn : a->order < b->order;
}

static bool group_older(const struct od_heap_node *node_a, const struct od_heap_node *node_b)
{
    const struct od_fair_group *a = OD_OWNER(node_a, struct od_fair_group, age);
    const struct od_fair_group *b = OD_OWNER(node_b, struct od_fair_group, age);
    uint64_t a_turn = OD_OWNER(a->ages.top, struct od_fair_item, age)->turn;
    uint64_t b_turn = OD_OWNER(b->ages.top, struct od_fair_item, age)->turn;

    return a_turn != b_turn ? a_turn < b_turn : a->order < b->order;
}

void od_fair_init(struct od_fair *fair)
{
    *fair = (struct od_fair){.heap = {.before = group_before}, .ages = {.before = group_older}};
}

void od_fair_group_init(struct od_fair_group *group, struct od_fair *fair, uint32_t order)
{
    *group = (struct od_fair_group){.fair = fair,
                                    .heap = {.before = item_before},
                                    .ages = {.before = item_older},
                                    .order = order};
}

/* A group's place depends on its first item: it is out of the heap while its items change. */
static void group_leave(struct od_fair_group *group)
{
    if (!group->node.in)
        return;
    od_heap_remove(&group->fair->heap, &group->node);
    od_heap_remove(&group->fair->ages, &group->age);
    group->fair->groups--;
}

static void group_return(struct od_fair_group *group)
{
    if (!group->heap.top)
        return;
    od_heap_add(&group->fair->heap, &group->node);
    od_heap_add(&group->fair->ages, &group->age);
    group->fair->groups++;
}

void od_fair_set(struct od_fair_item *item, bool wishing)
{
    struct od_fair_group *group = item->group;

    if (item->node.in == wishing)
        return;
    group_leave(group);
    if (wishing) {
        od_heap_add(&group->heap, &item->node);
        od_heap_add(&group->ages, &item->age);
        group->fair->count++;
    } else {
        od_heap_remove(&group->heap, &item->node);
        od_heap_remove(&group->ages, &item->age);
        group->fair->count--;
    }
    group_return(group);
}

struct od_fair_item *od_fair_first(const struct od_fair *fair)
{
    struct od_fair_item *first, *oldest;

    if (!fair->heap.top)
        return NULL;
    first = item_of(group_of(fair->heap.top)->heap.top);
    if (fair->turns % OD_FAIR_AGED != OD_FAIR_AGED - 1)
        return first;
    oldest = OD_OWNER(OD_OWNER(fair->ages.top, struct od_fair_group, age)->ages.top,
                      struct od_fair_item, age);
    /* Among equals rotors take turns, and one with many lanes gets no more for their age. */
    return oldest->priority == first->priority ? first : oldest;
}

void od_fair_served(struct od_fair_item *item)
{
    struct od_fair_group *group = item->group;
    bool wishing = item->node.in;

    group_leave(group);
    if (wishing) {
        od_heap_remove(&group->heap, &item->node);
        od_heap_remove(&group->ages, &item->age);
    }
    item->turn = group->turn = ++group->fair->turns;
    if (wishing) {
        od_heap_add(&group->heap, &item->node);
        od_heap_add(&group->ages, &item->age);
    }
    group_return(group);
}

uint64_t od_fair_turn(const struct od_fair_item *item)
{
    return item->group->turn;
}
