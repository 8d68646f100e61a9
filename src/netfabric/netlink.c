// SPDX-License-Identifier: GPL-2.0-or-later

/* The kernel works through all messages of one sendmsg() in order, under one system call, and
 * answers those that fail even when no answer was asked for. So only the last message of a batch
 * asks for one (NLM_F_ACK): when its answer is there, everything before it is done, and what failed
 * has been heard of already. A thousand links then cost some dozens of system calls.
 *
 * A batch is kept to BATCH_BYTES, so that even if every message fails the answers (capped to the
 * header, plus the kernel's text) fit the receive buffer that was asked for. */

#include "netfabric/netlink_priv.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"

#define BATCH_BYTES      (32u << 10)
#define BATCH_COUNT      256u
#define BATCH_BUFFER     (1 << 20)
#define MESSAGE_ROOM     768u
#define BATCH_TIMEOUT_MS 25000

int batch_init(struct batch *batch, struct error *err)
{
    const int on = 1;
    const struct timeval timeout = {.tv_sec = BATCH_TIMEOUT_MS / 1000};
    struct nl_sock *sock = nl_socket_alloc();
    int r;

    if (!sock)
        return error_set(err, ENOMEM, "netlink socket: out of memory");
    r = nl_connect(sock, NETLINK_ROUTE);
    if (r < 0) {
        nl_socket_free(sock);
        return error_set(err, EIO, "netlink socket: %s", nl_geterror(r));
    }
    /* All of these only make messages better or buffers larger: an old kernel may refuse. */
    (void)nl_socket_set_buffer_size(sock, BATCH_BUFFER, BATCH_BUFFER);
    (void)setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    (void)setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
    (void)setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    *batch = (struct batch){.sock = sock, .sequence = 1};
    return 0;
}

void batch_done(struct batch *batch)
{
    if (batch->sock)
        nl_socket_free(batch->sock);
    strbuf_done(&batch->messages);
    free(batch->subjects);
    error_done(&batch->error_space);
    *batch = (struct batch){0};
}

int batch_fd(const struct batch *batch)
{
    return nl_socket_get_fd(batch->sock);
}

struct nl_msg *batch_message(int type, int flags, const void *header, size_t size)
{
    struct nl_msg *message = nlmsg_alloc_size(MESSAGE_ROOM);

    if (!message || !nlmsg_put(message, 0, 0, type, 0, NLM_F_REQUEST | flags) ||
        nlmsg_append(message, (void *)(uintptr_t)header, size, NLMSG_ALIGNTO) < 0)
        abort();
    return message;
}

/**
 * refusal() - Note the first thing that the kernel refused
 * @batch:	Batch
 * @subject:	What it was for
 * @code:	Positive errno
 * @text:	The kernel's own text, or NULL
 */
static void refusal(struct batch *batch, const struct batch_subject *subject, int code,
                    const char *text)
{
    if (subject->forgive || batch->error)
        return;
    batch->error = &batch->error_space;
    (void)error_errno(batch->error, code, "%s %s%s%s%s%s%s%s", subject->verb, subject->name,
                      subject->altname ? " (" : "", subject->altname ? subject->altname : "",
                      subject->altname ? ")" : "", text ? " (kernel: " : "", text ? text : "",
                      text ? ")" : "");
}

/**
 * kernel_text() - The text that came with an answer (NLMSGERR_ATTR_MSG)
 * @header:	Answer
 *
 * Return: string inside the message, or NULL
 */
static const char *kernel_text(const struct nlmsghdr *header)
{
    const struct nlmsgerr *answer = nlmsg_data(header);
    size_t skip = sizeof(*answer);
    const struct nlattr *attr;

    if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
        return NULL;
    if (!(header->nlmsg_flags & NLM_F_CAPPED))
        skip += answer->msg.nlmsg_len - sizeof(answer->msg);
    if (skip > (size_t)nlmsg_datalen(header))
        return NULL;
    attr = nla_find((const struct nlattr *)(const void *)((const char *)answer + NLMSG_ALIGN(skip)),
                    nlmsg_datalen(header) - (int)NLMSG_ALIGN(skip), NLMSGERR_ATTR_MSG);
    if (!attr || nla_len(attr) < 1 || ((const char *)nla_data(attr))[nla_len(attr) - 1] != 0)
        return NULL;
    return nla_data(attr);
}

/**
 * batch_answers() - Read answers until the one to the last message
 * @batch:	Batch
 * @first:	Sequence number of the first message
 * @err:	Error
 *
 * Return: 0 when all messages are accounted for, whatever was refused; -errno if they are not
 */
static int batch_answers(struct batch *batch, uint32_t first, struct error *err)
{
    const uint32_t last = batch->sequence - 1;
    union {
        struct nlmsghdr header;
        char bytes[32768];
    } buffer;

    for (;;) {
        ssize_t n = recv(batch_fd(batch), &buffer, sizeof(buffer), 0);
        int left = (int)n;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno == EAGAIN ? ETIMEDOUT : errno, "netlink answer");
        for (struct nlmsghdr *h = &buffer.header; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
            const struct nlmsgerr *answer = nlmsg_data(h);

            if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_seq - first > last - first ||
                (size_t)nlmsg_datalen(h) < sizeof(*answer))
                continue;
            if (answer->error < 0)
                refusal(batch, &batch->subjects[h->nlmsg_seq - first], -answer->error,
                        kernel_text(h));
            if (h->nlmsg_seq == last)
                return 0;
        }
    }
}

/**
 * batch_send() - Send what is queued and read the answers
 * @batch:	Batch; empty afterwards
 *
 * After an earlier refusal nothing is sent: the caller will hear of it and take back.
 */
static void batch_send(struct batch *batch)
{
    const uint32_t first = batch->sequence - (uint32_t)batch->count;
    struct nlmsghdr *last = NULL;
    int r = 0;

    if (batch->count == 0)
        return;
    if (!batch->error) {
        int left = (int)batch->messages.size;

        for (struct nlmsghdr *h = (void *)batch->messages.data; nlmsg_ok(h, left);
             h = nlmsg_next(h, &left))
            last = h;
        last->nlmsg_flags |= NLM_F_ACK;
        r = nl_sendto(batch->sock, batch->messages.data, batch->messages.size);
        if (r < 0) {
            batch->error = &batch->error_space;
            (void)error_set(batch->error, EIO, "netlink: %s", nl_geterror(r));
        } else if (batch_answers(batch, first, &batch->error_space) < 0) {
            batch->error = &batch->error_space;
        }
    }
    batch->count = 0;
    strbuf_consume(&batch->messages, batch->messages.size);
}

void batch_add(struct batch *batch, struct nl_msg *message, const struct batch_subject *subject)
{
    struct nlmsghdr *header = nlmsg_hdr(message);
    static const char padding[NLMSG_ALIGNTO];

    header->nlmsg_seq = batch->sequence++;
    header->nlmsg_pid = nl_socket_get_local_port(batch->sock);
    array_grow(batch->subjects, batch->count, batch->capacity);
    batch->subjects[batch->count++] = *subject;
    strbuf_append(&batch->messages, header, header->nlmsg_len);
    strbuf_append(&batch->messages, padding, NLMSG_ALIGN(header->nlmsg_len) - header->nlmsg_len);
    nlmsg_free(message);
    if (batch->count >= BATCH_COUNT || batch->messages.size >= BATCH_BYTES)
        batch_send(batch);
}

int batch_flush(struct batch *batch, struct error *err)
{
    int code;

    batch_send(batch);
    if (!batch->error)
        return 0;
    code = batch->error->code;
    error_move(err, batch->error);
    error_done(&batch->error_space);
    batch->error = NULL;
    return -code;
}
