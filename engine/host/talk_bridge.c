/*
 * talk_bridge - see talk_bridge.h.
 */
#include "engine/host/talk_bridge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/host/talk_session.h"
#include "outdial/err.h"

int od_talk_bridge_begin(struct od_talk_session *session, const char *to,
                         const struct od_transfer *how)
{
    struct od_talk_bridge *bridge = &session->bridge;
    struct od_event event = {.kind = OD_EV_BRIDGE, .call = session->call};
    if (!*to || strlen(to) >= sizeof event.u.bridge.to)
        return OD_EINVAL;
    if (session->ended || bridge->asked || bridge->first.gen)
        return OD_ECONFLICT;
    bridge->asked = true;
    bridge->talked = false;
    bridge->how = *how;
    bridge->second = (struct od_call_id){0, 0};
    od_str_copy(bridge->to, sizeof bridge->to, to, strlen(to));
    event.u.bridge.ring_ms = how->ring_ms;
    event.u.bridge.talk_ms_max = how->talk_ms_max;
    memcpy(event.u.bridge.to, bridge->to, sizeof event.u.bridge.to);
    session->host->events.post(session->host->events.ctx, &event);
    od_talk_session_transfer(session);
    return 0;
}

void od_talk_bridge_rings(struct od_talk_session *session)
{
    struct od_talk_bridge *bridge = &session->bridge;
    if (bridge->asked && !bridge->ringback.tone)
        od_ringback_begin(&bridge->ringback, bridge->to);
}

void od_talk_bridge_early(struct od_talk_session *session, struct od_talk_session *leg)
{
    struct od_talk_bridge *bridge = &session->bridge;
    if (!bridge->asked || bridge->early || bridge->partner)
        return;
    bridge->relay = calloc(1, sizeof *bridge->relay);
    if (!bridge->relay)
        return;
    bridge->early = leg;
    leg->bridge.early = session;
}

void od_talk_bridge_wait(struct od_talk_session *session, uint8_t ulaw[OD_FRAME_BYTES])
{
    struct od_talk_bridge *bridge = &session->bridge;
    bool plays = bridge->early && bridge->early->leg.received.received;
    if (plays)
        od_relay_get(bridge->relay, ulaw);
    else if (bridge->ringback.tone)
        od_ringback_frame(&bridge->ringback, ulaw);
}

static void forget(struct od_talk_bridge *bridge)
{
    bridge->partner = bridge->early = bridge->aside = NULL;
    bridge->ringback.tone = NULL;
    free(bridge->relay);
    bridge->relay = NULL;
}

void od_talk_bridge_part(struct od_talk_session *session)
{
    if (session->bridge.partner)
        forget(&session->bridge.partner->bridge);
    if (session->bridge.early)
        forget(&session->bridge.early->bridge);
    if (session->bridge.aside)
        forget(&session->bridge.aside->bridge);
    forget(&session->bridge);
}

static void tell(struct od_talk_session *session, uint64_t now_ns, enum od_bridge_step step,
                 const struct od_outcome *outcome)
{
    if (session->agent && session->agent->ops->bridged)
        session->agent->ops->bridged(session->agent, now_ns, step, outcome);
}

static void join(struct od_talk_session *session, struct od_talk_session *leg, uint64_t now_ns)
{
    session->bridge.aside = leg->bridge.aside = NULL;
    session->bridge.partner = leg;
    leg->bridge.partner = session;
    session->bridge.talked = true;
    session->bridge.joined_ns = now_ns;
    tell(session, now_ns, OD_BRIDGE_JOINED, NULL);
}

int od_talk_bridge_join(struct od_talk_session *session, struct od_talk_session *leg,
                        uint64_t now_ns)
{
    od_talk_bridge_part(session);
    session->bridge.relay = calloc(1, sizeof *session->bridge.relay);
    leg->bridge.relay = calloc(1, sizeof *leg->bridge.relay);
    if (!session->bridge.relay || !leg->bridge.relay) {
        forget(&session->bridge);
        forget(&leg->bridge);
        return OD_ENOMEM;
    }
    if (!session->bridge.how.brief || !session->agent) {
        join(session, leg, now_ns);
        return 0;
    }
    session->bridge.aside = leg;
    leg->bridge.aside = session;
    session->bridge.aside_ns = now_ns;
    tell(session, now_ns, OD_BRIDGE_BRIEFING, NULL);
    return 0;
}

int od_talk_bridge_complete(struct od_talk_session *session, uint64_t now_ns)
{
    struct od_talk_session *leg = session->bridge.aside;
    if (!leg || session->bridge.first.gen)
        return OD_ECONFLICT;
    *session->bridge.relay = *leg->bridge.relay = (struct od_relay){0}; /* said before */
    join(session, leg, now_ns);
    return 0;
}

int od_talk_bridge_cancel(struct od_talk_session *session)
{
    struct od_talk_bridge *bridge = &session->bridge;
    struct od_event event = {.kind = OD_EV_STOP, .call = bridge->second};
    if (!bridge->asked || bridge->partner || !bridge->second.gen)
        return OD_ECONFLICT;
    event.u.stop.cause = OD_CAUSE_CANCELED;
    session->host->events.post(session->host->events.ctx, &event);
    return 0;
}

void od_talk_bridge_tick(struct od_talk_session *session, uint64_t now_ns)
{
    if (session->bridge.aside && !session->bridge.first.gen &&
        now_ns - session->bridge.aside_ns >= session->bridge.how.brief_ms_max * OD_NS_PER_MS)
        od_talk_bridge_complete(session, now_ns);
}

/* ",{...}" for the record. */
static void note(struct od_talk_bridge *bridge, uint64_t now_ns, const struct od_outcome *outcome)
{
    char json[OD_ENDPOINT_MAX + OD_REASON_MAX + 160];
    uint64_t talk_ms = bridge->talked ? (now_ns - bridge->joined_ns) / OD_NS_PER_MS : 0;
    struct od_buf buf;
    od_buf_init(&buf, json, sizeof json);
    od_buf_str(&buf, ",{\"mode\":\"bridge\",\"to\":\"");
    for (const char *c = bridge->to; *c; c++) /* a bot's words: nothing may break out */
        od_buf_char(&buf, *c == '"' || *c == '\\' || (unsigned char)*c < ' ' ? '?' : *c);
    od_buf_str(&buf, "\",\"outcome\":\"");
    od_buf_str(&buf, od_cause_name(outcome->cause));
    od_buf_str(&buf, "\",\"sip_status\":");
    od_buf_u64(&buf, outcome->sip_status);
    od_buf_str(&buf, ",\"talk_ms\":");
    od_buf_u64(&buf, talk_ms);
    od_buf_char(&buf, '}');
    char *notes = buf.cut ? NULL : realloc(bridge->notes, bridge->notes_bytes + buf.used);
    if (!notes)
        return;
    memcpy(notes + bridge->notes_bytes, json, buf.used);
    bridge->notes = notes;
    bridge->notes_bytes += buf.used;
}

void od_talk_bridge_over(struct od_talk_session *session, uint64_t now_ns,
                         const struct od_outcome *outcome)
{
    struct od_talk_bridge *bridge = &session->bridge;
    if (!bridge->asked)
        return;
    od_talk_bridge_part(session);
    bridge->asked = false;
    bridge->second = (struct od_call_id){0, 0};
    note(bridge, now_ns, outcome);
    if (!session->ended)
        tell(session, now_ns, bridge->talked ? OD_BRIDGE_OVER : OD_BRIDGE_FAILED, outcome);
}

void od_talk_bridge_note(struct od_talk_session *session)
{
    struct od_talk_bridge *bridge = &session->bridge;
    struct od_outcome hung_up = {.cause = OD_CAUSE_COMPLETED,
                                 .sip_status = bridge->talked ? 200 : 0};
    if (!bridge->talked)
        hung_up.cause = OD_CAUSE_CANCELED;
    if (bridge->asked) /* the callee has hung up, on the other one too */
        note(bridge, session->tick_ns, &hung_up);
    bridge->asked = false;
    if (!bridge->notes)
        return;
    char *json = malloc(bridge->notes_bytes + 1);
    if (json) {
        memcpy(json, bridge->notes, bridge->notes_bytes);
        json[0] = '[';
        json[bridge->notes_bytes] = ']';
        od_talk_session_note(session, "transfers", json, bridge->notes_bytes + 1);
    }
    free(json);
    free(bridge->notes);
    bridge->notes = NULL;
    bridge->notes_bytes = 0;
}
