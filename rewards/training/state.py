"""What a training leaves behind: its state to resume from, and the finished checkpoint."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from rewards.quality.network import Network
from rewards.quality.reading import KEY
from rewards.training.trainer import Trainer

FOLDER = "resume"
_FILE = "state.pt"


class OtherTraining(ValueError):
    """A state of another training lies where one was to be resumed."""


def save_state(trainer: Trainer, out: Path, about: dict[str, Any]) -> None:
    """Writes weights, optimizer and step to ``out``; whole or not at all. ``about`` says which
    training it is."""
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    held = {
        "about": about,
        "step": trainer.step,
        "tokens": trainer.tokens,
        "model": trainer.network.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
    }
    torch.save(held, folder / f"{_FILE}.new")
    os.replace(folder / f"{_FILE}.new", folder / _FILE)


def resume(trainer: Trainer, out: Path, about: dict[str, Any]) -> bool:
    """Takes up the state in ``out``, if there is one; whether there was.

    Raises:
        OtherTraining: it is of other pairs, another base or other settings; names one.
    """
    path = out / FOLDER / _FILE
    if not path.is_file():
        return False
    held = torch.load(path, map_location=trainer.network.model.device, weights_only=True)
    if held["about"] != about:
        names = sorted(set(held["about"]) | set(about))
        other = [name for name in names if held["about"].get(name) != about.get(name)]
        raise OtherTraining(
            f"{path} is of a training with another {', '.join(other)}; finish that one with its "
            f"own settings, or remove {out / FOLDER}"
        )
    trainer.network.model.load_state_dict(held["model"])
    trainer.optimizer.load_state_dict(held["optimizer"])
    trainer.step, trainer.tokens = held["step"], held["tokens"]
    return True


def save_checkpoint(network: Network, out: Path) -> None:
    """The classifier in bfloat16 with its tokenizer; its config says how it reads. What there was
    to resume from goes."""
    model = network.model
    setattr(model.config, KEY, network.reading.declared())
    model.to(torch.bfloat16).save_pretrained(out)
    network.tokenizer.save_pretrained(out)
    shutil.rmtree(out / FOLDER, ignore_errors=True)
