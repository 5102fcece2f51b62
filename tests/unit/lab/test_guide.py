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

from cinder_lab import errors, guide
from tests.unit.lab import base

PAGE = """\
=====
Title
=====

Text with ``$ inline`` things.

.. code-block:: ini

   # no command

.. code-block:: console

   $ openstack one
   # cinder-promote-host stop

Text again; # this is none either.

1. In a list:

   .. code-block:: console

      $ openstack show \\
            --long "a b"
      enabled True
        indented

      $ openstack two

   $ not in a block

::

   $ not in a console block
"""


class CommandsTestCase(base.LabTestCase):
    def commands(self, text):
        return guide.commands(self.write("page.rst", text))

    def test_all_and_in_order(self):
        self.assertEqual(
            [
                guide.Command(
                    "openstack one", guide.OPERATOR, (), "page.rst:13"
                ),
                guide.Command(
                    "cinder-promote-host stop",
                    guide.STORAGE_HOST,
                    (),
                    "page.rst:14",
                ),
                guide.Command(
                    'openstack show --long "a b"',
                    guide.OPERATOR,
                    ("enabled True", "  indented"),
                    "page.rst:22",
                ),
                guide.Command(
                    "openstack two", guide.OPERATOR, (), "page.rst:27"
                ),
            ],
            self.commands(PAGE),
        )

    def test_a_page_without_any(self):
        self.assertEqual([], self.commands("Nothing here.\n"))

    def test_output_without_a_command(self):
        with self.assertRaisesRegex(errors.LabError, r"page\.rst:3.*enabled"):
            self.commands(".. code-block:: console\n\n   enabled\n")

    def test_output_without_a_command_in_a_second_block(self):
        block = ".. code-block:: console\n\n   {}\n\n"
        with self.assertRaisesRegex(errors.LabError, r"page\.rst:7.*enabled"):
            self.commands(block.format("$ true") + block.format("enabled"))

    def test_a_command_that_goes_on_nowhere(self):
        with self.assertRaisesRegex(errors.LabError, r"page\.rst:3"):
            self.commands(".. code-block:: console\n\n   $ openstack \\\n")
