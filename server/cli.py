"""The ``longhand`` command: argv to settings to run. It must not know how anything is served."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server import __version__, logs, machine
from server.errors import CannotServe
from server.pen.address import CLIENT_VARIABLES, KEY_VARIABLE
from server.settings import PREFIX, Settings, environment, export, load

if TYPE_CHECKING:
    from server.app import Serving

# The settings with a flag of their own; the others come by LONGHAND_* or TOML.
_FLAGS = ("model", "engine", "upstream", "tensor_parallel_size", "host", "port")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code. A wrong setting is one sentence and exit code 2."""
    given = sys.argv[1:] if argv is None else list(argv)
    if given[:1] == ["train-reward"]:
        from rewards.training.command import main as train_reward

        return train_reward(given[1:])
    if given[:1] in (["write"], ["drafts"]):
        from server.pen.command import main as pen

        return pen(given, environment())
    if given[:1] == ["keys"]:
        return _keys(given[1:])
    arguments = _parser().parse_args(given)
    if arguments.command == "version":
        sys.stdout.write(f"longhand {__version__}\n")
        return 0
    try:
        flags = {name: getattr(arguments, name) for name in _FLAGS}
        settings = _settings(
            {name: value for name, value in flags.items() if value is not None}, arguments.config
        )
        if arguments.command == "plan":
            return _plan(settings, arguments)
        return _run(arguments.command, settings)
    except CannotServe as error:
        sys.stderr.write(f"longhand: {error}\n")
        return 2


def _keys(given: Sequence[str]) -> int:
    """``longhand keys``: the file is named by its flag, or else as for the server."""
    from server.callers.command import main as keys

    named = environment().get(f"{PREFIX}KEYS_FILE")
    return keys(given, None if named is None else Path(named), now=datetime.now(UTC))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="longhand", description="An OpenAI-compatible server for writing at length."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (
        ("serve", "serve a model"),
        ("check", "print what would be served and whether it can be"),
    ):
        _add_flags(commands.add_parser(name, help=told, description=told))
    _add_plan(commands)
    # Its options are its own affair, --help included: ``main`` passes them on unread.
    commands.add_parser("train-reward", help="train a quality model on pairs of drafts")
    commands.add_parser("write", help="have a text written by a server")
    commands.add_parser("drafts", help="list, show, resume, cancel, remove, export stored drafts")
    commands.add_parser("keys", help="make, list and revoke the API keys of a server")
    commands.add_parser("version", help="print the version")
    return parser


def _add_plan(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    told = "print what would be done for a prompt: its length, budgets, control"
    parser = commands.add_parser("plan", help=told, description=told)
    _add_flags(parser)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("prompt", nargs="?", help="the request")
    given.add_argument(
        "--prompts",
        help='lines of {"prompt": "..."}, each answered by a line of JSON; "-" for standard input',
        metavar="FILE.jsonl|-",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")


def _add_flags(parser: argparse.ArgumentParser) -> None:
    fields = Settings.model_fields
    parser.add_argument("--model", help=fields["model"].description, metavar="pocket|DIR|HUB_ID")
    parser.add_argument("--engine", help=fields["engine"].description, metavar="NAME")
    parser.add_argument(
        "--upstream", action="append", help=fields["upstream"].description, metavar="URL"
    )
    parser.add_argument(
        "--tensor-parallel-size",
        type=int,
        help=fields["tensor_parallel_size"].description,
        metavar="N",
    )
    parser.add_argument("--host", help=fields["host"].description)
    parser.add_argument("--port", type=int, help=fields["port"].description)
    parser.add_argument("--config", type=Path, help="a TOML file of settings", metavar="FILE.toml")


def _run(command: str, settings: Settings) -> int:
    _share_metrics(settings.prometheus_multiproc_dir)
    # Here and in what it calls, not above: see ``_share_metrics``.
    from server.app import choose

    serving = choose(settings)
    return _check(settings, serving) if command == "check" else _serve(settings, serving)


def _plan(settings: Settings, arguments: argparse.Namespace) -> int:
    from server import forecast

    return forecast.run(
        settings,
        prompt=arguments.prompt,
        prompts=arguments.prompts,
        as_json=arguments.json,
        write=sys.stdout.write,
    )


def _settings(flags: Mapping[str, Any], config: Path | None) -> Settings:
    """From all sources, less the variables that are for ``longhand write``.

    Raises:
        CannotServe: as ``load``; or there is a key for that and none for the server: one letter
            away is the setting that was meant, and without it anybody would be served.
    """
    environ = environment()
    ours = {name: text for name, text in environ.items() if name not in CLIENT_VARIABLES}
    settings = load(flags, config=config, environ=ours)
    if KEY_VARIABLE in environ and not (settings.api_keys or settings.keys_file):
        raise CannotServe(
            f"{KEY_VARIABLE} is what `longhand write` sends; the keys that a server asks for are "
            f"{PREFIX}API_KEYS, and there are none"
        )
    return settings


def _share_metrics(directory: Path | None) -> None:
    """prometheus-client decides when it is imported whether processes share their metrics, and
    fails without the directory."""
    if directory is None:
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotServe(f"prometheus_multiproc_dir {directory}: {error.strerror}") from None
    export({"PROMETHEUS_MULTIPROC_DIR": str(directory)})


def _check(settings: Settings, serving: "Serving") -> int:
    from server import check

    report = check.examine(settings, serving, machine.look())
    sys.stdout.write("\n".join(report.lines) + "\n")
    for problem in report.problems:
        sys.stderr.write(f"longhand: this cannot work: {problem}\n")
    return 1 if report.problems else 0


def _serve(settings: Settings, serving: "Serving") -> int:
    from server.app import create_app
    from server.host import Host, run

    logs.set_up(settings.log_level, settings.log_format)
    host = Host(
        create_app(settings, serving),
        address=(settings.host, settings.port),
        shutdown_grace_s=settings.shutdown_grace_s,
        describe=lambda url: _ready_line(url, serving),
        out=sys.stdout,
    )
    return run(host)


def _ready_line(url: str, serving: "Serving") -> str:
    body: dict[str, Any] = {
        "stream": True,
        "messages": [{"role": "user", "content": "Write a 500-word essay about tidal energy."}],
    }
    return (
        f"Longhand serves {serving.card.model} on {serving.engine_name} at {url} - try: "
        f"curl -N {url}/v1/chat/completions -H 'content-type: application/json' "
        f"-d '{json.dumps(body)}'"
    )
