// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Showing long work: a live table of nodes on a terminal, plain lines elsewhere. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct progress;

enum progress_mode {
    PROGRESS_AUTO,   /* live on a terminal, else plain, on standard output */
    PROGRESS_STDERR, /* plain on standard error: standard output is for a document */
};

/* progress_new() - @title: "lab ospf-triangle". */
struct progress *progress_new(const char *title, enum progress_mode mode);
/* progress_limit() - Only these nodes are shown (array of names, borrowed until the end). */
void progress_limit(struct progress *progress, json_t *names);
/* progress_notification() - An rpc_notification_fn; @data is the struct progress. */
void progress_notification(const char *method, json_t *params, void *data);
/* progress_status() - How it ended: the nodes of a status document, and the line above them. */
void progress_status(struct progress *progress, json_t *status, const char *text);
/* progress_tick() - Time has passed: draw again. */
void progress_tick(struct progress *progress);
/* progress_say() - A line that stays. */
void progress_say(struct progress *progress, const char *text);
/* progress_erase() - Take the live table away: what it showed is over. */
void progress_erase(struct progress *progress);
/* progress_free() - End of the work; the last picture stays. */
void progress_free(struct progress *progress);
