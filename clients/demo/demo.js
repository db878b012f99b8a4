// @ts-check
// The demo page of `apus serve --dev`: an inbox on top of apus.js. No framework, no build, no outside address.

import { Apus, ApusError } from '/apus.js';
import { logFrame, wireUpFrames } from '/frames.js';
import { InboxView } from '/inbox-view.js';
import { $, ago, avatar, count, el, icon, itemParts } from '/look.js';
import { fillRecipients, wireUpPublish } from '/publish.js';
import { toastNotification, toastProblem } from '/toasts.js';

/** @typedef {{ user: string, name: string, token: string }} Person */

/** How long the page says that it is back. */
const noticeMs = 8000;
/** How long after an event the counts are compared: several come together. */
const calmMs = 150;

/** @type {Apus | null} */ let apus = null;
/** @type {Person[]} */ let people = [];
/** @type {Person | null} */ let me = null;
const view = new InboxView();

// Signing in --------------------------------------------------------------------------------------------------------

/** Fresh tokens for the demo users; only exists with `--dev`. */
async function fetchSession() {
  const answer = await fetch('/dev/session', { cache: 'no-store' });
  if (!answer.ok) throw new Error(`/dev/session answered ${answer.status}`);
  return answer.json();
}

async function begin() {
  $('sign-in-problem').hidden = true;
  const session = await fetchSession().catch(() => null);
  if (!session) {
    $('sign-in').hidden = $('sign-in-problem').hidden = false;
    return;
  }
  people = session.users;
  $('users').replaceChildren(...people.map((person) => el('button',
    { class: 'user', type: 'button', dataset: { testid: `user-${person.user}` }, onclick: () => signIn(person) },
    avatar(person.name), el('span', {}, person.name, el('small', {}, person.user)),
    el('span', { class: 'arrow', 'aria-hidden': 'true' }, icon('chevron')))));
  fillRecipients(people);
  $('curl').textContent = session.curl;
  const wanted = new URLSearchParams(location.search).get('user') ?? sessionStorage.getItem('apus.user');
  const person = people.find(({ user }) => user === wanted);
  if (person) signIn(person);
  else $('sign-in').hidden = false;
}

/** @param {Person} person */
function signIn(person) {
  me = person;
  sessionStorage.setItem('apus.user', person.user); // A reload of this window stays the same person.
  const other = people.find(({ user }) => user !== person.user);
  $('sign-in').hidden = true;
  $('app').hidden = false;
  $('me-name').textContent = person.name;
  $('me-avatar').replaceChildren(avatar(person.name, '', 'small'));
  $('account').setAttribute('aria-label', `Signed in as ${person.name}`);
  $('other-window').hidden = !other;
  if (other) {
    $('other-window').textContent = `Open a window as ${other.name}`;
    $('other-window').href = `/?user=${encodeURIComponent(other.user)}`;
  }
  $('publish').elements.to.value = person.user;
  connect(person);
}

function signOut() {
  apus?.close();
  sessionStorage.removeItem('apus.user');
  location.assign('/');
}

// The connection ----------------------------------------------------------------------------------------------------

// The line that the switch cuts.
/** @type {{ isCut: boolean, socket: any }} */
const wire = { isCut: false, socket: null };

/**
 * The WebSocket of this page: on a cut line, dialling fails as it does without a network.
 * @param {string} url
 * @param {string[]} protocols
 * @returns {any}
 */
function WireSocket(url, protocols) {
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

/** @param {Person} person */
function connect(person) {
  let given = person.token;
  const client = apus = new Apus({
    url: `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/ws`,
    device: 'demo-page',
    WebSocket: WireSocket,
    async token() {
      if (!given) people = (await fetchSession()).users;
      const token = given || people.find(({ user }) => user === person.user)?.token;
      given = '';
      return token ?? '';
    },
  });
  client.on('frame', logFrame);
  client.on('state', showState);
  client.on('welcome', (welcome) => {
    showFact('node', welcome.node);
    showFact('session', welcome.session);
    showPosition();
    // Unless it resumes (or the first page never came), what the page shows is not to be trusted.
    if (!welcome.resumed || !view.loaded) load({ markNew: view.loaded });
  });
  client.on('resumed', ({ missed }) => {
    const some = missed > 0;
    notice.text = some ? `Resumed · ${missed} missed` : 'Resumed';
    banner('good', some ? `Back. ${count(missed, 'event')} came meanwhile.` : 'Back. Nothing was missed.');
  });
  client.on('resync', ({ reason }) => {
    notice.text = 'Resynced';
    banner('wait', `The position is no longer good (${reason.replace(/_/g, ' ')}). The inbox was read afresh.`);
  });
  client.on('unread', showBadge);
  client.on('event', (event, { missed }) => {
    if (event.id === undefined) return; // A live one: nothing of the inbox.
    showPosition();
    view.take(event, missed);
    if (!missed && event.notification?.type) arrived(event.notification);
    render();
    checkCounts();
  });
  client.connect().catch(() => {}); // `state` shows it.
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
      view.forgetMissed();
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

// The inbox ---------------------------------------------------------------------------------------------------------

/** @param {{ more?: boolean, markNew?: boolean }} [how] */
async function load(how) {
  if (!apus) return;
  const loading = view.load(apus, how);
  render();
  await loading.catch((error) => {
    if (error.code !== 'closed') toastProblem(`The inbox could not be read: ${reasonOf(error)}`);
  });
  render();
}

/**
 * Marks at once and asks then; takes it back when that fails.
 * @param {{ ids?: string[], all?: true, category?: string }} what
 */
async function markRead(what) {
  const changed = view.markRead(what);
  if (!apus || (what.ids && changed.length === 0)) return;
  render();
  try {
    view.takeCounts((await apus.inboxRead(what)).by_category);
  } catch (error) {
    view.markUnread(changed);
    // What did arrive there comes back as an event when the line does.
    const isUnknown = error instanceof ApusError && ['disconnected', 'timeout'].includes(error.code);
    toastProblem(isUnknown ? 'No answer came: it may not be marked as read.' : `Not marked as read: ${reasonOf(error)}`);
  }
  render();
}

/** @param {unknown} error */
function reasonOf(error) {
  if (error instanceof ApusError && error.code === 'not_connected') return 'there is no connection.';
  return error instanceof Error ? error.message : String(error);
}

/** @param {any} content of a notification that arrived just now */
function arrived(content) {
  $('bell').classList.remove('ring');
  requestAnimationFrame(() => $('bell').classList.add('ring'));
  toastNotification(content);
}

/** @type {any} */ let countsTimer;

/** Events carry the total but not the categories: asks for those when they do not add up, once things are calm. */
function checkCounts() {
  clearTimeout(countsTimer);
  countsTimer = setTimeout(async () => {
    if (!apus) return;
    if (view.doubt) return load();
    if (!view.isOff(apus.unread?.notifications ?? 0)) return;
    const seq = apus.position?.seq;
    const page = await apus.inbox({ limit: 1 }).catch(() => null); // The next event asks again.
    if (page && apus.position?.seq === seq) view.takeCounts(page.by_category);
    render();
  }, calmMs);
}

/** @param {{ notifications: number }} unread */
function showBadge({ notifications }) {
  $('badge').textContent = notifications > 99 ? '99+' : String(notifications);
  $('badge').hidden = notifications === 0;
  $('bell').setAttribute('aria-label', `${count(notifications, 'unread notification')}, go to the inbox`);
  $('announcer').textContent = count(notifications, 'unread notification');
  document.title = notifications > 0 ? `(${notifications}) Apus` : 'Apus';
  render();
}

/** @type {any} */ let renderTimer = null;

/** Soon, and once for many events. (Not by requestAnimationFrame: that stands still in a window behind others.) */
function render() {
  renderTimer ??= setTimeout(() => {
    renderTimer = null;
    const total = apus?.unread?.notifications ?? 0;
    renderChips(total);
    renderItems();
    $('mark-all').disabled = (view.filter.category ? view.byCategory[view.filter.category] ?? 0 : total) === 0;
    $('load-more').hidden = !view.cursor;
  });
}

/** @param {number} total */
function renderChips(total) {
  const { category, unread } = view.filter;
  const chips = [
    { id: 'all', label: 'All', n: 0, pressed: !category && !unread, filter: {} },
    { id: 'unread', label: 'Unread', n: total, pressed: unread === true, filter: { unread: true } },
    ...[...view.categories].sort().map((name) => ({
      id: `category-${name}`, label: name, n: view.byCategory[name] ?? 0, pressed: category === name,
      filter: { category: name },
    })),
  ];
  const had = new Map([...$('chips').children].map((chip) => [chip.dataset.id, chip]));
  const shown = chips.map(({ id, label, n, pressed, filter }) => {
    const chip = had.get(id) ?? el('button', {
      class: 'chip', type: 'button', dataset: { id, testid: `chip-${label.toLowerCase()}` },
      onclick: () => { view.choose(filter); load(); },
    }, el('span', {}, label), el('b'));
    chip.setAttribute('aria-pressed', String(pressed));
    chip.lastChild.textContent = String(n);
    chip.lastChild.hidden = n === 0;
    return chip;
  });
  arrange($('chips'), shown);
}

/** @type {Map<string, any>} rows by notification */
let rows = new Map();
/** @type {WeakMap<any, any>} what a row was made from */
const contents = new WeakMap();

function renderItems() {
  const isEmpty = view.items.length === 0;
  rows = new Map(view.items.map((item) => [item.id, updateRow(rows.get(item.id) ?? makeRow(item.id), item)]));
  const ghosts = isEmpty && !view.loaded ? 3 : 0;
  const ghost = () => el('li', { class: 'ghost', 'aria-hidden': 'true' });
  arrange($('items'), [...rows.values(), ...Array.from({ length: ghosts }, ghost)]);
  $('items').setAttribute('aria-busy', String(view.loading));
  $('empty').hidden = !isEmpty || !view.loaded;
  const { unread } = view.filter;
  $('empty-title').textContent = unread ? 'All caught up' : 'Nothing here yet';
  $('empty-hint').textContent = unread ? 'Everything has been read.' : 'Send something, and watch it arrive.';
}

/**
 * Makes `children` the children, touching only what changed, so that focus and animations stay.
 * @param {any} parent
 * @param {any[]} children
 */
function arrange(parent, children) {
  const keep = new Set(children);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  children.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

/** @param {string} id */
function makeRow(id) {
  return el('li', {}, el('button', {
    class: 'item', type: 'button', dataset: { testid: 'inbox-item', id }, onclick: () => markRead({ ids: [id] }),
  }));
}

/** @param {any} row @param {import('./inbox-view.js').Item} item */
function updateRow(row, item) {
  const button = row.firstChild;
  if (contents.get(row) !== item.content) {
    contents.set(row, item.content);
    button.replaceChildren(el('span', { class: 'visually-hidden' }), ...itemParts(item.content));
    button.classList.remove('fresh');
    if (item.fresh) requestAnimationFrame(() => button.classList.add('fresh'));
  }
  button.dataset.read = String(item.read);
  button.dataset.missed = String(item.missed);
  button.title = item.read ? '' : 'Mark as read';
  button.firstChild.textContent = item.read ? '' : 'Unread: ';
  button.querySelector('.away').hidden = !item.missed;
  return row;
}

// Wiring ------------------------------------------------------------------------------------------------------------

async function copyCurl() {
  try {
    await navigator.clipboard.writeText($('curl').textContent);
    $('copy').textContent = 'Copied';
    setTimeout(() => { $('copy').textContent = 'Copy'; }, 2000);
  } catch {
    getSelection()?.selectAllChildren($('curl')); // Without the permission it is ready for Ctrl-C.
  }
}

/** @param {boolean} isOpen */
function openMenu(isOpen) {
  $('menu').hidden = !isOpen;
  $('account').setAttribute('aria-expanded', String(isOpen));
}

/** @param {string} id @param {() => void} act */
const onClick = (id, act) => $(id).addEventListener('click', act);

onClick('retry-session', begin);
onClick('sign-out', signOut);
onClick('account', () => openMenu($('menu').hidden));
onClick('mark-all', () => markRead({ all: true, category: view.filter.category }));
onClick('load-more', () => load({ more: true }));
onClick('copy', copyCurl);
onClick('bell', () => {
  $('inbox').scrollIntoView();
  $('inbox').focus({ preventScroll: true });
});
$('offline').addEventListener('change', () => cut($('offline').checked));
document.addEventListener('click', ({ target }) => {
  if (target instanceof Element && !target.closest('#account, #menu')) openMenu(false);
});
document.addEventListener('keydown', ({ key }) => {
  if (key !== 'Escape' || $('menu').hidden) return;
  openMenu(false);
  $('account').focus();
});
setInterval(() => { if (apus?.state.state === 'reconnecting') showPill(); }, 250);
setInterval(() => {
  for (const time of /** @type {any} */ (document.querySelectorAll('.item time'))) {
    time.textContent = ago(Date.parse(time.dateTime));
  }
}, 30_000);
wireUpFrames();
wireUpPublish(() => me ?? { user: 'system', name: 'System' });
begin();
