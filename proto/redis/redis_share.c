/*
 * redis_share - rates shared with other processes: what the engine asks for in one turn goes out as
 * one script, and its answer is turned from Redis' clock into ours.
 *
 * Redis' clock less ours lies between (its time - when the reply came) and (its time - when the
 * question went): each exchange narrows the bounds, and what two clocks may drift apart since
 * widens them. A slot is passed on so that it is never used early, and not after it is over,
 * whatever the difference is within the bounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/redis/redis_inner.h"
#include "proto/redis/redis_read.h"

#define SHARE_PREFIX "od:{shared}:"

enum {
    DRIFT_PPM = 200, /* of two clocks against each other; crystals are within 100 */
    ASKED_MAX = 1024,
};

struct asked {
    uint32_t rate;
    struct od_rate_ask ask;
};

struct od_redis_share {
    struct od_store *store;
    char process[17]; /* of this start: what an earlier one was granted isn't ours */
    struct asked *asked;
    uint32_t count, under_way;
    bool busy;
    uint64_t sent_ns;
    uint64_t epoch; /* of the connection */
    /* Redis' clock less ours, in ns; known as of known_ns */
    bool known;
    int64_t low_ns, high_ns;
    uint64_t known_ns;
    bool told_far;
};

int od_redis_share_open(struct od_store *store)
{
    struct od_redis_share *share = calloc(1, sizeof *share);
    uint8_t random[8];
    if (share == NULL)
        return OD_ENOMEM;
    share->store = store;
    share->asked = calloc(ASKED_MAX, sizeof *share->asked);
    if (share->asked == NULL || uv_random(NULL, NULL, random, sizeof random, 0, NULL) != 0) {
        free(share->asked);
        free(share);
        return OD_ENOMEM;
    }
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(share->process + 2 * i, 3, "%02x", random[i]);
    store->share = share;
    return 0;
}

void od_redis_share_close(struct od_store *store)
{
    if (store->share == NULL)
        return;
    free(store->share->asked);
    free(store->share);
    store->share = NULL;
}

/* ---- the clocks ---- */

/* True when the clock of Redis was set since: what it granted is in no time of ours. */
static bool learn_clock(struct od_redis_share *share, int64_t redis_ns, uint64_t came_ns)
{
    int64_t low_ns = redis_ns - (int64_t)came_ns;
    int64_t high_ns = redis_ns + 1000 - (int64_t)share->sent_ns; /* it says whole us */
    bool was_set = false;
    if (share->known) {
        int64_t drift_ns = (int64_t)((came_ns - share->known_ns) * DRIFT_PPM / 1000000);
        share->low_ns -= drift_ns;
        share->high_ns += drift_ns;
        was_set = low_ns > share->high_ns || high_ns < share->low_ns;
    }
    if (!share->known || was_set || low_ns > share->low_ns)
        share->low_ns = low_ns;
    if (!share->known || was_set || high_ns < share->high_ns)
        share->high_ns = high_ns;
    share->known = true;
    share->known_ns = came_ns;
    return was_set;
}

/* ---- answers ---- */

static void tell_far(struct od_redis_share *share, int64_t late_ns)
{
    char line[160];
    if (share->told_far)
        return;
    share->told_far = true;
    snprintf(line, sizeof line,
             "Redis answers too slowly to share a rate: its clock is known to %lld ms, needed are "
             "%lld ms",
             (long long)((share->high_ns - share->low_ns) / 1000000),
             (long long)(late_ns / 1000000));
    od_store_log(share->store, true, line);
}

static void read_grant(struct od_redis_share *share, const struct asked *asked,
                       const struct redisReply *answer, bool voids)
{
    struct od_event event = {.kind = OD_EV_GRANT};
    struct od_grant *grant = &event.u.grant;
    int64_t spread_ns = share->high_ns - share->low_ns;
    int64_t late_ns = (int64_t)asked->ask.late_ns - spread_ns;
    int64_t sole_ns = od_redis_read_int(answer, 0) * 1000;
    grant->rate = asked->rate;
    grant->voids = voids;
    if (sole_ns > 0) /* ends early enough for an INVITE that is late on its way */
        grant->sole_until_ns = (uint64_t)(sole_ns - share->high_ns - (int64_t)asked->ask.late_ns);
    if (late_ns < (int64_t)OD_NS_PER_MS) {
        if (answer->elements > 1)
            tell_far(share, (int64_t)asked->ask.late_ns);
        late_ns = 0;
    }
    grant->late_ns = (uint64_t)late_ns;
    for (size_t i = 1; i < answer->elements && late_ns > 0; i++) {
        if (grant->count == OD_GRANT_SLOTS) {
            od_store_post(share->store, &event);
            grant->count = 0;
            grant->voids = false;
        }
        grant->from_ns[grant->count++] =
            (uint64_t)(od_redis_read_int(answer, i) * 1000 - share->low_ns);
    }
    grant->last = true;
    od_store_post(share->store, &event);
}

static void share_done(void *ctx, const struct redisReply *reply)
{
    struct od_store *store = ctx;
    struct od_redis_share *share = store->share;
    uint64_t came_ns = uv_hrtime();
    uint32_t count = share->under_way;
    share->busy = false;
    share->under_way = 0;
    if (!od_store_reply_list(store, "share", reply, 1 + count)) {
        share->known = false; /* another Redis may answer next */
        share->count = 0;
        return;
    }
    bool voids = learn_clock(share, od_redis_read_int(reply, 0) * 1000, came_ns);
    for (uint32_t i = 0; i < count; i++) {
        if (od_redis_read_array(reply->element[1 + i], 1))
            read_grant(share, &share->asked[i], reply->element[1 + i], voids);
        else
            store->stats.odd++;
    }
    share->count -= count;
    memmove(share->asked, share->asked + count, share->count * sizeof *share->asked);
    if (share->count > 0)
        od_store_kick(store);
}

/* ---- questions ---- */

static void port_ask(void *ctx, uint32_t rate, const struct od_rate_ask *ask)
{
    struct od_store *store = ctx;
    struct od_redis_share *share = store->share;
    if (store->stage != OD_STORE_SERVING || share->count == ASKED_MAX)
        return; /* the engine asks again */
    share->asked[share->count++] = (struct asked){rate, *ask};
    od_store_kick(store);
}

void od_redis_share_port_init(struct od_store *store)
{
    store->rate_port = (struct od_rate_port){.ctx = store, .ask = port_ask};
    od_redis_live_init(store);
}

const struct od_rate_port *od_store_rate_port(struct od_store *store)
{
    return &store->rate_port;
}

void od_redis_share_run(struct od_store *store)
{
    struct od_redis_share *share = store->share;
    struct od_redis_cmd *cmd = &store->cmd;
    if (share->busy || share->count == 0)
        return;
    od_redis_script_begin(cmd, OD_SCRIPT_SHARE, SHARE_PREFIX);
    od_redis_cmd_str(cmd, share->process);
    for (uint32_t i = 0; i < share->count; i++) {
        const struct od_rate_ask *ask = &share->asked[i].ask;
        const char *key = store->events.rate_key == NULL
                              ? NULL
                              : store->events.rate_key(store->events.ctx, share->asked[i].rate);
        od_redis_cmd_str(cmd, key == NULL ? "" : key);
        od_redis_cmd_int(cmd, ask->want);
        od_redis_cmd_int(cmd, (int64_t)(ask->interval_ns / 1000));
        od_redis_cmd_int(cmd, (int64_t)(ask->late_ns / 1000));
        od_redis_cmd_int(cmd, (int64_t)(ask->pause_ns / 1000 + 1));
        od_redis_cmd_int(cmd, ask->sole);
    }
    share->sent_ns = uv_hrtime();
    share->busy = true;
    share->under_way = share->count;
    store->stats.shares++;
    if (od_redis_script_send(store->conn, cmd, OD_SCRIPT_SHARE, share_done, store) != 0) {
        share->busy = false;
        share->under_way = share->count = 0;
    }
}
