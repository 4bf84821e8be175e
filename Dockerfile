# One image for every process: `nextclick` and its verb. No torch, no compiler, no root.
#
# Build:  docker build --tag nextclick .
# Run:    docker compose up, or docs/deployment.md

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /src

# What changes seldom comes first, so that a change of ours does not fetch every package again.
COPY requirements/build.txt requirements/base.txt requirements/
RUN python -m pip install --require-hashes --requirement requirements/build.txt
RUN python -m venv --without-pip /opt/nextclick
RUN python -m uv pip install --python /opt/nextclick/bin/python --compile-bytecode --require-hashes --requirement requirements/base.txt

COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY serving serving
COPY stream stream
COPY training training
COPY nextclick nextclick
RUN python -m uv build --wheel --no-build-isolation --python python --out-dir /dist
RUN python -m uv pip install --python /opt/nextclick/bin/python --compile-bytecode --no-deps /dist/*.whl

FROM python:3.12-slim-bookworm
# Compiled kernels are kept there, and only there does anything write. They are run as they are found, so nobody else
# may write them.
RUN groupadd --gid 10001 nextclick \
    && useradd --uid 10001 --gid nextclick --no-create-home --shell /usr/sbin/nologin nextclick \
    && install --directory --owner=nextclick --group=nextclick --mode=0700 /var/cache/nextclick
COPY --from=build /opt/nextclick /opt/nextclick
ENV PATH=/opt/nextclick/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/cache/nextclick \
    NEXTCLICK_METRICS_HOST=0.0.0.0 \
    NEXTCLICK_METRICS_PORT=9100
USER 10001:10001
EXPOSE 8080 9100
# A first start compiles for a minute or two; /live answers before that, but only once Kafka and Redis do.
HEALTHCHECK --interval=10s --timeout=5s --start-period=180s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"NEXTCLICK_METRICS_PORT\"]}/live', timeout=4)"]
ENTRYPOINT ["nextclick"]
CMD ["stream"]
