/*
 * audit - what is written down of live changes: by whom, of what, from what to what. Campaigns' and
 * agents' are noted by the store in the step that changes them, trunks' by whoever changed one.
 *
 * A change is a line for each value, "what\tbefore\tafter"; before or after is empty where there is
 * none. Of documents only numbers and truth values are told; an ellipsis stands for the rest, which
 * may be long or secret.
 */
#ifndef ENGINE_API_AUDIT_H
#define ENGINE_API_AUDIT_H

#include <yyjson.h>

#include "engine/api/request.h"
#include "engine/base/str.h"

/* The org, and the key: by its name, or the beginning of its hash where it has none. */
void od_audit_who(const struct od_request *q, char out[OD_AUDIT_WHO_MAX]);

/* Adds a value's line; nothing when it is what it was. */
void od_audit_value(struct od_buf *lines, const char *what, const char *before, const char *after);

/* The lines of what an agent's document, before and after, differs in, three levels deep; in out's
 * memory. Empty when one of them is. */
struct od_text od_audit_agent(char out[OD_AUDIT_CHANGES_MAX], struct od_text before,
                              struct od_text after);

/* GET /outdial/v1/audit */
void od_audit_list(struct od_request *q);

#endif
