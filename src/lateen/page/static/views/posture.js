// What may happen. The command tells it today; the page says so.
import { html, Empty } from "../parts/frame.js";

export function Posture() {
  return html`<div class="view"><section class="main" aria-label="Posture"><${Empty} title="Posture is told by its command" command="lateen posture">Who may talk to whom, whatever was sent so far, is computed from all manifests. The page does not draw it yet: this command prints it for the same lab, and <code>lateen diff</code> what a change would do.<//></section></div>`;
}
