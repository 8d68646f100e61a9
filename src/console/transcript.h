// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What one typed command printed, told from its echo and from the prompt. Pure: it knows neither
 * descriptors nor time. */

#include <stdbool.h>
#include <stddef.h>

#include "base/regex.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "console/lines.h"

#define TRANSCRIPT_MAX (1u << 20) /* bytes of output kept */

struct transcript {
    char *command;         /* as typed, owned */
    char *prompt_text;     /* the prompt it was typed at, owned; may be NULL */
    const regex_t *prompt; /* what any prompt looks like */
    struct lines lines;
    struct strbuf output; /* finished lines, echo included */
    struct strbuf echo;   /* beginning of the output, CR and all, to find the echo in */
    size_t ended;         /* lines finished so far */
    bool overflow;        /* more than TRANSCRIPT_MAX */
};

/* transcript_check_command() - One line of text without control characters, or -EINVAL. */
int transcript_check_command(const char *command, struct error *err);

/* transcript_init() - From the moment of typing on.
 * @prompt: must outlive the transcript; @prompt_text: copied, may be NULL */
void transcript_init(struct transcript *transcript, const char *command, const regex_t *prompt,
                     const char *prompt_text);
void transcript_done(struct transcript *transcript);
void transcript_feed(struct transcript *transcript, const void *data, size_t size);

enum transcript_end {
    TRANSCRIPT_GOES_ON,  /* no prompt in sight */
    TRANSCRIPT_POSSIBLE, /* something that the rule accepts, but that has another name in it */
    TRANSCRIPT_LIKELY,   /* something that looks like a prompt, but is not the one typed at */
    TRANSCRIPT_SURE,     /* the same prompt again */
    TRANSCRIPT_PAGER,    /* a pager waits for a key */
};
/* transcript_look() - Is the unfinished line a prompt? To be asked when the guest is quiet. */
enum transcript_end transcript_look(const struct transcript *transcript);

/* transcript_output() - The command's own output: lines end with newlines; the last one has none if
 * the command printed none. Caller frees. */
char *transcript_output(const struct transcript *transcript, size_t *ret_size);

/* transcript_prompt() - Where the prompt begins in an unfinished line, or -1. For a line that
 * begins with other text the text of a @known prompt is looked for first. */
ptrdiff_t transcript_prompt(const char *line, bool continued, const regex_t *prompt,
                            const char *known);

/* transcript_message() - Did other text follow a prompt in the same line, as a guest's messages do?
 */
bool transcript_message(const struct transcript *transcript);

/* transcript_number() - Is a text a status, 0 to 255, and nothing else? */
bool transcript_number(const char *text, int *ret_status);

/* transcript_status() - The status command was typed while the command ran, so that its prompt, its
 * echo and its number, perhaps several times over, are the end of the output: take them off.
 * Return: whether that is so, with the first number */
bool transcript_status(struct transcript *transcript, const char *command, int *ret_status);

/* transcript_answer() - Of what the status command printed, is the first line a status, and not one
 * that the command before printed? A shell tells of its jobs, a kernel of its devices, between that
 * and the next prompt. The command's own it is if the status command is answered further down,
 * after another prompt. Return: whether that is so, with the status */
bool transcript_answer(const struct transcript *transcript, const char *text, int *ret_status);

/* transcript_last_number() - If the last line is a status and nothing else, take it off.
 * Return: whether it was */
bool transcript_last_number(struct transcript *transcript, int *ret_status);

/* transcript_drop_prompts() - Enter was pressed while the command ran: take off at most @most lines
 * at the end that have nothing but the present prompt; of the first of them its beginning stays. */
void transcript_drop_prompts(struct transcript *transcript, size_t most);
