"""The values that cross the engine contract."""

from server.engine.base import NOTHING_WRITTEN, Job, Passage, Sampling
from server.engine.log import Log


def test_a_log_is_the_text_and_ids_appended_to_it() -> None:
    log = Log()
    assert log.script() == NOTHING_WRITTEN
    log.append("One", (1,), 1)
    log.append(" two", (2, 3), 2)
    assert log.script() == Passage(text="One two", token_ids=(1, 2, 3), num_tokens=3)


def test_ids_once_lost_are_gone_for_good() -> None:
    log = Log()
    log.append("One", (1,), 1)
    log.append(" two", None, 2)
    log.append(" three", (4,), 1)
    log.append(" four", None, 1)
    assert log.script() == Passage(text="One two three four", token_ids=None, num_tokens=5)


def test_a_job_goes_on_as_it_was_but_for_what_is_written() -> None:
    written = Passage(text="One", token_ids=(1,), num_tokens=1)
    job = Job(
        id="a",
        prompt=Passage(text="Write.", token_ids=(9,), num_tokens=1),
        written=NOTHING_WRITTEN,
        sampling=Sampling(temperature=0.6, top_p=0.95, seed=7),
        max_tokens=10,
        stop=("x",),
        priority=2,
    )
    after = job.after(written, max_tokens=9)
    assert (after.written, after.max_tokens) == (written, 9)
    assert after.after(NOTHING_WRITTEN, max_tokens=10) == job


def test_the_last_id_can_be_taken_off_a_log_and_a_log_without_ids_has_none() -> None:
    log = Log()
    log.append("One.", (1, 2, 3), 3)
    log.drop_last_id()
    assert log.script() == Passage(text="One.", token_ids=(1, 2), num_tokens=2)
    log.append(" Two.", None, 2)
    log.drop_last_id()
    assert log.script() == Passage(text="One. Two.", token_ids=None, num_tokens=4)
