/*
 * journal_files - see journal_files.h.
 */
#include "proto/journal/journal_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outdial/err.h"

struct name {
    uint32_t segment, file;
};

static void path_of(const struct od_journal_files *files, struct name name,
                    char out[OD_JOURNAL_PATH_MAX])
{
    snprintf(out, OD_JOURNAL_PATH_MAX, "%s/%010u-%03u.journal", files->dir, name.segment,
             name.file);
}

static bool parse(const char *text, struct name *out)
{
    char tail;
    return strlen(text) == 22 &&
           sscanf(text, "%10u-%3u.journa%c", &out->segment, &out->file, &tail) == 3 &&
           tail == 'l' && out->segment > 0;
}

static int by_number(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return x->file < y->file ? -1 : x->file > y->file;
}

/* All files, in order; to be freed. 0 or an errno. */
static int list(const struct od_journal_files *files, struct name **out, size_t *count)
{
    DIR *dir = opendir(files->dir);
    struct dirent *entry;
    struct name *names = NULL;
    size_t size = 0;
    *count = 0;
    if (dir == NULL)
        return errno;
    while ((entry = readdir(dir)) != NULL) {
        struct name name;
        if (!parse(entry->d_name, &name))
            continue;
        if (*count == size) {
            size = size == 0 ? 64 : size * 2;
            struct name *more = realloc(names, size * sizeof *names);
            if (more == NULL) {
                free(names);
                closedir(dir);
                return ENOMEM;
            }
            names = more;
        }
        names[(*count)++] = name;
    }
    closedir(dir);
    if (*count > 0)
        qsort(names, *count, sizeof *names, by_number);
    *out = names;
    return 0;
}

int od_journal_files_open(struct od_journal_files *files, const char *dir, bool sync, char *why,
                          size_t why_size)
{
    char path[OD_JOURNAL_PATH_MAX];
    memset(files, 0, sizeof *files);
    files->fd = files->lock_fd = -1;
    files->sync = sync;
    if (snprintf(files->dir, sizeof files->dir, "%s", dir) >= (int)sizeof files->dir) {
        snprintf(why, why_size, "the path is longer than %zu bytes", sizeof files->dir - 1);
        return OD_EIO;
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        snprintf(why, why_size, "%.200s can't be made: %s", dir, strerror(errno));
        return OD_EIO;
    }
    snprintf(path, sizeof path, "%s/lock", files->dir);
    files->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (files->lock_fd < 0) {
        snprintf(why, why_size, "%.200s can't be opened: %s", path, strerror(errno));
        return OD_EIO;
    }
    if (flock(files->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    close(files->lock_fd);
    files->lock_fd = -1;
    snprintf(why, why_size, "%.200s is in use by another outdial: each needs its own", dir);
    return OD_EBUSY;
}

void od_journal_files_close(struct od_journal_files *files)
{
    if (files->fd >= 0)
        close(files->fd);
    if (files->lock_fd >= 0)
        close(files->lock_fd);
    files->fd = files->lock_fd = -1;
}

int od_journal_files_range(const struct od_journal_files *files, uint32_t *least,
                           uint32_t *greatest, uint64_t *bytes)
{
    struct name *names = NULL;
    size_t count;
    char path[OD_JOURNAL_PATH_MAX];
    struct stat facts;
    int err = list(files, &names, &count);
    *least = *greatest = 0;
    *bytes = 0;
    if (err != 0)
        return err;
    for (size_t i = 0; i < count; i++) {
        path_of(files, names[i], path);
        if (stat(path, &facts) == 0)
            *bytes += (uint64_t)facts.st_size;
    }
    if (count > 0) {
        *least = names[0].segment;
        *greatest = names[count - 1].segment;
    }
    free(names);
    return 0;
}

/* A file's name is durable when its folder is. */
static int sync_folder(const struct od_journal_files *files)
{
    int fd = open(files->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int err = files->sync && fsync(fd) != 0 ? errno : 0;
    close(fd);
    return err;
}

static int make_file(struct od_journal_files *files)
{
    char path[OD_JOURNAL_PATH_MAX];
    path_of(files, (struct name){files->segment, files->file}, path);
    files->kept = false;
    files->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (files->fd < 0)
        return errno;
    return sync_folder(files);
}

int od_journal_files_write(struct od_journal_files *files, uint32_t segment, const void *bytes,
                           size_t count)
{
    const uint8_t *at = bytes;
    if (files->fd >= 0 && files->segment != segment) {
        close(files->fd); /* it was synced when its last write was */
        files->fd = -1;
    }
    if (files->fd < 0) {
        files->file = files->segment == segment ? files->file : 0;
        files->segment = segment;
        int err = make_file(files);
        if (err != 0)
            return err;
    }
    while (count > 0) {
        ssize_t n = write(files->fd, at, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? ENOSPC : errno;
        at += n;
        count -= (size_t)n;
    }
    return 0;
}

int od_journal_files_sync(struct od_journal_files *files)
{
    if (files->sync && files->fd >= 0 && fdatasync(files->fd) != 0)
        return errno;
    files->kept = true;
    return 0;
}

void od_journal_files_fail(struct od_journal_files *files)
{
    char path[OD_JOURNAL_PATH_MAX];
    if (files->fd < 0)
        return;
    close(files->fd);
    files->fd = -1;
    if (files->kept) {
        files->file++;
        return;
    }
    path_of(files, (struct name){files->segment, files->file}, path);
    if (unlink(path) != 0) /* nothing in it counts, and its room may be what is missing */
        files->file++;
}

void od_journal_files_remove(const struct od_journal_files *files, uint32_t below)
{
    struct name *names = NULL;
    size_t count;
    char path[OD_JOURNAL_PATH_MAX];
    if (list(files, &names, &count) != 0)
        return;
    for (size_t i = 0; i < count && names[i].segment < below; i++) {
        path_of(files, names[i], path);
        unlink(path);
    }
    free(names);
}

static int read_file(const char *path, struct od_journal_book *book)
{
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), err = 0;
    if (fd < 0)
        return errno;
    if (fstat(fd, &facts) != 0)
        err = errno;
    size_t size = err == 0 ? (size_t)facts.st_size : 0, used = 0;
    uint8_t *bytes = err == 0 ? malloc(size + 1) : NULL;
    if (err == 0 && bytes == NULL)
        err = ENOMEM;
    while (err == 0 && used < size) {
        ssize_t n = read(fd, bytes + used, size - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err = errno;
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    close(fd);
    if (err != 0) {
        free(bytes);
        return err;
    }
    return od_journal_book_read(book, bytes, used) == 0 ? 0 : ENOMEM;
}

int od_journal_files_read(const struct od_journal_files *files, struct od_journal_book *book)
{
    struct name *names = NULL;
    size_t count;
    char path[OD_JOURNAL_PATH_MAX];
    int err = list(files, &names, &count);
    for (size_t i = 0; err == 0 && i < count; i++) {
        path_of(files, names[i], path);
        err = read_file(path, book);
    }
    free(names);
    return err;
}
