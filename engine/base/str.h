/*
 * str - bounded text building and small parsing helpers. No locale, no allocation, no I/O.
 */
#ifndef ENGINE_BASE_STR_H
#define ENGINE_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Text being built in the caller's memory. Always NUL-terminated when size > 0; what does not fit
 * is left out and `cut` says so. */
struct od_buf {
    char *at;
    size_t size, used; /* used <= size - 1 */
    bool cut;
};

void od_buf_init(struct od_buf *buf, char *memory, size_t size);
void od_buf_add(struct od_buf *buf, const char *text, size_t bytes);
static inline void od_buf_str(struct od_buf *buf, const char *text)
{
    od_buf_add(buf, text, strlen(text)); /* a constant's is the compiler's to count */
}
static inline void od_buf_char(struct od_buf *buf, char c)
{
    if (buf->used + 1 >= buf->size) {
        buf->cut = true;
        return;
    }
    buf->at[buf->used++] = c;
    buf->at[buf->used] = 0;
}
/* At most `most` bytes of it. */
void od_buf_some(struct od_buf *buf, const char *text, size_t most);
void od_buf_u64(struct od_buf *buf, uint64_t value);
void od_buf_hex(struct od_buf *buf, const uint8_t *bytes, size_t count);

/* Copies with a NUL, cut to fit. Returns false when it was cut. size >= 1. */
bool od_str_copy(char *out, size_t size, const char *text, size_t bytes);

/* Decimal, digits only, the whole text. False when empty, not a number or above max. */
bool od_str_u64(const char *text, size_t bytes, uint64_t max, uint64_t *out);

/* ASCII only. */
bool od_str_equal_nocase(const char *a, size_t a_bytes, const char *b);

/* Valid UTF-8 with no overlong form, surrogate or value above U+10FFFF (RFC 3629). */
bool od_str_utf8(const char *text, size_t bytes);
/* How many bytes from the beginning on are whole characters of it. A text that comes in pieces can
 * still become valid while fewer than four follow. */
size_t od_str_utf8_prefix(const char *text, size_t bytes);

/* The edit distance of two words, capped at 8; for "did you mean". Words above 63 bytes: 8. */
unsigned od_str_distance(const char *a, const char *b);

/* The word of `words` (NULL-terminated) nearest to `word`, NULL when none is near enough to be
 * meant: at most a third of its length away. */
const char *od_str_nearest(const char *word, const char *const *words);

/* A phone number for a log line: "+1555*****00"; anything of up to 6 characters: all stars. */
void od_str_mask_number(char *out, size_t size, const char *number);

#endif
