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

"""The last layer: users, configuration, databases with their contents.

All of it is made natively, in the tree: a database server and Keystone run
here for some seconds, so that under TCG nothing of it has to be done.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import socket

from cinder_lab import chroot as chroot_module
from cinder_lab import console as console_module
from cinder_lab import credentials, identity, keys, layers, overlay, rest
from cinder_lab import paths as paths_module

IMAGE_ID = "11111111-2222-4333-8444-555555555555"
"""The Glance image that Tempest uses."""

SERVICE_USERS = {
    "keystone": "/var/lib/keystone",
    "glance": "/var/lib/glance",
    "cinder": "/var/lib/cinder",
}

FOLDERS = {
    "var/lib/glance/images": "glance",
    "var/lib/glance/staging": "glance",
    "var/lib/glance/tasks": "glance",
    "var/lib/glance/locks": "glance",
    "var/lib/cinder/conversion": "cinder",
    "var/lib/cinder/locks": "cinder",
    "var/lib/cinder/volumes": "cinder",
    "var/lib/tempest/all": "root",
    "var/lib/tempest/locks": "root",
    "etc/keystone/fernet-keys": "keystone",
    "etc/keystone/credential-keys": "keystone",
}

ENABLED = (
    "systemd-networkd",
    "ssh",
    "cinder-promote-disks",
    "mariadb",
    "rabbitmq-server",
    "tgt",
    "iscsid.socket",
    "keystone",
    "glance-api",
    "cinder-api",
    "cinder-scheduler",
    "cinder-volume@lvm-a",
    "cinder-volume@lvm-b",
    "cinder-volume@lvm-c",
)

DISABLED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "blk-availability",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap",
    "iscsid",
    "lvm2-monitor",
    "open-iscsi",
    "systemd-networkd-wait-online",
    "systemd-pstore",
    "uwsgi",
)

MASKED = (
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "getty-static.service",
    "getty@.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
)
"""Units that others would start; under TCG each costs seconds."""

_SOURCES = (
    "guest",
    "cinder_lab/cloud_layer.py",
    "cinder_lab/credentials.py",
    "cinder_lab/identity.py",
    "cinder_lab/image.py",
)

_DISK_COMMAND = "devstack/files/cinder-promote-disk"
"""Makes disks fail, in a DevStack cloud as here."""

_WRITTEN = ("etc", "var", "root", "run", "tmp")
"""What is written to; the rest of the tree is shared with its origin."""

_SOCKET = "run/mysqld/mysqld.sock"


def key(python_key: str, secrets_folder: pathlib.Path) -> str:
    """Return the key of the image: what it stands on, files, secrets."""
    return keys.of_text(
        python_key,
        keys.of_files(paths_module.LAB, _SOURCES),
        keys.of_files(paths_module.PROJECT, [_DISK_COMMAND]),
        repr(sorted(credentials.passwords(secrets_folder).items())),
        repr(sorted(credentials.ssh_keys(secrets_folder).items())),
    )


def build(
    python_tree: pathlib.Path,
    target: pathlib.Path,
    paths: paths_module.Paths,
    console: console_module.Console,
) -> None:
    """Make the tree of the whole cloud out of the tree with its programs.

    :raises LabError: if a step of it fails.
    """
    with console.step("Cloud configuration"):
        layers.link(python_tree, target, _WRITTEN)
        builder = _Builder(target, paths)
        builder.system()
    with console.step("Databases"):
        builder.databases()


class _Builder:
    def __init__(self, tree: pathlib.Path, paths: paths_module.Paths) -> None:
        self._tree = tree
        self._secrets = paths.secrets
        self._passwords = credentials.passwords(paths.secrets)
        self._keys = credentials.ssh_keys(paths.secrets)
        self._chroot = chroot_module.Chroot(tree, paths.logs / "cloud.log")

    def system(self) -> None:
        """Users, folders, files, keys, units."""
        for user, home in SERVICE_USERS.items():
            self._chroot.run(
                "useradd",
                "--system",
                "--user-group",
                "--create-home",
                "--home-dir",
                home,
                "--shell",
                "/usr/sbin/nologin",
                user,
            )
        overlay.install(
            paths_module.LAB / "guest",
            self._tree,
            self._passwords | {"IMAGE_ID": IMAGE_ID},
        )
        self._disk_command()
        self._service_files()
        for folder, owner in FOLDERS.items():
            path = self._tree / folder
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o750)
            self._own(folder, owner)
        self._ssh()
        for path in (self._tree / "etc/sudoers.d").iterdir():
            path.chmod(0o440)
        for name in ("etc/keystone", "etc/glance", "etc/cinder"):
            self._private(name, pathlib.Path(name).name)
        self._private("etc/tempest", "root")
        self._private("root/.config", "root")
        self._chroot.run("systemctl", "enable", *ENABLED)
        self._chroot.run("systemctl", "disable", *DISABLED)
        self._chroot.run("systemctl", "mask", *MASKED)
        self._chroot.run("systemctl", "set-default", "multi-user.target")

    def _disk_command(self) -> None:
        source = paths_module.PROJECT / _DISK_COMMAND
        target = self._tree / "usr/local/sbin" / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755)

    def _service_files(self) -> None:
        """Files of the services that come with their packages."""
        venv = self._tree / chroot_module.VENV.lstrip("/")
        filters = self._tree / "etc/cinder/rootwrap.d"
        filters.mkdir()
        for source, target in (
            ("etc/cinder/api-paste.ini", "cinder"),
            ("etc/cinder/resource_filters.json", "cinder"),
            ("etc/cinder/rootwrap.d/volume.filters", "cinder/rootwrap.d"),
            ("etc/os-brick/rootwrap.d/os-brick.filters", "cinder/rootwrap.d"),
            ("etc/glance/glance-api-paste.ini", "glance"),
        ):
            shutil.copy(venv / source, self._tree / "etc" / target)

    def _ssh(self) -> None:
        ssh = self._tree / "etc/ssh"
        shutil.copy(self._secrets / "host", ssh / "ssh_host_ed25519_key")
        (ssh / "ssh_host_ed25519_key").chmod(0o600)
        (ssh / "ssh_host_ed25519_key.pub").write_text(self._keys["host"])
        folder = self._tree / "root/.ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        venv = chroot_module.VENV
        (folder / "authorized_keys").write_text(
            f"{self._keys['lab']}\n"
            f'restrict,command="{venv}/bin/cinder-promote-host ssh" '
            f"{self._keys['storage-host']}\n"
            'restrict,command="/usr/local/sbin/cinder-promote-disk ssh" '
            f"{self._keys['disk']}\n"
        )
        tempest = self._tree / "etc/tempest"
        for name in ("storage-host", "disk"):
            shutil.copy(self._secrets / name, tempest / name)
            (tempest / name).chmod(0o600)
        shutil.copy(self._secrets / "known_hosts", tempest)

    def databases(self) -> None:
        """Schemas, and what Keystone must hold."""
        run = self._tree / "run/mysqld"
        run.mkdir(exist_ok=True)
        self._chroot.run("chown", "mysql:mysql", "/run/mysqld")
        with self._chroot.daemon(
            "/usr/sbin/mariadbd",
            "--user=mysql",
            "--skip-networking",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
            ready=lambda: chroot_module.listens(self._tree / _SOCKET),
        ):
            for name in ("keystone", "glance", "cinder"):
                password = self._passwords["DATABASE_PASSWORD"]
                self._chroot.run(
                    "mariadb",
                    "-e",
                    f"CREATE DATABASE {name} CHARACTER SET utf8mb3; "
                    f"CREATE USER {name}@localhost "
                    f"IDENTIFIED BY '{password}'; "
                    f"GRANT ALL ON {name}.* TO {name}@localhost;",
                )
            with concurrent.futures.ThreadPoolExecutor() as pool:
                for done in [
                    pool.submit(self._keystone),
                    pool.submit(self._manage, "glance", "db_sync"),
                    pool.submit(self._manage, "cinder", "db", "sync"),
                ]:
                    done.result()
        shutil.rmtree(run)

    def _manage(self, service: str, *words: str) -> None:
        self._chroot.run(
            "runuser",
            "-u",
            service,
            "--",
            f"{chroot_module.VENV}/bin/{service}-manage",
            *words,
            environment={"HOME": SERVICE_USERS[service]},
        )

    def _keystone(self) -> None:
        self._manage("keystone", "db_sync")
        owner = ("--keystone-user=keystone", "--keystone-group=keystone")
        self._manage("keystone", "fernet_setup", *owner)
        self._manage("keystone", "credential_setup", *owner)
        address = "http://127.0.0.1:5000/v3"
        self._manage(
            "keystone",
            "bootstrap",
            f"--bootstrap-password={self._passwords['ADMIN_PASSWORD']}",
            f"--bootstrap-public-url={address}",
            f"--bootstrap-internal-url={address}",
            f"--bootstrap-region-id={identity.REGION}",
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        client = rest.Client({"identity": f"http://127.0.0.1:{port}"})
        with self._chroot.daemon(
            "/usr/bin/uwsgi",
            "--plugins=python3",
            f"--virtualenv={chroot_module.VENV}",
            "--module=keystone.wsgi.api:application",
            f"--http-socket=127.0.0.1:{port}",
            "--uid=keystone",
            "--gid=keystone",
            "--need-app",
            "--die-on-term",
            "--master",
            "--buffer-size=65535",
            environment={"HOME": SERVICE_USERS["keystone"]},
            ready=lambda: _answers(port),
        ):
            client.authenticate(
                "admin", self._passwords["ADMIN_PASSWORD"], "admin"
            )
            identity.set_up(
                client,
                self._passwords["SERVICE_PASSWORD"],
                self._passwords["TEMPEST_PASSWORD"],
            )

    def _own(self, path: str, user: str) -> None:
        self._chroot.run("chown", "-R", f"{user}:{user}", f"/{path}")

    def _private(self, folder: str, user: str) -> None:
        """Let one user alone read a folder that holds passwords."""
        self._own(folder, user)
        (self._tree / folder).chmod(0o750)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    return False


def remove_run_files(tree: pathlib.Path) -> None:
    """Remove what services leave below /run and /tmp."""
    for name in ("run", "tmp"):
        for path in (tree / name).iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                os.unlink(path)
