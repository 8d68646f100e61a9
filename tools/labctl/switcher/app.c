// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * One loop over the keyboard, the signals, a connection per node, and two to the engine: one asks
 * for the lab's status once a second, one does what the person wants done. Nothing waits for an
 * answer; only joining a console does, which the engine answers at once.
 *
 * Output goes into the views as it comes, and the screen is drawn at most FRAMES_PER_SECOND times a
 * second, so that a flood costs no more than its parsing. A key's echo is drawn at once if
 * nothing was drawn just before.
 *
 * When the engine dies all connections end; joining one starts the next engine. If that cannot be,
 * the lab has gone, and the switcher ends. Whatever ends it, the terminal is put back: by curses
 * here, else by the guardian (guardian.c). */

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "labctl/lab.h"
#include "labctl/output.h"
#include "labctl/switcher/switcher_priv.h"

#define FRAMES_PER_SECOND 30
#define FRAME_MS          (1000 / FRAMES_PER_SECOND)
#define STATUS_MS         1000
#define RETRY_MS          1000
#define KEYS_PIECE        4096
#define JOINS_PER_TURN    4 /* keys are answered between them */

int64_t switcher_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/**
 * drop_client() - Hang up
 * @client:	Connection, NULL afterwards
 */
static void drop_client(struct rpc_client **client)
{
    rpc_client_free(*client);
    *client = NULL;
}

/**
 * say_error() - Show an error in the last line
 * @switcher:	Switcher
 * @err:	Error; emptied
 */
static void say_error(struct switcher *switcher, struct error *err)
{
    switcher_say(switcher, "%s", err->message ? err->message : "failed");
    error_done(err);
}

void switcher_act(struct switcher *switcher, const char *method, json_t *params)
{
    struct error err = {0};

    if (switcher->action) {
        switcher_say(switcher, "wait: the last thing is still being done");
        json_decref(params);
        return;
    }
    if (lab_connect(switcher->options->lab, &switcher->action, &err) < 0) {
        json_decref(params);
        say_error(switcher, &err);
    } else if (rpc_call_start(switcher->action, method, params, &err) < 0) {
        drop_client(&switcher->action);
        say_error(switcher, &err);
    } else {
        switcher_say(switcher, "%s ...", method);
    }
}

/**
 * action_read() - The engine says something about what it was asked to do
 * @switcher:	Switcher
 */
static void action_read(struct switcher *switcher)
{
    _cleanup_json_ json_t *result = NULL;
    struct error err = {0};
    int r = rpc_call_wait(switcher->action, 0, NULL, NULL, &result, &err);

    if (r == -ETIMEDOUT || r == -EINTR) {
        error_done(&err);
        return;
    }
    drop_client(&switcher->action);
    switcher->status_ms = 0;
    if (r < 0)
        say_error(switcher, &err);
    else if (*json_text(result, "file"))
        switcher_say(switcher, "captured in %s", json_text(result, "file"));
    else
        switcher_say(switcher, "done");
}

/**
 * status_ask() - Ask for the status if it is time
 * @switcher:	Switcher
 */
static void status_ask(struct switcher *switcher)
{
    if (switcher->status_asked || switcher_now_ms() < switcher->status_ms)
        return;
    switcher->status_ms = switcher_now_ms() + STATUS_MS;
    if (!switcher->status &&
        lab_connect(switcher->options->lab, &switcher->status, switcher->err) < 0) {
        switcher->result = -ECONNRESET;
        switcher->leave = true;
        return;
    }
    switcher->status_asked = rpc_call_start(switcher->status, "lab.status", NULL, NULL) == 0;
    if (!switcher->status_asked)
        drop_client(&switcher->status);
}

/**
 * status_read() - The engine answers
 * @switcher:	Switcher
 */
static void status_read(struct switcher *switcher)
{
    _cleanup_json_ json_t *status = NULL;
    int r = rpc_call_wait(switcher->status, 0, NULL, NULL, &status, NULL);

    if (r == -ETIMEDOUT || r == -EINTR)
        return;
    switcher->status_asked = false;
    if (r < 0)
        drop_client(&switcher->status);
    else
        switcher_take_status(switcher, status);
}

/**
 * join_some() - Join consoles that are not
 * @switcher:	Switcher
 *
 * Return: true if there are more
 */
static bool join_some(struct switcher *switcher)
{
    int64_t now = switcher_now_ms();
    int joins = 0;

    for (size_t i = 0; i < switcher->node_count && !switcher->leave; i++) {
        struct switcher_node *node = &switcher->nodes[i];
        struct error err = {0};

        if (node->fd >= 0 || node->gone || now < node->retry_ms)
            continue;
        if (joins++ == JOINS_PER_TURN)
            return true;
        if (node_join(switcher, node, &err) < 0) {
            node->retry_ms = now + RETRY_MS;
            error_done(&err);
        }
    }
    return false;
}

/**
 * take_size() - The terminal has another size
 * @switcher:	Switcher
 */
static void take_size(struct switcher *switcher)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
        (void)resizeterm(size.ws_row, size.ws_col);
    getmaxyx(stdscr, switcher->rows, switcher->columns);
    switcher->list = switcher->columns >= GUEST_COLUMNS + LIST_WIDE ? LIST_WIDE : LIST_NARROW;
    if (switcher->pane_count > 1 &&
        (switcher->rows < 2 * ROWS_LEAST || switcher->columns < 2 * COLUMNS_LEAST)) {
        switcher->panes[0] = switcher->panes[switcher->focus];
        switcher->pane_count = 1;
        switcher->focus = 0;
    }
    (void)clearok(curscr, TRUE);
    if (switcher->rows >= ROWS_LEAST && switcher->columns >= COLUMNS_LEAST)
        switcher_layout(switcher);
    switcher->dirty = true;
}

/**
 * put() - Tell the terminal something that curses does not know
 * @sequence:	What
 */
static void put(const char *sequence)
{
    (void)write_all(STDOUT_FILENO, sequence, strlen(sequence)); /* if it is gone, reading shows */
}

/**
 * leave_screen() - The shell goes on in the last line, which is emptied for it
 *
 * The Linux console, and screen as it comes, have no other screen to go back to.
 */
static void leave_screen(void)
{
    put(GUARDIAN_PASTE_OFF);
    (void)move(LINES - 1, 0);
    (void)clrtoeol();
    (void)refresh();
    (void)endwin();
}

/**
 * take_signal() - A signal came
 * @switcher:	Switcher
 * @fd:		Where from
 */
static void take_signal(struct switcher *switcher, int fd)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    switch (info.ssi_signo) {
    case SIGWINCH:
        take_size(switcher);
        return;
    case SIGTSTP:
        leave_screen();
        switcher->guardian.shared->screen = false;
        (void)raise(SIGSTOP);
        return; /* SIGCONT is read next */
    case SIGCONT:
        /* Also after SIGSTOP, when the guardian has put the terminal back: take it again. */
        switcher->guardian.shared->screen = true;
        (void)endwin();
        put(GUARDIAN_PASTE_ON);
        take_size(switcher);
        return;
    default:
        break;
    }
    switcher->leave = true;
    switcher->result = error_set(switcher->err, EINTR, "ended by signal %u", info.ssi_signo);
}

/**
 * read_keys() - Read the keyboard once
 * @switcher:	Switcher
 */
static void read_keys(struct switcher *switcher)
{
    char keys[KEYS_PIECE];
    ssize_t size = read(STDIN_FILENO, keys, sizeof(keys));

    if (size > 0)
        switcher_keys(switcher, keys, (size_t)size);
    else if (size == 0 || (errno != EAGAIN && errno != EINTR))
        switcher->leave = true; /* the terminal is gone */
}

/**
 * turn() - Wait, and take what came
 * @switcher:	Switcher
 * @signals:	Descriptor of signals
 * @wait_ms:	How long at most
 */
static void turn(struct switcher *switcher, int signals, int wait_ms)
{
    enum { KEYS, SIGNALS, STATUS, ACTION, NODES };
    size_t count = switcher->node_count;
    _cleanup_free_ struct pollfd *fds = xnew0(struct pollfd, NODES + count);
    bool asked = switcher->status_asked;

    fds[KEYS] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    fds[SIGNALS] = (struct pollfd){.fd = signals, .events = POLLIN};
    fds[STATUS] =
        (struct pollfd){.fd = asked ? rpc_client_fd(switcher->status) : -1, .events = POLLIN};
    fds[ACTION] = (struct pollfd){.fd = switcher->action ? rpc_client_fd(switcher->action) : -1,
                                  .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        const struct switcher_node *node = &switcher->nodes[i];

        fds[NODES + i] = (struct pollfd){
            .fd = node->fd, .events = (short)(POLLIN | (node->out.size ? POLLOUT : 0))};
    }
    if (poll(fds, NODES + count, wait_ms) <= 0)
        return;
    if (fds[SIGNALS].revents)
        take_signal(switcher, signals);
    if (fds[KEYS].revents && !switcher->leave)
        read_keys(switcher);
    for (size_t i = 0; i < count; i++) {
        struct switcher_node *node = &switcher->nodes[i];

        if (fds[NODES + i].revents & POLLOUT)
            node_write(node);
        if ((fds[NODES + i].revents & ~POLLOUT) && !node_read(switcher, node)) {
            node_leave(node);
            switcher->dirty = true;
        }
    }
    if (fds[ACTION].revents)
        action_read(switcher);
    if (fds[STATUS].revents)
        status_read(switcher);
}

/**
 * paste_all() - Go on with all pastes
 * @switcher:	Switcher
 *
 * Return: milliseconds until one of them goes on, -1 if there is none
 */
static int paste_all(struct switcher *switcher)
{
    int least = -1;

    for (size_t i = 0; i < switcher->node_count; i++) {
        int wait = paste_turn(switcher, &switcher->nodes[i]);

        if (wait >= 0 && (least < 0 || wait < least))
            least = wait;
    }
    return least;
}

/**
 * run_loop() - Until there is a reason to leave
 * @switcher:	Switcher
 * @signals:	Descriptor of signals
 */
static void run_loop(struct switcher *switcher, int signals)
{
    int64_t drawn = 0;

    while (!switcher->leave) {
        int64_t now, wait, pastes;
        bool more;

        status_ask(switcher);
        more = !switcher->leave && join_some(switcher);
        now = switcher_now_ms();
        if (switcher->typed_ms && now >= switcher->typed_ms)
            switcher_keys_over(switcher);
        if (switcher->message && now >= switcher->message_ms) {
            free(steal_ptr(switcher->message));
            switcher->dirty = true;
        }
        pastes = paste_all(switcher);
        if (switcher->dirty && now >= drawn + FRAME_MS) {
            switcher_draw(switcher);
            drawn = now = switcher_now_ms();
        }
        wait = switcher->status_asked ? STATUS_MS : switcher->status_ms - now;
        if (switcher->dirty && wait > drawn + FRAME_MS - now)
            wait = drawn + FRAME_MS - now;
        if (switcher->typed_ms && wait > switcher->typed_ms - now)
            wait = switcher->typed_ms - now;
        if (pastes >= 0 && wait > pastes)
            wait = pastes;
        if (!switcher->leave)
            turn(switcher, signals, wait < 0 || more ? 0 : (int)wait);
    }
}

/**
 * new_screen() - Begin with curses
 *
 * Where the locale is UTF-8, lines are drawn in Unicode even if terminfo promises another set of
 * characters for them: what calls itself an xterm need not have that (PuTTY, as it comes). Curses
 * asks the environment for it, once, and a person's own setting is left alone. What is started from
 * here gets the environment that there was.
 *
 * Return: curses' screen, or NULL
 */
static SCREEN *new_screen(void)
{
    static const char name[] = "NCURSES_NO_UTF8_ACS";
    bool ours = !getenv(name);
    SCREEN *screen;

    if (ours)
        (void)setenv(name, "1", 1);
    screen = newterm(NULL, stdout, stdin);
    if (ours)
        (void)unsetenv(name);
    return screen;
}

/**
 * screen_start() - Take the terminal
 * @switcher:	Switcher
 *
 * Return: curses' screen, NULL with the switcher's error
 */
static SCREEN *screen_start(struct switcher *switcher)
{
    SCREEN *screen;

    switcher->guardian.shared->screen = true;
    screen = new_screen();
    if (!screen) {
        switcher->guardian.shared->screen = false;
        (void)error_set(switcher->err, ENOTTY, "this terminal cannot show the switcher");
        error_hint(switcher->err,
                   "set TERM to what it is; labctl console NODE needs nothing of it");
        return NULL;
    }
    (void)set_term(screen);
    (void)raw();
    (void)noecho();
    (void)nonl();
    if (has_colors()) {
        (void)start_color();
        (void)use_default_colors();
    }
    put(GUARDIAN_PASTE_ON);
    return screen;
}

/**
 * screen_end() - Give the terminal back
 * @switcher:	Switcher
 * @screen:	Curses' screen
 */
static void screen_end(struct switcher *switcher, SCREEN *screen)
{
    struct guardian *guardian = &switcher->guardian;
    struct termios ours;

    if (guardian_lost(guardian) && tcgetattr(STDIN_FILENO, &ours) == 0) {
        /* The shell has gone on, and may have made its own settings. */
        guardian_restore(guardian, &switcher->raw);
    } else {
        leave_screen();
        guardian->shared->screen = false;
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &guardian->before);
    }
    delscreen(screen);
}

/**
 * switcher_done() - Free what it has
 * @switcher:	Switcher
 */
static void switcher_done(struct switcher *switcher)
{
    for (size_t i = 0; i < switcher->node_count; i++)
        node_done(&switcher->nodes[i]);
    free(switcher->nodes);
    free(switcher->message);
    free(switcher->copy.word);
    strbuf_done(&switcher->word);
    strbuf_done(&switcher->typed);
    strbuf_done(&switcher->pasted);
    strbuf_done(&switcher->copied);
    json_decref(switcher->document);
    rpc_client_free(switcher->status);
    rpc_client_free(switcher->action);
}

int switcher_run(const struct switcher_options *options, struct error *err)
{
    static const int caught[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
    struct switcher switcher = {.options = options, .pane_count = 1, .last = SIZE_MAX, .err = err};
    _cleanup_close_ int signals = -1;
    sigset_t set;
    SCREEN *screen;
    int r = guardian_start(&switcher.guardian, err);

    if (r != GUARDIAN_CHILD)
        return r;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
        (void)sigaddset(&set, caught[i]);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    switcher_take_status(&switcher, options->status);
    screen = screen_start(&switcher);
    if (screen) {
        (void)tcgetattr(STDIN_FILENO, &switcher.raw);
        take_size(&switcher);
        run_loop(&switcher, signals);
        screen_end(&switcher, screen);
    }
    switcher_done(&switcher);
    guardian_done(&switcher.guardian);
    return screen ? switcher.result : -ENOTTY;
}
