# syntax=docker/dockerfile:1
# The gateway's image: one executable, no shell, no package manager, not root.
FROM rust:1.95-bookworm AS builder
# cmake and a C compiler: zlib-ng and SQLite are compiled from source.
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --release --locked && cp target/release/dcr-gateway /dcr-gateway
# Mounted volumes take over the owner of the directory they cover.
RUN mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=builder /dcr-gateway /usr/local/bin/dcr-gateway
COPY --from=builder --chown=nonroot:nonroot /data /var/lib/dcr-gateway
WORKDIR /var/lib/dcr-gateway
USER nonroot
EXPOSE 8080 8443
ENTRYPOINT ["/usr/local/bin/dcr-gateway"]
CMD ["serve", "--config", "/etc/dcr-gateway/config.yaml"]
