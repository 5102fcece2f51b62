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

"""Reading the options of a command that has one group of its own."""

import os

from oslo_config import cfg


class InvalidOptions(Exception):
    """The file is missing, or something in it is not valid; a sentence."""


def load(
    group: cfg.OptGroup,
    opts: list[cfg.Opt],
    config_file: str | None,
    default_file: str,
) -> cfg.ConfigOpts.GroupAttr:
    """Read the options of a group.

    :param config_file: the file to read
    :param default_file: what is read without it, if it exists
    :returns: the group's values
    :raises InvalidOptions: they can't be read
    """
    if config_file is None and os.path.exists(default_file):
        config_file = default_file
    conf = cfg.ConfigOpts()
    conf.register_group(group)
    conf.register_opts(opts, group=group)
    try:
        conf(
            args=[],
            project="cinder-promote",
            default_config_files=[config_file] if config_file else [],
            default_config_dirs=[],
        )
    except (cfg.Error, ValueError) as error:
        text = " ".join(str(error).split()).rstrip(".")
        raise InvalidOptions(f"{config_file}: {text}.") from error
    values = conf[group.name]
    for option in opts:
        try:
            getattr(values, option.dest)
        except (cfg.Error, ValueError) as error:
            raise InvalidOptions(
                f"{config_file}: {option.dest} in [{group.name}] has a value "
                "that is not valid."
            ) from error
    return values
