#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documents say, held against what there is. Run in the source tree.

    docs.py man LABCTL       labctl(1) has every command with every option, and no others
    docs.py methods          docs/rpc.md describes every method of the engine and its parameters, and no others
    docs.py keys             every key of the JSON Schemas stands in the pages about them
    docs.py files            every file that a page or a comment names is there
    docs.py commands LABCTL  every command that a page shows is one
    docs.py lists            images, topologies and folders stand in the lists of them
"""
import glob
import json
import os
import re
import subprocess
import sys

FAULTS = []
# Options of labctl itself, and of other programs that labctl(1) speaks of.
GLOBAL = {"lab", "json", "help", "version"}


def fault(text):
    FAULTS.append(text)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def labctl(*words):
    return subprocess.run([sys.argv[2], *words], check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def roff(text):
    """A manual page's source without its markup."""
    text = re.sub(r"\\f[A-Z]", "", text.replace("\\-", "-").replace("\\&", "").replace('"', ""))
    return re.sub(r"^\.([BI]|[BIR]{2}) ", "", text, flags=re.M)


def entries(page):
    """Commands of labctl(1), each with the text about it: {"node start": "…"}."""
    text = page[page.index(".SH COMMANDS") : page.index(".SH EXIT STATUS")]
    found = {}
    commands = {command["command"] for command in HELP}
    for part in re.split(r"^(?:\.TP|\.TQ|\.SS.*)\n", text, flags=re.M):
        head = part.split("\n", 1)[0]
        words = re.match(r"([a-z]+)(?: ([a-z|-]+))?", head)
        names = []
        if words:
            for second in (words[2] or "").split("|"):
                names += [name for name in (f"{words[1]} {second}", words[1]) if name in commands][:1]
        if names:
            last = list(dict.fromkeys(names))
        for name in last if found or names else []:
            found[name] = found.get(name, "") + part
    return found


def check_man():
    page = roff(read("docs/man/labctl.1"))
    about = entries(page)
    for command in HELP:
        name = command["command"]
        if name not in about:
            fault(f"labctl(1) has no '{name}'")
            continue
        text = about[name]
        for other in re.findall(r"^As\n([a-z-]+ [a-z-]+)", text, flags=re.M):
            text += about[other]
        if name == "extcap":
            continue  # but for --install, its options are between Wireshark and labctl
        for letter, option in re.findall(r"^  (?:-(\w),|   ) --([a-z-]+)", labctl(*name.split(), "--help"), flags=re.M):
            if option in GLOBAL or re.search(rf"--{option}(?![a-z-])", text):
                continue
            if not letter or not re.search(rf"(?<![\w-])-{letter}(?!\w)", text):
                fault(f"labctl(1), '{name}': there is no --{option}")
    known = GLOBAL | {option for command in HELP for option in command["options"]}
    for option in set(re.findall(r"--([a-z][a-z-]*)", page)) - known:
        fault(f"labctl(1): no command has --{option}")


def check_methods():
    there, parameters = set(), set()
    for path in glob.glob("src/engine/*.c") + glob.glob("src/rpc/*.c"):
        parameters |= set(re.findall(r'(?:rpc_param_\w+|json_object_get)\(params, "(\w+)"', read(path)))
        there |= set(re.findall(r'\{"([a-z]+\.[a-z_]+)", \w+\}|"(events\.[a-z]+)"', read(path)))
    there = {a or b for a, b in there}
    lines = re.findall(r"^- .*", read("docs/rpc.md"), flags=re.M)
    said = set(re.findall(r"`([a-z]+\.[a-z_]+)`(?=,| \{)", "".join(lines)))
    for name in parameters:
        if f"`{name}`" not in "".join(lines):
            fault(f"docs/rpc.md has no parameter {name}")
    for name in there - said:
        fault(f"docs/rpc.md does not say what {name} is")
    for name in said - there:
        fault(f"docs/rpc.md describes {name}, which the engine does not know")
    if len(there) < 20 or len(parameters) < 20:
        fault(f"only {len(there)} methods and {len(parameters)} parameters were found in the sources")


def properties(schema):
    """Every name of a key that a schema knows."""
    if isinstance(schema, dict):
        keys = schema.get("properties")
        if isinstance(keys, dict):
            yield from keys
        for value in schema.values():
            yield from properties(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from properties(value)


def check_keys():
    for schema, pages in (
        ("docs/topology.schema.json", ("docs/topology.md", "docs/man/labctl-topology.5")),
        ("docs/appliance.schema.json", ("docs/appliance.md",)),
    ):
        keys = set(properties(json.loads(read(schema))))
        if len(keys) < 20:
            fault(f"{schema}: only {len(keys)} keys were found")
        for path in pages:
            page = roff(read(path)) if path.endswith(".5") else read(path)
            for key in sorted(keys):
                if not re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", page):
                    fault(f"{path} does not mention {key}")


def comments(path):
    """The text of a source file's comments."""
    text = read(path)
    if path.endswith((".c", ".h", ".S")):
        return "\n".join(re.findall(r"/\*.*?\*/|//[^\n]*", text, flags=re.S))
    return "\n".join(line for line in text.split("\n") if line.lstrip().startswith("#"))


def check_files():
    tree = set(os.popen("git ls-files 2>/dev/null || true").read().split())
    if not tree:  # no checkout, but a copy of it
        for folder in ("src", "tools", "tests", "images", "docs", "topologies", "cmake"):
            tree |= {os.path.join(at, name) for at, _, names in os.walk(folder) for name in names}
        tree |= set(os.listdir("."))
    folders = {os.path.dirname(path) for path in tree}
    names = {path[cut:] for path in tree for cut in [0] + [i + 1 for i, c in enumerate(path) if c == "/"]}
    pages = glob.glob("docs/*.md") + ["README.md"]
    sources = [path for path in tree if path.startswith(("src/", "tools/")) and path.endswith((".c", ".h", ".sh"))]
    for path in pages + sources:
        text = read(path) if path in pages else comments(path)
        for word in re.findall(r"(?<![\w/.$~<*-])(?:[\w-]+/)*[\w-]+\.(?:c|h|bats|py)(?![\w(*-])", text):
            if word not in names and not os.path.exists("/usr/include/" + word):
                fault(f"{path} names {word}, which is not there")
        for word in re.findall(r"`((?:src|tools|tests|images|topologies|cmake)/[\w./-]*)`", text):
            if word.rstrip("/") not in names and word.rstrip("/") not in folders:
                fault(f"{path} names {word}, which is not there")


def check_commands():
    known = {command["command"] for command in HELP}
    groups = {name.split()[0] for name in known if " " in name}
    for path in glob.glob("docs/*.md") + ["README.md", "docs/man/labctl-topology.5"]:
        text = roff(read(path)) if path.endswith(".5") else read(path)
        shown = re.findall(r"(?:^ {4}|`|\$ )(?:sudo )?labctl ((?:-\w+ )?[a-z][a-z-]*(?: [a-z][a-z-]*)?)", text, flags=re.M)
        for words in shown:
            words = re.sub(r"^-\w+ ", "", words)
            first = words.split()[0]
            if first in groups and words not in known and words != first or first not in groups and first not in known:
                fault(f"{path} shows 'labctl {words}', which is no command")


def check_lists():
    for pattern, path in (
        ("images/*/appliance.yaml", "images/README.md"),
        ("topologies/*.yaml", "README.md"),
        ("src/*/", "docs/architecture.md"),
        ("tools/*/CMakeLists.txt", "docs/architecture.md"),
        ("tests/*/", "docs/architecture.md"),
    ):
        page = read(path)
        found = glob.glob(pattern)
        if not found:
            fault(f"there is nothing like {pattern}")
        for item in found:
            parts = item.rstrip("/").split("/")
            name = parts[1].removesuffix(".yaml")
            if f"`{name}`" not in page and f"[`{name}`]" not in page and f"{name}/" not in page:
                fault(f"{path} does not list {item}")


if len(sys.argv) > 2:
    HELP = json.loads(labctl("help", "--json"))["commands"]
{"man": check_man, "methods": check_methods, "keys": check_keys, "files": check_files, "commands": check_commands, "lists": check_lists}[sys.argv[1]]()
for text in FAULTS:
    print(text)
sys.exit(1 if FAULTS else 0)
