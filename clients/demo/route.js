// @ts-check
// Which part of the page is in front stands in its address, so that the way back of a phone leads from a thread to the list.

/** @typedef {{ view: 'chats' | 'inbox', conv: string | null }} Route */

/** @param {string} conv */
export const hrefOf = (conv) => `#/c/${encodeURIComponent(conv)}`;

/** @returns {Route} */
export function route() {
  const { hash } = location;
  if (hash === '#/inbox') return { view: 'inbox', conv: null };
  if (!hash.startsWith('#/c/')) return { view: 'chats', conv: null };
  try { return { view: 'chats', conv: decodeURIComponent(hash.slice('#/c/'.length)) }; } catch { /* No address of ours. */ }
  return { view: 'chats', conv: null };
}

/** @param {string} hash */
export const go = (hash) => { location.hash = hash; };
