/* sim_knobs - see sim_knobs.h. */
#include "tests/sim/sim_knobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"

static const struct {
    const char *name, *what;
    size_t at;
} table[] = {
#define X(name, what) {#name, what, offsetof(struct sim_knobs, name)},
    SIM_KNOBS(X)
#undef X
};
enum { KNOBS = sizeof table / sizeof *table };

static uint32_t *knob(struct sim_knobs *knobs, size_t i)
{
    return (uint32_t *)(void *)((char *)knobs + table[i].at);
}

/* low..high */
static uint32_t between(struct od_rng *rng, uint32_t low, uint32_t high)
{
    return low + (uint32_t)od_rng_below(rng, high - low + 1);
}

/* 0 in half of all worlds, otherwise 1..high. */
static uint32_t maybe(struct od_rng *rng, uint32_t high)
{
    uint32_t value = between(rng, 1, high);

    return od_rng_below(rng, 2) ? value : 0;
}

void sim_knobs_quiet(struct sim_knobs *knobs)
{
    *knobs = (struct sim_knobs){
        .calls = 200,
        .lanes = 1,
        .trunks = 1,
        .rotors = 1,
        .shape = 1,
        .cps = 10,
        .dialled_max = 500,
        .calls_max = 1000,
        .budget = 256,
        .store_us = 12000,
        .wake_us = 300,
        .ring_ms = 5000,
        .talk_ms = 20000,
        .answer = 700,
    };
}

static void draw_size(struct sim_knobs *knobs, struct od_rng *rng)
{
    static const uint32_t rates[] = {1, 2, 5, 10, 33, 100, 250, 1000};

    knobs->calls = between(rng, 20, 250);
    knobs->lanes = between(rng, 1, 6);
    knobs->trunks = between(rng, 1, 4);
    knobs->rotors = between(rng, 1, 3);
    knobs->shape = between(rng, 0, 4);
    knobs->cps = rates[od_rng_below(rng, sizeof rates / sizeof *rates)];
    knobs->trunk_cap = maybe(rng, 30);
    knobs->lane_cap = maybe(rng, 20);
    knobs->lane_pace = maybe(rng, 300);
    knobs->dialled_max = between(rng, 1, 200);
    knobs->calls_max = knobs->dialled_max + between(rng, 0, 300);
    knobs->budget = between(rng, 0, 3) ? 256 : between(rng, 1, 8);
    knobs->store_us = between(rng, 0, 3) ? between(rng, 100, 40000) : between(rng, 1, 2000000);
    knobs->wake_us = between(rng, 0, 3) ? 300 : between(rng, 0, 20000);
    knobs->ring_ms = between(rng, 100, 60000);
    knobs->talk_ms = between(rng, 100, 60000);
    knobs->answer = between(rng, 0, 1000);
    knobs->trickle_ms = maybe(rng, 60000);
    knobs->prefixes = between(rng, 0, 3) == 0;
    knobs->hook = maybe(rng, 1000);
    knobs->retry = between(rng, 0, 2) ? 0 : between(rng, 2, 4);
    knobs->retry_s = between(rng, 1, 60);
    knobs->hours = between(rng, 0, 2) ? 0 : between(rng, 1, 1000);
    knobs->tries = between(rng, 0, 3);
    knobs->tries_ms = between(rng, 1, 60000);
    knobs->patience_ms = maybe(rng, 8000);
    if (knobs->patience_ms && knobs->patience_ms < 500)
        knobs->patience_ms = 500;
    knobs->bad_max = maybe(rng, 5);
    knobs->ping_ms = maybe(rng, 30) * 1000;
    knobs->adaptive = between(rng, 0, 1);
}

static void draw_faults(struct sim_knobs *knobs, struct od_rng *rng)
{
    knobs->stall = maybe(rng, 10);
    knobs->outage = maybe(rng, 6);
    knobs->outage_ms = between(rng, 1, 60000);
    knobs->takeover = maybe(rng, 200);
    knobs->user_stop = maybe(rng, 300);
    knobs->deadline = maybe(rng, 500);
    knobs->toggle = maybe(rng, 10);
    knobs->trunk_toggle = maybe(rng, 6);
    knobs->reconfig = maybe(rng, 10);
    knobs->drain = between(rng, 0, 5) == 0;
    knobs->suppress = between(rng, 0, 2) ? 0 : between(rng, 1, 100);
    knobs->wall_jump = maybe(rng, 5);
    knobs->hook_fault = maybe(rng, 300);
    knobs->reject = maybe(rng, 500);
    knobs->silent = maybe(rng, 200);
    knobs->retry_after = maybe(rng, 50);
    knobs->dying = maybe(rng, 5);
    knobs->icmp = maybe(rng, 200);
    knobs->challenged = maybe(rng, 300);
    knobs->repeat = maybe(rng, 500);
    knobs->cross = maybe(rng, 1000);
    knobs->deaf = maybe(rng, 300);
    knobs->agent_fault = maybe(rng, 200);
    knobs->media_fault = maybe(rng, 200);
    knobs->both_bye = maybe(rng, 500);
    knobs->hostile = maybe(rng, 500);
    knobs->slow_send = maybe(rng, 50);
    knobs->pause = maybe(rng, 5);
    knobs->bridge = maybe(rng, 500);
}

void sim_knobs_draw(struct sim_knobs *knobs, uint64_t seed)
{
    struct od_rng rng = {seed * UINT64_C(0x2545f4914f6cdd1d) + 1};

    sim_knobs_quiet(knobs);
    draw_size(knobs, &rng);
    draw_faults(knobs, &rng);
    knobs->cap =
        between(&rng, 0, 3) ? 0 : between(&rng, 1, 3); /* last: older seeds stay as they are */
    knobs->cap_s = between(&rng, 1, 120);
    knobs->redial_s = knobs->retry && between(&rng, 0, 1) ? between(&rng, 60, 180) : 0;
    knobs->breakers = between(&rng, 0, 2) ? 0 : between(&rng, 1, 15);
    knobs->spoil = between(&rng, 0, 7);
    knobs->spoil_ms = between(&rng, 1000, 200000);
    knobs->rotor_pace = between(&rng, 0, 2) ? 0 : between(&rng, 1, 300);
    knobs->moved = between(&rng, 0, 2) ? 0 : between(&rng, 1, 1000);
}

void sim_knobs_no_faults(struct sim_knobs *knobs)
{
    bool fault = false;

    for (size_t i = 0; i < KNOBS; i++) {
        fault = fault || strcmp(table[i].name, "stall") == 0; /* the first of them */
        if (fault)
            *knob(knobs, i) = 0;
    }
}

bool sim_knobs_parse(struct sim_knobs *knobs, const char *text)
{
    while (*text) {
        size_t name = strcspn(text, "="), i = 0;
        unsigned long value;
        char *end;

        if (text[name] != '=')
            return false;
        while (i < KNOBS && (strlen(table[i].name) != name || memcmp(table[i].name, text, name)))
            i++;
        value = strtoul(text + name + 1, &end, 10);
        if (i == KNOBS || end == text + name + 1 || value > UINT32_MAX || (*end && *end != ','))
            return false;
        *knob(knobs, i) = (uint32_t)value;
        text = *end ? end + 1 : end;
    }
    return true;
}

void sim_knobs_text(const struct sim_knobs *knobs, char *out, size_t size)
{
    struct sim_knobs copy = *knobs;
    size_t used = 0;

    for (size_t i = 0; i < KNOBS && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s=%u", i ? "," : "", table[i].name,
                                 *knob(&copy, i));
}

void sim_knobs_help(void)
{
    for (size_t i = 0; i < KNOBS; i++)
        printf("  %-14s %s\n", table[i].name, table[i].what);
}
