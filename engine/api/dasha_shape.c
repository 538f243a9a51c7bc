/*
 * dasha_shape - the page "List agents" as data. Where the page shows a value that is no mere type
 * ("udp", 3600, "Auto"), that is the default.
 */
#include "engine/api/dasha_shape.h"

#include <string.h>

#include "outdial/err.h"

#define WEBHOOK                                                                                    \
    "{\"url\":\"!\",\"headers\":{},\"customSettings\":{\"?\":{\"httpMethod\":\"POST\","            \
    "\"queryParams\":{},\"bodyFormat\":{\"?\":{\"type\":\"Text\",\"template\":\"\"}}}}}"

#define DAY(name)                                                                                  \
    "\"" name "\":[{\"start\":{\"hour\":0,\"minute\":0},\"end\":{\"hour\":23,\"minute\":59}}]"

static const char text[] =
    "{\"config\":{"
    "\"primaryLanguage\":\"en-US\","
    "\"ttsConfig\":{\"voiceId\":\"!\",\"vendor\":\"!\",\"version\":\"v1\",\"model\":null,"
    "\"speed\":1,\"speedAdjustment\":{\"version\":\"v1\",\"strategy\":\"OnRequest\"},"
    "\"vendorSpecificOptions\":{},\"responsiveness\":null,"
    "\"pronunciationDictionary\":{\"?\":{\"id\":\"!\",\"hash\":\"\"}}},"
    "\"llmConfig\":{\"model\":\"!\",\"vendor\":\"!\",\"prompt\":\"!\",\"version\":\"v1\","
    "\"apiKey\":null,\"endpoint\":null,\"options\":{\"temperature\":null,\"maxTokens\":null,"
    "\"topP\":null,\"frequencyPenalty\":null,\"presencePenalty\":null,\"stop\":null,"
    "\"trailingPrompt\":null,\"reasoningMode\":null,\"maxRetries\":null,\"reasoningEffort\":null},"
    "\"vendorSpecificOptions\":{},\"toolScopes\":null},"
    "\"version\":\"v1\","
    "\"sttConfig\":{\"version\":\"v1\",\"vendor\":\"Auto\",\"vendorSpecificOptions\":{}},"
    "\"outboundSipConfig\":{\"?\":{\"server\":\"!\",\"authUser\":\"\",\"type\":\"v1\","
    "\"domain\":null,\"password\":null,\"fromUser\":null,\"transport\":\"udp\",\"cpsLimit\":null,"
    "\"cpsKey\":null,\"displayName\":null}},"
    "\"resultWebhook\":{\"?\":" WEBHOOK "},"
    "\"features\":{\"version\":\"v1\",\"postCallAnalysis\":[],"
    "\"talkFirst\":{\"version\":\"v1\",\"delay\":1,\"isEnabled\":false,\"interruptible\":true},"
    "\"maxDuration\":{\"version\":\"v1\",\"maxDurationSeconds\":3600,"
    "\"maxDurationInTransferSeconds\":7200,\"isEnabled\":true},"
    "\"ivrDetection\":{\"version\":\"v1\",\"isEnabled\":true,\"enabledForChat\":false,"
    "\"enabledForInbound\":false,\"enabledForOutbound\":true,\"enabledForWebCall\":false,"
    "\"ivrNavigation\":false},"
    "\"ambientNoise\":{\"version\":\"v1\",\"isEnabled\":false,\"ambientNoiseLevel\":0.1},"
    "\"languageSwitching\":{\"version\":\"v1\",\"isEnabled\":true},"
    "\"fillers\":{\"version\":\"v1\",\"isEnabled\":true,"
    "\"strategy\":{\"type\":\"static\",\"texts\":[\"um\"]}},"
    "\"backchannel\":{\"version\":\"v1\",\"isEnabled\":false},"
    "\"silenceManagement\":{\"version\":\"v1\",\"isEnabled\":true,\"maxReminderAttempts\":2,"
    "\"reminderSilenceThresholdSeconds\":5,\"endWhenReminderLimitExceeded\":true}},"
    "\"mcpConnections\":[{\"name\":\"!\",\"serverUrl\":\"!\",\"authentication\":{\"?\":{"
    "\"type\":\"apiKey\",\"apiKey\":null,\"headerName\":\"\"}},\"customHeaders\":{},"
    "\"isEnabled\":true,\"description\":null,\"transport\":\"SSE\",\"blackListTools\":null,"
    "\"whiteListTools\":null}],"
    "\"startWebhook\":{\"?\":{\"webhook\":" WEBHOOK ",\"version\":\"v1\","
    "\"fallbackResponse\":{\"accept\":false,"
    "\"reasonMessage\":\"Webhook for started webhook failed\"},\"isEnabledForInbound\":false,"
    "\"isEnabledForOutbound\":false,\"isEnabledForWidget\":false,\"timeout\":10}},"
    "\"tools\":[{\"name\":\"!\",\"schema\":{},\"webhook\":{\"?\":" WEBHOOK "},"
    "\"description\":\"\",\"fallBackResult\":null,\"timeoutSeconds\":null,\"retryCount\":null}],"
    "\"builtInTools\":[{\"name\":\"!\",\"additionalInstructions\":null}]},"
    "\"always\":{\"timezone\":\"UTC\"," DAY("mon") "," DAY("tue") "," DAY("wed") "," DAY(
        "thu") "," DAY("fri") "," DAY("sat") "," DAY("sun") "},"
                                                            "\"webhook\":" WEBHOOK "}";

int od_dasha_shapes_init(struct od_dasha_shapes *shapes)
{
    shapes->doc = yyjson_read(text, sizeof text - 1, 0);
    if (!shapes->doc)
        return OD_ENOMEM;
    yyjson_val *root = yyjson_doc_get_root(shapes->doc);
    shapes->config = yyjson_obj_get(root, "config");
    shapes->schedule = yyjson_obj_get(root, "always");
    shapes->webhook = yyjson_obj_get(root, "webhook");
    return 0;
}

void od_dasha_shapes_deinit(struct od_dasha_shapes *shapes)
{
    yyjson_doc_free(shapes->doc);
    *shapes = (struct od_dasha_shapes){0};
}
