"""The file of an answer: at any moment a beginning of it, at the end exactly it."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from server.pen.manuscript import Manuscript
from server.pen.outcomes import Misused

TEXT = "# 春天\n\nOnce, é\r\n\U0001f331 upon."


def begun(path: Path, *, resumes: bool = False, replaces: bool = False) -> Manuscript:
    return Manuscript(path, resumes=resumes, replaces=replaces)


def write(path: Path, text: str, **how: bool) -> None:
    manuscript = begun(path, **how)
    try:
        for character in text:
            manuscript.write(character)
        manuscript.finish(text)
    finally:
        manuscript.close()


def test_the_file_grows_with_the_answer(tmp_path: Path) -> None:
    manuscript = begun(tmp_path / "draft.md")
    for at, character in enumerate(TEXT):
        manuscript.write(character)
        assert (tmp_path / "draft.md").read_bytes() == TEXT[: at + 1].encode()
    manuscript.finish(TEXT)
    manuscript.close()
    assert (tmp_path / "draft.md").read_bytes() == TEXT.encode()
    assert [path.name for path in tmp_path.iterdir()] == ["draft.md"]


@pytest.mark.parametrize("known_bytes", range(len(TEXT.encode()) + 1))
def test_a_resumed_draft_goes_on_where_the_file_ends(tmp_path: Path, known_bytes: int) -> None:
    path = tmp_path / "draft.md"
    path.write_bytes(TEXT.encode()[:known_bytes])
    write(path, TEXT, resumes=True)
    assert path.read_bytes() == TEXT.encode()


def test_what_a_resumed_draft_finds_is_never_shortened(tmp_path: Path) -> None:
    path = tmp_path / "draft.md"
    path.write_bytes(TEXT.encode()[:20])
    manuscript = begun(path, resumes=True)
    manuscript.write(TEXT[:3])
    manuscript.close()
    assert path.read_bytes() == TEXT.encode()[:20]


def test_a_file_with_another_text_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "draft.md"
    path.write_text("# My own", encoding="utf-8")
    with pytest.raises(Misused, match=r"draft\.md holds something; --force writes over it"):
        begun(path)
    with pytest.raises(Misused, match=r"draft\.md holds another text; --force"):
        write(path, TEXT, resumes=True)
    assert path.read_text(encoding="utf-8") == "# My own"


def test_a_file_that_goes_on_behind_the_draft_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "draft.md"
    before = f"{TEXT} My own end.".encode()
    path.write_bytes(before)
    with pytest.raises(Misused, match=r"goes on behind the draft's end; --force"):
        write(path, TEXT, resumes=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("resumes", [False, True])
def test_force_writes_over_it_and_not_before_there_is_a_text(tmp_path: Path, resumes: bool) -> None:
    path = tmp_path / "draft.md"
    path.write_text("# My own, which is longer than that", encoding="utf-8")
    begun(path, resumes=resumes, replaces=True).close()
    assert path.read_text(encoding="utf-8").startswith("# My own")
    write(path, TEXT, resumes=resumes, replaces=True)
    assert path.read_bytes() == TEXT.encode()


def test_an_empty_file_needs_no_force_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "draft.md"
    path.touch()
    begun(path).close()
    assert path.exists()
    write(path, TEXT)
    assert path.read_bytes() == TEXT.encode()


def test_a_draft_of_which_nothing_came_leaves_no_file(tmp_path: Path) -> None:
    begun(tmp_path / "draft.md").close()
    assert list(tmp_path.iterdir()) == []


def test_what_others_wrote_into_it_meanwhile_gives_way_at_once(tmp_path: Path) -> None:
    path = tmp_path / "draft.md"
    path.touch(mode=0o640)
    manuscript = begun(path)
    manuscript.write(TEXT)
    path.write_text("meanwhile", encoding="utf-8")
    manuscript.finish(TEXT)
    manuscript.close()
    assert path.read_bytes() == TEXT.encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["draft.md"]


def test_a_link_is_followed_and_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real.md").touch()
    (tmp_path / "link.md").symlink_to("real.md")
    manuscript = begun(tmp_path / "link.md")
    manuscript.write("x")
    (tmp_path / "real.md").write_text("meanwhile", encoding="utf-8")
    manuscript.finish(TEXT)
    manuscript.close()
    assert (tmp_path / "link.md").is_symlink()
    assert (tmp_path / "real.md").read_bytes() == TEXT.encode()


def test_half_a_surrogate_pair_becomes_a_question_mark(tmp_path: Path) -> None:
    write(tmp_path / "draft.md", "a\ud83db")
    assert (tmp_path / "draft.md").read_bytes() == b"a?b"


def test_a_pipe_is_written_and_not_looked_back_at(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    write(Path(f"/dev/fd/{writing}"), TEXT)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == TEXT.encode()


@pytest.mark.parametrize("place", ["nowhere/draft.md", ""])
def test_a_place_that_cannot_be_written_is_said_so_before_anything_begins(
    tmp_path: Path, place: str
) -> None:
    with pytest.raises(Misused, match=f"cannot write {tmp_path}"):
        begun(tmp_path / place)


class Full:
    """A disk without room."""

    def write(self, data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fileno(self) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    manuscript = begun(tmp_path / "draft.md")
    manuscript.close()
    (tmp_path / "draft.md").touch()
    manuscript._file = Full()  # type: ignore[assignment]  # as a full disk behaves
    with pytest.raises(Misused, match=r"cannot write .*draft\.md: No space left on device"):
        manuscript.write("x")
    with pytest.raises(Misused, match=r"cannot write .*draft\.md: Input/output error"):
        manuscript.finish("x")


def test_a_file_that_cannot_be_read_cannot_be_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    (tmp_path / "draft.md").write_text("x", encoding="utf-8")
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(Misused, match=r"cannot read .*draft\.md: Permission denied"):
        begun(tmp_path / "draft.md", resumes=True)


class Stingy:
    """A file that takes three bytes at a time, as a file without a buffer may."""

    def __init__(self) -> None:
        self.held = b""

    def write(self, data: memoryview) -> int:
        self.held += data[:3]
        return min(3, len(data))


def test_a_write_that_takes_less_than_it_was_given_is_gone_on_with(tmp_path: Path) -> None:
    manuscript = begun(tmp_path / "draft.md")
    manuscript.close()
    stingy = Stingy()
    manuscript._file = stingy  # type: ignore[assignment]  # a file under another name
    manuscript.write(TEXT)
    assert stingy.held == TEXT.encode()
