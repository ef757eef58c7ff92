"""How the network is used: time-outs, retries with growing pauses, one session per thread."""

import random
import threading
from dataclasses import dataclass

import requests

import orchestrator
from orchestrator.errors import ConfigError

LONGEST_PAUSE = 60.0
CONNECT_TIMEOUT = 10.0
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers that may be others the next time."""
MAX_REDIRECTS = 5


@dataclass(frozen=True, kw_only=True)
class Network:
    """How patient and how busy downloads are."""

    timeout: float = 30.0
    """Seconds without a byte after which a connection counts as lost."""
    retries: int = 5
    """Attempts in a row that bring nothing new, after the first one."""
    pause: float = 1.0
    """Seconds before the first retry; doubled for each further one, up to a minute."""
    workers: int = 16
    """Pictures that are fetched at once."""
    per_host: int = 4
    """Pictures that are fetched from one host at once."""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigError: names the option, its value and the rule.
        """
        if not self.timeout > 0:
            raise ConfigError(f"--timeout: cannot be {self.timeout}: it must be above 0.")
        if self.retries < 0:
            raise ConfigError(f"--retries: cannot be {self.retries}: it cannot be negative.")

    def pause_before(self, attempt: int, asked: float = 0.0) -> float:
        """Seconds to wait before a retry; a little random, so that many do not come together.

        Args:
            attempt: which retry it is, from 0.
            asked: seconds that the server asked for.
        """
        pause = min(LONGEST_PAUSE, self.pause * 2**attempt) * random.uniform(0.75, 1.25)  # noqa: S311
        return min(LONGEST_PAUSE, max(asked, pause))


class PassingError(Exception):
    """An attempt failed in a way that may be over the next time."""

    def __init__(self, reason: str, asked: float = 0.0) -> None:
        super().__init__(reason)
        self.asked = asked
        """Seconds that the server asked to be left alone for."""


class RefusedError(Exception):
    """The server will not give this, however often it is asked."""


class Sessions:
    """A session for each thread: connections are kept, and never shared."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._local = threading.local()

    def get(self, address: str, headers: dict[str, str]) -> requests.Response:
        """Ask for an address; the answer's content is not read yet.

        Raises:
            PassingError: no connection, or an answer that may be another the next time.
            RefusedError: any other answer than success (or 416), or no address of the web.
        """
        try:
            answer = self._session().get(
                address,
                headers=headers,
                stream=True,
                timeout=(min(CONNECT_TIMEOUT, self.network.timeout), self.network.timeout),
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            raise PassingError(_told(error)) from None
        except (requests.RequestException, ValueError) as error:
            raise RefusedError(_told(error)) from None
        _check(answer)
        return answer

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.max_redirects = MAX_REDIRECTS
            session.headers["User-Agent"] = f"orch/{orchestrator.__version__}"
            session.headers["Accept-Encoding"] = "identity"  # the file's own bytes, as they lie
            self._local.session = session
        return self._local.session


def _check(answer: requests.Response) -> None:
    code = answer.status_code
    if code in (200, 206, 416):
        return
    told = f"{code} {answer.reason}".strip()
    asked = answer.headers.get("Retry-After", "")
    answer.close()
    if code in PASSING:
        raise PassingError(told, float(asked) if asked.isdigit() else 0.0)
    raise RefusedError(told)


def _told(error: Exception) -> str:
    """What happened, in few words."""
    kinds = {
        requests.ConnectTimeout: "no connection in time",
        requests.ReadTimeout: "no answer in time",
        requests.exceptions.SSLError: "the certificate is not accepted",
        requests.ConnectionError: "no connection",
    }
    text = next((words for kind, words in kinds.items() if isinstance(error, kind)), "")
    return text or str(error).partition("\n")[0].rstrip(".")
