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

"""The Rundeck jobs are current, and are what Rundeck documents.

The format is that of Rundeck's reference, job-yaml:
https://docs.rundeck.com/docs/manual/document-format-reference/job-yaml-v12.html
"""

import importlib.util
import pathlib
import re
import string
import unittest
import uuid

import ddt
import jsonschema
import yaml

from cinder_promote.cmd import promote
from cinder_promote.runbook import rundeck, steps

TOP = pathlib.Path(__file__).resolve().parents[3]

_TEXT = {"type": "string", "minLength": 1}
_BOOLEAN = {"type": "boolean"}


def _object(required, /, **optional):
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


# What the reference says, as far as a job may want it; what is deprecated or
# has to do with other kinds of steps is left out, and so refused.
FORMAT = {
    "type": "array",
    "minItems": 1,
    "items": _object(
        {
            "name": {"type": "string", "pattern": "^[^/]+$"},
            "description": {"type": "string"},
            "loglevel": {"enum": "DEBUG VERBOSE INFO WARN ERROR".split()},
            "sequence": _object(
                {
                    "keepgoing": _BOOLEAN,
                    "strategy": {"enum": ["node-first", "step-first"]},
                    "commands": {
                        "type": "array",
                        "minItems": 1,
                        "items": _object({"exec": _TEXT}, description=_TEXT),
                    },
                }
            ),
        },
        uuid=_TEXT,
        group=_TEXT,
        multipleExecutions=_BOOLEAN,
        timeout=_TEXT,
        options={
            "type": "array",
            "items": _object(
                {"name": {"type": "string", "pattern": r"^[\w.-]+$"}},
                description=_TEXT,
                value=_TEXT,
                values={"type": "array", "items": _TEXT},
                required=_BOOLEAN,
                enforced=_BOOLEAN,
                regex={"type": "string", "format": "regex"},
            ),
        },
        nodefilters=_object(
            {"filter": _TEXT},
            dispatch=_object(
                {},
                keepgoing=_BOOLEAN,
                threadcount={"type": "integer", "minimum": 1},
            ),
        ),
    ),
}


def load_tool():
    path = TOP / "tools" / "renew_rundeck_jobs.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def check(jobs):
    jsonschema.validate(
        jobs, FORMAT, format_checker=jsonschema.FormatChecker()
    )


@ddt.ddt
class JobsTest(unittest.TestCase):
    def jobs(self):
        for path in sorted((TOP / "rundeck").iterdir()):
            jobs = yaml.safe_load(path.read_text())
            yield path.stem, jobs

    def test_files_are_current(self):
        found = {
            path.name: path.read_text() for path in (TOP / "rundeck").iterdir()
        }
        self.assertEqual(
            load_tool().files(),
            found,
            "run tools/renew_rundeck_jobs.py to renew them",
        )

    def test_files_are_in_the_published_format(self):
        for name, jobs in self.jobs():
            with self.subTest(name):
                check(jobs)
                (job,) = jobs
                self.assertEqual(name, job["name"])
                uuid.UUID(job["uuid"])

    @ddt.data(
        lambda job: job.pop("loglevel"),
        lambda job: job.update(loglevel="info"),
        lambda job: job.update(node_filters={}),
        lambda job: job["sequence"].pop("strategy"),
        lambda job: job["sequence"]["commands"].append({"run": "x"}),
        lambda job: job["options"].append({"regex": "x"}),
        lambda job: job["options"][0].update(regex="("),
    )
    def test_another_format_is_noticed(self, break_it):
        job = rundeck.jobs()["run"]
        job["options"] = [dict(option) for option in job["options"]]
        check([job])
        break_it(job)
        with self.assertRaises(jsonschema.ValidationError):
            check([job])

    def test_every_job_that_is_asked_for_is_there(self):
        self.assertLessEqual(
            {"plan", "run", "resume", "undo"},
            {name for name, _ in self.jobs()},
        )

    def test_every_step_is_in_the_description(self):
        description = rundeck.jobs()["run"]["description"]
        for number, step in enumerate(steps.STEPS, 1):
            self.assertIn(f"{number}. {step.name}: {step.title}", description)

    def test_every_command_line_is_understood(self):
        values = {
            "host": "node-1.example@lvm-a",
            "to": "lvm-b",
            "replicate_to": "lvm_c",
            "controller": "ctl1",
        }
        for name, job in rundeck.jobs().items():
            with self.subTest(name):
                options = {each["name"]: each for each in job["options"]}
                for key, option in options.items():
                    self.assertRegex(values[key], option["regex"])
                ((_, line),) = job["sequence"]["commands"][0].items()
                asked = set(re.findall(r"\$\{option\.(\w+)\}", line))
                self.assertEqual(set(options) - {"controller"}, asked)
                words = string.Template(
                    line.replace("${option.", "${")
                ).substitute(values)
                program, verb, *arguments = words.split()
                self.assertEqual("cinder-promote", program)
                parser = promote._COMMANDS[verb](
                    promote.Application(), None
                ).get_parser(verb)
                self.assertEqual(
                    values["host"], parser.parse_args(arguments).host
                )

    @ddt.data(
        "", "a b@c", "a@b;reboot", "-a@b", "a@$(b)", "a@b\n", "a", "a@b@c"
    )
    def test_host_that_is_none(self, text):
        self.assertIsNone(re.fullmatch(rundeck.HOST_PATTERN, text))
