/** `tag RUN…`: changes or prints the tags and notes of runs and sweeps. */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { RunDirectory } from '../../run/directory.js';
import type { NotesFile } from '../../run/notes.js';
import { checkNotesChange, NO_NOTES, type Notes, type NotesChange } from '../../run/notes.js';
import { SweepDirectory } from '../../sweep/directory.js';
import { EXIT, UserError } from '../../util/errors.js';
import { printable } from '../../util/words.js';
import { json } from '../command/options.js';
import { defineVerb, list, text } from '../command/verb.js';

export const verb = defineVerb({
  arguments: '<run...>',
  options: {
    add: list('<tag>', 'add a tag'),
    remove: list('<tag>', 'remove a tag'),
    note: text('<text>', 'replace the note; an empty text removes it'),
    json: json('tags and notes'),
  },
  action: ([paths], { json, ...change }, { io }) => {
    const runs = changedRuns(paths, change);
    if (json) {
      const listed = runs.map(({ path, notes: { tags, note } }) => ({ path, tags, note }));
      io.data(`${JSON.stringify({ version: 1, runs: listed })}\n`);
    } else for (const { path, notes } of runs) io.out(`${printable(path)}: ${notesInWords(notes)}\n`);
    return EXIT.done;
  },
});

/** A path that does not exist is reported later. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

function notesOf(path: string): NotesFile {
  return (SweepDirectory.isAt(path) ? SweepDirectory.open(path) : RunDirectory.open(path)).notes;
}

/** Changes all runs and sweeps, or none if one of them cannot be changed. */
function changedRuns(paths: readonly string[], change: NotesChange) {
  checkNotesChange(change);
  const isChange = change.add.length + change.remove.length > 0 || change.note !== undefined;
  const problems: UserError[] = [];
  const open: { write(): void; close(): void }[] = [];
  const attempt = (path: string): Notes => {
    try {
      const file = notesOf(path);
      if (!isChange) return file.read();
      const { notes, ...prepared } = file.prepare(change, path);
      open.push(prepared);
      return notes;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(error);
      return NO_NOTES;
    }
  };
  try {
    const distinct = new Map(paths.map(path => [realPath(path), path]));
    // locked in one order, so that two calls for the same runs cannot wait for each other
    const inOrder = [...distinct].sort(([a], [b]) => (a < b ? -1 : 1));
    const notes = new Map(inOrder.map(([, path]) => [path, attempt(path)]));
    if (problems.length > 0)
      throw new UserError(
        problems[0].exitCode,
        problems.flatMap(({ diagnostics }) => diagnostics),
      );
    for (const { write } of open) write();
    return [...distinct.values()].map(path => ({ path, notes: notes.get(path) ?? NO_NOTES }));
  } finally {
    for (const { close } of open) close();
  }
}

/** Adds to the notes of a run or sweep. `checkNotesChange` must have accepted the change. */
export function addNotes(directory: string, change: NotesChange): void {
  if (change.add.length === 0 && change.note === undefined) return;
  const { write, close } = notesOf(directory).prepare(change, directory);
  try {
    write();
  } finally {
    close();
  }
}

export function notesInWords({ tags, note }: Notes): string {
  const parts = [tags.join(', '), note === null ? '' : JSON.stringify(note)].filter(Boolean);
  return parts.length === 0 ? 'no tags and no note' : printable(parts.join('; '));
}
