"""``longhand write`` at its door: what goes where, how it ends, what Ctrl-C does."""

import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server import cli

DELTAS = (("reasoning", "Plan: 春天."), ("answer", "# One\n"), ("answer", "é \U0001f331 haha."))
ANSWER = "# One\né \U0001f331 haha."


class Keyboard(io.BytesIO):
    """What is shown, to somebody who presses Ctrl-C once as soon as ``presses_at`` is."""

    presses_at: bytes | None = None

    def write(self, data: Any) -> int:
        if self.presses_at is not None and self.presses_at in bytes(data):
            self.presses_at = None
            signal.raise_signal(signal.SIGINT)
        return super().write(data)


class Tty(io.TextIOWrapper):
    """A stream that leads to a terminal."""

    def __init__(self, text: str = "") -> None:
        super().__init__(Keyboard(text.encode()), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def longhand(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs the command in this process: exit code, output, standard error."""
    for name in [name for name in os.environ if name.startswith("LONGHAND_")]:
        monkeypatch.delenv(name)

    def run(*argv: str) -> tuple[int, str, str]:
        capsysbinary.readouterr()
        code = cli.main(argv)
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return run


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Tty, Tty]]:
    """Makes standard error, and output unless it is piped, a terminal at which ``typed`` is."""

    def sit(
        typed: str = "", *, piped: bool = False, presses_at: bytes | None = None
    ) -> tuple[Tty, Tty]:
        out, err = Tty(), Tty()
        out.buffer.presses_at = presses_at  # type: ignore[attr-defined]  # it is a Keyboard
        monkeypatch.setattr(sys, "stdin", Tty(typed))
        monkeypatch.setattr(sys, "stderr", err)
        if not piped:
            monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setenv("COLUMNS", "90")
        monkeypatch.setenv("TERM", "xterm")
        return out, err

    return sit


def test_piped_the_answer_alone_is_on_standard_output(
    longhand: Run, peer: Any, scripted: Any
) -> None:
    server = peer(scripted.Longhand(DELTAS))
    assert longhand("write", "Write it.", "--url", server.url) == (0, ANSWER, "")
    assert [seen.target for seen in server.seen] == ["/v1/models", "/v1/chat/completions"]
    assert server.seen[1].json == {
        "model": "pocket",
        "messages": [{"role": "user", "content": "Write it."}],
        "stream": True,
        "writing": {"progress": True},
        "store": True,
    }
    assert len(server.seen[1].headers["idempotency-key"]) == 32


def test_what_is_wanted_goes_into_the_request(
    longhand: Run, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    server = peer(scripted.Longhand(DELTAS))
    brief = tmp_path / "brief.md"
    brief.write_text("# Brief\n", encoding="utf-8")
    given = ("--file", str(brief), "--words", "5000", "--best-of", "3", "--model", "pocket")
    code, _, _ = longhand("write", "Write it.", *given, "--no-store", "--url", server.url)
    assert code == 0
    body = server.seen[1].json
    assert body["messages"][0]["content"] == "Write it.\n\n# Brief\n"
    assert body["writing"] == {"words": 5000, "best_of": 3, "progress": True}
    assert "store" not in body
    assert "idempotency-key" not in server.seen[1].headers


def test_the_environment_names_server_and_key(
    longhand: Run, peer: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = peer(scripted.Longhand(DELTAS))
    monkeypatch.setenv("LONGHAND_URL", server.url)
    monkeypatch.setenv("LONGHAND_API_KEY", "k1")
    assert longhand("write", "Write it.")[:2] == (0, ANSWER)
    assert {seen.headers["authorization"] for seen in server.seen} == {"bearer k1"}


def test_a_brief_may_come_by_standard_input(
    longhand: Run, peer: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = peer(scripted.Longhand(DELTAS))
    monkeypatch.setattr(sys, "stdin", io.StringIO("From a pipe."))
    assert longhand("write", "--file", "-", "--url", server.url)[0] == 0
    assert server.seen[1].json["messages"][0]["content"] == "From a pipe."


def test_a_file_gets_the_answer_and_standard_output_nothing(
    longhand: Run, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    server = peer(scripted.Longhand(DELTAS, cuts=[420, 250]))
    out = tmp_path / "draft.md"
    assert longhand("write", "Write it.", "--out", str(out), "--url", server.url) == (0, "", "")
    assert out.read_bytes() == ANSWER.encode()


def test_a_terminal_shows_plan_text_and_summary(
    longhand: Run, peer: Any, scripted: Any, terminal: Any
) -> None:
    server = peer(scripted.Longhand(DELTAS, report={"words": 2}))
    out, err = terminal()
    assert longhand("write", "Write a 200-word story.", "--url", server.url)[0] == 0
    assert "\x1b[2;3mPlan: 春天." in out.text
    assert "# One" in out.text
    assert "é \U0001f331 haha." in out.text
    assert err.text == "longhand: written: 2 words, asked for 180 to 220.\n"


def test_the_plan_may_be_hidden(longhand: Run, peer: Any, scripted: Any, terminal: Any) -> None:
    server = peer(scripted.Longhand(DELTAS))
    out, _ = terminal()
    assert longhand("write", "It.", "--reasoning", "hide", "--url", server.url)[0] == 0
    assert "Plan" not in out.text
    assert "# One" in out.text


def test_a_pipe_beside_a_terminal_has_the_answer_and_the_terminal_the_progress(
    longhand: Run, peer: Any, scripted: Any, terminal: Any
) -> None:
    server = peer(scripted.Longhand(DELTAS, cuts=[420]))
    _, err = terminal(piped=True)
    code, out, _ = longhand("write", "Write a 200-word story.", "--url", server.url)
    assert (code, out) == (0, ANSWER)
    assert "of 200 words" in err.text
    assert "haha" not in err.text
    assert err.text.endswith(
        "longhand: written: 2 words, asked for 180 to 220, 1 break mended, in standard output.\n"
    )


def test_a_resumed_draft_fills_up_the_file_that_it_left(
    longhand: Run, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    book = scripted.Longhand(DELTAS)
    book.other = lambda seen: scripted.whole({"id": "draft_1", "state": "writing"})
    server = peer(book)
    out = tmp_path / "draft.md"
    out.write_bytes(ANSWER.encode()[:9])
    given = ("--out", str(out), "--url", server.url)
    assert longhand("drafts", "resume", "draft_1", *given) == (0, "", "")
    assert out.read_bytes() == ANSWER.encode()
    out.write_text("# Two", encoding="utf-8")
    code, _, err = longhand("write", "--resume", "draft_1", *given)
    assert (code, out.read_text(encoding="utf-8")) == (2, "# Two")
    assert f"longhand: {out} holds another text; --force writes over it.\n" in err


@pytest.mark.parametrize("told", [{"asked": [180, 220]}, {"writing": {"asked": [180, 220]}}])
def test_a_resumed_draft_knows_its_target(
    longhand: Run, peer: Any, scripted: Any, terminal: Any, told: dict[str, Any]
) -> None:
    book = scripted.Longhand(DELTAS)
    book.other = lambda seen: scripted.whole(told)
    out, err = terminal()
    server = peer(book)
    assert longhand("drafts", "resume", "draft_1", "--url", server.url)[0] == 0
    assert err.text == "longhand: written: 2 words, asked for 180 to 220.\n"


@pytest.mark.parametrize("status", ["503 Loading", None])
def test_a_server_that_starts_anew_is_waited_for_by_who_resumes(
    longhand: Run, peer: Any, scripted: Any, status: str | None
) -> None:
    book = scripted.Longhand(DELTAS)
    lost = scripted.Reply(b"")
    book.other = lambda seen: scripted.failing(status, "loading") if status else lost
    server = peer(book)
    assert longhand("drafts", "resume", "draft_1", "--url", server.url) == (0, ANSWER, "")


def test_a_draft_that_nobody_knows_cannot_be_resumed(
    longhand: Run, peer: Any, scripted: Any
) -> None:
    server = peer(scripted.Longhand(DELTAS))
    assert longhand("drafts", "resume", "draft_9", "--url", server.url) == (
        1,
        "",
        "longhand: no such route (HTTP 404).\n",
    )


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"finish_reason": "length"}, 5, "the draft was cut at its token limit; 2 words of it are"),
        ({"state": "cancelled", "finish_reason": None}, 4, "the draft was cancelled; 2 words of"),
        ({"state": "failed"}, 1, "the draft failed.\nlonghand: 2 words of it are in standard"),
    ],
)
def test_how_a_draft_ended_is_the_exit_code(
    longhand: Run, peer: Any, scripted: Any, changed: dict[str, Any], code: int, said: str
) -> None:
    book = scripted.Longhand(DELTAS, **changed)
    book.other = lambda seen: scripted.whole({})
    server = peer(book)
    ended, out, err = longhand("write", "--resume", "draft_1", "--url", server.url)
    assert (ended, out) == (code, ANSWER)
    assert err.startswith(f"longhand: {said}")


def test_an_interrupted_draft_is_said_so_and_carried_on_by_who_resumes_it(
    longhand: Run, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    book = scripted.Longhand(DELTAS, cuts=[500], state="interrupted")
    server, out = peer(book), tmp_path / "draft.md"
    given = ("--out", str(out), "--url", server.url)
    code, _, err = longhand("write", "Write it.", *given)
    assert code == 6
    assert "the draft was interrupted, and the server carries none on unasked.\n" in err
    again = err.splitlines()[-1].removeprefix("longhand: longhand ")
    assert again == f"drafts resume draft_1 --out {out} --url {server.url}"

    def carry_on(seen: Any) -> Any:
        if seen.method == "POST":
            book.state = "finished"
        return scripted.whole({"id": "draft_1", "state": book.state})

    book.other = carry_on
    assert longhand(*again.split()) == (0, "", "")
    assert out.read_bytes() == ANSWER.encode()
    assert [seen.path for seen in server.seen if seen.method == "POST"][1:] == [
        "/v1/drafts/draft_1/resume"
    ]


def plain(scripted: Any, *frames: bytes, cut: int | None = None) -> Callable[[Any], Any]:
    """A server of another make."""
    stream = scripted.Reply(scripted.streamed(b"|".join(frames)), cut=cut)
    models = scripted.whole({"data": [{"id": "qwen", "owned_by": "vllm"}, {"id": "lora"}, "x"]})
    return lambda seen: models if seen.path == "/v1/models" else stream


def frames(scripted: Any) -> list[bytes]:
    return [
        scripted.chunk({"role": "assistant", "content": ""}),
        scripted.chunk({"reasoning_content": "Hm."}),
        scripted.chunk({"content": "Once"}),
        scripted.chunk({"content": " upon."}, None, "stop"),
        b"data: [DONE]\n\n",
    ]


def test_any_server_can_write(longhand: Run, peer: Any, scripted: Any) -> None:
    server = peer(plain(scripted, *frames(scripted)))
    assert longhand("write", "Write it.", "--words", "300", "--url", server.url) == (
        0,
        "Once upon.",
        "",
    )
    assert server.seen[1].json == {
        "model": "qwen",
        "messages": [{"role": "user", "content": "Write it.\n\nLength: about 300 words."}],
        "stream": True,
    }


def test_a_server_without_a_list_of_models_needs_a_name(
    longhand: Run, peer: Any, scripted: Any
) -> None:
    stream = scripted.Reply(scripted.streamed(b"|".join(frames(scripted))))
    missing = scripted.failing("404 Not Found", "no models here")
    server = peer(lambda seen: missing if seen.path == "/v1/models" else stream)
    code, out, err = longhand("write", "Write it.", "--url", server.url)
    assert (code, out, err) == (1, "", "longhand: no models here (HTTP 404).\n")
    assert longhand("write", "It.", "--model", "m", "--url", server.url)[:2] == (0, "Once upon.")
    assert server.seen[-1].json["model"] == "m"


def test_a_server_that_names_no_model_needs_a_name(longhand: Run, peer: Any, scripted: Any) -> None:
    server = peer(lambda seen: scripted.whole({"data": []}))
    code, _, err = longhand("write", "Write it.", "--url", server.url)
    assert (code, err) == (1, "longhand: the server names no model; say which with --model.\n")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
def test_what_answers_but_is_no_api_is_said_so(
    longhand: Run, peer: Any, scripted: Any, body: bytes
) -> None:
    server = peer(lambda seen: scripted.whole(body))
    code, _, err = longhand("write", "Write it.", "--url", server.url)
    assert code == 1
    assert err in (
        f"longhand: {server.url} answers, but not as an API would.\n",
        "longhand: the server names no model; say which with --model.\n",
    )


def test_only_a_longhand_can_choose_between_drafts(longhand: Run, peer: Any, scripted: Any) -> None:
    server = peer(plain(scripted, *frames(scripted)))
    code, _, err = longhand("write", "Write it.", "--best-of", "2", "--url", server.url)
    assert (code, err) == (
        2,
        "longhand: --best-of needs a Longhand server, and this one is none.\n",
    )


def test_a_plain_server_whose_connection_breaks_leaves_what_it_said(
    longhand: Run, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    server = peer(plain(scripted, *frames(scripted)[:3], cut=-5))
    out = tmp_path / "draft.md"
    code, _, err = longhand("write", "Write it.", "--out", str(out), "--url", server.url)
    assert (code, out.read_bytes()) == (3, b"Once")
    lines = err.splitlines()
    assert lines[1:] == [f"longhand: 1 word of it is in {out}."]
    assert "resume" not in err


def test_a_longhand_that_keeps_no_drafts_writes_all_the_same(
    longhand: Run, peer: Any, scripted: Any, terminal: Any
) -> None:
    book = scripted.Longhand(DELTAS)
    refusal = scripted.failing("400 Bad Request", "drafts are off", param="store")

    def answer(seen: Any) -> Any:
        return refusal if seen.method == "POST" and "store" in seen.json else book(seen)

    server = peer(answer)
    out, _ = terminal()
    assert longhand("write", "Write it.", "--url", server.url)[0] == 0
    assert "This server keeps no drafts: a lost connection would end this one." in out.text
    assert "idempotency-key" not in server.seen[-1].headers


def test_another_refusal_is_told(longhand: Run, peer: Any, scripted: Any) -> None:
    book = scripted.Longhand(DELTAS)
    refusal = scripted.failing("400 Bad Request", "n: \x1b[31mno", param="n")
    server = peer(lambda seen: refusal if seen.method == "POST" else book(seen))
    assert longhand("write", "Write it.", "--url", server.url) == (
        1,
        "",
        "longhand: n: [31mno (HTTP 400).\n",
    )


def test_no_server_is_told_at_once(longhand: Run) -> None:
    code, out, err = longhand("write", "Write it.", "--url", "http://127.0.0.1:9")
    assert (code, out) == (3, "")
    assert err.startswith("longhand: cannot reach http://127.0.0.1:9: ")


def test_a_lost_draft_can_be_resumed_as_told(
    longhand: Run, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    book = pausing(scripted.Longhand(DELTAS), scripted, hold=False)
    away = scripted.failing("503 Away", "away")
    server = peer(lambda seen: away if seen.path.endswith("/events") else book(seen))
    out = tmp_path / "my draft.md"
    given = ("--out", str(out), "--url", server.url, "--patience", "0")
    code, _, err = longhand("write", "Write it.", *given)
    assert code == 3
    assert err.splitlines()[1:] == [
        f"longhand: 1 word of it is in {out}.",
        f"longhand: longhand drafts resume draft_1 --out '{out}' --url {server.url}",
    ]


class Closed(io.BytesIO):
    """Standard output whose reader has gone."""

    def write(self, data: Any) -> int:
        raise BrokenPipeError


def test_a_reader_that_goes_leaves_the_draft_to_be_finished(
    longhand: Run, peer: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = peer(scripted.Longhand(DELTAS))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Closed(), write_through=True))
    code, _, err = longhand("write", "Write it.", "--url", server.url)
    monkeypatch.undo()
    assert code == 130
    assert err == (
        "longhand: nobody reads standard output any more.\n"
        "longhand: the draft goes on in the background.\n"
        f"longhand: longhand drafts resume draft_1 --url {server.url}\n"
    )


def test_a_reader_that_goes_ends_the_draft_of_a_plain_server(
    longhand: Run, peer: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = peer(plain(scripted, *frames(scripted)))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Closed(), write_through=True))
    code, _, err = longhand("write", "Write it.", "--url", server.url)
    monkeypatch.undo()
    assert (code, err) == (130, "longhand: nobody reads standard output any more.\n")


# Ctrl-C


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def pausing(book: Any, scripted: Any, *, hold: bool = True) -> Callable[[Any], Any]:
    """A Longhand whose chat stream stops before its end, and stays open or not."""

    def answer(seen: Any) -> Any:
        reply = book(seen)
        if seen.path.endswith("completions"):
            return scripted.Reply(reply.data, cut=reply.data.index(b"haha"), hold=hold)
        return reply

    return answer


def test_ctrl_c_where_nobody_can_answer_leaves_the_draft_to_be_finished(
    longhand: Run, peer: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = peer(pausing(scripted.Longhand(DELTAS), scripted))
    keyboard = Keyboard()
    keyboard.presses_at = b"# One"
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(keyboard, write_through=True))
    code, _, err = longhand("write", "Write it.", "--url", server.url)
    assert (code, keyboard.getvalue()) == (130, b"# One\n")
    assert err == (
        "longhand: the draft goes on in the background.\n"
        f"longhand: longhand drafts resume draft_1 --url {server.url}\n"
    )


@pytest.mark.parametrize("typed", ["\n", "y\n", "", "Yes\n", "what?\n"])
def test_ctrl_c_offers_to_have_the_draft_finished(
    longhand: Run, peer: Any, scripted: Any, terminal: Any, typed: str
) -> None:
    server = peer(pausing(scripted.Longhand(DELTAS), scripted))
    _, err = terminal(typed, presses_at=b"# One")
    assert longhand("write", "Write it.", "--url", server.url)[0] == 130
    question, _, rest = err.text.partition("[c]ontinue here: ")
    assert question.startswith("Let the draft be finished in the background?")
    assert rest.endswith(f"longhand: longhand drafts resume draft_1 --url {server.url}\n")


def test_ctrl_c_and_no_cancels_the_draft(
    longhand: Run, peer: Any, scripted: Any, terminal: Any
) -> None:
    book = scripted.Longhand(DELTAS)
    book.other = lambda seen: scripted.whole({"state": "cancelled"})
    server = peer(pausing(book, scripted))
    _, err = terminal("n\n", presses_at=b"# One")
    assert longhand("write", "Write it.", "--url", server.url)[0] == 4
    assert server.seen[-1].target == "/v1/drafts/draft_1/cancel"
    assert "longhand: the draft is cancelled; " in err.text


def test_ctrl_c_and_no_without_a_server_says_that_the_draft_goes_on(
    longhand: Run, peer: Any, scripted: Any, terminal: Any
) -> None:
    server = peer(pausing(scripted.Longhand(DELTAS), scripted))
    _, err = terminal("n\n", presses_at=b"# One")
    assert longhand("write", "Write it.", "--url", server.url)[0] == 130
    assert "longhand: the draft could not be cancelled: no such route (HTTP 404).\n" in err.text
    assert "longhand: the draft goes on in the background.\n" in err.text


def test_ctrl_c_and_continue_goes_on_without_a_gap(
    longhand: Run, peer: Any, scripted: Any, terminal: Any, tmp_path: Path
) -> None:
    server = peer(pausing(scripted.Longhand(DELTAS), scripted))
    _, err = terminal("c\n", presses_at=b"# One")
    out = tmp_path / "draft.md"
    assert longhand("write", "It.", "--out", str(out), "--url", server.url)[0] == 0
    assert out.read_bytes() == ANSWER.encode()
    assert server.seen[-1].path == "/v1/drafts/draft_1/events"


def test_a_second_ctrl_c_leaves(
    longhand: Run, peer: Any, scripted: Any, terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = peer(pausing(scripted.Longhand(DELTAS), scripted))
    _, err = terminal(presses_at=b"# One")

    class Pressed(Tty):
        def readline(self, size: int = -1, /) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Pressed())
    assert longhand("write", "Write it.", "--url", server.url)[0] == 130
    assert "longhand: the draft goes on in the background.\n" in err.text


def test_ctrl_c_before_the_server_answered_says_where_to_look(
    longhand: Run, peer: Any, scripted: Any
) -> None:
    book, silent = scripted.Longhand(DELTAS), scripted.Reply(b"", hold=True, when=press)
    server = peer(lambda seen: silent if seen.method == "POST" else book(seen))
    code, _, err = longhand("write", "Write it.", "--url", server.url)
    assert (code, err) == (
        130,
        "longhand: left before the server answered; `longhand drafts list` shows whether it "
        "began.\n",
    )


def test_ctrl_c_ends_the_draft_of_a_plain_server(longhand: Run, peer: Any, scripted: Any) -> None:
    other = plain(scripted, *frames(scripted))

    def answer(seen: Any) -> Any:
        reply = other(seen)
        if seen.method == "GET":
            return reply
        return scripted.Reply(reply.data, cut=200, hold=True, when=press)

    code, _, err = longhand("write", "Write it.", "--url", peer(answer).url)
    assert code == 130
    assert err.startswith("longhand: stopped; ")


def test_ctrl_c_before_anything_was_asked_says_that_there_is_nothing(
    longhand: Run, peer: Any, scripted: Any
) -> None:
    held = scripted.Reply(b"", hold=True, when=press)
    code, _, err = longhand("write", "Write it.", "--url", peer(lambda seen: held).url)
    assert (code, err) == (130, "longhand: stopped; there is no answer of it yet.\n")


def test_a_second_ctrl_c_while_it_is_cancelled_leaves(
    longhand: Run, peer: Any, scripted: Any, terminal: Any
) -> None:
    book = scripted.Longhand(DELTAS)
    book.other = lambda seen: scripted.Reply(b"", hold=True, when=press)
    server = peer(pausing(book, scripted))
    _, err = terminal("n\n", presses_at=b"# One")
    assert longhand("write", "Write it.", "--url", server.url)[0] == 130
    assert "could not be cancelled: left before the server answered.\n" in err.text
    assert "longhand: the draft goes on in the background.\n" in err.text


def test_a_terminal_shows_how_candidates_get_on(
    longhand: Run, peer: Any, scripted: Any, terminal: Any
) -> None:
    told = {"progress": [{"candidate": 0, "state": "writing", "words": 33, "score": None}]}
    first = scripted.chunk({"content": ""}, 0, None, told)
    book = scripted.Longhand(DELTAS)
    whole = book.chat
    book.chat = lambda: first + b"|" + whole()

    def answer(seen: Any) -> Any:
        reply = book(seen)
        if seen.path.endswith("completions"):
            return scripted.Reply(reply.data, cut=reply.data.index(b"assistant"), hold=True)
        return reply

    server = peer(answer)
    out, _ = terminal(presses_at=b"1: writing, 33 words")
    assert longhand("write", "Write it.", "--best-of", "2", "--url", server.url)[0] == 130
    assert "1 candidate, the best to be shown" in out.text


def test_who_names_a_length_need_not_be_told_it(
    longhand: Run, peer: Any, scripted: Any, terminal: Any
) -> None:
    server = peer(scripted.Longhand(DELTAS))
    _, err = terminal()
    given = ("--words", "100", "--url", server.url)
    assert longhand("drafts", "resume", "draft_1", *given)[0] == 0
    assert err.text == "longhand: written: 2 words, asked for 90 to 110.\n"
    assert [seen.path for seen in server.seen] == ["/v1/drafts/draft_1/events"]


# Arguments.


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("write",), "say what is to be written, or name a file that does with --file"),
        (("write", " \n"), "say what is to be written, or name a file that does with --file"),
        (("write", "--file", "/nowhere.md"), "cannot read /nowhere.md: No such file or directory"),
        (
            ("write", "x", "--resume", "d"),
            "--resume takes a draft up as it is: without a prompt and --best-of",
        ),
        (
            ("write", "x", "--out", "/nowhere/draft.md"),
            "cannot write /nowhere/draft.md: No such file or directory",
        ),
        (
            ("write", "x", "--url", "here"),
            "'here' is no address of a server, such as http://127.0.0.1:8000",
        ),
    ],
)
def test_wrong_arguments_are_one_sentence_and_2(
    longhand: Run, argv: tuple[str, ...], sentence: str
) -> None:
    assert longhand(*argv) == (2, "", f"longhand: {sentence}.\n")


def test_a_brief_that_is_no_text_is_said_so(longhand: Run, tmp_path: Path) -> None:
    (tmp_path / "brief.md").write_bytes(b"\xff\xfe")
    code, _, err = longhand("write", "--file", str(tmp_path / "brief.md"))
    assert (code, err) == (2, f"longhand: {tmp_path}/brief.md is not UTF-8.\n")


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (("write", "x", "--words", "0"), "argument --words: 0 is not a number from 1 on"),
        (("write", "x", "--words", "many"), "argument --words: invalid"),
        (("write", "x", "--colour"), "unrecognized arguments: --colour"),
        (("drafts",), "the following arguments are required: action"),
        (("drafts", "rm"), "the following arguments are required: ID"),
    ],
)
def test_an_unknown_option_ends_with_2(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_help_lists_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(("write", "--help"))
    assert ended.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "130 left with Ctrl-C" in told


# A real server.


@pytest.mark.parametrize("drafts", ["off", "memory"])
def test_a_real_server_is_written_with_whether_it_keeps_drafts_or_not(
    longhand: Run, process: Any, tmp_path: Path, drafts: str
) -> None:
    url = process(LONGHAND_DRAFTS=drafts, LONGHAND_API_KEYS="k1").url()
    code, out, err = longhand("write", "Write it.", "--url", url, "--key", "k1")
    assert (code, err) == (0, "")
    assert out.startswith("# A Scripted Draft\n\nThis text comes from a script, ")
    assert longhand("write", "Write it.", "--url", url)[0] == 1
    code, listed, _ = longhand("drafts", "list", "--url", url, "--key", "k1")
    assert (code, listed.count("\tfinished\tchat\t")) == ((1, 0) if drafts == "off" else (0, 1))
    if drafts == "memory":
        draft_id = listed.split("\t")[0]
        for action in ("export", "resume"):
            given = ("drafts", action, draft_id, "--url", url, "--key", "k1")
            assert longhand(*given) == (0, out, "")
        assert longhand("drafts", "rm", draft_id, "--url", url, "--key", "k1") == (0, "", "")
        assert longhand("drafts", "list", "--url", url, "--key", "k1") == (0, "", "")
