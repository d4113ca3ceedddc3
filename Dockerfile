# syntax=docker/dockerfile:1

FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH
# The version comes from the checkout's tags, which is why .git is in the context.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    install -d -m 700 /out/state && CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -o /out/gateway .

# No shell, no user database, no package manager: one binary, and the public
# certificate authorities for `tls` towards upstreams and Consul.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/gateway /usr/local/bin/gateway
# For GATEWAY_STATE_DIR: a volume that is mounted here begins with this owner and mode.
COPY --from=build --chown=65532:65532 --chmod=700 /out/state /var/lib/gateway
# So that probes and `docker exec` find it by its name under every runtime.
ENV PATH=/usr/local/bin
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["gateway", "status"]
ENTRYPOINT ["gateway"]
