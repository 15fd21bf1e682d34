# Build: DuckDB comes as a static library inside its Go module, so a C++ toolchain is all that is needed.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=1 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/scratchdata . \
 && mkdir -p /out/data

# Run: no shell, no package manager, not root.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/scratchdata /usr/local/bin/scratchdata
COPY --from=build --chown=nonroot:nonroot /out/data /data
ENV SCRATCH_API_HOST=0.0.0.0 \
    SCRATCH_API_PORT=8080 \
    SCRATCH_DATA_DIR=/data
# The key: set SCRATCH_DESTINATIONS_0_API_KEYS when the container is started. Without it the key is "local".
EXPOSE 8080 2112
VOLUME /data
USER nonroot:nonroot
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["/usr/local/bin/scratchdata", "health"]
ENTRYPOINT ["/usr/local/bin/scratchdata"]
