# The image of a gateway: locked dependencies, one account without rights, nothing written outside /data.
# Build: docker build -t apiconduit:0.1.0 .

FROM python:3.13.9-slim-bookworm AS build
WORKDIR /app
COPY requirements/setup.txt requirements/runtime.txt requirements/
RUN python -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/setup.txt \
 && .venv/bin/uv pip sync --no-cache --python .venv/bin/python --require-hashes requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY policy policy
COPY vault vault
COPY store store
COPY addons addons
COPY console console
COPY conduit conduit
COPY config config
# The program runs optimised; its bytecode is made here, since the root file system is read-only later.
RUN .venv/bin/uv pip install --no-cache --python .venv/bin/python --no-deps --no-build-isolation --editable . \
 && .venv/bin/python -m pip uninstall --yes --quiet uv \
 && .venv/bin/python -m compileall -q -o 0 -o 1 policy vault store addons console conduit

FROM python:3.13.9-slim-bookworm
RUN groupadd --system --gid 10001 conduit \
 && useradd --system --uid 10001 --gid conduit --no-create-home --home-dir /nonexistent conduit \
 && install -d -m 0700 -o conduit -g conduit /data
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    CONDUIT_DATA=/data \
    CONDUIT_CONFIG=/app/config/conduit.yaml \
    CONDUIT_LISTEN__PROXY=0.0.0.0:8080 \
    CONDUIT_LISTEN__GATEWAY=0.0.0.0:8081 \
    CONDUIT_LISTEN__TRANSPARENT=0.0.0.0:8082 \
    CONDUIT_LISTEN__CONSOLE=0.0.0.0:8090
WORKDIR /app
USER conduit
VOLUME /data
EXPOSE 8080 8081 8082 8090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8090/healthz/ready', timeout=4)"]
ENTRYPOINT ["conduit"]
CMD ["up"]
