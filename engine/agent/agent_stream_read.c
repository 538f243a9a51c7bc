/*
 * agent_stream_read - see the header.
 */
#include "engine/agent/agent_stream_read.h"

#include <stdio.h>
#include <string.h>

#include "engine/agent/agent_url.h"
#include "engine/agent/dialect.h"
#include "outdial/err.h"

enum {
    BUFFER_S_MIN = 60,
    BUFFER_S_MAX = OD_AGENT_BUFFER_S,
    PARAM_BYTES_MAX = 2000,
    SECRET_BYTES_MAX = 1024
};

static int refuse_member(struct od_agent_reader *r, yyjson_val *object, const char *key,
                         const char *expected)
{
    size_t mark = od_agent_enter(r, key);
    int err = od_agent_refuse(r, expected, yyjson_obj_get(object, key));
    od_agent_leave(r, mark);
    return err;
}

/* A word of two: *second tells which. */
static int read_either(struct od_agent_reader *r, yyjson_val *object, const char *key,
                       const char *first, const char *second, bool *is_second)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    char expected[64];
    if (!value || yyjson_is_null(value) || yyjson_equals_str(value, first))
        return 0;
    if (yyjson_equals_str(value, second)) {
        *is_second = true;
        return 0;
    }
    snprintf(expected, sizeof expected, "\"%s\" or \"%s\"", first, second);
    return refuse_member(r, object, key, expected);
}

static int read_url(struct od_agent_reader *r, yyjson_val *agent, struct od_agent_stream *out)
{
    enum od_agent_wire wire;
    int err = od_agent_text(r, agent, "url", 1, OD_AGENT_STREAM_URL_MAX, &out->url);
    if (err || !out->url || od_agent_url_read(out->url, &wire))
        return err;
    return refuse_member(r, agent, "url", od_agent_url_forms);
}

/* Without WebSocket there is nothing around a message, and no upgrade to sign. */
static int check_bare(struct od_agent_reader *r, yyjson_val *agent,
                      const struct od_agent_stream *stream)
{
    enum od_agent_wire wire;
    if (!stream->url || !od_agent_url_read(stream->url, &wire) || wire == OD_AGENT_WIRE_WS)
        return 0;
    if (!od_dialect_bare(stream->dialect))
        return refuse_member(r, agent, "format", "\"msgpack\", as the url is not ws:// or wss://");
    if (!stream->auth_token && !stream->bearer)
        return 0;
    size_t mark = od_agent_enter(r, stream->auth_token ? "auth_token" : "bearer");
    int err = od_agent_refuse_text(r, "nothing, as the url is not ws:// or wss://", "a secret");
    od_agent_leave(r, mark);
    return err;
}

static int read_format(struct od_agent_reader *r, yyjson_val *agent, struct od_agent_stream *out)
{
    yyjson_val *format = yyjson_obj_get(agent, "format");
    char expected[128];
    bool given = format && !yyjson_is_null(format);
    const char *name = given ? yyjson_get_str(format) : "twilio";
    out->dialect = name ? od_dialect_find(name, given ? yyjson_get_len(format) : 6) : NULL;
    if (out->dialect)
        return 0;
    snprintf(expected, sizeof expected, "one of %s", od_dialect_names());
    return refuse_member(r, agent, "format", expected);
}

static int read_rate(struct od_agent_reader *r, yyjson_val *agent, struct od_agent_stream *out)
{
    out->rate = od_dialect_rate(out->dialect);
    int err = od_agent_uint(r, agent, "rate", 8000, 24000, &out->rate);
    if (err || od_dialect_rate_ok(out->dialect, out->rate))
        return err;
    return refuse_member(r, agent, "rate", "a sample rate that the format knows");
}

static int read_params(struct od_agent_reader *r, yyjson_val *params, struct od_agent_stream *out)
{
    if (!params || yyjson_is_null(params))
        return 0;
    size_t mark = od_agent_enter(r, "parameters");
    size_t i, max;
    yyjson_val *key, *value;
    int err = 0;
    if (!yyjson_is_obj(params) || yyjson_obj_size(params) > OD_AGENT_PARAMS_MAX) {
        err = od_agent_refuse(r, "an object of up to 64 texts", params);
        od_agent_leave(r, mark);
        return err;
    }
    yyjson_obj_foreach(params, i, max, key, value)
    {
        const char *name = yyjson_get_str(key);
        const char *text = NULL;
        if (!err)
            err = od_agent_text(r, params, name, 0, PARAM_BYTES_MAX, &text);
        if (!err && text)
            out->params[out->param_count++] = (struct od_agent_param){name, text};
    }
    od_agent_leave(r, mark);
    return err;
}

/* It goes into a header line. */
static int read_secret(struct od_agent_reader *r, yyjson_val *agent, const char *key,
                       const char **out)
{
    int err = od_agent_text(r, agent, key, 1, SECRET_BYTES_MAX, out);
    for (const char *c = *out; !err && c && *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) { /* the text itself is not shown */
            size_t mark = od_agent_enter(r, key);
            err = od_agent_refuse_text(r, "printable text", "control characters");
            od_agent_leave(r, mark);
        }
    }
    return err;
}

int od_agent_stream_read(struct od_agent_reader *r, yyjson_val *agent, struct od_agent_stream *out)
{
    static const char *const known[] = {"kind",       "url",    "format",   "connect",
                                        "if_down",    "rate",   "buffer_s", "auth_token",
                                        "parameters", "bearer", NULL};
    out->buffer_s = BUFFER_S_MAX;
    int err = od_agent_keys(r, agent, known);
    if (!err)
        err = read_url(r, agent, out);
    if (!err)
        err = read_format(r, agent, out);
    if (!err)
        err = read_either(r, agent, "connect", "ringing", "answer", &out->connect_at_answer);
    if (!err)
        err = read_either(r, agent, "if_down", "dont_ring", "ring", &out->ring_when_down);
    if (!err)
        err = read_rate(r, agent, out);
    if (!err)
        err = od_agent_uint(r, agent, "buffer_s", BUFFER_S_MIN, BUFFER_S_MAX, &out->buffer_s);
    if (!err)
        err = read_secret(r, agent, "auth_token", &out->auth_token);
    if (!err)
        err = read_secret(r, agent, "bearer", &out->bearer);
    if (!err)
        err = check_bare(r, agent, out);
    if (!err)
        err = read_params(r, yyjson_obj_get(agent, "parameters"), out);
    return err;
}
