/*
 * sip_getaddrinfo - the executable's getaddrinfo(); see the header for why there is one.
 *
 * The stack asks for an address once per datagram it sends, always numeric, so the common answer is
 * made here without libc's detour through its name service switch.
 */
#include "proto/sip/sip_getaddrinfo.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/base/str.h"

typedef int getaddrinfo_fn(const char *node, const char *service, const struct addrinfo *hints,
                           struct addrinfo **result);

static _Thread_local unsigned names_off;

void od_sip_names_off(void)
{
    names_off++;
}

void od_sip_names_on(void)
{
    names_off--;
}

static int libc_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                            struct addrinfo **result)
{
    static _Atomic(getaddrinfo_fn *) found;
    getaddrinfo_fn *fn = atomic_load(&found);
    if (!fn) {
        void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
        if (!symbol)
            return EAI_SYSTEM;
        memcpy(&fn, &symbol, sizeof fn);
        atomic_store(&found, fn);
    }
    return fn(node, service, hints, result);
}

/* One node laid out as glibc's own (a block holding the node and its address), since it is glibc's
 * freeaddrinfo() that frees it. False: not an address and port in plain digits. */
static bool answer_numeric(const char *node, const char *service, const struct addrinfo *hints,
                           struct addrinfo **result)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    uint64_t port;
    if (!od_str_u64(service, strlen(service), 65535, &port))
        return false;
    bool is_v4 = inet_pton(AF_INET, node, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, node, &v6.sin6_addr) != 1)
        return false;
    v4.sin_port = v6.sin6_port = htons((uint16_t)port);
    int family = is_v4 ? AF_INET : AF_INET6;
    size_t bytes = is_v4 ? sizeof v4 : sizeof v6;
    if (hints->ai_family != AF_UNSPEC && hints->ai_family != family)
        return false;
    struct addrinfo *ai = calloc(1, sizeof *ai + bytes);
    if (!ai)
        return false;
    ai->ai_family = family;
    ai->ai_socktype = hints->ai_socktype;
    ai->ai_protocol = hints->ai_protocol;
    ai->ai_addrlen = (socklen_t)bytes;
    ai->ai_addr = (struct sockaddr *)(ai + 1);
    memcpy(ai + 1, is_v4 ? (void *)&v4 : (void *)&v6, bytes);
    *result = ai;
    return true;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    if (!names_off)
        return libc_getaddrinfo(node, service, hints, result);
    struct addrinfo numeric = {0};
    if (hints)
        numeric = *hints;
    if (node && service && numeric.ai_socktype && !numeric.ai_flags &&
        answer_numeric(node, service, &numeric, result))
        return 0;
    numeric.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
    return libc_getaddrinfo(node, service, &numeric, result);
}
