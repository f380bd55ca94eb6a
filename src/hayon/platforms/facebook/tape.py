"""A video read from the front once, in however many parts it is sent, and never held whole."""

from collections.abc import AsyncGenerator, AsyncIterator

from hayon.platforms.contract import ParcelMedia


class Tape:
    """A file that can only be read forwards. Going back opens it anew; what lies before a part is read and dropped."""

    def __init__(self, one: ParcelMedia) -> None:
        self._one = one
        self._pieces: AsyncIterator[bytes] | None = None
        self._at = 0
        self._rest = b""

    async def read(self, start: int, length: int) -> AsyncIterator[bytes]:
        """The bytes of one part; fewer where the file ends before."""
        end = start + length
        if self._pieces is None or start < self._at:
            await self.aclose()
            self._pieces, self._at, self._rest = self._one.stream(), 0, b""
        while self._at < end:
            piece = self._rest or await anext(self._pieces, b"")
            if not piece:
                return
            skipped = min(max(start - self._at, 0), len(piece))
            taken = piece[skipped : max(skipped, end - self._at)]
            used = skipped + len(taken)
            self._at, self._rest = self._at + used, piece[used:]
            if taken:
                yield taken

    async def aclose(self) -> None:
        """Lets go of the file."""
        pieces, self._pieces = self._pieces, None
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
