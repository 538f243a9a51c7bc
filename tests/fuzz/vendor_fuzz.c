/*
 * The decoders of the vendors' dialects. The first byte says how the rest is cut into pieces for
 * the reader of long arrays: whatever the pieces, the items are the same, and what it takes for an
 * array of calls is one for yyjson too, with as many items. Every item, and the whole, then goes
 * through both dialects' readers of a new call and through the shape of Dasha's config.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "engine/api/dasha_shape.h"
#include "engine/api/json_items.h"
#include "engine/api/new_call.h"
#include "engine/base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    unsigned items, members;
    uint64_t hash;
    enum od_items_step end;
};

static void read_new_call(const char *text, size_t bytes)
{
    struct od_faults faults = {0};
    struct od_new_call call;
    yyjson_doc *doc = yyjson_read(text, bytes, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (root && od_new_call_dasha(root, "#", &call, &faults)) {
        OD_ASSERT(!faults.count && call.to[0]);
        od_new_call_free(&call);
    }
    faults.count = 0;
    if (root && od_new_call_callingbox(root, root, &call, &faults)) {
        OD_ASSERT(!faults.count && call.to[0] == '+');
        od_new_call_free(&call);
    }
    yyjson_doc_free(doc);
}

static struct sum read_items(const char *data, size_t size, size_t piece, bool use)
{
    struct od_json_items *items;
    struct od_items_text text;
    struct sum sum = {.hash = 5381};
    OD_ASSERT(od_json_items_create(&items, "calls") == 0);
    for (size_t at = 0;;) {
        size_t bytes = size - at < piece ? size - at : piece;
        bool last = at + bytes == size;
        const char *from = data + at;
        enum od_items_step step;
        at += bytes;
        while ((step = od_json_items_next(items, &from, &bytes, last, &text)) == OD_ITEMS_ITEM ||
               step == OD_ITEMS_MEMBER) {
            sum.items += step == OD_ITEMS_ITEM;
            sum.members += step == OD_ITEMS_MEMBER;
            for (size_t i = 0; i < text.bytes; i++)
                sum.hash = sum.hash * 33 + (uint8_t)text.at[i];
            OD_ASSERT(!text.at[text.bytes]);
            if (use)
                read_new_call(text.at, text.bytes);
        }
        sum.end = step;
        if (step != OD_ITEMS_MORE)
            break;
        OD_ASSERT(!last && !bytes);
    }
    od_json_items_destroy(items);
    return sum;
}

static void check_shape(const char *text, size_t bytes)
{
    struct od_dasha_shapes shapes;
    struct od_faults faults = {0};
    yyjson_doc *doc = yyjson_read(text, bytes, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_mut_doc *out = yyjson_mut_doc_new(NULL);
    OD_ASSERT(od_dasha_shapes_init(&shapes) == 0 && out);
    if (doc) {
        od_shape_check(yyjson_doc_get_root(doc), shapes.config, true, "#", &faults);
        yyjson_mut_doc_set_root(out, od_shape_fill(out, yyjson_doc_get_root(doc), shapes.config));
        char *written = yyjson_mut_write(out, 0, NULL);
        OD_ASSERT(written);
        free(written);
    }
    yyjson_mut_doc_free(out);
    yyjson_doc_free(doc);
    od_dasha_shapes_deinit(&shapes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const char *text = (const char *)data + 1;
    size_t bytes = size - 1;
    struct sum whole = read_items(text, bytes, bytes + 1, true);
    struct sum pieces = read_items(text, bytes, 1 + data[0] % 7, false);
    OD_ASSERT(whole.items == pieces.items && whole.members == pieces.members);
    OD_ASSERT(whole.hash == pieces.hash && whole.end == pieces.end);
    yyjson_doc *doc = yyjson_read(text, bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *array = yyjson_is_obj(root) ? yyjson_obj_get(root, "calls") : root;
    bool escapes = memchr(text, 92, bytes) != NULL; /* a name may be spelt in two ways */
    if (yyjson_is_arr(array) && whole.end == OD_ITEMS_END && !escapes)
        OD_ASSERT(yyjson_arr_size(array) == whole.items);
    yyjson_doc_free(doc);
    read_new_call(text, bytes);
    check_shape(text, bytes);
    return 0;
}
