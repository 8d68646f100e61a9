// SPDX-License-Identifier: GPL-2.0-or-later

/* Uplinks. Those to a bridge, an interface or a VXLAN are the fabric's work alone. A nat uplink is
 * a segment with a tap that slirp4netns(1) serves: it runs outside of the lab's namespace, as the
 * lab's user, and turns the guests' packets into ordinary sockets. No root is needed.
 *
 * Port forwards name a node, slirp4netns wants an address. Its DHCP server hands out addresses in
 * the order in which it first sees a MAC address, from the fifteenth of its network on. So before
 * any guest runs, the engine sends a DHCPDISCOVER in the name of each end, in the order of the
 * file: end N has the address 10.0.2.(15 + N), whoever boots first. The frames go into the guests'
 * own taps, as if they had sent them; answers are thrown away when the guest's QEMU starts.
 *
 * When slirp4netns dies, another one takes the tap, which persists. A nat uplink whose slirp4netns
 * cannot be started, or dies again and again, has no carrier, and the status says why. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/spawn.h"
#include "engine/lab_priv.h"
#include "engine/qemu_argv.h"

#define READY_TIMEOUT_MS 10000
#define CALL_TIMEOUT_MS  5000
#define STOP_TIMEOUT_MS  2000
#define FIRST_ADDRESS    15 /* of libslirp's DHCP server */
#define LEASES_MOST      16 /* addresses that it has */
#define HEADER_MOST      32 /* of a tap's frames: struct virtio_net_hdr, linux/virtio_net.h */

static int on_slirp_gone(sd_event_source *source, int fd, uint32_t revents, void *data);

static const struct uplink *spec_of(const struct uplink_run *run)
{
    return &run->lab->topology->uplinks[run->index];
}

char *uplink_address(const struct uplink *uplink, size_t end)
{
    return uplink->type == UPLINK_NAT && end < LEASES_MOST
               ? xasprintf("10.0.2.%zu", FIRST_ADDRESS + end)
               : NULL;
}

struct uplink_run *uplink_new(struct lab *lab, size_t index)
{
    struct uplink_run *run = xnew0(struct uplink_run, 1);

    *run = (struct uplink_run){.lab = lab, .index = index, .pidfd = -1};
    return run;
}

void uplinks_init(struct lab *lab)
{
    lab->uplinks = xnew0(struct uplink_run *, lab->topology->uplink_count);
    for (size_t i = 0; i < lab->topology->uplink_count; i++)
        lab->uplinks[i] = uplink_new(lab, i);
}

/**
 * forget() - Let go of the handle on slirp4netns
 * @run:	Uplink
 */
static void forget(struct uplink_run *run)
{
    run->source = sd_event_source_disable_unref(run->source);
    cleanup_close(&run->pidfd);
    run->pidfd = -1;
    run->process = (struct process_id){0};
}

void uplinks_free(struct lab *lab)
{
    for (size_t i = 0; lab->uplinks && i < lab->topology->uplink_count; i++) {
        forget(lab->uplinks[i]);
        uplink_free(lab->uplinks[i]);
    }
    free(lab->uplinks);
    lab->uplinks = NULL;
}

bool uplink_is_up(const struct lab *lab, size_t uplink)
{
    return lab->fabric &&
           (lab->topology->uplinks[uplink].type != UPLINK_NAT || lab->uplinks[uplink]->pidfd >= 0);
}

/* ---- addresses ---- */

/**
 * checksum() - Of an IPv4 header (RFC 1071)
 * @data:	Header
 * @size:	Its even size
 *
 * Return: checksum in network order
 */
static uint16_t checksum(const uint8_t *data, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i += 2)
        sum += (uint32_t)data[i] << 8 | data[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/**
 * make_discover() - A DHCPDISCOVER of a MAC address (RFC 2131, table 5) in its Ethernet frame
 * @mac:	Address as text
 * @frame:	Filled, zeroed before
 */
static void make_discover(const char *mac, uint8_t frame[static 342])
{
    uint8_t *ip = frame + 14, *udp = ip + 20, *bootp = udp + 8, address[6];
    uint16_t sum;

    (void)sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &address[0], &address[1], &address[2],
                 &address[3], &address[4], &address[5]);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, address, 6);
    frame[12] = 0x08;
    memcpy(ip, (uint8_t[]){0x45, 0, 328 >> 8, 328 & 255, 0, 0, 0, 0, 64, IPPROTO_UDP}, 10);
    memset(ip + 16, 0xff, 4);
    sum = checksum(ip, 20);
    memcpy(ip + 10, &sum, 2);
    memcpy(udp, (uint8_t[]){0, 68, 0, 67, 308 >> 8, 308 & 255}, 6);
    memcpy(bootp, (uint8_t[]){1, 1, 6, 0, 'l', 'a', 'b', 'c'}, 8);
    memcpy(bootp + 28, address, 6);
    memcpy(bootp + 236, (uint8_t[]){99, 130, 83, 99, 53, 1, 1, 255}, 8);
}

/**
 * reserve_address() - Have an end's address given to it, before or after others ask
 * @run:	Uplink
 * @end:	Index of the end
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int reserve_address(struct uplink_run *run, size_t end, struct error *err)
{
    const struct endpoint *at = &spec_of(run)->ends[end];
    const struct node *node = &run->lab->topology->nodes[at->node];
    _cleanup_free_ int *taps = xnew0(int, node->nics);
    uint8_t frame[HEADER_MOST + 342] = {0};
    int header = 0, r;
    char mac[18];

    r = fabric_taps(run->lab->fabric, run->lab->plan, at->node, taps, err);
    if (r < 0)
        return r;
    qemu_mac(run->lab->name, node->name, at->nic, mac);
    if (ioctl(taps[at->nic], TUNGETVNETHDRSZ, &header) < 0 || header < 0 || header > HEADER_MOST) {
        r = error_set(err, EIO, "the size of a tap's header is not known");
    } else {
        make_discover(mac, frame + header);
        if (write(taps[at->nic], frame, (size_t)header + 342) < 0)
            r = error_errno(err, errno, "write to a tap");
    }
    for (unsigned i = 0; i < node->nics; i++)
        (void)close(taps[i]);
    return r;
}

/* ---- forwards ---- */

/**
 * receive_all() - Read a socket to its end
 * @fd:		Socket
 * @reply:	Filled
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int receive_all(int fd, struct strbuf *reply, struct error *err)
{
    char part[1024];

    for (;;) {
        struct pollfd item = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (poll(&item, 1, CALL_TIMEOUT_MS) <= 0)
            return error_set(err, ETIMEDOUT, "slirp4netns does not answer");
        n = recv(fd, part, sizeof(part), 0);
        if (n < 0)
            return error_errno(err, errno, "slirp4netns");
        if (n == 0)
            return 0;
        strbuf_append(reply, part, (size_t)n);
        if (reply->size > 65536)
            return error_set(err, EPROTO, "slirp4netns says too much");
    }
}

/**
 * add_forward() - Ask slirp4netns for a port forward (its API, slirp4netns(1))
 * @run:	Uplink
 * @path:	API socket
 * @forward:	Which
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int add_forward(struct uplink_run *run, const char *path, const struct forward *forward,
                       struct error *err)
{
    _cleanup_close_ int fd = socket_connect(path, SOCK_STREAM, err);
    _cleanup_free_ char *guest = uplink_address(spec_of(run), forward->end), *text = NULL;
    _cleanup_strbuf_ struct strbuf reply = STRBUF_INIT;
    json_t *request, *answer, *fault;
    int r;

    if (fd < 0)
        return fd;
    if (!guest)
        return error_input(err, "only the first %d ends of an uplink have forwards", LEASES_MOST);
    request =
        json_pack("{s:s, s:{s:s, s:s, s:i, s:s, s:i}}", "execute", "add_hostfwd", "arguments",
                  "proto", forward->udp ? "udp" : "tcp", "host_addr", forward->address, "host_port",
                  (int)forward->port, "guest_addr", guest, "guest_port", (int)forward->guest_port);
    text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    r = text ? write_all(fd, text, strlen(text)) : -EINVAL;
    if (r < 0)
        return error_errno(err, -r, "slirp4netns");
    (void)shutdown(fd, SHUT_WR);
    r = receive_all(fd, &reply, err);
    if (r < 0)
        return r;
    answer = json_loadb(reply.data ? reply.data : "", reply.size, 0, NULL);
    fault = json_object_get(answer, "error");
    if (!json_object_get(answer, "return")) {
        r = error_set(err, EADDRINUSE, "forward '%s': slirp4netns: %s", forward->text,
                      json_string_value(json_object_get(fault, "desc")) ?: "refused");
        error_hint(err, "is %s port %u in use? 'ss -ltnup' tells by whom", forward->address,
                   forward->port);
    }
    json_decref(answer);
    return r;
}

/* ---- the process ---- */

/**
 * spawn_slirp() - Start slirp4netns and wait until it serves
 * @run:	Uplink
 * @api:	Where its API is to listen
 * @sandbox:	Let it lock itself in
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int spawn_slirp(struct uplink_run *run, const char *api, bool sandbox, struct error *err)
{
    struct lab *lab = run->lab;
    pid_t fabric = fabric_process(lab->fabric).pid;
    _cleanup_free_ char *user = xasprintf("--userns-path=/proc/%d/ns/user", (int)fabric);
    _cleanup_free_ char *net = xasprintf("/proc/%d/ns/net", (int)fabric);
    char tap[IFNAMSIZ];
    const char *argv[16] = {"slirp4netns"};
    size_t count = 1;
    int ready[2], null;
    pid_t pid = 0;
    struct pollfd item;
    char word = 0;
    int r;

    fabric_uplink_ifname(lab->plan, lab->topology->lan_count + run->index, tap);
    argv[count++] = "--ready-fd=3";
    argv[count++] = "--disable-host-loopback";
    argv[count++] = "--api-socket";
    argv[count++] = api;
    if (sandbox)
        argv[count++] = "--enable-sandbox";
    if (geteuid() != 0)
        argv[count++] = user;
    argv[count++] = "--netns-type=path";
    argv[count++] = net;
    argv[count++] = tap;
    if (pipe2(ready, O_CLOEXEC) < 0)
        return error_errno(err, errno, "pipe");
    null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    r = spawn(
        &(struct spawn_options){.argv = argv,
                                .fds = (struct spawn_fd[]){{null, 1}, {null, 2}, {ready[1], 3}},
                                .fd_count = 3,
                                .new_session = true},
        &pid, &run->pidfd, err);
    (void)close(null);
    (void)close(ready[1]);
    if (r < 0) {
        (void)close(ready[0]);
        if (r == -ENOENT)
            error_hint(err, "sudo apt-get install slirp4netns");
        return r;
    }
    item = (struct pollfd){.fd = ready[0], .events = POLLIN};
    if (poll(&item, 1, READY_TIMEOUT_MS) != 1 || read(ready[0], &word, 1) != 1) {
        (void)pidfd_signal(run->pidfd, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        cleanup_close(&run->pidfd);
        run->pidfd = -1;
        r = error_set(err, EIO, "slirp4netns ended before it served");
    } else {
        (void)process_identify(pid, &run->process, NULL);
        run->is_child = true;
    }
    (void)close(ready[0]);
    return r;
}

/**
 * watch_slirp() - Notice when it dies
 * @run:	Uplink
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int watch_slirp(struct uplink_run *run, struct error *err)
{
    int r = sd_event_add_io(run->lab->event, &run->source, run->pidfd, EPOLLIN, on_slirp_gone, run);

    return r < 0 ? error_errno(err, -r, "watch slirp4netns") : 0;
}

/**
 * start_nat() - Start slirp4netns, give every end its address, make the forwards
 * @run:	Uplink
 * @err:	Error to fill
 *
 * Return: 0 or -errno
 */
static int start_nat(struct uplink_run *run, struct error *err)
{
    const struct uplink *spec = spec_of(run);
    _cleanup_free_ char *name = xasprintf("%s.nat", spec->name);
    _cleanup_free_ char *api = path_join(run->lab->run_dir, name);
    _cleanup_error_ struct error first = ERROR_INIT;
    int r;

    (void)unlink(api);
    r = spawn_slirp(run, api, true, &first);
    if (r == -EIO) /* some hosts do not let it lock itself in */
        r = spawn_slirp(run, api, false, err);
    else if (r < 0)
        error_move(err, &first);
    if (r == 0)
        r = watch_slirp(run, err);
    for (size_t i = 0; r == 0 && i < spec->end_count && i < LEASES_MOST; i++)
        r = reserve_address(run, i, err);
    for (size_t i = 0; r == 0 && i < spec->forward_count; i++)
        r = add_forward(run, api, &spec->forwards[i], err);
    free(run->fault);
    run->fault = r < 0 ? xstrdup(error_message(err)) : NULL;
    return r < 0 ? error_prefix(err, "uplink '%s'", spec->name) : 0;
}

/**
 * on_slirp_gone() - slirp4netns died: another one takes the tap
 * @source:	Its pidfd's event source
 * @fd:		Unused
 * @revents:	Unused
 * @data:	Uplink
 *
 * Return: 0
 */
static int on_slirp_gone(sd_event_source *source, int fd, uint32_t revents, void *data)
{
    struct uplink_run *run = data;
    struct lab *lab = run->lab;
    _cleanup_error_ struct error err = ERROR_INIT;

    (void)source;
    (void)fd;
    (void)revents;
    if (run->is_child)
        (void)waitpid(run->process.pid, NULL, WNOHANG);
    forget(run);
    if (lab->state == LAB_STOPPING || !lab->fabric)
        return 0;
    if (deaths_too_many(&run->deaths)) {
        free(run->fault);
        run->fault = xstrdup("slirp4netns died again and again");
    } else if (start_nat(run, &err) < 0) {
        log_error("%s", error_message(&err));
    }
    lab_event(lab, "uplink", NULL, "uplink '%s': slirp4netns died%s%s", spec_of(run)->name,
              run->fault ? ": " : " and was replaced", run->fault ? run->fault : "");
    carrier_update(lab);
    lab_changed(lab);
    return 0;
}

int uplinks_start(struct lab *lab, struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < lab->topology->uplink_count; i++)
        if (lab->topology->uplinks[i].type == UPLINK_NAT && lab->uplinks[i]->pidfd < 0)
            r = start_nat(lab->uplinks[i], err);
    return r;
}

/**
 * stop() - End slirp4netns
 * @run:	Uplink
 */
static void stop(struct uplink_run *run)
{
    if (run->pidfd < 0)
        return;
    run->source = sd_event_source_disable_unref(run->source);
    (void)pidfd_end(run->pidfd, STOP_TIMEOUT_MS);
    if (run->is_child)
        (void)waitpid(run->process.pid, NULL, 0);
    forget(run);
}

void uplink_free(struct uplink_run *run)
{
    if (!run)
        return;
    stop(run);
    free(run->fault);
    free(run);
}

void uplinks_stop(struct lab *lab)
{
    for (size_t i = 0; i < lab->topology->uplink_count; i++)
        stop(lab->uplinks[i]);
}

json_t *uplinks_save(const struct lab *lab)
{
    json_t *uplinks = json_array();

    for (size_t i = 0; i < lab->topology->uplink_count; i++)
        (void)json_array_append_new(
            uplinks, json_pack("{s:s, s:i, s:I}", "name", lab->topology->uplinks[i].name, "pid",
                               (int)lab->uplinks[i]->process.pid, "start_time",
                               (json_int_t)lab->uplinks[i]->process.start_time));
    return uplinks;
}

/**
 * end_unknown() - End a slirp4netns that was started just before the engine was killed
 * @run:	Uplink
 *
 * It holds the tap. Its API socket is of its own making, so the kernel tells who it is.
 */
static void end_unknown(const struct uplink_run *run)
{
    _cleanup_free_ char *name = xasprintf("%s.nat", spec_of(run)->name);
    _cleanup_free_ char *api = path_join(run->lab->run_dir, name);
    _cleanup_close_ int fd = socket_connect(api, SOCK_STREAM, NULL), pidfd = -1;
    struct ucred peer;
    socklen_t size = sizeof(peer);
    struct process_id id;
    struct pollfd item = {.events = POLLIN};

    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
        peer.uid != geteuid() || process_identify(peer.pid, &id, NULL) < 0)
        return;
    pidfd = process_open(&id);
    if (pidfd < 0)
        return;
    (void)pidfd_signal(pidfd, SIGKILL);
    item.fd = pidfd;
    (void)poll(&item, 1, STOP_TIMEOUT_MS);
}

void uplinks_find(struct lab *lab, json_t *saved)
{
    for (size_t i = 0; i < lab->topology->uplink_count; i++) {
        struct uplink_run *run = lab->uplinks[i];
        _cleanup_error_ struct error err = ERROR_INIT;
        json_t *item = NULL;
        size_t n;

        json_array_foreach (saved, n, item) {
            const char *name = json_string_value(json_object_get(item, "name"));

            if (name && strcmp(name, lab->topology->uplinks[i].name) == 0)
                break;
        }
        if (n == json_array_size(saved))
            item = NULL;
        if (lab->topology->uplinks[i].type != UPLINK_NAT)
            continue;
        run->process.pid = (pid_t)json_integer_value(json_object_get(item, "pid"));
        run->process.start_time = (uint64_t)json_integer_value(json_object_get(item, "start_time"));
        run->pidfd = process_open(&run->process);
        if (run->pidfd >= 0 && watch_slirp(run, &err) < 0)
            log_warning("%s", error_message(&err));
        if (run->pidfd < 0) {
            run->process = (struct process_id){0};
            end_unknown(run);
        }
    }
}

void uplinks_adopt(struct lab *lab)
{
    for (size_t i = 0; i < lab->topology->uplink_count; i++) {
        _cleanup_error_ struct error err = ERROR_INIT;

        if (lab->topology->uplinks[i].type == UPLINK_NAT && lab->uplinks[i]->pidfd < 0 &&
            lab->fabric && start_nat(lab->uplinks[i], &err) < 0)
            log_warning("%s", error_message(&err));
    }
}

json_t *status_uplink(const struct lab *lab, size_t index)
{
    static const char *const types[] = {[UPLINK_NAT] = "nat",
                                        [UPLINK_BRIDGE] = "bridge",
                                        [UPLINK_PHYSICAL] = "physical",
                                        [UPLINK_VXLAN] = "vxlan"};
    const struct uplink *spec = &lab->topology->uplinks[index];
    json_t *ends = json_array(), *addresses = json_object(), *forwards = json_array();

    for (size_t i = 0; i < spec->end_count; i++) {
        _cleanup_free_ char *label =
            xasprintf("%s:%s", lab->topology->nodes[spec->ends[i].node].name, spec->ends[i].port);
        _cleanup_free_ char *address = uplink_address(spec, i);

        (void)json_array_append_new(ends, json_string(label));
        if (address)
            (void)json_object_set_new(addresses, label, json_string(address));
    }
    for (size_t i = 0; i < spec->forward_count; i++)
        (void)json_array_append_new(forwards, json_string(spec->forwards[i].text));
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s?, s:n, s:o, s:o}", "name", spec->name, "kind",
                     "uplink", "type", types[spec->type], "ends", ends, "state",
                     uplink_is_up(lab, index) ? "up" : "down", "reason", lab->uplinks[index]->fault,
                     "impairment", "addresses", addresses, "forward", forwards);
}
