/*
 * node: see node.h. A turn is: the clock is read once, a batch of datagrams or the due timers or
 * the readable audio sockets are handled, what was composed is sent, the timer is set to the
 * earliest callee. Order never depends on a hash table: the tables only find.
 */
#include "bench/carrier/callee.h"
#include "bench/carrier/sip_port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    HOUSEKEEPING_MS = 50, /* the longest a ledger line waits */
    READ_ROUNDS = 8,      /* batches a turn, so that timers get theirs */
    RTP_BATCH = 64,
    SECOND_ROOM = 1 << 17 /* INVITEs a second that the report can count */
};

const char *od_outcome_name(enum od_outcome outcome)
{
    static const char *const names[OD_OUTCOMES] = {"answered",  "no_answer", "busy",
                                                   "declined",  "failed",    "silent",
                                                   "cancelled", "refused",   "unfinished"};
    return names[outcome];
}

static struct od_carrier_now clock_now(void)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct od_carrier_now){uv_hrtime(), (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec};
}

/* ---- the timer heap ----------------------------------------------------------------------------
 */

static void place(struct od_carrier_node *n, size_t at, struct od_callee *c)
{
    n->heap[at] = c;
    c->heap_at = at;
}

static bool earlier(const struct od_callee *a, const struct od_callee *b)
{
    return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->serial < b->serial);
}

static void sift_up(struct od_carrier_node *n, size_t at, struct od_callee *c)
{
    while (at > 0 && earlier(c, n->heap[(at - 1) / 2])) {
        place(n, at, n->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(n, at, c);
}

static void sift_down(struct od_carrier_node *n, size_t at, struct od_callee *c)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < n->heap_n && earlier(n->heap[child + 1], n->heap[child]))
            child++;
        if (child >= n->heap_n || !earlier(n->heap[child], c))
            break;
        place(n, at, n->heap[child]);
        at = child;
    }
    place(n, at, c);
}

void od_carrier_arm(struct od_carrier_node *n, struct od_callee *c)
{
    sift_up(n, c->heap_at, c);
    sift_down(n, c->heap_at, c);
}

static void heap_remove(struct od_carrier_node *n, struct od_callee *c)
{
    struct od_callee *last = n->heap[--n->heap_n];
    if (last == c)
        return;
    place(n, c->heap_at, last);
    od_carrier_arm(n, last);
}

static void set_timer(struct od_carrier_node *n)
{
    uint64_t due = n->heap_n ? n->heap[0]->due_ns : UINT64_MAX;
    if (due >= n->timer_armed_ns || due == UINT64_MAX)
        return; /* waking too early once is cheaper than setting it every turn */
    struct itimerspec when = {.it_value = {(time_t)(due / 1000000000), (long)(due % 1000000000)}};
    timerfd_settime(n->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    n->timer_armed_ns = due;
}

/* ---- finding callees ---------------------------------------------------------------------------
 */

uint64_t od_carrier_hash(const struct od_carrier_node *n, struct od_text text)
{
    return od_keyed_hash(n->secret, text.at, text.bytes);
}

static uint64_t hash_parts(const struct od_carrier_node *n, const struct od_text *parts,
                           size_t count, uint64_t number)
{
    uint64_t words[8] = {number};
    for (size_t i = 0; i < count; i++)
        words[i + 1] = od_carrier_hash(n, parts[i]);
    return od_keyed_hash(n->secret, words, (count + 1) * sizeof *words);
}

uint64_t od_carrier_transaction_key(const struct od_carrier_node *n, const struct od_sip_text *m)
{
    if (m->branch.bytes > 7 && memcmp(m->branch.at, "z9hG4bK", 7) == 0) {
        const struct od_text parts[] = {m->branch, m->via_host};
        return hash_parts(n, parts, 2, m->via_port);
    }
    /* RFC 2543 matching: the same request but for its method */
    const struct od_text parts[] = {m->via, m->call_id, m->from_tag, m->uri};
    return hash_parts(n, parts, 4, m->cseq);
}

/* 8.2.2.2: the same request that came another way has this in common with the first. */
static uint64_t merge_key(const struct od_carrier_node *n, const struct od_sip_text *m)
{
    const struct od_text parts[] = {m->call_id, m->from_tag};
    return hash_parts(n, parts, 2, m->cseq);
}

static struct od_callee *find_invite(struct od_carrier_node *n, uint64_t key)
{
    struct od_callee *c = n->by_invite[key & (n->chains - 1)];
    while (c && c->invite.key != key)
        c = c->invite_next;
    return c;
}

static struct od_callee *find_merge(struct od_carrier_node *n, uint64_t key)
{
    struct od_callee *c = n->by_merge[key & (n->chains - 1)];
    while (c && c->merge_key != key)
        c = c->merge_next;
    return c;
}

static void unlink_invite(struct od_carrier_node *n, struct od_callee *c, uint64_t key)
{
    struct od_callee **at = &n->by_invite[key & (n->chains - 1)];
    while (*at && *at != c)
        at = &(*at)->invite_next;
    if (*at)
        *at = c->invite_next;
}

static void unlink_merge(struct od_carrier_node *n, struct od_callee *c)
{
    struct od_callee **at = &n->by_merge[c->merge_key & (n->chains - 1)];
    while (*at && *at != c)
        at = &(*at)->merge_next;
    if (*at)
        *at = c->merge_next;
}

static void link_invite(struct od_carrier_node *n, struct od_callee *c)
{
    struct od_callee **head = &n->by_invite[c->invite.key & (n->chains - 1)];
    c->invite_next = *head;
    *head = c;
}

void od_carrier_rekey(struct od_carrier_node *n, struct od_callee *c, uint64_t key)
{
    uint64_t chain = c->linked_key;
    unlink_invite(n, c, chain);
    c->linked_key = key;
    link_invite(n, c);
}

/* Our tags and branches begin with the callee's slot and generation in hexadecimal. */
static struct od_callee *find_tag(struct od_carrier_node *n, struct od_text tag)
{
    char text[40];
    unsigned index, generation;
    if (tag.bytes == 0 || tag.bytes >= sizeof text)
        return NULL;
    memcpy(text, tag.at, tag.bytes);
    text[tag.bytes] = 0;
    if (sscanf(text, "%8x.%8x.", &index, &generation) != 2 || index >= n->setup.calls_max)
        return NULL;
    struct od_callee *c = n->slots[index].callee;
    return c && c->generation == generation && strcmp(c->tag, text) == 0 ? c : NULL;
}

/* The callee of an in-dialog request: Call-ID and both tags must match (12.2.2). */
static struct od_callee *find_dialog(struct od_carrier_node *n, const struct od_sip_text *m)
{
    struct od_callee *c = find_tag(n, m->to_tag);
    if (!c || c->call_id_hash != od_carrier_hash(n, m->call_id) ||
        c->from_tag_hash != od_carrier_hash(n, m->from_tag))
        return NULL;
    return c;
}

/* ---- sending -----------------------------------------------------------------------------------
 */

struct od_sip_out *od_carrier_compose(struct od_carrier_node *n)
{
    return od_sip_port_compose(n->port);
}

static bool chance(struct od_carrier_node *n, double probability)
{
    return probability > 0 && od_population_unit(&n->faults) < probability;
}

void od_carrier_send(struct od_carrier_node *n, const struct od_carrier_addr *to)
{
    const struct od_sip_out *out = od_sip_port_composing(n->port);
    if (out->full) {
        n->tally.unsendable++;
        return;
    }
    if (chance(n, n->setup.profile.lose_sent)) {
        n->tally.dropped_out++;
        return;
    }
    bool twice = chance(n, n->setup.profile.duplicate);
    n->tally.duplicated_out += twice;
    od_sip_port_post(n->port, to, twice ? 2 : 1);
}

void od_carrier_reply(struct od_carrier_node *n, const struct od_sip_text *m,
                      const struct od_carrier_arrival *a, struct od_carrier_reply reply)
{
    struct od_carrier_addr to = a->source;
    if (!m->rport_end)
        od_carrier_addr_set_port(&to, m->via_port ? m->via_port : 5060);
    struct od_sip_out *out = od_carrier_compose(n);
    od_sip_out_format(out, "SIP/2.0 %d %s\r\n", reply.status,
                      reply.reason ? reply.reason : od_sip_text_reason(reply.status));
    od_sip_text_echo(m, a->source_text, reply.to_tag, out);
    od_sip_out_word(out, reply.extra);
    od_sip_out_word(out, "Content-Length: 0\r\n\r\n");
    od_carrier_send(n, &to);
    n->tally.responses_out++;
    od_ledger_begin(&n->ledger, "response", n->now);
    od_ledger_text(&n->ledger, "call_id", m->call_id);
    od_ledger_number(&n->ledger, "code", (uint64_t)reply.status);
    od_ledger_text(&n->ledger, "method", m->method_name);
    od_ledger_end(&n->ledger);
}

/* A tag for a response outside any call: the same for a retransmission, as 8.2.7 asks. */
static void reply_stateless(struct od_carrier_node *n, const struct od_sip_text *m,
                            const struct od_carrier_arrival *a, int status, const char *reason,
                            const char *extra)
{
    char tag[24];
    snprintf(tag, sizeof tag, "s%016llx", (unsigned long long)od_carrier_transaction_key(n, m));
    od_carrier_reply(n, m, a, (struct od_carrier_reply){status, reason, tag, extra});
}

/* ---- callees come and go -----------------------------------------------------------------------
 */

static struct od_callee *add_callee(struct od_carrier_node *n)
{
    if (n->free_n == 0)
        return NULL;
    struct od_callee *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->index = n->free_slots[--n->free_n];
    c->generation = ++n->slots[c->index].generation;
    n->slots[c->index].callee = c;
    c->due_ns = UINT64_MAX;
    place(n, n->heap_n++, c);
    return c;
}

static void free_callee(struct od_carrier_node *n, struct od_callee *c)
{
    if (c->linked) {
        unlink_invite(n, c, c->linked_key);
        unlink_merge(n, c);
    }
    heap_remove(n, c);
    od_callee_deinit(c);
    n->slots[c->index].callee = NULL;
    n->free_slots[n->free_n++] = c->index;
    free(c);
}

int od_carrier_watch(struct od_carrier_node *n, struct od_callee *c)
{
    struct epoll_event event = {.events = EPOLLIN,
                                .data.u64 = (uint64_t)c->generation << 32 | c->index};
    return epoll_ctl(n->rtp_epoll_fd, EPOLL_CTL_ADD, od_rtp_talk_fd(c->talk), &event) ? -errno : 0;
}

/* ---- requests ----------------------------------------------------------------------------------
 */

static bool sdp_unusable(const struct od_sip_text *m)
{
    struct od_sdp_text sdp;
    return m->body.bytes > 0 && !od_sdp_text_parse(&sdp, m->body);
}

static bool is_sdp(struct od_text type)
{
    static const char sdp[] = "application/sdp";
    const size_t n = sizeof sdp - 1;
    if (type.bytes < n || (type.bytes > n && type.at[n] != ';' && type.at[n] != ' '))
        return false;
    return od_text_is_nocase((struct od_text){type.at, n}, sdp);
}

/* Whether a limit of this carrier refuses the INVITE. A refused one uses nothing up. */
static struct od_refusal check_limits(struct od_carrier_node *n, const struct od_carrier_arrival *a)
{
    const struct od_profile *p = &n->setup.profile;
    if (n->stopping) {
        n->tally.refused_other++;
        return (struct od_refusal){503, "Carrier Stopping"};
    }
    if (p->max_calls && n->live >= p->max_calls) {
        n->tally.refused_calls++;
        return (struct od_refusal){503, "Concurrent call limit exceeded"};
    }
    if (p->cps_limit && od_rate_window_count(&n->accepted, a->at.wall_ns) >= p->cps_limit) {
        n->tally.refused_cps++;
        return (struct od_refusal){503, "CPS limit exceeded"};
    }
    if (p->cps_limit)
        od_rate_window_add(&n->accepted, a->at.wall_ns);
    return (struct od_refusal){0};
}

static struct od_refusal check_invite(struct od_carrier_node *n, const struct od_sip_text *m,
                                      const struct od_carrier_arrival *a)
{
    char number[OD_SIP_TEXT_NUMBER_BYTES];
    struct od_refusal refusal = {od_sip_text_number(m->uri, number), NULL};
    if (!refusal.status && m->body.bytes > 0 && !is_sdp(m->content_type))
        refusal.status = 415;
    else if (!refusal.status && sdp_unusable(m))
        refusal.status = 488;
    if (!refusal.status)
        return check_limits(n, a);
    n->tally.refused_other++;
    return refusal;
}

static void write_refused(struct od_carrier_node *n, const struct od_callee *c,
                          const struct od_carrier_arrival *a, struct od_refusal refusal)
{
    od_ledger_begin(&n->ledger, "refused", a->at);
    od_ledger_number(&n->ledger, "call", c->serial);
    od_ledger_text(&n->ledger, "call_id", c->call_id);
    od_ledger_word(&n->ledger, "number", c->number);
    od_ledger_number(&n->ledger, "code", (uint64_t)refusal.status);
    od_ledger_word(&n->ledger, "reason",
                   refusal.reason ? refusal.reason : od_sip_text_reason(refusal.status));
    od_ledger_end(&n->ledger);
}

static void first_invite(struct od_carrier_node *n, const struct od_sip_text *m,
                         const struct od_carrier_arrival *a, uint64_t merge)
{
    n->tally.invites++;
    od_rate_window_add(&n->offered, a->at.wall_ns);
    struct od_callee *c = add_callee(n);
    if (!c) {
        n->tally.refused_other++;
        reply_stateless(n, m, a, 503, "Carrier Full", "");
        return;
    }
    struct od_refusal refusal = check_invite(n, m, a);
    if (!od_callee_init(c, n, m, a, refusal)) {
        free_callee(n, c);
        reply_stateless(n, m, a, 513, NULL, "");
        return;
    }
    n->tally.calls++;
    c->linked = true;
    c->linked_key = c->invite.key;
    c->merge_key = merge;
    link_invite(n, c);
    c->merge_next = n->by_merge[merge & (n->chains - 1)];
    n->by_merge[merge & (n->chains - 1)] = c;
    if (refusal.status)
        write_refused(n, c, a, refusal);
}

static void take_invite(struct od_carrier_node *n, const struct od_sip_text *m,
                        const struct od_carrier_arrival *a)
{
    struct od_callee *c = find_invite(n, od_carrier_transaction_key(n, m));
    if (c) {
        n->tally.invite_retransmissions++;
        od_callee_invite_again(c, m, a);
        return;
    }
    if (m->to_tag.at) {
        c = find_dialog(n, m);
        if (c)
            od_callee_reinvite(c, m, a);
        else
            reply_stateless(n, m, a, 481, NULL, "");
        return;
    }
    uint64_t merge = merge_key(n, m);
    if (find_merge(n, merge))
        reply_stateless(n, m, a, 482, NULL, "");
    else
        first_invite(n, m, a, merge);
}

/* A message for a call we don't know: worth a line, whoever checks wants to know. */
static void take_stray(struct od_carrier_node *n, const struct od_sip_text *m,
                       const struct od_carrier_arrival *a, const char *fact)
{
    n->tally.strays++;
    od_ledger_begin(&n->ledger, fact, a->at);
    od_ledger_text(&n->ledger, "call_id", m->call_id);
    od_ledger_bool(&n->ledger, "matched", false);
    if (m->method == OD_SIP_TEXT_BYE)
        od_ledger_word(&n->ledger, "who", "caller");
    od_ledger_end(&n->ledger);
    if (m->method != OD_SIP_TEXT_ACK)
        reply_stateless(n, m, a, 481, NULL, "");
}

static void take_ack(struct od_carrier_node *n, const struct od_sip_text *m,
                     const struct od_carrier_arrival *a)
{
    /* of a refusal: the INVITE's own transaction; of a 2xx: only the dialog tells
     * (17.1.1.3, 13.2.2.4) */
    struct od_callee *c = find_invite(n, od_carrier_transaction_key(n, m));
    if (!c)
        c = find_dialog(n, m);
    n->tally.acks++;
    if (c)
        od_callee_ack(c, m, a);
    else
        take_stray(n, m, a, "ack");
}

static void take_request(struct od_carrier_node *n, const struct od_sip_text *m,
                         const struct od_carrier_arrival *a)
{
    static const char abilities[] = "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n"
                                    "Accept: application/sdp\r\n";
    struct od_callee *c;
    if (m->require.at && m->method != OD_SIP_TEXT_ACK && m->method != OD_SIP_TEXT_CANCEL) {
        char extra[256]; /* 8.2.2.3: no extension is supported */
        snprintf(extra, sizeof extra, "Unsupported: %.*s\r\n",
                 m->require.bytes < 200 ? (int)m->require.bytes : 200, m->require.at);
        reply_stateless(n, m, a, 420, NULL, extra);
        return;
    }
    switch (m->method) {
    case OD_SIP_TEXT_INVITE:
        take_invite(n, m, a);
        break;
    case OD_SIP_TEXT_ACK:
        take_ack(n, m, a);
        break;
    case OD_SIP_TEXT_CANCEL:
        n->tally.cancels++;
        c = find_invite(n, od_carrier_transaction_key(n, m));
        if (c)
            od_callee_cancel(c, m, a);
        else
            take_stray(n, m, a, "cancel");
        break;
    case OD_SIP_TEXT_BYE:
        c = find_dialog(n, m);
        if (c)
            od_callee_bye(c, m, a);
        else
            take_stray(n, m, a, "bye");
        break;
    case OD_SIP_TEXT_OPTIONS:
        n->tally.options++;
        reply_stateless(n, m, a, 200, NULL, abilities);
        break;
    case OD_SIP_TEXT_REFUSED:
    case OD_SIP_TEXT_UNKNOWN:
        n->tally.other_requests++;
        reply_stateless(n, m, a, m->method == OD_SIP_TEXT_REFUSED ? 405 : 501, NULL, abilities);
        break;
    }
}

static void take_response(struct od_carrier_node *n, const struct od_sip_text *m)
{
    struct od_text tag = m->branch;
    if (tag.bytes <= 7 || m->method != OD_SIP_TEXT_BYE)
        return;
    tag = (struct od_text){tag.at + 7, tag.bytes - 7};
    struct od_callee *c = find_tag(n, tag);
    if (c && c->call_id_hash == od_carrier_hash(n, m->call_id))
        od_callee_response(c, m);
    else
        n->tally.strays++;
}

static bool lost(struct od_carrier_node *n, const struct od_sip_datagram *d)
{
    bool ack = d->count > 4 && memcmp(d->bytes, "ACK ", 4) == 0;
    if (!chance(n, n->setup.profile.lose) && !(ack && chance(n, n->setup.profile.lose_ack)))
        return false;
    n->tally.dropped_in++;
    return true;
}

static void take_datagram(struct od_carrier_node *n, const struct od_sip_datagram *d)
{
    n->tally.datagrams++;
    if (lost(n, d))
        return;
    struct od_sip_text m;
    int status = od_sip_text_parse(&m, d->bytes, d->count);
    if (status < 0) {
        n->tally.malformed++;
        return;
    }
    struct od_carrier_arrival a = {.source = d->source, .at = n->now};
    od_carrier_addr_host_text(&a.source, a.host);
    a.source_text = (struct od_sip_text_source){a.host, od_carrier_addr_port(&a.source)};
    int64_t waited_ns = d->stamp_ns ? n->now.wall_ns - d->stamp_ns : 0;
    if (waited_ns > 0 && (uint64_t)waited_ns < n->now.mono_ns) {
        a.at.wall_ns = d->stamp_ns;
        a.at.mono_ns = n->now.mono_ns - (uint64_t)waited_ns;
    }
    if (!m.request) {
        take_response(n, &m);
    } else if (status > 0) {
        n->tally.malformed++;
        if (m.method != OD_SIP_TEXT_ACK)
            reply_stateless(n, &m, &a, status, m.problem, "");
    } else {
        take_request(n, &m, &a);
    }
}

/* ---- turns -------------------------------------------------------------------------------------
 */

static void begin_turn(struct od_carrier_node *n)
{
    n->now = clock_now();
}

static void end_turn(struct od_carrier_node *n)
{
    n->tally.dropped_out += od_sip_port_flush(n->port);
    set_timer(n);
}

static void on_datagrams(uv_poll_t *poll, int status, int events)
{
    struct od_carrier_node *n = poll->data;
    (void)status;
    (void)events;
    bool more = true;
    for (int round = 0; more && round < READ_ROUNDS; round++) {
        begin_turn(n);
        size_t count = od_sip_port_read(n->port);
        for (size_t i = 0; i < count; i++) {
            struct od_sip_datagram d = od_sip_port_datagram(n->port, i);
            take_datagram(n, &d);
        }
        more = od_sip_port_more(count);
    }
    end_turn(n);
}

static void on_timer(uv_poll_t *poll, int status, int events)
{
    struct od_carrier_node *n = poll->data;
    uint64_t expired;
    (void)status;
    (void)events;
    if (read(n->timer_fd, &expired, sizeof expired) < 0)
        return;
    n->timer_armed_ns = UINT64_MAX;
    begin_turn(n);
    while (n->heap_n && n->heap[0]->due_ns <= n->now.mono_ns) {
        struct od_callee *c = n->heap[0];
        if (!od_callee_run(c))
            free_callee(n, c);
    }
    end_turn(n);
}

static void on_rtp(uv_poll_t *poll, int status, int events)
{
    struct od_carrier_node *n = poll->data;
    struct epoll_event ready[RTP_BATCH];
    (void)status;
    (void)events;
    begin_turn(n);
    int count = epoll_wait(n->rtp_epoll_fd, ready, RTP_BATCH, 0);
    for (int i = 0; i < count; i++) {
        uint32_t index = (uint32_t)ready[i].data.u64;
        struct od_callee *c = n->slots[index].callee;
        if (c && c->generation == ready[i].data.u64 >> 32)
            od_callee_hear(c);
    }
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct od_carrier_node *n = handle->data;
    (void)signum;
    if (n->stopping || n->setup.drain_ms == 0) {
        uv_stop(&n->loop);
        return;
    }
    n->stopping = true;
    n->stop_by_ns = uv_hrtime() + n->setup.drain_ms * 1000000;
}

static void on_housekeeping(uv_timer_t *timer)
{
    struct od_carrier_node *n = timer->data;
    uint64_t now = uv_hrtime();
    od_ledger_flush(&n->ledger);
    if (n->busy)
        n->idle_since_ns = now;
    if (n->stopping && (n->busy == 0 || now >= n->stop_by_ns))
        uv_stop(&n->loop);
    if (n->setup.idle_exit_ms && now - n->idle_since_ns >= n->setup.idle_exit_ms * 1000000)
        uv_stop(&n->loop);
}

/* ---- life --------------------------------------------------------------------------------------
 */

static int take_memory(struct od_carrier_node *n)
{
    size_t calls = n->setup.calls_max;
    n->chains = 1;
    while (n->chains < calls)
        n->chains *= 2;
    n->slots = calloc(calls, sizeof *n->slots);
    n->free_slots = calloc(calls, sizeof *n->free_slots);
    n->heap = calloc(calls, sizeof *n->heap);
    n->by_invite = calloc(n->chains, sizeof *n->by_invite);
    n->by_merge = calloc(n->chains, sizeof *n->by_merge);
    if (!n->slots || !n->free_slots || !n->heap || !n->by_invite || !n->by_merge)
        return -1;
    for (size_t i = 0; i < calls; i++)
        n->free_slots[n->free_n++] = (uint32_t)(calls - 1 - i);
    const struct od_profile *p = &n->setup.profile;
    if (od_number_book_init(&n->book, n->setup.numbers_max) ||
        od_rate_window_init(&n->offered, SECOND_ROOM, 1000000000) ||
        od_rate_window_init(&n->accepted, p->cps_limit + 1, p->cps_window_ms * 1000000ll))
        return -1;
    return 0;
}

static int open_ports(struct od_carrier_node *n, char *problem)
{
    char text[OD_CARRIER_ADDR_TEXT];
    od_carrier_addr_text(&n->setup.listen, text);
    int status = od_sip_port_open(&n->port, &n->setup.listen);
    if (status) {
        snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "--listen udp:%s: %s", text, strerror(-status));
        return -1;
    }
    n->media = n->setup.listen;
    if (n->setup.advertise &&
        !od_carrier_addr_host(&n->media, n->setup.advertise, strlen(n->setup.advertise), 0)) {
        snprintf(problem, OD_PROFILE_PROBLEM_BYTES,
                 "--advertise: expected a numeric address, found '%.60s'", n->setup.advertise);
        return -1;
    }
    struct od_carrier_addr contact = n->media;
    od_carrier_addr_set_port(&contact, od_carrier_addr_port(&n->setup.listen));
    od_carrier_addr_text(&contact, n->contact_host);
    od_carrier_addr_set_port(&n->media, 9); /* discard: what signalling-only calls name */
    if (n->setup.rtp) {
        n->room = od_rtp_room_create(
            &(struct od_rtp_room_setup){n->setup.listen, n->setup.rtp_port_lowest,
                                        n->setup.rtp_port_highest, n->setup.record_dir});
        if (!n->room) {
            snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "out of memory");
            return -1;
        }
    }
    return 0;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_handles(struct od_carrier_node *n)
{
    n->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    n->rtp_epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (n->timer_fd < 0 || n->rtp_epoll_fd < 0)
        return -1;
    uv_signal_init(&n->loop, &n->on_term);
    uv_signal_init(&n->loop, &n->on_int);
    uv_timer_init(&n->loop, &n->housekeeping);
    uv_poll_init(&n->loop, &n->timer_poll, n->timer_fd);
    uv_poll_init(&n->loop, &n->rtp_poll, n->rtp_epoll_fd);
    uv_poll_init(&n->loop, &n->sip_poll, od_sip_port_fd(n->port));
    n->on_term.data = n->on_int.data = n->housekeeping.data = n;
    n->timer_poll.data = n->rtp_poll.data = n->sip_poll.data = n;
    n->handles = true;
    return 0;
}

int od_carrier_create(struct od_carrier_node **out, const struct od_carrier_setup *setup,
                      char problem[OD_PROFILE_PROBLEM_BYTES])
{
    struct od_carrier_node *n = calloc(1, sizeof *n);
    if (!n || uv_loop_init(&n->loop)) {
        snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "out of memory");
        free(n);
        return -1;
    }
    n->setup = *setup;
    n->timer_fd = n->rtp_epoll_fd = n->ledger.fd = -1;
    n->timer_armed_ns = UINT64_MAX;
    n->faults = setup->profile.seed;
    raise_file_limit();
    int status = open_ports(n, problem);
    if (status == 0) {
        if (getrandom(&n->secret, sizeof n->secret, 0) != sizeof n->secret || take_memory(n) ||
            open_handles(n)) {
            snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "%s", strerror(errno));
            status = -1;
        }
    }
    if (status == 0) {
        int error = od_ledger_open(&n->ledger, setup->ledger_path);
        if (error) {
            snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "--ledger %.120s: %s", setup->ledger_path,
                     strerror(-error));
            status = -1;
        }
    }
    if (status) {
        od_carrier_destroy(n);
        return -1;
    }
    *out = n;
    return 0;
}

const struct od_carrier_addr *od_carrier_local(const struct od_carrier_node *n)
{
    return &n->setup.listen;
}

/* A ledger may be continued by another run, whose calls count from 1 again. */
static void write_start(struct od_carrier_node *n)
{
    char listen[OD_CARRIER_ADDR_TEXT];
    od_carrier_addr_text(&n->setup.listen, listen);
    od_ledger_begin(&n->ledger, "start", n->now);
    od_ledger_word(&n->ledger, "listen", listen);
    od_ledger_number(&n->ledger, "seed", n->setup.profile.seed);
    od_ledger_end(&n->ledger);
}

void od_carrier_run(struct od_carrier_node *n)
{
    n->started = n->now = clock_now();
    write_start(n);
    n->idle_since_ns = n->started.mono_ns;
    uv_signal_start(&n->on_term, on_signal, SIGTERM);
    uv_signal_start(&n->on_int, on_signal, SIGINT);
    uv_timer_start(&n->housekeeping, on_housekeeping, HOUSEKEEPING_MS, HOUSEKEEPING_MS);
    uv_poll_start(&n->timer_poll, UV_READABLE, on_timer);
    uv_poll_start(&n->rtp_poll, UV_READABLE, on_rtp);
    uv_poll_start(&n->sip_poll, UV_READABLE, on_datagrams);
    uv_run(&n->loop, UV_RUN_DEFAULT);
    begin_turn(n);
    for (size_t i = n->setup.calls_max; i-- > 0;) {
        struct od_callee *c = n->slots[i].callee;
        if (c) {
            od_callee_abandon(c);
            free_callee(n, c);
        }
    }
    od_sip_port_flush(n->port);
    od_ledger_flush(&n->ledger);
}

void od_carrier_destroy(struct od_carrier_node *n)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&n->on_term,      (uv_handle_t *)&n->on_int,
                              (uv_handle_t *)&n->housekeeping, (uv_handle_t *)&n->timer_poll,
                              (uv_handle_t *)&n->rtp_poll,     (uv_handle_t *)&n->sip_poll};
    for (size_t i = 0; n->handles && i < sizeof handles / sizeof *handles; i++)
        uv_close(handles[i], NULL);
    uv_run(&n->loop, UV_RUN_DEFAULT);
    uv_loop_close(&n->loop);
    if (n->port)
        od_sip_port_close(n->port);
    if (n->timer_fd >= 0)
        close(n->timer_fd);
    if (n->rtp_epoll_fd >= 0)
        close(n->rtp_epoll_fd);
    od_ledger_close(&n->ledger);
    od_rtp_room_destroy(n->room);
    od_number_book_deinit(&n->book);
    od_rate_window_deinit(&n->offered);
    od_rate_window_deinit(&n->accepted);
    free(n->slots);
    free(n->free_slots);
    free(n->heap);
    free(n->by_invite);
    free(n->by_merge);
    free(n);
}

void od_carrier_report(const struct od_carrier_node *n, struct od_carrier_report *out)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    *out = (struct od_carrier_report){
        .tally = n->tally,
        .invites_in_second_most = n->offered.most,
        .numbers = n->book.used,
        .numbers_forgotten = n->book.forgotten,
        .ledger_lines = n->ledger.lines,
        .ledger_lost = n->ledger.lost,
        .run_s = (double)(n->now.mono_ns - n->started.mono_ns) / 1e9,
        .cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
        .once = n->setup.once,
    };
}
