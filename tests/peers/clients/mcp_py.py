"""PyPI mcp: its OAuthClientProvider, up to the browser's redirect.   mcp_py.py MCP_URL"""

import asyncio
import json
import sys

import httpx2 as httpx
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.shared.auth import OAuthClientMetadata


class Redirected(Exception):
    pass


class Memory(TokenStorage):
    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


async def main(url):
    memory, authorize = Memory(), []

    async def redirect(to):
        authorize.append(to)
        raise Redirected

    async def callback():
        raise Redirected

    metadata = OAuthClientMetadata(client_name="mcp for Python", redirect_uris=["http://localhost:8091/callback"])
    provider = OAuthClientProvider(server_url=url, storage=memory, redirect_handler=redirect, callback_handler=callback, client_metadata=metadata)
    async with httpx.AsyncClient(auth=provider) as client:
        try:
            await client.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        except Redirected:
            pass
    print(json.dumps({"client": memory.client.model_dump(mode="json", exclude_none=True), "authorize": authorize[0]}))


asyncio.run(main(sys.argv[1]))
