# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold docs/topology.schema.json against what `labctl topology validate` says.

schema.py LABCTL SCHEMA FOLDER TOPOLOGY…: each TOPOLOGY must please both. Then one valid topology is changed at
one place at a time, and both must accept, or both refuse, the result. Only changes that a schema can judge
are made: whether a node exists is the reader's business alone.
"""
import copy
import json
import os
import subprocess
import sys

import jsonschema
import yaml

LABCTL, SCHEMA, FOLDER, *TOPOLOGIES = sys.argv[1:]

BASE = {
    "lab": "sample",
    "description": "What others are made of",
    "defaults": {"image": "hello", "memory": "64M"},
    "nodes": {"a": {"nics": 4}, "b": {"nics": 4}, "c": None},
    "links": [
        ["a:eth0", "b:eth0"],
        {"ends": ["a:eth1", "b:eth1"], "name": "wan", "delay": "10ms"},
    ],
    "lans": {"core": ["a:eth2", "b:eth2"]},
    "uplinks": {"internet": {"type": "nat", "ends": ["a:eth3"]}},
}
REMOVED = object()
# (path, value): put the value there.
CHANGES = [
    (("lab",), "Sample-2"), (("lab",), ""), (("lab",), ["x"]), (("lab",), REMOVED), (("lab",), "a/b"),
    (("description",), REMOVED), (("description",), {"a": 1}),
    (("nodes",), REMOVED), (("nodes",), {}), (("nodes",), []), (("nodes",), "a"),
    (("nonsense",), 1), (("links",), None), (("links",), {}), (("links",), "x"),
    (("lans",), None), (("lans",), []), (("uplinks",), None),
    (("nodes", "under_score"), {}), (("nodes", "-a"), {}), (("nodes", "x" * 63), {}),
    (("nodes", "x" * 64), {}), (("nodes", "c"), []), (("nodes", "c"), {}), (("nodes", "c"), "x"),
    (("nodes", "c"), {"nonsense": 1}),
    (("nodes", "c"), {"memory": "1G"}), (("nodes", "c"), {"memory": "1.5G"}),
    (("nodes", "c"), {"memory": "12Q"}), (("nodes", "c"), {"memory": []}),
    (("nodes", "c"), {"memory": "lots"}), (("nodes", "c"), {"memory": -1}),
    (("nodes", "c"), {"cpus": 2}), (("nodes", "c"), {"cpus": 0}), (("nodes", "c"), {"cpus": "two"}),
    (("nodes", "c"), {"cpus": 1.5}), (("nodes", "c"), {"nics": 2}), (("nodes", "c"), {"nics": -1}),
    (("nodes", "c"), {"display": "vnc"}), (("nodes", "c"), {"display": "spice"}),
    (("nodes", "c"), {"display": {"type": "vnc"}}), (("nodes", "c"), {"firmware": "bios"}),
    (("nodes", "c"), {"firmware": "UEFI"}), (("nodes", "c"), {"serials": 4}),
    (("nodes", "c"), {"serials": 0}), (("nodes", "c"), {"serials": "two"}), (("defaults", "serials"), 2),
    (("nodes", "c"), {"nic_model": "e1000"}), (("nodes", "c"), {"nic_model": "ne3000"}),
    (("nodes", "c"), {"accel": "tcg"}), (("nodes", "c"), {"accel": "xen"}),
    (("nodes", "c"), {"accel": ["tcg"]}), (("nodes", "c"), {"machine": "pc"}),
    (("nodes", "c"), {"machine": "pc,accel=kvm"}), (("nodes", "c"), {"machine": ""}),
    (("nodes", "c"), {"after": ["a"]}), (("nodes", "c"), {"after": "a"}), (("nodes", "c"), {"after": {}}),
    (("nodes", "c"), {"restart": "always"}), (("nodes", "c"), {"restart": "sometimes"}),
    (("nodes", "c"), {"console": {"telnet": 2000}}), (("nodes", "c"), {"console": {"vnc": "auto"}}), (("nodes", "c"), {"console": {"vnc": 5800}}), (("nodes", "c"), {"console": {"telnet": 70000}}),
    (("nodes", "c"), {"console": {"ssh": 1}}), (("nodes", "c"), {"ready_timeout": "30s"}),
    (("nodes", "c"), {"ready_timeout": "soon"}),
    (("defaults",), None), (("defaults", "memory"), "12Q"), (("defaults", "nonsense"), 1),
    (("links", 0), ["a:eth0"]), (("links", 0), ["a:eth0", "b:eth0", "b:eth3"]), (("links", 0), "a:eth0"),
    (("links", 0), ["a", "b"]), (("links", 1, "delay"), "5"), (("links", 1, "delay"), "1.5ms"),
    (("links", 1, "delay"), "5 parsecs"), (("links", 1, "delay"), "-5ms"), (("links", 1, "delay"), []),
    (("links", 1, "loss"), "0.5%"), (("links", 1, "loss"), "50"), (("links", 1, "loss"), "x%"),
    (("links", 1, "rate"), "10Mbit"), (("links", 1, "rate"), "fast"),
    (("links", 1, "state"), "down"), (("links", 1, "state"), "sideways"),
    (("links", 1, "ends"), REMOVED), (("links", 1, "ends"), ["a:eth1"]), (("links", 1, "colour"), "blue"),
    (("links", 1, "name"), "a b"), (("links", 1, "mtu"), 9000), (("links", 1, "mtu"), "big"),
    (("links", 1, "jitter"), "2ms"), (("links", 1, "jitter_shape"), "normal"),
    (("links", 1, "jitter_shape"), "round"),
    (("lans", "core"), "a:eth2"), (("lans", "core"), {"ends": ["a:eth2"]}),
    (("lans", "core"), {"ends": ["a:eth2"], "x": 1}),
    (("uplinks", "internet", "type"), "pigeon"), (("uplinks", "internet", "type"), REMOVED),
    (("uplinks", "internet"), None), (("uplinks", "internet", "x"), 1),
]


def changed(path, value):
    """BASE with value at path."""
    document = copy.deepcopy(BASE)
    place = document
    for step in path[:-1]:
        place = place[step]
    if value is REMOVED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


def refused(paths):
    """Which of these files the reader refuses, with its words."""
    env = dict(os.environ)
    done = subprocess.run([LABCTL, "topology", "validate", *paths], capture_output=True, text=True,
                          env=env, timeout=120, check=False)
    words = {}
    for line in (done.stdout + done.stderr).splitlines():
        for path in paths:
            if line.startswith(path + ":") and line[len(path) + 1:len(path) + 2].isdigit():
                words.setdefault(path, line)
    if done.returncode not in (0, 2) or (done.returncode == 2) != bool(words):
        sys.exit(f"validate: status {done.returncode}\n{done.stdout}{done.stderr}")
    return words


def main():
    with open(SCHEMA, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    bad = 0
    samples = {path: yaml.safe_load(open(path, encoding="utf-8")) for path in TOPOLOGIES}
    titles = {path: os.path.basename(path) for path in TOPOLOGIES}
    for number, (path, value) in enumerate([((), None), *CHANGES]):
        document = changed(path, value) if path else BASE
        name = f"{FOLDER}/sample-{number:03}.yaml"
        with open(name, "w", encoding="utf-8") as file:
            yaml.safe_dump(document, file, sort_keys=False)
        samples[name] = document
        shown = "(removed)" if value is REMOVED else json.dumps(value)
        titles[name] = f"{'.'.join(map(str, path)) or 'unchanged'} = {shown}"
    words = refused(list(samples))
    for name, document in samples.items():
        faults = [fault.message for fault in validator.iter_errors(document)]
        if bool(faults) != (name in words):
            bad += 1
            print(f"{titles[name]}: the schema {'refuses' if faults else 'accepts'} it"
                  f" ({faults[0][:100] if faults else ''}), the reader says: {words.get(name, 'fine')}")
        if faults and (name in TOPOLOGIES or "unchanged" in titles[name]):
            bad += 1
            print(f"{titles[name]} should be valid: {faults}")
    print(f"{len(samples)} samples, {bad} disagreements")
    return bad > 0


sys.exit(main())
