"""A baseline becomes a release: verified here, put into the artefact bucket, fetched by the machines from there.

There it is a baseline again, manifest and all: who takes the deployment over needs nothing that lay on the lost stick.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fleet.deployment import Deployment
from fleet.settings import Settings
from fleet.store_keys import OWN, known_key
from recipes.baseline import DATABASE, MANIFEST, WEBROOT, Baseline, read_baseline
from recipes.context import Release
from state.errors import AnswersError
from state.secret import Secret

#: Longer than any build; after it the address in a machine's hands is worth nothing.
ADDRESS_LIFETIME_S = 6 * 3600


#: Stands for a release that is still to be put into the store (only plans see that).
UNMADE_RELEASE = Release(
    id="not-made-yet",
    application="",
    webroot_url=Secret("https://store.invalid/webroot"),
    webroot_sha256="0" * 64,
    database_url=Secret("https://store.invalid/database"),
    database_sha256="0" * 64,
    site="https://site.invalid",
)


def check_baseline(settings: Settings) -> None:
    """Believes a baseline that lies on this machine, or refuses it, before anything is made for it.

    Raises:
        BaselineError: it cannot be trusted. One in a bucket is looked at when the store is reached.
        AnswersError: it is one of another application.
    """
    if not settings.baseline or settings.baseline.startswith("s3://"):
        return
    with tempfile.TemporaryDirectory(prefix="buildyard-baseline-") as work:
        _refuse_foreign(settings, read_baseline(Path(settings.baseline), Path(work)))


def _refuse_foreign(settings: Settings, baseline: Baseline) -> None:
    wanted = str(settings.answers.get("application.name", ""))
    if baseline.application != wanted:
        raise AnswersError(
            f"{settings.baseline} is a baseline of {baseline.application}, not of {wanted}.",
            hint="set application.name, or give another baseline",
        )


def upload_baseline(deployment: Deployment) -> bool:
    """Puts the answers' baseline into the artefact bucket; its name there is its checksums, so it goes once.

    Returns:
        Whether anything was sent.

    Raises:
        BaselineError: it cannot be trusted.
    """
    if not deployment.settings.baseline:
        return False
    sent = False
    bucket = deployment.bucket("artefacts")
    with tempfile.TemporaryDirectory(prefix="buildyard-baseline-") as work:
        baseline = _read(deployment, Path(work))
        there = set(bucket.keys(_folder(baseline.id)))
        # the manifest last: where it is, all is
        for path in (baseline.webroot.path, baseline.database.path, baseline.webroot.path.with_name(MANIFEST)):
            key = f"{_folder(baseline.id)}{path.name}"
            if key not in there:
                bucket.upload_file(key, path)
                sent = True
    return sent


def release_of(deployment: Deployment) -> Release | None:
    """What machines are told of the baseline; None for a virgin application. Sends nothing.

    Before the first build there is no key to the store: a plan then tells of a release whose addresses are to come.
    """
    if not deployment.settings.baseline:
        return None
    if known_key(deployment.record, deployment.secrets, OWN) is None:
        return replace(UNMADE_RELEASE, application=str(deployment.settings.answers.get("application.name", "")))
    bucket = deployment.bucket("artefacts")
    known = deployment.handed.release if deployment.handed else None
    release = known or _of_baseline(deployment)
    return replace(
        release,
        webroot_url=bucket.presigned_get(f"{_folder(release.id)}{WEBROOT}", ADDRESS_LIFETIME_S),
        database_url=bucket.presigned_get(f"{_folder(release.id)}{DATABASE}", ADDRESS_LIFETIME_S),
    )


def portable_answers(deployment: Deployment, answers: Mapping[str, Any], release: Release | None) -> Mapping[str, Any]:
    """The answers as they hold on every machine: a baseline that lies on this one is named as it lies in the bucket.

    Args:
        answers: of this deployment.
        release: what its baseline became.
    """
    place = str(answers.get("application.baseline") or "")
    if release is None or not place or place.startswith("s3://"):
        return answers
    bucket = deployment.bucket_name("artefacts")
    return {**answers, "application.baseline": f"s3://{bucket}/{_folder(release.id).rstrip('/')}"}


def _of_baseline(deployment: Deployment) -> Release:
    with tempfile.TemporaryDirectory(prefix="buildyard-baseline-") as work:
        baseline = _read(deployment, Path(work))
    _refuse_foreign(deployment.settings, baseline)
    return Release(
        id=baseline.id,
        application=baseline.application,
        webroot_url=UNMADE_RELEASE.webroot_url,
        webroot_sha256=baseline.webroot.sha256,
        database_url=UNMADE_RELEASE.database_url,
        database_sha256=baseline.database.sha256,
        site=baseline.site,
        table_prefix=baseline.table_prefix,
    )


def _folder(release_id: str) -> str:
    return f"baselines/{release_id}/"


def _read(deployment: Deployment, work: Path) -> Baseline:
    """From a folder or archive of this machine, or from a bucket of the deployment's store."""
    place = deployment.settings.baseline
    if not place.startswith("s3://"):
        return read_baseline(Path(place), work)
    name, _, prefix = place.removeprefix("s3://").partition("/")
    bucket = deployment.open_bucket(name)
    folder, unpacked = work / "fetched", work / "unpacked"
    folder.mkdir()
    unpacked.mkdir()
    for file in (MANIFEST, WEBROOT, DATABASE):
        bucket.download_file(f"{prefix.rstrip('/')}/{file}".lstrip("/"), folder / file)
    return read_baseline(folder, unpacked)
