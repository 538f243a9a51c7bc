/*
 * options_check - the texts of the configuration, one function per kind.
 */
#include "engine/host/options_check.h"

#include <arpa/inet.h>
#include <string.h>

#include "engine/base/str.h"

#define DIGITS "0123456789"
#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" DIGITS

static bool only(const char *text, const char *allowed)
{
    return text[strspn(text, allowed)] == 0;
}

bool od_check_address(const char *text)
{
    struct in6_addr room;
    return inet_pton(AF_INET, text, &room) == 1 || inet_pton(AF_INET6, text, &room) == 1;
}

/* Splits at the last colon outside brackets; no colon gives port_text NULL. */
static bool split_port(const char *text, char *host, size_t host_bytes, const char **port_text,
                       bool *bracketed)
{
    const char *end;
    *bracketed = *text == '[';
    *port_text = NULL;
    if (*bracketed) {
        end = strchr(++text, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        if (end[1])
            *port_text = end + 2;
    } else {
        end = text + strcspn(text, ":");
        if (*end)
            *port_text = end + 1;
    }
    return end != text && od_str_copy(host, host_bytes, text, (size_t)(end - text));
}

static bool read_port(const char *text, uint16_t *port)
{
    uint64_t value;
    if (!od_str_u64(text, strlen(text), UINT16_MAX, &value))
        return false;
    *port = (uint16_t)value;
    return true;
}

bool od_check_address_port(const char *text)
{
    char host[64];
    const char *port_text;
    bool bracketed;
    uint16_t port;
    struct in6_addr room;
    return split_port(text, host, sizeof host, &port_text, &bracketed) && port_text &&
           read_port(port_text, &port) &&
           inet_pton(bracketed ? AF_INET6 : AF_INET, host, &room) == 1;
}

/* RFC 1123 section 2.1, with '_' as it occurs in practice; an all-numeric last label must be an
 * address. */
static bool is_host_name(const char *host)
{
    size_t bytes = strlen(host);
    if (bytes == 0 || bytes > 253 || !only(host, ALNUM ".-_") || strstr(host, "..") ||
        host[0] == '.' || host[0] == '-')
        return false;
    const char *last = strrchr(host, '.');
    const char *label = last ? last + 1 : host;
    if (*label && only(label, DIGITS))
        return od_check_address(host);
    return true;
}

bool od_check_nameserver(const char *text, struct od_addr *out)
{
    char host[INET_ADDRSTRLEN];
    const char *port_text;
    bool bracketed;
    *out = (struct od_addr){.family = 4, .port = 53}; /* RFC 1035 section 4.2 */
    return split_port(text, host, sizeof host, &port_text, &bracketed) && !bracketed &&
           (!port_text || (read_port(port_text, &out->port) && out->port)) &&
           inet_pton(AF_INET, host, out->ip) == 1;
}

bool od_check_host_port(const char *text, char *host, size_t host_bytes, uint16_t *port)
{
    const char *port_text;
    bool bracketed;
    struct in6_addr room;
    *port = 0;
    if (!split_port(text, host, host_bytes, &port_text, &bracketed))
        return false;
    if (bracketed ? inet_pton(AF_INET6, host, &room) != 1 : !is_host_name(host))
        return false;
    return !port_text || (read_port(port_text, port) && *port > 0);
}

bool od_check_port_range(const char *text, uint16_t *min, uint16_t *max)
{
    const char *dash = strchr(text, '-');
    uint64_t low, high;
    if (!dash || !od_str_u64(text, (size_t)(dash - text), UINT16_MAX, &low) ||
        !od_str_u64(dash + 1, strlen(dash + 1), UINT16_MAX, &high))
        return false;
    if (low < 1024 || high <= low || ((low + 1) & ~UINT64_C(1)) + 1 > high)
        return false;
    *min = (uint16_t)low;
    *max = (uint16_t)high;
    return true;
}

bool od_check_name(const char *text)
{
    size_t bytes = strlen(text);
    return bytes >= 1 && bytes < OD_NAME_MAX && only(text, ALNUM "._-");
}

static bool plus_digits(const char *text, size_t min, size_t max)
{
    if (*text != '+')
        return false;
    size_t digits = strlen(text + 1);
    return digits >= min && digits <= max && only(text + 1, DIGITS);
}

bool od_check_prefix(const char *text)
{
    return plus_digits(text, 1, OD_PREFIX_LEN_MAX - 2);
}

bool od_check_user(const char *text)
{
    return strlen(text) < OD_NAME_MAX && only(text, ALNUM "-_.!~*'()+");
}

bool od_check_printable(const char *text, size_t max)
{
    size_t bytes = strlen(text);
    if (bytes > max || (bytes && (text[0] == ' ' || text[bytes - 1] == ' ')))
        return false;
    for (const char *c = text; *c; c++) {
        if (*c < 0x20 || *c > 0x7e)
            return false;
    }
    return true;
}

bool od_check_rate(const char *cps, uint32_t burst, struct od_shape *out)
{
    /* Thousandths, read digit by digit: a double would make 0.1 something else. */
    const char *point = strchr(cps, '.');
    size_t whole_bytes = point ? (size_t)(point - cps) : strlen(cps);
    size_t part_bytes = point ? strlen(point + 1) : 0;
    uint64_t whole, part = 0;
    if (!od_str_u64(cps, whole_bytes, 100000, &whole) || part_bytes > 3 || (point && !part_bytes))
        return false;
    if (part_bytes && !od_str_u64(point + 1, part_bytes, 999, &part))
        return false;
    for (size_t i = part_bytes; i < 3 && part_bytes; i++)
        part *= 10;
    uint64_t milli = whole * 1000 + part;
    if (milli == 0 || milli > 100000000 || burst == 0)
        return false;

    uint64_t a = milli, b = 1000;
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    *out = (struct od_shape){
        .kind = burst > 1 ? OD_SHAPE_BUCKET : OD_SHAPE_EVEN,
        .count = (uint32_t)(milli / a),
        .burst = burst > 1 ? burst : 0,
        .window_ns = 1000 / a * OD_NS_PER_S,
    };
    return true;
}
