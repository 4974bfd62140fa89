"""Holds CycloneDX documents against the JSON schema of its version (cyclonedx-python-lib), strictly, and follows every
reference in it.

    check_bom.py FILE...

Exits with 1 and says what is wrong if anything does not hold.
"""

import json
import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

LINKS = {"ref", "dependsOn", "target", "evidence", "claims", "counterClaims", "requirement", "assessor"}


def walk(value: object, names: list[str], links: list[str]) -> None:
    if isinstance(value, list):
        for item in value:
            walk(item, names, links)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if key == "bom-ref":
            names.append(item)
        elif key in LINKS and isinstance(item, str):
            links.append(item)
        elif key in LINKS and isinstance(item, list) and all(isinstance(one, str) for one in item):
            links.extend(item)
        else:
            walk(item, names, links)


def check(file: str) -> None:
    text = pathlib.Path(file).read_text()
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        sys.exit(f"{file} is not valid: {error!r}")
    names: list[str] = []
    links: list[str] = []
    walk(json.loads(text), names, links)
    assert links, "nothing refers to anything"
    if len(set(names)) != len(names):
        sys.exit(f"two things of {file} have one bom-ref: {sorted(names)}")
    if not set(links) <= set(names):
        sys.exit(f"{file} refers to what is not there: {sorted(set(links) - set(names))}")


for bill in sys.argv[1:]:
    check(bill)
