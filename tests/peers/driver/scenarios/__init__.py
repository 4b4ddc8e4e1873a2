"""Every group of scenarios, in the order in which they run: Jaeger is stopped by the last one."""

from . import framing, servers, paths, clients, keycloak, approval, importing, cognito, management, tokens, mtls, tls, console, alerts, tracing  # noqa: F401
