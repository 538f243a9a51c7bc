/*
 * talk_glue - what the talk asks of the other parts: jobs and agents, results, tools, transfers,
 * and a line in the call's trace.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/host/host.h"
#include "engine/host/log.h"
#include "engine/host/resolve.h"
#include "outdial/err.h"

static const struct od_job *talk_job(void *ctx, struct od_job_id job)
{
    struct od_host *host = ctx;
    return od_store_job(host->store, job);
}

static const struct od_agent_def *talk_agent(void *ctx, struct od_call_id call,
                                             const struct od_job *job)
{
    struct od_host *host = ctx;
    const struct od_agent_def *held = od_legs_agent(host->legs, call);
    return held ? held : od_catalog_find_agent(host->catalog, &job->agent);
}

static void talk_result(void *ctx, struct od_job_id job, const char *json, size_t bytes)
{
    struct od_host *host = ctx;
    if (od_store_job_result(host->store, job, json, bytes) == OD_ETOOBIG)
        od_log(OD_CONFIG_LOG_WARN, "talk", "a call's result is above 64 KiB and was left out");
}

static void talk_capacity(void *ctx, const char *url, uint32_t calls)
{
    struct od_host *host = ctx;
    if (host->catalog)
        od_catalog_capacity(host->catalog, url, calls);
}

static int talk_tool(void *ctx, const struct od_agent_def *def, const struct od_job *job,
                     const char *name, struct od_text arguments,
                     void (*done)(void *done_ctx, int err, const char *json, size_t bytes),
                     void *done_ctx, uint64_t *id)
{
    struct od_host *host = ctx;
    struct od_tool_id tool = {0};
    int err = od_tools_run(
        host->tools,
        &(struct od_tool_ask){.agent = def, .job = job, .tool = name, .arguments = arguments}, done,
        done_ctx, &tool);
    *id = tool.ask;
    return err;
}

static int talk_route(void *ctx, const struct od_agent_def *def, const struct od_job *job,
                      struct od_text order,
                      void (*done)(void *done_ctx, int err, const char *json, size_t bytes),
                      void *done_ctx, uint64_t *id)
{
    struct od_host *host = ctx;
    struct od_tool_id ask = {0};
    int err = od_tools_route(host->tools, def, job, order, done, done_ctx, &ask);
    *id = ask.ask;
    return err;
}

static void talk_tool_cancel(void *ctx, uint64_t id)
{
    struct od_host *host = ctx;
    od_tools_cancel(host->tools, (struct od_tool_id){id});
}

static void talk_media(void *ctx, struct od_job_id job, const char *json, size_t bytes)
{
    struct od_host *host = ctx;
    od_store_job_media(host->store, job, json, bytes);
}

/* A line in the call's trace. */
static void talk_verdict(void *ctx, struct od_call_id call, const struct od_amd_verdict *verdict)
{
    struct od_host *host = ctx;
    char text[96];
    snprintf(text, sizeof text, "answered by: %s (%u %%%s), %u ms after %s",
             od_amd_kind_name((enum od_amd_kind)verdict->kind), verdict->confidence,
             verdict->settled ? "" : ", provisional", (unsigned)verdict->at_ms,
             verdict->early ? "early media began" : "the answer");
    od_ladder_add(host->ladder, call, od_turn_now().wall_ms, OD_LADDER_STEP, text);
}

static void talk_transfer(void *ctx, struct od_job_id job)
{
    struct od_host *host = ctx;
    od_store_job_transfer(host->store, job);
}

static int talk_refer(void *ctx, struct od_call_id call, const char *target)
{
    struct od_host *host = ctx;
    return od_sip_refer(host->sip, call, target);
}

static struct od_addr media_advertise(const struct od_config *config)
{
    struct od_addr addr = {0};
    char host[INET6_ADDRSTRLEN + 8];
    if (*config->rtp.advertise && od_addr_parse(config->rtp.advertise, 0, &addr))
        return addr;
    /* sip.advertise may carry a port; for audio only a numeric host is of use. */
    od_str_copy(host, sizeof host, config->sip.advertise, strcspn(config->sip.advertise, ":"));
    if (*host)
        od_addr_parse(host, 0, &addr);
    return addr;
}

bool od_host_open_talk(struct od_host *host)
{
    const struct od_config *config = host->config;
    char why[256] = "";
    if (od_talk_open(&host->talk,
                     &(struct od_talk_config){.loop = &host->loop,
                                              .rtp_ports = config->rtp.ports,
                                              .rtp_address = config->rtp.address,
                                              .data_dir = config->data_dir,
                                              .advertise = media_advertise(config),
                                              .user_agent = "outdial/" OUTDIAL_VERSION,
                                              .ca_file = config->streams.ca_file,
                                              .public_only = !config->streams.allow_private,
                                              .unix_dir = config->streams.unix_dir,
                                              .sessions_max = config->limits.contacts_leased_max},
                     &(struct od_talk_events){.ctx = host,
                                              .post = od_host_post,
                                              .job = talk_job,
                                              .agent = talk_agent,
                                              .result = talk_result,
                                              .capacity = talk_capacity,
                                              .tool = talk_tool,
                                              .tool_cancel = talk_tool_cancel,
                                              .route = talk_route,
                                              .media = talk_media,
                                              .refer = talk_refer,
                                              .transfer = talk_transfer,
                                              .verdict = talk_verdict},
                     why, sizeof why)) {
        od_log(OD_CONFIG_LOG_ERROR, "rtp", "%s", why);
        return false;
    }
    return true;
}
