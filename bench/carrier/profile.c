/*
 * profile: see profile.h. One table names every key, its kind, its place, its default and its
 * meaning; setting, help and "did you mean" all read it.
 */
#include "bench/carrier/profile.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    WEIGHT,
    PROBABILITY,
    COUNT,
    SEED,
    DURATION,
    HANGUP,
    DIGIT_DELAY,
    DIGITS,
    TALK,
    CODES,
    DTMF,
    AUTH,
    DRIFT,
    BROKEN
};

struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *initial;
    const char *help;
};

#define AT(field) offsetof(struct od_profile, field)

static const struct key keys[] = {
    {"seed", SEED, AT(seed), "1", "same seed, same numbers: same behaviour"},
    {"answer", WEIGHT, AT(answer), "60", "weight: rings, then answers"},
    {"no_answer", WEIGHT, AT(no_answer), "20", "weight: rings until cancelled"},
    {"busy", WEIGHT, AT(busy), "10", "weight: 486"},
    {"decline", WEIGHT, AT(decline), "5", "weight: rings, then 603"},
    {"fail", WEIGHT, AT(fail), "5", "weight: one of fail_codes"},
    {"silent", WEIGHT, AT(silent), "0", "weight: black hole, no response at all"},
    {"fail_codes", CODES, AT(fail_codes), "404:1,500:1,503:1", "statuses of fail, with weights"},
    {"pdd_ms", DURATION, AT(pdd_ms), "100-400", "INVITE to ringing"},
    {"ring_ms", DURATION, AT(ring_ms), "lognormal:4000:0.5", "ringing to answer or decline"},
    {"ring_max_ms", COUNT, AT(ring_max_ms), "180000", "rings at most this long, then 480"},
    {"early_media", PROBABILITY, AT(early_media), "0.3", "rings with 183 and ringback audio"},
    {"talk", TALK, AT(talk), "hello", "hello, machine, babble or silence, with weights"},
    {"digits", DIGITS, AT(digits), "1:0.7,2:0.2,none:0.1", "keys pressed, with weights"},
    {"digit_delay_ms", DIGIT_DELAY, AT(digit_delay_ms), "turn",
     "answer to the key; turn: once the caller has spoken and paused"},
    {"digit_limit_ms", COUNT, AT(digit_limit_ms), "15000", "with turn: pressed by then anyway"},
    {"digit_ms", COUNT, AT(digit_ms), "160", "how long a key is held"},
    {"dtmf", DTMF, AT(dtmf), "auto", "auto: RFC 4733 if offered, else tones; tones: always tones"},
    {"hangup_ms", HANGUP, AT(hangup_ms), "never", "answer to the callee's BYE"},
    {"talk_max_ms", COUNT, AT(talk_max_ms), "3600000",
     "nobody hung up for so long: counted as left off the hook, BYE sent"},
    {"cps_limit", COUNT, AT(cps_limit), "0", "INVITEs taken per rolling window; above it 503"},
    {"cps_window_ms", COUNT, AT(cps_window_ms), "1000", "that window"},
    {"cps_drift", DRIFT, AT(cps_drift), "none",
     "SECONDS:LIMIT,...: other limits so long after the first INVITE"},
    {"retry_after_s", COUNT, AT(retry_after_s), "0", "Retry-After of such a 503"},
    {"auth", AUTH, AT(auth), "none", "USER:PASSWORD[:ALGORITHM]: every call is challenged (401)"},
    {"broken", BROKEN, AT(broken), "none",
     "PREFIX:STATUS[:SECONDS]: such numbers fail, so long after the first INVITE"},
    {"max_calls", COUNT, AT(max_calls), "0", "calls at once; above it 503"},
    {"lose", PROBABILITY, AT(lose), "0", "a received datagram is not seen"},
    {"lose_ack", PROBABILITY, AT(lose_ack), "0", "a received ACK is not seen"},
    {"lose_sent", PROBABILITY, AT(lose_sent), "0", "a datagram to send is lost"},
    {"duplicate", PROBABILITY, AT(duplicate), "0", "a datagram is sent twice"},
    {"t1_ms", COUNT, AT(t1_ms), "500", "SIP timer T1"},
    {"t2_ms", COUNT, AT(t2_ms), "4000", "SIP timer T2"},
};

enum { KEYS_N = sizeof keys / sizeof *keys };

static bool read_double(const char *text, double lowest, double highest, double *out)
{
    char *end;
    if ((*text < '0' || *text > '9') && *text != '.')
        return false;
    errno = 0;
    double v = strtod(text, &end);
    if (end == text || *end || errno || !(v >= lowest && v <= highest))
        return false;
    *out = v;
    return true;
}

static bool read_uint(const char *text, uint64_t highest, uint64_t *out)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end || errno || v > highest)
        return false;
    *out = v;
    return true;
}

/* A year: beyond it a duration is a typing mistake, and arithmetic in nanoseconds stays safe. */
static const double duration_ms_max = 365.0 * 86400 * 1000;

static bool read_distribution(const char *text, struct od_distribution *out)
{
    char copy[64];
    size_t n = strlen(text);
    if (n >= sizeof copy)
        return false;
    memcpy(copy, text, n + 1);
    if (strncmp(copy, "exp:", 4) == 0) {
        out->kind = OD_DISTRIBUTION_EXPONENTIAL;
        return read_double(copy + 4, 0, duration_ms_max, &out->a);
    }
    if (strncmp(copy, "lognormal:", 10) == 0) {
        char *colon = strchr(copy + 10, ':');
        if (!colon)
            return false;
        *colon = 0;
        out->kind = OD_DISTRIBUTION_LOGNORMAL;
        return read_double(copy + 10, 0, duration_ms_max, &out->a) &&
               read_double(colon + 1, 0, 10, &out->b);
    }
    char *dash = strchr(copy, '-');
    if (dash)
        *dash = 0;
    out->kind = OD_DISTRIBUTION_UNIFORM;
    if (!read_double(copy, 0, duration_ms_max, &out->a) ||
        !read_double(dash ? dash + 1 : copy, 0, duration_ms_max, &out->b))
        return false;
    return out->b >= out->a;
}

/* One entry of a weighted list; without ":weight" its weight is 1. */
static bool read_entry(struct od_choice *choice, char *entry)
{
    double weight = 1;
    char *colon = strchr(entry, ':');
    if (colon) {
        *colon = 0;
        if (!read_double(colon + 1, 0, 1e9, &weight))
            return false;
    }
    while (*entry == ' ')
        entry++;
    size_t n = strlen(entry);
    if (n == 0 || n >= OD_PROFILE_WORD_BYTES || choice->n == OD_PROFILE_CHOICES_MAX)
        return false;
    memcpy(choice->entries[choice->n].word, entry, n + 1);
    choice->entries[choice->n++].weight = weight;
    choice->weight_sum += weight;
    return true;
}

static bool word_allowed(enum kind kind, const char *word)
{
    uint64_t status;
    switch (kind) {
    case TALK:
        return strcmp(word, "hello") == 0 || strcmp(word, "machine") == 0 ||
               strcmp(word, "babble") == 0 || strcmp(word, "silence") == 0;
    case DTMF:
        return strcmp(word, "auto") == 0 || strcmp(word, "tones") == 0;
    case CODES:
        return read_uint(word, 699, &status) && status >= 400;
    default:
        return strcmp(word, "none") == 0 || strspn(word, "0123456789*#ABCD") == strlen(word);
    }
}

static bool read_choice(const char *text, enum kind kind, struct od_choice *out)
{
    char copy[512], *save = NULL;
    size_t n = strlen(text);
    if (n >= sizeof copy)
        return false;
    memcpy(copy, text, n + 1);
    memset(out, 0, sizeof *out);
    for (char *e = strtok_r(copy, ",", &save); e; e = strtok_r(NULL, ",", &save)) {
        if (!read_entry(out, e) || !word_allowed(kind, out->entries[out->n - 1].word))
            return false;
    }
    return out->n > 0 && out->weight_sum > 0;
}

static const char *expected(enum kind kind)
{
    switch (kind) {
    case WEIGHT:
        return "a weight of 0 or more";
    case PROBABILITY:
        return "a probability from 0 to 1";
    case COUNT:
        return "a whole number from 0 to 4294967295";
    case SEED:
        return "a whole number";
    case DURATION:
        return "N, MIN-MAX, exp:MEAN or lognormal:MEDIAN:SIGMA in milliseconds";
    case HANGUP:
        return "never, N, MIN-MAX, exp:MEAN or lognormal:MEDIAN:SIGMA in milliseconds";
    case DIGIT_DELAY:
        return "turn, N, MIN-MAX, exp:MEAN or lognormal:MEDIAN:SIGMA in milliseconds";
    case DIGITS:
        return "digits (0-9 * # A-D) or none, each with a weight, as 1:0.7,none:0.3";
    case TALK:
        return "hello, machine, babble or silence, each with a weight";
    case CODES:
        return "SIP statuses 400 to 699, each with a weight, as 404:1,503:2";
    case DTMF:
        return "auto or tones";
    case AUTH:
        return "none or USER:PASSWORD[:MD5|SHA-256|SHA-512-256]";
    case DRIFT:
        return "none or up to 16 SECONDS:LIMIT by time, limits 1 to 100000, as 20:35,40:20";
    case BROKEN:
        return "none or PREFIX:STATUS[:SECONDS], a status 400 to 699, as +1556:500:20";
    }
    return "";
}

static bool copy_until(char *out, size_t room, const char **text)
{
    size_t n = strcspn(*text, ":");
    if (n == 0 || n >= room)
        return false;
    memcpy(out, *text, n);
    out[n] = 0;
    *text += n + ((*text)[n] == ':');
    return true;
}

static bool read_auth(const char *text, struct od_profile_auth *out)
{
    *out = (struct od_profile_auth){.algorithm = "MD5"};
    if (strcmp(text, "none") == 0)
        return true;
    if (strpbrk(text, "\"\\") || !copy_until(out->user, sizeof out->user, &text) ||
        !copy_until(out->password, sizeof out->password, &text))
        return false;
    if (*text && !copy_until(out->algorithm, sizeof out->algorithm, &text))
        return false;
    return !*text &&
           (strcmp(out->algorithm, "MD5") == 0 || strcmp(out->algorithm, "SHA-256") == 0 ||
            strcmp(out->algorithm, "SHA-512-256") == 0);
}

static bool read_drift(const char *text, struct od_profile_drift *out)
{
    char copy[256], *save = NULL;
    size_t n = strlen(text);
    memset(out, 0, sizeof *out);
    if (strcmp(text, "none") == 0)
        return true;
    if (n >= sizeof copy)
        return false;
    memcpy(copy, text, n + 1);
    for (char *e = strtok_r(copy, ",", &save); e; e = strtok_r(NULL, ",", &save)) {
        char *colon = strchr(e, ':');
        uint64_t after, limit;
        if (!colon || out->n == OD_PROFILE_STEPS_MAX)
            return false;
        *colon = 0;
        if (!read_uint(e, 1000000, &after) || !read_uint(colon + 1, 100000, &limit) || !limit ||
            (out->n && after <= out->steps[out->n - 1].after_s))
            return false;
        out->steps[out->n].after_s = (uint32_t)after;
        out->steps[out->n++].limit = (uint32_t)limit;
    }
    return out->n > 0;
}

static bool read_broken(const char *text, struct od_profile_broken *out)
{
    char status[8];
    uint64_t code, seconds = 0;
    memset(out, 0, sizeof *out);
    if (strcmp(text, "none") == 0)
        return true;
    if (!copy_until(out->prefix, sizeof out->prefix, &text) ||
        !copy_until(status, sizeof status, &text) || !read_uint(status, 699, &code) || code < 400 ||
        (*text && !read_uint(text, 1000000, &seconds)))
        return false;
    out->status = (uint16_t)code;
    out->for_s = (uint32_t)seconds;
    return true;
}

int od_profile_broken(const struct od_profile *p, const char *number, double seconds)
{
    const struct od_profile_broken *broken = &p->broken;
    if (!broken->prefix[0] || strncmp(number, broken->prefix, strlen(broken->prefix)) != 0 ||
        (broken->for_s && seconds >= broken->for_s))
        return 0;
    return broken->status;
}

uint32_t od_profile_cps(const struct od_profile *p, double seconds)
{
    uint32_t limit = p->cps_limit;
    for (size_t i = 0; i < p->cps_drift.n && seconds >= p->cps_drift.steps[i].after_s; i++)
        limit = p->cps_drift.steps[i].limit;
    return limit;
}

static bool store(const struct key *key, void *field, const char *value)
{
    uint64_t n = 0;
    switch (key->kind) {
    case WEIGHT:
        return read_double(value, 0, 1e9, field);
    case PROBABILITY:
        return read_double(value, 0, 1, field);
    case COUNT:
        if (!read_uint(value, UINT32_MAX, &n))
            return false;
        *(uint32_t *)field = (uint32_t)n;
        return true;
    case SEED:
        return read_uint(value, UINT64_MAX, field);
    case HANGUP:
    case DIGIT_DELAY:
    case DURATION:
        if (key->kind == HANGUP && strcmp(value, "never") == 0) {
            ((struct od_distribution *)field)->kind = OD_DISTRIBUTION_NEVER;
            return true;
        }
        if (key->kind == DIGIT_DELAY && strcmp(value, "turn") == 0) {
            ((struct od_distribution *)field)->kind = OD_DISTRIBUTION_AFTER_TURN;
            return true;
        }
        return read_distribution(value, field);
    case DIGITS:
    case TALK:
    case CODES:
    case DTMF:
        return read_choice(value, key->kind, field);
    case AUTH:
        return read_auth(value, field);
    case DRIFT:
        return read_drift(value, field);
    case BROKEN:
        return read_broken(value, field);
    }
    return false;
}

size_t od_profile_distance(const char *a, const char *b)
{
    size_t row[32], n = strlen(b);
    if (n > 31)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t gap = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            diagonal = row[j];
            row[j] = change < gap ? change : gap;
        }
    }
    return row[n];
}

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < KEYS_N; i++) {
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

static int unknown_key(const char *name, char *problem)
{
    const char *best = NULL;
    size_t best_distance = strlen(name) / 3 + 1; /* further off, a suggestion is noise */
    for (size_t i = 0; i < KEYS_N; i++) {
        size_t d = od_profile_distance(name, keys[i].name);
        if (d < best_distance) {
            best_distance = d;
            best = keys[i].name;
        }
    }
    snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "unknown key '%.60s'%s%s%s", name,
             best ? ", did you mean '" : " (--help lists the keys)", best ? best : "",
             best ? "'?" : "");
    return -1;
}

int od_profile_set(struct od_profile *profile, const char *name, const char *value,
                   char problem[OD_PROFILE_PROBLEM_BYTES])
{
    const struct key *key = find_key(name);
    if (!key)
        return unknown_key(name, problem);
    struct od_profile copy = *profile;
    if (!store(key, (char *)&copy + key->offset, value)) {
        snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "%s: expected %s, found '%.60s'", name,
                 expected(key->kind), value);
        return -1;
    }
    *profile = copy;
    return 0;
}

void od_profile_init(struct od_profile *profile)
{
    memset(profile, 0, sizeof *profile);
    for (size_t i = 0; i < KEYS_N; i++)
        store(&keys[i], (char *)profile + keys[i].offset, keys[i].initial);
}

static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    for (size_t n = strlen(text); n && strchr(" \t\r\n", text[n - 1]); n--)
        text[n - 1] = 0;
    return text;
}

/* Cuts a comment off and quotes away. False: an unclosed quote, or text behind a closed one. */
static bool unquote(char **value)
{
    char *v = *value, quote = *v;
    if (quote != '"' && quote != '\'') {
        for (char *p = v; *p; p++) {
            /* YAML: "#" begins a comment at the start or after a space; `digits: #` is one too */
            if (*p == '#' && (p == v || p[-1] == ' ' || p[-1] == '\t'))
                *p = 0;
            if (!*p)
                break;
        }
        *value = trim(v);
        return true;
    }
    char *close = strchr(v + 1, quote);
    if (!close)
        return false;
    *close = 0;
    *value = v + 1;
    char *rest = trim(close + 1);
    return *rest == 0 || *rest == '#';
}

static int read_line(struct od_profile *profile, char *line, bool seen[], char *problem)
{
    char *key = trim(line);
    if (*key == 0 || *key == '#' || strcmp(key, "---") == 0)
        return 0;
    char *colon = strchr(key, ':');
    if (!colon || (colon[1] && !strchr(" \t", colon[1]))) {
        snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "expected 'key: value', found '%.60s'", key);
        return -1;
    }
    *colon = 0;
    key = trim(key);
    char *value = trim(colon + 1);
    if (!unquote(&value)) {
        snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "%.60s: the quotes don't match", key);
        return -1;
    }
    const struct key *known = find_key(key);
    if (known && seen[known - keys]) {
        snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "%s: given twice", key);
        return -1;
    }
    if (known)
        seen[known - keys] = true;
    return od_profile_set(profile, key, value, problem);
}

int od_profile_read(struct od_profile *profile, const char *path,
                    char problem[OD_PROFILE_PROBLEM_BYTES])
{
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "%.120s: %s", path, strerror(errno));
        return -1;
    }
    bool seen[KEYS_N] = {false};
    char line[1024], found[OD_PROFILE_PROBLEM_BYTES];
    int status = 0, number = 0;
    while (status == 0 && fgets(line, sizeof line, file)) {
        number++;
        if (strlen(line) == sizeof line - 1) {
            snprintf(found, sizeof found, "line longer than %zu bytes", sizeof line - 2);
            status = -1;
        } else {
            status = read_line(profile, line, seen, found);
        }
    }
    if (status == 0 && ferror(file)) {
        snprintf(found, sizeof found, "%s", strerror(errno));
        status = -1;
    }
    fclose(file);
    if (status)
        snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "%.60s:%d: %.160s", path, number, found);
    return status;
}

int od_profile_check(const struct od_profile *p, char problem[OD_PROFILE_PROBLEM_BYTES])
{
    const char *wrong = NULL;
    if (p->answer + p->no_answer + p->busy + p->decline + p->fail + p->silent <= 0)
        wrong = "answer, no_answer, busy, decline, fail, silent: expected one weight above 0";
    else if (p->t1_ms == 0 || p->t2_ms < p->t1_ms)
        wrong = "t1_ms, t2_ms: expected t1_ms above 0 and t2_ms not below it";
    else if (p->cps_limit > 100000)
        wrong = "cps_limit: expected at most 100000";
    else if (p->digit_ms < 40 || p->digit_ms > 8000)
        wrong = "digit_ms: expected 40 to 8000"; /* RFC 4733 2.3.5: shortest reliably detected */
    if (!wrong)
        return 0;
    snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "%s", wrong);
    return -1;
}

void od_profile_help(FILE *out)
{
    for (size_t i = 0; i < KEYS_N; i++)
        fprintf(out, "  %-15s %-20s %s\n", keys[i].name, keys[i].initial, keys[i].help);
}
