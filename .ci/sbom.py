"""Write a CycloneDX list of a wheel and of everything that was installed with it.

VENV/bin/pip inspect --local | python .ci/sbom.py WHEEL >sbom.cdx.json

The wheel has its SHA-256. What the wheel needs in some environments only is listed where it is installed.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LEFT_OUT = {"pip", "setuptools"}  # of the environment, not of the wheel


def component_of(metadata: dict[str, Any]) -> Component:
    """A package by its name, version and licence."""
    name, version = canonicalize_name(metadata["name"]), metadata["version"]
    purl, found = PackageURL("pypi", name=name, version=version), []
    if expression := metadata.get("license_expression"):
        found = [LicenseExpression(expression)]
    elif text := metadata.get("license"):
        found = [DisjunctiveLicense(name=text.splitlines()[0])]  # some packages give the whole text
    return Component(
        type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=str(purl), licenses=found
    )


def bom_of(inspected: dict[str, Any], wheel: Path) -> Bom:
    """The wheel as the subject, with every installed package and what needs what."""
    packages = {canonicalize_name(one["metadata"]["name"]): one["metadata"] for one in inspected["installed"]}
    parts = {name: component_of(metadata) for name, metadata in packages.items() if name not in LEFT_OUT}
    bom, subject = Bom(), parts[canonicalize_name(wheel.name.split("-")[0])]
    subject.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=sha256(wheel.read_bytes()).hexdigest()))
    bom.metadata.component = subject
    for name, part in parts.items():
        if part is not subject:
            bom.components.add(part)
        wanted = [Requirement(text) for text in packages[name].get("requires_dist", [])]
        needed = {
            canonicalize_name(one.name) for one in wanted if one.marker is None or one.marker.evaluate()
        }
        bom.register_dependency(part, [parts[other] for other in sorted(needed & parts.keys())])
    return bom


if __name__ == "__main__":
    print(JsonV1Dot6(bom_of(json.load(sys.stdin), Path(sys.argv[1]))).output_as_string(indent=2))
