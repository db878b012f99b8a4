// @ts-check
// The drawer that shows what goes over the socket, both ways.

import { $, el } from '/look.js';

/** More would make the page slow, and nobody reads back further. */
const framesKept = 400;

/** @type {{ kept: any[], in: number, out: number, open: boolean, paused: boolean, pretty: boolean }} */
const drawer = { kept: [], in: 0, out: 0, open: false, paused: false, pretty: false };

/** @param {{ direction: 'in' | 'out', text: string, frame: any, at: number }} entry */
export function logFrame(entry) {
  drawer[entry.direction] += 1;
  $('frames-in').textContent = String(drawer.in);
  $('frames-out').textContent = String(drawer.out);
  drawer.kept.push(entry);
  if (drawer.kept.length > framesKept) drawer.kept.shift();
  if (drawer.open && !drawer.paused) append(entry);
}

/** @param {any} frame */
function nameOf(frame) {
  if (frame?.op) return frame.op;
  if (frame?.ev) return frame.ev;
  return `re ${frame?.re ?? '?'} ${frame?.error ? frame.error.code : 'ok'}`;
}

/** @param {number} at milliseconds since 1970 */
function clock(at) {
  return `${new Date(at).toLocaleTimeString('en-GB', { hour12: false })}.${String(at % 1000).padStart(3, '0')}`;
}

/** @param {{ direction: string, text: string, frame: any, at: number }} entry */
function append({ direction, text, frame, at }) {
  const body = $('frames-body');
  const isAtEnd = body.scrollHeight - body.scrollTop - body.clientHeight < 30;
  const isOut = direction === 'out';
  const json = el('span', { class: 'json' });
  const row = el('button', { class: 'frame', type: 'button', dataset: { direction, testid: 'frame' } },
    el('time', {}, clock(at)),
    el('span', { class: 'way', title: isOut ? 'sent' : 'received' }, isOut ? '↑' : '↓'),
    el('span', { class: 'name' }, nameOf(frame)), json);
  const unfold = (/** @type {boolean} */ open) => {
    row.setAttribute('aria-expanded', String(open));
    json.textContent = open && frame ? JSON.stringify(frame, null, 2) : text;
  };
  row.addEventListener('click', () => unfold(row.getAttribute('aria-expanded') !== 'true'));
  unfold(drawer.pretty);
  body.querySelector('.none')?.remove();
  body.append(row);
  if (body.children.length > framesKept) body.firstChild.remove();
  if (isAtEnd) body.scrollTop = body.scrollHeight;
}

function render() {
  const body = $('frames-body');
  $('frames').dataset.open = String(drawer.open);
  document.body.dataset.frames = drawer.open ? 'open' : 'closed';
  $('frames-toggle').setAttribute('aria-expanded', String(drawer.open));
  body.hidden = $('frames-tools').hidden = !drawer.open;
  $('frames-pause').setAttribute('aria-pressed', String(drawer.paused));
  $('frames-pretty').setAttribute('aria-pressed', String(drawer.pretty));
  body.replaceChildren(el('p', { class: 'none' }, 'No frames yet.'));
  if (!drawer.open) return;
  drawer.kept.forEach(append);
  body.scrollTop = body.scrollHeight;
}

export function wireUpFrames() {
  for (const [id, change] of /** @type {[string, () => void][]} */ ([
    ['frames-toggle', () => { drawer.open = !drawer.open; }],
    ['frames-pause', () => { drawer.paused = !drawer.paused; }],
    ['frames-pretty', () => { drawer.pretty = !drawer.pretty; }],
    ['frames-clear', () => { drawer.kept = []; }],
  ])) $(id).addEventListener('click', () => { change(); render(); });
}
