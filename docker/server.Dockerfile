# The server with vLLM in its own process, on NVIDIA GPUs: vLLM's official image with Longhand beside it.
# How it is built, run and checked: docker/README.md. The context is the repository's root.

ARG PYTHON_IMAGE=python:3.11.15-slim-trixie
# The vLLM that pyproject.toml names in its extra `cuda`.
ARG VLLM_IMAGE=vllm/vllm-openai:v0.32.0

FROM ${PYTHON_IMAGE} AS build
ARG SOURCE_DATE_EPOCH=0
WORKDIR /src
# No version: Debian keeps no older build that could be asked for.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends tini && \
    rm -rf /var/lib/apt/lists/*
RUN python -m pip install --no-cache-dir setuptools==81.0.0
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY planner planner
COPY rewards rewards
COPY loadtest loadtest
COPY server server
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist .

FROM ${VLLM_IMAGE}
ARG SOURCE_DATE_EPOCH=0
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="longhand-server" \
      org.opencontainers.image.description="OpenAI-compatible server that writes at length, with vLLM in its process" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/longhand/longhand" \
      org.opencontainers.image.documentation="https://github.com/longhand/longhand/blob/main/docker/README.md" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /src/constraints.txt /opt/longhand-constraints.txt
COPY --from=build /src/dist /opt/longhand-dist
# An environment over the image's own. What Longhand needs by itself names neither vLLM nor torch,
# so pip has no cause to touch them, and what it does bring lies beside, not in place of, the image's.
RUN python3 -m venv --system-site-packages /opt/longhand && \
    /opt/longhand/bin/python -m pip install --no-cache-dir --no-compile -c /opt/longhand-constraints.txt /opt/longhand-dist/*.whl && \
    /opt/longhand/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/longhand/lib && \
    /opt/longhand/bin/python -c "import sys; from importlib.metadata import version; sys.exit(version('vllm') != '0.32.0')" && \
    install -d -o 2000 -g 0 -m 0775 /var/lib/longhand /home/vllm/.cache
COPY --from=build /usr/bin/tini-static /usr/local/bin/tini
COPY docker/probe.py /opt/longhand/probe.py
# All that is downloaded or compiled (vLLM, Triton, FlashInfer, CUDA) goes below one folder, which
# is a volume: a second container neither downloads nor compiles.
ENV PATH=/opt/longhand/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/home/vllm \
    HF_HOME=/home/vllm/.cache/huggingface \
    VLLM_CACHE_ROOT=/home/vllm/.cache/vllm \
    VLLM_CONFIG_ROOT=/home/vllm/.cache/vllm-config \
    TRITON_CACHE_DIR=/home/vllm/.cache/triton \
    CUDA_CACHE_PATH=/home/vllm/.cache/cuda \
    VLLM_NO_USAGE_STATS=1 \
    LONGHAND_ENGINE=vllm \
    LONGHAND_HOST=0.0.0.0 \
    LONGHAND_PORT=8000 \
    LONGHAND_MODEL=THU-KEG/LongWriter-Zero-32B \
    LONGHAND_DRAFTS_PATH=/var/lib/longhand/drafts.sqlite
WORKDIR /var/lib/longhand
VOLUME ["/home/vllm/.cache", "/var/lib/longhand"]
EXPOSE 8000
# vLLM's image has this user (`vllm`, of group 0) for running without root.
USER 2000:0
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "/opt/longhand/probe.py", "127.0.0.1:8000", "/health/live"]
# An init: vLLM's workers may outlive their own parents, and process 1 has to bury them; and a
# process 1 that has no handler yet is deaf to SIGTERM (signal(7)).
ENTRYPOINT ["/usr/local/bin/tini", "--", "longhand"]
CMD ["serve"]
