/*
 * http_later - see the header.
 */
#include "proto/http/http_later.h"

static void ring_init(struct od_http_later *ring)
{
    ring->next = ring->prev = ring;
}

void od_http_laters_init(struct od_http_laters *queue, uv_loop_t *loop, od_http_later_fn fn,
                         void *ctx)
{
    *queue = (struct od_http_laters){.fn = fn, .ctx = ctx};
    ring_init(&queue->ring);
    uv_idle_init(loop, &queue->idle);
    queue->idle.data = queue;
}

static void on_close(uv_handle_t *handle)
{
    struct od_http_laters *queue = handle->data;
    queue->closed(queue->ctx);
}

void od_http_laters_close(struct od_http_laters *queue, void (*closed)(void *ctx))
{
    queue->closed = closed;
    uv_close((uv_handle_t *)&queue->idle, on_close);
}

/* Only what waited when the turn began runs in it: work that puts itself off again can't keep the
 * loop from its sockets. */
static void on_idle(uv_idle_t *idle)
{
    struct od_http_laters *queue = idle->data;
    struct od_http_later now;
    ring_init(&now);
    if (queue->ring.next != &queue->ring) {
        now = queue->ring;
        now.next->prev = now.prev->next = &now;
        ring_init(&queue->ring);
    }
    while (now.next != &now) {
        struct od_http_later *entry = now.next;
        od_http_later_cancel(entry);
        queue->fn(queue->ctx, entry);
    }
    if (queue->ring.next == &queue->ring)
        uv_idle_stop(&queue->idle);
}

void od_http_later_put(struct od_http_laters *queue, struct od_http_later *entry)
{
    if (entry->next)
        return;
    entry->prev = queue->ring.prev;
    entry->next = &queue->ring;
    queue->ring.prev->next = entry;
    queue->ring.prev = entry;
    if (!uv_is_closing((uv_handle_t *)&queue->idle))
        uv_idle_start(&queue->idle, on_idle);
}

void od_http_later_cancel(struct od_http_later *entry)
{
    if (!entry->next)
        return;
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    entry->next = entry->prev = NULL;
}
