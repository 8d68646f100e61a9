// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* A program's own diary, on stderr. Libraries do not log; they return errors. */

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* log_set_level() - Lines above this level are dropped; the start value is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* log_line() - One line with a time stamp. Text from outside must be escaped by the caller. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
