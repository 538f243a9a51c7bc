/*
 * dialect_msgpack - the binary format "media.v1": every message is one MessagePack array
 * [kind, sid, ...], with many calls on one connection, told apart by sid. README, "Stream agents",
 * has the table of both directions. Unknown kinds and further elements mean nothing to us.
 *
 * A call is offered with START before it is dialled; the agent accepts or rejects it, and ANSWERED
 * (an EVENT) tells that the callee is there.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/agent/dialect_priv.h"
#include "engine/agent/media_hello.h"
#include "engine/agent/mpack.h"

/* The first element, in either direction. */
enum kind {
    HELLO = 0,
    START = 1,
    AUDIO = 2,
    DTMF = 3,
    MARK = 4,
    EVENT = 5,
    STOP = 6, /* from the agent: HANGUP */
    PING = 7,
    PONG = 8,
    CLEAR = 9,
    TRANSFER = 10,
    CREDIT = 11,
    ACCEPT = 16,
    REJECT = 17,
};

static void head(struct od_buf *buf, uint32_t count, enum kind kind, uint32_t sid)
{
    od_mpack_put_array(buf, count);
    od_mpack_put_uint(buf, (uint64_t)kind);
    od_mpack_put_uint(buf, sid);
}

static void put_text(struct od_buf *buf, const char *text)
{
    od_mpack_put_str(buf, text, strlen(text));
}

static void put_json(struct od_buf *buf, const char *json)
{
    od_mpack_put_json(buf, json, strlen(json));
}

/* [5, sid, {name: {..}}] */
static void put_event(struct od_buf *buf, uint32_t sid, const char *name, size_t bytes,
                      const char *json)
{
    head(buf, 3, EVENT, sid);
    od_mpack_put_map(buf, 1);
    od_mpack_put_str(buf, name, bytes);
    put_json(buf, json);
}

static void put_start(struct od_buf *buf, const struct od_stream_words *w)
{
    head(buf, 3, START, w->sid);
    od_mpack_put_map(buf, 11);
    put_text(buf, "call");
    put_text(buf, w->call_id);
    put_text(buf, "from");
    put_text(buf, w->from);
    put_text(buf, "to");
    put_text(buf, w->to);
    put_text(buf, "campaign");
    if (*w->campaign)
        put_text(buf, w->campaign);
    else
        put_json(buf, "null");
    put_text(buf, "attempt");
    od_mpack_put_uint(buf, w->attempt);
    put_text(buf, "codec");
    put_text(buf, od_media_codec_name(w->codec));
    put_text(buf, "rate");
    od_mpack_put_uint(buf, w->rate);
    put_text(buf, "ptime");
    od_mpack_put_uint(buf, w->ptime_ms);
    put_text(buf, "amd");
    put_json(buf, w->amd);
    put_text(buf, "params");
    put_json(buf, w->params);
    put_text(buf, "outdial");
    put_json(buf, w->details);
}

size_t od_dialect_msgpack_write(const struct od_dialect *dialect, enum od_stream_event event,
                                const struct od_stream_words *w, char *out, size_t size, bool *text)
{
    struct od_buf buf;
    uint64_t ts = w->ts_ms * (w->rate / 1000);
    (void)dialect;
    *text = false;
    od_buf_init(&buf, out, size);
    switch (event) {
    case OD_STREAM_OPEN:
        put_start(&buf, w);
        break;
    case OD_STREAM_START:
        put_event(&buf, w->sid, "answered", 8, "{}");
        break;
    case OD_STREAM_AUDIO:
        head(&buf, 5, AUDIO, w->sid);
        od_mpack_put_uint(&buf, w->seq);
        od_mpack_put_uint(&buf, ts);
        od_mpack_put_bin(&buf, w->audio, w->audio_bytes);
        break;
    case OD_STREAM_DTMF:
        head(&buf, 5, DTMF, w->sid);
        od_mpack_put_uint(&buf, ts);
        od_mpack_put_str(&buf, &w->digit, 1);
        od_mpack_put_uint(&buf, 100);
        break;
    case OD_STREAM_MARK:
    case OD_STREAM_MARK_CLEARED:
        head(&buf, 5, MARK, w->sid);
        od_mpack_put_str(&buf, w->name, w->name_bytes);
        od_mpack_put_uint(&buf, ts);
        od_mpack_put_uint(&buf, event == OD_STREAM_MARK_CLEARED);
        break;
    case OD_STREAM_NOTICE:
        put_event(&buf, w->sid, w->name, w->name_bytes, w->json);
        break;
    case OD_STREAM_TOOL_RESULT:
        put_event(&buf, w->sid, "tool_result", 11, w->json);
        break;
    case OD_STREAM_CREDIT:
        head(&buf, 3, CREDIT, w->sid);
        od_mpack_put_uint(&buf, w->credit_ms);
        break;
    case OD_STREAM_STOP:
        head(&buf, 4, STOP, w->sid);
        put_text(&buf, w->reason);
        od_mpack_put_uint(&buf, w->sip_status);
        break;
    default:
        return 0;
    }
    return buf.cut ? 0 : buf.used;
}

/* ---- reading ---- */

struct reading {
    struct od_mpack mpack;
    uint32_t left; /* elements not looked at */
    struct od_stream_command command;
    char *json; /* of an ANNOTATE or TRANSFER */
    struct od_media_hello hello;
};

static bool element(struct reading *r, struct od_mpack_value *value)
{
    if (!r->left) {
        *value = (struct od_mpack_value){.kind = OD_MPACK_NIL};
        return true;
    }
    r->left--;
    return od_mpack_next(&r->mpack, value);
}

static bool text_element(struct reading *r)
{
    struct od_mpack_value value;
    if (!element(r, &value) || (value.kind != OD_MPACK_STR && value.kind != OD_MPACK_NIL))
        return false;
    r->command.text = value.kind == OD_MPACK_STR ? value.at : "";
    r->command.text_bytes = value.kind == OD_MPACK_STR ? value.bytes : 0;
    return value.kind == OD_MPACK_NIL || od_str_utf8(value.at, value.bytes);
}

static bool number_element(struct reading *r)
{
    struct od_mpack_value value;
    if (!element(r, &value) || (value.kind != OD_MPACK_UINT && value.kind != OD_MPACK_NIL))
        return false;
    r->command.ms = value.number > UINT32_MAX ? UINT32_MAX : (uint32_t)value.number;
    return true;
}

/* The next element as JSON text. */
static bool json_element(struct reading *r)
{
    size_t room = (size_t)(r->mpack.end - r->mpack.at) * 6 + 64;
    struct od_buf buf;
    if (!r->left)
        return false;
    r->left--;
    r->json = malloc(room);
    if (!r->json)
        return false;
    od_buf_init(&buf, r->json, room);
    if (!od_mpack_to_json(&r->mpack, &buf))
        return false;
    r->command.json = r->json;
    r->command.json_bytes = buf.used;
    return true;
}

static bool audio_element(struct reading *r)
{
    struct od_mpack_value seq, value;
    if (!element(r, &seq) || !element(r, &value) || value.kind != OD_MPACK_BIN)
        return false;
    r->command.audio = value.at;
    r->command.audio_bytes = value.bytes;
    r->command.audio_codec = OD_WIRE_AGREED;
    r->command.stays = true;
    return true;
}

/* [0, 0, {v, max_calls, codec, rate, ptime}] */
static bool hello_element(struct reading *r)
{
    struct od_media_hello *hello = &r->hello;
    od_media_hello_read(&r->mpack, hello);
    r->command.ms = hello->max_calls;
    r->command.media = hello->media;
    r->command.text = hello->wrong;
    r->command.text_bytes = strlen(hello->wrong);
    return true;
}

/* What an ANNOTATE carries is told by its members, in the words of the JSON dialects. */
static uint8_t annotation(const char *json)
{
    return strncmp(json, "{\"transcript\":", 14) == 0  ? OD_STREAM_TRANSCRIPT
           : strncmp(json, "{\"tool_call\":", 13) == 0 ? OD_STREAM_TOOL_CALL
           : strncmp(json, "{\"result\":", 10) == 0    ? OD_STREAM_RESULT
                                                       : OD_STREAM_NOTHING;
}

/* {"word":X} becomes X. */
static void unwrap(struct reading *r)
{
    char *colon = strchr(r->json, ':');
    r->json[r->command.json_bytes - 1] = 0;
    r->command.json = colon + 1;
    r->command.json_bytes = strlen(colon + 1);
    r->command.text = "";
    r->command.text_bytes = 0;
}

static bool read_rest(struct reading *r, uint64_t kind)
{
    struct od_stream_command *command = &r->command;
    switch (kind) {
    case HELLO:
        command->kind = OD_STREAM_HELLO;
        return hello_element(r);
    case AUDIO:
        command->kind = OD_STREAM_AUDIO_OUT;
        return audio_element(r);
    case DTMF:
        command->kind = OD_STREAM_SEND_DTMF;
        return text_element(r) && number_element(r);
    case MARK:
        command->kind = OD_STREAM_SET_MARK;
        return text_element(r);
    case EVENT:
        if (!json_element(r))
            return false;
        command->kind = annotation(r->json);
        if (command->kind != OD_STREAM_NOTHING)
            unwrap(r);
        return true;
    case STOP:
        command->kind = OD_STREAM_HANGUP;
        return text_element(r);
    case PING:
        command->kind = OD_STREAM_PING;
        return number_element(r);
    case CLEAR:
        command->kind = OD_STREAM_CLEAR;
        return true;
    case TRANSFER:
        command->kind = OD_STREAM_TRANSFER;
        return r->left && text_element(r) && (!r->left || json_element(r));
    case ACCEPT:
        command->kind = OD_STREAM_ACCEPT;
        return true;
    case REJECT:
        command->kind = OD_STREAM_REJECT;
        return number_element(r) && text_element(r);
    default:
        command->kind = OD_STREAM_NOTHING;
        return true;
    }
}

void od_dialect_msgpack_read(const struct od_dialect *dialect, struct od_envelope *envelope,
                             bool text, const uint8_t *at, size_t bytes, od_stream_command_fn fn,
                             void *ctx)
{
    struct reading r = {.mpack = {at, at + bytes}};
    struct od_mpack_value array, kind, sid;
    (void)dialect;
    (void)envelope;
    bool good = !text && od_mpack_next(&r.mpack, &array) && array.kind == OD_MPACK_ARRAY &&
                array.count >= 2 && od_mpack_next(&r.mpack, &kind) && kind.kind == OD_MPACK_UINT &&
                od_mpack_next(&r.mpack, &sid) && sid.kind == OD_MPACK_UINT &&
                sid.number <= UINT32_MAX;
    if (good) {
        r.left = array.count - 2;
        r.command.sid = (uint32_t)sid.number;
        good =
            (bytes <= OD_DIALECT_PARSED_MAX || kind.number == AUDIO) && read_rest(&r, kind.number);
    }
    if (!good)
        r.command = (struct od_stream_command){.kind = OD_STREAM_BAD,
                                               .sid = r.command.sid,
                                               .text = "not a message of media.v1",
                                               .text_bytes = 26};
    fn(ctx, &r.command);
    free(r.json);
}
