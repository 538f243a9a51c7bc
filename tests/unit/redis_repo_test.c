/*
 * redis_repo_test - the repo port over a real Redis: what is put is found again as it was, pages
 * and filters, who may follow whom, and that nothing of another org is ever found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/contract/redis_world.h"

static const char org[] = "acme";

static int setup(void **state)
{
    *state = world_open("worker-1");
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    world_close(*state);
    return 0;
}

static struct od_uid an_agent(struct world *w)
{
    struct od_uid id = world_uid(w);
    char name[OD_UID_TEXT];
    od_uid_text(&id, name);
    assert_int_equal(world_agent_put(w, org, &id, name, "{\"v\":1}"), 0);
    return id;
}

static struct od_uid a_campaign(struct world *w, enum od_campaign_state state)
{
    struct od_uid agent = an_agent(w), id = world_uid(w);
    assert_int_equal(world_campaign(w, org, &id, &agent, state, "https://c.example/h"), 0);
    return id;
}

/* count contacts with numbers of their own, rows from `row` on. */
static void add_contacts(struct world *w, const struct od_uid *campaign, uint32_t row, size_t count,
                         struct od_uid *uids)
{
    static struct od_call_new calls[1000];
    static char to[1000][24];
    struct od_uid unused = {{1}};
    for (size_t i = 0; i < count; i++) {
        snprintf(to[i], sizeof to[i], "+1555%07u", row + (uint32_t)i);
        calls[i] = (struct od_call_new){.id = world_uid(w), .to = to[i], .row = row + i};
        if (uids != NULL)
            uids[i] = calls[i].id;
    }
    assert_int_equal(world_add(w, org, &unused, campaign, calls, count), 0);
    assert_int_equal(w->added, count);
}

static int agent_find(struct world *w, const char *in, const char *name)
{
    w->repo->agent_find(w->repo->ctx, in, name, world_on_agents, w);
    return world_answer(w);
}

static int agent_get(struct world *w, const char *in, const struct od_uid *id)
{
    w->repo->agent_get(w->repo->ctx, in, id, world_on_agents, w);
    return world_answer(w);
}

static int agent_delete(struct world *w, const struct od_uid *id)
{
    w->repo->agent_delete(w->repo->ctx, org, id, world_on_done, w);
    return world_answer(w);
}

static int agent_list(struct world *w, uint32_t skip, uint32_t take)
{
    w->repo->agent_list(w->repo->ctx, org, skip, take, world_on_agents, w);
    return world_answer(w);
}

static void agents_are_kept_as_they_were_sent(void **state)
{
    struct world *w = *state;
    static const char doc[] = "{ \"b\":1.0,\t\"a\":\"\xc3\xbc\\u0000\" }";
    struct od_uid one = world_uid(w), none = {{0}};
    assert_int_equal(world_agent_put(w, org, &one, "reminders", doc), 0);
    assert_int_equal(agent_get(w, org, &one), 0);
    assert_int_equal(w->count, 1);
    assert_true(od_uid_equal(&w->agents[0].id, &one));
    assert_string_equal(w->agents[0].name, "reminders");
    assert_int_equal(w->agents[0].doc.bytes, sizeof doc - 1);
    assert_memory_equal(w->agents[0].doc.at, doc, sizeof doc - 1);
    int64_t created = w->agents[0].created_ms;
    assert_true(created > 1500000000000);

    assert_int_equal(agent_find(w, org, "reminders"), 0);
    assert_true(od_uid_equal(&w->agents[0].id, &one));
    assert_int_equal(agent_find(w, org, "nobody"), OD_ENOENT);
    assert_int_equal(world_agent_put(w, org, &none, "reminders", "{}"), OD_EEXIST);
    assert_int_equal(world_agent_put(w, org, &none, "second", "{}"), 0);
    assert_int_equal(world_agent_put(w, org, &one, "second", "{}"), OD_EEXIST);

    assert_int_equal(world_agent_put(w, org, &one, "renamed", "{\"n\":2}"), 0);
    assert_int_equal(agent_find(w, org, "reminders"), OD_ENOENT);
    assert_int_equal(agent_find(w, org, "renamed"), 0);
    assert_true(w->agents[0].created_ms == created);
    assert_true(w->agents[0].updated_ms >= created);

    assert_int_equal(agent_list(w, 0, 10), 0);
    assert_int_equal(w->count, 2);
    assert_string_equal(w->agents[0].name, "renamed");
    assert_string_equal(w->agents[1].name, "second");
    assert_int_equal(agent_list(w, 1, 10), 0);
    assert_int_equal(w->count, 1);
    assert_int_equal(agent_list(w, 2, 10), 0);
    assert_int_equal(w->count, 0);

    assert_int_equal(agent_delete(w, &one), 0);
    assert_int_equal(agent_delete(w, &one), OD_ENOENT);
    assert_int_equal(agent_get(w, org, &one), OD_ENOENT);
    assert_int_equal(world_agent_put(w, org, &none, "renamed", "{}"), 0);
}

static void names_may_have_twins(void **state)
{
    struct world *w = *state;
    struct od_uid one = world_uid(w), two = world_uid(w);
    struct od_agent_rec twin = {.id = two, .name = "same", .doc = {"{}", 2}, .twin = true};
    assert_int_equal(world_agent_put(w, org, &one, "same", "{}"), 0);
    assert_int_equal(world_agent_put(w, org, &two, "same", "{}"), OD_EEXIST);
    w->repo->agent_put(w->repo->ctx, org, &twin, world_on_done, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(agent_find(w, org, "same"), 0);
    assert_true(od_uid_equal(&w->agents[0].id, &one)); /* the first keeps the name */
    assert_int_equal(world_agent_put(w, org, &two, "same", "{\"v\":2}"), 0);
    assert_int_equal(agent_delete(w, &two), 0);
    assert_int_equal(agent_find(w, org, "same"), 0); /* its end takes the name from nobody */
    assert_true(od_uid_equal(&w->agents[0].id, &one));
}

static int thing_put(struct world *w, const char *in, const struct od_uid *id, const char *key,
                     const char *doc, bool create)
{
    struct od_thing_rec rec = {.id = *id, .key = {key, strlen(key)}, .doc = {doc, strlen(doc)}};
    w->repo->thing_put(w->repo->ctx, in, OD_THING_NUMBER, &rec, create, world_on_done, w);
    return world_answer(w);
}

static size_t thing_get(struct world *w, const char *in, enum od_thing_kind kind,
                        const struct od_uid *ids, size_t count)
{
    w->repo->thing_get(w->repo->ctx, in, kind, ids, count, world_on_things, w);
    assert_int_equal(world_answer(w), 0);
    return w->count;
}

static size_t thing_find(struct world *w, const char *key)
{
    w->repo->thing_find(w->repo->ctx, org, OD_THING_NUMBER, (struct od_text){key, strlen(key)},
                        world_on_things, w);
    assert_int_equal(world_answer(w), 0);
    return w->count;
}

static int thing_delete(struct world *w, const struct od_uid *id)
{
    w->repo->thing_delete(w->repo->ctx, org, OD_THING_NUMBER, id, world_on_done, w);
    return world_answer(w);
}

static bool things_were_told(struct world *w)
{
    return w->thing_tells >= 2 && w->thing_deletes >= 1;
}

static void things_are_kept_by_kind_and_key(void **state)
{
    struct world *w = *state;
    struct od_uid ids[3] = {world_uid(w), world_uid(w), world_uid(w)};
    assert_int_equal(thing_put(w, org, &ids[0], "+1555|a", "{\"n\":1}", true), 0);
    assert_int_equal(thing_put(w, org, &ids[0], "+1555|a", "{\"n\":1}", true), 0); /* again */
    assert_int_equal(thing_put(w, org, &ids[0], "+1555|a", "{\"n\":2}", true), OD_EEXIST);
    assert_int_equal(thing_put(w, org, &ids[1], "+1555|a", "{}", true), OD_EEXIST);
    assert_int_equal(thing_put(w, org, &ids[1], "+1555|b", "{}", true), 0);
    assert_int_equal(thing_put(w, org, &ids[2], "", "{}", true), 0); /* no key: not unique */
    assert_int_equal(thing_get(w, org, OD_THING_NUMBER, ids, 3), 3);
    assert_true(od_uid_equal(&w->things[1].id, &ids[1]));
    assert_memory_equal(w->things[0].doc.at, "{\"n\":1}", 7);
    assert_true(w->things[0].created_ms > 1500000000000);
    assert_int_equal(thing_get(w, org, OD_THING_CREDENTIALS, ids, 3), 0);
    assert_int_equal(thing_get(w, "other", OD_THING_NUMBER, ids, 3), 0);
    assert_int_equal(thing_find(w, "+1555|b"), 1);

    assert_int_equal(thing_put(w, org, &ids[1], "+1555|c", "{\"moved\":true}", false), 0);
    assert_int_equal(thing_find(w, "+1555|b"), 0);
    assert_int_equal(thing_find(w, "+1555|c"), 1);
    w->repo->thing_list(w->repo->ctx, org, OD_THING_NUMBER, 1, 1, world_on_things, w);
    assert_int_equal(world_answer(w), 0);
    assert_true(w->count == 1 && od_uid_equal(&w->things[0].id, &ids[1]));

    assert_int_equal(thing_delete(w, &ids[0]), 0);
    assert_int_equal(thing_delete(w, &ids[0]), OD_ENOENT);
    assert_int_equal(thing_find(w, "+1555|a"), 0);
    assert_int_equal(thing_get(w, org, OD_THING_NUMBER, ids, 3), 2);
    assert_true(world_until(w, things_were_told, WORLD_LIMIT_MS));
}

static bool agent_was_told(struct world *w)
{
    return w->agent_tells >= 2 && w->agent_deletes >= 1;
}

static void agents_are_told_to_the_worker(void **state)
{
    struct world *w = *state;
    struct od_uid id = an_agent(w);
    assert_int_equal(agent_delete(w, &id), 0);
    an_agent(w);
    assert_true(world_until(w, agent_was_told, WORLD_LIMIT_MS));
}

static void other_orgs_see_nothing(void **state)
{
    struct world *w = *state;
    struct od_uid campaign = a_campaign(w, OD_CAMPAIGN_DRAFT), uid;
    add_contacts(w, &campaign, 1, 1, &uid);
    struct od_uid agent = an_agent(w);
    char name[OD_UID_TEXT];
    od_uid_text(&agent, name);
    assert_int_equal(agent_find(w, org, name), 0);
    assert_int_equal(agent_find(w, "other", name), OD_ENOENT);
    assert_int_equal(agent_get(w, "other", &agent), OD_ENOENT);
    assert_int_equal(world_campaign_get(w, "other", &campaign), OD_ENOENT);
    assert_int_equal(world_call_get(w, "other", &uid), OD_ENOENT);
    assert_int_equal(world_stop(w, "other", &uid, true), OD_ENOENT);
    assert_int_equal(world_events(w, "other", "", 10), 0);
    assert_int_equal(w->count, 0);
    static const char *const bad[] = {"", "a}b", "a b", "{acme}", "acme:"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(world_call_get(w, bad[i], &uid), OD_ENOENT);
        assert_int_equal(world_agent_put(w, bad[i], &uid, "x", "{}"), OD_ENOENT);
        assert_int_equal(world_events(w, bad[i], "", 10), OD_ENOENT);
    }
}

static void campaigns_are_kept(void **state)
{
    struct world *w = *state;
    struct od_uid first = a_campaign(w, OD_CAMPAIGN_DRAFT), missing = world_uid(w);
    assert_int_equal(world_campaign_get(w, org, &first), 0);
    const struct od_campaign_rec *c = &w->campaigns[0];
    assert_true(od_uid_equal(&c->id, &first));
    assert_string_equal(c->name, "spring");
    assert_int_equal(c->state, OD_CAMPAIGN_DRAFT);
    assert_int_equal(c->priority, 5);
    assert_int_equal(c->cps_milli, 2500);
    assert_int_equal(c->max_calls, 9);
    assert_int_equal(c->webhook_url.bytes, strlen("https://c.example/h"));
    assert_true(c->created_ms > 0);
    assert_true(c->started_ms == 0);
    struct od_uid agent = c->agent;
    /* the same again is done already, and changes nothing */
    assert_int_equal(world_campaign(w, org, &first, &agent, OD_CAMPAIGN_RUNNING, ""), 0);
    assert_int_equal(world_campaign_get(w, org, &first), 0);
    assert_int_equal(w->campaigns[0].state, OD_CAMPAIGN_DRAFT);
    assert_int_equal(world_campaign(w, org, &missing, &missing, OD_CAMPAIGN_DRAFT, ""), OD_ENOENT);
    assert_int_equal(world_campaign_get(w, org, &missing), OD_ENOENT);

    struct od_uid second = a_campaign(w, OD_CAMPAIGN_RUNNING);
    w->repo->campaign_list(w->repo->ctx, org, 0, 10, world_on_campaigns, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(w->count, 2);
    assert_true(od_uid_equal(&w->campaigns[0].id, &second)); /* newest first */
    assert_true(w->campaigns[0].started_ms > 0);
    w->repo->campaign_list(w->repo->ctx, org, 1, 10, world_on_campaigns, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(w->count, 1);
    assert_true(od_uid_equal(&w->campaigns[0].id, &first));
    w->repo->campaign_list(w->repo->ctx, org, 2, 10, world_on_campaigns, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(w->count, 0);

    w->repo->campaign_limits(w->repo->ctx, org, &first, 7000, UINT32_MAX, "o/ops", world_on_done,
                             w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(world_campaign_get(w, org, &first), 0);
    assert_int_equal(w->campaigns[0].cps_milli, 7000);
    assert_int_equal(w->campaigns[0].max_calls, 9);
    w->repo->campaign_limits(w->repo->ctx, org, &missing, 1, 1, "o/ops", world_on_done, w);
    assert_int_equal(world_answer(w), OD_ENOENT);
}

static void campaign_states_follow_their_order(void **state)
{
    struct world *w = *state;
    static const struct {
        enum od_campaign_state from, to;
        int err;
    } steps[] = {
        {OD_CAMPAIGN_DRAFT, OD_CAMPAIGN_DRAFT, 0},
        {OD_CAMPAIGN_DRAFT, OD_CAMPAIGN_PAUSED, OD_ECONFLICT},
        {OD_CAMPAIGN_DRAFT, OD_CAMPAIGN_DRAINING, OD_ECONFLICT},
        {OD_CAMPAIGN_DRAFT, OD_CAMPAIGN_RUNNING, 0},
        {OD_CAMPAIGN_RUNNING, OD_CAMPAIGN_DRAFT, OD_ECONFLICT},
        {OD_CAMPAIGN_RUNNING, OD_CAMPAIGN_PAUSED, 0},
        {OD_CAMPAIGN_PAUSED, OD_CAMPAIGN_RUNNING, 0},
        {OD_CAMPAIGN_RUNNING, OD_CAMPAIGN_DRAINING, 0},
        {OD_CAMPAIGN_DRAINING, OD_CAMPAIGN_DRAINING, 0},
        {OD_CAMPAIGN_DRAINING, OD_CAMPAIGN_PAUSED, 0},
        {OD_CAMPAIGN_PAUSED, OD_CAMPAIGN_DRAINING, 0},
        {OD_CAMPAIGN_DRAINING, OD_CAMPAIGN_RUNNING, 0},
        {OD_CAMPAIGN_RUNNING, OD_CAMPAIGN_CANCELED, 0},
        {OD_CAMPAIGN_CANCELED, OD_CAMPAIGN_RUNNING, OD_ECONFLICT},
        {OD_CAMPAIGN_CANCELED, OD_CAMPAIGN_CANCELED, OD_ECONFLICT},
    };
    struct od_uid campaign = a_campaign(w, OD_CAMPAIGN_DRAFT);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        assert_int_equal(world_campaign_get(w, org, &campaign), 0);
        assert_int_equal(w->campaigns[0].state, steps[i].from);
        assert_int_equal(world_set_state(w, org, &campaign, steps[i].to), steps[i].err);
    }
    struct od_uid missing = world_uid(w);
    assert_int_equal(world_set_state(w, org, &missing, OD_CAMPAIGN_RUNNING), OD_ENOENT);
}

/* ---- who changed what ---- */

static int agent_order(struct world *w, const struct od_uid *id, enum od_agent_order order)
{
    w->repo->agent_order(w->repo->ctx, org, id, order, "acme/ops", world_on_done, w);
    return world_answer(w);
}

static int audit(struct world *w, struct od_audit_query query)
{
    query.target = query.target ? query.target : "";
    query.who = query.who ? query.who : "";
    w->repo->audit_list(w->repo->ctx, org, &query, world_on_audits, w);
    return world_answer(w);
}

static void expect_audit(const struct od_audit_rec *rec, enum od_audit_kind kind, const char *name,
                         const char *who, const char *changes)
{
    assert_int_equal(rec->kind, kind);
    assert_string_equal(rec->name.at, name);
    assert_string_equal(rec->who.at, who);
    assert_string_equal(rec->changes.at, changes);
}

static void an_agents_order_is_told_and_kept(void **state)
{
    struct world *w = *state;
    struct od_uid agent = world_uid(w), missing = world_uid(w);
    assert_int_equal(world_agent_put(w, org, &agent, "reminders", "{}"), 0);
    assert_int_equal(agent_get(w, org, &agent), 0);
    assert_int_equal(w->agents[0].order, OD_AGENT_ACTIVE);
    uint32_t tells = w->agent_tells;
    assert_int_equal(agent_order(w, &agent, OD_AGENT_PAUSED), 0);
    assert_int_equal(agent_order(w, &agent, OD_AGENT_PAUSED), 0);
    assert_int_equal(agent_get(w, org, &agent), 0);
    assert_int_equal(w->agents[0].order, OD_AGENT_PAUSED);
    world_run_for(w, 400);
    assert_true(w->agent_tells > tells);
    assert_int_equal(w->order_seen, OD_AGENT_PAUSED);
    /* Another document doesn't set it to work again. */
    assert_int_equal(world_agent_put(w, org, &agent, "reminders", "{\"v\":2}"), 0);
    assert_int_equal(agent_list(w, 0, 10), 0);
    assert_int_equal(w->agents[0].order, OD_AGENT_PAUSED);
    assert_int_equal(agent_order(w, &agent, OD_AGENT_DRAINING), 0);
    assert_int_equal(agent_order(w, &agent, OD_AGENT_ACTIVE), 0);
    assert_int_equal(agent_order(w, &missing, OD_AGENT_PAUSED), OD_ENOENT);
    assert_int_equal(audit(w, (struct od_audit_query){.kind = OD_AUDIT_AGENT, .take = 10}), 0);
    assert_int_equal(w->count, 3);
    expect_audit(&w->audits[0], OD_AUDIT_AGENT, "reminders", "acme/ops",
                 "state\tdraining\tactive\n");
    expect_audit(&w->audits[2], OD_AUDIT_AGENT, "reminders", "acme/ops", "state\tactive\tpaused\n");
    assert_true(od_uid_equal(&w->audits[0].uid, &agent));
}

static void changes_are_written_down(void **state)
{
    struct world *w = *state;
    struct od_uid campaign = a_campaign(w, OD_CAMPAIGN_DRAFT);
    char id[OD_UID_TEXT];
    od_uid_text(&campaign, id);
    w->repo->campaign_limits(w->repo->ctx, org, &campaign, 40000, 1000000, "acme/ops",
                             world_on_done, w);
    assert_int_equal(world_answer(w), 0);
    w->repo->campaign_limits(w->repo->ctx, org, &campaign, 40000, UINT32_MAX, "acme/ops",
                             world_on_done, w); /* changes nothing */
    assert_int_equal(world_answer(w), 0);
    w->repo->campaign_limits(w->repo->ctx, org, &campaign, 0, UINT32_MAX, "acme/night",
                             world_on_done, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_PAUSED), OD_ECONFLICT);
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_RUNNING), 0);
    struct od_audit_rec trunk = {.kind = OD_AUDIT_TRUNK,
                                 .name = {"main", 4},
                                 .who = {"acme/ops", 8},
                                 .changes = {"cps\t10\t2\n", 9}};
    w->repo->audit_add(w->repo->ctx, org, &trunk, world_on_done, w);
    assert_int_equal(world_answer(w), 0);

    assert_int_equal(audit(w, (struct od_audit_query){.kind = -1, .take = 10}), 0);
    assert_int_equal(w->count, 4);
    assert_true(w->next_cursor == 0);
    expect_audit(&w->audits[0], OD_AUDIT_TRUNK, "main", "acme/ops", "cps\t10\t2\n");
    expect_audit(&w->audits[1], OD_AUDIT_CAMPAIGN, "spring", "org/tester",
                 "state\tdraft\trunning\n");
    expect_audit(&w->audits[2], OD_AUDIT_CAMPAIGN, "spring", "acme/night", "cps\t40\t\n");
    expect_audit(&w->audits[3], OD_AUDIT_CAMPAIGN, "spring", "acme/ops",
                 "cps\t2.5\t40\nmax_calls\t9\t1000000\n");
    int64_t at_ms = (int64_t)(w->audits[2].id >> 20);
    assert_true(w->audits[3].id < w->audits[2].id);
    assert_true(at_ms > 1500000000000);

    assert_int_equal(audit(w, (struct od_audit_query){.kind = -1, .target = id, .take = 10}), 0);
    assert_int_equal(w->count, 3);
    assert_int_equal(audit(w, (struct od_audit_query){.kind = -1, .target = "spring", .take = 10}),
                     0);
    assert_int_equal(w->count, 3);
    assert_int_equal(audit(w, (struct od_audit_query){.kind = -1, .who = "acme/ops", .take = 10}),
                     0);
    assert_int_equal(w->count, 2);
    assert_int_equal(audit(w, (struct od_audit_query){.kind = -1, .to_ms = at_ms, .take = 10}), 0);
    assert_true(w->count <= 1); /* both may have come in one ms */
    assert_int_equal(audit(w, (struct od_audit_query){.kind = -1, .from_ms = at_ms, .take = 10}),
                     0);
    assert_true(w->count >= 3);
    uint64_t cursor = 0, seen = 0, last = UINT64_MAX;
    do {
        assert_int_equal(audit(w, (struct od_audit_query){.kind = -1, .cursor = cursor, .take = 3}),
                         0);
        for (size_t i = 0; i < w->count; i++, seen++) {
            assert_true(w->audits[i].id < last);
            last = w->audits[i].id;
        }
        cursor = w->next_cursor;
    } while (cursor);
    assert_int_equal(seen, 4);
    w->repo->audit_list(w->repo->ctx, "other",
                        &(struct od_audit_query){.kind = -1, .target = "", .who = "", .take = 9},
                        world_on_audits, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(w->count, 0);
}

static void batches_leave_out_what_is_there(void **state)
{
    struct world *w = *state;
    struct od_uid campaign = a_campaign(w, OD_CAMPAIGN_DRAFT), other = world_uid(w);
    struct od_call_new calls[5] = {{.to = "+1"}, {.to = "+2"}, {.to = "+1"}, {.to = "+3"}};
    for (int i = 0; i < 5; i++)
        calls[i].id = world_uid(w);
    assert_int_equal(world_add(w, org, &other, &campaign, calls, 4), 0);
    assert_int_equal(w->added, 3);
    assert_int_equal(w->twice_count, 1);
    assert_int_equal(w->twice[0], 2);
    calls[0].to = "+3";
    calls[1].to = "+4";
    calls[0].id = world_uid(w);
    calls[1].id = world_uid(w);
    assert_int_equal(world_add(w, org, &other, &campaign, calls, 2), 0);
    assert_int_equal(w->added, 1);
    assert_int_equal(w->twice[0], 0);
    assert_int_equal(world_campaign_get(w, org, &campaign), 0);
    assert_int_equal(w->campaigns[0].total, 4);
    assert_int_equal(w->campaigns[0].waiting, 4);

    assert_int_equal(world_add(w, org, &other, &other, calls, 2), OD_ENOENT);
    assert_int_equal(world_add(w, org, &other, NULL, calls, 2), OD_ENOENT);
    assert_int_equal(world_add(w, org, &other, &campaign, calls, 0), OD_EINVAL);
    assert_int_equal(world_add(w, org, &other, &campaign, calls, 1001), OD_EINVAL);
    calls[1].to = "";
    assert_int_equal(world_add(w, org, &other, &campaign, calls, 2), OD_EINVAL);
    calls[1].to = "+5";
    calls[1].deadline_ms = -1;
    assert_int_equal(world_add(w, org, &other, &campaign, calls, 2), OD_EINVAL);
    calls[1].deadline_ms = 0;
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_CANCELED), 0);
    assert_int_equal(world_add(w, org, &other, &campaign, calls, 2), OD_ECONFLICT);
}

static void single_calls_may_repeat_a_number(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w);
    struct od_call_new calls[2] = {{.to = "+1"}, {.to = "+1"}};
    calls[0].id = world_uid(w);
    calls[1].id = world_uid(w);
    assert_int_equal(world_add(w, org, &agent, NULL, calls, 2), 0);
    assert_int_equal(w->added, 2);
}

static void calls_are_read_back_whole(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w);
    char *context = malloc(65537);
    memset(context, ' ', 65536);
    memcpy(context, "{\"a\":", 5);
    memcpy(context + 65534, "1}", 3);
    struct od_call_new call = {.id = world_uid(w),
                               .to = "sip:bob@example.com;x=\"1\"",
                               .from = "+15559990000",
                               .context = {context, 65536},
                               .webhook_url = {"https://h.example", 17},
                               .not_before_ms = 4000000000000,
                               .deadline_ms = 4000000001000,
                               .row = 77};
    assert_int_equal(world_add(w, org, &agent, NULL, &call, 1), 0);
    assert_int_equal(world_call_get(w, org, &call.id), 0);
    assert_int_equal(w->count, 1);
    const struct od_call_rec *rec = &w->calls[0];
    assert_true(od_uid_equal(&rec->id, &call.id));
    assert_true(od_uid_equal(&rec->agent, &agent));
    assert_true(od_uid_none(&rec->campaign));
    assert_int_equal(rec->phase, OD_PHASE_WAITING);
    assert_int_equal(rec->priority, 1);
    assert_string_equal(rec->to, call.to);
    assert_string_equal(rec->from, call.from);
    assert_int_equal(rec->context.bytes, 65536);
    assert_memory_equal(rec->context.at, context, 65536);
    assert_true(rec->not_before_ms == 4000000000000);
    assert_true(rec->deadline_ms == 4000000001000);
    assert_int_equal(rec->row, 77);
    assert_true(rec->created_ms > 1500000000000);
    assert_int_equal(rec->outcome.cause, OD_CAUSE_NONE);
    assert_int_equal(rec->result.bytes, 0);
    call.context.bytes++;
    assert_int_equal(world_add(w, org, &agent, NULL, &call, 1), OD_ETOOBIG);
    free(context);
    struct od_uid missing = world_uid(w);
    assert_int_equal(world_call_get(w, org, &missing), OD_ENOENT);
}

static void contacts_wait_while_their_campaign_stands(void **state)
{
    struct world *w = *state;
    struct od_uid campaign = a_campaign(w, OD_CAMPAIGN_DRAFT), uid;
    add_contacts(w, &campaign, 1, 1, &uid);
    assert_int_equal(world_call_get(w, org, &uid), 0);
    assert_int_equal(w->calls[0].phase, OD_PHASE_WAITING);
    assert_string_equal(w->calls[0].wait_reason, "paused");
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_RUNNING), 0);
    assert_int_equal(world_call_get(w, org, &uid), 0);
    assert_int_equal(w->calls[0].phase, OD_PHASE_QUEUED);
    assert_string_equal(w->calls[0].wait_reason, "");
    assert_int_equal(w->calls[0].priority, 5);
    assert_true(od_uid_equal(&w->calls[0].campaign, &campaign));
}

/* A list of agents ends early once they are long, and goes on behind them. */
static void lists_of_long_agents_are_short(void **state)
{
    struct world *w = *state;
    enum { AGENTS = 7, BYTES = OD_AGENTS_BYTES_MAX / 2 };
    char *doc = malloc(BYTES + 1), name[16];
    struct od_uid none = {{0}};
    snprintf(doc, BYTES + 1, "{\"a\":%*d}", BYTES - 6, 1);
    for (unsigned i = 0; i < AGENTS; i++) {
        snprintf(name, sizeof name, "long %u", i);
        assert_int_equal(world_agent_put(w, org, &none, name, doc), 0);
    }
    for (uint32_t seen = 0; seen < AGENTS; seen += 2) {
        assert_int_equal(agent_list(w, seen, 10), 0);
        assert_int_equal(w->count, seen + 2 < AGENTS ? 2 : 1);
        for (size_t i = 0; i < w->count; i++) {
            snprintf(name, sizeof name, "long %u", (unsigned)(seen + i));
            assert_string_equal(w->agents[i].name, name);
        }
    }
    assert_int_equal(agent_list(w, 1, 1), 0);
    assert_int_equal(w->count, 1);
    free(doc);
}

/* A page is a megabyte at most, and goes on where it stopped. */
static void pages_of_long_records_are_short(void **state)
{
    struct world *w = *state;
    enum { CALLS = 40, BYTES = 60000 };
    struct od_uid campaign = a_campaign(w, OD_CAMPAIGN_DRAFT), agent = an_agent(w);
    char *context = malloc(BYTES + 1);
    snprintf(context, BYTES + 1, "{\"a\":%*d}", BYTES - 6, 1);
    for (unsigned i = 0; i < CALLS; i++) {
        char to[16];
        snprintf(to, sizeof to, "+1555%07u", i);
        struct od_call_new call = {
            .id = world_uid(w), .to = to, .context = {context, BYTES}, .row = i + 1};
        assert_int_equal(world_add(w, org, &agent, &campaign, &call, 1), 0);
    }
    uint64_t cursor = 0;
    size_t seen = 0;
    do {
        assert_int_equal(
            world_call_list(w, org, &campaign, OD_PHASE_COUNT, OD_CAUSE_COUNT, cursor, 1000), 0);
        assert_in_range(w->count, 1, 1000000 / BYTES + 1);
        for (size_t i = 0; i < w->count; i++) {
            assert_int_equal(w->calls[i].row, ++seen);
            assert_int_equal(w->calls[i].context.bytes, BYTES);
        }
        cursor = w->next_cursor;
    } while (cursor != 0);
    assert_int_equal(seen, CALLS);
    free(context);
}

static void lists_page_in_their_order(void **state)
{
    struct world *w = *state;
    struct od_uid campaign = a_campaign(w, OD_CAMPAIGN_DRAFT), agent = an_agent(w);
    static struct od_uid uids[700];
    add_contacts(w, &campaign, 1, 700, uids);
    uint64_t cursor = 0;
    size_t seen = 0;
    do { /* a campaign's contacts in row order */
        assert_int_equal(
            world_call_list(w, org, &campaign, OD_PHASE_COUNT, OD_CAUSE_COUNT, cursor, 64), 0);
        assert_true(w->count > 0);
        for (size_t i = 0; i < w->count; i++, seen++)
            assert_true(od_uid_equal(&w->calls[i].id, &uids[seen]));
        cursor = w->next_cursor;
    } while (cursor != 0);
    assert_int_equal(seen, 700);

    /* filters, over pages that have nothing */
    for (int i = 690; i < 693; i++)
        assert_int_equal(world_stop(w, org, &uids[i], false), 0);
    assert_int_equal(world_call_list(w, org, &campaign, OD_PHASE_ENDED, OD_CAUSE_CANCELED, 0, 10),
                     0);
    assert_int_equal(w->count, 3);
    assert_true(od_uid_equal(&w->calls[0].id, &uids[690]));
    assert_int_equal(world_call_list(w, org, &campaign, OD_PHASE_ENDED, OD_CAUSE_BUSY, 0, 10), 0);
    assert_int_equal(w->count, 0);
    assert_int_equal(w->next_cursor, 0);
    assert_int_equal(world_call_list(w, org, &campaign, OD_PHASE_WAITING, OD_CAUSE_COUNT, 0, 1000),
                     0);
    assert_int_equal(w->count, 697); /* a draft's */

    /* single calls, newest first, while more come in */
    for (int i = 0; i < 9; i++) {
        struct od_call_new call = {.id = uids[i] = world_uid(w), .to = "+1"};
        assert_int_equal(world_add(w, org, &agent, NULL, &call, 1), 0);
    }
    assert_int_equal(world_call_list(w, org, NULL, OD_PHASE_COUNT, OD_CAUSE_COUNT, 0, 4), 0);
    assert_int_equal(w->count, 4);
    for (int i = 0; i < 4; i++)
        assert_true(od_uid_equal(&w->calls[i].id, &uids[8 - i]));
    cursor = w->next_cursor;
    struct od_call_new newer = {.id = world_uid(w), .to = "+1"};
    assert_int_equal(world_add(w, org, &agent, NULL, &newer, 1), 0);
    assert_int_equal(world_call_list(w, org, NULL, OD_PHASE_COUNT, OD_CAUSE_COUNT, cursor, 9), 0);
    assert_int_equal(w->count, 5);
    for (int i = 0; i < 5; i++)
        assert_true(od_uid_equal(&w->calls[i].id, &uids[4 - i]));
    assert_int_equal(w->next_cursor, 0);
    assert_int_equal(world_call_list(w, org, NULL, OD_PHASE_COUNT, OD_CAUSE_COUNT, UINT64_MAX, 9),
                     0);
    assert_int_equal(world_call_list(w, org, &agent, OD_PHASE_COUNT, OD_CAUSE_COUNT, 0, 9), 0);
    assert_int_equal(w->count, 0);
}

static void filter_over_many_pages(void **state)
{
    struct world *w = *state;
    struct od_uid campaign = a_campaign(w, OD_CAMPAIGN_DRAFT), last;
    for (uint32_t i = 0; i < 5; i++)
        add_contacts(w, &campaign, 1 + i * 1000, 1000, NULL);
    add_contacts(w, &campaign, 5001, 1, &last);
    assert_int_equal(world_stop(w, org, &last, false), 0);
    assert_int_equal(world_call_list(w, org, &campaign, OD_PHASE_ENDED, OD_CAUSE_COUNT, 0, 5), 0);
    assert_int_equal(w->count, 1); /* found though it lies far beyond one script's reach */
    assert_true(od_uid_equal(&w->calls[0].id, &last));
}

static void canceling_a_campaign_ends_what_waits(void **state)
{
    struct world *w = *state;
    struct od_uid campaign = a_campaign(w, OD_CAMPAIGN_RUNNING);
    add_contacts(w, &campaign, 1, 950, NULL);
    uint32_t told = w->ended_count;
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_CANCELED), 0);
    assert_int_equal(world_campaign_get(w, org, &campaign), 0);
    const struct od_campaign_rec *c = &w->campaigns[0];
    assert_int_equal(c->total, 950);
    assert_int_equal(c->waiting, 0);
    assert_int_equal(c->active, 0);
    assert_int_equal(c->ended, 950);
    assert_int_equal(c->ended_by[OD_CAUSE_CANCELED], 950);
    assert_int_equal(w->ended_count - told, 950);
    assert_string_equal(w->ended[told].hook, "https://c.example/h");
    assert_true(od_uid_equal(&w->ended[told].campaign, &campaign));
    assert_int_equal(w->ended[told].cause, OD_CAUSE_CANCELED);
    char after[40] = "";
    uint32_t canceled = 0;
    while (world_events(w, org, after, 1000) == 0 && w->count > 0) {
        for (size_t i = 0; i < w->count; i++)
            canceled += strcmp(w->recs[i].type, "call.canceled") == 0;
        snprintf(after, sizeof after, "%s", w->recs[w->count - 1].id);
    }
    assert_int_equal(canceled, 950);
}

static void stopping_decides_once(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w), missing = world_uid(w);
    struct od_call_new call = {.id = world_uid(w), .to = "+1"};
    assert_int_equal(world_add(w, org, &agent, NULL, &call, 1), 0);
    assert_int_equal(world_stop(w, org, &missing, false), OD_ENOENT);
    assert_int_equal(world_stop(w, org, &call.id, false), 0);
    assert_int_equal(world_stop(w, org, &call.id, false), OD_ECONFLICT);
    assert_int_equal(world_stop(w, org, &call.id, true), OD_ECONFLICT);
    assert_int_equal(w->ended_count, 1);
    assert_int_equal(world_call_get(w, org, &call.id), 0);
    assert_int_equal(w->calls[0].phase, OD_PHASE_ENDED);
    assert_int_equal(w->calls[0].outcome.cause, OD_CAUSE_CANCELED);
    assert_int_equal(w->calls[0].outcome.verdict, OD_VERDICT_USER);
    assert_true(w->calls[0].outcome.ended_ms > 0);
    assert_int_equal(world_ends(w, org, &call.id), 1);
}

static void events_tell_in_order(void **state)
{
    struct world *w = *state;
    w->repo->events_last(w->repo->ctx, org, world_on_events, w);
    assert_int_equal(world_answer(w), 0);
    assert_int_equal(w->count, 1);
    assert_string_equal(w->recs[0].id, "0-0");

    struct od_uid campaign = a_campaign(w, OD_CAMPAIGN_RUNNING), agent = an_agent(w);
    add_contacts(w, &campaign, 1, 3, NULL);
    struct od_call_new call = {.id = world_uid(w), .to = "sip:\"q\"@x\\\x01", .row = 9};
    assert_int_equal(world_add(w, org, &agent, NULL, &call, 1), 0);
    assert_int_equal(world_stop(w, org, &call.id, false), 0);
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_PAUSED), 0);
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_RUNNING), 0);

    static const char *const types[] = {"campaign.created", "campaign.imported",
                                        "call.queued",      "call.canceled",
                                        "campaign.paused",  "campaign.resumed"};
    assert_int_equal(world_events(w, org, "", 100), 0);
    assert_int_equal(w->count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(w->recs[i].type, types[i]);
    assert_non_null(strstr(w->recs[1].body.at, "\"added\":3,\"twice\":0"));
    char text[OD_UID_TEXT], last[40];
    od_uid_text(&call.id, text);
    assert_memory_equal(w->recs[3].body.at, "{\"call\":\"", 9);
    assert_memory_equal(w->recs[3].body.at + 9, text, 36);
    assert_non_null(strstr(w->recs[3].body.at, "\"to\":\"sip:\\\"q\\\"@x\\\\\\u0001\""));
    assert_non_null(strstr(w->recs[3].body.at, "\"cause\":\"canceled\""));
    assert_non_null(strstr(w->recs[3].body.at, "\"row\":9"));
    snprintf(last, sizeof last, "%s", w->recs[5].id);

    char after[40];
    snprintf(after, sizeof after, "%s", w->recs[3].id);
    assert_int_equal(world_events(w, org, after, 1), 0);
    assert_int_equal(w->count, 1);
    assert_string_equal(w->recs[0].type, "campaign.paused");
    assert_int_equal(world_events(w, org, last, 100), 0);
    assert_int_equal(w->count, 0);
    assert_int_equal(world_events(w, org, "not an id", 100), 0);
    assert_int_equal(w->count, 6); /* from the beginning */
    w->repo->events_last(w->repo->ctx, org, world_on_events, w);
    assert_int_equal(world_answer(w), 0);
    assert_string_equal(w->recs[0].id, last);
}

static void nothing_is_answered_from_inside(void **state)
{
    struct world *w = *state;
    struct od_uid uid = world_uid(w);
    redis_server_kill(&w->server);
    assert_true(world_wait_down(w));
    w->answered = false;
    w->repo->campaign_get(w->repo->ctx, org, &uid, world_on_campaigns, w);
    assert_false(w->answered);
    assert_int_equal(world_answer(w), OD_EDOWN);
    assert_int_equal(world_stop(w, org, &uid, false), OD_EDOWN);
    assert_int_equal(world_agent_put(w, org, &uid, "x", "{}"), OD_EDOWN);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(agents_are_kept_as_they_were_sent),
        TEST(agents_are_told_to_the_worker),
        TEST(names_may_have_twins),
        TEST(things_are_kept_by_kind_and_key),
        TEST(other_orgs_see_nothing),
        TEST(campaigns_are_kept),
        TEST(campaign_states_follow_their_order),
        TEST(an_agents_order_is_told_and_kept),
        TEST(changes_are_written_down),
        TEST(batches_leave_out_what_is_there),
        TEST(single_calls_may_repeat_a_number),
        TEST(calls_are_read_back_whole),
        TEST(contacts_wait_while_their_campaign_stands),
        TEST(lists_page_in_their_order),
        TEST(pages_of_long_records_are_short),
        TEST(lists_of_long_agents_are_short),
        TEST(filter_over_many_pages),
        TEST(canceling_a_campaign_ends_what_waits),
        TEST(stopping_decides_once),
        TEST(events_tell_in_order),
        TEST(nothing_is_answered_from_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
