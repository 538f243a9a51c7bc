/*
 * Goal: whatever codec, rate and ptime an agent has chosen, what it is told and what it says is the
 * same call: every sample at its place in media time, messages cut anywhere, credit, marks and
 * played time right in milliseconds. Method: streams of media.v1 driven by hand, 20 ms at a time,
 * with seeded random congestion and random cuts, compared with arithmetic on the side.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/agent/mpack.h"
#include "engine/agent/stream.h"

enum { KIND_AUDIO = 2, KIND_DTMF = 3, KIND_MARK = 4, KIND_STOP = 6, KIND_CREDIT = 11 };
enum { AUDIO_MAX = 2 << 20, PIECES_MAX = 4000 };

struct piece {
    uint64_t ts;
    size_t at, bytes;
};

struct world {
    struct od_chunk_pool pool;
    struct od_stream *stream;
    struct od_wire_media media;
    size_t queued;
    uint8_t audio[AUDIO_MAX]; /* all that the agent was told of the callee */
    size_t audio_bytes;
    struct piece pieces[PIECES_MAX];
    unsigned count, odds;
    uint64_t dtmf_ts, mark_ts, credit_ms;
    bool stopped;
    unsigned marks;
    uint64_t seed;
};

static uint32_t random_below(struct world *w, uint32_t limit)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->seed >> 33) % limit;
}

static uint64_t number(struct od_mpack *mpack)
{
    struct od_mpack_value value;
    assert_true(od_mpack_next(mpack, &value));
    assert_int_equal(value.kind, OD_MPACK_UINT);
    return value.number;
}

static void on_audio(struct world *w, struct od_mpack *mpack)
{
    struct od_mpack_value value;
    assert_true(w->count < PIECES_MAX);
    struct piece *piece = &w->pieces[w->count++];
    number(mpack); /* seq */
    piece->ts = number(mpack);
    assert_true(od_mpack_next(mpack, &value));
    assert_int_equal(value.kind, OD_MPACK_BIN);
    piece->at = w->audio_bytes;
    piece->bytes = value.bytes;
    assert_true(w->audio_bytes + value.bytes <= AUDIO_MAX);
    memcpy(w->audio + w->audio_bytes, value.at, value.bytes);
    w->audio_bytes += value.bytes;
}

static void on_send(void *ctx, bool text, const char *at, size_t bytes)
{
    struct world *w = ctx;
    struct od_mpack mpack = {(const uint8_t *)at, (const uint8_t *)at + bytes};
    struct od_mpack_value value;
    assert_false(text);
    assert_false(w->stopped);
    assert_true(od_mpack_next(&mpack, &value));
    uint64_t kind = number(&mpack);
    assert_int_equal(number(&mpack), 9); /* the call's */
    if (kind == KIND_AUDIO)
        on_audio(w, &mpack);
    else if (kind == KIND_DTMF)
        w->dtmf_ts = number(&mpack);
    else if (kind == KIND_CREDIT)
        w->credit_ms += number(&mpack);
    else if (kind == KIND_MARK) {
        assert_true(od_mpack_next(&mpack, &value)); /* its name */
        w->mark_ts = number(&mpack);
        w->marks++;
    }
    w->stopped = kind == KIND_STOP;
}

static size_t on_queued(void *ctx)
{
    return ((struct world *)ctx)->queued;
}

static void on_done(void *ctx)
{
    (void)ctx;
}

static void on_order(void *ctx, const struct od_stream_command *command)
{
    (void)ctx;
    (void)command;
}

static void on_odd(void *ctx, const char *what)
{
    (void)what;
    ((struct world *)ctx)->odds++;
}

static struct world *begin(uint8_t codec, uint32_t rate, uint32_t frames)
{
    struct world *w = calloc(1, sizeof *w);
    w->media = (struct od_wire_media){codec, rate, frames};
    w->seed = rate + frames * 10u + codec;
    od_chunk_pool_init(&w->pool, 64 << 20);
    assert_int_equal(
        od_stream_create(
            &w->stream,
            &(struct od_stream_setup){.dialect = od_dialect_find("msgpack", 7),
                                      .rate = 8000,
                                      .buffer_s = 60,
                                      .pool = &w->pool,
                                      .attempt = 1,
                                      .amd = "{}",
                                      .org = "o",
                                      .from = "a",
                                      .to = "b",
                                      .params = "{}",
                                      .details = "{}",
                                      .port = {w, on_send, on_queued, on_done, on_order, on_odd}}),
        0);
    od_stream_set_sid(w->stream, 9);
    assert_int_equal(od_stream_set_media(w->stream, &w->media), 0);
    od_stream_opened(w->stream);
    od_stream_start(w->stream);
    return w;
}

static void end(struct world *w)
{
    od_stream_destroy(w->stream);
    assert_int_equal(w->pool.used_count, 0);
    od_chunk_pool_deinit(&w->pool);
    free(w);
}

/* Every codec and rate that there is, and messages of 1, 3 and 5 frames as far as that. */
static void each(uint32_t frames_max, void (*run)(struct world *w))
{
    static const struct od_wire_media media[] = {{OD_WIRE_ULAW, 8000, 0}, {OD_WIRE_ALAW, 8000, 0},
                                                 {OD_WIRE_L16, 8000, 0},  {OD_WIRE_L16, 16000, 0},
                                                 {OD_WIRE_L16, 24000, 0}, {OD_WIRE_L16, 48000, 0}};
    for (size_t i = 0; i < sizeof media / sizeof *media; i++) {
        for (uint32_t frames = 1; frames <= frames_max; frames += 2) {
            struct world *w = begin(media[i].codec, media[i].rate, frames);
            run(w);
            end(w);
        }
    }
}

static size_t sample_bytes(const struct world *w)
{
    return w->media.codec == OD_WIRE_L16 ? 2 : 1;
}

/* The n-th frame of the callee is one level, so that a sample tells where it was. */
static uint8_t code_of(uint64_t frame)
{
    return (uint8_t)(0x80 + frame * 7 % 100);
}

static void hear(struct world *w, uint64_t frame)
{
    uint8_t ulaw[OD_FRAME_BYTES];
    memset(ulaw, code_of(frame), sizeof ulaw);
    od_stream_heard(w->stream, ulaw);
}

static int16_t sample_at(const struct world *w, size_t byte)
{
    const uint8_t *at = w->audio + byte;
    return w->media.codec == OD_WIRE_L16    ? (int16_t)(uint16_t)(at[0] | at[1] << 8)
           : w->media.codec == OD_WIRE_ALAW ? od_alaw_decode(*at)
                                            : od_ulaw_decode(*at);
}

/* Its second half, as the first has the resampler's passage from the frame before. */
static void check_frame(const struct world *w, size_t byte, uint64_t frame)
{
    size_t samples = w->media.rate / 50;
    int want = od_ulaw_decode(code_of(frame));
    for (size_t i = samples / 2; i < samples; i++) {
        int got = sample_at(w, byte + i * sample_bytes(w));
        int off = w->media.rate == 8000 && w->media.codec != OD_WIRE_ALAW ? 0 : 8 + want / 20;
        if (abs(got - want) > off)
            fail_msg("frame %u, sample %zu: %d, not %d", (unsigned)frame, i, got, want);
    }
}

/* ts counts samples from START, whatever was dropped; no message is longer than its ptime, none
 * spans a gap, and a shorter one stands only before a gap or the end. */
static void media_time(struct world *w)
{
    enum { FRAMES = 700 };
    size_t samples = w->media.rate / 50, frame_bytes = samples * sample_bytes(w);
    uint64_t frames_told = 0, next = 0, gaps = 0;
    uint32_t rest = 0;
    for (uint64_t i = 0; i < FRAMES; i++) {
        if (!rest--) {
            w->queued = w->queued ? 0 : OD_STREAM_SHARED_HIGH + 1;
            rest =
                w->queued ? OD_STREAM_HELD_FRAMES - 30 + random_below(w, 80) : random_below(w, 40);
        }
        hear(w, i);
    }
    w->queued = 0;
    od_stream_room(w->stream);
    od_stream_stop(w->stream, "completed", 200);
    assert_true(w->stopped);
    for (unsigned i = 0; i < w->count; i++) {
        const struct piece *piece = &w->pieces[i];
        assert_int_equal(piece->ts % samples, 0);
        assert_int_equal(piece->bytes % frame_bytes, 0);
        uint64_t first = piece->ts / samples, count = piece->bytes / frame_bytes;
        assert_in_range(count, 1, w->media.frames);
        assert_true(first >= next);
        gaps += first > next;
        if (count < w->media.frames && i + 1 < w->count)
            assert_true(w->pieces[i + 1].ts / samples > first + count);
        for (uint64_t k = 0; k < count; k++)
            if (k || first == next) /* behind a gap the resampler's passage is another */
                check_frame(w, piece->at + k * frame_bytes, first + k);
        next = first + count;
        frames_told += count;
    }
    assert_int_equal(next, FRAMES); /* the end came whole */
    struct od_stream_stats stats;
    od_stream_stats(w->stream, &stats);
    assert_int_equal(frames_told + stats.dropped_heard, FRAMES);
    assert_true(gaps > 0 && stats.dropped_heard > 0);
}

static void test_media_time(void **state)
{
    (void)state;
    each(OD_WIRE_FRAMES_MAX, media_time);
}

/* ---- the agent's audio ---- */

static void say(struct world *w, const uint8_t *audio, size_t bytes)
{
    size_t size = bytes + 32;
    char *message = malloc(size);
    struct od_buf buf;
    od_buf_init(&buf, message, size);
    od_mpack_put_array(&buf, 4);
    od_mpack_put_uint(&buf, KIND_AUDIO);
    od_mpack_put_uint(&buf, 9);
    od_mpack_put_uint(&buf, 0);
    od_mpack_put_bin(&buf, audio, bytes);
    assert_false(buf.cut);
    if (!od_stream_message(w->stream, false, (const uint8_t *)message, buf.used)) {
        while (!od_stream_go_on(w->stream)) {
        }
    }
    free(message);
}

static void order(struct world *w, const char *json)
{
    char packed[64];
    struct od_buf buf;
    od_buf_init(&buf, packed, sizeof packed);
    od_mpack_put_json(&buf, json, strlen(json));
    od_stream_message(w->stream, false, (const uint8_t *)packed, buf.used);
}

/* A tone of 440 Hz, as the agent writes it. */
static size_t tone(const struct world *w, uint32_t ms, uint8_t *out)
{
    size_t count = (size_t)ms * (w->media.rate / 1000), used = 0;
    for (size_t i = 0; i < count; i++) {
        int16_t pcm =
            (int16_t)lrint(8000 * sin(2 * 3.14159265358979 * 440 * (double)i / w->media.rate));
        if (w->media.codec == OD_WIRE_L16) {
            out[used++] = (uint8_t)pcm;
            out[used++] = (uint8_t)((uint16_t)pcm >> 8);
        } else {
            out[used++] =
                w->media.codec == OD_WIRE_ALAW ? od_alaw_encode(pcm) : od_ulaw_encode(pcm);
        }
    }
    return used;
}

static size_t play(struct world *w, uint8_t *out, size_t size)
{
    size_t used = 0;
    while (od_stream_talking(w->stream)) {
        assert_true(used + OD_FRAME_BYTES <= size);
        od_stream_frame(w->stream, out + used);
        od_stream_after(w->stream);
        used += OD_FRAME_BYTES;
    }
    return used;
}

enum { TONE_MS = 1000, TONE_MAX = TONE_MS * 48 * 2, HEARD_MAX = TONE_MS * 8 + 160 };

/* The callee hears the tone, and the same whatever the messages were cut into. */
static void cut_anywhere(struct world *w)
{
    static uint8_t said[TONE_MAX], whole[HEARD_MAX], cut[HEARD_MAX];
    size_t bytes = tone(w, TONE_MS, said);
    say(w, said, bytes);
    size_t heard = play(w, whole, sizeof whole);
    assert_in_range(heard, TONE_MS * 8, HEARD_MAX);
    double power = 0, sine = 0, cosine = 0;
    for (unsigned i = 800; i < 7200; i++) {
        double pcm = od_ulaw_decode(whole[i]), turn = 2 * 3.14159265358979 * 440 * i / 8000;
        power += pcm * pcm;
        sine += pcm * sin(turn);
        cosine += pcm * cos(turn);
    }
    double of_tone = 2 * (sine * sine + cosine * cosine) / 6400;
    assert_true(of_tone / power > 0.995);
    assert_true(power / 6400 > 0.9 * 32e6 && power / 6400 < 1.1 * 32e6);

    struct world *other = begin(w->media.codec, w->media.rate, w->media.frames);
    for (size_t at = 0; at < bytes;) {
        size_t take = 1 + random_below(w, random_below(w, 2) ? 7 : 3000);
        take = take < bytes - at ? take : bytes - at;
        say(other, said + at, take);
        at += take;
    }
    assert_int_equal(play(other, cut, sizeof cut), heard);
    assert_memory_equal(cut, whole, heard);
    assert_int_equal(other->odds, 0);
    end(other);
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    each(1, cut_anywhere);
}

/* What comes behind CLEAR begins with a whole sample. */
static void test_clear_in_a_sample(void **state)
{
    (void)state;
    struct world *w = begin(OD_WIRE_L16, 8000, 1);
    static const uint8_t loud[] = {0x00, 0x40, 0x00, 0x40};
    uint8_t frame[OD_FRAME_BYTES];
    say(w, loud, 3);
    order(w, "[9,9]");
    say(w, loud, 4);
    assert_int_equal(od_stream_frame(w->stream, frame), 2);
    assert_int_equal(frame[0], od_ulaw_encode(0x4000));
    assert_int_equal(frame[1], od_ulaw_encode(0x4000));
    end(w);
}

/* An agent that sends what it has credit for, in pieces of any size, loses none of it, and in the
 * end it was given credit for just what has left the buffer. */
static void credit(struct world *w)
{
    static uint8_t said[4000 * 48 * 2];
    uint8_t frame[OD_FRAME_BYTES];
    uint64_t said_ms = 0, played_ms = 0;
    size_t ms_bytes = tone(w, 4000, said) / 4000;
    assert_int_equal(w->credit_ms, 60000); /* the whole buffer, whatever the codec */
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t left = w->credit_ms - said_ms;
        uint32_t ms = left ? random_below(w, left < 4000 ? (uint32_t)left + 1 : 4000) : 0;
        say(w, said, ms * ms_bytes);
        said_ms += ms;
        if (od_stream_frame(w->stream, frame))
            played_ms += OD_FRAME_MS;
        od_stream_after(w->stream);
    }
    struct od_stream_stats stats;
    od_stream_stats(w->stream, &stats);
    assert_int_equal(stats.dropped_bytes, 0);
    assert_true(said_ms > 60000 + 10000); /* it was full, and went on as it emptied */
    assert_in_range(stats.spoken_bytes, said_ms * 8 - 1000, said_ms * 8);
    assert_in_range(w->credit_ms, 60000 + played_ms - 1000, 60000 + played_ms);
    order(w, "[9,9]");
    assert_in_range(w->credit_ms, 60000 + said_ms - 1, 60000 + said_ms);
}

static void test_credit(void **state)
{
    (void)state;
    each(1, credit);
}

/* Keys and marks have their time in samples at the rate; a mark comes with the last sample. */
static void marks(struct world *w)
{
    static uint8_t said[TONE_MAX];
    uint8_t frame[OD_FRAME_BYTES];
    say(w, said, tone(w, 200, said));
    order(w, "[4,9,\"m\"]");
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(w->marks, 0);
        hear(w, i);
        od_stream_frame(w->stream, frame);
        od_stream_after(w->stream);
    }
    assert_int_equal(w->marks, 1);
    assert_int_equal(w->mark_ts, w->media.rate / 5);
    hear(w, 10);
    od_stream_digit(w->stream, '1');
    assert_int_equal(w->dtmf_ts, w->media.rate / 50 * 11);
}

static void test_marks(void **state)
{
    (void)state;
    each(OD_WIRE_FRAMES_MAX, marks);
}

/* What a bot says beyond the buffer is dropped and told in ms. */
static void overflow(struct world *w)
{
    static uint8_t said[TONE_MAX];
    size_t bytes = tone(w, TONE_MS, said);
    for (unsigned i = 0; i < 62; i++)
        say(w, said, bytes);
    struct od_stream_stats stats;
    od_stream_stats(w->stream, &stats);
    /* the buffer's last chunk may be begun */
    assert_in_range(stats.dropped_bytes / 8, 2000 - OD_CHUNK_BYTES / 8, 2000);
    assert_int_equal(w->odds, 1);
}

static void test_overflow(void **state)
{
    (void)state;
    each(1, overflow);
}

/* A-law to the callee and back by way of mu-law: who has both ends in A-law loses this much. */
static void test_alaw_round_trip(void **state)
{
    (void)state;
    unsigned changed = 0;
    for (unsigned code = 0; code < 256; code++) {
        uint8_t alaw = (uint8_t)code, ulaw, back;
        od_alaw_to_ulaw(&ulaw, &alaw, 1);
        od_ulaw_to_alaw(&back, &ulaw, 1);
        changed += back != alaw;
        assert_true(abs(od_alaw_decode(back) - od_alaw_decode(alaw)) <=
                    abs(od_alaw_decode(alaw)) / 16 + 16);
    }
    assert_int_equal(changed, 16); /* each into its neighbour */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_media_time),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_clear_in_a_sample),
        cmocka_unit_test(test_credit),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_alaw_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
