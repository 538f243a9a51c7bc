/*
 * sip_fds - finds descriptors that a library opened and doesn't show: compare the process's open
 * descriptors before and after.
 */
#ifndef PROTO_SIP_SIP_FDS_H
#define PROTO_SIP_SIP_FDS_H

#include <stdbool.h>
#include <stddef.h>

/* The descriptors that were open at one moment; owns memory between take and drop. */
struct od_sip_fds {
    unsigned char *open; /* indexed by descriptor */
    size_t size;
};

/* 0, OD_ENOMEM, or OD_EIO when /proc/self/fd can't be read. */
int od_sip_fds_take(struct od_sip_fds *fds);
void od_sip_fds_drop(struct od_sip_fds *fds);

/* Calls fn for each descriptor open now that wasn't at `before`; link is what /proc says it is
 * ("anon_inode:[eventpoll]", "socket:[123]"); no more once it has returned false. All of them are
 * marked close-on-exec. 0 or OD_EIO. */
int od_sip_fds_new(const struct od_sip_fds *before, bool (*fn)(void *ctx, int fd, const char *link),
                   void *ctx);

#endif
