/*
 * transfer_read - see the header.
 */
#include "engine/agent/transfer_read.h"

#include <stdio.h>

#include "engine/agent/agent_def.h"
#include "outdial/err.h"

void od_transfer_init(struct od_transfer *out)
{
    *out = (struct od_transfer){.ring_ms = OD_TRANSFER_RING_MS,
                                .talk_ms_max = OD_TRANSFER_TALK_MS,
                                .brief_ms_max = OD_TRANSFER_BRIEF_MS};
}

/* One of two words; nothing said leaves *out as it is. */
static int read_word(struct od_agent_reader *r, yyjson_val *object, const char *key,
                     const char *const words[2], const char *expected, bool *out)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!value || yyjson_is_null(value))
        return 0;
    for (unsigned i = 0; i < 2; i++) {
        if (yyjson_equals_str(value, words[i])) {
            *out = i;
            return 0;
        }
    }
    size_t mark = od_agent_enter(r, key);
    int err = od_agent_refuse(r, expected, value);
    od_agent_leave(r, mark);
    return err;
}

int od_transfer_read(struct od_agent_reader *r, yyjson_val *object, struct od_transfer *out)
{
    static const char *const modes[] = {"refer", "bridge"};
    uint32_t ring_s = 0, talk_s = 0;
    yyjson_val *mode = yyjson_obj_get(object, "mode");
    int err = read_word(r, object, "mode", modes, "\"refer\" or \"bridge\"", &out->bridge);
    out->mode_said |= mode && !yyjson_is_null(mode);
    if (!err)
        err = od_agent_uint(r, object, "ring_timeout_s", 1, OD_TRANSFER_RING_S_MAX, &ring_s);
    if (!err)
        err = od_agent_uint(r, object, "max_duration_s", 1, OD_TRANSFER_TALK_S_MAX, &talk_s);
    if (ring_s)
        out->ring_ms = ring_s * 1000;
    if (talk_s)
        out->talk_ms_max = talk_s * 1000;
    return err;
}

int od_transfer_read_all(struct od_agent_reader *r, yyjson_val *object, struct od_transfer *out)
{
    static const char *const on_fail[] = {"agent", "hangup"}, *const on_end[] = {"hangup", "agent"};
    yyjson_val *brief = yyjson_obj_get(object, "brief");
    int err = od_transfer_read(r, object, out);
    if (!err)
        err = od_agent_bool(r, object, "brief", &out->brief);
    uint32_t brief_s = 0;
    if (!err)
        err = od_agent_uint(r, object, "brief_max_s", 1, OD_TRANSFER_BRIEF_S_MAX, &brief_s);
    if (brief_s)
        out->brief_ms_max = brief_s * 1000;
    out->brief_said |= brief && !yyjson_is_null(brief);
    if (!err)
        err =
            read_word(r, object, "on_fail", on_fail, "\"agent\" or \"hangup\"", &out->fail_hangup);
    if (!err)
        err = read_word(r, object, "on_end", on_end, "\"hangup\" or \"agent\"", &out->end_agent);
    return err;
}

int od_transfer_parse(const char *json, size_t bytes, struct od_transfer *out, char *why,
                      size_t why_bytes)
{
    struct od_agent_problem problem = {0};
    struct od_agent_reader reader;
    if (!bytes)
        return 0;
    yyjson_doc *doc = yyjson_read(json, bytes, 0);
    od_agent_reader_init(&reader, &problem);
    int err = yyjson_is_obj(yyjson_doc_get_root(doc))
                  ? od_transfer_read_all(&reader, yyjson_doc_get_root(doc), out)
                  : od_agent_refuse_text(&reader, "an object", "something else");
    yyjson_doc_free(doc);
    if (err)
        snprintf(why, why_bytes, "transfer%s: expected %s", problem.pointer, problem.expected);
    return err;
}
