/* number_zone - see number_zone.h: one binary search per length of prefix, longest first. */
#include "engine/core/number_zone.h"

#include <string.h>

static const struct od_number_zone_row *find(unsigned digits, uint32_t prefix)
{
    uint32_t low = od_number_zone_first[digits], high = od_number_zone_first[digits + 1];

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct od_number_zone_row *row = &od_number_zone_rows[middle];
        if (row->prefix == prefix)
            return row;
        if (row->prefix < prefix)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

uint16_t od_number_zone_set(const char *number)
{
    uint32_t prefixes[OD_NUMBER_PREFIX_DIGITS + 1] = {0};
    unsigned digits = 0;

    if (strncmp(number, "sip:", 4) == 0)
        number += 4;
    if (*number++ != '+')
        return 0;
    while (digits < OD_NUMBER_PREFIX_DIGITS && number[digits] >= '0' && number[digits] <= '9') {
        prefixes[digits + 1] = prefixes[digits] * 10 + (uint32_t)(number[digits] - '0');
        digits++;
    }
    for (; digits; digits--) {
        const struct od_number_zone_row *row = find(digits, prefixes[digits]);
        if (row)
            return row->set;
    }
    return 0;
}

size_t od_number_zones(uint16_t set, const char *const **zones)
{
    if (!set || set >= od_number_zone_count)
        return 0;
    *zones = &od_number_zone_names[od_number_zone_at[set]];
    return (size_t)(od_number_zone_at[set + 1] - od_number_zone_at[set]);
}

uint16_t od_number_zone_sets(void)
{
    return od_number_zone_count;
}
