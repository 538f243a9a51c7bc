/*
 * agent_media - see agent_media.h.
 */
#include "engine/agent/agent_media.h"

static int read_word(struct od_agent_reader *r, yyjson_val *object, const char *key,
                     const char *const *words, const char *expected, uint8_t *out)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!value || yyjson_is_null(value))
        return 0;
    for (uint8_t i = 0; words[i]; i++) {
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

static const char *const voicemail_words[] = {"hangup", "leave_message", NULL};
static const char voicemail_expected[] = "\"hangup\" or \"leave_message\"";

int od_agent_media_read_vendors(struct od_agent_reader *r, yyjson_val *root,
                                struct od_agent_def *def)
{
    static const struct od_amd_config defaults = OD_AMD_CONFIG_DEFAULT;
    def->amd = defaults;
    uint8_t action = UINT8_MAX;
    int err = read_word(r, root, "voicemail_action", voicemail_words, voicemail_expected, &action);
    if (action != UINT8_MAX) {
        def->amd_mode = OD_AMD_ASYNC;
        def->leave_message = action == 1;
    }
    yyjson_val *features = yyjson_obj_get(yyjson_obj_get(root, "config"), "features");
    yyjson_val *holders[] = {root, features};
    for (unsigned i = 0; !err && i < 2; i++) {
        yyjson_val *ivr = yyjson_obj_get(holders[i], "ivrDetection");
        yyjson_val *outbound = yyjson_obj_get(ivr, "forOutbound");
        if (yyjson_is_true(yyjson_obj_get(ivr, "isEnabled")) && !yyjson_is_false(outbound))
            def->amd_mode = OD_AMD_ASYNC;
    }
    return err;
}

/* { "format": "opus" }: calls are recorded, in that format. */
static int read_recording(struct od_agent_reader *r, yyjson_val *recording,
                          struct od_agent_def *def)
{
    static const char *const known[] = {"format", NULL};
    static const char *const formats[] = {"wav", "opus", NULL};
    uint8_t format = 0;
    if (!recording || yyjson_is_null(recording))
        return 0;
    size_t mark = od_agent_enter(r, "recording");
    int err = yyjson_is_obj(recording)
                  ? od_agent_keys(r, recording, known)
                  : od_agent_refuse(r, "an object like { \"format\": \"opus\" }", recording);
    if (!err)
        err = read_word(r, recording, "format", formats, "\"wav\" or \"opus\"", &format);
    od_agent_leave(r, mark);
    def->record = !err;
    def->record_opus = format == 1;
    return err;
}

int od_agent_media_read(struct od_agent_reader *r, yyjson_val *outdial, struct od_agent_def *def)
{
    static const char *const known[] = {
        "mode",        "voicemail", "timeout_ms", "human_as_machine", "machine_as_human",
        "provisional", NULL};
    static const char *const modes[] = {"off", "async", "sync", NULL};
    yyjson_val *amd = yyjson_obj_get(outdial, "amd");
    uint8_t action = def->leave_message;
    uint32_t timeout_ms = def->amd.timeout_ms, human = def->amd.human_as_machine;
    uint32_t machine = def->amd.machine_as_human, provisional = def->amd.provisional;
    int err = od_agent_bool(r, outdial, "record", &def->record);
    if (!err)
        err = read_recording(r, yyjson_obj_get(outdial, "recording"), def);
    if (!err)
        err = od_agent_uint(r, outdial, "max_calls", 0, 1000000, &def->max_calls);
    if (!err)
        err = od_agent_rate(r, outdial, "cps", &def->cps_milli);
    if (err || !amd || yyjson_is_null(amd))
        return err;
    size_t mark = od_agent_enter(r, "amd");
    err = yyjson_is_obj(amd) ? od_agent_keys(r, amd, known)
                             : od_agent_refuse(r, "an object like { \"mode\": \"async\" }", amd);
    if (!err && !yyjson_obj_get(amd, "mode"))
        def->amd_mode = OD_AMD_ASYNC;
    if (!err)
        err = read_word(r, amd, "mode", modes, "\"async\", \"sync\" or \"off\"", &def->amd_mode);
    if (!err)
        err = read_word(r, amd, "voicemail", voicemail_words, voicemail_expected, &action);
    if (!err)
        err = od_agent_uint(r, amd, "timeout_ms", 1000, 10000, &timeout_ms);
    if (!err)
        err = od_agent_uint(r, amd, "human_as_machine", 1, 65535, &human);
    if (!err)
        err = od_agent_uint(r, amd, "machine_as_human", 1, 65535, &machine);
    if (!err)
        err = od_agent_uint(r, amd, "provisional", 50, 100, &provisional);
    od_agent_leave(r, mark);
    def->leave_message = action == 1;
    def->amd.timeout_ms = (uint16_t)timeout_ms;
    def->amd.human_as_machine = (uint16_t)human;
    def->amd.machine_as_human = (uint16_t)machine;
    def->amd.provisional = (uint8_t)provisional;
    return err;
}
