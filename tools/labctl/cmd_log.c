// SPDX-License-Identifier: GPL-2.0-or-later

/* node log: the file that QEMU itself writes each console to, so that it is there and complete
 * whether an engine lives or not. On a terminal escape sequences are taken out and what is left is
 * escaped; into a pipe or with --raw the bytes are as the guest sent them. --follow waits by
 * inotify, and shows an unfinished line (a prompt) once nothing more has come for a moment. */

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/units.h"
#include "console/lines.h"
#include "console/times.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/log_cast.h"
#include "labctl/output.h"
#include "labctl/work.h"

#define QUIET_MS  200
#define LINE_MAX_ 65536 /* a longer line is shown in pieces */

struct log_view {
    int fd;
    bool clean;            /* escapes out, rest escaped */
    struct strbuf partial; /* clean: the unfinished line */
    size_t shown;          /* bytes of it already shown */
    bool in_line;          /* not clean: the last byte shown did not end a line */
    off_t offset;          /* read so far */
    off_t line;            /* where the unfinished line begins */
    const char *path;
    bool stamps;        /* the time before each line */
    struct times times; /* index of the record */
};

static const struct option_spec log_options[] = {
    {"follow", 'f', NULL, "go on as the guest writes, until ^C"},
    {"lines", 'n', "N", "only the last N lines"},
    {"since", 'S', "TIME", "only what came since: 10m, 14:30, 2026-01-31 14:30:05"},
    {"timestamps", 't', NULL, "each line with the time at which it began"},
    {"plain", 0, NULL, "also into a pipe: text, with escape sequences rendered away"},
    {"format", 0, "asciicast", "as an asciicast (version 2), for players"},
    {"raw", 0, NULL, "also on a terminal: every byte as the guest sent it"},
    {"path", 0, NULL, "only say which file it is"},
    {0},
};

/**
 * split_console() - "r1:1" to node and serial
 * @word:	Word
 * @ret_node:	Node's name; caller frees
 * @ret_serial:	Serial
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int split_console(const char *word, char **ret_node, unsigned *ret_serial, struct error *err)
{
    const char *colon = strchr(word, ':');
    _cleanup_free_ char *node = colon ? xstrndup(word, (size_t)(colon - word)) : xstrdup(word);

    if (!text_is_hostname(node) || (colon && (colon[1] < '0' || colon[1] > '9' || colon[2]))) {
        (void)error_input(err, "'%s' is no console", word);
        error_hint(err, "NODE or NODE:SERIAL, such as r1 or r1:1");
        return -EINVAL;
    }
    *ret_serial = colon ? (unsigned)(colon[1] - '0') : 0;
    *ret_node = steal_ptr(node);
    return 0;
}

/**
 * kept_lab() - With no lab running: the only one that has kept this console
 * @node:	Node
 * @serial:	Serial
 * @ret_lab:	Its name; caller frees
 *
 * Return: true if there is exactly one
 */
static bool kept_lab(const char *node, unsigned serial, char **ret_lab)
{
    _cleanup_free_ char *root = paths_state_root(NULL), *found = NULL;
    _cleanup_closedir_ DIR *dir = root ? opendir(root) : NULL;
    struct dirent *item;

    while (dir && (item = readdir(dir))) {
        _cleanup_free_ char *path =
            xasprintf("%s/%s/%s/console-%u.log", root, item->d_name, node, serial);

        if (!text_is_name(item->d_name) || !file_exists(path))
            continue;
        if (found)
            return false;
        found = xstrdup(item->d_name);
    }
    *ret_lab = found ? steal_ptr(found) : NULL;
    return *ret_lab != NULL;
}

/**
 * log_path() - Where a console's file is
 * @invocation:	Invocation
 * @ret_path:	Path; caller frees
 * @err:	Error to fill
 *
 * A lab that is down has its files still: -l says which one, or there is only one that fits.
 *
 * Return: 0 or -errno
 */
static int log_path(const struct invocation *invocation, char **ret_path, struct error *err)
{
    _cleanup_free_ char *node = NULL, *lab = NULL, *state = NULL, *path = NULL;
    unsigned serial;
    int r = split_console(invocation->words[0], &node, &serial, err);

    if (r < 0)
        return r;
    r = lab_pick(invocation, NULL, &lab, err);
    if (r == -ENOENT && invocation->lab)
        lab = xstrdup(invocation->lab); /* lab_pick() has checked the name */
    else if (r < 0 && (r != -ENOENT || !kept_lab(node, serial, &lab)))
        return r;
    state = lab_state_dir(lab, err);
    if (!state)
        return -ENOENT;
    path = xasprintf("%s/%s/console-%u.log", state, node, serial);
    if (r < 0 && !file_exists(path))
        return r; /* as lab_pick() said */
    error_done(err);
    if (!file_exists(path)) {
        (void)error_set(err, ENOENT, "nothing was recorded of console '%s' in lab '%s'",
                        invocation->words[0], lab);
        error_hint(err, "labctl -l %s node list shows its nodes", lab);
        return -ENOENT;
    }
    *ret_path = steal_ptr(path);
    return 0;
}

/**
 * log_begin() - Where what is kept of a record begins
 * @fd:		Record
 *
 * What is too old was given back to the disk and left a hole; the line that it cuts is left out.
 *
 * Return: offset
 */
static off_t log_begin(int fd)
{
    off_t begin = lseek(fd, 0, SEEK_DATA);
    char chunk[LINE_MAX_], *end;
    ssize_t n;

    if (begin <= 0)
        return 0;
    n = pread(fd, chunk, sizeof(chunk), begin);
    end = n > 0 ? memchr(chunk, '\n', (size_t)n) : NULL;
    return begin + (end ? end + 1 - chunk : 0);
}

/**
 * seek_last_lines() - Skip to the last lines
 * @view:	View; its offset is set
 * @lines:	How many
 */
static void seek_last_lines(struct log_view *view, long lines)
{
    char chunk[8192];
    struct stat st;
    off_t end;

    if (fstat(view->fd, &st) < 0)
        return;
    for (end = st.st_size; end > view->offset;) {
        off_t left = end - view->offset;
        size_t part = left > (off_t)sizeof(chunk) ? sizeof(chunk) : (size_t)left;
        ssize_t n = pread(view->fd, chunk, part, end - (off_t)part);

        if (n != (ssize_t)part)
            break;
        for (size_t i = part; i > 0; i--) {
            off_t at = end - (off_t)part + (off_t)i;

            if (chunk[i - 1] != '\n' || at == st.st_size)
                continue;
            if (--lines <= 0) {
                view->offset = at;
                return;
            }
        }
        end -= (off_t)part;
    }
}

/**
 * show_stamp() - The time of the line that begins at view->line
 * @view:	View
 */
static void show_stamp(struct log_view *view)
{
    uint64_t ns;
    struct tm tm;
    char text[32];
    time_t seconds;

    if (!view->stamps)
        return;
    if (times_next(&view->times, (uint64_t)view->line) == UINT64_MAX) {
        /* The last entry that is known: there may be more by now. */
        times_done(&view->times);
        (void)times_load(view->path, &view->times, NULL);
    }
    ns = times_at(&view->times, (uint64_t)view->line);
    seconds = (time_t)(ns / 1000000000);
    if (ns && localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%F %T", &tm) > 0)
        (void)printf("%s.%03u ", text, (unsigned)(ns / 1000000 % 1000));
    else
        (void)printf("%-23s ", "-");
}

/**
 * add_line() - Take a part of a line that was too long for the line model
 * @line:	Text
 * @size:	Its size
 * @cut:	Unused
 * @data:	Buffer
 */
static void add_line(const char *line, size_t size, bool cut, void *data)
{
    (void)cut;
    strbuf_append(data, line, size);
}

/**
 * render() - A line as it would stand on a screen
 * @view:	View with the line's bytes
 *
 * Return: text without sequences, caller frees
 */
static char *render(const struct log_view *view)
{
    struct strbuf text = STRBUF_INIT;
    struct lines lines;

    lines_init(&lines);
    lines_feed(&lines, view->partial.data, view->partial.size, add_line, &text);
    strbuf_puts(&text, lines_current(&lines));
    lines_done(&lines);
    return strbuf_steal(&text);
}

/**
 * show_partial() - Show what is new of the unfinished line
 * @view:	View
 * @finish:	The line is over
 */
static void show_partial(struct log_view *view, bool finish)
{
    _cleanup_free_ char *copy = render(view);
    size_t size = strlen(copy);

    if (view->shown == 0 && (size > 0 || finish))
        show_stamp(view);
    if (size > view->shown)
        print_text(copy + view->shown, size - view->shown);
    view->shown = size;
    if (!finish)
        return;
    (void)printf("\n");
    strbuf_done(&view->partial);
    view->shown = 0;
}

/**
 * show_bytes() - Show bytes that were read
 * @view:	View
 * @data:	Bytes
 * @size:	How many
 */
static void show_bytes(struct log_view *view, const char *data, size_t size)
{
    off_t at = view->offset;

    if (!view->clean && !view->stamps) {
        (void)fwrite(data, 1, size, stdout);
        return;
    }
    while (size > 0) {
        const char *end = memchr(data, '\n', size);
        size_t part = end ? (size_t)(end - data) : size;

        if (view->clean ? view->partial.size == 0 : !view->in_line)
            view->line = at;
        if (!view->clean) {
            part += end ? 1 : 0;
            if (!view->in_line)
                show_stamp(view);
            (void)fwrite(data, 1, part, stdout);
            view->in_line = !end;
            at += (off_t)part;
            data += part;
            size -= part;
            continue;
        }
        strbuf_append(&view->partial, data, part);
        if (end || view->partial.size > LINE_MAX_)
            show_partial(view, true);
        part += end ? 1 : 0;
        at += (off_t)part;
        data += part;
        size -= part;
    }
}

/**
 * show_new() - Show what the file has beyond the offset
 * @view:	View
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int show_new(struct log_view *view, struct error *err)
{
    char chunk[65536];
    struct stat st;

    if (fstat(view->fd, &st) == 0 && st.st_size < view->offset)
        view->offset = 0; /* the node was wiped or started anew */
    for (;;) {
        ssize_t n = pread(view->fd, chunk, sizeof(chunk), view->offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "read the console's file");
        if (n == 0)
            return 0;
        show_bytes(view, chunk, (size_t)n);
        view->offset += n;
        if (ferror(stdout))
            return 0;
    }
}

/**
 * follow() - Go on until ^C or until nobody reads any more
 * @view:	View
 * @path:	File
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int follow(struct log_view *view, const char *path, struct error *err)
{
    _cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char events[4096];
    int r = 0;

    if (watch < 0 || inotify_add_watch(watch, path, IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF) < 0)
        return error_errno(err, errno, "watch %s", path);
    work_catch_signals();
    /* Once more after the watch is set: nothing falls between. */
    while (r == 0 && work_interrupts() == 0 && fflush(stdout) == 0) {
        struct pollfd wait[] = {{.fd = watch, .events = POLLIN},
                                {.fd = STDOUT_FILENO, .events = 0}};
        bool open_line = view->clean && view->partial.size > 0;

        r = show_new(view, err);
        (void)fflush(stdout);
        open_line = view->clean && view->partial.size > 0;
        if (r == 0 && poll(wait, 2, open_line ? QUIET_MS : -1) == 0)
            show_partial(view, false);
        if (wait[1].revents & (POLLERR | POLLHUP))
            break; /* the reader of the pipe has gone */
        while (read(watch, events, sizeof(events)) > 0)
            ;
    }
    return r;
}

/**
 * parse_since() - When --since means
 * @text:	How long ago, or a time of day, or date and time
 * @ret_ns:	Nanoseconds since 1970
 * @err:	Error to fill
 *
 * Return: 0 or -EINVAL
 */
static int parse_since(const char *text, uint64_t *ret_ns, struct error *err)
{
    static const char *const formats[] = {
        "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
        "%Y-%m-%d",          "%H:%M:%S",          "%H:%M"};
    uint64_t ago = 0;
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (units_parse_duration(text, &ago, NULL) == 0) {
        uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;

        *ret_ns = ago < now_ns ? now_ns - ago : 0;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        struct tm tm;
        const char *end;
        time_t seconds;

        (void)localtime_r(&now.tv_sec, &tm);
        tm.tm_sec = 0;
        if (!strstr(formats[i], "%H"))
            tm.tm_hour = tm.tm_min = 0;
        tm.tm_isdst = -1;
        end = strptime(text, formats[i], &tm);
        seconds = end && !*end ? mktime(&tm) : -1;
        if (seconds < 0)
            continue;
        *ret_ns = (uint64_t)seconds * 1000000000;
        return 0;
    }
    (void)error_input(err, "--since: '%s' is no time", text);
    error_hint(err, "how long ago (10m, 2h), a time of today (14:30), or 2026-01-31 14:30:05");
    return -EINVAL;
}

/**
 * apply_times() - What --since and --timestamps need
 * @invocation:	Invocation
 * @view:	View, its file open
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int apply_times(const struct invocation *invocation, struct log_view *view,
                       struct error *err)
{
    const char *since = invocation_value(invocation, "since");
    uint64_t ns = 0, offset;
    struct stat st;
    int r = since ? parse_since(since, &ns, err) : 0;

    if (r < 0)
        return r;
    r = times_load(view->path, &view->times, err);
    if (r == -ENOENT && !since) {
        error_done(err);
        r = 0; /* recorded without times: there are none to show */
    }
    if (r < 0 || !since)
        return r;
    offset = times_since(&view->times, ns);
    if (offset == UINT64_MAX && fstat(view->fd, &st) == 0)
        offset = (uint64_t)st.st_size;
    if ((off_t)offset > view->offset)
        view->offset = (off_t)offset;
    return 0;
}

static int run_log(struct invocation *invocation, struct error *err)
{
    const char *format = invocation_value(invocation, "format");
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int fd = -1;
    struct log_view view = {0};
    long lines = 0;
    int r = invocation_integer(invocation, "lines", 1, 100000000, &lines, err);

    if (r == 0 && format && strcmp(format, "asciicast") != 0)
        r = error_input(err, "--format: '%s' is not known; there is asciicast", format);
    if (r == 0)
        r = log_path(invocation, &path, err);
    if (r < 0 || !path)
        return r;
    if (invocation->json || invocation_flag(invocation, "path")) {
        if (invocation->json)
            print_json(json_pack("{s:s, s:s}", "node", invocation->words[0], "path", path));
        else
            (void)printf("%s\n", path);
        return 0;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_errno(err, errno, "%s", path);
    view.fd = fd;
    view.path = path;
    view.clean = (isatty(STDOUT_FILENO) || invocation_flag(invocation, "plain")) &&
                 !invocation_flag(invocation, "raw");
    view.stamps = invocation_flag(invocation, "timestamps");
    view.offset = log_begin(fd);
    if (view.stamps || format || invocation_value(invocation, "since"))
        r = apply_times(invocation, &view, err);
    if (r < 0) {
        times_done(&view.times);
        return r;
    }
    if (lines > 0)
        seek_last_lines(&view, lines);
    r = format ? log_cast(fd, view.offset, &view.times, invocation->words[0], err)
               : show_new(&view, err);
    if (r == 0 && !format && invocation_flag(invocation, "follow"))
        r = follow(&view, path, err);
    if (view.partial.size > 0)
        show_partial(&view, true);
    strbuf_done(&view.partial);
    times_done(&view.times);
    return r;
}

const struct command cmd_node_log = {
    .group = "node",
    .name = "log",
    .arguments = "NODE",
    .summary = "What a node wrote to its console, from its first byte",
    .details =
        "r1:1 is the second console of r1. Works without an engine too, and with -l LAB for a "
        "lab that is\ndown. --json says which file it is.",
    .options = log_options,
    .words_least = 1,
    .words_most = 1,
    .words = WORD_NODE,
    .run = run_log,
};
