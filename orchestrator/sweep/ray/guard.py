"""Notices that Ray's processes on this machine were killed."""

import _thread
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

LOOK_SECONDS = 1.0
_NAMES = ("gcs_server", "raylet")


class RayLostError(Exception):
    """Ray's processes ended without being asked to."""


class Guard:
    """Watches the processes that Ray started from this one.

    Without them Ray waits a minute, prints a page and ends this process: no run would be closed.
    """

    def __init__(self) -> None:
        children = psutil.Process().children(recursive=True)
        self._watched = [child for child in children if _name(child) in _NAMES]
        self._lock = threading.Lock()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Interrupt the block when they are gone.

        Raises:
            RayLostError: they are.
        """
        over = threading.Event()
        lost = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over, lost), daemon=True)
        thread.start()
        try:
            yield
        except KeyboardInterrupt:
            if not lost.is_set():
                raise
            raise RayLostError from None
        finally:
            with self._lock:
                over.set()

    def _watch(self, over: threading.Event, lost: threading.Event) -> None:
        while not over.wait(LOOK_SECONDS):
            with self._lock:
                if not over.is_set() and not all(map(_is_there, self._watched)):
                    lost.set()
                    _thread.interrupt_main()
                    return


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return str(process.name())
    return ""


def _is_there(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
