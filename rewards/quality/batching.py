"""Which inputs run through a model together: of like length, so that little is padded."""

from collections.abc import Sequence


def batches(lengths_tokens: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Places of the inputs, longest first, in batches of at most ``batch_tokens`` padded tokens.

    A batch costs its longest input times its size: lengths 10, 90, 100, 12 with 200 tokens a batch
    give [[2, 1], [3, 0]], 224 padded tokens instead of 400. An input longer than a batch is alone.
    """
    order = sorted(range(len(lengths_tokens)), key=lambda at: (-lengths_tokens[at], at))
    made: list[list[int]] = []
    for at in order:
        longest = lengths_tokens[made[-1][0]] if made else 0
        if made and longest * (len(made[-1]) + 1) <= batch_tokens:
            made[-1].append(at)
        else:
            made.append([at])
    return made
