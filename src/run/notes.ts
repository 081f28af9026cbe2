/**
 * `notes.json`: tags and a note that users add to a run; schema in schemas/notes.schema.json. They
 * do not affect results.
 */

import { closeSync, openSync } from 'node:fs';
import { usageError } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import { writeJsonAtomic } from './files.js';
import { readJson } from './json.js';
import { pause, tryFileLock } from './lock.js';

export interface Notes {
  readonly version: 1;
  /** Sorted, each once. */
  readonly tags: readonly string[];
  readonly note: string | null;
}

export interface NotesChange {
  readonly add: readonly string[];
  readonly remove: readonly string[];
  /** Undefined keeps the note; an empty text removes it. */
  readonly note: string | undefined;
}

export const NO_NOTES: Notes = { version: 1, tags: [], note: null };

const MAX_TAGS = 50;
const MAX_NOTE = 2000;
/** No spaces, commas or quotes, so that a search can name a tag without quoting it. */
const TAG = /^[^\s,"]{1,50}$/;

export function checkNotesChange({ add, remove, note }: NotesChange): void {
  const wrong = add.find(tag => !TAG.test(tag));
  if (wrong !== undefined)
    throw usageError({
      code: 'notes/tag',
      message: 'this is not a valid tag',
      expected: '1 to 50 characters without spaces, commas and double quotes',
      got: JSON.stringify(wrong),
    });
  const both = add.find(tag => remove.includes(tag));
  if (both !== undefined)
    throw usageError({ code: 'notes/both', message: `the tag '${both}' is both added and removed` });
  if (note !== undefined && note.trim().length > MAX_NOTE)
    throw usageError({
      code: 'notes/note',
      message: 'the note is too long',
      expected: `at most ${MAX_NOTE} characters`,
      got: `${note.trim().length}`,
    });
}

/**
 * Applies a change. Adding a tag twice has no effect.
 * @param file named in errors
 */
export function changedNotes(before: Notes, { add, remove, note }: NotesChange, file: string): Notes {
  const missing = remove.find(tag => !before.tags.includes(tag));
  if (missing !== undefined) {
    if (before.tags.length === 0)
      throw usageError({
        code: 'notes/no-such-tag',
        message: `the tag '${missing}' cannot be removed: this run has no tags`,
        file,
      });
    const suggestion = nearest(missing, before.tags);
    throw usageError({
      code: 'notes/no-such-tag',
      message: `this run has no tag '${missing}'`,
      file,
      expected: `one of ${before.tags.join(', ')}`,
      ...(suggestion !== undefined && { suggestion }),
    });
  }
  const tags = [...new Set([...before.tags.filter(tag => !remove.includes(tag)), ...add])].sort();
  if (tags.length > MAX_TAGS)
    throw usageError({
      code: 'notes/too-many',
      message: `a run can have at most ${MAX_TAGS} tags`,
      file,
      got: `${tags.length}`,
    });
  return { version: 1, tags, note: note === undefined ? before.note : note.trim() || null };
}

/* Reads `notes.json` of a run or a sweep, and changes it under a lock. */

/** Another program changes notes within milliseconds; this allows for a slow disk. */
const MAX_WAIT_MS = 10_000;
const PAUSE_MS = 5;

export class NotesFile {
  /**
   * @param path `notes.json`, which each change replaces
   * @param anchor another file of the directory, which stays the same: the lock is on that
   */
  constructor(
    private readonly path: string,
    private readonly anchor: string,
  ) {}

  /** The notes; empty if there are none. */
  read(): Notes {
    return readJson<Notes>(this.path, 'notes') ?? NO_NOTES;
  }

  /**
   * Returns the notes with `change` applied and a function that writes them. Until `close` is
   * called, programs that change the same notes wait.
   * @param file named in errors
   */
  prepare(change: NotesChange, file: string): { notes: Notes; write: () => void; close: () => void } {
    const close = this.lock();
    try {
      const notes = changedNotes(this.read(), change, file);
      return { notes, write: () => writeJsonAtomic(this.path, notes), close };
    } catch (error) {
      close();
      throw error;
    }
  }

  /** Does nothing if the file cannot be locked: then the last of simultaneous changes wins. */
  private lock(): () => void {
    let file: number;
    try {
      file = openSync(this.anchor, 'r+');
    } catch {
      return () => {};
    }
    const end = performance.now() + MAX_WAIT_MS;
    while (tryFileLock(file) === false) {
      if (performance.now() > end) {
        closeSync(file);
        const message = 'timed out waiting for the notes lock: another program is changing the notes';
        throw usageError({ code: 'notes/locked', message, file: this.path });
      }
      pause(PAUSE_MS);
    }
    return () => closeSync(file);
  }
}
