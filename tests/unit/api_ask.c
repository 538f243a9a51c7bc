/*
 * The tests' shared ways of asking; see the header.
 */
#include "tests/unit/api_ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "engine/base/str.h"

struct fake_world world;

int world_setup(void **state)
{
    (void)state;
    fake_world_init(&world);
    return 0;
}

int world_teardown(void **state)
{
    (void)state;
    fake_world_deinit(&world);
    return 0;
}

int send_full(struct fake_exchange *x, struct fake_request request)
{
    fake_send(&world, x, &request);
    assert_int_equal(x->answers, 1);
    return x->status;
}

void expect(const char *method, const char *path, const char *query, const char *body, int status,
            const char *part)
{
    struct fake_exchange x;
    send_full(&x,
              (struct fake_request){.method = method, .path = path, .query = query, .body = body});
    if (x.status != status || (part && !strstr(x.answer, part)))
        print_error("%s %s?%s %s -> %d %s\n", method, path, query ? query : "", body ? body : "",
                    x.status, x.answer);
    assert_int_equal(x.status, status);
    if (part)
        assert_non_null(strstr(x.answer, part));
    if (status >= 400)
        assert_string_equal(x.type, "application/problem+json");
    if (x.answer_bytes && strncmp(x.type, "application/", 12) == 0) {
        yyjson_doc *doc = yyjson_read(x.answer, x.answer_bytes, 0);
        assert_non_null(doc);
        yyjson_doc_free(doc);
    }
    fake_close(&x);
}

static void take_id(const struct fake_exchange *x, char id[OD_UID_TEXT])
{
    yyjson_doc *doc = yyjson_read(x->answer, x->answer_bytes, 0);
    const char *text = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "id"));
    assert_non_null(text);
    assert_int_equal(strlen(text), 36);
    strcpy(id, text);
    yyjson_doc_free(doc);
}

void create(const char *path, const char *body, char id[OD_UID_TEXT])
{
    struct fake_exchange x;
    char location[128];
    assert_int_equal(
        send_full(&x, (struct fake_request){.method = "POST", .path = path, .body = body}), 201);
    take_id(&x, id);
    snprintf(location, sizeof location, "Location: %s/%s\r\n", path, id);
    assert_non_null(strstr(x.answer_headers, location));
    fake_close(&x);
}

const char *join(const char *a, const char *b, const char *c)
{
    static char paths[64][256];
    static unsigned next;
    struct od_buf buf;
    od_buf_init(&buf, paths[next++ % 64], sizeof paths[0]);
    od_buf_str(&buf, a);
    od_buf_str(&buf, b);
    od_buf_str(&buf, c);
    return buf.at;
}

void new_key(const char *body, char key[128], int status)
{
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "POST", .path = V1 "/keys", .body = body});
    assert_int_equal(x.status, status);
    if (status == 201) {
        yyjson_doc *doc = yyjson_read(x.answer, x.answer_bytes, 0);
        strcpy(key, yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "key")));
        yyjson_doc_free(doc);
        assert_int_equal(strncmp(key, "sk_", 3), 0);
        assert_int_equal(strlen(key), 51);
    }
    fake_close(&x);
}
