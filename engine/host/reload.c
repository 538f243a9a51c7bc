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
    char now[400], later[400];
    struct od_buf now_buf, later_buf;
};

static void on_change(void *ctx, const char *key, bool now)
{
    struct changes *changes = ctx;
    struct od_buf *buf = now ? &changes->now_buf : &changes->later_buf;
    if (buf->used)
        od_buf_str(buf, ", ");
    od_buf_str(buf, key);
}

static void refuse(struct od_host *host, const struct od_options_problems *problems)
{
    char more[32] = "";
    host->reload.refused++;
    host->reload.ok = false;
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

static void take_over(struct od_host *host, const struct od_config *fresh)
{
    host->config = fresh;
    od_log_init(fresh->log.level, fresh->log.format);
    if (host->api && od_host_api_change(host))
        od_log(OD_CONFIG_LOG_ERROR, "reload",
               "auth.keys: out of memory: the keys stay as they were");
    od_hours_book_daily(host->hours, &fresh->hours.daily);
    od_host_client_change(host);
    set_caps(host);
    od_catalog_reload(host->catalog, fresh);
    if (host->stage == OD_HOST_SERVING)
        od_host_seed(host);
    od_turn_wake(&host->turn);
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
    od_http_server_reload(host->http); /* certificates are read anew whatever else has changed */
    problems.count = 0;
    if (host->reload.load(&fresh, &problems) || !keep(host, fresh)) {
        od_config_destroy(fresh);
        refuse(host, &problems);
        return;
    }
    od_buf_init(&changes.now_buf, changes.now, sizeof changes.now);
    od_buf_init(&changes.later_buf, changes.later, sizeof changes.later);
    od_options_settle(host->config, fresh, on_change, &changes);
    host->reload.applied++;
    host->reload.ok = true;
    host->reload.needs_restart = changes.later_buf.used > 0;
    if (changes.now_buf.used) {
        take_over(host, fresh);
        od_log(OD_CONFIG_LOG_INFO, "reload", "in effect: %s", changes.now);
    } else {
        host->reload.kept_count--;
        od_config_destroy(fresh);
        od_log(OD_CONFIG_LOG_INFO, "reload", "nothing has changed%s",
               changes.later_buf.used ? " that takes effect now" : "");
    }
    if (changes.later_buf.used)
        od_log(OD_CONFIG_LOG_WARN, "reload", "needs a restart, stays as it is until then: %s",
               changes.later);
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
        (double)reload->at_ms / 1000, reload->ok || !reload->at_ms, reload->needs_restart);
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}
