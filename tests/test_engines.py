"""Jobs on a real Dask cluster on this machine: the same tables, whatever happens to its workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Script
from test_pipeline import contents

from percept import cluster, engines
from percept.cli import audio_conversion
from percept.jobs import Job
from percept.metrics._isolated import isolated
from percept.runner import run
from percept.settings import Run

distributed = pytest.importorskip("distributed", reason="Dask is not installed: requirements-cluster.txt")

dask_config = pytest.importorskip("dask").config

LOOPBACK: dict[str, Any] = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
NOBODY = "tcp://127.0.0.1:9"
"""The discard port: nothing answers there."""


def there(place: str) -> tuple[str, str]:
    """Where a job runs: its folder, and the number of threads that it told libraries to use."""
    return os.getcwd() + place, os.environ["OMP_NUM_THREADS"]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(mark: Path) -> str:
    """Take the process down on the first call, not on the second."""
    if not mark.exists():
        mark.touch()
        die()
    return "survived"


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A scheduler and two workers with one thread each; they do not start in the folder of the tests."""
    old, path = Path.cwd(), os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    try:
        with (
            dask_config.set({"distributed.scheduler.allowed-failures": 1}),
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, silence_logs=50, **LOOPBACK
            ) as made,
        ):
            os.chdir(old)
            yield made
    finally:
        os.chdir(old)
        os.environ.pop("PYTHONPATH")
        if path is not None:
            os.environ["PYTHONPATH"] = path


@pytest.fixture
def on(dask: Any) -> list[str]:
    """The flags that send work to the cluster."""
    return ["--engine", "dask", "--scheduler", dask.scheduler_address]


def settings(dask: Any) -> Run:
    return Run(engine="dask", scheduler=dask.scheduler_address, quiet=True)


@pytest.mark.slow
def test_the_same_tables_as_on_one_machine(workplace: Path, scripts: dict[str, Script], on: list[str]) -> None:
    """Three scripts in the relative folders of the default run, once here and once there: equal byte for byte."""
    (workplace / "original_audio" / "bad.wav").write_text("not audio")
    for name in scripts:
        scripts[name]()
    here = contents(workplace)
    for folder in ("test_audio", "logmel_embeddings", "results"):
        for path in (workplace / folder).iterdir():
            path.unlink()
    for name in scripts:
        assert scripts[name](*on) == 1
    assert contents(workplace) == here
    assert b'"source": "original_audio/low.wav"' in (workplace / "test_audio" / "manifest.jsonl").read_bytes()


def test_jobs_run_in_the_folder_of_the_leading_process(dask: Any, workplace: Path) -> None:
    """A job finds relative paths where the leading process has them, has one thread, and may start a helper."""
    jobs = [Job("there", there, ("!",)), Job("helper", isolated, (pow, 2, 3)), Job("bug", there)]
    found = {outcome.name: outcome for outcome in run(jobs, settings(dask), title="test")}
    assert found["there"].value == (f"{workplace}!", "1")
    assert found["helper"].value == 8
    assert found["bug"].reason.startswith("unexpected TypeError")


def test_a_killed_worker_loses_nothing(dask: Any, tmp_path: Path) -> None:
    """A worker that is killed in the middle of a job is one worker less for a while; every job has its value."""
    jobs = [Job("victim", die_once, (tmp_path / "mark",)), *(Job(i, pow, (i, 2)) for i in range(30))]
    found = {outcome.name: outcome for outcome in run(jobs, settings(dask), title="test")}
    assert (tmp_path / "mark").exists()
    assert found.pop("victim").value == "survived"
    assert {name: outcome.value for name, outcome in found.items()} == {i: i * i for i in range(30)}


def test_a_job_that_kills_every_worker_is_a_failure_with_a_reason(dask: Any) -> None:
    """It is given up; the jobs that lost their workers to it are done all the same."""
    jobs = [Job("killer", die), *(Job(i, pow, (i, 2)) for i in range(6))]
    found = {outcome.name: outcome for outcome in run(jobs, settings(dask), title="test")}
    assert "every worker that tried it died" in found.pop("killer").reason
    assert {name: outcome.value for name, outcome in found.items()} == {i: i * i for i in range(6)}


def error_of(flags: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that the first script refuses to work with."""
    capsys.readouterr()
    assert audio_conversion(flags) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--engine", "dask"], "--engine dask needs --scheduler ADDRESS"),
        (["--scheduler", NOBODY], f"--scheduler {NOBODY} is of use only with --engine dask"),
        (["--engine", "dask", "--scheduler", "not an address"], "no Dask scheduler answers at 'not an address'"),
    ],
)
def test_flags_that_do_not_go_together(
    workplace: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    """An engine without its address, an address without its engine, and what is no address are told."""
    assert message in error_of(flags, capsys)


def test_a_scheduler_that_does_not_answer(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found out within ten seconds, and the line says what to do."""
    assert cluster.REACH_SECONDS <= 10
    monkeypatch.setattr(cluster, "REACH_SECONDS", 1)
    started = time.perf_counter()
    assert "no Dask scheduler answers at 'tcp://127.0.0.1:9'" in error_of(
        ["--engine", "dask", "--scheduler", NOBODY], capsys
    )
    assert time.perf_counter() - started < 10


def test_dask_that_is_not_installed(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line to install it with is told."""
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    assert "-r requirements-cluster.txt" in error_of(["--engine", "dask", "--scheduler", NOBODY], capsys)


def test_a_cluster_without_workers(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a bounded wait the command that starts a worker is told."""
    monkeypatch.setattr(cluster, "WORKERS_SECONDS", 1)
    with distributed.LocalCluster(n_workers=0, **LOOPBACK) as empty:
        address = empty.scheduler_address
        assert f"'dask worker {address} --nthreads 1'" in error_of(["--engine", "dask", "--scheduler", address], capsys)


def test_a_worker_without_the_package(workplace: Path, dask: Any, capsys: pytest.CaptureFixture[str],
                                      on: list[str]) -> None:  # fmt: skip
    """A worker whose Python has no percept is named, and nothing is begun."""
    block = "import sys; sys.modules['percept'] = None"
    allow = "import sys; del sys.modules['percept']"
    with distributed.Client(dask.scheduler_address, set_as_default=False) as client:
        worker = next(iter(client.scheduler_info()["workers"]))
        client.run(_run_text(), block, workers=[worker])
        try:
            error = error_of(on, capsys)
        finally:
            client.run(_run_text(), allow, workers=[worker])
    assert f"the Dask worker {worker} cannot do the work: its Python has no percept" in error
    assert not list((workplace / "test_audio").glob("*.wav"))


def test_a_worker_with_another_version(workplace: Path, dask: Any, capsys: pytest.CaptureFixture[str], on: list[str],
                                       monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Both versions are told."""
    monkeypatch.setattr(cluster, "__version__", "99.0")
    assert f"it has percept {__import__('percept').__version__}, and this is 99.0" in error_of(on, capsys)


def test_a_worker_that_does_not_see_the_folder(workplace: Path, dask: Any, capsys: pytest.CaptureFixture[str],
                                               on: list[str]) -> None:  # fmt: skip
    """A worker with a file system of its own, where the folder is missing or another, is named with the folder."""
    hide = (
        "from pathlib import Path; Path.real_exists = Path.exists\n"
        "Path.exists = lambda path: 'test_audio' not in str(path) and path.real_exists()"
    )
    with distributed.Client(dask.scheduler_address, set_as_default=False) as client:
        worker = next(iter(client.scheduler_info()["workers"]))
        client.run(_run_text(), hide, workers=[worker])
        try:
            error = error_of(on, capsys)
        finally:
            client.run(_run_text(), "from pathlib import Path; Path.exists = Path.real_exists", workers=[worker])
    assert f"the Dask worker {worker} cannot do the work: on " in error
    assert f"the folder {workplace / 'test_audio'} is not there, or is another one of that name" in error


def _run_text() -> Any:
    """Something that travels to a worker by value and does there what a text says."""
    return lambda text: exec(text, {})


def test_costly_jobs_start_first() -> None:
    """In one process jobs are done from the most costly to the cheapest, equal ones in their order."""
    jobs = [Job(name, pow, (2, 2), cost) for name, cost in (("a", 1), ("b", 3), ("c", 1), ("d", 2))]
    assert [outcome.name for outcome in engines.outcomes(jobs, Run(jobs=1))] == ["b", "d", "a", "c"]
