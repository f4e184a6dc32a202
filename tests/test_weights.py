"""Where weight files are looked for, what is refused, and what happens when nothing can be had."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from percept import weights
from percept.records import WeightFile
from percept.schema import PerceptError
from percept.weights import Unavailable, cache_folder, resolve

CONTENT = b"official numbers" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GIT_BLOB = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
CLOSED_ADDRESS = "http://127.0.0.1:9/net.h5.gz"

quietly = partial(resolve, quiet=True, title="Net")


def official(
    url: str = CLOSED_ADDRESS, digest: str = f"sha256:{SHA256}", **alternatives: tuple[str, ...]
) -> WeightFile:
    return WeightFile("net.h5.gz", url, (digest,), {f"net.{key}": value for key, value in alternatives.items()})


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, no folder in the environment, no proxies, no memory of dead hosts."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(weights.FOLDER_VARIABLE, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(weights, "_unreachable", {})


class Server(ThreadingHTTPServer):
    """Serves `body` at every path except /missing; promises `promised` bytes."""

    body = CONTENT
    promised = len(CONTENT)
    requests = 0

    @property
    def url(self) -> str:
        """Address of the file."""
        return f"http://127.0.0.1:{self.server_port}/net.h5.gz"


class Handler(BaseHTTPRequestHandler):
    """Answers GET from the server's attributes."""

    server: Server

    def do_GET(self) -> None:
        """Send the body, or 404."""
        self.server.requests += 1
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.promised))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def put(folder: Path, content: bytes = CONTENT, name: str = "net.h5.gz") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def leftovers() -> list[str]:
    folder = cache_folder()
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_nothing_to_find() -> None:
    """A transform without weights has weights of kind "none", in every mode."""
    for mode in ("auto", "pretrained", "untrained"):
        found, warning = quietly((), mode)
        assert (found.kind, warning) == ("none", "")


def test_untrained_is_named_after_its_seed() -> None:
    """The control needs no file, looks for none, and two seeds have two identities."""
    found, warning = quietly((official(),), "untrained", seed=7)
    assert (found.kind, found.identity, found.seed, warning) == ("untrained", "untrained-7", 7, "")


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder asked for wins over the environment's, and that over the cache."""
    places = [put(tmp_path / "asked"), put(tmp_path / "named"), put(cache_folder())]
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "named"))
    for path in places:
        found, _ = quietly((official(),), "pretrained", weights_dir=tmp_path / "asked")
        assert found.files == {"net.h5.gz": path}
        path.unlink()


def test_identity_is_the_content(tmp_path: Path) -> None:
    """Pretrained weights are known by their bytes, not by their name."""
    put(tmp_path)
    found, warning = quietly((official(),), "auto", weights_dir=tmp_path)
    assert (found.kind, found.identity, warning) == ("pretrained", SHA256[:16], "")


@pytest.mark.parametrize("digest", [f"sha256:{SHA256}", f"sha256:{SHA256[:8].upper()}", f"gitblob:{GIT_BLOB}"])
def test_digests(tmp_path: Path, digest: str) -> None:
    """SHA-256, its first digits, and git's name of the content are all accepted."""
    put(tmp_path)
    assert quietly((official(digest=digest),), "pretrained", weights_dir=tmp_path)[0].kind == "pretrained"


def test_wrong_local_file_is_refused(tmp_path: Path) -> None:
    """A local file with another content is named and left where it is; --trust-weights accepts it."""
    path = put(tmp_path, b"something else")
    with pytest.raises(Unavailable, match=r"not the official file.*left where it is.*--trust-weights") as refusal:
        quietly((official(),), "pretrained", weights_dir=tmp_path)
    assert str(path) in str(refusal.value)
    assert path.read_bytes() == b"something else"
    found, warning = quietly((official(),), "auto", weights_dir=tmp_path)
    assert found.kind == "untrained" and str(path) in warning
    found, _ = quietly((official(),), "pretrained", weights_dir=tmp_path, trust=True)
    assert found.kind == "pretrained" and found.identity == hashlib.sha256(b"something else").hexdigest()[:16]


def test_another_packing(tmp_path: Path) -> None:
    """An unpacked file is found; without a published digest it must be trusted, with one it must match."""
    plain = b"unpacked"
    put(tmp_path, plain, "net.h5")
    with pytest.raises(Unavailable, match=r"no digest of net\.h5 is published"):
        quietly((official(h5=()),), "pretrained", weights_dir=tmp_path)
    found, _ = quietly((official(h5=()),), "pretrained", weights_dir=tmp_path, trust=True)
    assert not found.verified
    assert found.files == {"net.h5.gz": tmp_path / "net.h5"}
    assert found.identity == hashlib.sha256(plain).hexdigest()[:16]
    with pytest.raises(Unavailable, match="not the official file"):
        quietly((official(h5=(f"sha256:{SHA256}",)),), "pretrained", weights_dir=tmp_path)


def test_two_files_are_needed(tmp_path: Path) -> None:
    """One of two files is not enough, and the identity tells both."""
    second = WeightFile("pca.pth", CLOSED_ADDRESS, (f"sha256:{hashlib.sha256(b'pca').hexdigest()}",))
    put(tmp_path)
    assert "pca.pth" in quietly((official(), second), "auto", weights_dir=tmp_path)[1]
    put(tmp_path, b"pca", "pca.pth")
    found, _ = quietly((official(), second), "auto", weights_dir=tmp_path)
    assert found.identity == f"{SHA256[:16]}+{hashlib.sha256(b'pca').hexdigest()[:16]}"


def test_folder_that_is_none(tmp_path: Path) -> None:
    """A misspelt --weights-dir is an error even in mode "auto", and not a reason for the control."""
    with pytest.raises(PerceptError, match="is not a folder"):
        quietly((official(),), "auto", weights_dir=tmp_path / "misspelt")


def test_download(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file is fetched once, with a progress bar, and found in the cache ever after."""
    found, warning = resolve((official(server.url),), "auto", title="Net")
    assert found.files == {"net.h5.gz": cache_folder() / "net.h5.gz"}
    assert warning == "" and leftovers() == ["net.h5.gz"]
    assert "net.h5.gz" in capsys.readouterr().err
    assert quietly((official(server.url),), "auto")[0] == found
    assert server.requests == 1


def test_download_of_something_else(server: Server) -> None:
    """A download with a wrong digest is kept aside, named, and never taken for good; trust accepts it."""
    server.body, server.promised = b"sorry", 5
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"net\.h5\.gz\.wrong-digest"):
            quietly((official(server.url),), "pretrained")
        assert leftovers() == ["net.h5.gz.wrong-digest"]
    assert quietly((official(server.url),), "pretrained", trust=True)[0].kind == "pretrained"


def test_interrupted_download(server: Server) -> None:
    """Half a file leaves nothing behind, and the next start fetches the whole."""
    server.body = CONTENT[:5000]
    with pytest.raises(Unavailable, match=f"stopped after 5000 of {len(CONTENT)} bytes"):
        quietly((official(server.url),), "pretrained")
    assert leftovers() == []
    server.body = CONTENT
    assert quietly((official(server.url),), "pretrained")[0].kind == "pretrained"


def test_killed_download(server: Server) -> None:
    """What a killed process left under its temporary name is not taken for the file."""
    put(cache_folder(), CONTENT[:100], "net.h5.gz.abc.part")
    quietly((official(server.url),), "pretrained")
    assert (cache_folder() / "net.h5.gz").read_bytes() == CONTENT


def test_file_that_the_host_lacks(server: Server) -> None:
    """An answer like 404 is told as it is, and does not make the host unreachable."""
    missing = official(server.url.replace("net.h5.gz", "missing"))
    with pytest.raises(Unavailable, match="answered 404"):
        quietly((missing,), "pretrained")
    assert quietly((official(server.url),), "pretrained")[0].kind == "pretrained"


def test_unreachable_host_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that does not answer in time costs the deadline once; its other files cost nothing."""
    asked = []

    def hang(request: object, timeout: float) -> None:
        asked.append(request)
        time.sleep(2)

    monkeypatch.setattr("urllib.request.urlopen", hang)
    monkeypatch.setattr(weights, "REACH_SECONDS", 0.2)
    begin = time.monotonic()
    for name in ("one", "two"):
        _, warning = quietly((WeightFile(name, "https://far.example/x", ("sha256:00",)),), "auto")
        assert "far.example cannot be reached (no answer within 0.2 s)" in warning and name in warning
    assert time.monotonic() - begin < 1
    assert len(asked) == 1


def test_deadline_is_under_ten_seconds() -> None:
    """design.md: an unreachable address is found out within ten seconds."""
    assert weights.REACH_SECONDS < 10


def test_refused_connection() -> None:
    """In mode "pretrained" the error says which file to fetch from where and where to put it."""
    with pytest.raises(Unavailable) as error:
        quietly((official(),), "pretrained")
    for part in (
        "Net: no pretrained weights",
        "127.0.0.1:9",
        "net.h5.gz",
        CLOSED_ADDRESS,
        str(cache_folder()),
    ):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_auto_falls_back_and_says_so() -> None:
    """In mode "auto" the control is used, and one line says so and why."""
    found, warning = quietly((official(),), "auto", seed=3)
    assert (found.kind, found.identity, found.files) == ("untrained", "untrained-3", {})
    assert "untrained" in warning and "127.0.0.1:9 cannot be reached" in warning and "\n" not in warning


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    """A cache folder that cannot be made is a reason for the control, not a crash."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found, warning = quietly((official(server.url),), "auto")
    assert found.kind == "untrained" and "Not a directory" in warning


# OpenL3's files: real Keras layout, made here.


@pytest.fixture
def keras_file(tmp_path: Path) -> Path:
    """The control's weights in the layout of the official files."""
    return write_keras(tmp_path / "openl3.h5")


def write_keras(path: Path, root: str = "", change: int | None = None) -> Path:
    import h5py
    import numpy as np

    from percept.embeddings._openl3_weights import layout, untrained

    tensors = untrained(5)
    if change is not None:
        tensors[change] = np.zeros((2, *tensors[change].shape), np.float32)
    names = [name for name, _ in layout()]
    layers = list(dict.fromkeys(name.split()[0] for name in names))
    with h5py.File(path, "w") as file:
        top = file.create_group(root) if root else file
        top.attrs["layer_names"] = [layer.encode() for layer in ["melspectrogram", *layers]]
        top.create_group("melspectrogram").attrs["weight_names"] = np.array([], dtype="S1")
        for layer in layers:
            mine = [i for i, name in enumerate(names) if name.split()[0] == layer]
            group = top.create_group(layer)
            group.attrs["weight_names"] = [f"{names[i].replace(' ', '/')}:0".encode() for i in mine]
            for i in mine:
                group.create_dataset(f"{names[i].replace(' ', '/')}:0", data=tensors[i])
    return path


def same_as_control(path: Path) -> bool:
    import numpy as np

    from percept.embeddings._openl3_weights import read_keras, untrained

    return all(np.array_equal(a, b) for a, b in zip(read_keras(path), untrained(5), strict=True))


def test_keras_file(keras_file: Path) -> None:
    """Tensors come back in order, from a plain file, a packed one, and a whole model."""
    assert same_as_control(keras_file)
    packed = keras_file.with_suffix(".h5.gz")
    packed.write_bytes(gzip.compress(keras_file.read_bytes(), 1))
    assert same_as_control(packed)
    assert same_as_control(write_keras(keras_file.with_name("model.h5"), root="model_weights"))


def test_keras_file_of_wrong_shape(tmp_path: Path) -> None:
    """A tensor of another shape is named with the file, the shape found and the shape expected."""
    from percept.embeddings._openl3_weights import read_keras

    path = write_keras(tmp_path / "other.h5", change=4)
    with pytest.raises(PerceptError) as error:
        read_keras(path)
    for part in (str(path), "conv1/kernel:0", "[2, 3, 3, 1, 64]", "[3, 3, 1, 64]"):
        assert part in str(error.value)


@pytest.mark.parametrize("damage", ["text", "cut", "cut.gz", "none"])
def test_keras_file_that_is_none(tmp_path: Path, keras_file: Path, damage: str) -> None:
    """A web page, half a file or half an archive is told as such."""
    from percept.embeddings._openl3_weights import read_keras

    whole = keras_file.read_bytes()
    content = {
        "text": b"<html>not found</html>",
        "cut": whole[: len(whole) // 2],
        "cut.gz": gzip.compress(whole[:100_000])[:-5000],
        "none": b"",
    }
    path = tmp_path / f"damaged.h5{'.gz' if damage.endswith('gz') else ''}"
    path.write_bytes(content[damage])
    with pytest.raises(PerceptError, match=f"{path.name} is not a Keras weight file"):
        read_keras(path)
