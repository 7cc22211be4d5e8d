"""What the medium may hold when the power goes: every state that is not ruled out.

What processes see is one thing, what stands on the medium another. Between them lie
effects that no fsync has made durable yet. Of these as little is assumed as the file
systems in use (ext4 with delayed allocation, XFS, btrfs) have in common, see Pillai et
al., "All File Systems Are Not Created Equal", OSDI 2014:

- Data: a write is cut into pieces, and any subset of them may be there, in any order.
  The length of a file is known apart from its content, and what is missing below it
  are zeros; a truncation may be there or not.
- Names: any subset of the changes to a folder, whatever has become of the files that
  they are about. A rename is taken apart too: the new name may be there and the old one
  still. Only the loss of both is ruled out, which no file system with a journal or
  copy on write permits. Whether a folder itself is there is a matter of the one above.
- fsync of a file makes its content and length durable, but no name; fsync of a folder
  the names in it, but no content (fsync(2)).
- An fsync that fails: what was on its way counts as written and is still shown, but may
  never get to the medium, whatever later calls report ("pages are always marked clean":
  Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020; that
  btrfs shows the old content again is one of the states after a power cut). A later
  write to the same piece takes along what is shown. Names and truncations are kept by
  a journal; where that cannot be written, all writing stops (ibid.: "certain block
  writes always lead to unavailability"), so that they are merely not durable yet.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from nettrain.selftest.power.trace import (
    ROOT,
    Flushed,
    Lost,
    Made,
    Removed,
    Renamed,
    Step,
    Tree,
    Truncated,
    Written,
)

PIECE = 64
"""Bytes: less than any disk's sector, so that small files are torn too."""

_PIECES = 12
"""Into how many pieces a long write is cut."""

_MOST = 24
"""Of one node, how many contents are looked at between two steps."""

_ON_ITS_WAY, _DOUBTFUL, _SURE = range(3)

Names = dict[str, int]


@dataclass(slots=True)
class _Piece:
    """A part of a write, or (without data) a truncation to `size`."""

    start: int
    data: bytes | None
    size: int
    """Of the file, after it."""
    state: int = _ON_ITS_WAY


@dataclass(slots=True)
class _File:
    base: bytes = b""
    """What certainly stands there, before the pieces."""
    shown: bytearray = field(default_factory=bytearray)
    pieces: list[_Piece] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        before, end = len(self.shown), offset + len(data)
        self.shown += bytes(max(0, offset - before))
        self.shown[offset:end] = data
        start = offset - offset % PIECE
        most = max(1, -(-(end - start) // (_PIECES * PIECE))) * PIECE
        for at in range(start, end, most):
            until = min(at + most, end)
            piece = bytes(self.shown[at:until])
            self.pieces.append(_Piece(at, piece, max(before, until)))

    def truncate(self, length: int) -> None:
        if length == len(self.shown):
            return
        self.shown[length:] = bytes(max(0, length - len(self.shown)))
        self.pieces.append(_Piece(length, None, length))

    def flush(self) -> None:
        for piece in self.pieces:
            if piece.state == _ON_ITS_WAY:
                piece.state = _SURE
        if all(piece.state == _SURE for piece in self.pieces):
            self.base, self.pieces = bytes(self.shown), []

    def lose(self) -> None:
        for piece in self.pieces:
            if piece.state == _ON_ITS_WAY and piece.data is not None:
                piece.state = _DOUBTFUL

    @property
    def open(self) -> int:
        """How many pieces may be there or not."""
        return sum(piece.state != _SURE for piece in self.pieces)

    def contents(self, chance: random.Random) -> list[bytes]:
        """What it may hold: first the least, then the most, zeros, then others."""
        sizes = self._sizes()
        found: dict[bytes, None] = {}
        for chosen in _subsets(self.open, chance):
            content, size = self._with(chosen)
            found[_sized(content, size)] = None
            others = sizes if self.open <= 2 else [chance.choice(sizes)]
            for size in others if len(found) > 2 else [max(sizes)]:
                found[_sized(content, size)] = None
            if len(found) >= _MOST:
                break
        return list(found)

    def _sizes(self) -> list[int]:
        sizes = [len(self.base)]
        for piece in self.pieces:
            sizes = [piece.size] if piece.state == _SURE else [*sizes, piece.size]
        return sizes

    def _with(self, chosen: Sequence[bool]) -> tuple[bytes, int]:
        content, size, choice = bytearray(self.base), len(self.base), iter(chosen)
        for piece in self.pieces:
            if piece.state != _SURE and not next(choice):
                continue
            size = piece.size
            if piece.data is None:
                del content[size:]
                continue
            content += bytes(max(0, piece.start - len(content)))
            content[piece.start : piece.start + len(piece.data)] = piece.data
        return bytes(content), size


def _sized(content: bytes, size: int) -> bytes:
    return content[:size].ljust(size, b"\0")


@dataclass(slots=True)
class _Change:
    """A name that now means another node, or none."""

    name: str
    node: int | None
    after: _Change | None = None
    """Without this change, this one is not there either."""


@dataclass(slots=True)
class _Folder:
    base: Names = field(default_factory=dict)
    changes: list[_Change] = field(default_factory=list)

    def change(
        self, name: str, node: int | None, after: _Change | None = None
    ) -> _Change:
        self.changes.append(_Change(name, node, after))
        return self.changes[-1]

    def flush(self) -> None:
        self.base = self._with([True] * len(self.changes))
        self.changes = []

    def lose(self) -> None:
        return

    @property
    def nodes(self) -> set[int]:
        """All that a name in it may mean."""
        changed = {c.node for c in self.changes if c.node is not None}
        return {*self.base.values(), *changed}

    def contents(self, chance: random.Random) -> list[Names]:
        found: list[Names] = []
        for chosen in _subsets(len(self.changes), chance):
            names = self._with(chosen)
            if names not in found:
                found.append(names)
            if len(found) >= _MOST:
                break
        return found

    def _with(self, chosen: Sequence[bool]) -> Names:
        names, made = dict(self.base), set()
        for change, there in zip(self.changes, chosen, strict=True):
            if not there or (change.after and id(change.after) not in made):
                continue
            made.add(id(change))
            if change.node is None:
                names.pop(change.name, None)
            else:
                names[change.name] = change.node
        return names


def _subsets(count: int, chance: random.Random) -> Iterator[Sequence[bool]]:
    """Of `count` things that may be there or not: none, all, and many between."""
    if count <= 4:
        every = list(itertools.product((False, True), repeat=count))
        yield from dict.fromkeys((every[0], every[-1], *every))
        return
    yield [False] * count
    yield [True] * count
    some = [[i == j for j in range(count)] for i in range(count)]
    some += [[i != j for j in range(count)] for i in range(count)]
    some += [[j < i for j in range(count)] for i in range(1, count)]
    chance.shuffle(some)
    for regular in some:
        yield regular
        yield [chance.random() < 0.5 for _ in range(count)]


class Medium:
    """Follows a trace, and tells at any point of it what a power cut may leave."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._folders: dict[int, _Folder] = {ROOT: _Folder()}

    def take(self, step: Step) -> None:
        """One more step of the trace."""
        match step:
            case Made(node, folder, path, is_folder):
                if is_folder:
                    self._folders[node] = _Folder()
                else:
                    self._files[node] = _File()
                self._folders[folder].change(_name(path), node)
            case Renamed(node, folder, path, new):
                there = self._folders[folder].change(_name(new), node)
                self._folders[folder].change(_name(path), None, there)
            case Removed(folder, path):
                self._folders[folder].change(_name(path), None)
            case Written(node, _, offset, data):
                self._files[node].write(offset, data)
            case Truncated(node, _, length):
                self._files[node].truncate(length)
            case Flushed(node, _):
                self._node(node).flush()
            case Lost(node):
                self._node(node).lose()
            case _:
                pass

    def _node(self, number: int) -> _File | _Folder:
        return self._files.get(number) or self._folders[number]

    def states(self, chance: random.Random, most: int) -> Iterator[Tree]:
        """What the disk may hold after a power cut now: up to `most` of all states.

        First those where nothing, and where everything, got to the medium in time; then
        each node's states with one of these two for all others; then any.
        """
        folders = {n: f.contents(chance) for n, f in self._folders.items() if f.changes}
        named = set().union(*(folder.nodes for folder in self._folders.values()))
        files = {
            n: file.contents(chance)
            for n, file in self._files.items()
            if n in named and file.open
        }
        lengths = [len(found) for found in folders.values()]
        lengths += [len(found) for found in files.values()]
        for chosen in _combined(lengths, chance, most):
            names = dict(zip(folders, chosen[: len(folders)], strict=True))
            bytes_ = dict(zip(files, chosen[len(folders) :], strict=True))
            yield self._tree(
                {n: folders[n][i] for n, i in names.items()},
                {n: files[n][i] for n, i in bytes_.items()},
            )

    def _tree(self, names: dict[int, Names], contents: dict[int, bytes]) -> Tree:
        tree: dict[str, bytes | None] = {}

        def walk(folder: int, path: str) -> None:
            inside = names[folder] if folder in names else self._folders[folder].base
            for name, node in inside.items():
                below = f"{path}/{name}"
                if node in self._folders:
                    tree[below] = None
                    walk(node, below)
                else:
                    known = node in contents
                    tree[below] = contents[node] if known else self._files[node].base

        walk(ROOT, "")
        return tree


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _combined(
    lengths: Sequence[int], chance: random.Random, most: int
) -> Iterable[Sequence[int]]:
    """Choices, one of `length` each: all of them, or `most` with the ends first."""
    total = 1
    for length in lengths:
        total *= length
    if total <= most:
        return itertools.product(*map(range, lengths))
    most_there = [min(1, length - 1) for length in lengths]
    corners = [
        [*rest[:i], j, *rest[i + 1 :]]
        for rest in ([0] * len(lengths), most_there)
        for i, length in enumerate(lengths)
        for j in range(length)
    ]
    chance.shuffle(corners)
    any_ = ([chance.randrange(length) for length in lengths] for _ in itertools.count())
    regular = itertools.chain([[0] * len(lengths), most_there], corners[: most // 2])
    found: dict[tuple[int, ...], None] = {}
    for choice in itertools.islice(itertools.chain(regular, any_), 2 * most):
        found[tuple(choice)] = None
        if len(found) == most:
            break
    return list(found)
