"""What can go wrong for a user, as exceptions.

::

    OrchError                 one sentence for the user, exit code 2, no traceback
    ├── ConfigError           a key, value, name or option that cannot be
    ├── DataError             a data set or a file of one: missing, corrupt, inconsistent
    ├── StoreError            results folder or tracking store: unwritable, unreachable, corrupt
    └── TrialError            a run that did not finish: raised, NaN, killed

Messages follow one form: ``<file>: `<key>` cannot be <value>: <rule>. <What to do>.``
Programming errors are ``assert`` and ordinary exceptions, and keep their traceback.
"""

import difflib
from collections.abc import Iterable


class OrchError(Exception):
    """Base of everything a user can cause or mend; its text is one clear sentence."""


class ConfigError(OrchError):
    """A key, value, name or option that cannot be."""


class DataError(OrchError):
    """A data set, or a file of one, is missing, corrupt or inconsistent."""


class StoreError(OrchError):
    """The results folder or the tracking store cannot be read or written."""


class TrialError(OrchError):
    """A run did not finish: it raised, gave NaN, or was killed."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Sentence for an unknown name, with the nearest known one or the whole list."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(names) or 'none'}."
    return f"There is no {kind} `{name}`. {hint}"
