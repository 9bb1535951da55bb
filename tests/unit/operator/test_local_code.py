"""A version's code: what its hash covers, and that its copy is left alone by later saves."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.errors import ConfigError
from headrace_operator.api.spec import Queue, Redis, Worker, WorkerQueueSpec
from headrace_operator.core.version import version_hash
from headrace_operator.runtimes.local import code
from headrace_operator.runtimes.local.code import Code

SPEC = WorkerQueueSpec(redis=Redis(url="redis://r"), queues=(Queue(name="q"),), worker=Worker(app="app"))


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_py", ".py").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    root.mkdir()
    write(root, main_py="1", shop__tasks_py="2", shop__words_txt="3", data__big_txt="4")
    return root


def test_without_code_the_version_is_the_specs(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    found = Code(empty, tmp_path / "copies")
    assert found.version_of(SPEC) == version_hash(SPEC)
    assert found.folders(version_hash(SPEC)) == ()
    assert not found.refresh()


def test_a_copy_is_importable_and_holds_links_to_the_rest(folder: Path, tmp_path: Path) -> None:
    found = Code(folder, tmp_path / "copies")
    version = found.version_of(SPEC)
    assert version != version_hash(SPEC)
    assert len(version) == len(version_hash(SPEC))
    (copy,) = found.folders(version)
    assert (copy / "shop/tasks.py").read_text() == "2"
    assert not (copy / "shop/tasks.py").is_symlink()
    assert (copy / "shop/words.txt").is_symlink()
    assert (copy / "shop/words.txt").read_text() == "3"
    assert (copy / "data").is_symlink(), "a folder without code is one link"
    assert (copy / "data/big.txt").read_text() == "4"


@pytest.mark.parametrize(
    ("change", "is_another"),
    [
        ({"shop__tasks_py": "changed"}, True),
        ({"shop__new_py": ""}, True),
        ({"shop__words_txt": "changed"}, False),
        ({".hidden__a_py": "x"}, False),
        ({"venv__pyvenv.cfg": "", "venv__lib__a_py": "x"}, False),
        ({"node_modules__a_py": "x"}, False),
        ({"shop____pycache__x_py": "x"}, True),
    ],
)
def test_which_saves_make_another_version(
    folder: Path, tmp_path: Path, change: dict[str, str], is_another: bool
) -> None:
    found = Code(folder, tmp_path / "copies")
    before = found.version_of(SPEC)
    write(folder, **change)
    assert found.refresh() == is_another
    assert (found.version_of(SPEC) != before) == is_another


def test_an_old_version_keeps_its_code(folder: Path, tmp_path: Path) -> None:
    found = Code(folder, tmp_path / "copies")
    old = found.version_of(SPEC)
    write(folder, main_py="new")
    (folder / "shop/tasks.py").unlink()
    assert found.refresh()
    new = found.version_of(SPEC)
    assert (found.folders(old)[0] / "main.py").read_text() == "1"
    assert (found.folders(old)[0] / "shop/tasks.py").read_text() == "2"
    assert (found.folders(new)[0] / "main.py").read_text() == "new"
    assert not (found.folders(new)[0] / "shop/tasks.py").exists()
    write(folder, main_py="1", shop__tasks_py="2")
    assert found.refresh()
    assert found.version_of(SPEC) == old, "the same code is the same version"


def test_a_new_dev_forgets_old_copies(folder: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    (copies / "left-over").mkdir(parents=True)
    Code(folder, copies)
    assert len(list(copies.iterdir())) == 1


def test_a_folder_that_is_no_application_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "MOST_FILES", 1)
    with pytest.raises(ConfigError, match="more than 1 Python files below"):
        Code(folder, tmp_path / "copies")
