// @ts-check
// Where a message is written: sending, editing, and telling the others that somebody types.

import { $, onClick } from '/look.js';
import { textOf } from '/people.js';

/**
 * @typedef {import('../js/apus.js').Message} Message
 *
 * @typedef {{ send(text: string): void, edit(message: Message, text: string): void, typing(on: boolean): void,
 *             lastOwn(): Message | undefined }} Listener
 */

/** Whoever writes nothing for so long is not typing. */
const idleMs = 5000;

/** @type {Map<string, string>} what was begun, by conversation */ const drafts = new Map();
/** @type {{ conv: string, editing: Message | null, idle: any }} */ const state = { conv: '', editing: null, idle: null };
/** @type {Listener} */ let listener;

const box = () => $('compose-text');

/** @param {string} conv where it is written from now on */
export function composeIn(conv) {
  if (state.conv && !state.editing) drafts.set(state.conv, box().value);
  clearTimeout(state.idle);
  state.conv = conv;
  state.editing = null;
  write(drafts.get(conv) ?? '');
}

/** @param {string | null} why nothing can be written here; null: it can */
export function forbid(why) {
  $('compose').hidden = why !== null;
  $('no-compose').hidden = why === null;
  $('no-compose').textContent = why ?? '';
}

/** @param {Message} message */
export function edit(message) {
  if (!state.editing) drafts.set(state.conv, box().value);
  state.editing = message;
  write(textOf(message.body));
  box().focus();
  box().select();
}

/** The message under the pen was taken back, or the user wants out. */
export function stopEditing() {
  if (!state.editing) return;
  state.editing = null;
  write(drafts.get(state.conv) ?? '');
}

/** @param {string} text */
function write(text) {
  box().value = text;
  $('editing').hidden = !state.editing;
  grow();
}

/** As high as what is in it, up to what the style allows. */
function grow() {
  box().style.height = 'auto';
  box().style.height = `${box().scrollHeight + 2}px`;
  $('compose-send').disabled = box().value.trim() === '';
}

function submit() {
  const text = box().value.trim();
  if (!text) return;
  const { editing } = state;
  clearTimeout(state.idle);
  if (editing) {
    stopEditing();
    if (text !== textOf(editing.body)) listener.edit(editing, text);
  } else {
    drafts.delete(state.conv);
    write('');
    listener.send(text);
  }
  box().focus();
}

/** @param {KeyboardEvent} press */
function pressed(press) {
  const { key, shiftKey, isComposing } = press;
  const isPhone = matchMedia('(pointer: coarse)').matches; // There is no other way to a new line.
  if (key === 'Enter' && !shiftKey && !isComposing && !isPhone) {
    press.preventDefault();
    submit();
  } else if (key === 'Escape' && state.editing) {
    press.stopPropagation();
    stopEditing();
  } else if (key === 'ArrowUp' && box().value === '') {
    const last = listener.lastOwn();
    if (!last) return;
    press.preventDefault();
    edit(last);
  }
}

/** @param {Listener} who is told */
export function wireUpComposer(who) {
  listener = who;
  $('compose').addEventListener('submit', (/** @type {Event} */ event) => {
    event.preventDefault();
    submit();
  });
  box().addEventListener('keydown', pressed);
  box().addEventListener('input', () => {
    grow();
    clearTimeout(state.idle);
    const isTyping = box().value.trim() !== '' && !state.editing;
    listener.typing(isTyping);
    if (isTyping) state.idle = setTimeout(() => listener.typing(false), idleMs);
  });
  onClick('stop-editing', stopEditing);
}
