// @ts-check
// How one message looks: bubble, marks, reactions. Everything from outside is text.

import { avatar, el, icon } from '/look.js';
import { called, nameOf, textOf, timeOf } from '/people.js';

/**
 * @typedef {import('../js/apus.js').Conversation} Conversation
 * @typedef {import('../js/apus.js').Message} Message
 * @typedef {import('./waiting.js').WaitingMessage} WaitingMessage
 *
 * `first`, `last`: of several in a row by one author.
 * @typedef {{ own: boolean, first: boolean, last: boolean, chat: Conversation, me: string }} Place
 *
 * What a click in a row leads to.
 * @typedef {{ menu(message: Message, button: any): void, react(message: Message, key: string): void,
 *             resend(cid: string): void, discard(cid: string): void }} Actions
 */

/**
 * How far an own message is: what its ticks say.
 * @typedef {'sent' | 'delivered' | 'read'} Mark
 */

const marks = {
  sent: { symbol: 'check', says: 'Sent' },
  delivered: { symbol: 'checks', says: 'Delivered' },
  read: { symbol: 'checks', says: 'Read' },
};

/** @param {Conversation} chat @param {number} n @returns {Mark} of an own message */
export function markOf({ others }, n) {
  if (others.length === 0) return 'sent';
  if (others.every((other) => other.read_n >= n)) return 'read';
  return others.every((other) => Math.max(other.read_n, other.delivered_n) >= n) ? 'delivered' : 'sent';
}

/** @param {Conversation} chat @param {number} n @returns {string} for whoever points at the ticks in a group */
function whoRead({ kind, others }, n) {
  const readers = others.filter((other) => other.read_n >= n).map(({ user }) => nameOf(user));
  return kind === 'group' && readers.length > 0 ? ` by ${readers.join(', ')}` : '';
}

/**
 * Brings a row up to date, if anything of it changed.
 * @param {any} row @param {Message} message @param {Place} place @param {Actions} actions
 */
export function updateMessage(row, message, place, actions) {
  const mark = place.own ? markOf(place.chat, message.n) : null;
  const readers = mark ? whoRead(place.chat, message.n) : '';
  if (!changes(row, [message, place.own, place.first, place.last, mark, readers, nameOf(message.from)])) return;
  const isGone = message.recalled === true;
  dress(row, place, { message: 'message', n: String(message.n), mark: mark ?? '', state: isGone ? 'recalled' : 'stored' });
  const text = isGone ? 'This message was taken back' : textOf(message.body);
  const more = el('button', {
    class: 'more', type: 'button', title: 'React and more', 'aria-label': `React to, or change: ${text.slice(0, 60)}`,
    'aria-haspopup': 'true', dataset: { action: 'more', testid: 'message-more' },
    onclick: () => actions.menu(message, more),
  }, icon('smile'));
  fill(row,
    !place.own && place.chat.kind === 'group' && (place.last ? avatar(nameOf(message.from), '', 'tiny') : el('span')),
    el('div', { class: 'bubble' },
      !place.own && place.chat.kind === 'group' && place.first && el('span', { class: 'author' }, nameOf(message.from)),
      el('span', { class: 'visually-hidden' }, `${called(message.from)}: `),
      el('span', { class: 'words', dataset: { testid: 'message-text' } }, text),
      el('span', { class: 'stamp' },
        !isGone && message.edited && el('span', { title: new Date(message.edited).toLocaleString() }, 'edited'),
        el('time', { datetime: new Date(message.ts).toISOString(), title: new Date(message.ts).toLocaleString() },
          timeOf(message.ts)),
        mark && !isGone && el('span', { class: `mark ${mark}`, title: marks[mark].says + readers },
          icon(marks[mark].symbol), el('span', { class: 'visually-hidden' }, marks[mark].says + readers)))),
    !isGone && more,
    reactionsOf(message, place.me, actions));
}

/** @param {any} row @param {WaitingMessage} item @param {Place} place @param {Actions} actions */
export function updateWaiting(row, item, place, actions) {
  if (!changes(row, [item, place.first, place.last])) return;
  dress(row, place, { message: 'message', n: '', mark: 'waiting', state: item.problem ? 'failed' : 'waiting' });
  const button = (/** @type {string} */ text, /** @type {() => void} */ act) => (
    el('button', { class: 'link-button', type: 'button', onclick: act, dataset: { action: text } }, text));
  fill(row,
    el('div', { class: 'bubble' },
      el('span', { class: 'words', dataset: { testid: 'message-text' } }, textOf(item.body)),
      el('span', { class: 'stamp' }, el('time', {}, timeOf(item.at)),
        el('span', { class: 'mark', title: 'Waiting for the connection' }, icon(item.problem ? 'alert' : 'clock'),
          el('span', { class: 'visually-hidden' }, item.problem ? 'Not sent' : 'Waiting')))),
    item.problem && el('p', { class: 'failure', role: 'alert' }, `Not sent: ${item.problem} `,
      button('Try again', () => actions.resend(item.cid)), button('Delete', () => actions.discard(item.cid))));
}

/** @param {Message} message @param {string} me @param {Actions} actions */
function reactionsOf(message, me, actions) {
  const entries = Object.entries(message.reactions ?? {});
  if (entries.length === 0) return null;
  return el('div', { class: 'reactions', dataset: { testid: 'reactions' } }, ...entries.map(([key, users]) => el('button', {
    class: 'reaction', type: 'button', 'aria-pressed': String(users.includes(me)), dataset: { action: `react-${key}` },
    title: users.map(called).join(', '), 'aria-label': `${key} by ${users.map(called).join(', ')}`,
    onclick: () => actions.react(message, key),
  }, key, users.length > 1 && el('b', {}, String(users.length)))));
}

/** @param {any} row @param {any} looks @returns {boolean} whether it looks otherwise than before */
function changes(row, looks) {
  const now = JSON.stringify(looks);
  if (row.looks === now) return false;
  row.looks = now;
  return true;
}

/** @param {any} row @param {Place} place @param {Record<string, string>} data */
function dress(row, { own, first, last }, { message, ...data }) {
  row.className = `message ${own ? 'own' : 'theirs'} ${first ? 'first' : ''} ${last ? 'last' : ''}`;
  Object.assign(row.dataset, data, { testid: message });
}

/**
 * Fills a row anew; what had the focus in it has it again.
 * @param {any} row
 * @param {...any} children
 */
function fill(row, ...children) {
  /** @type {any} */ const active = document.activeElement;
  const focused = row.contains(active) ? active.dataset.action : null;
  row.replaceChildren(...children.filter(Boolean));
  if (focused) row.querySelector(`[data-action="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}
