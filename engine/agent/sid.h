/*
 * sid - the names under which bots know accounts, calls and streams: two letters and 32 hex digits.
 * Pure.
 */
#ifndef ENGINE_AGENT_SID_H
#define ENGINE_AGENT_SID_H

#include "outdial/types.h"

enum { OD_SID_TEXT = 35 };

void od_sid_account(const char *org, char out[OD_SID_TEXT]);
void od_sid_call(const struct od_uid *call, char out[OD_SID_TEXT]);
void od_sid_stream(const struct od_uid *call, uint16_t attempt, char out[OD_SID_TEXT]);

/* Reads a call's back. False when it is none. */
bool od_sid_read_call(const char *text, size_t bytes, struct od_uid *out);

#endif
