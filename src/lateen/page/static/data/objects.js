// Objects by kind, as the API server has them.
import { ask } from "./lab.js";

const NET = "/apis/networking.istio.io/v1/", SEC = "/apis/security.istio.io/v1/";
export const KINDS = {
  VirtualService: `${NET}virtualservices`, DestinationRule: `${NET}destinationrules`, Gateway: `${NET}gateways`,
  ServiceEntry: `${NET}serviceentries`, Sidecar: `${NET}sidecars`,
  PeerAuthentication: `${SEC}peerauthentications`, AuthorizationPolicy: `${SEC}authorizationpolicies`,
  RequestAuthentication: `${SEC}requestauthentications`, Service: "/api/v1/services", Deployment: "/apis/apps/v1/deployments",
};

/** All objects of a kind. Throws Refusal. */
export async function list(kind) {
  return KINDS[kind] ? (await ask(KINDS[kind])).items : [];
}

/** One object, null if it is not there. */
export async function find(kind, namespace, name) {
  const items = await list(kind);
  return items.find((each) => each.metadata.namespace === namespace && each.metadata.name === name) || null;
}
