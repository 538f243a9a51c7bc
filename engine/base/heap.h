/*
 * heap - an intrusive pairing heap (Fredman, Sedgewick, Sleator, Tarjan, 1986): a queue by order
 * whose members need no array. Adding is O(1), removing any member O(log n) amortised. Where two
 * members are equal either may come first, so an order that must be repeatable ends in a number of
 * its own.
 *
 * Lifetime: nodes live in their owners; an owner that dies, or whose key changes, takes its node
 * out first.
 */
#ifndef ENGINE_BASE_HEAP_H
#define ENGINE_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

struct od_heap_node { /* all zero: in no heap */
    struct od_heap_node *child, *next;
    struct od_heap_node *prev; /* parent for a first child, else the sibling before */
    bool in;
};

/* True when a comes before b. */
typedef bool (*od_heap_before_fn)(const struct od_heap_node *a, const struct od_heap_node *b);

struct od_heap {
    struct od_heap_node *top; /* read by caller: the first of all, NULL when empty */
    od_heap_before_fn before; /* set by caller */
};

/* The node must be in no heap. */
void od_heap_add(struct od_heap *heap, struct od_heap_node *node);

/* The node must be in this heap. */
void od_heap_remove(struct od_heap *heap, struct od_heap_node *node);

#endif
