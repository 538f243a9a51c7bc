/*
 * sip_addr - see sip_addr.h. The C library writes IPv4 by printf, which shows: each call has some.
 */
#include "proto/sip/sip_addr.h"

#include <arpa/inet.h>

void od_sip_add_ip(struct od_buf *buf, const struct od_addr *addr)
{
    if (addr->family == 6) {
        char text[INET6_ADDRSTRLEN] = "";
        inet_ntop(AF_INET6, addr->ip, text, sizeof text);
        od_buf_str(buf, text);
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (i)
            od_buf_char(buf, '.');
        od_buf_u64(buf, addr->ip[i]);
    }
}
