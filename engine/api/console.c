/*
 * The web console's files. The page may load its own files and ask this server, nothing else, and
 * be framed by nobody (Content Security Policy Level 3): a number, name or text that came from
 * outside can do no more than be shown.
 */
#include "engine/console/console.h"

#include "engine/api/native.h"
#include "engine/api/request.h"

static const char headers[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n";

static void answer(struct od_request *q, const char *name)
{
    const struct od_console_file *file = od_console_find(name);
    if (file)
        od_request_answer_page(q, od_console_type(file), headers, file->at, file->bytes);
    else
        od_request_problem(q, 404, "not_found", "the console has no such file");
}

/* The page names its files beside itself. */
void od_ops_console_slash(struct od_request *q)
{
    od_request_answer_moved(q, "/console/");
}

void od_ops_console(struct od_request *q)
{
    answer(q, "index.html");
}

void od_ops_console_file(struct od_request *q)
{
    answer(q, q->at.name);
}
