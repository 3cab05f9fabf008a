"""Arithmetic of model memory."""

from dataclasses import replace

from server.memory import GIB, Shape, kv_bytes_of_window, kv_bytes_per_token, num_parameters

QWEN_32B = Shape(
    layers=64,
    hidden=5120,
    intermediate=27648,
    heads=40,
    kv_heads=8,
    head_dim=128,
    vocabulary=152064,
    tied=False,
)


def test_the_parameters_of_qwen_32b_are_its_worked_number() -> None:
    assert num_parameters(QWEN_32B) == 32_763_876_352


def test_tied_embeddings_are_counted_once() -> None:
    tied = num_parameters(replace(QWEN_32B, tied=True))
    assert num_parameters(QWEN_32B) - tied == 152064 * 5120


def test_a_token_of_qwen_32b_takes_256_kib_of_kv_cache() -> None:
    assert kv_bytes_per_token(QWEN_32B) == 262_144 == 256 * 1024
    assert kv_bytes_per_token(QWEN_32B, bytes_per_value=1) == 128 * 1024


def test_a_window_of_qwen_32b_takes_8_gib_of_kv_cache() -> None:
    assert kv_bytes_of_window(QWEN_32B, 32_768) == 8 * GIB
    assert kv_bytes_of_window(QWEN_32B, 32_768, bytes_per_value=1) == 4 * GIB


def test_sliding_layers_keep_their_own_window_only() -> None:
    sliding = replace(QWEN_32B, sliding_window_tokens=1024)
    assert kv_bytes_of_window(sliding, 32_768) == 1024 * 262_144
    assert kv_bytes_of_window(sliding, 100) == 100 * 262_144
