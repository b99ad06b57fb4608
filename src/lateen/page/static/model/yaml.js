// An object as YAML lines, each with the path of the field that it shows. Only for showing.

const PLAIN = /^[A-Za-z_./][\w ./@*-]*$/;
const WORDY = /^(true|false|null|yes|no|on|off|~)$/i;

function scalar(value) {
  if (typeof value !== "string") return JSON.stringify(value);
  return PLAIN.test(value) && !WORDY.test(value) && !value.endsWith(" ") ? value : JSON.stringify(value);
}

/** @returns {{text: string, path: string}[]} */
export function lines(value, path = "", indent = "") {
  const found = [];
  if (Array.isArray(value)) {
    value.forEach((item, number) => {
      const here = `${path}[${number}]`;
      if (item === null || typeof item !== "object" || !Object.keys(item).length) {
        found.push({ text: `${indent}- ${leaf(item)}`, path: here });
        return;
      }
      const inner = lines(item, here, `${indent}  `);
      inner[0] = { ...inner[0], text: `${indent}- ${inner[0].text.trimStart()}` };
      found.push(...inner);
    });
    return found;
  }
  for (const [key, item] of Object.entries(value)) {
    const here = path ? `${path}.${key}` : key;
    if (item !== null && typeof item === "object" && Object.keys(item).length) {
      found.push({ text: `${indent}${key}:`, path: here });
      found.push(...lines(item, here, Array.isArray(item) ? indent : `${indent}  `));
    } else {
      found.push({ text: `${indent}${key}: ${leaf(item)}`, path: here });
    }
  }
  return found;
}

function leaf(item) {
  if (item !== null && typeof item === "object") return Array.isArray(item) ? "[]" : "{}";
  return scalar(item);
}

/** The object without what the server keeps for itself. */
export function shown(object) {
  const { managedFields, uid, resourceVersion, generation, creationTimestamp, ...metadata } = object.metadata;
  const { status, metadata: _all, ...rest } = object;
  const { "kubectl.kubernetes.io/last-applied-configuration": _, ...annotations } = metadata.annotations || {};
  delete metadata.annotations;
  if (Object.keys(annotations).length) metadata.annotations = annotations;
  const { apiVersion, kind, ...body } = rest;
  return { apiVersion, kind, metadata, ...body };
}

/** The number of the line that shows a field: its own, or that of the nearest field around it. */
export function lineOf(found, field) {
  for (let path = field; path; path = path.replace(/(\.[^.[\]]+|\[[^\]]*\])$|^[^.[]+$/, "")) {
    const number = found.findIndex((each) => each.path === path);
    if (number >= 0) return number;
  }
  return -1;
}
