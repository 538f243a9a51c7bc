/*
 * http_dns - see the header. Entries are few (the cap bounds them), so a list does.
 */
#include "proto/http/http_dns.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

/* Look-ups of a family at a time. Both together are as many as libuv runs of them on the eight
 * threads that the host asks for; a resolver that is silent about one family leaves the other's. */
enum { RUNNING_MAX = 2, ENTRIES_MAX = 256, HOST_MAX = 254, FAILURE_TTL_MS = 2000 };

enum { FAMILIES = 2, OF_A_FAMILY_MAX = OD_HTTP_ADDRS_MAX / FAMILIES };
static const int families[FAMILIES] = {AF_INET6, AF_INET};

enum half_state { HALF_QUEUED, HALF_RUNNING, HALF_KNOWN };

struct half;

struct lookup {
    uv_getaddrinfo_t req;
    struct od_http_dns *dns; /* NULL: nobody wants to know any more */
    struct od_http_dns_entry *entry;
    struct half *half; /* of the entry */
};

/* What is known of a name in one family. */
struct half {
    struct lookup *lookup; /* while running */
    uint8_t state;
    int err;
    unsigned count;
    struct od_addr at[OF_A_FAMILY_MAX];
};

struct od_http_dns_entry {
    struct od_http_dns_entry *next;
    struct od_http_dns_waiter waiters; /* ring */
    struct half halves[FAMILIES];
    uint64_t expires_ms; /* when both are known */
    char host[HOST_MAX];
};

void od_http_dns_init(struct od_http_dns *dns, uv_loop_t *loop, uint64_t ttl_ms)
{
    *dns = (struct od_http_dns){.loop = loop, .ttl_ms = ttl_ms};
}

void od_http_dns_deinit(struct od_http_dns *dns)
{
    while (dns->entries) {
        struct od_http_dns_entry *entry = dns->entries;
        dns->entries = entry->next;
        for (unsigned i = 0; i < FAMILIES; i++) {
            struct lookup *lookup = entry->halves[i].lookup;
            if (!lookup)
                continue;
            lookup->dns = NULL;
            uv_cancel((uv_req_t *)&lookup->req);
        }
        free(entry);
    }
}

static void add_addr(struct half *half, const struct addrinfo *info)
{
    struct od_addr *addr = &half->at[half->count];
    if (half->count == OF_A_FAMILY_MAX)
        return;
    *addr = (struct od_addr){.family = info->ai_family == AF_INET ? 4 : 6};
    if (info->ai_family == AF_INET)
        memcpy(addr->ip, &((const struct sockaddr_in *)(const void *)info->ai_addr)->sin_addr, 4);
    else
        memcpy(addr->ip, &((const struct sockaddr_in6 *)(const void *)info->ai_addr)->sin6_addr,
               16);
    half->count++;
}

static bool is_known(const struct od_http_dns_entry *entry)
{
    for (unsigned i = 0; i < FAMILIES; i++)
        if (entry->halves[i].state != HALF_KNOWN)
            return false;
    return true;
}

static void gather(const struct od_http_dns_entry *entry, struct od_http_addrs *out)
{
    out->count = 0;
    for (unsigned i = 0; i < FAMILIES; i++)
        for (unsigned n = 0; entry->halves[i].state == HALF_KNOWN && n < entry->halves[i].count;
             n++)
            out->at[out->count++] = entry->halves[i].at[n];
}

/* Of a name both of whose families are known. */
static int err_of(const struct od_http_dns_entry *entry)
{
    int err = OD_ENOENT;
    for (unsigned i = 0; i < FAMILIES; i++) {
        if (entry->halves[i].count)
            return 0;
        if (entry->halves[i].err != OD_ENOENT)
            err = OD_EDOWN;
    }
    return err;
}

static void enqueue(struct od_http_dns_entry *entry, struct od_http_dns_waiter *waiter)
{
    waiter->prev = entry->waiters.prev;
    waiter->next = &entry->waiters;
    entry->waiters.prev->next = waiter;
    entry->waiters.prev = waiter;
}

static void tell_waiters(struct od_http_dns_entry *entry)
{
    bool more = !is_known(entry);
    int err = more ? 0 : err_of(entry);
    struct od_http_addrs addrs; /* a copy: once all is told, a waiter may push the entry out */
    struct od_http_dns_waiter ring = entry->waiters;
    gather(entry, &addrs);
    if (ring.next == &entry->waiters || (more && !addrs.count))
        return;
    ring.next->prev = ring.prev->next = &ring;
    entry->waiters.next = entry->waiters.prev = &entry->waiters;
    while (ring.next != &ring) {
        struct od_http_dns_waiter *waiter = ring.next;
        od_http_dns_forget(waiter);
        if (more)
            enqueue(entry, waiter);
        waiter->fn(waiter->ctx, err, &addrs, more);
    }
}

static void run_queued(struct od_http_dns *dns);

static uint64_t ttl_ms(const struct od_http_dns *dns, const struct od_http_dns_entry *entry)
{
    bool failed = err_of(entry) != 0;
    for (unsigned i = 0; i < FAMILIES; i++)
        failed = failed || entry->halves[i].err == OD_EDOWN;
    return failed && FAILURE_TTL_MS < dns->ttl_ms ? FAILURE_TTL_MS : dns->ttl_ms;
}

static void on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct lookup *lookup = (struct lookup *)req;
    struct od_http_dns *dns = lookup->dns;
    struct od_http_dns_entry *entry = lookup->entry;
    struct half *half = lookup->half;
    free(lookup);
    if (!dns) {
        uv_freeaddrinfo(found);
        return;
    }
    unsigned family = (unsigned)(half - entry->halves);
    dns->running[family]--;
    half->lookup = NULL;
    half->state = HALF_KNOWN;
    half->count = 0;
    for (const struct addrinfo *info = found; info; info = info->ai_next)
        if (info->ai_family == families[family])
            add_addr(half, info);
    uv_freeaddrinfo(found);
    bool none = status == UV_EAI_NONAME || status == UV_EAI_NODATA || status == UV_EAI_ADDRFAMILY ||
                (status == 0 && !half->count);
    half->err = none ? OD_ENOENT : status ? OD_EDOWN : 0;
    if (is_known(entry))
        entry->expires_ms = uv_now(dns->loop) + ttl_ms(dns, entry);
    run_queued(dns);
    tell_waiters(entry);
}

static bool start_lookup(struct od_http_dns *dns, struct od_http_dns_entry *entry, unsigned family)
{
    struct addrinfo hints = {.ai_family = families[family], .ai_socktype = SOCK_STREAM};
    struct lookup *lookup = malloc(sizeof *lookup);
    if (!lookup)
        return false;
    lookup->dns = dns;
    lookup->entry = entry;
    lookup->half = &entry->halves[family];
    if (uv_getaddrinfo(dns->loop, &lookup->req, on_found, entry->host, NULL, &hints)) {
        free(lookup);
        return false;
    }
    entry->halves[family].lookup = lookup;
    entry->halves[family].state = HALF_RUNNING;
    dns->running[family]++;
    dns->lookups += family == 0;
    return true;
}

/* The one that has waited longest is the last of the list. */
static void run_queued(struct od_http_dns *dns)
{
    for (unsigned family = 0; family < FAMILIES; family++) {
        while (dns->running[family] < RUNNING_MAX) {
            struct od_http_dns_entry *oldest = NULL;
            for (struct od_http_dns_entry *entry = dns->entries; entry; entry = entry->next) {
                if (entry->halves[family].state == HALF_QUEUED)
                    oldest = entry;
            }
            if (!oldest || !start_lookup(dns, oldest, family))
                break;
        }
    }
}

static bool is_idle(const struct od_http_dns_entry *entry)
{
    return is_known(entry) && entry->waiters.next == &entry->waiters;
}

/* Takes the oldest entry that nobody waits for out of the list. */
static void drop_oldest(struct od_http_dns *dns)
{
    struct od_http_dns_entry **link = NULL;
    for (struct od_http_dns_entry **at = &dns->entries; *at; at = &(*at)->next) {
        if (is_idle(*at))
            link = at;
    }
    if (!link)
        return;
    struct od_http_dns_entry *entry = *link;
    *link = entry->next;
    dns->count--;
    free(entry);
}

static struct od_http_dns_entry *find(struct od_http_dns *dns, const char *host)
{
    for (struct od_http_dns_entry *entry = dns->entries; entry; entry = entry->next) {
        if (strcmp(entry->host, host) == 0)
            return entry;
    }
    return NULL;
}

static struct od_http_dns_entry *add(struct od_http_dns *dns, const char *host)
{
    if (dns->count >= ENTRIES_MAX)
        drop_oldest(dns);
    if (dns->count >= ENTRIES_MAX || strlen(host) >= HOST_MAX)
        return NULL;
    struct od_http_dns_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    od_str_copy(entry->host, sizeof entry->host, host, strlen(host));
    entry->waiters.next = entry->waiters.prev = &entry->waiters;
    entry->next = dns->entries;
    dns->entries = entry;
    dns->count++;
    return entry;
}

int od_http_dns_ask(struct od_http_dns *dns, const char *host, struct od_http_dns_waiter *waiter,
                    struct od_http_addrs *out)
{
    struct od_http_dns_entry *entry = find(dns, host);
    out->count = 0;
    if (entry && is_known(entry)) {
        if (uv_now(dns->loop) < entry->expires_ms) {
            gather(entry, out);
            return err_of(entry);
        }
        for (unsigned i = 0; i < FAMILIES; i++)
            entry->halves[i].state = HALF_QUEUED;
    }
    if (!entry)
        entry = add(dns, host);
    if (!entry)
        return OD_EDOWN;
    enqueue(entry, waiter);
    run_queued(dns);
    gather(entry, out);
    return OD_EBUSY;
}

void od_http_dns_forget(struct od_http_dns_waiter *waiter)
{
    if (!waiter->next)
        return;
    waiter->prev->next = waiter->next;
    waiter->next->prev = waiter->prev;
    waiter->next = waiter->prev = NULL;
}
