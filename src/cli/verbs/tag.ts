/** `tag RUN…`: changes or prints the tags and notes of runs and sweeps. */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { RunDirectory } from '../../run/directory.js';
import {
  changedNotes,
  changeNotes,
  checkNotesChange,
  type Notes,
  type NotesChange,
} from '../../run/notes.js';
import { SweepDirectory } from '../../sweep/directory.js';
import { EXIT, forAll } from '../../util/errors.js';
import { printable } from '../../util/words.js';
import { defineVerb, json, list, text } from '../command/verb.js';

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

/** Changes all runs and sweeps, or none if one of them cannot be changed. */
function changedRuns(paths: readonly string[], change: NotesChange) {
  checkNotesChange(change);
  const isChange = change.add.length + change.remove.length > 0 || change.note !== undefined;
  const distinct = new Map(paths.map(path => [realPath(path), path]));
  const runs = forAll([...distinct.values()], path => {
    const opened = SweepDirectory.isAt(path) ? SweepDirectory.open(path) : RunDirectory.open(path);
    const folder = opened.path;
    return { path, folder, notes: changedNotes(folder, change, path) };
  });
  if (!isChange) return runs;
  return runs.map(({ path, folder }) => ({ path, notes: changeNotes(folder, change, path) }));
}

/** Adds to the notes of a run or sweep. `checkNotesChange` must have accepted the change. */
export function addNotes(directory: string, change: NotesChange): void {
  if (change.add.length > 0 || change.note !== undefined) changeNotes(directory, change, directory);
}

export function notesInWords({ tags, note }: Notes): string {
  const parts = [tags.join(', '), note === null ? '' : JSON.stringify(note)].filter(Boolean);
  return parts.length === 0 ? 'no tags and no note' : printable(parts.join('; '));
}
