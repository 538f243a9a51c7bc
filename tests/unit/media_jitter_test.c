/*
 * Goal: what a peer sends is played in order and complete when the network allows it, and no peer
 * can break or grow the buffer. Method: a stream whose every sample tells its place is sent through
 * seeded networks that delay, reorder, repeat and lose packets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/media/jitter.h"

enum { PACKETS_MAX = 3000, MS = 1000000 };

/* The sample at a place of the stream: no two frames look alike. */
static uint8_t sample_at(uint32_t place)
{
    return (uint8_t)(place * 31 + place / 160 * 7 + place / 40960);
}

struct packet {
    uint32_t place; /* first sample */
    uint64_t arrival_ns;
};

static int by_arrival(const void *a, const void *b)
{
    const struct packet *x = a, *y = b;
    if (x->arrival_ns != y->arrival_ns)
        return x->arrival_ns < y->arrival_ns ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

struct world {
    uint64_t seed;
    uint32_t ts_first;
    uint32_t samples;      /* per packet */
    uint32_t count;        /* packets */
    uint32_t jitter_ms;    /* uniform delay 0..jitter_ms */
    uint32_t loss, repeat; /* per 1000 */
};

struct heard {
    uint32_t audio, concealed, silence, joined;
    uint32_t samples_right;
    uint8_t *stream; /* all frames that were AUDIO, in order */
    size_t bytes;
    struct od_jitter_stats stats;
};

static void run(const struct world *w, struct heard *heard)
{
    static struct packet packets[PACKETS_MAX * 2];
    struct od_rng rng = {.state = w->seed};
    struct od_jitter jitter;
    size_t count = 0, next = 0;
    uint64_t period_ns = (uint64_t)w->samples * 125000;
    for (uint32_t i = 0; i < w->count; i++) {
        unsigned copies = od_rng_below(&rng, 1000) < w->loss ? 0 : 1;
        if (copies && od_rng_below(&rng, 1000) < w->repeat)
            copies = 2;
        for (unsigned c = 0; c < copies; c++)
            packets[count++] = (struct packet){
                .place = i * w->samples,
                .arrival_ns = i * period_ns + od_rng_below(&rng, w->jitter_ms * (uint64_t)MS + 1)};
    }
    qsort(packets, count, sizeof *packets, by_arrival);
    od_jitter_init(&jitter);
    memset(heard, 0, sizeof *heard);
    heard->stream = malloc((size_t)w->count * w->samples + 100 * OD_FRAME_BYTES);
    uint64_t end_ns = w->count * period_ns + 1000u * MS;
    for (uint64_t now = 7 * MS; now < end_ns; now += 20 * MS) {
        uint8_t payload[OD_JITTER_SAMPLES], frame[OD_FRAME_BYTES];
        for (; next < count && packets[next].arrival_ns <= now; next++) {
            for (uint32_t s = 0; s < w->samples; s++)
                payload[s] = sample_at(packets[next].place + s);
            od_jitter_put(&jitter, 1, w->ts_first + packets[next].place, payload, w->samples,
                          packets[next].arrival_ns);
        }
        enum od_jitter_frame what = od_jitter_get(&jitter, frame);
        if (what == OD_JITTER_AUDIO) {
            memcpy(heard->stream + heard->bytes, frame, OD_FRAME_BYTES);
            heard->bytes += OD_FRAME_BYTES;
        }
        heard->audio += what == OD_JITTER_AUDIO;
        heard->concealed += what == OD_JITTER_CONCEALED;
        heard->joined += what == OD_JITTER_JOINED;
        heard->silence += what == OD_JITTER_SILENCE;
    }
    heard->stats = jitter.stats;
}

/* Steps over the silence that stands before the first sample. */
static size_t lead(const struct heard *heard)
{
    size_t at = 0;
    while (at + 64 < heard->bytes) {
        uint32_t s = 0;
        while (s < 64 && heard->stream[at + s] == sample_at(s))
            s++;
        if (s == 64)
            return at;
        at++;
    }
    return heard->bytes;
}

static void check_complete(const struct world *w)
{
    struct heard heard;
    run(w, &heard);
    size_t at = lead(&heard);
    assert_true(at < 2 * OD_FRAME_BYTES);
    size_t total = (size_t)w->count * w->samples;
    /* what is left over is less than a frame, waiting for the rest of it */
    assert_true(heard.bytes - at + OD_FRAME_BYTES > total);
    for (size_t i = 0; at + i < heard.bytes && i < total; i++)
        assert_int_equal(heard.stream[at + i], sample_at((uint32_t)i));
    assert_int_equal(heard.stats.late, 0);
    assert_int_equal(heard.stats.odd, 0);
    assert_int_equal(heard.stats.skipped, 0);
    free(heard.stream);
}

static void test_a_clean_stream_is_played_bit_for_bit(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {80, 160, 240, 320, 480};
    static const uint32_t starts[] = {0, 3, 160, 0x7ffffff0u, 0xffffff00u, 0xfffffffdu};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t t = 0; t < sizeof starts / sizeof *starts; t++)
            check_complete(&(struct world){
                .seed = 1, .ts_first = starts[t], .samples = sizes[s], .count = 800});
    }
}

static void test_reordered_and_repeated_packets_are_put_right(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct heard heard;
        /* Packets 20 ms apart delayed by up to 30: neighbours swap often. */
        run(&(struct world){.seed = seed,
                            .ts_first = (uint32_t)(seed * 2654435761u),
                            .samples = 160,
                            .count = 1000,
                            .jitter_ms = 30,
                            .repeat = 200},
            &heard);
        assert_true(heard.stats.repeated > 100);
        /* The first seconds may still find the right delay; after that everything is heard. */
        assert_true(heard.stats.late <= 3);
        assert_true(heard.concealed <= 15 + 10);
        assert_true(heard.bytes >= 985 * 160);
        free(heard.stream);
    }
}

/* A fifth lost, a tenth twice, neighbours swapped: what came is heard, the rest made up for, and
 * nothing grows. */
static void test_a_bad_network_is_borne(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct heard heard;
        run(&(struct world){.seed = seed,
                            .ts_first = (uint32_t)seed * 7919,
                            .samples = 160,
                            .count = 1500,
                            .jitter_ms = 30,
                            .loss = 200,
                            .repeat = 100},
            &heard);
        uint32_t played = heard.audio + heard.joined;
        assert_in_range(played, 1080, 1320);        /* four fifths, give or take */
        assert_in_range(heard.concealed, 180, 480); /* the other fifth */
        assert_true(heard.stats.late + heard.stats.odd < 30);
        free(heard.stream);
    }
}

static void test_lost_packets_are_concealed_one_for_one(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct heard heard;
        run(&(struct world){.seed = seed,
                            .ts_first = (uint32_t)seed * 160,
                            .samples = 160,
                            .count = 2000,
                            .loss = 50},
            &heard);
        assert_true(heard.concealed >= 60 && heard.concealed <= 160);
        assert_true(heard.audio + heard.joined >= 1840 && heard.audio + heard.joined <= 1960);
        assert_true(heard.joined >= 50 && heard.joined <= heard.concealed);
        assert_int_equal(heard.stats.late, 0);
        free(heard.stream);
    }
}

static void test_a_pause_ends_play_and_speech_starts_it_again(void **state)
{
    (void)state;
    struct od_jitter jitter;
    uint8_t payload[160], frame[OD_FRAME_BYTES];
    memset(payload, 0x10, sizeof payload);
    od_jitter_init(&jitter);
    for (uint32_t i = 0; i < 50; i++) {
        od_jitter_put(&jitter, 1, i * 160, payload, 160, i * UINT64_C(20) * MS);
        od_jitter_get(&jitter, frame);
    }
    unsigned concealed = 0;
    while (od_jitter_get(&jitter, frame) != OD_JITTER_SILENCE)
        assert_true(++concealed < 20);
    for (size_t i = 0; i < sizeof frame; i++)
        assert_int_equal(frame[i], OD_ULAW_SILENCE);
    /* five seconds later, the sender's clock has gone on */
    uint32_t played = 0;
    for (uint32_t i = 300; i < 320; i++) {
        od_jitter_put(&jitter, 1, i * 160, payload, 160, i * UINT64_C(20) * MS);
        played += od_jitter_get(&jitter, frame) == OD_JITTER_AUDIO;
    }
    assert_true(played >= 17);
    assert_int_equal(jitter.stats.jumps, 0);
}

static void test_jumps_of_source_and_timestamp_are_followed(void **state)
{
    (void)state;
    struct od_jitter jitter;
    uint8_t payload[160], frame[OD_FRAME_BYTES];
    uint32_t played = 0;
    memset(payload, 0x22, sizeof payload);
    od_jitter_init(&jitter);
    for (uint32_t i = 0; i < 400; i++) {
        uint32_t ssrc = i / 100 % 2 ? 5 : 9;
        uint32_t ts = i * 160 + (i >= 250 ? 0x40000000u : 0) - (i >= 350 ? 0x12345678u : 0);
        od_jitter_put(&jitter, ssrc, ts, payload, 160, i * UINT64_C(20) * MS);
        played += od_jitter_get(&jitter, frame) == OD_JITTER_AUDIO;
    }
    assert_true(played >= 400 - 5 * 6); /* a jump costs a few frames, never the call */
    assert_int_equal(jitter.stats.jumps, 5);
    /* one stray packet from elsewhere moves nothing */
    od_jitter_put(&jitter, 5, 0xdeadbeefu, payload, 160, 8000u * (uint64_t)MS);
    assert_int_equal(jitter.stats.jumps, 5);
    assert_int_equal(od_jitter_get(&jitter, frame), OD_JITTER_AUDIO);
}

static void test_delay_grows_when_needed_and_shrinks_again(void **state)
{
    (void)state;
    struct od_jitter jitter;
    uint8_t payload[160], frame[OD_FRAME_BYTES];
    memset(payload, 0x33, sizeof payload);
    od_jitter_init(&jitter);
    uint32_t sent = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        /* a stall of 160 ms at i = 100; everything comes at once after it */
        if (i < 100 || i >= 108)
            for (; sent <= i; sent++)
                od_jitter_put(&jitter, 1, sent * 160, payload, 160, i * UINT64_C(20) * MS);
        od_jitter_get(&jitter, frame);
        if (i == 120)
            assert_true(jitter.head_ts - jitter.play_ts > 3 * 160);
    }
    assert_int_equal(jitter.stats.late, 0);
    assert_true(jitter.stats.skipped > 0);
    assert_true(jitter.head_ts - jitter.play_ts <= 4 * 160);
}

static void test_garbage_does_no_harm(void **state)
{
    (void)state;
    struct od_jitter jitter;
    struct od_rng rng = {.state = 5};
    uint8_t payload[2000], frame[OD_FRAME_BYTES];
    memset(payload, 1, sizeof payload);
    od_jitter_init(&jitter);
    for (uint32_t i = 0; i < 300000; i++) {
        uint32_t near = jitter.play_ts + (uint32_t)od_rng_below(&rng, 10000) - 5000;
        od_jitter_put(&jitter, (uint32_t)od_rng_below(&rng, 50) == 0,
                      od_rng_below(&rng, 4) ? near : (uint32_t)od_rng_next(&rng), payload,
                      od_rng_below(&rng, 2000), od_rng_next(&rng));
        if (i % 3 == 0)
            od_jitter_get(&jitter, frame);
        assert_true(jitter.target <= 12 * 160);
    }
    /* and it still plays */
    uint32_t played = 0;
    for (uint32_t i = 0; i < 100; i++) {
        od_jitter_put(&jitter, 77, i * 160, payload, 160, i * UINT64_C(20) * MS);
        played += od_jitter_get(&jitter, frame) == OD_JITTER_AUDIO;
    }
    assert_true(played >= 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clean_stream_is_played_bit_for_bit),
        cmocka_unit_test(test_reordered_and_repeated_packets_are_put_right),
        cmocka_unit_test(test_a_bad_network_is_borne),
        cmocka_unit_test(test_lost_packets_are_concealed_one_for_one),
        cmocka_unit_test(test_a_pause_ends_play_and_speech_starts_it_again),
        cmocka_unit_test(test_jumps_of_source_and_timestamp_are_followed),
        cmocka_unit_test(test_delay_grows_when_needed_and_shrinks_again),
        cmocka_unit_test(test_garbage_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
