/*
 * http_race - see the header.
 */
#include "proto/http/http_race.h"

#include <string.h>

#include "outdial/err.h"

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* The next address of a family from *at on; false: there is none. */
static bool next_of(const struct od_http_addrs *addrs, uint8_t family, unsigned *at)
{
    while (*at < addrs->count && addrs->at[*at].family != family)
        ++*at;
    return *at < addrs->count;
}

static uint8_t other(uint8_t family)
{
    return family == 4 ? 6 : 4;
}

/* The addresses, in turns, beginning with a family. */
static void alternate(const struct od_http_addrs *addrs, uint8_t family, struct od_http_addrs *out)
{
    unsigned at[2] = {0, 0}; /* of that family, of the other */
    out->count = 0;
    for (unsigned turn = 0; out->count < addrs->count; turn ^= 1)
        if (next_of(addrs, turn ? other(family) : family, &at[turn]))
            out->at[out->count++] = addrs->at[at[turn]++];
}

static void order_untried(struct od_http_race *race)
{
    struct od_http_addrs left = {.count = 0}, ordered;
    for (unsigned i = 0; i < race->count; i++)
        if (!race->racers[i].tried)
            left.at[left.count++] = race->racers[i].addr;
    alternate(&left, race->family ? other(race->family) : 6, &ordered);
    for (unsigned i = 0, next = 0; i < race->count; i++)
        if (!race->racers[i].tried)
            race->racers[i].addr = ordered.at[next++];
}

static bool is_racer(const struct od_http_race *race, const struct od_addr *addr)
{
    for (unsigned i = 0; i < race->count; i++)
        if (race->racers[i].addr.family == addr->family &&
            memcmp(race->racers[i].addr.ip, addr->ip, addr->family == 4 ? 4 : 16) == 0)
            return true;
    return false;
}

static void give_up(struct od_http_racer *racer)
{
    if (!racer->stream)
        return;
    od_http_deadline_stop(&racer->deadline);
    od_http_stream_abandon(racer->stream);
    racer->stream = NULL;
    racer->race->running--;
}

void od_http_race_stop(struct od_http_race *race)
{
    od_http_deadline_stop(&race->next);
    for (unsigned i = 0; i < race->count; i++)
        give_up(&race->racers[i]);
}

static void lose(struct od_http_racer *racer, const char *why)
{
    struct od_http_race *race = racer->race;
    const char *next_why;
    give_up(racer);
    if (od_http_race_run(race, &next_why) == 0 || race->running)
        return;
    race->fn(race->ctx, OD_EDOWN, NULL, 0, why);
}

static void on_connected(void *ctx, int uv_err)
{
    struct od_http_racer *racer = ctx;
    struct od_http_race *race = racer->race;
    if (uv_err) {
        lose(racer, uv_strerror(uv_err));
        return;
    }
    struct od_http_stream *stream = racer->stream;
    uint64_t now_ms = uv_now(race->deadlines->loop), until_ms = racer->deadline.at_ms;
    od_http_deadline_stop(&racer->deadline);
    racer->stream = NULL;
    race->running--;
    for (unsigned i = 0; i < race->count; i++)
        if (race->racers[i].stream)
            race->racers[i].tried = false; /* should this one come to nothing after all */
    od_http_race_stop(race);
    race->fn(race->ctx, 0, stream, until_ms > now_ms ? until_ms - now_ms : 1, "");
}

static int start(struct od_http_racer *racer)
{
    struct od_http_race *race = racer->race;
    racer->tried = true;
    race->family = racer->addr.family;
    race->started_ms = uv_now(race->deadlines->loop);
    ++*race->connects;
    int err = od_http_plain_connect(race->plain, &racer->addr, on_connected, racer, &racer->stream);
    if (err) {
        racer->stream = NULL;
        return err;
    }
    race->running++;
    od_http_deadline_start(race->deadlines, &racer->deadline, OD_HTTP_LANE_TRY, race->connect_ms);
    return 0;
}

static struct od_http_racer *untried(struct od_http_race *race)
{
    for (unsigned i = 0; i < race->count; i++)
        if (!race->racers[i].tried)
            return &race->racers[i];
    return NULL;
}

/* Others are let run a quarter of a second after the last. */
static void arm_next(struct od_http_race *race)
{
    uint64_t since_ms = uv_now(race->deadlines->loop) - race->started_ms;
    if (!race->running || !untried(race))
        return;
    od_http_deadline_start(race->deadlines, &race->next, OD_HTTP_LANE_NEXT,
                           since_ms < OD_HTTP_RACE_DELAY_MS ? OD_HTTP_RACE_DELAY_MS - since_ms : 1);
}

void od_http_race_offer(struct od_http_race *race, const struct od_http_addrs *addrs, uint16_t port)
{
    for (unsigned i = 0; i < addrs->count && race->count < OD_HTTP_ADDRS_MAX; i++) {
        if (is_racer(race, &addrs->at[i]))
            continue;
        struct od_http_racer *racer = &race->racers[race->count++];
        *racer = (struct od_http_racer){.race = race, .addr = addrs->at[i]};
        racer->addr.port = port;
    }
    order_untried(race);
    if (!od_http_deadline_waits(&race->next))
        arm_next(race);
}

int od_http_race_run(struct od_http_race *race, const char **why)
{
    struct od_http_racer *racer;
    int err = OD_EDOWN;
    *why = "no address";
    od_http_deadline_stop(&race->next);
    while ((racer = untried(race))) {
        err = start(racer);
        if (!err)
            break;
        *why = err == OD_ENOMEM ? "no memory" : "unreachable";
    }
    if (!err)
        arm_next(race);
    return err;
}

void od_http_race_expired(struct od_http_deadline *entry)
{
    const char *why;
    if (entry->lane == OD_HTTP_LANE_NEXT)
        od_http_race_run(OWNER_OF(struct od_http_race, next, entry), &why);
    else
        lose(OWNER_OF(struct od_http_racer, deadline, entry), "connection timed out");
}
