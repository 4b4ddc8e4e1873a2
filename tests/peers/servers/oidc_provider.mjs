// An OpenID provider (npm oidc-provider), in memory, on loopback: RFC 7591 and 7592.
//   PORT=… ISSUER=<the gateway's public URL> [ROTATE=0] node oidc_provider.mjs
// With every change it gives out another management token and takes the old one back, unless ROTATE is 0.
// Registration is open here: it is the peer that has no credential of the gateway's own.
import http from 'node:http';
import { Provider } from 'oidc-provider';

const { PORT, ISSUER } = process.env;
const provider = new Provider(ISSUER, {
  cookies: { keys: ['test-only-key'] },
  clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  scopes: ['openid', 'offline_access', 'profile', 'email', 'mcp:tools'],
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    registration: { enabled: true, initialAccessToken: process.env.INITIAL_ACCESS_TOKEN ?? false },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: process.env.ROTATE !== '0' },
  },
});
provider.on('server_error', (_ctx, error) => console.error('server_error', error));
http.createServer(provider.callback()).listen(Number(PORT), '127.0.0.1', () => console.log(`oidc-provider ${ISSUER}`));
