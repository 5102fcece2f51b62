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

# VENV is where the tests run; PYTHON chooses its interpreter.
VENV ?= .venv
IN_VENV = VIRTUAL_ENV=$(abspath $(VENV)) PYTHON=$(abspath $(VENV))/bin/python \
	PATH=$(abspath $(VENV))/bin:$$PATH

.PHONY: help e2e functional campaign ring bench test lint unit docs zuul venv constraints clean

help:
	@echo 'make e2e          the main job: the lab, the validation in it, its result'
	@echo 'make functional   the driver on a real kernel, LVM and device-mapper'
	@echo 'make campaign     faults injected into the driver at work, one after the other'
	@echo 'make ring         promotions around the ring of backends while somebody writes'
	@echo 'make bench        what replication costs, against thin LVs, dm-raid and DRBD'
	@echo 'make test         every test that needs no kernel, and the checks'
	@echo 'make lint         the checks alone'
	@echo 'make unit         the unit tests alone'
	@echo 'make docs         the documentation, without warnings'
	@echo 'make zuul         the check of the Zuul configuration, by Zuul itself'
	@echo 'make constraints  renew test-constraints.txt'
	@echo 'make clean        remove what make test made (for the lab: lab/lab down)'

e2e:
	lab/lab e2e

functional: venv
	$(IN_VENV) tools/functional

campaign: venv
	$(IN_VENV) tools/campaign $(if $(FAULTS),--faults $(FAULTS)) \
		$(if $(KERNELS),--kernels $(KERNELS))

ring: venv
	$(IN_VENV) tools/ring

bench: venv
	$(IN_VENV) tools/bench

# Each of these waits now and then, or runs on one core only. The unit tests
# show what they do; the others show what they said when they have ended.
test: venv
	$(MAKE) --jobs=4 --output-sync=target --keep-going lint zuul docs unit

lint: venv
	$(IN_VENV) tools/lint

unit: venv
	+$(IN_VENV) stestr run

docs: venv
	$(IN_VENV) tools/docs

zuul: venv
	@$(IN_VENV) tools/zuul-venv $(VENV)/zuul loader
	PYTHONPATH=tools $(VENV)/zuul/bin/python -m unittest discover \
		--start-directory tests/zuul --top-level-directory .

venv:
	@tools/make-venv $(VENV)

constraints:
	tools/renew_constraints.py

clean:
	rm -rf $(VENV) .stestr .mypy_cache .ruff_cache .coverage cover
