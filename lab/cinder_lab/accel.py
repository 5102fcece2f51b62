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

"""KVM where it works, TCG where it does not, or what is asked for."""

from collections.abc import Callable, Mapping
import json
import os
import pathlib
import platform
import subprocess
import time

from cinder_lab import errors

KVM_DEVICE = pathlib.Path("/dev/kvm")

TRIAL_SECONDS = 20
"""How long a kernel may take, under KVM, to start its first process."""

_TRIAL_INIT = "/lab-trial"

ACCELERATORS = ("kvm", "tcg", "uml")
"""The last is User Mode Linux, which has nothing to do with QEMU."""


def options(accelerator: str) -> list[str]:
    """Return QEMU's options for an accelerator, 'kvm' or 'tcg'."""
    if accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    # A full translation buffer is thrown away whole, and 512 MiB was full
    # every minute or two; 2047 is the most QEMU takes. With la57 a missed
    # address is looked up in five levels of tables instead of four, and with
    # smap each copy from or to a process leaves the translated block.
    return [
        "-accel",
        "tcg,thread=multi,tb-size=2047",
        "-cpu",
        "max,la57=off,smap=off",
    ]


def kernel_arguments(accelerator: str) -> list[str]:
    """Return what the guest's kernel must be told for an accelerator."""
    if accelerator == "kvm":
        return []
    # The kernel distrusts TCG's processor clock, and each look at any other
    # leaves the guest.
    return ["tsc=reliable", "clocksource=tsc"]


def asked_for(environment: Mapping[str, str] | None = None) -> str | None:
    """Return what $LAB_ACCEL names, if anything.

    :raises LabError: if that is none of ACCELERATORS.
    """
    given = os.environ if environment is None else environment
    asked = given.get("LAB_ACCEL")
    if asked and asked not in ACCELERATORS:
        raise errors.LabError(
            f"LAB_ACCEL must be one of {', '.join(ACCELERATORS)}, not {asked}"
        )
    return asked or None


def choose(
    verdict_file: pathlib.Path,
    qemu_version: Callable[[], str],
    trial: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    kvm_device: pathlib.Path = KVM_DEVICE,
) -> str:
    """Return 'kvm' if a trial boot showed that it works here, else 'tcg'.

    The verdict is kept, and asked for again when the kernel or QEMU has
    changed or access to the device was granted. $LAB_ACCEL overrides it.

    :param trial: boots something under KVM and says whether it came up.
    :raises LabError: if $LAB_ACCEL names something else.
    """
    asked = asked_for(environment)
    if asked:
        return asked
    if not os.access(kvm_device, os.R_OK | os.W_OK):
        return "tcg"
    circumstances = f"{platform.release()} {qemu_version()}"
    try:
        kept = json.loads(verdict_file.read_text())
        if kept["circumstances"] == circumstances:
            return "kvm" if kept["works"] else "tcg"
    except (OSError, ValueError, KeyError, TypeError):
        pass
    works = trial()
    verdict_file.write_text(
        json.dumps({"circumstances": circumstances, "works": works})
    )
    return "kvm" if works else "tcg"


def trial_boot(
    kernel: pathlib.Path, initrd: pathlib.Path, log: pathlib.Path
) -> bool:
    """Boot a kernel under KVM up to its first process; say if it got there.

    The process does not exist, so the kernel panics and QEMU ends.
    """
    argv = [
        "qemu-system-x86_64",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-machine",
        "q35",
        *options("kvm"),
        "-m",
        "512",
        "-kernel",
        str(kernel),
        "-initrd",
        str(initrd),
        "-append",
        f"console=ttyS0 panic=-1 rdinit={_TRIAL_INIT}",
        "-serial",
        "stdio",
    ]
    deadline = time.monotonic() + TRIAL_SECONDS
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        except OSError:
            return False
        try:
            while time.monotonic() < deadline and process.poll() is None:
                if _reached_init(log):
                    return True
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
    return _reached_init(log)


def _reached_init(log: pathlib.Path) -> bool:
    return (
        _TRIAL_INIT
        in log.read_text(errors="replace")
        .partition("Kernel command line")[2]
        .partition("\n")[2]
    )
