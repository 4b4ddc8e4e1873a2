// What both generations of the MCP SDK for TypeScript ask of an application: a provider that remembers, and the first request that is answered 401.
export async function connect(auth, serverUrl, client_name) {
  let information, verifier, authorize, discovery;
  const redirect = 'http://localhost:8090/callback';
  const provider = {
    redirectUrl: redirect,
    clientMetadata: { client_name, redirect_uris: [redirect], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], token_endpoint_auth_method: 'none' },
    clientInformation: () => information, saveClientInformation: (i) => { information = i; },
    tokens: () => undefined, saveTokens() {},
    redirectToAuthorization: (url) => { authorize = url; },
    saveCodeVerifier: (v) => { verifier = v; }, codeVerifier: () => verifier,
    saveDiscoveryState: (s) => { discovery = s; }, discoveryState: () => discovery,
  };
  const first = await fetch(serverUrl, { method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }, body: '{"jsonrpc":"2.0","id":1,"method":"ping"}' });
  const challenge = first.headers.get('www-authenticate') ?? '';
  const said = (name) => new RegExp(`${name}="([^"]+)"`).exec(challenge)?.[1];
  const result = await auth(provider, { serverUrl, resourceMetadataUrl: new URL(said('resource_metadata')), scope: said('scope') });
  console.log(JSON.stringify({ result, client: information, authorize: String(authorize) }));
}
