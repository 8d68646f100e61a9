// SPDX-License-Identifier: GPL-2.0-or-later

/* A counted stream of frames from one tap to another, through descriptors that two QEMUs hold:
 *
 *     stream PID-A PID-B
 *
 * sends numbered frames as if the guest of A's first NIC did, and takes them out of B's in the
 * place of B's guest, which has no driver. It goes on until SIGTERM, then waits for what is on the
 * way and prints "sent N, lost N". Never more frames are on the way than a tap's queue holds, so
 * each that is missing was lost by the link. */

#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TAP_FD      10 /* QEMU_FD_TAP */
#define HEADER      32 /* room for a struct virtio_net_hdr */
#define FRAME       64
#define WINDOW      200
#define PATIENCE_MS 3000

static volatile sig_atomic_t stop;

static void on_term(int number)
{
    (void)number;
    stop = 1;
}

static int tap_of(const char *pid)
{
    int pidfd = (int)syscall(SYS_pidfd_open, atoi(pid), 0);

    return (int)syscall(SYS_pidfd_getfd, pidfd, TAP_FD, 0);
}

int main(int argc, char **argv)
{
    uint8_t frame[HEADER + FRAME] = {0}, *data;
    uint32_t sent = 0, next = 0, lost = 0, number;
    int from, to, header = 12;

    if (argc < 3 || (from = tap_of(argv[1])) < 0 || (to = tap_of(argv[2])) < 0) {
        perror("stream");
        return 2;
    }
    if (argc > 3)
        header = atoi(argv[3]);
    (void)signal(SIGTERM, on_term);
    data = frame + header;
    memset(data, 0xff, 6);
    data[6] = 2;
    data[12] = 0x88;
    data[13] = 0xb5;
    /* One frame goes to QEMU, which reads until it sees that no driver takes it, and no further. */
    (void)!write(from, frame, (size_t)header + FRAME);
    for (int quiet = 0; !stop && quiet < 20;) {
        struct pollfd item = {.fd = to, .events = POLLIN};

        (void)poll(NULL, 0, 10);
        quiet = poll(&item, 1, 0) == 0 ? quiet + 1 : 0;
    }
    while (!stop || next < sent) {
        struct pollfd item = {.fd = to, .events = POLLIN};

        if (!stop && sent - next < WINDOW) {
            memcpy(data + 20, &sent, sizeof(sent));
            if (write(from, frame, (size_t)header + FRAME) == header + FRAME)
                sent++;
        }
        if (poll(&item, 1, stop ? PATIENCE_MS : sent - next < WINDOW ? 1 : PATIENCE_MS) <= 0) {
            if (!stop && sent - next < WINDOW)
                continue;
            lost += sent - next; /* nothing comes any more */
            next = sent;
            continue;
        }
        uint8_t got[2048];
        ssize_t n = read(to, got, sizeof(got));

        if (n < header + FRAME || memcmp(got + header + 12, data + 12, 2) != 0)
            continue;
        memcpy(&number, got + header + 20, sizeof(number));
        if (number > next)
            lost += number - next;
        next = number + 1;
    }
    (void)printf("sent %u, lost %u\n", sent, lost);
    return lost != 0;
}
