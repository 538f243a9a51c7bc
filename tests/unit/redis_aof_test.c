/*
 * Goal: a Redis that was killed in the middle of a write does not do half of that write at a later
 * start. Method: a transaction that is cut off in its middle is put at the end of the append-only
 * file, as a kill leaves it; the store connects; Redis is killed and started again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <glob.h>

#include "tests/contract/redis_world.h"

static const char half_a_write[] = "*1\r\n$5\r\nMULTI\r\n"
                                   "*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$1\r\n1\r\n"
                                   "*3\r\n$3\r\nSET\r\n$5\r\noth";

static const char *ask(const struct world *w, const char *verb, const char *what)
{
    static char text[16384];
    assert_true(
        redis_server_ask(&w->server, text, sizeof text, 2, (const char *const[]){verb, what}));
    return text;
}

/* Redis is killed in the middle of a write. */
static void cut_off(struct world *w)
{
    char pattern[160];
    glob_t found;
    redis_server_kill(&w->server);
    snprintf(pattern, sizeof pattern, "%s/appendonlydir/*.incr.aof", w->server.dir);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    FILE *file = fopen(found.gl_pathv[found.gl_pathc - 1], "a");
    assert_non_null(file);
    assert_int_equal(fwrite(half_a_write, 1, sizeof half_a_write - 1, file),
                     sizeof half_a_write - 1);
    assert_int_equal(fclose(file), 0);
    globfree(&found);
}

static bool is_rewritten(struct world *w)
{
    char run_id[64];
    const char *at = strstr(ask(w, "INFO", "server"), "run_id:");
    assert_non_null(at);
    snprintf(run_id, sizeof run_id, "%.40s", at + 7);
    return strcmp(ask(w, "GET", "od:{shared}:rewritten"), run_id) == 0 &&
           redis_server_is_settled(&w->server);
}

/* It may refuse one start: redis_server_restart() tries a second time, as an operator's service
 * manager would. */
static void half_a_write_stays_out(void **state)
{
    (void)state;
    struct world *w = world_open("first");
    assert_non_null(w);
    assert_true(world_until(w, is_rewritten, WORLD_LIMIT_MS));
    for (int i = 0; i < 3; i++) {
        cut_off(w);
        assert_true(redis_server_restart(&w->server, NULL));
        assert_true(world_wait_up(w));
        assert_true(world_until(w, is_rewritten, WORLD_LIMIT_MS));
        assert_string_equal(ask(w, "GET", "half"), "");
    }
    redis_server_kill(&w->server);
    assert_true(redis_server_restart(&w->server, NULL));
    assert_string_equal(ask(w, "GET", "half"), "");
    world_close(w);
}

/* A second process finds that it was done. */
static void once_per_start(void **state)
{
    (void)state;
    struct world *w = world_open("first");
    assert_non_null(w);
    assert_true(world_until(w, is_rewritten, WORLD_LIMIT_MS));
    struct world *second = world_bare();
    snprintf(second->server.path, sizeof second->server.path, "%s", w->server.path);
    assert_int_equal(
        world_store_open(second, &(struct od_store_config){.path_or_host = w->server.path,
                                                           .worker = "second",
                                                           .jobs_max = 100}),
        0);
    assert_true(world_wait_up(second));
    assert_non_null(strstr(ask(w, "INFO", "commandstats"), "cmdstat_bgrewriteaof:calls=1,"));
    world_close(second);
    world_close(w);
}

static bool is_told(struct world *w)
{
    return strstr(w->last_log, "Redis won't rewrite its append-only file") != NULL;
}

/* Somebody else's Redis may not allow it: that is said, and calls are taken all the same. */
static void not_allowed(void **state)
{
    (void)state;
    struct world *w = world_bare();
    assert_true(redis_server_start(
        &w->server, (const char *const[]){"--rename-command", "BGREWRITEAOF", "", NULL}));
    assert_int_equal(world_store_open(w, &(struct od_store_config){.path_or_host = w->server.path,
                                                                   .worker = "first",
                                                                   .jobs_max = 100}),
                     0);
    assert_true(world_until(w, is_told, WORLD_LIMIT_MS));
    assert_true(world_wait_up(w));
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_a_write_stays_out),
        cmocka_unit_test(once_per_start),
        cmocka_unit_test(not_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
