/*
 * store_contract - what every store port owes the engine. Each test opens a world of its own, so
 * one failure says nothing about the next.
 */
#include "tests/contract/store_contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/uid.h"
#include "outdial/err.h"

static const struct od_contract_worlds *worlds;

static int setup(void **state)
{
    *state = worlds->open(NULL);
    return *state == NULL ? -1 : 0;
}

/* Two attempts on one number in any 600 ms. */
static int setup_capped(void **state)
{
    *state = worlds->open((struct od_cap[]){{2, 600}, {0, 0}});
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    worlds->close(*state);
    return 0;
}

static const struct od_sip_names names = {
    .call_id = "00112233445566778899aabbccddeeff",
    .from_tag = "0011223344556677",
    .branch = "z9hG4bK0011223344556677",
};

/* The next event of the kind; news of lanes and of the store itself may come in between. */
static struct od_event expect(struct od_contract *c, enum od_event_kind kind)
{
    struct od_event event;
    while (true) {
        assert_true(c->next(c->ctx, &event));
        if (event.kind == kind)
            return event;
        if (event.kind != OD_EV_LANE_READY && event.kind != OD_EV_STORE_UP &&
            event.kind != OD_EV_LEASE)
            fail_msg("event %d came instead of %d", event.kind, kind);
    }
}

/* The lane's number, once the store has said that work waits there. */
static uint32_t ready(struct od_contract *c)
{
    struct od_event event;
    do
        event = expect(c, OD_EV_LANE_READY);
    while (event.u.lane.waiting == 0);
    return event.u.lane.lane;
}

/* Claims and returns the jobs; their events come before the claim's answer. */
static struct od_event claim(struct od_contract *c, uint32_t lane, uint32_t count,
                             struct od_event *jobs)
{
    struct od_event event;
    uint32_t got = 0;
    c->port->claim(c->port->ctx, lane, count);
    while (true) {
        assert_true(c->next(c->ctx, &event));
        if (event.kind == OD_EV_JOB) {
            assert_true(got < count);
            assert_int_equal(event.u.job.lane, lane);
            jobs[got++] = event;
        } else if (event.kind == OD_EV_CLAIM_DONE) {
            assert_int_equal(event.u.claim.lane, lane);
            assert_int_equal(event.u.claim.asked, count);
            assert_false(event.u.claim.failed);
            assert_int_equal(event.u.claim.got, got);
            return event;
        } else {
            assert_true(event.kind == OD_EV_LANE_READY || event.kind == OD_EV_STORE_UP ||
                        event.kind == OD_EV_LEASE);
        }
    }
}

static struct od_event claim_one(struct od_contract *c, unsigned which, struct od_uid *uid)
{
    struct od_event job;
    c->add(c->ctx, which, uid, 1, 0);
    assert_int_equal(claim(c, ready(c), 1, &job).u.claim.got, 1);
    assert_true(od_uid_equal(&job.u.job.uid, uid));
    return job;
}

static void intent(struct od_contract *c, struct od_call_id call, const struct od_event *job,
                   enum od_event_kind answer)
{
    c->port->intent(c->port->ctx, call, job->u.job.job, &names, 0, job->u.job.attempt);
    struct od_event event = expect(c, answer);
    assert_int_equal(event.call.index, call.index);
    assert_int_equal(event.call.gen, call.gen);
}

static void finish(struct od_contract *c, const struct od_event *job, enum od_cause cause)
{
    struct od_outcome outcome = {.cause = cause,
                                 .verdict = OD_VERDICT_CALLEE,
                                 .sip_status = 486,
                                 .trunk = OD_NO_TRUNK,
                                 .ended_ms = c->wall_ms(c->ctx)};
    c->port->finish(c->port->ctx, job->u.job.job, &outcome);
}

static struct od_contract_seen look(struct od_contract *c, const struct od_uid *uid)
{
    struct od_contract_seen seen;
    c->look(c->ctx, uid, &seen);
    assert_true(seen.found);
    return seen;
}

/* Finishing has no answer of its own: with each claim that is answered the store has gone on. */
static void settle(struct od_contract *c, uint32_t lane)
{
    struct od_event none[1];
    claim(c, lane, 1, none);
}

/* What is seen of the call once it has ended. */
static struct od_contract_seen ended(struct od_contract *c, uint32_t lane, const struct od_uid *uid)
{
    struct od_contract_seen seen = look(c, uid);
    for (int i = 0; i < 100 && seen.phase != OD_PHASE_ENDED; i++) {
        settle(c, lane);
        seen = look(c, uid);
    }
    assert_int_equal(seen.phase, OD_PHASE_ENDED);
    return seen;
}

static void claims_come_in_order(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uids[5];
    struct od_event jobs[5];
    c->add(c->ctx, 0, uids, 5, 0);
    uint32_t lane = ready(c);
    struct od_event done = claim(c, lane, 3, jobs);
    assert_int_equal(done.u.claim.got, 3);
    assert_int_equal(done.u.claim.waiting, 2);
    done = claim(c, lane, 5, jobs + 3);
    assert_int_equal(done.u.claim.got, 2);
    assert_int_equal(done.u.claim.waiting, 0);
    for (int i = 0; i < 5; i++) {
        assert_true(od_uid_equal(&jobs[i].u.job.uid, &uids[i]));
        assert_int_equal(jobs[i].u.job.attempt, 1);
    }
}

static void lanes_are_apart(void **state)
{
    struct od_contract *c = *state;
    struct od_uid first, second;
    struct od_event job;
    c->add(c->ctx, 0, &first, 1, 0);
    uint32_t lane = ready(c);
    c->add(c->ctx, 1, &second, 1, 0);
    uint32_t other = ready(c);
    assert_int_not_equal(lane, other);
    assert_int_equal(claim(c, other, 2, &job).u.claim.got, 1);
    assert_true(od_uid_equal(&job.u.job.uid, &second));
    assert_int_equal(claim(c, lane, 2, &job).u.claim.got, 1);
    assert_true(od_uid_equal(&job.u.job.uid, &first));
}

static void empty_lane_says_so_and_wakes(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_event job;
    c->add(c->ctx, 0, &uid, 1, 0);
    uint32_t lane = ready(c);
    claim(c, lane, 1, &job);
    struct od_event done = claim(c, lane, 4, &job);
    assert_int_equal(done.u.claim.got, 0);
    assert_int_equal(done.u.claim.waiting, 0);
    c->add(c->ctx, 0, &uid, 1, 0);
    assert_int_equal(ready(c), lane);
}

static void intent_is_written_once(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_event job = claim_one(c, 0, &uid);
    assert_int_equal(look(c, &uid).attempts, 0);
    intent(c, (struct od_call_id){7, 3}, &job, OD_EV_DURABLE);
    assert_int_equal(look(c, &uid).attempts, 1);
    assert_int_equal(look(c, &uid).phase, OD_PHASE_DIALING);
    assert_int_equal(look(c, &uid).ends, 0);
}

static void finish_ends_once(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_event job = claim_one(c, 0, &uid);
    intent(c, (struct od_call_id){1, 1}, &job, OD_EV_DURABLE);
    finish(c, &job, OD_CAUSE_BUSY);
    ended(c, job.u.job.lane, &uid);
    finish(c, &job, OD_CAUSE_COMPLETED); /* the job is gone: without effect */
    settle(c, job.u.job.lane);
    struct od_contract_seen seen = look(c, &uid);
    assert_int_equal(seen.phase, OD_PHASE_ENDED);
    assert_int_equal(seen.cause, OD_CAUSE_BUSY);
    assert_int_equal(seen.attempts, 1);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(c->cancel(c->ctx, &uid), OD_ECONFLICT);
}

static void finish_without_intent_is_no_attempt(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_event job = claim_one(c, 0, &uid);
    finish(c, &job, OD_CAUSE_REFUSED);
    struct od_contract_seen seen = ended(c, job.u.job.lane, &uid);
    assert_int_equal(seen.cause, OD_CAUSE_REFUSED);
    assert_int_equal(seen.attempts, 0);
    assert_int_equal(seen.ends, 1);
}

static void release_goes_to_the_front(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uids[4];
    struct od_event jobs[4];
    c->add(c->ctx, 0, uids, 4, 0);
    uint32_t lane = ready(c);
    claim(c, lane, 2, jobs);
    for (uint32_t i = 0; i < 2; i++)
        c->port->release(c->port->ctx, (struct od_call_id){i, 1}, jobs[i].u.job.job, 0, "paused");
    expect(c, OD_EV_RELEASED);
    expect(c, OD_EV_RELEASED);
    assert_int_equal(look(c, &uids[0]).ends, 0);
    claim(c, lane, 4, jobs);
    for (int i = 0; i < 4; i++) {
        assert_true(od_uid_equal(&jobs[i].u.job.uid, &uids[i]));
        assert_int_equal(jobs[i].u.job.attempt, 1);
    }
}

static void release_waits_until_due(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_event job = claim_one(c, 0, &uid);
    uint32_t lane = job.u.job.lane;
    int64_t due_ms = c->wall_ms(c->ctx) + 400;
    c->port->release(c->port->ctx, (struct od_call_id){1, 1}, job.u.job.job, due_ms, "hours");
    expect(c, OD_EV_RELEASED);
    if (c->wall_ms(c->ctx) < due_ms - 100) {
        assert_int_equal(claim(c, lane, 1, &job).u.claim.got, 0);
        assert_int_equal(look(c, &uid).phase, OD_PHASE_WAITING);
    }
    assert_int_equal(ready(c), lane);
    assert_true(c->wall_ms(c->ctx) >= due_ms);
    assert_int_equal(claim(c, lane, 1, &job).u.claim.got, 1);
    assert_true(od_uid_equal(&job.u.job.uid, &uid));
}

static void canceled_while_waiting_is_never_claimed(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uids[3];
    struct od_event jobs[3];
    c->add(c->ctx, 0, uids, 3, 0);
    uint32_t lane = ready(c);
    assert_int_equal(c->cancel(c->ctx, &uids[1]), 0);
    assert_int_equal(claim(c, lane, 3, jobs).u.claim.got, 2);
    assert_true(od_uid_equal(&jobs[0].u.job.uid, &uids[0]));
    assert_true(od_uid_equal(&jobs[1].u.job.uid, &uids[2]));
    struct od_contract_seen seen = look(c, &uids[1]);
    assert_int_equal(seen.cause, OD_CAUSE_CANCELED);
    assert_int_equal(seen.ends, 1);
}

static void canceled_while_claimed_is_not_durable(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_event job = claim_one(c, 0, &uid);
    assert_int_equal(c->cancel(c->ctx, &uid), 0);
    intent(c, (struct od_call_id){5, 9}, &job, OD_EV_NOT_DURABLE);
    finish(c, &job, OD_CAUSE_UNKNOWN);
    settle(c, job.u.job.lane);
    struct od_contract_seen seen = look(c, &uid);
    assert_int_equal(seen.cause, OD_CAUSE_CANCELED);
    assert_int_equal(seen.attempts, 0);
    assert_int_equal(seen.ends, 1);
}

static void canceled_while_claimed_is_not_given_back(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_event job = claim_one(c, 0, &uid);
    assert_int_equal(c->cancel(c->ctx, &uid), 0);
    c->port->release(c->port->ctx, (struct od_call_id){1, 1}, job.u.job.job, 0, "");
    expect(c, OD_EV_RELEASED);
    assert_int_equal(claim(c, job.u.job.lane, 1, &job).u.claim.got, 0);
    assert_int_equal(look(c, &uid).ends, 1);
}

/* Ends an attempt that is to be tried again. */
static void try_again(struct od_contract *c, const struct od_event *job, enum od_verdict verdict,
                      int64_t retry_ms, uint8_t most)
{
    struct od_outcome outcome = {.cause = OD_CAUSE_BUSY,
                                 .verdict = verdict,
                                 .sip_status = 486,
                                 .trunk = OD_NO_TRUNK,
                                 .ended_ms = c->wall_ms(c->ctx),
                                 .retry_ms = retry_ms,
                                 .retry_max = most};
    c->port->finish(c->port->ctx, job->u.job.job, &outcome);
}

static void a_retry_waits_and_comes_again(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_event job = claim_one(c, 0, &uid);
    uint32_t lane = job.u.job.lane;
    int64_t due_ms = c->wall_ms(c->ctx) + 400;
    assert_int_equal(job.u.job.tries, 0);
    intent(c, (struct od_call_id){1, 1}, &job, OD_EV_DURABLE);
    try_again(c, &job, OD_VERDICT_CALLEE, due_ms, 3);
    settle(c, lane);
    struct od_contract_seen seen = look(c, &uid);
    assert_int_equal(seen.ends, 0);
    assert_int_equal(seen.tries, 1);
    if (c->wall_ms(c->ctx) < due_ms - 100)
        assert_int_equal(seen.phase, OD_PHASE_WAITING);
    assert_int_equal(ready(c), lane);
    assert_true(c->wall_ms(c->ctx) >= due_ms);
    assert_int_equal(claim(c, lane, 1, &job).u.claim.got, 1);
    assert_int_equal(job.u.job.attempt, 2);
    assert_int_equal(job.u.job.tries, 1);
    intent(c, (struct od_call_id){2, 1}, &job, OD_EV_DURABLE);
    finish(c, &job, OD_CAUSE_COMPLETED);
    seen = ended(c, lane, &uid);
    assert_int_equal(seen.cause, OD_CAUSE_COMPLETED);
    assert_int_equal(seen.attempts, 2);
    assert_int_equal(seen.tries, 2);
    assert_int_equal(seen.ends, 1);
}

static void what_a_trunk_refused_is_no_attempt_on_the_person(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_event job = claim_one(c, 0, &uid);
    intent(c, (struct od_call_id){1, 1}, &job, OD_EV_DURABLE);
    try_again(c, &job, OD_VERDICT_TRUNK, c->wall_ms(c->ctx), 3);
    ready(c);
    assert_int_equal(claim(c, job.u.job.lane, 1, &job).u.claim.got, 1);
    assert_int_equal(job.u.job.attempt, 2);
    assert_int_equal(job.u.job.tries, 0);
}

/* The user's wish is older than the attempt's end: there is no other attempt. */
static void canceled_while_dialled_is_not_tried_again(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_event job = claim_one(c, 0, &uid);
    intent(c, (struct od_call_id){1, 1}, &job, OD_EV_DURABLE);
    assert_int_equal(c->cancel(c->ctx, &uid), 0);
    try_again(c, &job, OD_VERDICT_CALLEE, c->wall_ms(c->ctx) + 100, 3);
    struct od_contract_seen seen = ended(c, job.u.job.lane, &uid);
    assert_int_equal(seen.cause, OD_CAUSE_BUSY);
    assert_int_equal(seen.ends, 1);
}

static void canceled_while_it_waits_for_a_retry(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_event job = claim_one(c, 0, &uid);
    intent(c, (struct od_call_id){1, 1}, &job, OD_EV_DURABLE);
    try_again(c, &job, OD_VERDICT_CALLEE, c->wall_ms(c->ctx) + 60000, 3);
    settle(c, job.u.job.lane);
    assert_int_equal(c->cancel(c->ctx, &uid), 0);
    struct od_contract_seen seen = look(c, &uid);
    assert_int_equal(seen.cause, OD_CAUSE_CANCELED);
    assert_int_equal(seen.ends, 1);
}

/* Asked at the moment of dialling, not before: it was queued while it could be dialled. */
static void a_suppressed_number_is_not_dialled(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_event job = claim_one(c, 0, &uid);
    c->suppress(c->ctx, true);
    intent(c, (struct od_call_id){1, 1}, &job, OD_EV_NOT_DURABLE);
    struct od_contract_seen seen = look(c, &uid);
    assert_int_equal(seen.phase, OD_PHASE_ENDED);
    assert_int_equal(seen.cause, OD_CAUSE_REFUSED);
    assert_int_equal(seen.attempts, 0);
    assert_int_equal(seen.ends, 1);
    c->suppress(c->ctx, false);
    finish(c, &job, OD_CAUSE_CANCELED); /* without effect */
    job = claim_one(c, 0, &uid);
    intent(c, (struct od_call_id){2, 1}, &job, OD_EV_DURABLE);
}

static void a_capped_number_waits(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uids[4];
    struct od_event jobs[4], job;
    c->add(c->ctx, 0, uids, 2, 0);
    uint32_t lane = ready(c), other = lane;
    c->add(c->ctx, 1, uids + 2, 1, 0);
    while (other == lane)
        other = ready(c);
    claim(c, lane, 2, jobs);
    claim(c, other, 1, jobs + 2);
    int64_t first_ms = c->wall_ms(c->ctx);
    intent(c, (struct od_call_id){1, 1}, &jobs[0], OD_EV_DURABLE);
    intent(c, (struct od_call_id){2, 1}, &jobs[2], OD_EV_DURABLE); /* of another campaign */
    intent(c, (struct od_call_id){3, 1}, &jobs[1], OD_EV_NOT_DURABLE);
    struct od_contract_seen seen = look(c, &uids[1]);
    assert_int_equal(seen.ends, 0);
    assert_int_equal(seen.attempts, 0);
    finish(c, &jobs[0], OD_CAUSE_BUSY);
    finish(c, &jobs[2], OD_CAUSE_BUSY);
    c->port->release(c->port->ctx, (struct od_call_id){3, 1}, jobs[1].u.job.job, 0, "not_ours");
    expect(c, OD_EV_RELEASED);
    assert_int_equal(ready(c), lane);
    assert_true(c->wall_ms(c->ctx) >= first_ms + 600);
    assert_int_equal(claim(c, lane, 1, &job).u.claim.got, 1);
    assert_true(od_uid_equal(&job.u.job.uid, &uids[1]));
    intent(c, (struct od_call_id){4, 1}, &job, OD_EV_DURABLE);
}

/* A call has its place from its intent on, gives it back whatever way it ends or goes back, and one
 * that finds none waits and comes again. */
static void no_more_at_once_than_capped(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uids[6];
    struct od_event jobs[6], job;
    struct od_call_id call = {1, 1};
    c->cap_calls(c->ctx, 2);
    c->add(c->ctx, 0, uids, 6, 0);
    uint32_t lane = ready(c);
    claim(c, lane, 6, jobs);
    intent(c, call, &jobs[0], OD_EV_DURABLE);
    for (unsigned i = 1; i < 6; i++) {
        bool free_place = i < 3; /* one more at first, then one that is given back each time */
        intent(c, (struct od_call_id){1 + i, 1}, &jobs[i],
               free_place ? OD_EV_DURABLE : OD_EV_NOT_DURABLE);
        if (i == 1)
            finish(c, &jobs[0], OD_CAUSE_BUSY);
    }
    assert_int_equal(look(c, &uids[3]).attempts, 0);
    assert_int_equal(look(c, &uids[3]).ends, 0);
    for (unsigned i = 3; i < 6; i++) {
        c->port->release(c->port->ctx, (struct od_call_id){1 + i, 1}, jobs[i].u.job.job, 0,
                         "not_ours");
        expect(c, OD_EV_RELEASED);
    }
    c->port->release(c->port->ctx, (struct od_call_id){2, 1}, jobs[1].u.job.job,
                     c->wall_ms(c->ctx) + 3600000, "later");
    expect(c, OD_EV_RELEASED);
    while (ready(c) != lane)
        ;
    assert_int_equal(claim(c, lane, 1, &job).u.claim.got, 1);
    intent(c, (struct od_call_id){9, 1}, &job, OD_EV_DURABLE);
}

/* Neither what a trunk refused nor an intent that was given back counts against the cap. */
static void what_rang_nowhere_does_not_count(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uids[4];
    struct od_event jobs[4];
    c->add(c->ctx, 0, uids, 4, 0);
    uint32_t lane = ready(c);
    claim(c, lane, 4, jobs);
    intent(c, (struct od_call_id){1, 1}, &jobs[0], OD_EV_DURABLE);
    c->port->release(c->port->ctx, (struct od_call_id){1, 1}, jobs[0].u.job.job,
                     c->wall_ms(c->ctx) + 60000, "rate");
    expect(c, OD_EV_RELEASED);
    intent(c, (struct od_call_id){2, 1}, &jobs[1], OD_EV_DURABLE);
    try_again(c, &jobs[1], OD_VERDICT_TRUNK, 0, 0);
    ended(c, lane, &uids[1]);
    intent(c, (struct od_call_id){3, 1}, &jobs[2], OD_EV_DURABLE);
    intent(c, (struct od_call_id){4, 1}, &jobs[3], OD_EV_DURABLE);
}

/* Whoever stood still hears that its dialled call is lost before anything else of it is answered,
 * and what it had only claimed is refused. Nobody's call ends twice or is lost. */
static void a_lapsed_lease_gives_everything_up(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uids[2];
    struct od_event jobs[2];
    c->add(c->ctx, 0, uids, 2, 0);
    uint32_t lane = ready(c);
    assert_int_equal(claim(c, lane, 2, jobs).u.claim.got, 2);
    intent(c, (struct od_call_id){3, 1}, &jobs[0], OD_EV_DURABLE);
    c->lapse(c->ctx);
    c->port->intent(c->port->ctx, (struct od_call_id){4, 1}, jobs[1].u.job.job, &names, 0,
                    jobs[1].u.job.attempt);
    bool barred = false, lost[5] = {false};
    while (!lost[3] || !lost[4]) {
        struct od_event event;
        assert_true(c->next(c->ctx, &event));
        assert_int_not_equal(event.kind, OD_EV_DURABLE);
        if (event.kind == OD_EV_LEASE)
            barred |= event.u.lease.until_ns <= 1;
        if (event.kind != OD_EV_LOST && event.kind != OD_EV_NOT_DURABLE)
            continue;
        assert_true(barred); /* nothing leaves while the engine works through what it has lost */
        assert_true((event.call.index == 4) == (event.kind == OD_EV_NOT_DURABLE));
        lost[event.call.index] = true;
    }
    finish(c, &jobs[0], OD_CAUSE_COMPLETED);
    c->port->release(c->port->ctx, (struct od_call_id){4, 1}, jobs[1].u.job.job, 0, "not_ours");
    expect(c, OD_EV_RELEASED);
    struct od_contract_seen seen = look(c, &uids[0]);
    assert_int_equal(seen.cause, OD_CAUSE_UNKNOWN);
    assert_int_equal(seen.ends, 1);
    seen = look(c, &uids[1]);
    assert_int_equal(seen.attempts, 0);
    assert_true(seen.ends == 0 || seen.cause == OD_CAUSE_COMPLETED); /* the other one's word */
}

/* Where its campaign wants it: within the cap, as another attempt, and with one end. */
static void what_nobody_knows_is_tried_again_where_wanted(void **state)
{
    struct od_contract *c = *state;
    struct od_uid uid;
    struct od_contract_seen seen;
    c->redial(c->ctx, 2);
    c->add(c->ctx, 0, &uid, 1, 0);
    for (uint16_t attempt = 1; attempt <= 2; attempt++) {
        struct od_event job;
        uint32_t lane = ready(c);
        assert_int_equal(claim(c, lane, 1, &job).u.claim.got, 1);
        assert_int_equal(job.u.job.attempt, attempt);
        assert_int_equal(job.u.job.tries, attempt - 1);
        intent(c, (struct od_call_id){attempt, 1}, &job, OD_EV_DURABLE);
        c->lapse(c->ctx);
        expect(c, OD_EV_LOST);
        seen = look(c, &uid);
        assert_int_equal(seen.attempts, attempt);
        assert_int_equal(seen.ends, attempt - 1);
        finish(c, &job, OD_CAUSE_COMPLETED); /* too late */
    }
    assert_int_equal(seen.phase, OD_PHASE_ENDED);
    assert_int_equal(seen.cause, OD_CAUSE_UNKNOWN);
}

static void many_at_once(void **state)
{
    enum { MANY = 300 };
    struct od_contract *c = *state;
    static struct od_uid uids[MANY];
    static struct od_event jobs[MANY];
    c->add(c->ctx, 0, uids, MANY, 0);
    uint32_t lane = ready(c), got = 0;
    while (got < MANY) {
        struct od_event done = claim(c, lane, MANY - got, jobs + got);
        assert_true(done.u.claim.got > 0);
        got += done.u.claim.got;
    }
    for (uint32_t i = 0; i < MANY; i++)
        c->port->intent(c->port->ctx, (struct od_call_id){i, 1}, jobs[i].u.job.job, &names, 0,
                        jobs[i].u.job.attempt);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(expect(c, OD_EV_DURABLE).call.gen, 1);
    for (uint32_t i = 0; i < MANY; i++) {
        c->port->progress(c->port->ctx, jobs[i].u.job.job, "ringing", c->wall_ms(c->ctx));
        c->port->progress(c->port->ctx, jobs[i].u.job.job, "talking", c->wall_ms(c->ctx));
        finish(c, &jobs[i], OD_CAUSE_COMPLETED);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        struct od_contract_seen seen = ended(c, lane, &uids[i]);
        assert_int_equal(seen.cause, OD_CAUSE_COMPLETED);
        assert_int_equal(seen.attempts, 1);
        assert_int_equal(seen.ends, 1);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define CAPPED(f) cmocka_unit_test_setup_teardown(f, setup_capped, teardown)

int od_contract_run(const struct od_contract_worlds *of)
{
    const struct CMUnitTest tests[] = {
        TEST(claims_come_in_order),
        TEST(lanes_are_apart),
        TEST(empty_lane_says_so_and_wakes),
        TEST(intent_is_written_once),
        TEST(finish_ends_once),
        TEST(finish_without_intent_is_no_attempt),
        TEST(release_goes_to_the_front),
        TEST(release_waits_until_due),
        TEST(canceled_while_waiting_is_never_claimed),
        TEST(canceled_while_claimed_is_not_durable),
        TEST(canceled_while_claimed_is_not_given_back),
        TEST(a_retry_waits_and_comes_again),
        TEST(what_a_trunk_refused_is_no_attempt_on_the_person),
        TEST(canceled_while_dialled_is_not_tried_again),
        TEST(canceled_while_it_waits_for_a_retry),
        TEST(a_suppressed_number_is_not_dialled),
        CAPPED(a_capped_number_waits),
        TEST(no_more_at_once_than_capped),
        CAPPED(what_rang_nowhere_does_not_count),
        TEST(a_lapsed_lease_gives_everything_up),
        TEST(what_nobody_knows_is_tried_again_where_wanted),
        TEST(many_at_once),
    };
    worlds = of;
    return cmocka_run_group_tests_name("store contract", tests, NULL, NULL);
}
