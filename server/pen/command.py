"""`longhand write` and `longhand drafts`: arguments to a run. It must not talk to a server."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, get_args

from rich.console import Console

from server.pen.address import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE, Address, address_of
from server.pen.drafts import Drafts, Printer, What
from server.pen.manuscript import Manuscript
from server.pen.outcomes import Misused, PenError
from server.pen.patience import GIVE_UP_S, Patience
from server.pen.progress import progress_of
from server.pen.pursuit import Pursuit
from server.pen.screen import Blank, Display, ReasoningShown, Screen
from server.pen.sinks import Pipe, Sink
from server.pen.wish import Wish
from server.pen.write import Terminal, Writing

_LISTED = 20
_CODES = (
    "exit codes: 0 written to its end; 1 refused, or failed; 2 wrong arguments or a file; "
    "3 no connection; 4 cancelled; 5 cut at the token limit; 6 interrupted; 130 left with Ctrl-C"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The process's standard streams."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO

    def tell(self, sentence: str) -> None:
        self.stderr.write(f"longhand: {sentence}\n")
        self.stderr.flush()

    def note(self, sentence: str) -> None:
        """For people only: nothing is lost where nobody looks."""
        if self.stderr.isatty():
            self.tell(sentence)

    def ask(self, question: str) -> str:
        """The line that is typed; empty at the end of input."""
        self.stderr.write(question)
        self.stderr.flush()
        return self.stdin.readline()

    def console(self) -> Console | None:
        """The terminal, whichever stream leads there."""
        for stream in (self.stdout, self.stderr):
            if stream.isatty():
                return Console(file=stream, highlight=False)
        return None


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs ``write`` or ``drafts``; returns the exit code."""
    streams = Streams(stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr)
    given = _parser().parse_args(argv)
    try:
        address = address_of(given.url, given.key, environ)
        if given.command == "write" or given.action == "resume":
            return _write(address, given, streams)
        return _drafts(address, given, streams)
    except PenError as error:
        streams.tell(f"{error}.")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _write(address: Address, given: argparse.Namespace, streams: Streams) -> int:
    resumed: str | None = given.resume
    prompt = "" if resumed else _prompt(given.prompt, given.file, streams)
    if resumed and (given.prompt or given.file or given.best_of):
        raise Misused("--resume takes a draft up as it is: without a prompt and --best-of")
    wish = Wish(
        prompt=prompt,
        words=given.words,
        best_of=given.best_of,
        model=given.model,
        stores=not given.no_store,
    )
    progress = progress_of(prompt, given.words)
    console = streams.console()
    display: Display = Blank()
    if console is not None:
        display = Screen(
            console=console,
            progress=progress,
            shows_text=streams.stdout.isatty(),
            reasoning=given.reasoning,
        )
    sink = _sink(given, streams, resumes=resumed is not None)
    with nullcontext() if sink is None else closing(sink):
        return Writing(
            address=address,
            wish=None if resumed else wish,
            pursuit=Pursuit(
                draft_id=resumed,
                carries_on=resumed is not None,
                patience=Patience(give_up_s=given.patience),
            ),
            progress=progress,
            display=display,
            sink=sink,
            terminal=_terminal(streams),
        ).run()


def _prompt(text: str | None, file: str | None, streams: Streams) -> str:
    """The words on the command line, then those of the file."""
    parts = [] if text is None else [text]
    if file is not None:
        parts.append(_read(file, streams))
    prompt = "\n\n".join(parts)
    if not prompt.strip():
        raise Misused("say what is to be written, or name a file that does with --file")
    return prompt


def _read(file: str, streams: Streams) -> str:
    try:
        return streams.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise Misused(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misused(f"{file} is not UTF-8") from None


def _sink(given: argparse.Namespace, streams: Streams, *, resumes: bool) -> Sink | None:
    """A file if one is named; else whatever reads standard output; None for a person."""
    if given.out is not None:
        return Manuscript(given.out, resumes=resumes, replaces=given.force)
    return None if streams.stdout.isatty() else Pipe(streams.stdout.buffer)


def _terminal(streams: Streams) -> Terminal:
    answers = streams.stdin.isatty() and streams.stderr.isatty()
    return Terminal(tell=streams.tell, note=streams.note, ask=streams.ask if answers else None)


def _drafts(address: Address, given: argparse.Namespace, streams: Streams) -> int:
    looks = streams.stdout.isatty()
    printer = Printer(
        write=streams.stdout.write,
        tell=streams.tell,
        console=streams.console() if looks else None,
    )
    drafts = Drafts(address=address, printer=printer)
    match given.action:
        case "list":
            return drafts.newest(limit=given.limit, as_json=given.json)
        case "show":
            return drafts.show(given.id, as_json=given.json)
        case "cancel":
            return drafts.cancel(given.id)
        case "rm":
            return drafts.remove(tuple(given.ids))
        case _:
            sink = _sink(given, streams, resumes=False)
            with nullcontext() if sink is None else closing(sink):
                return drafts.export(given.id, what=given.what, sink=sink)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="longhand")
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser(
        "write",
        help="have a text written by a server",
        description="Have a text written by a Longhand, or by any server with OpenAI's API.",
        epilog=_CODES,
    )
    write.add_argument("prompt", nargs="?", help="what is to be written")
    write.add_argument("--file", metavar="FILE", help='a brief, after the prompt; "-": stdin')
    write.add_argument("--resume", metavar="ID", help="a stored draft, to its end")
    write.add_argument("--best-of", type=_positive, metavar="N", help="drafts to choose from")
    write.add_argument("--model", metavar="NAME", help="by default the server's first")
    write.add_argument(
        "--no-store", action="store_true", help="the server is not to keep the draft"
    )
    _add_receiving(write)
    _add_server(write)
    _add_drafts(commands)
    return parser


def _add_drafts(commands: Any) -> None:
    told = "list, show, resume, cancel, remove, export stored drafts"
    actions = commands.add_parser("drafts", help=told, description=told).add_subparsers(
        dest="action", required=True
    )
    listing = actions.add_parser("list", help="the newest drafts")
    listing.add_argument("--limit", type=_positive, default=_LISTED, metavar="N", help="so many")
    show = actions.add_parser("show", help="what is known of a draft")
    for parser in (listing, show):
        parser.add_argument("--json", action="store_true", help="as JSON")
    resume = actions.add_parser(
        "resume", help="receive a draft from its beginning to its end; carried on if need be"
    )
    cancel = actions.add_parser("cancel", help="end a draft; what there is of it stays")
    remove = actions.add_parser("rm", help="remove drafts")
    remove.add_argument("ids", nargs="+", metavar="ID")
    export = actions.add_parser("export", help="a draft's text")
    for parser in (show, cancel, export):
        parser.add_argument("id", metavar="ID")
    resume.add_argument("resume", metavar="ID")
    resume.set_defaults(prompt=None, file=None, best_of=None, model=None, no_store=False)
    _add_receiving(resume)
    export.add_argument(
        "--what", choices=get_args(What), default="answer", help="by default the answer"
    )
    _add_out(export)
    for parser in (listing, show, resume, cancel, remove, export):
        _add_server(parser)


def _add_receiving(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--words", type=_positive, metavar="N", help="length of the text")
    _add_out(parser)
    parser.add_argument(
        "--reasoning",
        choices=get_args(ReasoningShown),
        default="dim",
        help="how a terminal shows the plan",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=GIVE_UP_S,
        metavar="S",
        help=f"seconds without news before a lost connection is given up ({GIVE_UP_S:g})",
    )


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the text goes")
    parser.add_argument("--force", action="store_true", help="write over what FILE holds")


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help=f"the server; else {URL_VARIABLE}, else {DEFAULT_URL}")
    parser.add_argument("--key", help=f"its API key; better in {KEY_VARIABLE}, where no ps sees it")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return number
