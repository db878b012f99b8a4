// @ts-check
// The form that sends a notification. The page has no API key: the gateway forwards `/dev/notify` with its own.

import { $, count, el } from '/look.js';

const post = { type: 'post', id: '9', title: 'Swifts never land' };

/** A notification of each known type, and one (`build.failed`) that the page knows nothing of. */
const samples = new Map(Object.entries({
  'comment.created': { object: post, text: 'They sleep in the air, too?' },
  'comment.replied': { object: post, text: 'Half a brain at a time.' },
  'post.liked': { object: post, text: '' },
  'mention.created': { object: { type: 'post', id: '12', title: 'Nest boxes' }, text: 'Have a look at this.' },
  'follow.created': { text: '' },
  'system.announcement': { text: 'We move to a new region tonight. You will not notice.' },
  'build.failed': { object: { type: 'build', id: '1042' }, data: { branch: 'main', exit: 1, seconds: 94 }, text: '' },
}));

/**
 * What the form says, as the body of `POST /v1/notifications`.
 * @param {{ user: string, name: string }} sender
 */
function notification(sender) {
  const { to, type, text, collapse, ttl } = $('publish').elements;
  const sample = samples.get(type.value);
  const words = text.value.trim();
  const recipients = to.value.split(',');
  return {
    to: recipients.length === 1 ? recipients[0] : recipients,
    type: type.value,
    actor: type.value.startsWith('system') ? undefined : { id: sender.user, name: sender.name },
    object: sample?.object,
    data: { ...sample?.data, ...(words ? { text: words } : {}) },
    collapse: collapse.value.trim() || undefined,
    ttl_s: ttl.value ? Number(ttl.value) : undefined,
  };
}

/**
 * @param {object} body
 * @returns {Promise<string>} what to tell; throws what went wrong
 */
async function send(body) {
  const began = performance.now();
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch('/dev/notify', { method: 'POST', headers, body: JSON.stringify(body) })
    .catch(() => { throw new Error('The gateway does not answer.'); });
  const said = await answer.json().catch(() => ({ error: { message: `The gateway answered ${answer.status}.` } }));
  if (said.error) throw new Error(said.error.message);
  const refused = said.results.find((/** @type {any} */ result) => result.error);
  if (refused) throw new Error(refused.error.message);
  const stored = said.results.map((/** @type {any} */ { user, seq, sessions }) =>
    `${user} #${seq}${sessions === undefined ? '' : `, ${count(sessions, 'session')}`}`);
  return `Stored in ${Math.round(performance.now() - began)} ms · ${stored.join(' · ')}`;
}

/** @param {{ user: string, name: string }[]} people */
export function fillRecipients(people) {
  $('publish').elements.to.replaceChildren(
    ...people.map(({ user, name }) => el('option', { value: user }, name)),
    el('option', { value: people.map(({ user }) => user).join(',') }, 'Everyone'));
}

/** @param {() => { user: string, name: string }} sender */
export function wireUpPublish(sender) {
  const form = $('publish');
  const { type, text } = form.elements;
  const result = $('publish-result');
  let sending = false;
  const suggest = () => { text.value = samples.get(type.value)?.text ?? ''; };
  type.replaceChildren(...[...samples.keys()].map((name) => el('option', { value: name }, name)));
  type.addEventListener('change', suggest);
  suggest();
  form.addEventListener('submit', async (/** @type {Event} */ submit) => {
    submit.preventDefault();
    if (sending) return; // A double click is one notification.
    sending = true;
    try {
      result.textContent = await send(notification(sender()));
      result.dataset.tone = '';
    } catch (error) {
      result.textContent = error instanceof Error ? error.message : String(error);
      result.dataset.tone = 'bad';
    }
    sending = false;
  });
}
