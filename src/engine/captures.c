// SPDX-License-Identifier: GPL-2.0-or-later

/* Captures: one worker process each, run by the fabric inside the lab's namespace. A worker tells
 * what it does as JSON lines on a pipe (capture/capture.h); the engine keeps its figures.
 * capture.start is answered when the worker says that it sees packets, capture.stop when it has
 * ended and its file is whole. A stream's worker writes to the client's own connection, so the
 * engine never touches a packet. */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "capture/capture.h"
#include "engine/lab_priv.h"

#define REPORT_LINE_MAX (64u << 10)

/**
 * run_free() - Free a capture that has ended, or that never was
 * @run:	Capture
 */
static void run_free(struct capture_run *run)
{
    if (!run)
        return;
    sd_event_source_disable_unref(run->exit_source);
    sd_event_source_disable_unref(run->report_source);
    cleanup_close(&run->pidfd);
    cleanup_close(&run->report_fd);
    strbuf_done(&run->report);
    json_decref(run->where);
    free(run->file);
    free(run->filter);
    free(run->error);
    free(run);
}

void captures_free(struct lab *lab)
{
    for (size_t i = 0; i < lab->capture_count; i++)
        run_free(lab->captures[i]);
    free(lab->captures);
    lab->captures = NULL;
    lab->capture_count = lab->capture_capacity = 0;
}

json_t *captures_json(const struct capture_run *run)
{
    return json_pack("{s:i, s:O, s:s?, s:s?, s:I, s:I, s:I, s:s, s:s?}", "id", (int)run->id,
                     "where", run->where, "file", run->file, "filter", run->filter, "packets",
                     (json_int_t)run->packets, "bytes", (json_int_t)run->bytes, "dropped",
                     (json_int_t)run->dropped, "state", run->ended ? "ended" : "running", "error",
                     run->error);
}

/* ---- where ---- */

/* The endpoints of a capture while they are gathered. */
struct endpoints {
    struct capture_endpoint *items;
    size_t count, capacity;
    char **labels; /* owned strings behind items[].label */
};

/**
 * endpoints_done() - Free them
 * @endpoints:	What to free
 */
static void endpoints_done(struct endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->count; i++)
        free(endpoints->labels[i]);
    free(endpoints->labels);
    free(endpoints->items);
}

/**
 * link_of() - Name of the link or segment a NIC is cabled to
 * @topology:	Topology
 * @node:	Node
 * @nic:	NIC
 *
 * Return: borrowed name or NULL
 */
static const char *link_of(const struct topology *topology, size_t node, unsigned nic)
{
    for (size_t i = 0; i < topology->link_count; i++)
        for (unsigned end = 0; end < 2; end++)
            if (topology->links[i].ends[end].node == node &&
                topology->links[i].ends[end].nic == nic)
                return topology->links[i].name;
    for (size_t i = 0; i < topology->lan_count; i++)
        for (size_t j = 0; j < topology->lans[i].end_count; j++)
            if (topology->lans[i].ends[j].node == node && topology->lans[i].ends[j].nic == nic)
                return topology->lans[i].name;
    return NULL;
}

/**
 * add_nic() - Add one NIC, once
 * @lab:	Lab
 * @endpoints:	Where to
 * @node:	Node
 * @nic:	NIC
 */
static void add_nic(const struct lab *lab, struct endpoints *endpoints, size_t node, unsigned nic)
{
    const struct fabric_tap *tap = &lab->plan->taps[lab->plan->first_tap[node] + nic];
    _cleanup_free_ char *port = appliance_port_name(lab->nodes[node].appliance, nic);
    size_t capacity = endpoints->capacity;

    for (size_t i = 0; i < endpoints->count; i++)
        if (strcmp(endpoints->items[i].ifname, tap->ifname) == 0)
            return;
    array_grow(endpoints->items, endpoints->count, endpoints->capacity);
    if (capacity != endpoints->capacity)
        endpoints->labels = xrealloc(endpoints->labels, endpoints->capacity, sizeof(char *));
    endpoints->labels[endpoints->count] = xasprintf("%s:%s", lab->topology->nodes[node].name, port);
    endpoints->items[endpoints->count] = (struct capture_endpoint){
        .ifname = tap->ifname,
        .label = endpoints->labels[endpoints->count],
        .link = link_of(lab->topology, node, nic),
    };
    endpoints->count++;
}

/**
 * add_node_port() - Resolve "r1:eth0" or "r1"
 * @lab:	Lab
 * @endpoints:	Where to
 * @where:	What was asked for
 *
 * Return: true if it is one of those
 */
static bool add_node_port(const struct lab *lab, struct endpoints *endpoints, const char *where)
{
    const char *colon = strchr(where, ':');
    _cleanup_free_ char *name = xstrndup(where, colon ? (size_t)(colon - where) : strlen(where));
    ptrdiff_t node = topology_find_node(lab->topology, name);
    int nic;

    if (node < 0)
        return false;
    if (!colon) {
        for (unsigned i = 0; i < lab->topology->nodes[node].nics; i++)
            add_nic(lab, endpoints, (size_t)node, i);
        return lab->topology->nodes[node].nics > 0;
    }
    nic = appliance_port_index(lab->nodes[node].appliance, colon + 1);
    if (nic < 0 || (unsigned)nic >= lab->topology->nodes[node].nics)
        return false;
    add_nic(lab, endpoints, (size_t)node, (unsigned)nic);
    return true;
}

/**
 * add_where() - Resolve one place: an endpoint, a link, a segment or a node
 * @lab:	Lab
 * @endpoints:	Where to
 * @where:	What was asked for
 * @err:	Error to fill
 *
 * Of a link one end is enough: every frame of both directions passes it.
 *
 * Return: 0 or -errno
 */
static int add_where(const struct lab *lab, struct endpoints *endpoints, const char *where,
                     struct error *err)
{
    const struct topology *topology = lab->topology;
    _cleanup_free_ char *shown = NULL;

    for (size_t i = 0; i < topology->link_count; i++) {
        if (strcmp(topology->links[i].name, where) == 0) {
            add_nic(lab, endpoints, topology->links[i].ends[0].node,
                    topology->links[i].ends[0].nic);
            return 0;
        }
    }
    for (size_t i = 0; i < topology->lan_count; i++) {
        if (strcmp(topology->lans[i].name, where) != 0)
            continue;
        for (size_t j = 0; j < topology->lans[i].end_count; j++)
            add_nic(lab, endpoints, topology->lans[i].ends[j].node, topology->lans[i].ends[j].nic);
        return 0;
    }
    if (add_node_port(lab, endpoints, where))
        return 0;
    shown = text_escape(where, strnlen(where, 100));
    (void)error_input(err, "'%s' is neither an endpoint, a link, a segment nor a node of this lab",
                      shown);
    error_hint(err, "'labctl link list' shows them all; an endpoint is written r1:eth0");
    return -EINVAL;
}

/* ---- the worker ---- */

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
    run_free(run);
}

/**
 * take_report() - Understand one line of the worker's report
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
    } else {
        json_t *dropped = json_object_get(report, "dropped");
        const char *why = json_string_value(json_object_get(report, "why"));

        if (dropped) {
            run->packets = (uint64_t)json_integer_value(json_object_get(report, "packets"));
            run->bytes = (uint64_t)json_integer_value(json_object_get(report, "bytes"));
            run->dropped = (uint64_t)json_integer_value(dropped);
        }
        if (strcmp(event, "error") == 0 || json_is_true(json_object_get(report, "failed"))) {
            free(run->error);
            run->error = text_escape(why ? why : "unknown error", why ? strlen(why) : 13);
        }
    }
    json_decref(report);
}

/**
 * read_reports() - Take in what the worker has written so far
 * @run:	Capture
 *
 * Return: false at its end
 */
static bool read_reports(struct capture_run *run)
{
    for (;;) {
        char chunk[4096], *newline;
        ssize_t n = read(run->report_fd, chunk, sizeof(chunk));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        if (n == 0)
            return false;
        strbuf_append(&run->report, chunk, (size_t)n);
        while (run->report.size && (newline = memchr(run->report.data, '\n', run->report.size))) {
            size_t size = (size_t)(newline - run->report.data);

            take_report(run, run->report.data, size);
            strbuf_consume(&run->report, size + 1);
        }
        if (run->report.size > REPORT_LINE_MAX)
            return false;
    }
}

/**
 * on_report() - The worker says something
 * @source:	Its event source
 * @fd:		Pipe
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
    if (!read_reports(run))
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
    return 0;
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
    (void)read_reports(run);
    run->ended = true;
    run->exit_source = sd_event_source_disable_unref(run->exit_source);
    run->report_source = sd_event_source_disable_unref(run->report_source);
    if (run->pending) {
        struct error err = ERROR_INIT;

        (void)error_set(&err, EIO, "capture: %s", run->error ? run->error : "its worker ended");
        rpc_fail(run->pending, &err);
        run->pending = NULL;
    }
    stop_ended(run);
    lab_event(lab, "capture", NULL, "capture %u ended%s%s", run->id, run->error ? ": " : "",
              run->error ? run->error : "");
    if (!run->file)
        remove_run(run);
    lab_changed(lab);
    return 0;
}

/**
 * spawn_worker() - Have the fabric start the worker
 * @run:	Capture
 * @endpoints:	What it captures
 * @params:	Of the call: snaplen, packets
 * @output:	Where the pcapng goes; borrowed
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int spawn_worker(struct capture_run *run, const struct endpoints *endpoints, json_t *params,
                        int output, struct error *err)
{
    _cleanup_close_ int report_write = -1, null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    json_int_t snaplen = 0, packets = 0;
    int pipe_fds[2], r;
    char **argv;

    r = rpc_param_integer(params, "snaplen", false, 0, 262144, &snaplen, err);
    if (r == 0)
        r = rpc_param_integer(params, "packets", false, 0, INT64_MAX, &packets, err);
    if (r < 0)
        return r;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return error_errno(err, errno, "pipe");
    run->report_fd = pipe_fds[0];
    report_write = pipe_fds[1];
    (void)fcntl(run->report_fd, F_SETFL, O_NONBLOCK);
    argv = capture_worker_argv(&(struct capture_options){
        .lab = run->lab->name,
        .endpoints = endpoints->items,
        .endpoint_count = endpoints->count,
        .filter = run->filter,
        .snaplen = (uint32_t)snaplen,
        .max_packets = (uint64_t)packets,
        .live = !run->file,
    });
    r = fabric_spawn(run->lab->fabric, (const char *const *)argv,
                     (int[]){null_fd, report_write, STDERR_FILENO, output}, 4, &run->pid,
                     &run->pidfd, err);
    capture_argv_free(argv);
    if (r < 0)
        return r;
    r = sd_event_add_io(run->lab->event, &run->report_source, run->report_fd, EPOLLIN, on_report,
                        run);
    if (r >= 0)
        r = sd_event_add_io(run->lab->event, &run->exit_source, run->pidfd, EPOLLIN, on_worker_exit,
                            run);
    return r < 0 ? error_errno(err, -r, "watch the capture worker") : 0;
}

/**
 * default_file() - A name for a capture that was given none
 * @lab:	Lab
 * @where:	First place asked for
 * @err:	Error to fill
 *
 * Return: new absolute path, NULL on failure
 */
static char *default_file(struct lab *lab, const char *where, struct error *err)
{
    _cleanup_free_ char *dir = path_join(lab->state_dir, "captures");
    _cleanup_free_ char *safe = xstrdup(where);
    char stamp[32] = "";
    struct tm tm = {0};
    time_t now = time(NULL);

    if (dir_make_private(dir, err) < 0)
        return NULL;
    for (char *at = safe; *at; at++)
        if (*at == '/' || *at == ':')
            *at = '-';
    (void)localtime_r(&now, &tm);
    (void)strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
    return xasprintf("%s/%s-%s-%u.pcapng", dir, safe, stamp, lab->next_capture);
}

/**
 * prepare_run() - Read the call's parameters into a capture
 * @run:	Capture
 * @params:	Of the call
 * @endpoints:	Filled with what it names
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int prepare_run(struct capture_run *run, json_t *params, struct endpoints *endpoints,
                       struct error *err)
{
    const char *filter = NULL;
    json_t *where = NULL, *item;
    size_t i;
    int r = rpc_param_strings(params, "where", true, &where, err);

    if (r == 0)
        r = rpc_param_string(params, "filter", false, &filter, err);
    if (r == 0 && filter)
        r = capture_filter_check(filter, err);
    if (r < 0)
        return r;
    if (json_array_size(where) == 0)
        return error_input(err, "nothing to capture was named");
    if (!run->lab->fabric)
        return error_set(err, ENOTCONN, "the lab is not up");
    run->where = json_incref(where);
    run->filter = xstrdup(filter);
    json_array_foreach (where, i, item) {
        r = add_where(run->lab, endpoints, json_string_value(item), err);
        if (r < 0)
            return r;
    }
    return 0;
}

int captures_start(struct lab *lab, json_t *params, int fd, struct capture_run **ret_run,
                   struct error *err)
{
    struct capture_run *run = xnew0(struct capture_run, 1);
    _cleanup_(endpoints_done) struct endpoints endpoints = {0};
    _cleanup_close_ int output = fd;
    const char *file = NULL;
    bool made = false;
    int r;

    run->lab = lab;
    run->pidfd = run->report_fd = -1;
    r = prepare_run(run, params, &endpoints, err);
    if (r == 0 && fd < 0) {
        r = rpc_param_string(params, "file", false, &file, err);
        if (r == 0 && file && file[0] != '/')
            r = error_input(err, "the file must be an absolute path: %s", file);
        if (r == 0) {
            run->file =
                file ? xstrdup(file)
                     : default_file(lab, json_string_value(json_array_get(run->where, 0)), err);
            r = run->file ? 0 : -EIO;
        }
        if (r == 0) {
            output = open(run->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
            made = output >= 0;
            if (output < 0)
                r = error_errno(err, errno, "%s", run->file);
        }
    }
    run->id = lab->next_capture;
    if (r == 0)
        r = spawn_worker(run, &endpoints, params, output, err);
    if (r < 0) {
        if (made)
            (void)unlink(run->file);
        run_free(run);
        return r;
    }
    lab->next_capture++;
    array_grow(lab->captures, lab->capture_count, lab->capture_capacity);
    lab->captures[lab->capture_count++] = run;
    *ret_run = run;
    return 0;
}

void captures_stop(struct capture_run *run)
{
    if (!run->ended)
        (void)pidfd_signal(run->pidfd, SIGTERM);
}

void captures_stop_all(struct lab *lab)
{
    for (size_t i = 0; i < lab->capture_count; i++)
        captures_stop(lab->captures[i]);
}

bool captures_all_ended(const struct lab *lab)
{
    for (size_t i = 0; i < lab->capture_count; i++)
        if (!lab->captures[i]->ended)
            return false;
    return true;
}

/* ---- methods ---- */

/**
 * stop_and_report() - Stop one capture on behalf of a call
 * @run:	Capture; nothing happens if it has ended or is being stopped for another call
 * @stop:	Call
 */
static void stop_and_report(struct capture_run *run, struct capture_stop *stop)
{
    if (run->ended || run->stopping)
        return;
    run->stopping = stop;
    stop->remaining++;
    captures_stop(run);
}

void captures_method_start(struct rpc_call *call, json_t *params, void *data)
{
    struct error err = ERROR_INIT;
    struct capture_run *run = NULL;

    if (captures_start(data, params, -1, &run, &err) < 0) {
        rpc_fail(call, &err);
        return;
    }
    run->pending = call;
}

/**
 * find_run() - The capture that a stop means
 * @lab:	Lab
 * @params:	Of the call: id or where; neither: the only one that runs
 * @err:	Error to fill
 *
 * Return: capture or NULL
 */
static struct capture_run *find_run(struct lab *lab, json_t *params, struct error *err)
{
    json_t *id = json_object_get(params, "id"), *where = json_object_get(params, "where");
    struct capture_run *found = NULL;
    size_t running = 0;

    for (size_t i = 0; i < lab->capture_count; i++) {
        struct capture_run *run = lab->captures[i];
        const char *first = json_string_value(json_array_get(run->where, 0));
        bool match = !id && !where;

        if (run->ended)
            continue;
        running++;
        if (json_is_integer(id))
            match = json_integer_value(id) == (json_int_t)run->id;
        else if (json_is_array(where))
            match = json_equal(where, run->where);
        else if (json_is_string(where))
            match = first && strcmp(first, json_string_value(where)) == 0;
        if (match && found) {
            (void)error_input(err, "several captures run there; name one by its id");
            error_hint(err, "'labctl capture list' shows them; --all stops them all");
            return NULL;
        }
        if (match)
            found = run;
    }
    if (!found)
        (void)error_input(err, running ? "no such capture runs" : "no capture runs");
    return found;
}

void captures_method_stop(struct rpc_call *call, json_t *params, void *data)
{
    struct lab *lab = data;
    struct error err = ERROR_INIT;
    struct capture_run *run;
    struct capture_stop *stop;
    bool all = false;

    if (rpc_param_bool(params, "all", false, &all, &err) < 0) {
        rpc_fail(call, &err);
        return;
    }
    stop = xnew0(struct capture_stop, 1);
    stop->call = call;
    stop->captures = json_array();
    if (all) {
        for (size_t i = 0; i < lab->capture_count; i++)
            stop_and_report(lab->captures[i], stop);
    } else if ((run = find_run(lab, params, &err))) {
        stop_and_report(run, stop);
    }
    if (stop->remaining > 0)
        return;
    /* None runs (fine for --all), or the one named is being stopped by another call already. */
    json_decref(stop->captures);
    free(stop);
    if (!all && !err.code)
        (void)error_set(&err, EBUSY, "that capture is being stopped already");
    if (err.code)
        rpc_fail(call, &err);
    else
        rpc_reply(call, json_pack("{s:[]}", "captures"));
}

void captures_method_list(struct rpc_call *call, json_t *params, void *data)
{
    struct lab *lab = data;
    json_t *list = json_array();

    (void)params;
    for (size_t i = 0; i < lab->capture_count; i++)
        (void)json_array_append_new(list, captures_json(lab->captures[i]));
    rpc_reply(call, json_pack("{s:o}", "captures", list));
}

/* A stream between its answer and its worker. */
struct pending_stream {
    struct lab *lab;
    json_t *params;
};

/**
 * on_stream_fd() - The client's connection is free for packets
 * @fd:		Connection, or -1 if the client left
 * @data:	Its pending stream
 */
static void on_stream_fd(int fd, void *data)
{
    struct pending_stream *pending = data;
    _cleanup_error_ struct error err = ERROR_INIT;
    struct capture_run *run;

    if (fd >= 0 && captures_start(pending->lab, pending->params, fd, &run, &err) < 0)
        log_warning("capture stream: %s", error_message(&err));
    json_decref(pending->params);
    free(pending);
}

void captures_method_stream(struct rpc_call *call, json_t *params, void *data)
{
    struct lab *lab = data;
    struct error err = ERROR_INIT;
    _cleanup_(endpoints_done) struct endpoints endpoints = {0};
    struct capture_run probe = {.lab = lab};
    struct pending_stream *pending;
    int r = prepare_run(&probe, params, &endpoints, &err);

    /* What can be refused is refused while there is still an answer to put it in. */
    json_decref(probe.where);
    free(probe.filter);
    if (r < 0) {
        rpc_fail(call, &err);
        return;
    }
    pending = xnew0(struct pending_stream, 1);
    pending->lab = lab;
    pending->params = json_incref(params);
    rpc_upgrade(call, json_pack("{s:i}", "id", (int)lab->next_capture), on_stream_fd, pending);
}
