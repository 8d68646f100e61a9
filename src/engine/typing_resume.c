// SPDX-License-Identifier: GPL-2.0-or-later

/* A configuration whose typing was broken off by the end of an engine, and the next engine that
 * finishes it.
 *
 * Before each step the file `typed` in the node's folder is told which step it is and how long the
 * console's record was then; after what it types has been handed to the guest, that too. One
 * write to the same few bytes, which a kill does not tear, and without fsync: if the machine goes,
 * so does the guest, and all is typed anew.
 *
 * The record is QEMU's, so it is whole. The next engine reads it from where the step began:
 *
 * - A step that waits was fulfilled by that, or goes on waiting.
 * - A line that waits for the prompt has come to the guest if its echo is there: the next one
 *   follows, and waits for the prompt itself. If nothing of it is there and the guest is at its
 *   prompt with nothing left to read, it is typed.
 * - What is typed without a prompt was handed over or not; between the two lie microseconds.
 *
 * Everything else is unclear: half a line on the prompt, a file that has changed meanwhile, a note
 * that cannot be read. Then nothing is typed, and the node's reason says how to go on. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "console/lines.h"
#include "engine/typing_priv.h"

#define LOOK_NS    (300ull * 1000000) /* silence before the record is believed */
#define RECORD_MAX ((off_t)4 << 20)   /* of it that is read */
#define NOTE_SIZE  96

/* What stands in the file, padded to NOTE_SIZE with blanks before its newline. */
#define NOTE_FORMAT "at %u %zu %" PRIu64 " %016" PRIx64 " %c"

/**
 * record_size() - How much the first console has said
 * @node:	Node
 *
 * Return: bytes
 */
static uint64_t record_size(const struct node_run *node)
{
    _cleanup_free_ char *path = path_join(node->dir, "console-0.log");
    struct stat st;

    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

void typing_note(struct node_run *node, bool typed)
{
    struct typing *typing = node->typing;
    char note[NOTE_SIZE + 1];
    int size;

    if (!typed) {
        typing->noted_step = typing->step - 1;
        typing->noted_at = record_size(node);
    }
    memset(note, ' ', NOTE_SIZE);
    size = snprintf(note, sizeof(note), NOTE_FORMAT, (unsigned)typing->phase, typing->noted_step,
                    typing->noted_at, typing->steps_hash, typed ? 't' : 'b');
    if (size > 0 && size < NOTE_SIZE)
        note[size] = ' ';
    note[NOTE_SIZE - 1] = '\n';
    /* What cannot be noted is not finished by another engine, which is no reason to stop here. */
    (void)!pwrite(typing->fd, note, NOTE_SIZE, 0);
}

/**
 * read_note() - Take over how far an earlier engine was
 * @node:	Node with a typing just made
 * @ret_typed:	Whether the guest has been given what that step types
 *
 * Return: NULL, or why that cannot be
 */
static const char *read_note(struct node_run *node, bool *ret_typed)
{
    struct typing *typing = node->typing;
    _cleanup_free_ char *path = typing_marker_path(node), *data = NULL;
    unsigned phase;
    uint64_t hash;
    char state;

    if (file_read(path, NOTE_SIZE, &data, NULL, NULL) < 0 ||
        sscanf(data, "at %u %zu %" SCNu64 " %" SCNx64 " %c", &phase, &typing->noted_step,
               &typing->noted_at, &hash, &state) != 5)
        return "it is not known where";
    if (hash != typing->steps_hash)
        return "the configuration has changed since";
    if (phase >= PHASES || typing->noted_step >= typing->phases[phase].count)
        return "it is not known where";
    typing->phase = (enum typing_phase)phase;
    typing->step = typing->noted_step + 1;
    *ret_typed = state == 't';
    return NULL;
}

/* What is looked for in the record. */
struct search {
    const regex_t *rule; /* or NULL */
    const char *echo;    /* or NULL */
    bool found;
};

/**
 * look_at_line() - A line of the record
 * @line:	Line
 * @size:	Unused
 * @cut:	Unused
 * @data:	Search
 */
static void look_at_line(const char *line, size_t size, bool cut, void *data)
{
    struct search *search = data;

    (void)size;
    (void)cut;
    if (!search->found)
        search->found = search->rule ? regexec(search->rule, line, 0, NULL, 0) == 0
                                     : strstr(line, search->echo) != NULL;
}

/**
 * look_back() - Look for something in what the guest said since the step began
 * @node:	Node
 * @search:	What
 * @ret_last:	Its unfinished last line; NULL: not wanted
 *
 * Return: true if it is there
 */
static bool look_back(const struct node_run *node, struct search *search, char **ret_last)
{
    _cleanup_free_ char *path = path_join(node->dir, "console-0.log"), *buffer = NULL;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END), at = (off_t)node->typing->noted_at;
    struct lines lines;

    if (end - at > RECORD_MAX)
        at = end - RECORD_MAX;
    buffer = xmalloc0(1 << 16, 1);
    lines_init(&lines);
    while (at < end) {
        ssize_t n = pread(fd, buffer, 1 << 16, at);

        if (n <= 0)
            break;
        lines_feed(&lines, buffer, (size_t)n, look_at_line, search);
        at += n;
    }
    look_at_line(lines_current(&lines), 0, false, search);
    if (ret_last)
        *ret_last = xstrdup(lines_current(&lines));
    lines_done(&lines);
    return search->found;
}

/**
 * unread() - Whether the guest has yet to take something that was typed
 * @node:	Node
 *
 * Return: true if so
 */
static bool unread(const struct node_run *node)
{
    _cleanup_free_ char *path = node_socket_path(node, "0.in");
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int bytes = 0;

    return fd >= 0 && ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

/**
 * give_up() - Say how to go on
 * @node:	Node
 * @why:	What is in the way
 */
static void give_up(struct node_run *node, const char *why)
{
    const struct typing *typing = node->typing;
    _cleanup_free_ char *place = typing->step ? typing_what(node) : xstrdup("somewhere");
    _cleanup_free_ char *text =
        xasprintf("the engine ended half way (%s), and %s; 'labctl node restart %s' types it from "
                  "the start",
                  place, why, node->spec->name);

    typing_end(node, text);
}

/**
 * on_look() - See whether a line came to the guest
 * @source:	Timer
 * @usec:	Unused
 * @data:	Its node
 *
 * Return: 0
 */
static int on_look(sd_event_source *source, uint64_t usec, void *data)
{
    struct node_run *node = data;
    struct typing *typing = node->typing;
    const struct script_step *step = &typing->phases[typing->phase].steps[typing->step - 1];
    struct search search = {.echo = step->text};
    _cleanup_free_ char *last = NULL;
    uint64_t size = record_size(node);

    (void)source;
    (void)usec;
    if ((size != typing->looked_size || unread(node)) && now_ns() < typing->give_up_ns) {
        typing->looked_size = size;
        typing_set_timer(node, LOOK_NS, on_look);
    } else if (look_back(node, &search, &last)) {
        typing_go_on(node);
    } else if (size == typing->noted_at || regexec(&node->typing_rule, last, 0, NULL, 0) == 0) {
        typing_do_step(node, step);
    } else {
        give_up(node, "it is not at its prompt, which shows nothing of that line");
    }
    return 0;
}

/**
 * resume_wait() - A step that waits
 * @node:	Node
 * @step:	Step
 */
static void resume_wait(struct node_run *node, const struct script_step *step)
{
    struct search search = {.rule = &step->rule};

    if (look_back(node, &search, NULL))
        typing_go_on(node);
    else
        (void)typing_expect(node, step);
}

/**
 * resume_step() - Finish the step that was under way
 * @node:	Node
 * @typed:	Whether the guest has been given what it types
 */
static void resume_step(struct node_run *node, bool typed)
{
    struct typing *typing = node->typing;
    const struct script *script = &typing->phases[typing->phase];
    const struct script_step *step = &script->steps[typing->step - 1];

    switch (step->verb) {
    case SCRIPT_EXPECT:
        resume_wait(node, step);
        return;
    case SCRIPT_RUN:
        if (node->has_typing) {
            typing->looked_size = UINT64_MAX;
            typing->give_up_ns = now_ns() + step->timeout_ns;
            typing_set_timer(node, LOOK_NS, on_look);
            return;
        }
        break;
    case SCRIPT_SEND:
        break;
    case SCRIPT_WAIT:
    case SCRIPT_REFUSE:
        typing_do_step(node, step);
        return;
    }
    if (!typed)
        give_up(node, "it is not known whether that was typed");
    else if (step->verb == SCRIPT_SEND && typing->step < script->count &&
             script->steps[typing->step].verb == SCRIPT_EXPECT)
        resume_wait(node, &script->steps[typing->step++]);
    else
        typing_pause(node);
}

void typing_resume(struct node_run *node)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    bool typed = false;
    int r = typing_new(node, &err);
    const char *why = r < 0 ? NULL : read_note(node, &typed);
    _cleanup_free_ char *place = NULL;

    if (r < 0) {
        typing_end(node, error_message(&err));
        return;
    }
    if (why) {
        give_up(node, why);
        return;
    }
    place = typing_what(node);
    lab_event(node->lab, "node", node->spec->name,
              "its configuration goes on being typed, from %s on", place);
    node_set_state(node, NODE_BOOTING, "its configuration is being typed");
    resume_step(node, typed);
}
