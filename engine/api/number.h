/*
 * number - reads a dialled address as people write it and gives the one form that is stored:
 * E.164 ("+15550001111") or a SIP URI ("sip:user@host"). Pure; called for every imported contact
 * and every single call. What it lets through goes into SIP headers, so it lets through little.
 */
#ifndef ENGINE_API_NUMBER_H
#define ENGINE_API_NUMBER_H

#include "outdial/types.h"

/*
 * E.164 (ITU-T, 2010): a plus and 7 to 15 digits, the first not 0. Spaces, dashes, dots and round
 * brackets are dropped, a leading "00" is read as the plus. SIP URIs: "sip:user@host[:port]" with
 * no parameters, headers or password.
 *
 * NULL and *out, or why it is not accepted, in a few words (static storage).
 */
const char *od_number_read(const char *text, size_t bytes, char out[OD_ENDPOINT_MAX]);

#endif
