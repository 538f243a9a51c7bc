/*
 * ident - the SIP names of an attempt, from its uid and number by a keyed hash: the same worker,
 * started again, makes the same names; nobody without the key can guess them.
 */
#ifndef ENGINE_CORE_IDENT_H
#define ENGINE_CORE_IDENT_H

#include "outdial/ports.h"

void od_ident_make(const uint8_t key[16], const struct od_uid *uid, uint16_t attempt,
                   struct od_sip_names *out);

#endif
