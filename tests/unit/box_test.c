/*
 * Goal: what is sealed comes back under its own context and key only, never twice the same, and no
 * changed byte passes; a document's secrets, and nothing else of it, are sealed, hidden and kept.
 * Method: round trips of every length, every byte of a sealed text changed once, documents written
 * by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/api/secret_fields.h"
#include "outdial/err.h"
#include "proto/crypto/box.h"

static struct od_box *box, *other;
static struct od_box_port port, strange;

static int setup(void **state)
{
    uint8_t key[32];
    (void)state;
    od_box_key_of_text("a key of the operator's, long enough to be one", key);
    assert_int_equal(od_box_create(&box, key), 0);
    key[31] ^= 1;
    assert_int_equal(od_box_create(&other, key), 0);
    port = od_box_port(box);
    strange = od_box_port(other);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    od_box_destroy(box);
    od_box_destroy(other);
    return 0;
}

static size_t seal(const char *plain, size_t bytes, char *out, size_t size)
{
    size_t used;
    assert_int_equal(port.seal(port.ctx, "org a", (struct od_text){plain, bytes}, out, size, &used),
                     0);
    assert_int_equal(strlen(out), used);
    return used;
}

static int open_it(const struct od_box_port *with, const char *context, const char *sealed,
                   char *out, size_t size, size_t *used)
{
    return with->open(with->ctx, context, (struct od_text){sealed, strlen(sealed)}, out, size,
                      used);
}

static void every_length_comes_back(void **state)
{
    (void)state;
    char plain[300], sealed[OD_BOX_SEALED_BYTES(300)], back[sizeof sealed];
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (char)(i * 7);
    for (size_t bytes = 0; bytes < sizeof plain; bytes++) {
        size_t used, n = seal(plain, bytes, sealed, OD_BOX_SEALED_BYTES(bytes));
        assert_true(od_box_is_sealed(sealed, n));
        assert_int_equal(open_it(&port, "org a", sealed, back, n, &used), 0);
        assert_int_equal(used, bytes);
        assert_memory_equal(back, plain, bytes);
        assert_int_equal(back[bytes], 0);
    }
}

static void nothing_opens_elsewhere(void **state)
{
    (void)state;
    char sealed[200], twice[200], back[200];
    size_t used;
    seal("secret", 6, sealed, sizeof sealed);
    seal("secret", 6, twice, sizeof twice);
    assert_string_not_equal(sealed, twice);
    assert_null(strstr(sealed, "secret"));
    assert_int_equal(open_it(&port, "org b", sealed, back, sizeof back, &used), OD_EDENIED);
    assert_int_equal(open_it(&strange, "org a", sealed, back, sizeof back, &used), OD_EDENIED);
    assert_int_equal(open_it(&port, "org a", sealed, back, 6, &used), OD_ETOOBIG);
    assert_int_equal(open_it(&port, "org a", "plain", back, sizeof back, &used), OD_EINVAL);
    assert_int_equal(open_it(&port, "org a", "ob1.", back, sizeof back, &used), OD_EINVAL);
    assert_int_equal(open_it(&port, "org a", "ob1.AQID", back, sizeof back, &used), OD_EINVAL);
    assert_int_equal(open_it(&port, "org a", "ob1.AQI=", back, sizeof back, &used), OD_EINVAL);
    assert_int_equal(port.seal(port.ctx, "", (struct od_text){"secret", 6}, sealed, 20, &used),
                     OD_ETOOBIG);
}

static void no_changed_byte_passes(void **state)
{
    (void)state;
    char sealed[200], copy[200], back[200];
    size_t used, n = seal("a phrase to be kept", 19, sealed, sizeof sealed);
    for (size_t i = 0; i < n; i++) {
        memcpy(copy, sealed, n + 1);
        copy[i] = copy[i] == 'A' ? 'Q' : 'A'; /* the two differ in bits that always count */
        if (strcmp(copy, sealed) != 0)
            assert_int_not_equal(open_it(&port, "org a", copy, back, sizeof back, &used), 0);
        memcpy(copy, sealed, n + 1);
        copy[i] = 0;
        assert_int_not_equal(open_it(&port, "org a", copy, back, sizeof back, &used), 0);
    }
}

static void the_same_key_opens_in_another_process(void **state)
{
    (void)state;
    struct od_box *again;
    uint8_t key[32], one[32], two[32];
    char sealed[200], back[200], id[9], id_again[9];
    size_t used;
    od_box_key_of_text("a key of the operator's, long enough to be one", key);
    assert_int_equal(od_box_create(&again, key), 0);
    struct od_box_port later = od_box_port(again);
    for (int i = 0; i < 3; i++) { /* by turns, so that salts change under the opener */
        seal("first", 5, sealed, sizeof sealed);
        assert_int_equal(open_it(&later, "org a", sealed, back, sizeof back, &used), 0);
        assert_string_equal(back, "first");
        assert_int_equal(
            later.seal(later.ctx, "x", (struct od_text){"second", 6}, sealed, 200, &used), 0);
        assert_int_equal(open_it(&port, "x", sealed, back, sizeof back, &used), 0);
        assert_string_equal(back, "second");
    }
    port.derive(port.ctx, "label", "data", 4, one);
    later.derive(later.ctx, "label", "data", 4, two);
    assert_memory_equal(one, two, 32);
    port.derive(port.ctx, "labeld", "ata", 3, two);
    assert_memory_not_equal(one, two, 32);
    strange.derive(strange.ctx, "label", "data", 4, two);
    assert_memory_not_equal(one, two, 32);
    od_box_key_id(box, id);
    od_box_key_id(again, id_again);
    assert_string_equal(id, id_again);
    od_box_key_id(other, id_again);
    assert_string_not_equal(id, id_again);
    od_box_destroy(again);
}

/* ---- documents ---- */

static const char document[] =
    "{\"name\":\"n\",\"apiKey\":\"k-1\",\"tools\":[{\"webhook\":{\"headers\":{\"X-A\":\"v-1\","
    "\"X-B\":7}},\"schema\":{\"password\":{\"type\":\"string\"}}},{\"apiKey\":null}],"
    "\"outbound\":{\"password\":\"p-1\",\"server\":\"s\"},\"additionalData\":{\"password\":"
    "\"mine\"}}";
static const char hidden[] =
    "{\"name\":\"n\",\"apiKey\":null,\"tools\":[{\"webhook\":{\"headers\":{\"X-A\":null,"
    "\"X-B\":7}},\"schema\":{\"password\":{\"type\":\"string\"}}},{\"apiKey\":null}],"
    "\"outbound\":{\"password\":null,\"server\":\"s\"},\"additionalData\":{\"password\":"
    "\"mine\"}}";

static yyjson_mut_doc *parse(const char *text)
{
    yyjson_doc *read = yyjson_read(text, strlen(text), 0);
    assert_non_null(read);
    yyjson_mut_doc *doc = yyjson_doc_mut_copy(read, NULL);
    yyjson_doc_free(read);
    return doc;
}

static char *text_of(yyjson_mut_doc *doc)
{
    char *text = yyjson_mut_write(doc, 0, NULL);
    yyjson_mut_doc_free(doc);
    assert_non_null(text);
    return text;
}

static char *sealed_text(const char *text)
{
    yyjson_mut_doc *doc = parse(text);
    assert_int_equal(od_secrets_seal(&port, "org a", doc, yyjson_mut_doc_get_root(doc)), 0);
    return text_of(doc);
}

static void documents_are_sealed_and_opened(void **state)
{
    (void)state;
    size_t bytes;
    int err;
    char *sealed = sealed_text(document);
    assert_null(strstr(sealed, "k-1"));
    assert_null(strstr(sealed, "v-1"));
    assert_null(strstr(sealed, "p-1"));
    assert_non_null(strstr(sealed, "mine"));
    char *opened = od_secrets_open_text(&port, "org a", (struct od_text){sealed, strlen(sealed)},
                                        &bytes, &err);
    assert_int_equal(err, 0);
    assert_string_equal(opened, document);
    free(opened);
    opened = od_secrets_open_text(&strange, "org a", (struct od_text){sealed, strlen(sealed)},
                                  &bytes, &err);
    assert_int_equal(err, OD_EDENIED);
    assert_string_equal(opened, hidden); /* usable but for its secrets */
    free(opened);
    assert_null(od_secrets_open_text(&port, "org a", (struct od_text){"{", 1}, &bytes, &err));
    assert_int_equal(err, OD_EINVAL);
    free(sealed);
}

static void documents_are_hidden_and_kept(void **state)
{
    (void)state;
    char *sealed = sealed_text(document);
    yyjson_mut_doc *doc = parse(sealed);
    od_secrets_hide(doc, yyjson_mut_doc_get_root(doc));
    char *shown = text_of(doc);
    assert_string_equal(shown, hidden);

    yyjson_doc *stored = yyjson_read(sealed, strlen(sealed), 0);
    doc = parse(shown); /* sent back as it was shown */
    assert_int_equal(
        od_secrets_keep(doc, yyjson_mut_doc_get_root(doc), yyjson_doc_get_root(stored)), 0);
    char *kept = text_of(doc);
    assert_string_equal(kept, sealed);
    free(kept);

    /* one secret is new, one removed: the rest is kept */
    doc = parse("{\"apiKey\":\"k-2\",\"outbound\":{\"password\":null},\"tools\":[]}");
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    assert_int_equal(od_secrets_seal(&port, "org a", doc, root), 0);
    assert_int_equal(od_secrets_keep(doc, root, yyjson_doc_get_root(stored)), 0);
    kept = text_of(doc);
    size_t bytes;
    int err;
    char *opened =
        od_secrets_open_text(&port, "org a", (struct od_text){kept, strlen(kept)}, &bytes, &err);
    assert_string_equal(opened, "{\"apiKey\":\"k-2\",\"outbound\":{\"password\":\"p-1\"},"
                                "\"tools\":[]}");
    free(opened);
    free(kept);
    yyjson_doc_free(stored);
    free(shown);
    free(sealed);
}

static char *kept_url(const char *sent, const char *sealed)
{
    size_t bytes;
    int err;
    yyjson_doc *stored = yyjson_read(sealed, strlen(sealed), 0);
    yyjson_mut_doc *doc = parse(sent);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    assert_int_equal(od_secrets_seal(&port, "org a", doc, root), 0);
    assert_int_equal(od_secrets_keep(doc, root, yyjson_doc_get_root(stored)), 0);
    yyjson_doc_free(stored);
    char *kept = text_of(doc);
    char *opened =
        od_secrets_open_text(&port, "org a", (struct od_text){kept, strlen(kept)}, &bytes, &err);
    assert_int_equal(err, 0);
    free(kept);
    return opened;
}

/* Goal: credentials in a URL are kept like any secret, and go to no other host than their own. */
static void credentials_in_urls_are_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *then;
    } cases[] = {
        {"{\"url\":\"wss://***@b.example/ws\"}", "{\"url\":\"wss://u:p@b.example/ws\"}"},
        {"{\"url\":\"wss://***@b.example/other\"}", "{\"url\":\"wss://u:p@b.example/other\"}"},
        {"{\"url\":\"wss://***@evil.example/ws\"}", "{\"url\":\"wss://evil.example/ws\"}"},
        {"{\"url\":\"wss://***@b.example:81/ws\"}", "{\"url\":\"wss://b.example:81/ws\"}"},
        {"{\"url\":\"ws://***@b.example/ws\"}", "{\"url\":\"ws://b.example/ws\"}"},
        {"{\"url\":\"wss://v:q@b.example/ws\"}", "{\"url\":\"wss://v:q@b.example/ws\"}"},
        {"{\"url\":\"wss://b.example/ws?a=b@c\"}", "{\"url\":\"wss://b.example/ws?a=b@c\"}"},
        {"{\"note\":\"write to u:p@b.example\"}", "{\"note\":\"write to u:p@b.example\"}"},
        {"{\"url\":\"wss://@b.example/\"}", "{\"url\":\"wss://@b.example/\"}"},
    };
    char *sealed = sealed_text("{\"url\":\"wss://u:p@b.example/ws\"}");
    assert_null(strstr(sealed, "u:p"));
    assert_non_null(strstr(sealed, "@b.example/ws"));
    yyjson_mut_doc *doc = parse(sealed);
    od_secrets_hide(doc, yyjson_mut_doc_get_root(doc));
    char *shown = text_of(doc);
    assert_string_equal(shown, cases[0].sent);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *then = kept_url(cases[i].sent, sealed);
        assert_string_equal(then, cases[i].then);
        free(then);
    }
    free(shown);
    free(sealed);
}

static void a_single_url_is_shown_without_credentials(void **state)
{
    (void)state;
    static const struct {
        const char *url, *shown;
        bool hid;
    } cases[] = {
        {"https://u:p@b.example/x", "https://***@b.example/x", true},
        {"https://***@b.example/x", "https://***@b.example/x", true},
        {"https://b.example/x?a=b@c", "https://b.example/x?a=b@c", false},
        {"no url", "no url", false},
        {"", "", false},
    };
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_text url = {cases[i].url, strlen(cases[i].url)};
        yyjson_mut_val *shown = od_secrets_shown_url(doc, url);
        assert_string_equal(yyjson_mut_get_str(shown), cases[i].shown);
        url = (struct od_text){cases[i].shown, strlen(cases[i].shown)};
        assert_int_equal(od_secrets_is_shown_url(url), cases[i].hid);
    }
    yyjson_mut_doc_free(doc);
}

static void sealing_twice_is_sealing_once(void **state)
{
    (void)state;
    char *once = sealed_text("{\"apiKey\":\"k\",\"url\":\"wss://u:p@b.example/ws\"}");
    char *twice = sealed_text(once);
    assert_string_equal(once, twice);
    free(once);
    free(twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(nothing_opens_elsewhere),
        cmocka_unit_test(no_changed_byte_passes),
        cmocka_unit_test(the_same_key_opens_in_another_process),
        cmocka_unit_test(documents_are_sealed_and_opened),
        cmocka_unit_test(documents_are_hidden_and_kept),
        cmocka_unit_test(credentials_in_urls_are_secrets),
        cmocka_unit_test(a_single_url_is_shown_without_credentials),
        cmocka_unit_test(sealing_twice_is_sealing_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
