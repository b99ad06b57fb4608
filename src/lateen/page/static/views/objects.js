// What is written: objects as the lab holds them, with diagnostics at the lines they are about.
import { html, useEffect, useState, useLab, go, Go, Command, Empty, soft } from "../parts/frame.js";
import { state } from "../data/lab.js";
import { KINDS, list } from "../data/objects.js";
import { Draft } from "../parts/draft.js";
import { lines, shown, lineOf } from "../model/yaml.js";

export function Objects({ place }) {
  useLab();
  const [all, set] = useState(null);
  const [trouble, say] = useState("");
  const load = () => Promise.all(Object.keys(KINDS).map(async (kind) => [kind, await list(kind)])).then((found) => { set(found); say(""); }, (error) => say(error.message));
  useEffect(() => { load(); }, [state.status?.written]);
  const [namespace, kind, name] = place.rest;
  const object = (all || []).find(([k]) => k === kind)?.[1].find((each) => each.metadata.name === name && each.metadata.namespace === namespace);
  const findings = (state.status?.diagnostics || []);
  const of = (k, each) => findings.filter((f) => target(f).startsWith(`${k}/${each.metadata.namespace}/${each.metadata.name}#`) || target(f) === `${k}/${each.metadata.namespace}/${each.metadata.name}`);
  return html`<div class="view tree"><nav class="list" aria-label="Objects">${trouble && html`<p class="alert bad" role="alert">${trouble}</p>`}
    ${(all || []).filter(([, items]) => items.length).map(([k, items]) => html`<section key=${k}><h3>${k} <span class="count">${items.length}</span></h3><ul>${items.map((each) => {
      const found = of(k, each);
      return html`<li key=${each.metadata.namespace + each.metadata.name}><${Go} data-row to=${{ view: "objects", rest: [each.metadata.namespace, k, each.metadata.name] }} aria-current=${each === object ? "true" : undefined}>${soft(each.metadata.name)} <span class="quiet-text">${each.metadata.namespace}</span>${found.length > 0 && html` <span class="tag ${level(found[0])}">${found.length} ${found[0].level.toLowerCase()}</span>`}<//></li>`; })}</ul></section>`)}</nav>
    <section class="main" aria-label="Object">${object && place.query.mode === "edit" && EDITED.test(object.apiVersion || KINDS[kind]) ? html`<div class="pad"><${Draft} key=${`${kind}/${namespace}/${name}`} name=${`${kind}/${name}`} text=${whole(kind, object)} version=${object.metadata.resourceVersion} done=${() => { go({ ...place, query: {} }); load(); }} /></div>` : object ? html`<${Yaml} place=${place} kind=${kind} object=${object} found=${of(kind, object)} field=${place.query.line} />`
      : html`<div class="pad"><h2>Diagnostics</h2>${findings.length ? html`<ul class="findings">${findings.map((f, n) => html`<li key=${n} class=${level(f)}><strong>${f.level} ${f.code}</strong> <span class="place">${soft(f.origin)} ${f.reference}</span><p>${f.message}</p><p class="quiet-text">${f.remedy}</p></li>`)}</ul>` : html`<${Empty} title="Nothing to say">No diagnostics. Pick an object to read it.<//>`}<${Command} text="lateen status" /></div>`}</section></div>`;
}

const level = (f) => ({ Error: "bad", Warning: "warn" }[f.level] || "note");
const target = (f) => f.origin || "";

const EDITED = /istio\.io|gateway\.networking/;

/** An object as text to change. Items of a list do not say what they are. */
function whole(kind, object) {
  const apiVersion = object.apiVersion || KINDS[kind].split("/").slice(2, 4).join("/");
  return `${lines(shown({ ...object, apiVersion, kind })).map((line) => line.text).join("\n")}\n`;
}

function Yaml({ place, kind, object, found, field }) {
  const text = lines(shown(object));
  const marks = new Map();
  const loose = [];
  for (const each of found) {
    const at = lineOf(text, target(each).split("#")[1] || "");
    if (at < 0) loose.push(each); else marks.set(at, [...(marks.get(at) || []), each]);
  }
  const on = field ? lineOf(text, field) : -1;
  const { namespace, name } = object.metadata;
  return html`<div class="pad"><h2>${kind} ${soft(name)} <span class="quiet-text">${namespace}</span></h2>
    ${EDITED.test(KINDS[kind]) && state.link !== "saved" && html`<div class="tools"><button type="button" onClick=${() => go({ ...place, query: { mode: "edit" } })}>Edit a draft</button></div>`}
    ${loose.map((f, n) => html`<p key=${n} class="alert ${level(f)}">${f.message} [${f.code}]</p>`)}
    <div class="code" tabindex="0" role="region" aria-label="The object as YAML"><ol>${text.map((l, n) => html`<li key=${n} class="${marks.has(n) ? level(marks.get(n)[0]) : ""} ${n === on ? "on" : ""}"><span class="line">${l.text}</span>${(marks.get(n) || []).map((f, m) => html`<span key=${m} class="mark">${f.level} ${f.code}: ${f.message} <em>${f.reference}</em></span>`)}</li>`)}</ol></div>
    <p class="aside">As the lab holds it now. Comments and order of the file are not kept; lines of files stand beside each diagnostic.</p>
    <${Command} text="lateen get ${kind.toLowerCase()} ${name} -n ${namespace} -o yaml" /></div>`;
}
