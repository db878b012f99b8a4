// @ts-check
// The messenger in two windows of a real browser: against a real gateway when APUS_BINARY names one, else against the
// fake one of clients/testing, which serves the same page.
//
//     APUS_BINARY=.build/debug/apus node --test clients/demo/browser/messenger.test.mjs
//
// CHROMIUM and SCREENSHOTS as in page.test.mjs.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FakeServer } from '../../testing/fake-server.mjs';
import { endWithin } from '../../testing/watchdog.mjs';
import { launch } from './chromium.mjs';
import { Gateway } from './gateway.mjs';

const { APUS_BINARY, SCREENSHOTS } = process.env;

endWithin(170);

/** @type {Gateway | FakeServer} */ let gateway;
/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {import('./chromium.mjs').Page} */ let alice;
/** @type {import('./chromium.mjs').Page} */ let bob;

const direct = 'd:alice:bob';

// Expressions

/** @param {string} id of a test hook */
const hook = (id) => `document.querySelector('[data-testid="${id}"]')`;
const live = "document.body.dataset.state === 'live'";
/** @param {string} conv */
const chat = (conv) => `document.querySelector('[data-testid="chat"][data-conv="${conv}"]')`;
/** @param {string} conv @param {number} n */
const unread = (conv, n) => `${chat(conv)}?.dataset.unread === '${n}'`;
const messages = '[...document.querySelectorAll(\'[data-testid="message"]\')]';
const texts = `${messages}.map((row) => row.querySelector('[data-testid="message-text"]').textContent)`;
/** @param {string} text the row with it */
const row = (text) => `${messages}.find((row) => row.querySelector('[data-testid="message-text"]').textContent === ${JSON.stringify(text)})`;
/** @param {string} text @param {string} mark */
const marked = (text, mark) => `${row(text)}?.dataset.mark === '${mark}'`;
/** @param {number} n */
const badge = (n) => (n === 0 ? `${hook('chats-badge')}.hidden`
  : `!${hook('chats-badge')}.hidden && ${hook('chats-badge')}.textContent === '${n}'`);
const atEnd = `${hook('messages')}.scrollHeight - ${hook('messages')}.scrollTop - ${hook('messages')}.clientHeight < 5`;

// Doings

/** @param {import('./chromium.mjs').Page} page @param {string | null} conv null: back to the list */
async function go(page, conv) {
  await page.eval(`location.hash = ${JSON.stringify(conv ? `#/c/${encodeURIComponent(conv)}` : '#/')}`);
  await page.until(conv ? `!${hook('thread')}.hidden` : `${hook('thread')}.hidden`);
}

/** @param {import('./chromium.mjs').Page} page @param {string} text */
async function say(page, text) {
  await page.type('[data-testid="compose-text"]', text);
  await page.press('Enter');
  await page.until(row(text));
}

/** @param {import('./chromium.mjs').Page} page */
async function reload(page) {
  await page.eval('window.isOld = true'); // Or the old page answers what the new one is asked.
  await page.send('Page.reload');
  await page.until(`!window.isOld && ${live}`);
}

/** @param {import('./chromium.mjs').Page} page @param {string} id */
const click = (page, id) => page.eval(`${hook(id)}.click()`);

/** Opens the menu of a message and chooses. @param {import('./chromium.mjs').Page} page @param {string} text @param {string} id */
async function choose(page, text, id) {
  await page.eval(`${row(text)}.querySelector('[data-testid="message-more"]').click()`);
  await page.until(`!${hook('message-menu')}.hidden`);
  await click(page, id);
}

/** @param {import('./chromium.mjs').Page} page @param {boolean} isCut */
async function cut(page, isCut) {
  await click(page, 'offline');
  await page.until(isCut ? "document.body.dataset.state === 'reconnecting'" : live);
}

/** @param {import('./chromium.mjs').Page} page @param {string} name */
async function picture(page, name) {
  if (SCREENSHOTS) await page.screenshot(join(SCREENSHOTS, `${name}.png`));
}

before(async () => {
  gateway = APUS_BINARY ? await Gateway.make(APUS_BINARY) : await FakeServer.make();
  await gateway.start();
  browser = await launch();
  alice = await browser.open(`${gateway.url}/?user=alice`);
  bob = await browser.open(`${gateway.url}/?user=bob`);
  for (const page of [alice, bob]) await page.until(live);
});

after(async () => {
  await browser?.close();
  await gateway?.remove();
});

test('alice begins a chat; in the window of bob it appears with a badge, and her ticks tell how far it is', async () => {
  await click(alice, 'new-chat');
  await click(alice, 'pick-bob');
  await picture(alice, 'chat-new');
  await click(alice, 'new-chat-begin');
  await alice.until(`${hook('thread-name')}.textContent === 'Bob'`);
  await say(alice, 'Hello Bob');
  await bob.until(unread(direct, 1));
  await bob.until(badge(1));
  await bob.until(`${chat(direct)}.textContent.includes('Hello Bob') && document.title === '(1) Apus'`);
  await alice.until(marked('Hello Bob', 'delivered'));
  await go(bob, direct);
  await bob.until(row('Hello Bob'));
  await bob.until(badge(0));
  await alice.until(marked('Hello Bob', 'read'));
});

test('they talk: who types is seen, and what is said, in order', async () => {
  await bob.type('[data-testid="compose-text"]', 'I am typ');
  await alice.until(`${hook('typing')} && ${hook('thread-sub')}.textContent === 'typing…'`);
  await bob.type('[data-testid="compose-text"]', 'ing');
  await bob.press('Enter');
  await alice.until(row('I am typing'));
  await alice.until(`!${hook('typing')}`);
  await say(alice, 'one');
  await say(alice, 'two');
  await bob.until(row('two'));
  const expected = ['Hello Bob', 'I am typing', 'one', 'two'];
  for (const page of [alice, bob]) assert.deepEqual(await page.eval(texts), expected);
  await alice.until(badge(0));
});

test('markup in a message is shown as the text that it is', async () => {
  const text = '<img src=x onerror="document.title=1"><b>bold</b>';
  await say(bob, text);
  await alice.until(row(text));
  assert.equal(await alice.eval(`document.querySelectorAll('.messages img, .messages b, .preview b').length`), 0);
});

test('a reaction, an edit by the keyboard, and a message taken back reach the other window', async () => {
  await choose(bob, 'one', 'react-👍');
  await alice.until(`${row('one')}?.querySelector('.reaction')?.textContent === '👍'`);
  await alice.eval(`${row('one')}.querySelector('.reaction').click()`);
  await bob.until(`${row('one')}.querySelector('.reaction')?.textContent === '👍2'`);
  await alice.eval(`${hook('compose-text')}.focus()`);
  await alice.press('ArrowUp');
  await alice.until(`${hook('compose-text')}.value === 'two'`);
  await alice.send('Input.insertText', { text: 'two and a half' });
  await alice.press('Enter');
  await bob.until(`${row('two and a half')}?.textContent.includes('edited')`);
  await choose(alice, 'one', 'menu-take-back');
  await bob.until(`${messages}.some((one) => one.dataset.state === 'recalled')`);
  await bob.until(`!${row('one')} && !document.querySelector('.reaction')`);
  await picture(alice, 'chat-thread');
});

test('what was missed while the line was cut comes once, with the right badge, and is marked as new', async () => {
  await go(alice, null);
  await cut(alice, true);
  for (const text of ['missed 1', 'missed 2', 'missed 3']) await say(bob, text);
  await bob.until(marked('missed 3', 'sent'));
  assert.ok(await alice.eval(badge(0)));
  await picture(alice, 'chat-cut');
  await cut(alice, false);
  await alice.until(unread(direct, 3));
  await alice.until(badge(3));
  await bob.until(marked('missed 3', 'delivered'));
  await go(alice, direct);
  await alice.until(row('missed 3'));
  await alice.until(`${hook('new-line')}?.nextElementSibling === ${row('missed 1')}`);
  await alice.until(badge(0));
  await bob.until(marked('missed 3', 'read'));
  const missed = (await alice.eval(texts)).filter((/** @type {string} */ text) => text.startsWith('missed'));
  assert.deepEqual(missed, ['missed 1', 'missed 2', 'missed 3']);
  await picture(alice, 'chat-missed');
});

test('in an open thread, too, what was missed comes once and in its place', async () => {
  await cut(alice, true);
  await say(bob, 'while you were away');
  await say(alice, 'said without a line');
  await alice.until(marked('said without a line', 'waiting'));
  await cut(alice, false);
  await bob.until(row('said without a line'));
  await alice.until(`${row('said without a line')}.dataset.state === 'stored'`);
  const both = [await alice.eval(texts), await bob.eval(texts)];
  assert.deepEqual(both[0], both[1]);
  assert.deepEqual(both[0].slice(-2), ['while you were away', 'said without a line']);
});

test('messages that were not sent survive a reload, and are sent once, in order', async () => {
  await cut(alice, true);
  await say(alice, 'kept 1');
  await say(alice, 'kept 2');
  await alice.until(`${marked('kept 1', 'waiting')} && ${chat(direct)}.textContent.includes('kept 2')`);
  const kept = "Object.keys(localStorage).filter((key) => key.startsWith('apus.waiting.alice.')).length";
  assert.equal(await alice.eval(kept), 2);
  await picture(alice, 'chat-waiting');
  await reload(alice);
  await bob.until(row('kept 2'));
  await alice.until(`${live} && ${row('kept 2')}?.dataset.state === 'stored' && ${kept} === 0`);
  for (const page of [alice, bob]) {
    assert.deepEqual((await page.eval(texts)).filter((/** @type {string} */ text) => text.startsWith('kept')), ['kept 1', 'kept 2']);
  }
});

test('another window of alice shows the same, and reading in one is reading in both', async () => {
  await go(alice, null);
  const other = await browser.open(`${gateway.url}/?user=alice`);
  await other.until(`${live} && ${unread(direct, 0)}`);
  await say(bob, 'to all your windows');
  for (const page of [alice, other]) await page.until(unread(direct, 1));
  await go(other, direct);
  for (const page of [alice, other]) await page.until(badge(0));
  await alice.until(unread(direct, 0));
  await say(other, 'from the other window');
  await alice.until(`${chat(direct)}.textContent.includes('You: from the other window')`);
  assert.deepEqual(other.complaints, []);
  await other.send('Page.close');
});

test('a long history is loaded when scrolled up to, and what is looked at stays where it is', async () => {
  await bob.eval(`(async () => {
    const { Apus } = await import('/apus.js');
    const { users } = await (await fetch('/dev/session')).json();
    const { token } = users.find(({ user }) => user === 'bob');
    const apus = new Apus({ url: location.origin.replace('http', 'ws') + '/ws', token });
    await apus.connect();
    const sent = Array.from({ length: 120 }, (_, n) => apus.send({ to: 'alice', body: { text: 'number ' + n } }));
    await Promise.all(sent);
    apus.close();
  })()`);
  await alice.until(`${chat(direct)}.textContent.includes('number 119')`);
  await reload(alice);
  await alice.until(`${live} && ${chat(direct)}`);
  await go(alice, direct);
  await alice.until(`${row('number 119')} && ${messages}.length === 40`);
  const box = hook('messages');
  const seen = 'number 90';
  const place = `${row(seen)}.getBoundingClientRect().top`;
  // In one go: the older page is on its way as soon as the scrolling is heard of.
  const before = await alice.eval(`${box}.scrollTop = ${row(seen)}.offsetTop - 20; ${row('number 50')} ? 'too late' : ${place}`);
  await alice.until(row('number 50'));
  const now = await alice.eval(place);
  assert.ok(Math.abs(now - before) <= 2, `it moved from ${before} to ${now}`);
  for (let n = 0; n < 20 && !(await alice.eval(`!!${row('Hello Bob')}`)); n += 1) {
    const first = await alice.eval(`${texts}[0]`);
    await alice.eval(`${box}.scrollTop = 0`);
    await alice.until(`${texts}[0] !== ${JSON.stringify(first)}`);
  }
  const numbers = (await alice.eval(texts)).filter((/** @type {string} */ text) => text.startsWith('number '));
  assert.deepEqual(numbers, Array.from({ length: 120 }, (_, n) => `number ${n}`));
  await say(bob, 'below');
  await alice.until(`!${hook('jump')}.hidden && ${hook('jump')}.textContent.includes('1 new')`);
  await picture(alice, 'chat-scrolled');
  await click(alice, 'jump');
  await alice.until(`${atEnd} && ${badge(0)}`);
});

test('a group: made, named, grown, shrunk, left', async () => {
  await click(alice, 'new-chat');
  await click(alice, 'pick-bob');
  await alice.type('[data-testid="new-chat-user"]', 'carol');
  await alice.press('Enter');
  await alice.type('[data-testid="new-chat-title"]', 'Nest boxes');
  await click(alice, 'new-chat-begin');
  await alice.until(`${hook('thread-name')}.textContent === 'Nest boxes'`);
  await say(alice, 'Who has the ladder?');
  const group = decodeURIComponent((await alice.eval('location.hash')).slice('#/c/'.length));
  assert.match(group, /^g:/);
  await bob.until(unread(group, 1));
  await go(bob, group);
  await bob.until(`${row('Who has the ladder?')}?.textContent.includes('Alice')`);
  await say(bob, 'I have it.');
  await alice.until(row('I have it.'));
  await click(alice, 'thread-details');
  await alice.eval(`${hook('group-title')}.value = 'Swift nest boxes'`);
  await click(alice, 'rename');
  await bob.until(`${hook('thread-name')}.textContent === 'Swift nest boxes'`);
  await bob.until(`document.querySelector('.rule.note')?.textContent.includes('Alice named it')`);
  await alice.type('[data-testid="add-user"]', 'dave');
  await click(alice, 'add-member');
  await alice.until(hook('member-dave'));
  await bob.until(`${hook('thread-sub')}.textContent.includes('dave')`);
  await click(alice, 'remove-carol');
  await alice.until(`!${hook('member-carol')}`);
  await bob.until(`!${hook('thread-sub')}.textContent.includes('carol')`);
  await picture(alice, 'chat-details');
  await click(alice, 'details-close');
  await picture(bob, 'chat-group');
  await click(bob, 'thread-details');
  await click(bob, 'leave');
  await bob.until(`!${chat(group)} && ${hook('thread')}.hidden`);
  await alice.until(`!${hook('thread-sub')}.textContent.includes('Bob')`);
});

test('a muted chat does not count, and one that is marked as unread does', async () => {
  await go(alice, direct);
  await click(alice, 'thread-details');
  await click(alice, 'mute');
  await alice.until(`${chat(direct)}.querySelector('.chat-title svg')`);
  await click(alice, 'details-close');
  await go(alice, null);
  await go(bob, direct);
  await say(bob, 'quietly');
  await alice.until(unread(direct, 1));
  assert.ok(await alice.eval(badge(0)));
  await go(alice, direct);
  await alice.until(unread(direct, 0));
  await click(alice, 'thread-details');
  await click(alice, 'mute');
  await alice.until(`!${chat(direct)}.querySelector('.chat-title svg')`);
  await click(alice, 'mark-unread');
  await alice.until(unread(direct, 1));
  await alice.until(badge(1));
  await go(alice, direct);
  await alice.until(badge(0));
});

test('who is blocked is told that it was not sent, and can try again', async () => {
  await click(alice, 'thread-details');
  await click(alice, 'block');
  await alice.until(`!${hook('no-compose')}.hidden`);
  await say(bob, 'can you hear me?');
  await bob.until(`${row('can you hear me?')}.dataset.state === 'failed'`);
  await picture(bob, 'chat-failed');
  await click(alice, 'block');
  await alice.until(`${hook('no-compose')}.hidden`);
  await click(alice, 'details-close');
  assert.ok(!(await alice.eval(row('can you hear me?'))));
  await bob.eval(`${row('can you hear me?')}.querySelector('[data-action="Try again"]').click()`);
  await alice.until(row('can you hear me?'));
  await bob.until(`${row('can you hear me?')}.dataset.state === 'stored'`);
});

test('on a phone list and thread are two screens, light and dark', async () => {
  await go(alice, null);
  const isSeen = (/** @type {string} */ id) => `${hook(id)}.getBoundingClientRect().width > 0`;
  for (const scheme of /** @type {('light' | 'dark')[]} */ (['light', 'dark'])) {
    await alice.resize(360, 740);
    await alice.scheme(scheme);
    await alice.until(`${isSeen('chat-list')} && !(${isSeen('messages')})`);
    await picture(alice, `chat-360-list-${scheme}`);
    await alice.eval(`${chat(direct)}.click()`);
    await alice.until(`${isSeen('messages')} && !(${isSeen('chat-list')})`);
    await alice.until('document.documentElement.scrollWidth <= innerWidth');
    await picture(alice, `chat-360-thread-${scheme}`);
    await click(alice, 'thread-back');
  }
  await alice.resize(1280, 800);
  await go(alice, direct);
  await picture(alice, 'chat-1280-dark');
});

test('the page complained of nothing', () => {
  assert.deepEqual([...alice.complaints, ...bob.complaints], []);
});
