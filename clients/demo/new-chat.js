// @ts-check
// The dialog that begins a conversation: with one, or a group of several.

import { $, avatar, el, icon } from '/look.js';
import { nameOf, others } from '/people.js';

/** What the gateway takes for a user id. */
const userID = /^[A-Za-z0-9._:@+=~-]{1,64}$/;

/** @type {Set<string>} */ const chosen = new Set();
/** @type {string[]} ids that were typed in */ let typed = [];

/** @param {(users: string[], title: string, asGroup: boolean) => void} begin */
export function wireUpNewChat(begin) {
  const dialog = $('new-chat');
  const form = $('new-chat-form');
  $('new-chat-open').addEventListener('click', open);
  $('new-chat-open-empty').addEventListener('click', open);
  $('new-chat-cancel').addEventListener('click', () => dialog.close());
  form.elements.user.addEventListener('keydown', (/** @type {KeyboardEvent} */ press) => {
    if (press.key !== 'Enter' || form.elements.user.value.trim() === '') return;
    press.preventDefault();
    addTyped();
  });
  $('new-chat-add').addEventListener('click', addTyped);
  form.elements.group.addEventListener('change', render);
  form.addEventListener('submit', (/** @type {Event} */ event) => {
    event.preventDefault();
    if (form.elements.user.value.trim() !== '' && !addTyped()) return;
    if (chosen.size === 0) return;
    dialog.close();
    begin([...chosen], form.elements.title.value.trim(), isGroup());
  });
}

function open() {
  chosen.clear();
  typed = [];
  $('new-chat-form').reset();
  render();
  $('new-chat').showModal();
}

/** @returns {boolean} whether what is typed is an id */
function addTyped() {
  const field = $('new-chat-form').elements.user;
  const user = field.value.trim();
  const isGood = userID.test(user);
  $('new-chat-problem').hidden = isGood;
  if (!isGood) return false;
  if (!others().includes(user) && !typed.includes(user)) typed.push(user);
  chosen.add(user);
  field.value = '';
  render();
  return true;
}

const isGroup = () => chosen.size > 1 || $('new-chat-form').elements.group.checked;

function render() {
  $('new-chat-people').replaceChildren(...[...others(), ...typed].map((user) => el('label', { class: 'person' },
    avatar(nameOf(user), '', 'small'),
    el('span', {}, nameOf(user), nameOf(user) !== user && el('small', {}, user)),
    check(user))));
  $('new-chat-title').hidden = !isGroup();
  $('new-chat-begin').textContent = isGroup() ? 'Create group' : 'Start chat';
  $('new-chat-begin').disabled = chosen.size === 0;
}

/** @param {string} user */
function check(user) {
  const box = el('input', { type: 'checkbox', dataset: { testid: `pick-${user}` } });
  box.checked = chosen.has(user);
  box.addEventListener('change', () => {
    if (box.checked) chosen.add(user);
    else chosen.delete(user);
    render();
    $('new-chat-people').querySelector(`[data-testid="${CSS.escape(`pick-${user}`)}"]`)?.focus();
  });
  return el('span', { class: 'check' }, box, icon('check'));
}
