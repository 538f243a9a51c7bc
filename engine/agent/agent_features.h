/*
 * agent_features - what of an agent's "features" the engine itself does on the call: when it speaks
 * first, what silence means, the noise of a room under it. Read from the document's top level,
 * `features` or `config.features`; what isn't there is off.
 *
 *   talkFirst          { isEnabled (false), delay seconds (1), interruptible (true) }
 *   silenceManagement  { isEnabled (true), maxReminderAttempts 0..10 (2),
 *                        reminderSilenceThresholdSeconds 1..30 (5),
 *                        endWhenReminderLimitExceeded (true) }
 *   ambientNoise       { isEnabled (false), ambientNoiseLevel 0..1 (0.1) }
 */
#ifndef ENGINE_AGENT_AGENT_FEATURES_H
#define ENGINE_AGENT_AGENT_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

struct od_agent_features {
    bool talk_first, talk_first_interruptible;
    uint32_t talk_first_delay_ms;
    bool silence; /* someone must speak now and then */
    uint32_t silence_reminders, silence_ms;
    bool silence_ends; /* the call ends when the reminders have brought nothing */
    bool noise;
    float noise_level;
};

#endif
