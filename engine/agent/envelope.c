/*
 * envelope - see envelope.h.
 */
#include "engine/agent/envelope.h"

#include <string.h>

enum { MEMBER_MAX = 60 };

static const char hex[] = "0123456789abcdef";

static const struct od_payload none = {.at = NULL};

/* How many of the bytes there are white space, as JSON has it. */
static size_t blanks(const char *at, const char *end)
{
    size_t n = 0;
    while (at + n < end && memchr(" \t\r\n", at[n], 4))
        n++;
    return n;
}

/* Where the string that is that member's value begins; NULL: not found. */
static const char *string_after(const char *text, size_t bytes, const char *member)
{
    char key[MEMBER_MAX + 2];
    size_t n = strlen(member);
    const char *end = text + bytes;
    if (n > MEMBER_MAX)
        return NULL;
    key[0] = key[n + 1] = '"';
    memcpy(key + 1, member, n);
    const char *at = memmem(text, bytes, key, n + 2);
    if (!at)
        return NULL;
    at += n + 2;
    at += blanks(at, end);
    if (at == end || *at++ != ':')
        return NULL;
    at += blanks(at, end);
    return at < end && *at == '"' ? at + 1 : NULL;
}

struct od_payload od_envelope_find(const char *text, size_t bytes, const char *member)
{
    const char *from = string_after(text, bytes, member);
    const char *to = from ? memchr(from, '"', bytes - (size_t)(from - text)) : NULL;
    if (!to || memchr(from, '\\', (size_t)(to - from)))
        return none;
    return (struct od_payload){.at = from, .bytes = (size_t)(to - from)};
}

struct od_payload od_envelope_find_long(const char *text, size_t bytes, const char *member,
                                        size_t around)
{
    const char *end = text + bytes;
    const char *from = bytes > 2 * around ? string_after(text, around, member) : NULL;
    const char *to = from ? memchr(end - around, '"', around) : NULL;
    return to ? (struct od_payload){from, (size_t)(to - from), true} : none;
}

/* How many characters an escape has of one of base64's or of a line's end, and which it stands for;
 * 0: it is none. */
static size_t read_escape(const char *text, size_t chars, char *out)
{
    static const char letters[] = "/nrt", meant[] = "/\n\r\t";
    unsigned code = 0;
    const char *letter = chars >= 2 ? memchr(letters, text[1], sizeof letters - 1) : NULL;
    if (letter) {
        *out = meant[letter - letters];
        return 2;
    }
    if (chars < 6 || text[1] != 'u')
        return 0;
    for (unsigned i = 2; i < 6; i++) {
        char c = text[i];
        const char *digit = memchr(hex, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c, 16);
        if (!digit)
            return 0;
        code = code << 4 | (unsigned)(digit - hex);
    }
    *out = (char)code;
    return code < 0x80 ? 6 : 0;
}

size_t od_payload_plain(char *out, size_t room, const char *text, size_t chars, size_t *taken)
{
    size_t made = 0, at = 0;
    while (made < room && at < chars) {
        size_t escape = text[at] == '\\' ? read_escape(text + at, chars - at, out + made) : 0;
        if (!escape)
            out[made] = text[at];
        at += escape ? escape : 1;
        made += !memchr(" \t\r\n", out[made], 4);
    }
    *taken = at;
    return made;
}

struct od_payload od_envelope_open(const struct od_envelope *e, const char *text, size_t bytes)
{
    size_t around = (size_t)e->before + e->after;
    if (!e->before || bytes < around || memcmp(text, e->text, e->before) != 0 ||
        memcmp(text + bytes - e->after, e->text + e->before, e->after) != 0)
        return none;
    struct od_payload payload = {.at = text + e->before, .bytes = bytes - around};
    bool one_string =
        !memchr(payload.at, '"', payload.bytes) && !memchr(payload.at, '\\', payload.bytes);
    return one_string ? payload : none;
}

void od_envelope_keep(struct od_envelope *e, const char *text, size_t bytes,
                      struct od_payload payload)
{
    size_t before = (size_t)(payload.at - text), after = bytes - before - payload.bytes;
    if (before + after > sizeof e->text)
        return;
    e->before = (uint16_t)before;
    e->after = (uint16_t)after;
    memcpy(e->text, text, before);
    memcpy(e->text + before, payload.at + payload.bytes, after);
}
