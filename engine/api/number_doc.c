/*
 * number_doc - see the header.
 */
#include "engine/api/number_doc.h"

#include <stdio.h>

void od_number_key(yyjson_mut_val *root, char out[OD_NUMBER_KEY_MAX])
{
    const char *number = yyjson_mut_get_str(yyjson_mut_obj_get(root, "phoneNumber"));
    const char *way = yyjson_mut_get_str(yyjson_mut_obj_get(root, "credentialsId"));
    if (!way)
        way = yyjson_mut_get_str(yyjson_mut_obj_get(root, "trunk"));
    snprintf(out, OD_NUMBER_KEY_MAX, "%s|%s", number ? number : "", way ? way : "");
}
