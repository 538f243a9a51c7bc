/* carrier_addr: see carrier_addr.h. */
#include "bench/carrier/carrier_addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

socklen_t od_carrier_addr_bytes(const struct od_carrier_addr *a)
{
    return a->u.any.sa_family == AF_INET6 ? sizeof a->u.v6 : sizeof a->u.v4;
}

bool od_carrier_addr_host(struct od_carrier_addr *a, const char *host, size_t bytes, uint16_t port)
{
    char text[INET6_ADDRSTRLEN];
    memset(a, 0, sizeof *a);
    if (bytes == 9 && memcmp(host, "localhost", 9) == 0) {
        host = "127.0.0.1";
    } else if (bytes == 0 || bytes >= sizeof text) {
        return false;
    }
    memcpy(text, host, bytes);
    text[bytes] = 0;
    if (inet_pton(AF_INET, text, &a->u.v4.sin_addr) == 1) {
        a->u.v4.sin_family = AF_INET;
    } else if (inet_pton(AF_INET6, text, &a->u.v6.sin6_addr) == 1) {
        a->u.v6.sin6_family = AF_INET6;
    } else {
        return false;
    }
    od_carrier_addr_set_port(a, port);
    return true;
}

bool od_carrier_addr_parse(struct od_carrier_addr *a, const char *text, uint16_t port_default)
{
    const char *host = text, *end = text + strlen(text), *colon = strrchr(text, ':');
    if (*text == '[') {
        const char *close = strchr(text, ']');
        if (!close)
            return false;
        host = text + 1;
        end = close;
        colon = close[1] == ':' ? close + 1 : NULL;
        if (!colon && close[1])
            return false;
    } else if (colon) {
        end = colon;
    }
    unsigned long port = port_default;
    if (colon) {
        char *stop;
        if (colon[1] < '0' || colon[1] > '9')
            return false;
        port = strtoul(colon + 1, &stop, 10);
        if (*stop || port > 65535)
            return false;
    }
    return od_carrier_addr_host(a, host, (size_t)(end - host), (uint16_t)port);
}

uint16_t od_carrier_addr_port(const struct od_carrier_addr *a)
{
    return ntohs(a->u.any.sa_family == AF_INET6 ? a->u.v6.sin6_port : a->u.v4.sin_port);
}

void od_carrier_addr_set_port(struct od_carrier_addr *a, uint16_t port)
{
    if (a->u.any.sa_family == AF_INET6)
        a->u.v6.sin6_port = htons(port);
    else
        a->u.v4.sin_port = htons(port);
}

bool od_carrier_addr_equal(const struct od_carrier_addr *a, const struct od_carrier_addr *b)
{
    if (a->u.any.sa_family != b->u.any.sa_family)
        return false;
    if (a->u.any.sa_family == AF_INET6)
        return a->u.v6.sin6_port == b->u.v6.sin6_port &&
               memcmp(&a->u.v6.sin6_addr, &b->u.v6.sin6_addr, sizeof a->u.v6.sin6_addr) == 0;
    return a->u.v4.sin_port == b->u.v4.sin_port &&
           a->u.v4.sin_addr.s_addr == b->u.v4.sin_addr.s_addr;
}

void od_carrier_addr_host_text(const struct od_carrier_addr *a, char out[OD_CARRIER_ADDR_TEXT])
{
    const void *raw = a->u.any.sa_family == AF_INET6 ? (const void *)&a->u.v6.sin6_addr
                                                     : (const void *)&a->u.v4.sin_addr;
    if (!inet_ntop(a->u.any.sa_family, raw, out, OD_CARRIER_ADDR_TEXT))
        out[0] = 0;
}

void od_carrier_addr_text(const struct od_carrier_addr *a, char out[OD_CARRIER_ADDR_TEXT])
{
    char host[OD_CARRIER_ADDR_TEXT];
    od_carrier_addr_host_text(a, host);
    bool v6 = a->u.any.sa_family == AF_INET6;
    snprintf(out, OD_CARRIER_ADDR_TEXT, v6 ? "[%.46s]:%u" : "%.46s:%u", host,
             (unsigned)od_carrier_addr_port(a));
}
