/*
 * agent_view - see agent_view.h. What a dialect calls its own member comes first, then where
 * another dialect keeps the same thing.
 */
#include "engine/api/agent_view.h"

yyjson_doc *od_agent_doc(const struct od_agent_rec *rec)
{
    yyjson_doc *doc = yyjson_read(rec->doc.at, rec->doc.bytes, YYJSON_READ_NUMBER_AS_RAW);
    if (doc && yyjson_is_obj(yyjson_doc_get_root(doc)))
        return doc;
    yyjson_doc_free(doc);
    return NULL;
}

/* The first of the two that is a text: a member of the document, a member of one of its config's.
 */
static const char *find(yyjson_val *doc, const char *name, const char *group, const char *member)
{
    const char *text = yyjson_get_str(yyjson_obj_get(doc, name));
    yyjson_val *config = yyjson_obj_get(doc, "config");
    if (text || !member)
        return text;
    return yyjson_get_str(yyjson_obj_get(group ? yyjson_obj_get(config, group) : config, member));
}

const char *od_agent_persona(yyjson_val *doc)
{
    return find(doc, "persona", NULL, NULL);
}

const char *od_agent_instructions(yyjson_val *doc)
{
    return find(doc, "instructions", "llmConfig", "prompt");
}

const char *od_agent_language(yyjson_val *doc)
{
    return find(doc, "language", NULL, "primaryLanguage");
}

const char *od_agent_voice(yyjson_val *doc)
{
    return find(doc, "voice", "ttsConfig", "voiceId");
}

const char *od_agent_number(yyjson_val *doc)
{
    const char *number = find(doc, "number", NULL, NULL);
    return number && *number ? number : NULL;
}

bool od_agent_enabled(yyjson_val *doc)
{
    return !yyjson_is_false(yyjson_obj_get(doc, "isEnabled")) &&
           !yyjson_is_false(yyjson_obj_get(doc, "enabled"));
}

bool od_agent_outbound(yyjson_val *doc)
{
    return !yyjson_equals_str(yyjson_obj_get(doc, "type"), "inbound");
}

bool od_agent_archived(yyjson_val *doc)
{
    return yyjson_is_str(yyjson_obj_get(doc, "archived_at"));
}

bool od_agent_can_dial(yyjson_val *doc)
{
    yyjson_val *sip = yyjson_obj_get(yyjson_obj_get(doc, "config"), "outboundSipConfig");
    const char *server = yyjson_get_str(yyjson_obj_get(sip, "server"));
    return od_agent_number(doc) || (server && *server);
}
