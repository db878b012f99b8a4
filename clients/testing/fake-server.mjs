// @ts-check
// The fake gateway behind a real port: the demo page and `/ws`, as `apus serve --dev` serves them, for a browser. What is
// served stands in `demo_site.c`, so a file that is missing there is missing here.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { FakeGateway, token } from './fake-gateway.mjs';

const clients = new URL('../', import.meta.url);
const policy = "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'";
const users = ['alice', 'bob'];
/** RFC 6455 §1.3. */
const handshakeGUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const opcodes = { text: 1, close: 8, ping: 9, pong: 10 };

export class FakeServer {
  gateway = new FakeGateway();
  #server = createServer((request, response) => this.#answer(request, response));
  /** @type {Set<import('node:stream').Duplex>} */ #streams = new Set();
  url = '';

  constructor() {
    this.gateway.receivedMax = Infinity;
    this.#server.on('upgrade', (request, stream) => this.#upgrade(request, stream));
  }

  static async make() { return new FakeServer(); }

  /** @returns {Promise<void>} */
  start() {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        this.url = `http://127.0.0.1:${/** @type {any} */ (this.#server.address()).port}`;
        resolve();
      });
    });
  }

  async remove() {
    this.#server.close();
    this.#server.closeAllConnections();
    for (const stream of this.#streams) stream.destroy();
  }

  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  async #answer(request, response) {
    const path = new URL(request.url ?? '/', this.url).pathname;
    const json = (/** @type {any} */ value) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
    };
    if (path === '/dev/session') return json({ users: users.map(session), curl: 'curl …' });
    if (path === '/dev/notify') return json(await this.#notify(request));
    const file = (await site()).get(path);
    if (!file) return void response.writeHead(404).end();
    const headers = { 'Content-Type': file.type, 'Content-Security-Policy': policy, 'Cache-Control': 'no-cache' };
    response.writeHead(200, headers).end(await readFile(new URL(file.path, clients)));
  }

  /** @param {import('node:http').IncomingMessage} request */
  async #notify(request) {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { to, ...content } = JSON.parse(text);
    const category = content.type.split('.')[0];
    const results = [to].flat().map((user) => {
      const id = `n-${this.gateway.timeline(user).events.length + 1}`;
      const { seq } = this.gateway.publish(
        { ts: Date.now(), notification: { id, category, read: false, ...content } }, { user });
      return { user, seq, id, stored: true };
    });
    return { results };
  }

  /** @param {import('node:http').IncomingMessage} request @param {import('node:stream').Duplex} stream */
  #upgrade(request, stream) {
    const key = createHash('sha1').update(request.headers['sec-websocket-key'] + handshakeGUID).digest('base64');
    stream.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
      + `Sec-WebSocket-Accept: ${key}\r\nSec-WebSocket-Protocol: apus.v1\r\n\r\n`);
    const socket = new WireSocket(stream);
    this.#streams.add(stream);
    stream.on('close', () => {
      this.#streams.delete(stream);
      socket.readyState = 3;
    });
    stream.on('error', () => {}); // `close` follows.
    stream.on('data', (data) => {
      for (const text of socket.take(data)) this.gateway.handle(socket, JSON.parse(text));
    });
    this.gateway.sockets.push(socket);
  }
}

/** One browser's socket, as the fake gateway uses it. */
class WireSocket {
  readyState = 1;
  /** @type {string | undefined} */ user;
  #begun = Buffer.alloc(0);

  /** @param {import('node:stream').Duplex} stream */
  constructor(stream) {
    this.stream = stream;
  }

  /** @param {any} frame */
  say(frame) { this.#write(opcodes.text, Buffer.from(JSON.stringify(frame))); }

  /** @param {number} code */
  end(code) {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.#write(opcodes.close, payload);
    this.stream.end();
  }

  /** @param {Buffer} data @returns {string[]} the messages that are complete now; a browser does not fragment them */
  take(data) {
    this.#begun = Buffer.concat([this.#begun, data]);
    const texts = [];
    for (;;) {
      const frame = unmask(this.#begun);
      if (!frame) return texts;
      this.#begun = this.#begun.subarray(frame.end);
      if (frame.opcode === opcodes.text) texts.push(frame.payload.toString());
      if (frame.opcode === opcodes.ping) this.#write(opcodes.pong, frame.payload);
      if (frame.opcode === opcodes.close) this.end(1000);
    }
  }

  /** @param {number} opcode @param {Buffer} payload */
  #write(opcode, payload) {
    if (!this.stream.writable) return;
    const { length } = payload;
    const form = length < 126 ? length : length < 65_536 ? 126 : 127; // The shortest, or browsers refuse it.
    const head = Buffer.alloc(form < 126 ? 2 : form === 126 ? 4 : 10);
    head[0] = 0x80 | opcode;
    head[1] = form;
    if (form === 126) head.writeUInt16BE(length, 2);
    if (form === 127) head.writeUInt32BE(length, 6);
    this.stream.write(Buffer.concat([head, payload]));
  }
}

/** The first frame of a browser (RFC 6455 §5.2), and where it ends; null when it is not all there. @param {Buffer} data */
function unmask(data) {
  if (data.length < 2) return null;
  const short = data[1] & 0x7f;
  const lengthBytes = { 126: 2, 127: 8 }[short] ?? 0;
  const begin = 2 + lengthBytes + 4;
  if (data.length < begin) return null;
  const length = lengthBytes === 2 ? data.readUInt16BE(2) : lengthBytes === 8 ? data.readUInt32BE(6) : short;
  if (data.length < begin + length) return null;
  const mask = data.subarray(begin - 4, begin);
  const payload = Buffer.from(data.subarray(begin, begin + length)).map((byte, at) => byte ^ mask[at % 4]);
  return { opcode: data[0] & 15, payload: Buffer.from(payload), end: begin + length };
}

/** @param {string} user */
function session(user) {
  const hour = Date.now() / 1000 + 3600;
  return { user, name: user[0].toUpperCase() + user.slice(1), token: token(Math.floor(hour), user) };
}

/** @type {Promise<Map<string, { path: string, type: string }>> | null} */ let table = null;

/** What is served where, as `demo_site.c` says. */
function site() {
  table ??= readFile(new URL('demo_site.c', clients), 'utf8').then((source) => {
    const types = new Map([...source.matchAll(/#define (\w+) "(.+)"/g)].map(([, name, type]) => [name, type]));
    const files = new Map([...source.matchAll(/char (\w+)\[\] = \{\n#embed "(.+)"/g)].map(([, name, path]) => [name, path]));
    const entries = [...source.matchAll(/\{"(\/.*)", (?:"(.+?)"|(\w+)), (\w+),/g)];
    return new Map(entries.map(([, path, text, name, file]) => (
      [path, { path: files.get(file) ?? '', type: text ?? types.get(name) ?? '' }])));
  });
  return table;
}
