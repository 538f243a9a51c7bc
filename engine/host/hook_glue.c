/*
 * hook_glue - what goes out over HTTP, wired: the client with the operator's rules, and what the
 * outbox asks of the catalog, the configuration and the box.
 */
#include <string.h>

#include "engine/base/str.h"
#include "engine/host/host.h"
#include "engine/host/log.h"
#include "outdial/err.h"
#include "proto/http/http_guard.h"

enum {
    CALLS_MAX = 8192,
    CONNECTIONS_MAX = 1024,
    PER_ORIGIN_MAX = 32,
    WAITING_PER_ORIGIN_MAX = 512,
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

int od_host_open_client(struct od_host *host)
{
    struct od_http_rules rules;
    read_rules(host->config, &rules);
    return od_http_client_open(&host->client, &host->loop,
                               &(struct od_http_client_config){
                                   .user_agent = "outdial/" OUTDIAL_VERSION,
                                   .rules = &rules,
                                   .calls_max = CALLS_MAX,
                                   .connections_max = CONNECTIONS_MAX,
                                   .per_origin_max = PER_ORIGIN_MAX,
                                   .waiting_per_origin_max = WAITING_PER_ORIGIN_MAX,
                               });
}

static struct yyjson_val *hook_agent(void *ctx, const struct od_uid *agent)
{
    struct od_host *host = ctx;
    const struct od_agent_def *def = od_catalog_find_agent(host->catalog, agent);
    return def ? od_agent_def_root(def) : NULL;
}

static const char *hook_domain(void *ctx, const char *trunk)
{
    struct od_host *host = ctx;
    size_t count = od_catalog_trunk_count(host->catalog);
    for (size_t i = 0; i < count && *trunk; i++)
        if (strcmp(od_catalog_trunk_name(host->catalog, (uint16_t)i), trunk) == 0)
            return od_catalog_trunk(host->catalog, (uint16_t)i)->config->domain;
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

static void hook_log(void *ctx, const char *line)
{
    (void)ctx;
    od_log(OD_CONFIG_LOG_WARN, "webhook", "%s", line);
}

int od_host_open_outbox(struct od_host *host)
{
    return od_outbox_open(&host->outbox, &(struct od_outbox_config){
                                             .loop = &host->loop,
                                             .client = host->client,
                                             .store = host->store,
                                             .box = &host->box_port,
                                             .timeout_ms = host->config->webhooks.timeout_ms,
                                             .allow_private = host->config->webhooks.allow_private,
                                             .ctx = host,
                                             .agent = hook_agent,
                                             .secrets = hook_secrets,
                                             .domain = hook_domain,
                                             .log = hook_log,
                                         });
}
