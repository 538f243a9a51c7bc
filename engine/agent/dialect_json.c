/*
 * dialect_json - the ways of the JSON dialects: templates filled in, messages looked up by their
 * word. Audio of the binary ones goes as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "engine/agent/dialect_priv.h"
#include "engine/agent/envelope.h"
#include "engine/base/base64.h"

/* ---- writing ---- */

void od_json_escape(struct od_buf *buf, const char *text, size_t bytes)
{
    static const char hex[] = "0123456789abcdef";
    size_t plain = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        od_buf_add(buf, text + plain, i - plain);
        plain = i + 1;
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        if (c == '"' || c == '\\') {
            escape[1] = (char)c;
            od_buf_add(buf, escape, 2);
        } else {
            od_buf_add(buf, escape, 6);
        }
    }
    od_buf_add(buf, text + plain, bytes - plain);
}

static void add_base64(struct od_buf *buf, const uint8_t *data, size_t bytes)
{
    size_t chars = OD_BASE64_CHARS(bytes);
    if (chars >= buf->size - buf->used) {
        buf->cut = true;
        return;
    }
    od_base64_encode(buf->at + buf->used, data, bytes);
    buf->used += chars;
    buf->at[buf->used] = 0;
}

/* An object's members without its braces, after a comma. */
static void add_flat(struct od_buf *buf, const char *object)
{
    size_t bytes = strlen(object);
    if (bytes <= 2)
        return;
    od_buf_char(buf, ',');
    od_buf_add(buf, object + 1, bytes - 2);
}

/* k=v;k2=v2, as the inside of a JSON string; what would break it is left out. */
static void add_pairs(struct od_buf *buf, const char *object)
{
    yyjson_doc *doc = yyjson_read(object, strlen(object), 0);
    yyjson_obj_iter iter = yyjson_obj_iter_with(yyjson_doc_get_root(doc));
    bool first = true;
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        if (!yyjson_is_str(value) || strpbrk(yyjson_get_str(value), ";=") ||
            strpbrk(yyjson_get_str(key), ";="))
            continue;
        if (!first)
            od_buf_char(buf, ';');
        first = false;
        od_json_escape(buf, yyjson_get_str(key), yyjson_get_len(key));
        od_buf_char(buf, '=');
        od_json_escape(buf, yyjson_get_str(value), yyjson_get_len(value));
    }
    yyjson_doc_free(doc);
}

static void add_text(struct od_buf *buf, const char *text)
{
    od_json_escape(buf, text, strlen(text));
}

static void add_place(struct od_buf *buf, char place, const struct od_stream_words *w)
{
    switch (place) {
    case 'a':
        od_buf_str(buf, w->account);
        break;
    case 'c':
        od_buf_str(buf, w->call);
        break;
    case 's':
        od_buf_str(buf, w->stream);
        break;
    case 'i':
        od_buf_str(buf, w->call_id);
        break;
    case 'f':
        add_text(buf, w->from);
        break;
    case 'o':
        add_text(buf, w->to);
        break;
    case 'q':
        od_buf_u64(buf, w->seq);
        break;
    case 'k':
        od_buf_u64(buf, w->chunk);
        break;
    case 't':
        od_buf_u64(buf, w->ts_ms);
        break;
    case 'R':
        od_buf_u64(buf, w->rate);
        break;
    case 'A':
        add_base64(buf, w->audio, w->audio_bytes);
        break;
    case 'n':
        od_json_escape(buf, w->name, w->name_bytes);
        break;
    case 'j':
        od_buf_add(buf, w->name, w->name_bytes);
        break;
    case 'J':
        od_buf_str(buf, w->json);
        break;
    case 'P':
        od_buf_str(buf, w->params);
        break;
    case 'F':
        add_flat(buf, w->params);
        break;
    case 'H':
        add_pairs(buf, w->params);
        break;
    case 'D':
        od_buf_str(buf, w->details);
        break;
    case 'd':
        od_buf_char(buf, w->digit);
        break;
    case 'm':
        od_buf_u64(buf, w->played_ms);
        break;
    case 'M':
        od_buf_u64(buf, w->of_ms);
        break;
    case 'r':
        add_text(buf, w->reason);
        break;
    case 'S':
        od_buf_u64(buf, w->sip_status);
        break;
    default:
        break;
    }
}

size_t od_dialect_json_write(const struct od_dialect *dialect, enum od_stream_event event,
                             const struct od_stream_words *words, char *out, size_t size,
                             bool *text)
{
    const char *at = dialect->out[event];
    *text = true;
    if (event == OD_STREAM_AUDIO && dialect->binary) {
        if (words->audio_bytes > size)
            return 0;
        memcpy(out, words->audio, words->audio_bytes);
        *text = false;
        return words->audio_bytes;
    }
    if (!at)
        return 0;
    struct od_buf buf;
    od_buf_init(&buf, out, size);
    for (const char *place; (place = strchr(at, '%')); at = place + 2) {
        od_buf_add(&buf, at, (size_t)(place - at));
        add_place(&buf, place[1], words);
    }
    od_buf_str(&buf, at);
    return buf.cut ? 0 : buf.used;
}

/* ---- reading ---- */

/* What we understand besides a vendor's words, in any JSON dialect, by the member "event". */
static const struct od_dialect_row our_rows[] = {
    {"hangup", OD_STREAM_HANGUP, "hangup", "reason", false, NULL},
    {"transfer", OD_STREAM_TRANSFER, "transfer", "target", false, NULL},
    {"dtmf", OD_STREAM_SEND_DTMF, "dtmf", "digits", false, NULL},
    {"tool_call", OD_STREAM_TOOL_CALL, "tool_call", "name", false, NULL},
    {"result", OD_STREAM_RESULT, NULL, "result", true, NULL},
    {"transcript", OD_STREAM_TRANSCRIPT, NULL, "transcript", true, NULL},
    {0},
};

/* An audio payload is not worth a JSON parser's copy of it: it is cut out, and the message read
 * with this in its place, which no base64 is. */
#define CUT_WORD "=cut="
enum { CUT_MIN_BYTES = 128, AROUND_MAX_BYTES = 4096 };

struct telling {
    od_stream_command_fn fn;
    void *ctx;
    struct od_envelope *envelope; /* NULL: none is kept */
    struct od_payload cut;        /* at NULL: nothing was cut out */
};

static void tell(const struct telling *telling, const struct od_stream_command *command)
{
    telling->fn(telling->ctx, command);
}

static void tell_bad(const struct telling *telling, const char *what)
{
    tell(telling, &(struct od_stream_command){
                      .kind = OD_STREAM_BAD, .text = what, .text_bytes = strlen(what)});
}

static const struct od_dialect_row *find_row(const struct od_dialect_row *rows, yyjson_val *word)
{
    for (; rows && rows->word; rows++) {
        if (yyjson_equals_str(word, rows->word))
            return rows;
    }
    return NULL;
}

static uint32_t number_of(yyjson_val *value)
{
    uint64_t n = 0;
    if (yyjson_is_uint(value))
        n = yyjson_get_uint(value);
    else if (yyjson_is_str(value))
        od_str_u64(yyjson_get_str(value), yyjson_get_len(value), UINT32_MAX, &n);
    return n <= UINT32_MAX ? (uint32_t)n : 0;
}

/* What the piece itself says: "audio/x-mulaw", "audio/x-l16;rate=16000", "raw", beside sampleRate.
 * False: something else (MP3, a WAV file), which would be noise in the callee's ear. */
static bool read_audio_type(const struct od_dialect *dialect, yyjson_val *holder,
                            struct od_stream_command *command)
{
    yyjson_val *value = yyjson_obj_get(holder, "contentType");
    if (!value)
        value = yyjson_obj_get(holder, "audioContentType");
    const char *type = yyjson_is_str(value) ? yyjson_get_str(value) : "";
    const char *rate = strstr(type, "rate=");
    uint64_t n = 0;
    command->audio_codec = dialect->codec;
    command->audio_rate = number_of(yyjson_obj_get(holder, "sampleRate"));
    if (rate && !command->audio_rate) {
        od_str_u64(rate + 5, strspn(rate + 5, "0123456789"), 192000, &n);
        command->audio_rate = (uint32_t)n;
    }
    if (!*type || !strcmp(type, "raw"))
        return true;
    command->audio_codec = strcasestr(type, "mulaw") ? OD_WIRE_ULAW : OD_WIRE_L16;
    return command->audio_codec == OD_WIRE_ULAW || strcasestr(type, "l16");
}

static void tell_row(const struct od_dialect *dialect, const struct od_dialect_row *row,
                     yyjson_val *root, const struct telling *telling)
{
    struct od_stream_command command = {.kind = row->command};
    yyjson_val *holder = row->in ? yyjson_obj_get(root, row->in) : root;
    yyjson_val *value = row->at ? yyjson_obj_get(holder, row->at) : NULL;
    char *json = NULL;
    if (row->command == OD_STREAM_AUDIO_OUT) {
        yyjson_val *id = yyjson_obj_get(holder, "id");
        if (!yyjson_is_str(value)) {
            tell_bad(telling, "audio without a payload");
            return;
        }
        if (!read_audio_type(dialect, holder, &command)) {
            tell_bad(telling, "audio of a type that is neither raw, mulaw nor l16: it is left out");
            return;
        }
        if (row->queue && !yyjson_is_true(yyjson_obj_get(holder, row->queue)))
            tell(telling, &(struct od_stream_command){.kind = OD_STREAM_CLEAR});
        command.base64 = true;
        command.audio = yyjson_get_str(value);
        command.audio_bytes = yyjson_get_len(value);
        if (telling->cut.at && yyjson_equals_str(value, CUT_WORD)) {
            command.audio = telling->cut.at;
            command.audio_bytes = telling->cut.bytes;
            command.escapes = telling->cut.escapes;
            command.stays = true;
        }
        command.text = yyjson_get_str(id);
        command.text_bytes = yyjson_get_len(id);
    } else if (row->raw) {
        if (!value) {
            tell_bad(telling, "a member is missing");
            return;
        }
        json = yyjson_val_write(value, 0, &command.json_bytes);
        command.json = json;
        command.text = json;
        command.text_bytes = command.json_bytes;
    } else if (row->at && !yyjson_is_str(value) && row->command != OD_STREAM_HANGUP &&
               (row->command != OD_STREAM_TRANSFER || !yyjson_is_obj(holder) || value)) {
        tell_bad(telling, "a name or target is missing");
        return;
    } else {
        command.text = yyjson_is_str(value) ? yyjson_get_str(value) : "";
        command.text_bytes = yyjson_is_str(value) ? yyjson_get_len(value) : 0;
        command.ms = number_of(yyjson_obj_get(holder, "duration_ms"));
        if (holder && holder != root)
            command.json = json = yyjson_val_write(holder, 0, &command.json_bytes);
    }
    tell(telling, &command);
    free(json);
}

static void read_binary(const struct od_dialect *dialect, const uint8_t *at, size_t bytes,
                        const struct telling *telling)
{
    if (!dialect->binary) {
        tell_bad(telling, "a binary message");
        return;
    }
    tell(telling, &(struct od_stream_command){.kind = OD_STREAM_AUDIO_OUT,
                                              .stays = true,
                                              .audio = (const char *)at,
                                              .audio_bytes = bytes,
                                              .audio_codec = dialect->codec});
}

/* The value that an audio row's message has its audio in. */
static yyjson_val *audio_of(const struct od_dialect_row *row, yyjson_val *root)
{
    return yyjson_obj_get(row->in ? yyjson_obj_get(root, row->in) : root, row->at);
}

/* The member that a dialect has its audio in; NULL: no text has any. */
static const char *audio_member(const struct od_dialect *dialect)
{
    const struct od_dialect_row *row = dialect->rows;
    while (row && row->word && row->command != OD_STREAM_AUDIO_OUT)
        row++;
    return row && row->word ? row->at : NULL;
}

/* The message without its payload in `out`; its bytes, or 0 when there is none to cut. */
static size_t cut_payload(const struct od_dialect *dialect, const char *text, size_t bytes,
                          char out[AROUND_MAX_BYTES], struct od_payload *cut)
{
    const char *member = bytes < CUT_MIN_BYTES ? NULL : audio_member(dialect);
    *cut = (struct od_payload){.at = NULL};
    if (member)
        *cut = bytes > OD_DIALECT_PARSED_MAX
                   ? od_envelope_find_long(text, bytes, member, AROUND_MAX_BYTES)
                   : od_envelope_find(text, bytes, member);
    if (!cut->at || bytes - cut->bytes + sizeof CUT_WORD > AROUND_MAX_BYTES)
        return 0;
    size_t before = (size_t)(cut->at - text), after = bytes - before - cut->bytes;
    memcpy(out, text, before);
    memcpy(out + before, CUT_WORD, sizeof CUT_WORD - 1);
    memcpy(out + before + sizeof CUT_WORD - 1, cut->at + cut->bytes, after);
    return before + sizeof CUT_WORD - 1 + after;
}

/* A later message in the same envelope means the same, unless its audio has a name of its own or
 * takes another's place. */
static void keep_envelope(const struct od_dialect *dialect, const struct od_dialect_row *row,
                          yyjson_val *root, const char *text, size_t bytes,
                          const struct telling *telling)
{
    yyjson_val *holder = row->in ? yyjson_obj_get(root, row->in) : root;
    struct od_stream_command command;
    if (!telling->envelope || row->queue || yyjson_obj_get(holder, "id"))
        return;
    if (!read_audio_type(dialect, holder, &command))
        return;
    telling->envelope->codec = command.audio_codec;
    telling->envelope->rate = command.audio_rate;
    od_envelope_keep(telling->envelope, text, bytes, telling->cut);
}

/* A message of audio, and nothing else; false: it is to be read as any. */
static bool read_cut(const struct od_dialect *dialect, const char *text, size_t bytes,
                     struct telling *telling)
{
    char around[AROUND_MAX_BYTES];
    size_t rest = cut_payload(dialect, text, bytes, around, &telling->cut);
    yyjson_doc *doc = rest ? yyjson_read(around, rest, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);
    const struct od_dialect_row *row = find_row(dialect->rows, yyjson_obj_get(root, dialect->key));
    bool is_audio = row && row->command == OD_STREAM_AUDIO_OUT &&
                    yyjson_equals_str(audio_of(row, root), CUT_WORD);
    if (is_audio) {
        tell_row(dialect, row, root, telling);
        keep_envelope(dialect, row, root, text, bytes, telling);
    }
    telling->cut = (struct od_payload){.at = NULL};
    yyjson_doc_free(doc);
    return is_audio;
}

/* A message in the envelope of an earlier one. */
static bool read_enveloped(const char *text, size_t bytes, const struct telling *telling)
{
    const struct od_envelope *envelope = telling->envelope;
    struct od_payload payload = {.at = NULL};
    if (envelope && bytes <= OD_DIALECT_PARSED_MAX)
        payload = od_envelope_open(envelope, text, bytes);
    if (payload.at)
        tell(telling, &(struct od_stream_command){.kind = OD_STREAM_AUDIO_OUT,
                                                  .base64 = true,
                                                  .stays = true,
                                                  .audio = payload.at,
                                                  .audio_bytes = payload.bytes,
                                                  .audio_codec = envelope->codec,
                                                  .audio_rate = envelope->rate});
    return payload.at != NULL;
}

void od_dialect_json_read(const struct od_dialect *dialect, struct od_envelope *envelope, bool text,
                          const uint8_t *at, size_t bytes, od_stream_command_fn fn, void *ctx)
{
    struct telling telling = {.fn = fn, .ctx = ctx, .envelope = envelope};
    if (!text) {
        read_binary(dialect, at, bytes, &telling);
        return;
    }
    if (read_enveloped((const char *)at, bytes, &telling) ||
        read_cut(dialect, (const char *)at, bytes, &telling))
        return;
    if (bytes > OD_DIALECT_PARSED_MAX) {
        tell_bad(&telling, "a message above 128 KiB that is more than a piece of audio");
        return;
    }
    yyjson_doc *doc = yyjson_read((const char *)at, bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *word = yyjson_obj_get(root, dialect->key);
    const struct od_dialect_row *row = find_row(dialect->rows, word);
    if (!row)
        row = find_row(our_rows, yyjson_obj_get(root, "event"));
    if (!yyjson_is_obj(root))
        tell_bad(&telling, "not a JSON object");
    else if (row)
        tell_row(dialect, row, root, &telling);
    else if (!yyjson_is_str(word) && !yyjson_is_str(yyjson_obj_get(root, "event")))
        tell_bad(&telling, "a message without its kind");
    else
        tell(&telling, &(struct od_stream_command){.kind = OD_STREAM_NOTHING});
    yyjson_doc_free(doc);
}
