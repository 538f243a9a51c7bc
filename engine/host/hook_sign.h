/*
 * hook_sign - signatures of webhooks: Standard Webhooks 1.0.0 and CallingBox-Signature. A secret is
 * "whsec_" and base64 of its bytes (those are the key of our own), any other text is its own bytes.
 * CallingBox's key is the secret's text as it was shown. Never logs a secret.
 */
#ifndef ENGINE_HOST_HOOK_SIGN_H
#define ENGINE_HOST_HOOK_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "outdial/repo.h"

enum { OD_HOOK_SIGNATURE_MAX = 512, OD_HOOK_SECRETS_MAX = 4 };

/* "v1,BASE64 v1,BASE64": one for each secret. Returns its length, 0: no secret. */
size_t od_hook_sign_standard(const struct od_text *secrets, size_t count, const char *id,
                             int64_t unix_s, const void *body, size_t bytes,
                             char out[OD_HOOK_SIGNATURE_MAX]);

/* "t=UNIX,v1=HEX,v1=HEX". */
size_t od_hook_sign_callingbox(const struct od_text *secrets, size_t count, int64_t unix_s,
                               const void *body, size_t bytes, char out[OD_HOOK_SIGNATURE_MAX]);

#endif
