/*
 * json_items - one state for where it is between values, and inside a value no more than its depth
 * and whether a string is open.
 */
#include "engine/api/json_items.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"

enum { NAME_BYTES_MAX = 64 };

enum place {
    AT_START,
    AT_NAME_OR_END, /* after "{" */
    AT_NAME,        /* after "," in the object */
    IN_NAME,
    AT_COLON,
    AT_MEMBER,      /* a member's value begins */
    AT_ITEM_OR_END, /* after "[" */
    AT_ITEM,        /* after "," in the array */
    IN_VALUE,
    AFTER_ITEM,
    AFTER_MEMBER,
    AT_END,
    BROKEN,
};

struct od_json_items {
    char wanted[NAME_BYTES_MAX], name[NAME_BYTES_MAX];
    size_t name_bytes;
    enum place place;
    bool bare, found; /* the array came */
    bool item;        /* the value is one */
    bool string, escape;
    unsigned depth;
    bool scalar; /* the value is neither a string nor a container */
    char *text;
    size_t bytes, size;
    bool too_long;
    const char *why;
};

int od_json_items_create(struct od_json_items **out, const char *name)
{
    struct od_json_items *items = calloc(1, sizeof *items);
    *out = items;
    if (!items)
        return OD_ENOMEM;
    strncpy(items->wanted, name, sizeof items->wanted - 1);
    return 0;
}

void od_json_items_destroy(struct od_json_items *items)
{
    if (!items)
        return;
    free(items->text);
    free(items);
}

bool od_json_items_bare(const struct od_json_items *items)
{
    return items->bare;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void broken(struct od_json_items *items, const char *why)
{
    items->place = BROKEN;
    items->why = why;
}

static void keep(struct od_json_items *items, char c)
{
    if (items->bytes == OD_ITEM_BYTES_MAX) {
        items->too_long = true;
        return;
    }
    if (items->bytes + 1 >= items->size) {
        size_t size = items->size ? 2 * items->size : 1024;
        char *more = realloc(items->text, size);
        if (!more) {
            broken(items, "there is not enough memory for it now");
            return;
        }
        items->text = more;
        items->size = size;
    }
    items->text[items->bytes++] = c;
    items->text[items->bytes] = 0;
}

static void begin_value(struct od_json_items *items, bool item, char c)
{
    items->place = IN_VALUE;
    items->item = item;
    items->bytes = 0;
    items->too_long = false;
    items->string = c == '"';
    items->escape = false;
    items->depth = c == '{' || c == '[';
    items->scalar = !items->string && !items->depth;
    if (c == ',' || c == '}' || c == ']' || c == ':')
        broken(items, "a value is missing");
    else
        keep(items, c);
}

/* True when the value ends with this character. */
static bool in_container(struct od_json_items *items, char c)
{
    if (items->string) {
        if (items->escape)
            items->escape = false;
        else if (c == '\\')
            items->escape = true;
        else if (c == '"')
            items->string = false;
        return !items->string && !items->depth;
    }
    if (c == '"')
        items->string = true;
    else if (c == '{' || c == '[')
        items->depth++;
    else if (c == '}' || c == ']')
        items->depth--;
    return !items->depth;
}

static enum od_items_step give(struct od_json_items *items, struct od_items_text *out)
{
    items->place = items->item ? AFTER_ITEM : AFTER_MEMBER;
    *out = (struct od_items_text){.at = items->text ? items->text : "",
                                  .bytes = items->bytes,
                                  .too_long = items->too_long,
                                  .name = items->name};
    if (items->too_long) {
        out->at = "";
        out->bytes = 0;
    }
    return items->item ? OD_ITEMS_ITEM : OD_ITEMS_MEMBER;
}

static void open_array(struct od_json_items *items)
{
    items->found = true;
    items->place = AT_ITEM_OR_END;
}

static void name_char(struct od_json_items *items, char c)
{
    if (c == '"' && !items->escape) {
        items->name[items->name_bytes] = 0;
        items->place = AT_COLON;
        return;
    }
    items->escape = c == '\\' && !items->escape;
    if (items->name_bytes + 1 < NAME_BYTES_MAX)
        items->name[items->name_bytes++] = c;
}

static void begin_name(struct od_json_items *items, char c)
{
    items->name_bytes = 0;
    items->escape = false;
    items->place = IN_NAME;
    if (c != '"')
        broken(items, "a member's name is missing");
}

static void begin_member(struct od_json_items *items, char c)
{
    bool wanted = strcmp(items->name, items->wanted) == 0;
    if (wanted && items->found)
        broken(items, "the array of calls is there twice");
    else if (wanted && c == '[')
        open_array(items);
    else if (wanted)
        broken(items, "\"calls\" must be an array");
    else
        begin_value(items, false, c);
}

/* A character between values. */
static void between(struct od_json_items *items, char c)
{
    switch (items->place) {
    case AT_START:
        items->bare = c == '[';
        if (c == '[')
            open_array(items);
        else if (c == '{')
            items->place = AT_NAME_OR_END;
        else
            broken(items, "neither an array of calls nor an object with \"calls\"");
        break;
    case AT_NAME_OR_END:
        if (c == '}')
            items->place = AT_END;
        else
            begin_name(items, c);
        break;
    case AT_NAME:
        begin_name(items, c);
        break;
    case AT_COLON:
        items->place = AT_MEMBER;
        if (c != ':')
            broken(items, "a colon is missing");
        break;
    case AT_MEMBER:
        begin_member(items, c);
        break;
    case AT_ITEM_OR_END:
        if (c == ']')
            items->place = items->bare ? AT_END : AFTER_MEMBER;
        else
            begin_value(items, true, c);
        break;
    case AT_ITEM:
        begin_value(items, true, c);
        break;
    case AFTER_ITEM:
        items->place = c == ',' ? AT_ITEM : items->bare ? AT_END : AFTER_MEMBER;
        if (c != ',' && c != ']')
            broken(items, "a comma is missing between two calls");
        break;
    case AFTER_MEMBER:
        items->place = c == ',' ? AT_NAME : AT_END;
        if (c != ',' && c != '}')
            broken(items, "a comma is missing between two members");
        break;
    case AT_END:
        broken(items, "something follows the document");
        break;
    case IN_NAME:
    case IN_VALUE:
    case BROKEN:
        break;
    }
}

static enum od_items_step finish(struct od_json_items *items, struct od_items_text *out)
{
    if (items->place == AT_END && items->found)
        return OD_ITEMS_END;
    if (items->place == AT_START)
        broken(items, "the body is empty");
    else if (items->place == AT_END)
        broken(items, "\"calls\" is required");
    else if (items->place != BROKEN)
        broken(items, "the document ends in the middle");
    *out = (struct od_items_text){.at = "", .why = items->why};
    return OD_ITEMS_BAD;
}

enum od_items_step od_json_items_next(struct od_json_items *items, const char **data, size_t *bytes,
                                      bool last, struct od_items_text *out)
{
    *out = (struct od_items_text){.at = ""};
    while (*bytes && items->place != BROKEN) {
        char c = **data;
        if (items->place == IN_VALUE && items->scalar) {
            if (c == ',' || c == ']' || c == '}' || is_blank(c))
                return give(items, out); /* the character belongs to what is around it */
            keep(items, c);
        } else if (items->place == IN_VALUE) {
            keep(items, c);
            bool ends = items->place == IN_VALUE && in_container(items, c);
            if (ends && items->place == IN_VALUE) {
                ++*data;
                --*bytes;
                return give(items, out);
            }
        } else if (items->place == IN_NAME) {
            name_char(items, c);
        } else if (!is_blank(c)) {
            between(items, c);
        }
        ++*data;
        --*bytes;
    }
    if (items->place == BROKEN || last)
        return finish(items, out);
    return OD_ITEMS_MORE;
}
