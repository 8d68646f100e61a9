// SPDX-License-Identifier: GPL-2.0-or-later

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static enum log_level log_level = LOG_LEVEL_INFO;

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
    log_level = level;
}

void log_line(enum log_level level, const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    struct timespec now = {0};
    struct tm tm = {0};
    char stamp[32];
    va_list args;

    if (level > log_level)
        return;
    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)localtime_r(&now.tv_sec, &tm);
    if (!strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm))
        stamp[0] = 0;
    /* One write, so that lines of several processes in one file do not mix. */
    (void)fprintf(stderr, "%s.%03ld %s: %s\n", stamp, now.tv_nsec / 1000000, level_names[level],
                  text);
}
