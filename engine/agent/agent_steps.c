/*
 * agent_steps - see agent_steps.h. A step is an object with exactly one key, its kind. The limits
 * keep a hostile or mistaken document from making a call last for ever or hold much memory.
 */
#include "engine/agent/agent_steps.h"

#include <stdlib.h>
#include <string.h>

#include "engine/agent/transfer_read.h"
#include "outdial/err.h"

enum {
    PAUSE_MS_MAX = 10 * 60 * 1000,
    GATHER_MS_MIN = 100,
    GATHER_MS_MAX = 10 * 60 * 1000,
    GATHER_MS_DEFAULT = 5000,
    FILE_BYTES_MAX = 100,
    INTO_BYTES_MAX = 64,
    LABEL_BYTES_MAX = 64,
    RETRY_MAX = 10,
    RECORD_S_MAX = 600,
    RECORD_S_DEFAULT = 60,
    QUIET_MS_MAX = 60000,
    QUIET_MS_DEFAULT = 3000,
};

static const char KEYS[] = "0123456789*#ABCD"; /* RFC 4733 section 3.2, events 0 to 15 */

static const char *const STEP_NAMES[OD_STEP_COUNT] = {
    [OD_STEP_SAY] = "say",       [OD_STEP_PLAY] = "play",     [OD_STEP_GATHER] = "gather",
    [OD_STEP_PAUSE] = "pause",   [OD_STEP_HANGUP] = "hangup", [OD_STEP_LABEL] = "label",
    [OD_STEP_GOTO] = "goto",     [OD_STEP_BRANCH] = "branch", [OD_STEP_TRANSFER] = "transfer",
    [OD_STEP_RECORD] = "record",
};

const char *od_step_name(enum od_step_kind kind)
{
    return (unsigned)kind < OD_STEP_COUNT ? STEP_NAMES[kind] : "?";
}

/* `say: "text"` and `say: { "text": "text" }` are the same; so for play's file and pause's ms. */
static int read_say(struct od_agent_reader *r, yyjson_val *holder, struct od_agent_step *step)
{
    static const char *const known[] = {"text", "voice", NULL};
    yyjson_val *value = yyjson_obj_get(holder, "say");
    if (!yyjson_is_obj(value)) {
        int err = od_agent_text(r, holder, "say", 1, OD_AGENT_TEXT_BYTES_MAX, &step->text);
        if (err || step->text)
            return err;
    }
    size_t mark = od_agent_enter(r, "say");
    if (!yyjson_is_obj(value))
        return od_agent_refuse(r, "the text to say", value);
    int err = od_agent_keys(r, value, known);
    if (!err)
        err = od_agent_text(r, value, "text", 1, OD_AGENT_TEXT_BYTES_MAX, &step->text);
    if (!err && !step->text)
        err = od_agent_refuse_text(r, "text", "nothing");
    if (!err)
        err = od_agent_read_voice(r, value, &step->voice);
    od_agent_leave(r, mark);
    return err;
}

/* A plain name in the audio folder: no separator, no leading dot, nothing a path could be made of.
 */
static bool plain_name(const char *name)
{
    if (name[0] == '.' || name[0] == '-')
        return false;
    for (const char *c = name; *c; c++) {
        bool fine = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || *c == '.' || *c == '_' || *c == '-' || *c == ' ';
        if (!fine)
            return false;
    }
    return true;
}

static int read_play(struct od_agent_reader *r, yyjson_val *holder, struct od_agent_step *step)
{
    static const char *const known[] = {"file", NULL};
    yyjson_val *value = yyjson_obj_get(holder, "play");
    int err = 0;
    size_t mark = r->depth;
    if (yyjson_is_obj(value)) {
        mark = od_agent_enter(r, "play");
        err = od_agent_keys(r, value, known);
        if (!err)
            err = od_agent_text(r, value, "file", 1, FILE_BYTES_MAX, &step->text);
        od_agent_enter(r, "file");
    } else {
        err = od_agent_text(r, holder, "play", 1, FILE_BYTES_MAX, &step->text);
        mark = od_agent_enter(r, "play");
    }
    if (!err && !step->text)
        err = od_agent_refuse_text(r, "a file's name", "nothing");
    if (!err && !plain_name(step->text))
        err = od_agent_refuse_text(r, "a plain file name (letters, digits, '.', '_', '-', blank)",
                                   step->text);
    od_agent_leave(r, mark);
    return err;
}

static int read_pause(struct od_agent_reader *r, yyjson_val *holder, struct od_agent_step *step)
{
    static const char *const known[] = {"ms", NULL};
    yyjson_val *value = yyjson_obj_get(holder, "pause");
    if (yyjson_is_obj(value)) {
        size_t mark = od_agent_enter(r, "pause");
        int err = od_agent_keys(r, value, known);
        if (!err)
            err = od_agent_uint(r, value, "ms", 1, PAUSE_MS_MAX, &step->ms);
        if (!err && !step->ms)
            err = od_agent_refuse_text(r, "ms", "nothing");
        od_agent_leave(r, mark);
        return err;
    }
    int err = od_agent_uint(r, holder, "pause", 1, PAUSE_MS_MAX, &step->ms);
    if (err || step->ms)
        return err;
    size_t mark = od_agent_enter(r, "pause");
    err = od_agent_refuse(r, "milliseconds", value);
    od_agent_leave(r, mark);
    return err;
}

static int read_hangup(struct od_agent_reader *r, yyjson_val *holder)
{
    static const char *const known[] = {NULL};
    yyjson_val *value = yyjson_obj_get(holder, "hangup");
    if (yyjson_is_true(value) || (yyjson_is_obj(value) && !od_agent_keys(r, value, known)))
        return 0;
    size_t mark = od_agent_enter(r, "hangup");
    int err = od_agent_refuse(r, "{} or true", value);
    od_agent_leave(r, mark);
    return err;
}

static bool are_keys(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (!text[i] || !strchr(KEYS, text[i]))
            return false;
    }
    return true;
}

static int read_choice(struct od_agent_reader *r, yyjson_val *key, yyjson_val *value,
                       struct od_step_choice *choice)
{
    const char *digits = yyjson_get_str(key);
    size_t bytes = yyjson_get_len(key);
    if (!bytes || bytes > OD_AGENT_DIGITS_MAX || !are_keys(digits, bytes))
        return od_agent_refuse(r, "keys made of 0-9, *, #, A-D", key);
    size_t mark = od_agent_enter(r, digits);
    int err = 0;
    if (yyjson_is_ctn(value) || (yyjson_is_str(value) && yyjson_get_len(value) > 256)) {
        err = od_agent_refuse(r, "true, false, null, a number or text of up to 256 bytes", value);
    } else {
        choice->digits = digits;
        choice->json = yyjson_val_write(value, 0, NULL);
        if (!choice->json)
            err = OD_ENOMEM;
    }
    od_agent_leave(r, mark);
    return err;
}

static int read_map(struct od_agent_reader *r, yyjson_val *map, struct od_agent_step *step)
{
    if (!map || yyjson_is_null(map))
        return 0;
    size_t mark = od_agent_enter(r, "map");
    size_t count = yyjson_obj_size(map);
    int err = 0;
    if (!yyjson_is_obj(map) || !count || count > OD_AGENT_CHOICES_MAX) {
        err = od_agent_refuse(r, "an object of 1 to 64 entries, like { \"1\": true }", map);
    } else {
        struct od_step_choice *choices = calloc(count, sizeof *choices);
        step->choices = choices;
        step->choice_count = choices ? (uint8_t)count : 0;
        err = choices ? 0 : OD_ENOMEM;
        size_t i, max;
        yyjson_val *key, *value;
        yyjson_obj_foreach(map, i, max, key, value)
        {
            for (size_t before = 0; !err && before < i; before++) {
                if (yyjson_equals_str(key, choices[before].digits))
                    err = od_agent_refuse(r, "each key once", key);
            }
            if (!err)
                err = read_choice(r, key, value, &choices[i]);
        }
    }
    od_agent_leave(r, mark);
    return err;
}

static int read_finish_key(struct od_agent_reader *r, yyjson_val *gather,
                           struct od_agent_step *step)
{
    yyjson_val *value = yyjson_obj_get(gather, "finish_key");
    if (!value || yyjson_is_null(value))
        return 0;
    if (yyjson_get_len(value) == 1 && are_keys(yyjson_get_str(value), 1)) {
        step->finish_key = yyjson_get_str(value)[0];
        return 0;
    }
    size_t mark = od_agent_enter(r, "finish_key");
    int err = od_agent_refuse(r, "one of 0-9, *, #, A-D", value);
    od_agent_leave(r, mark);
    return err;
}

static int read_gather(struct od_agent_reader *r, yyjson_val *holder, struct od_agent_step *step)
{
    static const char *const known[] = {"digits", "timeout_ms", "into",      "map", "finish_key",
                                        "prompt", "retry",      "otherwise", NULL};
    yyjson_val *g = yyjson_obj_get(holder, "gather");
    uint32_t digits = 1;
    size_t mark = od_agent_enter(r, "gather");
    int err = yyjson_is_obj(g) ? od_agent_keys(r, g, known) : od_agent_refuse(r, "an object", g);
    step->ms = GATHER_MS_DEFAULT;
    if (!err)
        err = od_agent_uint(r, g, "digits", 1, OD_AGENT_DIGITS_MAX, &digits);
    step->digits = (uint8_t)digits;
    if (!err)
        err = od_agent_uint(r, g, "timeout_ms", GATHER_MS_MIN, GATHER_MS_MAX, &step->ms);
    if (!err)
        err = od_agent_text(r, g, "into", 1, INTO_BYTES_MAX, &step->into);
    if (!err && !step->into)
        err = od_agent_refuse_text(r, "into: the name of the result's value", "nothing");
    if (!err)
        err = od_agent_text(r, g, "prompt", 1, OD_AGENT_TEXT_BYTES_MAX, &step->text);
    if (!err)
        err = read_finish_key(r, g, step);
    if (!err)
        err = read_map(r, yyjson_obj_get(g, "map"), step);
    uint32_t retry = 0;
    if (!err)
        err = od_agent_uint(r, g, "retry", 0, RETRY_MAX, &retry);
    step->retry = (uint8_t)retry;
    if (!err)
        err = od_agent_text(r, g, "otherwise", 1, LABEL_BYTES_MAX, &step->label);
    od_agent_leave(r, mark);
    return err;
}

static int read_record(struct od_agent_reader *r, yyjson_val *holder, struct od_agent_step *step)
{
    static const char *const known[] = {"into", "max_s", "silence_ms", "finish_key", "beep", NULL};
    yyjson_val *record = yyjson_obj_get(holder, "record");
    uint32_t max_s = RECORD_S_DEFAULT;
    size_t mark = od_agent_enter(r, "record");
    int err = yyjson_is_obj(record) ? od_agent_keys(r, record, known)
                                    : od_agent_refuse(r, "an object with \"into\"", record);
    step->quiet_ms = QUIET_MS_DEFAULT;
    step->beep = true;
    step->finish_key = '#';
    if (!err)
        err = od_agent_text(r, record, "into", 1, INTO_BYTES_MAX, &step->into);
    if (!err && !step->into)
        err = od_agent_refuse_text(r, "into: the name of the result's value", "nothing");
    if (!err)
        err = od_agent_uint(r, record, "max_s", 1, RECORD_S_MAX, &max_s);
    step->ms = max_s * 1000;
    if (!err)
        err = od_agent_uint(r, record, "silence_ms", 0, QUIET_MS_MAX, &step->quiet_ms);
    if (!err)
        err = od_agent_bool(r, record, "beep", &step->beep);
    if (!err)
        err = read_finish_key(r, record, step);
    od_agent_leave(r, mark);
    return err;
}

/* A step that is a label's name: { "label": "name" }, { "goto": "name" }. */
static int read_name(struct od_agent_reader *r, yyjson_val *holder, const char *key,
                     const char **out)
{
    int err = od_agent_text(r, holder, key, 1, LABEL_BYTES_MAX, out);
    if (err || *out)
        return err;
    size_t mark = od_agent_enter(r, key);
    err = od_agent_refuse(r, "a label's name", yyjson_obj_get(holder, key));
    od_agent_leave(r, mark);
    return err;
}

static int read_cases(struct od_agent_reader *r, yyjson_val *cases, struct od_agent_step *step)
{
    size_t mark = od_agent_enter(r, "cases");
    size_t count = yyjson_obj_size(cases), i, max;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(cases) || !count || count > OD_AGENT_CHOICES_MAX) {
        int err =
            od_agent_refuse(r, "an object of 1 to 64 entries, like { \"true\": \"label\" }", cases);
        od_agent_leave(r, mark);
        return err;
    }
    struct od_step_case *made = calloc(count, sizeof *made);
    step->cases = made;
    step->case_count = made ? (uint32_t)count : 0;
    int err = made ? 0 : OD_ENOMEM;
    yyjson_obj_foreach(cases, i, max, key, value)
    {
        if (!err)
            err = read_name(r, cases, yyjson_get_str(key), &made[i].label);
        if (!err)
            made[i].value = yyjson_get_str(key);
    }
    od_agent_leave(r, mark);
    return err;
}

/* { "branch": { "on": "into of a gather", "cases": { "value": "label" }, "otherwise": "label" } }
 */
static int read_branch(struct od_agent_reader *r, yyjson_val *holder, struct od_agent_step *step)
{
    static const char *const known[] = {"on", "cases", "otherwise", NULL};
    yyjson_val *b = yyjson_obj_get(holder, "branch");
    size_t mark = od_agent_enter(r, "branch");
    int err = yyjson_is_obj(b) ? od_agent_keys(r, b, known) : od_agent_refuse(r, "an object", b);
    if (!err)
        err = od_agent_text(r, b, "on", 1, INTO_BYTES_MAX, &step->into);
    if (!err && !step->into)
        err = od_agent_refuse_text(r, "on: the name of a gathered value", "nothing");
    if (!err)
        err = read_cases(r, yyjson_obj_get(b, "cases"), step);
    if (!err)
        err = od_agent_text(r, b, "otherwise", 1, LABEL_BYTES_MAX, &step->label);
    od_agent_leave(r, mark);
    return err;
}

/* { "to": .., "mode": "bridge", .. }: on_fail and on_end name the labels where the script goes on.
 */
static int read_handing_on(struct od_agent_reader *r, yyjson_val *t, struct od_agent_step *step)
{
    static const char *const known[] = {
        "to", "mode", "ring_timeout_s", "max_duration_s", "on_fail", "on_end", NULL};
    int err = od_agent_keys(r, t, known);
    if (!err)
        err = od_agent_text(r, t, "to", 1, OD_ENDPOINT_MAX - 1, &step->text);
    if (!err && !step->text)
        err = od_agent_refuse_text(r, "to: a phone number or a SIP URI", "nothing");
    if (!err)
        err = od_transfer_read(r, t, &step->transfer);
    if (!err)
        err = od_agent_text(r, t, "on_fail", 1, LABEL_BYTES_MAX, &step->label);
    if (!err)
        err = od_agent_text(r, t, "on_end", 1, LABEL_BYTES_MAX, &step->after);
    return err;
}

static int read_transfer(struct od_agent_reader *r, yyjson_val *holder, struct od_agent_step *step)
{
    yyjson_val *value = yyjson_obj_get(holder, "transfer");
    od_transfer_init(&step->transfer);
    if (yyjson_is_str(value))
        return od_agent_text(r, holder, "transfer", 1, OD_ENDPOINT_MAX - 1, &step->text);
    size_t mark = od_agent_enter(r, "transfer");
    int err =
        yyjson_is_obj(value)
            ? read_handing_on(r, value, step)
            : od_agent_refuse(r, "a phone number or a SIP URI, or an object with \"to\"", value);
    od_agent_leave(r, mark);
    return err;
}

static int read_step(struct od_agent_reader *r, yyjson_val *value, struct od_agent_step *step)
{
    static const char expected[] = "an object with one key, the step: say, play, gather, record, "
                                   "pause, transfer or hangup; label, goto or branch";
    if (!yyjson_is_obj(value))
        return od_agent_refuse(r, expected, value);
    if (yyjson_obj_size(value) != 1)
        return od_agent_refuse_text(r, expected,
                                    yyjson_obj_size(value) ? "several keys" : "an empty object");
    yyjson_obj_iter iter = yyjson_obj_iter_with(value);
    yyjson_val *key = yyjson_obj_iter_next(&iter);
    for (unsigned k = 0; k < OD_STEP_COUNT; k++) {
        if (!yyjson_equals_str(key, STEP_NAMES[k]))
            continue;
        step->kind = (uint8_t)k;
        switch ((enum od_step_kind)k) {
        case OD_STEP_SAY:
            return read_say(r, value, step);
        case OD_STEP_PLAY:
            return read_play(r, value, step);
        case OD_STEP_GATHER:
            return read_gather(r, value, step);
        case OD_STEP_PAUSE:
            return read_pause(r, value, step);
        case OD_STEP_LABEL:
            return read_name(r, value, "label", &step->text);
        case OD_STEP_GOTO:
            return read_name(r, value, "goto", &step->label);
        case OD_STEP_BRANCH:
            return read_branch(r, value, step);
        case OD_STEP_RECORD:
            return read_record(r, value, step);
        case OD_STEP_TRANSFER:
            return read_transfer(r, value, step);
        case OD_STEP_HANGUP:
        case OD_STEP_COUNT:
            return read_hangup(r, value);
        }
    }
    return od_agent_refuse(r, expected, key);
}

/* Where a label is; a label twice or not at all is a mistake at the present place. */
static int find_label(struct od_agent_reader *r, const struct od_agent_step *steps, size_t count,
                      const char *label, uint32_t *to)
{
    unsigned found = 0;
    *to = OD_STEP_NEXT;
    if (!label)
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (steps[i].kind != OD_STEP_LABEL || strcmp(steps[i].text, label))
            continue;
        *to = (uint32_t)i;
        found++;
    }
    return found == 1
               ? 0
               : od_agent_refuse_text(
                     r, found ? "a label that is there once" : "a label of this script", label);
}

static bool is_gathered(const struct od_agent_step *steps, size_t count, const char *into)
{
    for (size_t i = 0; i < count; i++) {
        if (steps[i].kind == OD_STEP_GATHER && !strcmp(steps[i].into, into))
            return true;
    }
    return false;
}

static int resolve(struct od_agent_reader *r, struct od_agent_step *steps, size_t count)
{
    int err = 0;
    for (size_t i = 0; !err && i < count; i++) {
        struct od_agent_step *step = &steps[i];
        struct od_step_case *cases = (struct od_step_case *)step->cases;
        size_t mark = od_agent_enter_index(r, i);
        err = find_label(r, steps, count, step->label, &step->to);
        if (!err)
            err = find_label(r, steps, count, step->after, &step->after_to);
        for (uint32_t c = 0; !err && c < step->case_count; c++)
            err = find_label(r, steps, count, cases[c].label, &cases[c].to);
        if (!err && step->kind == OD_STEP_BRANCH && !is_gathered(steps, count, step->into))
            err =
                od_agent_refuse_text(r, "on: a value that some gather has as its into", step->into);
        od_agent_leave(r, mark);
    }
    return err;
}

int od_agent_steps_read(struct od_agent_reader *reader, yyjson_val *array,
                        struct od_agent_step **out, uint32_t *count)
{
    size_t mark = od_agent_enter(reader, "steps");
    size_t n = yyjson_arr_size(array);
    int err = 0;
    if (!yyjson_is_arr(array) || !n || n > OD_AGENT_STEPS_MAX) {
        err = od_agent_refuse(reader, "an array of 1 to 256 steps", array);
        od_agent_leave(reader, mark);
        return err;
    }
    struct od_agent_step *steps = calloc(n, sizeof *steps);
    if (!steps)
        return OD_ENOMEM;
    size_t i, max;
    yyjson_val *value;
    yyjson_arr_foreach(array, i, max, value)
    {
        size_t here = od_agent_enter_index(reader, i);
        if (!err)
            err = read_step(reader, value, &steps[i]);
        od_agent_leave(reader, here);
    }
    if (!err)
        err = resolve(reader, steps, n);
    od_agent_leave(reader, mark);
    if (err) {
        od_agent_steps_free(steps, (uint32_t)n);
        return err;
    }
    *out = steps;
    *count = (uint32_t)n;
    return 0;
}

void od_agent_steps_free(struct od_agent_step *steps, uint32_t count)
{
    for (uint32_t i = 0; steps && i < count; i++) {
        for (uint32_t c = 0; c < steps[i].choice_count; c++)
            free((char *)steps[i].choices[c].json);
        free((struct od_step_choice *)steps[i].choices);
        free((struct od_step_case *)steps[i].cases);
    }
    free(steps);
}
