/*
 * script - see script.h. The state is (step, phase); everything moves in advance(), which runs at
 * the beginning of each frame and walks on as long as the present step has nothing left to do.
 */
#include "engine/agent/script.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "engine/agent/template.h"
#include "engine/base/str.h"
#include "engine/media/g711.h"
#include "engine/media/level.h"
#include "engine/media/player.h"
#include "outdial/err.h"

enum phase {
    PHASE_NEW,    /* not started */
    PHASE_AUDIO,  /* the step's audio is waited for or played */
    PHASE_GATHER, /* keys are waited for */
    PHASE_PAUSE,
    PHASE_BEEP,     /* a tone says that recording begins */
    PHASE_RECORD,   /* the callee is recorded */
    PHASE_TRANSFER, /* the other phone is being asked */
    PHASE_TAIL,     /* the last sample is on its way to the callee's ear */
    PHASE_OVER,     /* done or failed was said */
};

enum slot_state { SLOT_FREE, SLOT_ASKED, SLOT_READY, SLOT_FAILED };

/* Audio of a step, asked for before it is needed. */
struct slot {
    uint32_t step;
    uint8_t state;
    const uint8_t *ulaw;
    size_t bytes;
    char why[OD_REASON_MAX];
};

/* What a gather or a recording brought. */
struct answer {
    const struct od_agent_step *step;
    bool set;
    uint8_t part;                         /* RECORD */
    uint32_t frames;                      /* RECORD: how long it is */
    char digits[OD_AGENT_DIGITS_MAX + 1]; /* empty: nothing was pressed */
};

struct od_script {
    const struct od_agent_def *def;
    struct od_script_port port;
    struct od_context *context;
    uint32_t step;
    uint8_t phase;
    bool playing; /* AUDIO: the clip is with the player */
    struct slot slots[OD_SCRIPT_AHEAD];
    struct od_player player;
    uint32_t frames_left;               /* PAUSE and TAIL */
    bool spoke;                         /* something was played */
    uint64_t deadline_ns;               /* GATHER, TRANSFER */
    uint32_t walked;                    /* steps entered */
    uint8_t retries;                    /* of the gather under way */
    uint8_t parts;                      /* recordings begun */
    uint32_t quiet_frames;              /* RECORD: since the callee said something */
    bool record_over;                   /* RECORD: a key, or silence */
    char keys[OD_AGENT_DIGITS_MAX + 1]; /* pressed and not yet taken by a gather */
    uint32_t key_count;
    struct answer *answers; /* one per step that brings one, in order */
    uint32_t answer_count;
};

static bool has_audio(const struct od_agent_step *step)
{
    return step->kind == OD_STEP_SAY || step->kind == OD_STEP_PLAY ||
           (step->kind == OD_STEP_GATHER && step->text);
}

static bool brings(const struct od_agent_step *step)
{
    return step->kind == OD_STEP_GATHER || step->kind == OD_STEP_RECORD;
}

int od_script_create(struct od_script **out, const struct od_agent_def *def, const char *context,
                     size_t bytes, const struct od_script_port *port)
{
    uint32_t gathers = 0;
    for (uint32_t i = 0; i < def->step_count; i++)
        gathers += brings(&def->steps[i]);
    struct od_script *script = calloc(1, sizeof *script);
    *out = NULL;
    if (!script)
        return OD_ENOMEM;
    script->def = def;
    script->port = *port;
    od_player_init(&script->player);
    int err = od_context_create(&script->context, context, bytes);
    if (!err && gathers) {
        script->answers = calloc(gathers, sizeof *script->answers);
        err = script->answers ? 0 : OD_ENOMEM;
    }
    if (err) {
        od_script_destroy(script);
        return err;
    }
    for (uint32_t i = 0; i < def->step_count; i++) {
        if (brings(&def->steps[i]))
            script->answers[script->answer_count++].step = &def->steps[i];
    }
    *out = script;
    return 0;
}

static void free_slot(struct od_script *script, struct slot *slot)
{
    if (slot->state == SLOT_FREE)
        return;
    slot->state = SLOT_FREE;
    script->port.forget(script->port.ctx, slot->step);
}

void od_script_destroy(struct od_script *script)
{
    if (!script)
        return;
    for (unsigned i = 0; i < OD_SCRIPT_AHEAD; i++)
        free_slot(script, &script->slots[i]);
    od_context_destroy(script->context);
    free(script->answers);
    free(script);
}

static struct slot *find_slot(struct od_script *script, uint32_t step)
{
    for (unsigned i = 0; i < OD_SCRIPT_AHEAD; i++) {
        if (script->slots[i].state != SLOT_FREE && script->slots[i].step == step)
            return &script->slots[i];
    }
    return NULL;
}

/* Asks for a step's audio. A text that fills to nothing is a clip of no bytes. */
static void ask(struct od_script *script, struct slot *slot, uint32_t index)
{
    const struct od_agent_step *step = &script->def->steps[index];
    char text[OD_TEMPLATE_BYTES_MAX + 1];
    slot->step = index;
    slot->state = SLOT_ASKED;
    slot->ulaw = NULL;
    slot->bytes = 0;
    if (step->kind == OD_STEP_PLAY) {
        script->port.play(script->port.ctx, index, step->text);
        return;
    }
    int bytes = od_template_fill(script->context, step->text, text, sizeof text);
    size_t blank = bytes > 0 ? strspn(text, " \t\r\n") : 0;
    if (bytes < 0) {
        static const char why[] = "script: a text is longer than 8000 bytes when filled in";
        slot->state = SLOT_FAILED;
        od_str_copy(slot->why, sizeof slot->why, why, strlen(why));
    } else if (blank == (size_t)bytes) {
        slot->state = SLOT_READY;
    } else {
        script->port.speak(script->port.ctx, index, text, (size_t)bytes);
    }
}

/* Has the audio of the next `ahead` steps that speak, from the present one on, asked for. */
static void ask_ahead(struct od_script *script, unsigned ahead)
{
    for (uint32_t i = script->step; ahead && i < script->def->step_count; i++) {
        uint8_t kind = script->def->steps[i].kind;
        if (kind == OD_STEP_HANGUP || kind == OD_STEP_GOTO || kind == OD_STEP_BRANCH)
            break; /* what comes then is not known, or known to be nothing */
        if (!has_audio(&script->def->steps[i]))
            continue;
        ahead--;
        if (find_slot(script, i))
            continue;
        for (unsigned s = 0; s < OD_SCRIPT_AHEAD; s++) {
            if (script->slots[s].state == SLOT_FREE) {
                ask(script, &script->slots[s], i);
                break;
            }
        }
    }
}

void od_script_prepare(struct od_script *script)
{
    if (script->phase == PHASE_NEW)
        ask_ahead(script, 1);
}

static void fail(struct od_script *script, const char *why)
{
    script->phase = PHASE_OVER;
    script->port.failed(script->port.ctx, why);
}

static void begin_gather(struct od_script *script, uint64_t now_ns)
{
    script->phase = PHASE_GATHER;
    script->deadline_ns = now_ns + script->def->steps[script->step].ms * OD_NS_PER_MS;
}

/* A call on which nothing was played has no last word to wait for. */
static void begin_tail(struct od_script *script)
{
    script->phase = PHASE_TAIL;
    script->frames_left = script->spoke ? OD_SCRIPT_TAIL_FRAMES : 0;
}

static struct answer *answer_of(struct od_script *script)
{
    const struct od_agent_step *step = &script->def->steps[script->step];
    struct answer *answer = script->answers;
    while (answer->step != step)
        answer++;
    return answer;
}

/* What a gathered value is called in a branch: its text, or its JSON. */
static const char *value_of(const struct answer *answer)
{
    if (!answer->set || !answer->digits[0])
        return "null";
    for (uint32_t i = 0; i < answer->step->choice_count; i++) {
        if (!strcmp(answer->step->choices[i].digits, answer->digits))
            return answer->step->choices[i].json;
    }
    return answer->digits;
}

/* "text" is text too when the map wrote it as JSON. */
static bool is_value(const char *value, const char *name)
{
    size_t bytes = strlen(name);
    return !strcmp(value, name) || (value[0] == '"' && !strncmp(value + 1, name, bytes) &&
                                    !strcmp(value + 1 + bytes, "\""));
}

static uint32_t branch_to(const struct od_script *script, const struct od_agent_step *step)
{
    const char *value = "null";
    for (uint32_t i = 0; i < script->answer_count; i++) {
        const struct answer *answer = &script->answers[i];
        if (answer->set && !strcmp(answer->step->into, step->into))
            value = value_of(answer);
    }
    for (uint32_t i = 0; i < step->case_count; i++) {
        if (is_value(value, step->cases[i].value))
            return step->cases[i].to;
    }
    return step->to;
}

/* To another place: what was asked for ahead may never be needed. */
static void jump(struct od_script *script, uint32_t to)
{
    if (to == OD_STEP_NEXT) {
        script->step++;
        return;
    }
    for (unsigned i = 0; i < OD_SCRIPT_AHEAD; i++)
        free_slot(script, &script->slots[i]);
    script->step = to;
}

/* Walks over what takes no time. False: there is no step left, or the walk was too long. */
static bool walk(struct od_script *script)
{
    while (script->step < script->def->step_count) {
        const struct od_agent_step *step = &script->def->steps[script->step];
        if (++script->walked > OD_SCRIPT_WALK_MAX) {
            fail(script, "script: more than 1000 steps on one call");
            return false;
        }
        if (step->kind == OD_STEP_LABEL)
            script->step++;
        else if (step->kind == OD_STEP_GOTO)
            jump(script, step->to);
        else if (step->kind == OD_STEP_BRANCH)
            jump(script, branch_to(script, step));
        else
            return true;
    }
    begin_tail(script);
    return false;
}

enum { BEEP_FRAMES = 15, VOICE_DBOV = 45 }; /* 300 ms; what is louder is somebody */

static void begin_recording(struct od_script *script)
{
    const struct od_agent_step *step = &script->def->steps[script->step];
    struct answer *answer = answer_of(script);
    if (script->parts == UINT8_MAX) {
        fail(script, "script: more than 255 recordings on one call");
        return;
    }
    script->phase = PHASE_RECORD;
    script->frames_left = step->ms / OD_FRAME_MS;
    script->quiet_frames = 0;
    script->record_over = false;
    answer->set = true;
    answer->part = ++script->parts;
    answer->frames = 0;
    script->port.record(script->port.ctx, answer->part);
}

/* 1,000 Hz: a period is eight samples. */
static void beep(uint8_t out[OD_FRAME_BYTES])
{
    static const int16_t period[8] = {0, 5657, 8000, 5657, 0, -5657, -8000, -5657};
    for (unsigned i = 0; i < OD_FRAME_BYTES; i++)
        out[i] = od_ulaw_encode(period[i % 8]);
}

static void begin_transfer(struct od_script *script, const struct od_agent_step *step,
                           uint64_t now_ns)
{
    char target[OD_TEMPLATE_BYTES_MAX + 1];
    script->phase = PHASE_TRANSFER;
    script->deadline_ns = step->transfer.bridge /* its own end is certain, and told */
                              ? OD_NEVER
                              : now_ns + OD_SCRIPT_TRANSFER_MS * OD_NS_PER_MS;
    if (od_template_fill(script->context, step->text, target, sizeof target) < 0)
        target[0] = 0;
    script->port.transfer(script->port.ctx, target, &step->transfer);
}

static void enter(struct od_script *script, uint64_t now_ns)
{
    if (!walk(script))
        return;
    const struct od_agent_step *step = &script->def->steps[script->step];
    ask_ahead(script, OD_SCRIPT_AHEAD);
    if (step->kind == OD_STEP_GATHER) {
        struct answer *answer = answer_of(script);
        answer->set = false;
        answer->digits[0] = 0;
    }
    if (has_audio(step)) {
        script->phase = PHASE_AUDIO;
        script->playing = false;
    } else if (step->kind == OD_STEP_GATHER) {
        begin_gather(script, now_ns);
    } else if (step->kind == OD_STEP_PAUSE) {
        script->phase = PHASE_PAUSE;
        script->frames_left = (step->ms + OD_FRAME_MS - 1) / OD_FRAME_MS;
    } else if (step->kind == OD_STEP_RECORD && step->beep) {
        script->phase = PHASE_BEEP;
        script->frames_left = BEEP_FRAMES;
        script->spoke = true;
    } else if (step->kind == OD_STEP_RECORD) {
        begin_recording(script);
    } else if (step->kind == OD_STEP_TRANSFER) {
        begin_transfer(script, step, now_ns);
    } else {
        begin_tail(script);
    }
}

static void go(struct od_script *script, uint32_t to, uint64_t now_ns)
{
    script->retries = 0;
    jump(script, to);
    enter(script, now_ns);
}

static void next_step(struct od_script *script, uint64_t now_ns)
{
    go(script, OD_STEP_NEXT, now_ns);
}

/* The gather is over: on, or once more, or elsewhere. */
static void end_gather(struct od_script *script, uint64_t now_ns)
{
    const struct od_agent_step *step = &script->def->steps[script->step];
    struct answer *answer = answer_of(script);
    bool fits = answer->digits[0] && !step->choice_count;
    answer->set = true; /* what there is when the time is up counts */
    for (uint32_t i = 0; i < step->choice_count && !fits; i++)
        fits = !strcmp(step->choices[i].digits, answer->digits);
    if (fits || (!step->retry && step->to == OD_STEP_NEXT)) {
        next_step(script, now_ns);
    } else if (script->retries < step->retry) {
        script->retries++;
        enter(script, now_ns);
    } else {
        go(script, step->to, now_ns);
    }
}

void od_script_transfer_lasts(struct od_script *script, uint64_t now_ns)
{
    if (script->phase == PHASE_TRANSFER)
        script->deadline_ns = now_ns + OD_SCRIPT_TRANSFER_MS * OD_NS_PER_MS;
}

void od_script_transferred(struct od_script *script, uint64_t now_ns, bool talked)
{
    const struct od_agent_step *step = &script->def->steps[script->step];
    if (script->phase != PHASE_TRANSFER)
        return;
    script->key_count = 0; /* what was pressed meanwhile was for somebody else */
    if (talked && !step->after)
        begin_tail(script);
    else
        go(script, talked ? step->after_to : step->to, now_ns);
}

void od_script_start(struct od_script *script, uint64_t now_ns)
{
    if (script->phase == PHASE_NEW)
        enter(script, now_ns);
}

void od_script_clip(struct od_script *script, uint32_t step, const uint8_t *ulaw, size_t bytes)
{
    struct slot *slot = find_slot(script, step);
    if (!slot || slot->state != SLOT_ASKED)
        return;
    slot->state = SLOT_READY;
    slot->ulaw = ulaw;
    slot->bytes = bytes;
}

void od_script_no_clip(struct od_script *script, uint32_t step, const char *why)
{
    struct slot *slot = find_slot(script, step);
    if (!slot || slot->state != SLOT_ASKED)
        return;
    slot->state = SLOT_FAILED;
    od_str_copy(slot->why, sizeof slot->why, why, strlen(why));
}

/* The audio of the step is over: played, cut short, or there was none. */
static void end_audio(struct od_script *script, uint64_t now_ns)
{
    struct slot *slot = find_slot(script, script->step);
    od_player_clear(&script->player);
    if (slot)
        free_slot(script, slot);
    if (script->def->steps[script->step].kind == OD_STEP_GATHER)
        begin_gather(script, now_ns);
    else
        next_step(script, now_ns);
}

void od_script_digit(struct od_script *script, uint64_t now_ns, char digit)
{
    if (script->phase == PHASE_NEW || script->phase >= PHASE_TAIL)
        return;
    if (script->phase == PHASE_RECORD) { /* keys are part of what is said, but for the one */
        script->record_over =
            script->record_over || digit == script->def->steps[script->step].finish_key;
        return;
    }
    if (script->key_count == OD_AGENT_DIGITS_MAX)
        return; /* more than any gather can take */
    script->keys[script->key_count++] = digit;
    if (script->phase == PHASE_GATHER) {
        script->deadline_ns = now_ns + script->def->steps[script->step].ms * OD_NS_PER_MS;
        return;
    }
    uint32_t next = script->step + 1;
    bool before_gather =
        script->def->steps[script->step].kind == OD_STEP_GATHER ||
        (next < script->def->step_count && script->def->steps[next].kind == OD_STEP_GATHER);
    if (script->phase == PHASE_AUDIO && before_gather)
        end_audio(script, now_ns);
}

void od_script_heard(struct od_script *script, const uint8_t ulaw[160])
{
    if (script->phase != PHASE_RECORD)
        return;
    uint32_t quiet_ms = script->def->steps[script->step].quiet_ms;
    answer_of(script)->frames++;
    script->quiet_frames =
        od_level_dbov(ulaw, OD_FRAME_BYTES) <= VOICE_DBOV ? 0 : script->quiet_frames + 1;
    if (quiet_ms && script->quiet_frames * OD_FRAME_MS >= quiet_ms)
        script->record_over = true;
}

bool od_script_waits(const struct od_script *script)
{
    return script->phase == PHASE_GATHER;
}

void od_script_remind(struct od_script *script)
{
    const struct od_agent_step *step = &script->def->steps[script->step];
    if (script->phase != PHASE_GATHER || !step->text || script->key_count)
        return;
    script->phase = PHASE_AUDIO;
    script->playing = false;
    ask_ahead(script, 1);
}

/* Moves waiting keys into the gather's answer. True when it is complete. */
static bool take_keys(struct od_script *script)
{
    struct answer *answer = answer_of(script);
    const struct od_agent_step *step = answer->step;
    size_t have = strlen(answer->digits);
    uint32_t used = 0;
    bool complete = false;
    while (!complete && used < script->key_count) {
        char key = script->keys[used++];
        if (step->finish_key && key == step->finish_key) {
            complete = true;
        } else {
            answer->digits[have++] = key;
            answer->digits[have] = '\0';
            complete = have == step->digits;
        }
    }
    script->key_count -= used;
    memmove(script->keys, script->keys + used, script->key_count);
    answer->set = answer->set || complete;
    return complete;
}

/* Walks on while the present step has nothing left to do; each turn either leaves a step or ends.
 */
static void advance(struct od_script *script, uint64_t now_ns)
{
    for (;;) {
        struct slot *slot;
        switch ((enum phase)script->phase) {
        case PHASE_AUDIO:
            slot = find_slot(script, script->step);
            /* A key is waiting already: who knows what to press needs no prompt. */
            if ((script->playing && od_player_idle(&script->player)) ||
                (script->key_count && script->def->steps[script->step].kind == OD_STEP_GATHER)) {
                script->playing = false;
                end_audio(script, now_ns);
                continue;
            }
            if (!script->playing && slot->state == SLOT_FAILED) {
                fail(script, slot->why);
            } else if (!script->playing && slot->state == SLOT_READY) {
                od_player_clear(&script->player);
                script->spoke = script->spoke || slot->bytes;
                if (slot->bytes)
                    od_player_push(&script->player, slot->ulaw, slot->bytes, script->step);
                script->playing = true;
                continue;
            }
            return;
        case PHASE_GATHER:
            if (!take_keys(script) && now_ns < script->deadline_ns)
                return;
            end_gather(script, now_ns);
            continue;
        case PHASE_PAUSE:
            if (script->frames_left) {
                script->frames_left--;
                return;
            }
            next_step(script, now_ns);
            continue;
        case PHASE_BEEP:
            if (script->frames_left) {
                script->frames_left--;
                return;
            }
            begin_recording(script);
            continue;
        case PHASE_RECORD:
            if (script->frames_left && !script->record_over) {
                script->frames_left--;
                return;
            }
            script->port.record_end(script->port.ctx);
            next_step(script, now_ns);
            continue;
        case PHASE_TRANSFER:
            if (now_ns < script->deadline_ns)
                return;
            od_script_transferred(script, now_ns, false);
            continue;
        case PHASE_TAIL:
            if (script->frames_left) {
                script->frames_left--;
                return;
            }
            script->phase = PHASE_OVER;
            script->port.done(script->port.ctx);
            return;
        case PHASE_NEW:
        case PHASE_OVER:
            return;
        }
    }
}

void od_script_frame(struct od_script *script, uint64_t now_ns, uint8_t out[160])
{
    advance(script, now_ns);
    if (script->phase == PHASE_AUDIO && script->playing)
        od_player_frame(&script->player, out);
    else if (script->phase == PHASE_BEEP)
        beep(out);
    else
        memset(out, OD_ULAW_SILENCE, OD_FRAME_BYTES);
}

static yyjson_mut_val *answer_value(yyjson_mut_doc *doc, const struct answer *answer)
{
    if (answer->step->kind == OD_STEP_RECORD) {
        yyjson_mut_val *value = yyjson_mut_obj(doc);
        yyjson_mut_obj_add_uint(doc, value, "part", answer->part);
        yyjson_mut_obj_add_uint(doc, value, "duration_ms", (uint64_t)answer->frames * OD_FRAME_MS);
        return value;
    }
    if (!answer->digits[0])
        return yyjson_mut_null(doc);
    for (uint32_t i = 0; i < answer->step->choice_count; i++) {
        const struct od_step_choice *choice = &answer->step->choices[i];
        if (!strcmp(choice->digits, answer->digits))
            return yyjson_mut_raw(doc, choice->json);
    }
    return yyjson_mut_str(doc, answer->digits);
}

char *od_script_result(const struct od_script *script, size_t *bytes)
{
    *bytes = 0;
    if (!script->answer_count)
        return NULL;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    for (uint32_t i = 0; i < script->answer_count; i++) {
        const struct answer *answer = &script->answers[i];
        if (answer->set) /* a later gather into the same key replaces an earlier one's value */
            yyjson_mut_obj_put(root, yyjson_mut_str(doc, answer->step->into),
                               answer_value(doc, answer));
    }
    char *json = yyjson_mut_write(doc, 0, bytes);
    yyjson_mut_doc_free(doc);
    return json;
}
