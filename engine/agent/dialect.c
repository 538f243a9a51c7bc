/*
 * dialect - the tables. What a vendor writes as a number or as text, in which letters and in which
 * order, is all here; see agent_def.h for how an agent names its format.
 */
#include "engine/agent/dialect.h"

#include <string.h>

#include "engine/agent/dialect_priv.h"

#define JSON_WAYS .write = od_dialect_json_write, .read = od_dialect_json_read

static const struct od_dialect_row twilio_rows[] = {
    {"media", OD_STREAM_AUDIO_OUT, "media", "payload", false, NULL},
    {"mark", OD_STREAM_SET_MARK, "mark", "name", false, NULL},
    {"clear", OD_STREAM_CLEAR, NULL, NULL, false, NULL},
    {0},
};

static const struct od_dialect_row plivo_rows[] = {
    {"playAudio", OD_STREAM_AUDIO_OUT, "media", "payload", false, NULL},
    {"checkpoint", OD_STREAM_SET_MARK, NULL, "name", false, NULL},
    {"clearAudio", OD_STREAM_CLEAR, NULL, NULL, false, NULL},
    {0},
};

static const struct od_dialect_row vonage_rows[] = {
    {"notify", OD_STREAM_SET_MARK, NULL, "payload", true, NULL},
    {"clear", OD_STREAM_CLEAR, NULL, NULL, false, NULL},
    {0},
};

static const struct od_dialect_row jambonz_rows[] = {
    {"playAudio", OD_STREAM_AUDIO_OUT, "data", "audioContent", false, "queuePlay"},
    {"killAudio", OD_STREAM_CLEAR, NULL, NULL, false, NULL},
    {"mark", OD_STREAM_SET_MARK, "data", "name", false, NULL},
    {"clearMarks", OD_STREAM_CLEAR_MARKS, NULL, NULL, false, NULL},
    {"disconnect", OD_STREAM_HANGUP, NULL, NULL, false, NULL},
    {0},
};

// clang-format off
static const struct od_dialect dialects[] = {
    {
        .name = "twilio", JSON_WAYS, .codec = OD_WIRE_ULAW, .frames = 1, .rates = {8000},
        .key = "event", .rows = twilio_rows,
        .out = {
            [OD_STREAM_OPEN] = "{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}",
            [OD_STREAM_START] =
                "{\"event\":\"start\",\"sequenceNumber\":\"%q\",\"streamSid\":\"%s\",\"start\":{"
                "\"accountSid\":\"%a\",\"streamSid\":\"%s\",\"callSid\":\"%c\",\"tracks\":[\"inbound\"],"
                "\"mediaFormat\":{\"encoding\":\"audio/x-mulaw\",\"sampleRate\":8000,\"channels\":1},"
                "\"customParameters\":%P,\"outdial\":%D}}",
            [OD_STREAM_AUDIO] =
                "{\"event\":\"media\",\"sequenceNumber\":\"%q\",\"streamSid\":\"%s\",\"media\":{"
                "\"track\":\"inbound\",\"chunk\":\"%k\",\"timestamp\":\"%t\",\"payload\":\"%A\"}}",
            [OD_STREAM_DTMF] =
                "{\"event\":\"dtmf\",\"sequenceNumber\":\"%q\",\"streamSid\":\"%s\",\"dtmf\":{"
                "\"track\":\"inbound_track\",\"digit\":\"%d\"}}",
            [OD_STREAM_MARK] =
                "{\"event\":\"mark\",\"sequenceNumber\":\"%q\",\"streamSid\":\"%s\",\"mark\":{\"name\":\"%n\"}}",
            [OD_STREAM_MARK_CLEARED] =
                "{\"event\":\"mark\",\"sequenceNumber\":\"%q\",\"streamSid\":\"%s\",\"mark\":{\"name\":\"%n\"},"
                "\"outdial\":{\"cleared\":true,\"played_ms\":%m,\"of_ms\":%M}}",
            [OD_STREAM_NOTICE] =
                "{\"event\":\"%j\",\"sequenceNumber\":\"%q\",\"streamSid\":\"%s\",\"%j\":%J}",
            [OD_STREAM_TOOL_RESULT] =
                "{\"event\":\"tool_result\",\"sequenceNumber\":\"%q\",\"streamSid\":\"%s\",\"tool_result\":%J}",
            [OD_STREAM_STOP] =
                "{\"event\":\"stop\",\"sequenceNumber\":\"%q\",\"streamSid\":\"%s\",\"stop\":{"
                "\"accountSid\":\"%a\",\"callSid\":\"%c\"}}",
        },
    },
    {
        .name = "telnyx", JSON_WAYS, .codec = OD_WIRE_ULAW, .frames = 1, .rates = {8000},
        .key = "event", .rows = twilio_rows,
        .out = {
            [OD_STREAM_OPEN] = "{\"event\":\"connected\",\"version\":\"1.0.0\"}",
            [OD_STREAM_START] =
                "{\"event\":\"start\",\"sequence_number\":\"%q\",\"start\":{\"user_id\":\"%a\","
                "\"call_control_id\":\"%c\",\"call_session_id\":\"%i\",\"from\":\"%f\",\"to\":\"%o\","
                "\"tags\":[],\"client_state\":\"\",\"custom_parameters\":%P,\"media_format\":{"
                "\"encoding\":\"PCMU\",\"sample_rate\":8000,\"channels\":1},\"outdial\":%D},\"stream_id\":\"%s\"}",
            [OD_STREAM_AUDIO] =
                "{\"event\":\"media\",\"sequence_number\":\"%q\",\"media\":{\"track\":\"inbound\","
                "\"chunk\":\"%k\",\"timestamp\":\"%t\",\"payload\":\"%A\"},\"stream_id\":\"%s\"}",
            [OD_STREAM_DTMF] =
                "{\"event\":\"dtmf\",\"sequence_number\":\"%q\",\"dtmf\":{\"digit\":\"%d\"},\"stream_id\":\"%s\"}",
            [OD_STREAM_MARK] =
                "{\"event\":\"mark\",\"sequence_number\":\"%q\",\"mark\":{\"name\":\"%n\"},\"stream_id\":\"%s\"}",
            [OD_STREAM_MARK_CLEARED] =
                "{\"event\":\"mark\",\"sequence_number\":\"%q\",\"mark\":{\"name\":\"%n\"},\"stream_id\":\"%s\","
                "\"outdial\":{\"cleared\":true,\"played_ms\":%m,\"of_ms\":%M}}",
            [OD_STREAM_NOTICE] =
                "{\"event\":\"%j\",\"sequence_number\":\"%q\",\"stream_id\":\"%s\",\"%j\":%J}",
            [OD_STREAM_TOOL_RESULT] =
                "{\"event\":\"tool_result\",\"sequence_number\":\"%q\",\"stream_id\":\"%s\",\"tool_result\":%J}",
            [OD_STREAM_STOP] =
                "{\"event\":\"stop\",\"sequence_number\":\"%q\",\"stop\":{\"user_id\":\"%a\","
                "\"call_control_id\":\"%c\"},\"stream_id\":\"%s\"}",
        },
    },
    {
        .name = "exotel", JSON_WAYS, .codec = OD_WIRE_L16, .frames = 5, .rates = {8000, 16000, 24000},
        .key = "event", .rows = twilio_rows,
        .out = {
            [OD_STREAM_OPEN] = "{\"event\":\"connected\"}",
            [OD_STREAM_START] =
                "{\"event\":\"start\",\"sequence_number\":\"%q\",\"stream_sid\":\"%s\",\"start\":{"
                "\"stream_sid\":\"%s\",\"call_sid\":\"%c\",\"account_sid\":\"%a\",\"from\":\"%f\",\"to\":\"%o\","
                "\"custom_parameters\":%P,\"media_format\":{\"encoding\":\"audio/x-raw\","
                "\"sample_rate\":\"%R\",\"bit_rate\":\"16\"},\"outdial\":%D}}",
            [OD_STREAM_AUDIO] =
                "{\"event\":\"media\",\"sequence_number\":\"%q\",\"stream_sid\":\"%s\",\"media\":{"
                "\"chunk\":\"%k\",\"timestamp\":\"%t\",\"payload\":\"%A\"}}",
            [OD_STREAM_DTMF] =
                "{\"event\":\"dtmf\",\"sequence_number\":\"%q\",\"stream_sid\":\"%s\",\"dtmf\":{"
                "\"digit\":\"%d\",\"duration\":\"100\"}}",
            [OD_STREAM_MARK] =
                "{\"event\":\"mark\",\"sequence_number\":\"%q\",\"stream_sid\":\"%s\",\"mark\":{\"name\":\"%n\"}}",
            [OD_STREAM_MARK_CLEARED] =
                "{\"event\":\"mark\",\"sequence_number\":\"%q\",\"stream_sid\":\"%s\",\"mark\":{\"name\":\"%n\"},"
                "\"outdial\":{\"cleared\":true,\"played_ms\":%m,\"of_ms\":%M}}",
            [OD_STREAM_NOTICE] =
                "{\"event\":\"%j\",\"sequence_number\":\"%q\",\"stream_sid\":\"%s\",\"%j\":%J}",
            [OD_STREAM_TOOL_RESULT] =
                "{\"event\":\"tool_result\",\"sequence_number\":\"%q\",\"stream_sid\":\"%s\",\"tool_result\":%J}",
            [OD_STREAM_STOP] =
                "{\"event\":\"stop\",\"sequence_number\":\"%q\",\"stream_sid\":\"%s\",\"stop\":{"
                "\"call_sid\":\"%c\",\"account_sid\":\"%a\",\"reason\":\"%r\"}}",
        },
    },
    {
        .name = "plivo", JSON_WAYS, .codec = OD_WIRE_ULAW, .frames = 1, .rates = {8000},
        .key = "event", .rows = plivo_rows,
        .out = {
            [OD_STREAM_START] =
                "{\"event\":\"start\",\"sequenceNumber\":%q,\"start\":{\"callId\":\"%i\",\"streamId\":\"%s\","
                "\"accountId\":\"%a\",\"tracks\":[\"inbound\"],\"mediaFormat\":{\"encoding\":\"audio/x-mulaw\","
                "\"sampleRate\":8000},\"outdial\":%D},\"extra_headers\":\"%H\"}",
            [OD_STREAM_AUDIO] =
                "{\"event\":\"media\",\"sequenceNumber\":%q,\"streamId\":\"%s\",\"media\":{\"track\":\"inbound\","
                "\"timestamp\":\"%t\",\"chunk\":%k,\"payload\":\"%A\"},\"extra_headers\":\"\"}",
            [OD_STREAM_DTMF] =
                "{\"event\":\"dtmf\",\"sequenceNumber\":%q,\"streamId\":\"%s\",\"dtmf\":{\"track\":\"inbound\","
                "\"digit\":\"%d\",\"timestamp\":\"%t\"}}",
            [OD_STREAM_MARK] =
                "{\"event\":\"playedStream\",\"sequenceNumber\":%q,\"streamId\":\"%s\",\"name\":\"%n\"}",
            [OD_STREAM_CLEARED] =
                "{\"event\":\"clearedAudio\",\"sequenceNumber\":%q,\"streamId\":\"%s\"}",
            [OD_STREAM_NOTICE] =
                "{\"event\":\"%j\",\"sequenceNumber\":%q,\"streamId\":\"%s\",\"%j\":%J}",
            [OD_STREAM_TOOL_RESULT] =
                "{\"event\":\"tool_result\",\"sequenceNumber\":%q,\"streamId\":\"%s\",\"tool_result\":%J}",
            [OD_STREAM_STOP] =
                "{\"event\":\"stop\",\"sequenceNumber\":%q,\"streamId\":\"%s\",\"stop\":{\"callId\":\"%i\","
                "\"reason\":\"%r\"}}",
        },
    },
    {
        .name = "vonage", JSON_WAYS, .codec = OD_WIRE_L16, .binary = true, .frames = 1,
        .rates = {16000, 8000, 24000}, .key = "action", .rows = vonage_rows,
        .out = {
            [OD_STREAM_START] =
                "{\"event\":\"websocket:connected\",\"content-type\":\"audio/l16;rate=%R\"%F}",
            [OD_STREAM_DTMF] = "{\"event\":\"websocket:dtmf\",\"digit\":\"%d\",\"duration\":100}",
            [OD_STREAM_MARK] = "{\"event\":\"websocket:notify\",\"payload\":%j}",
            [OD_STREAM_CLEARED] = "{\"event\":\"websocket:cleared\"}",
            [OD_STREAM_NOTICE] = "{\"event\":\"outdial:%j\",\"%j\":%J}",
            [OD_STREAM_TOOL_RESULT] = "{\"event\":\"outdial:tool_result\",\"tool_result\":%J}",
        },
    },
    {
        .name = "jambonz", .subprotocol = "audio.drachtio.org", JSON_WAYS, .codec = OD_WIRE_L16,
        .binary = true, .frames = 1, .rates = {8000, 16000, 24000}, .key = "type", .rows = jambonz_rows,
        .out = {
            [OD_STREAM_START] =
                "{\"callSid\":\"%i\",\"direction\":\"outbound\",\"from\":\"%f\",\"to\":\"%o\",\"callId\":\"%c\","
                "\"sampleRate\":%R,\"mixType\":\"mono\"%F}",
            [OD_STREAM_DTMF] = "{\"event\":\"dtmf\",\"dtmf\":\"%d\",\"duration\":\"1600\"}",
            [OD_STREAM_MARK] = "{\"type\":\"mark\",\"data\":{\"name\":\"%n\",\"event\":\"playout\"}}",
            [OD_STREAM_MARK_CLEARED] = "{\"type\":\"mark\",\"data\":{\"name\":\"%n\",\"event\":\"cleared\"}}",
            [OD_STREAM_PLAYED] = "{\"type\":\"playDone\",\"data\":{\"id\":\"%n\"}}",
            [OD_STREAM_NOTICE] = "{\"event\":\"%j\",\"%j\":%J}",
            [OD_STREAM_TOOL_RESULT] = "{\"event\":\"tool_result\",\"tool_result\":%J}",
        },
    },
    {
        .name = "msgpack", .subprotocol = "outdial.media.v1.msgpack", .write = od_dialect_msgpack_write,
        .read = od_dialect_msgpack_read, .codec = OD_WIRE_ULAW, .binary = true, .shared = true, .flow = true, .bare = true,
        .frames = 1, .rates = {8000},
    },
};
// clang-format on

enum { DIALECTS = sizeof dialects / sizeof *dialects };

bool od_wire_media_equal(const struct od_wire_media *a, const struct od_wire_media *b)
{
    return a->codec == b->codec && a->rate == b->rate && a->frames == b->frames;
}

const struct od_dialect *od_dialect_find(const char *name, size_t bytes)
{
    for (unsigned i = 0; i < DIALECTS; i++) {
        if (strlen(dialects[i].name) == bytes && !memcmp(dialects[i].name, name, bytes))
            return &dialects[i];
    }
    return NULL;
}

const char *od_dialect_names(void)
{
    return "twilio, telnyx, exotel, plivo, vonage, jambonz, msgpack";
}

const char *od_dialect_name(const struct od_dialect *dialect)
{
    return dialect->name;
}

const char *od_dialect_subprotocol(const struct od_dialect *dialect)
{
    return dialect->subprotocol;
}

struct od_wire_media od_dialect_media(const struct od_dialect *dialect, uint32_t rate)
{
    return (struct od_wire_media){.codec = dialect->codec, .rate = rate, .frames = dialect->frames};
}

uint32_t od_dialect_rate(const struct od_dialect *dialect)
{
    return dialect->rates[0];
}

bool od_dialect_rate_ok(const struct od_dialect *dialect, uint32_t rate)
{
    for (unsigned i = 0; i < OD_DIALECT_RATES && dialect->rates[i]; i++) {
        if (dialect->rates[i] == rate)
            return true;
    }
    return false;
}

bool od_dialect_flow(const struct od_dialect *dialect)
{
    return dialect->flow;
}

bool od_dialect_bare(const struct od_dialect *dialect)
{
    return dialect->bare;
}

bool od_dialect_shared(const struct od_dialect *dialect)
{
    return dialect->shared;
}

size_t od_dialect_room(const struct od_dialect *dialect, enum od_stream_event event,
                       const struct od_stream_words *words)
{
    size_t room = 768 + (words->audio_bytes + 2) / 3 * 4;
    (void)dialect;
    if (event == OD_STREAM_AUDIO)
        return room;
    room += 6 * (words->name_bytes + strlen(words->from) + strlen(words->to)) +
            6 * strlen(words->reason) + 2 * strlen(words->json);
    if (event == OD_STREAM_START)
        room += 7 * strlen(words->params) + strlen(words->details);
    return room;
}

size_t od_dialect_write(const struct od_dialect *dialect, enum od_stream_event event,
                        const struct od_stream_words *words, char *out, size_t size, bool *text)
{
    return dialect->write(dialect, event, words, out, size, text);
}

void od_dialect_read(const struct od_dialect *dialect, struct od_envelope *envelope, bool text,
                     const uint8_t *at, size_t bytes, od_stream_command_fn fn, void *ctx)
{
    dialect->read(dialect, envelope, text, at, bytes, fn, ctx);
}
