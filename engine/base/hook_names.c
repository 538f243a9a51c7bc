/*
 * hook_names - the names of rows and events (outdial/outbox.h). A row's is a UUIDv8 (RFC 9562
 * section 5.8): the event's time in front, so that names sort by it, and the row's number behind.
 */
#include <string.h>

#include "outdial/outbox.h"

const char *od_hook_event_name(enum od_hook_event event)
{
    static const char *const names[OD_HOOK_EVENT_COUNT] = {
        "call.unknown", "call.queued",    "call.ringing", "call.answered", "call.completed",
        "call.failed",  "call.no_answer", "call.busy",    "call.canceled", "call.transfer"};
    return (unsigned)event < OD_HOOK_EVENT_COUNT ? names[event] : names[0];
}

struct od_uid od_hook_row_uid(const struct od_hook_row *row)
{
    struct od_uid uid = {{0}};
    for (int i = 0; i < 6; i++)
        uid.b[i] = (uint8_t)((uint64_t)row->at_ms >> (40 - 8 * i));
    uid.b[6] = 0x80; /* version 8 */
    uid.b[8] = 0x80; /* variant */
    for (int i = 0; i < 7; i++)
        uid.b[9 + i] = (uint8_t)(row->number >> (48 - 8 * i));
    return uid;
}

uint64_t od_hook_row_number(const struct od_uid *uid)
{
    uint64_t number = 0;
    if (uid->b[6] != 0x80 || uid->b[7] != 0 || uid->b[8] != 0x80)
        return 0;
    for (int i = 0; i < 7; i++)
        number = number << 8 | uid->b[9 + i];
    return number;
}

void od_hook_event_id(const struct od_uid *call, uint32_t seq, char out[OD_HOOK_ID_TEXT])
{
    static const char hex[] = "0123456789abcdef";
    char digits[12], *at = out;
    unsigned count = 0;
    memcpy(at, "evt_", 4);
    at += 4;
    for (size_t i = 0; i < sizeof call->b; i++) {
        *at++ = hex[call->b[i] >> 4];
        *at++ = hex[call->b[i] & 15];
    }
    *at++ = '_';
    do {
        digits[count++] = (char)('0' + seq % 10);
        seq /= 10;
    } while (seq);
    while (count)
        *at++ = digits[--count];
    *at = '\0';
}
