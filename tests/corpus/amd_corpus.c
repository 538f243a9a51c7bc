/*
 * amd_corpus - goal: the verdicts of engine/media/amd are good enough to act on: few persons taken
 * for machines, most machines found, soon; beeps found, and none in ringback or music. Method: a
 * labelled corpus made anew from a seed (synthesised persons and greetings in several voices and
 * lengths, recorded prompts, beeps, ringback, special information tones, fax, noise, loss), each
 * item played into the detector frame by frame. Prints the confusion table; --roc prints the curve
 * over the costs too; fails when a goal is missed.
 *
 * usage: amd_corpus [--seed N] [--items N] [--music-minutes N] [--roc] [--misses]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/media/amd.h"
#include "tests/corpus/amd_sounds.h"

enum truth { PERSON, VOICEMAIL, SCREEN, FAXED, NETWORK, RINGING, NOTHING, TRUTHS };
static const char *const TRUTH_NAMES[TRUTHS] = {"person",  "machine",  "screening", "fax",
                                                "network", "ringback", "nothing"};

struct line {
    const char *voice, *text;
};

static const char *const VOICES[] = {"en-us",    "en-us+f2", "en-us+m3",
                                     "en-gb",    "en-gb+f4", "en-gb+m5",
                                     "en-us+f1", "en-us+m7", "en-gb-scotland"};

/* Most persons say a word or two; some say their name, a few answer for a firm. */
static const char *const HELLOS[] = {
    "Hello?", "Hello.", "Hello?", "Yes?", "Hi.", "Hello, hello?", "Yeah, hi.", "Yes, hello?",
};
static const char *const NAMES[] = {
    "Who is this?",           "Anna Miller.",  "Speaking.",
    "Hello, this is Tom.",    "Good morning.", "Hi, it's Maria.",
    "Hello, Peter speaking.", "Go ahead.",
};
static const char *const OFFICES[] = {
    "Good afternoon, Acme Plumbing.",
    "Smith and Sons, good morning.",
    "Riverside Dental, Susan speaking.",
};
static const struct line FOREIGN[] = {
    {"de", "Hallo?"},
    {"de", "M\xc3\xbcller."},
    {"de", "Ja, bitte?"},
    {"fr", "All\xc3\xb4 ?"},
    {"es", "\xc2\xbf"
           "D\xc3\xadga?"},
    {"it", "Pronto?"},
    {"nl", "Met Jan."},
};
static const char *const GREETINGS[] = {
    "Hi, you have reached John Carter. I can't come to the phone right now. Please leave your name "
    "and number after the tone.",
    "You've reached the Millers. We are not at home. Leave a message after the beep.",
    "Your call has been forwarded to an automated voice message system. The person you are trying "
    "to reach is not available. At the tone, please record your message.",
    "Hello. This is Susan. I am busy at the moment, so please leave me a message and I will call "
    "you back as soon as I can. Thank you.",
    "Hey, it's Mike, leave a message.",
    "Thank you for calling Riverside Dental. Our office is closed. Our hours are Monday to Friday, "
    "nine to five. Please leave a message.",
    "The number you have called is not available. Please leave a message after the tone.",
    "Welcome to the voice mailbox of five five five, one two three four. Nobody can take your call "
    "now.",
    "Hi. Sorry I missed your call. Please leave a message, or send me a text.",
    "You have reached the voicemail box of Anna. To leave a message, wait for the tone.",
};
static const struct line FOREIGN_GREETINGS[] = {
    {"de", "Guten Tag, hier ist der Anrufbeantworter von Familie Schmidt. Bitte hinterlassen Sie "
           "eine Nachricht nach dem Ton."},
    {"fr",
     "Bonjour, vous \xc3\xaates bien sur la messagerie de Pierre. Laissez un message apr\xc3\xa8s "
     "le bip."},
    {"es", "Hola, ahora no puedo atender tu llamada. Deja un mensaje despu\xc3\xa9s de la "
           "se\xc3\xb1"
           "al."},
};
static const char *const SCREENINGS[] = {
    "Hi. The person you are calling is using a screening service. Please say your name and why you "
    "are calling.",
    "Before I try to connect you, can I ask what you are calling about? Go ahead and tell me.",
};
static const char *const PROMPTS[][5] = {
    {"vm-theperson", "digits/5", "digits/2", "vm-isunavail", "vm-intro"},
    {"vm-theperson", "digits/4", "digits/1", "vm-isonphone", "vm-intro"},
    {"vm-intro"},
    {"vm-nobodyavail", "vm-intro"},
    {"vm-rec-unv"},
    {"im-sorry", "number-not-answering", "vm-leavemsg"},
};

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define PICK(a, seed) ((a)[sound_random(seed, COUNT(a))])

struct item {
    enum truth truth;
    bool beep;        /* there is one */
    uint32_t beep_ms; /* when it is over */
    char text[64];
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "amd_corpus: %s: is espeak-ng (or asterisk-core-sounds-en-wav) installed?\n",
            what);
    exit(2);
}

static void note(struct item *item, const char *text)
{
    snprintf(item->text, sizeof item->text, "%s", text);
}

static void say(struct sound *s, uint64_t *seed, struct item *item, const char *text)
{
    must(sound_say(s, PICK(VOICES, seed), 140 + 20 * sound_random(seed, 4), text,
                   sound_between(seed, 0.25, 1.0)),
         text);
    note(item, text);
}

static void say_line(struct sound *s, uint64_t *seed, struct item *item, const struct line *line)
{
    must(sound_say(s, line->voice, 150 + 20 * sound_random(seed, 3), line->text,
                   sound_between(seed, 0.25, 1.0)),
         line->text);
    note(item, line->text);
}

static void make_person(struct sound *s, uint64_t *seed, struct item *item)
{
    sound_silence(s, 160 + sound_random(seed, 900));
    uint32_t kind = sound_random(seed, 100);
    if (kind < 6)
        say(s, seed, item, PICK(OFFICES, seed));
    else if (kind < 22)
        say(s, seed, item, PICK(NAMES, seed));
    else if (kind < 42)
        say_line(s, seed, item, &FOREIGN[sound_random(seed, COUNT(FOREIGN))]);
    else
        say(s, seed, item, PICK(HELLOS, seed));
    sound_silence(s, 1400 + sound_random(seed, 1200));
    if (sound_random(seed, 3) == 0) {
        char kept[sizeof item->text];
        memcpy(kept, item->text, sizeof kept);
        say(s, seed, item, "Hello?");
        memcpy(item->text, kept, sizeof kept);
    }
    sound_silence(s, 3000);
}

static void put_beep(struct sound *s, uint64_t *seed, struct item *item)
{
    static const double hz[] = {440, 600, 800, 850, 950, 1000, 1100, 1400, 1500, 2000};
    double chosen = PICK(hz, seed);
    unsigned ms = 150 + sound_random(seed, chosen < 520 ? 200 : 750);
    sound_silence(s, 250 + sound_random(seed, 1200));
    if (sound_random(seed, 8) == 0)
        must(sound_prompt(s, "beep", 1.0), "beep");
    else
        sound_tones(s, chosen, 0, sound_between(seed, -28, -10), ms);
    item->beep = true;
    item->beep_ms = (uint32_t)(s->count / 8);
    sound_silence(s, 3000);
}

static void make_voicemail(struct sound *s, uint64_t *seed, struct item *item)
{
    sound_silence(s, 200 + sound_random(seed, 1400));
    uint32_t kind = sound_random(seed, 100);
    if (kind < 30) {
        const char *const *prompts = PROMPTS[sound_random(seed, COUNT(PROMPTS))];
        for (unsigned i = 0; i < COUNT(PROMPTS[0]) && prompts[i]; i++)
            must(sound_prompt(s, prompts[i], 0.8), prompts[i]);
        note(item, prompts[0]);
    } else if (kind < 45) {
        say_line(s, seed, item, &FOREIGN_GREETINGS[sound_random(seed, COUNT(FOREIGN_GREETINGS))]);
    } else {
        say(s, seed, item, PICK(GREETINGS, seed));
    }
    put_beep(s, seed, item);
}

static void make_screening(struct sound *s, uint64_t *seed, struct item *item)
{
    sound_silence(s, 200 + sound_random(seed, 400));
    say(s, seed, item, PICK(SCREENINGS, seed));
    sound_silence(s, 5000);
}

static void make_fax(struct sound *s, uint64_t *seed, struct item *item)
{
    sound_silence(s, 200 + sound_random(seed, 1800));
    sound_tones(s, sound_between(seed, 2085, 2115), 0, sound_between(seed, -25, -12),
                2600 + sound_random(seed, 1400));
    sound_silence(s, 1000);
    note(item, "CED");
}

static void make_network(struct sound *s, uint64_t *seed, struct item *item)
{
    bool high = sound_random(seed, 2);
    sound_silence(s, 100 + sound_random(seed, 600));
    sound_tones(s, high ? 985.2 : 950, 0, -20, high ? 380 : 330);
    sound_tones(s, high ? 1428.5 : 1400, 0, -20, high ? 276 : 330);
    sound_tones(s, high ? 1776.7 : 1800, 0, -20, high ? 380 : 330);
    sound_silence(s, 300);
    must(sound_prompt(s, sound_random(seed, 2) ? "ss-noservice" : "cannot-complete-as-dialed", 0.8),
         "ss-noservice");
    sound_silence(s, 1500);
    note(item, "SIT");
}

/* Ringback and busy tones of several networks (ITU-T E.180 supplement 2). */
static const struct cadence {
    double hz1, hz2;
    unsigned on, off, on2, off2;
} CADENCES[] = {
    {440, 480, 2000, 4000, 0, 0}, {425, 0, 1000, 4000, 0, 0}, {400, 450, 400, 200, 400, 2000},
    {425, 0, 1500, 3500, 0, 0},   {450, 0, 1000, 4000, 0, 0}, {480, 620, 500, 500, 0, 0},
    {425, 0, 480, 480, 0, 0},     {425, 0, 240, 240, 0, 0},   {450, 0, 350, 350, 0, 0},
    {400, 0, 375, 375, 0, 0},     {440, 0, 1000, 5000, 0, 0},
};

static void put_cadence(struct sound *s, uint64_t *seed, unsigned ms)
{
    const struct cadence *c = &CADENCES[sound_random(seed, COUNT(CADENCES))];
    size_t end = s->count + (size_t)ms * 8;
    double dbov = sound_between(seed, -30, -14);
    while (s->count < end) {
        sound_tones(s, c->hz1, c->hz2, dbov, c->on);
        sound_silence(s, c->off);
        if (c->on2) {
            sound_tones(s, c->hz1, c->hz2, dbov, c->on2);
            sound_silence(s, c->off2);
        }
    }
}

static void make_ringing(struct sound *s, uint64_t *seed, struct item *item)
{
    sound_silence(s, sound_random(seed, 800));
    put_cadence(s, seed, 7000);
    note(item, "ringback");
}

static void make_nothing(struct sound *s, uint64_t *seed, struct item *item)
{
    (void)seed;
    sound_silence(s, 7000);
    note(item, "noise");
}

static void (*const MAKERS[TRUTHS])(struct sound *, uint64_t *, struct item *) = {
    make_person,  make_voicemail, make_screening, make_fax,
    make_network, make_ringing,   make_nothing};

/* Of a hundred items so many are of each kind: about as an outbound campaign meets them. */
static const unsigned SHARES[TRUTHS] = {58, 26, 4, 3, 3, 3, 3};

struct result {
    enum truth truth;
    bool has_beep, beep_found, beep_false;
    uint8_t first;     /* the first verdict */
    uint8_t last;      /* what was believed at the end of the item */
    uint32_t at_ms;    /* after the answer */
    uint32_t after_ms; /* after the callee's first sound */
    uint16_t runs[OD_AMD_RUNS_MAX];
    uint8_t run_count;
    char text[64];
};

static void encode(const int16_t *pcm, uint8_t out[OD_FRAME_BYTES])
{
    for (unsigned i = 0; i < OD_FRAME_BYTES; i++)
        out[i] = od_ulaw_encode(pcm[i]);
}

static void play(const struct sound *s, const struct item *item, struct result *out)
{
    static const struct od_amd_config config = OD_AMD_CONFIG_DEFAULT;
    struct od_amd amd;
    struct od_amd_verdict verdict;
    uint8_t ulaw[OD_FRAME_BYTES];
    bool first = true;
    *out = (struct result){.truth = item->truth, .has_beep = item->beep};
    memcpy(out->text, item->text, sizeof out->text);
    od_amd_init(&amd, &config);
    od_amd_answer(&amd);
    for (size_t i = 0; i + OD_FRAME_BYTES <= s->count; i += OD_FRAME_BYTES) {
        encode(s->at + i, ulaw);
        if (!od_amd_frame(&amd, ulaw, &verdict))
            continue;
        if (first) {
            first = false;
            out->first = verdict.kind == OD_AMD_BEEP ? OD_AMD_MACHINE : verdict.kind;
            out->at_ms = verdict.at_ms;
            out->after_ms = verdict.at_ms - (amd.run_count > 1 ? amd.runs_ms[0] : 0);
            out->run_count = amd.run_count;
            memcpy(out->runs, amd.runs_ms, sizeof out->runs);
        }
        if (verdict.kind == OD_AMD_BEEP) {
            bool right = item->beep && verdict.at_ms >= item->beep_ms &&
                         verdict.at_ms < item->beep_ms + 1000;
            out->beep_found = out->beep_found || right;
            out->beep_false = out->beep_false || !right;
        }
        if (verdict.kind != OD_AMD_BEEP && verdict.kind != OD_AMD_GREETING_END)
            out->last = verdict.kind;
    }
    if (out->beep_found)
        out->last = OD_AMD_MACHINE;
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

static size_t make_corpus(uint64_t seed, unsigned items, bool misses, struct result *results)
{
    struct sound s = {0};
    size_t count = 0;
    for (unsigned truth = 0; truth < TRUTHS; truth++) {
        for (unsigned i = 0; i < items * SHARES[truth] / 100; i++) {
            struct item item = {.truth = (enum truth)truth};
            uint64_t own = seed * UINT64_C(0x9e3779b97f4a7c15) + truth * 1000003u + i * 7919u + 1;
            sound_random(&own, 2);
            sound_clear(&s);
            MAKERS[truth](&s, &own, &item);
            sound_noise(&s, &own, sound_between(&own, -75, -45));
            if (sound_random(&own, 3) == 0)
                sound_loss(&s, &own, sound_between(&own, 0, 0.05));
            play(&s, &item, &results[count]);
            const struct result *r = &results[count++];
            bool wrong = (truth == PERSON && r->first == OD_AMD_MACHINE) ||
                         (truth == VOICEMAIL && r->first != OD_AMD_MACHINE) ||
                         (item.beep && !r->beep_found) || r->beep_false;
            if (misses && wrong) {
                printf("miss: %s \"%s\": %s at %u ms%s%s; runs", TRUTH_NAMES[truth], r->text,
                       od_amd_kind_name(r->first), r->at_ms,
                       item.beep && !r->beep_found ? ", beep missed" : "",
                       r->beep_false ? ", false beep" : "");
                for (unsigned k = 0; k < r->run_count; k++)
                    printf(" %u", r->runs[k]);
                printf("\n");
            }
        }
    }
    sound_free(&s);
    return count;
}

static int report(const struct result *results, size_t count)
{
    uint32_t table[TRUTHS][OD_AMD_KINDS] = {{0}}, totals[TRUTHS] = {0};
    uint32_t beeps = 0, beeps_found = 0, beeps_false = 0, times = 0, person_times = 0;
    uint32_t *at = calloc(count, sizeof *at), *at_person = calloc(count, sizeof *at_person);
    uint32_t *after = calloc(count, sizeof *after);
    for (size_t i = 0; i < count; i++) {
        const struct result *r = &results[i];
        table[r->truth][r->truth == SCREEN ? r->last : r->first]++;
        totals[r->truth]++;
        beeps += r->has_beep;
        beeps_found += r->beep_found;
        beeps_false += r->beep_false;
        if (r->truth == PERSON || r->truth == VOICEMAIL)
            after[times] = r->after_ms;
        if (r->truth == PERSON || r->truth == VOICEMAIL)
            at[times++] = r->at_ms;
        if (r->truth == PERSON)
            at_person[person_times++] = r->at_ms;
    }
    qsort(at, times, sizeof *at, by_time);
    qsort(after, times, sizeof *after, by_time);
    qsort(at_person, person_times, sizeof *at_person, by_time);
    printf("| truth | items |");
    for (unsigned k = 0; k < OD_AMD_BEEP; k++)
        printf(" %s |", od_amd_kind_name(k));
    printf("\n|---|---|---|---|---|---|---|---|\n");
    for (unsigned t = 0; t < TRUTHS; t++) {
        printf("| %s | %u |", TRUTH_NAMES[t], totals[t]);
        for (unsigned k = 0; k < OD_AMD_BEEP; k++)
            printf(" %u |", table[t][k]);
        printf("\n");
    }
    double wrong = 100.0 * table[PERSON][OD_AMD_MACHINE] / totals[PERSON];
    double found = 100.0 * table[VOICEMAIL][OD_AMD_MACHINE] / totals[VOICEMAIL];
    uint32_t median = after[times / 2];
    printf("\npersons called machine %.1f %%, machines found %.1f %%\n", wrong, found);
    printf("verdict after the callee's first sound: median %u ms; after the answer: median %u ms "
           "(persons %u ms), p95 %u ms\n",
           median, at[times / 2], at_person[person_times / 2], at[times * 95 / 100]);
    printf("beeps found %u of %u, false %u\n", beeps_found, beeps, beeps_false);
    free(after);
    free(at);
    free(at_person);
    int missed = 0;
    if (wrong > 2.0)
        missed += printf("MISSED: at most 2 %% of persons may be called machine\n") > 0;
    if (found < 90.0)
        missed += printf("MISSED: at least 90 %% of machines are to be found\n") > 0;
    if (median >= 1500)
        missed += printf("MISSED: the median verdict is to come within 1.5 s\n") > 0;
    if (beeps_found * 100 < beeps * 95)
        missed += printf("MISSED: at least 95 %% of beeps are to be found\n") > 0;
    if (beeps_false)
        missed += printf("MISSED: a beep was found where none was\n") > 0;
    return missed;
}

/* Ringback and music, with speech in between so that the detector is at its most willing. */
static int listen_for_beeps(uint64_t seed, unsigned minutes)
{
    static const struct od_amd_config config = OD_AMD_CONFIG_DEFAULT;
    struct sound s = {0};
    unsigned found = 0;
    uint64_t own = seed + 77;
    for (unsigned minute = 0; minute < minutes; minute++) {
        struct od_amd amd;
        struct od_amd_verdict verdict;
        uint8_t ulaw[OD_FRAME_BYTES];
        struct item item = {.truth = NOTHING};
        sound_clear(&s);
        say(&s, &own, &item, "Please hold the line.");
        sound_silence(&s, 300);
        switch (minute % 4) {
        case 0:
            put_cadence(&s, &own, 57000);
            break;
        case 1:
            sound_music(&s, &own, 57000, false);
            break;
        case 2:
            sound_chords(&s, &own, 57000);
            break;
        default:
            sound_music(&s, &own, 57000, true);
        }
        sound_silence(&s, 1000);
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
    printf("ringback and music: %u minutes, %u beeps\n", minutes, found);
    return found > 0;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    unsigned items = 400, minutes = 12;
    bool roc = false, misses = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--roc"))
            roc = true;
        else if (!strcmp(argv[i], "--misses"))
            misses = true;
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--items") && i + 1 < argc)
            items = (unsigned)atoi(argv[++i]);
        else if (!strcmp(argv[i], "--music-minutes") && i + 1 < argc)
            minutes = (unsigned)atoi(argv[++i]);
        else {
            fprintf(stderr, "usage: amd_corpus [--seed N] [--items N] [--music-minutes N] [--roc] "
                            "[--misses]\n");
            return 2;
        }
    }
    struct result *results = calloc(items + 1, sizeof *results);
    if (!results)
        return 2;
    printf("seed %llu\n", (unsigned long long)seed);
    size_t count = make_corpus(seed, items, misses, results);
    int missed = report(results, count);
    if (roc)
        print_roc(results, count);
    missed += listen_for_beeps(seed, minutes);
    free(results);
    return missed ? 1 : 0;
}
