// npm @modelcontextprotocol/sdk 1.x, up to the browser's redirect.   node mcp_sdk_v1.mjs MCP_URL
import { auth } from '@modelcontextprotocol/sdk/client/auth.js';
import { connect } from './mcp_provider.mjs';

await connect(auth, process.argv[2], 'MCP SDK 1.x');
