/*
 * dasha_shape - the shapes (shape.h) of what the Dasha dialect calls an agent, written off the
 * seeds' page member by member. Parsed once for the API's life.
 */
#ifndef ENGINE_API_DASHA_SHAPE_H
#define ENGINE_API_DASHA_SHAPE_H

#include "engine/api/shape.h"

struct od_dasha_shapes {
    yyjson_doc *doc;
    yyjson_val *config, *schedule, *webhook; /* in doc */
};

int od_dasha_shapes_init(struct od_dasha_shapes *shapes); /* OD_ENOMEM */
void od_dasha_shapes_deinit(struct od_dasha_shapes *shapes);

#endif
