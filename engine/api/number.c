/*
 * Numbers are read strictly: a digit guessed wrong rings a stranger. So there is no default country
 * and nothing is repaired beyond the marks people put between digits.
 */
#include "engine/api/number.h"

#include <string.h>

#include "engine/base/str.h"

enum { E164_DIGITS_MIN = 7, E164_DIGITS_MAX = 15 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Bytes of the blank that text starts with, 0 for none. */
static size_t blank(const char *text, size_t bytes)
{
    if (bytes && (text[0] == ' ' || text[0] == '\t'))
        return 1;
    if (bytes >= 2 && memcmp(text, "\xc2\xa0", 2) == 0) /* U+00A0, what spreadsheets put in */
        return 2;
    return 0;
}

/* Bytes of a mark that may stand between digits, 0 when text starts with none. */
static size_t mark(const char *text, size_t bytes)
{
    size_t n = blank(text, bytes);
    return n ? n : bytes && text[0] && strchr("-.()", text[0]) != NULL;
}

static void trim(const char **text, size_t *bytes)
{
    for (size_t n; (n = blank(*text, *bytes)) > 0;) {
        *text += n;
        *bytes -= n;
    }
    for (;;) {
        if (*bytes && blank(*text + *bytes - 1, 1))
            *bytes -= 1;
        else if (*bytes >= 2 && blank(*text + *bytes - 2, 2) == 2)
            *bytes -= 2;
        else
            return;
    }
}

/* What a spreadsheet makes of a long number: 1.5555E+10. The digits are gone for good. */
static bool is_scientific(const char *text, size_t bytes)
{
    const char *e = memchr(text, 'E', bytes);
    if (!e)
        e = memchr(text, 'e', bytes);
    if (!e || e == text || e + 1 == text + bytes)
        return false;
    for (const char *p = text; p < text + bytes; p++)
        if (!is_digit(*p) && !strchr(".,+eE", *p))
            return false;
    return true;
}

static const char *read_e164(const char *text, size_t bytes, char out[OD_ENDPOINT_MAX])
{
    if (is_scientific(text, bytes))
        return "written in scientific notation, its digits are lost";
    /* "+44 (0)20 ..." : the 0 is dialled inside the country only; dropping or keeping it is a guess
     */
    for (size_t i = 0; i + 3 <= bytes; i++)
        if (memcmp(text + i, "(0)", 3) == 0)
            return "has a \"(0)\": write it as it is dialled from abroad";

    char digits[E164_DIGITS_MAX + 2];
    size_t count = 0;
    bool plus = false;
    for (size_t i = 0; i < bytes;) {
        size_t n = mark(text + i, bytes - i);
        if (n) {
            i += n;
            continue;
        }
        if (text[i] == '+' && !plus && !count) {
            plus = true;
        } else if (is_digit(text[i])) {
            if (count == sizeof digits)
                return "longer than 15 digits";
            digits[count++] = text[i];
        } else {
            return "not a phone number";
        }
        i++;
    }
    const char *first = digits;
    if (!plus) {
        if (count < 2 || digits[0] != '0' || digits[1] != '0')
            return count ? "no country code: it must begin with + or 00" : "not a phone number";
        first += 2;
        count -= 2;
    }
    if (count < E164_DIGITS_MIN)
        return "shorter than 7 digits";
    if (count > E164_DIGITS_MAX)
        return "longer than 15 digits";
    if (first[0] == '0')
        return "no country code starts with 0";
    out[0] = '+';
    memcpy(out + 1, first, count);
    out[1 + count] = 0;
    return NULL;
}

/* user = 1*( unreserved / escaped / user-unreserved ) of RFC 3261 section 25.1, less ";" and "?",
 * which old parsers take for the start of parameters and headers. */
static bool is_sip_user(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '%') {
            static const char hex[] = "0123456789abcdefABCDEF";
            if (bytes - i < 3 || !memchr(hex, text[i + 1], 22) || !memchr(hex, text[i + 2], 22))
                return false;
            /* an escaped control character becomes a line break in somebody's log or header */
            if (text[i + 1] == '0' || text[i + 1] == '1' ||
                (text[i + 1] == '7' && (text[i + 2] | 0x20) == 'f'))
                return false;
            i += 2;
        } else if (!is_alnum(text[i]) && (!text[i] || !strchr("-_.!~*'()&=+$,/", text[i]))) {
            return false;
        }
    }
    return bytes > 0;
}

/* hostname, IPv4address or IPv6reference (RFC 3261 section 25.1), loosely: it is resolved later. */
static bool is_sip_host(const char *text, size_t bytes)
{
    if (bytes >= 4 && text[0] == '[' && text[bytes - 1] == ']') {
        for (size_t i = 1; i + 1 < bytes; i++)
            if (!text[i] || !strchr("0123456789abcdefABCDEF:.", text[i]))
                return false;
        return true;
    }
    if (!bytes || !is_alnum(text[0]) || text[bytes - 1] == '-')
        return false;
    for (size_t i = 0; i < bytes; i++) {
        if (!is_alnum(text[i]) && text[i] != '-' && text[i] != '.')
            return false;
        if (text[i] == '.' && i && text[i - 1] == '.')
            return false;
    }
    return true;
}

static const char *read_sip(const char *text, size_t bytes, char out[OD_ENDPOINT_MAX])
{
    static const char bad[] = "not a SIP URI of the form sip:user@host";
    if (bytes >= OD_ENDPOINT_MAX)
        return "longer than 127 characters";
    const char *rest = text + 4, *end = text + bytes;
    const char *at = memchr(rest, '@', (size_t)(end - rest));
    if (!at || !is_sip_user(rest, (size_t)(at - rest)))
        return bad;
    const char *host = at + 1, *host_end = end;
    const char *colon = NULL;
    if (host < end && *host == '[') {
        const char *close = memchr(host, ']', (size_t)(end - host));
        if (!close)
            return bad;
        if (close + 1 < end && close[1] == ':')
            colon = close + 1;
    } else {
        colon = memchr(host, ':', (size_t)(end - host));
    }
    if (colon) {
        uint64_t port;
        if (!od_str_u64(colon + 1, (size_t)(end - colon - 1), 65535, &port) || !port)
            return bad;
        host_end = colon;
    }
    if (!is_sip_host(host, (size_t)(host_end - host)))
        return bad;
    memcpy(out, text, bytes);
    memcpy(out, "sip:", 4);
    out[bytes] = 0;
    return NULL;
}

const char *od_number_read(const char *text, size_t bytes, char out[OD_ENDPOINT_MAX])
{
    out[0] = 0;
    trim(&text, &bytes);
    if (!bytes)
        return "empty";
    if (bytes >= 4 && od_str_equal_nocase(text, 4, "sip:"))
        return read_sip(text, bytes, out);
    return read_e164(text, bytes, out);
}
