# The service and the watch in one image: docker build -t ape .
# torch comes from its index of CPU builds, 200 MB instead of 3 GB: its version ends in +cpu, which pip takes for the newest.
# All versions are those that the tests run with.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
RUN python -m venv /opt/ape
COPY constraints.txt /src/
RUN /opt/ape/bin/pip install --no-cache-dir -c /src/constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu torch
COPY . /src/
RUN /opt/ape/bin/pip install --no-cache-dir -c /src/constraints.txt "/src[api]"

FROM python:${PYTHON}
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ape
COPY --from=build /opt/ape /opt/ape
# Small layers are slower on several threads. Caches go to /tmp, so that the rest may be read-only.
ENV PATH=/opt/ape/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /srv/ape
USER 10001:10001
EXPOSE 8400
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8400/health', timeout=5)"]
ENTRYPOINT ["ape"]
CMD ["--help"]
