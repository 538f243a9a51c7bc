/*
 * http_dial - see the header. The address that the guard has judged is the one connected to: the
 * name is not asked again in between (DNS rebinding). What a proxy changes in that is told in
 * http_proxy.h.
 *
 *   look-ups ─▶ judgement ─▶ [look-ups of the proxy] ─▶ race ─▶ [tunnel] ─▶ [TLS] ─▶ told
 *                                                      ▲ failed  │          │
 *                                                      └─────────┴──────────┘ the addresses left
 */
#include "proto/http/http_dial.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/http/http_guard.h"
#include "proto/http/http_race.h"
#include "proto/http/http_tunnel.h"

/* The time of a unix socket, or of what is left to do over a connection; how long IPv6 is waited
 * for. */
enum { LANE_REST = OD_HTTP_RACE_LANES, LANE_FAMILY };

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct od_http_dial {
    struct od_http_dialer *dialer;
    struct od_http_url url; /* without its target */
    bool allow_private;
    const struct od_http_proxy *proxy; /* NULL: directly */
    struct od_addr target;             /* what the proxy is asked for; family 0: by name */
    struct od_http_race race;
    bool begun;                    /* the race */
    const char *why;               /* it came to nothing, and addresses may still come */
    struct od_http_stream *stream; /* the race's winner, then what stands on it */
    struct od_http_tunnel *tunnel; /* being asked for */
    struct od_http_deadline deadline;
    struct od_http_dns_waiter waiter;
    od_http_dialed_fn fn;
    void *ctx;
};

/* What has come of the connection is given up. */
static void drop_stream(struct od_http_dial *dial)
{
    od_http_deadline_stop(&dial->deadline);
    if (dial->tunnel)
        od_http_tunnel_cancel(dial->tunnel);
    dial->tunnel = NULL;
    if (dial->stream)
        od_http_stream_abandon(dial->stream);
    dial->stream = NULL;
}

/* The dial is over: nothing of it is left but the stream, if it is handed on. */
static void dial_free(struct od_http_dial *dial)
{
    drop_stream(dial);
    od_http_race_stop(&dial->race);
    od_http_dns_forget(&dial->waiter);
    free(dial);
}

void od_http_dial_cancel(struct od_http_dial *dial)
{
    dial_free(dial);
}

static void tell(struct od_http_dial *dial, int err, const char *why)
{
    od_http_dialed_fn fn = dial->fn;
    void *ctx = dial->ctx;
    struct od_http_stream *stream = NULL;
    if (!err) {
        stream = dial->stream;
        dial->stream = NULL;
    }
    dial_free(dial);
    fn(ctx, err, stream, why);
}

/* The other family's answer is still to come. */
static bool may_hear_more(const struct od_http_dial *dial)
{
    return dial->waiter.next != NULL;
}

/* There is no address left. */
static void come_to_nothing(struct od_http_dial *dial, int err, const char *why)
{
    dial->why = why;
    if (!may_hear_more(dial))
        tell(dial, err, why);
}

/* A connection came to nothing: the addresses that are left have their turn. */
static void failed(struct od_http_dial *dial, int err, const char *why)
{
    const char *next_why;
    drop_stream(dial);
    if (dial->url.scheme == OD_HTTP_UNIX || od_http_race_run(&dial->race, &next_why))
        come_to_nothing(dial, err, why);
}

/* ---- over a connection ---- */

static void on_secured(void *ctx, int err, const char *why)
{
    struct od_http_dial *dial = ctx;
    if (err)
        failed(dial, err, why);
    else
        tell(dial, 0, "");
}

static void secure(struct od_http_dial *dial)
{
    struct od_http_stream *below = dial->stream;
    if (dial->url.scheme != OD_HTTP_TLS) {
        tell(dial, 0, "");
        return;
    }
    dial->stream = NULL;
    if (od_http_tls_connect(dial->dialer->tls, below, &dial->url, on_secured, dial, &dial->stream))
        tell(dial, OD_ENOMEM, "no memory");
}

static void on_tunneled(void *ctx, int err, const char *why)
{
    struct od_http_dial *dial = ctx;
    dial->tunnel = NULL;
    if (err)
        failed(dial, err, why);
    else
        secure(dial);
}

/* "host:port" of the destination: the address that was judged, or the name. */
static void write_target(const struct od_http_dial *dial, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    const struct od_addr *addr = &dial->target;
    if (!addr->family)
        snprintf(out, size, "%s:%u", dial->url.host, dial->url.port);
    else if (inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->ip, text, sizeof text))
        snprintf(out, size, addr->family == 4 ? "%s:%u" : "[%s]:%u", text, dial->url.port);
}

static void on_raced(void *ctx, int err, struct od_http_stream *stream, uint64_t left_ms,
                     const char *why)
{
    struct od_http_dial *dial = ctx;
    char target[OD_HTTP_HOST_MAX + 8] = "";
    if (err) {
        come_to_nothing(dial, err, why);
        return;
    }
    dial->stream = stream;
    od_http_deadline_start(&dial->dialer->deadlines, &dial->deadline, LANE_REST, left_ms);
    if (!dial->proxy || dial->url.scheme != OD_HTTP_TLS) {
        secure(dial);
        return;
    }
    write_target(dial, target, sizeof target);
    if (od_http_tunnel_open(&dial->tunnel, stream, dial->proxy, target, on_tunneled, dial))
        tell(dial, OD_ENOMEM, "no memory");
}

/* ---- where to ---- */

static const char *judge_one(const struct od_http_dial *dial, const struct od_addr *addr)
{
    return dial->allow_private && !dial->dialer->rules
               ? NULL
               : od_http_guard_check(dial->dialer->rules, addr, dial->allow_private);
}

/* Leaves the allowed addresses; *why: why one was not. */
static void judge(const struct od_http_dial *dial, struct od_http_addrs *addrs, const char **why)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < addrs->count; i++) {
        struct od_addr addr = addrs->at[i];
        addr.port = dial->url.port;
        const char *reason = judge_one(dial, &addr);
        if (reason)
            *why = reason;
        else
            addrs->at[kept++] = addrs->at[i];
    }
    addrs->count = kept;
}

/* The proxy is trusted with names: only what is plain without a look-up is judged. */
static bool judge_name(struct od_http_dial *dial, const char **why)
{
    struct od_addr any = {.family = 4, .port = dial->url.port};
    if (!dial->allow_private && od_http_proxy_own_name(dial->url.host))
        *why = "loopback";
    else
        *why = dial->allow_private
                   ? judge_one(dial, &any)
                   : od_http_guard_check(dial->dialer->rules, &any, true); /* the port's rules */
    if (*why)
        dial->dialer->denied++;
    return !*why;
}

static const char *lookup_why(int err, bool of_proxy)
{
    if (of_proxy)
        return "the proxy's name could not be looked up";
    return err == OD_ENOENT ? "no such host" : "the name could not be looked up";
}

/* Runs the race, or lets it go on. 0: it does, or there may be more to run with. */
static int run(struct od_http_dial *dial, const char **why)
{
    if (dial->stream || dial->race.running) /* who has joined waits for their turn */
        return 0;
    dial->begun = true;
    int err = od_http_race_run(&dial->race, why);
    if (!err)
        return 0;
    if (dial->why)
        *why = dial->why;
    dial->why = *why;
    return may_hear_more(dial) ? 0 : err;
}

/* Goes to these addresses, the first of which are known; IPv4 alone waits a little for IPv6. */
static int go_to(struct od_http_dial *dial, const struct od_http_addrs *addrs, uint16_t port,
                 const char **why)
{
    bool four_alone = addrs->count && addrs->at[0].family == 4;
    od_http_race_offer(&dial->race, addrs, port);
    if (!dial->begun && four_alone && may_hear_more(dial)) {
        od_http_deadline_start(&dial->dialer->deadlines, &dial->deadline, LANE_FAMILY,
                               dial->dialer->family_ms);
        return 0;
    }
    if (!dial->begun)
        od_http_deadline_stop(&dial->deadline);
    return run(dial, why);
}

/* Begins with a host: an address, or a name whose look-ups fn tells of. OD_EBUSY: it will fire. */
static int ask(struct od_http_dial *dial, const char *host,
               void (*fn)(void *ctx, int err, const struct od_http_addrs *, bool more),
               struct od_http_addrs *addrs)
{
    dial->waiter.fn = fn;
    dial->waiter.ctx = dial;
    return od_http_dns_ask(&dial->dialer->dns, host, &dial->waiter, addrs);
}

static void on_proxy_found(void *ctx, int err, const struct od_http_addrs *addrs, bool more)
{
    struct od_http_dial *dial = ctx;
    const char *why = lookup_why(err, true);
    (void)more;
    err = err ? OD_EDOWN : go_to(dial, addrs, dial->proxy->url.port, &why);
    if (err)
        tell(dial, err, why);
}

/* The proxy is the operator's own and may be anywhere. */
static int go_to_proxy(struct od_http_dial *dial, const char **why)
{
    struct od_http_addrs addrs = {.at = {dial->proxy->url.numeric}, .count = 1};
    if (dial->proxy->url.numeric.family)
        return go_to(dial, &addrs, dial->proxy->url.port, why);
    int err = ask(dial, dial->proxy->url.host, on_proxy_found, &addrs);
    if (err == OD_EBUSY && !addrs.count)
        return 0;
    *why = lookup_why(err, true);
    return err && err != OD_EBUSY ? OD_EDOWN : go_to(dial, &addrs, dial->proxy->url.port, why);
}

/* What is known of the destination. Denied: there are addresses and none is allowed, or one is not
 * and a proxy may come to choose it. Both are said when all is known. */
static int begin(struct od_http_dial *dial, const struct od_http_addrs *found, const char **why)
{
    struct od_http_addrs addrs = *found;
    judge(dial, &addrs, why);
    if (may_hear_more(dial) && (dial->proxy || !addrs.count))
        return 0;
    if (found->count && (!addrs.count || (dial->proxy && addrs.count < found->count))) {
        dial->dialer->denied++;
        return OD_EDENIED;
    }
    if (!dial->proxy)
        return go_to(dial, &addrs, dial->url.port, why);
    if (!addrs.count) {
        *why = "no address";
        return OD_EDOWN;
    }
    dial->target = addrs.at[0];
    return go_to_proxy(dial, why);
}

static void on_found(void *ctx, int err, const struct od_http_addrs *found, bool more)
{
    struct od_http_dial *dial = ctx;
    const char *why = lookup_why(err, false);
    (void)more;
    err = err ? OD_EDOWN : begin(dial, found, &why);
    if (err)
        tell(dial, err, why);
}

static void on_unix(void *ctx, int uv_err)
{
    struct od_http_dial *dial = ctx;
    if (uv_err)
        failed(dial, OD_EDOWN, uv_strerror(uv_err));
    else
        tell(dial, 0, "");
}

static int begin_unix(struct od_http_dial *dial, const char **why)
{
    if (!dial->allow_private) {
        dial->dialer->denied++;
        *why = "a local socket";
        return OD_EDENIED;
    }
    dial->dialer->connects++;
    *why = "no memory";
    int err = od_http_plain_connect_unix(dial->dialer->plain, dial->url.host, on_unix, dial,
                                         &dial->stream);
    if (!err)
        od_http_deadline_start(&dial->dialer->deadlines, &dial->deadline, LANE_REST,
                               dial->dialer->connect_ms);
    return err;
}

static int begin_name(struct od_http_dial *dial, const char **why)
{
    struct od_http_addrs addrs;
    if (dial->proxy && dial->proxy->names_trusted)
        return judge_name(dial, why) ? go_to_proxy(dial, why) : OD_EDENIED;
    int err = ask(dial, dial->url.host, on_found, &addrs);
    if (err == OD_EBUSY && !addrs.count)
        return 0;
    if (err && err != OD_EBUSY) {
        *why = lookup_why(err, false);
        return OD_EDOWN;
    }
    return begin(dial, &addrs, why);
}

int od_http_dial_start(struct od_http_dialer *dialer, const struct od_http_url *url,
                       bool allow_private, od_http_dialed_fn fn, void *ctx,
                       struct od_http_dial **out, const char **why)
{
    struct od_http_dial *dial = calloc(1, sizeof *dial);
    if (!dial) {
        *why = "no memory";
        return OD_ENOMEM;
    }
    dial->dialer = dialer;
    dial->url = *url;
    dial->url.target = "";
    dial->allow_private = allow_private;
    dial->proxy = od_http_proxy_takes(dialer->proxy, url) ? dialer->proxy : NULL;
    dial->race = (struct od_http_race){.plain = dialer->plain,
                                       .deadlines = &dialer->deadlines,
                                       .connect_ms = dialer->connect_ms,
                                       .connects = &dialer->connects,
                                       .fn = on_raced,
                                       .ctx = dial};
    dial->fn = fn;
    dial->ctx = ctx;
    int err;
    if (url->scheme == OD_HTTP_UNIX) {
        err = begin_unix(dial, why);
    } else if (url->numeric.family) {
        struct od_http_addrs addrs = {.at = {url->numeric}, .count = 1};
        err = begin(dial, &addrs, why);
    } else {
        err = begin_name(dial, why);
    }
    if (err) {
        dial_free(dial);
        return err;
    }
    *out = dial;
    return 0;
}

/* The dialer */

static void expired(void *ctx, struct od_http_deadline *entry)
{
    (void)ctx;
    struct od_http_dial *dial = OWNER_OF(struct od_http_dial, deadline, entry);
    const char *why;
    if (entry->lane < OD_HTTP_RACE_LANES)
        od_http_race_expired(entry);
    else if (entry->lane == LANE_FAMILY)
        run(dial, &why); /* more may be heard, so it does not end here */
    else
        failed(dial, OD_EDOWN, "connection timed out");
}

void od_http_dialer_init(struct od_http_dialer *dialer, uv_loop_t *loop,
                         struct od_http_plain_set *plain, struct od_http_tls *tls,
                         const struct od_http_waits *waits)
{
    *dialer = (struct od_http_dialer){.loop = loop,
                                      .plain = plain,
                                      .tls = tls,
                                      .connect_ms = waits->connect_ms,
                                      .family_ms = waits->family_ms};
    od_http_dns_init(&dialer->dns, loop, waits->dns_ttl_ms);
    od_http_deadlines_init(&dialer->deadlines, loop, expired, dialer);
}

void od_http_dialer_close(struct od_http_dialer *dialer, void (*closed)(void *ctx), void *ctx)
{
    od_http_dns_deinit(&dialer->dns);
    dialer->deadlines.ctx = ctx;
    od_http_deadlines_close(&dialer->deadlines, closed);
}
