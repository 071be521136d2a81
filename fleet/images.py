"""Images for new webservers: what the one in force is called, and which of them the provider has.

They are made by :mod:`fleet.autoscaler.image`. A webserver from an image gets the same recipes as a bare one, which
find most of it done: whether there is an image decides how long it takes, and nothing else.
"""

from __future__ import annotations

import hashlib
import json

from fleet.deployment import Deployment
from fleet.names import IMAGE_DIGEST
from providers.contract import Snapshot
from recipes.context import Role


def image_name(deployment: Deployment) -> str:
    """The name of the image that new webservers are made from; "" where there is none: on the build machine, and where
    the provider makes no images.

    Whatever is in it is in its name, and where it can be used: so a new program, another release of the application,
    another size or another region call for another image.
    """
    one, told = deployment, deployment.handed
    if told is None or not one.access.provider.capabilities.supports_snapshots:
        return ""
    release = told.release
    made_from = (
        one.settings.image,
        one.settings.region,
        one.settings.sizes[Role.WEBSERVER],
        told.program_version,
        (release.id, release.webroot_sha256) if release is not None else None,
    )
    return one.names.image(hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:IMAGE_DIGEST])


def images_of(deployment: Deployment) -> tuple[Snapshot, ...]:
    """All images of this very deployment that the provider has.

    Raises:
        ProviderError: it does not answer.
    """
    one, provider = deployment, deployment.access.provider
    if not provider.capabilities.supports_snapshots:
        return ()
    return tuple(each for each in provider.snapshots(one.names.image("")) if one.names.owns_image(each.name))


def image_for(deployment: Deployment, role: Role) -> Snapshot | None:
    """The image that a new machine of that role is made from; None when it is made from bare."""
    name = image_name(deployment) if role is Role.WEBSERVER else ""
    return next((each for each in images_of(deployment) if each.name == name), None) if name else None
