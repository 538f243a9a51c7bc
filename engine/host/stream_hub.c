/*
 * stream_hub - see the header. A link is one call's end of a trunk line; a line is a connection,
 * which carries one link or, in formats that number their calls, many. Lines that could not be made
 * are tried again on a common timer while their links have patience.
 */
#include "engine/host/stream_hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <uthash.h>

#include "engine/agent/agent_url.h"
#include "engine/agent/media_hello.h"
#include "engine/agent/mpack.h"
#include "engine/base/base64.h"
#include "engine/base/list.h"
#include "engine/base/str.h"
#include "engine/host/log.h"
#include "outdial/err.h"
#include "proto/ws/raw_client.h"
#include "proto/ws/ws_client.h"
#include "proto/ws/ws_handshake.h"

enum {
    RETRY_MS = 250,
    TRIM_MS = 20,       /* memory of speech that was thrown away goes back so often, */
    TRIM_CHUNKS = 1024, /* so much of it, some tenths of a millisecond's work */
    HEADERS_MAX = 2048,
    UNSUPPORTED = 1003, /* RFC 6455 section 7.4.1: data that can't be accepted */
};
#define SPEECH_BYTES_MAX ((size_t)512 * 1024 * 1024)

enum { SAID_GOODBYE = 1, REFUSED };

struct line {
    struct od_stream_hub *hub;
    struct od_list place; /* among the hub's */
    struct od_list fresh; /* among the hub's that have links to be told in the loop's next turn */
    struct od_list links;
    const struct od_dialect *dialect;
    char *url, *headers, *key; /* key: what calls must have in common to share it; NULL: nothing */
    enum od_agent_wire wire;
    struct od_peer *peer; /* NULL: between two tries */
    bool open;
    uint64_t tries_until_ms, retry_ms;
    uint32_t next_sid, calls;
    uint32_t told;          /* of the calls, those that the agent has been told of */
    struct od_link *by_sid; /* of a shared line */
    struct od_link *busy;   /* isn't done with the last message; NULL: none */
    uint32_t capacity;      /* UINT32_MAX: not said */
    bool greeted;           /* of a shared line: the agent has said HELLO */
    uint8_t over;           /* of a shared line: what its agent said ends it */
    char why[OD_MEDIA_HELLO_WRONG_MAX];
    struct od_wire_media media;
};

struct od_link {
    struct line *line;
    struct od_list place;
    uint32_t sid;
    UT_hash_handle hh;
    bool told_open;
    const struct od_link_user *user;
    void *ctx;
};

struct od_stream_hub {
    uv_loop_t *loop;
    struct od_peer_hub *peers;
    uv_timer_t timer; /* runs while some line waits for its next try, or a link for its opened() */
    struct od_list lines, fresh;
    struct od_chunk_pool pool;
    uv_timer_t trim; /* runs while the pool holds more than it keeps */
    bool public_only;
    const char *unix_dir;
    void (*capacity)(void *ctx, const char *url, uint32_t calls);
    void *ctx;
    uint64_t retries;
    unsigned closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

void od_twilio_signature(const char *token, const char *url, char out[OD_TWILIO_SIGNATURE])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    HMAC(EVP_sha1(), token, (int)strlen(token), (const uint8_t *)url, strlen(url), digest, &bytes);
    out[od_base64_encode(out, digest, bytes)] = 0;
}

/* ---- lines ---- */

/* Goodbye. A bare connection has no frame for it: a STOP of no call is one of them all. */
static void line_leave(struct line *line, uint16_t code, const char *reason)
{
    char packed[OD_MEDIA_HELLO_WRONG_MAX + 8];
    bool text;
    if (line->wire != OD_AGENT_WIRE_WS && line->open) {
        size_t bytes = od_dialect_write(line->dialect, OD_STREAM_STOP,
                                        &(struct od_stream_words){.reason = reason}, packed,
                                        sizeof packed, &text);
        od_peer_send(line->peer, text, packed, bytes);
    }
    od_peer_leave(line->peer, code, reason);
    line->peer = NULL;
}

static void line_free(struct line *line)
{
    od_list_remove(&line->place);
    od_list_remove(&line->fresh);
    if (line->peer)
        line_leave(line, 1000, "");
    if (line->headers)
        explicit_bzero(line->headers, strlen(line->headers));
    if (line->key)
        explicit_bzero(line->key, strlen(line->key));
    free(line->url);
    free(line->headers);
    free(line->key);
    free(line);
}

static void on_trim(uv_timer_t *timer)
{
    struct od_stream_hub *hub = timer->data;
    if (!od_chunk_pool_trim(&hub->pool, TRIM_CHUNKS))
        uv_timer_stop(timer);
}

static void on_spare(void *ctx)
{
    struct od_stream_hub *hub = ctx;
    if (!hub->closing && !uv_is_active((uv_handle_t *)&hub->trim))
        uv_timer_start(&hub->trim, on_trim, TRIM_MS, TRIM_MS);
}

static void link_free(struct od_link *link)
{
    struct line *line = link->line;
    od_list_remove(&link->place);
    if (line->busy == link)
        line->busy = NULL;
    if (link->sid)
        HASH_DEL(line->by_sid, link);
    line->calls--;
    line->told -= link->told_open;
    free(link);
}

/* Links of an open line that wait for their opened() get it as far as the agent has room. */
static void tell_open(struct line *line)
{
    struct od_list *node = od_list_first(&line->links), *next;
    for (; node && line->told < line->capacity; node = next) {
        struct od_link *link = OD_OWNER(node, struct od_link, place);
        next = od_list_after(&line->links, node);
        if (link->told_open)
            continue;
        link->told_open = true;
        line->told++;
        link->user->opened(link->ctx);
    }
}

/* Every link hears of the end; none is left, nor the line. */
static void line_over(struct line *line, bool orderly, const char *why)
{
    struct od_list *node;
    line->peer = NULL;
    /* A new call must not find it. */
    free(line->key);
    line->key = NULL;
    while ((node = od_list_first(&line->links))) {
        struct od_link *link = OD_OWNER(node, struct od_link, place);
        const struct od_link_user *user = link->user;
        void *ctx = link->ctx;
        link_free(link);
        user->closed(ctx, orderly, why);
    }
    line_free(line);
}

static void say_hello(struct line *line)
{
    char text[OD_MEDIA_HELLO_BYTES];
    struct od_buf buf;
    od_buf_init(&buf, text, sizeof text);
    od_media_hello_write(&buf);
    od_peer_send(line->peer, false, text, buf.used);
}

static void on_opened(void *ctx)
{
    struct line *line = ctx;
    line->open = true;
    if (od_dialect_shared(line->dialect))
        say_hello(line); /* the calls wait for the agent's own */
    else
        tell_open(line);
}

static struct od_link *find_link(struct line *line, uint32_t sid)
{
    struct od_link *link;
    HASH_FIND(hh, line->by_sid, &sid, sizeof sid, link);
    return link;
}

static void say_pong(struct line *line, uint32_t word)
{
    char text[24];
    struct od_buf buf;
    od_buf_init(&buf, text, sizeof text);
    od_mpack_put_array(&buf, 3);
    od_mpack_put_uint(&buf, 8);
    od_mpack_put_uint(&buf, 0);
    od_mpack_put_uint(&buf, word);
    od_peer_send(line->peer, false, text, buf.used);
}

/* Where it goes, for the log: without path and credentials, which may be secret. */
static void line_name(const struct line *line, char out[64])
{
    const char *host = strstr(line->url, "://") + 3;
    size_t scheme = (size_t)(host - line->url), bytes = strcspn(host, "/?");
    for (size_t i = bytes; i-- > 0;) {
        if (host[i] == '@') {
            host += i + 1;
            bytes -= i + 1;
            break;
        }
    }
    snprintf(out, 64, "%.*s%.*s", (int)scheme, line->url, (int)bytes, host);
}

/* A connection that calls share has failed: said once for all of them. */
static void log_broken(const struct line *line, const char *why)
{
    char name[64];
    line_name(line, name);
    od_log(OD_CONFIG_LOG_WARN, "agent", "%s: %s; the connection is closed, its calls (%u) fail",
           name, why, (unsigned)line->calls);
}

/* What the agent said of the connection itself ends it: it wants what can't be had, and is told so,
 * or it says goodbye. The line is gone. */
static void end_line(struct line *line)
{
    char why[OD_MEDIA_HELLO_WRONG_MAX + 8];
    bool orderly = line->over == SAID_GOODBYE;
    snprintf(why, sizeof why, "agent: %s", line->why);
    if (!orderly)
        log_broken(line, line->why);
    line_leave(line, orderly ? 1000 : UNSUPPORTED, orderly ? "" : line->why);
    line_over(line, orderly, why);
}

/* [6, 0, reason] */
static void take_goodbye(struct line *line, const struct od_stream_command *command)
{
    line->over = SAID_GOODBYE;
    if (command->text_bytes)
        od_str_copy(line->why, sizeof line->why, command->text, command->text_bytes);
    else
        snprintf(line->why, sizeof line->why, "closed the stream");
}

/* The agent's HELLO. A later one may change how many calls it takes; its calls were told of the
 * rest. */
static void take_hello(struct line *line, const struct od_stream_command *command)
{
    struct od_stream_hub *hub = line->hub;
    const char *wrong = command->text_bytes ? command->text : NULL;
    if (!wrong && line->greeted && !od_wire_media_equal(&line->media, &command->media))
        wrong = "HELLO: expected the first one's codec, rate and ptime";
    if (wrong) {
        line->over = REFUSED;
        snprintf(line->why, sizeof line->why, "%s", wrong);
        return;
    }
    line->greeted = true;
    line->media = command->media;
    line->capacity = command->ms;
    if (hub->capacity)
        hub->capacity(hub->ctx, line->url, command->ms);
    tell_open(line);
}

/* A message of a shared line: to the link of its number; what concerns the line is seen to here. */
static void on_shared_command(void *ctx, const struct od_stream_command *command)
{
    struct line *line = ctx;
    if (command->kind == OD_STREAM_HELLO) {
        take_hello(line, command);
        return;
    }
    if (command->kind == OD_STREAM_PING) {
        say_pong(line, command->ms);
        return;
    }
    if (command->kind == OD_STREAM_HANGUP && !command->sid) {
        take_goodbye(line, command);
        return;
    }
    struct od_link *link = find_link(line, command->sid);
    if (link && link->told_open && !link->user->command(link->ctx, command))
        line->busy = link;
}

static bool on_message(void *ctx, bool text, const uint8_t *at, size_t bytes)
{
    struct line *line = ctx;
    struct od_list *node = od_list_first(&line->links);
    if (od_dialect_shared(line->dialect)) {
        od_dialect_read(line->dialect, NULL, text, at, bytes, on_shared_command, line);
        if (line->over) {
            end_line(line);
            return true;
        }
    } else if (node) {
        struct od_link *link = OD_OWNER(node, struct od_link, place);
        if (!link->user->message(link->ctx, text, at, bytes))
            line->busy = link;
    }
    return !line->busy;
}

static bool on_go_on(void *ctx)
{
    struct line *line = ctx;
    if (line->busy && line->busy->user->go_on(line->busy->ctx))
        line->busy = NULL;
    return !line->busy;
}

static void on_drained(void *ctx)
{
    struct line *line = ctx;
    struct od_list *node = od_list_first(&line->links), *next;
    for (; node; node = next) {
        struct od_link *link = OD_OWNER(node, struct od_link, place);
        next = od_list_after(&line->links, node);
        link->user->room(link->ctx);
    }
}

static bool patient(const struct line *line)
{
    return uv_now(line->hub->loop) + RETRY_MS <= line->tries_until_ms;
}

static void on_timer(uv_timer_t *timer);

static void on_closed(void *ctx, const struct od_peer_end *end)
{
    struct line *line = ctx;
    char why[200];
    line->peer = NULL;
    /* Not there yet, rather than unwilling: it may be starting. */
    if (!end->opened && (end->err == OD_EDOWN || end->status >= 500) && patient(line)) {
        line->retry_ms = uv_now(line->hub->loop) + RETRY_MS;
        if (!uv_is_active((uv_handle_t *)&line->hub->timer))
            uv_timer_start(&line->hub->timer, on_timer, RETRY_MS, 0);
        return;
    }
    bool orderly = !end->err && end->code != 1011 && end->code != 1002 && end->code != 1003 &&
                   end->code != 1007 && end->code != 1008 && end->code != 1009;
    snprintf(why, sizeof why, "agent: %s%s", end->err || *end->why ? end->why : "closed the stream",
             !end->err && !orderly ? " (an error of its own)" : "");
    if (!orderly && od_dialect_shared(line->dialect))
        log_broken(line, why + sizeof "agent: " - 1);
    line_over(line, orderly, why);
}

static const struct od_peer_user peer_user = {
    .opened = on_opened,
    .message = on_message,
    .go_on = on_go_on,
    .drained = on_drained,
    .closed = on_closed,
};

static int dial_bare(struct line *line)
{
    static const uint8_t ping[] = {0x93, 7, 0, 0}; /* [7, 0, 0] */
    return od_raw_connect(line->hub->peers,
                          &(struct od_raw_open){.url = line->url,
                                                .allow_private = !line->hub->public_only,
                                                .gathers = true,
                                                .ping = ping,
                                                .ping_bytes = sizeof ping,
                                                .user = &peer_user,
                                                .ctx = line},
                          &line->peer);
}

static int line_dial(struct line *line)
{
    if (line->wire != OD_AGENT_WIRE_WS)
        return dial_bare(line);
    return od_ws_connect(line->hub->peers,
                         &(struct od_ws_open){.url = line->url,
                                              .subprotocol = od_dialect_subprotocol(line->dialect),
                                              .headers = line->headers,
                                              .allow_private = !line->hub->public_only,
                                              .gathers = od_dialect_shared(line->dialect),
                                              .user = &peer_user,
                                              .ctx = line},
                         &line->peer);
}

static void tell_fresh(struct od_stream_hub *hub)
{
    struct od_list *node;
    while ((node = od_list_first(&hub->fresh))) {
        struct line *line = OD_OWNER(node, struct line, fresh);
        od_list_remove(&line->fresh);
        tell_open(line);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct od_stream_hub *hub = timer->data;
    tell_fresh(hub);
    uint64_t now_ms = uv_now(hub->loop), next_ms = UINT64_MAX;
    struct od_list *node = od_list_first(&hub->lines), *next;
    for (; node; node = next) {
        struct line *line = OD_OWNER(node, struct line, place);
        next = od_list_after(&hub->lines, node);
        if (line->peer || !line->retry_ms)
            continue;
        if (line->retry_ms > now_ms) {
            next_ms = line->retry_ms < next_ms ? line->retry_ms : next_ms;
            continue;
        }
        line->retry_ms = 0;
        hub->retries++;
        if (line_dial(line))
            line_over(line, false, "agent: no memory");
    }
    if (next_ms != UINT64_MAX)
        uv_timer_start(timer, on_timer, next_ms - now_ms, 0);
}

/* Header lines of the upgrade. OD_EINVAL: the URL; OD_ENOMEM. */
static int make_headers(const struct od_link_setup *setup, char **out)
{
    char text[HEADERS_MAX], signature[OD_TWILIO_SIGNATURE];
    struct od_ws_url *url = malloc(sizeof *url);
    struct od_buf buf;
    int err = url ? od_ws_url_read(url, setup->url) : OD_ENOMEM;
    od_buf_init(&buf, text, sizeof text);
    if (!err && setup->auth_token) {
        od_twilio_signature(setup->auth_token, url->shown, signature);
        od_buf_str(&buf, "X-Twilio-Signature: ");
        od_buf_str(&buf, signature);
        od_buf_str(&buf, "\r\n");
    }
    if (!err && setup->bearer) {
        od_buf_str(&buf, "Authorization: Bearer ");
        od_buf_str(&buf, setup->bearer);
        od_buf_str(&buf, "\r\n");
    }
    if (url)
        explicit_bzero(url, sizeof *url);
    free(url);
    *out = err || buf.cut ? NULL : strdup(text);
    explicit_bzero(text, sizeof text);
    return err ? err : *out ? 0 : OD_ENOMEM;
}

/* What calls must have in common to share a connection. */
static char *make_key(const struct od_link_setup *setup)
{
    size_t size = strlen(setup->url) + 2 + (setup->auth_token ? strlen(setup->auth_token) : 0) +
                  (setup->bearer ? strlen(setup->bearer) : 0) + 1;
    char *key = malloc(size);
    if (key)
        snprintf(key, size, "%s\n%s\n%s", setup->url, setup->auth_token ? setup->auth_token : "",
                 setup->bearer ? setup->bearer : "");
    return key;
}

static struct line *find_line(struct od_stream_hub *hub, const char *key)
{
    for (struct od_list *node = od_list_first(&hub->lines); node;
         node = od_list_after(&hub->lines, node)) {
        struct line *line = OD_OWNER(node, struct line, place);
        if (line->key && !strcmp(line->key, key))
            return line;
    }
    return NULL;
}

/* What the URL is of, and whether that may be. */
static int judge_url(const struct od_stream_hub *hub, const struct od_link_setup *setup,
                     enum od_agent_wire *wire)
{
    if (!od_agent_url_read(setup->url, wire) ||
        (*wire != OD_AGENT_WIRE_WS && !od_dialect_bare(setup->dialect)))
        return OD_EINVAL;
    return od_agent_place_ok(setup->url, hub->unix_dir) ? 0 : OD_EDENIED;
}

static int line_fill(struct line *line, const struct od_link_setup *setup)
{
    line->dialect = setup->dialect;
    /* Of a shared line nothing is known before its HELLO. */
    line->capacity = od_dialect_shared(setup->dialect) ? 0 : UINT32_MAX;
    line->tries_until_ms = uv_now(line->hub->loop) + setup->patience_ms;
    line->url = strdup(setup->url);
    od_list_init(&line->place);
    od_list_init(&line->fresh);
    od_list_init(&line->links);
    int err = line->url ? judge_url(line->hub, setup, &line->wire) : OD_ENOMEM;
    if (!err && line->wire == OD_AGENT_WIRE_WS)
        err = make_headers(setup, &line->headers);
    return err ? err : line_dial(line);
}

static int line_open(struct od_stream_hub *hub, const struct od_link_setup *setup, char *key,
                     struct line **out)
{
    struct line *line = calloc(1, sizeof *line);
    int err = OD_ENOMEM;
    if (line) {
        line->hub = hub;
        err = line_fill(line, setup);
    }
    if (err) {
        if (line) {
            free(line->url);
            free(line->headers);
        }
        free(line);
        free(key);
        return err;
    }
    line->key = key;
    od_list_push(&hub->lines, &line->place);
    *out = line;
    return 0;
}

/* ---- links ---- */

/* Those that wait are told from the loop: never from inside what made room for them. */
static void tell_soon(struct line *line)
{
    if (od_list_empty(&line->fresh))
        od_list_push(&line->hub->fresh, &line->fresh);
    uv_timer_start(&line->hub->timer, on_timer, 0, 0);
}

int od_link_open(struct od_stream_hub *hub, const struct od_link_setup *setup, struct od_link **out)
{
    bool shared = od_dialect_shared(setup->dialect);
    struct od_link *link = calloc(1, sizeof *link);
    char *key = shared ? make_key(setup) : NULL;
    struct line *line = key ? find_line(hub, key) : NULL;
    *out = NULL;
    if (!link || (shared && !key)) {
        free(link);
        free(key);
        return OD_ENOMEM;
    }
    if (line) {
        free(key);
    } else {
        int err = line_open(hub, setup, key, &line);
        if (err) {
            free(link);
            return err;
        }
    }
    link->line = line;
    link->user = setup->user;
    link->ctx = setup->ctx;
    link->sid = shared ? ++line->next_sid : 0; /* after 2^32 calls on one connection they repeat */
    line->calls++;
    od_list_init(&link->place);
    od_list_push(&line->links, &link->place);
    if (shared)
        HASH_ADD(hh, line->by_sid, sid, sizeof link->sid, link);
    if (line->open) { /* told from the loop, as the first one was */
        tell_soon(line);
    }
    *out = link;
    return 0;
}

uint32_t od_link_sid(const struct od_link *link)
{
    return link->sid;
}

const struct od_wire_media *od_link_media(const struct od_link *link)
{
    return link->line->greeted ? &link->line->media : NULL;
}

void od_link_send(struct od_link *link, bool text, const char *at, size_t bytes)
{
    if (link->line->peer && link->line->open)
        od_peer_send(link->line->peer, text, at, bytes);
}

size_t od_link_queued(const struct od_link *link)
{
    return link->line->peer ? od_peer_queued(link->line->peer) : 0;
}

void od_link_leave(struct od_link *link)
{
    struct line *line = link->line;
    link_free(link);
    if (!line->calls && (!od_dialect_shared(line->dialect) || !line->open))
        line_free(line); /* nobody waits for it any more */
    else if (line->calls > line->told)
        tell_soon(line);
}

/* ---- the hub ---- */

int od_stream_hub_open(struct od_stream_hub **out, const struct od_stream_hub_config *config)
{
    struct od_stream_hub *hub = calloc(1, sizeof *hub);
    *out = NULL;
    if (!hub)
        return OD_ENOMEM;
    hub->loop = config->loop;
    hub->public_only = config->public_only;
    hub->unix_dir = config->unix_dir ? config->unix_dir : "";
    hub->capacity = config->capacity;
    hub->ctx = config->ctx;
    od_list_init(&hub->lines);
    od_list_init(&hub->fresh);
    od_chunk_pool_init(&hub->pool, config->speech_max ? config->speech_max : SPEECH_BYTES_MAX);
    const char *ca_file = config->ca_file && *config->ca_file ? config->ca_file : NULL;
    int err = od_peer_hub_open(
        &hub->peers, config->loop,
        &(struct od_peer_hub_config){.user_agent = config->user_agent, .ca_file = ca_file});
    if (err) {
        free(hub);
        return err;
    }
    uv_timer_init(hub->loop, &hub->timer);
    uv_timer_init(hub->loop, &hub->trim);
    hub->pool.spare = on_spare;
    hub->pool.ctx = hub;
    hub->timer.data = hub->trim.data = hub;
    *out = hub;
    return 0;
}

void od_stream_hub_public(struct od_stream_hub *hub, bool only)
{
    hub->public_only = only;
}

static void part_closed(struct od_stream_hub *hub)
{
    if (--hub->closing)
        return;
    void (*fn)(void *) = hub->closed;
    void *fn_ctx = hub->closed_ctx;
    od_chunk_pool_deinit(&hub->pool);
    free(hub);
    if (fn)
        fn(fn_ctx);
}

static void on_peers_closed(void *ctx)
{
    part_closed(ctx);
}

static void on_timer_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

void od_stream_hub_close(struct od_stream_hub *hub, void (*fn)(void *ctx), void *ctx)
{
    struct od_list *node;
    hub->closed = fn;
    hub->closed_ctx = ctx;
    while ((node = od_list_first(&hub->lines)))
        line_free(OD_OWNER(node, struct line, place));
    hub->closing = 3;
    uv_close((uv_handle_t *)&hub->timer, on_timer_closed);
    uv_close((uv_handle_t *)&hub->trim, on_timer_closed);
    od_peer_hub_close(hub->peers, on_peers_closed, hub);
}

struct od_chunk_pool *od_stream_hub_pool(struct od_stream_hub *hub)
{
    return &hub->pool;
}

void od_stream_hub_stats(const struct od_stream_hub *hub, struct od_stream_hub_stats *out)
{
    struct od_peer_stats peers;
    od_peer_hub_stats(hub->peers, &peers);
    *out = (struct od_stream_hub_stats){.open = peers.open,
                                        .opened = peers.opened,
                                        .failed = peers.failed,
                                        .retries = hub->retries,
                                        .sent = peers.sent,
                                        .received = peers.received,
                                        .speech_bytes = hub->pool.used_count * OD_CHUNK_BYTES};
}
