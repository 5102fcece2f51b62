# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

import pathlib
import shutil
import sys

import setuptools
from setuptools.command import build_py

# cinderclient (9.10 and older) looks for commands in top-level modules named
# *cinderclient_ext. From Python 3.12 on each `cinder` command fails as soon as
# there is one, whatever is in it. So there is one only in what is built for an
# older Python, and the wheel's tag says which Pythons it was built for: py311
# would be installed by later ones too, cp311 is not.
EXTENSIONS_WORK = sys.version_info < (3, 12)
PYTHON_TAG = "cp%d%d" % sys.version_info[:2] if EXTENSIONS_WORK else "py312"


class BuildPy(build_py.build_py):
    """Has the commands of cinder where cinderclient finds them."""

    def run(self):
        super().run()
        commands = pathlib.Path("cinder_promote/client/cinder_shell.py")
        extension = pathlib.Path(
            self.build_lib, "cinder_promote_cinderclient_ext.py"
        )
        # A build for another Python may have left one in this directory.
        extension.unlink(missing_ok=True)
        if EXTENSIONS_WORK:
            shutil.copyfile(commands, extension)


class Distribution(setuptools.Distribution):
    """Takes our command, where pbr forgets the cmdclass given to setup()."""

    def get_command_class(self, command):
        if command == "build_py":
            return BuildPy
        return super().get_command_class(command)


setuptools.setup(
    setup_requires=["pbr>=7.0.0"],
    pbr=True,
    distclass=Distribution,
    options={"bdist_wheel": {"python_tag": PYTHON_TAG}},
)
