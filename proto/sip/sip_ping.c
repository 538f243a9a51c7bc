/*
 * sip_ping - an OPTIONS to a trunk's server and what came of it (RFC 3261 section 11). It is a
 * transaction of its own, with no leg; nta repeats it and gives up after 64*T1. One at a time for
 * each trunk: the answer to an earlier one that is still under way serves for both.
 */
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/sip/sip_internal.h"

struct od_sip_ping {
    struct od_sip *sip;
    uint32_t trunk;
    nta_outgoing_t *orq;
    struct od_sip_ping *next;
};

static void ping_free(struct od_sip_ping *ping)
{
    struct od_sip_ping **at = &ping->sip->pings;
    while (*at != ping)
        at = &(*at)->next;
    *at = ping->next;
    nta_outgoing_destroy(ping->orq);
    free(ping);
}

static int on_answer(struct od_sip_ping *ping, nta_outgoing_t *orq, sip_t const *response)
{
    struct od_sip *sip = ping->sip;
    uint32_t trunk = ping->trunk;
    int status = nta_outgoing_status(orq);
    if (status < 200)
        return 0;
    bool local = !response || nta_sip_is_internal(response);
    ping_free(ping);
    if (sip->events.pong)
        sip->events.pong(sip->events.ctx, trunk, local ? 0 : (uint16_t)status);
    return 0;
}

/* The request is built as a leg's are, from a leg that is nowhere listed. */
static nta_outgoing_t *send_options(struct od_sip_ping *ping, const struct od_sip_invite *who,
                                    struct od_sip_identity *identity)
{
    struct od_sip_names names;
    struct od_sip_leg leg = {.sip = ping->sip, .identity = identity};
    url_t uri = *identity->base;
    struct od_sip_request request = {.method = sip_method_options,
                                     .method_name = "OPTIONS",
                                     .cseq = 1,
                                     .uri = &uri,
                                     .lines = "Accept: application/sdp\r\n"};
    (void)who;
    od_sip_random_name(names.call_id, sizeof names.call_id, "", 16);
    od_sip_random_name(names.from_tag, sizeof names.from_tag, "", 8);
    od_sip_random_name(names.branch, sizeof names.branch, "z9hG4bK", 8);
    leg.names = names;
    leg.hash = (uint32_t)msg_hash_string(names.call_id);
    request.branch = leg.names.branch;
    msg_t *msg = od_sip_request(&leg, &request);
    if (!msg)
        return NULL;
    nta_outgoing_t *orq = nta_outgoing_mcreate(
        ping->sip->agent, (nta_response_f *)on_answer, (nta_outgoing_magic_t *)ping,
        (url_string_t const *)identity->route, msg, NTATAG_USER_VIA(1),
        NTATAG_BRANCH_KEY(sip_object(msg)->sip_via->v_branch - strlen("branch=")),
        TPTAG_IDENT(OD_SIP_IDENT(identity->hop.family)), TAG_END());
    if (!orq)
        msg_destroy(msg);
    return orq;
}

static int send_ping(struct od_sip *sip, uint32_t trunk, const struct od_sip_invite *who)
{
    static const struct od_sip_names nobody = {"0", "0", "z9hG4bK0"};
    struct od_sip_invite named = *who;
    struct od_sip_identity *identity;
    named.names = &nobody; /* an identity is made for INVITEs, which have them */
    named.to = "";
    int err = od_sip_identity_get(sip, &named, &identity);
    if (err)
        return err;
    struct od_sip_ping *ping = calloc(1, sizeof *ping);
    if (!ping) {
        od_sip_identity_put(identity);
        return OD_ENOMEM;
    }
    ping->sip = sip;
    ping->trunk = trunk;
    ping->orq = send_options(ping, who, identity);
    od_sip_identity_put(identity);
    if (!ping->orq) {
        free(ping);
        sip->send_failed++;
        return OD_EIO;
    }
    ping->next = sip->pings;
    sip->pings = ping;
    od_sip_loop_kick(&sip->loop);
    return 0;
}

int od_sip_ping(struct od_sip *sip, uint32_t trunk, const struct od_sip_invite *who)
{
    if (sip->closing)
        return OD_ECANCELED;
    for (const struct od_sip_ping *ping = sip->pings; ping; ping = ping->next) {
        if (ping->trunk == trunk)
            return 0;
    }
    od_sip_loop_enter();
    int err = send_ping(sip, trunk, who);
    od_sip_loop_leave();
    return err;
}

void od_sip_pings_close(struct od_sip *sip)
{
    while (sip->pings)
        ping_free(sip->pings);
}
