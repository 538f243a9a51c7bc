/*
 * Rows to contacts. Every column becomes a string of the context: what looks like a number in a
 * file (a postcode, an order) has leading zeros to lose.
 */
#include "engine/api/contact_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/json_read.h"
#include "engine/api/number.h"
#include "engine/base/str.h"
#include "outdial/err.h"

static const char *const number_names[] = {"number",       "phone",  "to", "endpoint",
                                           "phone_number", "msisdn", NULL};
static const char number_names_text[] = "number, phone, to, endpoint, phone_number or msisdn";

struct od_columns {
    size_t count, number, timezone; /* timezone: SIZE_MAX when there is none */
    char *keys[OD_CSV_FIELDS_MAX];  /* each a JSON string with its quotes; the number's is NULL */
    size_t key_bytes[OD_CSV_FIELDS_MAX];
};

/* ---- the header ---- */

static struct od_text trimmed(struct od_text text)
{
    while (text.bytes && (*text.at == ' ' || *text.at == '\t')) {
        text.at++;
        text.bytes--;
    }
    while (text.bytes && (text.at[text.bytes - 1] == ' ' || text.at[text.bytes - 1] == '\t'))
        text.bytes--;
    return text;
}

/* Index of the column of that name, SIZE_MAX when there is none. */
static size_t find_column(const struct od_csv_row *header, const char *name)
{
    for (size_t i = 0; i < header->count; i++) {
        struct od_text cell = trimmed(header->fields[i]);
        if (od_str_equal_nocase(cell.at, cell.bytes, name))
            return i;
    }
    return SIZE_MAX;
}

/* Says which columns there are: that is what the user has to compare with. */
static void explain_missing(const struct od_csv_row *header, const char *wanted,
                            char why[OD_COLUMNS_WHY_MAX])
{
    struct od_buf buf;
    char number[OD_ENDPOINT_MAX];
    od_buf_init(&buf, why, OD_COLUMNS_WHY_MAX);
    if (wanted) {
        od_buf_str(&buf, "no column is named \"");
        od_buf_str(&buf, wanted);
        od_buf_str(&buf, "\"");
    } else {
        od_buf_str(&buf, "no column with the numbers: expected ");
        od_buf_str(&buf, number_names_text);
    }
    od_buf_str(&buf, "; found ");
    for (size_t i = 0; i < header->count; i++) {
        struct od_text cell = trimmed(header->fields[i]);
        if (OD_COLUMNS_WHY_MAX - buf.used < cell.bytes + 64) {
            od_buf_str(&buf, ", ...");
            break;
        }
        od_buf_str(&buf, i ? ", \"" : "\"");
        od_buf_add(&buf, cell.at, cell.bytes);
        od_buf_str(&buf, "\"");
    }
    if (!od_number_read(header->fields[0].at, header->fields[0].bytes, number))
        od_buf_str(&buf, " (the first row must name the columns)");
}

static int add_key(struct od_columns *columns, size_t i, struct od_text cell)
{
    char unnamed[32];
    if (!cell.bytes) {
        int n = snprintf(unnamed, sizeof unnamed, "column_%zu", i + 1);
        cell = (struct od_text){unnamed, (size_t)n};
    }
    size_t room = cell.bytes * 6 + 2; /* every byte escaped as \u00XX */
    columns->keys[i] = malloc(room);
    if (!columns->keys[i])
        return OD_ENOMEM;
    columns->key_bytes[i] = od_json_quote(columns->keys[i], room, cell.at, cell.bytes);
    for (size_t k = 0; k < i; k++)
        if (columns->keys[k] && columns->key_bytes[k] == columns->key_bytes[i] &&
            memcmp(columns->keys[k], columns->keys[i], columns->key_bytes[i]) == 0)
            return OD_EEXIST;
    return 0;
}

int od_columns_create(struct od_columns **out, const struct od_csv_row *header,
                      const char *number_column, char why[OD_COLUMNS_WHY_MAX])
{
    size_t number = SIZE_MAX;
    *out = NULL;
    if (number_column)
        number = find_column(header, number_column);
    for (size_t i = 0; !number_column && number_names[i] && number == SIZE_MAX; i++)
        number = find_column(header, number_names[i]);
    if (number == SIZE_MAX) {
        explain_missing(header, number_column, why);
        return OD_EINVAL;
    }
    struct od_columns *columns = calloc(1, sizeof *columns);
    if (!columns)
        return OD_ENOMEM;
    columns->count = header->count;
    columns->number = number;
    columns->timezone = find_column(header, "timezone");
    for (size_t i = 0; i < header->count; i++) {
        struct od_text cell = trimmed(header->fields[i]);
        int err = i == number ? 0 : add_key(columns, i, cell);
        if (err) {
            od_columns_destroy(columns);
            snprintf(why, OD_COLUMNS_WHY_MAX, "two columns are named \"%.*s\"",
                     (int)(cell.bytes < 64 ? cell.bytes : 64), cell.at);
            od_text_scrub(why);
            return err == OD_EEXIST ? OD_EINVAL : err;
        }
    }
    *out = columns;
    return 0;
}

void od_columns_destroy(struct od_columns *columns)
{
    if (!columns)
        return;
    for (size_t i = 0; i < columns->count; i++)
        free(columns->keys[i]);
    free(columns);
}

/* ---- rows ---- */

static bool refuse(struct od_contact *contact, const char *why)
{
    od_str_copy(contact->why, sizeof contact->why, why, strlen(why));
    return false;
}

/* Keeps the number as it was given, cut between characters. */
static void keep_value(struct od_contact *contact, const char *text, size_t bytes)
{
    if (bytes >= sizeof contact->value)
        bytes = sizeof contact->value - 1;
    while (bytes && !od_str_utf8(text, bytes))
        bytes--;
    od_str_copy(contact->value, sizeof contact->value, text, bytes);
}

static bool write_context(const struct od_columns *columns, const struct od_csv_row *row,
                          struct od_contact *contact, char *context)
{
    size_t used = 0;
    context[used++] = '{';
    for (size_t i = 0; i < columns->count; i++) {
        if (i == columns->number)
            continue;
        struct od_text cell = i < row->count ? row->fields[i] : (struct od_text){"", 0};
        size_t key = columns->key_bytes[i];
        if (OD_CONTACT_CONTEXT_MAX - used < key + 3)
            return false;
        if (used > 1)
            context[used++] = ',';
        memcpy(context + used, columns->keys[i], key);
        used += key;
        context[used++] = ':';
        /* one byte stays for the closing bracket */
        size_t n =
            od_json_quote(context + used, OD_CONTACT_CONTEXT_MAX - 1 - used, cell.at, cell.bytes);
        if (n == SIZE_MAX)
            return false;
        used += n;
    }
    context[used++] = '}';
    contact->context_bytes = used;
    return true;
}

bool od_contact_from_row(const struct od_columns *columns, const struct od_csv_row *row,
                         struct od_contact *out, char *context)
{
    *out = (struct od_contact){0};
    if (row->count <= columns->number)
        return refuse(out, "the row has no number: it is shorter than the header");
    struct od_text number = row->fields[columns->number];
    keep_value(out, number.at, number.bytes);
    const char *why = od_number_read(number.at, number.bytes, out->to);
    if (why)
        return refuse(out, why);
    for (size_t i = columns->count; i < row->count; i++)
        if (row->fields[i].bytes)
            return refuse(out, "the row has more values than the header has columns");
    if (columns->timezone < row->count) {
        struct od_text zone = trimmed(row->fields[columns->timezone]);
        if (zone.bytes >= sizeof out->timezone)
            return refuse(out, "the timezone is too long to be one");
        od_str_copy(out->timezone, sizeof out->timezone, zone.at, zone.bytes);
    }
    if (!write_context(columns, row, out, context))
        return refuse(out, "the values are longer than 32 KiB together");
    return true;
}

/* ---- NDJSON ---- */

struct json_row {
    const char *numbers[6], *from, *timezone;
    yyjson_val *context;
    int64_t not_before_ms, deadline_ms;
};

#define NUMBER_FIELD(i, name)                                                                      \
    {                                                                                              \
        name, OD_FIELD_TEXT, offsetof(struct json_row, numbers) + (i) * sizeof(char *), 0, 256,    \
            false                                                                                  \
    }
static const struct od_field json_row_fields[] = {
    NUMBER_FIELD(0, "number"),
    NUMBER_FIELD(1, "phone"),
    NUMBER_FIELD(2, "to"),
    NUMBER_FIELD(3, "endpoint"),
    NUMBER_FIELD(4, "phone_number"),
    NUMBER_FIELD(5, "msisdn"),
    {"from", OD_FIELD_TEXT, offsetof(struct json_row, from), 1, OD_ENDPOINT_MAX - 1, false},
    {"context", OD_FIELD_OBJECT, offsetof(struct json_row, context), 0, 0, false},
    {"not_before", OD_FIELD_TIME, offsetof(struct json_row, not_before_ms), 0, 0, false},
    {"deadline", OD_FIELD_TIME, offsetof(struct json_row, deadline_ms), 0, 0, false},
    {"timezone", OD_FIELD_TEXT, offsetof(struct json_row, timezone), 0, OD_ZONE_MAX - 1, false},
};

enum { NUMBER_NAMES = sizeof((struct json_row *)0)->numbers / sizeof(char *) };

/* The first of its names that has one; NULL: none has. */
static const struct od_field *number_field(const struct json_row *row)
{
    for (size_t i = 0; i < NUMBER_NAMES; i++)
        if (row->numbers[i])
            return &json_row_fields[i];
    return NULL;
}

/* A member that is a variable, as another column of a CSV file is: it has no meaning of its own
 * here, or is a second number. */
static bool is_variable(const char *name, const struct od_field *number)
{
    for (size_t i = 0; i < sizeof json_row_fields / sizeof *json_row_fields; i++)
        if (strcmp(json_row_fields[i].name, name) == 0)
            return i < NUMBER_NAMES && &json_row_fields[i] != number;
    return true;
}

/* What is in the row's context and its variables, which have the last word. NULL: no memory. */
static yyjson_mut_doc *gather_context(yyjson_val *root, const struct json_row *row)
{
    const struct od_field *number = number_field(row);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *all = !doc           ? NULL
                          : row->context ? yyjson_val_mut_copy(doc, row->context)
                                         : yyjson_mut_obj(doc);
    bool ok = all != NULL;
    yyjson_obj_iter iter = yyjson_obj_iter_with(root);
    for (yyjson_val *key; ok && (key = yyjson_obj_iter_next(&iter));) {
        if (!is_variable(yyjson_get_str(key), number))
            continue;
        yyjson_mut_val *name = yyjson_val_mut_copy(doc, key);
        yyjson_mut_val *value = yyjson_val_mut_copy(doc, yyjson_obj_iter_get_val(key));
        ok = name && value && yyjson_mut_obj_put(all, name, value);
    }
    if (!ok) {
        yyjson_mut_doc_free(doc);
        return NULL;
    }
    yyjson_mut_doc_set_root(doc, all);
    return doc;
}

static bool write_json_context(yyjson_val *root, const struct json_row *row, struct od_contact *out,
                               char *context)
{
    size_t bytes = 0;
    yyjson_mut_doc *doc = gather_context(root, row);
    bool none = doc && !yyjson_mut_obj_size(yyjson_mut_doc_get_root(doc));
    char *text = doc && !none ? yyjson_mut_write(doc, 0, &bytes) : NULL;
    yyjson_mut_doc_free(doc);
    if (!text)
        return none || refuse(out, "no memory");
    bool fits = bytes <= OD_CONTACT_CONTEXT_MAX;
    if (fits) {
        memcpy(context, text, bytes);
        out->context_bytes = bytes;
    }
    free(text);
    return fits || refuse(out, "the context is longer than 32 KiB");
}

static bool read_json_row(yyjson_val *root, const struct json_row *row, struct od_contact *out,
                          char *context)
{
    const struct od_field *field = number_field(row);
    const char *number = field ? row->numbers[field - json_row_fields] : NULL;
    if (!number)
        return refuse(out,
                      "no number: expected number, phone, to, endpoint, phone_number or msisdn");
    keep_value(out, number, strlen(number));
    const char *why = od_number_read(number, strlen(number), out->to);
    if (why)
        return refuse(out, why);
    if (row->from && od_number_read(row->from, strlen(row->from), out->from))
        return refuse(out, "\"from\" is not a phone number");
    out->not_before_ms = row->not_before_ms;
    out->deadline_ms = row->deadline_ms;
    if (row->timezone)
        od_str_copy(out->timezone, sizeof out->timezone, row->timezone, strlen(row->timezone));
    return write_json_context(root, row, out, context);
}

bool od_contact_from_json(const char *line, size_t bytes, struct od_contact *out, char *context)
{
    struct od_faults faults = {0};
    struct json_row row = {0};
    yyjson_doc *doc;
    *out = (struct od_contact){0};
    int err = od_json_parse(line, bytes, &doc, &faults);
    if (!err)
        err = od_json_fields_among(yyjson_doc_get_root(doc), json_row_fields,
                                   sizeof json_row_fields / sizeof *json_row_fields, &row, "#",
                                   &faults);
    bool ok = false;
    if (err && faults.count) {
        const struct od_fault *first = &faults.at[0];
        bool whole = strcmp(first->pointer, "#") == 0;
        snprintf(out->why, sizeof out->why, "%.60s%s%.120s", whole ? "" : first->pointer,
                 whole ? "" : ": ", first->detail);
        od_text_scrub(out->why);
    } else if (err) {
        refuse(out, "no memory");
    } else {
        ok = read_json_row(yyjson_doc_get_root(doc), &row, out, context);
    }
    yyjson_doc_free(doc);
    return ok;
}
