"""What servers say of their load."""

import pytest

from server.engine.upstream.prometheus import load_of
from server.engine.upstream.replica import Load

VLLM = """
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="it"} 3.0
vllm:num_requests_running{engine="1",model_name="it"} 1.0
vllm:num_requests_waiting{engine="0",model_name="it"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 9.0
vllm:kv_cache_usage_perc{engine="0",model_name="it"} 0.2
vllm:kv_cache_usage_perc{engine="1",model_name="it"} 0.4
vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="100"} 1.0
vllm:cache_config_info{block_size="16",engine="1",num_gpu_blocks="100"} 1.0
vllm:e2e_request_latency_seconds_bucket{le="0.3"} 7.0
"""
SGLANG = """
sglang:num_running_reqs{model_name="it"} 8
sglang:num_queue_reqs{model_name="it"} 4
sglang:token_usage{model_name="it"} 0.52
sglang:max_total_num_tokens{model_name="it"} 100000
"""


def test_the_engines_of_one_vllm_server_are_added_up() -> None:
    load = load_of(VLLM)
    assert load.kv_usage == pytest.approx(0.3)
    assert (load.running, load.waiting, load.kv_capacity_tokens) == (4, 2, 3_200)


def test_a_cache_that_is_not_laid_out_yet_has_no_size() -> None:
    told = 'vllm:cache_config_info{block_size="16",num_gpu_blocks="None"} 1.0\n'
    assert load_of(told).kv_capacity_tokens is None


def test_other_servers_are_understood_too() -> None:
    assert load_of(SGLANG) == Load(kv_usage=0.52, running=8, waiting=4, kv_capacity_tokens=100_000)
    llamacpp = "llamacpp:requests_processing 2\nllamacpp:requests_deferred 1\n"
    assert load_of(llamacpp) == Load(running=2, waiting=1)


def test_a_server_without_such_metrics_tells_nothing() -> None:
    assert load_of("process_cpu_seconds_total 12.0\n") == Load()


def test_what_are_no_metrics_is_an_error() -> None:
    with pytest.raises(ValueError):
        load_of('vllm:kv_cache_usage_perc{engine="0"} a lot\n')
