// @ts-check
// Small cards for what has just happened.

import { $, avatar, el, icon, line, sayings } from '/look.js';

const shownMax = 3;
const shownMs = 6000;

/** @param {any} content of a notification that arrived just now */
export function toastNotification(content) {
  const { name, text } = sayings(content);
  push(el('div', { class: 'toast', dataset: { testid: 'toast' } }, avatar(name, String(content.type)),
    el('div', {}, line(content), text && el('div', { class: 'text' }, text))));
}

/**
 * @param {string} from @param {string} text
 * @param {string} group its title, or nothing
 * @param {string} href leads to the conversation
 */
export function toastMessage(from, text, group, href) {
  push(el('div', { class: 'toast', dataset: { testid: 'toast', href } }, avatar(from),
    el('a', { href }, el('span', { class: 'line' }, el('b', {}, from), group && ` in ${group}`),
      el('div', { class: 'text' }, text))));
}

/** @param {string} text */
export function toastProblem(text) {
  push(el('div', { class: 'toast plain bad', role: 'alert', dataset: { testid: 'problem' } }, el('div', {}, text)));
}

/**
 * Takes away what leads to a place where the user is now.
 * @param {string} href
 */
export function dismissToasts(href) {
  for (const toast of $('toasts').querySelectorAll('.toast')) if (toast.dataset.href === href) toast.remove();
}

/** @param {any} toast */
function push(toast) {
  /** @type {any} */ let timer;
  const leave = () => { timer = setTimeout(() => toast.remove(), shownMs); };
  const close = el('button', { class: 'dismiss', type: 'button', 'aria-label': 'Dismiss' }, icon('close'));
  close.addEventListener('click', () => toast.remove());
  for (const name of ['mouseenter', 'focusin']) toast.addEventListener(name, () => clearTimeout(timer));
  for (const name of ['mouseleave', 'focusout']) toast.addEventListener(name, leave);
  toast.querySelector('a')?.addEventListener('click', () => toast.remove());
  toast.append(close);
  $('toasts').append(toast);
  while ($('toasts').children.length > shownMax) $('toasts').firstChild.remove();
  leave();
}
