// @ts-check
// The inbox on the screen: what `inbox-view.js` holds, in rows, and what a click does.

import { ApusError } from '/apus.js';
import { InboxView } from '/inbox-view.js';
import { $, ago, arrange, count, el, itemParts, onClick, reasonOf } from '/look.js';
import { toastNotification, toastProblem } from '/toasts.js';

/** How long after an event the counts are compared: several come together. */
const calmMs = 150;

/** @type {import('../js/apus.js').Apus | null} */ let apus = null;
const view = new InboxView();

/** @param {import('../js/apus.js').Apus} client */
export function wireUpInbox(client) {
  apus = client;
  client.on('state', ({ state }) => { if (state === 'open') view.forgetMissed(); });
  // Unless it resumes (or the first page never came), what the page shows is not to be trusted.
  client.on('welcome', ({ resumed }) => { if (!resumed || !view.loaded) load({ markNew: view.loaded }); });
  client.on('unread', showBadge);
  client.on('event', (event, { missed }) => {
    if (!event.ev?.startsWith('notification') && event.ev !== 'inbox.read') return;
    view.take(event, missed);
    if (!missed && event.ev !== 'notification.retracted' && event.notification?.type) arrived(event.notification);
    render();
    checkCounts();
  });
  onClick('mark-all', () => markRead({ all: true, category: view.filter.category }));
  onClick('load-more', () => load({ more: true }));
  setInterval(() => {
    for (const time of /** @type {any} */ (document.querySelectorAll('.item time'))) {
      time.textContent = ago(Date.parse(time.dateTime));
    }
  }, 30_000);
}

/** @param {{ notifications: number }} unread */
function showBadge({ notifications }) {
  $('badge').textContent = notifications > 99 ? '99+' : String(notifications);
  $('badge').hidden = notifications === 0;
  $('bell').setAttribute('aria-label', `Notifications, ${notifications} unread`);
  $('announcer').textContent = count(notifications, 'unread notification');
  render();
}

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
