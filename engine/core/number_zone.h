/*
 * number_zone - the time zones in which a dialled number may ring, by its first digits. The table
 * (number_zone_table.c) is made from libphonenumber's metadata by
 * tests/accept/number_zones/make.mjs. Pure.
 *
 * Glossary
 *   set   the zones of one prefix; sets are numbered from 1
 */
#ifndef ENGINE_CORE_NUMBER_ZONE_H
#define ENGINE_CORE_NUMBER_ZONE_H

#include <stddef.h>
#include <stdint.h>

enum { OD_NUMBER_PREFIX_DIGITS = 9 };

/* The set of "+15550001111" or "sip:+15550001111@...": that of the longest prefix in the table. 0:
 * none is known, which is so for what is no E.164 number. */
uint16_t od_number_zone_set(const char *number);

/* The names of a set's zones; how many there are. 0 for no set. Static storage. */
size_t od_number_zones(uint16_t set, const char *const **zones);

/* One more than the highest set. */
uint16_t od_number_zone_sets(void);

/* The table, for those who read it. Prefixes of equal length stand together, by value. */
struct od_number_zone_row {
    uint32_t prefix;
    uint16_t set;
};
extern const struct od_number_zone_row od_number_zone_rows[];
extern const uint16_t od_number_zone_first[OD_NUMBER_PREFIX_DIGITS + 2]; /* by digits: 1..9, end */
extern const char *const od_number_zone_names[]; /* the sets' zones, one after the other */
extern const uint16_t od_number_zone_at[];       /* by set: its first name; one more at the end */
extern const uint16_t od_number_zone_count;      /* of sets, with the unused 0 */

#endif
