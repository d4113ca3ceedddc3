'use strict';
// How things are put on the page. Whatever comes from the gateway is put in as text, never as HTML: it may be what a
// client or a document chose.

// el makes an element. Of the attributes, class and data-* and the like are set as they are; children are elements,
// texts, or nothing.
function el(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) e.setAttribute(key, value);
  e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== ''));
  return e;
}

const svg = (name, attributes) => {
  const e = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  return e;
};

const byId = (id) => document.getElementById(id);
const quiet = (text) => el('span', { class: 'quiet' }, text);
const bad = (text) => el('span', { class: 'bad' }, text);

// mark is a text, which stands out if something is wrong.
const mark = (text, wrong) => (wrong ? bad(text) : text);

// count is a number with its noun.
const count = (n, noun) => `${n} ${noun}${n === 1 ? '' : 's'}`;

// span is a time in seconds in the largest unit of which there are at least two.
function span(seconds) {
  for (const [unit, of] of [['days', 86400], ['h', 3600], ['min', 60]]) {
    if (seconds >= 2 * of) return `${Math.floor(seconds / of)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}

// known tells whether a date of the gateway is one: Go's zero time is none.
const known = (date) => Boolean(date) && !date.startsWith('0001-');

// ago is how long before now a date is, with the date itself for who points at it.
function ago(date, now) {
  if (!known(date)) return quiet('unknown');
  return el('time', { datetime: date, title: date }, `${span((now - Date.parse(date)) / 1000)} ago`);
}

// millis is a duration in milliseconds, to be read. No line ends between the number and its unit.
const millis = (ms) => (ms >= 1000 ? `${(ms / 1000).toFixed(2)}\u00a0s` : `${ms.toFixed(1)}\u00a0ms`);

// short is a number with at most three digits that tell something.
const short = (n) => (n >= 100 ? n.toFixed(0) : Number(n.toPrecision(3)).toString());

// table makes one. Each row is a list of cells: an element, a text, or nothing. On a narrow screen a cell has its
// column's name in front of it. kind names the widths of the columns.
function table(columns, rows, none, kind) {
  if (rows.length === 0) return el('p', { class: 'quiet' }, none);
  return el('table', kind ? { class: kind } : null,
    el('thead', null, el('tr', null, columns.map((c) => el('th', { scope: 'col' }, c)))),
    el('tbody', null, rows.map((row) => el('tr', null, row.map((cell, i) => {
      const attributes = { 'data-label': columns[i] };
      if (typeof cell === 'number') return el('td', { ...attributes, class: 'number' }, String(cell));
      return el('td', attributes, cell);
    })))));
}

// opened is what somebody opened or closed by hand: it stays so when it is drawn anew.
const opened = new Map();

// fold is what opens on a click.
function fold(key, summary, body, open) {
  const head = el('summary', { 'data-key': key }, summary);
  const d = el('details', null, head, body);
  d.open = opened.has(key) ? opened.get(key) : open;
  head.addEventListener('click', () => opened.set(key, !d.open));
  return d;
}

// most bounds how many things of one kind are drawn.
const most = 100;

// some draws the first of a list, and says how many there are besides.
function some(list, draw) {
  const drawn = list.slice(0, most).map(draw);
  if (list.length > most) drawn.push(el('p', { class: 'quiet' }, `and ${list.length - most} more: see /status`));
  return drawn;
}

// show replaces what an element has.
const show = (id, ...children) => byId(id).replaceChildren(...children.flat().filter((c) => c));

// chart draws one or two lines over the time, under what they are now. Samples are {at, values}; a value may be null.
function chart(title, now, keys, samples, unit) {
  const width = 300;
  const height = 76;
  const end = samples[samples.length - 1].at;
  const begin = Math.min(samples[0].at, end - 60000);
  const shown = span((end - begin) / 1000);
  const all = samples.flatMap((s) => s.values).filter((v) => v !== null);
  const top = Math.max(...all, 0) || 1;
  const picture = svg('svg', {
    viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img',
    'aria-label': `${title}: now ${now}, at most ${short(top)} ${unit} in the last ${shown}`,
  });
  picture.append(svg('line', { x1: 0, x2: width, y1: height, y2: height }));
  picture.append(svg('line', { x1: 0, x2: width, y1: 0, y2: 0, 'stroke-dasharray': '2 4' }));
  keys.forEach((key, i) => {
    const points = samples.filter((s) => s.values[i] !== null).map((s) =>
      `${(width * (s.at - begin) / (end - begin)).toFixed(1)},${(height - height * s.values[i] / top).toFixed(1)}`);
    if (points.length === 1) points.push(points[0]); // a dot
    picture.append(svg('polyline', { points: points.join(' '), class: i === 0 ? 'first' : 'second' }));
  });
  return el('div', { class: 'card chart' },
    el('h3', null, title), el('p', null, el('strong', null, now)),
    el('div', { class: 'axis' }, el('span', null, `${short(top)} ${unit}`),
      el('span', null, keys.map((key, i) => el('span', { class: i === 0 ? 'key' : 'key second' }, key)))),
    picture,
    el('div', { class: 'axis' }, el('span', null, `${shown} ago`), el('span', null, 'now')));
}
