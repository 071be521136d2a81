"""Where everything lies on the build machine: one home, one folder a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from state.errors import UsageError
from state.files import file_error, make_private_folder
from state.questions import check_name

#: Variable that names the home.
HOME_VARIABLE = "BUILDYARD_HOME"


@dataclass(frozen=True, slots=True)
class DeploymentPaths:
    """The files of one deployment. Nothing here touches the disk but :meth:`create`."""

    name: str
    folder: Path

    @property
    def answers(self) -> Path:
        """What the wizard asked."""
        return self.folder / "answers.yaml"

    @property
    def fleet_record(self) -> Path:
        """What exists at the provider."""
        return self.folder / "fleet.json"

    @property
    def runs(self) -> Path:
        """One folder a run."""
        return self.folder / "runs"

    @property
    def logs(self) -> Path:
        """Logs of helpers such as the detached runner."""
        return self.folder / "logs"

    @property
    def encrypted_secrets(self) -> Path:
        """The encrypted-file keyring, where no secret service runs."""
        return self.folder / "secrets.encrypted"

    @property
    def secret_names(self) -> Path:
        """Names (never values) of the secrets the system's keyring holds for this deployment."""
        return self.folder / "secret-names.json"

    @property
    def local_objects(self) -> Path:
        """The named fall-back for a store without compare-and-set."""
        return self.folder / "objects"

    @property
    def lease_place(self) -> Path:
        """What is known of the store of the lease: whether it has compare-and-set."""
        return self.folder / "lease-place.json"

    @property
    def copy_seen(self) -> Path:
        """Which recovery copies hold nothing new for this build machine."""
        return self.folder / "copy-seen.json"

    @property
    def recovery_key_shown(self) -> Path:
        """There when the recovery key was shown on this build machine, or came to it from elsewhere."""
        return self.folder / "recovery-key-shown"

    @property
    def answers_elsewhere(self) -> Path:
        """The answers by which another build machine built this deployment, where they differ from those here."""
        return self.folder / "answers-elsewhere.yaml"

    def run(self, run_id: str) -> Path:
        """The folder of one run."""
        return self.runs / run_id

    def create(self) -> DeploymentPaths:
        """Makes the folders, for their owner only; repeated it changes nothing.

        Raises:
            StateError: they cannot be made.
        """
        home = self.folder.parent.parent
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)  # one that is there may be shared: its mode stays
        except OSError as error:
            raise file_error(home, "make the folder", error) from error
        for folder in (self.folder.parent, self.folder, self.runs, self.logs):
            make_private_folder(folder)
        return self


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds all deployments of this user on this build machine."""

    root: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Home:
        """``$BUILDYARD_HOME``, else the platform's folder for user data."""
        named = environment.get(HOME_VARIABLE, "")
        if named:
            return cls(Path(named).expanduser().absolute())
        import platformdirs  # the first screen does not wait for it

        root = platformdirs.user_data_path("buildyard")
        return cls(root.absolute())

    def deployment(self, name: str) -> DeploymentPaths:
        """The paths of a deployment, whether it exists or not.

        Raises:
            UsageError: the name cannot be one (it would climb out of the home, for instance).
        """
        problem = check_name(name)
        if problem:
            raise UsageError(f"{name!r} cannot be the name of a deployment.", hint=problem)
        return DeploymentPaths(name, self.root / "deployments" / name)

    def deployments(self) -> tuple[DeploymentPaths, ...]:
        """All deployments that have answers, by name.

        Raises:
            StateError: the home cannot be read.
        """
        folder = self.root / "deployments"
        try:
            names = sorted(entry.name for entry in folder.iterdir() if (entry / "answers.yaml").exists())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise file_error(folder, "read", error) from error
        return tuple(self.deployment(name) for name in names if not check_name(name))
