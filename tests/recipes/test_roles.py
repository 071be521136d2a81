"""What machines of each role are told to become: order, waits, purity, and where secrets may stand."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest
import yaml

from recipes import mail, roles, secrets
from recipes.context import (
    AutoscalerFiles,
    CertificateAuthority,
    Context,
    Node,
    ObjectStore,
    ProgramRelease,
    Release,
    Role,
)
from recipes.steps import AllowRule, Cron, File, Service, Step
from state.errors import AnswersError, UsageError
from state.secret import Secret
from wizard.questions import all_questions

WEB = Node("web-1", Role.WEBSERVER, "192.0.2.11", "2001:db8::11", "10.1.0.11", 1024)
DATA = Node("db-1", Role.DATABASE, "192.0.2.12", "2001:db8::12", "10.1.0.12", 2048)
KEYS = {spec.name: secrets.generate(spec) for spec in roles.SECRETS}
ASKED = {name: Secret(f"canary-of-{name}") for name in ("s3-secret-key", "digitalocean.token", "mail-password")}
ALLOW = (AllowRule(port=1035, source="198.51.100.7", to="192.0.2.11"),)
RELEASE = Release(
    id="baseline-1",
    application="wordpress",
    webroot_url=Secret("https://store.example.org/webroot?signature=canary-webroot"),
    webroot_sha256="a" * 64,
    database_url=Secret("https://store.example.org/dump?signature=canary-dump"),
    database_sha256="b" * 64,
    site="https://site.invalid",
)


def context_for(node: Node, **changes: object) -> Context:
    context = Context(
        deployment="shop",
        mode="development",
        domain="shop.example.org",
        apex_and_www=True,
        node=node,
        fleet=(WEB, DATA),
        operators=("198.51.100.7/32",),
        admin_user="buildyard",
        admin_keys=("ssh-ed25519 AAAA operator",),
        signer_public_key="ssh-ed25519 BBBB signer",
        store=ObjectStore(
            "https://store.example.org", "us-east-1", "PEM", "access", "config", "state", "artefacts", "assets"
        ),
        authority=CertificateAuthority(
            "https://acme.example.org/dir",
            "PEM",
            "me@example.org",
            "digitalocean",
            (),
            (("DO_AUTH_TOKEN", "digitalocean.token"),),
        ),
        answers={
            "application": {"title": 'It\'s a "shop"', "admin_user": "keeper", "admin_email": "me@example.org"},
            "time_zone": "Europe/London",
            "mail": {"kind": "smtp", "host": "smtp.example.org", "user": "shop", "from": "shop@example.org"},
        },
        secrets={**KEYS, **ASKED},
    )
    return dataclasses.replace(context, **changes)  # type: ignore[arg-type]


def all_steps(context: Context) -> list[Step]:
    return [step for stage in roles.stages(context, ALLOW) for step in stage.recipe.steps]


@pytest.mark.parametrize("release", [None, RELEASE])
@pytest.mark.parametrize("node", [WEB, DATA])
def test_equal_contexts_give_equal_steps(node: Node, release: Release | None) -> None:
    assert roles.stages(context_for(node, release=release), ALLOW) == roles.stages(
        context_for(node, release=release), ALLOW
    )


@pytest.mark.parametrize("node", [WEB, DATA])
def test_a_question_that_was_added_later_changes_nothing_on_a_machine(node: Node) -> None:
    """What was built before it was asked has nothing to change afterwards."""
    before = context_for(node, release=RELEASE)
    added = {question.key: question.default for question in all_questions() if question.added_later}
    after = dataclasses.replace(before, answers={**before.answers, **added})
    assert added
    assert roles.stages(after, ALLOW) == roles.stages(before, ALLOW)


@pytest.mark.parametrize("node", [WEB, DATA])
def test_labels_are_unique_in_a_recipe_and_names_on_a_machine(node: Node) -> None:
    stages = roles.stages(context_for(node, release=RELEASE), ALLOW)
    names = [stage.recipe.name for stage in stages]
    assert len(set(names)) == len(names)
    for stage in stages:
        labels = [step.label for step in stage.recipe.steps]
        assert len(set(labels)) == len(labels), stage.recipe.name


@pytest.mark.parametrize("node", [WEB, DATA])
def test_every_notified_service_follows_in_the_same_recipe(node: Node) -> None:
    for stage in roles.stages(context_for(node), ALLOW):
        for number, step in enumerate(stage.recipe.steps):
            later = {other.unit for other in stage.recipe.steps[number:] if isinstance(other, Service)}
            assert set(step.notifies) <= later, f"{stage.recipe.name}: {step.label}"


@pytest.mark.parametrize("node", [WEB, DATA])
def test_secrets_stand_only_where_the_type_hides_them(node: Node) -> None:
    context = context_for(node, release=RELEASE)
    values = [value.reveal() for value in context.secrets.values()]
    values += [RELEASE.webroot_url.reveal(), RELEASE.database_url.reveal()]
    # the public halves of key pairs are meant to be seen
    private = [line for value in values for line in _secret_lines(value)]
    for step in all_steps(context):
        shown = repr(step)
        for line in private:
            assert line not in shown, step.label


def _secret_lines(value: str) -> list[str]:
    if "PRIVATE KEY" in value:
        body = value.split("-----END")[0].splitlines()[1:]
        # the first lines of an OpenSSH key hold its public half
        return body[-1:]
    return [value]


@pytest.mark.parametrize("node", [WEB, DATA])
def test_files_that_hold_secrets_are_not_for_everybody(node: Node) -> None:
    for step in all_steps(context_for(node)):
        if isinstance(step, File) and isinstance(step.content, Secret):
            assert step.mode & 0o007 == 0, step.path


def test_the_site_waits_for_the_database_and_the_certificate_for_its_issuer() -> None:
    waits = {stage.recipe.name: stage.after for stage in roles.stages(context_for(WEB), ALLOW)}
    assert waits["wordpress"] == ((Role.DATABASE, "database"),)
    assert waits["certificate"] == ((Role.DATABASE, "certificate"),)
    assert all(not stage.after for stage in roles.stages(context_for(DATA), ALLOW))


def test_the_host_key_is_told_before_sshd_shows_it() -> None:
    names = [stage.recipe.name for stage in roles.stages(context_for(DATA), ALLOW)]
    assert names[:3] == ["base", "host-key", "firewall"]


AUTO = Node("as-1", Role.AUTOSCALER, "192.0.2.13", "2001:db8::13", "10.1.0.13", 1024)
AUTO_2 = Node("as-2", Role.AUTOSCALER, "192.0.2.14", "2001:db8::14", "10.1.0.14", 1024)


HANDED = AutoscalerFiles(
    ProgramRelease(Secret("https://store.example.org/program?signature=canary"), "c" * 64, "0123456789abcdef"),
    settings='{"form": 1}\n',
    credentials=Secret('{"token": "canary-of-all-secrets"}\n'),
)


def in_production(node: Node, *more: Node) -> Context:
    handed = HANDED if node.role is Role.AUTOSCALER else None
    return context_for(node, mode="production", fleet=(AUTO, WEB, DATA, *more), autoscaler=handed)


def _text(content: object) -> str:
    return content.reveal() if isinstance(content, Secret) else str(content)


def labels(context: Context) -> list[str]:
    return [step.label for step in all_steps(context)]


def test_in_production_autoscalers_issue_the_certificate_and_nobody_else_has_what_it_takes() -> None:
    waits = {stage.recipe.name: stage.after for stage in roles.stages(in_production(WEB), ALLOW)}
    assert waits["certificate"] == ((Role.AUTOSCALER, "certificate"),)
    assert "certificate issued" in labels(in_production(AUTO))
    for node in (WEB, DATA):
        told = [step.content for step in all_steps(in_production(node)) if isinstance(step, File)]
        assert not [text for text in map(_text, told) if ASKED["digitalocean.token"].reveal() in text]
        assert KEYS["caretaker-signing-key"] not in told
    # one that was in development mode before
    assert {"no credentials for DNS here", "no caretaker's signing key here"} <= set(labels(in_production(DATA)))
    assert "database checked every minute" in labels(in_production(DATA))


def test_of_several_autoscalers_the_first_build_lets_one_issue_and_the_leader_renews() -> None:
    assert "certificate issued" in labels(in_production(AUTO, AUTO_2))
    assert "certificate issued" not in labels(in_production(AUTO_2, AUTO_2))

    def renewal(context: Context) -> tuple[str, ...]:
        (cron,) = (
            step for step in all_steps(context) if isinstance(step, Cron) and step.name == "buildyard-certificate"
        )
        return cron.command

    assert renewal(in_production(AUTO))[-1] == "renew"
    assert renewal(in_production(AUTO, AUTO_2))[-1] == "renew-as-leader"


@pytest.mark.parametrize("node", [AUTO, WEB, DATA])
def test_in_production_labels_are_unique_in_a_recipe(node: Node) -> None:
    for stage in roles.stages(in_production(node), ALLOW):
        found = [step.label for step in stage.recipe.steps]
        assert len(set(found)) == len(found), stage.recipe.name
    names = [name for name, _ in roles.recipe_names(node.role, "production")]
    assert names == [stage.recipe.name for stage in roles.stages(in_production(node), ALLOW)]


def test_an_autoscaler_is_handed_its_secrets_in_one_file_only() -> None:
    (there,) = [stage.recipe for stage in roles.stages(in_production(AUTO), ALLOW) if stage.recipe.name == "autoscaler"]
    assert "canary" not in repr(there)
    paths = [step.path for step in there.steps if isinstance(step, File) and isinstance(step.content, Secret)]
    assert paths == ["/etc/buildyard/autoscaler/credentials.json"]


def test_an_autoscaler_that_was_told_of_no_program_is_refused() -> None:
    with pytest.raises(UsageError, match="as-1 was told of no program"):
        roles.stages(context_for(AUTO, mode="production", fleet=(AUTO, WEB, DATA)), ALLOW)


def test_a_role_without_recipes_is_refused() -> None:
    with pytest.raises(UsageError, match="autoscaler"):
        roles.stages(context_for(Node("as-1", Role.AUTOSCALER, "", "", "10.1.0.9")), ALLOW)


def test_without_mail_answers_no_password_stays_on_the_machine() -> None:
    context = context_for(WEB, answers={"mail": {"kind": "none"}})
    (step,) = mail.steps(context)
    assert step.path == "/etc/msmtprc"  # type: ignore[attr-defined]


@pytest.mark.parametrize(("node", "group"), [(WEB, "app"), (DATA, "root")])
def test_the_mail_password_is_read_by_root_and_by_who_sends_the_sites_mail(node: Node, group: str) -> None:
    (settings,) = (step for step in all_steps(context_for(node)) if isinstance(step, File) and "msmtprc" in step.path)
    assert (settings.group, settings.mode) == (group, 0o640)


def test_a_mail_password_cannot_add_lines_to_the_settings() -> None:
    context = context_for(WEB, secrets={**KEYS, "mail-password": Secret("x\nlogfile /etc/passwd")})
    with pytest.raises(AnswersError, match=r"mail\.password"):
        list(mail.steps(context))


def test_answers_may_be_flat_or_nested() -> None:
    assert context_for(WEB, answers={"mail.kind": "smtp"}).answer("mail.kind", "") == "smtp"
    assert context_for(WEB, answers={"mail": {"kind": "smtp"}}).answer("mail.kind", "") == "smtp"
    assert context_for(WEB, answers={}).answer("mail.kind", "none") == "none"


def test_user_data_has_the_port_the_key_and_fits_the_smallest_vendor() -> None:
    key = secrets.generate(secrets.SecretSpec("first", secrets.SecretKind.SSH_KEY))
    text = roles.user_data("buildyard", ("ssh-ed25519 AAAA operator",), key)
    assert text.startswith("#cloud-config\n")
    document = yaml.safe_load(text)
    (sshd,) = document["write_files"]
    assert "Port 1035" in sshd["content"].splitlines()
    assert "Port 22" not in text
    assert document["ssh_keys"]["ed25519_private"] == key.reveal()
    assert document["ssh_keys"]["ed25519_public"] == secrets.public_line(key, "first-contact")
    with pytest.raises(UsageError, match="16 KiB"):
        roles.user_data("buildyard", tuple(f"ssh-ed25519 {'A' * 300} {number}" for number in range(100)), key)


@pytest.mark.parametrize("program", sorted(Path(roles.__file__).parent.glob("files/*")), ids=lambda path: path.name)
def test_scripts_are_valid_sh(program: Path) -> None:
    text = program.read_text(encoding="utf-8")
    if text.startswith("#!/bin/sh\n"):
        subprocess.run(["sh", "-n", str(program)], check=True)
    else:
        assert text
