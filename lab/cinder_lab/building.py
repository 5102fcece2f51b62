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

"""Build what the machine starts from: only what has changed."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

from cinder_lab import (
    base_layer,
    cloud_layer,
    credentials,
    errors,
    layers,
    python_layer,
    wheels,
)
from cinder_lab import console as console_module
from cinder_lab import image as image_module
from cinder_lab import paths as paths_module

_PASSED_ON = (
    "LAB_DIR",
    "LAB_DEBIAN_MIRROR",
    "LAB_DEBIAN_SECURITY_MIRROR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
"""Variables that the part that runs as root gets from its caller."""


class Builder:
    """Builds the layers and the image of a lab.

    :ivar python_key: the key of the tree with the guest's programs.
    :ivar image_key: the key of the image, by the sources as they were
        when this object was made.
    """

    def __init__(
        self, paths: paths_module.Paths, console: console_module.Console
    ) -> None:
        self._paths = paths
        self._console = console
        self._base_key = base_layer.key()
        self.python_key = python_layer.key(self._base_key)
        self.image_key = self._image_key_now()

    @property
    def python_tree(self) -> pathlib.Path:
        """The tree with the guest's Python and its virtual environment."""
        return layers.path_of(self._paths.layers, "python", self.python_key)

    @property
    def image(self) -> image_module.Image:
        """The image that the sources ask for, built or not."""
        return image_module.Image(
            layers.path_of(self._paths.images, "image", self.image_key)
        )

    def is_cold(self) -> bool:
        """Say whether not even the Debian tree has been built."""
        return not any(self._paths.layers.glob("base-*"))

    def is_current(self) -> bool:
        """Say whether nothing is left to build."""
        return self.image.folder.exists() and self.python_tree.exists()

    def build(self) -> None:
        """Build what is missing or stale.

        :raises LabError: if something can't be built.
        """
        if self.is_current():
            self._console.say("Image: unchanged")
            return
        if os.geteuid() == 0:
            self.build_as_root()
            return
        if not self.python_tree.exists():
            wheels.fetch(self._paths, self._console)
        self._console.say("The next steps run as root, by sudo")
        run_as_root("build-as-root")

    def build_as_root(self) -> None:
        """Build what root must build.

        :raises LabError: if something can't be built.
        """
        if os.geteuid() != 0:
            raise errors.LabError("this must be run as root")
        try:
            if not self.python_tree.exists():
                self._programs()
            layers.ensure(
                self._paths.images, "image", self.image_key, self._image
            )
        finally:
            for folder in (
                self._paths.images,
                self._paths.logs,
                self._paths.debs,
            ):
                image_module.hand_over(folder)

    def _programs(self) -> None:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            packages = pool.submit(wheels.fetch, self._paths, self._console)
            base = layers.ensure(
                self._paths.layers,
                "base",
                self._base_key,
                lambda target: base_layer.build(
                    target, self._paths, self._console
                ),
            )
            wheelhouse = packages.result()
        layers.ensure(
            self._paths.layers,
            "python",
            self.python_key,
            lambda target: python_layer.build(
                base, wheelhouse, target, self._paths, self._console
            ),
        )

    def _image(self, target: pathlib.Path) -> None:
        tree = self._paths.layers / "cloud-unfinished"
        layers.remove(tree)
        try:
            cloud_layer.build(
                self.python_tree, tree, self._paths, self._console
            )
            with self._console.step("Disk image"):
                image_module.build(
                    tree, target, self._paths.logs / "image.log"
                )
        finally:
            layers.remove(tree)
        if self._image_key_now() != self.image_key:
            raise errors.LabError(
                "the lab's files were changed while the image was built "
                "from them; run this again"
            )

    def _image_key_now(self) -> str:
        return cloud_layer.key(self.python_key, self._paths.secrets)


def run_as_root(*words: str) -> None:
    """Run another command of the lab as root, by sudo.

    :raises LabError: if it fails.
    """
    kept = [
        f"{name}={os.environ[name]}"
        for name in _PASSED_ON
        if name in os.environ
    ]
    done = subprocess.run(
        [
            "sudo",
            "env",
            *kept,
            "PYTHONDONTWRITEBYTECODE=1",
            sys.executable,
            str(paths_module.LAB / "lab"),
            *words,
        ]
    )
    if done.returncode != 0:
        raise errors.LabError("the build as root failed, see above")


def make_credentials(paths: paths_module.Paths) -> dict[str, str]:
    """Make the lab's passwords and keys if there are none.

    :returns: the passwords.
    :raises LabError: if they can't be made.
    """
    credentials.ssh_keys(paths.secrets)
    return credentials.passwords(paths.secrets)
