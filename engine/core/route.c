/* route - see route.h. */
#include "engine/core/route.h"

#include <string.h>

const char *od_route_number(const char *to)
{
    static const char *const schemes[] = {"sip:", "sips:", "tel:"};

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(to, schemes[i], strlen(schemes[i])) == 0)
            return to + strlen(schemes[i]);
    return to;
}

unsigned od_route_match(const struct od_trunk_def *trunk, const char *to)
{
    const char *number = od_route_number(to);
    unsigned best = 0;

    if (!trunk->prefixes[0][0])
        return 1;
    for (int i = 0; i < OD_PREFIXES_MAX && trunk->prefixes[i][0]; i++) {
        size_t length = strlen(trunk->prefixes[i]);
        if (length + 1 > best && strncmp(number, trunk->prefixes[i], length) == 0)
            best = (unsigned)length + 1;
    }
    return best;
}
