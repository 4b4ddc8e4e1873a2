// npm openid-client: discovers and registers, public; then registers what must be refused.   node openid_client.mjs ISSUER [INITIAL_ACCESS_TOKEN]
import * as client from 'openid-client';

const [, , issuer, initialAccessToken] = process.argv;
const options = { execute: [client.allowInsecureRequests], initialAccessToken };
const register = (metadata) => client.dynamicClientRegistration(new URL(issuer), metadata, client.None(), options);
const registered = await register({ client_name: 'openid-client', redirect_uris: ['http://127.0.0.1:8765/callback'], token_endpoint_auth_method: 'none', application_type: 'native' });
let refusal = {};
try {
  await register({ client_name: 'openid-client', redirect_uris: ['javascript:alert(1)'], token_endpoint_auth_method: 'none' });
} catch (e) {
  refusal = { refusal_status: e.status, refusal_error: e.error, refusal_description: e.error_description };
}
console.log(JSON.stringify({ client: registered.clientMetadata(), ...refusal }));
