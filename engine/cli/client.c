/*
 * client - see client.h. Every request runs the loop until its done callback; a second interrupt
 * stops waiting.
 */
#include "engine/cli/client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "engine/base/str.h"
#include "engine/cli/term.h"
#include "outdial/err.h"
#include "proto/http/http_client.h"

enum {
    KEY_MAX = 256,
    PIECE_BYTES = 64 * 1024,
    ANSWER_MS = 30000,
    ANSWER_MAX = 64 * 1024 * 1024,
    UPLOAD_IDLE_MS = 60000,
};

struct od_client {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t interrupt;
    struct od_http_client *http;
    char server[512], headers[KEY_MAX + 64];
    bool has_key, quiet;
    unsigned interrupts;

    /* the request under way */
    bool done, slept;
    int err;
    char why[160];
    struct od_reply *reply;
    struct od_http_call_id id;
    int fd; /* of the upload; -1: none or at its end */
    uint64_t sent;
    void (*progress)(void *ctx, uint64_t sent);
    void *progress_ctx;
};

/* ---- server and key ---- */

/* One line of a file. False when it can't be read or holds nothing usable as a key. */
static bool read_key_file(const char *path, char *out, size_t out_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t bytes = read(fd, out, out_bytes - 1);
    close(fd);
    if (bytes <= 0)
        return false;
    out[bytes] = 0;
    out[strcspn(out, "\r\n")] = 0;
    return *out != 0;
}

static bool usable_key(const char *key)
{
    for (const char *c = key; *c; c++) {
        if (*c <= 0x20 || *c > 0x7e)
            return false;
    }
    return *key != 0;
}

static int find_key(struct od_client *client, const struct od_cli_common *common)
{
    char key[KEY_MAX] = "";
    const char *from = getenv("OUTDIAL_KEY");
    if (common->key_file) {
        if (!read_key_file(common->key_file, key, sizeof key)) {
            od_cli_error("--key-file: no key can be read from %s", common->key_file);
            return OD_EXIT_USAGE;
        }
    } else if (from && *from) {
        if (!od_str_copy(key, sizeof key, from, strlen(from)))
            key[0] = 0;
    } else if (!read_key_file("outdial-data/dev.key", key, sizeof key)) {
        return OD_EXIT_NONE;
    }
    if (!usable_key(key)) {
        od_cli_error("the API key must be 1 to %d printable characters without spaces",
                     KEY_MAX - 1);
        return OD_EXIT_USAGE;
    }
    snprintf(client->headers, sizeof client->headers, "Authorization: Bearer %s\r\n", key);
    explicit_bzero(key, sizeof key);
    client->has_key = true;
    return OD_EXIT_NONE;
}

static int find_server(struct od_client *client, const struct od_cli_common *common)
{
    const char *server = common->server ? common->server : getenv("OUTDIAL_SERVER");
    if (!server || !*server)
        server = "http://127.0.0.1:8080";
    size_t bytes = strlen(server);
    while (bytes && server[bytes - 1] == '/')
        bytes--;
    bool known = strncmp(server, "http://", 7) == 0 || strncmp(server, "https://", 8) == 0 ||
                 strncmp(server, "unix:/", 6) == 0;
    if (!known || !od_str_copy(client->server, sizeof client->server, server, bytes)) {
        od_cli_error("server: expected http://HOST:PORT or unix:/PATH, found '%.100s'", server);
        return OD_EXIT_USAGE;
    }
    return OD_EXIT_NONE;
}

int od_client_open(struct od_client **out, const struct od_cli_common *common)
{
    *out = NULL;
    od_term_init(common->no_color);
    struct od_client *client = calloc(1, sizeof *client);
    if (!client) {
        od_cli_error("no memory");
        return OD_EXIT_FAILED;
    }
    int code = find_server(client, common);
    if (code == OD_EXIT_NONE)
        code = find_key(client, common);
    if (code != OD_EXIT_NONE) {
        free(client);
        return code;
    }
    client->fd = -1;
    uv_loop_init(&client->loop);
    uv_timer_init(&client->loop, &client->timer);
    uv_signal_init(&client->loop, &client->interrupt);
    client->timer.data = client->interrupt.data = client;
    if (od_http_client_open(&client->http, &client->loop,
                            &(struct od_http_client_config){.user_agent = "outdial-cli"}) != 0) {
        od_cli_error("can't set up the HTTP client");
        client->http = NULL;
        od_client_close(client);
        return OD_EXIT_FAILED;
    }
    *out = client;
    return OD_EXIT_NONE;
}

void od_client_close(struct od_client *client)
{
    if (!client)
        return;
    if (client->http)
        od_http_client_close(client->http, NULL, NULL);
    uv_close((uv_handle_t *)&client->timer, NULL);
    uv_close((uv_handle_t *)&client->interrupt, NULL);
    uv_run(&client->loop, UV_RUN_DEFAULT);
    uv_loop_close(&client->loop);
    explicit_bzero(client->headers, sizeof client->headers);
    free(client);
}

const char *od_client_server(const struct od_client *client)
{
    return client->server;
}

/* -- interrupts and sleep -----------------------------------------------------------------------
 */

static void interrupted(uv_signal_t *signal, int number)
{
    (void)number;
    struct od_client *client = signal->data;
    client->interrupts++;
}

void od_client_catch_interrupts(struct od_client *client)
{
    uv_signal_start(&client->interrupt, interrupted, SIGINT);
    uv_unref((uv_handle_t *)&client->interrupt);
}

unsigned od_client_interrupts(const struct od_client *client)
{
    return client->interrupts;
}

static void slept(uv_timer_t *timer)
{
    ((struct od_client *)timer->data)->slept = true;
}

uint64_t od_client_mono_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void od_client_sleep(struct od_client *client, unsigned ms)
{
    unsigned before = client->interrupts;
    client->slept = false;
    uv_update_time(&client->loop);
    uv_timer_start(&client->timer, slept, ms, 0);
    while (!client->slept && client->interrupts == before)
        uv_run(&client->loop, UV_RUN_ONCE);
    uv_timer_stop(&client->timer);
}

/* -- requests -------------------------------------------------------------------------------------
 */

static void request_done(void *ctx, int err, const struct od_http_answer *answer)
{
    struct od_client *client = ctx;
    client->done = true;
    client->err = err;
    client->id = (struct od_http_call_id){0};
    const char *why = answer && answer->why && *answer->why ? answer->why : od_err_text(err);
    od_str_copy(client->why, sizeof client->why, why, strlen(why));
    if (err || !client->reply)
        return;
    struct od_reply *reply = client->reply;
    reply->status = answer->status;
    reply->body = malloc(answer->bytes + 1);
    if (!reply->body) {
        client->err = OD_ENOMEM;
        return;
    }
    if (answer->bytes)
        memcpy(reply->body, answer->body, answer->bytes);
    reply->body[answer->bytes] = 0;
    reply->bytes = answer->bytes;
    reply->doc = yyjson_read(reply->body, reply->bytes, 0);
}

static void tell_no_answer(const struct od_client *client)
{
    if (client->quiet)
        return;
    if (client->err == OD_ECANCELED)
        od_cli_error("interrupted");
    else if (client->err == OD_EDOWN)
        od_cli_error("can't reach %s: %s; is `outdial serve` running there?", client->server,
                     client->why);
    else
        od_cli_error("no answer from %s: %s", client->server, client->why);
}

/* Runs a call to its end. */
static bool run_call(struct od_client *client, const char *path, struct od_http_call *call,
                     struct od_reply *reply)
{
    char url[2048];
    *reply = (struct od_reply){0};
    if (od_http_url_join(client->server, path, url, sizeof url) != 0) {
        od_cli_error("the server's address and the path are too long");
        return false;
    }
    client->reply = reply;
    client->done = false;
    client->err = 0;
    client->id = (struct od_http_call_id){0};
    call->url = url;
    call->headers = client->headers;
    call->response_max = ANSWER_MAX;
    call->allow_private = true;
    call->on_done = request_done;
    call->ctx = client;

    unsigned before = client->interrupts;
    int err = od_http_client_request(client->http, call, &client->id);
    if (err) {
        od_cli_error("server: '%s' is not an address that can be asked (%s)", client->server,
                     od_err_text(err));
        return false;
    }
    bool canceled = false;
    while (!client->done) {
        uv_run(&client->loop, UV_RUN_ONCE);
        if (!canceled && !client->done && client->interrupts != before) {
            canceled = true;
            od_http_call_cancel(client->http, client->id);
        }
    }
    client->reply = NULL;
    if (client->err) {
        tell_no_answer(client);
        return false;
    }
    return true;
}

bool od_client_try(struct od_client *client, const char *method, const char *path, const char *body,
                   struct od_reply *reply)
{
    return run_call(client, path,
                    &(struct od_http_call){.method = method,
                                           .content_type = body ? "application/json" : NULL,
                                           .body = body,
                                           .body_bytes = body ? strlen(body) : 0,
                                           .deadline_ms = ANSWER_MS},
                    reply);
}

static bool was_good(const struct od_client *client, const struct od_reply *reply,
                     const char *doing)
{
    if (reply->status >= 200 && reply->status < 300)
        return true;
    if (reply->status == 401 && !client->has_key)
        od_cli_error("%s wants an API key: set OUTDIAL_KEY or give --key-file", client->server);
    else if (reply->status == 401)
        od_cli_error(
            "%s does not accept the API key (401): give its own by --key-file or OUTDIAL_KEY; "
            "outdial key create makes one",
            client->server);
    else
        od_reply_explain(reply, doing);
    return false;
}

bool od_client_call(struct od_client *client, const char *method, const char *path,
                    const char *body, struct od_reply *reply)
{
    return od_client_try(client, method, path, body, reply) && was_good(client, reply, NULL);
}

/* ---- uploads ---- */

static void upload_more(void *ctx, struct od_http_call_id id)
{
    struct od_client *client = ctx;
    static char piece[PIECE_BYTES];
    while (client->fd >= 0) {
        /* A local file: the read does not block for long, and nothing else waits for this loop. */
        ssize_t bytes = read(client->fd, piece, sizeof piece);
        if (bytes <= 0) {
            client->fd = -1;
            od_http_call_finish(client->http, id);
            return;
        }
        int64_t queued = od_http_call_write(client->http, id, piece, (size_t)bytes);
        client->sent += (uint64_t)bytes;
        if (client->progress)
            client->progress(client->progress_ctx, client->sent);
        if (queued < 0 || queued > OD_HTTP_WRITE_HIGH)
            return;
    }
}

bool od_client_upload(struct od_client *client, const char *path, const char *content_type, int fd,
                      void (*progress)(void *ctx, uint64_t sent), void *ctx, struct od_reply *reply)
{
    client->fd = fd;
    client->sent = 0;
    client->progress = progress;
    client->progress_ctx = ctx;
    bool answered = run_call(client, path,
                             &(struct od_http_call){.method = "POST",
                                                    .content_type = content_type,
                                                    .stream_body = true,
                                                    .deadline_ms = OD_HTTP_NO_DEADLINE,
                                                    .idle_ms = UPLOAD_IDLE_MS,
                                                    .on_writable = upload_more},
                             reply);
    client->fd = -1;
    od_term_live_end();
    return answered && was_good(client, reply, NULL);
}

/* ---- replies ---- */

void od_client_quiet(struct od_client *client, bool quiet)
{
    client->quiet = quiet;
}

void od_reply_free(struct od_reply *reply)
{
    yyjson_doc_free(reply->doc);
    free(reply->body);
    *reply = (struct od_reply){0};
}

void od_reply_print(const struct od_reply *reply)
{
    bool ended = reply->bytes && reply->body[reply->bytes - 1] == '\n';
    printf("%s%s", reply->body, ended ? "" : "\n");
}

void od_reply_explain(const struct od_reply *reply, const char *doing)
{
    yyjson_val *root = yyjson_doc_get_root(reply->doc);
    char safe[400], place[200];
    const char *text = od_json_text(root, "detail", od_json_text(root, "title", "no reason given"));
    od_cli_error("%s%s%s (%d)", doing ? doing : "", doing ? ": " : "",
                 od_term_safe(text, safe, sizeof safe), reply->status);
    yyjson_val *errors = yyjson_obj_get(root, "errors"), *item;
    size_t i, count;
    if (yyjson_arr_size(errors) < 2)
        return; /* the detail has told the only one */
    yyjson_arr_foreach(errors, i, count, item)
    {
        od_cli_note("  %s: %s",
                    od_term_safe(od_json_text(item, "pointer", ""), place, sizeof place),
                    od_term_safe(od_json_text(item, "detail", ""), safe, sizeof safe));
    }
}

/* ---- small things ---- */

bool od_url_escape(const char *text, char *out, size_t out_bytes)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~";
    struct od_buf buf;
    od_buf_init(&buf, out, out_bytes);
    for (const char *c = text; *c; c++) {
        char escaped[8];
        if (strchr(unreserved, *c)) {
            od_buf_char(&buf, *c);
        } else {
            snprintf(escaped, sizeof escaped, "%%%02X", (unsigned)(unsigned char)*c);
            od_buf_str(&buf, escaped);
        }
    }
    return !buf.cut;
}

static yyjson_val *find(yyjson_val *obj, const char *path)
{
    while (obj && *path) {
        size_t bytes = strcspn(path, ".");
        obj = yyjson_obj_getn(obj, path, bytes);
        path += bytes + (path[bytes] == '.');
    }
    return obj;
}

const char *od_json_text(yyjson_val *obj, const char *path, const char *otherwise)
{
    const char *text = yyjson_get_str(find(obj, path));
    return text ? text : otherwise;
}

uint64_t od_json_u64(yyjson_val *obj, const char *path, uint64_t otherwise)
{
    yyjson_val *value = find(obj, path);
    return yyjson_is_uint(value) ? yyjson_get_uint(value) : otherwise;
}
