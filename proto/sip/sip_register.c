/*
 * sip_register - REGISTER and what came of it (RFC 3261 section 10). One registration is one
 * Call-ID with a CSeq that grows by each request (section 10.2), whatever becomes of them; when the
 * next one is due is for its owner to say. A challenge is answered here, as for a BYE: it counts in
 * no trunk's rate, and each space is answered twice at most.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/sip/sip_internal.h"
#include "proto/sip/sip_read.h"

enum { EXPIRES_S_MAX = 7 * 24 * 3600, LINES_MAX = 512 + 4096 };

struct od_sip_registration {
    struct od_sip *sip;
    uint32_t id;
    uint32_t cseq;         /* of the latest request */
    uint32_t expires_s;    /* that it asked for */
    struct od_sip_leg leg; /* names, identity and answers to challenges; listed nowhere */
    nta_outgoing_t *orq;   /* under way; NULL: none */
    struct od_sip_registration *next;
};

static struct od_sip_registration *find(struct od_sip *sip, uint32_t id)
{
    struct od_sip_registration *reg = sip->registrations;
    while (reg && reg->id != id)
        reg = reg->next;
    return reg;
}

static struct od_sip_registration *add(struct od_sip *sip, uint32_t id)
{
    struct od_sip_registration *reg = calloc(1, sizeof *reg);
    if (!reg)
        return NULL;
    reg->sip = reg->leg.sip = sip;
    reg->id = id;
    od_sip_random_name(reg->leg.names.call_id, sizeof reg->leg.names.call_id, "", 16);
    reg->leg.hash = (uint32_t)msg_hash_string(reg->leg.names.call_id);
    reg->next = sip->registrations;
    sip->registrations = reg;
    return reg;
}

/* The answers to challenges that the next request begins with; the identity knows the nonces. */
static void begin_auth(struct od_sip_registration *reg, struct od_sip_identity *identity)
{
    od_sip_auth_free(&reg->leg);
    od_sip_identity_put(reg->leg.identity);
    reg->leg.identity = identity;
    od_sip_auth_begin(&reg->leg);
}

static bool write_lines(struct od_sip_registration *reg, const url_t *uri, char *out, size_t size)
{
    const struct od_sip *sip = reg->sip;
    struct od_buf buf;
    od_buf_init(&buf, out, size);
    od_buf_str(&buf, "Contact: ");
    od_buf_str(&buf, reg->leg.identity->contact_text);
    od_buf_str(&buf, ";expires=");
    od_buf_u64(&buf, reg->expires_s);
    od_buf_str(&buf, "\r\nExpires: ");
    od_buf_u64(&buf, reg->expires_s);
    if (sip->user_agent[0]) {
        od_buf_str(&buf, "\r\nUser-Agent: ");
        od_buf_str(&buf, sip->user_agent);
    }
    od_buf_str(&buf, "\r\n");
    if (reg->leg.auth) {
        free(reg->leg.auth->lines);
        reg->leg.auth->lines = od_sip_auth_lines(&reg->leg, "REGISTER", uri);
        if (reg->leg.auth->lines)
            od_buf_str(&buf, reg->leg.auth->lines);
    }
    return !buf.cut;
}

static int on_answer(struct od_sip_registration *reg, nta_outgoing_t *orq, sip_t const *response);

/* The address of record is the identity's From, the Request-URI its domain alone (section 10.2). */
static nta_outgoing_t *send_register(struct od_sip_registration *reg)
{
    const struct od_sip_identity *identity = reg->leg.identity;
    char lines[LINES_MAX];
    url_t uri = *identity->base;
    sip_to_t to[1];
    sip_to_init(to);
    *to->a_url = *identity->from->a_url;
    od_sip_random_name(reg->leg.names.branch, sizeof reg->leg.names.branch, "z9hG4bK", 8);
    od_sip_random_name(reg->leg.names.from_tag, sizeof reg->leg.names.from_tag, "", 8);
    struct od_sip_request request = {.method = sip_method_register,
                                     .method_name = "REGISTER",
                                     .cseq = ++reg->cseq,
                                     .uri = &uri,
                                     .to = to,
                                     .branch = reg->leg.names.branch,
                                     .lines = lines};
    msg_t *msg =
        write_lines(reg, &uri, lines, sizeof lines) ? od_sip_request(&reg->leg, &request) : NULL;
    nta_outgoing_t *orq = NULL;
    if (msg)
        orq = nta_outgoing_mcreate(
            reg->sip->agent, (nta_response_f *)on_answer, (nta_outgoing_magic_t *)reg,
            (url_string_t const *)identity->route, msg, NTATAG_USER_VIA(1),
            NTATAG_BRANCH_KEY(sip_object(msg)->sip_via->v_branch - strlen("branch=")),
            TPTAG_IDENT(OD_SIP_IDENT(identity->hop.family)), TAG_END());
    if (msg && !orq)
        msg_destroy(msg);
    if (!orq)
        reg->sip->send_failed++;
    return orq;
}

/* How long our contact stays, out of the registrar's list of all (section 10.2.4). */
static uint32_t granted_s(const struct od_sip_registration *reg, const sip_t *response)
{
    uint64_t seconds = reg->expires_s;
    bool listed = false;
    if (response->sip_expires)
        seconds = response->sip_expires->ex_delta;
    for (const sip_contact_t *c = response->sip_contact; c && !listed; c = c->m_next) {
        listed = url_cmp(c->m_url, reg->leg.identity->contact->m_url) == 0;
        if (listed && c->m_expires &&
            !od_str_u64(c->m_expires, strlen(c->m_expires), UINT32_MAX, &seconds))
            seconds = reg->expires_s;
    }
    return seconds > EXPIRES_S_MAX ? EXPIRES_S_MAX : (uint32_t)seconds;
}

static void tell(struct od_sip_registration *reg, const sip_t *response, bool local, uint8_t auth)
{
    struct od_sip *sip = reg->sip;
    struct od_sip_response read;
    struct od_sdp sdp;
    od_sip_read_response(response, local, &read, &sdp);
    struct od_sip_registered told = {.status = local ? 0 : read.status,
                                     .reason = read.reason,
                                     .auth = auth,
                                     .retry_after_s = read.retry_after_s};
    if (!local && read.status < 300)
        told.expires_s = granted_s(reg, response);
    if (!local && read.status == 423 && response->sip_min_expires) {
        unsigned long least_s = response->sip_min_expires->me_delta;
        told.min_expires_s = least_s > EXPIRES_S_MAX ? EXPIRES_S_MAX : (uint32_t)least_s;
    }
    if (sip->events.registered)
        sip->events.registered(sip->events.ctx, reg->id, &told);
}

/* True: the same request goes out again, with credentials. */
static bool answer_challenge(struct od_sip_registration *reg, const sip_t *response, uint8_t *auth)
{
    int status = response->sip_status->st_status;
    if (status != 401 && status != 407)
        return false;
    *auth = od_sip_auth_challenged(&reg->leg, response);
    if (*auth != OD_SIP_AUTH_NONE)
        return false;
    nta_outgoing_t *before = reg->orq;
    reg->orq = send_register(reg);
    nta_outgoing_destroy(before);
    if (!reg->orq)
        *auth = OD_SIP_AUTH_UNUSABLE;
    return reg->orq != NULL;
}

static int on_answer(struct od_sip_registration *reg, nta_outgoing_t *orq, sip_t const *response)
{
    uint8_t auth = OD_SIP_AUTH_NONE;
    if (nta_outgoing_status(orq) < 200)
        return 0;
    bool local = !response || nta_sip_is_internal(response);
    if (!local && answer_challenge(reg, response, &auth))
        return 0;
    if (!local && response->sip_status->st_status < 300) {
        od_sip_auth_accepted(&reg->leg, response);
        auth = OD_SIP_AUTH_ACCEPTED;
    }
    nta_outgoing_t *done = reg->orq;
    reg->orq = NULL;
    tell(reg, response, local, auth); /* may order the next one; the response is the old one's */
    nta_outgoing_destroy(done);
    return 0;
}

static int order(struct od_sip *sip, uint32_t id, const struct od_sip_invite *who,
                 uint32_t expires_s)
{
    static const struct od_sip_names nobody = {"0", "0", "z9hG4bK0"};
    struct od_sip_invite named = *who;
    struct od_sip_identity *identity;
    named.names = &nobody; /* an identity is made for INVITEs, which have them */
    named.to = "";
    named.display_name = NULL;
    if (!who->from_user || !who->from_user[0])
        return OD_EINVAL;
    int err = od_sip_identity_get(sip, &named, &identity);
    if (err)
        return err;
    struct od_sip_registration *reg = find(sip, id);
    if (!reg)
        reg = add(sip, id);
    if (!reg) {
        od_sip_identity_put(identity);
        return OD_ENOMEM;
    }
    begin_auth(reg, identity);
    reg->expires_s = expires_s;
    reg->orq = send_register(reg);
    od_sip_loop_kick(&sip->loop);
    return reg->orq ? 0 : OD_EIO;
}

int od_sip_register(struct od_sip *sip, uint32_t id, const struct od_sip_invite *who,
                    uint32_t expires_s)
{
    struct od_sip_registration *reg = find(sip, id);
    if (sip->closing)
        return OD_ECANCELED;
    if (reg && reg->orq)
        return OD_ECONFLICT;
    od_sip_loop_enter();
    int err = order(sip, id, who, expires_s);
    od_sip_loop_leave();
    return err;
}

static void registration_free(struct od_sip *sip, struct od_sip_registration *reg)
{
    struct od_sip_registration **at = &sip->registrations;
    while (*at != reg)
        at = &(*at)->next;
    *at = reg->next;
    if (reg->orq)
        nta_outgoing_destroy(reg->orq);
    od_sip_auth_free(&reg->leg);
    od_sip_identity_put(reg->leg.identity);
    free(reg);
}

void od_sip_register_end(struct od_sip *sip, uint32_t id)
{
    struct od_sip_registration *reg = find(sip, id);
    if (!reg)
        return;
    od_sip_loop_enter();
    registration_free(sip, reg);
    od_sip_loop_leave();
}

void od_sip_registrations_close(struct od_sip *sip)
{
    while (sip->registrations)
        registration_free(sip, sip->registrations);
}
