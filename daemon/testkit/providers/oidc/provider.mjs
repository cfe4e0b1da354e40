// A real identity provider, which nobody here has written, for provider_test.go:
// oidc-provider with a public client, device login (RFC 8628), rotation with
// reuse detection, and revocation (RFC 7009).
//
//	node provider.mjs ISSUER CLIENT_ID
//
// ISSUER is the address of the proxy in front of it. It prints its own port, then
// one line for each line that it reads: an object that says what to do.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import readline from "node:readline";
import Provider from "oidc-provider";
import MemoryAdapter from "oidc-provider/lib/adapters/memory_adapter.js";

console.info = console.error; // its notices: standard output is the answers'
const [issuer, clientId] = process.argv.slice(2);
let lifetime = 3600; // of access tokens, in seconds
let grace = 0; // how long a spent refresh token is still good, in milliseconds
let keys = []; // the newest first: it signs
let reused = 0; // spent tokens that were presented
const grants = new Set();

// All instances share the memory of this module, as they would share a database.
class Adapter extends MemoryAdapter {
  async consume(id) {
    if (grace === 0) return super.consume(id);
    setTimeout(() => super.consume(id).catch(() => {}), grace).unref(); // its grant may be gone by then
  }
}

const kinds = {
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ES384: () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
};

// sign goes on as an operator's restart with other keys does: a new instance over
// the same memory. A kid that is in use already names the new key from now on.
function sign(alg, kid) {
  const key = { ...kinds[alg]().privateKey.export({ format: "jwk" }), use: "sig", alg, kid };
  keys = [key, ...keys.filter((other) => other.kid !== kid)];
  const provider = new Provider(issuer, {
    adapter: Adapter,
    jwks: { keys },
    enabledJWA: { idTokenSigningAlgValues: Object.keys(kinds) },
    cookies: { keys: ["provider-test"] },
    clients: [{
      client_id: clientId, token_endpoint_auth_method: "none", redirect_uris: [], response_types: [],
      grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
      id_token_signed_response_alg: alg,
    }],
    claims: { openid: ["sub"], profile: ["name"], email: ["email"] },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, name: "Ann Example", email: "ann@example.com" }) }),
    rotateRefreshToken: true,
    ttl: { AccessToken: () => lifetime, DeviceCode: 600, RefreshToken: 86400, Grant: 86400, IdToken: 3600, Interaction: 600, Session: 600 },
    features: {
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      userinfo: { enabled: false }, // then the ID token says who it is
      // Access tokens are JWTs, as fal's are.
      resourceIndicators: {
        enabled: true,
        defaultResource: () => "https://fal.example",
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: "", audience: "fal-cloud", accessTokenTTL: lifetime, accessTokenFormat: "jwt", jwt: { sign: { alg } },
        }),
      },
    },
  });
  provider.proxy = true;
  provider.use(async (ctx, next) => {
    await next();
    // It names no interval, and RFC 8628 §3.2 then means 5 s.
    if (ctx.oidc?.route === "device_authorization" && ctx.status === 200) ctx.body.interval = 1;
  });
  provider.on("grant.success", (ctx) => grants.add(ctx.oidc.entities.Grant?.jti));
  provider.on("grant.error", (_, err) => { if (err.error_detail === "refresh token already used") reused++; });
  provider.on("server_error", (_, err) => console.error(err));
  return provider;
}

let provider = sign("RS256", "first");
const server = createServer((req, res) => provider.callback()(req, res));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));

for await (const line of readline.createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  if (order.sign) provider = sign(order.sign, order.kid);
  if (order.lifetime) lifetime = order.lifetime;
  if (order.grace !== undefined) grace = order.grace;
  // What an administrator does, or a person on the page of their grants.
  if (order.revoke) for (const id of grants) await (await provider.Grant.find(id))?.destroy();
  console.log(JSON.stringify({ reused }));
}
process.exit(0);
