/*
 * sim_store - the adapter's half, see sim_store_inner.h: jobs, batches, a connection that can break
 * between the two.
 */
#include "tests/sim/sim_store.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/str.h"
#include "tests/sim/sim_store_inner.h"

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
    sim_server_apply(store, &store->flight);
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
        sim_server_apply(store, &lost);
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
            sim_server_end(store, &store->contacts[i], OD_CAUSE_CANCELED);
        else
            sim_server_push(store, i, true);
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
    sim_server_push(store, number, false);
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
    sim_server_number(store, to, true)->suppressed = on;
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
        sim_server_end(store, contact, OD_CAUSE_CANCELED);
        break;
    case SIM_LATER:
        sim_server_end(store, contact, OD_CAUSE_CANCELED);
        break;
    case SIM_HELD:
        contact->stop = true;
        if (!contact->intent)
            sim_server_end(store, contact, OD_CAUSE_CANCELED);
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
        sim_server_end(store, contact, OD_CAUSE_COMPLETED);
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
        sim_server_wait(store, contact, contact->last_ms + store->config.redial_ms);
    } else if (contact->intent) {
        sim_server_end(store, contact,
                       OD_CAUSE_UNKNOWN); /* it may have been dialled: never again */
    } else {
        contact->phase = SIM_TAKEN;
        contact->stop = false;
        sim_after(store->clock, in_ns,
                  od_rng_below(store->rng, 2) ? sim_server_put_back : other_worker_done, store,
                  number, contact->fence);
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
