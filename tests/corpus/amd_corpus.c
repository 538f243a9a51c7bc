/*
 * amd_corpus - goal: the verdicts of engine/media/amd are good enough to act on: few persons taken
 * for machines, most machines found, soon; beeps found, and none in ringback or music. Method: a
 * labelled corpus made anew from a seed (synthesised persons and greetings in several voices and
 * lengths, recorded prompts, beeps, ringback, special information tones, fax, noise, loss), each
 * item played into the detector frame by frame. Prints the confusion tables; --roc prints the curve
 * over the costs too; --set takes other texts and voices; --states prints what amd_fit.py fits;
 * fails when a goal is missed.
 *
 * usage: amd_corpus [--set fitted|voices|flite|recorded] [--seed N] [--items N]
 *                   [--music-minutes N] [--roc] [--misses] [--states] [--sounds DIR]
 *                   [--human-as-machine N] [--machine-as-human N]
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/media/amd.h"
#include "tests/corpus/amd_items.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

struct result {
    enum truth truth;
    bool has_beep, beep_found, beep_false;
    bool provisional;   /* the first verdict was */
    uint8_t confidence; /* of the first verdict */
    uint8_t first;      /* the first verdict */
    uint8_t settled;    /* the first settled verdict */
    uint8_t last;       /* what was believed at the end of the item */
    uint32_t first_ms;  /* the first verdict, after the answer */
    uint32_t at_ms;     /* the settled one, after the answer */
    uint32_t after_ms;  /* and after the callee's first sound */
    uint32_t sound_ms;  /* when the first sound had ended, after the answer */
    uint16_t runs[OD_AMD_RUNS_MAX];
    uint8_t run_count;
    char text[64];
};

enum { STATES_FRAMES = 250 }; /* 5 s */

static void encode(const int16_t *pcm, uint8_t out[OD_FRAME_BYTES])
{
    for (unsigned i = 0; i < OD_FRAME_BYTES; i++)
        out[i] = od_ulaw_encode(pcm[i]);
}

static uint8_t told(const struct od_amd_verdict *verdict)
{
    return verdict->kind == OD_AMD_BEEP ? OD_AMD_MACHINE : verdict->kind;
}

static void take_verdict(struct result *out, const struct od_amd *amd, const struct item *item,
                         const struct od_amd_verdict *verdict)
{
    if (!out->first_ms) {
        out->first = told(verdict);
        out->first_ms = verdict->at_ms;
        out->provisional = !verdict->settled;
        out->confidence = verdict->confidence;
    }
    if (!out->at_ms && verdict->settled) {
        out->settled = told(verdict);
        out->at_ms = verdict->at_ms;
        out->after_ms = verdict->at_ms - (amd->run_count > 1 ? amd->runs_ms[0] : 0);
        out->sound_ms = amd->run_count > 1 ? amd->runs_ms[0] + amd->runs_ms[1] : verdict->at_ms;
        out->run_count = amd->run_count;
        memcpy(out->runs, amd->runs_ms, sizeof out->runs);
    }
    if (verdict->kind == OD_AMD_BEEP) {
        bool right =
            item->beep && verdict->at_ms >= item->beep_ms && verdict->at_ms < item->beep_ms + 1000;
        out->beep_found = out->beep_found || right;
        out->beep_false = out->beep_false || !right;
    }
    if (verdict->kind != OD_AMD_BEEP && verdict->kind != OD_AMD_GREETING_END)
        out->last = verdict->kind;
}

static void play(const struct od_amd_config *config, const struct sound *s, const struct item *item,
                 struct result *out)
{
    struct od_amd amd;
    struct od_amd_verdict verdict;
    uint8_t ulaw[OD_FRAME_BYTES];
    *out = (struct result){.truth = item->truth, .has_beep = item->beep};
    memcpy(out->text, item->text, sizeof out->text);
    od_amd_init(&amd, config);
    od_amd_answer(&amd);
    for (size_t i = 0; i + OD_FRAME_BYTES <= s->count; i += OD_FRAME_BYTES) {
        encode(s->at + i, ulaw);
        if (od_amd_frame(&amd, ulaw, &verdict))
            take_verdict(out, &amd, item, &verdict);
    }
    if (out->beep_found)
        out->last = OD_AMD_MACHINE;
}

/* What is known in each moment that a provisional verdict could fall in, for amd_fit.py: a detector
 * that never decides is asked for its runs. */
static void print_states(const struct sound *s, const struct item *item)
{
    static const struct od_amd_config config = {65535, 65535, 65535, 100};
    struct od_amd amd;
    struct od_amd_verdict verdict;
    uint8_t ulaw[OD_FRAME_BYTES];
    if (item->truth != PERSON && item->truth != VOICEMAIL && item->truth != SCREEN)
        return;
    od_amd_init(&amd, &config);
    od_amd_answer(&amd);
    for (size_t i = 0; i + OD_FRAME_BYTES <= s->count && i < STATES_FRAMES * OD_FRAME_BYTES;
         i += OD_FRAME_BYTES) {
        unsigned talk_ms = 0;
        encode(s->at + i, ulaw);
        od_amd_frame(&amd, ulaw, &verdict);
        for (uint8_t k = 1; k < amd.run_count; k += 2)
            talk_ms += amd.runs_ms[k];
        if (amd.run_count % 2 && talk_ms)
            printf("state %s %u %u\n", item->truth == PERSON ? "person" : "machine", talk_ms,
                   amd.runs_ms[amd.run_count - 1]);
    }
}

static int by_time(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* The curve: the same runs under other costs. */
static void print_roc(const struct result *results, size_t count)
{
    static const uint16_t costs[] = {2, 5, 10, 20, 40, 60, 100, 200, 500, 2000};
    printf("\n| cost of a person taken for a machine | persons called machine | machines found | "
           "median verdict after the first sound |\n|---|---|---|---|\n");
    for (size_t c = 0; c < COUNT(costs); c++) {
        struct od_amd_config config = OD_AMD_CONFIG_DEFAULT;
        uint32_t persons = 0, machines = 0, wrong = 0, found = 0, times = 0;
        uint32_t *at = calloc(count, sizeof *at);
        config.human_as_machine = costs[c];
        for (size_t i = 0; i < count; i++) {
            if (results[i].truth != PERSON && results[i].truth != VOICEMAIL)
                continue;
            /* The runs end where the default costs decided: what came after is not in them, so a
             * higher cost is judged as if the talk had gone on (a machine) or the pause (a person).
             */
            uint16_t runs[OD_AMD_RUNS_MAX + 1];
            uint8_t n = results[i].run_count;
            memcpy(runs, results[i].runs, n * sizeof *runs);
            bool person = results[i].truth == PERSON;
            if (n && (n % 2 == 1) == person)
                runs[n - 1] = (uint16_t)(runs[n - 1] + 3000);
            else
                runs[n++] = 3000;
            struct od_amd_verdict v = od_amd_rejudge(&config, runs, n);
            persons += person;
            machines += !person;
            wrong += person && v.kind == OD_AMD_MACHINE;
            found += !person && v.kind == OD_AMD_MACHINE;
            at[times++] = v.at_ms - (n > 1 ? runs[0] : 0);
        }
        qsort(at, times, sizeof *at, by_time);
        printf("| %u | %.1f %% | %.1f %% | %u ms |\n", costs[c], 100.0 * wrong / persons,
               100.0 * found / machines, at[times / 2]);
        free(at);
    }
}

struct options {
    uint64_t seed;
    unsigned items, minutes;
    bool roc, misses, states;
    const char *name;
    const struct amd_set *set;
    const char *sounds;
    struct od_amd_config config;
};

static void print_miss(const struct result *r)
{
    printf("miss: %s \"%s\": %s at %u ms%s%s; runs", truth_name(r->truth), r->text,
           od_amd_kind_name(r->settled), r->at_ms,
           r->has_beep && !r->beep_found ? ", beep missed" : "",
           r->beep_false ? ", false beep" : "");
    for (unsigned k = 0; k < r->run_count; k++)
        printf(" %u", r->runs[k]);
    printf("\n");
}

static size_t make_corpus(const struct options *options, struct result *results)
{
    struct sound s = {0};
    size_t count = 0;
    for (unsigned truth = 0; truth < TRUTHS; truth++) {
        for (unsigned i = 0; i < options->items * AMD_SHARES[truth] / 100; i++) {
            struct item item = {.truth = (enum truth)truth};
            uint64_t own =
                options->seed * UINT64_C(0x9e3779b97f4a7c15) + truth * 1000003u + i * 7919u + 1;
            sound_random(&own, 2);
            sound_clear(&s);
            amd_item_make(options->set, item.truth, &s, &own, &item);
            sound_noise(&s, &own, sound_between(&own, -75, -45));
            if (sound_random(&own, 3) == 0)
                sound_loss(&s, &own, sound_between(&own, 0, 0.05));
            if (options->states) {
                print_states(&s, &item);
                continue;
            }
            play(&options->config, &s, &item, &results[count]);
            const struct result *r = &results[count++];
            bool wrong = (truth == PERSON && r->settled == OD_AMD_MACHINE) ||
                         (truth == VOICEMAIL && r->settled != OD_AMD_MACHINE) ||
                         (item.beep && !r->beep_found) || r->beep_false;
            if (options->misses && wrong)
                print_miss(r);
        }
    }
    sound_free(&s);
    return count;
}

static uint32_t quantile(const struct result *results, size_t count, size_t field,
                         unsigned per_cent, bool machines)
{
    uint32_t *at = calloc(count + 1, sizeof *at), n = 0;
    for (size_t i = 0; i < count; i++) {
        enum truth truth = results[i].truth;
        if (truth == PERSON || (machines && truth == VOICEMAIL))
            memcpy(&at[n++], (const char *)&results[i] + field, sizeof *at);
    }
    qsort(at, n, sizeof *at, by_time);
    uint32_t value = at[n * per_cent / 100];
    free(at);
    return value;
}
#define MS(field, per_cent, machines)                                                              \
    quantile(results, count, offsetof(struct result, field), per_cent, machines)

static void print_table(const struct result *results, size_t count, bool settled)
{
    uint32_t table[TRUTHS][OD_AMD_KINDS] = {{0}}, totals[TRUTHS] = {0};
    for (size_t i = 0; i < count; i++) {
        const struct result *r = &results[i];
        uint8_t kind = settled ? r->settled : r->first;
        table[r->truth][settled && r->truth == SCREEN ? r->last : kind]++;
        totals[r->truth]++;
    }
    printf("\n| truth | items |");
    for (unsigned k = 0; k < OD_AMD_BEEP; k++)
        printf(" %s |", od_amd_kind_name(k));
    printf("\n|---|---|---|---|---|---|---|---|\n");
    for (unsigned t = 0; t < TRUTHS; t++) {
        printf("| %s | %u |", truth_name(t), totals[t]);
        for (unsigned k = 0; k < OD_AMD_BEEP; k++)
            printf(" %u |", table[t][k]);
        printf("\n");
    }
}

/* Whether the provisional verdicts are right as often as they say. Of persons and machines. */
static bool print_provisional(const struct result *results, size_t count)
{
    uint32_t said = 0, right = 0, confidence = 0, of = 0;
    for (size_t i = 0; i < count; i++) {
        const struct result *r = &results[i];
        if (r->truth != PERSON && r->truth != VOICEMAIL && r->truth != SCREEN)
            continue;
        of++;
        if (!r->provisional)
            continue;
        said++;
        right += r->truth == PERSON;
        confidence += r->confidence;
    }
    double share = said ? 100.0 * right / said : 0, mean = said ? 1.0 * confidence / said : 0;
    printf("provisional: %u of %u, all human; right %.1f %%, confidence %.1f %%\n", said, of, share,
           mean);
    return said > 100 && share < mean - 7.0;
}

/* The goals that what was not fitted on has to meet, too, and then those of what was. */
static int report(const struct result *results, size_t count, bool fitted)
{
    uint32_t persons = 0, machines = 0, wrong = 0, ever = 0, found = 0, first = 0, last = 0;
    uint32_t beeps = 0, beeps_found = 0, beeps_false = 0;
    for (size_t i = 0; i < count; i++) {
        const struct result *r = &results[i];
        bool person = r->truth == PERSON, machine = r->truth == VOICEMAIL;
        persons += person;
        machines += machine;
        wrong += person && r->settled == OD_AMD_MACHINE;
        ever += person && (r->first == OD_AMD_MACHINE || r->settled == OD_AMD_MACHINE ||
                           r->last == OD_AMD_MACHINE);
        found += machine && r->settled == OD_AMD_MACHINE;
        first += machine && r->first == OD_AMD_MACHINE;
        last += machine && r->last == OD_AMD_MACHINE;
        beeps += r->has_beep;
        beeps_found += r->beep_found;
        beeps_false += r->beep_false;
    }
    printf("\nfirst verdict, provisional or settled:\n");
    print_table(results, count, false);
    printf("\nsettled verdict:\n");
    print_table(results, count, true);
    double wrong_share = 100.0 * wrong / persons, found_share = 100.0 * found / machines;
    uint32_t first_ms = MS(first_ms, 50, true), after_ms = MS(after_ms, 50, true);
    printf("\npersons called machine %.1f %% (ever: %.1f %%), machines found %.1f %% (by the first "
           "verdict: %.1f %%, in the end: %.1f %%)\n",
           wrong_share, 100.0 * ever / persons, found_share, 100.0 * first / machines,
           100.0 * last / machines);
    printf("first verdict after the answer: median %u ms (persons %u ms), p95 %u ms\n", first_ms,
           MS(first_ms, 50, false), MS(first_ms, 95, true));
    printf("settled verdict after the answer: median %u ms (persons %u ms), p95 %u ms; after the "
           "callee's first sound: median %u ms\n",
           MS(at_ms, 50, true), MS(at_ms, 50, false), MS(at_ms, 95, true), after_ms);
    printf("the callee's first sound has ended after the answer: median %u ms (persons %u ms)\n",
           MS(sound_ms, 50, true), MS(sound_ms, 50, false));
    bool boasts = print_provisional(results, count);
    int missed = 0;
    printf("beeps found %u of %u, false %u\n", beeps_found, beeps, beeps_false);
    if (wrong_share > 2.0)
        missed += printf("MISSED: at most 2 %% of persons may be called machine\n") > 0;
    if (beeps_false)
        missed += printf("MISSED: a beep was found where none was\n") > 0;
    if (!fitted)
        return missed;
    if (boasts)
        missed += printf("MISSED: provisional verdicts are to be right as often as they say\n") > 0;
    if (found_share < 90.0)
        missed += printf("MISSED: at least 90 %% of machines are to be found\n") > 0;
    if (first_ms >= 1500)
        missed +=
            printf("MISSED: the median first verdict is to come within 1.5 s of the answer\n") > 0;
    if (after_ms >= 1500)
        missed += printf("MISSED: the median settled verdict is to come within 1.5 s of the first "
                         "sound\n") > 0;
    if (beeps_found * 100 < beeps * 95)
        missed += printf("MISSED: at least 95 %% of beeps are to be found\n") > 0;
    return missed;
}

/* Ringback and music, with speech in between so that the detector is at its most willing. */
static int listen_for_beeps(const struct options *options)
{
    static const struct od_amd_config config = OD_AMD_CONFIG_DEFAULT;
    struct sound s = {0};
    unsigned found = 0;
    uint64_t own = options->seed + 77;
    for (unsigned minute = 0; minute < options->minutes; minute++) {
        struct od_amd amd;
        struct od_amd_verdict verdict;
        uint8_t ulaw[OD_FRAME_BYTES];
        sound_clear(&s);
        amd_item_hold(options->set, minute % 4, &s, &own);
        sound_noise(&s, &own, -60);
        od_amd_init(&amd, &config);
        od_amd_answer(&amd);
        for (size_t i = 0; i + OD_FRAME_BYTES <= s.count; i += OD_FRAME_BYTES) {
            encode(s.at + i, ulaw);
            if (od_amd_frame(&amd, ulaw, &verdict) && verdict.kind == OD_AMD_BEEP) {
                printf("a beep in minute %u at %u ms (%u Hz, %u ms), kind %u\n", minute,
                       verdict.at_ms, amd.beep.hz, amd.beep.frames * 20u, minute % 4);
                found++;
            }
        }
    }
    sound_free(&s);
    printf("ringback and music: %u minutes, %u beeps\n", options->minutes, found);
    return found > 0;
}

static bool read_options(int argc, char **argv, struct options *out)
{
    *out = (struct options){.name = "fitted",
                            .seed = 1,
                            .items = 400,
                            .minutes = 12,
                            .sounds = "/usr/share/asterisk/sounds",
                            .config = OD_AMD_CONFIG_DEFAULT};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--roc"))
            out->roc = true;
        else if (!strcmp(argv[i], "--misses"))
            out->misses = true;
        else if (!strcmp(argv[i], "--states"))
            out->states = true;
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            out->seed = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--items") && i + 1 < argc)
            out->items = (unsigned)atoi(argv[++i]);
        else if (!strcmp(argv[i], "--music-minutes") && i + 1 < argc)
            out->minutes = (unsigned)atoi(argv[++i]);
        else if (!strcmp(argv[i], "--set") && i + 1 < argc)
            out->name = argv[++i];
        else if (!strcmp(argv[i], "--human-as-machine") && i + 1 < argc)
            out->config.human_as_machine = (uint16_t)atoi(argv[++i]);
        else if (!strcmp(argv[i], "--machine-as-human") && i + 1 < argc)
            out->config.machine_as_human = (uint16_t)atoi(argv[++i]);
        else if (!strcmp(argv[i], "--sounds") && i + 1 < argc)
            out->sounds = argv[++i];
        else
            return false;
    }
    out->set = amd_set_of(out->name);
    return out->set != NULL;
}

int main(int argc, char **argv)
{
    struct options options;
    if (!read_options(argc, argv, &options)) {
        fprintf(stderr,
                "usage: amd_corpus [--set fitted|voices|flite|recorded] [--seed N] [--items N] "
                "[--music-minutes N] [--roc] [--misses] [--states] [--sounds DIR] "
                "[--human-as-machine N] [--machine-as-human N]\n");
        return 2;
    }
    if (!amd_set_ready(options.set, options.sounds)) {
        fprintf(stderr,
                "amd_corpus: what the set needs is not installed: espeak-ng, flite, or "
                "recordings in %s\n",
                options.sounds);
        return 2;
    }
    struct result *results = calloc(options.items + 1, sizeof *results);
    if (!results)
        return 2;
    if (!options.states)
        printf("seed %llu\n", (unsigned long long)options.seed);
    size_t count = make_corpus(&options, results);
    int missed = 0;
    if (!options.states)
        missed = report(results, count, !strcmp(options.name, "fitted"));
    if (options.roc)
        print_roc(results, count);
    if (options.minutes && !options.states)
        missed += listen_for_beeps(&options);
    free(results);
    return missed ? 1 : 0;
}
