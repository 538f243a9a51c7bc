/*
 * refusal - what is said of requests that HTTP itself refuses: too slow, too large, framed or
 * written wrong. In the words of the dialect that the path belongs to, as far as it is known; of a
 * request that broke off before its path, in the native ones. Pure.
 */
#ifndef ENGINE_API_REFUSAL_H
#define ENGINE_API_REFUSAL_H

#include "outdial/http.h"

struct od_refusal_words {
    int status;
    const char *code, *detail;
};

/* Of a request whose head was good and whose body is not. */
const struct od_refusal_words *od_refusal_words_of_body(int status);

/* Writes the document, as od_http_handler.malformed() does. words NULL: those of the status, for a
 * head that is not good. NULL: no memory. */
const char *od_refusal_write(const struct od_http_refusal *refusal,
                             const struct od_refusal_words *words, char *out, size_t size);

#endif
