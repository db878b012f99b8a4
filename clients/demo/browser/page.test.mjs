// @ts-check
// The demo page in a real browser, against a real gateway:
//
//     APUS_BINARY=.build/debug/apus node --test clients/demo/browser/
//
// CHROMIUM names the browser when it is not `chromium`; with SCREENSHOTS, a folder, pictures of the page are left there
// to be looked at.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { endWithin } from '../../testing/watchdog.mjs';
import { launch } from './chromium.mjs';
import { Gateway } from './gateway.mjs';

const { APUS_BINARY, SCREENSHOTS } = process.env;
if (!APUS_BINARY) throw new Error('APUS_BINARY is not set: the path of an apus executable');

endWithin(110);

/** @type {Gateway} */ let gateway;
/** @type {Awaited<ReturnType<typeof launch>>} */ let browser;
/** @type {import('./chromium.mjs').Page} */ let alice;
/** @type {import('./chromium.mjs').Page} */ let bob;

/** @param {string} id of a test hook @returns {string} an expression */
const hook = (id) => `document.querySelector('[data-testid="${id}"]')`;
const items = `[...document.querySelectorAll('[data-testid="inbox-item"]')]`;
const state = (/** @type {string} */ name) => `document.body.dataset.state === '${name}'`;
const badge = (/** @type {number} */ n) => `Number(${hook('badge')}.textContent) === ${n}`;

/** Publishes as the page's form does. @param {object} fields */
async function publish(fields) {
  const answer = await fetch(`${gateway.url}/dev/notify`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, signal: AbortSignal.timeout(10_000),
    body: JSON.stringify({ to: 'alice', type: 'comment.created', actor: { id: 'bob', name: 'Bob' }, ...fields }),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

/** @param {import('./chromium.mjs').Page} page @param {Record<string, string>} fields by test hook */
async function sendForm(page, fields) {
  for (const [id, value] of Object.entries(fields)) await page.eval(`${hook(id)}.value = ${JSON.stringify(value)}`);
  await page.eval(`${hook('publish-submit')}.click()`);
}

/** @param {import('./chromium.mjs').Page} page @param {string} name */
async function picture(page, name) {
  if (SCREENSHOTS) await page.screenshot(join(SCREENSHOTS, `${name}.png`));
}

/** Everything read, nothing missed: where each test begins. */
async function calm() {
  await alice.until(state('live'));
  await alice.eval(`${hook('chip-all')}.click()`);
  await alice.eval(`${hook('mark-all-read')}.click()`);
  await alice.until(`${hook('badge')}.hidden`);
}

before(async () => {
  gateway = await Gateway.make(APUS_BINARY);
  await gateway.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await gateway?.remove();
});

test('alice signs in by a click, bob by the address, and both are live', async () => {
  alice = await browser.open(`${gateway.url}/#/inbox`);
  await alice.until(`${hook('user-alice')} && ${hook('user-bob')}`);
  await picture(alice, 'sign-in');
  await alice.eval(`${hook('user-alice')}.click()`);
  await alice.until(state('live'));
  bob = await browser.open(`${gateway.url}/?user=bob#/inbox`);
  await bob.until(state('live'));
  await alice.until(`${hook('session')}.textContent.startsWith('s-')`);
  await alice.until(`!${hook('empty')}.hidden`);
});

test('what bob sends from his window arrives in that of alice: list, badge, title, toast', async () => {
  await calm();
  await sendForm(bob, { 'publish-to': 'alice', 'publish-type': 'comment.created', 'publish-text': 'Look, a swift!' });
  await alice.until(`${items}[0]?.textContent.includes('Look, a swift!')`);
  await alice.until(badge(1));
  await alice.until(`document.title === '(1) Apus'`);
  await alice.until(`${hook('toast')}?.textContent.includes('Bob')`);
  await alice.until(`${hook('chip-comment')}.textContent === 'comment1'`);
  await bob.until(`${hook('publish-result')}.textContent.includes('alice #')`);
  assert.equal(await alice.eval(`${items}[0].dataset.read`), 'false');
});

test('markup in a notification is shown as the text that it is', async () => {
  await calm();
  const text = '<img src=x onerror="document.title=1">';
  await publish({ data: { text }, actor: { name: '<b>Bob</b>' }, object: { title: '<script>0</script>' } });
  await alice.until(`${items}[0]?.textContent.includes(${JSON.stringify(text)})`);
  assert.equal(await alice.eval(`document.querySelectorAll('.items img, .items script, .toast img').length`), 0);
});

test('a click marks as read, in every window of alice', async () => {
  await calm();
  const other = await browser.open(`${gateway.url}/?user=alice`);
  await publish({ data: { text: 'to be read' } });
  await other.until(badge(1));
  await alice.until(`${items}[0]?.dataset.read === 'false'`);
  await alice.eval(`${items}[0].click()`);
  await other.until(`${hook('badge')}.hidden && ${items}[0].dataset.read === 'true'`);
  await other.send('Page.close');
});

test('mark all read in a category leaves the others', async () => {
  await calm();
  await publish({ type: 'post.liked' });
  await publish({ type: 'follow.created' });
  await alice.until(badge(2));
  await alice.until(`${hook('chip-follow')}`);
  await alice.eval(`${hook('chip-follow')}.click()`);
  await alice.until(`${items}.length > 0 && ${items}.every((item) => item.textContent.includes('follow'))`);
  await alice.until(`!${hook('mark-all-read')}.disabled`);
  await alice.eval(`${hook('mark-all-read')}.click()`);
  await alice.until(badge(1));
  await alice.until(`${hook('mark-all-read')}.disabled`);
});

test('a later one with the same collapse key takes the place of the unread one', async () => {
  await calm();
  await publish({ collapse: 'k', data: { text: 'first' } });
  await publish({ data: { text: 'between' } });
  await alice.until(badge(2));
  await publish({ collapse: 'k', data: { text: 'second' } });
  await alice.until(`${items}[1]?.textContent.includes('second')`);
  assert.ok(await alice.eval(badge(2)));
});

test('one whose time is over disappears, and so does its count', async () => {
  await calm();
  await publish({ ttl_s: 2, data: { text: 'short-lived' } });
  await alice.until(`${items}[0]?.textContent.includes('short-lived')`);
  await alice.until(`!${items}[0].textContent.includes('short-lived')`);
  await alice.until(`${hook('badge')}.hidden`);
});

test('older ones are loaded by cursor', async () => {
  await calm();
  for (let n = 0; n < 30; n += 1) await publish({ data: { text: `number ${n}` } });
  await alice.send('Page.reload');
  await alice.until(`${items}.length === 25 && !${hook('load-more')}.hidden`);
  await alice.eval(`${hook('load-more')}.click()`);
  await alice.until(`${items}.some((item) => item.textContent.includes('number 0'))`);
  await picture(alice, 'inbox');
});

test('a cut line is in plain sight, and what was missed is marked when it is back', async () => {
  await calm();
  await alice.eval(`${hook('offline')}.click()`);
  await alice.until(state('reconnecting'));
  await alice.until(`${hook('state')}.textContent.includes('Reconnecting') && !${hook('banner')}.hidden`);
  await publish({ data: { text: 'missed one' } });
  await publish({ data: { text: 'missed two' } });
  await picture(alice, 'reconnecting');
  await alice.eval(`${hook('offline')}.click()`);
  await alice.until(state('live'));
  await alice.until(`${hook('state')}.textContent.includes('2 missed')`);
  await alice.until(`${items}.filter((item) => item.dataset.missed === 'true').length === 2`);
  await alice.until(badge(2));
  assert.match(await alice.eval(`${items}[0].textContent`), /missed two/);
  await picture(alice, 'resumed');
});

test('kill -9 of the node: the page resumes when it is back, and nothing is lost or doubled', async () => {
  await calm();
  await publish({ data: { text: 'before the crash' } });
  await alice.until(badge(1));
  const position = await alice.eval(`${hook('position')}.textContent`);
  await gateway.kill();
  await alice.until(state('reconnecting'));
  await gateway.start();
  await publish({ data: { text: 'after the crash' } });
  await alice.until(state('live'));
  await alice.until(badge(2));
  const [epoch, seq] = position.split(':');
  assert.equal(await alice.eval(`${hook('position')}.textContent`), `${epoch}:${Number(seq) + 1}`);
  assert.equal(await alice.eval(`${items}.filter((item) => item.textContent.includes('the crash')).length`), 2);
});

test('the drawer shows frames both ways, and no token', async () => {
  await alice.eval(`${hook('frames-toggle')}.click()`);
  await alice.until(`document.querySelector('.frame[data-direction="out"]')`);
  await alice.until(`document.querySelector('.frame[data-direction="in"]')`);
  const text = await alice.eval(`${hook('frames')}.textContent`);
  assert.match(text, /"op":"hello","token":"…"/);
  assert.doesNotMatch(text, /eyJ/);
  await picture(alice, 'frames');
  await alice.eval(`${hook('frames-toggle')}.click()`);
});

test('the page fits a phone, light and dark', async () => {
  /** @type {[number, 'light' | 'dark'][]} */ const looks = [[360, 'light'], [390, 'dark'], [1280, 'dark']];
  for (const [width, scheme] of looks) {
    await alice.resize(width, 800);
    await alice.scheme(scheme);
    await alice.until('document.documentElement.scrollWidth <= innerWidth');
    await picture(alice, `${width}-${scheme}`);
  }
});

test('the page complained of nothing', () => {
  assert.deepEqual([...alice.complaints, ...bob.complaints], []);
});
