# An app with the gateway as a sidecar task:
#
#   consul kv put gateway/web/config @deploy/nomad/routes.yaml
#   nomad job run deploy/nomad/web.nomad.hcl
#
# docs/nomad.md tells what each part is for.
job "web" {
  group "web" {
    count = 2

    network {
      mode = "bridge" # the tasks share one loopback, which others do not reach
      port "http" {
        to = 8080
      }
    }

    # What others find in Consul is the gateway, not the app.
    service {
      name = "web"
      port = "http"
      check {
        type     = "tcp"
        interval = "2s"
        timeout  = "1s"
      }
    }

    # Between the end of the service in Consul and the end of the tasks.
    shutdown_delay = "5s"

    task "gateway" {
      driver = "docker"

      # It starts before the app, and stops after it.
      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        image = "ghcr.io/fabian4/gateway-homebrew-go:latest" # pin a version or a digest
      }

      env {
        GATEWAY_SERVICE  = "web"
        GATEWAY_INSTANCE = "${NOMAD_ALLOC_ID}"
        GATEWAY_APP      = "127.0.0.1:3000"
        # The agent of this node must listen on this address.
        CONSUL_HTTP_ADDR = "http://${attr.unique.network.ip-address}:8500"
        # shutdown_delay has done what the drain delay is for.
        GATEWAY_DRAIN_DELAY   = "0s"
        GATEWAY_DRAIN_TIMEOUT = "25s"
      }

      # With access control in Consul: a token of this task's own, as CONSUL_HTTP_TOKEN.
      # identity {
      #   name = "consul_default"
      #   aud  = ["consul.io"]
      # }

      # Longer than GATEWAY_DRAIN_TIMEOUT. Clients allow 30 s at most unless their
      # max_kill_timeout is raised.
      kill_timeout = "30s"

      resources {
        cpu    = 100
        memory = 128
      }
    }

    task "app" {
      driver = "docker"

      config {
        image = "hashicorp/http-echo:1.0"
        args  = ["-listen=127.0.0.1:3000", "-text=hello from the app"]
      }

      resources {
        cpu    = 50
        memory = 64
      }
    }
  }
}
