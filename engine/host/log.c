/*
 * log - builds a line in one buffer and writes it with one system call, so that lines of several
 * processes on one stderr don't mix. Text that came from the network is escaped in both formats.
 */
#include "engine/host/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/str.h"

enum { LINE_MAX_BYTES = 4096 };

static struct {
    uint8_t level;
    bool json;
} settings = {.level = OD_CONFIG_LOG_INFO, .json = true};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void od_log_init(enum od_config_log_level level, enum od_config_log_format format)
{
    settings.level = (uint8_t)level;
    settings.json =
        format == OD_CONFIG_LOG_JSON || (format == OD_CONFIG_LOG_AUTO && !isatty(STDERR_FILENO));
}

bool od_log_enabled(enum od_config_log_level level)
{
    return level <= settings.level;
}

/* JSON string content (RFC 8259 section 7); bytes that are not UTF-8 become '?'. */
static void add_escaped(struct od_buf *buf, const char *text)
{
    bool utf8 = od_str_utf8(text, strlen(text));
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        char hex[8];
        if (c == '"' || c == '\\') {
            od_buf_char(buf, '\\');
            od_buf_char(buf, (char)c);
        } else if (c < 0x20 || c == 0x7f) {
            snprintf(hex, sizeof hex, "\\u%04x", c);
            od_buf_str(buf, hex);
        } else if (c >= 0x80 && !utf8) {
            od_buf_char(buf, '?');
        } else {
            od_buf_char(buf, (char)c);
        }
    }
}

static void add_time(struct od_buf *buf)
{
    struct timespec now;
    struct tm tm;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%06ldZ", now.tv_nsec / 1000);
    od_buf_str(buf, text);
}

static void add_number(struct od_buf *buf, int64_t number)
{
    if (number < 0)
        od_buf_char(buf, '-');
    od_buf_u64(buf, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

static void add_json(struct od_buf *buf, const char *level, const char *logger, const char *message,
                     const struct od_log_field *fields)
{
    od_buf_str(buf, "{\"ts\":\"");
    add_time(buf);
    od_buf_str(buf, "\",\"level\":\"");
    od_buf_str(buf, level);
    od_buf_str(buf, "\",\"logger\":\"");
    od_buf_str(buf, logger);
    od_buf_str(buf, "\",\"msg\":\"");
    add_escaped(buf, message);
    od_buf_char(buf, '"');
    for (; fields && fields->name; fields++) {
        od_buf_str(buf, ",\"");
        od_buf_str(buf, fields->name);
        od_buf_str(buf, fields->text ? "\":\"" : "\":");
        if (fields->text) {
            add_escaped(buf, fields->text);
            od_buf_char(buf, '"');
        } else {
            add_number(buf, fields->number);
        }
    }
    od_buf_char(buf, '}');
}

static void add_text(struct od_buf *buf, const char *level, const char *logger, const char *message,
                     const struct od_log_field *fields)
{
    add_time(buf);
    od_buf_char(buf, ' ');
    od_buf_str(buf, level);
    od_buf_char(buf, ' ');
    od_buf_str(buf, logger);
    od_buf_str(buf, ": ");
    add_escaped(buf, message);
    for (; fields && fields->name; fields++) {
        od_buf_char(buf, ' ');
        od_buf_str(buf, fields->name);
        od_buf_char(buf, '=');
        if (fields->text)
            add_escaped(buf, fields->text);
        else
            add_number(buf, fields->number);
    }
}

void od_log_fields(enum od_config_log_level level, const char *logger, const char *message,
                   const struct od_log_field *fields)
{
    char line[LINE_MAX_BYTES];
    struct od_buf buf;
    if (!od_log_enabled(level))
        return;
    od_buf_init(&buf, line, sizeof line - 1); /* room for the newline */
    if (settings.json)
        add_json(&buf, level_names[level], logger, message, fields);
    else
        add_text(&buf, level_names[level], logger, message, fields);
    line[buf.used++] = '\n';
    /* A full or closed stderr must not hold the loop: what can't be written is lost. */
    if (write(STDERR_FILENO, line, buf.used) < 0)
        return;
}

void od_log(enum od_config_log_level level, const char *logger, const char *format, ...)
{
    char message[1024];
    va_list args;
    if (!od_log_enabled(level))
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    od_log_fields(level, logger, message, NULL);
}
