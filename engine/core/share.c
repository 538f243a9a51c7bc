/* share - see share.h. */
#include "engine/core/share.h"

#include "engine/core/limit.h"
#include "outdial/types.h"

/* How often more is asked for while calls wait; slots come 0.4 s ahead, so two answers may be lost.
 */
#define ASK_NS (100 * OD_NS_PER_MS)
/* While idle, for so long after the last need: so that the next call finds the rate at hand. */
#define PRESENT_NS (500 * OD_NS_PER_MS)
#define PRESENT_FOR_NS (60 * OD_NS_PER_S)
/* Between two asks, however urgent. */
#define HURRY_NS (20 * OD_NS_PER_MS)
/* Whether a rate that another process has is free now. */
#define LOOK_NS (250 * OD_NS_PER_MS)
/* No answer by then: it was lost. */
#define ANSWER_NS (500 * OD_NS_PER_MS)
/* The sole use is asked for anew when so much is left of it. */
#define RENEW_NS (600 * OD_NS_PER_MS)
/* A pause longer than this would be felt as a stall when a process joins or leaves: such a rate is
 * always used by slots. */
#define PAUSE_NS_MAX (2 * OD_NS_PER_S)
#define NS_MAX (400 * 24 * 3600 * OD_NS_PER_S)

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void od_share_void(struct od_share *share)
{
    share->sole_until_ns = 0;
    share->count = share->first = 0;
    share->asking = false;
}

/* A bucket lets so many bunch up; slots used late do no worse. */
static uint64_t late_of(const struct od_shape *shape)
{
    uint64_t bunch_ns;

    if (shape->kind != OD_SHAPE_BUCKET)
        return OD_SHARE_LATE_NS;
    bunch_ns = (shape->burst - 1) * (shape->window_ns / shape->count);
    return min_u64(max_u64(bunch_ns, OD_SHARE_LATE_NS / 5), OD_SHARE_LATE_NS);
}

void od_share_set(struct od_share *share, enum od_share_kind kind, const struct od_shape *shapes,
                  uint32_t count)
{
    uint64_t interval_ns = 0, late_ns = OD_SHARE_LATE_NS, pause_ns = 0;

    for (uint32_t i = 0; i < count; i++)
        late_ns = min_u64(late_ns, late_of(&shapes[i]));
    for (uint32_t i = 0; i < count; i++) {
        const struct od_shape *shape = &shapes[i];
        uint64_t apart_ns = (shape->window_ns + late_ns + shape->count - 1) / shape->count;
        uint64_t silence_ns = shape->window_ns + late_ns; /* what was sent in it is forgotten */
        if (shape->kind == OD_SHAPE_EVEN)
            silence_ns = apart_ns + late_ns;     /* it was even before */
        else if (shape->kind == OD_SHAPE_BUCKET) /* it is full again */
            silence_ns = min_u64(NS_MAX, apart_ns * shape->burst + late_ns);
        interval_ns = max_u64(interval_ns, apart_ns);
        pause_ns = max_u64(pause_ns, silence_ns);
    }
    /* The books are kept in whole microseconds. */
    interval_ns = (interval_ns + 999) / 1000 * 1000;
    if (!count)
        kind = OD_SHARE_OFF;
    if (kind != share->on || interval_ns != share->interval_ns || pause_ns != share->pause_ns)
        od_share_void(share);
    if (interval_ns < share->interval_ns) /* they come oftener now */
        share->stride_ns = 0;
    share->on = (uint8_t)kind;
    share->interval_ns = interval_ns;
    share->late_ns = late_ns;
    share->pause_ns = pause_ns;
    if (!share->stride_ns || share->stride_ns < interval_ns)
        share->stride_ns = interval_ns;
    share->most = OD_SHARE_SLOTS;
}

static struct od_share_slot *slot_at(struct od_share *share, uint32_t i)
{
    return &share->slots[(share->first + i) % OD_SHARE_SLOTS];
}

static void drop_first(struct od_share *share)
{
    share->first = (share->first + 1) % OD_SHARE_SLOTS;
    share->count--;
}

static void forget(struct od_share *share, uint64_t now_ns)
{
    while (share->count && slot_at(share, 0)->until_ns <= now_ns) {
        drop_first(share);
        share->missed++;
    }
}

bool od_share_sole(const struct od_share *share, uint64_t now_ns)
{
    return now_ns < share->sole_until_ns;
}

void od_share_grant(struct od_share *share, uint64_t now_ns, const struct od_grant *grant)
{
    if (grant->voids)
        od_share_void(share);
    if (grant->last)
        share->asking = false;
    if (!share->on)
        return;
    if (grant->sole_until_ns > share->sole_until_ns)
        share->sole_until_ns = grant->sole_until_ns;
    share->elsewhere = share->on == OD_SHARE_WHOLE && !od_share_sole(share, now_ns);
    for (uint32_t i = 0; i < grant->count && i < OD_GRANT_SLOTS; i++) {
        uint64_t from_ns = grant->from_ns[i];
        uint64_t last_ns = share->count ? slot_at(share, share->count - 1)->from_ns : 0;
        if (from_ns + grant->late_ns <= now_ns || from_ns <= last_ns ||
            share->count == OD_SHARE_SLOTS) {
            share->missed++;
            continue;
        }
        if (last_ns) {
            uint64_t stride_ns = min_u64(from_ns - last_ns, OD_NS_PER_S);
            share->stride_ns = max_u64(share->interval_ns,
                                       share->stride_ns - share->stride_ns / 8 + stride_ns / 8);
        }
        *slot_at(share, share->count++) = (struct od_share_slot){from_ns, from_ns + grant->late_ns};
    }
}

uint64_t od_share_when(struct od_share *share, uint64_t now_ns)
{
    if (!share->on || od_share_sole(share, now_ns))
        return 0;
    forget(share, now_ns);
    return share->count ? slot_at(share, 0)->from_ns : OD_NEVER;
}

uint64_t od_share_plan(struct od_share *share, uint64_t now_ns, uint32_t ahead)
{
    uint64_t last_ns = now_ns;

    if (!share->on || od_share_sole(share, now_ns))
        return 0;
    if (share->on == OD_SHARE_WHOLE)
        return OD_NEVER;
    forget(share, now_ns);
    if (ahead < share->count)
        return slot_at(share, ahead)->from_ns;
    if (share->count)
        last_ns = slot_at(share, share->count - 1)->from_ns;
    return last_ns + (ahead - share->count + 1) * share->stride_ns;
}

uint32_t od_share_room(struct od_share *share, uint64_t now_ns, uint64_t until_ns, uint32_t most)
{
    uint32_t room = 0;
    uint64_t beyond_ns;

    if (!share->on || od_share_sole(share, now_ns))
        return most;
    if (share->on == OD_SHARE_WHOLE)
        return 0;
    forget(share, now_ns);
    while (room < most && room < share->count && slot_at(share, room)->from_ns <= until_ns)
        room++;
    beyond_ns = od_share_plan(share, now_ns, share->count);
    if (room < most && room == share->count && beyond_ns <= until_ns)
        room += (uint32_t)min_u64(most - room, (until_ns - beyond_ns) / share->stride_ns + 1);
    return room;
}

void od_share_use(struct od_share *share, uint64_t now_ns)
{
    if (!share->on || od_share_sole(share, now_ns))
        return;
    forget(share, now_ns);
    if (share->count && slot_at(share, 0)->from_ns <= now_ns) {
        drop_first(share);
        share->used++;
    }
}

void od_share_late(struct od_share *share, uint64_t charged_ns, uint64_t sent_ns)
{
    if (share->on && sent_ns > charged_ns + share->late_ns && share->count)
        drop_first(share);
}

void od_share_skip(struct od_share *share, uint64_t now_ns)
{
    forget(share, now_ns);
    if (share->on && share->count)
        drop_first(share);
}

void od_share_hurry(struct od_share *share)
{
    share->urgent = true;
}

uint64_t od_share_ask_when(const struct od_share *share, uint64_t now_ns, uint32_t calls)
{
    uint64_t when_ns = share->asked_ns + ASK_NS;

    if (!share->on)
        return OD_NEVER;
    if (share->asking)
        return share->answer_ns;
    if (share->urgent && calls)
        return share->asked_ns ? share->asked_ns + (share->elsewhere ? LOOK_NS : HURRY_NS) : now_ns;
    if (!calls && share->on == OD_SHARE_WHOLE)
        return OD_NEVER; /* who has nothing to send leaves it to others */
    if (!calls && (!share->wanted_ns || now_ns > share->wanted_ns + PRESENT_FOR_NS))
        return OD_NEVER;
    if (!calls)
        when_ns = share->asked_ns + PRESENT_NS;
    if (share->elsewhere)
        when_ns = share->asked_ns + LOOK_NS;
    if (od_share_sole(share, now_ns))
        when_ns = max_u64(when_ns, share->sole_until_ns - min_u64(share->sole_until_ns, RENEW_NS));
    return when_ns;
}

/* Slots that were not used were somebody else's: where many were missed, fewer are asked for, until
 * they are used up again. */
static void learn(struct od_share *share)
{
    if (share->missed > 1 + share->used / 4)
        share->most = 4 + 4 * share->used;
    else if (share->most < OD_SHARE_SLOTS)
        share->most += 1 + share->most / 2;
    if (share->most > OD_SHARE_SLOTS)
        share->most = OD_SHARE_SLOTS;
    share->used = share->missed = 0;
}

static uint8_t sole_of(const struct od_share *share)
{
    if (share->on == OD_SHARE_WHOLE)
        return OD_RATE_SOLE_ALWAYS;
    return share->pause_ns <= PAUSE_NS_MAX ? OD_RATE_SOLE_ALONE : OD_RATE_SOLE_NEVER;
}

void od_share_ask(struct od_share *share, uint64_t now_ns, uint32_t calls, struct od_rate_ask *out)
{
    uint32_t most;

    forget(share, now_ns);
    learn(share);
    most = min_u64(calls, share->most) > share->count
               ? (uint32_t)min_u64(calls, share->most) - share->count
               : 0;
    *out = (struct od_rate_ask){.want = most,
                                .interval_ns = share->interval_ns,
                                .late_ns = share->late_ns,
                                .pause_ns = share->pause_ns,
                                .sole = sole_of(share)};
    if (calls)
        share->wanted_ns = now_ns;
    share->asking = true;
    share->urgent = false;
    share->asked_ns = now_ns;
    share->answer_ns = now_ns + ANSWER_NS;
}
