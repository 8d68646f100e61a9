// SPDX-License-Identifier: GPL-2.0-or-later

/* The ways from outside to the lab's consoles: for each a unix socket RUN/NODE.cN with plain bytes,
 * and a port for telnet where the topology asks for one. They are opened before anything starts, so
 * that a port that is taken fails the `up` at once, and stay as long as the lab.
 *
 * A port given in the topology is that of the first console. With `auto` each console has one, told
 * from the names of lab and node: the same each time, unless somebody else has it; a later engine
 * takes the one that was in use. */

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "engine/lab_priv.h"

#define ATTEMPTS 64

char *consoles_socket_path(const struct node_run *node, unsigned serial)
{
    /* Short: the path of a socket has room for 107 bytes. */
    return xasprintf("%s/%s.c%u", node->lab->run_dir, node->spec->name, serial);
}

/**
 * open_telnet() - Open the port that a console is to have
 * @node:	Node
 * @serial:	Console
 * @wanted:	Port; 0: find one
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int open_telnet(struct node_run *node, unsigned serial, uint16_t wanted, struct error *err)
{
    _cleanup_free_ char *name = xasprintf("%s/%s:%u", node->lab->name, node->spec->name, serial);
    int r = -EADDRINUSE;

    if (wanted)
        return console_door_telnet(node->lab->event, node->consoles[serial], wanted,
                                   &node->telnet[serial], err);
    for (unsigned i = 0; r == -EADDRINUSE && i < ATTEMPTS; i++) {
        error_done(err);
        r = console_door_telnet(node->lab->event, node->consoles[serial],
                                console_door_port_for(name, i), &node->telnet[serial], err);
    }
    return r;
}

/**
 * open_node() - Open a node's doors
 * @node:	Node
 * @automatic:	Those whose port is to be found, else those whose port is known
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int open_node(struct node_run *node, bool automatic, struct error *err)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < node->console_count; i++) {
        int given = node->spec->telnet_port;
        uint16_t port = node->telnet_saved[i] ? node->telnet_saved[i]
                        : given > 0 && i == 0 ? (uint16_t)given
                                              : 0;

        if (automatic && !node->sockets[i]) {
            _cleanup_free_ char *path = consoles_socket_path(node, i);

            r = console_door_unix(node->lab->event, node->consoles[i], path, &node->sockets[i],
                                  err);
        }
        if (r == 0 && !node->telnet[i] && (automatic ? !port && given < 0 : port != 0))
            r = open_telnet(node, i, port, err);
    }
    return r;
}

int consoles_open(struct lab *lab, struct error *err)
{
    int r = 0;

    /* Given ports first, so that none that is found is one of them. */
    for (int automatic = 0; r == 0 && automatic <= 1; automatic++)
        for (size_t i = 0; r == 0 && i < lab->topology->node_count; i++)
            r = open_node(lab->nodes[i], automatic, err);
    return r;
}

void consoles_adopt(struct node_run *node, json_t *saved)
{
    json_t *ports = json_object_get(saved, "telnet"), *port;
    size_t i;

    json_array_foreach (ports, i, port)
        if (i < NODE_SERIALS_MAX && json_integer_value(port) > 0 &&
            json_integer_value(port) <= UINT16_MAX)
            node->telnet_saved[i] = (uint16_t)json_integer_value(port);
}

json_t *consoles_ports(const struct node_run *node)
{
    json_t *ports = json_array();

    for (unsigned i = 0; i < node->console_count; i++)
        (void)json_array_append_new(
            ports, json_integer(node->telnet[i] ? console_door_port(node->telnet[i]) : 0));
    return ports;
}

void consoles_close(struct node_run *node)
{
    for (unsigned i = 0; i < node->console_count; i++) {
        console_door_free(node->sockets[i]);
        console_door_free(node->telnet[i]);
        node->sockets[i] = node->telnet[i] = NULL;
    }
}
