// SPDX-License-Identifier: GPL-2.0-or-later

/* When is a guest ready? The appliance's definition says what shows it (ready: in
 * docs/appliance.md).
 *
 *   console, prompt ─▶ probe ─▶ ready
 *   quiet ─────────────────────▶ ready
 *
 * First a line of the first console must match, one of the rules or the prompt of exec. With
 * `prompt`, Enter is pressed where the guest has been silent for a while: many consoles show
 * nothing until somebody does. Then, if there is a probe, a command is run on the console, as node
 * exec would, again and again until it succeeds. Without rules the probe begins at once; it waits
 * for the prompt by itself.
 *
 * `quiet` is for systems of which nothing is known: a console that has spoken and then says
 * nothing, and a QEMU that hardly computes, for so long together. It is looked for from the boot
 * on, beside the rest.
 *
 * The engine may have been dead while the line came. QEMU has it in the record then: what was said
 * since the boot (node->said) is looked through when a node is taken over. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "console/lines.h"
#include "engine/lab_priv.h"

#define NS_PER_MS        1000000ull
#define TICK_NS          (500 * NS_PER_MS)
#define NUDGE_SILENCE_NS (2000 * NS_PER_MS) /* Enter is pressed after so much silence */
#define NUDGE_AGAIN_NS   (5000 * NS_PER_MS)
#define PROBE_AGAIN_NS   (1000 * NS_PER_MS)
#define PROBE_TIMEOUT_NS (20000 * NS_PER_MS)
#define BUSY_PERCENT     15         /* of one CPU: less is idle */
#define LOOK_BACK_MAX    (1u << 20) /* bytes of the record */

static int on_tick(sd_event_source *source, uint64_t usec, void *data);
static void begin_probe(struct node_run *node);

/**
 * is_ready() - All that was wanted was seen
 * @node:	Node
 * @why:	How it is known, where that is worth saying; or NULL
 */
static void is_ready(struct node_run *node, const char *why)
{
    readiness_disarm(node);
    node_became_ready(node, why);
}

/**
 * matched() - The console showed what was awaited
 * @node:	Node
 */
static void matched(struct node_run *node)
{
    node->readiness.matched = true;
    if (node->appliance->ready_probe)
        begin_probe(node);
    else
        is_ready(node, NULL);
}

/**
 * on_line() - A line of the console matches
 * @console:	First console
 * @data:	Node
 */
static void on_line(struct console *console, void *data)
{
    (void)console;
    matched(data);
}

/* ---- probe ---- */

/**
 * on_probe_time() - Time to run the probe (again)
 * @source:	Timer
 * @usec:	Unused
 * @data:	Node
 *
 * Return: 0
 */
static int on_probe_time(sd_event_source *source, uint64_t usec, void *data)
{
    (void)source;
    (void)usec;
    begin_probe(data);
    return 0;
}

/**
 * probe_later() - Run the probe again soon
 * @node:	Node
 */
static void probe_later(struct node_run *node)
{
    struct readiness *readiness = &node->readiness;

    readiness->probe_timer = sd_event_source_disable_unref(readiness->probe_timer);
    (void)sd_event_add_time_relative(node->lab->event, &readiness->probe_timer, CLOCK_MONOTONIC,
                                     PROBE_AGAIN_NS / 1000, 1000, on_probe_time, node);
}

/**
 * on_probe_done() - The probe has ended
 * @console:	Where
 * @output:	What it printed
 * @size:	How much
 * @status:	0: it succeeded
 * @err:	Unused: it is run again whatever went wrong
 * @data:	Node
 */
static void on_probe_done(struct console *console, const char *output, size_t size, int status,
                          struct error *err, void *data)
{
    struct node_run *node = data;

    (void)console;
    (void)output;
    (void)size;
    (void)err;
    if (!node->readiness.probing)
        return; /* nobody waits for it any more; the node may be on its way out */
    node->readiness.probing = false;
    if (status == 0)
        is_ready(node, NULL);
    else
        probe_later(node);
}

/**
 * begin_probe() - Run the probe
 * @node:	Node
 */
static void begin_probe(struct node_run *node)
{
    struct console_exec exec = {.command = node->appliance->ready_probe,
                                .prompt = &node->prompt_rule,
                                .error = node->has_error ? &node->error_rule : NULL,
                                .status = node->appliance->exec_status,
                                .timeout_ns = PROBE_TIMEOUT_NS};

    if (node->readiness.probing)
        return;
    if (console_exec(node->consoles[0], &exec, on_probe_done, node, NULL) == 0)
        node->readiness.probing = true;
    else
        probe_later(node);
}

/* ---- silence ---- */

/**
 * cpu_time_ns() - Processor time that a node's QEMU has used
 * @node:	Node
 *
 * Return: nanoseconds, 0 if it cannot be told
 */
static uint64_t cpu_time_ns(const struct node_run *node)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/stat", node->process.pid), *stat = NULL;
    unsigned long long user = 0, system = 0;
    const char *end;

    /* The name in parentheses may hold anything: fields are counted from its end. */
    if (file_read(path, 4096, &stat, NULL, NULL) < 0 || !(end = strrchr(stat, ')')) ||
        sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) !=
            2)
        return 0;
    return (user + system) * (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
}

/**
 * is_quiet() - Whether nothing at all has happened for long enough
 * @node:	Node whose definition says how long
 * @now:	Time
 *
 * Return: true if so
 */
static bool is_quiet(struct node_run *node, uint64_t now)
{
    struct readiness *readiness = &node->readiness;
    uint64_t said = console_received(node->consoles[0], NULL), cpu = cpu_time_ns(node);
    uint64_t passed = now - readiness->looked_ns;

    readiness->spoken |= said != readiness->said;
    if (said != readiness->said || !readiness->spoken ||
        (cpu - readiness->cpu_ns) * 100 > passed * BUSY_PERCENT)
        readiness->quiet_ns = now;
    readiness->said = said;
    readiness->cpu_ns = cpu;
    readiness->looked_ns = now;
    return now - readiness->quiet_ns >= node->appliance->ready_quiet_ns;
}

/**
 * nudge() - Press Enter where the guest waits for somebody to
 * @node:	Node
 * @now:	Time
 */
static void nudge(struct node_run *node, uint64_t now)
{
    uint64_t last = 0, said = console_received(node->consoles[0], &last);

    node->readiness.spoken |= said != node->readiness.said;
    node->readiness.said = said;
    if (node->readiness.matched || !node->readiness.spoken || now - last < NUDGE_SILENCE_NS ||
        now - node->readiness.nudged_ns < NUDGE_AGAIN_NS)
        return;
    node->readiness.nudged_ns = now;
    (void)console_write(node->consoles[0], "\r", 1, NULL);
}

/**
 * on_tick() - Look at the silence
 * @source:	Timer
 * @usec:	Now
 * @data:	Node
 *
 * Return: 0
 */
static int on_tick(sd_event_source *source, uint64_t usec, void *data)
{
    struct node_run *node = data;
    uint64_t now = now_ns();

    if (node->appliance->ready_quiet_ns && is_quiet(node, now)) {
        _cleanup_free_ char *time = units_format_duration(node->appliance->ready_quiet_ns);
        _cleanup_free_ char *why = xasprintf("quiet and idle for %s", time);

        is_ready(node, why);
        return 0;
    }
    if (node->appliance->ready_prompt)
        nudge(node, now);
    (void)sd_event_source_set_time(source, usec + TICK_NS / 1000);
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

/* ---- what was said while no engine ran ---- */

/* A search through the record. */
struct look_back {
    const regex_t *rule;
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
    struct look_back *search = data;

    (void)size;
    (void)cut;
    if (!search->found)
        search->found = regexec(search->rule, line, 0, NULL, 0) == 0;
}

/**
 * look_back() - Look for the rule in what was said since the boot
 * @node:	Node with a rule
 *
 * Return: true if it was there
 */
static bool look_back(const struct node_run *node)
{
    _cleanup_free_ char *path = path_join(node->dir, "console-0.log"), *buffer = NULL;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct look_back search = {.rule = &node->ready_rule};
    off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END), at = (off_t)node->said;
    struct lines lines;

    if (end - at > LOOK_BACK_MAX)
        at = end - LOOK_BACK_MAX;
    buffer = xmalloc0(1 << 16, 1);
    lines_init(&lines);
    while (at < end && !search.found) {
        ssize_t n = pread(fd, buffer, 1 << 16, at);

        if (n <= 0)
            break;
        lines_feed(&lines, buffer, (size_t)n, look_at_line, &search);
        at += n;
    }
    look_at_line(lines_current(&lines), 0, false, &search);
    lines_done(&lines);
    return search.found;
}

/* ---- from outside ---- */

int readiness_init(struct node_run *node, struct error *err)
{
    const struct appliance *appliance = node->appliance;
    _cleanup_free_ char *rule = NULL;
    int r = 0;

    if (appliance->ready && appliance->ready_prompt)
        rule = xasprintf("(%s)|(%s)", appliance->ready, appliance->exec_prompt);
    else if (appliance->ready || appliance->ready_prompt)
        rule = xstrdup(appliance->ready ? appliance->ready : appliance->exec_prompt);
    if (rule)
        r = appliance_pattern(rule, node->spec->name, &node->ready_rule, err);
    if (r < 0)
        return error_prefix(err, "image '%s'", appliance->name);
    node->has_ready_rule = rule != NULL;
    node->has_ready = rule || appliance->ready_probe || appliance->ready_quiet_ns;
    return 0;
}

void readiness_done(struct node_run *node)
{
    readiness_disarm(node);
    if (node->has_ready_rule)
        regfree(&node->ready_rule);
}

void readiness_disarm(struct node_run *node)
{
    struct readiness *readiness = &node->readiness;

    readiness->tick = sd_event_source_disable_unref(readiness->tick);
    readiness->probe_timer = sd_event_source_disable_unref(readiness->probe_timer);
    readiness->probing = readiness->matched = false;
    if (node->console_count > 0)
        (void)console_expect(node->consoles[0], NULL, NULL, NULL);
}

void readiness_arm(struct node_run *node, bool again)
{
    const struct appliance *appliance = node->appliance;
    struct readiness *readiness = &node->readiness;

    if (!node->has_ready)
        return;
    readiness_disarm(node);
    readiness->looked_ns = readiness->quiet_ns = readiness->nudged_ns = now_ns();
    readiness->said = console_received(node->consoles[0], NULL);
    readiness->cpu_ns = cpu_time_ns(node);
    readiness->spoken = again;
    if (appliance->ready_quiet_ns || appliance->ready_prompt)
        (void)sd_event_add_time_relative(node->lab->event, &readiness->tick, CLOCK_MONOTONIC,
                                         TICK_NS / 1000, 1000, on_tick, node);
    if (node->has_ready_rule && again && look_back(node))
        matched(node);
    else if (node->has_ready_rule)
        (void)console_expect(node->consoles[0], &node->ready_rule, on_line, node);
    else if (appliance->ready_probe)
        probe_later(node);
}
