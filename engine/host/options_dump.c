/*
 * options_dump - the effective configuration as YAML or as JSON, through one writer. Secrets come
 * out as "***", a URL's password likewise.
 */
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "engine/api/secret_fields.h"
#include "engine/host/options.h"
#include "engine/host/options_trunk.h"

struct writer {
    FILE *out;
    bool json;
    unsigned depth;
    bool first;   /* nothing written yet at this depth */
    bool in_item; /* YAML: the next key stands behind "- " */
};

static void start_line(struct writer *w, const char *key)
{
    if (w->json) {
        fputs(w->first ? "" : ",", w->out);
    } else {
        unsigned spaces = w->depth * 2;
        if (w->in_item)
            fprintf(w->out, "%*s- ", (int)spaces - 2, "");
        else
            fprintf(w->out, "%*s", (int)spaces, "");
    }
    w->first = w->in_item = false;
    if (key)
        fprintf(w->out, w->json ? "\"%s\":" : "%s:", key);
}

/* JSON's escapes are YAML's in double quotes. */
static void put_quoted(struct writer *w, const char *text)
{
    fputc('"', w->out);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(w->out, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            fprintf(w->out, "\\u%04x", (unsigned)*c);
        else
            fputc(*c, w->out);
    }
    fputc('"', w->out);
}

static void put_text(struct writer *w, const char *key, const char *text)
{
    start_line(w, key);
    if (!w->json)
        fputc(' ', w->out);
    put_quoted(w, text);
    if (!w->json)
        fputc('\n', w->out);
}

static void put_raw(struct writer *w, const char *key, const char *text)
{
    start_line(w, key);
    fprintf(w->out, w->json ? "%s" : " %s\n", text);
}

static void put_number(struct writer *w, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    put_raw(w, key, text);
}

static void put_bool(struct writer *w, const char *key, bool value)
{
    put_raw(w, key, value ? "true" : "false");
}

static void begin_map(struct writer *w, const char *key)
{
    start_line(w, key);
    fputs(w->json ? "{" : "\n", w->out);
    w->depth++;
    w->first = true;
}

static void end_map(struct writer *w)
{
    w->depth--;
    w->first = false;
    if (w->json)
        fputc('}', w->out);
}

/* A list of mappings; an empty one is written in one line. */
static bool begin_list(struct writer *w, const char *key, size_t count)
{
    if (count == 0) {
        put_raw(w, key, "[]");
        return false;
    }
    start_line(w, key);
    fputs(w->json ? "[" : "\n", w->out);
    w->depth++;
    w->first = true;
    return true;
}

static void end_list(struct writer *w)
{
    w->depth--;
    w->first = false;
    if (w->json)
        fputc(']', w->out);
}

static void begin_item(struct writer *w)
{
    if (w->json)
        fputs(w->first ? "{" : ",{", w->out);
    w->depth++;
    w->first = true;
    w->in_item = !w->json;
}

static void end_item(struct writer *w)
{
    w->depth--;
    w->first = false;
    if (w->json)
        fputc('}', w->out);
}

/* A list of texts in one line, the same in YAML and JSON. */
static void put_texts(struct writer *w, const char *key, const char *const *texts, size_t count)
{
    start_line(w, key);
    fputs(w->json ? "[" : " [", w->out);
    for (size_t i = 0; i < count; i++) {
        if (i)
            fputs(w->json ? "," : ", ", w->out);
        put_quoted(w, texts[i]);
    }
    fputs(w->json ? "]" : "]\n", w->out);
}

static void put_redis_url(struct writer *w, const char *url)
{
    const char *at = strrchr(url, '@');
    if (strncmp(url, "redis://", 8) != 0 || !at) {
        put_text(w, "url", url);
        return;
    }
    char shown[1100];
    snprintf(shown, sizeof shown, "redis://:***%s", at);
    put_text(w, "url", shown);
}

static void put_cps(struct writer *w, const char *key, const struct od_shape *shape)
{
    uint64_t milli = shape->count * 1000 / (shape->window_ns / OD_NS_PER_S);
    char text[32];
    int bytes = snprintf(text, sizeof text, "%llu.%03u", (unsigned long long)(milli / 1000),
                         (unsigned)(milli % 1000));
    while (text[bytes - 1] == '0')
        text[--bytes] = 0;
    if (text[bytes - 1] == '.')
        text[bytes - 1] = 0;
    put_raw(w, key, text);
}

static void put_limits(struct writer *w, const struct od_trunk_def *def)
{
    size_t count = 0, first = 0;
    while (count < OD_SHAPES_MAX && def->shapes[count].kind != OD_SHAPE_NONE)
        count++;
    if (count && def->shapes[0].kind == OD_SHAPE_EVEN) {
        put_cps(w, "cps_limit", &def->shapes[0]);
        first = 1;
    } else {
        put_raw(w, "cps_limit", "0");
    }
    if (!begin_list(w, "limit", count - first))
        return;
    for (size_t i = first; i < count; i++) {
        const struct od_shape *shape = &def->shapes[i];
        begin_item(w);
        if (shape->kind == OD_SHAPE_WINDOW) {
            put_number(w, "calls", shape->count);
            put_number(w, "per_ms", shape->window_ns / OD_NS_PER_MS);
        } else {
            put_cps(w, "cps", shape);
            put_number(w, "burst", shape->burst ? shape->burst : 1);
        }
        if (def->inbound & 1u << i)
            put_bool(w, "count_inbound", true);
        end_item(w);
    }
    end_list(w);
}

static void put_verdicts(struct writer *w, const struct od_trunk_def *def)
{
    size_t count = 0;
    while (count < OD_VERDICTS_MAX && def->verdicts[count].from)
        count++;
    if (!begin_list(w, "verdicts", count))
        return;
    for (size_t i = 0; i < count; i++) {
        const struct od_verdict_rule *rule = &def->verdicts[i];
        char status[16];
        snprintf(status, sizeof status, rule->to > rule->from ? "%u-%u" : "%u", rule->from,
                 rule->to);
        begin_item(w);
        put_text(w, "status", status);
        if (*rule->text)
            put_text(w, "text", rule->text);
        put_text(w, "verdict", od_verdict_word(rule));
        end_item(w);
    }
    end_list(w);
}

static void put_trunk(struct writer *w, const struct od_config_trunk *trunk)
{
    const struct od_trunk_def *def = &trunk->def;
    const char *prefixes[OD_PREFIXES_MAX], *codecs[OD_VOICE_COUNT];
    size_t prefix_count = 0, codec_count = 0;
    while (prefix_count < OD_PREFIXES_MAX && def->prefixes[prefix_count][0]) {
        prefixes[prefix_count] = def->prefixes[prefix_count];
        prefix_count++;
    }
    for (; codec_count < trunk->voice_count; codec_count++)
        codecs[codec_count] = od_voice_words[trunk->voices[codec_count]];

    begin_item(w);
    put_text(w, "name", trunk->name);
    put_text(w, "server", trunk->server);
    put_text(w, "domain", trunk->domain);
    put_text(w, "transport", od_transport_words[trunk->transport]);
    put_text(w, "auth_user", trunk->auth_user);
    put_text(w, "password", *trunk->password ? "***" : "");
    put_text(w, "from_user", trunk->from_user);
    put_text(w, "display_name", trunk->display_name);
    put_bool(w, "register", trunk->registers);
    put_limits(w, def);
    put_number(w, "max_calls", def->max_calls);
    put_number(w, "priority", def->priority);
    put_number(w, "weight", def->weight);
    put_texts(w, "prefixes", prefixes, prefix_count);
    put_text(w, "cps_key", trunk->cps_key);
    put_bool(w, "adaptive", def->adaptive);
    put_number(w, "options_ping_s", def->ping_ms / 1000);
    begin_map(w, "health");
    put_number(w, "bad", def->bad_max);
    put_number(w, "good", def->good_min);
    end_map(w);
    put_number(w, "patience_ms", def->patience_ms);
    put_number(w, "setup_timeout_s", def->setup_ms_max / 1000);
    put_verdicts(w, def);
    put_number(w, "ring_timeout_s", def->ring_ms_max / 1000);
    put_bool(w, "early_media", trunk->early_media);
    begin_map(w, "media");
    put_texts(w, "codecs", codecs, codec_count);
    put_text(w, "srtp",
             trunk->srtp == OD_SRTP_OFF        ? "off"
             : trunk->srtp == OD_SRTP_OPTIONAL ? "optional"
                                               : "required");
    put_text(w, "dtmf", trunk->dtmf == OD_CONFIG_DTMF_BOTH ? "both" : "rfc4733");
    end_map(w);
    end_item(w);
}

static void put_keys(struct writer *w, const struct od_config *config)
{
    if (!begin_list(w, "keys", config->auth.count))
        return;
    for (size_t i = 0; i < config->auth.count; i++) {
        const char *scopes = config->auth.keys[i].scopes;
        begin_item(w);
        put_text(w, "key", "***");
        put_text(w, "org", config->auth.keys[i].org);
        put_text(w, "scopes", scopes);
        end_item(w);
    }
    end_list(w);
}

/* As the API shows it: its secrets are null. */
static void put_agent(struct writer *w, bool another, const char *text)
{
    yyjson_doc *read = yyjson_read(text, strlen(text), YYJSON_READ_NUMBER_AS_RAW);
    yyjson_mut_doc *doc = read ? yyjson_doc_mut_copy(read, NULL) : NULL;
    if (doc)
        od_secrets_hide(doc, yyjson_mut_doc_get_root(doc));
    char *shown = doc ? yyjson_mut_write(doc, 0, NULL) : NULL;
    fprintf(w->out, "%s%s", another ? "," : "", shown ? shown : "{}");
    free(shown);
    yyjson_mut_doc_free(doc);
    yyjson_doc_free(read);
}

static void put_lists(struct writer *w, const struct od_config *config)
{
    if (begin_list(w, "trunks", config->trunk_count)) {
        for (size_t i = 0; i < config->trunk_count; i++)
            put_trunk(w, &config->trunks[i]);
        end_list(w);
    }
    if (begin_list(w, "numbers", config->number_count)) {
        for (size_t i = 0; i < config->number_count; i++) {
            begin_item(w);
            put_text(w, "number", config->numbers[i].number);
            put_text(w, "trunk", config->numbers[i].trunk);
            put_text(w, "display_name", config->numbers[i].display_name);
            put_number(w, "max_calls", config->numbers[i].max_calls);
            end_item(w);
        }
        end_list(w);
    }
    if (begin_list(w, "orgs", config->org_count)) {
        for (size_t i = 0; i < config->org_count; i++) {
            begin_item(w);
            put_text(w, "name", config->orgs[i].name);
            put_number(w, "max_calls", config->orgs[i].max_calls);
            end_item(w);
        }
        end_list(w);
    }
    /* An agent's document is JSON, and so is YAML. */
    start_line(w, "agents");
    fputs(w->json ? "[" : " [", w->out);
    for (size_t i = 0; i < config->agent_count; i++)
        put_agent(w, i > 0, config->agents[i].doc);
    fputs(w->json ? "]" : "]\n", w->out);
}

static void put_breakers(struct writer *w, const struct od_config *config)
{
    if (!begin_list(w, "breakers", config->breaker_count))
        return;
    for (size_t i = 0; i < config->breaker_count; i++) {
        const struct od_config_breaker *breaker = &config->breakers[i];
        const struct od_breaker_rule *rule = &breaker->rule;
        begin_item(w);
        put_text(w, "per", od_breaker_axis_name(rule->axis));
        if (rule->axis == OD_BREAKER_PREFIX)
            put_number(w, "prefix_digits", rule->digits);
        put_text(w, "answered_min", breaker->answered_min);
        put_text(w, "short_max", breaker->short_max);
        put_number(w, "short_s", rule->short_ms / 1000);
        put_text(w, "failed_max", breaker->failed_max);
        put_number(w, "min_calls", rule->calls_min);
        put_number(w, "window_s", rule->window_ms / 1000);
        put_number(w, "wait_s", rule->wait_ms / 1000);
        put_number(w, "wait_max_s", rule->wait_ms_max / 1000);
        put_number(w, "probes", rule->probes);
        end_item(w);
    }
    end_list(w);
}

static void put_caps(struct writer *w, const struct od_config *config)
{
    if (!begin_list(w, "caps", config->cap_count))
        return;
    for (size_t i = 0; i < config->cap_count; i++) {
        begin_item(w);
        put_number(w, "attempts", config->caps[i].cap.attempts);
        put_raw(w, "per_h", config->caps[i].per_h);
        end_item(w);
    }
    end_list(w);
}

/* How webhooks get to where they go. */
static void put_hook_ways(struct writer *w, const struct od_config *config)
{
    const char *at = strrchr(config->webhooks.proxy_url, '@');
    char url[400];
    snprintf(url, sizeof url, at ? "http://***%s" : "%s", at ? at : config->webhooks.proxy_url);
    put_text(w, "ca_file", config->webhooks.ca_file);
    if (begin_list(w, "client_certs", config->webhooks.client_cert_count)) {
        for (size_t i = 0; i < config->webhooks.client_cert_count; i++) {
            const struct od_config_client_cert *cert = &config->webhooks.client_certs[i];
            begin_item(w);
            put_text(w, "host", cert->written);
            put_text(w, "cert", cert->cert);
            put_text(w, "key", cert->key);
            end_item(w);
        }
        end_list(w);
    }
    begin_map(w, "proxy");
    put_text(w, "url", url);
    put_text(w, "except", config->webhooks.proxy_except);
    put_text(w, "lookup", config->webhooks.proxy_looks_up ? "proxy" : "here");
    end_map(w);
}

static void put_config(struct writer *w, const struct od_config *config)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    static const char *const formats[] = {"auto", "text", "json"};
    size_t listeners = 0;
    while (config->sip.listen[listeners])
        listeners++;

    put_text(w, "data_dir", config->data_dir);
    begin_map(w, "http");
    put_text(w, "listen", config->http.listen);
    begin_map(w, "tls");
    put_text(w, "cert", config->http.tls_cert);
    put_text(w, "key", config->http.tls_key);
    end_map(w);
    begin_map(w, "rate");
    put_number(w, "per_key", config->http.rate_per_key);
    put_number(w, "per_address", config->http.rate_per_address);
    end_map(w);
    end_map(w);
    begin_map(w, "redis");
    put_redis_url(w, config->redis.url);
    put_number(w, "await_s", config->redis.await_ms / 1000);
    end_map(w);
    begin_map(w, "journal");
    put_text(w, "dir", config->journal.dir);
    put_bool(w, "fsync", config->journal.fsync);
    put_number(w, "size_mb", config->journal.size_mb);
    put_number(w, "keep_s", config->journal.keep_ms / 1000);
    end_map(w);
    begin_map(w, "sip");
    put_texts(w, "listen", config->sip.listen, listeners);
    put_text(w, "advertise", config->sip.advertise);
    put_text(w, "user_agent", config->sip.user_agent);
    put_text(w, "ca_file", config->sip.ca_file);
    put_text(w, "nameserver", config->sip.nameserver);
    end_map(w);
    begin_map(w, "rtp");
    put_text(w, "ports", config->rtp.ports);
    put_text(w, "address", config->rtp.address);
    put_text(w, "advertise", config->rtp.advertise);
    end_map(w);
    begin_map(w, "limits");
    put_number(w, "calls_max", config->limits.calls_max);
    put_number(w, "contacts_leased_max", config->limits.contacts_leased_max);
    put_number(w, "drain_timeout_s", config->limits.drain_timeout_s);
    end_map(w);
    begin_map(w, "failover");
    put_number(w, "tries", config->failover.tries);
    put_number(w, "within_s", config->failover.within_ms / 1000);
    end_map(w);
    begin_map(w, "auth");
    put_keys(w, config);
    end_map(w);
    begin_map(w, "secrets");
    put_text(w, "key", *config->secrets.key ? "***" : "");
    end_map(w);
    put_lists(w, config);
    begin_map(w, "agent_default");
    put_text(w, "kind", "stream");
    put_text(w, "url", *config->agent_default.url ? "***" : "");
    put_text(w, "format", config->agent_default.format);
    put_text(w, "auth_token", *config->agent_default.auth_token ? "***" : "");
    put_text(w, "bearer", *config->agent_default.bearer ? "***" : "");
    end_map(w);
    begin_map(w, "streams");
    put_bool(w, "allow_private", config->streams.allow_private);
    put_text(w, "ca_file", config->streams.ca_file);
    put_text(w, "unix_dir", config->streams.unix_dir);
    end_map(w);
    begin_map(w, "compat");
    put_bool(w, "dasha_running_status", config->compat.dasha_running_status);
    end_map(w);
    begin_map(w, "hours");
    put_text(w, "legal", config->hours.legal);
    end_map(w);
    put_breakers(w, config);
    put_caps(w, config);
    begin_map(w, "webhooks");
    put_bool(w, "allow_private", config->webhooks.allow_private);
    put_number(w, "timeout_ms", config->webhooks.timeout_ms);
    put_text(w, "signing_secret", *config->webhooks.signing_secret ? "***" : "");
    put_text(w, "allow", config->webhooks.allow);
    put_text(w, "ports", config->webhooks.ports);
    put_text(w, "retry_s", config->webhooks.retry_s);
    put_hook_ways(w, config);
    end_map(w);
    begin_map(w, "log");
    put_text(w, "level", levels[config->log.level]);
    put_text(w, "format", formats[config->log.format]);
    end_map(w);
}

void od_options_dump(const struct od_config *config, FILE *out)
{
    put_config(&(struct writer){.out = out}, config);
}

void od_options_dump_json(const struct od_config *config, FILE *out)
{
    fputc('{', out);
    put_config(&(struct writer){.out = out, .json = true, .first = true}, config);
    fputs("}\n", out);
}
