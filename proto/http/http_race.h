/*
 * http_race - from the addresses of one name to a connection, as RFC 8305 ("happy eyeballs") has
 * it: the families take turns, a new attempt begins 250 ms after the one before it or as soon as
 * that has failed, the first that connects wins and the others are given up. Each attempt has a
 * time of its own.
 *
 * Addresses may join while it runs (section 3: the other family's answer came later); those that
 * were not tried yet are put in order anew.
 *
 * Lifetime: embedded in whoever dials, which stops it before it goes; the set and the deadlines
 * outlive it. fn fires from the loop, never from inside a function of this header.
 */
#ifndef PROTO_HTTP_HTTP_RACE_H
#define PROTO_HTTP_HTTP_RACE_H

#include "proto/http/http_deadline.h"
#include "proto/http/http_dns.h"
#include "proto/http/http_plain.h"

/* Lanes of the deadlines that belong to races; whoever owns the deadlines hands entries in them to
 * od_http_race_expired(). */
enum { OD_HTTP_LANE_TRY, OD_HTTP_LANE_NEXT, OD_HTTP_RACE_LANES };

enum { OD_HTTP_RACE_DELAY_MS = 250 }; /* RFC 8305 section 5 */

/* err 0: the stream is the receiver's, connected, left_ms of its attempt's time are left. Else why
 * the last attempt failed, static. The race can be gone on with by od_http_race_run(). */
typedef void (*od_http_raced_fn)(void *ctx, int err, struct od_http_stream *stream,
                                 uint64_t left_ms, const char *why);

struct od_http_race;

struct od_http_racer {
    struct od_http_race *race;
    struct od_addr addr;
    struct od_http_stream *stream; /* NULL: not under way */
    struct od_http_deadline deadline;
    bool tried;
};

struct od_http_race {
    /* set by the caller */
    struct od_http_plain_set *plain;
    struct od_http_deadlines *deadlines;
    uint32_t connect_ms; /* of one attempt */
    uint64_t *connects;  /* attempts are counted there */
    od_http_raced_fn fn;
    void *ctx;

    /* private */
    struct od_http_racer racers[OD_HTTP_ADDRS_MAX];
    unsigned count, running;
    uint8_t family;      /* of the last that was begun with; 0: none was */
    uint64_t started_ms; /* when */
    struct od_http_deadline next;
};

/* Who runs: addresses with their port; copied, and those not tried yet put into the order of
 * trying: the families take turns, IPv6 first. Known ones are left out. */
void od_http_race_offer(struct od_http_race *race, const struct od_http_addrs *addrs,
                        uint16_t port);

/* Begins with the first address that was not tried (one that was given up for a winner was not).
 * 0: fn will fire. OD_EDOWN, OD_ENOMEM with *why (static): there is none that can be begun with. */
int od_http_race_run(struct od_http_race *race, const char **why);

/* Gives up all attempts; fine when none is under way. */
void od_http_race_stop(struct od_http_race *race);

void od_http_race_expired(struct od_http_deadline *entry);

#endif
