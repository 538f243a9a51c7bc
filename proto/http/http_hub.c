/*
 * http_hub - what the connections of one server share: limits with their defaults, the deadlines'
 * timer, work put off, and the ends of all of them at once.
 */
#include "proto/http/http_hub.h"

#include <sys/random.h>

static void fill_defaults(struct od_http_server_config *config)
{
    config->listen = NULL;
    if (!config->connections_max)
        config->connections_max = 20000;
    if (!config->header_bytes_max)
        config->header_bytes_max = 16 * 1024;
    if (config->header_bytes_max > OD_HTTP_HEAD_BYTES_LIMIT)
        config->header_bytes_max = OD_HTTP_HEAD_BYTES_LIMIT;
    if (!config->target_bytes_max)
        config->target_bytes_max = 8 * 1024;
    if (!config->body_bytes_max)
        config->body_bytes_max = 1024 * 1024;
    if (!config->write_queue_bytes_max)
        config->write_queue_bytes_max = 4 * 1024 * 1024;
    if (!config->idle_ms)
        config->idle_ms = 60000;
    if (!config->head_ms)
        config->head_ms = 10000;
    if (!config->linger_ms)
        config->linger_ms = 2000;
    if (!config->rate_window_ms)
        config->rate_window_ms = 10000;
    if (!config->rate_bytes_per_s_min)
        config->rate_bytes_per_s_min = 512;
}

void od_http_hub_init(struct od_http_hub *hub, uv_loop_t *loop,
                      const struct od_http_server_config *config,
                      const struct od_http_handler *handler)
{
    *hub = (struct od_http_hub){.loop = loop, .config = *config, .handler = *handler};
    fill_defaults(&hub->config);
    od_http_deadlines_init(&hub->deadlines, loop, od_http_conn_expired, hub);
    od_http_laters_init(&hub->laters, loop, od_http_conn_later, hub);
    if (getrandom(&hub->ids.state, sizeof hub->ids.state, GRND_NONBLOCK) < 0)
        hub->ids.state = uv_hrtime(); /* the ids need to differ, not to be secret */
}

void od_http_hub_drain(struct od_http_hub *hub)
{
    hub->draining = true;
    for (struct od_http_conn *conn = hub->conns; conn; conn = conn->next) {
        if (conn->phase == OD_HTTP_IDLE)
            od_http_conn_cut(conn);
    }
}

void od_http_hub_cut(struct od_http_hub *hub)
{
    for (struct od_http_conn *conn = hub->conns; conn; conn = conn->next)
        od_http_conn_cut(conn);
}

static void handle_closed(void *ctx)
{
    struct od_http_hub *hub = ctx;
    if (--hub->handles == 0)
        hub->on_closed(hub->ctx);
}

void od_http_hub_close(struct od_http_hub *hub)
{
    hub->handles = 2;
    od_http_deadlines_close(&hub->deadlines, handle_closed);
    od_http_laters_close(&hub->laters, handle_closed);
}
