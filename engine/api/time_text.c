/*
 * Days are counted with the civil-calendar arithmetic of Howard Hinnant ("chrono-compatible
 * low-level date algorithms", 2013): years start in March, so the leap day is the last one.
 */
#include "engine/api/time_text.h"

#include <string.h>

static const int64_t MS_PER_DAY = INT64_C(86400000);
static const int64_t YEAR_10000_MS = INT64_C(253402300800000);

static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = year / 400; /* years are 1969.. here */
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return era * 146097 + (int64_t)days - 719468;
}

static void put(char *out, unsigned value, unsigned digits)
{
    while (digits--) {
        out[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

void od_time_text(int64_t wall_ms, char out[OD_TIME_TEXT])
{
    if (wall_ms < 0)
        wall_ms = 0;
    if (wall_ms >= YEAR_10000_MS)
        wall_ms = YEAR_10000_MS - 1;
    int64_t days = wall_ms / MS_PER_DAY + 719468;
    unsigned ms = (unsigned)(wall_ms % MS_PER_DAY);
    int64_t era = days / 146097;
    unsigned of_era = (unsigned)(days - era * 146097);
    unsigned y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * y + y / 4 - y / 100);
    unsigned m = (5 * of_year + 2) / 153;
    unsigned day = of_year - (153 * m + 2) / 5 + 1;
    unsigned month = m < 10 ? m + 3 : m - 9;
    unsigned year = y + (unsigned)era * 400 + (month <= 2);

    memcpy(out, "0000-00-00T00:00:00.000Z", OD_TIME_TEXT);
    put(out, year, 4);
    put(out + 5, month, 2);
    put(out + 8, day, 2);
    put(out + 11, ms / 3600000, 2);
    put(out + 14, ms / 60000 % 60, 2);
    put(out + 17, ms / 1000 % 60, 2);
    put(out + 20, ms % 1000, 3);
}

/* Reads exactly `digits` digits; false when there are fewer. */
static bool take(const char **at, const char *end, unsigned digits, unsigned *out)
{
    unsigned value = 0;
    if ((size_t)(end - *at) < digits)
        return false;
    while (digits--) {
        char c = *(*at)++;
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (unsigned)(c - '0');
    }
    *out = value;
    return true;
}

static bool take_char(const char **at, const char *end, const char *any)
{
    if (*at == end || !**at || !strchr(any, **at))
        return false;
    (*at)++;
    return true;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool od_time_parse(const char *text, size_t bytes, int64_t *wall_ms)
{
    const char *at = text, *end = text + bytes;
    unsigned year, month, day, hour, minute, second, ms = 0;
    if (!take(&at, end, 4, &year) || !take_char(&at, end, "-") || !take(&at, end, 2, &month) ||
        !take_char(&at, end, "-") || !take(&at, end, 2, &day) || !take_char(&at, end, "Tt ") ||
        !take(&at, end, 2, &hour) || !take_char(&at, end, ":") || !take(&at, end, 2, &minute) ||
        !take_char(&at, end, ":") || !take(&at, end, 2, &second))
        return false;
    if (month < 1 || month > 12 || year < 1970 || day < 1 || day > month_days(year, month) ||
        hour > 23 || minute > 59 || second > 60)
        return false;
    if (take_char(&at, end, ".")) {
        unsigned digits = 0;
        for (; at < end && *at >= '0' && *at <= '9'; at++, digits++)
            if (digits < 3)
                ms = ms * 10 + (unsigned)(*at - '0');
        if (!digits)
            return false;
        for (; digits < 3; digits++)
            ms *= 10;
    }
    int64_t offset_min = 0;
    if (!take_char(&at, end, "Zz")) {
        unsigned off_hour, off_minute;
        bool west = at < end && *at == '-';
        if (!take_char(&at, end, "+-") || !take(&at, end, 2, &off_hour) ||
            !take_char(&at, end, ":") || !take(&at, end, 2, &off_minute) || off_hour > 23 ||
            off_minute > 59)
            return false;
        offset_min = (int64_t)(off_hour * 60 + off_minute) * (west ? -1 : 1);
    }
    if (at != end)
        return false;
    int64_t value = days_from_civil(year, month, day) * MS_PER_DAY +
                    (int64_t)(hour * 3600 + minute * 60 + second) * 1000 + ms - offset_min * 60000;
    if (value < 0)
        return false;
    *wall_ms = value;
    return true;
}
