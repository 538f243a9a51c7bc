/*
 * http_dial - see the header. The address that the guard has judged is the one connected to: the
 * name is not asked again in between (DNS rebinding).
 */
#include "proto/http/http_dial.h"

#include <stdlib.h>

#include "outdial/err.h"
#include "proto/http/http_guard.h"

struct od_http_dial {
    struct od_http_dialer *dialer;
    struct od_http_url url; /* without its target */
    bool allow_private;
    struct od_http_addrs addrs;
    unsigned next;                 /* of addrs */
    struct od_http_stream *stream; /* of the address being tried */
    struct od_http_deadline deadline;
    struct od_http_dns_waiter waiter;
    od_http_dialed_fn fn;
    void *ctx;
};

/* The dial is over: nothing of it is left but the stream, if it is handed on. */
static void dial_free(struct od_http_dial *dial)
{
    od_http_deadline_stop(&dial->deadline);
    od_http_dns_forget(&dial->waiter);
    if (dial->stream)
        od_http_stream_abandon(dial->stream);
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

/* Begins to connect to the next address that can be begun with. */
static int try_next(struct od_http_dial *dial, const char **why);

static void attempt_failed(struct od_http_dial *dial, int err, const char *why)
{
    od_http_deadline_stop(&dial->deadline);
    od_http_stream_abandon(dial->stream);
    dial->stream = NULL;
    const char *last = why;
    if (dial->next < dial->addrs.count && try_next(dial, &last) == 0)
        return;
    tell(dial, err, why);
}

static void on_secured(void *ctx, int err, const char *why)
{
    struct od_http_dial *dial = ctx;
    if (err)
        attempt_failed(dial, err, why);
    else
        tell(dial, 0, "");
}

static void on_connected(void *ctx, int uv_err)
{
    struct od_http_dial *dial = ctx;
    if (uv_err) {
        attempt_failed(dial, OD_EDOWN, uv_strerror(uv_err));
        return;
    }
    if (dial->url.scheme != OD_HTTP_TLS) {
        tell(dial, 0, "");
        return;
    }
    struct od_http_stream *below = dial->stream;
    dial->stream = NULL;
    if (od_http_tls_connect(dial->dialer->tls, below, &dial->url, on_secured, dial, &dial->stream))
        tell(dial, OD_ENOMEM, "no memory");
}

static int try_next(struct od_http_dial *dial, const char **why)
{
    struct od_http_dialer *dialer = dial->dialer;
    int err = OD_EDOWN;
    *why = "no address";
    while (dial->next < dial->addrs.count) {
        struct od_addr addr = dial->addrs.at[dial->next++];
        addr.port = dial->url.port;
        dialer->connects++;
        err = od_http_plain_connect(dialer->plain, &addr, on_connected, dial, &dial->stream);
        if (err) {
            *why = err == OD_ENOMEM ? "no memory" : "unreachable";
            continue;
        }
        od_http_deadline_start(&dialer->deadlines, &dial->deadline, 0, dialer->connect_ms);
        return 0;
    }
    return err;
}

/* Leaves the allowed addresses; false when there were some and none is allowed. */
static bool judge(struct od_http_dial *dial, const char **why)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < dial->addrs.count; i++) {
        struct od_addr addr = dial->addrs.at[i];
        addr.port = dial->url.port;
        const char *reason =
            dial->allow_private && !dial->dialer->rules
                ? NULL
                : od_http_guard_check(dial->dialer->rules, &addr, dial->allow_private);
        if (reason)
            *why = reason;
        else
            dial->addrs.at[kept++] = dial->addrs.at[i];
    }
    bool denied = dial->addrs.count && !kept;
    dial->addrs.count = kept;
    if (denied)
        dial->dialer->denied++;
    return !denied;
}

static int begin(struct od_http_dial *dial, const char **why)
{
    if (!judge(dial, why))
        return OD_EDENIED;
    return try_next(dial, why);
}

static const char *lookup_why(int err)
{
    return err == OD_ENOENT ? "no such host" : "the name could not be looked up";
}

static void on_found(void *ctx, int err, const struct od_http_addrs *addrs)
{
    struct od_http_dial *dial = ctx;
    const char *why = "";
    if (err) {
        tell(dial, OD_EDOWN, lookup_why(err));
        return;
    }
    dial->addrs = *addrs;
    err = begin(dial, &why);
    if (err)
        tell(dial, err, why);
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
    int err = od_http_plain_connect_unix(dial->dialer->plain, dial->url.host, on_connected, dial,
                                         &dial->stream);
    if (!err)
        od_http_deadline_start(&dial->dialer->deadlines, &dial->deadline, 0,
                               dial->dialer->connect_ms);
    return err;
}

static int begin_name(struct od_http_dial *dial, const char **why)
{
    dial->waiter.fn = on_found;
    dial->waiter.ctx = dial;
    int err = od_http_dns_ask(&dial->dialer->dns, dial->url.host, &dial->waiter, &dial->addrs);
    if (err == OD_EBUSY)
        return 0;
    if (err) {
        *why = lookup_why(err);
        return OD_EDOWN;
    }
    return begin(dial, why);
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
    dial->fn = fn;
    dial->ctx = ctx;
    int err;
    if (url->scheme == OD_HTTP_UNIX) {
        err = begin_unix(dial, why);
    } else if (url->numeric.family) {
        dial->addrs.at[0] = url->numeric;
        dial->addrs.count = 1;
        err = begin(dial, why);
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
    struct od_http_dial *dial =
        (struct od_http_dial *)(void *)((char *)entry - offsetof(struct od_http_dial, deadline));
    attempt_failed(dial, OD_EDOWN, "connection timed out");
}

void od_http_dialer_init(struct od_http_dialer *dialer, uv_loop_t *loop,
                         struct od_http_plain_set *plain, struct od_http_tls *tls,
                         uint32_t connect_ms, uint32_t dns_ttl_ms)
{
    *dialer =
        (struct od_http_dialer){.loop = loop, .plain = plain, .tls = tls, .connect_ms = connect_ms};
    od_http_dns_init(&dialer->dns, loop, dns_ttl_ms);
    od_http_deadlines_init(&dialer->deadlines, loop, expired, dialer);
}

void od_http_dialer_close(struct od_http_dialer *dialer, void (*closed)(void *ctx), void *ctx)
{
    od_http_dns_deinit(&dialer->dns);
    dialer->deadlines.ctx = ctx;
    od_http_deadlines_close(&dialer->deadlines, closed);
}
