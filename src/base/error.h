// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Errors travel upwards: the function that fails fills the caller's struct error once, each level
 * above prefixes what it was doing, and only a program's top prints it.
 *
 *     link 'wan': tap 'r1:eth0': open /dev/net/tun: Permission denied
 *     hint: sudo chmod 0666 /dev/net/tun
 */

#include <errno.h>
#include <stdbool.h>

#include "base/cleanup.h"

/* What labctl exits with; the command line's contract. */
enum error_kind {
    ERROR_KIND_FAILED = 1, /* something went wrong while doing it */
    ERROR_KIND_INPUT = 2,  /* the input or the command line is wrong; nothing was changed */
};

struct error {
    int code;             /* positive errno, 0 while there is no error */
    enum error_kind kind; /* valid when code is not 0 */
    char *message;        /* owned; one line, context first */
    char *hint;           /* owned; what to do about it, or NULL */
};

#define ERROR_INIT                                                                                 \
    {                                                                                              \
        .code = 0                                                                                  \
    }

/**
 * error_set() - Fill an error
 * @err:	Error to fill, or NULL when the caller does not care
 * @code:	Positive errno
 * @format:	One line without a newline
 *
 * Return: -@code
 */
int error_set(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* error_errno() - Like error_set(), with ": strerror(@code)" appended. Return: -@code */
int error_errno(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* error_input() - Like error_set() with EINVAL and ERROR_KIND_INPUT. Return: -EINVAL */
int error_input(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* error_prefix() - Put "context: " before the message. Return: -code of @err (-EIO if unset) */
int error_prefix(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* error_hint() - Replace the hint. */
void error_hint(struct error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* error_move() - Give @from's contents to @to (either may be NULL); @from is empty afterwards. */
void error_move(struct error *to, struct error *from);

/* error_message() - The message, never NULL. */
const char *error_message(const struct error *err);

/* error_done() - Free what an error holds; it may be used again. */
void error_done(struct error *err);

#define _cleanup_error_ _cleanup_(error_done)
