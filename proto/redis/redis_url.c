/*
 * redis_url - reads the address of a Redis as the configuration states it.
 */
#include "proto/redis/redis_url.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

struct part {
    const char *at;
    size_t bytes;
};

static int refuse(char *why, size_t why_size, const char *text)
{
    snprintf(why, why_size, "%s", text);
    return OD_EINVAL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* RFC 3986 section 2.1. No NUL may come out of it. */
static bool unescape(struct part in, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < in.bytes; i++) {
        char c = in.at[i];
        if (c == '%') {
            if (in.bytes - i < 3)
                return false;
            int high = hex_digit(in.at[i + 1]), low = hex_digit(in.at[i + 2]);
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (used + 1 >= size)
            return false;
        out[used++] = c;
    }
    out[used] = '\0';
    return true;
}

/* Cuts what stands before the first `mark` off `rest`; false when there is no mark. */
static bool cut_first(struct part *rest, char mark, struct part *before)
{
    const char *hit = memchr(rest->at, mark, rest->bytes);
    if (hit == NULL)
        return false;
    *before = (struct part){rest->at, (size_t)(hit - rest->at)};
    rest->bytes -= before->bytes + 1;
    rest->at = hit + 1;
    return true;
}

static int parse_path(struct part rest, struct od_redis_url *out, char *why, size_t why_size)
{
    if (rest.bytes < 2 || rest.at[0] != '/')
        return refuse(why, why_size, "unix:// needs an absolute path: unix:///run/redis.sock");
    /* sun_path has 108 bytes, its NUL included (unix(7)) */
    if (rest.bytes >= 108 || !od_str_copy(out->host, sizeof out->host, rest.at, rest.bytes))
        return refuse(why, why_size, "the socket's path is longer than 107 bytes");
    out->is_path = true;
    return 0;
}

static int parse_user(struct part user, struct od_redis_url *out, char *why, size_t why_size)
{
    struct part name = {user.at, 0}, password = user;
    if (!cut_first(&password, ':', &name))
        return refuse(why, why_size, "the password stands after a colon: redis://:password@host");
    if (name.bytes != 0 && !(name.bytes == 7 && memcmp(name.at, "default", 7) == 0))
        return refuse(why, why_size, "only Redis's default user is supported");
    if (!unescape(password, out->password, sizeof out->password))
        return refuse(why, why_size, "the password is too long or wrongly percent-encoded");
    return 0;
}

static int parse_host(struct part host, struct od_redis_url *out, char *why, size_t why_size)
{
    struct part name = host, port = {"", 0};
    if (host.bytes > 0 && host.at[0] == '[') { /* IPv6, RFC 3986 section 3.2.2 */
        struct part rest = {host.at + 1, host.bytes - 1};
        if (!cut_first(&rest, ']', &name))
            return refuse(why, why_size, "the address lacks its closing bracket");
        if (rest.bytes > 0 && rest.at[0] != ':')
            return refuse(why, why_size, "only a port can follow the address");
        if (rest.bytes > 0)
            port = (struct part){rest.at + 1, rest.bytes - 1};
    } else {
        struct part rest = host;
        if (cut_first(&rest, ':', &name))
            port = rest;
    }
    uint64_t number = 6379;
    if (port.bytes > 0 && (!od_str_u64(port.at, port.bytes, 65535, &number) || number == 0))
        return refuse(why, why_size, "the port is not a number from 1 to 65535");
    if (name.bytes == 0 || !od_str_copy(out->host, sizeof out->host, name.at, name.bytes))
        return refuse(why, why_size, "the host is missing or too long");
    out->port = (int)number;
    return 0;
}

int od_redis_url_parse(const char *url, struct od_redis_url *out, char *why, size_t why_size)
{
    static const char plain[] = "redis://", tls[] = "rediss://", path[] = "unix://";
    memset(out, 0, sizeof *out);
    why[0] = '\0';
    size_t bytes = strlen(url);
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)url[i] <= ' ' || url[i] == 0x7f)
            return refuse(why, why_size, "no spaces or control characters are allowed");
    if (strncmp(url, path, sizeof path - 1) == 0)
        return parse_path((struct part){url + sizeof path - 1, bytes - (sizeof path - 1)}, out, why,
                          why_size);
    if (strncmp(url, tls, sizeof tls - 1) == 0)
        return refuse(
            why, why_size,
            "rediss:// (TLS) is not supported by this build's hiredis; use a unix socket, "
            "a private network or a TLS tunnel");
    if (strncmp(url, plain, sizeof plain - 1) != 0)
        return refuse(why, why_size, "expected redis://host[:port][/db] or unix:///path");

    struct part rest = {url + sizeof plain - 1, bytes - (sizeof plain - 1)};
    struct part host = rest, user;
    int err = 0;
    if (cut_first(&host, '@', &user))
        err = parse_user(user, out, why, why_size);
    else
        host = rest;
    if (err != 0)
        return err;
    struct part authority = host, db = {"", 0};
    if (cut_first(&host, '/', &authority))
        db = host;
    uint64_t number = 0;
    if (db.bytes > 0 && !od_str_u64(db.at, db.bytes, 1000000, &number))
        return refuse(why, why_size, "the database after / is not a number");
    out->db = (int)number;
    return parse_host(authority, out, why, why_size);
}
