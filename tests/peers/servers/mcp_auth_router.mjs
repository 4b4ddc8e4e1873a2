// The MCP SDK's own authorization server (mcpAuthRouter): RFC 7591 only, and it limits registrations by itself: 429 after LIMIT per hour.
//   PORT=… ISSUER=… LIMIT=… node mcp_auth_router.mjs
import express from 'express';
import { mcpAuthRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';

const { PORT, ISSUER, LIMIT } = process.env;
const clients = new Map();
const provider = {
  clientsStore: {
    getClient: (id) => clients.get(id),
    registerClient: (client) => (clients.set(client.client_id, client), client),
  },
  async authorize(_client, params, res) { res.redirect(`${params.redirectUri}?code=test`); },
  async challengeForAuthorizationCode() { return 'x'; },
  async exchangeAuthorizationCode() { return { access_token: 't', token_type: 'Bearer' }; },
  async exchangeRefreshToken() { return { access_token: 't', token_type: 'Bearer' }; },
  async verifyAccessToken() { throw new Error('not in use'); },
};
const rateLimit = { windowMs: 3_600_000, max: Number(LIMIT), validate: false };
const app = express();
app.use(mcpAuthRouter({ provider, issuerUrl: new URL(ISSUER), scopesSupported: ['mcp:tools'], clientRegistrationOptions: { rateLimit, clientSecretExpirySeconds: 86_400 } }));
app.listen(Number(PORT), '127.0.0.1', () => console.log(`mcpAuthRouter ${ISSUER}`));
