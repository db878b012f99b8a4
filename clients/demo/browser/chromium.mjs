// @ts-check
// A headless Chromium, driven over its DevTools protocol: just what the page's test needs. The protocol runs over two
// pipes (the browser reads from file descriptor 3 and writes to 4; each message is JSON and ends with a NUL), which needs
// neither a port nor a WebSocket, and the browser ends when they are closed.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Guarded, within } from './guarded.mjs';

/** For what the page is to show. */
const deadlineMs = 20_000;
/** For the browser's answer to one request. */
const answerMs = 15_000;
const pollMs = 50;
/** A browser that has not ended by then is killed. */
const closeMs = 5_000;

/** The browser has ended or hangs: nothing more will come of it. */
class BrowserLost extends Error {}

/** The requests to a browser, and what it says unasked. */
class Wire {
  /** @type {Map<number, { resolve: (v: any) => void, reject: (e: Error) => void }>} */ #pending = new Map();
  /** What a page's session says unasked. @type {Map<string, (message: any) => void>} */ sessions = new Map();
  /** @type {BrowserLost | null} */ #lost = null;
  #lastID = 0;

  /** @param {Guarded} browser */
  constructor(browser) {
    this.browser = browser;
    const [, , , out, back] = /** @type {any[]} */ (browser.child.stdio);
    this.out = out;
    let begun = '';
    out.on('error', () => {}); // The end of the process follows, and says more.
    back.on('error', () => {});
    back.setEncoding('utf8');
    back.on('data', (/** @type {string} */ data) => {
      const messages = (begun + data).split('\0');
      begun = messages.pop() ?? '';
      for (const message of messages) this.#receive(JSON.parse(message));
    });
    browser.ended.then(() => this.#lose('has ended'));
  }

  /** @param {string} method @param {object} [params] @param {string} [sessionId] @returns {Promise<any>} */
  async send(method, params = {}, sessionId = undefined) {
    if (this.#lost) throw this.#lost;
    const id = ++this.#lastID;
    const answer = new Promise((resolve, reject) => { this.#pending.set(id, { resolve, reject }); });
    // One that did not answer once is not asked again: the whole run would crawl from deadline to deadline.
    const late = setTimeout(() => this.#lose(`has not answered to ${method} within ${answerMs} ms`), answerMs);
    this.out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    try {
      return await answer;
    } finally {
      clearTimeout(late);
    }
  }

  /** @param {any} message */
  #receive(message) {
    if (message.id === undefined) return this.sessions.get(message.sessionId)?.(message);
    const request = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.error) request?.reject(new Error(message.error.message));
    else request?.resolve(message.result);
  }

  /** @param {string} why */
  #lose(why) {
    this.#lost ??= new BrowserLost(`the browser ${why}: ${this.browser.said}`);
    for (const { reject } of this.#pending.values()) reject(this.#lost);
    this.#pending.clear();
  }
}

/** Starts a browser with a profile of its own. */
export async function launch() {
  const profile = await mkdtemp(join(tmpdir(), 'apus-page-'));
  const browser = new Guarded(process.env.CHROMIUM ?? 'chromium', [
    '--headless=new', '--remote-debugging-pipe', '--disable-gpu', '--hide-scrollbars', '--no-first-run',
    '--disable-dev-shm-usage', // Containers have little of it.
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), // The sandbox refuses root, which CI often is.
    // Windows behind others would have their timers slowed down.
    '--disable-background-timer-throttling', '--disable-renderer-backgrounding',
    '--disable-backgrounding-occluded-windows',
    `--user-data-dir=${profile}`, 'about:blank',
  ], { folder: profile, pipes: 2, env: { ...process.env, TMPDIR: profile } });
  const wire = new Wire(browser);
  const close = async () => {
    wire.send('Browser.close').catch(() => {});
    await within(closeMs, browser.ended, 'the end of the browser').catch(() => browser.kill());
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  };
  try {
    await wire.send('Browser.getVersion');
  } catch (error) {
    await close();
    throw error;
  }
  return { close, /** @param {string} url */ open: (url) => Page.open(wire, url) };
}

export class Page {
  /** What the page complained of: exceptions, and what its policy forbade. @type {string[]} */
  complaints = [];

  /** @param {(method: string, params?: object) => Promise<any>} send */
  constructor(send) {
    this.send = send;
  }

  /** @param {Wire} wire @param {string} url */
  static async open(wire, url) {
    const { targetId } = await wire.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await wire.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page((method, params) => wire.send(method, params, sessionId));
    wire.sessions.set(sessionId, (/** @type {any} */ message) => page.#hear(message));
    for (const domain of ['Page', 'Runtime', 'Log']) await page.send(`${domain}.enable`);
    await page.send('Emulation.setFocusEmulationEnabled', { enabled: true }); // Each page is one that somebody looks at.
    await page.resize(1280, 800);
    await page.send('Page.navigate', { url });
    return page;
  }

  /** @param {any} message */
  #hear({ method, params }) {
    if (method === 'Runtime.exceptionThrown') this.complaints.push(JSON.stringify(params.exceptionDetails.exception));
    if (method === 'Log.entryAdded' && params.entry.source === 'security') this.complaints.push(params.entry.text);
  }

  /** @param {string} expression @returns {Promise<any>} its value, awaited */
  async eval(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression, awaitPromise: true, returnByValue: true, userGesture: true,
    });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
    return result.value;
  }

  /** Waits until an expression holds, and gives its value. @param {string} expression @param {number} [ms] */
  async until(expression, ms = deadlineMs) {
    const end = Date.now() + ms;
    for (;;) {
      const value = await this.eval(expression).catch((error) => {
        if (error instanceof BrowserLost) throw error;
        return undefined; // The page may be loading.
      });
      if (value) return value;
      if (Date.now() > end) throw new Error(`not within ${ms} ms: ${expression}`);
      await new Promise((resolve) => { setTimeout(resolve, pollMs); });
    }
  }

  /** Types as a keyboard does, into what a selector finds. @param {string} selector @param {string} text */
  async type(selector, text) {
    await this.eval(`document.querySelector(${JSON.stringify(selector)}).focus()`);
    await this.send('Input.insertText', { text });
  }

  /** @param {'Enter' | 'Escape' | 'ArrowUp'} key */
  async press(key) {
    const windowsVirtualKeyCode = { Enter: 13, Escape: 27, ArrowUp: 38 }[key];
    const text = key === 'Enter' ? '\r' : undefined;
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', key, code: key, windowsVirtualKeyCode, text });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key, code: key, windowsVirtualKeyCode });
  }

  /** @param {number} width @param {number} height */
  resize(width, height) {
    const metrics = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
    return this.send('Emulation.setDeviceMetricsOverride', metrics);
  }

  /** @param {'dark' | 'light'} value */
  scheme(value) {
    const features = [{ name: 'prefers-color-scheme', value }];
    return this.send('Emulation.setEmulatedMedia', { features });
  }

  /** @param {string} file */
  async screenshot(file) {
    await this.send('Page.bringToFront'); // A window behind others is drawn late, or never.
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    await writeFile(file, Buffer.from(data, 'base64'));
  }
}
