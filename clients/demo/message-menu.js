// @ts-check
// What can be done with a message: a small menu beside it.

import { $, el, icon } from '/look.js';
import { textOf } from '/people.js';

/**
 * @typedef {import('../js/apus.js').Message} Message
 *
 * @typedef {{ react(message: Message, key: string): void, edit(message: Message): void, recall(message: Message): void }} Actions
 */

const quick = ['👍', '❤️', '😂', '😮', '😢', '🎉'];
const marginPx = 8;

/** @type {any} where the focus goes back to */ let opener = null;

/** @param {Message} message @param {any} button @param {string} me @param {Actions} actions */
export function openMessageMenu(message, button, me, actions) {
  const menu = $('message-menu');
  if (opener === button) return closeMessageMenu();
  const choose = (/** @type {() => void} */ act) => () => {
    closeMessageMenu();
    act();
  };
  const item = (/** @type {string} */ symbol, /** @type {string} */ text, /** @type {() => void} */ act) => el('button',
    { type: 'button', class: 'menu-item', onclick: choose(act), dataset: { testid: `menu-${text.toLowerCase().replace(/ /g, '-')}` } },
    icon(symbol), text);
  const isOwn = message.from === me;
  menu.replaceChildren(
    el('div', { class: 'quick' }, ...quick.map((key) => el('button', {
      type: 'button', 'aria-label': `React with ${key}`, 'aria-pressed': String(message.reactions?.[key]?.includes(me) ?? false),
      dataset: { testid: `react-${key}` }, onclick: choose(() => actions.react(message, key)),
    }, key))),
    item('copy-icon', 'Copy text', () => { navigator.clipboard?.writeText(textOf(message.body)).catch(() => {}); }),
    ...(isOwn ? [
      item('pencil', 'Edit', () => actions.edit(message)),
      item('undo', 'Take back', () => actions.recall(message)),
    ] : []));
  menu.hidden = false;
  opener = button;
  button.setAttribute('aria-expanded', 'true');
  const at = button.getBoundingClientRect();
  const fit = (/** @type {number} */ value, /** @type {number} */ max) => Math.max(marginPx, Math.min(value, max - marginPx));
  const below = at.bottom + marginPx + menu.offsetHeight < innerHeight;
  menu.style.left = `${fit(at.left - menu.offsetWidth / 2, innerWidth - menu.offsetWidth)}px`;
  menu.style.top = `${fit(below ? at.bottom + 4 : at.top - menu.offsetHeight - 4, innerHeight)}px`;
  menu.querySelector('button').focus({ preventScroll: true });
}

export function closeMessageMenu() {
  if (!opener) return;
  $('message-menu').hidden = true;
  opener.setAttribute('aria-expanded', 'false');
  if (opener.isConnected) opener.focus({ preventScroll: true });
  opener = null;
}

export function wireUpMessageMenu() {
  const menu = $('message-menu');
  document.addEventListener('pointerdown', ({ target }) => {
    if (opener && target instanceof Node && !menu.contains(target) && !opener.contains(target)) closeMessageMenu();
  });
  menu.addEventListener('keydown', (/** @type {KeyboardEvent} */ press) => {
    const buttons = [...menu.querySelectorAll('button')];
    const at = buttons.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[press.key];
    if (press.key === 'Escape') closeMessageMenu();
    else if (press.key === 'Tab') closeMessageMenu();
    else if (step) buttons[(at + step + buttons.length) % buttons.length].focus();
    else return;
    press.preventDefault();
    press.stopPropagation();
  });
  $('messages').addEventListener('scroll', () => { if (opener) closeMessageMenu(); }, { passive: true });
}
