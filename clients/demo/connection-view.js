// @ts-check
// The state of the connection on the screen: the pill, the banner, the facts in the bar, and the switch that cuts the line.

import { $, count } from '/look.js';

/** How long the page says that it is back. */
const noticeMs = 8000;

/** @type {import('../js/apus.js').Apus | null} */ let apus = null;

// The line that the switch cuts.
/** @type {{ isCut: boolean, socket: any }} */
const wire = { isCut: false, socket: null };

/**
 * The WebSocket of this page: on a cut line, dialling fails as it does without a network.
 * @param {string} url
 * @param {string[]} protocols
 * @returns {any}
 */
export function WireSocket(url, protocols) {
  if (!wire.isCut) return (wire.socket = new WebSocket(url, protocols));
  /** @type {any} */ const dead = { send() {}, close() {} };
  setTimeout(() => dead.onclose?.({ code: 1006, reason: '' }));
  return dead;
}

/** @param {boolean} isCut */
function cut(isCut) {
  wire.isCut = isCut;
  if (!isCut) return apus?.wake();
  wire.socket?.onclose?.({ code: 1006, reason: '' }); // As when the network goes: nothing more is heard.
  wire.socket?.close();
}

/** @type {{ text: string, timer: any, bannerTimer: any }} what the pill and the banner say for a while */
const notice = { text: '', timer: null, bannerTimer: null };

/** @param {import('../js/apus.js').State} state */
function showState(state) {
  const { body } = document;
  switch (state.state) {
    case 'connecting':
      // Dialling again is still reconnecting to whoever looks.
      body.dataset.state = state.attempt ? 'reconnecting' : 'connecting';
      break;
    case 'open':
      body.dataset.state = 'live';
      $('banner').hidden = true;
      notice.text = '';
      clearTimeout(notice.timer);
      notice.timer = setTimeout(() => { notice.text = ''; showPill(); }, noticeMs);
      break;
    case 'reconnecting':
      body.dataset.state = 'reconnecting';
      banner('wait', 'Connection lost. What you miss will follow.', 'Try now', () => apus?.wake());
      break;
    case 'closed':
      body.dataset.state = 'closed';
      banner('bad', `Closed: ${state.reason || 'no reason given'} (${state.code}).`, 'Connect again', () => {
        apus?.connect();
      });
      break;
  }
  showPill();
}

function showPill() {
  const { state, at = 0, attempt = 0, code } = apus?.state ?? { state: 'idle' };
  const seconds = Math.ceil((at - Date.now()) / 1000);
  const [tone, text] = {
    idle: ['wait', 'Connecting…'],
    connecting: ['wait', attempt > 0 ? 'Reconnecting…' : 'Connecting…'],
    open: ['good', notice.text || 'Live'],
    reconnecting: ['wait', seconds > 0 ? `Reconnecting in ${seconds} s` : 'Reconnecting…'],
    closed: ['bad', `Closed · ${code}`],
  }[state];
  $('state').dataset.tone = tone;
  $('state-text').textContent = text;
}

/** @param {string} tone @param {string} text @param {string} [action] @param {() => void} [act] */
function banner(tone, text, action, act) {
  clearTimeout(notice.bannerTimer);
  $('banner').hidden = false;
  $('banner').dataset.tone = tone;
  if ($('banner-text').textContent !== text) $('banner-text').textContent = text; // Or it is read out again.
  $('banner-action').hidden = !action;
  $('banner-action').textContent = action ?? '';
  $('banner-action').onclick = act ?? null;
  if (!action) notice.bannerTimer = setTimeout(() => { $('banner').hidden = true; }, noticeMs);
  showPill();
}

function showPosition() {
  const position = apus?.position;
  if (position) showFact('position', `${position.epoch}:${position.seq}`);
}

/** @param {string} name @param {string} value shown in the bar, and in the menu of a narrow window */
function showFact(name, value) {
  for (const place of document.querySelectorAll(`[data-fact="${name}"]`)) place.textContent = value;
}

/** @param {import('../js/apus.js').Apus} client whose connection is shown from now on */
export function wireUpConnection(client) {
  apus = client;
  client.on('state', showState);
  client.on('welcome', (welcome) => {
    showFact('node', welcome.node);
    showFact('session', welcome.session);
    showPosition();
  });
  client.on('resumed', ({ missed }) => {
    const some = missed > 0;
    notice.text = some ? `Resumed · ${missed} missed` : 'Resumed';
    banner('good', some ? `Back. ${count(missed, 'event')} came meanwhile.` : 'Back. Nothing was missed.');
  });
  client.on('resync', ({ reason }) => {
    notice.text = 'Resynced';
    banner('wait', `The position is no longer good (${reason.replace(/_/g, ' ')}). Everything was read afresh.`);
  });
  client.on('event', (event) => { if (event.seq !== undefined) showPosition(); });
  $('offline').addEventListener('change', () => cut($('offline').checked));
  setInterval(() => { if (apus?.state.state === 'reconnecting') showPill(); }, 250);
}
