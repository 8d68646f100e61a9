// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* What the capture files of the engine share (captures.c, captures_where.c, captures_methods.c,
 * captures_keep.c). The rest of the engine knows captures by lab_priv.h. */

#include "capture/capture.h"
#include "engine/lab_priv.h"

/* A capture.stop that is answered when the last of its captures has ended. */
struct capture_stop {
    struct rpc_call *call;
    json_t *captures;
    unsigned remaining;
};

/* A capture.save that the worker is busy with. */
struct capture_save {
    struct capture_save *next;
    uint64_t id;
    struct rpc_call *call;
    char *file;
};

/* One capture worker. */
struct capture_run {
    struct lab *lab;
    unsigned id;    /* 0: the one that keeps the last stretch of traffic */
    json_t *where;  /* as asked for; [] is the whole lab */
    json_t *params; /* of the call, to start its worker anew; NULL: the keeper's */
    char *file;     /* NULL: a stream */
    json_t *files;  /* ring of files: their names; else NULL */
    char *filter;
    char *side; /* "before", "after" or NULL */
    int pidfd, control_fd;
    sd_event_source *exit_source, *control_source;
    struct process_id process;
    uint64_t packets, bytes, dropped;
    double packets_per_s; /* between the last two reports, … */
    uint64_t report_ms;   /* … of which this was the last, since 1970 */
    uint64_t before[3];   /* of these, by workers before this one */
    uint64_t since_ms;    /* when it was started, since 1970 */
    uint64_t worker_ms;   /* when its worker was */
    char *error;          /* why it ended, NULL while it runs */
    bool started, ended;
    bool once;                     /* of links and LANs take frames where they are sent */
    bool finished;                 /* the worker has said that it ends, or was asked to */
    struct rpc_call *pending;      /* capture.start waiting for the worker's word */
    struct capture_stop *stopping; /* capture.stop waiting for its end */
    struct capture_save *saves;    /* of the keeper */
    uint64_t next_save;
    uint64_t keep_ns; /* of the keeper */
    /* ---- captures_follow.c ---- */
    char *told;                /* the endpoints that the worker knows of; NULL: not certain */
    uint64_t orders, answered; /* number of the last order, and of the last one carried out */
};

/* ---- captures.c: workers ---- */
struct capture_run *capture_run_new(struct lab *lab);
void capture_run_free(struct capture_run *run);
/* capture_run_spawn() - Have the fabric start the worker.
 * @options:	Complete but for lab and control
 * @outputs:	Descriptors of the output and of further files; borrowed */
int capture_run_spawn(struct capture_run *run, struct capture_options *options, const int *outputs,
                      size_t output_count, struct error *err);
/* capture_run_read() - Take in what the worker has sent so far. Return: false at its end */
bool capture_run_read(struct capture_run *run);
/* capture_run_again() - Its worker was killed: start another one that goes on with its files. */
int capture_run_again(struct capture_run *run, struct error *err);
/* capture_run_ended() - Its worker is gone: replace it, or tell everybody who waits for the
 * capture, which is freed then if it is a stream. */
void capture_run_ended(struct capture_run *run);
/* capture_run_adopt() - Connect to a worker that an earlier engine started. */
int capture_run_adopt(struct capture_run *run, struct error *err);
/* capture_run_tell() - Send a message, and a descriptor if @fd is one. */
int capture_run_tell(struct capture_run *run, const char *text, int fd, struct error *err);
/* captures_start() - @fd: stream output (owned) or -1 for a file. */
int captures_start(struct lab *lab, json_t *params, int fd, struct capture_run **ret_run,
                   struct error *err);
/* captures_check() - Everything of captures_start() that can be wrong with @params. */
int captures_check(struct lab *lab, json_t *params, struct error *err);
void captures_stop(struct capture_run *run);

/* ---- captures_where.c ---- */
/* The endpoints of a capture. */
struct capture_where {
    struct capture_endpoint *items;
    size_t count, capacity;
    char **labels; /* owned strings behind items[].label */
};
/* capture_where_resolve() - @names: array of strings; NULL or empty: the whole lab. @side: NULL, or
 * "before" and "after" a link's impairment. */
int capture_where_resolve(const struct lab *lab, json_t *names, const char *side,
                          struct capture_where *ret_where, struct error *err);
/* capture_where_left() - The same for names that were right once: what is not in the lab any more
 * is left out, so that there may be nothing. */
void capture_where_left(const struct lab *lab, json_t *names, const char *side,
                        struct capture_where *ret_where);
/* capture_where_text() - A line for each endpoint, as a worker is told ("ends", capture.h). Caller
 * frees. */
char *capture_where_text(const struct capture_where *where);
/* capture_where_once() - Of a cable or segment whose ends are all there, take frames where they are
 * sent: each is there once. */
void capture_where_once(const struct lab *lab, struct capture_where *where);
void capture_where_done(struct capture_where *where);

/* ---- captures_files.c ---- */
/* capture_files_again() - Open what capture_files_open() made, to go on with it. */
int capture_files_again(const struct capture_run *run, int *ret_fds, size_t *ret_count,
                        struct error *err);
/* capture_files_open() - Where a capture goes: into @run->file, for a ring @run->files too.
 * @ret_fds:	Room for 1 + CAPTURE_FILES_MAX */
int capture_files_open(struct capture_run *run, const char *file, unsigned ring, int *ret_fds,
                       size_t *ret_count, struct error *err);
/* capture_files_clean() - Remove what was made and holds nothing. @all: what was made, in any case
 */
void capture_files_clean(struct capture_run *run, bool all);
/* capture_files_ended() - The last thing that was written is what ends a capture. */
bool capture_files_ended(const struct capture_run *run);
/* capture_files_default() - A name for a file that was given none: new absolute path, NULL on
 * failure. */
char *capture_files_default(struct lab *lab, const char *what, struct error *err);
/* capture_files_create() - Open one file for writing. Return: fd or -errno */
int capture_files_create(const char *path, struct error *err);

/* ---- captures_keep.c ---- */
void capture_keep_saved(struct capture_run *run, json_t *report);
/* capture_keep_ended() - Its worker is gone: nobody answers those who wait. */
void capture_keep_ended(struct capture_run *run);
/* capture_keep_follow() - As long as the topology says, if at all. */
void capture_keep_follow(struct lab *lab);
