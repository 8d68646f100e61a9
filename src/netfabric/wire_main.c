// SPDX-License-Identifier: GPL-2.0-or-later

/* labctl-wire --check FILTER: whether a pcap filter is one that `only` takes; what is wrong with it
 * is printed on standard output, status 2. (labctl itself starts without libpcap.)
 *
 * labctl-wire: carries the frames of impaired links. Started inside the lab's namespaces with its
 * listening socket as descriptor 3; it needs no right besides the taps that it is handed. */

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "netfabric/wire_server_priv.h"

#define LISTEN_FD 3

/* Free memory that is kept, as rooms are (wire_room.c), for small frames that wait. */
#define KEEP_BYTES (64 << 20)

int main(int argc, char **argv)
{
    _cleanup_error_ struct error err = ERROR_INIT;

    if (argc == 3 && strcmp(argv[1], "--check") == 0) {
        if (wire_check(&(struct impairment){.only = argv[2]}, &err) == 0)
            return 0;
        (void)printf("%s\n", error_message(&err));
        return 2;
    }
    if (argc != 1) {
        (void)fprintf(stderr, "%s is started by labctl-engine\n", argv[0]);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0, 0, 0);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
    if (wire_serve(LISTEN_FD, &err) < 0) {
        log_error("%s", error_message(&err));
        return 1;
    }
    return 0;
}
