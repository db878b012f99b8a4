// @ts-check
// The dialog about a conversation: title and members of a group, mute, block, leave.

import { $, avatar, el, onClick } from '/look.js';
import { called, nameOf, partnerIn, titleOf } from '/people.js';

/**
 * @typedef {import('../js/apus.js').Conversation} Conversation
 * @typedef {import('./messenger.js').Messenger} Messenger
 */

/** @type {string | null} */ let shown = null;
/** @type {Messenger} */ let messenger;

/** @param {Messenger} of @param {string} conv */
export function openDetails(of, conv) {
  messenger = of;
  shown = conv;
  looks = '';
  renderDetails();
  const chat = of.chat(conv);
  if (!chat) return;
  $('group-title').value = chat.title ?? '';
  $('details').showModal();
}

let looks = '';

/** Brings an open dialog up to date. */
export function renderDetails() {
  if (!shown) return;
  const chat = messenger.chat(shown);
  if (!chat) return $('details').close();
  const now = JSON.stringify([titleOf(chat), chat.members, chat.owner, chat.muted, chat.blocked, chat.member_count]);
  if (now === looks) return; // What has the focus keeps it.
  looks = now;
  const isGroup = chat.kind === 'group';
  const exists = messenger.list.get(chat.conv) !== undefined;
  $('details-title').textContent = titleOf(chat);
  $('details-kind').textContent = isGroup ? `Group · ${chat.member_count ?? chat.members.length} members` : `${partnerIn(chat.conv)}`;
  $('details-group').hidden = !isGroup;
  $('details-mute').checked = chat.muted;
  $('details-mute').disabled = !exists;
  $('details-block-row').hidden = isGroup;
  $('details-block').checked = chat.blocked === true;
  $('details-leave').hidden = !isGroup;
  $('details-unread').disabled = !chat.last;
  $('members').replaceChildren(...chat.members.map((user) => memberRow(chat, user)));
}

/** @param {Conversation} chat @param {string} user */
function memberRow(chat, user) {
  const mayRemove = chat.owner === messenger.me && user !== messenger.me;
  return el('li', { class: 'person', dataset: { testid: `member-${user}` } },
    avatar(nameOf(user), '', 'small'),
    el('span', {}, called(user), user === chat.owner && el('small', {}, 'owner')),
    mayRemove && el('button', {
      class: 'button quiet', type: 'button', 'aria-label': `Remove ${nameOf(user)}`, dataset: { testid: `remove-${user}` },
      onclick: () => ask('Not removed', (conv) => messenger.apus.removeMembers({ conv, members: [user] })),
    }, 'Remove'));
}

/** @param {string} what went wrong then @param {(conv: string) => Promise<any>} act */
async function ask(what, act) {
  const conv = shown;
  if (!conv) return null;
  const answer = await messenger.attempt(what, () => act(conv));
  // The reply is newer than what the events have told so far.
  if (answer?.conv && messenger.list.get(conv)) messenger.list.put(answer);
  looks = ''; // What was switched and failed is switched back.
  renderDetails();
  return answer;
}

/** @param {() => void} leave what is done once the conversation is not to be shown any more */
export function wireUpDetails(leave) {
  const dialog = $('details');
  // The event may come late, when the dialog has been opened again.
  dialog.addEventListener('close', () => { if (!dialog.open) shown = null; });
  onClick('details-close', () => dialog.close());
  $('rename').addEventListener('submit', (/** @type {Event} */ event) => {
    event.preventDefault();
    const title = $('group-title').value.trim();
    if (title) ask('Not renamed', (conv) => messenger.apus.updateGroup({ conv, title }));
  });
  $('add-member').addEventListener('submit', (/** @type {Event} */ event) => {
    event.preventDefault();
    const members = $('add-user').value.split(/[\s,]+/).filter(Boolean);
    if (members.length === 0) return;
    $('add-user').value = '';
    ask('Not added', (conv) => messenger.apus.addMembers({ conv, members }));
  });
  $('details-mute').addEventListener('change', () => {
    ask('Not changed', (conv) => messenger.apus.mute({ conv, on: $('details-mute').checked }));
  });
  $('details-block').addEventListener('change', () => {
    const isOn = $('details-block').checked;
    ask('Not changed', async (conv) => {
      const user = partnerIn(conv) ?? '';
      await (isOn ? messenger.apus.block(user) : messenger.apus.unblock(user));
      messenger.setBlocked(user, isOn);
    });
  });
  onClick('details-unread', async () => {
    const chat = shown && messenger.list.get(shown);
    if (!chat) return;
    dialog.close();
    leave();
    await messenger.markUnread(chat);
  });
  onClick('details-leave', async () => {
    const conv = shown;
    const done = await ask('You are still in the group', (group) => messenger.apus.leaveGroup({ conv: group }));
    if (!done || !conv) return;
    dialog.close();
    leave();
  });
}
