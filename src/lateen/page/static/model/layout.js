// A layered layout: who calls stands left of who is called. The same input gives the same picture,
// and a place that was given is kept: what is new takes a free place in its column.

export const WIDTH = 196, HEIGHT = 48, GAP_X = 150, GAP_Y = 48;

/** @returns {Map<string, {column: number, row: number, x: number, y: number}>} */
export function layout(keys, edges, kept = {}) {
  const ranks = rank(keys, edges);
  const columns = [];
  for (const key of [...keys].sort()) {
    const column = kept[key] ? kept[key].column : ranks.get(key);
    (columns[column] ||= []).push(key);
  }
  for (let i = 0; i < columns.length; i += 1) columns[i] ||= [];
  order(columns, edges);
  const places = new Map();
  const tallest = Math.max(...columns.map((each) => each.length), 1);
  columns.forEach((column, number) => {
    const taken = new Set(column.filter((key) => kept[key]).map((key) => kept[key].row));
    let next = taken.size ? 0 : (tallest - column.length) / 2;
    for (const key of column) {
      let row = kept[key]?.row;
      if (row === undefined) {
        while ([...taken].some((each) => Math.abs(each - next) < 1)) next += 1;
        row = next;
        taken.add(row);
      }
      places.set(key, {
        column: number, row,
        x: number * (WIDTH + GAP_X), y: row * (HEIGHT + GAP_Y),
      });
    }
  });
  return places;
}

/** Columns by the longest way from a source; an edge that would close a circle counts for nothing. */
function rank(keys, edges) {
  const next = new Map([...keys].map((key) => [key, []]));
  const into = new Map([...keys].map((key) => [key, 0]));
  for (const edge of edges) {
    if (edge.source === edge.target || !next.has(edge.source) || !next.has(edge.target)) continue;
    next.get(edge.source).push(edge.target);
    into.set(edge.target, into.get(edge.target) + 1);
  }
  const ranks = new Map();
  const state = new Map();
  const orderly = [];
  const visit = (key) => {
    state.set(key, 1);
    for (const other of [...next.get(key)].sort()) {
      if (!state.has(other)) visit(other);
      else if (state.get(other) === 1) next.set(key, next.get(key).filter((each) => each !== other));
    }
    state.set(key, 2);
    orderly.push(key);
  };
  const starts = [...keys].sort((a, b) => into.get(a) - into.get(b) || (a < b ? -1 : 1));
  for (const key of starts) if (!state.has(key)) visit(key);
  for (const key of orderly.reverse()) {
    if (!ranks.has(key)) ranks.set(key, 0);
    for (const other of next.get(key)) ranks.set(other, Math.max(ranks.get(other) || 0, ranks.get(key) + 1));
  }
  return ranks;
}

/** Put each column in the order of its neighbours' middle, forth and back. */
function order(columns, edges) {
  const beside = new Map();
  for (const { source, target } of edges) {
    (beside.get(source) || beside.set(source, []).get(source)).push(target);
    (beside.get(target) || beside.set(target, []).get(target)).push(source);
  }
  for (let sweep = 0; sweep < 4; sweep += 1) {
    const at = new Map();
    columns.forEach((column) => column.forEach((key, row) => at.set(key, row - column.length / 2)));
    const middle = (key) => {
      const found = (beside.get(key) || []).filter((each) => at.has(each)).map((each) => at.get(each));
      return found.length ? found.reduce((sum, each) => sum + each, 0) / found.length : at.get(key);
    };
    for (const column of columns) {
      const wanted = new Map(column.map((key) => [key, middle(key)]));
      column.sort((a, b) => wanted.get(a) - wanted.get(b) || (a < b ? -1 : 1));
    }
  }
}
