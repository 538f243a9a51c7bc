/*
 * Goal: hours become the right windows, whatever the clocks of their zones do. Method: known cases
 * by hand; then random hours in zones of a made-up world whose clocks jump at random times, each
 * window compared with a walk minute by minute.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/core/hours.h"
#include "engine/core/number_zone.h"
#include "outdial/err.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

enum { ZONES = 3, JUMPS = 8 };

/* Zone "0", "1", ...: its offset changes at `at`, to `offset_s` of the same place. */
static struct world {
    int64_t at[ZONES][JUMPS];
    int32_t offset_s[ZONES][JUMPS + 1];
} world;

static bool known(void *ctx, const char *zone)
{
    (void)ctx;
    return zone[0] >= '0' && zone[0] < '0' + ZONES && !zone[1];
}

static bool offset(void *ctx, const char *zone, int64_t wall_ms, int32_t *offset_s,
                   int64_t *from_ms, int64_t *until_ms)
{
    if (!known(ctx, zone))
        return false;
    const int64_t *at = world.at[zone[0] - '0'];
    int i = 0;
    while (i < JUMPS && at[i] <= wall_ms)
        i++;
    *offset_s = world.offset_s[zone[0] - '0'][i];
    *from_ms = i ? at[i - 1] : INT64_MIN;
    *until_ms = i < JUMPS ? at[i] : INT64_MAX;
    return true;
}

static const struct od_zone_port port = {.known = known, .offset = offset};

static void constant(int zone, int32_t offset_s)
{
    for (int i = 0; i <= JUMPS; i++) {
        world.offset_s[zone][i] = offset_s;
        if (i < JUMPS)
            world.at[zone][i] = INT64_MAX;
    }
}

static struct od_window window(const struct od_hours *hours, const char *const *zones, size_t count,
                               int64_t wall_ms)
{
    struct od_window out;
    struct od_hours_rule rule = {hours, zones, count};
    assert_int_equal(od_hours_window(&rule, &port, wall_ms, &out), 0);
    return out;
}

/* Monday, 2024-01-01 00:00 UTC */
#define MONDAY INT64_C(1704067200000)

static struct od_hours daily(const char *text)
{
    struct od_hours hours;
    assert_true(od_hours_daily(text, &hours));
    strcpy(hours.zone, "0");
    return hours;
}

static void a_window_is_now_or_next(void **state)
{
    (void)state;
    struct od_hours hours = daily("08:00-21:00");
    constant(0, 3600); /* one hour east */
    struct od_window w = window(&hours, NULL, 0, MONDAY + 12 * HOUR);
    assert_int_equal(w.open_ms, MONDAY + 12 * HOUR);
    assert_int_equal(w.close_ms, MONDAY + 20 * HOUR);
    assert_int_equal(w.next_ms, MONDAY + DAY + 7 * HOUR);
    w = window(&hours, NULL, 0, MONDAY + 20 * HOUR);
    assert_int_equal(w.open_ms, MONDAY + DAY + 7 * HOUR);
    assert_int_equal(w.close_ms, MONDAY + DAY + 20 * HOUR);
    assert_int_equal(w.next_ms, MONDAY + 2 * DAY + 7 * HOUR);
    w = window(&hours, NULL, 0, MONDAY + 20 * HOUR - 1);
    assert_int_equal(w.close_ms, MONDAY + 20 * HOUR);
    assert_true(od_window_open(&w, MONDAY + 20 * HOUR - 1));
    assert_false(od_window_open(&w, MONDAY + 20 * HOUR));
}

static void what_never_closes_has_no_window(void **state)
{
    (void)state;
    struct od_hours hours = daily("");
    constant(0, 0);
    struct od_window w = window(&hours, NULL, 0, MONDAY);
    assert_int_equal(w.open_ms + w.close_ms + w.next_ms, 0);
    assert_true(od_window_open(&w, MONDAY));
    hours = daily("00:00-23:59");
    assert_false(od_hours_any(&hours));
    w = window(&hours, NULL, 0, MONDAY);
    assert_int_equal(w.close_ms, 0);
}

/* Openings that meet at midnight are one. */
static void nights_are_joined(void **state)
{
    (void)state;
    struct od_hours hours = {.zone = "0"};
    constant(0, 0);
    hours.days[4] = (struct od_hours_day){1, {{18 * 60, OD_DAY_MINUTES}}};
    hours.days[5] = (struct od_hours_day){1, {{0, OD_DAY_MINUTES}}};
    hours.days[6] = (struct od_hours_day){2, {{0, 120}, {600, 660}}};
    struct od_window w = window(&hours, NULL, 0, MONDAY);
    assert_int_equal(w.open_ms, MONDAY + 4 * DAY + 18 * HOUR);
    assert_int_equal(w.close_ms, MONDAY + 6 * DAY + 2 * HOUR);
    assert_int_equal(w.next_ms, MONDAY + 6 * DAY + 10 * HOUR);
}

static void the_clock_goes_forward_and_back(void **state)
{
    (void)state;
    struct od_hours hours = daily("01:30-02:30");
    constant(0, 0);
    /* at Tuesday 02:00 the clock jumps to 03:00, at Thursday 03:00 back to 02:00 */
    world.at[0][0] = MONDAY + DAY + 2 * HOUR;
    world.at[0][1] = MONDAY + 3 * DAY + 2 * HOUR; /* 03:00 by then */
    for (int i = 1; i <= JUMPS; i++)
        world.offset_s[0][i] = i == 1 ? 3600 : 0;
    struct od_window w = window(&hours, NULL, 0, MONDAY + DAY);
    assert_int_equal(w.open_ms, MONDAY + DAY + HOUR + 30 * MINUTE);
    assert_int_equal(w.close_ms, MONDAY + DAY + 2 * HOUR); /* half an hour is all there is */
    assert_int_equal(w.next_ms, MONDAY + 2 * DAY + 30 * MINUTE);
    w = window(&hours, NULL, 0, MONDAY + 3 * DAY);
    assert_int_equal(w.open_ms, MONDAY + 3 * DAY + 30 * MINUTE);
    assert_int_equal(w.close_ms, MONDAY + 3 * DAY + 90 * MINUTE);
    assert_int_equal(w.next_ms, MONDAY + 3 * DAY + 2 * HOUR); /* 02:00 comes again */
}

static void zones_must_all_be_open(void **state)
{
    (void)state;
    static const char *const both[] = {"0", "1"}, *const with_unknown[] = {"x", "1"},
                             *const unknown[] = {"x"};
    struct od_hours hours = daily("08:00-21:00"), noon = daily("12:00-13:00");
    struct od_window w;
    constant(0, -5 * 3600);
    constant(1, -8 * 3600);
    w = window(&hours, both, 2, MONDAY);
    assert_int_equal(w.open_ms, MONDAY); /* 19:00 and 16:00 */
    assert_int_equal(w.close_ms, MONDAY + 2 * HOUR);
    assert_int_equal(w.next_ms, MONDAY + 16 * HOUR);
    w = window(&noon, both, 2, MONDAY); /* noon here is never noon there */
    assert_true(w.open_ms == INT64_MAX);
    w = window(&hours, with_unknown, 2, MONDAY);
    assert_int_equal(w.close_ms, MONDAY + 5 * HOUR);
    struct od_hours_rule rule = {&hours, unknown, 1};
    assert_int_equal(od_hours_window(&rule, &port, MONDAY, &w), OD_ENOENT);
}

static void only_two_forms_of_daily_hours(void **state)
{
    (void)state;
    static const char *const wrong[] = {"8:00-21:00",  "08:00",       "08:00-08:00", "21:00-08:00",
                                        "08:60-21:00", "08:00-24:01", "08:00_21:00", "08-00-21:00",
                                        "08:00-21:0x", "x",           "08:00-21:00 "};
    struct od_hours hours;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(od_hours_daily(wrong[i], &hours));
    assert_true(od_hours_daily("08:00-24:00", &hours));
    assert_int_equal(hours.days[3].blocks[0].to, OD_DAY_MINUTES);
    assert_true(od_hours_daily("00:00-08:00", &hours));
}

/* ---- against a walk by minutes ---- */

static struct od_rng rng = {20260101};

static int64_t draw(int64_t below)
{
    return (int64_t)od_rng_below(&rng, (uint64_t)below);
}

static void draw_zone(int zone, int64_t from)
{
    int64_t at = from - 20 * DAY;
    int32_t base = (int32_t)draw(27 * 4) * 900 - 12 * 3600;
    for (int i = 0; i <= JUMPS; i++) {
        static const int32_t jumps[] = {0, 3600, 1800, -3600, 7200};
        world.offset_s[zone][i] = base + (i % 2 ? jumps[draw(5)] : 0);
        at += MINUTE * (1 + draw(10 * 1440));
        if (i < JUMPS)
            world.at[zone][i] = at;
    }
}

static void draw_hours(struct od_hours *hours)
{
    memset(hours, 0, sizeof *hours);
    strcpy(hours->zone, "0");
    for (int d = 0; d < 7; d++) {
        uint16_t at = 0;
        struct od_hours_day *day = &hours->days[d];
        int want = (int)draw(4);
        for (int i = 0; i < want; i++) {
            uint16_t from = (uint16_t)(at + (draw(3) ? draw(400) : 0) + (i > 0));
            uint16_t to = (uint16_t)(from + 1 + draw(draw(4) ? 700 : 30));
            if (from >= OD_DAY_MINUTES)
                break;
            if (to > OD_DAY_MINUTES)
                to = OD_DAY_MINUTES;
            day->blocks[day->count++] = (struct od_hours_block){from, to};
            at = to;
        }
    }
}

static bool plainly_open(const struct od_hours *hours, int zone, int64_t wall_ms)
{
    char name[2] = {(char)('0' + zone), 0};
    int32_t offset_s;
    int64_t from, until;
    assert_true(offset(NULL, name, wall_ms, &offset_s, &from, &until));
    int64_t minute = (wall_ms + (int64_t)offset_s * 1000) / MINUTE, in_day = minute % 1440;
    const struct od_hours_day *day = &hours->days[(minute / 1440 + 3) % 7];
    for (int i = 0; i < day->count; i++)
        if (in_day >= day->blocks[i].from && in_day < day->blocks[i].to)
            return true;
    return false;
}

/* The next minute from `at` on with that answer, INT64_MAX: none for 15 days. */
static int64_t walk(const struct od_hours *hours, int zones, int64_t at, bool open)
{
    for (int64_t t = at; t < at + 15 * DAY; t += MINUTE) {
        bool all = true;
        for (int z = 0; z < zones; z++)
            all = all && plainly_open(hours, z, t);
        if (all == open)
            return t;
    }
    return INT64_MAX;
}

static void random_hours_agree_with_a_walk(void **state)
{
    static const char *const names[ZONES] = {"0", "1", "2"};
    (void)state;
    for (int round = 0; round < 400; round++) {
        int64_t from = MONDAY + MINUTE * draw(366 * 1440);
        int zones = 1 + (int)draw(ZONES);
        struct od_hours hours;
        for (int z = 0; z < ZONES; z++)
            draw_zone(z, from);
        draw_hours(&hours);
        struct od_window w = window(&hours, zones > 1 ? names : NULL, (size_t)zones, from);
        if (!od_hours_any(&hours)) {
            assert_int_equal(w.open_ms, 0);
            continue;
        }
        int64_t open = walk(&hours, zones, from, true);
        assert_true(w.open_ms == open);
        if (open == INT64_MAX)
            continue;
        int64_t close = walk(&hours, zones, open, false);
        assert_true(w.close_ms == (close == INT64_MAX ? 0 : close));
        if (close == INT64_MAX)
            continue;
        int64_t next = walk(&hours, zones, close, true);
        assert_true(w.next_ms == (next == INT64_MAX ? 0 : next));
    }
}

/* ---- numbers ---- */

static bool rings_in(const char *number, const char *zone)
{
    const char *const *zones = NULL;
    size_t count = od_number_zones(od_number_zone_set(number), &zones);
    for (size_t i = 0; i < count; i++)
        if (strcmp(zones[i], zone) == 0)
            return true;
    return false;
}

static void numbers_have_their_zones(void **state)
{
    const char *const *zones = NULL;
    (void)state;
    assert_int_equal(od_number_zones(od_number_zone_set("+12125550100"), &zones), 1);
    assert_string_equal(zones[0], "America/New_York");
    assert_int_equal(od_number_zones(od_number_zone_set("sip:+13105550100@host"), &zones), 1);
    assert_string_equal(zones[0], "America/Los_Angeles");
    assert_true(rings_in("+6190055501", "Australia/Perth")); /* free of charge: anywhere there */
    assert_true(rings_in("+6190055501", "Australia/Sydney"));
    assert_true(rings_in("+18005550100", "Pacific/Honolulu"));
    assert_true(rings_in("+442079460000", "Europe/London"));
    assert_true(rings_in("+5511955550100", "America/Sao_Paulo"));
    assert_int_equal(od_number_zone_set("+999"), 0);
    assert_int_equal(od_number_zone_set("+15550001111"), 0); /* no area code: rings nowhere */
    assert_int_equal(od_number_zone_set("+"), 0);
    assert_int_equal(od_number_zone_set(""), 0);
    assert_int_equal(od_number_zone_set("12125550100"), 0);
    assert_int_equal(od_number_zone_set("sip:alice@example.net"), 0);
    assert_int_equal(od_number_zones(0, &zones), 0);
    assert_int_equal(od_number_zones(od_number_zone_sets(), &zones), 0);
}

/* Sorted within each length, each set there and not empty: what the search relies on. */
static void the_table_is_in_order(void **state)
{
    (void)state;
    for (unsigned digits = 1; digits <= OD_NUMBER_PREFIX_DIGITS; digits++)
        for (uint32_t i = od_number_zone_first[digits]; i < od_number_zone_first[digits + 1]; i++) {
            const struct od_number_zone_row *row = &od_number_zone_rows[i];
            char number[16];
            const char *const *zones;
            if (i > od_number_zone_first[digits])
                assert_true(row[-1].prefix < row->prefix);
            assert_true(row->set < od_number_zone_sets());
            assert_int_equal(od_number_zones(row->set, &zones) > 0, row->set > 0);
            snprintf(number, sizeof number, "+%u", row->prefix);
            assert_int_equal(strlen(number), digits + 1);
            assert_int_equal(od_number_zone_set(number), row->set);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_is_now_or_next),
        cmocka_unit_test(what_never_closes_has_no_window),
        cmocka_unit_test(nights_are_joined),
        cmocka_unit_test(the_clock_goes_forward_and_back),
        cmocka_unit_test(zones_must_all_be_open),
        cmocka_unit_test(only_two_forms_of_daily_hours),
        cmocka_unit_test(random_hours_agree_with_a_walk),
        cmocka_unit_test(numbers_have_their_zones),
        cmocka_unit_test(the_table_is_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
