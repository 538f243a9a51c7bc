/* heap - see heap.h. Merging in two passes, without recursion: a heap of 100,000 equals is one
 * long row of siblings. */
#include "engine/base/heap.h"

#include "engine/base/assert.h"

/* Joins two trees; neither root has siblings. */
static struct od_heap_node *meld(const struct od_heap *heap, struct od_heap_node *a,
                                 struct od_heap_node *b)
{
    if (!a || !b)
        return a ? a : b;
    if (heap->before(b, a)) {
        struct od_heap_node *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    return a;
}

/* Makes one tree of a row of siblings: pairs from the left, then all pairs from the right. */
static struct od_heap_node *gather(const struct od_heap *heap, struct od_heap_node *row)
{
    struct od_heap_node *pairs = NULL, *tree = NULL;

    while (row) {
        struct od_heap_node *a = row, *b = a->next;
        row = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        a = meld(heap, a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct od_heap_node *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        tree = meld(heap, tree, pair);
    }
    return tree;
}

void od_heap_add(struct od_heap *heap, struct od_heap_node *node)
{
    OD_ASSERT(!node->in);
    node->child = node->next = node->prev = NULL;
    node->in = true;
    heap->top = meld(heap, heap->top, node);
}

void od_heap_remove(struct od_heap *heap, struct od_heap_node *node)
{
    struct od_heap_node *rest;

    OD_ASSERT(node->in && heap->top);
    rest = gather(heap, node->child);
    if (node == heap->top) {
        heap->top = rest;
    } else {
        if (node->prev->child == node)
            node->prev->child = node->next;
        else
            node->prev->next = node->next;
        if (node->next)
            node->next->prev = node->prev;
        heap->top = meld(heap, heap->top, rest);
    }
    *node = (struct od_heap_node){0};
}
