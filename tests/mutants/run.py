"""Runs mutations: each in a copy of the checkout of its own, as many at a time as there are processors.

The working tree is only read. The tests of a copy find its library and its programs, since they look for them from where
they are themselves (tests/host.py); each run has a process namespace beside the namespaces of tests/host.py, so that nothing
stays behind and no run sees the sessions of another.
"""

from __future__ import annotations

import compileall
import concurrent.futures
import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.host import CHECKOUT
from tests.mutants.mutation import Mutation
from tests.mutants.outcomes import belongs
from tests.parallel import IN_NAMESPACES

KILLED, SURVIVED, UNFIT = "killed", "SURVIVED", "UNFIT"
RUN_S = 300  # what has not ended by then hangs


class Verdict(NamedTuple):
    """What became of a mutation: KILLED by the test `how`; SURVIVED; or UNFIT to be judged, for the reason `how`."""

    mutation: Mutation
    what: str
    how: str = ""


class Outcome(NamedTuple):
    """A word of tests.mutants.outcomes and the test it is about."""

    word: str
    test: str


def copy(place: Path, source: Path = CHECKOUT) -> Path:
    """A copy of a checkout in the new directory `place`, with the library compiled, as the programs expect it."""
    shutil.copytree(source, place, symlinks=True, ignore=shutil.ignore_patterns(".*", "build"))
    (place / "build").symlink_to((source / "build").resolve())  # other people's programs
    compileall.compile_dir(place / "lib", quiet=2)
    return place


def _tested(place: Path, tests: Sequence[str], *options: str) -> tuple[list[Outcome], str]:
    """Run tests in the copy `place`: what became of them, and what pytest said."""
    wanted, outcomes = place.with_name(f"{place.name}-wanted"), place.with_name(f"{place.name}-outcomes")
    wanted.write_text("".join(f"{test}\n" for test in tests))
    outcomes.touch()
    files = [file for file in dict.fromkeys(test.partition("::")[0] for test in tests) if (place / file).is_file()]
    if not files:
        return [], ""
    own = ["-p", "tests.mutants.outcomes", "--wanted", str(wanted), "--outcomes", str(outcomes)]
    command = [*IN_NAMESPACES, sys.executable, "-B", "-m", "pytest", *own, f"--basetemp={place}-tmp", *options, *files]
    with subprocess.Popen(
        command, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            said = process.communicate(timeout=RUN_S)[0]
        except subprocess.TimeoutExpired:
            process.kill()  # and with it all that it has started
            said = f"still running after {RUN_S} s"
    found = [Outcome(*line.split(" ", 1)) for line in outcomes.read_text().splitlines()]
    return found, said


def fitness(outcomes: list[Outcome], tests: Sequence[str]) -> str:
    """Why tests, with those outcomes without a mutation, are not fit to judge one; or nothing."""
    for test in tests:
        words = {word for word, name in outcomes if belongs(name, test)}
        if not words or "missing" in words:
            return f"there is no test {test}"
        if words != {"passed"}:
            return f"{test} does not pass without it ({', '.join(sorted(words))})"
    return ""


def _verdict(mutation: Mutation, base: Path, place: Path) -> Verdict:
    """Run a mutation's tests, which pass in the copy `base`, in a new copy that is mutated."""
    copy(place, base)
    try:
        mutated = place / mutation.path
        mutated.write_text(mutation.mutated(base))
        if mutated.suffix == ".py":
            py_compile.compile(str(mutated))  # by its time alone the old bytecode might be taken for its
        outcomes, said = _tested(place, mutation.tests, "-x")
    finally:
        shutil.rmtree(place)
        shutil.rmtree(f"{place}-tmp", ignore_errors=True)
    failed = [name for word, name in outcomes if word == "failed"]
    if failed:
        return Verdict(mutation, KILLED, failed[0])
    if fitness(outcomes, mutation.tests):
        return Verdict(mutation, UNFIT, f"its tests do not run with it: {(said.strip().splitlines() or ['nothing said'])[-1]}")
    return Verdict(mutation, SURVIVED)


def run(mutations: Sequence[Mutation], place: Path) -> Iterator[Verdict]:
    """A verdict for each mutation, as they come. place: an empty directory for the copies."""
    base = copy(place / "base")
    unfit: dict[Mutation, str] = {}
    for mutation in mutations:
        try:
            mutation.mutated(base)
        except ValueError as error:
            unfit[mutation] = str(error)
    tests = sorted({test for mutation in mutations if mutation not in unfit for test in mutation.tests})
    processors = len(os.sched_getaffinity(0))
    shares = [copy(place / f"share-{i}", base) for i in range(processors)]
    with concurrent.futures.ThreadPoolExecutor(processors) as pool:
        without = [pool.submit(_tested, share, tests[i::processors]) for i, share in enumerate(shares)]
        outcomes = [outcome for done in without for outcome in done.result()[0]]
        for mutation in mutations:
            why = unfit.get(mutation) or fitness(outcomes, mutation.tests)
            if why:
                unfit[mutation] = why
                yield Verdict(mutation, UNFIT, why)
        fit = [mutation for mutation in mutations if mutation not in unfit]
        running = [pool.submit(_verdict, mutation, base, place / f"{i}") for i, mutation in enumerate(fit)]
        for done in concurrent.futures.as_completed(running):
            yield done.result()
