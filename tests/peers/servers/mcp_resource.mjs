// A stand-in for an MCP server: 401 with the metadata of RFC 9728, which is where every MCP client begins. Real is what comes after.
//   PORT=… node mcp_resource.mjs        /as/<issuer, URL-encoded>/mcp is a resource of that issuer
import http from 'node:http';

const { PORT } = process.env;
const self = `http://127.0.0.1:${PORT}`;
const scopes = (process.env.SCOPES ?? 'openid mcp:tools').split(' ');
http.createServer((req, res) => {
  const json = (status, body, headers = {}) => { res.writeHead(status, { 'content-type': 'application/json', ...headers }); res.end(JSON.stringify(body)); };
  const [, issuer] = /^\/(?:\.well-known\/oauth-protected-resource\/)?as\/([^/]+)\/mcp$/.exec(req.url) ?? [];
  if (!issuer) return json(404, { error: 'not_found' });
  const resource = `${self}/as/${issuer}/mcp`, metadata = `${self}/.well-known/oauth-protected-resource/as/${issuer}/mcp`;
  if (req.url.startsWith('/.well-known/')) return json(200, { resource, authorization_servers: [decodeURIComponent(issuer)], scopes_supported: scopes });
  json(401, { error: 'invalid_token' }, { 'www-authenticate': `Bearer realm="mcp", resource_metadata="${metadata}", scope="${scopes.join(' ')}"` });
}).listen(Number(PORT), '127.0.0.1', () => console.log(`mcp resource ${self}`));
