/*
 * servers - a list so short that it is walked.
 */
#include "engine/host/servers.h"

#include <string.h>

static size_t ip_bytes(const struct od_addr *addr)
{
    return addr->family == 4 ? 4 : 16;
}

static bool same_ip(const struct od_addr *a, const struct od_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, ip_bytes(a)) == 0;
}

static bool same(const struct od_addr *a, const struct od_addr *b)
{
    return a->port == b->port && same_ip(a, b);
}

/* The count when it is none of them. */
static size_t find(const struct od_servers *servers, const struct od_addr *addr)
{
    size_t i = 0;
    while (i < servers->count && !same(&servers->all[i].addr, addr))
        i++;
    return i;
}

/* The first that does not rest, or the one that has rested longest. */
static size_t best(const struct od_servers *servers, uint64_t now_ns)
{
    size_t found = 0;
    for (size_t i = 0; i < servers->count; i++) {
        if (servers->all[i].rests_until_ns <= now_ns)
            return i;
        if (servers->all[i].rests_until_ns < servers->all[found].rests_until_ns)
            found = i;
    }
    return found;
}

void od_servers_set(struct od_servers *servers, const struct od_addr *list, size_t count,
                    uint64_t now_ns)
{
    const struct od_servers before = *servers;
    *servers = (struct od_servers){0};
    for (size_t i = 0; i < count && servers->count < OD_SERVERS_MAX; i++) {
        size_t known = find(&before, &list[i]);
        if (find(servers, &list[i]) < servers->count)
            continue;
        servers->all[servers->count].addr = list[i];
        servers->all[servers->count++].rests_until_ns =
            known < before.count ? before.all[known].rests_until_ns : 0;
    }
    servers->at = best(servers, now_ns);
}

bool od_servers_failed(struct od_servers *servers, const struct od_addr *addr, uint64_t now_ns)
{
    size_t failed = find(servers, addr);
    if (servers->count == 0)
        return false;
    if (failed != servers->at)
        return true; /* so it was before: an INVITE takes its time to fail */
    servers->all[failed].rests_until_ns = now_ns + OD_SERVER_REST_NS;
    size_t next = best(servers, now_ns);
    if (servers->all[next].rests_until_ns > now_ns)
        return false; /* no better */
    servers->at = next;
    return true;
}

bool od_servers_resting(const struct od_servers *servers, uint64_t now_ns)
{
    for (size_t i = 0; i < servers->count; i++)
        if (servers->all[i].rests_until_ns > now_ns)
            return true;
    return false;
}

bool od_servers_have(const struct od_servers *servers, const struct od_addr *addr)
{
    for (size_t i = 0; i < servers->count; i++)
        if (same_ip(&servers->all[i].addr, addr))
            return true;
    return false;
}
