/*
 * agent_def - see agent_def.h. The parsed JSON document is kept inside the struct, because the
 * steps' texts point into it.
 */
#include "engine/agent/agent_def.h"

#include <stdlib.h>
#include <string.h>

#include "engine/agent/agent_features_read.h"
#include "engine/agent/agent_media.h"
#include "engine/agent/agent_read.h"
#include "engine/agent/agent_rules.h"
#include "engine/agent/agent_steps.h"
#include "engine/agent/agent_stream_read.h"
#include "engine/agent/transfer_plan.h"
#include "engine/agent/transfer_read.h"
#include "engine/base/str.h"
#include "outdial/err.h"

enum { NAME_CHARACTERS_MAX = 100, RING_S_MAX = 600, DURATION_S_MAX = 24 * 3600 };

static const char VOICE_DEFAULT[] = "en-us";

/* What callers see, and behind it what keeps it alive. */
struct def_box {
    struct od_agent_def def;
    yyjson_doc *doc;
    struct od_agent_step *steps;
};

static size_t characters(const char *utf8)
{
    size_t n = 0;
    for (; *utf8; utf8++)
        n += ((unsigned char)*utf8 & 0xc0) != 0x80;
    return n;
}

static int read_name(struct od_agent_reader *r, yyjson_val *root, struct od_agent_def *def)
{
    yyjson_val *value = yyjson_obj_get(root, "name");
    const char *name = yyjson_get_str(value);
    if (!name || !*name || strlen(name) != yyjson_get_len(value) ||
        characters(name) > NAME_CHARACTERS_MAX) {
        size_t mark = od_agent_enter(r, "name");
        int err = od_agent_refuse(r, "a name of 1 to 100 characters", value);
        od_agent_leave(r, mark);
        return err;
    }
    od_str_copy(def->name, sizeof def->name, name, strlen(name));
    return 0;
}

static int read_number(struct od_agent_reader *r, yyjson_val *root, struct od_agent_def *def)
{
    const char *number = NULL;
    int err = od_agent_text(r, root, "number", 0, sizeof def->number - 1, &number);
    if (err || !number)
        return err;
    for (const char *c = number; *c; c++) {
        /* It becomes the user part of From: what RFC 3261 section 25.1 lets stand there unescaped.
         */
        bool fine = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || strchr("+-_.!~*'()&=$,", *c);
        if (!fine) {
            size_t mark = od_agent_enter(r, "number");
            err = od_agent_refuse(r, "a phone number like +15550001111 or a SIP user",
                                  yyjson_obj_get(root, "number"));
            od_agent_leave(r, mark);
            return err;
        }
    }
    od_str_copy(def->number, sizeof def->number, number, strlen(number));
    return 0;
}

static int read_duration(struct od_agent_reader *r, yyjson_val *root, struct od_agent_def *def)
{
    static const char *const path[] = {"config", "features"};
    yyjson_val *at = root;
    size_t outer = r->depth;
    int err = 0;
    for (unsigned level = 0; !err && level < 3; level++) {
        if (level) {
            at = yyjson_obj_get(at, path[level - 1]);
            od_agent_enter(r, path[level - 1]);
        }
        yyjson_val *duration = yyjson_obj_get(at, "maxDuration");
        bool enabled = true;
        uint32_t seconds = 0;
        if (!yyjson_is_obj(duration))
            continue;
        size_t mark = od_agent_enter(r, "maxDuration");
        err = od_agent_bool(r, duration, "isEnabled", &enabled);
        if (!err)
            err = od_agent_uint(r, duration, "maxDurationSeconds", 1, DURATION_S_MAX, &seconds);
        uint32_t handed_on = 0;
        if (!err)
            err = od_agent_uint(r, duration, "maxDurationInTransferSeconds", 1,
                                OD_TRANSFER_TALK_S_MAX, &handed_on);
        if (!err && enabled && handed_on)
            def->transfer.talk_ms_max = handed_on * 1000;
        od_agent_leave(r, mark);
        if (!err && enabled && !def->max_duration_s)
            def->max_duration_s = seconds;
    }
    od_agent_leave(r, outer);
    return err;
}

static int read_trunks(struct od_agent_reader *r, yyjson_val *array, struct od_agent_def *def)
{
    if (!array || yyjson_is_null(array))
        return 0;
    size_t mark = od_agent_enter(r, "trunks");
    int err = 0;
    if (!yyjson_is_arr(array) || yyjson_arr_size(array) > OD_TRUNKS_PER_LANE)
        err = od_agent_refuse(r, "an array of up to 8 trunk names", array);
    size_t i, max;
    yyjson_val *value;
    yyjson_arr_foreach(array, i, max, value)
    {
        size_t here = od_agent_enter_index(r, i);
        const char *name = yyjson_get_str(value);
        size_t bytes = yyjson_get_len(value);
        if (!err && (!name || !bytes || bytes >= OD_NAME_MAX || memchr(name, '\0', bytes)))
            err = od_agent_refuse(r, "a trunk's name of 1 to 63 bytes", value);
        if (!err)
            od_str_copy(def->trunks[def->trunk_count++], OD_NAME_MAX, name, bytes);
        od_agent_leave(r, here);
    }
    od_agent_leave(r, mark);
    return err;
}

int od_agent_read_voice(struct od_agent_reader *r, yyjson_val *object, const char **out)
{
    const char *voice = NULL;
    int err =
        od_agent_text(r, object, "voice", 1, sizeof((struct od_agent_def *)0)->voice - 1, &voice);
    if (err || !voice)
        return err;
    for (const char *c = voice; !err && *c; c++) {
        /* It becomes an argument of the synthesiser: it must not look like an option or a path. */
        bool fine = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || (c > voice && strchr("+-_", *c));
        if (!fine) {
            size_t mark = od_agent_enter(r, "voice");
            err = od_agent_refuse(r, "a voice's name like en-us", yyjson_obj_get(object, "voice"));
            od_agent_leave(r, mark);
        }
    }
    *out = voice;
    return err;
}

static int read_voice(struct od_agent_reader *r, yyjson_val *agent, struct od_agent_def *def)
{
    const char *voice = VOICE_DEFAULT;
    int err = od_agent_read_voice(r, agent, &voice);
    if (!err)
        od_str_copy(def->voice, sizeof def->voice, voice, strlen(voice));
    return err;
}

static int read_script(struct od_agent_reader *r, yyjson_val *agent, struct def_box *box)
{
    static const char *const known[] = {"kind", "voice", "steps", NULL};
    int err = od_agent_keys(r, agent, known);
    if (!err)
        err = read_voice(r, agent, &box->def);
    if (!err)
        err = od_agent_steps_read(r, yyjson_obj_get(agent, "steps"), &box->steps,
                                  &box->def.step_count);
    return err;
}

static int read_agent(struct od_agent_reader *r, yyjson_val *agent, struct def_box *box)
{
    yyjson_val *kind = yyjson_obj_get(agent, "kind");
    size_t mark = od_agent_enter(r, "agent");
    int err;
    if (!yyjson_is_obj(agent)) {
        err =
            od_agent_refuse(r, "an object like { \"kind\": \"script\", \"steps\": [...] }", agent);
    } else if (yyjson_equals_str(kind, "stream")) {
        box->def.kind = OD_AGENT_STREAM;
        err = od_agent_stream_read(r, agent, &box->def.stream);
    } else if (yyjson_equals_str(kind, "script")) {
        box->def.kind = OD_AGENT_SCRIPT;
        err = read_script(r, agent, box);
    } else {
        size_t here = od_agent_enter(r, "kind");
        err = od_agent_refuse(r, "\"script\" or \"stream\"", kind);
        od_agent_leave(r, here);
    }
    od_agent_leave(r, mark);
    return err;
}

/* How a bot's orders hand on, where they don't say. */
static int read_transfer(struct od_agent_reader *r, yyjson_val *object, struct od_agent_def *def)
{
    static const char *const known[] = {"mode",        "ring_timeout_s", "max_duration_s", "brief",
                                        "brief_max_s", "on_fail",        "on_end",         NULL};
    if (!object || yyjson_is_null(object))
        return 0;
    size_t mark = od_agent_enter(r, "transfer");
    int err = yyjson_is_obj(object)
                  ? od_agent_keys(r, object, known)
                  : od_agent_refuse(r, "an object like {\"mode\": \"bridge\"}", object);
    if (!err)
        err = od_transfer_read_all(r, object, &def->transfer);
    od_agent_leave(r, mark);
    return err;
}

static int read_outdial(struct od_agent_reader *r, yyjson_val *outdial, struct def_box *box)
{
    static const char *const known[] = {"agent",  "trunks",    "ring_timeout_s", "retry",     "amd",
                                        "record", "recording", "transfer",       "max_calls", "cps",
                                        NULL};
    if (!outdial) /* a vendor's document: the configuration's default agent talks */
        return 0;
    size_t mark = od_agent_enter(r, "outdial");
    int err = yyjson_is_obj(outdial)
                  ? od_agent_keys(r, outdial, known)
                  : od_agent_refuse(r, "an object with \"agent\" and \"trunks\"", outdial);
    if (!err)
        err = read_trunks(r, yyjson_obj_get(outdial, "trunks"), &box->def);
    if (!err)
        err = od_agent_uint(r, outdial, "ring_timeout_s", 1, RING_S_MAX, &box->def.ring_timeout_s);
    if (!err)
        err = od_agent_retry_read(r, yyjson_obj_get(outdial, "retry"), &box->def.retry);
    if (!err)
        err = od_agent_media_read(r, outdial, &box->def);
    if (!err)
        err = read_transfer(r, yyjson_obj_get(outdial, "transfer"), &box->def);
    if (!err && yyjson_obj_get(outdial, "agent"))
        err = read_agent(r, yyjson_obj_get(outdial, "agent"), box);
    od_agent_leave(r, mark);
    return err;
}

static int read_root(struct od_agent_reader *r, yyjson_val *root, struct def_box *box)
{
    if (!yyjson_is_obj(root))
        return od_agent_refuse(r, "an object", root);
    box->def.enabled = true;
    od_transfer_init(&box->def.transfer);
    int err = read_name(r, root, &box->def);
    if (!err)
        err = od_agent_bool(r, root, "isEnabled", &box->def.enabled);
    if (!err)
        err = od_agent_bool(r, root, "enabled", &box->def.enabled);
    if (!err)
        err = read_number(r, root, &box->def);
    if (!err)
        err = read_duration(r, root, &box->def);
    if (!err)
        err = od_agent_features_read(r, root, &box->def.features);
    if (!err)
        err = od_agent_hours_read(r, yyjson_obj_get(root, "schedule"), &box->def.hours);
    box->def.has_hours = od_agent_hours_any(&box->def.hours);
    if (!err)
        err = od_agent_media_read_vendors(r, root, &box->def);
    if (!err)
        err = read_outdial(r, yyjson_obj_get(root, "outdial"), box);
    if (!err) /* after what outdial.transfer says of the way */
        err = od_transfer_plan_read(r, root, &box->def.transfer, &box->def.plan);
    return err;
}

static bool needs_speech(const struct od_agent_def *def)
{
    for (uint32_t i = 0; i < def->step_count; i++) {
        const struct od_agent_step *step = &def->steps[i];
        if (step->kind == OD_STEP_SAY || (step->kind == OD_STEP_GATHER && step->text))
            return true;
    }
    return false;
}

int od_agent_def_parse(const char *json, size_t bytes, struct od_agent_def **out,
                       struct od_agent_problem *problem)
{
    struct od_agent_problem unwanted;
    struct od_agent_reader reader;
    *out = NULL;
    if (!problem)
        problem = &unwanted;
    memset(problem, 0, sizeof *problem);
    od_agent_reader_init(&reader, problem);
    if (bytes > OD_AGENT_DOC_BYTES_MAX) {
        od_agent_refuse_text(&reader, "a document of up to 256 KiB", "a larger one");
        return OD_ETOOBIG;
    }

    struct def_box *box = calloc(1, sizeof *box);
    yyjson_read_err bad = {0};
    if (!box)
        return OD_ENOMEM;
    box->doc = yyjson_read_opts((char *)(uintptr_t)json, bytes, 0, NULL, &bad);
    int err;
    if (!box->doc && bad.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        err = OD_ENOMEM;
    } else if (!box->doc) {
        err = od_agent_refuse_text(&reader, "JSON", bad.msg ? bad.msg : "something else");
        problem->position = bad.pos;
    } else {
        err = read_root(&reader, yyjson_doc_get_root(box->doc), box);
    }
    box->def.steps = box->steps;
    box->def.speaks = !err && needs_speech(&box->def);
    if (err)
        od_agent_def_destroy(&box->def);
    else
        *out = &box->def;
    return err;
}

int od_agent_def_again(const struct od_agent_def *def, struct od_agent_def **out)
{
    size_t bytes = 0;
    char *json = yyjson_val_write(od_agent_def_root(def), 0, &bytes);
    *out = NULL;
    int err = json ? od_agent_def_parse(json, bytes, out, NULL) : OD_ENOMEM;
    free(json);
    return err;
}

char *od_agent_def_returns(const struct od_agent_def *def, size_t *bytes)
{
    yyjson_val *returns = yyjson_obj_get(od_agent_def_root(def), "returns");
    *bytes = 0;
    return yyjson_obj_size(returns) ? yyjson_val_write(returns, 0, bytes) : NULL;
}

void od_agent_def_default(struct od_agent_def *def, const struct od_agent_stream *fallback)
{
    struct od_agent_stream *stream = &def->stream;
    if (!fallback->url || def->kind == OD_AGENT_SCRIPT || stream->url)
        return;
    if (def->kind == OD_AGENT_NONE)
        stream->buffer_s = fallback->buffer_s;
    def->kind = OD_AGENT_STREAM;
    stream->url = fallback->url;
    stream->dialect = fallback->dialect;
    stream->rate = fallback->rate;
    if (!stream->auth_token)
        stream->auth_token = fallback->auth_token;
    if (!stream->bearer)
        stream->bearer = fallback->bearer;
}

bool od_agent_needs_admission(const struct od_agent_def *def)
{
    const struct od_agent_stream *stream = &def->stream;
    if (def->kind == OD_AGENT_NONE) /* it can't talk, and nobody is to be rung up to hear that */
        return true;
    return def->kind == OD_AGENT_STREAM &&
           (!stream->url || (!stream->connect_at_answer && !stream->ring_when_down));
}

void od_agent_def_destroy(struct od_agent_def *def)
{
    if (!def)
        return;
    struct def_box *box = (struct def_box *)def; /* def is its first member */
    od_agent_steps_free(box->steps, def->step_count);
    free(box->def.plan.routes);
    yyjson_doc_free(box->doc);
    free(box);
}

struct yyjson_val *od_agent_def_root(const struct od_agent_def *def)
{
    const struct def_box *box = (const struct def_box *)def;
    return yyjson_doc_get_root(box->doc);
}
