/*
 * notify - never waits: a service manager that doesn't read misses a word.
 */
#include "engine/host/notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/str.h"
#include "outdial/types.h"

enum { EXTEND_S = 30, EXTEND_EVERY_S = 5 };

static uint64_t number_of(const char *name)
{
    const char *text = getenv(name);
    uint64_t value = 0;
    return text && od_str_u64(text, strlen(text), UINT64_MAX / 1000, &value) ? value : 0;
}

static bool read_address(struct od_notify *notify, const char *text)
{
    size_t bytes = strlen(text);
    if ((*text != '/' && *text != '@') || bytes < 2 || bytes >= sizeof notify->to.sun_path)
        return false;
    notify->to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(notify->to.sun_path, text, bytes);
    if (*text == '@') /* of the abstract namespace, unix(7) */
        notify->to.sun_path[0] = 0;
    notify->to_bytes = (unsigned)(offsetof(struct sockaddr_un, sun_path) + bytes);
    return true;
}

void od_notify_open(struct od_notify *notify)
{
    const char *text = getenv("NOTIFY_SOCKET");
    uint64_t pid = number_of("WATCHDOG_PID");
    *notify = (struct od_notify){.fd = -1};
    if (text && read_address(notify, text))
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (pid == 0 || pid == (uint64_t)getpid())
        notify->alive_every_ns = number_of("WATCHDOG_USEC") * 1000 / 2;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void od_notify_close(struct od_notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

void od_notify_say(const struct od_notify *notify, const char *state)
{
    if (notify->fd >= 0)
        (void)sendto(notify->fd, state, strlen(state), MSG_NOSIGNAL,
                     (const struct sockaddr *)&notify->to, notify->to_bytes);
}

void od_notify_reloading(const struct od_notify *notify, uint64_t now_ns)
{
    char text[64];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_ns / 1000);
    od_notify_say(notify, text);
}

void od_notify_tick(struct od_notify *notify, uint64_t now_ns, bool busy)
{
    char text[64];
    if (notify->fd < 0)
        return;
    if (notify->alive_every_ns && now_ns >= notify->alive_at_ns) {
        notify->alive_at_ns = now_ns + notify->alive_every_ns;
        od_notify_say(notify, "WATCHDOG=1");
    }
    if (busy && now_ns >= notify->extend_at_ns) {
        notify->extend_at_ns = now_ns + EXTEND_EVERY_S * OD_NS_PER_S;
        snprintf(text, sizeof text, "EXTEND_TIMEOUT_USEC=%d000000", EXTEND_S);
        od_notify_say(notify, text);
    }
}
