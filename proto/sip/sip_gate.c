/*
 * sip_gate - the executable's recvmsg(); see the header for why there is one.
 */
#include "proto/sip/sip_gate.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

typedef ssize_t recvmsg_fn(int fd, struct msghdr *message, int flags);

static _Thread_local unsigned gate_up;
static _Thread_local uint64_t refused, reads;

void od_sip_gate_up(void)
{
    gate_up++;
}

void od_sip_gate_down(void)
{
    gate_up--;
}

uint64_t od_sip_gate_refused(void)
{
    return refused;
}

uint64_t od_sip_gate_reads(void)
{
    return reads;
}

/* The first line is a status line or a request line of the one version there is (RFC 3261
 * section 7). */
static bool is_start_line(const char *line, size_t bytes)
{
    static const char version[] = "SIP/2.0";
    const size_t n = sizeof version - 1;
    if (bytes && line[bytes - 1] == '\r')
        bytes--;
    if (bytes <= n + 1)
        return false;
    bool status = strncasecmp(line, version, n) == 0 && line[n] == ' ';
    bool request = strncasecmp(line + bytes - n, version, n) == 0 && line[bytes - n - 1] == ' ';
    return status || request;
}

bool od_sip_gate_admits(const char *bytes, size_t count)
{
    if (count > OD_SIP_DATAGRAM_MAX)
        return false;
    const char *end = bytes + count;
    const char *eol = memchr(bytes, '\n', count);
    if (!eol || !is_start_line(bytes, (size_t)(eol - bytes)))
        return false;
    unsigned lines = 0, items = 0;
    for (const char *line = eol + 1; line < end; line = eol + 1) {
        eol = memchr(line, '\n', (size_t)(end - line));
        if (!eol)
            eol = end;
        if (eol == line || (eol == line + 1 && *line == '\r'))
            return true; /* the body follows; its parser is ours */
        if (++lines > OD_SIP_LINES_MAX)
            return false;
        for (const char *comma = line; (comma = memchr(comma, ',', (size_t)(eol - comma))); comma++)
            items++;
        if (items > OD_SIP_LIST_ITEMS_MAX)
            return false;
        if (eol == end)
            break;
    }
    return true;
}

static recvmsg_fn *libc_recvmsg(void)
{
    static _Atomic(recvmsg_fn *) found;
    recvmsg_fn *fn = atomic_load(&found);
    if (!fn) {
        void *symbol = dlsym(RTLD_NEXT, "recvmsg");
        memcpy(&fn, &symbol, sizeof fn);
        atomic_store(&found, fn);
    }
    return fn;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    recvmsg_fn *fn = libc_recvmsg();
    if (!fn) {
        errno = ENOSYS;
        return -1;
    }
    ssize_t count = fn(fd, message, flags);
    if (gate_up)
        reads++;
    /* a datagram's sender is asked for, a stream's is not; nor are errors looked at */
    if (!gate_up || count <= 0 || !message->msg_name || (flags & MSG_ERRQUEUE))
        return count;
    /* the library has asked for the size and made one buffer for it */
    if (message->msg_iovlen == 1 && od_sip_gate_admits(message->msg_iov[0].iov_base, (size_t)count))
        return count;
    refused++;
    return 1; /* the library drops a datagram of one byte without another look */
}
