/*
 * Goal: RTP is read as RFC 3550 says and nothing else is taken for it; only the negotiated peer is
 * heard; loss and jitter are counted right. Method: tables, and a naive model of the statistics.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "outdial/err.h"
#include "proto/rtp/rtcp.h"
#include "proto/rtp/rtp_packet.h"
#include "proto/rtp/rtp_source.h"

static void test_a_written_packet_is_read_again(void **state)
{
    (void)state;
    uint8_t bytes[OD_RTP_HEADER_BYTES + 3] = {0};
    struct od_rtp_packet in = {
        .marker = true, .payload_type = 101, .seq = 0xfffe, .ts = 0xfedcba98, .ssrc = 0x01020304};
    struct od_rtp_packet out;
    od_rtp_header(bytes, &in);
    assert_int_equal(od_rtp_parse(bytes, sizeof bytes, &out), 0);
    assert_true(out.marker);
    assert_int_equal(out.payload_type, 101);
    assert_int_equal(out.seq, 0xfffe);
    assert_int_equal(out.ts, 0xfedcba98);
    assert_int_equal(out.ssrc, 0x01020304);
    assert_int_equal(out.payload_bytes, 3);
    assert_ptr_equal(out.payload, bytes + 12);
}

struct row {
    const char *what;
    uint8_t bytes[40];
    size_t count;
    int err;
    size_t payload; /* offset */
    size_t payload_bytes;
};

static void test_lengths_inside_are_checked(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"plain", {0x80, 0}, 14, 0, 12, 2},
        {"no payload", {0x80, 0}, 12, 0, 12, 0},
        {"short", {0x80, 0}, 11, OD_EPROTO, 0, 0},
        {"version 1", {0x40, 0}, 14, OD_EPROTO, 0, 0},
        {"STUN", {0x00, 1}, 20, OD_EPROTO, 0, 0},
        {"RTCP sender report", {0x80, 200}, 28, OD_EPROTO, 0, 0},
        {"RTCP feedback", {0x81, 205}, 28, OD_EPROTO, 0, 0},
        {"two sources", {0x82, 0}, 22, 0, 20, 2},
        {"sources missing", {0x82, 0}, 19, OD_EPROTO, 0, 0},
        {"extension", {0x90, 0, [12] = 0xbe, 0xde, 0, 1}, 22, 0, 20, 2},
        {"extension cut", {0x90, 0, [12] = 0xbe, 0xde, 0, 2}, 22, OD_EPROTO, 0, 0},
        {"extension too long", {0x90, 0, [12] = 0xbe, 0xde, 0xff, 0xff}, 22, OD_EPROTO, 0, 0},
        {"extension header cut", {0x90, 0}, 15, OD_EPROTO, 0, 0},
        {"padding", {0xa0, 0, [15] = 2}, 16, 0, 12, 2},
        {"all padding", {0xa0, 0, [15] = 4}, 16, 0, 12, 0},
        {"padding of none", {0xa0, 0, [15] = 0}, 16, OD_EPROTO, 0, 0},
        {"padding too long", {0xa0, 0, [15] = 5}, 16, OD_EPROTO, 0, 0},
        {"padding and no byte", {0xa0, 0}, 12, OD_EPROTO, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t *exact = malloc(rows[i].count);
        struct od_rtp_packet out;
        memcpy(exact, rows[i].bytes, rows[i].count);
        int err = od_rtp_parse(exact, rows[i].count, &out);
        if (err != rows[i].err)
            print_error("row \"%s\": %d\n", rows[i].what, err);
        assert_int_equal(err, rows[i].err);
        if (!err) {
            assert_int_equal(out.payload - exact, rows[i].payload);
            assert_int_equal(out.payload_bytes, rows[i].payload_bytes);
        }
        free(exact);
    }
}

static struct od_addr v4(uint8_t last, uint16_t port)
{
    return (struct od_addr){.family = 4, .port = port, .ip = {192, 0, 2, last}};
}

static void test_only_the_named_peer_is_heard(void **state)
{
    (void)state;
    struct od_rtp_latch latch = {0};
    struct od_addr peer = v4(1, 4000), nat = v4(1, 5000), other = v4(2, 4000);
    assert_false(od_rtp_latch_accept(&latch, &peer)); /* nothing was negotiated yet */
    od_rtp_latch_set(&latch, &peer, false);
    assert_false(od_rtp_latch_accept(&latch, &other));
    assert_int_equal(od_rtp_latch_target(&latch)->port, 4000);
    assert_true(od_rtp_latch_accept(&latch, &nat)); /* behind a NAT: another port */
    struct od_addr late = v4(1, 6000);
    assert_false(od_rtp_latch_accept(&latch, &late));
    assert_false(od_rtp_latch_accept(&latch, &other));
    assert_int_equal(od_rtp_latch_target(&latch)->port,
                     5000);                 /* sent back to where it comes from */
    od_rtp_latch_set(&latch, &peer, false); /* the same description again changes nothing */
    assert_true(od_rtp_latch_accept(&latch, &nat));
    od_rtp_latch_set(&latch, &other, false); /* another address does */
    assert_false(od_rtp_latch_accept(&latch, &nat));
    assert_true(od_rtp_latch_accept(&latch, &other));
}

static void test_the_named_address_is_right_whatever_came_first(void **state)
{
    (void)state;
    struct od_rtp_latch latch = {0};
    struct od_addr peer = v4(1, 4000), late = v4(1, 6000);
    od_rtp_latch_set(&latch, &peer, false);
    assert_true(od_rtp_latch_accept(&latch, &late)); /* another call of the same gateway, ending */
    assert_true(od_rtp_latch_accept(&latch, &peer));
    assert_false(od_rtp_latch_accept(&latch, &late));
    assert_int_equal(od_rtp_latch_target(&latch)->port, 4000);
}

static void test_any_source_may_be_allowed_but_only_one(void **state)
{
    (void)state;
    struct od_rtp_latch latch = {0};
    struct od_addr peer = v4(1, 4000), other = v4(2, 7000);
    struct od_addr v6 = {.family = 6, .port = 4000, .ip = {192, 0, 2, 1}};
    od_rtp_latch_set(&latch, &peer, true);
    struct od_addr third = v4(3, 7000);
    assert_true(od_rtp_latch_accept(&latch, &other));
    assert_false(od_rtp_latch_accept(&latch, &third));
    assert_false(od_rtp_latch_accept(&latch, &v6));
}

static void test_statistics_count_loss_over_wraps_and_restarts(void **state)
{
    (void)state;
    struct od_rtp_stats s = {0};
    uint16_t seq = 65500;
    uint32_t ts = 0;
    uint64_t lost = 0;
    for (unsigned i = 0; i < 200000; i++, seq++, ts += 160) {
        if (i % 10 == 3 && i < 199999) {
            lost++;
            continue;
        }
        od_rtp_stats_add(&s, 7, seq, ts, ts + 1000);
    }
    assert_int_equal(od_rtp_stats_lost(&s), lost);
    assert_int_equal(s.jitter_16, 0);
    /* the sender starts anew: two packets in a row are believed, a stray is not */
    od_rtp_stats_add(&s, 7, (uint16_t)(seq + 20000), ts, ts + 1000);
    assert_int_equal(od_rtp_stats_lost(&s), lost - 1); /* received, though it belongs nowhere */
    od_rtp_stats_add(&s, 7, (uint16_t)(seq + 20001), ts + 160, ts + 1160);
    od_rtp_stats_add(&s, 8, 5, 99, 99 + 1000);
    assert_int_equal(s.expected, 200000 + 1 + 1);
    assert_int_equal(s.received, 200000 - lost + 3);
}

static void test_jitter_is_the_rfcs(void **state)
{
    (void)state;
    struct od_rtp_stats s = {0};
    double model = 0; /* section 6.4.1: J += (|D| - J) / 16 */
    uint32_t arrival = 5000, last = 0;
    for (unsigned i = 0; i < 500; i++) {
        uint32_t wobble = i * 37 % 101;
        uint32_t transit = arrival + wobble;
        od_rtp_stats_add(&s, 1, (uint16_t)i, i * 160, i * 160 + transit);
        if (i)
            model += ((double)abs((int)(transit - last)) - model) / 16;
        last = transit;
    }
    double measured = (double)s.jitter_16 / 16;
    assert_true(measured > model - 1.0 && measured < model + 1.0);
    assert_true(measured > 20);
}

static void test_a_written_report_is_read_again(void **state)
{
    (void)state;
    struct od_rtcp_report report = {.ssrc = 0x11223344,
                                    .sends = true,
                                    .ntp = UINT64_C(0xe1b2c3d4a5b6c7d8),
                                    .ts = 160,
                                    .packets = 7,
                                    .octets = 1120,
                                    .hears = true,
                                    .block = {.ssrc = 0xaabbccdd,
                                              .lost_256 = 51,
                                              .lost = -3,
                                              .seq_highest = 0x1fffe,
                                              .jitter = 12,
                                              .last_sr = 0xc3d4a5b6,
                                              .since_sr = 65536}};
    struct od_rtcp_report out;
    uint8_t bytes[OD_RTCP_BYTES_MAX];
    size_t count = od_rtcp_write(bytes, &report, "outdial");
    assert_int_equal(count % 4, 0);
    assert_int_equal(od_rtcp_parse(bytes, count, 0xaabbccdd, &out), 0);
    assert_true(out.sends && out.hears && out.ntp == report.ntp);
    assert_int_equal(out.octets, 1120);
    assert_int_equal(out.block.lost, -3);
    assert_int_equal(out.block.seq_highest, 0x1fffe);
    assert_int_equal(od_rtcp_parse(bytes, count, 5, &out), 0);
    assert_false(out.hears); /* about another stream */
    for (size_t cut = 0; cut < count; cut++) {
        int err = od_rtcp_parse(bytes, cut, 0xaabbccdd, &out);
        assert_int_equal(err, cut == 52 ? 0 : OD_EPROTO); /* behind the sender report */
    }
    bytes[1] = 203; /* BYE: says nothing */
    assert_int_equal(od_rtcp_parse(bytes, count, 0xaabbccdd, &out), 0);
    assert_false(out.sends || out.hears);
}

static void test_the_round_trip_is_what_was_not_spent_at_the_peers(void **state)
{
    (void)state;
    uint64_t sent = od_rtcp_ntp(UINT64_C(1700000000123456789));
    struct od_rtcp_block block = {.last_sr = (uint32_t)(sent >> 16), .since_sr = 2 * 65536};
    uint64_t came = od_rtcp_ntp(UINT64_C(1700000000123456789) + 2080000000u);
    assert_in_range(od_rtcp_round_trip(&block, came), 5240, 5245); /* 80 ms */
    assert_int_equal(od_rtcp_round_trip(&block, sent), 0);         /* before it left */
    block.last_sr = 0;
    assert_int_equal(od_rtcp_round_trip(&block, came), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_written_packet_is_read_again),
        cmocka_unit_test(test_lengths_inside_are_checked),
        cmocka_unit_test(test_only_the_named_peer_is_heard),
        cmocka_unit_test(test_the_named_address_is_right_whatever_came_first),
        cmocka_unit_test(test_any_source_may_be_allowed_but_only_one),
        cmocka_unit_test(test_statistics_count_loss_over_wraps_and_restarts),
        cmocka_unit_test(test_jitter_is_the_rfcs),
        cmocka_unit_test(test_a_written_report_is_read_again),
        cmocka_unit_test(test_the_round_trip_is_what_was_not_spent_at_the_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
