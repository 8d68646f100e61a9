#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the JSON Schemas in docs/ against the files that the readers are held against.

Files are read as an editor reads them, by the core schema of YAML 1.2 (yes and no are text there).
Those in valid/ must pass, those in invalid/ must not, and those in meaning/ must pass, because a
schema cannot see what is wrong with them (the readers do: tests/unit/test_topology_schema.c).
"""
import json
import pathlib
import re
import sys

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"skipped: {missing} (apt install python3-jsonschema python3-yaml)")
    sys.exit(77)


class Loader(yaml.SafeLoader):
    """YAML 1.2, core schema."""

    yaml_implicit_resolvers = {}


for tag, pattern, first in (
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
):
    Loader.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern), list(first))
Loader.add_constructor("tag:yaml.org,2002:int", lambda l, n: int(l.construct_scalar(n), 10))


def plain(value):
    """Keys as strings, as in JSON."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def main():
    top = pathlib.Path(__file__).resolve().parent.parent.parent
    wrong = count = 0
    for kind in ("topology", "appliance"):
        schema = json.loads((top / f"docs/{kind}.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        files = [(f, f.parent.name != "invalid") for f in top.glob(f"tests/cli/schema/{kind}/*/*.yaml")]
        if kind == "topology":
            files += [(f, True) for f in top.glob("topologies/*.yaml")]
        else:
            files += [(f, True) for f in top.glob("images/*/appliance.yaml")]
        for file, good in sorted(files):
            count += 1
            errors = list(validator.iter_errors(plain(yaml.load(file.read_text(), Loader))))
            if bool(errors) == good:
                wrong += 1
                print(f"{file.relative_to(top)}: " + (errors[0].message if good else "not refused"))
    print(f"{count} files, {wrong} wrong")
    return 1 if wrong or count < 100 else 0


sys.exit(main())
