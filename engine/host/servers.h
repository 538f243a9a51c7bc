/*
 * servers - the servers behind a trunk's name, in the order in which they are to be used (RFC 3263
 * section 4.3): one that does not answer, or is overloaded, rests for a while, and the next takes
 * its place. Pure.
 */
#ifndef ENGINE_HOST_SERVERS_H
#define ENGINE_HOST_SERVERS_H

#include <stddef.h>

#include "outdial/types.h"

enum { OD_SERVERS_MAX = 8 };

#define OD_SERVER_REST_NS (30 * OD_NS_PER_S)

struct od_servers {
    struct {
        struct od_addr addr;
        uint64_t rests_until_ns; /* mono; 0: it does not rest */
    } all[OD_SERVERS_MAX];
    size_t count;
    size_t at; /* the one in use; with a count of 0: none */
};

/* The name's addresses as they were found now, the best first; what is above OD_SERVERS_MAX is left
 * out. Those that rest go on to do so. The first that does not is in use; if all do, the one whose
 * rest ends first. */
void od_servers_set(struct od_servers *servers, const struct od_addr *list, size_t count,
                    uint64_t now_ns);

/* A request to addr failed. True: another is in use, by now or already. */
bool od_servers_failed(struct od_servers *servers, const struct od_addr *addr, uint64_t now_ns);

bool od_servers_resting(const struct od_servers *servers, uint64_t now_ns);

/* True when one of them has that IP address, whatever the port. */
bool od_servers_have(const struct od_servers *servers, const struct od_addr *addr);

#endif
