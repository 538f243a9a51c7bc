/*
 * registrations - a list; each entry has at most one request under way and one time at which the
 * next is due. What it was last registered as is kept as text, so that it can be taken away after
 * the trunk it came from has changed.
 */
#include "engine/host/registrations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "engine/base/rng.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "engine/host/log.h"
#include "engine/host/options.h"
#include "outdial/err.h"

enum {
    EXPIRES_S = 600,       /* asked for: a NAT's or a firewall's state is kept by it, too */
    EXPIRES_S_MAX = 86400, /* that a 423 may make us ask for */
    MARGIN_MS = 35 * 1000, /* a refresh has its 64*T1, 32 s, before the binding ends */
    RETRY_MS = 30 * 1000,  /* RFC 5626 section 4.5: base-time, all flows failed */
    RETRY_MS_MAX = 1800 * 1000,
    DOUBLINGS_MAX = 6,
    SENDS_PER_TICK = 5,   /* thousands of numbers are registered over a minute, not in one turn */
    LOOKS_PER_TICK = 256, /* entries and trunks looked at, about a microsecond each */
};

/* What a request says and where it goes. Zeroed before it is filled: compared byte for byte. */
struct place {
    struct od_addr server, hop; /* as in od_sip_invite */
    uint8_t transport;          /* enum od_config_transport */
    char domain[256], user[OD_SIP_AUTH_TEXT_MAX];
    char auth_user[OD_SIP_AUTH_TEXT_MAX], password[OD_SIP_AUTH_TEXT_MAX];
};

struct registration {
    struct registration *next;
    UT_hash_handle hh;          /* of numbers by uid, or of trunks by name */
    size_t trunk;               /* where the trunk of that name was found last */
    struct od_uid number;       /* none: a configured trunk's */
    char name[OD_ENDPOINT_MAX]; /* the number, or the trunk's name */
    bool wanted;
    uint32_t id; /* of the requests; 0: none was sent yet */
    struct place place;
    bool under_way, bound;
    uint32_t expires_s; /* to ask for */
    unsigned failures;  /* in a row */
    uint64_t due_ns;
    struct od_api_registration shown;
};

/* A request that takes a binding away, until it is answered. */
struct leaving {
    struct leaving *next;
    uint32_t id;
};

struct od_registrations {
    struct od_registrations_port port;
    struct od_rng rng;
    struct registration *first, **at; /* at: the next one to be looked at, as a place in the list */
    struct registration *numbers, *trunks;
    size_t trunk_at; /* the next configured trunk to be looked at */
    struct leaving *leaving;
    uint32_t last_id;
    bool stopped;
};

int od_registrations_create(struct od_registrations **out, const struct od_registrations_port *port,
                            uint64_t seed)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return OD_ENOMEM;
    (*out)->port = *port;
    (*out)->at = &(*out)->first;
    (*out)->rng.state = seed;
    return 0;
}

static void registration_free(struct registration *reg)
{
    explicit_bzero(reg->place.password, sizeof reg->place.password);
    free(reg);
}

void od_registrations_destroy(struct od_registrations *regs)
{
    if (regs) {
        HASH_CLEAR(hh, regs->numbers);
        HASH_CLEAR(hh, regs->trunks);
    }
    while (regs && regs->first) {
        struct registration *next = regs->first->next;
        registration_free(regs->first);
        regs->first = next;
    }
    while (regs && regs->leaving) {
        struct leaving *next = regs->leaving->next;
        free(regs->leaving);
        regs->leaving = next;
    }
    free(regs);
}

/* ---- finding ---- */

static struct registration *find(const struct od_registrations *regs, const struct od_uid *number,
                                 const char *name)
{
    struct registration *reg;
    if (number)
        HASH_FIND(hh, regs->numbers, number, sizeof *number, reg);
    else
        HASH_FIND(hh, regs->trunks, name, strlen(name), reg);
    return reg;
}

static struct registration *add(struct od_registrations *regs, const struct od_uid *number,
                                const char *name)
{
    struct registration *reg = calloc(1, sizeof *reg);
    if (!reg) {
        od_log(OD_CONFIG_LOG_ERROR, "register", "out of memory for the registration of %s", name);
        return NULL;
    }
    if (number)
        reg->number = *number;
    od_str_copy(reg->name, sizeof reg->name, name, strlen(name));
    reg->expires_s = EXPIRES_S;
    reg->shown.state = OD_API_REGISTER_TRYING;
    if (number)
        HASH_ADD(hh, regs->numbers, number, sizeof reg->number, reg);
    else
        HASH_ADD_KEYPTR(hh, regs->trunks, reg->name, strlen(reg->name), reg);
    reg->next = *regs->at;
    *regs->at = reg; /* looked at next */
    return reg;
}

void od_registrations_number(struct od_registrations *regs, const struct od_uid *id,
                             const char *number, bool wanted)
{
    struct registration *reg = find(regs, id, NULL);
    if (!reg && wanted)
        reg = add(regs, id, number);
    if (reg)
        reg->wanted = wanted;
    if (reg && wanted && strcmp(reg->name, number) != 0)
        od_str_copy(reg->name, sizeof reg->name, number, strlen(number));
}

static void remove_from_table(struct od_registrations *regs, struct registration *reg)
{
    if (od_uid_none(&reg->number))
        HASH_DEL(regs->trunks, reg);
    else
        HASH_DEL(regs->numbers, reg);
}

/* ---- sending ---- */

/* But for padding. */
static void copy_address(struct od_addr *to, const struct od_addr *from)
{
    to->family = from->family;
    to->port = from->port;
    memcpy(to->ip, from->ip, sizeof to->ip);
}

/* An account's user where it has one, else the number itself. False: it can't be reached now. */
static bool read_place(const struct registration *reg, const struct od_trunk_entry *entry,
                       struct place *out)
{
    memset(out, 0, sizeof *out);
    if (!entry || !entry->addr.family)
        return false;
    const struct od_config_trunk *config = entry->config;
    bool number = !od_uid_none(&reg->number);
    const char *user = *config->from_user   ? config->from_user
                       : *config->auth_user ? config->auth_user
                       : number             ? reg->name
                                            : "";
    const char *auth_user = *config->auth_user ? config->auth_user : *config->password ? user : "";
    copy_address(&out->server, &entry->addr);
    copy_address(&out->hop, &entry->hop);
    out->transport = config->transport;
    return od_str_copy(out->domain, sizeof out->domain, config->domain, strlen(config->domain)) &&
           od_str_copy(out->user, sizeof out->user, user, strlen(user)) &&
           od_str_copy(out->auth_user, sizeof out->auth_user, auth_user, strlen(auth_user)) &&
           od_str_copy(out->password, sizeof out->password, config->password,
                       strlen(config->password));
}

static int send_to(const struct od_registrations *regs, uint32_t id, const struct place *place,
                   uint32_t expires_s)
{
    const struct od_sip_invite who = {
        .server = place->server,
        .hop = place->hop,
        .transport = od_transport_words[place->transport],
        .domain = place->domain,
        .from_user = place->user,
        .auth_user = place->auth_user,
        .password = place->password,
    };
    return regs->port.send(regs->port.ctx, id, &who, expires_s);
}

/* Takes the binding away, if there may be one; the registration begins anew after that. */
static void leave(struct od_registrations *regs, struct registration *reg)
{
    bool there = reg->bound || reg->under_way;
    struct leaving *leaving = there ? calloc(1, sizeof *leaving) : NULL;
    if (reg->under_way) { /* its request is forgotten; another one takes its place */
        regs->port.end(regs->port.ctx, reg->id);
        reg->id = ++regs->last_id;
    }
    if (leaving && send_to(regs, reg->id, &reg->place, 0) == 0) {
        leaving->id = reg->id;
        leaving->next = regs->leaving;
        regs->leaving = leaving;
    } else {
        free(leaving);
        if (reg->id)
            regs->port.end(regs->port.ctx, reg->id);
    }
    reg->id = 0;
    reg->under_way = reg->bound = false;
    reg->failures = 0;
    reg->expires_s = EXPIRES_S;
    reg->due_ns = 0;
    reg->shown = (struct od_api_registration){.state = OD_API_REGISTER_TRYING};
}

/* For the log: a trunk's name, or the number with its middle hidden. */
static const char *log_name(const struct registration *reg, char out[OD_ENDPOINT_MAX])
{
    if (od_uid_none(&reg->number))
        return reg->name;
    od_str_mask_number(out, OD_ENDPOINT_MAX, reg->name);
    return out;
}

static void put_off(struct od_registrations *regs, struct registration *reg, uint64_t least_ms,
                    uint64_t now_ns)
{
    unsigned doublings = reg->failures < DOUBLINGS_MAX ? reg->failures : DOUBLINGS_MAX;
    uint64_t most_ms = (uint64_t)RETRY_MS << doublings;
    if (most_ms > RETRY_MS_MAX)
        most_ms = RETRY_MS_MAX;
    uint64_t wait_ms = most_ms / 2 + od_rng_below(&regs->rng, most_ms / 2 + 1);
    reg->failures++;
    reg->due_ns = now_ns + (wait_ms > least_ms ? wait_ms : least_ms) * OD_NS_PER_MS;
}

static void fail(struct od_registrations *regs, struct registration *reg, const char *why,
                 const char *response, uint64_t least_ms, struct od_now now)
{
    char name[OD_ENDPOINT_MAX];
    bool news = reg->shown.state != OD_API_REGISTER_FAILED || strcmp(reg->shown.error, why) != 0;
    put_off(regs, reg, least_ms, now.mono_ns);
    reg->shown.state = OD_API_REGISTER_FAILED;
    reg->shown.updated_ms = now.wall_ms;
    od_str_copy(reg->shown.error, sizeof reg->shown.error, why, strlen(why));
    od_str_copy(reg->shown.response, sizeof reg->shown.response, response, strlen(response));
    if (news)
        od_log(OD_CONFIG_LOG_WARN, "register", "%s is not registered: %s%s%s", log_name(reg, name),
               why, *response ? ": " : "", response);
}

static void send_due(struct od_registrations *regs, struct registration *reg, struct od_now now)
{
    if (!reg->id)
        reg->id = ++regs->last_id;
    int err = send_to(regs, reg->id, &reg->place, reg->expires_s);
    if (err)
        fail(regs, reg,
             err == OD_EINVAL ? "no listener for its transport, or an unusable user"
                              : od_err_text(err),
             "", 0, now);
    else
        reg->under_way = true;
}

/* The wishes of the configuration, which a reload may have changed. */
static void look_at_trunks(struct od_registrations *regs)
{
    for (unsigned i = 0; i < LOOKS_PER_TICK; i++, regs->trunk_at++) {
        const struct od_trunk_entry *entry = regs->port.trunk(regs->port.ctx, regs->trunk_at);
        if (!entry) {
            regs->trunk_at = 0;
            return;
        }
        if (entry->config->registers && !entry->removed && !find(regs, NULL, entry->config->name))
            add(regs, NULL, entry->config->name);
    }
}

/* Where a registration leads; NULL: nowhere now. Says of a trunk whether it still wants one. */
static const struct od_trunk_entry *entry_of(const struct od_registrations *regs,
                                             struct registration *reg)
{
    const struct od_trunk_entry *entry;
    if (!od_uid_none(&reg->number))
        return regs->port.way(regs->port.ctx, &reg->number);
    entry = regs->port.trunk(regs->port.ctx, reg->trunk);
    if (!entry || strcmp(entry->config->name, reg->name) != 0) {
        reg->trunk = 0;
        while ((entry = regs->port.trunk(regs->port.ctx, reg->trunk)) != NULL &&
               strcmp(entry->config->name, reg->name) != 0)
            reg->trunk++;
    }
    reg->wanted = entry && entry->config->registers && !entry->removed;
    return entry;
}

/* True: the place stands, and the registration is wanted there. */
static bool settle(struct od_registrations *regs, struct registration *reg)
{
    struct place place;
    const struct od_trunk_entry *entry = entry_of(regs, reg);
    bool there = reg->wanted && read_place(reg, entry, &place);
    bool same = there && memcmp(&place, &reg->place, sizeof place) == 0;
    if (!same && (reg->bound || reg->under_way || reg->id) && (there || !reg->wanted || !entry))
        leave(regs, reg);
    if (there && !same)
        reg->place = place;
    explicit_bzero(&place, sizeof place);
    return there;
}

void od_registrations_tick(struct od_registrations *regs, struct od_now now)
{
    unsigned sends = 0;
    if (regs->stopped)
        return;
    look_at_trunks(regs);
    for (unsigned i = 0; i < LOOKS_PER_TICK && *regs->at && sends < SENDS_PER_TICK; i++) {
        struct registration *reg = *regs->at;
        bool there = settle(regs, reg);
        if (!reg->wanted) {
            *regs->at = reg->next;
            remove_from_table(regs, reg);
            registration_free(reg);
            continue;
        }
        if (there && !reg->under_way && now.mono_ns >= reg->due_ns) {
            send_due(regs, reg, now);
            sends++;
        }
        regs->at = &reg->next;
    }
    if (!*regs->at)
        regs->at = &regs->first;
}

/* ---- answers ---- */

static void succeed(struct registration *reg, uint32_t expires_s, struct od_now now)
{
    char name[OD_ENDPOINT_MAX];
    uint64_t whole_ms = (uint64_t)expires_s * 1000, margin_ms = whole_ms / 10;
    if (margin_ms < MARGIN_MS)
        margin_ms = MARGIN_MS;
    if (margin_ms > whole_ms / 2)
        margin_ms = whole_ms / 2;
    if (!reg->bound)
        od_log(OD_CONFIG_LOG_INFO, "register", "%s is registered at %s for %u s",
               log_name(reg, name), reg->place.domain, (unsigned)expires_s);
    reg->bound = true;
    reg->failures = 0;
    reg->due_ns = now.mono_ns + (whole_ms - margin_ms) * OD_NS_PER_MS;
    reg->shown = (struct od_api_registration){.state = OD_API_REGISTER_DONE,
                                              .updated_ms = now.wall_ms,
                                              .expires_ms = now.wall_ms + (int64_t)whole_ms};
    strcpy(reg->shown.response, "200 OK");
}

static const char *failure_of(const struct od_sip_registered *answer)
{
    if (answer->status == 0)
        return "the registrar does not answer";
    if (answer->auth == OD_SIP_AUTH_MISSING)
        return "the registrar asks for credentials, and there are none";
    if (answer->auth == OD_SIP_AUTH_REFUSED)
        return "the registrar refuses the user or password";
    if (answer->auth == OD_SIP_AUTH_UNUSABLE)
        return "the registrar asks for credentials in a way that can't be answered";
    if (answer->status < 300)
        return "the registrar took the registration away at once";
    return "the registrar refused";
}

static void forget_leaving(struct od_registrations *regs, uint32_t id)
{
    struct leaving **at = &regs->leaving;
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    if (!*at)
        return;
    struct leaving *gone = *at;
    *at = gone->next;
    free(gone);
    regs->port.end(regs->port.ctx, id);
}

void od_registrations_answer(struct od_registrations *regs, uint32_t id,
                             const struct od_sip_registered *answer, struct od_now now)
{
    char response[sizeof((struct od_api_registration *)0)->response] = "";
    struct registration *reg = regs->first;
    while (reg && (reg->id != id || !reg->under_way))
        reg = reg->next;
    if (!reg) {
        forget_leaving(regs, id);
        return;
    }
    reg->under_way = false;
    if (answer->status >= 200 && answer->status < 300 && answer->expires_s) {
        succeed(reg, answer->expires_s, now);
        return;
    }
    if (answer->status == 423 && answer->min_expires_s > reg->expires_s &&
        answer->min_expires_s <= EXPIRES_S_MAX) {
        reg->expires_s = answer->min_expires_s;
        reg->due_ns = now.mono_ns;
        return;
    }
    if (answer->status)
        snprintf(response, sizeof response, "%u %s", answer->status, answer->reason);
    reg->bound = reg->bound && now.wall_ms < reg->shown.expires_ms;
    fail(regs, reg, failure_of(answer), response, (uint64_t)answer->retry_after_s * 1000, now);
}

/* ---- the end, and what is shown ---- */

void od_registrations_stop(struct od_registrations *regs)
{
    regs->stopped = true;
    for (struct registration *reg = regs->first; reg; reg = reg->next)
        leave(regs, reg);
}

size_t od_registrations_under_way(const struct od_registrations *regs)
{
    size_t count = 0;
    for (const struct registration *reg = regs->first; reg; reg = reg->next)
        count += reg->under_way;
    for (const struct leaving *leaving = regs->leaving; leaving; leaving = leaving->next)
        count++;
    return count;
}

static void show(const struct registration *reg, struct od_api_registration *out)
{
    *out = (struct od_api_registration){.state = OD_API_REGISTER_OFF};
    if (reg && reg->wanted)
        *out = reg->shown;
}

void od_registrations_of_number(const struct od_registrations *regs, const struct od_uid *id,
                                struct od_api_registration *out)
{
    show(find(regs, id, NULL), out);
}

void od_registrations_of_trunk(const struct od_registrations *regs, const char *name,
                               struct od_api_registration *out)
{
    show(find(regs, NULL, name), out);
}

size_t od_registrations_count(const struct od_registrations *regs, unsigned state)
{
    size_t count = 0;
    for (const struct registration *reg = regs->first; reg; reg = reg->next)
        count += reg->wanted && reg->shown.state == state;
    return count;
}
