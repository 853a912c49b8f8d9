# The agent's image: Node, the bundles, and a Debian that is as small as Debian's own image.
#
#   npm ci && npm run build
#   docker build -t REGISTRY/wasmlet:VERSION .          (or: buildah build -t …)
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/wasmlet:VERSION --push .
#
# Nothing is run in it, so images for other architectures need no emulation. docs/install.md tells of it.

# Where Node is taken from: its binary and the two libraries that a Debian need not have.
ARG NODE_IMAGE=docker.io/library/node:26-trixie-slim
# What the agent calls of it: nsenter, unshare, mount and umount, where it is root; perl starts hosts sooner.
ARG BASE_IMAGE=docker.io/library/debian:trixie-slim

FROM ${NODE_IMAGE} AS node

FROM ${BASE_IMAGE}
ARG VERSION=
LABEL org.opencontainers.image.title="wasmlet" \
      org.opencontainers.image.description="A Kubernetes node agent for WebAssembly" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# /usr/lib is where every loader looks, whatever the architecture.
COPY --from=node /usr/lib/*-linux-gnu/libstdc++.so.6 /usr/lib/*-linux-gnu/libatomic.so.1 /usr/lib/
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY dist /opt/wasmlet
# By number, so that a pod's runAsNonRoot can be decided. It writes to mounted folders alone.
USER 65532:65532
# Without a shell between: the agent is the first process and gets the signals itself.
ENTRYPOINT ["/usr/local/bin/node", "/opt/wasmlet/cli.mjs"]
CMD ["agent"]
