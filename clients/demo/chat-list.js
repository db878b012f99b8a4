// @ts-check
// The list of conversations on the screen.

import { $, arrange, avatar, el, icon } from '/look.js';
import { called, shortTime, textOf, titleOf } from '/people.js';
import { hrefOf } from '/route.js';

/**
 * @typedef {import('../js/apus.js').Conversation} Conversation
 * @typedef {import('./messenger.js').Messenger} Messenger
 */

/** @type {Map<string, any>} rows by conversation */
let rows = new Map();

/** @param {Messenger} messenger @param {string | null} open which conversation is open */
export function renderChats(messenger, open) {
  const chats = messenger.chats();
  rows = new Map(chats.map((chat) => {
    const row = rows.get(chat.conv) ?? el('li', {}, el('a', { class: 'chat', href: hrefOf(chat.conv) }));
    update(row.firstChild, chat, messenger, chat.conv === open);
    return [chat.conv, row];
  }));
  const { list } = messenger;
  const ghosts = list.loaded || chats.length > 0 ? 0 : 4;
  arrange($('chat-list'), [...rows.values(), ...Array.from({ length: ghosts }, ghost)]);
  $('chat-list').setAttribute('aria-busy', String(list.loading));
  $('chats-empty').hidden = chats.length > 0 || !list.loaded;
  $('more-chats').hidden = !list.cursor;
}

const ghost = () => el('li', { class: 'ghost', 'aria-hidden': 'true' });

/** @param {any} link @param {Conversation} chat @param {Messenger} messenger @param {boolean} isOpen */
function update(link, chat, messenger, isOpen) {
  const typists = messenger.list.typists(chat.conv);
  const unsent = messenger.waiting.of(chat.conv).at(-1);
  const preview = previewOf(chat, messenger.me, typists, unsent);
  const at = unsent?.at ?? chat.last?.ts;
  const title = titleOf(chat);
  const looks = JSON.stringify([title, chat.kind, preview, at && shortTime(at), chat.unread, chat.muted, isOpen]);
  if (link.looks === looks) return;
  link.looks = looks;
  link.dataset.testid = 'chat';
  link.dataset.conv = chat.conv;
  link.dataset.unread = String(chat.unread);
  if (isOpen) link.setAttribute('aria-current', 'true');
  else link.removeAttribute('aria-current');
  link.replaceChildren(...[
    faceOf(chat),
    el('span', { class: 'chat-title' }, title, chat.muted && icon('muted')),
    at && el('time', { datetime: new Date(at).toISOString() }, shortTime(at)),
    el('span', { class: `preview ${preview.kind}` }, preview.kind === 'waiting' && icon('clock'), preview.text),
    chat.unread > 0 && el('span', { class: `count-badge ${chat.muted ? 'quiet' : ''}`, dataset: { testid: 'chat-unread' } },
      chat.unread > 99 ? '99+' : String(chat.unread), el('span', { class: 'visually-hidden' }, ' unread')),
  ].filter(Boolean));
}

/** @param {Conversation} chat @param {string} me @param {string[]} typists @param {any} unsent */
function previewOf(chat, me, typists, unsent) {
  if (typists.length > 0) {
    return { kind: 'typing', text: chat.kind === 'group' ? `${called(typists[0])} is typing…` : 'typing…' };
  }
  if (unsent) return { kind: unsent.problem ? 'failed' : 'waiting', text: textOf(unsent.body) };
  if (!chat.last) return { kind: 'none', text: chat.kind === 'group' ? 'New group' : 'No messages yet' };
  const { from, recalled, body } = chat.last;
  if (recalled) return { kind: 'none', text: from === me ? 'You took a message back' : 'Message taken back' };
  const who = from === me ? 'You: ' : chat.kind === 'group' ? `${called(from)}: ` : '';
  return { kind: '', text: who + textOf(body) };
}

/** @param {Conversation} chat @param {string} [size] */
export function faceOf(chat, size = '') {
  if (chat.kind !== 'group') return avatar(titleOf(chat), '', size);
  const face = avatar(titleOf(chat), '', `group ${size}`);
  face.replaceChildren(icon('group'));
  return face;
}
