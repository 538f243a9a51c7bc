/*
 * http_guard - see the header. Two tables, longest-match not needed: any match refuses.
 */
#include "proto/http/http_guard.h"

#include <arpa/inet.h>
#include <string.h>

#include "engine/base/str.h"

struct range {
    uint8_t ip[16];
    uint8_t bits;
    const char *what;
};

static const struct range four[] = {
    {{0}, 8, "unspecified"},
    {{10}, 8, "private"},                 /* RFC 1918 */
    {{100, 64}, 10, "carrier-grade NAT"}, /* RFC 6598; one cloud's metadata is in it */
    {{127}, 8, "loopback"},
    {{168, 63, 129, 16}, 32, "metadata"}, /* a cloud's wire server on a public address */
    {{169, 254}, 16, "link-local"},       /* RFC 3927; most clouds' metadata is in it */
    {{172, 16}, 12, "private"},
    {{192, 0, 0}, 24, "special"},       /* RFC 6890 */
    {{192, 0, 2}, 24, "documentation"}, /* RFC 5737 */
    {{192, 88, 99}, 24, "special"},     /* 6to4 relays, RFC 7526 */
    {{192, 168}, 16, "private"},
    {{198, 18}, 15, "benchmarking"}, /* RFC 2544 */
    {{198, 51, 100}, 24, "documentation"},
    {{203, 0, 113}, 24, "documentation"},
    {{224}, 4, "multicast"},
    {{240}, 4, "reserved"}, /* and limited broadcast */
};

static const struct range six[] = {
    {{0}, 96, "unspecified"}, /* ::, ::1 and the old IPv4-compatible form */
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "local translation"}, /* RFC 8215 */
    {{0x01, 0x00}, 64, "discard"},                                   /* RFC 6666 */
    {{0x20, 0x01, 0x00}, 23, "special"}, /* Teredo, ORCHID, benchmarking */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation"},
    {{0x20, 0x02}, 16, "6to4"},
    {{0x3f, 0xff}, 20, "documentation"},   /* RFC 9637 */
    {{0x5f, 0x00}, 16, "segment routing"}, /* RFC 9602 */
    {{0xfc}, 7, "private"},                /* RFC 4193 */
    {{0xfe, 0x80}, 10, "link-local"},
    {{0xfe, 0xc0}, 10, "site-local"},
    {{0xff}, 8, "multicast"},
};

static const char *match(const struct range *ranges, size_t count, const uint8_t *ip)
{
    for (size_t i = 0; i < count; i++) {
        const struct range *r = &ranges[i];
        unsigned whole = r->bits / 8u, rest = r->bits % 8u;
        if (memcmp(ip, r->ip, whole) != 0)
            continue;
        if (rest && ((ip[whole] ^ r->ip[whole]) >> (8u - rest)) != 0)
            continue;
        return r->what;
    }
    return NULL;
}

static const char *reason_four(const uint8_t *ip)
{
    return match(four, sizeof four / sizeof four[0], ip);
}

const char *od_http_guard_reason(const struct od_addr *addr)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};    /* 64:ff9b::/96 */
    static const uint8_t loopback[16] = {[15] = 1};
    if (addr->family == 4)
        return reason_four(addr->ip);
    if (addr->family != 6)
        return "unknown";
    if (memcmp(addr->ip, loopback, 16) == 0)
        return "loopback";
    if (memcmp(addr->ip, mapped, 12) == 0 || memcmp(addr->ip, nat64, 12) == 0)
        return reason_four(addr->ip + 12);
    const char *what = match(six, sizeof six / sizeof six[0], addr->ip);
    if (!what && (addr->ip[0] & 0xe0) != 0x20) /* global unicast is 2000::/3 (RFC 4291) */
        what = "reserved";
    return what;
}

/* ---- the operator's rules ---- */

/* Services that take a line of text for a command, or trust whoever can reach them. Below 1024 only
 * the web's own ports are fine. */
static const uint16_t bad_ports[] = {1025, 1433, 1521,  2049,  2181,  2375,  2376,  2379, 2380,
                                     3306, 3389, 4369,  5432,  5672,  5900,  5984,  6000, 6379,
                                     6380, 6443, 7000,  7001,  8086,  8500,  9042,  9092, 9100,
                                     9200, 9300, 10250, 11211, 15672, 16379, 26379, 27017};

static bool port_ok(const struct od_http_rules *rules, uint16_t port)
{
    if (rules && rules->port_count) {
        for (unsigned i = 0; i < rules->port_count; i++)
            if (port >= rules->ports[i].first && port <= rules->ports[i].last)
                return true;
        return false;
    }
    if (port < 1024)
        return port == 80 || port == 443;
    for (size_t i = 0; i < sizeof bad_ports / sizeof bad_ports[0]; i++)
        if (port == bad_ports[i])
            return false;
    return true;
}

bool od_http_net_has(const struct od_http_net *net, const struct od_addr *addr)
{
    unsigned whole = net->bits / 8u, rest = net->bits % 8u;
    if (net->addr.family != addr->family || memcmp(net->addr.ip, addr->ip, whole) != 0)
        return false;
    return !rest || (net->addr.ip[whole] ^ addr->ip[whole]) >> (8u - rest) == 0;
}

const char *od_http_guard_check(const struct od_http_rules *rules, const struct od_addr *addr,
                                bool allow_private)
{
    if (!port_ok(rules, addr->port))
        return "a port that is not allowed";
    const char *reason = allow_private ? NULL : od_http_guard_reason(addr);
    for (unsigned i = 0; reason && rules && i < rules->net_count; i++)
        if (od_http_net_has(&rules->nets[i], addr))
            reason = NULL;
    return reason;
}

bool od_http_net_parse(const char *text, struct od_http_net *out)
{
    char host[INET6_ADDRSTRLEN];
    size_t bytes = strcspn(text, "/");
    uint64_t bits;
    *out = (struct od_http_net){0};
    if (bytes >= sizeof host)
        return false;
    memcpy(host, text, bytes);
    host[bytes] = '\0';
    if (inet_pton(AF_INET, host, out->addr.ip) == 1)
        out->addr.family = 4;
    else if (inet_pton(AF_INET6, host, out->addr.ip) == 1)
        out->addr.family = 6;
    else
        return false;
    unsigned max = out->addr.family == 4 ? 32 : 128;
    if (!text[bytes]) {
        out->bits = (uint8_t)max;
        return true;
    }
    if (!od_str_u64(text + bytes + 1, strlen(text + bytes + 1), max, &bits))
        return false;
    out->bits = (uint8_t)bits;
    for (unsigned i = out->bits; i < max; i++)
        if (out->addr.ip[i / 8] & 0x80u >> i % 8)
            return false;
    return true;
}

bool od_http_ports_parse(const char *text, struct od_http_ports *out)
{
    size_t bytes = strcspn(text, "-");
    uint64_t first, last;
    if (!od_str_u64(text, bytes, 65535, &first) || first == 0)
        return false;
    last = first;
    if (text[bytes] && !od_str_u64(text + bytes + 1, strlen(text + bytes + 1), 65535, &last))
        return false;
    *out = (struct od_http_ports){(uint16_t)first, (uint16_t)last};
    return last >= first;
}
