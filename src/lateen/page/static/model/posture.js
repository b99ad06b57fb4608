// What protects a class of requests: the weakest of its hops. The classes come from the lab.

/** @returns {"mtls" | "tls" | "none" | "refused"} */
export function kindOf(one) {
  if (!one.reached) return "refused";
  if (one.plaintext) return "none";
  const hops = one.ways.flatMap((way) => way.hops).filter((hop) => hop.name !== "app -> sidecar" && hop.name !== "sidecar -> app");
  if (hops.some((hop) => hop.tls === "tls")) return "tls";
  return hops.some((hop) => hop.tls === "mtls") ? "mtls" : "none";
}

/** Lines of two texts, as a diff: `-` gone, `+` new, ` ` kept. */
export function changed(before, after) {
  const a = before.split("\n"), b = after.split("\n");
  const long = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      long[i][j] = a[i] === b[j] ? long[i + 1][j + 1] + 1 : Math.max(long[i + 1][j], long[i][j + 1]);
    }
  }
  const found = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { found.push(` ${a[i]}`); i += 1; j += 1; }
    else if (j < b.length && (i === a.length || long[i][j + 1] >= long[i + 1][j])) { found.push(`+${b[j]}`); j += 1; }
    else { found.push(`-${a[i]}`); i += 1; }
  }
  return found;
}
