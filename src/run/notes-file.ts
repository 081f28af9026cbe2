/** Reads `notes.json` of a run or a sweep, and changes it under a lock. */
import { closeSync, openSync } from 'node:fs';
import { usageError } from '../util/errors.js';
import { writeJsonAtomic } from './files/atomic.js';
import { readJson } from './files/valid-json.js';
import { tryAdvisoryLock } from './locks/advisory-lock.js';
import { pause } from './locks/lock-owner.js';
import { changedNotes, NO_NOTES, type Notes, type NotesChange } from './notes.js';

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

  /**
   * The notes; empty if there are none.
   * @throws UserError (exit 5) if the file is damaged
   * @throws UserError (exit 2) if it cannot be read
   */
  read(): Notes {
    return readJson<Notes>(this.path, 'notes') ?? NO_NOTES;
  }

  /**
   * Returns the notes with `change` applied and a function that writes them. Until `close` is
   * called, programs that change the same notes wait.
   * @param file named in errors
   * @throws UserError as `read` and `changedNotes`
   * @throws UserError (exit 2) if another program keeps the notes locked
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
    while (tryAdvisoryLock(file) === false) {
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
