// SPDX-License-Identifier: GPL-2.0-or-later

/* capture_load SECONDS SIZE COUNT TAP COMMAND… - Run COMMAND, wait until it captures on TAP, send
 * frames of SIZE bytes by the tap for SECONDS, let it settle, end it with SIGTERM, and print one
 * line: frames sent, processor milliseconds of the command, milliseconds of sending.
 * COUNT 0: as fast as it goes; else so many a second. A command of "-" sends without a capture. */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* capturing() - Is a packet socket bound to the interface? */
static int capturing(unsigned ifindex)
{
    FILE *file = fopen("/proc/net/packet", "re");
    char line[256];
    int found = 0;

    while (file && fgets(line, sizeof(line), file)) {
        unsigned type, proto, iface, running;

        if (sscanf(line, "%*s %*u %u %x %u %u", &type, &proto, &iface, &running) == 4)
            found |= iface == ifindex && proto != 0 && running;
    }
    if (file)
        (void)fclose(file);
    return found;
}

/* usage_ms() - Processor time of a process that has ended. */
static long usage_ms(const struct rusage *usage)
{
    return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000 +
           (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1000;
}

int main(int argc, char **argv)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    static uint8_t message[sizeof(struct virtio_net_hdr) + 65536];
    struct rusage usage = {0};
    int64_t start, end, now;
    long long sent = 0, failed = 0;
    pid_t pid = 0;
    int tap, status;

    if (argc < 6)
        return 2;
    tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", argv[4]);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request) < 0) {
        perror("tap");
        return 1;
    }
    if (strcmp(argv[5], "-") != 0) {
        pid = fork();
        if (pid == 0) {
            (void)execvp(argv[5], argv + 5);
            _exit(127);
        }
        for (int i = 0; i < 1000 && !capturing(if_nametoindex(argv[4])); i++)
            (void)usleep(10000);
    }
    memcpy(message + sizeof(struct virtio_net_hdr), "\x02\0\0\0\0\2\2\0\0\0\0\1\x88\xb5", 14);
    start = now_us();
    end = start + atoll(argv[1]) * 1000000;
    for (now = start; now < end; now = now_us()) {
        long long due = atoll(argv[3]) ? atoll(argv[3]) * (now - start) / 1000000 : sent + 64;

        if (sent >= due)
            (void)usleep(200);
        for (; sent < due; sent++)
            failed +=
                write(tap, message, sizeof(struct virtio_net_hdr) + (size_t)atoi(argv[2])) < 0;
    }
    if (pid) {
        (void)usleep(500000);
        (void)kill(pid, SIGTERM);
        while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR)
            ;
    }
    printf("%lld %ld %lld\n", sent - failed, usage_ms(&usage), (long long)(now - start) / 1000);
    return 0;
}
