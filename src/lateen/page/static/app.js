// The page: frame, views, keys. What is seen is in the URL.
import { html, render } from "./vendor/htm-preact.js";
import { useEffect, useLab, useState, onMove, Go, Command, Empty } from "./parts/frame.js";
import { start, state } from "./data/lab.js";
import { parse, unknown, VIEWS } from "./model/url.js";
import { problems } from "./model/mesh.js";
import { keys, Keys } from "./parts/keys.js";
import { Mesh } from "./views/mesh.js";
import { Request } from "./views/request.js";
import { Flows } from "./views/flows.js";
import { Posture } from "./views/posture.js";
import { Objects } from "./views/objects.js";

const SHOWN = { mesh: Mesh, request: Request, flows: Flows, posture: Posture, objects: Objects };
const NAMES = { mesh: "Mesh", request: "Request", flows: "Flows", posture: "Posture", objects: "Objects" };
const LINKS = { starting: "connecting", live: "live", stale: "reconnecting", closed: "closed", saved: "saved" };

const here = () => parse(location.protocol === "file:" ? "/mesh" : location.pathname, location.search);

function Page() {
  useLab();
  const [place, move] = useState(here());
  const [help, showHelp] = useState(false);
  useEffect(() => {
    onMove(move);
    addEventListener("popstate", () => move(here()));
    keys({ help: () => showHelp((on) => !on) });
  }, []);
  useEffect(() => { document.title = `${NAMES[place.view]} · ${state.status?.lab || "Lateen"}`; });
  const View = SHOWN[place.view];
  const found = state.status ? problems(state, "all") : [];
  const bad = found.filter((each) => each.level === "bad").length;
  const odd = unknown(place);
  return html`<a class="skip" href="#main">To the view</a>
    <header class="top"><div class="brand"><strong>Lateen</strong><span class="lab">${state.status?.lab || ""}</span>${state.status && html`<span class="version">Istio ${state.status.istio}</span>`}</div>
      <nav class="views" aria-label="Views">${VIEWS.map((view) => html`<${Go} key=${view} to=${{ view }} aria-current=${view === place.view ? "page" : undefined}>${NAMES[view]}<//>`)}</nav>
      <div class="state"><${Go} class="total ${bad ? "bad" : ""}" to=${{ view: "mesh" }}>${found.length ? `${found.length} ${found.length === 1 ? "problem" : "problems"}` : state.status ? "No problems" : ""}<//>
        <span class="link ${state.link}" role="status"><span class="dot" aria-hidden="true"></span>${LINKS[state.link]}</span>
        <${Theme} /><button type="button" class="quiet" data-key="?" aria-label="Keys" onClick=${() => showHelp(true)}>?</button></div></header>
    ${state.link === "stale" && html`<p class="banner" role="status">The lab does not answer. What is shown is as of ${new Date(state.heard).toLocaleTimeString("en-GB")}; it is asked again every second.</p>`}
    ${odd.length > 0 && html`<p class="banner">Not known in this address: ${odd.join(", ")}.</p>`}
    <main id="main" tabindex="-1">${state.link === "closed" ? html`<${Empty} title="This page is locked" command="lateen page">It opens with a code that is good once. Type this in a terminal of the lab’s owner.<//>` : html`<${View} place=${place} />`}</main>
    ${help && html`<${Keys} close=${() => showHelp(false)} />`}`;
}

const THEMES = ["system", "light", "dark"];
function Theme() {
  const [theme, set] = useState(stored("lateen-theme") || "system");
  useEffect(() => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
  const change = () => {
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try { localStorage.setItem("lateen-theme", next); } catch { /* a file may have no storage */ }
    set(next);
  };
  return html`<button type="button" class="quiet theme" onClick=${change} aria-label="Theme: ${theme}">${{ system: "Auto", light: "Light", dark: "Dark" }[theme]}</button>`;
}

function stored(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

render(html`<${Page} />`, document.getElementById("page"));
start();
