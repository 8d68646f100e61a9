// SPDX-License-Identifier: GPL-2.0-or-later

/* labctl-engine: supervises one lab. labctl starts it in a session of its own and waits for one
 * JSON line on the ready descriptor: {"ok": true} once the socket listens, or {"error": …} and the
 * engine is gone again. */

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/text.h"
#include "engine/doctor.h"
#include "engine/lab_priv.h"

#define IDLE_MAX_US (10u * 1000000)

struct arguments {
    const char *lab, *topology;
    bool adopt, doctor;
    int ready_fd;
};

/**
 * parse_arguments() - Read the command line
 * @argc:	Count
 * @argv:	Words
 * @ret:	Result
 *
 * Return: 0 or -EINVAL
 */
static int parse_arguments(int argc, char **argv, struct arguments *ret)
{
    static const struct option options[] = {
        {"lab", required_argument, NULL, 'l'},      {"topology", required_argument, NULL, 't'},
        {"adopt", no_argument, NULL, 'a'},          {"doctor", no_argument, NULL, 'd'},
        {"ready-fd", required_argument, NULL, 'r'}, {0},
    };
    int c;

    *ret = (struct arguments){.ready_fd = -1};
    while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        switch (c) {
        case 'l':
            ret->lab = optarg;
            break;
        case 't':
            ret->topology = optarg;
            break;
        case 'a':
            ret->adopt = true;
            break;
        case 'd':
            ret->doctor = true;
            break;
        case 'r':
            ret->ready_fd = atoi(optarg);
            break;
        default:
            return -EINVAL;
        }
    }
    if (ret->doctor)
        return 0;
    return ret->lab && text_is_name(ret->lab) && (ret->adopt || ret->topology) ? 0 : -EINVAL;
}

/**
 * tell_ready() - Tell labctl how the start went
 * @fd:		Ready descriptor or -1; closed
 * @err:	Why it failed, or NULL
 */
static void tell_ready(int fd, const struct error *err)
{
    json_t *line;
    char *text;

    if (fd < 0)
        return;
    if (err)
        line = json_pack("{s:{s:s, s:s?, s:s}}", "error", "message", error_message(err), "hint",
                         err->hint, "kind", err->kind == ERROR_KIND_INPUT ? "input" : "failed");
    else
        line = json_pack("{s:b}", "ok", 1);
    text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    if (text) {
        (void)write_all(fd, text, strlen(text));
        (void)write_all(fd, "\n", 1);
    }
    free(text);
    (void)close(fd);
}

/**
 * on_signal() - Asked to end: take the lab down
 * @source:	Its event source
 * @info:	Which signal
 * @data:	Lab
 *
 * Return: 0
 */
static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
    (void)source;
    log_info("signal %u: taking the lab down", info->ssi_signo);
    lab_down(data, NULL, false, false);
    return 0;
}

/**
 * on_idle() - Nobody has said what to do with the lab
 * @source:	Timer
 * @usec:	Unused
 * @data:	Lab
 *
 * labctl calls lab.up right after the start; if it was killed in between, nobody ever will.
 *
 * Return: 0
 */
static int on_idle(sd_event_source *source, uint64_t usec, void *data)
{
    struct lab *lab = data;

    (void)source;
    (void)usec;
    if (lab->state == LAB_IDLE) {
        log_info("nobody brought the lab up");
        lab_down(lab, NULL, false, true);
    }
    return 0;
}

/**
 * redirect_log() - stderr goes to the lab's log from now on
 * @lab:	Lab
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int redirect_log(const struct lab *lab, struct error *err)
{
    _cleanup_free_ char *path = path_join(lab->run_dir, "engine.log");
    _cleanup_close_ int fd =
        open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
        return error_errno(err, errno, "%s", path);
    return 0;
}

/**
 * open_lab() - Make the lab, or find it again
 * @event:	Loop
 * @arguments:	Command line
 * @ret_lab:	Result
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int open_lab(sd_event *event, const struct arguments *arguments, struct lab **ret_lab,
                    struct error *err)
{
    _cleanup_free_ char *run_root = paths_run_root(), *run_dir = NULL, *rpc_path = NULL;
    struct lab *lab = NULL;
    json_t *state = NULL;
    const char *topology = arguments->topology;
    int r = 0;

    run_dir = path_join(run_root, arguments->lab);
    if (arguments->adopt) {
        r = lab_state_load(run_dir, &state, err);
        topology = json_string_value(json_object_get(state, "topology"));
        if (r == 0 && !topology)
            r = error_set(err, EINVAL, "%s/state.json: names no topology", run_dir);
    }
    if (r == 0)
        r = lab_new(event, arguments->lab, topology, state, &lab, err);
    if (r == 0)
        r = redirect_log(lab, err);
    if (r == 0) {
        rpc_path = path_join(lab->run_dir, "engine.sock");
        r = rpc_server_new(event, rpc_path, lab_methods, lab_method_count, lab, &lab->rpc, err);
    }
    if (r == 0 && state)
        r = lab_state_adopt(lab, state, err);
    json_decref(state);
    if (r < 0) {
        if (lab && !arguments->adopt)
            (void)dir_remove_tree(lab->run_dir, NULL);
        lab_free(lab);
        return r;
    }
    *ret_lab = lab;
    return 0;
}

/**
 * run_engine() - Serve one lab to its end
 * @arguments:	Command line
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int run_engine(struct arguments *arguments, struct error *err)
{
    sd_event *event = NULL;
    struct lab *lab = NULL;
    sigset_t mask;
    int r;

    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &mask, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    r = sd_event_default(&event);
    if (r < 0)
        return error_errno(err, -r, "event loop");
    r = open_lab(event, arguments, &lab, err);
    if (r == 0) {
        r = sd_event_add_signal(event, NULL, SIGTERM, on_signal, lab);
        if (r < 0)
            (void)error_errno(err, -r, "watch SIGTERM");
        (void)sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, IDLE_MAX_US, 1000000,
                                         on_idle, lab);
    }
    tell_ready(arguments->ready_fd, r < 0 ? err : NULL);
    arguments->ready_fd = -1;
    if (r >= 0) {
        r = sd_event_loop(event);
        if (r < 0)
            (void)error_errno(err, -r, "event loop");
    }
    lab_free(lab);
    sd_event_unref(event);
    return r < 0 ? r : 0;
}

/**
 * raise_fd_limit() - Fifty nodes with eight NICs each pass many descriptors
 */
static void raise_fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct arguments arguments;

    (void)umask(0077);
    if (parse_arguments(argc, argv, &arguments) < 0) {
        (void)fprintf(stderr, "usage: labctl-engine --lab NAME (--topology FILE | --adopt) "
                              "[--ready-fd N] | --doctor\nlabctl starts it by itself.\n");
        return ERROR_KIND_INPUT;
    }
    raise_fd_limit();
    if (arguments.doctor) {
        json_t *document = doctor_run();

        (void)json_dumpf(document, stdout, JSON_INDENT(1));
        (void)fputc('\n', stdout);
        json_decref(document);
        return 0;
    }
    if (arguments.ready_fd >= 0)
        (void)fcntl(arguments.ready_fd, F_SETFD, FD_CLOEXEC);
    if (run_engine(&arguments, &err) < 0) {
        log_error("%s", error_message(&err));
        return (int)err.kind;
    }
    return 0;
}
