/*
 * srtp - see srtp.h. One session of the library each way: their keys have nothing in common.
 */
#include "proto/rtp/srtp.h"

#include <srtp2/srtp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"

struct od_srtp {
    srtp_t sends, hears;
};

static bool start_library(void)
{
    static int state; /* 0: not tried, 1: good, -1: bad; one thread */
    if (!state)
        state = srtp_init() == srtp_err_status_ok ? 1 : -1;
    return state > 0;
}

static int make(srtp_t *out, srtp_ssrc_type_t who, const uint8_t key[OD_SRTP_KEY_BYTES])
{
    srtp_policy_t policy;
    uint8_t copy[OD_SRTP_KEY_BYTES];
    memset(&policy, 0, sizeof policy);
    memcpy(copy, key, sizeof copy);
    srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
    srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
    policy.ssrc.type = who;
    policy.key = copy;
    policy.window_size = 256; /* packets: 5 s of reordering */
    int err = srtp_create(out, &policy) == srtp_err_status_ok ? 0 : OD_ENOMEM;
    memset(copy, 0, sizeof copy);
    __asm__ volatile("" : : "r"(copy) : "memory"); /* the wiping is meant */
    return err;
}

int od_srtp_create(struct od_srtp **out, const uint8_t sends[OD_SRTP_KEY_BYTES],
                   const uint8_t hears[OD_SRTP_KEY_BYTES])
{
    *out = NULL;
    if (!start_library())
        return OD_EIO;
    struct od_srtp *srtp = calloc(1, sizeof *srtp);
    if (!srtp)
        return OD_ENOMEM;
    int err = make(&srtp->sends, ssrc_any_outbound, sends);
    if (!err)
        err = make(&srtp->hears, ssrc_any_inbound, hears);
    if (err)
        od_srtp_destroy(srtp);
    else
        *out = srtp;
    return err;
}

void od_srtp_destroy(struct od_srtp *srtp)
{
    if (!srtp)
        return;
    if (srtp->sends)
        srtp_dealloc(srtp->sends);
    if (srtp->hears)
        srtp_dealloc(srtp->hears);
    free(srtp);
}

static int result(srtp_err_status_t status, int length, size_t *bytes, int err)
{
    if (status != srtp_err_status_ok || length < 0)
        return err;
    *bytes = (size_t)length;
    return 0;
}

int od_srtp_protect(struct od_srtp *srtp, uint8_t *packet, size_t *bytes)
{
    int length = (int)*bytes;
    srtp_err_status_t status = srtp_protect(srtp->sends, packet, &length);
    return result(status, length, bytes, OD_EPROTO);
}

int od_srtp_protect_report(struct od_srtp *srtp, uint8_t *packet, size_t *bytes)
{
    int length = (int)*bytes;
    srtp_err_status_t status = srtp_protect_rtcp(srtp->sends, packet, &length);
    return result(status, length, bytes, OD_EPROTO);
}

int od_srtp_open(struct od_srtp *srtp, uint8_t *packet, size_t *bytes)
{
    int length = (int)*bytes;
    srtp_err_status_t status = srtp_unprotect(srtp->hears, packet, &length);
    return result(status, length, bytes, OD_EDENIED);
}

int od_srtp_open_report(struct od_srtp *srtp, uint8_t *packet, size_t *bytes)
{
    int length = (int)*bytes;
    srtp_err_status_t status = srtp_unprotect_rtcp(srtp->hears, packet, &length);
    return result(status, length, bytes, OD_EDENIED);
}
