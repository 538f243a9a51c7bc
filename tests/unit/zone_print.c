/*
 * zone_print - answers, line by line on stdin, what outdial makes of zones and numbers:
 *
 *   changes ZONE FROM_MS TO_MS    the moments at which the offset changes, with the offset from
 *                                 then on; the first line is FROM_MS itself
 *   window HH:MM-HH:MM MS ZONE..  open_ms close_ms next_ms
 *   zones NUMBER                  the zones a number may ring in
 *
 * Each answer is one line. Used by tests/accept/number_zones/oracle.mjs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/hours.h"
#include "engine/core/number_zone.h"
#include "proto/zone/zone.h"

enum { ZONES_MAX = 64 };

static void changes(const struct od_zone_port *port, char *rest)
{
    char *zone = strtok(rest, " "), *from = strtok(NULL, " "), *to = strtok(NULL, " ");
    int64_t at = from ? strtoll(from, NULL, 10) : 0, end = to ? strtoll(to, NULL, 10) : 0;
    int32_t offset_s, before = INT32_MIN;
    int64_t from_ms, until_ms;
    while (zone && at < end) {
        if (!port->offset(port->ctx, zone, at, &offset_s, &from_ms, &until_ms)) {
            printf("unknown");
            break;
        }
        if (offset_s != before)
            printf("%s%" PRId64 ":%" PRId32, before == INT32_MIN ? "" : " ", at, offset_s);
        before = offset_s;
        at = until_ms;
    }
    printf("\n");
}

static void window(const struct od_zone_port *port, char *rest)
{
    const char *zones[ZONES_MAX];
    size_t count = 0;
    char *hours_text = strtok(rest, " "), *ms = strtok(NULL, " "), *zone;
    struct od_hours hours;
    struct od_window out;
    while (count < ZONES_MAX && (zone = strtok(NULL, " ")))
        zones[count++] = zone;
    struct od_hours_rule rule = {&hours, zones, count};
    if (!ms || !od_hours_daily(hours_text, &hours) ||
        od_hours_window(&rule, port, strtoll(ms, NULL, 10), &out))
        printf("unknown\n");
    else
        printf("%" PRId64 " %" PRId64 " %" PRId64 "\n", out.open_ms, out.close_ms, out.next_ms);
}

static void number_zones(const char *number)
{
    const char *const *zones = NULL;
    size_t count = od_number_zones(od_number_zone_set(number), &zones);
    for (size_t i = 0; i < count; i++)
        printf("%s%s", i ? "&" : "", zones[i]);
    printf("\n");
}

int main(void)
{
    static char line[8192];
    struct od_zones *zones;
    if (od_zones_create(&zones))
        return 1;
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "changes ", 8) == 0)
            changes(od_zones_port(zones), line + 8);
        else if (strncmp(line, "window ", 7) == 0)
            window(od_zones_port(zones), line + 7);
        else if (strncmp(line, "zones ", 6) == 0)
            number_zones(line + 6);
        else
            printf("?\n");
    }
    od_zones_destroy(zones);
    return 0;
}
