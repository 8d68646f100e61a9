// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

/* The engine's insides: one struct lab owns everything of a running lab. Only src/engine includes
 * this. Who calls whom: methods.c → lab.c, links.c → node.c → qmp.c, carrier.c, state.c. */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <systemd/sd-event.h>

#include "base/regex.h"
#include "appliance/appliance.h"
#include "base/confine.h"
#include "base/process.h"
#include "base/runas.h"
#include "base/strbuf.h"
#include "console/broker.h"
#include "console/door.h"
#include "engine/host.h"
#include "engine/qmp.h"
#include "netfabric/fabric.h"
#include "netfabric/wire.h"
#include "rpc/rpc.h"
#include "topology/model.h"

#define NODE_SERIALS_MAX 4

/*
 * Life cycle of a node:
 *
 *   STOPPED ──start──▶ QUEUED ──slot, after:──▶ STARTING ──cont──▶ BOOTING ──rule──▶ READY
 *      ▲                 │                         │                  │   ╲timeout─▶ RUNNING
 *      │                 │stop                     │                  │                │
 *      └──────────────── ┴ ◀──── STOPPING ◀──stop──┴──────────────────┴────────────────┘
 *   any state with a process ──QEMU ends unasked──▶ STOPPED (guest powered off) or CRASHED
 *
 * QUEUED shows as "starting" to the outside. RUNNING: the guest runs and is not known to be ready:
 * the appliance has no rule, or its time is over.
 */
enum node_state {
    NODE_STOPPED,
    NODE_QUEUED,
    NODE_STARTING,
    NODE_BOOTING,
    NODE_READY,
    NODE_RUNNING,
    NODE_STOPPING,
    NODE_CRASHED,
};

struct lab;

/* What is known of a guest that is not ready yet (readiness.c). */
struct readiness {
    bool matched, probing, spoken;
    sd_event_source *tick, *probe_timer;
    uint64_t looked_ns, quiet_ns, nudged_ns; /* when it was looked at last, quiet since, Enter */
    uint64_t said, cpu_ns;                   /* then */
};

/* What lives while a node's QEMU does. */
struct node_run {
    struct lab *lab;
    size_t index;                      /* into topology.nodes, plan.first_tap */
    const struct node *spec;           /* borrowed from the topology */
    const struct appliance *appliance; /* borrowed from the library */
    char *dir;                         /* kept folder */
    enum node_state state;
    char *reason;     /* why it is in this state, for people; may be NULL */
    enum accel accel; /* resolved */

    struct process_id process;
    int pidfd; /* -1: no QEMU */
    sd_event_source *exit_source;
    bool is_child;                    /* spawned by this engine, so its status can be had */
    struct qmp *qmp;                  /* NULL until connected */
    int serial_fds[NODE_SERIALS_MAX]; /* FIFOs, waiting to be given to their consoles */
    struct console *consoles[NODE_SERIALS_MAX];
    unsigned console_count;
    struct console_door *sockets[NODE_SERIALS_MAX], *telnet[NODE_SERIALS_MAX]; /* or NULL */
    uint16_t telnet_saved[NODE_SERIALS_MAX]; /* ports of an earlier engine, 0: none */
    uint16_t vnc_port;                       /* of its screen since it was last started, 0: none */

    bool launched;       /* QMP is past its handshake */
    bool timed_out;      /* its time to become ready is over */
    bool paused;         /* stays stopped by -S until it is told to go */
    bool wants_restart;  /* start again once stopped */
    bool comes_back;     /* stopped for an apply: if that comes to nothing it starts again */
    uint64_t said;       /* where in the first console's record the guest began, this time */
    bool guest_shutdown; /* QMP said that the guest powered itself off */
    /* node_faults.c */
    bool halted, resumable, resumes; /* QEMU holds its guest; could let it go on; was told to */
    enum node_state halted_in;       /* its state before that */
    bool hangs;                      /* QEMU does not answer */
    uint64_t asked_ns;               /* since when an answer is due; 0: none */
    uint64_t reset_ns;               /* when counting its resets began */
    unsigned resets;                 /* of the guest by itself, since then */
    unsigned silent_resets;          /* since it said something */
    uint64_t last_reset_ns;          /* the last of them */
    uint64_t reset_gap_ns;           /* the longest time between two of them */
    bool resets_on;                  /* it does nothing but reset itself */
    char *disk_error;                /* what QEMU said last of a disk, or NULL */
    sd_event_source *restart_timer;  /* restart: it starts again then */
    unsigned restarts;               /* how often it was started again */
    unsigned restarts_in_a_row;      /* the same, since it has run for long */
    bool *carrier;                   /* per NIC: what QEMU was told last */
    bool holds_slot;                 /* one of lab.boot_slots_used */
    uint64_t queued_ns, started_ns, booted_ns, ready_ns; /* CLOCK_MONOTONIC; 0: not yet */
    uint64_t awaited_ns; /* since when it is to become ready: its boot, or reboot */
    sd_event_source *slot_timer, *ready_timer, *stop_timer;
    bool as_user;         /* its QEMU was started as lab.runas says */
    char *user_fault;     /* why not, though it was to be, or NULL */
    char *limits_fault;   /* why its limits are not what the topology says, or NULL */
    unsigned queue_place; /* QUEUED: how many wait up to and including it */
    unsigned stop_step;   /* how hard it has been asked to stop */
    bool deaf;            /* it was asked to shut down and has not in its time */

    regex_t ready_rule, prompt_rule, error_rule, pager_rule;
    regex_t shell_rule;  /* prompt of the further serial ports */
    regex_t typing_rule; /* where the next line of a typed configuration is awaited */
    bool has_ready_rule, has_prompt, has_error, has_pager, has_typing;
    struct typing *typing; /* its configuration is being typed, or NULL */
    bool has_ready;        /* something shows that it is ready: a rule, a probe, silence */
    struct readiness readiness;
    bool rebooted; /* the guest itself began anew: its time says nothing of booting */
};

/* What is wanted of a link, and how far it is. */
struct link_run {
    bool down;    /* cut by topology or command */
    bool dark[2]; /* dark[i]: cut by command for what ends[i] sends; carrier stays */
    bool flapped; /* cut by its schedule at the moment */
    struct impairment impairment[2]; /* owned; of what ends[i] sends */
    uint32_t wire_id;                /* by which the wire knows it, 0: not yet */
    bool carried;                    /* its frames go through the wire */
    bool leaving;                    /* is to be led past the wire as soon as nothing waits there */
    bool told_dark[2];               /* what the wire knows of plan.links[].dark */
    bool wire_replaced; /* the wire died under it; said until it is impaired anew or cleared */
    sd_event_source *flap_timer;
};

struct capture_run; /* captures_priv.h */

/* A call that is answered when nodes have got somewhere. */
enum waiter_goal { WAIT_STARTED, WAIT_READY, WAIT_STOPPED, WAIT_DOWN };
struct waiter {
    struct waiter *next;
    struct rpc_call *call; /* NULL: nobody waits (SIGTERM) */
    enum waiter_goal goal;
    bool *nodes;          /* which ones, node_count entries */
    bool up;              /* it is lab.up: success makes the lab RUNNING */
    bool keep;            /* up: leave what there is if it fails */
    struct error failure; /* WAIT_DOWN: what to answer instead of success */
    json_t *outcomes;     /* not NULL: one node's failure does not end it, each has its outcome */
    /* done() - Answers the call in place of the status document, or hands it to another waiter. */
    void (*done)(struct waiter *waiter, struct error *err);
    void *data; /* for done(), freed by free_data() if it is still there */
    void (*free_data)(void *data);
    uint64_t deadline_ns; /* CLOCK_MONOTONIC, 0: none */
};

enum lab_state { LAB_IDLE, LAB_STARTING, LAB_RUNNING, LAB_STOPPING };

/* What the lab was found to need of the host before it was started, in bytes. */
struct admission {
    uint64_t memory, memory_available;
    uint64_t disk_now, disk_full, disk_free; /* at once; when guests fill their disks; there is */
};

/* How often a process that is replaced when it dies has died. */
struct deaths {
    uint64_t since_ns; /* when counting began, CLOCK_MONOTONIC */
    unsigned count;
};

/* An uplink, and for nat the slirp4netns that serves it. */
struct uplink_run {
    struct lab *lab;
    size_t index; /* into topology.uplinks */
    struct process_id process;
    int pidfd; /* -1: none */
    bool is_child;
    sd_event_source *source;
    struct deaths deaths;
    char *fault; /* why it does not serve, NULL: it does */
};

struct lab {
    sd_event *event;
    char *name, *run_dir, *state_dir;
    char *text; /* of the topology */
    size_t text_size;
    int lock_fd; /* flock on the run folder */
    struct topology *topology;
    struct image_library *library;
    struct fabric_plan *plan;
    struct fabric *fabric; /* NULL until the lab is up */
    sd_event_source *fabric_source;
    ino_t netns; /* the lab's network namespace, as stat() tells it; 0: not known */
    struct deaths fabric_deaths;
    struct node_run **nodes; /* topology.node_count; each stays where it is while the lab changes */
    struct link_run *links;  /* topology.link_count */
    struct uplink_run **uplinks; /* topology.uplink_count */
    struct wire *wire;           /* NULL: none was needed yet, or it died */
    int wire_pidfd;
    sd_event_source *wire_source, *leave_timer;
    uint32_t last_wire_id;
    struct deaths wire_deaths;
    char *wire_fault; /* why impairments are off, NULL: they are not */
    struct capture_run **captures;
    size_t capture_count, capture_capacity;
    unsigned next_capture;
    struct capture_run *keeper;              /* capture: {keep: …}, or NULL */
    const struct fabric_plan *captures_plan; /* what they follow; not dereferenced */
    struct rpc_server *rpc;
    enum lab_state state;
    bool wipe_when_down;
    unsigned boot_slots_used;
    sd_event_source *schedule_timer; /* look at the host again */
    struct admission admission;
    char *cgroup, *cgroup_fault; /* folder of the lab's cgroup; or why there is none */
    struct host_info host;
    struct runas runas; /* as whom its guests run */
    char *runas_fault;  /* why they all run as root, or NULL */
    json_t *boot_times; /* {"IMAGE/ACCEL": [seconds…]} */
    uint64_t up_ns;
    struct waiter *waiters;
    sd_event_source *progress_timer, *settle_source;
    sd_event_source *save_timer; /* when the state could not be written down */
    bool state_unsaved;
    sd_event_source *ask_timer; /* asks every QEMU whether it lives */
};

/* ---- lab.c ---- */
uint64_t now_ns(void);
/* deaths_too_many() - A process has died once more: whether that is so often that another one in
 * its place would do no better. */
bool deaths_too_many(struct deaths *deaths);
const char *node_state_name(enum node_state state);
/* lab_new() - Read the topology and make the lab's folders; nothing runs yet.
 * @state:	The lab runs, and this is its state: what the topology said then counts, not what
 *the file says now. Else NULL */
int lab_new(sd_event *event, const char *name, const char *topology_path, json_t *state,
            struct lab **ret_lab, struct error *err);
/* lab_read_topology() - Read and check a topology file.
 * @text_path:	Where its text is, NULL: at @path
 * @ret_text:	The text, caller frees; may be NULL */
int lab_read_topology(struct lab *lab, const char *path, const char *text_path,
                      struct topology **ret_topology, char **ret_text, size_t *ret_size,
                      struct error *err);
/* lab_mend_run_dir() - Make the run folder again if somebody has removed it. */
void lab_mend_run_dir(struct lab *lab);
/* lab_save_topology() - Keep the text of the topology that runs. */
int lab_save_topology(struct lab *lab, const char *text, size_t size, struct error *err);
/* lab_check_links() - What can be wrong with links that the reader of the file cannot know. */
int lab_check_links(const struct topology *topology, struct error *err);
/* lab_image_memory() - Memory that an image wants, in bytes; 0: it is not there. */
uint64_t lab_image_memory(struct lab *lab, const char *image);
void lab_free(struct lab *lab);
/* lab_up() - Check, make the fabric, queue every node; @waiter (owned) is answered when they got
 * there. */
void lab_up(struct lab *lab, struct waiter *waiter, bool paused);
/* lab_down() - Stop everything, remove everything, answer, leave the event loop. @call may be NULL.
 */
void lab_down(struct lab *lab, struct rpc_call *call, bool wipe, bool force);
/* lab_changed() - Some node or link changed: save, tell, look at what waits. Safe to call from
 * anywhere. */
void lab_changed(struct lab *lab);
/* lab_save() - Write down what there is and what is wanted. */
void lab_save(struct lab *lab);
/* lab_event() - Tell subscribers. */
void lab_event(struct lab *lab, const char *type, const char *node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- waiters.c ---- */
struct waiter *waiter_new(struct lab *lab, struct rpc_call *call, enum waiter_goal goal);
/* waiter_free() - Free a waiter whose call was answered. */
void waiter_free(struct waiter *waiter);
/* lab_wait() - From now on it waits (owned by the lab), and its client hears how far it is. */
void lab_wait(struct lab *lab, struct waiter *waiter);
/* waiter_reached() - Whether a waiter's goal is reached.
 * Return: 1 reached, 0 not yet, -errno out of reach, with @err filled */
int waiter_reached(const struct lab *lab, struct waiter *waiter, struct error *err);

/* ---- schedule.c ---- */
/* lab_schedule() - Start queued nodes as far as the host and `after` allow. */
void lab_schedule(struct lab *lab);
/* lab_memory_needed() - What all nodes together take of the host's memory when they run, in bytes.
 * lab_memory_available() - What it has left. */
uint64_t lab_memory_needed(const struct lab *lab);
uint64_t lab_memory_available(void);
/* lab_admit() - Refuse what the host cannot carry, before anything starts. */
int lab_admit(struct lab *lab, struct error *err);
/* lab_admission_text() - What was reckoned then, as a JSON string. */
json_t *lab_admission_text(const struct lab *lab);

/* ---- limits.c ---- */
/* limits_check() - Refuse a memory_limit below the guest's memory. */
int limits_check(const struct node_run *node, struct error *err);
/* limits_apply() - Put a QEMU that has just been started under its node's limits. What cannot be
 * done is told, and no reason not to run. */
void limits_apply(struct node_run *node);
/* limits_open() - Make (or find) the lab's cgroup, if a node asks for limits. limits_adopt() - Take
 * over the one that an earlier engine made.
 * @path:	As it said, or NULL
 * limits_close() - Remove it; nothing runs any more. */
void limits_open(struct lab *lab);
void limits_adopt(struct lab *lab, const char *path);
void limits_close(struct lab *lab);
json_t *limits_json(const struct node_run *node);

/* ---- network.c: the fabric process, started, watched, replaced ---- */
/* network_start() - Start the fabric process and make the network. */
int network_start(struct lab *lab, struct error *err);
/* network_watch() - Notice when the fabric process dies. */
int network_watch(struct lab *lab, struct error *err);
/* network_ensure() - Have a fabric process: there is one, or another one takes over. To be called
 * before lab.fabric is used for something that a person asked for. */
int network_ensure(struct lab *lab, struct error *err);
/* network_forget() - End a fabric process that has died or does not answer; the network stays. */
void network_forget(struct lab *lab);
/* network_names() - Names of the interfaces, for the state. network_plan_saved() - As the plan
 * that they were made by, for fabric_plan_make(); @names may be NULL. */
json_t *network_names(const struct lab *lab);
struct fabric_plan *network_plan_saved(json_t *names);

/* ---- node.c: life cycle ---- */
/* node_new() - The node of that index, stopped. */
int node_new(struct lab *lab, const struct topology *topology, size_t index,
             struct node_run **ret_node, struct error *err);
void node_free(struct node_run *node);
/* node_respecify() - The lab has another topology, in which the node has this index. */
void node_respecify(struct node_run *node, size_t index);
bool node_has_process(const struct node_run *node);
/* node_is_running() - Its vCPU runs: peers may have carrier. */
bool node_is_running(const struct node_run *node);
void node_set_state(struct node_run *node, enum node_state state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* node_queue() - STOPPED or CRASHED → QUEUED. */
void node_queue(struct node_run *node, bool paused);
/* node_go() - Let a paused node run. */
void node_go(struct node_run *node);
/* node_watch() - Take over a QEMU (just spawned or found again): exit, QMP, consoles. */
int node_watch(struct node_run *node, int pidfd, int qmp_fd, struct error *err);
/* node_configured() - Its configuration was typed. @why: why not, or NULL */
void node_configured(struct node_run *node, const char *why);
/* node_resume() - An adopted node goes on in the state that it was in, @node.reason included. */
void node_resume(struct node_run *node, enum node_state state);
/* node_became_ready() - What was awaited has been seen. @why: how it is known, or NULL */
void node_became_ready(struct node_run *node, const char *why);
/* node_await_ready() - From now on it has its time to become ready. */
void node_await_ready(struct node_run *node);
/* node_set_timer() - Arm a one-shot timer, in place of the one that runs.
 * @source:	Where the timer is kept
 * @ns:		From now */
void node_set_timer(struct node_run *node, sd_event_source **source, uint64_t ns,
                    sd_event_time_handler_t fn);

/* ---- node_end.c: told to stop, or ended by itself ---- */
/* node_stop() - Towards STOPPED: gracefully, then harder; @force at once. node_stop_harder() - Take
 * the next step, STOPPING: ask the guest, QMP quit, SIGKILL. */
void node_stop(struct node_run *node, bool force);
void node_stop_harder(struct node_run *node);
/* node_await_end() - Notice when its QEMU ends. */
int node_await_end(struct node_run *node, struct error *err);
/* node_abandon() - Starting failed half way: kill and forget what there is of it. */
void node_abandon(struct node_run *node);
/* node_forget_process() - Forget all that belonged to a QEMU that is gone or being let go. */
void node_forget_process(struct node_run *node);
/* node_lost() - Its QEMU has ended, and nobody saw how. */
void node_lost(struct node_run *node, const char *how);

/* ---- readiness.c ---- */
int readiness_init(struct node_run *node, struct error *err);
void readiness_done(struct node_run *node);
/* readiness_arm() - Wait for what shows that the guest is ready; node_became_ready() is called
 * then.
 * @again:	It runs already: it may have been ready before */
void readiness_arm(struct node_run *node, bool again);
void readiness_disarm(struct node_run *node);

/* ---- boot_times.c: how long images usually take ---- */
void boot_times_load(struct lab *lab);
/* boot_times_add() - A node has become ready in @ns. */
void boot_times_add(struct lab *lab, const struct node_run *node, uint64_t ns);
/* boot_times_usual() - How long a node usually takes, in ns; 0: not known. */
uint64_t boot_times_usual(const struct node_run *node);

/* ---- node_start.c: from QUEUED to a QEMU process ---- */
int node_start(struct node_run *node, struct error *err);
/* node_record() - The file that QEMU writes a console to; @old: QEMU has been at it already. */
int node_record(struct node_run *node, unsigned serial, bool old, struct error *err);
/* node_console_fifo() - Open what leads to a serial port's keyboard, into serial_fds. */
int node_console_fifo(struct node_run *node, unsigned serial, struct error *err);
/* node_append_records() - QEMU is there and its guest not yet: let it append to the records. */
int node_append_records(struct node_run *node, struct error *err);
char *node_socket_path(const struct node_run *node, const char *suffix);

/* ---- node_faults.c: guests that stop, QEMUs that hang, restart: ---- */
/* node_halt_text() - What QEMU's word for a guest that does not run means; NULL: nothing is wrong.
 */
const char *node_halt_text(const char *status);
/* node_fault_event() - Take in an event of QMP. Return: true if there is no more to do about it */
bool node_fault_event(struct node_run *node, const char *name, json_t *args);
/* node_ask_status() - Ask QEMU what its guest does. */
void node_ask_status(struct node_run *node);
/* node_release() - QEMU holds its guest: let it go on if it can, else start it anew. */
void node_release(struct node_run *node);
/* node_faults_forget() - Its QEMU is gone. */
void node_faults_forget(struct node_run *node);
/* nodes_watch_hangs() - From now on ask every QEMU now and then. */
void nodes_watch_hangs(struct lab *lab);
/* node_ended() - It has ended unasked: start it again, if that is its policy. */
void node_ended(struct node_run *node, bool failed);
/* node_comes_again() - Stopped or crashed, it is to start again by itself soon. */
bool node_comes_again(const struct node_run *node);
void node_restart_cancel(struct node_run *node);

/* ---- node_confine.c ---- */
/* node_confine() - What its QEMU may do. @argv: its command line */
int node_confine(const struct node_run *node, char **argv, struct confine *ret_confine,
                 struct error *err);
/* node_confine_tpm() - What its TPM may do, whose state is in @dir; only if it runs as a user of
 * its own. @ret_confine is to be freed in any case. */
int node_confine_tpm(const struct node_run *node, const char *dir, struct confine *ret_confine,
                     struct error *err);

/* ---- node_disks.c ---- */
/* ---- node_user.c ---- */
/* lab_user_init() - Find out as whom the lab's guests run. */
int lab_user_init(struct lab *lab, struct error *err);
/* node_user_choose() - Decide as whom a node is started; what it works with is his then. */
void node_user_choose(struct node_run *node, char **argv);
/* node_user_jail() - What follows from that for a process of the node's. */
int node_user_jail(const struct node_run *node, struct confine *confine, struct error *err);
/* node_view_path() - What such a process sees in the run folder's place. Caller frees. */
char *node_view_path(const struct node_run *node);
json_t *node_user_json(const struct node_run *node);

/* ---- node_disks.c ---- */
/* node_prepare_disks() - Make what the node's folder lacks: disks, firmware's variables. */
int node_prepare_disks(struct node_run *node, struct error *err);
/* node_start_tpm() - Start the node's TPM, if it has one. */
int node_start_tpm(struct node_run *node, struct error *err);
/* node_end_tpm() - QEMU is gone: so be its TPM. */
void node_end_tpm(const struct node_run *node);
/* node_complete() - Refuse a node whose image lacks files. */
int node_complete(const struct node_run *node, struct error *err);
/* node_accel_wanted() - What node or else image ask for. */
enum accel node_accel_wanted(const struct node_run *node);
/* node_wipe() - Forget the disks. */
int node_wipe(struct node_run *node, struct error *err);

/* ---- consoles.c: sockets and telnet ports of the consoles ---- */
/* consoles_open() - Open them all; those that are open stay. */
int consoles_open(struct lab *lab, struct error *err);
/* consoles_adopt() - Before consoles_open(): the ports that @saved, a node of the state, has. */
void consoles_adopt(struct node_run *node, json_t *saved);
/* consoles_ports() - Telnet ports for the state, 0: none. */
json_t *consoles_ports(const struct node_run *node);
void consoles_close(struct node_run *node);
char *consoles_socket_path(const struct node_run *node, unsigned serial);

/* ---- display.c: the screens of graphical guests ---- */
/* display_check() - Refuse a port where there is no screen. */
int display_check(const struct node_run *node, struct error *err);
/* display_prepare() - Before its QEMU starts: a port and a password, where the topology asks for
 * them. */
int display_prepare(struct node_run *node, struct error *err);
/* display_password_path() - File with the password of its port. Caller frees. */
char *display_password_path(const struct node_run *node);
/* display_json() - As in the status document. */
json_t *display_json(const struct node_run *node);

/* ---- typing.c: configurations that are typed on the console ---- */
/* typing_due() - Whether the node, just up, has yet to be configured so. */
bool typing_due(const struct node_run *node);
/* typing_broken_off() - Whether an earlier engine was at it when it died. */
bool typing_broken_off(const struct node_run *node);
/* typing_start() - Begin; node_configured() is called when it is over. */
void typing_start(struct node_run *node);
/* typing_resume() - Finish what that engine was at, if it can be told how far it was. */
void typing_resume(struct node_run *node);
/* typing_stop() - The guest goes: forget it. */
void typing_stop(struct node_run *node);
/* typing_forget() - At the next start it is typed again. */
int typing_forget(struct node_run *node, struct error *err);
/* typing_forget_half() - The same, if it was begun and not finished. */
int typing_forget_half(struct node_run *node, struct error *err);

/* ---- carrier.c ---- */
/* carrier_update() - Tell every running QEMU which of its NICs have carrier now. */
void carrier_update(struct lab *lab);
/* carrier_wanted() - Whether one NIC should have carrier. */
bool carrier_wanted(const struct lab *lab, size_t node, unsigned nic);

/* ---- links.c: cut, flapping, and what is wanted of each ---- */
void links_init(struct lab *lab);
void links_free(struct lab *lab);
/* links_plan() - Put what is wanted of links into the fabric's plan. links_apply() - And bring the
 * kernel to it. */
void links_plan(struct lab *lab);
int links_apply(struct lab *lab, struct error *err);
/* links_prepare() - Before the network is made: which links are to go through the wire. */
void links_prepare(struct lab *lab);
/* links_start() - The network is made: give the wire its links, begin schedules. */
int links_start(struct lab *lab, struct error *err);
/* links_save() - For the state file. links_restore() - From it. */
json_t *links_save(const struct lab *lab);
void links_restore(struct lab *lab, json_t *saved);
/* links_flap() - Begin the schedules that have not begun. link_flap_anew() - It has another one. */
void links_flap(struct lab *lab);
void link_flap_anew(struct lab *lab, size_t link);
/* link_is_cut() - Whether both ways are dark now, so that nobody has carrier. */
bool link_is_cut(const struct lab *lab, size_t link);
/* link_cut() - Cut or heal a cable. @from: only for what that end sends; -1: as a whole */
int link_cut(struct lab *lab, size_t link, int from, bool down, struct error *err);
json_t *impairment_json(const struct impairment *impairment);
/* link_impairment_text() - What is done to a link's frames, in words. Caller frees. */
char *link_impairment_text(const struct lab *lab, size_t link);
json_t *link_impairment_json(const struct lab *lab, size_t link);

/* ---- links_wire.c: impaired links, and the wire process ---- */
/* links_tell_dark() - Have the wire know which directions of its links are dark by the plan. */
void links_tell_dark(struct lab *lab);
/* links_hand_over() - Give all impaired links to the wire, which is started if there is none. */
int links_hand_over(struct lab *lab, struct error *err);
/* links_stop() - End the wire. links_forget_wire() - Let go of it, it goes on. */
void links_stop(struct lab *lab);
void links_forget_wire(struct lab *lab);
/* links_find_wire() - Find the wire that an earlier engine started. links_adopt() - Then, with the
 * network there: let it carry what it should. */
void links_find_wire(struct lab *lab);
void links_adopt(struct lab *lab);
/* link_impair() - What is done to frames from now on; both plain: nothing. */
int link_impair(struct lab *lab, size_t link, const struct impairment impairment[static 2],
                struct error *err);
/* link_drop() - A link is not there any more: take it off the wire, free what it holds. */
void link_drop(struct lab *lab, struct link_run *link);
json_t *link_wire_json(const struct lab *lab, size_t link);

/* ---- uplinks.c ---- */
void uplinks_init(struct lab *lab);
void uplinks_free(struct lab *lab);
/* uplink_new() - One that does not serve yet. uplink_free() - Stops what serves it. */
struct uplink_run *uplink_new(struct lab *lab, size_t index);
void uplink_free(struct uplink_run *run);
/* uplinks_start() - The network is made: start what does not serve yet. */
int uplinks_start(struct lab *lab, struct error *err);
void uplinks_stop(struct lab *lab);
json_t *uplinks_save(const struct lab *lab);
/* uplinks_find() - Find what serves them. uplinks_adopt() - Then: start what is not there. */
void uplinks_find(struct lab *lab, json_t *saved);
void uplinks_adopt(struct lab *lab);
/* uplink_is_up() - Whether it leads anywhere: its ends have carrier then. */
bool uplink_is_up(const struct lab *lab, size_t uplink);
/* uplink_address() - What DHCP gives an end of a nat uplink. Caller frees; NULL: not known */
char *uplink_address(const struct uplink *uplink, size_t end);
json_t *status_uplink(const struct lab *lab, size_t index);

/* ---- apply.c ---- */
void apply_method(struct rpc_call *call, json_t *params, void *data);

/* ---- links_methods.c ---- */
void links_method_up(struct rpc_call *call, json_t *params, void *data);
void links_method_down(struct rpc_call *call, json_t *params, void *data);
void links_method_set(struct rpc_call *call, json_t *params, void *data);
void links_method_clear(struct rpc_call *call, json_t *params, void *data);

/* ---- captures*.c ---- */
void captures_stop_all(struct lab *lab);
bool captures_all_ended(const struct lab *lab);
json_t *captures_json(const struct capture_run *run);
void captures_free(struct lab *lab);
/* captures_note() - A comment on the next packet of every capture. */
void captures_note(struct lab *lab, const char *text);
/* captures_keep_start() - Keep the last stretch of traffic, if the topology wants it. The lab is
 * up.
 */
void captures_keep_start(struct lab *lab);
/* captures_keep_difference() - How much of the past another topology keeps: new text, NULL if as
 * much as the lab's. */
char *captures_keep_difference(const struct lab *lab, const struct topology *topology);
/* captures_changed() - Ends may have come or gone; cheap. */
void captures_changed(struct lab *lab);
/* captures_coming() - The lab is about to be what its topology and plan say by now: have the
 * workers listen to what will be there, so that they miss nothing. */
void captures_coming(struct lab *lab);
/* captures_follow() - … and now it is. @from_ns: when that began, CLOCK_REALTIME */
void captures_follow(struct lab *lab, uint64_t from_ns);
/* captures_state() - What captures_adopt() of a later engine needs. */
json_t *captures_state(const struct lab *lab);
void captures_adopt(struct lab *lab, json_t *saved);
void captures_method_start(struct rpc_call *call, json_t *params, void *data);
void captures_method_stop(struct rpc_call *call, json_t *params, void *data);
void captures_method_list(struct rpc_call *call, json_t *params, void *data);
void captures_method_stream(struct rpc_call *call, json_t *params, void *data);
void captures_method_note(struct rpc_call *call, json_t *params, void *data);
void captures_method_save(struct rpc_call *call, json_t *params, void *data);

/* ---- status.c ---- */
json_t *status_document(const struct lab *lab);
json_t *status_progress(const struct lab *lab);
json_t *status_node(const struct node_run *node);
json_t *status_link(const struct lab *lab, size_t link);

/* ---- state.c: what a later engine needs to go on ---- */
int lab_state_save(struct lab *lab, struct error *err);
/* lab_state_adopt() - Find again what an earlier engine started. */
int lab_state_adopt(struct lab *lab, json_t *state, struct error *err);
/* lab_state_load() - Read RUN/state.json. -ENOENT: none. */
int lab_state_load(const char *run_dir, json_t **ret_state, struct error *err);

/* ---- config_methods.c ---- */
void config_method(struct rpc_call *call, json_t *params, void *data);

/* ---- methods.c ---- */
/* lab_find_node() - Node by name, with an error that helps.
 * @name:	"r1" or "r1:1"
 * @ret_serial:	Serial port named behind the colon, 0 if none; NULL: a colon is refused */
struct node_run *lab_find_node(struct lab *lab, const char *name, unsigned *ret_serial,
                               struct error *err);
extern const struct rpc_method lab_methods[];
extern const size_t lab_method_count;
