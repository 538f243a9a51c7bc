/*
 * refusal - see the header. The last row of each table is for what has no row of its own.
 */
#include "engine/api/refusal.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/dialect.h"
#include "engine/base/str.h"

static const struct od_refusal_words body_words[] = {
    {408, "too_slow", "the request came too slowly"},
    {413, "body_too_large", "the body is larger than may be sent here"},
    {503, "no_memory", "there is not enough memory for this now"},
    {0, "bad_framing", "the body is framed in a way that HTTP/1.1 does not allow"},
};

static const struct od_refusal_words head_words[] = {
    {408, "too_slow", "the request came too slowly"},
    {414, "target_too_long", "the path and query are longer than may be sent here"},
    {417, "expectation_failed", "of all expectations only 100-continue can be met"},
    {431, "headers_too_large", "the headers are more or longer than may be sent here"},
    {501, "not_implemented", "this method or transfer coding is not known here"},
    {503, "no_memory", "there is not enough memory for this now"},
    {505, "http_version", "HTTP/1.1 and HTTP/1.0 are spoken here"},
    {0, "malformed_request", "the request is not written as HTTP/1.1 wants it"},
};

static const struct od_refusal_words *words_of(const struct od_refusal_words *row, int status)
{
    while (row->status && row->status != status)
        row++;
    return row;
}

const struct od_refusal_words *od_refusal_words_of_body(int status)
{
    return words_of(body_words, status);
}

const char *od_refusal_write(const struct od_http_refusal *refusal,
                             const struct od_refusal_words *words, char *out, size_t size)
{
    const struct od_dialect *dialect = od_dialect_of(refusal->path);
    size_t bytes = 0;
    if (!words)
        words = words_of(head_words, refusal->status);
    yyjson_mut_doc *doc =
        dialect->error(&(struct od_problem){.status = refusal->status,
                                            .code = words->code,
                                            .detail = words->detail,
                                            .instance = *refusal->path ? refusal->path : NULL,
                                            .request_id = refusal->request_id});
    char *text = doc ? yyjson_mut_write(doc, YYJSON_WRITE_NEWLINE_AT_END, &bytes) : NULL;
    yyjson_mut_doc_free(doc);
    bool fits = text && od_str_copy(out, size, text, bytes);
    free(text);
    return fits ? dialect->error_type : NULL;
}
