/*
 * secrets - the files under data_dir that outlive the process: its lock, its worker name, the key
 * of the SIP names' hash, the key that seals stored secrets, and the generated API key of a daemon
 * that was given none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/str.h"
#include "engine/host/host.h"
#include "engine/host/log.h"
#include "outdial/err.h"

enum { PATH_BYTES = 1024 };

static int path_in(const struct od_host *host, const char *name, char out[PATH_BYTES])
{
    int n = snprintf(out, PATH_BYTES, "%s/%s", host->config->data_dir, name);
    if (n < 0 || n >= PATH_BYTES) {
        od_log(OD_CONFIG_LOG_ERROR, "data", "data_dir: the path is longer than %d bytes",
               PATH_BYTES - 16);
        return OD_EIO;
    }
    return 0;
}

static int complain(const char *path, const char *what)
{
    od_log(OD_CONFIG_LOG_ERROR, "data", "%s: %s: %s", path, what, strerror(errno));
    return OD_EIO;
}

/*
 * Reads the file, or makes it (mode 0600) with `bytes` random bytes as hex digits behind `prefix`.
 * It is written whole under another name and then linked, so that a crash leaves none or all of it.
 */
static int read_or_make(const struct od_host *host, const char *name, const char *prefix,
                        size_t bytes, char *out, size_t size)
{
    char path[PATH_BYTES], fresh[PATH_BYTES];
    uint8_t random[32];
    struct od_buf text;
    if (path_in(host, name, path))
        return OD_EIO;
    for (int round = 0; round < 2; round++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            ssize_t n = read(fd, out, size - 1);
            close(fd);
            if (n < 0)
                return complain(path, "can't be read");
            while (n && (out[n - 1] == '\n' || out[n - 1] == '\r'))
                n--;
            out[n] = 0;
            if (n)
                return 0;
            errno = EINVAL;
            return complain(path, "is empty; remove it to have a new one made");
        }
        if (errno != ENOENT)
            return complain(path, "can't be opened");
        od_buf_init(&text, out, size);
        od_buf_str(&text, prefix);
        if (getrandom(random, bytes, 0) != (ssize_t)bytes)
            return complain(path, "no random bytes");
        od_buf_hex(&text, random, bytes);
        if (path_in(host, ".fresh", fresh))
            return OD_EIO;
        fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
            return complain(fresh, "can't be made");
        bool written = write(fd, out, text.used) == (ssize_t)text.used && fsync(fd) == 0;
        close(fd);
        if (!written || rename(fresh, path))
            return complain(path, "can't be written");
    }
    return 0;
}

int od_host_open_data_dir(struct od_host *host)
{
    char path[PATH_BYTES];
    const char *dir = host->config->data_dir;
    if (mkdir(dir, 0700) && errno != EEXIST)
        return complain(dir, "data_dir can't be made");
    if (path_in(host, "lock", path))
        return OD_EIO;
    host->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (host->lock_fd < 0)
        return complain(path, "can't be opened");
    if (flock(host->lock_fd, LOCK_EX | LOCK_NB)) {
        od_log(OD_CONFIG_LOG_ERROR, "data",
               "data_dir %s is in use by another outdial; give this one its own with --data-dir",
               dir);
        return OD_EIO;
    }
    return read_or_make(host, "worker", "w", 8, host->worker, sizeof host->worker);
}

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

int od_host_ident_key(struct od_host *host, uint8_t key[16])
{
    char text[64];
    if (read_or_make(host, "ident.key", "", 16, text, sizeof text))
        return OD_EIO;
    for (unsigned i = 0; i < 16; i++) {
        int high = strlen(text) == 32 ? hex(text[2 * i]) : -1;
        int low = high >= 0 ? hex(text[2 * i + 1]) : -1;
        if (low < 0) {
            od_log(OD_CONFIG_LOG_ERROR, "data",
                   "%s/ident.key: expected 32 hex digits; remove it to have a new one made",
                   host->config->data_dir);
            return OD_EIO;
        }
        key[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

int od_host_open_box(struct od_host *host)
{
    char text[128];
    uint8_t key[32];
    const char *given = host->config->secrets.key;
    if (!*given && read_or_make(host, "secret.key", "", 32, text, sizeof text))
        return OD_EIO;
    od_box_key_of_text(*given ? given : text, key);
    int err = od_box_create(&host->box, key);
    explicit_bzero(key, sizeof key);
    explicit_bzero(text, sizeof text);
    if (err)
        od_log(OD_CONFIG_LOG_ERROR, "data", "the key of stored secrets: %s", od_err_text(err));
    else
        host->box_port = od_box_port(host->box);
    return err;
}

int od_host_dev_key(struct od_host *host)
{
    if (host->config->auth.count)
        return 0;
    return read_or_make(host, "dev.key", "sk_dev_", 24, host->dev_key, sizeof host->dev_key);
}
