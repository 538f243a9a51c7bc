/* limit - see limit.h. All arithmetic is in whole nanoseconds, rounded to the slow side. */
#include "engine/core/limit.h"

#include "engine/base/assert.h"
#include "outdial/types.h"

enum {
    COUNT_MAX = 1000000,
    BURST_MAX = 1000000,
    GUARD_PER_MILLE = 4, /* of the window; half of it at least stays for the network */
};
#define WINDOW_NS_MAX (24 * 3600 * OD_NS_PER_S)

/* An EVEN send may trail its turn by so much without moving the next. The host wakes up to about
 * 0.3 ms late, which must not cost rate; anything longer is a stall, and is never caught up. */
#define SLACK_NS_MIN (OD_NS_PER_MS / 2)
#define SLACK_NS_MAX OD_NS_PER_MS

bool od_shape_valid(const struct od_shape *shape)
{
    if (shape->kind == OD_SHAPE_NONE)
        return true;
    if (shape->kind > OD_SHAPE_BUCKET || shape->count < 1 || shape->count > COUNT_MAX)
        return false;
    if (shape->window_ns < OD_NS_PER_MS || shape->window_ns > WINDOW_NS_MAX)
        return false;
    return shape->kind != OD_SHAPE_BUCKET || (shape->burst >= 1 && shape->burst <= BURST_MAX);
}

void od_limit_init(struct od_limit *limit, struct od_limit_entry *log)
{
    *limit = (struct od_limit){.log = log};
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t guarded(uint64_t ns)
{
    return ns + (ns * GUARD_PER_MILLE + 999) / 1000;
}

/* a * b, or as good as never. */
static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) || product > OD_NEVER / 4 ? OD_NEVER / 4
                                                                            : product;
}

/* The i-th oldest entry. */
static struct od_limit_entry *entry_at(const struct od_limit *limit, uint32_t i)
{
    return &limit->log[(limit->first + i) % OD_LIMIT_LOG];
}

/* `through` of everything sent. */
static uint64_t sent_through(const struct od_limit *limit)
{
    return limit->entries ? entry_at(limit, limit->entries - 1)->through : limit->forgotten;
}

static void log_forget(struct od_limit *limit, uint64_t now_ns)
{
    while (limit->entries && entry_at(limit, 0)->at_ns + limit->span_ns <= now_ns) {
        limit->forgotten = entry_at(limit, 0)->through;
        limit->first = (limit->first + 1) % OD_LIMIT_LOG;
        limit->entries--;
    }
}

static void log_add(struct od_limit *limit, uint64_t at_ns)
{
    uint64_t through = sent_through(limit) + 1, before = limit->forgotten;

    if (limit->entries > 1)
        before = entry_at(limit, limit->entries - 2)->through;
    /* Only INVITEs that asked nobody (re-sent ones) can fill all entries: the newest takes them
     * too, and holds until the last of them has left the window. */
    if (!limit->entries || (through - before > limit->per_entry && limit->entries < OD_LIMIT_LOG))
        limit->entries++;
    *entry_at(limit, limit->entries - 1) = (struct od_limit_entry){at_ns, through};
}

static void set_turns(struct od_limit *limit, const struct od_shape *shape)
{
    limit->interval_ns = (guarded(shape->window_ns) + shape->count - 1) / shape->count;
    if (shape->kind == OD_SHAPE_BUCKET) {
        /* A little less than the whole burst: what the network shifts comes out of the rest, where
         * the guard of a single interval would be too small for it. */
        uint64_t rest = min_u64(shape->window_ns * (GUARD_PER_MILLE / 2) / 1000,
                                shape->burst > 1 ? limit->interval_ns / 2 : 0);
        limit->slack_ns = times(shape->burst - 1, limit->interval_ns) - rest;
    } else {
        uint64_t half = limit->interval_ns / 2;
        uint64_t slack = min_u64(max_u64(half, SLACK_NS_MIN), SLACK_NS_MAX);
        slack = min_u64(slack, shape->window_ns * (GUARD_PER_MILLE / 2) / 1000);
        limit->slack_ns = max_u64(slack, min_u64(limit->trail_ns, half));
    }
}

/* Writes the log anew, `per_entry` having changed. */
static void relog(struct od_limit *limit)
{
    struct od_limit_entry old[OD_LIMIT_LOG];
    uint32_t entries = limit->entries;
    uint64_t written = limit->forgotten;

    for (uint32_t i = 0; i < entries; i++)
        old[i] = *entry_at(limit, i);
    limit->entries = 0;
    for (uint32_t i = 0; i < entries; i++)
        for (; written < old[i].through; written++)
            log_add(limit, old[i].at_ns);
}

/* What was sent under a shape of another kind can't be told in this one's terms: it starts as if
 * all it allows had just been sent. */
static void start_used_up(struct od_limit *limit)
{
    switch ((enum od_shape_kind)limit->shape.kind) {
    case OD_SHAPE_NONE:
        break;
    case OD_SHAPE_EVEN:
    case OD_SHAPE_BUCKET:
        limit->turn_ns = limit->last_ns + times(limit->shape.count - 1, limit->interval_ns);
        break;
    case OD_SHAPE_WINDOW:
        limit->entries = 0;
        for (uint32_t i = 0; i < limit->shape.count; i++)
            log_add(limit, limit->last_ns);
        break;
    }
}

void od_limit_set(struct od_limit *limit, const struct od_shape *shape)
{
    uint8_t was = limit->shape.kind;

    OD_ASSERT(od_shape_valid(shape));
    limit->shape = *shape;
    if (shape->kind == OD_SHAPE_WINDOW) {
        limit->span_ns = guarded(shape->window_ns);
        limit->per_entry = (shape->count + OD_LIMIT_LOG - 1) / OD_LIMIT_LOG;
        if (was == OD_SHAPE_WINDOW)
            relog(limit);
    } else if (shape->kind != OD_SHAPE_NONE) {
        set_turns(limit, shape);
    }
    if (was != shape->kind && limit->sent)
        start_used_up(limit);
}

/* The turn that a send at now_ns would be charged to. Turns that passed unused are lost, but for
 * the slack. */
static uint64_t turn_at(const struct od_limit *limit, uint64_t now_ns)
{
    uint64_t earliest = now_ns > limit->slack_ns ? now_ns - limit->slack_ns : 0;

    return limit->sent ? max_u64(limit->turn_ns + limit->interval_ns, earliest) : earliest;
}

void od_limit_charge(struct od_limit *limit, uint64_t now_ns)
{
    if (limit->shape.kind == OD_SHAPE_EVEN || limit->shape.kind == OD_SHAPE_BUCKET) {
        limit->turn_ns = turn_at(limit, now_ns);
    } else if (limit->shape.kind == OD_SHAPE_WINDOW) {
        log_forget(limit, now_ns);
        log_add(limit, now_ns);
    }
    limit->last_ns = now_ns;
    limit->sent = true;
}

void od_limit_late(struct od_limit *limit, const struct od_late *late)
{
    uint64_t turn_ns = late->sent_ns - min_u64(late->sent_ns, limit->slack_ns);

    limit->last_ns = max_u64(limit->last_ns, late->sent_ns);
    if (limit->shape.kind == OD_SHAPE_EVEN || limit->shape.kind == OD_SHAPE_BUCKET) {
        /* The turn it would have been charged to then, and those of the ones after it. */
        limit->turn_ns = max_u64(limit->turn_ns, turn_ns + times(late->since, limit->interval_ns));
    } else if (limit->shape.kind == OD_SHAPE_WINDOW) {
        for (uint32_t i = limit->entries; i-- && entry_at(limit, i)->at_ns >= late->charged_ns;)
            entry_at(limit, i)->at_ns = max_u64(entry_at(limit, i)->at_ns, late->sent_ns);
    }
}

/* The time at which `ahead` + 1 more sends fit into the window. */
static uint64_t window_when(const struct od_limit *limit, uint64_t now_ns, uint32_t ahead)
{
    uint64_t all = sent_through(limit), target = all + ahead + 1;
    uint32_t low = 0, high = limit->entries;

    if (target <= limit->forgotten + limit->shape.count)
        return 0;
    target -= limit->shape.count; /* everything through this one must have left */
    if (target > all) {
        uint64_t rounds = (target - all + limit->shape.count - 1) / limit->shape.count;
        uint64_t last = high ? entry_at(limit, high - 1)->at_ns : 0;
        return max_u64(now_ns, last) + times(rounds, limit->span_ns);
    }
    while (low < high) { /* the first entry that reaches the target */
        uint32_t middle = low + (high - low) / 2;
        if (entry_at(limit, middle)->through >= target)
            high = middle;
        else
            low = middle + 1;
    }
    return entry_at(limit, low)->at_ns + limit->span_ns;
}

uint64_t od_limit_when(const struct od_limit *limit, uint64_t now_ns, uint32_t ahead)
{
    switch ((enum od_shape_kind)limit->shape.kind) {
    case OD_SHAPE_NONE:
        break;
    case OD_SHAPE_EVEN:
    case OD_SHAPE_BUCKET:
        return turn_at(limit, now_ns) + times(ahead, limit->interval_ns);
    case OD_SHAPE_WINDOW:
        return window_when(limit, now_ns, ahead);
    }
    return 0;
}

uint32_t od_limit_room(const struct od_limit *limit, uint64_t now_ns, uint64_t until_ns,
                       uint32_t most)
{
    uint32_t low = 0, high = most; /* the room is in low..high */

    if (limit->shape.kind == OD_SHAPE_NONE)
        return most;
    if (limit->shape.kind != OD_SHAPE_WINDOW) {
        uint64_t turn_ns = turn_at(limit, now_ns);
        if (turn_ns > until_ns)
            return 0;
        return (uint32_t)min_u64(most, (until_ns - turn_ns) / limit->interval_ns + 1);
    }
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (od_limit_when(limit, now_ns, middle - 1) <= until_ns)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

void od_limits_charge(struct od_limit *limits, uint32_t count, uint64_t now_ns)
{
    for (uint32_t i = 0; i < count; i++)
        od_limit_charge(&limits[i], now_ns);
}

void od_limits_late(struct od_limit *limits, uint32_t count, const struct od_late *late)
{
    for (uint32_t i = 0; i < count; i++)
        od_limit_late(&limits[i], late);
}

uint64_t od_limits_when(const struct od_limit *limits, uint32_t count, uint64_t now_ns,
                        uint32_t ahead)
{
    uint64_t when = 0;

    for (uint32_t i = 0; i < count; i++)
        when = max_u64(when, od_limit_when(&limits[i], now_ns, ahead));
    return when;
}

uint32_t od_limits_room(const struct od_limit *limits, uint32_t count, uint64_t now_ns,
                        uint64_t until_ns, uint32_t most)
{
    for (uint32_t i = 0; i < count; i++)
        most = od_limit_room(&limits[i], now_ns, until_ns, most);
    return most;
}
