/*
 * stream - see stream.h.
 */
#include "engine/agent/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "engine/agent/audio_in.h"
#include "engine/agent/audio_out.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum {
    ULAW_BYTES_PER_MS = 8,
    CREDIT_MS = 1000, /* told when so much has left the buffer */
    FRAMES_PER_S = 1000 / OD_FRAME_MS,
    SMALL_BYTES = 2048, /* messages up to this are written on the stack */
};

enum mark_tag { TAG_MARK, TAG_PLAYED };

/* What is told to the log once. */
enum odd { ODD_OVERFLOW, ODD_SLOW, ODD_BAD, ODD_MARKS, ODD_RESULT, ODD_TRANSCRIPT, ODD_COUNT };

/* Audio that waits for the agent to read. */
struct held {
    uint32_t first, count;
    uint8_t frames[OD_STREAM_HELD_FRAMES][OD_FRAME_BYTES];
};

/* Flow control, for the dialects that speak of it. What an agent may send is what it was credited:
 * the buffer at first, then whatever has left it. */
struct flow {
    uint64_t credited;       /* bytes, in all */
    uint64_t overflows_told; /* of playout.dropped */
    uint32_t gaps, gaps_told;
    uint32_t overflow_rest, gap_rest; /* frames until the next word of each */
    bool ran_dry;                     /* by the last frame, in the middle of something */
};

struct od_stream {
    struct od_stream_port port;
    const struct od_dialect *dialect;
    struct od_wire_media media;
    struct od_stream_words words; /* what never changes of it */
    char account[OD_SID_TEXT], call[OD_SID_TEXT], stream_sid[OD_SID_TEXT], call_id[OD_UID_TEXT];
    char campaign[OD_UID_TEXT];
    char *texts; /* from, to, params, details, amd */
    bool open, answered, started, stopped, ending, done, spoke;
    uint32_t tail; /* frames of silence since the last sample */
    uint64_t seq, chunk;
    uint64_t frames; /* of the callee since the start */
    struct od_envelope envelope;
    struct od_playout playout;
    struct od_audio_in in;
    char *piece; /* the name of the audio that is being taken in; NULL: it has none */
    size_t piece_bytes;
    struct flow flow;
    struct held *held;
    struct od_audio_out *out;            /* NULL: frames go as they are */
    yyjson_mut_doc *result, *transcript; /* NULL: none */
    size_t transcript_bytes;
    struct od_stream_stats stats;
    bool told[ODD_COUNT];
};

static void odd(struct od_stream *s, enum odd kind, const char *what)
{
    if (s->told[kind])
        return;
    s->told[kind] = true;
    s->port.odd(s->port.ctx, what);
}

/* ---- telling the agent ---- */

static void tell(struct od_stream *s, enum od_stream_event event, struct od_stream_words *words)
{
    char small[SMALL_BYTES];
    size_t room = od_dialect_room(s->dialect, event, words);
    char *out = room <= sizeof small ? small : malloc(room);
    bool text;
    if (!out)
        return;
    words->seq = s->seq + 1;
    size_t bytes = od_dialect_write(s->dialect, event, words, out, room, &text);
    if (bytes) {
        s->seq += event != OD_STREAM_OPEN && event != OD_STREAM_CREDIT;
        s->port.send(s->port.ctx, text, out, bytes);
    }
    if (out != small)
        free(out);
}

static struct od_stream_words words_now(const struct od_stream *s)
{
    struct od_stream_words words = s->words;
    words.ts_ms = s->frames * OD_FRAME_MS;
    return words;
}

static void tell_plain(struct od_stream *s, enum od_stream_event event)
{
    struct od_stream_words words = words_now(s);
    tell(s, event, &words);
}

/* Those that are due, as many as go into a frame. */
static void tell_marks(struct od_stream *s)
{
    struct od_mark_due due;
    for (unsigned n = 0; n < OD_STREAM_MARKS_AT_ONCE; n++) {
        if (!od_playout_due(&s->playout, &due))
            return;
        struct od_stream_words words = words_now(s);
        words.name = due.name;
        words.name_bytes = due.name_bytes;
        words.played_ms = due.played_ms;
        words.of_ms = due.of_ms;
        tell(s,
             due.tag == TAG_PLAYED ? OD_STREAM_PLAYED
             : due.cleared         ? OD_STREAM_MARK_CLEARED
                                   : OD_STREAM_MARK,
             &words);
    }
}

static void try_start(struct od_stream *s)
{
    if (!s->open || !s->answered || s->started || s->stopped)
        return;
    s->started = true;
    tell_plain(s, OD_STREAM_START);
}

void od_stream_set_sid(struct od_stream *s, uint32_t sid)
{
    s->words.sid = sid;
}

int od_stream_set_media(struct od_stream *s, const struct od_wire_media *media)
{
    bool plain = od_audio_out_plain(media);
    struct od_audio_out *out = plain ? NULL : od_audio_out_create(media);
    if (!plain && !out)
        return OD_ENOMEM;
    free(s->out);
    s->out = out;
    s->media = *media;
    s->words.codec = media->codec;
    s->words.rate = media->rate;
    s->words.ptime_ms = media->frames * OD_FRAME_MS;
    return 0;
}

/* ---- flow control ---- */

/* at_once: however little it is. */
static void tell_credit(struct od_stream *s, bool at_once)
{
    uint64_t due = s->playout.bytes_max + s->playout.taken + s->playout.dropped - s->flow.credited;
    struct od_stream_words words = words_now(s);
    words.credit_ms = due / ULAW_BYTES_PER_MS;
    if (!words.credit_ms || (!at_once && words.credit_ms < CREDIT_MS))
        return;
    s->flow.credited += words.credit_ms * ULAW_BYTES_PER_MS;
    tell(s, OD_STREAM_CREDIT, &words);
}

static void note_gap(struct od_stream *s, size_t have)
{
    struct flow *flow = &s->flow;
    bool talking = have && !s->ending;
    bool over = talking && !od_playout_waiting(&s->playout) && !od_playout_marked(&s->playout);
    flow->gaps += (flow->ran_dry && !have && !s->ending) || (over && have < OD_FRAME_BYTES);
    flow->ran_dry = over && have == OD_FRAME_BYTES;
}

/* Both are told when they happen, then at most once a second. */
static void tell_flow(struct od_stream *s)
{
    struct flow *flow = &s->flow;
    char json[64];
    flow->overflow_rest -= flow->overflow_rest > 0;
    flow->gap_rest -= flow->gap_rest > 0;
    if (s->playout.dropped != flow->overflows_told && !flow->overflow_rest) {
        snprintf(json, sizeof json, "{\"dropped_ms\":%llu}",
                 (unsigned long long)(s->playout.dropped / ULAW_BYTES_PER_MS));
        flow->overflows_told = s->playout.dropped;
        flow->overflow_rest = FRAMES_PER_S;
        od_stream_notice(s, "overflow", json);
    }
    if (flow->gaps != flow->gaps_told && !flow->gap_rest) {
        snprintf(json, sizeof json, "{\"count\":%u}", (unsigned)flow->gaps);
        flow->gaps_told = flow->gaps;
        flow->gap_rest = FRAMES_PER_S;
        od_stream_notice(s, "underrun", json);
    }
    tell_credit(s, false);
}

void od_stream_opened(struct od_stream *s)
{
    if (s->open || s->stopped)
        return;
    s->open = true;
    tell_plain(s, OD_STREAM_OPEN);
    if (od_dialect_flow(s->dialect))
        tell_credit(s, true);
    try_start(s);
}

void od_stream_start(struct od_stream *s)
{
    s->answered = true;
    try_start(s);
}

void od_stream_notice(struct od_stream *s, const char *name, const char *json)
{
    struct od_stream_words words = words_now(s);
    if (!s->started || s->stopped)
        return;
    words.name = name;
    words.name_bytes = strlen(name);
    words.json = json;
    tell(s, OD_STREAM_NOTICE, &words);
}

void od_stream_tool_result(struct od_stream *s, const char *json)
{
    struct od_stream_words words = words_now(s);
    if (!s->started || s->stopped)
        return;
    words.json = json;
    tell(s, OD_STREAM_TOOL_RESULT, &words);
}

void od_stream_digit(struct od_stream *s, char digit)
{
    struct od_stream_words words = words_now(s);
    if (!s->started || s->stopped)
        return;
    words.digit = digit;
    tell(s, OD_STREAM_DTMF, &words);
}

/* ---- the callee's audio ---- */

static void tell_audio(struct od_stream *s, uint64_t frame, const uint8_t *audio, size_t bytes)
{
    struct od_stream_words words = s->words;
    words.ts_ms = frame * OD_FRAME_MS;
    words.chunk = ++s->chunk;
    words.audio = audio;
    words.audio_bytes = bytes;
    tell(s, OD_STREAM_AUDIO, &words);
}

/* What was gathered goes, a whole message or not. */
static void tell_gathered(struct od_stream *s)
{
    struct od_audio_out *out = s->out;
    if (!out || !out->frames)
        return;
    tell_audio(s, out->first, out->at, out->bytes);
    od_audio_out_sent(out);
}

static void tell_frame(struct od_stream *s, uint64_t frame, const uint8_t ulaw[OD_FRAME_BYTES])
{
    s->stats.heard++;
    if (!s->out) {
        tell_audio(s, frame, ulaw, OD_FRAME_BYTES);
        return;
    }
    if (!od_audio_out_follows(s->out, frame)) /* some were dropped between */
        tell_gathered(s);
    if (od_audio_out_add(s->out, frame, ulaw))
        tell_gathered(s);
}

static bool congested(struct od_stream *s)
{
    size_t high = od_dialect_shared(s->dialect) ? OD_STREAM_SHARED_HIGH : OD_STREAM_QUEUED_HIGH;
    return s->port.queued(s->port.ctx) > high;
}

static void hold(struct od_stream *s, const uint8_t ulaw[OD_FRAME_BYTES])
{
    struct held *held = s->held;
    if (!held)
        held = s->held = calloc(1, sizeof *held);
    if (!held || held->count == OD_STREAM_HELD_FRAMES) {
        s->stats.dropped_heard++;
        odd(s, ODD_SLOW, "it reads too slowly: the oldest audio of the callee is dropped");
        if (!held)
            return;
        held->first = (held->first + 1) % OD_STREAM_HELD_FRAMES;
        held->count--;
    }
    memcpy(held->frames[(held->first + held->count++) % OD_STREAM_HELD_FRAMES], ulaw,
           OD_FRAME_BYTES);
}

void od_stream_room(struct od_stream *s)
{
    struct held *held = s->held;
    while (held && held->count && !s->stopped && !congested(s)) {
        const uint8_t *frame = held->frames[held->first];
        held->first = (held->first + 1) % OD_STREAM_HELD_FRAMES;
        tell_frame(s, s->frames - held->count--, frame);
    }
}

void od_stream_heard(struct od_stream *s, const uint8_t ulaw[OD_FRAME_BYTES])
{
    if (!s->started || s->stopped)
        return;
    od_stream_room(s);
    if ((s->held && s->held->count) || congested(s))
        hold(s, ulaw);
    else
        tell_frame(s, s->frames, ulaw);
    s->frames++;
}

void od_stream_stop(struct od_stream *s, const char *reason, uint16_t sip_status)
{
    if (s->stopped)
        return;
    tell_gathered(s);
    /* A call that never started is over without a word, but for those who were asked about it. */
    if (s->started || (s->open && od_dialect_shared(s->dialect))) {
        struct od_stream_words words = words_now(s);
        words.reason = reason;
        words.sip_status = sip_status;
        tell(s, OD_STREAM_STOP, &words);
    }
    s->stopped = true;
}

/* ---- the agent's audio ---- */

static void bad(struct od_stream *s, const char *what)
{
    s->stats.bad++;
    odd(s, ODD_BAD, what);
}

/* The last piece is in the playout, as far as it may be. */
static void audio_over(struct od_stream *s)
{
    if (s->in.bad)
        bad(s, "audio that isn't base64");
    if (s->in.cut)
        odd(s, ODD_OVERFLOW, "it has sent more audio than may wait: the rest is dropped");
    if (s->piece)
        od_playout_mark(&s->playout, s->piece, s->piece_bytes, TAG_PLAYED);
    free(s->piece);
    s->piece = NULL;
}

static void note_audio(struct od_stream *s, uint64_t before)
{
    s->stats.spoken_bytes += s->playout.put - before;
    s->spoke = s->spoke || s->playout.put != before;
    s->tail = 0;
    if (!s->in.left)
        audio_over(s);
}

static void take_audio(struct od_stream *s, const struct od_stream_command *command)
{
    uint64_t before = s->playout.put;
    size_t name_bytes = command->text_bytes;
    if (name_bytes > OD_DIALECT_NAME_MAX)
        name_bytes = OD_DIALECT_NAME_MAX;
    if (od_audio_in_begin(&s->in, &s->playout, command, &s->media)) {
        bad(s, "audio of a sample rate that isn't a multiple of 8,000 up to 48,000");
        return;
    }
    if (name_bytes && (s->piece = malloc(name_bytes))) {
        memcpy(s->piece, command->text, name_bytes);
        s->piece_bytes = name_bytes;
    }
    note_audio(s, before);
}

/* Of a long piece that is not done with, nothing more is said. */
static void drop_rest(struct od_stream *s)
{
    bool waits = s->in.left > 0;
    od_audio_in_drop(&s->in, &s->playout);
    if (waits)
        audio_over(s);
}

bool od_stream_go_on(struct od_stream *s)
{
    uint64_t before = s->playout.put;
    if (s->in.left && s->stopped) {
        drop_rest(s);
    } else if (s->in.left) {
        od_audio_in_go_on(&s->in, &s->playout);
        note_audio(s, before);
    }
    return !s->in.left;
}

size_t od_stream_frame(struct od_stream *s, uint8_t ulaw[OD_FRAME_BYTES])
{
    size_t have = od_playout_frame(&s->playout, ulaw);
    if (od_dialect_flow(s->dialect))
        note_gap(s, have);
    return have;
}

void od_stream_after(struct od_stream *s)
{
    if (s->playout.marks)
        tell_marks(s);
    if (od_dialect_flow(s->dialect) && !s->stopped)
        tell_flow(s);
    if (!s->ending || s->done || od_playout_waiting(&s->playout))
        return;
    if (s->spoke && s->tail++ < OD_STREAM_TAIL_FRAMES)
        return;
    s->done = true;
    s->port.done(s->port.ctx);
}

bool od_stream_talking(const struct od_stream *s)
{
    return od_playout_waiting(&s->playout) > 0;
}

/* ---- what else the agent says ---- */

static void take_mark(struct od_stream *s, const struct od_stream_command *command)
{
    size_t bytes = command->text_bytes;
    s->stats.marks++;
    if (bytes > OD_DIALECT_NAME_MAX)
        bytes = OD_DIALECT_NAME_MAX;
    int err = od_playout_mark(&s->playout, command->text, bytes, TAG_MARK);
    if (err == OD_ETOOBIG) { /* some may be due, and not told yet */
        tell_marks(s);
        err = od_playout_mark(&s->playout, command->text, bytes, TAG_MARK);
    }
    if (err) {
        odd(s, ODD_MARKS, "more marks than can wait");
        return;
    }
    if (!od_playout_waiting(&s->playout))
        tell_marks(s);
}

static void take_clear(struct od_stream *s)
{
    s->stats.clears++;
    drop_rest(s);
    od_playout_clear(&s->playout);
    s->flow.ran_dry = false;
    tell_marks(s);
    tell_plain(s, OD_STREAM_CLEARED);
    if (od_dialect_flow(s->dialect) && s->open)
        tell_credit(s, true);
}

/* Members of a later result replace those of an earlier one. */
static void take_result(struct od_stream *s, const struct od_stream_command *command)
{
    yyjson_doc *doc = yyjson_read(command->json, command->json_bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *key, *value;
    size_t i, max;
    if (!yyjson_is_obj(root) || command->json_bytes > OD_STREAM_RESULT_MAX) {
        odd(s, ODD_RESULT, "a result that is no object, or above 60 KiB");
        yyjson_doc_free(doc);
        return;
    }
    if (!s->result && (s->result = yyjson_mut_doc_new(NULL)))
        yyjson_mut_doc_set_root(s->result, yyjson_mut_obj(s->result));
    yyjson_mut_val *into = yyjson_mut_doc_get_root(s->result);
    yyjson_obj_foreach(root, i, max, key, value)
    {
        if (into && yyjson_mut_obj_size(into) < 1000)
            yyjson_mut_obj_put(into, yyjson_val_mut_copy(s->result, key),
                               yyjson_val_mut_copy(s->result, value));
    }
    yyjson_doc_free(doc);
}

/* Our names for what bots call in several ways; other members are left out. */
static void add_segment(struct od_stream *s, yyjson_val *segment)
{
    static const char *const names[][3] = {{"role", "speaker", "role"},
                                           {"text", "content", "text"},
                                           {"started_ms", "start_ms", "started_ms"},
                                           {"ended_ms", "end_ms", "ended_ms"},
                                           {"source", "source", "source"}};
    yyjson_mut_val *into = yyjson_mut_doc_get_root(s->transcript);
    yyjson_mut_val *made = yyjson_mut_obj(s->transcript);
    if (!yyjson_is_obj(segment) || !made)
        return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        yyjson_val *value = yyjson_obj_get(segment, names[i][0]);
        if (!value)
            value = yyjson_obj_get(segment, names[i][1]);
        if (yyjson_is_str(value) || yyjson_is_num(value))
            yyjson_mut_obj_add(made, yyjson_mut_str(s->transcript, names[i][2]),
                               yyjson_val_mut_copy(s->transcript, value));
    }
    yyjson_mut_arr_append(into, made);
}

static void take_transcript(struct od_stream *s, const struct od_stream_command *command)
{
    if (s->transcript_bytes + command->json_bytes > OD_STREAM_TRANSCRIPT_MAX) {
        odd(s, ODD_TRANSCRIPT, "a transcript above 48 KiB: the rest is left out");
        return;
    }
    s->transcript_bytes += command->json_bytes;
    yyjson_doc *doc = yyjson_read(command->json, command->json_bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *segment;
    size_t i, max;
    if (!s->transcript && (s->transcript = yyjson_mut_doc_new(NULL)))
        yyjson_mut_doc_set_root(s->transcript, yyjson_mut_arr(s->transcript));
    if (!yyjson_is_arr(root) && !yyjson_is_obj(root)) {
        odd(s, ODD_TRANSCRIPT, "a transcript that is neither an object nor an array of them");
    } else if (s->transcript && yyjson_is_arr(root)) {
        yyjson_arr_foreach(root, i, max, segment) add_segment(s, segment);
    } else if (s->transcript) {
        add_segment(s, root);
    }
    yyjson_doc_free(doc);
}

void od_stream_closed(struct od_stream *s)
{
    drop_rest(s);
}

void od_stream_left(struct od_stream *s)
{
    s->ending = true;
    s->stopped = true; /* there is nobody to tell */
}

bool od_stream_command(struct od_stream *s, const struct od_stream_command *command)
{
    if (s->stopped)
        return true;
    switch ((enum od_stream_command_kind)command->kind) {
    case OD_STREAM_AUDIO_OUT:
        if (!s->ending) /* else who sends without a pause would never be done */
            take_audio(s, command);
        break;
    case OD_STREAM_SET_MARK:
        take_mark(s, command);
        break;
    case OD_STREAM_CLEAR:
        take_clear(s);
        break;
    case OD_STREAM_CLEAR_MARKS:
        od_playout_clear_marks(&s->playout);
        tell_marks(s);
        break;
    case OD_STREAM_HANGUP:
        s->ending = true;
        break;
    case OD_STREAM_RESULT:
        take_result(s, command);
        break;
    case OD_STREAM_TRANSCRIPT:
        take_transcript(s, command);
        break;
    case OD_STREAM_TRANSFER:
    case OD_STREAM_SEND_DTMF:
    case OD_STREAM_TOOL_CALL:
    case OD_STREAM_ACCEPT:
    case OD_STREAM_REJECT:
    case OD_STREAM_HELLO:
        s->port.order(s->port.ctx, command);
        break;
    case OD_STREAM_BAD: {
        char what[120];
        od_str_copy(what, sizeof what, command->text, command->text_bytes);
        bad(s, what);
        break;
    }
    case OD_STREAM_PING:
    case OD_STREAM_NOTHING:
        break;
    }
    return !s->in.left;
}

static void on_command(void *ctx, const struct od_stream_command *command)
{
    od_stream_command(ctx, command);
}

bool od_stream_message(struct od_stream *s, bool text, const uint8_t *at, size_t bytes)
{
    if (!s->stopped)
        od_dialect_read(s->dialect, &s->envelope, text, at, bytes, on_command, s);
    return !s->in.left;
}

/* ---- life ---- */

static char *json_of(yyjson_mut_doc *doc, size_t *bytes)
{
    *bytes = 0;
    return doc ? yyjson_mut_write(doc, 0, bytes) : NULL;
}

char *od_stream_result(const struct od_stream *s, size_t *bytes)
{
    return json_of(s->result, bytes);
}

char *od_stream_transcript(const struct od_stream *s, size_t *bytes)
{
    return json_of(s->transcript, bytes);
}

void od_stream_stats(const struct od_stream *s, struct od_stream_stats *out)
{
    *out = s->stats;
    out->dropped_bytes = s->playout.dropped;
}

static bool keep_texts(struct od_stream *s, const struct od_stream_setup *setup)
{
    const char *from[] = {setup->from, setup->to, setup->params, setup->details, setup->amd};
    const char **to[] = {&s->words.from, &s->words.to, &s->words.params, &s->words.details,
                         &s->words.amd};
    enum { COUNT = sizeof from / sizeof *from };
    size_t bytes = 0;
    for (unsigned i = 0; i < COUNT; i++)
        bytes += strlen(from[i]) + 1;
    char *at = s->texts = malloc(bytes);
    for (unsigned i = 0; at && i < COUNT; i++) {
        size_t n = strlen(from[i]) + 1;
        *to[i] = memcpy(at, from[i], n);
        at += n;
    }
    return s->texts != NULL;
}

int od_stream_create(struct od_stream **out, const struct od_stream_setup *setup)
{
    struct od_stream *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s || !keep_texts(s, setup)) {
        free(s);
        return OD_ENOMEM;
    }
    s->port = setup->port;
    s->dialect = setup->dialect;
    od_playout_init(&s->playout, setup->pool, (uint64_t)setup->buffer_s * 8000);
    od_sid_account(setup->org, s->account);
    od_sid_call(&setup->call, s->call);
    od_sid_stream(&setup->call, setup->attempt, s->stream_sid);
    od_uid_text(&setup->call, s->call_id);
    s->words.account = s->account;
    s->words.call = s->call;
    s->words.stream = s->stream_sid;
    s->words.call_id = s->call_id;
    if (!od_uid_none(&setup->campaign))
        od_uid_text(&setup->campaign, s->campaign);
    s->words.campaign = s->campaign;
    s->words.attempt = setup->attempt;
    s->words.name = s->words.json = s->words.reason = "";
    struct od_wire_media media = od_dialect_media(setup->dialect, setup->rate);
    if (od_stream_set_media(s, &media)) {
        od_stream_destroy(s);
        return OD_ENOMEM;
    }
    *out = s;
    return 0;
}

void od_stream_destroy(struct od_stream *s)
{
    if (!s)
        return;
    od_playout_deinit(&s->playout);
    yyjson_mut_doc_free(s->result);
    yyjson_mut_doc_free(s->transcript);
    free(s->held);
    od_audio_in_deinit(&s->in);
    free(s->piece);
    free(s->out);
    free(s->texts);
    free(s);
}
