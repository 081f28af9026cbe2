/**
 * `notes.json`: tags and a note that users add to a run or a sweep. They do not affect results.
 */

import { fs, join } from '../host/index.js';
import { usageError } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import { document, list, literal, nullable, type TypeOf, text } from '../util/schema.js';
import { withFileErrors } from '../util/system-errors.js';
import { writeJsonAtomic } from './files.js';
import { readJson } from './json.js';
import { pause, tryFileLock } from './lock.js';

export interface NotesChange {
  readonly add: readonly string[];
  readonly remove: readonly string[];
  /** Undefined keeps the note; an empty text removes it. */
  readonly note: string | undefined;
}

const MAX_TAGS = 50;
const MAX_NOTE = 2000;
/** No spaces, commas or quotes, so that a search can name a tag without quoting it. */
const TAG = /^[^\s,"]{1,50}$/;

export const notes = document(
  'Notes',
  'notes.json of a run: tags and a note by its users. It may change after the run has ended; no hash, gate, review or comparison reads it.',
  {
    version: literal(1, 'Version of this format.'),
    tags: list(text({ pattern: TAG.source }), {
      description: 'Sorted, without duplicates.',
      maxItems: MAX_TAGS,
      unique: true,
      examples: [['baseline', 'paper']],
    }),
    note: nullable(
      text({
        description: 'Free text; null if there is none.',
        minLength: 1,
        maxLength: MAX_NOTE,
        examples: ['the first run with the new preprocessing'],
      }),
    ),
  },
);

export type Notes = TypeOf<typeof notes>;

const NO_NOTES: Notes = { version: 1, tags: [], note: null };

/** Checks what does not depend on the current notes. */
export function checkNotesChange({ add, remove, note }: NotesChange): void {
  const wrong = add.find(tag => !TAG.test(tag));
  if (wrong !== undefined)
    throw usageError('notes/tag', 'this is not a valid tag', {
      expected: '1 to 50 characters without spaces, commas and double quotes',
      got: JSON.stringify(wrong),
    });
  const both = add.find(tag => remove.includes(tag));
  if (both !== undefined) throw usageError('notes/both', `the tag '${both}' is both added and removed`);
  if (note !== undefined && note.trim().length > MAX_NOTE)
    throw usageError('notes/note', 'the note is too long', {
      expected: `at most ${MAX_NOTE} characters`,
      got: `${note.trim().length}`,
    });
}

/** The notes of the run or sweep in `folder`; empty if there are none. */
export function readNotes(folder: string): Notes {
  return readJson<Notes>(join(folder, 'notes.json'), 'notes') ?? NO_NOTES;
}

/** The notes with a change applied, which is not written. @param file named in errors */
export function changedNotes(folder: string, { add, remove, note }: NotesChange, file: string): Notes {
  const before = readNotes(folder);
  const missing = remove.find(tag => !before.tags.includes(tag));
  if (missing !== undefined)
    throw usageError('notes/no-such-tag', `this run has no tag '${missing}'`, {
      file,
      expected: before.tags.length === 0 ? 'no tag: it has none' : `one of ${before.tags.join(', ')}`,
      suggestion: nearest(missing, before.tags),
    });
  const tags = [...new Set([...before.tags.filter(tag => !remove.includes(tag)), ...add])].sort();
  if (tags.length > MAX_TAGS)
    throw usageError('notes/too-many', `a run can have at most ${MAX_TAGS} tags`, {
      file,
      got: `${tags.length}`,
    });
  return { version: 1, tags, note: note === undefined ? before.note : note.trim() || null };
}

/** Tries to lock, 5 ms apart: another program changes notes within milliseconds. */
const TRIES = 2000;

/** Writes the changed notes. Programs that do so at once wait for each other. */
export function changeNotes(folder: string, change: NotesChange, file: string): Notes {
  // the lock is on a file that stays the same
  const [plan, config] = [join(folder, 'plan.json'), join(folder, 'config.yaml')];
  const anchor = fs.existsSync(plan) ? plan : config;
  const lock = withFileErrors(anchor, () => fs.openSync(anchor, 'r+'));
  try {
    for (let tries = 0; tries < TRIES && tryFileLock(lock) === false; tries++) pause(5);
    const notes = changedNotes(folder, change, file);
    writeJsonAtomic(join(folder, 'notes.json'), notes);
    return notes;
  } finally {
    fs.closeSync(lock);
  }
}
