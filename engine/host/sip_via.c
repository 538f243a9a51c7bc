/*
 * sip_via - a head is gathered until its empty line, changed in place and handed on; see the
 * header.
 */
#include "engine/host/sip_via.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/str.h"
#include "outdial/err.h"

/* ---- a head's lines ---- */

struct span {
    char *at, *end;
};

/* The next line, without its end; false: there is none. Folded lines aren't put together: neither
 * of the two headers that are looked for has a place to fold before what is read of it. */
static bool next_line(struct span *rest, struct span *line)
{
    char *end =
        rest->at < rest->end ? memchr(rest->at, '\n', (size_t)(rest->end - rest->at)) : NULL;
    if (!end)
        return false;
    *line = (struct span){rest->at, end > rest->at && end[-1] == '\r' ? end - 1 : end};
    rest->at = end + 1;
    return true;
}

static void skip_blanks(struct span *text)
{
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t'))
        text->at++;
}

/* True, and it is behind the word, when the text begins with it in any case. */
static bool skip_word(struct span *text, const char *word)
{
    size_t bytes = strlen(word);
    if ((size_t)(text->end - text->at) < bytes || strncasecmp(text->at, word, bytes) != 0)
        return false;
    text->at += bytes;
    return true;
}

/* The header's value when the line is of that name, long or short (RFC 3261 section 7.3.3). */
static bool is_header(struct span line, const char *name, const char *brief, struct span *value)
{
    const char *names[] = {name, brief};
    for (unsigned i = 0; i < 2; i++) {
        *value = line;
        if (!skip_word(value, names[i]))
            continue;
        skip_blanks(value);
        if (skip_word(value, ":")) {
            skip_blanks(value);
            return true;
        }
    }
    return false;
}

/* sent-protocol may have white space around its slashes (section 25.1). */
static void rename_transport(struct span value, const char *from, const char *to)
{
    static const char *const parts[] = {"SIP", "/", "2.0", "/"};
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!skip_word(&value, parts[i]))
            return;
        skip_blanks(&value);
    }
    char *at = value.at;
    if (skip_word(&value, from) && value.at < value.end && (*value.at == ' ' || *value.at == '\t'))
        memcpy(at, to, strlen(to));
}

static bool read_length(struct span value, size_t *out)
{
    uint64_t bytes;
    while (value.end > value.at && (value.end[-1] == ' ' || value.end[-1] == '\t'))
        value.end--;
    if (!od_str_u64(value.at, (size_t)(value.end - value.at), UINT32_MAX, &bytes))
        return false;
    *out = (size_t)bytes;
    return true;
}

static int head_over(struct od_sip_via *via, bool outward, od_sip_via_fn fn, void *ctx)
{
    struct span rest = {via->head, via->head + via->used}, line, value;
    bool renamed = false;
    while (next_line(&rest, &line)) {
        if (!renamed && is_header(line, "Via", "v", &value)) {
            rename_transport(value, outward ? "TCP" : "TLS", outward ? "TLS" : "TCP");
            renamed = true;
        } else if (is_header(line, "Content-Length", "l", &value) &&
                   !read_length(value, &via->body_left)) {
            return OD_EPROTO;
        }
    }
    size_t bytes = via->used;
    via->used = 0;
    return fn(ctx, via->head, bytes);
}

/* ---- the stream ---- */

static int append(struct od_sip_via *via, const char *data, size_t bytes)
{
    if (via->used + bytes > via->size) {
        size_t size = via->size ? via->size : 2048;
        while (size < via->used + bytes)
            size *= 2;
        char *grown = realloc(via->head, size);
        if (!grown)
            return OD_ENOMEM;
        via->head = grown;
        via->size = size;
    }
    memcpy(via->head + via->used, data, bytes);
    via->used += bytes;
    return 0;
}

/* A byte of a head: OD_ETOOBIG when there were too many. */
static int take(struct od_sip_via *via, bool outward, char byte, od_sip_via_fn fn, void *ctx)
{
    if (via->used == OD_SIP_VIA_HEAD_MAX)
        return OD_ETOOBIG;
    int err = append(via, &byte, 1);
    if (err || byte != '\n')
        return err;
    if (via->used == 2 &&
        via->head[0] == '\r') { /* between messages: a keep-alive, or its answer */
        via->used = 0;
        return fn(ctx, "\r\n", 2);
    }
    if (via->used >= 4 && memcmp(via->head + via->used - 4, "\r\n\r\n", 4) == 0)
        return head_over(via, outward, fn, ctx);
    return 0;
}

int od_sip_via_pass(struct od_sip_via *via, bool outward, const char *data, size_t bytes,
                    od_sip_via_fn fn, void *ctx)
{
    while (bytes) {
        size_t some = via->body_left < bytes ? via->body_left : bytes;
        int err = 0;
        if (some) {
            err = fn(ctx, data, some);
            via->body_left -= some;
        } else {
            some = 1;
            err = take(via, outward, *data, fn, ctx);
        }
        if (err < 0)
            return err;
        data += some;
        bytes -= some;
    }
    return 0;
}

void od_sip_via_free(struct od_sip_via *via)
{
    free(via->head);
    *via = (struct od_sip_via){0};
}
