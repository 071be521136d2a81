"""The one error tree. Everything a user can meet is one of these; library exceptions are wrapped at the border.

::

    BuildyardError                 exit code
    ├── UsageError                 2    wrong command, unusable value
    │   └── AnswersError           2    an answers file or answer that cannot be used
    ├── StateError                 1    a state file that is broken, foreign or newer than this program
    ├── SecretsError               1    wrong passphrase, secret missing
    │   └── PassphraseMissing      1    nobody said the passphrase yet
    ├── LeaseHeld                  1    another run changes this deployment now
    ├── HostError                  2    this machine lacks something (root, namespaces, disk)
    ├── ProviderError              1    the cloud refused or failed
    │   ├── Unauthorized           1    token wrong or lacks a right
    │   ├── NotFound               1
    │   ├── Conflict               1    a name is taken, a thing is in use
    │   ├── RateLimited            1    still limited after all retries
    │   └── Unavailable            1    no answer, 5xx, time-out: it may have happened or not
    ├── MachineError               1    a machine did not do what it was told
    │   ├── Unreachable            1
    │   ├── HostKeyMismatch        1    refused before anything was sent
    │   └── StepFailed             1
    ├── DeadlineExceeded           1    a wait ran out; says what it waited for
    └── Stopped                    130  the user stopped it
"""

from __future__ import annotations


class BuildyardError(Exception):
    """What happened, why, and what to do next.

    Args:
        summary: one sentence: what happened.
        detail: why, as far as known; may be several lines. Never holds a secret.
        hint: what the user can do next, best a command.
    """

    exit_code = 1

    def __init__(self, summary: str, *, detail: str = "", hint: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.hint = hint

    def text(self) -> str:
        """The error as lines for a person."""
        lines = [self.summary]
        if self.detail:
            lines += ["", self.detail]
        if self.hint:
            lines += ["", f"Next: {self.hint}"]
        return "\n".join(lines)


class UsageError(BuildyardError):
    """A command or value that cannot be used as given."""

    exit_code = 2


class AnswersError(UsageError):
    """An answers file or an answer that cannot be used."""


class StateError(BuildyardError):
    """A state file that is broken, foreign, or written by a newer program."""


class SecretsError(BuildyardError):
    """A secret or the passphrase to it is missing or wrong."""


class PassphraseMissing(SecretsError):
    """The secrets are in an encrypted file, and nobody has said its passphrase yet."""


class LeaseHeld(BuildyardError):
    """Another run changes this deployment now."""


class HostError(BuildyardError):
    """This machine lacks something Buildyard needs."""

    exit_code = 2


class ProviderError(BuildyardError):
    """The cloud refused or failed."""


class Unauthorized(ProviderError):
    """The credentials are wrong or lack a right."""


class NotFound(ProviderError):
    """The thing asked for does not exist (any more)."""


class Conflict(ProviderError):
    """A name is taken, or a thing is in use."""


class RateLimited(ProviderError):
    """Still limited after all retries."""


class Unavailable(ProviderError):
    """No answer, a 5xx or a time-out: what was asked may have happened or not."""


class MachineError(BuildyardError):
    """A machine did not do what it was told."""


class Unreachable(MachineError):
    """No SSH connection to the machine."""


class HostKeyMismatch(MachineError):
    """The machine showed another host key than the pinned one; nothing was sent."""


class StepFailed(MachineError):
    """A step of a recipe failed on the machine."""


class DeadlineExceeded(BuildyardError):
    """A wait ran out."""


class Stopped(BuildyardError):
    """The user stopped it."""

    exit_code = 130
