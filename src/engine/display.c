// SPDX-License-Identifier: GPL-2.0-or-later

/* Theory of operation
 *
 * The screen of a graphical guest is QEMU's own VNC server. It always listens on a unix socket in
 * the lab's run folder, where only the lab's user gets in, without a password. Not every viewer
 * speaks to unix sockets, so a topology may ask for a port on the loopback too (`console: {vnc:
 * …}`). There every user of the machine can connect, and unlike a serial console's telnet port a
 * screen is often left logged in: so that port wants a password, made by chance for each node and
 * kept in a file that only the lab's user can read. (RFB's own scheme: eight characters, DES.
 * Enough against a neighbour on the same machine, not against one who listens on a wire.)
 *
 * QEMU binds the port itself. That it is free is looked at just before; if somebody is faster, the
 * node ends with QEMU's own words, and its next start finds another. */

#include <arpa/inet.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/lab_priv.h"

#define PORT_FIRST     5901
#define PORT_COUNT     1000
#define PASSWORD_CHARS 8

char *display_password_path(const struct node_run *node)
{
    return node_socket_path(node, "vncpw");
}

/**
 * port_is_free() - Can a port of the loopback be had?
 * @port:	Port
 *
 * Return: 0 or -errno
 */
static int port_is_free(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

/**
 * is_another_s() - Does another node of the lab have or want a port?
 * @node:	Node
 * @port:	Port
 *
 * Return: true if so
 */
static bool is_another_s(const struct node_run *node, uint16_t port)
{
    for (size_t i = 0; i < node->lab->topology->node_count; i++) {
        const struct node_run *other = node->lab->nodes[i];

        if (other != node && (other->vnc_port == port || other->spec->vnc_port == port))
            return true;
    }
    return false;
}

/**
 * find_port() - A port for a node's screen: told from its name, so the same each time if it is free
 * @node:	Node
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int find_port(struct node_run *node, struct error *err)
{
    _cleanup_free_ char *name = xasprintf("%s/%s", node->lab->name, node->spec->name);
    uint32_t hash = text_hash(name);
    int r;

    if (node->spec->vnc_port > 0) {
        r = port_is_free((uint16_t)node->spec->vnc_port);
        if (r < 0) {
            r = error_set(err, -r, "vnc port 127.0.0.1:%d: %s; give another, or auto",
                          node->spec->vnc_port, strerror(-r));
            return r;
        }
        node->vnc_port = (uint16_t)node->spec->vnc_port;
        return 0;
    }
    for (unsigned i = 0; i < PORT_COUNT; i++) {
        uint16_t port = (uint16_t)(PORT_FIRST + (hash + i) % PORT_COUNT);

        if (is_another_s(node, port) || port_is_free(port) < 0)
            continue;
        node->vnc_port = port;
        return 0;
    }
    return error_set(err, EADDRINUSE, "no port for vnc is free on the loopback");
}

/**
 * make_password() - Write the node's password, unless it has one
 * @node:	Node
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int make_password(const struct node_run *node, struct error *err)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* 32 of them */
    _cleanup_free_ char *path = display_password_path(node);
    char password[PASSWORD_CHARS];
    unsigned char chance[PASSWORD_CHARS];

    if (file_exists(path))
        return 0;
    if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
        return error_errno(err, errno, "chance for a password");
    for (size_t i = 0; i < PASSWORD_CHARS; i++)
        password[i] = letters[chance[i] % 32];
    return file_write_atomic(path, password, sizeof(password), 0600, err);
}

int display_check(const struct node_run *node, struct error *err)
{
    if (!node->spec->vnc_port || appliance_display(node->appliance, node->spec) == DISPLAY_VNC)
        return 0;
    if (node->spec->display == NODE_DISPLAY_NONE)
        return error_input(err,
                           "node '%s': it has no screen (display: none), and its port is "
                           "wanted (vnc)",
                           node->spec->name);
    (void)error_input(err, "node '%s': image '%s' has no screen, and its port is wanted (vnc)",
                      node->spec->name, node->spec->image);
    error_hint(err, "take vnc out of the topology, or give the node `display: vnc`");
    return -EINVAL;
}

int display_prepare(struct node_run *node, struct error *err)
{
    _cleanup_free_ char *socket = node_socket_path(node, "vnc");
    int r;

    /* A QEMU that was killed leaves its socket, and the next one may not remove it. */
    if (appliance_display(node->appliance, node->spec) == DISPLAY_VNC)
        (void)unlink(socket);
    node->vnc_port = 0;
    if (!node->spec->vnc_port)
        return 0;
    r = make_password(node, err);
    return r < 0 ? r : find_port(node, err);
}

json_t *display_json(const struct node_run *node)
{
    _cleanup_free_ char *socket = node_socket_path(node, "vnc");
    _cleanup_free_ char *path = display_password_path(node), *password = NULL;
    json_t *display;
    size_t size = 0;

    if (appliance_display(node->appliance, node->spec) != DISPLAY_VNC)
        return json_null();
    display =
        json_pack("{s:s, s:s, s:n, s:n}", "type", "vnc", "socket", socket, "address", "password");
    if (node->vnc_port && file_read(path, PASSWORD_CHARS, &password, &size, NULL) == 0) {
        (void)json_object_set_new(display, "address", json_sprintf("127.0.0.1:%u", node->vnc_port));
        (void)json_object_set_new(display, "password", json_string(password));
    }
    return display;
}
