/*
 * wire_hook - a row of the outbox as bytes. scripts/outbox.lua writes the head of a new one and the
 * state after it; whoever delivers it writes it anew with what became of an attempt:
 *
 *   version, status, event, to (1 byte each) | attempts, manual, HTTP status, tries (2 each) |
 *   seq (4) | at, due, updated (6 each) | call (16) | endpoint (16) | record bytes (4) |
 *   state's length (1), state | error's length (1), error |
 *   method's length (1), method | URL's length (2), URL | body's length (4), body |
 *   content type's length (1), content type | sealed headers' length (2), sealed headers
 *
 * What comes after the state may be missing: nothing was tried yet. So may what comes after the
 * body: an older version wrote it, or nothing is kept of the request. Big endian.
 */
#ifndef PROTO_WIRE_WIRE_HOOK_H
#define PROTO_WIRE_WIRE_HOOK_H

#include "outdial/outbox.h"

enum { OD_WIRE_HOOK_HEAD = 71 };

/* Bytes the row takes. */
size_t od_wire_hook_bytes(const struct od_hook_row *row);
/* Returns the bytes written; OD_ETOOBIG when it does not fit or a text is longer than its field. */
int od_wire_hook_put(void *out, size_t size, const struct od_hook_row *row);
/* 0 or OD_EPROTO. Spans point into the bytes; row->number is 0. */
int od_wire_hook_get(const void *at, size_t bytes, struct od_hook_row *out);

#endif
