// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* Scope-bound cleanup: a variable marked with one of these frees what it holds when it goes out of
 * scope. Ownership leaves such a variable only by steal_ptr() or steal_fd(). */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(func) __attribute__((cleanup(func)))

/**
 * cleanup_free() - Free a heap pointer
 * @p:	Address of the pointer
 */
static inline void cleanup_free(void *p)
{
    free(*(void **)p);
}

/**
 * cleanup_close() - Close a file descriptor if there is one
 * @fd:	Address of the descriptor, -1 for none
 */
static inline void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

/**
 * cleanup_fclose() - Close a stdio stream if there is one
 * @f:	Address of the stream
 */
static inline void cleanup_fclose(FILE **f)
{
    if (*f)
        (void)fclose(*f);
}

/**
 * cleanup_closedir() - Close a directory stream if there is one
 * @d:	Address of the stream
 */
static inline void cleanup_closedir(DIR **d)
{
    if (*d)
        (void)closedir(*d);
}

#define _cleanup_free_     _cleanup_(cleanup_free)
#define _cleanup_close_    _cleanup_(cleanup_close)
#define _cleanup_fclose_   _cleanup_(cleanup_fclose)
#define _cleanup_closedir_ _cleanup_(cleanup_closedir)

/**
 * steal_fd() - Move a descriptor out of a cleanup variable
 * @fd:	Address of the descriptor
 *
 * Return: the descriptor; the variable holds -1 afterwards
 */
static inline int steal_fd(int *fd)
{
    int stolen = *fd;

    *fd = -1;
    return stolen;
}

/* Move a pointer out of a cleanup variable; the variable holds NULL afterwards. */
#define steal_ptr(ptr)                                                                             \
    ({                                                                                             \
        __typeof__(ptr) stolen_ = (ptr);                                                           \
        (ptr) = NULL;                                                                              \
        stolen_;                                                                                   \
    })

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
