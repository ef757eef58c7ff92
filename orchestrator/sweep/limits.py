"""A time limit that ends a run whatever it hangs in."""

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def time_limit(mark: Path, seconds: float | None) -> Iterator[None]:
    """End this process, at once, if the block takes longer.

    A run that hangs (in a lock, a driver, an endless loop of C code) cannot be asked to stop, so
    a thread outside Python's lock watches it. Before the end it writes to ``mark`` where every
    thread of the process was.

    Args:
        mark: the file; there is none after a block that ended by itself.
        seconds: the limit; None is none.
    """
    mark.unlink(missing_ok=True)
    if seconds is None:
        yield
        return
    with mark.open("w") as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    mark.unlink()


def timed_out(mark: Path) -> str | None:
    """Where the process was that a limit ended; None where none did."""
    with suppress(OSError):
        return mark.read_text() or None
    return None
