/* health - see health.h. */
#include "engine/core/health.h"

#include <string.h>

#include "engine/base/str.h"

/* The first while after which a call may find out whether a trunk is back, and the longest: short
 * against an outage a person would notice, long against a carrier's own fail-over. */
#define BACKOFF_NS_FIRST (5 * OD_NS_PER_S)
#define BACKOFF_NS_MAX (60 * OD_NS_PER_S)

/* Refusals that may mean "too fast" prove a trunk dead only when nothing else came for so long:
 * adaptation has slowed down to what any live carrier takes by then. */
#define SOFT_NS (3 * OD_NS_PER_S)

/* An OPTIONS that is answered later counts as unanswered: Timer F's 32 s are too long to find out
 * in, and a trunk so slow is no good for calls. */
#define PONG_NS (5 * OD_NS_PER_S)

static bool move(struct od_health *health, enum od_health_state state, const char *why,
                 uint64_t now_ns)
{
    bool moved = health->state != state;

    health->state = (uint8_t)state;
    if (moved)
        health->since_ns = now_ns;
    od_str_copy(health->reason, sizeof health->reason, why, strlen(why));
    health->bad_run = health->good_run = health->ping_bad = health->ping_good = 0;
    health->probe_at_ns = OD_NEVER;
    return moved;
}

static bool go_down(struct od_health *health, const char *why, uint64_t now_ns)
{
    bool moved = move(health, OD_HEALTH_DOWN, why, now_ns);

    health->probe_at_ns = now_ns + health->backoff_ns;
    health->backoff_ns =
        2 * health->backoff_ns < BACKOFF_NS_MAX ? 2 * health->backoff_ns : BACKOFF_NS_MAX;
    return moved;
}

void od_health_set(struct od_health *health, uint32_t bad_max, uint32_t good_min, uint64_t ping_ns,
                   uint64_t now_ns)
{
    if (!health->backoff_ns) {
        health->backoff_ns = BACKOFF_NS_FIRST;
        health->probe_at_ns = OD_NEVER;
        health->since_ns = now_ns;
    }
    if (!ping_ns)
        health->pong_by_ns = 0;
    if (ping_ns != health->ping_ns)
        health->ping_at_ns = now_ns; /* the first at once: who is dead at the start is found so */
    health->bad_max = bad_max;
    health->good_min = good_min ? good_min : 1;
    health->ping_ns = ping_ns;
    if (!bad_max && health->state != OD_HEALTH_UP)
        move(health, OD_HEALTH_UP, "", now_ns);
}

bool od_health_good(struct od_health *health, uint64_t now_ns)
{
    health->good_traffic = true;
    health->bad_run = 0;
    health->ping_bad = 0;
    switch ((enum od_health_state)health->state) {
    case OD_HEALTH_UP:
        return false;
    case OD_HEALTH_DOWN: /* a call from before the fall got through after all */
        return move(health, OD_HEALTH_PROBING, "a call got through", now_ns);
    case OD_HEALTH_PROBING:
        if (++health->good_run < health->good_min)
            return false;
        health->backoff_ns = BACKOFF_NS_FIRST;
        return move(health, OD_HEALTH_UP, "", now_ns);
    }
    return false;
}

bool od_health_bad(struct od_health *health, uint64_t now_ns, bool soft, const char *why)
{
    if (!health->bad_max || health->state == OD_HEALTH_DOWN)
        return false;
    if (!health->bad_run++)
        health->bad_since_ns = now_ns;
    if (health->state == OD_HEALTH_PROBING)
        return go_down(health, why, now_ns);
    if (health->bad_run < health->bad_max || (soft && now_ns - health->bad_since_ns < SOFT_NS))
        return false;
    return go_down(health, why, now_ns);
}

/* Whoever refuses an OPTIONS is at work all the same, unless it says that it isn't. */
static bool alive(uint16_t status)
{
    return status >= 200 && status != 408 && (status < 500 || status == 501 || status >= 600);
}

static bool pong_bad(struct od_health *health, uint64_t now_ns, uint16_t status)
{
    char why[OD_REASON_MAX];
    struct od_buf buf;

    health->pings_bad++;
    health->ping_good = 0;
    if (health->good_traffic || !health->bad_max || health->state == OD_HEALTH_DOWN)
        return false;
    if (++health->ping_bad < health->bad_max)
        return false;
    od_buf_init(&buf, why, sizeof why);
    od_buf_str(&buf, status ? "OPTIONS are refused: " : "OPTIONS are not answered");
    if (status)
        od_buf_u64(&buf, status);
    return go_down(health, why, now_ns);
}

bool od_health_pong(struct od_health *health, uint64_t now_ns, uint16_t status)
{
    bool awaited = health->pong_by_ns;

    health->pong_by_ns = 0;
    if (alive(status)) {
        health->ping_bad = 0;
        if (++health->ping_good < health->good_min || health->state != OD_HEALTH_DOWN)
            return false;
        return move(health, OD_HEALTH_PROBING, "OPTIONS are answered again", now_ns);
    }
    return awaited && pong_bad(health, now_ns, status);
}

bool od_health_time(struct od_health *health, uint64_t now_ns, bool *ping)
{
    bool moved = false;

    if (health->pong_by_ns && now_ns >= health->pong_by_ns) {
        health->pong_by_ns = 0;
        moved = pong_bad(health, now_ns, 0);
    }
    *ping = health->ping_ns && now_ns >= health->ping_at_ns;
    if (*ping) {
        health->ping_at_ns = now_ns + health->ping_ns;
        health->good_traffic = false;
        health->pong_by_ns = now_ns + (PONG_NS < health->ping_ns ? PONG_NS : health->ping_ns);
        health->pings++;
    }
    if (health->state != OD_HEALTH_DOWN || now_ns < health->probe_at_ns)
        return moved;
    return move(health, OD_HEALTH_PROBING, "one call at a time finds out whether it is back",
                now_ns);
}

uint64_t od_health_when(const struct od_health *health)
{
    uint64_t when_ns = health->state == OD_HEALTH_DOWN ? health->probe_at_ns : OD_NEVER;

    if (health->ping_ns && health->ping_at_ns < when_ns)
        when_ns = health->ping_at_ns;
    return health->pong_by_ns && health->pong_by_ns < when_ns ? health->pong_by_ns : when_ns;
}
