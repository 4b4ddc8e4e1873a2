// npm @modelcontextprotocol/client 2.x, up to the browser's redirect.   node mcp_client_v2.mjs MCP_URL
import { auth } from '@modelcontextprotocol/client';
import { connect } from './mcp_provider.mjs';

await connect(auth, process.argv[2], 'MCP client 2.x');
