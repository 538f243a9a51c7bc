/*
 * The reader of answers: the input is what a server sends, cut into pieces of a size that the first
 * byte sets, and ended or not. Two readings, in different pieces, must come to the same result.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/http/http_response.h"

struct result {
    uint64_t body_hash, body_bytes;
    unsigned heads, ends, statuses;
    bool bad;
};

static void note(struct result *result, const struct od_http_response *response)
{
    struct od_text value;
    if (response->status < 200 || response->status > 599)
        abort();
    result->heads++;
    result->statuses = result->statuses * 31 + (unsigned)response->status;
    od_http_head_find(response->head, "content-type", &value);
}

static void read_all(struct result *result, struct od_http_response *response, const char *data,
                     size_t bytes)
{
    while ((bytes || od_http_response_ripe(response)) && !result->bad) {
        switch (od_http_response_step(response, &data, &bytes)) {
        case OD_HTTP_MORE:
            break;
        case OD_HTTP_HEAD:
            note(result, response);
            break;
        case OD_HTTP_BODY:
            for (size_t i = 0; i < response->body_bytes; i++)
                result->body_hash = result->body_hash * 1099511628211u + (uint8_t)response->body[i];
            result->body_bytes += response->body_bytes;
            break;
        case OD_HTTP_END:
            result->ends++;
            od_http_response_next(response);
            break;
        case OD_HTTP_BAD:
            if (!response->why)
                abort();
            result->bad = true;
            break;
        }
    }
}

static struct result read_in_pieces(const uint8_t *data, size_t size, size_t piece, bool to_head,
                                    bool eof)
{
    struct result result = {0};
    struct od_http_response response;
    od_http_response_init(&response);
    response.to_head = to_head;
    for (size_t at = 0; at < size && !result.bad; at += piece)
        read_all(&result, &response, (const char *)data + at,
                 size - at < piece ? size - at : piece);
    if (eof && !result.bad) {
        if (od_http_response_eof(&response) == OD_HTTP_END)
            result.ends++;
        else
            result.bad = true;
    }
    od_http_response_free(&response);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 300000)
        return 0;
    size_t piece = data[0] & 7 ? (size_t)1 << ((data[0] & 7) - 1) * 2 : size;
    bool to_head = data[0] & 8, eof = data[0] & 16;
    struct result a = read_in_pieces(data + 1, size - 1, piece, to_head, eof);
    struct result b = read_in_pieces(data + 1, size - 1, size, to_head, eof);
    /* What is refused may be refused a little earlier or later in the bytes; what is taken may not
     * depend on the cut. */
    if (!a.bad && !b.bad &&
        (a.body_hash != b.body_hash || a.body_bytes != b.body_bytes || a.heads != b.heads ||
         a.ends != b.ends || a.statuses != b.statuses))
        abort();
    return 0;
}
