// @ts-check
// Elements, and how a notification looks. Everything that came over a wire is put in as text, never as markup.

import { ApusError } from '/apus.js';

/** What the known types say. `title`: the object's title follows; `alone`: what is said when it has none. */
const phrases = new Map(Object.entries({
  'post.liked': { says: 'liked your post', title: true },
  'comment.created': { says: 'commented on your post', title: true },
  'comment.replied': { says: 'replied to your comment on', title: true, alone: 'replied to your comment' },
  'mention.created': { says: 'mentioned you in', title: true, alone: 'mentioned you' },
  'follow.created': { says: 'started following you' },
  'system.announcement': { says: 'Announcement' },
}));

const avatarHues = 8;

/** @param {string} id @returns {any} */
export const $ = (id) => document.getElementById(id);

/** @param {number} n @param {string} one @param {string} [many] */
export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/**
 * @param {string} tag
 * @param {Record<string, any>} [attributes] `dataset` is an object, `on…` are handlers
 * @param {...(Node | string | null | undefined | false)} children strings become text; nothing is left out
 * @returns {any}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'dataset') Object.assign(node.dataset, value);
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  for (const child of children) if (child) node.append(child);
  return node;
}

/** @param {string} id of a symbol in the page */
export function icon(id) {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  const use = document.createElementNS(namespace, 'use');
  use.setAttribute('href', `#${id}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}

/**
 * What to say of a notification. Types that are not known are shown by their name, with the data as it is when there
 * is no text in it. (`brief` and `content` are what paopao-ce has for text.)
 * @param {any} content
 */
export function sayings(content) {
  const phrase = phrases.get(content.type);
  const name = content.actor?.name ?? content.actor?.id;
  const { title, type, id } = content.object ?? {};
  const data = content.data && typeof content.data === 'object' ? content.data : {};
  const text = [data.text, data.brief, data.content].find((value) => typeof value === 'string' && value !== '');
  const object = title ? `“${title}”` : type ? `${type} ${id ?? ''}`.trim() : null;
  return {
    name: name === undefined ? null : String(name),
    says: phrase ? (!title && phrase.alone) || phrase.says : null,
    object: !phrase || (phrase.title && title) ? object : null,
    text: text ?? null,
    raw: !phrase && text === undefined && Object.keys(data).length > 0 ? JSON.stringify(data).slice(0, 300) : null,
  };
}

/** @param {any} content @returns {any} the sentence: who did what */
export function line(content) {
  const { name, says, object } = sayings(content);
  const parts = [
    name && el('b', {}, name),
    says ? (name ? says : el('b', {}, says)) : el('span', { class: 'mono' }, String(content.type)),
    object,
  ].filter(Boolean);
  return el('span', { class: 'line' }, ...parts.flatMap((part, at) => (at > 0 ? [' ', part] : [part])));
}

/**
 * @param {string | null} name null: nobody did it, the system did
 * @param {string} [type] of the notification
 * @param {string} [size]
 */
export function avatar(name, type = '', size = '') {
  if (!name) {
    const symbol = type.startsWith('system') ? 'megaphone' : 'spark';
    return el('span', { class: `avatar system ${size}`, 'aria-hidden': 'true' }, icon(symbol));
  }
  const letters = name.trim().split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? '').join('').toUpperCase();
  const hue = [...name].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 8191, 7) % avatarHues;
  return el('span', { class: `avatar hue-${hue} ${size}`, 'aria-hidden': 'true' }, letters);
}

/** @param {number} ts milliseconds since 1970 @param {number} [now] */
export function ago(ts, now = Date.now()) {
  const minutes = Math.max(0, now - ts) / 60_000;
  if (minutes < 0.75) return 'just now';
  if (minutes < 59.5) return `${Math.max(1, Math.round(minutes))} min ago`;
  if (minutes < 23.5 * 60) return `${Math.round(minutes / 60)} h ago`;
  if (minutes < 6.5 * 1440) return `${count(Math.round(minutes / 1440), 'day')} ago`;
  return new Date(ts).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
}

/** @param {any} content @returns {Node[]} what stands in the row of a notification */
export function itemParts(content) {
  const { name, text, raw } = sayings(content);
  const when = new Date(content.ts);
  const isDated = !Number.isNaN(when.getTime());
  return [
    avatar(name, String(content.type)),
    line(content),
    el('span', { class: 'dot', 'aria-hidden': 'true' }),
    text && el('span', { class: 'text' }, text),
    raw && el('span', { class: 'text raw' }, raw),
    el('span', { class: 'meta' },
      isDated && el('time', { datetime: when.toISOString(), title: when.toLocaleString() }, ago(content.ts)),
      el('span', { class: 'tag', title: content.type }, String(content.category)),
      el('span', { class: 'away', hidden: '' }, 'while you were away')),
  ].filter(Boolean);
}

/**
 * Makes `children` the children, touching only what changed, so that focus and animations stay.
 * @param {any} parent
 * @param {any[]} children
 */
export function arrange(parent, children) {
  const keep = new Set(children);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  children.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

/** @param {unknown} error */
export function reasonOf(error) {
  if (error instanceof ApusError && error.code === 'not_connected') return 'there is no connection.';
  return error instanceof Error ? error.message : String(error);
}

/** @param {string} id @param {() => void} act */
export const onClick = (id, act) => $(id).addEventListener('click', act);
