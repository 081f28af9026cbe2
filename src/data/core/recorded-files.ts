/** The files of a dataset as a run records them: many small ones of a folder are one entry. */
import { sha256 } from '../reading/files.js';
import type { DataFile, SplitFile, SplitName } from './dataset.js';

/** The files of a split in a folder, as a run records them, or one file. */
export interface RecordedFiles extends DataFile {
  readonly split: SplitName;
  /** Number of the files of a folder; its `sha256` is that of theirs. */
  readonly files?: number | undefined;
  /** Base64 of the first {@link START_BYTES} bytes of each SHA-256. */
  readonly file_digests?: string | undefined;
}

/** Enough to tell the files of a dataset apart. */
const START_BYTES = 6;
const START = 2 * START_BYTES;

/** @returns {@link SplitFile}s, those of a folder as one */
export function recordedFiles(files: readonly SplitFile[]): RecordedFiles[] {
  const folders = new Map<string, SplitFile[]>();
  const recorded = files.flatMap((file): (() => RecordedFiles)[] => {
    const { name, sha256, split, folder } = file;
    if (folder === undefined) return [() => ({ name, sha256, split })];
    const key = `${split} ${folder}`;
    const known = folders.get(key);
    if (known) known.push(file);
    else folders.set(key, [file]);
    return known ? [] : [() => asOne(folder, folders.get(key) ?? [])];
  });
  return recorded.map(make => make());
}

function asOne(name: string, files: readonly SplitFile[]): RecordedFiles {
  const digests = Buffer.from(files.map(({ sha256 }) => sha256).join(''), 'hex');
  const starts = Buffer.from(files.map(({ sha256 }) => startOf(sha256)).join(''), 'hex');
  return {
    name,
    sha256: sha256(digests),
    split: files[0].split,
    files: files.length,
    file_digests: starts.toString('base64'),
  };
}

/** The start of a digest that tells files apart. */
export function startOf(sha256: string): string {
  return sha256.slice(0, START);
}

/** The starts of the digests of all files that a run has recorded. */
export function recordedStarts(recorded: readonly RecordedFiles[]): ReadonlySet<string> {
  const starts = recorded.flatMap(({ sha256, file_digests: all }) =>
    all === undefined
      ? [startOf(sha256)]
      : (Buffer.from(all, 'base64')
          .toString('hex')
          .match(new RegExp(`.{${START}}`, 'g')) ?? []),
  );
  return new Set(starts);
}
