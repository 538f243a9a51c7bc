/*
 * amd - see amd.h. The levels of all frames since the answer are kept and cut into talk and pause
 * anew with each frame, because the noise floor is only known after a while: what looked like talk
 * in the first moments may turn out to be the line's noise. That is some hundred steps per frame,
 * for the first seconds of a call only.
 */
#include "engine/media/amd.h"

#include <string.h>

#include "engine/media/level.h"

#define MS(frames) ((uint32_t)(frames)*OD_FRAME_MS)

enum mark { MARK_SOUND, MARK_TONE, MARK_STEADY, MARK_MADE_UP };

enum {
    LEARN = 8,           /* frames before anything is judged */
    TALK_DBOV = 50,      /* softer than that is no talk */
    MARGIN_DB = 6,       /* talk is at least so far above the floor */
    RANGE_DB = 10,       /* less between loud and soft: one steady noise */
    CLICK = 5,           /* a run of talk shorter than 100 ms is a click */
    WORD_GAP = 11,       /* a pause of up to 220 ms is within speech */
    STEADY = 16,         /* frames */
    STEADY_DB = 4,       /* speech moves more than that within 320 ms */
    TONE_MIN = 5,        /* frames of one tone that are no vowel */
    FAX_HZ = 2100,       /* ITU-T T.30 section 4.1.1: CED, 2.6 s to 4 s */
    FAX_FRAMES = 40,     /* a beep of 2100 Hz is shorter than 800 ms */
    QUIET_END_MS = 2500, /* silence after a greeting that no beep ended */
    SCREEN_TALK_MIN_MS = 2000,
    SCREEN_TALK_MAX_MS = 9000,
    EARLY_TALK_MS = 1500, /* that much speech before the answer is an announcement */
    BEEP_UNTIL_MS = 120000,
    MONOLOGUE_MS = 5000,  /* a person who was greeted lets the other speak */
    MONOLOGUE_SHARE = 80, /* percent */
    STEADY_EDGE = 3,      /* frames before a steady sound that belong to its beginning */
};

/* Special information tones, ITU-T E.180 supplement 2: three in a row, each 330 +- 70 ms. North
 * American ones vary each by some hertz and may last 276 ms. */
static const uint16_t SIT_HZ[3] = {950, 1400, 1800};
enum { SIT_HZ_OFF = 60, SIT_MIN = 10, SIT_MAX = 23, SIT_GAP = 8 };

struct point {
    uint16_t ms;
    int16_t odds; /* ln(odds) times 100 */
};

/* For a machine: so much was said. */
static const struct point SAID[] = {
    {0, -60},    {600, -60},  {900, -30},  {1200, 40},  {1500, 150},  {1700, 250},
    {1900, 350}, {2100, 430}, {2600, 550}, {3500, 700}, {10000, 900},
};
/* For a person: it has been quiet for so long since. */
static const struct point WAITED[] = {
    {0, 0},     {240, 0},   {320, 20},   {400, 50},   {500, 80},   {560, 130},
    {620, 210}, {800, 360}, {1000, 460}, {1500, 620}, {2500, 900}, {10000, 900},
};
/* The same for a provisional verdict, which has no costs to fear: how the corpus had it. Made by
 * tests/corpus/amd_fit.py from its seeds 101 and 102; other seeds judge it. Of a pause shorter than
 * PAUSE_MIN_MS nothing is concluded: the stops inside words and many breaks inside sentences are
 * that short (E. Campione and J. Veronis, A large-scale multilingual study of silent pause
 * duration, Speech Prosody 2002: brief pauses are those below 200 ms). */
enum { PAUSE_MIN_MS = 160 };
static const struct point SAID_SHORTLY[] = {
    {200, -193}, {900, -160}, {1200, -96}, {1600, 56}, {2000, 179}, {3000, 529},
};
static const struct point WAITED_SHORTLY[] = {{160, 0}, {240, 20}, {400, 75}};
/* ln x times 100 */
static const struct point LOGARITHM[] = {
    {1, 0},    {2, 69},   {3, 110},   {5, 161},   {8, 208},    {12, 248},    {20, 300},
    {40, 369}, {60, 409}, {100, 461}, {200, 530}, {1000, 691}, {10000, 921}, {65535, 1109},
};
/* odds to percent: 100 / (1 + exp(-odds)) */
static const struct point PERCENT[] = {
    {0, 50}, {50, 62}, {100, 73}, {150, 82}, {200, 88}, {250, 92}, {300, 95}, {400, 98}, {500, 99},
};
#define LOOK_UP(table, x) look_up(table, sizeof(table) / sizeof *(table), x)

static int32_t look_up(const struct point *table, size_t count, uint32_t x)
{
    size_t i = 1;
    if (x <= table[0].ms)
        return table[0].odds;
    while (i < count && table[i].ms < x)
        i++;
    if (i == count)
        return table[count - 1].odds;
    int32_t across = table[i].ms - table[i - 1].ms;
    int32_t rise = table[i].odds - table[i - 1].odds;
    return table[i - 1].odds + rise * ((int32_t)x - table[i - 1].ms) / across;
}

static uint8_t percent(int32_t odds)
{
    return (uint8_t)LOOK_UP(PERCENT, (uint32_t)(odds < 0 ? -odds : odds));
}

/* What the costs make of the odds: HUMAN, MACHINE or UNKNOWN (wait on). */
static uint8_t judge(const struct od_amd_config *config, uint32_t talk_ms, uint32_t pause_ms,
                     uint8_t *confidence)
{
    int32_t odds = LOOK_UP(SAID, talk_ms) - LOOK_UP(WAITED, pause_ms);
    *confidence = percent(odds);
    if (talk_ms == 0)
        return OD_AMD_UNKNOWN;
    if (odds >= LOOK_UP(LOGARITHM, config->human_as_machine))
        return OD_AMD_MACHINE;
    if (odds <= -LOOK_UP(LOGARITHM, config->machine_as_human))
        return OD_AMD_HUMAN;
    return OD_AMD_UNKNOWN;
}

/* The percentage for a person before the costs have an answer; 0 when there is nothing to say. */
static uint8_t guess_human(uint32_t talk_ms, uint32_t pause_ms)
{
    if (talk_ms == 0 || pause_ms < PAUSE_MIN_MS)
        return 0;
    int32_t odds = LOOK_UP(SAID_SHORTLY, talk_ms) - LOOK_UP(WAITED_SHORTLY, pause_ms);
    return odds < 0 ? percent(odds) : 0;
}

const char *od_amd_kind_name(enum od_amd_kind kind)
{
    static const char *const names[OD_AMD_KINDS] = {
        "unknown", "human", "machine", "screening", "fax", "announcement", "beep", "greeting_end"};
    return kind < OD_AMD_KINDS ? names[kind] : "unknown";
}

void od_amd_init(struct od_amd *amd, const struct od_amd_config *config)
{
    memset(amd, 0, sizeof *amd);
    amd->config = *config;
    amd->floor = 127;
    od_tone_init(&amd->tone);
    od_beep_init(&amd->beep);
}

void od_amd_answer(struct od_amd *amd)
{
    if (amd->answered)
        return;
    amd->early_ms = MS(amd->frames);
    amd->answered = true;
    amd->frames = 0;
    amd->talk_last = 0;
    amd->sit = 0;
    amd->fax_frames = 0;
    /* An announcement that began before stays one; everything else starts anew. */
    memset(amd->by_level, 0, sizeof amd->by_level);
    memset(amd->mark, 0, sizeof amd->mark);
    od_tone_init(&amd->tone);
    od_beep_init(&amd->beep);
}

/* ---- frames ---- */

static void remember_level(struct od_amd *amd, const struct od_tone_frame *frame)
{
    uint32_t i = amd->frames;
    if (i < OD_AMD_HISTORY) {
        amd->level[i] = frame->dbov;
        amd->mark[i] = MARK_SOUND;
        amd->by_level[frame->dbov]++;
    }
}

/* Ringback, busy tones and hum keep their level (averaged over three frames: two tones beat). */
static void mark_steady(struct od_amd *amd)
{
    uint32_t i = amd->frames;
    uint8_t low = 127, high = 0;
    if (i >= OD_AMD_HISTORY || i < 2)
        return;
    amd->smooth[i % STEADY] =
        (uint8_t)((amd->level[i] + amd->level[i - 1] + amd->level[i - 2] + 1) / 3);
    if (i < STEADY + 2)
        return;
    for (unsigned k = 0; k < STEADY; k++) {
        low = amd->smooth[k] < low ? amd->smooth[k] : low;
        high = amd->smooth[k] > high ? amd->smooth[k] : high;
    }
    if (high - low > STEADY_DB)
        return;
    for (uint32_t k = i - STEADY + 1 - STEADY_EDGE + 1; k <= i; k++)
        if (amd->mark[k] == MARK_SOUND)
            amd->mark[k] = MARK_STEADY;
}

static void mark_tone(struct od_amd *amd)
{
    uint32_t run = amd->tone.run.over ? 0 : amd->tone.run.frames;
    if (run < TONE_MIN || amd->frames >= OD_AMD_HISTORY)
        return;
    for (uint32_t k = run > amd->frames ? 0 : amd->frames + 1 - run; k <= amd->frames; k++)
        amd->mark[k] = MARK_TONE;
}

/* The level that `part` per mille of the frames are softer than. */
static uint8_t quantile(const struct od_amd *amd, uint32_t total, uint32_t part)
{
    uint32_t wanted = total * part / 1000, seen = 0;
    for (uint8_t level = 127;; level--) {
        seen += amd->by_level[level];
        if (seen > wanted || level == 0)
            return level;
    }
}

struct heard {
    uint32_t talk_ms, pause_ms, onset_ms, talks;
};

/* Notes a run for the record. */
static void keep_run(struct od_amd *amd, uint32_t frames)
{
    uint32_t ms = MS(frames);
    if (amd->run_count < OD_AMD_RUNS_MAX)
        amd->runs_ms[amd->run_count++] = (uint16_t)(ms > UINT16_MAX ? UINT16_MAX : ms);
}

static bool is_talk(const struct od_amd *amd, uint32_t i, uint8_t loudest)
{
    return amd->mark[i] == MARK_SOUND && amd->level[i] <= loudest;
}

/* Cuts what was heard so far into talk and pause. */
static struct heard cut(struct od_amd *amd)
{
    struct heard heard = {0, 0, 0, 0};
    uint32_t total = amd->frames < OD_AMD_HISTORY ? amd->frames : OD_AMD_HISTORY;
    uint8_t soft = quantile(amd, total, 100), loud = quantile(amd, total, 950);
    amd->floor = soft;
    amd->run_count = 0;
    uint32_t range = soft > loud ? soft - loud : 0;
    uint32_t margin = range * 35 / 100 > MARGIN_DB ? range * 35 / 100 : MARGIN_DB;
    uint32_t edge = soft > margin ? soft - margin : 0;
    uint8_t loudest = (uint8_t)(edge < TALK_DBOV ? edge : TALK_DBOV);
    if (range < RANGE_DB) {
        heard.pause_ms = MS(total);
        keep_run(amd, total);
        return heard;
    }
    uint32_t pause_from = 0, i = 0;
    while (i < total) {
        if (!is_talk(amd, i, loudest)) {
            i++;
            continue;
        }
        uint32_t from = i, last = i, voiced = 0;
        for (; i < total && i <= last + WORD_GAP; i++) {
            if (is_talk(amd, i, loudest)) {
                last = i;
                voiced++;
            }
        }
        i = last + 1;
        if (voiced < CLICK)
            continue;
        keep_run(amd, from - pause_from);
        keep_run(amd, last + 1 - from);
        if (!heard.talks++)
            heard.onset_ms = MS(from);
        heard.talk_ms += MS(last + 1 - from);
        pause_from = last + 1;
        amd->talk_last = last;
    }
    heard.pause_ms = MS(total - pause_from);
    keep_run(amd, total - pause_from);
    return heard;
}

/* ---- verdicts ---- */

static void keep_verdict(struct od_amd *amd, const struct od_amd_verdict *verdict)
{
    if (amd->verdict_count < OD_AMD_VERDICTS_MAX)
        amd->verdicts[amd->verdict_count++] = *verdict;
}

static bool say(struct od_amd *amd, uint8_t kind, uint8_t confidence, struct od_amd_verdict *out)
{
    *out = (struct od_amd_verdict){.kind = kind,
                                   .confidence = confidence,
                                   .early = !amd->answered,
                                   .settled = true,
                                   .at_ms = MS(amd->frames)};
    if (kind == OD_AMD_BEEP || kind == OD_AMD_GREETING_END) {
        amd->ended = true;
        if (kind == OD_AMD_BEEP)
            amd->kind = OD_AMD_MACHINE; /* whatever was believed before */
    } else {
        amd->kind = kind;
    }
    amd->decided = true;
    keep_verdict(amd, out);
    return true;
}

/* A provisional person, once. An announcement before the answer stays what is believed. */
static bool guess(struct od_amd *amd, const struct heard *heard, struct od_amd_verdict *out)
{
    uint8_t confidence = guess_human(heard->talk_ms, heard->pause_ms);
    if (amd->guessed || amd->decided || amd->config.provisional >= 100 ||
        confidence < amd->config.provisional || confidence == 0)
        return false;
    amd->guessed = true;
    amd->kind = OD_AMD_HUMAN;
    *out = (struct od_amd_verdict){
        .kind = OD_AMD_HUMAN, .confidence = confidence, .at_ms = MS(amd->frames)};
    keep_verdict(amd, out);
    return true;
}

static bool check_fax(struct od_amd *amd, const struct od_tone_frame *frame)
{
    uint32_t run = amd->tone.run.over ? 0 : amd->tone.run.frames;
    bool ced = frame->tone && run && od_tone_near(frame->hz, FAX_HZ) &&
               od_tone_near(amd->tone.run.hz, FAX_HZ);
    if (ced)
        amd->fax_frames = run;
    return ced && amd->fax_frames == FAX_FRAMES;
}

/* True with the third tone of the three. */
static bool check_sit(struct od_amd *amd, bool ended)
{
    const struct od_tone_run *run = &amd->tone.run;
    if (!ended || run->frames < SIT_MIN - 2)
        return false;
    uint32_t start = amd->frames - amd->tone.missing - run->frames;
    bool in_row = amd->sit == 0 || start <= amd->sit_end + SIT_GAP;
    uint16_t wanted = SIT_HZ[in_row ? amd->sit : 0];
    bool fits = run->hz + SIT_HZ_OFF >= wanted && run->hz <= wanted + SIT_HZ_OFF &&
                run->frames >= SIT_MIN && run->frames <= SIT_MAX;
    amd->sit = fits ? (uint8_t)((in_row ? amd->sit : 0) + 1) : 0;
    amd->sit_end = amd->frames;
    if (amd->sit < 3)
        return false;
    amd->sit = 0;
    return true;
}

static void keep_tone(struct od_amd *amd, bool ended)
{
    if (ended && amd->tone.run.frames >= TONE_MIN && amd->tone_count < OD_AMD_TONES_MAX)
        amd->tones[amd->tone_count++] = amd->tone.run;
}

static bool judge_early(struct od_amd *amd, struct od_amd_verdict *out)
{
    if (amd->frames % 10 || amd->frames > OD_AMD_HISTORY)
        return false;
    struct heard heard = cut(amd);
    amd->early_talk_ms = heard.talk_ms;
    return heard.talk_ms >= EARLY_TALK_MS && say(amd, OD_AMD_ANNOUNCEMENT, 75, out);
}

static bool judge_answered(struct od_amd *amd, struct od_amd_verdict *out)
{
    uint8_t confidence;
    if (amd->frames < LEARN || amd->frames > OD_AMD_HISTORY)
        return false;
    struct heard heard = cut(amd);
    uint8_t kind = judge(&amd->config, heard.talk_ms, heard.pause_ms, &confidence);
    if (kind != OD_AMD_UNKNOWN)
        return say(amd, kind, confidence, out);
    if (MS(amd->frames) >= amd->config.timeout_ms)
        return say(amd, OD_AMD_UNKNOWN, 50, out);
    return guess(amd, &heard, out);
}

/* Who was taken for a person goes on and on: a greeting that began with a short word. */
static bool judge_again(struct od_amd *amd, struct od_amd_verdict *out)
{
    if (amd->frames % 10 || amd->frames > OD_AMD_HISTORY)
        return false;
    struct heard heard = cut(amd);
    uint32_t since_ms = MS(amd->frames) - heard.onset_ms;
    return heard.talk_ms >= MONOLOGUE_MS && heard.talk_ms * 100 >= since_ms * MONOLOGUE_SHARE &&
           say(amd, OD_AMD_MACHINE, 85, out);
}

/* After a machine's greeting: the silence behind it, when no beep has come. */
static bool watch_greeting(struct od_amd *amd, const struct od_tone_frame *frame,
                           struct od_amd_verdict *out)
{
    uint32_t edge = amd->floor > MARGIN_DB ? amd->floor - MARGIN_DB : 0;
    if (edge > TALK_DBOV)
        edge = TALK_DBOV;
    if (frame->dbov <= edge)
        amd->talk_last = amd->frames;
    if (MS(amd->frames - amd->talk_last) < QUIET_END_MS)
        return false;
    /* A greeting of a few seconds that ends in an expecting silence, answered by a voice at once:
     * nobody records, somebody asks. */
    uint32_t said_ms = MS(amd->talk_last);
    if (amd->kind == OD_AMD_MACHINE && said_ms >= SCREEN_TALK_MIN_MS &&
        said_ms <= SCREEN_TALK_MAX_MS) {
        amd->ended = true;
        return say(amd, OD_AMD_SCREENING, 60, out);
    }
    return say(amd, OD_AMD_GREETING_END, 80, out);
}

bool od_amd_frame(struct od_amd *amd, const uint8_t ulaw[OD_FRAME_BYTES],
                  struct od_amd_verdict *out)
{
    struct od_tone_frame frame;
    if (amd->answered && amd->decided && MS(amd->frames) > BEEP_UNTIL_MS)
        return false;
    od_tone_measure(ulaw, &frame);
    bool ended = od_tone_put(&amd->tone, &frame);
    remember_level(amd, &frame);
    mark_steady(amd);
    mark_tone(amd);
    bool beep = od_beep_put(&amd->beep, &frame, &amd->tone, ended);
    bool sit = check_sit(amd, ended);
    bool fax = check_fax(amd, &frame);
    keep_tone(amd, ended);
    amd->frames++;
    if (sit)
        return say(amd, OD_AMD_ANNOUNCEMENT, 98, out);
    if (fax)
        return say(amd, OD_AMD_FAX, 97, out);
    if (!amd->answered)
        return !amd->decided && judge_early(amd, out);
    if (beep && !amd->ended)
        return say(amd, OD_AMD_BEEP, 95, out);
    if (!amd->decided ||
        (amd->kind == OD_AMD_ANNOUNCEMENT && amd->verdicts[0].early && amd->verdict_count == 1))
        return judge_answered(amd, out);
    if (amd->kind == OD_AMD_HUMAN)
        return judge_again(amd, out);
    if (amd->kind == OD_AMD_MACHINE && !amd->ended)
        return watch_greeting(amd, &frame, out);
    return false;
}

const char *od_amd_answered_by(const struct od_amd *amd)
{
    return amd->decided || amd->guessed ? od_amd_kind_name(amd->kind) : "";
}

struct od_amd_verdict od_amd_rejudge(const struct od_amd_config *config, const uint16_t *runs_ms,
                                     size_t count)
{
    uint32_t talk_ms = 0, at_ms = 0;
    for (size_t i = 0; i < count; i++) {
        for (uint32_t ms = 0; ms < runs_ms[i]; ms += OD_FRAME_MS) {
            uint8_t confidence;
            uint32_t pause_ms = i % 2 ? 0 : ms + OD_FRAME_MS;
            at_ms += OD_FRAME_MS;
            talk_ms += i % 2 ? OD_FRAME_MS : 0;
            uint8_t kind = judge(config, talk_ms, pause_ms, &confidence);
            if (kind == OD_AMD_UNKNOWN && at_ms < config->timeout_ms)
                continue;
            return (struct od_amd_verdict){
                .kind = kind, .confidence = confidence, .settled = true, .at_ms = at_ms};
        }
    }
    return (struct od_amd_verdict){
        .kind = OD_AMD_UNKNOWN, .confidence = 50, .settled = true, .at_ms = at_ms};
}

/* ---- the record ---- */

static void put_number(struct od_buf *out, const char *key, uint64_t value)
{
    od_buf_str(out, ",\"");
    od_buf_str(out, key);
    od_buf_str(out, "\":");
    od_buf_u64(out, value);
}

void od_amd_write(const struct od_amd *amd, struct od_buf *out)
{
    od_buf_str(out, "{\"verdicts\":[");
    for (uint8_t i = 0; i < amd->verdict_count; i++) {
        const struct od_amd_verdict *v = &amd->verdicts[i];
        od_buf_str(out, i ? ",{\"kind\":\"" : "{\"kind\":\"");
        od_buf_str(out, od_amd_kind_name(v->kind));
        od_buf_str(out, "\",\"confidence\":");
        od_buf_u64(out, v->confidence);
        put_number(out, "at_ms", v->at_ms);
        od_buf_str(out, v->settled ? ",\"settled\":true" : ",\"settled\":false");
        od_buf_str(out, v->early ? ",\"early\":true}" : "}");
    }
    od_buf_str(out, "],\"runs_ms\":[");
    for (uint8_t i = 0; i < amd->run_count; i++) {
        if (i)
            od_buf_char(out, ',');
        od_buf_u64(out, amd->runs_ms[i]);
    }
    od_buf_str(out, "],\"tones\":[");
    for (uint8_t i = 0; i < amd->tone_count; i++) {
        od_buf_str(out, i ? ",[" : "[");
        od_buf_u64(out, amd->tones[i].hz);
        od_buf_char(out, ',');
        od_buf_u64(out, MS(amd->tones[i].frames));
        od_buf_char(out, ']');
    }
    od_buf_str(out, "]");
    put_number(out, "floor_dbov", amd->floor);
    put_number(out, "early_ms", amd->early_ms);
    put_number(out, "early_talk_ms", amd->early_talk_ms);
    od_buf_char(out, '}');
}
