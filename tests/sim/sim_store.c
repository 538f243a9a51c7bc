/*
 * sim_store - see sim_store.h. The server's half is apply(): one order at a time, each checked
 * against the fence its claim was given, so that sending an order twice changes nothing. The
 * adapter's half is the rest: jobs, batches, a connection that can break between the two.
 */
#include "tests/sim/sim_store.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/str.h"

enum op_kind { OP_CLAIM, OP_INTENT, OP_PROGRESS, OP_RELEASE, OP_FINISH };

struct op {
    enum op_kind kind;
    uint32_t job; /* index; not of CLAIM */
    struct od_call_id call;
    uint16_t attempt;     /* INTENT */
    uint32_t lane, count; /* CLAIM */
    int64_t not_before_ms;
    struct od_outcome outcome;
    char progress[16];
    /* written by the server */
    bool applied, accepted;
    uint32_t got, *claimed;
};

struct ops {
    struct op *at;
    uint32_t count, size;
};

enum job_state { JOB_FREE, JOB_LIVE, JOB_GIVEN_BACK };

struct job {
    uint32_t gen;
    enum job_state state;
    uint32_t contact, fence;
    uint16_t attempt;
    bool asked, durable;    /* intent ordered; intent reported durable */
    bool leg_durable;       /* its second leg's, likewise */
    struct od_call_id call; /* of its intent */
};

struct lane {
    uint32_t *list; /* ring of contacts, oldest first; some may have been ended meanwhile */
    uint32_t head, count;
    uint32_t waiting;
};

enum { NUMBERS_MAX = 64, LOG_MAX = 64, PLACE_MS = 1000 };

/* What is kept of a number: whether nobody may dial it, and when it was dialled. */
struct number {
    char to[OD_ENDPOINT_MAX];
    bool suppressed;
    uint32_t count;
    int64_t log[LOG_MAX];
};

struct sim_store {
    struct sim_clock *clock;
    struct od_rng *rng;
    struct sim_store_config config;
    struct od_store_port port;
    struct sim_contact *contacts;
    uint32_t contact_count, ended;
    uint32_t place_max, placed; /* calls at once: the cap, how many there are */
    struct lane *lanes;
    struct job *jobs;
    uint32_t jobs_used;
    struct ops gathered, flight;
    struct number numbers[NUMBERS_MAX];
    uint32_t number_count;
    bool up, flying, lapsed; /* lapsed: another worker has what we held, we don't know yet */
    bool paused, late;       /* our process stands still; late: a reply has come meanwhile */
    uint64_t epoch;          /* of the connection */
    uint64_t sent_ns;        /* of the exchange under way */
    uint64_t began_ns;
    bool beat; /* an exchange is due with or without orders */
    uint64_t hash;
};

/* ---- the server ---- */

static void lane_push(struct sim_store *store, uint32_t number, bool front)
{
    struct sim_contact *contact = &store->contacts[number];
    struct lane *lane = &store->lanes[contact->lane];
    uint32_t size = store->config.contacts_max;

    contact->phase = SIM_WAITING;
    contact->listed = true;
    lane->waiting++;
    if (front)
        lane->head = (lane->head + size - 1) % size;
    lane->list[front ? lane->head : (lane->head + lane->count) % size] = number;
    OD_ASSERT(++lane->count <= size);
}

static void unplace(struct sim_store *store, struct sim_contact *contact)
{
    store->placed -= contact->placed;
    contact->placed = false;
}

static void end(struct sim_store *store, struct sim_contact *contact,
                const struct od_outcome *outcome)
{
    unplace(store, contact);
    contact->phase = SIM_ENDED;
    contact->outcome = *outcome;
    contact->ends++;
    store->ended++;
    store->hash = (store->hash ^ ((uint64_t)(contact - store->contacts) << 8 | outcome->cause)) *
                  UINT64_C(0x100000001b3);
    if (contact->ends != 1)
        sim_wrong(store->clock, "contact %u ended %u times", (unsigned)(contact - store->contacts),
                  contact->ends);
}

static void end_with(struct sim_store *store, struct sim_contact *contact, enum od_cause cause)
{
    end(store, contact, &(struct od_outcome){.cause = cause});
}

/* The oldest waiting contact of a lane, expired ones being ended on the way; UINT32_MAX: none. */
static uint32_t lane_pop(struct sim_store *store, struct lane *lane)
{
    while (lane->count) {
        uint32_t number = lane->list[lane->head];
        struct sim_contact *contact = &store->contacts[number];
        lane->head = (lane->head + 1) % store->config.contacts_max;
        lane->count--;
        contact->listed = false;
        if (contact->phase != SIM_WAITING)
            continue; /* ended by the user meanwhile */
        lane->waiting--;
        if (!contact->deadline_ms || contact->deadline_ms > sim_wall_ms(store->clock))
            return number;
        end_with(store, contact, OD_CAUSE_DEADLINE);
    }
    return UINT32_MAX;
}

static void apply_claim(struct sim_store *store, struct op *op)
{
    op->claimed = calloc(op->count, sizeof *op->claimed);
    OD_ASSERT(op->claimed);
    while (op->got < op->count) {
        uint32_t number = lane_pop(store, &store->lanes[op->lane]);
        if (number == UINT32_MAX)
            break;
        store->contacts[number].phase = SIM_HELD;
        store->contacts[number].fence++;
        store->contacts[number].lapsed = false;
        op->claimed[op->got++] = number;
    }
}

static void put_back(void *ctx, uint64_t number, uint64_t fence)
{
    struct sim_store *store = ctx;
    struct sim_contact *contact = &store->contacts[number];

    if ((contact->phase != SIM_TAKEN && contact->phase != SIM_LATER) || contact->fence != fence)
        return;
    lane_push(store, (uint32_t)number, true);
    if (store->up)
        store->config.post(
            store->config.ctx,
            &(struct od_event){.kind = OD_EV_LANE_READY,
                               .u.lane = {contact->lane, store->lanes[contact->lane].waiting}});
}

static void wait_for(struct sim_store *store, struct sim_contact *contact, int64_t due_ms)
{
    int64_t wait_ms = due_ms - sim_wall_ms(store->clock);

    unplace(store, contact);
    contact->fence++;
    contact->intent = false;
    contact->due_ms = due_ms;
    if (contact->stop) {
        end_with(store, contact, OD_CAUSE_CANCELED);
    } else if (wait_ms > 0) {
        contact->phase = SIM_LATER;
        sim_after(store->clock, (uint64_t)wait_ms * OD_NS_PER_MS, put_back, store,
                  (uint64_t)(contact - store->contacts), contact->fence);
    } else {
        lane_push(store, (uint32_t)(contact - store->contacts), true);
    }
}

static struct number *number_of(struct sim_store *store, const char *to, bool make)
{
    for (uint32_t i = 0; i < store->number_count; i++)
        if (strcmp(store->numbers[i].to, to) == 0)
            return &store->numbers[i];
    if (!make)
        return NULL;
    OD_ASSERT(store->number_count < NUMBERS_MAX);
    od_str_copy(store->numbers[store->number_count].to, OD_ENDPOINT_MAX, to, strlen(to));
    return &store->numbers[store->number_count++];
}

/* The earliest time at which all caps let the number be dialled; 0: now. */
static int64_t capped_until(const struct sim_store *store, const struct number *number)
{
    int64_t until_ms = 0, now_ms = sim_wall_ms(store->clock);

    for (int i = 0; i < OD_CAPS_MAX && store->config.caps[i].attempts; i++) {
        const struct od_cap *cap = &store->config.caps[i];
        int64_t free_ms = 0;
        if (number->count >= cap->attempts)
            free_ms = number->log[number->count - cap->attempts] + cap->window_ms;
        if (free_ms > now_ms && free_ms > until_ms)
            until_ms = free_ms;
    }
    return until_ms;
}

static void unlog(struct sim_store *store, struct sim_contact *contact)
{
    struct number *number = number_of(store, contact->to, false);

    for (uint32_t i = 0; number && i < number->count; i++) {
        if (number->log[i] != contact->intent_ms)
            continue;
        memmove(number->log + i, number->log + i + 1,
                (number->count - i - 1) * sizeof *number->log);
        number->count--;
        return;
    }
}

static void apply_release(struct sim_store *store, struct sim_contact *contact, const struct op *op)
{
    if (contact->intent)
        unlog(store, contact);
    wait_for(store, contact, op->not_before_ms);
}

/* The rules that are asked at the moment of dialling, and then the intent. */
static bool apply_intent(struct sim_store *store, struct sim_contact *contact, uint16_t attempt)
{
    bool capped = store->config.caps[0].attempts;
    struct number *number = number_of(store, contact->to, capped);
    int64_t until_ms = number ? capped_until(store, number) : 0;

    if (contact->stop || (contact->intent && attempt <= contact->attempts))
        return contact->intent && !contact->stop;
    if (contact->intent) { /* its trunk was at fault: no attempt of its own on the person */
        contact->attempts = attempt;
        return true;
    }
    if (number && number->suppressed) {
        end(store, contact,
            &(struct od_outcome){.cause = OD_CAUSE_REFUSED, .verdict = OD_VERDICT_USER});
        return false;
    }
    if (until_ms) {
        wait_for(store, contact, until_ms);
        return false;
    }
    if (store->place_max && store->placed >= store->place_max) {
        wait_for(store, contact, sim_wall_ms(store->clock) + PLACE_MS);
        return false;
    }
    store->placed++;
    contact->placed = true;
    contact->intent = true;
    contact->attempts = attempt;
    contact->intent_ms = sim_wall_ms(store->clock);
    if (capped) {
        if (number->count == LOG_MAX)
            memmove(number->log, number->log + 1, --number->count * sizeof *number->log);
        number->log[number->count++] = contact->intent_ms;
    }
    return true;
}

static void apply_finish(struct sim_store *store, struct sim_contact *contact,
                         const struct od_outcome *outcome)
{
    if (outcome->verdict == OD_VERDICT_TRUNK)
        unlog(store, contact);
    else if (contact->intent)
        contact->tries++;
    if (!outcome->retry_ms || contact->stopped) {
        end(store, contact, outcome);
        return;
    }
    contact->last_cause = (uint8_t)outcome->cause;
    contact->last_ms = outcome->ended_ms;
    wait_for(store, contact, outcome->retry_ms);
}

static void apply(struct sim_store *store, struct op *op)
{
    const struct job *job = &store->jobs[op->job];
    struct sim_contact *contact = &store->contacts[job->contact];
    bool ours;

    if (op->applied && op->kind == OP_CLAIM)
        return;
    op->applied = true;
    if (op->kind == OP_CLAIM) {
        apply_claim(store, op);
        return;
    }
    ours = contact->phase == SIM_HELD && contact->fence == job->fence;
    op->accepted = ours;
    if (!ours)
        return;
    switch (op->kind) {
    case OP_INTENT:
        op->accepted = apply_intent(store, contact, op->attempt);
        break;
    case OP_PROGRESS:
        memcpy(contact->progress, op->progress, sizeof contact->progress);
        break;
    case OP_RELEASE:
        apply_release(store, contact, op);
        break;
    case OP_FINISH:
        apply_finish(store, contact, &op->outcome);
        break;
    case OP_CLAIM:
        break;
    }
}

/* A batch: releases last to first, so that what was claimed in order is in order again at the front
 * of its lane, and claims after them. */
static void apply_all(struct sim_store *store, struct ops *ops)
{
    for (uint32_t i = 0; i < ops->count; i++)
        if (ops->at[i].kind != OP_RELEASE && ops->at[i].kind != OP_CLAIM)
            apply(store, &ops->at[i]);
    for (uint32_t i = ops->count; i--;)
        if (ops->at[i].kind == OP_RELEASE)
            apply(store, &ops->at[i]);
    for (uint32_t i = 0; i < ops->count; i++)
        if (ops->at[i].kind == OP_CLAIM)
            apply(store, &ops->at[i]);
}

/* ---- the adapter ---- */

static void post(struct sim_store *store, const struct od_event *event)
{
    store->config.post(store->config.ctx, event);
}

static void hand_over(struct sim_store *store, uint32_t number)
{
    const struct sim_contact *contact = &store->contacts[number];
    struct od_event event = {.kind = OD_EV_JOB};
    uint32_t index = 0;
    struct job *job;

    while (index < store->jobs_used && store->jobs[index].state != JOB_FREE)
        index++;
    OD_ASSERT(index < 2 * store->config.contacts_max);
    if (index == store->jobs_used)
        store->jobs_used++;
    job = &store->jobs[index];
    *job = (struct job){
        .gen = job->gen + 1,
        .state = JOB_LIVE,
        .contact = number,
        .fence = contact->fence,
        .attempt = (uint16_t)(contact->attempts + 1),
    };
    event.u.job.lane = contact->lane;
    event.u.job.job = (struct od_job_id){index, job->gen};
    event.u.job.uid = contact->uid;
    event.u.job.attempt = job->attempt;
    event.u.job.tries = contact->tries;
    event.u.job.deadline_wall_ms = contact->deadline_ms;
    event.u.job.window = sim_contact_window(contact, sim_wall_ms(store->clock));
    memcpy(event.u.job.to, contact->to, sizeof event.u.job.to);
    post(store, &event);
}

static void flush(struct sim_store *store);

static void add_op(struct ops *ops, const struct op *op)
{
    if (ops->count == ops->size) {
        ops->size = ops->size ? 2 * ops->size : 64;
        ops->at = realloc(ops->at, ops->size * sizeof *ops->at);
        OD_ASSERT(ops->at);
    }
    ops->at[ops->count++] = *op;
}

static void answer_claim(struct sim_store *store, const struct op *op, bool failed)
{
    struct od_event event = {.kind = OD_EV_CLAIM_DONE};

    for (uint32_t i = 0; !failed && i < op->got; i++)
        hand_over(store, op->claimed[i]);
    event.u.claim.lane = op->lane;
    event.u.claim.asked = op->count;
    event.u.claim.got = failed ? 0 : op->got;
    event.u.claim.waiting = failed ? 0 : store->lanes[op->lane].waiting;
    event.u.claim.failed = failed;
    free(op->claimed);
    post(store, &event);
}

static void answer(struct sim_store *store, const struct op *op)
{
    struct job *job = &store->jobs[op->job];
    uint32_t lane;

    switch (op->kind) {
    case OP_CLAIM:
        answer_claim(store, op, false);
        break;
    case OP_INTENT:
        job->durable = op->accepted;
        post(store, &(struct od_event){.kind = op->accepted ? OD_EV_DURABLE : OD_EV_NOT_DURABLE,
                                       .call = op->call});
        break;
    case OP_PROGRESS:
        break;
    case OP_RELEASE:
        lane = store->contacts[job->contact].lane;
        job->state = JOB_FREE;
        post(store, &(struct od_event){.kind = OD_EV_RELEASED, .call = op->call});
        post(store, &(struct od_event){.kind = OD_EV_LANE_READY,
                                       .u.lane = {lane, store->lanes[lane].waiting}});
        break;
    case OP_FINISH:
        lane = store->contacts[job->contact].lane;
        job->state = JOB_FREE;
        if (op->outcome.retry_ms && store->lanes[lane].waiting)
            post(store, &(struct od_event){.kind = OD_EV_LANE_READY,
                                           .u.lane = {lane, store->lanes[lane].waiting}});
        break;
    }
}

static void arrives(void *ctx, uint64_t epoch, uint64_t unused)
{
    struct sim_store *store = ctx;

    (void)unused;
    if (epoch != store->epoch || store->lapsed)
        return;
    apply_all(store, &store->flight);
}

/* How long what we hold is ours, as the adapter reckons: from the moment it asked, less a tenth. */
static void tell_lease(struct sim_store *store, uint64_t until_ns)
{
    if (store->config.lease_ms)
        post(store, &(struct od_event){.kind = OD_EV_LEASE, .u.lease.until_ns = until_ns});
}

/* The exchange says that our lease is lost: under a new name its orders are sent again, and all
 * that has an intent is another's. */
static void come_again(struct sim_store *store)
{
    struct ops undone = store->flight, since = store->gathered;

    tell_lease(store, 1);
    store->lapsed = false;
    store->flight = store->gathered = (struct ops){0};
    store->flying = false;
    for (uint32_t i = 0; i < undone.count; i++) {
        if (undone.at[i].kind == OP_CLAIM)
            answer_claim(store, &undone.at[i], true);
        else
            add_op(&store->gathered, &undone.at[i]);
    }
    for (uint32_t i = 0; i < since.count; i++)
        add_op(&store->gathered, &since.at[i]);
    free(undone.at);
    free(since.at);
    for (uint32_t i = 0; i < store->jobs_used; i++) {
        const struct job *job = &store->jobs[i];
        if (job->state == JOB_LIVE && job->durable &&
            store->contacts[job->contact].fence != job->fence)
            post(store, &(struct od_event){.kind = OD_EV_LOST, .call = job->call});
    }
    flush(store);
}

static void replies(void *ctx, uint64_t epoch, uint64_t unused)
{
    struct sim_store *store = ctx;

    (void)unused;
    if (epoch != store->epoch)
        return;
    store->late = store->paused;
    if (store->paused)
        return;
    if (store->lapsed) {
        come_again(store);
        return;
    }
    tell_lease(store, store->sent_ns + store->config.lease_ms * UINT64_C(900000));
    for (uint32_t i = 0; i < store->flight.count; i++)
        answer(store, &store->flight.at[i]);
    store->flight.count = 0;
    store->flying = false;
    flush(store);
}

static void flush(struct sim_store *store)
{
    uint64_t latency_ns = (uint64_t)store->config.latency_us * 1000;
    struct ops empty = store->flight;

    if (!store->up || store->paused || store->flying || (!store->gathered.count && !store->beat))
        return;
    store->beat = false;
    latency_ns = latency_ns / 2 + od_rng_below(store->rng, latency_ns + 1);
    store->flight = store->gathered;
    store->gathered = empty;
    store->flying = true;
    store->sent_ns = store->clock->now_ns;
    sim_after(store->clock, latency_ns / 2, arrives, store, store->epoch, 0);
    sim_after(store->clock, latency_ns, replies, store, store->epoch, 0);
}

static void flush_soon(void *ctx, uint64_t epoch, uint64_t unused)
{
    (void)epoch;
    (void)unused;
    flush(ctx);
}

static void order(struct sim_store *store, const struct op *op)
{
    add_op(&store->gathered, op);
    if (store->gathered.count == 1)
        sim_after(store->clock, 0, flush_soon, store, 0, 0);
}

static void heartbeat(void *ctx, uint64_t a, uint64_t b)
{
    struct sim_store *store = ctx;

    (void)a;
    (void)b;
    if (store->clock->now_ns - store->began_ns > store->config.lease_for_ns) {
        tell_lease(store, OD_NEVER); /* who waits for something now waits for ever, and shows it */
        store->config.lease_ms = 0;
        return;
    }
    store->beat = true;
    flush(store);
    sim_after(store->clock, store->config.lease_ms * UINT64_C(50000), heartbeat, store, 0, 0);
}

void sim_store_lapse(struct sim_store *store)
{
    for (uint32_t i = 0; i < store->contact_count; i++) {
        if (store->contacts[i].phase == SIM_HELD)
            store->contacts[i].lapsed = true;
        sim_store_take_over(store, i);
    }
    store->lapsed = true;
}

void sim_store_pause(struct sim_store *store)
{
    store->paused = true;
}

static void resume(void *ctx, uint64_t a, uint64_t b)
{
    struct sim_store *store = ctx;

    (void)a;
    (void)b;
    if (!store->paused)
        return;
    store->paused = false;
    if (store->late)
        replies(store, store->epoch, 0);
    else
        flush(store);
}

void sim_store_resume(struct sim_store *store)
{
    sim_after(store->clock, od_rng_below(store->rng, 5 * OD_NS_PER_MS), resume, store, 0, 0);
}

bool sim_store_ours(const struct sim_store *store, struct od_job_id id)
{
    const struct job *job = &store->jobs[id.index];
    const struct sim_contact *contact = &store->contacts[job->contact];

    return contact->phase == SIM_HELD && contact->fence == job->fence;
}

void sim_store_down(struct sim_store *store)
{
    struct ops lost = store->flight;
    bool arrived = od_rng_below(store->rng, 2);

    if (!store->up)
        return;
    store->up = false;
    store->epoch++;
    store->late = false;
    post(store, &(struct od_event){.kind = OD_EV_STORE_DOWN});
    /* What was on its way may have arrived; either way nobody was told. Orders are sent again,
     * before those given since; claims are not. */
    store->flight = store->gathered;
    store->gathered = (struct ops){0};
    if (arrived)
        apply_all(store, &lost);
    for (uint32_t i = 0; i < lost.count; i++) {
        if (lost.at[i].kind == OP_CLAIM)
            answer_claim(store, &lost.at[i], true);
        else
            add_op(&store->gathered, &lost.at[i]);
    }
    for (uint32_t i = 0; i < store->flight.count; i++) {
        if (store->flight.at[i].kind == OP_CLAIM)
            answer_claim(store, &store->flight.at[i], true);
        else
            add_op(&store->gathered, &store->flight.at[i]);
    }
    store->flight.count = 0;
    store->flying = false;
    free(lost.at);
}

static bool job_holds(const struct sim_store *store, uint32_t number)
{
    for (uint32_t i = 0; i < store->jobs_used; i++)
        if (store->jobs[i].state != JOB_FREE && store->jobs[i].contact == number &&
            store->jobs[i].fence == store->contacts[number].fence)
            return true;
    return false;
}

/* Contacts that are ours on the server and of which we know nothing: a claim's lost reply. */
static void reconcile(struct sim_store *store)
{
    for (uint32_t i = 0; i < store->contact_count; i++) {
        if (store->contacts[i].phase != SIM_HELD || job_holds(store, i))
            continue;
        if (od_rng_below(store->rng, 2))
            hand_over(store, i);
        else if (store->contacts[i].stop)
            end_with(store, &store->contacts[i], OD_CAUSE_CANCELED);
        else
            lane_push(store, i, true);
    }
}

void sim_store_up(struct sim_store *store)
{
    if (store->up)
        return;
    store->up = true;
    reconcile(store);
    post(store, &(struct od_event){.kind = OD_EV_STORE_UP});
    for (uint32_t i = 0; i < store->config.lanes_max; i++)
        if (store->lanes[i].waiting)
            post(store, &(struct od_event){.kind = OD_EV_LANE_READY,
                                           .u.lane = {i, store->lanes[i].waiting}});
    flush(store);
}

/* ---- the port ---- */

/* The job an order names; NULL, and a violation, when the engine has no right to it. */
static struct job *job_of(struct sim_store *store, struct od_job_id id, const char *what)
{
    struct job *job = id.index < store->jobs_used ? &store->jobs[id.index] : NULL;

    if (job && job->gen == id.gen && job->state == JOB_LIVE)
        return job;
    sim_wrong(store->clock, "%s for a job that is not the engine's (any more)", what);
    return NULL;
}

static void port_claim(void *ctx, uint32_t lane, uint32_t count)
{
    struct sim_store *store = ctx;
    struct op op = {.kind = OP_CLAIM, .lane = lane, .count = count};

    if (!count || lane >= store->config.lanes_max)
        sim_wrong(store->clock, "claim of %u in lane %u", count, lane);
    else if (store->up)
        order(store, &op);
    else
        answer_claim(store, &op, true);
}

static void port_intent(void *ctx, struct od_call_id call, struct od_job_id id,
                        const struct od_sip_names *names, uint32_t trunk, uint16_t attempt)
{
    struct sim_store *store = ctx;
    struct job *job = job_of(store, id, "intent");

    (void)names;
    (void)trunk;
    if (!job)
        return;
    if (job->asked ? attempt != job->attempt + 1 || !job->durable : attempt != job->attempt)
        sim_wrong(store->clock, "an intent for attempt %u after %u", attempt, job->attempt);
    job->asked = true;
    job->call = call;
    job->durable = false;
    job->attempt = attempt;
    order(store,
          &(struct op){.kind = OP_INTENT, .job = id.index, .call = call, .attempt = attempt});
}

/* The second leg's intent. It waits for a store that is away. */
static void leg_stored(void *ctx, uint64_t name, uint64_t call)
{
    struct sim_store *store = ctx;
    struct od_job_id id = {(uint32_t)(name >> 32), (uint32_t)name};
    struct od_event event = {.kind = OD_EV_NOT_DURABLE,
                             .call = {(uint32_t)(call >> 32), (uint32_t)call}};
    struct job *job = id.index < store->jobs_used ? &store->jobs[id.index] : NULL;

    if (!store->up) {
        sim_after(store->clock, 50 * OD_NS_PER_MS, leg_stored, store, name, call);
        return;
    }
    if (job && job->gen == id.gen && job->state == JOB_LIVE && sim_store_ours(store, id)) {
        job->leg_durable = true;
        event.kind = OD_EV_DURABLE;
    }
    post(store, &event);
}

static void port_leg(void *ctx, struct od_call_id call, const struct od_invite *invite, bool sent)
{
    struct sim_store *store = ctx;
    struct od_job_id id = invite->job;
    struct job *job = id.index < store->jobs_used ? &store->jobs[id.index] : NULL;

    if (sent)
        return;
    if (job && job->gen == id.gen)
        job->leg_durable = false;
    sim_after(store->clock, (1 + od_rng_below(store->rng, 30)) * OD_NS_PER_MS, leg_stored, store,
              (uint64_t)id.index << 32 | id.gen, (uint64_t)call.index << 32 | call.gen);
}

bool sim_store_leg_durable(const struct sim_store *store, struct od_job_id id)
{
    return id.index < store->jobs_used && store->jobs[id.index].gen == id.gen &&
           store->jobs[id.index].leg_durable;
}

static void port_progress(void *ctx, struct od_job_id id, const char *state, int64_t wall_ms)
{
    struct sim_store *store = ctx;
    struct op op = {.kind = OP_PROGRESS, .job = id.index};

    (void)wall_ms;
    if (!job_of(store, id, "progress"))
        return;
    od_str_copy(op.progress, sizeof op.progress, state, strlen(state));
    order(store, &op);
}

static void port_release(void *ctx, struct od_call_id call, struct od_job_id id,
                         int64_t not_before_ms, const char *why)
{
    struct sim_store *store = ctx;
    struct job *job = job_of(store, id, "release");

    if (!job)
        return;
    if (!why || !*why)
        sim_wrong(store->clock, "a release that doesn't say why");
    job->state = JOB_GIVEN_BACK;
    order(store,
          &(struct op){
              .kind = OP_RELEASE, .job = id.index, .call = call, .not_before_ms = not_before_ms});
}

static void port_finish(void *ctx, struct od_job_id id, const struct od_outcome *outcome)
{
    struct sim_store *store = ctx;
    struct job *job = job_of(store, id, "finish");

    if (!job)
        return;
    if (outcome->cause == OD_CAUSE_NONE || outcome->cause >= OD_CAUSE_COUNT ||
        outcome->verdict == OD_VERDICT_NONE)
        sim_wrong(store->clock, "finished with cause %d, verdict %d", (int)outcome->cause,
                  (int)outcome->verdict);
    job->state = JOB_GIVEN_BACK;
    order(store, &(struct op){.kind = OP_FINISH, .job = id.index, .outcome = *outcome});
}

/* ---- for the test ---- */

struct sim_store *sim_store_create(struct sim_clock *clock, struct od_rng *rng,
                                   const struct sim_store_config *config)
{
    struct sim_store *store = calloc(1, sizeof *store);

    OD_ASSERT(store);
    store->clock = clock;
    store->rng = rng;
    store->config = *config;
    store->began_ns = clock->now_ns;
    store->port = (struct od_store_port){.ctx = store,
                                         .claim = port_claim,
                                         .intent = port_intent,
                                         .progress = port_progress,
                                         .leg = port_leg,
                                         .release = port_release,
                                         .finish = port_finish};
    store->contacts = calloc(config->contacts_max, sizeof *store->contacts);
    store->lanes = calloc(config->lanes_max, sizeof *store->lanes);
    store->jobs = calloc(2 * (size_t)config->contacts_max, sizeof *store->jobs);
    OD_ASSERT(store->contacts && store->lanes && store->jobs);
    if (config->lease_ms)
        heartbeat(store, 0, 0);
    for (uint32_t i = 0; i < config->lanes_max; i++) {
        store->lanes[i].list = calloc(config->contacts_max, sizeof *store->lanes[i].list);
        OD_ASSERT(store->lanes[i].list);
    }
    return store;
}

void sim_store_destroy(struct sim_store *store)
{
    for (uint32_t i = 0; i < store->config.lanes_max; i++)
        free(store->lanes[i].list);
    for (uint32_t i = 0; i < store->flight.count; i++)
        free(store->flight.at[i].claimed);
    free(store->flight.at);
    free(store->gathered.at);
    free(store->jobs);
    free(store->lanes);
    free(store->contacts);
    free(store);
}

const struct od_store_port *sim_store_port(struct sim_store *store)
{
    return &store->port;
}

uint32_t sim_store_add(struct sim_store *store, uint32_t lane, const char *to, int64_t deadline_ms,
                       uint64_t salt)
{
    uint32_t number = store->contact_count++;
    struct sim_contact *contact = &store->contacts[number];

    OD_ASSERT(number < store->config.contacts_max && lane < store->config.lanes_max);
    contact->lane = lane;
    contact->deadline_ms = deadline_ms;
    memcpy(contact->uid.b, &salt, sizeof salt);
    memcpy(contact->uid.b + 8, &number, sizeof number);
    od_str_copy(contact->to, sizeof contact->to, to, strlen(to));
    lane_push(store, number, false);
    if (store->up)
        post(store, &(struct od_event){.kind = OD_EV_LANE_READY,
                                       .u.lane = {lane, store->lanes[lane].waiting}});
    return number;
}

struct od_window sim_contact_window(const struct sim_contact *contact, int64_t wall_ms)
{
    int64_t begun_ms, from_ms;

    if (!contact->period_ms)
        return (struct od_window){0};
    begun_ms = wall_ms - wall_ms % contact->period_ms;
    from_ms = wall_ms - begun_ms < contact->open_ms ? begun_ms : begun_ms + contact->period_ms;
    return (struct od_window){from_ms, from_ms + contact->open_ms, from_ms + contact->period_ms};
}

void sim_store_cap_calls(struct sim_store *store, uint32_t most)
{
    store->place_max = most;
}

void sim_store_redial(struct sim_store *store, uint32_t most, uint32_t after_ms)
{
    store->config.redial_most = most;
    store->config.redial_ms = after_ms;
}

void sim_store_suppress(struct sim_store *store, const char *to, bool on)
{
    number_of(store, to, true)->suppressed = on;
}

struct sim_contact *sim_store_edit(struct sim_store *store, uint32_t number)
{
    return &store->contacts[number];
}

bool sim_store_stop(struct sim_store *store, uint32_t number)
{
    struct sim_contact *contact = &store->contacts[number];

    contact->stopped = true;
    switch ((enum sim_phase)contact->phase) {
    case SIM_WAITING:
        store->lanes[contact->lane].waiting--;
        end_with(store, contact, OD_CAUSE_CANCELED);
        break;
    case SIM_LATER:
        end_with(store, contact, OD_CAUSE_CANCELED);
        break;
    case SIM_HELD:
        contact->stop = true;
        if (!contact->intent)
            end_with(store, contact, OD_CAUSE_CANCELED);
        return true;
    case SIM_TAKEN:
    case SIM_ENDED:
        break;
    }
    return false;
}

static void other_worker_done(void *ctx, uint64_t number, uint64_t fence)
{
    struct sim_store *store = ctx;
    struct sim_contact *contact = &store->contacts[number];

    if (contact->phase == SIM_TAKEN && contact->fence == fence)
        end_with(store, contact, OD_CAUSE_COMPLETED);
}

void sim_store_take_over(struct sim_store *store, uint32_t number)
{
    struct sim_contact *contact = &store->contacts[number];
    uint64_t in_ns = 100 * OD_NS_PER_MS + od_rng_below(store->rng, 5 * OD_NS_PER_S);

    if (contact->phase != SIM_HELD)
        return;
    contact->fence++;
    if (contact->intent &&
        contact->lapsed && /* a holder that lives hears of it by its lease alone */
        contact->tries + 1u < store->config.redial_most && !contact->stopped) {
        contact->tries++;
        contact->last_cause = OD_CAUSE_UNKNOWN;
        contact->last_ms = sim_wall_ms(store->clock);
        wait_for(store, contact, contact->last_ms + store->config.redial_ms);
    } else if (contact->intent) {
        end_with(store, contact, OD_CAUSE_UNKNOWN); /* it may have been dialled: never again */
    } else {
        contact->phase = SIM_TAKEN;
        contact->stop = false;
        sim_after(store->clock, in_ns, od_rng_below(store->rng, 2) ? put_back : other_worker_done,
                  store, number, contact->fence);
    }
}

const struct sim_contact *sim_store_contact(const struct sim_store *store, uint32_t number)
{
    return &store->contacts[number];
}

uint32_t sim_store_contacts(const struct sim_store *store)
{
    return store->contact_count;
}

uint32_t sim_store_ended(const struct sim_store *store)
{
    return store->ended;
}

uint32_t sim_store_job(const struct sim_store *store, struct od_job_id id, bool *durable,
                       uint16_t *attempt)
{
    const struct job *job = id.index < store->jobs_used ? &store->jobs[id.index] : NULL;

    if (!job || job->gen != id.gen || job->state != JOB_LIVE)
        return UINT32_MAX;
    *durable = job->durable;
    *attempt = job->attempt;
    return job->contact;
}

uint32_t sim_store_waiting(const struct sim_store *store, uint32_t lane)
{
    return store->lanes[lane].waiting;
}

uint32_t sim_store_busy(const struct sim_store *store)
{
    uint32_t busy = store->gathered.count + store->flight.count + !store->up;

    for (uint32_t i = 0; i < store->jobs_used; i++)
        busy += store->jobs[i].state != JOB_FREE;
    return busy;
}

void sim_store_check_end(struct sim_store *store, bool all_ended)
{
    if (sim_store_busy(store))
        sim_wrong(store->clock, "%u jobs and orders left over", sim_store_busy(store));
    for (uint32_t i = 0; i < store->contact_count; i++) {
        const struct sim_contact *contact = &store->contacts[i];
        if (contact->phase == SIM_HELD)
            sim_wrong(store->clock, "contact %u is held, by nobody", i);
        if (all_ended && contact->ends != 1)
            sim_wrong(store->clock, "contact %u has %u ends", i, contact->ends);
    }
}

uint64_t sim_store_hash(const struct sim_store *store)
{
    return store->hash;
}
