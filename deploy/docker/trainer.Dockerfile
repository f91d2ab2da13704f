# The trainer service: corpora and models to fine-tuned models. Build from the repository's root:
#   docker build -f deploy/docker/trainer.Dockerfile -t babelscope-trainer .
#
# Any Python 3.11 on Debian. For builds that can be repeated, name it with its digest: docs/deploy.md has the commands.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE} AS build
# Without TORCH_INDEX the package index's own build of PyTorch is installed, which on Linux carries CUDA. For a small image
# without it, or for another CUDA, name the index that PyTorch's install page gives: --build-arg TORCH_INDEX=URL
ARG TORCH_INDEX=
WORKDIR /src
RUN python -m venv /venv
COPY pyproject.toml requirements.lock README.md ./
COPY clients clients
RUN --mount=type=cache,target=/root/.cache/pip \
    /venv/bin/pip install --disable-pip-version-check --constraint requirements.lock \
        ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
        'torch==2.13.0' '.[trainer,word2vec,postgres,s3,otel,ray-cluster]'

FROM ${PYTHON_IMAGE}
# Caches, scratch, the store and temporary files are the only places written to; mount them where the root is read-only.
RUN groupadd --gid 65532 babelscope \
    && useradd --uid 65532 --gid babelscope --create-home --home-dir /home/babelscope babelscope \
    && install --directory --owner babelscope --group babelscope /cache /scratch /store
COPY --from=build /venv /venv
WORKDIR /app
COPY clients clients
COPY services/__init__.py services/__init__.py
COPY services/runtime services/runtime
COPY services/models services/models
COPY services/trainer services/trainer
# The root is read-only where it runs: what is not compiled here, every process would compile anew.
RUN python -m compileall -q /app
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app:/app/clients \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_CACHE_HOME=/cache \
    HF_HOME=/cache/huggingface \
    BABELSCOPE_STORE_URL=/store
USER 65532:65532
EXPOSE 50054 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=600s \
    CMD ["python", "-m", "services.runtime.probe", "50054"]
CMD ["python", "-m", "services.trainer"]
