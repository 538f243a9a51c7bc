/*
 * webhook_sender - sends the JSON of a call's end to the URL its owner gave: POST, retried on
 * network errors, 5xx and 429, never longer or wider than its limits say. What it can't hold it
 * drops and counts; nothing here can hold up a call.
 *
 * Each message goes out with "webhook-id: <uid>", the same on each try, so that a receiver can tell
 * a repeat. Messages wait in memory only.
 *
 * Lifetime: owned by the host. close() gives what is waiting up to a limit of time, then drops the
 * rest, frees the sender and calls back.
 */
#ifndef ENGINE_HOST_WEBHOOK_SENDER_H
#define ENGINE_HOST_WEBHOOK_SENDER_H

#include <uv.h>

#include "outdial/types.h"

struct od_webhook_sender;

/* Numbers: 0 takes the default in brackets. Strings are copied. */
struct od_webhook_config {
    const char *user_agent;  /* ["outdial"] */
    const char *ca_file;     /* [the system's] */
    bool allow_private;      /* loopback and private addresses too */
    uint32_t timeout_ms;     /* [10,000] one try, from the moment a connection is free for it */
    uint32_t tries_max;      /* [3] */
    uint32_t backoff_ms[2];  /* [1,000, 5,000] before the second and before each further try */
    uint32_t messages_max;   /* [10,000] waiting, being sent or between tries */
    uint64_t bytes_max;      /* [32 MiB] of their bodies */
    uint32_t per_origin_max; /* [16] connections to one destination */
    /* One line for the operator, no URL's query and no body in it; NULL: none. */
    void (*log)(void *ctx, const char *line);
    void *log_ctx;
};

struct od_webhook_stats {
    uint32_t waiting;     /* now, all kinds */
    uint64_t bytes;       /* now */
    uint64_t sent, tries; /* since open: delivered with a 2xx; requests made */
    uint64_t failed;      /* given up after the last try, or refused with a status not retried */
    uint64_t dropped;     /* no room, or still waiting at close */
};

int od_webhook_open(struct od_webhook_sender **out, uv_loop_t *loop,
                    const struct od_webhook_config *config);

/* Copies url and body. OD_EINVAL: not an http(s) URL; OD_EBUSY: no room (counted as dropped);
 * OD_ENOMEM. */
int od_webhook_send(struct od_webhook_sender *sender, const char *url, const char *body,
                    size_t bytes, const struct od_uid *call_uid);

void od_webhook_stats(const struct od_webhook_sender *sender, struct od_webhook_stats *out);

/* No more is taken. Waits for what is under way for at most limit_ms (0: not at all), then drops
 * the rest. fn (may be NULL) fires once, from the loop. */
void od_webhook_close(struct od_webhook_sender *sender, uint32_t limit_ms, void (*fn)(void *ctx),
                      void *ctx);

#endif
