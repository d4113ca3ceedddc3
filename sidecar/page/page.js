'use strict';
// The page: it asks /status and /failures again and again, and draws what they say. draw.js has how.

const every = 2000; // milliseconds between two questions
const patience = 5000; // for a response
const minutes = 10; // that the charts show at most

let samples = []; // of the rates, the newest last: the gateway itself keeps a minute only
let pressed = false; // a button of the mouse, or a finger
let answered = null; // when the gateway last answered, by this machine's clock

const ask = async (path) => {
  const response = await fetch(path, { signal: AbortSignal.timeout(patience), cache: 'no-store' });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return { body: await response.json(), at: Date.parse(response.headers.get('Date')) || Date.now() };
};

for (const type of ['pointerdown', 'pointermove', 'pointerup', 'pointercancel']) {
  addEventListener(type, (event) => { pressed = event.buttons !== 0; });
}

async function refresh() {
  if (!document.hidden) {
    await Promise.all([ask('/status'), ask('/failures?n=50')]).then(drawAnswers, silent);
  }
  setTimeout(refresh, every);
}

function drawAnswers([status, failures]) {
  answered = Date.now();
  try {
    sample(status.body.rates);
    // Nobody's selection is taken away: what is drawn can be copied. Nor is what a button of the mouse was pressed on:
    // the click would be lost.
    if (getSelection().isCollapsed && !pressed) draw(status.body, failures.body, status.at);
  } catch (e) {
    document.body.classList.add('stale');
    show('state', bad(`✗ this page cannot draw what the gateway answered (see /status): ${e.message}`));
  }
}

function silent(e) {
  document.body.classList.add('stale');
  const since = answered === null ? 'yet' : `for ${span((Date.now() - answered) / 1000)}`;
  show('state', bad(`✗ the gateway has not answered ${since}: ${e.message}`));
}

// few is how many attempts on an endpoint must have failed within a minute before that is marked.
const few = 3;

// share is how many in a hundred.
const share = (n, of) => (of > 0 ? 100 * n / of : 0);

// failed are the requests of a rate that failed, those that the client is to blame for left out. A call of gRPC may be
// in both.
const failed = (rate) => Math.max(rate.errors['5xx'] || 0, rate.errors.grpc || 0);

// kinds are the errors of a rate, by kind.
const kinds = (rate) => Object.keys(rate.errors).sort().map((k) => `${k} ${rate.errors[k]}`).join(', ');

function sample(rates) {
  const t = rates.total;
  const now = Date.now();
  samples.push({
    at: now, traffic: [t.per_second],
    errors: [share(failed(t), t.requests), share(t.errors['4xx'] || 0, t.requests)],
    latency: t.requests > 0 ? [t.p50_ms, t.p99_ms] : [null, null],
  });
  samples = samples.filter((s) => now - s.at <= minutes * 60000);
}

function draw(s, failures, now) {
  const focus = document.activeElement && document.activeElement.getAttribute('data-key');
  document.body.classList.remove('stale');
  byId('main').hidden = false;
  head(s, now);
  charts(s.rates);
  // What somebody reads does not move away.
  if (!document.querySelector('#failures details[open]')) show('failures', drawFailures(failures, now));
  show('clusters', drawClusters(s, now));
  show('routes', drawRoutes(s));
  show('listeners', drawListeners(s));
  show('revisions', drawRevisions(s, now));
  show('discovery', drawDiscovery(s, now));
  show('certificates', drawCertificates(s, now));
  if (focus) {
    const again = [...document.querySelectorAll('[data-key]')].find((e) => e.getAttribute('data-key') === focus);
    if (again) again.focus();
  }
}

function head(s, now) {
  const wrong = s.reasons.length + s.trouble.length;
  let word = s.draining ? 'draining' : s.ready ? 'ready' : 'not ready';
  const sick = s.clusters.filter((c) => blames(s, `cluster ${c.name}: `).length > 0).length;
  if (sick > 0) word += `, ${sick} of ${count(s.clusters.length, 'cluster')} in trouble`;
  else if (s.ready && wrong > 0) word += ', but not all is well';
  byId('name').textContent = s.service;
  document.title = `${wrong > 0 || !s.ready ? '✗' : '✓'} ${s.service}: ${word}`;
  show('state', el('span', { class: wrong > 0 || !s.ready ? 'bad' : 'good' },
    `${wrong > 0 || !s.ready ? '✗' : '✓'} ${word}`));
  const r = s.revision;
  const c = s.limits.connections;
  const d = s.limits.descriptors;
  const version = [s.version.number, (s.version.revision || '').slice(0, 12)].filter(Boolean).join(' ');
  show('about', `instance ${s.instance}, version ${version}, up for `
    + `${span((now - Date.parse(s.started)) / 1000)}. `
    + (r.id ? `Revision ${r.id} from ${r.source}. ` : 'No revision serves. ')
    + `${c.used} of ${c.max} connections${c.waiting > 0 ? ', clients wait' : ''}`
    + (d.max > 0 ? `, ${d.used} of ${d.max} file descriptors.` : '.'));
  const all = [...s.reasons, ...s.trouble];
  show('trouble', all.length > 0 ? el('ul', null, all.map((text) => el('li', null, text)))
    : el('p', { class: 'good' }, '✓ Nothing is wrong.'));
}

function charts(rates) {
  const t = rates.total;
  const of = (what) => samples.map((x) => ({ at: x.at, values: x[what] }));
  show('charts',
    chart('Requests', `${short(t.per_second)} a second`, ['requests'], of('traffic'), 'a second'),
    chart('Errors', kinds(t) || 'none', ['5xx and gRPC', '4xx'], of('errors'), '% of requests'),
    chart('Latency', t.requests > 0 ? `p50 ${millis(t.p50_ms)}, p99 ${millis(t.p99_ms)}` : 'no requests',
      ['p50', 'p99'], of('latency'), 'ms'));
}

// blames are the sentences of the trouble about one thing, without its name.
const blames = (s, begin) => s.trouble.filter((t) => t.startsWith(begin)).map((t) => t.slice(begin.length));

// result is how a request or an attempt ended: its statuses, and the flag.
const result = (of) => [of.status || '', of.grpc_status === undefined ? '' : `gRPC ${of.grpc_status}`,
  of.flag || ''].filter(Boolean).join(' ');

function drawFailures(f, now) {
  const drawn = some(f.failures, (one) => {
    const key = `failure ${one.time} ${one.request_id || ''} ${one.path || ''}`;
    const what = one.method ? `${one.method} ${one.host || ''}${one.path || ''}`
      : `${one.protocol === 'tcp' ? 'TCP connection' : one.protocol} on listener ${one.listener}`;
    const status = [result(one), one.slow ? 'slow' : ''].filter(Boolean).join(' ');
    const facts = [['reason', one.reason], ['client', one.remote_ip], ['listener', one.listener], ['route', one.route],
      ['cluster', one.cluster], ['revision', one.revision], ['request id', one.request_id],
      ['trace id', one.trace_id]].filter(([, v]) => v);
    return fold(key, [el('b', { class: 'bad' }, status), what, ' ', quiet(`${millis(one.duration_ms)}, `),
      ago(one.time, now), one.reason ? quiet(`, ${one.reason}`) : ''],
    [el('p', null, facts.map(([name, v], i) => [i > 0 ? ' · ' : '', quiet(`${name} `), v]).flat()),
      table(['Endpoint', 'After', 'Took', 'Result', 'Reason'], one.attempts.map((a) => [a.upstream,
        millis(a.after_ms), millis(a.duration_ms), result(a), a.reason || '']), 'No endpoint was tried.', 'attempts'),
      el('p', { class: 'quiet' }, 'The list stands still while one is open.')], false);
  });
  if (f.left_out > 0) drawn.push(el('p', { class: 'quiet' }, `${f.left_out} more came too fast to be kept.`));
  return drawn.length > 0 ? drawn : el('p', { class: 'quiet' }, 'No request has failed.');
}

function drawClusters(s, now) {
  const rates = new Map(s.rates.clusters.map((r) => [r.name, r]));
  const all = s.clusters.map((c) => {
    const begin = `cluster ${c.name}: `;
    return { c, trouble: blames(s, begin), place: s.trouble.findIndex((t) => t.startsWith(begin)) };
  });
  all.sort((a, b) => (b.place >= 0) - (a.place >= 0) || a.place - b.place); // as in the trouble, then as they come
  if (all.length === 0) return el('p', { class: 'quiet' }, 'There is no cluster.');
  return some(all, ({ c, trouble }) => {
    const used = c.endpoints.filter((e) => !e.unused).length;
    const r = rates.get(c.name);
    const facts = [`${used} of ${count(c.endpoints.length, 'endpoint')} used`, c.balance,
      c.skipped_by ? `none is healthy, so it does not stand in for ${c.skipped_by.join(', ')}`
        : c.panic ? 'none is healthy, so all are used' : '',
      c.follows || '',
      c.prefer && c.prefer.here ? `prefers ${c.prefer.by} ${c.prefer.here} (${Math.round(100 * c.prefer.share)} %)` : '',
      c.failover && c.failover.active ? `${c.failover.active} stands in` : '',
      c.awaiting > 0 ? `${count(c.awaiting, 'request')} waiting for endpoints` : '',
      r ? `${short(r.per_second)} attempts a second, p99 ${millis(r.p99_ms)}` : ''].filter(Boolean).join(', ');
    return fold(`cluster ${c.name}`, [el('b', trouble.length > 0 ? { class: 'bad' } : null,
      `${trouble.length > 0 ? '✗' : '✓'} ${c.name}`), quiet(facts)],
    [...trouble.map((t) => el('p', { class: 'cause' }, t)), ...drawEndpoints(c, now)],
    trouble.length > 0 || all.length <= 8);
  });
}

function drawEndpoints(c, now) {
  const list = [...c.endpoints].sort((a, b) => (a.state === 'healthy') - (b.state === 'healthy'));
  const rows = list.slice(0, most).map((e) => {
    const well = e.state === 'healthy';
    const failing = Boolean(e.recent) && e.recent.errors >= few && share(e.recent.errors, e.recent.requests) >= 5;
    const good = el('span', failing ? null : { class: 'good' }, failing ? e.state : `✓ ${e.state}`); // or no tick
    const why = e.reason || (well ? '' : e.unused || '');
    const p = e.passive;
    return [el('span', { class: 'mono' }, e.address),
      [well ? good : bad(`✗ ${e.state}`), why ? ` (${why})` : '',
        e.consul ? quiet(`, ${e.consul.state} in Consul`) : ''], e.weight, e.in_flight,
      e.recent ? [`${e.recent.requests} tried, `,
        mark(`${e.recent.errors} failed`, failing),
        `, p50 ${millis(e.recent.p50_ms)}, p99 ${millis(e.recent.p99_ms)}`] : '',
      p.last_error ? [p.last_error, p.failures > 1 ? `, ${p.failures} in a row` : '', ', ',
        ago(p.last_error_at, now)] : ''];
  });
  const drawn = [table(['Endpoint', 'State', 'Weight', 'In flight', 'Last minute', 'Last error'], rows,
    'It has no endpoint.', 'endpoints')];
  if (list.length > most) drawn.push(el('p', { class: 'quiet' }, `and ${list.length - most} more: see /status`));
  return drawn;
}

function drawRoutes(s) {
  const rates = new Map(s.rates.routes.map((r) => [r.name, r]));
  const names = new Set(s.routes.map((r) => r.name));
  const all = s.routes.map((r) => ({ ...r, rate: rates.get(r.name) }));
  for (const r of s.rates.routes) { // of a revision before, or beyond what /status lists
    if (!names.has(r.name)) all.push({ name: r.name, match: '', to: '', rate: r });
  }
  const wrong = (r) => (r.rate ? failed(r.rate) : 0);
  all.sort((a, b) => (wrong(b) > 0) - (wrong(a) > 0) || wrong(b) - wrong(a));
  const rows = all.slice(0, most).map((r) => [el('b', null, r.name), el('span', { class: 'mono' }, r.match), r.to,
    r.rate ? `${r.rate.requests}` : '',
    r.rate ? mark(kinds(r.rate), wrong(r) > 0) : '',
    r.rate ? `p50 ${millis(r.rate.p50_ms)}, p99 ${millis(r.rate.p99_ms)}` : '']);
  const drawn = [table(['Route', 'Matches', 'Goes to', 'Requests, last minute', 'Errors', 'Latency'], rows,
    'There is no route.', 'routes')];
  const more = s.routes_total - rows.length;
  if (more > 0) drawn.push(el('p', { class: 'quiet' }, `and ${more} more: see /config`));
  return drawn;
}

function drawListeners(s) {
  const shaken = new Map(s.rates.listeners.map((l) => [l.name, l]));
  const all = s.listeners.map((l) => ({ l, trouble: blames(s, `listener ${l.name}: `) }));
  all.sort((a, b) => b.trouble.length - a.trouble.length);
  return table(['Listener', 'Address', 'Protocol', 'Goes to', 'Connections', 'TLS handshakes, last minute'],
    all.map(({ l }) => {
      const h = shaken.get(l.name);
      return [el('b', null, l.name), el('span', { class: 'mono' }, l.address), l.protocol + (l.tls ? ' over TLS' : '')
        + (l.draining ? ', draining' : ''), l.cluster || 'its routes', l.connections,
      h ? mark(`${h.handshakes} done, ${h.failed} failed${h.reason ? `: ${h.reason}` : ''}`, h.failed > 0) : ''];
    }), 'There is no listener.', 'listeners');
}

function drawRevisions(s, now) {
  const doubtful = ['waiting', 'held', 'rejected', 'quarantined', 'rolled_back'];
  return table(['Revision', 'State', 'Since', 'Why'], s.revisions.map((r) => [el('span', { class: 'mono' }, r.revision),
    el('span', { class: doubtful.includes(r.state) ? 'bad' : r.state === 'applied' ? 'good' : '' },
      (doubtful.includes(r.state) ? '✗ ' : r.state === 'applied' ? '✓ ' : '') + r.state),
    ago(r.since, now), r.reasons.join('; ')]), 'There was no revision yet.', 'revisions');
}

function drawDiscovery(s, now) {
  const all = [...s.discovery].sort((a, b) => Boolean(b.error) - Boolean(a.error));
  const drawn = [table(['What is asked', 'Last good response', 'Error'], all.slice(0, most).map((d) => [d.name,
    known(d.last_ok) ? ago(d.last_ok, now) : quiet('never'),
    d.error ? bad(`✗ ${d.error}${d.failing > 1 ? ` (${d.failing} in a row)` : ''}`) : '']), 'Nothing is asked.', 'discovery')];
  if (all.length > 0) drawn.push(el('p', { class: 'quiet' }, 'A response comes when something changes, else every few minutes.'));
  return drawn;
}

function drawCertificates(s, now) {
  const soon = 14 * 86400;
  const left = (c) => (Date.parse(c.not_after) - now) / 1000;
  const all = [...s.certificates].sort((a, b) => Boolean(b.error) - Boolean(a.error) || left(a) - left(b));
  return table(['File', 'Names', 'Good until', 'Error'], all.slice(0, most).map((c) => {
    const rest = left(c);
    const text = rest <= 0 ? `✗ EXPIRED ${span(-rest)} ago` : `${rest < soon ? '✗ ' : ''}in ${span(rest)}`;
    return [el('span', { class: 'mono' }, c.path), c.subjects.join(', '),
      known(c.not_after) ? el('span', { class: rest < soon ? 'bad' : '', title: c.not_after }, text) : '',
      c.error ? bad(`✗ ${c.error}`) : ''];
  }), 'No certificate is in use.', 'certificates');
}

refresh();
