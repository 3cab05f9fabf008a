"""Which judge of quality an operator's words name."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rewards.base import Draft
from rewards.quality.judge import PairwiseJudge
from rewards.quality.remote import RemoteClassifier
from server.errors import CannotServe
from server.quality import QualityModel, quality_judge

MODULE = "rewards.quality.classifier"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were opened, by a stand-in for what needs torch."""
    folders: list[Path] = []
    stand_in = SimpleNamespace(open_classifier=lambda folder: folders.append(folder) or "a judge")
    monkeypatch.setitem(sys.modules, MODULE, stand_in)
    return folders


def test_a_folder_is_opened_in_this_process(opened: list[Path], tmp_path: Path) -> None:
    assert quality_judge(QualityModel(model=str(tmp_path))) == "a judge"
    assert opened == [tmp_path]


def test_pocket_names_the_bundled_model(
    opened: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("rewards.pocket.checkpoint", lambda: tmp_path)
    quality_judge(QualityModel(model="pocket"))
    assert opened == [tmp_path]


@pytest.mark.parametrize(
    ("api", "kind"), [("classify", RemoteClassifier), ("judge", PairwiseJudge)]
)
def test_a_url_names_a_judge_elsewhere(api: Any, kind: type) -> None:
    judge = quality_judge(QualityModel(model="http://rm:8000", name="rm", api=api, key="secret"))
    assert isinstance(judge, kind)
    assert judge.name == "quality"


def test_a_url_needs_the_name_of_its_model() -> None:
    with pytest.raises(CannotServe, match="quality_model_name"):
        quality_judge(QualityModel(model="https://rm"))


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match="there is no folder"):
        quality_judge(QualityModel(model=str(tmp_path / "none")))


def test_without_the_model_libraries_a_folder_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)
    with pytest.raises(CannotServe, match="torch and transformers"):
        quality_judge(QualityModel(model=str(tmp_path)))


def test_a_folder_that_holds_no_judge_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from rewards.quality.reading import CannotJudge

    def refuse(folder: Path) -> None:
        raise CannotJudge(f"{folder} has no config.json")

    monkeypatch.setitem(sys.modules, MODULE, SimpleNamespace(open_classifier=refuse))
    with pytest.raises(CannotServe, match="has no config"):
        quality_judge(QualityModel(model=str(tmp_path)))


async def test_a_judge_that_cannot_be_reached_fails_and_raises_nothing(unused_port: int) -> None:
    model = QualityModel(model=f"http://127.0.0.1:{unused_port}", name="rm", timeout_s=1.0)
    judge = quality_judge(model)
    (score,) = await judge.score([Draft(prompt="Write.", answer="Once.")])
    assert score.failed
    assert score.value is None


@pytest.fixture
def unused_port() -> int:
    """A port on which nobody listens."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_the_bundled_model_has_a_place_in_the_package() -> None:
    import rewards.pocket

    assert rewards.pocket.checkpoint().parent == Path(rewards.pocket.__file__).parent
