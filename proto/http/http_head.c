/*
 * http_head - see the header. Offsets instead of pointers, because the text moves while it grows.
 */
#include "proto/http/http_head.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

struct od_http_head *od_http_head_create(void)
{
    struct od_http_head *head = malloc(sizeof *head);
    if (head) {
        head->text = (struct od_http_bytes){0};
        head->target_bytes = head->count = head->part_at = 0;
    }
    return head;
}

void od_http_head_destroy(struct od_http_head *head)
{
    if (!head)
        return;
    od_http_bytes_free(&head->text);
    free(head);
}

int od_http_head_add(struct od_http_head *head, const char *piece, size_t bytes)
{
    if (bytes > OD_HTTP_HEAD_BYTES_LIMIT - head->text.used)
        return OD_ETOOBIG;
    return od_http_bytes_add(&head->text, piece, bytes);
}

/* Ends the part with a NUL; *at and *bytes tell where it is. */
static int part_end(struct od_http_head *head, uint16_t *at, uint16_t *bytes)
{
    *at = head->part_at;
    *bytes = (uint16_t)(head->text.used - head->part_at);
    int err = od_http_head_add(head, "", 1);
    head->part_at = (uint16_t)head->text.used;
    return err;
}

int od_http_head_target_end(struct od_http_head *head)
{
    uint16_t at;
    return part_end(head, &at, &head->target_bytes);
}

int od_http_head_name_end(struct od_http_head *head)
{
    if (head->count == OD_HTTP_FIELDS_MAX)
        return OD_ETOOBIG;
    struct od_http_field *field = &head->fields[head->count];
    return part_end(head, &field->name_at, &field->name_bytes);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

int od_http_head_value_end(struct od_http_head *head)
{
    struct od_http_field *field = &head->fields[head->count];
    int err = part_end(head, &field->value_at, &field->value_bytes);
    if (err)
        return err;
    char *text = head->text.at;
    while (field->value_bytes && is_space(text[field->value_at])) {
        field->value_at++;
        field->value_bytes--;
    }
    while (field->value_bytes && is_space(text[field->value_at + field->value_bytes - 1]))
        field->value_bytes--;
    text[field->value_at + field->value_bytes] = 0;
    head->count++;
    return 0;
}

bool od_http_head_find(const struct od_http_head *head, const char *name, struct od_text *value)
{
    for (unsigned i = 0; i < head->count; i++) {
        const struct od_http_field *field = &head->fields[i];
        if (!od_str_equal_nocase(head->text.at + field->name_at, field->name_bytes, name))
            continue;
        *value = (struct od_text){head->text.at + field->value_at, field->value_bytes};
        return true;
    }
    return false;
}

unsigned od_http_head_count(const struct od_http_head *head, const char *name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < head->count; i++) {
        const struct od_http_field *field = &head->fields[i];
        count += od_str_equal_nocase(head->text.at + field->name_at, field->name_bytes, name);
    }
    return count;
}
