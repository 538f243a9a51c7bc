/*
 * Text helpers. They are here, and not the C library's, because the pure rings may use no stdio and
 * no locale.
 */
#include "engine/base/str.h"

#include <string.h>

void od_buf_init(struct od_buf *buf, char *memory, size_t size)
{
    *buf = (struct od_buf){.at = memory, .size = size};
    if (size)
        memory[0] = 0;
}

void od_buf_add(struct od_buf *buf, const char *text, size_t bytes)
{
    size_t room = buf->size ? buf->size - 1 - buf->used : 0;
    if (bytes > room) {
        bytes = room;
        buf->cut = true;
    }
    if (!bytes)
        return;
    memcpy(buf->at + buf->used, text, bytes);
    buf->used += bytes;
    buf->at[buf->used] = 0;
}

void od_buf_some(struct od_buf *buf, const char *text, size_t most)
{
    od_buf_add(buf, text, strnlen(text, most));
}

void od_buf_u64(struct od_buf *buf, uint64_t value)
{
    char digits[20];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    od_buf_add(buf, digits + n, sizeof digits - n);
}

void od_buf_hex(struct od_buf *buf, const uint8_t *bytes, size_t count)
{
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        od_buf_char(buf, digit[bytes[i] >> 4]);
        od_buf_char(buf, digit[bytes[i] & 15]);
    }
}

bool od_str_copy(char *out, size_t size, const char *text, size_t bytes)
{
    bool fits = bytes < size;
    if (!fits)
        bytes = size - 1;
    if (bytes)
        memcpy(out, text, bytes);
    out[bytes] = 0;
    return fits;
}

bool od_str_u64(const char *text, size_t bytes, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (!bytes)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > max / 10 || value * 10 > max - digit)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool od_str_equal_nocase(const char *a, size_t a_bytes, const char *b)
{
    for (size_t i = 0; i < a_bytes; i++)
        if (!b[i] || lower(a[i]) != lower(b[i]))
            return false;
    return b[a_bytes] == 0;
}

/* Bytes of the sequence that starts at text[0], 0 when it is not well-formed. */
static size_t utf8_sequence(const unsigned char *text, size_t bytes)
{
    unsigned char c = text[0];
    if (c < 0x80)
        return 1;
    size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || need > bytes)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    /* RFC 3629 section 4: the second byte's range rules out overlong forms, surrogates and more. */
    if ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] > 0x9f) ||
        (c == 0xf0 && text[1] < 0x90) || (c == 0xf4 && text[1] > 0x8f))
        return 0;
    return need;
}

/* How many bytes from there on are ASCII: in fours of words, then in words of eight bytes. */
static size_t ascii_words(const unsigned char *at, size_t bytes)
{
    static const uint64_t high = UINT64_C(0x8080808080808080);
    uint64_t four[4], word;
    size_t i = 0;
    for (; bytes - i >= sizeof four; i += sizeof four) {
        memcpy(four, at + i, sizeof four);
        if ((four[0] | four[1] | four[2] | four[3]) & high)
            break;
    }
    for (; bytes - i >= sizeof word; i += sizeof word) {
        memcpy(&word, at + i, sizeof word);
        if (word & high)
            break;
    }
    return i;
}

size_t od_str_utf8_prefix(const char *text, size_t bytes)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t i = ascii_words(at, bytes);
    while (i < bytes) {
        size_t n = utf8_sequence(at + i, bytes - i);
        if (!n)
            return i;
        i += n;
        i += ascii_words(at + i, bytes - i);
    }
    return i;
}

bool od_str_utf8(const char *text, size_t bytes)
{
    return od_str_utf8_prefix(text, bytes) == bytes;
}

enum { DISTANCE_CAP = 8, WORD_MAX = 63 };

unsigned od_str_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned row[WORD_MAX + 1];
    if (n > WORD_MAX || m > WORD_MAX)
        return DISTANCE_CAP;
    for (size_t j = 0; j <= m; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned change = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            unsigned drop = row[j] + 1, add = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < drop ? change : drop;
            if (add < row[j])
                row[j] = add;
        }
    }
    return row[m] < DISTANCE_CAP ? row[m] : DISTANCE_CAP;
}

const char *od_str_nearest(const char *word, const char *const *words)
{
    const char *best = NULL;
    unsigned best_distance = DISTANCE_CAP;
    for (; *words; words++) {
        unsigned distance = od_str_distance(word, *words);
        if (distance < best_distance) {
            best_distance = distance;
            best = *words;
        }
    }
    size_t length = strlen(word);
    size_t meant = length < 6 ? 2 : length / 3;
    return best && best_distance <= meant ? best : NULL;
}

void od_str_mask_number(char *out, size_t size, const char *number)
{
    size_t n = strlen(number);
    struct od_buf buf;
    od_buf_init(&buf, out, size);
    for (size_t i = 0; i < n; i++) {
        bool shown = n > 7 && (i < 5 || i + 2 >= n);
        od_buf_char(&buf, shown ? number[i] : '*');
    }
}
