// @ts-check
// What people and conversations are called, and how times are said.

import { directConversation } from '/apus.js';

/** @typedef {import('../js/apus.js').Conversation} Conversation */

/** @type {Map<string, string>} */ const names = new Map();
let me = '';

/** @param {{ user: string, name: string }[]} people @param {string} user who uses this page */
export function knowPeople(people, user) {
  for (const person of people) names.set(person.user, person.name);
  me = user;
}

/** Everybody known, but for oneself. */
export const others = () => [...names.keys()].filter((user) => user !== me);
/** @param {string} user */
export const nameOf = (user) => names.get(user) ?? user;
/** @param {string} user */
export const called = (user) => (user === me ? 'You' : nameOf(user));

/** @param {string} conv @returns {string | null} the other one of a direct conversation; null: it is none */
export function partnerIn(conv) {
  const ids = conv.startsWith('d:') ? conv.slice(2).split(':').map((id) => id.replace(/%3A/g, ':')) : [];
  return ids.length === 2 && ids.includes(me) ? ids[ids[0] === me ? 1 : 0] : null;
}

/**
 * A direct conversation that nobody has written in yet.
 * @param {string} user
 * @returns {Conversation}
 */
export function newDirect(user) {
  return {
    conv: directConversation(me, user), kind: 'direct', members: [me, user].sort(), title: null, last: null, unread: 0,
    read_n: 0, muted: false, others: [],
  };
}

/** @param {Conversation} chat */
export function titleOf(chat) {
  const partner = partnerIn(chat.conv);
  if (partner) return nameOf(partner);
  return chat.title || chat.members.filter((user) => user !== me).map(nameOf).join(', ') || 'Only you';
}

/** @param {any} body of a message @returns {string} */
export function textOf(body) {
  return typeof body?.text === 'string' ? body.text : JSON.stringify(body ?? null);
}

// Times

/** @param {number} ts */
const dayOf = (ts) => new Date(ts).toDateString();

/** @param {number} a @param {number} b */
export const isSameDay = (a, b) => dayOf(a) === dayOf(b);

/** @param {number} ts @param {number} [now] @returns {number} midnights between */
function daysAgo(ts, now = Date.now()) {
  const midnight = (/** @type {number} */ at) => new Date(at).setHours(0, 0, 0, 0);
  return Math.round((midnight(now) - midnight(ts)) / 86_400_000);
}

/** @param {number} ts */
export const timeOf = (ts) => new Date(ts).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });

/**
 * For the list: as short as it can be.
 * @param {number} ts
 */
export function shortTime(ts) {
  const days = daysAgo(ts);
  if (days <= 0) return timeOf(ts);
  if (days === 1) return 'Yesterday';
  if (days < 7) return new Date(ts).toLocaleDateString(undefined, { weekday: 'short' });
  return new Date(ts).toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
}

/**
 * For the line between two days.
 * @param {number} ts
 */
export function dayName(ts) {
  const days = daysAgo(ts);
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  const year = new Date(ts).getFullYear() === new Date().getFullYear() ? undefined : 'numeric';
  return new Date(ts).toLocaleDateString(undefined, { weekday: 'long', day: 'numeric', month: 'long', year });
}
