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

"""Build what DevStack's machine starts from: only what has changed."""

import os
import pathlib

from cinder_lab import building, errors, layers
from cinder_lab import console as console_module
from cinder_lab import image as image_module
from cinder_lab import paths as paths_module
from cinder_lab.devstack import clouds, image_layer, system_layer
from cinder_lab.devstack import sources as sources_module
from cinder_lab.devstack import wheelhouse as wheelhouse_module

SYSTEM = "system"
IMAGE = "image"
"""The two parts that root builds; the wheels are fetched in between."""


class Builder:
    """Builds the layers and the image of DevStack's machine.

    :param sources: what is deployed, cloned.
    """

    def __init__(
        self,
        paths: paths_module.Paths,
        cloud: clouds.Cloud,
        sources: sources_module.Sources,
        console: console_module.Console,
    ) -> None:
        building.make_credentials(paths)
        self._paths = paths
        self._cloud = cloud
        self._sources = sources
        self._console = console
        self._packages = system_layer.package_names(
            sources.path("devstack"), paths_module.PROJECT, cloud
        )
        self._system_key = system_layer.key(self._packages, cloud)
        self._wheels = wheelhouse_module.Wheelhouse(paths, sources, cloud)
        self.image_key = image_layer.key(
            cloud,
            self._system_key,
            self._wheels.key,
            sources.commits(),
            paths.secrets,
        )

    @property
    def image(self) -> image_module.Image:
        """The image that the sources ask for, built or not."""
        return image_module.Image(
            layers.path_of(
                self._paths.images, self._cloud.name, self.image_key
            )
        )

    def build(self) -> None:
        """Build what is missing or stale.

        :raises LabError: if something can't be built.
        """
        if self.image.folder.exists():
            self._console.say("Image of DevStack's machine: unchanged")
            return
        self._as_root(SYSTEM)
        self._wheels.fetch(self._system, self._console)
        self._as_root(IMAGE)

    def build_as_root(self, part: str) -> None:
        """Build a part that root must build.

        :param part: SYSTEM or IMAGE.
        :raises LabError: if it can't be built.
        """
        if os.geteuid() != 0:
            raise errors.LabError("this must be run as root")
        try:
            if part == SYSTEM:
                layers.ensure(
                    self._paths.layers,
                    self._system_name,
                    self._system_key,
                    lambda target: system_layer.build(
                        target,
                        self._packages,
                        self._cloud,
                        self._paths,
                        self._console,
                    ),
                )
                return
            layers.ensure(
                self._paths.images,
                self._cloud.name,
                self.image_key,
                lambda target: image_layer.build(
                    self._cloud,
                    self._system,
                    self._wheels.folder,
                    self._sources,
                    target,
                    self._paths,
                    self._console,
                ),
            )
        finally:
            for folder in (
                self._paths.images,
                self._paths.logs,
                self._paths.debs,
            ):
                image_module.hand_over(folder)

    @property
    def _system_name(self) -> str:
        return f"{self._cloud.name}-system"

    @property
    def _system(self) -> pathlib.Path:
        return layers.path_of(
            self._paths.layers, self._system_name, self._system_key
        )

    def _as_root(self, part: str) -> None:
        if os.geteuid() == 0:
            self.build_as_root(part)
            return
        self._console.say("The next step runs as root, by sudo")
        building.run_as_root(
            "devstack",
            f"--branch={self._sources.branch}",
            *self._cloud.options,
            "build-as-root",
            part,
        )
