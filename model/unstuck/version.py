"""Digests that say which sources and data files numbers come from.

The digest of the sources is taken once, when a process loads the model, because an edit reaches a running
process only by a reload or a new start.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
_LEFT_OUT = frozenset({"scenarios"})  # a wheel has the scenarios inside the package


def files_in(folder: Path, suffix: str, without: frozenset[str] = frozenset()) -> dict[str, Path]:
    """Files of a folder and its subfolders by relative path, sorted; `without` names folders to leave out."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob(f"*{suffix}"))}
    return {name: path for name, path in found.items() if not without.intersection(Path(name).parts)}


def digest(files: Mapping[str, Path]) -> str:
    """24 hexadecimal digits made of the names and contents of files, whatever their line ends."""
    hashed = hashlib.blake2b(digest_size=12)
    for name, path in files.items():
        content = path.read_bytes().replace(b"\r\n", b"\n")
        hashed.update(f"{name}\0{len(content)}\0".encode() + content)
    return hashed.hexdigest()


def digest_of_texts(*texts: str) -> str:
    """24 hexadecimal digits made of texts."""
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=12).hexdigest()


def sources_on_disk() -> str:
    """Digest of the model's sources as they are on disk now."""
    return digest(files_in(PACKAGE, ".py", without=_LEFT_OUT))


@cache
def sources() -> str:
    """Digest of the model's sources as this process loaded them (`sources.cache_clear()` after a reload)."""
    return sources_on_disk()
