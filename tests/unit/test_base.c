// SPDX-License-Identifier: GPL-2.0-or-later
// links: labctl_base

/* Small things of base: ends of processes, pipes, links in folders, connections, hashes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/process.h"
#include "base/socket.h"
#include "base/text.h"

/**
 * end_of_child() - Have a child ended
 * @deaf:	It ignores SIGTERM
 * @grace_ms:	For pidfd_end()
 * @ret_status:	As of waitpid()
 *
 * Return: what pidfd_end() did
 */
static int end_of_child(bool deaf, int grace_ms, int *ret_status)
{
    int ready[2], pidfd, r;
    char word;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail */
        (void)signal(SIGTERM, deaf ? SIG_IGN : SIG_DFL);
        (void)!write(ready[1], "r", 1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ready[0], &word, 1), 1);
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    assert_true(pidfd >= 0);
    r = pidfd_end(pidfd, grace_ms);
    assert_int_equal(waitpid(pid, ret_status, 0), pid);
    (void)close(pidfd);
    (void)close(ready[0]);
    (void)close(ready[1]);
    return r;
}

static void a_process_is_asked_before_it_is_killed(void **state)
{
    int status = 0;

    (void)state;
    assert_int_equal(end_of_child(false, 60000, &status), 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    /* Its end by SIGKILL may take longer than its grace here, which is told. */
    assert_int_not_equal(end_of_child(true, 200, &status), 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_pipe_is_read_to_its_end(void **state)
{
    _cleanup_strbuf_ struct strbuf all = STRBUF_INIT, some = STRBUF_INIT;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write_all(fds[1], "0123456789", 10), 0);
    (void)close(fds[1]);
    assert_int_equal(read_all(fds[0], 100, &all), 0);
    assert_string_equal(all.data, "0123456789");
    (void)close(fds[0]);

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write_all(fds[1], "0123456789", 10), 0);
    (void)close(fds[1]);
    assert_int_equal(read_all(fds[0], 4, &some), 0);
    assert_string_equal(some.data, "0123");
    assert_int_equal(read(fds[0], fds, 1), 0); /* the rest is gone */
    (void)close(fds[0]);
    assert_int_equal(read_all(-1, 4, &some), -EBADF);
}

static void a_link_is_found_by_where_it_leads(void **state)
{
    char dir[] = "/tmp/labctl-base-XXXXXX";
    _cleanup_free_ char *other = NULL, *wanted = NULL, *found = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    other = path_join(dir, "a");
    wanted = path_join(dir, "b");
    assert_int_equal(symlink(".store/x-10", other), 0);
    assert_int_equal(symlink(".store/x-1", wanted), 0);
    found = dir_find_link(dir, ".store/x-1");
    assert_string_equal(found, "b");
    assert_null(dir_find_link(dir, ".store/x"));
    assert_null(dir_find_link("/nowhere", "x"));
    assert_int_equal(dir_remove_tree(dir, NULL), 0);
}

static void ones_own_connections_are_taken(void **state)
{
    char dir[] = "/tmp/labctl-base-XXXXXX";
    _cleanup_free_ char *path = NULL;
    int listener, client, fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    path = path_join(dir, "sock");
    listener = socket_listen(path, SOCK_STREAM | SOCK_NONBLOCK, NULL);
    assert_true(listener >= 0);
    assert_int_equal(socket_accept_own(listener), -EAGAIN);
    client = socket_connect_own(path, SOCK_STREAM, 1, NULL);
    assert_true(client >= 0);
    fd = socket_accept_own(listener);
    assert_true(fd >= 0);
    (void)close(fd);
    (void)close(client);
    (void)close(listener);
    assert_int_equal(dir_remove_tree(dir, NULL), 0);
}

/* Known values of FNV-1a: a lab's ports follow from them. */
static void hashes_stay_as_they_are(void **state)
{
    (void)state;
    assert_int_equal(text_hash(""), 0x811c9dc5);
    assert_int_equal(text_hash("a"), 0xe40c292c);
    assert_int_equal(text_hash("foobar"), 0xbf9cf968);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_is_asked_before_it_is_killed),
        cmocka_unit_test(a_pipe_is_read_to_its_end),
        cmocka_unit_test(a_link_is_found_by_where_it_leads),
        cmocka_unit_test(ones_own_connections_are_taken),
        cmocka_unit_test(hashes_stay_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
