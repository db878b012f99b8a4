// @ts-check
// A headless Chromium, driven over its DevTools protocol: just what the page's test needs.

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const deadlineMs = 20_000;
const pollMs = 50;
/** A browser that has not ended by then is killed. */
const closeMs = 5_000;

/** Starts a browser with a profile of its own. */
export async function launch() {
  const profile = await mkdtemp(join(tmpdir(), 'apus-page-'));
  const process = spawn(globalThis.process.env.CHROMIUM ?? 'chromium', [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--remote-debugging-port=0',
    // Windows behind others would have their timers slowed down.
    '--disable-background-timer-throttling', '--disable-renderer-backgrounding',
    '--disable-backgrounding-occluded-windows',
    `--user-data-dir=${profile}`, 'about:blank',
  ], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  /** @type {string} */
  const address = await new Promise((resolve, reject) => {
    let said = '';
    process.stderr.on('data', (data) => {
      said += data;
      const found = said.match(/ws:\/\/\S+/);
      if (found) resolve(found[0]);
    });
    process.on('error', reject);
    process.on('exit', () => reject(new Error(`the browser ended: ${said}`)));
  });
  const wire = new WebSocket(address);
  await new Promise((resolve) => { wire.onopen = resolve; });
  /** @type {Map<number, { resolve: (v: any) => void, reject: (e: Error) => void }>} */ const pending = new Map();
  /** @type {Map<string, (message: any) => void>} */ const sessions = new Map();
  let lastID = 0;
  wire.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.id === undefined) return sessions.get(message.sessionId)?.(message);
    const { resolve, reject } = /** @type {any} */ (pending.get(message.id));
    pending.delete(message.id);
    if (message.error) reject(new Error(message.error.message));
    else resolve(message.result);
  };
  /** @param {string} method @param {object} [params] @param {string} [sessionId] @returns {Promise<any>} */
  const send = (method, params = {}, sessionId = undefined) => new Promise((resolve, reject) => {
    lastID += 1;
    pending.set(lastID, { resolve, reject });
    wire.send(JSON.stringify({ id: lastID, method, params, sessionId }));
  });
  const closed = new Promise((resolve) => { process.once('exit', resolve); });
  return {
    /** @param {string} url */
    open: (url) => Page.open(send, sessions, url),
    async close() {
      send('Browser.close').catch(() => {});
      const hangs = setTimeout(() => globalThis.process.kill(-Number(process.pid), 'SIGKILL'), closeMs);
      await closed;
      clearTimeout(hangs);
      wire.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

export class Page {
  /** What the page complained of: exceptions, and what its policy forbade. @type {string[]} */
  complaints = [];

  /** @param {(method: string, params?: object) => Promise<any>} send */
  constructor(send) {
    this.send = send;
  }

  /** @param {any} send @param {Map<string, any>} sessions @param {string} url */
  static async open(send, sessions, url) {
    const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page((method, params) => send(method, params, sessionId));
    sessions.set(sessionId, (/** @type {any} */ message) => page.#hear(message));
    for (const domain of ['Page', 'Runtime', 'Log']) await page.send(`${domain}.enable`);
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
      const value = await this.eval(expression).catch(() => undefined); // The page may be loading.
      if (value) return value;
      if (Date.now() > end) throw new Error(`not within ${ms} ms: ${expression}`);
      await new Promise((resolve) => { setTimeout(resolve, pollMs); });
    }
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
