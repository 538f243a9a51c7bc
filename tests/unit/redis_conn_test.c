/*
 * redis_conn_test - a connection that can't be made, hangs, dies, is refused or talks nonsense is
 * noticed in time, every command is answered exactly once, and the connection comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "outdial/err.h"
#include "proto/redis/redis_cmd.h"
#include "proto/redis/redis_conn.h"
#include "tests/contract/redis_server.h"

enum { LIMIT_MS = 10000 };

struct side {
    uv_loop_t loop;
    struct od_redis_conn *conn;
    struct redis_server server;
    unsigned ups, downs, replies, nulls;
    char why[256], reply[256];
    bool closed, late;
    uint64_t down_ms, up_ms, null_ms;
};

static void on_up(void *ctx)
{
    struct side *s = ctx;
    s->ups++;
    s->up_ms = uv_now(&s->loop);
}

static void on_down(void *ctx, const char *why)
{
    struct side *s = ctx;
    s->downs++;
    s->down_ms = uv_now(&s->loop);
    snprintf(s->why, sizeof s->why, "%s", why);
}

static void on_reply(void *ctx, const struct redisReply *reply)
{
    struct side *s = ctx;
    s->replies++;
    if (reply == NULL) {
        s->nulls++;
        s->null_ms = uv_now(&s->loop);
    } else {
        snprintf(s->reply, sizeof s->reply, "%s", reply->str == NULL ? "" : reply->str);
    }
}

static void on_late(uv_timer_t *timer)
{
    ((struct side *)timer->data)->late = true;
}

static void on_closed(void *ctx)
{
    ((struct side *)ctx)->closed = true;
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

/* Runs the loop until *value reaches `least`. */
static bool reaches(struct side *s, const unsigned *value, unsigned least)
{
    uv_timer_t *timer = malloc(sizeof *timer);
    uv_update_time(&s->loop);
    uv_timer_init(&s->loop, timer);
    timer->data = s;
    s->late = false;
    uv_timer_start(timer, on_late, LIMIT_MS, 0);
    while (*value < least && !s->late)
        uv_run(&s->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)timer, free_handle);
    return *value >= least;
}

static const struct od_redis_conn_config usual = {
    .connect_ms = 500,
    .command_ms = 300,
    .retry_ms_min = 20,
    .retry_ms_max = 100,
    .pending_max = 100,
    .pending_bytes_max = 1 << 20,
};

static int open_to(struct side *s, const char *host, int port, const char *password, int db)
{
    struct od_redis_conn_config config = usual;
    config.path_or_host = host;
    config.port = port;
    config.password = password;
    config.db = db;
    return od_redis_conn_open(
        &s->conn, &s->loop, &config,
        &(struct od_redis_conn_events){.ctx = s, .up = on_up, .down = on_down});
}

static int setup(void **state)
{
    struct side *s = calloc(1, sizeof *s);
    uv_loop_init(&s->loop);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct side *s = *state;
    if (s->conn != NULL) {
        od_redis_conn_close(s->conn, on_closed, s);
        uv_run(&s->loop, UV_RUN_DEFAULT);
    }
    int failed = uv_loop_close(&s->loop) != 0 || (s->conn != NULL && !s->closed);
    redis_server_stop(&s->server);
    free(s);
    return failed;
}

static int ask(struct side *s, const char *verb, const char *argument)
{
    struct od_redis_cmd cmd;
    od_redis_cmd_init(&cmd);
    od_redis_cmd_begin(&cmd);
    od_redis_cmd_str(&cmd, verb);
    if (argument != NULL)
        od_redis_cmd_str(&cmd, argument);
    int err = od_redis_conn_send(s->conn, &cmd, on_reply, s);
    od_redis_cmd_deinit(&cmd);
    return err;
}

/* A listening socket on the loopback; its port. */
static int listen_on(int *port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &bytes), 0);
    *port = ntohs(addr.sin_port);
    return fd;
}

static void refused_port_is_noticed_and_tried_again(void **state)
{
    struct side *s = *state;
    int port;
    close(listen_on(&port)); /* nobody listens there now */
    assert_int_equal(open_to(s, "127.0.0.1", port, NULL, 0), 0);
    uint64_t begun = uv_now(&s->loop);
    assert_true(reaches(s, &s->downs, 1));
    assert_true(s->down_ms - begun < 200);
    assert_non_null(strstr(s->why, "refused"));
    assert_int_equal(ask(s, "PING", NULL), OD_EDOWN);
    assert_true(reaches(s, &s->downs, 4));
    assert_int_equal(s->ups, 0);
}

static void missing_socket_is_noticed(void **state)
{
    struct side *s = *state;
    assert_int_equal(open_to(s, "/nonexistent/socket", 0, NULL, 0), 0);
    assert_true(reaches(s, &s->downs, 2));
    assert_true(strlen(s->why) > 0);
}

static void names_are_not_resolved(void **state)
{
    struct side *s = *state;
    assert_int_equal(open_to(s, "localhost", 6379, NULL, 0), OD_EINVAL);
    assert_int_equal(open_to(s, "", 6379, NULL, 0), OD_EINVAL);
    assert_int_equal(open_to(s, "127.0.0.1", 0, NULL, 0), OD_EINVAL);
    assert_int_equal(open_to(s, "127.0.0.1", 65536, NULL, 0), OD_EINVAL);
    assert_int_equal(open_to(s, NULL, 1, NULL, 0), OD_EINVAL);
}

static void commands_are_answered_in_order(void **state)
{
    struct side *s = *state;
    assert_true(redis_server_start(&s->server, NULL));
    assert_int_equal(open_to(s, s->server.path, 0, NULL, 9), 0);
    assert_true(reaches(s, &s->ups, 1));
    assert_int_equal(ask(s, "ECHO", "one"), 0);
    assert_int_equal(ask(s, "ECHO", "two"), 0);
    assert_true(reaches(s, &s->replies, 2));
    assert_string_equal(s->reply, "two");
    assert_int_equal(ask(s, "CLIENT", "INFO"), 0);
    assert_true(reaches(s, &s->replies, 3));
    assert_non_null(strstr(s->reply, " db=9 "));
}

static void passwords_open_and_never_show(void **state)
{
    struct side *s = *state;
    assert_true(redis_server_start(&s->server,
                                   (const char *const[]){"--requirepass", "open-sesame", NULL}));
    assert_int_equal(open_to(s, s->server.path, 0, "wrong-sesame", 1), 0);
    assert_true(reaches(s, &s->downs, 2));
    assert_int_equal(s->ups, 0);
    assert_non_null(strstr(s->why, "WRONGPASS"));
    assert_null(strstr(s->why, "sesame"));
    od_redis_conn_close(s->conn, on_closed, s);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(open_to(s, s->server.path, 0, "open-sesame", 1), 0);
    assert_true(reaches(s, &s->ups, 1));
    assert_int_equal(ask(s, "PING", NULL), 0);
    assert_true(reaches(s, &s->replies, 1));
    assert_string_equal(s->reply, "PONG");
}

static void hung_server_is_given_up_in_time(void **state)
{
    struct side *s = *state;
    assert_true(redis_server_start(&s->server, NULL));
    assert_int_equal(open_to(s, s->server.path, 0, NULL, 0), 0);
    assert_true(reaches(s, &s->ups, 1));
    redis_server_signal(&s->server, SIGSTOP);
    uv_update_time(&s->loop);
    uint64_t begun = uv_now(&s->loop);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask(s, "PING", NULL), 0);
    assert_true(reaches(s, &s->downs, 1));
    assert_int_equal(s->nulls, 5);
    assert_true(s->down_ms - begun >= usual.command_ms);
    assert_true(s->down_ms - begun < usual.command_ms + 150);
    assert_non_null(strstr(s->why, "no answer"));
    redis_server_signal(&s->server, SIGCONT);
    assert_true(reaches(s, &s->ups, 2));
    assert_int_equal(ask(s, "PING", NULL), 0);
    assert_true(reaches(s, &s->replies, 6));
    assert_int_equal(s->nulls, 5);
}

static void slow_commands_do_not_trip_each_other(void **state)
{
    struct side *s = *state;
    assert_true(redis_server_start(&s->server, NULL));
    assert_int_equal(open_to(s, s->server.path, 0, NULL, 0), 0);
    assert_true(reaches(s, &s->ups, 1));
    /* for longer than a deadline, always one more under way */
    uint64_t begun = uv_now(&s->loop);
    while (uv_now(&s->loop) - begun < 2 * usual.command_ms) {
        unsigned next = s->replies + 1;
        assert_int_equal(ask(s, "PING", NULL), 0);
        assert_true(reaches(s, &s->replies, next));
    }
    assert_int_equal(s->downs, 0);
    assert_int_equal(s->nulls, 0);
}

static void killed_server_is_noticed_and_found_again(void **state)
{
    struct side *s = *state;
    assert_true(redis_server_start(&s->server, NULL));
    assert_int_equal(open_to(s, s->server.path, 0, NULL, 0), 0);
    assert_true(reaches(s, &s->ups, 1));
    redis_server_signal(&s->server, SIGSTOP); /* so that the command is still under way */
    assert_int_equal(ask(s, "PING", NULL), 0);
    od_redis_conn_push(s->conn);
    redis_server_kill(&s->server);
    uv_update_time(&s->loop);
    uint64_t begun = uv_now(&s->loop);
    assert_true(reaches(s, &s->downs, 1));
    assert_true(s->down_ms - begun < 100);
    assert_int_equal(s->nulls, 1);
    assert_int_equal(ask(s, "PING", NULL), OD_EDOWN);
    assert_true(redis_server_restart(&s->server, NULL));
    assert_true(reaches(s, &s->ups, 2));
    assert_int_equal(od_redis_conn_connects(s->conn), 2);
}

/* Says the text to whoever connects, then (or at once) closes. */
static void talk(struct side *s, int listener, const char *text)
{
    unsigned downs = s->downs;
    fd_set set;
    for (int i = 0; i < 2000; i++) { /* the loop connects, the test accepts */
        struct timeval wait = {0, 1000};
        uv_run(&s->loop, UV_RUN_NOWAIT);
        FD_ZERO(&set);
        FD_SET(listener, &set);
        if (select(listener + 1, &set, NULL, NULL, &wait) == 1)
            break;
    }
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    assert_true(reaches(s, &s->ups, downs + 1));
    assert_int_equal(ask(s, "PING", NULL), 0);
    od_redis_conn_push(s->conn);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    shutdown(fd, SHUT_WR);
    assert_true(reaches(s, &s->downs, downs + 1));
    close(fd);
}

static void nonsense_ends_the_connection(void **state)
{
    struct side *s = *state;
    static const char *const texts[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "",
        "*999999999999999999999\r\n",
        "$-5\r\n",
        "$100\r\nshort",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
        ":1\r\n:2\r\n:3\r\n", /* more answers than questions */
    };
    int port, listener = listen_on(&port);
    assert_int_equal(open_to(s, "127.0.0.1", port, NULL, 0), 0);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        unsigned replies = s->replies;
        talk(s, listener, texts[i]);
        assert_int_equal(s->replies, replies + 1); /* exactly one answer, whatever came */
    }
    close(listener);
}

static void silent_listener_is_not_up_for_long(void **state)
{
    struct side *s = *state;
    int port, listener = listen_on(&port);
    /* it takes the connection, and never answers the password */
    assert_int_equal(open_to(s, "127.0.0.1", port, "x", 0), 0);
    assert_true(reaches(s, &s->downs, 1));
    assert_int_equal(s->ups, 0);
    assert_non_null(strstr(s->why, "no connection within"));
    close(listener);
}

static void backlog_is_bounded(void **state)
{
    struct side *s = *state;
    assert_true(redis_server_start(&s->server, NULL));
    assert_int_equal(open_to(s, s->server.path, 0, NULL, 0), 0);
    assert_true(reaches(s, &s->ups, 1));
    char *big = calloc(1, (1 << 20) + 1);
    memset(big, 'b', 1 << 20);
    assert_int_equal(ask(s, "ECHO", big), OD_EBUSY);
    free(big);
    for (unsigned i = 0; i < usual.pending_max; i++)
        assert_int_equal(ask(s, "PING", NULL), 0);
    assert_int_equal(ask(s, "PING", NULL), OD_EBUSY);
    assert_true(reaches(s, &s->replies, usual.pending_max));
    assert_int_equal(ask(s, "PING", NULL), 0);
    assert_true(reaches(s, &s->replies, usual.pending_max + 1));
    assert_int_equal(s->nulls, 0);
}

static void close_answers_what_is_open(void **state)
{
    struct side *s = *state;
    assert_true(redis_server_start(&s->server, NULL));
    assert_int_equal(open_to(s, s->server.path, 0, NULL, 0), 0);
    assert_true(reaches(s, &s->ups, 1));
    for (int i = 0; i < 7; i++)
        assert_int_equal(ask(s, "PING", NULL), 0);
    od_redis_conn_close(s->conn, on_closed, s);
    s->conn = NULL;
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_true(s->closed);
    assert_int_equal(s->replies, 7);
    assert_int_equal(s->nulls, 7);
    assert_int_equal(s->downs, 0);
}

static void drop_leads_back(void **state)
{
    struct side *s = *state;
    assert_true(redis_server_start(&s->server, NULL));
    assert_int_equal(open_to(s, s->server.path, 0, NULL, 0), 0);
    assert_true(reaches(s, &s->ups, 1));
    assert_int_equal(ask(s, "PING", NULL), 0);
    od_redis_conn_drop(s->conn, "no good");
    assert_int_equal(s->downs, 1);
    assert_string_equal(s->why, "no good");
    assert_int_equal(s->nulls, 1);
    assert_true(reaches(s, &s->ups, 2));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refused_port_is_noticed_and_tried_again),
        TEST(missing_socket_is_noticed),
        TEST(names_are_not_resolved),
        TEST(commands_are_answered_in_order),
        TEST(passwords_open_and_never_show),
        TEST(hung_server_is_given_up_in_time),
        TEST(slow_commands_do_not_trip_each_other),
        TEST(killed_server_is_noticed_and_found_again),
        TEST(nonsense_ends_the_connection),
        TEST(silent_listener_is_not_up_for_long),
        TEST(backlog_is_bounded),
        TEST(close_answers_what_is_open),
        TEST(drop_leads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
