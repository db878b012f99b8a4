// @ts-check
// The messenger when something goes wrong that a real gateway cannot be made to do at will: against the fake one.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FakeServer } from '../../testing/fake-server.mjs';
import { endWithin } from '../../testing/watchdog.mjs';
import { launch } from './chromium.mjs';

endWithin(110);

const conv = 'd:alice:bob';
/** @type {FakeServer} */ let server;
/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {import('./chromium.mjs').Page} */ let alice;

/** @param {string} id of a test hook */
const hook = (id) => `document.querySelector('[data-testid="${id}"]')`;
const texts = '[...document.querySelectorAll(\'[data-testid="message-text"]\')].map((words) => words.textContent)';
/** @param {string[]} expected */
const shows = (...expected) => `JSON.stringify(${texts}) === ${JSON.stringify(JSON.stringify(expected))}`;
const live = "document.body.dataset.state === 'live'";
const stored = () => server.gateway.chat.conversations.get(conv)?.messages ?? [];

let cids = 0;
/** Bob says something. @param {string} text */
function say(text) {
  cids += 1;
  server.gateway.answer('bob', { op: 'send', to: 'alice', cid: `bob-${cids}`, body: { text } });
}

/** @param {string} text */
async function write(text) {
  await alice.type('[data-testid="compose-text"]', text);
  await alice.press('Enter');
}

/** Ends alice's connections as a network does. */
function breakLine() {
  for (const socket of server.gateway.sockets) if (socket.user === 'alice') socket.stream.destroy();
}

before(async () => {
  server = await FakeServer.make();
  await server.start();
  browser = await launch();
  say('first');
  alice = await browser.open(`${server.url}/?user=alice#/c/${encodeURIComponent(conv)}`);
  await alice.until(shows('first'));
});

after(async () => {
  await browser?.close();
  await server?.remove();
});

test('conversation.reset: what the store has now takes the place of what was shown', async () => {
  say('second');
  await alice.until(shows('first', 'second'));
  stored()[0].body = { text: 'another first' };
  stored().length = 1; // The store lost its tail, and had another message before.
  server.gateway.append('alice', { ev: 'conversation.reset', conv, unread: true });
  await alice.until(shows('another first'));
  await alice.until(`${hook('chat')}.textContent.includes('another first')`);
  say('third');
  await alice.until(shows('another first', 'third'));
});

test('resync: list and thread are read afresh', async () => {
  stored()[0].body = { text: 'of another history' };
  server.gateway.epoch = 'e2';
  breakLine();
  await alice.until(`${live} && ${hook('banner')}.textContent.includes('epoch changed')`);
  await alice.until(shows('of another history', 'third'));
  say('fourth');
  await alice.until(shows('of another history', 'third', 'fourth'));
});

test('a message whose answer was lost is there once, also when the page was loaded anew before it was asked again', async () => {
  const { gateway } = server;
  const { handle } = gateway;
  gateway.handle = function lose(socket, frame) {
    if (frame.op !== 'send') return handle.call(this, socket, frame);
    this.chat.outlet = { append() {}, live() {}, forget() {} }; // Stored, and nobody is told.
    this.chat.answer('alice', frame);
    this.chat.outlet = this;
    this.handle = handle;
    breakLine();
    this.mute.add('hello');
  };
  await write('sent twice?');
  await alice.until(`document.body.dataset.state === 'reconnecting'`);
  await alice.eval('window.isOld = true');
  await alice.send('Page.reload');
  await alice.until('!window.isOld && document.body.dataset.state');
  gateway.mute.clear();
  await alice.until(`${live} && Object.keys(localStorage).length === 0`);
  await alice.until(shows('of another history', 'third', 'fourth', 'sent twice?'));
  assert.equal(stored().filter(({ body }) => body.text === 'sent twice?').length, 1);
});

test('while the gateway cannot take it, a message waits; others of its conversation wait behind it', async () => {
  const away = { error: { code: 'unavailable', message: 'the store is away', retry_ms: 1500 } };
  server.gateway.answers.set('send', [away]);
  await write('patience');
  await write('behind it');
  await alice.until(`${hook('messages')}.querySelectorAll('[data-state="waiting"]').length === 2`);
  await alice.until(`${hook('messages')}.querySelectorAll('[data-state="waiting"]').length === 0`);
  assert.deepEqual(stored().slice(-2).map(({ body }) => body.text), ['patience', 'behind it']);
});

test('the page complained of nothing', () => {
  assert.deepEqual(alice.complaints, []);
});
