// SPDX-License-Identifier: GPL-2.0-or-later

/* What an impairment does to each frame.
 *
 * Chance is a function of (seed, direction, number of the frame among those that the filter
 * matches, what is being decided), not a stream of random numbers: so a frame's fate does not
 * depend on how many decisions were made before it, and changing the delay of a running link leaves
 * its losses where they were. The function is SplitMix64's finalizer (Steele, Lea, Flood: Fast
 * splittable pseudorandom number generators, 2014) over a counter.
 *
 * Time goes in two steps, as on a real path. First the sender's interface: with a rate, frames are
 * served one after the other; what the rate has not yet served is the queue, and one that finds it
 * full is dropped. A burst may leave at once: the time it has saved up is taken off. Then the path:
 * delay, with jitter. A path does not reorder by itself, so a frame is never due before the one
 * that came before it; one that is to overtake (reorder) skips the path's delay. Frames that the
 * filter spares pass at once: they are not part of the experiment. */

#include "netfabric/wire_shape_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "netfabric/wire.h"
#include "topology/impairment.h"

#define MILLION          1000000u
#define NS_PER_S         1000000000ull
#define BURST_DEFAULT_NS 1000000ull   /* a millisecond of the rate, … */
#define BURST_LEAST      3000u        /* … but two full frames */
#define QUEUE_DEFAULT_NS 100000000ull /* a tenth of a second of the rate, … */
#define QUEUE_LEAST      65536u       /* … but 64 KiB */
#define SPAN_MOST_NS     1e18         /* 31 years: sums of a few of them fit 64 bits */
#define SNAPLEN          65535

/* What chance is asked for. Each has its own luck. */
enum question {
    ASK_LOSS,
    ASK_BURST,
    ASK_BURST_LOSS,
    ASK_DUPLICATE,
    ASK_REORDER,
    ASK_CORRUPT,
    ASK_BIT,
    ASK_JITTER,
    ASK_JITTER_2,
    ASK_COUNT
};

/**
 * mix() - SplitMix64's finalizer
 * @x:		Any number
 *
 * Return: one that looks unrelated
 */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

static uint64_t chance(const struct shape *shape, enum question question)
{
    return mix(shape->key ^ mix(shape->index * ASK_COUNT + question));
}

/**
 * happens() - Whether something of this probability happens to this frame
 * @shape:	Direction
 * @question:	What
 * @ppm:	Probability in millionths
 */
static bool happens(const struct shape *shape, enum question question, uint32_t ppm)
{
    /* The high 32 bits as a fraction: even to one part in four billion. */
    return ppm > 0 && (chance(shape, question) >> 32) * MILLION < ((uint64_t)ppm << 32);
}

/**
 * fraction() - A number in (0, 1)
 * @shape:	Direction
 * @question:	Whose
 */
static double fraction(const struct shape *shape, enum question question)
{
    return ((double)(chance(shape, question) >> 11) + 0.5) / 9007199254740992.0;
}

/**
 * compile() - Make a filter out of its text
 * @text:	pcap filter, NULL: none
 * @ret_program: Filled
 * @err:	Error
 *
 * Return: 0 or -EINVAL
 */
static int compile(const char *text, struct bpf_program *ret_program, struct error *err)
{
    pcap_t *pcap;
    int r = 0;

    *ret_program = (struct bpf_program){0};
    if (!text || !*text)
        return 0;
    pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
    if (!pcap)
        return error_set(err, ENOMEM, "pcap");
    if (pcap_compile(pcap, ret_program, text, 1, PCAP_NETMASK_UNKNOWN) < 0) {
        r = error_input(err, "only: '%s' is no pcap filter: %s", text, pcap_geterr(pcap));
        error_hint(err, "pcap-filter(7) describes them");
    }
    pcap_close(pcap);
    return r;
}

int shape_set(struct shape *shape, const struct impairment *impairment, unsigned direction,
              struct error *err)
{
    bool fresh = shape->key == 0;
    bool reseeded = impairment->has_seed != shape->impairment.has_seed ||
                    (impairment->has_seed && impairment->seed != shape->impairment.seed);
    struct bpf_program filter;
    int r = compile(impairment->only, &filter, err);

    if (r < 0)
        return r;
    if (fresh || reseeded) {
        uint64_t seed = impairment->seed;

        if (!impairment->has_seed && getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
            seed = (uint64_t)(uintptr_t)shape;
        shape->key = mix(mix(seed) + direction) | 1;
        shape->index = 0;
        shape->bad = false;
    }
    pcap_freecode(&shape->filter);
    shape->filter = filter;
    impairment_done(&shape->impairment);
    shape->impairment = impairment_copy(impairment);
    return 0;
}

void shape_done(struct shape *shape)
{
    pcap_freecode(&shape->filter);
    impairment_done(&shape->impairment);
}

bool shape_is_even(const struct shape *shape)
{
    const struct impairment *i = &shape->impairment;

    return !i->loss_ppm && !i->burst_enter_ppm && !i->duplicate_ppm && !i->reorder_ppm &&
           !i->corrupt_ppm && !i->jitter_ns && !i->rate_bits_per_s && !i->queue_limit_bytes &&
           !shape->filter.bf_insns;
}

/**
 * is_spared() - Whether the filter leaves a frame alone
 * @shape:	Direction
 * @frame:	Its bytes
 * @size:	How many
 */
static bool is_spared(const struct shape *shape, const void *frame, size_t size)
{
    const struct pcap_pkthdr header = {.caplen = (bpf_u_int32)size, .len = (bpf_u_int32)size};

    return shape->filter.bf_insns && !pcap_offline_filter(&shape->filter, &header, frame);
}

/**
 * is_lost() - By chance, alone or in bursts
 * @shape:	Direction; its state goes on by one frame
 */
static bool is_lost(struct shape *shape)
{
    const struct impairment *impairment = &shape->impairment;

    if (happens(shape, ASK_BURST,
                shape->bad ? impairment->burst_leave_ppm : impairment->burst_enter_ppm))
        shape->bad = !shape->bad;
    if (impairment->burst_enter_ppm == 0)
        shape->bad = false;
    return happens(shape, ASK_LOSS, impairment->loss_ppm) ||
           (shape->bad && happens(shape, ASK_BURST_LOSS, impairment->burst_loss_ppm));
}

/**
 * jitter() - What the delay of this frame differs by
 * @shape:	Direction
 *
 * Return: nanoseconds, negative for less
 */
static double jitter(const struct shape *shape)
{
    double jitter_ns = (double)shape->impairment.jitter_ns;

    if (shape->impairment.jitter_shape == JITTER_UNIFORM)
        return jitter_ns * (2 * fraction(shape, ASK_JITTER) - 1);
    return jitter_ns * sqrt(-2 * log(fraction(shape, ASK_JITTER))) *
           cos(2 * M_PI * fraction(shape, ASK_JITTER_2));
}

/**
 * span() - A time that was reckoned in floating point, for adding to a clock
 * @ns:		Nanoseconds, not negative; a large burst at one bit per second passes 64 bits
 *
 * Return: nanoseconds, at most SPAN_MOST_NS
 */
static uint64_t span(double ns)
{
    return (uint64_t)fmin(ns, SPAN_MOST_NS);
}

/**
 * serve() - Send a frame through the rate
 * @shape:	Direction
 * @now_ns:	Now
 * @size:	Its bytes
 * @ret_leaves_ns: When it leaves the interface
 *
 * Return: false if the queue is full
 */
static bool serve(struct shape *shape, uint64_t now_ns, size_t size, uint64_t *ret_leaves_ns)
{
    const struct impairment *impairment = &shape->impairment;
    double ns_per_byte = 8.0 * (double)NS_PER_S / (double)impairment->rate_bits_per_s;
    double burst = impairment->burst_bytes
                       ? (double)impairment->burst_bytes
                       : fmax(BURST_LEAST, (double)BURST_DEFAULT_NS / ns_per_byte);
    double limit_ns;
    uint64_t start, saved = span(burst * ns_per_byte), wait;

    if (shape->served_ns < now_ns)
        shape->served_ns = now_ns;
    start = shape->served_ns + span((double)size * ns_per_byte);
    wait = start > now_ns + saved ? start - now_ns - saved : 0;
    if (impairment->queue_limit_ns)
        limit_ns = (double)impairment->queue_limit_ns;
    else if (impairment->queue_limit_bytes)
        limit_ns = (double)impairment->queue_limit_bytes * ns_per_byte;
    else
        limit_ns = fmax(QUEUE_DEFAULT_NS, QUEUE_LEAST * ns_per_byte);
    if (wait > span(limit_ns))
        return false;
    shape->served_ns = start;
    *ret_leaves_ns = now_ns + wait;
    return true;
}

/**
 * due_time() - When a frame arrives that left the interface
 * @shape:	Direction
 * @leaves_ns:	When it left
 * @verdict:	Filled: due_ns, reordered
 */
static void due_time(struct shape *shape, uint64_t leaves_ns, struct shape_verdict *verdict)
{
    const struct impairment *impairment = &shape->impairment;
    double delay = (double)impairment->delay_ns;

    verdict->due_ns = leaves_ns;
    verdict->reordered = happens(shape, ASK_REORDER, impairment->reorder_ppm);
    if (verdict->reordered)
        return;
    if (impairment->jitter_ns)
        delay = fmax(0, delay + jitter(shape));
    verdict->due_ns += span(delay);
    if (verdict->due_ns < shape->last_due_ns)
        verdict->due_ns = shape->last_due_ns;
    shape->last_due_ns = verdict->due_ns;
}

void shape_decide(struct shape *shape, uint64_t now_ns, const void *frame, size_t size,
                  size_t waiting, struct shape_verdict *ret_verdict)
{
    const struct impairment *impairment = &shape->impairment;
    struct shape_verdict verdict = {.due_ns = now_ns, .copies = 1, .corrupt_bit = -1};
    uint64_t leaves_ns = now_ns;
    bool lost;

    *ret_verdict = verdict;
    if (is_spared(shape, frame, size))
        return;
    lost = is_lost(shape);
    if (impairment->rate_bits_per_s && !serve(shape, now_ns, size, &leaves_ns))
        verdict.fate = SHAPE_TAIL;
    else if (!impairment->rate_bits_per_s && impairment->queue_limit_bytes &&
             waiting + size > impairment->queue_limit_bytes)
        verdict.fate = SHAPE_TAIL;
    else if (lost)
        verdict.fate = SHAPE_LOSE;
    else if (waiting + size > SHAPE_HOLD_BYTES)
        verdict.fate = SHAPE_TAIL;
    else
        due_time(shape, leaves_ns, &verdict);
    if (happens(shape, ASK_DUPLICATE, impairment->duplicate_ppm))
        verdict.copies = 2;
    if (happens(shape, ASK_CORRUPT, impairment->corrupt_ppm) && size > 0)
        verdict.corrupt_bit = (ptrdiff_t)(chance(shape, ASK_BIT) % (size * 8));
    shape->index++;
    *ret_verdict = verdict;
}

int wire_check(const struct impairment *impairment, struct error *err)
{
    struct bpf_program filter;
    int r;

    if (impairment->only && strlen(impairment->only) >= WIRE_ONLY_MAX)
        return error_input(err, "only: a filter has at most %u bytes", WIRE_ONLY_MAX - 1);
    r = compile(impairment->only, &filter, err);
    if (r == 0)
        pcap_freecode(&filter);
    return r;
}
