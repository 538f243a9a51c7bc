/*
 * list - an intrusive, doubly linked list. The list's head is a node of its own; a node that is on
 * no list points at itself, so it can be asked and removed at any time.
 *
 * Lifetime: the owner's memory holds the nodes; an owner that dies removes its nodes first.
 */
#ifndef ENGINE_BASE_LIST_H
#define ENGINE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct od_list {
    struct od_list *next, *prev;
};

/* The struct of `type` whose field `field` is at `node`. */
#define OD_OWNER(node, type, field) ((type *)(void *)((char *)(node)-offsetof(type, field)))

static inline void od_list_init(struct od_list *node)
{
    node->next = node->prev = node;
}

/* True for a list with nothing on it and for a node that is on no list. */
static inline bool od_list_empty(const struct od_list *list)
{
    return list->next == list;
}

/* The node must be on no list. */
static inline void od_list_push(struct od_list *list, struct od_list *node)
{
    node->next = list;
    node->prev = list->prev;
    list->prev->next = node;
    list->prev = node;
}

/* Before all others. */
static inline void od_list_push_front(struct od_list *list, struct od_list *node)
{
    od_list_push(list->next, node);
}

/* A node that is on no list stays so. */
static inline void od_list_remove(struct od_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    od_list_init(node);
}

/* NULL when the list is empty. */
static inline struct od_list *od_list_first(const struct od_list *list)
{
    return list->next == list ? NULL : list->next;
}

/* The one after `node`, NULL when it is the last. */
static inline struct od_list *od_list_after(const struct od_list *list, const struct od_list *node)
{
    return node->next == list ? NULL : node->next;
}

#endif
