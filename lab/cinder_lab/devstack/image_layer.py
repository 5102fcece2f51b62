# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The image of DevStack's machine: what DevStack would download is in it.

DevStack itself has not run in it: no service is configured, none of the
repositories is installed. But it finds them cloned, its Debian packages
installed, and every wheel that its pip may ask for in a folder.
"""

import pathlib
import shutil

from cinder_lab import chroot as chroot_module
from cinder_lab import (
    cloud_layer,
    commands,
    credentials,
    keys,
    layers,
    overlay,
)
from cinder_lab import console as console_module
from cinder_lab import image as image_module
from cinder_lab import paths as paths_module
from cinder_lab.devstack import clouds, server_image, wheelhouse
from cinder_lab.devstack import sources as sources_module

USER = "stack"

DEST = "/opt/stack"
"""Where DevStack keeps everything, in the guest."""

WHEELS = "/opt/cinder-lab/wheels"
"""Where the guest's pip looks; etc/pip.conf says so."""

IMAGES = "/opt/cinder-lab"
"""Where the image is that is uploaded to Glance; local.conf names it."""

ADDRESS = "10.0.2.15"

_SHARED = (
    "etc/hostname",
    "etc/hosts",
    "etc/mysql/mariadb.conf.d/91-uml.cnf",
    "etc/systemd/network/lab.network",
)
"""Files of the lab's other guest that this one has, too."""

_WRITTEN = ("etc", "var", "root", "run", "tmp", "home", "opt")

_ENABLED = ("systemd-networkd", "ssh")

_DISABLED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap",
    "systemd-networkd-wait-online",
    "systemd-pstore",
)

_SOURCES = (
    "devstack/guest",
    "devstack/server",
    "cinder_lab/devstack/image_layer.py",
    "cinder_lab/devstack/server_image.py",
)

_SERVICES_VENV = f"{DEST}/data/venv"


def key(
    cloud: clouds.Cloud,
    system_key: str,
    wheels_key: str,
    commits: dict[str, str],
    secrets_folder: pathlib.Path,
) -> str:
    """Return the key of the image: all that goes in."""
    return keys.of_text(
        system_key,
        wheels_key,
        repr(sorted(commits.items())),
        cloud.name,
        keys.of_files(cloud.files, ("guest",)),
        keys.of_files(paths_module.LAB, _SOURCES),
        keys.of_files(paths_module.LAB / "guest", _SHARED),
        repr(sorted(credentials.ssh_keys(secrets_folder).items())),
    )


def build(
    cloud: clouds.Cloud,
    system: pathlib.Path,
    wheels: pathlib.Path,
    sources: sources_module.Sources,
    target: pathlib.Path,
    paths: paths_module.Paths,
    console: console_module.Console,
) -> None:
    """Make the image folder.

    :param system: the tree with the Debian packages.
    :raises LabError: if a step of it fails.
    """
    tree = paths.layers / f"{cloud.name}-unfinished-image"
    layers.remove(tree)
    try:
        layers.link(system, tree, _WRITTEN)
        builder = _Builder(cloud, tree, sources, paths, console)
        with console.step("DevStack and what it deploys"):
            builder.repositories()
            builder.system()
            builder.glance_image()
        with console.step("Virtual environments for DevStack"):
            builder.environments(wheels)
        with console.step("Disk image of DevStack's machine"):
            cloud_layer.remove_run_files(tree)
            image_module.build(tree, target, paths.logs / "image.log")
    finally:
        layers.remove(tree)


class _Builder:
    def __init__(
        self,
        cloud: clouds.Cloud,
        tree: pathlib.Path,
        sources: sources_module.Sources,
        paths: paths_module.Paths,
        console: console_module.Console,
    ) -> None:
        self._cloud = cloud
        self._tree = tree
        self._sources = sources
        self._secrets = paths.secrets
        self._console = console
        self._log = paths.logs / "devstack-image.log"
        self._chroot = chroot_module.Chroot(tree, self._log)

    def repositories(self) -> None:
        """The clones, and the user who owns them, made by DevStack."""
        dest = self._tree / DEST.lstrip("/")
        dest.mkdir(parents=True)
        for name in self._sources.commits():
            layers.copy(self._sources.path(name), dest / name)
            commands.run(
                [
                    "git",
                    "config",
                    f"--file={dest / name / '.git/config'}",
                    "remote.origin.url",
                    self._sources.url(name),
                ],
                self._log,
            )
        self._chroot.run("chown", "-R", "root:root", DEST)
        self._chroot.run(
            f"{DEST}/devstack/tools/create-stack-user.sh",
            environment={"HOST_IP": ADDRESS, "TERM": "dumb"},
        )
        (dest / "data").mkdir()
        self._own(DEST)

    def system(self) -> None:
        """Files, keys, units."""
        for name in _SHARED:
            target = self._tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copyfile(paths_module.LAB / "guest" / name, target)
        for files in (clouds.FOLDER, self._cloud.files):
            overlay.install(files / "guest", self._tree, {})
        self._ssh()
        self._chroot.run("systemctl", "enable", *_ENABLED)
        self._chroot.run("systemctl", "disable", *_DISABLED)
        self._chroot.run("systemctl", "mask", *cloud_layer.MASKED)
        self._chroot.run("systemctl", "set-default", "multi-user.target")

    def glance_image(self) -> None:
        """What is uploaded to Glance: as small as an image can be."""
        folder = self._tree / IMAGES.lstrip("/")
        folder.mkdir(parents=True)
        if self._cloud.has_servers:
            server_image.build(self._tree, folder, self._log)
        else:
            (folder / "lab.img").write_bytes(bytes(1024 * 1024))

    def environments(self, wheels: pathlib.Path) -> None:
        """The wheels; what others than the project need, installed.

        The services themselves are not: that is for DevStack to do.
        """
        layers.copy(wheels, self._tree / WHEELS.lstrip("/"))
        self._chroot.run("chown", "-R", "root:root", WHEELS)
        self._environment(
            _SERVICES_VENV,
            "--system-site-packages",
            packages=(
                *wheelhouse.BUILD,
                *wheelhouse.SERVICES,
                *self._cloud.python_packages,
                *(
                    f"--requirement={DEST}/{name}/requirements.txt"
                    for name in self._cloud.deployed
                ),
            ),
        )
        self._environment(
            f"{DEST}/requirements/.venv",
            packages=(
                *wheelhouse.BUILD,
                f"--requirement={DEST}/requirements/requirements.txt",
            ),
        )
        self._environment(f"{DEST}/bindep-venv", packages=(wheelhouse.BINDEP,))
        self._as_user(
            f"{_SERVICES_VENV}/bin/python",
            "-m",
            "compileall",
            "-q",
            "-x",
            "/tests/",
            *(f"{DEST}/{name}/{name}" for name in self._cloud.deployed),
        )

    def _environment(
        self, path: str, *options: str, packages: tuple[str, ...]
    ) -> None:
        self._as_user("python3", "-m", "venv", *options, path)
        self._as_user(
            f"{path}/bin/python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--upgrade",
            "--compile",
            "--no-cache-dir",
            f"--constraint={DEST}/requirements/upper-constraints.txt",
            *packages,
        )

    def _ssh(self) -> None:
        public = credentials.ssh_keys(self._secrets)
        ssh = self._tree / "etc/ssh"
        shutil.copy(self._secrets / "host", ssh / "ssh_host_ed25519_key")
        (ssh / "ssh_host_ed25519_key").chmod(0o600)
        (ssh / "ssh_host_ed25519_key.pub").write_text(public["host"])
        for home in ("root", DEST.lstrip("/")):
            folder = self._tree / home / ".ssh"
            folder.mkdir(mode=0o700, exist_ok=True)
            (folder / "authorized_keys").write_text(f"{public['lab']}\n")
        self._own(f"{DEST}/.ssh")

    def _as_user(self, *argv: str) -> None:
        self._chroot.run(
            "runuser",
            "-u",
            USER,
            "--",
            *argv,
            environment={"HOME": DEST},
            console=self._console,
        )

    def _own(self, path: str) -> None:
        self._chroot.run("chown", "-R", f"{USER}:{USER}", path)
