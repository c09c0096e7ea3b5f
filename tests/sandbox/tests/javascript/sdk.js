// Drives the Azure emulator with the Azure SDK for JavaScript.
//
// Reads what to use as JSON from stdin. It meets the emulator under the public names through the proxy of the
// environment, then without it under the emulator's own address.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { ApiManagementClient } from "@azure/arm-apimanagement";
import { ClientSecretCredential } from "@azure/identity";

async function refused(status, code, call) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.statusCode, status, error.message);
    assert.equal(error.code, code, error.message);
    return error;
  }
  assert.fail(`expected ${code}`);
}

async function all(pages) {
  const found = [];
  for await (const item of pages) found.push(item);
  return found;
}

async function run(given, direct) {
  const credential = (who, secret = who.secret) =>
    new ClientSecretCredential(
      given.tenant,
      who.id,
      secret,
      direct ? { authorityHost: given.url, disableInstanceDiscovery: true } : {},
    );
  const client = (who, secret) =>
    new ApiManagementClient(
      credential(who, secret),
      given.subscription,
      direct ? { endpoint: given.url, credentialScopes: `${given.url}/.default` } : {},
    );
  const path = [given.group, given.service, given.gateway];
  const admin = client(given.admin);

  const service = await admin.apiManagementService.get(given.group, given.service);
  assert.equal(service.name, given.service);
  assert.equal(service.identity ?? null, null);
  assert.deepEqual(
    (await all(admin.apiManagementService.list())).map((it) => it.name),
    [given.service],
  );
  const gateways = await all(admin.gateway.listByService(given.group, given.service));
  assert.equal(new Set(gateways.map((it) => it.name)).size, given.gateways);
  const pages = await all(admin.gateway.listByService(given.group, given.service, { top: 60 }).byPage());
  assert.equal(pages.length, Math.ceil(given.gateways / 60));
  const gateway = await admin.gateway.get(...path);
  assert.equal(gateway.name, given.gateway);
  assert.equal(gateway.locationData.city ?? null, null);

  const token = async (who, keyType, days) => {
    const expiry = new Date(Date.now() + days * 24 * 60 * 60 * 1000);
    return (await who.gateway.generateToken(...path, { keyType, expiry })).value;
  };
  const operator = client(given.operator);
  for (const keyType of ["primary", "secondary"]) {
    console.log("token", await token(operator, keyType, 29));
  }
  console.log("dead", await token(operator, "secondary", -1));
  const { eTag: etagBefore } = await admin.gateway.getEntityTag(...path);
  const before = await admin.gateway.listKeys(...path);
  await admin.gateway.regenerateKey(...path, { keyType: "primary" });
  const after = await admin.gateway.listKeys(...path);
  assert.notEqual(before.primary, after.primary);
  assert.equal(before.secondary, after.secondary);
  const { eTag: etagAfter } = await admin.gateway.getEntityTag(...path);
  assert.ok(etagBefore && after.eTag === etagAfter && etagBefore !== etagAfter);

  await refused(404, "ResourceNotFound", () => admin.gateway.get(given.group, given.service, "absent"));
  await refused(404, "ParentResourceNotFound", () => admin.gateway.get(given.group, "absent", "gw"));
  await refused(404, "ResourceGroupNotFound", () => admin.gateway.get("absent", given.service, "gw"));
  await refused(403, "AuthorizationFailed", () => operator.gateway.listKeys(...path));
  const tooLong = await refused(400, "ValidationError", () => token(admin, "primary", 31));
  assert.equal(JSON.parse(tooLong.response.bodyAsText).error.details[0].target, "expiry");
  await assert.rejects(client(given.admin, "wrong").gateway.get(...path), /AADSTS7000215/);
}

const given = JSON.parse(readFileSync(0, "utf8"));
const direct = process.argv.includes("direct");
await run(given, direct);
console.log(direct ? "direct: ok" : "public: ok");
