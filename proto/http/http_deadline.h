/*
 * http_deadline - absolute deadlines of many things on one uv timer. Things are kept in lanes, a
 * lane for each kind of wait: within a lane waits are mostly of one length, so that a new one
 * belongs at the end and costs nothing, however many there are.
 *
 * Lifetime: the set is embedded in its owner; entries are embedded in the things that wait, and
 * must be stopped before those go. close() is asynchronous like every uv handle's end.
 */
#ifndef PROTO_HTTP_HTTP_DEADLINE_H
#define PROTO_HTTP_HTTP_DEADLINE_H

#include <stdbool.h>
#include <uv.h>

enum { OD_HTTP_LANES = 7 };

struct od_http_deadline {
    struct od_http_deadline *next, *prev; /* NULL: not waiting */
    uint64_t at_ms;                       /* of uv_now() */
    uint8_t lane;
};

/* The entry is out of its lane when this is called; it may be started again or freed. */
typedef void (*od_http_expired_fn)(void *ctx, struct od_http_deadline *entry);

struct od_http_deadlines {
    uv_loop_t *loop;
    uv_timer_t timer;
    uint64_t armed_ms; /* when the timer fires; UINT64_MAX: it does not */
    struct od_http_deadline lanes[OD_HTTP_LANES]; /* rings through these */
    od_http_expired_fn expired;
    void *ctx;
    void (*closed)(void *ctx);
};

void od_http_deadlines_init(struct od_http_deadlines *set, uv_loop_t *loop,
                            od_http_expired_fn expired, void *ctx);
/* No entry may be waiting. */
void od_http_deadlines_close(struct od_http_deadlines *set, void (*closed)(void *ctx));

/* Waits `after_ms` from uv_now(); starts anew when it waited already. */
void od_http_deadline_start(struct od_http_deadlines *set, struct od_http_deadline *entry,
                            unsigned lane, uint64_t after_ms);
void od_http_deadline_stop(struct od_http_deadline *entry); /* fine when it isn't waiting */
bool od_http_deadline_waits(const struct od_http_deadline *entry);

#endif
