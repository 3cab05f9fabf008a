# The server with vLLM's CPU build and the bundled pocket model: no GPU, no download; for trying out.
# How it is built, run and checked: docker/README.md. The context is the repository's root.

ARG PYTHON_IMAGE=python:3.11.15-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ARG SOURCE_DATE_EPOCH=0
# PyPI's torch for Linux is the CUDA build; the CPU build lies on PyTorch's own index.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /src
RUN python -m pip install --no-cache-dir setuptools==81.0.0
# The engine before our own files: its layer is built anew only when a pin changes.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN python -m venv --without-pip /opt/longhand && \
    python -m pip --python /opt/longhand/bin/python install --no-cache-dir --no-compile -c constraints.txt --extra-index-url ${TORCH_INDEX} torch==2.13.0+cpu
COPY planner planner
COPY rewards rewards
COPY loadtest loadtest
COPY server server
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist .
# As `make install-cpu`: torchvision and its like do not load beside CPU torch, and vLLM imports
# them if they are there. Not compiled: torch's tests, some of which need a later Python.
RUN python -m pip --python /opt/longhand/bin/python install --no-cache-dir --no-compile -c constraints.txt --find-links dist 'longhand[cpu]' && \
    python -m pip --python /opt/longhand/bin/python uninstall -y torchvision torchaudio torchcodec && \
    /opt/longhand/bin/python -m compileall -q -j 0 -x /torch/testing/ --invalidation-mode unchecked-hash /opt/longhand/lib

FROM ${PYTHON_IMAGE}
ARG SOURCE_DATE_EPOCH=0
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="longhand-cpu" \
      org.opencontainers.image.description="OpenAI-compatible server that writes at length, with a small model on the CPU" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/longhand/longhand" \
      org.opencontainers.image.documentation="https://github.com/longhand/longhand/blob/main/docker/README.md" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# libnuma1: vLLM's CPU kernels are linked against it. tini: see ENTRYPOINT.
# No versions: Debian keeps no older builds that could be asked for.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends libnuma1 tini && \
    rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/ldconfig/aux-cache && \
    groupadd --gid 10001 longhand && \
    useradd --no-log-init --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/longhand --shell /usr/sbin/nologin longhand && \
    install -d -o 10001 -g 10001 -m 0750 /var/lib/longhand
COPY --from=build /opt/longhand /opt/longhand
COPY docker/probe.py /opt/longhand/probe.py
ENV PATH=/opt/longhand/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/longhand \
    HF_HOME=/var/lib/longhand/huggingface \
    VLLM_NO_USAGE_STATS=1 \
    LONGHAND_ENGINE=vllm \
    LONGHAND_HOST=0.0.0.0 \
    LONGHAND_PORT=8000 \
    LONGHAND_MODEL=pocket \
    LONGHAND_DRAFTS_PATH=/var/lib/longhand/drafts.sqlite
WORKDIR /var/lib/longhand
VOLUME /var/lib/longhand
EXPOSE 8000
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "/opt/longhand/probe.py", "127.0.0.1:8000", "/health/live"]
# An init: vLLM's workers may outlive their own parents, and process 1 has to bury them; and a
# process 1 that has no handler yet is deaf to SIGTERM (signal(7)).
ENTRYPOINT ["/usr/bin/tini", "--", "longhand"]
CMD ["serve"]
