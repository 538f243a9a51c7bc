/* frame - see frame.h. */
#include "bench/load/frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "engine/base/str.h"

/* The value of "Content-Length: N" or "l: N"; false: the line is another. */
static bool is_length(const char *line, size_t bytes, const char **value, size_t *value_bytes)
{
    const char *colon = memchr(line, ':', bytes);
    size_t name = colon ? (size_t)(colon - line) : 0;
    while (name && (line[name - 1] == ' ' || line[name - 1] == '\t'))
        name--;
    if (!(name == 1 && (*line == 'l' || *line == 'L')) &&
        !(name == 14 && strncasecmp(line, "Content-Length", 14) == 0))
        return false;
    const char *at = colon + 1, *end = line + bytes;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *value = at;
    *value_bytes = (size_t)(end - at);
    return true;
}

/* Of the body, by the head's lines. False: what stands there is no number, or a large one. */
static bool body_bytes(const char *head, size_t bytes, uint64_t *out)
{
    const char *value, *end = head + bytes;
    size_t value_bytes;
    *out = 0;
    for (const char *line = head; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop ? stop : end) - line);
        size_t text = length && line[length - 1] == '\r' ? length - 1 : length;
        if (is_length(line, text, &value, &value_bytes))
            return od_str_u64(value, value_bytes, OD_LOAD_MESSAGE_MAX, out);
        line += length + 1;
    }
    return true;
}

size_t od_load_frame(const char *at, size_t bytes, size_t *skip)
{
    uint64_t body;
    *skip = 0;
    while (*skip < bytes && (at[*skip] == '\r' || at[*skip] == '\n'))
        (*skip)++;
    at += *skip;
    bytes -= *skip;
    const char *end = memmem(at, bytes, "\r\n\r\n", 4);
    size_t head = end ? (size_t)(end - at) + 4 : bytes;
    if (head > OD_LOAD_MESSAGE_MAX || (end && !body_bytes(at, head, &body)))
        return OD_LOAD_NO_FRAME;
    return end && bytes - head >= body ? head + (size_t)body : 0;
}
