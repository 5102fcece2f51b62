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

import random
import unittest

import ddt
from oslo_config import iniparser

from cinder_promote.host import conf_file, errors
from tests.unit.host import base


class _Oracle(iniparser.BaseParser):
    """What oslo.config itself reads from a text."""

    def __init__(self):
        self.section = None
        self.found = []

    def new_section(self, section):
        self.section = section

    def assignment(self, key, value):
        if not self.section:
            raise iniparser.ParseError("no section", self.lineno, key)
        self.found.append((self.section, key, "\n".join(value)))


def read_as_oslo_does(path):
    oracle = _Oracle()
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        oracle.parse(stream.readlines())
    return oracle.found


class Writer:
    """Make up configuration files, always the same ones for a seed."""

    VALUES = (
        "",
        "x",
        "a = b",
        "a:b,c:d",
        '"quoted"',
        "'q'",
        '"',
        "tail # text",
        "naïve",
        "\udcff\udcfe",
        "two  words",
        "x\x0by",
        "p\u2028q",
        "[not a section]",
    )
    COMMENTS = ("# plain", ";semicolon", "#", "#volume_group = no", "#\tü")
    JUNK = ("no separator", "[open", "[]", "= nothing", ": nothing")

    def __init__(self, seed, junk=False, ends=("\n", "\n", "\r\n", "\r")):
        self.random = random.Random(seed)
        self.junk = junk
        self.ends = ends

    def text(self):
        pick = self.random
        parts = [self.filler() for _ in range(pick.randint(0, 3))]
        for name in ("DEFAULT", "a", "b", "backend_defaults", "c"):
            parts.append(self.end(f"[{name}]"))
            for _ in range(pick.randint(0, 6)):
                parts.append(self.filler())
                parts.append(self.option(pick.choice(("key", "two_words"))))
            if name == "b":
                parts.insert(
                    pick.randint(len(parts) - 3, len(parts)),
                    self.end("[d]") + self.option("volume_group", "vg-d"),
                )
        if self.junk:
            where = pick.randint(0, len(parts))
            parts.insert(where, self.end(pick.choice(self.JUNK)))
        text = "".join(parts)
        return text if pick.random() < 0.7 else text.rstrip("\r\n")

    def end(self, line):
        blank = self.random.choice(("", "", "", " ", "\t"))
        return line + blank + self.random.choice(self.ends)

    def filler(self):
        if self.random.random() < 0.4:
            return ""
        if self.random.random() < 0.3:
            return self.end("")
        return self.end(self.random.choice(self.COMMENTS))

    def option(self, key, value=None):
        pick = self.random
        separator = pick.choice(("=", ":", " = ", "\t=\t", "=  ", " : "))
        text = pick.choice(self.VALUES) if value is None else value
        made = self.end(f"{key}{separator}{text}")
        while value is None and pick.random() < 0.2:
            made += self.end(pick.choice(("  ", "\t")) + pick.choice("xyz#="))
        return made


class ParseTest(base.HostTestCase):
    def test_samples_read_as_oslo_reads_them(self):
        for path in sorted(base.SAMPLES.glob("*.conf")):
            with self.subTest(path.name):
                conf = conf_file.ConfFile(path.read_bytes(), "x")
                self.assertEqual(read_as_oslo_does(path), conf.all_options())

    def test_made_up_files_read_as_oslo_reads_them(self):
        refused = 0
        for seed in range(400):
            self.use(Writer(seed, junk=seed % 4 == 0).text())
            content = self.conf.read_bytes()
            try:
                expected = read_as_oslo_does(self.conf)
            except iniparser.ParseError:
                refused += 1
                with (
                    self.subTest(seed=seed),
                    self.assertRaises(errors.HostError),
                ):
                    conf_file.ConfFile(content, "x")
                continue
            with self.subTest(seed=seed):
                conf = conf_file.ConfFile(content, "x")
                self.assertEqual(expected, conf.all_options())
                self.assertEqual(content, conf.to_bytes())
        self.assertGreater(refused, 20)
        self.assertLess(refused, 300)


@ddt.ddt
class RefusedLineTest(unittest.TestCase):
    @ddt.data(
        ("[DEFAULT]\nnonsense\n", r"^c: line 2 has neither '=' nor ':'\.$"),
        ("[DEFAULT]\n = x\n", r"line 2 is indented"),
        ("[DEFAULT]\n=x\n", r"line 2 has no option's name"),
        ("a = b\n[DEFAULT]\n", r"line 1 is an option outside"),
        ("[DEFAULT]\n\n  # comment\n", r"line 3 is indented"),
        ("\ufeff[DEFAULT]\n", r"line 1 has neither"),
        ("[lvm-a] # first\n", r"line 1 is not a section's name"),
        ("[]\n", r"line 1 is not a section's name"),
    )
    @ddt.unpack
    def test_names_the_line(self, text, pattern):
        with self.assertRaisesRegex(errors.HostError, pattern):
            conf_file.ConfFile(text.encode(), "c")


@ddt.ddt
class EditTest(unittest.TestCase):
    def edit(self, text, values):
        conf = conf_file.ConfFile(text.encode(), "c")
        (option,) = conf.options("s", "volume_group")
        conf.set_options(option, "replication_device", values)
        return conf.to_bytes().decode()

    @ddt.data(
        ("volume_group=old", "volume_group=new"),
        ("volume_group = old  \t", "volume_group = new  \t"),
        ("volume_group\t:\told", "volume_group\t:\tnew"),
        ('volume_group = "old"', 'volume_group = "new"'),
        ("volume_group='old' ", "volume_group='new' "),
        ("volume_group =", "volume_group =new"),
    )
    @ddt.unpack
    def test_set_option_keeps_the_line_s_form(self, old, new):
        for end in ("\n", "\r\n", "\r", ""):
            header = f"[s]{end or chr(10)}"
            content = f"{header}{old}{end}".encode()
            conf = conf_file.ConfFile(content, "c")
            (option,) = conf.options("s", "volume_group")
            conf.set_option(option, "new")
            self.assertEqual(f"{header}{new}{end}".encode(), conf.to_bytes())

    def test_more_values_go_below_the_last(self):
        self.assertEqual(
            "[s]\r\nvolume_group = v\r\nreplication_device: 1\r\n#c\r\n"
            "replication_device =2\r\nreplication_device =3\r\n"
            "replication_device =4\r\nx=y\r\n",
            self.edit(
                "[s]\r\nvolume_group = v\r\nreplication_device: a\r\n#c\r\n"
                "replication_device =b\r\nx=y\r\n",
                ["1", "2", "3", "4"],
            ),
        )

    def test_first_value_goes_below_the_other_option(self):
        self.assertEqual(
            "[s]\nvolume_group\t= v\nreplication_device\t= 1\n\n[t]\n",
            self.edit("[s]\nvolume_group\t= v\n\n[t]\n", ["1"]),
        )

    def test_values_too_many_go(self):
        self.assertEqual(
            "[s]\nreplication_device=1\nvolume_group=v\n# second\n# third\n",
            self.edit(
                "[s]\nreplication_device=a\nvolume_group=v\n# second\n"
                "replication_device=b\n# third\nreplication_device=c\n",
                ["1"],
            ),
        )

    def test_none_wanted(self):
        self.assertEqual(
            "[s]\nvolume_group=v\n",
            self.edit("[s]\nvolume_group=v\nreplication_device=a", []),
        )

    @ddt.data("\n", "\r\n", "\r")
    def test_below_a_last_line_without_an_end(self, end):
        self.assertEqual(
            f"[s]{end}volume_group=v{end}replication_device=1{end}"
            "replication_device=2",
            self.edit(f"[s]{end}volume_group=v", ["1", "2"]),
        )

    def test_other_sections_keep_theirs(self):
        text = "[t]\nreplication_device=t\n[s]\nvolume_group=v\n"
        self.assertEqual(
            text + "replication_device=1\n", self.edit(text, ["1"])
        )

    def test_a_multi_line_value_is_not_edited(self):
        conf = conf_file.ConfFile(b"[s]\nvolume_group=v\n  w\n", "c")
        (option,) = conf.options("s", "volume_group")
        with self.assertRaises(ValueError):
            conf.set_option(option, "new")
