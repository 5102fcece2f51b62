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

"""cinder-promote-manage: the state changes of a promotion, offline."""

from collections.abc import Sequence
import sys
import warnings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    :returns: the exit status: 0 done, 1 refused or failed, 3 nothing to
        change; a command line that is not understood leaves by SystemExit
        with 2
    """
    with warnings.catch_warnings():
        # What Cinder's imports warn of is for Cinder's developers.
        warnings.simplefilter("ignore")
        from cinder_promote.manage import app
    return app.Manage().run(list(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    sys.exit(main())
