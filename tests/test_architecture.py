"""The house's structure as facts: who may import whom, how long things are, and what a start costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

LAYERS = (
    ("schema", "records", "study", "registry", "dsp", "loudness", "_resampling", "_large_sample", "stats", "opinion"),
    ("settings", "constants", "_lines", "store", "media", "stored", "weights", "overlap_save", "cdpam_model"),
    ("degradations", "codecs", "embeddings", "metrics", "tasks"),
    ("jobs", "cluster", "engines", "runner", "plots", "report", "loss"),
    ("stages",),
    ("cli",),
)
"""Bottom first. Within layers 0, 1 and 3 a module may import those before it; folders of layer 2, and stages, may not
import each other. `stages` before `cli`, so that a stage can use the runner."""
SEPARATE = (*LAYERS[2], *LAYERS[4])
HEAVY = {
    "torch",
    "librosa",
    "transformers",
    "matplotlib",
    "seaborn",
    "pandas",
    "scipy",
    "numba",
    "pesq",
    "pystoi",
    "av",
    "safetensors",
    "onnxruntime",
    "cdpam",
    "speechmos",
    "distributed",
}

MODULES = sorted((ROOT / "percept").rglob("*.py"))
ASSETS = sorted((ROOT / "percept" / "report" / "page").iterdir())
ASSET_COLUMNS = 120
SCRIPTS = ("audio_conversion.py", "extract_embeddings.py", "analyze_results.py")


def unit(dotted: str) -> str:
    """The part of a dotted name that the layers speak of: percept.stages.score → stages."""
    return dotted.split(".")[1]


def rank(name: str) -> tuple[int, int]:
    """Layer and place in it."""
    for layer, names in enumerate(LAYERS):
        if name in names:
            return layer, names.index(name)
    raise AssertionError(f"percept.{name} has no place in the layers")


def imported(path: Path) -> set[str]:
    """All dotted percept names that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("percept"):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("percept.")}
    return {name for name in names if name != "percept.__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_layer_imports_only_lower_layers(path: Path) -> None:
    """No module imports a layer above its own, nor a sibling that comes after it."""
    dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    if dotted == "percept.__init__":
        return
    own = unit(dotted)
    for name in imported(path):
        other = unit(name)
        if other == own:
            continue
        assert other not in SEPARATE or own not in SEPARATE or rank(other)[0] != rank(own)[0], f"{dotted} → {name}"
        assert rank(other) < rank(own), f"{dotted} imports {name}, which lies above it"


@pytest.mark.parametrize("path", sorted((ROOT / "percept" / "stages").glob("[a-z]*.py")), ids=lambda p: p.stem)
def test_stages_never_import_one_another(path: Path) -> None:
    """A stage imports helpers of its folder (with an underscore) but no other stage."""
    others = {name.split(".")[2] for name in imported(path) if name.startswith("percept.stages.")}
    assert all(other.startswith("_") for other in others), others


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_and_functions_fit_in_one_reading(path: Path) -> None:
    """No module over 300 lines, no function body over 50 without its docstring, no bare or silent except."""
    text = path.read_text()
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = (node.end_lineno or 0) - node.lineno - len((ast.get_docstring(node) or "").splitlines())
            assert body <= 50, f"{node.name} has {body} lines"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None and not (len(node.body) == 1 and isinstance(node.body[0], ast.Pass))


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh process has after running `code`."""
    program = f"{code}\nimport sys; print(*{{m.partition('.')[0] for m in sys.modules}}, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("script", ["audio_conversion", "extract_embeddings", "analyze_results"])
def test_help_loads_nothing_heavy(script: str) -> None:
    """--help answers without importing numpy, torch or any other large library."""
    code = f"from percept import cli\ntry: cli.{script}(['--help'])\nexcept SystemExit as stop: assert not stop.code"
    assert not loaded_by(code) & (HEAVY | {"numpy"})


def test_listing_loads_nothing_heavy() -> None:
    """--list reads every registry without importing torch or any other large library."""
    assert not loaded_by("from percept import cli; cli.audio_conversion(['--list'])") & HEAVY


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_thin(script: str) -> None:
    """A script is one call."""
    assert (ROOT / script).read_text().count("\n") < 25


def test_no_machine_path_in_the_project() -> None:
    """Files under version control name no absolute path of a developer's machine."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and path.suffix in {".py", ".md", ".toml", ".txt", ".cfg", ""}:
            assert "/home/" not in path.read_text(errors="replace").replace('"/home/"', ""), name


@pytest.mark.parametrize("path", ASSETS, ids=lambda p: p.name)
def test_a_file_of_the_page_can_be_read(path: Path) -> None:
    """No line of its scripts, its style sheet and its template is longer than a line of ours."""
    lines = path.read_text(encoding="utf-8").splitlines()
    long = [(number, len(line)) for number, line in enumerate(lines, 1) if len(line) > ASSET_COLUMNS]
    assert lines and not long
