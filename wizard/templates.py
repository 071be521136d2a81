"""Ways to begin: which answers are taken as usual, and what is asked nevertheless."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.names import REHEARSAL
from recipes.questions import BASELINE, VIRGIN
from state.questions import Answered, AnswerKind, Choice, Question

#: Enough for a try-out: the smallest sizes, a domain that nobody owns (RFC 6761 keeps .test free).
REHEARSAL_ANSWERS: Mapping[str, Any] = {
    "deployment.name": "rehearsal",
    "site.domain": "site.rehearsal.test",
    "site.www": True,
    "provider.name": REHEARSAL,
    "provider.region": "lon1",
    "mode": "development",
    "machines.image": "debian-12-x64",
    "machines.webserver_size": "s-1vcpu-1gb",
    "machines.database_size": "s-1vcpu-1gb",
    "time_zone": "Etc/UTC",
    "certificate.email": "webmaster@site.rehearsal.test",
    "database.kind": "mariadb",
    "application.name": "wordpress",
    "application.source": VIRGIN,
    "application.title": "A rehearsal",
    "application.admin_user": "editor",
    "application.admin_email": "webmaster@site.rehearsal.test",
    "access.operators": ["auto"],
    "mail.kind": "none",
}
#: What production mode needs beside them.
REHEARSAL_IN_PRODUCTION: Mapping[str, Any] = {
    "mode": "production",
    "machines.autoscaler_size": "s-1vcpu-1gb",
    "scaling.autoscalers": 1,
    "scaling.minimum": 1,
    "scaling.maximum": 6,
    "scaling.webservers": 2,
    "scaling.windows": [],
    "scaling.price_cap": "",
}
#: As many rehearsals may be begun by their template before a name has to be typed.
MOST_NUMBERED = 20


@dataclass(frozen=True, slots=True)
class Template:
    """A way to begin.

    Attributes:
        key: as the answers file has it.
        label: a few words.
        help: what one gets.
        values: answers it brings, each a value or a function of the answers so far. One that cannot be used gives
            way to the question's own default.
        asks: keys that are asked although they have a usual answer; None asks everything. What has no usual answer,
            and every secret, is asked in any case.
        unavailable: why it cannot be chosen.
    """

    key: str
    label: str
    help: str
    values: Mapping[str, Any] = field(default_factory=dict)
    asks: frozenset[str] | None = None
    unavailable: str = ""

    def candidates(self, question: Question, answers: Answered) -> tuple[Any, ...]:
        """What may answer the question without asking, the best first."""
        given = self.values.get(question.key)
        value = given(answers) if callable(given) else given
        found = list(value) if isinstance(value, _Numbered) else [value]
        return tuple(each for each in (*found, question.default_for(answers)) if each is not None)


class _Numbered(tuple[str, ...]):
    """A name and, where it is taken, the same with a number behind it."""

    __slots__ = ()

    @classmethod
    def of(cls, name: str) -> _Numbered:
        return cls((name, *(f"{name}-{number}" for number in range(2, MOST_NUMBERED + 1))))


def _rehearsal_domain(answers: Answered) -> str:
    return f"site.{answers['deployment.name']}.test"


def _rehearsal_mailbox(answers: Answered) -> str:
    return f"webmaster@{answers['site.domain']}"


_WHO = frozenset({"deployment.name", "site.domain", "provider.region", "certificate.email"})

TRY = Template(
    "try-here",
    "Try it here",
    "The whole site on this machine: no account, no cost. Nothing is asked.",
    values={
        **REHEARSAL_ANSWERS,
        "deployment.name": _Numbered.of(str(REHEARSAL_ANSWERS["deployment.name"])),
        "site.domain": _rehearsal_domain,
        "certificate.email": _rehearsal_mailbox,
        "application.admin_email": _rehearsal_mailbox,
    },
    asks=frozenset(),
)
SMALL = Template(
    "small-site",
    "One small site",
    "At DigitalOcean: one webserver, one database machine. Eight questions.",
    values={"provider.name": "digitalocean", "mode": "development", "application.source": VIRGIN},
    asks=_WHO | {"application.title", "application.admin_user", "application.admin_email"},
)
GROWING = Template(
    "growing-site",
    "Growing site",
    "At DigitalOcean: several webservers, watched, mended and scaled. Eleven questions.",
    values={"provider.name": "digitalocean", "mode": "production", "application.source": VIRGIN},
    asks=_WHO
    | {"application.title", "application.admin_user", "application.admin_email"}
    | {"scaling.minimum", "scaling.maximum", "scaling.webservers"},
)
BACKUP = Template(
    "from-backup",
    "From a backup",
    "A site that somebody prepared as a baseline. Restoring a temporal backup of your own is not in this version yet.",
    values={"mode": "development", "application.source": BASELINE},
    asks=_WHO | {"provider.name"},
)
EVERYTHING = Template("everything", "Ask me everything", "Each question there is, with its usual answer filled in.")

TEMPLATES = (TRY, SMALL, GROWING, BACKUP, EVERYTHING)

TEMPLATE = Question(
    key="template",
    label="How would you like to begin?",
    help="Each way fills in the usual answers and asks only the rest; in the review all of them can still be changed. "
    "For example, Try it here builds the whole site on this machine before you have an account anywhere.",
    kind=AnswerKind.CHOICE,
    choices=lambda _answers: tuple(
        Choice(each.key, each.label, each.help, unavailable=each.unavailable) for each in TEMPLATES
    ),
    default=TRY.key,
    # A deployment that has a name was begun already, by a template or by hand.
    applies=lambda answers: "template" in answers or "deployment.name" not in answers,
)


def template_of(answers: Answered) -> Template:
    """The way these answers were begun; everything is asked when they do not say."""
    return next((each for each in TEMPLATES if each.key == answers.get(TEMPLATE.key)), EVERYTHING)
