// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What typing.c and typing_resume.c share. */

#include "console/script.h"
#include "engine/lab_priv.h"

enum typing_phase { PHASE_BEFORE, PHASE_LINES, PHASE_AFTER, PHASES };

struct typing {
    struct script phases[PHASES]; /* the lines are steps too */
    enum typing_phase phase;
    size_t step; /* the next one of its phase */
    unsigned refused;
    bool expecting, executing;
    sd_event_source *timer;
    /* How far it is, in the node's folder. */
    int fd;
    uint64_t steps_hash; /* of all that is to be done */
    size_t noted_step;
    uint64_t noted_at; /* size of the console's record when that step began */
    /* Of one that goes on where an earlier engine ended. */
    uint64_t looked_size, give_up_ns;
};

/* typing_new() - Read what there is to do, and open the note of how far it is. @node gets it; on an
 * error, too. Return: 0 or -errno */
int typing_new(struct node_run *node, struct error *err);
/* typing_go_on() - Take the next step. */
void typing_go_on(struct node_run *node);
/* typing_do_step() - Do one step, whose number is the last one that was taken. */
void typing_do_step(struct node_run *node, const struct script_step *step);
/* typing_expect() - Wait for a step's rule. Return: true unless it is over */
bool typing_expect(struct node_run *node, const struct script_step *step);
/* typing_end() - It is over; @why if it failed. */
void typing_end(struct node_run *node, const char *why);
/* typing_set_timer() - Arm the one timer. */
void typing_set_timer(struct node_run *node, uint64_t ns, sd_event_time_handler_t fn);
/* typing_what() - What is being done, for a message. Caller frees. */
char *typing_what(const struct node_run *node);
/* typing_pause() - Take the next step once the pace is over. */
void typing_pause(struct node_run *node);

/* typing_note() - Keep that the step just taken begins (@typed: that what it types has been handed
 * to the guest). */
void typing_note(struct node_run *node, bool typed);
/* typing_marker_path() - Where it is kept how far the node is. Caller frees. */
char *typing_marker_path(const struct node_run *node);
