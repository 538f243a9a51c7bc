/*
 * media_hello - see the header.
 */
#include "engine/agent/media_hello.h"

#include <stdio.h>
#include <string.h>

enum { VERSION = 1, SHOWN_MAX = 24, PTIME_MAX = OD_WIRE_FRAMES_MAX * OD_FRAME_MS };

static const struct {
    const char *name;
    uint32_t rate_max; /* from 8000 on, in those steps that divide it */
} codecs[] = {[OD_WIRE_ULAW] = {"pcmu", 8000},
              [OD_WIRE_ALAW] = {"pcma", 8000},
              [OD_WIRE_L16] = {"l16", 48000}};

/* 32 and 40 kHz could be had; nobody's models are at them. */
static const uint32_t rates[] = {8000, 16000, 24000, 48000};

enum { CODECS = sizeof codecs / sizeof *codecs, RATES = sizeof rates / sizeof *rates };

const char *od_media_codec_name(uint8_t codec)
{
    return codecs[codec].name;
}

/* [0, 0, {v, engine, codecs, rates, ptimes}] */
void od_media_hello_write(struct od_buf *buf)
{
    od_mpack_put_array(buf, 3);
    od_mpack_put_uint(buf, 0);
    od_mpack_put_uint(buf, 0);
    od_mpack_put_map(buf, 5);
    od_mpack_put_str(buf, "v", 1);
    od_mpack_put_uint(buf, VERSION);
    od_mpack_put_str(buf, "engine", 6);
    od_mpack_put_str(buf, "outdial", 7);
    od_mpack_put_str(buf, "codecs", 6);
    od_mpack_put_array(buf, CODECS);
    for (unsigned i = 0; i < CODECS; i++)
        od_mpack_put_str(buf, codecs[i].name, strlen(codecs[i].name));
    od_mpack_put_str(buf, "rates", 5);
    od_mpack_put_array(buf, RATES);
    for (unsigned i = 0; i < RATES; i++)
        od_mpack_put_uint(buf, rates[i]);
    od_mpack_put_str(buf, "ptimes", 6);
    od_mpack_put_array(buf, OD_WIRE_FRAMES_MAX);
    for (unsigned i = OD_FRAME_MS; i <= PTIME_MAX; i += OD_FRAME_MS)
        od_mpack_put_uint(buf, i);
}

/* ---- the agent's ---- */

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {
        [OD_MPACK_END] = "nothing",          [OD_MPACK_NIL] = "nil",
        [OD_MPACK_BOOL] = "a boolean",       [OD_MPACK_UINT] = "a number",
        [OD_MPACK_INT] = "a number below 0", [OD_MPACK_REAL] = "a fraction",
        [OD_MPACK_STR] = "a text",           [OD_MPACK_BIN] = "bytes",
        [OD_MPACK_ARRAY] = "an array",       [OD_MPACK_MAP] = "a map",
        [OD_MPACK_EXT] = "an extension"};
    return names[kind];
}

/* A stranger's value, for a log line and a close frame. */
static void show(const struct od_mpack_value *value, char out[SHOWN_MAX + 3])
{
    struct od_buf buf;
    od_buf_init(&buf, out, SHOWN_MAX + 3);
    if (value->kind == OD_MPACK_UINT) {
        od_buf_u64(&buf, value->number);
    } else if (value->kind == OD_MPACK_STR) {
        od_buf_char(&buf, '"');
        for (size_t i = 0; i < value->bytes && i < SHOWN_MAX; i++)
            od_buf_char(&buf, value->at[i] > ' ' && value->at[i] < 0x7f ? value->at[i] : '?');
        od_buf_char(&buf, '"');
    } else {
        od_buf_str(&buf, kind_name(value->kind));
    }
}

/* The first fault is the one that is told. */
static void refuse(struct od_media_hello *out, const char *name, const struct od_mpack_value *found,
                   const char *expected)
{
    char shown[SHOWN_MAX + 3];
    if (*out->wrong)
        return;
    show(found, shown);
    snprintf(out->wrong, sizeof out->wrong, "HELLO: %s %s: expected %s", name, shown, expected);
}

struct asked {
    struct od_mpack_value v, max_calls, codec, rate, ptime;
};

static bool is(const struct od_mpack_value *text, const char *word)
{
    return text->kind == OD_MPACK_STR && text->bytes == strlen(word) &&
           !memcmp(text->at, word, text->bytes);
}

/* Where a member's value goes; NULL: it means nothing to us. */
static struct od_mpack_value *place_of(struct asked *asked, const struct od_mpack_value *key)
{
    return is(key, "v")           ? &asked->v
           : is(key, "max_calls") ? &asked->max_calls
           : is(key, "codec")     ? &asked->codec
           : is(key, "rate")      ? &asked->rate
           : is(key, "ptime")     ? &asked->ptime
                                  : NULL;
}

/* False: it is no map of texts, or broken. */
static bool read_members(struct od_mpack *mpack, struct asked *asked)
{
    struct od_mpack_value map, key;
    if (!od_mpack_next(mpack, &map) || map.kind != OD_MPACK_MAP)
        return false;
    for (uint32_t i = 0; i < map.count; i++) {
        if (!od_mpack_next(mpack, &key) || key.kind != OD_MPACK_STR)
            return false;
        struct od_mpack_value *place = place_of(asked, &key);
        struct od_mpack before = *mpack;
        if (!od_mpack_skip(mpack) || (place && !od_mpack_next(&before, place)))
            return false;
    }
    return true;
}

static bool given(const struct od_mpack_value *value)
{
    return value->kind != OD_MPACK_NIL;
}

static void take_codec(struct od_media_hello *out, const struct od_mpack_value *codec)
{
    for (uint8_t i = 0; i < CODECS; i++) {
        if (is(codec, codecs[i].name)) {
            out->media.codec = i;
            return;
        }
    }
    refuse(out, "codec", codec, "pcmu, pcma or l16");
}

static void take_rate(struct od_media_hello *out, const struct od_mpack_value *rate)
{
    uint32_t most = codecs[out->media.codec].rate_max;
    for (unsigned i = 0; rate->kind == OD_MPACK_UINT && i < RATES && rates[i] <= most; i++) {
        if (rate->number == rates[i]) {
            out->media.rate = rates[i];
            return;
        }
    }
    refuse(out, "rate", rate,
           out->media.codec == OD_WIRE_L16 ? "8000, 16000, 24000 or 48000" : "8000, or l16");
}

static void take_ptime(struct od_media_hello *out, const struct od_mpack_value *ptime)
{
    bool good = ptime->kind == OD_MPACK_UINT && ptime->number && ptime->number <= PTIME_MAX &&
                ptime->number % OD_FRAME_MS == 0;
    if (good)
        out->media.frames = (uint32_t)ptime->number / OD_FRAME_MS;
    else
        refuse(out, "ptime", ptime, "20, 40, 60, 80 or 100");
}

void od_media_hello_read(struct od_mpack *mpack, struct od_media_hello *out)
{
    static const struct od_mpack_value nil = {.kind = OD_MPACK_NIL};
    struct asked asked = {nil, nil, nil, nil, nil};
    *out = (struct od_media_hello){.max_calls = UINT32_MAX,
                                   .media = {.codec = OD_WIRE_ULAW, .rate = 8000, .frames = 1}};
    if (!read_members(mpack, &asked)) {
        snprintf(out->wrong, sizeof out->wrong, "HELLO: expected a map of what the agent wants");
        return;
    }
    if (given(&asked.v) && (asked.v.kind != OD_MPACK_UINT || asked.v.number != VERSION))
        refuse(out, "v", &asked.v, "1");
    if (given(&asked.max_calls) && asked.max_calls.kind != OD_MPACK_UINT)
        refuse(out, "max_calls", &asked.max_calls, "a whole number");
    else if (given(&asked.max_calls))
        out->max_calls =
            asked.max_calls.number > UINT32_MAX ? UINT32_MAX : (uint32_t)asked.max_calls.number;
    if (given(&asked.codec))
        take_codec(out, &asked.codec);
    if (given(&asked.rate))
        take_rate(out, &asked.rate);
    if (given(&asked.ptime))
        take_ptime(out, &asked.ptime);
}
