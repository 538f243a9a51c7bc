/*
 * number_doc - the stored document of a caller number, which has the Dasha dialect's names:
 * phoneNumber, and the way out (credentialsId, or trunk: one of the configuration by its name).
 * Pure.
 */
#ifndef ENGINE_API_NUMBER_DOC_H
#define ENGINE_API_NUMBER_DOC_H

#include <yyjson.h>

#include "outdial/types.h"

enum { OD_NUMBER_KEY_MAX = OD_ENDPOINT_MAX + 80 };

/* What no two numbers of an org share: the number with its way out. */
void od_number_key(yyjson_mut_val *root, char out[OD_NUMBER_KEY_MAX]);

#endif
