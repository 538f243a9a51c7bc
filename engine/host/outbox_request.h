/*
 * outbox_request - a row of a chain as an HTTP request: its body and URL made of the frozen facts,
 * and the headers that each attempt has of its own, signatures among them.
 */
#ifndef ENGINE_HOST_OUTBOX_REQUEST_H
#define ENGINE_HOST_OUTBOX_REQUEST_H

#include "engine/base/str.h"
#include "engine/host/outbox.h"
#include "engine/host/outbox_chain.h"

/* Makes the row's request of what was so at its event: row->request. False with *why (static): it
 * can't ever be made. */
bool od_outbox_request_make(const struct od_outbox_config *config,
                            const struct od_outbox_chain *chain, struct od_outbox_row *row,
                            const char **why);

/* What the row's request was made of stays with the row, its headers sealed. Nothing when that was
 * done before, or nothing was made. */
void od_outbox_request_freeze(const struct od_outbox_config *config,
                              const struct od_outbox_chain *chain, struct od_outbox_row *row);

/* The webhook's own headers for an attempt at the row; free() it. Credentials may have been changed
 * since the event, and it is the present ones that its receiver takes: headers are those of the
 * webhook as it is, where that still leads to the same receiver, else as it was. NULL: no memory.
 */
char *od_outbox_request_own_headers(const struct od_outbox_config *config,
                                    const struct od_outbox_chain *chain,
                                    const struct od_outbox_row *row);

/* The headers that name and sign the event, as of wall_ms, appended to buf. */
void od_outbox_request_headers(const struct od_outbox_config *config,
                               const struct od_outbox_chain *chain, const struct od_outbox_row *row,
                               struct od_text body, int64_t wall_ms, struct od_buf *buf);

#endif
