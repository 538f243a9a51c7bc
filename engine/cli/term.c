/*
 * term - see term.h. State is global: a process has one terminal.
 */
#include "engine/cli/term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/str.h"

enum { PLAIN_EVERY_S = 5 };

static bool colored, live_tty, live_shown, screen_tty;
static time_t plain_last;

void od_term_init(bool no_color)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    bool dumb = !term || strcmp(term, "dumb") == 0;
    colored = !no_color && !(no && *no) && !dumb && isatty(STDOUT_FILENO);
    live_tty = !dumb && isatty(STDERR_FILENO);
    screen_tty = !dumb && isatty(STDOUT_FILENO);
}

const char *od_term_color(enum od_term_color color)
{
    static const char *const escapes[] = {"\033[0m", "\033[1m", "\033[32m", "\033[33m", "\033[31m"};
    return colored ? escapes[color] : "";
}

static time_t monotonic_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

void od_term_live(const char *line)
{
    if (live_tty) {
        fprintf(stderr, "\r\033[K%s", line);
        fflush(stderr);
        live_shown = true;
        return;
    }
    time_t now = monotonic_s();
    if (plain_last && now - plain_last < PLAIN_EVERY_S)
        return;
    plain_last = now;
    fprintf(stderr, "%s\n", line);
}

void od_term_live_end(void)
{
    if (live_shown)
        fputs("\r\033[K", stderr);
    live_shown = false;
    fflush(stderr);
}

/* The escapes are those of ECMA-48 and the private modes every terminal since xterm has: 1049 is
 * the alternate screen, 7 wraps long lines, 25 shows the cursor. */
void od_term_screen_begin(void)
{
    if (screen_tty)
        fputs("\033[?1049h\033[?7l\033[?25l", stdout);
}

void od_term_screen_paint(const char *text)
{
    struct winsize window = {0};
    if (!screen_tty) {
        printf("%s\n", text);
        fflush(stdout);
        return;
    }
    unsigned rows = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 ? window.ws_row : 0;
    fputs("\033[H", stdout);
    for (unsigned row = 1; *text; row++) {
        size_t bytes = strcspn(text, "\n");
        bool last = !text[bytes] || !text[bytes + 1] || (rows && row == rows);
        printf("%.*s\033[K%s", (int)bytes, text, last ? "" : "\n");
        if (last)
            break;
        text += bytes + 1;
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}

void od_term_screen_end(void)
{
    if (screen_tty)
        fputs("\033[?25h\033[?7h\033[?1049l", stdout);
    fflush(stdout);
}

const char *od_term_bar(uint64_t done, uint64_t total, unsigned width, char *out, size_t out_bytes)
{
    struct od_buf buf;
    uint64_t full = total ? (done < total ? done * width / total : width) : 0;
    od_buf_init(&buf, out, out_bytes);
    od_buf_char(&buf, '[');
    for (unsigned i = 0; i < width; i++)
        od_buf_char(&buf, i < full ? '#' : '.');
    od_buf_char(&buf, ']');
    return out;
}

const char *od_term_duration(uint64_t seconds, char *out, size_t out_bytes)
{
    unsigned long long s = seconds;
    if (s >= 3600)
        snprintf(out, out_bytes, "%llu h %02llu min", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, out_bytes, "%llu min %02llu s", s / 60, s % 60);
    else
        snprintf(out, out_bytes, "%llu s", s);
    return out;
}

bool od_term_can_ask(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool od_term_ask(const char *question)
{
    char answer[16];
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    answer[strcspn(answer, "\r\n")] = 0;
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

const char *od_term_safe(const char *text, char *out, size_t out_bytes)
{
    od_str_copy(out, out_bytes, text, strlen(text));
    for (char *c = out; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return out;
}
