// @ts-check
// What one view of the inbox holds, and how events change it. Decides only: no elements, no sockets.

const pageSize = 25;

/**
 * `content`: the notification as it came. `missed`: it came while this page was away. `fresh`: it came just now.
 * @typedef {{ id: string, content: any, read: boolean, missed: boolean, fresh: boolean }} Item
 *
 * What of apus.js is needed here.
 * @typedef {{ inbox(query: object): Promise<any> }} InboxReader
 */

/** A category, only what is unread, or all; newest first; kept up to date by events. */
export class InboxView {
  /** @type {Item[]} */ items = [];
  /** @type {string | null} where the next page begins; null: all of it is here */ cursor = null;
  /** @type {Record<string, number>} unread ones */ byCategory = {};
  /** @type {Set<string>} all seen, or a chip would vanish with its last unread one */ categories = new Set();
  /** @type {{ category?: string, unread?: boolean }} */ filter = {};
  /** An event could not be applied to what is loaded: it has to be read again. */ doubt = false;
  loaded = false;
  /** @type {[any, boolean][] | null} events since the page under way was asked for */ #since = null;

  get loading() { return this.#since !== null; }

  /** @param {{ category?: string, unread?: boolean }} filter what to show from now on */
  choose(filter) {
    this.filter = filter;
    this.items = [];
    this.cursor = null;
    this.loaded = false;
  }

  /**
   * Reads the first page, or the next one. Events that arrive meanwhile are applied on top of it, since nobody knows
   * whether it was read before or after them.
   * @param {InboxReader} reader
   * @param {{ more?: boolean, markNew?: boolean }} [how] `markNew`: what was not here before counts as missed
   */
  async load(reader, how = {}) {
    /** @type {[any, boolean][]} */ const since = this.#since = [];
    try {
      const page = await reader.inbox({ ...this.filter, limit: pageSize, before: how.more ? this.cursor : undefined });
      if (this.#since !== since) return; // Another page was asked for since: this one is of no use.
      const known = new Map(this.items.map((item) => [item.id, item]));
      if (!how.more) this.items = [];
      for (const content of page.items) {
        const before = known.get(content.id);
        if (how.more && before) continue;
        const missed = before ? before.missed : how.markNew === true && !content.read;
        this.items.push({ id: content.id, content, read: content.read, missed, fresh: false });
        this.categories.add(content.category);
      }
      this.cursor = page.cursor ?? null;
      this.loaded = true;
      this.doubt = false;
      for (const [event, missed] of since) this.#apply(event, missed);
      this.takeCounts(page.by_category);
    } finally {
      if (this.#since === since) this.#since = null;
    }
  }

  /** @param {Record<string, number> | undefined} byCategory as the gateway counted */
  takeCounts(byCategory) {
    this.byCategory = { ...byCategory };
    for (const category of Object.keys(this.byCategory)) this.categories.add(category);
  }

  /** @param {number} total of unread ones @returns {boolean} whether the counts by category cannot all be right */
  isOff(total) {
    return total !== Object.values(this.byCategory).reduce((sum, n) => sum + n, 0);
  }

  /** @param {any} event a durable one @param {boolean} missed */
  take(event, missed) {
    this.#since?.push([event, missed]);
    this.#apply(event, missed);
  }

  /** @param {any} event @param {boolean} missed */
  #apply(event, missed) {
    switch (event.ev) {
      case 'notification': case 'notification.updated': this.#put(event, missed); break;
      case 'notification.retracted': this.items = this.items.filter(({ id }) => id !== event.notification?.id); break;
      case 'inbox.read': this.markRead(event); break;
    }
  }

  /** @param {any} event @param {boolean} missed */
  #put(event, missed) {
    const content = { ts: event.ts, ...event.notification };
    const item = { id: content.id, content, read: content.read === true, missed, fresh: !missed };
    const at = this.items.findIndex(({ id }) => id === item.id);
    this.categories.add(content.category);
    if (at >= 0) {
      this.items[at] = item; // An updated one keeps its place.
    } else if (event.ev === 'notification') {
      this.#count(content.category, 1);
      if (!this.filter.category || this.filter.category === content.category) this.items.unshift(item);
    }
  }

  /**
   * @param {{ ids?: string[], up_to?: string, all?: boolean, category?: string }} selection of an event or a request
   * @returns {Item[]} those that it changed
   */
  markRead(selection) {
    const { ids, up_to: upTo, all, category } = selection;
    const from = this.items.findIndex(({ id }) => id === upTo);
    if (upTo !== undefined && from < 0) this.doubt = true; // Which ones are older than one that is not here?
    const changed = this.items.filter((item, at) => !item.read && (!category || item.content.category === category)
      && (all || ids?.includes(item.id) || (from >= 0 && at >= from)));
    for (const item of changed) {
      Object.assign(item, { read: true, missed: false });
      this.#count(item.content.category, -1);
    }
    return changed;
  }

  /** @param {Item[]} items what `markRead` changed, and is taken back */
  markUnread(items) {
    for (const item of items) {
      item.read = false;
      this.#count(item.content.category, 1);
    }
  }

  /** The marks are for the last absence only. */
  forgetMissed() {
    for (const item of this.items) item.missed = false;
  }

  /** @param {string} category @param {number} change */
  #count(category, change) {
    this.byCategory[category] = Math.max(0, (this.byCategory[category] ?? 0) + change);
  }
}
