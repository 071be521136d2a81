"""What an owner may want of the autoscaler while watching it: each is a change of the policy and the command for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fleet.autoscaler.asked import Asked, adding, dropping
from fleet.autoscaler.policy import ScalingPolicy
from state.errors import UsageError

#: Changes the policy in the state bucket by compare-and-set; returns the new one.
ChangePolicy = Callable[[Callable[[ScalingPolicy], ScalingPolicy]], ScalingPolicy]


@dataclass(frozen=True, slots=True)
class Wish:
    """One change.

    Attributes:
        question: whether it is really wanted.
        means: what it would mean, in a sentence or two.
        words: of the command that does the same.
        change: the policy as it shall be; asked for anew whenever somebody else changed it meanwhile.
        done: said when it was done.
    """

    question: str
    means: str
    words: tuple[str, ...]
    change: Callable[[ScalingPolicy], ScalingPolicy]
    done: str

    def command(self, deployment: str) -> str:
        """The command that does the same, as one types it."""
        return f"buildyard {' '.join(self.words)} --deployment {deployment}"


def pause() -> Wish:
    """No decision is carried out."""
    return Wish(
        "Pause the autoscaler?",
        "It goes on to look and to decide, and does nothing of it: no webserver is made, replaced or ended, and none "
        "enters or leaves DNS. What is being built is finished.",
        ("pause",),
        lambda policy: replace(policy, paused=True),
        "The autoscaler is paused within a few seconds.",
    )


def resume() -> Wish:
    """Decisions are carried out again."""
    return Wish(
        "Let the autoscaler act again?",
        "What it decides is carried out from now on.",
        ("resume",),
        lambda policy: replace(policy, paused=False),
        "The autoscaler acts again within a few seconds.",
    )


def scale(webservers: int) -> Wish:
    """Another number of webservers, as a rule."""
    return Wish(
        f"Want {webservers} webserver{'' if webservers == 1 else 's'} as a rule?",
        "Windows and load rules may want more at times.",
        ("scale", str(webservers)),
        lambda policy: replace(policy, target=webservers),
        f"As a rule {webservers} are wanted now; the autoscaler brings it about.",
    )


def protect(name: str) -> Wish:
    """That webserver is never ended by a decision."""
    return Wish(
        f"Protect {name}?",
        "No decision ends it any more: it is neither replaced when it is ill nor chosen when fewer are wanted. "
        "It still leaves DNS while it is ill.",
        ("protect", name),
        lambda policy: replace(policy, protected=policy.protected | {name}, replacing=dropping(policy.replacing, name)),
        f"{name} is protected.",
    )


def unprotect(name: str) -> Wish:
    """That webserver is like the others again."""
    return Wish(
        f"Let decisions end {name} again?",
        "It may be replaced when it is ill, and be chosen when fewer are wanted.",
        ("protect", name, "--off"),
        lambda policy: replace(policy, protected=policy.protected - {name}),
        f"{name} is protected no longer.",
    )


def another(asked: Asked) -> Wish:
    """Another webserver takes the place of that one."""
    name = asked.machine

    def change(policy: ScalingPolicy) -> ScalingPolicy:
        if name in policy.protected:
            raise UsageError(
                f"{name} is protected: no decision ends it, and a replacement would.",
                hint=f"buildyard protect {name} --off, then repeat this",
            )
        if any(each.machine == name for each in policy.drained):
            raise UsageError(
                f"{name} is drained: it stays for you to look at it, and another one is there already.",
                hint=f"buildyard drain {name} --off, then repeat this",
            )
        return replace(policy, replacing=adding(policy.replacing, asked))

    return Wish(
        f"Replace {name}?",
        "Another webserver is made first, within maximum, price cap and a third at a time. When visitors come to it, "
        f"{name} leaves DNS, waits for its last visitors and ends. To take it back meanwhile, protect {name}.",
        ("replace", name),
        change,
        f"Another webserver takes the place of {name}.",
    )


def drain(asked: Asked) -> Wish:
    """That webserver has no visitors any more, and stays."""
    name = asked.machine
    return Wish(
        f"Drain {name}?",
        "It leaves DNS when others serve, and stays as it is for you to look at: it does not count, another one is "
        "made where there is room, and no decision ends it or lets visitors in until you take this back. It costs on.",
        ("drain", name),
        lambda policy: replace(
            policy, drained=adding(policy.drained, asked), replacing=dropping(policy.replacing, name)
        ),
        f"{name} leaves DNS and stays.",
    )


def undrain(name: str) -> Wish:
    """That webserver is like the others again."""
    return Wish(
        f"Let {name} be like the others again?",
        "It counts again and enters DNS when it is well. When there are then more than are wanted, the youngest goes.",
        ("drain", name, "--off"),
        lambda policy: replace(policy, drained=dropping(policy.drained, name)),
        f"{name} is drained no longer.",
    )
