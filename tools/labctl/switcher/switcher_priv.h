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
#define LIST_COLUMNS  20 /* with the line beside it */
#define ROWS_LEAST    8
#define COLUMNS_LEAST 40

struct switcher;

struct switcher_node {
    char *name, *state;
    int links, links_up; /* carrier */
    int fd;              /* its console, or -1 */
    struct view *view;
    struct strbuf in;  /* a frame that is not complete */
    struct strbuf out; /* frames for the engine */
    bool live;         /* the replay is over */
    bool active, bell; /* since it was last looked at */
    bool gone;         /* the lab has it no more */
    int scroll;        /* lines that the person has scrolled up */
    int64_t retry_ms;  /* not before, once it could not be joined */
};

enum switcher_mode { MODE_TYPE, MODE_PREFIX, MODE_JUMP, MODE_SCROLL, MODE_SEARCH, MODE_HELP };

struct pane {
    size_t node;
    int row, column, rows, columns;
};

struct switcher {
    const struct switcher_options *options;
    struct switcher_node *nodes;
    size_t node_count;
    struct pane panes[PANES_MAX];
    size_t pane_count, focus;
    int rows, columns;
    bool zoomed;
    bool sync; /* what is typed goes to all nodes that are shown */
    enum switcher_mode mode;
    struct strbuf word;        /* of jump or search */
    char *message;             /* escaped */
    struct rpc_client *status; /* asks lab.status */
    struct rpc_client *action; /* has one call under way, or NULL */
    bool status_asked, dirty, leave;
    int64_t status_ms; /* when the status is asked next */
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
void node_type(struct switcher_node *node, const void *data, size_t size);
void node_break(struct switcher_node *node);
void node_resize(struct switcher_node *node, int rows, int columns);
bool node_shown(const struct switcher *switcher, const struct switcher_node *node);

/* ---- draw.c ---- */
/* switcher_layout() - Where the panes are; tells the nodes their sizes. */
void switcher_layout(struct switcher *switcher);
void switcher_draw(struct switcher *switcher);
/* switcher_say() - A message in the last line. */
void switcher_say(struct switcher *switcher, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- keys.c ---- */
void switcher_keys(struct switcher *switcher, const char *keys, size_t size);

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
