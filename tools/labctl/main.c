// SPDX-License-Identifier: GPL-2.0-or-later

/* labctl: understand the command line, run the command, print its error, exit 0, 1 or 2. */

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "labctl/labctl.h"
#include "labctl/output.h"

int main(int argc, char **argv)
{
    _cleanup_error_ struct error err = ERROR_INIT;
    struct invocation invocation;
    int status;

    (void)setlocale(LC_CTYPE, "");
    (void)signal(SIGPIPE, SIG_IGN);
    status = invocation_parse(&invocation, argc, argv, &err);
    if (status == 0)
        status = invocation.command->run(&invocation, &err);
    if (status < 0) {
        print_error(&err);
        status = err.code ? (int)err.kind : ERROR_KIND_FAILED;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (status == 0 && errno != EPIPE) {
            (void)fprintf(stderr, "labctl: standard output: %s\n", strerror(errno));
            status = ERROR_KIND_FAILED;
        }
    }
    invocation_done(&invocation);
    return status;
}
