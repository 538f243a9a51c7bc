/*
 * shape - a vendor's object as data: which members it has, of which type, and what stands for one
 * that is not given. One walk checks a document against the shape, another fills the defaults in;
 * members that the shape doesn't know are left as they are. Pure.
 *
 * A shape is a JSON document:
 *   1, true, "udp"        the type and the default
 *   null                  anything, null by default
 *   "!text"               a text that must be there; in a document without it: what follows the "!"
 *   {...}                 an object; its members
 *   {"?": {...}}          an object or null, null by default; the members of the object
 *   [{...}]               a list, empty by default; the shape of each item
 *   [], ["um"]            a list and its default
 */
#ifndef ENGINE_API_SHAPE_H
#define ENGINE_API_SHAPE_H

#include <yyjson.h>

#include "engine/api/problem.h"

/* Faults for members of the wrong type, and, when `whole`, for missing ones that must be there. */
void od_shape_check(yyjson_val *value, yyjson_val *shape, bool whole, const char *pointer,
                    struct od_faults *faults);

/* The value with its defaults: members keep their order, what was missing follows. value may be
 * NULL or null where the shape has a default. The result belongs to doc; NULL: no memory. */
yyjson_mut_val *od_shape_fill(yyjson_mut_doc *doc, yyjson_val *value, yyjson_val *shape);

#endif
