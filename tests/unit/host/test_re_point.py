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

import difflib
import os
import random
import re
import stat
from unittest import mock

import ddt
from oslo_config import cfg, types

from cinder_promote.host import conf_file, lock, replace
from tests.unit.host import base, test_conf_file

_TOUCHED = re.compile(
    rb"(volume_group|replication_device)\s*[=:][^\r\n]*(\r\n|\n|\r|\Z)"
)


def read_as_cinder_does(path, backend):
    """Return a section's volume group and targets through oslo.config."""
    conf = cfg.ConfigOpts()
    conf.register_opts(
        [
            cfg.StrOpt("volume_group"),
            cfg.MultiOpt("replication_device", item_type=types.Dict()),
        ],
        group=backend,
    )
    conf(args=[], default_config_files=[str(path)], default_config_dirs=[])
    section = conf[backend]
    return section.volume_group, section.replication_device


def without_touched(content, section):
    """Return a file less the two options in one section."""
    kept, inside = [], False
    for line in re.findall(rb"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+", content):
        header = re.match(rb"\[(.*)\]\s*\Z", line)
        if header:
            inside = header[1] == section
        if not (inside and _TOUCHED.match(line)):
            kept.append(line)
    return kept


@ddt.ddt
class RePointTest(base.HostTestCase):
    def promote(self, *more):
        return self.run_json(
            "re-point", "lvm-a", "--to", "lvm-b", "--replicate-to", "lvm-c",
            *more,
        )  # fmt: skip

    @ddt.data("devstack.conf", "debian.conf", "kolla.conf", "osa.conf")
    def test_real_world_files(self, sample):
        before = self.use_sample(sample)
        done = self.promote()
        self.assertTrue(done["changed"])
        after = self.conf.read_bytes()
        to_c = {"backend_id": "lvm-c", "volume_group": "promote-c"}
        self.assertEqual(
            ("promote-b", [to_c]), read_as_cinder_does(self.conf, "lvm-a")
        )
        self.assertEqual(
            without_touched(before, b"lvm-a"),
            without_touched(after, b"lvm-a"),
        )
        self.assertNotEqual(before, after)
        self.assertEqual([to_c], done["after"]["replication_devices"])

    def test_only_two_lines_change(self):
        before = self.use_sample("devstack.conf").decode().splitlines()
        self.promote()
        after = self.conf.read_text().splitlines()
        changed = [
            line for line in difflib.ndiff(before, after) if line[0] in "+-"
        ]
        device = "replication_device = backend_id:{},volume_group:promote-{}"
        self.assertCountEqual(
            [
                "- " + device.format("lvm-b", "b"),
                "+ " + device.format("lvm-c", "c"),
                "- volume_group = promote-a",
                "+ volume_group = promote-b",
            ],
            changed,
        )

    def test_made_up_files_keep_every_other_byte(self):
        # A lone CR before a lone LF would join with it when the line between
        # them goes, so the two are not mixed here.
        forms = (("\n", "\r\n"), ("\r",))
        for seed in range(150):
            pick = random.Random(seed)
            ends = forms[seed % 2]
            end = ends[0]
            writer = test_conf_file.Writer(seed, ends=ends)
            options = [writer.option("volume_group", "promote-a")] + [
                writer.option(
                    "replication_device",
                    f"backend_id:lvm-{x},volume_group:promote-{x}",
                )
                for x in "bxyz"[: pick.randint(1, 4)]
            ]
            pick.shuffle(options)
            section = "".join(f"{writer.filler()}{line}" for line in options)
            section += writer.option("last", "x") if seed % 3 else ""
            more = test_conf_file.Writer(seed + 1000, ends=ends).text()
            text = (
                f"{more}{end}[DEFAULT]{end}enabled_backends = lvm-a{end}"
                f"[lvm-c]{end}volume_group=promote-c{end}[lvm-a]{end}"
                f"{section}"
            )
            text = text if seed % 5 else text.rstrip("\r\n")
            self.use(text)
            before = self.conf.read_bytes()
            given = []
            for target in pick.sample("cde", pick.randint(0, 3)):
                given += [
                    "--replication-device",
                    f"backend_id:{target},volume_group:promote-{target}",
                ]
            with self.subTest(seed=seed):
                self.run_json("re-point", "lvm-a", "--to", "lvm-b", *given)
                kept = without_touched(self.conf.read_bytes(), b"lvm-a")
                expected = without_touched(before, b"lvm-a")
                self.assertEqual(
                    b"".join(expected).rstrip(b"\r\n"),
                    b"".join(kept).rstrip(b"\r\n"),
                )
                self.assertEqual(len(expected), len(kept))
                self.assertEqual(
                    ["promote-b", *given[1::2]],
                    [
                        value
                        for name in ("volume_group", "replication_device")
                        for section, key, value in (
                            test_conf_file.read_as_oslo_does(self.conf)
                        )
                        if (section, key) == ("lvm-a", name)
                    ],
                )

    def test_several_targets_and_their_order(self):
        self.use_sample()
        self.run_json(
            "re-point", "lvm-a", "--to", "lvm-b",
            "--replicate-to", "lvm-c", "--replicate-to", "lvm-a",
            "--replication-device", "backend_id:far,volume_group:vg-far",
        )  # fmt: skip
        self.assertEqual(
            (
                "promote-b",
                [
                    {"backend_id": "lvm-c", "volume_group": "promote-c"},
                    {"backend_id": "lvm-a", "volume_group": "promote-a"},
                    {"backend_id": "far", "volume_group": "vg-far"},
                ],
            ),
            read_as_cinder_does(self.conf, "lvm-a"),
        )

    def test_a_present_target_keeps_its_other_keys(self):
        self.use(
            "[DEFAULT]\nenabled_backends=lvm-a\n[lvm-a]\nvolume_group=a\n"
            "replication_device=backend_id:b,volume_group:b\n"
            "replication_device=backend_id:c,volume_group:c,token:s3cret\n"
        )
        status, output, _ = self.run_host(
            "--json", "re-point", "lvm-a", "--to", "b", "--replicate-to", "c"
        )
        self.assertEqual(0, status)
        self.assertIn(
            b"replication_device=backend_id:c,volume_group:c,token:s3cret\n",
            self.conf.read_bytes(),
        )
        self.assertNotIn("s3cret", output)
        self.assertNotIn("s3cret", self.run_host("show")[1])

    def test_no_target_leaves_no_line(self):
        self.use_sample()
        self.run_json("re-point", "lvm-a", "--to", "lvm-b")
        volume_group, targets = read_as_cinder_does(self.conf, "lvm-a")
        self.assertEqual("promote-b", volume_group)
        self.assertFalse(targets)

    def test_backend_name_in_other_case_is_the_same_section(self):
        self.use_sample()
        self.use(self.conf.read_text().replace("[lvm-a]", "[LVM-A]"))
        self.promote()
        self.assertIn("[LVM-A]", self.conf.read_text())
        self.assertEqual(
            "promote-b", read_as_cinder_does(self.conf, "lvm-a")[0]
        )

    def test_dry_run_changes_nothing_even_while_the_service_runs(self):
        self.use_sample()
        self.set_state("active")
        before = self.snapshot()
        done = self.promote("--dry-run")
        self.assertEqual(before, self.snapshot())
        self.assertFalse(done["changed"])
        self.assertEqual("promote-b", done["after"]["volume_group"])

    @ddt.data("active", "activating", "deactivating", "something else")
    def test_refused_while_the_service_runs(self, state):
        self.use_sample()
        self.set_state(state)
        self.assert_refused(
            f"^cinder-volume.service is {state.split()[-1]}; stop it first",
            "re-point", "lvm-a", "--to", "lvm-b",
        )  # fmt: skip

    def test_again_says_so_and_changes_nothing(self):
        self.use_sample()
        self.promote()
        self.set_state("active")
        before = self.snapshot()
        done = self.promote()
        self.assertFalse(done["changed"])
        self.assertEqual(before, self.snapshot())
        status, output, _ = self.run_host(
            "re-point", "lvm-a", "--to", "lvm-b", "--replicate-to", "lvm-c"
        )
        self.assertEqual(0, status)
        self.assertIn("already is volume group promote-b", output)

    def test_again_without_the_record_is_known_by_the_other_section(self):
        self.use_sample()
        self.promote()
        (self.dir / "cinder.conf.re-point.json").unlink()
        self.assertFalse(self.promote()["changed"])

    def test_again_for_a_target_without_a_section_is_known_by_the_record(self):
        self.use(
            "[DEFAULT]\nenabled_backends=one\n[one]\nvolume_group=a\n"
            "replication_device=backend_id:b,volume_group:b\n"
        )
        for changed in (True, False):
            done = self.run_json(
                "re-point", "one", "--to", "b",
                "--replication-device", "backend_id:c, volume_group:c",
            )  # fmt: skip
            self.assertEqual(changed, done["changed"])

    def test_other_targets_for_a_promoted_backend(self):
        self.use_sample()
        self.promote()
        done = self.run_json(
            "re-point", "lvm-a", "--to", "lvm-b",
            "--replication-device", "backend_id:lvm-a,volume_group:promote-a",
        )  # fmt: skip
        self.assertTrue(done["changed"])
        self.assertEqual(
            (
                "promote-b",
                [{"backend_id": "lvm-a", "volume_group": "promote-a"}],
            ),
            read_as_cinder_does(self.conf, "lvm-a"),
        )

    def test_owner_mode_and_backup(self):
        before = self.use_sample()
        self.conf.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(self.conf, 4321, 1234)
        old = self.conf.stat()
        done = self.promote()
        for path in (self.conf, done["backup"]):
            new = os.stat(path)
            self.assertEqual(
                (0o640, old.st_uid, old.st_gid),
                (stat.S_IMODE(new.st_mode), new.st_uid, new.st_gid),
            )
        with open(done["backup"], "rb") as stream:
            self.assertEqual(before, stream.read())

    def test_a_symbolic_link_stays_and_its_file_is_edited(self):
        self.use_sample()
        real = self.dir / "real"
        real.mkdir()
        self.conf.rename(real / "cinder.conf")
        self.conf.symlink_to("real/cinder.conf")
        done = self.promote()
        self.assertTrue(self.conf.is_symlink())
        self.assertEqual(
            "promote-b",
            read_as_cinder_does(real / "cinder.conf", "lvm-a")[0],
        )
        self.assertTrue(done["backup"].startswith(f"{real}/"))

    def test_a_left_over_temporary_file_is_no_obstacle(self):
        self.use_sample()
        left = self.dir / replace.TEMPORARY
        left.write_text("half")
        self.promote()
        self.assertFalse(left.exists())

    def test_an_edit_that_lost_a_line_is_not_written(self):
        self.use_sample()
        real = conf_file.ConfFile.set_options

        def set_options(conf, after, key, values):
            real(conf, after, key, values)
            conf._lines.remove("volume_backend_name = lvm-c\n")

        with mock.patch.object(
            conf_file.ConfFile, "set_options", set_options
        ):
            self.assert_refused(
                "was not changed: the edited text does not read as it was",
                "re-point", "lvm-a", "--to", "lvm-b",
                "--replicate-to", "lvm-c",
            )  # fmt: skip

    def test_an_edit_by_another_program_is_not_overwritten(self):
        self.use_sample()
        real_write = replace.write

        def write(path, content, like):
            real_write(path, content, like)
            if path.endswith(".json"):
                self.use("[DEFAULT]\nby = hand\n")

        with mock.patch.object(replace, "write", write):
            status, _, complaint = self.run_host(
                "re-point", "lvm-a", "--to", "lvm-b"
            )
        self.assertEqual(1, status)
        self.assertRegex(complaint, "was changed by another program")
        self.assertEqual("[DEFAULT]\nby = hand\n", self.conf.read_text())


BASE = {
    "default": "enabled_backends = lvm-a,lvm-b,lvm-c",
    "a": "volume_group = promote-a\n"
    "replication_device = backend_id:lvm-b,volume_group:promote-b",
    "b": "volume_group = promote-b",
    "c": "volume_group = promote-c",
    "more": "",
}
FORM = (
    "[DEFAULT]\n{default}\n[lvm-a]\n{a}\n[lvm-b]\n{b}\n[lvm-c]\n{c}\n{more}\n"
)
DEVICE = "replication_device = backend_id:{},volume_group:{}"
TO_B = ("--to", "lvm-b")
TO_C = ("--to", "lvm-b", "--replicate-to", "lvm-c")


@ddt.ddt
class RefusedTest(base.HostTestCase):
    def write(self, **changes):
        self.use(FORM.format(**{**BASE, **changes}))

    def refuse(self, pattern, *arguments, backend="lvm-a"):
        self.assert_refused(pattern, "re-point", backend, *arguments)

    def test_the_form_itself_is_good(self):
        self.write()
        self.run_json("re-point", "lvm-a", *TO_C)

    @ddt.data("lvm-x", "DEFAULT", "lvm_a", "")
    def test_unknown_section(self, name):
        self.write()
        self.refuse(rf"there is no backend section \[{name}\]", *TO_B,
                    backend=name)  # fmt: skip

    def test_not_enabled(self):
        self.write(default="enabled_backends = lvm-b,lvm-c")
        self.refuse(r"lvm-a is not in enabled_backends in \[DEFAULT\]", *TO_B)

    def test_none_enabled(self):
        self.write(default="")
        self.refuse(r"\[DEFAULT\] does not set enabled_backends", *TO_B)

    def test_enabled_twice(self):
        self.write(default="enabled_backends=lvm-a\nenabled_backends=lvm-a")
        self.refuse(r"\[DEFAULT\] sets enabled_backends 2 times", *TO_B)

    def test_enabled_interpolated(self):
        self.write(default="enabled_backends = lvm-a,$others")
        self.refuse(r"enabled_backends in \[DEFAULT\] has a '\$'", *TO_B)

    def test_no_such_target(self):
        self.write()
        self.refuse(
            r"\[lvm-a\] has no replication_device with backend_id lvm-c "
            r"\(it has: lvm-b\)",
            "--to", "lvm-c",
        )  # fmt: skip

    def test_no_target_at_all(self):
        self.write(a="volume_group = promote-a")
        self.refuse(r"\[lvm-a\] has no replication_device.*has: none", *TO_B)

    @ddt.data(
        ("backend_id:lvm-b", r"has no volume_group for backend_id lvm-b"),
        ("backend_id:lvm-b,volume_group:", r"has no volume_group"),
        ("volume_group:promote-b", r"has no backend_id"),
        ("lvm-b", r"is not a list of key:value pairs"),
        ("backend_id:x,backend_id:y", r"is not a list of key:value pairs"),
        ("backend_id:lvm-b,volume_group:$vg", r"'\$vg', which is not a vol"),
        ("backend_id:$b,volume_group:vg", r"'\$b', which is not a backend"),
        ("backend_id:lvm-b,volume_group:b,key:$k", r"has a '\$'"),
        ("backend_id:default,volume_group:vg", r"Cinder keeps for failing"),
        ("backend_id:lvm-b,volume_group:-rf", r"not a volume group's name"),
        ("backend_id:lvm-b,volume_group:a/b", r"not a volume group's name"),
        ("backend_id:lvm-b,volume_group:..", r"not a volume group's name"),
        ("backend_id:lvm-b,volume_group:b\n x:y", r"spans several lines"),
    )
    @ddt.unpack
    def test_bad_target(self, value, pattern):
        self.write(
            a=f"volume_group = promote-a\nreplication_device = {value}"
        )
        complaint = self.assert_refused(
            pattern, "re-point", "lvm-a", "--to", "lvm-b"
        )
        self.assertIn("replication_device of [lvm-a]", complaint)

    @ddt.data(
        ("lvm-b", "promote-x", r"names backend_id lvm-b twice"),
        ("x", "promote-b", r"volume group promote-b twice, for lvm-b and f"),
        ("x", "promote-a", r"x replicates volume group promote-a to itself"),
    )
    @ddt.unpack
    def test_targets_that_contradict(self, backend_id, group, pattern):
        self.write(a=f"{BASE['a']}\n{DEVICE.format(backend_id, group)}")
        self.refuse(pattern, *TO_B)

    @ddt.data(
        (("--replicate-to", "lvm-b"), r"lvm-b replicates lvm-b to itself"),
        (
            ("--replication-device", "backend_id:x,volume_group:promote-b"),
            r"\[lvm-a\] with backend_id x replicates volume group promote-b",
        ),
        (
            ("--replication-device", "backend_id:lvm-b,volume_group:other"),
            r"with backend_id lvm-b replicates lvm-b to itself",
        ),
        (
            ("--replicate-to", "lvm-c", "--replicate-to", "lvm-c"),
            r"names backend_id lvm-c twice",
        ),
        (
            (
                "--replicate-to", "lvm-c",
                "--replication-device", "backend_id:x,volume_group:promote-c",
            ),
            r"names volume group promote-c twice, for lvm-c and for x",
        ),
        (("--replicate-to", "lvm-x"), r"no backend section \[lvm-x\]"),
        (("--replicate-to", "a,b"), r"--replicate-to is 'a,b', which is not"),
        (("--replication-device", "x"), r"--replication-device is not a li"),
        (
            ("--replication-device", "backend_id:x"),
            r"--replication-device has no volume_group",
        ),
        (
            ("--replication-device", "backend_id:x,volume_group:y\n[lvm-b]"),
            r"--replication-device spans several lines",
        ),
    )  # fmt: skip
    @ddt.unpack
    def test_bad_new_targets(self, arguments, pattern):
        self.write()
        self.refuse(pattern, *TO_B, *arguments)

    def test_a_promoted_section_s_name_no_longer_tells_a_volume_group(self):
        self.write(
            a="volume_group = promote-b\n"
            + DEVICE.format("lvm-c", "promote-c")
        )
        self.refuse(
            r"\[lvm-a\] and \[lvm-b\] both have volume_group promote-b, so",
            "--to", "lvm-c", "--replicate-to", "lvm-a",
        )  # fmt: skip
        self.run_json(
            "re-point", "lvm-a", "--to", "lvm-c", "--replicate-to", "lvm-b"
        )

    @ddt.data("lvm-a", "LVM-A")
    def test_section_twice(self, name):
        self.write(more=f"[{name}]\nvolume_clear = zero")
        self.refuse(r"section \[lvm-a\] is there 2 times", *TO_B)

    def test_looked_up_section_twice(self):
        self.write(more="[lvm-c]\nvolume_clear = zero")
        self.refuse(r"section \[lvm-c\] is there 2 times", *TO_C)

    def test_volume_group_twice(self):
        self.write(a=f"{BASE['a']}\nvolume_group = promote-a")
        self.refuse(r"\[lvm-a\] sets volume_group 2 times", *TO_B)

    def test_looked_up_volume_group_twice(self):
        self.write(c="volume_group = x\nvolume_group = y")
        self.refuse(r"\[lvm-c\] sets volume_group 2 times", *TO_C)

    @ddt.data("promote-a\n  more", "promote-a\n\t# a comment")
    def test_volume_group_on_several_lines(self, value):
        self.write(a=BASE["a"].replace("promote-a", value))
        self.refuse(r"volume_group of \[lvm-a\].*spans several lines", *TO_B)

    @ddt.data("$vg", "vg-${name}", "$$vg")
    def test_volume_group_interpolated(self, value):
        self.write(a=BASE["a"].replace("promote-a", value))
        self.refuse(r"volume_group of \[lvm-a\].*has a '\$'", *TO_B)

    @ddt.data("", "vg # comment", "two words", "-x", "a/b")
    def test_not_a_volume_group_s_name(self, value):
        self.write(a=BASE["a"].replace("promote-a", value))
        self.refuse(
            rf"volume_group of \[lvm-a\].*is '{value}', which is not", *TO_B
        )

    @ddt.data("backend_defaults", "DEFAULT")
    def test_volume_group_inherited(self, section):
        self.write(
            a=DEVICE.format("lvm-b", "promote-b"),
            more=f"[{section}]\nvolume_group = promote-a",
        )
        self.refuse(
            rf"\[lvm-a\] sets no volume_group of its own, the one in "
            rf"\[{section}\] is not its own; set it in \[lvm-a\]",
            *TO_B,
        )

    def test_no_volume_group(self):
        self.write(a=DEVICE.format("lvm-b", "promote-b"))
        self.refuse(r"\[lvm-a\] sets no volume_group\.", *TO_B)

    def test_looked_up_section_without_volume_group(self):
        self.write(c="rbd_pool = volumes")
        self.refuse(r"\[lvm-c\] sets no volume_group\.", *TO_C)

    def test_targets_inherited(self):
        self.write(
            a="volume_group = promote-a",
            more=f"[backend_defaults]\n{DEVICE.format('lvm-b', 'promote-b')}",
        )
        self.refuse(
            r"\[lvm-a\] sets no replication_device but inherits it from "
            r"\[backend_defaults\]",
            *TO_B,
        )

    def test_targets_would_be_inherited(self):
        self.write(more=f"[backend_defaults]\n{DEVICE.format('x', 'y')}")
        self.refuse(r"\[lvm-a\] would inherit the one in \[backend_def", *TO_B)

    def test_a_line_that_can_not_be_read(self):
        self.write(more="what is this")
        self.refuse(r"cinder.conf: line \d+ has neither '=' nor ':'", *TO_B)

    def test_no_file(self):
        self.refuse(r"cinder.conf can't be read: No such file", *TO_B)

    def test_dangling_link(self):
        self.conf.symlink_to("nowhere")
        self.refuse(r"\(which leads to .*nowhere\) can't be read", *TO_B)

    def test_a_directory(self):
        self.conf.mkdir()
        self.refuse(r"is not a regular file", *TO_B)

    def test_hard_links(self):
        self.write()
        os.link(self.conf, self.dir / "other")
        self.refuse(r"has 2 hard links", *TO_B)

    @ddt.data("lvm-a", "lvm-c")
    def test_section_in_another_file(self, name):
        self.write()
        (self.dir / "cinder.conf.d").mkdir()
        other = self.dir / "cinder.conf.d" / "50-site.conf"
        other.write_text(f"[{name}]\nvolume_clear = zero\n")
        self.refuse(rf"Section \[{name}\] is in .* and in .*50-site", *TO_C)
        other.rename(other.with_suffix(".bak"))
        self.run_json("re-point", "lvm-a", *TO_C)

    def test_enabled_backends_in_another_file(self):
        self.write()
        (self.dir / "cinder.conf.d").mkdir()
        other = self.dir / "cinder.conf.d" / "50-site.conf"
        other.write_text("[DEFAULT]\nenabled_backends = lvm-b\n")
        self.refuse(r"enabled_backends in \[DEFAULT\] is set in .*50", *TO_B)

    def test_another_one_at_work(self):
        self.write()
        with lock.held(str(self.conf)):
            for arguments in (
                ("re-point", "lvm-a", *TO_B), ("undo",), ("stop",), ("start",)
            ):  # fmt: skip
                self.assert_refused(
                    "^Another cinder-promote-host is at work", *arguments
                )
        self.run_json("re-point", "lvm-a", *TO_B)

    def test_record_that_is_none(self):
        self.write()
        (self.dir / "cinder.conf.re-point.json").write_text("{}")
        self.refuse(r"re-point.json is not a record of this program", *TO_B)
        self.assert_refused("is not a record of this program", "undo")

    def test_can_not_write(self):
        self.write()
        with mock.patch.object(
            os, "rename", side_effect=OSError(16, "Device or resource busy")
        ):
            self.refuse("can't be written: Device or resource busy", *TO_B)
