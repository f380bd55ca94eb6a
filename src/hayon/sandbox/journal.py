"""The memory of a world on disk: a journal of JSON lines, replayed at start, and a folder of files by their digest.

A line is one batch of events and takes effect whole or not at all; a torn last line is dropped.
"""

import contextlib
import hashlib
import json
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Event = tuple[str, dict[str, Any]]
"""What happened (a kind) and its facts, JSON all through."""


class Journal:
    """Appends batches of events to `journal.jsonl` in `folder`. Not locked: one process per folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "journal.jsonl"
        self._file = self._path.open("ab")

    def replay(self) -> Iterator[list[Event]]:
        """All batches so far, oldest first. Cuts a torn last line off the file."""
        good = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                good += len(line)
                yield [(kind, facts) for kind, facts in json.loads(line)]
        self._file.truncate(good)

    def append(self, events: list[Event]) -> None:
        """Write one batch; it survives the death of this process when this returns."""
        self._file.write(json.dumps(events, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        self._file.flush()

    def forget(self) -> None:
        """Empty the journal."""
        self._file.truncate(0)

    def close(self) -> None:
        """Close the file; nothing may be appended afterwards."""
        self._file.close()


class Files:
    """Uploaded bytes by their SHA-256, in a given folder or, made at the first upload, in a temporary one."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._sweep: weakref.finalize[..., Files] | None = None

    @staticmethod
    def digest(content: bytes) -> str:
        """The SHA-256 of the bytes in hex."""
        return hashlib.sha256(content).hexdigest()

    def put(self, content: bytes, digest: str) -> str:
        """Keep the bytes under their digest, which is returned; the same bytes are kept once."""
        path = self._open_folder() / digest
        if not path.exists():
            unfinished = path.with_suffix(".part")
            unfinished.write_bytes(content)
            unfinished.rename(path)
        return digest

    def aside(self, name: str) -> Path:
        """A place beside the files for one that is still arriving; nothing finds it there. `adopt` makes it one of them."""
        return self._open_folder() / f"{name}.arriving"

    def adopt(self, path: Path, digest: str) -> str:
        """Keep the file at `path`, which lies aside, under its digest, which is returned. Nothing is copied."""
        path.rename(self._open_folder() / digest)
        return digest

    def find(self, digest: str) -> Path | None:
        """Where the bytes lie."""
        if self._folder is None or not digest.isalnum():
            return None
        path = self._folder / digest
        return path if path.is_file() else None

    def forget(self) -> None:
        """Delete all files."""
        if self._folder is not None and self._folder.exists():
            for path in self._folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()

    def close(self) -> None:
        """Delete the folder if it was a temporary one."""
        if self._sweep is not None:
            self._sweep()

    def _open_folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="hayon-sandbox-"))
            self._sweep = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder
