// @ts-check
// The messenger on the screen: which conversation is open, its header, and what clicks and keys do.

import { openDetails, renderDetails, wireUpDetails } from '/chat-details.js';
import { faceOf, renderChats } from '/chat-list.js';
import { composeIn, edit, forbid, stopEditing, wireUpComposer } from '/composer.js';
import { $, arrange, count, onClick, reasonOf } from '/look.js';
import { closeMessageMenu, openMessageMenu, wireUpMessageMenu } from '/message-menu.js';
import { Messenger } from '/messenger.js';
import { wireUpNewChat } from '/new-chat.js';
import { called, newDirect, textOf, titleOf } from '/people.js';
import { go, hrefOf, route } from '/route.js';
import { isAtEnd, renderThread, scrollToEnd, showThread } from '/thread-view.js';
import { dismissToasts, toastMessage, toastProblem } from '/toasts.js';

/**
 * @typedef {import('../js/apus.js').Apus} Apus
 * @typedef {import('../js/apus.js').Message} Message
 */

/** @type {Messenger | null} */ let messenger = null;
/** @type {string | null} the conversation that is open */ let open = null;
/** @type {any} */ let renderTimer = null;

/** @type {import('./message-row.js').Actions} */
const actions = {
  menu(message, button) {
    openMessageMenu(message, button, messenger?.me ?? '', { react: actions.react, edit, recall });
  },
  react(message, key) {
    const on = !message.reactions?.[key]?.includes(messenger?.me ?? '');
    ask('Not done', (apus, conv) => apus.react({ conv, n: message.n, key, on }));
  },
  resend: (cid) => messenger?.resend(cid),
  discard: (cid) => messenger?.discard(cid),
};

/** @param {Message} message */
function recall(message) {
  ask('Not taken back', (apus, conv) => apus.recall({ conv, n: message.n }));
}

/** @param {string} what went wrong then @param {(apus: Apus, conv: string) => Promise<any>} act */
function ask(what, act) {
  const conv = open;
  if (conv) messenger?.attempt(what, () => act(/** @type {Messenger} */ (messenger).apus, conv));
}

/** @param {Apus} apus @param {string} me */
export function wireUpChats(apus, me) {
  messenger = new Messenger(apus, me, localStorage, {
    changed: render,
    arrived: announce,
    problem: (text, error) => toastProblem(`${text}: ${reasonOf(error)}`),
  });
  apus.on('unread', ({ messages }) => {
    $('chats-badge').textContent = messages > 99 ? '99+' : String(messages);
    $('chats-badge').hidden = messages === 0;
    $('chats-tab').setAttribute('aria-label', `Chats, ${count(messages, 'unread message')}`);
  });
  wireUpComposer({
    send: (text) => {
      const chat = open && messenger?.chat(open);
      if (chat) messenger?.send(chat, text);
      render();
      setTimeout(scrollToEnd); // After the row is there.
    },
    edit: (message, text) => ask('Not changed', (client, conv) => client.edit({ conv, n: message.n, body: { text } })),
    typing: (on) => { if (open && messenger?.list.get(open)) messenger.typing(open, on); },
    lastOwn: () => (open ? messenger?.thread(open)?.lastOf(me) : undefined),
  });
  wireUpMessageMenu();
  wireUpDetails(() => {
    go('#/');
    showRoute(); // At once: what is left must not be taken for seen.
  });
  wireUpNewChat(begin);
  onClick('thread-back', () => go('#/'));
  onClick('thread-details', () => { if (messenger && open) openDetails(messenger, open); });
  onClick('more-chats', () => messenger?.loadMoreChats());
  onClick('jump', () => scrollToEnd('smooth'));
  $('messages').addEventListener('scroll', render, { passive: true });
  for (const name of ['visibilitychange', 'focus']) addEventListener(name, render, true);
  addEventListener('resize', render);
  setInterval(render, 30_000); // "Yesterday" comes by itself.
}

/** Opens what the address says. */
export function showRoute() {
  const { view, conv } = route();
  closeMessageMenu();
  $('messenger').hidden = view !== 'chats';
  $('messenger').dataset.screen = conv ? 'thread' : 'list';
  if (conv !== open && view === 'chats') {
    open = conv;
    showThread(conv && messenger ? messenger.open(conv) : null);
    composeIn(conv ?? '');
    if (conv) dismissToasts(hrefOf(conv));
    if (conv && matchMedia('(min-width: 761px)').matches) setTimeout(() => $('compose-text').focus());
  }
  renderNow();
}

/** @param {string[]} users @param {string} title @param {boolean} asGroup */
async function begin(users, title, asGroup) {
  const conv = asGroup ? await messenger?.createGroup(title, users) : newDirect(users[0]).conv;
  if (conv) go(hrefOf(conv));
}

/** @param {any} event of a message that arrived just now */
function announce(event) {
  const chat = messenger?.list.get(event.conv);
  const isShown = event.conv === open && route().view === 'chats' && isLookedAt();
  if (isShown || chat?.muted) return;
  toastMessage(called(event.from), textOf(event.body), chat?.kind === 'group' ? titleOf(chat) : '', hrefOf(event.conv));
}

const isLookedAt = () => document.visibilityState === 'visible';

/** Soon, and once for many changes. (Not by requestAnimationFrame: that stands still in a window behind others.) */
function render() {
  renderTimer ??= setTimeout(renderNow);
}

function renderNow() {
  clearTimeout(renderTimer);
  renderTimer = null;
  if (!messenger) return;
  renderChats(messenger, open);
  renderDetails();
  const chat = open ? messenger.chat(open) : null;
  $('thread').hidden = !open;
  $('no-thread').hidden = open !== null;
  if (!open || $('messenger').hidden) return;
  renderHead(chat);
  if (!chat) return renderGone();
  renderThread(messenger, chat, actions);
  forbid(chat.blocked ? `You have blocked ${titleOf(chat)}. Unblock them to write.` : null);
  if (isAtEnd() && isLookedAt()) messenger.seen(open);
}

/** @param {import('../js/apus.js').Conversation | null} chat */
function renderHead(chat) {
  const typists = open ? messenger?.list.typists(open) ?? [] : [];
  $('thread-name').textContent = chat ? titleOf(chat) : 'No such conversation';
  $('thread-details').hidden = !chat;
  const members = chat?.kind === 'group' ? chat.members.map(called).join(', ') : '';
  $('thread-sub').textContent = typists.length > 0
    ? `${chat?.kind === 'group' ? `${typists.map(called).join(', ')} ` : ''}typing…`
    : [members, chat?.muted && 'muted'].filter(Boolean).join(' · ');
  $('thread-sub').dataset.typing = String(typists.length > 0);
  const face = chat && `${chat.kind} ${titleOf(chat)}`;
  if (chat && $('thread-face').dataset.face !== face) {
    $('thread-face').dataset.face = face;
    $('thread-face').replaceChildren(faceOf(chat, 'small'));
  }
}

/** The conversation is none of this user's, or no longer. */
function renderGone() {
  if (!messenger?.list.loaded) return;
  arrange($('messages'), []);
  stopEditing();
  forbid('You are not in this conversation.');
}
