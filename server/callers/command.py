"""``longhand keys``: makes, lists and revokes the keys of a file. It must not talk to a server:
one that runs reads the file again by itself.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from server.callers import key_file
from server.callers.caller import CEILINGS, Ceilings
from server.callers.key_file import BadKeyFile, Entry
from server.callers.keys import digest_of, new_key

_MEANINGS = {
    "requests_per_minute": "requests for work in a minute",
    "tokens_per_minute": "tokens in a minute, prompts included",
    "max_drafts": "drafts under way at the same time",
    "max_best_of": "drafts written for one request",
    "max_words": "words that a request may ask for",
    "max_tokens": "tokens that one draft may take",
}


def main(given: Sequence[str], named: Path | None, *, now: datetime) -> int:
    """Runs the command; returns its exit code. named: the file, where no flag names another."""
    arguments = _parser().parse_args(given)
    path: Path | None = arguments.file or named
    if path is None:
        return _failed("which file? --file FILE, or LONGHAND_KEYS_FILE; the server's keys_file")
    try:
        if arguments.command == "add":
            return _add(path, arguments, now)
        return _list(path) if arguments.command == "list" else _revoke(path, arguments.name)
    except BadKeyFile as error:
        return _failed(f"{error}")
    except OSError as error:
        return _failed(f"{path}: {error.strerror}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="longhand keys", description="Make, list and revoke the API keys of a server."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="make a key and print it, this once")
    add.add_argument("name", help=f"what logs and metrics call its caller: {key_file.NAME_RULE}")
    for ceiling in CEILINGS:
        flag = f"--{ceiling.replace('_', '-')}"
        add.add_argument(flag, type=_count, metavar="N", help=_MEANINGS[ceiling])
    revoke = commands.add_parser("revoke", help="take a key out of the file")
    revoke.add_argument("name")
    for one in (add, commands.add_parser("list", help="print the keys' names"), revoke):
        one.add_argument("--file", type=Path, help="by default LONGHAND_KEYS_FILE")
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _add(path: Path, arguments: argparse.Namespace, now: datetime) -> int:
    name: str = arguments.name
    if not key_file.is_name(name):
        return _failed(f"{name!r} is no name: {key_file.NAME_RULE}")
    key = new_key()
    entry = Entry(
        name=name,
        digest=digest_of(key),
        created=now.isoformat(timespec="seconds"),
        ceilings=Ceilings(**{ceiling: getattr(arguments, ceiling) for ceiling in CEILINGS}),
    )
    with key_file.changing(path):
        if any(one.name == name for one in _there(path)):
            return _failed(f"there is a key {name!r} already; revoke it first, or choose a name")
        key_file.append(path, entry)
    # The key alone on standard output, so that it can be piped to where it is kept.
    sys.stdout.write(f"{key}\n")
    sys.stderr.write(f"longhand: this is the key of {name!r}; it is stored nowhere\n")
    return 0


def _there(path: Path) -> Sequence[Entry]:
    return key_file.read(path) if path.exists() else ()


def _list(path: Path) -> int:
    for entry in key_file.read(path):
        given = {name: getattr(entry.ceilings, name) for name in CEILINGS}
        limits = "".join(f" {name}={n}" for name, n in given.items() if n is not None)
        sys.stdout.write(f"{entry.name} {entry.key.id} {entry.created}{limits}\n")
    return 0


def _revoke(path: Path, name: str) -> int:
    with key_file.changing(path):
        if all(entry.name != name for entry in key_file.read(path)):
            return _failed(f"there is no key {name!r} in {path}")
        key_file.remove(path, name)
    return 0


def _failed(sentence: str) -> int:
    sys.stderr.write(f"longhand: {sentence}\n")
    return 2
