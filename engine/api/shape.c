/*
 * shape - see shape.h. Depth is bounded by the shape's own, which is ours.
 */
#include "engine/api/shape.h"
#include "engine/api/json_read.h"

#include <stdio.h>
#include <string.h>

enum { POINTER_MAX = 128 };

static bool is_optional(yyjson_val *shape)
{
    return yyjson_is_obj(yyjson_obj_get(shape, "?"));
}

static bool is_required(yyjson_val *shape)
{
    const char *text = yyjson_get_str(shape);
    return text && *text == '!';
}

/* [{...}]: what each item looks like; any other list is a default. */
static yyjson_val *item_shape(yyjson_val *shape)
{
    yyjson_val *first = yyjson_arr_get_first(shape);
    return yyjson_is_obj(first) ? first : NULL;
}

static const char *type_fault(yyjson_val *value, yyjson_val *shape)
{
    if (yyjson_is_str(shape))
        return yyjson_is_str(value) ? NULL : "must be a string";
    if (yyjson_is_bool(shape))
        return yyjson_is_bool(value) ? NULL : "must be true or false";
    if (yyjson_is_num(shape))
        return yyjson_is_num(value) || yyjson_is_raw(value) ? NULL : "must be a number";
    if (yyjson_is_obj(shape))
        return yyjson_is_obj(value) ? NULL : "must be an object";
    if (yyjson_is_arr(shape))
        return yyjson_is_arr(value) ? NULL : "must be an array";
    return NULL;
}

static void below(char out[POINTER_MAX], const char *pointer, const char *member)
{
    snprintf(out, POINTER_MAX, "%s/%s", pointer, member);
}

static void check_items(yyjson_val *array, yyjson_val *shape, const char *pointer,
                        struct od_faults *faults)
{
    char at[POINTER_MAX], index[24];
    size_t i, max;
    yyjson_val *item;
    yyjson_arr_foreach(od_json_arr(array), i, max, item)
    {
        snprintf(index, sizeof index, "%zu", i);
        below(at, pointer, index);
        od_shape_check(item, shape, true, at, faults);
    }
}

static void check_members(yyjson_val *object, yyjson_val *shape, bool whole, const char *pointer,
                          struct od_faults *faults)
{
    char at[POINTER_MAX];
    size_t i, max;
    yyjson_val *key, *of;
    yyjson_obj_foreach(od_json_obj(shape), i, max, key, of)
    {
        const char *name = yyjson_get_str(key);
        yyjson_val *value = yyjson_obj_get(object, name);
        if (!value || yyjson_is_null(value)) {
            if (whole && is_required(of))
                od_fault_add(faults, pointer, name, "is required");
            continue;
        }
        below(at, pointer, name);
        od_shape_check(value, of, whole, at, faults);
    }
}

void od_shape_check(yyjson_val *value, yyjson_val *shape, bool whole, const char *pointer,
                    struct od_faults *faults)
{
    if (is_optional(shape))
        shape = yyjson_obj_get(shape, "?");
    const char *why = type_fault(value, shape);
    if (why)
        od_fault_add(faults, pointer, NULL, "%s", why);
    else if (yyjson_is_obj(shape))
        check_members(value, shape, whole, pointer, faults);
    else if (item_shape(shape))
        check_items(value, item_shape(shape), pointer, faults);
}

static yyjson_mut_val *fill_members(yyjson_mut_doc *doc, yyjson_val *value, yyjson_val *shape)
{
    yyjson_mut_val *out = yyjson_mut_obj(doc);
    size_t i, max;
    yyjson_val *key, *member;
    yyjson_obj_foreach(od_json_obj(value), i, max, key, member)
    {
        yyjson_val *of = yyjson_obj_get(shape, yyjson_get_str(key));
        yyjson_mut_val *name = yyjson_val_mut_copy(doc, key);
        yyjson_mut_val *filled =
            of ? od_shape_fill(doc, member, of) : yyjson_val_mut_copy(doc, member);
        if (!name || !filled || !yyjson_mut_obj_add(out, name, filled))
            return NULL;
    }
    yyjson_obj_foreach(od_json_obj(shape), i, max, key, member)
    {
        if (yyjson_obj_get(value, yyjson_get_str(key)))
            continue;
        yyjson_mut_val *name = yyjson_val_mut_copy(doc, key);
        yyjson_mut_val *filled = od_shape_fill(doc, NULL, member);
        if (!name || !filled || !yyjson_mut_obj_add(out, name, filled))
            return NULL;
    }
    return out;
}

static yyjson_mut_val *fill_items(yyjson_mut_doc *doc, yyjson_val *value, yyjson_val *shape)
{
    yyjson_mut_val *out = yyjson_mut_arr(doc);
    size_t i, max;
    yyjson_val *item;
    yyjson_arr_foreach(od_json_arr(value), i, max, item)
    {
        yyjson_mut_val *filled = shape && yyjson_is_obj(item) ? od_shape_fill(doc, item, shape)
                                                              : yyjson_val_mut_copy(doc, item);
        if (!filled || !yyjson_mut_arr_append(out, filled))
            return NULL;
    }
    return out;
}

yyjson_mut_val *od_shape_fill(yyjson_mut_doc *doc, yyjson_val *value, yyjson_val *shape)
{
    bool given = value && !yyjson_is_null(value);
    if (is_optional(shape)) {
        if (!given)
            return yyjson_mut_null(doc);
        shape = yyjson_obj_get(shape, "?");
    }
    if (given && type_fault(value, shape))
        return yyjson_val_mut_copy(doc, value); /* stored before it was checked: as it is */
    if (yyjson_is_obj(shape))
        return fill_members(doc, value, shape);
    if (yyjson_is_arr(shape) && (given || item_shape(shape)))
        return fill_items(doc, value, item_shape(shape));
    if (given)
        return yyjson_val_mut_copy(doc, value);
    if (is_required(shape))
        return yyjson_mut_strcpy(doc, yyjson_get_str(shape) + 1);
    return yyjson_val_mut_copy(doc, shape);
}
