/*
 * amd_items - see amd_items.h. Random numbers are drawn one statement at a time: their order makes
 * the item.
 */
#include "tests/corpus/amd_items.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define PICK(a, seed) ((a)[sound_random(seed, COUNT(a))])

struct line {
    const char *voice, *text;
};
struct texts {
    const char *const *at;
    size_t count;
};
struct lines {
    const struct line *at;
    size_t count;
};
#define LIST(a)                                                                                    \
    {                                                                                              \
        (a), COUNT(a)                                                                              \
    }

struct amd_set {
    const char *name;
    struct texts voices;
    unsigned rate, rates; /* words per minute: of the slowest, and how many steps of 20 above it */
    struct texts hellos, names, offices, greetings, screenings;
    struct lines foreign, foreign_greetings;
    bool
        recorded; /* persons and greetings are recordings: of the texts only the screenings count */
};

/* ---- fitted ---- */

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

/* ---- other texts and voices ---- */

static const char *const OTHER_HELLOS[] = {
    "Hello?", "Yes?", "Hey.", "Yep.", "Hello there.", "Good evening.", "Hello, who's calling?",
    "Yeah?",
};
static const char *const OTHER_NAMES[] = {
    "David Brown.",    "What's up?",         "Hello, Jennifer here.", "Speaking, hello.",
    "This is Robert.", "Yes, good evening.", "Who's there?",          "Taylor residence.",
};
static const char *const OTHER_OFFICES[] = {
    "City Hospital, how can I help?",
    "Northside Garage.",
    "Law offices, good morning.",
};
static const char *const OTHER_GREETINGS[] = {
    ("Hello, you've reached the voicemail of Doctor Brown. Please leave your name and telephone "
     "number."),
    "Hi there, it's Kate. I can't talk at the moment. Please call again later or leave a message.",
    "Sorry, nobody is available to take your call. Please record your message after the tone.",
    "This is David Brown. Please leave a message.",
    "Good day. Our offices are closed. Please call again tomorrow between eight and five.",
    "The customer you are calling is not available at the moment. Please try again later.",
    "Hey! You know what to do. Wait for the beep.",
    "Welcome to the message service of seven two one, four four nine. Please speak after the tone.",
    "I'm away from my desk right now. Please leave a message and I'll get back to you.",
};
static const char *const OTHER_VOICES[] = {
    "en-029",       "en-gb-x-rp", "en-us-nyc", "en-gb-x-gbclan", "en-us+klatt",
    "en-gb+klatt4", "en-us+f5",   "en-us+m1",  "en-gb+croak",
};
static const struct line OTHER_FOREIGN[] = {
    {"pt", "Al\xc3\xb4?"},  {"pt", "Estou?"},        {"sv", "Hall\xc3\xa5?"},
    {"da", "Det er Jens."}, {"pl", "Halo?"},         {"pl", "S\xc5\x82ucham?"},
    {"tr", "Efendim?"},     {"hu", "Hall\xc3\xb3?"}, {"cs", "Pros\xc3\xadm?"},
    {"fi", "Haloo?"},
};
static const struct line OTHER_FOREIGN_GREETINGS[] = {
    {"pt", "Ol\xc3\xa1, neste momento n\xc3\xa3o posso atender. Deixe a sua mensagem depois do "
           "sinal."},
    {"sv", "Hej, du har kommit till Anna. Jag kan inte svara just nu. L\xc3\xa4mna ett "
           "meddelande efter tonen."},
    {"pl", "Dzie\xc5\x84 dobry. Nie mog\xc4\x99 teraz odebra\xc4\x87. Prosz\xc4\x99 "
           "zostawi\xc4\x87 wiadomo\xc5\x9b\xc4\x87 po sygnale."},
};
static const char *const FLITE_VOICES[] = {"flite:kal16", "flite:awb", "flite:rms", "flite:slt"};

/* Recordings that are as short as what a person says, and such that a machine might say. */
static const char *const SHORT_PROMPTS[] = {
    "hello",
    "sorry",
    "goodbye",
    "phonetic/m_p",
    "phonetic/c_p",
    "phonetic/o_p",
    "phonetic/v_p",
    "phonetic/r_p",
    "phonetic/j_p",
    "digits/today",
    "auth-thankyou",
    "vm-goodbye",
    "vm-Family",
    "one-moment-please",
    "hello-world",
    "is-in-use",
    "please-try-again",
    "vm-isunavail",
};
static const char *const LONG_PROMPTS[] = {
    "vm-rec-temp",
    "vm-rec-busy",
    "vm-mailboxfull",
    "vm-nobox",
    "vm-instructions",
    "vm-opts",
    "vm-options",
    "vm-login",
    "vm-forward",
    "privacy-unident",
    "privacy-prompt",
    "priv-callpending",
    "priv-introsaved",
    "pbx-invalid",
    "queue-youarenext",
    "queue-periodic-announce",
    "invalid",
    "tt-allbusy",
    "demo-thanks",
    "demo-nogo",
    "demo-abouttotry",
    "demo-enterkeywords",
    "dir-intro",
    "dir-instr",
    "conf-usermenu",
    "conf-onlyperson",
    "conf-getconfno",
    "agent-user",
    "agent-alreadyon",
    "auth-incorrect",
    "screen-callee-options",
    "conf-adminmenu",
    "vm-newuser",
    "vm-msginstruct",
    "vm-whichbox",
};

static const struct amd_set SETS[] = {
    {.name = "fitted",
     .voices = LIST(VOICES),
     .rate = 140,
     .rates = 4,
     .hellos = LIST(HELLOS),
     .names = LIST(NAMES),
     .offices = LIST(OFFICES),
     .greetings = LIST(GREETINGS),
     .screenings = LIST(SCREENINGS),
     .foreign = LIST(FOREIGN),
     .foreign_greetings = LIST(FOREIGN_GREETINGS)},
    {.name = "voices",
     .voices = LIST(OTHER_VOICES),
     .rate = 120,
     .rates = 6,
     .hellos = LIST(OTHER_HELLOS),
     .names = LIST(OTHER_NAMES),
     .offices = LIST(OTHER_OFFICES),
     .greetings = LIST(OTHER_GREETINGS),
     .screenings = LIST(SCREENINGS),
     .foreign = LIST(OTHER_FOREIGN),
     .foreign_greetings = LIST(OTHER_FOREIGN_GREETINGS)},
    {.name = "flite",
     .voices = LIST(FLITE_VOICES),
     .rate = 130,
     .rates = 4,
     .hellos = LIST(OTHER_HELLOS),
     .names = LIST(OTHER_NAMES),
     .offices = LIST(OTHER_OFFICES),
     .greetings = LIST(OTHER_GREETINGS),
     .screenings = LIST(SCREENINGS)},
    {.name = "recorded",
     .voices = LIST(VOICES),
     .rate = 140,
     .rates = 4,
     .screenings = LIST(SCREENINGS),
     .recorded = true},
};

const struct amd_set *amd_set_of(const char *name)
{
    for (size_t i = 0; i < COUNT(SETS); i++)
        if (strcmp(SETS[i].name, name) == 0)
            return &SETS[i];
    return NULL;
}

const char *truth_name(enum truth truth)
{
    static const char *const names[TRUTHS] = {"person",  "machine",  "screening", "fax",
                                              "network", "ringback", "nothing"};
    return names[truth];
}

bool amd_set_ready(const struct amd_set *set, const char *sounds)
{
    struct sound s = {0};
    bool good = sound_recordings(sounds) > 0 &&
                (set->recorded || sound_say(&s, set->voices.at[0], 150, "Hello.", 1.0));
    sound_free(&s);
    return good;
}

/* ---- items ---- */

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "amd_corpus: %s: is espeak-ng (or asterisk-core-sounds-en-wav) installed?\n",
            what);
    exit(2);
}

static const char *pick(const struct texts *texts, uint64_t *seed)
{
    return texts->at[sound_random(seed, (uint32_t)texts->count)];
}

static void note(struct item *item, const char *text)
{
    snprintf(item->text, sizeof item->text, "%s", text);
}

/* One of the texts, said by any voice of the set. */
static void say(const struct amd_set *set, struct sound *s, uint64_t *seed, struct item *item,
                const char *text)
{
    double gain = sound_between(seed, 0.25, 1.0);
    unsigned rate = set->rate + 20 * sound_random(seed, set->rates);
    const char *voice = pick(&set->voices, seed);
    must(sound_say(s, voice, rate, text, gain), text);
    note(item, text);
}

static void say_line(struct sound *s, uint64_t *seed, struct item *item, const struct lines *lines)
{
    const struct line *line = &lines->at[sound_random(seed, (uint32_t)lines->count)];
    double gain = sound_between(seed, 0.25, 1.0);
    unsigned rate = 150 + 20 * sound_random(seed, 3);
    must(sound_say(s, line->voice, rate, line->text, gain), line->text);
    note(item, line->text);
}

/* One of the recordings, by any speaker who has it; without the silence around it when it is
 * a person's. */
static void play_any(struct sound *s, uint64_t *seed, struct item *item, const struct texts *names,
                     bool trim)
{
    for (unsigned tries = 0; tries < 50; tries++) {
        uint32_t speaker = sound_random(seed, sound_recordings(NULL));
        const char *name = pick(names, seed);
        double gain = sound_between(seed, 0.25, 0.9);
        note(item, name);
        if (sound_recording(s, speaker, name, gain, trim))
            return;
    }
    must(false, "recordings");
}

static void make_person(const struct amd_set *set, struct sound *s, uint64_t *seed,
                        struct item *item)
{
    sound_silence(s, 160 + sound_random(seed, 900));
    uint32_t kind = sound_random(seed, 100);
    if (set->recorded)
        play_any(s, seed, item, &(struct texts)LIST(SHORT_PROMPTS), true);
    else if (kind < 6)
        say(set, s, seed, item, pick(&set->offices, seed));
    else if (kind < 22)
        say(set, s, seed, item, pick(&set->names, seed));
    else if (kind < 42 && set->foreign.count)
        say_line(s, seed, item, &set->foreign);
    else
        say(set, s, seed, item, pick(&set->hellos, seed));
    sound_silence(s, 1400 + sound_random(seed, 1200));
    if (sound_random(seed, 3) == 0 && !set->recorded) {
        char kept[sizeof item->text];
        memcpy(kept, item->text, sizeof kept);
        say(set, s, seed, item, "Hello?");
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

static void make_voicemail(const struct amd_set *set, struct sound *s, uint64_t *seed,
                           struct item *item)
{
    sound_silence(s, 200 + sound_random(seed, 1400));
    uint32_t kind = sound_random(seed, 100);
    if (set->recorded) {
        play_any(s, seed, item, &(struct texts)LIST(LONG_PROMPTS), false);
    } else if (kind < 30 && set == SETS) {
        const char *const *prompts = PROMPTS[sound_random(seed, COUNT(PROMPTS))];
        for (unsigned i = 0; i < COUNT(PROMPTS[0]) && prompts[i]; i++)
            must(sound_prompt(s, prompts[i], 0.8), prompts[i]);
        note(item, prompts[0]);
    } else if (kind < 45 && set->foreign_greetings.count) {
        say_line(s, seed, item, &set->foreign_greetings);
    } else {
        say(set, s, seed, item, pick(&set->greetings, seed));
    }
    put_beep(s, seed, item);
}

static void make_screening(const struct amd_set *set, struct sound *s, uint64_t *seed,
                           struct item *item)
{
    sound_silence(s, 200 + sound_random(seed, 400));
    say(set, s, seed, item, pick(&set->screenings, seed));
    sound_silence(s, 5000);
}

static void make_fax(const struct amd_set *set, struct sound *s, uint64_t *seed, struct item *item)
{
    sound_silence(s, 200 + sound_random(seed, 1800));
    unsigned ms = 2600 + sound_random(seed, 1400);
    double dbov = sound_between(seed, -25, -12);
    double hz = sound_between(seed, 2085, 2115);
    (void)set;
    sound_tones(s, hz, 0, dbov, ms);
    sound_silence(s, 1000);
    note(item, "CED");
}

static void make_network(const struct amd_set *set, struct sound *s, uint64_t *seed,
                         struct item *item)
{
    bool high = sound_random(seed, 2);
    (void)set;
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

static void make_ringing(const struct amd_set *set, struct sound *s, uint64_t *seed,
                         struct item *item)
{
    (void)set;
    sound_silence(s, sound_random(seed, 800));
    put_cadence(s, seed, 7000);
    note(item, "ringback");
}

static void make_nothing(const struct amd_set *set, struct sound *s, uint64_t *seed,
                         struct item *item)
{
    (void)seed;
    (void)set;
    sound_silence(s, 7000);
    note(item, "noise");
}

static void (*const MAKERS[TRUTHS])(const struct amd_set *, struct sound *, uint64_t *,
                                    struct item *) = {make_person, make_voicemail, make_screening,
                                                      make_fax,    make_network,   make_ringing,
                                                      make_nothing};

const unsigned AMD_SHARES[TRUTHS] = {58, 26, 4, 3, 3, 3, 3};

void amd_item_make(const struct amd_set *set, enum truth truth, struct sound *s, uint64_t *seed,
                   struct item *item)
{
    MAKERS[truth](set, s, seed, item);
}

void amd_item_hold(const struct amd_set *set, unsigned kind, struct sound *s, uint64_t *seed)
{
    struct item item = {.truth = NOTHING};
    say(set, s, seed, &item, "Please hold the line.");
    sound_silence(s, 300);
    switch (kind) {
    case 0:
        put_cadence(s, seed, 57000);
        break;
    case 1:
        sound_music(s, seed, 57000, false);
        break;
    case 2:
        sound_chords(s, seed, 57000);
        break;
    default:
        sound_music(s, seed, 57000, true);
    }
    sound_silence(s, 1000);
}
