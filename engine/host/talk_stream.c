/*
 * talk_stream - the stream agent of a call: the conversation (engine/agent/stream.h) joined with
 * its connection (stream_hub.h) and with what the engine itself sees to (engine/agent/conduct.h).
 *
 * When the connection is made is the agent's choice. "ringing": before the INVITE; until the bot is
 * there (or has accepted the call, where the format asks it) the call isn't dialled. With if_down
 * "ring" the call doesn't wait for it, and it is tried again at the answer. "answer": at the
 * answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "engine/agent/conduct.h"
#include "engine/agent/handover.h"
#include "engine/agent/stream.h"
#include "engine/agent/transfer_read.h"
#include "engine/base/str.h"
#include "engine/host/log.h"
#include "engine/host/stream_hub.h"
#include "engine/host/talk_agent.h"
#include "engine/host/talk_session.h"
#include "outdial/err.h"
#include "proto/redis/redis_store.h"

enum { PATIENCE_MS = 2500, TOOLS_AT_ONCE = 8, TOOL_ID_MAX = 128 };

struct talk_stream;

/* A tool call under way. */
struct tool_call {
    struct talk_stream *self; /* NULL: free */
    uint64_t id;
    char agent_id[TOOL_ID_MAX]; /* what the agent calls it, as JSON */
};

/* Everything of the definition is copied: the agent may be made before the call holds it. */
struct talk_stream {
    struct od_talk_agent agent;
    struct od_talk_session *session;
    struct od_stream *stream;
    struct od_link *link; /* NULL: none */
    const struct od_dialect *dialect;
    char name[OD_NAME_MAX * 2]; /* the agent's */
    char *url, *auth_token, *bearer;
    bool connect_at_answer, ring_when_down;
    bool answered, heard_now;
    struct tool_call tools[TOOLS_AT_ONCE];
    char transfer[OD_ENDPOINT_MAX]; /* the callee is handed on when all was said: to whom */
    char *order;                    /* the order it came in, as JSON */
    size_t order_bytes;
    bool hand_on, join;           /* the first, or the end of its briefing, is owed */
    struct od_transfer how;       /* and how */
    struct od_transfer transfers; /* as the agent's document says */
    struct od_conduct conduct;
    struct od_agent_features features;
    uint32_t max_duration_s;
};

static struct talk_stream *stream_of(struct od_talk_agent *agent)
{
    return (struct talk_stream *)agent; /* its first member */
}

/* ---- the connection ---- */

static void fail(struct talk_stream *self, const char *why)
{
    od_talk_session_fail(self->session, OD_EV_AGENT_FAILED, why);
}

static void on_link_opened(void *ctx)
{
    struct talk_stream *self = ctx;
    const struct od_wire_media *media = od_link_media(self->link);
    od_stream_set_sid(self->stream, od_link_sid(self->link));
    if (media && od_stream_set_media(self->stream, media)) {
        fail(self, "agent: no memory");
        return;
    }
    od_stream_opened(self->stream);
    if (!od_dialect_shared(self->dialect))
        od_talk_session_admit(self->session);
}

static bool on_link_message(void *ctx, bool text, const uint8_t *at, size_t bytes)
{
    struct talk_stream *self = ctx;
    return od_stream_message(self->stream, text, at, bytes);
}

static bool on_link_command(void *ctx, const struct od_stream_command *command)
{
    struct talk_stream *self = ctx;
    return od_stream_command(self->stream, command);
}

static bool on_link_go_on(void *ctx)
{
    struct talk_stream *self = ctx;
    return od_stream_go_on(self->stream);
}

static void on_link_room(void *ctx)
{
    struct talk_stream *self = ctx;
    od_stream_room(self->stream);
}

static void on_link_closed(void *ctx, bool orderly, const char *why)
{
    struct talk_stream *self = ctx;
    self->link = NULL;
    od_stream_closed(self->stream);
    if (self->answered && orderly)
        od_stream_left(self->stream);
    else if (!self->answered && self->ring_when_down)
        od_log(OD_CONFIG_LOG_WARN, "agent", "%s: %s; it is tried again at the answer", self->name,
               why);
    else
        fail(self, why);
}

static const struct od_link_user link_user = {.opened = on_link_opened,
                                              .message = on_link_message,
                                              .command = on_link_command,
                                              .go_on = on_link_go_on,
                                              .room = on_link_room,
                                              .closed = on_link_closed};

static int connect_bot(struct talk_stream *self)
{
    return od_link_open(self->session->host->streams,
                        &(struct od_link_setup){.dialect = self->dialect,
                                                .url = self->url,
                                                .auth_token = self->auth_token,
                                                .bearer = self->bearer,
                                                .patience_ms = PATIENCE_MS,
                                                .user = &link_user,
                                                .ctx = self},
                        &self->link);
}

/* ---- the stream's port ---- */

static void on_send(void *ctx, bool text, const char *at, size_t bytes)
{
    struct talk_stream *self = ctx;
    if (self->link)
        od_link_send(self->link, text, at, bytes);
}

static size_t on_queued(void *ctx)
{
    struct talk_stream *self = ctx;
    return self->link ? od_link_queued(self->link) : 0;
}

static void on_done(void *ctx)
{
    struct talk_stream *self = ctx;
    od_talk_session_done(self->session);
}

static void on_odd(void *ctx, const char *what)
{
    struct talk_stream *self = ctx;
    od_log(OD_CONFIG_LOG_WARN, "agent", "%s: %s", self->name, what);
}

/* ---- tools ---- */

static void tell_tool(struct talk_stream *self, const char *agent_id, bool ok, const char *json,
                      size_t bytes)
{
    size_t size = strlen(agent_id) + bytes + 64;
    char *text = malloc(size);
    if (!text)
        return;
    snprintf(text, size, "{\"id\":%s,\"ok\":%s,\"result\":%.*s}", agent_id, ok ? "true" : "false",
             (int)bytes, json);
    od_stream_tool_result(self->stream, text);
    free(text);
}

static void on_tool_done(void *ctx, int err, const char *json, size_t bytes)
{
    struct tool_call *call = ctx;
    struct talk_stream *self = call->self;
    call->self = NULL;
    tell_tool(self, call->agent_id, !err, json, bytes);
}

static int run_tool(struct talk_stream *self, struct tool_call *call, yyjson_val *order)
{
    const struct od_talk_events *events = &self->session->host->events;
    const struct od_job *job = events->job(events->ctx, self->session->job);
    const struct od_agent_def *def =
        job ? events->agent(events->ctx, self->session->call, job) : NULL;
    const char *name = yyjson_get_str(yyjson_obj_get(order, "name"));
    size_t bytes = 0;
    char *arguments = yyjson_val_write(yyjson_obj_get(order, "arguments"), 0, &bytes);
    int err = def && name && events->tool ? 0 : OD_ENOENT;
    if (!err) {
        call->self = self;
        err = events->tool(events->ctx, def, job, name, (struct od_text){arguments, bytes},
                           on_tool_done, call, &call->id);
    }
    if (err)
        call->self = NULL;
    free(arguments);
    return err;
}

static void call_tool(struct talk_stream *self, const struct od_stream_command *command)
{
    yyjson_doc *doc = yyjson_read(command->json, command->json_bytes, 0);
    yyjson_val *order = yyjson_doc_get_root(doc);
    struct tool_call *call = self->tools, *end = self->tools + TOOLS_AT_ONCE;
    char error[96];
    while (call < end && call->self)
        call++;
    char *id = yyjson_val_write(yyjson_obj_get(order, "id"), 0, NULL);
    const char *agent_id = id && strlen(id) < TOOL_ID_MAX ? id : "null";
    int err = call < end ? 0 : OD_EBUSY;
    if (!err) {
        od_str_copy(call->agent_id, sizeof call->agent_id, agent_id, strlen(agent_id));
        err = run_tool(self, call, order);
    }
    if (err) {
        int n = snprintf(error, sizeof error, "{\"error\":\"%s\"}",
                         err == OD_ENOENT ? "the agent has no such tool" : od_err_text(err));
        tell_tool(self, agent_id, false, error, (size_t)n);
    }
    free(id);
    yyjson_doc_free(doc);
}

static void cancel_tools(struct talk_stream *self)
{
    const struct od_talk_events *events = &self->session->host->events;
    for (unsigned i = 0; i < TOOLS_AT_ONCE; i++) {
        if (self->tools[i].self)
            events->tool_cancel(events->ctx, self->tools[i].id);
    }
}

/* ---- handing the callee on ---- */

static void tell_transfer(struct talk_stream *self, unsigned status, bool final)
{
    char json[64];
    snprintf(json, sizeof json, "{\"status\":%u,\"final\":%s}", status, final ? "true" : "false");
    od_stream_notice(self->stream, "transfer", json);
}

static void transfer(struct talk_stream *self)
{
    struct od_text order = {self->order ? self->order : "", self->order ? self->order_bytes : 0};
    int err = od_talk_transfer_begin(self->session, self->transfer, &self->how, order);
    self->hand_on = false;
    if (err)
        tell_transfer(self, od_talk_transfer_status(err), true);
}

static void on_referred(struct od_talk_agent *agent, uint64_t now_ns, uint16_t status, bool final)
{
    struct talk_stream *self = stream_of(agent);
    (void)now_ns;
    tell_transfer(self, status, final);
    if (final && status >= 300 && self->how.fail_hangup)
        od_talk_session_done(self->session);
}

/* {"join": true} ends a briefing, {"cancel": true} a transfer that hasn't come about. */
static bool take_word(struct talk_stream *self, yyjson_val *order)
{
    if (yyjson_is_true(yyjson_obj_get(order, "join"))) {
        self->join = true; /* when what was said to the other one has been heard */
        return true;
    }
    if (!yyjson_is_true(yyjson_obj_get(order, "cancel")))
        return false;
    bool asking = self->hand_on || self->session->transfer.ask;
    self->hand_on = false;
    od_talk_transfer_end(self->session);
    if (asking)
        tell_transfer(self, 487, true);
    else if (od_talk_bridge_cancel(self->session))
        tell_transfer(self, 481, true);
    return true;
}

static void take_transfer(struct talk_stream *self, const struct od_stream_command *command)
{
    char why[256] = "no memory";
    struct od_transfer how = self->transfers;
    yyjson_doc *doc =
        command->json_bytes ? yyjson_read(command->json, command->json_bytes, 0) : NULL;
    yyjson_val *order = yyjson_doc_get_root(doc);
    const char *route = yyjson_get_str(yyjson_obj_get(order, "route"));
    char *copy = command->json_bytes ? strndup(command->json, command->json_bytes) : NULL;
    int err = command->json_bytes && !copy ? OD_ENOMEM : 0;
    if (!err && take_word(self, order)) {
        free(copy);
        yyjson_doc_free(doc);
        return;
    }
    if (!err)
        err = od_transfer_parse(command->json, command->json_bytes, &how, why, sizeof why);
    bool named = !err && !command->text_bytes && route;
    const char *word = named ? route : command->text;
    size_t bytes = named ? strlen(route) : command->text_bytes;
    if (!err && bytes >= sizeof self->transfer) {
        snprintf(why, sizeof why, "transfer: the target is too long");
        err = OD_EINVAL;
    }
    if (err) {
        free(copy);
        on_odd(self, why);
        tell_transfer(self, 400, true);
    } else {
        od_str_copy(self->transfer, sizeof self->transfer, word, bytes);
        free(self->order);
        self->order = copy;
        self->order_bytes = command->json_bytes;
        self->how = how;
        self->hand_on = true;
    }
    yyjson_doc_free(doc);
}

/* What was still to be said when the other one answered is not said afterwards. */
static void stand_back(struct talk_stream *self, enum od_bridge_step step)
{
    static const struct od_stream_command clear = {.kind = OD_STREAM_CLEAR};
    od_stream_command(self->stream, &clear);
    od_stream_notice(self->stream, "transfer",
                     step == OD_BRIDGE_JOINED
                         ? "{\"status\":200,\"final\":false,\"bridged\":true}"
                         : "{\"status\":200,\"final\":false,\"bridged\":false,\"briefing\":true}");
}

static void on_bridged(struct od_talk_agent *agent, uint64_t now_ns, enum od_bridge_step step,
                       const struct od_outcome *outcome)
{
    struct talk_stream *self = stream_of(agent);
    char json[160];
    (void)now_ns;
    self->join = false;
    if (step == OD_BRIDGE_JOINED || step == OD_BRIDGE_BRIEFING) {
        stand_back(self, step);
        return;
    }
    snprintf(json, sizeof json,
             "{\"status\":%u,\"final\":true,\"bridged\":false,\"talked\":%s,\"outcome\":\"%s\"}",
             outcome->sip_status, step == OD_BRIDGE_OVER ? "true" : "false",
             od_cause_name(outcome->cause));
    od_stream_notice(self->stream, "transfer", json);
    if (step == OD_BRIDGE_OVER ? !self->how.end_agent : self->how.fail_hangup)
        od_talk_session_done(self->session);
}

static void on_order(void *ctx, const struct od_stream_command *command)
{
    struct talk_stream *self = ctx;
    char why[OD_REASON_MAX];
    switch ((enum od_stream_command_kind)command->kind) {
    case OD_STREAM_ACCEPT:
        od_talk_session_admit(self->session);
        break;
    case OD_STREAM_REJECT:
        od_str_copy(why, sizeof why, command->text, command->text_bytes);
        fail(self, *why ? why : "the agent refused the call");
        break;
    case OD_STREAM_TOOL_CALL:
        call_tool(self, command);
        break;
    case OD_STREAM_TRANSFER:
        take_transfer(self, command);
        break;
    case OD_STREAM_SEND_DTMF:
        if (od_media_leg_send_keys(&self->session->leg, command->text, command->text_bytes,
                                   command->ms))
            on_odd(self, "keys that can't be sent");
        break;
    default:
        break;
    }
}

/* ---- the agent's operations ---- */

static void on_start(struct od_talk_agent *agent, uint64_t now_ns)
{
    struct talk_stream *self = stream_of(agent);
    (void)now_ns;
    self->answered = true;
    od_conduct_init(&self->conduct, &self->features, self->max_duration_s);
    od_stream_start(self->stream);
    if (!self->link && connect_bot(self))
        fail(self, "agent: the URL can't be used");
}

static void on_frame(struct od_talk_agent *agent, uint64_t now_ns, uint8_t ulaw[OD_FRAME_BYTES])
{
    struct talk_stream *self = stream_of(agent);
    (void)now_ns;
    self->heard_now = false;
    if (od_conduct_may_speak(&self->conduct))
        self->heard_now = od_stream_frame(self->stream, ulaw) > 0;
    else
        memset(ulaw, OD_ULAW_SILENCE, OD_FRAME_BYTES);
}

static void on_heard(struct od_talk_agent *agent, uint64_t now_ns,
                     const uint8_t ulaw[OD_FRAME_BYTES], enum od_jitter_frame what)
{
    struct talk_stream *self = stream_of(agent);
    (void)now_ns;
    (void)what;
    od_stream_heard(self->stream, ulaw);
    od_conduct_heard(&self->conduct, ulaw);
}

static void on_digit(struct od_talk_agent *agent, uint64_t now_ns, char digit)
{
    struct talk_stream *self = stream_of(agent);
    (void)now_ns;
    od_stream_digit(self->stream, digit);
    od_conduct_key(&self->conduct);
}

static void take_fact(struct talk_stream *self, enum od_conduct_fact fact)
{
    char json[96];
    struct od_buf buf;
    const struct od_conduct *conduct = &self->conduct;
    od_buf_init(&buf, json, sizeof json);
    switch (fact) {
    case OD_CONDUCT_SPEAK:
        od_buf_str(&buf, "{\"delay_ms\":");
        od_buf_u64(&buf, conduct->features.talk_first_delay_ms);
        od_buf_char(&buf, '}');
        od_stream_notice(self->stream, "talk_first", json);
        break;
    case OD_CONDUCT_REMIND:
        od_buf_str(&buf, "{\"silent_ms\":");
        od_buf_u64(&buf, conduct->features.silence_ms);
        od_buf_str(&buf, ",\"reminder\":");
        od_buf_u64(&buf, conduct->reminder);
        od_buf_str(&buf, ",\"of\":");
        od_buf_u64(&buf, conduct->features.silence_reminders);
        od_buf_char(&buf, '}');
        od_stream_notice(self->stream, "silence", json);
        break;
    case OD_CONDUCT_ENDS_SOON:
        od_buf_str(&buf, "{\"ends_in_ms\":");
        od_buf_u64(&buf, conduct->left_ms);
        od_buf_char(&buf, '}');
        od_stream_notice(self->stream, "max_duration", json);
        break;
    case OD_CONDUCT_GIVE_UP:
        od_log(OD_CONFIG_LOG_DEBUG, "agent", "%s: nobody speaks: the call ends", self->name);
        od_talk_session_done(self->session);
        break;
    case OD_CONDUCT_NOTHING:
        break;
    }
}

static void on_after(struct od_talk_agent *agent, uint64_t now_ns, uint32_t frames)
{
    struct talk_stream *self = stream_of(agent);
    if (self->hand_on && !od_stream_talking(self->stream))
        transfer(self);
    if (self->join && !od_stream_talking(self->stream)) {
        self->join = false;
        if (od_talk_bridge_complete(self->session, now_ns))
            tell_transfer(self, 481, true);
    }
    while (frames--) {
        od_stream_after(self->stream);
        enum od_conduct_fact fact = od_conduct_step(&self->conduct, self->heard_now);
        for (; fact != OD_CONDUCT_NOTHING; fact = od_conduct_next(&self->conduct))
            take_fact(self, fact);
    }
}

static void on_verdict(struct od_talk_agent *agent, uint64_t now_ns,
                       const struct od_amd_verdict *verdict)
{
    char json[160];
    (void)now_ns;
    snprintf(json, sizeof json, "{\"kind\":\"%s\",\"confidence\":%u,\"at_ms\":%u,\"settled\":%s}",
             od_amd_kind_name((enum od_amd_kind)verdict->kind), (unsigned)verdict->confidence,
             (unsigned)verdict->at_ms, verdict->settled ? "true" : "false");
    od_stream_notice(stream_of(agent)->stream, "amd", json);
}

static void free_stream(struct talk_stream *self)
{
    od_stream_destroy(self->stream);
    free(self->url);
    if (self->auth_token)
        explicit_bzero(self->auth_token, strlen(self->auth_token));
    if (self->bearer)
        explicit_bzero(self->bearer, strlen(self->bearer));
    free(self->auth_token);
    free(self->bearer);
    free(self->order);
    free(self);
}

/* What the two didn't hear of one another, for the call's record. */
static void note_missed(struct talk_stream *self)
{
    enum { ULAW_BYTES_PER_MS = 8 };
    struct od_talk_missed *total = self->session->host->missed;
    struct od_stream_stats stats;
    char json[80];
    od_stream_stats(self->stream, &stats);
    total->heard_frames += stats.dropped_heard;
    total->spoken_bytes += stats.dropped_bytes;
    if (!stats.dropped_heard && !stats.dropped_bytes)
        return;
    int n = snprintf(json, sizeof json, "{\"missed_ms\":%llu,\"dropped_ms\":%llu}",
                     (unsigned long long)stats.dropped_heard * OD_FRAME_MS,
                     (unsigned long long)stats.dropped_bytes / ULAW_BYTES_PER_MS);
    od_talk_session_note(self->session, "stream", json, (size_t)n);
}

static char *on_finish(struct od_talk_agent *agent, enum od_cause cause, size_t *bytes)
{
    struct talk_stream *self = stream_of(agent);
    cancel_tools(self);
    note_missed(self);
    od_stream_stop(self->stream, od_cause_name(cause), 0);
    if (self->link)
        od_link_leave(self->link);
    char *result = od_stream_result(self->stream, bytes);
    size_t transcript_bytes;
    char *transcript = od_stream_transcript(self->stream, &transcript_bytes);
    if (transcript)
        od_talk_session_note(self->session, "transcript", transcript, transcript_bytes);
    free(transcript);
    free_stream(self);
    return result;
}

static const struct od_talk_agent_ops ops = {.start = on_start,
                                             .frame = on_frame,
                                             .heard = on_heard,
                                             .after = on_after,
                                             .digit = on_digit,
                                             .verdict = on_verdict,
                                             .referred = on_referred,
                                             .bridged = on_bridged,
                                             .finish = on_finish};

/* ---- making ---- */

static bool copy_text(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

static bool copy_def(struct talk_stream *self, const struct od_agent_def *def)
{
    const struct od_agent_stream *stream = &def->stream;
    self->dialect = stream->dialect;
    self->connect_at_answer = stream->connect_at_answer;
    self->ring_when_down = stream->ring_when_down;
    self->features = def->features;
    self->transfers = def->transfer;
    self->max_duration_s = def->max_duration_s;
    memcpy(self->name, def->name, sizeof self->name);
    return copy_text(&self->url, stream->url) && copy_text(&self->auth_token, stream->auth_token) &&
           copy_text(&self->bearer, stream->bearer);
}

enum { AMD_MAX = 64 };

/* Whether it is listened for who takes the call, and who does: known of an agent that begins anew.
 */
static void write_amd(char out[AMD_MAX], const struct od_talk_session *session,
                      const struct od_agent_def *def)
{
    static const char *const modes[] = {
        [OD_AMD_OFF] = "off", [OD_AMD_ASYNC] = "async", [OD_AMD_SYNC] = "sync"};
    const char *kind = session->media.amd ? od_amd_answered_by(session->media.amd) : "";
    snprintf(out, AMD_MAX, "{\"mode\":\"%s\",\"kind\":\"%s\"}", modes[def->amd_mode],
             *kind ? kind : "unknown");
}

static int make_stream(struct talk_stream *self, const struct od_agent_def *def,
                       const struct od_job *job)
{
    char *params, *details;
    const char *from = job->from && *job->from ? job->from : def->number;
    const char *to = job->to ? job->to : "";
    char amd[AMD_MAX];
    write_amd(amd, self->session, def);
    int err = od_handover_write(&(struct od_handover){.def = def,
                                                      .call = job->uid,
                                                      .agent = job->agent,
                                                      .campaign = job->campaign,
                                                      .attempt = job->attempt,
                                                      .amd = amd,
                                                      .from = from,
                                                      .to = to,
                                                      .context = job->context.at,
                                                      .context_bytes = job->context.bytes,
                                                      .extra = job->extra.at,
                                                      .extra_bytes = job->extra.bytes},
                                &params, &details);
    if (err)
        return err;
    err = od_stream_create(
        &self->stream,
        &(struct od_stream_setup){.dialect = self->dialect,
                                  .rate = def->stream.rate,
                                  .buffer_s = def->stream.buffer_s,
                                  .pool = od_stream_hub_pool(self->session->host->streams),
                                  .call = job->uid,
                                  .attempt = job->attempt,
                                  .campaign = job->campaign,
                                  .amd = amd,
                                  .org = job->org,
                                  .from = from,
                                  .to = to,
                                  .params = params,
                                  .details = details,
                                  .port = {.ctx = self,
                                           .send = on_send,
                                           .queued = on_queued,
                                           .done = on_done,
                                           .order = on_order,
                                           .odd = on_odd}});
    free(params);
    free(details);
    return err;
}

int od_talk_stream_create(struct od_talk_agent **out, struct od_talk_session *session,
                          const struct od_agent_def *def, const struct od_job *job)
{
    struct talk_stream *self = calloc(1, sizeof *self);
    *out = NULL;
    if (!self)
        return OD_ENOMEM;
    self->agent.ops = &ops;
    self->agent.keys = self->agent.briefs = true;
    self->session = session;
    int err = copy_def(self, def) ? make_stream(self, def, job) : OD_ENOMEM;
    if (!err && !self->connect_at_answer)
        err = connect_bot(self);
    if (err) {
        free_stream(self);
        return err;
    }
    *out = &self->agent;
    return 0;
}
