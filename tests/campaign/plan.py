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

"""Which faults a campaign injects, and how: drawn from its seed alone."""

import dataclasses
import random

KILLS = ('create', 'delete', 'extend', 'snapshot', 'delete snapshot',
         'fail-over', 'failback', 'promotion', 'protection')
DISKS = ('disk errors', 'disk hangs, then answers', 'disk hangs, then fails',
         'disk comes back stale', 'disk replaced', 'pool full')
KINDS = (*('killed in ' + operation for operation in KILLS), *DISKS,
         'power cut', 'database locked', 'database unreachable',
         'wrong configuration')
#: What happens to volumes before a fault, so that it meets another state.
STEPS = ('create', 'delete', 'attach', 'detach', 'snapshot',
         'delete snapshot', 'extend')
#: What is under way when the power is cut or the database is away.
OPERATIONS = ('nothing', 'create', 'delete', 'extend', 'snapshot',
              'delete snapshot', 'fail-over')


@dataclasses.dataclass(frozen=True)
class Fault:
    """One fault.

    ``targets`` is how many targets the backend has, ``steps`` pairs of one of
    ``STEPS`` and a number that chooses a volume, ``role`` the disk that is
    hit, ``command`` a number that chooses the command before which the service
    is killed, ``moment`` how far something got, from 0 to 1, ``volume`` and
    ``target`` numbers that choose, ``operation`` one of ``OPERATIONS``,
    ``fails_over`` whether the operator fails over meanwhile, ``way`` how the
    host gets back from a fail-over.
    """

    number: int
    kind: str
    targets: int
    steps: tuple
    role: str
    command: int
    moment: float
    volume: int
    target: int
    operation: str
    fails_over: bool
    way: str

    @property
    def harms_disks(self):
        """Whether a disk may not work after it."""
        return self.kind in DISKS or self.kind.startswith('database')

    def __str__(self):
        return '%s, %d target%s' % (self.kind, self.targets,
                                    's' * (self.targets > 1))


def faults(seed, count):
    """The faults of a campaign, each kind in each round of them.

    :param seed: text
    :returns: list of ``Fault``, numbered from 1 on; a longer one begins with
        a shorter one
    """
    found = []
    kinds = []
    for number in range(1, count + 1):
        if not kinds:
            kinds = list(KINDS)
            random.Random('%s order %d' % (seed, number)).shuffle(kinds)
        draw = random.Random('%s fault %d' % (seed, number))
        found.append(Fault(
            number, kinds.pop(),
            # Rounds of one target and of two take turns: a change of the
            # targets has every volume copied.
            1 + (number - 1) // len(KINDS) % 2,
            tuple((draw.choice(STEPS), draw.randrange(1 << 16))
                  for __ in range(draw.randrange(3))),
            draw.choice(('primary', 'target')), draw.randrange(1 << 16),
            draw.random(), draw.randrange(1 << 16), draw.randrange(1 << 16),
            draw.choice(OPERATIONS), draw.random() < 0.5,
            draw.choice(('failback', 'promotion'))))
    return found
