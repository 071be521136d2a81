"""EFS: a directory that the machines of a private network mount by NFS 4.1."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from providers.aws import rules, tags
from providers.aws.calls import LABEL, Aws
from providers.aws.networks import Networks
from providers.aws.rules import Rule
from providers.shared_files import SharedFiles
from providers.sources import checked_sources
from state.clock import wait_until
from state.errors import Conflict, NotFound, ProviderError, UsageError

_PORT = 2049
#: Seconds: a file system is there in moments; its mounts take a minute or two to come and to go.
_READY_S, _GONE_S = 120.0, 600.0
#: Characters of a creation token: docs.aws.amazon.com/efs/latest/ug/API_CreateFileSystem.html
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Files:
    """The file systems that Buildyard made; see :class:`providers.shared_files.FileSharing`."""

    aws: Aws
    networks: Networks

    def ensure(self, name: str, region: str, network_id: str, sources: tuple[str, ...]) -> SharedFiles:
        """Asks for it and for a mount in each zone of the network, behind a group of its own."""
        wanted = frozenset(Rule("tcp", _PORT, _PORT, source) for source in checked_sources(sources))
        if region != self.aws.region:
            raise UsageError(f"This access to {LABEL} is for {self.aws.region}, not for {region}.")
        if len(name) > _LONGEST_NAME:
            raise UsageError(f"EFS takes {_LONGEST_NAME} characters in a name: {name}.")
        pairs = tags.pairs({"Name": name, tags.FILES: name})
        group_id = rules.ensure_group(self.aws, f"{name}.efs", network_id, pairs, f"Buildyard: shared files {name}")
        rules.set_rules(self.aws, group_id, wanted)

        def make() -> str:
            answer = self.aws.call(
                "efs",
                "create_file_system",
                CreationToken=name,  # EFS makes one for a token, however often it is asked
                Encrypted=True,
                ThroughputMode="elastic",
                Tags=pairs,
            )
            return str(answer["FileSystemId"])

        files_id = self.aws.made(make, lambda: self._id_of(name))
        self._wait_until_available(files_id)
        served = {str(mount["SubnetId"]) for mount in self._mounts(files_id)}
        for subnet in self.networks.subnets(network_id):
            if subnet["SubnetId"] not in served:
                with suppress(Conflict):  # one that a lost answer made
                    self.aws.call(
                        "efs",
                        "create_mount_target",
                        repeatable=True,
                        FileSystemId=files_id,
                        SubnetId=subnet["SubnetId"],
                        SecurityGroups=[group_id],
                    )
        return self._read(self._system(files_id))

    def all(self, name_prefix: str) -> tuple[SharedFiles, ...]:
        """Those whose names begin so; one that is being deleted is none any more."""
        return tuple(
            self._read(body) for body in self._systems() if tags.read(body)[tags.FILES].startswith(name_prefix)
        )

    def delete(self, files_id: str) -> None:
        """Removes it with its mounts and its group; what is gone is no error."""
        name = next((tags.read(each)[tags.FILES] for each in self._systems() if each["FileSystemId"] == files_id), "")
        if not name:
            return

        def unmounted() -> bool:
            try:
                mounts = self._mounts(files_id)
                for mount in mounts:
                    if mount["LifeCycleState"] not in ("deleting", "deleted"):
                        with suppress(NotFound, Conflict):
                            self.aws.call("efs", "delete_mount_target", MountTargetId=mount["MountTargetId"])
            except NotFound:
                return True
            return not mounts

        def gone() -> bool:
            try:
                self.aws.call("efs", "delete_file_system", FileSystemId=files_id)
            except NotFound:
                return True
            except Conflict:
                return False
            return True

        def cleared() -> bool:
            try:
                for group in rules.described(self.aws, {f"tag:{tags.FILES}": [name]}):
                    self.aws.call("ec2", "delete_security_group", GroupId=group["GroupId"])
            except (Conflict, NotFound):
                return False  # a mount's network interface lives a moment longer
            return True

        steps = (("without mounts", unmounted), ("out of their security group", cleared), ("gone", gone))
        for what, probe in steps:
            wait_until(
                f"the shared files {name} to be {what}", probe, timeout_s=_GONE_S, clock=self.aws.clock, longest_s=5.0
            )

    def _wait_until_available(self, files_id: str) -> None:
        def available() -> bool:
            state = self._system(files_id)["LifeCycleState"]
            if state == "error":
                raise ProviderError(f"{LABEL} could not make the shared files.", detail=files_id, hint="Try again.")
            return bool(state in ("available", "updating"))

        wait_until(f"the shared files {files_id}", available, timeout_s=_READY_S, clock=self.aws.clock)

    def _system(self, files_id: str) -> dict[str, Any]:
        return dict(self.aws.call("efs", "describe_file_systems", FileSystemId=files_id)["FileSystems"][0])

    def _systems(self) -> list[dict[str, Any]]:
        listed = self.aws.listed("efs", "describe_file_systems", "FileSystems")
        return [
            body
            for body in listed
            if tags.FILES in tags.read(body) and body["LifeCycleState"] not in ("deleting", "deleted")
        ]

    def _id_of(self, name: str) -> str | None:
        found = (body for body in self._systems() if tags.read(body)[tags.FILES] == name)
        return next((str(body["FileSystemId"]) for body in found), None)

    def _mounts(self, files_id: str) -> list[dict[str, Any]]:
        return self.aws.listed("efs", "describe_mount_targets", "MountTargets", FileSystemId=files_id)

    def _read(self, body: Mapping[str, Any]) -> SharedFiles:
        files_id, name = str(body["FileSystemId"]), tags.read(body)[tags.FILES]
        mounts = self._mounts(files_id)
        groups = rules.described(self.aws, {f"tag:{tags.FILES}": [name]})
        held = {rule.source for group in groups for rule in rules.read_rules(group)}
        return SharedFiles(
            id=files_id,
            name=name,
            ready=bool(mounts) and all(mount["LifeCycleState"] == "available" for mount in mounts),
            # docs.aws.amazon.com/efs/latest/ug/mounting-fs-mount-cmd-dns-name.html
            host=f"{files_id}.efs.{self.aws.region}.amazonaws.com",
            addresses=tuple(sorted(str(mount["IpAddress"]) for mount in mounts if mount.get("IpAddress"))),
            sources=tuple(sorted(held)),
        )
