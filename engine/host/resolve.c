/*
 * resolve - a thin layer over uv_getaddrinfo.
 */
#include "engine/host/resolve.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"

enum { HOST_MAX = 253 }; /* RFC 1035 section 2.3.4, in text form */

struct question {
    uv_getaddrinfo_t request;
    uint16_t port;
    od_resolve_fn fn;
    void *ctx;
};

bool od_addr_parse(const char *host, uint16_t port, struct od_addr *out)
{
    memset(out, 0, sizeof *out);
    out->port = port;
    if (inet_pton(AF_INET, host, out->ip) == 1)
        out->family = 4;
    else if (inet_pton(AF_INET6, host, out->ip) == 1)
        out->family = 6;
    return out->family != 0;
}

void od_addr_text(const struct od_addr *addr, char *out, size_t size)
{
    char ip[INET6_ADDRSTRLEN] = "none";
    if (addr->family)
        inet_ntop(addr->family == 6 ? AF_INET6 : AF_INET, addr->ip, ip, sizeof ip);
    snprintf(out, size, addr->family == 6 ? "[%s]:%u" : "%s:%u", ip, addr->port);
}

bool od_addr_take(const struct addrinfo *info, uint16_t port, struct od_addr *out)
{
    memset(out, 0, sizeof *out);
    out->port = port;
    if (info->ai_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)info->ai_addr;
        out->family = 4;
        memcpy(out->ip, &in->sin_addr, 4);
    } else if (info->ai_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)info->ai_addr;
        out->family = 6;
        memcpy(out->ip, &in6->sin6_addr, 16);
    }
    return out->family != 0;
}

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct question *question = request->data;
    struct od_addr addr;
    int err = OD_EDOWN;
    if (status == UV_EAI_NONAME || status == UV_EAI_NODATA)
        err = OD_ENOENT;
    for (const struct addrinfo *info = list; status == 0 && info; info = info->ai_next)
        if (od_addr_take(info, question->port, &addr)) {
            err = 0;
            break;
        }
    uv_freeaddrinfo(list);
    question->fn(question->ctx, err, err ? NULL : &addr, status ? uv_strerror(status) : "");
    free(question);
}

int od_resolve(uv_loop_t *loop, const char *host, uint16_t port, od_resolve_fn fn, void *ctx)
{
    /* One entry per address is enough, hence the socket type. */
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (!*host || strlen(host) > HOST_MAX)
        return OD_EINVAL;
    struct question *question = calloc(1, sizeof *question);
    if (!question)
        return OD_ENOMEM;
    question->request.data = question;
    question->port = port;
    question->fn = fn;
    question->ctx = ctx;
    if (uv_getaddrinfo(loop, &question->request, on_answer, host, NULL, &hints)) {
        free(question);
        return OD_ENOMEM;
    }
    return 0;
}
