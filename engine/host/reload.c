/*
 * reload - SIGHUP: the configuration is read again as a whole. What is wrong anywhere in it leaves
 * everything as it was; what is right is taken over, but for keys that only a start reads: those
 * keep their values, and the log names them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/host/host.h"
#include "engine/host/log.h"
#include "engine/host/options.h"
#include "engine/host/options_change.h"

struct changes {
    struct od_buf now, later;
};

static void add_key(struct od_buf *buf, const char *key)
{
    if (buf->used)
        od_buf_str(buf, ", ");
    od_buf_str(buf, key);
}

static void on_change(void *ctx, const char *key, bool now)
{
    struct changes *changes = ctx;
    add_key(now ? &changes->now : &changes->later, key);
}

/* The log has the first line, the API all of them. */
static void refuse(struct od_host *host, const struct od_options_problems *problems)
{
    struct od_host_reload *reload = &host->reload;
    struct od_buf buf;
    char more[32] = "";
    unsigned kept =
        problems->count < OD_OPTIONS_PROBLEMS_MAX ? problems->count : OD_OPTIONS_PROBLEMS_MAX;
    reload->refused++;
    reload->ok = false;
    od_buf_init(&buf, reload->problems, sizeof reload->problems);
    for (unsigned i = 0; i < kept; i++) {
        od_buf_str(&buf, problems->line[i]);
        od_buf_char(&buf, '\n');
    }
    if (!kept)
        od_buf_str(&buf, "no memory\n");
    if (problems->count > 1)
        snprintf(more, sizeof more, " (and %u more)", problems->count - 1);
    od_log(OD_CONFIG_LOG_ERROR, "reload", "refused, all stays as it is: %s%s",
           problems->count ? problems->line[0] : "no memory", more);
}

/* Values are borrowed by all parts, so none of the configurations goes before the end. */
static bool keep(struct od_host *host, struct od_config *fresh)
{
    struct od_host_reload *reload = &host->reload;
    struct od_config **kept =
        realloc(reload->kept, (reload->kept_count + 1) * sizeof(struct od_config *));
    if (!kept)
        return false;
    reload->kept = kept;
    kept[reload->kept_count++] = fresh;
    return true;
}

static void set_caps(struct od_host *host)
{
    struct od_cap caps[OD_CAPS_MAX] = {{0}};
    for (size_t i = 0; i < host->config->cap_count; i++)
        caps[i] = host->config->caps[i].cap;
    od_store_caps(host->store, caps);
}

static void set_engine(struct od_host *host)
{
    const struct od_config *config = host->config;
    struct od_limits limits = {.dialled_max = config->limits.calls_max,
                               .tries_max = (uint8_t)config->failover.tries,
                               .tries_ms_max = config->failover.within_ms};
    if (od_engine_change(host->engine, &limits))
        od_log(OD_CONFIG_LOG_ERROR, "reload", "limits.calls_max or failover: out of range");
}

static bool same_breakers(const struct od_config *a, const struct od_config *b)
{
    bool same = a->breaker_count == b->breaker_count;
    for (size_t i = 0; same && i < a->breaker_count; i++)
        same = memcmp(&a->breakers[i].rule, &b->breakers[i].rule, sizeof a->breakers[i].rule) == 0;
    return same;
}

/* The number of trunks that there is no room for. */
static unsigned take_over(struct od_host *host, const struct od_config *fresh)
{
    bool breakers = !same_breakers(host->config, fresh);
    host->config = fresh;
    set_engine(host);
    if (breakers) /* what was learnt by the old ones is forgotten, so only when they differ */
        od_host_set_breakers(host);
    od_talk_public(host->talk, !fresh->streams.allow_private);
    od_log_init(fresh->log.level, fresh->log.format);
    if (host->api && od_host_api_change(host))
        od_log(OD_CONFIG_LOG_ERROR, "reload",
               "auth.keys: out of memory: the keys stay as they were");
    od_hours_book_daily(host->hours, &fresh->hours.daily);
    od_host_client_change(host);
    set_caps(host);
    unsigned left_out = od_catalog_reload(host->catalog, fresh);
    if (host->stage == OD_HOST_SERVING)
        od_host_seed(host);
    od_turn_wake(&host->turn);
    return left_out;
}

/* A line that may be as long as all keys together, which od_log() would cut. */
static void log_keys(enum od_config_log_level level, const char *what, const char *keys)
{
    char line[sizeof((struct od_host_reload *)0)->in_effect + 64];
    snprintf(line, sizeof line, "%s%s", what, keys);
    od_log_fields(level, "reload", line, NULL);
}

void od_host_reload(struct od_host *host)
{
    static struct od_options_problems problems; /* large */
    struct od_config *fresh = NULL;
    struct changes changes = {0};
    if (!host->catalog || !host->store || host->stage >= OD_HOST_DRAINING) {
        od_log(OD_CONFIG_LOG_WARN, "reload", "not now: %s",
               host->stage >= OD_HOST_DRAINING ? "this process is ending" : "it is still starting");
        return;
    }
    host->reload.at_ms = od_turn_now().wall_ms;
    od_notify_reloading(&host->notify, od_turn_now().mono_ns);
    od_http_server_reload(host->http); /* certificates are read anew whatever else has changed */
    problems.count = 0;
    if (host->reload.load(&fresh, &problems) || !keep(host, fresh)) {
        od_config_destroy(fresh);
        refuse(host, &problems);
        od_notify_say(&host->notify, "READY=1");
        return;
    }
    struct od_host_reload *reload = &host->reload;
    unsigned left_out = 0;
    reload->problems[0] = 0;
    od_buf_init(&changes.now, reload->in_effect, sizeof reload->in_effect);
    od_buf_init(&changes.later, reload->needs_restart, sizeof reload->needs_restart);
    od_options_settle(host->config, fresh, on_change, &changes);
    reload->applied++;
    reload->ok = true;
    if (changes.now.used) {
        left_out = take_over(host, fresh);
        log_keys(OD_CONFIG_LOG_INFO, "in effect: ", reload->in_effect);
    } else {
        reload->kept_count--;
        od_config_destroy(fresh);
        od_log(OD_CONFIG_LOG_INFO, "reload", "nothing has changed%s",
               changes.later.used ? " that takes effect now" : "");
    }
    if (left_out) /* each has been named */
        add_key(&changes.later, "trunks");
    if (changes.later.used)
        log_keys(OD_CONFIG_LOG_WARN,
                 "needs a restart, stays as it is until then: ", reload->needs_restart);
    od_notify_say(&host->notify, "READY=1");
}

void od_host_reload_told(void *ctx, struct od_api_reload *out)
{
    const struct od_host *host = ctx;
    const struct od_host_reload *reload = &host->reload;
    *out = (struct od_api_reload){.at_ms = reload->at_ms,
                                  .ok = reload->ok || !reload->at_ms,
                                  .in_effect = reload->in_effect,
                                  .needs_restart = reload->needs_restart,
                                  .problems = reload->problems};
}

void od_host_reload_deinit(struct od_host *host)
{
    for (size_t i = 0; i < host->reload.kept_count; i++)
        od_config_destroy(host->reload.kept[i]);
    free(host->reload.kept);
    host->reload.kept = NULL;
    host->reload.kept_count = 0;
}

size_t od_host_reload_metrics(const struct od_host *host, char *out, size_t size)
{
    const struct od_host_reload *reload = &host->reload;
    int n = snprintf(
        out, size,
        "# HELP outdial_config_reloads_total Times the configuration was read again.\n"
        "# TYPE outdial_config_reloads_total counter\n"
        "outdial_config_reloads_total{result=\"applied\"} %llu\n"
        "outdial_config_reloads_total{result=\"refused\"} %llu\n"
        "# HELP outdial_config_last_reload_timestamp_seconds When it was last; 0: not yet.\n"
        "# TYPE outdial_config_last_reload_timestamp_seconds gauge\n"
        "outdial_config_last_reload_timestamp_seconds %.3f\n"
        "# HELP outdial_config_last_reload_successful Whether that one was taken over.\n"
        "# TYPE outdial_config_last_reload_successful gauge\n"
        "outdial_config_last_reload_successful %d\n"
        "# HELP outdial_config_needs_restart Whether it names values that only a start reads.\n"
        "# TYPE outdial_config_needs_restart gauge\n"
        "outdial_config_needs_restart %d\n",
        (unsigned long long)reload->applied, (unsigned long long)reload->refused,
        (double)reload->at_ms / 1000, reload->ok || !reload->at_ms, *reload->needs_restart != 0);
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}
