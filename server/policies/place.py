"""Where an answer stands in its outline, as a value. It must not decide anything."""

from dataclasses import dataclass, replace

from server.policies.extend import Closer
from server.policies.headings import Heading


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the text stands.

    section: 0 before the first one; beyond the outline's count where the model goes on.
    matched: the last section that was certainly met, by number or title.
    start_words, share: the words before this section's heading, and those that it is to have.
    shift: how many sections the headings' own numbers lag behind the outline's.
    form: a heading of this text, for others to look like.
    bare_headings: headings in a row that open no section, with no text between them.
    """

    section: int = 0
    matched: int = 0
    start_words: int = 0
    share: int = 0
    shift: int = 0
    form: Heading | None = None
    paragraphs: int = 0
    paragraph_words: int = 0
    paragraph_start_words: int = 0
    bare_headings: int = 0
    closer: Closer | None = None

    @property
    def usual_words(self) -> float:
        """Words of a paragraph as this text writes them; 0 before the first has ended."""
        return self.paragraph_words / max(1, self.paragraphs)

    def entered(self, section: int, heading: Heading, words: int, share: int) -> "Place":
        """The place once a section has begun with its heading, after ``words`` words."""
        label = heading.label
        return replace(
            self,
            section=section,
            start_words=words,
            share=share,
            shift=self.shift if label is None else section - label.number,
            form=heading if self.form is None or not heading.closes else self.form,
            paragraph_start_words=words,
            bare_headings=0,
            closer=None,
        )

    def after_paragraph(self, words: int) -> "Place":
        """The place once a paragraph has ended after ``words`` words of the text."""
        return replace(
            self,
            paragraphs=self.paragraphs + 1,
            paragraph_words=self.paragraph_words + words - self.paragraph_start_words,
            paragraph_start_words=words,
        )
