/*
 * Goal: the OpenAPI document says what the routes do: each path and method of the one is in the
 * other, with the same scope, query parameters and kind of body. Method: walks over both. What the
 * document says of the answers is held by other people's tools (tests/accept/openapi).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "engine/api/openapi.h"
#include "engine/api/route.h"
#include "tests/unit/api_ask.h"

static yyjson_doc *doc;
static yyjson_val *root;

static int read_document(void **state)
{
    (void)state;
    size_t bytes;
    char *text = od_openapi_text("1.2.3", &bytes);
    doc = text ? yyjson_read(text, bytes, 0) : NULL;
    root = yyjson_doc_get_root(doc);
    free(text);
    return root ? 0 : -1;
}

static int free_document(void **state)
{
    (void)state;
    yyjson_doc_free(doc);
    return 0;
}

/* The path with every {parameter} as {}. */
static void plain_path(const char *path, char out[256])
{
    size_t used = 0;
    for (const char *at = path; *at && used < 250; at++) {
        out[used++] = *at;
        if (*at == '{')
            at += strcspn(at, "}") - 1;
    }
    out[used] = 0;
}

static bool same_path(const char *a, const char *b)
{
    char left[256], right[256];
    plain_path(a, left);
    plain_path(b, right);
    return strcmp(left, right) == 0;
}

static bool same_method(const char *lower, const char *upper)
{
    size_t i = 0;
    for (; lower[i] && upper[i]; i++)
        if (lower[i] - 'a' + 'A' != upper[i])
            return false;
    return !lower[i] && !upper[i];
}

static const struct od_route *route_of(const char *path, const char *method)
{
    size_t count;
    const struct od_route *routes = od_routes(&count);
    for (size_t i = 0; i < count; i++)
        if (same_path(routes[i].pattern, path) && same_method(method, routes[i].method))
            return &routes[i];
    return NULL;
}

/* The parameter itself, where it is only referred to. */
static yyjson_val *parameter_of(yyjson_val *item)
{
    const char *ref = yyjson_get_str(yyjson_obj_get(item, "$ref"));
    return ref ? yyjson_ptr_get(root, ref + 1) : item;
}

static bool has_query(yyjson_val *operation, const char *route_name)
{
    char name[64] = "";
    strncat(name, route_name, strcspn(route_name, "*")); /* "status*": may be repeated */
    size_t i, max;
    yyjson_val *item;
    yyjson_arr_foreach(yyjson_obj_get(operation, "parameters"), i, max, item)
    {
        yyjson_val *parameter = parameter_of(item);
        if (yyjson_equals_str(yyjson_obj_get(parameter, "in"), "query") &&
            yyjson_equals_str(yyjson_obj_get(parameter, "name"), name))
            return true;
    }
    return false;
}

static unsigned queries(yyjson_val *operation)
{
    size_t i, max;
    unsigned count = 0;
    yyjson_val *item;
    yyjson_arr_foreach(yyjson_obj_get(operation, "parameters"), i, max, item) count +=
        yyjson_equals_str(yyjson_obj_get(parameter_of(item), "in"), "query");
    return count;
}

static unsigned wrong;

#define WRONG(...) (wrong++, print_error(__VA_ARGS__))

static void compare(const char *path, const char *method, yyjson_val *operation,
                    const struct od_route *route)
{
    yyjson_val *security = yyjson_obj_get(operation, "security");
    bool open = yyjson_is_arr(security) && yyjson_arr_size(security) == 0;
    const char *scope = yyjson_get_str(yyjson_obj_get(operation, "x-scope"));
    static const char *const words[] = {"", "read", "dial", "admin"};
    if (open != (route->scope == OD_SCOPE_OPEN))
        WRONG("%s %s: open in one place only\n", method, path);
    else if (!open && (!scope || strcmp(scope, words[route->scope]) != 0))
        WRONG("%s %s: x-scope is not %s\n", method, path, words[route->scope]);
    unsigned count = 0;
    for (; route->query && route->query[count]; count++)
        if (!has_query(operation, route->query[count]))
            WRONG("%s %s: ?%s is not in the document\n", method, path, route->query[count]);
    if (queries(operation) != count)
        WRONG("%s %s: %u query parameters in the document, %u in the route\n", method, path,
              queries(operation), count);
    bool takes = yyjson_obj_get(operation, "requestBody") != NULL;
    if (takes != (route->takes != OD_TAKES_NOTHING))
        WRONG("%s %s: a body in one place only\n", method, path);
    if (!yyjson_obj_get(operation, "operationId") || !yyjson_obj_get(operation, "responses") ||
        yyjson_arr_size(yyjson_obj_get(operation, "tags")) != 1)
        WRONG("%s %s: operationId, responses or the one tag is missing\n", method, path);
}

static void the_document_and_the_routes_agree(void **state)
{
    (void)state;
    size_t i, max, k, methods, count, operations = 0;
    yyjson_val *path, *item, *method, *operation;
    yyjson_obj_foreach(yyjson_obj_get(root, "paths"), i, max, path, item)
    {
        yyjson_obj_foreach(item, k, methods, method, operation)
        {
            const char *p = yyjson_get_str(path), *m = yyjson_get_str(method);
            const struct od_route *route = route_of(p, m);
            operations++;
            if (route)
                compare(p, m, operation, route);
            else
                WRONG("%s %s: there is no such route\n", m, p);
        }
    }
    const struct od_route *routes = od_routes(&count);
    for (size_t r = 0; r < count; r++) {
        bool found = false;
        yyjson_obj_foreach(yyjson_obj_get(root, "paths"), i, max, path, item)
        {
            if (!same_path(yyjson_get_str(path), routes[r].pattern))
                continue;
            yyjson_obj_foreach(item, k, methods, method, operation) found =
                found || same_method(yyjson_get_str(method), routes[r].method);
        }
        if (!found)
            WRONG("%s %s: is not in the document (engine/api/openapi)\n", routes[r].method,
                  routes[r].pattern);
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(operations, count);
}

/* Every "$ref" leads somewhere; no name is given twice. */
static void check_refs(yyjson_val *value)
{
    size_t i, max;
    yyjson_val *key, *item;
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, i, max, item) check_refs(item);
        return;
    }
    if (!yyjson_is_obj(value))
        return;
    yyjson_obj_foreach(value, i, max, key, item)
    {
        if (yyjson_equals_str(key, "$ref") && !parameter_of(value))
            WRONG("%s leads nowhere\n", yyjson_get_str(item));
        if (yyjson_obj_getn(value, yyjson_get_str(key), yyjson_get_len(key)) != item)
            WRONG("%s is there twice\n", yyjson_get_str(key));
        check_refs(item);
    }
}

static void the_document_is_whole(void **state)
{
    (void)state;
    wrong = 0;
    check_refs(root);
    assert_int_equal(wrong, 0);
    assert_string_equal(yyjson_get_str(yyjson_ptr_get(root, "/info/version")), "1.2.3");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "openapi")), "3.1.0");
}

static void it_is_served(void **state)
{
    world_setup(state);
    struct fake_exchange x;
    for (int i = 0; i < 2; i++) {
        send_full(&x, (struct fake_request){.method = "GET", .path = "/openapi.json"});
        assert_int_equal(x.status, 200);
        yyjson_doc *served = yyjson_read(x.answer, x.answer_bytes, 0);
        assert_non_null(served);
        yyjson_doc_free(served);
        fake_close(&x);
    }
    world_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_and_the_routes_agree),
        cmocka_unit_test(the_document_is_whole),
        cmocka_unit_test(it_is_served),
    };
    return cmocka_run_group_tests(tests, read_document, free_document);
}
