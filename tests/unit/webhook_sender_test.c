/*
 * The webhook sender against a receiver that answers as each test scripts it: what is sent, what is
 * tried again and after how long, what is given up, and what happens when there is no room or the
 * end has come. Waits are made short by configuration.
 */
#include "http_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/uid.h"
#include "engine/host/webhook_sender.h"
#include "outdial/err.h"

/* Answers the n-th request with statuses[n], the last again and again. 0: no answer at all. */
struct receiver {
    struct od_http_server *server;
    const int *statuses;
    unsigned status_count, requests, alive, most_alive;
    uint64_t at_ms[16];
    char id[64], type[64], agent[64], method[16], path[128], body[256];
    bool closed;
};

static void keep_header(const struct od_exchange *x, const char *name, char *out, size_t size)
{
    struct od_text value = {"", 0};
    x->header(x, name, &value);
    snprintf(out, size, "%.*s", (int)value.bytes, value.at);
}

static enum od_body_mode receiver_head(void *ctx, struct od_exchange *x, uint64_t *limit)
{
    struct receiver *receiver = ctx;
    (void)limit;
    if (++receiver->alive > receiver->most_alive)
        receiver->most_alive = receiver->alive;
    keep_header(x, "webhook-id", receiver->id, sizeof receiver->id);
    keep_header(x, "content-type", receiver->type, sizeof receiver->type);
    keep_header(x, "user-agent", receiver->agent, sizeof receiver->agent);
    snprintf(receiver->method, sizeof receiver->method, "%s", x->method);
    snprintf(receiver->path, sizeof receiver->path, "%s?%s", x->path, x->query);
    return OD_BODY_BUFFER;
}

static void receiver_body(void *ctx, struct od_exchange *x, const char *data, size_t bytes,
                          bool last)
{
    struct receiver *receiver = ctx;
    (void)last;
    snprintf(receiver->body, sizeof receiver->body, "%.*s", (int)bytes, data);
    unsigned n = receiver->requests++;
    if (n < 16)
        receiver->at_ms[n] = uv_hrtime() / 1000000;
    int status = receiver->statuses[n < receiver->status_count ? n : receiver->status_count - 1];
    if (status)
        x->ops->respond(x, status, "text/plain", status == 503 ? "Retry-After: 0\r\n" : NULL, "ok",
                        2);
}

static void receiver_closed(void *ctx, struct od_exchange *x)
{
    (void)x;
    ((struct receiver *)ctx)->alive--;
}

struct fixture {
    uv_loop_t loop;
    struct receiver receiver;
    struct od_webhook_sender *sender;
    char url[64], line[512];
    unsigned lines;
    bool closed;
};

static void on_line(void *ctx, const char *line)
{
    struct fixture *f = ctx;
    f->lines++;
    snprintf(f->line, sizeof f->line, "%s", line);
}

static void open_all(struct fixture *f, struct od_webhook_config config, const int *statuses,
                     unsigned count)
{
    memset(f, 0, sizeof *f);
    uv_loop_init(&f->loop);
    f->receiver.statuses = statuses;
    f->receiver.status_count = count;
    char why[200];
    const struct od_http_handler handler = {&f->receiver, receiver_head, receiver_body,
                                            receiver_closed};
    assert_int_equal(od_http_server_open(&f->receiver.server, &f->loop,
                                         &(struct od_http_server_config){.listen = "127.0.0.1:0"},
                                         &handler, why, sizeof why),
                     0);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u/hook?secret=s3cr3t",
             od_http_server_bound_port(f->receiver.server));
    config.log = on_line;
    config.log_ctx = f;
    assert_int_equal(od_webhook_open(&f->sender, &f->loop, &config), 0);
}

static void on_closed(void *ctx)
{
    ((struct fixture *)ctx)->closed = true;
}

static bool is_closed(void *ctx)
{
    return ((struct fixture *)ctx)->closed;
}

static void on_server_closed(void *ctx)
{
    ((struct receiver *)ctx)->closed = true;
}

static void close_all(struct fixture *f, uint32_t limit_ms)
{
    od_webhook_close(f->sender, limit_ms, on_closed, f);
    assert_false(f->closed);
    assert_true(run_until(&f->loop, is_closed, f, 10000));
    od_http_server_close(f->receiver.server, on_server_closed, &f->receiver);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->receiver.closed);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

static struct od_webhook_stats stats_of(const struct fixture *f)
{
    struct od_webhook_stats stats;
    od_webhook_stats(f->sender, &stats);
    return stats;
}

static bool nothing_waits(void *ctx)
{
    return stats_of(ctx).waiting == 0;
}

static const struct od_uid uid = {{1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11, 12, 13, 14, 15, 16}};

static const struct od_webhook_config quick = {
    .user_agent = "outdial/0.1", .allow_private = true, .timeout_ms = 2000, .backoff_ms = {20, 60}};

static int send_one(struct fixture *f)
{
    return od_webhook_send(f->sender, f->url, "{\"a\":1}", 7, &uid);
}

static void test_delivers(void **state)
{
    (void)state;
    struct fixture f;
    static const int statuses[] = {204};
    open_all(&f, quick, statuses, 1);
    assert_int_equal(send_one(&f), 0);
    assert_int_equal(stats_of(&f).waiting, 1);
    assert_int_equal(stats_of(&f).bytes, 7);
    assert_true(run_until(&f.loop, nothing_waits, &f, 5000));
    assert_int_equal(stats_of(&f).sent, 1);
    assert_int_equal(stats_of(&f).tries, 1);
    assert_int_equal(stats_of(&f).bytes, 0);
    assert_string_equal(f.receiver.method, "POST");
    assert_string_equal(f.receiver.path, "/hook?secret=s3cr3t");
    assert_string_equal(f.receiver.body, "{\"a\":1}");
    assert_string_equal(f.receiver.type, "application/json");
    assert_string_equal(f.receiver.agent, "outdial/0.1");
    char id[OD_UID_TEXT];
    od_uid_text(&uid, id);
    assert_string_equal(f.receiver.id, id);
    close_all(&f, 1000);
}

struct verdict {
    int statuses[3];
    unsigned requests;
    bool sent;
};

static void test_verdicts(void **state)
{
    (void)state;
    static const struct verdict verdicts[] = {
        {{200}, 1, true},
        {{202}, 1, true},
        {{500, 200}, 2, true},
        {{503, 429, 200}, 3, true},
        {{429, 429, 429}, 3, false},
        {{500, 502, 599}, 3, false},
        {{400}, 1, false},
        {{404}, 1, false},
        {{410}, 1, false},
        {{302}, 1, false},
        {{500, 400}, 2, false},
    };
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        struct fixture f;
        open_all(&f, quick, verdicts[i].statuses, 3);
        assert_int_equal(send_one(&f), 0);
        assert_true(run_until(&f.loop, nothing_waits, &f, 5000));
        if (f.receiver.requests != verdicts[i].requests ||
            stats_of(&f).sent != (verdicts[i].sent ? 1 : 0) ||
            stats_of(&f).failed != (verdicts[i].sent ? 0 : 1))
            fail_msg("row %zu: %u requests, %s", i, f.receiver.requests, f.line);
        /* One line for what was given up, and never the URL's secrets. */
        assert_int_equal(f.lines, verdicts[i].sent ? 0 : 1);
        assert_null(strstr(f.line, "s3cr3t"));
        close_all(&f, 1000);
    }
}

static void test_backoff(void **state)
{
    (void)state;
    struct fixture f;
    static const int statuses[] = {500};
    open_all(&f, quick, statuses, 1);
    assert_int_equal(send_one(&f), 0);
    assert_true(run_until(&f.loop, nothing_waits, &f, 5000));
    assert_int_equal(f.receiver.requests, 3);
    assert_true(f.receiver.at_ms[1] - f.receiver.at_ms[0] >= 20);
    assert_true(f.receiver.at_ms[2] - f.receiver.at_ms[1] >= 60);
    close_all(&f, 0);
}

static void test_network_errors(void **state)
{
    (void)state;
    struct fixture f;
    static const int silent[] = {0};
    struct od_webhook_config config = quick;
    config.timeout_ms = 50;
    open_all(&f, config, silent, 1);
    assert_int_equal(send_one(&f), 0);
    assert_true(run_until(&f.loop, nothing_waits, &f, 5000));
    assert_int_equal(f.receiver.requests, 3);
    assert_int_equal(stats_of(&f).failed, 1);
    assert_non_null(strstr(f.line, "after 3 tries"));
    /* Nobody there. */
    assert_int_equal(od_webhook_send(f.sender, "http://127.0.0.1:1/", "{}", 2, &uid), 0);
    assert_true(run_until(&f.loop, nothing_waits, &f, 5000));
    assert_int_equal(stats_of(&f).tries, 6);
    assert_int_equal(stats_of(&f).failed, 2);
    close_all(&f, 1000);
}

static void test_guard(void **state)
{
    (void)state;
    struct fixture f;
    static const int statuses[] = {200};
    struct od_webhook_config config = quick;
    config.allow_private = false;
    open_all(&f, config, statuses, 1);
    assert_int_equal(send_one(&f), 0);
    assert_true(run_until(&f.loop, nothing_waits, &f, 5000));
    assert_int_equal(f.receiver.requests, 0);
    assert_int_equal(stats_of(&f).tries, 1); /* a forbidden address stays forbidden */
    assert_int_equal(stats_of(&f).failed, 1);
    assert_int_equal(od_webhook_send(f.sender, "ftp://a/", "", 0, &uid), OD_EINVAL);
    assert_int_equal(od_webhook_send(f.sender, "unix:/tmp/x:/y", "", 0, &uid), OD_EINVAL);
    assert_int_equal(od_webhook_send(f.sender, "", "", 0, &uid), OD_EINVAL);
    close_all(&f, 1000);
}

static bool has_sixteen(void *ctx)
{
    return ((struct fixture *)ctx)->receiver.requests >= 16;
}

static bool has_sent(void *ctx)
{
    return stats_of(ctx).sent > 0;
}

static void test_no_room(void **state)
{
    (void)state;
    struct fixture f;
    static const int silent[] = {0};
    struct od_webhook_config config = quick;
    config.messages_max = 100;
    open_all(&f, config, silent, 1);
    /* A hanging destination gets its 16 connections and a quarter of the places, no more. */
    unsigned taken = 0;
    for (unsigned i = 0; i < 25; i++)
        taken += send_one(&f) == 0;
    assert_int_equal(taken, 25);
    assert_true(run_until(&f.loop, has_sixteen, &f, 5000));
    for (unsigned i = 0; i < 100; i++)
        taken += send_one(&f) == 0;
    assert_int_equal(taken, 25 + 16);
    assert_int_equal(f.receiver.most_alive, 16);
    assert_int_equal(stats_of(&f).dropped, 84);
    assert_int_equal(f.lines, 1); /* said once */
    /* Others are not held up by it. */
    char other[64];
    snprintf(other, sizeof other, "http://localhost:%u/",
             od_http_server_bound_port(f.receiver.server));
    static const int fine[] = {200};
    f.receiver.statuses = fine;
    assert_int_equal(stats_of(&f).sent, 0);
    assert_int_equal(od_webhook_send(f.sender, other, "{}", 2, &uid), 0);
    assert_true(run_until(&f.loop, has_sent, &f, 5000));
    close_all(&f, 0);
}

static void test_bytes_max(void **state)
{
    (void)state;
    struct fixture f;
    static const int silent[] = {0};
    struct od_webhook_config config = quick;
    config.bytes_max = 20;
    open_all(&f, config, silent, 1);
    assert_int_equal(send_one(&f), 0);
    assert_int_equal(send_one(&f), 0);
    assert_int_equal(send_one(&f), OD_EBUSY);
    assert_int_equal(stats_of(&f).bytes, 14);
    close_all(&f, 0);
}

static void test_close_waits(void **state)
{
    (void)state;
    struct fixture f;
    static const int statuses[] = {500, 200};
    open_all(&f, quick, statuses, 2);
    assert_int_equal(send_one(&f), 0);
    close_all(&f, 5000); /* the second try is still made */
    assert_int_equal(f.receiver.requests, 2);
}

static void test_close_limit(void **state)
{
    (void)state;
    struct fixture f;
    static const int silent[] = {0};
    struct od_webhook_config config = quick;
    config.timeout_ms = 60000;
    config.backoff_ms[0] = 60000;
    open_all(&f, config, silent, 1);
    assert_int_equal(send_one(&f), 0);
    assert_int_equal(od_webhook_send(f.sender, "http://127.0.0.1:1/", "{}", 2, &uid), 0);
    uint64_t start = uv_hrtime();
    close_all(&f, 50); /* one hangs, one waits for its second try */
    assert_true(uv_hrtime() - start < UINT64_C(5000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivers),    cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_backoff),     cmocka_unit_test(test_network_errors),
        cmocka_unit_test(test_guard),       cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_bytes_max),   cmocka_unit_test(test_close_waits),
        cmocka_unit_test(test_close_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
