// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * All signals that end or stop a program are blocked and read from a signalfd, so there is no
 * moment in which one of them finds the terminal raw; the caller puts it back, then acts on the
 * signal. SIGPIPE too: stdout may be a pipe while stdin is the raw terminal.
 *
 * A terminal's output can be stopped (^S, a lost ssh connection), and the detach key must work even
 * then. So the terminal is opened once more with O_NONBLOCK: setting that flag on the inherited
 * descriptor would set it for the shell as well. */

#include "console/terminal_priv.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"

static const int caught[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGPIPE};

/**
 * catch_signals() - Block and watch signals that are not ignored
 * @terminal:	Terminal
 * @err:	Error
 *
 * Return: 0 or -errno
 */
static int catch_signals(struct terminal *terminal, struct error *err)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGWINCH);
    (void)sigaddset(&set, SIGCONT);
    for (size_t i = 0; i < ARRAY_SIZE(caught); i++) {
        struct sigaction action;

        /* What the caller's parent ignores (nohup) stays ignored. */
        if (sigaction(caught[i], NULL, &action) < 0 || action.sa_handler != SIG_IGN)
            (void)sigaddset(&set, caught[i]);
    }
    if (sigprocmask(SIG_BLOCK, &set, &terminal->old_mask) < 0)
        return error_errno(err, errno, "block signals");
    terminal->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (terminal->signal_fd < 0) {
        int code = errno;

        (void)sigprocmask(SIG_SETMASK, &terminal->old_mask, NULL);
        return error_errno(err, code, "signalfd");
    }
    return 0;
}

int terminal_init(struct terminal *terminal, struct error *err)
{
    int r;

    *terminal = (struct terminal){.tty_in = isatty(STDIN_FILENO) == 1,
                                  .tty_out = isatty(STDOUT_FILENO) == 1,
                                  .out = STDOUT_FILENO,
                                  .signal_fd = -1};
    r = catch_signals(terminal, err);
    if (r < 0)
        return r;
    if (terminal->tty_out) {
        int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd >= 0) {
            terminal->out = fd;
            terminal->own_out = true;
        }
    }
    r = terminal_raw(terminal, err);
    if (r < 0)
        terminal_done(terminal);
    return r;
}

int terminal_raw(struct terminal *terminal, struct error *err)
{
    struct termios raw;

    if (!terminal->tty_in || terminal->raw)
        return 0;
    if (tcgetattr(STDIN_FILENO, &terminal->saved) < 0)
        return error_errno(err, errno, "read the terminal's settings");
    raw = terminal->saved;
    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
        return error_errno(err, errno, "set the terminal to raw mode");
    terminal->raw = true;
    return 0;
}

void terminal_cooked(struct terminal *terminal)
{
    if (!terminal->raw)
        return;
    terminal->raw = false;
    /* TCSANOW: waiting for stopped output to drain could take forever. From the background this
     * raises SIGTTOU, which must not stop it half way. */
    sigset_t set, old;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTTOU);
    (void)sigprocmask(SIG_BLOCK, &set, &old);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal->saved);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
}

int terminal_signal(const struct terminal *terminal)
{
    struct signalfd_siginfo info;

    if (read(terminal->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return 0;
    return (int)info.ssi_signo;
}

bool terminal_size(const struct terminal *terminal, uint16_t *ret_columns, uint16_t *ret_rows)
{
    struct winsize size;

    if (!terminal->tty_out || ioctl(terminal->out, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return false;
    *ret_columns = size.ws_col;
    *ret_rows = size.ws_row;
    return true;
}

void terminal_done(struct terminal *terminal)
{
    terminal_cooked(terminal);
    if (terminal->own_out)
        (void)close(terminal->out);
    if (terminal->signal_fd < 0)
        return;
    while (terminal_signal(terminal) > 0)
        ;
    (void)close(terminal->signal_fd);
    (void)sigprocmask(SIG_SETMASK, &terminal->old_mask, NULL);
    terminal->signal_fd = -1;
}
