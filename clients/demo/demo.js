// @ts-check
// The demo page of `apus serve --dev`: a messenger and an inbox on top of apus.js. No framework, no build, no outside
// address. This file signs in and puts the parts together.

import { Apus } from '/apus.js';
import { showRoute, wireUpChats } from '/chat-panel.js';
import { WireSocket, wireUpConnection } from '/connection-view.js';
import { logFrame, wireUpFrames } from '/frames.js';
import { wireUpInbox } from '/inbox-panel.js';
import { $, avatar, el, icon, onClick } from '/look.js';
import { knowPeople } from '/people.js';
import { fillRecipients, wireUpPublish } from '/publish.js';
import { go, route } from '/route.js';

/** @typedef {{ user: string, name: string, token: string }} Person */

/** @type {Apus | null} */ let apus = null;
/** @type {Person[]} */ let people = [];
/** @type {Person | null} */ let me = null;

/** Fresh tokens for the demo users; only exists with `--dev`. */
async function fetchSession() {
  const answer = await fetch('/dev/session', { cache: 'no-store' });
  if (!answer.ok) throw new Error(`/dev/session answered ${answer.status}`);
  return answer.json();
}

async function begin() {
  $('sign-in-problem').hidden = true;
  const session = await fetchSession().catch(() => null);
  if (!session) {
    $('sign-in').hidden = $('sign-in-problem').hidden = false;
    return;
  }
  people = session.users;
  $('users').replaceChildren(...people.map((person) => el('button',
    { class: 'user', type: 'button', dataset: { testid: `user-${person.user}` }, onclick: () => signIn(person) },
    avatar(person.name), el('span', {}, person.name, el('small', {}, person.user)),
    el('span', { class: 'arrow', 'aria-hidden': 'true' }, icon('chevron')))));
  fillRecipients(people);
  $('curl').textContent = session.curl;
  const wanted = new URLSearchParams(location.search).get('user') ?? sessionStorage.getItem('apus.user');
  const person = people.find(({ user }) => user === wanted);
  if (person) signIn(person);
  else $('sign-in').hidden = false;
}

/** @param {Person} person */
function signIn(person) {
  me = person;
  sessionStorage.setItem('apus.user', person.user); // A reload of this window stays the same person.
  const other = people.find(({ user }) => user !== person.user);
  $('sign-in').hidden = true;
  $('app').hidden = false;
  $('me-name').textContent = person.name;
  $('me-avatar').replaceChildren(avatar(person.name, '', 'small'));
  $('account').setAttribute('aria-label', `Signed in as ${person.name}`);
  $('other-window').hidden = !other;
  if (other) {
    $('other-window').textContent = `Open a window as ${other.name}`;
    $('other-window').href = `/?user=${encodeURIComponent(other.user)}`;
  }
  $('publish').elements.to.value = person.user;
  knowPeople(people, person.user);
  connect(person);
}

function signOut() {
  apus?.close();
  sessionStorage.removeItem('apus.user');
  location.assign('/');
}

/** @param {Person} person */
function connect(person) {
  let given = person.token;
  apus = new Apus({
    url: `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/ws`,
    device: 'demo-page',
    WebSocket: WireSocket,
    async token() {
      if (!given) people = (await fetchSession()).users;
      const token = given || people.find(({ user }) => user === person.user)?.token;
      given = '';
      return token ?? '';
    },
  });
  apus.on('frame', logFrame);
  wireUpConnection(apus);
  wireUpInbox(apus);
  wireUpChats(apus, person.user);
  apus.on('unread', ({ messages, notifications }) => {
    const all = messages + notifications;
    document.title = all > 0 ? `(${all}) Apus` : 'Apus';
  });
  addEventListener('hashchange', show);
  show();
  apus.connect().catch(() => {}); // `state` shows it.
}

/** Brings the part of the page to the front that the address names. */
function show() {
  const { view } = route();
  $('notifications').hidden = view !== 'inbox';
  for (const [id, name] of [['chats-tab', 'chats'], ['bell', 'inbox']]) {
    if (view === name) $(id).setAttribute('aria-current', 'page');
    else $(id).removeAttribute('aria-current');
  }
  showRoute();
}

async function copyCurl() {
  try {
    await navigator.clipboard.writeText($('curl').textContent);
    $('copy').textContent = 'Copied';
    setTimeout(() => { $('copy').textContent = 'Copy'; }, 2000);
  } catch {
    getSelection()?.selectAllChildren($('curl')); // Without the permission it is ready for Ctrl-C.
  }
}

/** @param {boolean} isOpen */
function openMenu(isOpen) {
  $('menu').hidden = !isOpen;
  $('account').setAttribute('aria-expanded', String(isOpen));
}

onClick('retry-session', begin);
onClick('sign-out', signOut);
onClick('account', () => openMenu($('menu').hidden));
onClick('copy', copyCurl);
onClick('chats-tab', () => go('#/'));
onClick('bell', () => {
  go('#/inbox');
  show(); // The address may have been this one before.
  $('inbox').focus({ preventScroll: true });
});
$('skip').addEventListener('click', (/** @type {Event} */ click) => {
  click.preventDefault();
  $(route().view === 'inbox' ? 'inbox' : 'chats').focus();
});
document.addEventListener('click', ({ target }) => {
  if (target instanceof Element && !target.closest('#account, #menu')) openMenu(false);
});
document.addEventListener('keydown', ({ key }) => {
  if (key !== 'Escape' || $('menu').hidden) return;
  openMenu(false);
  $('account').focus();
});
wireUpFrames();
wireUpPublish(() => me ?? { user: 'system', name: 'System' });
begin();
