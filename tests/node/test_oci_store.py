"""Images of files in the store: what is taken, what is refused, what unpacking makes of them."""

import contextlib
import json
import os
import stat
import subprocess
import sys
import tarfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lateen.base.clock import SystemClock
from lateen.node.oci import archives
from lateen.node.oci.errors import ImageError
from lateen.node.oci.store import ImageStore
from lateen.node.oci.unpacker import enter, stack
from lateen.node.shim import syscalls
from lateen.node.shim.walls import copying
from tests import programs
from tests.node import layers
from tests.node.layers import Layer

pytestmark = pytest.mark.netns


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images", SystemClock())


def tree(root: Path) -> dict[str, str]:
    """Return what is below a directory: text of files, targets of links, `/` for directories."""
    found = {}
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            path = Path(directory, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                found[str(path.relative_to(root))] = f"-> {path.readlink()}"
            elif stat.S_ISREG(mode):
                found[str(path.relative_to(root))] = path.read_text()
            else:
                found[str(path.relative_to(root))] = "/" if stat.S_ISDIR(mode) else "special"
    return found


def unpacked(store: ImageStore, tmp_path: Path, parts: list[bytes]) -> dict[str, str]:
    """Load an image of these layers and return its root as a container sees it."""
    folder = tmp_path / "layout"
    layers.layout(folder, parts, name="test/image:1")
    archives.load(store, folder)
    image = store.find("test/image:1")
    assert image is not None
    return merged(store.root_of(image).layers, tmp_path)


def merged(directories: tuple[str, ...], tmp_path: Path) -> dict[str, str]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            enter()
            place = tmp_path / "merged"
            (place / "root").mkdir(parents=True)
            (place / "low").mkdir()
            names = stack(
                str(place / "low"),
                (*directories, *([] if len(directories) > 1 else [str(place / "root")])),
            )
            extra = ",userxattr" if os.getuid() else ""
            syscalls.mount(
                "overlay", str(place / "root"), "overlay", 0, f"lowerdir={':'.join(names)}{extra}"
            )
            os.write(writer, json.dumps(tree(place / "root")).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        text = said.read()
    os.waitpid(child, 0)
    found: dict[str, str] = json.loads(text)
    return found


def test_layers_replace_and_remove(store: ImageStore, tmp_path: Path) -> None:
    below = (
        Layer().folder("data").file("data/a", "one").file("data/b", "two").folder("gone")
        .file("gone/x", "x").file("kept", "k").hard_link("hard", "kept").folder("open")
        .file("open/old", "o").link("alias", "data").done()
    )  # fmt: skip
    above = (
        Layer().file("data/a", "changed").file("data/.wh.b", "").file(".wh.gone", "")
        .folder("open").file("open/.wh..wh..opq", "").file("open/new", "n")
        .file("alias/through", "t").file("hard", "own").done()
    )  # fmt: skip
    assert unpacked(store, tmp_path, [below, above]) == {
        "data": "/",
        "data/a": "changed",
        "data/through": "t",
        "kept": "k",
        "hard": "own",
        "open": "/",
        "open/new": "n",
        "alias": "-> data",
    }


def test_an_opaque_mark_keeps_what_its_own_layer_made(store: ImageStore, tmp_path: Path) -> None:
    below = Layer().folder("d").file("d/old", "o").done()
    above = Layer().file("d/new", "n").file("d/.wh..wh..opq", "").done()
    assert unpacked(store, tmp_path, [below, above]) == {"d": "/", "d/new": "n"}


@pytest.mark.parametrize(
    "layer",
    [
        Layer().link("etc", "/").file("etc/escaped", "x"),
        Layer().link("out", "../../../../../..").file("out/escaped", "x"),
        Layer().file("../escaped", "x").file("/../../escaped", "x"),
        Layer().link("p", "/proc/self/cwd").file("p/escaped", "x"),
    ],
    ids=["absolute-link", "relative-link", "dots", "magic-link"],
)
def test_a_hostile_layer_changes_nothing_outside(
    store: ImageStore, tmp_path: Path, layer: Layer
) -> None:
    before = set(os.listdir("/"))
    with contextlib.suppress(ImageError):
        unpacked(store, tmp_path, [Layer().file("first", "f").done(), layer.done()])
    outside = [
        path
        for path in tmp_path.rglob("escaped")
        if "/roots" not in str(path) and "/merged" not in str(path)
    ]
    assert not outside
    assert set(os.listdir("/")) == before
    assert not Path("escaped").exists()


def test_devices_are_left_out_and_links_to_nothing_refused(
    store: ImageStore, tmp_path: Path
) -> None:
    layer = Layer().entry("dev/sda", tarfile.BLKTYPE, devmajor=8, devminor=0).file("a", "a").done()
    assert unpacked(store, tmp_path, [layer]) == {"dev": "/", "a": "a"}
    layers.layout(tmp_path / "bad", [Layer().hard_link("a", "nothing").done()], name="bad:1")
    archives.load(store, tmp_path / "bad")
    image = store.find("bad:1")
    assert image is not None
    with pytest.raises(ImageError, match="links to nothing, which is missing"):
        store.root_of(image)


@pytest.mark.parametrize("pack", [layers.plain, layers.gzipped, layers.zstandard])
def test_each_compression_is_seen_from_its_bytes(
    store: ImageStore, tmp_path: Path, pack: layers.Pack
) -> None:
    layers.layout(tmp_path / "l", [Layer().file("a", "a" * 5000).done()], name="c:1", pack=pack)
    (record,) = archives.load(store, tmp_path / "l")
    assert record.name == "docker.io/library/c:1"
    image = store.find("c:1")
    assert image is not None
    (root,) = store.root_of(image).layers
    assert Path(root, "a").read_text() == "a" * 5000


def test_a_sparse_file_stays_one(store: ImageStore, tmp_path: Path) -> None:
    size = 64 << 20
    layer = Layer().file("holes", bytes(size) + b"end").done()
    layers.layout(tmp_path / "l", [layer], name="s:1")
    archives.load(store, tmp_path / "l")
    image = store.find("s:1")
    assert image is not None
    found = Path(store.root_of(image).layers[0], "holes").stat()
    assert found.st_size == size + 3
    assert found.st_blocks * 512 < 1 << 20


def test_what_an_archive_leaves_out_of_a_file_is_not_read(
    store: ImageStore, tmp_path: Path
) -> None:
    """A layer of a few kilobytes may say that a file has a petabyte."""
    source = tmp_path / "source"
    source.mkdir()
    with (source / "holes").open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 30)
        file.write(b"middle")
    for form in ("gnu", "pax"):
        words = ["tar", f"--format={form}", "--sparse", "-C", str(source), "-cf", "-", "holes"]
        layer = subprocess.run(words, check=True, capture_output=True).stdout
        assert len(layer) < 1 << 20
        layers.layout(tmp_path / form, [layer], name=f"{form}:1")
        archives.load(store, tmp_path / form)
        image = store.find(f"{form}:1")
        assert image is not None
        place = Path(store.root_of(image).layers[0], "holes")
        assert place.stat().st_size == 1 << 40
        assert place.stat().st_blocks * 512 < 1 << 20
        with place.open("rb") as file:
            file.seek(1 << 30)
            assert file.read(8) == b"middle\0\0"


def test_without_overlays_an_image_is_one_directory(store: ImageStore, tmp_path: Path) -> None:
    """The kernel lays no overlay over what is two overlays already."""
    below = Layer().folder("d").file("d/a", "a").file("d/b", "b").hard_link("d/c", "d/a")
    above = Layer().file("d/.wh.b", "").link("d/link", "/d/a").folder("new").file("new/x", "x")
    layers.layout(tmp_path / "l", [below.done(), above.done()], name="deep:1")

    def act() -> Any:
        enter()
        deep = ImageStore(Path(_deep(tmp_path)) / "images", SystemClock())
        archives.load(deep, tmp_path / "l")
        image = deep.find("deep:1")
        assert image is not None
        (root,) = deep.root_of(image).layers
        copy = tmp_path / "copy"
        copy.mkdir()
        copying.merge([root], str(copy))
        same = os.stat(copy / "d/a").st_ino == os.stat(copy / "d/c").st_ino
        deep.remove(["deep:1"])
        return [tree(Path(root)), tree(copy), same, deep.remove_unused()[1]]

    expected = {"d": "/", "d/a": "a", "d/c": "a", "d/link": "-> /d/a", "new": "/", "new/x": "x"}
    one, other, same, removed = _apart(act)
    assert one == other == expected
    assert same
    assert removed == 1


def test_layers_are_copied_over_each_other_as_the_kernel_lays_them(
    store: ImageStore, tmp_path: Path
) -> None:
    below = Layer().folder("d", mode=0o750).file("d/b", "b").folder("o").file("o/old", "x")
    below.file("t", "file").link("f", "d").file("holes", bytes(1 << 20) + b"end", mode=0o4755)
    above = Layer().file("d/.wh.b", "").file("o/.wh..wh..opq", "").file("o/new", "n")
    above.file(".wh.t", "").folder("t").file("t/in", "i").file(".wh.f", "").file("f", "file")
    parts = [below.done(), above.done()]
    expected = unpacked(store, tmp_path, parts)
    image = store.find("test/image:1")
    assert image is not None
    copy = tmp_path / "copy"
    copy.mkdir()
    copying.merge(store.root_of(image).layers, str(copy))
    assert tree(copy) == expected
    holes = (copy / "holes").stat()
    assert (holes.st_mode & 0o7777, holes.st_blocks * 512 < 1 << 16) == (0o4755, True)
    assert (copy / "d").stat().st_mode & 0o777 == 0o750
    assert copying.measure([str(copy)]).bytes < 1 << 17


def _deep(place: Path) -> str:
    """Mount an overlay over an overlay; return where."""
    at = place / "below"
    at.mkdir()
    syscalls.mount("tmpfs", str(at), "tmpfs")
    lower = at / "lower"
    lower.mkdir()
    for number in range(2):
        names = [at / f"{kind}{number}" for kind in ("upper", "work", "merged")]
        for name in names:
            name.mkdir()
        upper, work, merged = names
        options = f"lowerdir={lower},upperdir={upper},workdir={work},userxattr"
        syscalls.mount("overlay", str(merged), "overlay", 0, options)
        lower = merged
    return str(lower)


def _apart(act: Callable[[], Any]) -> Any:
    """Return what a function says in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(act()).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        text = said.read()
    os.waitpid(child, 0)
    return json.loads(text)


def test_many_layers(store: ImageStore, tmp_path: Path) -> None:
    parts = [Layer().file(f"f{number}", str(number)).done() for number in range(128)]
    assert len(unpacked(store, tmp_path, parts)) == 128


def test_bytes_that_are_not_what_they_say_are_refused(store: ImageStore, tmp_path: Path) -> None:
    folder = tmp_path / "l"
    layers.layout(folder, [Layer().file("a", "a").done()], name="x:1")
    for blob in (folder / "blobs/sha256").iterdir():
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(ImageError, match="have another digest"):
        archives.load(store, folder)
    assert store.find("x:1") is None
    assert store.images() == ()


def test_an_image_without_a_name_wants_one(store: ImageStore, tmp_path: Path) -> None:
    layers.layout(tmp_path / "l", [Layer().file("a", "a").done()])
    with pytest.raises(ImageError, match="--as NAME"):
        archives.load(store, tmp_path / "l")
    (record,) = archives.load(store, tmp_path / "l", name="127.0.0.1:5000/app:2")
    assert record.name == "127.0.0.1:5000/app:2"


def test_what_no_name_leads_to_is_removed(store: ImageStore, tmp_path: Path) -> None:
    shared = Layer().file("base", "b").done()
    for name in ("one", "two"):
        folder = tmp_path / name
        layers.layout(folder, [shared, Layer().file(name, name).done()], name=f"{name}:1")
        archives.load(store, folder)
        image = store.find(f"{name}:1")
        assert image is not None
        store.root_of(image)
    assert store.remove(["two:1", "three:1"]) == ("docker.io/library/two:1",)
    freed, roots = store.remove_unused()
    assert freed > 0
    assert roots == 1
    image = store.find("one:1")
    assert image is not None
    assert len(store.root_of(image).layers) == 2


def test_a_try_that_was_broken_off_is_gone_on_from(store: ImageStore, tmp_path: Path) -> None:
    data = b"0123456789" * 1000
    digest = layers.digest(data)

    def breaking(start: int) -> Iterator[bytes]:
        yield data[start:4000]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        store.blobs.take(digest, len(data), breaking)
    assert not store.blobs.has(digest)
    asked: list[int] = []

    def going_on(start: int) -> Iterator[bytes]:
        asked.append(start)
        yield data[start:]

    store.blobs.take(digest, len(data), going_on)
    assert store.blobs.path(digest).read_bytes() == data
    assert asked == [4000]


def test_a_kill_at_any_moment_leaves_a_store_that_works(tmp_path: Path) -> None:
    parts = [Layer().file(f"f{number}", os.urandom(1 << 20)).done() for number in range(4)]
    folder = tmp_path / "layout"
    layers.layout(folder, parts, name="k:1", pack=layers.plain)
    root = tmp_path / "images"
    script = (
        "import sys; from pathlib import Path; from lateen.base.clock import SystemClock;"
        "from lateen.node.oci import archives; from lateen.node.oci.store import ImageStore;"
        "store = ImageStore(Path(sys.argv[1]), SystemClock()); print('begun', flush=True);"
        "archives.load(store, Path(sys.argv[2])); store.root_of(store.find('k:1'))"
    )
    for delay in (0.0, 0.005, 0.02, 0.05, 0.1, 0.15, 0.2):
        command = [sys.executable, "-c", script, str(root), str(folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        process.kill()
        process.wait()
        process.stdout.close()
        image = ImageStore(root, SystemClock()).find("k:1")
        assert image is None or all(
            ImageStore(root, SystemClock()).blobs.has(layer.digest)
            for layer in image.manifest.layers
        )
    store = ImageStore(root, SystemClock())
    archives.load(store, folder)
    image = store.find("k:1")
    assert image is not None
    assert len(store.root_of(image).layers) == 4
    store.remove_unused()
    assert not list(root.rglob("*.part"))


def test_a_full_disk_is_told_and_leaves_nothing_half(tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    layers.layout(folder, [Layer().file("f", os.urandom(3 << 20)).done()], name="f:1")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            enter()
            small = tmp_path / "small"
            small.mkdir()
            syscalls.mount("tmpfs", str(small), "tmpfs", 0, "size=2m")
            store = ImageStore(small / "images", SystemClock())
            try:
                archives.load(store, folder)
                said = "loaded"
            except OSError as error:
                said = f"{error.strerror}; {len(store.images())} images"
            os.write(writer, said.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        assert told.read() == "No space left on device; 0 images"
    os.waitpid(child, 0)


def test_other_tools_find_the_same_image(store: ImageStore, tmp_path: Path) -> None:
    skopeo, umoci = programs.require("skopeo"), programs.require("umoci")
    below = Layer().folder("d").file("d/a", "a").file("d/b", "b").hard_link("d/c", "d/a")
    above = Layer().file("d/.wh.b", "").link("d/link", "/d/a").folder("new").file("new/x", "x")
    folder = tmp_path / "layout"
    layers.layout(folder, [below.done(), above.done()], tag="one", pack=layers.plain)
    (record,) = archives.load(store, folder, name="same:1")
    raw = subprocess.run([skopeo, "inspect", "--raw", f"oci:{folder}:one"], capture_output=True)
    assert layers.digest(raw.stdout) == record.manifest
    bundle = tmp_path / "bundle"
    words = [umoci, "unpack", "--rootless", "--image", f"{folder}:one", str(bundle)]
    subprocess.run(words, check=True, capture_output=True)
    image = store.find("same:1")
    assert image is not None
    assert merged(store.root_of(image).layers, tmp_path) == tree(bundle / "rootfs")
