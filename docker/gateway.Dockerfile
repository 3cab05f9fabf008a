# The gateway alone, in front of engines that run elsewhere: no torch, no vLLM, no compiler.
# How it is built, run and checked: docker/README.md. The context is the repository's root.

# A version; with "@sha256:..." behind it the build is the same for good (docker/README.md).
ARG PYTHON_IMAGE=python:3.11.15-slim-trixie

FROM ${PYTHON_IMAGE} AS build
# Times in the wheel and the archive; no file of the image then says when it was built.
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
# The environment has no pip of its own. Bytecode by hash of nothing: it holds no times, and on a
# read-only root Python could not write any later.
RUN python -m venv --without-pip /opt/longhand && \
    python -m pip --python /opt/longhand/bin/python install --no-cache-dir --no-compile -c constraints.txt dist/*.whl && \
    /opt/longhand/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/longhand/lib

FROM ${PYTHON_IMAGE}
ARG SOURCE_DATE_EPOCH=0
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="longhand-gateway" \
      org.opencontainers.image.description="OpenAI-compatible gateway that writes at length, in front of vLLM servers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/longhand/longhand" \
      org.opencontainers.image.documentation="https://github.com/longhand/longhand/blob/main/docker/README.md" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A number that is nobody's on the host; the only folder that it may write is its home.
RUN groupadd --gid 10001 longhand && \
    useradd --no-log-init --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/longhand --shell /usr/sbin/nologin longhand && \
    install -d -o 10001 -g 10001 -m 0750 /var/lib/longhand
COPY --from=build /usr/bin/tini-static /usr/local/bin/tini
COPY --from=build /opt/longhand /opt/longhand
COPY docker/probe.py /opt/longhand/probe.py
ENV PATH=/opt/longhand/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HOME=/var/lib/longhand/huggingface \
    LONGHAND_ENGINE=upstream \
    LONGHAND_HOST=0.0.0.0 \
    LONGHAND_PORT=8000 \
    LONGHAND_DRAFTS_PATH=/var/lib/longhand/drafts.sqlite
WORKDIR /var/lib/longhand
VOLUME /var/lib/longhand
EXPOSE 8000
USER 10001:10001
# SIGTERM begins the drain: drafts get LONGHAND_SHUTDOWN_GRACE_S, so stop with a longer time-out.
STOPSIGNAL SIGTERM
# Live, not ready: whoever replaces unhealthy containers must not end one that drains or waits.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "/opt/longhand/probe.py", "127.0.0.1:8000", "/health/live"]
# An init: a process 1 that has not yet said what SIGTERM means to it is deaf to it (signal(7)), and
# before it listens the gateway may wait for its engines for as long as they load.
ENTRYPOINT ["/usr/local/bin/tini", "--", "longhand"]
CMD ["serve"]
