/*
 * hook_try - what the API asks of the host to try a webhook: the request that would be sent, sent
 * once, and what came of it.
 */
#ifndef ENGINE_API_HOOK_TRY_H
#define ENGINE_API_HOOK_TRY_H

#include <yyjson.h>

#include "outdial/repo.h"

struct od_hook_tried {
    int status; /* 0: no answer */
    struct od_text body;
    const char *error; /* "" when there is an answer */
    uint32_t took_ms;
};
typedef void (*od_hook_tried_fn)(void *ctx, const struct od_hook_tried *tried);

#endif
