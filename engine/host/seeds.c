/*
 * seeds - the numbers and agents that the configuration names are stored when the store has come
 * up for the first time: once made they are the API's, and its changes win.
 *
 * A number's id follows from what it is, so that two processes that start at once make one thing,
 * and an agent of the configuration can be linked to its number without a look.
 */
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "engine/api/secret_fields.h"
#include "engine/base/siphash.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "engine/host/host.h"
#include "engine/host/log.h"
#include "outdial/err.h"

#define ORG "default"

/* ---- numbers ---- */

static void number_key(const struct od_config_number *number, char out[OD_ENDPOINT_MAX * 2])
{
    struct od_buf buf;
    od_buf_init(&buf, out, OD_ENDPOINT_MAX * 2);
    od_buf_str(&buf, number->number);
    od_buf_char(&buf, '|');
    od_buf_str(&buf, number->trunk);
}

static struct od_uid number_id(const struct od_config_number *number)
{
    static const uint8_t first[16] = "outdial number 1", second[16] = "outdial number 2";
    char key[OD_ENDPOINT_MAX * 2];
    uint8_t random[10];
    number_key(number, key);
    uint64_t a = od_siphash(first, key, strlen(key)), b = od_siphash(second, key, strlen(key));
    memcpy(random, &a, 8);
    memcpy(random + 8, &b, 2);
    return od_uid_make(1, random);
}

static void number_stored(void *ctx, int err)
{
    const struct od_config_number *number = ctx;
    if (err && err != OD_EEXIST)
        od_log(OD_CONFIG_LOG_WARN, "config", "number %s could not be stored: %s", number->number,
               od_err_text(err));
}

static void store_number(struct od_host *host, const struct od_config_number *number)
{
    const struct od_repo_port *repo = od_store_repo(host->store);
    char key[OD_ENDPOINT_MAX * 2];
    size_t bytes = 0;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    if (!root) {
        yyjson_mut_doc_free(doc);
        return;
    }
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_str(doc, root, "phoneNumber", number->number);
    yyjson_mut_obj_add_str(doc, root, "trunk", number->trunk);
    if (*number->display_name)
        yyjson_mut_obj_add_str(doc, root, "displayName", number->display_name);
    char *text = yyjson_mut_write(doc, 0, &bytes);
    yyjson_mut_doc_free(doc);
    number_key(number, key);
    struct od_thing_rec rec = {
        .id = number_id(number), .key = {key, strlen(key)}, .doc = {text, bytes}};
    if (text)
        repo->thing_put(repo->ctx, ORG, OD_THING_NUMBER, &rec, true, number_stored,
                        (void *)(uintptr_t)number);
    free(text);
}

/* ---- agents ---- */

struct seed {
    struct od_host *host;
    const struct od_config_agent *agent;
};

static void on_seeded(void *ctx, int err)
{
    struct seed *seed = ctx;
    if (err)
        od_log(OD_CONFIG_LOG_WARN, "config", "agent %s could not be stored: %s", seed->agent->name,
               od_err_text(err));
    else
        od_log(OD_CONFIG_LOG_INFO, "config", "agent %s made", seed->agent->name);
    free(seed);
}

/* Links the agent to the number of the configuration that it calls from, as the API links one. */
static void link_number(const struct od_config *config, yyjson_mut_doc *doc)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    const char *number = yyjson_mut_get_str(yyjson_mut_obj_get(root, "number"));
    char id[OD_UID_TEXT];
    size_t i = 0;
    while (number && i < config->number_count && strcmp(config->numbers[i].number, number) != 0)
        i++;
    if (!number || i == config->number_count || yyjson_mut_obj_get(root, "primary_number_id"))
        return;
    struct od_uid uid = number_id(&config->numbers[i]);
    od_uid_text(&uid, id);
    yyjson_mut_obj_remove_key(root, "number_ids");
    yyjson_mut_val *ids = yyjson_mut_obj_add_arr(doc, root, "number_ids");
    yyjson_mut_arr_add_strcpy(doc, ids, id);
    yyjson_mut_obj_add_strcpy(doc, root, "primary_number_id", id);
}

/* The agent's document as the API would store it: linked, its secrets sealed; to be freed. */
static char *stored_form(struct od_host *host, const char *text, size_t *bytes)
{
    yyjson_doc *doc = yyjson_read(text, strlen(text), YYJSON_READ_NUMBER_AS_RAW);
    yyjson_mut_doc *out = doc ? yyjson_doc_mut_copy(doc, NULL) : NULL;
    char *answer = NULL;
    if (out)
        link_number(host->config, out);
    if (out && !od_secrets_seal(&host->box_port, ORG " agent", out, yyjson_mut_doc_get_root(out)))
        answer = yyjson_mut_write(out, 0, bytes);
    yyjson_mut_doc_free(out);
    yyjson_doc_free(doc);
    return answer;
}

static void on_sought(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct seed *seed = ctx;
    const struct od_repo_port *repo = od_store_repo(seed->host->store);
    struct od_agent_rec rec = {
        .doc = {seed->agent->doc, strlen(seed->agent->doc)},
        .created_ms = od_turn_now().wall_ms,
    };
    (void)recs;
    if ((err && err != OD_ENOENT) || count || seed->host->stage != OD_HOST_SERVING) {
        free(seed); /* there already, and then the API's changes win; or not now */
        return;
    }
    size_t bytes = 0;
    char *text = stored_form(seed->host, seed->agent->doc, &bytes);
    if (!text) {
        on_seeded(seed, OD_ENOMEM);
        return;
    }
    rec.doc = (struct od_text){text, bytes};
    rec.updated_ms = rec.created_ms;
    od_str_copy(rec.name, sizeof rec.name, seed->agent->name, strlen(seed->agent->name));
    repo->agent_put(repo->ctx, ORG, &rec, on_seeded, seed);
    free(text);
}

void od_host_seed(struct od_host *host)
{
    const struct od_repo_port *repo = od_store_repo(host->store);
    for (size_t i = 0; i < host->config->number_count; i++)
        store_number(host, &host->config->numbers[i]);
    for (size_t i = 0; i < host->config->agent_count; i++) {
        struct seed *seed = calloc(1, sizeof *seed);
        if (!seed)
            return;
        *seed = (struct seed){host, &host->config->agents[i]};
        repo->agent_find(repo->ctx, ORG, seed->agent->name, on_sought, seed);
    }
}
