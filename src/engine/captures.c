// SPDX-License-Identifier: GPL-2.0-or-later

/* Captures: one worker process each, run by the fabric inside the lab's namespace. The worker
 * listens on RUN/capture-N.sock (capture/capture.h). Engine and worker talk by JSON lines and short
 * texts there: the engine keeps the worker's figures and tells it what happens in the lab.
 * capture.start is answered when the worker says that it sees packets, capture.stop when it has
 * ended and its file is whole. A stream's worker writes to the client's own connection, so the
 * engine never touches a packet.
 *
 * An engine that dies takes no capture with it. state.json names the workers by pid and start time,
 * and the next engine connects to them as this one did. */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/text.h"
#include "engine/captures_priv.h"

#define REPORT_MAX     (64u << 10)
#define FILES_LEAST    2
#define FILE_BYTES_MIN (64 << 10)

/* A worker that is killed sooner than this is not replaced: the next one would fare no better. */
#define AGE_LEAST_MS 2000u
#define RATE_AGE_MS  2500u

/**
 * realtime_ms() - Read the clock
 *
 * Return: milliseconds since 1970
 */
static uint64_t realtime_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct capture_run *capture_run_new(struct lab *lab)
{
    struct capture_run *run = xnew0(struct capture_run, 1);

    run->lab = lab;
    run->pidfd = run->control_fd = -1;
    return run;
}

void capture_run_free(struct capture_run *run)
{
    if (!run)
        return;
    sd_event_source_disable_unref(run->exit_source);
    sd_event_source_disable_unref(run->control_source);
    cleanup_close(&run->pidfd);
    cleanup_close(&run->control_fd);
    capture_keep_ended(run);
    json_decref(run->where);
    json_decref(run->params);
    json_decref(run->files);
    free(run->file);
    free(run->filter);
    free(run->side);
    free(run->told);
    free(run->error);
    free(run);
}

void captures_free(struct lab *lab)
{
    for (size_t i = 0; i < lab->capture_count; i++)
        capture_run_free(lab->captures[i]);
    free(lab->captures);
    lab->captures = NULL;
    lab->capture_count = lab->capture_capacity = 0;
    capture_run_free(lab->keeper);
    lab->keeper = NULL;
}

json_t *captures_json(const struct capture_run *run)
{
    /* Workers report once a second if there is something new. */
    bool lately = !run->ended && realtime_ms() < run->report_ms + RATE_AGE_MS;
    double rate = lately ? run->packets_per_s : 0;
    const char *state = run->ended ? "ended" : run->started ? "running" : "starting";
    json_t *json =
        json_pack("{s:i, s:O, s:s?, s:s?, s:s?, s:I, s:I, s:I, s:s, s:s?}", "id", (int)run->id,
                  "where", run->where, "file", run->file, "filter", run->filter, "side", run->side,
                  "packets", (json_int_t)run->packets, "bytes", (json_int_t)run->bytes, "dropped",
                  (json_int_t)run->dropped, "state", state, "error", run->error);

    (void)json_object_set_new(json, "packets_per_s", json_real(rate));
    (void)json_object_set(json, "files", run->files ? run->files : json_null());
    return json;
}

/**
 * worker_age_ms() - How long a capture's worker has run
 * @run:	Capture
 *
 * Return: milliseconds
 */
static uint64_t worker_age_ms(const struct capture_run *run)
{
    return realtime_ms() - run->worker_ms;
}

/* ---- what the worker says ---- */

/**
 * remove_run() - Take an ended stream off the list: nobody can ask for it any more
 * @run:	Capture; freed
 */
static void remove_run(struct capture_run *run)
{
    struct lab *lab = run->lab;

    for (size_t i = 0; i < lab->capture_count; i++) {
        if (lab->captures[i] == run) {
            memmove(&lab->captures[i], &lab->captures[i + 1],
                    (lab->capture_count - i - 1) * sizeof(lab->captures[0]));
            lab->capture_count--;
            break;
        }
    }
    if (lab->keeper == run)
        lab->keeper = NULL;
    capture_run_free(run);
}

/**
 * take_packets() - A worker says how many packets it has; from the last time, how many a second
 * @run:	Capture
 * @packets:	Of all its workers
 */
static void take_packets(struct capture_run *run, uint64_t packets)
{
    uint64_t now = realtime_ms(), was = run->report_ms ? run->report_ms : run->worker_ms;

    if (now > was && packets >= run->packets)
        run->packets_per_s = (double)(packets - run->packets) * 1000 / (double)(now - was);
    run->packets = packets;
    run->report_ms = now;
}

/**
 * take_report() - Understand one report
 * @run:	Capture
 * @line:	JSON object
 * @size:	Its length
 */
static void take_report(struct capture_run *run, const char *line, size_t size)
{
    json_t *report = json_loadb(line, size, 0, NULL);
    const char *event = json_string_value(json_object_get(report, "event"));

    if (!event) {
        log_warning("capture %u: unreadable report", run->id);
    } else if (strcmp(event, "started") == 0) {
        run->started = true;
        if (run->pending)
            rpc_reply(run->pending, captures_json(run));
        run->pending = NULL;
    } else if (strcmp(event, "saved") == 0) {
        capture_keep_saved(run, report);
    } else if (strcmp(event, "ends") == 0) {
        run->answered = (uint64_t)json_integer_value(json_object_get(report, "id"));
    } else {
        json_t *dropped = json_object_get(report, "dropped");
        const char *why = json_string_value(json_object_get(report, "why"));

        if (dropped) {
            take_packets(run, run->before[0] +
                                  (uint64_t)json_integer_value(json_object_get(report, "packets")));
            run->bytes =
                run->before[1] + (uint64_t)json_integer_value(json_object_get(report, "bytes"));
            run->dropped = run->before[2] + (uint64_t)json_integer_value(dropped);
        }
        if (strcmp(event, "ended") == 0)
            run->finished = true;
        if (json_is_true(json_object_get(report, "failed"))) {
            free(run->error);
            run->error = text_escape(why ? why : "unknown error", why ? strlen(why) : 13);
        }
    }
    json_decref(report);
}

bool capture_run_read(struct capture_run *run)
{
    _cleanup_free_ char *message = xmalloc0(REPORT_MAX, 1);

    for (;;) {
        ssize_t n = run->control_fd < 0 ? 0 : recv(run->control_fd, message, REPORT_MAX, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        if (n == 0)
            return false;
        take_report(run, message, (size_t)n);
    }
}

/**
 * on_report() - The worker says something
 * @source:	Its event source
 * @fd:		Connection
 * @revents:	Unused
 * @data:	Capture
 *
 * Return: 0
 */
static int on_report(sd_event_source *source, int fd, uint32_t revents, void *data)
{
    struct capture_run *run = data;

    (void)fd;
    (void)revents;
    if (!capture_run_read(run))
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    return 0;
}

/**
 * socket_path() - Where a worker listens
 * @run:	Capture
 *
 * Return: path, caller frees
 */
static char *socket_path(const struct capture_run *run)
{
    return xasprintf("%s/capture-%u.sock", run->lab->run_dir, run->id);
}

/**
 * stop_ended() - Count an ended capture towards the call that stops it
 * @run:	Capture
 */
static void stop_ended(struct capture_run *run)
{
    struct capture_stop *stop = run->stopping;

    run->stopping = NULL;
    if (!stop)
        return;
    (void)json_array_append_new(stop->captures, captures_json(run));
    if (--stop->remaining > 0)
        return;
    rpc_reply(stop->call, json_pack("{s:o}", "captures", stop->captures));
    free(stop);
}

/**
 * tell_note() - Have a comment put on the next packet of a capture
 * @run:	Capture
 * @text:	Comment
 */
static void tell_note(struct capture_run *run, const char *text)
{
    _cleanup_free_ char *message = NULL;
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    message = xasprintf("note %lld%09ld %.*s", (long long)now.tv_sec, now.tv_nsec,
                        (int)CAPTURE_NOTE_MAX, text);
    (void)capture_run_tell(run, message, -1, NULL);
}

/**
 * let_go() - Forget a worker that has ended
 * @run:	Capture
 */
static void let_go(struct capture_run *run)
{
    _cleanup_free_ char *path = socket_path(run);

    run->exit_source = sd_event_source_disable_unref(run->exit_source);
    run->control_source = sd_event_source_disable_unref(run->control_source);
    cleanup_close(&run->control_fd);
    cleanup_close(&run->pidfd);
    run->control_fd = run->pidfd = -1;
    (void)unlink(path);
}

/**
 * go_on() - Replace a worker that was killed
 * @run:	Capture without a worker
 *
 * Return: true if another one has its place
 */
static bool go_on(struct capture_run *run)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct lab *lab = run->lab;
    bool quickly = worker_age_ms(run) < AGE_LEAST_MS;

    if (run->finished || !run->started || run->stopping || lab->state == LAB_STOPPING ||
        capture_files_ended(run))
        return false;
    free(run->error);
    run->error = xstrdup("its worker was killed");
    if (!run->file || quickly)
        return false;
    if (capture_run_again(run, &err) < 0) {
        free(run->error);
        run->error =
            xasprintf("its worker was killed, and cannot be replaced: %s", error_message(&err));
        return false;
    }
    free(run->error);
    run->error = NULL;
    lab_event(lab, "capture", NULL, "capture %u goes on: its worker was killed", run->id);
    tell_note(run, "labctl: the capture's worker was killed and another one took its place: "
                   "packets before this one may be missing");
    return true;
}

void capture_run_ended(struct capture_run *run)
{
    struct lab *lab = run->lab;
    bool quickly = worker_age_ms(run) < AGE_LEAST_MS;

    let_go(run);
    if (go_on(run))
        return;
    run->ended = true;
    capture_files_clean(run, false);
    if (run->pending) {
        struct error err = ERROR_INIT;

        (void)error_set(&err, EIO, "capture: %s", run->error ? run->error : "its worker ended");
        rpc_fail(run->pending, &err);
        run->pending = NULL;
        capture_files_clean(run, true);
        remove_run(run);
        return;
    }
    stop_ended(run);
    if (run->id)
        lab_event(lab, "capture", NULL, "capture %u ended%s%s", run->id, run->error ? ": " : "",
                  run->error ? run->error : "");
    else if (run->error)
        log_warning("the last stretch of traffic is not kept any more: %s", run->error);
    if (!run->file) {
        /* Not one that failed: the next would, too. */
        bool renew =
            run->id == 0 && lab->state != LAB_STOPPING && (run->finished ? !run->error : !quickly);

        remove_run(run);
        if (renew)
            captures_keep_start(lab);
    }
}

/**
 * on_worker_exit() - The worker ended
 * @source:	Its event source
 * @fd:		Its pidfd
 * @revents:	Unused
 * @data:	Capture
 *
 * Return: 0
 */
static int on_worker_exit(sd_event_source *source, int fd, uint32_t revents, void *data)
{
    struct capture_run *run = data;
    struct lab *lab = run->lab;

    (void)source;
    (void)fd;
    (void)revents;
    (void)capture_run_read(run);
    capture_run_ended(run);
    lab_changed(lab);
    return 0;
}

/* ---- the worker ---- */

/**
 * watch_worker() - Hear of its reports and its end
 * @run:	Capture, connected and with a pidfd
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int watch_worker(struct capture_run *run, struct error *err)
{
    int r = sd_event_add_io(run->lab->event, &run->control_source, run->control_fd, EPOLLIN,
                            on_report, run);

    if (r >= 0)
        r = sd_event_add_io(run->lab->event, &run->exit_source, run->pidfd, EPOLLIN, on_worker_exit,
                            run);
    return r < 0 ? error_errno(err, -r, "watch the capture worker") : 0;
}

int capture_run_spawn(struct capture_run *run, struct capture_options *options, const int *outputs,
                      size_t output_count, struct error *err)
{
    _cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), listen_fd = -1;
    _cleanup_free_ char *path = socket_path(run);
    int fds[CAPTURE_FD_FILES + CAPTURE_FILES_MAX] = {null_fd, null_fd, STDERR_FILENO, null_fd};
    char **argv;
    pid_t pid;
    int r;

    listen_fd = socket_listen(path, SOCK_SEQPACKET | SOCK_NONBLOCK, err);
    if (listen_fd < 0)
        return listen_fd;
    /* Connected before it runs: it finds its listener when it has its first thing to say. */
    run->control_fd = socket_connect(path, SOCK_SEQPACKET | SOCK_NONBLOCK, err);
    if (run->control_fd < 0)
        return run->control_fd;
    options->lab = run->lab->name;
    options->control = true;
    fds[CAPTURE_FD_CONTROL] = listen_fd;
    if (output_count > 0)
        fds[CAPTURE_FD_OUTPUT] = outputs[0];
    for (size_t i = 1; i < output_count; i++)
        fds[CAPTURE_FD_FILES + i - 1] = outputs[i];
    run->worker_ms = realtime_ms();
    argv = capture_worker_argv(options);
    r = fabric_spawn(run->lab->fabric, (const char *const *)argv, fds,
                     CAPTURE_FD_FILES + (output_count ? output_count - 1 : 0), &pid, &run->pidfd,
                     err);
    capture_argv_free(argv);
    if (r == 0) {
        r = process_identify(pid, &run->process, NULL);
        if (r < 0) { /* gone already; its last words are in the connection */
            run->process = (struct process_id){.pid = pid};
            r = 0;
        }
        r = watch_worker(run, err);
    }
    if (r < 0)
        (void)unlink(path);
    return r;
}

int capture_run_adopt(struct capture_run *run, struct error *err)
{
    _cleanup_free_ char *path = socket_path(run);

    run->pidfd = process_open(&run->process);
    if (run->pidfd < 0)
        return error_set(err, ESRCH, "its worker ended while no engine was watching");
    run->control_fd = socket_connect(path, SOCK_SEQPACKET | SOCK_NONBLOCK, err);
    if (run->control_fd < 0) {
        (void)pidfd_signal(run->pidfd, SIGTERM);
        return run->control_fd;
    }
    return watch_worker(run, err);
}

int capture_run_tell(struct capture_run *run, const char *text, int fd, struct error *err)
{
    int r = run->control_fd < 0
                ? -ENOTCONN
                : socket_send_fds(run->control_fd, text, strlen(text), &fd, fd >= 0);

    return r < 0 ? error_errno(err, -r, "capture %u", run->id) : 0;
}

void captures_note(struct lab *lab, const char *text)
{
    for (size_t i = 0; i < lab->capture_count; i++)
        if (!lab->captures[i]->ended)
            tell_note(lab->captures[i], text);
    if (lab->keeper)
        tell_note(lab->keeper, text);
}

/* ---- starting and stopping ---- */

/* What a capture.start or capture.stream asks for. */
struct request {
    json_t *where; /* borrowed */
    const char *filter, *side, *file;
    json_int_t snaplen, packets, bytes, duration_ms, file_bytes, files;
    bool once, joins;
    struct capture_where endpoints;
};

/**
 * request_done() - Free what a request holds
 * @request:	Request
 */
static void request_done(struct request *request)
{
    capture_where_done(&request->endpoints);
}

/**
 * read_request() - Read and check the call's parameters
 * @lab:	Lab
 * @params:	Of the call
 * @request:	Filled; to be freed in any case
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int read_request(struct lab *lab, json_t *params, struct request *request, struct error *err)
{
    json_t *rotate = json_object_get(params, "rotate");
    int r = rpc_param_strings(params, "where", false, &request->where, err);

    if (r == 0)
        r = rpc_param_string(params, "filter", false, &request->filter, err);
    if (r == 0)
        r = rpc_param_string(params, "side", false, &request->side, err);
    if (r == 0)
        r = rpc_param_string(params, "file", false, &request->file, err);
    if (r == 0)
        r = rpc_param_integer(params, "snaplen", false, 0, 262144, &request->snaplen, err);
    if (r == 0)
        r = rpc_param_integer(params, "packets", false, 0, INT64_MAX, &request->packets, err);
    if (r == 0)
        r = rpc_param_integer(params, "bytes", false, 0, INT64_MAX, &request->bytes, err);
    if (r == 0)
        r = rpc_param_integer(params, "duration_ms", false, 0, (json_int_t)366 * 86400 * 1000,
                              &request->duration_ms, err);
    if (r == 0 && rotate)
        r = rpc_param_integer(rotate, "bytes", true, FILE_BYTES_MIN, INT64_MAX,
                              &request->file_bytes, err);
    if (r == 0 && rotate)
        r = rpc_param_integer(rotate, "files", true, FILES_LEAST, CAPTURE_FILES_MAX,
                              &request->files, err);
    if (r == 0 && request->filter)
        r = capture_filter_check(request->filter, err);
    if (r == 0 && lab->state == LAB_STOPPING)
        r = error_set(err, ESHUTDOWN, "lab '%s' is going down", lab->name);
    if (r == 0)
        r = network_ensure(lab, err);
    if (r == 0)
        r = rpc_param_bool(params, "once", false, &request->once, err);
    if (r == 0)
        r = rpc_param_bool(params, "joins", false, &request->joins, err);
    if (r == 0)
        r = capture_where_resolve(lab, request->where, request->side, &request->endpoints, err);
    if (r == 0 && request->once && !request->side)
        capture_where_once(lab, &request->endpoints);
    return r;
}

int captures_check(struct lab *lab, json_t *params, struct error *err)
{
    _cleanup_(request_done) struct request request = {0};

    return read_request(lab, params, &request, err);
}

/**
 * spawn_for() - Open what it writes to and start the worker
 * @run:	Capture
 * @request:	What is wanted
 * @fd:		A stream's output, -1: files
 * @err:	Error to fill
 *
 * A capture that was started already goes on with its files.
 *
 * Return: 0 or -errno
 */
static int spawn_for(struct capture_run *run, const struct request *request, int fd,
                     struct error *err)
{
    bool again = run->started;
    struct capture_options options = {
        .endpoints = request->endpoints.items,
        .endpoint_count = request->endpoints.count,
        .filter = request->filter,
        .snaplen = (uint32_t)request->snaplen,
        .max_packets = (uint64_t)request->packets,
        .max_bytes = (uint64_t)request->bytes,
        .duration_ns = (uint64_t)request->duration_ms * 1000000u,
        .live = fd >= 0,
        .files = fd >= 0 ? 0 : (unsigned)request->files,
        .file_bytes = (uint64_t)request->file_bytes,
        .resume = again,
    };
    int outputs[CAPTURE_FILES_MAX] = {fd};
    size_t count = 1;
    int r = 0;

    if (fd < 0 && again)
        r = capture_files_again(run, outputs, &count, err);
    else if (fd < 0)
        r = capture_files_open(run, request->file, options.files, outputs, &count, err);
    if (r == 0)
        r = capture_run_spawn(run, &options, outputs, count, err);
    for (size_t i = 0; fd < 0 && i < count; i++)
        (void)close(outputs[i]);
    if (r < 0 && fd < 0 && count > 0 && !again)
        capture_files_clean(run, true);
    if (r == 0)
        run->told = capture_where_text(&request->endpoints);
    return r;
}

int captures_start(struct lab *lab, json_t *params, int fd, struct capture_run **ret_run,
                   struct error *err)
{
    _cleanup_(request_done) struct request request = {0};
    _cleanup_close_ int output = fd;
    struct capture_run *run;
    int r = read_request(lab, params, &request, err);

    if (r < 0)
        return r;
    run = capture_run_new(lab);
    run->id = lab->next_capture;
    run->where = request.where ? json_incref(request.where) : json_array();
    run->filter = xstrdup(request.filter);
    run->side = xstrdup(request.side);
    run->once = request.once && !request.side;
    run->params = json_incref(params);
    run->since_ms = realtime_ms();
    r = spawn_for(run, &request, output, err);
    if (r < 0) {
        capture_run_free(run);
        return r;
    }
    lab->next_capture++;
    array_grow(lab->captures, lab->capture_count, lab->capture_capacity);
    lab->captures[lab->capture_count++] = run;
    if (request.joins)
        tell_note(run, "labctl: the stream broke off here, as its worker was killed: packets "
                       "before this one may be missing");
    lab_changed(lab);
    *ret_run = run;
    return 0;
}

/**
 * less() - What is left of a limit
 * @limit:	Limit, 0: none
 * @used:	How much was used
 *
 * Return: the rest, at least 1; 0: no limit
 */
static json_int_t less(json_int_t limit, uint64_t used)
{
    if (limit == 0)
        return 0;
    return (uint64_t)limit > used ? limit - (json_int_t)used : 1;
}

int capture_run_again(struct capture_run *run, struct error *err)
{
    _cleanup_(request_done) struct request request = {0};
    int r = run->params ? read_request(run->lab, run->params, &request, err) : -EINVAL;

    if (r < 0)
        return r;
    run->before[0] = run->packets;
    run->before[1] = run->bytes;
    run->before[2] = run->dropped;
    request.packets = less(request.packets, run->packets);
    request.bytes = less(request.bytes, run->bytes);
    request.duration_ms = less(request.duration_ms, realtime_ms() - run->since_ms);
    free(run->told);
    run->told = NULL;
    run->orders = run->answered = 0;
    return spawn_for(run, &request, -1, err);
}

void captures_stop(struct capture_run *run)
{
    run->finished = true;
    if (!run->ended)
        (void)pidfd_signal(run->pidfd, SIGTERM);
}

void captures_stop_all(struct lab *lab)
{
    for (size_t i = 0; i < lab->capture_count; i++)
        captures_stop(lab->captures[i]);
    if (lab->keeper)
        captures_stop(lab->keeper);
}

bool captures_all_ended(const struct lab *lab)
{
    for (size_t i = 0; i < lab->capture_count; i++)
        if (!lab->captures[i]->ended)
            return false;
    return !lab->keeper || lab->keeper->ended;
}
