// @ts-check
// The open conversation on the screen: its rows, and where it is scrolled to.

import { $, arrange, count, el, icon } from '/look.js';
import { updateMessage, updateWaiting } from '/message-row.js';
import { called, dayName, isSameDay, titleOf } from '/people.js';

/**
 * @typedef {import('./messenger.js').Messenger} Messenger
 * @typedef {import('../js/apus.js').Conversation} Conversation
 * @typedef {import('./thread.js').Thread} Thread
 */

/** Nearer to the end counts as being there. */
const nearPx = 80;
/** Older messages are loaded before their place is reached. */
const aheadPx = 500;
/** Messages of one author within this time stand together. */
const togetherMs = 5 * 60_000;

/** @type {{ thread: Thread | null, rows: Map<string, any>, placed: boolean, seenTo: number }} */
const shown = { thread: null, rows: new Map(), placed: false, seenTo: 0 };

/** @param {import('./thread.js').Thread | null} thread what is shown from now on */
export function showThread(thread) {
  Object.assign(shown, { thread, rows: new Map(), placed: false, seenTo: 0 });
  $('messages').replaceChildren();
}

export const isAtEnd = () => {
  const { scrollHeight, scrollTop, clientHeight } = $('messages');
  return shown.placed && scrollHeight - scrollTop - clientHeight < nearPx;
};

/** @param {'auto' | 'smooth'} [behavior] */
export function scrollToEnd(behavior = 'auto') {
  $('messages').scrollTo({ top: $('messages').scrollHeight, behavior });
}

/**
 * @param {Messenger} messenger @param {Conversation} chat
 * @param {import('./message-row.js').Actions} actions
 */
export function renderThread(messenger, chat, actions) {
  const { thread } = shown;
  const box = $('messages');
  if (!thread) return;
  const wasAtEnd = isAtEnd();
  const anchor = shown.placed ? firstVisible(box) : null;
  const top = anchor?.offsetTop ?? 0;
  shown.rows = rowsOf(messenger, chat, thread, actions);
  arrange(box, [...shown.rows.values()]);
  box.setAttribute('aria-busy', String(thread.loading));
  if (!shown.placed) place(box, thread, messenger.list.loaded);
  else if (wasAtEnd) scrollToEnd();
  else if (anchor?.isConnected && anchor.offsetTop !== top) box.scrollTop += anchor.offsetTop - top; // Else a smooth scroll goes on.
  if (isAtEnd()) shown.seenTo = thread.newest;
  const unseen = thread.messages.filter(({ n, from }) => n > shown.seenTo && from !== messenger.me).length;
  $('jump').hidden = isAtEnd() || !shown.placed;
  $('jump-text').textContent = unseen > 0 ? count(unseen, 'new message') : '';
  if (box.scrollTop < aheadPx && shown.placed) messenger.loadOlder(thread);
}

/**
 * The first time there is something to see: at what is new, or at the end.
 * @param {any} box @param {Thread} thread @param {boolean} isRead whether it is known what is new
 */
function place(box, thread, isRead) {
  if (!thread.loaded || !isRead) return;
  shown.placed = true;
  shown.seenTo = thread.newest;
  const line = shown.rows.get('new');
  if (line) box.scrollTop = line.offsetTop - box.clientHeight / 4;
  else scrollToEnd();
}

/** @param {any} box @returns {any} */
function firstVisible(box) {
  return [...shown.rows].find(([key, row]) => (
    key.startsWith('m') && row.offsetTop + row.offsetHeight > box.scrollTop))?.[1];
}

/** @param {Messenger} messenger @param {Conversation} chat @param {Thread} thread @param {any} actions */
function rowsOf(messenger, chat, thread, actions) {
  /** @type {Map<string, any>} */ const rows = new Map();
  const row = (/** @type {string} */ key, /** @type {() => any} */ make) => {
    const known = shown.rows.get(key) ?? make();
    rows.set(key, known);
    return known;
  };
  const { me } = messenger;
  row('top', () => el('li', { class: 'top' })).replaceChildren(...topOf(chat, thread));
  const waiting = messenger.waiting.of(chat.conv);
  const entries = [
    ...thread.messages.map((message) => ({ message, item: null, from: message.from, ts: message.ts })),
    ...waiting.map((item) => ({ message: null, item, from: me, ts: item.at })),
  ];
  notes(thread, 0, row);
  entries.forEach(({ message, item, from, ts }, at) => {
    const before = entries[at - 1];
    const after = entries[at + 1];
    if (!before || !isSameDay(before.ts, ts)) {
      row(`d${new Date(ts).toDateString()}`, () => el('li', { class: 'rule day' }, el('span', {}, dayName(ts))));
    }
    // The line stands where it is known to belong: what was read before it is here, too.
    const isNew = message && from !== me && message.n > thread.readN && thread.messages[0].n <= thread.readN
      && !rows.has('new');
    if (isNew) row('new', () => el('li', { class: 'rule new', dataset: { testid: 'new-line' } }, el('span', {}, 'New')));
    const joins = (/** @type {any} */ other) => other && other.from === from && Math.abs(other.ts - ts) < togetherMs
      && isSameDay(other.ts, ts);
    const place = { own: from === me, first: isNew || !joins(before), last: !joins(after), chat, me };
    // An own one keeps its row when it is answered.
    const line = row(`m${(message ?? item)?.cid ?? `#${message?.n}`}`, () => el('li'));
    if (message) updateMessage(line, message, place, actions);
    else if (item) updateWaiting(line, item, place, actions);
    if (message) notes(thread, message.n, row);
  });
  const typists = messenger.list.typists(chat.conv);
  if (typists.length > 0) {
    row('t', () => el('li', { class: 'message theirs first last typing', 'aria-hidden': 'true', dataset: { testid: 'typing' } },
      el('div', { class: 'bubble dots' }, el('i'), el('i'), el('i'))));
  }
  return rows;
}

/** @param {Thread} thread @param {number} n @param {(key: string, make: () => any) => any} row */
function notes(thread, n, row) {
  for (const { after, event } of thread.notes) {
    if (after === n) row(`n${event.id}`, () => el('li', { class: 'rule note' }, el('span', {}, sayingOf(event))));
  }
}

/** @param {any} event of a group */
function sayingOf({ change, by, users, title }) {
  const whom = users.map((/** @type {string} */ user) => called(user)).join(', ');
  switch (change) {
    case 'created': return `${called(by)} made this group`;
    case 'updated': return `${called(by)} named it “${title}”`;
    case 'added': return `${called(by)} added ${whom}`;
    case 'removed': return `${called(by)} removed ${whom}`;
    default: return `${called(by)} left`;
  }
}

/**
 * What stands above the oldest message.
 * @param {Conversation} chat
 * @param {Thread} thread
 */
function topOf(chat, thread) {
  if (!thread.loaded || thread.loading) return [el('span', { class: 'spinner', role: 'status', 'aria-label': 'Loading' })];
  if (thread.more) return [];
  const text = chat.kind === 'group' ? `This is where “${titleOf(chat)}” begins.`
    : `This is where you and ${titleOf(chat)} begin.`;
  return [el('span', { class: 'beginning' }, icon('swift'), text)];
}
