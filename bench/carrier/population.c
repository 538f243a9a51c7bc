/*
 * population: see population.h. Each trait has a random stream of its own, keyed by (seed, trait,
 * number, attempt): drawing more for one never shifts another.
 */
#include "bench/carrier/population.h"

#include "bench/carrier/keyed_hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum trait {
    OUTCOME,
    FAIL_CODE,
    PDD,
    RING,
    EARLY_MEDIA,
    TALK,
    DIGITS,
    DIGIT_DELAY,
    DTMF,
    HANGUP,
    VOICE
};

uint64_t od_population_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double od_population_unit(uint64_t *state)
{
    return (double)(od_population_next(state) >> 11) * 0x1p-53;
}

struct person {
    struct od_hash_key key;
    const char *number;
    size_t bytes;
};

static uint64_t stream(const struct person *person, enum trait trait)
{
    struct od_hash_key key = person->key;
    key.k1 ^= (uint64_t)trait << 32;
    return od_keyed_hash(key, person->number, person->bytes);
}

static uint32_t whole_ms(double ms)
{
    return ms < 0 ? 0 : ms > 4e9 ? 4000000000u : (uint32_t)(ms + 0.5);
}

static uint32_t draw_ms(const struct od_distribution *d, uint64_t state)
{
    double u = od_population_unit(&state);
    switch (d->kind) {
    case OD_DISTRIBUTION_UNIFORM:
        return whole_ms(d->a + u * (d->b - d->a));
    case OD_DISTRIBUTION_EXPONENTIAL:
        return whole_ms(-d->a * log(1 - u));
    case OD_DISTRIBUTION_LOGNORMAL: {
        /* Box-Muller: a standard normal from two uniforms */
        double angle = 6.283185307179586 * od_population_unit(&state);
        return whole_ms(d->a * exp(d->b * sqrt(-2 * log(1 - u)) * cos(angle)));
    }
    case OD_DISTRIBUTION_NEVER:
    case OD_DISTRIBUTION_AFTER_TURN:
        break;
    }
    return 0;
}

static const char *draw_word(const struct od_choice *choice, uint64_t state)
{
    double left = od_population_unit(&state) * choice->weight_sum;
    for (size_t i = 0; i < choice->n; i++) {
        if (left < choice->entries[i].weight)
            return choice->entries[i].word;
        left -= choice->entries[i].weight;
    }
    return choice->entries[choice->n - 1].word;
}

static enum od_plan_kind draw_kind(const struct od_profile *p, uint64_t state)
{
    const double weights[OD_PLAN_KINDS] = {p->answer,  p->no_answer, p->busy,
                                           p->decline, p->fail,      p->silent};
    double sum = 0;
    int last = 0;
    for (int i = 0; i < OD_PLAN_KINDS; i++) {
        sum += weights[i];
        if (weights[i] > 0)
            last = i;
    }
    double left = od_population_unit(&state) * sum;
    for (int i = 0; i < last; i++) {
        if (left < weights[i])
            return (enum od_plan_kind)i;
        left -= weights[i];
    }
    return (enum od_plan_kind)last;
}

static enum od_plan_talk talk_of(const char *word)
{
    for (int i = OD_TALK_HELLO; i < OD_TALK_SILENCE; i++) {
        if (strcmp(word, od_plan_talk_name((enum od_plan_talk)i)) == 0)
            return (enum od_plan_talk)i;
    }
    return OD_TALK_SILENCE;
}

void od_population_draw(const struct od_profile *p, const char *number, uint32_t attempt,
                        struct od_plan *plan)
{
    struct person person = {{p->seed, attempt}, number, strlen(number)};
    memset(plan, 0, sizeof *plan);
    plan->kind = draw_kind(p, stream(&person, OUTCOME));
    plan->fail_status = atoi(draw_word(&p->fail_codes, stream(&person, FAIL_CODE)));
    plan->pdd_ms = draw_ms(&p->pdd_ms, stream(&person, PDD));
    plan->ring_ms = draw_ms(&p->ring_ms, stream(&person, RING));
    uint64_t early = stream(&person, EARLY_MEDIA);
    plan->early_media = od_population_unit(&early) < p->early_media;
    plan->talk = talk_of(draw_word(&p->talk, stream(&person, TALK)));
    plan->tones = strcmp(draw_word(&p->dtmf, stream(&person, DTMF)), "tones") == 0;
    const char *digits = draw_word(&p->digits, stream(&person, DIGITS));
    if (strcmp(digits, "none") != 0)
        memcpy(plan->digits, digits, strlen(digits) + 1);
    plan->digits_after_turn = p->digit_delay_ms.kind == OD_DISTRIBUTION_AFTER_TURN;
    plan->digit_delay_ms = plan->digits_after_turn
                               ? p->digit_limit_ms
                               : draw_ms(&p->digit_delay_ms, stream(&person, DIGIT_DELAY));
    plan->hangs_up = p->hangup_ms.kind != OD_DISTRIBUTION_NEVER;
    plan->hangup_ms = draw_ms(&p->hangup_ms, stream(&person, HANGUP));
    plan->voice = stream(&person, VOICE);
}

const char *od_plan_kind_name(enum od_plan_kind kind)
{
    static const char *const names[] = {"answer", "no_answer", "busy", "decline", "fail", "silent"};
    return names[kind];
}

const char *od_plan_talk_name(enum od_plan_talk talk)
{
    static const char *const names[] = {"hello", "machine", "babble", "silence"};
    return names[talk];
}
