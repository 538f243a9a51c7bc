/*
 * Goal: zones by name, their offsets and where these change; names that are none are refused,
 * whatever they look like. Method: changes of the past that no later law can move. All zones and
 * years are compared with another library's by tests/accept/number_zones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "outdial/err.h"
#include "proto/zone/zone.h"

static int setup(void **state)
{
    return od_zones_create((struct od_zones **)state);
}

static int teardown(void **state)
{
    od_zones_destroy(*state);
    return 0;
}

static void berlin_changes_twice_a_year(void **state)
{
    const struct od_zone_port *port = od_zones_port(*state);
    const int64_t spring = INT64_C(1711846800000), autumn = INT64_C(1729990800000);
    int32_t offset_s;
    int64_t from, until;
    for (int round = 0; round < 2; round++) {
        assert_true(port->offset(port->ctx, "Europe/Berlin", spring - 1, &offset_s, &from, &until));
        assert_int_equal(offset_s, 3600);
        assert_true(from <= spring - 1 && until == spring);
        assert_true(port->offset(port->ctx, "Europe/Berlin", spring, &offset_s, &from, &until));
        assert_int_equal(offset_s, 7200);
        assert_true(from == spring && until == autumn);
        assert_true(port->offset(port->ctx, "Europe/Berlin", autumn, &offset_s, &from, &until));
        assert_int_equal(offset_s, 3600);
        assert_true(from == autumn);
    }
}

static void utc_never_changes(void **state)
{
    const struct od_zone_port *port = od_zones_port(*state);
    int32_t offset_s = 1;
    int64_t from, until;
    assert_true(port->offset(port->ctx, "UTC", 0, &offset_s, &from, &until));
    assert_int_equal(offset_s, 0);
    assert_true(from < 0 && until > 0);
    assert_true(port->offset(port->ctx, "UTC", -1, &offset_s, &from, &until));
    assert_true(from <= -1 && until > -1);
}

static void names_that_are_none(void **state)
{
    static const char *const none[] = {"",
                                       "Mars/Olympus",
                                       "../../../etc/passwd",
                                       "/usr/share/zoneinfo/UTC",
                                       "America/",
                                       "America",
                                       "America//New_York",
                                       "EST5EDT4,M3.2.0,M11.1.0",
                                       "+05:30",
                                       "Europe/Berlin ",
                                       "Europe\\Berlin",
                                       "<string>",
                                       "posixrules.",
                                       "a23456789012345678901234567890123456789012345678"};
    const struct od_zone_port *port = od_zones_port(*state);
    int32_t offset_s;
    int64_t from, until;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_false(port->known(port->ctx, none[i]));
        assert_false(port->offset(port->ctx, none[i], 0, &offset_s, &from, &until));
    }
    assert_true(port->known(port->ctx, "America/Argentina/Buenos_Aires"));
    assert_true(port->known(port->ctx, "Etc/GMT+5"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(berlin_changes_twice_a_year),
        TEST(utc_never_changes),
        TEST(names_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
