/*
 * sim_carrier - the callees and what lies between: behind the port that the SIP adapter has. What
 * becomes of a leg is drawn when its INVITE comes. It checks what a carrier would complain about:
 * two legs for one attempt, a rate or cap exceeded, an answer never acknowledged, a phone left
 * ringing or off hook.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/core/hours.h"
#include "tests/sim/sim_world.h"

struct sim_leg {
    struct od_call_id call; /* gen 0: none */
    uint32_t serial;        /* a call has a leg for each of its tries */
    uint32_t contact;
    uint32_t lane;
    uint32_t trunk;
    bool ringing, answered, rejected, hung_up; /* by the callee, as told to the engine */
    bool cancelled, byed;                      /* by the engine */
    bool silent;                               /* nothing is heard of it, not even a 100 */
    uint64_t invited_ns;
    bool challenged; /* the next INVITE of the leg is awaited */
    uint32_t answers, acks;
    struct od_call_id first; /* of a second leg: whose */
};

static const struct {
    uint16_t status;
    const char *reason;
} refusals[] = {
    {486, "Busy Here"},
    {480, "Temporarily Unavailable"},
    {404, "Not Found"},
    {503, "Service Unavailable"},
    {603, "Decline"},
    {500, "Server Internal Error"},
    {403, "Rate Exceeded"},
    {403, "Forbidden"},
    {408, "Request Timeout"},
    {302, "Moved Temporarily"},
    {488, "Not Acceptable Here"},
    {600, "Busy Everywhere"},
    {487, "Request Terminated"},
    {699, ""},
};

enum { REFUSES_ALL = 3 }; /* 503 */

static uint64_t name_of(const struct sim_leg *leg)
{
    return (uint64_t)leg->call.index << 32 | leg->serial;
}

/* The leg a happening is about; NULL when it was dropped meanwhile. */
static struct sim_leg *leg_named(struct sim_world *world, uint64_t name)
{
    struct sim_leg *leg = &world->legs[name >> 32];

    return leg->call.gen && leg->serial == (uint32_t)name ? leg : NULL;
}

static struct sim_leg *leg_of(struct sim_world *world, struct od_call_id call, const char *order)
{
    struct sim_leg *leg = call.index < world->limits.calls_max ? &world->legs[call.index] : NULL;

    sim_order(world, order, call.index, call.gen);
    if (leg && leg->call.gen == call.gen && call.gen)
        return leg;
    sim_wrong(&world->clock, "%s for a call that has no leg", order);
    return NULL;
}

static bool final(const struct sim_leg *leg)
{
    return leg->answered || leg->rejected;
}

/* The trunk's fault, by what the carriers of this world say. */
static bool is_trunks(uint16_t status, bool local)
{
    return local || status / 100 == 5 || status == 403 || status == 408;
}

static void reject(struct sim_world *world, struct sim_leg *leg, uint16_t status, bool local,
                   const char *reason)
{
    struct od_event event = {.kind = OD_EV_REJECT, .call = leg->call};

    if (final(leg))
        return;
    leg->rejected = true;
    event.u.sip.moved =
        sim_chance(world, world->knobs.moved); /* whether that means something or not */
    bool moved = event.u.sip.moved && is_trunks(status, local);
    sim_breakers_end(world, leg->call.index,
                     !leg->cancelled && !moved && strcmp(reason, "Rate Exceeded"));
    if (!local && !leg->cancelled && !leg->first.gen &&
        (status == 486 || status == 480 || status == 600 || status == 603))
        world->spoken[leg->contact] = 1;
    if (!leg->first.gen && is_trunks(status, local))
        world->faults[leg->contact]++;
    event.u.sip.status = status;
    event.u.sip.local = local;
    memcpy(event.u.sip.reason, reason, strlen(reason) + 1);
    sim_post(world, &event);
}

static void refuse(void *ctx, uint64_t name, uint64_t which)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);

    if (leg && !leg->cancelled)
        reject(world, leg, refusals[which].status, false, refusals[which].reason);
}

static void fail_locally(void *ctx, uint64_t name, uint64_t status)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);

    if (leg)
        reject(world, leg, (uint16_t)status, true, "");
}

/* Overloaded: it says when to come again, and means it. */
static void put_off(void *ctx, uint64_t name, uint64_t wait_s)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);
    struct od_event event = {.kind = OD_EV_REJECT,
                             .u.sip = {.status = 503, .retry_after_s = (uint32_t)wait_s}};
    uint64_t until_ns = world->clock.now_ns + wait_s * OD_NS_PER_S;

    if (!leg || leg->cancelled || final(leg))
        return;
    event.call = leg->call;
    leg->rejected = true;
    sim_breakers_end(world, leg->call.index, false);
    world->faults[leg->contact] += !leg->first.gen;
    if (world->retry_after_ns[leg->trunk] < until_ns)
        world->retry_after_ns[leg->trunk] = until_ns;
    sim_post(world, &event);
}

static void try_it(void *ctx, uint64_t name, uint64_t unused)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);

    (void)unused;
    if (leg && !final(leg))
        sim_post_kind(world, OD_EV_TRYING, leg->call);
}

static void terminate(void *ctx, uint64_t name, uint64_t unused)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);

    (void)unused;
    if (leg)
        reject(world, leg, 487, false, "Request Terminated");
}

static void ring(void *ctx, uint64_t name, uint64_t status)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);
    struct od_event event = {.kind = OD_EV_PROGRESS};

    if (!leg || leg->rejected)
        return;
    leg->ringing = true;
    event.call = leg->call;
    event.u.sip.status = (uint16_t)status;
    sim_post(world, &event);
}

static void hang_up(void *ctx, uint64_t name, uint64_t unused)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);

    (void)unused;
    if (!leg || leg->hung_up || !leg->answered)
        return;
    leg->hung_up = true;
    sim_post_kind(world, OD_EV_PEER_BYE, leg->call);
}

static void send_answer(struct sim_world *world, struct sim_leg *leg)
{
    leg->answers++;
    world->unacked++;
    sim_post_kind(world, OD_EV_ANSWER, leg->call);
}

static void answer_again(void *ctx, uint64_t name, uint64_t unused)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);

    (void)unused;
    if (leg && !leg->hung_up)
        send_answer(world, leg);
}

static void break_media(void *ctx, uint64_t name, uint64_t unused)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);
    struct od_event event = {.kind = OD_EV_MEDIA_FAILED, .u.fail.reason = "silence"};

    (void)unused;
    if (!leg)
        return;
    event.call = leg->call;
    sim_post(world, &event);
}

static void answer(void *ctx, uint64_t name, uint64_t crossing)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);

    if (!leg || final(leg) || (leg->cancelled && !crossing))
        return;
    leg->answered = true;
    sim_breakers_end(world, leg->call.index, true);
    world->answered++;
    send_answer(world, leg);
    if (sim_chance(world, world->knobs.repeat))
        for (uint32_t i = 1; i <= 3; i++)
            sim_after(&world->clock, sim_ms(world, 1, 500 * i), answer_again, world, name, 0);
    if (sim_chance(world, world->knobs.repeat))
        sim_after(&world->clock, sim_ms(world, 0, 20), ring, world, name, 180); /* overtaken */
    if (sim_chance(world, world->knobs.media_fault))
        sim_after(&world->clock, sim_ms(world, 0, 20000), break_media, world, name, 0);
    /* Some talk until the agent or the longest talk ends it. */
    if (od_rng_below(&world->rng, 4))
        sim_after(&world->clock, sim_ms(world, 1, world->knobs.talk_ms), hang_up, world, name, 0);
}

static void challenge(void *ctx, uint64_t name, uint64_t unused)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);

    (void)unused;
    if (!leg || leg->cancelled)
        return;
    leg->challenged = true;
    sim_post_kind(world, OD_EV_CHALLENGED, leg->call);
}

/* An event that no carrier and no agent of this leg would cause; none that would be believed. */
static void talk_nonsense(void *ctx, uint64_t name, uint64_t what)
{
    static const uint8_t kinds[] = {OD_EV_RELEASED, OD_EV_HOOK_DONE, OD_EV_DURABLE,
                                    OD_EV_SENT,     OD_EV_NONE,      OD_EV_COUNT};
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);
    struct od_event event = {.kind = kinds[what % sizeof kinds]};

    if (!leg)
        return;
    event.call = leg->call;
    sim_post(world, &event);
    if (!leg->answered)
        sim_post_kind(world, OD_EV_PEER_BYE, leg->call);
    event.call.gen -= 2; /* of the slot's last owner */
    sim_post(world, &event);
    event.call.index = UINT32_MAX;
    sim_post(world, &event);
    sim_post(world, &(struct od_event){.kind = OD_EV_CLAIM_DONE, .u.claim = {.lane = UINT32_MAX}});
    sim_post(world, &(struct od_event){.kind = OD_EV_LANE_READY, .u.lane = {UINT32_MAX - 1, 7}});
}

/* A prefix that breaks the trunk, a number that nobody picks up for, a list of dead numbers. */
static bool spoilt(struct sim_world *world, struct sim_leg *leg)
{
    enum { BROKEN = 5, NOT_FOUND = 2 };
    const char *to = sim_store_contact(world->store, leg->contact)->to;
    uint64_t name = name_of(leg);

    sim_after(&world->clock, sim_ms(world, 1, 200), try_it, world, name, 0);
    if (sim_breakers_spoilt(world, leg->lane, leg->trunk, to, SIM_SPOIL_PREFIX))
        sim_after(&world->clock, sim_ms(world, 1, 200), refuse, world, name, BROKEN);
    else if (sim_breakers_spoilt(world, leg->lane, leg->trunk, to, SIM_SPOIL_CALLER))
        sim_after(&world->clock, sim_ms(world, 20, 3000), ring, world, name, 180);
    else if (sim_breakers_spoilt(world, leg->lane, leg->trunk, to, SIM_SPOIL_LIST))
        sim_after(&world->clock, sim_ms(world, 1, 200), refuse, world, name, NOT_FOUND);
    else
        return false;
    return true;
}

/* Draws what becomes of an INVITE. */
static void decide(struct sim_world *world, struct sim_leg *leg)
{
    const struct sim_knobs *knobs = &world->knobs;
    struct sim_clock *clock = &world->clock;
    uint64_t name = name_of(leg), rings_ns = sim_ms(world, 20, 3000), answers_ns;

    leg->silent = false;
    if (world->dead[leg->trunk] == SIM_UNREACHABLE) {
        sim_after(clock, sim_ms(world, 0, 2), fail_locally, world, name, 503);
        return;
    }
    if (world->dead[leg->trunk] == SIM_SILENT) {
        leg->silent = true;
        sim_after(clock, 32 * OD_NS_PER_S, fail_locally, world, name, 408);
        return;
    }
    if (world->dead[leg->trunk] == SIM_REFUSING) {
        sim_after(clock, sim_ms(world, 1, 200), refuse, world, name, REFUSES_ALL);
        return;
    }
    if (world->breakers && spoilt(world, leg))
        return;
    if (sim_chance(world, knobs->retry_after)) {
        sim_after(clock, sim_ms(world, 1, 200), put_off, world, name,
                  1 + od_rng_below(&world->rng, 20));
        return;
    }
    if (sim_chance(world, knobs->icmp)) {
        sim_after(clock, sim_ms(world, 0, 2), fail_locally, world, name,
                  od_rng_below(&world->rng, 2) ? 503 : 0);
        return;
    }
    if (sim_chance(world, knobs->challenged)) {
        if (od_rng_below(&world->rng, 4) == 0) /* by one proxy of a fork, while another rings */
            sim_after(clock, sim_ms(world, 0, 20), ring, world, name, 180);
        sim_after(clock, sim_ms(world, 20, 200), challenge, world, name, 0);
        return;
    }
    if (sim_chance(world, knobs->hostile))
        sim_after(clock, sim_ms(world, 0, 30000), talk_nonsense, world, name,
                  od_rng_below(&world->rng, 100));
    if (sim_chance(world, knobs->media_fault))
        sim_after(clock, sim_ms(world, 0, 5000), break_media, world, name, 0);
    if (sim_chance(world, knobs->silent)) {
        leg->silent = od_rng_below(&world->rng, 2);
        if (!leg->silent)
            sim_after(clock, sim_ms(world, 1, 200), try_it, world, name, 0);
        if (od_rng_below(&world->rng, 2)) /* Timer B of RFC 3261 17.1.1.2 */
            sim_after(clock, 32 * OD_NS_PER_S, fail_locally, world, name, 408);
        return;
    }
    sim_after(clock, sim_ms(world, 1, 200), try_it, world, name, 0);
    if (sim_chance(world, knobs->reject)) {
        if (od_rng_below(&world->rng, 2))
            sim_after(clock, rings_ns, ring, world, name, 183);
        sim_after(clock, rings_ns + sim_ms(world, 0, 5000), refuse, world, name,
                  od_rng_below(&world->rng, sizeof refusals / sizeof *refusals));
        return;
    }
    answers_ns = rings_ns + sim_ms(world, 0, knobs->ring_ms);
    if (od_rng_below(&world->rng, 10)) /* else answered without ringing */
        sim_after(clock, rings_ns, ring, world, name, 180);
    if (od_rng_below(&world->rng, 3) == 0)
        sim_after(clock, rings_ns + sim_ms(world, 1, 4000), ring, world, name, 180);
    if (sim_chance(world, knobs->answer))
        sim_after(clock, answers_ns, answer, world, name, 0);
}

/* The rules a callee would complain of. */
static void check_rules(struct sim_world *world, const struct sim_contact *contact, uint32_t number)
{
    struct od_window window = sim_contact_window(contact, world->turn_wall_ms);
    const struct od_retry *rule = &world->lanes[contact->lane].retry;
    int64_t due_ms = contact->last_ms + rule->after_s[contact->last_cause] * INT64_C(1000);

    if (!od_window_open(&window, world->turn_wall_ms))
        sim_wrong(&world->clock, "contact %u: an INVITE outside its hours", number);
    if (contact->tries && contact->tries >= world->knobs.retry)
        sim_wrong(&world->clock, "contact %u: attempt %u on the person, allowed are %u", number,
                  contact->tries + 1u, world->knobs.retry);
    if (world->suppressed_ms[number] && contact->intent_ms > world->suppressed_ms[number] &&
        !world->knobs.wall_jump)
        sim_wrong(&world->clock, "contact %u: an INVITE to a suppressed number", number);
    if (contact->last_cause == OD_CAUSE_UNKNOWN && !world->knobs.redial_s)
        sim_wrong(&world->clock,
                  "contact %u: nobody knows whether it was talked to, and it is "
                  "dialled again",
                  number);
    if (contact->last_cause && world->turn_wall_ms < due_ms && !world->knobs.wall_jump)
        sim_wrong(&world->clock, "contact %u: tried again too early", number);
}

bool sim_carrier_second(const struct sim_world *world, struct od_call_id call)
{
    return world->legs[call.index].call.gen == call.gen && world->legs[call.index].first.gen;
}

/* A second leg: of a call that talks, written down before, under the trunk's rules alone. */
static void check_second(struct sim_world *world, struct sim_leg *leg,
                         const struct od_invite *invite)
{
    bool durable = false;
    uint16_t attempt;
    uint32_t number = sim_store_job(world->store, invite->job, &durable, &attempt);

    if (number == UINT32_MAX) {
        sim_wrong(&world->clock, "a second leg for a job that is not the engine's");
        return;
    }
    leg->contact = number;
    leg->lane = sim_store_contact(world->store, number)->lane;
    if (!sim_talk_on(world, invite->first))
        sim_wrong(&world->clock, "contact %u: a second leg when nobody talks", number);
    if (!sim_store_leg_durable(world->store, invite->job))
        sim_wrong(&world->clock, "contact %u: a second leg before its intent was durable", number);
    if (world->clock.now_ns < world->retry_heard_ns[invite->trunk])
        sim_wrong(&world->clock, "trunk %u: a second leg before Retry-After has passed",
                  invite->trunk);
    world->seconds++;
}

static void check_invite(struct sim_world *world, struct sim_leg *leg,
                         const struct od_invite *invite)
{
    struct sim_clock *clock = &world->clock;
    const struct sim_contact *contact;
    const struct od_lane_def *lane;
    bool durable = false;
    uint16_t attempt = 0;
    uint32_t number = sim_store_job(world->store, invite->job, &durable, &attempt);

    if (number == UINT32_MAX) {
        sim_wrong(clock, "an INVITE for a job that is not the engine's");
        return;
    }
    contact = sim_store_contact(world->store, number);
    lane = &world->lanes[contact->lane];
    leg->contact = number;
    leg->lane = contact->lane;
    if (!durable)
        sim_wrong(clock, "contact %u: an INVITE before its intent was durable", number);
    if (contact->lapsed && !sim_store_ours(world->store, invite->job))
        sim_wrong(clock, "contact %u: an INVITE after our lease had run out", number);
    if (world->job_of[number].index != invite->job.index ||
        world->job_of[number].gen != invite->job.gen) {
        world->faults[number] = 0;
        if (world->knobs.retry) /* a retry rule dials again later: another attempt on the person */
            world->spoken[number] = 0;
    }
    world->job_of[number] = invite->job;
    if (world->faults[number] && world->faults[number] >= world->knobs.tries)
        sim_wrong(clock, "contact %u: another INVITE after %u faults", number,
                  world->faults[number]);
    if (world->spoken[number])
        sim_wrong(clock, "contact %u: dialled again after the callee's own verdict", number);
    if (clock->now_ns < world->retry_heard_ns[invite->trunk])
        sim_wrong(clock, "trunk %u: an INVITE before Retry-After has passed", invite->trunk);
    if (attempt < 1 || attempt > 63)
        sim_wrong(clock, "contact %u: attempt %u", number, attempt);
    if (world->dialled[number] >> (attempt & 63) & 1)
        sim_wrong(clock, "contact %u: attempt %u dialled twice", number, attempt);
    world->dialled[number] |= UINT64_C(1) << (attempt & 63);
    if (world->on_phone[number]++)
        sim_wrong(clock, "contact %u: two calls at once", number);
    if (!lane->open || !(od_window_open(&lane->window, world->turn_wall_ms) ||
                         (lane->window.next_ms && world->turn_wall_ms >= lane->window.next_ms)))
        sim_wrong(clock, "lane %u: an INVITE while it is closed", contact->lane);
    check_rules(world, contact, number);
    sim_attempt_dialled(world, number);
    if (!world->trunks[invite->trunk].usable)
        sim_wrong(clock, "trunk %u: an INVITE while it is not usable", invite->trunk);
    if (contact->deadline_ms && contact->deadline_ms <= world->turn_wall_ms)
        sim_wrong(clock, "contact %u: an INVITE after its deadline", number);
    if (strcmp(contact->to, invite->to) != 0)
        sim_wrong(clock, "contact %u: an INVITE to %s", number, invite->to);
    /* Small turns may take some calls further before they come to the order to drain. */
    if (world->drain_seen)
        sim_wrong(clock, "contact %u: an INVITE after the drain", number);
}

/* The process is held up between the engine's order and the wire: time passes, nothing else. */
static void held_up(struct sim_world *world)
{
    if (sim_chance(world, world->knobs.slow_send))
        world->clock.now_ns += od_rng_below(&world->rng, 30 * OD_NS_PER_MS);
}

static void post_sent(struct sim_world *world, struct od_call_id call)
{
    sim_post(world, &(struct od_event){
                        .kind = OD_EV_SENT, .call = call, .u.sent.mono_ns = world->clock.now_ns});
}

static void port_invite(void *ctx, struct od_call_id call, const struct od_invite *invite)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = &world->legs[call.index];

    sim_order(world, "invite", call.index, invite->trunk);
    if (leg->call.gen)
        sim_wrong(&world->clock, "an INVITE for a call that has a leg");
    *leg = (struct sim_leg){.call = call,
                            .serial = ++world->legs_made,
                            .invited_ns = world->clock.now_ns,
                            .trunk = invite->trunk,
                            .first = invite->first};
    if (invite->first.gen)
        check_second(world, leg, invite);
    else
        check_invite(world, leg, invite);
    if (!leg->first.gen)
        sim_breakers_invite(world, call.index, leg->lane, leg->trunk, invite->to);
    held_up(world);
    sim_rate_sent(world, &world->trunk_rates[leg->trunk], false, "trunk", leg->trunk);
    sim_paces_sent(world, leg->lane, false);
    sim_cap_take(world, &world->trunk_caps[leg->trunk], "trunk", leg->trunk);
    if (!leg->first.gen) /* the cap is on people called */
        sim_cap_take(world, &world->lane_caps[leg->lane], "lane", leg->lane);
    if (++world->legs_live > world->limits.dialled_max)
        sim_wrong(&world->clock, "%u calls at once, the node's cap is %u", world->legs_live,
                  world->limits.dialled_max);
    if (!world->invites++)
        world->first_invite_ns = world->clock.now_ns;
    world->last_invite_ns = world->clock.now_ns;
    post_sent(world, call);
    decide(world, leg);
}

static void port_invite_again(void *ctx, struct od_call_id call)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_of(world, call, "again");

    if (!leg)
        return;
    if (!leg->challenged || leg->cancelled)
        sim_wrong(&world->clock, "contact %u: an INVITE again that nobody asked for", leg->contact);
    leg->challenged = false;
    held_up(world);
    sim_rate_sent(world, &world->trunk_rates[leg->trunk], false, "trunk", leg->trunk);
    sim_paces_sent(world, leg->lane, true);
    post_sent(world, call);
    decide(world, leg);
}

static void port_cancel(void *ctx, struct od_call_id call)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_of(world, call, "cancel");
    const struct sim_knobs *knobs = &world->knobs;

    if (!leg)
        return;
    if (leg->cancelled || leg->byed)
        sim_wrong(&world->clock, "a CANCEL after a CANCEL or a BYE");
    leg->cancelled = true;
    if (final(leg))
        return;          /* it crossed the final response */
    if (leg->challenged) /* nothing is under way: the adapter itself says so */
        sim_after(&world->clock, 0, terminate, world, name_of(leg), 0);
    else if (sim_chance(world, knobs->cross))
        sim_after(&world->clock, sim_ms(world, 0, 50), answer, world, name_of(leg), 1);
    else if (!sim_chance(world, knobs->deaf))
        sim_after(&world->clock, sim_ms(world, 1, 100), terminate, world, name_of(leg), 0);
}

static void port_ack(void *ctx, struct od_call_id call)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_of(world, call, "ack");

    if (!leg)
        return;
    if (leg->acks == leg->answers)
        sim_wrong(&world->clock, "an ACK for no answer");
    else
        world->unacked--;
    leg->acks++;
}

static void end_bye(void *ctx, uint64_t name, uint64_t unused)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_named(world, name);

    (void)unused;
    if (leg)
        sim_post_kind(world, OD_EV_CLEARED, leg->call);
}

static void port_bye(void *ctx, struct od_call_id call)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_of(world, call, "bye");

    if (!leg)
        return;
    if (!leg->answered || !leg->acks || leg->byed)
        sim_wrong(&world->clock, "a BYE %s", leg->byed ? "twice" : "before the ACK");
    leg->byed = true;
    if (sim_chance(world, world->knobs.both_bye))
        sim_after(&world->clock, sim_ms(world, 0, 3), hang_up, world, name_of(leg), 0);
    if (!sim_chance(world, world->knobs.deaf))
        sim_after(&world->clock, sim_ms(world, 1, 100), end_bye, world, name_of(leg), 0);
}

static void port_drop(void *ctx, struct od_call_id call)
{
    struct sim_world *world = ctx;
    struct sim_leg *leg = leg_of(world, call, "drop");

    if (!leg)
        return;
    if (leg->answered && !leg->hung_up && !leg->byed)
        sim_wrong(&world->clock, "contact %u is left off hook", leg->contact);
    /* Only a trunk that said nothing at all within its patience may be left as it is: the adapter
     * ends what still comes of it. A slow send is charged, and waited for, from its order on. */
    if (!final(leg) && !leg->cancelled &&
        !(leg->silent && !leg->ringing && world->knobs.patience_ms &&
          world->clock.now_ns + (world->knobs.slow_send ? OD_NS_PER_S : 0) >=
              leg->invited_ns + world->knobs.patience_ms * OD_NS_PER_MS))
        sim_wrong(&world->clock, "contact %u is left ringing", leg->contact);
    if (leg->answered && !leg->acks)
        sim_wrong(&world->clock, "contact %u answered and got no ACK", leg->contact);
    world->unacked -= leg->answers - leg->acks; /* crossed the end: not the engine's any more */
    world->legs_live--;
    world->trunk_caps[leg->trunk].used--;
    if (!leg->first.gen) {
        world->on_phone[leg->contact]--;
        world->lane_caps[leg->lane].used--;
    }
    sim_breakers_end(world, call.index, false);
    *leg = (struct sim_leg){0};
}

static void pong(void *ctx, uint64_t trunk, uint64_t status)
{
    sim_post(ctx, &(struct od_event){.kind = OD_EV_PONG, .u.pong = {trunk, (uint16_t)status}});
}

static void port_ping(void *ctx, uint32_t trunk)
{
    static const uint16_t statuses[] = {
        [SIM_ALIVE] = 200, [SIM_UNREACHABLE] = 0, [SIM_SILENT] = 0, [SIM_REFUSING] = 503};
    struct sim_world *world = ctx;

    sim_order(world, "ping", trunk, 0);
    sim_after(&world->clock, sim_ms(world, 1, world->dead[trunk] == SIM_SILENT ? 6000 : 200), pong,
              world, trunk, statuses[world->dead[trunk]]);
}

/* A second leg whose first has hung up is on its way down, too. */
static void check_seconds(struct sim_world *world)
{
    for (uint32_t i = 0; world->seconds_live && i < world->limits.calls_max; i++) {
        const struct sim_leg *leg = &world->legs[i];
        if (leg->call.gen && leg->first.gen && !sim_talk_on(world, leg->first) && !final(leg) &&
            !leg->cancelled && !leg->byed)
            sim_wrong(&world->clock, "contact %u: a second leg outlives the first", leg->contact);
        if (leg->call.gen && leg->first.gen && !sim_talk_on(world, leg->first) && leg->answered &&
            !leg->hung_up && !leg->cancelled && !leg->byed)
            sim_wrong(&world->clock, "contact %u: a second leg talks on alone", leg->contact);
    }
}

void sim_carrier_check(struct sim_world *world)
{
    check_seconds(world);
    memcpy(world->retry_heard_ns, world->retry_after_ns, sizeof world->retry_heard_ns);
    if (world->unacked)
        sim_wrong(&world->clock, "%u answers are not acknowledged", world->unacked);
}

void sim_carrier_init(struct sim_world *world, struct od_sip_port *port)
{
    world->legs = calloc(world->limits.calls_max, sizeof *world->legs);
    OD_ASSERT(world->legs);
    *port = (struct od_sip_port){.ctx = world,
                                 .invite = port_invite,
                                 .invite_again = port_invite_again,
                                 .cancel = port_cancel,
                                 .ack = port_ack,
                                 .bye = port_bye,
                                 .drop = port_drop,
                                 .ping = port_ping};
}

void sim_carrier_deinit(struct sim_world *world)
{
    free(world->legs);
}
