/*
 * options_agents - see the header.
 */
#include "engine/host/options_agents.h"

#include <string.h>

#include "engine/api/agent_check.h"
#include "engine/api/found.h"
#include "engine/api/json_read.h"
#include "engine/base/str.h"
#include "outdial/err.h"

enum { AGENTS_MAX = 1000 };

/* An agent's fields are the API's: kept as JSON, read by whoever reads the API's. */
void od_options_take_agents(struct od_reader *r, void *base, const struct od_source *source)
{
    struct od_config *config = base;
    char found[96];
    if (source->node->kind != OD_YAML_LIST || source->node->count > AGENTS_MAX) {
        od_reader_problem(r, source, "expected a list of at most %d agents, found %s", AGENTS_MAX,
                          od_yaml_describe(source->node, found, sizeof found));
        return;
    }
    struct od_config_agent *agents = od_reader_memory(r, source->node->count * sizeof *agents);
    if (!agents)
        return;
    size_t i = 0;
    for (const struct od_yaml_node *n = source->node->child; n; n = n->next, i++) {
        char key[32];
        snprintf(key, sizeof key, "agents[%zu]", i);
        struct od_source at = {.node = n, .key = key};
        const struct od_yaml_node *name = od_yaml_get(n, "name");
        if (!name || name->kind != OD_YAML_SCALAR || !name->bytes || name->bytes > 100) {
            od_reader_problem(r, &at, "expected a mapping with a name of 1 to 100 bytes, found %s",
                              od_yaml_describe(name ? name : n, found, sizeof found));
            return;
        }
        size_t bytes = od_yaml_json(n, NULL, 0) + 1;
        char *doc = od_reader_memory(r, bytes);
        if (!doc)
            return;
        od_yaml_json(n, doc, bytes);
        agents[i] = (struct od_config_agent){.name = od_reader_text(r, name->text), .doc = doc};
    }
    config->agents = agents;
    config->agent_count = i;
}

/* ---- where in the file a fault is ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The next name of a JSON pointer that is a URI's fragment (RFC 6901 section 6); *pointer is behind
 * it then. */
static void take_name(const char **pointer, char *out, size_t size)
{
    const char *c = *pointer;
    size_t used = 0;
    for (; *c && *c != '/' && used + 1 < size; c++) {
        char byte = *c;
        if (*c == '%' && hex(c[1]) >= 0 && hex(c[2]) >= 0) {
            byte = (char)(hex(c[1]) << 4 | hex(c[2]));
            c += 2;
        } else if (*c == '~' && (c[1] == '0' || c[1] == '1')) {
            byte = *++c == '0' ? '~' : '/';
        }
        out[used++] = byte;
    }
    out[used] = 0;
    *pointer = c;
}

/* The entry of that name or number, NULL when there is none; the path grows by it. */
static const struct od_yaml_node *step(const struct od_yaml_node *node, const char *name,
                                       struct od_buf *path)
{
    uint64_t index;
    if (!node || node->kind != OD_YAML_LIST ||
        !od_str_u64(name, strlen(name), node->count, &index)) {
        od_buf_char(path, '.');
        od_buf_str(path, name);
        return od_yaml_get(node, name);
    }
    od_buf_char(path, '[');
    od_buf_u64(path, index);
    od_buf_char(path, ']');
    const struct od_yaml_node *entry = node->child;
    while (entry && index--)
        entry = entry->next;
    return entry;
}

/* What is not there is told at what it would stand in. */
static const struct od_yaml_node *find(const struct od_yaml_node *agent, const char *pointer,
                                       struct od_buf *path)
{
    const struct od_yaml_node *at = agent, *last = agent;
    for (pointer = strchr(pointer, '/'); pointer && *pointer == '/';) {
        char name[128];
        pointer++;
        take_name(&pointer, name, sizeof name);
        at = step(at, name, path);
        last = at ? at : last;
    }
    return last;
}

/* ---- what is wrong ---- */

static bool is_replaced(const struct od_yaml_node *node)
{
    bool replaced = node->replaced;
    for (const struct od_yaml_node *n = node->child; n && !replaced; n = n->next)
        replaced = is_replaced(n);
    return replaced;
}

static void tell(struct od_reader *r, const struct od_yaml_node *agent, size_t index,
                 struct od_fault *fault)
{
    static const char found[] = ", found ";
    char key[192];
    struct od_buf path;
    od_buf_init(&path, key, sizeof key);
    od_buf_str(&path, "agents[");
    od_buf_u64(&path, index);
    od_buf_char(&path, ']');
    const struct od_yaml_node *node = find(agent, fault->pointer, &path);
    char *shown = strstr(fault->detail, found);
    bool secret = od_pointer_secret(fault->pointer);
    if (shown && (secret || is_replaced(node))) {
        size_t kept = (size_t)(shown - fault->detail) + strlen(found);
        snprintf(fault->detail + kept, sizeof fault->detail - kept, "%s",
                 secret ? "something else (not shown)" : "what a ${...} stands for");
    }
    od_reader_problem(r, &(struct od_source){.node = node, .key = key}, "%s", fault->detail);
}

static int judge(const char *text, const struct od_agent_world *world, struct od_faults *faults)
{
    struct od_agent_def *def = NULL;
    yyjson_doc *doc;
    int err = od_json_parse(text, strlen(text), &doc, faults);
    if (!err)
        err = od_agent_judge((struct od_text){text, strlen(text)}, NULL, world, &def, faults);
    od_faults_found(faults, doc, NULL);
    od_agent_def_destroy(def);
    yyjson_doc_free(doc);
    return err;
}

void od_options_check_agents(struct od_reader *r, const struct od_config *config,
                             const struct od_yaml_node *root)
{
    const struct od_agent_world world = {config->streams.unix_dir, r->input->zones};
    const struct od_yaml_node *agents = od_yaml_get(root, "agents");
    const struct od_yaml_node *agent = agents ? agents->child : NULL;
    for (size_t i = 0; i < config->agent_count; i++, agent = agent->next) {
        struct od_faults faults = {0};
        int err = judge(config->agents[i].doc, &world, &faults);
        r->no_memory |= err == OD_ENOMEM;
        for (size_t k = 0; k < faults.count && k < OD_FAULTS_MAX; k++)
            tell(r, agent, i, &faults.at[k]);
    }
}
