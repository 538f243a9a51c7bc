/*
 * options_hooks - the configuration of webhooks: whom they may be sent to, by what way, and what
 * signs and identifies them. Private to engine/host/options*.c.
 */
#ifndef ENGINE_HOST_OPTIONS_HOOKS_H
#define ENGINE_HOST_OPTIONS_HOOKS_H

#include "engine/host/options_read.h"

enum { OD_CLIENT_CERTS_MAX = 64, OD_HOOK_WAITS_MAX = 16, OD_HOOK_WAIT_S_MAX = 7 * 24 * 3600 };

const char *od_check_signing_secret(struct od_reader *r, void *base, const char *text);
void od_take_hook_nets(struct od_reader *r, void *base, const struct od_source *source,
                       const char *const *texts, size_t count);
void od_take_hook_ports(struct od_reader *r, void *base, const struct od_source *source,
                        const char *const *texts, size_t count);

void od_take_hook_waits(struct od_reader *r, void *base, const struct od_source *source,
                        const char *const *texts, size_t count);

const char *od_check_hook_proxy(struct od_reader *r, void *base, const char *text);
void od_take_proxy_except(struct od_reader *r, void *base, const struct od_source *source,
                          const char *const *texts, size_t count);

extern const struct od_option od_client_cert_table[]; /* base struct od_config_client_cert */

#endif
