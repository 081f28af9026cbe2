/** `tag RUN…`: changes or prints the tags and notes of runs and sweeps. */
import { changedNotes, checkNotesChange, type Notes, type NotesChange } from '../../experiment/notes.js';
import { RunDirectory } from '../../experiment/run-directory.js';
import { SweepDirectory } from '../../sweep/sweep-directory.js';
import { EXIT, UserError } from '../../util/errors.js';
import { json } from '../options.js';
import { defineVerb, list, text } from '../verb.js';

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
      io.out(`${JSON.stringify({ version: 1, runs: listed })}\n`);
    } else for (const { path, notes } of runs) io.out(`${path}: ${notesInWords(notes)}\n`);
    return EXIT.done;
  },
});

/** The directory of a run or a sweep. */
interface Noted {
  readNotes(): Notes;
  writeNotes(notes: Notes): void;
}

function openNoted(path: string): Noted {
  return SweepDirectory.isAt(path) ? SweepDirectory.open(path) : RunDirectory.open(path);
}

/**
 * Changes all runs and sweeps, or none if one of them cannot be changed.
 * @throws UserError (exit 2 or 5) if one cannot be changed; lists the problems of all
 */
function changedRuns(paths: readonly string[], change: NotesChange) {
  checkNotesChange(change);
  const isChange = change.add.length + change.remove.length > 0 || change.note !== undefined;
  const problems: UserError[] = [];
  const runs = [...new Set(paths)].flatMap(path => {
    try {
      const directory = openNoted(path);
      const before = directory.readNotes();
      return [{ path, directory, notes: isChange ? changedNotes(before, change, path) : before }];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(error);
      return [];
    }
  });
  if (problems.length > 0)
    throw new UserError(
      problems[0].exitCode,
      problems.flatMap(({ diagnostics }) => diagnostics),
    );
  if (isChange) for (const { directory, notes } of runs) directory.writeNotes(notes);
  return runs;
}

/** Adds to the notes of a run or sweep. `checkNotesChange` must have accepted the change. */
export function addNotes(directory: string, change: NotesChange): void {
  if (change.add.length === 0 && change.note === undefined) return;
  const opened = openNoted(directory);
  opened.writeNotes(changedNotes(opened.readNotes(), change, directory));
}

export function notesInWords({ tags, note }: Notes): string {
  const parts = [tags.join(', '), note === null ? '' : JSON.stringify(note)].filter(Boolean);
  return parts.length === 0 ? 'no tags and no note' : parts.join('; ');
}
