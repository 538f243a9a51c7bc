/*
 * metrics_page - see the header.
 */
#include "engine/api/metrics_page.h"

#include <stdarg.h>
#include <stdio.h>

void od_metrics_line(struct od_metrics_page *page, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(page->text + page->used, page->size - page->used, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < page->size - page->used)
        page->used += (size_t)n;
}

void od_metrics_family(struct od_metrics_page *page, const char *name, const char *type,
                       const char *help)
{
    od_metrics_line(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void od_metrics_single(struct od_metrics_page *page, const char *name, const char *type,
                       const char *help, unsigned long long value)
{
    od_metrics_family(page, name, type, help);
    od_metrics_line(page, "%s %llu\n", name, value);
}

void od_metrics_label(char *out, size_t size, const char *text)
{
    size_t used = 0;
    for (; *text && used + 3 < size; text++) {
        if (*text == '\\' || *text == '"' || *text == '\n')
            out[used++] = '\\';
        out[used++] = *text == '\n' ? 'n' : *text;
    }
    out[used] = 0;
}
