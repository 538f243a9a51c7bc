/*
 * redis_pure_test - the parts of the Redis adapter that need no Redis: addresses, key names,
 * fitness, commands as bytes, the job table, lane definitions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "outdial/err.h"
#include "proto/redis/redis_cmd.h"
#include "proto/redis/redis_health.h"
#include "proto/redis/redis_job.h"
#include "proto/redis/redis_key.h"
#include "proto/redis/redis_lane.h"
#include "proto/redis/redis_url.h"

static void urls_are_read(void **state)
{
    (void)state;
    struct od_redis_url url;
    char why[128];
    static const struct {
        const char *text, *host, *password;
        int port, db;
        bool path;
    } good[] = {
        {"redis://127.0.0.1", "127.0.0.1", "", 6379, 0, false},
        {"redis://redis.internal:7000/3", "redis.internal", "", 7000, 3, false},
        {"redis://:s3%40t@10.0.0.1:6380/0", "10.0.0.1", "s3@t", 6380, 0, false},
        {"redis://default:p:q@[::1]:6381", "::1", "p:q", 6381, 0, false},
        {"redis://[fe80::1]/2", "fe80::1", "", 6379, 2, false},
        {"unix:///run/redis/s.sock", "/run/redis/s.sock", "", 0, 0, true},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(od_redis_url_parse(good[i].text, &url, why, sizeof why), 0);
        assert_string_equal(url.host, good[i].host);
        assert_string_equal(url.password, good[i].password);
        assert_int_equal(url.db, good[i].db);
        assert_int_equal(url.is_path, good[i].path);
        if (!url.is_path)
            assert_int_equal(url.port, good[i].port);
        assert_string_equal(why, "");
    }
}

static void bad_urls_are_refused_with_a_reason(void **state)
{
    (void)state;
    struct od_redis_url url;
    char why[160], path[200] = "unix:///";
    memset(path + 8, 'p', 150);
    const char *const bad[] = {
        "",
        "redis",
        "http://x",
        "redis://",
        "redis://:6379",
        "redis://host:0",
        "redis://host:65536",
        "redis://host:80x",
        "redis://host/x",
        "redis://host/-1",
        "redis://user:secret@host",
        "redis://secret@host",
        "redis://:%zz@host",
        "redis://:%0@host",
        "redis://:%00@host",
        "redis://[::1",
        "redis://[::1]x",
        "redis://ho st",
        "redis://host\n",
        "unix://",
        "unix://run/x",
        "unix:///",
        path,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (od_redis_url_parse(bad[i], &url, why, sizeof why) != OD_EINVAL)
            fail_msg("accepted: %s", bad[i]);
        assert_true(strlen(why) > 0);
        assert_null(strstr(why, "secret"));
    }
    assert_int_equal(od_redis_url_parse("rediss://host", &url, why, sizeof why), OD_EINVAL);
    assert_non_null(strstr(why, "TLS"));
}

static void orgs_make_keys(void **state)
{
    (void)state;
    char key[OD_REDIS_KEY_MAX], longest[OD_NAME_MAX], too_long[OD_NAME_MAX + 1];
    uint8_t hash[32] = {0xab, 1};
    memset(longest, 'o', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memset(too_long, 'o', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    assert_true(od_redis_key_org_ok("Acme-1.b_c"));
    assert_true(od_redis_key_org_ok(longest));
    assert_false(od_redis_key_org_ok(too_long));
    assert_false(od_redis_key_org_ok(""));
    assert_false(od_redis_key_org_ok("a}b"));
    assert_false(od_redis_key_org_ok("a b"));
    assert_false(od_redis_key_org_ok("\xc3\xbc"));
    od_redis_key_prefix(key, "acme");
    assert_string_equal(key, "od:{acme}:");
    char held[OD_REDIS_KEY_MAX], prefix[OD_REDIS_KEY_MAX];
    od_redis_key_prefix(prefix, longest);
    od_redis_key_held(held, prefix, UINT32_MAX);
    assert_string_equal(held + strlen(held) - 16, ":held:4294967295");
    od_redis_key_api(key, hash);
    assert_int_equal(strlen(key), 8 + 64);
    assert_memory_equal(key, "od:keys:ab01", 12);
}

static int health(const char *info, char *why, size_t size)
{
    struct od_redis_health out;
    return od_redis_health_check(info, strlen(info), &out, why, size);
}

static void fitness_is_judged(void **state)
{
    (void)state;
    char why[160];
    struct od_redis_health out;
    static const char fit[] = "# Server\r\nredis_version:7.0.15\r\nloading:0\r\nrole:master\r\n"
                              "maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:1\r\n";
    assert_int_equal(od_redis_health_check(fit, sizeof fit - 1, &out, why, sizeof why), 0);
    assert_int_equal(out.version_major, 7);
    assert_true(out.append_only);
    assert_int_equal(health("redis_version:8.0.2\r\n", why, sizeof why), 0);
    assert_int_equal(health("redis_version:6.2.1\r\n", why, sizeof why), OD_EINVAL);
    assert_non_null(strstr(why, "6.2"));
    assert_int_equal(health("", why, sizeof why), OD_EINVAL);
    assert_int_equal(health("redis_version:7.2.0\nmaxmemory:1000\nmaxmemory_policy:volatile-lru\n",
                            why, sizeof why),
                     OD_EINVAL);
    assert_non_null(strstr(why, "noeviction"));
    assert_int_equal(
        health("redis_version:7.2.0\nmaxmemory:1000\nmaxmemory_policy:noeviction", why, sizeof why),
        0);
    assert_int_equal(health("redis_version:7.2.0\r\nrole:slave\r\n", why, sizeof why), OD_EINVAL);
    assert_int_equal(health("redis_version:7.2.0\r\nloading:1\r\n", why, sizeof why), OD_EDOWN);
}

static void commands_are_bulk_arrays(void **state)
{
    (void)state;
    struct od_redis_cmd cmd;
    const char *at;
    size_t bytes;
    od_redis_cmd_init(&cmd);
    for (int round = 0; round < 2; round++) {
        od_redis_cmd_begin(&cmd);
        od_redis_cmd_str(&cmd, "SET");
        od_redis_cmd_add(&cmd, "a\0b", 3);
        od_redis_cmd_int(&cmd, INT64_MIN);
        od_redis_cmd_add(&cmd, NULL, 0);
        assert_int_equal(od_redis_cmd_end(&cmd, &at, &bytes), 0);
        static const char should[] = "*4\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$20\r\n-9223372036854775808"
                                     "\r\n$0\r\n\r\n";
        assert_int_equal(bytes, sizeof should - 1);
        assert_memory_equal(at, should, bytes);
    }
    od_redis_cmd_begin(&cmd);
    assert_int_not_equal(od_redis_cmd_end(&cmd, &at, &bytes), 0); /* nothing to send */
    static char big[100000];
    od_redis_cmd_begin(&cmd);
    for (int i = 0; i < 1000; i++)
        od_redis_cmd_add(&cmd, big, (size_t)i);
    od_redis_cmd_add(&cmd, big, sizeof big);
    assert_int_equal(od_redis_cmd_end(&cmd, &at, &bytes), 0);
    assert_memory_equal(at, "*1001\r\n$0\r\n\r\n$1\r\n", 17);
    od_redis_cmd_deinit(&cmd);
}

static void jobs_are_found_while_they_live(void **state)
{
    (void)state;
    enum { MAX = 50 };
    struct od_redis_jobs jobs;
    struct od_redis_job *all[MAX];
    struct od_uid uids[MAX];
    assert_int_equal(od_redis_jobs_init(&jobs, MAX), 0);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < MAX; i++) {
            memset(&uids[i], 0, sizeof uids[i]);
            uids[i].b[15] = (uint8_t)(i % 5); /* most share a bucket */
            uids[i].b[0] = (uint8_t)i;
            all[i] = od_redis_jobs_get(&jobs, &uids[i]);
            assert_non_null(all[i]);
        }
        assert_null(od_redis_jobs_get(&jobs, &uids[0]));
        assert_int_equal(jobs.used, MAX);
        for (uint32_t i = 0; i < MAX; i += 2) {
            struct od_job_id id = {all[i]->index, all[i]->gen};
            assert_ptr_equal(od_redis_jobs_of(&jobs, id), all[i]);
            od_redis_jobs_put(&jobs, all[i]);
            assert_null(od_redis_jobs_of(&jobs, id));
            assert_null(od_redis_jobs_of(&jobs, (struct od_job_id){id.index, id.gen + 1}));
            assert_null(od_redis_jobs_find(&jobs, &uids[i]));
        }
        for (uint32_t i = 1; i < MAX; i += 2) {
            assert_ptr_equal(od_redis_jobs_find(&jobs, &uids[i]), all[i]);
            od_redis_jobs_put(&jobs, all[i]);
        }
        assert_int_equal(jobs.used, 0);
    }
    assert_null(od_redis_jobs_of(&jobs, (struct od_job_id){MAX, 1}));
    assert_null(od_redis_jobs_of(&jobs, (struct od_job_id){0, 0}));
    od_redis_jobs_deinit(&jobs);
}

static void lanes_keep_their_numbers(void **state)
{
    (void)state;
    struct od_redis_lanes lanes = {.max = 3};
    struct od_redis_lane_numbers acme = {0}, other = {0};
    struct od_redis_lane *a = od_redis_lane_get(&lanes, &acme, 900);
    struct od_redis_lane *b = od_redis_lane_get(&lanes, &other, 900);
    assert_true(a != NULL && b != NULL && a != b);
    assert_int_equal(a->info.lane, 0);
    assert_int_equal(b->info.lane, 1);
    assert_ptr_equal(od_redis_lane_get(&lanes, &acme, 900), a);
    assert_null(od_redis_lane_find(&lanes, &acme, 899));
    assert_null(od_redis_lane_get(&lanes, &acme, OD_LANE_NUMBER_MAX + 1));
    assert_non_null(od_redis_lane_get(&lanes, &acme, 1));
    assert_null(od_redis_lane_get(&lanes, &acme, 2)); /* the table is full */

    char def[OD_LANE_DEF_BYTES] = {0};
    struct od_lane_info info = {0};
    memset(def + 32, 0xff, 4);
    def[39] = 7;
    def[44] = 2;
    assert_true(od_redis_lane_def((struct od_text){def, sizeof def}, &info));
    assert_int_equal(info.priority, -1);
    assert_int_equal(info.cps_milli, 7);
    assert_false(info.open);
    assert_false(od_redis_lane_def((struct od_text){def, sizeof def - 1}, &info));
    free(acme.index);
    free(other.index);
    od_redis_lanes_deinit(&lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_read),
        cmocka_unit_test(bad_urls_are_refused_with_a_reason),
        cmocka_unit_test(orgs_make_keys),
        cmocka_unit_test(fitness_is_judged),
        cmocka_unit_test(commands_are_bulk_arrays),
        cmocka_unit_test(jobs_are_found_while_they_live),
        cmocka_unit_test(lanes_keep_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
