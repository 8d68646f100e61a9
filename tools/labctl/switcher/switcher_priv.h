// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the files of the switcher share. */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "console/view.h"
#include "labctl/switcher/guardian.h"
#include "labctl/switcher/switcher.h"
#include "rpc/rpc.h"

#define PANES_MAX     4
#define LIST_NARROW   20 /* columns of the list, with the line beside it */
#define LIST_WIDE     32
#define ROWS_LEAST    8
#define COLUMNS_LEAST 40
/* What guests on a serial line believe in: a view is not smaller, a smaller pane shows a part. */
#define GUEST_ROWS    24
#define GUEST_COLUMNS 80

struct switcher;

/* Text that is typed as fast as the guest takes it; see paste.c. */
struct paste {
    bool under_way;
    struct strbuf text; /* lines end with CR */
    size_t done;        /* bytes that were typed */
    size_t lines, lines_done;
    size_t piece;   /* bytes that were typed last */
    size_t heard;   /* bytes that the guest has said since */
    bool line_over; /* the last piece ended a line */
    int64_t sent_ms, heard_ms;
    char prompt; /* last character of the guest's prompt, 0: there is none */
    int silent;  /* pieces without an echo, one after the other */
};

struct switcher_node {
    char *name; /* of the console: "r1", "r1:1" */
    char *state;
    char *display;       /* where its screen is to be had, or NULL */
    int links, links_up; /* carrier */
    int fd;              /* its console, or -1 */
    struct view *view;
    struct strbuf in;  /* a frame that is not complete */
    struct strbuf out; /* frames for the engine */
    bool live;         /* the replay is over */
    bool active, bell; /* since it was last looked at */
    bool gone;         /* the lab has it no more */
    bool marked;       /* synchronised typing reaches it though it is not shown */
    bool told;         /* its guest was told how large the pane is */
    bool held;         /* the person looks at what was; `top` is the first line shown */
    int64_t top;
    int pan_row, pan_column; /* what part of the view a smaller pane shows */
    int log;                 /* file that its output goes to as well, or -1 */
    struct paste paste;
    int64_t retry_ms; /* not before, once it could not be joined */
};

enum switcher_mode { MODE_TYPE, MODE_PREFIX, MODE_PROMPT, MODE_COPY, MODE_HELP, MODE_CABLES };

struct pane {
    size_t node;
    int row, column, rows, columns;
};

/* A question in the last line. */
struct switcher_prompt {
    const char *label;
    enum switcher_mode then; /* mode after it */
    void (*done)(struct switcher *switcher, const char *text);
    void (*changed)(struct switcher *switcher, const char *text); /* or NULL */
};

/* A command: a key after the prefix. */
struct switcher_command {
    char key;
    const char *name, *help;
    void (*run)(struct switcher *switcher);
};
extern const struct switcher_command switcher_commands[];
extern const size_t switcher_command_count;

/* Copy mode: a cursor in what was, see copy.c. Lines are numbered as view_scrolled() does. */
struct copy {
    int64_t line, from_line, found_line;
    int column, from_column, found_column, found_columns;
    bool selecting, whole_lines;
    char *word; /* last one searched for */
};

struct switcher {
    const struct switcher_options *options;
    struct switcher_node *nodes;
    size_t node_count;
    json_t *document; /* last status */
    struct pane panes[PANES_MAX];
    size_t pane_count, focus, last; /* last: the node before this one */
    int rows, columns, list;        /* list: its columns */
    bool zoomed;
    bool sync; /* what is typed goes to all nodes that are shown or marked */
    enum switcher_mode mode;
    const struct switcher_prompt *prompt;
    struct strbuf word;  /* typed at the prompt */
    struct strbuf typed; /* keys that may be the beginning of something */
    int64_t typed_ms;    /* when they are taken as they are; 0: there are none */
    bool pasting;        /* the terminal sends a paste; it gathers in: */
    struct strbuf pasted;
    struct copy copy;
    struct strbuf copied;
    size_t cable;              /* chosen in the list of cables */
    char *message;             /* escaped */
    int64_t message_ms;        /* when it has been there long enough */
    struct rpc_client *status; /* asks lab.status */
    struct rpc_client *action; /* has one call under way, or NULL */
    bool status_asked, dirty, leave;
    int64_t status_ms; /* when the status is asked next */
    int64_t beep_ms;   /* not before */
    struct guardian guardian;
    struct termios raw; /* the settings that the terminal has meanwhile */
    struct error *err;  /* why it ends */
    int result;
};

/* ---- nodes.c ---- */
/* switcher_take_status() - Take over what a status document says. */
void switcher_take_status(struct switcher *switcher, json_t *status);
/* node_join() - Connect to its console. Return: 0 or -errno */
int node_join(struct switcher *switcher, struct switcher_node *node, struct error *err);
void node_leave(struct switcher_node *node);
void node_done(struct switcher_node *node);
/* node_read() - Its console has something. Return: false if the connection ended */
bool node_read(struct switcher *switcher, struct switcher_node *node);
void node_write(struct switcher_node *node);
/* node_type() - Bytes for the guest. Return: false if too much waits already */
bool node_type(struct switcher_node *node, const void *data, size_t size);
/* node_keys() - The same, with cursor keys as the guest wants them. */
bool node_keys(struct switcher_node *node, const char *keys, size_t size);
void node_break(struct switcher_node *node);
/* node_fit() - Its pane has this size. */
void node_fit(struct switcher_node *node, int rows, int columns);
bool node_shown(const struct switcher *switcher, const struct switcher_node *node);
/* node_targets() - Does what is typed go to it? */
bool node_typed_to(const struct switcher *switcher, const struct switcher_node *node);
/* node_machine() - Name of the node itself, without the number of the console. Caller frees. */
char *node_machine(const struct switcher_node *node);

/* ---- paste.c ---- */
void paste_start(struct switcher_node *node, const char *text, size_t size);
void paste_stop(struct switcher_node *node);
/* paste_heard() - The guest said something. */
void paste_heard(struct switcher_node *node, size_t size);
/* paste_turn() - Go on if it is time. Return: milliseconds until it may be, -1: nothing to do */
int paste_turn(struct switcher *switcher, struct switcher_node *node);

/* ---- copy.c ---- */
void copy_start(struct switcher *switcher);
void copy_key(struct switcher *switcher, char key);
/* copy_search() - Go to the next place that has the word, up or down. */
void copy_search(struct switcher *switcher, const char *word, bool down);
/* copy_marks() - Is the cell of a line of the focused node to be shown in reverse? */
bool copy_marks(const struct switcher *switcher, int64_t line, int column);

/* ---- cables.c ---- */
void cables_open(struct switcher *switcher);
void cables_key(struct switcher *switcher, char key);
/* cables_line() - A line of the list of cables. Return: NULL beyond its end; caller frees */
char *cables_line(const struct switcher *switcher, size_t index);

/* ---- draw.c, panes.c ---- */
/* switcher_layout() - Where the panes are; tells the nodes their sizes. */
void switcher_layout(struct switcher *switcher);
void switcher_draw(struct switcher *switcher);
/* panes_draw() - The panes, and the cursor's place. */
void panes_draw(struct switcher *switcher);
/* panes_cursor() - Put the cursor where it belongs. */
void panes_cursor(struct switcher *switcher);
/* draw_text() - Text from outside, escaped, cut and filled up to @columns. */
void draw_text(int row, int column, int columns, const char *text);
/* pair_of() - The pair of two colours, as in struct view_cell. */
int pair_of(int32_t foreground, int32_t background);
/* node_first_row() - Row of its view that is the first one of the pane. */
int node_first_row(const struct switcher_node *node);
/* switcher_say() - A message in the last line. */
void switcher_say(struct switcher *switcher, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- input.c ---- */
void switcher_keys(struct switcher *switcher, const char *keys, size_t size);
/* switcher_keys_over() - No more came in time: what waits is taken as it is. */
void switcher_keys_over(struct switcher *switcher);
/* switcher_mode_set() - Read keys for something else. */
void switcher_mode_set(struct switcher *switcher, enum switcher_mode mode);
/* switcher_ask() - A question in the last line. */
void switcher_ask(struct switcher *switcher, const struct switcher_prompt *prompt);
/* switcher_type() - Keys for the guest, or for all that are typed to. */
void switcher_type(struct switcher *switcher, const char *keys, size_t size);
/* switcher_paste() - A text for the same. */
void switcher_paste(struct switcher *switcher, const char *text, size_t size);

/* ---- commands.c ---- */
/* command_run() - The key after the prefix. */
void command_run(struct switcher *switcher, char key);
extern const struct switcher_prompt prompt_search_up, prompt_search_down;

/* ---- app.c ---- */
/* switcher_act() - Ask the engine for something, as node.start. Steals @params. */
void switcher_act(struct switcher *switcher, const char *method, json_t *params);
int64_t switcher_now_ms(void);

/**
 * switcher_focused() - The node that is typed to
 * @switcher:	Switcher
 *
 * Return: node
 */
static inline struct switcher_node *switcher_focused(struct switcher *switcher)
{
    return &switcher->nodes[switcher->panes[switcher->focus].node];
}
