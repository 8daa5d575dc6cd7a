"""A sample of `make fuzz`, always the same: what once found something, the targets' seeds, and some mutations of these."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import cases
from tests.fuzz.engine import Finding, Fuzzer, Mutator, Target, failure
from tests.fuzz.targets import TARGETS
from tests.host import CHECKOUT

_MUTATIONS = 400


@pytest.mark.parametrize("name", TARGETS)
def test_sample(name: str) -> None:
    """What must be true of a decoder is, for each of these inputs."""
    target = TARGETS[name]
    inputs = [*target.seeds, *cases.read(cases.CORPUS / f"{name}.txt")]
    chance = random.Random(name)
    mutator = Mutator(target, chance)
    inputs += [mutator.mutated(chance.choice(inputs), chance.choice(inputs)) for _ in range(_MUTATIONS)]
    for data in inputs:
        finding = failure(target, data)
        assert finding is None, f"{finding.report}\nThe octets: {data!r}"


def test_every_case_has_a_target() -> None:
    """No file of cases is left behind when a target is renamed."""
    assert {path.stem for path in cases.CORPUS.glob("*")} <= set(TARGETS)


def in_range(data: bytes, i: int) -> bool:
    """Whether an octet is one of 32, which are others at each place."""
    return i < len(data) and data[i] // 32 == 1 + 2 * i


def hidden(data: bytes) -> None:
    """A fault that only four right octets after each other lead to, as a format's checks do."""
    from popa3d.shared import commands  # a way is one through the library

    if in_range(data, 0):
        commands.parse(b"QUIT")
        if in_range(data, 1):
            commands.parse(b"PASS x")
            if in_range(data, 2):
                commands.parse_number(b"12")
                if in_range(data, 3):
                    raise ValueError("the fault")


def found(fuzzer: Fuzzer, executions: int) -> Finding | None:
    """The first finding within so many executions."""
    while not fuzzer.findings and fuzzer.executions < executions:
        fuzzer.step()
    return next(iter(fuzzer.findings.values()), None)


def test_ways_lead_to_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs that take new ways are kept, and lead where chance alone does not; a finding is made small, and has its place."""
    target = Target("hidden", hidden, (bytes(4),))
    finding = found(Fuzzer(target, 1), 40_000)
    assert finding is not None and len(finding.data) == 4 and all(in_range(finding.data, i) for i in range(4))
    assert finding.place.startswith("ValueError in hidden, line ") and "the fault" in finding.report
    again = found(Fuzzer(target, 1), 40_000)
    assert again == finding
    monkeypatch.setattr("tests.fuzz.engine.Ways.are_new", lambda _self, run: run())
    assert found(Fuzzer(target, 1), 40_000) is None


@pytest.mark.parametrize("fault", [ZeroDivisionError, RecursionError, MemoryError, AssertionError])
def test_each_exception_is_a_finding(fault: Callable[[], Exception]) -> None:
    """Whatever a target lets through."""

    def check(data: bytes) -> None:
        if data:
            raise fault()

    assert failure(Target("raises", check, ()), b"") is None
    assert failure(Target("raises", check, ()), b"x") is not None


def test_cases(tmp_path: Path) -> None:
    """Cases are read as they were written, whatever octets they have."""
    every = [b"", b"#", b"\n\r\0\xff'\"\\", bytes(range(256))]
    path = tmp_path / "new/cases.txt"
    assert cases.read(path) == []
    cases.write(path, every)
    cases.add(path, b"more", "ValueError in parse, line 7")
    assert cases.read(path) == [*every, b"more"]


def test_the_program() -> None:
    """`make fuzz` runs targets for its time, says which seed, and ends with what it found; an unknown target is an error."""
    program = [sys.executable, "-B", "-m", "tests.fuzz"]
    environment = {"PYTHONPATH": f"{CHECKOUT / 'lib'}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [*program, "--seconds=0", "--seed=5", "lines", "sasl"],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Seed 5; repeat with --seed 5" and [line.partition(":")[0] for line in lines[1:]] == ["lines", "sasl"]
    done = subprocess.run([*program, "none"], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no such target: none" in done.stderr
