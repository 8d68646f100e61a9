// SPDX-License-Identifier: GPL-2.0-or-later

/* labctl-capture: the program that capture.h describes. Its command line is made by argv.c. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/units.h"
#include "capture/report_priv.h"
#include "capture/worker_priv.h"

struct command_line {
    struct worker_options worker;
    struct capture_endpoint *endpoints;
    size_t capacity;
};

/**
 * read_number() - Read a number
 * @text:	Digits
 * @name:	What it is
 * @ret_value:	The number
 * @err:	What is wrong with it
 *
 * Return: 0 or -EINVAL
 */
static int read_number(const char *text, const char *name, uint64_t *ret_value, struct error *err)
{
    int64_t value;
    int r = units_parse_integer(text, 0, INT64_MAX, &value, err);

    if (r < 0)
        return error_prefix(err, "--%s", name);
    *ret_value = (uint64_t)value;
    return 0;
}

/**
 * read_direction() - Read a direction
 * @text:	"sent", "received" or "both"
 * @ret_direction:	The direction
 * @err:	What is wrong with it
 *
 * Return: 0 or -EINVAL
 */
static int read_direction(const char *text, enum capture_direction *ret_direction,
                          struct error *err)
{
    if (capture_direction_parse(text, ret_direction))
        return 0;
    return error_input(err, "--direction is sent, received or both");
}

/**
 * read_amount() - Take one of the options whose value is a number
 * @options:	Filled
 * @key:	Which
 * @value:	Its value
 * @err:	What is wrong with it
 *
 * Return: 0 or -EINVAL
 */
static int read_amount(struct worker_options *options, int key, const char *value,
                       struct error *err)
{
    struct capture_options *capture = &options->capture;
    uint64_t number = 0;
    int r = 0;

    switch (key) {
    case 's':
        r = read_number(value, "snaplen", &number, err);
        capture->snaplen = number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
        break;
    case 'm':
        return read_number(value, "max-packets", &capture->max_packets, err);
    case 'B':
        return read_number(value, "max-bytes", &capture->max_bytes, err);
    case 't':
        return read_number(value, "duration", &capture->duration_ns, err);
    case 'F':
        r = read_number(value, "files", &number, err);
        if (r == 0 && number > CAPTURE_FILES_MAX)
            return error_input(err, "--files: at most %u", CAPTURE_FILES_MAX);
        capture->files = (unsigned)number;
        break;
    case 'S':
        return read_number(value, "file-bytes", &capture->file_bytes, err);
    case 'K':
        return read_number(value, "keep", &capture->keep_ns, err);
    case 'W':
        r = read_number(value, "stall", &number, err);
        options->stall_ms = (unsigned)number;
        break;
    case 'b':
        r = read_number(value, "buffer", &number, err);
        options->buffer = (size_t)number;
        break;
    default:
        return error_input(err, "the command line is wrong");
    }
    return r;
}

/**
 * read_option() - Take one option
 * @line:	Filled
 * @key:	Which
 * @value:	Its value
 * @err:	What is wrong with it
 *
 * Return: 0 or -EINVAL
 */
static int read_option(struct command_line *line, int key, const char *value, struct error *err)
{
    struct capture_options *capture = &line->worker.capture;

    if ((key == 'n' || key == 'k' || key == 'd') && capture->endpoint_count == 0)
        return error_input(err, "--label, --link and --direction belong behind their --interface");
    switch (key) {
    case 'l':
        capture->lab = value;
        return 0;
    case 'f':
        capture->filter = value;
        return 0;
    case 'R':
        capture->resume = true;
        return 0;
    case 'C':
        capture->control = true;
        return 0;
    case 'L':
        capture->live = true;
        return 0;
    case 'i':
        array_grow(line->endpoints, capture->endpoint_count, line->capacity);
        line->endpoints[capture->endpoint_count++] =
            (struct capture_endpoint){.ifname = value, .label = value};
        capture->endpoints = line->endpoints;
        return 0;
    case 'n':
        line->endpoints[capture->endpoint_count - 1].label = value;
        return 0;
    case 'k':
        line->endpoints[capture->endpoint_count - 1].link = value;
        return 0;
    case 'd':
        return read_direction(value, &line->endpoints[capture->endpoint_count - 1].direction, err);
    default:
        return read_amount(&line->worker, key, value, err);
    }
}

/**
 * read_command_line() - Take all options
 * @argc:	From main()
 * @argv:	From main()
 * @line:	Filled
 * @err:	What is wrong
 *
 * Return: 0 or -EINVAL
 */
static int read_command_line(int argc, char **argv, struct command_line *line, struct error *err)
{
    static const struct option names[] = {
        {"lab", required_argument, NULL, 'l'},
        {"filter", required_argument, NULL, 'f'},
        {"snaplen", required_argument, NULL, 's'},
        {"max-packets", required_argument, NULL, 'm'},
        {"buffer", required_argument, NULL, 'b'},
        {"live", no_argument, NULL, 'L'},
        {"interface", required_argument, NULL, 'i'},
        {"label", required_argument, NULL, 'n'},
        {"link", required_argument, NULL, 'k'},
        {"direction", required_argument, NULL, 'd'},
        {"max-bytes", required_argument, NULL, 'B'},
        {"duration", required_argument, NULL, 't'},
        {"files", required_argument, NULL, 'F'},
        {"file-bytes", required_argument, NULL, 'S'},
        {"stall", required_argument, NULL, 'W'},
        {"keep", required_argument, NULL, 'K'},
        {"control", no_argument, NULL, 'C'},
        {"resume", no_argument, NULL, 'R'},
        {NULL, 0, NULL, 0},
    };
    int key, r;

    while ((key = getopt_long(argc, argv, "", names, NULL)) != -1) {
        r = read_option(line, key, optarg, err);
        if (r < 0)
            return r;
    }
    if (optind < argc || line->worker.capture.endpoint_count == 0)
        return error_input(err, "labctl-capture is run by labctl: [--lab=NAME] [--filter=BPF] "
                                "[--snaplen=N] [--max-packets=N] [--max-bytes=N] "
                                "[--duration=NS] [--files=N --file-bytes=N] [--keep=NS] "
                                "[--control] [--resume] [--buffer=BYTES] [--live] "
                                "{--interface=IFNAME [--label=NODE:PORT] [--link=NAME] "
                                "[--direction=sent|received]}…");
    return 0;
}

int main(int argc, char **argv)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct control control;
    struct command_line line = {.worker = {.control = &control, .output_fd = CAPTURE_FD_OUTPUT}};
    int status = EXIT_SUCCESS;
    int r = read_command_line(argc, argv, &line, &err);

    control_init(&control, CAPTURE_FD_REPORT,
                 line.worker.capture.control ? CAPTURE_FD_CONTROL : -1);
    if (r == 0)
        r = worker_run(&line.worker, &err);
    if (r > 0)
        status = EXIT_FAILURE;
    if (r < 0) {
        log_error("%s", error_message(&err));
        if (err.hint)
            log_error("hint: %s", err.hint);
        report_ended(&control, true, error_message(&err));
        status = err.kind == ERROR_KIND_INPUT ? ERROR_KIND_INPUT : EXIT_FAILURE;
    }
    free(line.endpoints);
    control_done(&control);
    return status;
}
