"""JSON Schema of files for editors. A file that `extends` another one can leave out what that one has.

Mappings are merged key by key with the extended file, so none of their keys is required. Lists are replaced
whole, so their entries are complete. A file that extends nothing needs every required key.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from unstuck.files.yaml import Document

Schema: TypeAlias = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_PARTIAL = "Partial"  # ends the name of a definition without required keys


def json_schema(schema: type[Document]) -> Schema:
    """JSON Schema of a document; defaults appear as people write them ('1 h', not 1.0)."""
    whole: Schema = {"$schema": DRAFT, **schema.model_json_schema(mode="serialization")}
    if "extends" not in schema.model_fields:
        return whole
    definitions: Schema = whole.get("$defs", {})
    found = {"$defs": definitions, **_without_required(whole, definitions)}
    return found | {"if": {"not": {"required": ["extends"]}}, "then": _only_required(whole, definitions)}


def _without_required(node: Schema, definitions: Schema) -> Schema:
    """A node whose own keys, and those of the mappings inside it, are not required."""
    if "$ref" in node:
        name = node["$ref"].removeprefix("#/$defs/")
        partial = f"{name}{_PARTIAL}"
        if not name.endswith(_PARTIAL) and partial not in definitions:
            definitions[partial] = {}  # first, because a definition may refer to itself
            definitions[partial] = _without_required(definitions[name], definitions)
        return node | {"$ref": f"#/$defs/{partial.removesuffix(_PARTIAL)}{_PARTIAL}"}
    kept = {key: value for key, value in node.items() if key not in ("required", "minProperties")}
    return kept | _inside(node, lambda inner: _without_required(inner, definitions))


def _only_required(node: Schema, definitions: Schema) -> Schema:
    """Only the required keys of a node and of the mappings inside it."""
    if "$ref" in node:
        return _only_required(definitions[node["$ref"].removeprefix("#/$defs/")], definitions)
    kept = {key: node[key] for key in ("required", "minProperties") if key in node}
    inside = _inside(node, lambda inner: _only_required(inner, definitions))
    parts = [part for part in inside.pop("anyOf", []) if part]
    only: Schema = (
        parts[0] if len(parts) == 1 else {}
    )  # of `X | None`: what is no mapping has no required keys
    return kept | only | {key: value for key, value in inside.items() if value}


def _inside(node: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """What a node says about the values of a mapping, each changed, without those that become empty."""
    changed: Schema = {}
    properties: Mapping[str, Schema] = node.get("properties", {})
    if properties:
        changed["properties"] = {k: new for k, inner in properties.items() if (new := change(inner))}
    if isinstance(node.get("additionalProperties"), dict):
        changed["additionalProperties"] = change(node["additionalProperties"])
    if "anyOf" in node:
        changed["anyOf"] = [change(part) for part in node["anyOf"]]
    return changed
