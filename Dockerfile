# One image for all roles: `triage serve`. Build with --build-arg RUNTIME=gpu for CUDA 13 hosts. No torch inside.
FROM python:3.11-slim-bookworm AS build
ARG RUNTIME=cpu
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY triage triage
COPY training training
RUN python -m venv /opt/triage \
    && /opt/triage/bin/pip install --no-cache-dir -c constraints.txt ".[${RUNTIME}]"

FROM python:3.11-slim-bookworm
# DejaVu: names in the change record and the summary in letters beyond Latin.
RUN apt-get update && apt-get install -y --no-install-recommends fonts-dejavu-core && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/triage triage
COPY --from=build /opt/triage /opt/triage
COPY models /opt/triage/models
COPY LICENSE /opt/triage/
COPY deploy/container.toml /etc/triage/triage.toml
ENV PATH=/opt/triage/bin:$PATH
USER triage
WORKDIR /var/lib/triage
VOLUME /var/lib/triage
EXPOSE 11112 2762 8080
HEALTHCHECK --start-period=20s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/api/v1/health', timeout=3)"]
CMD ["triage", "serve", "--config", "/etc/triage/triage.toml"]
