/*
 * agent_features_read - see the header.
 */
#include "engine/agent/agent_features_read.h"

#include <stdio.h>

#include "outdial/err.h"

static int read_number(struct od_agent_reader *r, yyjson_val *object, const char *key, double min,
                       double max, double *out)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!value || yyjson_is_null(value))
        return 0;
    if (yyjson_is_num(value) && yyjson_get_num(value) >= min && yyjson_get_num(value) <= max) {
        *out = yyjson_get_num(value);
        return 0;
    }
    char expected[64];
    snprintf(expected, sizeof expected, "a number, %g to %g", min, max);
    size_t mark = od_agent_enter(r, key);
    int err = od_agent_refuse(r, expected, value);
    od_agent_leave(r, mark);
    return err;
}

static int read_talk_first(struct od_agent_reader *r, yyjson_val *object,
                           struct od_agent_features *out)
{
    double delay_s = 1;
    out->talk_first_interruptible = true;
    int err = od_agent_bool(r, object, "isEnabled", &out->talk_first);
    if (!err)
        err = od_agent_bool(r, object, "interruptible", &out->talk_first_interruptible);
    if (!err)
        err = read_number(r, object, "delay", 0, 60, &delay_s);
    out->talk_first_delay_ms = (uint32_t)(delay_s * 1000);
    return err;
}

static int read_silence(struct od_agent_reader *r, yyjson_val *object,
                        struct od_agent_features *out)
{
    double threshold_s = 5;
    out->silence = out->silence_ends = true;
    out->silence_reminders = 2;
    int err = od_agent_bool(r, object, "isEnabled", &out->silence);
    if (!err)
        err = od_agent_uint(r, object, "maxReminderAttempts", 0, 10, &out->silence_reminders);
    if (!err)
        err = read_number(r, object, "reminderSilenceThresholdSeconds", 1, 30, &threshold_s);
    if (!err)
        err = od_agent_bool(r, object, "endWhenReminderLimitExceeded", &out->silence_ends);
    out->silence_ms = (uint32_t)(threshold_s * 1000);
    return err;
}

static int read_noise(struct od_agent_reader *r, yyjson_val *object, struct od_agent_features *out)
{
    double level = 0.1;
    int err = od_agent_bool(r, object, "isEnabled", &out->noise);
    if (!err)
        err = read_number(r, object, "ambientNoiseLevel", 0, 1, &level);
    out->noise_level = (float)level;
    return err;
}

static const struct {
    const char *name;
    int (*read)(struct od_agent_reader *r, yyjson_val *object, struct od_agent_features *out);
} features[] = {
    {"talkFirst", read_talk_first},
    {"silenceManagement", read_silence},
    {"ambientNoise", read_noise},
};

enum { FEATURES = sizeof features / sizeof *features };

int od_agent_features_read(struct od_agent_reader *r, yyjson_val *root,
                           struct od_agent_features *out)
{
    yyjson_val *config = yyjson_obj_get(root, "config");
    const struct {
        yyjson_val *at;
        const char *path[2];
    } places[] = {{root, {0}},
                  {yyjson_obj_get(root, "features"), {"features"}},
                  {yyjson_obj_get(config, "features"), {"config", "features"}}};
    for (unsigned p = 0; p < 3; p++) {
        size_t outer = r->depth;
        for (unsigned i = 0; i < 2 && places[p].path[i]; i++)
            od_agent_enter(r, places[p].path[i]);
        for (unsigned f = 0; f < FEATURES; f++) {
            yyjson_val *object = yyjson_obj_get(places[p].at, features[f].name);
            if (!yyjson_is_obj(object))
                continue;
            size_t mark = od_agent_enter(r, features[f].name);
            int err = features[f].read(r, object, out);
            od_agent_leave(r, mark);
            if (err)
                return err;
        }
        od_agent_leave(r, outer);
    }
    return 0;
}
