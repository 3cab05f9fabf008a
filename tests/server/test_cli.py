"""The ``longhand`` command: what it prints, how it refuses, the codes it ends with."""

import io
import os
import runpy
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from server import __version__, cli


@pytest.fixture
def longhand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs the command in this process: ``longhand("check", NAME="value")``."""
    before = set(REGISTRY._collector_to_names)

    def run(*argv: str, **environ: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("LONGHAND_")]:
                patch.delenv(name)
            for name, value in environ.items():
                patch.setenv(name, value)
            code = cli.main(argv)
        return code, *capsys.readouterr()

    yield run
    for collector in set(REGISTRY._collector_to_names) - before:
        REGISTRY.unregister(collector)


def test_version_prints_the_packages_version(longhand: Any) -> None:
    assert longhand("version") == (0, f"longhand {__version__}\n", "")


def test_train_reward_is_given_its_own_arguments(longhand: Any, tmp_path: Path) -> None:
    given = ("--base", str(tmp_path), "--pairs", "pairs.jsonl", "--out", str(tmp_path / "out"))
    code, out, err = longhand("train-reward", *given)
    assert (code, out) == (2, "")
    assert err.startswith("longhand train-reward: --base ")
    assert "no checkpoint folder" in err


def test_the_module_is_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["longhand", "version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("server", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"longhand {__version__}\n"


def test_importing_the_module_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("server.__main__", run_name="imported")
    assert capsys.readouterr() == ("", "")


def test_check_reports_and_ends_with_0(longhand: Any) -> None:
    code, out, err = longhand("check", "--engine", "scripted")
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == ["model        scripted", "engine       scripted"]


def test_check_ends_with_1_and_a_sentence_for_each_problem(longhand: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"num_hidden_layers": 2, "hidden_size": 8, "intermediate_size": 16, "vocab_size": 32,'
        ' "num_attention_heads": 3, "head_dim": 4, "max_position_embeddings": 64}',
        encoding="utf-8",
    )
    code, out, err = longhand(
        "check", "--model", str(tmp_path), "--engine", "transformers", "--tensor-parallel-size", "2"
    )
    assert code == 1
    assert err.splitlines() == [
        f"longhand: this cannot work: {tmp_path} has no tokenizer.json",
        "longhand: this cannot work: 3 attention heads cannot be shared by 2 tensor-parallel ranks",
    ]


@pytest.mark.parametrize(
    ("argv", "environ", "sentence"),
    [
        ((), {"LONGHAND_PROT": "1"}, "there is no setting 'prot' (from the environment); see "
                                     "README.md"),
        (("--port", "99999"), {}, "setting 'port' (from the command line): Input should be less "
                                  "than or equal to 65535"),
        (("--engine", "magic"), {}, "setting 'engine' (from the command line): Input should be "
                                    "'auto', 'vllm', 'transformers', 'upstream' or 'scripted'"),
        (("--config", "/nowhere.toml"), {}, "cannot read /nowhere.toml: No such file or directory"),
        (("--model", "/nowhere/at/all", "--engine", "transformers"), {"LONGHAND_REVISION": "x"},
         "model '/nowhere/at/all' is neither 'pocket', nor a directory here, nor could it be "
         "fetched from Hugging Face (HFValidationError)"),
        (("--engine", "scripted"), {"LONGHAND_SCRIPT": "/nowhere.json"},
         "cannot play the script: [Errno 2] No such file or directory: '/nowhere.json'"),
        (("--engine", "scripted"), {"LONGHAND_API_KEYS": "sha256:abc0"},
         "api_keys: a hashed key is 'sha256:' and 64 hexadecimal digits"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_sentence_and_2(
    longhand: Any, argv: Any, environ: dict[str, str], sentence: str
) -> None:
    assert longhand("serve", *argv, **environ) == (2, "", f"longhand: {sentence}\n")


def test_what_the_environment_says_to_clients_is_no_setting(longhand: Any) -> None:
    told = {"LONGHAND_URL": "http://there", "LONGHAND_API_KEY": "k1", "LONGHAND_API_KEYS": "k1"}
    assert longhand("check", "--engine", "scripted", **told)[0] == 0


def test_a_key_for_clients_where_the_servers_are_missing_refuses_the_start(longhand: Any) -> None:
    assert longhand("serve", "--engine", "scripted", LONGHAND_API_KEY="k1") == (
        2,
        "",
        "longhand: LONGHAND_API_KEY is what `longhand write` sends; the keys that a server asks "
        "for are LONGHAND_API_KEYS, and there are none\n",
    )


def test_an_unknown_setting_in_the_file_refuses_the_start(longhand: Any, tmp_path: Path) -> None:
    config = tmp_path / "longhand.toml"
    config.write_text("max_runing = 3\n", encoding="utf-8")
    assert longhand("serve", "--config", str(config)) == (
        2,
        "",
        f"longhand: there is no setting 'max_runing' (from {config}); see README.md\n",
    )


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (("serve", "--prot", "1"), "unrecognized arguments: --prot 1"),
        (("serve", "--port", "http"), "argument --port: invalid int value: 'http'"),
        (("sing",), "invalid choice: 'sing'"),
        ((), "the following arguments are required: command"),
    ],
)
def test_an_unknown_flag_or_command_refuses_the_start(
    capsys: pytest.CaptureFixture[str], argv: Any, complaint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_the_script_may_be_read_but_make_no_sense(longhand: Any, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"sing": "la"}]', encoding="utf-8")
    code, out, err = longhand("serve", "--engine", "scripted", LONGHAND_SCRIPT=str(script))
    assert (code, out) == (2, "")
    assert err == (
        f"longhand: cannot play the script: {script}, entry 0: unknown act {{'sing': 'la'}}\n"
    )


def test_a_port_in_use_ends_it_with_1(longhand: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = longhand("serve", "--engine", "scripted", "--port", str(port))
    assert (code, out) == (1, "")
    assert "address already in use" in err


class Operator(io.StringIO):
    """Standard output whose reader ends the process once the ready line is there."""

    def flush(self) -> None:
        # Files are flushed when they are closed, too; by then nobody listens for it.
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            signal.raise_signal(signal.SIGTERM)


def test_serve_prints_one_line_with_a_curl_and_ends_with_0_at_sigterm(
    longhand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Operator())
    code, _, err = longhand("serve", "--engine", "scripted", "--port", "0")
    assert code == 0
    line, end = sys.stdout.getvalue().split("\n")
    assert end == ""
    url = line.split(" at ")[1].split(" ")[0]
    assert line == (
        f"Longhand serves scripted on scripted at {url} - try: curl -N {url}/v1/chat/completions "
        "-H 'content-type: application/json' -d '"
        '{"stream": true, "messages": [{"role": "user", "content": "Write a 500-word essay about '
        "tidal energy.\"}]}'"
    )
    assert "Traceback" not in err
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_directory_for_shared_metrics_that_cannot_be_made_refuses_the_start(
    longhand: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    wanted = str(tmp_path / "file" / "metrics")
    code, out, err = longhand(
        "serve", "--engine", "scripted", LONGHAND_PROMETHEUS_MULTIPROC_DIR=wanted
    )
    assert (code, out) == (2, "")
    assert err == f"longhand: prometheus_multiproc_dir {wanted}: Not a directory\n"


def test_a_directory_for_shared_metrics_is_made_and_announced_to_prometheus_client(
    longhand: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Put back after the test, as the command sets it for good.
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "elsewhere")
    shared = tmp_path / "deep" / "metrics"
    code, _, _ = longhand(
        "check", "--engine", "scripted", LONGHAND_PROMETHEUS_MULTIPROC_DIR=str(shared)
    )
    assert code == 0
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(shared)
    assert shared.is_dir()
