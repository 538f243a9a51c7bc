/*
 * http_deadline - see the header. The timer is only ever moved to an earlier time by a start; when
 * it fires it looks for what is due and arms itself for the earliest that is left.
 */
#include "proto/http/http_deadline.h"

enum { EXPIRED_PER_TURN = 1000 };

void od_http_deadlines_init(struct od_http_deadlines *set, uv_loop_t *loop,
                            od_http_expired_fn expired, void *ctx)
{
    *set = (struct od_http_deadlines){
        .loop = loop, .armed_ms = UINT64_MAX, .expired = expired, .ctx = ctx};
    for (unsigned i = 0; i < OD_HTTP_LANES; i++)
        set->lanes[i].next = set->lanes[i].prev = &set->lanes[i];
    uv_timer_init(loop, &set->timer);
    set->timer.data = set;
    uv_unref((uv_handle_t *)&set->timer);
}

static void on_close(uv_handle_t *handle)
{
    struct od_http_deadlines *set = handle->data;
    set->closed(set->ctx);
}

void od_http_deadlines_close(struct od_http_deadlines *set, void (*closed)(void *ctx))
{
    set->closed = closed;
    uv_close((uv_handle_t *)&set->timer, on_close);
}

static void on_timer(uv_timer_t *timer);

/* Never less than 1 ms away: libuv 1.44 spins on a timer that re-arms itself with 0. */
static void arm(struct od_http_deadlines *set, uint64_t at_ms)
{
    uint64_t now_ms = uv_now(set->loop);
    set->armed_ms = at_ms;
    uv_timer_start(&set->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 1, 0);
}

/* The first entry of the lane that ends first; NULL when nothing waits. */
static struct od_http_deadline *earliest(struct od_http_deadlines *set)
{
    struct od_http_deadline *best = NULL;
    for (unsigned i = 0; i < OD_HTTP_LANES; i++) {
        struct od_http_deadline *first = set->lanes[i].next;
        if (first != &set->lanes[i] && (!best || first->at_ms < best->at_ms))
            best = first;
    }
    return best;
}

static void on_timer(uv_timer_t *timer)
{
    struct od_http_deadlines *set = timer->data;
    set->armed_ms = UINT64_MAX;
    uint64_t now_ms = uv_now(set->loop);
    for (unsigned done = 0; done < EXPIRED_PER_TURN; done++) {
        struct od_http_deadline *entry = earliest(set);
        if (!entry || entry->at_ms > now_ms)
            break;
        od_http_deadline_stop(entry);
        set->expired(set->ctx, entry);
    }
    struct od_http_deadline *entry = earliest(set);
    if (entry && entry->at_ms < set->armed_ms)
        arm(set, entry->at_ms);
}

void od_http_deadline_start(struct od_http_deadlines *set, struct od_http_deadline *entry,
                            unsigned lane, uint64_t after_ms)
{
    od_http_deadline_stop(entry);
    uint64_t now_ms = uv_now(set->loop);
    entry->at_ms = after_ms < UINT64_MAX - now_ms ? now_ms + after_ms : UINT64_MAX;
    entry->lane = (uint8_t)lane;
    struct od_http_deadline *behind = set->lanes[lane].prev;
    while (behind != &set->lanes[lane] && behind->at_ms > entry->at_ms)
        behind = behind->prev;
    entry->prev = behind;
    entry->next = behind->next;
    behind->next->prev = entry;
    behind->next = entry;
    if (entry->at_ms < set->armed_ms)
        arm(set, entry->at_ms);
}

void od_http_deadline_stop(struct od_http_deadline *entry)
{
    if (!entry->next)
        return;
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    entry->next = entry->prev = NULL;
}

bool od_http_deadline_waits(const struct od_http_deadline *entry)
{
    return entry->next != NULL;
}
