"""Every group of scenarios, in the order in which they run: Jaeger is stopped by the last one."""

from . import framing, servers, paths, clients, keycloak, approval, cognito, management, tokens, mtls, console, tracing  # noqa: F401
