/*
 * callingbox_number - a caller number as CallingBox shows it. Pure.
 */
#ifndef ENGINE_API_CALLINGBOX_NUMBER_H
#define ENGINE_API_CALLINGBOX_NUMBER_H

#include "engine/api/agent_page.h"

/* agents: all of the org's, for who uses the number; NULL: nobody is named. */
yyjson_mut_val *od_callingbox_number(yyjson_mut_doc *doc, const struct od_thing_item *number,
                                     const struct od_agent_page *agents);

#endif
