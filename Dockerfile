# The course with PyTorch's CPU build. By itself, with the token that JupyterLab prints, or one of your own:
#     docker build -t nonlin .
#     docker run --rm -p 8888:8888 -v nonlin-home:/home/jovyan nonlin
#     docker run --rm -p 8888:8888 -e JUPYTER_TOKEN=secret nonlin
# On a hub, DockerSpawner and KubeSpawner start jupyterhub-singleuser in it (build with --build-arg HUB=VERSION).
FROM python:3.13-slim-bookworm

ARG NB_USER=jovyan
ARG NB_UID=1000
ARG HUB=""

RUN useradd --create-home --uid "${NB_UID}" --shell /bin/bash "${NB_USER}"

ENV PIP_NO_CACHE_DIR=1 \
    NONLIN_TORCH=cpu \
    JUPYTER_PORT=8888 \
    JUPYTER_CONFIG_PATH=/opt/nonlin/jupyter

WORKDIR /opt/nonlin
COPY requirements-cpu.txt pyproject.toml setup.py requirements.in README.md LICENSE ./
COPY src src
COPY data/results data/results
RUN pip install --requirement requirements-cpu.txt --extra-index-url https://download.pytorch.org/whl/cpu \
    && if [ -n "${HUB}" ]; then pip install "jupyterhub==${HUB}" nbgitpuller==1.3.0; fi
COPY . .

# The course is read-only; what a learner makes lies in the home, which a volume keeps.
USER ${NB_USER}
ENV NONLIN_RUNS=/home/${NB_USER}/runs \
    NONLIN_WORK=/home/${NB_USER}/work
WORKDIR /home/${NB_USER}
EXPOSE ${JUPYTER_PORT}
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser"]
