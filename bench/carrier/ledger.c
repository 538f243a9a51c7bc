/* ledger: see ledger.h. Formats by hand: at 2,000 calls/s there are 20,000 lines a second. */
#include "bench/carrier/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM = 1 << 20, FLUSH_AT = 1 << 18 };

int od_ledger_open(struct od_ledger *l, const char *path)
{
    *l = (struct od_ledger){.fd = -1};
    if (!path)
        return 0;
    l->bytes = malloc(ROOM);
    if (!l->bytes)
        return -ENOMEM;
    if (strcmp(path, "-") == 0)
        l->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    else
        l->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (l->fd >= 0)
        return 0;
    int error = -errno;
    free(l->bytes);
    l->bytes = NULL;
    return error;
}

static uint64_t count_lines(const char *at, size_t n)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += at[i] == '\n';
    return lines;
}

void od_ledger_flush(struct od_ledger *l)
{
    size_t done = 0;
    while (l->fd >= 0 && done < l->used) {
        ssize_t n = write(l->fd, l->bytes + done, l->used - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            /* somebody's non-blocking pipe: the reader sets the pace, a ledger has no holes */
            struct pollfd room = {.fd = l->fd, .events = POLLOUT};
            poll(&room, 1, 1000);
        } else if (n == 0 || errno != EINTR) {
            l->lost += count_lines(l->bytes + done, l->used - done);
            break;
        }
    }
    l->used = 0;
}

void od_ledger_close(struct od_ledger *l)
{
    od_ledger_flush(l);
    if (l->fd >= 0)
        close(l->fd);
    free(l->bytes);
    l->bytes = NULL;
    l->fd = -1;
}

static void put(struct od_ledger *l, const char *bytes, size_t n)
{
    if (l->fd < 0 || l->overlong)
        return;
    if (n > ROOM - l->used) {
        l->overlong = true;
        return;
    }
    memcpy(l->bytes + l->used, bytes, n);
    l->used += n;
}

static void put_number(struct od_ledger *l, uint64_t value, int digits_min)
{
    char text[24];
    int at = sizeof text;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
        digits_min--;
    } while (value || digits_min > 0);
    put(l, text + at, sizeof text - (size_t)at);
}

static void put_name(struct od_ledger *l, const char *name)
{
    put(l, ",\"", 2);
    put(l, name, strlen(name));
    put(l, "\":", 2);
}

/* JSON strings (RFC 8259 section 7); bytes above ASCII are written as Latin-1 escapes, always
 * valid. */
static void put_string(struct od_ledger *l, const char *at, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    put(l, "\"", 1);
    size_t plain = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)at[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            continue;
        put(l, at + plain, i - plain);
        plain = i + 1;
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        put(l, escape, sizeof escape);
    }
    put(l, at + plain, n - plain);
    put(l, "\"", 1);
}

void od_ledger_begin(struct od_ledger *l, const char *fact, struct od_carrier_now now)
{
    if (l->fd < 0)
        return;
    l->line_start = l->used;
    l->overlong = false;
    put(l, "{\"t\":", 5);
    put_number(l, (uint64_t)(now.wall_ns / 1000000000), 1);
    put(l, ".", 1);
    put_number(l, (uint64_t)(now.wall_ns % 1000000000 / 1000), 6);
    od_ledger_number(l, "mono_ns", now.mono_ns);
    od_ledger_word(l, "fact", fact);
}

void od_ledger_text(struct od_ledger *l, const char *name, struct od_text value)
{
    if (l->fd < 0)
        return;
    put_name(l, name);
    put_string(l, value.at ? value.at : "", value.at ? value.bytes : 0);
}

void od_ledger_word(struct od_ledger *l, const char *name, const char *value)
{
    od_ledger_text(l, name, (struct od_text){value, strlen(value)});
}

void od_ledger_number(struct od_ledger *l, const char *name, uint64_t value)
{
    put_name(l, name);
    put_number(l, value, 1);
}

void od_ledger_tenths(struct od_ledger *l, const char *name, double value)
{
    uint64_t tenths = (uint64_t)(value * 10 + 0.5);
    put_name(l, name);
    put_number(l, tenths / 10, 1);
    put(l, ".", 1);
    put_number(l, tenths % 10, 1);
}

void od_ledger_bool(struct od_ledger *l, const char *name, bool value)
{
    put_name(l, name);
    put(l, value ? "true" : "false", value ? 4 : 5);
}

void od_ledger_end(struct od_ledger *l)
{
    if (l->fd < 0)
        return;
    put(l, "}\n", 2);
    if (l->overlong) {
        l->used = l->line_start;
        l->lost++;
        return;
    }
    l->lines++;
    if (l->used > FLUSH_AT)
        od_ledger_flush(l);
}
