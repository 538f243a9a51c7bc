/*
 * webhook_sender - see the header. A message is in exactly one place: a call of the HTTP client
 * (which keeps destinations from holding each other up, and caps what waits for one), or the wait
 * before its next try.
 */
#include "engine/host/webhook_sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/rng.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"
#include "proto/http/http_client.h"
#include "proto/http/http_deadline.h"
#include "proto/http/http_url.h"

enum { LANE_FIRST, LANE_LATER, LANE_CLOSE };

/* What a receiver answers is not looked at beyond its status. */
enum { ANSWER_BYTES_MAX = 64 * 1024, RETRY_AFTER_S_MAX = 60, LINE_MAX_BYTES = 400 };
enum { FULL_TOLD_EVERY_MS = 60000 };

struct message {
    struct od_webhook_sender *sender;
    struct message *next, *prev; /* all */
    struct od_http_deadline wait;
    char *url, *body;
    size_t bytes;
    unsigned tries;
    int status; /* of the present try, 0: none came */
    char id[OD_UID_TEXT];
};

struct od_webhook_sender {
    struct od_webhook_config config; /* every number filled in; strings NULL */
    struct od_http_client *client;
    struct od_http_deadlines deadlines;
    struct od_http_deadline limit; /* of close() */
    struct message *messages;
    struct od_rng jitter;
    struct od_webhook_stats stats;
    uint64_t full_told_ms; /* when it was last said that some are dropped; 0: never */
    bool closing, client_closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void say(struct od_webhook_sender *sender, const char *line)
{
    if (sender->config.log)
        sender->config.log(sender->config.log_ctx, line);
}

/* The destination's host only: paths and queries of webhooks often hold secrets. */
static void say_about(struct message *message, const char *what, const char *why)
{
    char line[LINE_MAX_BYTES];
    struct od_http_url url;
    bool read = od_http_url_read(&url, message->url) == 0;
    snprintf(line, sizeof line, "webhook %s to %s: %s after %u %s: %s", message->id,
             read ? url.host : "?", what, message->tries, message->tries == 1 ? "try" : "tries",
             why);
    say(message->sender, line);
}

/* Messages */

static void message_free(struct message *message)
{
    struct od_webhook_sender *sender = message->sender;
    od_http_deadline_stop(&message->wait);
    if (message->prev)
        message->prev->next = message->next;
    else
        sender->messages = message->next;
    if (message->next)
        message->next->prev = message->prev;
    sender->stats.waiting--;
    sender->stats.bytes -= message->bytes;
    free(message->url);
    free(message->body);
    free(message);
}

static struct message *message_create(struct od_webhook_sender *sender, const char *url,
                                      const char *body, size_t bytes, const struct od_uid *uid)
{
    struct message *message = calloc(1, sizeof *message);
    if (!message)
        return NULL;
    message->url = strdup(url);
    message->body = malloc(bytes ? bytes : 1);
    if (!message->url || !message->body) {
        free(message->url);
        free(message->body);
        free(message);
        return NULL;
    }
    memcpy(message->body, body, bytes);
    message->bytes = bytes;
    message->sender = sender;
    od_uid_text(uid, message->id);
    message->next = sender->messages;
    if (sender->messages)
        sender->messages->prev = message;
    sender->messages = message;
    sender->stats.waiting++;
    sender->stats.bytes += bytes;
    return message;
}

static void settle(struct od_webhook_sender *sender);

static void message_dropped(struct message *message)
{
    message->sender->stats.dropped++;
    message_free(message);
}

/* Tries */

static int send_once(struct message *message);

static void wait_for_next(struct message *message, uint64_t floor_ms)
{
    struct od_webhook_sender *sender = message->sender;
    bool first = message->tries == 1;
    uint64_t wait_ms = sender->config.backoff_ms[first ? 0 : 1];
    if (wait_ms < floor_ms)
        wait_ms = floor_ms;
    /* Up to a fifth more, so that what failed together does not come back together. */
    wait_ms += od_rng_below(&sender->jitter, wait_ms / 5 + 1);
    od_http_deadline_start(&sender->deadlines, &message->wait, first ? LANE_FIRST : LANE_LATER,
                           wait_ms);
}

static uint64_t retry_after_ms(const struct od_http_answer *answer)
{
    struct od_text value;
    uint64_t seconds;
    if (!od_http_answer_header(answer, "retry-after", &value) ||
        !od_str_u64(value.at, value.bytes, UINT32_MAX, &seconds))
        return 0; /* none, or a date: our own waits do */
    return (seconds < RETRY_AFTER_S_MAX ? seconds : RETRY_AFTER_S_MAX) * 1000;
}

static bool is_worth_another_try(int err, int status)
{
    if (err)
        return err != OD_EDENIED && err != OD_EINVAL;
    return status >= 500 || status == 429;
}

static void send_head(void *ctx, const struct od_http_answer *answer)
{
    struct message *message = ctx;
    message->status = answer->status;
}

static void send_data(void *ctx, const char *data, size_t bytes)
{
    (void)ctx;
    (void)data;
    (void)bytes;
}

static void send_done(void *ctx, int err, const struct od_http_answer *answer)
{
    struct message *message = ctx;
    struct od_webhook_sender *sender = message->sender;
    if (err == OD_ETOOBIG && message->status)
        err = 0; /* the status came, and that is all we want */
    bool delivered = !err && message->status >= 200 && message->status < 300;
    if (!delivered && (err == OD_ECANCELED || sender->client_closing)) {
        message_dropped(message);
    } else if (delivered) {
        sender->stats.sent++;
        message_free(message);
    } else if (is_worth_another_try(err, message->status) &&
               message->tries < sender->config.tries_max) {
        wait_for_next(message, err ? 0 : retry_after_ms(answer));
    } else {
        char why[64];
        snprintf(why, sizeof why, "status %d", message->status);
        sender->stats.failed++;
        say_about(message, "given up", err ? answer->why : why);
        message_free(message);
    }
    settle(sender);
}

static int send_once(struct message *message)
{
    struct od_webhook_sender *sender = message->sender;
    char headers[OD_UID_TEXT + 16];
    snprintf(headers, sizeof headers, "webhook-id: %s\r\n", message->id);
    message->status = 0;
    int err = od_http_client_request(sender->client,
                                     &(struct od_http_call){
                                         .method = "POST",
                                         .url = message->url,
                                         .headers = headers,
                                         .content_type = "application/json",
                                         .body = message->body,
                                         .body_bytes = message->bytes,
                                         .deadline_ms = sender->config.timeout_ms,
                                         .deadline_from_start = true,
                                         .response_max = ANSWER_BYTES_MAX,
                                         .allow_private = sender->config.allow_private,
                                         .on_head = send_head,
                                         .on_data = send_data,
                                         .on_done = send_done,
                                         .ctx = message,
                                     },
                                     NULL);
    if (!err) {
        message->tries++;
        sender->stats.tries++;
    }
    return err;
}

static void drop_all_waiting(struct od_webhook_sender *sender)
{
    for (struct message *message = sender->messages, *next; message; message = next) {
        next = message->next;
        if (od_http_deadline_waits(&message->wait))
            message_dropped(message);
    }
}

static void close_client(struct od_webhook_sender *sender);

static void expired(void *ctx, struct od_http_deadline *entry)
{
    struct od_webhook_sender *sender = ctx;
    if (entry->lane == LANE_CLOSE) {
        drop_all_waiting(sender);
        close_client(sender);
        return;
    }
    struct message *message =
        (struct message *)(void *)((char *)entry - offsetof(struct message, wait));
    int err = send_once(message);
    if (err) { /* too many wait for this destination already */
        say_about(message, "dropped", od_err_text(err));
        message_dropped(message);
        settle(sender);
    }
}

/* For whoever calls */

static int no_room(struct od_webhook_sender *sender)
{
    sender->stats.dropped++;
    uint64_t now_ms = uv_now(sender->deadlines.loop) + 1;
    if (!sender->full_told_ms || now_ms - sender->full_told_ms > FULL_TOLD_EVERY_MS) {
        sender->full_told_ms = now_ms;
        say(sender, "webhooks: too many are waiting; some are dropped");
    }
    return OD_EBUSY;
}

int od_webhook_send(struct od_webhook_sender *sender, const char *url, const char *body,
                    size_t bytes, const struct od_uid *call_uid)
{
    struct od_http_url read;
    if (od_http_url_read(&read, url) || read.scheme == OD_HTTP_UNIX)
        return OD_EINVAL;
    if (sender->closing || sender->stats.waiting >= sender->config.messages_max ||
        bytes > sender->config.bytes_max - sender->stats.bytes)
        return no_room(sender);
    struct message *message = message_create(sender, url, body, bytes, call_uid);
    if (!message)
        return OD_ENOMEM;
    int err = send_once(message);
    if (err) {
        message_free(message);
        return err == OD_EBUSY ? no_room(sender) : err;
    }
    return 0;
}

void od_webhook_stats(const struct od_webhook_sender *sender, struct od_webhook_stats *out)
{
    *out = sender->stats;
}

/* Life */

static void fill_defaults(struct od_webhook_config *config)
{
    config->user_agent = config->ca_file = NULL;
    if (!config->timeout_ms)
        config->timeout_ms = 10000;
    if (!config->tries_max)
        config->tries_max = 3;
    if (!config->backoff_ms[0])
        config->backoff_ms[0] = 1000;
    if (!config->backoff_ms[1])
        config->backoff_ms[1] = 5000;
    if (!config->messages_max)
        config->messages_max = 10000;
    if (!config->bytes_max)
        config->bytes_max = 32 * 1024 * 1024;
    if (!config->per_origin_max)
        config->per_origin_max = 16;
}

int od_webhook_open(struct od_webhook_sender **out, uv_loop_t *loop,
                    const struct od_webhook_config *config)
{
    struct od_webhook_sender *sender = calloc(1, sizeof *sender);
    if (!sender)
        return OD_ENOMEM;
    sender->config = *config;
    fill_defaults(&sender->config);
    sender->jitter.state = uv_hrtime();
    /* One destination that hangs may hold a quarter of the places. */
    uint32_t share = sender->config.messages_max / 4;
    int err = od_http_client_open(&sender->client, loop,
                                  &(struct od_http_client_config){
                                      .user_agent = config->user_agent,
                                      .ca_file = config->ca_file,
                                      .per_origin_max = sender->config.per_origin_max,
                                      .calls_max = sender->config.messages_max,
                                      .waiting_per_origin_max = share ? share : 1,
                                  });
    if (err) {
        free(sender);
        return err;
    }
    od_http_deadlines_init(&sender->deadlines, loop, expired, sender);
    /* Messages between two tries keep the loop running. */
    uv_ref((uv_handle_t *)&sender->deadlines.timer);
    *out = sender;
    return 0;
}

static void on_all_closed(void *ctx)
{
    struct od_webhook_sender *sender = ctx;
    void (*fn)(void *) = sender->closed;
    void *fn_ctx = sender->closed_ctx;
    free(sender);
    if (fn)
        fn(fn_ctx);
}

static void on_client_closed(void *ctx)
{
    struct od_webhook_sender *sender = ctx;
    od_http_deadlines_close(&sender->deadlines, on_all_closed);
}

/* What is still under way is told OD_ECANCELED by the client. */
static void close_client(struct od_webhook_sender *sender)
{
    if (sender->client_closing)
        return;
    sender->client_closing = true;
    od_http_deadline_stop(&sender->limit);
    od_http_client_close(sender->client, on_client_closed, sender);
}

static void settle(struct od_webhook_sender *sender)
{
    if (sender->closing && !sender->messages)
        close_client(sender);
}

void od_webhook_close(struct od_webhook_sender *sender, uint32_t limit_ms, void (*fn)(void *ctx),
                      void *ctx)
{
    sender->closing = true;
    sender->closed = fn;
    sender->closed_ctx = ctx;
    if (!sender->messages || limit_ms == 0) {
        drop_all_waiting(sender);
        close_client(sender);
        return;
    }
    od_http_deadline_start(&sender->deadlines, &sender->limit, LANE_CLOSE, limit_ms);
}
