// @ts-check
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { endWithin } from '../../testing/watchdog.mjs';
import { Thread } from '../thread.js';

endWithin(60);
const conv = 'd:alice:bob';

/** @type {Thread} */ let thread;
/** @type {any[]} What was asked for. */ let asked;
/** @type {((page: any) => void)[]} Answers to the requests under way, oldest first. */ let answers;
const reader = {
  /** @param {any} query @returns {Promise<any>} */
  history(query) {
    asked.push(query);
    return new Promise((resolve) => { answers.push(resolve); });
  },
};

beforeEach(() => {
  thread = new Thread(conv);
  asked = [];
  answers = [];
});

/** @param {number} n @returns {any} */
const message = (n) => ({ n, id: `m${n}`, ts: n, from: 'bob', body: { text: `${n}` } });
/** @param {number} n */
const event = (n) => ({ ev: 'message', conv, ...message(n) });
/** @param {number} from @param {number} to */
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => message(from + at));
const numbers = () => thread.messages.map(({ n }) => n);

/** @param {any[]} messages @param {boolean} [more] */
async function load(messages, more = false) {
  const loading = thread.load(reader);
  answers.shift()?.({ messages, more });
  await loading;
}

test('messages follow each other, each once', async () => {
  await load(range(3, 4), true);
  assert.equal(thread.take(event(5)), false);
  assert.equal(thread.take(event(5)), false);
  assert.deepEqual(numbers(), [3, 4, 5]);
});

test('what arrives while a page is under way counts on top of it', async () => {
  const loading = thread.load(reader);
  thread.take(event(2));
  thread.take({ ev: 'message.edited', conv, n: 1, ts: 7, body: { text: 'new' } });
  answers[0]({ messages: range(1, 1), more: false });
  await loading;
  assert.deepEqual(numbers(), [1, 2]);
  assert.deepEqual(thread.find(1)?.body, { text: 'new' });
  assert.equal(thread.find(1)?.edited, 7);
});

test('older pages come before, by the number of the oldest', async () => {
  await load(range(5, 6), true);
  const older = thread.older(reader);
  await thread.older(reader); // Asked twice while scrolling: once is enough.
  answers[0]({ messages: range(3, 4), more: true });
  await older;
  assert.equal(asked[1].before, 5);
  assert.equal(asked.length, 2);
  assert.deepEqual(numbers(), [3, 4, 5, 6]);
});

test('a hole is seen, and filled by as many pages as it takes', async () => {
  await load(range(1, 2));
  assert.equal(thread.take(event(9)), true);
  const reading = thread.catchUp(reader);
  answers.shift()?.({ messages: range(3, 5), more: true });
  await new Promise(setImmediate);
  answers.shift()?.({ messages: range(6, 9), more: false });
  await reading;
  assert.deepEqual(asked.map(({ after }) => after), [undefined, 2, 5]);
  assert.deepEqual(numbers(), range(1, 9).map(({ n }) => n));
});

test('after a long absence the newest page takes the place of what is there', async () => {
  await load(range(1, 2));
  const reading = thread.catchUp(reader);
  for (let n = 0; n < 5; n += 1) {
    answers.shift()?.({ messages: range(3 + n, 3 + n), more: true });
    await new Promise(setImmediate);
  }
  answers.shift()?.({ messages: range(900, 901), more: true });
  await reading;
  assert.deepEqual(numbers(), [900, 901]);
  assert.equal(thread.more, true);
});

test('a recall takes body and reactions; an edit that lost its body to a recall is one', async () => {
  await load([{ ...message(1), reactions: { '👍': ['bob'] } }, message(2)]);
  thread.take({ ev: 'message.recalled', conv, n: 1 });
  thread.take({ ev: 'message.edited', conv, n: 2, recalled: true });
  for (const n of [1, 2]) {
    const { recalled, body, reactions } = /** @type {any} */ (thread.find(n));
    assert.deepEqual([recalled, body, reactions], [true, undefined, undefined]);
  }
  thread.take({ ev: 'reaction', conv, n: 1, user: 'bob', key: '👍', on: true });
  assert.equal(thread.find(1)?.reactions, undefined);
});

test('reactions are set and taken, each user once', async () => {
  await load(range(1, 1));
  const react = (/** @type {string} */ user, /** @type {boolean} */ on) => (
    thread.take({ ev: 'reaction', conv, n: 1, user, key: '👍', on }));
  for (const user of ['bob', 'alice', 'bob']) react(user, true);
  assert.deepEqual(thread.find(1)?.reactions, { '👍': ['bob', 'alice'] });
  for (const user of ['bob', 'alice']) react(user, false);
  assert.deepEqual(thread.find(1)?.reactions, {});
});

test('a change of the group stands where it happened, once', async () => {
  await load(range(1, 2));
  const added = { ev: 'group', conv, id: 'e1', change: 'added', by: 'bob', users: ['carol'] };
  thread.take(added);
  thread.take(added);
  assert.deepEqual(thread.notes.map(({ after }) => after), [2]);
});

test('a page that was asked for before everything was forgotten is of no use', async () => {
  const loading = thread.load(reader);
  thread.forget();
  answers[0]({ messages: range(1, 1), more: false });
  await loading;
  assert.equal(thread.loaded, false);
  assert.deepEqual(numbers(), []);
});
