"""Mail that machines and the application send: msmtp in sendmail's place hands it to the SMTP server of the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recipes.context import Context, Role
from recipes.secrets import SecretSpec
from recipes.steps import Absent, File, Package, Step
from recipes.webserver import USER
from state.errors import AnswersError
from state.questions import AnswerKind, Choice, Question, check_domain, check_email
from state.secret import Secret

NAME = "mail"
#: Asked, not generated: it is the answer to the question of the same key.
SECRETS: tuple[SecretSpec, ...] = ()
PASSWORD = "mail.password"
#: Its name in the secrets.
PASSWORD_SECRET = "mail-password"
NONE = "none"
SMTP = "smtp"
#: RFC 8314: 465 is TLS from the first byte, 587 begins in the clear and must switch.
IMPLICIT_TLS_PORT = 465
SUBMISSION_PORT = 587

_SETTINGS = "/etc/msmtprc"


def _by_smtp(answers: Mapping[str, Any]) -> bool:
    return answers.get("mail.kind") == SMTP


def check_port(value: Any) -> str:
    """A TCP port."""
    if not str(value).isascii() or not str(value).isdecimal() or not 1 <= int(value) <= 65535:
        return "Give a port from 1 to 65535; 587 is usual."
    return ""


def check_user(value: Any) -> str:
    """A user name that fits into one line."""
    return _check_line(str(value))


def check_password(value: Any) -> str:
    """A password that fits into one line."""
    return _check_line(str(value))


def _check_line(text: str) -> str:
    if any(ord(character) < 32 for character in text) or text != text.strip():
        return "Give one line without spaces around it."
    return ""


QUESTIONS = (
    Question(
        key="mail.kind",
        label="How shall the site send mail?",
        help="Password resets and notices go by mail, and clouds block what is sent without an SMTP server. "
        "Example: your mailbox provider's server; not at all for a first try.",
        kind=AnswerKind.CHOICE,
        choices=lambda _answers: (
            Choice(NONE, "Not at all"),
            Choice(SMTP, "Through an SMTP server", "With a user and a password."),
        ),
        default=NONE,
    ),
    Question(
        key="mail.host",
        label="SMTP server",
        help="The server that takes the site's mail and delivers it; your mailbox provider names it under outgoing "
        "mail. Example: smtp.example.org.",
        check=check_domain,
        applies=_by_smtp,
    ),
    Question(
        key="mail.port",
        label="Port",
        help="Where the server takes mail; the password travels over it, so unencrypted ports are not used. "
        "Example: 587 (STARTTLS) or 465 (TLS).",
        kind=AnswerKind.NUMBER,
        default=SUBMISSION_PORT,
        check=check_port,
        applies=_by_smtp,
    ),
    Question(
        key="mail.user",
        label="User at the SMTP server",
        help="The server takes mail only from who logs in. Often it is the whole address. Example: shop@example.org.",
        check=check_user,
        applies=_by_smtp,
    ),
    Question(
        key=PASSWORD,
        label="Password at the SMTP server",
        help="The site logs in to the server with it. It is kept with the secrets, and on the machines in a file only "
        "root and the application read. Example: an app password made for this site alone.",
        kind=AnswerKind.SECRET,
        check=check_password,
        applies=_by_smtp,
    ),
    Question(
        key="mail.from",
        label="Sender's address",
        help="Readers see it as the sender, and the server must accept it from that user. Example: site@example.org.",
        check=check_email,
        applies=_by_smtp,
    ),
)


def steps(context: Context) -> Iterator[Step]:
    """The relay, or the certainty that no password of an earlier answer stays behind; the application's user exists."""
    if context.answer("mail.kind", NONE) != SMTP:
        yield Absent(label="no mail relay", path=_SETTINGS)
        return
    yield from common(context)
    yield File(
        label="mail relay's settings",
        path=_SETTINGS,
        content=_settings(context),
        mode=0o640,
        # msmtp 1.8.22 and later runs as whoever sends (Debian bug 995012: setgid did not hide the password anyway)
        group=USER if context.node.role is Role.WEBSERVER else "root",
    )


def common(context: Context) -> Iterator[Step]:
    """What is alike on all machines and no secret: an image of it may be taken."""
    if context.answer("mail.kind", NONE) == SMTP:
        yield Package(label="mail relay", names=("msmtp-mta", "ca-certificates"))


def _settings(context: Context) -> Secret:
    """msmtp's configuration.

    Raises:
        AnswersError: an answer would break out of its line.
    """
    values = {key: str(context.answer(f"mail.{key}", "")) for key in ("host", "user", "from")}
    port = int(context.answer("mail.port", SUBMISSION_PORT))
    password = context.secrets[PASSWORD_SECRET].reveal()
    for name, value in (*values.items(), ("password", password)):
        if not value or _check_line(value):
            raise AnswersError(f"The answer mail.{name} cannot be used.", hint="give one line of text")
    return Secret(
        f"""\
defaults
auth on
tls on
tls_starttls {"off" if port == IMPLICIT_TLS_PORT else "on"}
tls_trust_file /etc/ssl/certs/ca-certificates.crt
syslog LOG_MAIL
timeout 30

account default
host {values["host"]}
port {port}
from {values["from"]}
user {_quoted(values["user"])}
password {_quoted(password)}
"""
    )


def _quoted(text: str) -> str:
    """msmtp takes one pair of double quotes off both ends and nothing else."""
    return f'"{text}"'
