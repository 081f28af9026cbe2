/** `tag RUN…`: tags and notes, which people may change as long as a run or sweep exists. */

import { changedNotes, checkNotesChange, type Notes, type NotesChange } from '../../experiment/notes.js';
import { RunDirectory } from '../../experiment/run-directory.js';
import { SweepDirectory } from '../../sweep/sweep-directory.js';
import { EXIT, type ExitCode, UserError } from '../../util/errors.js';
import type { Io } from '../terminal/io.js';

/** A run or a sweep. */
interface Noted {
  readNotes(): Notes;
  writeNotes(notes: Notes): void;
}

function openNoted(path: string): Noted {
  return SweepDirectory.isAt(path) ? SweepDirectory.open(path) : RunDirectory.open(path);
}

/**
 * Changes all runs and sweeps or, if one of them cannot be changed, none; then prints what they
 * have. Throws UserError (exit 2 or 5).
 */
export function tag(
  runs: readonly string[],
  change: NotesChange,
  { json }: { readonly json: boolean },
  io: Io,
): ExitCode {
  checkNotesChange(change);
  const isChange = change.add.length + change.remove.length > 0 || change.note !== undefined;
  const noted = eachOf(runs, path => {
    const directory = openNoted(path);
    const before = directory.readNotes();
    return { path, directory, notes: isChange ? changedNotes(before, change, path) : before };
  });
  if (isChange) for (const { directory, notes } of noted) directory.writeNotes(notes);
  if (json)
    io.out(
      `${JSON.stringify({ version: 1, runs: noted.map(({ path, notes: { tags, note } }) => ({ path, tags, note })) })}\n`,
    );
  else for (const { path, notes } of noted) io.out(`${path}: ${notesInWords(notes)}\n`);
  return EXIT.done;
}

/**
 * Adds to the notes of the run or sweep in `directory`, whose change `checkNotesChange` has passed;
 * writes nothing if there is nothing to add.
 */
export function addNotes(directory: string, change: NotesChange): void {
  if (change.add.length === 0 && change.note === undefined) return;
  const opened = openNoted(directory);
  opened.writeNotes(changedNotes(opened.readNotes(), change, directory));
}

/** Reports what is wrong with any of the runs at once. */
function eachOf<T>(runs: readonly string[], read: (path: string) => T): readonly T[] {
  const wrong: UserError[] = [];
  const results = [...new Set(runs)].flatMap(path => {
    try {
      return [read(path)];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      wrong.push(error);
      return [];
    }
  });
  if (wrong.length > 0)
    throw new UserError(
      wrong[0].exitCode,
      wrong.flatMap(({ diagnostics }) => diagnostics),
    );
  return results;
}

export function notesInWords({ tags, note }: Notes): string {
  const parts = [tags.join(', '), note === null ? '' : JSON.stringify(note)].filter(Boolean);
  return parts.length === 0 ? 'no tags and no note' : parts.join('; ');
}
