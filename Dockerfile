# syntax=docker/dockerfile:1
# The gateway's image: one executable and its bill of materials, no shell, no package manager, not root. Built the same way twice it is the same
# (docs/release.md): a release names both images below by their digests.
ARG BUILDER=rust:1.95-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER} AS builder
# cmake and a C compiler: zlib-ng and SQLite are compiled from source. Python writes the bill of materials.
RUN apt-get update && apt-get install -y --no-install-recommends cmake python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# The time of the last commit, for what writes a time into what it makes.
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}
# No path of the machine that builds stands in the executable, whether Rust or C put it there.
ENV RUSTFLAGS="--remap-path-prefix=/source=/gateway --remap-path-prefix=/usr/local/cargo=/cargo" \
    CFLAGS="-ffile-prefix-map=/source=/gateway -ffile-prefix-map=/usr/local/cargo=/cargo -Wdate-time" \
    CARGO_INCREMENTAL=0
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --release --locked && cp target/release/dcr-gateway /dcr-gateway && deploy/sbom "$(rustc -vV | sed -n 's/^host: //p')" > /sbom.cdx.json
# Mounted volumes take over the owner of the directory they cover.
RUN mkdir /data

FROM ${RUNTIME}
COPY --from=builder /dcr-gateway /usr/local/bin/dcr-gateway
COPY --from=builder /sbom.cdx.json /usr/share/doc/dcr-gateway/sbom.cdx.json
COPY --from=builder --chown=nonroot:nonroot /data /var/lib/dcr-gateway
WORKDIR /var/lib/dcr-gateway
USER nonroot
EXPOSE 8080 8443
ENTRYPOINT ["/usr/local/bin/dcr-gateway"]
CMD ["serve", "--config", "/etc/dcr-gateway/config.yaml"]
