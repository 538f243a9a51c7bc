/*
 * sip_refer - a call handed on: REFER in its dialog, and what the peer says of it (RFC 3515). The
 * peer calls the target and notifies how that goes; the subscription that a REFER makes ends with
 * the first final answer that is told. One REFER is under way at a time.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/sip/sip_internal.h"

static void tell(struct od_sip_leg *leg, int status, bool final)
{
    struct od_sip *sip = leg->sip;
    if (final)
        leg->referring = false;
    if (!leg->dropped && sip->events.referred)
        sip->events.referred(sip->events.ctx, leg->call, (uint16_t)status, final);
}

static int refer_answered(struct od_sip_leg *leg, nta_outgoing_t *orq, sip_t const *response);

static bool answer_challenge(struct od_sip_leg *leg, const sip_t *response, int status)
{
    if ((status != 401 && status != 407) || leg->refer_again || leg->state != OD_SIP_ANSWERED)
        return false;
    leg->refer_again = true;
    od_sip_auth_restart(leg);
    if (od_sip_auth_challenged(leg, response) != OD_SIP_AUTH_NONE)
        return false;
    leg->refer = od_sip_send_refer(leg, sip_object(leg->answer), true, refer_answered);
    return leg->refer != NULL;
}

static int refer_answered(struct od_sip_leg *leg, nta_outgoing_t *orq, sip_t const *response)
{
    int status = nta_outgoing_status(orq);
    if (status < 200)
        return 0;
    bool local = !response || nta_sip_is_internal(response);
    if (!local)
        od_sip_note_received(leg->sip, leg->call, response);
    leg->refer = NULL;
    if (local || !answer_challenge(leg, response, status)) {
        bool refused = status >= 300;
        if (leg->referring) /* a NOTIFY may have overtaken the answer */
            tell(leg, status, refused);
    }
    nta_outgoing_destroy(orq);
    return 0;
}

int od_sip_refer(struct od_sip *sip, struct od_call_id call, const char *target)
{
    struct od_sip_leg *leg = od_sip_leg_get(sip, call);
    if (!leg)
        return OD_ENOENT;
    if (leg->state != OD_SIP_ANSWERED || leg->peer_left || leg->referring || !leg->answer)
        return OD_ECONFLICT;
    od_sip_loop_enter();
    url_t *uri = od_sip_uri(leg->identity, target);
    char *text = uri ? url_as_string(NULL, uri) : NULL;
    su_free(NULL, uri);
    int err = 0;
    if (text) {
        free(leg->refer_to);
        leg->refer_to = strdup(text);
        leg->refer_again = false;
        leg->refer = leg->refer_to
                         ? od_sip_send_refer(leg, sip_object(leg->answer), false, refer_answered)
                         : NULL;
        leg->referring = leg->refer != NULL;
        err = leg->referring ? 0 : OD_ENOMEM;
    } else {
        err = OD_EINVAL;
    }
    su_free(NULL, text);
    od_sip_loop_leave();
    return err;
}

/* "SIP/2.0 180 Ringing" and whatever follows (RFC 3420). 0: it is none. */
static int status_of(const sip_payload_t *payload)
{
    static const char version[] = "SIP/2.0 ";
    size_t head = sizeof version - 1;
    if (!payload || payload->pl_len < head + 3 || strncasecmp(payload->pl_data, version, head) != 0)
        return 0;
    const char *digits = payload->pl_data + head;
    for (int i = 0; i < 3; i++)
        if (!isdigit((unsigned char)digits[i]))
            return 0;
    int status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    return status >= 100 && status < 700 ? status : 0;
}

int od_sip_refer_notified(struct od_sip_leg *leg, const sip_t *request)
{
    const sip_event_t *event = request->sip_event;
    const sip_subscription_state_t *state = request->sip_subscription_state;
    if (!event || !event->o_type || strcasecmp(event->o_type, "refer") != 0)
        return 489; /* RFC 6665 section 7.3.2: no such event here */
    if (!leg->refer_to)
        return 481;
    if (!leg->referring)
        return 200; /* a late one */
    int status = status_of(request->sip_payload);
    bool over = state && state->ss_substate && strcasecmp(state->ss_substate, "terminated") == 0;
    if (status || over)
        tell(leg, status, status >= 200 || over);
    return 200;
}

void od_sip_refer_forget(struct od_sip_leg *leg)
{
    if (leg->refer)
        nta_outgoing_destroy(leg->refer);
    leg->refer = NULL;
    leg->referring = false;
    free(leg->refer_to);
    leg->refer_to = NULL;
}
