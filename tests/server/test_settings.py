"""Settings from defaults, a file, the environment and the command line."""

import os
from pathlib import Path
from typing import Any

import pytest

from server.errors import CannotServe
from server.settings import LIFELINE, Settings, environment, export, exported, load, masked


def test_without_a_word_the_defaults_hold() -> None:
    assert load({}, environ={"PATH": "/bin"}) == Settings()


def test_a_later_source_wins_over_an_earlier_one(tmp_path: Path) -> None:
    config = tmp_path / "longhand.toml"
    config.write_text('port = 1\nmax_n = 2\nhost = "a"\n[vllm]\nseed = 1\n', encoding="utf-8")
    found = load({"port": 3}, config=config, environ={"LONGHAND_PORT": "2", "LONGHAND_MAX_N": "3"})
    assert (found.port, found.max_n, found.host, found.vllm) == (3, 3, "a", {"seed": 1})


def test_the_environment_is_read_as_words_and_json() -> None:
    found = load(
        {},
        environ={
            "LONGHAND_VLLM": '{"seed": 1}',
            "LONGHAND_REWARDS": '{"length": 2, "format": 0.5}',
            "LONGHAND_API_KEYS": "one, two,,",
            "LONGHAND_MAX_MODEL_LEN": "4096",
            LIFELINE: "1:/tmp/x",
            "OTHER_PORT": "x",
        },
    )
    assert found.vllm == {"seed": 1}
    assert found.rewards == {"length": 2, "format": 0.5}
    assert [key.get_secret_value() for key in found.api_keys] == ["one", "two"]
    assert found.max_model_len == 4096


@pytest.mark.parametrize(
    ("command_line", "toml", "environ", "sentence"),
    [
        ({"prot": 1}, "", {}, "there is no setting 'prot' (from the command line); see README.md"),
        ({}, "prot = 1", {}, "there is no setting 'prot' (from {config}); see README.md"),
        (
            {},
            "",
            {"LONGHAND_PROT": "1"},
            "there is no setting 'prot' (from the environment); see README.md",
        ),
        ({}, "", {"LONGHAND_VLLM": "[1]"}, "LONGHAND_VLLM is not a JSON object"),
        ({}, "", {"LONGHAND_REWARDS": "length"}, "LONGHAND_REWARDS is not a JSON object"),
    ],
)
def test_an_unknown_name_refuses_the_start(
    tmp_path: Path, command_line: dict[str, Any], toml: str, environ: dict[str, str], sentence: str
) -> None:
    config = tmp_path / "longhand.toml"
    config.write_text(toml, encoding="utf-8")
    with pytest.raises(CannotServe) as caught:
        load(command_line, config=config, environ=environ)
    assert str(caught.value) == sentence.format(config=config)


@pytest.mark.parametrize(
    ("command_line", "toml", "environ", "name", "source"),
    [
        ({"port": 70_000}, "", {}, "'port'", "the command line"),
        ({}, "port = -1", {"LONGHAND_HOST": "a"}, "'port'", "longhand.toml"),
        ({}, "max_n = 0", {"LONGHAND_MAX_N": "x"}, "'max_n'", "the environment"),
        ({}, "api_keys = [1]", {}, "'api_keys.0'", "longhand.toml"),
    ],
)
def test_a_wrong_value_refuses_the_start_and_names_its_source(
    tmp_path: Path,
    command_line: dict[str, Any],
    toml: str,
    environ: dict[str, str],
    name: str,
    source: str,
) -> None:
    config = tmp_path / "longhand.toml"
    config.write_text(toml, encoding="utf-8")
    with pytest.raises(CannotServe) as caught:
        load(command_line, config=config, environ=environ)
    assert name in str(caught.value)
    assert source in str(caught.value)


def test_a_wrong_value_is_not_repeated() -> None:
    with pytest.raises(CannotServe) as caught:
        load({"on_engine_death": "sk-secret"}, environ={})
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"), [(b"port = ", "is not TOML"), (b"host = '\xff'", "is not TOML")]
)
def test_a_file_that_is_no_toml_refuses_the_start(
    tmp_path: Path, content: bytes, message: str
) -> None:
    config = tmp_path / "longhand.toml"
    config.write_bytes(content)
    with pytest.raises(CannotServe, match=message):
        load({}, config=config, environ={})


def test_a_file_that_is_not_there_refuses_the_start(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match="cannot read .*No such file"):
        load({}, config=tmp_path / "none.toml", environ={})


def test_secrets_are_shown_as_asterisks() -> None:
    shown = masked(load({}, environ={"LONGHAND_API_KEYS": "sk-secret", "LONGHAND_SCRIPT": "a"}))
    assert "sk-secret" not in str(shown)
    assert shown["api_keys"] == ["**********"]
    assert shown["script"] == "a"
    arguments = {"hf_token": "hf-secret", "seed": 1, "tokenizer": "a"}
    assert masked(Settings(vllm=arguments))["vllm"] == {**arguments, "hf_token": "**********"}


def test_variables_are_exported_and_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGHAND_TEST", "old")
    export({"LONGHAND_TEST": "new", "LONGHAND_GONE": None})
    assert exported("LONGHAND_TEST") == environment()["LONGHAND_TEST"] == "new"
    export({"LONGHAND_TEST": None})
    assert exported("LONGHAND_TEST") is None
    assert "LONGHAND_TEST" not in os.environ


def test_every_setting_is_described() -> None:
    assert [name for name, one in Settings.model_fields.items() if not one.description] == []
