/*
 * Goal: one digit per key press. Method: presses are written as RFC 4733 packets and sent through
 * seeded networks that lose, repeat and reorder them; what is reported is compared with what was
 * pressed. Odd senders are rows of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/media/dtmf.h"
#include "engine/media/dtmf_send.h"

struct packet {
    uint32_t ts;
    bool marker;
    uint8_t payload[OD_DTMF_BYTES];
};

/* A press as RFC 4733 section 2.5.1.2 sends it: every 20 ms, the end three times. */
static size_t press(struct packet *out, char key, uint32_t ts, unsigned updates)
{
    size_t n = 0;
    for (unsigned i = 1; i <= updates + 3; i++) {
        uint16_t duration = (uint16_t)((i < updates ? i : updates) * 160);
        out[n] = (struct packet){.ts = ts, .marker = i == 1};
        assert_true(od_dtmf_write(out[n].payload, key, i > updates, 10, duration));
        n++;
    }
    return n;
}

static char put(struct od_dtmf *dtmf, const struct packet *p)
{
    return od_dtmf_put(dtmf, 1, p->ts, p->marker, p->payload, sizeof p->payload);
}

static void test_any_loss_short_of_all_gives_one_digit_each(void **state)
{
    (void)state;
    static const char keys[] = "0123456789*#ABCD";
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct od_rng rng = {.state = seed};
        struct od_dtmf dtmf;
        char pressed[33] = "", heard[65] = "";
        size_t n_heard = 0;
        uint32_t ts = (uint32_t)od_rng_next(&rng);
        od_dtmf_init(&dtmf);
        for (unsigned k = 0; k < 32; k++) {
            struct packet packets[64], sent[128];
            pressed[k] = keys[od_rng_below(&rng, 16)];
            size_t n = press(packets, pressed[k], ts, 2 + (unsigned)od_rng_below(&rng, 20));
            size_t kept = 0;
            for (size_t i = 0; i < n; i++) { /* 30 % lost, 20 % twice */
                if (od_rng_below(&rng, 10) < 3 && !(kept == 0 && i == n - 1))
                    continue;
                sent[kept++] = packets[i];
                if (od_rng_below(&rng, 5) == 0)
                    sent[kept++] = packets[i];
            }
            for (size_t i = 1; i < kept; i++) { /* neighbours swap */
                if (od_rng_below(&rng, 4) == 0) {
                    struct packet swap = sent[i];
                    sent[i] = sent[i - 1];
                    sent[i - 1] = swap;
                }
            }
            for (size_t i = 0; i < kept; i++) {
                char key = put(&dtmf, &sent[i]);
                if (key)
                    heard[n_heard++] = key;
            }
            ts += 160 * (25 + (uint32_t)od_rng_below(&rng, 100)); /* at least 40 ms of pause */
        }
        assert_string_equal(heard, pressed);
    }
}

static void test_a_late_packet_of_the_last_press_is_no_new_one(void **state)
{
    (void)state;
    struct packet first[16], second[16];
    struct od_dtmf dtmf;
    od_dtmf_init(&dtmf);
    size_t n = press(first, '5', 1000, 5);
    press(second, '5', 3000, 5);
    assert_int_equal(put(&dtmf, &first[0]), '5');
    assert_int_equal(put(&dtmf, &second[0]), '5');
    for (size_t i = 0; i < n; i++)
        assert_int_equal(put(&dtmf, &first[i]), 0);
    assert_int_equal(put(&dtmf, &second[2]), 0);
    /* one whose press was lost but for this: older than the newest, so it can't be told in order */
    struct packet lost[16];
    press(lost, '7', 2000, 5);
    assert_int_equal(put(&dtmf, &lost[3]), 0);
}

static void test_a_long_press_in_segments_is_one(void **state)
{
    (void)state;
    struct od_dtmf dtmf;
    struct packet p = {.ts = 500, .marker = true};
    od_dtmf_init(&dtmf);
    od_dtmf_write(p.payload, '#', false, 10, 160);
    assert_int_equal(put(&dtmf, &p), '#');
    for (unsigned segment = 0; segment < 3; segment++) {
        p.marker = false;
        od_dtmf_write(p.payload, '#', false, 10, 65535);
        assert_int_equal(put(&dtmf, &p), 0);
        p.ts += 65535;
        od_dtmf_write(p.payload, '#', false, 10, 160);
        assert_int_equal(put(&dtmf, &p), 0);
    }
}

static void test_a_sender_whose_timestamp_runs_is_understood(void **state)
{
    (void)state;
    struct od_dtmf dtmf;
    od_dtmf_init(&dtmf);
    unsigned digits = 0;
    for (unsigned key = 0; key < 2; key++) {
        for (unsigned i = 0; i < 10; i++) {
            struct packet p = {.ts = 8000 * key + i * 160, .marker = i == 0};
            od_dtmf_write(p.payload, '1', i >= 7, 10, (uint16_t)((i < 7 ? i + 1 : 7) * 160));
            digits += i < 7 ? put(&dtmf, &p) == '1' : 0;
        }
    }
    assert_int_equal(digits, 2);
}

static void test_what_is_no_key_is_nothing(void **state)
{
    (void)state;
    struct od_dtmf dtmf;
    uint8_t payload[4] = {16, 0x80, 0, 160}; /* 16 is a hook flash */
    od_dtmf_init(&dtmf);
    assert_int_equal(od_dtmf_put(&dtmf, 1, 1, true, payload, 4), 0);
    payload[0] = 255;
    assert_int_equal(od_dtmf_put(&dtmf, 1, 2, true, payload, 4), 0);
    payload[0] = 3;
    assert_int_equal(od_dtmf_put(&dtmf, 1, 3, true, payload, 3), 0);
    assert_int_equal(od_dtmf_put(&dtmf, 1, 3, true, payload, 4), '3');
    assert_int_equal(od_dtmf_put(&dtmf, 2, 3, true, payload, 4), '3'); /* another source */
    assert_false(od_dtmf_write(payload, 'x', false, 0, 0));
    assert_false(od_dtmf_write(payload, '\0', false, 0, 0));
}

/* What our sender sends is what our receiver hears, each key once, with pauses between. */
static void test_keys_sent_are_keys_heard(void **state)
{
    (void)state;
    struct od_dtmf_send send = {0};
    struct od_dtmf dtmf;
    struct od_dtmf_event event;
    char heard[80];
    size_t count = 0;
    uint32_t ts = 77, key_ts = 0;
    unsigned packets = 0, ends = 0;
    static const char keys[] = "00112*#w5D";
    od_dtmf_init(&dtmf);
    assert_false(od_dtmf_send_add(&send, "12x", 3, 0));
    assert_false(od_dtmf_send_add(&send, "1", 1, OD_DTMF_MS_MAX + 1));
    assert_false(od_dtmf_send_busy(&send));
    assert_true(od_dtmf_send_add(&send, keys, sizeof keys - 1, 100));
    for (unsigned i = 0; i < 1000 && od_dtmf_send_busy(&send); i++, ts += 160) {
        if (!od_dtmf_send_frame(&send, &event))
            continue;
        packets++;
        if (event.begins)
            key_ts = ts;
        ends += event.payload[1] >> 7;
        char key = od_dtmf_put(&dtmf, 9, key_ts, event.begins, event.payload, OD_DTMF_BYTES);
        if (key)
            heard[count++] = key;
    }
    heard[count] = 0;
    assert_string_equal(heard, "00112*#5D");
    assert_int_equal(packets, 9 * (5 + OD_DTMF_ENDS - 1));
    assert_int_equal(ends, 9 * OD_DTMF_ENDS);
    static char many[OD_DTMF_KEYS_MAX + 1];
    memset(many, '1', sizeof many);
    assert_false(od_dtmf_send_add(&send, many, sizeof many, 0));
    assert_true(od_dtmf_send_add(&send, many, OD_DTMF_KEYS_MAX, 0));
    assert_false(od_dtmf_send_add(&send, many, 1, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_loss_short_of_all_gives_one_digit_each),
        cmocka_unit_test(test_a_late_packet_of_the_last_press_is_no_new_one),
        cmocka_unit_test(test_a_long_press_in_segments_is_one),
        cmocka_unit_test(test_a_sender_whose_timestamp_runs_is_understood),
        cmocka_unit_test(test_what_is_no_key_is_nothing),
        cmocka_unit_test(test_keys_sent_are_keys_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
