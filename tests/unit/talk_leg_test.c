/*
 * Goal: a call's media leg carries audio bit for bit, in both laws, hears keys and nobody but its
 * peer, respects hold, and keeps its clock. Method: two legs on real loopback sockets, ticked on a
 * simulated clock; loopback delivers before sendto() returns, so nothing is waited for.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/host/media_leg.h"
#include "outdial/err.h"
#include "proto/rtp/rtp_packet.h"

enum { SOUND_BYTES = 160 * 150, EVENT_TYPE = 101 };

struct end {
    struct od_media_leg leg;
    struct od_media_leg_events events;
    uint8_t sound[SOUND_BYTES];
    size_t spoken; /* of it */
    uint8_t heard[2 * SOUND_BYTES];
    size_t heard_bytes;
    char digits[32];
    size_t digit_count;
};

struct world {
    struct od_rtp_pool *pool;
    struct end a, b;
    uint64_t now_ns;
};

static void on_frame(void *ctx, uint64_t now_ns, uint8_t ulaw[OD_FRAME_BYTES])
{
    struct end *end = ctx;
    (void)now_ns;
    memset(ulaw, OD_ULAW_SILENCE, OD_FRAME_BYTES);
    if (end->spoken < SOUND_BYTES) {
        memcpy(ulaw, end->sound + end->spoken, OD_FRAME_BYTES);
        end->spoken += OD_FRAME_BYTES;
    }
}

static void on_digit(void *ctx, uint64_t now_ns, char digit)
{
    struct end *end = ctx;
    (void)now_ns;
    if (end->digit_count < sizeof end->digits - 1)
        end->digits[end->digit_count++] = digit;
}

static void on_heard(void *ctx, const uint8_t ulaw[OD_FRAME_BYTES], enum od_jitter_frame what)
{
    struct end *end = ctx;
    if (what == OD_JITTER_AUDIO && end->heard_bytes + OD_FRAME_BYTES <= sizeof end->heard) {
        memcpy(end->heard + end->heard_bytes, ulaw, OD_FRAME_BYTES);
        end->heard_bytes += OD_FRAME_BYTES;
    }
}

static struct od_sdp describe(uint16_t port, uint8_t codec, uint8_t direction)
{
    struct od_sdp sdp = {.remote = {.family = 4, .port = port, .ip = {127, 0, 0, 1}},
                         .direction = direction,
                         .count = 2};
    sdp.formats[0] = (struct od_sdp_format){.payload_type = codec, .rate = 8000, .channels = 1};
    strcpy(sdp.formats[0].encoding, codec ? "PCMA" : "PCMU");
    sdp.formats[1] = (struct od_sdp_format){
        .payload_type = EVENT_TYPE, .encoding = "TELEPHONE-EVENT", .rate = 8000, .channels = 1};
    return sdp;
}

static uint16_t port_of(const struct end *end)
{
    return od_rtp_socket_port(end->leg.socket);
}

static struct world *begin(uint8_t codec)
{
    struct world *w = calloc(1, sizeof *w);
    struct od_rng rng = {.state = 3};
    char why[128];
    assert_non_null(w);
    w->now_ns = UINT64_C(7000000000001);
    struct od_rtp_pool_config config = {
        .ports = "42000-42099", .address = "127.0.0.1", .sockets_max = 10};
    assert_int_equal(od_rtp_pool_open(&w->pool, &config, why, sizeof why), 0);
    struct end *ends[] = {&w->a, &w->b};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(od_media_leg_open(&ends[i]->leg, w->pool, w->now_ns), 0);
        ends[i]->events = (struct od_media_leg_events){
            .ctx = ends[i], .frame = on_frame, .digit = on_digit, .keys = true, .heard = on_heard};
        for (size_t s = 0; s < SOUND_BYTES; s++)
            ends[i]->sound[s] = (uint8_t)od_rng_next(&rng);
    }
    struct od_sdp sdp = describe(port_of(&w->b), codec, OD_SDP_SENDRECV);
    assert_int_equal(od_media_leg_describe(&w->a.leg, &sdp, false, w->now_ns), 0);
    sdp = describe(port_of(&w->a), codec, OD_SDP_SENDRECV);
    assert_int_equal(od_media_leg_describe(&w->b.leg, &sdp, false, w->now_ns), 0);
    return w;
}

static void start(struct world *w)
{
    od_media_leg_start(&w->a.leg, w->now_ns, 1);
    od_media_leg_start(&w->b.leg, w->now_ns, 3);
}

static void end_world(struct world *w)
{
    od_media_leg_close(&w->a.leg, w->now_ns);
    od_media_leg_close(&w->a.leg, w->now_ns); /* closing twice is fine */
    od_media_leg_close(&w->b.leg, w->now_ns);
    od_rtp_pool_close(w->pool);
    free(w);
}

static void run_slots(struct world *w, unsigned slots)
{
    while (slots--) {
        w->now_ns += OD_CLOCK_SLOT_NS;
        uint32_t phase = od_clock_phase(w->now_ns);
        if (phase == 1)
            od_media_leg_tick(&w->a.leg, w->now_ns, &w->a.events);
        if (phase == 3)
            od_media_leg_tick(&w->b.leg, w->now_ns, &w->b.events);
    }
}

static void expect_heard(const struct end *end, const uint8_t *sound)
{
    size_t at = 0;
    while (at + SOUND_BYTES <= end->heard_bytes && memcmp(end->heard + at, sound, 200))
        at++;
    assert_true(at + SOUND_BYTES <= end->heard_bytes);
    assert_true(at < OD_FRAME_BYTES);
    assert_memory_equal(end->heard + at, sound, SOUND_BYTES);
}

static void test_sound_arrives_bit_for_bit_both_ways(void **state)
{
    (void)state;
    static const uint8_t codecs[] = {OD_CODEC_PCMU, OD_CODEC_PCMA};
    for (int c = 0; c < 2; c++) {
        struct world *w = begin(codecs[c]);
        start(w);
        run_slots(w, 160 * OD_CLOCK_PHASES);
        struct end *ends[] = {&w->a, &w->b};
        for (int i = 0; i < 2; i++) {
            uint8_t expected[SOUND_BYTES];
            memcpy(expected, ends[!i]->sound, SOUND_BYTES);
            if (codecs[c] == OD_CODEC_PCMA) { /* what A-law makes of it */
                od_ulaw_to_alaw(expected, expected, SOUND_BYTES);
                od_alaw_to_ulaw(expected, expected, SOUND_BYTES);
            }
            expect_heard(ends[i], expected);
            assert_in_range(ends[i]->leg.sent, 159, 160);
            assert_in_range(ends[i]->leg.received.received, 158, 160);
            assert_int_equal(od_rtp_stats_lost(&ends[i]->leg.received), 0);
            assert_int_equal(ends[i]->leg.jitter.stats.concealed, 0);
            assert_int_equal(ends[i]->leg.given_up, 0);
        }
        end_world(w);
    }
}

static void test_a_stalled_host_leaves_a_gap_and_no_burst(void **state)
{
    (void)state;
    struct world *w = begin(OD_CODEC_PCMU);
    start(w);
    run_slots(w, 50 * OD_CLOCK_PHASES);
    uint64_t sent = w->a.leg.sent;
    uint32_t ts = w->a.leg.ts;
    w->now_ns += OD_NS_PER_S;
    run_slots(w, OD_CLOCK_PHASES);
    assert_int_equal(w->a.leg.sent, sent + OD_CLOCK_BURST_MAX);
    assert_int_equal(w->a.leg.given_up, 51 - OD_CLOCK_BURST_MAX);
    assert_int_equal(w->a.leg.ts - ts, 51 * 160); /* the timestamp kept the time */
    assert_int_equal(w->a.spoken, (sent + OD_CLOCK_BURST_MAX) * 160); /* and nothing went unsaid */
    end_world(w);
}

static void send_event(struct world *w, struct end *from, struct end *to, char key, uint32_t ts,
                       uint16_t seq)
{
    uint8_t bytes[OD_RTP_HEADER_BYTES + OD_DTMF_BYTES];
    struct od_addr target = {.family = 4, .port = port_of(to), .ip = {127, 0, 0, 1}};
    od_rtp_header(bytes, &(struct od_rtp_packet){
                             .payload_type = EVENT_TYPE, .seq = seq, .ts = ts, .ssrc = 1});
    od_dtmf_write(bytes + OD_RTP_HEADER_BYTES, key, false, 10, 160);
    assert_int_equal(od_rtp_send(w->pool, from->leg.socket, &target, bytes, sizeof bytes), 0);
}

static void test_keys_are_heard_once_started_and_from_the_peer_only(void **state)
{
    (void)state;
    struct world *w = begin(OD_CODEC_PCMU);
    struct end other = {0};
    assert_int_equal(od_media_leg_open(&other.leg, w->pool, w->now_ns), 0);
    send_event(w, &w->a, &w->b, '7', 1, 1); /* while it rings */
    od_media_leg_tick(&w->b.leg, w->now_ns, &w->b.events);
    assert_int_equal(w->b.digit_count, 0);
    assert_int_equal(w->b.leg.received.received, 1);
    start(w);
    send_event(w, &w->a, &w->b, '1', 1000, 2);
    send_event(w, &w->a, &w->b, '1', 1000, 3);
    send_event(w, &w->a, &w->b, '#', 3000, 4);
    send_event(w, &other, &w->b, '9', 5000, 5);
    run_slots(w, OD_CLOCK_PHASES);
    assert_string_equal(w->b.digits, "1#");
    assert_int_equal(w->b.leg.digits, 2);
    assert_int_equal(w->b.leg.wrong_source, 1);
    od_media_leg_close(&other.leg, w->now_ns);
    end_world(w);
}

/* A 5 (770 and 1336 Hz) of 100 ms in the sound of `end`, so many ms from its beginning. */
static void press_in_sound(struct end *end, unsigned at_ms)
{
    for (unsigned i = 0; i < 800; i++)
        end->sound[at_ms * 8 + i] = od_ulaw_encode(
            (int16_t)(6000 * (sin(2 * M_PI * 770 * i / 8000) + sin(2 * M_PI * 1336 * i / 8000))));
}

/* A peer that agrees to events and has its keys in the sound; `both`: they are heard there. */
static struct world *begin_pressing(bool both)
{
    struct world *w = begin(OD_CODEC_PCMU);
    memset(w->a.sound, OD_ULAW_SILENCE, SOUND_BYTES);
    press_in_sound(&w->a, 200);
    press_in_sound(&w->a, 600);
    if (both) {
        struct od_sdp sdp = describe(port_of(&w->a), OD_CODEC_PCMU, OD_SDP_SENDRECV);
        od_media_leg_hear_keys(&w->b.leg);
        assert_int_equal(od_media_leg_describe(&w->b.leg, &sdp, false, w->now_ns), 0);
    }
    start(w);
    return w;
}

static void test_keys_in_the_sound_are_heard_until_the_first_event(void **state)
{
    (void)state;
    struct world *w = begin_pressing(false);
    run_slots(w, 50 * OD_CLOCK_PHASES);
    assert_string_equal(w->b.digits, "");
    end_world(w);

    w = begin_pressing(true);
    run_slots(w, 50 * OD_CLOCK_PHASES);
    assert_string_equal(w->b.digits, "55");
    end_world(w);

    w = begin_pressing(true);
    run_slots(w, 16 * OD_CLOCK_PHASES);
    assert_string_equal(w->b.digits, "5");
    send_event(w, &w->a, &w->b, '5', 1000, 5000); /* the same key, told late */
    run_slots(w, 34 * OD_CLOCK_PHASES);           /* and the next one, whose event is lost */
    assert_string_equal(w->b.digits, "5");
    send_event(w, &w->a, &w->b, '5', 3000, 5001);
    run_slots(w, OD_CLOCK_PHASES);
    assert_string_equal(w->b.digits, "55");
    assert_int_equal(w->b.leg.digits, 2);
    end_world(w);
}

static void test_noise_is_counted_and_nothing_else(void **state)
{
    (void)state;
    struct world *w = begin(OD_CODEC_PCMU);
    struct od_addr target = {.family = 4, .port = port_of(&w->b), .ip = {127, 0, 0, 1}};
    uint8_t bytes[1500] = {0};
    start(w);
    w->b.leg.heard_ns = 0;
    od_rtp_send(w->pool, w->a.leg.socket, &target, bytes, 100); /* no RTP */
    bytes[0] = 0x80;
    bytes[1] = 96; /* a type nobody negotiated */
    od_rtp_send(w->pool, w->a.leg.socket, &target, bytes, 100);
    od_media_leg_tick(&w->b.leg, w->now_ns, &w->b.events);
    assert_int_equal(w->b.leg.not_rtp, 2);
    assert_int_equal(w->b.leg.heard_ns, 0);
    bytes[1] = OD_CODEC_PCMU;
    od_rtp_send(w->pool, w->a.leg.socket, &target, bytes, sizeof bytes); /* 186 ms in one packet */
    od_media_leg_tick(&w->b.leg, w->now_ns, &w->b.events);
    assert_int_equal(w->b.leg.jitter.stats.odd, 1);
    assert_int_equal(w->b.leg.heard_ns, w->now_ns);
    end_world(w);
}

static void test_hold_stops_the_sound_and_resume_goes_on_where_it_was(void **state)
{
    (void)state;
    static const struct {
        uint8_t direction;
        bool sends, hears;
    } rows[] = {{OD_SDP_SENDONLY, false, true},
                {OD_SDP_RECVONLY, true, false},
                {OD_SDP_INACTIVE, false, false},
                {OD_SDP_SENDRECV, true, true}};
    struct world *w = begin(OD_CODEC_PCMU);
    start(w);
    run_slots(w, 10 * OD_CLOCK_PHASES);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct od_sdp sdp = describe(port_of(&w->b), OD_CODEC_PCMU, rows[i].direction);
        uint64_t sent = w->a.leg.sent;
        size_t spoken = w->a.spoken;
        assert_int_equal(od_media_leg_describe(&w->a.leg, &sdp, false, w->now_ns), 0);
        assert_int_equal(w->a.leg.hears, rows[i].hears);
        run_slots(w, 10 * OD_CLOCK_PHASES);
        assert_int_equal(w->a.leg.sent - sent, rows[i].sends ? 10 : 0);
        assert_int_equal(w->a.spoken - spoken, rows[i].sends ? 1600 : 0);
    }
    /* the old way: no address at all */
    struct od_sdp sdp = describe(port_of(&w->b), OD_CODEC_PCMU, OD_SDP_SENDRECV);
    memset(sdp.remote.ip, 0, 4);
    assert_int_equal(od_media_leg_describe(&w->a.leg, &sdp, false, w->now_ns), 0);
    assert_false(w->a.leg.sends);
    assert_false(w->a.leg.hears);
    end_world(w);
}

/* Both tell each other how they hear; what was lost on the way is known at the other side. */
static void test_reports_tell_how_the_other_side_hears(void **state)
{
    (void)state;
    struct world *w = begin(OD_CODEC_PCMU);
    start(w);
    for (unsigned second = 0; second < 16; second++) {
        run_slots(w, 49 * OD_CLOCK_PHASES);
        w->a.leg.seq++; /* one in fifty never leaves */
        run_slots(w, 1 * OD_CLOCK_PHASES);
    }
    const struct od_media_reports *a = &w->a.leg.reports, *b = &w->b.leg.reports;
    assert_true(a->sent >= 3 && a->received >= 2 && b->received >= 2);
    assert_true(a->far_known && b->far_known);
    assert_in_range(a->far_lost, 5, 16); /* the newest report may be ten seconds old */
    assert_int_equal(b->far_lost, 0);
    assert_true(a->trip_us_max < 1000000);
    assert_int_equal(a->ignored, 0);

    struct od_rtp_socket *stranger;
    struct od_addr to = {.family = 4, .port = (uint16_t)(port_of(&w->b) + 1), .ip = {127, 0, 0, 1}};
    assert_int_equal(od_rtp_pool_get(w->pool, w->now_ns, &stranger), 0);
    od_rtcp_send(w->pool, stranger, &to, (const uint8_t *)"nonsense", 8);
    run_slots(w, 6 * 50 * OD_CLOCK_PHASES);
    assert_int_equal(b->ignored, 1);
    od_rtp_pool_put(w->pool, stranger, w->now_ns);
    end_world(w);
}

/* Somebody else's packets, right in every field but where they come from, once the peer has spoken.
 */
static void test_injected_packets_are_never_heard(void **state)
{
    (void)state;
    struct world *w = begin(OD_CODEC_PCMU);
    struct od_rtp_socket *stranger;
    struct od_addr to = {.family = 4, .port = port_of(&w->b), .ip = {127, 0, 0, 1}};
    uint8_t bytes[OD_RTP_HEADER_BYTES + 160];
    assert_int_equal(od_rtp_pool_get(w->pool, w->now_ns, &stranger), 0);
    start(w);
    run_slots(w, 2 * OD_CLOCK_PHASES);
    for (unsigned slot = 0; slot < 240 * OD_CLOCK_PHASES; slot++) {
        memset(bytes, (int)slot, sizeof bytes);
        for (unsigned i = 0; i < 3; i++) {
            od_rtp_header(bytes, &(struct od_rtp_packet){.payload_type = i == 2 ? EVENT_TYPE : 0,
                                                         .seq = (uint16_t)(w->a.leg.seq + i),
                                                         .ts = w->a.leg.ts + i * 160,
                                                         .ssrc = w->a.leg.ssrc});
            od_rtp_send(w->pool, stranger, &to, bytes, sizeof bytes);
        }
        run_slots(w, 1);
    }
    expect_heard(&w->b, w->a.sound);
    assert_int_equal(w->b.digit_count, 0);
    assert_true(w->b.leg.wrong_source > 2000);
    assert_int_equal(od_rtp_latch_target(&w->b.leg.latch)->port, port_of(&w->a));
    od_rtp_pool_put(w->pool, stranger, w->now_ns);
    end_world(w);
}

/* ---- keys, other codecs, tones ---- */

static void describe_both(struct world *w, const struct od_sdp *like, bool keys)
{
    struct end *ends[] = {&w->a, &w->b};
    for (int i = 0; i < 2; i++) {
        struct od_sdp sdp = *like;
        const struct od_media_leg *other = &ends[1 - i]->leg;
        sdp.remote = (struct od_addr){
            .family = 4, .port = od_rtp_socket_port(other->socket), .ip = {127, 0, 0, 1}};
        if (keys) {
            sdp.secure = true;
            sdp.key.tag = 1;
            memcpy(sdp.key.key, other->key, sizeof sdp.key.key);
        }
        assert_int_equal(od_media_leg_describe(&ends[i]->leg, &sdp, false, w->now_ns), 0);
    }
}

static void test_protected_sound_arrives_bit_for_bit_and_nothing_else_is_heard(void **state)
{
    (void)state;
    struct world *w = begin(OD_CODEC_PCMU);
    struct od_sdp sdp = describe(0, OD_CODEC_PCMU, OD_SDP_SENDRECV);
    assert_int_equal(od_media_leg_secure(&w->a.leg, OD_SRTP_REQUIRED), 0);
    assert_int_equal(od_media_leg_secure(&w->b.leg, OD_SRTP_OPTIONAL), 0);
    assert_memory_not_equal(w->a.leg.key, w->b.leg.key, OD_SRTP_KEY_BYTES);
    describe_both(w, &sdp, true);
    assert_true(w->a.leg.secured && w->b.leg.secured);
    start(w);
    run_slots(w, 400 * OD_CLOCK_PHASES);
    expect_heard(&w->a, w->b.sound);
    expect_heard(&w->b, w->a.sound);
    assert_true(w->a.leg.reports.received > 0 && w->b.leg.reports.received > 0);
    assert_int_equal(w->b.leg.not_rtp, 0);

    /* the same bytes again, and one in the clear from the right place */
    uint8_t bytes[OD_RTP_HEADER_BYTES + 160] = {0x80, 0, 1, 1};
    struct od_addr to = {.family = 4, .port = port_of(&w->b), .ip = {127, 0, 0, 1}};
    uint64_t heard = w->b.leg.received.received;
    od_rtp_send(w->pool, w->a.leg.socket, &to, bytes, sizeof bytes);
    od_media_leg_tick(&w->b.leg, w->now_ns, &w->b.events);
    assert_int_equal(w->b.leg.received.received, heard);
    assert_int_equal(w->b.leg.not_rtp, 1);

    /* a description without a key is refused where one is required, and obeyed elsewhere */
    sdp.remote = to;
    assert_int_equal(od_media_leg_describe(&w->a.leg, &sdp, false, 0), OD_EDENIED);
    assert_int_equal(od_media_leg_describe(&w->b.leg, &sdp, false, 0), 0);
    assert_false(w->b.leg.secured);
    sdp.secure = true;
    assert_int_equal(od_media_leg_describe(&w->b.leg, &sdp, false, 0), OD_EDENIED);
    end_world(w);
}

/* How alike two mu-law sounds are at the best shift, times 1000. */
static int likeness(const uint8_t *a, const uint8_t *b, size_t count, size_t shift_max)
{
    double best = 0;
    for (size_t shift = 0; shift < shift_max; shift++) {
        double cross = 0, aa = 1, bb = 1;
        for (size_t i = 0; i < count; i++) {
            double x = od_ulaw_decode(a[i + shift]), y = od_ulaw_decode(b[i]);
            cross += x * y;
            aa += x * x;
            bb += y * y;
        }
        double c = cross / sqrt(aa * bb);
        best = c > best ? c : best;
    }
    return (int)(best * 1000);
}

static void test_other_codecs_carry_speech(void **state)
{
    (void)state;
    static const struct {
        const char *encoding;
        uint32_t rate;
        uint8_t channels, type;
        int like;
    } rows[] = {{"G722", 8000, 1, 9, 990}, {"OPUS", 48000, 2, 107, 960}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct world *w = begin(OD_CODEC_PCMU);
        struct od_sdp sdp = describe(0, OD_CODEC_PCMU, OD_SDP_SENDRECV);
        sdp.formats[0] = (struct od_sdp_format){
            .payload_type = rows[r].type, .rate = rows[r].rate, .channels = rows[r].channels};
        strcpy(sdp.formats[0].encoding, rows[r].encoding);
        for (size_t i = 0; i < SOUND_BYTES; i++) { /* a voice: a hum with overtones that swells */
            double t = (double)i / 8000, swell = 0.6 + 0.4 * sin(2 * M_PI * 2.3 * t);
            double x = sin(2 * M_PI * 140 * t) + 0.6 * sin(2 * M_PI * 420 * t + 1) +
                       0.3 * sin(2 * M_PI * 980 * t);
            w->a.sound[i] = od_ulaw_encode((int16_t)(6000 * swell * x));
        }
        describe_both(w, &sdp, false);
        w->a.leg.ts = 0x2aaaaa00; /* the wire's clock wraps on the way */
        start(w);
        run_slots(w, 200 * OD_CLOCK_PHASES);
        assert_int_equal(w->b.leg.jitter.stats.jumps, 0);
        assert_in_range(w->b.leg.received.received, 198, 202);
        assert_true(w->b.heard_bytes > 100 * 160);
        int like = likeness(w->b.heard, w->a.sound + 8000, 8000, w->b.heard_bytes - 8000);
        if (like < rows[r].like)
            fail_msg("%s: %d of 1000", rows[r].encoding, like);
        end_world(w);
    }
}

/* A key for 100 ms from there on. */
static void put_key(uint8_t *sound, unsigned row, unsigned column, double amplitude)
{
    static const double rows[] = {697, 770, 852, 941}, columns[] = {1209, 1336, 1477};
    for (size_t i = 0; i < 800; i++) {
        double t = (double)i / 8000;
        double x = sin(2 * M_PI * rows[row] * t) + sin(2 * M_PI * columns[column] * t);
        sound[i] = od_ulaw_encode((int16_t)(amplitude * x));
    }
}

static void test_keys_are_heard_in_the_sound_when_no_events_are_spoken_of(void **state)
{
    (void)state;
    static const int place[][2] = {{0, 0}, {1, 1}, {1, 1}, {3, 2}};
    static const struct {
        bool events, listens;
        double amplitude;
        size_t pause; /* samples */
        const char *heard;
    } cases[] = {
        {false, true, 6000, 800, "155#"}, {false, true, 6000, 360, "155#"},
        {false, true, 400, 800, "155#"},  {false, true, 100, 800, ""},
        {false, false, 6000, 800, ""},    {true, true, 6000, 800, ""},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct world *w = begin(OD_CODEC_PCMU);
        struct od_sdp sdp = describe(0, OD_CODEC_PCMU, OD_SDP_SENDRECV);
        sdp.count = cases[c].events ? 2 : 1;
        describe_both(w, &sdp, false);
        w->b.events.keys = cases[c].listens;
        memset(w->a.sound, OD_ULAW_SILENCE, sizeof w->a.sound);
        for (size_t k = 0; k < 4; k++)
            put_key(w->a.sound + 4000 + k * (800 + cases[c].pause), (unsigned)place[k][0],
                    (unsigned)place[k][1], cases[c].amplitude);
        start(w);
        run_slots(w, 160 * OD_CLOCK_PHASES);
        w->b.digits[w->b.digit_count] = '\0';
        if (strcmp(w->b.digits, cases[c].heard) != 0)
            fail_msg("case %zu: \"%s\" instead of \"%s\"", c, w->b.digits, cases[c].heard);
        end_world(w);
    }
}

static void test_descriptions_that_cannot_be_used_are_refused(void **state)
{
    (void)state;
    struct world *w = begin(OD_CODEC_PCMU);
    struct od_sdp good = describe(port_of(&w->b), OD_CODEC_PCMU, OD_SDP_SENDRECV), bad;
    bad = good;
    bad.remote.port = 0;
    assert_int_equal(od_media_leg_describe(&w->a.leg, &bad, false, 0), OD_ENOENT);
    bad = good;
    bad.remote.family = 0;
    assert_int_equal(od_media_leg_describe(&w->a.leg, &bad, false, 0), OD_ENOENT);
    bad = good;
    bad.remote.ip[0] = 239; /* to a crowd */
    assert_int_equal(od_media_leg_describe(&w->a.leg, &bad, false, 0), OD_ENOENT);
    bad = good;
    strcpy(bad.formats[0].encoding, "G729");
    bad.formats[0].payload_type = 18;
    assert_int_equal(od_media_leg_describe(&w->a.leg, &bad, false, 0), OD_ENOENT);
    assert_int_equal(od_media_leg_describe(&w->a.leg, &good, false, 0), 0);
    end_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_arrives_bit_for_bit_both_ways),
        cmocka_unit_test(test_a_stalled_host_leaves_a_gap_and_no_burst),
        cmocka_unit_test(test_keys_are_heard_once_started_and_from_the_peer_only),
        cmocka_unit_test(test_keys_in_the_sound_are_heard_until_the_first_event),
        cmocka_unit_test(test_noise_is_counted_and_nothing_else),
        cmocka_unit_test(test_hold_stops_the_sound_and_resume_goes_on_where_it_was),
        cmocka_unit_test(test_reports_tell_how_the_other_side_hears),
        cmocka_unit_test(test_injected_packets_are_never_heard),
        cmocka_unit_test(test_protected_sound_arrives_bit_for_bit_and_nothing_else_is_heard),
        cmocka_unit_test(test_other_codecs_carry_speech),
        cmocka_unit_test(test_keys_are_heard_in_the_sound_when_no_events_are_spoken_of),
        cmocka_unit_test(test_descriptions_that_cannot_be_used_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
