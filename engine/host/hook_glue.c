/*
 * hook_glue - what goes out over HTTP, wired: the client with the operator's rules, and what the
 * outbox asks of the catalog, the configuration and the box.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/host/host.h"
#include "engine/host/log.h"
#include "engine/host/options_hooks.h"
#include "outdial/err.h"
#include "proto/http/http_guard.h"
#include "proto/http/http_proxy.h"
#include "proto/http/http_tls.h"

enum {
    CALLS_MAX = 8192,
    CONNECTIONS_MAX = 1024,
    PER_ORIGIN_MAX = 32,
    WAITING_PER_ORIGIN_MAX = 4096,
};

/* Each text of a list of the configuration, checked when it was loaded. */
static const char *next_text(const char *at, char *out, size_t size)
{
    size_t bytes = strcspn(at, ",");
    od_str_copy(out, size, at, bytes);
    at += bytes;
    return at + strspn(at, ", ");
}

static void read_rules(const struct od_config *config, struct od_http_rules *rules)
{
    char text[64];
    *rules = (struct od_http_rules){0};
    for (const char *at = config->webhooks.allow; *at;) {
        at = next_text(at, text, sizeof text);
        if (od_http_net_parse(text, &rules->nets[rules->net_count]))
            rules->net_count++;
    }
    for (const char *at = config->webhooks.ports; *at;) {
        at = next_text(at, text, sizeof text);
        if (od_http_ports_parse(text, &rules->ports[rules->port_count]))
            rules->port_count++;
    }
}

static bool read_proxy(const struct od_config *config, struct od_http_proxy *proxy)
{
    char text[OD_HTTP_HOST_MAX];
    if (!od_http_proxy_read(proxy, config->webhooks.proxy_url))
        return false;
    proxy->names_trusted = config->webhooks.proxy_looks_up;
    for (const char *at = config->webhooks.proxy_except; *at;) {
        at = next_text(at, text, sizeof text);
        if (od_http_proxy_except_read(&proxy->except[proxy->except_count], text))
            proxy->except_count++;
    }
    return true;
}

/* The client by the configuration's rules. */
static int open_http_client(struct od_host *host, char *why, size_t why_bytes)
{
    const struct od_config *config = host->config;
    struct od_http_identity identities[OD_CLIENT_CERTS_MAX];
    struct od_http_rules rules;
    struct od_http_proxy proxy;
    read_rules(config, &rules);
    for (size_t i = 0; i < config->webhooks.client_cert_count; i++) {
        const struct od_config_client_cert *cert = &config->webhooks.client_certs[i];
        identities[i] = (struct od_http_identity){cert->host, cert->port, cert->cert, cert->key};
    }
    int err = od_http_client_open(
        &host->client, &host->loop,
        &(struct od_http_client_config){
            .user_agent = "outdial/" OUTDIAL_VERSION,
            .extra_ca_file = *config->webhooks.ca_file ? config->webhooks.ca_file : NULL,
            .identities = identities,
            .identity_count = config->webhooks.client_cert_count,
            .proxy = read_proxy(config, &proxy) ? &proxy : NULL,
            .rules = &rules,
            .calls_max = CALLS_MAX,
            .connections_max = CONNECTIONS_MAX,
            .per_origin_max = PER_ORIGIN_MAX,
            .waiting_per_origin_max = WAITING_PER_ORIGIN_MAX,
            .why = why,
            .why_bytes = why_bytes,
        });
    explicit_bzero(&proxy, sizeof proxy);
    return err;
}

bool od_host_open_client(struct od_host *host)
{
    char why[200] = "out of memory";
    int err = open_http_client(host, why, sizeof why);
    if (!err)
        err = od_hook_asker_open(&host->asker, &host->loop, host->client,
                                 host->config->webhooks.allow_private);
    if (!err)
        err = od_tools_create(&host->tools, host->asker);
    if (err)
        od_log(OD_CONFIG_LOG_ERROR, "webhook", "%s",
               err == OD_EIO ? "the system's certificate authorities can't be read" : why);
    return !err;
}

static struct yyjson_val *hook_agent(void *ctx, const struct od_uid *agent)
{
    struct od_host *host = ctx;
    const struct od_agent_def *def = od_catalog_find_agent(host->catalog, agent);
    return def ? od_agent_def_root(def) : NULL;
}

static int64_t hook_agent_ms(void *ctx, const struct od_uid *agent)
{
    const struct od_host *host = ctx;
    return od_catalog_agent_ms(host->catalog, agent);
}

/* ---- start hooks ---- */

static void start_post(void *ctx, const struct od_event *event)
{
    struct od_host *host = ctx;
    od_engine_post(host->engine, event);
    od_turn_wake(&host->turn);
}

static const struct od_job *start_job(void *ctx, struct od_job_id job)
{
    struct od_host *host = ctx;
    return host->store ? od_store_job(host->store, job) : NULL; /* closing: they are gone */
}

static void start_data(void *ctx, struct od_job_id job, struct od_text context,
                       struct od_text overrides)
{
    struct od_host *host = ctx;
    if (od_store_job_data(host->store, job, context, overrides) == OD_ENOMEM)
        od_log(OD_CONFIG_LOG_ERROR, "webhook", "out of memory: a start webhook's data are lost");
}

static void hook_log(void *ctx, const char *line)
{
    (void)ctx;
    od_log(OD_CONFIG_LOG_WARN, "webhook", "%s", line);
}

int od_host_open_start_hooks(struct od_host *host)
{
    return od_start_hooks_create(&host->start_hooks,
                                 &(struct od_start_hooks_config){.asker = host->asker,
                                                                 .inner = od_talk_port(host->talk),
                                                                 .ctx = host,
                                                                 .post = start_post,
                                                                 .job = start_job,
                                                                 .agent = hook_agent,
                                                                 .data = start_data,
                                                                 .log = hook_log});
}

/* ---- a webhook tried over the API ---- */

struct trial {
    od_hook_tried_fn fn;
    void *ctx;
};

static void on_tried(void *ctx, const struct od_hook_reply *reply)
{
    struct trial trial = *(struct trial *)ctx;
    free(ctx);
    trial.fn(trial.ctx, &(struct od_hook_tried){.status = reply->status,
                                                .body = reply->body,
                                                .error = reply->error,
                                                .took_ms = reply->took_ms});
}

int od_host_hook_try(void *ctx, struct yyjson_val *hook, const char *payload, size_t bytes,
                     od_hook_tried_fn fn, void *fn_ctx, const char **why)
{
    struct od_host *host = ctx;
    struct trial *trial = malloc(sizeof *trial);
    uint64_t id;
    *why = "out of memory";
    if (!trial)
        return OD_ENOMEM;
    *trial = (struct trial){fn, fn_ctx};
    int err = od_hook_ask(host->asker,
                          &(struct od_hook_asking){.hook = hook,
                                                   .payload = payload,
                                                   .bytes = bytes,
                                                   .timeout_ms = host->config->webhooks.timeout_ms},
                          on_tried, trial, &id, why);
    if (err)
        free(trial);
    return err;
}

/* ---- the outbox ---- */

static const char *hook_domain(void *ctx, const char *trunk)
{
    struct od_host *host = ctx;
    size_t count = od_catalog_trunk_count(host->catalog);
    for (size_t i = 0; i < count && *trunk; i++)
        if (strcmp(od_catalog_trunk_name(host->catalog, i), trunk) == 0)
            return od_catalog_trunk(host->catalog, i)->config->domain;
    return "";
}

/* "new,old" of the configuration. */
static size_t hook_secrets(void *ctx, const char *org, struct od_text out[OD_OUTBOX_SECRETS_MAX])
{
    struct od_host *host = ctx;
    size_t count = 0;
    (void)org;
    for (const char *at = host->config->webhooks.signing_secret; *at;) {
        size_t bytes = strcspn(at, ",");
        if (bytes && count < OD_OUTBOX_SECRETS_MAX)
            out[count++] = (struct od_text){at, bytes};
        at += bytes + (at[bytes] == ',');
    }
    return count;
}

static void read_waits(const char *at, uint32_t waits_s[OD_HOOK_WAITS_MAX + 1])
{
    char text[16];
    for (size_t i = 0; *at && i < OD_HOOK_WAITS_MAX; i++) {
        uint64_t wait_s = 0;
        at = next_text(at, text, sizeof text);
        od_str_u64(text, strlen(text), OD_HOOK_WAIT_S_MAX, &wait_s);
        waits_s[i] = (uint32_t)wait_s;
    }
}

static struct od_outbox_config outbox_config(struct od_host *host)
{
    memset(host->hook_waits_s, 0, sizeof host->hook_waits_s);
    read_waits(host->config->webhooks.retry_s, host->hook_waits_s);
    return (struct od_outbox_config){
        .loop = &host->loop,
        .client = host->client,
        .store = host->store,
        .box = &host->box_port,
        .timeout_ms = host->config->webhooks.timeout_ms,
        .native_waits_s = *host->hook_waits_s ? host->hook_waits_s : NULL,
        .allow_private = host->config->webhooks.allow_private,
        .ctx = host,
        .agent = hook_agent,
        .agent_ms = hook_agent_ms,
        .secrets = hook_secrets,
        .domain = hook_domain,
        .log = hook_log,
    };
}

int od_host_open_outbox(struct od_host *host)
{
    struct od_outbox_config config = outbox_config(host);
    return od_outbox_open(&host->outbox, &config);
}

/* ---- another configuration ---- */

void od_host_client_change(struct od_host *host)
{
    struct od_outbox_config config = outbox_config(host);
    struct od_http_rules rules;
    read_rules(host->config, &rules);
    od_http_client_rules(host->client, &rules);
    od_hook_asker_private(host->asker, config.allow_private);
    if (host->outbox)
        od_outbox_change(host->outbox, &config);
}
