/*
 * http_text - the small words of HTTP: tokens, header lines, reason phrases, dates. Pure.
 */
#ifndef PROTO_HTTP_HTTP_TEXT_H
#define PROTO_HTTP_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* A character of a token (RFC 9110 section 5.6.2). */
bool od_http_is_token_char(unsigned char c);

/* One or more token characters. */
bool od_http_is_token(const char *text, size_t bytes);

/* "Name: value\r\n" lines, none to many: no empty name, no control character but TAB in a value,
 * each line ended. `reserved`: NULL-terminated names that must not occur. NULL text is fine. */
bool od_http_header_lines_ok(const char *lines, const char *const *reserved);

/* A value that can be put into a header line. */
bool od_http_value_ok(const char *value);

/* "Not Found"; "Status" for codes without a name here. Never NULL. */
const char *od_http_reason(int status);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7). */
enum { OD_HTTP_DATE_BYTES = 80 };
void od_http_date(time_t now, char out[OD_HTTP_DATE_BYTES]);
/* The same, or one of its two old forms, read; false (and *out as it was): it is none of them. */
bool od_http_date_read(const char *text, size_t bytes, time_t *out);

/* A request id a client may bring: 1..64 of letters, digits, '.', '_', '-'. */
enum { OD_HTTP_REQUEST_ID_MAX = 64 };
bool od_http_request_id_ok(const char *text, size_t bytes);

#endif
