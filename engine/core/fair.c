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

void od_fair_init(struct od_fair *fair)
{
    *fair = (struct od_fair){.heap = {.before = group_before}};
}

void od_fair_group_init(struct od_fair_group *group, struct od_fair *fair, uint32_t order)
{
    *group = (struct od_fair_group){.fair = fair, .heap = {.before = item_before}, .order = order};
}

/* A group's place depends on its first item: it is out of the heap while its items change. */
static void group_leave(struct od_fair_group *group)
{
    if (!group->node.in)
        return;
    od_heap_remove(&group->fair->heap, &group->node);
    group->fair->groups--;
}

static void group_return(struct od_fair_group *group)
{
    if (!group->heap.top)
        return;
    od_heap_add(&group->fair->heap, &group->node);
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
        group->fair->count++;
    } else {
        od_heap_remove(&group->heap, &item->node);
        group->fair->count--;
    }
    group_return(group);
}

struct od_fair_item *od_fair_first(const struct od_fair *fair)
{
    return fair->heap.top ? item_of(group_of(fair->heap.top)->heap.top) : NULL;
}

void od_fair_served(struct od_fair_item *item)
{
    struct od_fair_group *group = item->group;
    bool wishing = item->node.in;

    group_leave(group);
    if (wishing)
        od_heap_remove(&group->heap, &item->node);
    item->turn = group->turn = ++group->fair->turns;
    if (wishing)
        od_heap_add(&group->heap, &item->node);
    group_return(group);
}

uint64_t od_fair_turn(const struct od_fair_item *item)
{
    return item->group->turn;
}
