// SPDX-License-Identifier: GPL-2.0-or-later

#include "base/error.h"

#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"

/**
 * error_fill() - Replace what an error says
 * @err:	Error
 * @code:	Positive errno
 * @kind:	Exit class
 * @message:	Message, ownership taken
 *
 * Return: -@code
 */
static int error_fill(struct error *err, int code, enum error_kind kind, char *message)
{
    error_done(err);
    err->code = code;
    err->kind = kind;
    err->message = message;
    return -code;
}

int error_set(struct error *err, int code, const char *format, ...)
{
    va_list args;

    if (!err)
        return -code;
    va_start(args, format);
    (void)error_fill(err, code, ERROR_KIND_FAILED, xvasprintf(format, args));
    va_end(args);
    return -code;
}

int error_errno(struct error *err, int code, const char *format, ...)
{
    _cleanup_free_ char *what = NULL;
    va_list args;

    if (!err)
        return -code;
    va_start(args, format);
    what = xvasprintf(format, args);
    va_end(args);
    return error_fill(err, code, ERROR_KIND_FAILED, xasprintf("%s: %s", what, strerror(code)));
}

int error_input(struct error *err, const char *format, ...)
{
    va_list args;

    if (!err)
        return -EINVAL;
    va_start(args, format);
    (void)error_fill(err, EINVAL, ERROR_KIND_INPUT, xvasprintf(format, args));
    va_end(args);
    return -EINVAL;
}

int error_prefix(struct error *err, const char *format, ...)
{
    _cleanup_free_ char *context = NULL, *old = NULL;
    va_list args;

    if (!err)
        return -EIO;
    va_start(args, format);
    context = xvasprintf(format, args);
    va_end(args);
    old = err->message;
    err->message = xasprintf("%s: %s", context, old ? old : "unknown error");
    return err->code ? -err->code : -EIO;
}

void error_hint(struct error *err, const char *format, ...)
{
    va_list args;

    if (!err)
        return;
    free(err->hint);
    va_start(args, format);
    err->hint = xvasprintf(format, args);
    va_end(args);
}

void error_move(struct error *to, struct error *from)
{
    if (!from)
        return;
    if (!to) {
        error_done(from);
        return;
    }
    error_done(to);
    *to = *from;
    *from = (struct error)ERROR_INIT;
}

const char *error_message(const struct error *err)
{
    return err && err->message ? err->message : "unknown error";
}

void error_done(struct error *err)
{
    if (!err)
        return;
    free(err->message);
    free(err->hint);
    *err = (struct error)ERROR_INIT;
}
