"""Finds the judge of quality that an operator names: a bundled one, a folder, a server elsewhere.

It must not judge; and it loads no model library before it has to.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rewards.base import Judge
from rewards.quality.endpoint import Caller, Endpoint
from rewards.quality.judge import PairwiseJudge
from rewards.quality.reading import CannotJudge, Reading
from rewards.quality.remote import RemoteClassifier
from server.errors import CannotServe

QualityApi = Literal["classify", "judge"]
POCKET = "pocket"
_URLS = ("http://", "https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityModel:
    """Which model judges. ``model``: "pocket", a folder, or a URL; ``name``: what it is called at
    that URL; ``api``: whether it is asked for a class there, or as a chat model, in pairs."""

    model: str
    name: str | None = None
    api: QualityApi = "classify"
    key: str | None = None
    timeout_s: float = 120.0


def quality_judge(wish: QualityModel) -> Judge:
    """The judge, ready to be asked. Slow for a folder: its weights are loaded.

    Raises:
        CannotServe: there is no such model, or nothing that can judge.
    """
    if wish.model.startswith(_URLS):
        return _elsewhere(wish)
    folder = _bundled() if wish.model == POCKET else Path(wish.model)
    if not folder.is_dir():
        raise CannotServe(f"quality_model: there is no folder {folder}")
    try:
        from rewards.quality.classifier import open_classifier

        return open_classifier(folder)
    except ImportError as error:
        raise CannotServe(f"quality_model: torch and transformers are needed ({error})") from None
    except CannotJudge as error:
        raise CannotServe(f"quality_model: {error}") from None


def _elsewhere(wish: QualityModel) -> Judge:
    if wish.name is None:
        raise CannotServe("quality_model is a URL, so quality_model_name must say which model")
    caller = Caller(Endpoint(url=wish.model, key=wish.key, timeout_s=wish.timeout_s))
    if wish.api == "judge":
        return PairwiseJudge(caller, model=wish.name, name="quality")
    return RemoteClassifier(caller, model=wish.name, reading=Reading())


def _bundled() -> Path:
    from rewards.pocket import checkpoint

    return checkpoint()
