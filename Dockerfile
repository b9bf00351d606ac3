# One image per service: docker build --build-arg SERVICE=booking -t scrimline/booking .
# SERVICE is accounts, coaches, booking, payments, notifications, scheduler, gateway, or
# local: the Stripe double and the mailbox, for demonstrations.

FROM python:3.11-slim-bookworm AS packages
COPY requirements-image.lock /
RUN python -m venv --without-pip /venv \
 && pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary=:all: -r /requirements-image.lock

FROM packages AS code
ARG SERVICE
COPY . /source
WORKDIR /app
# /app holds shared/ and that one service; /app/start is `python -m <its module> "$@"`.
RUN set -eu; \
    cp -r /source/shared /app/; \
    case "$SERVICE" in \
    accounts|coaches|booking|payments|notifications|scheduler) \
        module="services.$SERVICE.app \"\$@\""; \
        mkdir services; \
        cp -r /source/services/__init__.py "/source/services/$SERVICE" services/ ;; \
    gateway) \
        module="gateway.app \"\$@\""; \
        cp -r /source/gateway /app/ ;; \
    local) \
        module="local.\"\$@\""; \
        mkdir local; \
        cp -r /source/local/__init__.py /source/local/stripe /source/local/mailbox local/; \
        pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check \
            --require-hashes --only-binary=:all: -r /source/requirements-image-local.lock ;; \
    *) \
        echo "SERVICE must name a service, gateway or local, not '$SERVICE'" >&2; exit 1 ;; \
    esac; \
    printf '#!/bin/sh\nexec python -m %s\n' "$module" > start; \
    chmod 755 start; \
    /venv/bin/python -m compileall -q /app

FROM python:3.11-slim-bookworm
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore pip setuptools wheel \
 && groupadd --gid 10001 scrimline \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp \
            --shell /usr/sbin/nologin scrimline
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000
COPY --from=code /venv /venv
COPY --from=code /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health/live', timeout=4)"]
ENTRYPOINT ["/app/start"]
CMD ["serve"]
