/*
 * outbox_request - a row of a chain as an HTTP request: its body and URL made of the frozen facts,
 * and the headers that each attempt has of its own, signatures among them.
 */
#ifndef ENGINE_HOST_OUTBOX_REQUEST_H
#define ENGINE_HOST_OUTBOX_REQUEST_H

#include "engine/base/str.h"
#include "engine/host/outbox.h"
#include "engine/host/outbox_chain.h"

/* Makes chain->rows[chain->at]'s request. False with *why (static): it can't ever be made. */
bool od_outbox_request_make(const struct od_outbox_config *config, struct od_outbox_chain *chain,
                            const char **why);

/* The headers that name and sign the event, as of wall_ms, appended to buf. */
void od_outbox_request_headers(const struct od_outbox_config *config,
                               const struct od_outbox_chain *chain, const struct od_outbox_row *row,
                               struct od_text body, int64_t wall_ms, struct od_buf *buf);

#endif
