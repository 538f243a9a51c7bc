/*
 * options_hooks - see the header.
 */
#include "engine/host/options_hooks.h"

#include <string.h>

#include "engine/base/str.h"
#include "engine/host/options_check.h"
#include "proto/http/http_guard.h"
#include "proto/http/http_proxy.h"

enum { JOINED_MAX = OD_HTTP_PROXY_EXCEPT_MAX * 128 };

const char *od_check_signing_secret(struct od_reader *r, void *base, const char *text)
{
    (void)r;
    (void)base;
    size_t secrets = 0, bytes;
    for (const char *at = text; *at; at += bytes + (at[bytes] == ',')) {
        bytes = strcspn(at, ",");
        if (bytes < 24 || bytes > 256 || ++secrets > 4)
            return "up to four secrets of 24 to 256 characters, the new one first, with commas "
                   "between";
    }
    return NULL;
}

/* The texts joined, each taken by a parser. */
static const char *join_checked(struct od_reader *r, const struct od_source *source,
                                const char *const *texts, size_t count, size_t max,
                                bool (*ok)(const char *text), const char *expected)
{
    char joined[JOINED_MAX], shown[96];
    struct od_buf buf;
    od_buf_init(&buf, joined, sizeof joined);
    for (size_t i = 0; i < count; i++) {
        if (!ok(texts[i]) || i >= max) {
            od_reader_problem(r, source, "expected %s, found %s", expected,
                              od_reader_shown(source, texts[i], shown, sizeof shown));
            return "";
        }
        if (i)
            od_buf_str(&buf, ", ");
        od_buf_str(&buf, texts[i]);
    }
    if (buf.cut) {
        od_reader_problem(r, source, "expected a shorter list");
        return "";
    }
    return od_reader_text(r, joined);
}

static bool is_net(const char *text)
{
    struct od_http_net net;
    return od_http_net_parse(text, &net);
}

static bool is_ports(const char *text)
{
    struct od_http_ports ports;
    return od_http_ports_parse(text, &ports);
}

void od_take_hook_nets(struct od_reader *r, void *base, const struct od_source *source,
                       const char *const *texts, size_t count)
{
    struct od_config *config = base;
    config->webhooks.allow =
        join_checked(r, source, texts, count, OD_HTTP_NETS_MAX, is_net,
                     "networks like 10.0.0.0/8 or fd00::/8, with no bits below the prefix");
}

void od_take_hook_ports(struct od_reader *r, void *base, const struct od_source *source,
                        const char *const *texts, size_t count)
{
    struct od_config *config = base;
    config->webhooks.ports = join_checked(r, source, texts, count, OD_HTTP_PORTS_MAX, is_ports,
                                          "ports like 443 or 8000-8999");
}

static bool is_wait(const char *text)
{
    uint64_t wait_s;
    return od_str_u64(text, strlen(text), OD_HOOK_WAIT_S_MAX, &wait_s) && wait_s > 0;
}

void od_take_hook_waits(struct od_reader *r, void *base, const struct od_source *source,
                        const char *const *texts, size_t count)
{
    struct od_config *config = base;
    config->webhooks.retry_s = join_checked(r, source, texts, count, OD_HOOK_WAITS_MAX, is_wait,
                                            "up to 16 waits of 1 to 604800 seconds");
}

/* ---- the proxy ---- */

const char *od_check_hook_proxy(struct od_reader *r, void *base, const char *text)
{
    struct od_http_proxy proxy;
    (void)r;
    (void)base;
    bool ok = !*text || od_http_proxy_read(&proxy, text);
    explicit_bzero(&proxy, sizeof proxy);
    return ok ? NULL : "http://[user:password@]host[:port], or nothing";
}

static bool is_except(const char *text)
{
    struct od_http_proxy_except except;
    return od_http_proxy_except_read(&except, text);
}

void od_take_proxy_except(struct od_reader *r, void *base, const struct od_source *source,
                          const char *const *texts, size_t count)
{
    struct od_config *config = base;
    config->webhooks.proxy_except =
        join_checked(r, source, texts, count, OD_HTTP_PROXY_EXCEPT_MAX, is_except,
                     "hosts, domains or networks like example.net, .example.net:8080 or "
                     "10.0.0.0/8");
}

/* ---- certificates of ours ---- */

/* "hooks.example.net", "hooks.example.net:8443", "*.example.net", "[fd00::1]". */
static const char *check_cert_host(struct od_reader *r, void *base, const char *text)
{
    struct od_config_client_cert *cert = base;
    struct od_http_url url;
    char copy[OD_HTTP_HOST_MAX + 16];
    bool wide = strncmp(text, "*.", 2) == 0;
    struct od_buf buf;
    od_buf_init(&buf, copy, sizeof copy);
    od_buf_str(&buf, "https://");
    od_buf_str(&buf, text + (wide ? 2 : 0));
    bool plain = !strpbrk(text, "/?#@") && strlen(text) < OD_HTTP_HOST_MAX;
    if (!plain || od_http_url_read(&url, copy) || (wide && url.numeric.family))
        return "host[:port] or *.domain[:port] of the webhooks' URLs";
    const char *port = strrchr(text, ':'), *bracket = strchr(text, ']');
    cert->port = port && (!bracket || port > bracket) ? url.port : 0;
    od_buf_init(&buf, copy, sizeof copy);
    od_buf_str(&buf, wide ? "*." : "");
    od_buf_str(&buf, url.host);
    cert->host = od_reader_text(r, copy);
    return NULL;
}

static const char *check_cert_file(struct od_reader *r, void *base, const char *text)
{
    (void)r, (void)base;
    return *text && strlen(text) < 1000 && od_str_utf8(text, strlen(text)) ? NULL : "a PEM file";
}

const struct od_option od_client_cert_table[] = {
    {"host", OD_OPTION_TEXT, .offset = offsetof(struct od_config_client_cert, written),
     .check = check_cert_host},
    {"cert", OD_OPTION_TEXT, .offset = offsetof(struct od_config_client_cert, cert),
     .check = check_cert_file},
    {"key", OD_OPTION_TEXT, .offset = offsetof(struct od_config_client_cert, key),
     .check = check_cert_file},
    {0},
};
