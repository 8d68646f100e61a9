// SPDX-License-Identifier: GPL-2.0-or-later

/* extcap: what Wireshark and tshark ask of a capture plugin (extcap(4), "extcap" in
 * Wireshark's developer's guide). --install writes a one-line script into the folders where they
 * look for a user's own plugins (4.0: ~/.config/wireshark/extcap, later ~/.local/lib/wireshark/
 * extcap), and that calls this. Wireshark asks in several runs: which interfaces there are, of
 * which link type, with which settings; then it names a fifo, and reads pcapng from it until it
 * ends us.
 *
 * An interface is called labctl:LAB or labctl:LAB:WHERE. A lab whose engine does not answer is left
 * out: a list of interfaces must come at once. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "labctl/capture_params.h"
#include "labctl/lab.h"
#include "labctl/labctl.h"
#include "labctl/output.h"
#include "labctl/work.h"

#define PREFIX      "labctl:"
#define PATIENCE_MS 1000

static const struct option_spec extcap_options[] = {
    {"extcap-interfaces", 0, NULL, "list what can be captured"},
    {"extcap-version", 0, "VERSION", "of who asks"},
    {"extcap-interface", 0, "NAME", "which one is meant"},
    {"extcap-dlts", 0, NULL, "its link type"},
    {"extcap-config", 0, NULL, "its settings: there are none"},
    {"capture", 0, NULL, "capture into the fifo"},
    {"fifo", 0, "FILE", "where the packets go"},
    {"extcap-capture-filter", 0, "BPF", "only packets that match"},
    {"install", 0, NULL, "make the script that Wireshark looks for, in your own folders"},
    {0},
};

/**
 * print_interface() - Offer one interface
 * @lab:	Lab
 * @where:	Place in it, NULL: all of it
 * @kind:	What it is, for people
 */
static void print_interface(const char *lab, const char *where, const char *kind)
{
    /* Names of labs, nodes and ports hold none of the characters that mean something here. */
    (void)printf("interface {value=" PREFIX "%s%s%s}{display=labctl %s: %s%s%s}\n", lab,
                 where ? ":" : "", where ? where : "", lab, kind, where ? " " : "",
                 where ? where : "");
}

/**
 * print_lab() - Offer the interfaces of a lab
 * @entry:	Lab
 */
static void print_lab(const struct lab_entry *entry)
{
    _cleanup_free_ char *socket = path_join(entry->dir, "engine.sock");
    _cleanup_client_ struct rpc_client *client = NULL;
    _cleanup_json_ json_t *status = NULL;
    json_t *item, *end, *ports;
    const char *port;
    size_t i, j;

    if (rpc_connect(socket, &client, NULL) < 0 ||
        rpc_call_start(client, "lab.status", NULL, NULL) < 0 ||
        rpc_call_wait(client, PATIENCE_MS, NULL, NULL, &status, NULL) < 0)
        return;
    print_interface(entry->name, NULL, "all of it");
    ports = json_object();
    json_array_foreach (json_object_get(status, "links"), i, item) {
        const char *name = json_text(item, "name");

        if (!strchr(name, '{') && !strchr(name, '}'))
            print_interface(entry->name, name, "link");
        json_array_foreach (json_object_get(item, "ends"), j, end)
            if (json_is_string(end))
                (void)json_object_set_new(ports, json_string_value(end), json_true());
    }
    json_array_foreach (json_object_get(status, "nodes"), i, item)
        print_interface(entry->name, json_text(item, "name"), "node");
    json_object_foreach (ports, port, item)
        print_interface(entry->name, port, "end");
    json_decref(ports);
}

/**
 * print_interfaces() - Say who we are and what can be captured
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int print_interfaces(struct error *err)
{
    _cleanup_lab_list_ struct lab_list list = {0};
    int r = lab_list_read(&list, err);

    if (r < 0)
        return r;
    (void)printf("extcap {version=" LABCTL_VERSION "}{display=labctl}\n");
    for (size_t i = 0; i < list.count; i++)
        if (list.items[i].alive)
            print_lab(&list.items[i]);
    return 0;
}

/**
 * run_capture() - Capture into Wireshark's fifo
 * @invocation:	Invocation
 * @name:	Interface
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int run_capture(struct invocation *invocation, const char *name, struct error *err)
{
    const char *fifo = invocation_value(invocation, "fifo");
    const char *filter = invocation_value(invocation, "extcap-capture-filter");
    const char *lab = name + strlen(PREFIX), *where = strchr(lab, ':');
    _cleanup_free_ char *lab_name = xstrndup(lab, where ? (size_t)(where - lab) : strlen(lab));
    _cleanup_source_ struct capture_source *source = NULL;
    _cleanup_close_ int output = -1;
    json_t *params = json_object();
    int r = 0;

    if (!fifo)
        r = error_input(err, "--capture needs a --fifo");
    if (r == 0 && where && json_object_set_new(params, "where", json_pack("[s]", where + 1)) < 0)
        r = error_input(err, "the interface's name is not UTF-8 text");
    if (r == 0 && filter && *filter &&
        json_object_set_new(params, "filter", json_string(filter)) < 0)
        r = error_input(err, "the filter is not UTF-8 text");
    if (r < 0) {
        json_decref(params);
        return r;
    }
    work_catch_signals();
    invocation->lab = lab_name;
    r = capture_source_open(invocation, params, &source, err);
    invocation->lab = NULL;
    if (r < 0)
        return r;
    output = open(fifo, O_WRONLY | O_CLOEXEC);
    if (output < 0)
        return error_errno(err, errno, "%s", fifo);
    return capture_copy(source, output, err);
}

/**
 * install_into() - Write the script into one folder
 * @base:	Folder of a user's own, as the environment names it, or NULL
 * @fallback:	The same below $HOME
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int install_into(const char *base, const char *fallback, struct error *err)
{
    _cleanup_free_ char *own = NULL, *dir = NULL, *path = NULL, *labctl = NULL, *text = NULL;
    const char *home = getenv("HOME");
    int r;

    if (!home || *home != '/')
        return error_set(err, ENOENT, "$HOME names no folder");
    own = base && *base == '/' ? xstrdup(base) : path_join(home, fallback);
    dir = path_join(own, "wireshark/extcap");
    path = path_join(dir, "labctl-extcap");
    labctl = realpath("/proc/self/exe", NULL);
    if (!labctl || strchr(labctl, '\''))
        return error_set(err, ENOENT, "where labctl itself is cannot be written into a script");
    text = xasprintf("#!/bin/sh\n# Made by labctl extcap --install.\nexec '%s' extcap \"$@\"\n",
                     labctl);
    r = dir_make(dir, err);
    if (r == 0)
        r = file_write_atomic(path, text, strlen(text), 0755, err);
    if (r == 0)
        (void)printf("%s\n", path);
    return r;
}

static int run_extcap(struct invocation *invocation, struct error *err)
{
    const char *name = invocation_value(invocation, "extcap-interface");

    if (invocation_flag(invocation, "extcap-interfaces"))
        return print_interfaces(err);
    if (invocation_flag(invocation, "install")) {
        int r = install_into(getenv("XDG_CONFIG_HOME"), ".config", err);

        return r < 0 ? r : install_into(NULL, ".local/lib", err);
    }
    if (!name || strncmp(name, PREFIX, strlen(PREFIX)) != 0) {
        (void)error_input(err, "this is for Wireshark to call");
        error_hint(err, "'labctl extcap --install' puts it where Wireshark looks");
        return -EINVAL;
    }
    if (invocation_flag(invocation, "extcap-dlts")) {
        (void)printf("dlt {number=1}{name=EN10MB}{display=Ethernet}\n");
        return 0;
    }
    if (invocation_flag(invocation, "extcap-config"))
        return 0;
    if (invocation_flag(invocation, "capture"))
        return run_capture(invocation, name, err);
    /* A filter alone: is it right? Wireshark colours its box by what is printed. */
    return 0;
}

const struct command cmd_extcap = {
    .name = "extcap",
    .arguments = "",
    .summary = "Capture plugin of Wireshark",
    .details =
        "After 'labctl extcap --install' Wireshark lists the interfaces of all running labs,\n"
        "and so does tshark -D.",
    .options = extcap_options,
    .run = run_extcap,
};
