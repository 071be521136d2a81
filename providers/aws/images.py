"""Amazon machine images: Debian's and Canonical's official ones, and those made of our machines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from providers.aws import tags
from providers.aws.calls import Aws
from providers.contract import Image, Snapshot
from state.clock import wait_until
from state.errors import Conflict, NotFound, ProviderError

#: wiki.debian.org/Cloud/AmazonEC2Image and documentation.ubuntu.com/aws: who publishes, and under which names.
_OWNERS = ("136693071363", "099720109477")
_NAMES = ("debian-??-amd64-*", "ubuntu/images/hvm-ssd*/ubuntu-*-??.04-amd64-server-*")
_DEBIAN = re.compile(r"debian-(\d\d)-amd64-\d.*")
_UBUNTU = re.compile(r"ubuntu/images/hvm-ssd(?:-gp3)?/ubuntu-[a-z]+-(\d\d)\.04-amd64-server-\d.*")
_OLDEST = {"Debian": 12, "Ubuntu": 22}

#: Seconds: an image of a full disk, and until a machine is free for it.
_SNAPSHOT_S, _FREE_S = 3600.0, 300.0


@dataclass(frozen=True, slots=True)
class Source:
    """What a machine is made of.

    Attributes:
        root: name of its first disk.
        least_gib: that disk's size in the image; a machine's must not be smaller.
    """

    id: str
    root: str
    least_gib: int


@dataclass(frozen=True, slots=True)
class Images:
    """The images that the account can use."""

    aws: Aws

    def official(self) -> tuple[Image, ...]:
        """The newest of each release; the slug names the release, so that it stays right when a newer one comes."""
        return tuple(sorted((image for image, _ in self._newest().values()), key=lambda image: image.slug))

    def source(self, slug: str) -> Source:
        """What that slug or image id is now.

        Raises:
            NotFound: there is no such image.
        """
        if slug.startswith("ami-"):
            found = self.aws.listed("ec2", "describe_images", "Images", ImageIds=[slug])
            if not found:
                raise NotFound(f"There is no image {slug}.", hint="choose another machines.image")
            return _source(found[0])
        newest = self._newest().get(slug)
        if newest is None:
            raise NotFound(f"There is no image {slug} in {self.aws.region}.", hint="choose another machines.image")
        return _source(newest[1])

    def snapshot(self, machine_id: str, name: str) -> Snapshot:
        """Makes an image of that name and waits for it; one that is there is returned."""

        def begin() -> str | None:
            try:
                return self.aws.made(lambda: self._create(machine_id, name), lambda: self._id_of(name))
            except Conflict:
                return None  # the machine is on its way from one state to another

        image_id = wait_until(
            f"machine {machine_id} to be free for the image {name}", begin, timeout_s=_FREE_S, clock=self.aws.clock
        )

        def done() -> Mapping[str, Any] | None:
            found = next((each for each in self._own() if each["ImageId"] == image_id), None)
            if found is not None and found["State"] in ("failed", "error", "invalid"):
                reason = (found.get("StateReason") or {}).get("Message", "")
                raise ProviderError(f"AWS could not make the image {name}.", detail=reason, hint="Try again.")
            return found if found is not None and found["State"] == "available" else None

        what = f"the image {name} of machine {machine_id}"
        return _snapshot(wait_until(what, done, timeout_s=_SNAPSHOT_S, clock=self.aws.clock, longest_s=5.0))

    def snapshots(self, name_prefix: str) -> tuple[Snapshot, ...]:
        """Images of machines that can be used, by the beginning of their names."""
        usable = (each for each in self._own() if each["State"] == "available")
        return tuple(_snapshot(each) for each in usable if each["Name"].startswith(name_prefix))

    def delete(self, image_id: str) -> None:
        """Removes an image with the snapshots of disks behind it, which would go on to cost."""
        try:
            self.aws.call("ec2", "deregister_image", ImageId=image_id, DeleteAssociatedSnapshots=True)
        except NotFound:
            return

    def _create(self, machine_id: str, name: str) -> str:
        pairs = tags.pairs({"Name": name, tags.IMAGE: name})
        answer = self.aws.call(
            "ec2",
            "create_image",
            InstanceId=machine_id,
            Name=name,
            TagSpecifications=[*tags.specification("image", pairs), *tags.specification("snapshot", pairs)],
        )
        return str(answer["ImageId"])

    def _id_of(self, name: str) -> str | None:
        alive = (each for each in self._own() if each["State"] in ("available", "pending"))
        return next((str(each["ImageId"]) for each in alive if each["Name"] == name), None)

    def _own(self) -> Iterator[dict[str, Any]]:
        listed = self.aws.listed("ec2", "describe_images", "Images", Owners=["self"])
        return (each for each in listed if tags.IMAGE in tags.read(each))

    def _newest(self) -> dict[str, tuple[Image, dict[str, Any]]]:
        newest: dict[str, tuple[Image, dict[str, Any]]] = {}
        listed = self.aws.listed(
            "ec2",
            "describe_images",
            "Images",
            Owners=list(_OWNERS),
            Filters=[
                {"Name": "name", "Values": list(_NAMES)},
                {"Name": "state", "Values": ["available"]},
                {"Name": "architecture", "Values": ["x86_64"]},
                {"Name": "root-device-type", "Values": ["ebs"]},
            ],
        )
        for body in sorted(listed, key=lambda each: each["CreationDate"]):
            image = _official(body["Name"])
            if image is not None:
                newest[image.slug] = (image, body)
        return newest


def _official(name: str) -> Image | None:
    """The release of an official image's name; daily builds, backports and short-lived releases are none."""
    for distribution, pattern in (("Debian", _DEBIAN), ("Ubuntu", _UBUNTU)):
        found = pattern.fullmatch(name)
        if found is None or int(found[1]) < _OLDEST[distribution]:
            continue
        if distribution == "Debian":
            return Image(f"debian-{found[1]}", found[1], distribution)
        if int(found[1]) % 2 == 0:
            return Image(f"ubuntu-{found[1]}-04", f"{found[1]}.04 LTS", distribution)
    return None


def _disks(body: Mapping[str, Any]) -> list[tuple[str, int]]:
    mapped = body.get("BlockDeviceMappings") or ()
    return [(each["DeviceName"], int(each["Ebs"].get("VolumeSize") or 0)) for each in mapped if "Ebs" in each]


def _source(body: Mapping[str, Any]) -> Source:
    root = body["RootDeviceName"]
    return Source(body["ImageId"], root, dict(_disks(body)).get(root, 0))


def _snapshot(body: Mapping[str, Any]) -> Snapshot:
    size = sum(gib for _, gib in _disks(body))
    return Snapshot(body["ImageId"], body["Name"], Decimal(size), body["CreationDate"])
