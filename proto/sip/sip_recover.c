/*
 * sip_recover - ending a leg whose process has died. While a call lives, od_sip_note() puts what is
 * needed for that into a text that the ledger keeps; od_sip_recover() makes a leg of it again, one
 * without an owner, which does what a dropped leg does: it cancels what rings, acknowledges and
 * hangs up what was answered, and answers strays for 64*T1.
 *
 * The text: lines "name value", an empty line, then, once there is a dialog, the header lines of
 * the answer that made it (To, Contact, Record-Route) as they came. It comes back from a store,
 * so it is read like anything from the network.
 *
 * A CANCEL belongs to its INVITE by branch and sent-by (RFC 3261 section 17.2.3), so it is sent
 * under the name of the listener that sent the INVITE, which may be another process's; `rport` in
 * it brings the answer here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/sip/sip_addr.h"
#include "proto/sip/sip_internal.h"

enum {
    TEXT_MAX = 256,
    MESSAGE_MAX = OD_SIP_NOTE_MAX + 512,
    /* A note doesn't tell of REFERs sent after it. A CSeq may be more than one higher than the one
     * before (RFC 3261 section 12.2.2), never lower or equal: the BYE goes past them all. */
    REFERS_UNKNOWN = 200,
};

/* The first of the lines that change while the leg lives. */
#define CSEQ "cseq "

/* ---- writing ---- */

static void add_header(struct od_buf *buf, msg_common_t *header)
{
    if (!header || (header->h_data && !header->h_len))
        return; /* a further value of the line before */
    if (header->h_data) {
        od_buf_add(buf, header->h_data, header->h_len);
        return;
    }
    char line[TEXT_MAX];
    isize_t bytes = msg_header_e(line, sizeof line, (msg_header_t *)header, 0);
    if (bytes > 0 && (size_t)bytes < sizeof line)
        od_buf_add(buf, line, (size_t)bytes);
}

void od_sip_keep_dialog(struct od_sip_leg *leg, const sip_t *response)
{
    char text[OD_SIP_NOTE_MAX];
    struct od_buf buf;
    if (!response->sip_to || !response->sip_to->a_tag)
        return;
    od_buf_init(&buf, text, sizeof text);
    add_header(&buf, response->sip_to->a_common);
    if (response->sip_contact)
        add_header(&buf, response->sip_contact->m_common);
    for (sip_record_route_t *r = response->sip_record_route; r; r = r->r_next)
        add_header(&buf, r->r_common);
    if (buf.cut || !buf.used)
        return;
    char *kept = malloc(buf.used);
    if (!kept)
        return;
    memcpy(kept, text, buf.used);
    free(leg->dialog);
    leg->dialog = kept;
    leg->dialog_bytes = buf.used;
}

static void add_line(struct od_buf *buf, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    if (strpbrk(value, "\r\n"))
        buf->cut = true;
    od_buf_str(buf, name);
    od_buf_char(buf, ' ');
    od_buf_str(buf, value);
    od_buf_char(buf, '\n');
}

static void add_server(struct od_buf *buf, const struct od_addr *server)
{
    od_buf_str(buf, "server ");
    od_sip_add_ip(buf, server);
    od_buf_char(buf, ' ');
    od_buf_u64(buf, server->port);
    od_buf_char(buf, '\n');
}

/* What changes in the life of a leg. NULL: it hasn't begun. */
static int add_progress(struct od_buf *buf, const struct od_sip_leg *leg)
{
    od_buf_str(buf, CSEQ);
    od_buf_u64(buf, leg ? leg->invite_cseq : OD_SIP_INVITE_CSEQ);
    od_buf_str(buf, leg && leg->answered ? "\nstate answered\n\n" : "\nstate pending\n\n");
    if (leg && leg->dialog)
        od_buf_add(buf, leg->dialog, leg->dialog_bytes);
    return buf->cut ? OD_ETOOBIG : (int)buf->used;
}

int od_sip_note(struct od_sip *sip, struct od_call_id call, const struct od_sip_invite *invite,
                char *out, size_t size)
{
    struct od_sip_identity *identity;
    const struct od_sip_leg *leg = call.gen ? od_sip_leg_get(sip, call) : NULL;
    struct od_buf buf;
    od_sip_loop_enter();
    int err = od_sip_identity_get(sip, invite, &identity);
    od_sip_loop_leave();
    if (err)
        return err;
    od_buf_init(&buf, out, size);
    add_server(&buf, &invite->server);
    add_line(&buf, "transport", invite->transport);
    add_line(&buf, "domain", invite->domain);
    add_line(&buf, "user", invite->from_user);
    add_line(&buf, "name", invite->display_name);
    add_line(&buf, "to", invite->to);
    add_line(&buf, "via", identity->sent_by);
    od_sip_identity_put(identity);
    return add_progress(&buf, leg);
}

int od_sip_note_again(struct od_sip *sip, struct od_call_id call, const char *before,
                      size_t before_bytes, char *out, size_t size)
{
    struct od_buf buf;
    const struct od_sip_leg *leg = od_sip_leg_get(sip, call);
    const char *changes =
        before_bytes ? memmem(before, before_bytes, "\n" CSEQ, sizeof CSEQ) : NULL;
    if (!leg)
        return OD_ENOENT;
    if (!changes)
        return OD_EPROTO;
    od_buf_init(&buf, out, size);
    od_buf_add(&buf, before, (size_t)(changes + 1 - before));
    return add_progress(&buf, leg);
}

/* ---- reading ---- */

struct note {
    struct od_addr server;
    char transport[8], domain[TEXT_MAX], user[TEXT_MAX], name[TEXT_MAX], to[OD_ENDPOINT_MAX];
    char via[96], state[16];
    uint32_t cseq;
    const char *dialog; /* header lines */
    size_t dialog_bytes;
};

static bool read_server(const char *at, size_t bytes, struct od_addr *out)
{
    char ip[INET6_ADDRSTRLEN];
    uint64_t port;
    const char *space = memchr(at, ' ', bytes);
    if (!space || (size_t)(space - at) >= sizeof ip ||
        !od_str_u64(space + 1, bytes - (size_t)(space + 1 - at), 65535, &port) || !port)
        return false;
    memcpy(ip, at, (size_t)(space - at));
    ip[space - at] = '\0';
    out->port = (uint16_t)port;
    out->family = strchr(ip, ':') ? 6 : 4;
    return inet_pton(out->family == 6 ? AF_INET6 : AF_INET, ip, out->ip) == 1;
}

static bool read_line(struct note *note, const char *at, size_t bytes)
{
    const struct {
        const char *name;
        char *to;
        size_t size;
    } texts[] = {{"transport ", note->transport, sizeof note->transport},
                 {"domain ", note->domain, sizeof note->domain},
                 {"user ", note->user, sizeof note->user},
                 {"name ", note->name, sizeof note->name},
                 {"to ", note->to, sizeof note->to},
                 {"via ", note->via, sizeof note->via},
                 {"state ", note->state, sizeof note->state}};
    uint64_t number;
    if (bytes > 7 && memcmp(at, "server ", 7) == 0)
        return read_server(at + 7, bytes - 7, &note->server);
    if (bytes > 5 && memcmp(at, CSEQ, 5) == 0) {
        bool ok = od_str_u64(at + 5, bytes - 5, INT32_MAX - 8, &number) && number;
        note->cseq = ok ? (uint32_t)number : 0;
        return ok;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t name = strlen(texts[i].name);
        if (bytes <= name || memcmp(at, texts[i].name, name) != 0)
            continue;
        return od_str_copy(texts[i].to, texts[i].size, at + name, bytes - name) &&
               strlen(texts[i].to) == bytes - name;
    }
    return false;
}

static bool read_note(const char *at, size_t bytes, struct note *out)
{
    memset(out, 0, sizeof *out);
    const char *end = at + bytes;
    while (at < end && *at != '\n') {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop || !read_line(out, at, (size_t)(stop - at)))
            return false;
        at = stop + 1;
    }
    if (at == end || !out->server.family || !out->cseq || !out->to[0])
        return false;
    out->dialog = at + 1;
    out->dialog_bytes = (size_t)(end - at - 1);
    return true;
}

/* The answer that made the dialog, as far as requests in it need it. NULL: no dialog is known, or
 * the text is none of ours. */
static msg_t *make_answer(const struct od_sip_leg *leg, const struct note *note)
{
    char text[MESSAGE_MAX];
    if (!note->dialog_bytes)
        return NULL;
    int bytes = snprintf(text, sizeof text,
                         "SIP/2.0 200 OK\r\nFrom: <sip:us@invalid>;tag=%s\r\nCall-ID: %s\r\n"
                         "CSeq: %u INVITE\r\n%.*sContent-Length: 0\r\n\r\n",
                         leg->names.from_tag, leg->names.call_id, note->cseq,
                         (int)note->dialog_bytes, note->dialog);
    if (bytes < 0 || (size_t)bytes >= sizeof text || memchr(text, '\0', (size_t)bytes))
        return NULL;
    msg_t *msg = msg_make(sip_default_mclass(), 0, text, bytes);
    const sip_t *sip = msg ? sip_object(msg) : NULL;
    if (sip && sip->sip_to && sip->sip_to->a_tag && sip->sip_cseq && !sip->sip_error)
        return msg;
    if (msg)
        msg_destroy(msg);
    return NULL;
}

/* ---- the leg again ---- */

static struct od_sip_leg *find_names(struct od_sip *sip, const struct od_sip_names *names)
{
    sip_call_id_t id[1];
    sip_call_id_init(id);
    id->i_id = names->call_id;
    id->i_hash = (uint32_t)msg_hash_string(names->call_id);
    return od_sip_leg_find(sip, id, names->from_tag);
}

static int begin(struct od_sip_leg *leg, const struct note *note, const struct od_sip_recover *what)
{
    bool answered = strcmp(note->state, "answered") == 0;
    struct od_sip_invite invite = {
        .names = &leg->names,
        .server = note->server,
        .transport = note->transport,
        .hop = what->hop,
        .domain = note->domain,
        .from_user = note->user,
        .display_name = note->name,
        .auth_user = what->auth_user,
        .password = what->password,
        .to = note->to,
        .sent_by = answered ? NULL : note->via,
    };
    int err = od_sip_identity_get(leg->sip, &invite, &leg->identity);
    if (err)
        return err;
    leg->uri = od_sip_uri(leg->identity, note->to);
    if (!leg->uri)
        return OD_EPROTO;
    leg->invite_cseq = note->cseq;
    leg->refers = answered ? REFERS_UNKNOWN : 0;
    leg->answer = make_answer(leg, note);
    return answered && !leg->answer ? OD_EPROTO : 0;
}

static void end_answered(struct od_sip_leg *leg)
{
    const sip_t *answer = sip_object(leg->answer);
    leg->answered = true;
    leg->remote_tag = od_sip_tag_hash(answer->sip_to->a_tag);
    od_sip_send_ack(leg, answer); /* it may not have had one */
    od_sip_leg_bye(leg);
}

/* Nobody knows how far it got: it is cancelled, and in case it was answered meanwhile also told to
 * hang up, which ends an early dialog too (RFC 3261 section 15). An INVITE that was challenged may
 * have been sent once more than the ledger knows. */
static void end_pending(struct od_sip_leg *leg, bool challenged)
{
    od_sip_leg_cancel_pending(leg);
    if (leg->answer) {
        nta_outgoing_t *bye = od_sip_send_bye(leg, sip_object(leg->answer), NULL);
        (void)bye; /* repeated until it is answered, and forgotten then */
        msg_destroy(leg->answer);
        leg->answer = NULL;
    } else if (challenged) {
        leg->invite_cseq++;
        od_sip_send_cancel(leg);
    }
}

/* Of a leg that lives, or is being ended: two ledgers may tell of it, and the one that is heard
 * first may have stopped before the answer (a full disk). Then a CANCEL was all that could be sent,
 * which does nothing to a leg that was answered. */
static int learn(struct od_sip_leg *leg, const struct note *note)
{
    if (!leg->dropped || leg->answered || strcmp(note->state, "answered") != 0)
        return 0;
    msg_t *answer = make_answer(leg, note);
    if (!answer)
        return OD_EPROTO;
    if (leg->answer)
        msg_destroy(leg->answer);
    leg->answer = answer;
    leg->invite_cseq = note->cseq;
    leg->refers = REFERS_UNKNOWN;
    od_sip_loop_enter();
    end_answered(leg);
    od_sip_loop_leave();
    od_sip_loop_kick(&leg->sip->loop);
    return 0;
}

int od_sip_recover(struct od_sip *sip, const struct od_sip_recover *what)
{
    struct note note;
    if (sip->closing || !od_sip_names_usable(what->names) || what->note_bytes > OD_SIP_NOTE_MAX ||
        !read_note(what->note, what->note_bytes, &note))
        return OD_EPROTO;
    struct od_sip_leg *known = find_names(sip, what->names);
    if (known)
        return learn(known, &note);
    int err = od_sip_table_reserve(sip, 0);
    struct od_sip_leg *leg = err ? NULL : calloc(1, sizeof *leg);
    if (!leg)
        return OD_ENOMEM;
    leg->sip = sip;
    leg->names = *what->names;
    leg->hash = (uint32_t)msg_hash_string(leg->names.call_id);
    leg->dropped = true;
    od_sip_table_insert(sip, leg);
    sip->lingering++;
    od_sip_loop_enter();
    err = begin(leg, &note, what);
    if (err)
        od_sip_leg_free(leg);
    else if (strcmp(note.state, "answered") == 0)
        end_answered(leg);
    else
        end_pending(leg, what->password && *what->password);
    od_sip_loop_leave();
    od_sip_loop_kick(&sip->loop);
    return err;
}
