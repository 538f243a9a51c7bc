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

/* Two of libuv's default four threads: the others stay free for files. */
enum { RUNNING_MAX = 2, ENTRIES_MAX = 256, HOST_MAX = 254, FAILURE_TTL_MS = 2000 };

enum entry_state { ENTRY_QUEUED, ENTRY_RUNNING, ENTRY_KNOWN };

struct lookup {
    uv_getaddrinfo_t req;
    struct od_http_dns *dns; /* NULL: nobody wants to know any more */
    struct od_http_dns_entry *entry;
};

struct od_http_dns_entry {
    struct od_http_dns_entry *next;
    struct od_http_dns_waiter waiters; /* ring */
    struct lookup *lookup;             /* while running */
    uint8_t state;
    int err;
    uint64_t expires_ms;
    struct od_http_addrs addrs;
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
        if (entry->lookup) {
            entry->lookup->dns = NULL;
            uv_cancel((uv_req_t *)&entry->lookup->req);
        }
        free(entry);
    }
}

static void add_addr(struct od_http_addrs *addrs, const struct addrinfo *info)
{
    struct od_addr addr = {0};
    if (info->ai_family == AF_INET) {
        addr.family = 4;
        memcpy(addr.ip, &((const struct sockaddr_in *)(const void *)info->ai_addr)->sin_addr, 4);
    } else if (info->ai_family == AF_INET6) {
        addr.family = 6;
        memcpy(addr.ip, &((const struct sockaddr_in6 *)(const void *)info->ai_addr)->sin6_addr, 16);
    } else {
        return;
    }
    if (addrs->count < OD_HTTP_ADDRS_MAX)
        addrs->at[addrs->count++] = addr;
}

static void tell_waiters(struct od_http_dns_entry *entry)
{
    /* A copy, because what a waiter does next may push the entry out of the cache. */
    struct od_http_addrs addrs = entry->addrs;
    int err = entry->err;
    struct od_http_dns_waiter ring = entry->waiters;
    if (ring.next == &entry->waiters)
        return;
    ring.next->prev = ring.prev->next = &ring;
    entry->waiters.next = entry->waiters.prev = &entry->waiters;
    while (ring.next != &ring) {
        struct od_http_dns_waiter *waiter = ring.next;
        od_http_dns_forget(waiter);
        waiter->fn(waiter->ctx, err, &addrs);
    }
}

static void run_queued(struct od_http_dns *dns);

static void on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct lookup *lookup = (struct lookup *)req;
    struct od_http_dns *dns = lookup->dns;
    struct od_http_dns_entry *entry = lookup->entry;
    free(lookup);
    if (!dns) {
        uv_freeaddrinfo(found);
        return;
    }
    dns->running--;
    entry->lookup = NULL;
    entry->state = ENTRY_KNOWN;
    entry->addrs.count = 0;
    for (const struct addrinfo *info = found; info; info = info->ai_next)
        add_addr(&entry->addrs, info);
    uv_freeaddrinfo(found);
    bool no_name = status == UV_EAI_NONAME || status == UV_EAI_NODATA;
    entry->err = status == 0 && entry->addrs.count ? 0 : no_name ? OD_ENOENT : OD_EDOWN;
    entry->expires_ms = uv_now(dns->loop) + (entry->err ? FAILURE_TTL_MS : dns->ttl_ms);
    run_queued(dns);
    tell_waiters(entry);
}

static bool start_lookup(struct od_http_dns *dns, struct od_http_dns_entry *entry)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct lookup *lookup = malloc(sizeof *lookup);
    if (!lookup)
        return false;
    lookup->dns = dns;
    lookup->entry = entry;
    if (uv_getaddrinfo(dns->loop, &lookup->req, on_found, entry->host, NULL, &hints)) {
        free(lookup);
        return false;
    }
    entry->lookup = lookup;
    entry->state = ENTRY_RUNNING;
    dns->running++;
    dns->lookups++;
    return true;
}

/* The one that has waited longest is the last of the list. */
static void run_queued(struct od_http_dns *dns)
{
    while (dns->running < RUNNING_MAX) {
        struct od_http_dns_entry *oldest = NULL;
        for (struct od_http_dns_entry *entry = dns->entries; entry; entry = entry->next) {
            if (entry->state == ENTRY_QUEUED)
                oldest = entry;
        }
        if (!oldest || !start_lookup(dns, oldest))
            return;
    }
}

static bool is_idle(const struct od_http_dns_entry *entry)
{
    return entry->state == ENTRY_KNOWN && entry->waiters.next == &entry->waiters;
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
    if (entry && entry->state == ENTRY_KNOWN) {
        if (uv_now(dns->loop) < entry->expires_ms) {
            *out = entry->addrs;
            return entry->err;
        }
        entry->state = ENTRY_QUEUED;
    }
    if (!entry)
        entry = add(dns, host);
    if (!entry)
        return OD_EDOWN;
    waiter->prev = entry->waiters.prev;
    waiter->next = &entry->waiters;
    entry->waiters.prev->next = waiter;
    entry->waiters.prev = waiter;
    run_queued(dns);
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
