// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * The switcher runs in a child process, in a process group of its own that has the terminal's
 * foreground. The process that the shell started is its guardian: it passes signals on, waits, and
 * puts the terminal back if the child could not do it itself. So SIGKILL, which no process can
 * catch, leaves the terminal in order whichever of the two it hits, a whole process group included:
 *
 *   the child is killed      the guardian sees its end, and restores before the shell goes on
 *   the guardian is killed   the child gets SIGTERM (PR_SET_PDEATHSIG), and restores. The shell
 *                            may already have made its own settings by then: guardian_restore()
 *                            leaves settings alone that are not the switcher's
 *   a stalled terminal       (^S, a lost ssh) may hold the child in write(2), where no signal is
 *                            read: GRACE_MS after a signal the guardian kills it
 *
 * A child that stops (SIGTSTP, SIGSTOP) stops the guardian too, so the shell sees a stopped job; fg
 * continues both.
 *
 * Whether the screen is taken is a flag in memory that both share: what leaves the alternate screen
 * would move the cursor of a terminal that is not there. */

#include "labctl/switcher/guardian.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <term.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

#define GRACE_MS 2000

/* What the guardian passes on. */
static const int passed[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP};

/**
 * append_sequence() - A sequence of the terminal's, without the padding times in it
 * @out:	Where to
 * @value:	As terminfo has it; NULL or -1: none
 */
static void append_sequence(struct strbuf *out, const char *value)
{
    if (!value || value == (const char *)-1)
        return;
    while (*value) {
        const char *padding = strstr(value, "$<"), *end = padding ? strchr(padding, '>') : NULL;

        if (!end) {
            strbuf_puts(out, value);
            return;
        }
        strbuf_append(out, value, (size_t)(padding - value));
        value = end + 1;
    }
}

/**
 * put_sequences() - What leaves the screen, as the terminal understands it
 *
 * Without blocking: a terminal that is stopped does not take it, and must not hold anybody.
 */
static void put_sequences(void)
{
    static const char *const names[] = {"sgr0", "rmacs", "op", "cnorm", "rmkx"};
    const char *cup = tigetstr("cup");
    struct winsize size;
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_close_ int out = -1;

    /* A sequence may have been cut off half way: cancel it. */
    strbuf_puts(&text, "\030" GUARDIAN_PASTE_OFF);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        append_sequence(&text, tigetstr(names[i]));
    /* Where there is no other screen to go back to, the shell goes on in an empty last line. */
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && cup &&
        cup != (const char *)-1) {
        append_sequence(&text, tparm(cup, size.ws_row - 1, 0));
        append_sequence(&text, tigetstr("el"));
    }
    append_sequence(&text, tigetstr("rmcup"));
    out = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (out >= 0 && write(out, text.data, text.size) < 0)
        return; /* nobody is left who could be told */
}

void guardian_restore(const struct guardian *guardian, const struct termios *ours)
{
    struct termios now;

    if (guardian->shared->screen)
        put_sequences();
    guardian->shared->screen = false;
    if (tcgetattr(STDIN_FILENO, &now) < 0)
        return;
    if (!ours || (now.c_lflag == ours->c_lflag && now.c_iflag == ours->c_iflag &&
                  now.c_oflag == ours->c_oflag))
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &guardian->before);
}

bool guardian_lost(const struct guardian *guardian)
{
    return getppid() != guardian->parent;
}

/**
 * wait_foreground() - A job in the background stops, as with any program that reads the terminal
 *
 * Return: false if nobody can bring it to the foreground
 */
static bool wait_foreground(void)
{
    /* An orphaned group is not stopped by the signal, and must not go round for ever. */
    for (int tries = 0; tries < 100; tries++) {
        pid_t group = tcgetpgrp(STDIN_FILENO);

        if (group <= 0 || group == getpgrp())
            return true;
        (void)kill(0, SIGTTIN);
    }
    return false;
}

/**
 * become_child() - In the child: a group of its own, in the foreground
 * @guardian:	Guardian
 */
static void become_child(const struct guardian *guardian)
{
    (void)setpgid(0, 0);
    (void)tcsetpgrp(STDIN_FILENO, getpgrp()); /* SIGTTOU is blocked */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (guardian_lost(guardian))
        (void)raise(SIGTERM);
    (void)del_curterm(cur_term); /* newterm() makes its own */
}

/**
 * stop_together() - The child has stopped: the shell is to see a stopped job
 * @guardian:	Guardian
 * @child:	Child
 */
static void stop_together(struct guardian *guardian, pid_t child)
{
    bool screen = guardian->shared->screen;
    struct termios ours;
    bool have = tcgetattr(STDIN_FILENO, &ours) == 0;

    guardian_restore(guardian, NULL);
    (void)tcsetpgrp(STDIN_FILENO, getpgrp());
    (void)raise(SIGSTOP);
    (void)wait_foreground();
    (void)tcsetpgrp(STDIN_FILENO, child);
    guardian->shared->screen = screen;
    if (have)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &ours);
    (void)kill(child, SIGCONT);
}

/**
 * watch() - Until the child's end
 * @guardian:	Guardian
 * @child:	Child
 * @set:	Signals that are blocked
 *
 * Return: its status, as waitpid() tells it
 */
static int watch(struct guardian *guardian, pid_t child, const sigset_t *set)
{
    const struct timespec grace = {.tv_sec = GRACE_MS / 1000,
                                   .tv_nsec = GRACE_MS % 1000 * 1000000L};
    bool ending = false;
    int status = 0;

    for (;;) {
        int number = ending ? sigtimedwait(set, NULL, &grace) : sigwaitinfo(set, NULL);
        pid_t pid;

        if (number < 0 && errno == EAGAIN) {
            (void)kill(child, SIGKILL);
            ending = false;
        }
        for (size_t i = 0; i < ARRAY_SIZE(passed); i++) {
            if (number != passed[i])
                continue;
            (void)kill(child, number);
            ending = ending || number != SIGTSTP;
        }
        while ((pid = waitpid(child, &status, WNOHANG | WUNTRACED)) == child) {
            if (!WIFSTOPPED(status))
                return status;
            stop_together(guardian, child);
        }
        if (pid < 0 && errno == ECHILD)
            return 0; /* somebody else has reaped it; nothing is known */
    }
}

int guardian_start(struct guardian *guardian, struct error *err)
{
    sigset_t set;
    pid_t child;
    int status, result;

    if (tcgetattr(STDIN_FILENO, &guardian->before) < 0)
        return error_errno(err, errno, "read the terminal's settings");
    if (!wait_foreground())
        return error_set(err, EIO, "the terminal belongs to another job");
    if (setupterm(NULL, STDOUT_FILENO, &result) != OK) {
        (void)error_set(err, ENOTTY, "this terminal cannot show the switcher");
        error_hint(err, "set TERM to what it is; labctl console NODE needs nothing of it");
        return -ENOTTY;
    }
    guardian->parent = getpid();
    guardian->shared = mmap(NULL, sizeof(*guardian->shared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (guardian->shared == MAP_FAILED)
        return error_errno(err, errno, "memory shared with the guardian");
    (void)sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(passed); i++)
        (void)sigaddset(&set, passed[i]);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTTOU);
    (void)sigprocmask(SIG_BLOCK, &set, &guardian->mask);
    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        become_child(guardian);
        return GUARDIAN_CHILD;
    }
    if (child < 0) {
        int code = errno;

        (void)del_curterm(cur_term);
        guardian_done(guardian);
        return error_errno(err, code, "fork the switcher");
    }
    status = watch(guardian, child, &set);
    guardian_restore(guardian, NULL);
    (void)tcsetpgrp(STDIN_FILENO, getpgrp());
    (void)del_curterm(cur_term);
    guardian_done(guardian);
    if (WIFSIGNALED(status))
        return error_set(err, EINTR, "the switcher was ended by signal %d (%s)", WTERMSIG(status),
                         strsignal(WTERMSIG(status)));
    return WEXITSTATUS(status);
}

void guardian_done(struct guardian *guardian)
{
    (void)munmap(guardian->shared, sizeof(*guardian->shared));
    (void)sigprocmask(SIG_SETMASK, &guardian->mask, NULL);
}
