/*
 * sip_fds - the difference of two looks at /proc/self/fd.
 */
#include "proto/sip/sip_fds.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "outdial/err.h"

static bool was_open(const struct od_sip_fds *fds, int fd)
{
    return (size_t)fd < fds->size && fds->open[fd];
}

static int note_open(struct od_sip_fds *fds, int fd)
{
    if ((size_t)fd >= fds->size) {
        size_t size = (size_t)fd + 256;
        unsigned char *grown = realloc(fds->open, size);
        if (!grown)
            return OD_ENOMEM;
        memset(grown + fds->size, 0, size - fds->size);
        fds->open = grown;
        fds->size = size;
    }
    fds->open[fd] = 1;
    return 0;
}

/* The next descriptor of the listing, -1 at its end; the listing's own one is left out. */
static int next_fd(DIR *dir)
{
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        int fd = atoi(entry->d_name);
        if (fd != dirfd(dir))
            return fd;
    }
    return -1;
}

int od_sip_fds_take(struct od_sip_fds *fds)
{
    *fds = (struct od_sip_fds){0};
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return OD_EIO;
    int err = 0;
    for (int fd; !err && (fd = next_fd(dir)) >= 0;)
        err = note_open(fds, fd);
    closedir(dir);
    if (err)
        od_sip_fds_drop(fds);
    return err;
}

void od_sip_fds_drop(struct od_sip_fds *fds)
{
    free(fds->open);
    *fds = (struct od_sip_fds){0};
}

int od_sip_fds_new(const struct od_sip_fds *before, bool (*fn)(void *ctx, int fd, const char *link),
                   void *ctx)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return OD_EIO;
    bool more = true;
    for (int fd; (fd = next_fd(dir)) >= 0;) {
        char path[64], link[128];
        if (was_open(before, fd))
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, link, sizeof link - 1);
        if (n < 0)
            continue; /* closed by another thread meanwhile */
        link[n] = '\0';
        /* The library leaves this out, and a child of ours would keep the SIP port for its life. */
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (more)
            more = fn(ctx, fd, link);
    }
    closedir(dir);
    return 0;
}
