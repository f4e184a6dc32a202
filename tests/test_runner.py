"""Jobs in processes: results, failures, and jobs that take their process down."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from percept.metrics._isolated import isolated
from percept.runner import Job, Tally, run
from percept.schema import PerceptError, Unscorable
from percept.settings import Run


def square(x: int) -> int:
    return x * x


def refuse(reason: str) -> None:
    raise PerceptError(reason)


def stumble() -> None:
    raise ZeroDivisionError("by zero")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("processes", [1, 2])
def test_each_job_has_an_outcome(processes: int) -> None:
    """Values, foreseen failures and bugs each come back under their job's name, in one process or in two."""
    jobs = [Job("a", square, (3,)), Job("b", refuse, ("too quiet",)), Job("c", stumble)]
    outcomes = {outcome.name: outcome for outcome in run(jobs, Run(jobs=processes, quiet=True), title="test")}
    assert outcomes["a"].value == 9 and not outcomes["a"].reason
    assert outcomes["b"].reason == "too quiet" and not outcomes["b"].unexpected
    assert outcomes["c"].reason == "unexpected ZeroDivisionError: by zero" and "Traceback" in outcomes["c"].unexpected


def test_a_job_that_dies_takes_down_nothing_else() -> None:
    """A killed process is one failed item; all others have their values, and so have those of the next run."""
    jobs = [Job(i, square, (i,)) for i in range(5)]
    assert len(list(run(jobs, Run(jobs=2, quiet=True), title="test"))) == 5
    jobs.insert(2, Job("dead", die))
    outcomes = {outcome.name: outcome for outcome in run(jobs, Run(jobs=2, quiet=True), title="test")}
    assert "its process died" in outcomes.pop("dead").reason
    assert {name: outcome.value for name, outcome in outcomes.items()} == {i: i * i for i in range(5)}
    for processes in (2, 2, 1, 2):
        after = list(run(jobs[:2], Run(jobs=processes, quiet=True), title="test"))
        assert sorted(outcome.value for outcome in after) == [0, 1]


def test_jobs_run_in_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that were started elsewhere, and are used again, take relative paths as the leading process does."""
    list(run([Job(i, os.getcwd) for i in range(2)], Run(jobs=2, quiet=True), title="test"))
    monkeypatch.chdir(tmp_path)
    outcomes = run([Job(i, os.getcwd) for i in range(4)], Run(jobs=2, quiet=True), title="test")
    assert {outcome.value for outcome in outcomes} == {str(tmp_path)}


def test_an_isolated_call_survives_a_crash() -> None:
    """A function that crashes its process is a failure with a reason, and the next call works."""
    with pytest.raises(Unscorable, match="die crashed its process"):
        isolated(die)
    assert isolated(square, 4) == 16


def test_the_tally_decides_the_exit_status() -> None:
    """Exit status 0 while nothing failed, 1 as soon as something did; cached items are told apart."""
    tally = Tally()
    tally.add("ok")
    tally.add("ok", cached=True)
    assert (tally.exit_status, str(tally)) == (0, "1 done, 1 cached, 0 failed")
    tally.add("failed", cached=True)
    tally.add("skipped")
    assert (tally.exit_status, str(tally)) == (1, "1 done, 1 cached, 1 failed, 1 skipped")
