/*
 * sim_server - the server's half of the simulated store: sim_server_apply(), one order at a time,
 * each checked against the fence its claim was given, so that sending an order twice changes
 * nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/str.h"
#include "tests/sim/sim_store_inner.h"

enum { PLACE_MS = 1000 };

void sim_server_push(struct sim_store *store, uint32_t number, bool front)
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

void sim_server_end(struct sim_store *store, struct sim_contact *contact, enum od_cause cause)
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
        sim_server_end(store, contact, OD_CAUSE_DEADLINE);
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

void sim_server_put_back(void *ctx, uint64_t number, uint64_t fence)
{
    struct sim_store *store = ctx;
    struct sim_contact *contact = &store->contacts[number];

    if ((contact->phase != SIM_TAKEN && contact->phase != SIM_LATER) || contact->fence != fence)
        return;
    sim_server_push(store, (uint32_t)number, true);
    if (store->up)
        store->config.post(
            store->config.ctx,
            &(struct od_event){.kind = OD_EV_LANE_READY,
                               .u.lane = {contact->lane, store->lanes[contact->lane].waiting}});
}

void sim_server_wait(struct sim_store *store, struct sim_contact *contact, int64_t due_ms)
{
    int64_t wait_ms = due_ms - sim_wall_ms(store->clock);

    unplace(store, contact);
    contact->fence++;
    contact->intent = false;
    contact->due_ms = due_ms;
    if (contact->stop) {
        sim_server_end(store, contact, OD_CAUSE_CANCELED);
    } else if (wait_ms > 0) {
        contact->phase = SIM_LATER;
        sim_after(store->clock, (uint64_t)wait_ms * OD_NS_PER_MS, sim_server_put_back, store,
                  (uint64_t)(contact - store->contacts), contact->fence);
    } else {
        sim_server_push(store, (uint32_t)(contact - store->contacts), true);
    }
}

struct number *sim_server_number(struct sim_store *store, const char *to, bool make)
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
    struct number *number = sim_server_number(store, contact->to, false);

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
    sim_server_wait(store, contact, op->not_before_ms);
}

/* The rules that are asked at the moment of dialling, and then the intent. */
static bool apply_intent(struct sim_store *store, struct sim_contact *contact, uint16_t attempt)
{
    bool capped = store->config.caps[0].attempts;
    struct number *number = sim_server_number(store, contact->to, capped);
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
        sim_server_wait(store, contact, until_ms);
        return false;
    }
    if (store->place_max && store->placed >= store->place_max) {
        sim_server_wait(store, contact, sim_wall_ms(store->clock) + PLACE_MS);
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
    sim_server_wait(store, contact, outcome->retry_ms);
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
void sim_server_apply(struct sim_store *store, struct ops *ops)
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
